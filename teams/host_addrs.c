/* teams/host_addrs.c: the addresses of the host, from the kernel's own list (netlink).
 *
 * The socket is opened before the cell, which has read() and write() but no socket of netlink. A dump that changed
 * while it was read is asked for again.
 *
 * Used by: teams/uplink.c.   Depends on: core/addr.h.
 * Sources: netlink(7), rtnetlink(7); Linux Documentation/userspace-api/netlink/intro.rst. */
#include "teams/host_addrs.h"

#include "core/bytes.h"
#include "core/cleanup.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { READ_SIZE = 32768 /* the kernel's largest part of a dump */, TRIES = 5 };

int host_addrs_open(void)
{
	CLEANUP(fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct timeval patience = { .tv_sec = 1 };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
		return -errno;
	return take_fd(&fd);
}

static int ask(int fd, uint32_t seq)
{
	struct {
		struct nlmsghdr head;
		struct ifaddrmsg of;
	} q = { .head = { .nlmsg_len = sizeof q,
			  .nlmsg_type = RTM_GETADDR,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = seq },
		.of.ifa_family = AF_UNSPEC };

	/* A socket that is not connected writes to the kernel. */
	return write(fd, &q, sizeof q) == (ssize_t)sizeof q ? 0 : -errno;
}

/* A point-to-point link has its own address as IFA_LOCAL, and its peer's as IFA_ADDRESS. */
static void take_address(const struct nlmsghdr *m, struct bytes *addrs)
{
	const struct ifaddrmsg *of = NLMSG_DATA(m);
	struct ip_addr local = { 0 }, other = { 0 };
	size_t left = m->nlmsg_len - NLMSG_LENGTH(sizeof *of), size;

	if (m->nlmsg_len < NLMSG_LENGTH(sizeof *of) || (of->ifa_family != AF_INET && of->ifa_family != AF_INET6))
		return;
	size = of->ifa_family == AF_INET ? 4 : 16;
	for (const struct rtattr *a = IFA_RTA(of); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		struct ip_addr *to = a->rta_type == IFA_LOCAL ? &local : &other;

		if ((a->rta_type != IFA_LOCAL && a->rta_type != IFA_ADDRESS) || RTA_PAYLOAD(a) != size)
			continue;
		*to = (struct ip_addr){ .family = size == 4 ? IP_V4 : IP_V6, .prefix_len = size == 4 ? 32 : 128 };
		memcpy(to->b, RTA_DATA(a), size);
	}
	if (local.family == IP_NONE)
		local = other;
	if (local.family != IP_NONE)
		bytes_append(addrs, &local, sizeof local);
}

/* Takes what one read brought. Returns 1: there is more to come; 0: these are all; -errno. */
static int take_part(const uint8_t *data, size_t len, uint32_t seq, bool *changed, struct bytes *addrs)
{
	for (const struct nlmsghdr *m = (const void *)data; NLMSG_OK(m, len); m = NLMSG_NEXT(m, len)) {
		if (m->nlmsg_seq != seq)
			continue;
		*changed |= (m->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = NLMSG_DATA(m);

			return e->error < 0 ? e->error : -EPROTO;
		}
		if (m->nlmsg_type == RTM_NEWADDR)
			take_address(m, addrs);
	}
	return 1;
}

static int dump(int fd, uint32_t seq, struct bytes *addrs)
{
	static alignas(struct nlmsghdr) uint8_t data[READ_SIZE];
	bool changed = false;
	int r = ask(fd, seq);

	addrs->len = 0;
	while (r == 0) {
		ssize_t len = read(fd, data, sizeof data);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		r = take_part(data, (size_t)len, seq, &changed, addrs);
		if (r <= 0)
			return r < 0 ? r : changed ? -EAGAIN : 0;
		r = 0;
	}
	return r;
}

int host_addrs_get(int fd, struct ip_addr **ret_addrs, size_t *ret_n)
{
	static uint32_t seq; /* what is left of a dump that failed has another */
	CLEANUP(bytes) struct bytes addrs = { 0 };
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = dump(fd, ++seq, &addrs);
	if (r < 0)
		return r;
	*ret_n = addrs.len / sizeof **ret_addrs;
	*ret_addrs = (struct ip_addr *)(void *)take_ptr(addrs.data);
	return 0;
}
