/* tests/teams/check_events.c: the event log stays within its bound, obeys no terminal,
 * and holds nothing for those who do not read. */
#include "core/bytes.h"
#include "teams/events.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct events events;
static char path[] = "/tmp/check_events.XXXXXX";

static void setup(void)
{
	strcpy(path + sizeof path - 7, "XXXXXX");
	ck_assert_int_ge(close(mkstemp(path)), 0);
	ck_assert_int_eq(events_open(&events, path), 0);
}

static void teardown(void)
{
	events_close(&events);
	(void)unlink(path);
}

static json_t *event_of(size_t len)
{
	CLEANUP(free) char *text = calloc(1, len + 1);

	memset(text, 'a', len);
	return json_pack("{s:s,s:s}", "event", "vm", "why", text);
}

START_TEST(test_the_file_is_bounded)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	const char *last;

	for (int i = 0; i < 300; i++)
		events_emit(&events, event_of(100000));
	ck_assert_int_eq(file_read_all(path, EVENTS_FILE_MAX + 200000, &file), 0);
	ck_assert_uint_gt(file.len, EVENTS_FILE_MAX);
	((char *)file.data)[file.len - 1] = '\0';
	last = strrchr((char *)file.data, '\n') + 1;
	ck_assert_ptr_nonnull(strstr(last, "\"event\":\"log-full\""));
}
END_TEST

START_TEST(test_lines_are_ascii)
{
	CLEANUP(bytes) struct bytes file = { 0 };

	events_emit(&events, json_pack("{s:s}", "why", "\xc2\x9b" "31m\x1b[0m\xe2\x80\xae"));
	ck_assert_int_eq(file_read_all(path, 4096, &file), 0);
	for (size_t i = 0; i < file.len; i++)
		ck_assert(file.data[i] == '\n' || (file.data[i] >= ' ' && file.data[i] <= '~'));
	ck_assert_ptr_nonnull(strstr((char *)file.data, "\\u009B"));
}
END_TEST

static int ended_with;

static void on_msg(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	(void)ctx;
	(void)c;
	(void)fds;
	(void)n_fds;
	if (!msg)
		ended_with = status;
}

START_TEST(test_who_follows_and_does_not_read_is_cut_off)
{
	struct control *c;
	struct loop *loop;
	int pair[2];

	ended_with = 0;
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(control_new(loop, pair[0], on_msg, NULL, &c), 0);
	ck_assert_int_eq(events_follow(&events, c), 0);
	for (int i = 0; i < 100; i++)
		events_emit(&events, event_of(100000));
	ck_assert_uint_le(control_waiting(c), EVENTS_WAITING_MAX + 200000);
	(void)loop_step(loop, 0);
	ck_assert_int_eq(ended_with, -ENOBUFS);
	events_unfollow(&events, c);
	(void)control_free(c);
	(void)close(pair[1]);
	loop = loop_free(loop);
}
END_TEST

/* How often @text is in the file. */
static size_t count(const char *text)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	size_t n = 0;

	ck_assert_int_eq(file_read_all(path, EVENTS_FILE_MAX + 200000, &file), 0);
	bytes_append(&file, "", 1);
	for (const char *at = (char *)file.data; (at = strstr(at, text)); at++)
		n++;
	return n;
}

START_TEST(test_a_machine_that_flaps_leaves_room_for_others)
{
	struct events_source bad, good;

	events_source_init(&bad, 0);
	events_source_init(&good, 0);
	for (int i = 0; i < 1000; i++)
		events_emit_of(&events, &bad, event_of(1000), 0);
	ck_assert_int_le(events.size, EVENTS_SOURCE_BYTES);
	ck_assert_uint_eq(count("left_out"), 0);
	events_emit_of(&events, &good, json_pack("{s:s}", "event", "good"), 0);
	events_emit(&events, json_pack("{s:s}", "event", "ours"));
	ck_assert_uint_eq(count("\"good\"") + count("\"ours\""), 2);
	/* Time gives some back, and the next event tells what is missing. */
	events_emit_of(&events, &bad, event_of(1000), 60 * NSEC_PER_SEC);
	events_emit_of(&events, &bad, event_of(1000), 60 * NSEC_PER_SEC);
	ck_assert_uint_eq(count("left_out"), 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("events");
	TCase *t = tcase_create("events");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_the_file_is_bounded);
	tcase_add_test(t, test_lines_are_ascii);
	tcase_add_test(t, test_a_machine_that_flaps_leaves_room_for_others);
	tcase_add_test(t, test_who_follows_and_does_not_read_is_cut_off);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
