/* dhcp/dhcp4.h: the DHCPv4 server of one network.
 *
 * The caller hands in the payload of each datagram to port 67, with the present, and gets replies by a call back.
 * A reply that acknowledges a lease is held until the lease's record is durable (dhcp4_durable()). When HELD_MAX
 * (dhcp/held.h) wait, further ones are dropped, and clients ask again. BOOTP requests
 * are not served. Addresses are conflict-probed by clients only.
 *
 * Source: RFC 2131, RFC 2132, RFC 3046, RFC 3203 §3 (not served), RFC 4039, RFC 6842. */
#ifndef MUSTER_DHCP_DHCP4_H
#define MUSTER_DHCP_DHCP4_H

#include "dhcp/dhcp4_config.h"
#include "dhcp/dhcp4_msg.h"
#include "dhcp/leases.h"

struct lease_record;

enum { DHCP4_SERVER_PORT = 67, DHCP4_CLIENT_PORT = 68 };
/* What a record's call returns when it could not be written. */
#define DHCP4_NOT_RECORDED UINT64_MAX

/* A datagram to be sent from @from, port 67. Borrowed during the call. */
struct dhcp4_reply {
	uint32_t from, to; /* to 255.255.255.255: a broadcast, and to_mac is that of Ethernet */
	uint16_t to_port;
	bool resolve; /* to a relay, or a client behind a router: to_mac is not known, the caller resolves @to */
	struct mac_addr to_mac;
	const uint8_t *payload;
	size_t len;
};

enum dhcp4_event {
	DHCP4_LEASE_NEW, /* first acknowledged, or to another client than before */
	DHCP4_LEASE_EXPIRED,
	DHCP4_LEASE_RELEASED,
	DHCP4_LEASE_DECLINED,
	DHCP4_POOL_EMPTY, /* no lease; told once until one is free */
	DHCP4_UNRECORDED, /* no lease; told once until a record can be written */
	DHCP4_EVENT_COUNT
};

struct dhcp4_host {
	void *ctx;
	void (*send)(void *ctx, const struct dhcp4_reply *reply);
	/* Appends a record (dhcp/lease_log.h). Returns its sequence number, above those before; 0 when it needs not be waited for; or
	 * DHCP4_NOT_RECORDED. NULL: leases are not kept. */
	uint64_t (*record)(void *ctx, const struct lease_record *record);
	void (*event)(void *ctx, enum dhcp4_event event,
		      const struct lease *l); /* l NULL where there is none; may be NULL */
};

struct dhcp4_counters {
	uint64_t n_in[DHCP4_TYPE_COUNT], n_out[DHCP4_TYPE_COUNT];
	uint64_t n_bootp, n_malformed;
	uint64_t n_ignored; /* not for this server, not of this link, not of Ethernet */
	uint64_t n_no_address, n_unrecorded, n_held_dropped;
};

struct dhcp4;

/* @config, @host: borrowed. Returns 0; -EINVAL when times or ranges do not go together; -ENOMEM. */
int dhcp4_new(const struct dhcp4_config *config, const struct dhcp4_host *host, struct prng *prng,
	      struct dhcp4 **ret_server);
struct dhcp4 *dhcp4_free(struct dhcp4 *s); /* accepts NULL; returns NULL */

/* Takes the payload of one datagram. @src: its sender's address; 0: none. @hop: the source of its frame, which is a
 * router's where it is not the client's; NULL: the client's. */
void dhcp4_input(struct dhcp4 *s, uint32_t src, const struct mac_addr *hop, const uint8_t *payload, size_t len,
		 nsec_t now);
/* Records up to @seq are durable: sends the replies that waited for them. */
void dhcp4_durable(struct dhcp4 *s, uint64_t seq);
/* Ends what is due. */
void dhcp4_run(struct dhcp4 *s, nsec_t now);
nsec_t dhcp4_next(const struct dhcp4 *s); /* when dhcp4_run() is due; NSEC_NEVER */

/* The table: to be listed (leases_sorted()) or filled from a log. Borrowed. */
struct leases *dhcp4_leases(struct dhcp4 *s);
/* What was answered and ignored. Borrowed, as long as the server. */
const struct dhcp4_counters *dhcp4_counters(const struct dhcp4 *s);

/* Describes the leases in section "dhc4". Replies that are held are not saved: their clients ask again. */
void dhcp4_state(struct dhcp4 *s, struct state *state, uint32_t instance, nsec_t now);

#endif
