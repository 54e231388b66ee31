/* tests/oracle/oracle_program_gen.c: random programs.
 *
 * Chunks of a few instructions, each ended by a way to another chunk: nothing, a conditional
 * or plain jump near or far, LOOP, a call (direct, through a register, through memory), a
 * return, an indirect jump, a short jump into whatever lies there. Bodies are drawn from templates of what compilers and
 * kernels write, whose operands are near the window, and from the oracle's generator, which draws from all
 * opcodes. Some store into the program itself: mostly an immediate, sometimes any byte.
 *
 * Used by: tests/oracle/oracle_program.c.   Depends on: oracle_gen.c, Zydis. */
#include "tests/oracle/oracle.h"
#include "tests/oracle/program.h"

#include <Zydis/Zydis.h>
#include <string.h>

/* patchable: items that hold an immediate of 32 bits, and where in them. */
struct gen {
	struct program *p;
	uint64_t x;
	struct program_item *i; /* the one that is written */
	uint16_t patchable[PROGRAM_MAX];
	uint8_t patch_off[PROGRAM_MAX];
	unsigned n_patchable;
	unsigned n_wanted; /* items, about */
};

static unsigned rnd(struct gen *g, unsigned below)
{
	return (unsigned)(oracle_random(&g->x) % below);
}

static bool one_in(struct gen *g, unsigned n)
{
	return rnd(g, n) == 0;
}

static void item(struct gen *g)
{
	g->i = &g->p->items[g->p->n++];
	*g->i = (struct program_item){ .rel_at = PROGRAM_NO_REL };
}

static void put(struct gen *g, unsigned b)
{
	g->i->bytes[g->i->len++] = (uint8_t)b;
}

static void put_n(struct gen *g, uint64_t v, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		put(g, (unsigned)(v >> 8 * k) & 255);
}

static void put_rel(struct gen *g, bool is_to_item, uint32_t target, unsigned into)
{
	g->i->rel_at = g->i->len;
	g->i->is_to_item = is_to_item;
	g->i->target = target;
	g->i->into = (uint8_t)into;
	put_n(g, 0, 4);
}

static uint32_t window_address(struct gen *g)
{
	uint32_t at = (uint32_t)PROGRAM_WINDOW;

	switch (rnd(g, 10)) {
	case 0:
		return at + 4096 - 16 + rnd(g, 32); /* over both pages */
	case 1:
		return at + 8192 - 8 + rnd(g, 9); /* the end */
	case 2:
		return at + 128 + rnd(g, 7900);
	default:
		return at + 256 + (rnd(g, 7600) & ~15u);
	}
}

static void put_mov_imm(struct gen *g, unsigned reg, uint64_t v)
{
	item(g);
	if (v <= UINT32_MAX) {
		if (reg & 8)
			put(g, 0x41);
		put(g, 0xB8 | (reg & 7));
		put_n(g, v, 4);
	} else {
		put(g, 0x48 | reg >> 3);
		put(g, 0xB8 | (reg & 7));
		put_n(g, v, 8);
	}
}

/* ---- templates --------------------------------------------------------------------- */

static unsigned any_reg(struct gen *g)
{
	static const uint8_t usual[] = { 0, 1, 2, 0, 1, 2, 8, 9, 10, 11, 13, 14 }; /* not the pointers: RBX RBP RSI RDI R12 R15 */

	return one_in(g, 20) ? rnd(g, 16) : usual[rnd(g, sizeof(usual))];
}

/* How an instruction's prefixes and opcode are to be written. */
struct form {
	unsigned prefix; /* 0 or one byte before REX */
	unsigned map; /* 0, 1: 0F, 2: 0F38 */
	unsigned op, reg, n_imm;
	bool w, no_rex;
};

