/* tests/vmm/check_virtio_pci.c: the transport's capabilities, the status
 * machine and the state rules, with the entropy device behind them. */
#include "vmm/dev/virtio_pci.h"

#include "core/wire.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

#include <string.h>
#include "vmm/dev/virtio_rng.h"

enum { RAM = 1 << 20, QUEUE_SIZE = 8 };

static struct vguest g;
static struct virtio_rng *rng;
static struct vguest_queue q;

static void fill(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, 0xA5, len);
}

static void setup(void)
{
	struct virtio_rng_config cfg;

	vguest_init(&g, RAM);
	cfg = (struct virtio_rng_config){ .mem = &g.mem, .fill = fill };
	ck_assert_int_eq(virtio_rng_new(&cfg, &rng), 0);
	vguest_plug(&g, &rng->pci);
}

static void teardown(void)
{
	rng = virtio_rng_free(rng);
	vguest_done(&g);
}

static unsigned cap_find(uint8_t type)
{
	unsigned at = vguest_pci_get(&g, PCI_CAP_PTR, 1);

	for (unsigned i = 0; at && i < 32; i++, at = vguest_pci_get(&g, at + 1, 1))
		if (vguest_pci_get(&g, at, 1) == PCI_CAP_VENDOR && vguest_pci_get(&g, at + 3, 1) == type)
			return at;
	return 0;
}

START_TEST(the_function_says_what_it_is)
{
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_VENDOR, 2), 0x1AF4);
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_DEVICE, 2), 0x1044);
	ck_assert_uint_ge(vguest_pci_get(&g, PCI_REVISION, 1), 1);
}
END_TEST

START_TEST(every_structure_has_a_capability)
{
	static const struct { uint8_t type; uint32_t off, len; } want[] = {
		{ 1, VIRTIO_PCI_COMMON, 56 }, { 2, VIRTIO_PCI_NOTIFY, 4 }, { 3, VIRTIO_PCI_ISR, 1 },
	};

	for (unsigned i = 0; i < 3; i++) {
		unsigned at = cap_find(want[i].type);

		ck_assert_uint_ne(at, 0);
		ck_assert_uint_eq(vguest_pci_get(&g, at + 4, 1), VIRTIO_PCI_BAR);
		ck_assert_uint_eq(vguest_pci_get(&g, at + 8, 4), want[i].off);
		ck_assert_uint_eq(vguest_pci_get(&g, at + 12, 4), want[i].len);
	}
	ck_assert_uint_eq(vguest_pci_get(&g, cap_find(2) + 16, 4), VIRTIO_PCI_NOTIFY_STEP);
	ck_assert_uint_ne(cap_find(5), 0);
	/* This device has no configuration of its own. */
	ck_assert_uint_eq(cap_find(4), 0);
}
END_TEST

START_TEST(a_driver_gets_its_bytes_and_an_interrupt)
{
	uint64_t at = vguest_alloc(&g, 64, 8);
	struct vguest_buf buf = { at, 64, true };
	uint32_t id, len;

	ck_assert_uint_eq(vguest_negotiate(&g, vguest_offered(&g)), 11);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_driver_ok(&g);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VG_ALL_READY);
	vguest_add(&g, &q, &buf, 1);
	vguest_kick(&g, &q);
	ck_assert(vguest_used(&g, &q, &id, &len));
	ck_assert_uint_eq(len, 64);
	ck_assert_uint_eq(*vguest_ptr(&g, at + 63), 0xA5);
	ck_assert_uint_eq(g.n_msi[1], 1);
	ck_assert_uint_eq(bus_mmio_read(&g.bus, g.bar + VIRTIO_PCI_ISR, 1), VIRTIO_ISR_QUEUE);
	ck_assert_uint_eq(bus_mmio_read(&g.bus, g.bar + VIRTIO_PCI_ISR, 1), 0);
}
END_TEST

