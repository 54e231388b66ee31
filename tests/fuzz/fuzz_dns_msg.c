/* tests/fuzz/fuzz_dns_msg.c: a DNS message that lies. Input: the number of changes, then triples of a place and a
 * value that are laid over a good answer, then bytes that follow it or, where the number is odd, take its place.
 * What parses is written again: every name that is read has a good form, and is read back as it was written. */
#include "dns/dns_msg.h"

#include <stdlib.h>

static const uint8_t good[] = {
	0x12, 0x34, 0x81, 0x80, 0, 1, 0, 3, 0, 1, 0, 1,
	3, 'w', 'w', 'w', 3, 'l', 'a', 'b', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1,
	0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 'a', 0xc0, 16,
	0xc0, 42, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1,
	0xc0, 42, 0, 15, 0, 1, 0, 0, 0, 60, 0, 6, 0, 10, 1, 'm', 0xc0, 16,
	0xc0, 16, 0, 6, 0, 1, 0, 0, 0, 60, 0, 24, 0xc0, 12, 0xc0, 42, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1,
	0, 0, 0, 1,
	0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 8, 0, 10, 0, 4, 1, 2, 3, 4,
};

static void check_name(const struct dns_name *name)
{
	size_t at = 0;
	char text[DNS_NAME_TEXT_SIZE];

	while (at < name->len && name->b[at]) {
		if (name->b[at] > DNS_LABEL_MAX)
			abort();
		at += 1u + name->b[at];
	}
	if (name->len == 0 || at + 1 != name->len || !dns_name_equal(name, name))
		abort();
	(void)dns_name_text(name, text);
}

/* Writes the names of the message anew, compressed, and reads them back. */
static void write_again(const uint8_t *msg, size_t len, const struct dns_msg *m)
{
	static uint8_t buf[DNS_MSG_MAX], plain[512];
	struct dns_reader in = dns_read_from(msg, len), out;
	struct dns_writer w;
	struct dns_header h;
	struct dns_question q, back;
	struct dns_rr rr, rr_back;
	size_t n = (size_t)m->header.n_answer + m->header.n_authority + m->header.n_additional, written = 0, size;

	dns_write_begin(&w, buf, len % 3 ? sizeof buf : sizeof plain, m->header.id, m->header.flags);
	if (!dns_get_header(&in, &h) || !dns_get_question(&in, &q) || !dns_write_question(&w, &q))
		abort();
	for (size_t i = 0; i < n; i++) {
		struct dns_mark mark;

		if (!dns_get_rr(&in, &rr))
			abort();
		check_name(&rr.name);
		mark = dns_write_rr(&w, &rr.name, DNS_CNAME, rr.ttl);
		dns_put_name(&w, &rr.name, true);
		if (!dns_write_rr_end(&w, &mark, DNS_ANSWER_SECTION))
			break;
		written++;
	}
	size = dns_write_end(&w);
	in = dns_read_from(msg, len);
	out = dns_read_from(buf, size);
	if (!dns_get_header(&in, &h) || !dns_get_header(&out, &h) || h.n_answer != written ||
	    !dns_get_question(&in, &q) || !dns_get_question(&out, &back) || !dns_name_equal(&q.name, &back.name))
		abort();
	for (size_t i = 0; i < written; i++)
		if (!dns_get_rr(&in, &rr) || !dns_get_rr(&out, &rr_back) || !dns_name_equal(&rr.name, &rr_back.name))
			abort();
	if (out.r.left)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *msg = malloc(sizeof good + len); /* of its own length, for the sanitizer */
	size_t n_changes, at = 0;
	struct dns_msg m;

	if (!msg || len < 1) {
		free(msg);
		return 0;
	}
	n_changes = data[0] % 8;
	if (!(n_changes & 1)) {
		memcpy(msg, good, sizeof good);
		at = sizeof good;
	}
	data++, len--;
	for (; n_changes && len >= 2; n_changes--, data += 2, len -= 2)
		if (data[0] % sizeof good < at)
			msg[data[0] % sizeof good] = data[1];
	if (len && data[0] & 1) { /* sometimes nothing follows */
		memcpy(msg + at, data, len);
		at += len;
	}
	msg = realloc(msg, at ? at : 1);
	if (!msg)
		abort();
	if (dns_msg_parse(msg, at, &m) == DNS_WELL_FORMED)
		write_again(msg, at, &m);
	check_name(&m.question.name);
	free(msg);
	return 0;
}
