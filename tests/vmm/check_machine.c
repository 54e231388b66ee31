/* tests/vmm/check_machine.c: whole machines that run a few instructions of
 * their own: how they end, what they cost, and what the supervisor is told. */
#include "core/bytes.h"
#include "core/control.h"
#include "tests/kernel.h"
#include "tests/unit.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { MEMORY = 4 << 20 };

static int serial[2], control[2];
static struct machine_config cfg;

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, serial), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), 0);
	cfg = (struct machine_config){ .name = "t/vm", .memory_bytes = MEMORY, .cpus = 1,
				       .clock_virtual = true, .virtual_mips = 1000, .seed = 1,
				       .initrd_fd = -1, .kernel_fd = -1, .pmem_fd = -1,
				       .serial_fd = serial[1],
				       .agent_fd = -1, .control_fd = -1 };
}

static void teardown(void)
{
	for (int i = 0; i < 2; i++) {
		(void)close(serial[i]);
		if (control[i] >= 0)
			(void)close(control[i]);
	}
	if (cfg.kernel_fd >= 0)
		(void)close(cfg.kernel_fd);
}

static struct machine *make(const void *code, size_t len)
{
	struct machine *m = NULL;
	char *why = NULL;
	int r;

	cfg.kernel_fd = kernel_of(code, len);
	r = machine_new(&cfg, &m, &why);
	ck_assert_msg(r == 0, "machine_new: %s", why ? why : "?");
	return m;
}

/* mov dx, PORT; mov ax, VALUE; out dx, ax */
#define OUT16(port, value)                                                                         \
	0x66, 0xBA, (port) & 0xFF, (port) >> 8, 0x66, 0xB8, (value) & 0xFF, (value) >> 8, 0x66, 0xEF
#define OUT8(port, value) 0x66, 0xBA, (port) & 0xFF, (port) >> 8, 0xB0, (value), 0xEE
#define POWEROFF OUT16(0x604, 0x3400)

START_TEST(a_guest_speaks_and_powers_off)
{
	static const uint8_t code[] = { OUT8(0x3F8, 'o'), OUT8(0x3F8, 'k'), POWEROFF, 0xF4 };
	struct machine *m = make(code, sizeof code);
	char *why = NULL, buf[8];

	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	ck_assert_ptr_null(why);
	ck_assert_int_eq((int)recv(serial[0], buf, sizeof buf, MSG_DONTWAIT), 2);
	ck_assert(memcmp(buf, "ok", 2) == 0);
	ck_assert_uint_le(machine_instructions(m), 10);
	(void)machine_free(m);
}
END_TEST

START_TEST(ends_have_their_names)
{
	static const uint8_t fault[] = { 0x0F, 0x0B }; /* UD2 without an IDT */
	static const uint8_t reset[] = { OUT8(0xCF9, 6), 0xF4 };
	static const uint8_t pulse[] = { 0xB0, 0xFE, 0xE6, 0x64, 0xF4 };
	static const struct {
		const uint8_t *code;
		size_t len;
		enum machine_end end;
		const char *name;
	} row[] = { { fault, sizeof fault, MACHINE_END_TRIPLE_FAULT, "triple-fault" },
		    { reset, sizeof reset, MACHINE_END_RESET, "reset" },
		    { pulse, sizeof pulse, MACHINE_END_RESET, "reset" } };
	struct machine *m = make(row[_i].code, row[_i].len);
	CLEANUP(free) char *why = NULL;

	ck_assert_int_eq(machine_run(m, &why), row[_i].end);
	ck_assert_str_eq(machine_end_str(row[_i].end), row[_i].name);
	(void)machine_free(m);
}
END_TEST

/* The PIT's edge through PIC and LINT0: an IDT of one gate at 0x1000, whose
 * handler powers off; the processor waits for it in HLT. */
