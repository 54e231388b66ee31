/* dhcp/dhcp4_msg.h: DHCPv4 messages: from bytes to a value, and from a value to bytes.
 *
 * Addresses are in host order. A message that was read owns a copy of its options: each option once, its
 * pieces put together (RFC 3396), wherever they stood: options field, then file, then sname.
 *
 * Source: RFC 2131, RFC 2132, RFC 3396, RFC 3046. */
#ifndef MUSTER_DHCP_DHCP4_MSG_H
#define MUSTER_DHCP_DHCP4_MSG_H

#include "core/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DHCP4_CHADDR_LEN = 16,
	DHCP4_SNAME_LEN = 64,
	DHCP4_FILE_LEN = 128,
	DHCP4_HEAD_LEN = 236, /* up to the cookie, RFC 2131 §2 */
	DHCP4_OPTIONS_AT = 240, /* behind the cookie */
	DHCP4_REPLY_MIN = 300, /* BOOTP's size, below which some relays and clients drop: RFC 1542 §2.1 */
	DHCP4_REPLY_MAX = 1472, /* our largest reply: one Ethernet frame of MTU 1500 */
	DHCP4_OPTION_BYTES = 4096, /* of one message, all options; a message with more is malformed */
	DHCP4_ADDS_MAX = 160, /* options of one reply */
	DHCP4_BESIDE_RELAY = 64
};

enum { DHCP4_BOOTREQUEST = 1, DHCP4_BOOTREPLY = 2 };
enum { DHCP4_FLAG_BROADCAST = 0x8000 };

/* Values of option 53. */
enum dhcp4_type {
	DHCP4_NONE,
	DHCP4_DISCOVER,
	DHCP4_OFFER,
	DHCP4_REQUEST,
	DHCP4_DECLINE,
	DHCP4_ACK,
	DHCP4_NAK,
	DHCP4_RELEASE,
	DHCP4_INFORM,
	DHCP4_TYPE_COUNT
};

/* Options by number (RFC 2132 where no other is named). */
enum {
	DHCP4_PAD = 0,
	DHCP4_MASK = 1,
	DHCP4_ROUTER = 3,
	DHCP4_DNS = 6,
	DHCP4_HOSTNAME = 12,
	DHCP4_DOMAIN = 15,
	DHCP4_MTU = 26,
	DHCP4_BROADCAST = 28,
	DHCP4_NTP = 42,
	DHCP4_VENDOR = 43,
	DHCP4_WANTED_ADDRESS = 50,
	DHCP4_LEASE_TIME = 51,
	DHCP4_OVERLOAD = 52,
	DHCP4_MESSAGE_TYPE = 53,
	DHCP4_SERVER_ID = 54,
	DHCP4_PARAMETERS = 55,
	DHCP4_MESSAGE = 56,
	DHCP4_MAX_SIZE = 57,
	DHCP4_T1 = 58,
	DHCP4_T2 = 59,
	DHCP4_CLASS = 60,
	DHCP4_CLIENT_ID = 61,
	DHCP4_TFTP_NAME = 66,
	DHCP4_BOOT_FILE = 67,
	DHCP4_USER_CLASS = 77, /* RFC 3004 */
	DHCP4_RAPID_COMMIT = 80, /* RFC 4039 */
	DHCP4_FQDN = 81, /* RFC 4702 */
	DHCP4_RELAY = 82, /* RFC 3046 */
	DHCP4_ARCH = 93, /* RFC 4578 §2.1 */
	DHCP4_UUID = 97, /* RFC 4578 §2.3 */
	DHCP4_V6ONLY = 108, /* RFC 8925 */
	DHCP4_SUBNET_SELECT = 118, /* RFC 3011 */
	DHCP4_SEARCH = 119, /* RFC 3397 */
	DHCP4_ROUTES = 121, /* RFC 3442 */
	DHCP4_IPXE = 175, /* iPXE's encapsulated options */
	DHCP4_END = 255
};
enum { DHCP4_RELAY_LINK = 5 /* sub-option of 82: link selection, RFC 3527 */ };