/* The operand: a register in half of the cases, else base + displacement, with an index in some, or relative to RIP. */
static void put_form(struct gen *g, const struct form *f)
{
	static const uint8_t bases[] = { 3, 5, 6, 7, 12, 15 };
	bool is_reg = one_in(g, 2), riprel = !is_reg && one_in(g, 6), indexed = !is_reg && !riprel && one_in(g, 4);
	unsigned rm = is_reg ? any_reg(g) : one_in(g, 8) ? 4u : bases[rnd(g, sizeof(bases))], index = 8 + rnd(g, 3);
	unsigned rex = 0x40u | f->w << 3 | (f->reg & 8) >> 1 | (riprel ? 0 : rm >> 3) | (indexed ? 2u : 0);

	item(g);
	if (f->prefix)
		put(g, f->prefix);
	if (!f->no_rex && (rex != 0x40 || one_in(g, 6)))
		put(g, rex);
	if (f->map)
		put(g, 0x0F);
	if (f->map == 2)
		put(g, 0x38);
	put(g, f->op);
	if (is_reg) {
		put(g, 0xC0 | (f->reg & 7) << 3 | (rm & 7));
	} else if (riprel) {
		put(g, 0x05 | (f->reg & 7) << 3);
		put_rel(g, false, window_address(g), 0);
	} else {
		bool far = one_in(g, 3), has_sib = indexed || (rm & 7) == 4;

		put(g, (far ? 0x80u : 0x40u) | (f->reg & 7) << 3 | (has_sib ? 4 : rm & 7));
		if (has_sib)
			put(g, (indexed ? rnd(g, 4) << 6 | (index & 7) << 3 : 0x20) | (rm & 7));
		put_n(g, far ? rnd(g, 512) - 256u : rnd(g, 256), far ? 4 : 1);
	}
	put_n(g, oracle_random(&g->x), f->n_imm);
}

static void put_alu(struct gen *g)
{
	static const uint8_t ops[] = { 0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38 };
	bool wide = !one_in(g, 4), word = wide && one_in(g, 8);

	put_form(g, &(struct form){ .prefix = word ? 0x66 : 0, .w = wide && !word && one_in(g, 2), .op = ops[rnd(g, 8)] | (one_in(g, 2) ? 2u : 0) | wide,
				    .reg = any_reg(g) });
}

static void put_alu_imm(struct gen *g)
{
	unsigned kind = rnd(g, 3), op = kind == 0 ? 0x80u : kind == 1 ? 0x83u : 0x81u, before = g->p->n;
	bool word = op == 0x81 && one_in(g, 6);

	put_form(g, &(struct form){ .prefix = word ? 0x66 : 0, .w = op != 0x80 && !word && one_in(g, 2), .op = op, .reg = rnd(g, 8),
				    .n_imm = op == 0x81 ? (word ? 2 : 4) : 1 });
	if (op == 0x81 && !word) {
		g->patchable[g->n_patchable] = (uint16_t)before;
		g->patch_off[g->n_patchable++] = (uint8_t)(g->i->len - 4);
	}
}

static void put_two_byte(struct gen *g)
{
	/* Opcode, and 1 a W may be set, 2 a 66 prefix, 4 the register is free. */
	static const uint8_t ops[][2] = { { 0xAF, 3 }, { 0xB6, 1 }, { 0xB7, 1 }, { 0xBE, 3 }, { 0xBF, 1 }, { 0xA3, 3 }, { 0xAB, 3 }, { 0xB3, 3 },
					  { 0xBB, 3 }, { 0xBC, 3 }, { 0xBD, 3 }, { 0xB0, 0 }, { 0xB1, 1 }, { 0xC0, 0 }, { 0xC1, 3 }, { 0xA5, 1 },
					  { 0xAD, 1 }, { 0x1F, 0 } };
	unsigned kind = rnd(g, 4), k = rnd(g, sizeof(ops) / 2);

	if (kind == 0) { /* CMOVcc */
		put_form(g, &(struct form){ .map = 1, .op = 0x40 | rnd(g, 16), .reg = any_reg(g), .w = one_in(g, 2) });
	} else if (kind == 1) { /* SETcc */
		put_form(g, &(struct form){ .map = 1, .op = 0x90 | rnd(g, 16) });
	} else if (one_in(g, 5)) { /* BT.. imm; SHLD, SHRD imm */
		bool is_bt = one_in(g, 2);

		put_form(g, &(struct form){ .map = 1, .op = is_bt ? 0xBA : one_in(g, 2) ? 0xA4 : 0xAC, .reg = is_bt ? 4 + rnd(g, 4) : any_reg(g),
					    .n_imm = 1, .w = one_in(g, 2) });
	} else {
		put_form(g, &(struct form){ .prefix = ops[k][1] & 2 && one_in(g, 8) ? 0x66 : 0, .map = 1, .op = ops[k][0], .reg = any_reg(g),
					    .w = ops[k][1] & 1 && one_in(g, 2) });
	}
}

