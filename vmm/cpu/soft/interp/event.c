/* vmm/cpu/soft/interp/event.c: the delivery of exceptions and interrupts.
 *
 * The run loop calls soft_event_deliver() after a raise (raise.c) and for an
 * interrupt that is pending. Delivery reads, checks and writes memory first and
 * changes the processor last, so that a fault on the way leaves it as it was;
 * such a fault comes back here (own jump target) and is combined with the
 * first by table 6-5: double fault, or one after the other. A fault of the
 * double fault is shutdown.
 *
 * Not done: task switches (task gates end the machine with an error text), virtual-8086
 * mode extensions, instruction and data breakpoints; so RF is pushed as the
 * manual says but never kept.
 *
 * Used by: the run loop, sys_*.c.   Depends on: seg.h, mmu.h.
 * Sources: SDM vol. 3 §6.8 to §6.15, §17.3.1, §20.1.4; vol. 2, INT n. */
#include "vmm/cpu/soft/interp/event.h"

#include "vmm/cpu/soft/decode/insn_tab.h"

#include "vmm/cpu/soft/interp/exec.h"
#include "vmm/cpu/soft/mmu/mmu.h"
#include "vmm/cpu/soft/mmu/seg.h"
#include "vmm/cpu/soft/sysreg.h"

/* ---- stacks being built -------------------------------------------------------- */

void event_stack_current(const struct soft *s, struct event_stack *ret_st)
{
	ret_st->ss = s->seg[CPU_SS];
	ret_st->sp = s->r[CPU_RSP];
	ret_st->stack_size = s->stack_size;
	ret_st->cpl = s->cpl;
	ret_st->error = 0;
	ret_st->len = 0;
}

void event_push(struct event_stack *st, unsigned width, uint64_t v)
{
	st->len += width;
	memcpy(st->bytes + EVENT_FRAME_MAX - st->len, &v, width);
}

static uint64_t width_mask(unsigned stack_size)
{
	return stack_size == 8 ? UINT64_MAX : stack_size == 4 ? UINT32_MAX : UINT16_MAX;
}

static void push_store(struct soft *s, const struct event_stack *st, uint64_t off, const void *src, size_t n)
{
	uint64_t lin = off;

	if (st->stack_size != 8) {
		if (!seg_in_limit(&st->ss, off, n))
			soft_raise_error(s, EXC_SS, st->error);
		lin = (uint32_t)(st->ss.base + off);
	} else if (!lin_is_canonical(lin) || !lin_is_canonical(lin + n - 1)) {
		soft_raise_error(s, EXC_SS, st->error);
	}
	mmu_st_bytes_access(s, lin, src, n, st->cpl == 3 ? MMU_WRITE : MMU_WRITE | MMU_SYSTEM);
}

void event_push_done(struct soft *s, struct event_stack *st)
{
	uint64_t mask = width_mask(st->stack_size), off = (st->sp - st->len) & mask;
	const uint8_t *frame = st->bytes + EVENT_FRAME_MAX - st->len;

	if (off + st->len - 1 <= mask && off + st->len - 1 >= off) {
		push_store(s, st, off, frame, st->len);
	} else { /* the stack pointer wraps: in words, as pushes would */
		for (size_t k = 0; k < st->len; k += 2)
			push_store(s, st, (off + k) & mask, frame + k, 2);
	}
	st->sp -= st->len;
	st->len = 0;
}

void event_stack_take(struct soft *s, const struct event_stack *st)
{
	uint64_t mask = width_mask(st->stack_size);

	if (st->stack_size == 4)
		s->r[CPU_RSP] = (uint32_t)st->sp;
	else
		s->r[CPU_RSP] = (s->r[CPU_RSP] & ~mask) | (st->sp & mask);
}

/* ---- delivery ------------------------------------------------------------------- */

struct event {
	int vector;
	enum soft_event_kind kind;
	bool has_error;
	uint32_t error;
	uint64_t rip; /* to push */
};

/* An IDT gate, checked. */
struct gate {
	uint64_t offset;
	uint16_t sel;
	uint8_t type, ist;
};

static uint32_t ext_bit(const struct event *ev)
{
	return ev->kind != EVENT_SOFT_INT;
}

/* RFLAGS as pushed: faults have RF set (SDM vol. 3 §17.3.1.1). */
static uint32_t flags_image(struct soft *s, const struct event *ev)
{
	uint32_t flags = soft_flags_get(s);

	return ev->kind == EVENT_FAULT ? flags | FLAG_RF : flags & ~(uint32_t)FLAG_RF;
}

