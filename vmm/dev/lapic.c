/* vmm/dev/lapic.c: the local APIC.
 *
 * IRR holds requests, ISR what is in service; the processor's INTR is up while
 * the highest request outranks PPR, or while the PIC asks and LINT0 (or a
 * disabled APIC, which is virtual wire) lets it through. Every change of state
 * ends in update(), the only place that moves INTR.
 *
 * The timer counts 1 GHz divided by the divide register. Its deadline is a
 * guest_timer; the current count is computed, never ticked. It counts while that
 * timer is armed: a count that is over stays so until the initial count is written,
 * whatever becomes of mode and divisor (§11.5.4).
 *
 * An IPI leaves by the send hook, which knows the other APICs (apic_bus.h).
 *
 * Used by: vmm/machine_smp.c.   Depends on: vmm/guest_clock.h, vmm/bus.h.
 * Source: SDM vol. 3 §11 (registers: table 11-1; x2APIC: §11.12). */
#include "vmm/dev/lapic.h"

#include "core/state.h"
#include "vmm/cpu/cpu.h"

enum { REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0A,
       REG_EOI = 0x0B, REG_LDR = 0x0D, REG_DFR = 0x0E, REG_SVR = 0x0F, REG_ISR = 0x10,
       REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR = 0x30, REG_ICR_HIGH = 0x31,
       REG_LVT = 0x32, REG_INITIAL = 0x38, REG_CURRENT = 0x39, REG_DIVIDE = 0x3E,
       REG_SELF_IPI = 0x3F };
enum { LVT_MASKED = 1 << 16, SVR_ENABLE = 1 << 8, BASE_BSP = 1 << 8, BASE_X2APIC = 1 << 10,
       BASE_ENABLE = 1 << 11, ESR_BAD_REGISTER = 0x80, ESR_BAD_VECTOR = 0x40,
       ESR_SENT_BAD_VECTOR = 0x20 };
/* Bits that there are; what the chip alone writes (12, 14) may be written all the same. */
enum { DIVIDE_BITS = 0xB, SVR_BITS = 0x1FF, LVT_READ_ONLY = 1 << 12 | 1 << 14, ICR_BITS = 0xCDFFF };
enum { TIMER_ONE_SHOT = 0, TIMER_PERIODIC = 1, TIMER_TSC_DEADLINE = 2 };
enum { MSR_APIC_BASE = 0x1B, MSR_TSC_DEADLINE = 0x6E0, MSR_X2APIC = 0x800 };

static bool is_x2apic(const struct lapic *l)
{
	return l->apic_base & BASE_X2APIC;
}

static bool is_enabled(const struct lapic *l)
{
	return (l->apic_base & BASE_ENABLE) && (l->svr & SVR_ENABLE);
}

static int highest(const uint32_t set[8])
{
	for (int i = 7; i >= 0; i--)
		if (set[i])
			return i * 32 + 31 - __builtin_clz(set[i]);
	return -1;
}

static void bit_set(uint32_t set[8], uint8_t n)
{
	set[n >> 5] |= UINT32_C(1) << (n & 31);
}

static void bit_clear(uint32_t set[8], uint8_t n)
{
	set[n >> 5] &= ~(UINT32_C(1) << (n & 31));
}

static bool bit_get(const uint32_t set[8], uint8_t n)
{
	return set[n >> 5] >> (n & 31) & 1;
}

/* Processor priority, §11.8.3.1. */
static uint32_t ppr(const struct lapic *l)
{
	int v = highest(l->isr);
	uint32_t isrv = v < 0 ? 0 : (uint32_t)v;

	return (l->tpr & 0xF0) >= (isrv & 0xF0) ? l->tpr : isrv & 0xF0;
}

/* The request to take now; -1 none. */
static int ready(const struct lapic *l)
{
	int v = is_enabled(l) ? highest(l->irr) : -1;

	return v >= 0 && ((uint32_t)v & 0xF0) > (ppr(l) & 0xF0) ? v : -1;
}

static bool extint_open(const struct lapic *l)
{
	uint32_t lint0 = l->lvt[LVT_LINT0];

	if (!(l->apic_base & BASE_ENABLE))
		return true;
	return !(lint0 & LVT_MASKED) && (lint0 >> 8 & 7) == APIC_EXTINT;
}

