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

enum form { SSE_NONE, SSE_OP, SSE_FP, SSE_STORE, SSE_COMPARE, SSE_FROM_GPR, SSE_TO_GPR, SSE_FP_FROM_GPR,
	    SSE_FP_TO_GPR, SSE_MASK_TO_GPR };

/* @size: bytes of the memory operand; 0: of the general register. */
struct sse {
	enum form form;
	uint8_t size;
	bool is_aligned, has_imm;
};

static enum fpu_prefix prefix_of(const struct insn *i)
{
	return i->rep == 0xF3 ? FPU_F3 : i->rep == 0xF2 ? FPU_F2 : i->prefix66 ? FPU_66 : FPU_NP;
}

static struct sse form_of(enum form form, unsigned size, bool is_aligned)
{
	return (struct sse){ form, (uint8_t)size, is_aligned, false };
}

static struct sse classify_move(const struct insn *i, enum fpu_prefix p)
{
	static const uint8_t sizes[] = { [FPU_NP] = 16, [FPU_66] = 16, [FPU_F3] = 4, [FPU_F2] = 8 };

	switch (i->opcode) {
	case 0x10:
		return form_of(SSE_OP, sizes[p], false);
	case 0x11:
		return form_of(SSE_STORE, sizes[p], false);
	case 0x28:
		return form_of(p < FPU_F3 ? SSE_OP : SSE_NONE, 16, true);
	case 0x29:
		return form_of(p < FPU_F3 ? SSE_STORE : SSE_NONE, 16, true);
	case 0x6E:
		return form_of(p == FPU_66 ? SSE_FROM_GPR : SSE_NONE, 0, false);
	case 0x6F:
		return form_of(p == FPU_66 || p == FPU_F3 ? SSE_OP : SSE_NONE, 16, p == FPU_66);
	case 0x7E:
		return p == FPU_F3 ? form_of(SSE_OP, 8, false) : form_of(p == FPU_66 ? SSE_TO_GPR : SSE_NONE, 0, false);
	case 0x7F:
		return form_of(p == FPU_66 || p == FPU_F3 ? SSE_STORE : SSE_NONE, 16, p == FPU_66);
	case 0xD6:
		return form_of(p == FPU_66 ? SSE_STORE : SSE_NONE, 8, false);
	default:
		return form_of(SSE_NONE, 0, false);
	}
}

static struct sse classify_fp(const struct insn *i, enum fpu_prefix p)
{
	static const uint8_t sizes[] = { [FPU_NP] = 16, [FPU_66] = 16, [FPU_F3] = 4, [FPU_F2] = 8 };

	switch (i->opcode) {
	case 0x2A:
		return form_of(p >= FPU_F3 ? SSE_FP_FROM_GPR : SSE_NONE, 0, false);
	case 0x2C ... 0x2D:
		return form_of(p >= FPU_F3 ? SSE_FP_TO_GPR : SSE_NONE, sizes[p], false);
	case 0x2E ... 0x2F:
		return form_of(p < FPU_F3 ? SSE_COMPARE : SSE_NONE, p == FPU_66 ? 8 : 4, false);
	case 0x5A:
		return form_of(p >= FPU_F3 ? SSE_FP : SSE_NONE, sizes[p], false);
	default: /* SQRT ADD MUL SUB MIN DIV MAX */
		return form_of(SSE_FP, sizes[p], p < FPU_F3);
	}
}

static struct sse classify(const struct insn *i)
{
	enum fpu_prefix p = prefix_of(i);
	struct sse r = form_of(SSE_NONE, 0, false);

