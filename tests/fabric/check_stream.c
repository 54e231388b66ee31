/* tests/fabric/check_stream.c: a port at a Unix stream socket, beside one with rings: on virtual time, and as
 * the process it is. What is saved of it: check_stream_state.c. */
#include "core/checksum.h"
#include "core/control.h"
#include "fabric/process.h"
#include "tests/fabric/stream_rig.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/wait.h>

/* ---- on virtual time ------------------------------------------------------------ */

START_TEST(frames_go_both_ways)
{
	int fd;

	new_fabric();
	fd = connect_peer();
	pump();
	ck_assert_str_eq(told, "+");
	for (uint32_t i = 0; i < 1000; i++) {
		ck_assert(send_ring(60, i));
		send_peer(fd, 60 + i, i);
		pump();
		ck_assert_uint_eq(receive_number(fd, 60), i);
		ck_assert_uint_eq(receive_ring(60 + i), i);
	}
	ck_assert(nothing_for(fd));
	check_books();
	(void)close(fd);
}
END_TEST

START_TEST(a_frame_may_come_in_pieces)
{
	uint8_t buf[2 * (HEAD + 100)];
	size_t len = wire_frame(buf, 100, 1);
	int fd;

	new_fabric();
	fd = connect_peer();
	len += wire_frame(buf + len, 100, 2);
	for (size_t i = 0; i < len; i++) {
		ck_assert_uint_eq(receive_ring(100), UINT32_MAX);
		ck_assert_int_eq(write(fd, buf + i, 1), 1);
		pump();
		if (i == HEAD + 99)
			ck_assert_uint_eq(receive_ring(100), 1);
	}
	ck_assert_uint_eq(receive_ring(100), 2);
	(void)close(fd);
}
END_TEST

/* More at once than a turn takes and than the buffer holds, and no news of it afterwards. */
START_TEST(many_frames_may_come_at_once)
{
	enum { COUNT = 2000 };
	uint32_t sent = 0, got = 0, number;
	uint8_t buf[HEAD + 60];
	int fd;

	new_fabric();
	fd = connect_peer();
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (got < COUNT) {
		size_t n = wire_frame(buf, 60, sent);

		while (sent < COUNT && write(fd, buf, n) == (ssize_t)n)
			n = wire_frame(buf, 60, ++sent);
		pump();
		for (; (number = receive_ring(60)) != UINT32_MAX; got++)
			ck_assert_uint_eq(number, got);
	}
	check_books();
	(void)close(fd);
}
END_TEST

static const struct {
	uint32_t len;
	const char *told;
} garbage[] = {
	{ 0, "+-it announced a frame of 0 bytes;+" },
	{ FRAME_LEN_MAX + 1, "+-it announced a frame that is longer than any;+" },
	{ UINT32_MAX, "+-it announced a frame that is longer than any;+" },
};

START_TEST(nonsense_drops_the_peer)
{
	uint8_t head[HEAD], byte;
	int fd, next;

	new_fabric();
	fd = connect_peer();
	send_peer(fd, 60, 1);
	store_be32(head, garbage[_i].len);
	ck_assert_int_eq(write(fd, head, HEAD), HEAD);
	next = connect_peer();
	pump();
	ck_assert_uint_eq(receive_ring(60), 1); /* what came before it is taken */
	ck_assert_str_eq(told, garbage[_i].told);
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	send_peer(next, 60, 2);
	pump();
	ck_assert_uint_eq(receive_ring(60), 2);
	(void)close(fd);
	(void)close(next);
}
END_TEST

/* A short one and a giant are lost one by one, as they would be of a ring. */
START_TEST(bad_frames_are_judged_as_a_rings)
{
	const struct element_counters *in;
	uint8_t buf[HEAD + 4000];
	int fd;

	new_fabric();
	in = &fabric->ports[STREAM].in;
	fd = connect_peer();
	store_be32(buf, 13);
	ck_assert_int_eq(write(fd, buf, HEAD + 13), HEAD + 13);
	(void)wire_frame(buf, 4000, 1);
	ck_assert_int_eq(write(fd, buf, HEAD + 4000), HEAD + 4000);
	send_peer(fd, 60, 7);
	pump();
	ck_assert_uint_eq(receive_ring(60), 7);
	ck_assert_uint_eq(in->lost_frames[LOSS_MALFORMED], 2);
	ck_assert_str_eq(told, "+");
	(void)close(fd);
}
END_TEST

