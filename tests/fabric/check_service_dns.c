/* tests/fabric/check_service_dns.c: DNS at a station: over UDP and TCP, what is forwarded, who floods. */
#include "core/bytes.h"
#include "core/prng.h"
#include "fabric/service_dns.h"
#include "fabric/service_dns_tcp.h"
#include "fabric/service_forward.h"
#include "fabric/services.h"
#include "fabric/station.h"
#include "tests/fabric/services_rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct net w, other;
static char got[DNS_NAME_TEXT_SIZE];

static char long_text[3001];
static const struct fabric_plan_record records[] = {
	{ .name = "www", .value = "10.0.0.80", .type = DNS_A, .ttl = 60 },
	{ .name = "note", .value = "hello", .type = DNS_TXT, .ttl = 60 },
	{ .name = "long", .value = long_text, .type = DNS_TXT, .ttl = 60 },
};

static struct service_dns *dns_of(struct net *n)
{
	return services_dns(fabric_port_services(&n->fabric->ports[NET_SERVICE]));
}

static void moved(struct net *n)
{
	fabric_element_moved(n->fabric, station_element(fabric_port_station(&n->fabric->ports[NET_SERVICE])));
}

static void begin_with(struct net *n, bool forwards)
{
	net_init(n);
	memset(long_text, 'x', sizeof long_text - 1);
	n->service.records = records;
	n->service.n_records = sizeof records / sizeof *records;
	n->service.dns_forwards = forwards;
	net_begin(n);
}

static void begin(bool forwards)
{
	begin_with(&w, forwards);
	net_attach(&w);
	for (size_t i = 0; i < NET_GUESTS; i++) {
		struct ip_addr ip = net_ip("10.0.0.10");

		ip.b[3] = (uint8_t)(ip.b[3] + i);
		net_arp(&w, i, &ip);
	}
	net_run(&w, 50 * NSEC_PER_MSEC);
}

static void end(void)
{
	net_check(&w);
	net_done(&w);
}

/* ---- UDP -------------------------------------------------------------------------------- */

START_TEST(names_are_answered_over_udp)
{
	begin(false);
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "beta", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, "10.0.0.3");
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "www.lab.test", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, "10.0.0.80");
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "3.0.0.10.in-addr.arpa", DNS_PTR, got), DNS_NOERROR);
	ck_assert_str_eq(got, "beta.lab.test");
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "beta.lab.test", DNS_AAAA, got), DNS_NOERROR);
	ck_assert_str_eq(got, "");
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "nobody.lab.test", DNS_A, got), DNS_NXDOMAIN);
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "example.com", DNS_A, got), DNS_REFUSED);
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "note.lab.test", DNS_TXT, got), DNS_NOERROR);
	end();
}
END_TEST

