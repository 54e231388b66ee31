/* tests/fuzz/fuzz_dhcp6_msg.c: a DHCPv6 message of any bytes.
 *
 * Input: a byte that says what is made right (the type, lengths of options), then the payload. Of a message that was
 * read every span lies inside it, and a message written of it reads the same. */
#include "dhcp/dhcp6_msg.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static struct dhcp6_msg m, again;
static const uint8_t *payload;
static size_t payload_len;

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static void check_span(struct dhcp6_span s)
{
	MUST(!s.p || (s.p >= payload && s.p + s.len <= payload + payload_len));
}

static void write_again(void)
{
	size_t size = payload_len + 64, at[DHCP6_RELAYS_MAX], n = 0;
	uint8_t *buf = malloc(size);
	struct wire_writer w = wire_write_to(buf, size);

	for (size_t i = 0; i < m.n_relays; i++) {
		wire_put_be16(&w, (uint16_t)(DHCP6_RELAY_FORWARD << 8 | m.relays[i].hops));
		wire_put_bytes(&w, m.relays[i].link.b, 16);
		wire_put_bytes(&w, m.relays[i].peer.b, 16);
		if (m.relays[i].interface_id.p)
			dhcp6_put(&w, DHCP6_INTERFACE_ID, m.relays[i].interface_id.p, m.relays[i].interface_id.len);
		at[n++] = dhcp6_open(&w, DHCP6_RELAY_MESSAGE);
	}
	wire_put_be32(&w, (uint32_t)m.type << 24 | m.xid);
	wire_put_bytes(&w, m.options.p, m.options.len);
	while (n)
		dhcp6_close(&w, at[--n]);
	MUST(!w.failed && dhcp6_read(buf, wire_put_len(&w), &again) == DHCP6_GOOD);
	MUST(again.type == m.type && again.xid == m.xid && again.n_relays == m.n_relays && again.n_ias == m.n_ias);
	MUST(again.options.len == m.options.len && again.client_id.len == m.client_id.len);
	free(buf);
}

/* Makes options likelier to be whole. */
static void mend(uint8_t *p, size_t len)
{
	for (size_t at = 0; at + 4 <= len;) {
		size_t n;

		p[at] = 0;
		p[at + 1] &= 63;
		p[at + 2] = 0;
		n = p[at + 3] & 31;
		if (p[at + 1] == DHCP6_IA_NA || p[at + 1] == DHCP6_IA_PD)
			n += 12;
		if (p[at + 1] == DHCP6_IAADDR)
			n += 24;
		n = at + 4 + n > len ? len - at - 4 : n;
		p[at + 3] = (uint8_t)n;
		if (p[at + 1] == DHCP6_IA_NA && n > 12)
			mend(p + at + 16, n - 12);
		at += 4 + n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (len < 1)
		return 0;
	payload_len = len - 1;
	copy = malloc(payload_len ? payload_len : 1);
	payload = copy;
	memcpy(copy, data + 1, payload_len);
	if (data[0] & 3 && payload_len > 4) {
		copy[0] = (uint8_t)(1 + data[0] / 4 % 13);
		if (copy[0] < DHCP6_RELAY_FORWARD)
			mend(copy + 4, payload_len - 4);
		else if (payload_len > 46) {
			copy[34] = 0;
			copy[35] = DHCP6_RELAY_MESSAGE;
			store_be16(copy + 36, (uint16_t)(payload_len - 38));
			copy[38] = DHCP6_SOLICIT;
			mend(copy + 42, payload_len - 42);
		}
	}
	if (dhcp6_read(copy, payload_len, &m) == DHCP6_GOOD) {
		check_span(m.options);
		check_span(m.client_id);
		check_span(m.server_id);
		for (size_t i = 0; i < m.n_ias; i++)
			check_span(m.ias[i].options);
		for (size_t i = 0; i < m.n_relays; i++)
			check_span(m.relays[i].interface_id);
		for (unsigned code = 0; code < 256; code++) {
			check_span(dhcp6_find(m.options, (uint16_t)code));
			(void)dhcp6_asks(&m, (uint16_t)code);
		}
		write_again();
	}
	free(copy);
	return 0;
}
