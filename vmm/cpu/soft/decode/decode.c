/* vmm/cpu/soft/decode/decode.c: bytes to struct insn.
 *
 * The order: prefixes, opcode map, the opcode's form (insn_tab.c), ModRM with
 * SIB and displacement, immediates. What the instruction does is not known here:
 * interp finds its executor (exec_lookup.c).
 *
 * Where mode and prefixes disagree we do as Intel's processors do: near
 * branches ignore 66 in 64-bit mode; CS, DS, ES and SS overrides are ignored
 * there; a REX that is not the last prefix is ignored. There is no VEX, EVEX
 * or XOP on this processor: such bytes are #UD.
 *
 * Reads at most 15 bytes; a longer instruction is #GP (SDM vol. 2 §2.3.11).
 *
 * Used by: exec_lookup.c.   Depends on: insn_tab.c.
 * Sources: SDM vol. 2 ch. 2 and appendix A. */
#include "vmm/cpu/soft/decode/decode.h"

#include "vmm/cpu/cpu.h"
#include "vmm/cpu/soft/decode/insn_tab.h"

#include <string.h>

enum { INSN_MAX_LEN = 15 };

/* The bytes as they are read. A read past the end sets @verdict: 0 more bytes
 * are needed, -1 the instruction is too long. */
struct cursor {
	const uint8_t *bytes;
	size_t n, pos;
	int verdict; /* 1 while all is well */
};

static uint8_t take8(struct cursor *c)
{
	if (c->pos >= INSN_MAX_LEN) {
		if (c->verdict == 1)
			c->verdict = -1;
		return 0;
	}
	if (c->pos >= c->n) {
		if (c->verdict == 1)
			c->verdict = 0;
		return 0;
	}
	return c->bytes[c->pos++];
}

static uint64_t take(struct cursor *c, unsigned n_bytes)
{
	uint64_t v = 0;

	for (unsigned k = 0; k < n_bytes; k++)
		v |= (uint64_t)take8(c) << (8 * k);
	return v;
}

/* @n_bytes: 1, 2 or 4 (8: as it is). */
static int64_t sign_extend(uint64_t v, unsigned n_bytes)
{
	unsigned shift = 64 - 8 * n_bytes;

	return (int64_t)(v << shift) >> shift;
}

static bool mode_is_16(enum soft_mode mode)
{
	return mode == SOFT_MODE_REAL || mode == SOFT_MODE_P16 || mode == SOFT_MODE_C16 ||
	       mode == SOFT_MODE_V86;
}

/* The prefixes that are not kept in struct insn. */
struct prefixes {
	bool addr67;
	uint8_t seg; /* INSN_NO_SEG: none */
};

/* One legacy prefix. False when @b is none. */
static bool take_prefix(struct insn *i, struct prefixes *p, uint8_t b)
{
	bool long_mode = i->mode == SOFT_MODE_64;

	switch (b) {
	case 0x26:
	case 0x2E:
	case 0x36:
	case 0x3E:
		if (!long_mode)
			p->seg = (uint8_t)((b >> 3) & 3);
		return true;
	case 0x64:
		p->seg = CPU_FS;
		return true;
	case 0x65:
		p->seg = CPU_GS;
		return true;
	case 0x66:
		i->prefix66 = 1;
		return true;
	case 0x67:
		p->addr67 = true;
		return true;
	case 0xF0:
		i->lock = 1;
		return true;
	case 0xF2:
	case 0xF3:
		i->rep = b;
		return true;
	default:
		return false;
	}
}

/* All prefixes; returns the first opcode byte. */
static uint8_t take_prefixes(struct cursor *c, struct insn *i, struct prefixes *p)
{
	uint8_t b = take8(c);

	while (c->verdict == 1) {
		if (take_prefix(i, p, b)) {
			i->rex = 0;
		} else if (i->mode == SOFT_MODE_64 && (b & 0xF0) == 0x40) {
			i->rex = b;
		} else {
			break;
		}
		b = take8(c);
	}
	return b;
}

