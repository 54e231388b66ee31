/* vmm/machine_watch.c: the thread that kicks.
 *
 * State is two words under a mutex: armed, and until when. The thread sleeps on
 * a condition while it is not armed, and in ppoll() while it is; an earlier
 * deadline than the one it sleeps for reaches it through an eventfd.
 *
 * Used by: vmm/machine_kvm.c.   Depends on: core/clock.h. */
#include "vmm/machine_watch.h"

#include "core/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

struct machine_watch {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool armed, quit; /* under lock, with at */
	nsec_t at;
	int fd; /* borrowed */
	int wake_fd;
	void (*kick)(void *ctx);
	void *ctx;
};

static void wake(const struct machine_watch *w)
{
	uint64_t one = 1;

	if (write(w->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
		abort(); /* an eventfd of ours */
}

/* Waits until @at or until the descriptor is readable. True: that is so. */
static bool wait_host(const struct machine_watch *w, nsec_t at)
{
	struct pollfd p[2] = { { .fd = w->fd, .events = POLLIN }, { .fd = w->wake_fd, .events = POLLIN } };
	struct timespec ts, *limit = NULL;
	uint64_t count;
	int n;

	if (at != NSEC_NEVER) {
		nsec_t left = nsec_max(at - clock_now(), 0);

		ts = (struct timespec){ left / NSEC_PER_SEC, left % NSEC_PER_SEC };
		limit = &ts;
	}
	n = ppoll(p, 2, limit, NULL);
	if (n > 0 && p[1].revents && read(w->wake_fd, &count, sizeof count) > 0)
		return p[0].revents != 0;
	return n >= 0;
}

static void *watch_main(void *arg)
{
	struct machine_watch *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->quit) {
		nsec_t at = w->at;
		bool due;

		if (!w->armed) {
			(void)pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&w->lock);
		due = wait_host(w, at);
		(void)pthread_mutex_lock(&w->lock);
		if (!due || w->quit)
			continue;
		w->armed = false;
		/* Still under the lock: whoever frees the watch waits for it. */
		w->kick(w->ctx);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are for the machine's thread. */
static int start_thread(struct machine_watch *w)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, watch_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->has_thread = r == 0;
	return -r;
}

int machine_watch_new(int fd, void (*kick)(void *ctx), void *ctx, struct machine_watch **ret_watch)
{
	struct machine_watch *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct machine_watch){ .fd = fd, .kick = kick, .ctx = ctx,
				     .lock = PTHREAD_MUTEX_INITIALIZER,
				     .changed = PTHREAD_COND_INITIALIZER };
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->wake_fd < 0 ? -errno : start_thread(w);
	if (r < 0) {
		(void)machine_watch_free(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

struct machine_watch *machine_watch_free(struct machine_watch *w)
{
	if (!w)
		return NULL;
	if (w->has_thread) {
		(void)pthread_mutex_lock(&w->lock);
		w->quit = true;
		(void)pthread_cond_signal(&w->changed);
		(void)pthread_mutex_unlock(&w->lock);
		wake(w);
		(void)pthread_join(w->thread, NULL);
	}
	cleanup_fd(&w->wake_fd);
	(void)pthread_mutex_destroy(&w->lock);
	(void)pthread_cond_destroy(&w->changed);
	free(w);
	return NULL;
}

void machine_watch_arm(struct machine_watch *w, nsec_t at)
{
	(void)pthread_mutex_lock(&w->lock);
	if (!w->armed) {
		w->armed = true;
		w->at = at;
		(void)pthread_cond_signal(&w->changed);
	} else if (at < w->at) {
		w->at = at;
		wake(w);
	}
	(void)pthread_mutex_unlock(&w->lock);
}
