/* tests/nat/check_uplink.c: a real uplink in its cell, with servers beside it and a guest before it. */
#include "nat/frag.h"
#include "nat/icmp.h"
#include "tests/nat/guest.h"
#include "tests/unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

enum { MEGABYTE = 1 << 20 };

static bool is_there;

static void setup(void)
{
	is_there = guest_setup(GUEST_PLAIN);
}

static void setup_raw(void)
{
	is_there = guest_setup(GUEST_RAW);
}

static void setup_no_peek_off(void)
{
	is_there = guest_setup(GUEST_NO_PEEK_OFF);
}

static void teardown(void)
{
	if (is_there)
		guest_teardown();
}

/* Takes a datagram at @fd, waiting for it. Returns its length; where it came from and its TTL. */
static size_t outside_recv(int fd, void *buf, size_t size, struct sockaddr_in *ret_from, int *ret_ttl)
{
	char control[100];
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_name = ret_from,
			    .msg_namelen = sizeof *ret_from,
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof control };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "no datagram came");
	n = recvmsg(fd, &m, 0);
	ck_assert_int_ge(n, 0);
	*ret_ttl = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == IP_TTL)
			memcpy(ret_ttl, CMSG_DATA(c), sizeof *ret_ttl);
	return (size_t)n;
}

static void reply(int fd, const struct sockaddr_in *to, const void *data, size_t len)
{
	ck_assert_int_eq(sendto(fd, data, len, 0, (const struct sockaddr *)to, sizeof *to), (ssize_t)len);
}

static void expect_udp(const char *src, uint16_t src_port, uint16_t dst_port, const char *text)
{
	const struct packet *p = guest_next(0);
	struct ip_addr want = guest_ip(src);

	ck_assert_msg(p != NULL, "nothing came from %s", src);
	ck_assert_uint_eq(p->proto, PROTO_UDP);
	ck_assert(ip_equal(&p->src, &want));
	ck_assert_uint_eq(p->src_port, src_port);
	ck_assert_uint_eq(p->dst_port, dst_port);
	ck_assert_uint_eq(p->payload_len, strlen(text));
	ck_assert_int_eq(memcmp(p->data + p->payload, text, strlen(text)), 0);
}

START_TEST(udp_keeps_port_and_ttl_and_lets_in_whom_the_guest_knows)
{
	struct sockaddr_in from, again;
	int server = -1, other = -1, stranger = -1, ttl;
	char buf[100];

	if (!is_there)
		return;
	server = outside_udp("10.99.0.1", 7000);
	other = outside_udp("10.99.0.1", 7001);
	stranger = outside_udp("10.99.0.2", 7000);
	guest_send_udp(0, "10.99.0.1", 4000, 7000, 5, "hello", 5);
	ck_assert_uint_eq(outside_recv(server, buf, sizeof buf, &from, &ttl), 5);
	ck_assert_int_eq(ttl, 5);
	ck_assert_uint_eq(ntohs(from.sin_port), 4000);
	reply(server, &from, "world", 5);
	expect_udp("10.99.0.1", 7000, 4000, "world");
	/* TFTP's way: another port of the same address. */
	reply(other, &from, "data", 4);
	expect_udp("10.99.0.1", 7001, 4000, "data");
	/* An address that the guest never wrote to; then it does, by the same mapping. */
	from.sin_addr.s_addr = htonl(0x7f000001);
	reply(stranger, &from, "spam", 4);
	GUEST_WAIT(guest_counter("udp-filtered") == 1);
	guest_send_udp(0, "10.99.0.2", 4000, 7000, 64, "now", 3);
	ck_assert_uint_eq(outside_recv(stranger, buf, sizeof buf, &again, &ttl), 3);
	ck_assert_uint_eq(again.sin_port, from.sin_port);
	reply(stranger, &again, "good", 4);
	expect_udp("10.99.0.2", 7000, 4000, "good");
	ck_assert_int_eq(guest_counter("udp-filtered"), 1);
	ck_assert_int_eq(guest_counter("n-flows"), 1);
}
END_TEST

static const struct packet *expect_icmp(unsigned network, uint8_t type, uint8_t code, const char *src,
					struct packet *ret_quoted)
{
	const struct packet *p = guest_next(network);
	struct ip_addr want = guest_ip(src);

