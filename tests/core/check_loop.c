/* tests/core/check_loop.c: the event loop: order of timers, removal from
 * within callbacks, signals. Time is never waited for: instants in the past
 * are due at once. */
#include "core/loop.h"
#include "core/prng.h"
#include "tests/unit.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;

static void setup(void)
{
	ck_assert_int_eq(loop_new(&loop), 0);
}

static void teardown(void)
{
	loop = loop_free(loop);
}

enum { N_TIMERS = 200 };
static struct {
	struct loop_source *source[N_TIMERS];
	nsec_t at[N_TIMERS], last;
	int n_fired;
} timers;

static void on_timer(void *ctx, nsec_t now)
{
	nsec_t at = *(nsec_t *)ctx;

	ck_assert(now >= at);
	ck_assert(at >= timers.last);
	timers.last = at;
	timers.n_fired++;
}

START_TEST(test_timers_fire_in_order)
{
	struct prng p;
	int expected = 0;

	memset(&timers, 0, sizeof timers);
	prng_init(&p, 5, "timers");
	for (int i = 0; i < N_TIMERS; i++)
		ck_assert_int_eq(loop_add_timer(loop, NSEC_NEVER, on_timer, &timers.at[i], &timers.source[i]), 0);
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < N_TIMERS; i++) {
			timers.at[i] = prng_below(&p, 4) ? 1 + (nsec_t)prng_below(&p, 1000) : NSEC_NEVER;
			loop_set_timer(timers.source[i], timers.at[i]);
		}
	for (int i = 0; i < N_TIMERS; i += 7) {
		timers.at[i] = NSEC_NEVER;
		timers.source[i] = loop_remove(timers.source[i]);
	}
	for (int i = 0; i < N_TIMERS; i++)
		expected += timers.at[i] != NSEC_NEVER;
	ck_assert_int_eq(loop_step(loop, 0), expected);
	ck_assert_int_eq(timers.n_fired, expected);
	ck_assert_int_eq(loop_step(loop, 0), 0);
}
END_TEST

static struct loop_source *pipe_sources[2];
static int n_calls;

/* Whoever comes first removes both: the other must not be called. */
static void on_fd_remove_both(void *ctx, int fd, uint32_t events)
{
	(void)ctx;
	(void)fd;
	ck_assert(events & EPOLLIN);
	n_calls++;
	for (int i = 0; i < 2; i++)
		pipe_sources[i] = loop_remove(pipe_sources[i]);
}

START_TEST(test_removal_in_a_callback)
{
	int a[2], b[2];

	n_calls = 0;
	ck_assert_int_eq(pipe(a), 0);
	ck_assert_int_eq(pipe(b), 0);
	ck_assert_int_eq(loop_add_fd(loop, a[0], EPOLLIN, on_fd_remove_both, NULL, &pipe_sources[0]), 0);
	ck_assert_int_eq(loop_add_fd(loop, b[0], EPOLLIN, on_fd_remove_both, NULL, &pipe_sources[1]), 0);
	ck_assert_int_eq(write(a[1], "x", 1), 1);
	ck_assert_int_eq(write(b[1], "x", 1), 1);
	ck_assert_int_eq(loop_step(loop, 0), 1);
	ck_assert_int_eq(n_calls, 1);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}
END_TEST

static void on_signal(void *ctx, int signo)
{
	ck_assert_int_eq(signo, SIGUSR1);
	loop_quit(ctx, 42);
}

START_TEST(test_signal_quits)
{
	ck_assert_int_eq(loop_add_signal(loop, SIGUSR1, on_signal, loop, NULL), 0);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(loop_run(loop), 42);
}
END_TEST

static int n_kept, n_other;

static void on_fd_count(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	++*(int *)ctx;
}

START_TEST(test_a_held_loop_serves_the_kept_alone)
{
	struct loop_source *kept, *other;
	int a[2], b[2];

	n_kept = n_other = 0;
	ck_assert_int_eq(pipe(a), 0);
	ck_assert_int_eq(pipe(b), 0);
	ck_assert_int_eq(loop_add_fd(loop, a[0], EPOLLIN, on_fd_count, &n_kept, &kept), 0);
	ck_assert_int_eq(loop_add_fd(loop, b[0], EPOLLIN, on_fd_count, &n_other, &other), 0);
	loop_keep(kept);
	loop_hold(loop, true);
	ck_assert_int_eq(write(a[1], "x", 1), 1);
	ck_assert_int_eq(write(b[1], "x", 1), 1);
	(void)close(b[1]); /* a hang-up is not reported either */
	ck_assert_int_eq(loop_set_events(other, EPOLLIN), 0);
	ck_assert_int_eq(loop_step(loop, 0), 1);
	ck_assert_int_eq(n_kept, 1);
	ck_assert_int_eq(n_other, 0);
	loop_hold(loop, false);
	ck_assert_int_eq(loop_step(loop, 0), 2);
	ck_assert_int_eq(n_other, 1);
	loop_hold(loop, true);
	(void)loop_remove(other);
	loop_hold(loop, false);
	ck_assert_int_eq(loop_step(loop, 0), 1);
	ck_assert_int_eq(n_other, 1);
	(void)loop_remove(kept);
	(void)close(a[0]);
	(void)close(a[1]);
	(void)close(b[0]);
}
END_TEST