static void put_one_byte(struct gen *g)
{
	static const uint8_t ops[] = { 0x88, 0x89, 0x8A, 0x8B, 0x8D, 0x63, 0x84, 0x85, 0x86, 0x87, 0x89, 0x8B, 0x8B, 0x89 };
	static const uint8_t groups[][3] = { { 0xD1, 8, 0 }, { 0xD3, 8, 0 }, { 0xC1, 8, 1 }, { 0xD2, 8, 0 }, { 0xC0, 8, 1 }, { 0xF7, 0, 0 }, { 0xF6, 0, 0 },
					     { 0xFF, 2, 0 }, { 0xFE, 2, 0 }, { 0xC7, 1, 4 }, { 0xC6, 1, 1 }, { 0x69, 0, 4 }, { 0x6B, 0, 1 } };
	unsigned k = rnd(g, sizeof(groups) / 3), op = groups[k][0];

	if (one_in(g, 2)) {
		put_form(g, &(struct form){ .op = ops[rnd(g, sizeof(ops))], .reg = any_reg(g), .w = one_in(g, 2) });
	} else if (op == 0xF7 || op == 0xF6) { /* not TEST; seldom DIV */
		put_form(g, &(struct form){ .op = op, .reg = one_in(g, 8) ? 6 + rnd(g, 2) : 2 + rnd(g, 4), .w = op == 0xF7 && one_in(g, 2) });
	} else {
		put_form(g, &(struct form){ .op = op, .reg = groups[k][1] ? rnd(g, groups[k][1]) : any_reg(g), .n_imm = groups[k][2], .w = one_in(g, 2) });
	}
}

static void put_sse(struct gen *g)
{
	static const uint8_t ops[] = { 0x10, 0x11, 0x28, 0x29, 0x6F, 0x7F, 0x6E, 0x7E, 0xD6, 0x58, 0x59, 0x5C, 0x5E, 0x51, 0x54, 0x57, 0x2A, 0x2C, 0x2D,
				       0x5A, 0x5D, 0x5F, 0x2E, 0x2F, 0xEF, 0xFE, 0xD4, 0xFA, 0x62, 0x70, 0xC6, 0x14, 0x16, 0x12, 0x13, 0x17, 0xE7, 0x2B, 0x74, 0xDB };
	static const uint8_t prefixes[] = { 0, 0x66, 0xF2, 0xF3 };
	unsigned op = ops[rnd(g, sizeof(ops))];

	put_form(g, &(struct form){ .prefix = prefixes[rnd(g, 4)], .map = 1, .op = op, .reg = rnd(g, 16), .n_imm = op == 0x70 || op == 0xC6,
				    .w = (op == 0x6E || op == 0x7E || op == 0x2A || op == 0x2C) && one_in(g, 2) });
}