START_TEST(without_bus_mastering_memory_stands_still)
{
	uint64_t at = vguest_alloc(&g, 64, 8);
	struct vguest_buf buf = { at, 64, true };
	uint8_t used[64];
	uint32_t id, len;

	ck_assert_uint_eq(vguest_negotiate(&g, vguest_offered(&g)), 11);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_driver_ok(&g);
	vguest_pci_set(&g, PCI_COMMAND, 2, PCI_COMMAND_MEM);
	memcpy(used, vguest_ptr(&g, q.used), sizeof used);
	vguest_add(&g, &q, &buf, 1);
	vguest_kick(&g, &q);
	ck_assert_int_eq(memcmp(used, vguest_ptr(&g, q.used), sizeof used), 0);
	ck_assert_uint_eq(*vguest_ptr(&g, at), 0);
	ck_assert_uint_eq(g.n_msi[1], 0);
	/* An interrupt is a write as well: it waits. */
	msix_notify(&g.p->msix, 0);
	ck_assert_uint_eq(g.n_msi[0], 0);
	vguest_pci_set(&g, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(g.n_msi[0], 1);
	vguest_kick(&g, &q);
	ck_assert(vguest_used(&g, &q, &id, &len));
	ck_assert_uint_eq(len, 64);
	ck_assert_uint_eq(g.n_msi[1], 1);
}
END_TEST

START_TEST(status_bits_come_in_order)
{
	vguest_set(&g, VG_STATUS, 1, VIRTIO_DRIVER_OK);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), 0);
	vguest_set(&g, VG_STATUS, 1, VIRTIO_DRIVER);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), 0);
	vguest_set(&g, VG_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER_OK);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VIRTIO_ACKNOWLEDGE);
	/* A bit is never taken back, but by a reset. */
	vguest_set(&g, VG_STATUS, 1, VIRTIO_DRIVER);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	vguest_set(&g, VG_STATUS, 1, 0);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), 0);
}
END_TEST

START_TEST(features_not_offered_are_refused)
{
	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_VERSION_1 | 1), 3);
	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_VERSION_1 | UINT64_C(1) << 63), 3);
}
END_TEST

START_TEST(a_legacy_driver_is_refused)
{
	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_EVENT_IDX), 3);
}
END_TEST

START_TEST(features_stand_after_features_ok)
{
	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_set(&g, VG_ACCEPTED_SELECT, 4, 0);
	vguest_set(&g, VG_ACCEPTED, 4, VIRTIO_F_EVENT_IDX);
	ck_assert_uint_eq(vguest_get(&g, VG_ACCEPTED, 4), 0);
	vguest_set(&g, VG_OFFERED_SELECT, 4, 2);
	ck_assert_uint_eq(vguest_get(&g, VG_OFFERED, 4), 0);
}
END_TEST

START_TEST(queues_are_set_up_in_their_state_only)
{
	vguest_set(&g, VG_QUEUE_SELECT, 2, 0);
	vguest_set(&g, VG_QUEUE_DESC, 8, 4096);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_DESC, 8), 0);
	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_ENABLE, 2), 1);
	/* While it is enabled nothing of it changes (CVE-2026-5747). */
	vguest_set(&g, VG_QUEUE_SIZE, 2, 4);
	vguest_set(&g, VG_QUEUE_USED, 8, 0);
	vguest_set(&g, VG_QUEUE_ENABLE, 2, 0);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_SIZE, 2), QUEUE_SIZE);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_USED, 8), q.used);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_ENABLE, 2), 1);
	vguest_driver_ok(&g);
	vguest_set(&g, VG_QUEUE_SIZE, 2, 4);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_SIZE, 2), QUEUE_SIZE);
	vguest_set(&g, VG_STATUS, 1, 0);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_DESC, 8), 0);
}
END_TEST

/* Each step before the one it needs (§3.1.1): none is taken. */
static const struct {
	const char *what;
	uint8_t from, write, want;
} step[] = {
	{ "the driver before acknowledge", 0, 2, 0 },
	{ "features before the driver", 1, 9, 1 },
	{ "running before its features", 3, 7, 3 },
	{ "running from nothing", 0, 4, 0 },
	{ "all but acknowledge", 0, 14, 0 },
	{ "taking acknowledge back", 11, 10, 11 },
	{ "taking features back", 11, 3, 11 },
	{ "taking running back", 15, 11, 15 },
	{ "saying what the device says", 15, 15 | VIRTIO_NEEDS_RESET, 15 },
	{ "a bit that is none", 15, 15 | 32, 15 },
	{ "giving up", 15, 15 | VIRTIO_FAILED, 15 | VIRTIO_FAILED },
	{ "giving up at once", 0, VIRTIO_FAILED, VIRTIO_FAILED },
	{ "a reset while it runs", 15, 0, 0 },
};

