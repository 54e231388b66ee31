/* dhcp/dhcp6_reply.c: how a reply is put together: relay heads, identifiers, options.
 *
 * A reply is written from the outermost relay head inwards; lengths are set at the end. An option that has no room is
 * taken back whole and counted.
 *
 * Used by: dhcp/dhcp6.c.   Depends on: dhcp/{dhcp4_value,dhcp6_msg}.h, core/wire.h.
 * Sources: RFC 8415 §9.2, §19.3, §21; RFC 3646; RFC 4075; RFC 4704 §4.1, §6; RFC 5908 §4; RFC 5970 §3. */
#include "dhcp/dhcp6_reply.h"

#include "dhcp/dhcp4_value.h"

enum {
	DUID_LL = 3,
	HTYPE_ETHERNET = 1,
	MTU_MIN = 1280, /* RFC 8200 §5 */
	HEADERS = 48, /* of IPv6 and UDP */
	REFRESH_S = 86400,
	NTP_ADDRESS = 1, /* sub-option of 56: RFC 5908 §4.1 */
	FQDN_S = 1,
	FQDN_O = 2,
	FQDN_N = 4
};

static uint32_t share(uint32_t of, uint64_t times, uint64_t by)
{
	return of == DHCP6_FOREVER ? of : (uint32_t)(of * times / by);
}

struct dhcp6_times dhcp6_times_of(const struct dhcp6_config *c, uint32_t valid_s)
{
	struct dhcp6_times t = { .valid_s = valid_s };
	bool is_whole = valid_s == c->lease_s;

	t.preferred_s = is_whole && c->preferred_s ? c->preferred_s : valid_s;
	t.renew_s = is_whole && c->renew_s ? c->renew_s : share(t.preferred_s, 1, 2);
	t.rebind_s = is_whole && c->rebind_s ? c->rebind_s : share(t.preferred_s, 4, 5);
	return t;
}

void dhcp6_server_id(const struct dhcp6_config *c, uint8_t id[DHCP6_SERVER_ID_LEN])
{
	store_be16(id, DUID_LL);
	store_be16(id + 2, HTYPE_ETHERNET);
	memcpy(id + 4, c->mac.b, MAC_LEN);
}

static void put_span(struct wire_writer *w, uint16_t code, struct dhcp6_span v)
{
	if (v.p)
		dhcp6_put(w, code, v.p, v.len);
}

void dhcp6_reply_begin(const struct dhcp6_config *c, const struct dhcp6_msg *m, enum dhcp6_type type,
		       struct dhcp6_build *b)
{
	size_t mtu = c->mtu < MTU_MIN && c->mtu ? MTU_MIN : c->mtu, max = DHCP6_REPLY_MAX;
	uint8_t id[DHCP6_SERVER_ID_LEN];

	if (mtu && mtu - HEADERS < max)
		max = mtu - HEADERS;
	b->w = wire_write_to(b->bytes, max);
	b->n_opened = 0;
	b->n_left_out = 0;
	for (size_t i = 0; i < m->n_relays; i++) {
		const struct dhcp6_relay *relay = &m->relays[i];

		wire_put_u8(&b->w, DHCP6_RELAY_REPLY);
		wire_put_u8(&b->w, relay->hops);
		wire_put_bytes(&b->w, relay->link.b, sizeof relay->link.b);
		wire_put_bytes(&b->w, relay->peer.b, sizeof relay->peer.b);
		put_span(&b->w, DHCP6_INTERFACE_ID, relay->interface_id);
		put_span(&b->w, DHCP6_RELAY_PORT, relay->port);
		b->opened[b->n_opened++] = dhcp6_open(&b->w, DHCP6_RELAY_MESSAGE);
	}
	wire_put_be32(&b->w, (uint32_t)type << 24 | m->xid);
	put_span(&b->w, DHCP6_CLIENT_ID, m->client_id);
	dhcp6_server_id(c, id);
	dhcp6_put(&b->w, DHCP6_SERVER_ID, id, sizeof id);
}

