/* tests/fuzz/nat_host.c: a host whose sockets do what the input says.
 *
 * What comes from outside comes mostly from where something was sent, so that filters let it in. */
#include "tests/fuzz/nat_host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct host {
	struct host_sock *first;
	uint32_t n;
};

struct host_sock {
	struct host_sock *next;
	struct host *host;
	host_event_fn *fn;
	void *ctx;
	enum ip_family family;
	struct host_way last; /* where something went last */
	size_t unread;
	unsigned n_given; /* since it was fired */
};

struct nat_host_input nat_host_input;

uint8_t nat_host_byte(void)
{
	if (!nat_host_input.left)
		return 0;
	nat_host_input.left--;
	return *nat_host_input.p++;
}

int host_new(struct loop *loop, struct host **ret_host)
{
	(void)loop;
	*ret_host = calloc(1, sizeof **ret_host);
	return *ret_host ? 0 : -ENOMEM;
}

struct host *host_free(struct host *h)
{
	if (h && (h->n || h->first))
		abort();
	free(h);
	return NULL;
}

nsec_t host_now(const struct host *h)
{
	(void)h;
	abort();
}

uint32_t host_sockets(const struct host *h)
{
	return h->n;
}

bool host_is_own(struct host *h, const struct ip_addr *ip)
{
	(void)h;
	return ip->b[0] == 99;
}

static int open_sock(struct host *h, enum ip_family family, host_event_fn *fn, void *ctx, struct host_sock **ret_sock)
{
	struct host_sock *s;

	if (nat_host_byte() == 255)
		return -EMFILE;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	*s = (struct host_sock){ .next = h->first, .host = h, .fn = fn, .ctx = ctx, .family = family };
	h->first = s;
	h->n++;
	*ret_sock = s;
	return 0;
}

int host_udp_open(struct host *h, enum ip_family family, uint16_t port, host_event_fn *fn, void *ctx,
		  struct host_sock **ret_sock)
{
	(void)port;
	return open_sock(h, family, fn, ctx, ret_sock);
}

int host_ping_open(struct host *h, enum ip_family family, host_event_fn *fn, void *ctx, struct host_sock **ret_sock)
{
	return open_sock(h, family, fn, ctx, ret_sock);
}

int host_connect(struct host *h, const struct host_way *to, host_event_fn *fn, void *ctx, struct host_sock **ret_sock)
{
	static const int errors[] = { ENETUNREACH, EACCES, ECONNREFUSED, EHOSTUNREACH };
	uint8_t b = nat_host_byte();
	int r = b >= 252 ? -errors[b - 252] : open_sock(h, to->addr.family, fn, ctx, ret_sock);

	if (r == 0)
		(*ret_sock)->last = *to;
	return r;
}

int host_adopt(struct host *h, int fd, host_event_fn *fn, void *ctx, struct host_sock **ret_sock)
{
	return open_sock(h, fd & 1 ? IP_V6 : IP_V4, fn, ctx, ret_sock);
}

static struct ip_addr some_address(enum ip_family family)
{
	struct ip_addr a = { .family = family, .prefix_len = family == IP_V6 ? 128 : 32 };

	a.b[0] = family == IP_V6 ? 0x20 : 8;
	a.b[3] = nat_host_byte() & 3;
	if (family == IP_V4 && a.b[3] == 3)
		memcpy(a.b, "\x7f\0\0\1", 4);
	return a;
}

int host_accept(struct host_sock *listener, host_event_fn *fn, void *ctx, struct host_sock **ret_sock,
		struct host_way *ret_from)
{
	int r = listener->n_given++ < (nat_host_byte() & 3) ?
			open_sock(listener->host, listener->family, fn, ctx, ret_sock) :
			-EAGAIN;

	if (r == 0)
		*ret_from = (struct host_way){ .addr = some_address(listener->family), .port = nat_host_byte() };
	return r;
}

struct host_sock *host_close(struct host_sock *s)
{
	struct host_sock **at;

