/* tests/nat/check_tcp_state.c: a saved connection: what it keeps, and forged ones. That bytes stay exact over saves in
 * mid-transfer is in check_tcp_link.c. */
#include "core/prng.h"
#include "core/state.h"
#include "nat/tcp.h"
#include "tests/unit.h"

#include <string.h>

enum { GUEST_ISS = 5000, OUR_ISS = 1000, MSS = 1448 /* beside timestamps */, FORGERIES = 3000, STEPS = 30 };
#define SEC NSEC_PER_SEC

static struct tcp_common common;
static struct tcp_conn conn;
static struct tcp_out last;
static unsigned n_sent;
static uint32_t held, room;
static bool fin;

static int on_emit(void *ctx, const struct tcp_out *out)
{
	(void)ctx;
	ck_assert_msg(!out->len || out->offset + out->len <= held, "sends more than the source holds");
	last = *out;
	n_sent++;
	return 0;
}

static size_t on_avail(void *ctx, bool *ret_fin)
{
	(void)ctx;
	*ret_fin = fin;
	return held;
}

static void on_consumed(void *ctx, size_t n)
{
	(void)ctx;
	ck_assert_uint_le(n, held);
	held -= (uint32_t)n;
}

static size_t on_deliver(void *ctx, const uint8_t *data, size_t len)
{
	(void)ctx;
	(void)data;
	len = len < room ? len : room;
	room -= (uint32_t)len;
	return len;
}

static void on_event(void *ctx, enum tcp_event event)
{
	(void)ctx;
	(void)event;
}

static const struct tcp_ops ops = { on_emit, on_avail, on_consumed, on_deliver, on_event };

static void guest(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len, nsec_t now)
{
	static uint8_t data[2 * MSS];
	struct tcp_segment seg = {
		.seq = seq, .ack = ack, .flags = flags, .window = 60000, .data = data, .len = len
	};

	seg.opt = (struct tcp_options){ .has_ts = true, .ts_val = (uint32_t)(now / NSEC_PER_MSEC), .ts_ecr = last.opt.ts_val };
	if (flags & TCPF_SYN)
		seg.opt.mss = 1460, seg.opt.sack_permitted = true, seg.opt.has_wscale = true;
	if (conn.state == TCPS_CLOSED)
		ck_assert(tcp_conn_passive(&conn, &common, NULL,
					   &(struct tcp_params){ .iss = OUR_ISS, .space = 50000, .mtu = 1500 }, &seg, now));
	else
		(void)tcp_conn_input(&conn, &seg, now);
	tcp_conn_output(&conn, now);
}

/* An open connection at 11 s with a window in flight, more that waits, and a segment behind a gap. */
static void setup(void)
{
	tcp_common_init(&common, &ops);
	conn = (struct tcp_conn){ .common = &common };
	n_sent = 0;
	fin = false;
	held = 0;
	room = 1 << 20;
	guest(TCPF_SYN, GUEST_ISS, 0, 0, 10 * SEC);
	tcp_conn_accept(&conn, 10 * SEC);
	guest(TCPF_ACK, GUEST_ISS + 1, OUR_ISS + 1, 0, 10 * SEC + SEC / 10);
	held = 30000;
	tcp_conn_output(&conn, 11 * SEC);
	guest(TCPF_ACK, GUEST_ISS + 1 + MSS, OUR_ISS + 1 + 2 * conn.mss, MSS, 11 * SEC);
	ck_assert_uint_eq(conn.store.n, 1);
	ck_assert(tcp_conn_unacked(&conn) > 0 && held > tcp_conn_unacked(&conn));
}

static void teardown(void)
{
	if (conn.state != TCPS_CLOSED)
		tcp_conn_drop(&conn);
	ck_assert_uint_eq(common.store.bytes, 0);
}

static struct state *save(nsec_t now)
{
	struct state *s;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	(void)state_begin(s, "conn", 3, 1);
	tcp_conn_state(&conn, s, now);
	state_end(s);
	ck_assert_int_eq(state_finish(s), 0);
	return s;
}

