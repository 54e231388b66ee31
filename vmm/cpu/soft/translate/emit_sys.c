/* vmm/cpu/soft/translate/emit_sys.c: what a kernel does often that is neither arithmetic nor a
 * branch: PUSHF, CLI and STI, CLD, SWAPGS, reading control and segment registers.
 *
 * At another privilege than 0 they are left to their executors, which raise what is to be raised.
 *
 * Used by: emit_generic.c.   Sources: SDM vol. 2, each instruction's page. */
#include "vmm/cpu/soft/interp/sys.h"
#include "vmm/cpu/soft/translate/emit_operand.h"

/* What sys_pushf() pushes. */
static bool put_pushf(struct build *t, const struct plan *x)
{
	translate_flags(t);
	em_pushfq(&t->p);
	em_pop(&t->p, HOST_T2);
	em_alu_imm(&t->p, 4, ALU_AND, opd_reg(HOST_T2), FLAG_ARITH);
	em_alu(&t->p, 4, ALU_OR, HOST_T2, OPD_S(rflags));
	em_alu_imm(&t->p, 4, ALU_AND, opd_reg(HOST_T2), ~(FLAG_VM | FLAG_RF));
	t->host_flags = false;
	em_store(&t->p, OPD_S(scratch), HOST_T2);
	translate_push_scratch(t, x);
	return true;
}

static void need_cpl0(struct build *t, const struct plan *x)
{
	em_alu_imm(&t->p, 1, ALU_CMP, OPD_S(cpl), 0);
	translate_exit(t, COND_NE, x->u);
	t->host_flags = false;
}

static bool put_cli(struct build *t, const struct plan *x)
{
	need_cpl0(t, x);
	em_alu_imm(&t->p, 4, ALU_AND, OPD_S(rflags), ~FLAG_IF);
	translate_edge(t, COND_COUNT, x->u->off);
	return true;
}

/* The shadow lasts for the next instruction. It cannot be seen when nothing is pending and the run does not end
 * there; else the executor makes one. */
static bool put_sti(struct build *t, const struct plan *x)
{
	_Static_assert(offsetof(struct soft, nmi_pending) == offsetof(struct soft, intr_line) + 1, "read as one word");
	need_cpl0(t, x);
	em_alu_imm(&t->p, 2, ALU_CMP, OPD_S(intr_line), 0);
	translate_exit(t, COND_NE, x->u);
	em_alu_imm(&t->p, 8, ALU_CMP, OPD_S(budget), BLOCK_MAX_INSNS);
	translate_exit(t, COND_L, x->u);
	em_alu_imm(&t->p, 4, ALU_OR, OPD_S(rflags), FLAG_IF);
	translate_edge(t, COND_COUNT, x->u->off);
	return true;
}

static bool put_swapgs(struct build *t, const struct plan *x)
{
	need_cpl0(t, x);
	em_load(&t->p, HOST_T1, OPD_S(seg[CPU_GS].base));
	em_load(&t->p, HOST_T2, OPD_S(msr.kernel_gs_base));
	em_store(&t->p, OPD_S(msr.kernel_gs_base), HOST_T1);
	em_store(&t->p, OPD_S(seg[CPU_GS].base), HOST_T2);
	em_store(&t->p, OPD_S(seg_base[CPU_GS]), HOST_T2);
	translate_edge(t, COND_COUNT, x->u->off);
	return true;
}

/* CR0, CR2, CR3, CR4. */
static struct opd control_register(unsigned n)
{
	return n == 0 ? OPD_S(cr0) : n == 2 ? OPD_S(cr2) : n == 3 ? OPD_S(cr3) : OPD_S(cr4);
}

static bool put_mov_from_cr(struct build *t, const struct plan *x)
{
	unsigned h;

	need_cpl0(t, x);
	h = guest_target(t, x->i.rm, HOST_T1);
	em_load(&t->p, h, control_register(x->i.reg));
	guest_write(t, x->i.rm, h);
	translate_edge(t, COND_COUNT, x->u->off);
	return true;
}

static bool put_mov_from_seg(struct build *t, const struct plan *x)
{
	unsigned h = guest_target(t, x->i.rm, HOST_T1);

	em_movzx(&t->p, h, 2, opd_mem(HOST_S, (int32_t)(offsetof(struct soft, seg) +
							  sizeof(struct cpu_segment) * (x->i.reg & 7u) +
							  offsetof(struct cpu_segment, sel))));
	guest_write(t, x->i.rm, h);
	return true;
}

static bool put_cld(struct build *t, const struct plan *x)
{
	(void)x;
	em_alu_imm(&t->p, 4, ALU_AND, OPD_S(rflags), ~FLAG_DF);
	t->host_flags = false;
	return true;
}

/* ---- which emitter an instruction has ------------------------------------------------------------------- */

/* @writes: the general registers that it may write. */
static bool use_sys(struct plan *x, translate_fn *fn, bool may_exit, unsigned writes)
{
	x->fn = fn;
	x->may_exit = x->reads_flags = may_exit;
	x->knows_writes = true;
	x->writes = (uint16_t)writes;
	return true;
}

bool translate_plan_sys(struct plan *x)
{
	switch (x->row->class) {
	case CLASS_PUSHF:
		if (x->i.opsize != 8)
			return false;
		x->stack_base = CPU_RSP;
		x->stack_by = -8;
		return use_sys(x, put_pushf, true, 0);
	case CLASS_CLI:
		return use_sys(x, put_cli, true, 0);
	case CLASS_STI:
		return use_sys(x, put_sti, true, 0);
	case CLASS_SWAPGS:
		return use_sys(x, put_swapgs, true, 0);
	case CLASS_MOV_FROM_CR:
		return x->i.opsize == 8 && x->i.reg <= 4 && use_sys(x, put_mov_from_cr, true, 1u << x->i.rm);
	case CLASS_MOV_FROM_SEG:
		return !is_mem(x) && x->i.opsize >= 4 && use_sys(x, put_mov_from_seg, false, 1u << x->i.rm);
	case CLASS_CLD:
		return use_sys(x, put_cld, false, 0);
	default:
		return false;
	}
}
