/* teams/store.c: the folders of a team, and its lock.
 *
 * The runtime folder below /tmp is made with mode 0700 and believed only when
 * it is a folder, ours, and closed to others: /tmp is everybody's. The lock is
 * an flock() on a file beside the team's runtime folder. It belongs to the open
 * file, so it ends with the last process that keeps the descriptor (supervisor
 * and janitor), and a new `up` cannot run into the old one's cleaning. A lock
 * file that is unlinked could be held twice, by those who opened the old and
 * the new one: so who got it looks whether the name still means the file it
 * locked, and begins anew when not.
 *
 * Used by: supervisor.c, client.c, the commands.   Depends on: core/bytes.h. */
#include "teams/store.h"

#include "core/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_DEPTH_MAX = 32 };

static const char *env_dir(const char *name)
{
	const char *v = getenv(name);

	return v && v[0] == '/' ? v : NULL;
}

char *store_home_path(void)
{
	const char *home = env_dir("MUSTER_HOME"), *state = env_dir("XDG_STATE_HOME");

	if (home)
		return str_dup(home);
	if (state)
		return str_printf("%s/muster", state);
	home = env_dir("HOME");
	return str_printf("%s/.local/state/muster", home ? home : "/root");
}

/* Is @path a folder of ours that nobody else may enter? */
static int private_dir_check(const char *path, char **ret_why)
{
	struct stat st;

	/* SYSCALLS(supervisor): newfstatat geteuid */
	if (lstat(path, &st) < 0) {
		*ret_why = str_printf("%s: %s", path, strerror(errno));
		return -errno;
	}
	if (st.st_uid != geteuid()) {
		const struct passwd *owner = getpwuid(st.st_uid);

		*ret_why = str_printf("%s: made by another user, %s (uid %u): set XDG_RUNTIME_DIR to a folder of your "
				      "own, or have it removed",
				      path, owner ? owner->pw_name : "who has no name", (unsigned)st.st_uid);
	} else if (!S_ISDIR(st.st_mode)) {
		*ret_why = str_printf("%s: not a folder (remove it, or set XDG_RUNTIME_DIR)", path);
	} else if ((st.st_mode & 077) != 0) {
		*ret_why = str_printf("%s: others may enter it, its mode is %03o (chmod 700, or set XDG_RUNTIME_DIR)",
				      path, (unsigned)st.st_mode & 0777);
	} else {
		return 0;
	}
	return -EPERM;
}

static int private_dir_make(const char *path, char **ret_why)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		int r = -errno;

		*ret_why = str_printf("%s: %s", path, strerror(-r));
		return r;
	}
	return private_dir_check(path, ret_why);
}

static int run_dir_open(char **ret_path, char **ret_why)
{
	const char *xdg = env_dir("XDG_RUNTIME_DIR");
	CLEANUP(free) char *path = NULL;
	int r;

	/* SYSCALLS(supervisor): access faccessat2 */
	if (xdg && access(xdg, W_OK | X_OK) == 0)
		path = str_printf("%s/muster", xdg);
	else
		path = str_printf("/tmp/muster-%u", (unsigned)geteuid());
	r = private_dir_make(path, ret_why);
	if (r < 0)
		return r;
	*ret_path = take_ptr(path);
	return 0;
}

int store_open(struct store *ret_store, char **ret_why)
{
	CLEANUP(free) char *home = store_home_path();
	char *run = NULL;
	int r;

	r = dir_make_all(home, 0700);
	if (r < 0) {
		*ret_why = str_printf("%s: %s", home, strerror(-r));
		return r;
	}
	r = run_dir_open(&run, ret_why);
	if (r < 0)
		return r;
	ret_store->home = take_ptr(home);
	ret_store->run = run;
	return 0;
}

void store_done(struct store *s)
{
	free(s->home);
	free(s->run);
	s->home = s->run = NULL;
}

char *store_run_dir(const struct store *s, const char *team)
{
	return str_printf("%s/%s", s->run, team);
}

char *store_socket(const struct store *s, const char *team)
{
	return str_printf("%s/%s/control", s->run, team);
}

char *store_state_dir(const struct store *s, const char *team)
{
	return str_printf("%s/teams/%s", s->home, team);
}

