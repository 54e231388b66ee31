/* tests/vmm/check_state.c: a machine saved and loaded again is the same machine,
 * chip by chip and as a whole; and a file that is not exactly its state makes no
 * machine, with the place named. */
#include "core/bytes.h"
#include "core/control.h"
#include "tests/ask.h"
#include "tests/forge.h"
#include "tests/tick_guest.h"
#include "tests/unit.h"
#include "vmm/dev/virtio_balloon.h"
#include "vmm/dev/virtio_console.h"
#include "vmm/dev/virtio_net.h"
#include "vmm/dev/virtio_rng.h"
#include "vmm/dev/virtio_vsock.h"
#include "vmm/dev/vmgenid.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { MEMORY = 4 << 20, NIC_COUNT = 2 };

static struct machine_nic nics[NIC_COUNT];
static struct machine_config cfg;
static int agent[2], control[2];

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, agent), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), 0);
	for (unsigned i = 0; i < NIC_COUNT; i++) {
		nics[i] = (struct machine_nic){ .mac = { { 2, 0, 0, 0, 0, (uint8_t)i } },
						.mtu = 1500, .speed_mbps = 100, .link_up = true };
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &nics[i].ring), 0);
	}
	cfg = (struct machine_config){ .name = "t/vm", .memory_bytes = MEMORY, .cpus = 2,
				       .clock_virtual = true, .virtual_mips = 100, .seed = 1,
				       .initrd_fd = -1, .kernel_fd = tick_kernel(), .pmem_fd = -1,
				       .nics = nics, .n_nics = NIC_COUNT, .serial_fd = -1,
				       .agent_fd = agent[1], .control_fd = -1, .state_fd = -1,
				       .generation_id = true, .vsock_cid = 3 };
}

static void teardown(void)
{
	for (unsigned i = 0; i < NIC_COUNT; i++)
		ring_pair_close(&nics[i].ring);
	for (unsigned i = 0; i < 2; i++) {
		(void)close(agent[i]);
		if (control[i] >= 0)
			(void)close(control[i]);
	}
	(void)close(cfg.kernel_fd);
}

static struct machine *make(void)
{
	struct machine *m = NULL;
	char *why = NULL;
	int r = machine_new(&cfg, &m, &why);

	ck_assert_msg(r == 0, "machine_new: %s", why ? why : "?");
	return m;
}

static void save(struct machine *m, struct bytes *ret)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	char *why = NULL, path[64];
	uint64_t n = 0;

	ck_assert_msg(machine_save(m, fd, &n, &why) == 0, "machine_save: %s", why);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ret->len = 0;
	ck_assert_int_eq(file_read_all(path, 64 << 20, ret), 0);
	ck_assert_uint_eq(ret->len, n);
	(void)close(fd);
}

/* Returns the machine, or NULL and why not. */
static struct machine *load(const uint8_t *data, size_t len, char **ret_why)
{
	struct machine_config c = cfg;
	struct machine *m = NULL;

	c.restore = true;
	c.kernel_fd = -1;
	c.state_fd = memfd_create("state", MFD_CLOEXEC);
	ck_assert_int_eq(fd_write_all(c.state_fd, data, len), 0);
	if (machine_new(&c, &m, ret_why) < 0)
		ck_assert_ptr_null(m);
	(void)close(c.state_fd);
	return m;
}

static struct machine *load_well(const struct bytes *b)
{
	char *why = NULL;
	struct machine *m = load(b->data, b->len, &why);

	ck_assert_msg(m != NULL, "%s", why ? why : "?");
	return m;
}

static void same_bytes(const struct bytes *a, const struct bytes *b)
{
	size_t at = 0;

	while (at < a->len && at < b->len && a->data[at] == b->data[at])
		at++;
	ck_assert_msg(at == a->len && at == b->len, "differ from byte %zu on (%zu, %zu)", at, a->len,
		      b->len);
}

/* ---- chips, one by one ------------------------------------------------------------ */

static void out(struct machine *m, uint16_t port, unsigned size, uint32_t v)
{
	bus_pio_write(&m->bus, port, size, v);
}

static void use_uart(struct machine *m)
{
	static const uint8_t typed[] = "abc";

	out(m, 0x3FA, 1, 1);
	out(m, 0x3F9, 1, 3);
	out(m, 0x3FF, 1, 0x5A);
	ck_assert_uint_eq(i8250_receive(&m->uart, typed, 3), 3);
	(void)bus_pio_read(&m->bus, 0x3F8, 1);
}