START_TEST(a_peer_comes_and_goes)
{
	struct fabric_port *p;
	int fd;

	new_fabric();
	p = &fabric->ports[STREAM];
	pump();
	ck_assert(!p->is_up && fabric->ports[RING].is_up);
	ck_assert(send_ring(60, 1));
	pump();
	ck_assert_uint_eq(p->out.entered_frames, 0); /* the switch knows that nobody is there */
	fd = connect_peer();
	pump();
	ck_assert(p->is_up);
	send_peer(fd, 60, 3);
	(void)close(fd);
	fd = connect_peer(); /* before anybody knows that the other one has gone */
	send_peer(fd, 60, 2);
	pump();
	ck_assert_uint_eq(receive_ring(60), 3);
	ck_assert_uint_eq(receive_ring(60), 2);
	ck_assert_str_eq(told, "+-it closed the connection;+");
	(void)close(fd);
	pump();
	ck_assert(!p->is_up);
	ck_assert_uint_eq(vswitch_n_stations(fabric->networks[0].sw), 1); /* the other one's MAC is forgotten */
	check_books();
}
END_TEST

/* However many: each is told by the end of its connection, and the first is served. */
START_TEST(others_are_refused_while_a_peer_is_there)
{
	enum { OTHERS = 20 };
	int fd, others[OTHERS];
	uint8_t byte;
	const char *at;

	new_fabric();
	ck_assert_int_eq(listen(ports[STREAM].fd, OTHERS), 0);
	fd = connect_peer();
	pump();
	for (int i = 0; i < OTHERS; i++)
		others[i] = connect_peer();
	send_peer(fd, 60, 1);
	pump();
	at = told + 1;
	for (int i = 0; i < OTHERS; i++) {
		static const char word[] = "xanother program is connected;";

		ck_assert_int_eq(recv(others[i], &byte, 1, MSG_DONTWAIT), 0);
		ck_assert_int_eq(strncmp(at, word, strlen(word)), 0);
		at += strlen(word);
		(void)close(others[i]);
	}
	ck_assert_str_eq(at, "");
	ck_assert(fabric->ports[STREAM].is_up);
	ck_assert_uint_eq(receive_ring(60), 1);
	ck_assert(send_ring(60, 2));
	send_peer(fd, 60, 3);
	pump();
	ck_assert_uint_eq(receive_number(fd, 60), 2);
	ck_assert_uint_eq(receive_ring(60), 3);
	(void)close(fd);
}
END_TEST

/* What takes several turns is read before somebody is refused: its sender has gone meanwhile. */
START_TEST(who_follows_a_peer_that_has_gone_is_taken)
{
	int fd, next;

	new_fabric();
	fd = connect_peer();
	pump();
	for (uint32_t i = 0; i < 3 * FABRIC_BATCH; i++)
		send_peer(fd, 60, i);
	(void)close(fd);
	next = connect_peer();
	pump();
	ck_assert_str_eq(told, "+-it closed the connection;+");
	for (uint32_t i = 0; i < 3 * FABRIC_BATCH; i++)
		ck_assert_uint_eq(receive_ring(60), i);
	(void)close(next);
}
END_TEST

/* What the process does with its kicks. Returns how often the set woke it; it may sleep after each. */
static unsigned wakes(int set)
{
	struct fabric_port *p = &fabric->ports[STREAM];
	struct epoll_event e;
	unsigned n = 0;

	for (; n < 100 && epoll_wait(set, &e, 1, 0) == 1; n++) {
		p->ops->kicked(p);
		fabric_wake_port(fabric, STREAM);
		ck_assert(!fabric_step(fabric, rig_now));
		ck_assert(fabric_sleep(fabric));
	}
	return n;
}

