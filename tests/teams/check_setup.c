/* tests/teams/check_setup.c: what a guest is told, as golden texts; the console's
 * tail and panic; the lock. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "teams/console.h"
#include "teams/setup.h"
#include "teams/store.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_parse(text, &a), 0);
	return a;
}

static struct team team;
static struct team_vm vms[2];
static struct team_nic nics[3];
static struct ip_addr addresses[4];
static const char *env[] = { "A=it's", "B=", "broken" };
static const char *dns[] = { "10.0.0.53" };

static void setup(void)
{
	addresses[0] = ip("10.0.0.1/24");
	addresses[1] = ip("fd00::1/64");
	addresses[2] = ip("10.1.0.1/16");
	addresses[3] = ip("10.0.0.2/24");
	nics[0] = (struct team_nic){ .name = "eth0", .index = 0, .mac = { { 2, 0, 0, 0, 0, 1 } },
				     .addresses = addresses, .n_addresses = 2, .mtu = 1400,
				     .gateway = ip("10.0.0.254"), .gateway6 = ip("fd00::fe") };
	nics[1] = (struct team_nic){ .name = "eth1", .index = 1, .network = 1, .gateway = ip("10.1.0.254"),
				     .mac = { { 2, 0, 0, 0, 0, 2 } }, .addresses = addresses + 2,
				     .n_addresses = 1, .mtu = 1500 };
	nics[2] = (struct team_nic){ .name = "eth0", .index = 0, .mac = { { 2, 0, 0, 0, 0, 3 } },
				     .addresses = addresses + 3, .n_addresses = 1, .mtu = 1500 };
	vms[0] = (struct team_vm){ .name = "router", .hostname = "r'1", .nics = nics, .n_nics = 2,
				   .env = env, .n_env = 3, .dns = dns, .n_dns = 1 };
	vms[1] = (struct team_vm){ .name = "client", .hostname = "client", .nics = nics + 2, .n_nics = 1 };
	team = (struct team){ .name = "t", .vms = vms, .n_vms = 2, .n_networks = 2 };
}

START_TEST(test_script)
{
	struct team_file late[] = { { .path = "/srv/a", .text = "x", .text_len = 1 },
				    { .path = "/run/a/b", .text = "x", .text_len = 1 } };
	CLEANUP(bytes) struct bytes out = { 0 };
	const char *at;

	vms[0].files = late;
	vms[0].n_files = 2;
	setup_script(&team, 0, &out);
	at = strstr((char *)out.data, "try hostname ");
	ck_assert_ptr_nonnull(at);
	ck_assert_str_eq(at, "try hostname 'r'\\''1'\n"
			     "try ip link set lo up\n"
			     "put /etc/muster/late/1 '/run/a/b'\n"
			     "nic eth0 02:00:00:00:00:01\n"
			     "try ip link set eth0 mtu 1400\n"
			     "try ip addr add 10.0.0.1/24 dev eth0\n"
			     "try ip addr add fd00::1/64 dev eth0 nodad\n"
			     "try ip link set eth0 up\n"
			     "try ip route add default via 10.0.0.254 dev eth0\n"
			     "try ip -6 route add default via fd00::fe dev eth0\n"
			     "nic eth1 02:00:00:00:00:02\n"
			     "try ip addr add 10.1.0.1/16 dev eth1\n"
			     "try ip link set eth1 up\n"
			     "try ip route add default via 10.1.0.254 dev eth1 metric 2001\n"
			     "rm -f /run/muster-setup.runs\n");
}
END_TEST

/* NICs that ask DHCP ask at once, and are waited for one by one; one without a link is not waited for. */
START_TEST(test_dhcp)
{
	CLEANUP(bytes) struct bytes out = { 0 };
	CLEANUP(bytes) struct bytes archive = { 0 };
	CLEANUP(free) char *why = NULL;
	const char *at;

	nics[0].dhcp = nics[1].dhcp = true;
	nics[0].n_addresses = 0;
	nics[1].n_addresses = 0;
	nics[0].gateway = nics[0].gateway6 = nics[1].gateway = (struct ip_addr){ 0 };
	nics[1].link_down = true;
	vms[0].n_dns = 0;
	vms[0].ready_timeout_ns = 60 * NSEC_PER_SEC;
	setup_script(&team, 0, &out);
	at = strstr((char *)out.data, "try ip link set eth1 up\n");
	ck_assert_ptr_nonnull(at);
	ck_assert_str_eq(
		at, "try ip link set eth1 up\n"
		    "export MUSTER_DNS=dhcp\n"
		    "ask() {\n"
		    "\tudhcpc -i \"$@\" -T 2 -s /etc/muster/dhcp.sh -p /run/udhcpc.$1.pid -x hostname:\"$(hostname)\" "
		    "-O staticroutes -O search -O mtu >/dev/null 2>&1\n"
		    "}\n"
		    "ask eth0 -t 20 -n &\nasks0=$!\n"
		    "ask eth1 -t 1 -b &\nasks1=$!\n"
		    "wait $asks0 || failed \"eth0 has no lease: no DHCP server answered\"\n"
		    "wait $asks1 || failed \"eth1 has no lease: no DHCP server answered\"\n"
		    "rm -f /run/muster-setup.runs\n");
	ck_assert_int_eq(setup_archive(&team, 0, &archive, &why), 0);
	ck_assert_ptr_nonnull(memmem(archive.data, archive.len, "etc/muster/dhcp.sh", 19));
	bytes_done(&archive);
	ck_assert_int_eq(setup_archive(&team, 1, &archive, &why), 0);
	ck_assert_ptr_null(memmem(archive.data, archive.len, "etc/muster/dhcp.sh", 19));
	/* Name servers of the file's own are kept. */
	bytes_done(&out);
	vms[0].n_dns = 1;
	setup_script(&team, 0, &out);
	ck_assert_ptr_nonnull(strstr((char *)out.data, "export MUSTER_DNS=file\n"));
}
END_TEST

