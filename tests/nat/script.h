/* tests/nat/script.h: plays a script against one connection, on virtual time.
 *
 * A script is a text, one step a line, "#" begins a comment:
 *
 *	TIME < FLAGS START:END(LEN) [ack N] [win N] [<OPTIONS>] [dup]   the guest sends
 *	TIME > FLAGS START:END(LEN) [ack N] [win N] [gso N] [<OPTIONS>]  the connection has sent this, then
 *	TIME open | accept | refuse | write N | fin | room N | room-empty N | abort | block | unblock
 *	TIME state NAME | event NAME | took N | consumed N
 *
 * TIME is "+SECONDS" after the line before, or seconds from the start. Timers run up to the step's time first. What the
 * connection sends is queued with its time; ">" takes the first; every step but this and "event" finds the queue empty. FLAGS are
 * S F R P and "." for ACK. Numbers are relative to each side's first. "mtu N" and such stand before the first step.
 * "dup" sends other bytes than the first time. In OPTIONS "ts V" echoes our latest timestamp, "ts V:E" any.
 *
 * Sources: the form is packetdrill's. */
#ifndef MUSTER_TESTS_NAT_SCRIPT_H
#define MUSTER_TESTS_NAT_SCRIPT_H

struct script {
	const char *name;
	const char *text;
};

/* Plays @s; fails the test at the first step that does not hold, with its line. */
void script_play(const struct script *s);

/* The guest has a window of 65535 without scaling, SACK and no timestamps; both sides are at 1. */
#define SCRIPT_OPEN                                  \
	"0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n" \
	"+0 accept\n"                                \
	"+0 > S. 0:0(0) ack 1 <mss 1460,sackOK>\n"   \
	"+0.1 < . 1:1(0) ack 1 win 65535\n"          \
	"+0 event open\n"
/* The same without SACK. */
#define SCRIPT_OPEN_PLAIN                     \
	"0 < S 0:0(0) win 65535 <mss 1460>\n" \
	"+0 accept\n"                         \
	"+0 > S. 0:0(0) ack 1 <mss 1460>\n"   \
	"+0.1 < . 1:1(0) ack 1 win 65535\n"   \
	"+0 event open\n"
/* With timestamps and a window of 8 MiB. */
#define SCRIPT_OPEN_TS                                                 \
	"0 < S 0:0(0) win 65535 <mss 1460,sackOK,ts 100:0,wscale 7>\n" \
	"+0 accept\n"                                                  \
	"+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,ts *:100,wscale 7>\n"   \
	"+0.1 < . 1:1(0) ack 1 win 65535 <ts 200>\n"                   \
	"+0 event open\n"

#endif
