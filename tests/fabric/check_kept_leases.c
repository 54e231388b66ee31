/* tests/fabric/check_kept_leases.c: a fabric's leases and what keeps them, without a process: the test is the keeper, on
 * the other end of the socket, and time is virtual. */
#include "fabric/kept_leases.h"

#include "fabric/lease_link.h"
#include "fabric/lease_wire.h"
#include "fabric/requests.h"
#include "fabric/service_dhcp4.h"
#include "fabric/services.h"
#include "tests/fabric/asking.h"
#include "tests/fabric/services_rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct net w;
static struct loop *loop;
static struct kept_leases *kept;
static int keeper = -1, n_trouble, trouble;

static nsec_t now_of(void *ctx)
{
	(void)ctx;
	return w.now;
}

static void on_trouble(void *ctx, int error)
{
	(void)ctx;
	n_trouble++;
	trouble = error;
}

static const struct kept_leases_host host = { NULL, now_of, on_trouble };

static void setup(void)
{
	net_init(&w);
	w.plan.keeps_leases = true;
	net_begin(&w);
	net_attach(&w);
	n_trouble = trouble = 0;
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(kept_leases_new(w.fabric, loop, &host, &kept), 0);
}

static void teardown(void)
{
	cleanup_fd(&keeper);
	keeper = -1;
	kept = kept_leases_free(kept);
	loop = loop_free(loop);
	net_done(&w);
}

/* A new keeper's socket goes to the fabric by its verb. */
static void attach(void)
{
	struct fabric_asked asked = { .fabric = w.fabric, .leases = kept };
	int pair[2];
	json_t *a;

	cleanup_fd(&keeper);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	keeper = pair[0];
	a = asking(w.fabric, &asked, "{\"do\":\"keep-leases\"}", pair[1], w.now);
	ck_assert(a && json_is_true(json_object_get(a, "ok")));
	json_decref(a);
}

/* What the fabric's process does at each turn. */
static void turn(void)
{
	net_run(&w, 50 * NSEC_PER_MSEC);
	kept_leases_flush(kept);
	(void)loop_step(loop, 0);
	kept_leases_flush(kept);
	net_run(&w, 50 * NSEC_PER_MSEC);
}

static void say(const struct lease_wire_msg *m, const struct lease_record *record)
{
	uint8_t buf[LEASE_WIRE_MAX];
	struct wire_writer to = wire_write_to(buf, sizeof buf);

	lease_wire_put(&to, m);
	if (record)
		lease_wire_put_record(&to, 0, record);
	ck_assert_int_gt(send(keeper, buf, wire_put_len(&to), MSG_NOSIGNAL), 0);
	turn();
}

/* The next message of the fabric; false: there is none. */
static bool hear(struct lease_wire_msg *ret)
{
	static uint8_t buf[LEASE_WIRE_MAX];
	ssize_t n = recv(keeper, buf, sizeof buf, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	ck_assert(lease_wire_parse(buf, (size_t)n, 1, ret));
	return true;
}

static void say_hello_back(void)
{
	struct lease_wire_msg m;

	ck_assert(hear(&m) && m.type == LEASE_WIRE_HELLO);
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_READY }, NULL);
}

static bool has_ack(void)
{
	struct dhcp4_msg reply;
	struct packet p;

	return net_dhcp_reply(&w, 0, &reply, &p) && reply.type == DHCP4_ACK;
}

static json_int_t counter(const char *key)
{
	json_t *j = kept_leases_counters(kept);
	json_int_t n = json_integer_value(json_object_get(j, key));

	json_decref(j);
	return n;
}

static struct service_dhcp4 *dhcp(void)
{
	return services_dhcp4(fabric_port_services(&w.fabric->ports[NET_SERVICE]));
}

START_TEST(nobody_is_answered_before_leases_are_known)
{
	struct mac_addr mac = net_mac(0);
	struct net_dhcp m = { .type = DHCP4_DISCOVER, .mac = mac };
	struct dhcp4_msg reply;
	struct packet p;

	net_dhcp(&w, 0, &m);
	turn();
	attach();
	net_dhcp(&w, 0, &m);
	turn();
	ck_assert(!net_dhcp_reply(&w, 0, &reply, &p));
	ck_assert_uint_eq(service_dhcp4_early(dhcp()), 2);
	say_hello_back();
	net_dhcp(&w, 0, &m);
	turn();
	ck_assert(net_dhcp_reply(&w, 0, &reply, &p) && reply.type == DHCP4_OFFER);
}
END_TEST

START_TEST(an_acknowledgement_waits_for_the_keeper)
{
	struct mac_addr mac = net_mac(0);
	struct lease_wire_msg m;

	attach();
	say_hello_back();
	ck_assert_uint_eq(net_lease(&w, 0, &mac, NULL, NULL), 0);
	turn();
	ck_assert(hear(&m) && m.type == LEASE_WIRE_APPEND && m.n_records == 1);
	ck_assert(!has_ack());
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_DURABLE, .seq = m.seq }, NULL);
	ck_assert(has_ack());
}
END_TEST

