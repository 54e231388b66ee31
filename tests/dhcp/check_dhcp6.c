/* tests/dhcp/check_dhcp6.c: exchanges with the DHCPv6 server on virtual time. */
#include "dhcp/dhcp6.h"

#include "core/bytes.h"
#include "core/prng.h"
#include "core/state.h"
#include "dhcp/held.h"
#include "dhcp/lease_log.h"
#include "tests/dhcp/capture.h"
#include "tests/unit.h"

#include <errno.h>

#define S NSEC_PER_SEC
enum { POOL = 0x1000, CLIENTS = 12 };

static struct ip_addr servers[2];
static const char *const search[] = { "lab.test", "test" };
static const struct lease_reservation reservations[] = {
	{ .addr = 0x505400fffe000077, .has_mac = true, .mac = { { 2, 0, 0, 0, 0, 7 } }, .hostname = "web" },
	{ .addr = 0x78, .id = (const uint8_t *)"\0\2reserved", .id_len = 10 },
};
static const struct dhcp6_option_value options[] = {
	{ .code = 17, .is_always = true, .len = 4, .data = (const uint8_t *)"\0\0\0\1" }, /* the protocol's */
	{ .code = 41, .is_always = true, .len = 3, .data = (const uint8_t *)"CET" },
	{ .code = 42, .len = 3, .data = (const uint8_t *)"x/y" },
};
static const struct dhcp4_boot boots[] = {
	{ .arch = DHCP4_ARCH_ANY, .ipxe = DHCP4_IPXE_ONLY, .file = "tftp://[2001:db8::1]/script.ipxe" },
	{ .arch = DHCP4_ARCH_X64, .file = "tftp://[2001:db8::1]/ipxe.efi" },
	{ .arch = DHCP4_ARCH_X64_HTTP, .file = "http://[2001:db8::1]/boot.efi" },
};

static struct lease_range range;
static struct dhcp6_config config;
static struct dhcp6 *server;
static struct prng prng;
static struct lease_log logbook;
static struct bytes written;
static uint64_t durable; /* records up to it are, when a request comes in */
static bool disk_full;
static unsigned n_events[DHCP6_EVENT_COUNT], n_replies;

/* The last reply, read. */
static struct dhcp6_msg out;
static struct dhcp6_reply where;
static uint8_t out_bytes[1500];

static void on_send(void *ctx, const struct dhcp6_reply *r)
{
	(void)ctx;
	n_replies++;
	where = *r;
	ck_assert_uint_le(r->len, sizeof out_bytes);
	memcpy(out_bytes, r->payload, r->len);
	ck_assert_int_eq(dhcp6_read(out_bytes, r->len, &out), DHCP6_GOOD);
	ck_assert(!out.has_more_ias && out.server_id.len == 10);
	capture_udp(&r->to, DHCP6_SERVER_PORT, r->to_port, r->payload, r->len);
}

static uint64_t on_record(void *ctx, const struct lease_record *r)
{
	uint64_t seq;

	(void)ctx;
	if (disk_full)
		return DHCP6_NOT_RECORDED;
	seq = lease_log_append(&logbook, r, &written);
	return seq <= durable ? 0 : seq;
}

static void on_event(void *ctx, enum dhcp6_event event, const struct lease *l)
{
	(void)ctx;
	(void)l;
	n_events[event]++;
}

static const struct dhcp6_host host = { .send = on_send, .record = on_record, .event = on_event };

static void setup(void)
{
	range = (struct lease_range){ POOL, POOL + 3 };
	config = (struct dhcp6_config){
		.mac = { { 2, 0, 0, 0, 0, 1 } },
		.lease_s = 3600,
		.dns = servers,
		.n_dns = 2,
		.ntp = servers,
		.n_ntp = 1,
		.domain = "lab.test",
		.search = search,
		.n_search = 2,
		.mtu = 1500,
		.preference = 255,
		.has_rapid_commit = true,
		.options = options,
		.n_options = 3,
		.boots = boots,
		.n_boots = 3,
		.leases = { .ranges = &range,
			    .n_ranges = 1,
			    .reservations = reservations,
			    .n_reservations = 2,
			    .offer_ns = 30 * S,
			    .quarantine_ns = 600 * S,
			    .iaid_len = DHCP6_IAID_LEN },
	};
	ck_assert_int_eq(ip_parse("2001:db8::/64", &config.subnet), 0);
	ck_assert_int_eq(ip_parse("2001:db8::1", &servers[0]), 0);
	ck_assert_int_eq(ip_parse("2001:db8::2", &servers[1]), 0);
	durable = UINT64_MAX;
	disk_full = false;
	n_replies = 0;
	memset(n_events, 0, sizeof n_events);
	lease_log_begin(&logbook, 1, 0, &written);
	prng_init(&prng, 1, "dhcp6");
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &server), 0);
}

static void teardown(void)
{
	server = dhcp6_free(server);
	bytes_done(&written);
}

/* ---- messages ---- */

static uint8_t bytes[2048];
static struct wire_writer w;

static void put_duid(uint8_t n)
{
	dhcp6_put(&w, DHCP6_CLIENT_ID, (uint8_t[]){ 0, 3, 0, 1, 2, 0, 0, 0, 0, n }, 10);
}

