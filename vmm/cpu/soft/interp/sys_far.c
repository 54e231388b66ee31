/* vmm/cpu/soft/interp/sys_far.c: far JMP and CALL: direct, through memory, and
 * through call gates to the same or an inner privilege.
 *
 * Jumps and calls to task gates and TSSs end the machine with an error text:
 * hardware task switches are not offered.
 *
 * Used by: exec_lookup.c.   Depends on: seg.h, event.h (stacks being built).
 * Sources: SDM vol. 2, CALL and JMP; vol. 3 §5.8.1 to §5.8.5. */
#include "vmm/cpu/soft/interp/event.h"
#include "vmm/cpu/soft/interp/sys.h"

/* A far pointer and how it came about. */
struct far {
	uint16_t sel;
	uint64_t rip;
	unsigned size; /* operand size, or the gate's */
	bool is_call;
};

static void far_real(struct soft *s, const struct far *f)
{
	if (f->rip > s->seg[CPU_CS].limit)
		soft_gp(s, 0);
	if (f->is_call) {
		struct event_stack st;

		event_stack_current(s, &st);
		event_push(&st, f->size, s->seg[CPU_CS].sel);
		event_push(&st, f->size, s->rip);
		event_push_done(s, &st);
		event_stack_take(s, &st);
	}
	if (s->mode == SOFT_MODE_REAL)
		seg_set_real(s, CPU_CS, f->sel);
	else
		seg_set_v86(s, CPU_CS, f->sel);
	s->rip = f->rip;
	soft_mode_changed(s);
}

static void check_long_bits(struct soft *s, uint16_t sel, const struct seg_desc *d, bool need_64)
{
	unsigned bits = d->seg.attr & (CPU_SEG_L | CPU_SEG_DB);

	if (s->efer & EFER_LMA && (need_64 ? bits != CPU_SEG_L : bits == (CPU_SEG_L | CPU_SEG_DB)))
		soft_gp(s, seg_error(sel));
}

/* Pushes the return address on @st when it is a call, then goes to @d at privilege @cpl. */
static void enter(struct soft *s, const struct far *f, struct seg_desc *d, unsigned cpl,
		  struct event_stack *st)
{
	sys_check_target(s, &d->seg, f->rip);
	seg_desc_set_accessed(s, d);
	if (f->is_call) {
		event_push(st, f->size, s->seg[CPU_CS].sel);
		event_push(st, f->size, s->rip);
		event_push_done(s, st);
		if (cpl != s->cpl)
			s->seg[CPU_SS] = st->ss;
		event_stack_take(s, st);
	}
	d->seg.sel = (uint16_t)((d->seg.sel & ~3U) | cpl);
	s->seg[CPU_CS] = d->seg;
	s->rip = f->rip;
	soft_mode_changed(s);
}

static void far_code(struct soft *s, const struct far *f, struct seg_desc *d)
{
	struct event_stack st;
	unsigned rpl = f->sel & 3;
	bool ok = d->type & SEG_TYPE_CONFORMING ? d->dpl <= s->cpl : rpl <= s->cpl && d->dpl == s->cpl;

	if (!ok)
		soft_gp(s, seg_error(f->sel));
	check_long_bits(s, f->sel, d, false);
	if (!d->present)
		soft_raise_error(s, EXC_NP, seg_error(f->sel));
	event_stack_current(s, &st);
	enter(s, f, d, s->cpl, &st);
}

/* The inner stack for a call through a gate, with @n_params copied from the outer one. */
static void gate_stack(struct soft *s, unsigned cpl, unsigned n_params, unsigned size, struct event_stack *st)
{
	struct seg_desc d;
	uint16_t ss;

	event_stack_current(s, st);
	seg_tss_stack(s, cpl, 0, &ss, &st->sp);
	st->cpl = (uint8_t)cpl;
	if (s->efer & EFER_LMA) {
		st->stack_size = 8;
		st->ss = (struct cpu_segment){ .sel = ss, .attr = (uint16_t)(CPU_SEG_UNUSABLE | cpl << 5) };
	} else {
		seg_check_stack(s, ss, cpl, EXC_TS, 0, &d);
		seg_desc_set_accessed(s, &d);
		st->ss = d.seg;
		st->stack_size = d.seg.attr & CPU_SEG_DB ? 4 : 2;
		st->error = seg_error(ss);
	}
	event_push(st, size, s->seg[CPU_SS].sel);
	event_push(st, size, s->r[CPU_RSP]);
	for (unsigned k = n_params; k > 0; k--)
		event_push(st, size, sys_stack_peek(s, (k - 1) * size, size));
}

