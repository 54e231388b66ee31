/* dns/dns_msg.h: the form of DNS messages: names, questions, records and EDNS, read and written.
 *
 * Bytes from the wire are never errors: what reads them tells whether they could be read. A name is held in
 * wire form without compression, so that comparing and hashing need no text. */
#ifndef MUSTER_DNS_DNS_MSG_H
#define MUSTER_DNS_DNS_MSG_H

#include "core/addr.h"
#include "core/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_HEADER_LEN = 12, /* RFC 1035 §4.1.1 */
	DNS_LABEL_MAX = 63, DNS_NAME_MAX = 255, /* RFC 1035 §2.3.4 */
	DNS_NAME_TEXT_SIZE = 4 * DNS_NAME_MAX + 1, /* each byte as \DDD */
	DNS_UDP_MIN = 512, /* RFC 1035 §4.2.1: without EDNS */
	DNS_UDP_MAX = 1232, /* fits an IPv6 path of 1,280 bytes (DNS flag day 2020) */
	DNS_MSG_MAX = 65535, /* RFC 1035 §4.2.2: over TCP */
	DNS_OPT_LEN = 11, /* an OPT record without options, RFC 6891 §6.1.2 */
};

/* Flags of the header's second word. */
enum {
	DNS_QR = 0x8000, DNS_AA = 0x0400, DNS_TC = 0x0200, DNS_RD = 0x0100, DNS_RA = 0x0080, DNS_AD = 0x0020,
	DNS_CD = 0x0010, DNS_OPCODE_MASK = 0x7800, DNS_RCODE_MASK = 0x000f,
};

enum dns_rcode { DNS_NOERROR, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED, DNS_BADVERS = 16 };

enum {
	DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28,
	DNS_SRV = 33, DNS_DNAME = 39, DNS_OPT = 41, DNS_META_FIRST = 128, DNS_IXFR = 251, DNS_AXFR = 252,
	DNS_META_LAST = 254, DNS_ANY = 255,
};

enum { DNS_CLASS_IN = 1, DNS_CLASS_CH = 3, DNS_CLASS_ANY = 255 };

/* ---- names ------------------------------------------------------------------------ */

/* A name: labels, each after its length, and the root's empty one. @len: 1 to DNS_NAME_MAX. */
struct dns_name {
	uint8_t len;
	uint8_t b[DNS_NAME_MAX];
};

enum dns_name_kind {
	DNS_NAME_HOST, /* letters, digits, inner hyphens and underscores: RFC 1123 §2.1, and what is common */
	DNS_NAME_RECORD, /* underscores at the start, too: RFC 8552 */
};

/* Reads "www.lab.test", with or without the last dot; "." is the root.
 * @ret_name: untouched unless NULL is returned.
 * Returns NULL, or why the text is no name of that kind, as a part of a sentence; constant. */
const char *dns_name_parse(const char *text, enum dns_name_kind kind, struct dns_name *ret_name);
/* The name as text without the last dot, other bytes than letters, digits, '-' and '_' as \DDD (RFC 1035 §5.1).
 * Writes into @buf (DNS_NAME_TEXT_SIZE bytes) and returns it. */
const char *dns_name_text(const struct dns_name *name, char *buf);
/* Equal without regard to the case of ASCII letters (RFC 4343). */
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* Appends @tail to the labels of @name. Returns false, with @name as it was, beyond DNS_NAME_MAX. */
bool dns_name_append(struct dns_name *name, const struct dns_name *tail);
/* The name under which the PTR record of @ip stands.   Source: RFC 1035 §3.5, RFC 3596 §2.5 */
void dns_name_reverse(const struct ip_addr *ip, struct dns_name *ret_name);
/* Labels without the root's: 0 to 127. */
unsigned dns_name_labels(const struct dns_name *name);

static inline uint8_t dns_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* ---- reading ---------------------------------------------------------------------- */

struct dns_header {
	uint16_t id, flags;
	uint16_t n_question, n_answer, n_authority, n_additional;
};

struct dns_question {
	struct dns_name name; /* as it was spelled */
	uint16_t type, class;
};

struct dns_rr {
	struct dns_name name;
	uint16_t type, class, rdata_len;
	uint32_t ttl; /* seconds */
	size_t rdata_at; /* bytes from the start of the message */
};

/* A position in a message. A reader that met what it cannot read stays failed. */
struct dns_reader {
	const uint8_t *msg; /* borrowed */
	size_t len;
	struct wire_reader r;
};

