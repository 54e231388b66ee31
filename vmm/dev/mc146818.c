/* vmm/dev/mc146818.c: the real-time clock.
 *
 * The time of day is the machine clock's wall start plus guest time plus what
 * the guest set; UTC. It is computed when read, so that an update is never in
 * progress. The wall start follows the host at the end of a pause (on the real
 * clock), so the guest's time since then is not missing here. Update, alarm and
 * periodic interrupts use one timer, armed only while the guest has enabled one of
 * them.
 *
 * Seconds may be missed: a pause takes them out, and the timer may be served late.
 * An alarm set to one of them comes with the first second after.
 *
 * Used by: vmm/devices.c.   Depends on: vmm/guest_clock.h.
 * Source: MC146818A data sheet; the century byte at 0x32 as FADT says. */
#include "vmm/dev/mc146818.h"

#include "core/state.h"
#include "vmm/dev/acpi.h"
#include "vmm/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { RTC_SECONDS = 0, RTC_MINUTES = 2, RTC_HOURS = 4, RTC_WEEKDAY = 6, RTC_DAY = 7,
       RTC_MONTH = 8, RTC_YEAR = 9, RTC_A = 10, RTC_B = 11, RTC_C = 12, RTC_D = 13,
       RTC_CENTURY = 0x32 };
enum { B_24H = 2, B_BINARY = 4, B_UPDATE_IRQ = 0x10, B_ALARM_IRQ = 0x20, B_PERIODIC_IRQ = 0x40,
       B_IRQS = B_UPDATE_IRQ | B_ALARM_IRQ | B_PERIODIC_IRQ, B_SET = 0x80 };
enum { C_UPDATE = 0x10, C_ALARM = 0x20, C_PERIODIC = 0x40, C_IRQ = 0x80 };
enum { DAY_S = 86400 };

static int64_t seconds_now(const struct mc146818 *r)
{
	return (r->clock->wall_start + guest_clock_now(r->clock)) / NSEC_PER_SEC + r->offset_s;
}

