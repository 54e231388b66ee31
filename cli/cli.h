/* cli/cli.h: what the commands share: exit statuses, the table of commands,
 * messages, targets, tables. */
#ifndef MUSTER_CLI_CLI_H
#define MUSTER_CLI_CLI_H

#include "core/bytes.h"
#include "teams/client.h"
#include "teams/store.h"
#include "topologies/team.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

/* Exit statuses: muster(1), EXIT STATUS. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* it failed, or a test failed */
	EXIT_USAGE = 2, /* bad usage, or a bad team file */
	EXIT_NO_SUCH = 3, /* no such team, VM, network */
	EXIT_HOST = 4, /* the host lacks something */
	EXIT_INTERRUPTED = 130, /* Ctrl-C */
	EXIT_READER_GONE = 141, /* stdout is a pipe that nobody reads: 128 + SIGPIPE, as a shell says */
};

/* What a word of a command stands for; completions offer it. */
enum word_kind {
	WORD_NOTHING,
	WORD_FILES,
	WORD_TEAM,
	WORD_FILE_OR_TEAM,
	WORD_VM,
	WORD_TEAM_OR_VM,
	WORD_LINK, /* a network, or VM.NIC, of the team before it */
	WORD_LINK_ACTION,
	WORD_NETWORK, /* of the team before it, with NAT */
	WORD_FORWARD_ACTION,
	WORD_FORWARD_PART, /* behind the action: the network, then the forward */
	WORD_IMAGE_ACTION,
	WORD_IMAGE,
	WORD_GUEST_PATH,
	WORD_EXAMPLE,
};
enum { COMMAND_WORDS = 3 };

struct command {
	const char *name;
	const char *args; /* "FILE [-v]" */
	const char *summary; /* one line; NULL: for programs, and not listed */
	const char *help; /* the options, a line each; may be NULL */
	/* argv[0] is the command's name. Returns an exit status. NULL: not there yet. */
	int (*run)(const struct command *cmd, int argc, char **argv);
	enum word_kind words[COMMAND_WORDS]; /* of its words, options left out; the last is that of all further ones */
};
extern const struct command commands[];
extern const size_t n_commands;

/* printf() of what may hold text of machines, guests or files: a terminal obeys nothing
 * in it (core/escape.h). All commands print so, but for a command's own output (exec,
 * console). */
