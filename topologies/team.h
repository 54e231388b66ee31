/* topologies/team.h: the model: what a team file says, checked and planned. services.h is a part of it.
 *
 * A pure value: parsing a file makes one, everything else only reads it. All
 * strings and arrays belong to the team (one arena; team_free() ends them).
 * Rates are bit/s, times nanoseconds, sizes bytes, shares parts per
 * million or doubles as named. "planned" members are filled by plan.c. */
#ifndef MUSTER_TOPOLOGIES_TEAM_H
#define MUSTER_TOPOLOGIES_TEAM_H

#include "core/addr.h"
#include "core/clock.h"
#include "core/shape.h"
#include "topologies/place.h"
#include "topologies/services.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum engine_kind { ENGINE_AUTO, ENGINE_KVM, ENGINE_SOFT, ENGINE_COUNT };
enum network_type { NETWORK_SWITCH, NETWORK_HUB, NETWORK_WIRE, NETWORK_TYPE_COUNT };

/* Both directions of a link. */
struct shape {
	bool is_set;
	const char *preset; /* or NULL */
	struct shape_dir up, down; /* a NIC's: to and from the network; a network's: from and to its first NIC */
	uint32_t preset_mtu; /* 0 without a preset */
};

/* A station of a network that is no VM of the team. STATION_TAP: the host's kernel, through a tap interface.
 * STATION_QEMU: a program that connects to a Unix stream socket, such as QEMU. */
enum station_kind { STATION_TAP, STATION_QEMU, STATION_KIND_COUNT };
struct team_station {
	struct place place;
	const char *name; /* elsewhere "NETWORK.NAME" */
	enum station_kind kind;
	const char *what; /* the interface, or the absolute path of the socket */
	struct shape shape; /* up: station to network; down: network to station */
};

struct team_network {
	const char *name;
	struct place place;
	enum network_type type;
	struct ip_addr subnet, subnet6; /* family IP_NONE when absent */
	struct ip_addr gateway, gateway6; /* service addresses when named; IP_NONE: the first host */
	uint32_t mtu;
	struct shape shape;
	struct team_station *stations;
	size_t n_stations;
	size_t n_nics; /* planned */
	struct team_services services;
};

struct team_nic {
	struct place place;
	const char *name; /* given, or "ethN" */
	size_t index; /* in its VM */
	size_t network; /* index into team->networks */
	struct mac_addr mac; /* given or planned */
	bool mac_given;
	struct ip_addr *addresses; /* given or planned */
	size_t n_addresses;
	bool dhcp; /* the guest asks for its addresses */
	struct ip_addr gateway; /* given, or planned: the service address; IP_NONE: none, or told by DHCP */
	struct ip_addr gateway6;
	uint32_t mtu; /* the network's, unless given */
	struct shape shape; /* up: VM to network; down: network to VM */
	bool link_down;
};

enum { TEAM_FILE_MAX = 256 << 20 }; /* bytes of one `files` entry */
struct team_file { /* a file to put into the guest */
	const char *path;
	const char *from; /* absolute host path, or NULL */
	const char *text; /* or NULL */
	size_t text_len;
	unsigned mode; /* default 0644 */
};

enum on_crash { ON_CRASH_STOP, ON_CRASH_RESTART, ON_CRASH_IGNORE, ON_CRASH_COUNT };
struct team_vm {
	const char *name;
	const char *group; /* with `count`: what the file calls all of them; else NULL */
	struct place place;
	const char *image; /* name or absolute path */
	const char *kernel, *initrd; /* absolute, or NULL: the image's */
	const char *cmdline; /* added; or NULL */
	uint64_t memory_bytes;
	unsigned cpus;
	enum engine_kind engine;
	uint32_t vsock_cid; /* context ID of its socket device, 3 or more; of the VM's place in the file */
	struct team_nic *nics;
	size_t n_nics;
	const char *hostname;
	const char **dns; /* addresses as text: given, or planned: service addresses */
	size_t n_dns;
	bool dns_planned;
	struct team_file *files;
	size_t n_files;
	const char **run;
	size_t n_run;
	const char **env; /* "KEY=VALUE" */
	size_t n_env;
	size_t *after; /* VM indices */
	size_t n_after;
	nsec_t start_delay_ns;
	const char *ready_run; /* or NULL */
	const char *ready_console; /* an extended regular expression, or NULL */
	uint16_t ready_tcp; /* a port; 0: none */
	bool ready_no_agent; /* it is ready without its guest agent */
	nsec_t ready_timeout_ns;
	enum on_crash on_crash;
};

