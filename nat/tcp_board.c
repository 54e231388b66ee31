/* nat/tcp_board.c: the scoreboard: a sorted table of holes.
 *
 * Used by: nat/tcp_ack.c, nat/tcp_output.c.   Depends on: nat/tcp_segment.h.
 * Sources: RFC 6675 §4; RFC 8985 §6.2; RFC 2018 §8. */
#include "nat/tcp_board.h"

#include <stdlib.h>
#include <string.h>

/* RFC 6675 §2: DupThresh. */
enum { DUP_THRESH = 3, FIRST_SIZE = 16 };

void tcp_board_reset(struct tcp_board *b, uint32_t una)
{
	free(b->many);
	b->many = NULL;
	b->n = 0;
	b->size = TCP_HOLES_FEW;
	b->fack = una;
}

static bool grow(struct tcp_board *b)
{
	uint16_t size = b->many ? (uint16_t)(b->size * 2) : FIRST_SIZE;
	struct tcp_hole *many;

	if (size > TCP_HOLES_MAX)
		return false;
	many = realloc(b->many, size * sizeof *many);
	if (!many)
		return false;
	if (!b->many)
		memcpy(many, b->few, b->n * sizeof *many);
	b->many = many;
	b->size = size;
	return true;
}

/* Makes room for a hole at place @i. */
static bool insert(struct tcp_board *b, size_t i, struct tcp_hole hole)
{
	struct tcp_hole *h;

	if (b->n >= b->size && !grow(b))
		return false;
	h = tcp_board_holes(b);
	memmove(&h[i + 1], &h[i], (b->n - i) * sizeof *h);
	h[i] = hole;
	b->n++;
	return true;
}

static void remove_at(struct tcp_board *b, size_t i)
{
	struct tcp_hole *h = tcp_board_holes(b);

	memmove(&h[i], &h[i + 1], (b->n - i - 1u) * sizeof *h);
	b->n--;
}

/* Takes @range, which lies below fack, out of the holes. */
static uint32_t fill(struct tcp_board *b, struct tcp_range range)
{
	uint32_t n_new = 0;

	for (size_t i = 0; i < b->n;) {
		struct tcp_hole *h = &tcp_board_holes(b)[i];
		uint32_t from = seq_max(h->start, range.start), to = seq_min(h->end, range.end);

		if (!seq_before(h->start, range.end))
			break;
		if (!seq_before(from, to)) {
			i++;
			continue;
		}
		if (from != h->start && to != h->end) {
			struct tcp_hole rest = *h;

			rest.start = to;
			if (!insert(b, i + 1, rest))
				return n_new;
			h = &tcp_board_holes(b)[i];
		}
		n_new += to - from;
		b->reordered |= h->state == TCP_HOLE_WAITS;
		if (from != h->start) {
			h->end = from;
			i++;
		} else if (to != h->end) {
			h->start = to;
		} else {
			remove_at(b, i);
		}
	}
	return n_new;
}

uint32_t tcp_board_sack(struct tcp_board *b, uint32_t una, uint32_t nxt, struct tcp_range range, nsec_t now)
{
	uint32_t n_new = 0;

	if (!seq_before(range.start, range.end) || seq_before(range.start, una) || seq_after(range.end, nxt))
		return 0;
	if (seq_before(range.start, b->fack))
		n_new = fill(b, (struct tcp_range){ range.start, seq_min(range.end, b->fack) });
	if (!seq_after(range.end, b->fack))
		return n_new;
	if (seq_after(range.start, b->fack) &&
	    !insert(b, b->n,
		    (struct tcp_hole){ .start = b->fack, .end = range.start, .state = TCP_HOLE_WAITS, .at = now }))
		return n_new;
	n_new += range.end - seq_max(range.start, b->fack);
	b->fack = range.end;
	return n_new;
}

void tcp_board_advance(struct tcp_board *b, uint32_t una)
{
	while (b->n) {
		struct tcp_hole *h = tcp_board_holes(b);

		if (!seq_before(h->start, una))
			break;
		/* Nothing but its own late arrival acknowledges a hole that was sent once. */
		b->reordered |= h->state == TCP_HOLE_WAITS;
		if (seq_after(h->end, una)) {
			h->start = una;
			break;
		}
		remove_at(b, 0);
	}
	if (!seq_before(una, b->fack))
		tcp_board_reset(b, una);
}

uint32_t tcp_board_pipe(struct tcp_board *b, uint32_t nxt)
{
	const struct tcp_hole *h = tcp_board_holes(b);
	uint32_t pipe = nxt - b->fack;

	for (size_t i = 0; i < b->n; i++)
		if (h[i].state != TCP_HOLE_LOST)
			pipe += h[i].end - h[i].start;
	return pipe;
}

uint32_t tcp_board_sacked(struct tcp_board *b, uint32_t una)
{
	const struct tcp_hole *h = tcp_board_holes(b);
	uint32_t sacked = b->fack - una;

	for (size_t i = 0; i < b->n; i++)
		sacked -= h[i].end - h[i].start;
	return sacked;
}

