/* tests/dhcp/check_dhcp4.c: exchanges with the DHCPv4 server on virtual time. */
#include "dhcp/dhcp4.h"

#include "core/bytes.h"
#include "core/prng.h"
#include "core/state.h"
#include "core/wire.h"
#include "dhcp/held.h"
#include "dhcp/lease_log.h"
#include "tests/dhcp/clients.h"
#include "tests/unit.h"

#include <errno.h>

#define S NSEC_PER_SEC
enum { NET = 0x0a000000, SERVER = NET + 1, BROADCAST = -1 };

static const uint32_t dns[] = { SERVER, 0x09090909 }, ntp[] = { NET + 2 };
static const char *const search[] = { "lab.test", "test" };
static const struct dhcp4_route routes[] = { { .to = 0x0a090000, .via = NET + 3, .prefix_len = 16 } };
static const uint8_t res_id[] = { 1, 'p', 'c' };
static const struct lease_reservation reservations[] = {
	{ .addr = NET + 77, .has_mac = true, .mac = { { 0x52, 0x54, 0, 0, 0, 2 } }, .hostname = "web" },
	{ .addr = NET + 78, .id = res_id, .id_len = sizeof res_id },
};
static const struct dhcp4_option_value options[] = {
	{ .code = 43, .is_always = true, .len = 3, .data = (const uint8_t *)"\x06\x01\x08" },
	{ .code = 44, .len = 4, .data = (const uint8_t *)"\x0a\x00\x00\x05" },
	{ .code = 54, .is_always = true, .len = 4, .data = (const uint8_t *)"\x01\x02\x03\x04" },
};
static const struct dhcp4_boot boots[] = {
	{ .arch = DHCP4_ARCH_ANY, .ipxe = DHCP4_IPXE_ONLY, .file = "script.ipxe" },
	{ .arch = DHCP4_ARCH_BIOS, .ipxe = DHCP4_IPXE_NOT, .file = "undionly.kpxe" },
	{ .arch = DHCP4_ARCH_X64, .ipxe = DHCP4_IPXE_NOT, .file = "ipxe.efi" },
	{ .arch = DHCP4_ARCH_X64_HTTP, .file = "http://10.0.0.1/boot.efi" },
};

static struct lease_range range;
static struct dhcp4_config config;
static struct dhcp4 *server;
static struct prng prng;
static struct lease_log logbook;
static struct bytes written;
static uint64_t durable; /* records up to it are, when a request comes in; UINT64_MAX: at once */
static bool disk_full;
static unsigned n_events[DHCP4_EVENT_COUNT];

/* The last reply, read. */
static struct dhcp4_msg out;
static struct dhcp4_reply where;
static unsigned n_replies;

static void on_send(void *ctx, const struct dhcp4_reply *r)
{
	(void)ctx;
	n_replies++;
	where = *r;
	ck_assert_uint_ge(r->len, DHCP4_REPLY_MIN);
	ck_assert_int_eq(dhcp4_read(r->payload, r->len, &out), DHCP4_GOOD);
	ck_assert_int_eq(out.head.op, DHCP4_BOOTREPLY);
	ck_assert_uint_eq(r->from, SERVER);
}

static uint64_t on_record(void *ctx, const struct lease_record *r)
{
	uint64_t seq;

	(void)ctx;
	if (disk_full)
		return DHCP4_NOT_RECORDED;
	seq = lease_log_append(&logbook, r, &written);
	return seq <= durable ? 0 : seq;
}

static void on_event(void *ctx, enum dhcp4_event event, const struct lease *l)
{
	(void)ctx;
	(void)l;
	n_events[event]++;
}

static const struct dhcp4_host host = { .send = on_send, .record = on_record, .event = on_event };

static const struct mac_addr *hop; /* of the messages to come */