	ck_assert_msg(p != NULL, "no ICMP came");
	ck_assert_msg(p->proto == PROTO_ICMP && p->icmp_type == type && p->icmp_code == code, "protocol %u, %u/%u",
		      p->proto, p->icmp_type, p->icmp_code);
	ck_assert(ip_equal(&p->src, &want));
	ck_assert_int_eq(packet_parse_ip(p->data + p->payload, p->payload_len, false, ret_quoted), PACKET_OK);
	want = guest_ip("10.5.0.2");
	ck_assert(ip_equal(&ret_quoted->src, &want));
	return p;
}

START_TEST(a_closed_udp_port_is_told_and_the_next_datagram_is_not_lost)
{
	struct sockaddr_in from;
	struct packet q;
	int server, ttl;
	char buf[100];

	if (!is_there)
		return;
	server = outside_udp("10.99.0.1", 7000);
	for (unsigned i = 0; i < 5; i++) {
		guest_send_udp(0, "10.99.0.1", 4000, 7777, 64, "knock", 5);
		(void)expect_icmp(0, 3, 3, "10.99.0.1", &q);
		ck_assert_uint_eq(q.src_port, 4000);
		ck_assert_uint_eq(q.dst_port, 7777);
		guest_send_udp(0, "10.99.0.1", 4000, 7777, 64, "knock", 5);
		guest_send_udp(0, "10.99.0.1", 4000, 7000, 64, "hello", 5);
		ck_assert_uint_eq(outside_recv(server, buf, sizeof buf, &from, &ttl), 5);
		(void)expect_icmp(0, 3, 3, "10.99.0.1", &q);
	}
}
END_TEST

/* Both in one batch of the ring: the error of the first one is pending when the second one is sent. */
START_TEST(a_pending_error_does_not_lose_the_next_datagram)
{
	struct sockaddr_in from;
	struct packet q;
	int server, ttl;
	char buf[100];

	if (!is_there)
		return;
	server = outside_udp("10.99.0.1", 7000);
	for (unsigned i = 0; i < 5; i++) {
		guest_hold(true);
		guest_send_udp(0, "10.99.0.1", 4000, 7777, 64, "knock", 5);
		guest_send_udp(0, "10.99.0.1", 4000, 7000, 64, "hello", 5);
		guest_hold(false);
		ck_assert_uint_eq(outside_recv(server, buf, sizeof buf, &from, &ttl), 5);
		(void)expect_icmp(0, 3, 3, "10.99.0.1", &q);
	}
	ck_assert_int_eq(guest_counter("udp-failed"), 0);
}
END_TEST

/* The error quotes the packet as the guest sent it: identification, TTL, TOS, lengths, and a checksum of its own making. */
START_TEST(an_error_quotes_what_the_guest_sent)
{
	static uint8_t data[1400];
	struct packet_ip ip = {
		.src = guest_ip("10.5.0.2"), .dst = guest_ip("10.99.0.1"), .proto = PROTO_UDP, .ttl = 33, .tos = 0x10
	};
	uint8_t buf[1500];
	struct packet q;

	if (!is_there)
		return;
	/* Three at once: the last one's sum is left out, as IPv4 allows. */
	guest_hold(true);
	for (uint16_t i = 0; i < 3; i++) {
		struct wire_writer w = wire_write_to(buf, sizeof buf);

		ip.id = (uint16_t)(0x1200 + i);
		packet_put_ip_udp(&w, &ip, 4000, (uint16_t)(7700 + i), data, i == 1 ? sizeof data : 5);
		if (i == 2)
			store_be16(buf + 26, 0);
		guest_send_ip(0, buf, wire_put_len(&w));
	}
	guest_hold(false);
	for (uint16_t i = 0; i < 3; i++) {
		const struct packet *p = expect_icmp(0, 3, 3, "10.99.0.1", &q);
		const uint8_t *quoted = p->data + p->payload;
		struct wire_writer w = wire_write_to(buf, sizeof buf);

		ip.id = (uint16_t)(0x1200 + i);
		packet_put_ip_udp(&w, &ip, 4000, (uint16_t)(7700 + i), data, i == 1 ? sizeof data : 5);
		if (i == 2)
			store_be16(buf + 26, 0);
		ck_assert_uint_ge(p->payload_len, 28);
		ck_assert_msg(memcmp(quoted, buf, 28) == 0, "packet %u: id %04x, length %u, checksum %04x of %04x", i,
			      load_be16(quoted + 4), load_be16(quoted + 2), load_be16(quoted + 26),
			      load_be16(buf + 26));
	}
}
END_TEST

