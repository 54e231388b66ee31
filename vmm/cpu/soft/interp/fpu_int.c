/* vmm/cpu/soft/interp/fpu_int.c: the packed integer and bitwise operations of SSE, and of MMX.
 *
 * One host instruction each. An MMX operation runs as the SSE one of the same
 * name on the low halves; those that take both operands apart (PACK, PHADD)
 * run on the operands joined in one register, PUNPCKH takes the upper half of
 * what PUNPCKL makes. So the host's x87 registers are never touched.
 *
 * Used by: exec_lookup.c.   Depends on: fpu.h.   Sources: SDM vol. 2, each instruction; vol. 1 §9.4. */
#include "vmm/cpu/soft/interp/fpu.h"

/* dst op src, on whole registers. */
#define CORE(op)                                                               \
	static inline __m128i core_##op(__m128i d, __m128i v)                  \
	{                                                                      \
		__asm__(#op " %1, %0" : "+x"(d) : "x"(v));                     \
		return d;                                                      \
	}
#define SSE(op)                                                                \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i v;                                                     \
                                                                               \
		sse_enter(s);                                                  \
		v = sse_src(s, i);                                             \
		xmm_set(s, i->reg, core_##op(xmm_get(s, i->reg), v));          \
	}

static inline __m128i from64(uint64_t v)
{
	return _mm_cvtsi64_si128((long long)v);
}

static inline uint64_t low64(__m128i v)
{
	return (uint64_t)_mm_cvtsi128_si64(v);
}

static inline uint64_t high64(__m128i v)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v));
}

/* Both operands are read before the registers turn to MMX's. */
#define MMX(name, v, src, result)                                              \
	void mmx_##name(struct soft *s, const struct insn *i)                  \
	{                                                                      \
		uint64_t d, v;                                                 \
                                                                               \
		mmx_check(s);                                                  \
		v = (src);                                                     \
		d = mmx_get(s, i->reg & 7);                                    \
		mmx_enter(s);                                                  \
		mmx_set(s, i->reg & 7, (result));                              \
	}

