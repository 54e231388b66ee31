/* tests/bench/run_pair.c: two machines whose network cards are joined by a wire
 * of this program, to see the virtio devices under Linux' own drivers.
 *
 *   run-pair -k bzImage -i initrd [-m MIB] [-s SECONDS] [-v]
 *
 * The initramfs is made by tests/bench/mk-pair-initramfs; the machines get
 * pair=1 and pair=2 on their command line, run its script, and say what they
 * saw on their agent port, a line each ("ok ..." or "bad ..."); a line "echo X"
 * is answered with X. Exit status 0 when both powered off without a "bad". */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/ring.h"
#include "vmm/machine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PAIR = 2 };

struct options {
	const char *kernel, *initrd;
	uint64_t memory_mib, seconds;
	bool verbose;
};

struct side {
	struct ring_pair_fds fds;
	struct ring_pair ring;
	int serial, agent; /* our ends */
	int serial_of_vm, agent_of_vm;
	pid_t pid;
	struct bytes said; /* on the agent port, the line under way */
	unsigned n_ok, n_bad;
	uint64_t n_frames, n_bytes, n_dropped; /* from this machine */
	uint32_t longest;
};

static int run_machine(const struct options *o, const struct side *s, unsigned number)
{
	struct machine_nic nic = { .mac = { { 2, 0, 0, 0, 0, (uint8_t)number } }, .mtu = 1500,
				   .link_up = true, .ring = s->fds };
	char cmdline[32];
	struct machine_config cfg = { .name = "bench/pair", .memory_bytes = o->memory_mib << 20,
				      .cpus = 1, .entropy_from_host = true,
				      .kernel_fd = open(o->kernel, O_RDONLY | O_CLOEXEC),
				      .initrd_fd = open(o->initrd, O_RDONLY | O_CLOEXEC),
				      .pmem_fd = -1, .cmdline = cmdline, .nics = &nic, .n_nics = 1,
				      .serial_fd = s->serial_of_vm, .agent_fd = s->agent_of_vm,
				      .control_fd = -1 };
	CLEANUP(free) char *why = NULL;
	struct machine *m;
	enum machine_end end;

	(void)snprintf(cmdline, sizeof cmdline, "pair=%u", number);
	if (machine_new(&cfg, &m, &why) < 0) {
		(void)fprintf(stderr, "run-pair: %s\n", why ? why : "?");
		return 1;
	}
	end = machine_run(m, &why);
	(void)machine_free(m);
	return end == MACHINE_END_POWEROFF ? 0 : 1;
}

static int socket_pair(int *ret_ours, int *ret_theirs)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return -errno;
	*ret_ours = fd[0];
	*ret_theirs = fd[1];
	return 0;
}

static int start(const struct options *o, struct side *s, unsigned number)
{
	if (ring_pair_create(RING_DATA_SIZE, &s->fds) < 0 ||
	    ring_pair_attach(&s->fds, RING_FABRIC, &s->ring) < 0 ||
	    socket_pair(&s->serial, &s->serial_of_vm) < 0 ||
	    socket_pair(&s->agent, &s->agent_of_vm) < 0)
		return -1;
	s->pid = fork();
	if (s->pid == 0)
		_exit(run_machine(o, s, number));
	(void)close(s->serial_of_vm);
	(void)close(s->agent_of_vm);
	return s->pid < 0 ? -1 : 0;
}

/* Moves all frames of @from to @to. */
static void move_frames(struct side *from, struct side *to)
{
	struct ring_record rec;
	uint64_t kicks;

	(void)!read(from->fds.up_kick_fd, &kicks, sizeof kicks);
	do {
		while (ring_peek(&from->ring.rx, &rec)) {
			uint8_t *p = ring_reserve(&to->ring.tx, rec.len);

			from->n_frames++;
			from->n_bytes += rec.len;
			if (rec.len > from->longest)
				from->longest = rec.len;
			if (p) {
				memcpy(p, rec.data, rec.len);
				ring_commit(&to->ring.tx, rec.len, &rec.offload, rec.time_ns);
			} else {
				from->n_dropped++;
			}
			ring_pop(&from->ring.rx);
		}
		ring_release(&from->ring.rx);
		(void)ring_publish(&to->ring.tx);
	} while (!ring_sleep(&from->ring.rx));
}