static void update(struct lapic *l)
{
	bool intr = ready(l) >= 0 || (l->extint && extint_open(l));

	if (intr == l->intr)
		return;
	l->intr = intr;
	l->hooks.set_intr(l->hooks.ctx, intr);
}

static void error(struct lapic *l, uint32_t bit)
{
	uint32_t lvt = l->lvt[LVT_ERROR];

	l->esr_shadow |= bit;
	if (!(lvt & LVT_MASKED) && (lvt & 0xFF) >= 16)
		bit_set(l->irr, (uint8_t)lvt);
}

static void request(struct lapic *l, uint8_t vector, bool level)
{
	if (vector < 16) {
		error(l, ESR_BAD_VECTOR);
		return;
	}
	bit_set(l->irr, vector);
	if (level)
		bit_set(l->tmr, vector);
	else
		bit_clear(l->tmr, vector);
}

int lapic_ack(struct lapic *l)
{
	int v = ready(l);

	if (v >= 0) {
		bit_clear(l->irr, (uint8_t)v);
		bit_set(l->isr, (uint8_t)v);
	} else if (l->extint && extint_open(l)) {
		v = l->hooks.extint_ack(l->hooks.ctx);
	}
	update(l);
	return v;
}

void lapic_set_extint(struct lapic *l, bool level)
{
	uint32_t lint0 = l->lvt[LVT_LINT0];

	/* Wired to LINT0 as a plain interrupt or NMI: Linux's timer check tries that. */
	if (level && !l->extint && is_enabled(l) && !(lint0 & LVT_MASKED)) {
		if ((lint0 >> 8 & 7) == APIC_FIXED)
			request(l, (uint8_t)lint0, false);
		else if ((lint0 >> 8 & 7) == APIC_NMI)
			l->hooks.nmi(l->hooks.ctx);
	}
	l->extint = level;
	update(l);
}

static bool is_for_us(const struct lapic *l, const struct apic_msg *msg)
{
	if (msg->dest == UINT32_MAX || (msg->dest == 0xFF && !msg->wide))
		return true;
	if (!msg->logical)
		return msg->dest == l->id;
	if (is_x2apic(l)) {
		uint32_t mine = (l->id >> 4) << 16 | UINT32_C(1) << (l->id & 15);

		return msg->dest >> 16 == mine >> 16 && (msg->dest & mine & 0xFFFF);
	}
	if (l->dfr >> 28 == 0xF) /* flat */
		return msg->dest & l->ldr >> 24;
	return (msg->dest >> 4) == l->ldr >> 28 && (msg->dest & l->ldr >> 24 & 0xF);
}

/* Disabled by SVR an APIC still takes what is no vector (§11.4.7.2). */
bool lapic_takes(const struct lapic *l, const struct apic_msg *msg)
{
	if (!(l->apic_base & BASE_ENABLE) || !is_for_us(l, msg))
		return false;
	return is_enabled(l) || (msg->delivery != APIC_FIXED && msg->delivery != APIC_LOWEST);
}

uint32_t lapic_priority(const struct lapic *l)
{
	return ppr(l);
}

bool lapic_deliver(struct lapic *l, const struct apic_msg *msg)
{
	if (!lapic_takes(l, msg))
		return false;
	switch (msg->delivery) {
	case APIC_FIXED:
	case APIC_LOWEST:
		request(l, msg->vector, msg->level);
		update(l);
		break;
	case APIC_NMI:
		l->hooks.nmi(l->hooks.ctx);
		break;
	case APIC_INIT:
		if (l->hooks.init)
			l->hooks.init(l->hooks.ctx);
		break;
	case APIC_STARTUP:
		if (l->hooks.startup)
			l->hooks.startup(l->hooks.ctx, msg->vector);
		break;
	default: /* SMI: there is no firmware that would take it */
		break;
	}
	return true;
}

static void eoi(struct lapic *l)
{
	int v = highest(l->isr);

	if (v < 0)
		return;
	bit_clear(l->isr, (uint8_t)v);
	if (bit_get(l->tmr, (uint8_t)v))
		l->hooks.eoi(l->hooks.ctx, (uint8_t)v);
	update(l);
}

