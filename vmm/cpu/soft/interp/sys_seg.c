/* vmm/cpu/soft/interp/sys_seg.c: instructions on segment registers and descriptors:
 * MOV, PUSH, POP, LDS and its kind, group 6 (LLDT, LTR, VERR ...), LAR, LSL, ARPL.
 *
 * A load into SS sets the interrupt shadow, and has no single-step trap of its own (SDM vol. 3 §6.8.3).
 *
 * Used by: exec_lookup.c.   Depends on: seg.h.   Sources: SDM vol. 2, each instruction's page. */
#include "vmm/cpu/soft/interp/sys.h"

static void shadow_of(struct soft *s, unsigned seg)
{
	if (seg != CPU_SS)
		return;
	s->shadow = true;
	s->trap_pending = false;
}

void sys_mov_from_seg(struct soft *s, const struct insn *i)
{
	sys_rm_write16(s, i, s->seg[i->reg & 7].sel);
}

void sys_mov_to_seg(struct soft *s, const struct insn *i)
{
	unsigned seg = i->reg & 7;

	seg_load(s, seg, (uint16_t)sys_rm_read(s, i, 2));
	shadow_of(s, seg);
}

/* Which register a PUSH or POP names: bits 3 to 5 of the opcode. */
static unsigned named_seg(const struct insn *i)
{
	return i->opcode >> 3 & 7;
}

void sys_push_seg(struct soft *s, const struct insn *i)
{
	sys_push(s, i->opsize, s->seg[named_seg(i)].sel);
}

void sys_pop_seg(struct soft *s, const struct insn *i)
{
	unsigned seg = named_seg(i), width = s->stack_size;
	uint64_t sp = s->r[CPU_RSP] + i->opsize;

	seg_load(s, seg, (uint16_t)sys_stack_peek(s, 0, i->opsize));
	/* The pop itself goes by the old stack's width. */
	if (width == 2)
		sys_reg_write(s, CPU_RSP, 2, sp);
	else
		s->r[CPU_RSP] = width == 4 ? (uint32_t)sp : sp;
	shadow_of(s, seg);
}

/* LES C4, LDS C5, LSS 0F B2, LFS B4, LGS B5. */
void sys_load_far(struct soft *s, const struct insn *i)
{
	unsigned seg = i->map == 1 ? i->opcode & 7U : i->opcode == 0xC4 ? (unsigned)CPU_ES : CPU_DS;
	uint64_t lin = soft_lin_for(s, i, i->opsize + 2U, false);
	uint64_t off = mem_ld(s, lin, i->opsize);

	seg_load(s, seg, mmu_ld16(s, lin + i->opsize));
	sys_reg_write(s, i->reg, i->opsize, off);
	shadow_of(s, seg);
}

/* ---- group 6 ------------------------------------------------------------------ */

static void lldt(struct soft *s, uint16_t sel)
{
	struct seg_desc d;

	sys_need_cpl0(s);
	if (seg_is_null(sel)) {
		s->ldtr = (struct cpu_segment){ .sel = sel, .attr = CPU_SEG_UNUSABLE };
		return;
	}
	if (sel & 4 || !seg_desc_read(s, sel, &d) || d.is_code_data || d.type != DESC_LDT)
		soft_gp(s, seg_error(sel));
	if (!d.present)
		soft_raise_error(s, EXC_NP, seg_error(sel));
	if (s->efer & EFER_LMA && (!seg_desc_read_high(s, sel, &d) || !lin_is_canonical(d.seg.base)))
		soft_gp(s, seg_error(sel));
	s->ldtr = d.seg;
}

static void ltr(struct soft *s, uint16_t sel)
{
	struct seg_desc d;

	sys_need_cpl0(s);
	if (seg_is_null(sel))
		soft_gp(s, 0);
	if (sel & 4 || !seg_desc_read(s, sel, &d) || d.is_code_data ||
	    (d.type != DESC_TSS32_FREE && (s->efer & EFER_LMA || d.type != DESC_TSS16_FREE)))
		soft_gp(s, seg_error(sel));
	if (!d.present)
		soft_raise_error(s, EXC_NP, seg_error(sel));
	if (s->efer & EFER_LMA && (!seg_desc_read_high(s, sel, &d) || !lin_is_canonical(d.seg.base)))
		soft_gp(s, seg_error(sel));
	mmu_sys_st8(s, d.lin + 5, (uint8_t)(d.raw >> 40 | 2));
	d.seg.attr |= 2; /* busy */
	s->tr = d.seg;
}