static void put_stack(struct gen *g)
{
	static const uint8_t plain[] = { 0x9C, 0x9D, 0x9E, 0x9F, 0xF8, 0xF9, 0xF5, 0xFC, 0xFD, 0x99, 0x98, 0xC9 };
	unsigned kind = rnd(g, 8);

	if (kind < 3) { /* PUSH r, POP r: not RSP */
		unsigned reg = any_reg(g);

		if (reg == 4)
			reg = 0;
		item(g);
		if (reg & 8)
			put(g, 0x41);
		put(g, (kind ? 0x50u : 0x58u) | (reg & 7));
	} else if (kind == 3) {
		bool is_push = one_in(g, 2);

		put_form(g, &(struct form){ .op = is_push ? 0xFF : 0x8F, .reg = is_push ? 6 : 0 });
	} else if (kind == 4) {
		item(g);
		put(g, 0x68);
		put_n(g, oracle_random(&g->x), 4);
		g->patchable[g->n_patchable] = (uint16_t)(g->p->n - 1);
		g->patch_off[g->n_patchable++] = 1;
	} else {
		unsigned op = plain[rnd(g, sizeof(plain))];

		item(g);
		if (op == 0xC9 && !one_in(g, 4)) /* LEAVE loses the stack: seldom */
			op = 0x99;
		if (op == 0x9D && !one_in(g, 3)) /* POPF of anything traps and checks alignment */
			op = 0x9E;
		if (op == 0x99 && one_in(g, 2))
			put(g, 0x48);
		put(g, op);
	}
}

static void put_string(struct gen *g)
{
	static const uint8_t ops[] = { 0xA4, 0xA5, 0xAA, 0xAB, 0xA6, 0xA7, 0xAE, 0xAF, 0xAC, 0xAD };
	unsigned op = ops[rnd(g, sizeof(ops))], rep = rnd(g, 4);

	if (one_in(g, 2))
		put_mov_imm(g, CPU_RSI, window_address(g));
	if (one_in(g, 2))
		put_mov_imm(g, CPU_RDI, window_address(g));
	if (rep)
		put_mov_imm(g, CPU_RCX, one_in(g, 8) ? rnd(g, 600) : rnd(g, 24));
	item(g);
	if (rep)
		put(g, rep == 1 ? 0xF2 : 0xF3);
	if (op & 1 && one_in(g, 2))
		put(g, 0x48);
	put(g, op);
}

/* A store into the program: of AL or so to an immediate, or to any byte. */
static void put_patch(struct gen *g)
{
	static const uint8_t forms[][4] = { { 0x88, 0x05, 0, 0 }, { 0x80, 0x05, 1, 0 }, { 0xFE, 0x05, 0, 0 }, { 0x89, 0x05, 0, 0 }, { 0xC7, 0x05, 4, 0 }, { 0x30, 0x05, 0, 0 },
					    { 0x87, 0x05, 0, 0 }, { 0x83, 0x05, 1, 0 } };
	const uint8_t *f = forms[rnd(g, 8)];
	unsigned k = g->n_patchable ? rnd(g, g->n_patchable) : 0, target, into;

	if (!g->n_patchable || one_in(g, 12)) {
		target = rnd(g, g->n_wanted);
		into = rnd(g, 6);
	} else {
		target = g->patchable[k];
		into = g->patch_off[k];
	}
	item(g);
	put(g, f[0]);
	put(g, f[1]);
	put_rel(g, true, target, into);
	put_n(g, oracle_random(&g->x), f[2]);
}

/* ---- from all opcodes ------------------------------------------------------------------ */

static bool is_wanted(struct gen *g, const ZydisDecodedInstruction *z)
{
	if (z->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || z->meta.category == ZYDIS_CATEGORY_RET)
		return false;
	switch (z->mnemonic) { /* these leave the program or the world it lives in: seldom */
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_LIDT:
	case ZYDIS_MNEMONIC_LGDT:
	case ZYDIS_MNEMONIC_LTR:
	case ZYDIS_MNEMONIC_LLDT:
	case ZYDIS_MNEMONIC_LMSW:
	case ZYDIS_MNEMONIC_WRMSR:
	case ZYDIS_MNEMONIC_MOV:
		return z->mnemonic == ZYDIS_MNEMONIC_MOV ? z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT || z->opcode != 0x22 : one_in(g, 50);
	default:
		return true;
	}
}

