/* tests/bench/bench_nat_path.c: one TCP stream through the uplink, without a virtual machine.
 *
 * Three processes: a guest made of raw frames on the rings, the uplink, and a server on the host's loopback, which throws
 * away what it reads or sends without end. The guest loses nothing and computes next to nothing: its data are zeros, so
 * that checksums of them cost nothing.
 *
 * Prints, for each kind of frames and each direction, Gbit/s by the clock, and Gbit for each second of processor time of
 * the uplink, which neighbours of the host change less. Frames of a guest without TSO are cut by the fabric on their way
 * in, so only what it sends is a case of its own.
 *
 *	bench_nat_path [SECONDS [KIND]]      of each case, 1; kinds of frames are 0 to 2, all */
#include "core/checksum.h"
#include "core/clock.h"
#include "core/packet.h"
#include "core/ring.h"
#include "nat/tcp_segment.h"
#include "nat/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAD = 14 + 20 + 20, SHIFT = 8, GUEST_PORT = 4000, BUFFER = 1 << 18, BATCH = 64 };

struct kind {
	const char *name;
	uint32_t mtu, unit; /* bytes of payload in a frame that the guest sends */
	bool is_gso, has_sum; /* has_sum: the guest computes its checksums */
	bool inwards_too;
};

struct guest {
	struct ring_pair_fds fds;
	struct ring_pair rings;
	const struct kind *kind;
	struct ip_addr ip, service;
	uint16_t port;
	uint32_t iss, una, nxt, edge, rcv_nxt;
	uint8_t shift; /* of the uplink's windows */
	bool is_open, ack_due;
	uint64_t n_in;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_nat_path: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* Puts a frame with @len zeros into the ring. Returns false when it is full. */
static bool put(struct guest *g, uint8_t flags, uint32_t len)
{
	static const struct mac_addr guest = { { 2, 0, 0, 0, 0, 2 } }, station = { { 2, 0, 0, 0, 0, 1 } };
	struct packet_ip ip = { .src = g->ip, .dst = g->service, .proto = PROTO_TCP, .ttl = 64 };
	uint8_t options[8] = {
		2, 4, (uint8_t)((g->kind->mtu - 40) >> 8), (uint8_t)(g->kind->mtu - 40), 1, 3, 3, SHIFT
	};
	size_t n_options = flags & TCPF_SYN ? sizeof options : 0;
	uint32_t total = HEAD + (uint32_t)n_options + len;
	struct frame_offload offload = { 0 };
	uint8_t *room = ring_reserve(&g->rings.tx, total);
	uint32_t sum = packet_pseudo_sum(&ip.src, &ip.dst, PROTO_TCP, 20 + n_options + len);
	struct wire_writer w;

	if (!room)
		return false;
	w = wire_write_to(room, HEAD + sizeof options);
	packet_put_eth(&w, &station, &guest, ETYPE_IPV4);
	packet_put_ip(&w, &ip, 20 + n_options + len);
	wire_put_be16(&w, GUEST_PORT);
	wire_put_be16(&w, g->port);
	wire_put_be32(&w, g->nxt);
	wire_put_be32(&w, g->rcv_nxt);
	wire_put_be16(&w, (uint16_t)((20 + n_options) / 4 << 12 | flags));
	wire_put_be16(&w, 0xffff);
	wire_put_be32(&w, 0);
	wire_put_bytes(&w, options, n_options);
	memset(room + HEAD + n_options, 0, len);
	if (!len || g->kind->has_sum) {
		sum = checksum_add(sum, room + 34, 20 + n_options);
		store_be16(room + 34 + 16, checksum_fold(sum));
	} else {
		offload = (struct frame_offload){ .flags = 1, .csum_start = 34, .csum_offset = 16 };
		store_be16(room + 34 + 16, (uint16_t)~checksum_fold(sum));
		if (g->kind->is_gso) {
			offload.gso_type = 1;
			offload.gso_size = (uint16_t)(g->kind->mtu - 40);
			offload.hdr_len = HEAD;
		}
	}
	ring_commit(&g->rings.tx, total, &offload, 0);
	g->nxt += len + !!(flags & TCPF_SYN);
	return true;
}

static void take(struct guest *g, const struct ring_record *rec)
{
	struct tcp_options opt = { 0 };
	struct packet p;

	if (packet_parse_bytes(rec->data, rec->len, &p) != PACKET_OK || p.proto != PROTO_TCP ||
	    p.dst_port != GUEST_PORT)
		return;
	if (p.tcp_flags & TCPF_RST) {
		fprintf(stderr, "bench_nat_path: reset\n");
		exit(EXIT_FAILURE);
	}
	if (p.tcp_flags & TCPF_SYN) {
		(void)tcp_options_parse(p.data + p.tcp_options, p.tcp_options_len, &opt);
		g->shift = opt.wscale;
		g->rcv_nxt = p.tcp_seq + 1;
		g->is_open = g->ack_due = true;
	}
	if (p.payload_len && p.tcp_seq == g->rcv_nxt) {
		g->rcv_nxt += p.payload_len;
		g->n_in += p.payload_len;
		g->ack_due = true;
	}
	if (!seq_before(p.tcp_ack, g->una)) {
		g->una = p.tcp_ack;
		g->edge = p.tcp_ack + ((uint32_t)p.tcp_window << (p.tcp_flags & TCPF_SYN ? 0 : g->shift));
	}
}

/* One round of the guest. Returns false when there was nothing to do. */
static bool step(struct guest *g, bool sends)
{
	struct ring_record rec;
	unsigned n = 0, n_sent = 0;

	while (n < BATCH && ring_peek(&g->rings.rx, &rec)) {
		take(g, &rec);
		ring_pop(&g->rings.rx);
		n++;
	}
	if (n)
		ring_release(&g->rings.rx);
	while (sends && n_sent < BATCH && !seq_after(g->nxt + g->kind->unit, g->edge) &&
	       put(g, TCPF_ACK, g->kind->unit))
		n_sent++, g->ack_due = false;
	if (g->ack_due && put(g, TCPF_ACK, 0))
		g->ack_due = false, n_sent++;
	if (n_sent)
		(void)ring_publish(&g->rings.tx);
	return n || n_sent;
}

static void rest(struct guest *g)
{
	struct pollfd p = { .fd = g->fds.up_kick_fd, .events = POLLIN };
	uint64_t n;

	if (ring_sleep(&g->rings.rx) && poll(&p, 1, 5) > 0)
		(void)!read(p.fd, &n, sizeof n);
	ring_wake(&g->rings.rx);
}

static void serve(int listener, bool sends)
{
	char *buf = calloc(1, BUFFER);
	int fd = accept(listener, NULL, NULL);
	ssize_t n = 1;

	while (buf && fd >= 0 && n > 0)
		n = sends ? send(fd, buf, BUFFER, MSG_NOSIGNAL) : recv(fd, buf, BUFFER, MSG_TRUNC);
	_exit(0);
}

static pid_t start_server(bool sends, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof a;
	pid_t pid;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("server");
	*ret_port = ntohs(a.sin_port);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		serve(fd, sends);
	(void)close(fd);
	return pid;
}

static pid_t start_uplink(struct guest *g, int *ret_control)
{
	struct uplink_network network = { .name = "n",
					  .nat = { .mtu = g->kind->mtu, .reach = { .host_loopback = true } } };
	struct uplink_config cfg = {
		.name = "bench", .networks = &network, .n_networks = 1, .raw_icmp_fd = { -1, -1 }, .seed = 1
	};
	int pair[2];
	pid_t pid;

	if (ring_pair_create(RING_DATA_SIZE, &g->fds) < 0 || ring_pair_attach(&g->fds, RING_FABRIC, &g->rings) < 0)
		die("rings");
	network.rings = g->fds;
	network.nat.reach.service4 = g->service;
	network.nat.reach.service4.prefix_len = 24;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		(void)close(pair[0]);
		cfg.control_fd = pair[1];
		_exit(uplink_run(&cfg));
	}
	(void)close(pair[1]);
	*ret_control = pair[0];
	return pid;
}

