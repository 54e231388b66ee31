/* teams/forwards.h: ports of the host that lead into a team's networks: the list, and the sockets.
 *
 * The supervisor keeps each socket for as long as the forward exists, so that an uplink which is started anew gets the
 * same ones, and connections that came meanwhile wait in their queue. */
#ifndef MUSTER_TEAMS_FORWARDS_H
#define MUSTER_TEAMS_FORWARDS_H

#include "topologies/forward.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FORWARDS_MAX = 1024 /* of a team */ };

struct forward {
	uint32_t id; /* of the uplink's verbs; no two have had the same */
	size_t network; /* index into the team's */
	struct team_forward of;
	int fd; /* owned: a listener, or a bound UDP socket; does not block */
};

struct forwards {
	struct forward *list; /* owned */
	size_t n;
	uint32_t next_id;
};

/* Opens what @of says, and puts it behind the others.
 * @ret_lacks: set to true where the host does not allow it; else untouched. @ret: borrowed until the list changes.
 * Returns 0; -EADDRINUSE, -ENOSPC, -errno with a message that names the port, which the caller frees. */
int forward_open(struct forwards *f, size_t network, const struct team_forward *of, struct forward **ret,
		 bool *ret_lacks, char **ret_why);
/* The forward of that port on @network, or NULL. */
struct forward *forward_find(const struct forwards *f, size_t network, const struct team_forward *port);
struct forward *forward_by_id(const struct forwards *f, uint32_t id); /* or NULL */
/* Closes it; the order of the others stays. */
void forward_close(struct forwards *f, struct forward *of);

/* Opens all that @team's file names; a message begins with the place in the file. Those that were opened before a
 * failure are in @f. Returns as forward_open(). */
int forwards_open(const struct team *team, struct forwards *f, bool *ret_lacks, char **ret_why);
void forwards_close(struct forwards *f);

#endif
