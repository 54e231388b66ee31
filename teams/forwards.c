/* teams/forwards.c: ports of the host that lead into a team's networks.
 *
 * A port that another program has is refused before anything starts. Ports below ip_unprivileged_port_start need a
 * right, which root's supervisor keeps when its team has an uplink (core/sandbox_roles.c).
 *
 * Used by: teams/uplink.c, uplink_requests.c.   Depends on: topologies/forward.h.
 * Sources: ip(7), ipv6(7), tcp(7). */
#include "teams/forwards.h"

#include "core/bytes.h"
#include "core/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t address_of(const struct team_forward *f, union addr *ret)
{
	*ret = (union addr){ 0 };
	if (f->on.family == IP_V6) {
		ret->in6.sin6_family = AF_INET6;
		ret->in6.sin6_port = htons(f->port);
		memcpy(&ret->in6.sin6_addr, f->on.b, 16);
		return sizeof ret->in6;
	}
	ret->in.sin_family = AF_INET;
	ret->in.sin_port = htons(f->port);
	memcpy(&ret->in.sin_addr, f->on.b, 4);
	return sizeof ret->in;
}

/* Returns a descriptor or -errno. */
static int open_socket(const struct team_forward *f)
{
	/* SYSCALLS(supervisor-uplink): socket(0 == AF_INET AF_INET6, 1 == SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC) */
	CLEANUP(fd) int fd = socket(f->on.family == IP_V6 ? AF_INET6 : AF_INET,
				    (f->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	union addr a;
	socklen_t len = address_of(f, &a);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* SYSCALLS(supervisor-uplink): setsockopt bind listen */
	if (f->on.family == IP_V6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
		return -errno;
	/* A port whose last connections are in TIME_WAIT is free. With UDP the option would share the port. */
	if (!f->is_udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return -errno;
	if (bind(fd, &a.sa, len) < 0 || (!f->is_udp && listen(fd, BACKLOG) < 0))
		return -errno;
	return take_fd(&fd);
}

/* What cannot be had, and what can be done about it. The caller frees. */
static char *refusal_str(const struct team_forward *f, int r, bool *ret_lacks)
{
	CLEANUP(free) char *port = forward_port_str(f);
	char ip[IP_STR_SIZE];

	if (r == -EADDRINUSE)
		return str_printf("%s: another program of this host has that port", port);
	*ret_lacks = true;
	if (r == -EACCES || r == -EPERM)
		return str_printf("%s: this host keeps low ports for root: sysctl -w "
				  "net.ipv4.ip_unprivileged_port_start=%u",
				  port, f->port);
	if (r == -EADDRNOTAVAIL)
		return str_printf("%s: this host has no address %s", port, ip_str_bare(&f->on, ip));
	return str_printf("%s: %s", port, strerror(-r));
}

int forward_open(struct forwards *f, size_t network, const struct team_forward *of, struct forward **ret,
		 bool *ret_lacks, char **ret_why)
{
	struct forward *list;
	int fd;

	if (f->n >= FORWARDS_MAX) {
		*ret_why = str_printf("a team has at most %d forwards", FORWARDS_MAX);
		return -ENOSPC;
	}
	list = realloc(f->list, (f->n + 1) * sizeof *list);
	if (!list) {
		*ret_why = str_dup("no memory");
		return -ENOMEM;
	}
	f->list = list;
	fd = open_socket(of);
	if (fd < 0) {
		*ret_why = refusal_str(of, fd, ret_lacks);
		return fd;
	}
	*ret = &list[f->n++];
	**ret = (struct forward){ .id = f->next_id++, .network = network, .of = *of, .fd = fd };
	return 0;
}

struct forward *forward_find(const struct forwards *f, size_t network, const struct team_forward *port)
{
	for (size_t i = 0; i < f->n; i++) {
		struct forward *one = &f->list[i];

		if (one->network == network && one->of.is_udp == port->is_udp && one->of.port == port->port &&
		    one->of.on.family == port->on.family && ip_equal(&one->of.on, &port->on))
			return one;
	}
	return NULL;
}

struct forward *forward_by_id(const struct forwards *f, uint32_t id)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].id == id)
			return &f->list[i];
	return NULL;
}

void forward_close(struct forwards *f, struct forward *of)
{
	size_t at = (size_t)(of - f->list);

	(void)close(of->fd);
	memmove(of, of + 1, (f->n - at - 1) * sizeof *of);
	f->n--;
}

int forwards_open(const struct team *team, struct forwards *f, bool *ret_lacks, char **ret_why)
{
	for (size_t i = 0; i < team->n_networks; i++) {
		const struct team_nat *nat = &team->networks[i].services.nat;

		for (size_t k = 0; nat->enabled && k < nat->n_forwards; k++) {
			const struct place *at = &nat->forwards[k].place;
			CLEANUP(free) char *why = NULL;
			struct forward *opened;
			int r = forward_open(f, i, &nat->forwards[k], &opened, ret_lacks, &why);

			if (r == 0)
				continue;
			*ret_why = str_printf("%s:%u:%u: %s", at->file ? at->file : "", at->line, at->column, why);
			return r;
		}
	}
	return 0;
}

void forwards_close(struct forwards *f)
{
	for (size_t i = 0; i < f->n; i++)
		(void)close(f->list[i].fd);
	free(f->list);
	*f = (struct forwards){ 0 };
}
