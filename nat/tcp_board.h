/* nat/tcp_board.h: what of the data in flight is missing at the receiver: the scoreboard of SACK recovery.
 *
 * Bytes from the oldest unacknowledged one (@una) up to @fack are either received (SACKed) or in a hole; bytes behind
 * @fack were sent once and nothing is known of them. A hole is in one of three states:
 *
 *	WAITS	sent once; data behind it arrived, it may only be late
 *	LOST	to be sent again; not counted as in flight
 *	SENT	sent again; @marker is what was the next new byte then
 *
 * All retransmission goes through holes, so a timeout is one hole that is LOST, and a peer without SACK has one hole
 * of a segment. A board without holes needs no memory of its own; beyond two of them the table is on the heap, and is
 * given back when the last hole is filled. At TCP_HOLES_MAX, or without memory, a SACK that needs another hole is
 * ignored: its data is sent again in the end.
 *
 * Used by: nat/tcp_ack.c, nat/tcp_output.c.   Depends on: nat/tcp_segment.h, core/clock.h.
 * Sources: RFC 6675; RFC 8985 for the time a hole may wait. */
#ifndef MUSTER_NAT_TCP_BOARD_H
#define MUSTER_NAT_TCP_BOARD_H

#include "core/clock.h"
#include "nat/tcp_segment.h"

enum { TCP_HOLES_FEW = 2, TCP_HOLES_MAX = 1024 };

enum tcp_hole_state { TCP_HOLE_WAITS, TCP_HOLE_LOST, TCP_HOLE_SENT };

struct tcp_hole {
	uint32_t start, end;
	uint32_t marker;
	uint8_t state; /* enum tcp_hole_state */
	nsec_t at; /* WAITS: when it was noticed. SENT: when it was sent last. */
};

struct tcp_board {
	struct tcp_hole *many; /* owned; NULL: @few holds them */
	struct tcp_hole few[TCP_HOLES_FEW];
	uint32_t fack; /* behind the highest byte that is known of; never before una */
	uint16_t n, size;
	bool reordered; /* data that was never sent again filled a hole */
};

/* Forgets all; gives memory back. @una: the oldest byte in flight, or the next to be sent. */
void tcp_board_reset(struct tcp_board *b, uint32_t una);

static inline struct tcp_hole *tcp_board_holes(struct tcp_board *b)
{
	return b->many ? b->many : b->few;
}

/* The receiver has @range. @una: the oldest unacknowledged byte; @nxt: the next new one. A range that is not between
 * them is ignored. Returns how many bytes are newly known to be there. */
uint32_t tcp_board_sack(struct tcp_board *b, uint32_t una, uint32_t nxt, struct tcp_range range, nsec_t now);

/* All before @una was acknowledged. */
void tcp_board_advance(struct tcp_board *b, uint32_t una);

/* Bytes that are thought to be in flight.   Source: RFC 6675 §4, SetPipe() */
uint32_t tcp_board_pipe(struct tcp_board *b, uint32_t nxt);

/* Bytes the receiver has behind @una. */
uint32_t tcp_board_sacked(struct tcp_board *b, uint32_t una);

/* Finds holes that are lost: three segments behind one arrived (RFC 6675 §4, IsLost()), unless reordering was seen
 * (@patient), or it waited for @reorder_window. A hole that was sent again is lost again when three segments that
 * were sent later arrived and @srtt passed.
 * @ret_next: when a hole's wait ends; NSEC_NEVER when none waits.
 * Returns how many bytes were newly found lost. */
uint32_t tcp_board_mark(struct tcp_board *b, uint32_t mss, bool patient, nsec_t reorder_window, nsec_t srtt, nsec_t now,
			nsec_t *ret_next);

/* All that is not known to have arrived is lost (a timeout). @keep_sacks: false forgets what was SACKed, too, which
 * the receiver may have dropped (RFC 2018 §8). */
void tcp_board_lose_all(struct tcp_board *b, uint32_t una, uint32_t nxt, bool keep_sacks);

/* What lies behind @edge is lost: the receiver's window does not reach there any more. */
void tcp_board_lose_above(struct tcp_board *b, uint32_t edge, uint32_t nxt, nsec_t now);

/* The first @len bytes in flight are lost (three duplicate ACKs of a peer without SACK). */
void tcp_board_lose_first(struct tcp_board *b, uint32_t una, uint32_t nxt, uint32_t len);

/* Lost holes are in flight after all: what found them lost was wrong. */
void tcp_board_unlose(struct tcp_board *b, uint32_t nxt, nsec_t now);

/* The lowest hole that is lost; NULL: none. Borrowed until the board changes. */
struct tcp_hole *tcp_board_lost(struct tcp_board *b);

/* @hole was sent up to @end, which is in it or its end. @nxt: the next new byte.
 * Returns false when the table has no room to split it: nothing was changed, and nothing may be sent. */
bool tcp_board_sent(struct tcp_board *b, struct tcp_hole *hole, uint32_t end, uint32_t nxt, nsec_t now);

/* True when the byte at @una was SACKed but is not acknowledged: the receiver dropped it. */
bool tcp_board_reneged(struct tcp_board *b, uint32_t una);

#endif
