/* nat/icmp.c: ICMP errors for guests.
 *
 * Used by: nat/nat_*.c. */
#include "nat/icmp.h"

#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <string.h>
#include <xxhash.h>

enum { ICMP4_MAX = 576, HOP_LIMIT = 64 };

/* Of IPv4: RFC 792 and RFC 1812 §5.2.7.1. */
enum { NET_UNREACHABLE = 0, HOST_UNREACHABLE = 1, FRAGMENTATION_NEEDED = 4, PROHIBITED = 13 };
/* Of IPv6: RFC 4443 §3.1. */
enum { NO_ROUTE6 = 0, PROHIBITED6 = 1, ADDRESS_UNREACHABLE6 = 3 };

static bool from_icmp4(const struct icmp_queued *q, struct icmp_cause *c)
{
	switch (q->type) {
	case ICMP4_UNREACHABLE:
		c->rest = q->code == FRAGMENTATION_NEEDED ? q->info & 0xffff : 0; /* RFC 1191 §4 */
		return true;
	case ICMP4_TIME_EXCEEDED:
		return true;
	case ICMP4_PARAMETER:
		c->rest = q->info << 24;
		return true;
	default:
		return false;
	}
}

static bool from_icmp6(const struct icmp_queued *q, struct icmp_cause *c)
{
	if (q->type < ICMP6_UNREACHABLE || q->type > ICMP6_PARAMETER)
		return false;
	c->rest = q->type == ICMP6_TOO_BIG || q->type == ICMP6_PARAMETER ? q->info : 0;
	return true;
}

static struct icmp_cause too_big(enum ip_family family, uint32_t mtu)
{
	if (family == IP_V6)
		return (struct icmp_cause){ .type = ICMP6_TOO_BIG, .rest = mtu };
	return (struct icmp_cause){ .type = ICMP4_UNREACHABLE, .code = FRAGMENTATION_NEEDED, .rest = mtu & 0xffff };
}

bool icmp_from_queue(const struct icmp_queued *q, struct icmp_cause *ret_cause)
{
	struct icmp_cause c = { .offender = q->offender, .type = q->type, .code = q->code };

	if (q->origin == SO_EE_ORIGIN_LOCAL) {
		if (q->error == EMSGSIZE)
			c = too_big(q->family, q->info);
		else if (!icmp_from_errno(q->family, (int)q->error, &c))
			return false;
	} else if (!(q->origin == SO_EE_ORIGIN_ICMP && q->family == IP_V4 && from_icmp4(q, &c)) &&
		   !(q->origin == SO_EE_ORIGIN_ICMP6 && q->family == IP_V6 && from_icmp6(q, &c))) {
		return false;
	}
	*ret_cause = c;
	return true;
}

bool icmp_from_errno(enum ip_family family, int error, struct icmp_cause *ret_cause)
{
	bool is6 = family == IP_V6;
	uint8_t code;

	switch (error) {
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL: /* the host has no address of this family */
	case EAFNOSUPPORT:
		code = is6 ? NO_ROUTE6 : NET_UNREACHABLE;
		break;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		code = is6 ? ADDRESS_UNREACHABLE6 : HOST_UNREACHABLE;
		break;
	case EACCES:
	case EPERM:
	case EINVAL: /* an unreachable or "blackhole" route */
		code = is6 ? PROHIBITED6 : PROHIBITED;
		break;
	default:
		return false;
	}
	*ret_cause = (struct icmp_cause){ .type = is6 ? ICMP6_UNREACHABLE : ICMP4_UNREACHABLE, .code = code };
	return true;
}

struct icmp_cause icmp_prohibited(enum ip_family family)
{
	struct icmp_cause c = { 0 };

	(void)icmp_from_errno(family, EACCES, &c);
	return c;
}

static bool is_one_host(const struct ip_addr *ip)
{
	static const uint8_t zeros[16];

	if (ip->family == IP_V6)
		return ip->b[0] != 0xff && memcmp(ip->b, zeros, 16) != 0;
	return ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224;
}

bool icmp_may_answer(const struct packet *p)
{
	bool is_error = false;

	if (p->kind != PACKET_IPV4 && p->kind != PACKET_IPV6)
		return false;
	if (!p->is_fragment && p->proto == PROTO_ICMP && p->kind == PACKET_IPV4)
		is_error = p->icmp_type != ICMP4_ECHO && p->icmp_type != ICMP4_ECHO_REPLY;
	else if (!p->is_fragment && p->proto == PROTO_ICMPV6 && p->kind == PACKET_IPV6)
		is_error = p->icmp_type < ICMP6_ECHO || p->icmp_type > ICMP6_ECHO_REPLY;
	return !is_error && !p->frag_offset && is_one_host(&p->src) && is_one_host(&p->dst);
}

size_t icmp_put(const struct icmp_cause *cause, const struct ip_addr *router, const uint8_t *quoted, size_t len,
		uint8_t *buf)
{
	struct packet_ip ip = { .ttl = HOP_LIMIT, .src = cause->offender.family ? cause->offender : *router };
	bool is6 = router->family == IP_V6;
	size_t most = is6 ? ICMP_ERROR_MAX : ICMP4_MAX;
	size_t heads = (is6 ? PACKET_IPV6_LEN : PACKET_IPV4_LEN) + PACKET_ICMP_LEN;
	struct wire_writer w = wire_write_to(buf, most);
	struct packet p;

	if (packet_parse_ip(quoted, len, false, &p) != PACKET_OK || p.src.family != router->family ||
	    ip.src.family != router->family)
		return 0;
	ip.dst = p.src;
	if (len > most - heads)
		len = most - heads;
	ip.proto = is6 ? PROTO_ICMPV6 : PROTO_ICMP;
	packet_put_ip(&w, &ip, PACKET_ICMP_LEN + len);
	packet_put_icmp(&w, &ip, cause->type, cause->code, cause->rest, quoted, len);
	return w.failed ? 0 : wire_put_len(&w);
}

void icmp_limit_init(struct icmp_limit *l, uint64_t seed, nsec_t now)
{
	l->seed = seed;
	for (unsigned i = 0; i < ICMP_BUCKETS; i++)
		budget_init(&l->buckets[i], ICMP_BURST, ICMP_PER_S, now);
}

bool icmp_limit_take(struct icmp_limit *l, uint64_t source, nsec_t now)
{
	uint64_t at = XXH3_64bits_withSeed(&source, sizeof source, l->seed) % ICMP_BUCKETS;

	return budget_take(&l->buckets[at], now, 1);
}
