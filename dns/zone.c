/* dns/zone.c: the table of one network's names, and of the zones that never leave it.
 *
 * Each zone has an SOA and an NS record. A name that is not there is looked for no further than the closest name above
 * it, which tells the zone that it would be in. All that is added here comes from the team file and stays;
 * dns/zone_lease.c adds what guests can.
 *
 * Used by: dns/dns.c, and what builds the table.   Depends on: dns/{zone_table,zone_home}.h, core/{addr,bytes,wire}.h.
 * Sources: RFC 2308, RFC 2782 (SRV), RFC 6303 §3, RFC 6761 §6.3, RFC 8482 §4.1. */
#include "dns/zone.h"

#include "core/bytes.h"
#include "dns/zone_home.h"
#include "dns/zone_table.h"

#include <errno.h>
#include <stdlib.h>

enum {
	BUCKETS_MIN = 256,
	/* a power of two */ SRV_RDATA_MAX = 6 + DNS_NAME_MAX,
	NUMBERS_LEN = 20 /* of an SOA record */
};

/* ---- zones -------------------------------------------------------------------------- */

/* Makes @name a zone: it has an SOA and an NS record.   Source: RFC 6303 §3 */
static int apex_add(struct zone *z, const struct dns_name *name, struct zone_node **ret_node)
{
	static const uint8_t nobody[] = "\6nobody\7invalid";
	uint8_t soa[DNS_NAME_MAX + sizeof nobody + NUMBERS_LEN];
	struct wire_writer w = wire_write_to(soa, sizeof soa);
	struct zone_node *n = zone_table_add(z, name);
	int r;

	if (!n)
		return -ENOMEM;
	if (ret_node)
		*ret_node = n;
	if (n->is_apex)
		return 0;
	n->is_apex = true;
	wire_put_bytes(&w, name->b, name->len);
	wire_put_bytes(&w, nobody, sizeof nobody);
	wire_put_be32(&w, 1); /* serial: there are no transfers */
	wire_put_be32(&w, 3600);
	wire_put_be32(&w, 1200);
	wire_put_be32(&w, 604800);
	wire_put_be32(&w, ZONE_NEGATIVE_TTL_S);
	r = zone_table_rr_add(n, DNS_SOA, ZONE_NEGATIVE_TTL_S, soa, wire_put_len(&w), NULL);
	return r < 0 ? r : zone_table_rr_add(n, DNS_NS, ZONE_TTL_S, name->b, name->len, NULL);
}

static int home_add(void *arg, const char *text)
{
	struct dns_name name;

	return dns_name_parse(text, DNS_NAME_HOST, &name) ? -EINVAL : apex_add(arg, &name, NULL);
}

/* RFC 6761 §6.3: localhost and all below it is the loopback address, for whoever asks. */
static int localhost_add(struct zone *z)
{
	static const char *const addresses[] = { "127.0.0.1", "::1" };
	struct dns_name name;
	struct zone_node *n;
	int r = 0;

	(void)dns_name_parse("localhost", DNS_NAME_HOST, &name);
	n = zone_table_add(z, &name);
	if (!n)
		return -ENOMEM;
	n->covers_below = true;
	for (size_t i = 0; i < 2 && r == 0; i++) {
		struct ip_addr ip;

		r = ip_parse(addresses[i], &ip);
		if (r == 0)
			r = zone_table_address(z, n, &ip, ZONE_TTL_S, true, NULL);
	}
	return r;
}

