/* topologies/parse_dhcp.c: the DHCP service of a network.
 *
 * Used by: parse_network.c.   Depends on: keys.h, values.h. Sources: team-file(5); RFC 2131 §4.4.5 (T1, T2). */
#include "topologies/keys.h"
#include "topologies/values.h"

#include "core/bytes.h"

#include <string.h>

enum { CLIENT_ID_MAX = 255, BOOT_FILE_MAX = 127 /* the header's field, RFC 2131 §2 */ };

static struct team_dhcp *dhcp_of(void *obj)
{
	return &((struct network_ctx *)obj)->net->services.dhcp;
}

bool want_host(struct load *l, const struct node *v, const char *only_v4, struct ip_addr *ret)
{
	struct ip_addr ip;
	char *why;

	if (!want_text(l, v, "an address"))
		return false;
	if (value_host(v->text, &ip, &why)) {
		report_why(l, v, why);
		return false;
	}
	if (only_v4 && ip.family != IP_V4) {
		load_error(l, &v->place, "'%s' is IPv6; %s", v->text, only_v4);
		return false;
	}
	*ret = ip;
	return true;
}

bool want_hosts(struct load *l, const struct node *v, const char *what, struct ip_addr **ret, size_t *ret_n)
{
	struct ip_addr *list;
	size_t n = 0;

	if (!want_list(l, v, what))
		return false;
	list = arena_array(l->arena, v->n + 1, sizeof *list);
	for (size_t i = 0; i < v->n; i++)
		n += want_host(l, v->items[i], NULL, &list[n]);
	*ret = list;
	*ret_n = n;
	return n == v->n;
}

const char *want_domain(struct load *l, const struct node *v, bool underscores)
{
	char *why;

	if (!want_text(l, v, "a domain name"))
		return NULL;
	if (value_domain(v->text, underscores, &why)) {
		report_why(l, v, why);
		return NULL;
	}
	return v->text;
}

/* ---- ranges, times ---------------------------------------------------------------- */

static void one_range(struct load *l, const struct node *v, struct network_ctx *c)
{
	struct team_dhcp *d = dhcp_of(c);
	char *why;

	if (!want_text(l, v, "a range"))
		return;
	if (value_range(v->text, &d->ranges[d->n_ranges], &why)) {
		report_why(l, v, why);
		return;
	}
	c->src->ranges[d->n_ranges++] = v;
}

static void dhcp_range(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;
	size_t n = v->kind == NODE_LIST ? v->n : 1;

	(void)key;
	if (n < 1 || n > LOAD_RANGES_MAX) {
		load_error(l, &v->place, "a network has 1 to %d ranges", LOAD_RANGES_MAX);
		return;
	}
	dhcp_of(obj)->ranges = arena_array(l->arena, n, sizeof *dhcp_of(obj)->ranges);
	c->src->ranges = arena_array(l->arena, n, sizeof *c->src->ranges);
	for (size_t i = 0; i < n; i++)
		one_range(l, v->kind == NODE_LIST ? v->items[i] : v, c);
}

static void want_seconds(struct load *l, const struct node *key, const struct node *v, nsec_t min_s, nsec_t *ret)
{
	nsec_t ns;

	if (!want_time(l, v, &ns))
		return;
	if (ns < min_s * NSEC_PER_SEC)
		load_error(l, &v->place, "'%s' is at least %llds, not %s", key->text, (long long)min_s, v->text);
	else if (ns % NSEC_PER_SEC)
		load_error(l, &v->place, "'%s' is a whole number of seconds, not %s", key->text, v->text);
	else
		*ret = ns;
}

static void dhcp_lease(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	want_seconds(l, key, v, 60, &dhcp_of(obj)->lease_ns);
}

static void dhcp_renew(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	want_seconds(l, key, v, 30, &dhcp_of(obj)->renew_ns);
}

static void dhcp_rebind(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	want_seconds(l, key, v, 45, &dhcp_of(obj)->rebind_ns);
}

