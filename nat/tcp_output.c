/* nat/tcp_output.c: builds segments; decides how much data goes, and when.
 *
 * What may be sent is the least of the congestion window, the guest's window and what the source holds. It goes out in
 * units of up to 64 KiB that the far end of the ring, or the guest, cuts. A segment shorter than a full one goes only
 * when it is the last of the data, or when nothing is in flight. SACK ranges go in pure ACKs only, so that data
 * segments all have room for the same payload.
 *
 * A lost tail leaves no segment behind it that a SACK could tell of. So a guest with SACK is probed when two round
 * trips brought no ACK: by the next segment, or by the last one again.
 *
 * Used by: nat/tcp_input.c, nat/tcp.c.   Depends on: nat/tcp_conn.h.
 * Sources: RFC 9293 §3.8; RFC 6675 §5; RFC 7323 §2.3; RFC 2018 §4; RFC 2883 §4; RFC 8985 §7. */
#include "nat/tcp_output.h"

enum {
	IP_LEN_MAX = 65535,
	WINDOW_FIELD_MAX = 65535,
};

/* RFC 8985 §7.2: twice the round trip, and more where the guest may delay its ACK of a lone segment. Where that is as
 * long as the retransmission timeout, no probe is sent. The least time is ours: a guest may be away for that long. */
#define TAIL_LEAST (10 * NSEC_PER_MSEC)
#define TAIL_DELAYED_ACK (200 * NSEC_PER_MSEC)

uint32_t tcp_output_ts(const struct tcp_conn *c, nsec_t now)
{
	return (uint32_t)(now / NSEC_PER_MSEC) + c->ts_offset;
}

uint32_t tcp_output_pipe(struct tcp_conn *c)
{
	uint32_t pipe = tcp_board_pipe(&c->board, c->nxt);
	uint64_t left = (uint64_t)c->dup_acks * c->mss; /* each tells of a segment that arrived */

	return left < pipe ? pipe - (uint32_t)left : 0;
}

/* What the sink has room for. Below a segment it is 0, so that the guest sends no crumbs, unless nothing is queued:
 * then the sink is that small. */
static uint32_t receive_space(const struct tcp_conn *c)
{
	const uint8_t *data;
	uint32_t kept = tcp_store_get(&c->store, c->rcv_nxt, &data);
	uint32_t space = c->space > kept ? c->space - kept : 0;

	return space < c->rcv_mss && (c->sink_queued || kept) ? 0 : space;
}

static uint8_t window_shift(const struct tcp_conn *c)
{
	return c->wscale_ok ? c->rcv_wscale : 0;
}