START_TEST(a_step_out_of_order_is_not_taken)
{
	static const uint8_t way[] = { 1, 3, 11, 15 };

	vguest_set(&g, VG_ACCEPTED_SELECT, 4, 1);
	vguest_set(&g, VG_ACCEPTED, 4, VIRTIO_F_VERSION_1 >> 32);
	for (unsigned i = 0; i < sizeof way && way[i] <= step[_i].from; i++)
		vguest_set(&g, VG_STATUS, 1, way[i]);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), step[_i].from);
	vguest_set(&g, VG_STATUS, 1, step[_i].write);
	ck_assert_msg(vguest_get(&g, VG_STATUS, 1) == step[_i].want, "%s: %#x", step[_i].what,
		      (unsigned)vguest_get(&g, VG_STATUS, 1));
}
END_TEST

START_TEST(no_queue_comes_up_while_the_device_runs)
{
	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_driver_ok(&g);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VG_ALL_READY);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_DESC, 8), 0);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VG_ALL_READY);
}
END_TEST

START_TEST(a_broken_device_does_nothing_until_its_reset)
{
	struct vguest_buf buf = { vguest_alloc(&g, 8, 8), 8, true };
	uint32_t id, len;

	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_driver_ok(&g);
	vguest_avail(&g, &q, 999);
	vguest_kick(&g, &q);
	vguest_set(&g, VG_ACCEPTED_SELECT, 4, 0);
	vguest_set(&g, VG_ACCEPTED, 4, VIRTIO_F_EVENT_IDX);
	ck_assert_uint_eq(vguest_get(&g, VG_ACCEPTED, 4), 0);
	vguest_set(&g, VG_STATUS, 1, VG_ALL_READY);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VG_ALL_READY | VIRTIO_NEEDS_RESET);
	vguest_pci_set(&g, PCI_COMMAND, 2, PCI_COMMAND_MEM); /* nor by way of the bus */
	vguest_pci_set(&g, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	vguest_add(&g, &q, &buf, 1);
	vguest_kick(&g, &q);
	ck_assert(!vguest_used(&g, &q, &id, &len));
	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_VERSION_1), 11);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_driver_ok(&g);
	vguest_add(&g, &q, &buf, 1);
	vguest_kick(&g, &q);
	ck_assert(vguest_used(&g, &q, &id, &len));
}
END_TEST

START_TEST(a_queue_enabled_in_the_wrong_place_needs_a_reset)
{
	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_set(&g, VG_QUEUE_SELECT, 2, 0);
	vguest_set(&g, VG_QUEUE_DESC, 8, RAM);
	vguest_set(&g, VG_QUEUE_ENABLE, 2, 1);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
	vguest_driver_ok(&g);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1) & VIRTIO_DRIVER_OK, 0);
	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_VERSION_1), 11);
}
END_TEST

START_TEST(a_queue_that_is_not_there_reads_as_zero)
{
	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_set(&g, VG_QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_SIZE, 2), 0);
	vguest_set(&g, VG_QUEUE_DESC, 8, 4096);
	vguest_set(&g, VG_QUEUE_ENABLE, 2, 1);
	vguest_set(&g, VG_QUEUE_SELECT, 2, 0xFFFF);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_SIZE, 2), 0);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), 11);
}
END_TEST

START_TEST(a_bell_before_driver_ok_is_not_heard)
{
	struct vguest_buf buf = { vguest_alloc(&g, 8, 8), 8, true };
	uint32_t id, len;

	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_add(&g, &q, &buf, 1);
	vguest_kick(&g, &q);
	ck_assert(!vguest_used(&g, &q, &id, &len));
	vguest_driver_ok(&g);
	ck_assert(vguest_used(&g, &q, &id, &len));
}
END_TEST

START_TEST(a_broken_ring_raises_the_config_interrupt)
{
	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_driver_ok(&g);
	vguest_avail(&g, &q, 999);
	vguest_kick(&g, &q);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VG_ALL_READY | VIRTIO_NEEDS_RESET);
	ck_assert_uint_eq(g.n_msi[0], 1);
	ck_assert_uint_eq(rng->dev.n_breaks, 1);
	vguest_kick(&g, &q);
	ck_assert_uint_eq(g.n_msi[0], 1);
}
END_TEST

/* INTA# of slot 1, level by level, as the interrupt controllers are told. */
static unsigned intx_n, n_intx;
static bool intx_level;

