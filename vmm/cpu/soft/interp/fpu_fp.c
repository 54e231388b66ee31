/* vmm/cpu/soft/interp/fpu_fp.c: SSE floating point: arithmetic, comparison, rounding.
 *
 * Each runs on the host with the guest's rounding, DAZ and FTZ and with all
 * exceptions masked; the flags it raised are then added to the guest's MXCSR,
 * or #XM is raised before the destination changes.
 *
 * With an exception unmasked the flags need care (SDM vol. 1 §11.5.3): an
 * unmasked invalid, denormal or divide-by-zero keeps the flags that come after the
 * computation from being set; unmasked underflow is raised for every tiny
 * result, exact or not, and makes FTZ void; with either of overflow and
 * underflow raised, precision is that of the result with the exponent unbounded.
 *
 * RCP and RSQRT are ours, not the host's, because makers differ: correctly
 * rounded division, so well within the architecture's error of 1.5 * 2^-12.
 * Denormal sources count as zero, tiny results become zero, no flags.
 *
 * Used by: exec_lookup.c.   Depends on: fpu.h.   Sources: SDM vol. 1 ch. 10, 11; vol. 2. */
#include "vmm/cpu/soft/interp/fpu.h"

enum { PRE_FLAGS = FPU_IE | FPU_DE | FPU_ZE, MXCSR_UM = FPU_UE << 7,
       MXCSR_OM = FPU_OE << 7 };

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

/* What an operation is, as far as exactness goes; FP_NARROW: double to single. */
enum fp_kind { FP_OTHER, FP_ADD, FP_SUB, FP_MUL, FP_DIV, FP_NARROW };

/* Whether @a op @b, rounded to the format but with the exponent unbounded, is
 * inexact: the x87's exponents are wide enough for any two doubles. */
static bool is_inexact(enum fp_kind kind, bool to_double, double a, double b)
{
	const uint16_t fcw = to_double ? 0x27F : 0x07F;
	uint16_t fsw;

	__asm__ volatile("fninit\n\tfldcw %2\n\tfldl %1\n\tfldl %0" : : "m"(a), "m"(b), "m"(fcw));
	if (kind == FP_ADD)
		__asm__ volatile("fadd %st(1), %st");
	else if (kind == FP_SUB)
		__asm__ volatile("fsub %st(1), %st");
	else if (kind == FP_DIV)
		__asm__ volatile("fdiv %st(1), %st");
	else
		__asm__ volatile("fmul %st(1), %st");
	__asm__ volatile("fnstsw %0\n\tfninit" : "=a"(fsw));
	return fsw & FPU_PE;
}

static double element(__m128i v, bool is_double, unsigned k, bool daz)
{
	float f[4];
	double d[2];

	memcpy(f, &v, 16);
	memcpy(d, &v, 16);
	if (is_double)
		return daz && __builtin_fabs(d[k]) < 0x1p-1022 ? 0 : d[k];
	return daz && __builtin_fabsf(f[k]) < 0x1p-126f ? 0 : f[k];
}

/* Precision as an unmasked overflow or underflow sees it. */
static uint32_t precision_of(const struct soft *s, enum fp_kind kind, enum tiny tiny, __m128i d, __m128i v)
{
	bool to_double = tiny == TINY_PD || tiny == TINY_SD, daz = s->fx.mxcsr & MXCSR_DAZ;
	bool from_double = to_double || kind == FP_NARROW;
	unsigned n = tiny == TINY_SS || tiny == TINY_SD ? 1 : from_double ? 2 : 4;

	for (unsigned k = 0; k < n; k++) {
		double b = element(v, from_double, k, daz);
		bool found = kind == FP_NARROW ? is_inexact(FP_MUL, false, b, 1.0) :
						 is_inexact(kind, to_double, element(d, to_double, k, daz), b);

		if (found)
			return FPU_PE;
	}
	return 0;
}

