/* vmm/cpu/soft/mmu/seg.c: descriptors, segment registers, and the mode that
 * follows from them.
 *
 * The current privilege is SS's DPL, as in VMX: every transfer keeps the two
 * equal, so a saved state needs no field of its own for it. A null SS of 64-bit
 * mode keeps its DPL in the hidden part for that reason.
 *
 * In real mode a load changes selector and base only: limits and sizes stay
 * (big real mode, which boot loaders use).
 *
 * Used by: event.c, sys_*.c.   Depends on: mmu.h.
 * Sources: SDM vol. 3 §3.4, §3.5, §5.4 to §5.8, §20.1. */
#include "vmm/cpu/soft/mmu/seg.h"

#include "vmm/cpu/soft/mmu/mmu.h"
#include "vmm/cpu/soft/sysreg.h"

static enum soft_mode mode_of(const struct soft *s)
{
	bool big = s->seg[CPU_CS].attr & CPU_SEG_DB;

	if (!(s->cr0 & CR0_PE))
		return SOFT_MODE_REAL;
	if (s->rflags & FLAG_VM)
		return SOFT_MODE_V86;
	if (!(s->efer & EFER_LMA))
		return big ? SOFT_MODE_P32 : SOFT_MODE_P16;
	if (s->seg[CPU_CS].attr & CPU_SEG_L)
		return SOFT_MODE_64;
	return big ? SOFT_MODE_C32 : SOFT_MODE_C16;
}

/* Which TLB the current privilege looks at, and what else is by privilege. An instruction that changes it ends its block. */
static void set_tlb(struct soft *s)
{
	bool align_checks = s->cpl == 3 && s->cr0 & CR0_AM && s->rflags & FLAG_AC;
	unsigned n = align_checks ? 2 : s->cpl == 3;

	s->tlb = s->tlbs[n];
	s->code_tlb = s->code_tlbs[n != 0];
	if (n == s->tlb_n)
		return;
	s->code_sps[s->tlb_n] = s->code_sp;
	s->code_sp = s->code_sps[n];
	s->tlb_n = (uint8_t)n;
	s->jump_key = (uint64_t)n << 56; /* no canonical address differs from another by it */
}

void seg_set_flat_64(struct soft *s, uint16_t cs, uint16_t ss, unsigned cpl)
{
	seg_set_flat(s, CPU_CS, cs, cpl, true, true);
	seg_set_flat(s, CPU_SS, ss, cpl, false, false);
	s->cpl = (uint8_t)cpl;
	set_tlb(s);
}

void soft_mode_changed(struct soft *s)
{
	s->mode = (uint8_t)mode_of(s);
	if (s->mode == SOFT_MODE_REAL)
		s->cpl = 0;
	else
		s->cpl = s->mode == SOFT_MODE_V86 ? 3 : (uint8_t)seg_dpl(&s->seg[CPU_SS]);
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		s->seg_base[k] = s->mode == SOFT_MODE_64 && k < CPU_FS ? 0 : s->seg[k].base;
	if (s->mode == SOFT_MODE_64)
		s->stack_size = 8;
	else
		s->stack_size = s->seg[CPU_SS].attr & CPU_SEG_DB ? 4 : 2;
	set_tlb(s);
}

bool seg_in_limit(const struct cpu_segment *seg, uint64_t off, size_t size)
{
	uint64_t last = off + size - 1;

	if ((seg->attr & (CPU_SEG_S | SEG_TYPE_CODE | SEG_TYPE_DOWN)) == (CPU_SEG_S | SEG_TYPE_DOWN))
		return off > seg->limit && last <= (seg->attr & CPU_SEG_DB ? UINT32_MAX : UINT16_MAX);
	return last <= seg->limit && last >= off;
}

void soft_seg_check(struct soft *s, unsigned seg, uint64_t off, size_t size, bool is_write)
{
	const struct cpu_segment *g = &s->seg[seg];
	bool ok = seg_in_limit(g, off, size);

	if (s->mode != SOFT_MODE_REAL && s->mode != SOFT_MODE_V86) {
		if (g->attr & CPU_SEG_UNUSABLE)
			ok = false;
		else if (g->attr & SEG_TYPE_CODE)
			ok = ok && !is_write && g->attr & SEG_TYPE_READ;
		else if (is_write)
			ok = ok && g->attr & SEG_TYPE_WRITE;
	}
	if (!ok)
		soft_raise_error(s, seg == CPU_SS ? EXC_SS : EXC_GP, 0);
}

/* ---- descriptors ----------------------------------------------------------- */

