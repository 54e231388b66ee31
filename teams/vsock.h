/* teams/vsock.h: the host's side of a VM's socket device: a socket file a VM to
 * which programs of the host connect, and the files at which they listen. */
#ifndef MUSTER_TEAMS_VSOCK_H
#define MUSTER_TEAMS_VSOCK_H

#include "core/control.h"
#include "core/loop.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct vsock_greeter; /* who connected and has not said yet what it wants */

struct vsock_host {
	struct loop *loop; /* borrowed, as are the next two */
	const char *name; /* the VM's, for the log */
	struct control *machine; /* vsock_host_bind(); NULL: it has no machine */
	char *path; /* owned; NULL: there is none */
	int fd; /* listens; -1 */
	struct loop_source *source;
	struct vsock_greeter *greeters; /* the oldest first; owned */
	size_t n_greeters;
};

/* Listens at the socket file of the VM @name, in the folder @dir (whoever removes that removes
 * it). Where it cannot be had, the log says why and @h->path is NULL. @name lives as long as @h.
 * @h->machine is left as it is. */
void vsock_host_open(struct vsock_host *h, struct loop *loop, const char *dir, const char *name);
/* Closes all; a second time, nothing. */
void vsock_host_close(struct vsock_host *h);
/* The control socket of the VM's machine from now on (borrowed); NULL: the machine is gone, and who
 * connects is refused. */
void vsock_host_bind(struct vsock_host *h, struct control *machine);
/* {"event":"vsock-dial"}: the guest wants the host's port; the machine gets its answer. */
void vsock_host_dial(struct vsock_host *h, json_t *msg);

#endif
