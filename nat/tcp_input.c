/* nat/tcp_input.c: the steps of RFC 9293 §3.10.7 for a segment that arrives, hardened as RFC 5961 asks.
 *
 * Used by: nat/tcp.c.   Depends on: nat/tcp_conn.h, nat/tcp_ack.h, nat/tcp_output.h.
 * Sources: RFC 9293 §3.10.7; RFC 5961 §3 to §5; RFC 7323 §5 (PAWS); RFC 6191 (TIME-WAIT). */
#include "nat/tcp_input.h"

#include "nat/tcp_ack.h"
#include "nat/tcp_output.h"

enum { MSS_DEFAULT_IP4 = 536, MSS_DEFAULT_IP6 = 1220 }; /* RFC 9293 §3.7.1 */
#define DELAYED_ACK (40 * NSEC_PER_MSEC)
/* RFC 7323 §5.5 */
#define TS_VALID (24 * 24 * 3600 * NSEC_PER_SEC)

void tcp_input_syn(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	uint32_t most = c->rcv_mss, mss = seg->opt.mss;

	c->irs = seg->seq;
	c->rcv_nxt = seg->seq + 1;
	c->rcv_adv = c->rcv_nxt + (c->space < 65535 ? c->space : 65535);
	c->last_ack = c->rcv_nxt;
	c->wnd = c->wnd_max = seg->window; /* never scaled in a SYN */
	c->wl1 = seg->seq;
	c->ts_ok &= seg->opt.has_ts;
	c->sack_ok &= seg->opt.sack_permitted;
	c->wscale_ok &= seg->opt.has_wscale;
	c->snd_wscale = seg->opt.wscale;
	if (c->ts_ok) {
		c->ts_recent = seg->opt.ts_val;
		c->ts_recent_at = now;
	}
	if (!mss)
		mss = c->is_ip6 ? MSS_DEFAULT_IP6 : MSS_DEFAULT_IP4;
	mss = mss < TCP_MSS_LEAST ? TCP_MSS_LEAST : mss;
	c->mss = (mss < most ? mss : most) - (c->ts_ok ? TCP_TS_LEN : 0);
	tcp_cong_init(&c->cong, c->mss);
}

static void end_by(struct tcp_conn *c, enum tcp_event event)
{
	tcp_conn_stop(c);
	tcp_conn_event(c, event);
}

static void become_open(struct tcp_conn *c, nsec_t now)
{
	tcp_conn_set_state(c, TCPS_ESTABLISHED);
	tcp_board_reset(&c->board, c->una);
	c->cong.recover = c->una;
	if (c->syn_retransmitted) {
		/* RFC 6298 §5.7, RFC 5681 §3.1: the path is slow, or loses. */
		c->rtt.rto = nsec_max(c->rtt.rto, 3 * NSEC_PER_SEC);
		c->cong.cwnd = c->mss;
	}
	c->backoff = 0;
	c->timer = TCP_TIMER_NONE;
	c->timer_at = NSEC_NEVER;
	c->keep_at = c->common->keep_idle == NSEC_NEVER ? NSEC_NEVER : now + c->common->keep_idle;
	tcp_conn_event(c, TCP_EVENT_OPEN);
}

static void sample_handshake(struct tcp_conn *c, nsec_t now)
{
	if (!c->syn_retransmitted && now > c->sent_at)
		tcp_rtt_sample(&c->rtt, now - c->sent_at);
}

static enum tcp_verdict input_connecting(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	if (seg->flags & TCPF_RST) {
		if (seg->seq != c->rcv_nxt && seg->seq != c->irs)
			return TCP_DROPPED;
		end_by(c, TCP_EVENT_RESET);
		return TCP_TAKEN;
	}
	if (!(seg->flags & TCPF_SYN) || (seg->flags & TCPF_ACK))
		return TCP_DROPPED;
	if (seg->seq != c->irs) /* the guest began anew */
		tcp_input_syn(c, seg, now);
	return TCP_TAKEN; /* a retry waits for the other side like the first */
}

