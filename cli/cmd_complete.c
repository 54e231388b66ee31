/* cli/cmd_complete.c: muster complete: what the shells' completions ask, and nobody types.
 *
 * Its arguments are the words behind "muster" up to the cursor, the last one not whole (perhaps
 * empty). It prints a candidate a line; the line ":files" stands for the files of this folder.
 * Commands, options and places are those of the table of commands, so no shell has a list of its own.
 * Teams are asked with a bound of ANSWER_BOUND_MS; guests' paths come from `ls` in the guest. */
#include "cli/commands.h"
#include "teams/image.h"
#include "topologies/team.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { ANSWER_BOUND_MS = 1500, LS_BOUND_MS = 1000 };

struct completion {
	struct store store;
	const char *current;
};

static void offer(const struct completion *c, const char *word)
{
	if (word && strncmp(word, c->current, strlen(c->current)) == 0)
		(void)printf("%s\n", word);
}

static void offer_words(const struct completion *c, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		offer(c, words[i]);
}

/* Connects with a bound on every answer. Returns -1 where there is no such team. */
static int connect_to(const struct completion *c, const char *team)
{
	static const struct timeval bound = { .tv_sec = ANSWER_BOUND_MS / 1000,
					      .tv_usec = ANSWER_BOUND_MS % 1000 * 1000 };
	int fd = -1;

	if (client_open(&c->store, team, &fd) < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
	return fd;
}

/* What the team says of its VMs, or NULL. The caller's. */
static json_t *status_of(const struct completion *c, const char *team)
{
	CLEANUP(fd) int fd = connect_to(c, team);
	json_t *reply = NULL;

	if (fd >= 0)
		(void)client_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply);
	return reply;
}

/* "TEAM/VM" and @behind for every VM of the teams that the current word can mean. */
static void offer_vms(const struct completion *c, const char *behind)
{
	json_t *teams = store_list(&c->store), *name, *vm;
	const char *slash = strchr(c->current, '/');
	size_t i, k;

	json_array_foreach(teams, i, name) {
		const char *team = json_string_value(name);
		size_t len = slash ? (size_t)(slash - c->current) : strlen(c->current);
		json_t *status = NULL;

		if (strncmp(team, c->current, len) == 0 && (!slash || strlen(team) == len))
			status = status_of(c, team);
		json_array_foreach(json_object_get(status, "vms"), k, vm) {
			CLEANUP(free) char *word =
				str_printf("%s/%s%s", team, json_string_value(json_object_get(vm, "name")), behind);

			offer(c, word);
		}
		json_decref(status);
	}
	json_decref(teams);
}

static void offer_teams(const struct completion *c)
{
	json_t *teams = store_list(&c->store), *name;
	size_t i;

	json_array_foreach(teams, i, name)
		offer(c, json_string_value(name));
	json_decref(teams);
}

/* Networks, NICs as VM.NAME, and stations as NETWORK.NAME. */
static void offer_links(const struct completion *c, const char *team)
{
	json_t *status = status_of(c, team), *said = json_object(), *vm, *nic, *station;
	size_t i, k;

	json_array_foreach(json_object_get(status, "vms"), i, vm)
		json_array_foreach(json_object_get(vm, "nics"), k, nic) {
			const char *network = json_string_value(json_object_get(nic, "network"));
			CLEANUP(free) char *word = str_printf("%s.%s", json_string_value(json_object_get(vm, "name")),
							      json_string_value(json_object_get(nic, "name")));

			offer(c, word);
			if (network && !json_object_get(said, network))
				offer(c, network);
			if (network)
				(void)json_object_set_new(said, network, json_true());
		}
	json_array_foreach (json_object_get(status, "stations"), i, station) {
		const char *network = json_string_value(json_object_get(station, "network"));
		CLEANUP(free)
		char *word = str_printf("%s.%s", network, json_string_value(json_object_get(station, "name")));

		offer(c, word);
		if (network && !json_object_get(said, network))
			offer(c, network);
		if (network)
			(void)json_object_set_new(said, network, json_true());
	}
	json_decref(said);
	json_decref(status);
}