/* Loads a section with the bytes @payload. Returns what was refused, owned by @ret_state; NULL: nothing. */
static const char *load_bytes(uint8_t *payload, size_t len, nsec_t now, struct state **ret_state)
{
	struct state *file, *s;
	const uint8_t *data;
	size_t size;
	char *why;

	ck_assert_int_eq(state_save_new(-1, &file), 0);
	(void)state_begin(file, "conn", 3, 1);
	state_bytes(file, payload, len);
	state_end(file);
	ck_assert_int_eq(state_finish(file), 0);
	data = state_data(file, &size);
	ck_assert_int_eq(state_load_new(data, size, &s, &why), 0);
	if (conn.state != TCPS_CLOSED)
		tcp_conn_drop(&conn);
	(void)state_begin(s, "conn", 3, 1);
	tcp_conn_state(&conn, s, now);
	state_end(s);
	(void)state_finish(s);
	*ret_state = s;
	state_free(file);
	return state_why(s);
}

/* The payload of the one section. */
static size_t payload_of(struct state *file, uint8_t *buf, size_t size)
{
	size_t len;
	const uint8_t *data = state_data(file, &len);
	size_t n = len - STATE_HEADER_LEN - 2 * STATE_HEAD_LEN;

	ck_assert_uint_le(n, size);
	memcpy(buf, data + STATE_HEADER_LEN + STATE_HEAD_LEN, n);
	return n;
}

static const char *save_and_load(nsec_t now, nsec_t later, struct state **ret_state)
{
	uint8_t buf[512];
	struct state *file = save(now);
	size_t len = payload_of(file, buf, sizeof buf);

	state_free(file);
	return load_bytes(buf, len, later, ret_state);
}

/* On another clock all goes on: the timestamps where they were, the timer after what was left, the data from the oldest
 * unacknowledged byte. What was out of order is gone, and comes again. */
START_TEST(a_connection_goes_on_on_another_clock)
{
	struct tcp_conn before = conn;
	nsec_t left = tcp_conn_next(&conn) - 11 * SEC, now = 999 * SEC;
	struct state *s;
	uint32_t ts = last.opt.ts_val;

	ck_assert_ptr_null(save_and_load(11 * SEC, now, &s));
	state_free(s);
	ck_assert_uint_eq(conn.una, before.una);
	ck_assert_uint_eq(conn.nxt, before.nxt);
	ck_assert_uint_eq(conn.cong.cwnd, before.cong.cwnd);
	ck_assert_uint_eq(conn.board.fack, conn.una);
	ck_assert_uint_eq(common.store.bytes, 0);
	ck_assert_int_le(left, conn.rto_at - now);
	n_sent = 0;
	guest(TCPF_ACK, GUEST_ISS + 1, conn.una, MSS, now);
	ck_assert_uint_eq(n_sent, 0); /* the window is full, and an ACK may wait */
	guest(TCPF_ACK, GUEST_ISS + 1 + MSS, conn.una, MSS, now);
	ck_assert_uint_eq(last.ack, GUEST_ISS + 1 + 2 * MSS);
	ck_assert_uint_eq(last.opt.ts_val, ts);
	while (tcp_conn_next(&conn) <= now + 2 * SEC)
		tcp_conn_run(&conn, tcp_conn_next(&conn));
	ck_assert_uint_eq(last.seq, before.una);
}
END_TEST

/* Timers that would never fire are set as late as this program would set them. */
START_TEST(a_forged_timer_ends_all_the_same)
{
	struct state *s;

	conn.keep_at = NSEC_NEVER;
	conn.timer = TCP_TIMER_TAIL;
	conn.rto_at = NSEC_NEVER;
	ck_assert_ptr_null(save_and_load(11 * SEC, 11 * SEC, &s));
	state_free(s);
	ck_assert_int_le(conn.keep_at, 11 * SEC + common.keep_idle);
	ck_assert_int_eq(conn.timer, TCP_TIMER_RETRANSMIT);
	ck_assert_int_le(conn.timer_at, 11 * SEC + TCP_RTO_MAX);
	conn.state = TCPS_TIME_WAIT;
	conn.nxt = conn.una;
	conn.fin_sent = conn.peer_fin = conn.peer_fin_taken = true;
	conn.peer_fin_seq = conn.rcv_nxt - 1;
	conn.time_wait_at = NSEC_NEVER;
	ck_assert_ptr_null(save_and_load(11 * SEC, 11 * SEC, &s));
	state_free(s);
	ck_assert_int_eq(tcp_conn_next(&conn), 11 * SEC + common.time_wait);
}
END_TEST