START_TEST(another_keeper_gets_what_was_not_durable)
{
	struct mac_addr mac = net_mac(0);
	struct lease_wire_msg m;
	uint64_t seq;

	attach();
	say_hello_back();
	ck_assert_uint_eq(net_lease(&w, 0, &mac, NULL, NULL), 0);
	turn();
	ck_assert(hear(&m));
	seq = m.seq;
	cleanup_fd(&keeper);
	keeper = -1;
	turn();
	ck_assert_int_eq(counter("lost"), 1);
	ck_assert(!has_ack());
	attach();
	ck_assert(hear(&m) && m.type == LEASE_WIRE_HELLO && m.goes_on);
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_READY }, NULL);
	ck_assert(hear(&m) && m.type == LEASE_WIRE_APPEND && m.seq == seq);
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_DURABLE, .seq = seq }, NULL);
	ck_assert(has_ack());
}
END_TEST

START_TEST(leases_from_before_are_their_clients)
{
	struct lease_client other = { .mac = { { 2, 9, 9, 9, 9, 9 } } };
	struct lease_record r = { .kind = LEASE_RECORD_BOUND,
				  .addr = w.range.first,
				  .client = other,
				  .hostname = "",
				  .until = w.now + 3600 * NSEC_PER_SEC,
				  .at = w.now };
	struct lease_wire_msg m;
	struct net_dhcp d = { .type = DHCP4_DISCOVER, .mac = net_mac(0) };
	struct dhcp4_msg reply;
	struct packet p;

	attach();
	ck_assert(hear(&m) && m.type == LEASE_WIRE_HELLO && !m.goes_on);
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_LOADED }, &r);
	r.addr = w.range.last + 1; /* the plan has changed */
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_LOADED }, &r);
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_READY }, NULL);
	ck_assert_int_eq(counter("restored"), 1);
	ck_assert_int_eq(counter("dropped"), 1);
	ck_assert_uint_eq(leases_count(service_dhcp4_leases(dhcp()), LEASE_BOUND), 1);
	net_dhcp(&w, 0, &d);
	turn();
	ck_assert(net_dhcp_reply(&w, 0, &reply, &p));
	ck_assert_uint_eq(reply.head.yiaddr, w.range.first + 1);
}
END_TEST

START_TEST(trouble_is_told_and_ends)
{
	attach();
	say_hello_back();
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_CANNOT, .error = ENOSPC }, NULL);
	ck_assert(n_trouble == 1 && trouble == ENOSPC);
	say(&(struct lease_wire_msg){ .type = LEASE_WIRE_DURABLE, .seq = 0 }, NULL);
	ck_assert(n_trouble == 2 && trouble == 0);
}
END_TEST

START_TEST(a_keeper_that_speaks_nonsense_is_let_go)
{
	attach();
	ck_assert_int_gt(send(keeper, "nonsense", 8, MSG_NOSIGNAL), 0);
	turn();
	ck_assert_int_eq(counter("lost"), 1);
	attach();
	say_hello_back();
	ck_assert_uint_eq(service_dhcp4_early(dhcp()), 0);
	ck_assert_uint_eq(net_lease(&w, 0, &(struct mac_addr){ { 2, 9, 9, 9, 9, 9 } }, NULL, NULL), 0);
	turn();
	ck_assert_int_eq(counter("recorded"), 1);
}
END_TEST

START_TEST(the_verb_wants_a_socket_and_a_plan)
{
	struct fabric_asked asked = { .fabric = w.fabric, .leases = kept };
	int fd = dup(0);
	json_t *a = asking(w.fabric, &asked, "{\"do\":\"keep-leases\"}", -1, w.now);

	ck_assert_str_eq(json_string_value(json_object_get(a, "error")), "no descriptor came with the request");
	json_decref(a);
	a = asking(w.fabric, NULL, "{\"do\":\"keep-leases\"}", fd, w.now);
	ck_assert_str_eq(json_string_value(json_object_get(a, "error")), "the plan keeps no leases");
	json_decref(a);
	/* What is no socket is refused, and closed. */
	a = asking(w.fabric, &asked, "{\"do\":\"keep-leases\"}", fd, w.now);
	ck_assert_str_eq(json_string_value(json_object_get(a, "error")), strerror(ENOTSOCK));
	json_decref(a);
	ck_assert_int_lt(close(fd), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("kept_leases");
	TCase *t = tcase_create("kept_leases");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nobody_is_answered_before_leases_are_known);
	tcase_add_test(t, an_acknowledgement_waits_for_the_keeper);
	tcase_add_test(t, another_keeper_gets_what_was_not_durable);
	tcase_add_test(t, leases_from_before_are_their_clients);
	tcase_add_test(t, trouble_is_told_and_ends);
	tcase_add_test(t, a_keeper_that_speaks_nonsense_is_let_go);
	tcase_add_test(t, the_verb_wants_a_socket_and_a_plan);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
