/* tests/vmm/check_virtio_console.c: the ports of a virtio console between a
 * small guest driver and a socket pair. */
#include "vmm/dev/virtio_console.h"

#include "core/loop.h"
#include "core/wire.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RAM = 4 << 20, QUEUE_SIZE = 64, EV_READY = VIRTIO_CONSOLE_DEVICE_READY,
       EV_ADD = VIRTIO_CONSOLE_DEVICE_ADD, EV_PORT_READY = VIRTIO_CONSOLE_PORT_READY,
       EV_OPEN = VIRTIO_CONSOLE_PORT_OPEN, EV_NAME = VIRTIO_CONSOLE_PORT_NAME };

static struct vguest g;
static struct virtio_console *con;
static struct vguest_queue rxq, txq, ctrl_rxq, ctrl_txq;
static struct loop *loop;
static int host_fd, dev_fd;
static uint64_t ctrl_buf[QUEUE_SIZE];

static void setup(void)
{
	struct virtio_console_port_config port = { .name = "org.qemu.guest_agent.0" };
	struct virtio_console_config cfg = { .ports = &port, .n_ports = 1 };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	host_fd = pair[0];
	dev_fd = pair[1];
	vguest_init(&g, RAM);
	ck_assert_int_eq(loop_new(&loop), 0);
	cfg.mem = &g.mem;
	cfg.loop = loop;
	port.fd = dev_fd;
	ck_assert_int_eq(virtio_console_new(&cfg, &con), 0);
	vguest_plug(&g, &con->pci);
}

static void teardown(void)
{
	con = virtio_console_free(con);
	loop = loop_free(loop);
	if (host_fd >= 0)
		(void)close(host_fd);
	(void)close(dev_fd);
	vguest_done(&g);
}

static void say(uint32_t id, uint16_t event, uint16_t value)
{
	struct vguest_buf buf = { vguest_alloc(&g, 8, 8), 8, false };
	uint32_t used_id, len;

	store_le32(vguest_ptr(&g, buf.gpa), id);
	store_le16(vguest_ptr(&g, buf.gpa) + 4, event);
	store_le16(vguest_ptr(&g, buf.gpa) + 6, value);
	vguest_add(&g, &ctrl_txq, &buf, 1);
	vguest_kick(&g, &ctrl_txq);
	ck_assert(vguest_used(&g, &ctrl_txq, &used_id, &len));
}

static void give_ctrl(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct vguest_buf buf = { vguest_alloc(&g, 80, 8), 80, true };

		ctrl_buf[vguest_add(&g, &ctrl_rxq, &buf, 1)] = buf.gpa;
	}
	vguest_kick(&g, &ctrl_rxq);
}

/* The next control message is this one. @name may be NULL. */
static void expect(uint32_t id, uint16_t event, uint16_t value, const char *name)
{
	uint32_t head, len;
	const uint8_t *m;

	ck_assert_msg(vguest_used(&g, &ctrl_rxq, &head, &len), "no message where event %u is due",
		      event);
	m = vguest_ptr(&g, ctrl_buf[head]);
	ck_assert_uint_eq(load_le32(m), id);
	ck_assert_uint_eq(load_le16(m + 4), event);
	ck_assert_uint_eq(load_le16(m + 6), value);
	ck_assert_uint_eq(len, 8 + (name ? strlen(name) : 0));
	if (name)
		ck_assert_mem_eq(m + 8, name, strlen(name));
}

static void expect_nothing(void)
{
	uint32_t head, len;

	ck_assert(!vguest_used(&g, &ctrl_rxq, &head, &len));
}

static void start(unsigned n_ctrl)
{
	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_VERSION_1 | VIRTIO_CONSOLE_F_MULTIPORT), 11);
	vguest_queue_up(&g, &ctrl_rxq, VIRTIO_CONSOLE_CTRL_RXQ, QUEUE_SIZE);
	vguest_queue_up(&g, &ctrl_txq, VIRTIO_CONSOLE_CTRL_TXQ, QUEUE_SIZE);
	vguest_queue_up(&g, &rxq, virtio_console_rxq(1), QUEUE_SIZE);
	vguest_queue_up(&g, &txq, virtio_console_txq(1), QUEUE_SIZE);
	vguest_driver_ok(&g);
	give_ctrl(n_ctrl);
	say(UINT32_MAX, EV_READY, 1);
}

static void start_open(void)
{
	start(16);
	expect(1, EV_ADD, 1, NULL);
	say(1, EV_PORT_READY, 1);
	expect(1, EV_NAME, 1, "org.qemu.guest_agent.0");
	expect(1, EV_OPEN, 1, NULL);
	say(1, EV_OPEN, 1);
}

static uint64_t give_rx(uint32_t len)
{
	struct vguest_buf buf = { vguest_alloc(&g, len, 8), len, true };

	vguest_add(&g, &rxq, &buf, 1);
	vguest_kick(&g, &rxq);
	return buf.gpa;
}

