/* vmm/cpu/soft/interp/fpu_shuffle.c: shuffles, blends, inserts, extracts, masks, CRC32.
 *
 * Used by: exec_lookup.c.   Depends on: fpu.h.   Sources: SDM vol. 2, each instruction. */
#include "vmm/cpu/soft/interp/fpu.h"

/* xmm, xmm/m128, imm8 in one host instruction. */
#define WITH_IMM(op)                                                           \
	void sse_##op(struct soft *s, const struct insn *i)                    \
	{                                                                      \
		__m128i v;                                                     \
                                                                               \
		sse_enter(s);                                                  \
		v = sse_src(s, i);                                             \
		v = fpu_imm_call(imm_##op, (unsigned)i->imm, xmm_get(s, i->reg), v); \
		xmm_set(s, i->reg, v);                                         \
	}

WITH_IMM(pshufd)
WITH_IMM(pshufhw)
WITH_IMM(pshuflw)
WITH_IMM(shufps)
WITH_IMM(shufpd)
WITH_IMM(blendps)
WITH_IMM(blendpd)
WITH_IMM(pblendw)
WITH_IMM(palignr)
WITH_IMM(mpsadbw)

/* The memory form reads 32 bits and has no source selector. */
void sse_insertps(struct soft *s, const struct insn *i)
{
	unsigned imm = (unsigned)i->imm & (i->mod == 3 ? 0xFF : 0x3F);
	__m128i v;

	sse_enter(s);
	v = sse_src32(s, i);
	xmm_set(s, i->reg, fpu_imm_call(imm_insertps, imm, xmm_get(s, i->reg), v));
}

void mmx_pshufw(struct soft *s, const struct insn *i)
{
	uint64_t v, r = 0;

	mmx_check(s);
	v = mmx_src(s, i);
	for (unsigned k = 0; k < 4; k++)
		r |= ((v >> (16 * ((i->imm >> (2 * k)) & 3))) & 0xFFFF) << (16 * k);
	mmx_enter(s);
	mmx_set(s, i->reg & 7, r);
}

void mmx_palignr(struct soft *s, const struct insn *i)
{
	unsigned n = (uint8_t)i->imm;
	unsigned __int128 both;
	uint64_t v;

	mmx_check(s);
	v = mmx_src(s, i);
	both = (unsigned __int128)mmx_get(s, i->reg & 7) << 64 | v;
	mmx_enter(s);
	mmx_set(s, i->reg & 7, n < 16 ? (uint64_t)(both >> (8 * n)) : 0);
}

/* ---- masks ---- */

void sse_movmskps(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	s->r[i->reg] = (uint64_t)_mm_movemask_ps(_mm_castsi128_ps(xmm_get(s, i->rm)));
}

void sse_movmskpd(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	s->r[i->reg] = (uint64_t)_mm_movemask_pd(_mm_castsi128_pd(xmm_get(s, i->rm)));
}

void sse_pmovmskb(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	s->r[i->reg] = (uint64_t)_mm_movemask_epi8(xmm_get(s, i->rm));
}

void mmx_pmovmskb(struct soft *s, const struct insn *i)
{
	uint64_t v;

	mmx_check(s);
	v = mmx_get(s, i->rm & 7);
	mmx_enter(s);
	s->r[i->reg] = (uint64_t)_mm_movemask_epi8(_mm_cvtsi64_si128((long long)v)) & 0xFF;
}

/* ---- inserts and extracts ---- */

void sse_pinsrw(struct soft *s, const struct insn *i)
{
	uint16_t v;

	sse_enter(s);
	v = i->mod == 3 ? (uint16_t)s->r[i->rm] : mmu_ld16(s, soft_lin_for(s, i, 2, false));
	memcpy(s->fx.xmm[i->reg] + 2 * (i->imm & 7), &v, 2);
}

void mmx_pinsrw(struct soft *s, const struct insn *i)
{
	unsigned shift = 16 * ((unsigned)i->imm & 3);
	uint64_t v, d;

	mmx_check(s);
	v = i->mod == 3 ? (uint16_t)s->r[i->rm] : mmu_ld16(s, soft_lin_for(s, i, 2, false));
	d = mmx_get(s, i->reg & 7) & ~(UINT64_C(0xFFFF) << shift);
	mmx_enter(s);
	mmx_set(s, i->reg & 7, d | v << shift);
}

void sse_pextrw(struct soft *s, const struct insn *i)
{
	uint16_t v;

	sse_enter(s);
	memcpy(&v, s->fx.xmm[i->rm] + 2 * (i->imm & 7), 2);
	s->r[i->reg] = v;
}

void mmx_pextrw(struct soft *s, const struct insn *i)
{
	uint64_t v;

	mmx_check(s);
	v = mmx_get(s, i->rm & 7);
	mmx_enter(s);
	s->r[i->reg] = (uint16_t)(v >> (16 * (i->imm & 3)));
}

void sse_pinsrb(struct soft *s, const struct insn *i)
{
	uint8_t v;

	sse_enter(s);
	v = i->mod == 3 ? (uint8_t)s->r[i->rm] : mmu_ld8(s, soft_lin_for(s, i, 1, false));
	s->fx.xmm[i->reg][i->imm & 15] = v;
}

/* PINSRD, PINSRQ */
void sse_pinsrd(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	v = fpu_gpr_src(s, i);
	if (i->rex & 8)
		memcpy(s->fx.xmm[i->reg] + 8 * (i->imm & 1), &v, 8);
	else
		memcpy(s->fx.xmm[i->reg] + 4 * (i->imm & 3), &v, 4);
}

void sse_pextrb(struct soft *s, const struct insn *i)
{
	uint8_t v;

	sse_enter(s);
	v = s->fx.xmm[i->reg][i->imm & 15];
	if (i->mod == 3)
		s->r[i->rm] = v;
	else
		mmu_st8(s, soft_lin_for(s, i, 1, true), v);
}

void sse_pextrw_rm(struct soft *s, const struct insn *i)
{
	uint16_t v;

	sse_enter(s);
	memcpy(&v, s->fx.xmm[i->reg] + 2 * (i->imm & 7), 2);
	if (i->mod == 3)
		s->r[i->rm] = v;
	else
		mmu_st16(s, soft_lin_for(s, i, 2, true), v);
}

static void extract32(struct soft *s, const struct insn *i)
{
	uint32_t v;

	memcpy(&v, s->fx.xmm[i->reg] + 4 * (i->imm & 3), 4);
	if (i->mod == 3)
		s->r[i->rm] = v;
	else
		mmu_st32(s, soft_lin_for(s, i, 4, true), v);
}

void sse_extractps(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	extract32(s, i);
}

/* PEXTRD, PEXTRQ */
void sse_pextrd(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sse_enter(s);
	if (!(i->rex & 8)) {
		extract32(s, i);
		return;
	}
	memcpy(&v, s->fx.xmm[i->reg] + 8 * (i->imm & 1), 8);
	if (i->mod == 3)
		s->r[i->rm] = v;
	else
		mmu_st64(s, soft_lin_for(s, i, 8, true), v);
}

/* ---- CRC32: general registers only, so no SSE checks ---- */

static uint8_t byte_src(struct soft *s, const struct insn *i)
{
	if (i->mod != 3)
		return mmu_ld8(s, soft_lin_for(s, i, 1, false));
	if (!i->rex && i->rm >= 4)
		return (uint8_t)(s->r[i->rm - 4] >> 8); /* AH to BH */
	return (uint8_t)s->r[i->rm];
}

void fpu_crc32(struct soft *s, const struct insn *i)
{
	uint64_t crc = (uint32_t)s->r[i->reg];

	if (i->opcode == 0xF0) {
		__asm__("crc32b %1, %k0" : "+r"(crc) : "q"(byte_src(s, i)));
	} else if (i->opsize == 2) {
		uint16_t v = i->mod == 3 ? (uint16_t)s->r[i->rm] :
					   mmu_ld16(s, soft_lin_for(s, i, 2, false));

		__asm__("crc32w %1, %k0" : "+r"(crc) : "r"(v));
	} else if (i->rex & 8) {
		__asm__("crc32q %1, %0" : "+r"(crc) : "r"(fpu_gpr_src(s, i)));
	} else {
		__asm__("crc32l %1, %k0" : "+r"(crc) : "r"((uint32_t)fpu_gpr_src(s, i)));
	}
	s->r[i->reg] = (uint32_t)crc;
}
