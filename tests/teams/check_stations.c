/* tests/teams/check_stations.c: sockets of stations: what is at a path is left, unless it is a socket that nobody
 * listens at; and the numbers of stations' ports. Taps are tests/lab/lab-attach's. */
#include "core/bytes.h"
#include "teams/fabric_plan.h"
#include "teams/link_shapes.h"
#include "teams/stations.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct team_station stations[3];
static struct team_network networks[2];
static struct team_nic nic;
static struct team_vm vm;
static struct team team;
static char dir[] = "/tmp/check_stations.XXXXXX", path[64], note[64];
static struct station *opened;
static size_t n_opened;

static void setup(void)
{
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/s", dir);
	(void)snprintf(note, sizeof note, "%s/note", dir);
	stations[0] = (struct team_station){ .name = "x", .kind = STATION_QEMU, .what = path };
	stations[1] = (struct team_station){ .name = "y", .kind = STATION_TAP, .what = "t1" };
	stations[2] = (struct team_station){ .name = "z", .kind = STATION_TAP, .what = "t2" };
	stations[2].shape.up.delay_ns = 5;
	networks[0] = (struct team_network){ .name = "lan", .mtu = 1500, .stations = stations, .n_stations = 1 };
	networks[1] = (struct team_network){ .name = "wan", .mtu = 9000, .stations = stations + 1, .n_stations = 0 };
	nic = (struct team_nic){ .name = "eth0", .mtu = 1500 };
	vm = (struct team_vm){ .name = "a", .nics = &nic, .n_nics = 1 };
	team = (struct team){ .name = "t", .networks = networks, .n_networks = 2, .vms = &vm, .n_vms = 1 };
	opened = NULL;
	n_opened = 0;
}

static void teardown(void)
{
	stations_close(opened, n_opened, note);
	(void)unlink(path);
	(void)unlink(note);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Returns what stations_open() does; its message has @part. */
static int open_all(const char *part)
{
	char *why = NULL;
	bool lacks = false;
	int r = stations_open(&team, &opened, &n_opened, &lacks, &why);

	ck_assert(!lacks);
	if (part)
		ck_assert_msg(why && strstr(why, part), "%s", why ? why : "(no message)");
	else
		ck_assert_ptr_null(why);
	free(why);
	return r;
}

static int listener(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static bool is_there(void)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

START_TEST(a_socket_is_the_users_and_goes)
{
	struct fabric_plan_port port = { .fd = -1 };
	struct stat st;

	ck_assert_int_eq(open_all(NULL), 0);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_uint_eq(n_opened, 1);
	ck_assert(fcntl(opened[0].fd, F_GETFL) & O_NONBLOCK);
	ck_assert_int_eq(stations_write_note(opened, n_opened, note), 0);
	stations_put(opened, n_opened, &port);
	ck_assert_int_eq(port.kind, FABRIC_PORT_STREAM);
	ck_assert_int_eq(port.fd, opened[0].fd);
	stations_close(opened, n_opened, note);
	opened = NULL;
	n_opened = 0;
	ck_assert(!is_there());
	ck_assert_int_lt(access(note, F_OK), 0);
}
END_TEST

START_TEST(a_file_is_never_overwritten)
{
	struct stat st;

	ck_assert_int_eq(file_write_all(path, "mine", 4, 0600), 0);
	ck_assert_int_eq(open_all("is no socket"), -EEXIST);
	stations_close(opened, n_opened, note);
	opened = NULL;
	n_opened = 0;
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
}
END_TEST

/* A link is no socket either, whatever it leads to. */
START_TEST(a_link_is_not_followed)
{
	char other[80];

	(void)close(listener());
	(void)snprintf(other, sizeof other, "%s/other", dir);
	ck_assert_int_eq(rename(path, other), 0); /* a socket that nobody listens at */
	ck_assert_int_eq(symlink(_i ? other : "/dev/null", path), 0);
	ck_assert_int_eq(open_all("is no socket"), -EEXIST);
	ck_assert(is_there());
	ck_assert_int_eq(unlink(other), 0);
}
END_TEST

START_TEST(a_socket_in_use_is_left)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = listener(), client = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(open_all("another program listens"), -EADDRINUSE);
	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&a, sizeof a), 0);
	(void)close(client);
	(void)close(fd);
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
	(void)close(listener());
	ck_assert(is_there());
	ck_assert_int_eq(open_all(NULL), 0);
	ck_assert(is_there());
}
END_TEST