/* Each has a socket, and its answer finds it. */
START_TEST(a_thousand_udp_flows)
{
	enum { FLOWS = 1000, ROUND = 50 };
	struct sockaddr_in from;
	int server, ttl;
	uint8_t buf[10];

	if (!is_there)
		return;
	server = outside_udp("10.99.0.1", 7000);
	for (unsigned i = 0; i < FLOWS; i += ROUND) {
		bool came[ROUND] = { false };

		for (uint16_t k = 0; k < ROUND; k++) {
			store_be16(buf, (uint16_t)(i + k));
			guest_send_udp(0, "10.99.0.1", (uint16_t)(20000 + i + k), 7000, 64, buf, 2);
		}
		for (unsigned k = 0; k < ROUND; k++) {
			ck_assert_uint_eq(outside_recv(server, buf, sizeof buf, &from, &ttl), 2);
			reply(server, &from, buf, 2);
		}
		for (unsigned k = 0; k < ROUND; k++) {
			const struct packet *p = guest_next(0);
			unsigned n;

			ck_assert_ptr_nonnull(p);
			n = load_be16(p->data + p->payload);
			ck_assert_uint_eq(p->dst_port, 20000 + n);
			ck_assert(n >= i && n < i + ROUND && !came[n - i]);
			came[n - i] = true;
		}
	}
	ck_assert_int_eq(guest_counter("n-flows"), FLOWS);
	ck_assert_int_eq(guest_counter("sockets"), FLOWS);
	/* The first one is still the same. */
	guest_send_udp(0, "10.99.0.1", 20000, 7000, 64, "xy", 2);
	ck_assert_uint_eq(outside_recv(server, buf, sizeof buf, &from, &ttl), 2);
	ck_assert_int_eq(guest_counter("sockets"), FLOWS);
}
END_TEST

static int send_piece(void *ctx, const uint8_t *ip, size_t len)
{
	(void)ctx;
	guest_send_ip(0, ip, len);
	return 0;
}

START_TEST(fragments_go_out_whole_and_come_back_in_pieces)
{
	struct packet_ip ip = {
		.src = guest_ip("10.5.0.2"), .dst = guest_ip("10.99.0.1"), .proto = PROTO_UDP, .ttl = 64
	};
	struct frag_limits limits = { 1 << 20, 1 << 20 };
	uint8_t data[5000], buf[6000];
	struct wire_writer w = wire_write_to(buf, sizeof buf);
	const uint8_t *whole = NULL;
	struct sockaddr_in from;
	struct packet q;
	struct frag *fr;
	size_t len = 0;
	int server, ttl;

	if (!is_there)
		return;
	server = outside_udp("10.99.0.1", 7000);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 13 + i / 256);
	packet_put_ip_udp(&w, &ip, 4000, 7000, data, sizeof data);
	ck_assert_int_eq(frag_split(buf, wire_put_len(&w), 1500, 9, send_piece, NULL), 0);
	ck_assert_uint_eq(outside_recv(server, buf, sizeof buf, &from, &ttl), sizeof data);
	ck_assert_int_eq(memcmp(buf, data, sizeof data), 0);
	reply(server, &from, data, sizeof data);
	ck_assert_int_eq(frag_new(&limits, &fr), 0);
	while (!whole) {
		const struct packet *p = guest_next(0);

		ck_assert_ptr_nonnull(p);
		ck_assert(p->is_fragment && p->l3_len <= GUEST_MTU);
		(void)frag_take(fr, 0, 1, p, 0, &whole, &len);
	}
	ck_assert_int_eq(packet_parse_ip(whole, len, true, &q), PACKET_OK);
	ck_assert(packet_checksums_ok(&q) && q.payload_len == sizeof data);
	ck_assert_int_eq(memcmp(whole + q.payload, data, sizeof data), 0);
	frag_free(fr);
}
END_TEST