	if (i->map != 1 || i->lock)
		return r;
	switch (i->opcode) {
	case 0x2A:
	case 0x2C ... 0x2F:
	case 0x51:
	case 0x58 ... 0x5A:
	case 0x5C ... 0x5F:
		return classify_fp(i, p);
	case 0x14 ... 0x15:
	case 0x54 ... 0x57:
		return form_of(p < FPU_F3 ? SSE_OP : SSE_NONE, 16, true);
	case 0xD7:
		return form_of(p == FPU_66 ? SSE_MASK_TO_GPR : SSE_NONE, 0, false);
	case 0x70:
	case 0xC6:
		r = form_of(p == FPU_66 ? SSE_OP : SSE_NONE, 16, true);
		r.has_imm = true;
		return r;
	case 0x60 ... 0x6D:
	case 0x74 ... 0x76:
	case 0xD4 ... 0xD5:
	case 0xD8 ... 0xE0:
	case 0xE3 ... 0xE5:
	case 0xE8 ... 0xEF:
	case 0xF4 ... 0xF6:
	case 0xF8 ... 0xFE:
		return form_of(p == FPU_66 ? SSE_OP : SSE_NONE, 16, true);
	default:
		return classify_move(i, p);
	}
}

/* The instruction's opcode as em() wants it. */
static uint32_t opcode_of(const struct insn *i)
{
	static const uint32_t bytes[] = { [FPU_NP] = 0, [FPU_66] = 0x66, [FPU_F3] = 0xF3, [FPU_F2] = 0xF2 };

	return bytes[prefix_of(i)] << 24 | HOST_MAP_0F | i->opcode;
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
static struct opd operand(struct build *t, const struct plan *x, const struct sse *f, bool is_write)
{
	struct opd at;

	if (x->i.mod == 3)
		return opd_reg(x->i.rm);
	at = translate_mem(t, x, f->size, is_write);
	if (!f->is_aligned)
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
static void put_gpr(struct build *t, const struct plan *x, const struct sse *f)
{
	unsigned size = x->i.rex & 8 ? 8 : 4, h;

	if (f->form == SSE_FROM_GPR || f->form == SSE_FP_FROM_GPR) {
		em(&t->p, size, opcode_of(&x->i), x->i.reg, guest_opd(x->i.rm));
		return;
	}
	if (f->form == SSE_TO_GPR) {
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
	struct sse f = classify(&x->i);
	struct opd at;

	check_enabled(t, x->u);
	if (x->uses_mxcsr)
		take_mxcsr(t, x->u);
	if (f.form >= SSE_FROM_GPR) {
		take_xmm(t, x->xmm_used);
		put_gpr(t, x, &f);
	} else {
		at = operand(t, x, &f, f.form == SSE_STORE);
		take_xmm(t, x->xmm_used);
		em(&t->p, 4, opcode_of(&x->i), x->i.reg, at);
		if (f.has_imm)
			em8(&t->p, (uint8_t)x->i.imm);
	}
	t->now.xmm_dirty |= x->xmm_written;
	if (f.form == SSE_COMPARE) {
		t->host_flags = true;
		if (x->flags_live)
			translate_keep_host_flags(t);
	}
	return true;
}

/* Which XMM registers the instruction is about. */
static void plan_registers(struct plan *x, enum form form)
{
	unsigned reg = 1u << x->i.reg, rm = x->i.mod == 3 ? 1u << x->i.rm : 0;

	switch (form) {
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

bool translate_plan_sse(struct plan *x)
{
	struct sse f = classify(&x->i);
	int64_t disp = x->i.disp + (x->i.base == INSN_REG_RIP ? x->u->off : 0);

	if (f.form == SSE_NONE || (x->i.mod != 3 && disp != (int32_t)disp))
		return false;
	if (x->i.mod != 3 && f.form >= SSE_FROM_GPR)
		return false;
	x->fn = put_sse;
	x->may_exit = true;
	x->uses_mxcsr = f.form == SSE_FP || f.form == SSE_COMPARE || f.form == SSE_FP_FROM_GPR || f.form == SSE_FP_TO_GPR;
	x->writes_flags = f.form == SSE_COMPARE;
	x->keeps_flags = !x->writes_flags;
	x->knows_writes = true;
	plan_registers(x, f.form);
	x->names = NAMES_KNOWN;
	if (f.form == SSE_FP_TO_GPR || f.form == SSE_MASK_TO_GPR)
		x->names |= NAMES_REG;
	else if (f.form >= SSE_FROM_GPR)
		x->names |= NAMES_RM;
	return true;
}
