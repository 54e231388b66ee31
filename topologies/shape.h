/* topologies/shape.h: shapes inside the room: which keys there are, and text to them. */
#ifndef MUSTER_TOPOLOGIES_SHAPE_H
#define MUSTER_TOPOLOGIES_SHAPE_H

#include "topologies/team.h"

/* A key of a shape that has one value. */
struct shape_key {
	const char *name;
	bool is_supported;
	int (*set)(struct shape_dir *dir, const char *value, char **ret_why);
};
extern const struct shape_key shape_keys[];
extern const size_t n_shape_keys;
/* NULL when unknown. */
const struct shape_key *shape_key_find(const char *name);
/* Whether the Gilbert-Elliott form of 'loss' may be written. */
extern const bool shape_ge_supported;
/* Considers every key's name for "did you mean". */
struct suggestion;
/* Considers the keys of a shape. */
void shape_suggest(struct suggestion *s);
/* "; did you mean 't1'?" into @buf, or "". */
const char *preset_suggest(const char *name, char *buf, size_t size);

#endif