static uint16_t take_opcode(struct cursor *c, struct insn *i, uint8_t b)
{
	i->opcode = b;
	if (b != 0x0F)
		return insn_one[b].form;
	i->map = 1;
	i->opcode = take8(c);
	if (i->opcode == 0x38) {
		i->map = 2;
		i->opcode = take8(c);
		return FORM_MODRM;
	}
	if (i->opcode == 0x3A) {
		i->map = 3;
		i->opcode = take8(c);
		return FORM_MODRM | FORM_UB;
	}
	return insn_0f[i->opcode].form;
}

static void find_sizes(struct insn *i, const struct prefixes *p, uint16_t form)
{
	bool small = mode_is_16((enum soft_mode)i->mode);

	if (i->mode == SOFT_MODE_64) {
		i->adsize = p->addr67 ? 4 : 8;
		i->opsize = i->rex & 8 ? 8 : i->prefix66 ? 2 : 4;
		if (form & FORM_F64 || (form & FORM_D64 && i->opsize == 4))
			i->opsize = 8;
		return;
	}
	i->adsize = small != p->addr67 ? 2 : 4;
	i->opsize = small != (i->prefix66 != 0) ? 2 : 4;
	if (i->map == 1 && i->opcode >= 0x20 && i->opcode <= 0x23)
		i->opsize = 4; /* MOV CR/DR ignore 66 */
}

/* 16-bit addressing (SDM vol. 2, table 2-1). */
static void take_ea16(struct cursor *c, struct insn *i)
{
	static const uint8_t bases[8] = { CPU_RBX, CPU_RBX, CPU_RBP, CPU_RBP,
					  CPU_RSI, CPU_RDI, CPU_RBP, CPU_RBX };
	static const uint8_t indexes[8] = { CPU_RSI, CPU_RDI, CPU_RSI, CPU_RDI,
					    INSN_REG_NONE, INSN_REG_NONE, INSN_REG_NONE,
					    INSN_REG_NONE };

	i->base = bases[i->rm & 7];
	i->index = indexes[i->rm & 7];
	if (i->mod == 0 && (i->rm & 7) == 6) {
		i->base = INSN_REG_NONE;
		i->disp = sign_extend(take(c, 2), 2);
	} else if (i->mod == 1) {
		i->disp = sign_extend(take(c, 1), 1);
	} else if (i->mod == 2) {
		i->disp = sign_extend(take(c, 2), 2);
	}
	if (i->base == CPU_RBP)
		i->seg = CPU_SS;
}

/* 32- and 64-bit addressing (SDM vol. 2, tables 2-2 and 2-3). */
static void take_ea(struct cursor *c, struct insn *i)
{
	uint8_t rex_b = (uint8_t)((i->rex & 1) << 3), rex_x = (uint8_t)((i->rex & 2) << 2);
	uint8_t low = i->modrm & 7;

	i->base = (uint8_t)(low | rex_b);
	if (low == 4) {
		uint8_t sib = take8(c);

		low = sib & 7;
		i->base = (uint8_t)(low | rex_b);
		i->index = (uint8_t)(((sib >> 3) & 7) | rex_x);
		i->scale = sib >> 6;
		if (i->index == 4) {
			i->index = INSN_REG_NONE;
			i->scale = 0;
		}
		if (low == 5 && i->mod == 0)
			i->base = INSN_REG_NONE;
	} else if (low == 5 && i->mod == 0) {
		i->base = i->mode == SOFT_MODE_64 ? INSN_REG_RIP : INSN_REG_NONE;
	}
	if (i->mod == 1)
		i->disp = sign_extend(take(c, 1), 1);
	else if (i->mod == 2 || (i->mod == 0 && low == 5))
		i->disp = sign_extend(take(c, 4), 4);
	if (i->base == CPU_RSP || i->base == CPU_RBP)
		i->seg = CPU_SS;
}

