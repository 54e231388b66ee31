/* vmm/machine.h: one VM's PC: assembled, run, ended. The machine's process is
 * machine_run(); it is forked by the supervisor and inherits all it needs as
 * fds and plain memory.
 *
 * Control messages (core/control.h) on control_fd:
 *   to the machine:   machine_verbs(), explained in docs/protocol.md
 *   from the machine: {"event":"started","engine":"soft|kvm","why":"..."}
 *                     {"event":"paused"} {"event":"resumed"}
 *                     {"event":"stats","instructions":N,"cpu_ns":N,"nics":[{...counters}],
 *                      "balloon":{"target","actual","inflated","reported":bytes,...},...}
 *                     {"event":"vsock-dial","port":N,"token":N} the guest asks for the host's port
 *                     {"event":"saved","bytes":N} {"event":"save-failed","text":"..."}
 *                     {"event":"ended","why":"poweroff|reset|triple-fault|quit|error","text":"..."}
 * When control_fd ends, the machine ends. */
#ifndef MUSTER_VMM_MACHINE_H
#define MUSTER_VMM_MACHINE_H

#include "vmm/machine_config.h"

#include <stdint.h>

struct verb_table;

/* What a machine may be asked on control_fd (core/verb.h): its own verbs and those of all kinds of
 * devices. Static; the first call joins them, before there are threads. */
const struct verb_table *machine_verbs(void);

/* The end as an event's name. Not to be freed. */
const char *machine_end_str(enum machine_end end);

struct machine;
/* Assembles the PC and, without a cell, loads the kernel. @ret_why: a message on failure, the
 * caller frees it. Returns 0 or -errno. */
int machine_new(const struct machine_config *cfg, struct machine **ret_machine, char **ret_why);
/* Ends the machine and all it owns; accepts NULL; returns NULL. */
struct machine *machine_free(struct machine *m);
/* Writes the machine's whole state to @fd (a file or pipe) as it is between two
 * instructions: before machine_run(), from its control socket or from a probe.
 * @ret_bytes: how many. @ret_why: a message on failure, the caller frees it; the
 * file is then incomplete and will be refused. Returns 0 or -errno. */
int machine_save(struct machine *m, int fd, uint64_t *ret_bytes, char **ret_why);
/* Runs until the guest or the control socket ends it. */
enum machine_end machine_run(struct machine *m, char **ret_why);

#endif
