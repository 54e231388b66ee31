/* tests/fuzz/fuzz_dhcp6.c: the DHCPv6 server with clients and relays that send anything.
 *
 * Input: steps of 8 bytes: a message of one of 16 clients with addresses near the pool's, its type, associations,
 * relay, options and how much later it comes; or bytes of the input as options or as a message. Each reply is read
 * again: it is whole, no association in it is empty, T1 <= T2 <= preferred <= valid, and no address is acknowledged
 * while another MAC's acknowledgement of it holds. */
#include "core/prng.h"
#include "dhcp/dhcp6.h"
#include "dhcp/dhcp6_reply.h"
#include "dhcp/lease_log.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 16, ADDRS = 32, STEP = 8 };

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static const struct lease_range range = { 8, 15 };
static const struct lease_reservation reservations[] = {
	{ .addr = 12, .has_mac = true, .mac = { { 2, 0, 0, 0, 0, 3 } } }
};
static const struct ip_addr dns[] = { { IP_V6, 128, { 0xfd, [15] = 1 } } };
static const char *const search[] = { "lab.test" };
static const struct dhcp4_boot boots[] = { { .arch = DHCP4_ARCH_ANY, .file = "tftp://x/boot" } };
static const struct dhcp6_config config = {
	.mac = { { 2, 0, 0, 0, 0, 1 } },
	.subnet = { IP_V6, 64, { 0xfd } },
	.lease_s = 600,
	.dns = dns,
	.n_dns = 1,
	.ntp = dns,
	.n_ntp = 1,
	.search = search,
	.n_search = 1,
	.has_rapid_commit = true,
	.boots = boots,
	.n_boots = 1,
	.leases = { .ranges = &range,
		    .n_ranges = 1,
		    .reservations = reservations,
		    .n_reservations = 1,
		    .offer_ns = 30 * NSEC_PER_SEC,
		    .quarantine_ns = 300 * NSEC_PER_SEC,
		    .iaid_len = DHCP6_IAID_LEN },
};

/* Who holds an address, as the record said it. */
static struct {
	uint8_t mac[MAC_LEN];
	nsec_t until;
} holders[ADDRS];
static nsec_t now;
static struct dhcp6_msg reply;

static void on_send(void *ctx, const struct dhcp6_reply *r)
{
	(void)ctx;
	MUST(r->len <= DHCP6_REPLY_MAX && dhcp6_read(r->payload, r->len, &reply) == DHCP6_GOOD);
	MUST(reply.type == DHCP6_ADVERTISE || reply.type == DHCP6_REPLY);
	for (size_t i = 0; i < reply.n_ias; i++) {
		const struct dhcp6_ia *ia = &reply.ias[i];

		MUST(ia->n_addrs || dhcp6_find(ia->options, DHCP6_STATUS).p);
		for (size_t k = 0; k < ia->n_addrs; k++) {
			MUST(ia->addrs[k].preferred_s <= ia->addrs[k].valid_s);
			MUST(!ia->addrs[k].valid_s || (ia->t1 <= ia->t2 && ia->t2 <= ia->addrs[k].preferred_s));
		}
	}
}

static uint64_t on_record(void *ctx, const struct lease_record *r)
{
	(void)ctx;
	MUST(r->addr < ADDRS);
	if (r->kind != LEASE_RECORD_BOUND) {
		holders[r->addr].until = 0;
		return 0;
	}
	/* Another identifier of the same MAC may take it: LEASES_PER_MAC. */
	MUST(holders[r->addr].until <= now || memcmp(holders[r->addr].mac, r->client.mac.b, MAC_LEN) == 0);
	memcpy(holders[r->addr].mac, r->client.mac.b, MAC_LEN);
	holders[r->addr].until = r->until;
	return 0;
}

static void put_ia(struct wire_writer *w, const uint8_t *b, uint8_t iaid)
{
	size_t at = dhcp6_open(w, b[3] & 16 ? DHCP6_IA_PD : DHCP6_IA_NA), in;

	wire_put_be32(w, iaid);
	wire_put_be64(w, 0);
	if (!(b[3] & 16) && b[3] & 1) {
		in = dhcp6_open(w, DHCP6_IAADDR);
		wire_put_bytes(w, (uint8_t[16]){ b[3] & 128 ? 0xfe : 0xfd, [15] = (uint8_t)(6 + (b[2] & 15)) }, 16);
		wire_put_be64(w, 0);
		dhcp6_close(w, in);
	}
	dhcp6_close(w, at);
}

static void step(struct dhcp6 *s, const uint8_t *b, const uint8_t *data, size_t len)
{
	uint8_t buf[512], relayed[700], n = b[1] % CLIENTS;
	struct dhcp6_from from = { { IP_V6, 128, { 0xfe, 0x80, [15] = n } }, 546, { { 2, 0, 0, 0, 0, n } } };
	struct wire_writer w = wire_write_to(buf, sizeof buf), r = wire_write_to(relayed, sizeof relayed);

	now += (nsec_t)b[7] * NSEC_PER_SEC;
	wire_put_be32(&w, (uint32_t)(1 + b[0] % 11) << 24 | b[2]);
	if (!(b[3] & 2) || b[6] & 1)
		dhcp6_put(&w, DHCP6_CLIENT_ID, (uint8_t[]){ 0, 3, 0, 1, 2, 0, 0, 0, 0, b[6] & 2 ? 0 : n }, 10);
	if (b[3] & 4)
		dhcp6_put(&w, DHCP6_SERVER_ID, (uint8_t[]){ 0, 3, 0, 1, 2, 0, 0, 0, 0, 1 }, 10);
	for (uint8_t i = 0; i < (b[4] & 15); i++)
		put_ia(&w, b, b[5] & 1 ? 1 : i);
	if (b[3] & 32)
		dhcp6_put(&w, DHCP6_RAPID_COMMIT, NULL, 0);
	dhcp6_put(&w, DHCP6_ORO, "\0\x17\0\x18\0\x38\0\x3b\0\x27", 10);
	if (b[5] & 2) /* the rest of the input as further options */
		wire_put_bytes(&w, data, len < 60 ? len : 60);
	if (w.failed)
		return;
	if (!(b[3] & 64)) {
		dhcp6_input(s, &from, buf, wire_put_len(&w), now);
		return;
	}
	wire_put_be16(&r, DHCP6_RELAY_FORWARD << 8);
	wire_put_bytes(&r, (uint8_t[16]){ b[5] & 4 ? 0 : 0xfd }, 16);
	wire_put_bytes(&r, (uint8_t[16]){ 0xfe, 0x80, [11] = 0xff, [12] = 0xfe, [15] = n }, 16);
	dhcp6_put(&r, DHCP6_INTERFACE_ID, data, len < 20 ? len : 20);
	dhcp6_put(&r, DHCP6_RELAY_MESSAGE, buf, wire_put_len(&w));
	MUST(!r.failed);
	dhcp6_input(s, &from, relayed, wire_put_len(&r), now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct dhcp6_host host = { .send = on_send, .record = on_record };
	static const struct dhcp6_from from = { { IP_V6, 128, { 0xfe, 0x80 } }, 546, { { 2 } } };
	struct prng prng;
	struct dhcp6 *s;

	memset(holders, 0, sizeof holders);
	now = 0;
	prng_init(&prng, 1, "");
	MUST(dhcp6_new(&config, &host, &prng, &s) == 0);
	dhcp6_input(s, &from, data, len, now);
	for (size_t i = 0; i + STEP <= len; i += STEP)
		step(s, data + i, data + i, len - i);
	dhcp6_free(s);
	return 0;
}
