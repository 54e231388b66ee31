/* tests/fuzz/fuzz_stream.c: a port at a stream socket, and a peer that sends any bytes in any pieces. Input: steps.
 * Each begins with a byte that picks what is done: a whole frame, a length alone, raw bytes of the input, the peer
 * reads, goes, or another one connects, a machine sends a frame, the fabric is paused or resumed, or its state is
 * loaded back. What the machine gets are frames that were sent, each in its order; the peer gets whole frames; the
 * books balance; and the port sleeps when nothing comes. */
#include "core/element_state.h"
#include "core/state.h"
#include "core/wire.h"
#include "fabric/fabric.h"
#include "tests/fabric/shares.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RING, STREAM, N_PORTS, HEAD = 4, STEPS_MAX = 60, FRAME = 64, ROUNDS_MAX = 10000 };

#define HOLDS(what)                                             \
	do {                                                    \
		if (!(what)) {                                  \
			fprintf(stderr, "not so: %s\n", #what); \
			abort();                                \
		}                                               \
	} while (0)

static struct fabric_plan_network network = { .name = "lan", .mtu = 1500 };
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan = {
	.name = "t", .seed = 1, .networks = &network, .n_networks = 1, .ports = ports, .n_ports = N_PORTS
};
static struct ring_pair_fds fds;
static struct ring_pair machine;
static struct fabric *fabric;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_len;
static int peer;
static nsec_t now;
/* What the peer reads, as far as it is no whole frame yet. */
static uint8_t in[HEAD + FRAME_LEN_MAX];
static size_t in_len;

/* An abstract address, which the kernel chooses: nothing is left behind. */
static void set_up(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	HOLDS(bind(fd, (struct sockaddr *)&address, sizeof address.sun_family) == 0);
	address_len = sizeof address;
	HOLDS(getsockname(fd, (struct sockaddr *)&address, &address_len) == 0);
	HOLDS(listen(fd, 8) == 0);
	ports[RING] = (struct fabric_plan_port){
		.name = "a.0", .stream = "a.0", .mtu = 1500, .kind = FABRIC_PORT_RING, .rings = &fds
	};
	ports[STREAM] = (struct fabric_plan_port){
		.name = "lan.q", .stream = "lan.q", .mtu = 1500, .kind = FABRIC_PORT_STREAM, .fd = fd
	};
	plan_shares(&plan);
}

static void new_rings(void)
{
	if (machine.map) {
		ring_pair_detach(&machine);
		ring_pair_close(&fds);
	}
	HOLDS(ring_pair_create(RING_DATA_SIZE, &fds) == 0);
}

static int connect_one(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, address_len) < 0) {
		(void)close(fd); /* the queue of the listening socket is full */
		return -1;
	}
	return fd;
}

static void pump(void)
{
	struct fabric_port *p = &fabric->ports[STREAM];
	struct pollfd poll_fd = { .fd = p->ops->wait_fd(p), .events = POLLIN };
	unsigned rounds = 0;

	fabric_wake_port(fabric, RING);
	do {
		if (poll_fd.revents) {
			p->ops->kicked(p);
			fabric_wake_port(fabric, STREAM);
		}
		while (fabric_step(fabric, now) || !fabric_sleep(fabric))
			HOLDS(++rounds < ROUNDS_MAX);
		poll_fd.revents = 0;
		HOLDS(++rounds < ROUNDS_MAX);
	} while (!fabric->is_paused && poll(&poll_fd, 1, 0) == 1);
}

static void check_books(void)
{
	for (size_t i = 0; i < N_PORTS; i++) {
		const struct element_counters *both[] = { &fabric->ports[i].in, &fabric->ports[i].out };

		for (size_t k = 0; k < 2; k++)
			HOLDS(element_counters_balance(both[k]));
	}
}

/* Every frame that passes is one that somebody could have sent. */
static void take_machines(void)
{
	struct ring_record rec;

	for (; ring_peek(&machine.rx, &rec); ring_pop(&machine.rx))
		HOLDS(rec.len >= 14 && rec.len <= FRAME_LEN_MAX);
	ring_release(&machine.rx);
}

/* What comes to the peer is frames of the machine's, whole. */
static void read_peer(void)
{
	ssize_t n;

	while (peer >= 0 && (n = read(peer, in + in_len, sizeof in - in_len)) > 0) {
		in_len += (size_t)n;
		while (in_len >= HEAD && in_len >= HEAD + load_be32(in)) {
			uint32_t len = load_be32(in);

			HOLDS(len == FRAME && in[HEAD + 11] == 1);
			in_len -= HEAD + len;
			memmove(in, in + HEAD + len, in_len);
		}
		HOLDS(in_len < HEAD || load_be32(in) == FRAME);
	}
}

