/* tests/vmm/check_virtio_vsock.c: a socket device between a small guest driver
 * and the host's ends of socket pairs: opening, strays, credit. */
#include "tests/vmm/vsock_guest.h"

#include "tests/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- opening ---- */

START_TEST(the_device_says_its_context_id)
{
	ck_assert_uint_eq(vguest_pci_get(&vs.g, PCI_DEVICE, 2), 0x1040 + 19);
	ck_assert_uint_eq(vguest_config(&vs.g, 0, 8), CID);
	ck_assert_uint_eq(vguest_get(&vs.g, VG_N_QUEUES, 2), 3);
	ck_assert_uint_eq(vguest_offered(&vs.g) & 3, 0); /* streams are what no feature means */
}
END_TEST

START_TEST(a_program_of_the_host_reaches_one_of_the_guest)
{
	int ours, host = vs_stream(&ours);
	char line[64] = "", want[64];

	vs_start(4);
	virtio_vsock_connect(vs.v, GUEST_PORT, ours);
	ck_assert_uint_eq(vs_next(), REQUEST);
	ck_assert_uint_eq(vs.seen.dst_port, GUEST_PORT);
	ck_assert_int_eq(read(host, line, sizeof line), -1);
	VS_SEND(.op = RESPONSE, .host_port = vs.seen.src_port);
	(void)snprintf(want, sizeof want, "OK %u\n", vs.seen.src_port);
	ck_assert_int_eq(read(host, line, sizeof line - 1), (ssize_t)strlen(want));
	ck_assert_str_eq(line, want);
	ck_assert_int_eq(write(host, "ping", 4), 4);
	vs_turn();
	ck_assert_uint_eq(vs_next(), RW);
	ck_assert_uint_eq(vs.seen.len, 4);
	ck_assert_mem_eq(vs.seen.data, "ping", 4);
	VS_SEND(.op = RW, .host_port = vs.seen.src_port, .len = 100, .fill = 'x');
	ck_assert_uint_eq(vs_host_read(host, 'x'), 100);
	ck_assert_uint_eq(vs.v->stats.from_host, 1);
	close(host);
}
END_TEST

START_TEST(a_guest_that_listens_not_refuses)
{
	int ours, host = vs_stream(&ours);

	vs_start(4);
	virtio_vsock_connect(vs.v, GUEST_PORT, ours);
	ck_assert_uint_eq(vs_next(), REQUEST);
	VS_SEND(.op = RST, .host_port = vs.seen.src_port);
	ck_assert(vs_host_is_at_end(host));
	ck_assert_uint_eq(vs.v->stats.refused, 1);
	close(host);
}
END_TEST

START_TEST(without_a_driver_nobody_is_reached)
{
	int ours, host = vs_stream(&ours);

	virtio_vsock_connect(vs.v, GUEST_PORT, ours);
	ck_assert(vs_host_is_at_end(host));
	close(host);
}
END_TEST

START_TEST(a_program_that_gives_up_takes_its_request_along)
{
	int ours, host = vs_stream(&ours);

	vs_start(4);
	virtio_vsock_connect(vs.v, GUEST_PORT, ours);
	ck_assert_uint_eq(vs_next(), REQUEST);
	ck_assert_int_eq(shutdown(host, SHUT_WR), 0); /* all it says is said: it waits */
	vs_turn();
	ck_assert_uint_eq(vs_next(), NONE);
	close(host);
	vs_turn();
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert_uint_eq(vs.seen.dst_port, GUEST_PORT);
}
END_TEST

START_TEST(a_program_of_the_guest_reaches_one_of_the_host)
{
	int host;

	vs_start(4);
	host = vs_open();
	VS_SEND(.op = RW, .len = 10, .fill = 'g');
	ck_assert_uint_eq(vs_host_read(host, 'g'), 10);
	ck_assert_uint_eq(vs.n_dials, 1);
	ck_assert_uint_eq(vs.v->stats.from_guest, 1);
	close(host);
}
END_TEST

START_TEST(a_host_where_nobody_listens_refuses)
{
	vs_start(4);
	VS_SEND(.op = REQUEST);
	ck_assert_uint_eq(vs_next(), NONE);
	virtio_vsock_answer(vs.v, vs.token, -1);
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert_uint_eq(vs.seen.dst_port, GUEST_PORT);
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_FREE);
}
END_TEST

START_TEST(an_answer_that_is_late_is_closed)
{
	int ours, host = vs_stream(&ours);
	uint32_t old;

	vs_start(4);
	VS_SEND(.op = REQUEST);
	old = vs.token;
	VS_SEND(.op = RST);
	VS_SEND(.op = REQUEST); /* the same place in the table, and another one */
	ck_assert_uint_ne(vs.token, old);
	virtio_vsock_answer(vs.v, old, ours);
	ck_assert(vs_host_is_at_end(host));
	ck_assert_uint_eq(vs_next(), NONE);
	close(host);
}
END_TEST

/* ---- what is not a packet of a connection ---- */

