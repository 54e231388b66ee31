/* nat/tcp.c: opening and closing, timers.
 *
 * Used by: the NAT and DNS over TCP.   Depends on: nat/tcp_ack.h, nat/tcp_input.h, nat/tcp_output.h.
 * Sources: RFC 9293 §3.10; RFC 6298 §5; RFC 1122 §4.2.3.6 (keep-alive). */
#include "nat/tcp.h"

#include "nat/tcp_ack.h"
#include "nat/tcp_output.h"

enum {
	RECEIVE_WSCALE = 7, /* windows up to 8 MiB */
	/* RFC 9293 §3.8.3: R2 at least 3 minutes for a SYN, 100 s for data. */
	SYN_RETRIES = 7,
	DATA_RETRIES = 15,
	REUSE_GAP = 128000, /* RFC 6191 §2 leaves it open; BSD's step */
};

void tcp_common_init(struct tcp_common *common, const struct tcp_ops *ops)
{
	*common = (struct tcp_common){
		.ops = ops,
		.store = { .bytes_max = 64 << 20, .conn_max = 4 << 20 },
		.time_wait = 60 * NSEC_PER_SEC,
		.keep_idle = 300 * NSEC_PER_SEC,
		.keep_interval = 15 * NSEC_PER_SEC,
		.keep_probes = 8,
	};
}

static void start(struct tcp_conn *c, struct tcp_common *common, void *ctx, const struct tcp_params *params, nsec_t now)
{
	*c = (struct tcp_conn){
		.common = common,
		.ctx = ctx,
		.iss = params->iss,
		.una = params->iss,
		.nxt = params->iss,
		.mtu = params->mtu,
		.is_ip6 = params->is_ip6,
		.rcv_mss = (uint32_t)params->mtu - (params->is_ip6 ? TCP_IP6_HEADS : TCP_IP4_HEADS),
		.space = params->space,
		.ts_offset = params->ts_offset,
		.rcv_wscale = RECEIVE_WSCALE,
		.ts_ok = true,
		.sack_ok = true,
		.wscale_ok = true,
		.rtt_at = NSEC_NEVER,
		.undo_ts_at = NSEC_NEVER,
		.timer_at = NSEC_NEVER,
		.delack_at = NSEC_NEVER,
		.reorder_at = NSEC_NEVER,
		.time_wait_at = NSEC_NEVER,
		.rto_at = NSEC_NEVER,
		.keep_at = NSEC_NEVER,
		.heard_at = now,
		.sent_at = now,
		.challenge_at = now,
	};
	tcp_rtt_init(&c->rtt);
	tcp_board_reset(&c->board, c->iss);
}

bool tcp_conn_passive(struct tcp_conn *c, struct tcp_common *common, void *ctx, const struct tcp_params *params,
		      const struct tcp_segment *seg, nsec_t now)
{
	if ((seg->flags & (TCPF_SYN | TCPF_ACK | TCPF_RST | TCPF_FIN)) != TCPF_SYN)
		return false;
	start(c, common, ctx, params, now);
	tcp_conn_set_state(c, TCPS_CONNECTING);
	tcp_input_syn(c, seg, now);
	return true;
}

void tcp_conn_accept(struct tcp_conn *c, nsec_t now)
{
	assert(c->state == TCPS_CONNECTING);
	tcp_conn_set_state(c, TCPS_SYN_RECEIVED);
	tcp_output_syn(c, now);
}

void tcp_conn_refuse(struct tcp_conn *c)
{
	assert(c->state == TCPS_CONNECTING);
	tcp_output_reset(c, 0, c->rcv_nxt, true);
	tcp_conn_stop(c);
}

void tcp_conn_active(struct tcp_conn *c, struct tcp_common *common, void *ctx, const struct tcp_params *params,
		     nsec_t now)
{
	start(c, common, ctx, params, now);
	c->is_active = true;
	tcp_conn_set_state(c, TCPS_SYN_SENT);
	tcp_output_syn(c, now);
}

enum tcp_verdict tcp_conn_input(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now)
{
	return tcp_input(c, seg, now);
}