static void setup(void)
{
	range = (struct lease_range){ NET + 10, NET + 13 };
	config = (struct dhcp4_config){
		.server = SERVER,
		.prefix_len = 24,
		.lease_s = 3600,
		.router = SERVER,
		.dns = dns,
		.n_dns = 2,
		.ntp = ntp,
		.n_ntp = 1,
		.domain = "lab.test",
		.search = search,
		.n_search = 2,
		.routes = routes,
		.n_routes = 1,
		.mtu = 1500,
		.has_rapid_commit = true,
		.options = options,
		.n_options = 3,
		.boots = boots,
		.n_boots = 4,
		.leases = { .ranges = &range,
			    .n_ranges = 1,
			    .reservations = reservations,
			    .n_reservations = 2,
			    .offer_ns = 30 * S,
			    .quarantine_ns = 600 * S },
	};
	durable = UINT64_MAX;
	hop = NULL;
	disk_full = false;
	n_replies = 0;
	memset(n_events, 0, sizeof n_events);
	lease_log_begin(&logbook, 1, 0, &written);
	prng_init(&prng, 1, "dhcp4");
	ck_assert_int_eq(dhcp4_new(&config, &host, &prng, &server), 0);
}

static void teardown(void)
{
	server = dhcp4_free(server);
	bytes_done(&written);
}

static void send_msg(const struct client_msg *m, uint32_t src, nsec_t now)
{
	uint8_t buf[2048];
	size_t len = client_bytes(m, 300, buf);
	uint8_t *exact = malloc(len);

	memcpy(exact, buf, len);
	where = (struct dhcp4_reply){ 0 };
	out.type = DHCP4_NONE;
	dhcp4_input(server, src, hop, exact, len, now);
	free(exact);
}

/* A message of client @n. @server_id, @wanted: 0 leaves the option out. @more: options behind those. */
static void say(enum dhcp4_type type, uint8_t n, uint32_t ciaddr, uint32_t wanted, uint32_t server_id, nsec_t now)
{
	static const uint8_t asked[] = { 55, 4, 1, 3, 6, 15 };
	uint8_t text[64];
	struct wire_writer w = wire_write_to(text, sizeof text);
	struct client_msg m = { .xid = 0x1000u + n, .ciaddr = ciaddr, .mac = { 2, 0, 0, 0, 0, n }, .options = text };

	wire_put_bytes(&w, (uint8_t[]){ 53, 1, (uint8_t)type }, 3);
	if (wanted) {
		wire_put_be16(&w, 50 << 8 | 4);
		wire_put_be32(&w, wanted);
	}
	if (server_id) {
		wire_put_be16(&w, 54 << 8 | 4);
		wire_put_be32(&w, server_id);
	}
	wire_put_bytes(&w, asked, sizeof asked);
	wire_put_u8(&w, 255);
	m.options_len = wire_put_len(&w);
	send_msg(&m, 0, now);
}

static uint32_t u32_of(uint8_t code)
{
	uint32_t v = 0;

	return dhcp4_option_u32(&out, code, &v) ? v : 0;
}

static bool is_option(uint8_t code, const char *value, size_t len)
{
	size_t got = 0;
	const uint8_t *p = dhcp4_option(&out, code, &got);

	return p && got == len && memcmp(p, value, len) == 0;
}
#define IS(code, text) is_option(code, text, sizeof(text) - 1)

/* DISCOVER to ACK. Returns the address. */
static uint32_t obtain(uint8_t n, nsec_t now)
{
	uint32_t addr;

	say(DHCP4_DISCOVER, n, 0, 0, 0, now);
	if (out.type != DHCP4_OFFER)
		return 0;
	addr = out.head.yiaddr;
	say(DHCP4_REQUEST, n, 0, addr, SERVER, now);
	ck_assert_int_eq(out.type, DHCP4_ACK);
	ck_assert_uint_eq(out.head.yiaddr, addr);
	return addr;
}

START_TEST(four_ways)
{
	ck_assert_uint_eq(obtain(9, 0), NET + 10);
	ck_assert_uint_eq(u32_of(DHCP4_LEASE_TIME), 3600);
	ck_assert_uint_eq(u32_of(DHCP4_T1), 1800);
	ck_assert_uint_eq(u32_of(DHCP4_T2), 3150);
	ck_assert_uint_eq(u32_of(DHCP4_SERVER_ID), SERVER);
	ck_assert(IS(1, "\xff\xff\xff\0") && IS(3, "\x0a\0\0\1") && IS(6, "\x0a\0\0\1\t\t\t\t") && IS(15, "lab.test"));
	ck_assert(!dhcp4_has(&out, 42) && !dhcp4_has(&out, 44) &&
		  dhcp4_has(&out, 43)); /* only what was asked, or always */
	ck_assert(where.to == NET + 10 && where.to_port == 68 && where.to_mac.b[5] == 9 && !where.resolve);
	ck_assert_uint_eq(n_events[DHCP4_LEASE_NEW], 1);
	ck_assert_uint_eq(out.head.siaddr, 0);
}
END_TEST