static const struct { const char *what; struct vs_packet p; bool answered; } stray[] = {
	{ "data", { .op = RW, .len = 5 }, true },
	{ "a response", { .op = RESPONSE }, true },
	{ "a shutdown", { .op = SHUTDOWN, .flags = 3 }, true },
	{ "a credit update", { .op = CREDIT_UPDATE }, true },
	{ "an operation that is none", { .op = 77 }, true },
	{ "a reset", { .op = RST }, false },
	{ "another type", { .op = REQUEST, .type = 2 }, true },
	{ "a reset of another type", { .op = RST, .type = 9 }, false },
	{ "another's packet", { .op = RW, .src_cid = CID + 1 }, false },
	{ "a packet for another", { .op = RW, .dst_cid = CID }, false },
	{ "upper bits in an ID", { .op = RW, .src_cid = CID | UINT64_C(1) << 32 }, false },
	{ "more data than there are", { .op = RW, .len = 5, .claims = 6 }, false },
	{ "far more", { .op = RW, .len = 5, .claims = UINT32_MAX }, false },
};

START_TEST(a_stray_packet_is_answered_by_a_reset_or_not_at_all)
{
	vs_start(4);
	vs_send(&stray[_i].p);
	ck_assert_msg(vs_next() == (stray[_i].answered ? RST : NONE), "%s", stray[_i].what);
	ck_assert_uint_eq(vs_next(), NONE);
	ck_assert_uint_eq(vs.n_dials, 0);
	if (stray[_i].answered) {
		ck_assert_uint_eq(vs.seen.dst_port, GUEST_PORT);
		ck_assert_uint_eq(vs.seen.src_port, HOST_PORT);
	}
}
END_TEST

START_TEST(half_a_header_is_dropped)
{
	struct vguest_buf buf = { 0, HDR - 1, false };

	vs_start(4);
	buf.gpa = vs.tx_gpa;
	vguest_add(&vs.g, &vs.txq, &buf, 1);
	vguest_kick(&vs.g, &vs.txq);
	ck_assert_uint_eq(vs_next(), NONE);
	ck_assert_uint_eq(vs.v->stats.malformed, 1);
}
END_TEST

static const struct vs_packet against[] = {
	{ .op = REQUEST }, { .op = RESPONSE }, { .op = 0 }, { .op = 99 },
	{ .op = RW, .len = VIRTIO_VSOCK_BUF_LEN + 1 }, /* beyond the credit */
};

START_TEST(what_breaks_the_protocol_ends_the_connection)
{
	int host;

	vs_start(4);
	host = vs_open();
	vs_send(&against[_i]);
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert(vs_host_is_at_end(host));
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_FREE);
	close(host);
}
END_TEST

START_TEST(a_buffer_without_room_breaks_the_device)
{
	vs_start(0);
	vs_give_rx(HDR);
	VS_SEND(.op = RW);
	ck_assert_uint_eq(vs.v->dev.n_breaks, 1);
}
END_TEST

START_TEST(answers_that_nobody_takes_hold_the_queue_up)
{
	unsigned n = 0;

	vs_start(0);
	for (unsigned i = 0; i < VIRTIO_VSOCK_RST_MAX + 20; i++) {
		vs.tx_gpa = vguest_alloc(&vs.g, HDR, 8);
		VS_SEND(.op = RW, .guest_port = 1 + i);
	}
	ck_assert_uint_eq(vs.v->n_rst, VIRTIO_VSOCK_RST_MAX);
	ck_assert_uint_eq(vs.v->dev.queue[VIRTIO_VSOCK_TXQ].last_avail, VIRTIO_VSOCK_RST_MAX);
	for (unsigned i = 0; i < VIRTIO_VSOCK_RST_MAX + 20; i++) {
		vs_give_rx(BUF_LEN);
		while (vs_next() == RST)
			ck_assert_uint_eq(vs.seen.dst_port, ++n);
	}
	ck_assert_uint_eq(n, VIRTIO_VSOCK_RST_MAX + 20);
}
END_TEST

/* ---- credit ---- */

START_TEST(the_guest_is_told_of_room_in_time)
{
	int host;

	vs_start(4);
	host = vs_open();
	VS_SEND(.op = RW, .len = HALF - 1, .fill = 1);
	ck_assert_uint_eq(vs_next(), NONE);
	VS_SEND(.op = RW, .len = 1, .fill = 1);
	ck_assert_uint_eq(vs_next(), CREDIT_UPDATE);
	ck_assert_uint_eq(vs.seen.fwd_cnt, HALF);
	ck_assert_uint_eq(vs_next(), NONE);
	VS_SEND(.op = CREDIT_REQUEST);
	ck_assert_uint_eq(vs_next(), CREDIT_UPDATE);
	ck_assert_uint_eq(vs_host_read(host, 1), HALF);
	close(host);
}
END_TEST

