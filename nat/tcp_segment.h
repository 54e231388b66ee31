/* nat/tcp_segment.h: one TCP segment in host order, its options' codec, and the arithmetic of sequence numbers.
 *
 * Used by: nat/tcp_*.c, and what turns frames into segments.   Depends on: core/wire.h.
 * Sources: RFC 9293 §3.1, RFC 7323, RFC 2018. */
#ifndef MUSTER_NAT_TCP_SEGMENT_H
#define MUSTER_NAT_TCP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tcp_flag {
	TCPF_FIN = 0x01,
	TCPF_SYN = 0x02,
	TCPF_RST = 0x04,
	TCPF_PSH = 0x08,
	TCPF_ACK = 0x10,
	TCPF_URG = 0x20,
};

enum { TCP_SACKS_MAX = 4, TCP_OPTIONS_SIZE = 40, TCP_WSCALE_MAX = 14 };

/* Sequence numbers from @start up to, but not including, @end. */
struct tcp_range {
	uint32_t start, end;
};

struct tcp_options {
	struct tcp_range sack[TCP_SACKS_MAX];
	uint32_t ts_val, ts_ecr;
	uint16_t mss; /* 0: the option is not there */
	uint8_t wscale; /* 0 to TCP_WSCALE_MAX */
	uint8_t n_sack;
	bool has_wscale, has_ts, sack_permitted;
};

/* A segment from the guest. */
struct tcp_segment {
	uint32_t seq, ack;
	uint16_t window; /* as on the wire: not scaled */
	uint8_t flags; /* enum tcp_flag */
	struct tcp_options opt;
	const uint8_t *data; /* borrowed; NULL when @len is 0 */
	uint32_t len; /* bytes, without padding of the frame */
};

/* A segment to the guest. The data stays with its owner, who copies @len bytes from @offset into the frame. */
struct tcp_out {
	uint32_t seq, ack;
	uint16_t window;
	uint16_t gso_size; /* payload bytes of each piece; 0: one plain segment */
	uint8_t flags;
	struct tcp_options opt;
	uint32_t offset; /* bytes behind the oldest one that was not reported as consumed */
	uint32_t len;
};

static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_before(a, b) ? a : b;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_before(a, b) ? b : a;
}

/* Sequence numbers that @seg takes: its data, SYN and FIN. */
static inline uint32_t tcp_segment_span(const struct tcp_segment *seg)
{
	return seg->len + !!(seg->flags & TCPF_SYN) + !!(seg->flags & TCPF_FIN);
}

/* Reads the @len bytes of options behind a TCP header. Unknown options are skipped; an option with a wrong length is
 * left out; what stands behind one whose length runs out of the header is not read.
 * Returns false in that last case; @ret_opt then holds what came before.   Source: RFC 9293 §3.2 */
bool tcp_options_parse(const uint8_t *bytes, size_t len, struct tcp_options *ret_opt);

/* Writes @opt, padded to a multiple of 4. @buf: TCP_OPTIONS_SIZE bytes. SACK ranges that do not fit are left out.
 * Returns the length, 0 to TCP_OPTIONS_SIZE. */
size_t tcp_options_put(const struct tcp_options *opt, uint8_t *buf);

/* The RST that answers @seg where no connection is.
 * Returns false when @seg is an RST itself, which gets no answer.   Source: RFC 9293 §3.5.2 */
bool tcp_reset_for(const struct tcp_segment *seg, struct tcp_out *ret_out);

#endif
