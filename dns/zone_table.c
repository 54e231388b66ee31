/* dns/zone_table.c: the tree of names in which the zones, the records and the leases of a network stand.
 *
 * The names are a tree from the root, one node a label. A node is found by a seeded hash of its parent's
 * number and its own label in lower case, so a name costs as many look-ups as the tree has labels of it,
 * and the first miss ends the walk at the closest name above. Nodes above a name exist because of it:
 * they answer NODATA, as RFC 8020 wants, and go with the last name below them.
 *
 * Used by: dns/zone.c, dns/zone_lease.c.   Depends on: dns/{zone_rr,dns_msg}.h, core/addr.h.
 * Sources: RFC 1034 §4.3.2, RFC 4592 §2.2.2 (empty non-terminals). */
#include "dns/zone_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- nodes -------------------------------------------------------------------------- */

static size_t bucket_of(const struct zone *z, const struct zone_node *parent, const uint8_t *lower)
{
	return XXH3_64bits_withSeed(lower, 1u + lower[0], z->seed + parent->id * 0x9e3779b97f4a7c15u) &
	       (z->n_buckets - 1);
}

/* @lower: a label with its length, in lower case. */
struct zone_node *zone_table_child(const struct zone *z, const struct zone_node *parent, const uint8_t *lower)
{
	struct zone_node *n = z->buckets[bucket_of(z, parent, lower)];

	while (n && (n->parent != parent || n->label[0] != lower[0] || memcmp(n->label, lower, 1u + lower[0]) != 0))
		n = n->next;
	return n;
}

/* Doubles the buckets; without memory they stay as they are, and chains grow. */
static void grow(struct zone *z)
{
	struct zone_node **old = z->buckets, **buckets = calloc(2 * z->n_buckets, sizeof(struct zone_node *));
	size_t n_old = z->n_buckets;

	if (!buckets)
		return;
	z->buckets = buckets;
	z->n_buckets = 2 * n_old;
	for (size_t i = 0; i < n_old; i++) {
		for (struct zone_node *n = old[i], *next; n; n = next) {
			size_t at = bucket_of(z, n->parent, n->label);

			next = n->next;
			n->next = buckets[at];
			buckets[at] = n;
		}
	}
	free(old);
}

static struct zone_node *add_child(struct zone *z, struct zone_node *parent, const uint8_t *lower)
{
	struct zone_node *n = calloc(1, sizeof *n + 1u + lower[0]);
	size_t at;

	if (!n)
		return NULL;
	if (z->n_nodes >= z->n_buckets)
		grow(z);
	memcpy(n->label, lower, 1u + lower[0]);
	n->parent = parent;
	n->id = z->next_id++;
	parent->n_children++;
	at = bucket_of(z, parent, lower);
	n->next = z->buckets[at];
	z->buckets[at] = n;
	z->n_nodes++;
	return n;
}

/* Takes away @n and what is above it, as far as nothing needs them. */
void zone_table_prune(struct zone *z, struct zone_node *n)
{
	while (n->parent && !n->n_children && !n->records && !n->is_apex && !n->is_vm) {
		struct zone_node *parent = n->parent, **at = &z->buckets[bucket_of(z, parent, n->label)];

		while (*at != n)
			at = &(*at)->next;
		*at = n->next;
		parent->n_children--;
		z->n_nodes--;
		free(n);
		n = parent;
	}
}

/* Where each label of @name begins, and the name in lower case. Returns how many there are. */
unsigned zone_table_labels(const struct dns_name *name, uint8_t lower[DNS_NAME_MAX], uint8_t at[DNS_NAME_MAX / 2])
{
	unsigned n = 0;
	size_t i = 0;

	while (name->b[i]) {
		at[n++] = (uint8_t)i;
		i += 1u + name->b[i];
	}
	for (i = 0; i < name->len; i++)
		lower[i] = dns_lower(name->b[i]);
	return n;
}

/* The node of @name, made with all above it. NULL: no memory, and nothing was made. */
struct zone_node *zone_table_add(struct zone *z, const struct dns_name *name)
{
	uint8_t lower[DNS_NAME_MAX], at[DNS_NAME_MAX / 2];
	struct zone_node *n = z->root;

	for (unsigned i = zone_table_labels(name, lower, at); i > 0; i--) {
		struct zone_node *child = zone_table_child(z, n, lower + at[i - 1]);

		if (!child)
			child = add_child(z, n, lower + at[i - 1]);
		if (!child) {
			zone_table_prune(z, n);
			return NULL;
		}
		n = child;
	}
	return n;
}