static void line_said(struct side *s, unsigned number, const char *line)
{
	if (strncmp(line, "echo ", 5) == 0) {
		(void)fd_write_all(s->agent, line + 5, strlen(line + 5));
		(void)fd_write_all(s->agent, "\n", 1);
		return;
	}
	if (strncmp(line, "ok ", 3) == 0)
		s->n_ok++;
	if (strncmp(line, "bad ", 4) == 0)
		s->n_bad++;
	printf("machine %u: %s\n", number, line);
	(void)fflush(stdout);
}

static void agent_read(struct side *s, unsigned number)
{
	char buf[4096];
	ssize_t n = read(s->agent, buf, sizeof buf);
	char *end;

	if (n <= 0) {
		if (n == 0)
			(void)close(take_fd(&s->agent));
		return;
	}
	bytes_append(&s->said, buf, (size_t)n);
	while ((end = memchr(s->said.data, '\n', s->said.len)) != NULL) {
		*end = 0;
		line_said(s, number, (const char *)s->said.data);
		bytes_consume(&s->said, (size_t)(end + 1 - (char *)s->said.data));
		if (!s->said.len)
			break;
	}
}

/* Returns false when the machine closed its serial line: it ended. */
static bool serial_read(struct side *s, bool show)
{
	char buf[4096];
	ssize_t n = read(s->serial, buf, sizeof buf);

	if (n > 0 && show)
		(void)fd_write_all(2, buf, (size_t)n);
	if (n != 0 && !(n < 0 && errno == ECONNRESET))
		return true;
	(void)close(take_fd(&s->serial));
	return false;
}

static void serve(struct side *side, const struct options *o)
{
	nsec_t until = clock_now() + (nsec_t)o->seconds * NSEC_PER_SEC;
	unsigned n_alive = PAIR;

	while (n_alive && clock_now() < until) {
		struct pollfd p[3 * PAIR];

		for (unsigned i = 0; i < PAIR; i++) {
			p[i] = (struct pollfd){ .fd = side[i].fds.up_kick_fd, .events = POLLIN };
			p[PAIR + i] = (struct pollfd){ .fd = side[i].serial, .events = POLLIN };
			p[2 * PAIR + i] = (struct pollfd){ .fd = side[i].agent, .events = POLLIN };
		}
		if (poll(p, 3 * PAIR, 100) < 0)
			continue;
		for (unsigned i = 0; i < PAIR; i++) {
			if (p[i].revents)
				move_frames(&side[i], &side[1 - i]);
			if (p[2 * PAIR + i].revents)
				agent_read(&side[i], i + 1);
			if (p[PAIR + i].revents && !serial_read(&side[i], o->verbose))
				n_alive--;
		}
	}
}

/* Ends both and sums up. */
static int finish(struct side *side)
{
	int status, worst = 0;

	for (unsigned i = 0; i < PAIR; i++) {
		struct side *s = &side[i];

		if (s->serial >= 0)
			(void)kill(s->pid, SIGKILL);
		if (waitpid(s->pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) ||
		    s->n_bad || !s->n_ok)
			worst = 1;
		printf("machine %u: %u ok, %u bad; sent %" PRIu64 " frames, %" PRIu64
		       " bytes, longest %" PRIu32 ", dropped on the wire %" PRIu64 "\n",
		       i + 1, s->n_ok, s->n_bad, s->n_frames, s->n_bytes, s->longest, s->n_dropped);
		bytes_done(&s->said);
		ring_pair_detach(&s->ring);
		ring_pair_close(&s->fds);
	}
	return worst;
}

int main(int argc, char **argv)
{
	struct options o = { .memory_mib = 128, .seconds = 120 };
	struct side side[PAIR] = { 0 };
	int c;

	while ((c = getopt(argc, argv, "k:i:m:s:v")) != -1) {
		if (c == 'k')
			o.kernel = optarg;
		else if (c == 'i')
			o.initrd = optarg;
		else if (c == 'm')
			o.memory_mib = strtoull(optarg, NULL, 10);
		else if (c == 's')
			o.seconds = strtoull(optarg, NULL, 10);
		else
			o.verbose = true;
	}
	if (!o.kernel || !o.initrd) {
		(void)fprintf(stderr, "usage: run-pair -k KERNEL -i INITRD [-m MIB] [-s SECONDS] [-v]\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < PAIR; i++)
		if (start(&o, &side[i], i + 1) < 0)
			return 1;
	serve(side, &o);
	return finish(side);
}