static void far_gate(struct soft *s, const struct far *f, const struct seg_desc *gate)
{
	bool lma = s->efer & EFER_LMA;
	struct far to = { .is_call = f->is_call, .sel = (uint16_t)(gate->raw >> 16),
			  .rip = (gate->raw & 0xFFFF) | (gate->raw >> 32 & 0xFFFF0000),
			  .size = lma ? 8 : gate->type == DESC_CALL32 ? 4 : 2 };
	struct seg_desc d;
	struct event_stack st;
	bool inner;

	if (gate->dpl < s->cpl || gate->dpl < (f->sel & 3U))
		soft_gp(s, seg_error(f->sel));
	if (!gate->present)
		soft_raise_error(s, EXC_NP, seg_error(f->sel));
	if (lma) {
		uint64_t high_lin = gate->lin + 8, high = mmu_sys_ld64(s, high_lin);

		if (high >> 40 & 0x1F)
			soft_gp(s, seg_error(f->sel));
		to.rip |= high << 32;
	} else if (to.size == 2) {
		to.rip &= 0xFFFF;
	}
	if (seg_is_null(to.sel))
		soft_gp(s, 0);
	if (!seg_desc_read(s, to.sel, &d) || !d.is_code_data || !(d.type & SEG_TYPE_CODE) || d.dpl > s->cpl)
		soft_gp(s, seg_error(to.sel));
	check_long_bits(s, to.sel, &d, true);
	inner = !(d.type & SEG_TYPE_CONFORMING) && d.dpl < s->cpl;
	if (inner && !f->is_call)
		soft_gp(s, seg_error(to.sel));
	if (!d.present)
		soft_raise_error(s, EXC_NP, seg_error(to.sel));
	if (inner)
		gate_stack(s, d.dpl, lma ? 0 : gate->raw >> 32 & 31, to.size, &st);
	else
		event_stack_current(s, &st);
	enter(s, &to, &d, inner ? d.dpl : s->cpl, &st);
}

static void far_transfer(struct soft *s, const struct far *f)
{
	bool lma = s->efer & EFER_LMA;
	struct seg_desc d;

	if (!sys_is_protected(s)) {
		far_real(s, f);
		return;
	}
	if (seg_is_null(f->sel))
		soft_gp(s, 0);
	if (!seg_desc_read(s, f->sel, &d))
		soft_gp(s, seg_error(f->sel));
	if (d.is_code_data) {
		if (!(d.type & SEG_TYPE_CODE))
			soft_gp(s, seg_error(f->sel));
		far_code(s, f, &d);
	} else if (d.type == DESC_CALL32 || (d.type == DESC_CALL16 && !lma)) {
		far_gate(s, f, &d);
	} else if (!lma && (d.type == DESC_TASK_GATE || d.type == DESC_TSS32_FREE || d.type == DESC_TSS16_FREE)) {
		soft_unsupported(s, "far transfer to a task (hardware task switches are not offered)");
	} else {
		soft_gp(s, seg_error(f->sel));
	}
}

static void far_direct(struct soft *s, const struct insn *i, bool is_call)
{
	struct far f = { .sel = i->imm2, .rip = i->imm & sys_mask(i->opsize), .size = i->opsize,
			 .is_call = is_call };

	far_transfer(s, &f);
}

static void far_memory(struct soft *s, const struct insn *i, bool is_call)
{
	uint64_t lin = soft_lin_for(s, i, i->opsize + 2U, false);
	struct far f = { .size = i->opsize, .is_call = is_call };

	f.rip = mem_ld(s, lin, i->opsize);
	f.sel = mmu_ld16(s, lin + i->opsize);
	far_transfer(s, &f);
}

void sys_call_far(struct soft *s, const struct insn *i)
{
	far_direct(s, i, true);
}

void sys_jmp_far(struct soft *s, const struct insn *i)
{
	far_direct(s, i, false);
}

void sys_call_far_mem(struct soft *s, const struct insn *i)
{
	far_memory(s, i, true);
}

void sys_jmp_far_mem(struct soft *s, const struct insn *i)
{
	far_memory(s, i, false);
}