char *store_state_file(const struct store *s, const char *team, const char *name)
{
	return str_printf("%s/teams/%s/%s", s->home, team, name);
}

char *store_leases_dir(const struct store *s, const char *team)
{
	return store_state_file(s, team, "leases");
}

int store_leases_forget(const struct store *s, const char *team)
{
	CLEANUP(free) char *dir = store_leases_dir(s, team);
	CLEANUP(free) char *why = NULL;
	CLEANUP(fd) int lock = -1;
	int r;

	if (access(dir, F_OK) < 0)
		return 0;
	r = store_lock(s, team, &lock, &why);
	if (r < 0)
		return r;
	r = dir_remove_all(dir);
	store_unlock(s, team);
	return r;
}

int store_state_prepare(const struct store *s, const char *team, char **ret_why)
{
	static const char *const old[] = { "consoles", "run", "events.jsonl", "log", "ended.json" };
	static const char *const dirs[] = { "consoles", "run" };

	for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
		CLEANUP(free) char *path = store_state_file(s, team, old[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			(void)dir_remove_all(path);
	}
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		CLEANUP(free) char *path = store_state_file(s, team, dirs[i]);
		int r = dir_make_all(path, 0700);

		if (r < 0) {
			*ret_why = str_printf("%s: %s", path, strerror(-r));
			return r;
		}
	}
	return 0;
}

char *store_lock_path(const struct store *s, const char *team)
{
	return str_printf("%s/%s.lock", s->run, team);
}

char *store_cgroup_note(const struct store *s, const char *team)
{
	return str_printf("%s/%s.cgroup", s->run, team);
}

char *store_socket_note(const struct store *s, const char *team)
{
	return str_printf("%s/%s.sockets", s->run, team);
}

/* Is @path still the file that @fd is? */
static bool is_same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

bool store_lock_is(const struct store *s, const char *team, int fd)
{
	CLEANUP(free) char *path = store_lock_path(s, team);

	return fd >= 0 && is_same_file(fd, path);
}

int store_lock(const struct store *s, const char *team, int *ret_fd, char **ret_why)
{
	CLEANUP(free) char *path = store_lock_path(s, team);
	bool has_made = false;

	for (;;) {
		CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0 && errno == ENOENT && !has_made) {
			/* The last team's end took the folder along since store_open(). */
			int r = private_dir_make(s->run, ret_why);

			if (r < 0)
				return r;
			has_made = true;
			continue;
		}
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int r = -errno;

			if (r != -EWOULDBLOCK)
				*ret_why = str_printf("%s: %s", path, strerror(-r));
			return r;
		}
		if (is_same_file(fd, path)) {
			/* One that was killed may have left its name. */
			if (ftruncate(fd, 0) < 0)
				return -errno;
			*ret_fd = take_fd(&fd);
			return 0;
		}
	}
}

void store_unlock(const struct store *s, const char *team)
{
	CLEANUP(free) char *path = store_lock_path(s, team);

	/* SYSCALLS(janitor supervisor): unlink rmdir */
	(void)unlink(path);
	(void)rmdir(s->run); /* when this was the last team */
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cuts off what the files beside a team's runtime folder have behind its name. */
static void cut_suffix(char *name)
{
	static const char *const suffixes[] = { ".lock", ".cgroup", ".sockets" };
	char *dot = strchr(name, '.');

	for (size_t i = 0; dot && i < sizeof suffixes / sizeof *suffixes; i++)
		if (strcmp(dot, suffixes[i]) == 0) {
			*dot = '\0';
			return;
		}
}

/* Names of the teams that have a runtime folder, or (@with_files) any file of theirs beside it. */
static json_t *list_names(const struct store *s, bool with_files)
{
	json_t *list = json_array();
	char **names = NULL;
	size_t n = 0;
	DIR *dir = opendir(s->run);

	if (!dir)
		return list;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char **more;

		if (with_files)
			cut_suffix(e->d_name);
		if (!store_name_is_valid(e->d_name))
			continue;
		more = realloc(names, (n + 1) * sizeof *names);
		if (!more)
			break;
		names = more;
		names[n++] = str_dup(e->d_name);
	}
	(void)closedir(dir);
	if (n > 0)
		qsort(names, n, sizeof *names, name_compare);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 == n || strcmp(names[i], names[i + 1]) != 0)
			(void)json_array_append_new(list, json_string(names[i]));
		free(names[i]);
	}
	free(names);
	return list;
}

