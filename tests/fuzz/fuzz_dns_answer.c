/* tests/fuzz/fuzz_dns_answer.c: guests that ask and take names. Input: bytes of which each begins a step: a lease with
 * a name of the next bytes, the end of one, or a query made of labels that stand in the table, bytes, and pointers. Every
 * answer parses, has the query's id and question, and is no longer than the query allows; leases are bounded, and the
 * table is as it was once they are gone. */
#include "core/wire.h"
#include "dns/dns.h"

#include <stdlib.h>

enum { IPS = 16, MESSAGE_MAX = 600 };

static const char *const words[] = {
	"web", "lab", "test", "arpa", "in-addr", "ip6", "10", "0", "localhost", "com", "a"
};

static struct zone *new_zone(void)
{
	struct ip_addr ip = { .family = IP_V4, .prefix_len = 32, .b = { 10, 0, 0, 200 } };
	struct zone *z;
	const char *why;

	if (zone_new("lab.test", 1, &z, &why) < 0 || zone_add_vm(z, "web", &why) < 0 ||
	    zone_add_address(z, "web", &ip, &why) < 0)
		abort();
	for (unsigned i = 0; i < 60; i++) {
		ip.b[3] = (uint8_t)i;
		if (zone_add_address(z, "a", &ip, &why) < 0)
			abort();
	}
	return z;
}

static void change_lease(struct zone *z, struct wire_reader *r)
{
	uint8_t how = wire_get_u8(r);
	struct ip_addr ip = { .family = how & 1 ? IP_V4 : IP_V6, .b = { 10, 0, 0, (uint8_t)(how >> 4) } };
	size_t len = wire_get_u8(r) % 70;
	const uint8_t *p = wire_get(r, len);
	char name[80] = "";
	const char *why;

	if (how & 2) {
		zone_drop_lease(z, &ip);
		return;
	}
	if (how & 4)
		(void)strcpy(name, words[how % (sizeof words / sizeof words[0])]);
	else if (p)
		memcpy(name, p, len);
	(void)zone_set_lease(z, name, &ip, how & 8, &why);
	if (zone_lease_count(z) > 2 * IPS)
		abort();
}

/* A query with a name of words and bytes; now and then something else. */
static size_t make_query(struct wire_reader *r, uint8_t *buf)
{
	struct wire_writer w = wire_write_to(buf, MESSAGE_MAX);
	uint8_t how = wire_get_u8(r), n = wire_get_u8(r) % 6;
	const uint8_t *p;

	wire_put_be16(&w, wire_get_be16(r));
	wire_put_be16(&w, how & 1 ? wire_get_be16(r) : DNS_RD);
	wire_put_be16(&w, 1);
	wire_put_be32(&w, 0);
	wire_put_be16(&w, how & 2 ? 1 : 0);
	while (n--) {
		uint8_t b = wire_get_u8(r);
		const char *word = words[b % (sizeof words / sizeof words[0])];

		if (b >= 0xf0) {
			p = wire_get(r, b & 15);
			wire_put_u8(&w, b & 15);
			wire_put_bytes(&w, p ? p : (const uint8_t *)"...............", b & 15);
		} else {
			wire_put_u8(&w, (uint8_t)strlen(word));
			wire_put_bytes(&w, word, strlen(word));
		}
	}
	wire_put_u8(&w, 0);
	wire_put_be16(&w, how & 4 ? wire_get_be16(r) : how & 8 ? DNS_A : DNS_PTR);
	wire_put_be16(&w, how & 16 ? wire_get_be16(r) : 1);
	if (how & 2) {
		wire_put_u8(&w, 0);
		wire_put_be16(&w, DNS_OPT);
		wire_put_be16(&w, wire_get_be16(r));
		wire_put_be32(&w, how & 32 ? wire_get_be32(r) : 0);
		wire_put_be16(&w, 0);
	}
	if ((how & 0xc0) == 0xc0) /* one byte changed */
		buf[wire_get_u8(r) % wire_put_len(&w)] = wire_get_u8(r);
	return wire_put_len(&w) - ((how & 0xc0) == 0x80 ? wire_get_u8(r) % 8u : 0);
}

static void ask(struct dns *d, struct wire_reader *r)
{
	static uint8_t answer[DNS_MSG_MAX];
	uint8_t made[MESSAGE_MAX], *query;
	size_t len = make_query(r, made), answer_len = 0, limit;
	enum dns_transport transport = wire_get_u8(r) & 1 ? DNS_OVER_TCP : DNS_OVER_UDP;
	struct dns_msg q, a;
	enum dns_action action;
	enum dns_verdict verdict;

	query = malloc(len); /* of its own length, for the sanitizer */
	if (!query)
		abort();
	memcpy(query, made, len);
	action = dns_answer(d, query, len, transport, answer, sizeof answer, &answer_len);
	verdict = dns_msg_parse(query, len, &q);
	if (action == DNS_FORWARD && (verdict != DNS_WELL_FORMED || !d->forwards))
		abort();
	if (action == DNS_DROP && verdict == DNS_WELL_FORMED && !(q.header.flags & DNS_QR))
		abort();
	if (action == DNS_REPLY) {
		limit = transport == DNS_OVER_TCP ? DNS_MSG_MAX : q.has_opt ? dns_udp_limit(&q) : DNS_UDP_MIN;
		if (answer_len > limit || load_be16(answer) != q.header.id)
			abort();
		if (verdict != DNS_WELL_FORMED ? answer_len != DNS_HEADER_LEN :
						 dns_msg_parse(answer, answer_len, &a) != DNS_WELL_FORMED &&
							 !(q.header.flags & DNS_OPCODE_MASK))
			abort();
		if (verdict == DNS_WELL_FORMED && answer_len > DNS_HEADER_LEN &&
		    (a.question.name.len != q.question.name.len ||
		     memcmp(a.question.name.b, q.question.name.b, q.question.name.len) != 0 || a.has_opt != q.has_opt))
			abort();
	}
	free(query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct dns d;
	static size_t n_nodes;
	struct wire_reader r = wire_read_from(data, len < 512 ? len : 512);

	if (!d.zone) {
		d.zone = new_zone();
		n_nodes = zone_node_count(d.zone);
	}
	d.forwards = len & 1;
	while (r.left && !r.failed) {
		if (wire_get_u8(&r) % 4 == 0)
			change_lease((struct zone *)d.zone, &r);
		else
			ask(&d, &r);
	}
	for (unsigned i = 0; i < 2 * IPS; i++) {
		struct ip_addr ip = { .family = i & 1 ? IP_V4 : IP_V6, .b = { 10, 0, 0, (uint8_t)(i >> 1) } };

		zone_drop_lease((struct zone *)d.zone, &ip);
	}
	if (zone_lease_count(d.zone) != 0 || zone_node_count(d.zone) != n_nodes)
		abort();
	return 0;
}
