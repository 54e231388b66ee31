/* dns/dns_msg.c: the form of DNS messages: names, questions, records and EDNS, read and written.
 *
 * A name is copied out of the message label by label. Reading one costs at most 255 bytes and 127 jumps,
 * whatever the message says. The writer notes where each tail of a name begins, with the length of that tail; only
 * tails of equal length are compared. It compresses names that are spelled alike, so that the case of a name
 * survives.
 *
 * Used by: dns/zone.c, dns/dns.c, dns/forward.c.   Depends on: core/{addr,wire}.h.
 * Sources: RFC 1035 §3.1, §3.5, §4.1; RFC 3596 §2.5; RFC 3597 §4; RFC 4343; RFC 6891 §6; RFC 9267. */
#include "dns/dns_msg.h"

#include <ctype.h>
#include <stdio.h>

enum { POINTER = 0xc0, JUMPS_MAX = 127, POINTER_PLACES = 0x4000, OPT_DO = 0x8000 };

/* ---- names ------------------------------------------------------------------------ */

static const char *label_why_not(const char *label, size_t len, enum dns_name_kind kind)
{
	if (len == 0)
		return "has an empty label";
	if (len > DNS_LABEL_MAX)
		return "has a label of more than 63 characters";
	for (size_t i = 0; i < len; i++) {
		bool is_word = isalnum((unsigned char)label[i]) && (unsigned char)label[i] < 0x80;

		if (!is_word && label[i] != '-' && label[i] != '_')
			return "has a character other than letters, digits, '-' and '_'";
	}
	if (label[0] == '-' || label[len - 1] == '-')
		return "has a label that begins or ends with '-'";
	if (kind == DNS_NAME_HOST && (label[0] == '_' || label[len - 1] == '_'))
		return "has a label that begins or ends with '_'";
	return NULL;
}

const char *dns_name_parse(const char *text, enum dns_name_kind kind, struct dns_name *ret_name)
{
	struct dns_name name = { 0 };
	const char *p = text;
	size_t n = 0;

	if (!*p)
		return "is empty";
	if (strcmp(p, ".") == 0)
		p++;
	while (*p) {
		size_t len = strcspn(p, ".");
		const char *why = label_why_not(p, len, kind);

		if (why)
			return why;
		if (n + 1 + len + 1 > DNS_NAME_MAX)
			return "is longer than 253 characters";
		name.b[n++] = (uint8_t)len;
		memcpy(name.b + n, p, len);
		n += len;
		p += len;
		if (*p == '.')
			p++;
	}
	name.b[n++] = 0;
	name.len = (uint8_t)n;
	*ret_name = name;
	return NULL;
}

const char *dns_name_text(const struct dns_name *name, char *buf)
{
	char *p = buf;

	for (size_t at = 0; name->b[at]; at += 1u + name->b[at]) {
		if (at)
			*p++ = '.';
		for (size_t i = 1; i <= name->b[at]; i++) {
			uint8_t c = name->b[at + i];

			if (c < 0x80 && (isalnum(c) || c == '-' || c == '_'))
				*p++ = (char)c;
			else
				p += sprintf(p, "\\%03u", c);
		}
	}
	if (p == buf)
		*p++ = '.';
	*p = '\0';
	return buf;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	if (a->len != b->len)
		return false;
	/* Lengths of labels are below 'A': lower case leaves them as they are. */
	for (size_t i = 0; i < a->len; i++)
		if (dns_lower(a->b[i]) != dns_lower(b->b[i]))
			return false;
	return true;
}

bool dns_name_append(struct dns_name *name, const struct dns_name *tail)
{
	size_t len = name->len - 1u + tail->len;

	if (len > DNS_NAME_MAX)
		return false;
	memmove(name->b + name->len - 1, tail->b, tail->len);
	name->len = (uint8_t)len;
	return true;
}

unsigned dns_name_labels(const struct dns_name *name)
{
	unsigned n = 0;

	for (size_t at = 0; name->b[at]; at += 1u + name->b[at])
		n++;
	return n;
}

