/* core/loop.h: the event loop at the edge of a process: fds, timers, signals.
 *
 * One thread, or several under one lock (loop_share()); epoll with a heap of timers, whose wait is exact to the
 * nanosecond (epoll_pwait2). Callbacks may add and remove any source, their
 * own included. The loop owns its sources' records, never their fds. Each source
 * is called once a turn at most; who has more to do takes a budget's worth and
 * comes back (an fd that is still ready is reported again, loop_again() else).
 *
 * Used by: the supervisor, the fabric, the machine, the command line. */
#ifndef MUSTER_CORE_LOOP_H
#define MUSTER_CORE_LOOP_H

#include "core/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_source; /* owned by the loop; ends with loop_remove() */

typedef void loop_fd_fn(void *ctx, int fd, uint32_t events);
typedef void loop_timer_fn(void *ctx, nsec_t now);
typedef void loop_signal_fn(void *ctx, int signo);

/* Returns 0 or -errno. */
int loop_new(struct loop **ret_loop);
struct loop *loop_free(struct loop *loop); /* accepts NULL; returns NULL */

/* Several threads use the loop from now on, each only while it holds a lock of
 * theirs. One of them steps it: @leave gives the lock up while it waits for later,
 * @enter takes it again. Returns 0 or -errno. */
int loop_share(struct loop *loop, void (*leave)(void *ctx), void (*enter)(void *ctx), void *ctx);
/* Ends the shared loop's wait when it would last beyond @by; else does nothing. */
void loop_wake(struct loop *loop, nsec_t by);

/* @events: EPOLLIN, EPOLLOUT, ... Returns 0 or -errno. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn,
		void *ctx, struct loop_source **ret_source);
/* Other events of epoll(7) for a descriptor that is watched. Returns 0 or -errno. */
int loop_set_events(struct loop_source *source, uint32_t events);
/* Calls an fd's source at the next turn (with events 0) though its fd may report nothing: its owner
 * stopped at its budget and the rest lies in a buffer. A held source is called once it is let go. */
void loop_again(struct loop_source *source);
/* A source that is served while the loop is held. */
void loop_keep(struct loop_source *source);
/* Holds: no fd is served but those kept, until it is let go; what happens on
 * the others meanwhile is seen then. Timers go on. */
void loop_hold(struct loop *loop, bool on);
/* A one-shot timer, on the clock of clock_now(); @at: NSEC_NEVER is unarmed. */
int loop_add_timer(struct loop *loop, nsec_t at, loop_timer_fn *fn, void *ctx,
		   struct loop_source **ret_source);
/* Sets a timer anew: once at @at, by the monotonic clock; NSEC_NEVER: not at all. */
void loop_set_timer(struct loop_source *source, nsec_t at);
/* Blocks @signo for the thread and delivers it here (signalfd). */
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *ctx,
		    struct loop_source **ret_source);
/* Accepts NULL; returns NULL. */
struct loop_source *loop_remove(struct loop_source *source);

/* Runs until loop_quit(). Returns what loop_quit() was given, or -errno. */
int loop_run(struct loop *loop);
/* Waits at most until @until (clock_now() clock; 0 polls), serves what is due
 * once. Returns the number of callbacks called, or -errno. */
int loop_step(struct loop *loop, nsec_t until);
/* loop_run() returns @status once the callbacks under way are done. */
void loop_quit(struct loop *loop, int status);

#endif