static void guest_write(const void *data, uint32_t len)
{
	struct vguest_buf buf = { vguest_alloc(&g, len, 8), len, false };

	memcpy(vguest_ptr(&g, buf.gpa), data, len);
	vguest_add(&g, &txq, &buf, 1);
	vguest_kick(&g, &txq);
}

START_TEST(ports_are_counted_with_port_0)
{
	ck_assert_uint_eq(vguest_config(&g, 4, 4), 2);
	ck_assert_uint_eq(vguest_get(&g, VG_N_QUEUES, 2), 6);
	ck_assert_uint_eq(virtio_console_txq(3), 9);
}
END_TEST

START_TEST(a_port_is_announced_named_and_opened)
{
	start_open();
	expect_nothing();
	ck_assert(con->port[0].guest_open);
}
END_TEST

START_TEST(messages_wait_for_buffers)
{
	start(0);
	say(1, EV_PORT_READY, 1);
	give_ctrl(1);
	expect(1, EV_ADD, 1, NULL);
	expect_nothing();
	give_ctrl(2);
	expect(1, EV_NAME, 1, "org.qemu.guest_agent.0");
	expect(1, EV_OPEN, 1, NULL);
}
END_TEST

START_TEST(bytes_go_both_ways)
{
	char got[16] = "";
	uint64_t at;
	uint32_t id, len;

	start_open();
	guest_write("hello", 5);
	ck_assert_int_eq(read(host_fd, got, sizeof got), 5);
	ck_assert_str_eq(got, "hello");
	ck_assert(vguest_used(&g, &txq, &id, &len));
	at = give_rx(100);
	ck_assert_int_eq(write(host_fd, "hi there", 8), 8);
	(void)loop_step(loop, 0);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, 8);
	ck_assert_mem_eq(vguest_ptr(&g, at), "hi there", 8);
	ck_assert_uint_ge(g.n_msi[rxq.index + 1], 1);
}
END_TEST

START_TEST(bytes_for_the_guest_wait_until_it_is_open)
{
	uint32_t id, len;

	start(16);
	give_rx(100);
	ck_assert_int_eq(write(host_fd, "x", 1), 1);
	(void)loop_step(loop, 0);
	ck_assert(!vguest_used(&g, &rxq, &id, &len));
	say(1, EV_OPEN, 1);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
}
END_TEST

START_TEST(bytes_for_the_guest_wait_for_buffers)
{
	uint64_t at;
	uint32_t id, len;

	start_open();
	ck_assert_int_eq(write(host_fd, "abcdef", 6), 6);
	(void)loop_step(loop, 0);
	at = give_rx(4);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, 4);
	ck_assert_mem_eq(vguest_ptr(&g, at), "abcd", 4);
	at = give_rx(4);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(vguest_ptr(&g, at), "ef", 2);
}
END_TEST

/* 40 writes of 32 KiB: far more than a socket holds. */
START_TEST(a_slow_reader_loses_nothing)
{
	static uint8_t block[32768];
	uint64_t at = vguest_alloc(&g, sizeof block, 8);
	struct vguest_buf buf = { at, sizeof block, false };
	uint32_t id, len;
	size_t n_read = 0;
	unsigned n_used = 0, n_wrong = 0;

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)(i % 251);
	memcpy(vguest_ptr(&g, at), block, sizeof block);
	start_open();
	for (unsigned i = 0; i < 40; i++)
		vguest_add(&g, &txq, &buf, 1);
	vguest_kick(&g, &txq);
	while (vguest_used(&g, &txq, &id, &len))
		n_used++;
	ck_assert_uint_lt(n_used, 40);
	ck_assert_uint_eq(con->port[0].wanted & EPOLLOUT, EPOLLOUT);
	for (;;) {
		uint8_t got[5000];
		ssize_t n = read(host_fd, got, sizeof got);

		if (n < 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			n_wrong += got[i] != (n_read + (size_t)i) % sizeof block % 251;
		n_read += (size_t)n;
		(void)loop_step(loop, 0);
	}
	ck_assert_uint_eq(n_read, 40 * sizeof block);
	ck_assert_uint_eq(n_wrong, 0);
	while (vguest_used(&g, &txq, &id, &len))
		n_used++;
	ck_assert_uint_eq(n_used, 40);
	ck_assert_uint_eq(con->port[0].wanted, 0);
}
END_TEST

/* One chain that names one MiB over and over: the machine stays responsive. */
START_TEST(an_endless_chain_is_sent_piecemeal)
{
	enum { PIECES = 4 };
	struct vguest_buf buf[PIECES];
	uint64_t at = vguest_alloc(&g, 1 << 20, 4096);
	uint8_t got[65536];
	uint64_t before;

	start_open();
	for (unsigned i = 0; i < PIECES; i++)
		buf[i] = (struct vguest_buf){ at, 1 << 20, false };
	vguest_add(&g, &txq, buf, PIECES);
	vguest_kick(&g, &txq);
	for (unsigned i = 0; i < 1000 && con->port[0].bytes_out < PIECES << 20; i++) {
		while (read(host_fd, got, sizeof got) > 0)
			continue;
		before = con->port[0].bytes_out;
		(void)loop_step(loop, 0);
		ck_assert_uint_le(con->port[0].bytes_out - before, 64 * 1024);
	}
	ck_assert_uint_eq(con->port[0].bytes_out, PIECES << 20);
}
END_TEST

