/* tests/vmm/check_virtio_vsock_ends.c: how streams of the socket device end: closes of
 * either side, a full table, a reset, a held device, a loaded state. */
#include "tests/vmm/vsock_guest.h"

#include "core/loop.h"
#include "core/state.h"
#include "core/wire.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- ends ---- */

START_TEST(half_a_close_of_the_guest_is_the_end_of_what_it_says)
{
	int host;

	vs_start(8);
	host = vs_open();
	VS_SEND(.op = RW, .len = 3, .fill = 'a');
	VS_SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_SEND);
	ck_assert_uint_eq(vs_host_read(host, 'a'), 3);
	ck_assert(vs_host_is_at_end(host));
	ck_assert_int_eq(write(host, "late", 4), 4); /* the other way goes on */
	vs_turn();
	ck_assert_uint_eq(vs_next(), RW);
	ck_assert_uint_eq(vs.seen.len, 4);
	VS_SEND(.op = RW, .len = 1); /* after its end */
	ck_assert_uint_eq(vs_next(), RST);
	close(host);
}
END_TEST

START_TEST(half_a_close_of_the_host_is_the_end_of_what_it_says)
{
	int host;

	vs_start(8);
	host = vs_open();
	ck_assert_int_eq(write(host, "bye", 3), 3);
	ck_assert_int_eq(shutdown(host, SHUT_WR), 0);
	vs_turn();
	ck_assert_uint_eq(vs_next(), RW);
	ck_assert_uint_eq(vs_next(), SHUTDOWN);
	ck_assert_uint_eq(vs.seen.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	vs_turn();
	ck_assert_uint_eq(vs_next(), NONE);
	VS_SEND(.op = RW, .len = 7, .fill = 'z');
	ck_assert_uint_eq(vs_host_read(host, 'z'), 7);
	close(host); /* and then the rest */
	vs_turn();
	ck_assert_uint_eq(vs_next(), SHUTDOWN);
	ck_assert_uint_eq(vs.seen.flags, VIRTIO_VSOCK_SHUTDOWN_BOTH);
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_CLOSING);
	VS_SEND(.op = RST);
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_FREE);
}
END_TEST

START_TEST(a_guest_that_will_not_read_stops_the_host)
{
	int host;

	vs_start(8);
	host = vs_open();
	VS_SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_RECEIVE);
	ck_assert_int_eq(send(host, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	VS_SEND(.op = RW, .len = 2, .fill = 'b');
	ck_assert_uint_eq(vs_host_read(host, 'b'), 2);
	close(host);
	vs_turn();
	ck_assert_uint_eq(vs_next(), SHUTDOWN);
	ck_assert_uint_eq(vs.seen.flags, VIRTIO_VSOCK_SHUTDOWN_BOTH);
}
END_TEST

START_TEST(a_guest_that_closes_is_let_go_at_once_and_the_host_gets_all)
{
	uint32_t sent = 0, got = 0;
	int host;

	vs_start(32);
	host = vs_open();
	while (vs.v->conn[0].buf_len < 1000) {
		VS_SEND(.op = RW, .len = 1000, .fill = 5);
		sent += 1000;
		while (vs_next() == CREDIT_UPDATE)
			vs_give_rx(BUF_LEN);
	}
	VS_SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_BOTH);
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_DRAINING);
	vs_give_rx(BUF_LEN);
	/* The pair of ports is the guest's again, while the old stream still drains. */
	VS_SEND(.op = REQUEST);
	ck_assert_uint_eq(vs.n_dials, 2);
	for (unsigned i = 0; i < 100 && got < sent; i++) {
		got += (uint32_t)vs_host_read(host, 5);
		vs_turn();
	}
	ck_assert_uint_eq(got, sent);
	ck_assert(vs_host_is_at_end(host));
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_FREE);
	ck_assert_uint_eq(vs.v->conn[1].state, VSOCK_DIALING);
	close(host);
}
END_TEST