/* Processor time of a process, seconds. */
static double processor(pid_t pid)
{
	char path[64], text[100] = "0";
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!read(fd, text, sizeof text - 1);
		(void)close(fd);
	}
	return strtod(text, NULL) / 1e9;
}

static void pump(struct guest *g, bool sends, double seconds)
{
	for (nsec_t until = clock_now() + (nsec_t)(seconds * 1e9); clock_now() < until;)
		if (!step(g, sends))
			rest(g);
}

static void measure(const struct kind *kind, bool outwards, double seconds)
{
	struct guest g = { .kind = kind, .iss = 1, .una = 1, .nxt = 1 };
	double cpu, wall, gbit;
	pid_t uplink, server;
	uint64_t before;
	nsec_t began;
	int control;

	(void)ip_parse("10.5.0.2", &g.ip);
	(void)ip_parse("10.5.0.1", &g.service);
	server = start_server(!outwards, &g.port);
	uplink = start_uplink(&g, &control);
	(void)put(&g, TCPF_SYN, 0);
	(void)ring_publish(&g.rings.tx);
	for (nsec_t until = clock_now() + 5 * NSEC_PER_SEC; !g.is_open && clock_now() < until;)
		if (!step(&g, false))
			rest(&g);
	if (!g.is_open) {
		errno = ETIMEDOUT;
		die("no connection");
	}
	pump(&g, outwards, seconds / 4); /* slow start */
	cpu = processor(uplink);
	began = clock_now();
	before = outwards ? g.una : g.n_in;
	/* Sequence numbers wrap: more than 4 GiB a round would be counted too low. */
	gbit = 0;
	while (clock_now() - began < (nsec_t)(seconds * 1e9)) {
		uint64_t now;

		pump(&g, outwards, 0.1);
		now = outwards ? g.una : g.n_in;
		gbit += (outwards ? (uint32_t)(now - before) : (double)(now - before)) * 8e-9;
		before = now;
	}
	wall = (double)(clock_now() - began) / 1e9;
	cpu = processor(uplink) - cpu;
	printf("%-34s %s %7.2f Gbit/s %7.2f Gbit per second of processor, %3.0f %% of one\n", kind->name,
	       outwards ? "out" : "in ", gbit / wall, cpu > 0 ? gbit / cpu : 0, 100 * cpu / wall);
	(void)close(control);
	(void)waitpid(uplink, NULL, 0);
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	ring_pair_detach(&g.rings);
	ring_pair_close(&g.fds);
}

int main(int argc, char **argv)
{
	static const struct kind kinds[] = {
		{ "MTU 1500, TSO", 1500, 44 * 1460, true, false, true },
		{ "MTU 1500, no offloads", 1500, 1460, false, true, false },
		{ "MTU 65520", 65520, 65480, false, false, true },
	};
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (argc > 2 && i != strtoul(argv[2], NULL, 10))
			continue;
		measure(&kinds[i], true, seconds);
		if (kinds[i].inwards_too)
			measure(&kinds[i], false, seconds);
	}
	return EXIT_SUCCESS;
}