/* Source: RFC 9293 §3.10.7.3 */
static enum tcp_verdict input_syn_sent(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	bool has_ack = seg->flags & TCPF_ACK;

	if (has_ack && seg->ack != c->nxt) {
		if (!(seg->flags & TCPF_RST))
			tcp_output_reset(c, seg->ack, 0, false);
		return TCP_DROPPED;
	}
	if (seg->flags & TCPF_RST) {
		if (!has_ack)
			return TCP_DROPPED;
		end_by(c, TCP_EVENT_RESET);
		return TCP_TAKEN;
	}
	if (!(seg->flags & TCPF_SYN))
		return TCP_DROPPED;
	tcp_input_syn(c, seg, now);
	if (!has_ack) {
		tcp_conn_set_state(c, TCPS_SYN_RECEIVED);
		tcp_output_syn(c, now);
		return TCP_TAKEN;
	}
	c->una = seg->ack;
	c->wl2 = seg->ack;
	sample_handshake(c, now);
	become_open(c, now);
	c->ack_now = true;
	return TCP_TAKEN;
}

/* Returns false when @seg is an old duplicate by its timestamp, or lacks one.   Source: RFC 7323 §5.3, §3.2 */
static bool check_timestamp(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	if (!c->ts_ok || (seg->flags & TCPF_RST))
		return true;
	if (!seg->opt.has_ts) {
		c->common->count.n_paws++;
		return false;
	}
	if (seq_before(seg->opt.ts_val, c->ts_recent)) {
		if (now - c->ts_recent_at < TS_VALID) {
			c->common->count.n_paws++;
			tcp_output_challenge(c, now);
			return false;
		}
		c->ts_recent = seg->opt.ts_val;
		c->ts_recent_at = now;
	} else if (!seq_after(seg->seq, c->last_ack)) {
		c->ts_recent = seg->opt.ts_val;
		c->ts_recent_at = now;
	}
	return true;
}

/* The test of RFC 9293 §3.10.7.4. A FIN needs no room, and an empty segment may stand at the window's edge, or
 * behind a FIN there: that is where a guest stands that has filled the window. */
static bool is_acceptable(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	uint32_t edge = seq_max(c->rcv_adv, c->rcv_nxt), end = seg->seq + tcp_segment_span(seg);

	if (end == seg->seq)
		return !seq_before(seg->seq, c->rcv_nxt) &&
		       !seq_after(seg->seq, edge + (c->peer_fin && !c->peer_fin_taken));
	if (!seq_after(end, c->rcv_nxt))
		return false;
	return seq_before(seg->seq, edge) || (seg->seq == edge && !seg->len);
}

static enum tcp_verdict input_unacceptable(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	bool is_keep_alive = seg->seq == c->rcv_nxt - 1 && seg->len <= 1 && !(seg->flags & (TCPF_SYN | TCPF_FIN));

	c->common->count.n_unacceptable++;
	if (seg->flags & TCPF_RST)
		return TCP_DROPPED;
	if (is_keep_alive && (seg->flags & TCPF_ACK))
		tcp_ack_window(c, seg, true, now);
	if (c->state == TCPS_TIME_WAIT && (seg->flags & TCPF_FIN))
		c->time_wait_at = now + c->common->time_wait;
	if (seg->len && !is_keep_alive) {
		if (seq_before(seg->seq, c->rcv_nxt))
			c->dsack = (struct tcp_range){ seg->seq, seq_min(seg->seq + seg->len, c->rcv_nxt) };
		tcp_output_ack(c, now);
	} else {
		tcp_output_challenge(c, now);
	}
	return TCP_TAKEN;
}

static enum tcp_verdict input_reset(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	if (seg->seq != c->rcv_nxt) {
		tcp_output_challenge(c, now); /* RFC 5961 §3.2 */
		return TCP_TAKEN;
	}
	if (c->state == TCPS_TIME_WAIT)
		return TCP_DROPPED; /* RFC 1337: it may be old; the wait goes on */
	end_by(c, TCP_EVENT_RESET);
	return TCP_TAKEN;
}

/* Whether @seg, a SYN in TIME-WAIT, is surely newer than the connection.   Source: RFC 6191 §2, RFC 9293 §3.6.1 */
static bool may_reuse(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (seg->flags & (TCPF_ACK | TCPF_RST))
		return false;
	if (c->ts_ok && seg->opt.has_ts && seg->opt.ts_val != c->ts_recent)
		return seq_after(seg->opt.ts_val, c->ts_recent);
	return seq_after(seg->seq, c->rcv_nxt);
}

static void wait_for_2msl(struct tcp_conn *c, nsec_t now)
{
	tcp_conn_set_state(c, TCPS_TIME_WAIT);
	c->time_wait_at = now + c->common->time_wait;
	c->timer = TCP_TIMER_NONE;
	c->timer_at = c->keep_at = c->reorder_at = NSEC_NEVER;
	tcp_store_done(&c->store, &c->common->store);
	tcp_conn_event(c, TCP_EVENT_DONE);
}

