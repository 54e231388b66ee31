/* nat/tcp_conn.h: the state of one connection with a guest, and what its owner gives it.
 *
 * Used by: nat/tcp.h and its parts.   Depends on: nat/tcp_board.h, nat/tcp_cong.h, nat/tcp_store.h.
 * Sources: RFC 9293 §3.3.1, §3.3.2. */
#ifndef MUSTER_NAT_TCP_CONN_H
#define MUSTER_NAT_TCP_CONN_H

#include "nat/tcp_board.h"
#include "nat/tcp_cong.h"
#include "nat/tcp_segment.h"
#include "nat/tcp_store.h"

#include <assert.h>

enum tcp_state {
	TCPS_CLOSED, /* nothing comes or goes; the owner may free it */
	TCPS_CONNECTING, /* the guest's SYN came; the owner asks the other side. tcp_conn_accept() or _refuse() */
	TCPS_SYN_SENT,
	TCPS_SYN_RECEIVED,
	TCPS_ESTABLISHED,
	TCPS_FIN_WAIT_1,
	TCPS_FIN_WAIT_2,
	TCPS_CLOSE_WAIT,
	TCPS_CLOSING,
	TCPS_LAST_ACK,
	TCPS_TIME_WAIT,
	TCPS_COUNT
};

enum tcp_event {
	TCP_EVENT_OPEN, /* the handshake is done */
	TCP_EVENT_PEER_FIN, /* all the guest sent was delivered, and it sends no more */
	TCP_EVENT_DONE, /* both sides ended and all was acknowledged; TIME-WAIT or CLOSED follows */
	TCP_EVENT_RESET, /* the guest reset the connection, or refused it */
	TCP_EVENT_TIMED_OUT, /* the guest does not answer any more */
	TCP_EVENT_COUNT
};

/* What the owner does. None of these may call into the connection again. */
struct tcp_ops {
	/* Sends one segment. Returns 0, or a negative number when there is no room: the connection then stays as if it
	 * had not tried, and goes on at the next tcp_conn_output() or at its timer. */
	int (*emit)(void *ctx, const struct tcp_out *out);
	/* Bytes that the source holds from the oldest unconsumed one on, those in flight included.
	 * @ret_fin: set when nothing follows them. A socket that was peeked to its end and still holds unconsumed bytes
	 * tells both. */
	size_t (*avail)(void *ctx, bool *ret_fin);
	/* The guest acknowledged the oldest @n bytes: they are not asked for again. */
	void (*consumed)(void *ctx, size_t n);
	/* Hands on what the guest sent. Returns how much was taken, 0 to @len; tcp_conn_set_space() tells when there is
	 * room again. */
	size_t (*deliver)(void *ctx, const uint8_t *data, size_t len);
	void (*event)(void *ctx, enum tcp_event event);
};

struct tcp_counters {
	uint64_t n_retransmits, n_timeouts, n_recoveries, n_undone, n_probes, n_challenges, n_paws, n_unacceptable,
		n_resets, n_tail_probes, n_tail_losses;
};

/* What all connections share; owned by the flow table, and outlives them. */
struct tcp_common {
	const struct tcp_ops *ops;
	struct tcp_store_limits store;
	struct tcp_counters count;
	nsec_t time_wait; /* how long TIME-WAIT lasts */
	nsec_t keep_idle, keep_interval; /* a guest that says nothing is probed; keep_idle NSEC_NEVER: never */
	uint32_t keep_probes; /* unanswered ones before it is given up */
};

/* TAIL comes before RETRANSMIT would: a probe of the tail (RFC 8985 §7). */
enum tcp_timer { TCP_TIMER_NONE, TCP_TIMER_RETRANSMIT, TCP_TIMER_PROBE, TCP_TIMER_TAIL, TCP_TIMER_COUNT };

enum {
	TCP_RECENT = 3,
	TCP_IP4_HEADS = 40, /* bytes of IP and TCP without options */
	TCP_IP6_HEADS = 60,
	TCP_TS_LEN = 12, /* of the timestamp option, padded */
	TCP_MSS_LEAST = 88, /* a guest that says less is not believed, else each byte would cost a header */
	TCP_CHALLENGES_A_SECOND = 10, /* RFC 5961 §7 */
	TCP_REORDER_STEPS_MAX = 3,
};

/* A recovery began, and has sent nothing yet. */
#define TCP_UNDO_ARMED INT64_MIN

