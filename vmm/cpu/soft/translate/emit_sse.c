/* vmm/cpu/soft/translate/emit_sse.c: the common SSE instructions.
 *
 * A guest's XMM register is loaded into the host's of the same number when a trace first uses it, and goes
 * back into the FXSAVE image at exits when it was written. MXCSR is the guest's own from the first
 * arithmetic on, and its flags go back likewise; that is done only while
 * the guest's control bits are the default's, so that neither C code nor an
 * exception of the host's can tell. A loop does all this before its first iteration.
 *
 * What checks refuse, and memory that is not aligned, runs by its executor.
 *
 * Used by: translate.c.   Sources: SDM vol. 2; vol. 1 §10.2.3, §11.5. */
#include "vmm/cpu/soft/translate/build.h"

#include "vmm/cpu/soft/interp/fpu.h"

/* The instruction's opcode as em() wants it. */
static uint32_t opcode_of(const struct insn *i)
{
	static const uint32_t bytes[] = { [PREFIX_NP] = 0, [PREFIX_66] = 0x66, [PREFIX_F3] = 0xF3, [PREFIX_F2] = 0xF2 };

	return bytes[insn_prefix(i)] << 24 | HOST_MAP_0F | i->opcode;
}

/* What sse_enter() checks; once for a stretch of code without executors. Leaves for @u. */
static void check_enabled(struct build *t, const struct uop *u)
{
	if (t->sse_checked)
		return;
	em_test_imm(&t->p, 4, OPD_S(cr0), CR0_EM | CR0_TS);
	translate_exit(t, COND_NE, u);
	em_test_imm(&t->p, 4, OPD_S(cr4), CR4_OSFXSR);
	translate_exit(t, COND_E, u);
	t->sse_checked = true;
	t->host_flags = false;
}

/* The host's MXCSR becomes the guest's. */
static void take_mxcsr(struct build *t, const struct uop *u)
{
	if (t->now.has_mxcsr)
		return;
	em_mov_load(&t->p, 4, HOST_T2, OPD_S(fx.mxcsr));
	em_alu_imm(&t->p, 4, ALU_AND, opd_reg(HOST_T2), ~FPU_FLAGS);
	em_alu_imm(&t->p, 4, ALU_CMP, opd_reg(HOST_T2), MXCSR_DEFAULT);
	translate_exit(t, COND_NE, u);
	em_ldmxcsr(&t->p, OPD_S(fx.mxcsr));
	t->now.has_mxcsr = true;
	t->host_flags = false;
}

/* The register or memory operand; the latter in terms of T1. */
static struct opd operand(struct build *t, const struct plan *x, bool is_write)
{
	struct opd at;

	if (x->i.mod == 3)
		return opd_reg(x->i.rm);
	at = translate_mem(t, x, x->row->mem_bytes, is_write);
	if (!x->row->mem_aligned)
		return at;
	if (at.disp & 15) {
		em_lea(&t->p, HOST_T1, at);
		translate_clobbered(t, HOST_T1);
		at.disp = 0;
	}
	em_test_imm(&t->p, 1, opd_reg(HOST_T1), 15);
	translate_exit(t, COND_NE, x->u);
	t->host_flags = false;
	return at;
}

/* The registers of @mask are in the host's. */
static void take_xmm(struct build *t, unsigned mask)
{
	mask &= ~(unsigned)t->xmm_in;
	for (unsigned n = 0; n < 16; n++) {
		if (mask >> n & 1)
			em_xmm_load(&t->p, n, opd_mem(HOST_S, (int32_t)(offsetof(struct soft, fx.xmm) + 16 * n)));
	}
	t->xmm_in |= (uint16_t)mask;
}

void translate_begin_sse(struct build *t)
{
	unsigned used = 0, written = 0;
	bool uses_mxcsr = false;

	for (unsigned k = 0; k < t->n_plans; k++) {
		used |= t->plans[k].xmm_used;
		written |= t->plans[k].xmm_written;
		uses_mxcsr |= t->plans[k].uses_mxcsr;
	}
	if (!used)
		return;
	check_enabled(t, NULL);
	if (uses_mxcsr)
		take_mxcsr(t, NULL);
	take_xmm(t, used);
	t->now.xmm_dirty = (uint16_t)written;
}

