/* dhcp/dhcp4_reply.c: what the options and boot fields of a reply say.
 *
 * A client is told what it asked for in option 55, in its order, and what is mandatory; a client without option 55
 * is told a small usual set. The mask stands before the router (RFC 2132 §3.3). Where option 121 is sent, the default
 * route is in it, because clients then ignore option 3 (RFC 3442). Option 60 is echoed for HTTP boot only: to
 * "PXEClient" EDK2 answers with a request to port 4011.
 *
 * Used by: dhcp/dhcp4.c.   Depends on: dhcp/dhcp4_msg.h, dhcp/dhcp4_value.h.
 * Sources: RFC 2131 §4.1, §4.3; RFC 2132; RFC 3046; RFC 3442; RFC 4578; RFC 6842; RFC 8925; UEFI 2.10 §24.7. */
#include "dhcp/dhcp4_reply.h"

#include "core/wire.h"

enum {
	IP_UDP_LEN = 28,
	SIZE_MIN = 576 /* what every client takes: RFC 2132 §9.10 */,
	VALUE_SIZE = 1024,
	MTU_MIN = 576
};

static uint32_t mask_of(const struct dhcp4_config *c)
{
	return c->prefix_len ? UINT32_MAX << (32 - c->prefix_len) : 0;
}

struct dhcp4_times dhcp4_times_of(const struct dhcp4_config *c, uint32_t lease_s)
{
	struct dhcp4_times t = { lease_s, c->renew_s, c->rebind_s };

	if (lease_s == DHCP4_FOREVER)
		return (struct dhcp4_times){ .lease_s = lease_s };
	if (!t.rebind_s || lease_s <= t.rebind_s)
		t.rebind_s = (uint32_t)((uint64_t)lease_s * 7 / 8);
	if (!t.renew_s || lease_s != c->lease_s || t.renew_s >= t.rebind_s)
		t.renew_s = lease_s / 2;
	if (t.renew_s == 0 || t.renew_s >= t.rebind_s || t.rebind_s >= lease_s)
		t.renew_s = t.rebind_s = 0; /* a lease of a few seconds that is left */
	return t;
}

void dhcp4_reply_begin(const struct dhcp4_config *c, const struct dhcp4_msg *m, enum dhcp4_type type,
		       struct dhcp4_build *b)
{
	b->n_adds = b->bytes_len = 0;
	b->head = (struct dhcp4_head){ .op = DHCP4_BOOTREPLY,
				       .htype = m->head.htype,
				       .hlen = m->head.hlen,
				       .xid = m->head.xid,
				       .flags = m->head.flags & DHCP4_FLAG_BROADCAST,
				       .giaddr = m->head.giaddr };
	memcpy(b->head.chaddr, m->head.chaddr, DHCP4_CHADDR_LEN);
	(void)dhcp4_add_u8(b, DHCP4_MESSAGE_TYPE, (uint8_t)type);
	(void)dhcp4_add_u32(b, DHCP4_SERVER_ID, c->server);
}

void dhcp4_reply_times(const struct dhcp4_times *t, struct dhcp4_build *b)
{
	(void)dhcp4_add_u32(b, DHCP4_LEASE_TIME, t->lease_s);
	if (!t->renew_s)
		return;
	(void)dhcp4_add_u32(b, DHCP4_T1, t->renew_s);
	(void)dhcp4_add_u32(b, DHCP4_T2, t->rebind_s);
}

static void add_addresses(struct dhcp4_build *b, uint8_t code, const uint32_t *addrs, size_t n)
{
	uint8_t value[VALUE_SIZE];

	if (n > VALUE_SIZE / 4)
		n = VALUE_SIZE / 4;
	for (size_t i = 0; i < n; i++)
		store_be32(value + 4 * i, addrs[i]);
	if (n)
		(void)dhcp4_add(b, code, value, 4 * n);
}

static void add_text(struct dhcp4_build *b, uint8_t code, const char *text)
{
	if (text && *text)
		(void)dhcp4_add(b, code, text, strlen(text));
}

static void add_search(const struct dhcp4_config *c, struct dhcp4_build *b)
{
	uint8_t value[VALUE_SIZE];
	size_t len = dhcp4_search_write(c->search, c->n_search, value, sizeof value);

	if (len)
		(void)dhcp4_add(b, DHCP4_SEARCH, value, len);
}

