/* vmm/cpu/soft/interp/fpu_mov.c: moves, shuffles, inserts and extracts of SSE and MMX.
 *
 * The common ones (MOVUPS, MOVAPS and their twins) are one host load and one
 * store: they are most of a C library's memcpy() and strlen().
 *
 * Used by: exec_lookup.c.   Depends on: fpu.h.   Sources: SDM vol. 2, each instruction. */
#include "vmm/cpu/soft/interp/fpu.h"

void sse_movups_ld(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	xmm_set(s, i->reg, i->mod == 3 ? xmm_get(s, i->rm) : fpu_ld128u(s, i));
}

void sse_movups_st(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	if (i->mod == 3)
		xmm_set(s, i->rm, xmm_get(s, i->reg));
	else
		fpu_st128u(s, i, xmm_get(s, i->reg));
}

void sse_movaps_ld(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	xmm_set(s, i->reg, sse_src(s, i));
}

void sse_movaps_st(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	if (i->mod == 3)
		xmm_set(s, i->rm, xmm_get(s, i->reg));
	else
		fpu_st128a(s, i, xmm_get(s, i->reg));
}

/* MOVNTPS, MOVNTPD, MOVNTDQ */
void sse_movnt(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	fpu_st128a(s, i, xmm_get(s, i->reg));
}

void sse_movntdqa(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	xmm_set(s, i->reg, fpu_ld128a(s, i));
}

void sse_lddqu(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	xmm_set(s, i->reg, fpu_ld128u(s, i));
}

/* From memory the rest is cleared, from a register it stays. */
void sse_movss_ld(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	if (i->mod == 3)
		xmm_set_low32(s, i->reg, (uint32_t)xmm_low(s, i->rm));
	else
		xmm_set(s, i->reg, sse_src32(s, i));
}

void sse_movsd_ld(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	if (i->mod == 3)
		xmm_set_low(s, i->reg, xmm_low(s, i->rm));
	else
		xmm_set(s, i->reg, sse_src64(s, i));
}

void sse_movss_st(struct soft *s, const struct insn *i)
{
	uint32_t v;

	sse_enter(s);
	v = (uint32_t)xmm_low(s, i->reg);
	if (i->mod == 3)
		xmm_set_low32(s, i->rm, v);
	else
		mmu_st32(s, soft_lin_for(s, i, 4, true), v);
}

void sse_movsd_st(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	v = xmm_low(s, i->reg);
	if (i->mod == 3)
		xmm_set_low(s, i->rm, v);
	else
		mmu_st64(s, soft_lin_for(s, i, 8, true), v);
}

/* MOVLPS; its register form is MOVHLPS. */
void sse_movlps_ld(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	if (i->mod == 3)
		memcpy(&v, s->fx.xmm[i->rm] + 8, 8);
	else
		v = fpu_ld64(s, i);
	xmm_set_low(s, i->reg, v);
}

void sse_movlpd_ld(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	xmm_set_low(s, i->reg, fpu_ld64(s, i));
}

void sse_movlps_st(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	mmu_st64(s, soft_lin_for(s, i, 8, true), xmm_low(s, i->reg));
}

/* MOVHPS; its register form is MOVLHPS. */
void sse_movhps_ld(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	v = i->mod == 3 ? xmm_low(s, i->rm) : fpu_ld64(s, i);
	memcpy(s->fx.xmm[i->reg] + 8, &v, 8);
}

void sse_movhpd_ld(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	v = fpu_ld64(s, i);
	memcpy(s->fx.xmm[i->reg] + 8, &v, 8);
}

void sse_movhps_st(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	memcpy(&v, s->fx.xmm[i->reg] + 8, 8);
	mmu_st64(s, soft_lin_for(s, i, 8, true), v);
}

void sse_movsldup(struct soft *s, const struct insn *i)
{
	__m128i v;

	sse_enter(s);
	v = sse_src(s, i);
	xmm_set(s, i->reg, _mm_shuffle_epi32(v, 0xA0));
}

void sse_movshdup(struct soft *s, const struct insn *i)
{
	__m128i v;

	sse_enter(s);
	v = sse_src(s, i);
	xmm_set(s, i->reg, _mm_shuffle_epi32(v, 0xF5));
}

void sse_movddup(struct soft *s, const struct insn *i)
{
	__m128i v;

	sse_enter(s);
	v = sse_src64(s, i);
	xmm_set(s, i->reg, _mm_unpacklo_epi64(v, v));
}

void sse_movd_ld(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	xmm_set(s, i->reg, _mm_cvtsi64_si128((long long)fpu_gpr_src(s, i)));
}

