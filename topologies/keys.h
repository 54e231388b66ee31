/* topologies/keys.h: reading maps through tables of keys. Internal to topologies/. */
#ifndef MUSTER_TOPOLOGIES_KEYS_H
#define MUSTER_TOPOLOGIES_KEYS_H

#include "topologies/load.h"
#include "topologies/tree.h"

/* Reads @value into @obj; reports what is wrong itself. @key is for messages. */
typedef void key_fn(struct load *l, const struct node *key, const struct node *value, void *obj);

enum key_flags {
	KEY_REQUIRED = 1,
	/* Its service does not exist yet: a well-formed value is refused at the key,
	 * unless it is false or empty, which asks for nothing. */
	KEY_UNSUPPORTED = 2,
};
struct key {
	const char *name;
	key_fn *fn; /* NULL: any form */
	unsigned flags; /* enum key_flags, and KEY_TOUCHES() */
};
/* What the key touches on the host: refused where an untrusted file may not (touch.c). */
#define KEY_TOUCHES(kind) ((unsigned)(kind) << 8)
struct key_table {
	const char *what; /* "a NIC": for messages */
	const struct key *keys;
	size_t n;
};
#define KEY_TABLE(what_, array)                                                \
	((struct key_table){ (what_), (array), sizeof(array) / sizeof *(array) })

/* Calls the table's function for each key of @map. False: not a map. */
bool keys_read(struct load *l, const struct key_table *t, const struct node *map, void *obj);

/* False and an empty list. */
bool asks_for_nothing(const struct node *v);
/* Each reports and returns false when the form is wrong. */
bool want_map(struct load *l, const struct node *n, const char *what);
/* Each reports what is wrong, returns false then, and leaves *ret untouched. @what: for messages. */
bool want_list(struct load *l, const struct node *n, const char *what);
bool want_text(struct load *l, const struct node *n, const char *what);
bool want_bool(struct load *l, const struct node *n, bool *ret);
bool want_int(struct load *l, const struct node *n, uint64_t min, uint64_t max, uint64_t *ret);
bool want_time(struct load *l, const struct node *n, nsec_t *ret);
bool want_size(struct load *l, const struct node *n, uint64_t *ret);
bool want_name(struct load *l, const struct node *n, bool any_case);
/* One of @words; *ret is its index. @what: "type", for messages. */
bool want_word(struct load *l, const struct node *n, const char *what, const char *const *words,
	       size_t n_words, size_t *ret);
/* parse_test.c: an extended regular expression that costs little to compile (regcomp(3)). @text: what of @n it is. */
bool want_regex(struct load *l, const struct node *n, const char *text);
/* A list of text into the arena. */
bool want_texts(struct load *l, const struct node *n, const char *what, const char ***ret,
		size_t *ret_n);
/* Reports @why (from values.h) at @n and frees it. */
void report_why(struct load *l, const struct node *n, char *why);

/* What the key functions of a network fill in. */
struct network_ctx {
	struct team_network *net;
	struct network_src *src;
};

/* parse_network.c: true, false, or a map of @t, which means true. */
void bool_or_map(struct load *l, const struct node *v, const struct key_table *t, void *obj, bool *ret_on);
/* parse_dhcp.c, parse_options.c, parse_dns.c, parse_nat.c: values of a network's keys. */
void parse_dhcp(struct load *l, const struct node *v, struct network_ctx *c);
/* Each reads the value of its key into the model; reports what is wrong itself. */
void parse_dhcp_options(struct load *l, const struct node *v, struct team_dhcp *d);
void parse_dns(struct load *l, const struct node *v, struct network_ctx *c);
void parse_nat(struct load *l, const struct node *v, struct network_ctx *c);
/* An address without prefix length. @only_v4: what a message says when it is IPv6; NULL: IPv6 is right, too. */
bool want_host(struct load *l, const struct node *v, const char *only_v4, struct ip_addr *ret);
/* A list of addresses without prefix length into the arena. */
bool want_hosts(struct load *l, const struct node *v, const char *what, struct ip_addr **ret, size_t *ret_n);
/* A domain name; NULL after a message. */
const char *want_domain(struct load *l, const struct node *v, bool underscores);

/* parse_shape.c: a preset's name, or a map. */
void parse_shape(struct load *l, const struct node *value, struct shape *shape);
/* The keys of one direction, over what is there. */
void parse_shape_dir(struct load *l, const struct node *value, struct shape *shape, bool is_up);
/* One key=value of a link action, checked; NULL after a message. */
const char *parse_shape_set(struct load *l, const struct node *key, const struct node *value);
/* parse_network.c, parse_attach.c, parse_vm.c, parse_nic.c, parse_test.c */
void parse_network(struct load *l, const struct node *key, const struct node *value, size_t i);
/* Each reads its part of the file into the model and remembers the nodes; reports what is wrong itself. */
void parse_attach(struct load *l, const struct node *value, struct team_network *net, struct network_src *src);
void parse_vm(struct load *l, const struct node *value, struct team_vm *vm, struct vm_src *src);
void parse_nics(struct load *l, const struct node *value, struct team_vm *vm, struct vm_src *src);
void parse_test(struct load *l, const struct node *value, size_t i);
extern const char *const engine_names[ENGINE_COUNT];
extern const char *const station_kind_names[STATION_KIND_COUNT];
extern const char *const network_type_names[NETWORK_TYPE_COUNT];
/* Reads an engine's name; reports another word, with *ret untouched. */
void parse_engine(struct load *l, const struct node *value, enum engine_kind *ret);

#endif
