/* dhcp/dhcp6_msg.h: DHCPv6 messages: from bytes to a value, and the writer of options.
 *
 * A message that was read borrows the datagram's bytes. Relay messages are taken off, the outermost first; what
 * they said is kept for the reply. All options of all levels that are known here are whole.
 *
 * Sources: RFC 8415 §7.3, §8, §9, §11, §21; RFC 6939; RFC 8357. */
#ifndef MUSTER_DHCP_DHCP6_MSG_H
#define MUSTER_DHCP_DHCP6_MSG_H

#include "core/addr.h"
#include "core/wire.h"

enum {
	DHCP6_RELAYS_MAX = 8, /* HOP_COUNT_LIMIT, RFC 8415 §7.6 */
	DHCP6_IAS_MAX = 8, /* identity associations of one message; further ones are not looked at */
	DHCP6_IA_ADDRS_MAX = 4, /* addresses of one; as above */
	DHCP6_DUID_MIN = 3,
	DHCP6_DUID_MAX = 130, /* RFC 8415 §11.1 */
	DHCP6_IAID_LEN = 4
};

enum dhcp6_type {
	DHCP6_NONE,
	DHCP6_SOLICIT,
	DHCP6_ADVERTISE,
	DHCP6_REQUEST,
	DHCP6_CONFIRM,
	DHCP6_RENEW,
	DHCP6_REBIND,
	DHCP6_REPLY,
	DHCP6_RELEASE,
	DHCP6_DECLINE,
	DHCP6_RECONFIGURE,
	DHCP6_INFORMATION_REQUEST,
	DHCP6_RELAY_FORWARD,
	DHCP6_RELAY_REPLY,
	DHCP6_TYPE_COUNT
};

/* Options by number (RFC 8415 where no other is named). */
enum {
	DHCP6_CLIENT_ID = 1,
	DHCP6_SERVER_ID = 2,
	DHCP6_IA_NA = 3,
	DHCP6_IA_TA = 4,
	DHCP6_IAADDR = 5,
	DHCP6_ORO = 6,
	DHCP6_PREFERENCE = 7,
	DHCP6_RELAY_MESSAGE = 9,
	DHCP6_STATUS = 13,
	DHCP6_RAPID_COMMIT = 14,
	DHCP6_USER_CLASS = 15,
	DHCP6_INTERFACE_ID = 18,
	DHCP6_DNS = 23, /* RFC 3646 */
	DHCP6_SEARCH = 24, /* RFC 3646 */
	DHCP6_IA_PD = 25,
	DHCP6_IAPREFIX = 26,
	DHCP6_SNTP = 31, /* RFC 4075 */
	DHCP6_REFRESH = 32,
	DHCP6_FQDN = 39, /* RFC 4704 */
	DHCP6_NTP = 56, /* RFC 5908 */
	DHCP6_BOOT_URL = 59, /* RFC 5970 */
	DHCP6_ARCH = 61, /* RFC 5970 */
	DHCP6_LINK_ADDRESS = 79, /* RFC 6939 */
	DHCP6_RELAY_PORT = 135 /* RFC 8357 */
};

/* Status codes, RFC 8415 §21.13. */
enum dhcp6_status {
	DHCP6_SUCCESS,
	DHCP6_UNSPEC_FAIL,
	DHCP6_NO_ADDRS,
	DHCP6_NO_BINDING,
	DHCP6_NOT_ON_LINK,
	DHCP6_USE_MULTICAST,
	DHCP6_NO_PREFIX
};

/* Borrowed bytes; p NULL: absent. */
struct dhcp6_span {
	const uint8_t *p;
	size_t len;
};

struct dhcp6_relay {
	uint8_t hops;
	struct ip_addr link, peer;
	struct dhcp6_span interface_id, port; /* values of options 18 and 135, given back as they came */
	bool has_mac; /* of the sender that this relay heard: option 79 of Ethernet */
	struct mac_addr mac;
};

struct dhcp6_ia {
	uint16_t kind; /* DHCP6_IA_NA, _TA or _PD */
	uint32_t iaid, t1, t2;
	struct dhcp6_span options;
	size_t n_addrs; /* of IA_NA and IA_TA */
	struct {
		struct ip_addr addr;
		uint32_t preferred_s, valid_s;
	} addrs[DHCP6_IA_ADDRS_MAX];
};

struct dhcp6_msg {
	size_t n_relays;
	struct dhcp6_relay relays[DHCP6_RELAYS_MAX]; /* the outermost first */
	enum dhcp6_type type;
	uint32_t xid; /* 24 bits */
	struct dhcp6_span options, client_id, server_id;
	size_t n_ias;
	bool has_more_ias; /* than DHCP6_IAS_MAX */
	struct dhcp6_ia ias[DHCP6_IAS_MAX];
};

enum dhcp6_verdict { DHCP6_GOOD, DHCP6_MALFORMED };

/* Reads the payload of a UDP datagram, of a client, a relay or a server. @m: whole only when DHCP6_GOOD is returned.
 * DHCP6_MALFORMED: an option leaves what it stands in, a byte is left over, a length is wrong, a type is unknown, a
 * relay message is missing or too deep. Of options that may stand once the first one counts. */
enum dhcp6_verdict dhcp6_read(const uint8_t *payload, size_t len, struct dhcp6_msg *m);

/* The first option @code among @options; p NULL when it is absent. An empty one has p and len 0. */
struct dhcp6_span dhcp6_find(struct dhcp6_span options, uint16_t code);
/* True when the message's option request option names @code. */
bool dhcp6_asks(const struct dhcp6_msg *m, uint16_t code);

/* Begins an option whose length is not known yet. Returns its place, for dhcp6_close(). */
size_t dhcp6_open(struct wire_writer *w, uint16_t code);
void dhcp6_close(struct wire_writer *w, size_t at);
void dhcp6_put(struct wire_writer *w, uint16_t code, const void *data, size_t len);
/* A status code option. @text: for people. */
void dhcp6_put_status(struct wire_writer *w, enum dhcp6_status status, const char *text);

#endif
