/* topologies/values_str.c: numbers with units, written for people.
 *
 * The largest unit that leaves at most three decimals and loses nothing is
 * taken, so that what is printed can be typed in again.
 *
 * Used by: shape.c, show.c.   Depends on: core/bytes.h. */
#include "topologies/values.h"

#include "core/bytes.h"

#include <math.h>
#include <stdio.h>

/* @n in units of @factor, when three decimals hold it. Returns NULL else. */
static char *in_unit(uint64_t n, uint64_t factor, const char *unit)
{
	uint64_t whole = n / factor, rest = n % factor, milli;

	if (n < factor)
		return NULL;
	if (factor >= 1000 && factor % 1000 == 0) {
		if (rest % (factor / 1000))
			return NULL;
		milli = rest / (factor / 1000);
	} else {
		if (rest)
			return NULL;
		milli = 0;
	}
	if (!milli)
		return str_printf("%llu%s", (unsigned long long)whole, unit);
	if (milli % 100 == 0)
		return str_printf("%llu.%llu%s", (unsigned long long)whole,
				  (unsigned long long)milli / 100, unit);
	if (milli % 10 == 0)
		return str_printf("%llu.%02llu%s", (unsigned long long)whole,
				  (unsigned long long)milli / 10, unit);
	return str_printf("%llu.%03llu%s", (unsigned long long)whole, (unsigned long long)milli, unit);
}

char *value_rate_str(uint64_t bps)
{
	char *s;

	if (!bps)
		return str_dup("unlimited");
	if ((s = in_unit(bps, 1000000000, "Gbit")) || (s = in_unit(bps, 1000000, "Mbit")) ||
	    (s = in_unit(bps, 1000, "kbit")))
		return s;
	return str_printf("%llubit", (unsigned long long)bps);
}

char *value_time_str(nsec_t ns)
{
	uint64_t n = ns < 0 ? 0 : (uint64_t)ns;
	char *s;

	if (!n)
		return str_dup("0s");
	if ((n % 3600000000000 == 0 && (s = in_unit(n, 3600000000000, "h"))) ||
	    (n % 60000000000 == 0 && (s = in_unit(n, 60000000000, "m"))) ||
	    (s = in_unit(n, 1000000000, "s")) || (s = in_unit(n, 1000000, "ms")) ||
	    (s = in_unit(n, 1000, "us")))
		return s;
	return str_printf("%lluns", (unsigned long long)n);
}

char *value_size_str(uint64_t bytes)
{
	static const struct {
		uint64_t factor;
		const char *unit;
	} units[] = { { 1 << 30, "GiB" }, { 1 << 20, "MiB" },  { 1 << 10, "KiB" },
		      { 1000000000, "GB" }, { 1000000, "MB" }, { 1000, "KB" } };

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (bytes && bytes % units[i].factor == 0)
			return str_printf("%llu%s", (unsigned long long)(bytes / units[i].factor),
					  units[i].unit);
	return str_printf("%lluB", (unsigned long long)bytes);
}

char *value_share_str(double share)
{
	return str_printf("%.6g%%", share * 100);
}
