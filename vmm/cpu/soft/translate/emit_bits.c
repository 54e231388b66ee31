/* vmm/cpu/soft/translate/emit_bits.c: shifts and rotates, bit tests and scans, CMPXCHG8B and CMPXCHG16B.
 *
 * The host's instruction does the work. Flags that the SDM leaves undefined come out
 * as the executors have them (int_shift.c, int_bit.c), whatever the host does. Those that return
 * false run by their executor: bytes and words whose flags are looked at.
 *
 * Used by: emit_generic.c.   Sources: SDM vol. 2. */
#include "vmm/cpu/soft/translate/emit_operand.h"

/* ---- shifts and rotates ------------------------------------------------------------ */

static bool is_by_cl(const struct plan *x)
{
	return x->row->class == CLASS_SHIFT_CL || x->row->class == CLASS_ROTATE_CL;
}

static bool is_by_imm(const struct plan *x)
{
	return x->row->class == CLASS_SHIFT_IMM || x->row->class == CLASS_ROTATE_IMM;
}

/* Of one that is not by CL. */
static unsigned count_of(const struct plan *x)
{
	return (is_by_imm(x) ? (unsigned)x->i.imm : 1u) & (x->i.opsize == 8 ? 63 : 31);
}

static void put_host_shift(struct build *t, const struct plan *x, unsigned size, struct opd at)
{
	unsigned digit = x->i.reg & 7;

	em(&t->p, size, x->i.opcode, digit == SHIFT_SAL ? SHIFT_SHL : digit, at);
	if (is_by_imm(x))
		em8(&t->p, (uint8_t)x->i.imm);
}

/* T2 = the top bit of @at, or @is_next the one below it. */
static void put_top(struct build *t, unsigned size, struct opd at, bool is_next)
{
	em_mov_load(&t->p, size, HOST_T2, at);
	em_shift_imm(&t->p, size, SHIFT_SHR, opd_reg(HOST_T2), 8 * size - (is_next ? 2 : 1));
	em_alu_imm(&t->p, 4, ALU_AND, opd_reg(HOST_T2), 1);
}

/* The host's CF is right, and the result is in @at: CC_MIX as shifted() leaves it. */
static void keep_shift(struct build *t, const struct plan *x, unsigned size, struct opd at)
{
	unsigned digit = x->i.reg & 7;

	em_setcc(&t->p, COND_B, opd_reg(HOST_T2));
	em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
	em_store(&t->p, OPD_S(cc_src), HOST_T2);
	if (digit != SHIFT_SAR) {
		put_top(t, size, at, digit == SHIFT_SHR);
		if (digit != SHIFT_SHR)
			em_alu(&t->p, 4, ALU_XOR, HOST_T2, OPD_S(cc_src)); /* SHL: the top bit against CF */
		em_shift_imm(&t->p, 4, SHIFT_SHL, opd_reg(HOST_T2), 11);
		em_alu_store(&t->p, 4, ALU_OR, HOST_T2, OPD_S(cc_src));
	}
	em_sx(&t->p, HOST_T2, size, at);
	em_store(&t->p, OPD_S(cc_dst), HOST_T2);
	em_store_imm(&t->p, 4, OPD_S(cc_op), CC_MIX);
}

/* The host's CF is right, the flags before are in cc_src: CF and OF as rotated() leaves them. ROL: OF is the top bit
 * against the lowest, which is CF; ROR: against the one below it, the top being CF. */
static void keep_rotate(struct build *t, const struct plan *x, unsigned size, struct opd at)
{
	em_setcc(&t->p, COND_B, opd_reg(HOST_T2));
	em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
	em_alu_imm(&t->p, 4, ALU_AND, OPD_S(cc_src), ~(FLAG_CF | FLAG_OF));
	em_alu_store(&t->p, 4, ALU_OR, HOST_T2, OPD_S(cc_src));
	put_top(t, size, at, (x->i.reg & 7) == SHIFT_ROR);
	em_alu(&t->p, 4, ALU_XOR, HOST_T2, OPD_S(cc_src));
	em_alu_imm(&t->p, 4, ALU_AND, opd_reg(HOST_T2), 1);
	em_shift_imm(&t->p, 4, SHIFT_SHL, opd_reg(HOST_T2), 11);
	em_alu_store(&t->p, 4, ALU_OR, HOST_T2, OPD_S(cc_src));
	em_store_imm(&t->p, 4, OPD_S(cc_op), CC_FLAGS);
}