static struct loop_source *again_source;
static int n_again;

/* Has work for three turns, which its fd does not report. */
static void on_fd_again(void *ctx, int fd, uint32_t events)
{
	(void)ctx;
	(void)fd;
	(void)events;
	if (++n_again < 3)
		loop_again(again_source);
}

START_TEST(test_again_is_once_a_turn_and_no_wait)
{
	int a[2];

	n_again = 0;
	ck_assert_int_eq(pipe(a), 0);
	ck_assert_int_eq(loop_add_fd(loop, a[0], EPOLLIN, on_fd_again, NULL, &again_source), 0);
	ck_assert_int_eq(write(a[1], "x", 1), 1);
	for (int turn = 1; turn <= 3; turn++) {
		ck_assert_int_eq(loop_step(loop, NSEC_NEVER), 1);
		ck_assert_int_eq(n_again, turn);
		if (turn == 1) {
			char c;

			ck_assert_int_eq(read(a[0], &c, 1), 1); /* the fd reports nothing any more */
		}
	}
	ck_assert_int_eq(loop_step(loop, 0), 0);
	/* Held, it neither runs nor spins; removed, it is forgotten. */
	n_again = 0;
	loop_again(again_source);
	loop_hold(loop, true);
	ck_assert_int_eq(loop_step(loop, 0), 0);
	loop_hold(loop, false);
	ck_assert_int_eq(loop_step(loop, 0), 1);
	again_source = loop_remove(again_source);
	ck_assert_int_eq(loop_step(loop, 0), 0);
	(void)close(a[0]);
	(void)close(a[1]);
}
END_TEST

/* ---- several threads ------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_left;

static void leave(void *ctx)
{
	(void)ctx;
	is_left = true;
	(void)pthread_mutex_unlock(&lock);
}

static void enter(void *ctx)
{
	(void)ctx;
	(void)pthread_mutex_lock(&lock);
	is_left = false;
}

static struct loop_source *shared_timer;
static int other_does;

enum { OTHER_WAKES, OTHER_ARMS, OTHER_REMOVES, OTHER_COUNT };

/* Once the loop waits, which is until the end of time. */
static void *other_thread(void *arg)
{
	bool done = false;

	(void)arg;
	while (!done) {
		(void)pthread_mutex_lock(&lock);
		done = is_left;
		if (done && other_does == OTHER_ARMS)
			loop_set_timer(shared_timer, 1);
		if (done && other_does == OTHER_REMOVES)
			shared_timer = loop_remove(shared_timer);
		if (done && other_does != OTHER_ARMS)
			loop_wake(loop, 5);
		(void)pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void on_shared_timer(void *ctx, nsec_t now)
{
	(void)ctx;
	(void)now;
	ck_assert(!is_left);
	n_calls++;
}

START_TEST(test_another_thread_ends_a_wait)
{
	pthread_t thread;

	n_calls = 0;
	other_does = _i;
	ck_assert_int_eq(loop_share(loop, leave, enter, NULL), 0);
	ck_assert_int_eq(loop_add_timer(loop, NSEC_NEVER, on_shared_timer, NULL, &shared_timer), 0);
	loop_wake(loop, 0); /* none waits: nothing is left of it */
	(void)pthread_mutex_lock(&lock);
	ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, NULL), 0);
	while (loop_step(loop, NSEC_NEVER) == 0 && _i == OTHER_ARMS)
		;
	(void)pthread_mutex_unlock(&lock);
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(n_calls, _i == OTHER_ARMS);
	ck_assert_int_eq(loop_step(loop, 0), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("loop");
	TCase *t = tcase_create("loop");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_timers_fire_in_order);
	tcase_add_test(t, test_removal_in_a_callback);
	tcase_add_test(t, test_signal_quits);
	tcase_add_test(t, test_a_held_loop_serves_the_kept_alone);
	tcase_add_test(t, test_again_is_once_a_turn_and_no_wait);
	tcase_add_loop_test(t, test_another_thread_ends_a_wait, 0, OTHER_COUNT);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
