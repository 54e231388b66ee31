/* vmm/cpu/soft/translate_sse.c: the common SSE instructions.
 *
 * XMM registers stay in the FXSAVE image; the host's XMM0 carries one
 * instruction. MXCSR is the guest's own from the first arithmetic of a block to
 * its end or exit, where its flags go back into the image; that is done only while
 * the guest's control bits are the default's, so that neither C code nor an
 * exception of the host's can tell.
 *
 * What checks refuse, and memory that is not aligned, runs by its executor.
 *
 * Used by: translate.c.   Sources: SDM vol. 2; vol. 1 §10.2.3, §11.5. */
#include "vmm/cpu/soft/translate_impl.h"

#include "vmm/cpu/soft/fpu.h"

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

static struct opd xmm_opd(unsigned n)
{
	return opd_mem(HOST_S, (int32_t)(offsetof(struct soft, fx.xmm) + 16 * n));
}

/* The instruction's opcode as em() wants it. */
static uint32_t opcode_of(const struct insn *i)
{
	static const uint32_t bytes[] = { [FPU_NP] = 0, [FPU_66] = 0x66, [FPU_F3] = 0xF3, [FPU_F2] = 0xF2 };

	return bytes[prefix_of(i)] << 24 | 0x0F00u | i->opcode;
}

/* What sse_enter() checks; once for a stretch of code without executors. */
static void check_enabled(struct build *t, const struct plan *x)
{
	if (t->sse_checked)
		return;
	em(&t->p, 4, 0xF7, 0, OPD_S(cr0));
	em32(&t->p, CR0_EM | CR0_TS);
	translate_exit(t, COND_NE, x->u);
	em(&t->p, 4, 0xF7, 0, OPD_S(cr4));
	em32(&t->p, CR4_OSFXSR);
	translate_exit(t, COND_E, x->u);
	t->sse_checked = true;
	t->host_flags = false;
}

/* The host's MXCSR becomes the guest's. */
static void take_mxcsr(struct build *t, const struct plan *x)
{
	if (t->has_mxcsr)
		return;
	em(&t->p, 4, 0x8B, HOST_T2, OPD_S(fx.mxcsr));
	em_alu_imm(&t->p, 4, 4, opd_reg(HOST_T2), ~FPU_FLAGS);
	em_alu_imm(&t->p, 4, 7, opd_reg(HOST_T2), MXCSR_DEFAULT);
	translate_exit(t, COND_NE, x->u);
	em(&t->p, 4, 0x0FAE, 2, OPD_S(fx.mxcsr));
	t->has_mxcsr = true;
	t->host_flags = false;
}

void translate_put_mxcsr(struct build *t)
{
	if (t->has_mxcsr)
		em(&t->p, 4, 0x0FAE, 3, OPD_S(fx.mxcsr));
}

/* The register or memory operand; in memory, T1 is then its host address. */
static struct opd operand(struct build *t, const struct plan *x, const struct sse *f, bool is_write)
{
	if (x->i.mod == 3)
		return xmm_opd(x->i.rm);
	translate_mem(t, x, f->size, is_write);
	if (f->is_aligned) {
		em(&t->p, 1, 0xF6, 0, opd_reg(HOST_T1));
		em8(&t->p, 15);
		translate_exit(t, COND_NE, x->u);
	}
	return opd_mem(HOST_T1, 0);
}

static void load_xmm(struct build *t, unsigned host, unsigned n)
{
	em(&t->p, 4, 0x0F28, host, xmm_opd(n));
}

static void store_xmm(struct build *t, unsigned host, unsigned n)
{
	em(&t->p, 4, 0x0F29, host, xmm_opd(n));
}

static void put_store(struct build *t, const struct plan *x, const struct sse *f)
{
	struct opd to = operand(t, x, f, true);

	load_xmm(t, 0, x->i.reg);
	if (x->i.mod != 3) {
		em(&t->p, 4, opcode_of(&x->i), 0, to);
		return;
	}
	load_xmm(t, 1, x->i.rm); /* a scalar one keeps the rest */
	em(&t->p, 4, opcode_of(&x->i), 0, opd_reg(1));
	store_xmm(t, 1, x->i.rm);
}

/* Registers' forms go by XMM1: loads of a register differ from those of memory. */
static struct opd source(struct build *t, const struct plan *x, const struct sse *f)
{
	struct opd from = operand(t, x, f, false);

	if (x->i.mod != 3)
		return from;
	load_xmm(t, 1, x->i.rm);
	return opd_reg(1);
}

static void put_op(struct build *t, const struct plan *x, const struct sse *f)
{
	struct opd from = source(t, x, f);

	load_xmm(t, 0, x->i.reg);
	em(&t->p, 4, opcode_of(&x->i), 0, from);
	if (f->has_imm)
		em8(&t->p, (uint8_t)x->i.imm);
	store_xmm(t, 0, x->i.reg);
}

static void put_compare(struct build *t, const struct plan *x, const struct sse *f)
{
	struct opd from = source(t, x, f);

	load_xmm(t, 0, x->i.reg);
	em(&t->p, 4, opcode_of(&x->i), 0, from);
	t->host_flags = true;
	translate_keep_host_flags(t);
}

/* From and to general registers; their memory forms are left to the executors. */
static void put_gpr(struct build *t, const struct plan *x, const struct sse *f)
{
	unsigned size = x->i.rex & 8 ? 8 : 4, h;

	if (f->form == SSE_FROM_GPR || f->form == SSE_FP_FROM_GPR) {
		load_xmm(t, 0, x->i.reg);
		em(&t->p, size, opcode_of(&x->i), 0, guest_opd(x->i.rm));
		store_xmm(t, 0, x->i.reg);
		return;
	}
	if (f->form == SSE_TO_GPR) {
		load_xmm(t, 0, x->i.reg);
		em(&t->p, size, opcode_of(&x->i), 0, opd_reg(HOST_T1));
		guest_write(t, x->i.rm, HOST_T1);
		return;
	}
	load_xmm(t, 0, x->i.rm);
	h = guest_opd(x->i.reg).is_mem ? HOST_T1 : guest_opd(x->i.reg).reg;
	/* PMOVMSKB gives 16 bits whatever REX.W says. */
	em(&t->p, size, opcode_of(&x->i), h, opd_reg(0));
	guest_write(t, x->i.reg, h);
}

static bool put_sse(struct build *t, const struct plan *x)
{
	struct sse f = classify(&x->i);

	check_enabled(t, x);
	if (f.form == SSE_FP || f.form == SSE_COMPARE || f.form == SSE_FP_FROM_GPR || f.form == SSE_FP_TO_GPR)
		take_mxcsr(t, x);
	switch (f.form) {
	case SSE_STORE:
		put_store(t, x, &f);
		break;
	case SSE_COMPARE:
		put_compare(t, x, &f);
		break;
	case SSE_OP:
	case SSE_FP:
		put_op(t, x, &f);
		break;
	default:
		put_gpr(t, x, &f);
		break;
	}
	return true;
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
	return true;
}
