/* tests/vmm/check_vmgenid.c: the VM generation ID changes with each load, and its event tells
 * the guest. Its AML is check_boot.c's. */
#include "core/bytes.h"
#include "tests/kernel.h"
#include "tests/unit.h"
#include "vmm/dev/vmgenid.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <sys/mman.h>

static struct machine_config cfg;

static void setup(void)
{
	static const uint8_t spin[] = { 0xEB, 0xFE };

	cfg = (struct machine_config){ .name = "t/vm",
				       .memory_bytes = 4 << 20,
				       .cpus = 1,
				       .seed = 1,
				       .initrd_fd = -1,
				       .pmem_fd = -1,
				       .state_fd = -1,
				       .kernel_fd = kernel_of(spin, sizeof spin),
				       .serial_fd = -1,
				       .agent_fd = -1,
				       .control_fd = -1,
				       .generation_id = true };
}

static void teardown(void)
{
	(void)close(cfg.kernel_fd);
	if (cfg.state_fd >= 0)
		(void)close(cfg.state_fd);
}

static struct machine *make(void)
{
	struct machine *m = NULL;
	char *why = NULL;

	ck_assert_msg(machine_new(&cfg, &m, &why) == 0, "machine_new: %s", why ? why : "?");
	return m;
}

/* The machine that goes on from the state of @m, which ends. */
static struct machine *go_on(struct machine *m)
{
	char *why = NULL;
	uint64_t n;
	int fd = memfd_create("state", MFD_CLOEXEC);

	ck_assert_msg(machine_save(m, fd, &n, &why) == 0, "machine_save: %s", why);
	(void)machine_free(m);
	if (cfg.state_fd >= 0)
		(void)close(cfg.state_fd);
	cfg.state_fd = fd;
	cfg.restore = true;
	return make();
}

static const uint8_t *id_of(const struct machine *m)
{
	return mem_ptr(&m->mem, VMGENID_GPA, VMGENID_LEN);
}

static bool is_set(const uint8_t *id)
{
	for (unsigned i = 0; i < VMGENID_LEN; i++)
		if (id[i])
			return true;
	return false;
}

/* @_i: how often it was loaded before. */
START_TEST(each_load_is_a_new_generation)
{
	struct machine *m = make();
	uint8_t before[VMGENID_LEN];

	ck_assert(is_set(id_of(m)));
	ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 2), 0);
	bus_pio_write(&m->bus, ACPI_GPE0 + 1, 1, 0xFF);
	ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 2), 0x100); /* there is one event */
	for (int i = 0; i <= _i; i++) {
		memcpy(before, id_of(m), sizeof before);
		m = go_on(m);
		ck_assert(memcmp(id_of(m), before, sizeof before) == 0); /* not before it goes on */
		machine_set_paused(m, false);
		ck_assert(memcmp(id_of(m), before, sizeof before) != 0);
		ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 2), 0x101);
		ck_assert(m->ioapic.lines & 1 << ACPI_SCI);
		bus_pio_write(&m->bus, ACPI_GPE0, 1, 1);
		ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 2), 0x100);
		ck_assert(!(m->ioapic.lines & 1 << ACPI_SCI));
	}
	memcpy(before, id_of(m), sizeof before);
	machine_set_paused(m, true);
	machine_set_paused(m, false);
	ck_assert(memcmp(id_of(m), before, sizeof before) == 0); /* a pause is none */
	ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 1), 0);
	(void)machine_free(m);
}
END_TEST

START_TEST(on_a_virtual_clock_a_load_is_none)
{
	struct machine *m;
	uint8_t before[VMGENID_LEN];

	cfg.clock_virtual = true;
	m = make();
	memcpy(before, id_of(m), sizeof before);
	m = go_on(m);
	machine_set_paused(m, false);
	ck_assert(memcmp(id_of(m), before, sizeof before) == 0);
	ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 1), 0);
	(void)machine_free(m);
}
END_TEST

/* Its tables do not tell of the device: its memory is let alone. */
START_TEST(a_guest_that_was_saved_without_it_stays_without)
{
	struct machine *m;

	cfg.generation_id = false;
	m = make();
	ck_assert(!is_set(id_of(m)));
	ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 1), 0xFF);
	cfg.generation_id = true;
	for (int i = 0; i < 2; i++) {
		m = go_on(m);
		machine_set_paused(m, false);
		ck_assert(!is_set(id_of(m)));
		ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_GPE0, 1), 0);
	}
	(void)machine_free(m);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("vmgenid");
	TCase *t = tcase_create("vmgenid");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, each_load_is_a_new_generation, 0, 2);
	tcase_add_test(t, on_a_virtual_clock_a_load_is_none);
	tcase_add_test(t, a_guest_that_was_saved_without_it_stays_without);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