size_t dhcp6_reply_end(struct dhcp6_build *b)
{
	while (b->n_opened)
		dhcp6_close(&b->w, b->opened[--b->n_opened]);
	return b->w.failed ? 0 : wire_put_len(&b->w);
}

/* ---- options of the server's own ---- */

static void put_addresses(struct wire_writer *w, uint16_t code, const struct ip_addr *addrs, size_t n)
{
	size_t at = dhcp6_open(w, code);

	for (size_t i = 0; i < n; i++)
		wire_put_bytes(w, addrs[i].b, sizeof addrs[i].b);
	dhcp6_close(w, at);
}

static void put_dns(const struct dhcp6_config *c, struct wire_writer *w)
{
	if (c->n_dns)
		put_addresses(w, DHCP6_DNS, c->dns, c->n_dns);
}

static void put_sntp(const struct dhcp6_config *c, struct wire_writer *w)
{
	if (c->n_ntp)
		put_addresses(w, DHCP6_SNTP, c->ntp, c->n_ntp);
}

static void put_ntp(const struct dhcp6_config *c, struct wire_writer *w)
{
	size_t at;

	if (!c->n_ntp)
		return;
	at = dhcp6_open(w, DHCP6_NTP);
	for (size_t i = 0; i < c->n_ntp; i++)
		dhcp6_put(w, NTP_ADDRESS, c->ntp[i].b, sizeof c->ntp[i].b);
	dhcp6_close(w, at);
}

static void put_search(const struct dhcp6_config *c, struct wire_writer *w)
{
	uint8_t names[DHCP6_REPLY_MAX];
	size_t len = dhcp4_names_write(c->search, c->n_search, names, sizeof names);

	if (len)
		dhcp6_put(w, DHCP6_SEARCH, names, len);
}

static void put_refresh(const struct dhcp6_config *c, struct wire_writer *w)
{
	size_t at = dhcp6_open(w, DHCP6_REFRESH);

	wire_put_be32(w, c->refresh_s ? c->refresh_s : REFRESH_S);
	dhcp6_close(w, at);
}

static const struct {
	uint16_t code;
	void (*put)(const struct dhcp6_config *c, struct wire_writer *w);
} own_options[] = {
	{ DHCP6_DNS, put_dns }, { DHCP6_SEARCH, put_search }, { DHCP6_SNTP, put_sntp }, { DHCP6_NTP, put_ntp }
};

/* Keeps what was written since @mark, or takes it back when it had no room. */
static void keep(struct dhcp6_build *b, struct wire_writer mark)
{
	if (!b->w.failed)
		return;
	b->w = mark;
	b->n_left_out++;
}

static bool is_configured(const struct dhcp6_config *c, uint16_t code)
{
	for (size_t i = 0; i < c->n_options; i++)
		if (c->options[i].code == code)
			return true;
	return false;
}

/* Options that the protocol itself has, which a configuration does not say. */
static bool is_protocol(uint16_t code)
{
	return code < DHCP6_DNS || code == DHCP6_IA_PD || code == DHCP6_IAPREFIX || code == DHCP6_LINK_ADDRESS ||
	       code == DHCP6_RELAY_PORT;
}

/* ---- names and booting ---- */

/* The client's name as the server has it: RFC 4704 §6. */
static void put_fqdn(const struct dhcp6_config *c, const struct dhcp6_msg *m, const char *hostname,
		     struct wire_writer *w)
{
	struct dhcp6_span in = dhcp6_find(m->options, DHCP6_FQDN);
	uint8_t name[DHCP4_NAME_SIZE];
	size_t len, at;
	bool wants = in.len && in.p[0] & FQDN_S;