static void use_event(struct machine *m)
{
	out(m, ACPI_GPE0 + 1, 1, 1);
	acpi_gpe_raise(&m->acpi, 0);
}

static void use_generation(struct machine *m)
{
	struct vmgenid *v = devices_find(&m->devices, "vmgenid", 0);

	v->id[3] ^= 1;
}

static void use_pit(struct machine *m)
{
	static const uint8_t words[] = { 0x34, 0x74, 0xB1 };

	for (unsigned i = 0; i < 3; i++) {
		out(m, 0x43, 1, words[i]);
		out(m, (uint16_t)(0x40 + i), 1, 0x39);
		out(m, (uint16_t)(0x40 + i), 1, 0x12 + i);
	}
	out(m, 0x61, 1, 3);
	out(m, 0x43, 1, 0xC2); /* latch count and status of counter 0 */
	out(m, 0x42, 1, 7); /* half a count */
}

static void use_pic(struct machine *m)
{
	out(m, 0x20, 1, 0x11);
	out(m, 0x21, 1, 0x30);
	out(m, 0x21, 1, 4);
	out(m, 0x21, 1, 1);
	out(m, 0x21, 1, 0x40);
	out(m, 0x4D0, 1, 0x20);
	out(m, 0xA0, 1, 0x11); /* stops within its ICWs */
	i8259_set(&m->pic, 3, true);
	i8259_set(&m->pic, 4, true);
	(void)i8259_ack(&m->pic);
}

static void use_ioapic(struct machine *m)
{
	bus_mmio_write(&m->bus, IOAPIC_BASE, 4, 0x10 + 2 * 9);
	bus_mmio_write(&m->bus, IOAPIC_BASE + 0x10, 4, 0x8051);
	i82093_set(&m->ioapic, 9, true);
	bus_mmio_write(&m->bus, IOAPIC_BASE, 4, 0x12);
}

static void use_rtc(struct machine *m)
{
	out(m, 0x70, 1, 11);
	out(m, 0x71, 1, 0x42);
	out(m, 0x70, 1, 7);
	out(m, 0x71, 1, 0x11);
	out(m, 0x70, 1, 0x50);
	out(m, 0x71, 1, 0xA5);
}

static void lapic_set(struct machine *m, unsigned reg, uint32_t v)
{
	lapic_mmio_write(&m->vcpu[0].lapic, 16 * reg, 4, v);
}

static void use_lapic(struct machine *m)
{
	struct apic_msg msg = { .dest = 0, .vector = 0x71, .delivery = APIC_FIXED };

	lapic_set(m, 0x0F, 0x1FF);
	lapic_set(m, 0x3E, 3);
	lapic_set(m, 0x32, 0x20040); /* periodic */
	lapic_set(m, 0x38, 1000000);
	ck_assert(lapic_deliver(&m->vcpu[0].lapic, &msg));
	ck_assert_int_eq(lapic_ack(&m->vcpu[0].lapic), 0x71);
	msg.vector = 0x45; /* below what is in service */
	ck_assert(lapic_deliver(&m->vcpu[0].lapic, &msg));
}

static void use_deadline(struct machine *m)
{
	lapic_set(m, 0x0F, 0x1FF);
	lapic_set(m, 0x32, 0x40040);
	ck_assert(lapic_msr_write(&m->vcpu[0].lapic, 0x6E0, 123456789));
	ck_assert_int_eq(m->vcpu[0].lapic.timer.at, 123456789);
}

static void use_acpi(struct machine *m)
{
	out(m, ACPI_PM1A_EVT + 2, 2, 0x100);
	(void)acpi_power_button(&m->acpi);
}

static void use_pci(struct machine *m)
{
	out(m, 0xCF8, 4, 0x80000004);
	out(m, 0xCFC, 2, 2);
}

static void pci_set(struct machine *m, unsigned slot, unsigned off, unsigned size, uint32_t v)
{
	bus_mmio_write(&m->bus, PCI_ECAM_BASE + ((uint64_t)slot << 15) + off, size, v);
}