/* What comes in a pause wakes the process once, and is there after it. */
START_TEST(a_paused_fabric_does_not_spin)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int set = epoll_create1(EPOLL_CLOEXEC), fd, other;
	struct fabric_port *p;
	uint8_t byte;

	new_fabric();
	p = &fabric->ports[STREAM];
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, p->ops->wait_fd(p), &e), 0);
	fd = connect_peer();
	pump();
	(void)epoll_wait(set, &e, 1, 0);
	fabric_pause(fabric, rig_now);
	ck_assert_uint_eq(wakes(set), 0);
	for (uint32_t i = 0; i < 10; i++) {
		send_peer(fd, 60, i);
		ck_assert_uint_le(wakes(set), 1);
	}
	other = connect_peer();
	ck_assert_uint_le(wakes(set), 1);
	ck_assert_uint_eq(receive_ring(60), UINT32_MAX);
	ck_assert_str_eq(told, "+");
	fabric_resume(fabric, rig_now);
	pump();
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_uint_eq(receive_ring(60), i);
	ck_assert_int_eq(recv(other, &byte, 1, MSG_DONTWAIT), 0);
	fabric_pause(fabric, rig_now);
	(void)close(fd);
	ck_assert_uint_le(wakes(set), 1);
	ck_assert_uint_eq(wakes(set), 0);
	fabric_resume(fabric, rig_now);
	pump();
	ck_assert(!p->is_up);
	(void)close(other);
	(void)close(set);
}
END_TEST

/* The user's word and the peer are two conditions of carrier. */
START_TEST(carrier_needs_the_port_and_the_peer)
{
	const struct fabric_target at = { .ref = { .index = STREAM }, .dir = LINK_BOTH };
	struct fabric_port *p;
	int fd;

	new_fabric();
	p = &fabric->ports[STREAM];
	fabric_link_state(fabric, &at, false, false, rig_now);
	fd = connect_peer();
	pump();
	ck_assert(!p->is_up);
	send_peer(fd, 60, 1);
	pump();
	ck_assert_uint_eq(receive_ring(60), UINT32_MAX);
	fabric_link_state(fabric, &at, true, false, rig_now);
	ck_assert(p->is_up);
	send_peer(fd, 60, 2);
	pump();
	ck_assert_uint_eq(receive_ring(60), 2);
	(void)close(fd);
}
END_TEST

/* The queue is bounded and nobody waits. What was taken comes whole and in order when the peer reads again. */
START_TEST(a_peer_that_stops_reading_loses_frames)
{
	const struct element_counters *out;
	uint32_t sent = 0, last = 0, n = 0;
	int fd;

	new_fabric();
	out = &fabric->ports[STREAM].out;
	fd = connect_peer();
	pump();
	while (out->lost_frames[LOSS_RING_FULL] < 100) {
		while (send_ring(BIG, sent + 1))
			sent++;
		pump();
		ck_assert_uint_lt(sent, 100000);
	}
	ck_assert_uint_eq(out->entered_frames, sent);
	for (; n < out->delivered_frames; n++) {
		uint32_t number;

		pump();
		number = receive_number(fd, BIG);
		ck_assert_uint_gt(number, last);
		last = number;
	}
	ck_assert_uint_gt(n, (1 << 20) / (HEAD + BIG) - 1);
	ck_assert(send_ring(60, 5));
	pump();
	ck_assert_uint_eq(receive_number(fd, 60), 5);
	/* What waits for one peer is not for the next. */
	for (sent = (uint32_t)out->lost_frames[LOSS_RING_FULL]; out->lost_frames[LOSS_RING_FULL] == sent; pump())
		while (send_ring(BIG, 1))
			;
	(void)close(fd);
	fd = connect_peer();
	pump();
	ck_assert(nothing_for(fd));
	ck_assert(send_ring(60, 6));
	pump();
	ck_assert_uint_eq(receive_number(fd, 60), 6);
	check_books();
	(void)close(fd);
}
END_TEST

/* TCP of 4000 bytes, in segments of 1000, without checksums. */
static void send_gso(void)
{
	enum { LEN = 54 + 4000 };
	struct frame_offload o = {
		.flags = 1, .gso_type = 1, .hdr_len = 54, .gso_size = 1000, .csum_start = 34, .csum_offset = 16
	};
	uint8_t *p = ring_reserve(&machine.tx, LEN);

	ck_assert_ptr_nonnull(p);
	fill(p, LEN, RING, 1);
	memset(p + 14, 0, 40);
	store_be16(p + 12, 0x0800);
	p[14] = 0x45;
	store_be16(p + 16, LEN - 14);
	p[22] = 64;
	p[23] = 6;
	store_be32(p + 26, 0x0a000001);
	store_be32(p + 30, 0x0a000002);
	store_be32(p + 38, 1000000);
	p[46] = 0x50;
	p[47] = 0x10;
	ring_commit(&machine.tx, LEN, &o, 0);
	(void)ring_publish(&machine.tx);
}

