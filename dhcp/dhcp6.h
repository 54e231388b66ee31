/* dhcp/dhcp6.h: the DHCPv6 server of one network.
 *
 * The caller hands in the payload of each datagram to port 547, with the present, and gets replies by a call back.
 * A reply that acknowledges a lease is held until the lease's record is durable (dhcp6_durable()). When HELD_MAX
 * (dhcp/held.h) wait, further ones are dropped, and clients ask again. No prefixes are delegated, no temporary
 * addresses are handed out, and the server sends no Reconfigure.
 *
 * A lease's client is its DUID, IAID and MAC: clones of one system share a DUID. The MAC is that of the frame; behind
 * a relay it is that of option 79, else that in the client's link-local address, else that in its DUID, else one
 * that is made of the DUID.
 *
 * Sources: RFC 8415; RFC 3646; RFC 4075; RFC 4704; RFC 5908; RFC 5970; RFC 6939; RFC 8357. */
#ifndef MUSTER_DHCP_DHCP6_H
#define MUSTER_DHCP_DHCP6_H

#include "dhcp/dhcp6_config.h"
#include "dhcp/dhcp6_msg.h"
#include "dhcp/leases.h"

struct lease_record;

enum { DHCP6_SERVER_PORT = 547, DHCP6_CLIENT_PORT = 546 };
/* What a record's call returns when it could not be written. */
#define DHCP6_NOT_RECORDED UINT64_MAX

/* Who sent a datagram, as it was seen. */
struct dhcp6_from {
	struct ip_addr addr;
	uint16_t port;
	struct mac_addr mac; /* of the frame */
};

/* A datagram to be sent from the service address, port 547. Borrowed during the call. */
struct dhcp6_reply {
	struct ip_addr to; /* the source that was seen */
	uint16_t to_port;
	struct mac_addr to_mac; /* of the frame that is answered */
	const uint8_t *payload;
	size_t len;
};

enum dhcp6_event {
	DHCP6_LEASE_NEW, /* first acknowledged, or to another client than before */
	DHCP6_LEASE_EXPIRED,
	DHCP6_LEASE_RELEASED,
	DHCP6_LEASE_DECLINED,
	DHCP6_POOL_EMPTY, /* no lease; told once until one is free */
	DHCP6_UNRECORDED, /* no lease; told once until a record can be written */
	DHCP6_EVENT_COUNT
};

struct dhcp6_host {
	void *ctx;
	void (*send)(void *ctx, const struct dhcp6_reply *reply);
	/* Appends a record (dhcp/lease_log.h). Returns its sequence number, above those before; 0 when it needs not be waited for; or
	 * DHCP6_NOT_RECORDED. NULL: leases are not kept. */
	uint64_t (*record)(void *ctx, const struct lease_record *record);
	void (*event)(void *ctx, enum dhcp6_event event,
		      const struct lease *l); /* l NULL where there is none; may be NULL */
};

struct dhcp6_counters {
	uint64_t n_in[DHCP6_TYPE_COUNT], n_out[DHCP6_TYPE_COUNT];
	uint64_t n_malformed;
	uint64_t n_ignored; /* not for this server, not of this link, not as RFC 8415 §16 asks */
	uint64_t n_no_address; /* identity associations without one */
	uint64_t n_unrecorded, n_held_dropped;
	uint64_t n_too_long; /* replies without room for what must be in them */
};

struct dhcp6;

/* @config, @host: borrowed. Returns 0; -EINVAL when times, ranges or reservations do not go together or lie outside
 * the subnet; -ENOMEM. */
int dhcp6_new(const struct dhcp6_config *config, const struct dhcp6_host *host, struct prng *prng,
	      struct dhcp6 **ret_server);
struct dhcp6 *dhcp6_free(struct dhcp6 *s); /* accepts NULL; returns NULL */

/* Takes the payload of one datagram. */
void dhcp6_input(struct dhcp6 *s, const struct dhcp6_from *from, const uint8_t *payload, size_t len, nsec_t now);
/* Records up to @seq are durable: sends the replies that waited for them. */
void dhcp6_durable(struct dhcp6 *s, uint64_t seq);
/* Ends what is due. */
void dhcp6_run(struct dhcp6 *s, nsec_t now);
nsec_t dhcp6_next(const struct dhcp6 *s); /* when dhcp6_run() is due; NSEC_NEVER */

/* The table: to be listed (leases_sorted()) or filled from a log. Borrowed. */
struct leases *dhcp6_leases(struct dhcp6 *s);
/* The address of an entry of that table. */
struct ip_addr dhcp6_address(const struct dhcp6_config *config, uint64_t addr);
/* What was answered and ignored. Borrowed, as long as the server. */
const struct dhcp6_counters *dhcp6_counters(const struct dhcp6 *s);

/* Describes the leases in section "dhc6". Replies that are held are not saved: their clients ask again. */
void dhcp6_state(struct dhcp6 *s, struct state *state, uint32_t instance, nsec_t now);

#endif
