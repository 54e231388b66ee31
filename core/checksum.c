/* core/checksum.c: the Internet checksum, and cutting GSO frames.
 *
 * The sum is taken eight bytes at a time in the machine's own byte order
 * (RFC 1071 §2(B): the sum is independent of byte order) and swapped once.
 *
 * Segmentation reads the headers itself and believes nothing of the offload
 * header but the type and the segment size: Ethernet, up to two VLAN tags,
 * IPv4 with options or IPv6 with extension headers, then TCP or UDP. What
 * does not hold together is refused. A frame is cut into at most SEGMENT_MAX
 * pieces, so that a guest cannot make one frame into 64 Ki blocks of memory.
 *
 * GSO kinds: TCPv4, TCPv6, UDP_L4 (each piece a datagram), and UDP over IPv4
 * (one datagram as IP fragments). UDP over IPv6 as fragments is refused: no
 * driver of today sends it.
 *
 * Used by: shaping/link.c, the machine's virtio_net.   Depends on: core/frame, core/wire.
 * Sources: RFC 1071, RFC 768, RFC 9293, RFC 791, RFC 8200, virtio 1.2 §5.1.6. */
#include "core/checksum.h"

#include "core/wire.h"

#include <errno.h>
#include <string.h>

enum {
	FLAG_NEEDS_CSUM = 1,
	GSO_NONE = 0,
	GSO_TCPV4 = 1,
	GSO_UDP = 3,
	GSO_TCPV6 = 4,
	GSO_UDP_L4 = 5,
	GSO_KIND_MASK = 0x7f, /* without the ECN bit */
	SEGMENT_MAX = 1024,
		PROTO_TCP = 6,
	PROTO_UDP = 17,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_CWR = 0x80,
	IPV4_MF = 0x2000,
	IPV4_OFFSET = 0x1fff,
};

static uint32_t to_host_order(uint16_t sum)
{
	return __builtin_bswap16(sum);
}

uint32_t checksum_add(uint32_t sum, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint64_t acc = 0, v = 0;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, 8);
		acc += v;
		acc += acc < v; /* the carry comes back in */
	}
	if (len) {
		v = 0;
		memcpy(&v, p, len); /* the odd byte is padded with 0 */
		acc += v;
		acc += acc < v;
	}
	acc = (acc & 0xffffffff) + (acc >> 32);
	acc = (acc & 0xffffffff) + (acc >> 32);
	acc = (acc & 0xffff) + (acc >> 16);
	acc = (acc & 0xffff) + (acc >> 16);
	/* Kept below 2^17, so that any number of pieces can be added. */
	sum = (sum & 0xffff) + (sum >> 16);
	return sum + to_host_order((uint16_t)acc);
}

uint16_t checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A sum of 0 is sent as its other form: in UDP 0 says "none" (RFC 768). */
static uint16_t fold_not_zero(uint32_t sum)
{
	uint16_t v = checksum_fold(sum);

	return v ? v : 0xffff;
}

int frame_checksum_complete(struct frame *f)
{
	size_t start = f->offload.csum_start;
	size_t at = start + f->offload.csum_offset;

	if (!(f->offload.flags & FLAG_NEEDS_CSUM))
		return 0;
	if (at + 2 > f->len)
		return -EBADMSG;
	store_be16(f->data + at, fold_not_zero(checksum_add(0, f->data + start, f->len - start)));
	f->offload.flags &= (uint8_t)~FLAG_NEEDS_CSUM;
	return 0;
}

/* ---- segmentation -------------------------------------------------------- */

/* Where the headers of a frame lie. */
struct layout {
	uint32_t l3, l4, payload; /* offsets from the frame's start */
	bool v6;
	uint8_t proto;
};

/* Finds the upper protocol behind IPv6's extension headers (RFC 8200 §4).
 * Fragments are refused: a GSO frame is none. */
static bool parse_ipv6(const struct frame *f, struct layout *l)
{
	uint8_t next = f->data[l->l3 + 6];
	uint32_t at = l->l3 + 40;

	for (unsigned i = 0; i < 8; i++) {
		if (next != 0 && next != 43 && next != 60) { /* hop-by-hop, routing, destination */
			l->proto = next;
			l->l4 = at;
			return at < f->len;
		}
		if (at + 8 > f->len)
			return false;
		next = f->data[at];
		at += 8u + 8u * f->data[at + 1];
	}
	return false;
}

/* Steps over at most two VLAN tags. @ret_l3: where the payload begins; @ret_type: what it is.
 * Returns false when the frame ends before. */
static bool parse_ethernet(const struct frame *f, uint32_t *ret_l3, uint16_t *ret_type)
{
	uint32_t at = 12;
	uint16_t type;

	if (f->len < ETH_HEADER_LEN)
		return false;
	type = load_be16(f->data + at);
	for (unsigned i = 0; i < 2 && (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ); i++) {
		at += 4;
		if (at + 2 > f->len)
			return false;
		type = load_be16(f->data + at);
	}
	*ret_l3 = at + 2;
	*ret_type = type;
	return true;
}