static void on_intx(void *ctx, unsigned n, bool level)
{
	(void)ctx;
	intx_n = n;
	intx_level = level;
	n_intx++;
}

static void serve_one(void)
{
	struct vguest_buf buf = { vguest_alloc(&g, 8, 8), 8, true };

	vguest_add(&g, &q, &buf, 1);
	vguest_kick(&g, &q);
}

static uint32_t isr_read(void)
{
	return (uint32_t)bus_mmio_read(&g.bus, g.bar + VIRTIO_PCI_ISR, 1);
}

/* A running device, whose interrupt with MSI-X was seen before that was switched off. */
static void without_msix(void)
{
	n_intx = 0;
	for (unsigned i = 0; i < PCI_IRQ_COUNT; i++)
		g.host.irq[i] = (struct irq_line){ .set = on_intx, .n = PCI_IRQ + i };
	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_driver_ok(&g);
	serve_one();
	ck_assert_uint_eq(n_intx, 0);
	ck_assert_uint_eq(isr_read(), VIRTIO_ISR_QUEUE);
	vguest_pci_set(&g, g.p->pci.msix_cap + 2u, 2, 0);
}

START_TEST(without_msix_inta_is_asserted_until_isr_is_read)
{
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_INTERRUPT_PIN, 1), 1);
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_INTERRUPT_LINE, 1), PCI_IRQ + 1);
	without_msix();
	serve_one();
	ck_assert_uint_eq(intx_n, PCI_IRQ + 1);
	ck_assert(intx_level);
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_STATUS, 2), PCI_STATUS_INTERRUPT | PCI_STATUS_CAP_LIST);
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_COMMAND, 4) >> 16, PCI_STATUS_INTERRUPT | PCI_STATUS_CAP_LIST);
	serve_one();
	ck_assert_uint_eq(n_intx, 1);
	ck_assert_uint_eq(isr_read(), VIRTIO_ISR_QUEUE);
	ck_assert(!intx_level);
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_STATUS, 1), PCI_STATUS_CAP_LIST);
}
END_TEST

START_TEST(inta_follows_what_lets_it_through)
{
	static const uint16_t command = PCI_COMMAND_MEM | PCI_COMMAND_MASTER;
	struct pci_dev other;

	without_msix();
	serve_one();
	ck_assert(intx_level);
	vguest_pci_set(&g, PCI_COMMAND, 2, command | PCI_COMMAND_INTX_OFF);
	ck_assert(!intx_level);
	vguest_pci_set(&g, PCI_COMMAND, 2, command);
	ck_assert(intx_level);
	vguest_pci_set(&g, g.p->pci.msix_cap + 2u, 2, 0x8000);
	ck_assert(!intx_level);
	vguest_pci_set(&g, g.p->pci.msix_cap + 2u, 2, 0);
	ck_assert(intx_level);
	/* Slot 3 shares it: it falls with the last. */
	pci_dev_init(&other, &(struct pci_id){ .vendor = 1 }, NULL, NULL);
	pci_intx_add(&other);
	ck_assert_int_eq(pci_host_add(&g.host, &other, 3), 0);
	pci_intx_set(&other, true);
	vguest_set(&g, VG_STATUS, 1, 0); /* a reset clears ISR */
	ck_assert(intx_level);
	pci_intx_set(&other, false);
	ck_assert(!intx_level);
	/* After a load the line has its level already. */
	n_intx = 0;
	pci_intx_restore(&other, true);
	ck_assert_uint_eq(n_intx, 0);
	pci_intx_set(&other, false);
	ck_assert_uint_eq(n_intx, 1);
}
END_TEST

START_TEST(a_vector_that_is_not_there_reads_back_as_none)
{
	vguest_set(&g, VG_CONFIG_VECTOR, 2, 2);
	ck_assert_uint_eq(vguest_get(&g, VG_CONFIG_VECTOR, 2), VIRTIO_NO_VECTOR);
	vguest_set(&g, VG_QUEUE_SELECT, 2, 0);
	vguest_set(&g, VG_QUEUE_VECTOR, 2, 1);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_VECTOR, 2), 1);
	vguest_set(&g, VG_QUEUE_VECTOR, 2, 0xFFF0);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_VECTOR, 2), VIRTIO_NO_VECTOR);
}
END_TEST