static inline struct dns_reader dns_read_from(const uint8_t *msg, size_t len)
{
	return (struct dns_reader){ .msg = msg, .len = len, .r = wire_read_from(msg, len) };
}

/* Bytes from the start of the message. */
static inline size_t dns_read_at(const struct dns_reader *d)
{
	return d->len - d->r.left;
}

/* Each of these returns false at what cannot be read; their results are then unspecified. */
bool dns_get_header(struct dns_reader *d, struct dns_header *ret_header);
/* A name, compressed or not. A pointer leads before the labels that it ends, and behind the header, so that no
 * message makes a circle; there are at most as many as a name has labels.   Source: RFC 1035 §4.1.4, RFC 9267 §2 */
bool dns_get_name(struct dns_reader *d, struct dns_name *ret_name);
bool dns_get_question(struct dns_reader *d, struct dns_question *ret_question);
/* A whole record; the names within the data of types of RFC 1035 are checked, too. */
bool dns_get_rr(struct dns_reader *d, struct dns_rr *ret_rr);

/* What a message says beside its records. */
struct dns_msg {
	struct dns_header header;
	struct dns_question question;
	size_t question_end; /* bytes from the start of the message */
	bool has_opt; /* EDNS; what follows is 0 without */
	size_t opt_at; /* of the OPT record's first byte */
	uint16_t udp_size; /* what the sender takes over UDP */
	uint8_t opt_rcode, version; /* the upper 8 bits of the rcode; of EDNS */
	bool is_do; /* DNSSEC OK, RFC 3225 */
};

enum dns_verdict {
	DNS_WELL_FORMED,
	DNS_NO_HEADER, /* shorter than a header: nothing can be answered */
	DNS_MALFORMED, /* @ret_msg->header is set, and the question where it could be read */
};

/* Reads a whole message: one question, all records, at most one OPT, and nothing behind them.
 * @ret_msg: always written.   Source: RFC 1035 §4.1, RFC 6891 §6.1.1 */
enum dns_verdict dns_msg_parse(const uint8_t *msg, size_t len, struct dns_msg *ret_msg);

/* ---- writing ---------------------------------------------------------------------- */

enum { DNS_PLACE_COUNT = 48 };

enum dns_section { DNS_ANSWER_SECTION, DNS_AUTHORITY_SECTION, DNS_ADDITIONAL_SECTION, DNS_SECTION_COUNT };

/* A message that is being written. What does not fit is left out whole. */
struct dns_writer {
	struct wire_writer w;
	struct dns_header header; /* written by dns_write_end() */
	const struct dns_name *question; /* borrowed; NULL: none */
	struct {
		uint16_t at; /* bytes from the start of the message */
		uint8_t len; /* of the name that begins there, without compression */
	} places[DNS_PLACE_COUNT];
	unsigned n_places;
};

/* A record that is being written, and what to go back to. */
struct dns_mark {
	struct wire_writer w;
	unsigned n_places;
	size_t rdata_at;
};

/* @buf: borrowed; @size: at least DNS_HEADER_LEN. @id and @flags are the header's. */
void dns_write_begin(struct dns_writer *d, uint8_t *buf, size_t size, uint16_t id, uint16_t flags);
/* Returns false when it does not fit. @question: borrowed until the end. */
bool dns_write_question(struct dns_writer *d, const struct dns_question *question);
/* Begins a record of class IN. @name: the owner; NULL: the question's name. @ttl: seconds. */
struct dns_mark dns_write_rr(struct dns_writer *d, const struct dns_name *name, uint16_t type, uint32_t ttl);
/* Puts a name; with @compress, ends it by a pointer to where its tail is spelled the same way. Names in the data
 * of types newer than RFC 1035 are not compressed (RFC 3597 §4). */
void dns_put_name(struct dns_writer *d, const struct dns_name *name, bool compress);
/* Ends the record. Returns false when it did not fit: it is gone, and the message is as it was before. */
bool dns_write_rr_end(struct dns_writer *d, const struct dns_mark *mark, enum dns_section section);
/* An OPT record without options. Returns false when it does not fit.   Source: RFC 6891 §6.1.2 */
bool dns_write_opt(struct dns_writer *d, uint16_t udp_size, uint8_t rcode_high, bool is_do);
/* Writes the header. Returns the length of the message. */
size_t dns_write_end(struct dns_writer *d);

#endif
