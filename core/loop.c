/* core/loop.c: epoll with a heap of timers.
 *
 * A source that is removed while callbacks run is only marked dead and freed
 * when the round is over, so that an event already fetched for it finds no
 * freed memory. Re-arming a timer is O(log n) (core/heap.h).
 *
 * A turn calls every source that is due once: epoll's list of ready fds goes round,
 * a timer armed anew waits for the next turn, and who asked to be called again
 * (loop_again()) is called after the fds, unless this turn called it already.
 *
 * A held loop takes the fds that are not kept out of the epoll set and puts
 * them back later: what waits on them then is reported (level-triggered).
 *
 * A shared loop is used by several threads under one lock of their own, which
 * the loop gives up while it waits. What another thread does meanwhile takes
 * effect at once (epoll sets may be changed under a wait), but an earlier timer:
 * that, and loop_wake(), end the wait through an eventfd, and only when a wait
 * that would last too long is under way.
 *
 * Used by: supervisor, fabric, machine, cli.   Depends on: core/clock.h, core/heap.h.
 * Sources: epoll_pwait2(2), signalfd(2). */
#include "core/loop.h"

#include "core/cleanup.h"
#include "core/heap.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL };

enum { EVENTS_PER_WAIT = 64 };

struct loop_source {
	struct loop *loop;
	struct loop_source *next_all, *prev_all;
	struct loop_source *next_dead;
	enum source_kind kind;
	bool dead;
	bool keep; /* served while the loop is held */
	bool again; /* to be called at the next turn, whatever its fd reports */
	uint64_t turn; /* that called it last */
	uint32_t events; /* SOURCE_FD: asked for */
	int fd; /* borrowed for SOURCE_FD, own signalfd for SOURCE_SIGNAL */
	struct heap_item timer; /* SOURCE_TIMER */
	void *ctx;
	union {
		loop_fd_fn *on_fd;
		loop_timer_fn *on_timer;
		loop_signal_fn *on_signal;
	};
};

struct loop {
	int epoll_fd;
	struct loop_source *all, *dead;
	struct heap timers;
	size_t n_again; /* sources that are to be called again, the held ones included */
	uint64_t turn; /* counts loop_step() */
	int depth; /* rounds under way */
	bool quitting;
	bool held;
	int status;
	/* A shared loop's; leave is NULL for others. */
	void (*leave)(void *ctx), (*enter)(void *ctx);
	void *lock_ctx;
	int wake_fd; /* own; -1 */
	bool waiting, woken; /* without the lock; told to come back */
	nsec_t waits_until;
};

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof *loop);

	if (!loop)
		return -ENOMEM;
	loop->wake_fd = -1;
	/* SYSCALLS(setup): epoll_create1 */
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int r = -errno;

		free(loop);
		return r;
	}
	*ret_loop = loop;
	return 0;
}

static void bury_dead(struct loop *loop)
{
	while (loop->dead) {
		struct loop_source *s = loop->dead;

		loop->dead = s->next_dead;
		free(s);
	}
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	while (loop->all)
		(void)loop_remove(loop->all);
	bury_dead(loop);
	cleanup_fd(&loop->wake_fd);
	(void)close(loop->epoll_fd);
	heap_done(&loop->timers);
	free(loop);
	return NULL;
}

/* ---- several threads ------------------------------------------------------ */

int loop_share(struct loop *loop, void (*leave)(void *ctx), void (*enter)(void *ctx), void *ctx)
{
	struct epoll_event e = { .events = EPOLLIN }; /* no source */
	int r = 0;

	/* SYSCALLS(setup): eventfd2 */
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &e) < 0) {
		r = -errno;
		cleanup_fd(&loop->wake_fd);
		return r;
	}
	loop->leave = leave;
	loop->enter = enter;
	loop->lock_ctx = ctx;
	return 0;
}

void loop_wake(struct loop *loop, nsec_t by)
{
	uint64_t one = 1;

	if (!loop->waiting || loop->woken || by >= loop->waits_until)
		return;
	loop->woken = true;
	/* SYSCALLS(machine): write */
	if (write(loop->wake_fd, &one, sizeof one) < 0)
		abort(); /* an eventfd of ours, whose count is 0 or 1 */
}

