/* core/budget.c: a token bucket in whole units.
 *
 * Time that is worth no whole unit yet stays for the next look, so that looking often
 * loses nothing. A clock that goes back gives nothing.
 *
 * Used by: teams/events.c, teams/vm.c.   Depends on: core/clock.h. */
#include "core/budget.h"

void budget_init(struct budget *b, uint32_t size, uint32_t per_s, nsec_t now)
{
	*b = (struct budget){ .size = size, .per_s = per_s, .left = size, .at = now };
}

static void refill(struct budget *b, nsec_t now)
{
	nsec_t full_ns = (nsec_t)b->size * NSEC_PER_SEC / b->per_s, passed = now - b->at;
	uint64_t back;

	if (passed <= 0)
		return;
	if (passed >= full_ns) {
		b->left = b->size;
		b->at = now;
		return;
	}
	/* Below @size, as the time is below what fills it: no product overflows. */
	back = (uint64_t)(passed / NSEC_PER_SEC) * b->per_s + (uint64_t)(passed % NSEC_PER_SEC) * b->per_s / NSEC_PER_SEC;
	b->at += (nsec_t)(back / b->per_s) * NSEC_PER_SEC +
		 (nsec_t)((back % b->per_s * NSEC_PER_SEC + b->per_s - 1) / b->per_s);
	b->left = back > b->size - b->left ? b->size : b->left + (uint32_t)back;
}

bool budget_take(struct budget *b, nsec_t now, uint32_t amount)
{
	refill(b, now);
	if (amount > b->left)
		return false;
	b->left -= amount;
	return true;
}
