/* vmm/cpu/soft/block/uop_alu_reg.c: ALU, shift and unary uops on registers.
 *
 * Used by: uop_select.c, through the tables at the end. */
#include "vmm/cpu/soft/block/uop_alu.h"

#define RR(op, n)                                                              \
	static const struct uop *op##_rr##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t a_ = uop_get##n(s, u->dst), b_ = uop_get##n(s, u->src); \
		ALU_##op(n, a_, b_);                                           \
		if (ALU_WB_##op)                                               \
			uop_set##n(s, u->dst, r_);                             \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *op##_ri##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t a_ = uop_get##n(s, u->dst), b_ = u->imm;              \
		ALU_##op(n, a_, b_);                                           \
		if (ALU_WB_##op)                                               \
			uop_set##n(s, u->dst, r_);                             \
		UOP_NEXT(s, u + 1);                                            \
	}
#define RR_OP(op) RR(op, 1) RR(op, 2) RR(op, 4) RR(op, 8)
ALU_EACH_OP(RR_OP)

#define ROW_RR(op) { op##_rr1, op##_rr2, op##_rr4, op##_rr8 }
#define ROW_RI(op) { op##_ri1, op##_ri2, op##_ri4, op##_ri8 }
uop_fn *const uop_alu_rr[UOP_ALU_OPS][UOP_SIZES] = ALU_TABLE(ROW_RR);
uop_fn *const uop_alu_ri[UOP_ALU_OPS][UOP_SIZES] = ALU_TABLE(ROW_RI);

#define UNARY(n)                                                               \
	static const struct uop *inc_r##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t a_ = uop_get##n(s, u->dst), c_ = cc_cf(s);            \
		cc_set(s, CC_INC, ALU_SX_##n(a_ + 1), c_, a_);                 \
		uop_set##n(s, u->dst, a_ + 1);                                 \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *dec_r##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t a_ = uop_get##n(s, u->dst), c_ = cc_cf(s);            \
		cc_set(s, CC_DEC, ALU_SX_##n(a_ - 1), c_, a_);                 \
		uop_set##n(s, u->dst, a_ - 1);                                 \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *neg_r##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t b_ = uop_get##n(s, u->dst);                           \
		ALU_SUB(n, (uint64_t)0, b_);                                   \
		uop_set##n(s, u->dst, r_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *not_r##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uop_set##n(s, u->dst, ~uop_get##n(s, u->dst));                 \
		UOP_NEXT(s, u + 1);                                            \
	}
UNARY(1)
UNARY(2)
UNARY(4)
UNARY(8)
uop_fn *const uop_inc_r[UOP_SIZES] = { inc_r1, inc_r2, inc_r4, inc_r8 };
uop_fn *const uop_dec_r[UOP_SIZES] = { dec_r1, dec_r2, dec_r4, dec_r8 };
uop_fn *const uop_neg_r[UOP_SIZES] = { neg_r1, neg_r2, neg_r4, neg_r8 };
uop_fn *const uop_not_r[UOP_SIZES] = { not_r1, not_r2, not_r4, not_r8 };

/* Shifts by an immediate of 1 to bits - 1; flags as int_shift.c has them. */
#define SHIFT_FLAGS(cf, of)                                                    \
	((uint64_t)(((cf) & 1 ? FLAG_CF : 0) | ((of) & 1 ? FLAG_OF : 0)))
#define SHIFTS(n, utype, bits)                                                 \
	static const struct uop *shl_r##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		unsigned k_ = (unsigned)u->imm;                                \
		uint64_t a_ = (utype)uop_get##n(s, u->dst);                    \
		uint64_t r_ = ALU_SX_##n(a_ << k_), c_ = a_ >> ((bits) - k_);  \
		cc_set(s, CC_MIX, r_, SHIFT_FLAGS(c_, c_ ^ r_ >> 63), 0);      \
		uop_set##n(s, u->dst, r_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *shr_r##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		unsigned k_ = (unsigned)u->imm;                                \
		uint64_t a_ = (utype)uop_get##n(s, u->dst);                    \
		uint64_t r_ = a_ >> k_;                                        \
		cc_set(s, CC_MIX, r_, SHIFT_FLAGS(a_ >> (k_ - 1), r_ >> ((bits) - 2)), 0); \
		uop_set##n(s, u->dst, r_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *sar_r##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		unsigned k_ = (unsigned)u->imm;                                \
		int64_t a_ = (int64_t)uop_get##n(s, u->dst);                   \
		uint64_t r_ = (uint64_t)(a_ >> k_);                            \
		cc_set(s, CC_MIX, r_, SHIFT_FLAGS(a_ >> (k_ - 1), 0), 0);      \
		uop_set##n(s, u->dst, r_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}
SHIFTS(4, uint32_t, 32)
SHIFTS(8, uint64_t, 64)
uop_fn *const uop_shift_ri[8][UOP_SIZES] = {
	[4] = { NULL, NULL, shl_r4, shl_r8 },
	[5] = { NULL, NULL, shr_r4, shr_r8 },
	[6] = { NULL, NULL, shl_r4, shl_r8 },
	[7] = { NULL, NULL, sar_r4, sar_r8 },
};

#define IMUL(n, stype, wtype)                                                  \
	static const struct uop *imul_rr##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		wtype p_ = (wtype)(stype)uop_get##n(s, u->dst) * (stype)uop_get##n(s, u->src); \
		uint64_t r_ = ALU_SX_##n(p_);                                  \
		cc_set(s, CC_MIX, r_, (wtype)(stype)r_ != p_ ? FLAG_CF | FLAG_OF : 0, 0); \
		uop_set##n(s, u->dst, r_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *imul_ri##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		wtype p_ = (wtype)(stype)uop_get##n(s, u->src) * (stype)u->imm; \
		uint64_t r_ = ALU_SX_##n(p_);                                  \
		cc_set(s, CC_MIX, r_, (wtype)(stype)r_ != p_ ? FLAG_CF | FLAG_OF : 0, 0); \
		uop_set##n(s, u->dst, r_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}
IMUL(4, int32_t, int64_t)
IMUL(8, int64_t, __int128)
uop_fn *const uop_imul_rr[UOP_SIZES] = { NULL, NULL, imul_rr4, imul_rr8 };
uop_fn *const uop_imul_ri[UOP_SIZES] = { NULL, NULL, imul_ri4, imul_ri8 };
