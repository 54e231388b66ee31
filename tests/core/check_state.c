/* tests/core/check_state.c: sections out and in; and that nothing which is not
 * exactly what was written is taken, with the place named. */
#include "core/bytes.h"
#include "core/state.h"
#include "core/wire.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct thing {
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
	int64_t e;
	bool f;
	char g[5];
};

static const struct thing full = { 1, 0x202, 0x30303, UINT64_C(0x4040404040404), -5, true, "text" };

static void describe(struct state *s, struct thing *t, uint32_t instance, uint32_t version)
{
	(void)state_begin(s, "tng ", instance, version);
	state_u8(s, &t->a);
	state_u16(s, &t->b);
	state_u32(s, &t->c);
	state_u64(s, &t->d);
	state_i64(s, &t->e);
	state_bool(s, &t->f);
	state_bytes(s, t->g, sizeof t->g);
	state_expect(s, t->a < 100, "a is 100 or more");
	state_same(s, 7, "colours");
	state_end(s);
}

/* Two sections. The caller frees. */
static void save(struct bytes *ret)
{
	struct thing t = full;
	struct state *s = NULL;
	const uint8_t *p;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	describe(s, &t, 0, 1);
	t.a = 2;
	describe(s, &t, 9, 1);
	ck_assert_int_eq(state_finish(s), 0);
	p = state_data(s, &len);
	ck_assert_uint_eq(len, state_len(s));
	bytes_append(ret, p, len);
	(void)state_free(s);
}

/* Loads both. Returns why not; NULL: all went well. The caller frees. */
static char *load(const uint8_t *data, size_t len, struct thing ret[2])
{
	struct state *s = NULL;
	char *why = NULL;

	if (state_load_new(data, len, &s, &why) < 0) {
		ck_assert_ptr_nonnull(why);
		return why;
	}
	describe(s, &ret[0], 0, 1);
	describe(s, &ret[1], 9, 1);
	if (state_finish(s) < 0)
		why = str_dup(state_why(s));
	(void)state_free(s);
	return why;
}

START_TEST(what_was_saved_is_loaded)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct thing t[2] = { 0 };
	char *why;

	save(&b);
	why = load(b.data, b.len, t);
	ck_assert_msg(!why, "%s", why);
	ck_assert_uint_eq(t[0].a, 1);
	ck_assert_uint_eq(t[0].b, full.b);
	ck_assert_uint_eq(t[0].c, full.c);
	ck_assert_uint_eq(t[0].d, full.d);
	ck_assert_int_eq(t[0].e, -5);
	ck_assert(t[0].f);
	ck_assert_str_eq(t[0].g, "text");
	ck_assert_uint_eq(t[1].a, 2);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_refused_with_the_place)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	size_t second;

	save(&b);
	second = STATE_HEADER_LEN + STATE_HEAD_LEN + (size_t)load_le64(b.data + STATE_HEADER_LEN + 12);
	for (size_t i = 0; i < b.len * 8; i++) {
		struct thing t[2] = { 0 };
		char *why, place[32];
		size_t at = i / 8, first_bad;

		b.data[at] ^= (uint8_t)(1U << i % 8);
		why = load(b.data, b.len, t);
		b.data[at] ^= (uint8_t)(1U << i % 8);
		ck_assert_msg(why != NULL, "bit %zu was not noticed", i);
		ck_assert_uint_eq(t[0].a, 0); /* nothing was taken */
		first_bad = at < STATE_HEADER_LEN ? (at < 8 ? 0 : 8) :
			    at < second ? (size_t)STATE_HEADER_LEN :
			    at < b.len - STATE_HEAD_LEN ? second : b.len - STATE_HEAD_LEN;
		(void)snprintf(place, sizeof place, "byte %zu:", first_bad);
		ck_assert_msg(strstr(why, place) != NULL, "byte %zu: says %s", at, why);
		free(why);
	}
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };

	save(&b);
	for (size_t len = 0; len < b.len; len++) {
		struct thing t[2] = { 0 };
		uint8_t *copy = malloc(len + 1); /* so that a read beyond is seen */
		char *why;

		memcpy(copy, b.data, len);
		why = load(copy, len, t);
		ck_assert_msg(why != NULL, "%zu bytes were enough", len);
		ck_assert(strstr(why, "byte ") != NULL);
		ck_assert_uint_eq(t[0].a, 0);
		free(why);
		free(copy);
	}
}
END_TEST

START_TEST(bytes_behind_the_end_are_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct thing t[2] = { 0 };
	char *why;

	save(&b);
	bytes_append(&b, "x", 1);
	why = load(b.data, b.len, t);
	ck_assert(why && strstr(why, "1 bytes behind the end"));
	free(why);
}
END_TEST

