/* vmm/dev/virtio_net_flow.c: which of a card's receive queues a frame goes to.
 *
 * Automatic receive steering: what comes for a flow goes to the pair by which
 * the guest last sent for it, so that one processor has both directions. A
 * flow is a hash of addresses, ports and protocol which is the same both ways;
 * a table of FLOW_COUNT entries holds the pair a flow was seen on. There are no
 * tags: two flows that share an entry share a queue, whoever sent last says
 * which, so the table is bounded and nothing is evicted but by being
 * overwritten. A flow never seen is spread by its hash. The hash has no seed:
 * the same frames take the same queues in every run. A guest that seeks
 * collisions slows itself.
 *
 * A fragment is hashed without its ports, so that all of a datagram stay
 * together; what is not IP has the hash 0.
 *
 * Used by: vmm/dev/virtio_net_{tx,rx}.c.   Depends on: core/wire.h.
 * Sources: virtio 1.2 §5.1.6.5.5; RFC 791 §3.1; RFC 8200 §3. */
#include "vmm/dev/virtio_net_impl.h"

#include "core/wire.h"

#include <string.h>

enum { HEAD_LEN = ETH_HEADER_LEN + 8 + 40 + 4, /* two tags, IPv6, ports */
       ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_IPV6 = 0x86DD, ETHERTYPE_VLAN = 0x8100,
       ETHERTYPE_QINQ = 0x88A8, PROTO_TCP = 6, PROTO_UDP = 17, IPV4_FRAGMENT = 0x3FFF };

/* A finaliser whose every input bit reaches every output bit. */
static uint32_t mix(uint32_t v)
{
	v ^= v >> 16;
	v *= 0x7FEB352Du;
	v ^= v >> 15;
	v *= 0x846CA68Bu;
	return v ^ v >> 16;
}

/* One end of a flow. */
static uint32_t hash_end(const uint8_t *addr, unsigned addr_len, uint16_t port)
{
	uint32_t h = port;

	for (unsigned i = 0; i < addr_len; i += 4)
		h = mix(h ^ load_be32(addr + i));
	return h;
}

static uint32_t flow_hash(const uint8_t *h, uint32_t len)
{
	uint32_t at = ETH_HEADER_LEN, addr_len, addr, l4;
	uint16_t type = load_be16(h + 12), src = 0, dst = 0;
	bool ports = true;
	uint8_t proto;

	for (unsigned i = 0; i < 2 && (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ); i++) {
		if (at + 4 > len)
			return 0;
		type = load_be16(h + at + 2);
		at += 4;
	}
	if (type == ETHERTYPE_IPV4 && at + 20 <= len) {
		addr_len = 4;
		addr = at + 12;
		l4 = at + 4u * (h[at] & 15);
		proto = h[at + 9];
		ports = !(load_be16(h + at + 6) & IPV4_FRAGMENT);
	} else if (type == ETHERTYPE_IPV6 && at + 40 <= len) {
		addr_len = 16;
		addr = at + 8;
		l4 = at + 40;
		proto = h[at + 6];
	} else {
		return 0;
	}
	if (ports && (proto == PROTO_TCP || proto == PROTO_UDP) && l4 + 4 <= len) {
		src = load_be16(h + l4);
		dst = load_be16(h + l4 + 2);
	}
	return mix((hash_end(h + addr, addr_len, src) + hash_end(h + addr + addr_len, addr_len, dst)) ^
		   proto);
}

/* The hash of a frame that somebody else may write to meanwhile. */
static uint32_t hash_of(const uint8_t *data, uint32_t len)
{
	uint8_t head[HEAD_LEN];

	if (len < ETH_HEADER_LEN)
		return 0;
	if (len > sizeof head)
		len = sizeof head;
	mem_fetch(head, data, len);
	return flow_hash(head, len);
}

void virtio_net_flow_learn(struct virtio_net *n, const uint8_t *data, uint32_t len, unsigned pair)
{
	if (n->n_active > 1)
		n->flow[hash_of(data, len) % VIRTIO_NET_FLOW_COUNT] = (uint8_t)(pair + 1);
}

unsigned virtio_net_flow_pair(const struct virtio_net *n, const uint8_t *data, uint32_t len)
{
	unsigned pair = 0;
	uint32_t hash;

	if (n->n_active <= 1)
		return 0;
	hash = hash_of(data, len);
	pair = n->flow[hash % VIRTIO_NET_FLOW_COUNT];
	/* The table is indexed by the low bits: the others choose. */
	pair = pair && pair <= n->n_active ? pair - 1 : (hash >> 16) % n->n_active;
	return n->dev.queue[rxq_of(pair)].enabled ? pair : 0;
}