START_TEST(a_drain_into_nowhere_ends)
{
	int host;

	vs_start(32);
	host = vs_open();
	while (vs.v->conn[0].buf_len < 1000) {
		VS_SEND(.op = RW, .len = 1000, .fill = 5);
		while (vs_next() == CREDIT_UPDATE)
			vs_give_rx(BUF_LEN);
	}
	VS_SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_BOTH);
	close(host);
	vs_turn();
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_FREE);
	ck_assert_uint_eq(vs_next(), RST);
}
END_TEST

START_TEST(a_host_that_dies_is_a_close_or_a_reset)
{
	int host;

	vs_start(8);
	host = vs_open();
	close(host);
	vs_turn();
	ck_assert_uint_eq(vs_next(), SHUTDOWN);
	ck_assert_uint_eq(vs_next(), SHUTDOWN);
	ck_assert_uint_eq(vs.seen.flags, VIRTIO_VSOCK_SHUTDOWN_BOTH);
	VS_SEND(.op = RW, .len = 1); /* it did not hear yet */
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert_uint_eq(vs.v->conn[0].state, VSOCK_FREE);
	host = vs_open();
	close(host);
	VS_SEND(.op = RW, .len = 1); /* before we heard */
	ck_assert_uint_eq(vs_next(), RST);
}
END_TEST

START_TEST(a_guest_that_dies_is_an_end)
{
	int host;

	vs_start(8);
	host = vs_open();
	VS_SEND(.op = RST);
	ck_assert(vs_host_is_at_end(host));
	ck_assert_uint_eq(vs_next(), NONE);
	close(host);
}
END_TEST

/* ---- bounds ---- */

START_TEST(a_full_table_refuses_and_evicts_what_is_over)
{
	int host[VIRTIO_VSOCK_CONN_MAX], ours, more;

	vs_start(4);
	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++) {
		host[i] = vs_stream(&ours);
		VS_SEND(.op = REQUEST, .guest_port = 1 + i);
		virtio_vsock_answer(vs.v, vs.token, ours);
		ck_assert_uint_eq(vs_next(), RESPONSE);
		vs_give_rx(BUF_LEN);
	}
	VS_SEND(.op = REQUEST, .guest_port = 5000);
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert_uint_eq(vs.seen.dst_port, 5000);
	vs_give_rx(BUF_LEN);
	more = vs_stream(&ours);
	virtio_vsock_connect(vs.v, GUEST_PORT, ours);
	ck_assert(vs_host_is_at_end(more));
	close(more);
	/* Two end for the host, and the guest does not say that it heard. */
	for (unsigned i = 0; i < 2; i++) {
		close(host[9 - i]);
		vs_turn();
		while (vs_next() == SHUTDOWN)
			vs_give_rx(BUF_LEN);
	}
	VS_SEND(.op = REQUEST, .guest_port = 5001);
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert_uint_eq(vs.seen.dst_port, 1 + 9); /* the older one */
	ck_assert_uint_eq(vs.v->stats.evicted, 1);
	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++)
		if (i != 8 && i != 9)
			close(host[i]);
}
END_TEST

START_TEST(a_reset_closes_everything)
{
	int host, host2, ours;

	vs_start(8);
	host = vs_open();
	host2 = vs_stream(&ours);
	virtio_vsock_connect(vs.v, GUEST_PORT, ours);
	VS_SEND(.op = RW, .guest_port = 77);
	vguest_set(&vs.g, VG_STATUS, 1, 0);
	ck_assert(vs_host_is_at_end(host));
	ck_assert(vs_host_is_at_end(host2));
	ck_assert_uint_eq(vs.v->n_rst, 0);
	close(host);
	close(host2);
	vs.g.next = MEM_PAGE_SIZE;
	vs_start(8);
	host = vs_open();
	close(host);
}
END_TEST