START_TEST(echo_is_answered_by_who_was_asked)
{
	const char *dst = _i ? "::1" : "10.99.0.1";
	struct ip_addr want = guest_ip(_i ? "fd05::1" : "10.99.0.1");

	if (!is_there)
		return;
	if (_i)
		dst = "fd05::1"; /* the loopback's name for a guest with host_loopback */
	for (uint16_t seq = 1; seq < 4; seq++) {
		const struct packet *p;

		guest_send_echo(dst, 77, seq, 64);
		guest_send_echo(dst, 78, seq, 64);
		for (unsigned i = 0; i < 2; i++) {
			GUEST_WAIT(guest_has(0) || guest_counter("echo-forbidden") > 0);
			if (!guest_has(0)) {
				printf("skipped 1: echo: this host allows no ping socket\n");
				return;
			}
			p = guest_next(0);
			ck_assert_uint_eq(p->icmp_type, _i ? 129 : 0);
			ck_assert(ip_equal(&p->src, &want));
			ck_assert_uint_eq(p->icmp_id, 77 + i);
			ck_assert_uint_eq(p->icmp_seq, seq);
			ck_assert_int_eq(memcmp(p->data + p->payload, "hello", 5), 0);
		}
	}
}
END_TEST

/* ---- TCP ---------------------------------------------------------------------------------- */

