/* tests/fuzz/fuzz_virtio_console.c: a hostile driver against the console. */
#include "tests/fuzz/virtio_fuzz.h"

#include "vmm/dev/virtio_console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct bench {
	struct virtio_console *con;
	int host_fd[2], dev_fd[2];
};

static void host(void *ctx, struct wire_reader *in)
{
	struct bench *b = ctx;
	uint8_t what = wire_get_u8(in), buf[256] = { 0 };
	size_t port = what & 1;

	if (what & 2)
		(void)!send(b->host_fd[port], buf, wire_get_u8(in), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (what & 4)
		(void)!recv(b->host_fd[port], buf, sizeof buf, MSG_DONTWAIT);
	if ((what & 0xF0) == 0xF0)
		(void)shutdown(b->host_fd[port], SHUT_RDWR);
	if ((what & 0xF0) == 0xE0)
		virtio_console_connect(b->con, port, what & 8 ? b->dev_fd[port] : -1);
	virtio_console_ready(b->con, port);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct virtio_fuzz *f = virtio_fuzz_begin();
	struct virtio_console_port_config port[2] = { { .name = "a" }, { .name = "b" } };
	struct virtio_console_config cfg = { .mem = &f->g.mem, .ports = port, .n_ports = 2 };
	struct bench b = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
			abort();
		b.host_fd[i] = pair[0];
		b.dev_fd[i] = port[i].fd = pair[1];
	}
	if (virtio_console_new(&cfg, &b.con) < 0)
		abort();
	f->host = host;
	f->ctx = &b;
	virtio_fuzz_run(f, &b.con->pci, data, len);
	for (unsigned i = 0; i < 2; i++)
		virtio_fuzz_totals.used += b.con->port[i].bytes_in + b.con->port[i].bytes_out;
	greet(f);
	virtio_fuzz_end(f);
	b.con = virtio_console_free(b.con);
	for (unsigned i = 0; i < 2; i++) {
		(void)close(b.host_fd[i]);
		(void)close(b.dev_fd[i]);
	}
	return 0;
}
