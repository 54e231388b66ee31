/* tests/vmm/check_devices.c: the machine's list of devices: which there are, in which order
 * and slots, and who takes a request. */
#include "tests/kernel.h"
#include "tests/unit.h"
#include "vmm/dev/virtio_balloon.h"
#include "vmm/dev/virtio_net.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

enum { NIC_COUNT = 2 };

static struct machine_nic nics[NIC_COUNT];
static struct machine_config cfg;
static struct machine *m;

static void setup(void)
{
	static const uint8_t spin[] = { 0xEB, 0xFE };
	char *why = NULL;

	for (unsigned i = 0; i < NIC_COUNT; i++) {
		nics[i] =
			(struct machine_nic){ .mac = { { 2, 0, 0, 0, 0, (uint8_t)i } }, .mtu = 1500, .link_up = true };
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &nics[i].ring), 0);
	}
	cfg = (struct machine_config){ .name = "t/vm",
				       .memory_bytes = 4 << 20,
				       .cpus = 1,
				       .clock_virtual = true,
				       .seed = 1,
				       .initrd_fd = -1,
				       .pmem_fd = -1,
				       .kernel_fd = kernel_of(spin, sizeof spin),
				       .nics = nics,
				       .n_nics = NIC_COUNT,
				       .serial_fd = -1,
				       .agent_fd = -1,
				       .control_fd = -1,
				       .state_fd = -1,
				       .generation_id = true,
				       .vsock_cid = 3 };
	ck_assert_msg(machine_new(&cfg, &m, &why) == 0, "machine_new: %s", why ? why : "?");
}

static void teardown(void)
{
	m = machine_free(m);
	(void)close(cfg.kernel_fd);
	for (unsigned i = 0; i < NIC_COUNT; i++)
		ring_pair_close(&nics[i].ring);
}

/* What a saved state and a guest's PCI addresses rest on. Slot 0: on the board. */
static const struct {
	const char *name;
	uint32_t index;
	unsigned slot;
} expected[] = {
	{ "i8254", 0, 0 },	     { "mc146818", 0, 0 },	{ "i8042", 0, 0 },	     { "vmgenid", 0, 0 },
	{ "virtio-net", 0, 1 },	     { "virtio-net", 1, 2 },	{ "virtio-console", 0, 25 }, { "virtio-rng", 0, 26 },
	{ "virtio-balloon", 0, 27 }, { "virtio-vsock", 0, 28 },
};

START_TEST(devices_stand_in_the_order_of_their_slots)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->devices.n; i++) {
		const struct device *d = &m->devices.device[i];

		ck_assert_uint_lt(n, sizeof expected / sizeof expected[0]);
		ck_assert_str_eq(d->ops->name, expected[n].name);
		ck_assert_uint_eq(d->index, expected[n].index);
		ck_assert_uint_eq(d->pci ? d->pci->slot : 0, expected[n].slot);
		ck_assert_ptr_eq(devices_find(&m->devices, expected[n].name, expected[n].index), d->dev);
		n++;
	}
	ck_assert_uint_eq(n, sizeof expected / sizeof expected[0]);
	ck_assert_ptr_null(devices_find(&m->devices, "virtio-net", NIC_COUNT));
	ck_assert_ptr_null(devices_find(&m->devices, "virtio", 0));
}
END_TEST

static bool request(json_t *msg)
{
	bool taken;
	int fd = -1;

	taken = devices_request(&m->devices, json_string_value(json_object_get(msg, "do")), msg, &fd);
	json_decref(msg);
	return taken;
}

static json_t *link_request(int nic, bool up)
{
	return json_pack("{s:s,s:i,s:b}", "do", "link", "nic", nic, "up", up);
}

START_TEST(a_request_finds_its_device)
{
	const struct virtio_net *first = devices_find(&m->devices, "virtio-net", 0);
	const struct virtio_net *second = devices_find(&m->devices, "virtio-net", 1);

	ck_assert(request(link_request(1, false)));
	ck_assert(first->link_up && !second->link_up);
	ck_assert(!request(link_request(NIC_COUNT, false)));
	ck_assert(!request(link_request(-1, false)));
	ck_assert(!request(json_pack("{s:s}", "do", "dance")));
}
END_TEST

START_TEST(a_held_device_does_it_when_let_go)
{
	const struct virtio_net *second = devices_find(&m->devices, "virtio-net", 1);
	const struct virtio_balloon *b = devices_find(&m->devices, "virtio-balloon", 0);

	devices_hold(&m->devices, true);
	devices_hold(&m->devices, true);
	ck_assert(request(link_request(1, false)));
	ck_assert(request(json_pack("{s:s,s:i}", "do", "balloon", "bytes", 1 << 20)));
	ck_assert(second->link_up);
	ck_assert_uint_eq(virtio_balloon_target(b), 0);
	devices_hold(&m->devices, false);
	ck_assert(!second->link_up);
	ck_assert_uint_eq(virtio_balloon_target(b), 1 << 20);
}
END_TEST

START_TEST(each_device_adds_its_counters)
{
	json_t *stats = json_object();

	devices_stats(&m->devices, stats);
	ck_assert_uint_eq(json_array_size(json_object_get(stats, "nics")), NIC_COUNT);
	ck_assert(json_is_object(json_object_get(stats, "balloon")));
	json_decref(stats);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("devices");
	TCase *t = tcase_create("devices");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, devices_stand_in_the_order_of_their_slots);
	tcase_add_test(t, a_request_finds_its_device);
	tcase_add_test(t, a_held_device_does_it_when_let_go);
	tcase_add_test(t, each_device_adds_its_counters);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