START_TEST(names_are_answered_over_ipv6)
{
	struct mac_addr mac = net_mac(1);
	struct ip_addr guest = station_link_local(&mac);
	char from[IP_STR_SIZE];

	begin(false);
	station_neighbour_set(fabric_port_station(&w.fabric->ports[NET_SERVICE]), &guest, &mac, w.now);
	ck_assert_int_eq(net_ask(&w, 1, ip_str_bare(&guest, from), "beta", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, "10.0.0.3");
	end();
}
END_TEST

/* ---- what others have to answer ------------------------------------------------------------- */

struct resolver {
	struct service_dns_asker askers[64];
	size_t n;
	bool is_full;
};

static bool on_forward(void *ctx, const struct service_dns_asker *asker, const uint8_t *query, size_t len, nsec_t now)
{
	struct resolver *r = ctx;

	(void)query;
	(void)len;
	(void)now;
	if (!r->is_full)
		r->askers[r->n++] = *asker;
	return !r->is_full;
}

/* An answer as a resolver gives it: the query with QR, RA and an address. */
static size_t resolved(uint8_t *buf)
{
	size_t len = net_query("example.com", DNS_A, buf);

	buf[2] |= 0x80;
	buf[3] |= 0x80;
	buf[7] = 1;
	memcpy(buf + len, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", 16);
	return len + 16;
}

START_TEST(what_is_not_known_is_forwarded)
{
	struct resolver r = { .n = 0 };
	uint8_t answer[NET_BUF];
	size_t len = resolved(answer);
	struct packet p;

	begin(true);
	service_dns_set_forward(dns_of(&w), NULL, NULL);
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "example.com", DNS_A, got), DNS_REFUSED); /* no hook */
	service_dns_set_forward(dns_of(&w), on_forward, &r);
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "example.com", DNS_A, got), -1);
	ck_assert_uint_eq(r.n, 1);
	service_dns_answered(dns_of(&w), &r.askers[0], answer, len, w.now);
	moved(&w);
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert_uint_eq(w.seen[w.n_seen - 1].guest, 0);
	ck_assert_int_eq(packet_parse_bytes(w.seen[w.n_seen - 1].data, w.seen[w.n_seen - 1].len, &p), PACKET_OK);
	ck_assert_uint_eq(p.dst_port, 5353);
	ck_assert_uint_eq(p.payload_len, len);
	r.is_full = true;
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "example.com", DNS_A, got), DNS_SERVFAIL);
	ck_assert_uint_eq(service_dns_said(dns_of(&w)).unforwarded, 2);
	end();
}
END_TEST

/* ---- a guest's TCP, by hand -------------------------------------------------------------------- */

struct stream {
	size_t guest;
	uint16_t port;
	uint32_t seq, ack;
	struct bytes in; /* what came, in order */
	bool fin, reset, open;
};

static struct packet_ip to_service(const struct stream *t)
{
	struct packet_ip ip = {
		.src = net_ip("10.0.0.10"), .dst = net_ip("10.0.0.1"), .proto = PROTO_TCP, .ttl = 64
	};

	ip.src.b[3] = (uint8_t)(ip.src.b[3] + t->guest);
	return ip;
}

static void send_segment(struct stream *t, uint8_t flags, const void *data, size_t len)
{
	struct packet_ip ip = to_service(t);
	struct packet_tcp tcp = { .src_port = t->port,
				  .dst_port = 53,
				  .seq = t->seq,
				  .ack = t->ack,
				  .flags = flags,
				  .window = 65535 };

	net_tcp(&w, t->guest, &ip, &tcp, data, len);
	t->seq += (uint32_t)len + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
}

/* Reads what came for the stream since the last net_forget(), in order; acknowledges it with @acks. */
static void read_stream(struct net *n, struct stream *t, bool acks)
{
	uint32_t was = t->ack;

	for (size_t i = 0; i < n->n_seen; i++) {
		struct packet p;

		if (n->seen[i].guest != t->guest ||
		    packet_parse_bytes(n->seen[i].data, n->seen[i].len, &p) != PACKET_OK || p.proto != PROTO_TCP ||
		    p.dst_port != t->port)
			continue;
		ck_assert(packet_checksums_ok(&p));
		ck_assert_uint_le(p.l3_len, 1500);
		t->reset |= (p.tcp_flags & TCP_RST) != 0;
		if (p.tcp_flags & TCP_SYN) {
			t->ack = was = p.tcp_seq + 1;
			t->open = true;
		} else if (p.tcp_seq == t->ack) {
			bytes_append(&t->in, n->seen[i].data + p.payload, p.payload_len);
			t->ack += p.payload_len + !!(p.tcp_flags & TCP_FIN);
			t->fin |= (p.tcp_flags & TCP_FIN) != 0;
		}
	}
	net_forget(n);
	if (acks && (t->ack != was || t->in.len == 0) && !t->reset)
		send_segment(t, TCP_ACK, NULL, 0);
}