/* What output must look like. */
enum match_kind { MATCH_NONE, MATCH_CONTAINS, MATCH_REGEX, MATCH_EQUALS };
struct match {
	enum match_kind kind;
	const char *text;
};

enum test_kind { TEST_CHECK, TEST_LINK, TEST_WAIT, TEST_STOP, TEST_START, TEST_KIND_COUNT };
struct team_test {
	const char *name; /* given, or made from what it does */
	struct place place;
	enum test_kind kind;
	/* TEST_CHECK */
	size_t vm, n_vms; /* on these, in file order: one VM, or all of a `count` */
	const char *run;
	bool expect_nonzero;
	int expect_exit; /* 0 to 255 */
	struct match out, err; /* stdout, stderr */
	nsec_t timeout_ns, retry_for_ns, retry_every_ns;
	/* TEST_LINK: the target as `muster link` takes it, and what is done */
	const char *link_target; /* "NET" or "VM.NIC" */
	const char **link_set; /* "key=value" */
	size_t n_link_set;
	bool link_reset, link_up, link_down;
	nsec_t link_flap_ns;
	enum link_dir link_dir;
	/* TEST_WAIT */
	nsec_t wait_ns;
};

/* What a team file touches on the host. */
enum touch_kind {
	TOUCH_NOTHING, TOUCH_READS, TOUCH_WRITES, TOUCH_FOLDER, TOUCH_INTERFACE, TOUCH_LISTENS, TOUCH_REACHES,
	TOUCH_COUNT
};
struct touch {
	enum touch_kind kind;
	const char *what; /* a path, an interface, an address */
};

struct team {
	const char *name, *description;
	const char *file; /* as given */
	const char *root; /* untrusted: the folder that no path may lead out of, absolute; else NULL */
	uint64_t seed;
	enum engine_kind engine;
	bool clock_virtual;
	struct team_network *networks;
	size_t n_networks;
	struct team_vm *vms;
	size_t n_vms;
	struct team_test *tests;
	size_t n_tests;
	struct touch *touches;
	size_t n_touches;
	size_t *order; /* planned: VM indices in start order (stable, after first) */
	struct arena *arena;
};

/* One message about a file. text is the whole report: "FILE:LINE:COLUMN: what",
 * source line, caret, suggestion. */
struct diag {
	bool is_warning;
	char *text;
};
struct diags {
	struct diag *list;
	size_t n;
};
/* Frees the list and its texts. */
void diags_done(struct diags *d);

/* IMAGE_BUILDABLE: not there, but `up` can build it. */
enum image_state { IMAGE_UNKNOWN, IMAGE_BUILDABLE, IMAGE_BUILT };

/* What checking needs to know of the host; callbacks may be NULL (not checked). */
struct team_env {
	void *ctx;
	bool untrusted; /* the file is a stranger's: see touch.c */
	/* Keys that nothing serves yet are read, checked and planned like others. For tests of the grammar: what is
	 * planned so cannot be brought up. */
	bool take_unsupported;
	enum image_state (*image_state)(void *ctx, const char *name);
	/* The least memory a VM of that image boots with, in bytes; 0: not known. */
	uint64_t (*image_memory)(void *ctx, const char *name);
};

/* Parses, checks and plans. @sets: "vms.client.memory=256MiB" overrides from --set.
 * @ret_diags: errors and warnings, always valid; the caller ends them.
 * Returns 0 (perhaps with warnings) or -EINVAL (errors; *ret_team untouched), -ENOENT etc. with a
 * message in @ret_diags when the file itself cannot be read. */
