/* tests/fuzz/fuzz_dhcp4_msg.c: a DHCPv4 message of any bytes.
 *
 * Input: two bytes choose what is made right (the cookie, a message type in front, overload) and how large a reply
 * may be; the rest is the payload, most of it options. What was read is written as a reply and read again: each
 * option is there as it was or was counted as left out. Values that are names or routes are read, too. */
#include "core/wire.h"
#include "dhcp/dhcp4_msg.h"
#include "dhcp/dhcp4_value.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 4096 };
static struct dhcp4_msg msg, again;
static struct dhcp4_build build;

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static void read_values(const struct dhcp4_msg *m)
{
	struct dhcp4_route routes[8];
	char text[DHCP4_NAME_SIZE];
	size_t len, at = 0, sub_len;
	const uint8_t *p = dhcp4_option(m, DHCP4_ROUTES, &len);

	if (p)
		(void)dhcp4_routes_read(p, len, routes, 8);
	p = dhcp4_option(m, DHCP4_FQDN, &len);
	if (p && dhcp4_fqdn_read(p, len, text))
		MUST(dhcp4_is_name(text));
	p = dhcp4_option(m, DHCP4_SEARCH, &len);
	while (p && at < len && dhcp4_name_read(p, len, true, &at, text))
		MUST(strlen(text) < sizeof text - 2);
	p = dhcp4_option(m, DHCP4_RELAY, &len);
	if (p)
		for (unsigned code = 0; code < 256; code++)
			(void)dhcp4_sub(p, len, (uint8_t)code, &sub_len);
}

/* Writes what was read as a reply of at most @max bytes, and compares. */
static void write_again(size_t max)
{
	uint8_t *reply = malloc(max);
	unsigned n_left_out, n = 0;
	size_t len;

	memset(&build, 0, sizeof build);
	build.head = msg.head;
	(void)dhcp4_add_u8(&build, DHCP4_MESSAGE_TYPE, (uint8_t)msg.type);
	for (unsigned code = 1; code < DHCP4_END; code++) {
		const uint8_t *p = dhcp4_option(&msg, (uint8_t)code, &len);

		if (p && code != DHCP4_OVERLOAD)
			(void)dhcp4_add(&build, (uint8_t)code, p, len);
	}
	len = dhcp4_write(&build, max, reply, max, &n_left_out);
	MUST(len >= DHCP4_REPLY_MIN && len <= max);
	MUST(dhcp4_read(reply, len, &again) == DHCP4_GOOD && again.type == msg.type);
	for (size_t i = 0; i < build.n_adds; i++) {
		const uint8_t *p = dhcp4_option(&again, build.adds[i].code, &len);

		n += !p;
		MUST(!p || (len == build.adds[i].len && memcmp(p, build.bytes + build.adds[i].at, len) == 0));
	}
	MUST(n == n_left_out);
	free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *payload;
	size_t n;

	if (len < 2)
		return 0;
	n = len - 2;
	payload = malloc(n ? n : 1);
	memcpy(payload, data + 2, n);
	if (n > DHCP4_OPTIONS_AT + 8 && data[0] & 3) {
		payload[2] &= 15;
		store_be32(payload + DHCP4_HEAD_LEN, 0x63825363);
		memcpy(payload + DHCP4_OPTIONS_AT, "\x35\x01\x01\x34\x01\x01", 3 + (data[0] & 4 ? 3 : 0));
		payload[DHCP4_OPTIONS_AT + 2] = (uint8_t)(1 + data[0] % 8);
		/* Short options are likelier to be whole. */
		for (size_t i = DHCP4_OPTIONS_AT + 6; data[0] & 8 && i < n; i++)
			payload[i] &= 63;
	}
	if (dhcp4_read(payload, n, &msg) == DHCP4_GOOD) {
		read_values(&msg);
		write_again(DHCP4_REPLY_MIN + data[1] * (SIZE - DHCP4_REPLY_MIN) / 255);
	}
	free(payload);
	return 0;
}
