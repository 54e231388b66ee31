/* fabric/process.h: the process in which a team's elements run: rings, switches
 * and links, on one loop.
 *
 * Who forks it sends requests on control_fd (fabric/requests.h), and ignores SIGPIPE before.
 * Without being asked it tells of ports whose other side comes and goes:
 *   {"event":"peer","port":I,"there":BOOL,"why":TEXT,"untold":N}
 *     "why" says why it went. "untold" is how many such events were left out before
 *     this one: of many in a short time, one a second is told.
 * And of leases:
 *   {"event":"lease","network":I,"what":WORD,"address":..,"mac":..,"hostname":..,"vm":..,"untold":N}
 *     WORD is one of service_event_str(); "vm" is there when the MAC is that of a VM's NIC; without a lease all between
 *     is left out. Of many in a short time, ten a second are told.
 * And of what keeps leases:
 *   {"event":"leases","error":TEXT}
 *     They cannot be recorded; null: they can again.
 * When control_fd ends, the fabric ends. */
#ifndef MUSTER_FABRIC_PROCESS_H
#define MUSTER_FABRIC_PROCESS_H

#include "fabric/plan.h"

struct fabric_config {
	const struct fabric_plan *plan; /* borrowed */
	int control_fd;
	bool cell; /* the process is locked, for good, once all is set up (core/sandbox.h) */
};

/* What a fabric may map beyond what it has when it is set up: @frames_bytes, their heap's gaps, and messages. Bytes. */
uint64_t fabric_memory_max(uint64_t frames_bytes);

/* Runs the fabric until its control socket ends or a "quit". Returns an exit status. */
int fabric_run(const struct fabric_config *cfg);

#endif
