/* vmm/cpu/soft/translate/emit_generic.c: integer instructions that have no uop of their
 * own but are common enough: read-modify-write ones, exchanges, wide multiplications, conditional ones with
 * memory, indirect branches through memory.
 *
 * Their uop is the generic one, so what the TLB refuses runs by the executor. What is
 * planned is a legal form (select.c).
 *
 * Used by: translate.c.   Sources: SDM vol. 2. */
#include "vmm/cpu/soft/interp/fpu.h"
#include "vmm/cpu/soft/translate/emit_operand.h"

static void sign_extend(struct build *t, struct opd to, unsigned size, struct opd from)
{
	em_sx(&t->p, HOST_T2, size, from);
	em_store(&t->p, to, HOST_T2);
}

/* INC and DEC of memory. They keep CF. */
static bool put_inc_dec(struct build *t, const struct plan *x)
{
	unsigned size = width(&x->i), digit = x->i.reg & 1;
	struct opd at = operand(t, x, size, true);

	if (x->flags_live) {
		translate_flags(t);
		em_setcc(&t->p, COND_B, opd_reg(HOST_T2));
		em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
		em_store(&t->p, OPD_S(cc_src), HOST_T2);
		sign_extend(t, OPD_S(cc_aux), size, at);
	}
	em_inc_dec(&t->p, size, digit, at);
	t->host_flags = false;
	if (x->flags_live) {
		sign_extend(t, OPD_S(cc_dst), size, at);
		em_store_imm(&t->p, 4, OPD_S(cc_op), digit ? CC_DEC : CC_INC);
		t->lazy = LAZY_UNKNOWN;
	}
	return true;
}

static bool put_cmov(struct build *t, const struct plan *x)
{
	struct opd from = operand(t, x, x->i.opsize, false);
	unsigned h;

	translate_flags(t);
	if (guest_host(x->i.reg) == HOST_NONE) {
		/* T1 is the address: the value goes through T2. */
		em_load(&t->p, HOST_T2, guest_opd(x->i.reg));
		h = HOST_T2;
	} else {
		h = guest_host(x->i.reg);
	}
	em_cmov(&t->p, x->i.opsize, (x->i.opcode & 15), h, from);
	guest_write(t, x->i.reg, h);
	return true;
}

static bool put_setcc(struct build *t, const struct plan *x)
{
	struct opd at = operand(t, x, 1, true);

	translate_flags(t);
	em_setcc(&t->p, (x->i.opcode & 15), at);
	return true;
}

/* Like an ADD of the register to memory. The register is a host's. */
static bool put_xadd(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opsize, h = guest_host(x->i.reg);
	struct opd at = operand(t, x, size, true);

	em_mov_load(&t->p, size, HOST_T2, at);
	if (x->flags_live) {
		em_store(&t->p, OPD_S(cc_aux), HOST_T2);
		em_store(&t->p, OPD_S(cc_src), h);
		em_store_imm(&t->p, 4, OPD_S(cc_op), (int32_t)cc_raw(LAZY_ADD, size));
		t->lazy = LAZY_ADD;
		t->lazy_size = (uint8_t)size;
	}
	em_xadd(&t->p, size, h, opd_reg(HOST_T2));
	em_mov_store(&t->p, size, at, HOST_T2);
	t->host_flags = true;
	return true;
}

/* By hand: the host's CMPXCHG may clear the upper half of RAX where the executor keeps it. */
static bool put_cmpxchg(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opsize;
	struct opd at = operand(t, x, size, true);
	uint8_t *differ, *done;

	em_mov_load(&t->p, size, HOST_T2, at);
	if (x->flags_live) {
		em_store(&t->p, OPD_S(cc_aux), HOST_RAX);
		em_store(&t->p, OPD_S(cc_src), HOST_T2);
		em_store_imm(&t->p, 4, OPD_S(cc_op), (int32_t)cc_raw(LAZY_SUB, size));
		t->lazy = LAZY_SUB;
		t->lazy_size = (uint8_t)size;
	}
	em_alu(&t->p, size, ALU_CMP, HOST_RAX, opd_reg(HOST_T2));
	differ = em_jump(&t->p, COND_NE);
	em_mov_store(&t->p, size, at, guest_read(t, x->i.reg, HOST_T2));
	done = em_jump(&t->p, COND_COUNT);
	em_patch(differ, t->p);
	em_mov_load(&t->p, size, HOST_RAX, opd_reg(HOST_T2));
	em_patch(done, t->p);
	t->host_flags = true;
	return true;
}

