/* nat/tcp_state.c: a connection in saved state.
 *
 * The scoreboard and what is kept out of order are not saved. TCP allows a receiver to drop what it SACKed (RFC 2018 §8),
 * and a sender to send again what it knows nothing of. So a loaded connection has all its unacknowledged data in flight,
 * with a retransmission timer, and begins no recovery from what it knew before.
 *
 * A forged file must not make a connection that asserts, divides by 0, computes with instants out of range, or lives for
 * ever: numbers are bounded, timers are no later than this program would set them, and a state that must end has one.
 *
 * Used by: whoever saves connections.   Depends on: nat/tcp.h, core/state.h. */
#include "nat/tcp.h"

#include "core/state.h"

/* Whole days in flight are no round trip; sums of these stay in range. */
#define ROUND_TRIP_MAX (STATE_TIME_MAX / 8)
#define DELAYED_ACK_MAX (500 * NSEC_PER_MSEC) /* RFC 9293 §3.8.6.3 */

/* Which states need what. */
enum {
	SYN_STATES = 1 << TCPS_SYN_SENT | 1 << TCPS_SYN_RECEIVED,
	OUR_FIN_STATES = 1 << TCPS_FIN_WAIT_1 | 1 << TCPS_FIN_WAIT_2 | 1 << TCPS_CLOSING | 1 << TCPS_LAST_ACK |
			 1 << TCPS_TIME_WAIT,
	OUR_FIN_FLIES = 1 << TCPS_FIN_WAIT_1 | 1 << TCPS_CLOSING | 1 << TCPS_LAST_ACK,
	THEIR_FIN_STATES = 1 << TCPS_CLOSE_WAIT | 1 << TCPS_CLOSING | 1 << TCPS_LAST_ACK | 1 << TCPS_TIME_WAIT,
};

static bool is_in(const struct tcp_conn *c, unsigned states)
{
	return (states >> c->state & 1) != 0;
}

/* An instant that is over. */
static void past(struct state *s, nsec_t *t, nsec_t now)
{
	state_time(s, t, now);
	state_expect(s, *t != INT64_MIN && *t <= now, "an instant that is not over");
}

static void byte_to(struct state *s, uint8_t *v, uint8_t most, const char *what)
{
	uint8_t n = *v;

	state_u8(s, &n);
	state_expect(s, n <= most, what);
	if (state_ok(s))
		*v = n;
}

static void number_to(struct state *s, uint32_t *v, uint32_t most, const char *what)
{
	state_u32(s, v);
	state_expect(s, *v <= most, what);
}

/* An offset from @base, 0 to TCP_WINDOW_MAX. */
static void offset_from(struct state *s, uint32_t *seq, uint32_t base, const char *what)
{
	uint32_t off = *seq - base;

	number_to(s, &off, TCP_WINDOW_MAX, what);
	*seq = base + off;
}

static void describe_modes(struct tcp_conn *c, struct state *s)
{
	byte_to(s, &c->state, TCPS_COUNT - 1, "a TCP state that is none");
	state_expect(s, c->state != TCPS_CLOSED, "a connection that is closed");
	state_u16(s, &c->mtu);
	state_bool(s, &c->is_ip6);
	state_expect(s, c->mtu >= (c->is_ip6 ? 1280 : 576), "an MTU out of its range");
	state_bool(s, &c->is_active);
	state_bool(s, &c->ts_ok);
	state_bool(s, &c->sack_ok);
	state_bool(s, &c->wscale_ok);
	state_bool(s, &c->sink_queued);
	state_bool(s, &c->ack_now);
	state_bool(s, &c->patient);
	state_bool(s, &c->syn_retransmitted);
	state_u8(s, &c->backoff);
	state_u8(s, &c->keep_unanswered);
	byte_to(s, &c->n_challenges, TCP_CHALLENGES_A_SECOND, "too many challenges");
	byte_to(s, &c->snd_wscale, TCP_WSCALE_MAX, "a window scale out of its range");
	byte_to(s, &c->rcv_wscale, TCP_WSCALE_MAX, "a window scale out of its range");
	byte_to(s, &c->reorder_steps, TCP_REORDER_STEPS_MAX, "too much patience");
}

