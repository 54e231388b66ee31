/* tests/nat/check_tcp_recovery.c: loss, reordering, SACK both ways, the guest's window. */
#include "tests/nat/script.h"
#include "tests/unit.h"

/* Ten segments are in flight at 0.1 s. */
#define TEN "+0 write 14600\n+0 > P. 1:14601(14600) ack 1\n"
#define TEN_OF_MANY "+0 write 100000\n+0 > P. 1:14601(14600) ack 1\n"

/* clang-format off */
static const struct script scripts[] = {
	{ "three duplicate ACKs: fast retransmit, and recovery ends with the whole ACK (NewReno)", SCRIPT_OPEN_PLAIN TEN
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 consumed 14600\n" },
	{ "a partial ACK: the next segment at once (NewReno)", SCRIPT_OPEN_PLAIN TEN
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 4381 win 65535\n"
	  "+0 > P. 4381:5841(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n" },
	{ "two duplicate ACKs let a new segment each out (limited transmit)", SCRIPT_OPEN_PLAIN TEN_OF_MANY
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 > P. 14601:16061(1460) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+0 > P. 16061:17521(1460) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 65535\n"
	  "+0 > P. 1:1461(1460) ack 1\n" },
	{ "a keep-alive is no duplicate ACK", SCRIPT_OPEN_PLAIN TEN
	  "+0.05 < . 0:0(0) ack 1 win 65535\n"
	  "+0 > . 14601:14601(0) ack 1\n"
	  "+0 < . 0:0(0) ack 1 win 65535\n"
	  "+0 > . 14601:14601(0) ack 1\n"
	  "+0 < . 0:1(1) ack 1 win 65535\n"
	  "+0 > . 14601:14601(0) ack 1\n"
	  "+0 < . 0:0(0) ack 1 win 65535\n"
	  "+0 > . 14601:14601(0) ack 1\n" },
	{ "a window update is no duplicate ACK", SCRIPT_OPEN_PLAIN TEN
	  "+0.05 < . 1:1(0) ack 1 win 60000\n"
	  "+0 < . 1:1(0) ack 1 win 61000\n"
	  "+0 < . 1:1(0) ack 1 win 62000\n"
	  "+0 < . 1:1(0) ack 1 win 63000\n" },
	{ "SACK of three segments behind a hole", SCRIPT_OPEN TEN
	  "+0.1 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
	  "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:4381>\n"
	  "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 consumed 14600\n" },
	{ "SACK: only the holes are sent again, as the pipe has room", SCRIPT_OPEN TEN
	  "+0.1 < . 1:1(0) ack 1 win 65535 <sack 1461:2921,sack 4381:5841,sack 7301:14601>\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0 > P. 2921:4381(1460) ack 1\n"
	  "+0 > P. 5841:7301(1460) ack 1 gso 0\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n" },
	{ "one SACK alone, and no more: the hole waits a quarter of a round trip", SCRIPT_OPEN
	  "+0 write 2920\n"
	  "+0 > P. 1:2921(2920) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
	  "+0.025 > P. 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 2921 win 65535\n" },
	{ "a lost retransmission is found before the timer", SCRIPT_OPEN TEN_OF_MANY
	  "+0.1 < . 1:1(0) ack 1 win 65535 <sack 1461:14601>\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0 > P. 14601:20441(5840) ack 1\n"
	  "+0.12 < . 1:1(0) ack 1 win 65535 <sack 1461:20441>\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0 > P. 20441:26281(5840) ack 1\n"
	  "+0.1 < . 1:1(0) ack 26281 win 65535\n"
	  "+0 > P. 26281:33581(7300) ack 1\n" },
	{ "after a timeout SACKed data is not sent again", SCRIPT_OPEN
	  "+0 write 4380\n"
	  "+0 > P. 1:4381(4380) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535 <sack 2921:4381>\n"
	  "+0.025 > P. 1:2921(2920) ack 1\n"
	  "+0.3 > . 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1461 win 65535 <sack 2921:4381>\n"
	  "+0 > P. 1461:2921(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 4381 win 65535\n" },
	{ "a guest that drops what it SACKed gets it again", SCRIPT_OPEN
	  "+0 write 2920\n"
	  "+0 > P. 1:2921(2920) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
	  "+0.025 > P. 1:1461(1460) ack 1\n"
	  "+0.01 < . 1:1(0) ack 1461 win 65535\n"
	  "+0.3 > P. 1461:2921(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 2921 win 65535\n" },
	{ "forged SACK ranges are ignored", SCRIPT_OPEN TEN
	  "+0.05 < . 1:1(0) ack 1 win 65535 <sack 20000:30000,sack 5000:4000,sack 4294960000:1>\n"
	  "+0 < . 1:1(0) ack 1 win 65535 <sack 1:99999>\n"
	  "+0.15 > P. 13141:14601(1460) ack 1\n"
	  "+0.3 > . 1:1461(1460) ack 1\n" },
	{ "reordering: a DSACK undoes the recovery, and holes wait from then on", SCRIPT_OPEN TEN_OF_MANY
	  "+0.1 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0.01 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 > P. 14601:21901(7300) ack 1\n"
	  "+0 < . 1:1(0) ack 14601 win 65535 <sack 1:1461>\n"
	  "+0 > P. 21901:29201(7300) ack 1\n"
	  "+0.05 < . 1:1(0) ack 14601 win 65535 <sack 16061:21901>\n"
	  "+0 > P. 29201:35041(5840) ack 1\n"
	  "+0.01 < . 1:1(0) ack 35041 win 65535\n"
	  "+0 > P. 35041:70081(35040) ack 1\n" },
	{ "a spurious timeout is undone by the echoed timestamp", SCRIPT_OPEN_TS
	  "+0 write 14480\n"
	  "+0 > P. 1:14481(14480) ack 1\n"
	  "+0.2 > P. 13033:14481(1448) ack 1\n"
	  "+0.3 > . 1:1449(1448) ack 1\n"
	  "+0.2 < . 1:1(0) ack 1449 win 65535 <ts 300:4>\n"
	  "+0 write 20000\n"
	  "+0 > P. 14481:17377(2896) ack 1\n" },
	{ "a lost tail: its last segment goes again after two round trips, and its SACK shows the hole", SCRIPT_OPEN TEN
	  "+0.1 < . 1:1(0) ack 11681 win 65535\n"
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 11681 win 65535 <sack 13141:14601>\n"
	  "+0.025 > P. 11681:13141(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 consumed 14600\n" },
	{ "a probe that nobody answers: the timeout, and no second probe", SCRIPT_OPEN TEN
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.3 > . 1:1461(1460) ack 1\n"
	  "+0.6 > . 1:1461(1460) ack 1\n" },
	{ "a probe is the next segment where there is one; more data in flight puts it off", SCRIPT_OPEN
	  "+0 write 2920\n"
	  "+0 > P. 1:2921(2920) ack 1\n"
	  "+0.05 write 100000\n"
	  "+0 > P. 2921:14601(11680) ack 1\n"
	  "+0.2 > P. 14601:16061(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 16061 win 65535\n"
	  "+0 > P. 16061:46721(30660) ack 1\n"
	  "+0.1 < . 1:1(0) ack 46721 win 65535\n"
	  "+0 > P. 46721:102921(56200) ack 1\n" },
	{ "a probe keeps to the guest's window: the last segment goes again", SCRIPT_OPEN
	  "+0 < . 1:1(0) ack 1 win 4380\n"
	  "+0 write 10000\n"
	  "+0 > P. 1:4381(4380) ack 1\n"
	  "+0.2 > P. 2921:4381(1460) ack 1\n" },
	{ "a FIN in the tail goes again with it", SCRIPT_OPEN
	  "+0 block\n"
	  "+0 write 2000\n"
	  "+0 fin\n"
	  "+0 unblock\n"
	  "+0 > FP. 1:2001(2000) ack 1\n"
	  "+0.2 > FP. 541:2001(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 2002 win 65535\n"
	  "+0 state fin-wait-2\n" },
	{ "a lone segment may wait for a delayed ACK: the timeout comes first", SCRIPT_OPEN
	  "+0 write 1460\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0.3 > P. 1:1461(1460) ack 1\n" },
	{ "a probe that came twice, by its DSACK, costs nothing", SCRIPT_OPEN TEN
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.05 < . 1:1(0) ack 14601 win 65535\n"
	  "+0.05 < . 1:1(0) ack 14601 win 65535 <sack 13141:14601>\n"
	  "+0 write 100000\n"
	  "+0 > P. 14601:29201(14600) ack 1\n"
	  "+0.1 < . 1:1(0) ack 29201 win 65535\n"
	  "+0 > P. 29201:58401(29200) ack 1\n" },
	{ "a probe that came twice, by a second ACK of a guest that sends no DSACK", SCRIPT_OPEN TEN
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.05 < . 1:1(0) ack 14601 win 65535\n"
	  "+0.05 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 write 100000\n"
	  "+0 > P. 14601:29201(14600) ack 1\n"
	  "+0.1 < . 1:1(0) ack 29201 win 65535\n"
	  "+0 > P. 29201:58401(29200) ack 1\n" },
	{ "a probe that filled the hole hides no loss: the window is halved", SCRIPT_OPEN TEN
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 write 100000\n"
	  "+0 > P. 14601:29201(14600) ack 1\n"
	  "+0.1 < . 1:1(0) ack 29201 win 65535\n"
	  "+0 > P. 29201:37961(8760) ack 1\n" },
	{ "one probe at a time: part of the data is acknowledged, and the rest waits for the timeout", SCRIPT_OPEN TEN
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.05 < . 1:1(0) ack 5841 win 65535\n"
	  "+0.3 > . 5841:7301(1460) ack 1\n" },
	{ "no probe while a hole waits, and none in the recovery", SCRIPT_OPEN TEN
	  "+0.19 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
	  "+0.025 > P. 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 5841 win 65535\n"
	  "+0.3 > . 5841:7301(1460) ack 1\n" },
	{ "a probe's answer is no round trip", SCRIPT_OPEN TEN
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 write 1460\n"
	  "+0 > P. 14601:16061(1460) ack 1\n"
	  "+0.3 > P. 14601:16061(1460) ack 1\n" },
	{ "after a timeout the next tail is probed again", SCRIPT_OPEN TEN
	  "+0.2 > P. 13141:14601(1460) ack 1\n"
	  "+0.3 > . 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n"
	  "+0 write 2920\n"
	  "+0 > P. 14601:17521(2920) ack 1\n"
	  "+0.2 > P. 16061:17521(1460) ack 1\n" },
	{ "after a short round trip the probe comes after 10 ms",
	  "0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK>\n"
	  "+0.002 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  TEN
	  "+0.01 > P. 13141:14601(1460) ack 1\n" },
	{ "what the guest sends: an ACK every second segment, or after 40 ms", SCRIPT_OPEN
	  "+0 < . 1:1461(1460) ack 1 win 65535\n"
	  "+0.04 > . 1:1(0) ack 1461\n"
	  "+0 < . 1461:2921(1460) ack 1 win 65535\n"
	  "+0.01 < . 2921:4381(1460) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 4381\n"
	  "+0 took 4380\n" },
	{ "an ACK rides on data", SCRIPT_OPEN
	  "+0 < P. 1:101(100) ack 1 win 65535\n"
	  "+0.01 write 50\n"
	  "+0 > P. 1:51(50) ack 101\n"
	  "+0.1 < . 101:101(0) ack 51 win 65535\n" },
	{ "out of order: an ACK at once with SACK, the latest range first", SCRIPT_OPEN
	  "+0 < . 101:201(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1 <sack 101:201>\n"
	  "+0 < . 301:401(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1 <sack 301:401,sack 101:201>\n"
	  "+0 < . 201:301(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1 <sack 101:401>\n"
	  "+0 < . 1:101(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 401\n"
	  "+0 took 400\n" },
	{ "three ranges at most beside timestamps", SCRIPT_OPEN_TS
	  "+0 < . 101:111(10) ack 1 win 65535 <ts 300>\n"
	  "+0 > . 1:1(0) ack 1 <ts *:200,sack 101:111>\n"
	  "+0 < . 201:211(10) ack 1 win 65535 <ts 300>\n"
	  "+0 > . 1:1(0) ack 1 <ts *:200,sack 201:211,sack 101:111>\n"
	  "+0 < . 301:311(10) ack 1 win 65535 <ts 300>\n"
	  "+0 > . 1:1(0) ack 1 <ts *:200,sack 301:311,sack 201:211,sack 101:111>\n"
	  "+0 < . 401:411(10) ack 1 win 65535 <ts 300>\n"
	  "+0 > . 1:1(0) ack 1 <ts *:200,sack 401:411,sack 301:311,sack 201:211>\n" },
	{ "data that came before is told by a DSACK", SCRIPT_OPEN
	  "+0 < . 1:101(100) ack 1 win 65535\n"
	  "+0.04 > . 1:1(0) ack 101\n"
	  "+0 < . 1:101(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 101 <sack 1:101>\n"
	  "+0 < . 201:301(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 101 <sack 201:301>\n"
	  "+0 < . 201:301(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 101 <sack 201:301,sack 201:301>\n" },
	{ "of overlapping data the first bytes stay", SCRIPT_OPEN
	  "+0 < . 101:201(100) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1 <sack 101:201>\n"
	  "+0 < . 151:301(150) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 1 <sack 101:301>\n"
	  "+0 < . 101:151(50) ack 1 win 65535 dup\n"
	  "+0 > . 1:1(0) ack 1 <sack 101:151,sack 101:301>\n"
	  "+0 < . 1:151(150) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 301 <sack 101:151>\n"
	  "+0 took 300\n" },
	{ "a zero window is probed without a byte, with back-off, for ever while answered",
	  SCRIPT_OPEN
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+0 write 5000\n"
	  "+0.3 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+0.6 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+1.2 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+2.4 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 2000\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1461 win 65535\n"
	  "+0 > P. 1461:5001(3540) ack 1\n" },
	{ "a keep-alive that opens the window counts", SCRIPT_OPEN
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+0 write 1000\n"
	  "+0.1 < . 0:0(0) ack 1 win 5000\n"
	  "+0 > . 1:1(0) ack 1\n"
	  "+0 > P. 1:1001(1000) ack 1\n" },
	{ "never a byte beyond the window: the unit is cut there",
	  "0 < S 0:0(0) win 10000 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 10000\n"
	  "+0 event open\n"
	  "+0 write 30000\n"
	  "+0 > P. 1:8761(8760) ack 1\n"
	  "+0.1 < . 1:1(0) ack 8761 win 1240\n"
	  "+0 > P. 8761:10001(1240) ack 1\n"
	  "+0.1 < . 1:1(0) ack 10001 win 800\n"
	  "+0 > P. 10001:10801(800) ack 1\n" },
	{ "a window that shrank: what lies behind it goes again when it opens, without a smaller cwnd", SCRIPT_OPEN TEN
	  "+0.1 < . 1:1(0) ack 2921 win 0\n"
	  "+0.3 > . 2920:2920(0) ack 1\n"
	  "+0 < . 1:1(0) ack 2921 win 65535\n"
	  "+0 > P. 2921:14601(11680) ack 1\n"
	  "+0.1 < . 1:1(0) ack 14601 win 65535\n" },
	{ "a window that shrank to the middle of what is in flight", SCRIPT_OPEN TEN
	  "+0.1 < . 1:1(0) ack 2921 win 2920\n"
	  "+0.05 < . 1:1(0) ack 5841 win 65535\n"
	  "+0 > P. 5841:14601(8760) ack 1\n" },
	{ "after the window shrank, an ACK stands within it", SCRIPT_OPEN TEN
	  "+0.1 < . 1:1(0) ack 2921 win 0\n"
	  "+0 < P. 1:101(100) ack 2921 win 0\n"
	  "+0.04 > . 2921:2921(0) ack 101\n" },
	{ "a segment that is new in part: its old part is told by a DSACK", SCRIPT_OPEN
	  "+0 < . 1:101(100) ack 1 win 65535\n"
	  "+0.04 > . 1:1(0) ack 101\n"
	  "+0 < . 51:201(150) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 201 <sack 51:101>\n"
	  "+0 took 200\n" },
	{ "a sink that was full opens by a segment, not by crumbs",
	  "0 space 2920\n"
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1 win 2920\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 < . 1:1461(1460) ack 1 win 65535\n"
	  "+0 < . 1461:2921(1460) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 2921 win 0\n"
	  "+0.1 room 1000\n"
	  "+0.1 room 4000\n"
	  "+0 > . 1:1(0) ack 2921 win 4000\n" },
	{ "a window is told anew when it doubled",
	  "0 space 10000\n"
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1 win 10000\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0.1 room 12000\n"
	  "+0.1 room 20000\n"
	  "+0 > . 1:1(0) ack 1 win 20000\n" },
	{ "a guest whose window is less than a segment gets halves of it, and no crumbs",
	  "0 < S 0:0(0) win 1000 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1\n"
	  "+0.1 < . 1:1(0) ack 1 win 1000\n"
	  "+0 event open\n"
	  "+0 write 5000\n"
	  "+0 > P. 1:1001(1000) ack 1\n"
	  "+0.1 < . 1:1(0) ack 401 win 1000\n"
	  "+0.05 < . 1:1(0) ack 501 win 1000\n"
	  "+0 > P. 1001:1501(500) ack 1\n" },
	{ "a window that opens ends the probes' back-off", SCRIPT_OPEN
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+0 write 1460\n"
	  "+0.3 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 0\n"
	  "+0.6 > . 0:0(0) ack 1\n"
	  "+0 < . 1:1(0) ack 1 win 2000\n"
	  "+0 > P. 1:1461(1460) ack 1\n"
	  "+0.3 > P. 1:1461(1460) ack 1\n" },
	{ "a full sink: the window closes, 0 is told below a segment, and an update follows",
	  "0 space 3000\n"
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1 win 3000\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 < . 1:1461(1460) ack 1 win 65535\n"
	  "+0 < . 1461:2921(1460) ack 1 win 65535\n"
	  "+0 > . 1:1(0) ack 2921 win 80\n"
	  "+0.1 room 1000\n"
	  "+0.1 room 4000\n"
	  "+0 > . 1:1(0) ack 2921 win 4000\n" },
	{ "an empty sink smaller than a segment says so",
	  "0 space 500\n"
	  "0 < S 0:0(0) win 65535 <mss 1460>\n"
	  "+0 accept\n"
	  "+0 > S. 0:0(0) ack 1 win 500\n"
	  "+0.1 < . 1:1(0) ack 1 win 65535\n"
	  "+0 event open\n"
	  "+0 < . 1:501(500) ack 1 win 65535\n"
	  "+0.01 room-empty 500\n"
	  "+0 > . 1:1(0) ack 501 win 500\n" },
	{ "what the sink did not take is kept, not acknowledged, and handed on later", SCRIPT_OPEN
	  "+0 room 100\n"
	  "+0 < P. 1:1001(1000) ack 1 win 65535\n"
	  "+0 took 100\n"
	  "+0.04 > . 1:1(0) ack 101 win 65435\n"
	  "+0.1 room 100000\n"
	  "+0 > . 1:1(0) ack 1001\n"
	  "+0 took 1000\n" },
	{ "PAWS: an old timestamp is answered and dropped, a missing one dropped", SCRIPT_OPEN_TS
	  "+0 < P. 1:101(100) ack 1 win 65535 <ts 199>\n"
	  "+0 > . 1:1(0) ack 1 <ts *:200>\n"
	  "+0 < P. 1:101(100) ack 1 win 65535\n"
	  "+0 took 0\n"
	  "+0 < P. 1:101(100) ack 1 win 65535 <ts 201>\n"
	  "+0 took 100\n"
	  "+0.04 > . 1:1(0) ack 101 <ts *:201>\n" },
	{ "a guest that does not answer is given up", SCRIPT_OPEN
	  "+0 write 100\n"
	  "+0 > P. 1:101(100) ack 1\n"
	  "+0.3 > P. 1:101(100) ack 1\n"
	  "+0.6 > P. 1:101(100) ack 1\n"
	  "+1.2 > P. 1:101(100) ack 1\n"
	  "+2.4 > P. 1:101(100) ack 1\n"
	  "+4.8 > P. 1:101(100) ack 1\n"
	  "+9.6 > P. 1:101(100) ack 1\n"
	  "+19.2 > P. 1:101(100) ack 1\n"
	  "+38.4 > P. 1:101(100) ack 1\n"
	  "+60 > P. 1:101(100) ack 1\n"
	  "+60 > P. 1:101(100) ack 1\n"
	  "+60 > P. 1:101(100) ack 1\n"
	  "+60 > P. 1:101(100) ack 1\n"
	  "+60 > P. 1:101(100) ack 1\n"
	  "+60 > P. 1:101(100) ack 1\n"
	  "+60 > P. 1:101(100) ack 1\n"
	  "+60 > R. 101:101(0) ack 1\n"
	  "+0 event timed-out\n"
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
	Suite *s = suite_create("tcp_recovery");
	TCase *t = tcase_create("scripts");

	tcase_add_loop_test(t, script_holds, 0, (int)(sizeof scripts / sizeof *scripts));
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