/* The guest's flags go to s->scratch. Clobbers T2. */
static void save_flags(struct build *t)
{
	translate_flags(t);
	em_pushfq(&t->p);
	em_pop(&t->p, HOST_T2);
	em_store(&t->p, OPD_S(scratch), HOST_T2);
}

/* A count of 0 changes no flag, but the upper half of a dword's register. */
static bool put_shift(struct build *t, const struct plan *x)
{
	unsigned size = width(&x->i), digit = x->i.reg & 7;
	bool is_rotate = digit <= SHIFT_ROR;
	uint8_t *is_zero = NULL;
	struct opd at;

	if (x->flags_live && (size < 4 || (!is_by_cl(x) && !count_of(x))))
		return false;
	at = operand_rw(t, x, size, true);
	if (x->flags_live && is_rotate)
		save_flags(t);
	if (x->flags_live && is_by_cl(x)) {
		em_test_imm(&t->p, 1, opd_reg(HOST_RCX), size == 8 ? 63 : 31);
		if (size == 4 && !is_mem(x))
			em_mov_load(&t->p, 4, at.reg, at);
		is_zero = em_jump(&t->p, COND_E);
	}
	if (x->flags_live && is_rotate) {
		em_load(&t->p, HOST_T2, OPD_S(scratch));
		em_store(&t->p, OPD_S(cc_src), HOST_T2);
	}
	put_host_shift(t, x, size, at);
	if (x->flags_live && is_rotate)
		keep_rotate(t, x, size, at);
	else if (x->flags_live)
		keep_shift(t, x, size, at);
	if (is_zero)
		em_patch(is_zero, t->p);
	put_back(t, x);
	t->host_flags = false;
	if (x->flags_live)
		t->lazy = LAZY_UNKNOWN;
	return true;
}

/* ---- bit tests ---------------------------------------------------------------------- */

/* T1 = the host address of the word that holds the bit, which is anywhere from the operand on. */
static struct opd bit_string(struct build *t, const struct plan *x, bool is_write)
{
	unsigned size = x->i.opsize;
	struct opd at = opd_mem(HOST_T1, 0);

	translate_ea(t, x, 0);
	em_sx(&t->p, HOST_T2, size, guest_opd(x->i.reg));
	em_shift_imm(&t->p, 8, SHIFT_SAR, opd_reg(HOST_T2), size == 8 ? 6 : 5);
	at.index = HOST_T2;
	at.scale = size == 8 ? 3 : 2;
	em_lea(&t->p, HOST_T1, at);
	translate_tlb(t, x, size, is_write, false);
	return opd_mem(HOST_T1, 0);
}

/* BT, BTS, BTR and BTC: CF changes, the others stay. */
static bool put_bit(struct build *t, const struct plan *x)
{
	bool by_imm = x->row->class == CLASS_BT_IMM;
	unsigned size = x->i.opsize, op = by_imm ? 4 + (x->i.reg & 3) : 4 + (x->i.opcode >> 3 & 3);
	/* A register of struct soft as memory would be a bit string. */
	struct opd at = !is_mem(x) || by_imm ? operand_rw(t, x, size, op != 4) : bit_string(t, x, op != 4);
	struct opd word = at;

	if (x->flags_live)
		save_flags(t);
	if (is_mem(x) && !by_imm) {
		word = opd_reg(HOST_T2);
		em_mov_load(&t->p, size, HOST_T2, at);
	}
	if (by_imm) {
		em_bit_imm(&t->p, size, op, word, (uint8_t)x->i.imm);
	} else {
		em_bit(&t->p, size, op, guest_host(x->i.reg), word);
	}
	if (word.reg == HOST_T2 && op != 4)
		em_mov_store(&t->p, size, at, HOST_T2);
	if (op != 4)
		put_back(t, x);
	t->host_flags = false;
	if (!x->flags_live)
		return true;
	em_setcc(&t->p, COND_B, opd_reg(HOST_T2));
	em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
	em_alu_imm(&t->p, 4, ALU_AND, OPD_S(scratch), ~FLAG_CF);
	em_alu(&t->p, 4, ALU_OR, HOST_T2, OPD_S(scratch));
	em_store(&t->p, OPD_S(cc_src), HOST_T2);
	em_store_imm(&t->p, 4, OPD_S(cc_op), CC_FLAGS);
	t->lazy = LAZY_UNKNOWN;
	return true;
}

