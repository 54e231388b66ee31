/* cli/cli.c: what the commands share.
 *
 * Used by: every cmd_*.c. */
#include "cli/cli.h"

#include "core/escape.h"
#include "teams/image.h"
#include "teams/reap.h"
#include "topologies/arena.h"
#include "topologies/values.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void vprint(FILE *out, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void vprint(FILE *out, const char *fmt, va_list ap)
{
	CLEANUP(free) char *text = NULL;
	CLEANUP(free) char *harmless = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	harmless = escape_str(text);
	(void)fputs(harmless, out);
}

void cli_print(FILE *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(out, fmt, ap);
	va_end(ap);
}

bool cli_nobody_reads(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

int cli_end_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	return cli_nobody_reads() ? EXIT_READER_GONE : cli_fail(EXIT_FAILED, "the output cannot be written");
}

static char *first_failure;

int cli_fail(int status, const char *fmt, ...)
{
	va_list ap;

	if (!first_failure) {
		va_start(ap, fmt);
		if (vasprintf(&first_failure, fmt, ap) < 0)
			abort();
		va_end(ap);
	}
	va_start(ap, fmt);
	(void)fprintf(stderr, "muster: ");
	vprint(stderr, fmt, ap);
	(void)fprintf(stderr, "\n");
	va_end(ap);
	return status;
}

const char *cli_first_failure(void)
{
	return first_failure ? first_failure : "";
}

int cli_usage(const struct command *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fprintf(stderr, "muster %s: ", cmd->name);
	vprint(stderr, fmt, ap);
	(void)fprintf(stderr, "\nusage: muster %s %s\n'muster %s --help' tells more\n", cmd->name,
		      cmd->args, cmd->name);
	va_end(ap);
	return EXIT_USAGE;
}