/* T1 and T2 where they were left out, in whole seconds; and their order. */
static void finish_times(struct load *l, const struct node *map, struct team_dhcp *d)
{
	const struct node *renew = node_get(map, "renew"), *rebind = node_get(map, "rebind"), *at;
	nsec_t lease_s;

	if (!d->lease_ns)
		d->lease_ns = 3600 * NSEC_PER_SEC;
	lease_s = d->lease_ns / NSEC_PER_SEC;
	if (!d->renew_ns)
		d->renew_ns = lease_s / 2 * NSEC_PER_SEC;
	if (!d->rebind_ns)
		d->rebind_ns = lease_s * 7 / 8 * NSEC_PER_SEC;
	if (d->renew_ns < d->rebind_ns && d->rebind_ns < d->lease_ns)
		return;
	at = d->rebind_ns >= d->lease_ns && rebind ? rebind : renew ? renew : rebind ? rebind : map;
	{
		CLEANUP(free) char *t1 = value_time_str(d->renew_ns);
		CLEANUP(free) char *t2 = value_time_str(d->rebind_ns);
		CLEANUP(free) char *lease = value_time_str(d->lease_ns);

		load_error(l, &at->place,
			   "'renew' is less than 'rebind', and that less than 'lease'; here they are %s, %s and %s", t1,
			   t2, lease);
	}
}

/* ---- addresses and names ---------------------------------------------------------- */

static void dhcp_router(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_host(l, v, "this is an IPv4 address", &dhcp_of(obj)->router);
}

static void dhcp_dns(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_hosts(l, v, "'dns'", &dhcp_of(obj)->dns, &dhcp_of(obj)->n_dns);
}

static void dhcp_ntp(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_hosts(l, v, "'ntp'", &dhcp_of(obj)->ntp, &dhcp_of(obj)->n_ntp);
}

static void dhcp_domain(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	dhcp_of(obj)->domain = want_domain(l, v, false);
}

static void dhcp_options(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	parse_dhcp_options(l, v, dhcp_of(obj));
}

/* A key and the option that says the same. */
static void check_said_twice(struct load *l, const struct node *map, const struct team_dhcp *d)
{
	static const struct {
		const char *key;
		uint8_t code;
	} t[] = { { "router", 3 }, { "dns", 6 }, { "domain", 15 }, { "ntp", 42 } };

	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		for (size_t k = 0; k < d->n_options && node_get(map, t[i].key); k++)
			if (d->options[k].code == t[i].code)
				load_error(l, &node_get(map, "options")->place,
					   "the option '%s' and the key '%s' say the same", d->options[k].name,
					   t[i].key);
}

/* ---- reservations ----------------------------------------------------------------- */

static void res_vm(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj; /* looked up by check_services.c */
	(void)want_text(l, v, "'vm'");
}

static void res_mac(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_reservation *r = obj;
	char *why;

	(void)key;
	r->kind = RESERVE_MAC;
	if (want_text(l, v, "a MAC address") && value_mac(v->text, &r->mac, &why))
		report_why(l, v, why);
}

static void res_client_id(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_reservation *r = obj;
	uint8_t buf[CLIENT_ID_MAX];
	size_t len = v->len;

	(void)key;
	r->kind = RESERVE_CLIENT_ID;
	if (!want_text(l, v, "'client-id'"))
		return;
	if (!value_hex(v->text, buf, sizeof buf, &len)) {
		if (!len || len > sizeof buf) {
			load_error(l, &v->place, "a client identifier has 1 to %d bytes", CLIENT_ID_MAX);
			return;
		}
		memcpy(buf, v->text, len);
	}
	r->client_id = (const uint8_t *)arena_dup(l->arena, (const char *)buf, len);
	r->client_id_len = len;
}

