/* dns/dns_resolvers.c: whom the host asks for names: the text of its /etc/resolv.conf.
 *
 * Used by: the uplink's set-up, muster doctor.   Depends on: core/addr.h.
 * Sources: resolv.conf(5); RFC 4007 §11 (scopes); RFC 4291 §2.5.5.2 (mapped addresses). */
#include "dns/dns_resolvers.h"

#include <string.h>

enum { WORD_SIZE = 80 };

/* Whether the address is the host itself: 127/8, 0.0.0.0, ::1, :: and 127/8 mapped into IPv6. */
static bool is_loopback(const struct ip_addr *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zeros[15];

	if (ip->family == IP_V4)
		return ip->b[0] == 127 || memcmp(ip->b, zeros, 4) == 0;
	if (memcmp(ip->b, zeros, 15) == 0)
		return ip->b[15] <= 1;
	return memcmp(ip->b, mapped, sizeof mapped) == 0 && ip->b[12] == 127;
}

/* "fe80::1%eth0" without a prefix length. Returns false when it is none. */
static bool parse_address(char *word, struct dns_resolver *ret)
{
	char *scope = strchr(word, '%');

	*ret = (struct dns_resolver){ 0 };
	if (scope) {
		*scope++ = '\0';
		if (!*scope || strlen(scope) >= sizeof ret->scope)
			return false;
		memcpy(ret->scope, scope, strlen(scope) + 1);
	}
	if (strchr(word, '/') || ip_parse(word, &ret->ip) < 0 || (scope && ret->ip.family != IP_V6))
		return false;
	ret->is_loopback = is_loopback(&ret->ip);
	return true;
}

static void add(struct dns_resolvers *rs, const struct dns_resolver *r)
{
	for (size_t i = 0; i < rs->n; i++)
		if (ip_equal(&rs->r[i].ip, &r->ip) && strcmp(rs->r[i].scope, r->scope) == 0)
			return;
	if (rs->n == DNS_RESOLVER_COUNT)
		rs->more = true;
	else
		rs->r[rs->n++] = *r;
}

void dns_resolvers_parse(const char *text, struct dns_resolvers *ret_resolvers)
{
	static const char key[] = "nameserver";

	*ret_resolvers = (struct dns_resolvers){ 0 };
	while (*text) {
		const char *line = text;
		size_t len = strcspn(text, "\n"), blanks, word_len;
		struct dns_resolver r;
		char word[WORD_SIZE];

		text += len + (text[len] == '\n');
		if (strncmp(line, key, sizeof key - 1) != 0)
			continue;
		line += sizeof key - 1;
		blanks = strspn(line, " \t");
		line += blanks;
		word_len = strcspn(line, " \t\r\n");
		if (!blanks || word_len == 0 || word_len >= sizeof word)
			continue;
		memcpy(word, line, word_len);
		word[word_len] = '\0';
		if (parse_address(word, &r))
			add(ret_resolvers, &r);
	}
}
