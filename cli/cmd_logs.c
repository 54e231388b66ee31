/* cli/cmd_logs.c: muster logs: what a team and its VMs have said, from the files in its folder.
 *
 * Of a team: its own log, and each VM's console and `run` lines, every line after the name of
 * its source; of a `count` likewise. Of one VM: its console and `run` lines. With --follow the files are looked at
 * again until the team is gone, the reader is gone, or an interrupt comes. A line is passed on
 * when it is whole; what is no text is escaped on a terminal, since guests wrote it. */
#include "cli/commands.h"
#include "core/escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_EVERY_MS = 200, CHUNK = 65536, LINE_MAX_LEN = 1 << 16, ANSWER_S = 2 };

struct source {
	char *path, *name;
	off_t at; /* what lies before was passed on, or is in @rest */
	struct bytes rest; /* a line without its end */
};

struct logs {
	const struct store *store;
	const char *team, *vm; /* @vm NULL: all, and the team's own log */
	bool is_group; /* @vm is the name of a `count` */
	char **members; /* its VMs, of a team that is up; else NULL */
	struct source *list;
	size_t n;
	bool is_tty, is_over;
};

static void add_source(struct logs *l, char *path, const char *name)
{
	struct source *more;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].path, path) == 0) {
			free(path);
			return;
		}
	more = realloc(l->list, (l->n + 1) * sizeof *more);
	if (!more)
		abort();
	l->list = more;
	l->list[l->n++] = (struct source){ .path = path, .name = str_dup(name) };
}

static int by_name(const void *a, const void *b)
{
	const struct dirent *const *x = a, *const *y = b;

	return strcmp((*x)->d_name, (*y)->d_name);
}

/* Whether the log of VM @name is wanted. Where the team is gone, names alone tell who is of a `count`. */
static bool is_meant(const struct logs *l, const char *name)
{
	size_t len = l->vm ? strlen(l->vm) : 0;

	if (!l->vm || !l->is_group)
		return !l->vm || strcmp(l->vm, name) == 0;
	for (char **p = l->members; p && *p; p++)
		if (strcmp(*p, name) == 0)
			return true;
	return !l->members && strncmp(name, l->vm, len) == 0 && name[len] == '-' && name[len + 1] &&
	       name[len + 1 + strspn(name + len + 1, "0123456789")] == '\0';
}

/* Nothing was said by a VM called so: it may be a `count`. */
static void find_members(struct logs *l)
{
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL;
	size_t n;

	l->is_group = true;
	if (client_open(l->store, l->team, &fd) == 0 &&
	    client_call_within(fd, json_pack("{s:s}", "do", "status"), ANSWER_S * NSEC_PER_SEC, &reply) == 0)
		l->members = cli_find_vms(reply, l->vm, &n);
	json_decref(reply);
}

/* Adds VM.log of the folder @dir of the team's. */
static void add_folder(struct logs *l, const char *dir, const char *what)
{
	CLEANUP(free) char *path = store_state_file(l->store, l->team, dir);
	struct dirent **entries = NULL;
	/* cppcheck-suppress nullPointer ; scandir(3) takes no filter and no order as NULL */
	int n = scandir(path, &entries, NULL, NULL);

	if (n > 0)
		qsort(entries, (size_t)n, sizeof *entries, by_name);
	for (int i = 0; i < n; i++) {
		size_t len = strlen(entries[i]->d_name);
		CLEANUP(free) char *vm = NULL;
		CLEANUP(free) char *name = NULL;

		if (len > 4 && strcmp(entries[i]->d_name + len - 4, ".log") == 0) {
			vm = str_printf("%.*s", (int)(len - 4), entries[i]->d_name);
			name = str_printf("%s%s", vm, what);
			if (is_meant(l, vm))
				add_source(l, str_printf("%s/%s", path, entries[i]->d_name), name);
		}
		free(entries[i]);
	}
	free(entries);
}

static void find_sources(struct logs *l)
{
	if (!l->vm)
		add_source(l, store_state_file(l->store, l->team, "log"), "team");
	add_folder(l, "consoles", "");
	add_folder(l, "run", " run");
}