/* Brings a virtio function up to a queue 0 of 8 entries, with an MSI-X vector. */
static uint64_t virtio_up(struct machine *m, struct virtio_pci *p, uint32_t features)
{
	uint64_t bar, table;

	pci_set(m, p->pci.slot, PCI_BAR0, 4, 0xD0000000);
	pci_set(m, p->pci.slot, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	pci_set(m, p->pci.slot, p->pci.msix_cap + 2u, 2, 0x8000);
	bar = p->pci.bar[VIRTIO_PCI_BAR].addr;
	ck_assert_uint_eq(bar, 0xD0000000);
	table = p->pci.bar[VIRTIO_PCI_MSIX_BAR].addr;
	bus_mmio_write(&m->bus, table, 8, 0xFEE00000);
	bus_mmio_write(&m->bus, table + 8, 4, 0x52);
	bus_mmio_write(&m->bus, bar + 20, 1, 1);
	bus_mmio_write(&m->bus, bar + 20, 1, 3);
	bus_mmio_write(&m->bus, bar + 12, 4, features);
	bus_mmio_write(&m->bus, bar + 8, 4, 1);
	bus_mmio_write(&m->bus, bar + 12, 4, 1);
	bus_mmio_write(&m->bus, bar + 20, 1, 11);
	bus_mmio_write(&m->bus, bar + 22, 2, 0);
	bus_mmio_write(&m->bus, bar + 24, 2, 8);
	bus_mmio_write(&m->bus, bar + 26, 2, 0);
	bus_mmio_write(&m->bus, bar + 32, 8, 0x200000);
	bus_mmio_write(&m->bus, bar + 40, 8, 0x201000);
	bus_mmio_write(&m->bus, bar + 48, 8, 0x202000);
	bus_mmio_write(&m->bus, bar + 28, 2, 1);
	bus_mmio_write(&m->bus, bar + 20, 1, 15);
	ck_assert_uint_eq(bus_mmio_read(&m->bus, bar + 20, 1), 15);
	return bar;
}

/* The second card. */
static struct virtio_net *nic_of(struct machine *m)
{
	return devices_find(&m->devices, "virtio-net", 1);
}

static void use_net(struct machine *m)
{
	struct virtio_net *n = nic_of(m);

	(void)virtio_up(m, &n->pci, 1 << 16);
	virtio_net_set_link(n, false);
	n->stats.rx_frames = 77;
	n->flow[5] = 2;
	n->tx_turn = 1;
	n->tx_owed[1] = 3;
	n->segments = frame_new(NULL, 60);
	n->segments->len = 60;
	memset(n->segments->data, 0x3C, 60);
}

static void use_console(struct machine *m)
{
	struct virtio_console *c = devices_find(&m->devices, "virtio-console", 0);

	(void)virtio_up(m, &c->pci, 2);
	c->port[0].guest_ready = c->port[0].guest_open = true;
	c->port[0].sent = 5;
	c->port[0].wanted = EPOLLIN;
}

static void use_rng(struct machine *m)
{
	struct virtio_rng *r = devices_find(&m->devices, "virtio-rng", 0);

	(void)virtio_up(m, &r->pci, 0);
	r->n_bytes = 9;
}

static void use_vsock(struct machine *m)
{
	struct virtio_vsock *v = devices_find(&m->devices, "virtio-vsock", 0);

	(void)virtio_up(m, &v->pci, 0);
	v->reset_due = true;
}

static void use_balloon(struct machine *m)
{
	struct virtio_balloon *b = devices_find(&m->devices, "virtio-balloon", 0);

	(void)virtio_up(m, &b->pci, 2);
	b->stat[3] = 4;
	b->stats_held = true;
	virtio_balloon_set_target(b, 1 << 20);
}

/* The second processor, started at 0x9000, whose turn it is. */
static void use_processors(struct machine *m)
{
	struct apic_msg msg = { .dest = 1, .delivery = APIC_STARTUP, .vector = 9 };

	ck_assert(lapic_deliver(&m->vcpu[1].lapic, &msg));
	m->turn = 1;
	m->turn_left = 77;
}

static void use_cpu(struct machine *m)
{
	struct cpu_state c;

	m->cpu->ops->get_state(m->cpu, &c);
	c.gpr[CPU_R8] = 8;
	c.fx.xmm[3][5] = 9;
	c.fx.st[7][9] = 1;
	c.lstar = 0x1234;
	c.dr[2] = 3;
	c.nmi_masked = c.halted = c.shadow = true;
	m->cpu->ops->set_state(m->cpu, &c);
}

static void use_clock(struct machine *m)
{
	guest_clock_skip_to(&m->clock, 5 * NSEC_PER_SEC);
}

static void use_prng(struct machine *m)
{
	(void)prng_u64(&m->prng);
}

static void use_output(struct machine *m)
{
	m->cfg.serial_fd = control[0]; /* someone who does not read */
	for (const char *p = "Kernel panic - not syncing: no\nmore"; *p; p++)
		machine_serial_out(m, (uint8_t)*p);
	cfg.serial_fd = control[0];
}

static void use_memory(struct machine *m)
{
	memset(m->mem.host + 0x300000, 0x11, 3 * MEM_PAGE_SIZE);
	prng_bytes(&m->prng, m->mem.host + MEMORY - 4096, 4096);
}

static const struct {
	const char *tag;
	uint32_t instance;
	void (*use)(struct machine *m);
} chip[] = {
	{ "uart", 0, use_uart }, { "pit ", 0, use_pit }, { "pic ", 0, use_pic },
	{ "ioap", 0, use_ioapic }, { "rtc ", 0, use_rtc }, { "lapc", 0, use_lapic },
	{ "lapc", 0, use_deadline }, { "acpi", 0, use_acpi }, { "gpe ", 0, use_event }, { "vgen", 0, use_generation }, { "pci ", 0, use_pci },
	{ "vnet", 1, use_net }, { "vcon", 0, use_console }, { "vrng", 0, use_rng },
	{ "vbal", 0, use_balloon }, { "vsok", 0, use_vsock }, { "turn", 0, use_processors }, { "cpu ", 1, use_processors },
	{ "cpu ", 0, use_cpu }, { "clck", 0, use_clock }, { "mach", 0, use_prng },
	{ "outp", 0, use_output }, { "ram ", 3, use_memory },
};

/* The section's payload; empty when there is none. */
static struct bytes section(const struct bytes *b, const char *tag, uint32_t instance)
{
	struct bytes ret = { 0 };
	struct forge_section sec;
	size_t at = STATE_HEADER_LEN;

	while (forge_next(b->data, &at, &sec))
		if (memcmp(b->data + sec.head, tag, STATE_TAG_LEN) == 0 &&
		    load_le32(b->data + sec.head + 4) == instance)
			bytes_append(&ret, b->data + sec.payload, sec.len);
	return ret;
}

START_TEST(a_chip_that_was_used_is_saved_and_loaded)
{
	CLEANUP(bytes) struct bytes fresh = { 0 };
	CLEANUP(bytes) struct bytes used = { 0 };
	CLEANUP(bytes) struct bytes again = { 0 };
	struct machine *m = make(), *twin;
	struct bytes before, after;

	save(m, &fresh);
	chip[_i].use(m);
	save(m, &used);
	before = section(&fresh, chip[_i].tag, chip[_i].instance);
	after = section(&used, chip[_i].tag, chip[_i].instance);
	ck_assert_msg(before.len != after.len || memcmp(before.data, after.data, after.len) != 0,
		      "%s: what was done is not in its section", chip[_i].tag);
	twin = load_well(&used);
	save(twin, &again);
	same_bytes(&used, &again);
	bytes_done(&before);
	bytes_done(&after);
	(void)machine_free(twin);
	(void)machine_free(m);
}
END_TEST

/* What the guest sees of a loaded chip, not what our own saving says of it. */
START_TEST(a_loaded_machine_answers_as_before)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct machine *m = make(), *twin;

	use_pit(m);
	use_deadline(m);
	use_uart(m);
	use_net(m);
	save(m, &b);
	twin = load_well(&b);
	ck_assert_int_eq(twin->clock.deadline, m->clock.deadline);
	ck_assert_int_eq(twin->vcpu[0].lapic.timer.at, 123456789);
	ck_assert_uint_eq(bus_pio_read(&twin->bus, 0x3F8, 1), 'b');
	ck_assert_uint_eq(bus_pio_read(&twin->bus, 0x3F8, 1), 'c');
	ck_assert_uint_eq(bus_mmio_read(&twin->bus, 0xD0000000 + 20, 1), 15);
	ck_assert_uint_eq(bus_mmio_read(&twin->bus, 0xD0000000 + 0x2006, 2), 0); /* link down */
	ck_assert_ptr_eq(nic_of(twin)->dev.queue[0].desc, twin->mem.host + 0x200000);
	ck_assert_uint_eq(bus_pio_read(&twin->bus, 0x40, 1), bus_pio_read(&m->bus, 0x40, 1));
	machine_set_paused(twin, false); /* the host's side of the link is up: told now */
	ck_assert_uint_eq(bus_mmio_read(&twin->bus, 0xD0000000 + 0x2006, 2), 1);
	(void)machine_free(twin);
	(void)machine_free(m);
}
END_TEST