START_TEST(renewing_and_rebinding)
{
	(void)obtain(1, 0);
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, 1800 * S);
	ck_assert(out.type == DHCP4_ACK && out.head.ciaddr == NET + 10 && out.head.yiaddr == NET + 10);
	ck_assert(where.to == NET + 10 && where.to_mac.b[5] == 1);
	ck_assert_int_eq(leases_at(dhcp4_leases(server), NET + 10)->until, 5400 * S);
	ck_assert_uint_eq(n_events[DHCP4_LEASE_NEW], 1); /* no new one */
	say(DHCP4_REQUEST, 1, NET + 11, 0, 0, 1900 * S); /* not its own */
	ck_assert_int_eq(out.type, DHCP4_NAK);
	dhcp4_run(server, 5400 * S);
	ck_assert_uint_eq(n_events[DHCP4_LEASE_EXPIRED], 1);
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, 5500 * S); /* late, and the address is nobody's */
	ck_assert_int_eq(out.type, DHCP4_ACK);
}
END_TEST

START_TEST(rebooting)
{
	(void)obtain(1, 0);
	say(DHCP4_REQUEST, 1, 0, NET + 10, 0, S);
	ck_assert(out.type == DHCP4_ACK && out.head.ciaddr == 0 && where.to == NET + 10);
	say(DHCP4_REQUEST, 1, 0, NET + 12, 0, S);
	ck_assert_int_eq(out.type, DHCP4_NAK);
	say(DHCP4_REQUEST, 2, 0, 0xc0a80105, 0, S); /* of another network */
	ck_assert_int_eq(out.type, DHCP4_NAK);
	say(DHCP4_REQUEST, 2, 0, NET + 12, 0, S); /* nothing is known, and this server is the only one */
	ck_assert_int_eq(out.type, DHCP4_NAK);
	config.is_quiet = true;
	say(DHCP4_REQUEST, 2, 0, NET + 12, 0, S);
	ck_assert_int_eq(out.type, DHCP4_NONE);
	say(DHCP4_REQUEST, 2, 0, 0xc0a80105, 0, S);
	ck_assert_int_eq(out.type, DHCP4_NAK);
}
END_TEST

/* RFC 2131 table 3, and mORMot2#580. */
START_TEST(a_nak_is_bare_and_a_broadcast)
{
	(void)obtain(1, 0);
	say(DHCP4_REQUEST, 1, NET + 11, 0, 0, S);
	ck_assert_int_eq(out.type, DHCP4_NAK);
	ck_assert(where.to == UINT32_MAX && where.to_mac.b[0] == 0xff && where.to_mac.b[5] == 0xff);
	ck_assert(out.head.yiaddr == 0 && out.head.siaddr == 0 && out.head.ciaddr == 0 && out.head.chaddr[5] == 1);
	for (unsigned code = 1; code < 255; code++)
		ck_assert(!dhcp4_has(&out, (uint8_t)code) || code == 53 || code == 54 || code == 56);
}
END_TEST

START_TEST(another_server_is_chosen)
{
	say(DHCP4_DISCOVER, 1, 0, 0, 0, 0);
	say(DHCP4_REQUEST, 1, 0, NET + 200, NET + 2, 0);
	ck_assert_int_eq(out.type, DHCP4_NONE);
	ck_assert_uint_eq(leases_count(dhcp4_leases(server), LEASE_OFFERED), 0);
	say(DHCP4_REQUEST, 2, 0, NET + 12, SERVER, 0); /* an offer that was never made */
	ck_assert_int_eq(out.type, DHCP4_NAK);
	say(DHCP4_REQUEST, 1, 0, 0, 0, 0); /* names no address */
	ck_assert_int_eq(out.type, DHCP4_NONE);
}
END_TEST