/* May a program at this CPL and @sel's RPL see the segment? */
static bool is_visible(const struct soft *s, uint16_t sel, const struct seg_desc *d)
{
	unsigned rpl = sel & 3;
	bool conforming = d->is_code_data && d->type & SEG_TYPE_CODE && d->type & SEG_TYPE_CONFORMING;

	return conforming || (d->dpl >= s->cpl && d->dpl >= rpl);
}

static bool verify(struct soft *s, uint16_t sel, bool for_write)
{
	struct seg_desc d;

	if (seg_is_null(sel) || !seg_desc_read(s, sel, &d) || !d.is_code_data || !is_visible(s, sel, &d))
		return false;
	if (d.type & SEG_TYPE_CODE)
		return !for_write && d.type & SEG_TYPE_READ;
	return !for_write || d.type & SEG_TYPE_WRITE;
}

void sys_sldt(struct soft *s, const struct insn *i)
{
	sys_rm_write16(s, i, s->ldtr.sel);
}

void sys_str(struct soft *s, const struct insn *i)
{
	sys_rm_write16(s, i, s->tr.sel);
}

void sys_lldt(struct soft *s, const struct insn *i)
{
	sys_need_cpl0(s);
	lldt(s, (uint16_t)sys_rm_read(s, i, 2));
}

void sys_ltr(struct soft *s, const struct insn *i)
{
	sys_need_cpl0(s);
	ltr(s, (uint16_t)sys_rm_read(s, i, 2));
}

void sys_verr(struct soft *s, const struct insn *i)
{
	sys_set_zf(s, verify(s, (uint16_t)sys_rm_read(s, i, 2), false));
}

void sys_verw(struct soft *s, const struct insn *i)
{
	sys_set_zf(s, verify(s, (uint16_t)sys_rm_read(s, i, 2), true));
}

/* ---- LAR, LSL, ARPL -------------------------------------------------------------- */

/* Which system types LAR and LSL accept (SDM vol. 2, tables of LAR and LSL). */
static bool type_is_known(const struct soft *s, const struct seg_desc *d, bool has_limit)
{
	unsigned legacy = 1U << DESC_TSS16_FREE | 1U << DESC_TSS16_BUSY;
	unsigned known = 1U << DESC_LDT | 1U << DESC_TSS32_FREE | 1U << DESC_TSS32_BUSY;

	if (d->is_code_data)
		return true;
	if (!(s->efer & EFER_LMA))
		known |= legacy | (has_limit ? 0 : 1U << DESC_CALL16 | 1U << DESC_TASK_GATE);
	if (!has_limit)
		known |= 1U << DESC_CALL32;
	return known >> d->type & 1;
}

static bool describe(struct soft *s, const struct insn *i, bool has_limit, struct seg_desc *ret_desc)
{
	uint16_t sel = (uint16_t)sys_rm_read(s, i, 2);

	return !seg_is_null(sel) && seg_desc_read(s, sel, ret_desc) &&
	       type_is_known(s, ret_desc, has_limit) && is_visible(s, sel, ret_desc);
}

void sys_lar(struct soft *s, const struct insn *i)
{
	struct seg_desc d;
	bool ok = describe(s, i, false, &d);

	if (ok)
		sys_reg_write(s, i->reg, i->opsize, d.raw >> 32 & 0x00F0FF00);
	sys_set_zf(s, ok);
}

void sys_lsl(struct soft *s, const struct insn *i)
{
	struct seg_desc d;
	bool ok = describe(s, i, true, &d);

	if (ok)
		sys_reg_write(s, i->reg, i->opsize, d.seg.limit);
	sys_set_zf(s, ok);
}

void sys_arpl(struct soft *s, const struct insn *i)
{
	uint16_t dst = (uint16_t)sys_rm_read(s, i, 2), rpl = s->r[i->reg] & 3;
	bool lower = (dst & 3) < rpl;

	if (lower) {
		dst = (uint16_t)((dst & ~3U) | rpl);
		if (i->mod == 3)
			sys_reg_write(s, i->rm, 2, dst);
		else
			mmu_st16(s, soft_lin_for(s, i, 2, true), dst);
	}
	sys_set_zf(s, lower);
}
