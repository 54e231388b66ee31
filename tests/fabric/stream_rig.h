/* tests/fabric/stream_rig.h: a fabric of two ports, one with rings and one at a Unix stream socket, on virtual time,
 * with a machine at the rings and peers at the socket. Each program that includes it has one. */
#ifndef MUSTER_TESTS_FABRIC_STREAM_RIG_H
#define MUSTER_TESTS_FABRIC_STREAM_RIG_H

#include "core/wire.h"
#include "fabric/fabric.h"
#include "tests/fabric/shares.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RING, STREAM, N_PORTS, PATIENCE_MS = 20000, HEAD = 4, BIG = 1400 };

static struct fabric_plan_network networks[1];
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan;
static struct ring_pair_fds fds;
static struct ring_pair machine;
static struct fabric *fabric;
static char dir[] = "/tmp/check_stream.XXXXXX", path[64];
static char told[2048]; /* "+" for each peer that came, "-WHY;" for each that went, "xWHY;" for each refused */
static nsec_t rig_now;

static inline void on_peer(void *ctx, const struct fabric_port *p, enum fabric_peer_news news, const char *why)
{
	static const char *const words[] = { "+%s", "-%s;", "x%s;" };
	size_t len = strlen(told);

	(void)ctx;
	ck_assert_ptr_eq(p, &fabric->ports[STREAM]);
	(void)snprintf(told + len, sizeof told - len, words[news], why ? why : "");
}

static inline void new_fabric(void)
{
	ck_assert_int_eq(fabric_new(&plan, &fabric), 0);
	fabric->on_peer = on_peer;
}

static inline int listen_at(const char *at)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", at);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static inline void setup(void)
{
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/s", dir);
	ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &machine), 0);
	networks[0] = (struct fabric_plan_network){ .name = "lan", .mtu = 1500 };
	ports[RING] = (struct fabric_plan_port){
		.name = "a.eth0", .stream = "a.0", .mtu = 1500, .kind = FABRIC_PORT_RING, .rings = &fds
	};
	ports[STREAM] = (struct fabric_plan_port){
		.name = "lan.q", .stream = "lan.q", .mtu = 1500, .kind = FABRIC_PORT_STREAM, .fd = listen_at(path)
	};
	plan = (struct fabric_plan){
		.name = "t", .seed = 1, .networks = networks, .n_networks = 1, .ports = ports, .n_ports = N_PORTS
	};
	plan_shares(&plan);
	told[0] = '\0';
	rig_now = NSEC_PER_SEC;
	fabric = NULL;
}

static inline void teardown(void)
{
	fabric = fabric_free(fabric);
	ring_pair_detach(&machine);
	ring_pair_close(&fds);
	(void)close(ports[STREAM].fd);
	(void)unlink(path);
	(void)rmdir(dir);
}

static inline int connect_peer(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* As the process does: steps, and sleeps when nothing comes, until the port's descriptor tells nothing. */
static inline void pump(void)
{
	struct fabric_port *p = &fabric->ports[STREAM];
	struct pollfd poll_fd = { .fd = p->ops->wait_fd(p), .events = POLLIN };

	fabric_wake_port(fabric, RING); /* its machine's kick */
	do {
		if (poll_fd.revents) {
			p->ops->kicked(p);
			fabric_wake_port(fabric, STREAM);
		}
		while (fabric_step(fabric, rig_now) || !fabric_sleep(fabric))
			;
		poll_fd.revents = 0;
	} while (poll(&poll_fd, 1, 0) == 1);
}

static inline void fill(uint8_t *p, uint32_t len, uint8_t from, uint32_t number)
{
	memset(p, (int)number, len);
	memset(p, 0xff, 6);
	memset(p + 6, 2, 6);
	p[11] = from;
	memset(p + 12, 0x88, 2);
	memcpy(p + 14, &number, sizeof number);
}

/* False when the ring is full. */
static inline bool send_ring(uint32_t len, uint32_t number)
{
	static const struct frame_offload none;
	uint8_t *p = ring_reserve(&machine.tx, len);

	if (!p)
		return false;
	fill(p, len, RING, number);
	ring_commit(&machine.tx, len, &none, 0);
	(void)ring_publish(&machine.tx);
	return true;
}

/* The number of the next frame that came over the ring; UINT32_MAX: none. */
static inline uint32_t receive_ring(uint32_t len)
{
	struct ring_record rec;
	uint32_t number;

	if (!ring_peek(&machine.rx, &rec))
		return UINT32_MAX;
	ck_assert_uint_eq(rec.len, len);
	memcpy(&number, rec.data + 14, sizeof number);
	ring_pop(&machine.rx);
	ring_release(&machine.rx);
	return number;
}

static inline void ring_pop_all(void)
{
	struct ring_record rec;

	while (ring_peek(&machine.rx, &rec))
		ring_pop(&machine.rx);
	ring_release(&machine.rx);
}

static inline size_t wire_frame(uint8_t *buf, uint32_t len, uint32_t number)
{
	store_be32(buf, len);
	fill(buf + HEAD, len, STREAM, number);
	return HEAD + len;
}

static inline void send_peer(int fd, uint32_t len, uint32_t number)
{
	uint8_t buf[HEAD + BIG];
	size_t n = wire_frame(buf, len, number);

	ck_assert_int_eq(write(fd, buf, n), (ssize_t)n);
}

static inline void read_whole(int fd, void *buf, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (size_t at = 0; at < len;) {
		ssize_t n;

		ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
		n = read(fd, (char *)buf + at, len - at);
		ck_assert_int_gt(n, 0);
		at += (size_t)n;
	}
}

/* The next frame to the peer, which is there or comes; its length. */
static inline uint32_t receive_peer(int fd, uint8_t *frame, size_t size)
{
	uint8_t head[HEAD];
	uint32_t len;

	read_whole(fd, head, HEAD);
	len = load_be32(head);
	ck_assert_uint_le(len, size);
	read_whole(fd, frame, len);
	return len;
}

static inline uint32_t receive_number(int fd, uint32_t len)
{
	uint8_t frame[BIG];
	uint32_t number;

	ck_assert_uint_eq(receive_peer(fd, frame, sizeof frame), len);
	memcpy(&number, frame + 14, sizeof number);
	return number;
}

static inline bool nothing_for(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0;
}

static inline void check_books(void)
{
	for (size_t i = 0; i < N_PORTS; i++) {
		const struct element_counters *both[] = { &fabric->ports[i].in, &fabric->ports[i].out };

		for (size_t k = 0; k < 2; k++) {
			uint64_t lost = 0;

			for (size_t r = 0; r < LOSS_REASON_COUNT; r++)
				lost += both[k]->lost_frames[r];
			ck_assert_uint_eq(both[k]->entered_frames, both[k]->delivered_frames + lost);
		}
	}
}

#endif