struct forgery {
	const char *says;
	void (*forge)(void);
};

/* clang-format off */
#define FORGERY(name, change) static void name(void) { change; }
FORGERY(no_state, conn.state = 77)
FORGERY(is_closed, conn.state = TCPS_CLOSED)
FORGERY(mtu_0, conn.mtu = 100)
FORGERY(mss_0, conn.mss = 0)
FORGERY(mss_large, conn.mss = 1461)
FORGERY(cwnd_0, conn.cong.cwnd = 0)
FORGERY(cwnd_large, conn.cong.cwnd = UINT32_MAX)
FORGERY(ssthresh_0, conn.cong.ssthresh = 0)
FORGERY(mode, conn.cong.mode = 3)
FORGERY(srtt, conn.rtt.srtt = -1)
FORGERY(rttvar, conn.rtt.rttvar = INT64_MAX / 2)
FORGERY(rto_0, conn.rtt.rto = 0)
FORGERY(flight, conn.nxt = conn.una - 1)
FORGERY(window, conn.wnd = UINT32_MAX)
FORGERY(wl2, conn.wl2 = conn.una + 1)
FORGERY(wscale, conn.snd_wscale = 15)
FORGERY(fin_early, conn.fin_sent = true)
FORGERY(fin_late, conn.state = TCPS_FIN_WAIT_1)
FORGERY(fin_2, conn.state = TCPS_FIN_WAIT_2; conn.fin_sent = true)
FORGERY(fin_acked, conn.state = TCPS_FIN_WAIT_1; conn.fin_sent = true; conn.nxt = conn.una)
FORGERY(peer_fin, conn.peer_fin = true; conn.peer_fin_seq = conn.rcv_nxt - 5)
FORGERY(peer_fin_taken, conn.peer_fin_taken = conn.peer_fin = true; conn.peer_fin_seq = conn.rcv_nxt - 1)
FORGERY(peer_fin_not, conn.state = TCPS_CLOSE_WAIT; conn.peer_fin_taken = true)
FORGERY(adv, conn.rcv_adv = conn.rcv_nxt - 5)
FORGERY(space, conn.space = UINT32_MAX)
FORGERY(sent_at, conn.sent_at = 12 * SEC)
FORGERY(sent_never, conn.sent_at = NSEC_NEVER)
FORGERY(heard_at, conn.heard_at = INT64_MIN)
FORGERY(challenge_at, conn.challenge_at = 12 * SEC)
FORGERY(timer, conn.timer = TCP_TIMER_COUNT)
FORGERY(before_open, conn.state = TCPS_SYN_RECEIVED)
FORGERY(challenges, conn.n_challenges = 11)
FORGERY(patience, conn.reorder_steps = 4)

static const struct forgery forgeries[] = {
	{ "state that is none", no_state }, { "is closed", is_closed }, { "an MTU", mtu_0 }, { "segment size", mss_0 },
	{ "segment size", mss_large }, { "congestion window", cwnd_0 }, { "congestion window", cwnd_large },
	{ "congestion window", ssthresh_0 }, { "congestion mode", mode }, { "a duration", srtt }, { "a duration", rttvar },
	{ "a timeout", rto_0 }, { "in flight", flight }, { "a window", window }, { "a window of the future", wl2 },
	{ "window scale", wscale }, { "FIN that does not fit the state", fin_early },
	{ "FIN that does not fit the state", fin_late }, { "data behind a FIN", fin_2 },
	{ "FIN that was acknowledged", fin_acked }, { "FIN that is behind", peer_fin },
	{ "FIN that does not fit the state", peer_fin_taken }, { "FIN that does not fit the data", peer_fin_not },
	{ "a window", adv }, { "a sink", space }, { "not over", sent_at }, { "not over", sent_never },
	{ "not over", heard_at }, { "not over", challenge_at }, { "a timer that is none", timer },
	{ "data before it is open", before_open }, { "too many challenges", challenges }, { "too much patience", patience },
};
/* clang-format on */

