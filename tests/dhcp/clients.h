/* tests/dhcp/clients.h: messages as real clients write them, and a writer of messages for tests. */
#ifndef MUSTER_TESTS_DHCP_CLIENTS_H
#define MUSTER_TESTS_DHCP_CLIENTS_H

#include "dhcp/dhcp4_msg.h"

#include <stddef.h>
#include <stdint.h>

/* A message: the fixed fields that differ, and the bytes behind the cookie as they stand. */
struct client_msg {
	const char *name;
	uint32_t xid, ciaddr, giaddr;
	uint16_t flags;
	uint8_t mac[6];
	const uint8_t *options;
	size_t options_len;
};

/* The options of a literal; "" "" parts keep hexadecimal escapes apart. */
#define OPTIONS(text) .options = (const uint8_t *)(text), .options_len = sizeof(text) - 1

/* DISCOVERs of udhcpc 1.35, dhclient 4.4, dhcpcd 9.4, systemd-networkd 252, iPXE 1.21, EDK2 (PXE and HTTP boot),
 * option by option as these programs order them. */
enum client_kind {
	CLIENT_UDHCPC,
	CLIENT_DHCLIENT,
	CLIENT_DHCPCD,
	CLIENT_NETWORKD,
	CLIENT_IPXE,
	CLIENT_EDK2,
	CLIENT_EDK2_HTTP,
	CLIENT_KIND_COUNT
};
extern const struct client_msg client_discovers[CLIENT_KIND_COUNT];

/* Writes @m, padded with zeros to @min. @buf: at least 240 + its options, and @min. Returns the length. */
size_t client_bytes(const struct client_msg *m, size_t min, uint8_t *buf);

#endif
