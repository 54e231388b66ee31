/* tests/vmm/vsock_guest.c: the driver and the streams. */
#include "tests/vmm/vsock_guest.h"

#include "core/loop.h"
#include "core/wire.h"
#include "tests/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct vsock_guest vs;

static void on_dial(void *ctx, uint32_t port, uint32_t t)
{
	(void)ctx;
	vs.n_dials++;
	vs.dialed_port = port;
	vs.token = t;
}

void vs_make(void)
{
	struct virtio_vsock_config cfg = { .mem = &vs.g.mem, .loop = vs.loop, .cid = CID, .dial = on_dial };

	ck_assert_int_eq(virtio_vsock_new(&cfg, &vs.v), 0);
}

void vs_give_rx(uint32_t len)
{
	struct vguest_buf buf = { vs.rx_gpa[vs.rxq.next_desc], len, true };

	vguest_add(&vs.g, &vs.rxq, &buf, 1);
	vguest_kick(&vs.g, &vs.rxq);
}

void vs_start(unsigned n_rx)
{
	ck_assert_uint_eq(vguest_negotiate(&vs.g, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX), 11);
	vguest_queue_up(&vs.g, &vs.rxq, 0, QUEUE_SIZE);
	vguest_queue_up(&vs.g, &vs.txq, 1, QUEUE_SIZE);
	vguest_queue_up(&vs.g, &vs.eventq, 2, 8);
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		vs.rx_gpa[i] = vguest_alloc(&vs.g, BUF_LEN, 8);
	vs.tx_gpa = vguest_alloc(&vs.g, HDR + 2 * VIRTIO_VSOCK_BUF_LEN, 8);
	vguest_driver_ok(&vs.g);
	for (unsigned i = 0; i < n_rx; i++)
		vs_give_rx(BUF_LEN);
}

void vs_setup(void)
{
	vguest_init(&vs.g, RAM);
	ck_assert_int_eq(loop_new(&vs.loop), 0);
	vs_make();
	vguest_plug(&vs.g, &vs.v->pci);
	vs.fwd_cnt = vs.n_dials = 0;
	vs.buf_alloc = CREDIT;
}

void vs_teardown(void)
{
	vs.v = virtio_vsock_free(vs.v);
	vs.loop = loop_free(vs.loop);
	vguest_done(&vs.g);
}

void vs_send(const struct vs_packet *p)
{
	uint8_t *h = vguest_ptr(&vs.g, vs.tx_gpa);
	struct vguest_buf buf[2] = { { vs.tx_gpa, HDR, false }, { vs.tx_gpa + HDR, p->len, false } };
	uint32_t id, len;

	store_le64(h, p->src_cid ? p->src_cid : CID);
	store_le64(h + 8, p->dst_cid ? p->dst_cid : VIRTIO_VSOCK_HOST_CID);
	store_le32(h + 16, p->guest_port ? p->guest_port : GUEST_PORT);
	store_le32(h + 20, p->host_port ? p->host_port : HOST_PORT);
	store_le32(h + 24, p->claims ? p->claims : p->len);
	store_le16(h + 28, p->type ? p->type : VIRTIO_VSOCK_TYPE_STREAM);
	store_le16(h + 30, p->op);
	store_le32(h + 32, p->flags);
	store_le32(h + 36, vs.buf_alloc);
	store_le32(h + 40, vs.fwd_cnt);
	memset(h + HDR, p->fill, p->len);
	vguest_add(&vs.g, &vs.txq, buf, p->len ? 2 : 1);
	vguest_kick(&vs.g, &vs.txq);
	while (vguest_used(&vs.g, &vs.txq, &id, &len))
		;
}

uint16_t vs_next(void)
{
	uint32_t id, len;
	const uint8_t *h;

	if (!vguest_used(&vs.g, &vs.rxq, &id, &len))
		return NONE;
	h = vguest_ptr(&vs.g, vs.rx_gpa[id]);
	vs.seen = (typeof(vs.seen)){ load_le64(h), load_le64(h + 8), load_le32(h + 16), load_le32(h + 20),
			      load_le32(h + 24), load_le32(h + 32), load_le32(h + 36), load_le32(h + 40),
			      load_le16(h + 28), load_le16(h + 30), h + HDR };
	ck_assert_uint_eq(len, HDR + vs.seen.len);
	ck_assert_uint_eq(vs.seen.src_cid, VIRTIO_VSOCK_HOST_CID);
	ck_assert_uint_eq(vs.seen.dst_cid, CID);
	ck_assert_uint_eq(vs.seen.type, VIRTIO_VSOCK_TYPE_STREAM);
	return vs.seen.op;
}

void vs_turn(void)
{
	while (loop_step(vs.loop, 0) > 0)
		;
}

int vs_stream(int *ret_ours)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	*ret_ours = pair[1];
	return pair[0];
}

int vs_open(void)
{
	int ours, host = vs_stream(&ours);

	VS_SEND(.op = REQUEST);
	ck_assert_uint_eq(vs.dialed_port, HOST_PORT);
	virtio_vsock_answer(vs.v, vs.token, ours);
	ck_assert_uint_eq(vs_next(), RESPONSE);
	ck_assert_uint_eq(vs.seen.src_port, HOST_PORT);
	ck_assert_uint_eq(vs.seen.dst_port, GUEST_PORT);
	ck_assert_uint_eq(vs.seen.buf_alloc, VIRTIO_VSOCK_BUF_LEN);
	vs_give_rx(BUF_LEN);
	return host;
}

size_t vs_host_read(int fd, uint8_t fill)
{
	static uint8_t buf[1 << 16];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			ck_assert_uint_eq(buf[i], fill);
		sum += (size_t)n;
	}
	return sum;
}

bool vs_host_is_at_end(int fd)
{
	char c;

	return read(fd, &c, 1) == 0;
}