/* Divide configuration: bits 3, 1, 0; 111 is 1 (figure 11-10). */
static uint64_t divisor(const struct lapic *l)
{
	unsigned n = (l->divide & 3) | (l->divide >> 1 & 4);

	return UINT64_C(1) << ((n + 1) & 7);
}

static unsigned timer_mode(const struct lapic *l)
{
	return l->lvt[LVT_TIMER] >> 17 & 3;
}

static bool timer_counts(const struct lapic *l)
{
	return l->initial && timer_mode(l) != TIMER_TSC_DEADLINE && l->timer.at != NSEC_NEVER;
}

static uint32_t timer_current(const struct lapic *l)
{
	uint64_t ticks;

	if (!timer_counts(l))
		return 0;
	ticks = (uint64_t)(guest_clock_now(l->clock) - l->timer_start) / divisor(l);
	if (timer_mode(l) == TIMER_PERIODIC)
		return (uint32_t)(l->initial - ticks % l->initial);
	return ticks >= l->initial ? 0 : (uint32_t)(l->initial - ticks);
}

static void timer_arm(struct lapic *l)
{
	nsec_t period = (nsec_t)(l->initial * divisor(l));
	nsec_t now = guest_clock_now(l->clock), at = NSEC_NEVER;

	if (timer_mode(l) == TIMER_TSC_DEADLINE) {
		if (l->tsc_deadline)
			at = guest_clock_tsc_time(l->clock, l->tsc_deadline);
	} else if (l->initial && timer_mode(l) == TIMER_PERIODIC) {
		at = l->timer_start + ((now - l->timer_start) / period + 1) * period;
	} else if (l->initial && l->timer_start + period > now) {
		at = l->timer_start + period;
	}
	guest_timer_set(&l->timer, at);
}

static void timer_fired(void *ctx, nsec_t now)
{
	struct lapic *l = ctx;
	uint32_t lvt = l->lvt[LVT_TIMER];

	(void)now;
	if (timer_mode(l) == TIMER_TSC_DEADLINE)
		l->tsc_deadline = 0;
	else if (timer_mode(l) == TIMER_PERIODIC)
		timer_arm(l);
	if (!(lvt & LVT_MASKED) && is_enabled(l))
		request(l, (uint8_t)lvt, false);
	update(l);
}

/* Lets the timer fire that is due, before its registers change. */
static void timer_settle(struct lapic *l)
{
	if (l->timer.at > guest_clock_now(l->clock))
		return;
	guest_timer_set(&l->timer, NSEC_NEVER);
	timer_fired(l, guest_clock_now(l->clock));
}

/* Mode or divisor became another: the count goes on from @current. */
static void timer_go_on(struct lapic *l, uint32_t current)
{
	if (!current)
		return;
	l->timer_start = guest_clock_now(l->clock) - (nsec_t)((l->initial - current) * divisor(l));
	timer_arm(l);
}

static void send_ipi(struct lapic *l, uint64_t icr)
{
	struct apic_msg msg = { .vector = (uint8_t)icr, .delivery = icr >> 8 & 7,
				.logical = icr >> 11 & 1, .level = icr >> 15 & 1,
				.assert_level = icr >> 14 & 1 };
	unsigned shorthand = icr >> 18 & 3;

	/* An INIT level de-assert is for old APICs only (§11.6.1). */
	if (msg.delivery == APIC_INIT && !msg.assert_level)
		return;
	if (msg.delivery == APIC_FIXED && msg.vector < 16) {
		error(l, ESR_SENT_BAD_VECTOR);
		return;
	}
	msg.level = false;
	msg.wide = is_x2apic(l);
	msg.dest = msg.wide ? (uint32_t)(icr >> 32) : (uint32_t)(icr >> 56);
	if (shorthand == 1) {
		msg.dest = l->id;
		msg.logical = false;
	} else if (shorthand > 1) {
		msg.dest = UINT32_MAX;
	}
	if (l->hooks.send && shorthand != 1)
		l->hooks.send(l->hooks.ctx, &msg, shorthand == 3);
	else if (shorthand != 3)
		(void)lapic_deliver(l, &msg);
}

