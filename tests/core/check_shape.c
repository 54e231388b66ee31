/* tests/core/check_shape.c: shapes to JSON and back. */
#include "core/shape.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

static const struct shape_dir shapes[] = {
	{ 0 },
	{ .rate_bps = 1544000, .delay_ns = 5000000, .jitter_ns = 1000, .distribution = SHAPE_PARETO },
	{ .loss = 0.1, .corrupt = 1.0 / 3, .duplicate = 1e-9, .reorder = 1 },
	{ .has_ge = true, .ge_p = 0.01, .ge_r = 0.25, .ge_bad = 1, .ge_good = 0.001 },
	{ .rate_bps = 10000000000, .queue_in_packets = true, .queue = 100000, .overhead_bytes = 65535 },
	{ .rate_bps = 1, .queue = 1, .cell_payload = 48, .cell_size = 53 },
	{ .rate_bps = SHAPE_RATE_MAX, .delay_ns = SHAPE_TIME_MAX, .jitter_ns = SHAPE_TIME_MAX },
};

static void check_same(const struct shape_dir *a, const struct shape_dir *b)
{
	ck_assert(a->rate_bps == b->rate_bps && a->delay_ns == b->delay_ns && a->jitter_ns == b->jitter_ns);
	ck_assert(a->distribution == b->distribution && a->loss == b->loss && a->has_ge == b->has_ge);
	ck_assert(a->ge_p == b->ge_p && a->ge_r == b->ge_r && a->ge_bad == b->ge_bad && a->ge_good == b->ge_good);
	ck_assert(a->corrupt == b->corrupt && a->duplicate == b->duplicate && a->reorder == b->reorder);
	ck_assert(a->queue_in_packets == b->queue_in_packets && a->queue == b->queue);
	ck_assert(a->overhead_bytes == b->overhead_bytes && a->cell_payload == b->cell_payload &&
		  a->cell_size == b->cell_size);
}

/* Through text, as between processes. */
START_TEST(a_shape_comes_back_as_it_went)
{
	struct shape_dir back;
	json_t *j = shape_dir_json(&shapes[_i]), *read;
	char *text = json_dumps(j, JSON_COMPACT);

	memset(&back, 0x5a, sizeof back);
	read = json_loads(text, 0, NULL);
	ck_assert_int_eq(shape_dir_from_json(read, &back), 0);
	check_same(&back, &shapes[_i]);
	json_decref(j);
	json_decref(read);
	free(text);
}
END_TEST

static const char *const wrong[] = {
	"[]",
	"{\"rate_bps\":-1}",
	"{\"rate_bps\":\"1\"}",
	"{\"rate_bps\":1.5}",
	"{\"delay_ns\":-1}",
	"{\"jitter_ns\":true}",
	"{\"distribution\":\"flat\"}",
	"{\"distribution\":1}",
	"{\"loss\":1.01}",
	"{\"loss\":-0.1}",
	"{\"loss\":null}",
	"{\"loss\":{\"p\":2}}",
	"{\"corrupt\":\"1\"}",
	"{\"duplicate\":2}",
	"{\"reorder\":[]}",
	"{\"queue_bytes\":-5}",
	"{\"queue_packets\":\"5\"}",
	"{\"overhead_bytes\":65536}",
	"{\"cell\":[48]}",
	"{\"cell\":[53,48]}",
	"{\"cell\":[0,53]}",
	"{\"cell\":[48,65536]}",
	"{\"cell\":48}",
	"{\"delay_ns\":72057594037927937}",
	"{\"jitter_ns\":9223372036854775807}",
	"{\"rate_bps\":1000000000000001}",
};

START_TEST(what_is_no_shape_is_refused)
{
	struct shape_dir shape = { .queue = 5 };
	json_t *j = json_loads(wrong[_i], 0, NULL);

	ck_assert_ptr_nonnull(j);
	ck_assert_msg(shape_dir_from_json(j, &shape) == -EINVAL, "%s", wrong[_i]);
	ck_assert_uint_eq(shape.queue, 5);
	ck_assert_int_eq(shape_dir_from_json(NULL, &shape), -EINVAL);
	json_decref(j);
}
END_TEST

START_TEST(a_queue_has_a_default)
{
	ck_assert_uint_eq(shape_queue_limit(&(struct shape_dir){ .rate_bps = 8000000 }, 1500), 100000);
	ck_assert_uint_eq(shape_queue_limit(&(struct shape_dir){ .rate_bps = 56000 }, 576), 11520);
	ck_assert_uint_eq(shape_queue_limit(&(struct shape_dir){ .queue = 7 }, 1500), 7);
	ck_assert_uint_eq(shape_memory_need(&(struct shape_dir){ 0 }, 1500), 0);
	/* What flies in a second at 1 Gbit/s, and 100 ms of it in the queue, three times over. */
	ck_assert_uint_eq(shape_memory_need(&(struct shape_dir){ .rate_bps = 1000000000, .delay_ns = NSEC_PER_SEC }, 1500),
			  3 * (125000000 + 12500000));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("shape");
	TCase *t = tcase_create("shape");

	tcase_add_loop_test(t, a_shape_comes_back_as_it_went, 0, (int)(sizeof shapes / sizeof shapes[0]));
	tcase_add_loop_test(t, what_is_no_shape_is_refused, 0, (int)(sizeof wrong / sizeof wrong[0]));
	tcase_add_test(t, a_queue_has_a_default);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
