/* tests/teams/check_store.c: where a team's files are, who may be in the runtime folder, the lock of a team, and what is
 * left of one. */
#include "teams/store.h"

#include "core/bytes.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static struct store store;

static char *below(const char *path)
{
	return str_printf("%s/%s", root, path);
}

static void set(const char *variable, const char *path)
{
	CLEANUP(free) char *whole = path ? below(path) : NULL;

	ck_assert_int_eq(whole ? setenv(variable, whole, 1) : unsetenv(variable), 0);
}

static bool is_there(const char *path)
{
	CLEANUP(free) char *whole = below(path);
	struct stat st;

	return lstat(whole, &st) == 0;
}

static void lay(const char *path, const char *text)
{
	CLEANUP(free) char *whole = below(path);
	CLEANUP(free) char *dir = str_dup(whole);

	*strrchr(dir, '/') = '\0';
	ck_assert_int_eq(dir_make_all(dir, 0700), 0);
	ck_assert_int_eq(file_write_all(whole, text, strlen(text), 0600), 0);
}

static void opens(void)
{
	char *why = NULL;

	ck_assert_msg(store_open(&store, &why) == 0, "%s", why);
}

static void setup(void)
{
	CLEANUP(free) char *run = NULL;

	(void)snprintf(root, sizeof root, "/tmp/check-store.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	run = below("xdg");
	ck_assert_int_eq(mkdir(run, 0700), 0);
	set("MUSTER_HOME", "home");
	set("XDG_RUNTIME_DIR", "xdg");
	set("MUSTER_CACHE", "cache");
	opens();
}

static void teardown(void)
{
	store_done(&store);
	(void)dir_remove_all(root);
}

/* ---- where ---- */

static const struct {
	const char *muster, *state, *home, *path;
} homes[] = {
	{ "/m", "/s", "/h", "/m" },
	{ NULL, "/s", "/h", "/s/muster" },
	{ NULL, NULL, "/h", "/h/.local/state/muster" },
	{ "relative", "also", "/h", "/h/.local/state/muster" },
	{ "", NULL, NULL, "/root/.local/state/muster" },
};

static void put(const char *variable, const char *value)
{
	ck_assert_int_eq(value ? setenv(variable, value, 1) : unsetenv(variable), 0);
}

START_TEST(the_home_follows_the_environment)
{
	CLEANUP(free) char *old = str_dup(getenv("HOME") ? getenv("HOME") : "/");
	CLEANUP(free) char *path = NULL;

	put("MUSTER_HOME", homes[_i].muster);
	put("XDG_STATE_HOME", homes[_i].state);
	put("HOME", homes[_i].home);
	path = store_home_path();
	put("HOME", old);
	put("XDG_STATE_HOME", NULL);
	ck_assert_str_eq(path, homes[_i].path);
}
END_TEST

static const struct {
	const char *name;
	bool is_valid;
} names[] = {
	{ "a", true },
	{ "0", true },
	{ "a-b-9", true },
	{ "abcdefghijklmnopqrstuvwxyz012345", true },
	{ "abcdefghijklmnopqrstuvwxyz0123456", false },
	{ "", false },
	{ "-a", false },
	{ "A", false },
	{ "a.b", false },
	{ "..", false },
	{ "a/b", false },
	{ "a b", false },
	{ "\xc3\xa9", false },
};

START_TEST(what_a_team_may_be_called)
{
	ck_assert_int_eq(store_name_is_valid(names[_i].name), names[_i].is_valid);
}
END_TEST

/* ---- the runtime folder is the user's alone ---- */

START_TEST(a_folder_that_others_may_enter_is_refused)
{
	CLEANUP(free) char *why = NULL;
	struct store other = { 0 };

	ck_assert_int_eq(chmod(store.run, 0750), 0);
	ck_assert_int_eq(store_open(&other, &why), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "mode is 750"));
}
END_TEST

START_TEST(a_link_in_its_place_is_refused)
{
	CLEANUP(free) char *why = NULL;
	struct store other = { 0 };

	ck_assert_int_eq(rmdir(store.run), 0);
	ck_assert_int_eq(symlink(store.home, store.run), 0);
	ck_assert_int_eq(store_open(&other, &why), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "not a folder"));
}
END_TEST

/* ---- the lock ---- */

