/* teams/host_addrs.h: the addresses that this host has itself, which guests do not reach through the NAT. */
#ifndef MUSTER_TEAMS_HOST_ADDRS_H
#define MUSTER_TEAMS_HOST_ADDRS_H

#include "core/addr.h"

#include <stddef.h>

/* Opens what host_addrs_get() asks. Before the process enters its cell, whose list has no such socket.
 * Returns a descriptor, or -errno. */
int host_addrs_open(void);

/* The addresses of all interfaces in the network namespace where @fd was opened. Inside a cell, too; waits for the kernel
 * alone, 1 s at most. @ret_addrs: the caller's to free, with bare addresses; untouched on failure.
 * Returns 0; -errno: then nothing is known.   Source: rtnetlink(7) */
int host_addrs_get(int fd, struct ip_addr **ret_addrs, size_t *ret_n);

#endif