/* Networks whose guests reach the outside. */
static void offer_nat_networks(const struct completion *c, const char *team)
{
	json_t *status = status_of(c, team), *network;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(status, "uplink"), "networks"), i, network)
		offer(c, json_string_value(network));
	json_decref(status);
}

/* A new forward is the user's to write. @words: team, action, network. */
static void offer_forward(const struct completion *c, char *const *words, size_t n)
{
	json_t *status, *f;
	size_t i;

	if (n == 2 && strcmp(words[1], "list") != 0)
		offer_nat_networks(c, words[0]);
	if (n != 3 || strcmp(words[1], "remove") != 0)
		return;
	status = status_of(c, words[0]);
	json_array_foreach (json_object_get(json_object_get(status, "uplink"), "forwards"), i, f)
		if (strcmp(json_string_value(json_object_get(f, "network")), words[2]) == 0)
			offer(c, json_string_value(json_object_get(f, "port")));
	json_decref(status);
}

static void take_output(void *ctx, json_t *msg)
{
	const char *stream = json_string_value(json_object_get(msg, "stream"));
	json_t *data = json_object_get(msg, "data");

	if (stream && strcmp(stream, "stdout") == 0 && json_is_string(data))
		(void)bytes_append_base64(ctx, json_string_value(data), json_string_length(data));
}

/* The paths in the guest which begin as the one behind @colon does; folders end in a slash. */
static void offer_guest_paths(const struct completion *c, const char *colon)
{
	CLEANUP(free) char *target = str_printf("%.*s", (int)(colon - c->current), c->current);
	CLEANUP(free) char *team = NULL;
	CLEANUP(free) char *vm = NULL;
	CLEANUP(bytes) struct bytes out = { 0 };
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL;

	cli_split_target(target, &team, &vm);
	fd = vm ? connect_to(c, team) : -1;
	if (fd < 0)
		return;
	(void)client_call(fd,
			  json_pack("{s:s,s:s,s:[s,s,s,s],s:I}", "do", "exec", "vm", vm, "argv", "/bin/sh", "-c",
				    "ls -1dp -- \"$0\"*", colon[1] ? colon + 1 : "/", "timeout_ns",
				    (json_int_t)LS_BOUND_MS * NSEC_PER_MSEC),
			  take_output, &out, &reply);
	json_decref(reply);
	for (char *rest = (char *)out.data, *line; rest && (line = strtok_r(rest, "\n", &rest));)
		cli_print(stdout, "%s:%s\n", target, line);
}

static void offer_images(const struct completion *c)
{
	json_t *list = image_list(), *row;
	size_t i;

	json_array_foreach(list, i, row)
		offer(c, json_string_value(json_object_get(row, "name")));
	json_decref(list);
}

static void offer_link_action(const struct completion *c, const char *action)
{
	static const char *const actions[] = { "show", "set", "reset", "up", "down", "flap" };
	static const char *const keys[] = { "rate=", "delay=", "jitter=", "distribution=", "loss=", "corrupt=",
					    "duplicate=", "reorder=", "queue=", "overhead=", "cell=" };

	if (!action) {
		offer_words(c, actions, sizeof actions / sizeof *actions);
	} else if (strcmp(action, "set") == 0) {
		offer_words(c, keys, sizeof keys / sizeof *keys);
		for (size_t i = 0; i < n_presets; i++) {
			CLEANUP(free) char *word = str_printf("preset=%s", presets[i].name);

			offer(c, word);
		}
	}
}

static void offer_commands(const struct completion *c)
{
	for (size_t i = 0; i < n_commands; i++)
		if (commands[i].run && commands[i].summary)
			offer(c, commands[i].name);
	offer(c, "help");
}

