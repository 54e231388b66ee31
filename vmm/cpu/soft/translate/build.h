/* vmm/cpu/soft/translate/build.h: what the parts of the translator share.
 *
 * Flags. An instruction stores the lazy form of its flags (flags.h) only when they are
 * live (liveness.c): when an exit, a reader or the end of the trace may read them. Behind the
 * instruction the host's flags are the guest's until the next TLB check, so a Jcc behind
 * its CMP uses them as they are. Later translate_flags() computes them from the lazy form.
 *
 * The lazy form of ADD, SUB and logical instructions is raw: the registers' contents, neither
 * sign-extended nor with the result of a sum. Its cc_op says the size. Every exit
 * brings it into the form of flags.h (translate_normalize()).
 *
 * Used by: all files of translate. */
#ifndef MUSTER_VMM_CPU_SOFT_TRANSLATE_BUILD_H
#define MUSTER_VMM_CPU_SOFT_TRANSLATE_BUILD_H

#include "vmm/cpu/soft/block/block.h"
#include "vmm/cpu/soft/decode/insn_tab.h"
#include "vmm/cpu/soft/translate/asm.h"

enum { TRACE_BLOCKS = 8, TRACE_INSNS = 96 /* the most of one trace */,
       UNROLL_ITERATIONS = 4, UNROLL_INSNS = 40 /* the most iterations that are unrolled, and their instructions */,
       TRANSLATE_RESELECTIONS = 4 /* of a trace, at most */,
       TRANSLATE_VOTES = 128 /* for a block to be elected: reselect.c */,
       TRACE_BIAS = 4 /* how much more often one side of a jump is entered, to be followed */,
       TRANSLATE_INSN_BYTES = 2048 /* the most that one instruction with its exits takes */,
       TRANSLATE_MAX_BYTES = (TRACE_INSNS + 4) * TRANSLATE_INSN_BYTES };
_Static_assert((int)TRACE_INSNS >= (int)BLOCK_MAX_INSNS, "any block is a trace");

/* Blocks that run one behind the other; the first runs behind the last. */
struct path {
	struct block *blocks[TRACE_BLOCKS];
	unsigned n;
};

/* The recording of a path: reselect.c. Paths hold until blocks are recycled. */
struct watch {
	struct block *root; /* NULL: nothing is recorded */
	struct path now, before; /* before: the last that ended at the root */
	unsigned n_looks;
	uint64_t n_recycled; /* the cache's, when it began */
};

struct build;
struct translate {
	uint8_t *rw; /* the writable view */
	ptrdiff_t to_rx; /* the executable view - the writable one */
	/* Two halves: code, free from next; exit stubs, edges and copies of uops, free from cold. */
	uint8_t *next, *first, *cold, *cold_first;
	/* Parts that all code shares, in the writable view. */
	uint8_t *enter; /* from C into b->code */
	uint8_t *no_code; /* b->code of blocks without code: T1 is the block */
	uint8_t *to_uop; /* leaves for the uop T1 of block T2 */
	uint8_t *to_dispatcher; /* leaves for the dispatcher; s->rip is set */
	/* Ends of exits, where T1 and T2 are offsets in the slots, which takes less code. */
	uint8_t *stub_uop; /* to_uop */
	uint8_t *stub_span; /* the same, or translate_straddle() if s->scratch is less than a page */
	uint8_t *stub_enter; /* block T1 is interpreted; it is not charged yet */
	uint8_t *to_follow; /* leaves through translate_follow(); T1 is the edge's offset in the cache */
	uint8_t *exec; /* called: runs the uop T1 of block T2 by its executor; NZ: leave */
	uint8_t *end; /* runs the uop T1, the last of block T2, by its executor, and goes on with the block that is then next */
	uint8_t *flags; /* called: the host's flags become those of the lazy form. Clobbers T2 */
	uint8_t *jump; /* goes to the address T1 by the jump cache */
	uint8_t *underflow; /* a return with nothing on the return stack */
	const struct uop *slots; /* of the cache that the blocks are in */
	struct build *build; /* behind this struct: the block in the making */
	unsigned threshold; /* runs until a block is translated */
	bool has_bmi2;
	const struct block *candidate; /* the candidate of the vote in reselect.c; only its address is used */
	unsigned n_votes, votes_wanted;
	struct watch watch;
	struct translate_profile *profile; /* owned; NULL: nothing is counted */
	uint64_t n_blocks, n_bytes, n_flushes;
};

