/* nat/host.c: sockets of the uplink.
 *
 * Used by: nat/nat_*.c, nat/uplink.c.   Depends on: core/loop.h. */
#include "nat/host.h"

#include "core/cleanup.h"
#include "core/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/sock_diag.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

enum { CONTROL_SIZE = 256 };

struct host {
	struct loop *loop;
	uint32_t n; /* sockets */
	bool no_peek_off;
	int probe[2]; /* IPv4, IPv6: never sent with; -1: the host has no such family */
};

struct host_sock {
	struct host *host;
	int fd;
	struct loop_source *source;
	host_event_fn *fn;
	void *ctx;
	size_t peek_at; /* where the next peek begins */
	enum ip_family family;
	bool has_peek_off, dont_fragment;
};

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t to_sockaddr(const struct ip_addr *ip, uint16_t port, union addr *ret)
{
	memset(ret, 0, sizeof *ret);
	if (ip->family == IP_V6) {
		ret->in6.sin6_family = AF_INET6;
		ret->in6.sin6_port = htons(port);
		memcpy(&ret->in6.sin6_addr, ip->b, 16);
		return sizeof ret->in6;
	}
	ret->in.sin_family = AF_INET;
	ret->in.sin_port = htons(port);
	memcpy(&ret->in.sin_addr, ip->b, 4);
	return sizeof ret->in;
}

static socklen_t way_to_sockaddr(const struct host_way *to, union addr *ret)
{
	socklen_t len = to_sockaddr(&to->addr, to->port, ret);

	if (to->addr.family == IP_V6)
		ret->in6.sin6_scope_id = to->scope;
	return len;
}

static void from_sockaddr(const union addr *a, struct ip_addr *ret_ip, uint16_t *ret_port)
{
	*ret_ip = (struct ip_addr){ 0 };
	*ret_port = 0;
	if (a->sa.sa_family == AF_INET6) {
		*ret_ip = (struct ip_addr){ .family = IP_V6, .prefix_len = 128 };
		memcpy(ret_ip->b, &a->in6.sin6_addr, 16);
		*ret_port = ntohs(a->in6.sin6_port);
	} else if (a->sa.sa_family == AF_INET) {
		*ret_ip = (struct ip_addr){ .family = IP_V4, .prefix_len = 32 };
		memcpy(ret_ip->b, &a->in.sin_addr, 4);
		*ret_port = ntohs(a->in.sin_port);
	}
}

/* SYSCALLS(uplink): socket(0 == AF_INET AF_INET6, 1 == SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC) */
static int new_socket(enum ip_family family, int type, int proto)
{
	int fd = socket(family == IP_V6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);

	return fd < 0 ? -errno : fd;
}

/* SYSCALLS(uplink): setsockopt getsockopt */
static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int host_new(struct loop *loop, struct host **ret_host)
{
	struct host *h = calloc(1, sizeof *h);

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->probe[0] = new_socket(IP_V4, SOCK_DGRAM, 0);
	h->probe[1] = new_socket(IP_V6, SOCK_DGRAM, 0);
	*ret_host = h;
	return 0;
}

void host_without_peek_off(struct host *h)
{
	h->no_peek_off = true;
}

struct host *host_free(struct host *h)
{
	if (!h)
		return NULL;
	for (unsigned i = 0; i < 2; i++)
		cleanup_fd(&h->probe[i]);
	free(h);
	return NULL;
}

nsec_t host_now(const struct host *h)
{
	(void)h;
	return clock_now();
}

uint32_t host_sockets(const struct host *h)
{
	return h->n;
}

/* A route to an address of one's own has that address as its source. Addresses beside the first one of their prefix
 * have another source; those are in the list that the policy has. */
bool host_is_own(struct host *h, const struct ip_addr *ip)
{
	int fd = h->probe[ip->family == IP_V6];
	union addr a, none = { .sa.sa_family = AF_UNSPEC };
	socklen_t len = to_sockaddr(ip, 9, &a);
	struct ip_addr own;
	uint16_t port;

	/* SYSCALLS(uplink): connect getsockname */
	if (fd < 0 || connect(fd, &a.sa, len) < 0)
		return false;
	len = sizeof a;
	if (getsockname(fd, &a.sa, &len) < 0)
		a.sa.sa_family = AF_UNSPEC;
	(void)connect(fd, &none.sa, sizeof none.sa);
	from_sockaddr(&a, &own, &port);
	return own.family == ip->family && ip_equal(&own, ip);
}

/* ---- sockets in the loop ------------------------------------------------------ */

