/* vmm/cpu/soft/interp/sys_ret.c: IRET in every mode, and far RET.
 *
 * Both read the whole frame, check everything, and only then change the
 * processor; a fault leaves the stack pointer where it was. They share the
 * checks of the code and stack segment that they go back to.
 *
 * IRET unblocks NMIs even when it faults (SDM vol. 3 §6.7.1). Task returns
 * (NT set) are not offered.
 *
 * Used by: exec_lookup.c.   Depends on: seg.h.
 * Sources: SDM vol. 2, IRET and RET; vol. 3 §5.8.6, §6.12.1, §20.2.2. */
#include "vmm/cpu/soft/interp/sys.h"

/* What a return goes to, once everything is checked. */
struct target {
	struct seg_desc cs, ss;
	uint64_t rip, rsp;
	bool loads_stack; /* outer privilege, or IRET in 64-bit mode */
	bool ss_null;
	uint16_t ss_sel;
};

/* The checks of the code segment @sel to return to. */
static void check_code(struct soft *s, uint16_t sel, struct seg_desc *ret_cs)
{
	unsigned rpl = sel & 3;
	struct seg_desc *d = ret_cs;

	if (seg_is_null(sel))
		soft_gp(s, 0);
	if (!seg_desc_read(s, sel, d) || !d->is_code_data || !(d->type & SEG_TYPE_CODE) || rpl < s->cpl)
		soft_gp(s, seg_error(sel));
	if (d->type & SEG_TYPE_CONFORMING ? d->dpl > rpl : d->dpl != rpl)
		soft_gp(s, seg_error(sel));
	if (s->efer & EFER_LMA && (d->seg.attr & (CPU_SEG_L | CPU_SEG_DB)) == (CPU_SEG_L | CPU_SEG_DB))
		soft_gp(s, seg_error(sel));
	if (!d->present)
		soft_raise_error(s, EXC_NP, seg_error(sel));
}

/* A null SS is allowed on the way to 64-bit code of CPL 0 to 2. */
static void check_stack(struct soft *s, uint16_t sel, struct target *t)
{
	unsigned rpl = t->cs.seg.sel & 3;
	bool to_64 = s->efer & EFER_LMA && t->cs.seg.attr & CPU_SEG_L;

	t->ss_sel = sel;
	if (seg_is_null(sel) && to_64 && rpl != 3 && (sel & 3U) == rpl) {
		t->ss_null = true;
		return;
	}
	seg_check_stack(s, sel, rpl, EXC_GP, 0, &t->ss);
}

/* Makes the checked target current. Only descriptors' A bits may still fault. */
static void go(struct soft *s, struct target *t)
{
	unsigned rpl = t->cs.seg.sel & 3;
	bool outer = rpl != s->cpl;

	sys_check_target(s, &t->cs.seg, t->rip);
	seg_desc_set_accessed(s, &t->cs);
	if (t->loads_stack && !t->ss_null)
		seg_desc_set_accessed(s, &t->ss);
	s->seg[CPU_CS] = t->cs.seg;
	s->rip = t->rip;
	if (!t->loads_stack) {
		soft_set_rsp(s, t->rsp);
		soft_mode_changed(s);
		return;
	}
	if (t->ss_null)
		s->seg[CPU_SS] = (struct cpu_segment){ .sel = t->ss_sel,
						       .attr = (uint16_t)(CPU_SEG_UNUSABLE | rpl << 5) };
	else
		s->seg[CPU_SS] = t->ss.seg;
	soft_mode_changed(s);
	soft_set_rsp(s, t->rsp);
	if (outer)
		seg_drop_privileged(s, rpl);
}

/* ---- RETF ------------------------------------------------------------------------ */

static void retf_real(struct soft *s, const struct insn *i, unsigned release)
{
	uint64_t rip = sys_stack_peek(s, 0, i->opsize);
	uint16_t sel = (uint16_t)sys_stack_peek(s, i->opsize, i->opsize);

	if (rip > s->seg[CPU_CS].limit)
		soft_gp(s, 0);
	soft_set_rsp(s, s->r[CPU_RSP] + 2U * i->opsize + release);
	s->rip = rip;
	if (s->mode == SOFT_MODE_REAL)
		seg_set_real(s, CPU_CS, sel);
	else
		seg_set_v86(s, CPU_CS, sel);
	soft_mode_changed(s);
}

void sys_retf(struct soft *s, const struct insn *i)
{
	unsigned size = i->opsize, release = i->opcode == 0xCA ? (unsigned)i->imm & 0xFFFF : 0;
	struct target t = { .rsp = s->r[CPU_RSP] + 2 * size + release };
	uint16_t sel;

	if (!sys_is_protected(s)) {
		retf_real(s, i, release);
		return;
	}
	t.rip = sys_stack_peek(s, 0, size);
	sel = (uint16_t)sys_stack_peek(s, size, size);
	check_code(s, sel, &t.cs);
	if ((sel & 3) != s->cpl) {
		t.loads_stack = true;
		t.rsp = sys_stack_peek(s, 2 * size + release, size) + release;
		check_stack(s, (uint16_t)sys_stack_peek(s, 3 * size + release, size), &t);
	}
	go(s, &t);
}

