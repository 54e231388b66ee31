/* vmm/machine_threads.h: a thread for each processor of a machine on KVM, and the one lock.
 *
 * Used by: vmm/machine*.c. */
#ifndef MUSTER_VMM_MACHINE_THREADS_H
#define MUSTER_VMM_MACHINE_THREADS_H

struct machine;
struct machine_threads;

/* The lock alone, and the machine's loop shared under it. Returns 0 or -errno. */
int machine_threads_new(struct machine *m, struct machine_threads **ret_threads);
/* Ends the threads; accepts NULL; returns NULL. Without the lock. */
struct machine_threads *machine_threads_free(struct machine_threads *t);

/* Whoever touches the machine while its threads are there holds it. The same
 * thread may take it again. */
void machine_threads_lock(struct machine_threads *t);
void machine_threads_unlock(struct machine_threads *t);

/* The rest is the machine's own thread's, with the lock held once. */
/* Makes the threads; they stand. Returns 0 or -errno: none is left then. */
int machine_threads_start(struct machine_threads *t);
/* Has every processor leave the guest, and comes back when all stand. */
void machine_threads_stop(struct machine_threads *t);
/* Lets them go on; nothing when the machine has ended. */
void machine_threads_go(struct machine_threads *t);

/* Any thread with the lock: the machine has ended, all shall notice. */
void machine_threads_end(struct machine_threads *t);

#endif