START_TEST(declined_and_released)
{
	(void)obtain(1, 0);
	say(DHCP4_RELEASE, 1, NET + 11, 0, SERVER, 0); /* not its address */
	say(DHCP4_RELEASE, 2, NET + 10, 0, SERVER, 0); /* not its client */
	say(DHCP4_RELEASE, 1, NET + 10, 0, NET + 2, 0); /* not this server */
	ck_assert_uint_eq(n_events[DHCP4_LEASE_RELEASED], 0);
	say(DHCP4_RELEASE, 1, NET + 10, 0, SERVER, 0);
	ck_assert(n_events[DHCP4_LEASE_RELEASED] == 1 && out.type == DHCP4_NONE);
	ck_assert_uint_eq(obtain(1, S), NET + 10);
	say(DHCP4_DECLINE, 2, 0, NET + 10, SERVER, S);
	ck_assert_uint_eq(n_events[DHCP4_LEASE_DECLINED], 0);
	say(DHCP4_DECLINE, 1, 0, NET + 10, SERVER, S);
	ck_assert(n_events[DHCP4_LEASE_DECLINED] == 1 && out.type == DHCP4_NONE);
	ck_assert_uint_eq(obtain(1, 2 * S), NET + 11);
}
END_TEST

/* packetfence#3146: an INFORM is never answered by a NAK, nor by a lease. */
START_TEST(informed)
{
	say(DHCP4_INFORM, 5, NET + 40, 0, 0, 0);
	ck_assert(out.type == DHCP4_ACK && out.head.yiaddr == 0 && out.head.ciaddr == NET + 40 && where.to == NET + 40);
	ck_assert(!dhcp4_has(&out, 51) && !dhcp4_has(&out, 58) && !dhcp4_has(&out, 59) && dhcp4_has(&out, 6));
	ck_assert_ptr_null(leases_at(dhcp4_leases(server), NET + 40));
	say(DHCP4_INFORM, 5, 0xc0a80105, 0, 0, 0);
	ck_assert_int_eq(out.type, DHCP4_NONE);
}
END_TEST

static const struct client_msg relayed = { .xid = 7,
					   .giaddr = NET + 254,
					   .mac = { 2, 0, 0, 0, 1, 1 },
					   OPTIONS("\x35\x01\x01\x52\x08\x01\x06"
						   "port 3"
						   "\x37\x01\x01\xff") };

START_TEST(a_relay_is_answered)
{
	struct client_msg m = relayed;

	send_msg(&m, NET + 254, 0);
	ck_assert(out.type == DHCP4_OFFER && where.to == NET + 254 && where.to_port == 67 && where.resolve);
	ck_assert(out.head.giaddr == NET + 254 && IS(82, "\x01\x06port 3"));
	ck_assert_int_eq(memcmp(where.payload + where.len - 1, "\0", 1), 0);
	m.giaddr = 0xc0a80101; /* a link that this server does not serve */
	send_msg(&m, 0, 0);
	ck_assert_int_eq(out.type, DHCP4_NONE);
	m.options = (const uint8_t *)"\x35\x01\x01\x52\x06\x05\x04\x0a\x00\x00\x00\xff"; /* link selection: RFC 3527 */
	m.options_len = 12;
	send_msg(&m, 0, 0);
	ck_assert(out.type == DHCP4_OFFER && where.to == 0xc0a80101);
	m.options = (const uint8_t *)"\x35\x01\x01\x76\x04\x0a\x00\x00\x00\xff"; /* subnet selection: RFC 3011 */
	m.options_len = 10;
	send_msg(&m, 0, 0);
	ck_assert_int_eq(out.type, DHCP4_OFFER);
	m.giaddr = 0;
	m.options = (const uint8_t *)"\x35\x01\x01\x76\x04\x0a\x07\x00\x00\xff";
	send_msg(&m, 0, 0);
	ck_assert_int_eq(out.type, DHCP4_NONE);
	m.giaddr = NET + 254;
	m.options = (const uint8_t *)"\x35\x01\x03\x32\x04\x0a\x00\x07\x09\xff";
	m.options_len = 10;
	send_msg(&m, 0, 0); /* a NAK, which the relay is to broadcast */
	ck_assert(out.type == DHCP4_NAK && where.to == NET + 254 && out.head.flags & DHCP4_FLAG_BROADCAST);
}
END_TEST

