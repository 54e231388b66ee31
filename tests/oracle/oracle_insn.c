/* tests/oracle/oracle_insn.c: random ring-3 instructions, hardware against engine.
 *
 *   oracle_insn [N [SEED [MAX-PRINTED]]]
 *   oracle_insn --recorded FILE [N]   32-bit and 16-bit instructions against recorded outcomes (oracle_vectors.c)
 *   oracle_insn --record FILE [N]     makes that file
 *
 * Compares general registers, RIP, defined flags, XMM and MXCSR, x87 registers,
 * control, status and tag words, the window and the exception. Every second
 * case runs the engine with TF, as the hardware must be; the others let it run
 * on, so that whole blocks are exercised. Exit status 1 on a difference, 77 when this
 * host's processor could judge nothing. A host that runs no 32-bit code judges the others.
 *
 * Depends on: oracle_*.c, tests/host_probe.h. */
#include "tests/oracle/oracle.h"

#include "core/bytes.h"
#include "core/cleanup.h"
#include "tests/host_probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLAGS_COMPARED = 0x244CD5, /* ID AC NT DF and the six */ GP_COMPARED = 16,
       EXIT_SKIPPED = 77, N_RECORDED = 20 * ORACLE_BLOCK };

static uint64_t n_compared, n_differ, n_skipped, n_died, max_printed = 20;

/* Within 3 * 2^-12: twice the architecture's bound, as both may err. */
static bool is_near(uint32_t a, uint32_t b)
{
	float x, y;

	memcpy(&x, &a, 4);
	memcpy(&y, &b, 4);
	if (a == b || (isnan(x) && isnan(y)))
		return true;
	if (fabsf(x) < 2e-38f && fabsf(y) < 2e-38f)
		return true; /* where exactly the flush to zero begins is free */
	return fabsf(x - y) <= fabsf(x) * (3.0f / 4096);
}

static bool xmm_agrees(const struct cpu_fxsave *a, const struct cpu_fxsave *b, bool approximate)
{
	if (!memcmp(a->xmm, b->xmm, sizeof(a->xmm)))
		return true;
	for (int k = 0; approximate && k < 64; k++) {
		uint32_t x, y;

		memcpy(&x, a->xmm[k / 4] + 4 * (k % 4), 4);
		memcpy(&y, b->xmm[k / 4] + 4 * (k % 4), 4);
		if (!is_near(x, y))
			return false;
	}
	return approximate;
}

static bool st_agrees(const struct cpu_fxsave *a, const struct cpu_fxsave *b)
{
	for (int k = 0; k < 8; k++)
		if (memcmp(a->st[k], b->st[k], 10))
			return false;
	return true;
}

/* What differs first, or NULL. */
static const char *difference(const struct oracle_case *c, const struct oracle_outcome *soft,
			      const struct oracle_rule *r)
{
	const struct oracle_outcome *hw = &c->hw;
	int n_gpr = 0;

	/* A call to a non-canonical address with no stack to push to: the SDM checks the target first (vol. 2,
	 * CALL), AMD pushes first. */
	if (r->may_fault && hw->vector == 14 && soft->vector == -1)
		return NULL;
	/* MXCSR.MM, which only AMD has: reserved in the model (SDM vol. 1 §10.2.3). */
	if (hw->regs.fx.mxcsr & 0x20000 && soft->vector == 13)
		return NULL;
	if (r->is_call && hw->vector == 14 && soft->vector == 13)
		return NULL;
	/* An operand across the segment's limit, 4 GiB, that has another fault too: which comes
	 * first is the implementation's (SDM vol. 3 §6.9). */
	if (c->is_32 && ((hw->vector == 13 && soft->vector == 12) ||
			 (hw->vector == 14 && hw->cr2 >= 0xFFFFFF00 && (soft->vector & ~1) == 12)))
		return NULL;
#ifdef MUSTER_SAN
	/* The sanitizer has mapped its shadow where a wild address may point. */
	if (soft->vector == 14 && (hw->vector != 14 || hw->cr2 != soft->cr2))
		return NULL;
#endif
	if (hw->vector != soft->vector)
		return "exception";
	if (hw->regs.rip != soft->regs.rip)
		return "rip";
	for (int k = 0; k < (c->is_32 ? 8 : GP_COMPARED); k++)
		n_gpr += hw->regs.gpr[k] != soft->regs.gpr[k];
	if (n_gpr > (r->any_dest ? 1 : 0))
		return "registers";
	if ((hw->regs.rflags ^ soft->regs.rflags) & FLAGS_COMPARED & ~r->undefined_flags)
		return "flags";
	if (!xmm_agrees(&hw->regs.fx, &soft->regs.fx, r->approximate))
		return "xmm";
	if (hw->regs.fx.mxcsr != soft->regs.fx.mxcsr)
		return "mxcsr";
	if (!st_agrees(&hw->regs.fx, &soft->regs.fx))
		return "st";
	if (hw->regs.fx.fcw != soft->regs.fx.fcw || hw->regs.fx.fsw != soft->regs.fx.fsw ||
	    hw->regs.fx.ftw != soft->regs.fx.ftw)
		return "x87 words";
	if (!r->any_dest && memcmp(hw->window, soft->window, ORACLE_WINDOW_BYTES))
		return "memory";
	/* The kernel of the host says "present" of all its own addresses. */
	if (hw->vector == 14 && (hw->error ^ soft->error) & (hw->cr2 >> 47 ? 0x1Eu : 0x1Fu))
		return "error code";
	return NULL;
}

