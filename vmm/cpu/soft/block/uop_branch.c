/* vmm/cpu/soft/block/uop_branch.c: near branches of 64-bit mode, and compares fused
 * with the Jcc behind them.
 *
 * Conditions are computed from what the builder knows of the flags: after a
 * subtraction they are comparisons of its operands.
 *
 * Used by: uop_select.c, through the tables at the end. */
#include "vmm/cpu/soft/block/uop_alu.h"

/* r, a, b as flags.h stores them. */
#define SUB_O(r, a, b) ((int64_t)(((a) ^ (b)) & ((a) ^ (r))) < 0)
#define SUB_B(r, a, b) ((a) < (b))
#define SUB_E(r, a, b) ((a) == (b))
#define SUB_BE(r, a, b) ((a) <= (b))
#define SUB_S(r, a, b) ((int64_t)(r) < 0)
#define SUB_P(r, a, b) (!__builtin_parity((unsigned)((r) & 0xFF)))
#define SUB_L(r, a, b) ((int64_t)(a) < (int64_t)(b))
#define SUB_LE(r, a, b) ((int64_t)(a) <= (int64_t)(b))
#define LOGIC_O(r) false
#define LOGIC_B(r) false
#define LOGIC_E(r) ((r) == 0)
#define LOGIC_BE(r) ((r) == 0)
#define LOGIC_S(r) ((int64_t)(r) < 0)
#define LOGIC_P(r) (!__builtin_parity((unsigned)((r) & 0xFF)))
#define LOGIC_L(r) ((int64_t)(r) < 0)
#define LOGIC_LE(r) ((int64_t)(r) <= 0)

#define BRANCH(s, u, condition)                                                \
	do {                                                                   \
		const struct uop_chain *l_ = uop_chain_of(u);                  \
                                                                               \
		if (condition) {                                               \
			uint64_t t_ = (s)->r[INSN_REG_RIP] + (uint64_t)(int64_t)(u)->disp; \
			UOP_GOTO(s, (const struct uop **)(uintptr_t)&l_->taken, t_); \
		}                                                              \
		UOP_GOTO(s, (const struct uop **)(uintptr_t)&l_->fall, uop_rip(s, u)); \
	} while (0)