static int locks(int *ret_fd)
{
	CLEANUP(free) char *why = NULL;

	return store_lock(&store, "web", ret_fd, &why);
}

START_TEST(a_lock_is_held_by_one)
{
	int fd, second;

	ck_assert_int_eq(locks(&fd), 0);
	ck_assert(store_lock_is(&store, "web", fd));
	ck_assert_int_eq(locks(&second), -EWOULDBLOCK);
	ck_assert(is_there("xdg/muster/web.lock"));
	store_unlock(&store, "web");
	ck_assert(!is_there("xdg/muster/web.lock"));
	ck_assert(!is_there("xdg/muster")); /* it was the last team */
	/* Its name is another's by now, though this one is open still; and the folder is made again. */
	ck_assert_int_eq(locks(&second), 0);
	ck_assert(!store_lock_is(&store, "web", fd));
	ck_assert(store_lock_is(&store, "web", second));
	ck_assert(!store_lock_is(&store, "web", -1));
	(void)close(fd);
	(void)close(second);
}
END_TEST

START_TEST(one_that_was_left_is_taken_and_emptied)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	CLEANUP(free) char *path = store_lock_path(&store, "web");
	int fd;

	lay("xdg/muster/web.lock", "supervisor 1 2\njanitor 3 4\n");
	ck_assert_int_eq(locks(&fd), 0);
	ck_assert_int_eq(file_read_all(path, 100, &text), 0);
	ck_assert_uint_eq(text.len, 0);
	(void)close(fd);
}
END_TEST

START_TEST(a_lock_that_is_a_link_is_not_followed)
{
	CLEANUP(free) char *path = store_lock_path(&store, "web");
	CLEANUP(free) char *victim = below("victim");
	CLEANUP(bytes) struct bytes text = { 0 };
	int fd;

	lay("victim", "precious");
	ck_assert_int_eq(symlink(victim, path), 0);
	ck_assert_int_eq(locks(&fd), -ELOOP);
	ck_assert_int_eq(file_read_all(victim, 100, &text), 0);
	ck_assert_uint_eq(text.len, 8);
}
END_TEST

/* ---- what a team has and leaves ---- */

START_TEST(a_new_run_finds_nothing_of_the_last)
{
	static const char *const old[] = { "events.jsonl", "log", "ended.json", "consoles/a.log", "run/a.log" };
	CLEANUP(free) char *why = NULL;

	for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
		CLEANUP(free) char *path = str_printf("home/teams/web/%s", old[i]);

		lay(path, "old");
	}
	lay("home/teams/web/mine", "kept");
	lay("home/teams/db/log", "kept");
	ck_assert_int_eq(store_state_prepare(&store, "web", &why), 0);
	for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
		CLEANUP(free) char *path = str_printf("home/teams/web/%s", old[i]);

		ck_assert_msg(!is_there(path), "%s", path);
	}
	ck_assert(is_there("home/teams/web/consoles") && is_there("home/teams/web/run"));
	ck_assert(is_there("home/teams/web/mine") && is_there("home/teams/db/log"));
}
END_TEST

START_TEST(leases_stay_for_a_new_run_until_they_are_forgotten)
{
	CLEANUP(free) char *why = NULL;
	int fd;

	ck_assert_int_eq(store_leases_forget(&store, "web"), 0); /* there are none */
	lay("home/teams/web/leases/lan.0", "bound");
	ck_assert_int_eq(store_state_prepare(&store, "web", &why), 0);
	ck_assert(is_there("home/teams/web/leases/lan.0"));
	ck_assert_int_eq(locks(&fd), 0);
	ck_assert_int_eq(store_leases_forget(&store, "web"), -EWOULDBLOCK);
	ck_assert(is_there("home/teams/web/leases/lan.0"));
	(void)close(fd);
	ck_assert_int_eq(store_leases_forget(&store, "web"), 0);
	ck_assert(!is_there("home/teams/web/leases"));
	ck_assert(is_there("home/teams/web/consoles"));
	ck_assert(!is_there("xdg/muster/web.lock"));
}
END_TEST

START_TEST(teams_are_listed_by_name)
{
	json_t *list;
	char *text;

	lay("xdg/muster/web/control", "");
	lay("xdg/muster/db/control", "");
	lay("xdg/muster/web.lock", "");
	lay("xdg/muster/.hidden/x", "");
	list = store_list(&store);
	text = json_dumps(list, JSON_COMPACT);
	ck_assert_str_eq(text, "[\"db\",\"web\"]");
	free(text);
	json_decref(list);
}
END_TEST

