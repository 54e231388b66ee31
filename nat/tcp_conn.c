/* nat/tcp_conn.c: the legal steps between the states of a connection.
 *
 * Used by: nat/tcp_input.c, nat/tcp_output.c, nat/tcp.c.
 * Sources: RFC 9293 §3.3.2, figure 5. */
#include "nat/tcp_conn.h"

#define TO(s) (1u << TCPS_##s)

/* CLOSED is legal from each. */
static const uint16_t legal[TCPS_COUNT] = {
	[TCPS_CLOSED] = TO(CONNECTING) | TO(SYN_SENT),
	[TCPS_CONNECTING] = TO(SYN_RECEIVED),
	[TCPS_SYN_SENT] = TO(SYN_RECEIVED) | TO(ESTABLISHED),
	[TCPS_SYN_RECEIVED] = TO(ESTABLISHED),
	[TCPS_ESTABLISHED] = TO(FIN_WAIT_1) | TO(CLOSE_WAIT),
	[TCPS_FIN_WAIT_1] = TO(FIN_WAIT_2) | TO(CLOSING),
	[TCPS_FIN_WAIT_2] = TO(TIME_WAIT),
	[TCPS_CLOSE_WAIT] = TO(LAST_ACK),
	[TCPS_CLOSING] = TO(TIME_WAIT),
	[TCPS_LAST_ACK] = 0,
	[TCPS_TIME_WAIT] = 0,
};

const char *tcp_state_str(enum tcp_state state)
{
	static const char *const names[] = {
		[TCPS_CLOSED] = "closed",	    [TCPS_CONNECTING] = "connecting",
		[TCPS_SYN_SENT] = "syn-sent",	    [TCPS_SYN_RECEIVED] = "syn-received",
		[TCPS_ESTABLISHED] = "established", [TCPS_FIN_WAIT_1] = "fin-wait-1",
		[TCPS_FIN_WAIT_2] = "fin-wait-2",   [TCPS_CLOSE_WAIT] = "close-wait",
		[TCPS_CLOSING] = "closing",	    [TCPS_LAST_ACK] = "last-ack",
		[TCPS_TIME_WAIT] = "time-wait",
	};
	_Static_assert(sizeof names / sizeof *names == TCPS_COUNT, "one name a state");

	return names[state];
}

void tcp_conn_set_state(struct tcp_conn *c, enum tcp_state state)
{
	assert(state == TCPS_CLOSED || (legal[c->state] & (1u << state)));
	c->state = (uint8_t)state;
}

void tcp_conn_stop(struct tcp_conn *c)
{
	tcp_board_reset(&c->board, c->una);
	tcp_store_done(&c->store, &c->common->store);
	c->timer = TCP_TIMER_NONE;
	c->timer_at = c->delack_at = c->reorder_at = c->time_wait_at = c->keep_at = NSEC_NEVER;
	c->ack_now = false;
	tcp_conn_set_state(c, TCPS_CLOSED);
}
