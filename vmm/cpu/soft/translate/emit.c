/* vmm/cpu/soft/translate/emit.c: pass 6, from plans to host code.
 *
 * Input:  the plans of the trace, with what the passes before found.
 * Output: code from t->p, exit stubs and data from t->cold, and entry of the build.
 *
 * The trace is charged to the budget at its entry. Each instruction is emitted by the function of its
 * plan (emit_*.c), or calls its executor. A loop ends in a jump back, any other
 * trace in an edge to the block behind it.
 *
 * Used by: translate.c. */
#include "vmm/cpu/soft/translate/build.h"

/* A uop that does not have its instruction behind it gets a copy that has. */
static const struct uop *with_insn(struct build *t, const struct plan *x)
{
	uint8_t *copy;

	if (x->u->fn == uop_generic || x->u->fn == uop_generic_end || x->ends)
		return x->u;
	copy = (uint8_t *)(((uintptr_t)t->cold + 15) & ~(uintptr_t)15);
	memcpy(copy, x->u, sizeof(*x->u));
	memcpy(copy + sizeof(*x->u), &x->i, sizeof(x->i));
	t->cold = copy + sizeof(*x->u) + sizeof(x->i);
	return (const struct uop *)(const void *)copy;
}

static void put_generic(struct build *t, const struct plan *x)
{
	const struct uop *u = with_insn(t, x);

	translate_flush_state(t);
	em_imm64(&t->p, HOST_T1, (uint64_t)(uintptr_t)u);
	em_imm64(&t->p, HOST_T2, (uint64_t)(uintptr_t)t->b);
	if (x->ends) {
		em_jump_to(&t->p, COND_COUNT, x->u->fn == uop_generic_end ? t->t->end : t->t->to_uop);
		return;
	}
	em_call_to(&t->p, t->t->exec);
	em_jump_to(&t->p, COND_NE, t->t->to_dispatcher);
	t->lazy = LAZY_UNKNOWN;
	t->host_flags = false;
	t->sse_checked = false;
	t->xmm_in = 0;
	translate_forget_spans(t);
}

/* For the profile; it stays at the most that fits. */
static void count_entry(struct build *t)
{
	em_imm64(&t->p, HOST_T1, (uint64_t)(uintptr_t)&t->root->n_entered);
	em_alu_imm(&t->p, 4, ALU_ADD, opd_mem(HOST_T1, 0), 1);
	em_alu_imm(&t->p, 4, ALU_SBB, opd_mem(HOST_T1, 0), 0);
}

/* Charges the trace to the budget. When that is too small the root is interpreted. */
static void charge(struct build *t)
{
	t->now.refund = t->n_plans;
	if (t->t->profile && !t->root->crosses_page)
		count_entry(t);
	em_alu_imm(&t->p, 8, ALU_SUB, OPD_S(budget), (int32_t)t->n_plans);
	translate_exit(t, COND_S, NULL);
	t->now.refund = 0;
}

/* A page crossing instruction: exits to the run loop unless the second page is the one that it was decoded from. */
static void check_crossing(struct build *t)
{
	uint8_t *other;

	em_load(&t->p, HOST_T1, OPD_S(page_rip));
	em_lea(&t->p, HOST_T1, opd_mem(HOST_T1, MEM_PAGE_SIZE));
	translate_code_entry(t, &t->p);
	em_alu(&t->p, 8, ALU_CMP, HOST_T1, translate_in_code_entry(t, offsetof(struct code_entry, tag)));
	other = em_jump(&t->p, COND_NE);
	em_patch(other, t->cold);
	(void)em_cmp_imm32(&t->p, translate_in_code_entry(t, offsetof(struct code_entry, pfn)), t->root->page2);
	em_jump_to(&t->p, COND_NE, t->cold);
	em_lea(&t->cold, HOST_T1, opd_mem(HOST_T1, (int32_t)translate_in_page(t, 0) - (int32_t)MEM_PAGE_SIZE));
	em_store(&t->cold, OPD_S(rip), HOST_T1);
	em_jump_to(&t->cold, COND_COUNT, t->t->to_dispatcher);
}

static void put_entry(struct build *t)
{
	t->entry = t->p;
	if (t->root->crosses_page)
		check_crossing(t);
	translate_swap(&t->p, t->now.moved);
	if (t->loops)
		translate_begin_sse(t);
	charge(t);
	t->host_flags = false;
	t->loop_head = t->p;
}

/* The next iteration. Host registers hold what the first iteration began with. */
static void put_back_edge(struct build *t)
{
	if (t->live)
		translate_flush_pending(t);
	t->b = t->root;
	charge(t);
	em_jump_to(&t->p, COND_COUNT, t->loop_head);
}

static void put_insn(struct build *t, const struct plan *x)
{
	struct pending *f = &t->now.flags;

	t->b = x->b;
	t->now.refund = x->refund;
	t->made_pending = false;
	if (x->ends && x->follow == FOLLOW_NONE)
		translate_flush_state(t);
	if (!x->flags_live && !x->reads_flags && !x->may_exit && !x->ends)
		f->kind = PENDING_NONE; /* they are not read any more */
	if (f->kind != PENDING_NONE && !x->writes_flags &&
	    (!x->keeps_flags || x->writes >> f->reg & 1 || (f->src < 16 && x->writes >> f->src & 1)))
		translate_flush_pending(t);
	if (!x->fn || !x->fn(t, x))
		put_generic(t, x);
	if (x->writes_flags && !t->made_pending)
		f->kind = PENDING_NONE;
	if (x->writes_flags && !x->flags_live)
		t->lazy = LAZY_UNKNOWN;
}

void translate_emit(struct build *t)
{
	const struct plan *last = &t->plans[t->n_plans - 1];

	t->b = t->root;
	put_entry(t);
	for (unsigned k = 0; k < t->n_plans; k++)
		put_insn(t, &t->plans[k]);
	if (t->loops) {
		put_back_edge(t);
	} else if (!last->ends) {
		translate_flush_state(t);
		translate_edge(t, COND_COUNT, last->b->n_bytes);
	}
	translate_put_stubs(t);
}
