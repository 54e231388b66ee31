/* topologies/parse_options.c: DHCP options by name or number, encoded as they go onto the wire.
 *
 * An option that the table knows has a kind of value, also when it is given by number. Any other
 * number takes bytes in hexadecimal. What other keys of the file say is refused here, and so is
 * what the server must say itself.
 *
 * Used by: parse_dhcp.c.   Depends on: keys.h, values.h, core/wire.h.
 * Sources: RFC 2132; 2610 to 8910 as the table says; IANA's registry "BOOTP Vendor Extensions and DHCP Options". */
#include "topologies/keys.h"
#include "topologies/suggest.h"
#include "topologies/values.h"

#include "core/bytes.h"
#include "core/wire.h"

#include <string.h>

enum option_kind {
	OPT_REFUSED,
	OPT_ADDRESS,
	OPT_ADDRESSES,
	OPT_TEXT,
	OPT_NAME,
	OPT_NAMES,
	OPT_BOOL,
	OPT_U8,
	OPT_U16,
	OPT_U32,
	OPT_SECONDS,
	OPT_ROUTES,
	OPT_BYTES
};
struct option {
	uint8_t code;
	const char *name;
	enum option_kind kind;
	const char *instead; /* OPT_REFUSED: who says it */
};

/* clang-format off */
static const struct option options[] = {
	{ 1, "subnet-mask", OPT_REFUSED, "the network's 'subnet' says it" },
	{ 2, "time-offset", OPT_U32, NULL },
	{ 3, "routers", OPT_ADDRESSES, NULL },
	{ 4, "time-servers", OPT_ADDRESSES, NULL },
	{ 6, "dns", OPT_ADDRESSES, NULL },
	{ 7, "log-servers", OPT_ADDRESSES, NULL },
	{ 12, "hostname", OPT_NAME, NULL },
	{ 15, "domain", OPT_NAME, NULL },
	{ 17, "root-path", OPT_TEXT, NULL },
	{ 19, "ip-forwarding", OPT_BOOL, NULL },
	{ 23, "default-ttl", OPT_U8, NULL },
	{ 26, "mtu", OPT_U16, NULL },
	{ 28, "broadcast", OPT_ADDRESS, NULL },
	{ 40, "nis-domain", OPT_TEXT, NULL },
	{ 41, "nis-servers", OPT_ADDRESSES, NULL },
	{ 42, "ntp", OPT_ADDRESSES, NULL },
	{ 43, "vendor", OPT_BYTES, NULL },
	{ 44, "netbios", OPT_ADDRESSES, NULL },
	{ 46, "netbios-node-type", OPT_U8, NULL },
	{ 47, "netbios-scope", OPT_TEXT, NULL },
	{ 50, "requested-address", OPT_REFUSED, "a client says it" },
	{ 51, "lease-time", OPT_REFUSED, "the key 'lease' says it" },
	{ 52, "overload", OPT_REFUSED, "the server says it where it needs the room" },
	{ 53, "message-type", OPT_REFUSED, "the server says it in each message" },
	{ 54, "server-id", OPT_REFUSED, "it is the service address" },
	{ 55, "parameter-list", OPT_REFUSED, "a client says it" },
	{ 57, "max-message", OPT_REFUSED, "a client says it" },
	{ 58, "renewal-time", OPT_REFUSED, "the key 'renew' says it" },
	{ 59, "rebinding-time", OPT_REFUSED, "the key 'rebind' says it" },
	{ 60, "vendor-class", OPT_TEXT, NULL },
	{ 61, "client-id", OPT_REFUSED, "a client says it" },
	{ 66, "tftp-server", OPT_TEXT, NULL },
	{ 67, "bootfile", OPT_TEXT, NULL },
	{ 69, "smtp-servers", OPT_ADDRESSES, NULL },
	{ 70, "pop3-servers", OPT_ADDRESSES, NULL },
	{ 72, "www-servers", OPT_ADDRESSES, NULL },
	{ 80, "rapid-commit", OPT_REFUSED, "the server says it where a client asks for it" },
	{ 82, "relay-agent", OPT_REFUSED, "a relay agent says it" },
	{ 100, "posix-timezone", OPT_TEXT, NULL }, /* RFC 4833 */
	{ 101, "timezone", OPT_TEXT, NULL }, /* RFC 4833 */
	{ 108, "v6-only", OPT_SECONDS, NULL }, /* RFC 8925 */
	{ 114, "captive-portal", OPT_TEXT, NULL }, /* RFC 8910 */
	{ 116, "auto-configure", OPT_BOOL, NULL }, /* RFC 2563 */
	{ 119, "domain-search", OPT_NAMES, NULL }, /* RFC 3397 */
	{ 121, "classless-routes", OPT_ROUTES, NULL }, /* RFC 3442 */
	{ 125, "vendor-specific", OPT_BYTES, NULL }, /* RFC 3925 */
	{ 150, "tftp-servers", OPT_ADDRESSES, NULL }, /* RFC 5859 */
	{ 209, "config-file", OPT_TEXT, NULL }, /* RFC 5071 */
	{ 210, "path-prefix", OPT_TEXT, NULL }, /* RFC 5071 */
	{ 252, "wpad", OPT_TEXT, NULL },
};
/* clang-format on */
enum { N_OPTIONS = sizeof options / sizeof *options };

