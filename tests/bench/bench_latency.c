/* tests/bench/bench_latency.c: how late a lone frame is on the real clock.
 *
 * The fabric as a process; one frame at a time over a link with a rate and a
 * delay, from the sender's publish to the receiver's wake-up, less the exact
 * L*8/rate + delay. Both wake-ups (fabric, receiver) are in it. Prints
 * "FIGURE|VALUE" lines in microseconds; the bounds are in tests/bench/bounds. */
#include "core/clock.h"
#include "core/ring.h"
#include "fabric/process.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_VMS = 2, N_FRAMES = 3000, FRAME_LEN = 125, SHARE = 64 << 20 /* bytes of memory of a link */ };

static struct ring_pair_fds fds[N_VMS];
static struct ring_pair machines[N_VMS];

static int by_value(const void *a, const void *b)
{
	nsec_t x = *(const nsec_t *)a, y = *(const nsec_t *)b;

	return (x > y) - (x < y);
}

static pid_t start(int *ret_control)
{
	static const struct shape_dir dir = { .rate_bps = 10000000, .delay_ns = NSEC_PER_MSEC };
	static struct fabric_plan_network network = { .name = "lan", .mtu = 1500, .up = { dir, SHARE }, .down = { dir, SHARE } };
	static struct fabric_plan_port ports[N_VMS];
	static struct fabric_plan plan = { .name = "bench", .seed = 1, .networks = &network, .n_networks = 1,
					   .ports = ports, .n_ports = N_VMS, .spare_bytes = SHARE };
	int pair[2];
	pid_t pid;

	for (size_t i = 0; i < N_VMS; i++) {
		ports[i] = (struct fabric_plan_port){ .name = i ? "b" : "a", .stream = i ? "b.0" : "a.0", .mtu = 1500,
						      .kind = FABRIC_PORT_RING, .rings = &fds[i] };
		if (ring_pair_create(RING_DATA_SIZE, &fds[i]) < 0 ||
		    ring_pair_attach(&fds[i], RING_MACHINE, &machines[i]) < 0)
			exit(EXIT_FAILURE);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		exit(EXIT_FAILURE);
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		_exit(fabric_run(&(struct fabric_config){ .plan = &plan, .control_fd = pair[1] }));
	}
	(void)close(pair[1]);
	*ret_control = pair[0];
	return pid;
}

/* One frame; how late it came, in ns. */
static nsec_t one(void)
{
	static const struct frame_offload none;
	const nsec_t exact = NSEC_PER_MSEC + FRAME_LEN * 8 * NSEC_PER_SEC / 10000000;
	struct ring_record rec;
	uint8_t *p = ring_reserve(&machines[0].tx, FRAME_LEN);
	nsec_t t;

	if (!p)
		exit(EXIT_FAILURE);
	memset(p, 0, FRAME_LEN);
	memset(p, 0xff, 6);
	p[6] = 2;
	t = clock_now();
	ring_commit(&machines[0].tx, FRAME_LEN, &none, t);
	(void)ring_publish(&machines[0].tx);
	while (!ring_peek(&machines[1].rx, &rec)) {
		struct pollfd w = { .fd = fds[1].down_kick_fd, .events = POLLIN };
		uint64_t n;

		if (ring_sleep(&machines[1].rx) && (poll(&w, 1, 5000) != 1 || read(w.fd, &n, sizeof n) < 0))
			exit(EXIT_FAILURE);
		ring_wake(&machines[1].rx);
	}
	t = clock_now() - t - exact;
	ring_pop(&machines[1].rx);
	ring_release(&machines[1].rx);
	return t;
}

static void row(const char *name, nsec_t v)
{
	printf("%s|%.1f\n", name, (double)v / 1000);
}

int main(void)
{
	static nsec_t late[N_FRAMES];
	int control;
	pid_t pid = start(&control);

	for (size_t i = 0; i < N_FRAMES; i++)
		late[i] = one();
	(void)close(control);
	(void)waitpid(pid, NULL, 0);
	qsort(late, N_FRAMES, sizeof late[0], by_value);
	row("lone frame too early, us", late[0] < 0 ? -late[0] : 0);
	row("lone frame late p50, us", late[N_FRAMES / 2]);
	row("lone frame late p99, us", late[N_FRAMES * 99 / 100]);
	row("lone frame late p99.9, us", late[N_FRAMES / 1000 * 999]);
	return EXIT_SUCCESS;
}
