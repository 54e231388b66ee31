/* fabric/kept_leases.h: leases that outlive the fabric: its services' DHCP tables, and the process that keeps what they
 * record (fabric/lease_server.h), joined in the fabric's loop.
 *
 * From the start DHCP answers nobody. When the first keeper has told what it knows, the tables hold it and DHCP is
 * served. From then on an acknowledgement waits until its record is durable. A keeper that ends is replaced by
 * attaching another one; what was not durable is recorded anew, and clients notice a delay.
 *
 * Used by: fabric/process.c, fabric/requests.c; kept_leases_ports() also by who starts the keeper.
 * Depends on: fabric/lease_link.h, fabric/service_dhcp4.h. */
#ifndef MUSTER_FABRIC_KEPT_LEASES_H
#define MUSTER_FABRIC_KEPT_LEASES_H

#include "core/loop.h"
#include "fabric/fabric.h"

#include <jansson.h>

struct kept_leases;

struct kept_leases_host {
	void *ctx;
	nsec_t (*now)(void *ctx); /* the fabric's time (fabric_time()) */
	/* Leases cannot be recorded: @error is errno, once for each; 0: they can again. */
	void (*trouble)(void *ctx, int error);
};

/* The logs of @plan: one for each port with DHCPv4, numbered from 0 in the plan's order.
 * @ret_ports: room for plan->n_ports indices of ports; NULL: they are not wanted. Returns how many there are. */
size_t kept_leases_ports(const struct fabric_plan *plan, size_t *ret_ports);

/* @f, @loop, @host: borrowed; the fabric's services record here from now on, until the fabric's end.
 * Returns 0; -EINVAL: more logs than a keeper can have; -ENOMEM. */
int kept_leases_new(struct fabric *f, struct loop *loop, const struct kept_leases_host *host,
		    struct kept_leases **ret_leases);
/* Before the loop and the fabric. Accepts NULL; returns NULL. */
struct kept_leases *kept_leases_free(struct kept_leases *k);

/* Takes over @fd, one end of a SOCK_SEQPACKET pair whose other end is a keeper's. One before is let go.
 * Returns 0; -errno, and there is no keeper then. */
int kept_leases_attach(struct kept_leases *k, int fd);
/* Sends the records of a step to the keeper; what its socket does not take goes when it is writable. */
void kept_leases_flush(struct kept_leases *k);

/* {"ready","attached","recorded","refused","durable","restored","dropped","messages","lost"}. The caller owns it. */
json_t *kept_leases_counters(const struct kept_leases *k);

#endif