static void print_bytes(const char *name, const void *p, size_t n)
{
	const uint8_t *b = p;

	printf("%s", name);
	for (size_t k = 0; k < n; k++)
		printf("%02x", b[n - 1 - k]);
}

static void print_regs(const char *name, const struct oracle_regs *r, const struct oracle_regs *in)
{
	printf("  %-4s rip %llx flags %llx mxcsr %x fcw %x fsw %x ftw %x\n", name,
	       (unsigned long long)r->rip, (unsigned long long)r->rflags, r->fx.mxcsr, r->fx.fcw,
	       r->fx.fsw, r->fx.ftw);
	for (int k = 0; k < 16; k++)
		if (r == in || r->gpr[k] != in->gpr[k])
			printf("       r%d=%llx", k, (unsigned long long)r->gpr[k]);
	printf("\n");
	for (int k = 0; k < 16; k++)
		if (r == in || memcmp(r->fx.xmm[k], in->fx.xmm[k], 16)) {
			printf("       xmm%d", k);
			print_bytes("=", r->fx.xmm[k], 16);
		}
	for (int k = 0; k < 8; k++)
		if (r == in || memcmp(r->fx.st[k], in->fx.st[k], 10)) {
			printf("       st%d", k);
			print_bytes("=", r->fx.st[k], 10);
		}
	printf("\n");
}

static void print_window(const struct oracle_case *c, const struct oracle_outcome *soft)
{
	for (unsigned k = 0; k < ORACLE_WINDOW_BYTES; k += 8) {
		if (!memcmp(c->hw.window + k, soft->window + k, 8))
			continue;
		printf("  window+%x", k);
		print_bytes(": in ", c->window + k, 8);
		print_bytes(" hw ", c->hw.window + k, 8);
		print_bytes(" soft ", soft->window + k, 8);
		printf("\n");
	}
}

static void print_difference(const struct oracle_case *c, const struct oracle_outcome *soft,
			     const struct oracle_rule *r, const char *what, uint64_t number, bool with_tf)
{
	printf("case %llu%s%s: %s: %s [", (unsigned long long)number, c->is_16 ? " (16)" : c->is_32 ? " (32)" : "", with_tf ? "" : " (no TF)", what,
	       r->text);
	for (unsigned k = 0; k < c->len; k++)
		printf("%s%02x", k ? " " : "", c->bytes[k]);
	printf("]\n  vector hw %d error %x cr2 %llx, soft %d error %x cr2 %llx\n", c->hw.vector,
	       c->hw.error, (unsigned long long)c->hw.cr2, soft->vector, soft->error,
	       (unsigned long long)soft->cr2);
	print_regs("in", &c->in, &c->in);
	print_regs("hw", &c->hw.regs, &c->in);
	print_regs("soft", &soft->regs, &c->in);
	print_window(c, soft);
}

/* Behind a branch into its own bytes the engine would run on. */
static bool needs_tf(const struct oracle_case *c)
{
	uint64_t off = c->hw.regs.rip - c->in.rip;

	return c->hw.vector == -1 && off < 16 && off != c->len;
}

static void compare(const struct oracle_case *c, uint64_t number)
{
	static struct oracle_outcome soft;
	struct oracle_rule r;
	const char *what;
	bool with_tf;

	oracle_rule(c, &r);
	with_tf = number & 1 || needs_tf(c) || r.stores_tf;
	/* A fault within REPE CMPS: the flags are those before the instruction, which
	 * the stepped hardware has executed anew for each iteration. SDM vol. 2, REP. */
	if (c->is_rep && !with_tf && c->hw.vector >= 0)
		r.undefined_flags = FLAGS_COMPARED;
	n_compared++;
	oracle_soft_run(c, with_tf, &soft);
	what = difference(c, &soft, &r);
	if (!what)
		return;
	if (n_differ++ < max_printed)
		print_difference(c, &soft, &r, what, number, with_tf);
}

static void judge(struct oracle_case *c, uint64_t number)
{
	struct oracle_rule r;

	oracle_rule(c, &r);
	if (c->skip || r.skip)
		n_skipped++;
	else if (c->died)
		n_died++;
	else
		compare(c, number);
}