static void connect_stream(struct stream *t, size_t guest, uint16_t port)
{
	*t = (struct stream){ .guest = guest, .port = port, .seq = 1000u * port };
	net_forget(&w);
	send_segment(t, TCP_SYN, NULL, 0);
	net_run(&w, 20 * NSEC_PER_MSEC);
	read_stream(&w, t, true);
}

static void send_query(struct stream *t, const char *name, uint16_t type)
{
	uint8_t buf[NET_BUF];
	size_t len = net_query(name, type, buf + 2);

	store_be16(buf, (uint16_t)len);
	send_segment(t, TCP_ACK | TCP_PSH, buf, len + 2);
}

/* The rcode of the answer at *@at of the stream, which moves behind it. */
static int next_answer(const struct stream *t, size_t *at)
{
	size_t len;

	ck_assert_uint_ge(t->in.len, *at + 2);
	len = load_be16(t->in.data + *at);
	ck_assert_uint_ge(t->in.len, *at + 2 + len);
	*at += 2 + len;
	return t->in.data[*at - len + 3] & 15;
}

START_TEST(names_are_answered_over_tcp)
{
	struct stream t;
	size_t at = 0;

	begin(false);
	connect_stream(&t, 0, 4000);
	ck_assert(t.open);
	send_query(&t, "beta", DNS_A);
	send_query(&t, "nobody.lab.test", DNS_A);
	net_run(&w, 300 * NSEC_PER_MSEC);
	read_stream(&w, &t, true);
	ck_assert_int_eq(next_answer(&t, &at), DNS_NOERROR);
	ck_assert_int_eq(next_answer(&t, &at), DNS_NXDOMAIN);
	ck_assert_uint_eq(at, t.in.len);
	send_segment(&t, TCP_ACK | TCP_FIN, NULL, 0);
	net_run(&w, 300 * NSEC_PER_MSEC);
	read_stream(&w, &t, true);
	ck_assert(t.fin && !t.reset);
	net_run(&w, NSEC_PER_SEC);
	ck_assert_uint_eq(service_dns_tcp_count(service_dns_streams(dns_of(&w))), 0);
	bytes_done(&t.in);
	end();
}
END_TEST

START_TEST(a_query_that_comes_byte_by_byte_is_answered)
{
	struct stream t;
	uint8_t buf[NET_BUF];
	size_t len, at = 0;

	begin(false);
	connect_stream(&t, 1, 4000);
	len = net_query("beta", DNS_A, buf + 2);
	store_be16(buf, (uint16_t)len);
	for (size_t i = 0; i < len + 2; i++) {
		send_segment(&t, TCP_ACK, buf + i, 1);
		net_run(&w, 2 * NSEC_PER_MSEC);
	}
	net_run(&w, 300 * NSEC_PER_MSEC);
	read_stream(&w, &t, true);
	ck_assert_int_eq(next_answer(&t, &at), DNS_NOERROR);
	bytes_done(&t.in);
	end();
}
END_TEST

START_TEST(a_half_closed_connection_waits_for_the_resolver)
{
	struct resolver r = { .n = 0 };
	uint8_t answer[NET_BUF];
	size_t len = resolved(answer), at = 0;
	struct stream t;

	begin(true);
	service_dns_set_forward(dns_of(&w), on_forward, &r);
	connect_stream(&t, 0, 4000);
	send_query(&t, "example.com", DNS_A);
	send_segment(&t, TCP_ACK | TCP_FIN, NULL, 0);
	net_run(&w, NSEC_PER_SEC);
	read_stream(&w, &t, true);
	ck_assert(!t.fin && !t.reset);
	ck_assert_uint_eq(r.n, 1);
	service_dns_answered(dns_of(&w), &r.askers[0], answer, len, w.now);
	service_dns_answered(dns_of(&w), &r.askers[0], answer, len, w.now); /* nobody waits for a second one */
	moved(&w);
	net_run(&w, NSEC_PER_SEC);
	read_stream(&w, &t, true);
	ck_assert_int_eq(next_answer(&t, &at), DNS_NOERROR);
	ck_assert_uint_eq(at, t.in.len);
	ck_assert(t.fin);
	bytes_done(&t.in);
	end();
}
END_TEST