static bool put_xchg(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opsize, h = guest_host(x->i.reg);
	struct opd at = operand(t, x, size, true);

	em_mov_load(&t->p, size, HOST_T2, at);
	em_mov_store(&t->p, size, at, h);
	em_mov_load(&t->p, size, h, opd_reg(HOST_T2));
	return true;
}

/* CF and OF say whether the upper half means anything: int_mul.c. */
static void keep_product(struct build *t, unsigned size, unsigned h)
{
	em_setcc(&t->p, COND_O, opd_reg(HOST_T2));
	em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
	em_imul_imm(&t->p, 4, HOST_T2, opd_reg(HOST_T2), FLAG_CF | FLAG_OF);
	em_store(&t->p, OPD_S(cc_src), HOST_T2);
	sign_extend(t, OPD_S(cc_dst), size, opd_reg(h));
	em_store_imm(&t->p, 4, OPD_S(cc_op), CC_MIX);
	t->lazy = LAZY_UNKNOWN;
}

/* MUL and IMUL into RDX:RAX, which are where they are. */
static bool put_mul(struct build *t, const struct plan *x)
{
	struct opd from = operand(t, x, x->i.opsize, false);

	em_unary(&t->p, x->i.opsize, x->i.reg & 7, from);
	t->host_flags = false;
	if (x->flags_live)
		keep_product(t, x->i.opsize, HOST_RAX);
	return true;
}

/* IMUL of memory into a register that is a host's. */
static bool put_imul_mem(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opsize, h = guest_host(x->i.reg);
	struct opd from = operand(t, x, size, false);

	if (x->i.map == 1) {
		em_imul(&t->p, size, h, from);
	} else {
		em_imul_imm(&t->p, size, h, from, (uint32_t)x->i.imm);
	}
	t->host_flags = false;
	if (x->flags_live)
		keep_product(t, size, h);
	return true;
}

static unsigned bswap_reg(const struct insn *i)
{
	return (i->opcode & 7u) | (i->rex & 1u) << 3;
}

static bool put_bswap(struct build *t, const struct plan *x)
{
	unsigned g = bswap_reg(&x->i), h = guest_read(t, g, HOST_T1);

	em_bswap(&t->p, x->i.opsize, h);
	guest_write(t, g, h);
	return true;
}

/* CDQ, CQO. */
static bool put_cdq(struct build *t, const struct plan *x)
{
	em_cdq(&t->p, x->i.opsize);
	return true;
}

/* An immediate to AH, CH, DH or BH: the register is turned round for it. They are in the host's
 * registers of the same number. */
static bool put_high_byte(struct build *t, const struct plan *x)
{
	unsigned g = x->i.rm & 3, op = x->row->class == CLASS_TEST_IMM ? ALU_TEST : x->i.reg & 7;

	em_shift_imm(&t->p, 8, SHIFT_ROR, opd_reg(g), 8);
	translate_alu_imm(t, x, op, 1, g, (int32_t)x->i.imm);
	em_shift_imm(&t->p, 8, SHIFT_ROL, opd_reg(g), 8);
	t->host_flags = false;
	return true;
}

/* ---- the stack --------------------------------------------------------------------- */

static bool put_push_mem(struct build *t, const struct plan *x)
{
	em_load(&t->p, HOST_T2, translate_mem(t, x, 8, false));
	em_store(&t->p, OPD_S(scratch), HOST_T2);
	translate_push_scratch(t, x);
	return true;
}

static bool put_jmp_mem(struct build *t, const struct plan *x)
{
	em_load(&t->p, HOST_T1, translate_mem(t, x, 8, false));
	translate_clobbered(t, HOST_T1);
	translate_check_canonical(t, x);
	em_jump_to(&t->p, COND_COUNT, t->t->jump);
	return true;
}