START_TEST(what_took_the_path_since_is_left)
{
	ck_assert_int_eq(open_all(NULL), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(file_write_all(path, "other", 5, 0600), 0);
	stations_close(opened, n_opened, note);
	opened = NULL;
	n_opened = 0;
	ck_assert(is_there());
}
END_TEST

/* As of a killed supervisor: its descriptors are closed, and nothing was undone. */
static void kill_stations(void)
{
	ck_assert_int_eq(stations_write_note(opened, n_opened, note), 0);
	for (size_t i = 0; i < n_opened; i++)
		(void)close(opened[i].fd);
	free(opened);
	opened = NULL;
	n_opened = 0;
}

static bool is_noted(void)
{
	return access(note, F_OK) == 0;
}

START_TEST(a_socket_is_known_by_four_numbers)
{
	struct socket_path s;

	ck_assert_int_eq(file_write_all(path, "x", 1, 0600), 0);
	ck_assert_int_eq(socket_path_look(path, &s), -ENOTSOCK);
	ck_assert_int_eq(unlink(path), 0);
	(void)close(listener());
	ck_assert_int_eq(socket_path_look(path, &s), 0);
	s.device += _i == 1;
	s.inode += _i == 2;
	s.changed.tv_sec += _i == 3;
	s.changed.tv_nsec += _i == 4;
	ck_assert_int_eq(socket_path_remove(&s), 0);
	ck_assert(is_there() == (_i > 0));
}
END_TEST

START_TEST(what_a_killed_team_left_is_removed)
{
	ck_assert_int_eq(open_all(NULL), 0);
	kill_stations();
	ck_assert(is_there() && is_noted());
	ck_assert_int_eq(socket_paths_remove_noted(note), 0);
	ck_assert(!is_there() && !is_noted());
	ck_assert_int_eq(socket_paths_remove_noted(note), 0); /* without a note, too */
}
END_TEST

/* A file; another socket; and the same one, to which something was done since. */
START_TEST(what_came_after_a_killed_team_is_left)
{
	int fd = -1;

	ck_assert_int_eq(open_all(NULL), 0);
	kill_stations();
	if (_i < 2)
		ck_assert_int_eq(unlink(path), 0);
	if (_i == 0)
		ck_assert_int_eq(file_write_all(path, "other", 5, 0600), 0);
	else if (_i == 1)
		fd = listener();
	else
		ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(socket_paths_remove_noted(note), 0);
	ck_assert(is_there() && !is_noted());
	(void)close(fd);
}
END_TEST

/* What stands between the numbers and the path; right is a space. */
static const struct {
	bool has_nanoseconds;
	const char *between;
} forged[] = { { true, "" }, { true, "x" }, { true, " x" }, { false, " " } };

START_TEST(a_note_of_another_form_removes_nothing)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	struct socket_path s;

	(void)close(listener());
	ck_assert_int_eq(socket_path_look(path, &s), 0);
	bytes_printf(&text, "%ju %ju %jd", (uintmax_t)s.device, (uintmax_t)s.inode, (intmax_t)s.changed.tv_sec);
	if (forged[_i].has_nanoseconds)
		bytes_printf(&text, " %ld", s.changed.tv_nsec);
	bytes_printf(&text, "%s%s", forged[_i].between, path);
	bytes_append(&text, "", 1);
	socket_path_print(&s, &text);
	ck_assert_int_eq(file_write_all(note, text.data, text.len, 0600), 0);
	ck_assert_int_eq(socket_paths_remove_noted(note), 0);
	ck_assert(is_there() && !is_noted()); /* nor what stands behind it */
	text.len = 0;
	socket_path_print(&s, &text);
	ck_assert_int_eq(file_write_all(note, text.data, text.len - 1, 0600), 0);
	ck_assert_int_eq(socket_paths_remove_noted(note), 0);
	ck_assert(is_there());
	ck_assert_int_eq(file_write_all(note, text.data, text.len, 0600), 0);
	ck_assert_int_eq(socket_paths_remove_noted(note), 0);
	ck_assert(!is_there());
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_said)
{
	stations[0].what = "/nonexistent/s";
	ck_assert_int_eq(open_all("lan.x: /nonexistent/s: No such file"), -ENOENT);
}
END_TEST