START_TEST(a_renewal_through_a_router_is_resolved)
{
	static const struct mac_addr own = { { 2, 0, 0, 0, 0, 1 } }, router = { { 2, 0, 0, 0, 0, 99 } };

	(void)obtain(1, 0);
	hop = &own;
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, 1800 * S);
	ck_assert(out.type == DHCP4_ACK && where.to == NET + 10 && !where.resolve);
	hop = &router;
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, 1900 * S);
	ck_assert(out.type == DHCP4_ACK && where.to == NET + 10 && where.to_port == 68 && where.resolve);
	say(DHCP4_DISCOVER, 2, 0, 0, 0, 1900 * S); /* without an address it answers no ARP */
	ck_assert(out.type == DHCP4_OFFER && !where.resolve && where.to_mac.b[5] == 2);
}
END_TEST

START_TEST(flags_decide_on_broadcast)
{
	struct client_msg m = client_discovers[CLIENT_UDHCPC];

	send_msg(&m, 0, 0);
	ck_assert(where.to == NET + 10 && where.to_mac.b[0] == 0x52);
	m.flags = DHCP4_FLAG_BROADCAST;
	send_msg(&m, 0, 0);
	ck_assert(where.to == UINT32_MAX && where.to_mac.b[0] == 0xff && out.head.flags == DHCP4_FLAG_BROADCAST);
}
END_TEST

/* RFC 3442; systemd#5695, ipxe#1556: with 121 a client ignores 3, so the default route is in it. */
START_TEST(what_dhclient_asks_for)
{
	static const uint8_t order[] = { 53, 54, 51, 58, 59, 1, 28, 3, 15, 6, 119, 12, 44, 26, 121, 42, 43 };
	const uint8_t *p;

	send_msg(&client_discovers[CLIENT_DHCLIENT], 0, 0);
	ck_assert_uint_eq(out.head.yiaddr, NET + 77);
	ck_assert(IS(12, "web") && IS(28, "\x0a\0\0\xff") && IS(26, "\x05\xdc") && IS(42, "\x0a\0\0\2") &&
		  IS(44, "\x0a\0\0\5"));
	ck_assert(IS(119, "\3lab\4test\0\xC0\4"));
	ck_assert(IS(121, "\x10\x0a\x09\x0a\0\0\3\0\x0a\0\0\1"));
	p = where.payload + DHCP4_OPTIONS_AT;
	for (size_t i = 0; i < sizeof order; i++, p += 2 + p[1])
		ck_assert_msg(p[0] == order[i], "%zu: %u, not %u", i, p[0], order[i]);
	ck_assert_uint_eq(p[0], DHCP4_END);
}
END_TEST

START_TEST(the_mask_stands_before_the_router)
{
	static const struct client_msg m = { .mac = { 2, 1 }, OPTIONS("\x35\x01\x01\x37\x02\x03\x01\xff") };

	send_msg(&m, 0, 0);
	ck_assert_uint_eq(where.payload[DHCP4_OPTIONS_AT + 3 + 6 * 4], DHCP4_MASK);
}
END_TEST

/* systemd#30891: networkd asks for 108 without being able to live on IPv6 alone. */
START_TEST(v6only_if_configured_and_asked)
{
	send_msg(&client_discovers[CLIENT_NETWORKD], 0, 0);
	ck_assert(out.type == DHCP4_OFFER && !dhcp4_has(&out, 108));
	config.v6only_s = 1800;
	send_msg(&client_discovers[CLIENT_NETWORKD], 0, 0);
	ck_assert_uint_eq(u32_of(108), 1800);
	send_msg(&client_discovers[CLIENT_UDHCPC], 0, 0);
	ck_assert(!dhcp4_has(&out, 108));
}
END_TEST

/* d:3a6dd32f: one lease a client, whatever it had. */
START_TEST(rapid_commit)
{
	send_msg(&client_discovers[CLIENT_DHCPCD], 0, 0);
	ck_assert(out.type == DHCP4_ACK && dhcp4_has(&out, DHCP4_RAPID_COMMIT) && u32_of(51) == 3600);
	ck_assert_uint_eq(out.head.yiaddr, NET + 10);
	send_msg(&client_discovers[CLIENT_DHCPCD], 0, S);
	ck_assert(out.type == DHCP4_ACK && out.head.yiaddr == NET + 10);
	ck_assert_uint_eq(leases_count(dhcp4_leases(server), LEASE_BOUND), 1);
	config.has_rapid_commit = false;
	send_msg(&client_discovers[CLIENT_DHCPCD], 0, S);
	ck_assert(out.type == DHCP4_OFFER && !dhcp4_has(&out, DHCP4_RAPID_COMMIT));
}
END_TEST