static void add_routes(const struct dhcp4_config *c, struct dhcp4_build *b)
{
	uint8_t value[VALUE_SIZE];
	bool has_default = false;
	size_t len = dhcp4_routes_write(c->routes, c->n_routes, value, sizeof value - DHCP4_ROUTE_SIZE);

	if (!len)
		return;
	for (size_t i = 0; i < c->n_routes; i++)
		has_default |= c->routes[i].prefix_len == 0;
	if (c->router && !has_default)
		len += dhcp4_routes_write(&(struct dhcp4_route){ .via = c->router }, 1, value + len, DHCP4_ROUTE_SIZE);
	(void)dhcp4_add(b, DHCP4_ROUTES, value, len);
}

/* Options that only the state machine sets. */
static bool is_own(uint8_t code)
{
	return code == DHCP4_PAD || code == DHCP4_END || (code >= DHCP4_WANTED_ADDRESS && code <= DHCP4_PARAMETERS) ||
	       (code >= DHCP4_MAX_SIZE && code <= DHCP4_T2) || code == DHCP4_CLIENT_ID || code == DHCP4_RELAY ||
	       code == DHCP4_RAPID_COMMIT;
}

static bool add_configured(const struct dhcp4_config *c, uint8_t code, struct dhcp4_build *b)
{
	for (size_t i = 0; i < c->n_options; i++)
		if (c->options[i].code == code)
			return dhcp4_add(b, code, c->options[i].data, c->options[i].len) || true;
	return false;
}

static void add_option(const struct dhcp4_config *c, uint8_t code, const char *hostname, struct dhcp4_build *b)
{
	if (is_own(code) || add_configured(c, code, b))
		return;
	switch (code) {
	case DHCP4_MASK:
		(void)dhcp4_add_u32(b, code, mask_of(c));
		break;
	case DHCP4_ROUTER:
		add_addresses(b, code, &c->router, c->router != 0);
		break;
	case DHCP4_DNS:
		add_addresses(b, code, c->dns, c->n_dns);
		break;
	case DHCP4_HOSTNAME:
		add_text(b, code, hostname);
		break;
	case DHCP4_DOMAIN:
		add_text(b, code, c->domain);
		break;
	case DHCP4_MTU:
		if (c->mtu)
			(void)dhcp4_add_u16(b, code, c->mtu);
		break;
	case DHCP4_BROADCAST:
		if (c->prefix_len < 31)
			(void)dhcp4_add_u32(b, code, c->server | ~mask_of(c));
		break;
	case DHCP4_NTP:
		add_addresses(b, code, c->ntp, c->n_ntp);
		break;
	case DHCP4_V6ONLY:
		if (c->v6only_s)
			(void)dhcp4_add_u32(b, code, c->v6only_s);
		break;
	case DHCP4_SEARCH:
		add_search(c, b);
		break;
	case DHCP4_ROUTES:
		add_routes(c, b);
		break;
	default:
		break;
	}
}

static bool begins_with(const struct dhcp4_msg *m, uint8_t code, const char *text)
{
	size_t len = 0;
	const uint8_t *p = dhcp4_option(m, code, &len);

	return p && len >= strlen(text) && memcmp(p, text, strlen(text)) == 0;
}

/* iPXE says so in option 175, or in the user class, which it writes without the lengths of RFC 3004. */
static bool is_ipxe(const struct dhcp4_msg *m)
{
	return dhcp4_has(m, DHCP4_IPXE) || begins_with(m, DHCP4_USER_CLASS, "iPXE") ||
	       begins_with(m, DHCP4_USER_CLASS, "\x04iPXE");
}

/* The first architecture of option 93; BIOS without one (RFC 4578 has it mandatory, old ROMs do not send it). */
static uint16_t arch_of(const struct dhcp4_msg *m)
{
	size_t len = 0;
	const uint8_t *p = dhcp4_option(m, DHCP4_ARCH, &len);

	return p && len >= 2 ? load_be16(p) : DHCP4_ARCH_BIOS;
}

static bool arch_matches(uint16_t row, uint16_t arch, bool is_http)
{
	if (row == DHCP4_ARCH_ANY)
		return !is_http;
	if (row == DHCP4_ARCH_X64_BC)
		row = DHCP4_ARCH_X64;
	return row == (arch == DHCP4_ARCH_X64_BC ? DHCP4_ARCH_X64 : arch);
}