/* A resolver's answer comes over TCP as long as it is; a silent uplink's SERVFAIL comes before the connection is idle. */
START_TEST(the_uplink_answers_a_connection)
{
	struct stream t;
	size_t at = 0;

	begin(true);
	connect_stream(&t, 0, 4000);
	send_query(&t, "example.com", DNS_A);
	net_run(&w, SERVICE_FORWARD_NS - NSEC_PER_SEC);
	read_stream(&w, &t, true);
	ck_assert_uint_eq(t.in.len, 0);
	net_run(&w, 2 * NSEC_PER_SEC);
	read_stream(&w, &t, true);
	ck_assert_int_eq(next_answer(&t, &at), DNS_SERVFAIL);
	ck_assert(!t.fin && !t.reset);
	bytes_done(&t.in);
	end();
}
END_TEST

START_TEST(what_is_no_query_is_reset)
{
	struct stream t;

	begin(false);
	connect_stream(&t, 0, 4000);
	send_segment(&t, TCP_ACK, "\xff\xffGET / HTTP", 12);
	net_run(&w, NSEC_PER_SEC);
	read_stream(&w, &t, false);
	ck_assert(t.reset);
	ck_assert_uint_eq(service_dns_tcp_count(service_dns_streams(dns_of(&w))), 0);
	bytes_done(&t.in);
	end();
}
END_TEST

START_TEST(an_idle_connection_is_closed)
{
	struct stream t;

	begin(false);
	connect_stream(&t, 0, 4000);
	net_run(&w, 9 * NSEC_PER_SEC);
	read_stream(&w, &t, false);
	ck_assert(!t.fin && !t.reset);
	net_run(&w, 2 * NSEC_PER_SEC);
	read_stream(&w, &t, false);
	ck_assert(t.fin && !t.reset);
	net_run(&w, 12 * NSEC_PER_SEC); /* it never ends its side */
	read_stream(&w, &t, false);
	ck_assert(t.reset);
	ck_assert_uint_eq(service_dns_tcp_count(service_dns_streams(dns_of(&w))), 0);
	bytes_done(&t.in);
	end();
}
END_TEST

/* A guest that reads nothing: no query is read any more, and memory has a bound. */
START_TEST(who_reads_no_answers_is_not_read)
{
	const struct service_dns_tcp *streams;
	struct stream t;
	uint64_t held = 0;

	begin(false);
	streams = service_dns_streams(dns_of(&w));
	connect_stream(&t, 1, 4000);
	for (unsigned i = 0; i < 3000; i++) {
		send_query(&t, "long.lab.test", DNS_TXT); /* its answer is a hundred times as long */
		if (i % 16 == 0)
			net_run(&w, NSEC_PER_MSEC);
		held = held < service_dns_tcp_held_bytes(streams) ? service_dns_tcp_held_bytes(streams) : held;
		net_forget(&w);
	}
	ck_assert_uint_gt(held, DNS_TCP_OUT_MAX);
	ck_assert_uint_lt(held, 3 * DNS_TCP_OUT_MAX);
	ck_assert_uint_ge(fabric_held_bytes(w.fabric), service_dns_tcp_held_bytes(streams));
	bytes_done(&t.in);
	end();
}
END_TEST

START_TEST(a_flood_of_connections_hurts_its_sender_only)
{
	const struct service_dns_tcp *streams;
	struct stream many, one;
	size_t at = 0;

	begin(false);
	streams = service_dns_streams(dns_of(&w));
	for (uint16_t i = 0; i < 2000; i++) {
		connect_stream(&many, 2, (uint16_t)(5000 + i));
		ck_assert_uint_le(service_dns_tcp_count(streams), DNS_TCP_PER_SENDER);
	}
	ck_assert(many.reset);
	connect_stream(&one, 0, 4000);
	send_query(&one, "beta", DNS_A);
	net_run(&w, 300 * NSEC_PER_MSEC);
	read_stream(&w, &one, true);
	ck_assert_int_eq(next_answer(&one, &at), DNS_NOERROR);
	bytes_done(&one.in);
	bytes_done(&many.in);
	end();
}
END_TEST

