/* dhcp/dhcp4_value.h: the values of DHCPv4 options that are more than numbers: domain names, search lists,
 * classless routes.
 *
 * Source: RFC 1035 §3.1, §4.1.4; RFC 3397; RFC 3442; RFC 4702. */
#ifndef MUSTER_DHCP_DHCP4_VALUE_H
#define MUSTER_DHCP_DHCP4_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DHCP4_NAME_SIZE = 256, /* a domain name as text, with its NUL: RFC 1035 §2.3.4 allows 253 */
	DHCP4_LABEL_MAX = 63,
	DHCP4_ROUTE_SIZE = 9 /* the longest encoding of one route */
};

struct dhcp4_route {
	uint32_t to, via; /* host order; via 0: on the link */
	uint8_t prefix_len; /* 0 to 32; 0: the default route */
};

/* True when @name is a host name of the given text: labels of letters, digits, "-" and "_", 1 to 63 long, not
 * beginning or ending with "-", 253 in all, with dots between. Source: RFC 1123 §2.1. */
bool dhcp4_is_name(const char *name);

/* A search list (option 119), equal ends of names written once. Returns its length; 0 when a name is none or
 * @size is too small. */
size_t dhcp4_search_write(const char *const *names, size_t n_names, uint8_t *buf, size_t size);

/* Names one behind the other, none compressed, as IPv6's options have them (RFC 8415 §10, RFC 8106 §5.2). Returns
 * the length; 0 when a name is none or @size is too small. */
size_t dhcp4_names_write(const char *const *names, size_t n_names, uint8_t *buf, size_t size);

/* Reads the name at *@at of @buf as text; a pointer may lead to before its own place only.
 * @compressed: pointers are allowed. Moves *@at behind the name. False, with *@at as it was, when it is cut off,
 * a label is too long or has a NUL, a pointer does not lead back, or the text has more than 253 bytes. */
bool dhcp4_name_read(const uint8_t *buf, size_t len, bool compressed, size_t *at, char text[DHCP4_NAME_SIZE]);

/* The host name of option 81, either encoding, checked by dhcp4_is_name(). False when it is none. */
bool dhcp4_fqdn_read(const uint8_t *option, size_t len, char text[DHCP4_NAME_SIZE]);

/* Classless routes (option 121). Returns the length; 0 when @size is too small or a prefix is longer than 32. */
size_t dhcp4_routes_write(const struct dhcp4_route *routes, size_t n_routes, uint8_t *buf, size_t size);
/* Reads at most @max. Returns their number; -1 when the option is malformed or has more. */
int dhcp4_routes_read(const uint8_t *option, size_t len, struct dhcp4_route *ret_routes, size_t max);

#endif
