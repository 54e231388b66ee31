/* tests/teams/check_forwards.c: forwards as text, and as sockets of the host: what is taken is refused at its place. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "teams/forwards.h"
#include "teams/host_addrs.h"
#include "tests/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct team_nic nics[2];
static struct team_vm vm;
static struct team_network network;
static struct team team;
static struct team_forward fwd;
static struct forwards list;

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_parse(text, &a), 0);
	return a;
}

static void setup(void)
{
	nics[0] = (struct team_nic){ .name = "eth0", .network = 1 };
	nics[1] = (struct team_nic){ .name = "eth1", .network = 0 };
	vm = (struct team_vm){ .name = "server", .nics = nics, .n_nics = 2 };
	network = (struct team_network){ .name = "lan", .subnet = ip("10.0.0.0/24") };
	network.services.nat.enabled = true;
	network.services.address = ip("10.0.0.1/24");
	team = (struct team){ .name = "t", .networks = &network, .n_networks = 1, .vms = &vm, .n_vms = 1 };
	fwd = (struct team_forward){ .on = ip("127.0.0.1"), .to_port = 80, .place = { "f.yaml", 3, 7 } };
	list = (struct forwards){ 0 };
}

static void teardown(void)
{
	forwards_close(&list);
}

/* ---- as text ---- */

static const struct {
	const char *text, *port, *to, *why;
} texts[] = {
	{ "tcp:8080=server:80", "tcp 127.0.0.1:8080", "server.eth1:80", NULL },
	{ "udp:53=server.eth1:5353", "udp 127.0.0.1:53", "server.eth1:5353", NULL },
	{ "tcp:0.0.0.0:1=10.0.0.9:80", "tcp 0.0.0.0:1", "10.0.0.9:80", NULL },
	{ "tcp:[::1]:65535=server.1:80", "tcp [::1]:65535", "server.eth1:80", NULL },
	{ "tcp:8080", NULL, NULL, "a forward is written" },
	{ "sctp:8080=server:80", NULL, NULL, "a port is written" },
	{ "tcp:0=server:80", NULL, NULL, "0" },
	{ "tcp:65536=server:80", NULL, NULL, "65536" },
	{ "tcp:224.0.0.1:80=server:80", NULL, NULL, "not an address of the host" },
	{ "tcp:80=server", NULL, NULL, "" },
	{ "tcp:80=serve:80", NULL, NULL, "no VM 'serve'" },
	{ "tcp:80=server.eth0:80", NULL, NULL, "is no NIC on 'lan'" },
	{ "tcp:80=10.0.1.9:80", NULL, NULL, "not an address of 'lan'" },
	{ "tcp:80=10.0.0.255:80", NULL, NULL, "a host can have" },
	{ "tcp:80=10.0.0.1:80", NULL, NULL, "service address" },
};

START_TEST(a_forward_is_read)
{
	struct team_forward f = { 0 };
	CLEANUP(free) char *why = NULL;
	int r = forward_parse(&team, 0, texts[_i].text, &f, &why);

	if (texts[_i].why) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_msg(why && strstr(why, texts[_i].why), "%s: %s", texts[_i].text, why);
	} else {
		CLEANUP(free) char *port = forward_port_str(&f);
		CLEANUP(free) char *to = forward_target_str(&team, &f);
		CLEANUP(free) char *again = forward_port_text(&f);
		struct team_forward g = { 0 };

		ck_assert_int_eq(r, 0);
		ck_assert_str_eq(port, texts[_i].port);
		ck_assert_str_eq(to, texts[_i].to);
		ck_assert_int_eq(forward_parse_port(again, &g, &why), 0);
		ck_assert(forwards_clash(&f, &g));
	}
}
END_TEST

START_TEST(an_untrusted_team_listens_on_the_loopback_only)
{
	struct team_forward f;
	CLEANUP(free) char *why = NULL;

	team.root = "/srv";
	ck_assert_int_eq(forward_parse(&team, 0, "tcp:8080=server:80", &f, &why), 0);
	ck_assert_int_eq(forward_parse(&team, 0, "tcp:0.0.0.0:8080=server:80", &f, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "127.0.0.1 only"));
}
END_TEST