START_TEST(a_held_device_lets_the_guests_memory_alone)
{
	uint8_t *before = malloc(RAM);
	int host, host2, ours;

	vs_start(8);
	host = vs_open();
	VS_SEND(.op = REQUEST, .guest_port = 9);
	memcpy(before, vs.g.mem.host, RAM);
	virtio_vsock_hold(vs.v, true);
	loop_hold(vs.loop, true);
	ck_assert_int_eq(write(host, "abc", 3), 3);
	vs_turn();
	virtio_vsock_answer(vs.v, vs.token, -1);
	host2 = vs_stream(&ours);
	virtio_vsock_connect(vs.v, GUEST_PORT, ours);
	ck_assert_mem_eq(before, vs.g.mem.host, RAM);
	loop_hold(vs.loop, false);
	virtio_vsock_hold(vs.v, false);
	ck_assert_uint_eq(vs_next(), RST);
	ck_assert_uint_eq(vs_next(), REQUEST);
	vs_turn();
	ck_assert_uint_eq(vs_next(), RW);
	free(before);
	close(host);
	close(host2);
}
END_TEST

/* ---- state ---- */

static void save_and_load(void)
{
	struct state *s = NULL, *l = NULL;
	char *why = NULL;
	const uint8_t *data;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	virtio_vsock_state(vs.v, s);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &len);
	vs.v = virtio_vsock_free(vs.v);
	bus_init(&vs.g.bus, &vs.g.mem);
	vs_make();
	pci_host_init(&vs.g.host, &vs.g.bus);
	ck_assert_int_eq(pci_host_add(&vs.g.host, &vs.v->pci.pci, 1), 0);
	vs.g.p = &vs.v->pci;
	ck_assert_int_eq(state_load_new(data, len, &l, &why), 0);
	virtio_vsock_state(vs.v, l);
	ck_assert_msg(state_finish(l) == 0, "%s", state_why(l));
	(void)state_free(l);
	(void)state_free(s);
}

START_TEST(a_loaded_guest_hears_that_its_connections_are_gone)
{
	uint64_t at;
	struct vguest_buf buf;
	uint32_t id, len;
	int host;

	vs_start(8);
	at = vguest_alloc(&vs.g, 8, 8);
	buf = (struct vguest_buf){ at, 8, true };
	memset(vguest_ptr(&vs.g, at), 0xEE, 8);
	host = vs_open();
	save_and_load();
	ck_assert(vs_host_is_at_end(host));
	ck_assert(vs.v->held);
	virtio_vsock_hold(vs.v, false);
	ck_assert(vs.v->reset_due); /* no buffer for it yet */
	vguest_add(&vs.g, &vs.eventq, &buf, 1);
	vguest_kick(&vs.g, &vs.eventq);
	ck_assert(vguest_used(&vs.g, &vs.eventq, &id, &len));
	ck_assert_uint_eq(len, 4);
	ck_assert_uint_eq(load_le32(vguest_ptr(&vs.g, at)), 0);
	ck_assert(!vs.v->reset_due);
	VS_SEND(.op = RW, .len = 1);
	ck_assert_uint_eq(vs_next(), RST);
	close(host);
	/* Without connections nothing is said. */
	save_and_load();
	virtio_vsock_hold(vs.v, false);
	ck_assert(!vs.v->reset_due);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_vsock_ends");
	TCase *t = tcase_create("virtio_vsock_ends");

	tcase_add_checked_fixture(t, vs_setup, vs_teardown);
	tcase_add_test(t, half_a_close_of_the_guest_is_the_end_of_what_it_says);
	tcase_add_test(t, half_a_close_of_the_host_is_the_end_of_what_it_says);
	tcase_add_test(t, a_guest_that_will_not_read_stops_the_host);
	tcase_add_test(t, a_guest_that_closes_is_let_go_at_once_and_the_host_gets_all);
	tcase_add_test(t, a_drain_into_nowhere_ends);
	tcase_add_test(t, a_host_that_dies_is_a_close_or_a_reset);
	tcase_add_test(t, a_guest_that_dies_is_an_end);
	tcase_add_test(t, a_full_table_refuses_and_evicts_what_is_over);
	tcase_add_test(t, a_reset_closes_everything);
	tcase_add_test(t, a_held_device_lets_the_guests_memory_alone);
	tcase_add_test(t, a_loaded_guest_hears_that_its_connections_are_gone);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
