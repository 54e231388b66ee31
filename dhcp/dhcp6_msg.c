/* dhcp/dhcp6_msg.c: DHCPv6 messages: from bytes to a value, and the writer of options.
 *
 * Used by: dhcp/dhcp6.c, dhcp/dhcp6_reply.c.   Depends on: core/{addr,wire}.h.
 * Sources: RFC 8415 §7.3, §8, §9, §21; RFC 6939 §4; RFC 8357 §4. */
#include "dhcp/dhcp6_msg.h"

enum { OPTION_HEAD = 4, HTYPE_ETHERNET = 1 };
enum { IAPREFIX_HEAD = 25, STATUS_HEAD = 2, PORT_LEN = 2 }; /* fixed parts */

/* The next option. False at the end, whole or not: wire_reader says which. */
static bool next_option(struct wire_reader *r, uint16_t *ret_code, struct dhcp6_span *ret_value)
{
	if (!r->left || r->failed)
		return false;
	*ret_code = wire_get_be16(r);
	ret_value->len = wire_get_be16(r);
	ret_value->p = wire_get(r, ret_value->len);
	return !r->failed;
}

struct dhcp6_span dhcp6_find(struct dhcp6_span options, uint16_t code)
{
	struct wire_reader r = wire_read_from(options.p, options.len);
	struct dhcp6_span value;
	uint16_t c;

	while (next_option(&r, &c, &value))
		if (c == code)
			return value;
	return (struct dhcp6_span){ 0 };
}

bool dhcp6_asks(const struct dhcp6_msg *m, uint16_t code)
{
	struct dhcp6_span oro = dhcp6_find(m->options, DHCP6_ORO);

	for (size_t i = 0; i + 1 < oro.len; i += 2)
		if (load_be16(oro.p + i) == code)
			return true;
	return false;
}

static struct ip_addr get_address(struct wire_reader *r)
{
	struct ip_addr a = { .family = IP_V6, .prefix_len = 128 };
	const uint8_t *p = wire_get(r, sizeof a.b);

	if (p)
		memcpy(a.b, p, sizeof a.b);
	return a;
}

/* True when the options are whole, which are all that is left of @r. */
static bool are_options(const struct wire_reader *r)
{
	struct wire_reader options = *r;
	struct dhcp6_span value;
	uint16_t code;

	while (next_option(&options, &code, &value))
		;
	return !options.failed;
}

static bool read_ia_address(struct dhcp6_span value, struct dhcp6_ia *ia)
{
	struct wire_reader r = wire_read_from(value.p, value.len);
	struct ip_addr addr = get_address(&r);
	uint32_t preferred_s = wire_get_be32(&r), valid_s = wire_get_be32(&r);

	if (r.failed || !are_options(&r))
		return false;
	if (ia->n_addrs == DHCP6_IA_ADDRS_MAX)
		return true;
	ia->addrs[ia->n_addrs].addr = addr;
	ia->addrs[ia->n_addrs].preferred_s = preferred_s;
	ia->addrs[ia->n_addrs++].valid_s = valid_s;
	return true;
}

static bool read_ia(uint16_t kind, struct dhcp6_span value, struct dhcp6_ia *ia)
{
	struct wire_reader r = wire_read_from(value.p, value.len);
	struct dhcp6_span v;
	uint16_t code;

	*ia = (struct dhcp6_ia){ .kind = kind, .iaid = wire_get_be32(&r) };
	if (kind != DHCP6_IA_TA) {
		ia->t1 = wire_get_be32(&r);
		ia->t2 = wire_get_be32(&r);
	}
	ia->options = (struct dhcp6_span){ r.p, r.left };
	while (next_option(&r, &code, &v)) {
		if (code == DHCP6_IAADDR && (kind == DHCP6_IA_PD || !read_ia_address(v, ia)))
			return false;
		if (code == DHCP6_IAPREFIX && (kind != DHCP6_IA_PD || v.len < IAPREFIX_HEAD))
			return false;
		if (code == DHCP6_STATUS && v.len < STATUS_HEAD)
			return false;
	}
	return !r.failed;
}

static bool is_duid(struct dhcp6_span v)
{
	return v.len >= DHCP6_DUID_MIN && v.len <= DHCP6_DUID_MAX;
}

