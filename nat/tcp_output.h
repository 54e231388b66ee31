/* nat/tcp_output.h: what a connection sends: data in GSO units, retransmissions, FIN, ACKs, probes.
 *
 * Used by: nat/tcp_input.c, nat/tcp.c.   Depends on: nat/tcp_conn.h. */
#ifndef MUSTER_NAT_TCP_OUTPUT_H
#define MUSTER_NAT_TCP_OUTPUT_H

#include "nat/tcp_conn.h"

/* The SYN or SYN-ACK, for the first time or again. */
void tcp_output_syn(struct tcp_conn *c, nsec_t now);

/* A pure ACK, with SACK ranges where there are some. When it could not be sent it stays due. */
void tcp_output_ack(struct tcp_conn *c, nsec_t now);

/* A challenge ACK, or the answer to a segment that is not acceptable: at most ten a second, so that two sides that
 * disagree do not answer each other for ever.   Source: RFC 5961 §7 */
void tcp_output_challenge(struct tcp_conn *c, nsec_t now);

/* An empty segment that is not acceptable, and so is answered with the window as it is. Nothing beyond the window's
 * edge is ever sent, not even a probe's byte. */
void tcp_output_probe(struct tcp_conn *c, nsec_t now);

/* RST with the sequence number that the guest expects.   Source: RFC 9293 §3.10.5 */
void tcp_output_reset(struct tcp_conn *c, uint32_t seq, uint32_t ack, bool has_ack);

/* Sends all that may be sent now: lost data first, then new data and FIN, at last an ACK when one is due. Sets the
 * retransmission or probe timer. */
void tcp_output(struct tcp_conn *c, nsec_t now);

/* TCP_TIMER_TAIL fired: probes the tail, and sets the retransmission timer.   Source: RFC 8985 §7.3 */
void tcp_output_tail(struct tcp_conn *c, nsec_t now);

/* Bytes of this connection that are thought to be in flight. */
uint32_t tcp_output_pipe(struct tcp_conn *c);

/* Our clock for the timestamp option: milliseconds. */
uint32_t tcp_output_ts(const struct tcp_conn *c, nsec_t now);

/* Tells whether the sink has so much more room that the guest is told at once.   Source: RFC 9293 §3.8.6.2.2 */
bool tcp_output_window_grew(const struct tcp_conn *c);

#endif
