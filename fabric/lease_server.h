/* fabric/lease_server.h: the process that keeps a team's leases (role `leases`).
 *
 * It reads the files at the fabric's HELLO, tells what is bound, and then makes durable what the fabric sends. All
 * records that wait are one commit. When a commit fails the fabric is told, once for each error; it is tried again
 * with each second and with each further record, until it succeeds. It ends with its socket. */
#ifndef MUSTER_FABRIC_LEASE_SERVER_H
#define MUSTER_FABRIC_LEASE_SERVER_H

#include "fabric/lease_keeper.h"

#include <stdbool.h>

struct lease_server_config {
	const char *team; /* for its title */
	int fd; /* SOCK_SEQPACKET, whose other end is the fabric's; borrowed */
	const struct lease_keeper_log *logs; /* borrowed, with the files, for the whole time */
	size_t n_logs; /* at most LEASE_WIRE_LOGS_MAX */
	bool cell; /* it is locked, for good, before anything is read */
};

/* Runs until the socket ends. Returns an exit status: not 0 when files cannot be read or the fabric sends nonsense. */
int lease_server_run(const struct lease_server_config *config);

#endif