/* What the lazy form holds, as far as is known when code is emitted. */
enum lazy { LAZY_UNKNOWN, LAZY_ADD, LAZY_SUB, LAZY_LOGIC };

/* cc_op of a raw form: of cc_aux and cc_src, or of cc_dst. */
static inline uint32_t cc_raw(enum lazy lazy, unsigned size)
{
	return 0x100u << lazy | size;
}

/* Pending flags: they are not stored anywhere, but follow from registers that are unchanged since. The raw form is
 * stored from those where flags may be read, which is mostly in an exit stub. */
enum pending_kind { PENDING_NONE, PENDING_CMP /* reg - src */, PENDING_SUB /* reg is the result */,
		    PENDING_ADD /* the same */, PENDING_LOGIC /* the same; no src */ };
struct pending {
	uint8_t kind, size;
	uint8_t reg, src; /* guest registers; src INSN_REG_NONE: imm */
	int32_t imm;
};

/* Where a trace goes on behind a block's last instruction. */
enum follow { FOLLOW_NONE, FOLLOW_TAKEN, FOLLOW_FALL };

/* Accesses that share a TLB check: coalesce.c. */
enum { SPANS = SOFT_SPANS };
enum span_state { SPAN_UNKNOWN, SPAN_READ, SPAN_WRITE };
struct span {
	uint32_t base, index; /* what they have in common */
	uint8_t scale, seg;
	uint8_t state; /* enum span_state: as what it was looked up */
	bool is_shared; /* by more than one access */
	uint16_t n_left; /* accesses to come */
	int32_t lo, hi; /* its bytes, from what they have in common */
};

/* An access's place. */
struct member {
	uint8_t span; /* number + 1; 0: none */
	int32_t off; /* of its first byte, as lo */
};

/* Where an instruction names general registers, besides its memory operand, and dst and src. */
enum names { NAMES_KNOWN = 1 /* else it is not known */, NAMES_REG = 2, NAMES_RM = 4 /* a register operand */ };

/* How an instruction is translated. */
struct plan;
typedef bool translate_fn(struct build *t, const struct plan *x);
struct plan {
	translate_fn *fn; /* returns false when it must run by its executor after all: only one that reads flags */
	struct insn i;
	const struct insn_info *row; /* of the table: what it is */
	const struct uop *u;
	bool writes_flags; /* all of them, without reading one */
	bool reads_flags; /* or keeps some */
	bool may_exit;
	bool ends; /* leaves the block in any case */
	bool flags_live; /* the flags behind it may be read */
	bool keeps_flags; /* leaves flags alone, and of the general registers writes at most those in writes */
	bool knows_writes; /* of the general registers it writes at most those in writes, and RSP by stack_by */
	bool may_exec; /* it may run by its executor */
	bool uses_mxcsr;
	uint8_t follow; /* enum follow; of a block's last instruction */
	uint16_t writes;
	uint16_t xmm_used, xmm_written; /* XMM registers */
	uint8_t copy_of; /* what it writes becomes this guest register + copy_add; INSN_REG_NONE: not known */
	int32_t copy_add;
	int8_t stack_by; /* RSP becomes stack_base + stack_by, and the qword at the lower of both is accessed: written
			  * when that is RSP */
	uint8_t stack_base; /* a guest register */
	bool pops_rsp; /* what was read goes into RSP */
	uint8_t dst, src; /* the uop's */
	uint8_t names; /* enum names */
	uint16_t implicit; /* general registers that it is about and does not name */
	struct member operand, stack;
	bool begins; /* a block */
	struct block *b; /* the block that it is of */
	unsigned refund; /* instructions of the trace behind that block */
};

enum { LOOP_MOVED = 4, LOOP_USES = 2 /* in an iteration, for a register to be moved */ };

