/* dns/zone_table.h: the tree of names in which the zones, the records and the leases of a network stand. For
 * the files of the zone only. */
#ifndef MUSTER_DNS_ZONE_TABLE_H
#define MUSTER_DNS_ZONE_TABLE_H

#include "core/addr.h"
#include "dns/dns_msg.h"
#include "dns/zone_rr.h"

struct zone_node {
	struct zone_node *parent; /* NULL: the root */
	struct zone_node *next; /* of its bucket */
	struct zone_rr *records;
	uint64_t id; /* never used twice */
	uint32_t n_children;
	bool is_apex, is_vm;
	bool covers_below; /* names below it are answered as it is: localhost, RFC 6761 §6.3 */
	uint8_t label[]; /* its length, then its bytes in lower case */
};

struct zone_lease {
	struct zone_lease *prev, *next;
	struct zone_node *owner, *reverse;
	struct ip_addr ip;
	bool is_vm;
};

struct zone {
	struct zone_node *root;
	struct zone_node *domain;
	struct dns_name domain_name;
	struct zone_node **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_nodes, n_leases;
	uint64_t seed, next_id;
	struct zone_lease *leases; /* the first of them, in the order in which they came */
	struct zone_lease *last_lease;
};

/* The child of @parent whose label, with its length before it and in lower case, is @lower; NULL when there is none. */
struct zone_node *zone_table_child(const struct zone *z, const struct zone_node *parent, const uint8_t *lower);
/* Where each label of @name begins, and the name in lower case. Returns how many labels there are. */
unsigned zone_table_labels(const struct dns_name *name, uint8_t lower[DNS_NAME_MAX], uint8_t at[DNS_NAME_MAX / 2]);
/* The node of @name, made with all above it. NULL: no memory, and nothing was made. */
struct zone_node *zone_table_add(struct zone *z, const struct dns_name *name);
/* The node of @name; NULL when there is none. */
struct zone_node *zone_table_find(const struct zone *z, const struct dns_name *name);
/* Takes away @n and what is above it, as far as nothing needs them. */
void zone_table_prune(struct zone *z, struct zone_node *n);

/* The record of @n with these data; NULL when there is none. */
struct zone_rr *zone_table_rr(const struct zone_node *n, uint16_t type, const void *rdata, size_t len);
/* The first record of @type from @rr on; NULL when there is none. */
const struct zone_rr *zone_table_rr_of(const struct zone_rr *rr, uint16_t type);
/* Appends a record; one that is there already stays as it is. Returns 0 or -ENOMEM. */
int zone_table_rr_add(struct zone_node *n, uint16_t type, uint32_t ttl, const void *rdata, size_t len,
		      struct zone_lease *lease);
/* Takes the records of @lease off @n. */
void zone_table_rr_drop(struct zone_node *n, const struct zone_lease *lease);
/* Gives @owner the address @ip, and @ip its reverse; unless @always, only where there is none yet.
 * Returns 0 or -ENOMEM; then a part of it may be there. */
int zone_table_address(struct zone *z, struct zone_node *owner, const struct ip_addr *ip, uint32_t ttl, bool always,
		       struct zone_lease *lease);

/* Whether @name is @tail, or below it. */
bool zone_table_is_below(const struct dns_name *name, const struct dns_name *tail);
/* The whole name that @text stands for, as dns/zone.h says. Returns NULL, or why not. */
const char *zone_table_whole(const struct zone *z, const char *text, enum dns_name_kind kind, struct dns_name *ret);

#endif