static uint8_t encode(const struct mc146818 *r, int v)
{
	v %= 100; /* a guest may have set a year of five digits */
	return (uint8_t)(r->ram[RTC_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static int decode(const struct mc146818 *r, uint8_t v)
{
	return r->ram[RTC_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const struct mc146818 *r, int hour)
{
	if (r->ram[RTC_B] & B_24H)
		return encode(r, hour);
	return (uint8_t)(encode(r, (hour + 11) % 12 + 1) | (hour >= 12 ? 0x80 : 0));
}

static void time_to_ram(struct mc146818 *r)
{
	time_t t = seconds_now(r);
	struct tm tm;

	if ((r->ram[RTC_B] & B_SET) || !gmtime_r(&t, &tm))
		return;
	r->ram[RTC_SECONDS] = encode(r, tm.tm_sec);
	r->ram[RTC_MINUTES] = encode(r, tm.tm_min);
	r->ram[RTC_WEEKDAY] = encode(r, tm.tm_wday + 1);
	r->ram[RTC_DAY] = encode(r, tm.tm_mday);
	r->ram[RTC_MONTH] = encode(r, tm.tm_mon + 1);
	r->ram[RTC_YEAR] = encode(r, tm.tm_year % 100);
	r->ram[RTC_CENTURY] = encode(r, tm.tm_year / 100 + 19);
	r->ram[RTC_HOURS] = encode_hour(r, tm.tm_hour);
}

static void time_from_ram(struct mc146818 *r)
{
	struct tm tm = { .tm_sec = decode(r, r->ram[RTC_SECONDS]),
			 .tm_min = decode(r, r->ram[RTC_MINUTES]),
			 .tm_mday = decode(r, r->ram[RTC_DAY]),
			 .tm_mon = decode(r, r->ram[RTC_MONTH]) - 1,
			 .tm_year = decode(r, r->ram[RTC_YEAR]) +
				    (decode(r, r->ram[RTC_CENTURY]) - 19) * 100 };
	int hour = decode(r, r->ram[RTC_HOURS] & 0x7F);
	time_t t;

	if (!(r->ram[RTC_B] & B_24H))
		hour = hour % 12 + (r->ram[RTC_HOURS] & 0x80 ? 12 : 0);
	tm.tm_hour = hour;
	t = timegm(&tm);
	if (t < 0)
		t = 0; /* nonsense of the guest's: 1970 is early enough */
	r->offset_s += t - seconds_now(r);
	r->last_s = t; /* what lies between was skipped, not missed */
}

/* Register A's rate: 1 and 2 are 256 and 128 Hz, 3 to 15 are 32768 >> (rate-1). */
static nsec_t period_ns(const struct mc146818 *r)
{
	unsigned rate = r->ram[RTC_A] & 15;

	if (!rate)
		return NSEC_NEVER;
	if (rate <= 2)
		rate += 7;
	return ((nsec_t)1 << (rate - 1)) * NSEC_PER_SEC / 32768;
}

static void arm(struct mc146818 *r)
{
	nsec_t now = guest_clock_now(r->clock), at = NSEC_NEVER, period = period_ns(r);

	if ((r->ram[RTC_B] & (B_UPDATE_IRQ | B_ALARM_IRQ)) && !(r->ram[RTC_B] & B_SET)) {
		nsec_t wall = r->clock->wall_start + now;

		at = now + NSEC_PER_SEC - wall % NSEC_PER_SEC;
	}
	if ((r->ram[RTC_B] & B_PERIODIC_IRQ) && period != NSEC_NEVER) {
		/* A tick of a slower rate is not waited for. */
		if (r->periodic_at <= now || r->periodic_at - now > period)
			r->periodic_at = now + period;
		at = nsec_min(at, r->periodic_at);
	}
	guest_timer_set(&r->timer, at);
}

/* @s: a second of the day. An alarm byte of 0xC0 or more matches everything. */
static bool alarm_matches(const struct mc146818 *r, int s)
{
	const uint8_t now[] = { encode(r, s % 60), encode(r, s / 60 % 60), encode_hour(r, s / 3600) };

	for (unsigned i = 0; i < sizeof now; i++) {
		uint8_t alarm = r->ram[RTC_SECONDS + 1 + 2 * i];

		if (alarm < 0xC0 && alarm != now[i])
			return false;
	}
	return true;
}

/* Tells whether the alarm is set to a second after @last, up to @s. An alarm is set to
 * a second of each day, so that a day is enough to look at. */
static bool alarm_passed(const struct mc146818 *r, int64_t last, int64_t s)
{
	int64_t from = s - DAY_S + 1;

	if (last >= s)
		from = s; /* the clock was set back */
	else if (last >= from)
		from = last + 1;
	for (int64_t t = from; t <= s; t++)
		if (alarm_matches(r, (int)((t % DAY_S + DAY_S) % DAY_S)))
			return true;
	return false;
}

static void fired(void *ctx, nsec_t now)
{
	struct mc146818 *r = ctx;
	int64_t s = seconds_now(r);

	if (s != r->last_s) {
		time_to_ram(r);
		r->ram[RTC_C] |= C_UPDATE;
		if (alarm_passed(r, r->last_s, s)) {
			r->ram[RTC_C] |= C_ALARM;
			if (r->ram[RTC_B] & B_ALARM_IRQ)
				irq_line_set(&r->alarm, true);
		}
		r->last_s = s;
	}
	if ((r->ram[RTC_B] & B_PERIODIC_IRQ) && now >= r->periodic_at)
		r->ram[RTC_C] |= C_PERIODIC;
	if (r->ram[RTC_B] & r->ram[RTC_C] & (C_UPDATE | C_ALARM | C_PERIODIC)) {
		r->ram[RTC_C] |= C_IRQ;
		irq_line_set(&r->irq8, true);
	}
	arm(r);
}

static uint64_t ports_read(void *ctx, uint64_t off, unsigned size)
{
	struct mc146818 *r = ctx;
	uint8_t v;

	(void)size;
	if (off == 0)
		return 0xFF; /* the index is write-only */
	if (r->index <= RTC_YEAR || r->index == RTC_CENTURY)
		time_to_ram(r);
	v = r->ram[r->index];
	if (r->index == RTC_C) {
		r->ram[RTC_C] = 0;
		irq_line_set(&r->irq8, false);
		irq_line_set(&r->alarm, false);
	}
	return v;
}

static void ports_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct mc146818 *r = ctx;
	bool is_time = r->index == RTC_CENTURY || r->index == RTC_SECONDS ||
		       r->index == RTC_MINUTES || r->index == RTC_HOURS ||
		       (r->index >= RTC_WEEKDAY && r->index <= RTC_YEAR);
	uint8_t old_b = r->ram[RTC_B];
	bool was_set = old_b & B_SET;

	(void)size;
	if (off == 0) {
		r->index = (uint8_t)v & 0x7F;
		return;
	}
	if (r->index == RTC_C || r->index == RTC_D)
		return;
	if (is_time)
		time_to_ram(r);
	if (r->index == RTC_B && (v & B_SET))
		time_to_ram(r); /* freeze what is shown */
	r->ram[r->index] = r->index == RTC_A ? (uint8_t)v & 0x7F : (uint8_t)v;
	if ((is_time && !was_set) || (r->index == RTC_B && was_set && !(v & B_SET)))
		time_from_ram(r);
	if (r->index == RTC_B && (was_set || !(old_b & B_IRQS)))
		r->last_s = seconds_now(r); /* what came before was not waited for */
	if (r->index == RTC_A || r->index == RTC_B)
		arm(r);
}

static const struct bus_ops ports_ops = { ports_read, ports_write };

void mc146818_init(struct mc146818 *r, struct bus *bus, struct guest_clock *clock,
		   struct irq_line irq8, struct irq_line alarm)
{
	*r = (struct mc146818){ .clock = clock, .irq8 = irq8, .alarm = alarm };
	r->ram[RTC_A] = 0x26;
	r->ram[RTC_B] = B_24H;
	r->ram[RTC_D] = 0x80; /* the battery is good */
	guest_timer_init(&r->timer, clock, fired, r);
	bus_region_init(&r->ports, &ports_ops, r, 2);
	bus_pio_add(bus, &r->ports, 0x70);
}

void mc146818_state(struct mc146818 *r, struct state *s)
{
	/* Year 65535 and more; a guest cannot set a later one. */
	static const int64_t offset_max = INT64_C(1) << 42;

	(void)state_begin(s, "rtc ", 0, 1);
	state_u8(s, &r->index);
	state_expect(s, r->index < sizeof r->ram, "an index beyond its memory");
	state_bytes(s, r->ram, sizeof r->ram);
	state_i64(s, &r->offset_s);
	state_expect(s, r->offset_s <= offset_max && r->offset_s >= -offset_max, "a year beyond all");
	state_i64(s, &r->last_s);
	guest_clock_state_time(r->clock, s, &r->periodic_at);
	guest_timer_state(&r->timer, s);
	state_end(s);
}

/* ---- in the machine -------------------------------------------------------------- */

/* The alarm is ACPI's fixed RTC event too. */
static void dev_alarm(void *ctx, unsigned n, bool level)
{
	(void)n;
	if (level)
		acpi_rtc_alarm(ctx);
}

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	(void)index;
	mc146818_state(dev, s);
}

const struct device_ops mc146818_ops = { .name = "mc146818", .state = dev_state, .free = free };

int mc146818_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	struct mc146818 *r = calloc(1, sizeof *r);

	(void)index;
	if (!r)
		return -ENOMEM;
	mc146818_init(r, host->bus, host->clock, host->irq(host->ctx, 8),
		      (struct irq_line){ .set = dev_alarm, .ctx = host->acpi });
	*ret_device = (struct device){ .ops = &mc146818_ops, .dev = r };
	return 0;
}
