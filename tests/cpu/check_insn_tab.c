/* tests/cpu/check_insn_tab.c: what the table of instructions says is what their executors do.
 *
 * Random instructions on registers run twice from one state, the second time with other values of the flags that
 * their row does not read. Both runs give the same registers and the same written flags; flags and
 * general registers that the row does not name stay as they are. */
#include "core/prng.h"
#include "tests/cpu/bare.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/decode/insn_tab.h"
#include "vmm/cpu/soft/flags.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 100000, CLASS_INT_LAST = CLASS_CALL_RM, CLASS_SSE_FIRST = CLASS_SSE_PSLLDQ_IMM + 1 };

static struct prng prng;
static uint64_t rnd(void)
{
	return prng_u64(&prng);
}

/* Fills 15 bytes. @prefix: enum insn_prefix. @rex: 0 none. @map: 0 to 3. */
static void compose(uint8_t *bytes, unsigned prefix, unsigned rex, unsigned map, unsigned opcode, unsigned modrm)
{
	static const uint8_t prefixes[] = { 0, 0x66, 0xF3, 0xF2 }, maps[] = { 0, 0, 0x38, 0x3A };
	size_t n = 0;

	if (prefixes[prefix])
		bytes[n++] = prefixes[prefix];
	if (rex)
		bytes[n++] = (uint8_t)rex;
	if (map)
		bytes[n++] = 0x0F;
	if (map > 1)
		bytes[n++] = maps[map];
	bytes[n++] = (uint8_t)opcode;
	bytes[n++] = (uint8_t)modrm;
	for (; n < 15; n++)
		bytes[n] = (uint8_t)rnd();
}

START_TEST(every_class_has_an_instruction_and_an_executor)
{
	static const enum soft_mode modes[] = { SOFT_MODE_64, SOFT_MODE_P32 };
	static bool seen[CLASS_COUNT];
	uint8_t bytes[15];
	struct insn i;

	prng_init(&prng, 1, "classes");
	for (unsigned k = 0; k < 2 * 4 * 2 * 4 * 65536; k++) {
		unsigned mode = k >> 21 & 1;

		compose(bytes, k >> 18 & 3, mode ? 0 : (k >> 20 & 1 ? 0x49 : 0), k >> 16 & 3, k >> 8 & 255, k & 255);
		if (insn_decode(bytes, sizeof(bytes), modes[mode], &i) > 0)
			seen[insn_info(&i)->class] = true;
	}
	ck_assert(!seen[CLASS_NONE]);
	for (unsigned k = CLASS_NONE + 1; k < CLASS_COUNT; k++)
		ck_assert_msg(seen[k], "class %u", k);
}
END_TEST

/* One run. Returns the exception's vector, or -1. */
static int run(struct bare *b, const uint8_t *bytes, const uint64_t *r, uint32_t flags)
{
	struct soft *s = b->s;

	memcpy(s->r, r, 16 * sizeof(*r));
	soft_flags_set(s, flags | 2);
	s->rip = BARE_CODE;
	return bare_exec(b, bytes, 15);
}

/* General registers that the instruction names. A byte register without REX may be a high one. */
static unsigned named(const struct insn *i, const struct insn_info *row)
{
	unsigned regs = row->implicit;

	if (!i->has_modrm)
		return regs | 1u << ((i->opcode & 7) | (i->rex & 1) << 3) | 1u << (i->opcode & 3);
	if (row->names_reg || row->class >= CLASS_SSE_FIRST)
		regs |= 1u << i->reg | 1u << (i->reg & 3);
	if (i->mod == 3)
		regs |= 1u << i->rm | 1u << (i->rm & 3);
	return regs;
}

/* By an immediate that the processor takes as 0: all flags stay. */
static bool shifts_by_0(const struct insn *i, const struct insn_info *row)
{
	bool is_qword = i->opcode & 1 && i->opsize == 8;

	return (row->class == CLASS_SHIFT_IMM || row->class == CLASS_ROTATE_IMM) && !(i->imm & (is_qword ? 63 : 31));
}

