/* fabric/uplink_link.h: the fabric's end of the pair of rings that joins a service station to the uplink.
 *
 * The uplink is the process with the host's sockets (nat/uplink.h). It takes the ring's machine side. Frames carry IP
 * packets both ways, and messages beside IP (nat/message.h). Towards the uplink a packet keeps the guest's MAC as
 * its source, and its TTL is taken down already. From the uplink it has Ethernet addresses of zeros, which the station
 * fills in.
 *
 * The uplink may have been taken over: its offload headers are judged here, its packets by the station. An uplink that is
 * started anew attaches to the same rings, and both go on from where they are.
 *
 * Used by: fabric/port_service.c, services that ask the outside.   Depends on: core/ring.h, nat/message.h. */
#ifndef MUSTER_FABRIC_UPLINK_LINK_H
#define MUSTER_FABRIC_UPLINK_LINK_H

#include "core/ring.h"
#include "fabric/station.h"
#include "nat/message.h"

struct fabric_port;
struct uplink_link;

/* Joins the station of @p to the uplink behind p->plan->rings: packets for elsewhere go there from now on.
 * Returns 0 or -errno. */
int uplink_link_new(struct fabric_port *p, struct station *st, struct uplink_link **ret_link);
struct uplink_link *uplink_link_free(struct uplink_link *l); /* accepts NULL; returns NULL */

/* ---- for services ------------------------------------------------------------- */

/* Who is given the uplink's answers. @m: borrowed during the call; its DNS message is any bytes. */
typedef void (*uplink_answer_fn)(void *ctx, const struct message *m, nsec_t now);
/* @fn: NULL: answers are dropped, as at first. */
void uplink_link_set_answer(struct uplink_link *l, uplink_answer_fn fn, void *ctx);

/* Tells the uplink that @mac has @ip, or has it no more. */
void uplink_link_lease(struct uplink_link *l, const struct mac_addr *mac, const struct ip_addr *ip, bool is_known,
		       nsec_t now);
/* Has the uplink ask a resolver. @source: who asks, for fair shares; @token: comes back with the answer.
 * @len: 1 to 65535. Returns 0; -ENOBUFS when the ring is full; -EMSGSIZE. */
int uplink_link_query(struct uplink_link *l, uint64_t source, uint64_t token, bool is_tcp, const uint8_t *msg,
		      size_t len, nsec_t now);

/* ---- for the port: as in struct port_ops ---------------------------------------- */

/* Each is the operation of that name of struct port_ops (fabric/port.h). */
unsigned uplink_link_drain(struct uplink_link *l, unsigned max, nsec_t now);
void uplink_link_publish(struct uplink_link *l);
bool uplink_link_sleep(struct uplink_link *l);
void uplink_link_wake(struct uplink_link *l);
bool uplink_link_is_broken(const struct uplink_link *l);
/* What waits in the rings, as of a port of the kind ring. */
void uplink_link_state(struct uplink_link *l, struct state *s, nsec_t now, nsec_t real);

struct uplink_link_counters {
	uint64_t sent, taken; /* packets and messages */
	uint64_t lost_full; /* for the uplink, in a full ring */
	uint64_t lost_bad; /* of the uplink: malformed */
	uint64_t lost_memory;
};
const struct uplink_link_counters *uplink_link_counters(const struct uplink_link *l); /* borrowed */

#endif