static int accept_now(int listener)
{
	int fd = -1;

	GUEST_WAIT((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	return fd;
}

static nsec_t patience(void)
{
	return clock_now() + PATIENCE_MS * NSEC_PER_MSEC;
}

static bool has_event(const struct guest_conn *g, enum tcp_event e)
{
	return g->events & 1u << e;
}

static uint8_t *make_data(size_t len)
{
	uint8_t *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)((i * 2654435761u) >> 13);
	return data;
}

/* A megabyte each way at once, then the guest ends its side, and the server's last words still arrive. */
START_TEST(tcp_carries_a_megabyte_both_ways_and_half_closes)
{
	const char *ip = _i ? "::1" : "10.99.0.1", *guest_dst = _i ? "fd05::1" : "10.99.0.1";
	uint8_t *data, *got;
	size_t sent = 0, have = 0;
	struct guest_conn *g;
	int listener, fd;
	ssize_t n = -1;

	if (!is_there)
		return;
	data = make_data(MEGABYTE);
	got = malloc(MEGABYTE);
	listener = outside_listen(ip, 8000);
	g = guest_connect(0, guest_dst, 4000, 8000);
	g->out = data;
	g->out_len = MEGABYTE;
	fd = accept_now(listener);
	for (nsec_t until = patience(); clock_now() < until && (have < MEGABYTE || g->in_len < MEGABYTE);) {
		while (have < MEGABYTE && (n = recv(fd, got + have, MEGABYTE - have, 0)) > 0)
			have += (size_t)n;
		n = send(fd, data + sent, MEGABYTE - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		guest_pump(1);
	}
	ck_assert_uint_eq(have, MEGABYTE);
	ck_assert_uint_eq(g->in_len, MEGABYTE);
	ck_assert_uint_eq(XXH3_64bits(got, MEGABYTE), XXH3_64bits(data, MEGABYTE));
	ck_assert_uint_eq(XXH3_64bits(g->in, MEGABYTE), XXH3_64bits(data, MEGABYTE));
	g->fin = true;
	GUEST_WAIT((n = recv(fd, got, 1, 0)) == 0);
	ck_assert_int_eq(send(fd, "bye", 3, MSG_NOSIGNAL), 3);
	GUEST_WAIT(g->in_len == MEGABYTE + 3);
	ck_assert_int_eq(close(fd), 0);
	GUEST_WAIT(has_event(g, TCP_EVENT_PEER_FIN) && has_event(g, TCP_EVENT_DONE));
	GUEST_WAIT(guest_counter("sockets") == 0);
	free(data);
	free(got);
}
END_TEST

START_TEST(a_refused_connection_is_reset)
{
	struct guest_conn *g;

	if (!is_there)
		return;
	g = guest_connect(0, "10.99.0.1", 4000, 8001);
	GUEST_WAIT(has_event(g, TCP_EVENT_RESET));
	ck_assert_int_eq(guest_counter("tcp-refused"), 1);
	ck_assert_int_eq(guest_counter("sockets"), 0);
	ck_assert_int_eq(guest_counter("n-flows"), 0);
}
END_TEST

/* No route leads there: "network unreachable" of the network's router, quoting the guest's SYN, and no RST. */
START_TEST(an_unreachable_net_is_told_by_icmp)
{
	struct guest_conn *g;
	struct packet q;

	if (!is_there)
		return;
	g = guest_connect(0, "203.0.113.5", 4000, 80);
	(void)expect_icmp(0, 3, 0, "10.5.0.1", &q);
	ck_assert_uint_eq(q.proto, PROTO_TCP);
	ck_assert_uint_eq(q.dst_port, 80);
	ck_assert_uint_eq(load_be32(q.data + q.l4 + 4), g->conn.iss);
	ck_assert(!has_event(g, TCP_EVENT_RESET));
	guest_send_udp(0, "203.0.113.5", 4001, 80, 64, "x", 1);
	(void)expect_icmp(0, 3, 0, "10.5.0.1", &q);
	ck_assert_uint_eq(q.src_port, 4001);
}
END_TEST

START_TEST(resets_pass_both_ways)
{
	struct linger now = { 1, 0 };
	struct guest_conn *g;
	int listener, fd;
	char c;

	if (!is_there)
		return;
	listener = outside_listen("10.99.0.1", 8000);
	g = guest_connect(0, "10.99.0.1", 4000, 8000);
	fd = accept_now(listener);
	GUEST_WAIT(has_event(g, TCP_EVENT_OPEN));
	tcp_conn_abort(&g->conn);
	GUEST_WAIT(recv(fd, &c, 1, 0) < 0 && errno == ECONNRESET);
	ck_assert_int_eq(close(fd), 0);
	g = guest_connect(0, "10.99.0.1", 4001, 8000);
	fd = accept_now(listener);
	GUEST_WAIT(has_event(g, TCP_EVENT_OPEN));
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
	ck_assert_int_eq(close(fd), 0);
	GUEST_WAIT(has_event(g, TCP_EVENT_RESET));
	GUEST_WAIT(guest_counter("n-flows") == 0);
	/* A segment of no connection. */
	g->conn.state = TCPS_CLOSED;
}
END_TEST

/* A server that does not read stops the guest; when it reads, all arrives. */
START_TEST(a_server_that_does_not_read_holds_the_guest_back)
{
	enum { MUCH = 24 << 20 };
	uint8_t *data, *got;
	struct guest_conn *g;
	size_t have = 0, before;
	int listener, fd;
	ssize_t n;

	if (!is_there)
		return;
	data = make_data(MUCH);
	got = malloc(MUCH);
	listener = outside_listen("10.99.0.1", 8000);
	g = guest_connect(0, "10.99.0.1", 4000, 8000);
	g->out = data;
	g->out_len = MUCH;
	fd = accept_now(listener);
	do {
		before = g->out_at;
		for (unsigned i = 0; i < 100; i++)
			guest_pump(2);
	} while (g->out_at != before);
	ck_assert_uint_lt(g->out_at, MUCH);
	for (nsec_t until = patience(); clock_now() < until && have < MUCH;) {
		while (have < MUCH && (n = recv(fd, got + have, MUCH - have, 0)) > 0)
			have += (size_t)n;
		guest_pump(1);
	}
	ck_assert_uint_eq(have, MUCH);
	ck_assert_uint_eq(XXH3_64bits(got, MUCH), XXH3_64bits(data, MUCH));
	free(data);
	free(got);
}
END_TEST

/* ---- policy, forwards, descriptors ------------------------------------------------------------ */

START_TEST(the_host_itself_is_out_of_reach)
{
	static const char *const dsts[] = { "10.99.0.1", "10.5.0.1", "169.254.169.254", "127.0.0.1", "224.0.0.1" };
	const char *dst = dsts[_i];
	struct guest_conn *g;
	struct packet q;
	int server, ttl;
	struct sockaddr_in from;
	char buf[10];

	if (!is_there)
		return;
	server = outside_udp("0.0.0.0", 7000);
	guest_send_udp(1, dst, 4000, 7000, 64, "x", 1);
	if (_i < 3)
		(void)expect_icmp(1, 3, 13, "10.5.0.1", &q);
	g = guest_connect(1, dst, 4001, 22);
	if (_i < 3)
		(void)expect_icmp(1, 3, 13, "10.5.0.1", &q);
	ck_assert_int_eq(guest_counter("refused-own") + guest_counter("refused-no-host"), 2);
	ck_assert_int_eq(guest_counter("n-flows"), 0);
	ck_assert(!has_event(g, TCP_EVENT_OPEN));
	/* What the other network sends is the first that arrives. */
	guest_send_udp(0, "10.99.0.1", 4000, 7000, 64, "ok", 2);
	ck_assert_uint_eq(outside_recv(server, buf, sizeof buf, &from, &ttl), 2);
}
END_TEST

static json_t *forward_request(const char *proto, int id, int port)
{
	return json_pack("{s:s,s:i,s:i,s:s,s:i,s:s}", "do", "forward-add", "forward", id, "network", 0, "proto", proto,
			 "port", port, "mac", "02:00:00:00:00:02");
}

static void ask_ok(json_t *request, int fd, bool want)
{
	json_t *a = guest_ask(request, fd);

	ck_assert_msg(json_is_true(json_object_get(a, "ok")) == want, "%s",
		      json_string_value(json_object_get(a, "error")));
	json_decref(a);
}

static int dial(const char *ip, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, ip, &a.sin_addr), 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

START_TEST(a_forward_finds_its_guest_by_the_lease)
{
	struct ip_addr service = guest_ip("10.5.0.1"), other = guest_ip("10.99.0.1"), guest = guest_ip("10.5.0.2");
	struct guest_conn *g;
	int listener, fd;
	char buf[10];

	if (!is_there)
		return;
	listener = outside_listen("0.0.0.0", 8080);
	ask_ok(forward_request("tcp", 5, 80), listener, true);
	ask_ok(forward_request("tcp", 5, 81), listener, false);
	ask_ok(forward_request("sctp", 6, 81), listener, false);
	ask_ok(forward_request("tcp", 7, 81), -1, false);
	ck_assert_int_eq(close(listener), 0);
	guest_listen(80);
	/* Nobody has a lease: reset. */
	fd = dial("127.0.0.1", 8080);
	ck_assert_int_le(recv(fd, buf, 1, 0), 0);
	ck_assert_int_eq(close(fd), 0);
	guest_send_lease("02:00:00:00:00:02", "10.5.0.2", true);
	GUEST_WAIT(guest_counter("messages") == 1);
	for (unsigned i = 0; i < 2; i++) {
		guest_listen(80);
		fd = dial(i ? "10.99.0.1" : "127.0.0.1", 8080);
		ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
		GUEST_WAIT(guest_accepted() && guest_accepted()->in_len == 5);
		g = guest_accepted();
		ck_assert(ip_equal(&g->guest, &guest));
		/* The client's address is the one that it has; the loopback is the service address. */
		ck_assert(ip_equal(&g->remote, i ? &other : &service));
		g->out = (const uint8_t *)"world";
		g->out_len = 5;
		GUEST_WAIT(recv(fd, buf, sizeof buf, MSG_DONTWAIT) == 5);
		ck_assert_int_eq(close(fd), 0);
		g->fin = true;
		GUEST_WAIT(has_event(g, TCP_EVENT_DONE));
	}
	ask_ok(json_pack("{s:s,s:i}", "do", "forward-remove", "forward", 5), -1, true);
	ask_ok(json_pack("{s:s,s:i}", "do", "forward-remove", "forward", 5), -1, false);
	ck_assert_int_eq(guest_counter("n-forwards"), 0);
	GUEST_WAIT(guest_counter("sockets") == 0);
}
END_TEST

START_TEST(a_udp_forward_answers_from_its_own_port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(5353),
				  .sin_addr.s_addr = htonl(0x0a630001) };
	struct sockaddr_in from;
	const struct packet *p;
	int sock, client, ttl;
	uint16_t client_port;
	char buf[20];

	if (!is_there)
		return;
	guest_send_lease("02:00:00:00:00:02", "10.5.0.2", true);
	sock = outside_udp("10.99.0.1", 5353);
	client = outside_udp("10.99.0.2", 6000);
	ask_ok(forward_request("udp", 1, 53), sock, true);
	ck_assert_int_eq(close(sock), 0);
	reply(client, &to, "query", 5);
	p = guest_next(0);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->dst_port, 53);
	client_port = p->src_port;
	guest_send_udp(0, "10.99.0.2", 53, client_port, 64, "answer", 6);
	ck_assert_uint_eq(outside_recv(client, buf, sizeof buf, &from, &ttl), 6);
	ck_assert_uint_eq(from.sin_port, to.sin_port);
	ck_assert_uint_eq(from.sin_addr.s_addr, to.sin_addr.s_addr);
	ask_ok(json_pack("{s:s,s:i}", "do", "forward-remove", "forward", 1), -1, true);
	ck_assert_int_eq(guest_counter("n-flows"), 0);
	ck_assert_int_eq(guest_counter("sockets"), 0);
}
END_TEST