START_TEST(accesses_of_the_wrong_width_change_nothing)
{
	vguest_set(&g, VG_STATUS, 4, 1);
	vguest_set(&g, VG_ACCEPTED, 1, 1);
	vguest_set(&g, VG_QUEUE_SELECT, 1, 7);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), 0);
	ck_assert_uint_eq(vguest_get(&g, VG_ACCEPTED, 4), 0);
	ck_assert_uint_eq(vguest_get(&g, VG_QUEUE_SELECT, 2), 0);
	ck_assert_uint_eq(bus_mmio_read(&g.bus, g.bar + VIRTIO_PCI_BAR_SIZE - 8, 8), 0);
	ck_assert_uint_eq(vguest_config(&g, 0, 8), 0);
}
END_TEST

static void window(uint8_t bar, uint32_t off, uint32_t len)
{
	unsigned at = cap_find(5);

	vguest_pci_set(&g, at + 4, 1, bar);
	vguest_pci_set(&g, at + 8, 4, off);
	vguest_pci_set(&g, at + 12, 4, len);
}

START_TEST(the_window_reaches_the_registers)
{
	unsigned at = cap_find(5) + 16;

	window(VIRTIO_PCI_BAR, VG_STATUS, 1);
	vguest_pci_set(&g, at, 1, VIRTIO_ACKNOWLEDGE);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VIRTIO_ACKNOWLEDGE);
	window(VIRTIO_PCI_BAR, VG_N_QUEUES, 2);
	ck_assert_uint_eq(vguest_pci_get(&g, at, 2), 1);
	/* Outside, crooked or elsewhere: nothing. */
	window(VIRTIO_PCI_BAR, VIRTIO_PCI_BAR_SIZE, 4);
	vguest_pci_set(&g, at, 4, 0);
	window(VIRTIO_PCI_BAR, UINT32_MAX, 1);
	vguest_pci_set(&g, at, 4, 0);
	window(5, VG_STATUS, 1);
	vguest_pci_set(&g, at, 4, 0);
	window(VIRTIO_PCI_BAR, VG_STATUS, 3);
	vguest_pci_set(&g, at, 4, 0);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1), VIRTIO_ACKNOWLEDGE);
}
END_TEST

START_TEST(an_endless_request_is_answered_short)
{
	struct vguest_buf buf = { 0, RAM, true };
	uint32_t id, len;

	vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	vguest_queue_up(&g, &q, 0, QUEUE_SIZE);
	vguest_driver_ok(&g);
	vguest_add(&g, &q, &buf, 1);
	vguest_kick(&g, &q);
	ck_assert(vguest_used(&g, &q, &id, &len));
	ck_assert_uint_eq(len, 256);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_pci");
	TCase *t = tcase_create("virtio_pci");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_function_says_what_it_is);
	tcase_add_test(t, every_structure_has_a_capability);
	tcase_add_test(t, a_driver_gets_its_bytes_and_an_interrupt);
	tcase_add_test(t, status_bits_come_in_order);
	tcase_add_test(t, features_not_offered_are_refused);
	tcase_add_test(t, a_legacy_driver_is_refused);
	tcase_add_test(t, features_stand_after_features_ok);
	tcase_add_test(t, queues_are_set_up_in_their_state_only);
	tcase_add_loop_test(t, a_step_out_of_order_is_not_taken, 0, sizeof step / sizeof step[0]);
	tcase_add_test(t, no_queue_comes_up_while_the_device_runs);
	tcase_add_test(t, a_broken_device_does_nothing_until_its_reset);
	tcase_add_test(t, a_queue_enabled_in_the_wrong_place_needs_a_reset);
	tcase_add_test(t, a_queue_that_is_not_there_reads_as_zero);
	tcase_add_test(t, a_bell_before_driver_ok_is_not_heard);
	tcase_add_test(t, a_broken_ring_raises_the_config_interrupt);
	tcase_add_test(t, without_msix_inta_is_asserted_until_isr_is_read);
	tcase_add_test(t, inta_follows_what_lets_it_through);
	tcase_add_test(t, a_vector_that_is_not_there_reads_back_as_none);
	tcase_add_test(t, accesses_of_the_wrong_width_change_nothing);
	tcase_add_test(t, the_window_reaches_the_registers);
	tcase_add_test(t, an_endless_request_is_answered_short);
	tcase_add_test(t, without_bus_mastering_memory_stands_still);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
