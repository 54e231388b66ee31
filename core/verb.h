/* core/verb.h: what one side of a control connection may be asked: a table of verbs, each with its
 * arguments, their kinds and the descriptors it takes, and the dispatcher of that table.
 *
 * A request is {"do":VERB,"id":N,ARGUMENTS…}; its answer {"id":N,"ok":true,…} or
 * {"id":N,"ok":false,"status":S,"error":TEXT}. An id is the asker's own and is handed back as it
 * came: two requests with one id get two answers with that id. A request without an id is answered
 * with id 0, or not at all where its table says so. */
#ifndef MUSTER_CORE_VERB_H
#define MUSTER_CORE_VERB_H

#include "core/bytes.h"
#include "core/control.h"

#include <jansson.h>
#include <stdbool.h>

enum verb_kind {
	VERB_STRING,
	VERB_INTEGER, /* of 64 bits */
	VERB_U32, /* an integer of 0 to 2^32 - 1: an index, a port */
	VERB_U56, /* an integer of 0 to 2^56: nanoseconds up to two years, bytes */
	VERB_BOOLEAN,
	VERB_STRINGS, /* an array of strings */
	VERB_OBJECT,
	VERB_KIND_COUNT
};

enum { VERB_ARGS_MAX = 7 };

struct verb_arg {
	const char *name; /* NULL: the list ends */
	enum verb_kind kind;
	bool is_needed;
};

#define VERB_U56_MAX ((json_int_t)1 << 56)

struct verb_call;
struct verb_table;
typedef void verb_fn(struct verb_call *call);
/* Takes an answer. @answer: lent for the call. */
typedef void verb_answer_fn(void *ctx, json_t *answer);

struct verb {
	const char *name; /* of "do" */
	const char *does; /* for docs/protocol.md */
	verb_fn *fn; /* answers, now or later; may free the connection */
	unsigned flags; /* of the table's own, for its admit */
	int fds_max; /* descriptors that may come with it */
	struct verb_arg args[VERB_ARGS_MAX];
};

/* What one side understands. Static and constant. */
struct verb_table {
	const char *who; /* whose verbs these are, for docs/protocol.md */
	const struct verb *verbs;
	size_t n_verbs;
	const struct verb_arg *common; /* what each verb may have; ends with an entry without a name */
	bool is_quiet; /* a request without an id is neither answered nor refused aloud */
	/* Asked about a request whose arguments are right; may be NULL. Returns 0, or the exit status
	 * of a refusal with its reason (the dispatcher frees it). */
	int (*admit)(struct verb_call *call, char **ret_why);
};

/* One request. Lent to the handler for the call. */
struct verb_call {
	void *ctx, *subject; /* the table's own: who is asked, and about what (set by its admit) */
	struct control *control; /* where the answer goes unless there is @answer; NULL: nowhere */
	verb_answer_fn *answer; /* NULL: the answer goes to @control */
	void *answer_ctx;
	json_t *msg;
	int *fds, n_fds; /* as control_fn's: one taken over is set to -1 */
	uint64_t *n_refused; /* requests refused so far; may be NULL */
	/* filled by verb_dispatch() */
	const struct verb_table *table;
	const struct verb *verb;
	json_int_t id; /* 0: none came */
};

enum { VERB_REFUSED = 2 /* the exit status of a request that is wrong in itself */ };

/* Finds the verb of @call->msg, checks its arguments and descriptors, asks the table's admit and
 * runs the handler. What is wrong is answered with an error and counted.
 * Returns whether the handler ran; @call->control may be gone then. */
bool verb_dispatch(const struct verb_table *table, struct verb_call *call);

/* Answers a call from within its handler. Nothing is sent where the table is quiet and no id came.
 * @body: members of the answer, taken over; may be NULL. */
void verb_answer(struct verb_call *call, json_t *body);
/* @status: the exit status of the command. @text: for people; escaped here. */
void verb_refuse(struct verb_call *call, int status, const char *text);

/* The same for a handler that answers later. @control NULL: nothing is sent. */
void verb_ok(struct control *control, json_int_t id, json_t *body);
/* Answers the request @id with an error. @status: the exit status of a command that fails so. */
void verb_fail(struct control *control, json_int_t id, int status, const char *text);

/* Appends @table's part of docs/protocol.md: a heading, and a row for each verb. */
void verb_print(const struct verb_table *table, struct bytes *out);

/* Checks @msg: every key but "do" is one of @common or @own, of its kind, and the needed ones are
 * there. Both lists end with an entry without a name.
 * Returns 0; -EPROTO with a message (the caller frees it) that names the first mistake. */
int verb_check(const json_t *msg, const struct verb_arg *common, const struct verb_arg *own, char **ret_why);

#endif