START_TEST(booting)
{
	send_msg(&client_discovers[CLIENT_EDK2], 0, 0);
	ck_assert(out.head.siaddr == SERVER && strcmp((char *)out.head.file, "ipxe.efi") == 0);
	ck_assert(IS(66, "10.0.0.1") && IS(67, "ipxe.efi") && !dhcp4_has(&out, 60)); /* edk2#8149 */
	ck_assert(IS(97, "\0\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"));
	send_msg(&client_discovers[CLIENT_IPXE], 0, 0); /* ipxe#908 */
	ck_assert_str_eq((char *)out.head.file, "script.ipxe");
	ck_assert(IS(61, "\x01\x52\x54\0\0\0\x05"));
	send_msg(&client_discovers[CLIENT_EDK2_HTTP], 0, 0);
	ck_assert(IS(60, "HTTPClient") && IS(67, "http://10.0.0.1/boot.efi") && out.head.siaddr == 0 &&
		  !out.head.file[0]);
	send_msg(&client_discovers[CLIENT_UDHCPC], 0, 0);
	ck_assert(!dhcp4_has(&out, 67) && out.head.siaddr == 0);
	config.next_server = NET + 9;
	send_msg(&client_discovers[CLIENT_EDK2], 0, 0);
	ck_assert(out.head.siaddr == NET + 9 && IS(66, "10.0.0.9"));
}
END_TEST

/* warewulf3#104: FlexBoot lacks 77; other loaders lack 175. Each alone is iPXE. */
START_TEST(ipxe_by_either_option)
{
	struct client_msg m = { .mac = { 2, 2 }, OPTIONS("\x35\x01\x01\x5d\x02\0\0\xaf\x03\xb1\x01\x01\xff") };

	send_msg(&m, 0, 0);
	ck_assert_str_eq((char *)out.head.file, "script.ipxe");
	m.options = (const uint8_t *)"\x35\x01\x01\x5d\x02\0\0\x4d\x04iPXE\xff";
	m.options_len = 14;
	send_msg(&m, 0, 0);
	ck_assert_str_eq((char *)out.head.file, "script.ipxe");
	m.options = (const uint8_t *)"\x35\x01\x01\x5d\x02\0\0\xff";
	m.options_len = 8;
	send_msg(&m, 0, 0);
	ck_assert_str_eq((char *)out.head.file, "undionly.kpxe");
}
END_TEST

START_TEST(replies_wait_for_their_records)
{
	durable = 0;
	for (uint8_t n = 1; n <= 3; n++) {
		say(DHCP4_DISCOVER, n, 0, 0, 0, 0);
		ck_assert_int_eq(out.type, DHCP4_OFFER); /* promises nothing durable */
		say(DHCP4_REQUEST, n, 0, NET + 9 + n, SERVER, 0);
		ck_assert_int_eq(out.type, DHCP4_NONE);
	}
	n_replies = 0;
	dhcp4_durable(server, logbook.seq - 1);
	ck_assert_uint_eq(n_replies, 2);
	dhcp4_durable(server, logbook.seq - 1);
	ck_assert_uint_eq(n_replies, 2);
	dhcp4_durable(server, logbook.seq);
	ck_assert(n_replies == 3 && out.type == DHCP4_ACK && out.head.yiaddr == NET + 12 && where.to == NET + 12);
	for (unsigned i = 0; i < HELD_MAX + 5; i++)
		say(DHCP4_REQUEST, 1, NET + 10, 0, 0, S);
	ck_assert_uint_eq(dhcp4_counters(server)->n_held_dropped, 5);
	dhcp4_durable(server, logbook.seq);
	ck_assert_uint_eq(n_replies, 3 + HELD_MAX);
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, S);
	dhcp4_durable(server, logbook.seq);
	ck_assert_uint_eq(n_replies, 4 + HELD_MAX);
}
END_TEST