static void tell(void)
{
	printf("oracle_insn: %llu compared, %llu differ, %llu skipped, %llu ended the child\n",
	       (unsigned long long)n_compared, (unsigned long long)n_differ,
	       (unsigned long long)n_skipped, (unsigned long long)n_died);
}

/* Runs the cases that no rule leaves out. */
static void run_on_hardware(struct oracle_case *c, unsigned n)
{
	struct oracle_case *shared = oracle_hw_cases();

	for (unsigned k = 0; k < n; k++) {
		struct oracle_rule r;

		oracle_rule(&c[k], &r);
		c[k].skip |= r.skip;
	}
	memcpy(shared, c, n * sizeof *c);
	oracle_hw_run(n);
	memcpy(c, shared, n * sizeof *c);
}

static int hardware(uint64_t n, uint64_t seed)
{
	CLEANUP(free) char *why = NULL, *why_32 = NULL, *why_16 = NULL;
	static struct oracle_case cases[ORACLE_BATCH];
	bool has_32 = host_can(HOST_CODE32, &why_32), has_16 = host_can(HOST_CODE16, &why_16);
	uint64_t number = 0, n_32 = 0, seed_16 = seed;

	if (!host_can(HOST_STEP, &why)) {
		printf("oracle_insn: skipped: the hardware could compare nothing here: single steps: %s\n", why);
		return EXIT_SKIPPED;
	}
	while (n_compared < n) {
		for (unsigned k = 0; k < ORACLE_BATCH; k++) {
			/* Few, of even and odd numbers. */
			if (k % 17 == 0 && has_16) {
				oracle_generate_16(&seed_16, &cases[k]);
				continue;
			}
			oracle_generate(&seed, &cases[k]);
			cases[k].skip = cases[k].is_32 && !has_32;
			n_32 += cases[k].skip;
		}
		run_on_hardware(cases, ORACLE_BATCH);
		for (unsigned k = 0; k < ORACLE_BATCH; k++, number++)
			judge(&cases[k], number);
	}
	tell();
	if (!has_32)
		printf("oracle_insn: %llu of these not judged by this processor: 32-bit code: %s\n",
		       (unsigned long long)n_32, why_32);
	if (!has_16)
		printf("oracle_insn: none of them 16-bit code: %s\n", why_16);
	return n_differ != 0;
}

static int recorded(const char *path, unsigned n)
{
	int r = oracle_vectors_read(path, n, judge);

	if (r == 0) {
		printf("recorded outcomes: ");
		tell();
	} else {
		(void)fprintf(stderr, "oracle_insn: %s: %s\n", path, r == -ESTALE ?
			      "the generator makes other cases than when this was recorded; record anew: make oracle-record" :
			      strerror(-r));
	}
	return r || n_differ || n_compared == 0;
}

static int record(const char *path, unsigned n)
{
	CLEANUP(free) char *why = NULL, *origin = NULL;
	char model[128] = "unknown", day[32];
	time_t now = time(NULL);
	FILE *f = popen("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1; echo", "r");
	int r;

	if (!host_can(HOST_CODE32, &why) || !host_can(HOST_CODE16, &why)) {
		(void)fprintf(stderr, "oracle_insn: this host cannot record 32-bit and 16-bit code: %s\n", why);
		return 1;
	}
	if (f && fgets(model, sizeof model, f))
		model[strcspn(model, "\n")] = '\0';
	if (f)
		(void)pclose(f);
	(void)strftime(day, sizeof day, "%Y-%m-%d", gmtime(&now));
	origin = str_printf("Processor: %s\nDate: %s\nCommand: oracle_insn --record FILE %u", model, day, n);
	r = oracle_vectors_write(path, origin, n, run_on_hardware);
	if (r < 0)
		(void)fprintf(stderr, "oracle_insn: %s: %s\n", path, strerror(-r));
	return r < 0;
}

int main(int argc, char **argv)
{
	bool reads = argc > 2 && strcmp(argv[1], "--recorded") == 0, writes = argc > 2 && strcmp(argv[1], "--record") == 0;
	unsigned n_file = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 0) : N_RECORDED;
	int status;

	if (oracle_hw_open() || oracle_soft_open()) {
		fprintf(stderr, "oracle_insn: cannot set up\n");
		return 1;
	}
	if (argc > 3 && !reads && !writes)
		max_printed = strtoull(argv[3], NULL, 0);
	if (reads || writes)
		status = reads ? recorded(argv[2], n_file) : record(argv[2], n_file);
	else
		status = hardware(argc > 1 ? strtoull(argv[1], NULL, 0) : 100000, argc > 2 ? strtoull(argv[2], NULL, 0) : 1);
	oracle_soft_close();
	oracle_hw_close();
	return status;
}