static uint32_t reg_read(struct lapic *l, unsigned reg)
{
	switch (reg) {
	case REG_ID:
		return is_x2apic(l) ? l->id : l->id << 24;
	case REG_VERSION:
		return (LAPIC_LVT_COUNT - 1) << 16 | 0x14;
	case REG_TPR:
		return l->tpr;
	case REG_PPR:
		return ppr(l);
	case REG_LDR:
		return is_x2apic(l) ? (l->id >> 4) << 16 | UINT32_C(1) << (l->id & 15) : l->ldr;
	case REG_DFR:
		return l->dfr;
	case REG_SVR:
		return l->svr;
	case REG_ISR ... REG_ISR + 7:
		return l->isr[reg - REG_ISR];
	case REG_TMR ... REG_TMR + 7:
		return l->tmr[reg - REG_TMR];
	case REG_IRR ... REG_IRR + 7:
		return l->irr[reg - REG_IRR];
	case REG_ESR:
		return l->esr;
	case REG_ICR:
		return (uint32_t)l->icr;
	case REG_ICR_HIGH:
		return (uint32_t)(l->icr >> 32);
	case REG_LVT ... REG_LVT + LAPIC_LVT_COUNT - 1:
		return l->lvt[reg - REG_LVT];
	case REG_INITIAL:
		return l->initial;
	case REG_CURRENT:
		return timer_current(l);
	case REG_DIVIDE:
		return l->divide;
	default:
		return 0;
	}
}

/* What each LVT entry implements (figure 11-8). */
static const uint32_t lvt_bits[LAPIC_LVT_COUNT] = { 0x700FF, 0x107FF, 0x107FF, 0x1A7FF, 0x1A7FF, 0x100FF };

static void lvt_write(struct lapic *l, unsigned n, uint32_t v)
{
	unsigned mode = timer_mode(l);
	uint32_t current;

	if (n == LVT_TIMER)
		timer_settle(l);
	current = timer_current(l);
	l->lvt[n] = v & lvt_bits[n];
	if (!(l->svr & SVR_ENABLE))
		l->lvt[n] |= LVT_MASKED;
	if (n != LVT_TIMER || mode == timer_mode(l))
		return;
	/* A change to or from TSC-deadline disarms (§11.5.4.1). */
	if (mode == TIMER_TSC_DEADLINE || timer_mode(l) == TIMER_TSC_DEADLINE) {
		l->initial = 0;
		l->tsc_deadline = 0;
		timer_arm(l);
	} else {
		timer_go_on(l, current);
	}
}

static void divide_write(struct lapic *l, uint32_t v)
{
	uint32_t current;

	timer_settle(l);
	current = timer_current(l);
	l->divide = v;
	timer_go_on(l, current);
}

static void svr_write(struct lapic *l, uint32_t v)
{
	l->svr = v & SVR_BITS;
	if (l->svr & SVR_ENABLE)
		return;
	for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
		l->lvt[i] |= LVT_MASKED;
}

static void reg_write(struct lapic *l, unsigned reg, uint32_t v)
{
	switch (reg) {
	case REG_TPR:
		l->tpr = v & 0xFF;
		break;
	case REG_EOI:
		eoi(l);
		return;
	case REG_LDR:
		l->ldr = v & 0xFF000000;
		break;
	case REG_DFR:
		l->dfr = v | 0x0FFFFFFF;
		break;
	case REG_SVR:
		svr_write(l, v);
		break;
	case REG_ESR:
		l->esr = l->esr_shadow;
		l->esr_shadow = 0;
		break;
	case REG_ICR:
		l->icr = (l->icr & ~UINT64_C(0xFFFFFFFF)) | (v & 0xCCFFF);
		send_ipi(l, l->icr);
		break;
	case REG_ICR_HIGH:
		l->icr = (l->icr & 0xFFFFFFFF) | (uint64_t)(v & 0xFF000000) << 32;
		break;
	case REG_LVT ... REG_LVT + LAPIC_LVT_COUNT - 1:
		lvt_write(l, reg - REG_LVT, v);
		break;
	case REG_INITIAL:
		if (timer_mode(l) == TIMER_TSC_DEADLINE)
			break;
		l->initial = v;
		l->timer_start = guest_clock_now(l->clock);
		timer_arm(l);
		break;
	case REG_DIVIDE:
		divide_write(l, v & DIVIDE_BITS);
		break;
	default:
		break;
	}
	update(l);
}