	if (!in.len || !hostname[0])
		return;
	len = dhcp4_names_write(&hostname, 1, name, sizeof name);
	if (c->domain && len) {
		size_t more = dhcp4_names_write(&c->domain, 1, name + len - 1, sizeof name - len + 1);

		len = more ? len - 1 + more : 0;
	} else if (len) {
		len--; /* a partial name has no end: RFC 4704 §4.2 */
	}
	if (!len)
		return;
	at = dhcp6_open(w, DHCP6_FQDN);
	wire_put_u8(w, c->domain ? (wants ? FQDN_S : FQDN_S | FQDN_O) : (wants ? FQDN_N | FQDN_O : FQDN_N));
	wire_put_bytes(w, name, len);
	dhcp6_close(w, at);
}

static bool is_ipxe(const struct dhcp6_msg *m)
{
	struct dhcp6_span v = dhcp6_find(m->options, DHCP6_USER_CLASS);
	struct wire_reader r = wire_read_from(v.p, v.len);

	while (r.left) {
		size_t len = wire_get_be16(&r);
		const uint8_t *p = wire_get(&r, len);

		if (p && len == 4 && memcmp(p, "iPXE", 4) == 0)
			return true;
	}
	return false;
}

static uint16_t same_arch(uint16_t arch)
{
	return arch == DHCP4_ARCH_X64_BC ? DHCP4_ARCH_X64 : arch;
}

static bool matches(const struct dhcp4_boot *row, struct dhcp6_span archs, bool ipxe)
{
	if ((row->ipxe == DHCP4_IPXE_ONLY && !ipxe) || (row->ipxe == DHCP4_IPXE_NOT && ipxe))
		return false;
	if (row->arch == DHCP4_ARCH_ANY)
		return true;
	for (size_t i = 0; i + 1 < archs.len; i += 2)
		if (same_arch(load_be16(archs.p + i)) == same_arch(row->arch))
			return true;
	return false;
}

static void put_boot(const struct dhcp6_config *c, const struct dhcp6_msg *m, struct wire_writer *w)
{
	struct dhcp6_span archs = dhcp6_find(m->options, DHCP6_ARCH);
	bool ipxe = is_ipxe(m);

	for (size_t i = 0; i < c->n_boots; i++) {
		if (matches(&c->boots[i], archs, ipxe)) {
			dhcp6_put(w, DHCP6_BOOT_URL, c->boots[i].file, strlen(c->boots[i].file));
			return;
		}
	}
}

void dhcp6_reply_options(const struct dhcp6_config *c, const struct dhcp6_msg *m, const char *hostname,
			 struct dhcp6_build *b)
{
	struct wire_writer mark = b->w;

	for (size_t i = 0; i < sizeof own_options / sizeof own_options[0]; i++) {
		if (!dhcp6_asks(m, own_options[i].code) || is_configured(c, own_options[i].code))
			continue;
		mark = b->w;
		own_options[i].put(c, &b->w);
		keep(b, mark);
	}
	for (size_t i = 0; i < c->n_options; i++) {
		const struct dhcp6_option_value *o = &c->options[i];

		if (is_protocol(o->code) || (!o->is_always && !dhcp6_asks(m, o->code)))
			continue;
		mark = b->w;
		dhcp6_put(&b->w, o->code, o->data, o->len);
		keep(b, mark);
	}
	mark = b->w;
	if (dhcp6_asks(m, DHCP6_FQDN) && !is_configured(c, DHCP6_FQDN))
		put_fqdn(c, m, hostname, &b->w);
	keep(b, mark);
	mark = b->w;
	if (dhcp6_asks(m, DHCP6_BOOT_URL) && !is_configured(c, DHCP6_BOOT_URL))
		put_boot(c, m, &b->w);
	keep(b, mark);
	mark = b->w;
	if (m->type == DHCP6_INFORMATION_REQUEST && dhcp6_asks(m, DHCP6_REFRESH) && !is_configured(c, DHCP6_REFRESH))
		put_refresh(c, &b->w);
	keep(b, mark);
}