START_TEST(queries_beyond_the_rate_are_the_flooders_own)
{
	struct ip_addr from = net_ip("10.0.0.12"), dst = net_ip("10.0.0.1");
	struct packet_ip ip = { .src = from, .dst = dst, .ttl = 64 };
	struct mac_addr mac = net_mac(2);
	uint8_t buf[NET_BUF];
	size_t len = net_query("beta", DNS_A, buf);
	unsigned n_answered = 0;

	begin(false);
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 40; k++)
			net_udp(&w, 2, &mac, &w.service.mac, &ip, 6000, 53, buf, len);
		net_run(&w, NSEC_PER_MSEC);
		net_forget(&w);
		if (i % 50 == 49)
			n_answered += net_ask(&w, 0, "10.0.0.10", "beta", DNS_A, got) == DNS_NOERROR;
	}
	ck_assert_uint_eq(n_answered, 20);
	ck_assert_uint_gt(service_dns_said(dns_of(&w)).limited, 1000);
	end();
}
END_TEST

/* ---- saved state --------------------------------------------------------------------------------- */

START_TEST(a_connection_is_reset_after_a_load)
{
	struct bytes file = { 0 };
	struct stream t;
	char *why;

	begin(false);
	connect_stream(&t, 0, 4000);
	send_query(&t, "beta", DNS_A);
	net_run(&w, NSEC_PER_MSEC); /* in the link */
	net_save(&w, &file);
	begin_with(&other, false);
	why = net_load(&other, &file);
	ck_assert_msg(!why, "%s", why);
	net_attach(&other);
	net_run(&other, 300 * NSEC_PER_MSEC);
	read_stream(&other, &t, false);
	ck_assert(t.reset);
	ck_assert_int_eq(net_ask(&other, 0, "10.0.0.10", "beta", DNS_A, got), DNS_NOERROR);
	net_check(&other);
	net_done(&other);
	bytes_done(&t.in);
	bytes_done(&file);
	end();
}
END_TEST

START_TEST(a_name_that_is_none_is_refused)
{
	static const struct fabric_plan_name bad = { .name = "not a name" };

	net_init(&w);
	w.service.names = &bad;
	w.service.n_names = 1;
	for (size_t i = 0; i < NET_PORTS; i++)
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &w.fds[i]), 0);
	ck_assert_int_eq(fabric_new(&w.plan, &w.fabric), -EINVAL);
	for (size_t i = 0; i < NET_PORTS; i++)
		ring_pair_close(&w.fds[i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("service_dns");
	TCase *t = tcase_create("service_dns");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, names_are_answered_over_udp);
	tcase_add_test(t, names_are_answered_over_ipv6);
	tcase_add_test(t, what_is_not_known_is_forwarded);
	tcase_add_test(t, names_are_answered_over_tcp);
	tcase_add_test(t, a_query_that_comes_byte_by_byte_is_answered);
	tcase_add_test(t, a_half_closed_connection_waits_for_the_resolver);
	tcase_add_test(t, the_uplink_answers_a_connection);
	tcase_add_test(t, what_is_no_query_is_reset);
	tcase_add_test(t, an_idle_connection_is_closed);
	tcase_add_test(t, who_reads_no_answers_is_not_read);
	tcase_add_test(t, a_flood_of_connections_hurts_its_sender_only);
	tcase_add_test(t, queries_beyond_the_rate_are_the_flooders_own);
	tcase_add_test(t, a_connection_is_reset_after_a_load);
	tcase_add_test(t, a_name_that_is_none_is_refused);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
