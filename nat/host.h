/* nat/host.h: the host's sockets, as the NAT uses them: the one place where it makes system calls or reads the clock.
 *
 * Everything is non-blocking. A socket's owner is told of events edge by edge, so data that nobody can take yet
 * wakes nobody again. Fuzz harnesses link another implementation of this header, without sockets.
 *
 * Datagrams carry their TTL and TOS with each send (cmsg), so a flow costs no setsockopt(); only a change of
 * "don't fragment" does. Errors from outside stand in the socket's error queue (IP_RECVERR).
 *
 * TCP data for a guest stays in the socket until the guest acknowledged it: it is peeked. With SO_PEEK_OFF a peek costs
 * the same at any place; without it the bytes before are copied once more, so no more than HOST_PEEK_MAX are offered.
 *
 * Used by: nat/nat_*.c, nat/uplink.c.   Depends on: core/addr.h, core/loop.h, nat/icmp.h.
 * Sources: ip(7), ipv6(7), tcp(7), udp(7), socket(7); RFC 4787 §4.2. */
#ifndef MUSTER_NAT_HOST_H
#define MUSTER_NAT_HOST_H

#include "core/addr.h"
#include "core/clock.h"
#include "nat/icmp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HOST_IN = 1, HOST_OUT = 2, HOST_ERROR = 4, HOST_END = 8 }; /* END: the other side sends no more */
enum { HOST_PEEK_MAX = 256 << 10 };

struct host;
struct host_sock; /* a socket and its place in the loop; ends with host_close() */
struct loop;

typedef void host_event_fn(void *ctx, unsigned events, nsec_t now);

/* A datagram's other side, and how it travels. */
struct host_way {
	struct ip_addr addr;
	uint16_t port; /* of ICMP: none */
	uint32_t scope; /* where one sends to a link-local IPv6 address: the interface; 0: none */
	uint8_t ttl; /* of a received one: 0: not known */
	uint8_t tos;
	bool dont_fragment; /* when sent */
};

struct host_error {
	struct icmp_queued queued;
	struct ip_addr to; /* where the datagram went; IP_NONE: not known */
	uint16_t port;
	size_t len; /* bytes of it that are known */
};

/* @loop: borrowed. Returns 0 or -errno. */
int host_new(struct loop *loop, struct host **ret_host);
/* Sockets that are opened from now on peek from their begin, as on a kernel without SO_PEEK_OFF for TCP. */
void host_without_peek_off(struct host *h);
struct host *host_free(struct host *h); /* accepts NULL; returns NULL; its sockets were closed before */
nsec_t host_now(const struct host *h);
uint32_t host_sockets(const struct host *h); /* open ones */
/* True when the host's own routes say that @ip is its own. @ip: of any kind. */
bool host_is_own(struct host *h, const struct ip_addr *ip);

/* Each returns 0 or -errno. */
int host_udp_open(struct host *h, enum ip_family family, uint16_t port, host_event_fn *fn, void *ctx,
		  struct host_sock **ret_sock); /* bound to @port, or to another one where it is taken */
int host_ping_open(struct host *h, enum ip_family family, host_event_fn *fn, void *ctx, struct host_sock **ret_sock);
/* Connects; HOST_OUT or HOST_ERROR tells the end. */
int host_connect(struct host *h, const struct host_way *to, host_event_fn *fn, void *ctx, struct host_sock **ret_sock);
/* Takes over a descriptor that was opened elsewhere: a listener, a bound UDP socket, a raw socket. On failure
 * it stays the caller's. */
int host_adopt(struct host *h, int fd, host_event_fn *fn, void *ctx, struct host_sock **ret_sock);
/* -EAGAIN: nobody waits. */
int host_accept(struct host_sock *listener, host_event_fn *fn, void *ctx, struct host_sock **ret_sock,
		struct host_way *ret_from);
struct host_sock *host_close(struct host_sock *s); /* accepts NULL; returns NULL */
enum ip_family host_family(const struct host_sock *s);

/* Has a UDP socket take datagrams from @to alone. Returns 0 or -errno. */
int host_udp_connect(struct host_sock *s, const struct host_way *to);
/* Sends. A pending error of an earlier datagram does not lose this one: it is tried twice. Returns 0 or -errno. */
int host_send(struct host_sock *s, const struct host_way *to, const void *data, size_t len);
/* Returns the length, or -errno; -EAGAIN when there is none. */
ssize_t host_recv(struct host_sock *s, void *buf, size_t size, struct host_way *ret_from);
/* Takes an entry of the error queue. @buf: the begin of what was sent. Returns 0; -EAGAIN: it is empty; -errno. */
int host_recv_error(struct host_sock *s, void *buf, size_t size, struct host_error *ret_error);

/* ---- TCP ---------------------------------------------------------------------- */

int host_result(struct host_sock *s); /* takes the socket's error: 0 or -errno */
/* Bytes that wait, the ones that were peeked included. */
size_t host_unread(struct host_sock *s);
/* True when what host_unread() says may be offered beyond HOST_PEEK_MAX. */
bool host_peeks_anywhere(const struct host_sock *s);
/* Reads exactly @len bytes from @offset on without taking them. Returns 0; -EAGAIN when they are not there. */
int host_peek(struct host_sock *s, size_t offset, void *buf, size_t len);
void host_consume(struct host_sock *s, size_t len);
/* Returns how many bytes were taken; less than @len: HOST_OUT comes when there is room. -errno.
 * @more: a segment that is not full waits for the next host_write(), or for host_push(). */
ssize_t host_write(struct host_sock *s, const void *data, size_t len, bool more);
/* Sends what a host_write() with @more left waiting. */
void host_push(struct host_sock *s);
/* Bytes that would be taken now. @ret_is_queued: some wait to be acknowledged by the other side. */
size_t host_room(struct host_sock *s, bool *ret_is_queued);
void host_shutdown(struct host_sock *s); /* sends FIN */
void host_reset(struct host_sock *s); /* host_close() sends RST */

#endif