/* Under the lock again. */
static void woken(struct loop *loop)
{
	uint64_t count;

	/* SYSCALLS(machine): read */
	if (read(loop->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
		abort(); /* the same */
	loop->woken = false;
}

/* ---- timers ---------------------------------------------------------------- */

static struct loop_source *first_timer(const struct loop *loop)
{
	struct heap_item *item = heap_first(&loop->timers);

	return item ? (struct loop_source *)((char *)item - offsetof(struct loop_source, timer)) : NULL;
}

void loop_set_timer(struct loop_source *s, nsec_t at)
{
	struct loop *loop = s->loop;

	heap_move(&loop->timers, &s->timer, s->dead ? NSEC_NEVER : at);
	if (s->timer.at != NSEC_NEVER)
		loop_wake(loop, at);
}

/* Room for one more timer, so that arming never fails later. */
static int reserve_timer(struct loop *loop)
{
	size_t n_timers = 1;

	for (struct loop_source *s = loop->all; s; s = s->next_all)
		n_timers += s->kind == SOURCE_TIMER;
	return heap_reserve(&loop->timers, n_timers);
}

/* ---- sources -------------------------------------------------------------- */

static struct loop_source *source_new(struct loop *loop, enum source_kind kind, int fd, void *ctx)
{
	struct loop_source *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	*s = (struct loop_source){ .loop = loop, .kind = kind, .fd = fd, .ctx = ctx,
				   .next_all = loop->all };
	heap_item_init(&s->timer, 0);
	if (loop->all)
		loop->all->prev_all = s;
	loop->all = s;
	return s;
}

static bool is_held(const struct loop_source *s)
{
	return s->loop->held && s->kind == SOURCE_FD && !s->keep;
}

/* A held source is not in the epoll set at all: with no events it would still
 * report that its peer hung up. */
/* SYSCALLS(machine fabric uplink supervisor): epoll_ctl */
static int watch(struct loop_source *s, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	s->events = events;
	if (is_held(s))
		return 0;
	return epoll_ctl(s->loop->epoll_fd, op, s->fd, &e) < 0 ? -errno : 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *ctx,
		struct loop_source **ret_source)
{
	struct loop_source *s = source_new(loop, SOURCE_FD, fd, ctx);
	int r;

	if (!s)
		return -ENOMEM;
	s->on_fd = fn;
	r = watch(s, EPOLL_CTL_ADD, events);
	if (r < 0) {
		s->fd = -1;
		(void)loop_remove(s);
		return r;
	}
	if (ret_source)
		*ret_source = s;
	return 0;
}

int loop_set_events(struct loop_source *s, uint32_t events)
{
	return s->dead ? 0 : watch(s, EPOLL_CTL_MOD, events);
}

static void set_again(struct loop_source *s, bool on)
{
	if (s->again == on)
		return;
	s->again = on;
	s->loop->n_again += on ? 1 : (size_t)-1;
}

void loop_again(struct loop_source *s)
{
	if (s->dead)
		return;
	set_again(s, true);
	loop_wake(s->loop, 0);
}

void loop_keep(struct loop_source *s)
{
	bool was_held = is_held(s);

	s->keep = true;
	if (was_held)
		(void)watch(s, EPOLL_CTL_ADD, s->events);
}

void loop_hold(struct loop *loop, bool on)
{
	if (loop->held == on)
		return;
	for (struct loop_source *s = loop->all; s; s = s->next_all) {
		if (s->kind != SOURCE_FD || s->keep || !on)
			continue;
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	}
	loop->held = on;
	for (struct loop_source *s = loop->all; s; s = s->next_all)
		if (s->kind == SOURCE_FD && !s->keep && !on)
			(void)watch(s, EPOLL_CTL_ADD, s->events);
}

int loop_add_timer(struct loop *loop, nsec_t at, loop_timer_fn *fn, void *ctx,
		   struct loop_source **ret_source)
{
	struct loop_source *s;
	int r = reserve_timer(loop);

	if (r < 0)
		return r;
	s = source_new(loop, SOURCE_TIMER, -1, ctx);
	if (!s)
		return -ENOMEM;
	s->on_timer = fn;
	loop_set_timer(s, at);
	if (ret_source)
		*ret_source = s;
	return 0;
}

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *ctx,
		    struct loop_source **ret_source)
{
	struct loop_source *s;
	sigset_t set;
	int fd, r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	/* SYSCALLS(setup): signalfd4 */
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	s = source_new(loop, SOURCE_SIGNAL, fd, ctx);
	if (!s) {
		(void)close(fd);
		return -ENOMEM;
	}
	s->on_signal = fn;
	r = watch(s, EPOLL_CTL_ADD, EPOLLIN);
	if (r < 0) {
		(void)loop_remove(s);
		return r;
	}
	if (ret_source)
		*ret_source = s;
	return 0;
}

struct loop_source *loop_remove(struct loop_source *s)
{
	struct loop *loop;

	if (!s || s->dead)
		return NULL;
	loop = s->loop;
	heap_move(&loop->timers, &s->timer, NSEC_NEVER);
	set_again(s, false);
	if (s->fd >= 0)
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	if (s->kind == SOURCE_SIGNAL)
		(void)close(s->fd);
	if (s->prev_all)
		s->prev_all->next_all = s->next_all;
	else
		loop->all = s->next_all;
	if (s->next_all)
		s->next_all->prev_all = s->prev_all;
	s->dead = true;
	s->next_dead = loop->dead;
	loop->dead = s;
	if (loop->depth == 0)
		bury_dead(loop);
	return NULL;
}

/* ---- running -------------------------------------------------------------- */

static void serve_signal(struct loop_source *s)
{
	struct signalfd_siginfo info;

	/* SYSCALLS(supervisor): read */
	if (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info)
		s->on_signal(s->ctx, (int)info.ssi_signo);
}

/* Serves the timers that were due at @now; one armed anew waits for the next
 * round even when it is due at once. */
static int serve_timers(struct loop *loop, nsec_t now)
{
	uint32_t n = 0, most = loop->timers.n;
	struct loop_source *s;

	while (n < most && (s = first_timer(loop)) && s->timer.at <= now) {
		loop_set_timer(s, NSEC_NEVER);
		s->on_timer(s->ctx, now);
		n++;
	}
	return (int)n;
}

static bool has_again(const struct loop *loop)
{
	if (loop->n_again == 0)
		return false;
	for (const struct loop_source *s = loop->all; s; s = s->next_all)
		if (s->again && !is_held(s))
			return true;
	return false;
}

static int wait_for(struct loop *loop, nsec_t until, struct epoll_event *events)
{
	struct timespec ts = { 0 }, *limit = &ts;
	nsec_t at = nsec_min(until, heap_next(&loop->timers));
	int n;

	if (has_again(loop))
		at = 0;
	if (at == NSEC_NEVER) {
		limit = NULL;
	} else if (at > 0) {
		nsec_t left = nsec_max(at - clock_now(), 0);

		ts.tv_sec = left / NSEC_PER_SEC;
		ts.tv_nsec = left % NSEC_PER_SEC;
	}
	if (loop->leave && at > 0) {
		loop->waits_until = at;
		loop->waiting = true;
		loop->leave(loop->lock_ctx);
	}
	/* SYSCALLS(machine fabric uplink supervisor): epoll_pwait2 */
	n = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_WAIT, limit, NULL);
	if (n < 0)
		n = errno == EINTR ? 0 : -errno;
	if (loop->waiting) {
		loop->enter(loop->lock_ctx);
		loop->waiting = false;
	}
	return n;
}