static void fill(uint8_t *p, uint8_t from)
{
	memset(p, 0, FRAME);
	memset(p, 0xff, 6);
	p[6] = 2;
	p[11] = from;
	p[12] = p[13] = 0x88;
}

static void send_machine(unsigned count)
{
	static const struct frame_offload none;
	uint8_t *p;

	for (; count && (p = ring_reserve(&machine.tx, FRAME)); count--) {
		fill(p, 1);
		ring_commit(&machine.tx, FRAME, &none, 0);
	}
	(void)ring_publish(&machine.tx);
}

static void send_bytes(const void *data, size_t len)
{
	if (peer >= 0)
		(void)!send(peer, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void new_peer(void)
{
	if (peer >= 0)
		(void)close(peer);
	peer = connect_one();
	in_len = 0;
}

static void reload(void)
{
	struct state *s, *l;
	const uint8_t *data;
	char *why = NULL;
	size_t len;

	HOLDS(state_save_new(-1, &s) == 0);
	fabric_state(fabric, s, now);
	HOLDS(state_finish(s) == 0);
	fabric = fabric_free(fabric);
	new_rings();
	HOLDS(fabric_new(&plan, &fabric) == 0);
	data = state_data(s, &len);
	HOLDS(state_load_new(data, len, &l, &why) == 0);
	fabric_state(fabric, l, now);
	HOLDS(state_finish(l) == 0);
	(void)state_free(l);
	(void)state_free(s);
	HOLDS(ring_pair_attach(&fds, RING_MACHINE, &machine) == 0);
	new_peer();
}

/* One step, of at most @len bytes. Returns how many it took. */
static size_t step(const uint8_t *data, size_t len)
{
	uint8_t buf[HEAD + FRAME], n = data[0] >> 4;
	int other;

	switch (data[0] & 15) {
	case 0 ... 4:
		store_be32(buf, FRAME);
		fill(buf + HEAD, 2);
		for (unsigned i = 0; i <= n; i++)
			send_bytes(buf, n == 15 ? 20 : sizeof buf);
		return 1;
	case 5 ... 6:
		store_be32(buf, len > 2 ? load_be16(data + 1) : FRAME_LEN_MAX + 1);
		send_bytes(buf, HEAD);
		return len > 2 ? 3 : 1;
	case 7 ... 8:
		if (n > len - 1)
			n = (uint8_t)(len - 1);
		send_bytes(data + 1, n);
		return 1 + n;
	case 9:
		new_peer();
		return 1;
	case 10:
		other = connect_one();
		pump();
		if (other >= 0)
			(void)close(other);
		return 1;
	case 11:
		read_peer();
		return 1;
	case 12:
		send_machine(n < 15 ? n : 4500); /* more than the socket holds */
		return 1;
	case 13:
		if (fabric->is_paused)
			fabric_resume(fabric, now);
		else
			fabric_pause(fabric, now);
		return 1;
	case 14:
		if (n == 0 && !fabric->is_paused)
			reload();
		return 1;
	default:
		if (peer >= 0)
			(void)shutdown(peer, n & 1 ? SHUT_WR : SHUT_RDWR);
		return 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!address_len)
		set_up();
	now = NSEC_PER_SEC;
	new_rings();
	HOLDS(fabric_new(&plan, &fabric) == 0);
	HOLDS(ring_pair_attach(&fds, RING_MACHINE, &machine) == 0);
	peer = connect_one();
	in_len = 0;
	for (size_t at = 0, n = 0; at < size && n < STEPS_MAX; n++) {
		at += step(data + at, size - at);
		pump();
		take_machines();
		check_books();
	}
	if (fabric->is_paused)
		fabric_resume(fabric, now);
	read_peer();
	/* Whatever was done to it, it serves the next one. */
	if (peer >= 0)
		(void)close(peer);
	pump();
	peer = connect_one();
	HOLDS(peer >= 0);
	in_len = 0;
	pump();
	HOLDS(fabric->ports[STREAM].is_up);
	(void)close(peer);
	pump();
	HOLDS(!fabric->ports[STREAM].is_up);
	take_machines();
	fabric = fabric_free(fabric);
	return 0;
}
