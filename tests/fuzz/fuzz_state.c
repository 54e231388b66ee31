/* tests/fuzz/fuzz_state.c: saved states as a forger would write them: right
 * checksums, wrong contents. Input: what to change, in a byte
 * (how many changes) and steps of 6: which section (16 bits), where in it (16
 * bits), how, a value. The file must be refused with the place named, or make a
 * machine that can be saved again, and runs a while without harm to us. */
#include "core/bytes.h"
#include "tests/forge.h"
#include "tests/kernel.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <stdio.h>
#include <sys/mman.h>

enum { STEP_LEN = 6, STEPS_MAX = 6, MEMORY = 4 << 20, RUN_INSNS = 2000, SECTIONS_MAX = 64,
       SLEEP_MAX = 20000000 /* ns */ };

static struct machine_nic nics[2];
static struct bytes base; /* a whole file */
static struct forge_section section[SECTIONS_MAX];
static size_t n_sections;

static struct machine_config config(void)
{
	return (struct machine_config){ .name = "t/vm", .memory_bytes = MEMORY, .cpus = 1,
					.clock_virtual = true, .seed = 1, .kernel_fd = -1,
					.initrd_fd = -1, .pmem_fd = -1, .nics = nics, .n_nics = 2,
					.serial_fd = -1, .agent_fd = -1, .control_fd = -1,
					.generation_id = true, .restore = true, .state_fd = -1 };
}

static void fail(const char *what)
{
	(void)fprintf(stderr, "%s\n", what);
	abort();
}

static void stop(void *ctx, struct machine *m)
{
	(void)ctx;
	machine_end_now(m, MACHINE_END_QUIT, NULL);
}

/* A forged processor may rightly sleep for ever: nothing is to wake it here. */
static void give_up(void *ctx, nsec_t now)
{
	(void)now;
	machine_end_now(ctx, MACHINE_END_QUIT, NULL);
}

/* A machine that counts, speaks to a port and fills memory: its state is the base
 * of all inputs. */
static void make_base(void)
{
	/* L: inc qword [0x3000]; out 0x80, al; mov edi, 0x200000; mov ecx, 64; rep stosd;
	 * fld1; mulps xmm0, xmm1; jmp L */
	static const uint8_t code[] = { 0x48, 0xFF, 0x04, 0x25, 0x00, 0x30, 0x00, 0x00, 0xE6, 0x80,
					0xBF, 0x00, 0x00, 0x20, 0x00, 0xB9, 0x40, 0x00, 0x00, 0x00,
					0xF3, 0xAB, 0xD9, 0xE8, 0x0F, 0x59, 0xC1, 0xEB, 0xE3 };
	struct machine_config c = config();
	struct machine *m = NULL;
	char *why = NULL;
	size_t at = STATE_HEADER_LEN, len;
	uint64_t n;
	int fd = memfd_create("state", MFD_CLOEXEC);

	for (unsigned i = 0; i < 2; i++) {
		nics[i] = (struct machine_nic){ .mac = { { 2, 0, 0, 0, 0, (uint8_t)i } },
						.mtu = 1500, .link_up = true };
		if (ring_pair_create(RING_DATA_SIZE, &nics[i].ring) < 0)
			fail("no rings");
	}
	c.restore = false;
	c.kernel_fd = kernel_of(code, sizeof code);
	if (machine_new(&c, &m, &why) < 0)
		fail(why);
	(void)close(c.kernel_fd);
	if (machine_save(m, fd, &n, &why) < 0)
		fail(why);
	(void)machine_free(m);
	len = (size_t)n;
	base.data = malloc(len);
	base.len = len;
	if (!base.data || pread(fd, base.data, len, 0) != (ssize_t)len)
		fail("no base");
	(void)close(fd);
	while (n_sections < SECTIONS_MAX && forge_next(base.data, &at, &section[n_sections]))
		n_sections++;
}

static void change(uint8_t *file, const uint8_t *step)
{
	const struct forge_section *sec = &section[load_le16(step) % n_sections];

	forge_change(file, sec, sec->len, step + 2);
}

static void try_machine(const uint8_t *file, size_t len)
{
	struct machine_config c = config();
	struct machine *m = NULL;
	char *why = NULL;
	uint64_t n = 0;
	int fd = memfd_create("state", MFD_CLOEXEC);

	c.state_fd = fd;
	if (fd < 0 || fd_write_all(fd, file, len) < 0)
		fail("no file");
	if (machine_new(&c, &m, &why) < 0) {
		if (m || !why || !strstr(why, "section"))
			fail("a refusal without its place");
		free(why);
	} else {
		if (lseek(fd, 0, SEEK_SET) || machine_save(m, fd, &n, &why) < 0)
			fail("what was loaded cannot be saved");
		machine_set_probe(m, RUN_INSNS, stop, NULL);
		if (loop_add_timer(m->loop, clock_now() + SLEEP_MAX, give_up, m, NULL) < 0)
			fail("no timer");
		(void)machine_run(m, &why);
		free(why);
		(void)machine_free(m);
	}
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *file;

	if (!base.len)
		make_base();
	file = malloc(base.len);
	if (!file)
		return 0;
	memcpy(file, base.data, base.len);
	for (size_t i = 0, at = 1; at + STEP_LEN <= len && i <= data[0] % STEPS_MAX; i++) {
		change(file, data + at);
		at += STEP_LEN;
	}
	forge_reseal(file, base.len);
	try_machine(file, base.len);
	free(file);
	return 0;
}