static void put_server(uint8_t last)
{
	dhcp6_put(&w, DHCP6_SERVER_ID, (uint8_t[]){ 0, 3, 0, 1, 2, 0, 0, 0, 0, last }, 10);
}

/* An IA_NA of @iaid with addresses of the subnet; 0 ends them. */
static void put_ia(uint32_t iaid, uint64_t addr, uint64_t addr2)
{
	size_t at = dhcp6_open(&w, DHCP6_IA_NA);

	wire_put_be32(&w, iaid);
	wire_put_be64(&w, 0);
	for (unsigned i = 0; i < 2 && (i ? addr2 : addr); i++) {
		struct ip_addr ip = dhcp6_address(&config, i ? addr2 : addr);
		size_t in = dhcp6_open(&w, DHCP6_IAADDR);

		wire_put_bytes(&w, ip.b, 16);
		wire_put_be64(&w, 0);
		dhcp6_close(&w, in);
	}
	dhcp6_close(&w, at);
}

static void put_oro(const uint16_t *codes, size_t n)
{
	size_t at = dhcp6_open(&w, DHCP6_ORO);

	for (size_t i = 0; i < n; i++)
		wire_put_be16(&w, codes[i]);
	dhcp6_close(&w, at);
}

static void begin_msg(enum dhcp6_type type, uint8_t n)
{
	w = wire_write_to(bytes, sizeof bytes);
	wire_put_be32(&w, (uint32_t)type << 24 | 0xabcd00 | n);
	if (n)
		put_duid(n);
}

/* Sends what was put, from client @n's link-local address. */
static void send_msg(uint8_t n, nsec_t now)
{
	struct dhcp6_from from = { .port = 546, .mac = { { 2, 0, 0, 0, 0, n } } };
	size_t len = wire_put_len(&w);
	uint8_t *exact = malloc(len);

	ck_assert(!w.failed);
	memcpy(exact, bytes, len);
	ck_assert_int_eq(ip_parse("fe80::ff:fe00:0", &from.addr), 0);
	from.addr.b[15] = n;
	out.type = DHCP6_NONE;
	out.n_ias = 0;
	where = (struct dhcp6_reply){ 0 };
	dhcp6_input(server, &from, exact, len, now);
	free(exact);
}

static const uint16_t usual[] = { DHCP6_DNS, DHCP6_SEARCH };

/* A message with one IA of IAID 1. */
static void say(enum dhcp6_type type, uint8_t n, uint64_t addr, nsec_t now)
{
	begin_msg(type, n);
	if (type == DHCP6_REQUEST || type == DHCP6_RENEW || type == DHCP6_RELEASE || type == DHCP6_DECLINE)
		put_server(1);
	put_ia(1, addr, 0);
	put_oro(usual, 2);
	send_msg(n, now);
}

static uint64_t iid(const struct ip_addr *ip)
{
	return (uint64_t)load_be32(ip->b + 8) << 32 | load_be32(ip->b + 12);
}

/* The address of the reply's @i-th IA; 0 when it has none. */
static uint64_t got(size_t i)
{
	return i < out.n_ias && out.ias[i].n_addrs && out.ias[i].addrs[0].valid_s ? iid(&out.ias[i].addrs[0].addr) : 0;
}

/* The status among options; -1 when there is none. */
static int status_in(struct dhcp6_span opts)
{
	struct dhcp6_span v = dhcp6_find(opts, DHCP6_STATUS);

	return v.p ? load_be16(v.p) : -1;
}

static uint64_t obtain(uint8_t n, nsec_t now)
{
	uint64_t addr;

	say(DHCP6_SOLICIT, n, 0, now);
	ck_assert_int_eq(out.type, DHCP6_ADVERTISE);
	addr = got(0);
	if (addr) {
		say(DHCP6_REQUEST, n, addr, now);
		ck_assert_int_eq(out.type, DHCP6_REPLY);
		ck_assert_uint_eq(got(0), addr);
	}
	return addr;
}

static bool has(uint16_t code, const char *value, size_t len)
{
	struct dhcp6_span v = dhcp6_find(out.options, code);

	return v.p && v.len == len && memcmp(v.p, value, len) == 0;
}
#define HAS(code, text) has(code, text, sizeof(text) - 1)

