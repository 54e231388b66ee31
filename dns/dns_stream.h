/* dns/dns_stream.h: cuts a TCP stream into DNS messages: each has its length before it, in two bytes.
 *
 * A stream holds the bytes of one message that is not whole yet, and never more than that. */
#ifndef MUSTER_DNS_DNS_STREAM_H
#define MUSTER_DNS_DNS_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum { DNS_STREAM_PREFIX = 2 }; /* RFC 1035 §4.2.2 */

enum dns_stream_verdict {
	DNS_STREAM_MORE, /* all bytes were taken, and the message is not whole */
	DNS_STREAM_MESSAGE, /* a message is whole */
	DNS_STREAM_BAD, /* its length is none that is taken, or there is no memory: the connection is to be closed */
};

struct dns_stream {
	uint8_t *buf; /* owned; NULL until the first bytes of a message came */
	uint8_t prefix[DNS_STREAM_PREFIX];
	size_t len; /* bytes of the message and its prefix that came */
	size_t max; /* bytes that a message may have */
};

/* @max: bytes that a message may have, 12 to 65,535. */
void dns_stream_init(struct dns_stream *s, size_t max);
/* Frees the buffer. */
void dns_stream_done(struct dns_stream *s);

/* Takes bytes up to the end of a message, at most @len.
 * @ret_used: how many were taken. After DNS_STREAM_BAD the stream takes none.
 * @ret_msg, @ret_msg_len: set with DNS_STREAM_MESSAGE; borrowed until the next call. */
enum dns_stream_verdict dns_stream_take(struct dns_stream *s, const uint8_t *data, size_t len, size_t *ret_used,
					const uint8_t **ret_msg, size_t *ret_msg_len);

#endif
