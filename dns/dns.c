/* dns/dns.c: answers the queries of one network's guests.
 *
 * A name that exists but has no record of the type gets NOERROR without records (musl gives a name up that it
 * is told does not exist). Both that and NXDOMAIN carry the zone's SOA, so that guests do not ask on.
 * An answer that does not fit is sent without any record and with TC, and the guest asks again over TCP.
 *
 * A label alone that is nobody's name is not asked outside: it would tell the world what the guests look for. The
 * answer has no SOA, so it is not cached, and nobody takes the top-level domain of that name for missing.
 *
 * Used by: the fabric's service station.   Depends on: dns/{zone,dns_msg}.h.
 * Sources: RFC 1035 §4, RFC 2308 §2, RFC 3225 (DO), RFC 4343 (case), RFC 6891 §6, RFC 8482, RFC 8906. */
#include "dns/dns.h"

#include <assert.h>

/* The flags of a query that its answer has, too. */
enum { ECHOED = DNS_OPCODE_MASK | DNS_RD | DNS_CD };

/* ---- answers without records --------------------------------------------------------- */

/* Begins the answer to @msg: its question, and room kept for the OPT record. */
static void begin(struct dns_writer *w, const struct dns_msg *msg, uint16_t flags, uint8_t *buf, size_t size)
{
	dns_write_begin(w, buf, size, msg->header.id, (uint16_t)(DNS_QR | (msg->header.flags & ECHOED) | flags));
	if (msg->question_end)
		(void)dns_write_question(w, &msg->question);
	if (msg->has_opt) {
		assert(w->w.left >= DNS_OPT_LEN);
		w->w.left -= DNS_OPT_LEN;
	}
}

static size_t end(struct dns_writer *w, const struct dns_msg *msg, enum dns_rcode rcode)
{
	w->header.flags |= rcode & DNS_RCODE_MASK;
	if (msg->has_opt) {
		w->w.left += DNS_OPT_LEN;
		(void)dns_write_opt(w, DNS_UDP_MAX, (uint8_t)(rcode >> 4), msg->is_do);
	}
	return dns_write_end(w);
}

size_t dns_write_plain(const struct dns_msg *msg, uint16_t flags, enum dns_rcode rcode, uint8_t *buf, size_t size)
{
	struct dns_writer w;

	begin(&w, msg, flags, buf, size);
	return end(&w, msg, rcode);
}

/* ---- answers from the table ----------------------------------------------------------- */

/* A name of @rdata, in wire form; moves *@at behind it. */
static void put_rdata_name(struct dns_writer *w, const struct zone_rr *rr, size_t *at)
{
	struct dns_name name;
	size_t len = *at;

	while (rr->rdata[len])
		len += 1u + rr->rdata[len];
	len = len + 1 - *at;
	memcpy(name.b, rr->rdata + *at, len);
	name.len = (uint8_t)len;
	dns_put_name(w, &name, true);
	*at += len;
}

/* @owner: NULL: the question's name. */
static bool put_rr(struct dns_writer *w, const struct dns_name *owner, const struct zone_rr *rr,
		   enum dns_section section)
{
	struct dns_mark mark = dns_write_rr(w, owner, rr->type, rr->ttl);
	unsigned n_names = rr->type == DNS_SOA ? 2 : rr->type == DNS_NS || rr->type == DNS_PTR ? 1 : 0;
	size_t at = 0;

	for (unsigned i = 0; i < n_names; i++)
		put_rdata_name(w, rr, &at);
	wire_put_bytes(&w->w, rr->rdata + at, rr->rdata_len - at);
	return dns_write_rr_end(w, &mark, section);
}

/* The records that were asked for. Returns false when they do not fit. */
static bool put_records(struct dns_writer *w, const struct zone_answer *a)
{
	for (const struct zone_rr *rr = a->records; rr; rr = rr->next)
		if (rr->type == a->type && !put_rr(w, NULL, rr, DNS_ANSWER_SECTION))
			return false;
	return true;
}

/* The SOA of the zone, with the end of the question's name, as it was spelled, for its owner. */
static bool put_soa(struct dns_writer *w, const struct dns_name *asked, const struct zone_answer *a)
{
	unsigned n_skip = dns_name_labels(asked) - a->soa_labels;
	struct dns_name owner;
	size_t at = 0;

	while (n_skip--)
		at += 1u + asked->b[at];
	owner.len = (uint8_t)(asked->len - at);
	memcpy(owner.b, asked->b + at, owner.len);
	return put_rr(w, &owner, a->soa, DNS_AUTHORITY_SECTION);
}

