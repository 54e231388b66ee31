/* vmm/cpu/soft/translate/emit_string.c: STOS and MOVS, as the host's own.
 *
 * Only upwards, and only when all of it lies in one page of plain RAM on either side: that is what
 * the executor does at once too, as one instruction to the budget (int_string.c).
 *
 * Used by: emit_generic.c.   Sources: SDM vol. 2, REP. */
#include "vmm/cpu/soft/translate/emit_operand.h"

/* T1 = the host address of guest register @g's first element. With a repeat leaves where not all of them are in its
 * page. Clobbers T2. */
static void put_side(struct build *t, const struct plan *x, unsigned g, bool is_write)
{
	unsigned size = width(&x->i), shift = size == 8 ? 3 : size / 2;

	em_mov(&t->p, HOST_T1, g);
	translate_tlb(t, x, size, is_write, false);
	if (!x->i.rep)
		return;
	/* T2 = how many fit */
	em_imm64(&t->p, HOST_T2, MEM_PAGE_SIZE - 1);
	em_alu(&t->p, 4, ALU_AND, HOST_T2, opd_reg(g));
	em_unary(&t->p, 4, UNARY_NEG, opd_reg(HOST_T2));
	em_alu_imm(&t->p, 4, ALU_ADD, opd_reg(HOST_T2), MEM_PAGE_SIZE);
	if (shift) {
		em_shift_imm(&t->p, 4, SHIFT_SHR, opd_reg(HOST_T2), shift);
	}
	em_alu(&t->p, 8, ALU_CMP, HOST_RCX, opd_reg(HOST_T2));
	translate_exit(t, COND_A, x->u);
}

/* Where register @g will be behind it goes to @to. Clobbers T2. */
static void put_end(struct build *t, const struct plan *x, unsigned g, struct opd to)
{
	unsigned size = width(&x->i);
	struct opd end = opd_mem(g, x->i.rep ? 0 : (int32_t)size);

	if (x->i.rep) {
		end.index = HOST_RCX;
		end.scale = size == 8 ? 3 : (uint8_t)(size / 2);
	}
	em_lea(&t->p, HOST_T2, end);
	em_store(&t->p, to, HOST_T2);
}

static bool put_string(struct build *t, const struct plan *x)
{
	bool is_movs = x->row->class == CLASS_MOVS;
	unsigned size = width(&x->i);
	uint8_t *is_none = NULL;

	em_test_imm(&t->p, 4, OPD_S(rflags), FLAG_DF);
	translate_exit(t, COND_NE, x->u);
	if (x->i.rep) {
		em_test(&t->p, 8, HOST_RCX, opd_reg(HOST_RCX));
		is_none = em_jump(&t->p, COND_E);
	}
	if (is_movs) {
		put_side(t, x, HOST_RSI, false);
		em_store(&t->p, OPD_S(scratch), HOST_T1);
	}
	put_side(t, x, HOST_RDI, true);
	put_end(t, x, HOST_RDI, OPD_S(scratch_target));
	em_mov(&t->p, HOST_RDI, HOST_T1);
	if (is_movs) {
		put_end(t, x, HOST_RSI, OPD_S(r[CPU_RSI]));
		em_load(&t->p, HOST_RSI, OPD_S(scratch));
	}
	em_string(&t->p, size, x->i.rep, x->i.opcode);
	em_load(&t->p, HOST_RDI, OPD_S(scratch_target));
	if (is_movs)
		em_load(&t->p, HOST_RSI, OPD_S(r[CPU_RSI]));
	if (is_none)
		em_patch(is_none, t->p);
	translate_clobbered(t, HOST_T1);
	t->host_flags = false;
	if (x->ends)
		translate_edge(t, COND_COUNT, x->u->off);
	return true;
}

bool translate_plan_string(struct plan *x)
{
	bool is_movs = x->row->class == CLASS_MOVS;

	if ((!is_movs && x->row->class != CLASS_STOS) || (is_movs && (x->i.seg == CPU_FS || x->i.seg == CPU_GS)))
		return false;
	(void)use(x, put_string, 1 << CPU_RDI | (is_movs ? 1 << CPU_RSI : 0) | (x->i.rep ? 1 << CPU_RCX : 0));
	x->may_exit = x->reads_flags = true;
	return true;
}
