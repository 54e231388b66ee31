/* fabric/requests.h: what a fabric may be asked, a table of verbs (core/verb.h); docs/protocol.md has it for people.
 *
 * A target is `network` or `port`, an index into the plan, and `dir`, which is up, down or both (as
 * without it). A network's link of a port is the one towards the port. Its direction is that of the
 * network's shape: down for the network's first port in the plan, up for the others.
 *
 * link-show, link-set and link-reset answer {"links":[{"port":NAME,"dir":"up|down","shape":SHAPE,"counters":{..},
 * "up":BOOL,"queue_limit":BYTES,"memory":{..},"state":{"nic":..,"network":..,"direction":..,"carrier":BOOL},
 * "ring":{..} (a port's own links: counters between its far end and the link)}]}. Shapes are whole ones
 * (core/shape.h). link-state is one word about the target (fabric/link_state.h); `flap` with `up` is the
 * end of a flap, which opens what the flap closed and nothing else. counters answers the books of all
 * networks and ports. save answers {"bytes":N}. */
#ifndef MUSTER_FABRIC_REQUESTS_H
#define MUSTER_FABRIC_REQUESTS_H

#include "core/verb.h"
#include "fabric/fabric.h"

struct kept_leases;

/* The `ctx` of a call. */
struct fabric_asked {
	struct fabric *fabric; /* borrowed */
	struct kept_leases *leases; /* borrowed; NULL: leases are not kept */
	nsec_t real; /* the present by the driver's clock */
	/* Set by a request, else untouched: the fabric is to end once the answer is sent; after a restore
	 * that failed in the middle it can only be freed, and has_failed is set too. */
	bool quits, has_failed;
};

extern const struct verb_table fabric_verbs;

/* Serves what is due, then the request of @call, whose members control or answer, msg, fds and n_fds are
 * the caller's; the others are filled here. */
void fabric_request(struct fabric_asked *asked, struct verb_call *call);

#endif