/* sse_fp_end() for a guest that wants to hear of overflow or underflow. */
static __attribute__((noinline)) void end_unmasked(struct soft *s, enum fp_kind kind, enum tiny tiny,
						   __m128i d, __m128i v, __m128i r)
{
	uint32_t mxcsr, flags, wanted = ~(s->fx.mxcsr >> 7);

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	flags = mxcsr & FPU_FLAGS;
	if (!(s->fx.mxcsr & MXCSR_UM) && has_tiny(r, tiny))
		flags |= FPU_UE;
	if (flags & wanted) {
		mxcsr = MXCSR_DEFAULT;
		__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
		if (flags & wanted & (FPU_OE | FPU_UE) && kind != FP_OTHER)
			flags = (flags & ~(uint32_t)FPU_PE) | precision_of(s, kind, tiny, d, v);
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

/* @d, @v: the operands; @r: the result. */
static inline void fp_end(struct soft *s, enum fp_kind kind, enum tiny tiny, __m128i d, __m128i v,
			  __m128i r)
{
	if (__builtin_expect((s->fx.mxcsr & (MXCSR_UM | MXCSR_OM)) != (MXCSR_UM | MXCSR_OM), 0))
		end_unmasked(s, kind, tiny, d, v, r);
	else
		sse_fp_end(s);
}

/* dst = dst op src; @load says how wide the memory form is. */
#define ARITH(op, load, tiny, kind)                                            \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i v, d, r;                                               \
                                                                               \
		sse_enter(s);                                                  \
		v = load(s, i);                                                \
		r = d = xmm_get(s, i->reg);                                    \
		fp_begin(s);                                                   \
		__asm__ volatile(#op " %1, %0" : "+x"(r) : "x"(v));            \
		fp_end(s, kind, tiny, d, v, r);                                \
		xmm_set(s, i->reg, r);                                         \
	}
#define FOUR(op, kind)                                                         \
	ARITH(op##ps, sse_src, TINY_PS, kind)                                  \
	ARITH(op##pd, sse_src, TINY_PD, kind)                                  \
	ARITH(op##ss, sse_src32, TINY_SS, kind)                                \
	ARITH(op##sd, sse_src64, TINY_SD, kind)
/* Never tiny: SQRT; MIN and MAX, which hand on an operand. */
#define FOUR_PLAIN(op)                                                         \
	ARITH(op##ps, sse_src, TINY_NEVER, FP_OTHER)                           \
	ARITH(op##pd, sse_src, TINY_NEVER, FP_OTHER)                           \
	ARITH(op##ss, sse_src32, TINY_NEVER, FP_OTHER)                         \
	ARITH(op##sd, sse_src64, TINY_NEVER, FP_OTHER)

FOUR(add, FP_ADD)
FOUR(sub, FP_SUB)
FOUR(mul, FP_MUL)
FOUR(div, FP_DIV)
FOUR_PLAIN(sqrt)
FOUR_PLAIN(min)
FOUR_PLAIN(max)
ARITH(haddps, sse_src, TINY_PS, FP_OTHER)
ARITH(haddpd, sse_src, TINY_PD, FP_OTHER)
ARITH(hsubps, sse_src, TINY_PS, FP_OTHER)
ARITH(hsubpd, sse_src, TINY_PD, FP_OTHER)
ARITH(addsubps, sse_src, TINY_PS, FP_OTHER)
ARITH(addsubpd, sse_src, TINY_PD, FP_OTHER)
/* Conversions within XMM registers. */
ARITH(cvtps2pd, sse_src64, TINY_NEVER, FP_OTHER)
ARITH(cvtpd2ps, sse_src, TINY_PS, FP_NARROW)
ARITH(cvtss2sd, sse_src32, TINY_NEVER, FP_OTHER)
ARITH(cvtsd2ss, sse_src64, TINY_SS, FP_NARROW)
ARITH(cvtdq2ps, sse_src, TINY_NEVER, FP_OTHER)
ARITH(cvtps2dq, sse_src, TINY_NEVER, FP_OTHER)
ARITH(cvttps2dq, sse_src, TINY_NEVER, FP_OTHER)
ARITH(cvtpd2dq, sse_src, TINY_NEVER, FP_OTHER)
ARITH(cvttpd2dq, sse_src, TINY_NEVER, FP_OTHER)
ARITH(cvtdq2pd, sse_src64, TINY_NEVER, FP_OTHER)

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
		fp_end(s, FP_OTHER, tiny, d, v, d);                            \
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
#define DOT_STEP(name, op, tiny, kind)                                         \
	static __m128i name(struct soft *s, __m128i a, __m128i b)              \
	{                                                                      \
		__m128i r = a;                                                 \
                                                                               \
		fp_begin(s);                                                   \
		__asm__ volatile(#op " %1, %0" : "+x"(r) : "x"(b));            \
		fp_end(s, kind, tiny, a, b, r);                                \
		return r;                                                      \
	}
DOT_STEP(dot_mul_ps, mulps, TINY_PS, FP_MUL)
DOT_STEP(dot_add_ps, addps, TINY_PS, FP_ADD)
DOT_STEP(dot_mul_pd, mulpd, TINY_PD, FP_MUL)
DOT_STEP(dot_add_pd, addpd, TINY_PD, FP_ADD)

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
		fp_end(s, FP_OTHER, tiny, d, v, d);                            \
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
