/* vmm/cpu/soft/translate/profile.c: why translated code is left, and for what.
 *
 * With MUSTER_SOFT_PROFILE in the environment the shared exits (prologue.c)
 * count: by opcode the calls of executors and the exits to the interpreter (a TLB miss,
 * memory that is not plain, a fault), and as sums jumps that were not linked and budgets
 * that were too small for a trace; and traces count how often they are entered. Without it nothing
 * of this is in the code.
 *
 * Used by: translate.c, prologue.c, block.c. */
#include "vmm/cpu/soft/translate/build.h"

#include <stdlib.h>

/* What is counted apart: map, opcode, the register field's low bits, operand size, repeat; memory or register. */
enum { N_OPCODES = 1 << 17, N_PRINTED = 24 };

struct translate_profile {
	uint64_t exec[N_OPCODES], exits[N_OPCODES]; /* by form() */
	uint64_t n_follows, n_enters;
};

struct translate_profile *translate_profile_new(void)
{
	return getenv("MUSTER_SOFT_PROFILE") ? calloc(1, sizeof(struct translate_profile)) : NULL;
}

static unsigned form(const struct insn *i)
{
	unsigned size = i->opsize == 8 ? 2 : i->opsize == 4 ? 1 : 0;

	return (unsigned)(i->map & 3) << 8 | i->opcode | (i->reg & 7u) << 10 | size << 13 | (i->rep ? 1u << 15 : 0) |
	       (i->has_modrm && i->mod != 3 ? 1u << 16 : 0);
}

static void count(uint64_t *n, const struct insn *i)
{
	n[form(i)]++;
}

void translate_profile_exec(struct soft *s, const struct insn *i)
{
	count(s->blocks->translate->profile->exec, i);
}

const struct block *translate_profile_end(struct soft *s, const struct uop *u)
{
	translate_profile_exec(s, (const struct insn *)(const void *)(u + 1));
	return uop_end(s, u);
}

const struct uop *translate_profile_exit(struct soft *s, const struct uop *u)
{
	uint8_t bytes[15];
	struct insn i;

	block_bytes(s, s->block, (unsigned)u->off - u->len, u->len, bytes);
	if (insn_decode(bytes, u->len, (enum soft_mode)s->mode, &i) > 0)
		count(s->blocks->translate->profile->exits, &i);
	UOP_NEXT(s, u);
}

const struct uop *translate_profile_enter(struct soft *s, const struct uop *u)
{
	s->blocks->translate->profile->n_enters++;
	return translate_budget_short(s, u);
}

const struct uop *translate_profile_follow(struct soft *s, const struct uop *u)
{
	s->blocks->translate->profile->n_follows++;
	return translate_follow(s, u);
}

static void print_most(const uint64_t *n, const char *what, FILE *f)
{
	static const char *const maps[] = { "", "0F ", "0F38 ", "0F3A " };
	uint64_t below = UINT64_MAX;

	fprintf(f, "soft: %s, by opcode:\n", what);
	for (unsigned k = 0; k < N_PRINTED; k++) {
		unsigned best = N_OPCODES;

		for (unsigned o = 0; o < N_OPCODES; o++)
			if (n[o] && n[o] < below && (best == N_OPCODES || n[o] > n[best]))
				best = o;
		if (best == N_OPCODES)
			return;
		below = n[best];
		fprintf(f, "  %12llu  %s%02X /%u, %u bits, %s%s\n", (unsigned long long)below, maps[best >> 8 & 3], best & 255,
			best >> 10 & 7, 16u << (best >> 13 & 3), best >> 16 ? "memory" : "register", best >> 15 & 1 ? ", rep" : "");
	}
}

void translate_profile_print(const struct translate *t, FILE *f)
{
	const struct translate_profile *p = t->profile;

	fprintf(f, "soft: %llu traces translated to %llu bytes, %llu flushes\n", (unsigned long long)t->n_blocks,
		(unsigned long long)t->n_bytes, (unsigned long long)t->n_flushes);
	if (!p)
		return;
	fprintf(f,
		"soft: %llu jumps out of code that were not chained, %llu times the budget was too small for a trace\n",
		(unsigned long long)p->n_follows, (unsigned long long)p->n_enters);
	print_most(p->exec, "executors called from code", f);
	print_most(p->exits, "code left for the interpreter", f);
}
