/* tests/fuzz/fuzz_dns_forward.c: clients, resolvers and strangers at the machine that forwards. Input: bytes of which each
 * begins a step: a query of a few names and sources, an answer to an open socket (true, changed in some bytes, or any
 * bytes), a socket that fails, time that passes, other resolvers.
 *
 * Every socket is closed once; each client gets at most one answer for a query, with the id it had, that parses; what
 * waits and what is counted agree. When the time of all is over, nothing is left. */
#include "core/wire.h"
#include "dns/forward.h"

#include <stdlib.h>

enum { SENT_COUNT = 64, TOKENS = 256 };

static struct {
	uint32_t slot;
	unsigned resolver;
	uint8_t msg[FORWARD_QUERY_MAX];
	size_t len;
} sent[SENT_COUNT]; /* the last ones that are open */
static size_t n_open, n_kept;
static unsigned waits[TOKENS];
static struct forward_resolver resolvers[3];

static void on_send(void *arg, const struct forward_send *s)
{
	size_t i = n_kept < SENT_COUNT ? n_kept++ : (size_t)s->slot % SENT_COUNT;

	(void)arg;
	if (++n_open > FORWARD_SLOT_COUNT || s->resolver >= 3 || s->len > FORWARD_QUERY_MAX)
		abort();
	sent[i].slot = s->slot;
	sent[i].resolver = s->resolver;
	sent[i].len = s->len;
	memcpy(sent[i].msg, s->msg, s->len);
}

static void forget(uint32_t slot)
{
	if (n_open-- == 0)
		abort();
	for (size_t i = 0; i < n_kept; i++)
		if (sent[i].slot == slot)
			sent[i--] = sent[--n_kept];
}

static void on_close(void *arg, uint32_t slot)
{
	(void)arg;
	forget(slot);
}

static void on_answer(void *arg, const struct forward_client *client, const uint8_t *msg, size_t len)
{
	struct dns_msg m;

	(void)arg;
	if (waits[client->token]-- == 0 || dns_msg_parse(msg, len, &m) != DNS_WELL_FORMED ||
	    m.header.id != (uint16_t)client->token || !(m.header.flags & DNS_QR) ||
	    m.question.name.b[1] != (client->token & 1 ? 'N' : 'n'))
		abort();
	if (client->transport == DNS_OVER_UDP && len > DNS_UDP_MAX)
		abort();
}

static const struct forward_ops ops = { on_send, on_close, on_answer };

static void ask(struct forward *f, struct wire_reader *r, nsec_t now)
{
	uint8_t query[64], name = wire_get_u8(r), token = wire_get_u8(r), how = wire_get_u8(r);
	struct forward_client c = { token % 7, token, how & 1 ? DNS_OVER_TCP : DNS_OVER_UDP };
	struct dns_question q = { .name = { 5, { 3, 'n', 'a', name } }, .type = DNS_A, .class = DNS_CLASS_IN };
	struct forward_counters before = *forward_counters(f);
	struct dns_writer w;

	if (token & 1)
		q.name.b[1] = 'N';
	dns_write_begin(&w, query, sizeof query, token, DNS_RD);
	(void)dns_write_question(&w, &q);
	if (how & 2)
		(void)dns_write_opt(&w, (uint16_t)(how << 6), 0, how & 4);
	waits[token]++; /* it may be answered within the call */
	if (forward_query(f, &c, query, dns_write_end(&w), now) != FORWARD_TAKEN ||
	    forward_counters(f)->repeated != before.repeated)
		waits[token] -= waits[token] > 0;
}

static void answer(struct forward *f, struct wire_reader *r, nsec_t now)
{
	uint8_t buf[FORWARD_QUERY_MAX + 64 * 16], how = wire_get_u8(r);
	struct forward_resolver from;
	size_t i, len;
	struct dns_msg m;
	struct dns_writer w;

	if (n_kept == 0)
		return;
	i = wire_get_u8(r) % n_kept;
	from = resolvers[how & 1 ? wire_get_u8(r) % 3 : sent[i].resolver];
	(void)dns_msg_parse(sent[i].msg, sent[i].len, &m);
	dns_write_begin(&w, buf, sizeof buf, m.header.id,
			(uint16_t)(DNS_QR | (how & 2 ? wire_get_be16(r) & 0x87ff : 0)));
	(void)dns_write_question(&w, &m.question);
	for (unsigned n = wire_get_u8(r) % 64; n; n--) {
		struct dns_mark mark = dns_write_rr(&w, NULL, DNS_A, 1);

		wire_put_be32(&w.w, n);
		(void)dns_write_rr_end(&w, &mark, DNS_ANSWER_SECTION);
	}
	len = dns_write_end(&w);
	for (unsigned n = how & 4 ? wire_get_u8(r) % 4 : 0; n; n--)
		buf[wire_get_u8(r) % len] = wire_get_u8(r);
	if (how & 8)
		len -= wire_get_u8(r) % len;
	forward_answer(f, sent[i].slot ^ (how & 16 ? wire_get_u8(r) : 0u), &from, buf, len, now);
}

static void step(struct forward *f, struct wire_reader *r, nsec_t *now)
{
	uint8_t what = wire_get_u8(r);
	const uint8_t *p;

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		ask(f, r, *now);
		break;
	case 3:
	case 4:
		answer(f, r, *now);
		break;
	case 5:
		p = wire_get(r, what);
		if (p && n_kept)
			forward_answer(f, sent[what % n_kept].slot, &resolvers[0], p, what, *now);
		break;
	case 6:
		if (n_kept) {
			uint32_t slot = sent[what % n_kept].slot;

			forget(slot);
			forward_failed(f, slot, *now);
		}
		break;
	default:
		*now += (nsec_t)wire_get_u8(r) * 10 * NSEC_PER_MSEC;
		forward_step(f, *now);
		if (what == 255)
			forward_set_resolvers(f, resolvers, wire_get_u8(r) % 4, *now);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader r = wire_read_from(data, len);
	const struct forward_counters *c;
	struct forward *f;
	nsec_t now = NSEC_PER_SEC;

	n_open = n_kept = 0;
	memset(waits, 0, sizeof waits);
	for (unsigned i = 0; i < 3; i++)
		resolvers[i] = (struct forward_resolver){ { IP_V4, 32, { 192, 0, 2, (uint8_t)i } }, 53 };
	if (forward_new(len, &ops, NULL, &f) < 0)
		abort();
	forward_set_resolvers(f, resolvers, 3, now);
	while (r.left && !r.failed)
		step(f, &r, &now);
	while (forward_next(f) != NSEC_NEVER) {
		now = forward_next(f);
		forward_step(f, now);
	}
	c = forward_counters(f);
	if (n_open || forward_pending(f) || forward_waiting(f) ||
	    c->queries != c->answered + c->failed + c->repeated + c->limited + c->evicted + c->malformed + c->no_memory)
		abort();
	f = forward_free(f);
	return 0;
}