START_TEST(test_texts)
{
	CLEANUP(bytes) struct bytes hosts = { 0 };
	CLEANUP(bytes) struct bytes resolv = { 0 };
	CLEANUP(bytes) struct bytes vars = { 0 };

	setup_hosts(&team, 1, &hosts);
	/* Of the router's addresses the one on our network is first. */
	ck_assert_str_eq((char *)hosts.data, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"
					     "127.0.1.1\tclient\n"
					     "10.0.0.1\trouter\n10.0.0.2\tclient\n"
					     "10.0.0.1\trouter r'1\nfd00::1\trouter r'1\n10.1.0.1\trouter r'1\n"
					     "10.0.0.2\tclient\n");
	setup_resolv_conf(&team, 0, &resolv);
	ck_assert_str_eq((char *)resolv.data, "nameserver 10.0.0.53\n");
	setup_env(&vms[0], "export ", &vars);
	ck_assert_str_eq((char *)vars.data, "export A='it'\\''s'\nexport B=''\n");
}
END_TEST

START_TEST(test_archive)
{
	struct team_file file = { .path = "/srv/a/index.html", .text = "hello\n", .text_len = 6 };
	CLEANUP(bytes) struct bytes archive = { 0 };
	CLEANUP(free) char *why = NULL;

	vms[0].files = &file;
	vms[0].n_files = 1;
	ck_assert_int_eq(setup_archive(&team, 0, &archive, &why), 0);
	ck_assert_ptr_nonnull(memmem(archive.data, archive.len, "etc/muster/setup.sh", 20));
	ck_assert_ptr_nonnull(memmem(archive.data, archive.len, "srv/a/index.html", 17));
	ck_assert_ptr_nonnull(memmem(archive.data, archive.len, "srv/a", 6));
	ck_assert_ptr_nonnull(memmem(archive.data, archive.len, "hello\n", 6));
	bytes_done(&archive);
	file.path = "/dev/shm/f"; /* mounted over: the script moves it there */
	ck_assert_int_eq(setup_archive(&team, 0, &archive, &why), 0);
	ck_assert_ptr_nonnull(memmem(archive.data, archive.len, "etc/muster/late/0", 18));
	ck_assert_ptr_null(memmem(archive.data, archive.len, "\0dev/shm/f", 11));
	bytes_done(&archive);
	file.from = "/nonexistent/file";
	ck_assert_int_eq(setup_archive(&team, 0, &archive, &why), -ENOENT);
	ck_assert_str_eq(why, "/nonexistent/file: No such file or directory");
}
END_TEST