int team_load(const char *path, const char *const *sets, size_t n_sets, const char *name_override,
	      const struct team_env *env, struct team **ret_team, struct diags *ret_diags);
/* Ends the team and all that it owns; accepts NULL; returns NULL. */
struct team *team_free(struct team *t);

/* The plan as a person reads it, and as JSON. Caller frees / decrefs. */
char *team_plan_text(const struct team *t);
/* The same as JSON; the caller decrefs. */
json_t *team_plan_json(const struct team *t);
/* What the file touches on the host, likewise. */
char *team_touches_text(const struct team *t);
/* The same as JSON; the caller decrefs. */
json_t *team_touches_json(const struct team *t);

/* "NET", "NET.STATION", "VM.N" or "VM.NAME" to a place in the model. Returns 0 or -ENOENT. */
struct link_ref {
	bool is_network, is_station; /* neither: a NIC */
	size_t network; /* of both */
	size_t station; /* is_station */
	size_t vm, nic; /* else */
};
/* Finds what @text names. *ret_ref is untouched unless 0 is returned; -ENOENT: nothing is called so. */
int team_link_find(const struct team *t, const char *text, struct link_ref *ret_ref);

/* What @name, or its first word where it is VM.NIC, stands for when it is what the file calls the VMs of a `count`:
 * a sentence that names them. Caller frees. Returns NULL when no VM was made of such a description. */
char *team_group_str(const struct team *t, const char *name);

/* shape keys as `muster link set` takes them ("rate=1Mbit", "delay=20ms", "preset=t1").
 * Applies one to @dir. @ret_why: a message, caller frees. Returns 0 or -EINVAL. */
int shape_set_key(struct shape_dir *dir, const char *key, const char *value, char **ret_why);
/* The same for one direction: matters for "preset=adsl", whose directions differ;
 * shape_set_key() takes the preset's down direction. */
int shape_set_key_dir(struct shape_dir *dir, enum link_dir which, const char *key,
		      const char *value, char **ret_why);
/* Whether a link can be as @dir says, on a network with this @mtu.
 * Returns NULL; or a message (the caller frees), and the key at fault in *ret_key. */
char *shape_dir_check(const struct shape_dir *dir, uint32_t mtu, const char **ret_key);
/* Whether a link of an untrusted team may be as @dir says. Returns NULL, or a message, which the caller frees. */
char *shape_dir_check_untrusted(const struct shape_dir *dir);
/* "rate 1.544Mbit delay 5ms ..." for people. Caller frees. */
char *shape_dir_str(const struct shape_dir *dir);

/* The presets' table. */
struct preset {
	const char *name, *description, *source;
	struct shape_dir up, down;
	uint32_t mtu; /* 0: any */
};
extern const struct preset presets[];
extern const size_t n_presets;
const struct preset *preset_find(const char *name); /* NULL when unknown */

/* ---- nic_speed.c ---- */

/* The speed that the guest is told of a NIC, in Mbit/s, 1 to INT32_MAX: of the faster of its two
 * directions, each as slow as the slower of the NIC's and its network's shapes. */
uint32_t team_nic_speed(const struct team *t, const struct team_nic *nic);

/* ---- fabric_memory.c ---- */

/* Memory that frames of a team may take while they wait in its links, in bytes. */
struct fabric_memory {
	uint64_t wished_bytes; /* by all links' shapes */
	uint64_t spare_bytes; /* in common, for links that are changed while they run */
	uint64_t total_bytes; /* the bound: at most 1 GiB */
};
/* Works the bound out of all links' shapes. */
void team_fabric_memory(const struct team *t, struct fabric_memory *ret_memory);
/* The share of one link, of its shape in the team file. @mtu: its network's or its NIC's, bytes. */
uint64_t team_link_memory(const struct fabric_memory *m, const struct shape_dir *d, uint32_t mtu);

#endif
