/* tests/ask.h: a message to a machine, and a descriptor with it, as its supervisor sends
 * them (core/control.h): for tests which are the supervisor themselves. */
#ifndef MUSTER_TESTS_ASK_H
#define MUSTER_TESTS_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* @text: the JSON object and its newline; with "fds":1 when @fd is not -1. False: errno. */
static inline bool ask_machine(int control_fd, const char *text, int fd)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } u = { 0 };
	struct iovec iov = { .iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = u.buf;
		msg.msg_controllen = sizeof u.buf;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	return sendmsg(control_fd, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len;
}

#endif