void dns_name_reverse(const struct ip_addr *ip, struct dns_name *ret_name)
{
	static const char hex[] = "0123456789abcdef";
	struct wire_writer w = wire_write_to(ret_name->b, sizeof ret_name->b);

	for (unsigned i = 16; ip->family == IP_V6 && i > 0; i--) {
		const uint8_t nibbles[] = { 1, (uint8_t)hex[ip->b[i - 1] & 15], 1, (uint8_t)hex[ip->b[i - 1] >> 4] };

		wire_put_bytes(&w, nibbles, sizeof nibbles);
	}
	for (unsigned i = 4; ip->family == IP_V4 && i > 0; i--) {
		char number[4];
		int len = snprintf(number, sizeof number, "%u", ip->b[i - 1]);

		wire_put_u8(&w, (uint8_t)len);
		wire_put_bytes(&w, number, (size_t)len);
	}
	if (ip->family == IP_V6)
		wire_put_bytes(&w, "\3ip6\4arpa", sizeof "\3ip6\4arpa");
	else
		wire_put_bytes(&w, "\7in-addr\4arpa", sizeof "\7in-addr\4arpa");
	ret_name->len = (uint8_t)wire_put_len(&w);
}

/* ---- reading ---------------------------------------------------------------------- */

static bool fail(struct dns_reader *d)
{
	d->r.failed = true;
	return false;
}

bool dns_get_header(struct dns_reader *d, struct dns_header *ret_header)
{
	uint16_t id = wire_get_be16(&d->r), flags = wire_get_be16(&d->r);
	uint16_t n_question = wire_get_be16(&d->r), n_answer = wire_get_be16(&d->r);
	uint16_t n_authority = wire_get_be16(&d->r), n_additional = wire_get_be16(&d->r);

	*ret_header = (struct dns_header){ id, flags, n_question, n_answer, n_authority, n_additional };
	return !d->r.failed;
}

bool dns_get_name(struct dns_reader *d, struct dns_name *ret_name)
{
	struct wire_reader r = d->r, behind = { 0 };
	size_t segment = dns_read_at(d), n = 0;
	unsigned n_jumps = 0;

	for (;;) {
		uint8_t len = wire_get_u8(&r);
		const uint8_t *label;

		if (r.failed)
			return fail(d);
		if ((len & POINTER) == POINTER) {
			size_t at = (size_t)(len & ~POINTER) << 8 | wire_get_u8(&r);

			if (r.failed || at < DNS_HEADER_LEN || at >= segment || n_jumps == JUMPS_MAX)
				return fail(d);
			if (n_jumps++ == 0)
				behind = r;
			segment = at;
			r = wire_read_from(d->msg + at, d->len - at);
			continue;
		}
		if (len & POINTER || n + 1 + len > DNS_NAME_MAX)
			return fail(d);
		ret_name->b[n++] = len;
		if (len == 0)
			break;
		label = wire_get(&r, len);
		if (!label)
			return fail(d);
		memcpy(ret_name->b + n, label, len);
		n += len;
	}
	ret_name->len = (uint8_t)n;
	d->r = n_jumps ? behind : r;
	return true;
}

bool dns_get_question(struct dns_reader *d, struct dns_question *ret_question)
{
	if (!dns_get_name(d, &ret_question->name))
		return false;
	ret_question->type = wire_get_be16(&d->r);
	ret_question->class = wire_get_be16(&d->r);
	return !d->r.failed;
}

/* Whether the data of a record of @type, as long as @rdata, can be read. @d: at its first byte. */
static bool rdata_is_good(struct dns_reader *d, uint16_t type, size_t rdata_len)
{
	size_t end = dns_read_at(d) + rdata_len;
	struct dns_name name;

	switch (type) {
	case DNS_A:
		return rdata_len == 4;
	case DNS_AAAA:
		return rdata_len == 16;
	case DNS_MX:
		(void)wire_get_be16(&d->r);
		return dns_get_name(d, &name) && dns_read_at(d) == end;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
	case DNS_DNAME:
		return dns_get_name(d, &name) && dns_read_at(d) == end;
	case DNS_SRV:
		(void)wire_get(&d->r, 6);
		return dns_get_name(d, &name) && dns_read_at(d) == end;
	case DNS_SOA:
		if (!dns_get_name(d, &name) || !dns_get_name(d, &name))
			return false;
		return wire_get(&d->r, 20) && dns_read_at(d) == end;
	default:
		return true;
	}
}

