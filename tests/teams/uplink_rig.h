/* tests/teams/uplink_rig.h: a real uplink with parts, in its cell, in a network namespace of the test's own; the test is
 * its station.
 *
 * The loopback has 10.99.0.1 to 10.99.0.3, and ::1. The service addresses of network N are 10.5.N.1 and fd05:N::1, and
 * its guest is 10.5.N.2 and fd05:N::2. */
#ifndef MUSTER_TESTS_TEAMS_UPLINK_RIG_H
#define MUSTER_TESTS_TEAMS_UPLINK_RIG_H

#include "core/packet.h"
#include "nat/message.h"
#include "nat/part.h"

#include <stdbool.h>

enum { UPLINK_PATIENCE_MS = 20000, UPLINK_RIG_MTU = 1500 };

/* Returns false when the host allows no network namespace: the test is skipped, and says so. Then begin. */
bool uplink_rig_enter(void);
/* Folders that the cell leaves readable; before it begins. @folders: borrowed. */
void uplink_rig_folders(const int *folders, size_t n);
void uplink_rig_begin(const struct part *parts, size_t n_parts, uint16_t n_networks);
void uplink_rig_end(void);

struct ip_addr uplink_rig_ip(const char *text);
/* A socket of the outside, bound; non-blocking. */
int uplink_rig_udp(const char *ip, uint16_t port);
int uplink_rig_listen(const char *ip, uint16_t port);
/* Waits until @fd can be read. False: it cannot in @ms. */
bool uplink_rig_wait(int fd, int ms);

void uplink_rig_query(uint16_t network, uint64_t source, uint64_t token, bool is_tcp, const uint8_t *msg, size_t len);
/* The next answer of @network; its bytes live until the next call. False: none came in @ms. */
bool uplink_rig_answer(uint16_t network, struct message *ret, int ms);

/* A datagram of the guest for @dst. */
void uplink_rig_send(uint16_t network, const char *dst, uint16_t src_port, uint16_t dst_port, const void *data,
		     size_t len);
/* The next IP packet for the guest; its bytes live until the next call. NULL: none came in @ms. */
const struct packet *uplink_rig_packet(uint16_t network, int ms);

/* A counter of a part. */
json_int_t uplink_rig_counter(const char *part, const char *name);

#endif
