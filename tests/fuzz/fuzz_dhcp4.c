/* tests/fuzz/fuzz_dhcp4.c: the DHCPv4 server with clients that send anything, and the log it writes.
 *
 * Input: steps of 8 bytes: a message of one of 16 clients with an address near the pool's, its type, relay, options
 * and how much later it comes; or bytes of the input as a message. After each step: no reply that acknowledges an
 * address while another client's acknowledgement of it holds. At the end the log, with bytes of it changed as the
 * input says, is loaded: it ends where it was changed, and never with more than was written. */
#include "core/prng.h"
#include "core/wire.h"
#include "dhcp/dhcp4.h"
#include "dhcp/lease_log.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NET = 0x0a000000, CLIENTS = 16, ADDRS = 256, STEP = 8 };

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static const struct lease_range range = { NET + 8, NET + 15 };
static const struct lease_reservation reservations[] = {
	{ .addr = NET + 12, .has_mac = true, .mac = { { 2, 0, 0, 0, 0, 3 } } }
};
static const uint32_t dns[] = { NET + 1 };
static const struct dhcp4_boot boots[] = { { .arch = DHCP4_ARCH_ANY, .file = "boot" } };
static const struct dhcp4_config config = {
	.server = NET + 1,
	.prefix_len = 24,
	.lease_s = 600,
	.router = NET + 1,
	.dns = dns,
	.n_dns = 1,
	.has_rapid_commit = true,
	.boots = boots,
	.n_boots = 1,
	.leases = { .ranges = &range,
		    .n_ranges = 1,
		    .reservations = reservations,
		    .n_reservations = 1,
		    .offer_ns = 30 * NSEC_PER_SEC,
		    .quarantine_ns = 300 * NSEC_PER_SEC },
};

static struct {
	bool is_held;
	uint8_t mac[MAC_LEN];
	nsec_t until;
} holders[ADDRS];
static nsec_t now;
static struct lease_log logbook;
static struct bytes files[2];
static struct dhcp4_msg reply;

static void on_send(void *ctx, const struct dhcp4_reply *r)
{
	uint32_t lease_s, i;

	(void)ctx;
	MUST(dhcp4_read(r->payload, r->len, &reply) == DHCP4_GOOD && r->len >= DHCP4_REPLY_MIN &&
	     r->len <= DHCP4_REPLY_MAX);
	if (reply.type == DHCP4_NAK)
		MUST(reply.head.yiaddr == 0 && !dhcp4_has(&reply, DHCP4_LEASE_TIME));
	if (reply.type != DHCP4_ACK || !reply.head.yiaddr)
		return;
	i = reply.head.yiaddr - NET;
	MUST(i < ADDRS && dhcp4_option_u32(&reply, DHCP4_LEASE_TIME, &lease_s));
	MUST(!holders[i].is_held || holders[i].until <= now || memcmp(holders[i].mac, reply.head.chaddr, MAC_LEN) == 0);
	holders[i].is_held = true;
	memcpy(holders[i].mac, reply.head.chaddr, MAC_LEN);
	holders[i].until = now + lease_s * NSEC_PER_SEC;
}

static uint64_t on_record(void *ctx, const struct lease_record *r)
{
	(void)ctx;
	(void)lease_log_append(&logbook, r, &files[0]);
	if (r->kind != LEASE_RECORD_BOUND)
		holders[r->addr - NET].is_held = false;
	return 0;
}

static void step(struct dhcp4 *s, const uint8_t *b, const uint8_t *data, size_t len)
{
	uint8_t buf[400] = { DHCP4_BOOTREQUEST, 1, MAC_LEN };
	uint32_t addr = NET + 6 + (b[2] & 15);
	struct wire_writer w = wire_write_to(buf + DHCP4_HEAD_LEN, sizeof buf - DHCP4_HEAD_LEN);

	now += (nsec_t)b[7] * NSEC_PER_SEC;
	buf[28] = 2;
	buf[33] = b[1] % CLIENTS;
	if (b[3] & 1)
		store_be32(buf + 12, addr);
	if (b[3] & 2 && b[3] & 64)
		store_be32(buf + 24, NET + 254);
	wire_put_be32(&w, 0x63825363);
	wire_put_bytes(&w, (uint8_t[]){ DHCP4_MESSAGE_TYPE, 1, (uint8_t)(1 + b[0] % 8) }, 3);
	if (b[3] & 4) {
		wire_put_be16(&w, DHCP4_WANTED_ADDRESS << 8 | 4);
		wire_put_be32(&w, addr);
	}
	if (b[3] & 8) {
		wire_put_be16(&w, DHCP4_SERVER_ID << 8 | 4);
		wire_put_be32(&w, NET + 1 + (b[3] & 128 && b[4] & 1));
	}
	if (b[3] & 16)
		wire_put_bytes(&w, (uint8_t[]){ DHCP4_CLIENT_ID, 2, 1, b[4] & 3 }, 4);
	if (b[3] & 32)
		wire_put_be16(&w, DHCP4_RAPID_COMMIT << 8);
	if (b[5] & 1) /* the rest of the input as further options */
		wire_put_bytes(&w, data, len < 100 ? len : 100);
	else
		wire_put_u8(&w, DHCP4_END);
	dhcp4_input(s, b[6] ? 0 : addr, NULL, buf, DHCP4_HEAD_LEN + wire_put_len(&w), now);
}

static void load_changed(const uint8_t *b)
{
	struct prng prng;
	struct leases *t;
	struct lease_log log;
	struct lease_log_found found;
	size_t at = (load_le16(b) | (size_t)b[2] << 16) % files[0].len;

	prng_init(&prng, 2, "");
	MUST(leases_new(&config.leases, &prng, &t) == 0);
	files[0].data[at] = (uint8_t)(files[0].data[at] ^ b[3]);
	if (b[4] & 1)
		files[0].len = at;
	if (lease_log_load(&log, 1, files, t, now, &found) == 0)
		MUST(found.len <= files[0].len && (found.len <= at || b[3] == 0));
	leases_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct dhcp4_host host = { .send = on_send, .record = on_record };
	struct prng prng;
	struct dhcp4 *s;

	if (len < STEP)
		return 0;
	memset(holders, 0, sizeof holders);
	now = 0;
	bytes_consume(&files[0], files[0].len);
	lease_log_begin(&logbook, 1, 0, &files[0]);
	prng_init(&prng, 1, "");
	MUST(dhcp4_new(&config, &host, &prng, &s) == 0);
	for (size_t i = STEP; i + STEP <= len; i += STEP)
		step(s, data + i, data + i, len - i);
	dhcp4_input(s, 0, NULL, data, len, now);
	load_changed(data);
	dhcp4_free(s);
	return 0;
}