/* Ports of stations come behind the NICs', and have one number and back. */
START_TEST(stations_have_ports_and_shapes)
{
	struct link_ref z = { .is_station = true, .network = 1, .station = 1 };
	struct fabric_plan *plan;
	struct link_shapes *shapes;
	const char *sets[] = { "rate=1Mbit" };
	char *why = NULL;

	networks[1].n_stations = 2;
	ck_assert_int_eq(fabric_plan_new(&team, &plan), 0);
	ck_assert_uint_eq(plan->n_ports, 4);
	ck_assert_str_eq(plan->ports[0].name, "a.eth0");
	ck_assert_str_eq(plan->ports[1].name, "lan.x");
	ck_assert_str_eq(plan->ports[3].name, "wan.z");
	ck_assert_str_eq(plan->ports[3].stream, "wan.z");
	ck_assert_uint_eq(plan->ports[3].network, 1);
	ck_assert_uint_eq(plan->ports[3].mtu, 9000);
	ck_assert_int_eq(plan->ports[3].up.shape.delay_ns, 5);
	for (size_t i = 0; i < 4; i++) {
		struct link_ref ref = fabric_plan_link(&team, &(struct fabric_ref){ .index = i });

		ck_assert(ref.is_station == (i > 0) && !ref.is_network);
		ck_assert_uint_eq(fabric_plan_ref(&team, &ref).index, i);
	}
	ck_assert_uint_eq(fabric_plan_ref(&team, &z).index, 3);
	ck_assert_int_eq(link_shapes_new(&team, &shapes), 0);
	ck_assert_int_eq(link_shapes_get(shapes, &z, LINK_UP)->delay_ns, 5);
	ck_assert_int_eq(link_shapes_set(shapes, &z, LINK_UP, sets, 1, &why), 0);
	ck_assert_uint_eq(link_shapes_get(shapes, &z, LINK_UP)->rate_bps, 1000000);
	ck_assert_uint_eq(link_shapes_get(shapes, &(struct link_ref){ 0 }, LINK_UP)->rate_bps, 0);
	link_shapes_free(shapes);
	fabric_plan_free(plan);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("stations");
	TCase *t = tcase_create("stations");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_socket_is_the_users_and_goes);
	tcase_add_test(t, a_file_is_never_overwritten);
	tcase_add_loop_test(t, a_link_is_not_followed, 0, 2);
	tcase_add_loop_test(t, a_socket_is_known_by_four_numbers, 0, 5);
	tcase_add_test(t, a_socket_in_use_is_left);
	tcase_add_test(t, a_stale_socket_is_replaced);
	tcase_add_test(t, what_took_the_path_since_is_left);
	tcase_add_test(t, what_a_killed_team_left_is_removed);
	tcase_add_loop_test(t, what_came_after_a_killed_team_is_left, 0, 3);
	tcase_add_loop_test(t, a_note_of_another_form_removes_nothing, 0, (int)(sizeof forged / sizeof *forged));
	tcase_add_test(t, a_folder_that_is_not_there_is_said);
	tcase_add_test(t, stations_have_ports_and_shapes);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