static void desc_unpack(uint16_t sel, uint64_t raw, struct seg_desc *d)
{
	uint32_t limit = (uint32_t)(raw & 0xFFFF) | (uint32_t)(raw >> 32 & 0xF0000);

	d->raw = raw;
	d->seg.sel = sel;
	d->seg.attr = (uint16_t)((raw >> 40 & 0xFF) | (raw >> 44 & 0xF00));
	d->seg.limit = d->seg.attr & CPU_SEG_G ? limit << 12 | 0xFFF : limit;
	d->seg.base = (raw >> 16 & 0xFFFFFF) | (raw >> 32 & 0xFF000000);
	d->type = d->seg.attr & 15;
	d->dpl = d->seg.attr >> 5 & 3;
	d->is_code_data = d->seg.attr & CPU_SEG_S;
	d->present = d->seg.attr & CPU_SEG_P;
}

/* Finds [index*8 + skip, +8) of the selector's table. */
static bool desc_place(struct soft *s, uint16_t sel, unsigned skip, uint64_t *ret_lin)
{
	uint64_t base = s->gdtr.base;
	uint32_t limit = s->gdtr.limit, off = (sel & 0xFFF8U) + skip;

	if (sel & 4) {
		if (s->ldtr.attr & CPU_SEG_UNUSABLE || !(s->ldtr.attr & CPU_SEG_P))
			return false;
		base = s->ldtr.base;
		limit = s->ldtr.limit;
	}
	if (off + 7 > limit)
		return false;
	*ret_lin = base + off;
	if (!(s->efer & EFER_LMA))
		*ret_lin = (uint32_t)*ret_lin;
	return true;
}

bool seg_desc_read(struct soft *s, uint16_t sel, struct seg_desc *ret_desc)
{
	uint64_t lin;

	if (!desc_place(s, sel, 0, &lin))
		return false;
	memset(ret_desc, 0, sizeof(*ret_desc));
	ret_desc->lin = lin;
	desc_unpack(sel, mmu_sys_ld64(s, lin), ret_desc);
	return true;
}

bool seg_desc_read_high(struct soft *s, uint16_t sel, struct seg_desc *desc)
{
	uint64_t lin, high;

	if (!desc_place(s, sel, 8, &lin))
		return false;
	high = mmu_sys_ld64(s, lin);
	if (high >> 40 & 0x1F)
		return false;
	desc->seg.base |= high << 32;
	return true;
}

void seg_desc_set_accessed(struct soft *s, struct seg_desc *desc)
{
	if (desc->seg.attr & SEG_TYPE_ACCESSED)
		return;
	desc->seg.attr |= SEG_TYPE_ACCESSED;
	mmu_sys_st8(s, desc->lin + 5, (uint8_t)(desc->raw >> 40 | SEG_TYPE_ACCESSED));
}

/* ---- loading ------------------------------------------------------------------ */

void seg_set_real(struct soft *s, unsigned seg, uint16_t sel)
{
	struct cpu_segment *g = &s->seg[seg];

	g->sel = sel;
	g->base = (uint64_t)sel << 4;
	g->attr = (uint16_t)((g->attr & (CPU_SEG_DB | CPU_SEG_G)) | CPU_SEG_P | CPU_SEG_S |
			     SEG_TYPE_WRITE | SEG_TYPE_ACCESSED);
}

void seg_set_v86(struct soft *s, unsigned seg, uint16_t sel)
{
	s->seg[seg] = (struct cpu_segment){ .sel = sel, .base = (uint64_t)sel << 4, .limit = 0xFFFF,
					    .attr = 0xF3 };
}

void seg_set_null(struct soft *s, unsigned seg, uint16_t sel)
{
	struct cpu_segment *g = &s->seg[seg];

	g->sel = sel;
	/* SS keeps its DPL: it is the CPL. The base becomes 0, as on Intel's processors. */
	g->attr = (uint16_t)(CPU_SEG_UNUSABLE | (seg == CPU_SS ? g->attr & 0x60 : 0));
	g->base = 0;
	g->limit = 0;
}

void seg_set_flat(struct soft *s, unsigned seg, uint16_t sel, unsigned dpl, bool is_code, bool is_64)
{
	unsigned attr = CPU_SEG_P | CPU_SEG_S | CPU_SEG_G | dpl << 5 | SEG_TYPE_ACCESSED | 2;

	if (is_code)
		attr |= SEG_TYPE_CODE | (is_64 ? CPU_SEG_L : CPU_SEG_DB);
	else
		attr |= CPU_SEG_DB;
	s->seg[seg] = (struct cpu_segment){ .sel = sel, .limit = UINT32_MAX, .attr = (uint16_t)attr };
}

