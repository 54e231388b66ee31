/* topologies/parse_dns.c: the name service of a network.
 *
 * Names are completed when the domain is known (plan_services.c).
 *
 * Used by: parse_network.c.   Depends on: keys.h, values.h.
 * Sources: team-file(5); RFC 1035 §3.3, RFC 2782 (SRV), RFC 3596 (AAAA). */
#include "topologies/keys.h"
#include "topologies/values.h"

#include "core/bytes.h"

#include <string.h>

enum { TTL_DEFAULT = 60, TEXT_MAX = 1024 };

static struct team_dns *dns_of(void *obj)
{
	return &((struct network_ctx *)obj)->net->services.dns;
}

static void dns_domain(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	dns_of(obj)->domain = want_domain(l, v, false);
}

static void dns_forward(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_dns *d = dns_of(obj);

	(void)key;
	if (v->kind == NODE_LIST) {
		d->forward = v->n > 0;
		(void)want_hosts(l, v, "'forward'", &d->resolvers, &d->n_resolvers);
	} else {
		(void)want_bool(l, v, &d->forward);
	}
}

static void rec_name(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	((struct team_record *)obj)->name = want_domain(l, v, true);
}

static void rec_address(struct load *l, const struct node *v, enum ip_family family, struct team_record *r)
{
	struct ip_addr ip;
	char *why;

	r->type = family == IP_V6 ? RECORD_AAAA : RECORD_A;
	if (!want_text(l, v, "an address"))
		return;
	if (value_host(v->text, &ip, &why))
		report_why(l, v, why);
	else if (ip.family != family)
		load_error(l, &v->place, "'%s' is IPv%d; it belongs under '%s'", v->text, ip.family == IP_V4 ? 4 : 6,
			   ip.family == IP_V4 ? "a" : "aaaa");
	else
		r->address = ip;
}

static void rec_a(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	rec_address(l, v, IP_V4, obj);
}

static void rec_aaaa(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	rec_address(l, v, IP_V6, obj);
}

static void rec_txt(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_record *r = obj;

	(void)key;
	r->type = RECORD_TXT;
	if (!want_text(l, v, "'txt'"))
		return;
	if (!v->len || v->len > TEXT_MAX)
		load_error(l, &v->place, "a text record has 1 to %d bytes", TEXT_MAX);
	r->text = v->text;
	r->text_len = v->len;
}

/* "PRIORITY WEIGHT PORT TARGET", as a zone file has it. */
static void rec_srv(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_record *r = obj;
	CLEANUP(free) char *copy = NULL;
	char *rest, *words[5] = { NULL }, *why;
	uint64_t numbers[3];
	size_t n = 0;

	(void)key;
	r->type = RECORD_SRV;
	if (!want_text(l, v, "'srv'"))
		return;
	rest = copy = str_dup(v->text);
	while (n < 5 && (words[n] = strsep(&rest, " ")))
		n += *words[n] != 0;
	for (size_t i = 0; i < 3; i++)
		if (n != 4 || str_uint(words[i], i == 2, UINT16_MAX, &numbers[i]) < 0) {
			load_error(l, &v->place,
				   "'%s' is no service; write priority, weight, port and target, like "
				   "'0 5 5060 sip'",
				   v->text);
			return;
		}
	if (value_domain(words[3], false, &why)) {
		report_why(l, v, why);
		return;
	}
	r->priority = (uint16_t)numbers[0];
	r->weight = (uint16_t)numbers[1];
	r->port = (uint16_t)numbers[2];
	r->target = arena_dup(l->arena, words[3], strlen(words[3]));
}

static void rec_ttl(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	nsec_t ns;

	(void)key;
	if (want_time(l, v, &ns))
		((struct team_record *)obj)->ttl = (uint32_t)(ns / NSEC_PER_SEC);
}

static const struct key record_keys[] = {
	{ "name", rec_name, KEY_REQUIRED },
	{ "a", rec_a, 0 },
	{ "aaaa", rec_aaaa, 0 },
	{ "txt", rec_txt, 0 },
	{ "srv", rec_srv, 0 },
	{ "ttl", rec_ttl, 0 },
};

static void parse_record(struct load *l, const struct node *v, struct team_record *r)
{
	int n;
	char *why;

	r->ttl = TTL_DEFAULT;
	if (!keys_read(l, &KEY_TABLE("a record", record_keys), v, r))
		return;
	n = !!node_get(v, "a") + !!node_get(v, "aaaa") + !!node_get(v, "txt") + !!node_get(v, "srv");
	if (n != 1)
		load_error(l, &v->place, "a record has one of 'a', 'aaaa', 'txt' and 'srv'");
	else if (r->name && (r->type == RECORD_A || r->type == RECORD_AAAA) && value_domain(r->name, false, &why))
		report_why(l, node_get(v, "name"), why);
}

static void dns_records(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;
	struct team_dns *d = dns_of(obj);

	(void)key;
	if (!want_list(l, v, "'records'"))
		return;
	d->records = arena_array(l->arena, v->n + 1, sizeof *d->records);
	c->src->records = arena_array(l->arena, v->n + 1, sizeof *c->src->records);
	for (size_t i = 0; i < v->n; i++) {
		c->src->records[i] = v->items[i];
		parse_record(l, v->items[i], &d->records[i]);
	}
	d->n_records = v->n;
}

static const struct key dns_keys[] = {
	{ "domain", dns_domain, 0 },
	{ "records", dns_records, 0 },
	{ "forward", dns_forward, 0 },
};

void parse_dns(struct load *l, const struct node *v, struct network_ctx *c)
{
	c->src->dns = v;
	bool_or_map(l, v, &KEY_TABLE("'dns'", dns_keys), c, &dns_of(c)->enabled);
}