START_TEST(offloads_are_done_before_the_wire)
{
	uint8_t f[BIG], pseudo[12] = { 0 };
	int fd;

	new_fabric();
	fd = connect_peer();
	pump();
	send_gso();
	pump();
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t sum;

		ck_assert_uint_eq(receive_peer(fd, f, sizeof f), 1054);
		ck_assert_uint_eq(load_be32(f + 38), 1000000 + i * 1000);
		ck_assert_uint_eq(checksum_fold(checksum_add(0, f + 14, 20)), 0);
		memcpy(pseudo, f + 26, 8);
		pseudo[9] = 6;
		store_be16(pseudo + 10, 1020);
		sum = checksum_add(0, pseudo, sizeof pseudo);
		ck_assert_uint_eq(checksum_fold(checksum_add(sum, f + 34, 1020)), 0);
	}
	ck_assert(nothing_for(fd));
	ck_assert_uint_eq(fabric->ports[STREAM].out.delivered_frames, 1);
	(void)close(fd);
}
END_TEST

/* ---- the process ---------------------------------------------------------------- */

/* In its cell, with its own sleep. */
START_TEST(the_process_serves_peers_in_its_cell)
{
	int pair[2], status = -1;
	json_t *event;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		_exit(fabric_run(&(struct fabric_config){ &plan, pair[1], true }));
	}
	(void)close(pair[1]);
	for (int round = 0; round < 3; round++) {
		int fd = connect_peer();

		ck_assert_int_eq(control_read_msg(pair[0], &event), 0);
		ck_assert(json_is_true(json_object_get(event, "there")));
		ck_assert_int_eq(json_integer_value(json_object_get(event, "port")), STREAM);
		json_decref(event);
		for (uint32_t i = 0; i < 500; i++) {
			uint32_t number;

			send_peer(fd, 60, i);
			while ((number = receive_ring(60)) == UINT32_MAX) {
				struct pollfd p = { .fd = fds.down_kick_fd, .events = POLLIN };
				uint64_t n;

				if (ring_sleep(&machine.rx)) {
					ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
					ck_assert_int_eq(read(p.fd, &n, sizeof n), sizeof n);
				}
				ring_wake(&machine.rx);
			}
			ck_assert_uint_eq(number, i);
			ck_assert(send_ring(BIG, i));
			ck_assert_uint_eq(receive_number(fd, BIG), i);
		}
		(void)close(fd);
		ck_assert_int_eq(control_read_msg(pair[0], &event), 0);
		ck_assert(json_is_false(json_object_get(event, "there")));
		ck_assert_str_eq(json_string_value(json_object_get(event, "why")), "it closed the connection");
		json_decref(event);
	}
	(void)close(pair[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric-stream");
	TCase *t = tcase_create("fabric-stream");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, frames_go_both_ways);
	tcase_add_test(t, a_frame_may_come_in_pieces);
	tcase_add_test(t, many_frames_may_come_at_once);
	tcase_add_loop_test(t, nonsense_drops_the_peer, 0, (int)(sizeof garbage / sizeof *garbage));
	tcase_add_test(t, bad_frames_are_judged_as_a_rings);
	tcase_add_test(t, a_peer_comes_and_goes);
	tcase_add_test(t, others_are_refused_while_a_peer_is_there);
	tcase_add_test(t, who_follows_a_peer_that_has_gone_is_taken);
	tcase_add_test(t, a_paused_fabric_does_not_spin);
	tcase_add_test(t, carrier_needs_the_port_and_the_peer);
	tcase_add_test(t, a_peer_that_stops_reading_loses_frames);
	tcase_add_test(t, offloads_are_done_before_the_wire);
	tcase_add_test(t, the_process_serves_peers_in_its_cell);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