static const uint8_t timer_code[] = {
	/* Gate 0x30 at 0x1300, word by word: the handler is at KERNEL_AT + 0x100. */
	0x66, 0xC7, 0x04, 0x25, 0x00, 0x13, 0x00, 0x00, 0x00, 0x01,
	0x66, 0xC7, 0x04, 0x25, 0x02, 0x13, 0x00, 0x00, 0x10, 0x00,
	0x66, 0xC7, 0x04, 0x25, 0x04, 0x13, 0x00, 0x00, 0x00, 0x8E,
	0x66, 0xC7, 0x04, 0x25, 0x06, 0x13, 0x00, 0x00, 0x10, 0x00,
	/* lidt at 0x2000: limit 0x3FF, base 0x1000 */
	0x66, 0xC7, 0x04, 0x25, 0x00, 0x20, 0x00, 0x00, 0xFF, 0x03,
	0x66, 0xC7, 0x04, 0x25, 0x02, 0x20, 0x00, 0x00, 0x00, 0x10,
	0x0F, 0x01, 0x1C, 0x25, 0x00, 0x20, 0x00, 0x00,
	/* mov esp, 0x8000 */
	0xBC, 0x00, 0x80, 0x00, 0x00,
	/* mov ebx, 0xFEE00000; SVR 0x1FF switches the APIC on; LINT0 takes ExtINT */
	0xBB, 0x00, 0x00, 0xE0, 0xFE,
	0xC7, 0x83, 0xF0, 0x00, 0x00, 0x00, 0xFF, 0x01, 0x00, 0x00,
	0xC7, 0x83, 0x50, 0x03, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00,
	OUT8(0x20, 0x11), OUT8(0x21, 0x30), OUT8(0x21, 4), OUT8(0x21, 1), OUT8(0x21, 0xFE),
	/* PIT mode 2, 11932: 10 ms */
	OUT8(0x43, 0x34), OUT8(0x40, 0x9C), OUT8(0x40, 0x2E),
	0xFB, 0xF4, 0xEB, 0xFD, /* sti; hlt; jmp hlt */
};

static void make_timer_code(uint8_t code[0x200])
{
	static const uint8_t handler[] = { POWEROFF, 0xF4 };

	memset(code, 0x90, 0x200);
	memcpy(code, timer_code, sizeof timer_code);
	memcpy(code + 0x100, handler, sizeof handler);
	_Static_assert(sizeof timer_code <= 0x100, "the handler lies behind");
}

START_TEST(a_halted_processor_is_woken_by_the_timer)
{
	CLEANUP(free) char *why = NULL;
	uint8_t code[0x200];
	struct machine *m;

	make_timer_code(code);
	m = make(code, sizeof code);
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	ck_assert_int_ge(guest_clock_now(&m->clock), 10 * NSEC_PER_MSEC);
	ck_assert_int_le(guest_clock_now(&m->clock), 10 * NSEC_PER_MSEC + 10000);
	ck_assert_uint_le(machine_instructions(m), 100);
	(void)machine_free(m);
}
END_TEST

START_TEST(the_same_machine_runs_the_same)
{
	uint64_t hash[2], n[2];
	uint8_t code[0x200];

	make_timer_code(code);
	for (int i = 0; i < 2; i++) {
		struct machine *m = make(code, sizeof code);
		CLEANUP(free) char *why = NULL;

		(void)machine_run(m, &why);
		hash[i] = machine_state_hash(m);
		n[i] = machine_instructions(m);
		(void)machine_free(m);
		(void)close(cfg.kernel_fd);
	}
	cfg.kernel_fd = -1;
	ck_assert_uint_eq(hash[0], hash[1]);
	ck_assert_uint_eq(n[0], n[1]);
}
END_TEST

static void tell(const char *what)
{
	json_t *msg = json_pack("{s:s}", "do", what);

	ck_assert_int_eq(control_write_msg(control[0], msg), 0);
	json_decref(msg);
}

static void expect(const char *event, const char *key, const char *value)
{
	json_t *msg = NULL;

	ck_assert_int_eq(control_read_msg(control[0], &msg), 0);
	ck_assert_str_eq(json_string_value(json_object_get(msg, "event")), event);
	if (key)
		ck_assert_str_eq(json_string_value(json_object_get(msg, key)), value);
	json_decref(msg);
}

static const uint8_t spin[] = { 0xEB, 0xFE };

START_TEST(the_supervisor_is_obeyed_and_told)
{
	struct machine *m;
	char *why = NULL;

	cfg.control_fd = control[1];
	m = make(spin, sizeof spin);
	control[1] = -1; /* the machine's now */
	tell("pause");
	tell("resume");
	tell("stats");
	tell("nonsense");
	tell("quit");
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_QUIT);
	expect("started", "engine", "soft");
	expect("paused", NULL, NULL);
	expect("resumed", NULL, NULL);
	expect("stats", NULL, NULL);
	expect("ended", "why", "quit");
	free(why);
	(void)machine_free(m);
}
END_TEST

/* @heard: what the answer to a press of the power button is. */
static void button_says(bool heard)
{
	json_t *msg = NULL;

	ck_assert_int_eq(control_read_msg(control[0], &msg), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(msg, "id")), 7);
	ck_assert_int_eq(json_is_true(json_object_get(msg, "ok")), heard);
	ck_assert_int_eq(json_object_get(msg, "error") == NULL, heard);
	json_decref(msg);
}

