/* tests/nat/check_tcp_close.c: FIN, RST, SYN and forged ACKs in every state; half-close, TIME-WAIT, keep-alive. */
#include "tests/nat/script.h"
#include "tests/unit.h"

#define WE_END "+0 fin\n+0 > F. 1:1(0) ack 1\n+0 state fin-wait-1\n"
#define GUEST_ENDS "+0 < F. 1:1(0) ack 1 win 65535\n+0 event peer-fin\n+0 > . 1:1(0) ack 2\n+0 state close-wait\n"
#define FIN_WAIT_2 WE_END "+0.1 < . 1:1(0) ack 2 win 65535\n+0 state fin-wait-2\n"
#define CLOSING WE_END "+0.1 < F. 1:1(0) ack 1 win 65535\n+0 event peer-fin\n+0 > . 2:2(0) ack 2\n+0 state closing\n"
#define LAST_ACK GUEST_ENDS "+0 fin\n+0 > F. 1:1(0) ack 2\n+0 state last-ack\n"

/* clang-format off */
static const struct script scripts[] = {
	{ "we end first", SCRIPT_OPEN FIN_WAIT_2
	  "+0.1 < F. 1:1(0) ack 2 win 65535\n"
	  "+0 event peer-fin\n"
	  "+0 event done\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 state time-wait\n" },
	{ "a FIN goes with the last data, and is sent again", SCRIPT_OPEN_PLAIN
	  "+0 block\n"
	  "+0 write 2000\n"
	  "+0 fin\n"
	  "+0 unblock\n"
	  "+0 > FP. 1:2001(2000) ack 1 gso 1460\n"
	  "+0.3 > . 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1461 win 65535\n"
	  "+0 > FP. 1461:2001(540) ack 1\n"
	  "+0.1 < . 1:1(0) ack 2002 win 65535\n"
	  "+0 state fin-wait-2\n"
	  "+0 consumed 2000\n" },
	{ "a FIN waits until all data before it was sent", SCRIPT_OPEN
	  "+0 write 20000\n"
	  "+0 > P. 1:14601(14600) ack 1\n"
	  "+0 fin\n"
	  "+0 state established\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 > FP. 14601:20001(5400) ack 1\n"
	  "+0 state fin-wait-1\n" },
	{ "a FIN alone is sent again", SCRIPT_OPEN WE_END
	  "+0.3 > F. 1:1(0) ack 1\n"
	  "+0.6 > F. 1:1(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 2 win 65535\n"
	  "+0 state fin-wait-2\n" },
	{ "a FIN waits for the guest's window, too", SCRIPT_OPEN
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+0 fin\n"
	  "+0.3 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 10\n"
	  "+0 > F. 1:1(0) ack 1\n" },
	{ "the guest ends first, then we", SCRIPT_OPEN LAST_ACK
	  "+0.1 < . 2:2(0) ack 2 win 65535\n"
	  "+0 event done\n"
	  "+0 state closed\n" },
	{ "half-closed by the guest: we go on sending", SCRIPT_OPEN GUEST_ENDS
	  "+0 write 3000\n"
	  "+0 > P. 1:3001(3000) ack 2\n"
	  "+0.1 < . 2:2(0) ack 3001 win 100\n"
	  "+0 write 1000\n"
	  "+0 > P. 3001:3101(100) ack 2\n"
	  "+0.1 < . 2:2(0) ack 3101 win 65535\n"
	  "+0 > P. 3101:4001(900) ack 2\n"
	  "+0.1 < . 2:2(0) ack 4001 win 65535\n"
	  "+0 fin\n"
	  "+0 > F. 4001:4001(0) ack 2\n"
	  "+0.1 < . 2:2(0) ack 4002 win 65535\n"
	  "+0 event done\n" },
	{ "half-closed by us: the guest goes on sending", SCRIPT_OPEN FIN_WAIT_2
	  "+1 < P. 1:1001(1000) ack 2 win 65535\n"
	  "+0 took 1000\n"
	  "+0.04 > . 2:2(0) ack 1001\n"
	  "+1 < FP. 1001:1101(100) ack 2 win 65535\n"
	  "+0 event peer-fin\n"
	  "+0 event done\n"
	  "+0 > . 2:2(0) ack 1102\n" },
	{ "both end at once", SCRIPT_OPEN CLOSING
	  "+0.1 < . 2:2(0) ack 2 win 65535\n"
	  "+0 event done\n"
	  "+0 state time-wait\n"
	  "+59 state time-wait\n"
	  "+1 state closed\n" },
	{ "FIN with the ACK of ours", SCRIPT_OPEN WE_END
	  "+0.1 < F. 1:1(0) ack 2 win 65535\n"
	  "+0 event peer-fin\n"
	  "+0 event done\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 state time-wait\n" },
	{ "a FIN before its data waits for it", SCRIPT_OPEN
	  "+0 < F. 101:201(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1 <sack 101:201>\n"
	  "+0 state established\n"
	  "+0 < . 1:101(100) ack 1 win 65535\n"
	  "+0 event peer-fin\n"
	  "+0 > . 1:1(0) ack 202\n"
	  "+0 took 200\n" },
	{ "a FIN waits for a sink that is full; its ACKs count meanwhile", SCRIPT_OPEN
	  "+0 write 1000\n"
	  "+0 > P. 1:1001(1000) ack 1\n"
	  "+0 room 0\n"
	  "+0 < FP. 1:101(100) ack 1 win 65535\n"
	  "+0.1 < . 102:102(0) ack 1001 win 65535\n"
	  "+0 consumed 1000\n"
	  "+0 state established\n"
	  "+0 room 5000\n"
	  "+0 event peer-fin\n"
	  "+0 > . 1001:1001(0) ack 102\n"
	  "+0 state close-wait\n" },
	{ "data behind the guest's FIN is not taken", SCRIPT_OPEN
	  "+0 < . 201:301(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1 <sack 201:301>\n"
	  "+0 < F. 1:101(100) ack 1 win 65535\n"
	  "+0 event peer-fin\n"
	  "+0 > . 1:1(0) ack 102\n"
	  "+0 < . 102:202(100) ack 1 win 65535\n"
	  "+0 took 100\n" },
	{ "a FIN again in CLOSE-WAIT is acknowledged again", SCRIPT_OPEN GUEST_ENDS
	  "+0.1 < F. 1:1(0) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 2\n"
	  "+0 state close-wait\n" },
	{ "a FIN again in LAST-ACK", SCRIPT_OPEN LAST_ACK
	  "+0.1 < F. 1:1(0) ack 1 win 65535\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 state last-ack\n" },
	{ "a FIN again in CLOSING", SCRIPT_OPEN CLOSING
	  "+0.1 < F. 1:1(0) ack 1 win 65535\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 state closing\n" },
	{ "a FIN again in TIME-WAIT is acknowledged, and the wait begins anew", SCRIPT_OPEN CLOSING
	  "+0.1 < . 2:2(0) ack 2 win 65535\n"
	  "+0 event done\n"
	  "+50 < F. 1:1(0) ack 2 win 65535\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+59 state time-wait\n"
	  "+1 state closed\n" },
	{ "FIN in SYN-RECEIVED", "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < F. 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 event peer-fin\n"
	  "+0 > . 1:1(0) ack 2\n"
	  "+0 state close-wait\n" },
	{ "FIN in CONNECTING is nothing", "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 < F. 1:1(0) ack 1 win 65535\n"
	  "+0 state connecting\n" },
	{ "FIN in SYN-SENT is nothing", "0 open\n+0 > S 0:0(0)\n+0 < F 1:1(0) win 65535\n+0 state syn-sent\n" },

	{ "RST in CONNECTING", "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 < R 500:500(0) win 0\n"
	  "+0 state connecting\n"
	  "+0 < R 1:1(0) win 0\n"
	  "+0 event reset\n"
	  "+0 state closed\n" },
	{ "RST in SYN-RECEIVED", "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0 < R 1:1(0) win 0\n"
	  "+0 event reset\n" },
	{ "RST in ESTABLISHED", SCRIPT_OPEN "+0 < R 1:1(0) win 0\n+0 event reset\n+0 state closed\n" },
	{ "RST in FIN-WAIT-1", SCRIPT_OPEN WE_END "+0 < R 1:1(0) win 0\n+0 event reset\n+0 state closed\n" },
	{ "RST in FIN-WAIT-2", SCRIPT_OPEN FIN_WAIT_2 "+0 < R 1:1(0) win 0\n+0 event reset\n+0 state closed\n" },
	{ "RST in CLOSE-WAIT", SCRIPT_OPEN GUEST_ENDS "+0 < R 2:2(0) win 0\n+0 event reset\n+0 state closed\n" },
	{ "RST in CLOSING", SCRIPT_OPEN CLOSING "+0 < R 2:2(0) win 0\n+0 event reset\n+0 state closed\n" },
	{ "RST in LAST-ACK", SCRIPT_OPEN LAST_ACK "+0 < R 2:2(0) win 0\n+0 event reset\n+0 state closed\n" },
	{ "RST in TIME-WAIT does not end the wait", SCRIPT_OPEN CLOSING
	  "+0.1 < . 2:2(0) ack 2 win 65535\n"
	  "+0 event done\n"
	  "+0 < R 2:2(0) win 0\n"
	  "+0 state time-wait\n" },
	{ "an RST within the window is challenged, one outside dropped", SCRIPT_OPEN
	  "+0 < R 2:2(0) win 0\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+0 < R 99999999:99999999(0) win 0\n"
	  "+0 < R 4294967290:4294967290(0) win 0\n"
	  "+0 state established\n" },
	{ "a SYN on an open connection is challenged", SCRIPT_OPEN
	  "+0 < S 1:1(0) win 65535\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+0 < S 77777:77777(0) win 65535\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+0 state established\n" },
	{ "an ACK of what was never sent, or of long ago, is challenged and its data dropped", SCRIPT_OPEN
	  "+0 < P. 1:101(100) ack 2 win 65535\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+0 < P. 1:101(100) ack 4294800000 win 65535\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+0 took 0\n" },
	{ "ten challenge ACKs a second, no more", SCRIPT_OPEN
	  "+0.9 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n"
	  "+0 < R 2:2(0) win 0\n"
	  "+0.5 < R 2:2(0) win 0\n"
	  "+0.5 < R 2:2(0) win 0\n+0 > . 1:1(0) ack 1\n" },
	{ "data without ACK is dropped", SCRIPT_OPEN
	  "+0 < P 1:101(100) win 65535\n"
	  "+0 took 0\n" },
	{ "a keep-alive is answered, with or without its byte", SCRIPT_OPEN
	  "+100 < . 0:0(0) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+10 < . 0:1(1) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1\n" },
	{ "a silent guest is probed; one that rebooted resets", SCRIPT_OPEN
	  "+300 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+300 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+0.1 < R 1:1(0) win 0\n"
	  "+0 event reset\n" },
	{ "a silent guest that never answers is given up", SCRIPT_OPEN
	  "+300 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+15 > . 0:0(0) ack 1\n"
	  "+15 > R. 1:1(0) ack 1\n"
	  "+0 event timed-out\n" },
	{ "TIME-WAIT: a SYN with a higher number opens anew, a lower one does not", SCRIPT_OPEN CLOSING
	  "+0.1 < . 2:2(0) ack 2 win 65535\n"
	  "+0 event done\n"
	  "+0 < S 1:1(0) win 65535\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 < S. 5000:5000(0) ack 2 win 65535\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 state time-wait\n"
	  "+0 < S 5000:5000(0) win 65535\n"
	  "+0 state connecting\n" },
	{ "TIME-WAIT: a later timestamp is enough, an earlier one too little", SCRIPT_OPEN_TS
	  "+0 fin\n"
	  "+0 > F. 1:1(0) ack 1\n"
	  "+0.1 < F. 1:1(0) ack 2 win 65535 <ts 300>\n"
	  "+0 event peer-fin\n"
	  "+0 event done\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 < S 1:1(0) win 65535 <ts 300:0>\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 < S 5000:5000(0) win 65535 <ts 299:0>\n"
	  "+0 > . 2:2(0) ack 2\n"
	  "+0 < S 1:1(0) win 65535 <ts 301:0>\n"
	  "+0 state connecting\n" },
	{ "abort resets", SCRIPT_OPEN
	  "+0 write 100\n"
	  "+0 > P. 1:101(100) ack 1\n"
	  "+0 abort\n"
	  "+0 > R. 101:101(0) ack 1\n"
	  "+0 state closed\n" },
};
/* clang-format on */

START_TEST(script_holds)
{
	script_play(&scripts[_i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tcp_close");
	TCase *t = tcase_create("scripts");

	tcase_add_loop_test(t, script_holds, 0, (int)(sizeof scripts / sizeof *scripts));
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