/* What is in host registers only; every exit stores it. */
struct state {
	struct pending flags;
	uint16_t xmm_dirty; /* XMM registers newer than the image's */
	bool has_mxcsr; /* the host's MXCSR is the guest's, and newer than the image's */
	unsigned refund; /* instructions that were charged and do not run */
	uint8_t moved[LOOP_MOVED]; /* allocate.c: the guest registers, + 1, in whose place those of struct soft are; 0: none */
	const struct block *b; /* that is left */
};

struct exit_stub {
	uint8_t *from; /* the jump to patch */
	const struct uop *u; /* NULL: the block's first instruction, before the charge */
	struct state state;
	bool is_span; /* T1 is span's first byte - the page of the TLB's entry */
};

/* One trace's code in the making. */
struct build {
	struct translate *t;
	struct soft *s;
	struct block *root; /* where the trace begins */
	struct block *b; /* the block whose instruction is being translated */
	uint8_t *p, *cold; /* where code goes, and what seldom runs */
	uint8_t *entry; /* where root->code will be */
	uint8_t *loop_head; /* where an iteration begins, behind its charge */
	unsigned n_blocks, n_plans; /* plans: of all unrolled iterations */
	unsigned n_body; /* plans of one iteration */
	const struct path *path; /* that the trace follows; NULL: by the blocks' n_runs */
	bool loops; /* the last instruction leads back to the first */
	bool live; /* the flags at the first instruction may be read */
	bool has_exec; /* an instruction runs by its executor; only in the last block */
	enum lazy lazy;
	uint8_t lazy_size;
	bool host_flags; /* the host's flags are the guest's */
	bool sse_checked; /* SSE may be used: control registers were looked at */
	bool made_pending; /* by the instruction that was translated */
	uint16_t xmm_in; /* XMM registers that are in the host's */
	uint8_t n_spans;
	uint8_t t1_span; /* number + 1 of the span whose first byte T1 is the host address of; 0: none */
	struct span spans[SPANS];
	struct state now;
	unsigned n_stubs;
	struct exit_stub stubs[6 * TRACE_INSNS];
	struct plan plans[TRACE_INSNS];
};

/* emit_common.c: pieces of code. */
/* The host register of a guest register, or HOST_NONE. */
static inline unsigned guest_host(unsigned g)
{
	/* R12 and R13 are what compilers keep values in; R10 and R11 they seldom use. */
	static const uint8_t host[16] = { 0, 1, 2, 3, HOST_GUEST_RSP, 5, 6, 7,
					  8, 9, HOST_NONE, HOST_NONE, 10, 11, HOST_NONE, HOST_NONE };

	return g < 16 ? host[g] : HOST_NONE;
}

/* The guest register as an operand. */
static inline struct opd guest_opd(unsigned g)
{
	if (guest_host(g) == HOST_NONE)
		return opd_mem(HOST_S, (int32_t)(offsetof(struct soft, r) + 8 * g));
	return opd_reg(guest_host(g));
}

/* Host register @h was clobbered: it no longer holds a span's address. */
static inline void translate_clobbered(struct build *t, unsigned h)
{
	if (h == HOST_T1)
		t->t1_span = 0;
}

/* Its host register; for one in memory it is loaded into @tmp. */
static inline unsigned guest_read(struct build *t, unsigned g, unsigned tmp)
{
	struct opd o = guest_opd(g);

	if (!o.is_mem)
		return o.reg;
	em_load(&t->p, tmp, o);
	translate_clobbered(t, tmp);
	return tmp;
}

/* Its host register to be written as a whole; @tmp for one in memory. guest_write() puts it there. */
static inline unsigned guest_target(struct build *t, unsigned g, unsigned tmp)
{
	if (guest_host(g) != HOST_NONE)
		return guest_host(g);
	translate_clobbered(t, tmp);
	return tmp;
}

/* Puts back what guest_read() may have loaded into @h. */
static inline void guest_write(struct build *t, unsigned g, unsigned h)
{
	struct opd o = guest_opd(g);

	if (o.is_mem)
		em_store(&t->p, o, h);
	else
		em_mov(&t->p, o.reg, h);
}

/* Blocks by slot: the cache holds many pointers to them. */
static inline uint32_t translate_slot_of(const struct translate *t, const struct block *b)
{
	return (uint32_t)((const struct uop *)(const void *)b - t->slots);
}

