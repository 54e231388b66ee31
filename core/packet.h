/* core/packet.h: one frame's headers, found and bounded, and the writers of headers.
 *
 * packet_parse() walks Ethernet, at most two VLAN tags, ARP, IPv4 with options, IPv6 with at most
 * PACKET_EXT_MAX extension headers, UDP, TCP, ICMP and ICMPv6. It copies no bytes: a struct packet holds
 * offsets into the frame, each checked against the frame's end, and the fields that everybody asks for. Padding
 * behind the length that IP tells is cut off. What a length contradicts is PACKET_MALFORMED.
 *
 * The parser judges form, not sense: addresses may be of any kind, and checksums are not looked at
 * (packet_checksums_ok() does that). A fragment's payload is not parsed; who needs it puts the packet together.
 *
 * Writers append to a wire_writer (core/wire.h), which fails when room ends. All checksums they write are
 * complete.
 *
 * Sources: IEEE 802.3, 802.1Q; RFC 768, 791, 792, 826, 4443, 6946, 7112, 8200, 9293; virtio 1.2 §5.1.6. */
#ifndef MUSTER_CORE_PACKET_H
#define MUSTER_CORE_PACKET_H

#include "core/addr.h"
#include "core/frame.h"
#include "core/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ETYPE_IPV4 = 0x0800,
	ETYPE_ARP = 0x0806,
	ETYPE_VLAN = 0x8100,
	ETYPE_IPV6 = 0x86dd,
	ETYPE_QINQ = 0x88a8,
};

enum {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMPV6 = 58,
	PROTO_NONE = 59, /* IPv6: nothing follows */
};

enum {
	PACKET_TAGS_MAX = 2,
	PACKET_EXT_MAX = 8, /* extension headers of one packet: more are malformed */
	PACKET_ETH_LEN = 14,
	PACKET_ARP_LEN = 28,
	PACKET_IPV4_LEN = 20, /* without options */
	PACKET_IPV6_LEN = 40,
	PACKET_UDP_LEN = 8,
	PACKET_TCP_LEN = 20, /* without options */
	PACKET_ICMP_LEN = 8, /* ICMP and ICMPv6 alike: type, code, checksum and four bytes */
};

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80
};

enum packet_verdict { PACKET_OK, PACKET_MALFORMED };

/* What the frame carries. PACKET_OTHER: an EtherType, or a form of ARP, that is not walked. */
enum packet_kind { PACKET_OTHER, PACKET_ARP, PACKET_IPV4, PACKET_IPV6 };

/* ARP for IPv4 over Ethernet (RFC 826). */
struct packet_arp {
	uint16_t op; /* 1 request, 2 reply; any other is not judged */
	struct mac_addr sender_mac, target_mac;
	struct ip_addr sender, target;
};

/* Offsets are from the frame's first byte, lengths in bytes. */
struct packet {
	const uint8_t *data; /* the frame; borrowed */
	uint32_t frame_len; /* padding included */
	struct frame_offload offload;
	enum packet_kind kind;
	struct mac_addr eth_dst, eth_src;
	uint16_t ethertype; /* behind the tags */
	uint8_t n_tags;
	uint16_t tags[PACKET_TAGS_MAX]; /* tag control information, the outer one first */
	uint32_t l3; /* behind Ethernet and its tags */

	struct packet_arp arp; /* PACKET_ARP only */

	/* PACKET_IPV4 and PACKET_IPV6 only, from here on. */
	struct ip_addr src, dst; /* of full prefix length */
	uint32_t l3_len; /* the whole IP packet, header and payload */
	uint32_t l4; /* behind IP's header, options and extension headers */
	uint32_t l4_len;
	uint8_t proto; /* of what lies at l4 */
	uint8_t ttl; /* hop limit */
	uint8_t tos; /* traffic class */
	uint32_t proto_at; /* where the byte lies that says proto */
	bool dont_fragment; /* IPv4 */
	bool has_options; /* IPv4: options. IPv6: extension headers other than the fragment header */

	/* A part of a packet. A fragment header on a whole packet makes no fragment (RFC 6946). */
	bool is_fragment;
	bool frag_more;
	uint16_t frag_offset; /* of l4 in the whole packet's payload, bytes */
	uint32_t ip_id; /* 16 bits in IPv4; 0 in an IPv6 packet without fragment header */
	uint32_t frag_header; /* IPv6: where the fragment header lies; 0: there is none */
	uint32_t frag_proto_at; /* IPv6: where the byte lies that names the fragment header */

