/* cli/cmd_link.c: muster link. */
#include "cli/commands.h"

#include <string.h>

/* A quantity with the unit a team file would have, by the end of its key. */
static void add_quantity(struct bytes *text, const char *key, double v)
{
	static const struct {
		const char *end, *unit;
		double factor;
	} kinds[] = { { "_bps", "bit", 1 }, { "_ns", "ms", 1e-6 }, { "_bytes", "B", 1 } };
	static const char *const scales[] = { "", "k", "M", "G" };
	size_t len = strlen(key), i, scale = 0;

	for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t n = strlen(kinds[i].end);

		if (len > n && strcmp(key + len - n, kinds[i].end) == 0) {
			len -= n;
			break;
		}
	}
	bytes_printf(text, "%s%.*s ", text->len ? " " : "", (int)len, key);
	if (i == sizeof kinds / sizeof *kinds) {
		bytes_printf(text, "%g", v);
		return;
	}
	for (v *= kinds[i].factor; i == 0 && v >= 1000 && scale < 3; scale++)
		v /= 1000;
	bytes_printf(text, "%.10g%s%s", v, scales[scale], kinds[i].unit);
}

/* "rate 1Mbit delay 5ms": what differs from an unlimited link. */
static char *shape_text(json_t *shape)
{
	struct bytes text = { 0 };
	const char *key;
	json_t *value;

	json_object_foreach(shape, key, value) {
		if (json_is_number(value) && json_number_value(value) > 0)
			add_quantity(&text, key, json_number_value(value));
		else if (json_is_string(value) && strcmp(key, "distribution") != 0)
			bytes_printf(&text, "%s%s %s", text.len ? " " : "", key, json_string_value(value));
		else if (json_is_object(value)) {
			CLEANUP(free) char *dumped = json_dumps(value, JSON_COMPACT);

			bytes_printf(&text, "%s%s %s", text.len ? " " : "", key, dumped ? dumped : "");
		}
	}
	if (!text.data)
		bytes_append_str(&text, "unlimited");
	return (char *)text.data;
}

static long long number(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static long long lost_sum(json_t *counters)
{
	json_t *lost = json_object_get(counters, "lost"), *value;
	const char *key;
	long long sum = 0;

	if (json_is_integer(lost))
		return (long long)json_integer_value(lost);
	json_object_foreach(lost, key, value)
		sum += (long long)json_integer_value(value);
	return sum;
}

/* The first of the two names a counter has that is there. */
static long long counter(json_t *counters, const char *name, const char *other)
{
	return json_object_get(counters, name) ? number(counters, name) : number(counters, other);
}

static void print_links(json_t *reply)
{
	json_t *links = json_object_get(reply, "links"), *l;
	size_t i;

	json_array_foreach(links, i, l) {
		json_t *c = json_object_get(l, "counters"), *shape = json_object_get(l, "shape");
		CLEANUP(free) char *text = json_is_string(shape) ? str_dup(json_string_value(shape)) :
								   shape_text(shape);

		(void)printf("%s %s: %s, %s\n  entered %lld, delivered %lld, lost %lld, queued %lld frames\n",
			     json_string_value(json_object_get(l, "port")),
			     json_string_value(json_object_get(l, "dir")),
			     json_is_false(json_object_get(l, "up")) ? "down" : "up", text,
			     counter(c, "entered", "entered_frames"),
			     counter(c, "delivered", "delivered_frames"), lost_sum(c),
			     counter(c, "queued", "queued_frames"));
	}
}

static int build(const struct command *cmd, int argc, char **argv, const char *dir, json_t *msg,
		 nsec_t *ret_flap_ns)
{
	const char *op = argc > 0 ? argv[0] : "show";

	(void)json_object_set_new(msg, "op", json_string(op));
	if (dir)
		(void)json_object_set_new(msg, "dir", json_string(dir));
	if (strcmp(op, "set") == 0) {
		json_t *set = json_array();

		for (int i = 1; i < argc; i++)
			(void)json_array_append_new(set, json_string(argv[i]));
		(void)json_object_set_new(msg, "set", set);
		return argc > 1 ? 0 : cli_usage(cmd, "set: KEY=VALUE is needed");
	}
	if (strcmp(op, "flap") == 0) {
		if (argc != 2 || cli_parse_time(argv[1], ret_flap_ns) < 0 || *ret_flap_ns == 0)
			return cli_usage(cmd, "flap: a time like 3s is needed");
		(void)json_object_set_new(msg, "ns", json_integer(*ret_flap_ns));
		return 0;
	}
	if (strcmp(op, "show") != 0 && strcmp(op, "reset") != 0 && strcmp(op, "up") != 0 &&
	    strcmp(op, "down") != 0)
		return cli_usage(cmd, "unknown action '%s'", op);
	return argc <= 1 ? 0 : cli_usage(cmd, "%s takes no more arguments", op);
}

int cmd_link(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT,
						 { "dir", required_argument, NULL, OPT_DIR }, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;
	json_t *msg, *reply = NULL;
	const char *dir = NULL;
	bool json = false;
	nsec_t flap_ns = 0;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
		if (c == OPT_DIR)
			dir = optarg;
	}
	if (dir && strcmp(dir, "up") != 0 && strcmp(dir, "down") != 0)
		return cli_usage(cmd, "--dir is up or down, not '%s'", dir);
	if (argc - optind < 2)
		return cli_usage(cmd, "a team, and a network or VM.NIC are needed");
	msg = json_pack("{s:s,s:s}", "do", "link", "target", argv[optind + 1]);
	status = build(cmd, argc - optind - 2, argv + optind + 2, dir, msg, &flap_ns);
	if (status == 0)
		status = cli_connect(argv[optind], &store, &fd);
	if (status != 0) {
		json_decref(msg);
		return status;
	}
	status = cli_call(fd, msg, NULL, NULL, &reply);
	if (status != 0)
		return status;
	if (json)
		cli_print_json(json_incref(json_object_get(reply, "links")));
	else
		print_links(reply);
	json_decref(reply);
	client_wait(flap_ns);
	return EXIT_DONE;
}
