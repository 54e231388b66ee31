/* nat/tcp_ack.c: acknowledgements: round trips, SACK, duplicate ACKs, the start and end of recovery.
 *
 * A guest with SACK is judged by its holes (nat/tcp_board.h). One without is judged by duplicate ACKs (RFC 6582).
 * Links reorder on purpose. So a path that was seen to reorder is judged by time: a hole may wait a quarter of a round
 * trip, and a quarter more each time a DSACK tells that a retransmission was for nothing. A recovery or timeout that
 * turns out to be for nothing is undone: all that was sent again came twice (DSACK), or the ACK echoes a timestamp
 * from before the retransmission (RFC 3522).
 *
 * Used by: nat/tcp_input.c, nat/tcp.c.   Depends on: nat/tcp_conn.h, nat/tcp_output.h.
 * Sources: RFC 5681, 6298, 6582, 6675, 7323 §4, 2883, 3522, 8985. */
#include "nat/tcp_ack.h"

#include "nat/tcp_output.h"

enum { DUP_ACKS = 3 };

static nsec_t reorder_window(const struct tcp_conn *c)
{
	return nsec_max(c->rtt.srtt / 4 * (1 + c->reorder_steps), NSEC_PER_MSEC);
}

static void undo(struct tcp_conn *c, nsec_t now)
{
	if (c->cong.mode != TCP_CONG_OPEN)
		tcp_board_unlose(&c->board, c->nxt, now);
	tcp_cong_undo(&c->cong);
	c->undo_bytes = 0;
	c->undo_ts_at = NSEC_NEVER;
	c->common->count.n_undone++;
}

static void be_patient(struct tcp_conn *c)
{
	c->patient = true;
	if (c->reorder_steps < TCP_REORDER_STEPS_MAX)
		c->reorder_steps++;
}

/* The first ACK after a retransmission answers what was sent before it.   Source: RFC 3522 §3.2 */
static bool was_spurious(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (c->cong.mode == TCP_CONG_OPEN || c->undo_ts_at == NSEC_NEVER || c->undo_ts_at == TCP_UNDO_ARMED ||
	    c->backoff > 1)
		return false;
	return c->ts_ok && seg->opt.has_ts && seq_before(seg->opt.ts_ecr, tcp_output_ts(c, c->undo_ts_at));
}

/* A duplicate ACK's first range may tell of data that came twice.   Source: RFC 2883 §4 */
static bool has_dsack(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	const struct tcp_range *r = seg->opt.sack;

	if (!c->sack_ok || !seg->opt.n_sack || !seq_before(r->start, r->end))
		return false;
	if (seq_before(r->start, seg->ack))
		return true;
	return seg->opt.n_sack > 1 && !seq_before(r->start, r[1].start) && !seq_after(r->end, r[1].end);
}

static void take_dsack(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	uint32_t len = seg->opt.sack[0].end - seg->opt.sack[0].start;

	if (!has_dsack(c, seg) || !c->undo_bytes)
		return;
	be_patient(c);
	c->undo_bytes -= len < c->undo_bytes ? len : c->undo_bytes;
	if (!c->undo_bytes)
		undo(c, now);
}

/* Returns how many bytes are newly known to have arrived. */
static uint32_t take_sacks(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	uint32_t n_new = 0;

	if (!c->sack_ok || !seg->opt.n_sack)
		return 0;
	take_dsack(c, seg, now);
	for (size_t i = 0; i < seg->opt.n_sack; i++)
		n_new += tcp_board_sack(&c->board, c->una, c->nxt, seg->opt.sack[i], now);
	return n_new;
}

static void begin_recovery(struct tcp_conn *c, nsec_t now)
{
	tcp_cong_recover(&c->cong, c->nxt - c->una, c->mss, c->nxt);
	c->undo_bytes = 0;
	c->undo_ts_at = TCP_UNDO_ARMED;
	c->retransmit_now = true;
	c->tail_probed = false;
	c->timer = TCP_TIMER_RETRANSMIT;
	c->timer_at = now + tcp_rtt_timeout(&c->rtt, c->backoff);
	c->common->count.n_recoveries++;
}

