/* vmm/cpu/soft/translate/link.c: pass 7, linking: the code becomes the block's, and edges are chained.
 *
 * Input:  the code of the trace, its entry and its edges.
 * Output: code, has_code and enter of the root; the members list the trace.
 *
 * An edge is a jump out of a trace whose target is known. At first it leads to its exit stub, which calls
 * translate_follow(). Once the target has code the jump is patched to go there: it is chained. Within a page
 * that holds for every mapping of the page. An edge to another page first checks in the TLB
 * that the target page is still mapped there and executable, as the interpreter does.
 *
 * A guest's CALL is also a CALL of the host, on a stack that only translated code uses. A guest's RET reads the
 * guest's stack and then does a RET of the host, so the host predicts it. Behind the host's CALL
 * the code compares the return address with the guest's. When they differ (another
 * stack, a longjmp, a changed mapping), the jump cache finds the target. The
 * host's return stack is only a prediction, so its contents need not be right.
 *
 * Every block lists the edges that lead to it. When its code is dropped they lead to their stubs again.
 * Edges of a dropped trace may stay in such lists: their memory is not reused before the cache is flushed.
 *
 * Used by: translate.c, emit*.c.   Depends on: uop_flow.c. */
#include "vmm/cpu/soft/translate/build.h"
#include "vmm/cpu/soft/translate/translate.h"

/* Its stub is behind it. There are three to a trace, so they are kept small. */
struct edge {
	uint32_t jump; /* offset in the cache of the displacement to patch */
	uint32_t next; /* offset of the next edge of the target's list; 0: none */
	uint32_t to; /* slot of the block that it leads to; 0: none yet */
	uint32_t page; /* is_far: offset of the page number that is compared; else the number of the page that it is in */
	int32_t pages; /* target - page_rip, as pages and the rest */
	uint16_t in_page;
	bool is_far; /* the target is in another page */
};
_Static_assert(_Alignof(struct edge) == CODE_RECORD_ALIGN, "it fits where it is put");

static uint32_t offset(const struct translate *t, const void *p)
{
	return (uint32_t)((const uint8_t *)p - t->rw);
}

static struct edge *edge_at(const struct translate *t, uint32_t off)
{
	return (struct edge *)(void *)(t->rw + off);
}

static int64_t edge_delta(const struct edge *e)
{
	return (int64_t)e->pages * MEM_PAGE_SIZE + e->in_page;
}

/* ---- code ----------------------------------------------------------------------- */

/* The stub of the edge whose jump's displacement is at @jump. */
static struct edge *put_stub(struct build *t, uint8_t *jump, int64_t delta)
{
	struct edge *e = translate_cold_record(t, sizeof(*e));

	*e = (struct edge){ .jump = offset(t->t, jump), .page = (uint32_t)(t->b->gpa >> MEM_PAGE_SHIFT),
			    .pages = (int32_t)(delta >> MEM_PAGE_SHIFT), .in_page = delta & (MEM_PAGE_SIZE - 1) };
	em_patch(jump, t->cold);
	em_imm64(&t->cold, HOST_T1, offset(t->t, e));
	em_jump_to(&t->cold, COND_COUNT, t->t->to_follow);
	return e;
}

/* Where code leaves that wants page T1 to be a certain frame. */
struct page_check {
	uint8_t *other_page, *other_frame; /* the jumps */
	uint8_t *pfn; /* the number that the frame's is compared with */
};

/* At *@p: the page T1 is the frame @pfn, and may be executed, or it is left; then it is s->page_rip. */
static struct page_check put_check(const struct build *t, uint8_t **p, uint32_t pfn)
{
	struct page_check c;

	translate_code_entry(t, p);
	em_alu(p, 8, ALU_CMP, HOST_T1, translate_in_code_entry(t, offsetof(struct code_entry, tag)));
	c.other_page = em_jump(p, COND_NE);
	c.pfn = em_cmp_imm32(p, translate_in_code_entry(t, offsetof(struct code_entry, pfn)), pfn);
	c.other_frame = em_jump(p, COND_NE);
	em_store(p, OPD_S(page_rip), HOST_T1);
	return c;
}

