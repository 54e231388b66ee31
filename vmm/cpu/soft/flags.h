/* vmm/cpu/soft/flags.h: lazy arithmetic flags.
 *
 * An instruction that sets flags stores its operands and its result, all
 * sign-extended to 64 bits from the operand's size, and a class (cc_op).
 * Sign extension keeps both the signed and the unsigned order, so no flag but
 * its own class's needs to know the size: ZF is dst == 0, SF is dst < 0, the
 * borrow of a subtraction is aux <u src whatever the size was.
 *
 *   cc_dst  the result            cc_aux  the first operand
 *   cc_src  the second operand; the carry kept for INC and DEC; explicit
 *           flags (FLAG_*) for CC_FLAGS (all six) and CC_MIX (CF, AF, OF)
 *
 * Used by: every integer executor, event.c, soft_cpu.c.
 * Sources: SDM vol. 1 §3.4.3.1; vol. 1 appendix A for what each writes. */
#ifndef MUSTER_VMM_CPU_SOFT_FLAGS_H
#define MUSTER_VMM_CPU_SOFT_FLAGS_H

#include "vmm/cpu/soft/soft.h"

enum cc_op {
	CC_FLAGS, /* cc_src holds all six */
	CC_ADD, /* dst = aux + src */
	CC_ADC1, /* dst = aux + src + 1 */
	CC_SUB, /* dst = aux - src */
	CC_SBB1, /* dst = aux - src - 1 */
	CC_LOGIC, /* CF, OF, AF are 0 */
	CC_INC, /* dst = aux + 1; cc_src is CF */
	CC_DEC, /* dst = aux - 1; cc_src is CF */
	CC_MIX, /* ZF, SF, PF of dst; CF, AF, OF in cc_src */
	CC_COUNT
};

/* SETcc's and Jcc's conditions: the opcode's low four bits. */
enum cc_cond { COND_O, COND_NO, COND_B, COND_AE, COND_E, COND_NE, COND_BE, COND_A,
	       COND_S, COND_NS, COND_P, COND_NP, COND_L, COND_GE, COND_LE, COND_G, COND_COUNT };

static inline void cc_set(struct soft *s, enum cc_op op, uint64_t dst, uint64_t src, uint64_t aux)
{
	s->cc_op = op;
	s->cc_dst = dst;
	s->cc_src = src;
	s->cc_aux = aux;
}

static inline void cc_set_logic(struct soft *s, uint64_t dst)
{
	s->cc_op = CC_LOGIC;
	s->cc_dst = dst;
}

static inline void cc_set_flags(struct soft *s, uint32_t flags)
{
	s->cc_op = CC_FLAGS;
	s->cc_src = flags & FLAG_ARITH;
}

static inline bool cc_cf(const struct soft *s)
{
	switch (s->cc_op) {
	case CC_ADD:
		return s->cc_dst < s->cc_aux;
	case CC_ADC1:
		return s->cc_dst <= s->cc_aux;
	case CC_SUB:
		return s->cc_aux < s->cc_src;
	case CC_SBB1:
		return s->cc_aux <= s->cc_src;
	case CC_LOGIC:
		return false;
	default: /* CC_FLAGS, CC_INC, CC_DEC, CC_MIX */
		return s->cc_src & FLAG_CF;
	}
}

static inline bool cc_zf(const struct soft *s)
{
	return s->cc_op == CC_FLAGS ? (s->cc_src & FLAG_ZF) != 0 : s->cc_dst == 0;
}

static inline bool cc_sf(const struct soft *s)
{
	return s->cc_op == CC_FLAGS ? (s->cc_src & FLAG_SF) != 0 : (int64_t)s->cc_dst < 0;
}

static inline bool cc_of(const struct soft *s)
{
	uint64_t r = s->cc_dst, a = s->cc_aux, b = s->cc_src;

	switch (s->cc_op) {
	case CC_ADD:
	case CC_ADC1:
		return (int64_t)((a ^ r) & (b ^ r)) < 0;
	case CC_SUB:
	case CC_SBB1:
		return (int64_t)((a ^ b) & (a ^ r)) < 0;
	case CC_LOGIC:
		return false;
	case CC_INC:
		return (int64_t)(~a & r) < 0;
	case CC_DEC:
		return (int64_t)(a & ~r) < 0;
	default:
		return (b & FLAG_OF) != 0;
	}
}

static inline bool cc_pf(const struct soft *s)
{
	if (s->cc_op == CC_FLAGS)
		return (s->cc_src & FLAG_PF) != 0;
	return !__builtin_parity((unsigned)(s->cc_dst & 0xFF));
}

static inline bool cc_af(const struct soft *s)
{
	switch (s->cc_op) {
	case CC_ADD:
	case CC_ADC1:
	case CC_SUB:
	case CC_SBB1:
		return ((s->cc_dst ^ s->cc_src ^ s->cc_aux) & 0x10) != 0;
	case CC_LOGIC:
		return false;
	case CC_INC:
	case CC_DEC:
		return ((s->cc_dst ^ s->cc_aux) & 0x10) != 0;
	default:
		return (s->cc_src & FLAG_AF) != 0;
	}
}

/* The six flags as RFLAGS bits. */
static inline uint32_t cc_flags(const struct soft *s)
{
	if (s->cc_op == CC_FLAGS)
		return (uint32_t)s->cc_src & FLAG_ARITH;
	return (uint32_t)((cc_cf(s) ? FLAG_CF : 0) | (cc_pf(s) ? FLAG_PF : 0) |
			  (cc_af(s) ? FLAG_AF : 0) | (cc_zf(s) ? FLAG_ZF : 0) |
			  (cc_sf(s) ? FLAG_SF : 0) | (cc_of(s) ? FLAG_OF : 0));
}

/* Changes only the flags in @mask to those of @flags. */
static inline void cc_merge(struct soft *s, uint32_t mask, uint32_t flags)
{
	cc_set_flags(s, (cc_flags(s) & ~mask) | (flags & mask));
}

/* @cond: enum cc_cond. */
static inline bool cc_test(const struct soft *s, unsigned cond)
{
	bool v;

	switch (cond >> 1) {
	case COND_O >> 1:
		v = cc_of(s);
		break;
	case COND_B >> 1:
		v = cc_cf(s);
		break;
	case COND_E >> 1:
		v = cc_zf(s);
		break;
	case COND_BE >> 1:
		v = cc_zf(s) || cc_cf(s);
		break;
	case COND_S >> 1:
		v = cc_sf(s);
		break;
	case COND_P >> 1:
		v = cc_pf(s);
		break;
	case COND_L >> 1:
		v = cc_sf(s) != cc_of(s);
		break;
	default:
		v = cc_zf(s) || cc_sf(s) != cc_of(s);
		break;
	}
	return v != (cond & 1);
}

#endif
