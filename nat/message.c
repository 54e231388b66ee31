/* nat/message.c: the codec of messages beside IP.
 *
 * Used by: nat/nat_in.c, the station's side. */
#include "nat/message.h"

#include "core/packet.h"

#include <string.h>

enum { VERSION = 1 };

static bool parse_lease(struct wire_reader *r, struct message *m)
{
	const uint8_t *mac = wire_get(r, MAC_LEN), *ip;
	uint8_t family = wire_get_u8(r), known = wire_get_u8(r);

	ip = wire_get(r, 16);
	if (r->failed || r->left || family < IP_V4 || family > IP_V6 || known > 1)
		return false;
	memcpy(m->mac.b, mac, MAC_LEN);
	m->ip = (struct ip_addr){ .family = family == 1 ? IP_V4 : IP_V6, .prefix_len = family == 1 ? 32 : 128 };
	memcpy(m->ip.b, ip, family == 1 ? 4 : 16);
	m->is_known = known;
	return true;
}

static bool parse_dns(struct wire_reader *r, struct message *m)
{
	m->source = wire_get_be64(r);
	m->token = wire_get_be64(r);
	m->transport = wire_get_u8(r);
	m->dns = r->p;
	m->dns_len = r->left;
	return !r->failed && m->transport <= 1 && m->dns_len > 0;
}

bool message_parse(const void *frame, size_t len, struct message *ret_message)
{
	struct wire_reader r = wire_read_from(frame, len);
	struct message m = { 0 };
	uint8_t version, type;
	uint16_t zeros, ethertype;

	(void)wire_get(&r, 12);
	ethertype = wire_get_be16(&r);
	version = wire_get_u8(&r);
	type = wire_get_u8(&r);
	zeros = wire_get_be16(&r);
	if (r.failed || ethertype != ETYPE_MESSAGE || version != VERSION || zeros)
		return false;
	m.type = (enum message_type)type;
	if (type == MESSAGE_LEASE ? !parse_lease(&r, &m) :
				    (type != MESSAGE_QUERY && type != MESSAGE_ANSWER) || !parse_dns(&r, &m))
		return false;
	*ret_message = m;
	return true;
}

size_t message_put(const struct message *m, void *buf, size_t size)
{
	static const struct mac_addr none;
	struct wire_writer w = wire_write_to(buf, size);

	packet_put_eth(&w, &none, &none, ETYPE_MESSAGE);
	wire_put_u8(&w, VERSION);
	wire_put_u8(&w, (uint8_t)m->type);
	wire_put_be16(&w, 0);
	if (m->type == MESSAGE_LEASE) {
		wire_put_bytes(&w, m->mac.b, MAC_LEN);
		wire_put_u8(&w, m->ip.family == IP_V4 ? 1 : 2);
		wire_put_u8(&w, m->is_known);
		wire_put_bytes(&w, m->ip.b, 16);
	} else {
		wire_put_be64(&w, m->source);
		wire_put_be64(&w, m->token);
		wire_put_u8(&w, m->transport);
		wire_put_bytes(&w, m->dns, m->dns_len);
	}
	return w.failed ? 0 : wire_put_len(&w);
}