START_TEST(a_pending_interrupt_reaches_the_new_processor)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct apic_msg msg = { .dest = 0, .vector = 0x71, .delivery = APIC_FIXED };
	struct machine *m = make(), *twin;

	lapic_set(m, 0x0F, 0x1FF);
	ck_assert(lapic_deliver(&m->vcpu[0].lapic, &msg));
	save(m, &b);
	twin = load_well(&b);
	ck_assert(twin->vcpu[0].lapic.intr);
	ck_assert_int_eq(lapic_ack(&twin->vcpu[0].lapic), 0x71);
	(void)machine_free(twin);
	(void)machine_free(m);
}
END_TEST

/* ---- whole machines ---------------------------------------------------------------- */

static struct bytes saved;

static void save_once(void *ctx, struct machine *m)
{
	(void)ctx;
	if (!saved.len)
		save(m, &saved);
}

static void let_go(void *ctx, struct machine *m)
{
	(void)ctx;
	(void)m;
}

/* Both stop as often, since how long a machine that ended runs on depends on it.
 * @_i thousand instructions and one before the save: in work, in the handler's
 * neighbourhood, in HLT; and every other time at another TSC's speed. */
START_TEST(the_future_after_a_load_is_the_one_without)
{
	struct machine *m, *twin;
	CLEANUP(free) char *why = NULL;
	uint64_t hash, n;
	nsec_t now;

	cfg.tsc_khz = _i & 1 ? 2400123 : 0;
	m = make();
	saved = (struct bytes){ 0 };
	machine_set_probe(m, (uint64_t)_i * 997 + 1, save_once, NULL);
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	hash = machine_state_hash(m);
	n = machine_instructions(m);
	now = guest_clock_now(&m->clock);
	ck_assert_uint_eq(*(uint32_t *)(void *)(m->mem.host + 0x3000), 5);
	(void)machine_free(m);
	twin = load_well(&saved);
	machine_set_probe(twin, (uint64_t)_i * 997 + 1, let_go, NULL);
	ck_assert_int_eq(machine_run(twin, &why), MACHINE_END_POWEROFF);
	ck_assert_uint_eq(machine_instructions(twin), n);
	ck_assert_int_eq(guest_clock_now(&twin->clock), now);
	ck_assert_uint_eq(machine_state_hash(twin), hash);
	(void)machine_free(twin);
	bytes_done(&saved);
}
END_TEST