/* What became of bytes. */
enum dhcp4_verdict {
	DHCP4_GOOD,
	DHCP4_BOOTP, /* no cookie or no message type: a BOOTP client's; it is not served */
	DHCP4_MALFORMED
};

/* The fixed fields. */
struct dhcp4_head {
	uint8_t op, htype, hlen, hops;
	uint32_t xid;
	uint16_t secs, flags;
	uint32_t ciaddr, yiaddr, siaddr, giaddr;
	uint8_t chaddr[DHCP4_CHADDR_LEN];
	uint8_t sname[DHCP4_SNAME_LEN], file[DHCP4_FILE_LEN];
};

struct dhcp4_piece {
	uint16_t at, len; /* in bytes[] */
	bool is_there;
};

struct dhcp4_msg {
	struct dhcp4_head head;
	enum dhcp4_type type;
	struct dhcp4_piece options[256]; /* by number */
	uint8_t bytes[DHCP4_OPTION_BYTES];
};

/* Reads the payload of a UDP datagram. @m: whole only when DHCP4_GOOD is returned; else op, htype and chaddr may
 * lack. A field without END ends where it ends; what stands behind END is not looked at. An option that leaves its
 * field, and an overload other than 1 to 3, are DHCP4_MALFORMED. Source: RFC 2131 §4.1, RFC 2132 §9.3, RFC 3396 §7. */
enum dhcp4_verdict dhcp4_read(const uint8_t *payload, size_t len, struct dhcp4_msg *m);

/* Option @code, borrowed from @m; NULL when it is not there. An empty one has @ret_len 0. */
const uint8_t *dhcp4_option(const struct dhcp4_msg *m, uint8_t code, size_t *ret_len);
/* Whether the option is there, of any length. */
bool dhcp4_has(const struct dhcp4_msg *m, uint8_t code);
/* An option of that width; false, with *ret_v as it was, when it is absent or has another length. */
bool dhcp4_option_u16(const struct dhcp4_msg *m, uint8_t code, uint16_t *ret_v);
/* The same of four bytes. */
bool dhcp4_option_u32(const struct dhcp4_msg *m, uint8_t code, uint32_t *ret_v);
/* Sub-option @code of an option's bytes (82, 43), borrowed; NULL when it is absent or one before it is cut off. */
const uint8_t *dhcp4_sub(const uint8_t *option, size_t len, uint8_t code, size_t *ret_len);

/* A reply that is put together: options in the order in which they are to stand. */
struct dhcp4_build {
	struct dhcp4_head head;
	struct {
		uint16_t at, len;
		uint8_t code;
	} adds[DHCP4_ADDS_MAX];
	size_t n_adds, bytes_len;
	uint8_t bytes[DHCP4_OPTION_BYTES];
};

/* Appends option @code, once: another one of the same number is left out, and so is one for which there is no
 * room. Returns true when it was taken. */
bool dhcp4_add(struct dhcp4_build *b, uint8_t code, const void *data, size_t len);
/* Each adds an integer of that width, in network order. Returns as dhcp4_add(). */
bool dhcp4_add_u8(struct dhcp4_build *b, uint8_t code, uint8_t v);
bool dhcp4_add_u16(struct dhcp4_build *b, uint8_t code, uint16_t v);
bool dhcp4_add_u32(struct dhcp4_build *b, uint8_t code, uint32_t v);

/* Writes the message: options longer than 255 bytes in pieces side by side, option 82 last, padded to
 * DHCP4_REPLY_MIN. What does not fit the options field goes to file and sname where they are empty, which
 * option 52 then says; an option that fits nowhere is left out. So is an option 82 that leaves the others fewer
 * than DHCP4_BESIDE_RELAY bytes of the options field.
 * @max: bytes the client takes, DHCP4_REPLY_MIN to @size. @ret_left_out: options without room.
 * Returns the length.   Source: RFC 2131 §4.1, RFC 3396 §5, RFC 3046 §2.2. */
size_t dhcp4_write(const struct dhcp4_build *b, size_t max, uint8_t *buf, size_t size, unsigned *ret_left_out);

#endif