static void on_event(void *ctx, int fd, uint32_t events)
{
	struct host_sock *s = ctx;
	unsigned e = 0;

	(void)fd;
	e |= events & EPOLLIN ? HOST_IN : 0;
	e |= events & EPOLLOUT ? HOST_OUT : 0;
	e |= events & (EPOLLERR | EPOLLHUP) ? HOST_ERROR : 0;
	e |= events & (EPOLLRDHUP | EPOLLHUP) ? HOST_END : 0;
	s->fn(s->ctx, e, host_now(s->host));
}

static int watch(struct host *h, int fd, enum ip_family family, uint32_t events, host_event_fn *fn, void *ctx,
		 struct host_sock **ret_sock)
{
	struct host_sock *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	*s = (struct host_sock){ .host = h, .fd = fd, .fn = fn, .ctx = ctx, .family = family };
	r = loop_add_fd(h->loop, fd, events, on_event, s, &s->source);
	if (r < 0) {
		free(s);
		return r;
	}
	h->n++;
	*ret_sock = s;
	return 0;
}

struct host_sock *host_close(struct host_sock *s)
{
	if (!s)
		return NULL;
	/* Out of epoll first: another process may hold the socket's description. */
	s->source = loop_remove(s->source);
	(void)close(s->fd);
	s->host->n--;
	free(s);
	return NULL;
}

enum ip_family host_family(const struct host_sock *s)
{
	return s->family;
}

/* What datagrams tell: TTL, TOS and errors. */
static int set_datagram(int fd, enum ip_family family)
{
	int r;

	if (family == IP_V6) {
		r = set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
		(void)set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
		(void)set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		(void)set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	} else {
		r = set(fd, IPPROTO_IP, IP_RECVERR, 1);
		(void)set(fd, IPPROTO_IP, IP_RECVTTL, 1);
		(void)set(fd, IPPROTO_IP, IP_RECVTOS, 1);
		(void)set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	}
	return r;
}

static int open_datagram(struct host *h, enum ip_family family, int proto, const uint16_t *port, host_event_fn *fn,
			 void *ctx, struct host_sock **ret_sock)
{
	CLEANUP(fd) int fd = new_socket(family, SOCK_DGRAM, proto);
	struct ip_addr any = { .family = family };
	union addr a;
	int r;

	if (fd < 0)
		return fd;
	if (family == IP_V6)
		(void)set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	r = set_datagram(fd, family);
	if (r < 0)
		return r;
	/* SYSCALLS(uplink): bind */
	if (port && bind(fd, &a.sa, to_sockaddr(&any, *port, &a)) < 0 && bind(fd, &a.sa, to_sockaddr(&any, 0, &a)) < 0)
		return -errno;
	r = watch(h, fd, family, EPOLLIN | EPOLLET, fn, ctx, ret_sock);
	if (r == 0)
		(void)take_fd(&fd);
	return r;
}

int host_udp_open(struct host *h, enum ip_family family, uint16_t port, host_event_fn *fn, void *ctx,
		  struct host_sock **ret_sock)
{
	return open_datagram(h, family, 0, &port, fn, ctx, ret_sock);
}

int host_ping_open(struct host *h, enum ip_family family, host_event_fn *fn, void *ctx, struct host_sock **ret_sock)
{
	return open_datagram(h, family, family == IP_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, NULL, fn, ctx, ret_sock);
}

int host_adopt(struct host *h, int fd, host_event_fn *fn, void *ctx, struct host_sock **ret_sock)
{
	int on = 1, type = 0, domain = 0;
	socklen_t len = sizeof type;
	enum ip_family family;

	/* SYSCALLS(uplink): ioctl(1 == FIONBIO FIONREAD) */
	if (ioctl(fd, FIONBIO, &on) < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return -errno;
	if (domain != AF_INET && domain != AF_INET6)
		return -EINVAL;
	family = domain == AF_INET6 ? IP_V6 : IP_V4;
	if (type != SOCK_STREAM)
		(void)set_datagram(fd, family);
	return watch(h, fd, family, EPOLLIN | (type == SOCK_STREAM ? 0 : EPOLLET), fn, ctx, ret_sock);
}

/* ---- datagrams ------------------------------------------------------------------ */

int host_udp_connect(struct host_sock *s, const struct host_way *to)
{
	union addr a;

	return connect(s->fd, &a.sa, way_to_sockaddr(to, &a)) < 0 ? -errno : 0;
}

static void put_cmsg(struct msghdr *m, int level, int type, int value)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)m->msg_control + m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(sizeof value);
	memcpy(CMSG_DATA(c), &value, sizeof value);
	m->msg_controllen += CMSG_SPACE(sizeof value);
}

