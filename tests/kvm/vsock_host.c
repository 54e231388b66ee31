/* tests/kvm/vsock_host.c: the host's end of a guest's stream, where neither python nor
 * socat is (the nested machine of tests/kvm).
 *
 *   vsock-host connect SOCKET PORT   reaches PORT of the guest, sends its input, ends that
 *                                    half, prints what comes
 *   vsock-host listen SOCKET_PORT    takes one stream and prints what comes
 *
 * Exit status 0 when all of it went well. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int copy(int from, int to)
{
	static char buf[1 << 16];
	ssize_t n;

	while ((n = read(from, buf, sizeof buf)) > 0) {
		for (ssize_t off = 0, m; off < n; off += m) {
			m = write(to, buf + off, (size_t)(n - off));
			if (m <= 0)
				return -1;
		}
	}
	return n < 0 ? -1 : 0;
}

/* "OK N" on a line. */
static int greet(int fd, const char *port)
{
	char line[64];
	size_t n = 0;

	if (dprintf(fd, "CONNECT %s\n", port) < 0)
		return -1;
	while (n < sizeof line - 1 && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return strncmp(line, "OK ", 3) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), conn, r;

	if (argc < 3 || fd < 0 || strlen(argv[2]) >= sizeof a.sun_path)
		return 2;
	memcpy(a.sun_path, argv[2], strlen(argv[2]));
	if (strcmp(argv[1], "listen") == 0) {
		if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1) < 0)
			return 1;
		conn = accept(fd, NULL, NULL);
		return conn < 0 || copy(conn, STDOUT_FILENO) < 0;
	}
	if (argc < 4 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0 || greet(fd, argv[3]) < 0)
		return 1;
	r = copy(STDIN_FILENO, fd);
	if (r == 0)
		r = shutdown(fd, SHUT_WR);
	if (r == 0)
		r = copy(fd, STDOUT_FILENO);
	return r < 0;
}