static void compare(struct bare *b, const uint8_t *bytes, const struct insn *i)
{
	const struct insn_info *row = insn_info(i);
	uint32_t flags = (uint32_t)rnd() & FLAG_ARITH, others = (uint32_t)rnd() & FLAG_ARITH & ~(uint32_t)row->reads,
		 out;
	struct cpu_fxsave fx = b->s->fx;
	uint64_t r[16], after[16];
	char text[32];

	for (unsigned k = 0; k < 16; k++)
		r[k] = rnd() >> (rnd() & 63);
	r[CPU_RSP] = r[CPU_RBP] = BARE_STACK;
	r[CPU_RBX] = BARE_STACK + 0x800;
	r[CPU_RSI] = BARE_STACK + 0x1000 + (rnd() & 0xF0);
	r[CPU_RDI] = BARE_STACK + 0x2000 + (rnd() & 0xF0);
	r[CPU_RCX] &= i->rep ? 7 : UINT32_MAX;
	if (b->s->mode != SOFT_MODE_64) {
		for (unsigned k = 0; k < 16; k++)
			r[k] = k < 8 ? (uint32_t)r[k] : 0;
	}
	if (run(b, bytes, r, flags) >= 0)
		return;
	for (unsigned k = 0; k < 15; k++)
		snprintf(text + 2 * k, 3, "%02x", bytes[k]);
	memcpy(after, b->s->r, sizeof(after));
	out = soft_flags_get(b->s) & FLAG_ARITH;
	ck_assert_msg(!((out ^ flags) & ~(uint32_t)(row->writes | row->undefined)), "%s: flags %x to %x", text, flags,
		      out);
	for (unsigned k = 0; k < 16; k++)
		ck_assert_msg(after[k] == r[k] || named(i, row) >> k & 1, "%s: register %u", text, k);
	b->s->fx = fx;
	ck_assert_msg(run(b, bytes, r, flags ^ others) < 0, "%s: raises by flags", text);
	ck_assert_msg(memcmp(after, b->s->r, sizeof(after)) == 0, "%s: registers by flags", text);
	if (!shifts_by_0(i, row))
		ck_assert_msg(!((soft_flags_get(b->s) ^ out) & row->writes), "%s: flags by flags", text);
}

/* Of the classes that are checked: those of the integer unit, and the list of MMX and SSE. */
static bool is_checked(unsigned class)
{
	return class >= CLASS_SSE_FIRST || (class <= CLASS_INT_LAST && class != CLASS_PUSHF && class != CLASS_POPF);
}

/* Exists with memory operands only, or in one mode only. */
static bool is_of_one_mode(unsigned class)
{
	return class == CLASS_LEA || class == CLASS_CMPXCHG8B || class == CLASS_MOVSXD || class == CLASS_INC_R ||
	       class == CLASS_DEC_R || class == CLASS_PUSHA || class == CLASS_POPA ||
	       (class >= CLASS_DAA && class <= CLASS_SALC);
}

START_TEST(flags_and_registers_are_those_of_the_row)
{
	static unsigned n_of[CLASS_COUNT];
	struct bare *b = bare_new();
	bool is_long = _i == 0;

	prng_init(&prng, 1, "rows");
	if (is_long)
		bare_long(b, 0);
	else
		bare_prot(b, 0);
	b->s->cr4 |= CR4_OSFXSR;
	for (unsigned k = 0; k < ROUNDS; k++) {
		unsigned map = rnd() & 1 ? 0 : rnd() & 3;
		unsigned rex = is_long && rnd() & 1 ? 0x40 | (rnd() & 15) : 0;
		uint8_t bytes[15];
		struct insn i;

		compose(bytes, rnd() & 3, rex, map, rnd() & 255, 0xC0 | (rnd() & 63));
		if (insn_decode(bytes, sizeof(bytes), (enum soft_mode)b->s->mode, &i) <= 0 ||
		    !is_checked(insn_info(&i)->class))
			continue;
		if (i.has_modrm && i.mod != 3)
			continue; /* the opcode was a prefix, and ModRM another byte: the first run would change memory */
		n_of[insn_info(&i)->class]++;
		compare(b, bytes, &i);
	}
	for (unsigned k = CLASS_NONE + 1; k <= CLASS_INT_LAST; k++)
		ck_assert_msg(n_of[k] || !is_checked(k) || is_of_one_mode(k), "class %u was not run", k);
	bare_free(b);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("insn_tab");
	TCase *t = tcase_create("insn_tab");

	tcase_add_test(t, every_class_has_an_instruction_and_an_executor);
	tcase_add_loop_test(t, flags_and_registers_are_those_of_the_row, 0, 2);
	tcase_set_timeout(t, 120);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