/* When a hole that waits counts as lost. */
static nsec_t waits_until(const struct tcp_hole *h, bool enough_above, bool patient, nsec_t reorder_window)
{
	return enough_above && !patient ? INT64_MIN : h->at + reorder_window;
}

uint32_t tcp_board_mark(struct tcp_board *b, uint32_t mss, bool patient, nsec_t reorder_window, nsec_t srtt, nsec_t now,
			nsec_t *ret_next)
{
	struct tcp_hole *h = tcp_board_holes(b);
	uint32_t above = 0, ranges = 0, n_lost = 0, behind = b->fack;

	*ret_next = NSEC_NEVER;
	for (size_t i = b->n; i-- > 0; behind = h[i].start) {
		bool enough_above;

		above += behind - h[i].end;
		ranges += behind != h[i].end;
		enough_above = above > (DUP_THRESH - 1) * mss || ranges >= DUP_THRESH;
		if (h[i].state == TCP_HOLE_WAITS && above) {
			nsec_t until = waits_until(&h[i], enough_above, patient, reorder_window);

			if (until > now) {
				*ret_next = nsec_min(*ret_next, until);
				continue;
			}
		} else if (h[i].state != TCP_HOLE_SENT || now < h[i].at + srtt ||
			   !seq_after(b->fack, h[i].marker + (DUP_THRESH - 1) * mss)) {
			continue;
		}
		h[i].state = TCP_HOLE_LOST;
		n_lost += h[i].end - h[i].start;
	}
	return n_lost;
}

void tcp_board_lose_all(struct tcp_board *b, uint32_t una, uint32_t nxt, bool keep_sacks)
{
	struct tcp_hole *h;

	if (!keep_sacks)
		tcp_board_reset(b, una);
	tcp_board_lose_above(b, una, nxt, 0);
	/* Holes that touch become one, so that the table stays small. */
	h = tcp_board_holes(b);
	for (size_t i = 1; i < b->n;) {
		if (h[i - 1].end != h[i].start) {
			i++;
			continue;
		}
		h[i - 1].end = h[i].end;
		remove_at(b, i);
	}
}

void tcp_board_lose_above(struct tcp_board *b, uint32_t edge, uint32_t nxt, nsec_t now)
{
	struct tcp_hole rest = { .start = seq_max(b->fack, edge), .end = nxt, .state = TCP_HOLE_LOST };

	if (seq_before(rest.start, nxt)) {
		/* Between fack and the edge nothing is known: that part goes on to wait. */
		if (rest.start != b->fack &&
		    insert(b, b->n,
			   (struct tcp_hole){
				   .start = b->fack, .end = rest.start, .state = TCP_HOLE_WAITS, .at = now }))
			b->fack = rest.start;
		rest.start = b->fack;
		if (insert(b, b->n, rest))
			b->fack = nxt;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct tcp_hole *h = &tcp_board_holes(b)[i];

		if (!seq_after(h->end, edge) || h->state == TCP_HOLE_LOST)
			continue;
		h->state = TCP_HOLE_LOST;
	}
}

void tcp_board_lose_first(struct tcp_board *b, uint32_t una, uint32_t nxt, uint32_t len)
{
	tcp_board_reset(b, una);
	b->fack = seq_min(una + len, nxt);
	b->few[0] = (struct tcp_hole){ .start = una, .end = b->fack, .state = TCP_HOLE_LOST };
	b->n = b->fack != una;
}

void tcp_board_unlose(struct tcp_board *b, uint32_t nxt, nsec_t now)
{
	struct tcp_hole *h = tcp_board_holes(b);

	for (size_t i = 0; i < b->n; i++)
		if (h[i].state == TCP_HOLE_LOST) {
			h[i].state = TCP_HOLE_SENT;
			h[i].marker = nxt;
			h[i].at = now;
		}
}

struct tcp_hole *tcp_board_lost(struct tcp_board *b)
{
	struct tcp_hole *h = tcp_board_holes(b);

	for (size_t i = 0; i < b->n; i++)
		if (h[i].state == TCP_HOLE_LOST)
			return &h[i];
	return NULL;
}

bool tcp_board_sent(struct tcp_board *b, struct tcp_hole *hole, uint32_t end, uint32_t nxt, nsec_t now)
{
	struct tcp_hole *h = tcp_board_holes(b);
	size_t i = (size_t)(hole - h);
	struct tcp_hole sent = { .start = hole->start, .end = end, .marker = nxt, .state = TCP_HOLE_SENT, .at = now };

	if (i > 0 && h[i - 1].state == TCP_HOLE_SENT && h[i - 1].end == hole->start && h[i - 1].at == now) {
		h[i - 1].end = end;
		h[i - 1].marker = nxt;
		hole->start = end;
		if (hole->start == hole->end)
			remove_at(b, i);
		return true;
	}
	if (end == hole->end) {
		*hole = sent;
		return true;
	}
	if (!insert(b, i, sent))
		return false;
	tcp_board_holes(b)[i + 1].start = end;
	return true;
}

bool tcp_board_reneged(struct tcp_board *b, uint32_t una)
{
	return seq_before(una, b->fack) && (!b->n || tcp_board_holes(b)->start != una);
}