static void set_fragmenting(struct host_sock *s, bool dont)
{
	if (s->dont_fragment == dont)
		return;
	s->dont_fragment = dont;
	if (s->family == IP_V6)
		(void)set(s->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, dont ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
	else
		(void)set(s->fd, IPPROTO_IP, IP_MTU_DISCOVER, dont ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
}

int host_send(struct host_sock *s, const struct host_way *to, const void *data, size_t len)
{
	_Alignas(struct cmsghdr) char control[CONTROL_SIZE] = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union addr a;
	struct msghdr m = { .msg_name = &a,
			    .msg_namelen = way_to_sockaddr(to, &a),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control };
	bool is6 = s->family == IP_V6;

	set_fragmenting(s, to->dont_fragment);
	put_cmsg(&m, is6 ? IPPROTO_IPV6 : IPPROTO_IP, is6 ? IPV6_HOPLIMIT : IP_TTL, to->ttl ? to->ttl : 64);
	put_cmsg(&m, is6 ? IPPROTO_IPV6 : IPPROTO_IP, is6 ? IPV6_TCLASS : IP_TOS, to->tos);
	/* SYSCALLS(uplink): sendmsg */
	if (sendmsg(s->fd, &m, MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
		return 0;
	/* What failed may have been an earlier datagram: its error is taken by being told. */
	return sendmsg(s->fd, &m, MSG_NOSIGNAL) >= 0 || errno == EAGAIN ? 0 : -errno;
}

static void read_way(struct msghdr *m, struct host_way *way)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int value = 0;

		if (c->cmsg_len < CMSG_LEN(1))
			continue;
		memcpy(&value, CMSG_DATA(c), c->cmsg_len >= CMSG_LEN(sizeof value) ? sizeof value : 1);
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
			way->ttl = (uint8_t)value;
		else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) ||
			 (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS))
			way->tos = (uint8_t)value;
	}
}

/* What comes beside a datagram's bytes, or beside an error's. */
struct received {
	_Alignas(struct cmsghdr) char control[2 * CONTROL_SIZE];
	struct iovec iov;
	union addr addr;
	struct msghdr m;
};

/* recvmsg(2) with @flags. Returns the length or -errno. */
static ssize_t receive(struct host_sock *s, void *buf, size_t size, int flags, struct received *r)
{
	ssize_t n;

	r->iov = (struct iovec){ .iov_base = buf, .iov_len = size };
	r->addr = (union addr){ 0 };
	r->m = (struct msghdr){ .msg_name = &r->addr,
				.msg_namelen = sizeof r->addr,
				.msg_iov = &r->iov,
				.msg_iovlen = 1,
				.msg_control = r->control,
				.msg_controllen = sizeof r->control };
	/* SYSCALLS(uplink): recvmsg */
	n = recvmsg(s->fd, &r->m, flags);
	return n < 0 ? -errno : n;
}

ssize_t host_recv(struct host_sock *s, void *buf, size_t size, struct host_way *ret_from)
{
	struct host_way way = { 0 };
	struct received in;
	ssize_t n = receive(s, buf, size, 0, &in);

	if (n < 0)
		return n;
	read_way(&in.m, &way);
	from_sockaddr(&in.addr, &way.addr, &way.port);
	*ret_from = way;
	return n;
}

static bool read_queued(struct msghdr *m, enum ip_family family, struct icmp_queued *q)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct sock_extended_err ee;
		union addr a = { 0 };
		size_t have;
		uint16_t port;

		if (!((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		      (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) ||
		    c->cmsg_len < CMSG_LEN(sizeof ee))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof ee);
		have = c->cmsg_len - CMSG_LEN(sizeof ee);
		memcpy(&a, CMSG_DATA(c) + sizeof ee, have < sizeof a ? have : sizeof a);
		*q = (struct icmp_queued){ .family = family,
					   .origin = ee.ee_origin,
					   .type = ee.ee_type,
					   .code = ee.ee_code,
					   .error = ee.ee_errno,
					   .info = ee.ee_info };
		if (ee.ee_origin == SO_EE_ORIGIN_ICMP || ee.ee_origin == SO_EE_ORIGIN_ICMP6)
			from_sockaddr(&a, &q->offender, &port);
		return true;
	}
	return false;
}

int host_recv_error(struct host_sock *s, void *buf, size_t size, struct host_error *ret_error)
{
	struct host_error e = { 0 };
	struct received in;
	ssize_t n = receive(s, buf, size, MSG_ERRQUEUE, &in);

	if (n < 0)
		return (int)n;
	if (!read_queued(&in.m, s->family, &e.queued))
		return -EPROTO;
	from_sockaddr(&in.addr, &e.to, &e.port);
	e.len = (size_t)n;
	*ret_error = e;
	return 0;
}

/* ---- TCP -------------------------------------------------------------------------- */