/* The register of an address gets what the generator gave it. */
static void put_address(struct gen *g, const struct oracle_case *c, ZydisRegister reg)
{
	int id = reg == ZYDIS_REGISTER_NONE ? -1 : ZydisRegisterGetId(reg); /* EIP has none */

	if (id >= 0 && id < 16)
		put_mov_imm(g, (unsigned)id, c->in.gpr[id]);
}

static void put_any(struct gen *g)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;
	static struct oracle_case c;
	const ZydisDecodedOperandMem *m = NULL;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	do
		oracle_generate(&g->x, &c);
	while (c.is_32 || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, c.bytes, 15, &z, operands)) || !is_wanted(g, &z));
	for (int k = 0; k < z.operand_count; k++)
		if (operands[k].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[k].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			m = &operands[k].mem;
	if (c.is_rep)
		put_mov_imm(g, CPU_RCX, c.in.gpr[CPU_RCX]);
	if (m && m->base != ZYDIS_REGISTER_RIP && !one_in(g, 6)) {
		put_address(g, &c, m->index);
		if (m->base != ZYDIS_REGISTER_RSP)
			put_address(g, &c, m->base);
	}
	item(g);
	for (unsigned k = 0; k < z.length; k++)
		put(g, c.bytes[k]);
	if (m && m->base == ZYDIS_REGISTER_RIP && z.raw.disp.size == 32) {
		g->i->rel_at = z.raw.disp.offset;
		g->i->target = window_address(g);
	}
}

static void put_body(struct gen *g)
{
	switch (rnd(g, 20)) {
	case 0: case 1: case 2: case 3:
		put_alu(g);
		break;
	case 4: case 5:
		put_alu_imm(g);
		break;
	case 6: case 7:
		put_two_byte(g);
		break;
	case 8: case 9: case 10:
		put_one_byte(g);
		break;
	case 11: case 12:
		put_sse(g);
		break;
	case 13: case 14:
		put_stack(g);
		break;
	case 15:
		if (one_in(g, 2))
			put_string(g);
		else
			put_mov_imm(g, any_reg(g), one_in(g, 2) ? window_address(g) : oracle_random(&g->x));
		break;
	case 16:
		if (one_in(g, 2))
			put_patch(g);
		break;
	default:
		put_any(g);
	}
}

/* ---- ways from chunk to chunk ------------------------------------------------------------- */

static unsigned near_item(struct gen *g)
{
	unsigned back = rnd(g, 40);

	return one_in(g, 2) ? rnd(g, g->n_wanted) : g->p->n > back ? g->p->n - back : 0;
}

static void put_jump(struct gen *g, unsigned op1, unsigned op2)
{
	item(g);
	if (op1)
		put(g, op1);
	put(g, op2);
	put_rel(g, true, near_item(g), 0);
}