static bool parse_ip(const struct frame *f, struct layout *l)
{
	uint16_t type;

	if (!parse_ethernet(f, &l->l3, &type))
		return false;
	if (type == ETHERTYPE_IPV4) {
		uint32_t ihl;

		if (l->l3 + 20 > f->len)
			return false;
		ihl = 4u * (f->data[l->l3] & 15);
		l->v6 = false;
		l->proto = f->data[l->l3 + 9];
		l->l4 = l->l3 + ihl;
		return f->data[l->l3] >> 4 == 4 && ihl >= 20 && l->l4 < f->len;
	}
	if (type != ETHERTYPE_IPV6 || l->l3 + 40 > f->len || f->data[l->l3] >> 4 != 6)
		return false;
	l->v6 = true;
	return parse_ipv6(f, l);
}

/* Finds where the payload begins. */
static bool parse_upper(const struct frame *f, struct layout *l)
{
	uint32_t header = 8;

	if (l->proto == PROTO_TCP) {
		if (l->l4 + 20 > f->len)
			return false;
		header = 4u * (f->data[l->l4 + 12] >> 4);
		if (header < 20)
			return false;
	} else if (l->proto != PROTO_UDP) {
		return false;
	}
	l->payload = l->l4 + header;
	return l->payload < f->len;
}

static bool kind_fits(uint8_t kind, const struct layout *l)
{
	switch (kind) {
	case GSO_TCPV4: return l->proto == PROTO_TCP && !l->v6;
	case GSO_TCPV6: return l->proto == PROTO_TCP && l->v6;
	case GSO_UDP: return l->proto == PROTO_UDP && !l->v6;
	case GSO_UDP_L4: return l->proto == PROTO_UDP;
	default: return false;
	}
}

static void ipv4_checksum(uint8_t *ip)
{
	store_be16(ip + 10, 0);
	store_be16(ip + 10, checksum_fold(checksum_add(0, ip, 4u * (ip[0] & 15))));
}

/* Completes the IP header and the TCP or UDP checksum of a whole datagram. */
static void finish_headers(struct frame *f, const struct layout *l)
{
	uint8_t *ip = f->data + l->l3;
	uint32_t l4_len = f->len - l->l4;
	uint32_t sum = l->proto + l4_len;
	size_t at = l->l4 + (l->proto == PROTO_TCP ? 16 : 6);

	if (l->v6) {
		store_be16(ip + 4, (uint16_t)(f->len - l->l3 - 40));
		sum = checksum_add(sum, ip + 8, 32);
	} else {
		store_be16(ip + 2, (uint16_t)(f->len - l->l3));
		ipv4_checksum(ip);
		sum = checksum_add(sum, ip + 12, 8);
	}
	if (l->proto == PROTO_UDP)
		store_be16(f->data + l->l4 + 4, (uint16_t)l4_len);
	store_be16(f->data + at, 0);
	sum = checksum_add(sum, f->data + l->l4, l4_len);
	store_be16(f->data + at, fold_not_zero(sum));
}

/* A new frame of @f's first @header_len bytes and @len bytes from @from. */
static struct frame *piece(struct frame_pool *pool, const struct frame *f, uint32_t header_len,
			   uint32_t from, uint32_t len)
{
	struct frame *p = frame_new(pool, header_len + len);

	if (!p)
		return NULL;
	memcpy(p->data, f->data, header_len);
	memcpy(p->data + header_len, f->data + from, len);
	p->len = header_len + len;
	p->rx_time_ns = f->rx_time_ns;
	p->due_ns = f->due_ns;
	return p;
}

/* Makes the @n-th piece's own headers (RFC 9293 §3.1: sequence numbers; CWR
 * is for the first piece, FIN and PSH for the last). */
static void finish_piece(struct frame *p, const struct layout *l, uint32_t n, uint32_t offset,
			 bool last)
{
	if (!l->v6)
		store_be16(p->data + l->l3 + 4, (uint16_t)(load_be16(p->data + l->l3 + 4) + n));
	if (l->proto == PROTO_TCP) {
		uint8_t *tcp = p->data + l->l4;

		store_be32(tcp + 4, load_be32(tcp + 4) + offset);
		if (n > 0)
			tcp[13] &= (uint8_t)~TCP_CWR;
		if (!last)
			tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	}
	finish_headers(p, l);
}

/* RFC 791 §2.3: an offset in units of 8 bytes, MF on all but the last. */
static void finish_fragment(struct frame *p, const struct layout *l, uint32_t offset, bool last)
{
	uint8_t *ip = p->data + l->l3;

	store_be16(ip + 2, (uint16_t)(p->len - l->l3));
	store_be16(ip + 6, (uint16_t)(offset / 8 | (last ? 0 : IPV4_MF)));
	ipv4_checksum(ip);
}