/* ---- as sockets ---- */

/* A port of the loopback that is this process's. Returns its socket. */
static int take_port(int type, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, type, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	ck_assert(type != SOCK_STREAM || listen(fd, 1) == 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

START_TEST(a_port_that_is_taken_is_refused_at_its_place)
{
	CLEANUP(free) char *why = NULL;
	bool lacks = false;
	int fd;

	fwd.is_udp = _i == 1;
	fd = take_port(fwd.is_udp ? SOCK_DGRAM : SOCK_STREAM, &fwd.port);
	network.services.nat.forwards = &fwd;
	network.services.nat.n_forwards = 1;
	ck_assert_int_eq(forwards_open(&team, &list, &lacks, &why), -EADDRINUSE);
	ck_assert_msg(strstr(why, "f.yaml:3:7: ") == why && strstr(why, "another program"), "%s", why);
	ck_assert(!lacks);
	ck_assert_uint_eq(list.n, 0);
	(void)close(fd);
	ck_assert_int_eq(forwards_open(&team, &list, &lacks, &why), 0);
	ck_assert_uint_eq(list.n, 1);
	ck_assert_ptr_nonnull(forward_find(&list, 0, &fwd));
}
END_TEST

START_TEST(an_address_that_is_not_the_hosts_is_its_lack)
{
	CLEANUP(free) char *why = NULL;
	struct forward *f;
	bool lacks = false;

	fwd.on = ip("203.0.113.9");
	fwd.port = 8080;
	ck_assert_int_eq(forward_open(&list, 0, &fwd, &f, &lacks, &why), -EADDRNOTAVAIL);
	ck_assert(lacks);
	ck_assert_ptr_nonnull(strstr(why, "no address 203.0.113.9"));
}
END_TEST

/* Ids are never given twice, and the others stay when one goes. */
START_TEST(one_that_is_closed_is_gone_alone)
{
	CLEANUP(free) char *why = NULL;
	struct forward *f;
	bool lacks = false;

	for (uint16_t i = 0; i < 3; i++) {
		(void)close(take_port(SOCK_STREAM, &fwd.port));
		ck_assert_int_eq(forward_open(&list, 0, &fwd, &f, &lacks, &why), 0);
		ck_assert_uint_eq(f->id, i);
	}
	forward_close(&list, forward_by_id(&list, 1));
	ck_assert_uint_eq(list.n, 2);
	ck_assert_ptr_null(forward_by_id(&list, 1));
	ck_assert_ptr_nonnull(forward_by_id(&list, 0));
	ck_assert_ptr_nonnull(forward_by_id(&list, 2));
	(void)close(take_port(SOCK_STREAM, &fwd.port));
	ck_assert_int_eq(forward_open(&list, 0, &fwd, &f, &lacks, &why), 0);
	ck_assert_uint_eq(f->id, 3);
}
END_TEST

/* ---- the host's own addresses ---- */

START_TEST(the_loopback_is_among_the_hosts_addresses)
{
	CLEANUP(fd) int fd = host_addrs_open();
	struct ip_addr loopback = ip("127.0.0.1");

	for (int k = 0; k < 2; k++) {
		CLEANUP(free) struct ip_addr *addrs = NULL;
		bool found = false;
		size_t n = 0;

		ck_assert_int_eq(host_addrs_get(fd, &addrs, &n), 0);
		for (size_t i = 0; i < n; i++)
			found |= ip_equal(&addrs[i], &loopback);
		ck_assert(found);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("forwards");
	TCase *t = tcase_create("forwards");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_forward_is_read, 0, (int)(sizeof texts / sizeof *texts));
	tcase_add_test(t, an_untrusted_team_listens_on_the_loopback_only);
	tcase_add_loop_test(t, a_port_that_is_taken_is_refused_at_its_place, 0, 2);
	tcase_add_test(t, an_address_that_is_not_the_hosts_is_its_lack);
	tcase_add_test(t, one_that_is_closed_is_gone_alone);
	tcase_add_test(t, the_loopback_is_among_the_hosts_addresses);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
