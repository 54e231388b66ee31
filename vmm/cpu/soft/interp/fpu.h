/* vmm/cpu/soft/interp/fpu.h: what the x87, MMX and SSE executors share: the checks
 * that come first, operands, and the executors.
 *
 * Everything works on s->fx, the FXSAVE64 image. Results are the host's own
 * instructions' (any x86-64-v2 machine), run on the guest's operands; only
 * RCP and RSQRT are computed here, because hosts differ.
 *
 * Order of faults (SDM vol. 2 §2.4, vol. 3 §6.9): #UD and #NM from the control
 * registers, a pending x87 #MF, #GP for alignment, the access, #XM.
 *
 * Used by: vmm/cpu/soft/fpu_*.c.   Sources: SDM vol. 1 ch. 8 to 12; vol. 3 §13.1. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_FPU_H
#define MUSTER_VMM_CPU_SOFT_INTERP_FPU_H

#include "vmm/cpu/soft/decode/sse_rows.h"
#include "vmm/cpu/soft/flags.h"
#include "vmm/cpu/soft/interp/exec.h"
#include "vmm/cpu/soft/mmu/mmu.h"
#include "vmm/cpu/soft/soft.h"
#include "vmm/cpu/soft/sysreg.h"

#include <emmintrin.h>
#include <string.h>

enum { FPU_IE = 1, FPU_DE = 2, FPU_ZE = 4, FPU_OE = 8, FPU_UE = 0x10, FPU_PE = 0x20,
       FPU_FLAGS = 0x3F, FSW_SF = 0x40, FSW_ES = 0x80, FSW_TOP = 0x3800, FSW_B = 0x8000,
       MXCSR_DEFAULT = 0x1F80, MXCSR_DAZ = 0x40, MXCSR_FTZ = 0x8000, MXCSR_VALID = 0xFFFF };

/* fpu_check.c: the rare outcomes. */
_Noreturn void fpu_sse_refuse(struct soft *s);
void fpu_x87_refuse(struct soft *s);
void fpu_mmx_rotate(struct soft *s);

/* What every SSE instruction checks first. SDM vol. 2, table 2-21. */
static inline void sse_enter(struct soft *s)
{
	if (__builtin_expect((s->cr0 & (CR0_EM | CR0_TS)) | (~s->cr4 & CR4_OSFXSR), 0))
		fpu_sse_refuse(s);
}

/* An unmasked exception is flagged: the next waiting instruction raises #MF. */
static inline bool x87_is_pending(const struct soft *s)
{
	return (s->fx.fsw & ~s->fx.fcw & FPU_FLAGS) != 0;
}

/* What every MMX instruction checks first: #UD, #NM, #MF. */
static inline void mmx_check(struct soft *s)
{
	if (__builtin_expect((s->cr0 & (CR0_EM | CR0_TS)) != 0 || x87_is_pending(s), 0))
		fpu_x87_refuse(s);
}

/* TOS is 0 and all tags are valid after any MMX instruction but EMMS (SDM
 * vol. 1 §9.5.1). After this, MMi is the low half of st[i]. Call when nothing can fault any more. */
static inline void mmx_enter(struct soft *s)
{
	if (s->fx.fsw & FSW_TOP)
		fpu_mmx_rotate(s);
	s->fx.ftw = 0xFF;
}

/* MMi before mmx_enter(). */
static inline uint64_t mmx_get(const struct soft *s, unsigned mm)
{
	uint64_t v;

	memcpy(&v, s->fx.st[(mm - (s->fx.fsw >> 11)) & 7], 8);
	return v;
}

/* After mmx_enter(). The exponent and sign become ones (SDM vol. 1 §9.2). */
static inline void mmx_set(struct soft *s, unsigned mm, uint64_t v)
{
	uint8_t *st = s->fx.st[mm & 7];

	memcpy(st, &v, 8);
	st[8] = st[9] = 0xFF;
}

static inline __m128i xmm_get(const struct soft *s, unsigned n)
{
	return _mm_load_si128((const __m128i *)s->fx.xmm[n]);
}