#define BOTH(op)                                                               \
	CORE(op)                                                               \
	SSE(op)                                                                \
	MMX(op, v, mmx_src(s, i), low64(core_##op(from64(d), from64(v))))
#define BOTH_JOINED(op)                                                        \
	CORE(op)                                                               \
	SSE(op)                                                                \
	MMX(op, v, mmx_src(s, i),                                              \
	    low64(core_##op(_mm_set_epi64x((long long)v, (long long)d),        \
			    _mm_set_epi64x((long long)v, (long long)d))))
#define ONLY_SSE(op) CORE(op) SSE(op)

	BOTH(pcmpgtb) BOTH(pcmpgtw) BOTH(pcmpgtd) BOTH(pcmpeqb) BOTH(pcmpeqw) BOTH(pcmpeqd)
	BOTH(psrlw) BOTH(psrld) BOTH(psrlq) BOTH(paddq) BOTH(pmullw) BOTH(psubusb) BOTH(psubusw)
	BOTH(pminub) BOTH(pand) BOTH(paddusb) BOTH(paddusw) BOTH(pmaxub) BOTH(pandn) BOTH(pavgb)
	BOTH(psraw) BOTH(psrad) BOTH(pavgw) BOTH(pmulhuw) BOTH(pmulhw) BOTH(psubsb) BOTH(psubsw)
	BOTH(pminsw) BOTH(por) BOTH(paddsb) BOTH(paddsw) BOTH(pmaxsw) BOTH(pxor) BOTH(psllw)
	BOTH(pslld) BOTH(psllq) BOTH(pmuludq) BOTH(pmaddwd) BOTH(psadbw) BOTH(psubb) BOTH(psubw)
	BOTH(psubd) BOTH(psubq) BOTH(paddb) BOTH(paddw) BOTH(paddd) BOTH(pmaddubsw) BOTH(psignb)
	BOTH(psignw) BOTH(psignd) BOTH(pmulhrsw) BOTH(pabsb) BOTH(pabsw) BOTH(pabsd)
	BOTH_JOINED(packsswb) BOTH_JOINED(packuswb) BOTH_JOINED(packssdw) BOTH_JOINED(phaddw)
	BOTH_JOINED(phaddd) BOTH_JOINED(phaddsw) BOTH_JOINED(phsubw) BOTH_JOINED(phsubd)
	BOTH_JOINED(phsubsw)

	/* The memory form of PUNPCKL reads 32 bits in MMX. */
#define BOTH_LOW(op)                                                           \
	CORE(op)                                                               \
	SSE(op)                                                                \
	MMX(op, v, i->mod == 3 ? mmx_get(s, i->rm & 7) : fpu_ld32(s, i),       \
	    low64(core_##op(from64(d), from64(v))))
#define BOTH_HIGH(op, low_op)                                                  \
	CORE(op)                                                               \
	SSE(op)                                                                \
	MMX(op, v, mmx_src(s, i), high64(core_##low_op(from64(d), from64(v))))

	BOTH_LOW(punpcklbw) BOTH_LOW(punpcklwd) BOTH_LOW(punpckldq)
	BOTH_HIGH(punpckhbw, punpcklbw) BOTH_HIGH(punpckhwd, punpcklwd)
	BOTH_HIGH(punpckhdq, punpckldq)

	/* Indexes are modulo 8 in MMX. */
	CORE(pshufb) SSE(pshufb)
	MMX(pshufb, v, mmx_src(s, i),
	    low64(core_pshufb(from64(d), from64(v & UINT64_C(0x8787878787878787)))))

	ONLY_SSE(punpcklqdq) ONLY_SSE(punpckhqdq) ONLY_SSE(pmuldq) ONLY_SSE(pcmpeqq)
	ONLY_SSE(packusdw) ONLY_SSE(pcmpgtq) ONLY_SSE(pminsb) ONLY_SSE(pminsd) ONLY_SSE(pminuw)
	ONLY_SSE(pminud) ONLY_SSE(pmaxsb) ONLY_SSE(pmaxsd) ONLY_SSE(pmaxuw) ONLY_SSE(pmaxud)
	ONLY_SSE(pmulld) ONLY_SSE(phminposuw) ONLY_SSE(unpcklps) ONLY_SSE(unpcklpd)
	ONLY_SSE(unpckhps) ONLY_SSE(unpckhpd) ONLY_SSE(andps) ONLY_SSE(andpd) ONLY_SSE(andnps)
	ONLY_SSE(andnpd) ONLY_SSE(orps) ONLY_SSE(orpd) ONLY_SSE(xorps) ONLY_SSE(xorpd)

/* clang-format off */
/* PSRLW to PSLLDQ by an immediate: groups 12, 13 and 14. Counts are a byte. */
#define SSE_SHIFT_IMM(op, result)                                              \
	void sse_##op##_imm(struct soft *s, const struct insn *i)              \
	{                                                                      \
		unsigned n = (uint8_t)i->imm;                                  \
		__m128i d;                                                     \
                                                                               \
		sse_enter(s);                                                  \
		d = xmm_get(s, i->rm);                                         \
		xmm_set(s, i->rm, (result));                                   \
	}
#define SHIFT_IMM(op)                                                          \
	SSE_SHIFT_IMM(op, core_##op(d, _mm_cvtsi32_si128((int)n)))             \
	void mmx_##op##_imm(struct soft *s, const struct insn *i)              \
	{                                                                      \
		__m128i count = _mm_cvtsi32_si128((uint8_t)i->imm);            \
		uint64_t d;                                                    \
                                                                               \
		mmx_check(s);                                                  \
		d = mmx_get(s, i->rm & 7);                                     \
		mmx_enter(s);                                                  \
		mmx_set(s, i->rm & 7, low64(core_##op(from64(d), count)));     \
	}

	SHIFT_IMM(psrlw) SHIFT_IMM(psraw) SHIFT_IMM(psllw) SHIFT_IMM(psrld) SHIFT_IMM(psrad)
	SHIFT_IMM(pslld) SHIFT_IMM(psrlq) SHIFT_IMM(psllq)
	SSE_SHIFT_IMM(psrldq, fpu_imm_call(imm_psrldq, n, d, d))
	SSE_SHIFT_IMM(pslldq, fpu_imm_call(imm_pslldq, n, d, d))
/* PMOVSX, PMOVZX: the memory form reads only what is widened. */
#define WIDEN(name, load)                                                      \
	CORE(name)                                                             \
	void sse_##name(struct soft *s, const struct insn *i)                  \
	{                                                                      \
		__m128i v;                                                     \
                                                                               \
		sse_enter(s);                                                  \
		v = load(s, i);                                                \
		xmm_set(s, i->reg, core_##name(v, v));                         \
	}
static inline __m128i sse_src16(struct soft *s, const struct insn *i)
{
	if (i->mod == 3)
		return xmm_get(s, i->rm);
	return _mm_cvtsi32_si128(mmu_ld16(s, soft_lin_for(s, i, 2, false)));
}

WIDEN(pmovsxbw, sse_src64)
WIDEN(pmovsxbd, sse_src32)
WIDEN(pmovsxbq, sse_src16)
WIDEN(pmovsxwd, sse_src64)
WIDEN(pmovsxwq, sse_src32)
WIDEN(pmovsxdq, sse_src64)
WIDEN(pmovzxbw, sse_src64)
WIDEN(pmovzxbd, sse_src32)
WIDEN(pmovzxbq, sse_src16)
WIDEN(pmovzxwd, sse_src64)
WIDEN(pmovzxwq, sse_src32)
WIDEN(pmovzxdq, sse_src64)

/* The mask is XMM0. */
#define BLENDV(op)                                                             \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		register __m128i mask __asm__("xmm0");                         \
		__m128i d, v;                                                  \
                                                                               \
		sse_enter(s);                                                  \
		v = sse_src(s, i);                                             \
		d = xmm_get(s, i->reg);                                        \
		mask = xmm_get(s, 0);                                          \
		__asm__(#op " %%xmm0, %1, %0" : "+x"(d) : "x"(v), "x"(mask));  \
		xmm_set(s, i->reg, d);                                         \
	}
BLENDV(pblendvb)
BLENDV(blendvps)
BLENDV(blendvpd)

/* clang-format on */

void sse_ptest(struct soft *s, const struct insn *i)
{
	uint32_t flags = 0;
	bool zf, cf;
	__m128i v;

	sse_enter(s);
	v = sse_src(s, i);
	__asm__("ptest %3, %2" : "=@ccz"(zf), "=@ccc"(cf) : "x"(xmm_get(s, i->reg)), "x"(v));
	if (zf)
		flags |= FLAG_ZF;
	if (cf)
		flags |= FLAG_CF;
	fpu_set_arith(s, flags);
}
