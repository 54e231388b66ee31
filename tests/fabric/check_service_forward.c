/* tests/fabric/check_service_forward.c: queries of a station that wait for the uplink: the table alone, and a guest's
 * queries through a fabric, where the test is the uplink. */
#include "fabric/service_forward.h"

#include "core/state.h"
#include "core/wire.h"
#include "fabric/service_dns.h"
#include "fabric/services.h"
#include "fabric/uplink_link.h"
#include "tests/fabric/services_rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

enum { ASKED_MAX = 1024 };
static const nsec_t T0 = 100 * NSEC_PER_SEC;

/* ---- the table alone ---------------------------------------------------------------------- */

static struct service_forward *f;
static struct {
	uint64_t source, token;
	bool is_tcp;
} asked[ASKED_MAX];
static size_t n_asked, n_told;
static struct service_dns_asker told_to;
static uint8_t told[DNS_MSG_MAX], query[512];
static size_t told_len, query_len;
static bool is_full;

static int on_query(void *ctx, uint64_t source, uint64_t token, bool is_tcp, const uint8_t *msg, size_t len, nsec_t now)
{
	(void)ctx;
	(void)now;
	if (is_full)
		return -ENOBUFS;
	ck_assert_uint_lt(n_asked, ASKED_MAX);
	ck_assert_uint_eq(len, query_len);
	ck_assert_int_eq(memcmp(msg, query, len), 0);
	asked[n_asked].source = source;
	asked[n_asked].token = token;
	asked[n_asked++].is_tcp = is_tcp;
	return 0;
}

static void on_answer(void *ctx, const struct service_dns_asker *asker, const uint8_t *msg, size_t len, nsec_t now)
{
	(void)ctx;
	(void)now;
	told_to = *asker;
	memcpy(told, msg, len);
	told_len = len;
	n_told++;
}

static void setup(void)
{
	const struct service_forward_ops ops = { .query = on_query, .answer = on_answer };

	n_asked = n_told = 0;
	is_full = false;
	ck_assert_int_eq(service_forward_new(&ops, &f), 0);
}

static void teardown(void)
{
	f = service_forward_free(f);
}

static struct service_dns_asker asker_of(uint64_t source, uint16_t port, uint64_t conn)
{
	return (struct service_dns_asker){
		.from = net_ip("10.0.0.10"), .to = net_ip("10.0.0.1"), .port = port, .conn = conn, .source = source
	};
}

static bool ask_as(uint64_t source, uint16_t port, uint64_t conn, uint16_t id, nsec_t now)
{
	struct service_dns_asker a = asker_of(source, port, conn);

	query_len = net_query("example.com", DNS_A, query);
	store_be16(query, id);
	return service_forward_query(f, &a, query, query_len, now);
}