/* More than any host has been up. */
#define TEN_YEARS (315000000 * NSEC_PER_SEC)

START_TEST(a_real_clock_goes_on_where_it_stood)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(bytes) struct bytes again = { 0 };
	CLEANUP(free) char *why = NULL;
	struct machine *m, *twin;

	cfg.clock_virtual = false;
	m = make();
	guest_clock_pause(&m->clock);
	m->clock.frozen = TEN_YEARS;
	m->paused = true;
	save(m, &b);
	twin = load_well(&b);
	ck_assert(twin->paused);
	ck_assert_int_eq(guest_clock_now(&twin->clock), TEN_YEARS);
	save(twin, &again);
	same_bytes(&b, &again);
	ck_assert_int_eq(machine_run(twin, &why), MACHINE_END_POWEROFF);
	ck_assert_int_ge(guest_clock_now(&twin->clock), TEN_YEARS);
	(void)machine_free(twin);
	(void)machine_free(m);
}
END_TEST

/* Not on a virtual clock (1), whose future is the one without the load. */
START_TEST(a_loaded_card_asks_its_guest_to_announce_itself_once)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct machine *m, *twin;

	cfg.clock_virtual = _i;
	m = make();
	(void)virtio_up(m, &nic_of(m)->pci,
			(uint32_t)(VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_GUEST_ANNOUNCE));
	save(m, &b);
	twin = load_well(&b);
	machine_set_paused(twin, false);
	ck_assert_uint_eq(bus_mmio_read(&twin->bus, 0xD0000000 + 0x2006, 2), _i ? 1 : 3);
	nic_of(twin)->dev.config[6] = 1; /* as if it were acknowledged */
	machine_set_paused(twin, true);
	machine_set_paused(twin, false);
	ck_assert_uint_eq(bus_mmio_read(&twin->bus, 0xD0000000 + 0x2006, 2), 1);
	(void)machine_free(twin);
	(void)machine_free(m);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------ */