struct tcp_conn {
	struct tcp_common *common; /* borrowed */
	void *ctx; /* the owner's, for its ops */

	/* Towards the guest. */
	uint32_t iss, una, nxt;
	uint32_t fin_seq; /* of our FIN, once it was sent */
	uint32_t wnd; /* bytes behind una at the last update */
	uint32_t wnd_max; /* the largest ever seen */
	uint32_t wl1, wl2; /* seq and ack of the segment that told wnd */
	uint32_t mss; /* payload of a full segment, without options */
	uint32_t dup_acks; /* of a guest without SACK */
	uint32_t undo_bytes; /* sent again in this recovery, without those a DSACK told of */
	struct tcp_cong cong;
	struct tcp_rtt rtt;
	struct tcp_board board;
	uint32_t rtt_seq; /* the end of the segment that is timed */
	nsec_t rtt_at; /* when it was sent; NSEC_NEVER: none is timed */
	nsec_t sent_at; /* when data was sent last */
	nsec_t rto_at; /* TCP_TIMER_TAIL: when RETRANSMIT would fire */
	uint32_t tail_end; /* the next new byte when the tail was probed */

	/* From the guest. */
	uint32_t irs, rcv_nxt;
	uint32_t rcv_adv; /* the highest window edge that was told */
	uint32_t peer_fin_seq;
	uint32_t space; /* bytes the sink would take */
	uint32_t unacked; /* bytes taken since the last ACK */
	uint32_t rcv_mss; /* what we announced, without options */
	uint32_t ts_recent, ts_offset;
	uint32_t last_ack; /* sent */
	struct tcp_store store;
	uint32_t recent[TCP_RECENT]; /* where data came out of order, the latest first */
	struct tcp_range dsack; /* to be told once; empty: none */
	nsec_t ts_recent_at, heard_at;

	/* Timers; NSEC_NEVER: not set. */
	nsec_t timer_at, delack_at, reorder_at, time_wait_at, keep_at;
	nsec_t challenge_at; /* begin of the second that n_challenges counts for */
	nsec_t undo_ts_at; /* when this recovery sent its first segment again; TCP_UNDO_ARMED; NSEC_NEVER: it is answered */

	uint16_t mtu;
	uint8_t state; /* enum tcp_state */
	uint8_t timer; /* enum tcp_timer */
	uint8_t backoff; /* timeouts or probes in a row without an answer */
	uint8_t keep_unanswered;
	uint8_t n_challenges;
	uint8_t snd_wscale, rcv_wscale;
	uint8_t n_recent;
	uint8_t reorder_steps; /* quarters of a round trip a hole may wait, beyond the first */
	bool is_ip6, is_active;
	bool ts_ok, sack_ok, wscale_ok;
	bool fin_sent, peer_fin, peer_fin_taken;
	bool sink_queued; /* the sink still holds bytes of ours */
	bool ack_now;
	bool patient; /* this path reorders: three SACKs alone are no loss */
	bool retransmit_now; /* the first segment of a recovery does not wait for cwnd */
	bool syn_retransmitted;
	bool tail_probed; /* and it is not known yet whether anything was lost */
	bool tail_again; /* that probe was data sent again */
};

/* An idle connection has no memory beside this. */
static_assert(sizeof(struct tcp_conn) <= 512, "an idle flow is small");

static inline bool tcp_conn_is_synchronized(const struct tcp_conn *c)
{
	return c->state >= TCPS_ESTABLISHED;
}

/* True while our side may still send new data or its FIN. */
static inline bool tcp_conn_may_send(const struct tcp_conn *c)
{
	return c->state == TCPS_ESTABLISHED || c->state == TCPS_CLOSE_WAIT;
}

/* Bytes of the source that were sent and not acknowledged. */
static inline uint32_t tcp_conn_unacked(const struct tcp_conn *c)
{
	return tcp_conn_is_synchronized(c) ? c->nxt - c->una - (c->fin_sent && c->nxt != c->una) : 0;
}

/* A state's name for people, such as "fin-wait-1"; static. */
const char *tcp_state_str(enum tcp_state state);

/* Sets the state; asserts that the step is one of RFC 9293's. */
void tcp_conn_set_state(struct tcp_conn *c, enum tcp_state state);

/* Ends it: timers off, memory back, state CLOSED. */
void tcp_conn_stop(struct tcp_conn *c);

static inline void tcp_conn_event(struct tcp_conn *c, enum tcp_event event)
{
	c->common->ops->event(c->ctx, event);
}

#endif
