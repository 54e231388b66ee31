/* tests/dns/dns_show.c: queries from text, and messages as text. */
#include "tests/dns/dns_show.h"

#include "core/addr.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Any label goes, so that odd names can be asked for. */
static void name_of(const char *text, struct dns_name *ret)
{
	size_t n = 0;

	while (*text && strcmp(text, ".") != 0) {
		size_t len = strcspn(text, ".");

		ret->b[n++] = (uint8_t)len;
		memcpy(ret->b + n, text, len);
		n += len;
		text += len + (text[len] == '.');
	}
	ret->b[n++] = 0;
	ret->len = (uint8_t)n;
}

size_t dns_query_make(uint8_t buf[QUERY_SIZE], uint16_t id, const char *name, uint16_t type, int edns)
{
	struct dns_question q = { .type = type, .class = DNS_CLASS_IN };
	struct dns_writer w;

	name_of(name, &q.name);
	dns_write_begin(&w, buf, QUERY_SIZE, id, DNS_RD);
	if (!dns_write_question(&w, &q) || (edns != EDNS_NONE && !dns_write_opt(&w, (uint16_t)edns, 0, false)))
		abort();
	return dns_write_end(&w);
}

__attribute__((format(printf, 2, 3))) static void say(char *text, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text + len, SHOW_SIZE - len, fmt, ap);
	va_end(ap);
}

static void say_name(char *text, struct dns_reader *d)
{
	struct dns_name name;
	char buf[DNS_NAME_TEXT_SIZE];

	if (dns_get_name(d, &name))
		say(text, " %s", dns_name_text(&name, buf));
}

static void say_data(char *text, const struct dns_reader *whole, const struct dns_rr *rr)
{
	struct dns_reader d = *whole;
	struct ip_addr ip = { .family = rr->type == DNS_A ? IP_V4 : IP_V6, .prefix_len = 128 };
	const uint8_t *data = whole->msg + rr->rdata_at;
	char buf[IP_STR_SIZE];

	d.r = wire_read_from(data, d.len - rr->rdata_at);
	switch (rr->type) {
	case DNS_A:
	case DNS_AAAA:
		memcpy(ip.b, data, rr->rdata_len);
		say(text, " %s %s", rr->type == DNS_A ? "A" : "AAAA", ip_str_bare(&ip, buf));
		break;
	case DNS_PTR:
	case DNS_NS:
	case DNS_CNAME:
		say(text, " %s", rr->type == DNS_PTR ? "PTR" : rr->type == DNS_NS ? "NS" : "CNAME");
		say_name(text, &d);
		break;
	case DNS_SOA:
		say(text, " SOA");
		say_name(text, &d);
		break;
	case DNS_SRV:
		say(text, " SRV %u", wire_get_be16(&d.r));
		say(text, " %u", wire_get_be16(&d.r));
		say(text, " %u", wire_get_be16(&d.r));
		say_name(text, &d);
		break;
	case DNS_TXT:
		say(text, " TXT");
		for (size_t at = 0; at < rr->rdata_len; at += 1u + data[at])
			say(text, " \"%.*s\"", data[at], (const char *)data + at + 1);
		break;
	default:
		say(text, " TYPE%u", rr->type);
	}
}

const char *dns_show(const uint8_t *msg, size_t len, char text[SHOW_SIZE])
{
	static const char *const rcodes[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED" };
	struct dns_reader d = dns_read_from(msg, len);
	struct dns_header h;
	struct dns_msg m;
	struct dns_question q;
	enum dns_verdict verdict = dns_msg_parse(msg, len, &m);
	unsigned rcode;

	*text = '\0';
	/* An error may go without its question. */
	if (verdict != DNS_WELL_FORMED && !(len == DNS_HEADER_LEN && m.header.n_question == 0))
		return strcpy(text, "MALFORMED");
	(void)dns_get_header(&d, &h);
	rcode = (unsigned)m.opt_rcode << 4 | (h.flags & DNS_RCODE_MASK);
	say(text, "%s%s%s%s%s",
	    rcode < 6	? rcodes[rcode] :
	    rcode == 16 ? "BADVERS" :
			  "RCODE",
	    h.flags & DNS_QR ? "" : " query", h.flags & DNS_AA ? " aa" : "", h.flags & DNS_TC ? " tc" : "",
	    h.flags & DNS_RA ? " ra" : "");
	if (h.n_question)
		(void)dns_get_question(&d, &q);
	for (unsigned i = 0; i < (unsigned)h.n_answer + h.n_authority + h.n_additional; i++) {
		struct dns_rr rr;
		char buf[DNS_NAME_TEXT_SIZE];

		if (i == h.n_answer)
			say(text, " |");
		if (i == (unsigned)h.n_answer + h.n_authority)
			say(text, " /");
		if (!dns_get_rr(&d, &rr))
			abort();
		if (rr.type == DNS_OPT) {
			say(text, " OPT %u%s", m.udp_size, m.is_do ? " do" : "");
			continue;
		}
		say(text, " %s %u", dns_name_text(&rr.name, buf), rr.ttl);
		say_data(text, &d, &rr);
	}
	return text;
}