static void describe_congestion(struct tcp_conn *c, struct state *s)
{
	struct tcp_cong *g = &c->cong;

	state_u32(s, &c->mss);
	c->rcv_mss = (uint32_t)c->mtu - (c->is_ip6 ? TCP_IP6_HEADS : TCP_IP4_HEADS);
	if (c->state != TCPS_SYN_SENT)
		state_expect(s, c->mss >= TCP_MSS_LEAST - TCP_TS_LEN && c->mss <= c->rcv_mss,
			     "a segment size out of its range");
	number_to(s, &g->cwnd, TCP_WINDOW_MAX, "a congestion window out of its range");
	number_to(s, &g->ssthresh, TCP_WINDOW_MAX, "a congestion window out of its range");
	state_expect(s, g->cwnd >= c->mss && g->ssthresh >= 2 * c->mss, "a congestion window out of its range");
	number_to(s, &g->prior_cwnd, TCP_WINDOW_MAX, "a congestion window out of its range");
	number_to(s, &g->prior_ssthresh, TCP_WINDOW_MAX, "a congestion window out of its range");
	number_to(s, &g->acked, TCP_WINDOW_MAX, "a congestion window out of its range");
	state_u32(s, &g->recover);
	byte_to(s, &g->mode, TCP_CONG_LOSS, "a congestion mode that is none");
	state_bool(s, &g->limited);
	state_span(s, &c->rtt.srtt, ROUND_TRIP_MAX);
	state_span(s, &c->rtt.rttvar, ROUND_TRIP_MAX);
	state_span(s, &c->rtt.rto, TCP_RTO_MAX);
	state_expect(s, c->rtt.rto >= TCP_RTO_MIN, "a timeout out of its range");
}

static void describe_sender(struct tcp_conn *c, struct state *s, nsec_t now)
{
	state_u32(s, &c->iss);
	state_u32(s, &c->una);
	offset_from(s, &c->nxt, c->una, "more in flight than any window");
	state_bool(s, &c->fin_sent);
	c->fin_seq = c->fin_sent ? c->nxt - 1 : 0;
	state_u32(s, &c->wnd);
	state_u32(s, &c->wnd_max);
	state_expect(s, c->wnd <= c->wnd_max && c->wnd_max <= (uint32_t)UINT16_MAX << TCP_WSCALE_MAX,
		     "a window out of its range");
	state_u32(s, &c->wl1);
	state_u32(s, &c->wl2);
	if (tcp_conn_is_synchronized(c))
		state_expect(s, c->una - c->wl2 <= TCP_WINDOW_MAX, "a window of the future");
	past(s, &c->sent_at, now);
}

static void describe_receiver(struct tcp_conn *c, struct state *s, nsec_t now)
{
	/* Our timestamps go on where they were, whatever the clock says now: the guest drops older ones. */
	uint32_t ms = (uint32_t)(now / NSEC_PER_MSEC), ts = ms + c->ts_offset;

	state_u32(s, &c->irs);
	state_u32(s, &c->rcv_nxt);
	state_u32(s, &c->rcv_adv);
	state_expect(s, c->rcv_adv - c->rcv_nxt + 1 <= TCP_WINDOW_MAX, "a window out of its range");
	state_bool(s, &c->peer_fin);
	state_bool(s, &c->peer_fin_taken);
	if (c->peer_fin)
		offset_from(s, &c->peer_fin_seq, c->rcv_nxt - c->peer_fin_taken, "a FIN that is behind the data");
	number_to(s, &c->space, TCP_WINDOW_MAX, "a sink out of its range");
	number_to(s, &c->unacked, TCP_WINDOW_MAX, "a sink out of its range");
	state_u32(s, &c->last_ack);
	state_u32(s, &c->ts_recent);
	state_u32(s, &ts);
	c->ts_offset = ts - ms;
	past(s, &c->ts_recent_at, now);
	past(s, &c->heard_at, now);
	past(s, &c->challenge_at, now);
}

