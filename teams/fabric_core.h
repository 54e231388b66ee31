/* teams/fabric_core.h: the fabric without its process: rings, links and
 * switches assembled from a team, driven by whoever calls with a time.
 *
 * Used by: teams/fabric.c on the real clock; tests and benches on a virtual one. */
#ifndef MUSTER_TEAMS_FABRIC_CORE_H
#define MUSTER_TEAMS_FABRIC_CORE_H

#include "core/element.h"
#include "core/heap.h"
#include "core/ring.h"
#include "shaping/link.h"
#include "teams/link_state.h"
#include "topologies/team.h"
#include "vswitch/vswitch.h"

#include <jansson.h>
#include <stdbool.h>

enum { FABRIC_BATCH = 64 /* frames taken from one ring before the next one's turn */ };

/* A link and its place among the events. */
enum fabric_link_role { FABRIC_ACCESS_UP, FABRIC_NETWORK, FABRIC_ACCESS_DOWN, FABRIC_ROLE_COUNT };
struct fabric_link {
	struct fabric *fabric;
	struct link *link;
	bool is_up_dir; /* which of its shape's two directions it has */
	struct shape_dir origin; /* as the team file has it */
	uint32_t mtu; /* for the default queue, bytes */
	struct heap_item event; /* when it next wants to run */
};

/* Where a NIC meets its network. */
struct fabric_port {
	struct fabric *fabric;
	size_t vm, nic, network;
	uint32_t index; /* on its network's switch */
	uint32_t mtu; /* of its network, bytes: what needs more is dropped where it enters */
	struct ring_pair rings;
	bool has_rings; /* else what arrives is lost: LOSS_NO_PORT */
	bool is_active; /* drained without being asked; else its ring is asleep */
	bool is_dirty; /* committed, not yet published */
	bool is_up; /* carrier, as the switch was told */
	nsec_t last_entry_ns; /* when its last frame entered, by the fabric's time */
	struct fabric_link links[FABRIC_ROLE_COUNT];
	struct element_counters in; /* ring to up link */
	struct element_counters out; /* down link to ring */
};

struct fabric_network {
	struct vswitch *sw;
	size_t *ports; /* indices into fabric->ports, by their index on the switch */
	uint32_t n_ports;
};

struct fabric {
	const struct team *team; /* borrowed */
	struct frame_pool *pool;
	struct fabric_port *ports; /* VMs in file order, their NICs in order */
	size_t n_ports;
	struct fabric_network *networks;
	struct fabric_memory memory; /* that its links may fill */
	struct link_budget budget;
	struct link_states *states; /* what is up, by the supervisor's words */
	struct heap events; /* the links that want to run */
	size_t *active, n_active; /* ports being drained */
	size_t *dirty, n_dirty; /* ports to publish */
	bool is_paused;
	nsec_t pause_began_ns, paused_ns; /* real instant; sum of the ended pauses */
};

/* Assembles. @rings: one a port, or NULL for a fabric whose ports have none.
 * Returns 0 or -errno. */
int fabric_new(const struct team *team, const struct ring_pair_fds *rings, size_t n_rings,
	       struct fabric **ret_fabric);
struct fabric *fabric_free(struct fabric *f); /* accepts NULL; returns NULL */

/* Serves what is due at @now and one batch of each active port, and makes it
 * visible. Returns true when there may be more to take at once. */
bool fabric_step(struct fabric *f, nsec_t now);
/* The next instant something is due; NSEC_NEVER. */
nsec_t fabric_next(const struct fabric *f);
/* Puts the rings to sleep. Returns false when one has frames: step again. */
bool fabric_sleep(struct fabric *f);
/* Its machine kicked: drain it from now on. */
void fabric_wake_port(struct fabric *f, size_t port);

/* The fabric's own time stands still in pauses. @real: the driver's clock. */
nsec_t fabric_time(const struct fabric *f, nsec_t real);
void fabric_pause(struct fabric *f, nsec_t real);
void fabric_resume(struct fabric *f, nsec_t real);

/* After anything was done to a link: its place among the events. */
void fabric_link_moved(struct fabric_link *fl);

/* ---- fabric_links.c: what the control socket asks of links ------------------ */

/* One network's links, or one NIC's, in one direction or both. */
struct fabric_target {
	bool is_network;
	size_t network, vm, nic;
	enum link_dir dir;
};
/* Checks that the target exists. Returns 0 or -ENOENT. */
int fabric_target_check(const struct fabric *f, const struct fabric_target *t);
/* Applies "key=value" strings, all or none. @ret_why: caller frees; set on
 * failure. Returns 0 or -EINVAL. */
int fabric_link_set(struct fabric *f, const struct fabric_target *t, const char *const *sets,
		    size_t n_sets, nsec_t now, char **ret_why);
void fabric_link_reset(struct fabric *f, const struct fabric_target *t, nsec_t now);
/* One word about the target: carrier of ports and their links follow from all
 * words so far. @is_flap_end: with @up, the end of a flap. */
void fabric_link_state(struct fabric *f, const struct fabric_target *t, bool up, bool is_flap_end,
		       nsec_t now);
/* Puts the port's carrier and links into the state that f->states has for them. */
void fabric_port_state(struct fabric_port *p, nsec_t now);
json_t *fabric_link_show(struct fabric *f, const struct fabric_target *t, nsec_t now);
/* Bytes of memory of all frames that wait and fly. */
uint64_t fabric_held_bytes(const struct fabric *f);
json_t *fabric_counters(struct fabric *f, nsec_t now);

/* ---- fabric_control.c ------------------------------------------------------- */

/* Answers one request. *ret_quit: set to true by "quit", else untouched. */
json_t *fabric_request(struct fabric *f, json_t *msg, nsec_t real, bool *ret_quit);

#endif