static void print_line(struct logs *l, const struct source *s, const char *line, size_t len)
{
	CLEANUP(bytes) struct bytes shown = { 0 };

	if (!l->vm || l->is_group)
		(void)printf("%s: ", s->name);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (l->is_tty)
		escape_append(&shown, line, len);
	else
		bytes_append(&shown, line, len);
	bytes_append_str(&shown, "\n");
	if (fwrite(shown.data, 1, shown.len, stdout) != shown.len)
		l->is_over = true;
}

/* Passes the whole lines of @s->rest on; @all: the last one too. */
static void print_lines(struct logs *l, struct source *s, bool all)
{
	size_t at = 0;

	for (const uint8_t *end; s->rest.len > at && (end = memchr(s->rest.data + at, '\n', s->rest.len - at));) {
		print_line(l, s, (char *)s->rest.data + at, (size_t)(end - s->rest.data) - at);
		at = (size_t)(end - s->rest.data) + 1;
	}
	if (s->rest.len > at && (all || s->rest.len - at > LINE_MAX_LEN)) {
		print_line(l, s, (char *)s->rest.data + at, s->rest.len - at);
		at = s->rest.len;
	}
	bytes_consume(&s->rest, at);
}

static void read_on(struct logs *l, struct source *s)
{
	CLEANUP(fd) int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	char buf[CHUNK];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	if (st.st_size < s->at)
		s->at = 0; /* it was begun anew */
	while (!l->is_over && (n = pread(fd, buf, sizeof buf, s->at)) > 0) {
		s->at += n;
		bytes_append(&s->rest, buf, (size_t)n);
		print_lines(l, s, false);
	}
}

static void read_all(struct logs *l, bool is_last)
{
	find_sources(l);
	for (size_t i = 0; i < l->n && !l->is_over; i++) {
		read_on(l, &l->list[i]);
		if (is_last)
			print_lines(l, &l->list[i], true);
	}
	if (fflush(stdout) != 0)
		l->is_over = true;
}

/* Until the team or the reader is gone. */
static void follow(struct logs *l)
{
	bool is_up = true;

	while (is_up && !l->is_over) {
		struct pollfd reader = { .fd = STDOUT_FILENO };
		int fd = -1;

		is_up = client_open(l->store, l->team, &fd) == 0;
		cleanup_fd(&fd);
		read_all(l, !is_up);
		if (is_up && poll(&reader, 1, LOOK_EVERY_MS) > 0)
			return;
	}
}

static int run(const struct store *store, const char *team, const char *vm, bool follows)
{
	struct logs l = { .store = store, .team = team, .vm = vm, .is_tty = isatty(STDOUT_FILENO) == 1 };
	CLEANUP(free) char *dir = store_state_dir(store, team);
	int status = EXIT_DONE;

	if (!store_name_is_valid(team) || access(dir, F_OK) < 0)
		return cli_fail(EXIT_NO_SUCH, "no team '%s' was ever up", team);
	find_sources(&l);
	if (vm && l.n == 0) {
		find_members(&l);
		find_sources(&l);
	}
	if (l.n == 0)
		status = cli_fail(EXIT_NO_SUCH, "team %s: no VM '%s' has said anything", team, vm ? vm : "");
	else if (follows)
		follow(&l);
	else
		read_all(&l, true);
	for (size_t i = 0; i < l.n; i++) {
		free(l.list[i].path);
		free(l.list[i].name);
		bytes_done(&l.list[i].rest);
	}
	free(l.list);
	if (l.members)
		cli_free_vms(l.members);
	return follows && status == EXIT_DONE && cli_nobody_reads() ? EXIT_READER_GONE : status;
}

int cmd_logs(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, { "follow", no_argument, NULL, OPT_FOLLOW },
						 CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *team = NULL;
	CLEANUP(free) char *vm = NULL;
	CLEANUP(free) char *why = NULL;
	bool follows = false;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":f", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		follows |= c == OPT_FOLLOW || c == 'f';
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "TEAM or TEAM/VM is needed");
	if (store_open(&store, &why) < 0)
		return cli_fail(EXIT_FAILED, "%s", why);
	cli_split_target(argv[optind], &team, &vm);
	return run(&store, team, vm, follows);
}