/* From and to general registers; their memory forms are left to the executors. */
static void put_gpr(struct build *t, const struct plan *x)
{
	unsigned size = x->i.rex & 8 ? 8 : 4, h;

	if (x->row->sse == SSE_FROM_GPR || x->row->sse == SSE_FP_FROM_GPR) {
		em(&t->p, size, opcode_of(&x->i), x->i.reg, guest_opd(x->i.rm));
		return;
	}
	if (x->row->sse == SSE_TO_GPR) {
		h = guest_target(t, x->i.rm, HOST_T1);
		em(&t->p, size, opcode_of(&x->i), x->i.reg, opd_reg(h));
		guest_write(t, x->i.rm, h);
		return;
	}
	h = guest_target(t, x->i.reg, HOST_T1);
	/* PMOVMSKB gives 16 bits whatever REX.W says. */
	em(&t->p, size, opcode_of(&x->i), h, opd_reg(x->i.rm));
	guest_write(t, x->i.reg, h);
}

static bool put_sse(struct build *t, const struct plan *x)
{
	unsigned operands = x->row->sse;
	struct opd at;

	check_enabled(t, x->u);
	if (x->uses_mxcsr)
		take_mxcsr(t, x->u);
	if (operands >= SSE_FROM_GPR) {
		take_xmm(t, x->xmm_used);
		put_gpr(t, x);
	} else {
		at = operand(t, x, operands == SSE_STORE);
		take_xmm(t, x->xmm_used);
		em(&t->p, 4, opcode_of(&x->i), x->i.reg, at);
		if (operands == SSE_OP_IMM)
			em8(&t->p, (uint8_t)x->i.imm);
	}
	t->now.xmm_dirty |= x->xmm_written;
	if (operands == SSE_COMPARE) {
		t->host_flags = true;
		if (x->flags_live)
			translate_keep_host_flags(t);
	}
	return true;
}

/* Which XMM registers the instruction is about. */
static void plan_registers(struct plan *x)
{
	unsigned reg = 1u << x->i.reg, rm = x->i.mod == 3 ? 1u << x->i.rm : 0;

	switch (x->row->sse) {
	case SSE_STORE:
		x->xmm_used = (uint16_t)(reg | rm);
		x->xmm_written = (uint16_t)rm;
		break;
	case SSE_COMPARE:
		x->xmm_used = (uint16_t)(reg | rm);
		break;
	case SSE_FROM_GPR:
	case SSE_FP_FROM_GPR:
		x->xmm_used = x->xmm_written = (uint16_t)reg;
		break;
	case SSE_TO_GPR:
		x->xmm_used = (uint16_t)reg;
		x->writes = (uint16_t)(1u << x->i.rm);
		break;
	case SSE_FP_TO_GPR:
	case SSE_MASK_TO_GPR:
		x->xmm_used = (uint16_t)rm;
		x->writes = (uint16_t)reg;
		break;
	default:
		x->xmm_used = (uint16_t)(reg | rm);
		x->xmm_written = (uint16_t)reg;
		break;
	}
}

static bool uses_mxcsr(unsigned operands)
{
	return operands == SSE_FP || operands == SSE_COMPARE || operands == SSE_FP_FROM_GPR ||
	       operands == SSE_FP_TO_GPR;
}

bool translate_plan_sse(struct plan *x)
{
	unsigned operands = x->row->sse;
	int64_t disp = x->i.disp + (x->i.base == INSN_REG_RIP ? x->u->off : 0);

	if (operands == SSE_NONE || (x->i.mod != 3 && disp != (int32_t)disp))
		return false;
	if (x->i.mod != 3 && operands >= SSE_FROM_GPR)
		return false;
	x->fn = put_sse;
	x->may_exit = true;
	x->uses_mxcsr = uses_mxcsr(operands);
	translate_plan_flags(x);
	x->keeps_flags = !x->writes_flags;
	x->knows_writes = true;
	plan_registers(x);
	x->names = NAMES_KNOWN;
	if (operands == SSE_FP_TO_GPR || operands == SSE_MASK_TO_GPR)
		x->names |= NAMES_REG;
	else if (operands >= SSE_FROM_GPR)
		x->names |= NAMES_RM;
	return true;
}
