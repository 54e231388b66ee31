/* vmm/cpu/soft/fpu_fp.c: SSE floating point: arithmetic, comparison, rounding.
 *
 * Each runs on the host with the guest's rounding, DAZ and FTZ and with all
 * exceptions masked; the flags it raised are then added to the guest's MXCSR,
 * or #XM is raised before the destination changes.
 *
 * With an exception unmasked the flags need care (SDM vol. 1 §11.5.3): an
 * unmasked invalid, denormal or divide-by-zero keeps the flags that come after the
 * computation from being set; unmasked underflow is raised for every tiny
 * result, exact or not, and makes FTZ void.
 *
 * RCP and RSQRT are ours, not the host's, because makers differ: correctly
 * rounded division, so well within the architecture's error of 1.5 * 2^-12.
 * Denormal sources count as zero, tiny results become zero, no flags.
 *
 * Used by: fpu_lookup.c.   Depends on: fpu.h.   Sources: SDM vol. 1 ch. 10, 11; vol. 2. */
#include "vmm/cpu/soft/fpu.h"

enum { PRE_FLAGS = FPU_IE | FPU_DE | FPU_ZE, MXCSR_UM = FPU_UE << 7 };

void sse_fp_unmasked(struct soft *s, uint32_t flags)
{
	if (flags & PRE_FLAGS & ~(s->fx.mxcsr >> 7))
		flags &= PRE_FLAGS;
	s->fx.mxcsr |= flags;
	if (!(s->cr4 & CR4_OSXMMEXCPT))
		soft_ud(s);
	soft_raise(s, EXC_XM);
}

/* Which results can be tiny, and how wide they are. */
enum tiny { TINY_NEVER, TINY_PS, TINY_PD, TINY_SS, TINY_SD };

static bool is_tiny32(uint32_t v)
{
	return !(v & 0x7F800000) && v & 0x7FFFFF;
}

static bool is_tiny64(uint64_t v)
{
	return !(v & UINT64_C(0x7FF0000000000000)) && v & UINT64_C(0xFFFFFFFFFFFFF);
}

static bool has_tiny(__m128i r, enum tiny tiny)
{
	uint32_t d[4];
	uint64_t q[2];
	bool found = false;

	memcpy(d, &r, 16);
	memcpy(q, &r, 16);
	for (unsigned k = 0; k < (tiny == TINY_PS ? 4 : tiny == TINY_SS ? 1 : 0); k++)
		found |= is_tiny32(d[k]);
	for (unsigned k = 0; k < (tiny == TINY_PD ? 2 : tiny == TINY_SD ? 1 : 0); k++)
		found |= is_tiny64(q[k]);
	return found;
}

/* sse_fp_end() for a guest that wants to hear of underflow. */
static __attribute__((noinline)) void end_with_underflow(struct soft *s, __m128i r, enum tiny tiny)
{
	uint32_t v, flags;

	__asm__ volatile("stmxcsr %0" : "=m"(v));
	flags = v & FPU_FLAGS;
	if (has_tiny(r, tiny))
		flags |= FPU_UE;
	if (flags & ~(s->fx.mxcsr >> 7)) {
		v = MXCSR_DEFAULT;
		__asm__ volatile("ldmxcsr %0" : : "m"(v));
		sse_fp_unmasked(s, flags);
	}
	sse_fp_end(s);
}

static inline void fp_begin(struct soft *s)
{
	if (__builtin_expect(!(s->fx.mxcsr & MXCSR_UM) && s->fx.mxcsr & MXCSR_FTZ, 0)) {
		uint32_t v = (s->fx.mxcsr | MXCSR_DEFAULT) & ~(uint32_t)(FPU_FLAGS | MXCSR_FTZ) &
			     MXCSR_VALID;

		__asm__ volatile("ldmxcsr %0" : : "m"(v));
		return;
	}
	sse_fp_begin(s);
}

static inline void fp_end(struct soft *s, __m128i r, enum tiny tiny)
{
	if (__builtin_expect(!(s->fx.mxcsr & MXCSR_UM), 0))
		end_with_underflow(s, r, tiny);
	else
		sse_fp_end(s);
}

