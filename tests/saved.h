/* tests/saved.h: a thing that is saved into memory, and loaded from there. */
#ifndef MUSTER_TESTS_SAVED_H
#define MUSTER_TESTS_SAVED_H

#include "core/bytes.h"
#include "core/state.h"

#include <check.h>

/* Describes @thing, sections and all. */
typedef void saved_fn(void *thing, struct state *s, nsec_t now);

/* Saves into @ret, in place of what is there. */
static inline void saved_take(saved_fn *describe, void *thing, nsec_t now, struct bytes *ret)
{
	struct state *s = NULL;
	const uint8_t *p;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	describe(thing, s, now);
	ck_assert_int_eq(state_finish(s), 0);
	p = state_data(s, &len);
	ret->len = 0;
	bytes_append(ret, p, len);
	(void)state_free(s);
}

/* Loads @len bytes. Returns why not; NULL: it was loaded. The caller frees. */
static inline char *saved_load(saved_fn *describe, void *thing, nsec_t now, const uint8_t *data, size_t len)
{
	struct state *s = NULL;
	char *why = NULL;

	if (state_load_new(data, len, &s, &why) < 0)
		return why;
	describe(thing, s, now);
	if (state_finish(s) < 0)
		why = str_dup(state_why(s));
	(void)state_free(s);
	return why;
}

#endif