/* The options in the command's own usage and help, each once. */
static void offer_options(const struct completion *c, const struct command *cmd)
{
	CLEANUP(free) char *text = str_printf("%s\n%s\n--help", cmd->args, cmd->help ? cmd->help : "");
	json_t *said = json_object();

	for (char *p = text; (p = strpbrk(p, "-")); ) {
		size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz-");
		CLEANUP(free) char *word = str_printf("%.*s", (int)len, p);
		bool begins = p == text || strchr(" [|(\n", p[-1]);

		if (begins && len > 1 && word[len - 1] != '-' && (word[1] == '-' || len == 2) &&
		    !json_object_get(said, word)) {
			offer(c, word);
			(void)json_object_set_new(said, word, json_true());
		}
		p += len;
	}
	json_decref(said);
}

static void offer_kind(const struct completion *c, enum word_kind kind, char *const *words, size_t n)
{
	static const char *const forward_actions[] = { "list", "add", "remove" };
	static const char *const image_actions[] = { "list", "build", "remove", "info" };
	const char *colon = strchr(c->current, ':');

	if (kind == WORD_FILES || kind == WORD_FILE_OR_TEAM || (kind == WORD_GUEST_PATH && !colon))
		(void)puts(":files");
	if (kind == WORD_TEAM || kind == WORD_FILE_OR_TEAM || kind == WORD_TEAM_OR_VM)
		offer_teams(c);
	if (kind == WORD_VM || kind == WORD_TEAM_OR_VM)
		offer_vms(c, "");
	if (kind == WORD_GUEST_PATH && colon)
		offer_guest_paths(c, colon);
	else if (kind == WORD_GUEST_PATH)
		offer_vms(c, ":");
	if (kind == WORD_LINK)
		offer_links(c, words[0]);
	if (kind == WORD_LINK_ACTION)
		offer_link_action(c, n > 2 ? words[2] : NULL);
	if (kind == WORD_NETWORK)
		offer_nat_networks(c, words[0]);
	if (kind == WORD_FORWARD_ACTION)
		offer_words(c, forward_actions, sizeof forward_actions / sizeof *forward_actions);
	if (kind == WORD_FORWARD_PART)
		offer_forward(c, words, n);
	if (kind == WORD_IMAGE_ACTION)
		offer_words(c, image_actions, sizeof image_actions / sizeof *image_actions);
	if (kind == WORD_IMAGE)
		offer_images(c);
	if (kind == WORD_EXAMPLE)
		cli_offer_examples(c->current);
}

/* @words: the whole words behind @of, options left out. */
static void complete(const struct completion *c, const struct command *of, char *const *words, size_t n)
{
	if (n < COMMAND_WORDS && (n == 0 || of->words[n] != WORD_NOTHING))
		offer_kind(c, of->words[n], words, n);
	else if (n >= COMMAND_WORDS)
		offer_kind(c, of->words[COMMAND_WORDS - 1], words, n);
}

int cmd_complete(const struct command *cmd, int argc, char **argv)
{
	struct completion c = { .current = argc > 1 ? argv[argc - 1] : "" };
	CLEANUP(free) char *why = NULL;
	const struct command *of = argc > 2 ? cli_find_command(argv[1]) : NULL;
	char **words = calloc((size_t)argc + 1, sizeof *words);
	size_t n = 0;

	(void)cmd;
	if (!words)
		abort();
	if (store_open(&c.store, &why) < 0) {
		free(words);
		return EXIT_FAILED;
	}
	for (int i = 2; i < argc - 1; i++)
		if (argv[i][0] != '-')
			words[n++] = argv[i];
	if (argc <= 2)
		offer_commands(&c);
	else if (of && c.current[0] == '-' && of->summary)
		offer_options(&c, of);
	else if (of)
		complete(&c, of, words, n);
	else if (strcmp(argv[1], "help") == 0 && n == 0)
		offer_commands(&c);
	free(words);
	store_done(&c.store);
	return EXIT_DONE;
}