/* Forged files: right checksums, wrong contents. */
static const struct {
	const char *says;
	size_t at; /* from the first section's head */
	uint8_t value;
} forged[] = {
	{ "section tng_.0 at byte 16: version 2 is newer than 1", 8, 2 },
	{ "version 0 never was", 8, 0 },
	{ "it is not there", 0, 'x' },
	{ "a is 100 or more", STATE_HEAD_LEN, 100 },
	{ "neither 0 nor 1", STATE_HEAD_LEN + 1 + 2 + 4 + 8 + 8, 2 },
	{ "colours: 8 was saved, this machine has 7", STATE_HEAD_LEN + 1 + 2 + 4 + 8 + 8 + 1 + 5, 8 },
	{ "there are two of it", 4, 9 },
};

START_TEST(a_forged_section_is_refused_by_what_it_says)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct thing t[2] = { 0 };
	const char *says = forged[_i].says;
	char *why;

	save(&b);
	b.data[STATE_HEADER_LEN + forged[_i].at] = forged[_i].value;
	forge_reseal(b.data, b.len);
	why = load(b.data, b.len, t);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, says) != NULL, "says: %s", why);
	free(why);
}
END_TEST

static void one_section(struct bytes *ret, size_t len)
{
	uint8_t zero[64] = { 1 };
	struct state *s = NULL;
	const uint8_t *p;
	size_t n;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	(void)state_begin(s, "tng ", 0, 1);
	state_bytes(s, zero, len);
	state_end(s);
	ck_assert_int_eq(state_finish(s), 0);
	p = state_data(s, &n);
	bytes_append(ret, p, n);
	(void)state_free(s);
}

START_TEST(a_section_of_the_wrong_length_is_refused)
{
	enum { FULL = 1 + 2 + 4 + 8 + 8 + 1 + 5 + 8 };

	for (size_t len = 0; len < 60; len++) {
		CLEANUP(bytes) struct bytes b = { 0 };
		struct state *s = NULL;
		struct thing t = { 0 };
		char *why = NULL;

		if (len == FULL)
			continue;
		one_section(&b, len);
		ck_assert_int_eq(state_load_new(b.data, b.len, &s, &why), 0);
		describe(s, &t, 0, 1);
		ck_assert_int_eq(state_finish(s), -EBADMSG);
		ck_assert_msg(strstr(state_why(s), len < FULL ? "too short" : "this machine has 7"),
			      "%zu: says %s", len, state_why(s));
		(void)state_free(s);
	}
}
END_TEST

START_TEST(what_is_left_over_is_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct state *s = NULL;
	char *why = NULL;
	uint8_t v = 0;

	one_section(&b, 2);
	ck_assert_int_eq(state_load_new(b.data, b.len, &s, &why), 0);
	ck_assert(state_has(s, "tng ", 0));
	ck_assert(!state_has(s, "tng ", 1));
	ck_assert_int_eq(state_finish(s), -EBADMSG);
	ck_assert(strstr(state_why(s), "tng_.0 at byte 16: nothing of this machine"));
	(void)state_free(s);
	ck_assert_int_eq(state_load_new(b.data, b.len, &s, &why), 0);
	(void)state_begin(s, "tng ", 0, 1);
	state_u8(s, &v);
	ck_assert_uint_eq(state_left(s), 1);
	state_end(s);
	ck_assert(strstr(state_why(s), "1 bytes too many"));
	(void)state_free(s);
}
END_TEST

START_TEST(a_disk_that_is_full_is_told)
{
	struct thing t = full;
	struct state *s = NULL;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ck_assert_int_eq(state_save_new(fd, &s), 0);
	describe(s, &t, 0, 1);
	ck_assert_int_eq(state_finish(s), -ENOSPC);
	ck_assert_ptr_nonnull(state_why(s));
	(void)state_free(s);
	(void)close(fd);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("state");
	TCase *t = tcase_create("state");

	tcase_add_test(t, what_was_saved_is_loaded);
	tcase_add_test(t, a_flipped_bit_anywhere_is_refused_with_the_place);
	tcase_add_test(t, a_file_cut_anywhere_is_refused);
	tcase_add_test(t, bytes_behind_the_end_are_refused);
	tcase_add_loop_test(t, a_forged_section_is_refused_by_what_it_says, 0,
			    (int)(sizeof forged / sizeof forged[0]));
	tcase_add_test(t, a_section_of_the_wrong_length_is_refused);
	tcase_add_test(t, what_is_left_over_is_refused);
	tcase_add_test(t, a_disk_that_is_full_is_told);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
