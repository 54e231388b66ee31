/* vmm/machine_watch.h: looks at the host while the processor's thread is in the guest.
 *
 * Under KVM the machine's one thread is in KVM_RUN, for as long as the guest
 * likes. A second thread waits on the loop's descriptor and for the next deadline;
 * when either comes it kicks the processor once, and then does nothing until it
 * is armed again. It touches no device and no state of the machine, so all of
 * that stays single-threaded.
 *
 * Used by: vmm/machine_kvm.c. */
#ifndef MUSTER_VMM_MACHINE_WATCH_H
#define MUSTER_VMM_MACHINE_WATCH_H

#include "core/clock.h"

struct machine_watch;

/* @fd: what to wait for (readable); borrowed. @kick: called on the watch's
 * thread. Returns 0 or -errno. */
int machine_watch_new(int fd, void (*kick)(void *ctx), void *ctx, struct machine_watch **ret_watch);
/* Accepts NULL; returns NULL. */
struct machine_watch *machine_watch_free(struct machine_watch *w);
/* Kick when the descriptor is readable or at @at (clock_now()'s clock), whichever
 * is first. Armed already: the earlier deadline counts. */
void machine_watch_arm(struct machine_watch *w, nsec_t at);

#endif
