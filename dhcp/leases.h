/* dhcp/leases.h: the leases of one network and family: who has which address, until when.
 *
 * A client is a client identifier *and* a MAC: cloned systems share an identifier, and each wants an address of its
 * own. An entry is made when an address is first handed out and stays: a client that comes back finds its address
 * again, until somebody else needs it. Memory grows with the addresses that were used, never with the pool.
 *
 * Who gives way when the pool is used up: offers nobody took, then leases that ended, the oldest first, then offers
 * that still wait. A bound lease never does, but for one of the same MAC (LEASES_PER_MAC).
 *
 * Times are instants on the network's clock. An address is an IPv4 address in host order, or the lower 64 bits of an
 * IPv6 address whose upper 64 bits all addresses of the table share. In an IPv6 table an identifier is a DUID and
 * behind it the four bytes of an IAID: a client may hold an address for each. */
#ifndef MUSTER_DHCP_LEASES_H
#define MUSTER_DHCP_LEASES_H

#include "core/addr.h"
#include "core/clock.h"
#include "core/heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng;
struct state;

enum {
	LEASE_ID_MAX = 255, /* bytes of a client identifier */
	LEASE_NAME_SIZE = 64, /* one label and NUL */
	LEASES_MAX = 65536, /* entries of a table; a larger pool uses that many addresses of it */
	LEASES_PER_MAC = 8, /* identifiers of one MAC (boot ROM, loader, system); then it gets its oldest address */
	LEASE_DECLINED_SHARE = 4 /* a quarter of the pool at most is in quarantine, and one address at least */
};

enum lease_state {
	LEASE_OFFERED, /* promised until `until`; may be taken away */
	LEASE_BOUND, /* acknowledged until `until` (NSEC_NEVER: for ever) */
	LEASE_DECLINED, /* found in use by its client; nobody's until `until` */
	LEASE_RELEASED, /* given back at `until`; kept for its client */
	LEASE_EXPIRED, /* ended at `until`; kept for its client */
	LEASE_UNUSED, /* an offer or quarantine that ended at `until` */
	LEASE_STATE_COUNT
};

struct lease_client {
	struct mac_addr mac;
	uint8_t id_len; /* 0: it sent none */
	const uint8_t *id; /* borrowed */
};

struct lease {
	uint64_t addr;
	enum lease_state state;
	bool is_owned; /* the next three are a client's */
	bool is_reserved; /* the address is in a reservation */
	struct mac_addr mac;
	uint8_t id_len, id[LEASE_ID_MAX];
	char hostname[LEASE_NAME_SIZE]; /* "": none */
	nsec_t until;

	/* The table's. */
	struct heap_item due;
	struct lease *same_addr, *same_client, *same_mac; /* chains of the hash tables */
	struct lease *before, *behind; /* in the queue of its state */
};

struct lease_range {
	uint64_t first, last; /* both included; not all 2^64 */
};

/* The address goes to the client with this identifier (id_len > 0), or else with this MAC (has_mac). An identifier
 * is without IAID here; the address goes to the first IAID of the client that asks. */
struct lease_reservation {
	uint64_t addr;
	bool has_mac;
	struct mac_addr mac;
	uint8_t id_len;
	const uint8_t *id; /* borrowed */
	const char *hostname; /* borrowed; NULL: the client's own */
};

/* Borrowed, with all it points to, for as long as the table lives. */
struct lease_config {
	const struct lease_range *ranges; /* ascending, apart */
	size_t n_ranges;
	const struct lease_reservation *reservations; /* addresses, MACs and identifiers are unique */
	size_t n_reservations;
	nsec_t offer_ns, quarantine_ns; /* > 0 */
	size_t max; /* entries; 0: LEASES_MAX */
	uint8_t iaid_len; /* bytes at the end of an identifier that are an IAID: 4, or 0 in an IPv4 table */
};

struct leases;

/* How many entries a table under @config has at most. */
uint64_t leases_max(const struct lease_config *config);

/* @prng: the secret of the hash tables is drawn from it. Returns 0; -EINVAL when ranges or reservations overlap;
 * -ENOMEM. */
int leases_new(const struct lease_config *config, struct prng *prng, struct leases **ret_leases);
struct leases *leases_free(struct leases *t); /* accepts NULL; returns NULL */

/* The entry of a client, borrowed; NULL when it has none. */
struct lease *leases_find(const struct leases *t, const struct lease_client *c);
/* The entry of an address, borrowed; NULL when it was never handed out. */
struct lease *leases_at(const struct leases *t, uint64_t addr);
/* The reservation of a client, borrowed; NULL. */
const struct lease_reservation *leases_reservation(const struct leases *t, const struct lease_client *c);
/* True when @addr is one that this table hands out: in a range, or reserved. */
bool leases_covers(const struct leases *t, uint64_t addr);

/* An address for @c: its reserved one, its last one, @wanted (0: none), a fresh one, or the oldest that may be
 * used again. It is offered until @now + offer_ns; an entry that is bound to @c stays bound.
 * @ret_lease: borrowed. Returns 0; -ENOSPC when there is none; -ENOMEM. */
int leases_offer(struct leases *t, const struct lease_client *c, uint64_t wanted, nsec_t now, struct lease **ret_lease);
/* Binds an entry that its client owns. @hostname: cut to LEASE_NAME_SIZE; NULL: as it was. */
void leases_bind(struct leases *t, struct lease *l, const char *hostname, nsec_t until);
void leases_release(struct leases *t, struct lease *l, nsec_t now);
/* Takes the address out of use for quarantine_ns. Beyond LEASE_DECLINED_SHARE the oldest such address comes back. */
void leases_decline(struct leases *t, struct lease *l, nsec_t now);

/* Makes @addr bound to @c, whatever the table held about both, as a log says it. Returns 0; -ERANGE when
 * the table does not hand it out, or not to @c; -ENOSPC; -ENOMEM. */
int leases_restore(struct leases *t, const struct lease_client *c, uint64_t addr, const char *hostname, nsec_t until);

/* Takes @addr out of use until @until, as a log says it. Returns 0; -ERANGE when the table does not hand it out;
 * -EBUSY when somebody has it; -ENOSPC; -ENOMEM. */
int leases_restore_declined(struct leases *t, uint64_t addr, nsec_t until);

/* Ends what is due. Returns an entry that was bound and expired, borrowed, to be called again; NULL at the end. */
struct lease *leases_expire(struct leases *t, nsec_t now);
nsec_t leases_next(const struct leases *t); /* when the next is due; NSEC_NEVER */

/* How many entries are in @state. */
size_t leases_count(const struct leases *t, enum lease_state state);
/* All entries by address, borrowed; the caller frees the array. Returns 0 or -ENOMEM. */
int leases_sorted(const struct leases *t, const struct lease ***ret_leases, size_t *ret_n);

/* Describes all entries within a section that the caller began; a load is into a new table of the same config. */
void leases_state(struct leases *t, struct state *s, nsec_t now);

#endif