/* ---- scans -------------------------------------------------------------------------- */

/* BSF and BSR: ZF says that there was no bit, then the register stays; the other flags become 0. */
static bool put_scan(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opsize, h;
	struct opd from = operand(t, x, size, false);
	uint8_t *is_zero;

	em_mov_load(&t->p, size, HOST_T2, from);
	h = guest_read(t, x->i.reg, HOST_T1);
	em_test(&t->p, size, HOST_T2, opd_reg(HOST_T2));
	is_zero = em_jump(&t->p, COND_E);
	em(&t->p, size, HOST_MAP_0F | (uint32_t)x->i.opcode, h, opd_reg(HOST_T2));
	guest_write(t, x->i.reg, h);
	em_patch(is_zero, t->p);
	t->host_flags = false;
	if (!x->flags_live)
		return true;
	em_test(&t->p, size, HOST_T2, opd_reg(HOST_T2));
	em_setcc(&t->p, COND_E, opd_reg(HOST_T2));
	em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
	em_shift_imm(&t->p, 4, SHIFT_SHL, opd_reg(HOST_T2), 6);
	em_store(&t->p, OPD_S(cc_src), HOST_T2);
	em_store_imm(&t->p, 4, OPD_S(cc_op), CC_FLAGS);
	t->lazy = LAZY_UNKNOWN;
	return true;
}

/* ---- double words ---------------------------------------------------------------------- */

/* The host's registers are the guest's, and it changes ZF alone. */
static bool put_cmpxchg8b(struct build *t, const struct plan *x)
{
	unsigned bytes = 2u * x->i.opsize;
	struct opd at = translate_mem(t, x, bytes, true);

	if (bytes == 16) {
		em_lea(&t->p, HOST_T1, at);
		translate_clobbered(t, HOST_T1);
		at.disp = 0;
		em_test_imm(&t->p, 1, opd_reg(HOST_T1), 15);
		translate_exit(t, COND_NE, x->u);
		t->host_flags = false;
	}
	if (x->flags_live)
		translate_flags(t);
	em_cmpxchg8b(&t->p, x->i.opsize, at);
	t->host_flags = x->flags_live;
	if (x->flags_live)
		translate_keep_host_flags(t);
	return true;
}

/* ---- which emitter an instruction has --------------------------------------------------------------------- */

/* Flags that it does not write stay as they are, so the code reads them. */
static bool use_merging(struct plan *x, translate_fn *fn, unsigned writes)
{
	(void)use(x, fn, writes);
	x->reads_flags = true;
	x->writes_flags = false;
	return true;
}

static bool plan_shift(struct plan *x)
{
	unsigned digit = x->i.reg & 7, in_rm = is_mem(x) ? 0 : 1u << x->i.rm;

	if (digit == SHIFT_RCL || digit == SHIFT_RCR || (!is_mem(x) && !reg_is_plain(&x->i, x->i.rm, width(&x->i))))
		return false;
	x->may_exec = width(&x->i) < 4 || (!is_by_cl(x) && !count_of(x));
	return use_merging(x, put_shift, in_rm);
}

bool translate_plan_bits(struct plan *x)
{
	bool in_host = guest_host(x->i.reg) != HOST_NONE, is_wide = x->i.opsize >= 4;
	unsigned in_rm = is_mem(x) ? 0 : 1u << x->i.rm, in_reg = 1u << x->i.reg;

	switch (x->row->class) {
	case CLASS_ROTATE_IMM:
	case CLASS_ROTATE_ONE:
	case CLASS_ROTATE_CL:
	case CLASS_SHIFT_IMM:
	case CLASS_SHIFT_ONE:
	case CLASS_SHIFT_CL:
		return plan_shift(x);
	case CLASS_BT_IMM:
		return is_wide && use_merging(x, put_bit, in_rm);
	case CLASS_BT_REG:
		return is_wide && in_host && use_merging(x, put_bit, in_rm);
	case CLASS_BSF:
	case CLASS_BSR:
		return is_wide && use(x, put_scan, in_reg);
	case CLASS_CMPXCHG8B:
		return is_wide && __builtin_cpu_supports("cmpxchg16b") &&
		       use_merging(x, put_cmpxchg8b, 1 << CPU_RAX | 1 << CPU_RDX);
	default:
		return false;
	}
}
