/* tests/core/check_frame.c: frames and their pool. */
#include "core/frame.h"
#include "tests/unit.h"

#include <string.h>

START_TEST(a_new_frame_is_blank)
{
	struct frame_pool *pool;
	struct frame *f;

	ck_assert_int_eq(frame_pool_new(4, &pool), 0);
	for (int i = 0; i < 3; i++) {
		f = frame_new(pool, 100);
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(f->len, 0);
		ck_assert_uint_eq(f->offload.flags, 0);
		ck_assert_uint_eq(f->offload.gso_size, 0);
		ck_assert_ptr_null(f->next);
		ck_assert_uint_ge(f->size, 100);
		f->len = 100;
		f->offload.flags = 1;
		f->offload.gso_size = 7;
		f->next = f;
		ck_assert_ptr_null(frame_free(f));
	}
	ck_assert_ptr_null(frame_pool_free(pool));
}
END_TEST

START_TEST(large_frames_do_not_enter_the_pool)
{
	struct frame_pool *pool;
	struct frame *f[6];

	ck_assert_int_eq(frame_pool_new(2, &pool), 0);
	for (unsigned i = 0; i < 6; i++) {
		f[i] = frame_new(pool, i & 1 ? FRAME_LEN_MAX : 60);
		ck_assert_ptr_nonnull(f[i]);
		memset(f[i]->data, (int)i, f[i]->size);
	}
	for (unsigned i = 0; i < 6; i++)
		frame_free(f[i]);
	f[0] = frame_new(pool, 60);
	ck_assert_uint_eq(f[0]->size, FRAME_CLASS_MIN);
	frame_free(f[0]);
	frame_pool_free(pool);
}
END_TEST

START_TEST(a_frame_has_the_smallest_class)
{
	static const struct {
		size_t asked;
		uint32_t size;
	} t[] = { { 0, 64 }, { 60, 64 }, { 64, 64 }, { 65, 128 }, { 128, 128 }, { 129, 256 },
		  { 1024, 1024 }, { 1025, 2048 }, { 1514, 2048 }, { 2048, 2048 }, { 2049, 2049 } };
	struct frame_pool *pool;

	ck_assert_int_eq(frame_pool_new(4, &pool), 0);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
			struct frame *f = frame_new(pool, t[i].asked);

			ck_assert_uint_eq(f->size, t[i].size);
			memset(f->data, 0x5a, f->size);
			frame_free(f);
		}
	frame_pool_free(pool);
}
END_TEST

START_TEST(too_large_is_refused)
{
	ck_assert_ptr_null(frame_new(NULL, FRAME_LEN_MAX + 1));
	ck_assert_ptr_null(frame_free(NULL));
	ck_assert_ptr_null(frame_pool_free(NULL));
}
END_TEST

START_TEST(a_copy_is_whole)
{
	struct frame *f = frame_new(NULL, 1514), *g;

	f->len = 1500;
	f->rx_time_ns = 7;
	f->offload = (struct frame_offload){ 1, 4, 54, 1448, 34, 16 };
	memset(f->data, 0xa5, f->len);
	g = frame_copy(NULL, f);
	ck_assert_uint_eq(g->len, f->len);
	ck_assert_int_eq(g->rx_time_ns, 7);
	ck_assert_mem_eq(&g->offload, &f->offload, sizeof f->offload);
	ck_assert_mem_eq(g->data, f->data, f->len);
	frame_free(f);
	frame_free(g);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("frame");
	TCase *t = tcase_create("frame");

	tcase_add_test(t, a_new_frame_is_blank);
	tcase_add_test(t, large_frames_do_not_enter_the_pool);
	tcase_add_test(t, a_frame_has_the_smallest_class);
	tcase_add_test(t, too_large_is_refused);
	tcase_add_test(t, a_copy_is_whole);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