static void put_end(struct gen *g)
{
	static const uint8_t loops[] = { 0xE0, 0xE1, 0xE2, 0xE3 };
	unsigned reg = any_reg(g), k = rnd(g, PROGRAM_N_ENTRIES);

	switch (rnd(g, 16)) {
	case 0: case 1: case 2: case 3: case 4:
		put_jump(g, 0x0F, 0x80 | rnd(g, 16));
		break;
	case 5:
		put_jump(g, 0, 0xE9);
		break;
	case 6: case 7:
		put_jump(g, 0, 0xE8);
		break;
	case 8:
		item(g);
		put(g, one_in(g, 6) ? 0xC2 : 0xC3); /* RET, RET n */
		if (g->i->bytes[0] == 0xC2)
			put_n(g, 8 * rnd(g, 3), 2);
		break;
	case 9: /* LOOP over a jump that is taken when it goes on */
		item(g);
		put(g, loops[rnd(g, 4)]);
		put_n(g, 0xEB02 | 5u << 16, 3);
		put(g, 0xE9);
		put_rel(g, true, near_item(g), 0);
		break;
	case 10: /* CALL or JMP [table + 8 * k] */
		item(g);
		put(g, 0xFF);
		put(g, one_in(g, 2) ? 0x14 : 0x24);
		put(g, 0x25);
		put_n(g, PROGRAM_TABLE + 8 * k, 4);
		break;
	case 11: case 12: /* through a register, sometimes with a target of its own */
		item(g);
		put(g, 0x48 | (reg & 8) >> 1);
		put(g, 0x8D);
		put(g, 0x05 | (reg & 7) << 3);
		put_rel(g, true, near_item(g), 0);
		if (reg == 4)
			break;
		item(g);
		if (reg & 8)
			put(g, 0x41);
		put(g, 0xFF);
		put(g, (one_in(g, 2) ? 0xD0u : 0xE0u) | (reg & 7));
		break;
	case 13: /* short, into whatever lies there */
		item(g);
		put(g, 0x70 | rnd(g, 16));
		put(g, one_in(g, 2) ? 0 : rnd(g, 12));
		break;
	default: /* the block simply goes on */
		break;
	}
}

void program_generate(uint64_t seed, struct program *p)
{
	static struct gen g;
	static const uint8_t pointers[] = { 3, 5, 6, 7, 12, 15 };

	memset(p, 0, sizeof(*p));
	g = (struct gen){ .p = p, .x = seed * UINT64_C(0x9E3779B97F4A7C15) };
	p->seed = seed;
	g.i = p->items;
	p->is_cpl0 = one_in(&g, 4);
	p->start = one_in(&g, 3) ? rnd(&g, 2000) : 4096 - rnd(&g, 900);
	p->is_stepped = one_in(&g, 2);
	p->n_pieces = UINT32_MAX;
	g.n_wanted = 20 + rnd(&g, 200);
	while (p->n < g.n_wanted) {
		for (unsigned k = rnd(&g, 3); k > 0; k--)
			put_mov_imm(&g, pointers[rnd(&g, sizeof(pointers))], window_address(&g));
		if (one_in(&g, 6))
			put_mov_imm(&g, CPU_RSP, (uint32_t)PROGRAM_STACK - 8 * rnd(&g, 64));
		if (one_in(&g, 4))
			put_mov_imm(&g, 8 + rnd(&g, 3), rnd(&g, 128)); /* an index */
		for (unsigned k = 1 + rnd(&g, 9); k > 0; k--)
			put_body(&g);
		put_end(&g);
	}
	item(&g);
	put(&g, 0xE9);
	put_rel(&g, true, 0, 0);
	for (unsigned k = 0; k < PROGRAM_N_ENTRIES; k++)
		p->entries[k] = (uint16_t)rnd(&g, p->n);
}

bool program_layout(struct program *p)
{
	uint64_t at = PROGRAM_CODE + p->start;

	memset(p->code, 0xCC, sizeof(p->code));
	for (unsigned k = 0; k < p->n; k++) {
		p->at[k] = at;
		at += p->items[k].len;
	}
	p->at[p->n] = at;
	if (at + 16 > PROGRAM_CODE + sizeof(p->code))
		return false;
	for (unsigned k = 0; k < p->n; k++) {
		const struct program_item *i = &p->items[k];
		uint8_t *to = p->code + (p->at[k] - PROGRAM_CODE);

		memcpy(to, i->bytes, i->len);
		if (i->rel_at != PROGRAM_NO_REL && i->len) {
			uint64_t target = i->is_to_item ? p->at[i->target < p->n ? i->target : p->n - 1] + i->into : i->target;
			uint32_t rel = (uint32_t)(target - (p->at[k] + i->len));

			memcpy(to + i->rel_at, &rel, 4);
		}
	}
	return true;
}
