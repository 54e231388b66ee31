/* nat/tcp_store.c: a sorted list of chunks. A chunk grows while data follows it without a gap, so that a long run
 * behind one lost segment is a few chunks.
 *
 * Used by: nat/tcp_input.c, nat/tcp_output.c.   Depends on: nat/tcp_segment.h. */
#include "nat/tcp_store.h"

#include <stdlib.h>
#include <string.h>

struct tcp_chunk {
	struct tcp_chunk *next;
	uint32_t start, len, size;
	uint8_t data[];
};

static inline uint32_t chunk_end(const struct tcp_chunk *k)
{
	return k->start + k->len;
}

static bool charge(struct tcp_store *st, struct tcp_store_limits *limits, size_t bytes)
{
	if (st->bytes + bytes > limits->conn_max || limits->bytes + bytes > limits->bytes_max)
		return false;
	st->bytes += (uint32_t)bytes;
	limits->bytes += bytes;
	return true;
}

static void refund(struct tcp_store *st, struct tcp_store_limits *limits, size_t bytes)
{
	st->bytes -= (uint32_t)bytes;
	limits->bytes -= bytes;
}

/* Appends to @*at, which ends where @data begins. */
static bool append(struct tcp_store *st, struct tcp_store_limits *limits, struct tcp_chunk **at, const uint8_t *data,
		   uint32_t len)
{
	struct tcp_chunk *k = *at;
	uint32_t size = k->size;

	if (k->len + len > TCP_CHUNK_SIZE_MAX)
		return false;
	while (size < k->len + len)
		size *= 2;
	if (size != k->size) {
		uint32_t more = size - k->size;

		if (!charge(st, limits, more))
			return false;
		k = realloc(k, sizeof *k + size);
		if (!k) {
			refund(st, limits, more);
			return false;
		}
		k->size = size;
		*at = k;
	}
	memcpy(k->data + k->len, data, len);
	k->len += len;
	return true;
}

static bool insert(struct tcp_store *st, struct tcp_store_limits *limits, struct tcp_chunk **at, uint32_t seq,
		   const uint8_t *data, uint32_t len)
{
	struct tcp_chunk *k;

	if (st->n >= TCP_CHUNKS_MAX || !charge(st, limits, sizeof *k + len))
		return false;
	k = malloc(sizeof *k + len);
	if (!k) {
		refund(st, limits, sizeof *k + len);
		return false;
	}
	k->next = *at;
	k->start = seq;
	k->len = k->size = len;
	memcpy(k->data, data, len);
	*at = k;
	st->n++;
	return true;
}

uint32_t tcp_store_put(struct tcp_store *st, struct tcp_store_limits *limits, uint32_t seq, const uint8_t *data,
		       uint32_t len, uint32_t *ret_new)
{
	struct tcp_chunk **at = &st->first, **before = NULL;
	uint32_t n_dropped = 0;

	*ret_new = 0;
	while (len) {
		uint32_t piece = len;

		while (*at && !seq_after(chunk_end(*at), seq)) {
			before = at;
			at = &(*at)->next;
		}
		if (*at && !seq_after((*at)->start, seq)) { /* there already */
			piece = chunk_end(*at) - seq;
			piece = piece < len ? piece : len;
		} else {
			if (*at && (*at)->start - seq < len)
				piece = (*at)->start - seq;
			if (before && chunk_end(*before) == seq && append(st, limits, before, data, piece))
				*ret_new += piece;
			else if (insert(st, limits, before ? &(*before)->next : &st->first, seq, data, piece))
				*ret_new += piece;
			else
				n_dropped += piece;
			/* The list changed: the place is looked for again from the chunk before. */
			at = before ? before : &st->first;
		}
		seq += piece;
		data += piece;
		len -= piece;
	}
	limits->n_dropped += n_dropped > 0;
	return n_dropped;
}

uint32_t tcp_store_get(const struct tcp_store *st, uint32_t seq, const uint8_t **ret_data)
{
	const struct tcp_chunk *k = st->first;

	if (!k || seq_after(k->start, seq) || !seq_after(chunk_end(k), seq))
		return 0;
	*ret_data = k->data + (seq - k->start);
	return chunk_end(k) - seq;
}

uint32_t tcp_store_next(const struct tcp_store *st, uint32_t seq, uint32_t end)
{
	for (const struct tcp_chunk *k = st->first; k && seq_before(k->start, end); k = k->next)
		if (seq_after(chunk_end(k), seq))
			return seq_max(k->start, seq);
	return end;
}

void tcp_store_drop(struct tcp_store *st, struct tcp_store_limits *limits, uint32_t seq)
{
	struct tcp_chunk *k;

	while ((k = st->first) && !seq_after(chunk_end(k), seq)) {
		st->first = k->next;
		refund(st, limits, sizeof *k + k->size);
		st->n--;
		free(k);
	}
}

bool tcp_store_range(const struct tcp_store *st, uint32_t seq, struct tcp_range *ret_range)
{
	const struct tcp_chunk *k = st->first;
	struct tcp_range range;

	while (k) {
		range = (struct tcp_range){ k->start, chunk_end(k) };
		for (k = k->next; k && k->start == range.end; k = k->next)
			range.end = chunk_end(k);
		if (!seq_after(range.start, seq) && seq_after(range.end, seq)) {
			*ret_range = range;
			return true;
		}
	}
	return false;
}

void tcp_store_done(struct tcp_store *st, struct tcp_store_limits *limits)
{
	struct tcp_chunk *k;

	while ((k = st->first)) {
		st->first = k->next;
		refund(st, limits, sizeof *k + k->size);
		free(k);
	}
	st->n = 0;
}