void tcp_conn_output(struct tcp_conn *c, nsec_t now)
{
	tcp_output(c, now);
}

void tcp_conn_set_space(struct tcp_conn *c, uint32_t space, bool is_queued, nsec_t now)
{
	c->space = space < TCP_WINDOW_MAX ? space : TCP_WINDOW_MAX;
	c->sink_queued = is_queued;
	if (!tcp_conn_is_synchronized(c) || c->peer_fin_taken || c->state == TCPS_TIME_WAIT)
		return;
	tcp_input_deliver(c, now);
	if (c->state != TCPS_CLOSED && (c->ack_now || c->unacked || tcp_output_window_grew(c)))
		tcp_output_ack(c, now);
}

void tcp_conn_abort(struct tcp_conn *c)
{
	if (c->state == TCPS_CONNECTING)
		tcp_output_reset(c, 0, c->rcv_nxt, true);
	else if (c->state != TCPS_CLOSED && c->state != TCPS_TIME_WAIT && c->state != TCPS_SYN_SENT)
		tcp_output_reset(c, c->nxt, c->rcv_nxt, true);
	tcp_conn_stop(c);
}

void tcp_conn_drop(struct tcp_conn *c)
{
	tcp_conn_stop(c);
}

nsec_t tcp_conn_next(const struct tcp_conn *c)
{
	nsec_t next = nsec_min(c->timer_at, c->delack_at);

	next = nsec_min(next, nsec_min(c->reorder_at, c->time_wait_at));
	return nsec_min(next, c->keep_at);
}

static void give_up(struct tcp_conn *c)
{
	tcp_conn_abort(c);
	tcp_conn_event(c, TCP_EVENT_TIMED_OUT);
}

static void run_timer(struct tcp_conn *c, nsec_t now)
{
	bool is_probe = c->timer == TCP_TIMER_PROBE;

	if (!tcp_conn_is_synchronized(c)) {
		if (c->backoff >= SYN_RETRIES) {
			give_up(c);
			return;
		}
		c->backoff++;
		c->syn_retransmitted = true;
		tcp_output_syn(c, now);
		return;
	}
	if (c->timer == TCP_TIMER_TAIL) {
		tcp_output_tail(c, now);
		return;
	}
	if (is_probe ? c->keep_unanswered >= DATA_RETRIES : c->backoff >= DATA_RETRIES) {
		give_up(c);
		return;
	}
	if (!is_probe) {
		tcp_ack_timeout(c);
		tcp_output(c, now);
		return;
	}
	/* The guest's window was shut, or the owner had no room. */
	c->timer = TCP_TIMER_NONE;
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	tcp_output(c, now);
	if (c->timer != TCP_TIMER_PROBE)
		return;
	c->keep_unanswered++;
	tcp_output_probe(c, now);
}

/* A guest that says nothing is asked whether it still knows the connection: after a reboot it answers with RST. */
static void run_keep_alive(struct tcp_conn *c, nsec_t now)
{
	if (c->timer != TCP_TIMER_NONE) { /* what is in flight asks already */
		c->keep_at = now + c->common->keep_idle;
		return;
	}
	if (now - c->heard_at < c->common->keep_idle) {
		c->keep_at = c->heard_at + c->common->keep_idle;
		return;
	}
	if (c->keep_unanswered >= c->common->keep_probes) {
		give_up(c);
		return;
	}
	c->keep_unanswered++;
	c->keep_at = now + c->common->keep_interval;
	tcp_output_probe(c, now);
}

void tcp_conn_run(struct tcp_conn *c, nsec_t now)
{
	if (c->time_wait_at <= now) {
		tcp_conn_stop(c);
		return;
	}
	if (c->keep_at <= now)
		run_keep_alive(c, now);
	if (c->timer_at <= now)
		run_timer(c, now);
	if (c->delack_at <= now) {
		c->delack_at = NSEC_NEVER;
		c->ack_now = true;
	}
	if (c->reorder_at <= now)
		tcp_ack_find_losses(c, now);
	tcp_output(c, now);
}

uint32_t tcp_conn_next_iss(const struct tcp_conn *c)
{
	return c->nxt + REUSE_GAP;
}