int zone_new(const char *domain, uint64_t seed, struct zone **ret_zone, const char **ret_why)
{
	static const uint8_t no_label[1];
	struct dns_name name;
	struct zone *z;
	int r;

	*ret_why = dns_name_parse(domain, DNS_NAME_HOST, &name);
	if (!*ret_why && name.len == 1)
		*ret_why = "is the root of all names";
	if (*ret_why)
		return -EINVAL;
	z = calloc(1, sizeof *z);
	if (!z)
		return -ENOMEM;
	z->seed = seed;
	z->next_id = 1;
	z->n_buckets = BUCKETS_MIN;
	z->domain_name = name;
	z->buckets = calloc(z->n_buckets, sizeof *z->buckets);
	z->root = calloc(1, sizeof *z->root + sizeof no_label);
	r = z->buckets && z->root ? zone_home_each(home_add, z) : -ENOMEM;
	if (r == 0)
		r = localhost_add(z);
	if (r == 0)
		r = apex_add(z, &name, &z->domain);
	if (r < 0) {
		z = zone_free(z);
		return r;
	}
	*ret_zone = z;
	return 0;
}

static void node_free(struct zone_node *n)
{
	if (!n)
		return;
	for (struct zone_rr *rr = n->records, *next; rr; rr = next) {
		next = rr->next;
		free(rr);
	}
	free(n);
}

struct zone *zone_free(struct zone *z)
{
	if (!z)
		return NULL;
	for (struct zone_lease *l = z->leases, *next; l; l = next) {
		next = l->next;
		free(l);
	}
	for (size_t i = 0; z->buckets && i < z->n_buckets; i++) {
		for (struct zone_node *n = z->buckets[i], *next; n; n = next) {
			next = n->next;
			node_free(n);
		}
	}
	node_free(z->root);
	free(z->buckets);
	free(z);
	return NULL;
}

/* ---- what is added ------------------------------------------------------------------ */

/* The node of @text, made if need be. Returns 0, -EINVAL or -ENOMEM. */
static int named(struct zone *z, const char *text, enum dns_name_kind kind, struct zone_node **ret,
		 const char **ret_why)
{
	struct dns_name name;
	const char *why = zone_table_whole(z, text, kind, &name);

	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	*ret = zone_table_add(z, &name);
	return *ret ? 0 : -ENOMEM;
}

int zone_add_vm(struct zone *z, const char *name, const char **ret_why)
{
	struct zone_node *n;
	int r = named(z, name, DNS_NAME_HOST, &n, ret_why);

	if (r == 0)
		n->is_vm = true;
	return r;
}

int zone_add_address(struct zone *z, const char *name, const struct ip_addr *ip, const char **ret_why)
{
	struct zone_node *n;
	int r = named(z, name, DNS_NAME_HOST, &n, ret_why);

	if (r < 0)
		return r;
	r = zone_table_address(z, n, ip, ZONE_TTL_S, true, NULL);
	zone_table_prune(z, n);
	return r;
}

/* A text in pieces of at most 255 bytes.   Source: RFC 1035 §3.3.14 */
static int txt_add(struct zone_node *n, const char *text, uint32_t ttl)
{
	uint8_t rdata[ZONE_TEXT_MAX + ZONE_TEXT_MAX / UINT8_MAX + 1];
	struct wire_writer w = wire_write_to(rdata, sizeof rdata);
	size_t left = strlen(text);

	do {
		size_t len = left < UINT8_MAX ? left : UINT8_MAX;

		wire_put_u8(&w, (uint8_t)len);
		wire_put_bytes(&w, text, len);
		text += len;
		left -= len;
	} while (left);
	return zone_table_rr_add(n, DNS_TXT, ttl, rdata, wire_put_len(&w), NULL);
}

/* "PRIORITY WEIGHT PORT TARGET" into wire form. Returns NULL, or why not.   Source: RFC 2782 */
static const char *srv_parse(const struct zone *z, const char *text, struct wire_writer *w)
{
	static const char form[] = "is not PRIORITY WEIGHT PORT TARGET";
	const char *p = text;
	struct dns_name target;
	const char *why;

	for (unsigned i = 0; i < 3; i++) {
		char number[8];
		size_t len = strcspn(p, " ");
		uint64_t v;

		if (len >= sizeof number || p[len] != ' ')
			return form;
		memcpy(number, p, len);
		number[len] = '\0';
		if (str_uint(number, 0, UINT16_MAX, &v) < 0)
			return form;
		wire_put_be16(w, (uint16_t)v);
		p += len + strspn(p + len, " ");
	}
	if (strcmp(p, ".") == 0) { /* the service is decidedly not here */
		wire_put_u8(w, 0);
		return NULL;
	}
	why = zone_table_whole(z, p, DNS_NAME_HOST, &target);
	if (!why)
		wire_put_bytes(w, target.b, target.len);
	return why ? "has a target that is no name" : NULL;
}

