/* nat/tcp_ack.h: what an acknowledgement from the guest does: data consumed, loss found, windows moved.
 *
 * Used by: nat/tcp_input.c, nat/tcp.c.   Depends on: nat/tcp_conn.h, nat/tcp_output.h. */
#ifndef MUSTER_NAT_TCP_ACK_H
#define MUSTER_NAT_TCP_ACK_H

#include "nat/tcp_conn.h"

/* Takes the ACK, window and SACK ranges of @seg, whose ACK lies between what was acknowledged and what was sent. */
void tcp_ack(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now);

/* Takes the window of @seg, when it is newer than the one that is known.   Source: RFC 9293 §3.10.7.4 */
void tcp_ack_window(struct tcp_conn *c, const struct tcp_segment *seg, bool is_keep_alive, nsec_t now);

/* The retransmission timer fired. */
void tcp_ack_timeout(struct tcp_conn *c);

/* Looks for holes that waited long enough, and begins a recovery when one did. */
void tcp_ack_find_losses(struct tcp_conn *c, nsec_t now);

#endif
