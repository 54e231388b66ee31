/* nat/tcp_input.h: what a segment from the guest does to a connection.
 *
 * Used by: nat/tcp.c.   Depends on: nat/tcp_conn.h, nat/tcp_ack.h, nat/tcp_output.h. */
#ifndef MUSTER_NAT_TCP_INPUT_H
#define MUSTER_NAT_TCP_INPUT_H

#include "nat/tcp_conn.h"

enum tcp_verdict {
	TCP_TAKEN, /* used, or answered */
	TCP_DROPPED, /* old, forged or malformed; counted */
	TCP_REUSE, /* a SYN for a new connection of the same addresses: drop this one, then open anew */
	TCP_VERDICT_COUNT
};

enum tcp_verdict tcp_input(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now);

/* Takes what the guest's SYN tells: its numbers and options. */
void tcp_input_syn(struct tcp_conn *c, const struct tcp_segment *seg, nsec_t now);

/* Hands on what is kept in order; takes the guest's FIN when its turn came. */
void tcp_input_deliver(struct tcp_conn *c, nsec_t now);

#endif
