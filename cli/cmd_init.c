/* cli/cmd_init.c: muster init: a team file to start from.
 *
 * Without a name the example "start", whose file has comments, is taken into this folder as
 * team.yaml. The name of an example takes that example, and another name takes "start" for a
 * team of that name, into a new folder so called. What is there is never written over. */
#include "cli/commands.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };
static const char start_name[] = "start";

/* Copies the file, with "team: start" become "team: @team" where that is not NULL. */
static int copy(const char *from, const char *to, const char *team)
{
	static const char line[] = "team: start\n";
	CLEANUP(bytes) struct bytes text = { 0 };
	CLEANUP(bytes) struct bytes out = { 0 };
	const char *at;
	int r = file_read_all(from, FILE_MAX, &text);

	if (r < 0)
		return cli_fail(EXIT_FAILED, "%s: %s", from, strerror(-r));
	if (access(to, F_OK) == 0)
		return cli_fail(EXIT_FAILED, "%s is there already", to);
	at = team && text.data ? strstr((char *)text.data, line) : NULL;
	if (at) {
		size_t before = (size_t)(at - (char *)text.data);

		bytes_append(&out, text.data, before);
		bytes_printf(&out, "team: %s\n", team);
		bytes_append(&out, text.data + before + strlen(line), text.len - before - strlen(line));
	} else {
		bytes_append(&out, text.data, text.len);
	}
	r = file_write_all(to, out.data, out.len, 0644);
	return r < 0 ? cli_fail(EXIT_FAILED, "%s: %s", to, strerror(-r)) : EXIT_DONE;
}

/* Copies every file of the folder @from into the new folder @to. */
static int copy_folder(const char *from, const char *to, const char *team)
{
	int status = EXIT_DONE;
	DIR *d;

	if (mkdir(to, 0777) < 0)
		return errno == EEXIST ? cli_fail(EXIT_FAILED, "%s is there already", to) :
					 cli_fail(EXIT_FAILED, "%s: %s", to, strerror(errno));
	d = opendir(from);
	for (struct dirent *e; d && status == EXIT_DONE && (e = readdir(d));) {
		CLEANUP(free) char *source = str_printf("%s/%s", from, e->d_name);
		CLEANUP(free) char *target = str_printf("%s/%s", to, e->d_name);

		if (e->d_name[0] != '.')
			status = copy(source, target, team);
	}
	if (d)
		(void)closedir(d);
	return status;
}

/* The example's "description:", or "". The caller frees. */
static char *summary_of(const char *examples, const char *name)
{
	CLEANUP(free) char *path = str_printf("%s/%s/team.yaml", examples, name);
	CLEANUP(bytes) struct bytes text = { 0 };
	static const char key[] = "\ndescription: ";
	const char *at;

	if (file_read_all(path, FILE_MAX, &text) < 0 || !text.data || !(at = strstr((char *)text.data, key)))
		return str_dup("");
	at += strlen(key);
	return str_printf("%.*s", (int)strcspn(at, "\n"), at);
}

static json_t *examples_list(const char *examples)
{
	json_t *list = json_array();
	struct dirent **entries = NULL;
	int n = scandir(examples, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		CLEANUP(free) char *path = str_printf("%s/%s/team.yaml", examples, entries[i]->d_name);
		CLEANUP(free) char *summary = summary_of(examples, entries[i]->d_name);

		if (entries[i]->d_name[0] != '.' && access(path, R_OK) == 0)
			(void)json_array_append_new(list, json_pack("{s:s,s:s}", "name", entries[i]->d_name,
								   "description", summary));
		free(entries[i]);
	}
	free(entries);
	return list;
}

void cli_offer_examples(const char *begin)
{
	CLEANUP(free) char *examples = store_data_dir("examples");
	json_t *list = examples_list(examples ? examples : ""), *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *name = json_string_value(json_object_get(o, "name"));

		if (strncmp(name, begin, strlen(begin)) == 0)
			(void)puts(name);
	}
	json_decref(list);
}

static int print_list(const char *examples, bool json)
{
	json_t *list = examples_list(examples), *o;
	size_t n = json_array_size(list), i;
	const char **cells = calloc((n + 1) * 2, sizeof *cells);

	if (json) {
		free(cells);
		cli_print_json(list);
		return EXIT_DONE;
	}
	if (!cells)
		abort();
	cells[0] = "EXAMPLE";
	cells[1] = "DESCRIPTION";
	json_array_foreach(list, i, o) {
		cells[2 * i + 2] = json_string_value(json_object_get(o, "name"));
		cells[2 * i + 3] = json_string_value(json_object_get(o, "description"));
	}
	cli_print_table(cells, n + 1, 2);
	free(cells);
	json_decref(list);
	return EXIT_DONE;
}

static int take(const char *examples, const char *name)
{
	CLEANUP(free) char *example = str_printf("%s/%s", examples, name ? name : start_name);
	CLEANUP(free) char *start = str_printf("%s/%s", examples, start_name);
	CLEANUP(free) char *file = str_printf("%s%steam.yaml", name ? name : "", name ? "/" : "");
	bool is_example = access(example, F_OK) == 0;
	int status;

	if (!name) {
		CLEANUP(free) char *source = str_printf("%s/team.yaml", start);

		status = copy(source, file, NULL);
	} else {
		status = copy_folder(is_example ? example : start, name, is_example ? NULL : name);
	}
	if (status == EXIT_DONE)
		(void)printf("%s is there; next: muster up %s%s\n", file, name ? "" : "./", file);
	return status;
}

int cmd_init(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT,
						 { "list", no_argument, NULL, OPT_LIST }, CLI_OPT_END };
	CLEANUP(free) char *examples = store_data_dir("examples");
	bool lists = false, json = false;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
		lists |= c == OPT_LIST;
	}
	if (argc - optind > (lists ? 0 : 1))
		return cli_usage(cmd, lists ? "--list takes no name" : "one name at most");
	if (optind < argc && !store_name_is_valid(argv[optind]))
		return cli_usage(cmd, "'%s' cannot be a team's name ([a-z0-9][a-z0-9-]{0,31})", argv[optind]);
	if (!examples || access(examples, R_OK) < 0)
		return cli_fail(EXIT_HOST, "the examples are not installed (make install)");
	return lists ? print_list(examples, json) : take(examples, optind < argc ? argv[optind] : NULL);
}
