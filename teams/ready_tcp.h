/* teams/ready_tcp.h: asks a guest whether a port accepts connections. */
#ifndef MUSTER_TEAMS_READY_TCP_H
#define MUSTER_TEAMS_READY_TCP_H

#include "topologies/team.h"

/* The shell line that ends with 0 when @vm accepts connections on its `ready: tcp:` port at its first address. One
 * whose address is not in the plan may listen on any address but loopback. The caller frees. */
char *ready_tcp_line(const struct team_vm *vm);

#endif