START_TEST(a_full_disk_gives_no_new_leases)
{
	(void)obtain(1, 0);
	disk_full = true;
	for (uint8_t n = 2; n < 4; n++) {
		say(DHCP4_DISCOVER, n, 0, 0, 0, S);
		say(DHCP4_REQUEST, n, 0, out.head.yiaddr, SERVER, S);
		ck_assert_int_eq(out.type, DHCP4_NONE);
	}
	ck_assert_uint_eq(n_events[DHCP4_UNRECORDED], 1);
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, 3000 * S); /* for what was recorded */
	ck_assert(out.type == DHCP4_ACK && u32_of(51) == 600 && u32_of(58) == 300 && u32_of(59) == 525);
	ck_assert_int_eq(leases_at(dhcp4_leases(server), NET + 10)->until, 3600 * S);
	disk_full = false;
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, 3000 * S);
	ck_assert_uint_eq(u32_of(51), 3600);
}
END_TEST

START_TEST(an_empty_pool_is_told_once)
{
	for (uint8_t n = 1; n <= 4; n++)
		(void)obtain(n, 0);
	for (uint8_t n = 5; n <= 9; n++)
		ck_assert_uint_eq(obtain(n, 0), 0);
	ck_assert(n_events[DHCP4_POOL_EMPTY] == 1 && dhcp4_counters(server)->n_no_address == 5);
	dhcp4_run(server, 3600 * S);
	ck_assert_uint_ne(obtain(5, 3600 * S), 0);
}
END_TEST

START_TEST(who_is_not_served)
{
	static const struct client_msg bootp = { .mac = { 2, 3 }, OPTIONS("\xff") };
	static const struct client_msg bad = { .mac = { 2, 3 }, OPTIONS("\x35\x00\xff") };
	static const struct client_msg group = { .mac = { 1, 0, 0x5e }, OPTIONS("\x35\x01\x01\xff") };
	static const struct client_msg nobody = { OPTIONS("\x35\x01\x01\xff") };
	static const struct client_msg from_server = { .mac = { 2, 3 }, OPTIONS("\x35\x01\x02\xff") };
	uint8_t buf[600];
	size_t len;

	send_msg(&bootp, 0, 0);
	send_msg(&bad, 0, 0);
	send_msg(&group, 0, 0);
	send_msg(&nobody, 0, 0);
	send_msg(&from_server, 0, 0);
	len = client_bytes(&client_discovers[0], 300, buf);
	buf[0] = DHCP4_BOOTREPLY;
	dhcp4_input(server, 0, NULL, buf, len, 0);
	buf[0] = 1, buf[1] = 32; /* IP over InfiniBand */
	dhcp4_input(server, 0, NULL, buf, len, 0);
	dhcp4_input(server, 0, NULL, buf, 0, 0);
	ck_assert_uint_eq(n_replies, 0);
	ck_assert(dhcp4_counters(server)->n_bootp == 1 && dhcp4_counters(server)->n_malformed == 2 &&
		  dhcp4_counters(server)->n_ignored == 5);
}
END_TEST

START_TEST(times_that_do_not_go_together)
{
	static const uint32_t wrong[][3] = {
		{ 3600, 1800, 3600 }, { 3600, 2000, 2000 }, { 3600, 3600, 0 }, { 59, 0, 0 }
	};
	struct dhcp4 *none = NULL;

	for (size_t i = 0; i < 4; i++) {
		config.lease_s = wrong[i][0], config.renew_s = wrong[i][1], config.rebind_s = wrong[i][2];
		ck_assert_int_eq(dhcp4_new(&config, &host, &prng, &none), -EINVAL);
	}
	config.lease_s = 60, config.renew_s = 30, config.rebind_s = 45;
	(void)obtain(1, 0);
	ck_assert(u32_of(51) == 60 && u32_of(58) == 30 && u32_of(59) == 45);
}
END_TEST