/* Registers are 32 bits wide on 16-byte boundaries. Other widths are
 * undefined (§11.4.1): reads give the bytes, writes are taken as dwords. */
uint64_t lapic_mmio_read(struct lapic *l, uint64_t off, unsigned size)
{
	if (is_x2apic(l) || !(l->apic_base & BASE_ENABLE))
		return UINT64_MAX;
	if ((off & 15) + size > 4)
		return (off & 15) == 0 ? reg_read(l, (unsigned)off >> 4) : 0;
	return reg_read(l, (unsigned)off >> 4) >> (8 * (off & 3));
}

void lapic_mmio_write(struct lapic *l, uint64_t off, unsigned size, uint64_t v)
{
	if (is_x2apic(l) || !(l->apic_base & BASE_ENABLE) || (off & 15) || size < 4)
		return;
	reg_write(l, (unsigned)off >> 4, (uint32_t)v);
}

static uint64_t mmio_read(void *ctx, uint64_t off, unsigned size)
{
	return lapic_mmio_read(ctx, off, size);
}

static void mmio_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	lapic_mmio_write(ctx, off, size, v);
}

static const struct bus_ops mmio_ops = { mmio_read, mmio_write };

uint64_t lapic_cr8_read(const struct lapic *l)
{
	return l->tpr >> 4;
}

void lapic_cr8_write(struct lapic *l, uint64_t v)
{
	l->tpr = (uint32_t)(v & 15) << 4;
	update(l);
}

/* Puts its registers where IA32_APIC_BASE says, if they are on a bus. */
static void place(struct lapic *l)
{
	if (!l->bus || (l->region.on_bus && l->region.base == lapic_base(l)))
		return;
	bus_remove(l->bus, &l->region);
	bus_mmio_add(l->bus, &l->region, lapic_base(l));
}

static bool base_write(struct lapic *l, uint64_t v)
{
	bool on = v & BASE_ENABLE, x2 = v & BASE_X2APIC, was_x2 = is_x2apic(l);

	/* Reserved bits, and the transitions of figure 11-26. */
	if ((v & ~(uint64_t)(BASE_BSP | BASE_X2APIC | BASE_ENABLE) & ~LAPIC_BASE_MASK) || (x2 && !on))
		return false;
	if (was_x2 && on && !x2)
		return false;
	if (x2 && !was_x2 && !(l->apic_base & BASE_ENABLE))
		return false;
	/* RAM is reached without asking whether an APIC lies before it. */
	if (l->hooks.may_lie && !l->hooks.may_lie(l->hooks.ctx, v & LAPIC_BASE_MASK))
		return false;
	l->apic_base = (v & ~(uint64_t)BASE_BSP) | (l->apic_base & BASE_BSP);
	place(l);
	update(l);
	return true;
}

/* Which x2APIC registers there are, and which of them may be written (table 11-6). */
static bool x2apic_has(unsigned reg, bool is_write)
{
	switch (reg) {
	case REG_TPR:
	case REG_SVR:
	case REG_ESR:
	case REG_ICR:
	case REG_LVT ... REG_LVT + LAPIC_LVT_COUNT - 1:
	case REG_INITIAL:
	case REG_DIVIDE:
		return true;
	case REG_EOI:
	case REG_SELF_IPI:
		return is_write;
	case REG_ID:
	case REG_VERSION:
	case REG_PPR:
	case REG_LDR:
	case REG_ISR ... REG_IRR + 7:
	case REG_CURRENT:
		return !is_write;
	default:
		return false;
	}
}

/* What may be written to a 32-bit x2APIC register: another bit is #GP (§11.12.1.3). */
static uint32_t x2apic_bits(unsigned reg)
{
	switch (reg) {
	case REG_EOI:
	case REG_ESR:
		return 0;
	case REG_TPR:
	case REG_SELF_IPI:
		return 0xFF;
	case REG_SVR:
		return SVR_BITS;
	case REG_DIVIDE:
		return DIVIDE_BITS;
	case REG_LVT ... REG_LVT + LAPIC_LVT_COUNT - 1:
		return lvt_bits[reg - REG_LVT] | LVT_READ_ONLY;
	default:
		return UINT32_MAX;
	}
}

bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *ret_v)
{
	unsigned reg = msr - MSR_X2APIC;

	if (msr == MSR_APIC_BASE) {
		*ret_v = l->apic_base;
		return true;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*ret_v = l->tsc_deadline;
		return true;
	}
	if (reg > 0xFF || !is_x2apic(l) || !x2apic_has(reg, false))
		return false;
	*ret_v = reg == REG_ICR ? l->icr : reg_read(l, reg);
	return true;
}

bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t v)
{
	unsigned reg = msr - MSR_X2APIC;

	if (msr == MSR_APIC_BASE)
		return base_write(l, v);
	if (msr == MSR_TSC_DEADLINE) {
		if (timer_mode(l) == TIMER_TSC_DEADLINE) {
			l->tsc_deadline = v;
			timer_arm(l);
		}
		return true;
	}
	if (reg > 0xFF || !is_x2apic(l) || !x2apic_has(reg, true))
		return false;
	if (reg == REG_ICR && (uint32_t)v & ~(uint32_t)ICR_BITS)
		return false;
	if (reg == REG_ICR) {
		l->icr = v & UINT64_C(0xFFFFFFFF000CCFFF);
		send_ipi(l, l->icr);
		update(l);
		return true;
	}
	if (v & ~(uint64_t)x2apic_bits(reg))
		return false;
	if (reg == REG_SELF_IPI) {
		request(l, (uint8_t)v, false);
		update(l);
		return true;
	}
	reg_write(l, reg, (uint32_t)v);
	return true;
}

/* As after power-up (§11.4.7.1), and after the firmware that there is none of. */
static void registers_reset(struct lapic *l)
{
	l->tpr = l->ldr = l->esr = l->esr_shadow = l->divide = l->initial = 0;
	l->dfr = UINT32_MAX;
	l->svr = 0xFF;
	l->icr = 0;
	for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
		l->lvt[i] = LVT_MASKED;
	/* The bootstrap processor's as firmware leaves it: what comes from the PIC gets
	 * through, also to a kernel that lets the APIC alone (MP specification 1.4 §3.6.2.2). */
	if (l->apic_base & BASE_BSP)
		l->lvt[LVT_LINT0] = APIC_EXTINT << 8;
	for (unsigned i = 0; i < 8; i++)
		l->irr[i] = l->isr[i] = l->tmr[i] = 0;
	l->tsc_deadline = 0;
}

void lapic_reset(struct lapic *l)
{
	registers_reset(l);
	guest_timer_set(&l->timer, NSEC_NEVER);
	update(l);
}

void lapic_init(struct lapic *l, uint32_t id, struct guest_clock *clock, struct bus *bus,
		const struct lapic_hooks *hooks)
{
	*l = (struct lapic){ .hooks = *hooks, .clock = clock, .bus = bus, .id = id,
			     .apic_base = LAPIC_BASE | BASE_ENABLE | (id == 0 ? BASE_BSP : 0) };
	registers_reset(l);
	guest_timer_init(&l->timer, clock, timer_fired, l);
	bus_region_init(&l->region, &mmio_ops, l, LAPIC_SIZE);
	place(l);
}

/* ---- state ------------------------------------------------------------------------- */

/* The deadline as a distance from now, so that it stays one when the clock is
 * another; an unarmed one is told apart (KVM takes a deadline of 0 for none). */
static void deadline_state(struct lapic *l, struct state *s)
{
	uint64_t now = guest_clock_tsc(l->clock), left = l->tsc_deadline - now;
	bool armed = l->tsc_deadline != 0;

	state_bool(s, &armed);
	if (armed) {
		state_u64(s, &left);
		l->tsc_deadline = left + now;
	} else {
		l->tsc_deadline = 0;
	}
}

