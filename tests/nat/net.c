/* tests/nat/net.c: see net.h. */
#include "tests/nat/net.h"

#include "core/prng.h"
#include "core/state.h"
#include "nat/tcp.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES_MAX = 1 << 13, SHIFT = 7, STORE_MAX = 300000, PEER_FLIGHT = 8, SACK_SCAN_MAX = 1 << 20 };
#define PEER_TIMEOUT (500 * NSEC_PER_MSEC)
#define MOOD (70 * NSEC_PER_MSEC)

/* libcheck's own asserts write to a file each time. */
#define HOLDS(x)                                        \
	do {                                            \
		if (!(x))                               \
			ck_abort_msg("not so: %s", #x); \
	} while (0)

struct piece {
	nsec_t at;
	bool to_guest;
	struct tcp_segment seg; /* data: NULL; the bytes are a function of their numbers */
};

struct peer {
	uint32_t iss, una, nxt, rcv_nxt, irs, edge, seen; /* seen: behind the highest byte that came */
	uint32_t peer_wnd;
	uint32_t window; /* now */
	uint8_t shift; /* of the other side's windows */
	bool open, fin_came, ts_ok;
	uint32_t ts_recent;
	nsec_t timer_at;
	uint8_t *have; /* a byte each */
};

struct net {
	struct net_params par;
	struct prng rng;
	nsec_t now;
	struct tcp_common common;
	struct tcp_conn conn;
	bool is_there, is_done;
	struct piece *pieces;
	size_t n_pieces;
	struct peer peer;
	uint32_t written, consumed, took; /* of ours */
	uint32_t room;
	nsec_t mood_at;
	uint64_t n_lost, n_saves;
	nsec_t off; /* of our side's clock */
};

static nsec_t our_now(const struct net *n)
{
	return n->now + n->off;
}

static uint8_t byte_of(uint32_t at, bool down)
{
	return (uint8_t)(at * 31 + (at >> 9) + down);
}

static void put(struct net *n, bool to_guest, struct tcp_segment seg)
{
	unsigned copies = 1 + (prng_unit(&n->rng) < n->par.repeat);

	if (prng_unit(&n->rng) < n->par.loss) {
		n->n_lost++;
		return;
	}
	seg.data = NULL;
	while (copies--) {
		nsec_t at = n->now + n->par.delay;

		if (prng_unit(&n->rng) < n->par.late)
			at += (nsec_t)prng_below(&n->rng, (uint64_t)n->par.delay + 1);
		HOLDS(n->n_pieces < PIECES_MAX);
		n->pieces[n->n_pieces++] = (struct piece){ at, to_guest, seg };
	}
}

/* ---- our side ---- */

static int on_emit(void *ctx, const struct tcp_out *out)
{
	struct net *n = ctx;
	uint32_t size = out->gso_size ? out->gso_size : out->len;

	if (out->len) {
		HOLDS(out->offset + out->len <= n->written - n->consumed);
		HOLDS(!seq_after(out->seq + out->len, n->peer.edge));
		HOLDS(size <= n->par.mss);
	}
	for (uint32_t at = 0; at < out->len || !at; at += size) {
		uint32_t len = out->len - at < size ? out->len - at : size;
		struct tcp_segment seg = { out->seq + at, out->ack, out->window, out->flags, out->opt, NULL, len };

		if (at + len < out->len)
			seg.flags &= (uint8_t) ~(TCPF_FIN | TCPF_PSH);
		put(n, true, seg);
		if (!size)
			break;
	}
	return 0;
}

static size_t on_avail(void *ctx, bool *ret_fin)
{
	struct net *n = ctx;

	*ret_fin = n->written == n->par.down_bytes;
	return n->written - n->consumed;
}

static void on_consumed(void *ctx, size_t bytes)
{
	struct net *n = ctx;

	n->consumed += (uint32_t)bytes;
	HOLDS(n->consumed <= n->written);
}

static size_t on_deliver(void *ctx, const uint8_t *data, size_t len)
{
	struct net *n = ctx;

	if (len > n->room)
		len = n->room;
	for (size_t i = 0; i < len; i++)
		HOLDS(data[i] == byte_of(n->took + (uint32_t)i, false));
	n->took += (uint32_t)len;
	n->room -= n->par.moody ? (uint32_t)len : 0;
	return len;
}

static void on_event(void *ctx, enum tcp_event event)
{
	struct net *n = ctx;

	HOLDS(event != TCP_EVENT_RESET && event != TCP_EVENT_TIMED_OUT);
	n->is_done |= event == TCP_EVENT_DONE;
}

static const struct tcp_ops ops = { on_emit, on_avail, on_consumed, on_deliver, on_event };

/* ---- the peer ---- */

static void peer_fill(struct net *n, struct tcp_segment *seg)
{
	struct peer *p = &n->peer;
	uint32_t shift = n->par.wscale ? SHIFT : 0, most = 65535u << shift;
	uint32_t edge = p->rcv_nxt + ((p->window < most ? p->window : most) >> shift << shift);

	if (seq_before(edge, p->edge)) /* it takes nothing back, but for the rounding */
		edge = p->edge;
	seg->ack = p->rcv_nxt;
	seg->window = (uint16_t)((edge - p->rcv_nxt) >> shift);
	p->edge = seq_max(p->edge, p->rcv_nxt + ((uint32_t)seg->window << shift));
	if (p->ts_ok) {
		seg->opt.has_ts = true;
		seg->opt.ts_val = (uint32_t)(n->now / NSEC_PER_MSEC) + 5000;
		seg->opt.ts_ecr = p->ts_recent;
	}
}

static void peer_sack(struct net *n, struct tcp_segment *seg, uint32_t came)
{
	struct peer *p = &n->peer;
	uint32_t at = p->rcv_nxt, from;

	if (!n->par.sack || !seq_after(p->seen, p->rcv_nxt) || p->seen - p->rcv_nxt > SACK_SCAN_MAX)
		return;
	while (seq_before(at, p->seen) && seg->opt.n_sack < 3) {
		while (seq_before(at, p->seen) && !p->have[at - p->irs - 1])
			at++;
		from = at;
		while (seq_before(at, p->seen) && p->have[at - p->irs - 1])
			at++;
		if (at == from)
			break;
		/* The range that this segment is in comes first, and the lowest ones behind it. */
		if (!seq_after(from, came) && seq_after(at, came) && seg->opt.n_sack)
			memmove(&seg->opt.sack[1], &seg->opt.sack[0], seg->opt.n_sack * sizeof seg->opt.sack[0]),
				seg->opt.sack[0] = (struct tcp_range){ from, at };
		else
			seg->opt.sack[seg->opt.n_sack] = (struct tcp_range){ from, at };
		seg->opt.n_sack++;
	}
}

/* @again: data that came before; empty: none. */
static void peer_ack(struct net *n, uint32_t came, struct tcp_range again)
{
	struct tcp_segment seg = { .seq = n->peer.nxt, .flags = TCPF_ACK };

	peer_fill(n, &seg);
	if (n->par.sack && again.start != again.end) {
		seg.opt.sack[seg.opt.n_sack++] = again;
		put(n, false, seg);
		return;
	}
	peer_sack(n, &seg, came);
	put(n, false, seg);
}

static void peer_syn(struct net *n)
{
	struct tcp_segment seg = { .seq = n->peer.iss, .flags = TCPF_SYN };

	seg.opt = (struct tcp_options){ .mss = (uint16_t)n->par.mss,
					.sack_permitted = n->par.sack,
					.has_ts = n->par.timestamps,
					.ts_val = 4999,
					.has_wscale = n->par.wscale,
					.wscale = SHIFT };
	seg.window = (uint16_t)(n->peer.window < 65535 ? n->peer.window : 65535);
	put(n, false, seg);
	n->peer.nxt = n->peer.iss + 1;
	n->peer.timer_at = n->now + NSEC_PER_SEC;
}

/* Sends again from una: go-back-N. @all: from the start, after a timeout. */
static void peer_send(struct net *n, bool all)
{
	struct peer *p = &n->peer;
	uint32_t end = p->iss + 1 + n->par.up_bytes, edge = p->una + p->peer_wnd;

	if (all)
		p->nxt = p->una;
	while (!seq_after(p->nxt, end) && p->nxt - p->una < PEER_FLIGHT * n->par.mss) {
		uint32_t len = end - p->nxt < n->par.mss - 12 ? end - p->nxt : n->par.mss - 12;
		struct tcp_segment seg = { .seq = p->nxt, .flags = TCPF_ACK };

		if (seq_after(p->nxt + len, edge))
			len = seq_before(p->nxt, edge) ? edge - p->nxt : 0;
		if (!len && p->nxt != end) {
			if (p->nxt != p->una || !all)
				break;
			len = 1; /* a probe of the zero window */
		}
		seg.len = len;
		if (p->nxt + len == end)
			seg.flags |= TCPF_FIN;
		p->nxt += tcp_segment_span(&seg);
		peer_fill(n, &seg);
		put(n, false, seg);
		if (seg.flags & TCPF_FIN)
			break;
	}
	if (p->timer_at == NSEC_NEVER && p->una != end + 1)
		p->timer_at = n->now + PEER_TIMEOUT;
}

static void peer_take(struct net *n, const struct tcp_segment *seg)
{
	struct peer *p = &n->peer;

	for (uint32_t i = 0; i < seg->len; i++)
		p->have[seg->seq + i - p->irs - 1] = 1;
	if (seg->len)
		p->seen = seq_max(p->seen, seg->seq + seg->len);
	while (seq_before(p->rcv_nxt, p->seen) && p->have[p->rcv_nxt - p->irs - 1])
		p->rcv_nxt++;
	p->fin_came |= (seg->flags & TCPF_FIN) != 0;
	if (p->fin_came && p->rcv_nxt == p->irs + 1 + n->par.down_bytes)
		p->rcv_nxt++;
}

static void peer_input(struct net *n, const struct tcp_segment *seg)
{
	struct peer *p = &n->peer;
	struct tcp_range again = { 0 };

	if (!p->open) {
		if ((seg->flags & (TCPF_SYN | TCPF_ACK)) != (TCPF_SYN | TCPF_ACK))
			return;
		p->irs = seg->seq;
		p->rcv_nxt = p->seen = seg->seq + 1;
		p->edge = p->rcv_nxt + (p->window < 65535 ? p->window : 65535);
		p->shift = seg->opt.has_wscale ? seg->opt.wscale : 0;
		p->ts_ok = seg->opt.has_ts;
		p->ts_recent = seg->opt.ts_val;
		p->una = p->nxt = p->iss + 1;
		p->peer_wnd = seg->window;
		p->open = true;
		p->timer_at = NSEC_NEVER;
	} else {
		if (seg->opt.has_ts && !seq_after(seg->seq, p->rcv_nxt) && seq_after(seg->opt.ts_val, p->ts_recent))
			p->ts_recent = seg->opt.ts_val;
		if (seq_after(seg->ack, p->una)) {
			p->una = seg->ack;
			p->nxt = seq_max(p->nxt, p->una);
			p->timer_at = NSEC_NEVER;
		}
		if (!(seg->flags & TCPF_SYN) && seg->ack == p->una)
			p->peer_wnd = (uint32_t)seg->window << p->shift;
		if (seg->len && p->have[seg->seq - p->irs - 1])
			again = (struct tcp_range){ seg->seq, seg->seq + seg->len };
		if (!(seg->flags & TCPF_SYN))
			peer_take(n, seg);
	}
	if (tcp_segment_span(seg) || seq_before(seg->seq, p->rcv_nxt))
		peer_ack(n, seg->seq, again);
	peer_send(n, false);
}

/* ---- the run ---- */

static void guest_to_us(struct net *n, struct tcp_segment seg)
{
	static uint8_t data[65536];
	struct tcp_params params = { .iss = 0xffffff00u, .ts_offset = 99, .space = n->room, .mtu = 1500 };

	for (uint32_t i = 0; i < seg.len; i++)
		data[i] = byte_of(seg.seq - n->peer.iss - 1 + i, false);
	seg.data = data;
	if (n->is_there) {
		tcp_conn_input(&n->conn, &seg, our_now(n));
		tcp_conn_output(&n->conn, our_now(n));
		return;
	}
	if (!tcp_conn_passive(&n->conn, &n->common, n, &params, &seg, our_now(n)))
		return;
	n->is_there = true;
	tcp_conn_accept(&n->conn, our_now(n));
}

static void change_mood(struct net *n)
{
	uint32_t left = n->par.down_bytes - n->written, more = (uint32_t)prng_below(&n->rng, 60000);

	n->mood_at = n->now + MOOD;
	n->written += more < left ? more : left;
	n->peer.window = prng_below(&n->rng, 3) ? (uint32_t)prng_below(&n->rng, n->par.window_max) : 0;
	n->room = prng_below(&n->rng, 3) ? (uint32_t)prng_below(&n->rng, 100000) : 0;
	if (!n->is_there || n->conn.state == TCPS_CLOSED)
		return;
	tcp_conn_set_space(&n->conn, n->room, n->room & 1, our_now(n));
	tcp_conn_output(&n->conn, our_now(n));
	if (n->peer.open)
		peer_ack(n, n->peer.rcv_nxt, (struct tcp_range){ 0 });
}

static size_t first_piece(const struct net *n)
{
	size_t first = 0;

	for (size_t i = 1; i < n->n_pieces; i++)
		if (n->pieces[i].at < n->pieces[first].at)
			first = i;
	return first;
}

static void step(struct net *n)
{
	size_t first = first_piece(n);
	nsec_t at = n->n_pieces ? n->pieces[first].at : NSEC_NEVER, ours = NSEC_NEVER;

	if (n->is_there && n->conn.state != TCPS_CLOSED)
		ours = tcp_conn_next(&n->conn);
	ours -= ours != NSEC_NEVER ? n->off : 0;
	at = nsec_min(nsec_min(at, ours), nsec_min(n->peer.timer_at, n->mood_at));
	HOLDS(at != NSEC_NEVER);
	n->now = nsec_max(n->now, at);
	if (n->n_pieces && n->pieces[first].at == at) {
		struct piece piece = n->pieces[first];

		/* The order of the others stays: only the link reorders. */
		memmove(&n->pieces[first], &n->pieces[first + 1], (--n->n_pieces - first) * sizeof piece);
		if (piece.to_guest)
			peer_input(n, &piece.seg);
		else
			guest_to_us(n, piece.seg);
	} else if (ours == at) {
		tcp_conn_run(&n->conn, our_now(n));
	} else if (n->peer.timer_at == at) {
		n->peer.timer_at = NSEC_NEVER;
		if (n->peer.open)
			peer_send(n, true);
		else
			peer_syn(n);
	} else {
		change_mood(n);
	}
	HOLDS(n->common.store.bytes <= STORE_MAX);
	HOLDS(n->conn.board.n <= TCP_HOLES_MAX);
}

/* Returns the saved bytes; the caller frees the state. */
static struct state *save(struct net *n)
{
	struct state *s;

	HOLDS(state_save_new(-1, &s) == 0);
	(void)state_begin(s, "tcp ", 0, 1);
	tcp_conn_state(&n->conn, s, our_now(n));
	state_end(s);
	HOLDS(state_finish(s) == 0);
	return s;
}

static void load(struct net *n, const struct state *saved)
{
	char *why = NULL;
	size_t len;
	const uint8_t *data = state_data(saved, &len);
	struct state *s;

	HOLDS(state_load_new(data, len, &s, &why) == 0);
	(void)state_begin(s, "tcp ", 0, 1);
	tcp_conn_state(&n->conn, s, our_now(n));
	state_end(s);
	if (state_finish(s) < 0)
		ck_abort_msg("seed %lu: %s", (unsigned long)n->par.seed, state_why(s));
	state_free(s);
}

/* What is loaded is saved as it was loaded. */
static void save_and_load(struct net *n)
{
	struct state *first, *second;
	const uint8_t *before, *after;
	size_t first_len, second_len;

	if (!n->is_there || n->conn.state == TCPS_CLOSED)
		return;
	for (unsigned i = 0; i < 2; i++) {
		first = save(n);
		tcp_conn_drop(&n->conn);
		HOLDS(!n->common.store.bytes);
		n->off += (nsec_t)prng_below(&n->rng, 1 << 30) - (1 << 29);
		load(n, first);
		second = save(n);
		/* The first time timers that are due later than they may be, and the tail's, become others. */
		before = state_data(first, &first_len);
		after = state_data(second, &second_len);
		HOLDS(first_len == second_len && (i == 0 || memcmp(before, after, first_len) == 0));
		state_free(first);
		state_free(second);
	}
	n->n_saves++;
	tcp_conn_output(&n->conn, our_now(n));
}

static void step_and_save(struct net *n)
{
	step(n);
	if (n->par.save > 0 && prng_unit(&n->rng) < n->par.save)
		save_and_load(n);
}

static bool all_arrived(const struct net *n)
{
	return n->is_done && n->took == n->par.up_bytes && n->consumed == n->par.down_bytes;
}

struct net_result net_run(const struct net_params *params)
{
	struct net *n = calloc(1, sizeof *n);
	struct net_result result;
	nsec_t limit = params->limit ? params->limit : 3600 * NSEC_PER_SEC;

	ck_assert_ptr_nonnull(n);
	n->par = *params;
	n->pieces = calloc(PIECES_MAX, sizeof *n->pieces);
	n->peer.have = calloc(1, params->down_bytes + 1);
	ck_assert(n->pieces && n->peer.have);
	prng_init(&n->rng, params->seed, "net");
	tcp_common_init(&n->common, &ops);
	n->common.store.conn_max = n->common.store.bytes_max = STORE_MAX;
	n->common.time_wait = NSEC_PER_SEC;
	n->room = 1 << 20;
	n->peer.iss = 0xfffff000u;
	n->peer.window = params->window_max;
	n->written = params->moody ? 0 : params->down_bytes;
	n->mood_at = params->moody ? 0 : NSEC_NEVER;
	n->peer.timer_at = 0;
	while (!all_arrived(n) && n->now < limit)
		step_and_save(n);
	ck_assert_msg(params->limit || all_arrived(n),
		      "not all arrived: %u of %u down, %u of %u up, state %d, seed %lu", n->consumed,
		      params->down_bytes, n->took, params->up_bytes, n->conn.state, (unsigned long)params->seed);
	result = (struct net_result){ .took = n->now,
				      .down_bytes = n->consumed,
				      .n_lost = n->n_lost,
				      .n_saves = n->n_saves,
				      .n_tail_probes = n->common.count.n_tail_probes,
				      .n_retransmits = n->common.count.n_retransmits,
				      .n_timeouts = n->common.count.n_timeouts,
				      .n_undone = n->common.count.n_undone,
				      .n_recoveries = n->common.count.n_recoveries,
				      .n_probes = n->common.count.n_probes };
	tcp_conn_drop(&n->conn);
	ck_assert_uint_eq(n->common.store.bytes, 0);
	free(n->peer.have);
	free(n->pieces);
	free(n);
	return result;
}
