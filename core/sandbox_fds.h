/* core/sandbox_fds.h: the list of descriptors that a process keeps of those it was forked with.
 *
 * What is not in its role's row (core/sandbox_roles.h) is not taken: what a list leaves open is what the table says,
 * whatever its builder adds. */
#ifndef MUSTER_CORE_SANDBOX_FDS_H
#define MUSTER_CORE_SANDBOX_FDS_H

#include "core/bytes.h"
#include "core/sandbox_roles.h"

/* Begun by { .role = … }. */
struct sandbox_fds {
	enum sandbox_role role;
	uint32_t given; /* enum sandbox_fd: a bit each */
	int error; /* of the first that was refused; 0: none */
	struct bytes list; /* of int; owned */
};

/* Adds @fd (borrowed); below 0: nothing. One that the role does not inherit (-EPERM), or a second of a kind of
 * which there is one (-EEXIST), is refused. */
void sandbox_fds_add(struct sandbox_fds *f, enum sandbox_fd what, int fd);
/* Closes, in this process, all descriptors above 2 which are not in the list, and ends the list.
 * Returns 0; -errno when one was refused: it is closed, too. */
int sandbox_fds_close_others(struct sandbox_fds *f);

#endif
