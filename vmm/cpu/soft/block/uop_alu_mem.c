/* vmm/cpu/soft/block/uop_alu_mem.c: ALU uops with a memory operand, byte, dword and
 * qword.
 *
 * A read-modify-write asks for the write tag only: what may be written may be
 * read (SDM vol. 3 §4.6).
 *
 * Used by: uop_select.c, through the tables at the end. */
#include "vmm/cpu/soft/block/uop_alu.h"

#define RM(op, n, form)                                                        \
	static const struct uop *op##_rm##n##form(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_##form(s, u), a_, b_;                  \
		UOP_HOST_LD(s, u, lin_, n);                                    \
		b_ = uop_host_ld##n(host_);                                    \
		a_ = uop_get##n(s, u->dst);                                    \
		ALU_##op(n, a_, b_);                                           \
		if (ALU_WB_##op)                                               \
			uop_set##n(s, u->dst, r_);                             \
		UOP_NEXT(s, u + 1);                                            \
	}
/* Memory is the destination, written back: @kind mr with a register, mi an immediate. */
#define MW(op, n, form, kind, operand)                                         \
	static const struct uop *op##_##kind##n##form(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_##form(s, u), a_, b_ = (operand);      \
		UOP_HOST_ST(s, u, lin_, n);                                    \
		a_ = uop_host_ld##n(host_);                                    \
		ALU_##op(n, a_, b_);                                           \
		uop_host_st##n(host_, r_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}
/* The same for CMP and TEST, which only read. */
#define MR(op, n, form, kind, operand)                                         \
	static const struct uop *op##_##kind##n##form(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_##form(s, u), a_, b_ = (operand);      \
		UOP_HOST_LD(s, u, lin_, n);                                    \
		a_ = uop_host_ld##n(host_);                                    \
		ALU_##op(n, a_, b_);                                           \
		(void)r_;                                                      \
		UOP_NEXT(s, u + 1);                                            \
	}
#define FORMS(op, n, dest)                                                     \
	RM(op, n, plain) RM(op, n, full)                                       \
	dest(op, n, plain, mr, uop_get##n(s, u->src)) dest(op, n, full, mr, uop_get##n(s, u->src)) \
	dest(op, n, plain, mi, u->imm) dest(op, n, full, mi, u->imm)
#define SIZES(op, dest) FORMS(op, 1, dest) FORMS(op, 4, dest) FORMS(op, 8, dest)
SIZES(ADD, MW)
SIZES(OR, MW)
SIZES(ADC, MW)
SIZES(SBB, MW)
SIZES(AND, MW)
SIZES(SUB, MW)
SIZES(XOR, MW)
SIZES(CMP, MR)
SIZES(TEST, MR)

#define ROW(op, kind)                                                          \
	{                                                                      \
		{ op##_##kind##1plain, op##_##kind##1full }, { NULL, NULL },   \
		{ op##_##kind##4plain, op##_##kind##4full },                   \
		{ op##_##kind##8plain, op##_##kind##8full }                    \
	}
#define ROW_RM(op) ROW(op, rm)
#define ROW_MR(op) ROW(op, mr)
#define ROW_MI(op) ROW(op, mi)
uop_fn *const uop_alu_rm[UOP_ALU_OPS][UOP_SIZES][2] = ALU_TABLE(ROW_RM);
uop_fn *const uop_alu_mr[UOP_ALU_OPS][UOP_SIZES][2] = ALU_TABLE(ROW_MR);
uop_fn *const uop_alu_mi[UOP_ALU_OPS][UOP_SIZES][2] = ALU_TABLE(ROW_MI);