/* An answer to query: with QR, RA, and @n addresses. Returns its length. */
static size_t resolved(uint8_t *buf, unsigned n)
{
	size_t len = query_len;

	memcpy(buf, query, query_len);
	buf[2] |= 0x80;
	buf[3] |= 0x80;
	store_be16(buf + 6, (uint16_t)n);
	while (n--) {
		memcpy(buf + len, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", 16);
		len += 16;
	}
	return len;
}

static void answer(uint64_t token, const uint8_t *msg, size_t len, nsec_t now)
{
	const struct message m = { .type = MESSAGE_ANSWER, .token = token, .dns = msg, .dns_len = len };

	service_forward_answer(f, &m, now);
}

static unsigned told_rcode(void)
{
	ck_assert_uint_ge(told_len, DNS_HEADER_LEN);
	return load_be16(told + 2) & DNS_RCODE_MASK;
}

START_TEST(an_answer_goes_to_its_asker_once)
{
	uint8_t buf[600];
	size_t len;

	ck_assert(ask_as(3, 5353, 0, 77, T0));
	ck_assert_uint_eq(asked[0].source, 3);
	ck_assert(!asked[0].is_tcp);
	len = resolved(buf, 1);
	answer(asked[0].token, buf, len, T0);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_uint_eq(told_to.port, 5353);
	ck_assert(told_len == len && memcmp(told, buf, len) == 0);
	answer(asked[0].token, buf, len, T0);
	ck_assert_uint_eq(n_told, 1);
	/* The place is another query's: the old token is not its. */
	ck_assert(ask_as(3, 5353, 0, 77, T0));
	answer(asked[0].token, buf, len, T0);
	ck_assert_uint_eq(n_told, 1);
	answer(asked[1].token, buf, len, T0);
	ck_assert_uint_eq(n_told, 2);
	ck_assert_uint_eq(service_forward_count(f), 0);
	ck_assert_int_eq(service_forward_next(f), NSEC_NEVER);
}
END_TEST

/* Bytes of an uplink that was taken over. */
START_TEST(what_is_no_answer_is_not_passed_on)
{
	uint8_t buf[600], bad[600];
	size_t len;

	ck_assert(ask_as(3, 5353, 0, 77, T0));
	len = resolved(buf, 1);
	answer(asked[0].token + 1, buf, len, T0); /* another place */
	answer(asked[0].token ^ UINT64_C(1) << 40, buf, len, T0); /* another turn */
	answer(UINT64_MAX, buf, len, T0);
	memcpy(bad, buf, len);
	bad[1] ^= 1;
	answer(asked[0].token, bad, len, T0); /* another id */
	memcpy(bad, buf, len);
	bad[DNS_HEADER_LEN + 1] ^= 1;
	answer(asked[0].token, bad, len, T0); /* another question */
	answer(asked[0].token, query, query_len, T0); /* no answer */
	for (size_t i = 0; i < DNS_HEADER_LEN; i++)
		answer(asked[0].token, buf, i, T0);
	ck_assert_uint_eq(n_told, 0);
	ck_assert_uint_eq(service_forward_counters(f)->mismatched, 6 + DNS_HEADER_LEN);
	/* Its own answer, but cut: the client is told so. */
	answer(asked[0].token, buf, len - 1, T0);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_uint_eq(told_rcode(), DNS_SERVFAIL);
	ck_assert_uint_eq(load_be16(told), 77);
	ck_assert_uint_eq(service_forward_counters(f)->bad_answers, 1);
}
END_TEST

START_TEST(what_is_too_long_for_udp_is_truncated)
{
	static uint8_t buf[DNS_MSG_MAX];
	size_t len;

	ck_assert(ask_as(3, 5353, _i ? 9 : 0, 77, T0));
	ck_assert_int_eq(asked[0].is_tcp, _i);
	len = resolved(buf, 40); /* more than 512 bytes */
	answer(asked[0].token, buf, len, T0);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_uint_eq(told_len, _i ? len : query_len);
	ck_assert_uint_eq(load_be16(told + 2) & DNS_TC, _i ? 0 : DNS_TC);
}
END_TEST

START_TEST(a_silent_uplink_is_told_as_servfail)
{
	ck_assert(ask_as(3, 5353, 0, 77, T0));
	ck_assert(ask_as(3, 5354, 4, 78, T0 + 1));
	ck_assert_int_eq(service_forward_next(f), T0 + SERVICE_FORWARD_NS);
	service_forward_run(f, T0 + SERVICE_FORWARD_NS - 1);
	ck_assert_uint_eq(n_told, 0);
	service_forward_run(f, T0 + SERVICE_FORWARD_NS);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_uint_eq(told_to.port, 5353);
	ck_assert_uint_eq(load_be16(told), 77);
	ck_assert_uint_eq(told_rcode(), DNS_SERVFAIL);
	service_forward_run(f, T0 + SERVICE_FORWARD_NS + 1);
	ck_assert_uint_eq(told_to.conn, 4);
	ck_assert_uint_eq(service_forward_counters(f)->silent, 2);
	ck_assert_int_eq(service_forward_next(f), NSEC_NEVER);
}
END_TEST

START_TEST(who_asks_again_keeps_the_place)
{
	uint8_t buf[600];

	ck_assert(ask_as(3, 5353, 0, 77, T0));
	ck_assert(ask_as(3, 5353, 0, 77, T0 + 5));
	ck_assert_uint_eq(asked[1].token, asked[0].token);
	ck_assert_uint_eq(service_forward_count(f), 1);
	is_full = true; /* then it waits for what was asked first */
	ck_assert(ask_as(3, 5353, 0, 77, T0 + 6));
	is_full = false;
	/* Another id, port, or guest asks something else; queries of a connection have an answer each. */
	ck_assert(ask_as(3, 5353, 0, 78, T0) && ask_as(3, 5354, 0, 77, T0) && ask_as(4, 5353, 0, 77, T0));
	ck_assert(ask_as(3, 5353, 9, 77, T0) && ask_as(3, 5353, 9, 77, T0));
	ck_assert_uint_eq(service_forward_count(f), 6);
	answer(asked[0].token, buf, resolved(buf, 1), T0);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_uint_eq(service_forward_counters(f)->again, 1);
}
END_TEST

START_TEST(a_full_ring_takes_no_query)
{
	is_full = true;
	ck_assert(!ask_as(3, 5353, 0, 77, T0));
	ck_assert_uint_eq(service_forward_count(f), 0);
	ck_assert_uint_eq(service_forward_counters(f)->full, 1);
	is_full = false;
	ck_assert(ask_as(3, 5353, 0, 77, T0));
}
END_TEST

START_TEST(a_flood_leaves_places_to_others)
{
	size_t n;

	for (uint16_t i = 0; i < 500; i++)
		ck_assert_int_eq(ask_as(1, 5353, 0, i, T0), i < SERVICE_FORWARD_SENDER_MAX);
	/* Many who flood at once: each gets less than was left, and the next one gets something. */
	for (uint64_t source = 2; source < 9; source++) {
		size_t before = service_forward_count(f);

		for (uint16_t i = 0; i < 300; i++)
			(void)ask_as(source, 5353, 0, i, T0);
		n = service_forward_count(f) - before;
		ck_assert_uint_ge(n, 1);
		ck_assert_uint_le(n, SERVICE_FORWARD_SENDER_MAX);
		ck_assert_uint_le(n, (SERVICE_FORWARD_MAX - before + 1) / 2);
	}
	n = service_forward_count(f);
	service_forward_run(f, T0 + SERVICE_FORWARD_NS);
	ck_assert_uint_eq(n_told, n);
	ck_assert_uint_eq(service_forward_count(f), 0);
	ck_assert(ask_as(1, 5353, 0, 1, T0));
}
END_TEST

/* ---- through a fabric ------------------------------------------------------------------------ */

static struct net w, other;
static uint8_t frame[4096];
static struct message from_station;

static void begin_net(struct net *n)
{
	net_init(n);
	n->service.dns_forwards = true;
	net_begin(n);
}

static void begin(void)
{
	struct ip_addr ip = net_ip("10.0.0.10");

	begin_net(&w);
	net_attach(&w);
	net_arp(&w, 0, &ip);
	net_run(&w, 50 * NSEC_PER_MSEC);
}

static void end(void)
{
	net_check(&w);
	net_done(&w);
}

/* The next query at the uplink's end of the rings. */
static bool take_query(struct net *n)
{
	struct ring *r = &n->machines[NET_SERVICE].rx;
	struct ring_record rec;

	while (ring_peek(r, &rec)) {
		ck_assert_uint_le(rec.len, sizeof frame);
		memcpy(frame, rec.data, rec.len);
		ring_pop(r);
		ring_release(r);
		if (message_parse(frame, rec.len, &from_station) && from_station.type == MESSAGE_QUERY)
			return true;
	}
	return false;
}

static void send_answer(struct net *n, uint64_t token, const uint8_t *msg, size_t len)
{
	static const struct frame_offload plain;
	const struct message m = { .type = MESSAGE_ANSWER, .token = token, .dns = msg, .dns_len = len };
	struct ring *r = &n->machines[NET_SERVICE].tx;
	uint8_t *room = ring_reserve(r, (uint32_t)(MESSAGE_HEAD_LEN + len));

	ck_assert_ptr_nonnull(room);
	ck_assert_uint_gt(message_put(&m, room, MESSAGE_HEAD_LEN + len), 0);
	ring_commit(r, (uint32_t)(MESSAGE_HEAD_LEN + len), &plain, n->now);
	(void)ring_publish(r);
}

/* The answer that guest 0 got last; returns its rcode, or -1: none. */
static int guest_rcode(const struct net *n)
{
	struct packet p;

	if (!n->n_seen || packet_parse_bytes(n->seen[n->n_seen - 1].data, n->seen[n->n_seen - 1].len, &p) != PACKET_OK)
		return -1;
	ck_assert_uint_eq(p.src_port, 53);
	ck_assert(packet_checksums_ok(&p));
	return load_be16(p.data + p.payload + 2) & DNS_RCODE_MASK;
}

START_TEST(a_guests_query_is_asked_of_the_uplink)
{
	uint8_t buf[600];

	begin();
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "example.com", DNS_A, NULL), -1);
	ck_assert(take_query(&w));
	ck_assert_uint_eq(from_station.transport, 0);
	query_len = from_station.dns_len;
	memcpy(query, from_station.dns, query_len);
	net_forget(&w);
	send_answer(&w, from_station.token, buf, resolved(buf, 1));
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert_int_eq(guest_rcode(&w), DNS_NOERROR);
	/* And one that is never answered. */
	net_forget(&w);
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "example.org", DNS_A, NULL), -1);
	net_run(&w, SERVICE_FORWARD_NS);
	ck_assert_int_eq(guest_rcode(&w), DNS_SERVFAIL);
	end();
}
END_TEST

