/* dhcp/dhcp4_value.c: domain names, search lists and classless routes in DHCPv4 options.
 *
 * A pointer of a compressed name leads to before the place where the run of labels it ends began. So each jump
 * goes strictly back, and reading ends however the pointers are laid.
 *
 * Used by: dhcp/dhcp4.c, dhcp/dhcp6.c, dhcp/ra.c.   Depends on: core/wire.h.
 * Sources: RFC 1035 §3.1, §4.1.4; RFC 3397 §2; RFC 3442; RFC 4702 §2.1, §2.3. */
#include "dhcp/dhcp4_value.h"

#include "core/wire.h"

#include <strings.h>

enum { POINTER = 0xC0, POINTER_MAX = 0x3FFF, FQDN_HEAD = 3, FQDN_WIRE_FORM = 0x04 };

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool dhcp4_is_name(const char *name)
{
	size_t label = 0, len = 0;

	for (;; len++) {
		char c = name[len];

		if (c && c != '.') {
			if (!is_name_char(c) || (c == '-' && label == 0) || ++label > DHCP4_LABEL_MAX)
				return false;
			continue;
		}
		if (label == 0 || name[len - 1] == '-')
			return false;
		if (!c)
			return len <= DHCP4_NAME_SIZE - 3;
		label = 0;
	}
}

/* The place of an earlier name in @buf that reads as @text, from whole labels; -1 when there is none. */
static int find_suffix(const uint8_t *buf, size_t len, const char *text)
{
	char found[DHCP4_NAME_SIZE];

	for (size_t at = 0; at < len && at <= POINTER_MAX;) {
		size_t end = at;

		if ((buf[at] & POINTER) == POINTER) {
			at += 2;
			continue;
		}
		if (buf[at] && dhcp4_name_read(buf, len, true, &end, found) && strcasecmp(found, text) == 0)
			return (int)at;
		at += 1u + buf[at];
	}
	return -1;
}

static void put_name(struct wire_writer *w, const char *text, bool compressed)
{
	size_t known = wire_put_len(w); /* whole names only */

	while (*text) {
		int at = compressed ? find_suffix(w->base, known, text) : -1;
		size_t label = strcspn(text, ".");

		if (at >= 0) {
			wire_put_be16(w, (uint16_t)(POINTER << 8 | at));
			return;
		}
		wire_put_u8(w, (uint8_t)label);
		wire_put_bytes(w, text, label);
		text += label + (text[label] == '.');
	}
	wire_put_u8(w, 0);
}

static size_t put_names(const char *const *names, size_t n_names, bool compressed, uint8_t *buf, size_t size)
{
	struct wire_writer w = wire_write_to(buf, size);

	for (size_t i = 0; i < n_names; i++) {
		if (!dhcp4_is_name(names[i]))
			return 0;
		put_name(&w, names[i], compressed);
	}
	return w.failed ? 0 : wire_put_len(&w);
}

size_t dhcp4_search_write(const char *const *names, size_t n_names, uint8_t *buf, size_t size)
{
	return put_names(names, n_names, true, buf, size);
}

size_t dhcp4_names_write(const char *const *names, size_t n_names, uint8_t *buf, size_t size)
{
	return put_names(names, n_names, false, buf, size);
}

bool dhcp4_name_read(const uint8_t *buf, size_t len, bool compressed, size_t *at, char text[DHCP4_NAME_SIZE])
{
	size_t p = *at, run = *at, end = 0, n = 0;

	for (;;) {
		size_t label;

		if (p >= len)
			return false;
		label = buf[p++];
		if ((label & POINTER) == POINTER) {
			if (!compressed || p >= len)
				return false;
			end = end ? end : p + 1;
			p = (label & ~(size_t)POINTER) << 8 | buf[p];
			if (p >= run)
				return false;
			run = p;
			continue;
		}
		if (label == 0)
			break;
		if (label > DHCP4_LABEL_MAX || label > len - p || n + label + 1 > DHCP4_NAME_SIZE - 2)
			return false;
		if (n)
			text[n++] = '.';
		memcpy(text + n, buf + p, label);
		n += label;
		p += label;
	}
	text[n] = 0;
	if (memchr(text, 0, n))
		return false;
	*at = end ? end : p;
	return true;
}

bool dhcp4_fqdn_read(const uint8_t *option, size_t len, char text[DHCP4_NAME_SIZE])
{
	size_t at = FQDN_HEAD;

	if (len <= FQDN_HEAD)
		return false;
	if (option[0] & FQDN_WIRE_FORM) {
		/* A name without its last zero is a partial one (RFC 4702 §2.3.1). */
		uint8_t whole[DHCP4_NAME_SIZE];

		if (len - FQDN_HEAD >= sizeof whole)
			return false;
		memcpy(whole, option + FQDN_HEAD, len - FQDN_HEAD);
		whole[len - FQDN_HEAD] = 0;
		at = 0;
		return dhcp4_name_read(whole, len - FQDN_HEAD + 1, false, &at, text) && dhcp4_is_name(text);
	}
	if (len - at >= DHCP4_NAME_SIZE || memchr(option + at, 0, len - at))
		return false;
	memcpy(text, option + at, len - at);
	text[len - at] = 0;
	return dhcp4_is_name(text);
}

size_t dhcp4_routes_write(const struct dhcp4_route *routes, size_t n_routes, uint8_t *buf, size_t size)
{
	struct wire_writer w = wire_write_to(buf, size);

	for (size_t i = 0; i < n_routes; i++) {
		uint8_t to[4];

		if (routes[i].prefix_len > 32)
			return 0;
		store_be32(to, routes[i].to);
		wire_put_u8(&w, routes[i].prefix_len);
		wire_put_bytes(&w, to, (routes[i].prefix_len + 7u) / 8);
		wire_put_be32(&w, routes[i].via);
	}
	return w.failed ? 0 : wire_put_len(&w);
}

int dhcp4_routes_read(const uint8_t *option, size_t len, struct dhcp4_route *ret_routes, size_t max)
{
	struct wire_reader r = wire_read_from(option, len);
	size_t n = 0;

	while (r.left) {
		struct dhcp4_route route = { .prefix_len = wire_get_u8(&r) };
		uint8_t to[4] = { 0 };
		const uint8_t *p;

		if (route.prefix_len > 32 || n == max)
			return -1;
		p = wire_get(&r, (route.prefix_len + 7u) / 8);
		if (p)
			memcpy(to, p, (route.prefix_len + 7u) / 8);
		route.to = load_be32(to);
		route.via = wire_get_be32(&r);
		if (r.failed)
			return -1;
		ret_routes[n++] = route;
	}
	return (int)n;
}