void seg_drop_privileged(struct soft *s, unsigned cpl)
{
	static const uint8_t segs[] = { CPU_ES, CPU_DS, CPU_FS, CPU_GS };

	for (size_t k = 0; k < sizeof(segs); k++) {
		struct cpu_segment *g = &s->seg[segs[k]];
		bool conforming = (g->attr & (SEG_TYPE_CODE | SEG_TYPE_CONFORMING)) ==
				  (SEG_TYPE_CODE | SEG_TYPE_CONFORMING);

		if (g->attr & CPU_SEG_UNUSABLE || (!conforming && seg_dpl(g) < cpl)) {
			g->sel = 0;
			g->attr = CPU_SEG_UNUSABLE;
		}
	}
}

void seg_check_stack(struct soft *s, uint16_t sel, unsigned cpl, int vector, uint32_t ext,
		     struct seg_desc *ret_desc)
{
	struct seg_desc *d = ret_desc;

	if (seg_is_null(sel))
		soft_raise_error(s, vector, ext);
	if (!seg_desc_read(s, sel, d) || (sel & 3U) != cpl || d->dpl != cpl || !d->is_code_data ||
	    d->type & SEG_TYPE_CODE || !(d->type & SEG_TYPE_WRITE))
		soft_raise_error(s, vector, seg_error(sel) | ext);
	if (!d->present)
		soft_raise_error(s, EXC_SS, seg_error(sel) | ext);
}

void seg_tss_stack(struct soft *s, unsigned dpl, uint32_t ext, uint16_t *ret_ss, uint64_t *ret_rsp)
{
	uint32_t error = seg_error(s->tr.sel) | ext;
	bool is_32 = (s->tr.attr & 15) >= DESC_TSS32_FREE;
	uint32_t off = s->efer & EFER_LMA ? 4 + dpl * 8 : is_32 ? 4 + dpl * 8 : 2 + dpl * 4;
	uint32_t len = s->efer & EFER_LMA ? 8 : is_32 ? 6 : 4;

	if (s->tr.attr & CPU_SEG_UNUSABLE || off + len - 1 > s->tr.limit)
		soft_raise_error(s, EXC_TS, error);
	if (s->efer & EFER_LMA) {
		*ret_rsp = mmu_sys_ld64(s, s->tr.base + off);
		*ret_ss = (uint16_t)dpl;
	} else if (is_32) {
		*ret_rsp = mmu_sys_ld32(s, s->tr.base + off);
		*ret_ss = mmu_sys_ld16(s, s->tr.base + off + 4);
	} else {
		*ret_rsp = mmu_sys_ld16(s, s->tr.base + off);
		*ret_ss = mmu_sys_ld16(s, s->tr.base + off + 2);
	}
}

static void load_ss(struct soft *s, uint16_t sel)
{
	struct seg_desc d;

	if (seg_is_null(sel)) {
		if (s->mode != SOFT_MODE_64 || s->cpl == 3 || (sel & 3) != s->cpl)
			soft_gp(s, 0);
		seg_set_null(s, CPU_SS, sel);
		return;
	}
	seg_check_stack(s, sel, s->cpl, EXC_GP, 0, &d);
	seg_desc_set_accessed(s, &d);
	s->seg[CPU_SS] = d.seg;
}

static void load_data(struct soft *s, unsigned seg, uint16_t sel)
{
	struct seg_desc d;
	unsigned rpl = sel & 3;
	bool code, conforming;

	if (seg_is_null(sel)) {
		seg_set_null(s, seg, sel);
		return;
	}
	if (!seg_desc_read(s, sel, &d) || !d.is_code_data)
		soft_gp(s, seg_error(sel));
	code = d.type & SEG_TYPE_CODE;
	conforming = code && d.type & SEG_TYPE_CONFORMING;
	if ((code && !(d.type & SEG_TYPE_READ)) || (!conforming && (rpl > d.dpl || s->cpl > d.dpl)))
		soft_gp(s, seg_error(sel));
	if (!d.present)
		soft_raise_error(s, EXC_NP, seg_error(sel));
	seg_desc_set_accessed(s, &d);
	s->seg[seg] = d.seg;
}

void seg_load(struct soft *s, unsigned seg, uint16_t sel)
{
	if (s->mode == SOFT_MODE_REAL)
		seg_set_real(s, seg, sel);
	else if (s->mode == SOFT_MODE_V86)
		seg_set_v86(s, seg, sel);
	else if (seg == CPU_SS)
		load_ss(s, sel);
	else
		load_data(s, seg, sel);
	soft_mode_changed(s);
}