/* A source may have been removed by another thread since the wait's end: it is
 * buried after the round. */
static int serve_events(struct loop *loop, const struct epoll_event *events, int n)
{
	int served = 0;

	for (int i = 0; i < n; i++) {
		struct loop_source *s = events[i].data.ptr;

		if (!s)
			woken(loop);
		if (!s || s->dead || is_held(s))
			continue;
		served++;
		s->turn = loop->turn;
		set_again(s, false);
		if (s->kind == SOURCE_SIGNAL)
			serve_signal(s);
		else
			s->on_fd(s->ctx, s->fd, events[i].events);
	}
	return served;
}

/* A source that a callback removes stays in memory, and its next one with it, until the turn's end. */
static int serve_again(struct loop *loop)
{
	int served = 0;

	for (struct loop_source *s = loop->n_again > 0 ? loop->all : NULL; s; s = s->next_all) {
		if (!s->again || s->turn == loop->turn || is_held(s))
			continue;
		served++;
		s->turn = loop->turn;
		set_again(s, false);
		s->on_fd(s->ctx, s->fd, 0);
	}
	return served;
}

int loop_step(struct loop *loop, nsec_t until)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int n, served = 0;

	loop->depth++;
	loop->turn++;
	n = wait_for(loop, until, events);
	if (n > 0)
		served = serve_events(loop, events, n);
	if (n >= 0)
		served += serve_again(loop);
	if (n >= 0 && loop->timers.n > 0)
		served += serve_timers(loop, clock_now());
	if (--loop->depth == 0)
		bury_dead(loop);
	return n < 0 ? n : served;
}

int loop_run(struct loop *loop)
{
	loop->quitting = false;
	while (!loop->quitting) {
		int r = loop_step(loop, NSEC_NEVER);

		if (r < 0)
			return r;
	}
	return loop->status;
}

void loop_quit(struct loop *loop, int status)
{
	loop->quitting = true;
	loop->status = status;
}
