/* teams/stations.h: what the stations of a team are on the host: tap interfaces and listening sockets. */
#ifndef MUSTER_TEAMS_STATIONS_H
#define MUSTER_TEAMS_STATIONS_H

#include "fabric/plan.h"
#include "teams/socket_path.h"
#include "topologies/team.h"

#include <stdbool.h>
#include <stddef.h>

/* One station as the host has it. */
struct station {
	const struct team_station *of; /* borrowed */
	int fd; /* owned; -1: not open */
	struct socket_path made; /* the socket */
};

/* Opens what every station of @team is, networks in file order, their stations in order. To be called before the
 * process enters its cell. *ret_stations is the caller's, for stations_close(); so are those that were opened before a
 * failure. @ret_lacks: set to true where the host does not allow what is asked for; else untouched.
 * Returns 0 or -errno, with a message that names the remedy in *ret_why, which the caller frees. */
int stations_open(const struct team *team, struct station **ret_stations, size_t *ret_n, bool *ret_lacks,
		  char **ret_why);
/* Removes the sockets that were made from their paths, and then @note. For who cleans up after them; a failure is
 * logged. */
void stations_remove_sockets(const struct station *stations, size_t n, const char *note);
/* The same, and closes all. Accepts NULL. */
void stations_close(struct station *stations, size_t n, const char *note);
/* Writes into the file @note which sockets were made, for socket_paths_remove_noted(); nothing where there are none.
 * Returns 0 or -errno. */
int stations_write_note(const struct station *stations, size_t n, const char *note);
/* Fills kind and descriptor of each station's port, @ports in the order of the stations. */
void stations_put(const struct station *stations, size_t n, struct fabric_plan_port *ports);

#endif