static struct frame *free_list(struct frame *list)
{
	while (list) {
		struct frame *next = list->next;

		frame_free(list);
		list = next;
	}
	return NULL;
}

/* @f stays the caller's. */
static struct frame *cut(struct frame_pool *pool, struct frame *f, const struct layout *l,
			 uint32_t size, bool fragments)
{
	struct frame *first = NULL, **tail = &first;
	uint32_t header_len = fragments ? l->l4 : l->payload;
	uint32_t n = 0;

	for (uint32_t at = header_len; at < f->len; at += size, n++) {
		uint32_t len = f->len - at < size ? f->len - at : size;
		bool last = at + len == f->len;
		struct frame *p = piece(pool, f, header_len, at, len);

		if (!p)
			return free_list(first);
		if (fragments)
			finish_fragment(p, l, at - header_len, last);
		else
			finish_piece(p, l, n, at - header_len, last);
		*tail = p;
		tail = &p->next;
	}
	return first;
}

/* True when the frame's headers allow that it is cut into segments of @size bytes. */
static bool is_cuttable(const struct frame *f, uint8_t kind, uint32_t size, struct layout *l)
{
	if (!parse_ip(f, l) || !parse_upper(f, l) || !kind_fits(kind, l) || size == 0)
		return false;
	if (!l->v6 && (load_be16(f->data + l->l3 + 6) & (IPV4_MF | IPV4_OFFSET)))
		return false;
	if (kind != GSO_UDP)
		return (f->len - l->payload) / size < SEGMENT_MAX && size + l->payload - l->l3 <= 65535;
	size &= ~7u;
	return size != 0 && f->len - l->l3 <= 65535 && (f->len - l->l4) / size < SEGMENT_MAX;
}

/* A frame that is not GSO: its checksum, if any, lies behind the headers that need none. */
static bool plain_offload_check(struct frame *f)
{
	struct frame_offload *o = &f->offload;
	struct layout l;

	o->hdr_len = o->gso_size = 0;
	if (!(o->flags & FLAG_NEEDS_CSUM)) {
		o->csum_start = o->csum_offset = 0;
		return true;
	}
	if (o->csum_start < ETH_HEADER_LEN || (uint32_t)o->csum_start + o->csum_offset + 2 > f->len)
		return false;
	return !parse_ip(f, &l) || o->csum_start >= l.l4;
}

bool frame_offload_check(struct frame *f)
{
	struct frame_offload *o = &f->offload;
	uint8_t kind = o->gso_type & GSO_KIND_MASK;
	struct layout l;

	if (o->flags & ~FLAG_NEEDS_CSUM)
		return false; /* the others are a device's to set, not a driver's */
	if (o->gso_type == GSO_NONE)
		return plain_offload_check(f);
	if (o->gso_type != kind && kind != GSO_TCPV4 && kind != GSO_TCPV6)
		return false; /* ECN is TCP's */
	if (!o->flags || o->gso_size < FRAME_GSO_SIZE_MIN || o->hdr_len > f->len ||
	    !is_cuttable(f, kind, o->gso_size, &l))
		return false;
	if (o->csum_start != l.l4 || o->csum_offset != (l.proto == PROTO_TCP ? 16 : 6))
		return false;
	/* A driver's hdr_len is a hint: a neighbour gets the true one. */
	o->hdr_len = (uint16_t)l.payload;
	return true;
}

uint32_t frame_payload_len(const struct frame *f)
{
	const struct frame_offload *o = &f->offload;
	uint32_t len = f->len, piece, l3;
	uint16_t type;

	if (o->gso_type) {
		bool fragments = (o->gso_type & GSO_KIND_MASK) == GSO_UDP; /* without the UDP header */

		piece = fragments ? o->hdr_len - 8u + (o->gso_size & ~7u) : (uint32_t)o->hdr_len + o->gso_size;
		len = len < piece ? len : piece;
	}
	return parse_ethernet(f, &l3, &type) ? len - l3 : 0;
}

struct frame *frame_segment(struct frame_pool *pool, struct frame *f, bool *ret_bad)
{
	uint8_t kind = f->offload.gso_type & GSO_KIND_MASK;
	uint32_t size = f->offload.gso_size;
	struct layout l;
	struct frame *list = NULL;

	*ret_bad = false;
	f->next = NULL;
	if (kind == GSO_NONE) {
		if (frame_checksum_complete(f) == 0) {
			f->offload = (struct frame_offload){ 0 };
			return f;
		}
		goto bad;
	}
	if (!is_cuttable(f, kind, size, &l))
		goto bad;
	if (kind == GSO_UDP) {
		size &= ~7u;
		finish_headers(f, &l);
	}
	list = cut(pool, f, &l, size, kind == GSO_UDP);
	frame_free(f);
	return list;
bad:
	frame_free(f);
	*ret_bad = true;
	return NULL;
}
