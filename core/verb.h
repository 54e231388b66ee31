/* core/verb.h: what a request may hold: each verb's arguments and their kinds, in one table, and
 * one check of a message against it before its handler looks. */
#ifndef MUSTER_CORE_VERB_H
#define MUSTER_CORE_VERB_H

#include <jansson.h>
#include <stdbool.h>

enum verb_kind {
	VERB_STRING,
	VERB_INTEGER,
	VERB_BOOLEAN,
	VERB_STRINGS, /* an array of strings */
	VERB_OBJECT,
	VERB_KIND_COUNT
};

enum { VERB_ARGS_MAX = 6 };

struct verb_arg {
	const char *name; /* NULL: the list ends */
	enum verb_kind kind;
	bool is_needed;
};

/* Checks @msg: every key but "do" is one of @common or @own, of its kind, and the needed ones are
 * there. Both lists end with an entry without a name.
 * Returns 0; -EPROTO with a message (the caller frees it) that names the first mistake. */
int verb_check(const json_t *msg, const struct verb_arg *common, const struct verb_arg *own, char **ret_why);

#endif
