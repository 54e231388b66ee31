/* vmm/machine_threads.c: a thread for each processor of a machine on KVM, and the one lock.
 *
 * Bus, chips, virtio devices, clock and loop have no locks of their own: there is one
 * for the machine. A processor's thread has it while it handles an exit (the callbacks
 * of machine_kvm.c take it), not while it is in the guest; the machine's own thread has
 * it always but while it waits in its loop. So a device sees one caller at a time, as
 * under the soft engine, and what a device does between two of its lines no other sees.
 * Exits that reach a device are few and short (a doorbell, an I/O APIC entry), LAPIC,
 * IPIs and timers of the guests stay in KVM; a lock a device would buy nothing before
 * several processors spend their time in exits, and would need an order among locks.
 *
 * What two parties share beside it: guest memory (virtqueues have their fences; all
 * else is read once), the 8259s' line (an atomic in the engine) and kicks.
 *
 * The lock is recursive, since a processor may be driven from the machine's thread too,
 * when it stands and its last access is finished: that calls back into the bus.
 *
 * A thread stands (is parked) or is in cpu_ops.run(). `hold` says what it shall do; it
 * is looked at under the lock between two runs, and a kick ends the run under way, or
 * the next one at its start. machine_threads_stop() comes back when all are parked: no
 * processor is in the guest, no access half done in a thread; the states can be read and
 * the TSCs set by one thread, and none has seen a moment that another has not.
 *
 * All threads are there before the cell is locked: it knows no clone(2).
 *
 * Used by: vmm/machine*.c.   Depends on: vmm/machine_impl.h, core/loop.h. */
#include "vmm/machine_threads.h"

#include "vmm/machine_impl.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct machine_threads {
	struct machine *m; /* borrowed */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* hold, quit or n_parked */
	bool hold, quit;
	unsigned n_made, n_parked;
	pthread_t thread[MACHINE_CPU_MAX];
};

/* SYSCALLS(machine-kvm): futex */
void machine_threads_lock(struct machine_threads *t)
{
	(void)pthread_mutex_lock(&t->lock);
}

void machine_threads_unlock(struct machine_threads *t)
{
	(void)pthread_mutex_unlock(&t->lock);
}

static void leave(void *ctx)
{
	machine_threads_unlock(ctx);
}

static void enter(void *ctx)
{
	machine_threads_lock(ctx);
}

int machine_threads_new(struct machine *m, struct machine_threads **ret_threads)
{
	struct machine_threads *t = calloc(1, sizeof *t);
	pthread_mutexattr_t attr;
	int r;

	if (!t)
		return -ENOMEM;
	t->m = m;
	t->hold = true;
	(void)pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	(void)pthread_mutex_init(&t->lock, &attr);
	(void)pthread_mutexattr_destroy(&attr);
	(void)pthread_cond_init(&t->changed, NULL);
	r = loop_share(m->loop, leave, enter, t);
	if (r < 0)
		t = machine_threads_free(t);
	*ret_threads = t;
	return r;
}

/* ---- a processor's thread -------------------------------------------------------- */

static void park(struct machine_threads *t)
{
	t->n_parked++;
	(void)pthread_cond_broadcast(&t->changed);
	while ((t->hold || t->m->ended) && !t->quit)
		(void)pthread_cond_wait(&t->changed, &t->lock);
	t->n_parked--;
}

static void *thread_main(void *arg)
{
	struct machine_cpu *p = arg;
	struct machine_threads *t = p->m->threads;

	machine_threads_lock(t);
	while (!t->quit) {
		enum cpu_stop stop;

		if (t->hold || t->m->ended) {
			park(t);
			continue;
		}
		machine_threads_unlock(t);
		stop = p->cpu->ops->run(p->cpu, UINT64_MAX);
		machine_threads_lock(t);
		machine_cpu_stopped(t->m, stop);
	}
	machine_threads_unlock(t);
	return NULL;
}

/* Signals are for the machine's thread, but for the kick. */
static int start_thread(struct machine_threads *t, unsigned i)
{
	sigset_t most, before;
	int r;

	(void)sigfillset(&most);
	(void)sigdelset(&most, SIGRTMIN);
	(void)pthread_sigmask(SIG_SETMASK, &most, &before);
	/* clone3's flags cannot be looked at: without it the C library uses clone. */
	/* SYSCALLS(setup-kvm): clone3(absent) clone(0 & CLONE_THREAD|CLONE_SIGHAND|CLONE_VM, 0 !& CLONE_NEWUSER) */
	/* SYSCALLS(setup-kvm): mprotect(2 !& PROT_EXEC) */
	/* The thread's own first calls may come after the list did. */
	/* SYSCALLS(machine-kvm): set_robust_list rseq rt_sigprocmask */
	r = pthread_create(&t->thread[i], NULL, thread_main, &t->m->vcpu[i]);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

/* Parked threads end: none is left in the middle of an access, to kick one that is gone. */
static void end_threads(struct machine_threads *t)
{
	machine_threads_lock(t);
	machine_threads_stop(t);
	t->quit = true;
	(void)pthread_cond_broadcast(&t->changed);
	machine_threads_unlock(t);
	while (t->n_made)
		(void)pthread_join(t->thread[--t->n_made], NULL);
	t->quit = false;
}

int machine_threads_start(struct machine_threads *t)
{
	int r = 0;

	/* A thread's own heap would be 64 MiB of address space, and calls to find out how
	 * many there may be; nearly all of it is behind one lock here anyway. */
	(void)mallopt(M_ARENA_MAX, 1);
	t->hold = true;
	for (unsigned i = 0; i < t->m->n_cpus && r == 0; i++) {
		r = start_thread(t, i);
		t->n_made += r == 0;
	}
	if (r < 0) {
		machine_threads_unlock(t);
		end_threads(t);
		machine_threads_lock(t);
	}
	return r;
}

struct machine_threads *machine_threads_free(struct machine_threads *t)
{
	if (!t)
		return NULL;
	end_threads(t);
	(void)pthread_cond_destroy(&t->changed);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

/* ---- the machine's thread ---------------------------------------------------------- */

static void kick_all(struct machine_threads *t)
{
	for (unsigned i = 0; i < t->n_made; i++)
		t->m->vcpu[i].cpu->ops->kick(t->m->vcpu[i].cpu);
}

void machine_threads_stop(struct machine_threads *t)
{
	t->hold = true;
	kick_all(t);
	while (t->n_parked < t->n_made)
		(void)pthread_cond_wait(&t->changed, &t->lock);
}

void machine_threads_go(struct machine_threads *t)
{
	t->hold = false;
	(void)pthread_cond_broadcast(&t->changed);
}

void machine_threads_end(struct machine_threads *t)
{
	kick_all(t);
	loop_wake(t->m->loop, 0);
}