START_TEST(host_names)
{
	static const struct {
		const char *options;
		size_t len;
		const char *name;
	} cases[] = {
#define NAME(text) text, sizeof(text) - 1
		{ NAME("\x35\x01\x01\x50\x00\x0c\x03web\xff"), "web" },
		{ NAME("\x35\x01\x01\x50\x00\x0c\x04web\0\xff"), "web" },
		{ NAME("\x35\x01\x01\x50\x00\x0c\x07web.lab\xff"), "web" },
		{ NAME("\x35\x01\x01\x50\x00\x0c\x03w\0b\xff"), "" },
		{ NAME("\x35\x01\x01\x50\x00\x0c\x03;rm\xff"), "" },
		{ NAME("\x35\x01\x01\x50\x00\x51\x0c\x05\0\0\x03pc7\x03lab\0\xff"), "pc7" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client_msg m = { .mac = { 2, 4 },
					.options = (const uint8_t *)cases[i].options,
					.options_len = cases[i].len };

		send_msg(&m, 0, 0);
		ck_assert_str_eq(leases_at(dhcp4_leases(server), NET + 10)->hostname, cases[i].name);
	}
}
END_TEST

/* What belongs to the exchange is never taken from the configuration. */
START_TEST(own_options_are_not_configured)
{
	static const uint8_t codes[] = { 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 80, 82 };
	static struct dhcp4_option_value own[sizeof codes];

	for (size_t i = 0; i < sizeof codes; i++)
		own[i] = (struct dhcp4_option_value){ codes[i], true, 4, (const uint8_t *)"\x01\x01\x01\x01" };
	config.options = own;
	config.n_options = sizeof codes;
	say(DHCP4_INFORM, 5, NET + 40, 0, 0, 0);
	ck_assert(out.type == DHCP4_ACK && u32_of(54) == SERVER);
	for (size_t i = 0; i < sizeof codes; i++)
		ck_assert(!dhcp4_has(&out, codes[i]) || codes[i] == 53 || codes[i] == 54);
}
END_TEST

/* No reply is longer than the client takes, and what does not fit goes to file and sname. */
START_TEST(sizes)
{
	static const uint8_t big[200];
	static const struct dhcp4_option_value many[] = { { .code = 224, .is_always = true, .len = 200, .data = big },
							  { .code = 225, .is_always = true, .len = 100, .data = big } };
	struct client_msg m = { .mac = { 2, 5 }, OPTIONS("\x35\x01\x01\xff") };

	config.options = many;
	config.n_options = 2;
	send_msg(&m, 0, 0);
	ck_assert(where.len <= 548 && dhcp4_has(&out, DHCP4_OVERLOAD) && out.options[225].len == 100);
	m.options = (const uint8_t *)"\x35\x01\x01\x39\x02\x05\xdc\xff";
	m.options_len = 8;
	send_msg(&m, 0, 0);
	ck_assert(where.len > 548 && !dhcp4_has(&out, DHCP4_OVERLOAD) && out.options[225].len == 100);
	config.mtu = 600;
	send_msg(&m, 0, 0);
	ck_assert(where.len <= 572 && out.options[225].len == 100);
}
END_TEST

START_TEST(a_saved_server_goes_on)
{
	struct state *save, *load;
	const uint8_t *data;
	char *why = NULL;
	size_t len;

	(void)obtain(1, 0);
	ck_assert_int_eq(state_save_new(-1, &save), 0);
	dhcp4_state(server, save, 0, 100 * S);
	ck_assert_int_eq(state_finish(save), 0);
	data = state_data(save, &len);
	server = dhcp4_free(server);
	ck_assert_int_eq(dhcp4_new(&config, &host, &prng, &server), 0);
	ck_assert_int_eq(state_load_new(data, len, &load, &why), 0);
	dhcp4_state(server, load, 0, 500 * S);
	ck_assert_int_eq(state_finish(load), 0);
	ck_assert_int_eq(leases_at(dhcp4_leases(server), NET + 10)->until, 4000 * S);
	say(DHCP4_REQUEST, 1, NET + 10, 0, 0, 600 * S);
	ck_assert_int_eq(out.type, DHCP4_ACK);
	state_free(load);
	state_free(save);
}
END_TEST

static Suite *make_suite(void)
{
	const TTest *const tests[] = {
		four_ways,
		renewing_and_rebinding,
		rebooting,
		a_nak_is_bare_and_a_broadcast,
		another_server_is_chosen,
		declined_and_released,
		informed,
		a_relay_is_answered,
		a_renewal_through_a_router_is_resolved,
		flags_decide_on_broadcast,
		what_dhclient_asks_for,
		the_mask_stands_before_the_router,
		v6only_if_configured_and_asked,
		rapid_commit,
		booting,
		ipxe_by_either_option,
		replies_wait_for_their_records,
		a_full_disk_gives_no_new_leases,
		an_empty_pool_is_told_once,
		who_is_not_served,
		times_that_do_not_go_together,
		host_names,
		own_options_are_not_configured,
		sizes,
		a_saved_server_goes_on,
	};
	Suite *s = suite_create("dhcp4");
	TCase *t = tcase_create("exchanges");

	tcase_add_checked_fixture(t, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