	if (!s)
		return NULL;
	for (at = &s->host->first; *at != s;)
		at = &(*at)->next;
	*at = s->next;
	s->host->n--;
	free(s);
	return NULL;
}

enum ip_family host_family(const struct host_sock *s)
{
	return s->family;
}

int host_send(struct host_sock *s, const struct host_way *to, const void *data, size_t len)
{
	static const int errors[] = { EMSGSIZE, ENETUNREACH, EPERM, ENOBUFS };
	uint8_t b = nat_host_byte();
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < len; i++) /* all of it may be read */
		sum = (uint8_t)(sum ^ ((const uint8_t *)data)[i]);
	s->last = *to;
	return b >= 252 ? -errors[b - 252] : 0;
}

ssize_t host_recv(struct host_sock *s, void *buf, size_t size, struct host_way *ret_from)
{
	uint8_t b = nat_host_byte();
	size_t len = (size_t)b * (nat_host_byte() & 31);

	if (s->n_given++ >= 4 || !b)
		return -EAGAIN;
	if (b == 255)
		return -ECONNREFUSED;
	len = len < size ? len : size;
	memset(buf, b, len);
	for (size_t i = 0; i < len && i < 64 && nat_host_input.left; i++)
		((uint8_t *)buf)[i] = nat_host_byte();
	*ret_from = s->last;
	if ((b & 7) == 0 || !s->last.addr.family)
		ret_from->addr = some_address(s->family);
	ret_from->port = b & 8 ? b : s->last.port;
	ret_from->ttl = b;
	return (ssize_t)len;
}

int host_recv_error(struct host_sock *s, void *buf, size_t size, struct host_error *ret_error)
{
	uint8_t b = nat_host_byte();

	if (s->n_given++ >= 4 || !b || size < 64)
		return -EAGAIN;
	memset(buf, b, 64);
	*ret_error = (struct host_error){ .queued = { .family = s->family,
						      .origin = b & 3,
						      .type = nat_host_byte(),
						      .code = nat_host_byte(),
						      .error = nat_host_byte(),
						      .info = (uint32_t)nat_host_byte() << 8,
						      .offender = some_address(s->family) },
					  .to = s->last.addr,
					  .port = s->last.port,
					  .len = b & 63 };
	return 0;
}

int host_result(struct host_sock *s)
{
	static const int errors[] = { ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT, ECONNRESET };
	uint8_t b = nat_host_byte();

	(void)s;
	return b >= 252 ? -errors[b - 252] : 0;
}

size_t host_unread(struct host_sock *s)
{
	s->unread += (size_t)nat_host_byte() << 8;
	return s->unread;
}

bool host_peeks_anywhere(const struct host_sock *s)
{
	return s->family == IP_V4;
}

int host_peek(struct host_sock *s, size_t offset, void *buf, size_t len)
{
	if (offset + len > s->unread)
		return -EAGAIN;
	memset(buf, 'd', len);
	return 0;
}

void host_consume(struct host_sock *s, size_t len)
{
	if (len > s->unread)
		abort();
	s->unread -= len;
}

ssize_t host_write(struct host_sock *s, const void *data, size_t len, bool more)
{
	uint8_t b = nat_host_byte();

	(void)s;
	(void)data;
	return b == 255 ? -EPIPE : b > 200 ? (ssize_t)(len / 2) : (ssize_t)len;
}

void host_push(struct host_sock *s)
{
	(void)s;
}

size_t host_room(struct host_sock *s, bool *ret_is_queued)
{
	uint8_t b = nat_host_byte();

	(void)s;
	*ret_is_queued = b & 1;
	return (size_t)b << 12;
}

void host_shutdown(struct host_sock *s)
{
	(void)s;
}

void host_reset(struct host_sock *s)
{
	(void)s;
}

void nat_host_fire(struct host *h, unsigned i, unsigned events, nsec_t now)
{
	struct host_sock *s = h->first;

	if (!h->n)
		return;
	for (i %= h->n; i; i--)
		s = s->next;
	s->n_given = 0;
	s->fn(s->ctx, events, now);
}
