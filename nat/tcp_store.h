/* nat/tcp_store.h: data from the guest that cannot be handed on yet: it came out of order, or the sink was full.
 *
 * Of overlapping data the bytes that came first stay. What is held is charged to the connection and to all of them
 * together, with the head of each chunk, so a guest that sends single bytes gains nothing. What does not fit is
 * dropped, not acknowledged, and counted.
 *
 * Used by: nat/tcp_input.c, nat/tcp_output.c.   Depends on: nat/tcp_segment.h.
 * Sources: RFC 9293 §3.10.7.4; RFC 2018 §4. */
#ifndef MUSTER_NAT_TCP_STORE_H
#define MUSTER_NAT_TCP_STORE_H

#include "nat/tcp_segment.h"

enum { TCP_CHUNKS_MAX = 1024, TCP_CHUNK_SIZE_MAX = 65536 };

/* What all connections share of it. */
struct tcp_store_limits {
	size_t bytes; /* held now */
	size_t bytes_max; /* in all */
	size_t conn_max; /* of one connection */
	uint64_t n_dropped; /* segments that did not fit, in whole or in part */
};

struct tcp_chunk;

struct tcp_store {
	struct tcp_chunk *first; /* sorted, without overlap; owned */
	uint32_t bytes; /* charged */
	uint32_t n;
};

/* Keeps those of the @len bytes at @seq that are not there yet.
 * Returns how many of them it has not kept for lack of room; @ret_new: how many it kept. */
uint32_t tcp_store_put(struct tcp_store *st, struct tcp_store_limits *limits, uint32_t seq, const uint8_t *data,
		       uint32_t len, uint32_t *ret_new);

/* The data at @seq, borrowed until the next call; 0 when there is none. */
uint32_t tcp_store_get(const struct tcp_store *st, uint32_t seq, const uint8_t **ret_data);

/* Where the held data that lies behind @seq begins, at least @seq; @end when nothing is held before @end. */
uint32_t tcp_store_next(const struct tcp_store *st, uint32_t seq, uint32_t end);

/* Drops all before @seq. */
void tcp_store_drop(struct tcp_store *st, struct tcp_store_limits *limits, uint32_t seq);

/* The whole range around @seq. Returns false when @seq is not held. */
bool tcp_store_range(const struct tcp_store *st, uint32_t seq, struct tcp_range *ret_range);

/* Gives all back. */
void tcp_store_done(struct tcp_store *st, struct tcp_store_limits *limits);

#endif
