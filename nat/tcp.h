/* nat/tcp.h: the guest's side of a TCP connection: a full TCP endpoint without clock, socket, thread or buffer of its
 * own for what it sends.
 *
 * Data for the guest stays with its owner until the guest acknowledged it (a host socket with SO_PEEK_OFF, or a
 * buffer): tcp_ops.avail() says how much there is, tcp_ops.emit() copies a piece of it into a frame, for the first time
 * or again, and tcp_ops.consumed() gives it up. Data from the guest goes to tcp_ops.deliver() at once; what it does not
 * take, or what came out of order, is kept within bounds.
 *
 * The order of a batch: tcp_conn_input() for each segment, then tcp_conn_output(); and tcp_conn_run() when
 * tcp_conn_next() has come. All times are of one clock of the caller's.
 *
 * A guest is hostile: it never makes a connection send beyond its own window, hold more than tcp_common.store allows,
 * or answer more than ten segments a second that are not acceptable.
 *
 * Used by: the NAT and DNS over TCP.   Depends on: nat/tcp_*.h.
 * Sources: RFC 9293, 5681, 5961, 6191, 6298, 6582, 6675, 6928, 7323, 2018, 2883. */
#ifndef MUSTER_NAT_TCP_H
#define MUSTER_NAT_TCP_H

#include "nat/tcp_conn.h"
#include "nat/tcp_input.h"
#include "nat/tcp_segment.h"

/* What a connection is opened with. */
struct tcp_params {
	uint32_t iss; /* our first sequence number; random, and after tcp_conn_next_iss() on reuse */
	uint32_t ts_offset; /* of our timestamps; random */
	uint32_t space; /* bytes the sink takes now */
	uint16_t mtu; /* of the guest's network, 576 (IPv6: 1280) to 65535 */
	bool is_ip6;
};

/* The defaults: TIME-WAIT of 60 s, probes of a silent guest after 5 minutes, 4 MiB kept a connection and 64 MiB in all.
 * @ops: borrowed. */
void tcp_common_init(struct tcp_common *common, const struct tcp_ops *ops);

/* The guest's SYN @seg came: state CONNECTING, and no answer yet. @c: overwritten; the owner's.
 * Returns false when @seg opens nothing (no SYN, or with ACK, RST or FIN): see tcp_reset_for(). */
bool tcp_conn_passive(struct tcp_conn *c, struct tcp_common *common, void *ctx, const struct tcp_params *params,
		      const struct tcp_segment *seg, nsec_t now);

/* The other side is connected: SYN-ACK. In state CONNECTING only. */
void tcp_conn_accept(struct tcp_conn *c, nsec_t now);

/* The other side refused: RST. For an unreachable one the owner sends ICMP and calls tcp_conn_drop(). In state
 * CONNECTING only. */
void tcp_conn_refuse(struct tcp_conn *c);

/* Connects to the guest: SYN. @c: overwritten; the owner's. */
void tcp_conn_active(struct tcp_conn *c, struct tcp_common *common, void *ctx, const struct tcp_params *params,
		     nsec_t now);

/* Takes one segment that belongs to the connection; its checksum is right. Sends at most an ACK or RST at once. */
enum tcp_verdict tcp_conn_input(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now);

/* Sends what may be sent: after a batch of segments, when the source has more data or ended, and when tcp_ops.emit()
 * has room again. */
void tcp_conn_output(struct tcp_conn *c, nsec_t now);

/* The sink takes @space bytes now. @is_queued: it still holds bytes that it took before. Hands on what was kept, and
 * tells the guest when its window grew enough. */
void tcp_conn_set_space(struct tcp_conn *c, uint32_t space, bool is_queued, nsec_t now);

/* Resets the connection: RST to the guest, state CLOSED. No event. */
void tcp_conn_abort(struct tcp_conn *c);

/* Forgets the connection without a word; gives its memory back. Any state, CLOSED included. */
void tcp_conn_drop(struct tcp_conn *c);

/* When tcp_conn_run() is wanted; NSEC_NEVER: not before something else happens. */
nsec_t tcp_conn_next(const struct tcp_conn *c);

/* Does what is due. Afterwards the state may be CLOSED: the owner frees the connection then. */
void tcp_conn_run(struct tcp_conn *c, nsec_t now);

struct state;
/* Describes the connection, in the section that its owner opened (core/state.h), and changes nothing when it saves. Not
 * saved: the scoreboard and what is kept out of order, which the guest and this side send again.
 * When it loads, @c->common and @c->ctx are set, all else is overwritten, and @c has no memory before. A refusal leaves
 * it CLOSED. @now: on any clock. The owner saves the bytes of its source from the oldest unconsumed one on, and refuses
 * a connection with tcp_conn_unacked() beyond them. */
void tcp_conn_state(struct tcp_conn *c, struct state *s, nsec_t now);

/* The least ISS of a connection that takes the place of @c after TCP_REUSE.   Source: RFC 6191 §2 */
uint32_t tcp_conn_next_iss(const struct tcp_conn *c);

#endif