START_TEST(a_forged_number_is_refused_where_it_stands)
{
	const struct forgery *f = &forgeries[_i];
	struct state *file, *s;
	const char *why;
	uint8_t buf[512];
	size_t len;

	tcp_store_done(&conn.store, &common.store);
	f->forge();
	file = save(11 * SEC);
	len = payload_of(file, buf, sizeof buf);
	state_free(file);
	conn.state = TCPS_CLOSED; /* the board has no memory of its own */
	why = load_bytes(buf, len, 11 * SEC, &s);
	ck_assert_msg(why && strstr(why, f->says) && strstr(why, "conn") && strstr(why, "3"), "%s: %s", f->says,
		      why ? why : "not refused");
	ck_assert_int_eq(conn.state, TCPS_CLOSED);
	ck_assert_int_eq(tcp_conn_next(&conn), NSEC_NEVER);
	state_free(s);
}
END_TEST

/* Drives a connection that was loaded, as far as its source goes. It ends, or has a timer. */
static void drive(struct prng *rng, nsec_t now)
{
	if (tcp_conn_unacked(&conn) > held) /* the owner's check */
		return;
	tcp_conn_output(&conn, now);
	for (unsigned i = 0; i < STEPS && conn.state > TCPS_CONNECTING; i++) {
		nsec_t next = tcp_conn_next(&conn);

		ck_assert(next > INT64_MIN && (next != NSEC_NEVER || common.keep_idle == NSEC_NEVER));
		if (prng_below(rng, 2))
			now = nsec_max(now, next);
		n_sent = 0;
		tcp_conn_run(&conn, now);
		if (conn.state != TCPS_CLOSED)
			guest(TCPF_ACK, conn.rcv_nxt, conn.una + (uint32_t)prng_below(rng, 2000),
			      (uint32_t)prng_below(rng, 1000), now);
		ck_assert_uint_lt(n_sent, 1000);
		ck_assert(conn.state == TCPS_CLOSED || !seq_after(conn.una, conn.nxt));
	}
}

/* Bytes that are changed at random. What is refused names its section; what is taken can be driven. */
START_TEST(forged_bytes_are_refused_or_harmless)
{
	uint8_t good[512], buf[512];
	struct state *file = save(11 * SEC), *s;
	size_t len = payload_of(file, good, sizeof good);
	unsigned n_taken = 0;
	struct prng rng;

	state_free(file);
	prng_init(&rng, (uint64_t)_i, "forge");
	for (unsigned i = 0; i < FORGERIES; i++) {
		const char *why;

		memcpy(buf, good, len);
		for (uint64_t k = prng_below(&rng, 3) + 1; k; k--)
			buf[prng_below(&rng, len)] = (uint8_t)(prng_below(&rng, 2) ? prng_u64(&rng) : 0x100 - prng_below(&rng, 3));
		held = 30000;
		room = 1 << 20;
		why = load_bytes(buf, len, 11 * SEC, &s);
		ck_assert_msg(!why || strstr(why, "conn"), "%s", why);
		ck_assert_int_eq(why != NULL, conn.state == TCPS_CLOSED);
		ck_assert(why || conn.nxt == conn.una || conn.timer != TCP_TIMER_NONE);
		state_free(s);
		n_taken += !why;
		if (!why)
			drive(&rng, 11 * SEC);
	}
	ck_assert_uint_gt(n_taken, FORGERIES / 20);
	ck_assert_uint_lt(n_taken, FORGERIES);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tcp_state");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_connection_goes_on_on_another_clock);
	tcase_add_test(t, a_forged_timer_ends_all_the_same);
	tcase_add_loop_test(t, a_forged_number_is_refused_where_it_stands, 0,
			    (int)(sizeof forgeries / sizeof *forgeries));
	tcase_add_loop_test(t, forged_bytes_are_refused_or_harmless, 0, 4);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