/* ---- IRET ------------------------------------------------------------------------- */

enum { IRET_ALWAYS = FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID };

/* RFLAGS after a return at the CPL that executes it. RF is not kept. */
static void take_flags(struct soft *s, uint32_t image, uint32_t writable, unsigned size)
{
	uint32_t old = soft_flags_get(s);

	if (size == 2)
		writable &= 0xFFFF;
	soft_flags_set(s, (((old & ~writable) | (image & writable)) & ~(uint32_t)FLAG_RF) | 2);
}

static void iret_real(struct soft *s, const struct insn *i)
{
	unsigned size = i->opsize;
	uint64_t rip = sys_stack_peek(s, 0, size);
	uint16_t sel = (uint16_t)sys_stack_peek(s, size, size);
	uint32_t flags = (uint32_t)sys_stack_peek(s, 2 * size, size);
	uint32_t writable = IRET_ALWAYS | FLAG_IF;

	if (s->mode == SOFT_MODE_V86 && sys_iopl(s) < 3)
		soft_gp(s, 0);
	if (rip > s->seg[CPU_CS].limit)
		soft_gp(s, 0);
	soft_set_rsp(s, s->r[CPU_RSP] + 3U * size);
	s->rip = rip;
	if (s->mode == SOFT_MODE_REAL) {
		seg_set_real(s, CPU_CS, sel);
		writable |= FLAG_IOPL;
	} else {
		seg_set_v86(s, CPU_CS, sel);
	}
	take_flags(s, flags, writable, size);
	soft_mode_changed(s);
}

static void iret_to_v86(struct soft *s, uint32_t flags)
{
	static const uint8_t order[] = { CPU_ES, CPU_DS, CPU_FS, CPU_GS };
	uint64_t rip = sys_stack_peek(s, 0, 4), rsp = sys_stack_peek(s, 12, 4);
	uint16_t cs = (uint16_t)sys_stack_peek(s, 4, 4), ss = (uint16_t)sys_stack_peek(s, 16, 4);
	uint16_t data[4];

	for (unsigned k = 0; k < 4; k++)
		data[k] = (uint16_t)sys_stack_peek(s, 20 + 4 * k, 4);
	if (rip > 0xFFFF)
		soft_gp(s, 0);
	soft_flags_set(s, (flags & (IRET_ALWAYS | FLAG_IF | FLAG_IOPL | FLAG_VIF | FLAG_VIP)) | FLAG_VM | 2);
	seg_set_v86(s, CPU_CS, cs);
	seg_set_v86(s, CPU_SS, ss);
	for (unsigned k = 0; k < 4; k++)
		seg_set_v86(s, order[k], data[k]);
	s->rip = rip;
	s->r[CPU_RSP] = rsp;
	soft_mode_changed(s);
}

static void iret_protected(struct soft *s, const struct insn *i)
{
	unsigned size = i->opsize, cpl = s->cpl, iopl = sys_iopl(s);
	struct target t = { .rip = sys_stack_peek(s, 0, size), .rsp = s->r[CPU_RSP] + 3 * size };
	uint16_t sel = (uint16_t)sys_stack_peek(s, size, size);
	uint32_t flags = (uint32_t)sys_stack_peek(s, 2 * size, size);
	uint32_t writable = IRET_ALWAYS;

	if (flags & FLAG_VM && size == 4 && !cpl && !(s->efer & EFER_LMA)) {
		iret_to_v86(s, flags);
		return;
	}
	check_code(s, sel, &t.cs);
	if (s->mode == SOFT_MODE_64 || (sel & 3) != cpl) {
		t.loads_stack = true;
		t.rsp = sys_stack_peek(s, 3 * size, size);
		check_stack(s, (uint16_t)sys_stack_peek(s, 4 * size, size), &t);
	}
	go(s, &t);
	if (cpl <= iopl)
		writable |= FLAG_IF;
	if (!cpl)
		writable |= FLAG_IOPL | FLAG_VIF | FLAG_VIP;
	take_flags(s, flags, writable, size);
	soft_mode_changed(s);
}

void sys_iret(struct soft *s, const struct insn *i)
{
	s->nmi_masked = false;
	if (!sys_is_protected(s)) {
		iret_real(s, i);
		return;
	}
	if (s->rflags & FLAG_NT) {
		if (s->efer & EFER_LMA)
			soft_gp(s, 0);
		soft_unsupported(s, "IRET with NT set (hardware task switches are not offered)");
	}
	iret_protected(s, i);
}