static void patch_check(const struct page_check *c, const uint8_t *target)
{
	em_patch(c->other_page, target);
	em_patch(c->other_frame, target);
}

/* At *@p the code that goes to another page, @delta from page_rip. */
static void put_far(struct build *t, uint8_t **p, int64_t delta)
{
	int64_t page = delta & -MEM_PAGE_SIZE;
	struct page_check c;
	uint8_t *jump;
	struct edge *e;

	em_load(p, HOST_T1, OPD_S(page_rip));
	em_lea(p, HOST_T1, opd_mem(HOST_T1, (int32_t)page));
	c = put_check(t, p, UINT32_MAX);
	jump = em_jump(p, COND_COUNT);
	e = put_stub(t, jump, delta);
	e->is_far = true;
	e->page = offset(t->t, c.pfn);
	patch_check(&c, (uint8_t *)(e + 1));
}

/* At *@p a jump to the block at the byte @in_page of the trace's page. @cond other than COND_COUNT: only from t->p. */
static void put_edge(struct build *t, uint8_t **p, unsigned cond, int64_t in_page)
{
	bool is_root = in_page == (int64_t)(t->root->gpa & (MEM_PAGE_SIZE - 1));

	/* An executor may have ended a block of the trace, and the trace with it. */
	if (is_root && (!t->has_exec || t->n_blocks == 1)) {
		em_jump_to(p, cond, t->entry);
	} else if (in_page >> MEM_PAGE_SHIFT == 0) {
		(void)put_stub(t, em_jump(p, cond), in_page);
	} else if (cond == COND_COUNT) {
		put_far(t, p, in_page);
	} else {
		em_jump_to(p, cond, t->cold);
		put_far(t, &t->cold, in_page);
	}
}

void translate_edge(struct build *t, unsigned cond, int32_t delta)
{
	put_edge(t, &t->p, cond, translate_in_page(t, delta));
}

void translate_side_exit(struct build *t, unsigned cond, int32_t delta)
{
	const struct state *st = &t->now;

	if (st->flags.kind == PENDING_NONE && !st->xmm_dirty && !st->has_mxcsr && !st->refund && !translate_has_moved(st)) {
		translate_edge(t, cond, delta);
		return;
	}
	em_jump_to(&t->p, cond, t->cold);
	translate_put_state(&t->cold, st);
	put_edge(t, &t->cold, COND_COUNT, translate_in_page(t, delta));
}

/* ---- calls and returns -------------------------------------------------------------- */

/* Where the host's RET behind a guest's RET leads: T1 is where the guest wants to go. That is the byte @in_page of this
 * page if the TLB says so. */
static void put_landing(struct build *t, int64_t in_page)
{
	struct page_check c;

	if (in_page >> MEM_PAGE_SHIFT) {
		em_jump_to(&t->p, COND_COUNT, t->t->jump);
		return;
	}
	em_lea(&t->p, HOST_T1, opd_mem(HOST_T1, (int32_t)-in_page));
	c = put_check(t, &t->p, (uint32_t)(t->b->gpa >> MEM_PAGE_SHIFT));
	/* Not straight to this trace, which may be no more by then. */
	(void)put_stub(t, em_jump(&t->p, COND_COUNT), in_page);
	patch_check(&c, t->cold);
	em_lea(&t->cold, HOST_T1, opd_mem(HOST_T1, (int32_t)in_page));
	em_jump_to(&t->cold, COND_COUNT, t->t->jump);
}

static struct opd code_stack_at(const struct build *t, size_t n)
{
	return opd_mem(HOST_S, (int32_t)(offsetof(struct soft, code_stack) + sizeof(t->s->code_stack[0]) * t->root->tlb_n +
					 sizeof(uint64_t) * n));
}