START_TEST(the_guest_learns_that_the_host_is_gone_and_back)
{
	int pair[2];

	start_open();
	give_rx(10);
	(void)close(host_fd);
	host_fd = -1;
	(void)loop_step(loop, 0);
	expect(1, EV_OPEN, 0, NULL);
	ck_assert_int_eq(con->port[0].fd, -1);
	/* What is said to nobody is dropped, not kept. */
	guest_write("lost", 4);
	ck_assert_uint_eq(con->port[0].bytes_dropped, 4);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	virtio_console_connect(con, 0, pair[0]);
	expect(1, EV_OPEN, 1, NULL);
	(void)close(dev_fd);
	host_fd = pair[1];
	dev_fd = pair[0];
	guest_write("heard", 5);
	ck_assert_uint_eq(con->port[0].bytes_out, 5);
}
END_TEST

START_TEST(a_held_console_lets_the_guests_memory_alone)
{
	uint8_t *before;
	uint32_t id, len;
	int pair[2];

	start_open();
	give_rx(10);
	(void)vguest_used(&g, &rxq, &id, &len);
	before = malloc(RAM);
	memcpy(before, g.mem.host, RAM);
	virtio_console_hold(con, true);
	ck_assert_int_eq(write(host_fd, "abc", 3), 3);
	(void)loop_step(loop, 0);
	virtio_console_ready(con, 0);
	ck_assert_mem_eq(before, g.mem.host, RAM);
	virtio_console_hold(con, false);
	(void)loop_step(loop, 0);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, 3);
	/* another host side meanwhile: told when it goes on */
	virtio_console_hold(con, true);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memcpy(before, g.mem.host, RAM);
	virtio_console_connect(con, 0, pair[0]);
	ck_assert_mem_eq(before, g.mem.host, RAM);
	virtio_console_hold(con, false);
	expect(1, EV_OPEN, 1, NULL);
	free(before);
	(void)close(dev_fd);
	(void)close(host_fd);
	dev_fd = pair[0];
	host_fd = pair[1];
}
END_TEST

START_TEST(a_writer_into_a_closed_socket_survives)
{
	start_open();
	(void)close(host_fd);
	host_fd = -1;
	guest_write("lost", 4);
	expect(1, EV_OPEN, 0, NULL);
	ck_assert_uint_eq(con->port[0].bytes_dropped, 4);
}
END_TEST

START_TEST(strange_messages_are_ignored)
{
	struct vguest_buf shorter = { vguest_alloc(&g, 8, 8), 7, false };
	uint32_t id, len;

	start_open();
	say(0, EV_PORT_READY, 1);
	say(2, EV_OPEN, 1);
	say(UINT32_MAX, EV_OPEN, 1);
	say(1, 77, 1);
	vguest_add(&g, &ctrl_txq, &shorter, 1);
	vguest_kick(&g, &ctrl_txq);
	ck_assert(vguest_used(&g, &ctrl_txq, &id, &len));
	expect_nothing();
	ck_assert_uint_eq(con->dev.n_breaks, 0);
}
END_TEST

START_TEST(a_broken_data_queue_breaks_the_device_only)
{
	start_open();
	vguest_avail(&g, &txq, 60000);
	vguest_kick(&g, &txq);
	ck_assert_uint_eq(vguest_get(&g, VG_STATUS, 1) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
	ck_assert_int_eq(write(host_fd, "x", 1), 1);
	(void)loop_step(loop, 0);
	start_open();
	ck_assert(con->port[0].guest_open);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_console");
	TCase *t = tcase_create("virtio_console");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, ports_are_counted_with_port_0);
	tcase_add_test(t, a_port_is_announced_named_and_opened);
	tcase_add_test(t, messages_wait_for_buffers);
	tcase_add_test(t, bytes_go_both_ways);
	tcase_add_test(t, bytes_for_the_guest_wait_until_it_is_open);
	tcase_add_test(t, bytes_for_the_guest_wait_for_buffers);
	tcase_add_test(t, a_slow_reader_loses_nothing);
	tcase_add_test(t, an_endless_chain_is_sent_piecemeal);
	tcase_add_test(t, the_guest_learns_that_the_host_is_gone_and_back);
	tcase_add_test(t, a_held_console_lets_the_guests_memory_alone);
	tcase_add_test(t, a_writer_into_a_closed_socket_survives);
	tcase_add_test(t, strange_messages_are_ignored);
	tcase_add_test(t, a_broken_data_queue_breaks_the_device_only);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