/* Into a general register (32-bit results clear its upper half) or memory. */
static void put_gpr_or_mem(struct soft *s, const struct insn *i, uint64_t v)
{
	bool wide = i->rex & 8;

	if (i->mod == 3)
		s->r[i->rm] = wide ? v : (uint32_t)v;
	else if (wide)
		mmu_st64(s, soft_lin_for(s, i, 8, true), v);
	else
		mmu_st32(s, soft_lin_for(s, i, 4, true), (uint32_t)v);
}

void sse_movd_st(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	put_gpr_or_mem(s, i, xmm_low(s, i->reg));
}

void sse_movq_ld(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	v = i->mod == 3 ? xmm_low(s, i->rm) : fpu_ld64(s, i);
	xmm_set(s, i->reg, _mm_cvtsi64_si128((long long)v));
}

void sse_movq_st(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	v = xmm_low(s, i->reg);
	if (i->mod == 3)
		xmm_set(s, i->rm, _mm_cvtsi64_si128((long long)v));
	else
		mmu_st64(s, soft_lin_for(s, i, 8, true), v);
}

void sse_movq2dq(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	mmx_check(s);
	v = mmx_get(s, i->rm & 7);
	mmx_enter(s);
	xmm_set(s, i->reg, _mm_cvtsi64_si128((long long)v));
}

void sse_movdq2q(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	mmx_check(s);
	mmx_enter(s);
	mmx_set(s, i->reg & 7, xmm_low(s, i->rm));
}

void mmx_movd_ld(struct soft *s, const struct insn *i)
{
	uint64_t v;

	mmx_check(s);
	v = fpu_gpr_src(s, i);
	mmx_enter(s);
	mmx_set(s, i->reg & 7, v);
}

void mmx_movd_st(struct soft *s, const struct insn *i)
{
	mmx_check(s);
	put_gpr_or_mem(s, i, mmx_get(s, i->reg & 7));
	mmx_enter(s);
}

void mmx_movq_ld(struct soft *s, const struct insn *i)
{
	uint64_t v;

	mmx_check(s);
	v = mmx_src(s, i);
	mmx_enter(s);
	mmx_set(s, i->reg & 7, v);
}

void mmx_movq_st(struct soft *s, const struct insn *i)
{
	uint64_t v;

	mmx_check(s);
	v = mmx_get(s, i->reg & 7);
	if (i->mod == 3) {
		mmx_enter(s);
		mmx_set(s, i->rm & 7, v);
		return;
	}
	mmu_st64(s, soft_lin_for(s, i, 8, true), v);
	mmx_enter(s);
}

void mmx_movntq(struct soft *s, const struct insn *i)
{
	mmx_movq_st(s, i);
}

void mmx_emms(struct soft *s, const struct insn *i)
{
	(void)i;
	mmx_check(s);
	mmx_enter(s);
	s->fx.ftw = 0;
}

void fpu_movnti(struct soft *s, const struct insn *i)
{
	if (i->rex & 8)
		mmu_st64(s, soft_lin_for(s, i, 8, true), s->r[i->reg]);
	else
		mmu_st32(s, soft_lin_for(s, i, 4, true), (uint32_t)s->r[i->reg]);
}

/* Stores the bytes whose mask has its top bit, at DS:rDI: either all of them
 * or, when one faults, none. */
static void mask_store(struct soft *s, const struct insn *i, const uint8_t *v, const uint8_t *mask,
		       unsigned n)
{
	uint64_t off = s->r[CPU_RDI], lin;
	unsigned first = 0, end = n;

	while (first < n && !(mask[first] & 0x80))
		first++;
	while (end > first && !(mask[end - 1] & 0x80))
		end--;
	if (first == end)
		return;
	off = i->adsize == 8 ? off : i->adsize == 4 ? (uint32_t)off : (uint16_t)off;
	lin = soft_seg_access(s, i->seg, off + first, end - first, true);
	mmu_probe_write(s, lin, end - first);
	for (unsigned k = first; k < end; k++)
		if (mask[k] & 0x80)
			mmu_st8(s, lin + k - first, v[k]);
}

void sse_maskmovdqu(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	mask_store(s, i, s->fx.xmm[i->reg], s->fx.xmm[i->rm], 16);
}

void mmx_maskmovq(struct soft *s, const struct insn *i)
{
	uint64_t v, mask;

	mmx_check(s);
	v = mmx_get(s, i->reg & 7);
	mask = mmx_get(s, i->rm & 7);
	mmx_enter(s); /* processors turn to MMX even if the store faults */
	mask_store(s, i, (const uint8_t *)&v, (const uint8_t *)&mask, 8);
}