static const char *boot_file(const struct dhcp4_config *c, const struct dhcp4_msg *m, bool is_http)
{
	bool ipxe = is_ipxe(m);

	for (size_t i = 0; i < c->n_boots; i++) {
		const struct dhcp4_boot *row = &c->boots[i];

		if (arch_matches(row->arch, arch_of(m), is_http) &&
		    (row->ipxe == DHCP4_IPXE_ANY || (row->ipxe == DHCP4_IPXE_ONLY) == ipxe))
			return row->file;
	}
	return NULL;
}

static void add_boot(const struct dhcp4_config *c, const struct dhcp4_msg *m, struct dhcp4_build *b)
{
	bool is_http = begins_with(m, DHCP4_CLASS, "HTTPClient");
	uint32_t next = c->next_server ? c->next_server : c->server;
	char next_text[IP_STR_SIZE];
	struct ip_addr ip = { .family = IP_V4, .prefix_len = 32 };
	const char *file;
	size_t len;

	if (!is_http && !begins_with(m, DHCP4_CLASS, "PXEClient") && !is_ipxe(m) && !dhcp4_has(m, DHCP4_ARCH))
		return;
	file = boot_file(c, m, is_http);
	if (!file)
		return;
	len = strlen(file);
	store_be32(ip.b, next);
	if (is_http) {
		(void)dhcp4_add(b, DHCP4_CLASS, "HTTPClient", strlen("HTTPClient"));
	} else {
		b->head.siaddr = next;
		add_text(b, DHCP4_TFTP_NAME, ip_str_bare(&ip, next_text));
		if (len < DHCP4_FILE_LEN)
			memcpy(b->head.file, file, len);
	}
	add_text(b, DHCP4_BOOT_FILE, file);
}

void dhcp4_reply_options(const struct dhcp4_config *c, const struct dhcp4_msg *m, const char *hostname,
			 struct dhcp4_build *b)
{
	static const uint8_t usual[] = { DHCP4_MASK,	 DHCP4_ROUTER, DHCP4_DNS,
					 DHCP4_HOSTNAME, DHCP4_DOMAIN, DHCP4_BROADCAST };
	size_t n = 0, uuid_len = 0;
	const uint8_t *asked = dhcp4_option(m, DHCP4_PARAMETERS, &n), *uuid = dhcp4_option(m, DHCP4_UUID, &uuid_len);

	if (!asked) {
		asked = usual;
		n = sizeof usual;
	}
	for (size_t i = 0; i < n; i++)
		if (asked[i] == DHCP4_MASK)
			add_option(c, DHCP4_MASK, hostname, b);
	for (size_t i = 0; i < n; i++) {
		add_option(c, asked[i], hostname, b);
		if (asked[i] == DHCP4_ROUTES && c->n_routes)
			add_option(c, DHCP4_ROUTER, hostname, b);
	}
	for (size_t i = 0; i < c->n_options; i++)
		if (c->options[i].is_always)
			add_option(c, c->options[i].code, hostname, b);
	add_boot(c, m, b);
	if (uuid)
		(void)dhcp4_add(b, DHCP4_UUID, uuid, uuid_len);
}

void dhcp4_reply_end(const struct dhcp4_msg *m, struct dhcp4_build *b)
{
	static const uint8_t echoed[] = { DHCP4_CLIENT_ID, DHCP4_RELAY };

	for (size_t i = 0; i < sizeof echoed; i++) {
		size_t len = 0;
		const uint8_t *p = dhcp4_option(m, echoed[i], &len);

		if (p)
			(void)dhcp4_add(b, echoed[i], p, len);
	}
}

size_t dhcp4_reply_max(const struct dhcp4_config *c, const struct dhcp4_msg *m)
{
	uint16_t size = SIZE_MIN;
	size_t mtu = c->mtu >= MTU_MIN ? c->mtu : DHCP4_REPLY_MAX + IP_UDP_LEN;

	if (!dhcp4_option_u16(m, DHCP4_MAX_SIZE, &size) || size < SIZE_MIN)
		size = SIZE_MIN;
	if (mtu > DHCP4_REPLY_MAX + IP_UDP_LEN)
		mtu = DHCP4_REPLY_MAX + IP_UDP_LEN;
	return (size < mtu ? size : mtu) - IP_UDP_LEN;
}