START_TEST(four_ways)
{
	say(DHCP6_SOLICIT, 5, 0, 0);
	/* d:8e0a778b: an Advertise has the IA and what was asked for. */
	ck_assert(out.type == DHCP6_ADVERTISE && out.xid == 0xabcd05 && got(0) == POOL);
	ck_assert(HAS(DHCP6_DNS, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"));
	ck_assert(HAS(DHCP6_SEARCH, "\3lab\4test\0\4test\0") && HAS(DHCP6_PREFERENCE, "\xff"));
	ck_assert(HAS(DHCP6_CLIENT_ID, "\0\3\0\1\2\0\0\0\0\5") && HAS(DHCP6_SERVER_ID, "\0\3\0\1\2\0\0\0\0\1"));
	ck_assert_uint_eq(obtain(5, 0), POOL);
	ck_assert(out.ias[0].t1 == 1800 && out.ias[0].t2 == 2880 && out.ias[0].iaid == 1 && out.n_ias == 1);
	ck_assert(out.ias[0].addrs[0].preferred_s == 3600 && out.ias[0].addrs[0].valid_s == 3600);
	ck_assert(HAS(41, "CET") && !dhcp6_find(out.options, 42).p && !dhcp6_find(out.options, 17).p &&
		  !dhcp6_find(out.options, DHCP6_NTP).p && !dhcp6_find(out.options, DHCP6_PREFERENCE).p);
	/* p:fce9430: to the source that was seen. */
	ck_assert(where.to.b[0] == 0xfe && where.to.b[15] == 5 && where.to_mac.b[5] == 5 && where.to_port == 546);
	ck_assert_uint_eq(n_events[DHCP6_LEASE_NEW], 1);
}
END_TEST

START_TEST(renewing_and_rebinding)
{
	(void)obtain(1, 0);
	say(DHCP6_RENEW, 1, POOL, 1800 * S);
	ck_assert(out.type == DHCP6_REPLY && got(0) == POOL);
	ck_assert_int_eq(leases_at(dhcp6_leases(server), POOL)->until, 5400 * S);
	say(DHCP6_REBIND, 1, POOL, 3000 * S);
	ck_assert(out.type == DHCP6_REPLY && got(0) == POOL);
	ck_assert_uint_eq(n_events[DHCP6_LEASE_NEW], 1);
	dhcp6_run(server, 6600 * S);
	ck_assert_uint_eq(n_events[DHCP6_LEASE_EXPIRED], 1);
	say(DHCP6_REBIND, 1, POOL, 6700 * S); /* late, and the address is nobody's */
	ck_assert_uint_eq(got(0), POOL);
	/* An address that is no longer the client's comes back with lifetimes 0, its own beside it. */
	begin_msg(DHCP6_RENEW, 1);
	put_server(1);
	put_ia(1, POOL + 3, POOL);
	send_msg(1, 6800 * S);
	ck_assert(out.n_ias == 1 && out.ias[0].n_addrs == 2 && got(0) == POOL && out.ias[0].addrs[0].valid_s == 3600);
	ck_assert(iid(&out.ias[0].addrs[1].addr) == POOL + 3 && out.ias[0].addrs[1].valid_s == 0 &&
		  out.ias[0].addrs[1].preferred_s == 0);
}
END_TEST

/* RFC 8415 §18.3.4, §18.3.5. */
START_TEST(renewing_what_is_not_known)
{
	(void)obtain(1, 0);
	say(DHCP6_RENEW, 2, POOL, S); /* another's */
	ck_assert(out.type == DHCP6_REPLY && out.n_ias == 1 && out.ias[0].n_addrs == 0);
	ck_assert_int_eq(status_in(out.ias[0].options), DHCP6_NO_BINDING);
	ck_assert_uint_eq(leases_count(dhcp6_leases(server), LEASE_OFFERED), 0);
	say(DHCP6_REBIND, 2, POOL, S);
	ck_assert(out.ias[0].n_addrs == 1 && out.ias[0].addrs[0].valid_s == 0);
	say(DHCP6_REBIND, 3, 0x50, S); /* on the link, never handed out */
	ck_assert(out.ias[0].n_addrs == 1 && out.ias[0].addrs[0].valid_s == 0);
	say(DHCP6_RENEW, 3, 0x50, S);
	ck_assert_int_eq(status_in(out.ias[0].options), DHCP6_NO_BINDING);
	say(DHCP6_REBIND, 4, POOL + 3, S); /* free: as after a table that was lost */
	ck_assert_uint_eq(got(0), POOL + 3);
	config.is_quiet = true;
	say(DHCP6_REBIND, 5, POOL + 2, S);
	ck_assert_int_eq(out.type, DHCP6_NONE);
	say(DHCP6_REBIND, 4, POOL + 3, S);
	ck_assert_uint_eq(got(0), POOL + 3);
}
END_TEST

START_TEST(confirmed)
{
	struct ip_addr foreign;

	say(DHCP6_CONFIRM, 1, 0x9999, 0);
	ck_assert(out.type == DHCP6_REPLY && status_in(out.options) == DHCP6_SUCCESS && out.n_ias == 0);
	say(DHCP6_CONFIRM, 1, 0, 0); /* no addresses: no answer */
	ck_assert_int_eq(out.type, DHCP6_NONE);
	ck_assert_int_eq(ip_parse("2001:db8:0:1::5", &foreign), 0);
	begin_msg(DHCP6_CONFIRM, 1);
	put_ia(1, POOL, POOL + 1);
	memcpy(w.p - 24, foreign.b, 16);
	send_msg(1, 0);
	ck_assert_int_eq(status_in(out.options), DHCP6_NOT_ON_LINK);
	begin_msg(DHCP6_REQUEST, 1);
	put_server(1);
	put_ia(1, POOL, POOL + 1);
	memcpy(w.p - 24, foreign.b, 16);
	send_msg(1, 0);
	ck_assert(out.n_ias == 1 && !out.ias[0].n_addrs && status_in(out.ias[0].options) == DHCP6_NOT_ON_LINK);
}
END_TEST

START_TEST(released_and_declined)
{
	(void)obtain(1, 0);
	say(DHCP6_RELEASE, 1, POOL + 1, S); /* not its address */
	ck_assert(status_in(out.options) == DHCP6_SUCCESS && status_in(out.ias[0].options) == DHCP6_NO_BINDING);
	say(DHCP6_RELEASE, 2, POOL, S); /* not its client */
	ck_assert_int_eq(status_in(out.ias[0].options), DHCP6_NO_BINDING);
	ck_assert_uint_eq(n_events[DHCP6_LEASE_RELEASED], 0);
	say(DHCP6_RELEASE, 1, POOL, S);
	ck_assert(out.type == DHCP6_REPLY && out.n_ias == 0 && status_in(out.options) == DHCP6_SUCCESS);
	ck_assert_uint_eq(n_events[DHCP6_LEASE_RELEASED], 1);
	ck_assert_uint_eq(obtain(1, 2 * S), POOL);
	say(DHCP6_DECLINE, 1, POOL, 3 * S);
	ck_assert(n_events[DHCP6_LEASE_DECLINED] == 1 && out.n_ias == 0);
	ck_assert_uint_eq(obtain(1, 4 * S), POOL + 1);
	ck_assert_uint_eq(obtain(2, 4 * S), POOL + 2);
}
END_TEST

/* busybox_mirror#6, dpservice#464: an IA that goes out empty makes clients drop the message. */
START_TEST(no_association_goes_out_empty)
{
	for (uint8_t n = 1; n <= 4; n++)
		ck_assert_uint_ne(obtain(n, 0), 0);
	say(DHCP6_SOLICIT, 5, 0, 0);
	ck_assert(out.type == DHCP6_ADVERTISE && out.n_ias == 1 && out.ias[0].n_addrs == 0);
	ck_assert_int_eq(status_in(out.ias[0].options), DHCP6_NO_ADDRS);
	ck_assert_int_eq(status_in(out.options), -1); /* in the IA, not beside it: §18.3.9 */
	say(DHCP6_REQUEST, 5, POOL, 0);
	ck_assert_int_eq(status_in(out.ias[0].options), DHCP6_NO_ADDRS);
	ck_assert(n_events[DHCP6_POOL_EMPTY] == 1 && dhcp6_counters(server)->n_no_address == 2);
	/* One of two: odhcp6c#30. */
	begin_msg(DHCP6_SOLICIT, 1);
	put_ia(1, 0, 0);
	put_ia(2, 0, 0);
	dhcp6_put(&w, DHCP6_IA_TA, "\0\0\0\1", 4);
	dhcp6_put(&w, DHCP6_IA_PD, "\0\0\0\1\0\0\0\0\0\0\0\0", 12);
	send_msg(1, 0);
	ck_assert(out.n_ias == 4 && got(0) == POOL && !out.ias[1].n_addrs);
	ck_assert_int_eq(status_in(out.ias[1].options), DHCP6_NO_ADDRS);
	ck_assert(out.ias[2].kind == DHCP6_IA_TA && status_in(out.ias[2].options) == DHCP6_NO_ADDRS);
	ck_assert(out.ias[3].kind == DHCP6_IA_PD && status_in(out.ias[3].options) == DHCP6_NO_PREFIX);
}
END_TEST

START_TEST(rapid_commit)
{
	begin_msg(DHCP6_SOLICIT, 1);
	put_ia(1, POOL + 2, 0);
	dhcp6_put(&w, DHCP6_RAPID_COMMIT, NULL, 0);
	send_msg(1, 0);
	ck_assert(out.type == DHCP6_REPLY && HAS(DHCP6_RAPID_COMMIT, "") && got(0) == POOL + 2);
	ck_assert(leases_at(dhcp6_leases(server), POOL + 2)->state == LEASE_BOUND && !dhcp6_find(out.options, 7).p);
	config.has_rapid_commit = false;
	send_msg(1, 0);
	ck_assert(out.type == DHCP6_ADVERTISE && !dhcp6_find(out.options, DHCP6_RAPID_COMMIT).p);
}
END_TEST

START_TEST(several_associations)
{
	begin_msg(DHCP6_REQUEST, 1);
	put_server(1);
	put_ia(1, 0, 0);
	put_ia(2, 0, 0);
	put_ia(1, 0, 0); /* again: said once */
	send_msg(1, 0);
	ck_assert(out.n_ias == 2 && got(0) == POOL && got(1) == POOL + 1 && out.ias[1].iaid == 2);
	say(DHCP6_RENEW, 1, POOL, S);
	ck_assert_uint_eq(got(0), POOL);
	/* More than LEASES_PER_MAC: none is told an address that a later one took. */
	range.last = POOL + 100;
	begin_msg(DHCP6_SOLICIT, 1);
	put_ia(1, 0, 0);
	for (uint32_t i = 11; i < 18; i++)
		put_ia(i, 0, 0);
	send_msg(1, 2 * S);
	ck_assert_uint_eq(out.n_ias, 8);
	for (size_t i = 0; i < 8; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert(!got(i) || got(i) != got(k));
}
END_TEST

START_TEST(reservations_are_kept)
{
	static const uint8_t duid[] = "\0\2reserved";

	say(DHCP6_SOLICIT, 7, POOL, 0);
	ck_assert_uint_eq(got(0), 0x505400fffe000077);
	w = wire_write_to(bytes, sizeof bytes);
	wire_put_be32(&w, DHCP6_SOLICIT << 24);
	dhcp6_put(&w, DHCP6_CLIENT_ID, duid, 10);
	put_ia(3, 0, 0);
	put_ia(4, 0, 0);
	send_msg(8, 0);
	ck_assert(got(0) == 0x78 && got(1) == POOL);
	say(DHCP6_SOLICIT, 9, 0x78, 0); /* not for others */
	ck_assert_uint_eq(got(0), POOL + 1);
}
END_TEST

/* systemd#9609 for IPv6: clones with one DUID. */
START_TEST(clones_differ)
{
	begin_msg(DHCP6_SOLICIT, 1);
	put_ia(1, 0, 0);
	send_msg(1, 0);
	ck_assert_uint_eq(got(0), POOL);
	send_msg(2, 0);
	ck_assert_uint_eq(got(0), POOL + 1);
	send_msg(1, 0);
	ck_assert_uint_eq(got(0), POOL);
}
END_TEST

START_TEST(informed)
{
	static const uint16_t codes[] = { 23, 24, 31, 32, 56, 42, 59, 59 };

	begin_msg(DHCP6_INFORMATION_REQUEST, 0);
	put_oro(codes, 8);
	dhcp6_put(&w, DHCP6_ARCH, "\0\7", 2);
	send_msg(1, 0);
	ck_assert(out.type == DHCP6_REPLY && out.n_ias == 0 && !out.client_id.p && status_in(out.options) == -1);
	ck_assert(HAS(32, "\0\1\x51\x80") && HAS(31, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1") &&
		  HAS(56, "\0\1\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1") && HAS(42, "x/y") &&
		  HAS(59, "tftp://[2001:db8::1]/ipxe.efi"));
	begin_msg(DHCP6_INFORMATION_REQUEST, 1);
	dhcp6_put(&w, DHCP6_USER_CLASS, "\0\4iPXE", 6);
	put_oro(codes, 8);
	send_msg(1, 0);
	ck_assert(HAS(59, "tftp://[2001:db8::1]/script.ipxe") && out.client_id.len == 10);
	begin_msg(DHCP6_INFORMATION_REQUEST, 1);
	put_oro(codes, 8);
	dhcp6_put(&w, DHCP6_ARCH, "\0\x10", 2);
	send_msg(1, 0);
	ck_assert(HAS(59, "http://[2001:db8::1]/boot.efi"));
}
END_TEST

START_TEST(names)
{
	static const uint16_t fqdn[] = { DHCP6_FQDN };

	begin_msg(DHCP6_REQUEST, 1);
	put_server(1);
	put_ia(1, 0, 0);
	put_oro(fqdn, 1);
	dhcp6_put(&w, DHCP6_FQDN, "\1\4host", 6); /* partial, the server is to update */
	send_msg(1, 0);
	ck_assert(HAS(DHCP6_FQDN, "\1\4host\3lab\4test\0"));
	ck_assert_str_eq(leases_at(dhcp6_leases(server), POOL)->hostname, "host");
	begin_msg(DHCP6_REQUEST, 7);
	put_server(1);
	put_ia(1, 0, 0);
	put_oro(fqdn, 1);
	dhcp6_put(&w, DHCP6_FQDN, "\0\4host\5other\0", 13);
	config.domain = NULL;
	send_msg(7, 0);
	ck_assert(HAS(DHCP6_FQDN, "\4\3web")); /* its reservation's */
	begin_msg(DHCP6_REQUEST, 2);
	put_server(1);
	put_ia(1, 0, 0);
	put_oro(fqdn, 1);
	dhcp6_put(&w, DHCP6_FQDN, "\1\x40host", 6); /* CVE-2022-2929: no label */
	send_msg(2, 0);
	ck_assert(out.type == DHCP6_REPLY && !dhcp6_find(out.options, DHCP6_FQDN).p);
}
END_TEST

/* ---- relays ---- */

/* Puts what was put into a relay's message. @link: "" has none. */
static void relay(const char *link, const char *peer, const char *opts, size_t opts_len)
{
	uint8_t inner[1024];
	size_t len = wire_put_len(&w);
	struct ip_addr l, p;

	memcpy(inner, bytes, len);
	ck_assert(ip_parse(link, &l) == 0 && ip_parse(peer, &p) == 0);
	w = wire_write_to(bytes, sizeof bytes);
	wire_put_u8(&w, DHCP6_RELAY_FORWARD);
	wire_put_u8(&w, inner[0] == DHCP6_RELAY_FORWARD ? (uint8_t)(inner[1] + 1) : 0);
	wire_put_bytes(&w, l.b, 16);
	wire_put_bytes(&w, p.b, 16);
	wire_put_bytes(&w, opts, opts_len);
	dhcp6_put(&w, DHCP6_RELAY_MESSAGE, inner, len);
}

static struct mac_addr mac_at(uint64_t addr)
{
	const struct lease *l = leases_at(dhcp6_leases(server), addr);

	ck_assert_ptr_nonnull(l);
	return l->mac;
}

START_TEST(relays_are_answered)
{
	begin_msg(DHCP6_SOLICIT, 1);
	put_ia(1, 0, 0);
	relay("::", "fe80::ff:fe00:21", "\0\x12\0\2p1", 6);
	relay("2001:db8::fe", "fe80::99", "\0\x12\0\2p2\0\x87\0\2\0\0", 12);
	send_msg(0x55, 0);
	ck_assert(out.type == DHCP6_ADVERTISE && out.n_relays == 2 && got(0) == POOL);
	ck_assert(where.payload[0] == DHCP6_RELAY_REPLY && where.to.b[15] == 0x55 && where.to_port == 546); /* 8357 */
	ck_assert(out.relays[0].link.b[15] == 0xfe && out.relays[0].peer.b[15] == 0x99 && out.relays[0].port.len == 2);
	ck_assert(out.relays[0].interface_id.len == 2 && out.relays[0].interface_id.p[1] == '2');
	ck_assert(out.relays[1].interface_id.p[1] == '1' && !out.relays[1].port.p);
	ck_assert(mac_at(POOL).b[5] == 0x21 && mac_at(POOL).b[0] == 2); /* of the client's address */
	begin_msg(DHCP6_SOLICIT, 2);
	put_ia(1, 0, 0);
	relay("2001:db8::fe", "fe80::1234", "\0\x4f\0\x08\0\1\2\0\0\0\0\x31", 12);
	send_msg(0x55, 0);
	ck_assert(mac_at(POOL + 1).b[5] == 0x31 && where.to_port == 547); /* option 79 */
	begin_msg(DHCP6_SOLICIT, 3);
	put_ia(1, 0, 0);
	relay("2001:db8::fe", "fe80::1234", "", 0);
	send_msg(0x55, 0);
	ck_assert(mac_at(POOL + 2).b[5] == 3); /* of its DUID */
	begin_msg(DHCP6_SOLICIT, 3);
	put_ia(1, 0, 0);
	relay("2001:db8:7::fe", "fe80::1234", "", 0);
	send_msg(0x55, 0);
	ck_assert_int_eq(out.type, DHCP6_NONE); /* of another link */
}
END_TEST

/* ---- what is not answered ---- */

static const struct {
	const char *name;
	enum dhcp6_type type;
	bool has_client, has_server, is_other_server, has_ia;
} unanswered[] = {
	{ "a Solicit without client", DHCP6_SOLICIT, .has_ia = true },
	{ "a Solicit to a server", DHCP6_SOLICIT, .has_client = true, .has_server = true, .has_ia = true },
	{ "a Request without server", DHCP6_REQUEST, .has_client = true, .has_ia = true },
	{ "a Request to another server", DHCP6_REQUEST, true, true, true, true },
	{ "a Renew to another server", DHCP6_RENEW, true, true, true, true },
	{ "a Renew without client", DHCP6_RENEW, .has_server = true, .has_ia = true },
	{ "a Rebind to a server", DHCP6_REBIND, .has_client = true, .has_server = true, .has_ia = true },
	{ "a Release to another server", DHCP6_RELEASE, true, true, true, true },
	{ "a Decline without server", DHCP6_DECLINE, .has_client = true, .has_ia = true },
	{ "an Information-request with an IA", DHCP6_INFORMATION_REQUEST, .has_client = true, .has_ia = true },
	{ "an Information-request to another server", DHCP6_INFORMATION_REQUEST, true, true, true, false },
	{ "an Advertise", DHCP6_ADVERTISE, true, true, false, true },
	{ "a Reply", DHCP6_REPLY, true, true, false, true },
	{ "a Reconfigure", DHCP6_RECONFIGURE, true, true, false, false },
};

START_TEST(not_answered)
{
	begin_msg(unanswered[_i].type, 0);
	if (unanswered[_i].has_client)
		put_duid(1);
	if (unanswered[_i].has_server)
		put_server(unanswered[_i].is_other_server ? 2 : 1);
	if (unanswered[_i].has_ia)
		put_ia(1, POOL, 0);
	send_msg(1, 0);
	ck_assert_msg(out.type == DHCP6_NONE && n_replies == 0, "%s", unanswered[_i].name);
	ck_assert_uint_eq(dhcp6_counters(server)->n_ignored, 1);
	ck_assert_uint_eq(leases_count(dhcp6_leases(server), LEASE_OFFERED), 0);
}
END_TEST

/* ---- durability ---- */

START_TEST(replies_wait_for_their_records)
{
	durable = 0;
	say(DHCP6_SOLICIT, 1, 0, 0);
	ck_assert_int_eq(out.type, DHCP6_ADVERTISE);
	begin_msg(DHCP6_REQUEST, 1);
	put_server(1);
	put_ia(1, 0, 0);
	put_ia(2, 0, 0);
	send_msg(1, 0);
	ck_assert_int_eq(out.type, DHCP6_NONE);
	ck_assert_uint_eq(n_replies, 1);
	dhcp6_durable(server, logbook.seq - 1); /* one of two */
	ck_assert_uint_eq(n_replies, 1);
	dhcp6_durable(server, logbook.seq);
	ck_assert(n_replies == 2 && got(0) == POOL && got(1) == POOL + 1 && where.to.b[15] == 1);
	for (unsigned i = 0; i < HELD_MAX + 3; i++)
		say(DHCP6_RENEW, 1, POOL, S);
	ck_assert_uint_eq(dhcp6_counters(server)->n_held_dropped, 3);
}
END_TEST

START_TEST(a_full_disk_gives_no_new_leases)
{
	(void)obtain(1, 0);
	disk_full = true;
	say(DHCP6_REQUEST, 2, 0, 100 * S);
	ck_assert_int_eq(out.type, DHCP6_NONE);
	say(DHCP6_RENEW, 1, POOL, 1600 * S);
	ck_assert(got(0) == POOL && out.ias[0].addrs[0].valid_s == 2000 && out.ias[0].addrs[0].preferred_s == 2000 &&
		  out.ias[0].t1 == 1000 && out.ias[0].t2 == 1600);
	ck_assert(n_events[DHCP6_UNRECORDED] == 1 && dhcp6_counters(server)->n_unrecorded == 2);
	disk_full = false;
	say(DHCP6_RENEW, 1, POOL, 1600 * S);
	ck_assert_uint_eq(out.ias[0].addrs[0].valid_s, 3600);
}
END_TEST

/* Many clients at once. The log is loaded afterwards: it holds the leases that were acknowledged. */
START_TEST(no_address_is_given_twice)
{
	struct {
		uint64_t addr;
		nsec_t until;
	} model[CLIENTS] = { 0 };
	static const enum dhcp6_type types[] = { DHCP6_SOLICIT, DHCP6_REQUEST, DHCP6_REQUEST, DHCP6_RENEW,
						 DHCP6_REBIND,	DHCP6_RELEASE, DHCP6_DECLINE, DHCP6_CONFIRM };
	struct bytes files[2] = { { 0 } };
	struct lease_log_found found;
	const struct lease **all;
	struct dhcp6 *again;
	nsec_t now = 0;
	size_t n_all;

	range.last = POOL + 7;
	for (unsigned step = 0; step < 20000; step++) {
		uint8_t n = (uint8_t)(20 + prng_below(&prng, CLIENTS));
		enum dhcp6_type type = types[prng_below(&prng, 8)];
		uint64_t addr = POOL - 1 + prng_below(&prng, 10);

		now += (nsec_t)prng_below(&prng, 40) * S;
		if (prng_below(&prng, 2) && model[n - 20].addr)
			addr = model[n - 20].addr;
		say(type, n, addr, now);
		if ((type == DHCP6_RELEASE || type == DHCP6_DECLINE) && out.n_ias == 0)
			model[n - 20].addr = 0;
		if (type == DHCP6_SOLICIT || out.type != DHCP6_REPLY || !got(0))
			continue;
		model[n - 20].addr = got(0);
		model[n - 20].until = now + out.ias[0].addrs[0].valid_s * S;
		for (unsigned i = 0; i < CLIENTS; i++)
			ck_assert(i == n - 20u || model[i].until <= now || model[i].addr != got(0));
	}
	for (unsigned i = 0; i < CLIENTS; i += 2) {
		if (model[i].addr)
			say(DHCP6_RELEASE, (uint8_t)(20 + i), model[i].addr, now);
		model[i].addr = 0;
	}
	ck_assert_uint_gt(n_events[DHCP6_LEASE_NEW], 1000);
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &again), 0);
	bytes_append(&files[0], written.data, written.len);
	ck_assert_int_eq(lease_log_load(&logbook, 1, files, dhcp6_leases(again), now, &found), 0);
	ck_assert(found.n_dropped == 0 && !found.why);
	dhcp6_run(again, now);
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct lease *l = model[i].addr ? leases_at(dhcp6_leases(again), model[i].addr) : NULL;

		if (model[i].addr && model[i].until > now + 40 * S)
			ck_assert(l && l->state == LEASE_BOUND && l->mac.b[5] == 20 + i);
	}
	ck_assert_int_eq(leases_sorted(dhcp6_leases(again), &all, &n_all), 0);
	for (size_t i = 0; i < n_all; i++) /* what was given back is not bound */
		ck_assert(all[i]->state != LEASE_BOUND || model[all[i]->mac.b[5] - 20].addr == all[i]->addr);
	free(all);
	dhcp6_free(again);
	bytes_done(&files[0]);
}
END_TEST

START_TEST(leases_are_saved)
{
	struct state *s, *in;
	const uint8_t *data;
	char *why = NULL;
	size_t len;

	(void)obtain(1, 0);
	say(DHCP6_SOLICIT, 7, 0, 0);
	ck_assert_int_eq(state_save_new(-1, &s), 0);
	dhcp6_state(server, s, 3, 0);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &len);
	dhcp6_free(server);
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &server), 0);
	ck_assert_int_eq(state_load_new(data, len, &in, &why), 0);
	dhcp6_state(server, in, 3, 100 * S);
	ck_assert_int_eq(state_finish(in), 0);
	ck_assert_int_eq(leases_at(dhcp6_leases(server), POOL)->until, 3700 * S);
	ck_assert_ptr_nonnull(leases_at(dhcp6_leases(server), 0x505400fffe000077));
	say(DHCP6_RENEW, 1, POOL, 200 * S);
	ck_assert_uint_eq(got(0), POOL);
	state_free(in);
	state_free(s);
}
END_TEST