bool dns_get_rr(struct dns_reader *d, struct dns_rr *ret_rr)
{
	struct dns_reader data;

	if (!dns_get_name(d, &ret_rr->name))
		return false;
	ret_rr->type = wire_get_be16(&d->r);
	ret_rr->class = wire_get_be16(&d->r);
	ret_rr->ttl = wire_get_be32(&d->r);
	ret_rr->rdata_len = wire_get_be16(&d->r);
	ret_rr->rdata_at = dns_read_at(d);
	data = *d;
	if (!wire_get(&d->r, ret_rr->rdata_len))
		return fail(d);
	/* The data end where they say; a name among them that goes on beyond is cut off there. */
	data.len = dns_read_at(d);
	data.r.left = ret_rr->rdata_len;
	if (ret_rr->class == DNS_CLASS_IN && ret_rr->rdata_len && !rdata_is_good(&data, ret_rr->type, ret_rr->rdata_len))
		return fail(d);
	return true;
}

/* What the OPT record @rr says. The options are walked, and none is known.   Source: RFC 6891 §6.1.2, §6.1.3 */
static bool take_opt(const struct dns_reader *d, const struct dns_rr *rr, size_t at, struct dns_msg *msg)
{
	struct wire_reader r = wire_read_from(d->msg + rr->rdata_at, rr->rdata_len);

	if (msg->has_opt || rr->name.len != 1)
		return false;
	while (r.left && !r.failed) {
		(void)wire_get_be16(&r);
		(void)wire_get(&r, wire_get_be16(&r));
	}
	msg->has_opt = true;
	msg->opt_at = at;
	msg->udp_size = rr->class;
	msg->opt_rcode = (uint8_t)(rr->ttl >> 24);
	msg->version = (uint8_t)(rr->ttl >> 16);
	msg->is_do = rr->ttl & OPT_DO;
	return !r.failed;
}

enum dns_verdict dns_msg_parse(const uint8_t *msg, size_t len, struct dns_msg *ret_msg)
{
	struct dns_reader d = dns_read_from(msg, len);
	struct dns_header *h = &ret_msg->header;
	size_t n_rr, n_first;

	/* The question's name is not cleared: it is 255 bytes, and written before it is read. */
	ret_msg->question.name.len = 1;
	ret_msg->question.name.b[0] = 0;
	ret_msg->question.type = ret_msg->question.class = 0;
	ret_msg->question_end = ret_msg->opt_at = 0;
	ret_msg->has_opt = ret_msg->is_do = false;
	ret_msg->udp_size = ret_msg->opt_rcode = ret_msg->version = 0;
	if (!dns_get_header(&d, h))
		return DNS_NO_HEADER;
	if (h->n_question != 1)
		return DNS_MALFORMED;
	if (!dns_get_question(&d, &ret_msg->question)) {
		ret_msg->question.name.len = 1;
		ret_msg->question.name.b[0] = 0;
		return DNS_MALFORMED;
	}
	ret_msg->question_end = dns_read_at(&d);
	n_first = (size_t)h->n_answer + h->n_authority;
	n_rr = n_first + h->n_additional;
	for (size_t i = 0; i < n_rr; i++) {
		size_t at = dns_read_at(&d);
		struct dns_rr rr;

		if (!dns_get_rr(&d, &rr))
			return DNS_MALFORMED;
		if (rr.type == DNS_OPT && (i < n_first || !take_opt(&d, &rr, at, ret_msg)))
			return DNS_MALFORMED;
	}
	return d.r.left ? DNS_MALFORMED : DNS_WELL_FORMED;
}

/* ---- writing ---------------------------------------------------------------------- */

void dns_write_begin(struct dns_writer *d, uint8_t *buf, size_t size, uint16_t id, uint16_t flags)
{
	d->w = wire_write_to(buf, size < DNS_MSG_MAX ? size : DNS_MSG_MAX);
	d->header = (struct dns_header){ .id = id, .flags = flags };
	d->question = NULL;
	d->n_places = 0;
	(void)wire_put(&d->w, DNS_HEADER_LEN);
}

/* Notes that a name of @len bytes begins at @at. */
static void note_place(struct dns_writer *d, size_t at, size_t len)
{
	if (at >= POINTER_PLACES || d->n_places == DNS_PLACE_COUNT)
		return;
	d->places[d->n_places].at = (uint16_t)at;
	d->places[d->n_places++].len = (uint8_t)len;
}