/* The node of @name; NULL when there is none. */
struct zone_node *zone_table_find(const struct zone *z, const struct dns_name *name)
{
	uint8_t lower[DNS_NAME_MAX], at[DNS_NAME_MAX / 2];
	struct zone_node *n = z->root;

	for (unsigned i = zone_table_labels(name, lower, at); i > 0 && n; i--)
		n = zone_table_child(z, n, lower + at[i - 1]);
	return n;
}

static void node_name(const struct zone_node *n, struct dns_name *ret_name)
{
	size_t len = 0;

	for (; n->parent; n = n->parent) {
		memcpy(ret_name->b + len, n->label, 1u + n->label[0]);
		len += 1u + n->label[0];
	}
	ret_name->b[len] = 0;
	ret_name->len = (uint8_t)(len + 1);
}

/* ---- records ------------------------------------------------------------------------ */

struct zone_rr *zone_table_rr(const struct zone_node *n, uint16_t type, const void *rdata, size_t len)
{
	struct zone_rr *rr = n->records;

	while (rr && (rr->type != type || rr->rdata_len != len || memcmp(rr->rdata, rdata, len) != 0))
		rr = rr->next;
	return rr;
}

const struct zone_rr *zone_table_rr_of(const struct zone_rr *rr, uint16_t type)
{
	while (rr && rr->type != type)
		rr = rr->next;
	return rr;
}

/* Appends a record; one that is there already stays as it is. Returns 0 or -ENOMEM. */
int zone_table_rr_add(struct zone_node *n, uint16_t type, uint32_t ttl, const void *rdata, size_t len,
		      struct zone_lease *lease)
{
	struct zone_rr *rr, **at = &n->records;

	if (zone_table_rr(n, type, rdata, len))
		return 0;
	rr = calloc(1, sizeof *rr + len);
	if (!rr)
		return -ENOMEM;
	*rr = (struct zone_rr){ .type = type, .ttl = ttl, .rdata_len = (uint16_t)len, .lease = lease };
	memcpy(rr->rdata, rdata, len);
	while (*at)
		at = &(*at)->next;
	*at = rr;
	return 0;
}

void zone_table_rr_drop(struct zone_node *n, const struct zone_lease *lease)
{
	for (struct zone_rr **at = &n->records, *rr; (rr = *at);) {
		if (rr->lease == lease) {
			*at = rr->next;
			free(rr);
		} else {
			at = &rr->next;
		}
	}
}

/* Gives @owner the address @ip, and @ip its reverse; without @always only where there is none yet.
 * Returns 0 or -ENOMEM; then nothing is left of it but what was there. */
int zone_table_address(struct zone *z, struct zone_node *owner, const struct ip_addr *ip, uint32_t ttl, bool always,
		       struct zone_lease *lease)
{
	struct dns_name reverse, name;
	struct zone_node *n;
	int r;

	dns_name_reverse(ip, &reverse);
	n = zone_table_add(z, &reverse);
	if (!n)
		return -ENOMEM;
	if (lease)
		lease->reverse = n;
	r = zone_table_rr_add(owner, ip->family == IP_V4 ? DNS_A : DNS_AAAA, ttl, ip->b, ip->family == IP_V4 ? 4 : 16,
			      lease);
	node_name(owner, &name);
	if (r == 0 && (always || !zone_table_rr_of(n->records, DNS_PTR)))
		r = zone_table_rr_add(n, DNS_PTR, ttl, name.b, name.len, lease);
	if (r < 0 && !lease) /* a lease takes its nodes with it */
		zone_table_prune(z, n);
	return r;
}

/* ---- names of the domain ------------------------------------------------------------ */

/* Whether @name is @tail, or below it. */
bool zone_table_is_below(const struct dns_name *name, const struct dns_name *tail)
{
	size_t at = 0;

	for (; name->b[at] && name->len - at > tail->len; at += 1u + name->b[at])
		;
	if (name->len - at != tail->len)
		return false;
	for (size_t i = 0; i < tail->len; i++)
		if (dns_lower(name->b[at + i]) != dns_lower(tail->b[i]))
			return false;
	return true;
}

/* The whole name that @text stands for, as zone.h says. Returns NULL, or why not. */
const char *zone_table_whole(const struct zone *z, const char *text, enum dns_name_kind kind, struct dns_name *ret)
{
	size_t len = strlen(text);
	const char *why;

	if (strcmp(text, "@") == 0) {
		*ret = z->domain_name;
		return NULL;
	}
	why = dns_name_parse(text, kind, ret);
	if (why)
		return why;
	if (ret->len == 1)
		return "is the root of all names";
	if (text[len - 1] == '.' || zone_table_is_below(ret, &z->domain_name))
		return NULL;
	return dns_name_append(ret, &z->domain_name) ? NULL : "is too long with the domain behind it";
}