START_TEST(wrong_configurations)
{
	const struct dhcp6_config good = config;
	struct dhcp6 *other;

	config.renew_s = 3000; /* beyond 4/5 */
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &other), -EINVAL);
	config = good;
	config.preferred_s = 3601;
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &other), -EINVAL);
	config = good;
	config.lease_s = 59;
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &other), -EINVAL);
	config = good;
	config.leases.iaid_len = 0;
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &other), -EINVAL);
	config = good;
	config.subnet.prefix_len = 120; /* the pool lies outside */
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &other), -EINVAL);
	config = good;
	config.lease_s = DHCP6_FOREVER;
	ck_assert_int_eq(dhcp6_new(&config, &host, &prng, &other), 0);
	dhcp6_free(other);
}
END_TEST

START_TEST(a_small_mtu_leaves_options_out)
{
	struct dhcp6_option_value large = { .code = 200, .is_always = true, .len = 1300, .data = bytes };

	config.options = &large;
	config.n_options = 1;
	say(DHCP6_SOLICIT, 1, 0, 0);
	ck_assert(where.len > 1300 && dhcp6_find(out.options, 200).len == 1300);
	config.mtu = 1280;
	say(DHCP6_SOLICIT, 1, 0, 0);
	ck_assert(where.len < 200 && got(0) == POOL && !dhcp6_find(out.options, 200).p &&
		  HAS(DHCP6_SEARCH, "\3lab\4test\0\4test\0"));
}
END_TEST

