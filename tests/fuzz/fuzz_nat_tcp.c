/* tests/fuzz/fuzz_nat_tcp.c: a connection under any segments, at any time. Input: 4 bytes of setting, then steps of 8
 * bytes: what happens, and its numbers, which are near those that the connection expects. Segments, timers, data and
 * its end, a sink and a ring that are full, saves and loads, of forged files, too, come in any order. After each step what nat/tcp_conn.h promises holds:
 * nothing beyond the guest's window, no byte that the source lacks, memory within its bounds, and no end of sending. */
#include "nat/tcp.h"

#include "core/state.h"
#include "core/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_LEN = 8, STORE_MAX = 20000, EMITS_MAX = 4096, DATA_MAX = 4096 };

#define HOLDS(x)                                             \
	do {                                                 \
		if (!(x)) {                                  \
			fprintf(stderr, "not so: %s\n", #x); \
			abort();                             \
		}                                            \
	} while (0)

struct owner {
	struct tcp_common common;
	struct tcp_conn conn;
	bool is_full, fin;
	uint32_t held, room, n_emits;
	bool has_ended;
};

static uint8_t guest_data[DATA_MAX];

static int on_emit(void *ctx, const struct tcp_out *out)
{
	struct owner *o = ctx;
	const struct tcp_conn *c = &o->conn;
	uint8_t options[TCP_OPTIONS_SIZE];

	HOLDS(++o->n_emits < EMITS_MAX);
	HOLDS(!o->has_ended || (out->flags & TCPF_RST));
	HOLDS(out->len <= 65535 - 40);
	HOLDS(!out->gso_size || out->len > out->gso_size);
	HOLDS(tcp_options_put(&out->opt, options) <= TCP_OPTIONS_SIZE);
	if (out->len) {
		HOLDS(out->offset + out->len <= o->held);
		HOLDS(out->seq == c->una + out->offset);
		HOLDS(!seq_after(out->seq + out->len, c->wl2 + c->wnd));
		HOLDS(!out->opt.n_sack);
	}
	return o->is_full ? -1 : 0;
}

static size_t on_avail(void *ctx, bool *ret_fin)
{
	const struct owner *o = ctx;

	*ret_fin = o->fin;
	return o->held;
}

static void on_consumed(void *ctx, size_t n)
{
	struct owner *o = ctx;

	HOLDS(n && n <= o->held);
	o->held -= (uint32_t)n;
}

static size_t on_deliver(void *ctx, const uint8_t *data, size_t len)
{
	struct owner *o = ctx;
	uint8_t sum = 0;

	HOLDS(len);
	if (len > o->room)
		len = o->room;
	for (size_t i = 0; i < len; i++) /* the sanitizer sees a range that is not there */
		sum ^= data[i];
	guest_data[0] ^= sum & 1;
	o->room -= (uint32_t)len;
	return len;
}

static void on_event(void *ctx, enum tcp_event event)
{
	struct owner *o = ctx;

	o->has_ended |= event == TCP_EVENT_RESET || event == TCP_EVENT_TIMED_OUT;
}

static const struct tcp_ops ops = { on_emit, on_avail, on_consumed, on_deliver, on_event };

/* A number near one that means something. */
static uint32_t near(const struct tcp_conn *c, uint8_t pick, uint16_t off, bool ours)
{
	const uint32_t ours_at[] = {
		c->una, c->nxt, c->iss, c->board.fack, c->una - 1, c->nxt + 1, c->cong.recover, 0
	};
	const uint32_t guests[] = { c->rcv_nxt,	     c->rcv_adv,     c->irs,	  c->rcv_nxt - 1,
				    c->peer_fin_seq, c->rcv_nxt + 1, c->last_ack, 0 };

	return (ours ? ours_at : guests)[pick & 7] + (pick & 8 ? (uint32_t)off * (pick & 16 ? 0xffffu : 1) : 0);
}

static void make_segment(const struct tcp_conn *c, const uint8_t *s, nsec_t now, struct tcp_segment *seg)
{
	*seg = (struct tcp_segment){ .flags = TCPF_ACK, .window = load_le16(s + 4) };
	if (s[1] & 0x80) /* one in two has any flags */
		seg->flags = s[1] & 0x3f;
	seg->seq = near(c, s[2], load_le16(s + 4), false);
	seg->ack = near(c, s[3], load_le16(s + 6), true);
	seg->len = s[1] & 0x40 ? load_le16(s + 6) % DATA_MAX : 0;
	seg->data = guest_data;
	seg->opt.has_ts = c->ts_ok && s[2] < 240;
	seg->opt.ts_val = (uint32_t)(now / NSEC_PER_MSEC) + (s[2] >= 224 ? 0u - s[5] : 0);
	seg->opt.ts_ecr = (uint32_t)(now / NSEC_PER_MSEC) + c->ts_offset - s[6];
	if (s[3] & 0x60) {
		seg->opt.n_sack = (s[3] >> 5) & 3;
		for (uint32_t i = 0; i < seg->opt.n_sack; i++) {
			seg->opt.sack[i].start = c->una + (uint32_t)s[4 + i] * 500;
			seg->opt.sack[i].end = seg->opt.sack[i].start + (uint32_t)s[5 + i] * 100;
		}
	}
}

/* @is_batch: tcp_conn_output(), which sets timers, is still to come. */
static void check(struct owner *o, bool is_batch)
{
	struct tcp_conn *c = &o->conn;
	const struct tcp_hole *h = tcp_board_holes(&c->board);
	uint32_t behind = c->una;

	HOLDS(c->common->store.bytes <= STORE_MAX && c->store.bytes == c->common->store.bytes);
	HOLDS(c->store.n <= TCP_CHUNKS_MAX && c->board.n <= TCP_HOLES_MAX);
	if (c->state == TCPS_CLOSED) {
		HOLDS(!c->store.bytes && !c->board.many && tcp_conn_next(c) == NSEC_NEVER);
		return;
	}
	for (size_t i = 0; i < c->board.n; i++) {
		HOLDS(!seq_before(h[i].start, behind) && seq_before(h[i].start, h[i].end));
		behind = h[i].end;
	}
	HOLDS(!seq_after(behind, c->board.fack) && !seq_after(c->board.fack, c->nxt) && !seq_after(c->una, c->nxt));
	if (tcp_conn_is_synchronized(c)) {
		HOLDS(c->cong.cwnd >= c->mss && c->cong.ssthresh >= 2 * c->mss);
		/* What is in flight has a timer. */
		HOLDS(is_batch || c->nxt == c->una || c->timer != TCP_TIMER_NONE || c->state == TCPS_TIME_WAIT);
	}
}

/* Saves the connection and loads it on another clock; with @at < the file's length one byte is another. What is refused
 * is closed. */
static void save_and_load(struct owner *o, size_t at, uint8_t byte, nsec_t now, nsec_t later)
{
	struct state *file, *s;
	const uint8_t *data;
	uint8_t copy[1024];
	size_t len, n;
	char *why;

	HOLDS(state_save_new(-1, &file) == 0);
	(void)state_begin(file, "tcp ", 0, 1);
	tcp_conn_state(&o->conn, file, now);
	state_end(file);
	HOLDS(state_finish(file) == 0);
	data = state_data(file, &len);
	n = len - STATE_HEADER_LEN - 2 * STATE_HEAD_LEN;
	HOLDS(n < sizeof copy);
	memcpy(copy, data + STATE_HEADER_LEN + STATE_HEAD_LEN, n);
	state_free(file);
	if (at < n)
		copy[at] = byte;
	HOLDS(state_save_new(-1, &file) == 0);
	(void)state_begin(file, "tcp ", 0, 1);
	state_bytes(file, copy, n);
	state_end(file);
	HOLDS(state_finish(file) == 0);
	data = state_data(file, &len);
	HOLDS(state_load_new(data, len, &s, &why) == 0);
	tcp_conn_drop(&o->conn);
	(void)state_begin(s, "tcp ", 0, 1);
	tcp_conn_state(&o->conn, s, later);
	state_end(s);
	HOLDS(state_finish(s) == 0 || at < n);
	HOLDS(state_ok(s) || o->conn.state == TCPS_CLOSED);
	state_free(s);
	state_free(file);
	if (tcp_conn_unacked(&o->conn) > o->held) /* as its owner does */
		tcp_conn_drop(&o->conn);
}

static void step(struct owner *o, const uint8_t *s, nsec_t *now)
{
	struct tcp_conn *c = &o->conn;
	struct tcp_segment seg;

	o->n_emits = 0;
	switch (s[0] & 15) {
	case 0:
		o->held += o->fin ? 0 : load_le16(s + 2);
		break;
	case 1:
		o->fin = o->fin || s[1] < 64;
		break;
	case 2:
		o->room = load_le16(s + 2);
		tcp_conn_set_space(c, o->room, s[1] & 1, *now);
		break;
	case 3:
		o->is_full = s[1] & 1;
		break;
	case 4:
		*now += (nsec_t)load_le16(s + 2) * NSEC_PER_MSEC / (s[1] & 1 ? 1 : 64);
		break;
	case 5:
	case 6:
		*now = nsec_max(*now, nsec_min(tcp_conn_next(c), *now + 1000 * NSEC_PER_SEC));
		break;
	case 7:
		if (c->state == TCPS_CONNECTING)
			tcp_conn_accept(c, *now);
		break;
	case 8:
		if (s[1] < 4)
			tcp_conn_abort(c);
		break;
	case 9:
		if (s[1] < 32 && c->state != TCPS_CLOSED) {
			save_and_load(o, load_le16(s + 2), s[4], *now, *now + load_le16(s + 5));
			*now += load_le16(s + 5);
			o->fin |= c->fin_sent;
		}
		break;
	default:
		make_segment(c, s, *now, &seg);
		tcp_conn_input(c, &seg, *now);
		check(o, true);
		if (s[0] & 16)
			return; /* a batch goes on */
	}
	tcp_conn_run(c, *now);
	tcp_conn_output(c, *now);
	check(o, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct owner owner;
	struct tcp_params params = { .iss = 0xffffff00u, .ts_offset = 0xfffffff0u, .space = 30000, .mtu = 1500 };
	struct tcp_segment syn = { .seq = 0xfffffff0u, .flags = TCPF_SYN, .window = 30000 };
	nsec_t now = NSEC_PER_SEC;

	if (len < 4)
		return 0;
	owner = (struct owner){ .room = 30000 };
	tcp_common_init(&owner.common, &ops);
	owner.common.store.conn_max = owner.common.store.bytes_max = STORE_MAX;
	syn.opt = (struct tcp_options){ .mss = data[0] & 1 ? 1460 : load_le16(data + 1),
					.sack_permitted = data[0] & 2,
					.has_ts = data[0] & 4,
					.has_wscale = data[0] & 8,
					.wscale = data[3] % 15,
					.ts_val = 900 };
	if (data[0] & 16) {
		tcp_conn_active(&owner.conn, &owner.common, &owner, &params, now);
		syn.flags |= TCPF_ACK;
		syn.ack = params.iss + 1;
		if (data[0] & 32)
			tcp_conn_input(&owner.conn, &syn, now);
	} else {
		tcp_conn_passive(&owner.conn, &owner.common, &owner, &params, &syn, now);
		if (data[0] & 32)
			tcp_conn_accept(&owner.conn, now);
		syn.flags = TCPF_ACK;
		syn.seq++;
		syn.ack = params.iss + 1;
		syn.opt = (struct tcp_options){ .has_ts = data[0] & 4, .ts_val = 901 };
		if (data[0] & 64)
			tcp_conn_input(&owner.conn, &syn, now);
	}
	for (size_t at = 4; at + STEP_LEN <= len; at += STEP_LEN)
		step(&owner, data + at, &now);
	tcp_conn_drop(&owner.conn);
	HOLDS(!owner.common.store.bytes);
	return 0;
}