/* Checks a record's value. @ip and @srv: what it says, for the types that have it. Returns NULL, or why not. */
static const char *value_parse(const struct zone *z, uint16_t type, const char *value, struct ip_addr *ip,
			       struct wire_writer *srv)
{
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		if (strchr(value, '/') || ip_parse(value, ip) < 0 || ip->family != (type == DNS_A ? IP_V4 : IP_V6))
			return type == DNS_A ? "is no IPv4 address" : "is no IPv6 address";
		return NULL;
	case DNS_TXT:
		return strlen(value) > ZONE_TEXT_MAX ? "is longer than 4096 bytes" : NULL;
	case DNS_SRV:
		return srv_parse(z, value, srv);
	default:
		return "is of a type that cannot be given";
	}
}

int zone_add_record(struct zone *z, const char *name, uint16_t type, const char *value, uint32_t ttl,
		    const char **ret_why)
{
	uint8_t srv[SRV_RDATA_MAX];
	struct wire_writer w = wire_write_to(srv, sizeof srv);
	struct ip_addr ip = { 0 };
	const char *why = value_parse(z, type, value, &ip, &w);
	struct zone_node *n;
	int r;

	if (!why && ttl > ZONE_TTL_MAX_S)
		why = "has a ttl of more than 2147483647 seconds";
	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	r = named(z, name, DNS_NAME_RECORD, &n, ret_why);
	if (r < 0)
		return r;
	if (type == DNS_TXT)
		r = txt_add(n, value, ttl);
	else if (type == DNS_SRV)
		r = zone_table_rr_add(n, DNS_SRV, ttl, srv, wire_put_len(&w), NULL);
	else
		r = zone_table_address(z, n, &ip, ttl, false, NULL);
	zone_table_prune(z, n);
	return r;
}

/* ---- looking up ------------------------------------------------------------------------ */

/* What @n says of @type. */
static enum zone_outcome outcome_of(const struct zone_node *n, uint16_t type, struct zone_answer *ret)
{
	ret->records = n->records;
	ret->type = type == DNS_ANY && n->records ? n->records->type : type;
	return zone_table_rr_of(n->records, ret->type) ? ZONE_FOUND : ZONE_NO_DATA;
}

enum zone_outcome zone_find(const struct zone *z, const struct dns_name *name, uint16_t type,
			    struct zone_answer *ret_answer)
{
	uint8_t lower[DNS_NAME_MAX], at[DNS_NAME_MAX / 2];
	unsigned n_labels = zone_table_labels(name, lower, at), n_found = 0;
	const struct zone_node *n = z->root, *apex = NULL;

	*ret_answer = (struct zone_answer){ .type = type };
	/* A label alone is a name of the domain; the zone's SOA would not be above it. */
	if (n_labels == 1) {
		n = zone_table_child(z, z->domain, lower);
		if (n && (n->records || n->is_vm))
			return outcome_of(n, type, ret_answer);
		n = z->root;
	}
	while (n_found < n_labels) {
		const struct zone_node *child = zone_table_child(z, n, lower + at[n_labels - n_found - 1]);

		if (!child)
			break;
		n = child;
		n_found++;
		if (n->is_apex) {
			apex = n;
			ret_answer->soa_labels = n_found;
		}
	}
	ret_answer->soa = apex ? zone_table_rr_of(apex->records, DNS_SOA) : NULL;
	if (n_found == n_labels && (apex || n->records || n->is_vm))
		return outcome_of(n, type, ret_answer);
	if (apex)
		return apex->covers_below ? outcome_of(apex, type, ret_answer) : ZONE_NO_NAME;
	return ZONE_ELSEWHERE;
}