/* Whether the name at @at of what was written is spelled as @tail. Pointers there are the writer's own. */
static bool is_spelled_at(const struct dns_writer *d, size_t at, const uint8_t *tail)
{
	const uint8_t *msg = d->w.base;

	for (;;) {
		while ((msg[at] & POINTER) == POINTER)
			at = load_be16(msg + at) & (POINTER_PLACES - 1u);
		if (msg[at] != *tail)
			return false;
		if (*tail == 0)
			return true;
		if (memcmp(msg + at + 1, tail + 1, *tail) != 0)
			return false;
		at += 1u + *tail;
		tail += 1u + *tail;
	}
}

void dns_put_name(struct dns_writer *d, const struct dns_name *name, bool compress)
{
	for (size_t at = 0; name->b[at]; at += 1u + name->b[at]) {
		size_t len = name->len - at;

		for (unsigned i = 0; compress && i < d->n_places; i++) {
			if (d->places[i].len == len && is_spelled_at(d, d->places[i].at, name->b + at)) {
				wire_put_be16(&d->w, (uint16_t)(POINTER << 8 | d->places[i].at));
				return;
			}
		}
		/* Places that were not written are forgotten with the record that did not fit. */
		if (!d->w.failed)
			note_place(d, wire_put_len(&d->w), len);
		wire_put_bytes(&d->w, name->b + at, 1u + name->b[at]);
	}
	wire_put_u8(&d->w, 0);
}

bool dns_write_question(struct dns_writer *d, const struct dns_question *question)
{
	struct wire_writer before = d->w;

	dns_put_name(d, &question->name, false);
	wire_put_be16(&d->w, question->type);
	wire_put_be16(&d->w, question->class);
	if (d->w.failed) {
		d->w = before;
		d->n_places = 0;
		return false;
	}
	d->question = &question->name;
	d->header.n_question = 1;
	return true;
}

struct dns_mark dns_write_rr(struct dns_writer *d, const struct dns_name *name, uint16_t type, uint32_t ttl)
{
	struct dns_mark mark = { .w = d->w, .n_places = d->n_places };

	if (!name && d->question && d->question->len > 1)
		wire_put_be16(&d->w, POINTER << 8 | DNS_HEADER_LEN);
	else if (name)
		dns_put_name(d, name, true);
	else
		wire_put_u8(&d->w, 0);
	wire_put_be16(&d->w, type);
	wire_put_be16(&d->w, DNS_CLASS_IN);
	wire_put_be32(&d->w, ttl);
	wire_put_be16(&d->w, 0);
	mark.rdata_at = wire_put_len(&d->w);
	return mark;
}

bool dns_write_rr_end(struct dns_writer *d, const struct dns_mark *mark, enum dns_section section)
{
	size_t rdata_len = wire_put_len(&d->w) - mark->rdata_at;
	uint16_t *counts[DNS_SECTION_COUNT] = { &d->header.n_answer, &d->header.n_authority, &d->header.n_additional };

	if (d->w.failed || rdata_len > UINT16_MAX) {
		d->w = mark->w;
		d->n_places = mark->n_places;
		return false;
	}
	store_be16(d->w.base + mark->rdata_at - 2, (uint16_t)rdata_len);
	(*counts[section])++;
	return true;
}

bool dns_write_opt(struct dns_writer *d, uint16_t udp_size, uint8_t rcode_high, bool is_do)
{
	struct wire_writer before = d->w;

	wire_put_u8(&d->w, 0);
	wire_put_be16(&d->w, DNS_OPT);
	wire_put_be16(&d->w, udp_size);
	wire_put_be32(&d->w, (uint32_t)rcode_high << 24 | (is_do ? OPT_DO : 0u));
	wire_put_be16(&d->w, 0);
	if (d->w.failed) {
		d->w = before;
		return false;
	}
	d->header.n_additional++;
	return true;
}

size_t dns_write_end(struct dns_writer *d)
{
	struct wire_writer w = wire_write_to(d->w.base, DNS_HEADER_LEN);

	wire_put_be16(&w, d->header.id);
	wire_put_be16(&w, d->header.flags);
	wire_put_be16(&w, d->header.n_question);
	wire_put_be16(&w, d->header.n_answer);
	wire_put_be16(&w, d->header.n_authority);
	wire_put_be16(&w, d->header.n_additional);
	return wire_put_len(&d->w);
}