/* When the return stack is full what is on it is forgotten. */
static void put_bound(struct build *t)
{
	enum { LOW = CODE_STACK_TOP - CODE_RETURNS };
	uint8_t *full;

	em_lea(&t->p, HOST_T2, code_stack_at(t, LOW));
	em_alu(&t->p, 8, ALU_CMP, HOST_RSP, opd_reg(HOST_T2));
	full = em_jump(&t->p, COND_BE);
	em_patch(full, t->cold);
	em_lea(&t->cold, HOST_RSP, code_stack_at(t, CODE_STACK_TOP));
	em_jump_to(&t->cold, COND_COUNT, t->p);
}

void translate_call(struct build *t, enum callee callee, int32_t delta, int32_t ret)
{
	int64_t in_page = translate_in_page(t, delta);
	uint8_t *call;

	put_bound(t);
	call = em_call(&t->p);
	if (callee == CALLEE_INDIRECT) {
		em_patch(call, t->t->jump);
	} else if (callee == CALLEE_DIRECT && in_page >> MEM_PAGE_SHIFT) {
		em_patch(call, t->cold);
		put_far(t, &t->cold, in_page);
	} else if (callee == CALLEE_DIRECT) {
		(void)put_stub(t, call, in_page);
	}
	put_landing(t, translate_in_page(t, ret));
	if (callee == CALLEE_NEXT)
		em_patch(call, t->p);
	t->host_flags = false;
}

/* ---- linking --------------------------------------------------------------------- */

static void put_pfn(struct translate *t, const struct edge *e, uint32_t pfn)
{
	memcpy(t->rw + e->page, &pfn, sizeof(pfn));
}

static void unchain_edge(struct translate *t, struct edge *e)
{
	uint32_t *at = &translate_block_at(t, e->to)->edges_in, self = offset(t, e);

	while (*at != self)
		at = &edge_at(t, *at)->next;
	*at = e->next;
	e->to = 0;
	if (e->is_far) /* behind the comparison page_rip is the target's, which the stub does not want */
		put_pfn(t, e, UINT32_MAX);
	em_patch(t->rw + e->jump, (const uint8_t *)(e + 1));
}

static void chain_edge(struct translate *t, struct edge *e, struct block *b)
{
	uint32_t pfn = (uint32_t)(b->gpa >> MEM_PAGE_SHIFT);

	if (!b->has_code || (!e->is_far && pfn != e->page))
		return;
	if (e->to)
		unchain_edge(t, e);
	e->to = translate_slot_of(t, b);
	e->next = b->edges_in;
	b->edges_in = offset(t, e);
	if (e->is_far)
		put_pfn(t, e, pfn);
	em_patch(t->rw + e->jump, b->code - t->to_rx);
}

void translate_drop_code(struct translate *t, struct block *b)
{
	while (b->edges_in)
		unchain_edge(t, edge_at(t, b->edges_in));
	translate_trace_gone(t, b);
	b->has_code = false;
	b->code = translate_no_code(t);
	if (b->enter != uop_dead) {
		b->enter = b->crosses_page ? uop_enter_crossing : translate_count;
		b->n_runs = 0;
	}
}

void translate_drop(struct translate *t, struct block *b)
{
	translate_drop_code(t, b);
	translate_member_gone(t, b);
}

const struct uop *translate_follow(struct soft *s, const struct uop *u)
{
	struct edge *e = edge_at(s->blocks->translate, (uint32_t)(uintptr_t)u);
	struct block *b;

	s->rip = s->page_rip + (uint64_t)edge_delta(e);
	b = (struct block *)(uintptr_t)block_jump_target(s);
	if (!b)
		return NULL;
	chain_edge(s->blocks->translate, e, b);
	UOP_NEXT(s, (const struct uop *)(const void *)b);
}

void translate_link(struct build *d)
{
	struct translate *t = d->t;

	translate_trace_made(d);
	t->n_blocks++;
	t->n_bytes += (uint64_t)(d->p - t->next) + (uint64_t)(d->cold - t->cold);
	t->next = d->p;
	t->cold = d->cold;
	d->root->code = d->entry + t->to_rx;
	d->root->has_code = true;
	d->root->enter = (uop_fn *)(uintptr_t)(t->enter + t->to_rx);
}