static inline struct block *translate_block_at(const struct translate *t, uint32_t slot)
{
	return (struct block *)(uintptr_t)(t->slots + slot);
}

/* Room for data of @size bytes among the exit stubs. */
enum { CODE_RECORD_ALIGN = 4 };
static inline void *translate_cold_record(struct build *t, size_t size)
{
	uint8_t *at = (uint8_t *)(((uintptr_t)t->cold + CODE_RECORD_ALIGN - 1) & ~(uintptr_t)(CODE_RECORD_ALIGN - 1));

	t->cold = at + size;
	return at;
}

/* Leaves for @u (NULL: for the interpretation of t->b) when @cond holds of the host's flags. */
void translate_exit(struct build *t, unsigned cond, const struct uop *u);
/* T1 = the linear address of the memory operand + @add. Clobbers T2, and the flags when there is a segment. */
void translate_ea(struct build *t, const struct plan *x, int32_t add);
/* T1 (a linear address) becomes the host address; leaves for the uop when that is not plain RAM
 * by the TLB, @is_span: for translate_straddle() when it is but goes on in another page. Clobbers T2 and flags. */
void translate_tlb(struct build *t, const struct plan *x, unsigned size, bool is_write, bool is_span);
/* At *@p: T2 = where the linear address T1 has its entry for fetches, for translate_in_code_entry(), which says where
 * that entry's @member is. Clobbers flags. */
void translate_code_entry(const struct build *t, uint8_t **p);
struct opd translate_in_code_entry(const struct build *t, size_t member);
/* An ALU operation (0 ADD to 7 CMP, 8 TEST) of @imm on guest register @g, which is rotated for it; its flags are
 * stored when the plan says so. Clobbers T1 and T2. */
void translate_alu_imm(struct build *t, const struct plan *x, unsigned op, unsigned size, unsigned g, int32_t imm);
/* Pushes what is in s->scratch. */
void translate_push_scratch(struct build *t, const struct plan *x);
/* Leaves unless T1 is canonical. Clobbers T2. */
void translate_check_canonical(struct build *t, const struct plan *x);
/* The host's flags become the guest's. Clobbers T2. */
void translate_flags(struct build *t);
/* Brings a raw lazy form into a form of flags.h; nothing when it is one already. */
void translate_normalize(struct soft *s);
/* Where the block's byte @off lies in relation to s->page_rip. */
static inline int64_t translate_in_page(const struct build *t, int64_t off)
{
	return (int64_t)(t->b->gpa & (MEM_PAGE_SIZE - 1)) + off;
}

/* @dst = the linear address of the block's byte @off. Clobbers no flags. */
void translate_rip(struct build *t, unsigned dst, int64_t off);

/* Stores the host's flags, which are the guest's, as the lazy form. Clobbers T2. */
void translate_keep_host_flags(struct build *t);
/* Makes flags pending that follow from @reg and @src (INSN_REG_NONE: @imm); enum pending_kind. */
void translate_pend(struct build *t, enum pending_kind kind, unsigned size, unsigned reg, unsigned src, int32_t imm);
/* At *@p: stores what @st says into struct soft. Clobbers T2; the host's flags only when there is a refund. */
void translate_put_state(uint8_t **p, const struct state *st);
/* Stores pending flags as the lazy form. The host's flags stay. */
void translate_flush_pending(struct build *t);
/* Stores all that is in host registers only. The host's flags stay. */
void translate_flush_state(struct build *t);
/* Emits the stubs of all exits. */
void translate_put_stubs(struct build *t);

/* The passes, in order: translate.c. */
/* Selects and plans the blocks of the trace that begins at t->root. False: there is no code for it. */
bool translate_select(struct build *t);
/* Each is the pass that its name says, over the plans of t->root's trace; none fails. */
void translate_unroll(struct build *t);
void translate_liveness(struct build *t);
void translate_allocate(struct build *t);
void translate_coalesce(struct build *t);
void translate_emit(struct build *t);
void translate_link(struct build *t);

/* coalesce.c */
/* C code ran: TLB checks must be made anew. */
void translate_forget_spans(struct build *t);
/* The memory operand, in terms of T1; leaves for the uop when that is not plain RAM by the TLB. Clobbers T1, T2 and
 * flags. */