static inline void xmm_set(struct soft *s, unsigned n, __m128i v)
{
	_mm_store_si128((__m128i *)s->fx.xmm[n], v);
}

static inline uint64_t xmm_low(const struct soft *s, unsigned n)
{
	uint64_t v;

	memcpy(&v, s->fx.xmm[n], 8);
	return v;
}

static inline void xmm_set_low(struct soft *s, unsigned n, uint64_t v)
{
	memcpy(s->fx.xmm[n], &v, 8);
}

static inline void xmm_set_low32(struct soft *s, unsigned n, uint32_t v)
{
	memcpy(s->fx.xmm[n], &v, 4);
}

/* fpu_check.c: accesses that miss the TLB or cross a page. */
__m128i fpu_ld128_slow(struct soft *s, uint64_t lin);
void fpu_st128_slow(struct soft *s, uint64_t lin, __m128i v);

static inline __m128i fpu_ld128_at(struct soft *s, uint64_t lin)
{
	const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];

	if (MMU_FAST(e->read_tag, lin, 16))
		return _mm_loadu_si128((const __m128i *)(lin + e->addend));
	return fpu_ld128_slow(s, lin);
}

static inline void fpu_st128_at(struct soft *s, uint64_t lin, __m128i v)
{
	const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];

	if (MMU_FAST(e->write_tag, lin, 16))
		_mm_storeu_si128((__m128i *)(lin + e->addend), v);
	else
		fpu_st128_slow(s, lin, v);
}

static inline __m128i fpu_ld128u(struct soft *s, const struct insn *i)
{
	return fpu_ld128_at(s, soft_lin_for(s, i, 16, false));
}

/* Legacy SSE operands are aligned, else #GP(0) (SDM vol. 1 §10.8, §11.3); the linear address counts. */
static inline __m128i fpu_ld128a(struct soft *s, const struct insn *i)
{
	uint64_t lin = soft_lin_for(s, i, 16, false);

	if (__builtin_expect(lin & 15, 0))
		soft_gp(s, 0);
	return fpu_ld128_at(s, lin);
}

static inline void fpu_st128u(struct soft *s, const struct insn *i, __m128i v)
{
	fpu_st128_at(s, soft_lin_for(s, i, 16, true), v);
}

static inline void fpu_st128a(struct soft *s, const struct insn *i, __m128i v)
{
	uint64_t lin = soft_lin_for(s, i, 16, true);

	if (__builtin_expect(lin & 15, 0))
		soft_gp(s, 0);
	fpu_st128_at(s, lin, v);
}

static inline uint64_t fpu_ld64(struct soft *s, const struct insn *i)
{
	return mmu_ld64(s, soft_lin_for(s, i, 8, false));
}

static inline uint32_t fpu_ld32(struct soft *s, const struct insn *i)
{
	return mmu_ld32(s, soft_lin_for(s, i, 4, false));
}

/* The source of an instruction whose memory form is 128 bits and aligned. */
static inline __m128i sse_src(struct soft *s, const struct insn *i)
{
	return i->mod == 3 ? xmm_get(s, i->rm) : fpu_ld128a(s, i);
}

static inline __m128i sse_src64(struct soft *s, const struct insn *i)
{
	return i->mod == 3 ? xmm_get(s, i->rm) : _mm_cvtsi64_si128((long long)fpu_ld64(s, i));
}

static inline __m128i sse_src32(struct soft *s, const struct insn *i)
{
	return i->mod == 3 ? xmm_get(s, i->rm) : _mm_cvtsi32_si128((int)fpu_ld32(s, i));
}

static inline uint64_t mmx_src(struct soft *s, const struct insn *i)
{
	return i->mod == 3 ? mmx_get(s, i->rm & 7) : fpu_ld64(s, i);
}

/* A general register, or memory, of 4 or (REX.W) 8 bytes. */
static inline uint64_t fpu_gpr_src(struct soft *s, const struct insn *i)
{
	if (i->rex & 8)
		return i->mod == 3 ? s->r[i->rm] : fpu_ld64(s, i);
	return i->mod == 3 ? (uint32_t)s->r[i->rm] : fpu_ld32(s, i);
}