void cli_print(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True when nobody reads stdout any more. */
bool cli_nobody_reads(void);
/* Writes what stdout still holds. Returns EXIT_DONE; EXIT_READER_GONE without a word when nobody reads
 * it; EXIT_FAILED (said). Each command that is done ends with it. */
int cli_end_output(void);
/* "muster: TEXT" on stderr; returns @status. */
int cli_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first text that cli_fail() printed in this process, or "": what a report of a failure says. */
const char *cli_first_failure(void);
/* Wrong usage: the text, and where help is. Returns EXIT_USAGE. */
int cli_usage(const struct command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints the command's usage, summary and options on stdout. */
void cli_print_help(const struct command *cmd);

/* The command of that name, or NULL. */
const struct command *cli_find_command(const char *name);
/* True where an argument that may be FILE or TEAM is a FILE: it has a slash or ends in ".yaml". */
bool cli_is_file(const char *arg);

/* getopt_long() with -h and --help (prints, *ret_help true). Returns the option's
 * letter, -1 at the end, '?' for a wrong one (said). */
int cli_getopt(const struct command *cmd, int argc, char **argv, const char *letters,
	       const struct option *options);
enum { OPT_HELP = 1000, OPT_FORMAT, OPT_ALL, OPT_NAME, OPT_FOREGROUND, OPT_SET, OPT_KEEP,
       OPT_JUNIT, OPT_TAP, OPT_LOG, OPT_DIR, OPT_NOW, OPT_FOLLOW,
       OPT_IF_MISSING, OPT_UNTRUSTED, OPT_LIST, OPT_YES, OPT_ONLY, OPT_TIMEOUT, OPT_CAPTURE_FAILED, OPT_SYNC,
       OPT_PURGE, OPT_COMMIT, OPT_DISCARD, OPT_REPLACE };
#define CLI_OPT_HELP { "help", no_argument, NULL, OPT_HELP }
#define CLI_OPT_FORMAT { "format", required_argument, NULL, OPT_FORMAT }
#define CLI_OPT_END { NULL, 0, NULL, 0 }
/* --format json | text. Returns 0 or EXIT_USAGE (said). */
int cli_format(const struct command *cmd, const char *arg, bool *ret_json);
/* The arguments of --set, in their order (borrowed). Takes one more; returns 0, or EXIT_USAGE (said) where there
 * would be more than CLI_SETS_MAX. */
enum { CLI_SETS_MAX = 256 };
struct cli_sets {
	const char *list[CLI_SETS_MAX];
	size_t n;
};
/* Takes one --set more; its text is borrowed. Returns 0 or EXIT_USAGE (said). */
int cli_set(const struct command *cmd, const char *arg, struct cli_sets *sets);

/* As JSON of one line, or of many: ASCII alone, for terminals and files. The caller frees it. */
char *cli_json_text(json_t *value, size_t flags);
/* Prints and frees. */
void cli_print_json(json_t *value);

/* Connects to a team and opens the store. Says what is wrong.
 * Returns 0 or an exit status. */
int cli_connect(const char *team, struct store *ret_store, int *ret_fd);
/* The supervisor of @team gives no sign of life: says so. Returns an exit status. */
int cli_silent(const char *team);
/* One call whose answer's body is wanted (may be NULL). Says what is wrong. */
int cli_call(int fd, json_t *msg, client_part_fn *fn, void *ctx, json_t **ret_reply);
/* "TEAM/VM" or "TEAM" (*ret_vm NULL). The caller frees both. */
void cli_split_target(const char *target, char **ret_team, char **ret_vm);

/* The VMs that @name means, of what a team answered to "status": itself, those of its `count`, or
 * NULL: all. A list with NULL at its end, for cli_free_vms(). */
char **cli_find_vms(json_t *status, const char *name, size_t *ret_n);
/* Frees a list that cli_find_vms() made; not NULL. */
void cli_free_vms(char **vms);

/* Loads a team file, prints its diagnostics. @untrusted: it is a stranger's. Returns 0 or an exit status. */
int cli_load(const char *path, const char *const *sets, size_t n_sets, const char *name,
	     bool untrusted, struct team **ret_team);

/* "20ms" to nanoseconds, as in a team file. Returns 0 or -EINVAL. */
int cli_parse_time(const char *text, nsec_t *ret_ns);
/* "1.2 GiB", "128 MiB". Into @buf (32 bytes); returns it. */
const char *cli_size(uint64_t bytes, char *buf);
/* A string of an answer, borrowed from @o; "" when it is not there. */
const char *cli_text(json_t *o, const char *key);
/* "5.0 s", "3 min 05 s". @seconds: 0 or more. Into @buf (32 bytes); returns it. */
const char *cli_duration(double seconds, char *buf);
/* "9 (queue 9)": how many frames were lost, and why; @lost: a count a reason. The caller frees. */
char *cli_lost(json_t *lost);
/* True when member @key of a link's state, as the team answers it, says "down". */
bool cli_is_down(json_t *state, const char *key);
/* Prints rows of @n_columns strings as a table; the first row is the header (cli/table.c). A
 * NULL cell is empty. */
void cli_print_table(const char *const *cells, size_t n_rows, size_t n_columns);

/* Tears a team down; accepts one that is not up (cmd_down.c). Says what is wrong. Returns an exit status. */
int cli_down(const struct store *store, const char *team);
/* Removes all that a team which is down has left, and says what it was (cmd_purge.c). Returns an exit status. */
int cli_purge_team(const struct store *store, const char *team);

/* Prints the examples that begin with @begin, a line each (cmd_init.c). */
void cli_offer_examples(const char *begin);

#endif