static size_t n_left(const char *team)
{
	json_t *list = store_remains(&store, team);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

START_TEST(what_is_left_is_that_of_teams_which_are_not_up)
{
	json_t *list;
	int fd;

	lay("home/teams/web/log", "x");
	lay("home/teams/db/log", "x");
	lay("cache/a.deb", "x");
	ck_assert_uint_eq(n_left(NULL), 3);
	ck_assert_int_eq(locks(&fd), 0);
	list = store_remains(&store, NULL);
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "name")), "db");
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "kind")), "cache");
	ck_assert_int_ge(json_integer_value(json_object_get(json_array_get(list, 0), "size_bytes")), 512);
	ck_assert_int_eq(store_remains_remove(&store, json_array_get(list, 0)), 0);
	ck_assert(!is_there("home/teams/db"));
	json_decref(list);
	/* One that came up since is left alone. */
	list = store_remains(&store, "web");
	ck_assert_int_eq(store_remains_remove(&store, json_array_get(list, 0)), -EWOULDBLOCK);
	ck_assert(is_there("home/teams/web/log"));
	(void)close(fd);
	ck_assert_int_eq(store_remains_remove(&store, json_array_get(list, 0)), 0);
	ck_assert(!is_there("home/teams/web"));
	json_decref(list);
	ck_assert_uint_eq(n_left("web"), 0);
}
END_TEST

/* Whose rows of kind "run" there are, each name followed by a space. To free. */
static char *runs_left(void)
{
	json_t *list = store_remains(&store, NULL), *o;
	char *text = str_dup("");
	size_t i;

	json_array_foreach (list, i, o) {
		CLEANUP(free) char *before = text;

		text = strcmp(json_string_value(json_object_get(o, "kind")), "run") != 0 ?
			       str_dup(before) :
			       str_printf("%s%s ", before, json_string_value(json_object_get(o, "name")));
		ck_assert_int_eq(access(json_string_value(json_object_get(o, "path")), F_OK), 0);
	}
	json_decref(list);
	return text;
}

/* A folder, a lock alone, notes alone: what nobody holds is left, and looking at it changes nothing. */
START_TEST(what_lies_below_the_runtime_folder_is_left_too)
{
	CLEANUP(free) char *first = NULL;
	CLEANUP(free) char *again = NULL;
	json_t *left;
	int fd;

	lay("xdg/muster/dead/control", "");
	lay("xdg/muster/dead.lock", "supervisor 1 1\njanitor 1 1\n");
	lay("xdg/muster/cut.lock", "");
	lay("xdg/muster/mine.note", "");
	ck_assert_int_eq(locks(&fd), 0); /* "web": it comes up, its folder is not there yet */
	left = store_list_left(&store);
	ck_assert_uint_eq(json_array_size(left), 3);
	ck_assert_str_eq(json_string_value(json_array_get(left, 1)), "dead");
	json_decref(left);
	first = runs_left();
	again = runs_left();
	ck_assert_str_eq(first, "cut dead ");
	ck_assert_str_eq(again, "cut dead ");
	ck_assert(is_there("xdg/muster/cut.lock") && is_there("xdg/muster/web.lock"));
	(void)close(fd);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("store");
	TCase *t = tcase_create("store");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, the_home_follows_the_environment, 0, sizeof homes / sizeof *homes);
	tcase_add_loop_test(t, what_a_team_may_be_called, 0, sizeof names / sizeof *names);
	tcase_add_test(t, a_folder_that_others_may_enter_is_refused);
	tcase_add_test(t, a_link_in_its_place_is_refused);
	tcase_add_test(t, a_lock_is_held_by_one);
	tcase_add_test(t, one_that_was_left_is_taken_and_emptied);
	tcase_add_test(t, a_lock_that_is_a_link_is_not_followed);
	tcase_add_test(t, a_new_run_finds_nothing_of_the_last);
	tcase_add_test(t, leases_stay_for_a_new_run_until_they_are_forgotten);
	tcase_add_test(t, teams_are_listed_by_name);
	tcase_add_test(t, what_is_left_is_that_of_teams_which_are_not_up);
	tcase_add_test(t, what_lies_below_the_runtime_folder_is_left_too);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