const struct command *cli_find_command(const char *name)
{
	for (size_t i = 0; i < n_commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

bool cli_is_file(const char *arg)
{
	size_t len = strlen(arg);

	return strchr(arg, '/') || (len >= 5 && strcmp(arg + len - 5, ".yaml") == 0);
}

void cli_print_help(const struct command *cmd)
{
	(void)printf("usage: muster %s %s\n\n%s.\n", cmd->name, cmd->args,
		     cmd->summary ? cmd->summary : "For the completions of shells");
	if (!cmd->run)
		(void)printf("\nNot there yet in this version.\n");
	if (cmd->help)
		(void)printf("\n%s", cmd->help);
	(void)printf("\n  -h, --help        this text\n");
}

int cli_getopt(const struct command *cmd, int argc, char **argv, const char *letters,
	       const struct option *options)
{
	char with_help[32];
	int c;

	(void)snprintf(with_help, sizeof with_help, "%sh", letters);
	opterr = 0;
	c = getopt_long(argc, argv, with_help, options, NULL);
	if (c == 'h')
		c = OPT_HELP;
	if (c == OPT_HELP) {
		cli_print_help(cmd);
	} else if (c == '?' || c == ':') {
		(void)cli_usage(cmd, "%s '%s'",
				c == ':' ? "a value is missing after" : "unknown or incomplete option",
				argv[optind - 1]);
		c = '?';
	}
	return c;
}

int cli_format(const struct command *cmd, const char *arg, bool *ret_json)
{
	*ret_json = strcmp(arg, "json") == 0;
	if (!*ret_json && strcmp(arg, "text") != 0)
		return cli_usage(cmd, "--format is json or text, not '%s'", arg);
	return 0;
}

int cli_set(const struct command *cmd, const char *arg, struct cli_sets *sets)
{
	if (sets->n == CLI_SETS_MAX)
		return cli_usage(cmd, "--set at most %d times", CLI_SETS_MAX);
	sets->list[sets->n++] = arg;
	return 0;
}

/* JSON keeps DEL as it is; in an escape's place it only occurs in strings. */
char *cli_json_text(json_t *value, size_t flags)
{
	CLEANUP(free) char *text = json_dumps(value, flags | JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
	struct bytes out = { 0 };

	for (const char *s = text; s && *s; s++)
		if (*s == 0x7f)
			bytes_append_str(&out, "\\u007f");
		else
			bytes_append(&out, s, 1);
	return (char *)out.data;
}

void cli_print_json(json_t *value)
{
	char *text = cli_json_text(value, JSON_INDENT(2));

	(void)puts(text ? text : "null");
	free(text);
	json_decref(value);
}

static int not_up(const struct store *store, const char *team)
{
	CLEANUP(free) char *path = NULL;
	const char *why;
	json_t *ended;

	if (cli_is_file(team))
		return cli_fail(EXIT_NO_SUCH, "'%s' is a file; a team's name is wanted ('muster ls' lists them)", team);
	if (!store_name_is_valid(team))
		return cli_fail(EXIT_NO_SUCH, "no team '%s'", team);
	path = store_state_file(store, team, "ended.json");
	ended = json_load_file(path, 0, NULL);
	why = json_string_value(json_object_get(ended, "why"));
	if (why)
		(void)cli_fail(EXIT_NO_SUCH, "no team '%s' is up; its last run was broken: %s", team, why);
	else
		(void)cli_fail(EXIT_NO_SUCH, "no team '%s' is up", team);
	json_decref(ended);
	return EXIT_NO_SUCH;
}

int cli_connect(const char *team, struct store *ret_store, int *ret_fd)
{
	char *why = NULL;
	int r = store_open(ret_store, &why);

	if (r < 0) {
		(void)cli_fail(EXIT_FAILED, "%s", why);
		free(why);
		return EXIT_FAILED;
	}
	r = client_open(ret_store, team, ret_fd);
	if (r == -ENOENT) {
		/* Killed, and its janitor too: the first command that meets it cleans up. */
		if (store_name_is_valid(team))
			(void)reap_left(ret_store, team);
		return not_up(ret_store, team);
	}
	if (r == -ETIMEDOUT)
		return cli_silent(team);
	return r < 0 ? cli_fail(EXIT_FAILED, "team %s: %s", team, strerror(-r)) : 0;
}

/* What comes before an answer, and who is told of it. */
struct parts {
	client_part_fn *fn;
	void *ctx;
	char *said; /* the last thing that it was said to wait for */
};

/* A request that takes long says what it waits for, once for each thing. */
static void on_part(void *ctx, json_t *msg)
{
	struct parts *p = ctx;
	const char *waits = json_string_value(json_object_get(msg, "waits"));

	if (waits && (!p->said || strcmp(p->said, waits) != 0)) {
		free(p->said);
		p->said = str_dup(waits);
		cli_print(stderr, "muster: waiting for %s\n", waits);
	}
	if (p->fn)
		p->fn(p->ctx, msg);
}

/* The team whose supervisor @fd leads to: the socket lies in its folder. */
static char *team_of(int fd)
{
	struct sockaddr_un peer = { 0 };
	socklen_t len = sizeof peer;
	char *slash, *name;

	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 || !(slash = strrchr(peer.sun_path, '/')))
		return str_dup("?");
	*slash = '\0';
	name = strrchr(peer.sun_path, '/');
	return str_dup(name ? name + 1 : peer.sun_path);
}

int cli_silent(const char *team)
{
	return cli_fail(EXIT_FAILED, "the supervisor of team %s did not answer in %d s ('muster down %s' ends it)",
			team, CLIENT_SILENCE_S, team);
}

int cli_call(int fd, json_t *msg, client_part_fn *fn, void *ctx, json_t **ret_reply)
{
	struct parts parts = { .fn = fn, .ctx = ctx };
	json_t *reply = NULL;
	const char *error;
	int r = client_call(fd, msg, on_part, &parts, &reply), status;

	free(parts.said);
	if (r == -ETIMEDOUT) {
		CLEANUP(free) char *team = team_of(fd);

		return cli_silent(team);
	}
	if (r < 0)
		return cli_fail(EXIT_FAILED, "the team's supervisor is gone: %s", strerror(-r));
	status = client_reply_status(reply, &error);
	if (status != 0)
		(void)cli_fail(status, "%s", error);
	if (status == 0 && ret_reply)
		*ret_reply = reply;
	else
		json_decref(reply);
	return status;
}

void cli_split_target(const char *target, char **ret_team, char **ret_vm)
{
	const char *slash = strchr(target, '/');

	*ret_team = slash ? str_printf("%.*s", (int)(slash - target), target) : str_dup(target);
	*ret_vm = slash ? str_dup(slash + 1) : NULL;
}

static uint64_t image_memory(void *ctx, const char *name)
{
	(void)ctx;
	return image_least_memory(name);
}

static enum image_state image_state(void *ctx, const char *name)
{
	struct image image = { 0 };
	CLEANUP(free) char *why = NULL;

	(void)ctx;
	if (image_find(name, &image, &why) < 0)
		return image_is_buildable(name) ? IMAGE_BUILDABLE : IMAGE_UNKNOWN;
	image_done(&image);
	return IMAGE_BUILT;
}

char **cli_find_vms(json_t *status, const char *name, size_t *ret_n)
{
	json_t *list = json_object_get(status, "vms"), *v;
	char **found = calloc(json_array_size(list) + 1, sizeof *found);
	size_t i, n = 0;

	if (!found)
		abort();
	json_array_foreach(list, i, v) {
		const char *vm = json_string_value(json_object_get(v, "name"));
		const char *group = json_string_value(json_object_get(v, "group"));

		if (vm && (!name || strcmp(vm, name) == 0 || (group && strcmp(group, name) == 0)))
			found[n++] = str_dup(vm);
	}
	*ret_n = n;
	return found;
}

void cli_free_vms(char **vms)
{
	for (char **p = vms; *p; p++)
		free(*p);
	free(vms);
}

int cli_load(const char *path, const char *const *sets, size_t n_sets, const char *name,
	     bool untrusted, struct team **ret_team)
{
	const struct team_env env = { .untrusted = untrusted, .image_state = image_state, .image_memory = image_memory };
	struct diags diags = { 0 };
	int r = team_load(path, sets, n_sets, name, &env, ret_team, &diags);

	for (size_t i = 0; i < diags.n; i++) {
		const char *text = diags.list[i].text;
		size_t len = strlen(text);

		(void)fprintf(stderr, "%s%s", text, len > 0 && text[len - 1] == '\n' ? "" : "\n");
	}
	diags_done(&diags);
	if (r == 0) {
		/* Who asks the team for its file may be in another folder. */
		CLEANUP(free) char *whole = realpath(path, NULL);

		(*ret_team)->file = arena_printf((*ret_team)->arena, "%s", whole ? whole : path);
	}
	return r < 0 ? EXIT_USAGE : 0;
}

int cli_parse_time(const char *text, nsec_t *ret_ns)
{
	CLEANUP(free) char *why = NULL;

	return value_time(text, ret_ns, &why);
}

char *cli_lost(json_t *lost)
{
	CLEANUP(bytes) struct bytes why = { 0 };
	long long sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach(lost, key, value) {
		sum += (long long)json_integer_value(value);
		bytes_printf(&why, "%s%s %lld", why.len ? ", " : "", key,
			     (long long)json_integer_value(value));
	}
	return why.len ? str_printf("%lld (%s)", sum, (char *)why.data) : str_dup("0");
}

bool cli_is_down(json_t *state, const char *key)
{
	const char *text = json_string_value(json_object_get(state, key));

	return text && strcmp(text, "down") == 0;
}

const char *cli_size(uint64_t bytes, char *buf)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1024 && i + 1 < sizeof units / sizeof *units) {
		v /= 1024;
		i++;
	}
	(void)snprintf(buf, 32, v < 10 && i > 0 ? "%.1f %s" : "%.0f %s", v, units[i]);
	return buf;
}

const char *cli_text(json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

const char *cli_duration(double seconds, char *buf)
{
	if (seconds < 60)
		(void)snprintf(buf, 32, "%.1f s", seconds);
	else if (seconds < 3600)
		(void)snprintf(buf, 32, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
	else
		(void)snprintf(buf, 32, "%d h %02d min", (int)(seconds / 3600),
			       (int)(seconds / 60) % 60);
	return buf;
}
