/* teams/uplink.h: the supervisor's side of the uplink: what it is made from, its process, and its end.
 *
 * A team has an uplink where one of its networks has to do with the host (topologies/services.h, `uplink`). It is no
 * reason for the team's end: one that died is started anew (teams/side_process.h). Its connections are gone then. */
#ifndef MUSTER_TEAMS_UPLINK_H
#define MUSTER_TEAMS_UPLINK_H

#include "teams/forwards.h"
#include "teams/side_process.h"
#include "teams/supervisor_state.h"

/* Owned by the supervisor. */
struct sup_uplink {
	struct supervisor *sup;
	size_t *networks; /* of the team, in the uplink's order; n_uplink_rings of the supervisor */
	struct forwards forwards;
	int addrs_fd; /* tells this host's addresses; -1: it cannot */
	int raw_icmp_fd[2]; /* IPv4, IPv6; -1: none */
	struct side_process process;
	struct control *control;
	struct rpc *rpc; /* bound while there is one */
};

bool sup_has_uplink(const struct team *team);

/* Opens what needs rights that a cell has not: the forwards' sockets, those of echo. A port that is taken is
 * refused. Returns 0, also for a team without an uplink; -errno with a message, the caller's to free. */
int sup_open_uplink(struct supervisor *sup, char **ret_why);
void sup_close_uplink(void *sup); /* an undo step; accepts what is half made */

/* Makes the rings, once the plan has its ports, and joins the networks' stations to them. Returns as above. */
int sup_make_uplink_rings(struct supervisor *sup, char **ret_why);
/* Starts it. Returns as above. */
int sup_start_uplink(struct supervisor *sup, char **ret_why);
void sup_kill_uplink(void *sup); /* an undo step */

/* A child ended. Returns whether it was the uplink, which is started anew then. */
bool sup_uplink_ended(struct supervisor *sup, pid_t pid, int status);

/* The uplink's number of a team's network; -1: it has none. */
int sup_uplink_network(const struct supervisor *sup, size_t network);
/* For `status`: {"pid","restarts","why","networks":[NAME],"forwards":[{"network","port","to"}]}; null without an
 * uplink. */
json_t *sup_uplink_json(const struct supervisor *sup);

#endif
