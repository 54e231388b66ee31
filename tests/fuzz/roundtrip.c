/* tests/fuzz/roundtrip.c: saves and loads a device where it stands.
 *
 * Used by: tests/fuzz/chip_fuzz.c, tests/fuzz/virtio_fuzz.c.   Depends on: core/state.h. */
#include "tests/fuzz/roundtrip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *why)
{
	(void)fprintf(stderr, "%s: %s\n", what, why ? why : "?");
	abort();
}

static struct state *save(void (*describe)(void *ctx, struct state *s), void *ctx)
{
	struct state *s;

	if (state_save_new(-1, &s) < 0)
		abort();
	describe(ctx, s);
	if (state_finish(s) < 0)
		fail("a state is not saved", state_why(s));
	return s;
}

void fuzz_roundtrip(void (*describe)(void *ctx, struct state *s), void *ctx)
{
	struct state *first = save(describe, ctx), *again, *load;
	const uint8_t *a, *b;
	size_t a_len, b_len;
	char *why = NULL;

	a = state_data(first, &a_len);
	if (state_load_new(a, a_len, &load, &why) < 0)
		fail("a saved state has no form", why);
	describe(ctx, load);
	if (state_finish(load) < 0)
		fail("a saved state is refused", state_why(load));
	load = state_free(load);
	again = save(describe, ctx);
	b = state_data(again, &b_len);
	if (a_len != b_len || memcmp(a, b, a_len) != 0)
		fail("a state is another", "after it was saved and loaded");
	(void)state_free(first);
	(void)state_free(again);
}