/* dst = dst op src; @load says how wide the memory form is. */
#define ARITH(op, load, tiny)                                                  \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i v, d;                                                  \
                                                                               \
		sse_enter(s);                                                  \
		v = load(s, i);                                                \
		d = xmm_get(s, i->reg);                                        \
		fp_begin(s);                                                   \
		__asm__ volatile(#op " %1, %0" : "+x"(d) : "x"(v));            \
		fp_end(s, d, tiny);                                            \
		xmm_set(s, i->reg, d);                                         \
	}
#define FOUR(op, t_ps, t_pd, t_ss, t_sd)                                               \
	ARITH(op##ps, sse_src, t_ps)                                             \
	ARITH(op##pd, sse_src, t_pd)                                             \
	ARITH(op##ss, sse_src32, t_ss)                                           \
	ARITH(op##sd, sse_src64, t_sd)

FOUR(add, TINY_PS, TINY_PD, TINY_SS, TINY_SD)
FOUR(sub, TINY_PS, TINY_PD, TINY_SS, TINY_SD)
FOUR(mul, TINY_PS, TINY_PD, TINY_SS, TINY_SD)
FOUR(div, TINY_PS, TINY_PD, TINY_SS, TINY_SD)
FOUR(sqrt, TINY_NEVER, TINY_NEVER, TINY_NEVER, TINY_NEVER)
FOUR(min, TINY_NEVER, TINY_NEVER, TINY_NEVER, TINY_NEVER)
FOUR(max, TINY_NEVER, TINY_NEVER, TINY_NEVER, TINY_NEVER)
ARITH(haddps, sse_src, TINY_PS)
ARITH(haddpd, sse_src, TINY_PD)
ARITH(hsubps, sse_src, TINY_PS)
ARITH(hsubpd, sse_src, TINY_PD)
ARITH(addsubps, sse_src, TINY_PS)
ARITH(addsubpd, sse_src, TINY_PD)
/* Conversions within XMM registers. */
ARITH(cvtps2pd, sse_src64, TINY_NEVER)
ARITH(cvtpd2ps, sse_src, TINY_PS)
ARITH(cvtss2sd, sse_src32, TINY_NEVER)
ARITH(cvtsd2ss, sse_src64, TINY_SS)
ARITH(cvtdq2ps, sse_src, TINY_NEVER)
ARITH(cvtps2dq, sse_src, TINY_NEVER)
ARITH(cvttps2dq, sse_src, TINY_NEVER)
ARITH(cvtpd2dq, sse_src, TINY_NEVER)
ARITH(cvttpd2dq, sse_src, TINY_NEVER)
ARITH(cvtdq2pd, sse_src64, TINY_NEVER)

#define ARITH_IMM(op, load, tiny)                                              \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i v, d;                                                  \
                                                                               \
		sse_enter(s);                                                  \
		v = load(s, i);                                                \
		d = xmm_get(s, i->reg);                                        \
		fp_begin(s);                                                   \
		d = fpu_imm_call(imm_##op, (unsigned)i->imm, d, v);            \
		fp_end(s, d, tiny);                                            \
		xmm_set(s, i->reg, d);                                         \
	}

ARITH_IMM(cmpps, sse_src, TINY_NEVER)
ARITH_IMM(cmppd, sse_src, TINY_NEVER)
ARITH_IMM(cmpss, sse_src32, TINY_NEVER)
ARITH_IMM(cmpsd, sse_src64, TINY_NEVER)
ARITH_IMM(roundps, sse_src, TINY_NEVER)
ARITH_IMM(roundpd, sse_src, TINY_NEVER)
ARITH_IMM(roundss, sse_src32, TINY_NEVER)
ARITH_IMM(roundsd, sse_src64, TINY_NEVER)

/* One step of a dot product on its own, which may raise #XM. */
#define DOT_STEP(name, op, tiny)                                               \
	static __m128i name(struct soft *s, __m128i a, __m128i b)              \
	{                                                                      \
		fp_begin(s);                                                   \
		__asm__ volatile(#op " %1, %0" : "+x"(a) : "x"(b));            \
		fp_end(s, a, tiny);                                            \
		return a;                                                      \
	}
DOT_STEP(dot_mul_ps, mulps, TINY_PS)
DOT_STEP(dot_add_ps, addps, TINY_PS)
DOT_STEP(dot_mul_pd, mulpd, TINY_PD)
DOT_STEP(dot_add_pd, addpd, TINY_PD)

/* With an exception unmasked, the products' exceptions come before the sums are
 * formed (SDM vol. 2, DPPS, "Exceptions"): the steps are taken singly first. */
static void dot_steps(struct soft *s, __m128i d, __m128i v, unsigned imm, bool is_pd)
{
	__m128i bits = is_pd ? _mm_set_epi32(0x20, 0x20, 0x10, 0x10) :
			       _mm_set_epi32(0x80, 0x40, 0x20, 0x10);
	__m128i on = _mm_cmpeq_epi32(_mm_and_si128(_mm_set1_epi32((int)imm), bits), bits);

	d = _mm_and_si128(d, on);
	v = _mm_and_si128(v, on);
	if (is_pd) {
		d = dot_mul_pd(s, d, v);
		(void)dot_add_pd(s, _mm_move_epi64(d), _mm_srli_si128(d, 8));
		return;
	}
	d = dot_mul_ps(s, d, v);
	v = _mm_srli_epi64(d, 32);
	on = _mm_set_epi32(0, -1, 0, -1);
	d = dot_add_ps(s, _mm_and_si128(d, on), v);
	(void)dot_add_ps(s, _mm_move_epi64(d), _mm_srli_si128(d, 8));
}

#define DOT(op, tiny, is_pd)                                                   \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i v, d;                                                  \
                                                                               \
		sse_enter(s);                                                  \
		v = sse_src(s, i);                                             \
		d = xmm_get(s, i->reg);                                        \
		if ((s->fx.mxcsr & MXCSR_DEFAULT) != MXCSR_DEFAULT)            \
			dot_steps(s, d, v, (unsigned)i->imm, is_pd);           \
		fp_begin(s);                                                   \
		d = fpu_imm_call(imm_##op, (unsigned)i->imm, d, v);            \
		fp_end(s, d, tiny);                                            \
		xmm_set(s, i->reg, d);                                         \
	}
DOT(dpps, TINY_PS, false)
DOT(dppd, TINY_PD, true)

/* ZF, PF, CF; OF, SF and AF are cleared. */
#define COMPARE(op, load)                                                      \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		bool zf, pf, cf;                                               \
		__m128i v;                                                     \
                                                                               \
		sse_enter(s);                                                  \
		v = load(s, i);                                                \
		sse_fp_begin(s);                                               \
		__asm__ volatile(#op " %4, %3"                                 \
				 : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf)       \
				 : "x"(xmm_get(s, i->reg)), "x"(v));           \
		sse_fp_end(s);                                                 \
		fpu_set_arith(s, (zf ? FLAG_ZF : 0u) | (pf ? FLAG_PF : 0u) |   \
					 (cf ? FLAG_CF : 0u));                 \
	}

COMPARE(ucomiss, sse_src32)
COMPARE(ucomisd, sse_src64)
COMPARE(comiss, sse_src32)
COMPARE(comisd, sse_src64)

#define FROM_GPR(op)                                                           \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i d;                                                     \
		uint64_t v;                                                    \
                                                                               \
		sse_enter(s);                                                  \
		v = fpu_gpr_src(s, i);                                         \
		d = xmm_get(s, i->reg);                                        \
		sse_fp_begin(s);                                               \
		if (i->rex & 8)                                                \
			__asm__ volatile(#op "q %1, %0" : "+x"(d) : "r"(v));   \
		else                                                           \
			__asm__ volatile(#op "l %k1, %0" : "+x"(d) : "r"(v));  \
		sse_fp_end(s);                                                 \
		xmm_set(s, i->reg, d);                                         \
	}
FROM_GPR(cvtsi2ss)
FROM_GPR(cvtsi2sd)

#define TO_GPR(op, load)                                                       \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i v;                                                     \
		uint64_t r;                                                    \
                                                                               \
		sse_enter(s);                                                  \
		v = load(s, i);                                                \
		sse_fp_begin(s);                                               \
		if (i->rex & 8)                                                \
			__asm__ volatile(#op " %1, %0" : "=r"(r) : "x"(v));    \
		else                                                           \
			__asm__ volatile(#op " %1, %k0" : "=r"(r) : "x"(v));   \
		sse_fp_end(s);                                                 \
		s->r[i->reg] = i->rex & 8 ? r : (uint32_t)r;                   \
	}
TO_GPR(cvtss2si, sse_src32)
TO_GPR(cvtsd2si, sse_src64)
TO_GPR(cvttss2si, sse_src32)
TO_GPR(cvttsd2si, sse_src64)

/* ---- between MMX and SSE ---- */

#define TO_MMX(name, op, load)                                                 \
	void sse_##name(struct soft *s, const struct insn *i)                  \
	{                                                                      \
		__m128i v;                                                     \
                                                                               \
		sse_enter(s);                                                  \
		mmx_check(s);                                                  \
		v = load(s, i);                                                \
		mmx_enter(s); /* even if #XM follows */                        \
		sse_fp_begin(s);                                               \
		__asm__ volatile(#op " %0, %0" : "+x"(v));                     \
		sse_fp_end(s);                                                 \
		mmx_set(s, i->reg & 7, (uint64_t)_mm_cvtsi128_si64(v));        \
	}

/* Only two elements take part: the others must not raise flags. */
static inline __m128i two_floats(struct soft *s, const struct insn *i)
{
	return _mm_move_epi64(sse_src64(s, i));
}

TO_MMX(cvtps2pi, cvtps2dq, two_floats)
TO_MMX(cvttps2pi, cvttps2dq, two_floats)
TO_MMX(cvtpd2pi, cvtpd2dq, sse_src)
TO_MMX(cvttpd2pi, cvttpd2dq, sse_src)

void sse_cvtpi2ps(struct soft *s, const struct insn *i)
{
	__m128i v;

	sse_enter(s);
	mmx_check(s);
	v = _mm_cvtsi64_si128((long long)mmx_src(s, i));
	mmx_enter(s);
	sse_fp_begin(s);
	__asm__ volatile("cvtdq2ps %0, %0" : "+x"(v));
	sse_fp_end(s);
	xmm_set_low(s, i->reg, (uint64_t)_mm_cvtsi128_si64(v));
}

/* From memory it is no MMX instruction (SDM vol. 2, CVTPI2PD). */
void sse_cvtpi2pd(struct soft *s, const struct insn *i)
{
	__m128i v;

	sse_enter(s);
	if (i->mod == 3)
		mmx_check(s);
	v = _mm_cvtsi64_si128((long long)mmx_src(s, i));
	if (i->mod == 3)
		mmx_enter(s);
	__asm__ volatile("cvtdq2pd %0, %0" : "+x"(v));
	xmm_set(s, i->reg, v);
}

/* ---- reciprocals ---- */

static __m128i reciprocal(__m128i v, bool of_root)
{
	uint32_t mode = MXCSR_DEFAULT | MXCSR_DAZ | MXCSR_FTZ;
	const uint32_t normal = MXCSR_DEFAULT;
	__m128i one = _mm_set1_epi32(0x3F800000);

	__asm__ volatile("ldmxcsr %0" : : "m"(mode));
	if (of_root)
		__asm__ volatile("sqrtps %0, %0" : "+x"(v));
	__asm__ volatile("divps %1, %0" : "+x"(one) : "x"(v));
	__asm__ volatile("ldmxcsr %0" : : "m"(normal));
	return one;
}

#define RECIPROCAL(name, of_root)                                              \
	void sse_##name##ps(struct soft *s, const struct insn *i)              \
	{                                                                      \
		sse_enter(s);                                                  \
		xmm_set(s, i->reg, reciprocal(sse_src(s, i), of_root));        \
	}                                                                      \
	void sse_##name##ss(struct soft *s, const struct insn *i)              \
	{                                                                      \
		__m128i r;                                                     \
                                                                               \
		sse_enter(s);                                                  \
		r = reciprocal(sse_src32(s, i), of_root);                      \
		xmm_set_low32(s, i->reg, (uint32_t)_mm_cvtsi128_si32(r));      \
	}
RECIPROCAL(rcp, false)
RECIPROCAL(rsqrt, true)
