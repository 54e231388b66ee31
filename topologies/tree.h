/* topologies/tree.h: YAML as nodes, each of which knows where it was written. */
#ifndef MUSTER_TOPOLOGIES_TREE_H
#define MUSTER_TOPOLOGIES_TREE_H

#include "topologies/team.h"

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP, NODE_KIND_COUNT };

struct node;
struct pair {
	struct node *key, *value; /* key: a scalar */
};

/* Shared by every alias to it: a node is changed only before it is aliased. */
struct node {
	enum node_kind kind;
	struct place place;
	unsigned height; /* levels below */
	size_t weight; /* values below, aliases counted each time */
	/* NODE_SCALAR */
	const char *text; /* NUL-terminated; has no NUL inside */
	size_t len;
	bool is_plain; /* not quoted, not a block */
	/* NODE_LIST */
	struct node **items;
	/* NODE_MAP */
	struct pair *pairs;
	size_t n; /* items or pairs */
};

enum {
	TREE_DEPTH_MAX = 32, /* levels of nesting */
	TREE_WEIGHT_MAX = 2000000, /* values, aliases expanded */
};

struct load;
struct source;

/* Parses one YAML document. Returns the root, or NULL after a message. */
struct node *tree_parse(struct load *l, const struct source *src);
/* The value of @key, or NULL. */
struct node *node_get(const struct node *map, const char *key);
/* True for a plain scalar that says nothing: "", "~", "null". */
bool node_is_null(const struct node *n);
/* "a map", "a list", "text": for messages. */
const char *node_kind_str(const struct node *n);
/* A node without content. It lives in the arena of @l. */
struct node *node_new(struct load *l, enum node_kind kind, const struct place *at);
/* Appends; the arrays grow in the arena. */
void node_append(struct load *l, struct node *list, struct node *item);
/* Puts a pair at the end of a map. */
void node_append_pair(struct load *l, struct node *map, struct node *key, struct node *value);

#endif