/* Where peeks begin at 0 and go on by themselves: Linux 3.4 has it for others, 6.9 for TCP. */
static void use_peek_off(struct host_sock *s)
{
	s->has_peek_off = !s->host->no_peek_off && set(s->fd, SOL_SOCKET, SO_PEEK_OFF, 0) == 0;
}

int host_connect(struct host *h, const struct host_way *to, host_event_fn *fn, void *ctx, struct host_sock **ret_sock)
{
	CLEANUP(fd) int fd = new_socket(to->addr.family, SOCK_STREAM, 0);
	bool is6 = to->addr.family == IP_V6;
	union addr a;
	int r;

	if (fd < 0)
		return fd;
	(void)set(fd, is6 ? IPPROTO_IPV6 : IPPROTO_IP, is6 ? IPV6_RECVERR : IP_RECVERR, 1);
	(void)set(fd, is6 ? IPPROTO_IPV6 : IPPROTO_IP, is6 ? IPV6_UNICAST_HOPS : IP_TTL, to->ttl ? to->ttl : 64);
	(void)set(fd, is6 ? IPPROTO_IPV6 : IPPROTO_IP, is6 ? IPV6_TCLASS : IP_TOS, to->tos & ~3);
	(void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, &a.sa, way_to_sockaddr(to, &a)) < 0 && errno != EINPROGRESS)
		return -errno;
	r = watch(h, fd, to->addr.family, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, fn, ctx, ret_sock);
	if (r < 0)
		return r;
	(void)take_fd(&fd);
	use_peek_off(*ret_sock);
	return 0;
}

int host_accept(struct host_sock *listener, host_event_fn *fn, void *ctx, struct host_sock **ret_sock,
		struct host_way *ret_from)
{
	union addr a = { 0 };
	socklen_t len = sizeof a;
	/* SYSCALLS(uplink): accept4 */
	CLEANUP(fd) int fd = accept4(listener->fd, &a.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct host_way from = { 0 };
	int r;

	if (fd < 0)
		return -errno;
	from_sockaddr(&a, &from.addr, &from.port);
	(void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	r = watch(listener->host, fd, from.addr.family, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, fn, ctx, ret_sock);
	if (r < 0)
		return r;
	(void)take_fd(&fd);
	use_peek_off(*ret_sock);
	*ret_from = from;
	return 0;
}

int host_result(struct host_sock *s)
{
	int error = 0;
	socklen_t len = sizeof error;

	return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

size_t host_unread(struct host_sock *s)
{
	int n = 0;

	return ioctl(s->fd, FIONREAD, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

bool host_peeks_anywhere(const struct host_sock *s)
{
	return s->has_peek_off;
}

int host_peek(struct host_sock *s, size_t offset, void *buf, size_t len)
{
	static char before[HOST_PEEK_MAX];
	struct iovec iov[2] = { { before, offset }, { buf, len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t want = len;
	ssize_t n;

	if (s->has_peek_off) {
		if (s->peek_at != offset && set(s->fd, SOL_SOCKET, SO_PEEK_OFF, (int)offset) < 0)
			return -EAGAIN;
		m.msg_iov = iov + 1;
		m.msg_iovlen = 1;
		s->peek_at = offset;
	} else if (offset > sizeof before) {
		return -EAGAIN;
	} else {
		want += offset;
	}
	n = recvmsg(s->fd, &m, MSG_PEEK);
	if (n > 0 && s->has_peek_off)
		s->peek_at += (size_t)n;
	return n == (ssize_t)want ? 0 : -EAGAIN;
}

void host_consume(struct host_sock *s, size_t len)
{
	/* SYSCALLS(uplink): recvfrom */
	while (len) {
		ssize_t n = recv(s->fd, NULL, len, MSG_TRUNC);

		if (n <= 0)
			return;
		len -= (size_t)n;
		s->peek_at -= s->peek_at < (size_t)n ? s->peek_at : (size_t)n;
	}
}

ssize_t host_write(struct host_sock *s, const void *data, size_t len, bool more)
{
	/* SYSCALLS(uplink): sendto */
	ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

/* tcp(7): setting TCP_NODELAY, though it is set, sends what waits. */
void host_push(struct host_sock *s)
{
	(void)set(s->fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

size_t host_room(struct host_sock *s, bool *ret_is_queued)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof info;
	uint32_t size, used;

	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return 0;
	size = info[SK_MEMINFO_SNDBUF];
	used = info[SK_MEMINFO_WMEM_QUEUED];
	*ret_is_queued = used != 0;
	/* A quarter goes to the heads of the kernel's buffers. */
	return used < size ? (size - used) / 4 * 3 : 0;
}

void host_shutdown(struct host_sock *s)
{
	/* SYSCALLS(uplink): shutdown */
	(void)shutdown(s->fd, SHUT_WR);
}

void host_reset(struct host_sock *s)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}
