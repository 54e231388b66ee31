/* vmm/cpu/soft/translate/emit_flow.c: branches, calls and returns.
 *
 * Used by: translate.c. */
#include "vmm/cpu/soft/translate/build.h"

static int32_t target(const struct plan *x)
{
	/* A fused uop's disp is its branch's. */
	return x->u->disp;
}

static bool put_jcc(struct build *t, const struct plan *x)
{
	unsigned cond = x->i.opcode & 15;

	translate_flags(t);
	if (x->follow == FOLLOW_TAKEN) {
		translate_side_exit(t, cond ^ 1, x->u->off);
	} else {
		translate_side_exit(t, cond, target(x));
		if (x->follow == FOLLOW_NONE)
			translate_edge(t, COND_COUNT, x->u->off);
	}
	return true;
}

static bool put_jmp(struct build *t, const struct plan *x)
{
	if (x->follow == FOLLOW_NONE)
		translate_edge(t, COND_COUNT, target(x));
	return true;
}

void translate_check_canonical(struct build *t, const struct plan *x)
{
	em_mov(&t->p, HOST_T2, HOST_T1);
	em_shift_imm(&t->p, 8, SHIFT_SHL, opd_reg(HOST_T2), 16);
	em_shift_imm(&t->p, 8, SHIFT_SAR, opd_reg(HOST_T2), 16);
	em_alu(&t->p, 8, ALU_CMP, HOST_T2, opd_reg(HOST_T1));
	translate_exit(t, COND_NE, x->u);
}

/* Stores the return address; RSP stays. */
static void put_return_address(struct build *t, const struct plan *x)
{
	struct opd at = translate_stack(t, x);

	translate_rip(t, HOST_T2, x->u->off);
	em_store(&t->p, at, HOST_T2);
}

static bool put_call(struct build *t, const struct plan *x)
{
	/* A page that is executed is canonical. */
	if (translate_in_page(t, target(x)) >> MEM_PAGE_SHIFT) {
		translate_rip(t, HOST_T1, target(x));
		translate_check_canonical(t, x);
		t->host_flags = false;
	}
	put_return_address(t, x);
	em_lea(&t->p, HOST_GUEST_RSP, opd_mem(HOST_GUEST_RSP, -8));
	translate_call(t, x->follow == FOLLOW_NONE ? CALLEE_DIRECT : CALLEE_NEXT, target(x), x->u->off);
	return true;
}

static bool put_jmp_r(struct build *t, const struct plan *x)
{
	em_mov(&t->p, HOST_T1, guest_read(t, x->i.rm, HOST_T1));
	translate_check_canonical(t, x);
	em_jump_to(&t->p, COND_COUNT, t->t->jump);
	return true;
}

static bool put_ret(struct build *t, const struct plan *x)
{
	em_load(&t->p, HOST_T1, translate_stack(t, x));
	translate_check_canonical(t, x);
	em_alu_imm(&t->p, 8, ALU_ADD, opd_reg(HOST_GUEST_RSP), 8 + (int32_t)x->u->imm);
	em_ret(&t->p); /* the host's RET: to behind the call that it should belong to */
	return true;
}

static bool put_call_reg(struct build *t, const struct plan *x)
{
	em_mov(&t->p, HOST_T1, guest_read(t, x->i.rm, HOST_T1));
	translate_check_canonical(t, x);
	translate_clobbered(t, HOST_T1);
	put_return_address(t, x);
	em_mov(&t->p, HOST_T1, guest_read(t, x->i.rm, HOST_T1));
	em_lea(&t->p, HOST_GUEST_RSP, opd_mem(HOST_GUEST_RSP, -8));
	translate_call(t, CALLEE_INDIRECT, 0, x->u->off);
	return true;
}

bool translate_plan_flow(struct plan *x)
{
	uop_fn *fn = x->u->fn;

	if (x->row->class == CLASS_JCC)
		x->fn = put_jcc;
	else if (fn == uop_jmp)
		x->fn = put_jmp;
	else if (fn == uop_call)
		x->fn = put_call;
	else if (fn == uop_call_r)
		x->fn = put_call_reg;
	else if (fn == uop_jmp_r)
		x->fn = put_jmp_r;
	else if (fn == uop_ret)
		x->fn = put_ret;
	else
		return false;
	x->ends = x->reads_flags = x->may_exit = true;
	if (fn == uop_jmp || x->fn == put_jcc)
		x->names = NAMES_KNOWN;
	x->keeps_flags = x->knows_writes = fn == uop_jmp || fn == uop_call || x->fn == put_jcc;
	x->writes = fn == uop_call ? 1 << CPU_RSP : 0;
	x->stack_base = CPU_RSP;
	if (fn == uop_call || fn == uop_call_r)
		x->stack_by = -8;
	else if (fn == uop_ret)
		x->stack_by = 8;
	return true;
}
