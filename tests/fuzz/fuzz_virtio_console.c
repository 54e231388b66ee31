/* tests/fuzz/fuzz_virtio_console.c: a hostile driver against the console. The
 * sockets behind its ports and the loop stay over inputs, but for a socket that
 * was shut down. */
#include "tests/fuzz/virtio_fuzz.h"

#include "core/loop.h"
#include "vmm/dev/virtio_console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS = 2 };
static int host_fd[PORTS] = { -1, -1 }, dev_fd[PORTS];

struct bench {
	struct virtio_console *con;
	struct loop *loop;
	bool is_shut[PORTS];
};

static void host(void *ctx, struct wire_reader *in)
{
	struct bench *b = ctx;
	uint8_t what = wire_get_u8(in), buf[256] = { 0 };
	size_t port = what & 1;

	if (what & 2)
		(void)!send(host_fd[port], buf, wire_get_u8(in), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (what & 4)
		(void)!recv(host_fd[port], buf, sizeof buf, MSG_DONTWAIT);
	if ((what & 0xF0) == 0xF0) {
		(void)shutdown(host_fd[port], SHUT_RDWR);
		b->is_shut[port] = true;
	}
	if ((what & 0xF0) == 0xE0)
		virtio_console_connect(b->con, port, what & 8 ? dev_fd[port] : -1);
	if ((what & 8) && loop_step(b->loop, 0) < 0)
		abort();
	virtio_console_ready(b->con, port);
}

static void state(void *ctx, struct state *s)
{
	struct bench *b = ctx;

	virtio_console_state(b->con, s);
}

/* While the machine is paused a host side comes or goes. */
static void hold(void *ctx, bool on)
{
	struct bench *b = ctx;
	const struct virtio_console_port *p = &b->con->port[0];

	if (!on && (p->bytes_out & 1))
		virtio_console_connect(b->con, 0, p->fd < 0 ? dev_fd[0] : -1);
	virtio_console_hold(b->con, on);
}

/* Gives buffers for control messages and for a port's bytes, and says what a driver
 * says: that it is there, that it knows a port, that a port was opened or closed. */
static void driver(void *ctx, struct virtio_fuzz *f, struct wire_reader *in)
{
	static const uint8_t events[] = { VIRTIO_CONSOLE_DEVICE_READY, VIRTIO_CONSOLE_PORT_READY,
					  VIRTIO_CONSOLE_PORT_OPEN, VIRTIO_CONSOLE_PORT_OPEN };
	struct vguest_buf to = { FUZZ_RAM / 2, 80, true }, from = { FUZZ_RAM / 2 + 4096, 8, false };
	uint8_t what = wire_get_u8(in), *msg = vguest_ptr(&f->g, from.gpa);
	unsigned port = 1 + (what >> 2 & 1);

	(void)ctx;
	virtio_fuzz_send(f, VIRTIO_CONSOLE_CTRL_RXQ, &to, 1);
	if (what & 0x10) {
		to.write = what & 0x60; /* now and then it can take nothing */
		virtio_fuzz_send(f, virtio_console_rxq(port), &to, 1);
		return;
	}
	memset(msg, 0, 8);
	msg[0] = (uint8_t)port;
	msg[4] = events[what & 3];
	msg[6] = (what & 0xE0) != 0;
	virtio_fuzz_send(f, VIRTIO_CONSOLE_CTRL_TXQ, &from, 1);
}

/* Says DEVICE_READY as a right driver does; the device answers. */
static void greet(struct virtio_fuzz *f)
{
	struct vguest_buf to = { FUZZ_RAM / 2, 80, true }, from = { FUZZ_RAM / 2 + 4096, 8, false };
	struct vguest_queue *rxq = &f->queue[VIRTIO_CONSOLE_CTRL_RXQ];
	struct vguest_queue *txq = &f->queue[VIRTIO_CONSOLE_CTRL_TXQ];
	uint32_t id, len = 0;

	virtio_fuzz_recover(f, 0, 8);
	memset(vguest_ptr(&f->g, from.gpa), 0, 8);
	store_le16(vguest_ptr(&f->g, from.gpa) + 6, 1);
	vguest_add(&f->g, rxq, &to, 1);
	vguest_add(&f->g, txq, &from, 1);
	vguest_kick(&f->g, txq);
	if (!vguest_used(&f->g, rxq, &id, &len) || len != 8) {
		fprintf(stderr, "the console does not work after a reset\n");
		abort();
	}
}

static void connect_pair(size_t i)
{
	int pair[2], small = 4096;

	if (host_fd[i] >= 0 && (close(host_fd[i]) < 0 || close(dev_fd[i]) < 0))
		abort();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) < 0)
		abort();
	host_fd[i] = pair[0];
	dev_fd[i] = pair[1];
}

/* Nothing of the last input is in the sockets. */
static void empty(int fd)
{
	uint8_t buf[4096];

	while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct loop *loop;
	struct virtio_fuzz *f = virtio_fuzz_begin();
	struct virtio_console_port_config port[PORTS] = { { .name = "a" }, { .name = "b" } };
	struct virtio_console_config cfg = { .mem = &f->g.mem, .ports = port, .n_ports = PORTS };
	struct bench b = { 0 };

	if (!loop && loop_new(&loop) < 0)
		abort();
	cfg.loop = b.loop = loop;
	for (size_t i = 0; i < PORTS; i++) {
		if (host_fd[i] < 0)
			connect_pair(i);
		port[i].fd = dev_fd[i];
	}
	if (virtio_console_new(&cfg, &b.con) < 0)
		abort();
	f->host = host;
	f->driver = driver;
	f->state = state;
	f->hold = hold;
	f->ctx = &b;
	virtio_fuzz_run(f, &b.con->pci, data, len);
	for (unsigned i = 0; i < PORTS; i++)
		virtio_fuzz_totals.used += b.con->port[i].bytes_in + b.con->port[i].bytes_out;
	greet(f);
	virtio_fuzz_end(f);
	b.con = virtio_console_free(b.con);
	for (size_t i = 0; i < PORTS; i++) {
		if (b.is_shut[i])
			connect_pair(i);
		empty(host_fd[i]);
		empty(dev_fd[i]);
	}
	return 0;
}
