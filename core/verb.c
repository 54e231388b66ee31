/* core/verb.c: a request checked against its verb's table.
 *
 * A handler behind it reads an argument as what it is, or finds none. Keys nobody knows are
 * refused, so that a mistyped one is no default.
 *
 * Used by: teams/serve.c.   Depends on: core/bytes.h. */
#include "core/verb.h"

#include "core/bytes.h"

#include <errno.h>
#include <string.h>

static const char *const kind_names[] = { "a string", "an integer", "a boolean", "an array of strings", "an object" };
_Static_assert(sizeof kind_names / sizeof *kind_names == VERB_KIND_COUNT, "one name a kind");

static bool are_strings(const json_t *array)
{
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
		if (!json_is_string(v))
			return false;
	return json_is_array(array);
}

static bool is_of(const json_t *v, enum verb_kind kind)
{
	switch (kind) {
	case VERB_STRING:
		return json_is_string(v);
	case VERB_INTEGER:
		return json_is_integer(v);
	case VERB_BOOLEAN:
		return json_is_boolean(v);
	case VERB_STRINGS:
		return are_strings(v);
	case VERB_OBJECT:
		return json_is_object(v);
	case VERB_KIND_COUNT:
		break;
	}
	return false;
}

static const struct verb_arg *find(const struct verb_arg *args, const char *name)
{
	while (args->name && strcmp(args->name, name) != 0)
		args++;
	return args->name ? args : NULL;
}

static const char *missing(const json_t *msg, const struct verb_arg *args)
{
	for (; args->name; args++)
		if (args->is_needed && !json_object_get(msg, args->name))
			return args->name;
	return NULL;
}

int verb_check(const json_t *msg, const struct verb_arg *common, const struct verb_arg *own, char **ret_why)
{
	const char *key, *lacks = missing(msg, common);
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)msg, key, value) {
		const struct verb_arg *a = find(own, key);

		if (!a)
			a = find(common, key);
		if (strcmp(key, "do") == 0 || (a && is_of(value, a->kind)))
			continue;
		*ret_why = a ? str_printf("'%s' is not %s", key, kind_names[a->kind]) :
			       str_printf("unknown argument '%.64s'", key);
		return -EPROTO;
	}
	if (!lacks)
		lacks = missing(msg, own);
	if (!lacks)
		return 0;
	*ret_why = str_printf("'%s' is needed", lacks);
	return -EPROTO;
}
