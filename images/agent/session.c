/* images/agent/session.c: Muster's guest service: commands and file transfers over vsock.
 *
 * A connection is one session and one process, a child of the listener. So all that a
 * session holds (handles, temporary names, terminals) ends with it. The protocol is
 * core/session.h's; session_exec.c runs commands, core/transfer.c moves files. By the name
 * "run" the program is session_run.c's instead.
 *
 * The host is trusted here: who reaches this port is the machine's owner. */
#include "images/agent/session.h"

#include "core/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, RETRY_MS = 200, TRIES_BEFORE_READY = 10 };

static int service_listen(void)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
				    .svm_port = SESSION_PORT };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* The two strings of a PUT, the one of a GET. */
static bool path_arguments(const struct session_frame *frame, const char **ret_path, const char **ret_base)
{
	const char *text = (const char *)frame->data + 1, *end = (const char *)frame->data + frame->len;

	if (frame->len < 2 || end[-1] != '\0')
		return false;
	*ret_path = text;
	text += strlen(text) + 1;
	*ret_base = text < end ? text : "";
	return !strchr(*ret_base, '/');
}

/* What failed was said to the host; its last bytes are taken, so that it hears that. */
static void read_to_end(struct session_stream *s)
{
	struct session_frame frame;

	while (session_read(s, &frame) > 0)
		;
}

static void serve_transfer(struct session_stream *s, const struct session_frame *frame)
{
	struct transfer t = { .stream = s, .mode_mask = 07777 };
	CLEANUP(bytes) struct bytes copy = { 0 };
	struct session_frame kept = *frame;
	const char *path, *base;
	int r;

	bytes_append(&copy, frame->data, frame->len);
	kept.data = copy.data;
	if (!path_arguments(&kept, &path, &base)) {
		(void)session_write_error(s, 1, "a path is missing");
		return;
	}
	t.recursive = kept.data[0] & SESSION_FLAG_RECURSIVE;
	/* A packet that arrives wakes this process. As SCHED_BATCH it does not take the processor from the
	 * driver, which so hands over a whole queue of packets at once. */
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 });
	if (kept.type == SESSION_PUT)
		r = transfer_receive(&t, path, base);
	else
		r = transfer_send(&t, path);
	if (r < 0 || kept.type == SESSION_GET)
		read_to_end(s);
}

static void serve(int fd)
{
	static const uint8_t version = SESSION_VERSION;
	struct session_stream s;
	struct session_frame frame;
	struct session_command command = { 0 };
	int r;

	session_stream_init(&s, fd);
	r = session_write(&s, SESSION_HELLO, &version, 1) == 0 ? session_read(&s, &frame) : 0;
	while (r > 0 && (frame.type == SESSION_ARGS || frame.type == SESSION_ENV)) {
		if (!session_command_add(&command, &frame)) {
			(void)session_write_error(&s, 126, "there are more arguments than a program takes");
			return;
		}
		r = session_read(&s, &frame);
	}
	if (r > 0 && frame.type == SESSION_EXEC)
		session_exec(&s, &command, &frame);
	else if (r > 0 && (frame.type == SESSION_PUT || frame.type == SESSION_GET))
		serve_transfer(&s, &frame);
}

/* Tells systemd, where it started this program, that the service is there (sd_notify(3)): a datagram to
 * $NOTIFY_SOCKET. Commands do not inherit the variable. */
static void notify_ready(void)
{
	static const char text[] = "READY=1";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	CLEANUP(fd) int fd = -1;

	if (len > 1 && len < sizeof addr.sun_path) {
		memcpy(addr.sun_path, path, len);
		if (path[0] == '@') /* an abstract name */
			addr.sun_path[0] = '\0';
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd >= 0)
			(void)sendto(fd, text, sizeof text - 1, MSG_NOSIGNAL, (struct sockaddr *)&addr,
				     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	}
	(void)unsetenv("NOTIFY_SOCKET");
}

/* Serves each connection in a process of its own, until accept() fails. */
static void accept_sessions(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return;
		if (fork() == 0) {
			(void)close(listener);
			(void)signal(SIGCHLD, SIG_DFL);
			if (chdir(getenv("HOME")) < 0)
				(void)!chdir("/");
			serve(fd);
			_exit(0);
		}
		(void)close(fd);
	}
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;

	if (argc > 1 && strcmp(slash ? slash + 1 : argv[0], "run") == 0)
		return session_run(argv + 1);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN); /* a session that ended is nobody's */
	if (!getenv("HOME"))
		(void)setenv("HOME", "/root", 1);
	(void)setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	for (unsigned n_tries = 1;; n_tries++) {
		CLEANUP(fd) int listener = service_listen();

		if (listener >= 0)
			(void)close(open(SESSION_READY_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
		/* A kernel without vsock does not hold up what starts after this service. */
		if (listener >= 0 || n_tries == TRIES_BEFORE_READY)
			notify_ready();
		if (listener >= 0)
			accept_sessions(listener);
		(void)poll(NULL, 0, RETRY_MS);
	}
}