START_TEST(who_presses_the_power_button_learns_whether_it_is_heard)
{
	json_t *press = json_pack("{s:s,s:i}", "do", "powerdown", "id", 7);
	CLEANUP(free) char *why = NULL;
	struct machine *m;

	cfg.control_fd = control[1];
	m = make(spin, sizeof spin);
	control[1] = -1;
	if (_i)
		bus_pio_write(&m->bus, ACPI_PM1A_EVT + 2, 2, 0x100);
	ck_assert_int_eq(control_write_msg(control[0], press), 0);
	json_decref(press);
	tell("quit");
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_QUIT);
	expect("started", "engine", "soft");
	button_says(_i);
	ck_assert_uint_eq(bus_pio_read(&m->bus, ACPI_PM1A_EVT, 2), 0x100);
	(void)machine_free(m);
}
END_TEST

START_TEST(a_machine_does_not_outlive_its_supervisor)
{
	CLEANUP(free) char *why = NULL;
	struct machine *m;

	cfg.control_fd = control[1];
	m = make(spin, sizeof spin);
	control[1] = -1;
	(void)close(control[0]);
	control[0] = -1;
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_QUIT);
	(void)machine_free(m);
}
END_TEST

static const struct {
	const char *says;
	uint64_t memory;
	unsigned cpus;
	size_t n_nics;
} refused[] = {
	{ "1024 KiB of memory is too little", 1 << 20, 1, 0 },
	{ "1 to 8 processors; 0 are", MEMORY, 0, 0 },
	{ "1 to 8 processors; 9 are", MEMORY, 9, 0 },
	{ "5000 network cards", MEMORY, 1, 5000 },
	{ "not a readable file", MEMORY, 1, 0 },
};

START_TEST(what_cannot_be_is_refused_in_words)
{
	CLEANUP(free) char *why = NULL;
	struct machine *m = NULL;

	cfg.memory_bytes = refused[_i].memory;
	cfg.cpus = refused[_i].cpus;
	cfg.n_nics = refused[_i].n_nics;
	ck_assert_int_lt(machine_new(&cfg, &m, &why), 0);
	ck_assert_ptr_null(m);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, refused[_i].says) != NULL, "says: %s", why);
}
END_TEST

START_TEST(a_reader_that_does_not_read_delays_no_one)
{
	/* loop: out 0x3F8, al; dec ecx; jnz loop; then power off. 2 M bytes. */
	static const uint8_t code[] = { 0x66, 0xBA, 0xF8, 0x03, 0xB9, 0x80, 0x84, 0x1E, 0x00,
					0xB0, 'x',  0xEE, 0xFF, 0xC9, 0x75, 0xFB, POWEROFF, 0xF4 };
	struct machine *m = make(code, sizeof code);
	CLEANUP(free) char *why = NULL;

	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	ck_assert_uint_gt(m->serial_dropped, 0);
	ck_assert_uint_le(m->serial_out.len, SERIAL_OUT_MAX);
	(void)machine_free(m);
}
END_TEST

START_TEST(a_panic_is_the_reason_of_its_reset)
{
	/* lodsb from the text behind the code; out; until NUL; then reset. */
	static const uint8_t code[] = { 0xBE, 0x20, 0x00, 0x10, 0x00, /* mov esi, text */
					0x66, 0xBA, 0xF8, 0x03, /* mov dx, 0x3F8 */
					0xAC, 0x84, 0xC0, 0x74, 0x03, 0xEE, 0xEB, 0xF8,
					OUT8(0xCF9, 6), 0xF4 };
	static const char text[] = "[ 1.0] Kernel panic - not syncing: no init\r\nmore\n";
	CLEANUP(free) char *why = NULL;
	uint8_t kernel[0x20 + sizeof text] = { 0 };
	struct machine *m;

	_Static_assert(sizeof code <= 0x20, "the text lies behind");
	memcpy(kernel, code, sizeof code);
	memcpy(kernel + 0x20, text, sizeof text);
	m = make(kernel, sizeof kernel);
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_RESET);
	ck_assert_ptr_nonnull(why);
	ck_assert_str_eq(why, "Kernel panic - not syncing: no init");
	(void)machine_free(m);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("machine");
	TCase *t = tcase_create("machine");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_guest_speaks_and_powers_off);
	tcase_add_loop_test(t, ends_have_their_names, 0, 3);
	tcase_add_test(t, a_halted_processor_is_woken_by_the_timer);
	tcase_add_test(t, the_same_machine_runs_the_same);
	tcase_add_test(t, the_supervisor_is_obeyed_and_told);
	tcase_add_loop_test(t, who_presses_the_power_button_learns_whether_it_is_heard, 0, 2);
	tcase_add_test(t, a_machine_does_not_outlive_its_supervisor);
	tcase_add_loop_test(t, what_cannot_be_is_refused_in_words, 0,
			    (int)(sizeof refused / sizeof refused[0]));
	tcase_add_test(t, a_panic_is_the_reason_of_its_reset);
	tcase_add_test(t, a_reader_that_does_not_read_delays_no_one);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