static void refused(const uint8_t *data, size_t len, const char *says)
{
	CLEANUP(free) char *why = NULL;
	struct machine *m = load(data, len, &why);

	ck_assert_msg(!m, "it was taken; it should have said: %s", says);
	ck_assert_msg(why && strstr(why, says), "says %s, not %s", why ? why : "nothing", says);
}

START_TEST(damage_in_any_section_is_refused_with_its_place)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct machine *m = make();
	struct forge_section sec;
	size_t at = STATE_HEADER_LEN;
	bool more = true;

	save(m, &b);
	while (more) {
		size_t spot[] = { 0, 4, 8, 12, 20, STATE_HEAD_LEN, 0, 0 };
		char place[64];

		more = forge_next(b.data, &at, &sec);
		spot[6] = STATE_HEAD_LEN + sec.len / 2;
		spot[7] = STATE_HEAD_LEN + sec.len - 1;
		(void)snprintf(place, sizeof place, "at byte %zu:", sec.head);
		for (size_t i = 0; i < sizeof spot / sizeof spot[0]; i++) {
			if (sec.head + spot[i] >= at)
				continue;
			b.data[sec.head + spot[i]] ^= 0x10;
			refused(b.data, b.len, place);
			b.data[sec.head + spot[i]] ^= 0x10;
		}
		refused(b.data, sec.head, "the file stops here");
		refused(b.data, sec.head + STATE_HEAD_LEN - 1, "the file stops here");
		if (more)
			refused(b.data, at - 1, "cut off");
	}
	bytes_append(&b, "", 1);
	refused(b.data, b.len, "behind the end");
	(void)machine_free(m);
}
END_TEST

START_TEST(a_newer_section_is_refused_with_its_place)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct machine *m = make();
	struct forge_section sec;
	size_t at = STATE_HEADER_LEN;

	save(m, &b);
	while (forge_next(b.data, &at, &sec)) {
		char place[96];
		uint8_t version = b.data[sec.head + 8]++;

		forge_reseal(b.data, b.len);
		(void)snprintf(place, sizeof place, "at byte %zu: version %u is newer than %u", sec.head,
			       version + 1u, (unsigned)version);
		refused(b.data, b.len, place);
		b.data[sec.head + 8] = version;
	}
	(void)machine_free(m);
}
END_TEST

/* Each processor counts as its machine does, and CPUID says how fast that is. */
START_TEST(a_tsc_goes_on_at_its_speed)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct forge_section sec;
	size_t at = STATE_HEADER_LEN;
	struct machine *m, *twin;
	struct cpu_state c;

	cfg.tsc_khz = 2400123;
	m = make();
	guest_clock_skip_to(&m->clock, 1000000);
	m->vcpu[1].lapic.lvt[0] = 0x40042;
	ck_assert(lapic_msr_write(&m->vcpu[1].lapic, 0x6E0, 3000000));
	save(m, &b);
	cfg.tsc_khz = 0; /* the file says it */
	twin = load_well(&b);
	ck_assert_uint_eq(guest_clock_tsc(&twin->clock), 2400123);
	ck_assert_uint_eq(twin->vcpu[1].lapic.tsc_deadline, 3000000);
	ck_assert_int_eq(twin->vcpu[1].lapic.timer.at, 1249936); /* 3000000 ticks */
	for (unsigned i = 0; i < 2; i++) {
		twin->vcpu[i].cpu->ops->get_state(twin->vcpu[i].cpu, &c);
		ck_assert_uint_eq(c.tsc_khz, 2400123);
	}
	(void)machine_free(twin);
	(void)machine_free(m);
	while (forge_next(b.data, &at, &sec)) {
		uint8_t *version = b.data + sec.head + 8, *khz = b.data + sec.payload;

		if (memcmp(b.data + sec.head, "clck", 4) == 0) {
			*version = 1;
			forge_reseal(b.data, b.len);
			refused(b.data, b.len, "section clck.0");
			*version = 2;
		} else if (memcmp(b.data + sec.head, "cpu ", 4) == 0) {
			while (load_le32(khz) != 2400123)
				khz++;
			*khz ^= 1;
			forge_reseal(b.data, b.len);
			refused(b.data, b.len, "a TSC at another speed than its machine's");
			*khz ^= 1;
		}
	}
}
END_TEST

