/* teams/vsock.h: the host's side of a VM's socket device: a socket file a VM to
 * which programs of the host connect, and the files at which they listen. */
#ifndef MUSTER_TEAMS_VSOCK_H
#define MUSTER_TEAMS_VSOCK_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct loop_source;
struct vm;
struct vsock_greeter; /* who connected and has not said yet what it wants */

struct vsock_host {
	char *path; /* owned; NULL: there is none */
	int fd; /* listens; -1 */
	struct loop_source *source;
	struct vsock_greeter *greeters; /* the oldest first; owned */
	size_t n_greeters;
};

/* Listens at the socket file of @v, in the team's runtime folder (whoever removes that removes
 * it). Where it cannot be had, the team's log says why and the VM has none. */
void vsock_host_open(struct vm *v);
void vsock_host_close(struct vm *v);
/* {"event":"vsock-dial"}: the guest wants the host's port; the machine gets its answer. */
void vsock_host_dial(struct vm *v, json_t *msg);

#endif
