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
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *env_dir(const char *name)
{
	const char *v = getenv(name);

	return v && v[0] == '/' ? v : NULL;
}

static char *home_path(void)
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
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		*ret_why = str_printf("%s: not a private folder of this user (remove it, or set XDG_RUNTIME_DIR)",
				      path);
		return -EPERM;
	}
	return 0;
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
	CLEANUP(free) char *home = home_path();
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

static char *lock_path(const struct store *s, const char *team)
{
	return str_printf("%s/%s.lock", s->run, team);
}

/* Is @path still the file that @fd is? */
static bool is_same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int store_lock(const struct store *s, const char *team, int *ret_fd, char **ret_why)
{
	CLEANUP(free) char *path = lock_path(s, team);
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
			*ret_fd = take_fd(&fd);
			return 0;
		}
	}
}

void store_unlock(const struct store *s, const char *team)
{
	CLEANUP(free) char *path = lock_path(s, team);

	/* SYSCALLS(janitor supervisor): unlink rmdir */
	(void)unlink(path);
	(void)rmdir(s->run); /* when this was the last team */
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

json_t *store_list(const struct store *s)
{
	json_t *list = json_array();
	char **names = NULL;
	size_t n = 0;
	DIR *dir = opendir(s->run);

	if (!dir)
		return list;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char **more;

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
		(void)json_array_append_new(list, json_string(names[i]));
		free(names[i]);
	}
	free(names);
	return list;
}

bool store_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 32 || name[0] == '-')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}