void tcp_ack_find_losses(struct tcp_conn *c, nsec_t now)
{
	uint32_t n_lost;

	c->patient |= c->board.reordered;
	c->reorder_at = NSEC_NEVER;
	if (!c->sack_ok)
		return;
	n_lost = tcp_board_mark(&c->board, c->mss, c->patient, reorder_window(c), c->rtt.srtt, now, &c->reorder_at);
	if (n_lost && c->cong.mode == TCP_CONG_OPEN)
		begin_recovery(c, now);
}

static void sample_rtt(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	if (c->rtt_at != NSEC_NEVER) {
		if (seq_before(seg->ack, c->rtt_seq))
			return;
		if (now > c->rtt_at)
			tcp_rtt_sample(&c->rtt, now - c->rtt_at);
		c->rtt_at = NSEC_NEVER;
	} else if (c->ts_ok && seg->opt.has_ts && seg->opt.ts_ecr) {
		uint32_t ms = tcp_output_ts(c, now) - seg->opt.ts_ecr;

		/* A guest may echo anything. */
		if (ms < (uint32_t)(TCP_RTO_MAX / NSEC_PER_MSEC))
			tcp_rtt_sample(&c->rtt, nsec_max(ms * NSEC_PER_MSEC, NSEC_PER_MSEC));
	}
}

/* @acked new bytes were acknowledged in a recovery, or after a timeout. */
static void go_on_recovering(struct tcp_conn *c, uint32_t acked)
{
	if (!seq_before(c->una, c->cong.recover)) {
		c->cong.mode = TCP_CONG_OPEN;
		c->dup_acks = 0;
		c->undo_ts_at = NSEC_NEVER;
		return;
	}
	if (c->sack_ok || c->cong.mode != TCP_CONG_RECOVERY)
		return;
	/* A partial ACK: the next segment is lost, too.   Source: RFC 6582 §3.2 step 3 */
	acked = (acked + c->mss - 1) / c->mss;
	c->dup_acks -= acked < c->dup_acks ? acked : c->dup_acks;
	tcp_board_lose_first(&c->board, c->una, c->nxt, c->mss);
	c->retransmit_now = true;
}

static void take_new(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	uint32_t acked = seg->ack - c->una, n_data = acked;

	if (was_spurious(c, seg)) {
		if (c->cong.mode == TCP_CONG_RECOVERY)
			be_patient(c);
		undo(c, now);
	}
	if (c->undo_ts_at != TCP_UNDO_ARMED)
		c->undo_ts_at = NSEC_NEVER; /* only the first ACK tells */
	if (c->fin_sent && seg->ack == c->fin_seq + 1)
		n_data--;
	sample_rtt(c, seg, now);
	c->una = seg->ack;
	tcp_board_advance(&c->board, c->una);
	if (n_data)
		c->common->ops->consumed(c->ctx, n_data);
	c->backoff = 0;
	if (c->cong.mode == TCP_CONG_OPEN)
		c->dup_acks = 0;
	tcp_cong_acked(&c->cong, acked, c->mss);
	if (c->cong.mode != TCP_CONG_OPEN)
		go_on_recovering(c, acked);
	c->timer = TCP_TIMER_NONE; /* tcp_output() starts it anew.   RFC 6298 §5.3 */
	c->timer_at = NSEC_NEVER;
}

/* RFC 5681 §2's definition; a guest with SACK tells more. */
static void take_duplicate(struct tcp_conn *c, nsec_t now)
{
	if (c->sack_ok || c->cong.mode == TCP_CONG_LOSS)
		return;
	if ((uint64_t)c->dup_acks * c->mss < c->nxt - c->una) /* no more of them can have arrived */
		c->dup_acks++;
	if (c->dup_acks != DUP_ACKS || c->cong.mode != TCP_CONG_OPEN || seq_before(c->una, c->cong.recover))
		return;
	tcp_board_lose_first(&c->board, c->una, c->nxt, c->mss);
	begin_recovery(c, now);
}