/* Floating-point operations run with the guest's rounding, DAZ and FTZ, all
 * exceptions masked and no flag set; sse_fp_end() then collects the flags. The
 * asm statements are volatile, so they keep their order. */
static inline void sse_fp_begin(const struct soft *s)
{
	uint32_t v = (s->fx.mxcsr | MXCSR_DEFAULT) & ~(uint32_t)FPU_FLAGS & MXCSR_VALID;

	__asm__ volatile("ldmxcsr %0" : : "m"(v));
}

/* fpu_sse_fp.c: raises #XM when the guest has one of @flags unmasked. */
void sse_fp_unmasked(struct soft *s, uint32_t flags);

/* Ends what sse_fp_begin() began. Call it before the destination changes:
 * it does not come back when #XM is raised. */
static inline void sse_fp_end(struct soft *s)
{
	static const uint32_t normal = MXCSR_DEFAULT;
	uint32_t v, flags;

	__asm__ volatile("stmxcsr %0" : "=m"(v));
	flags = v & FPU_FLAGS;
	if (__builtin_expect((v & ~(uint32_t)FPU_FLAGS) != MXCSR_DEFAULT, 0))
		__asm__ volatile("ldmxcsr %0" : : "m"(normal));
	if (__builtin_expect((flags & ~(s->fx.mxcsr >> 7)) != 0, 0))
		sse_fp_unmasked(s, flags);
	s->fx.mxcsr |= flags;
}

/* fpu_imm.c: "op $imm, src, dst" for an immediate known only now. */
typedef const uint8_t fpu_imm_table[256][8];
extern fpu_imm_table imm_pshufd, imm_pshufhw, imm_pshuflw, imm_shufps, imm_shufpd, imm_cmpps,
	imm_cmppd, imm_cmpss, imm_cmpsd, imm_roundps, imm_roundpd, imm_roundss, imm_roundsd,
	imm_blendps, imm_blendpd, imm_pblendw, imm_palignr, imm_insertps, imm_dpps, imm_dppd,
	imm_mpsadbw, imm_pslldq, imm_psrldq;

static inline __m128i fpu_imm_call(fpu_imm_table table, unsigned imm, __m128i dst, __m128i src)
{
	register __m128i d __asm__("xmm0") = dst;
	register __m128i v __asm__("xmm1") = src;

	/* The call must not push onto the red zone of the function that this is inlined into. */
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tcall *%2\n\tlea 128(%%rsp), %%rsp"
			 : "+x"(d)
			 : "x"(v), "r"(table[imm & 0xFF])
			 : "memory");
	return d;
}

/* Sets the arithmetic flags to @arith and leaves the others. */
static inline void fpu_set_arith(struct soft *s, uint32_t arith)
{
	cc_set_flags(s, arith);
}

#define FPU_DECLARE(map, prefix, opcode, name, need, operands, mem) soft_exec_fn name;
SSE_ROWS(FPU_DECLARE, FPU_DECLARE)
#undef FPU_DECLARE
/* Shifts by an immediate. */
soft_exec_fn mmx_psrlw_imm, mmx_psraw_imm, mmx_psllw_imm, mmx_psrld_imm, mmx_psrad_imm, mmx_pslld_imm, mmx_psrlq_imm,
	mmx_psllq_imm;
soft_exec_fn sse_psrlw_imm, sse_psraw_imm, sse_psllw_imm, sse_psrld_imm, sse_psrad_imm, sse_pslld_imm, sse_psrlq_imm,
	sse_psllq_imm, sse_psrldq_imm, sse_pslldq_imm;
soft_exec_fn fpu_fxsave, fpu_fxrstor, fpu_ldmxcsr, fpu_stmxcsr, fpu_clflush, fpu_fence, fpu_hint;
soft_exec_fn fpu_wait, x87_mem, x87_reg, x87_reg_flags;
soft_exec_fn x87_fldenv, x87_fldcw, x87_fnstenv, x87_fnstcw, x87_frstor, x87_fnsave, x87_fnstsw, x87_fnstsw_ax,
	x87_fnclex, x87_fninit, x87_fnop_control;

#endif
