/* dns/zone_lease.c: the names of leases, which come and go while the network runs.
 *
 * A lease owns two records, an address and its reverse; the PTR record leads from the address back to the lease.
 * What guests can add is bounded by ZONE_LEASE_COUNT, and takes no name that another has.
 *
 * Used by: what gives leases.   Depends on: dns/zone_table.h, core/state.h. */
#include "dns/zone.h"

#include "core/state.h"
#include "dns/zone_table.h"

#include <errno.h>
#include <stdlib.h>

/* ---- leases -------------------------------------------------------------------------- */

static void lease_drop(struct zone *z, struct zone_lease *l)
{
	zone_table_rr_drop(l->owner, l);
	zone_table_rr_drop(l->reverse, l);
	zone_table_prune(z, l->owner);
	zone_table_prune(z, l->reverse);
	*(l->prev ? &l->prev->next : &z->leases) = l->next;
	*(l->next ? &l->next->prev : &z->last_lease) = l->prev;
	z->n_leases--;
	free(l);
}

void zone_drop_lease(struct zone *z, const struct ip_addr *ip)
{
	struct dns_name reverse;
	struct zone_node *n;

	dns_name_reverse(ip, &reverse);
	n = zone_table_find(z, &reverse);
	for (struct zone_rr *rr = n ? n->records : NULL; rr; rr = rr->next) {
		if (rr->lease && rr->type == DNS_PTR) {
			lease_drop(z, rr->lease);
			return;
		}
	}
}

/* Whether a lease of @ip may have the name of @n, which may be NULL. Returns NULL, or why not. */
static const char *lease_why_not(const struct zone_node *n, const struct ip_addr *ip, bool is_vm)
{
	uint16_t type = ip->family == IP_V4 ? DNS_A : DNS_AAAA;

	if (is_vm)
		return n && n->is_vm ? NULL : "is no VM of the team";
	if (n && n->is_vm)
		return "is the name of a VM";
	for (const struct zone_rr *rr = n ? n->records : NULL; rr; rr = rr->next) {
		if (!rr->lease)
			return "is the name of a record of the team file";
		if (rr->type == type)
			return "is the name of another lease";
	}
	return NULL;
}

/* What is left of a name that a guest gave: one label in the domain. Returns NULL, or why not. */
static const char *lease_name(const struct zone *z, const char *text, struct dns_name *ret)
{
	const char *why = zone_table_whole(z, text, DNS_NAME_HOST, ret);

	if (why)
		return why;
	if (!zone_table_is_below(ret, &z->domain_name) || dns_name_labels(ret) != dns_name_labels(&z->domain_name) + 1)
		return "is not one label in the domain";
	return NULL;
}

static int lease_add(struct zone *z, const struct dns_name *name, const struct ip_addr *ip, bool is_vm)
{
	struct zone_lease *l = calloc(1, sizeof *l);
	struct zone_node *n = l ? zone_table_add(z, name) : NULL;
	int r;

	if (!n) {
		free(l);
		return -ENOMEM;
	}
	*l = (struct zone_lease){ .owner = n, .reverse = z->root, .ip = *ip, .is_vm = is_vm, .prev = z->last_lease };
	*(l->prev ? &l->prev->next : &z->leases) = l;
	z->last_lease = l;
	z->n_leases++;
	r = zone_table_address(z, n, ip, ZONE_TTL_S, true, l);
	if (r < 0)
		lease_drop(z, l);
	return r;
}

/* Whether the team file itself gives @n the address @ip. */
static bool is_planned(const struct zone_node *n, const struct ip_addr *ip)
{
	return n && (ip->family == IP_V4 ? zone_table_rr(n, DNS_A, ip->b, 4) : zone_table_rr(n, DNS_AAAA, ip->b, 16));
}

int zone_set_lease(struct zone *z, const char *name, const struct ip_addr *ip, bool is_vm, const char **ret_why)
{
	struct dns_name whole;
	struct zone_node *n;
	const char *why;

	zone_drop_lease(z, ip);
	why = lease_name(z, name, &whole);
	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	n = zone_table_find(z, &whole);
	if (is_vm && is_planned(n, ip))
		return 0;
	why = lease_why_not(n, ip, is_vm);
	if (why) {
		*ret_why = why;
		return -EEXIST;
	}
	if (z->n_leases >= ZONE_LEASE_COUNT) {
		*ret_why = "finds no room: 65536 leases have names";
		return -ENOSPC;
	}
	return lease_add(z, &whole, ip, is_vm);
}

size_t zone_lease_count(const struct zone *z)
{
	return z->n_leases;
}

size_t zone_node_count(const struct zone *z)
{
	return z->n_nodes;
}

/* ---- saved state ----------------------------------------------------------------------- */

/* One lease. @l: NULL when it is loaded. */
static void lease_state(struct zone *z, struct state *s, const struct zone_lease *l)
{
	struct ip_addr ip = l ? l->ip : (struct ip_addr){ 0 };
	uint8_t family = (uint8_t)ip.family;
	char label[DNS_LABEL_MAX + 1] = { 0 };
	uint8_t len = l ? l->owner->label[0] : 0;
	bool is_vm = l && l->is_vm;
	const char *why = "a lease that cannot be kept";

	if (l)
		memcpy(label, l->owner->label + 1, len);
	state_bool(s, &is_vm);
	state_u8(s, &family);
	state_expect(s, family == IP_V4 || family == IP_V6, "a family of addresses that is none");
	state_bytes(s, ip.b, family == IP_V4 ? 4 : 16);
	state_u8(s, &len);
	state_expect(s, len >= 1 && len <= DNS_LABEL_MAX, "a label that is too long");
	if (!state_ok(s))
		return;
	state_bytes(s, label, len);
	state_expect(s, strlen(label) == len && !strchr(label, '.'), "a label that is none");
	if (!state_is_load(s) || !state_ok(s))
		return;
	ip.family = family;
	ip.prefix_len = family == IP_V4 ? 32 : 128;
	if (zone_set_lease(z, label, &ip, is_vm, &why) < 0)
		state_expect(s, false, why);
}

void zone_state(struct zone *z, struct state *s)
{
	uint32_t n = (uint32_t)z->n_leases;
	const struct zone_lease *l = z->leases;

	state_u32(s, &n);
	state_expect(s, n <= ZONE_LEASE_COUNT, "more leases than there can be");
	if (state_is_load(s)) {
		while (z->leases)
			lease_drop(z, z->leases);
		l = NULL;
	}
	for (uint32_t i = 0; i < n && state_ok(s); i++) {
		lease_state(z, s, l);
		l = l ? l->next : NULL;
	}
}