struct opd translate_mem(struct build *t, const struct plan *x, unsigned size, bool is_write);
/* The same for the place on the stack that the instruction is about. RSP is not moved. */
struct opd translate_stack(struct build *t, const struct plan *x);
/* Runs the uop, on whose behalf a span was looked up that lies in two pages. */
uop_fn translate_straddle;

/* What b->code is for a block without code. */
static inline const uint8_t *translate_no_code(const struct translate *t)
{
	return t->no_code + t->to_rx;
}

/* profile.c */
/* Prints how much code was made, and with MUSTER_SOFT_PROFILE why it is left. */
void translate_profile_print(const struct translate *t, FILE *f);
/* NULL unless the user asks for one, or without memory. What counts, in place of what it is named after. */
struct translate_profile *translate_profile_new(void);
void translate_profile_exec(struct soft *s, const struct insn *i);
const struct block *translate_profile_end(struct soft *s, const struct uop *u);
uop_fn translate_profile_exit, translate_profile_enter, translate_profile_follow;

/* select.c */
/* The block that @link leads to when it may be part of @root's trace; else NULL. */
struct block *translate_chained(const struct block *root, const struct uop *link);

/* members.c */
/* Code was made: the blocks of the trace know of it. */
void translate_trace_made(struct build *t);
/* @root has no code any more. */
void translate_trace_gone(struct translate *t, struct block *root);
/* @b goes, and with it the code of all traces that it is in. */
void translate_member_gone(struct translate *t, struct block *b);

/* reselect.c: in place of uop_enter() when the budget is too small for the trace. */
uop_fn translate_budget_short;
/* In place of translate_count() while a path is recorded. */
uop_fn translate_watch;

/* translate.c: translate_block(), whose trace goes along @path when it may. @path may be NULL. */
void translate_along(struct soft *s, struct block *b, const struct path *path);

/* allocate.c */
bool translate_has_moved(const struct state *st);
/* At *@p: exchanges the registers of @moved with the host registers that they took; before the loop and at its
 * exits. Clobbers T2. */
void translate_swap(uint8_t **p, const uint8_t moved[LOOP_MOVED]);

/* emit_sse.c: before a loop: SSE may be used, the loop's registers are the guest's. */
void translate_begin_sse(struct build *t);

/* prologue.c: emits the code that all traces share. */
void translate_make_shared(struct translate *t);

/* link.c */
/* @b goes: its code, and that of all traces that it is in. */
void translate_drop(struct translate *t, struct block *b);
/* When @cond holds (COND_COUNT: always), goes to the block at the block's byte @delta. */
void translate_edge(struct build *t, unsigned cond, int32_t delta);
/* The same in the middle of a trace: stores first what is in host registers only. */
void translate_side_exit(struct build *t, unsigned cond, int32_t delta);
/* Behind the guest's part of a CALL: goes to the callee, with a host's return address that leads to the block's byte
 * @ret. The callee is the byte @delta, or at T1, or what is translated next. */
enum callee { CALLEE_DIRECT, CALLEE_INDIRECT, CALLEE_NEXT };
void translate_call(struct build *t, enum callee callee, int32_t delta, int32_t ret);
/* @b's code is not to be used any more; @b itself stays, and may get new code. */
void translate_drop_code(struct translate *t, struct block *b);
/* @u is an edge: goes to its target, and chains it when the target has code. */
uop_fn translate_follow;

/* emit_int.c, emit_flow.c, emit_sse.c, emit_generic.c and what those ask: true when the instruction is
 * theirs; fills @x. */
/* Sets reads_flags and writes_flags by the instruction's row (insn_tab.h). */
void translate_plan_flags(struct plan *x);
/* Each plans the instructions of its class. Returns false when @x is not one of them; @x is then as it was. */
bool translate_plan_int(struct plan *x);
bool translate_plan_flow(struct plan *x);
bool translate_plan_sse(struct plan *x);
bool translate_plan_rest(struct plan *x);
bool translate_plan_alu(struct plan *x);
bool translate_plan_bits(struct plan *x);
bool translate_plan_sys(struct plan *x);
bool translate_plan_string(struct plan *x);

#endif
