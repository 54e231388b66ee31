/* core/addr.c: MAC and IP addresses and prefixes as values.
 *
 * Used by: every room that names a station.
 * Sources: RFC 4291, RFC 4632; inet_pton(3) does the text of addresses. */
#include "core/addr.h"

#include "core/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *s, struct mac_addr *ret_mac)
{
	struct mac_addr m;

	if (strlen(s) != MAC_STR_SIZE - 1)
		return -EINVAL;
	for (int i = 0; i < MAC_LEN; i++, s += 3) {
		int high = hex_digit(s[0]), low = hex_digit(s[1]);

		if (high < 0 || low < 0 || (i < MAC_LEN - 1 && s[2] != ':'))
			return -EINVAL;
		m.b[i] = (uint8_t)(high << 4 | low);
	}
	*ret_mac = m;
	return 0;
}

const char *mac_str(const struct mac_addr *m, char *buf)
{
	(void)snprintf(buf, MAC_STR_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1],
		       m->b[2], m->b[3], m->b[4], m->b[5]);
	return buf;
}

bool mac_equal(const struct mac_addr *a, const struct mac_addr *b)
{
	return memcmp(a->b, b->b, MAC_LEN) == 0;
}

bool mac_is_multicast(const struct mac_addr *m)
{
	return m->b[0] & 1;
}

static unsigned full_len(enum ip_family family)
{
	return family == IP_V4 ? 32 : 128;
}

/* Reads "/24" behind an address; text of digits only, no sign, no blanks. */
static int prefix_parse(const char *s, unsigned max, uint8_t *ret_len)
{
	uint64_t v;

	if (strlen(s) > 3 || str_uint(s, 0, max, &v) < 0)
		return -EINVAL;
	*ret_len = (uint8_t)v;
	return 0;
}

int ip_parse(const char *s, struct ip_addr *ret_ip)
{
	struct ip_addr ip = { .family = strchr(s, ':') ? IP_V6 : IP_V4 };
	const char *slash = strchr(s, '/');
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	char text[INET6_ADDRSTRLEN];

	if (len >= sizeof text)
		return -EINVAL;
	memcpy(text, s, len);
	text[len] = '\0';
	if (inet_pton(ip.family == IP_V4 ? AF_INET : AF_INET6, text, ip.b) != 1)
		return -EINVAL;
	ip.prefix_len = (uint8_t)full_len(ip.family);
	if (slash && prefix_parse(slash + 1, ip.prefix_len, &ip.prefix_len) < 0)
		return -EINVAL;
	*ret_ip = ip;
	return 0;
}

const char *ip_str_bare(const struct ip_addr *ip, char *buf)
{
	if (ip->family == IP_NONE ||
	    !inet_ntop(ip->family == IP_V4 ? AF_INET : AF_INET6, ip->b, buf, IP_STR_SIZE))
		buf[0] = '\0';
	return buf;
}

const char *ip_str(const struct ip_addr *ip, char *buf)
{
	size_t len;

	(void)ip_str_bare(ip, buf);
	len = strlen(buf);
	if (ip->family != IP_NONE && ip->prefix_len != full_len(ip->family))
		(void)snprintf(buf + len, IP_STR_SIZE - len, "/%u", ip->prefix_len);
	return buf;
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, full_len(a->family) / 8) == 0;
}

/* The mask of a prefix of @len bits in byte @i. */
static uint8_t mask_byte(unsigned len, unsigned i)
{
	unsigned before = i * 8;

	if (len >= before + 8)
		return 0xFF;
	if (len <= before)
		return 0;
	return (uint8_t)(0xFFU << (8 - (len - before)));
}

bool ip_in_net(const struct ip_addr *ip, const struct ip_addr *net)
{
	if (ip->family != net->family || ip->family == IP_NONE)
		return false;
	for (unsigned i = 0; i < full_len(net->family) / 8; i++)
		if ((ip->b[i] ^ net->b[i]) & mask_byte(net->prefix_len, i))
			return false;
	return true;
}

bool ip_is_net(const struct ip_addr *ip)
{
	for (unsigned i = 0; i < full_len(ip->family) / 8; i++)
		if (ip->b[i] & (uint8_t)~mask_byte(ip->prefix_len, i))
			return false;
	return true;
}

bool ip_is_broadcast(const struct ip_addr *ip)
{
	if (ip->family != IP_V4 || ip->prefix_len >= 31)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if ((uint8_t)(ip->b[i] | mask_byte(ip->prefix_len, i)) != 0xFF)
			return false;
	return true;
}

int ip_nth(const struct ip_addr *net, uint64_t n, struct ip_addr *ret_ip)
{
	unsigned host_bits = full_len(net->family) - net->prefix_len;
	struct ip_addr ip = *net;
	uint64_t carry = n;

	if (host_bits < 64 && n >> host_bits)
		return -ERANGE;
	for (unsigned i = 0; i < full_len(net->family) / 8; i++)
		ip.b[i] = (uint8_t)(ip.b[i] & mask_byte(net->prefix_len, i));
	for (int i = (int)full_len(net->family) / 8 - 1; i >= 0 && carry; i--) {
		carry += ip.b[i];
		ip.b[i] = (uint8_t)carry;
		carry >>= 8;
	}
	*ret_ip = ip;
	return 0;
}

const char *ip_netmask_str(const struct ip_addr *ip, char *buf)
{
	unsigned len = ip->prefix_len;

	(void)snprintf(buf, IP_STR_SIZE, "%u.%u.%u.%u", mask_byte(len, 0), mask_byte(len, 1),
		       mask_byte(len, 2), mask_byte(len, 3));
	return buf;
}

bool ip_is_unspecified(const struct ip_addr *ip)
{
	static const uint8_t zeros[16];

	return memcmp(ip->b, zeros, ip->family == IP_V4 ? 4 : 16) == 0;
}

bool ip_is_link_local(const struct ip_addr *ip)
{
	return ip->family == IP_V6 && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}
