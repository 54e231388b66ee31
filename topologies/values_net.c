/* topologies/values_net.c: domain names, ranges, ports and bytes as text.
 *
 * Used by: parse_dhcp*.c, parse_dns.c, parse_nat.c.   Depends on: core/addr.h, core/bytes.h.
 * Sources: team-file(5); RFC 1035 §2.3.4, RFC 1123 §2.1, RFC 2782 (names with '_'). */
#include "topologies/values.h"

#include "core/bytes.h"
#include "topologies/ranges.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { NAME_MAX_CHARS = 253, LABEL_MAX = 63, PORT_MAX = 65535 };

static int refuse(char **ret_why, char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static bool is_label(const char *s, size_t len, bool underscores)
{
	if (len == 0 || len > LABEL_MAX || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && !(s[i] == '_' && i == 0 && underscores && len > 1))
			return false;
	return true;
}

int value_domain(const char *s, bool underscores, char **ret_why)
{
	size_t len = strlen(s);

	if (len > 1 && s[len - 1] == '.')
		len--;
	if (len > NAME_MAX_CHARS)
		return refuse(ret_why,
			      str_printf("a domain name has at most %d characters, not %zu", NAME_MAX_CHARS, len));
	for (const char *p = s, *end = s + len; p <= end;) {
		size_t n = 0;

		while (p + n < end && p[n] != '.')
			n++;
		if (n > LABEL_MAX)
			return refuse(
				ret_why,
				str_printf("a part of a domain name has at most %d characters, and '%.*s' has %zu",
					   LABEL_MAX, (int)n, p, n));
		if (!is_label(p, n, underscores))
			return refuse(
				ret_why,
				str_printf("'%s' is no domain name; its parts have letters, digits and '-'%s, and "
					   "begin and end with a letter or digit",
					   s, underscores ? ", perhaps one '_' before them" : ""));
		p += n + 1;
	}
	return 0;
}

int value_range(const char *s, struct team_range *ret_range, char **ret_why)
{
	const char *dash = strchr(s, '-');
	CLEANUP(free) char *first = dash ? str_printf("%.*s", (int)(dash - s), s) : NULL;
	struct team_range r;

	if (!dash || strchr(s, '/') || ip_parse(first, &r.first) || ip_parse(dash + 1, &r.last) ||
	    r.first.family != IP_V4 || r.last.family != IP_V4)
		return refuse(ret_why, str_printf("'%s' is no range; write one like 10.0.0.100-10.0.0.199", s));
	if (ip_number(&r.first) > ip_number(&r.last))
		return refuse(ret_why, str_printf("'%s' ends before it begins", s));
	*ret_range = r;
	return 0;
}

int value_port(const char *s, uint16_t *ret_port, char **ret_why)
{
	uint64_t n;

	if (str_uint(s, 1, PORT_MAX, &n) < 0)
		return refuse(ret_why, str_printf("'%s' is no port; a port is a number from 1 to %d", s, PORT_MAX));
	*ret_port = (uint16_t)n;
	return 0;
}

int value_endpoint(const char *s, char **ret_host, uint16_t *ret_port, char **ret_why)
{
	const char *colon = strrchr(s, ':'), *host = s;
	size_t len = colon ? (size_t)(colon - s) : 0;
	uint16_t port;

	if (len > 1 && s[0] == '[' && s[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (len > 0 && memchr(s, ':', len)) {
		return refuse(ret_why, str_printf("'%s': write an IPv6 address in brackets, like [fd00::9]:80", s));
	}
	if (len == 0)
		return refuse(ret_why, str_printf("'%s' is not a VM or an address with a port, like server:80", s));
	if (value_port(colon + 1, &port, ret_why))
		return -EINVAL;
	*ret_host = str_printf("%.*s", (int)len, host);
	*ret_port = port;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool value_hex(const char *s, uint8_t *buf, size_t size, size_t *ret_len)
{
	bool is_plain = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	size_t n = 0;

	for (s += is_plain ? 2 : 0; n < size; s++) {
		int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);

		if (low < 0)
			return false;
		buf[n++] = (uint8_t)(high << 4 | low);
		s += 2;
		if (!*s) {
			/* One pair without "0x" is rather a number. */
			if (!is_plain && n < 2)
				return false;
			*ret_len = n;
			return true;
		}
		if (is_plain)
			s--;
		else if (*s != ':')
			return false;
	}
	return false;
}