json_t *store_list(const struct store *s)
{
	return list_names(s, false);
}

json_t *store_list_left(const struct store *s)
{
	return list_names(s, true);
}

bool store_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 32 || name[0] == '-')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

char *store_data_dir(const char *what)
{
	const char *data = getenv("MUSTER_DATA");
	char exe[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *dir;

	if (data)
		return str_printf("%s/%s", data, what);
	if (n <= 0)
		return NULL;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	dir = str_printf("%s/share/%s", exe, what);
	if (access(dir, R_OK) == 0)
		return dir;
	free(dir);
	return str_printf("%s/../share/muster/%s", exe, what);
}

/* What the regular files below the folder @fd (taken over) take on the disk. */
static uint64_t tree_bytes(int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	uint64_t sum = 0;
	struct stat st;

	if (!d) {
		(void)close(fd);
		return 0;
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		sum += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode) && depth < TREE_DEPTH_MAX) {
			int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			sum += sub < 0 ? 0 : tree_bytes(sub, depth + 1);
		}
	}
	(void)closedir(d);
	return sum;
}

/* Adds @path to the list of what is left, where it is there. */
static void add_remains(json_t *list, const char *kind, const char *name, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I}", "kind", kind, "name", name, "path",
							   path, "size_bytes", (json_int_t)tree_bytes(fd, 0)));
}

/* Looks only: no file is made for it or removed. Two who look do not take each other for a holder. */
static bool is_up(const struct store *s, const char *team)
{
	CLEANUP(free) char *path = store_lock_path(s, team);
	CLEANUP(fd) int lock = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* What processes that were killed left below the runtime folder. */
static void add_runs(const struct store *s, json_t *list)
{
	json_t *names = store_list_left(s), *name;
	size_t i;

	json_array_foreach (names, i, name) {
		const char *team = json_string_value(name);
		CLEANUP(free) char *dir = store_run_dir(s, team);
		CLEANUP(free) char *lock = store_lock_path(s, team);
		size_t n = json_array_size(list);

		if (is_up(s, team))
			continue;
		add_remains(list, "run", team, dir);
		if (json_array_size(list) == n)
			(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:i}", "kind", "run", "name", team,
								    "path", lock, "size_bytes", 0));
	}
	json_decref(names);
}

static void add_teams(const struct store *s, json_t *list)
{
	CLEANUP(free) char *top = str_printf("%s/teams", s->home);
	struct dirent **entries = NULL;
	int n = scandir(top, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		CLEANUP(free) char *path = store_state_dir(s, entries[i]->d_name);

		if (store_name_is_valid(entries[i]->d_name) && !is_up(s, entries[i]->d_name))
			add_remains(list, "team", entries[i]->d_name, path);
		free(entries[i]);
	}
	free(entries);
}

json_t *store_remains(const struct store *s, const char *team)
{
	const char *cache = env_dir("MUSTER_CACHE"), *xdg = env_dir("XDG_CACHE_HOME"), *home = env_dir("HOME");
	CLEANUP(free) char *path = cache ? str_dup(cache) :
				   xdg	 ? str_printf("%s/muster", xdg) :
					   str_printf("%s/.cache/muster", home ? home : "/root");
	json_t *list = json_array();

	if (team) {
		CLEANUP(free) char *dir = store_state_dir(s, team);

		add_remains(list, "team", team, dir);
		return list;
	}
	add_runs(s, list);
	add_teams(s, list);
	add_remains(list, "cache", "packages", path);
	return list;
}

int store_remains_remove(const struct store *s, const json_t *remains)
{
	const char *kind = json_string_value(json_object_get(remains, "kind"));
	const char *name = json_string_value(json_object_get(remains, "name"));
	const char *path = json_string_value(json_object_get(remains, "path"));
	CLEANUP(fd) int lock = -1;
	CLEANUP(free) char *why = NULL;
	int r = 0;

	if (strcmp(kind, "team") == 0)
		r = store_lock(s, name, &lock, &why);
	if (r == 0)
		r = dir_remove_all(path);
	if (lock >= 0)
		store_unlock(s, name);
	return r;
}
