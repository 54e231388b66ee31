/* tests/send_fds.h: bytes with descriptors at their first byte, as core/control.c sends them. */
#ifndef MUSTER_TESTS_SEND_FDS_H
#define MUSTER_TESTS_SEND_FDS_H

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { SEND_FDS_MAX = 32 };

/* Sends @text on @fd with @n copies (0 to SEND_FDS_MAX) of @passed. Returns what sendmsg(2) does. */
static inline ssize_t send_fds(int fd, const char *text, size_t len, int passed, int n)
{
	union { char buf[CMSG_SPACE(sizeof(int) * SEND_FDS_MAX)]; struct cmsghdr align; } u = { 0 };
	struct iovec iov = { .iov_base = (char *)(size_t)text, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > 0) {
		struct cmsghdr *h = (struct cmsghdr *)u.buf;

		msg.msg_control = u.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		*h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n), .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		for (size_t i = 0; i < (size_t)n; i++)
			memcpy(CMSG_DATA(h) + i * sizeof(int), &passed, sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

#endif
