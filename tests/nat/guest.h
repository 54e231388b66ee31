/* tests/nat/guest.h: a guest before a real uplink: its process in its cell, in a network namespace of the test's own.
 *
 * The loopback has 10.99.0.1 to 10.99.0.3 and fd99::1. Network 0 reaches them (host_loopback), network 1 does not.
 * The guest is 10.5.0.2 and fd05::2 in both. Waits are for what must come, at most PATIENCE_MS. */
#ifndef MUSTER_TESTS_NAT_GUEST_H
#define MUSTER_TESTS_NAT_GUEST_H

#include "core/packet.h"
#include "nat/tcp.h"

#include <jansson.h>
#include <stdbool.h>

enum { PATIENCE_MS = 20000, GUEST_MTU = 1500, GUEST_CONNS = 8 };

/* A TCP connection of the guest. */
struct guest_conn {
	struct tcp_conn conn;
	bool is_used, fin;
	struct ip_addr guest, remote;
	uint16_t guest_port, remote_port, network;
	const uint8_t *out; /* what it sends, from @out_at on */
	size_t out_len, out_at;
	uint8_t *in;
	size_t in_len, in_size;
	unsigned events; /* a bit for each enum tcp_event */
};

enum guest_kind {
	GUEST_PLAIN,
	GUEST_RAW, /* the uplink has raw ICMP sockets, and the host no ping sockets */
	GUEST_NO_PEEK_OFF, /* the host's kernel has no SO_PEEK_OFF for TCP */
};

/* Returns false when the host allows no network namespace: the test is skipped, and says so. */
bool guest_setup(enum guest_kind kind);
void guest_teardown(void);

struct ip_addr guest_ip(const char *text);
int guest_uplink_pid(void);

void guest_send_udp(unsigned network, const char *dst, uint16_t src_port, uint16_t dst_port, uint8_t ttl,
		    const void *data, size_t len);
void guest_send_echo(const char *dst, uint16_t id, uint16_t seq, uint8_t ttl);
void guest_send_ip(unsigned network, const uint8_t *ip, size_t len);
void guest_send_lease(const char *mac, const char *ip, bool is_known);

/* The next IP packet for the guest that is no TCP; its bytes live until the next call. NULL: none came in time. */
const struct packet *guest_next(unsigned network);
/* True when something is there now. */
bool guest_has(unsigned network);
/* Frames that are sent from now on are seen by the uplink in one go, when @held is false again. */
void guest_hold(bool held);

struct guest_conn *guest_connect(unsigned network, const char *dst, uint16_t src_port, uint16_t dst_port);
/* Takes the next connection from outside to @port. */
void guest_listen(uint16_t port);
struct guest_conn *guest_accepted(void); /* NULL: none */
void guest_pump(int timeout_ms); /* serves the rings and timers once */
#define GUEST_WAIT(cond)                                                                    \
	do {                                                                                \
		nsec_t until_ = clock_now() + PATIENCE_MS * NSEC_PER_MSEC;                  \
		bool came_;                                                                 \
                                                                                            \
		while (!(came_ = (cond)) && clock_now() < until_)                           \
			guest_pump(2);                                                      \
		ck_assert_msg(came_, "%s:%d: did not come: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/* Asks the uplink. @fd: -1: none. The caller owns the answer. */
json_t *guest_ask(json_t *request, int fd);
json_int_t guest_counter(const char *name);

/* Sockets of the outside, non-blocking. */
int outside_udp(const char *ip, uint16_t port);
int outside_listen(const char *ip, uint16_t port);

#endif