static void res_address(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_reservation *r = obj;

	(void)key;
	if (v->kind == NODE_LIST && (v->n < 1 || v->n > 2)) {
		load_error(l, &v->place, "a list of reserved addresses has one a family");
		return;
	}
	for (size_t i = 0; i < (v->kind == NODE_LIST ? v->n : 1); i++) {
		const struct node *item = v->kind == NODE_LIST ? v->items[i] : v;
		struct ip_addr ip, *to;

		if (!want_host(l, item, NULL, &ip))
			continue;
		to = ip.family == IP_V6 ? &r->address6 : &r->address;
		if (to->family != IP_NONE)
			load_error(l, &item->place, "a reservation has one address a family");
		*to = ip;
	}
}

static void res_hostname(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	((struct team_reservation *)obj)->hostname = want_domain(l, v, false);
}

static const struct key reservation_keys[] = {
	{ "vm", res_vm, 0 },
	{ "mac", res_mac, 0 },
	{ "client-id", res_client_id, 0 },
	{ "address", res_address, KEY_REQUIRED },
	{ "hostname", res_hostname, 0 },
};

static void dhcp_reservations(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;
	struct team_dhcp *d = dhcp_of(obj);

	(void)key;
	if (!want_list(l, v, "'reservations'"))
		return;
	d->reservations = arena_array(l->arena, v->n + 1, sizeof *d->reservations);
	c->src->reservations = arena_array(l->arena, v->n + 1, sizeof *c->src->reservations);
	for (size_t i = 0; i < v->n; i++) {
		const struct node *item = v->items[i];
		int n;

		if (!keys_read(l, &KEY_TABLE("a reservation", reservation_keys), item, &d->reservations[i]))
			continue;
		n = !!node_get(item, "vm") + !!node_get(item, "mac") + !!node_get(item, "client-id");
		if (n != 1)
			load_error(l, &item->place, "a reservation has one of 'vm', 'mac' and 'client-id'");
		else
			c->src->reservations[i] = item;
	}
	d->n_reservations = v->n;
}

/* ---- booting from the network ------------------------------------------------------ */

static void boot_file(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (!want_text(l, v, "'file'"))
		return;
	if (!v->len || v->len > BOOT_FILE_MAX)
		load_error(l, &v->place, "the name of a boot file has 1 to %d characters", BOOT_FILE_MAX);
	else
		dhcp_of(obj)->boot_file = v->text;
}

static void boot_tftp(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	const char *path;

	(void)key;
	if (!want_text(l, v, "'tftp'"))
		return;
	path = load_path(l, &v->place, v->text);
	if (check_folder(l, v, path))
		dhcp_of(obj)->boot_tftp = path;
}

static void boot_next_server(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_host(l, v, "this is an IPv4 address", &dhcp_of(obj)->boot_next_server);
}

static const struct key boot_keys[] = {
	{ "file", boot_file, KEY_REQUIRED },
	{ "tftp", boot_tftp, KEY_TOUCHES(TOUCH_READS) },
	{ "next-server", boot_next_server, 0 },
};

static void dhcp_boot(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)keys_read(l, &KEY_TABLE("'boot'", boot_keys), v, obj);
}

/* ---- the whole -------------------------------------------------------------------- */

static const struct key dhcp_keys[] = {
	{ "range", dhcp_range, 0 },	{ "lease", dhcp_lease, 0 },   { "renew", dhcp_renew, 0 },
	{ "rebind", dhcp_rebind, 0 },	{ "router", dhcp_router, 0 }, { "dns", dhcp_dns, 0 },
	{ "domain", dhcp_domain, 0 },	{ "ntp", dhcp_ntp, 0 },	      { "reservations", dhcp_reservations, 0 },
	{ "options", dhcp_options, 0 }, { "boot", dhcp_boot, 0 },
};

void parse_dhcp(struct load *l, const struct node *v, struct network_ctx *c)
{
	struct team_dhcp *d = dhcp_of(c);
	size_t n_errors = l->n_errors;

	c->src->dhcp = v;
	bool_or_map(l, v, &KEY_TABLE("'dhcp'", dhcp_keys), c, &d->enabled);
	if (l->n_errors == n_errors)
		finish_times(l, v, d);
	if (v->kind == NODE_MAP)
		check_said_twice(l, v, d);
}