/* Solicits of real programs, option by option as they order them. */
#define MSG(text) .bytes = text, .len = sizeof(text) - 1
static const struct {
	const char *name, *bytes;
	size_t len, n_ias;
} clients[] = {
	{ "udhcpc6",
	  MSG("\1\x2f\x5c\x1a\0\1\0\x0a\0\3\0\1\2\0\0\0\0\x31\0\3\0\x0c\x10\x20\x30\x40\0\0\0\0\0\0\0\0"
	      "\0\6\0\4\0\x17\0\x18\0\x08\0\2\0\0"),
	  1 },
	{ "dhclient",
	  MSG("\1\x8a\x2b\x6f\0\1\0\x0e\0\1\0\1\x2c\x1d\xb2\0\2\0\0\0\0\x32\0\6\0\x08\0\x17\0\x18\0\x27\0\x1f"
	      "\0\x08\0\2\0\0\0\3\0\x0c\0\0\0\x32\0\0\x0e\x10\0\0\x15\x18"),
	  1 },
	{ "dhcpcd",
	  MSG("\1\x5e\x0d\x9c\0\1\0\x12\0\4\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\0\x08\0\2\0\0"
	      "\0\3\0\x0c\0\0\0\x33\0\0\0\0\0\0\0\0\0\x14\0\0\0\x27\0\6\1\4lab3\0\6\0\x0a\0\x17\0\x18\0\x20"
	      "\0\x27\0\x52"),
	  1 },
	{ "systemd-networkd",
	  MSG("\1\x71\xc3\xe8\0\x0e\0\0\0\3\0\x0c\x5d\x0f\x21\x33\0\0\0\0\0\0\0\0\0\x19\0\x0c\x5d\x0f\x21\x33\0\0\0\0"
	      "\0\0\0\0\0\x27\0\6\0\4lab4\0\6\0\x0a\0\x17\0\x18\0\x1f\0\x38\0\x52"
	      "\0\1\0\x0e\0\2\0\0\xab\x11\x3a\x5d\x0f\x21\x33\1\2\3\0\x08\0\2\0\0"),
	  2 },
};