/* Takes an option of the message itself. False when its length is wrong. */
static bool take_option(struct dhcp6_msg *m, uint16_t code, struct dhcp6_span v)
{
	struct dhcp6_ia spare;

	switch (code) {
	case DHCP6_CLIENT_ID:
		m->client_id = m->client_id.p ? m->client_id : v;
		return is_duid(v);
	case DHCP6_SERVER_ID:
		m->server_id = m->server_id.p ? m->server_id : v;
		return is_duid(v);
	case DHCP6_IA_NA:
	case DHCP6_IA_TA:
	case DHCP6_IA_PD:
		m->has_more_ias |= m->n_ias == DHCP6_IAS_MAX;
		return read_ia(code, v, m->n_ias < DHCP6_IAS_MAX ? &m->ias[m->n_ias++] : &spare);
	case DHCP6_ORO:
	case DHCP6_ARCH:
		return v.len % 2 == 0;
	case DHCP6_STATUS:
		return v.len >= STATUS_HEAD;
	case DHCP6_PREFERENCE:
		return v.len == 1;
	case DHCP6_RAPID_COMMIT:
		return v.len == 0;
	case DHCP6_FQDN:
		return v.len >= 1;
	default:
		return true;
	}
}

/* Reads a relay's header and options, and turns @r to the message in it. False when it is malformed. */
static bool read_relay(struct wire_reader *r, struct dhcp6_relay *relay)
{
	struct dhcp6_span v, message = { 0 };
	uint16_t code;

	*relay = (struct dhcp6_relay){ .hops = wire_get_u8(r) };
	relay->link = get_address(r);
	relay->peer = get_address(r);
	while (next_option(r, &code, &v)) {
		if (code == DHCP6_RELAY_MESSAGE && !message.p)
			message = v;
		else if (code == DHCP6_INTERFACE_ID && !relay->interface_id.p)
			relay->interface_id = v;
		else if (code == DHCP6_RELAY_PORT && !relay->port.p && v.len == PORT_LEN)
			relay->port = v;
		else if (code == DHCP6_LINK_ADDRESS && v.len == 2 + MAC_LEN && load_be16(v.p) == HTYPE_ETHERNET) {
			relay->has_mac = true;
			memcpy(relay->mac.b, v.p + 2, MAC_LEN);
		}
	}
	if (r->failed || !message.p)
		return false;
	*r = wire_read_from(message.p, message.len);
	return true;
}

enum dhcp6_verdict dhcp6_read(const uint8_t *payload, size_t len, struct dhcp6_msg *m)
{
	struct wire_reader r = wire_read_from(payload, len);
	struct dhcp6_span v;
	uint16_t code;
	uint8_t type;

	m->n_relays = m->n_ias = 0;
	m->has_more_ias = false;
	m->client_id = m->server_id = (struct dhcp6_span){ 0 };
	for (;;) {
		type = wire_get_u8(&r);
		if (type != DHCP6_RELAY_FORWARD && type != DHCP6_RELAY_REPLY)
			break;
		if (m->n_relays == DHCP6_RELAYS_MAX || !read_relay(&r, &m->relays[m->n_relays++]))
			return DHCP6_MALFORMED;
	}
	if (type == DHCP6_NONE || type >= DHCP6_TYPE_COUNT)
		return DHCP6_MALFORMED;
	m->type = type;
	m->xid = (uint32_t)wire_get_u8(&r) << 16;
	m->xid |= wire_get_be16(&r);
	m->options = (struct dhcp6_span){ r.p, r.left };
	while (next_option(&r, &code, &v))
		if (!take_option(m, code, v))
			return DHCP6_MALFORMED;
	return r.failed ? DHCP6_MALFORMED : DHCP6_GOOD;
}

size_t dhcp6_open(struct wire_writer *w, uint16_t code)
{
	size_t at = wire_put_len(w);

	wire_put_be16(w, code);
	wire_put_be16(w, 0);
	return at;
}

void dhcp6_close(struct wire_writer *w, size_t at)
{
	if (!w->failed)
		store_be16(w->base + at + 2, (uint16_t)(wire_put_len(w) - at - OPTION_HEAD));
}

void dhcp6_put(struct wire_writer *w, uint16_t code, const void *data, size_t len)
{
	size_t at = dhcp6_open(w, code);

	wire_put_bytes(w, data, len);
	dhcp6_close(w, at);
}

void dhcp6_put_status(struct wire_writer *w, enum dhcp6_status status, const char *text)
{
	size_t at = dhcp6_open(w, DHCP6_STATUS);

	wire_put_be16(w, (uint16_t)status);
	wire_put_bytes(w, text, strlen(text));
	dhcp6_close(w, at);
}