static void fin_was_acked(struct tcp_conn *c, nsec_t now)
{
	if (c->state == TCPS_FIN_WAIT_1)
		tcp_conn_set_state(c, TCPS_FIN_WAIT_2);
	else if (c->state == TCPS_CLOSING)
		wait_for_2msl(c, now);
	else if (c->state == TCPS_LAST_ACK)
		end_by(c, TCP_EVENT_DONE);
}

/* Returns false when nothing more is to be taken from @seg.   Source: RFC 9293 §3.10.7.4, RFC 5961 §5.2 */
static bool input_ack(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	if (!(seg->flags & TCPF_ACK))
		return false;
	if (c->state == TCPS_SYN_RECEIVED) {
		if (seg->ack != c->nxt) {
			tcp_output_reset(c, seg->ack, 0, false);
			return false;
		}
		c->una = seg->ack;
		c->wl1 = seg->seq;
		c->wl2 = seg->ack;
		c->wnd = (uint32_t)seg->window << (c->wscale_ok && !(seg->flags & TCPF_SYN) ? c->snd_wscale : 0);
		c->wnd_max = c->wnd > c->wnd_max ? c->wnd : c->wnd_max;
		sample_handshake(c, now);
		become_open(c, now);
		return true;
	}
	if (seq_after(seg->ack, c->nxt) || seq_before(seg->ack, c->una - c->wnd_max)) {
		tcp_output_challenge(c, now);
		return false;
	}
	if (seq_before(seg->ack, c->una))
		return true; /* late: its data may still be new */
	tcp_ack(c, seg, now);
	if (c->fin_sent && c->una == c->fin_seq + 1)
		fin_was_acked(c, now);
	return c->state != TCPS_CLOSED;
}

static enum tcp_verdict input_syn(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	if (c->state == TCPS_TIME_WAIT && may_reuse(c, seg))
		return TCP_REUSE;
	if (c->state == TCPS_SYN_RECEIVED && seg->seq == c->irs && !(seg->flags & TCPF_ACK)) {
		tcp_output_syn(c, now); /* the guest missed our SYN-ACK */
		c->syn_retransmitted = true;
		return TCP_TAKEN;
	}
	if (c->state == TCPS_SYN_RECEIVED && c->is_active && seg->seq == c->irs) {
		c->ack_now = true;
		return input_ack(c, seg, now) ? TCP_TAKEN : TCP_DROPPED; /* both opened at once */
	}
	tcp_output_challenge(c, now); /* RFC 5961 §4.2 */
	return TCP_TAKEN;
}

static void take_peer_fin(struct tcp_conn *c, nsec_t now)
{
	c->peer_fin_taken = true;
	c->rcv_nxt++;
	c->ack_now = true;
	tcp_store_done(&c->store, &c->common->store); /* a hostile guest may have sent data behind its FIN */
	tcp_conn_event(c, TCP_EVENT_PEER_FIN);
	if (c->state == TCPS_ESTABLISHED)
		tcp_conn_set_state(c, TCPS_CLOSE_WAIT);
	else if (c->state == TCPS_FIN_WAIT_1)
		tcp_conn_set_state(c, TCPS_CLOSING);
	else
		wait_for_2msl(c, now);
}

/* Offers @len bytes at rcv_nxt to the sink. Returns how many it took. */
static uint32_t offer(struct tcp_conn *c, const uint8_t *data, uint32_t len)
{
	uint32_t n = (uint32_t)c->common->ops->deliver(c->ctx, data, len);

	assert(n <= len);
	c->rcv_nxt += n;
	c->unacked += n;
	c->space -= n < c->space ? n : c->space;
	c->sink_queued |= n > 0;
	return n;
}

void tcp_input_deliver(struct tcp_conn *c, nsec_t now)
{
	const uint8_t *data;
	uint32_t len, n = 0;

	while ((len = tcp_store_get(&c->store, c->rcv_nxt, &data))) {
		if (c->peer_fin && seq_after(c->rcv_nxt + len, c->peer_fin_seq))
			len = c->peer_fin_seq - c->rcv_nxt;
		n = len ? offer(c, data, len) : 0;
		tcp_store_drop(&c->store, &c->common->store, c->rcv_nxt);
		if (n < len || !len)
			break;
	}
	if (c->peer_fin && !c->peer_fin_taken && c->rcv_nxt == c->peer_fin_seq)
		take_peer_fin(c, now);
}