START_TEST(real_clients)
{
	w = wire_write_to(bytes, sizeof bytes);
	wire_put_bytes(&w, clients[_i].bytes, clients[_i].len);
	send_msg((uint8_t)(0x31 + _i), 0);
	ck_assert_msg(n_replies == 1, "%s", clients[_i].name);
	ck_assert(out.n_ias == clients[_i].n_ias && got(0) == POOL && dhcp6_find(out.options, DHCP6_DNS).len == 32);
	for (size_t i = 1; i < out.n_ias; i++)
		ck_assert_int_eq(status_in(out.ias[i].options), DHCP6_NO_PREFIX);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dhcp6");
	TCase *c = tcase_create("dhcp6");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, four_ways);
	tcase_add_test(c, renewing_and_rebinding);
	tcase_add_test(c, renewing_what_is_not_known);
	tcase_add_test(c, confirmed);
	tcase_add_test(c, released_and_declined);
	tcase_add_test(c, no_association_goes_out_empty);
	tcase_add_test(c, rapid_commit);
	tcase_add_test(c, several_associations);
	tcase_add_test(c, reservations_are_kept);
	tcase_add_test(c, clones_differ);
	tcase_add_test(c, informed);
	tcase_add_test(c, names);
	tcase_add_test(c, relays_are_answered);
	tcase_add_loop_test(c, not_answered, 0, sizeof unanswered / sizeof unanswered[0]);
	tcase_add_test(c, replies_wait_for_their_records);
	tcase_add_test(c, a_full_disk_gives_no_new_leases);
	tcase_add_test(c, no_address_is_given_twice);
	tcase_add_test(c, leases_are_saved);
	tcase_add_test(c, wrong_configurations);
	tcase_add_test(c, a_small_mtu_leaves_options_out);
	tcase_add_loop_test(c, real_clients, 0, sizeof clients / sizeof clients[0]);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
