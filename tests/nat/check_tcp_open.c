/* tests/nat/check_tcp_open.c: handshakes both ways, options, data without loss, retransmission by timer. */
#include "tests/nat/script.h"
#include "tests/unit.h"

#define IW "1:14601(14600)"

/* clang-format off */
static const struct script scripts[] = {
	{ "the guest connects, with all options", SCRIPT_OPEN_TS
	  "+0 state established\n" },
	{ "the SYN-ACK waits for the other side; SYN retries are ignored",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+1 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+2 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 state connecting\n"
	  "+0.5 accept\n"
	  "+0 > S. 0:0(0) ack 1 win 65535 <mss 1460>\n" },
	{ "an option the guest lacks is not answered",
	  "0 < S 0:0(0) win 65535 <mss 1460,wscale 3>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1 <mss 1460,wscale 7>\n" },
	{ "IPv6 and MTU 9000",
	  "0 mtu 9000\n"
	  "0 ip6\n"
	  "0 < S 0:0(0) win 65535 <mss 8940>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1 <mss 8940>\n" },
	{ "the other side refuses",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0.2 refuse\n"
	  "+0 > R. 0:0(0) ack 1\n"
	  "+0 state closed\n" },
	{ "a SYN-ACK is sent again after 1, 2, 4 s, then a data timeout is 3 s",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+1 > S. 0:0(0) ack 1\n"
	  "+2 > S. 0:0(0) ack 1\n"
	  "+4 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 write 5000\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+3 > P. 1:1461(1460) ack 1\n" },
	{ "a SYN-ACK that nobody answers is given up",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+1 > S. 0:0(0) ack 1\n"
	  "+2 > S. 0:0(0) ack 1\n"
	  "+4 > S. 0:0(0) ack 1\n"
	  "+8 > S. 0:0(0) ack 1\n"
	  "+16 > S. 0:0(0) ack 1\n"
	  "+32 > S. 0:0(0) ack 1\n"
	  "+60 > S. 0:0(0) ack 1\n"
	  "+60 > R. 1:1(0) ack 1\n"
	  "+0 event timed-out\n"
	  "+0 state closed\n" },
	{ "a lost SYN-ACK: the guest's retry gets it at once",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.5 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n" },
	{ "a wrong ACK of the SYN-ACK is reset",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 777 win 65535\n"
	  "+0 > R 777:777(0)\n"
	  "+0 state syn-received\n" },
	{ "a forward connects to the guest",
	  "0 open\n"
	  "+0 > S 0:0(0) win 65535 <mss 1460,sackOK,ts *:0,wscale 7>\n"
	  "+0.1 < S. 0:0(0) ack 1 win 60000 <mss 1400,sackOK,ts 100,wscale 6>\n"
	  "+0 event open\n"
	  "+0 > . 1:1(0) ack 1 <ts *:100>\n"
	  "+0 state established\n" },
	{ "a forward to a port that refuses",
	  "0 open\n"
	  "+0 > S 0:0(0)\n"
	  "+0.1 < R. 0:0(0) ack 1 win 0\n"
	  "+0 event reset\n"
	  "+0 state closed\n" },
	{ "an RST without, or with a wrong, ACK does not end SYN-SENT",
	  "0 open\n"
	  "+0 > S 0:0(0)\n"
	  "+0.1 < R 0:0(0) win 0\n"
	  "+0 < R. 0:0(0) ack 55 win 0\n"
	  "+0 state syn-sent\n" },
	{ "a SYN-ACK of another connection is reset",
	  "0 open\n"
	  "+0 > S 0:0(0)\n"
	  "+0.1 < S. 0:0(0) ack 55 win 60000 <mss 1400>\n"
	  "+0 > R 55:55(0)\n"
	  "+0 state syn-sent\n" },
	{ "a SYN is sent again, and given up",
	  "0 open\n"
	  "+0 > S 0:0(0)\n"
	  "+1 > S 0:0(0)\n"
	  "+2 > S 0:0(0)\n"
	  "+4 > S 0:0(0)\n"
	  "+8 > S 0:0(0)\n"
	  "+16 > S 0:0(0)\n"
	  "+32 > S 0:0(0)\n"
	  "+60 > S 0:0(0)\n"
	  "+60 event timed-out\n"
	  "+0 state closed\n" },
	{ "both open at once",
	  "0 open\n"
	  "+0 > S 0:0(0)\n"
	  "+0.1 < S 0:0(0) win 60000 <mss 1400>\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0 state syn-received\n"
	  "+0.1 < S. 0:0(0) ack 1 win 60000 <mss 1400>\n"
	  "+0 event open\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+0 state established\n" },
	{ "data with the last ACK of the handshake",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < P. 1:101(100) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 took 100\n"
	  "+0.04 > . 1:1(0) ack 101\n" },
	{ "a write goes at once, with PSH; its ACK consumes it", SCRIPT_OPEN
	  "+0 write 100\n"
	  "+0 > P. 1:101(100) ack 1 gso 0\n"
	  "+0.1 < . 1:1(0) ack 101 win 65535\n"
	  "+0 consumed 100\n" },
	{ "the initial window is ten segments in one GSO unit, then slow start", SCRIPT_OPEN
	  "+0 write 100000\n"
	  "+0 > P. " IW " ack 1 gso 1460\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 > P. 14601:43801(29200) ack 1 gso 1460\n" },
	{ "timestamps cost 12 bytes of each segment", SCRIPT_OPEN_TS
	  "+0 write 100000\n"
	  "+0 > P. 1:14481(14480) ack 1 gso 1448 <ts *:200>\n" },
	{ "the guest's MSS bounds ours, and a tiny one is not believed",
	  "0 < S 0:0(0) win 65535 <mss 1>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 write 800\n"
	  "+0 > P. 1:801(800) ack 1 gso 88\n" },
	{ "no MSS option: 536",
	  "0 < S 0:0(0) win 65535\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 write 5360\n"
	  "+0 > P. 1:5361(5360) ack 1 gso 536\n" },
	{ "a unit stays below 64 KiB and is whole segments",
	  "0 < S 0:0(0) win 65535 <mss 1460,wscale 7>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 write 300000\n"
	  "+0 > P. 1:14601(14600) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 > P. 14601:43801(29200) ack 1\n"
	  "+0.1 < . 1:1(0) ack 43801 win 65535\n"
	  "+0 > P. 43801:102201(58400) ack 1\n"
	  "+0.1 < . 1:1(0) ack 102201 win 65535\n"
	  "+0 > . 102201:166441(64240) ack 1 gso 1460\n"
	  "+0 > P. 166441:219001(52560) ack 1 gso 1460\n" },
	{ "lost data is sent again after 300, 600, 1200 ms, a segment at a time", SCRIPT_OPEN_PLAIN
	  "+0 write 5000\n"
	  "+0 > P. 1:5001(5000) ack 1\n"
	  "+0.3 > . 1:1461(1460) ack 1\n"
	  "+0.6 > . 1:1461(1460) ack 1\n"
	  "+1.2 > . 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1461 win 65535\n"
	  "+0 > . 1461:4381(2920) ack 1 gso 1460\n"
	  "+0.1 < . 1:1(0) ack 4381 win 65535\n"
	  "+0 > P. 4381:5001(620) ack 1\n"
	  "+0.1 < . 1:1(0) ack 5001 win 65535\n"
	  "+0 consumed 5000\n" },
	{ "an ACK ends the back-off, though not all is acknowledged", SCRIPT_OPEN_PLAIN
	  "+0 write 5000\n"
	  "+0 > P. 1:5001(5000) ack 1\n"
	  "+0.3 > . 1:1461(1460) ack 1\n"
	  "+0.6 > . 1:1461(1460) ack 1\n"
	  "+1.2 > . 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1461 win 65535\n"
	  "+0 > . 1461:4381(2920) ack 1\n"
	  "+0.3 > . 1461:2921(1460) ack 1\n" },
	{ "the timeout is at least 200 ms",
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.002 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 write 100\n"
	  "+0 > P. 1:101(100) ack 1\n"
	  "+0.2 > P. 1:101(100) ack 1\n" },
	{ "the owner without room: nothing is lost, all goes later", SCRIPT_OPEN
	  "+0 block\n"
	  "+0 write 100\n"
	  "+0.1 unblock\n"
	  "+0 > P. 1:101(100) ack 1\n" },
	{ "after a pause the window is the initial one again", SCRIPT_OPEN
	  "+0 write 14600\n"
	  "+0 > P. " IW " ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 write 29200\n"
	  "+0 > P. 14601:29201(14600) ack 1\n"
	  "+0.1 < . 1:1(0) ack 29201 win 65535\n"
	  "+0 > P. 29201:43801(14600) ack 1\n"
	  "+0.1 < . 1:1(0) ack 43801 win 65535\n"
	  "+5 write 40000\n"
	  "+0 > P. 43801:58401(14600) ack 1\n" },
};
/* clang-format on */

START_TEST(script_holds)
{
	script_play(&scripts[_i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tcp_open");
	TCase *t = tcase_create("scripts");

	tcase_add_loop_test(t, script_holds, 0, (int)(sizeof scripts / sizeof *scripts));
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