void tcp_ack_window(struct tcp_conn *c, const struct tcp_segment *seg, bool is_keep_alive, nsec_t now)
{
	uint32_t wnd = (uint32_t)seg->window << (c->wscale_ok ? c->snd_wscale : 0), edge = seg->ack + wnd;
	bool was_closed = c->wl2 + c->wnd == c->una;

	if (is_keep_alive) {
		/* Its number is old on purpose; it may open the window, but not shut it. */
		if (seg->ack != c->una || !seq_after(edge, c->wl2 + c->wnd))
			return;
	} else if (!seq_before(seg->seq, c->wl1) && (seg->seq != c->wl1 || !seq_before(seg->ack, c->wl2))) {
		c->wl1 = seg->seq;
	} else {
		return;
	}
	c->wnd = wnd;
	c->wl2 = seg->ack;
	c->wnd_max = wnd > c->wnd_max ? wnd : c->wnd_max;
	if (seq_before(edge, c->nxt)) {
		/* The window shrank: what lies behind it was dropped. It is sent again when there is room. */
		tcp_board_lose_above(&c->board, seq_max(edge, c->una), c->nxt, now);
		c->rtt_at = NSEC_NEVER;
	} else if (was_closed && wnd) {
		c->backoff = 0;
		c->timer = TCP_TIMER_NONE;
		c->timer_at = NSEC_NEVER;
	}
}

/* What @seg tells of the tail's probe. A probe that filled a hole has hidden a loss, which counts all the same: data
 * behind it was acknowledged, and nothing told that it came twice.   Source: RFC 8985 §7.4.2 */
static void take_tail_answer(struct tcp_conn *c, const struct tcp_segment *seg, bool is_new)
{
	if (!c->tail_probed || seq_before(seg->ack, c->tail_end))
		return;
	if (!c->tail_again || (has_dsack(c, seg) && !seq_before(seg->opt.sack[0].end + c->fin_sent, c->tail_end))) {
		c->tail_probed = false;
	} else if (seq_after(seg->ack, c->tail_end)) {
		c->tail_probed = false;
		tcp_cong_repaired(&c->cong, c->nxt - c->una, c->mss);
		c->common->count.n_tail_losses++;
	} else if (!is_new && !tcp_segment_span(seg) && !seg->opt.n_sack) {
		c->tail_probed = false; /* one ACK for the data, one for the probe */
	}
}

void tcp_ack(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	uint32_t old_wnd = c->wnd, old_una = c->una;
	bool is_new = seq_after(seg->ack, c->una);

	take_tail_answer(c, seg, is_new);
	if (is_new)
		take_new(c, seg, now);
	take_sacks(c, seg, now);
	tcp_ack_window(c, seg, false, now);
	if (!is_new && seg->ack == old_una && c->nxt != c->una && !tcp_segment_span(seg) && c->wnd == old_wnd)
		take_duplicate(c, now);
	tcp_ack_find_losses(c, now);
}

void tcp_ack_timeout(struct tcp_conn *c)
{
	bool again = c->cong.mode == TCP_CONG_LOSS && c->backoff > 0;

	c->common->count.n_timeouts++;
	c->dup_acks = 0;
	c->reorder_at = NSEC_NEVER;
	c->rtt_at = NSEC_NEVER;
	c->tail_probed = false;
	if (!again) {
		c->undo_bytes = 0;
		c->undo_ts_at = TCP_UNDO_ARMED;
	}
	tcp_cong_timeout(&c->cong, c->nxt - c->una, c->mss, c->nxt, again);
	tcp_board_lose_all(&c->board, c->una, c->nxt, !again && !tcp_board_reneged(&c->board, c->una));
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	c->timer = TCP_TIMER_NONE;
	c->timer_at = NSEC_NEVER;
}