/* Another machine's state. */
static void more_memory(void) { cfg.memory_bytes = 2 * MEMORY; }
static void fewer_nics(void) { cfg.n_nics = 1; }
static void other_mac(void) { nics[1].mac.b[5] = 9; }
static void other_mtu(void) { nics[0].mtu = 9000; }
static void other_clock(void) { cfg.clock_virtual = false; }

static const struct {
	void (*change)(void);
	const char *says;
} other[] = {
	{ more_memory, "bytes of memory: 4194304 was saved, this machine has 8388608" },
	{ fewer_nics, "network cards: 2 was saved, this machine has 1" },
	{ other_mac, "section vnet.1" },
	{ other_mtu, "an MTU: 1500 was saved, this machine has 9000" },
	{ other_clock, "virtual clocks: 1 was saved, this machine has 0" },
};

START_TEST(another_machines_state_is_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct machine *m = make();

	save(m, &b);
	(void)machine_free(m);
	other[_i].change();
	refused(b.data, b.len, other[_i].says);
}
END_TEST

/* ---- the supervisor's way --------------------------------------------------------------- */

static void ask(const char *text, int fd)
{
	ck_assert(ask_machine(control[0], text, fd));
}

/* Waits for the event; returns its number "bytes". */
static json_int_t expect(const char *event)
{
	json_int_t n;
	json_t *msg = NULL;

	ck_assert_int_eq(control_read_msg(control[0], &msg), 0);
	ck_assert_str_eq(json_string_value(json_object_get(msg, "event")), event);
	n = json_integer_value(json_object_get(msg, "bytes"));
	json_decref(msg);
	return n;
}

START_TEST(the_supervisor_saves_and_starts_again)
{
	int fd = memfd_create("state", MFD_CLOEXEC), read_only = open("/dev/null", O_RDONLY), no_reader[2];
	CLEANUP(free) char *why = NULL;
	struct machine *m;
	json_int_t n;

	(void)signal(SIGPIPE, SIG_IGN); /* as every process of a team has it */
	ck_assert_int_eq(pipe2(no_reader, O_CLOEXEC), 0);
	(void)close(no_reader[0]);

	cfg.control_fd = control[1];
	m = make();
	control[1] = -1; /* the machine's */
	ask("{\"do\":\"save\",\"fds\":1}\n", fd);
	ask("{\"do\":\"save\",\"fds\":1}\n", read_only);
	ask("{\"do\":\"save\",\"fds\":1}\n", no_reader[1]);
	ask("{\"do\":\"save\"}\n", -1);
	ask("{\"do\":\"quit\"}\n", -1);
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_QUIT);
	(void)expect("started");
	n = expect("saved");
	for (unsigned i = 0; i < 3; i++)
		(void)expect("save-failed");
	(void)machine_free(m);
	ck_assert_int_eq((int)lseek(fd, 0, SEEK_END), (int)n);
	cfg.control_fd = -1;
	cfg.restore = true;
	cfg.state_fd = fd;
	m = make();
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	(void)machine_free(m);
	(void)close(fd);
	(void)close(read_only);
	(void)close(no_reader[1]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("state of machines");
	TCase *t = tcase_create("state");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_chip_that_was_used_is_saved_and_loaded, 0,
			    (int)(sizeof chip / sizeof chip[0]));
	tcase_add_test(t, a_loaded_machine_answers_as_before);
	tcase_add_test(t, a_pending_interrupt_reaches_the_new_processor);
	tcase_add_loop_test(t, a_loaded_card_asks_its_guest_to_announce_itself_once, 0, 2);
	tcase_add_loop_test(t, the_future_after_a_load_is_the_one_without, 0, 10);
	tcase_add_test(t, a_real_clock_goes_on_where_it_stood);
	tcase_add_test(t, a_tsc_goes_on_at_its_speed);
	tcase_add_test(t, damage_in_any_section_is_refused_with_its_place);
	tcase_add_test(t, a_newer_section_is_refused_with_its_place);
	tcase_add_loop_test(t, another_machines_state_is_refused, 0,
			    (int)(sizeof other / sizeof other[0]));
	tcase_add_test(t, the_supervisor_saves_and_starts_again);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