static void deliver_real(struct soft *s, const struct event *ev)
{
	uint32_t at = (uint32_t)ev->vector * 4;
	struct event_stack st;
	uint32_t entry;

	if (at + 3 > s->idtr.limit)
		soft_gp(s, 0);
	entry = mmu_sys_ld32(s, (uint32_t)(s->idtr.base + at));
	event_stack_current(s, &st);
	event_push(&st, 2, soft_flags_get(s));
	event_push(&st, 2, s->seg[CPU_CS].sel);
	event_push(&st, 2, ev->rip);
	event_push_done(s, &st);
	event_stack_take(s, &st);
	s->rflags &= ~(uint32_t)(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
	seg_set_real(s, CPU_CS, (uint16_t)(entry >> 16));
	s->rip = entry & 0xFFFF;
}

static void gate_read(struct soft *s, const struct event *ev, struct gate *ret_gate)
{
	bool lma = s->efer & EFER_LMA;
	uint32_t size = lma ? 16 : 8, at = (uint32_t)ev->vector * size;
	uint32_t error = (uint32_t)ev->vector * 8 + 2 + ext_bit(ev);
	uint64_t lin = s->idtr.base + at, lo, hi = 0;
	unsigned type;

	if (at + size - 1 > s->idtr.limit)
		soft_gp(s, error);
	lo = mmu_sys_ld64(s, lma ? lin : (uint32_t)lin);
	if (lma)
		hi = mmu_sys_ld64(s, lin + 8);
	type = lo >> 40 & 0x1F;
	if (type != DESC_INT32 && type != DESC_TRAP32 &&
	    (lma || (type != DESC_INT16 && type != DESC_TRAP16 && type != DESC_TASK_GATE)))
		soft_gp(s, error);
	if (ev->kind == EVENT_SOFT_INT && (lo >> 45 & 3) < s->cpl)
		soft_gp(s, error);
	if (!(lo >> 47 & 1))
		soft_raise_error(s, EXC_NP, error);
	if (type == DESC_TASK_GATE)
		soft_unsupported(s, "task gate in the IDT (hardware task switches are not offered)");
	ret_gate->offset = (lo & 0xFFFF) | (lo >> 32 & 0xFFFF0000);
	if (type == DESC_INT16 || type == DESC_TRAP16)
		ret_gate->offset &= 0xFFFF;
	if (lma)
		ret_gate->offset |= hi << 32;
	ret_gate->sel = (uint16_t)(lo >> 16);
	ret_gate->type = (uint8_t)type;
	ret_gate->ist = lma ? lo >> 32 & 7 : 0;
}

/* The handler's code segment; raises #GP, #NP. Returns the handler's privilege. */
static unsigned handler_segment(struct soft *s, const struct gate *g, uint32_t ext, struct seg_desc *ret_cs)
{
	struct seg_desc *d = ret_cs;
	uint32_t error = seg_error(g->sel) | ext;
	bool v86 = s->mode == SOFT_MODE_V86;

	if (seg_is_null(g->sel))
		soft_gp(s, ext);
	if (!seg_desc_read(s, g->sel, d) || !d->is_code_data || !(d->type & SEG_TYPE_CODE) || d->dpl > s->cpl)
		soft_gp(s, error);
	if (s->efer & EFER_LMA && (d->seg.attr & (CPU_SEG_L | CPU_SEG_DB)) != CPU_SEG_L)
		soft_gp(s, error);
	if (!d->present)
		soft_raise_error(s, EXC_NP, error);
	if (d->type & SEG_TYPE_CONFORMING || d->dpl == s->cpl) {
		if (v86)
			soft_gp(s, error);
		return s->cpl;
	}
	if (v86 && d->dpl)
		soft_gp(s, error);
	return d->dpl;
}

/* The stack of a long-mode handler: IST, the TSS's RSPn or the current one; aligned. */
static void stack_long(struct soft *s, const struct gate *g, unsigned cpl, uint32_t ext, struct event_stack *st)
{
	event_stack_current(s, st);
	st->stack_size = 8;
	st->error = ext;
	if (g->ist) {
		uint32_t off = 0x24 + (g->ist - 1U) * 8;

		if (s->tr.attr & CPU_SEG_UNUSABLE || off + 7 > s->tr.limit)
			soft_raise_error(s, EXC_TS, seg_error(s->tr.sel) | ext);
		st->sp = mmu_sys_ld64(s, s->tr.base + off);
	} else if (cpl != s->cpl) {
		uint16_t ss;

		seg_tss_stack(s, cpl, ext, &ss, &st->sp);
	}
	if (cpl != s->cpl)
		st->ss = (struct cpu_segment){ .sel = (uint16_t)cpl,
					       .attr = (uint16_t)(CPU_SEG_UNUSABLE | cpl << 5) };
	st->cpl = (uint8_t)cpl;
	st->sp &= ~UINT64_C(15);
}

static void stack_inner(struct soft *s, unsigned cpl, uint32_t ext, struct event_stack *st)
{
	struct seg_desc d;
	uint16_t ss;

	event_stack_current(s, st);
	seg_tss_stack(s, cpl, ext, &ss, &st->sp);
	seg_check_stack(s, ss, cpl, EXC_TS, ext, &d);
	seg_desc_set_accessed(s, &d);
	st->ss = d.seg;
	st->stack_size = d.seg.attr & CPU_SEG_DB ? 4 : 2;
	st->cpl = (uint8_t)cpl;
	st->error = seg_error(ss) | ext;
}

static void push_frame(struct soft *s, const struct event *ev, unsigned width, bool with_stack,
		       struct event_stack *st)
{
	if (s->mode == SOFT_MODE_V86) {
		event_push(st, width, s->seg[CPU_GS].sel);
		event_push(st, width, s->seg[CPU_FS].sel);
		event_push(st, width, s->seg[CPU_DS].sel);
		event_push(st, width, s->seg[CPU_ES].sel);
	}
	if (with_stack) {
		event_push(st, width, s->seg[CPU_SS].sel);
		event_push(st, width, s->r[CPU_RSP]);
	}
	event_push(st, width, flags_image(s, ev));
	event_push(st, width, s->seg[CPU_CS].sel);
	event_push(st, width, ev->rip);
	if (ev->has_error)
		event_push(st, width, ev->error);
	event_push_done(s, st);
}

static void deliver_protected(struct soft *s, const struct event *ev)
{
	uint32_t ext = ext_bit(ev);
	bool lma = s->efer & EFER_LMA, v86 = s->mode == SOFT_MODE_V86;
	struct gate g;
	struct seg_desc cs;
	struct event_stack st;
	unsigned cpl, width;

	gate_read(s, ev, &g);
	cpl = handler_segment(s, &g, ext, &cs);
	width = lma ? 8 : g.type >= DESC_INT32 ? 4 : 2;
	if (lma) {
		stack_long(s, &g, cpl, ext, &st);
	} else if (cpl != s->cpl) {
		stack_inner(s, cpl, ext, &st);
	} else {
		event_stack_current(s, &st);
		st.error = ext;
	}
	if (lma ? !lin_is_canonical(g.offset) : g.offset > cs.seg.limit)
		soft_gp(s, ext);
	seg_desc_set_accessed(s, &cs);
	push_frame(s, ev, width, lma || cpl != s->cpl, &st);

	/* Nothing below can fault. */
	if (v86) {
		seg_set_null(s, CPU_ES, 0);
		seg_set_null(s, CPU_DS, 0);
		seg_set_null(s, CPU_FS, 0);
		seg_set_null(s, CPU_GS, 0);
	}
	if (cpl != s->cpl)
		s->seg[CPU_SS] = st.ss;
	event_stack_take(s, &st);
	cs.seg.sel = (uint16_t)((g.sel & ~3U) | cpl);
	s->seg[CPU_CS] = cs.seg;
	s->rip = g.offset;
	s->rflags &= ~(uint32_t)(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
	if (g.type == DESC_INT16 || g.type == DESC_INT32)
		s->rflags &= ~(uint32_t)FLAG_IF;
}

static bool deliver_guarded(struct soft *s, const struct event *ev)
{
	sigjmp_buf outer;

	memcpy(&outer, &s->fault_jmp, sizeof(outer));
	if (sigsetjmp(s->fault_jmp, 0)) {
		memcpy(&s->fault_jmp, &outer, sizeof(outer));
		return false;
	}
	if (s->mode == SOFT_MODE_REAL)
		deliver_real(s, ev);
	else
		deliver_protected(s, ev);
	memcpy(&s->fault_jmp, &outer, sizeof(outer));
	return true;
}

/* ---- faults of a delivery --------------------------------------------------------- */

enum fault_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE };

static enum fault_class class_of(int vector, enum soft_event_kind kind)
{
	if (kind == EVENT_SOFT_INT || kind == EVENT_EXT_INT || kind == EVENT_NMI)
		return CLASS_BENIGN;
	switch (vector) {
	case EXC_DE:
	case EXC_TS:
	case EXC_NP:
	case EXC_SS:
	case EXC_GP:
		return CLASS_CONTRIBUTORY;
	case EXC_PF:
		return CLASS_PAGE_FAULT;
	case EXC_DF:
		return CLASS_DOUBLE;
	default:
		return CLASS_BENIGN;
	}
}

/* The event that follows when delivering @ev raised s->exc_vector (SDM vol. 3,
 * table 6-5). False: shutdown. */
static bool event_combine(struct soft *s, struct event *ev, uint64_t fault_rip)
{
	enum fault_class first = class_of(ev->vector, ev->kind);
	enum fault_class second = class_of(s->exc_vector, EVENT_FAULT);
	bool is_double = (first == CLASS_CONTRIBUTORY && second == CLASS_CONTRIBUTORY) ||
			 (first == CLASS_PAGE_FAULT && second != CLASS_BENIGN);

	if (first == CLASS_DOUBLE)
		return false;
	ev->kind = EVENT_FAULT;
	ev->rip = fault_rip;
	ev->vector = is_double ? EXC_DF : s->exc_vector;
	ev->has_error = is_double || s->exc_has_error;
	ev->error = is_double ? 0 : s->exc_error;
	s->exc_noncanonical = false;
	s->n_exceptions++;
	return true;
}

void soft_event_deliver(struct soft *s, int vector, enum soft_event_kind kind, bool has_error,
			uint32_t error)
{
	bool at_insn = kind == EVENT_FAULT || kind == EVENT_SOFT_INT;
	uint64_t fault_rip = at_insn ? s->insn_rip : s->rip;
	struct event ev = { .vector = vector, .kind = kind, .has_error = has_error, .error = error,
			    .rip = kind == EVENT_FAULT ? s->insn_rip : s->rip };

	if (s->shutdown)
		return;
	s->trap_pending = false; /* INT n is not stepped: SDM vol. 3 §17.3.1.4 */
	if (kind == EVENT_FAULT && vector == EXC_GP && s->exc_noncanonical && event_stack_was_used(s))
		ev.vector = EXC_SS;
	s->exc_noncanonical = false;
	if (kind == EVENT_EXT_INT)
		s->n_interrupts++;
	else
		s->n_exceptions++;
	s->halted = false;
	s->shadow = false;
	s->delivering = true;
	while (!deliver_guarded(s, &ev)) {
		if (s->shutdown)
			break;
		if (!event_combine(s, &ev, fault_rip)) {
			s->shutdown = true;
			break;
		}
	}
	s->delivering = false;
	if (s->shutdown)
		return;
	if (ev.kind == EVENT_NMI)
		s->nmi_masked = true;
	if (ev.vector == EXC_DB) {
		s->dr6 |= s->dr6_pending;
		s->dr6_pending = 0;
		s->dr7 &= ~UINT64_C(0x2000); /* GD */
	}
	soft_mode_changed(s);
}

/* ---- #GP or #SS ---------------------------------------------------------------------- */

/* Its row names RSP. */
static bool uses_stack(const struct insn *i)
{
	return insn_info(i)->implicit >> CPU_RSP & 1;
}

bool event_stack_was_used(struct soft *s)
{
	uint64_t lin = s->mode == SOFT_MODE_64 ? s->insn_rip : (uint32_t)(s->seg[CPU_CS].base + s->insn_rip);
	uint8_t bytes[15];
	size_t n = 0;
	uint64_t gpa;
	struct insn i;

	for (; n < sizeof(bytes); n++) {
		const uint8_t *p;

		if (!mmu_translate_quiet(s, lin + n, MMU_FETCH, &gpa))
			break;
		p = mem_ptr(s->mem, gpa, 1);
		if (!p)
			break;
		bytes[n] = *p;
	}
	if (insn_decode(bytes, n, (enum soft_mode)s->mode, &i) <= 0)
		return false;
	if (i.has_modrm && i.mod != 3) {
		if (soft_lin(s, &i) == s->exc_lin)
			return i.seg == CPU_SS;
		return uses_stack(&i) || i.seg == CPU_SS;
	}
	return uses_stack(&i);
}