/* ---- console --------------------------------------------------------------------------- */

static unsigned n_panics;
static void on_panic(void *ctx)
{
	(void)ctx;
	n_panics++;
}

START_TEST(test_console)
{
	struct loop *loop;
	struct console c;
	int fds[2];
	json_t *tail;
	CLEANUP(free) char *line = NULL;
	static const char text[] = "one\r\ntwo\x1b[31m\nKernel pa", rest[] = "nic - not syncing: why\nend\n";

	n_panics = 0;
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(console_open(&c, loop, "/dev/null"), 0);
	c.on_panic = on_panic;
	ck_assert_int_eq(console_plug(&c, fds[0]), 0);
	ck_assert_int_gt((int)send(fds[1], text, sizeof text - 1, 0), 0);
	(void)loop_step(loop, 0);
	ck_assert_uint_eq(n_panics, 0);
	ck_assert_int_gt((int)send(fds[1], rest, sizeof rest - 1, 0), 0);
	(void)loop_step(loop, 0);
	ck_assert_uint_eq(n_panics, 1);
	line = console_panic_line(&c);
	ck_assert_str_eq(line, "Kernel panic - not syncing: why");
	tail = console_tail(&c, 3);
	ck_assert_uint_eq(json_array_size(tail), 3);
	ck_assert_str_eq(json_string_value(json_array_get(tail, 0)), "two?[31m");
	ck_assert_str_eq(json_string_value(json_array_get(tail, 2)), "end");
	json_decref(tail);
	console_close(&c);
	(void)close(fds[1]);
	loop = loop_free(loop);
}
END_TEST

START_TEST(test_console_tail_is_bounded)
{
	static struct console c;
	static char noise[3 * CONSOLE_TAIL_SIZE];
	struct loop *loop;
	int fds[2];

	memset(noise, 'x', sizeof noise);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(console_open(&c, loop, "/dev/null"), 0);
	ck_assert_int_eq(console_plug(&c, fds[0]), 0);
	ck_assert_int_gt((int)send(fds[1], noise, sizeof noise, 0), 0);
	for (int i = 0; i < 10; i++)
		(void)loop_step(loop, 0);
	ck_assert_uint_eq(c.tail_len, CONSOLE_TAIL_SIZE);
	console_close(&c);
	(void)close(fds[1]);
	loop = loop_free(loop);
}
END_TEST

/* ---- store ------------------------------------------------------------------------------ */

START_TEST(test_lock)
{
	char dir[] = "/tmp/check_setup.XXXXXX";
	CLEANUP(store) struct store s = { 0 };
	CLEANUP(free) char *why = NULL;
	int a = -1, b = -1;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(setenv("MUSTER_HOME", dir, 1), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	ck_assert_int_eq(store_open(&s, &why), 0);
	ck_assert_int_eq(store_lock(&s, "t", &a, &why), 0);
	ck_assert_int_eq(store_lock(&s, "t", &b, &why), -EWOULDBLOCK);
	ck_assert_int_eq(b, -1);
	store_unlock(&s, "t");
	ck_assert_int_eq(access(s.run, F_OK), -1);
	ck_assert_int_eq(store_lock(&s, "t", &b, &why), 0);
	(void)close(a);
	(void)close(b);
	ck_assert_int_eq(dir_remove_all(dir), 0);
}
END_TEST

START_TEST(test_names)
{
	ck_assert(store_name_is_valid("a"));
	ck_assert(store_name_is_valid("0-lab"));
	ck_assert(!store_name_is_valid(""));
	ck_assert(!store_name_is_valid("-a"));
	ck_assert(!store_name_is_valid("A"));
	ck_assert(!store_name_is_valid("../x"));
	ck_assert(!store_name_is_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("setup");
	TCase *t = tcase_create("setup");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_script);
	tcase_add_test(t, test_dhcp);
	tcase_add_test(t, test_texts);
	tcase_add_test(t, test_archive);
	tcase_add_test(t, test_console);
	tcase_add_test(t, test_console_tail_is_bounded);
	tcase_add_test(t, test_lock);
	tcase_add_test(t, test_names);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