static unsigned open_fds(void)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof path, "/proc/%d/fd", guest_uplink_pid());
	dir = opendir(path);
	for (; dir && readdir(dir); n++)
		continue;
	if (dir)
		(void)closedir(dir);
	return n;
}

START_TEST(a_thousand_connections_leave_no_descriptor)
{
	unsigned before;
	int listener;

	if (!is_there)
		return;
	before = open_fds();
	ck_assert_uint_gt(before, 3);
	listener = outside_listen("10.99.0.1", 8000);
	for (unsigned i = 0; i < 1000; i++) {
		struct guest_conn *g = guest_connect(0, "10.99.0.1", (uint16_t)(2000 + i), i % 10 ? 8000 : 8001);
		int fd;

		if (i % 10 == 0) { /* refused */
			GUEST_WAIT(has_event(g, TCP_EVENT_RESET));
			continue;
		}
		g->out = (const uint8_t *)"ask";
		g->out_len = 3;
		g->fin = i % 2;
		fd = accept_now(listener);
		ck_assert_int_eq(close(fd), 0); /* with data unread every now and then: a reset */
		g->fin = true;
		GUEST_WAIT(has_event(g, TCP_EVENT_DONE) || has_event(g, TCP_EVENT_RESET));
	}
	GUEST_WAIT(guest_counter("sockets") == 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("uplink");
	TCase *t = tcase_create("all"), *raw = tcase_create("raw"), *peek = tcase_create("peek");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, udp_keeps_port_and_ttl_and_lets_in_whom_the_guest_knows);
	tcase_add_test(t, a_closed_udp_port_is_told_and_the_next_datagram_is_not_lost);
	tcase_add_test(t, a_pending_error_does_not_lose_the_next_datagram);
	tcase_add_test(t, an_error_quotes_what_the_guest_sent);
	tcase_add_test(t, a_thousand_udp_flows);
	tcase_add_test(t, fragments_go_out_whole_and_come_back_in_pieces);
	tcase_add_loop_test(t, echo_is_answered_by_who_was_asked, 0, 2);
	tcase_add_loop_test(t, tcp_carries_a_megabyte_both_ways_and_half_closes, 0, 2);
	tcase_add_test(t, a_refused_connection_is_reset);
	tcase_add_test(t, an_unreachable_net_is_told_by_icmp);
	tcase_add_test(t, resets_pass_both_ways);
	tcase_add_test(t, a_server_that_does_not_read_holds_the_guest_back);
	tcase_add_loop_test(t, the_host_itself_is_out_of_reach, 0, 5);
	tcase_add_test(t, a_forward_finds_its_guest_by_the_lease);
	tcase_add_test(t, a_udp_forward_answers_from_its_own_port);
	tcase_add_test(t, a_thousand_connections_leave_no_descriptor);
	suite_add_tcase(s, t);
	tcase_set_timeout(raw, 30);
	tcase_add_checked_fixture(raw, setup_raw, teardown);
	tcase_add_loop_test(raw, echo_is_answered_by_who_was_asked, 0, 2);
	suite_add_tcase(s, raw);
	tcase_set_timeout(peek, 30);
	tcase_add_checked_fixture(peek, setup_no_peek_off, teardown);
	tcase_add_loop_test(peek, tcp_carries_a_megabyte_both_ways_and_half_closes, 0, 2);
	suite_add_tcase(s, peek);
	return s;
}
UNIT_MAIN(make_suite);