	/* When it is no fragment, and proto is UDP, TCP, ICMP (in IPv4) or ICMPv6 (in IPv6). Otherwise payload
	 * and payload_len are l4 and l4_len. */
	uint32_t payload; /* behind the UDP, TCP or ICMP header */
	uint32_t payload_len;
	uint16_t src_port, dst_port; /* UDP, TCP */
	uint32_t tcp_seq, tcp_ack;
	uint16_t tcp_window;
	uint8_t tcp_flags;
	uint32_t tcp_options, tcp_options_len;
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id, icmp_seq; /* the four bytes behind the checksum, whatever the type */
};

/* Finds the headers of @f. @ret: borrows the frame's bytes; unspecified unless PACKET_OK is returned. A frame
 * that is GSO is one long packet. The offload header is believed in nothing: who takes frames from a guest
 * calls frame_offload_check() before. */
enum packet_verdict packet_parse(const struct frame *f, struct packet *ret);
/* The same for a frame's bytes without offload header. */
enum packet_verdict packet_parse_bytes(const void *data, size_t len, struct packet *ret);
/* The same for an IP packet without Ethernet header, such as lies in an ICMP error. Offsets are from @data.
 * @is_whole: false when the end may be missing, as it may in an ICMP error (RFC 792: eight bytes of payload).
 * Then lengths beyond the end are cut, the UDP, TCP and ICMP headers are read as far as eight bytes go, and
 * payload_len may be 0 for what was cut. */
enum packet_verdict packet_parse_ip(const void *data, size_t len, bool is_whole, struct packet *ret);

/* True when every checksum of a parsed packet that should be checked is right: the IPv4 header's, and
 * UDP's, TCP's, ICMP's and ICMPv6's. Not checked: what the offload header says is still to be computed
 * (NEEDS_CSUM) or was checked (DATA_VALID), the headers of a GSO frame, which are replaced when it is cut,
 * a fragment's payload, and a UDP checksum of 0 over IPv4. A UDP checksum of 0 over IPv6 is wrong
 * (RFC 8200 §8.1). A packet with segments left in a routing header has its last address in the pseudo header,
 * so it counts as wrong. Must not be called on a packet of packet_parse_ip() that is not whole. */
bool packet_checksums_ok(const struct packet *p);
/* The same for the IPv4 header alone: what a router checks. True for other packets. */
bool packet_ip_checksum_ok(const struct packet *p);

/* ---- packet_put.c: writers ------------------------------------------------- */

/* What an IP header says. Version and the pseudo header's form follow from src.family; dst has the same. */
struct packet_ip {
	struct ip_addr src, dst;
	uint8_t proto;
	uint8_t ttl;
	uint8_t tos;
	uint16_t id; /* IPv4 */
	bool dont_fragment; /* IPv4 */
};

/* 20 or 40. */
size_t packet_ip_len(const struct packet_ip *ip);

/* Appends an Ethernet header: 14 bytes. */
void packet_put_eth(struct wire_writer *w, const struct mac_addr *dst, const struct mac_addr *src, uint16_t ethertype);
/* An IP header before @payload_len bytes. The writer fails when the packet were longer than 65535 bytes
 * (IPv6: its payload). */
void packet_put_ip(struct wire_writer *w, const struct packet_ip *ip, size_t payload_len);
/* A UDP header and the payload. @ip: for the pseudo header; proto is taken as UDP's. A sum of 0 is
 * written as ffff (RFC 768). */
void packet_put_udp(struct wire_writer *w, const struct packet_ip *ip, uint16_t src_port, uint16_t dst_port,
		    const void *payload, size_t len);
/* IP and UDP. */
void packet_put_ip_udp(struct wire_writer *w, const struct packet_ip *ip, uint16_t src_port, uint16_t dst_port,
		       const void *payload, size_t len);
/* ICMP, or ICMPv6 with its pseudo header (RFC 4443 §2.3). @rest: the four bytes behind the checksum. */
void packet_put_icmp(struct wire_writer *w, const struct packet_ip *ip, uint8_t type, uint8_t code, uint32_t rest,
		     const void *payload, size_t len);

struct packet_tcp {
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const void *options; /* borrowed; a multiple of four bytes, 40 at most */
	size_t options_len;
};
/* A TCP header with options, and the payload. The writer fails when options_len is none. */
void packet_put_tcp(struct wire_writer *w, const struct packet_ip *ip, const struct packet_tcp *tcp,
		    const void *payload, size_t len);
/* The 28 bytes of RFC 826. */
void packet_put_arp(struct wire_writer *w, const struct packet_arp *arp);

/* A running sum (core/checksum.h) of the pseudo header: RFC 768, RFC 9293 §3.1, RFC 8200 §8.1. Folded
 * without complement it is what a NEEDS_CSUM frame has in its checksum field.
 * @len: of the upper header and payload. */
uint32_t packet_pseudo_sum(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto, size_t len);

#endif