/* The window to tell, not scaled. The edge does not go back, but by what scaling rounds off. */
static uint32_t window_field(const struct tcp_conn *c)
{
	uint8_t shift = window_shift(c);
	uint32_t space = receive_space(c), told = seq_after(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
	uint32_t field = (space > told ? space : told) >> shift;

	return field < WINDOW_FIELD_MAX ? field : WINDOW_FIELD_MAX;
}

bool tcp_output_window_grew(const struct tcp_conn *c)
{
	uint32_t space = receive_space(c), told = seq_after(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
	uint32_t most = (uint32_t)WINDOW_FIELD_MAX << window_shift(c);

	space = space < most ? space : most;
	if (space <= told || !(space >> window_shift(c)))
		return false;
	if (!told)
		return true;
	return space - told >= c->rcv_mss && space / 2 >= told;
}

/* Where the guest's window ends. */
static uint32_t edge_of(const struct tcp_conn *c)
{
	return c->wl2 + c->wnd;
}

static void fill_in(const struct tcp_conn *c, struct tcp_out *out, nsec_t now)
{
	out->ack = c->rcv_nxt;
	out->window = (uint16_t)window_field(c);
	if (c->ts_ok) {
		out->opt.has_ts = true;
		out->opt.ts_val = tcp_output_ts(c, now);
		out->opt.ts_ecr = c->ts_recent;
	}
}

/* Sends @out, which has an ACK. */
static bool emit(struct tcp_conn *c, const struct tcp_out *out)
{
	uint32_t edge = out->ack + ((uint32_t)out->window << (out->flags & TCPF_SYN ? 0 : window_shift(c)));

	if (c->common->ops->emit(c->ctx, out) < 0)
		return false;
	c->rcv_adv = seq_max(c->rcv_adv, edge);
	c->last_ack = out->ack;
	c->unacked = 0;
	c->ack_now = false;
	c->delack_at = NSEC_NEVER;
	return true;
}

static void start_timer(struct tcp_conn *c, enum tcp_timer timer, nsec_t now)
{
	c->timer = (uint8_t)timer;
	c->timer_at = now + tcp_rtt_timeout(&c->rtt, c->backoff);
}

void tcp_output_syn(struct tcp_conn *c, nsec_t now)
{
	struct tcp_out out = { .seq = c->iss, .flags = TCPF_SYN };

	if (c->state == TCPS_SYN_RECEIVED) {
		out.flags |= TCPF_ACK;
		out.ack = c->rcv_nxt;
	}
	out.window = (uint16_t)(c->space < WINDOW_FIELD_MAX ? c->space : WINDOW_FIELD_MAX);
	out.opt.mss = (uint16_t)c->rcv_mss;
	out.opt.has_wscale = c->wscale_ok;
	out.opt.wscale = c->rcv_wscale;
	out.opt.sack_permitted = c->sack_ok;
	out.opt.has_ts = c->ts_ok;
	out.opt.ts_val = c->ts_ok ? tcp_output_ts(c, now) : 0;
	out.opt.ts_ecr = c->ts_ok && c->state == TCPS_SYN_RECEIVED ? c->ts_recent : 0;
	if (c->state == TCPS_SYN_RECEIVED)
		emit(c, &out);
	else
		c->common->ops->emit(c->ctx, &out);
	c->nxt = c->iss + 1;
	c->sent_at = now;
	start_timer(c, TCP_TIMER_RETRANSMIT, now);
}

/* The ranges to tell: first a duplicate that came, then the latest ones.   Source: RFC 2018 §4, RFC 2883 §4 */
static void fill_sack(struct tcp_conn *c, struct tcp_out *out)
{
	size_t most = c->ts_ok ? 3 : 4, n = 0;

	if (!c->sack_ok)
		return;
	if (c->dsack.start != c->dsack.end)
		out->opt.sack[n++] = c->dsack;
	for (size_t i = 0; i < c->n_recent && n < most; i++) {
		struct tcp_range range;
		bool is_told = false;

		/* What waits for the sink only is in order: no range of its own. */
		if (!tcp_store_range(&c->store, c->recent[i], &range) || !seq_after(range.start, c->rcv_nxt))
			continue;
		for (size_t k = c->dsack.start != c->dsack.end; k < n; k++)
			is_told |= out->opt.sack[k].start == range.start;
		if (!is_told)
			out->opt.sack[n++] = range;
	}
	out->opt.n_sack = (uint8_t)n;
}

void tcp_output_ack(struct tcp_conn *c, nsec_t now)
{
	/* After the window shrank, nxt may lie outside it, and the ACK would be dropped. */
	struct tcp_out out = { .seq = seq_min(c->nxt, seq_max(c->una, edge_of(c))), .flags = TCPF_ACK };

	fill_in(c, &out, now);
	fill_sack(c, &out);
	c->ack_now = true;
	if (emit(c, &out))
		c->dsack.end = c->dsack.start;
}

void tcp_output_challenge(struct tcp_conn *c, nsec_t now)
{
	if (now - c->challenge_at >= NSEC_PER_SEC) {
		c->challenge_at = now;
		c->n_challenges = 0;
	}
	if (c->n_challenges >= TCP_CHALLENGES_A_SECOND)
		return;
	c->n_challenges++;
	c->common->count.n_challenges++;
	tcp_output_ack(c, now);
}

void tcp_output_probe(struct tcp_conn *c, nsec_t now)
{
	struct tcp_out out = { .seq = c->una - 1, .flags = TCPF_ACK };

	fill_in(c, &out, now);
	emit(c, &out);
	c->common->count.n_probes++;
}

void tcp_output_reset(struct tcp_conn *c, uint32_t seq, uint32_t ack, bool has_ack)
{
	struct tcp_out out = { .seq = seq, .flags = TCPF_RST };

	if (has_ack) {
		out.flags |= TCPF_ACK;
		out.ack = ack;
	}
	c->common->count.n_resets++;
	c->common->ops->emit(c->ctx, &out);
}

/* Most payload of one unit: the IP packet stays below 64 KiB. */
static uint32_t unit_max(const struct tcp_conn *c)
{
	uint32_t most = IP_LEN_MAX - (c->is_ip6 ? TCP_IP6_HEADS : TCP_IP4_HEADS);

	most -= c->ts_ok ? TCP_TS_LEN : 0;
	return most - most % c->mss;
}

/* Sends the sequence numbers from @start to @end; the last is our FIN when @with_fin. */
static bool send_range(struct tcp_conn *c, uint32_t start, uint32_t end, bool with_fin, bool push, nsec_t now)
{
	struct tcp_out out = {
		.seq = start, .flags = TCPF_ACK, .offset = start - c->una, .len = end - start - with_fin
	};

	fill_in(c, &out, now);
	if (with_fin)
		out.flags |= TCPF_FIN;
	if (push && out.len)
		out.flags |= TCPF_PSH;
	if (out.len > c->mss)
		out.gso_size = (uint16_t)c->mss;
	if (!emit(c, &out))
		return false;
	c->sent_at = now;
	return true;
}

/* How much of a hole goes now; 0: none. */
static uint32_t lost_len(const struct tcp_conn *c, const struct tcp_hole *h, uint32_t pipe)
{
	uint32_t edge = edge_of(c), end = seq_min(h->end, edge), room = c->cong.cwnd > pipe ? c->cong.cwnd - pipe : 0;
	uint32_t len = seq_before(h->start, end) ? end - h->start : 0, most = unit_max(c);

	if (room < c->mss && (!pipe || c->retransmit_now))
		room = c->mss;
	if (room < c->mss && room < len)
		return 0;
	most = room < most ? room : most;
	if (len <= most)
		return len;
	return most > c->mss ? most - most % c->mss : most;
}

/* Returns false when the owner has no room. */
static bool send_lost(struct tcp_conn *c, uint32_t *pipe, nsec_t now)
{
	struct tcp_hole *h;

	while ((h = tcp_board_lost(&c->board))) {
		uint32_t start = h->start, len = lost_len(c, h, *pipe);
		bool with_fin = c->fin_sent && start + len == c->fin_seq + 1;

		if (!len || (start + len != h->end && c->board.n >= TCP_HOLES_MAX))
			break;
		if (!send_range(c, start, start + len, with_fin, start + len == h->end, now))
			return false;
		c->retransmit_now = false;
		c->rtt_at = NSEC_NEVER; /* Karn: what is in flight has no clear time any more */
		c->undo_bytes += len;
		if (c->undo_ts_at == TCP_UNDO_ARMED)
			c->undo_ts_at = start == c->una ? now : NSEC_NEVER; /* only its own ACK tells */
		*pipe += len;
		c->common->count.n_retransmits++;
		if (!tcp_board_sent(&c->board, h, start + len, c->nxt, now))
			break;
	}
	return true;
}

/* What may be sent of @unsent new bytes from @nxt on; notes when cwnd alone holds the rest back. */
static uint32_t new_len(struct tcp_conn *c, uint32_t nxt, uint32_t unsent, uint32_t pipe)
{
	uint32_t edge = edge_of(c), wnd = seq_before(nxt, edge) ? edge - nxt : 0;
	uint32_t room = c->cong.cwnd > pipe ? c->cong.cwnd - pipe : 0, most = unit_max(c), len;

	if (room < unsent && room < wnd)
		c->cong.limited = true;
	len = room < wnd ? room : wnd;
	if (len >= unsent)
		return unsent < most ? unsent : most;
	/* Half of the largest window is worth a segment of a guest whose window is smaller than one. */
	if (len < c->mss && pipe && !(wnd <= room && len >= c->wnd_max / 2 && len))
		return 0;
	if (len > most)
		return most;
	return len > c->mss ? len - len % c->mss : len;
}

/* Bytes of the source that were never sent. @ret_fin: nothing follows them. */
static uint32_t count_unsent(struct tcp_conn *c, bool *ret_fin)
{
	bool fin = false;
	size_t held = c->common->ops->avail(c->ctx, &fin);
	uint32_t sent = c->nxt - c->una, most = held < TCP_WINDOW_MAX ? (uint32_t)held : TCP_WINDOW_MAX;

	*ret_fin = fin && held <= TCP_WINDOW_MAX;
	return most > sent ? most - sent : 0;
}

static bool send_new(struct tcp_conn *c, uint32_t *pipe, bool *ret_more, nsec_t now)
{
	bool fin = false;
	uint32_t unsent = count_unsent(c, &fin);

	while (unsent || fin) {
		uint32_t len = new_len(c, c->nxt, unsent, *pipe), next;
		bool with_fin = fin && len == unsent && seq_before(c->nxt + len, edge_of(c));

		if (!len && !with_fin)
			break;
		*pipe += len + with_fin;
		next = new_len(c, c->nxt + len, unsent - len, *pipe);
		if (!send_range(c, c->nxt, c->nxt + len + with_fin, with_fin, !next, now))
			return false;
		if (c->rtt_at == NSEC_NEVER && !c->board.n) {
			c->rtt_at = now;
			c->rtt_seq = c->nxt + len + with_fin;
		}
		c->nxt += len + with_fin;
		unsent -= len;
		if (with_fin) {
			c->fin_sent = true;
			c->fin_seq = c->nxt - 1;
			fin = false;
			tcp_conn_set_state(c, c->state == TCPS_ESTABLISHED ? TCPS_FIN_WAIT_1 : TCPS_LAST_ACK);
		}
	}
	*ret_more = unsent || fin;
	return true;
}

/* RFC 8985 §7.3: a guest with SACK, no recovery, no hole, one probe at a time. */
static bool may_probe_tail(const struct tcp_conn *c)
{
	return c->sack_ok && c->cong.mode == TCP_CONG_OPEN && c->nxt != c->una && !c->board.n &&
	       c->board.fack == c->una && !c->tail_probed && !c->backoff && c->rtt.srtt;
}

/* Starts the timer of what is in flight, unless it runs. @sent_new: new data is in flight, so the tail begins anew. */
static void start_flight_timer(struct tcp_conn *c, bool sent_new, nsec_t now)
{
	bool runs = c->timer == TCP_TIMER_RETRANSMIT || c->timer == TCP_TIMER_TAIL;
	nsec_t wait = nsec_max(2 * c->rtt.srtt, TAIL_LEAST);

	if (!runs)
		start_timer(c, TCP_TIMER_RETRANSMIT, now);
	if ((runs && !sent_new) || !may_probe_tail(c))
		return;
	if (c->timer == TCP_TIMER_RETRANSMIT)
		c->rto_at = c->timer_at;
	if (c->nxt - c->una <= c->mss)
		wait += TAIL_DELAYED_ACK;
	c->timer = now + wait < c->rto_at ? TCP_TIMER_TAIL : TCP_TIMER_RETRANSMIT;
	c->timer_at = nsec_min(now + wait, c->rto_at);
}

/* Sends the probe. Returns false when the owner has no room. */
static bool probe_tail(struct tcp_conn *c, nsec_t now)
{
	bool fin = false;
	uint32_t edge = edge_of(c), wnd = seq_before(c->nxt, edge) ? edge - c->nxt : 0, start = c->nxt, back;
	uint32_t unsent = tcp_conn_may_send(c) ? count_unsent(c, &fin) : 0, len = unsent < c->mss ? unsent : c->mss;

	c->tail_again = !len || len > wnd;
	if (!c->tail_again) {
		if (!send_range(c, start, start + len, false, true, now))
			return false;
		c->nxt += len;
		return true;
	}
	back = c->mss + c->fin_sent;
	start -= back < c->nxt - c->una ? back : c->nxt - c->una;
	if (!send_range(c, start, c->nxt, c->fin_sent, true, now))
		return false;
	c->rtt_at = NSEC_NEVER;
	c->common->count.n_retransmits++;
	return true;
}

void tcp_output_tail(struct tcp_conn *c, nsec_t now)
{
	bool sent = may_probe_tail(c) && probe_tail(c, now);

	c->timer = TCP_TIMER_RETRANSMIT;
	c->timer_at = c->rto_at;
	if (!sent)
		return;
	c->tail_probed = true;
	c->tail_end = c->nxt;
	c->common->count.n_tail_probes++;
	start_timer(c, TCP_TIMER_RETRANSMIT, now);
}

static void send_data(struct tcp_conn *c, nsec_t now)
{
	uint32_t pipe, nxt = c->nxt;
	bool more = false, has_room;

	if (c->nxt == c->una && now - c->sent_at > tcp_rtt_timeout(&c->rtt, 0))
		tcp_cong_idle(&c->cong, c->mss);
	pipe = tcp_output_pipe(c);
	has_room = send_lost(c, &pipe, now);
	c->cong.limited = tcp_board_lost(&c->board) != NULL;
	if (tcp_conn_may_send(c)) {
		if (!has_room || tcp_board_lost(&c->board) || !send_new(c, &pipe, &more, now))
			more = true;
	}
	more |= tcp_board_lost(&c->board) != NULL;
	if (c->nxt != c->una) {
		/* Nothing that would be acknowledged is on its way. Duplicate ACKs do not count here: the segment that
		 * they ask for may be lost. */
		bool stuck = more && !tcp_board_pipe(&c->board, c->nxt);

		if (!stuck)
			start_flight_timer(c, c->nxt != nxt, now);
		else if (c->timer != TCP_TIMER_PROBE)
			start_timer(c, TCP_TIMER_PROBE, now);
	} else if (more) {
		if (c->timer != TCP_TIMER_PROBE)
			start_timer(c, TCP_TIMER_PROBE, now);
	} else {
		c->timer = TCP_TIMER_NONE;
		c->timer_at = NSEC_NEVER;
		c->backoff = 0;
	}
}

void tcp_output(struct tcp_conn *c, nsec_t now)
{
	if (!tcp_conn_is_synchronized(c))
		return;
	if (c->state != TCPS_TIME_WAIT && c->state != TCPS_FIN_WAIT_2)
		send_data(c, now);
	if (c->ack_now)
		tcp_output_ack(c, now);
}
