/* tests/dhcp/capture.h: what a test's servers send, as frames in a capture, to be judged by other programs.
 *
 *	MUSTER_CAPTURE=/tmp/v6.pcap CK_FORK=no build/tests/dhcp/check_dhcp6
 *	tshark -r /tmp/v6.pcap -Y _ws.malformed -T fields -e frame.number      prints nothing */
#ifndef MUSTER_TESTS_DHCP_CAPTURE_H
#define MUSTER_TESTS_DHCP_CAPTURE_H

#include "core/addr.h"

#include <stddef.h>
#include <stdint.h>

/* Appends one frame from fe80::1 when MUSTER_CAPTURE names a file; else nothing. */
void capture_udp(const struct ip_addr *to, uint16_t from_port, uint16_t to_port, const void *payload, size_t len);
void capture_icmp(const struct ip_addr *to, uint8_t type, uint32_t rest, const void *payload, size_t len);

#endif
