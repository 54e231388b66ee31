/* vmm/cpu/soft/block/uop_mov.c: moves, extensions, LEA, CMOVcc, SETcc, stack uops.
 *
 * Used by: uop_select.c, through the tables at the end. */
#include "vmm/cpu/soft/block/uop.h"

#define REG(n)                                                                 \
	static const struct uop *mov_rr##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uop_set##n(s, u->dst, s->r[u->src]);                           \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *mov_ri##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uop_set##n(s, u->dst, u->imm);                                 \
		UOP_NEXT(s, u + 1);                                            \
	}
#define MEM(n, form)                                                           \
	static const struct uop *mov_rm##n##form(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_##form(s, u);                          \
		UOP_HOST_LD(s, u, lin_, n);                                    \
		uop_set##n(s, u->dst, uop_host_ld##n(host_));                  \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *mov_mr##n##form(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_##form(s, u);                          \
		UOP_HOST_ST(s, u, lin_, n);                                    \
		uop_host_st##n(host_, s->r[u->src]);                           \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *mov_mi##n##form(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_##form(s, u);                          \
		UOP_HOST_ST(s, u, lin_, n);                                    \
		uop_host_st##n(host_, u->imm);                                 \
		UOP_NEXT(s, u + 1);                                            \
	}
#define ALL(n) REG(n) MEM(n, plain) MEM(n, full)
ALL(1)
ALL(2)
ALL(4)
ALL(8)
#define ROW(name) { name##1, name##2, name##4, name##8 }
#define ROW_MEM(name)                                                          \
	{                                                                      \
		{ name##1plain, name##1full }, { name##2plain, name##2full },  \
		{ name##4plain, name##4full }, { name##8plain, name##8full }   \
	}
uop_fn *const uop_mov_rr[UOP_SIZES] = ROW(mov_rr);
uop_fn *const uop_mov_ri[UOP_SIZES] = ROW(mov_ri);
uop_fn *const uop_mov_rm[UOP_SIZES][2] = ROW_MEM(mov_rm);
uop_fn *const uop_mov_mr[UOP_SIZES][2] = ROW_MEM(mov_mr);
uop_fn *const uop_mov_mi[UOP_SIZES][2] = ROW_MEM(mov_mi);

/* @k: s or z; @from: bytes of the source; @type to cut it with; @to: bytes of the destination. */
#define MOVX(k, from, type, to)                                                \
	static const struct uop *mov##k##from##to(struct soft *s, const struct uop *u) \
	{                                                                      \
		uop_set##to(s, u->dst, (uint64_t)(type)s->r[u->src]);          \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *mov##k##from##to##plain(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_plain(s, u);                           \
		UOP_HOST_LD(s, u, lin_, from);                                 \
		uop_set##to(s, u->dst, (uint64_t)(type)uop_host_ld##from(host_)); \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *mov##k##from##to##full(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t lin_ = uop_lin_full(s, u);                            \
		UOP_HOST_LD(s, u, lin_, from);                                 \
		uop_set##to(s, u->dst, (uint64_t)(type)uop_host_ld##from(host_)); \
		UOP_NEXT(s, u + 1);                                            \
	}
MOVX(z, 1, uint8_t, 2)
MOVX(z, 1, uint8_t, 4)
MOVX(z, 2, uint16_t, 4)
MOVX(s, 1, int8_t, 2)
MOVX(s, 1, int8_t, 4)
MOVX(s, 1, int8_t, 8)
MOVX(s, 2, int16_t, 4)
MOVX(s, 2, int16_t, 8)
MOVX(s, 4, int32_t, 8)
/* Zero extension to 8 bytes is that to 4. */
uop_fn *const uop_movx_rr[2][3][UOP_SIZES] = {
	{ { NULL, movz12, movz14, movz14 }, { NULL, NULL, movz24, movz24 } },
	{ { NULL, movs12, movs14, movs18 }, { NULL, NULL, movs24, movs28 }, { NULL, NULL, NULL, movs48 } },
};
#define PAIR(name) { name##plain, name##full }
uop_fn *const uop_movx_rm[2][3][UOP_SIZES][2] = {
	{ { { NULL, NULL }, PAIR(movz12), PAIR(movz14), PAIR(movz14) },
	  { { NULL, NULL }, { NULL, NULL }, PAIR(movz24), PAIR(movz24) } },
	{ { { NULL, NULL }, PAIR(movs12), PAIR(movs14), PAIR(movs18) },
	  { { NULL, NULL }, { NULL, NULL }, PAIR(movs24), PAIR(movs28) },
	  { { NULL, NULL }, { NULL, NULL }, { NULL, NULL }, PAIR(movs48) } },
};

/* LEA takes no segment: the full form is computed here. */
#define LEA(n)                                                                 \
	static const struct uop *lea##n##plain(struct soft *s, const struct uop *u) \
	{                                                                      \
		uop_set##n(s, u->dst, uop_lin_plain(s, u));                    \
		UOP_NEXT(s, u + 1);                                            \
	}                                                                      \
	static const struct uop *lea##n##full(struct soft *s, const struct uop *u) \
	{                                                                      \
		uop_set##n(s, u->dst, s->r[u->base] + (s->r[u->index] << u->scale) + \
			   (uint64_t)(int64_t)u->disp);                        \
		UOP_NEXT(s, u + 1);                                            \
	}
LEA(2)
LEA(4)
LEA(8)
uop_fn *const uop_lea[UOP_SIZES][2] = { { NULL, NULL }, PAIR(lea2), PAIR(lea4), PAIR(lea8) };

#define CMOV(n)                                                                \
	static const struct uop *cmov_rr##n(struct soft *s, const struct uop *u) \
	{                                                                      \
		uint64_t v_ = s->r[cc_test(s, u->cond) ? u->src : u->dst];     \
		uop_set##n(s, u->dst, v_);                                     \
		UOP_NEXT(s, u + 1);                                            \
	}
CMOV(2)
CMOV(4)
CMOV(8)
uop_fn *const uop_cmov_rr[UOP_SIZES] = { NULL, cmov_rr2, cmov_rr4, cmov_rr8 };

const struct uop *uop_setcc_r(struct soft *s, const struct uop *u)
{
	uop_set1(s, u->dst, cc_test(s, u->cond));
	UOP_NEXT(s, u + 1);
}

const struct uop *uop_cdqe(struct soft *s, const struct uop *u)
{
	s->r[CPU_RAX] = (uint64_t)(int32_t)s->r[CPU_RAX];
	UOP_NEXT(s, u + 1);
}

/* A miss of these has no memory operand to fill the TLB by: its executor does. */
#define STACK_HOST(s, u, lin, tag)                                             \
	const struct tlb_entry *e_ = &(s)->tlb[TLB_INDEX(lin)];                \
	uint64_t host_ = (lin) + e_->addend;                                   \
	if (UOP_UNLIKELY(!MMU_FAST(e_->tag, lin, 8)))                          \
	return uop_slow((s), (u))

const struct uop *uop_push_r(struct soft *s, const struct uop *u)
{
	uint64_t lin_ = s->r[CPU_RSP] - 8;
	STACK_HOST(s, u, lin_, write_tag);

	uop_host_st8(host_, s->r[u->src]);
	s->r[CPU_RSP] = lin_;
	UOP_NEXT(s, u + 1);
}

const struct uop *uop_push_i(struct soft *s, const struct uop *u)
{
	uint64_t lin_ = s->r[CPU_RSP] - 8;
	STACK_HOST(s, u, lin_, write_tag);

	uop_host_st8(host_, u->imm);
	s->r[CPU_RSP] = lin_;
	UOP_NEXT(s, u + 1);
}

const struct uop *uop_pop_r(struct soft *s, const struct uop *u)
{
	uint64_t lin_ = s->r[CPU_RSP];
	STACK_HOST(s, u, lin_, read_tag);

	s->r[CPU_RSP] = lin_ + 8;
	s->r[u->dst] = uop_host_ld8(host_);
	UOP_NEXT(s, u + 1);
}

const struct uop *uop_leave(struct soft *s, const struct uop *u)
{
	uint64_t lin_ = s->r[CPU_RBP];
	STACK_HOST(s, u, lin_, read_tag);

	s->r[CPU_RSP] = lin_ + 8;
	s->r[CPU_RBP] = uop_host_ld8(host_);
	UOP_NEXT(s, u + 1);
}