void lapic_state(struct lapic *l, struct state *s)
{
	uint32_t *const reg[] = { &l->tpr, &l->ldr, &l->dfr, &l->svr, &l->esr, &l->esr_shadow,
				  &l->divide, &l->initial };
	nsec_t start;

	(void)state_begin(s, "lapc", l->id, 1);
	state_u64(s, &l->apic_base);
	state_expect(s, !(l->apic_base & ~(uint64_t)(BASE_X2APIC | BASE_ENABLE | BASE_BSP) & ~LAPIC_BASE_MASK) &&
			(!l->hooks.may_lie || l->hooks.may_lie(l->hooks.ctx, lapic_base(l))) &&
			!(is_x2apic(l) && !(l->apic_base & BASE_ENABLE)),
		     "an APIC base that cannot be");
	for (size_t i = 0; i < sizeof reg / sizeof reg[0]; i++)
		state_u32(s, reg[i]);
	state_expect(s, l->tpr <= 0xFF && !(l->divide & ~(uint32_t)DIVIDE_BITS) && !(l->svr & ~(uint32_t)SVR_BITS),
		     "a register with reserved bits");
	state_u64(s, &l->icr);
	state_u32s(s, l->lvt, LAPIC_LVT_COUNT);
	state_u32s(s, l->irr, 8);
	state_u32s(s, l->isr, 8);
	state_u32s(s, l->tmr, 8);
	state_bool(s, &l->extint);
	start = timer_counts(l) ? l->timer_start : guest_clock_now(l->clock);
	guest_clock_state_time(l->clock, s, &start);
	l->timer_start = start;
	deadline_state(l, s);
	guest_timer_state(&l->timer, s);
	state_end(s);
	if (!state_is_load(s) || !state_ok(s))
		return;
	place(l);
	l->intr = !(ready(l) >= 0 || (l->extint && extint_open(l)));
	update(l);
}

/* ---- an engine's own APIC ------------------------------------------------------------ */

/* The count's start, as far as the count tells it: a fraction of a tick is lost. */
static void timer_from_regs(struct lapic *l, uint32_t current)
{
	nsec_t now = guest_clock_now(l->clock), at = NSEC_NEVER;

	if (current > l->initial)
		current = l->initial;
	l->timer_start = now - (nsec_t)((l->initial - current) * divisor(l));
	if (timer_mode(l) == TIMER_TSC_DEADLINE && l->tsc_deadline)
		at = guest_clock_tsc_time(l->clock, l->tsc_deadline);
	else if (l->initial && timer_mode(l) != TIMER_TSC_DEADLINE && current)
		at = now + (nsec_t)(current * divisor(l));
	else if (l->initial && timer_mode(l) == TIMER_PERIODIC)
		at = now;
	guest_timer_set(&l->timer, at);
}

void lapic_from_regs(struct lapic *l, uint64_t apic_base, const struct cpu_apic *regs)
{
	const uint32_t *r = regs->reg;

	l->apic_base = apic_base;
	l->tpr = r[REG_TPR] & 0xFF;
	l->ldr = is_x2apic(l) ? 0 : r[REG_LDR] & 0xFF000000;
	l->dfr = r[REG_DFR] | 0x0FFFFFFF;
	l->svr = r[REG_SVR] & SVR_BITS;
	l->esr = r[REG_ESR];
	l->esr_shadow = 0;
	l->divide = r[REG_DIVIDE] & DIVIDE_BITS;
	l->initial = r[REG_INITIAL];
	l->icr = (r[REG_ICR] & 0xCCFFF) | (uint64_t)r[REG_ICR_HIGH] << 32;
	for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
		l->lvt[i] = r[REG_LVT + i] & lvt_bits[i];
	for (unsigned i = 0; i < 8; i++) {
		l->isr[i] = r[REG_ISR + i];
		l->tmr[i] = r[REG_TMR + i];
		l->irr[i] = r[REG_IRR + i];
	}
	l->tsc_deadline = regs->deadline;
	l->extint = regs->extint;
	timer_from_regs(l, r[REG_CURRENT]);
}

/* KVM starts a count that it is given as over at once, to fire; so one that is over
 * is given as never started. */
void lapic_to_regs(struct lapic *l, struct cpu_apic *ret_regs)
{
	uint32_t *r = ret_regs->reg;

	timer_settle(l);
	*ret_regs = (struct cpu_apic){ .deadline = l->tsc_deadline, .extint = l->extint };
	for (unsigned reg = 0; reg < CPU_APIC_REG_COUNT; reg++)
		r[reg] = reg_read(l, reg);
	r[REG_ID] = l->id << 24; /* in both modes */
	if (!timer_counts(l))
		r[REG_INITIAL] = r[REG_CURRENT] = 0;
}