static void describe_timers(struct tcp_conn *c, struct state *s, nsec_t now)
{
	byte_to(s, &c->timer, TCP_TIMER_COUNT - 1, "a timer that is none");
	state_time(s, &c->timer_at, now);
	state_time(s, &c->rto_at, now);
	state_time(s, &c->delack_at, now);
	state_time(s, &c->time_wait_at, now);
	state_time(s, &c->keep_at, now);
}

/* What belongs together. */
static void check(const struct tcp_conn *c, struct state *s)
{
	state_expect(s, c->fin_sent == is_in(c, OUR_FIN_STATES), "a FIN that does not fit the state");
	state_expect(s, c->peer_fin_taken == is_in(c, THEIR_FIN_STATES), "a FIN that does not fit the state");
	state_expect(s, !c->peer_fin_taken || (c->peer_fin && c->peer_fin_seq == c->rcv_nxt - 1),
		     "a FIN that does not fit the data");
	state_expect(s, !is_in(c, OUR_FIN_FLIES) || c->nxt != c->una, "a FIN that was acknowledged already");
	if (c->state == TCPS_FIN_WAIT_2 || c->state == TCPS_TIME_WAIT)
		state_expect(s, c->nxt == c->una, "data behind a FIN");
	if (!tcp_conn_is_synchronized(c))
		state_expect(s, c->una == c->iss && c->nxt - c->iss == is_in(c, SYN_STATES), "data before it is open");
}

/* A timer that is set fires now at the earliest, and after @most at the latest. */
static void set_within(nsec_t *at, bool is_set, nsec_t now, nsec_t most)
{
	*at = is_set ? nsec_min(nsec_max(*at, now), now + most) : NSEC_NEVER;
}

/* Sets what was not saved, and timers no later than they may be. */
static void complete(struct tcp_conn *c, nsec_t now)
{
	const struct tcp_common *k = c->common;
	bool flies = c->nxt != c->una, waits = c->state == TCPS_TIME_WAIT;
	uint32_t edge = c->wl2 + c->wnd;

	tcp_board_reset(&c->board, c->una);
	if (tcp_conn_is_synchronized(c) && seq_before(edge, c->nxt))
		tcp_board_lose_above(&c->board, seq_max(edge, c->una), c->nxt, now);
	if (c->timer == TCP_TIMER_TAIL) {
		c->timer = TCP_TIMER_RETRANSMIT;
		c->timer_at = c->rto_at;
	}
	if (c->timer == TCP_TIMER_NONE && flies)
		c->timer = TCP_TIMER_RETRANSMIT;
	if (waits || c->state == TCPS_FIN_WAIT_2 || c->state <= TCPS_CONNECTING)
		c->timer = TCP_TIMER_NONE;
	set_within(&c->timer_at, c->timer != TCP_TIMER_NONE, now, TCP_RTO_MAX);
	set_within(&c->time_wait_at, waits, now, k->time_wait);
	set_within(&c->keep_at, tcp_conn_is_synchronized(c) && !waits && k->keep_idle != NSEC_NEVER, now, k->keep_idle);
	set_within(&c->delack_at, c->delack_at != NSEC_NEVER, now, DELAYED_ACK_MAX);
}

void tcp_conn_state(struct tcp_conn *c, struct state *s, nsec_t now)
{
	struct tcp_common *common = c->common;
	void *ctx = c->ctx;

	if (state_is_load(s))
		*c = (struct tcp_conn){ .common = common,
					.ctx = ctx,
					.rtt_at = NSEC_NEVER,
					.undo_ts_at = NSEC_NEVER,
					.reorder_at = NSEC_NEVER };
	describe_modes(c, s);
	describe_congestion(c, s);
	describe_sender(c, s, now);
	describe_receiver(c, s, now);
	describe_timers(c, s, now);
	check(c, s);
	if (!state_is_load(s))
		return;
	if (state_ok(s))
		complete(c, now);
	else
		tcp_conn_stop(c);
}