static size_t write_found(struct dns *d, const struct dns_msg *msg, const struct zone_answer *a,
			  enum zone_outcome outcome, uint8_t *buf, size_t size)
{
	uint16_t flags = (uint16_t)(DNS_AA | (d->forwards ? DNS_RA : 0));
	struct dns_writer w;
	bool fits = true;

	begin(&w, msg, flags, buf, size);
	if (outcome == ZONE_FOUND)
		fits = put_records(&w, a);
	else if (a->soa)
		fits = put_soa(&w, &msg->question.name, a);
	if (!fits) {
		d->counters.truncated++;
		begin(&w, msg, (uint16_t)(flags | DNS_TC), buf, size);
	}
	return end(&w, msg, outcome == ZONE_NO_NAME ? DNS_NXDOMAIN : DNS_NOERROR);
}

/* ---- what to do with a query ----------------------------------------------------------- */

static enum dns_action reply_plain(struct dns *d, const struct dns_msg *msg, enum dns_rcode rcode, uint64_t *counter,
				   uint8_t *buf, size_t size, size_t *ret_len)
{
	(*counter)++;
	*ret_len = dns_write_plain(msg, d->forwards ? DNS_RA : 0, rcode, buf, size);
	return DNS_REPLY;
}

/* Whether the type is one that no name has: a transfer, or an operation of servers.   Source: RFC 6895 §3.1 */
static bool is_meta(uint16_t type)
{
	return (type >= DNS_META_FIRST && type <= DNS_META_LAST) || type == DNS_OPT;
}

/* A well-formed query. */
static enum dns_action answer_query(struct dns *d, const struct dns_msg *msg, uint8_t *buf, size_t size,
				    size_t *ret_len)
{
	const struct dns_question *q = &msg->question;
	struct dns_counters *c = &d->counters;
	struct zone_answer a;
	enum zone_outcome outcome;

	if (msg->version != 0)
		return reply_plain(d, msg, DNS_BADVERS, &c->bad_version, buf, size, ret_len);
	if (q->class != DNS_CLASS_IN && q->class != DNS_CLASS_ANY)
		return reply_plain(d, msg, DNS_REFUSED, &c->refused, buf, size, ret_len);
	if (is_meta(q->type))
		return reply_plain(d, msg, DNS_REFUSED, &c->refused, buf, size, ret_len);
	outcome = zone_find(d->zone, &q->name, q->type, &a);
	if (outcome == ZONE_ELSEWHERE && (q->type == DNS_A || q->type == DNS_AAAA) && dns_name_labels(&q->name) == 1)
		outcome = ZONE_NO_NAME;
	if (outcome == ZONE_ELSEWHERE && d->forwards) {
		c->forwarded++;
		return DNS_FORWARD;
	}
	if (outcome == ZONE_ELSEWHERE)
		return reply_plain(d, msg, DNS_REFUSED, &c->refused, buf, size, ret_len);
	(*(outcome == ZONE_FOUND ? &c->found : outcome == ZONE_NO_DATA ? &c->no_data : &c->no_name))++;
	*ret_len = write_found(d, msg, &a, outcome, buf, size);
	return DNS_REPLY;
}

enum dns_action dns_answer(struct dns *d, const uint8_t *query, size_t len, enum dns_transport transport, uint8_t *buf,
			   size_t size, size_t *ret_len)
{
	struct dns_msg msg;
	enum dns_verdict verdict = dns_msg_parse(query, len, &msg);

	assert(size >= DNS_UDP_MIN);
	if (verdict == DNS_NO_HEADER || msg.header.flags & DNS_QR) {
		d->counters.dropped++;
		return DNS_DROP;
	}
	if (verdict == DNS_MALFORMED || msg.header.flags & DNS_OPCODE_MASK) {
		bool is_query = !(msg.header.flags & DNS_OPCODE_MASK);

		/* What cannot be trusted is not repeated. */
		msg.question_end = 0;
		msg.has_opt = false;
		return reply_plain(d, &msg, is_query ? DNS_FORMERR : DNS_NOTIMP,
				   is_query ? &d->counters.malformed : &d->counters.not_implemented, buf, size,
				   ret_len);
	}
	if (transport == DNS_OVER_UDP && size > dns_udp_limit(&msg))
		size = dns_udp_limit(&msg);
	return answer_query(d, &msg, buf, size, ret_len);
}