/* A fabric that is loaded has nothing that waits, and goes on asking. */
START_TEST(what_waits_is_not_saved)
{
	struct bytes file = { 0 };
	uint8_t buf[600];
	char *why;

	begin();
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.10", "example.com", DNS_A, NULL), -1);
	net_save(&w, &file);
	begin_net(&other);
	why = net_load(&other, &file);
	ck_assert_msg(!why, "%s", why);
	net_attach(&other);
	ck_assert(take_query(&other)); /* it was in the ring */
	query_len = from_station.dns_len;
	memcpy(query, from_station.dns, query_len);
	send_answer(&other, from_station.token, buf, resolved(buf, 1));
	net_run(&other, 2 * SERVICE_FORWARD_NS);
	ck_assert_int_eq(guest_rcode(&other), -1);
	ck_assert_int_eq(net_ask(&other, 0, "10.0.0.10", "example.org", DNS_A, NULL), -1);
	ck_assert(take_query(&other));
	net_check(&other);
	net_done(&other);
	bytes_done(&file);
	end();
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("service_forward");
	TCase *t = tcase_create("table"), *net = tcase_create("fabric");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_answer_goes_to_its_asker_once);
	tcase_add_test(t, what_is_no_answer_is_not_passed_on);
	tcase_add_loop_test(t, what_is_too_long_for_udp_is_truncated, 0, 2);
	tcase_add_test(t, a_silent_uplink_is_told_as_servfail);
	tcase_add_test(t, who_asks_again_keeps_the_place);
	tcase_add_test(t, a_full_ring_takes_no_query);
	tcase_add_test(t, a_flood_leaves_places_to_others);
	suite_add_tcase(s, t);
	tcase_add_test(net, a_guests_query_is_asked_of_the_uplink);
	tcase_add_test(net, what_waits_is_not_saved);
	suite_add_tcase(s, net);
	return s;
}

UNIT_MAIN(make_suite);
