/* tests/teams/check_reap.c: a team's end by force kills whom it looked for, and no later owner. */
#include "core/bytes.h"
#include "core/proc.h"
#include "teams/reap.h"
#include "teams/socket_path.h"
#include "tests/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/check_reap.XXXXXX";
static struct store store;
static struct reap_owner owner;

/* A process that holds the lock of "t" as a team's supervisor does, and is its own janitor. */
struct holder {
	pid_t pid;
	int fd; /* its end says that it holds the lock */
};

/* What ps shows of the holders is in the place of the arguments, which glibc tells constructors. */
__attribute__((constructor)) static void init_title(int argc, char **argv)
{
	proc_title_init(argc, argv);
}

static void setup(void)
{
	char *why = NULL;

	(void)strcpy(dir, "/tmp/check_reap.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(setenv("MUSTER_HOME", dir, 1), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	ck_assert_int_eq(store_open(&store, &why), 0);
	owner = (struct reap_owner){ .lock_fd = -1 };
}

static void teardown(void)
{
	reap_owner_done(&owner);
	store_done(&store);
	ck_assert_int_eq(dir_remove_all(dir), 0);
}

static _Noreturn void hold(int fd, bool has_note)
{
	char *why = NULL;
	int lock;

	proc_title_set("muster: supervisor t");
	if (store_lock(&store, "t", &lock, &why) < 0 || (has_note && reap_note(lock, getpid(), getpid()) < 0))
		_exit(1);
	if (write(fd, "x", 1) != 1)
		_exit(2);
	for (;;)
		(void)pause();
}

static struct holder holder_new(bool has_note)
{
	struct holder h;
	char c;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	h.pid = fork();
	if (h.pid == 0)
		hold(fds[1], has_note);
	(void)close(fds[1]);
	h.fd = fds[0];
	ck_assert_int_eq(read(h.fd, &c, 1), 1);
	return h;
}

static bool lives(const struct holder *h)
{
	return waitpid(h->pid, NULL, WNOHANG) == 0;
}

static void holder_end(struct holder *h)
{
	(void)kill(h->pid, SIGKILL);
	(void)waitpid(h->pid, NULL, 0);
	(void)close(h->fd);
}

START_TEST(test_who_was_looked_for_is_killed)
{
	struct holder h = holder_new(true);
	CLEANUP(free) char *why = NULL;

	reap_look(&store, "t", &owner);
	ck_assert_int_eq(owner.supervisor, h.pid);
	ck_assert_int_eq(reap_team(&store, "t", &owner, true, &why), 0);
	ck_assert(!lives(&h));
	(void)close(h.fd);
}
END_TEST

/* The old owner gave the lock up, or was killed and left its file; another `up` has it now. */
START_TEST(test_a_later_owner_is_left_alone)
{
	struct holder old = holder_new(true), later;
	CLEANUP(free) char *why = NULL;

	reap_look(&store, "t", &owner);
	if (_i == 0)
		store_unlock(&store, "t");
	holder_end(&old);
	later = holder_new(true);
	ck_assert_int_eq(reap_team(&store, "t", &owner, true, &why), 0);
	ck_assert(lives(&later));
	holder_end(&later);
}
END_TEST

/* What a killed owner left is no name of the next, who has not written its own. */
START_TEST(test_who_takes_the_lock_empties_its_file)
{
	struct holder old = holder_new(true), next;

	holder_end(&old);
	next = holder_new(false);
	reap_look(&store, "t", &owner);
	ck_assert_int_eq(owner.supervisor, 0);
	ck_assert(owner.lock_fd >= 0);
	holder_end(&next);
}
END_TEST

START_TEST(test_no_lock_is_no_owner)
{
	CLEANUP(free) char *why = NULL;

	reap_look(&store, "t", &owner);
	ck_assert_int_eq(owner.lock_fd, -1);
	ck_assert_int_eq(reap_team(&store, "t", &owner, true, &why), 0);
}
END_TEST

/* A socket that a killed team made elsewhere goes with the rest. */
START_TEST(test_a_noted_socket_goes_too)
{
	CLEANUP(free) char *note = store_socket_note(&store, "t");
	CLEANUP(free) char *path = str_printf("%s/socket", dir);
	CLEANUP(bytes) struct bytes text = { 0 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct holder h = holder_new(true);
	struct socket_path s;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	(void)close(fd);
	ck_assert_int_eq(socket_path_look(path, &s), 0);
	socket_path_print(&s, &text);
	ck_assert_int_eq(file_write_all(note, text.data, text.len, 0600), 0);
	holder_end(&h);
	ck_assert(reap_left(&store, "t"));
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_lt(access(note, F_OK), 0);
}
END_TEST

/* Supervisor and janitor were killed: the folder above is the kernel's to fill, the name is in the note. */
START_TEST(test_the_control_group_goes_too)
{
	CLEANUP(free) char *note = store_cgroup_note(&store, "t");
	CLEANUP(free) char *group = str_printf("%s/muster-t-1", dir);
	struct holder h = holder_new(true);

	ck_assert_int_eq(dir_make_all(group, 0700), 0);
	ck_assert_int_eq(file_write_all(note, group, strlen(group), 0600), 0);
	ck_assert(!reap_left(&store, "t"));
	ck_assert_int_eq(access(group, F_OK), 0);
	holder_end(&h);
	ck_assert(reap_left(&store, "t"));
	ck_assert_int_lt(access(group, F_OK), 0);
	ck_assert_int_lt(access(store.run, F_OK), 0);
}
END_TEST

/* An empty lock as an interrupted command leaves it, and a killed team's folder; "t" is held, and stays. */
START_TEST(test_all_that_nobody_holds_goes)
{
	CLEANUP(free) char *cut = store_lock_path(&store, "cut");
	CLEANUP(free) char *dead = store_run_dir(&store, "dead");
	CLEANUP(free) char *held = store_run_dir(&store, "t");
	struct holder h = holder_new(true);

	ck_assert_int_eq(file_write_all(cut, "", 0, 0600), 0);
	ck_assert_int_eq(dir_make_all(dead, 0700), 0);
	ck_assert_int_eq(dir_make_all(held, 0700), 0);
	reap_all_left(&store);
	ck_assert_int_lt(access(cut, F_OK), 0);
	ck_assert_int_lt(access(dead, F_OK), 0);
	ck_assert_int_eq(access(held, F_OK), 0);
	ck_assert(lives(&h));
	holder_end(&h);
	reap_all_left(&store);
	ck_assert_int_lt(access(store.run, F_OK), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("reap");
	TCase *t = tcase_create("reap");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_who_was_looked_for_is_killed);
	tcase_add_loop_test(t, test_a_later_owner_is_left_alone, 0, 2);
	tcase_add_test(t, test_who_takes_the_lock_empties_its_file);
	tcase_add_test(t, test_no_lock_is_no_owner);
	tcase_add_test(t, test_a_noted_socket_goes_too);
	tcase_add_test(t, test_the_control_group_goes_too);
	tcase_add_test(t, test_all_that_nobody_holds_goes);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