static bool put_call_mem(struct build *t, const struct plan *x)
{
	em_load(&t->p, HOST_T1, translate_mem(t, x, 8, false));
	translate_clobbered(t, HOST_T1);
	translate_check_canonical(t, x);
	em_store(&t->p, OPD_S(scratch_target), HOST_T1);
	translate_rip(t, HOST_T2, x->u->off);
	em_store(&t->p, OPD_S(scratch), HOST_T2);
	translate_push_scratch(t, x);
	em_load(&t->p, HOST_T1, OPD_S(scratch_target));
	translate_call(t, CALLEE_INDIRECT, 0, x->u->off);
	return true;
}

static bool put_nothing(struct build *t, const struct plan *x)
{
	(void)t;
	(void)x;
	return true;
}

/* ---- which emitter an instruction has --------------------------------------------------------------- */

/* Those that want a dword or qword and, in host registers, what the other operand is. */
static bool plan_wide(struct plan *x)
{
	bool in_host = guest_host(x->i.reg) != HOST_NONE, is_byte = width(&x->i) == 1;
	unsigned in_reg = 1u << x->i.reg;

	switch (x->row->class) {
	case CLASS_MUL:
	case CLASS_IMUL_ACC:
		return !is_byte && use(x, put_mul, 1 << CPU_RAX | 1 << CPU_RDX);
	case CLASS_BSWAP:
		return use(x, put_bswap, 1u << bswap_reg(&x->i));
	case CLASS_CMOV:
		return is_mem(x) && use(x, put_cmov, in_reg);
	case CLASS_CMPXCHG:
		return is_mem(x) && !is_byte && use(x, put_cmpxchg, 1 << CPU_RAX);
	case CLASS_XADD:
		return is_mem(x) && in_host && !is_byte && use(x, put_xadd, in_reg);
	case CLASS_XCHG:
		return is_mem(x) && in_host && !is_byte && use(x, put_xchg, in_reg);
	case CLASS_IMUL:
	case CLASS_IMUL_IMM:
		return is_mem(x) && in_host && use(x, put_imul_mem, in_reg);
	default:
		return false;
	}
}

/* Those that leave the block, and pushes. */
static bool plan_flow(struct plan *x)
{
	unsigned class = x->row->class;

	if (class != CLASS_PUSH_RM && class != CLASS_JMP_RM && class != CLASS_CALL_RM)
		return false;
	if (!is_mem(x) || x->i.opsize == 2)
		return false;
	x->fn = class == CLASS_PUSH_RM ? put_push_mem : class == CLASS_JMP_RM ? put_jmp_mem : put_call_mem;
	x->may_exit = x->reads_flags = true;
	x->stack_base = CPU_RSP;
	x->stack_by = class == CLASS_JMP_RM ? 0 : -8;
	x->knows_writes = true;
	return true;
}

static bool is_high_byte_imm(const struct plan *x)
{
	unsigned digit = x->i.reg & 7;

	if (width(&x->i) > 1 || is_mem(x) || reg_is_plain(&x->i, x->i.rm, 1))
		return false;
	return x->row->class == CLASS_TEST_IMM ||
	       (x->row->class == CLASS_ALU_IMM && digit != ALU_ADC && digit != ALU_SBB);
}

bool translate_plan_rest(struct plan *x)
{
	bool in_mem = x->i.has_modrm && is_mem(x);
	int64_t disp = x->i.disp + (x->i.base == INSN_REG_RIP ? x->u->off : 0);

	if (in_mem && disp != (int32_t)disp)
		return false;
	if (plan_flow(x) || translate_plan_bits(x) || translate_plan_sys(x) || translate_plan_string(x) ||
	    (in_mem && translate_plan_alu(x)))
		return true;
	if (is_high_byte_imm(x))
		return use(x, put_high_byte, 1u << (x->i.rm & 3));
	switch (x->row->class) {
	case CLASS_HINT:
		x->fn = put_nothing;
		x->knows_writes = true;
		return true;
	case CLASS_CWD:
		if (x->i.opsize == 2)
			return false;
		x->fn = put_cdq;
		x->knows_writes = true;
		x->writes = 1 << CPU_RDX;
		return true;
	case CLASS_INC:
	case CLASS_DEC:
		return in_mem && use(x, put_inc_dec, 0);
	case CLASS_SETCC:
		return in_mem && use(x, put_setcc, 0);
	default:
		return x->i.opsize >= 4 && plan_wide(x);
	}
}