/* The option that @key names. False after a message. *ret_option: NULL when the table has no such code. */
static bool find_option(struct load *l, const struct node *key, uint8_t *ret_code, const struct option **ret_option)
{
	struct suggestion near = { .word = key->text };
	uint64_t code = 0;
	char buf[96];

	if (str_uint(key->text, 0, UINT32_MAX, &code) == 0) {
		if (code < 1 || code > 254) {
			load_error(l, &key->place, "an option's number is 1 to 254");
			return false;
		}
	}
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (code ? options[i].code == code : !strcmp(options[i].name, key->text)) {
			*ret_option = &options[i];
			*ret_code = options[i].code;
			return true;
		}
		suggest_consider(&near, options[i].name);
	}
	*ret_option = NULL;
	*ret_code = (uint8_t)code;
	if (!code)
		load_error(l, &key->place, "no DHCP option is called '%s'%s", key->text,
			   suggest_str(&near, buf, sizeof buf));
	return code > 0;
}

static void put_number(struct bytes *out, uint64_t n, size_t size)
{
	uint8_t buf[8];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	wire_put_be64(&w, n);
	bytes_append(out, buf + sizeof buf - size, size);
}

static bool put_address(struct load *l, const struct node *v, struct bytes *out)
{
	struct ip_addr ip;

	if (!want_host(l, v, "the options are those of IPv4", &ip))
		return false;
	bytes_append(out, ip.b, 4);
	return true;
}

/* A domain name as text. */
static bool put_name(struct load *l, const struct node *v, struct bytes *out)
{
	const char *name = want_domain(l, v, false);

	if (name)
		bytes_append_str(out, name);
	return name != NULL;
}

/* A domain name as labels (RFC 1035 §3.1). */
static bool put_labels(struct load *l, const struct node *v, struct bytes *out)
{
	CLEANUP(bytes) struct bytes name = { 0 };
	const char *p;

	if (!put_name(l, v, &name))
		return false;
	for (p = (const char *)name.data; *p;) {
		size_t n = strcspn(p, ".");

		put_number(out, n, 1);
		bytes_append(out, p, n);
		p += n + (p[n] == '.');
	}
	put_number(out, 0, 1);
	return true;
}

/* "10.1.0.0/16 via 10.0.0.2" as RFC 3442 has it: the length, the octets of the prefix that matter, the router. */
static bool put_route(struct load *l, const struct node *v, struct bytes *out)
{
	const char *via;
	CLEANUP(free) char *to = NULL;
	struct ip_addr prefix = { .family = IP_V4 }, router;

	if (!want_text(l, v, "a route"))
		return false;
	via = strstr(v->text, " via ");
	to = via ? str_printf("%.*s", (int)(via - v->text), v->text) : NULL;
	if (!via ||
	    (strcmp(to, "default") != 0 && (ip_parse(to, &prefix) || !strchr(to, '/') || prefix.family != IP_V4 ||
					    (prefix.prefix_len && !ip_is_net(&prefix)))) ||
	    ip_parse(via + 5, &router) || router.family != IP_V4 || strchr(via, '/')) {
		load_error(l, &v->place, "'%s' is no route; write one like '10.1.0.0/16 via 10.0.0.2'", v->text);
		return false;
	}
	put_number(out, prefix.prefix_len, 1);
	bytes_append(out, prefix.b, (prefix.prefix_len + 7u) / 8);
	bytes_append(out, router.b, 4);
	return true;
}