#define JCC(name, number, negate)                                              \
	static const struct uop *jcc_##number(struct soft *s, const struct uop *u) \
	{                                                                      \
		BRANCH(s, u, cc_test(s, number));                              \
	}                                                                      \
	static const struct uop *jcc_sub_##number(struct soft *s, const struct uop *u) \
	{                                                                      \
		BRANCH(s, u, SUB_##name(s->cc_dst, s->cc_aux, s->cc_src) != (negate)); \
	}                                                                      \
	static const struct uop *jcc_logic_##number(struct soft *s, const struct uop *u) \
	{                                                                      \
		BRANCH(s, u, LOGIC_##name(s->cc_dst) != (negate));             \
	}
#define EACH_COND(f)                                                           \
	f(O, 0, 0) f(O, 1, 1) f(B, 2, 0) f(B, 3, 1) f(E, 4, 0) f(E, 5, 1) f(BE, 6, 0) f(BE, 7, 1) \
	f(S, 8, 0) f(S, 9, 1) f(P, 10, 0) f(P, 11, 1) f(L, 12, 0) f(L, 13, 1) f(LE, 14, 0) f(LE, 15, 1)
EACH_COND(JCC)
#define ROW(p)                                                                 \
	{                                                                      \
		p##0, p##1, p##2, p##3, p##4, p##5, p##6, p##7, p##8, p##9, p##10, p##11, p##12, p##13, \
			p##14, p##15                                           \
	}
uop_fn *const uop_jcc[4][COND_COUNT] = {
	[UOP_CC_UNKNOWN] = ROW(jcc_),
	[UOP_CC_SUB] = ROW(jcc_sub_),
	[UOP_CC_LOGIC] = ROW(jcc_logic_),
	/* Only ZF, SF and PF follow from the result alone. */
	[UOP_CC_RESULT] = { jcc_0, jcc_1, jcc_2, jcc_3, jcc_logic_4, jcc_logic_5, jcc_6, jcc_7, jcc_logic_8,
			    jcc_logic_9, jcc_logic_10, jcc_logic_11, jcc_12, jcc_13, jcc_14, jcc_15 },
};

#define FUSED(kind, n, operand, name, number, negate)                          \
	static const struct uop *cmp_##kind##n##_##number(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t a_ = uop_get##n(s, u->dst), b_ = (operand);           \
		ALU_SUB(n, a_, b_);                                            \
		BRANCH(s, u, SUB_##name(r_, a_, b_) != (negate));              \
	}                                                                      \
	static const struct uop *test_##kind##n##_##number(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t a_ = uop_get##n(s, u->dst), b_ = (operand);           \
		ALU_AND(n, a_, b_);                                            \
		BRANCH(s, u, LOGIC_##name(r_) != (negate));                    \
	}
#define FUSED_ALL(name, number, negate)                                        \
	FUSED(rr, 1, uop_get1(s, u->src), name, number, negate)                \
	FUSED(rr, 4, uop_get4(s, u->src), name, number, negate)                \
	FUSED(rr, 8, uop_get8(s, u->src), name, number, negate)                \
	FUSED(ri, 1, u->imm, name, number, negate)                             \
	FUSED(ri, 4, u->imm, name, number, negate)                             \
	FUSED(ri, 8, u->imm, name, number, negate)
EACH_COND(FUSED_ALL)
uop_fn *const uop_cmp_rr_jcc[UOP_SIZES][COND_COUNT] = { ROW(cmp_rr1_), { NULL }, ROW(cmp_rr4_), ROW(cmp_rr8_) };
uop_fn *const uop_cmp_ri_jcc[UOP_SIZES][COND_COUNT] = { ROW(cmp_ri1_), { NULL }, ROW(cmp_ri4_), ROW(cmp_ri8_) };
uop_fn *const uop_test_rr_jcc[UOP_SIZES][COND_COUNT] = { ROW(test_rr1_), { NULL }, ROW(test_rr4_), ROW(test_rr8_) };
uop_fn *const uop_test_ri_jcc[UOP_SIZES][COND_COUNT] = { ROW(test_ri1_), { NULL }, ROW(test_ri4_), ROW(test_ri8_) };

const struct uop *uop_jmp(struct soft *s, const struct uop *u)
{
	UOP_GOTO(s, &uop_chain_of(u)->taken, s->r[INSN_REG_RIP] + (uint64_t)(int64_t)u->disp);
}

static inline bool is_canonical(uint64_t lin)
{
	return (uint64_t)((int64_t)(lin << 16) >> 16) == lin;
}

/* A miss of the stack's page runs the executor, which faults or fills. */
#define CALL(s, u, target, how)                                                \
	do {                                                                   \
		uint64_t t_ = (target), lin_ = (s)->r[CPU_RSP] - 8;            \
		const struct tlb_entry *e_ = &(s)->tlb[TLB_INDEX(lin_)];       \
                                                                               \
		if (UOP_UNLIKELY(!MMU_FAST(e_->write_tag, lin_, 8) || !is_canonical(t_))) \
			return uop_slow((s), (u));                             \
		uop_host_st8(lin_ + e_->addend, uop_rip(s, u));                \
		(s)->r[CPU_RSP] = lin_;                                        \
		how;                                                           \
	} while (0)

const struct uop *uop_call(struct soft *s, const struct uop *u)
{
	CALL(s, u, s->r[INSN_REG_RIP] + (uint64_t)(int64_t)u->disp, UOP_GOTO(s, &uop_chain_of(u)->taken, t_));
}

const struct uop *uop_call_r(struct soft *s, const struct uop *u)
{
	CALL(s, u, s->r[u->src], s->rip = t_; return uop_jump(s));
}

const struct uop *uop_jmp_r(struct soft *s, const struct uop *u)
{
	uint64_t target = s->r[u->src];

	if (UOP_UNLIKELY(!is_canonical(target)))
		return uop_slow(s, u);
	s->rip = target;
	return uop_jump(s);
}

const struct uop *uop_ret(struct soft *s, const struct uop *u)
{
	uint64_t lin = s->r[CPU_RSP], target;
	const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];

	if (UOP_UNLIKELY(!MMU_FAST(e->read_tag, lin, 8)))
		return uop_slow(s, u);
	target = uop_host_ld8(lin + e->addend);
	if (UOP_UNLIKELY(!is_canonical(target)))
		return uop_slow(s, u);
	s->r[CPU_RSP] = lin + 8 + u->imm;
	s->rip = target;
	return uop_jump(s);
}
