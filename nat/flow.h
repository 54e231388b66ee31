/* nat/flow.h: the table of flows: what is open towards the outside, for whom, and until when.
 *
 * A flow lies in what its owner keeps of it, and the table borrows it. Finding one costs O(1): a hash with a seed that
 * guests do not know. Flows belong to a source: whoever sent the packet that opened it, as the owner counts senders.
 * A source has at most flow_limits.source_max flows; beyond them it loses its idlest one. A guest that makes up senders
 * counts as many sources, so networks are bounded, too: in a network that is full the source with the most flows loses
 * its idlest one, and in a table that is full the network with the most flows does. A flow that has nothing to do any
 * more but to be remembered (TIME-WAIT) is retired: its source loses those first.
 *
 * Using a flow costs no timer: the time of use is noted, and a timer that fires too early is set anew.
 *
 * Used by: nat/nat_core.c and its parts.   Depends on: core/addr.h, core/heap.h.
 * Sources: RFC 4787 §4.3 and §6 (UDP), RFC 5382 §5 (TCP: 2 h 4 min), RFC 5508 §3.2 (ICMP: 60 s). */
#ifndef MUSTER_NAT_FLOW_H
#define MUSTER_NAT_FLOW_H

#include "core/addr.h"
#include "core/heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flow_kind { FLOW_UDP, FLOW_ECHO, FLOW_TCP, FLOW_KIND_COUNT };

/* How long a flow may be idle. */
#define FLOW_UDP_NS (300 * NSEC_PER_SEC)
#define FLOW_UDP_DNS_NS (10 * NSEC_PER_SEC) /* while it spoke to port 53 only */
#define FLOW_ECHO_NS (60 * NSEC_PER_SEC)
#define FLOW_TCP_OPENING_NS (240 * NSEC_PER_SEC) /* RFC 5382 §5 */
#define FLOW_TCP_NS (7440 * NSEC_PER_SEC)

/* Who a flow is. Its bytes are compared and hashed: begin with flow_key_make(). The remote side is zeros where the
 * mapping does not depend on it (RFC 4787 §4.1). */
struct flow_key {
	uint8_t kind; /* enum flow_kind */
	uint8_t family; /* enum ip_family */
	uint16_t network;
	uint16_t guest_port; /* of ICMP: the identifier */
	uint16_t remote_port;
	uint8_t guest[16], remote[16];
};

enum flow_end {
	FLOW_END_IDLE, /* its time is over */
	FLOW_END_SOURCE_FULL, /* its source opened more than it may */
	FLOW_END_NETWORK_FULL, /* its source had the most of its network */
	FLOW_END_TABLE_FULL, /* the same, and its network the most of all */
	FLOW_END_COUNT
};

struct flow_source;

/* One flow; the owner's. Its members are the table's, but for idle_ns. */
struct flow {
	struct flow_key key;
	struct flow *next; /* of its bucket */
	struct flow *newer, *older; /* of its source's list, by the time of use or of retirement */
	struct flow_source *source; /* NULL: in no table */
	struct heap_item timer;
	bool is_retired;
	nsec_t used_at, opened_at;
	nsec_t idle_ns; /* how long it may be idle; above 0; grows by itself, shrinks by flow_set_idle() */
};

struct flow_limits {
	uint32_t total_max; /* flows; above 0 */
	uint32_t source_max; /* flows of one source; above 0 */
	uint32_t network_max; /* flows of one network; 0: as many as there are */
	uint16_t n_networks; /* networks are below it; 0: as 1 */
};

struct flow_counters {
	uint64_t opened, closed; /* closed: those that ended by flow_remove(), for whatever reason */
	uint64_t ended[FLOW_END_COUNT];
	uint64_t no_memory;
};

struct flow_table;

/* The table wants @flow to end. The owner calls flow_remove() before it returns. */
typedef void flow_end_fn(void *ctx, struct flow *flow, enum flow_end why);

/* @seed: of the hash; not to be guessed. Returns 0 or -ENOMEM. */
int flow_table_new(uint64_t seed, const struct flow_limits *limits, flow_end_fn *fn, void *ctx,
		   struct flow_table **ret_table);
/* All flows were removed before. Accepts NULL; returns NULL. */
struct flow_table *flow_table_free(struct flow_table *t);

/* A key with zeros where nothing is said. @remote: NULL: the mapping is for any. */
struct flow_key flow_key_make(enum flow_kind kind, uint16_t network, const struct ip_addr *guest, uint16_t guest_port,
			      const struct ip_addr *remote, uint16_t remote_port);
/* Both give the address of a key, without a prefix length. */
struct ip_addr flow_key_guest(const struct flow_key *key);
struct ip_addr flow_key_remote(const struct flow_key *key);

/* Returns NULL when there is none. Does not count as use. */
struct flow *flow_find(const struct flow_table *t, const struct flow_key *key);
/* Adds @flow, whose key and idle_ns are set and whose key is not in the table yet. Others may end by it.
 * @source: who is counted for it; a source is of one network.   Returns 0 or -ENOMEM. */
int flow_add(struct flow_table *t, struct flow *flow, uint64_t source, nsec_t now);
/* Notes that @flow was used at @now, so that it idles from then on. */
void flow_use(struct flow_table *t, struct flow *flow, nsec_t now);
/* @flow is only remembered from now on: it ends before those of its source that are not retired. */
void flow_retire(struct flow *flow);
/* How long @flow may idle from its last use, in nanoseconds. */
void flow_set_idle(struct flow_table *t, struct flow *flow, nsec_t idle_ns);
/* Takes @flow out of the table; its memory stays the owner's. */
void flow_remove(struct flow_table *t, struct flow *flow);

/* When flow_run() is wanted; NSEC_NEVER. */
nsec_t flow_next(const struct flow_table *t);
/* Ends what was idle for too long. */
void flow_run(struct flow_table *t, nsec_t now);

/* Calls @fn for each flow, until it returns false. @fn may remove the flow that it is given, and no other. */
void flow_each(struct flow_table *t, bool (*fn)(void *ctx, struct flow *flow), void *ctx);
/* Both count what is in the table: flows, and sources that have one. */
uint32_t flow_count(const struct flow_table *t);
uint32_t flow_sources(const struct flow_table *t);
/* The source that flow_add() was told of. */
uint64_t flow_source_id(const struct flow *flow);
/* What the table refused and evicted. Borrowed, as long as the table. */
const struct flow_counters *flow_counters(const struct flow_table *t);

#endif