/* A list of what @put takes, or one of it. */
static bool put_list(struct load *l, const struct node *v, struct bytes *out,
		     bool (*put)(struct load *, const struct node *, struct bytes *))
{
	bool ok = true;

	if (v->kind != NODE_LIST)
		return put(l, v, out);
	for (size_t i = 0; i < v->n; i++)
		ok &= put(l, v->items[i], out);
	if (!v->n)
		load_error(l, &v->place, "an option has a value");
	return ok && v->n;
}

static bool put_int(struct load *l, const struct node *v, struct bytes *out, size_t size)
{
	uint64_t n;

	if (!want_int(l, v, 0, size == 4 ? UINT32_MAX : size == 2 ? UINT16_MAX : UINT8_MAX, &n))
		return false;
	put_number(out, n, size);
	return true;
}

static bool put_seconds(struct load *l, const struct node *v, struct bytes *out)
{
	nsec_t ns;

	if (!want_time(l, v, &ns))
		return false;
	put_number(out, (uint64_t)(ns / NSEC_PER_SEC), 4);
	return true;
}

static bool put_hex(struct load *l, const struct node *v, struct bytes *out)
{
	uint8_t buf[TEAM_OPTION_MAX];
	size_t len;

	if (!want_text(l, v, "the bytes of an option"))
		return false;
	if (!value_hex(v->text, buf, sizeof buf, &len)) {
		load_error(l, &v->place, "'%s' is not 1 to %d bytes in hexadecimal, like 0x00ff or 00:ff", v->text,
			   TEAM_OPTION_MAX);
		return false;
	}
	bytes_append(out, buf, len);
	return true;
}

static bool put_value(struct load *l, enum option_kind kind, const struct node *v, struct bytes *out)
{
	bool b;

	switch (kind) {
	case OPT_ADDRESS:
		return put_address(l, v, out);
	case OPT_ADDRESSES:
		return put_list(l, v, out, put_address);
	case OPT_NAME:
		return put_name(l, v, out);
	case OPT_NAMES:
		return put_list(l, v, out, put_labels);
	case OPT_ROUTES:
		return put_list(l, v, out, put_route);
	case OPT_BOOL:
		if (!want_bool(l, v, &b))
			return false;
		put_number(out, b, 1);
		return true;
	case OPT_U8:
	case OPT_U16:
	case OPT_U32:
		return put_int(l, v, out, kind == OPT_U8 ? 1 : kind == OPT_U16 ? 2 : 4);
	case OPT_SECONDS:
		return put_seconds(l, v, out);
	case OPT_TEXT:
		if (!want_text(l, v, "an option's text"))
			return false;
		bytes_append(out, v->text, v->len);
		return true;
	default:
		return put_hex(l, v, out);
	}
}

static void parse_option(struct load *l, const struct pair *p, struct team_dhcp *d)
{
	CLEANUP(bytes) struct bytes out = { 0 };
	const struct option *o;
	uint8_t code;
	bool is_raw;

	if (!find_option(l, p->key, &code, &o))
		return;
	if (o && o->kind == OPT_REFUSED) {
		load_error(l, &p->key->place, "the option '%s' is not set here: %s", o->name, o->instead);
		return;
	}
	for (size_t i = 0; i < d->n_options; i++) {
		if (d->options[i].code != code)
			continue;
		load_error(l, &p->key->place, "the option %u is given twice", code);
		return;
	}
	is_raw = !o || (*p->key->text >= '0' && *p->key->text <= '9' && p->value->kind == NODE_SCALAR &&
			!strncmp(p->value->text, "0x", 2));
	if (!put_value(l, is_raw ? OPT_BYTES : o->kind, p->value, &out))
		return;
	if (!out.len || out.len > TEAM_OPTION_MAX) {
		load_error(l, &p->value->place, "an option has 1 to %d bytes, and this has %zu", TEAM_OPTION_MAX,
			   out.len);
		return;
	}
	d->options[d->n_options++] = (struct team_dhcp_option){
		.code = code,
		.name = o ? o->name : NULL,
		.data = (const uint8_t *)arena_dup(l->arena, (const char *)out.data, out.len),
		.len = out.len,
	};
}

void parse_dhcp_options(struct load *l, const struct node *v, struct team_dhcp *d)
{
	if (!want_map(l, v, "'options'"))
		return;
	d->options = arena_array(l->arena, v->n + 1, sizeof *d->options);
	for (size_t i = 0; i < v->n; i++)
		parse_option(l, &v->pairs[i], d);
}