/* A host that does not read: what its socket does not take is kept, up to the credit. */
START_TEST(a_slow_reader_of_the_host_loses_nothing)
{
	uint32_t sent = 0, told = 0, got = 0;
	int host;

	vs_start(8);
	host = vs_open();
	for (;;) {
		while (vs_next() == CREDIT_UPDATE) {
			told = vs.seen.fwd_cnt;
			vs_give_rx(BUF_LEN);
		}
		if (sent - told >= VIRTIO_VSOCK_BUF_LEN)
			break;
		VS_SEND(.op = RW, .len = 1024, .fill = 3);
		sent += 1024;
	}
	ck_assert_uint_gt(vs.v->conn[0].buf_len, 0);
	ck_assert_uint_eq(vs.v->conn[0].buf_len, sent - vs.v->conn[0].fwd_cnt);
	for (unsigned i = 0; i < 100 && got < sent; i++) {
		got += (uint32_t)vs_host_read(host, 3);
		vs_turn();
	}
	ck_assert_uint_eq(got, sent);
	ck_assert_uint_eq(vs.v->conn[0].buf_len, 0);
	/* Beyond the credit is beyond what is kept. */
	close(host);
}
END_TEST

START_TEST(the_host_sends_no_more_than_the_guest_has_room_for)
{
	static uint8_t data[8192];
	uint32_t sum = 0;
	int host;

	vs.buf_alloc = 5000;
	vs_start(8);
	host = vs_open();
	ck_assert_int_eq(write(host, data, sizeof data), sizeof data);
	vs_turn();
	while (vs_next() == RW)
		sum += vs.seen.len;
	ck_assert_uint_eq(sum, 5000);
	vs_turn();
	ck_assert_uint_eq(vs_next(), NONE);
	vs.fwd_cnt = 1000;
	VS_SEND(.op = CREDIT_UPDATE);
	while (vs_next() == RW)
		sum += vs.seen.len;
	ck_assert_uint_eq(sum, 6000);
	vs.fwd_cnt = 7000; /* more than was sent: a lie that gains nothing */
	VS_SEND(.op = CREDIT_UPDATE);
	ck_assert_uint_eq(vs_next(), NONE);
	vs.buf_alloc = 100; /* less than before */
	vs.fwd_cnt = 1000;
	VS_SEND(.op = CREDIT_UPDATE);
	ck_assert_uint_eq(vs_next(), NONE);
	vs.buf_alloc = 5000;
	vs.fwd_cnt = 6000;
	VS_SEND(.op = CREDIT_UPDATE);
	while (vs_next() == RW)
		sum += vs.seen.len;
	ck_assert_uint_eq(sum, sizeof data);
	close(host);
}
END_TEST

START_TEST(streams_share_the_guests_buffers_in_turn)
{
	unsigned bytes[3] = { 0 };
	static uint8_t data[4 * BUF_LEN];
	int host[3];

	vs_start(3);
	for (unsigned i = 0; i < 3; i++) {
		int ours;

		host[i] = vs_stream(&ours);
		VS_SEND(.op = REQUEST, .guest_port = 1 + i);
		virtio_vsock_answer(vs.v, vs.token, ours);
		ck_assert_uint_eq(vs_next(), RESPONSE);
		ck_assert_int_eq(write(host[i], data, sizeof data), sizeof data);
	}
	vs_turn();
	for (unsigned i = 0; i < 6; i++)
		vs_give_rx(BUF_LEN);
	while (vs_next() == RW)
		bytes[vs.seen.dst_port - 1] += vs.seen.len;
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(bytes[i], 2 * (BUF_LEN - HDR));
		close(host[i]);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_vsock");
	TCase *t = tcase_create("virtio_vsock");

	tcase_add_checked_fixture(t, vs_setup, vs_teardown);
	tcase_add_test(t, the_device_says_its_context_id);
	tcase_add_test(t, a_program_of_the_host_reaches_one_of_the_guest);
	tcase_add_test(t, a_guest_that_listens_not_refuses);
	tcase_add_test(t, without_a_driver_nobody_is_reached);
	tcase_add_test(t, a_program_that_gives_up_takes_its_request_along);
	tcase_add_test(t, a_program_of_the_guest_reaches_one_of_the_host);
	tcase_add_test(t, a_host_where_nobody_listens_refuses);
	tcase_add_test(t, an_answer_that_is_late_is_closed);
	tcase_add_loop_test(t, a_stray_packet_is_answered_by_a_reset_or_not_at_all, 0,
			    sizeof stray / sizeof stray[0]);
	tcase_add_test(t, half_a_header_is_dropped);
	tcase_add_loop_test(t, what_breaks_the_protocol_ends_the_connection, 0,
			    sizeof against / sizeof against[0]);
	tcase_add_test(t, a_buffer_without_room_breaks_the_device);
	tcase_add_test(t, answers_that_nobody_takes_hold_the_queue_up);
	tcase_add_test(t, the_guest_is_told_of_room_in_time);
	tcase_add_test(t, a_slow_reader_of_the_host_loses_nothing);
	tcase_add_test(t, the_host_sends_no_more_than_the_guest_has_room_for);
	tcase_add_test(t, streams_share_the_guests_buffers_in_turn);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
