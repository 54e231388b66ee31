/* dns/dns_stream.c: cuts a TCP stream into DNS messages.
 *
 * Memory is taken when the length is known, as much as the message needs, and given back before the next message.
 *
 * Used by: the fabric's service station, the uplink.   Depends on: dns/dns_msg.h, core/wire.h.
 * Sources: RFC 1035 §4.2.2, RFC 7766 §8. */
#include "dns/dns_stream.h"

#include "core/wire.h"
#include "dns/dns_msg.h"

#include <stdlib.h>

void dns_stream_init(struct dns_stream *s, size_t max)
{
	*s = (struct dns_stream){ .max = max };
}

void dns_stream_done(struct dns_stream *s)
{
	free(s->buf);
	*s = (struct dns_stream){ .max = s->max };
}

/* Bytes of the message whose prefix is whole. */
static size_t message_len(const struct dns_stream *s)
{
	return load_be16(s->prefix);
}

enum dns_stream_verdict dns_stream_take(struct dns_stream *s, const uint8_t *data, size_t len, size_t *ret_used,
					const uint8_t **ret_msg, size_t *ret_msg_len)
{
	size_t used = 0, part;

	*ret_used = 0;
	if (s->buf && s->len == DNS_STREAM_PREFIX + message_len(s))
		dns_stream_done(s); /* the one before was whole */
	while (s->len < DNS_STREAM_PREFIX && used < len)
		s->prefix[s->len++] = data[used++];
	*ret_used = used;
	if (s->len < DNS_STREAM_PREFIX)
		return DNS_STREAM_MORE;
	if (message_len(s) < DNS_HEADER_LEN || message_len(s) > s->max)
		return DNS_STREAM_BAD;
	if (!s->buf)
		s->buf = malloc(message_len(s));
	if (!s->buf)
		return DNS_STREAM_BAD;
	part = DNS_STREAM_PREFIX + message_len(s) - s->len;
	if (part > len - used)
		part = len - used;
	memcpy(s->buf + s->len - DNS_STREAM_PREFIX, data + used, part);
	s->len += part;
	*ret_used = used + part;
	if (s->len < DNS_STREAM_PREFIX + message_len(s))
		return DNS_STREAM_MORE;
	*ret_msg = s->buf;
	*ret_msg_len = message_len(s);
	return DNS_STREAM_MESSAGE;
}
