/* topologies/load.h: the reading of one team file: what its stages share.
 *
 *   tree.c   text -> nodes, each with its place; anchors, merge keys
 *   include.c, sets.c   other files' nodes joined in, --set put in
 *   parse*.c nodes -> struct team, through key tables; *_src remembers nodes
 *   check.c  the team as a whole: references, addresses, files
 *   plan.c   what was left out, as a pure function of the rest
 *
 * Each stage reports what it finds and goes on; only a team without errors is
 * planned. Internal to topologies/. */
#ifndef MUSTER_TOPOLOGIES_LOAD_H
#define MUSTER_TOPOLOGIES_LOAD_H

#include "topologies/arena.h"
#include "topologies/strmap.h"
#include "topologies/team.h"

struct node; /* tree.h */

enum {
	LOAD_MESSAGES_MAX = 20, /* team-file(5) */
	LOAD_FILE_MAX = 8 * 1024 * 1024, /* bytes of one file */
	LOAD_VMS_MAX = 10000,
	LOAD_AFTER_MAX = 1000000, /* VMs that all `after` of a file name */
	LOAD_NICS_MAX = 24, /* of one VM: slots of the machine's PCI bus */
	LOAD_RANGES_MAX = 64, /* of one network's DHCP */
	LOAD_FORWARDS_MAX = 1024, /* of a team */
};

/* A text that messages quote. */
struct source {
	struct source *next;
	const char *name; /* place.file points here */
	const char *text;
	size_t len;
	size_t order; /* first read first */
	bool is_set; /* an argument of --set */
	size_t skip; /* bytes of the text before its YAML (ASCII) */
};

struct message {
	bool is_warning;
	size_t order; /* of the source */
	struct place place;
	const char *what;
};

enum address_mode { ADDRESS_DEFAULT, ADDRESS_DHCP, ADDRESS_AUTO, ADDRESS_NONE, ADDRESS_LIST, ADDRESS_BAD };
struct nic_src {
	const struct node *node, *network, *mac, *gateway, *mtu, *name, *shape, *up, *down;
	enum address_mode mode;
	const struct node *mode_node;
	const struct node **address; /* beside nic->addresses */
};
struct vm_src {
	size_t count; /* VMs of this description */
	const struct node *name, *image, *kernel, *initrd, *after, *memory, *ready;
	struct nic_src *nics;
	const struct node **files; /* beside vm->files */
};
struct station_src {
	const struct node *name, *kind, *what, *of_netns, *shape, *up, *down;
};
struct network_src {
	const struct node *name, *gateway, *gateway6, *mtu, *shape;
	struct station_src *stations; /* beside network->stations */
	const struct node *dhcp, *dns, *nat, *ra; /* values; NULL: not given */
	/* Beside the arrays of the network's services. */
	const struct node **ranges, **reservations, **records, **forwards;
	const char **forward_names; /* what `to` names without its port; NULL: an address */
};
struct test_src {
	const struct node *on, *target;
};

struct load {
	struct arena *arena; /* the team's */
	struct team *team;
	const struct team_env *env; /* or NULL */
	bool hermetic; /* no file but the given text is looked at */
	struct source *sources;
	size_t n_sources;
	struct message *messages;
	size_t n_messages, messages_size, n_errors;
	bool is_muted; /* errors are counted only */
	struct network_src *network_src; /* beside team->networks */
	struct vm_src *vm_src; /* beside team->vms */
	struct test_src *test_src; /* beside team->tests */
	struct strmap networks, vms; /* name -> index */
	struct strmap groups; /* name of a VM with `count` -> index of its first */
	size_t n_after; /* of all VMs */
	size_t touches_size;
	struct strmap touched; /* "kind what" of the team's touches */
	bool networks_known, vms_known; /* false: a section was unreadable */
};

/* Adds a text; @name and @text are copied. */
struct source *load_source(struct load *l, const char *name, const char *text, size_t len,
			   bool is_set);
/* A finding at @at. What is said twice in the same words at one place is kept once. */
void load_error(struct load *l, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of a warning: the file is taken all the same. */
void load_warning(struct load *l, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Renders the messages in the order of their places, at most LOAD_MESSAGES_MAX. */
void load_render(struct load *l, struct diags *ret_diags);

/* @path as seen from the current folder. */
const char *load_absolute(struct load *l, const char *path);
/* @path as seen from the folder of the file @at lies in. The arena owns it. */
const char *load_path(struct load *l, const struct place *at, const char *path);

/* Reads @path and what it includes; joins all into one map.
 * Returns the root; NULL after an error message. *ret_error: 0, or -errno when
 * the file itself could not be read. */
struct node *include_load(struct load *l, const char *path, int *ret_error);
/* The same from memory. @name: for messages. */
struct node *include_load_text(struct load *l, const char *name, const char *text, size_t len);
/* Applies "path.to.key=value" to @root. */
void sets_apply(struct load *l, struct node *root, const char *set);

/* parse.c: reads the nodes into l->team. */
void parse_team(struct load *l, struct node *root);
/* check.c: judges the team as a whole, also one that has errors. */
void check_team(struct load *l);
/* check_net.c: NICs, addresses, MACs; after the NICs' networks are known. */
void check_nets(struct load *l);
/* check_attach.c: stations that are no VMs. */
void check_stations(struct load *l);
/* "; did you mean 'X'?" of the VMs' names into @buf, or "". */
const char *check_vm_near(const struct load *l, const char *name, char *buf, size_t size);
/* check_services.c: services against their networks, VMs and each other. After check_nets(). */
void check_services(struct load *l);
/* touch.c: the file touches @what, a copy of which is kept. */
void load_touch(struct load *l, enum touch_kind kind, const char *what);
/* Whether keys that nothing serves yet are read like others. */
bool load_takes_unsupported(const struct load *l);
/* Whether @key may touch that; reports when not. */
bool touch_allowed(struct load *l, const struct node *key, enum touch_kind kind);
/* The bounds of an untrusted file. */
void check_untrusted(struct load *l);
/* check_shape.c: whether links can be as they say. */
void check_shapes(struct load *l);
/* check_files.c: images, kernels, files for guests, and the memory they need. */
void check_files(struct load *l);
/* Whether @path is a folder that can be read, which the file touches then; reports at @n when not. */
bool check_folder(struct load *l, const struct node *n, const char *path);
/* order.c: fills team->order, or reports the loop. Needs `after` resolved. */
void order_vms(struct load *l);
/* MACs and names only depend on the file; addresses can run out (an error). */
void plan_team(struct load *l);
/* A locally administered MAC, a hash of @what, that @macs does not have; adds it. */
void plan_mac(struct load *l, struct strmap *macs, const char *what, struct mac_addr *ret_mac);
/* plan_services.c: what is on, and where; needs no other part of the team, and is called before checking. */
void plan_service_defaults(struct load *l);
/* Pools, gateways and resolvers; after all NICs have their addresses and @macs. */
void plan_services(struct load *l, struct strmap *macs);

/* Reads a team from memory, without looking at any other file: for tests and
 * the fuzzer. Like team_load() otherwise; @env may be NULL. */
int team_load_buffer(const char *name, const char *text, size_t len, const char *const *sets, size_t n_sets,
		     const struct team_env *env, struct team **ret_team, struct diags *ret_diags);

#endif