static void remember_recent(struct tcp_conn *c, uint32_t seq)
{
	size_t n = c->n_recent < TCP_RECENT ? c->n_recent : TCP_RECENT - 1;
	struct tcp_range range, other;

	if (c->n_recent && tcp_store_range(&c->store, c->recent[0], &range) &&
	    tcp_store_range(&c->store, seq, &other) && range.start == other.start)
		return; /* the same range as the last time */
	for (size_t i = n; i > 0; i--)
		c->recent[i] = c->recent[i - 1];
	c->recent[0] = seq;
	c->n_recent = (uint8_t)(n + 1);
}

/* Keeps what cannot be handed on. */
static void keep(struct tcp_conn *c, uint32_t seq, const uint8_t *data, uint32_t len)
{
	uint32_t n_new, n_dropped = tcp_store_put(&c->store, &c->common->store, seq, data, len, &n_new);

	if (!n_new && !n_dropped)
		c->dsack = (struct tcp_range){ seq, seq + len };
	if (n_new)
		remember_recent(c, seq);
}

/* True when data before @seq is missing. What waits for the sink only is not behind a gap. */
static bool is_behind_gap(const struct tcp_conn *c, uint32_t seq)
{
	struct tcp_range range;

	if (tcp_store_range(&c->store, seq, &range))
		return range.start != c->rcv_nxt;
	return seq_after(seq, c->rcv_nxt);
}

static void input_data(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	uint32_t seq = seg->seq, end = seq + seg->len, edge = seq_max(c->rcv_adv, c->rcv_nxt), n;
	const uint8_t *data = seg->data;
	bool had_hole = c->store.n > 0;

	if (c->peer_fin && seq_after(end, c->peer_fin_seq))
		end = c->peer_fin_seq;
	if (seq_after(end, edge))
		end = edge;
	if (seq_before(seq, c->rcv_nxt)) {
		c->dsack = (struct tcp_range){ seq, seq_min(c->rcv_nxt, end) };
		data += c->rcv_nxt - seq;
		seq = c->rcv_nxt;
		c->ack_now = true;
	}
	if (!seq_before(seq, end))
		return;
	if (seq == c->rcv_nxt) {
		/* What another segment brought before stays: only the part in front of it is new. */
		uint32_t len = tcp_store_next(&c->store, seq, end) - seq;

		n = len ? offer(c, data, len) : 0;
		seq += n;
		data += n;
	}
	if (seq_before(seq, end))
		keep(c, seq, data, end - seq);
	if (is_behind_gap(c, seq))
		tcp_output_ack(c, now); /* each segment out of order gets one: RFC 5681 §4.2 */
	else
		c->ack_now |= had_hole;
}

static void input_text(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	uint32_t end = seg->seq + seg->len, edge = seq_max(c->rcv_adv, c->rcv_nxt);

	if (c->peer_fin_taken || c->state == TCPS_TIME_WAIT)
		return;
	if (seg->len)
		input_data(c, seg, now);
	if ((seg->flags & TCPF_FIN) && !c->peer_fin && !seq_after(end, edge) && !seq_before(end, c->rcv_nxt)) {
		c->peer_fin = true;
		c->peer_fin_seq = end;
	}
	tcp_input_deliver(c, now);
	if (c->unacked >= 2 * (c->rcv_mss - (c->ts_ok ? TCP_TS_LEN : 0)))
		c->ack_now = true;
	else if (c->unacked && c->delack_at == NSEC_NEVER)
		c->delack_at = now + DELAYED_ACK;
}

enum tcp_verdict tcp_input(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	c->heard_at = now;
	c->keep_unanswered = 0;
	if (c->state == TCPS_CLOSED)
		return TCP_DROPPED;
	if (c->state == TCPS_CONNECTING)
		return input_connecting(c, seg, now);
	if (c->state == TCPS_SYN_SENT)
		return input_syn_sent(c, seg, now);
	if ((seg->flags & TCPF_SYN) && !(seg->flags & TCPF_RST))
		return input_syn(c, seg, now);
	if (!check_timestamp(c, seg, now))
		return TCP_DROPPED;
	if (!is_acceptable(c, seg))
		return input_unacceptable(c, seg, now);
	if (seg->flags & TCPF_RST)
		return input_reset(c, seg, now);
	if (!input_ack(c, seg, now))
		return TCP_DROPPED;
	input_text(c, seg, now);
	return TCP_TAKEN;
}