static void take_modrm(struct cursor *c, struct insn *i)
{
	i->modrm = take8(c);
	i->has_modrm = 1;
	i->mod = i->modrm >> 6;
	i->reg = (uint8_t)(((i->modrm >> 3) & 7) | ((i->rex & 4) << 1));
	i->rm = (uint8_t)((i->modrm & 7) | ((i->rex & 1) << 3));
	/* MOV CR/DR: the operand is a register whatever mod says (SDM vol. 2, MOV CR). */
	if (i->map == 1 && i->opcode >= 0x20 && i->opcode <= 0x23) {
		i->mod = 3;
		return;
	}
	if (i->mod == 3)
		return;
	if (i->adsize == 2)
		take_ea16(c, i);
	else
		take_ea(c, i);
}

static void take_imm(struct cursor *c, struct insn *i, uint16_t form)
{
	unsigned z = i->opsize == 2 ? 2 : 4;

	if (form & FORM_GROUP3 && (i->modrm & 0x30))
		return; /* only /0 and /1 (TEST) have one */
	if (form & FORM_IB) {
		i->imm = (uint64_t)sign_extend(take8(c), 1);
	} else if (form & FORM_UB) {
		i->imm = take8(c);
	} else if (form & FORM_IW) {
		i->imm = take(c, 2);
	} else if (form & FORM_IZ) {
		i->imm = (uint64_t)sign_extend(take(c, z), z);
	} else if (form & FORM_IV) {
		i->imm = take(c, i->opsize);
	} else if (form & FORM_MOFFS) {
		i->imm = take(c, i->adsize);
	} else if (form & FORM_FAR) {
		i->imm = take(c, z);
		i->imm2 = (uint16_t)take(c, 2);
	} else if (form & FORM_ENTER) {
		i->imm = take(c, 2);
		i->imm2 = take8(c);
	}
}

/* VEX, EVEX and XOP share their first byte with LES, LDS, BOUND and POP. */
static bool is_vector_prefix(const struct insn *i, uint16_t form)
{
	if (i->map != 0)
		return false;
	if (i->opcode == 0xC4 || i->opcode == 0xC5 || i->opcode == 0x62)
		return form & FORM_BAD64 && i->mod == 3;
	return i->opcode == 0x8F && (i->reg & 7) != 0;
}

static enum insn_verdict verdict_of(const struct cursor *c)
{
	return c->verdict == 1 ? INSN_OK : c->verdict == 0 ? INSN_MORE : INSN_GP;
}

/* Default 64-bit operand size of FF /2, /4 and /6 (SDM vol. 2 §2.2.1.7). */
static void widen_group5(struct insn *i)
{
	unsigned digit = i->reg & 7;

	if (i->mode != SOFT_MODE_64 || i->map != 0 || i->opcode != 0xFF)
		return;
	if (digit == 2 || digit == 4 || (digit == 6 && i->opsize == 4))
		i->opsize = 8;
}

enum insn_verdict insn_parse(const uint8_t *bytes, size_t n, enum soft_mode mode, struct insn *ret_insn)
{
	struct cursor c = { .bytes = bytes, .n = n, .verdict = 1 };
	struct prefixes p = { .seg = INSN_NO_SEG };
	struct insn i;
	uint16_t form;
	bool is_bad;

	memset(&i, 0, sizeof(i));
	i.mode = (uint8_t)mode;
	i.base = i.index = INSN_REG_NONE;
	i.seg = CPU_DS;
	form = take_opcode(&c, &i, take_prefixes(&c, &i, &p));
	find_sizes(&i, &p, form);
	is_bad = form & FORM_BAD || (mode == SOFT_MODE_64 && form & FORM_BAD64);
	if (!is_bad && form & FORM_MODRM) {
		take_modrm(&c, &i);
		widen_group5(&i);
		is_bad = c.verdict == 1 && is_vector_prefix(&i, form);
	}
	if (!is_bad) {
		take_imm(&c, &i, form);
		if (p.seg != INSN_NO_SEG)
			i.seg = p.seg;
	}
	i.len = (uint8_t)(c.pos ? c.pos : 1);
	*ret_insn = i;
	return is_bad && c.verdict == 1 ? INSN_UD : verdict_of(&c);
}
