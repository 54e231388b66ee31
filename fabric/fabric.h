/* fabric/fabric.h: the fabric without its process: ports, links and
 * switches assembled from a plan, driven by whoever calls with a time.
 *
 * Used by: fabric/process.c on the real clock; tests and benches on a virtual one. */
#ifndef MUSTER_FABRIC_FABRIC_H
#define MUSTER_FABRIC_FABRIC_H

#include "core/element.h"
#include "core/heap.h"
#include "fabric/link_state.h"
#include "fabric/plan.h"
#include "fabric/port.h"
#include "fabric/service.h"
#include "shaping/link.h"
#include "vswitch/vswitch.h"

#include <jansson.h>
#include <stdbool.h>

enum { FABRIC_BATCH = 64 /* frames taken from one ring before the next one's turn */ };

struct state;

/* What is told of a port's other side: it came, it went, or another one was sent away while it is there. */
enum fabric_peer_news { FABRIC_PEER_CAME, FABRIC_PEER_WENT, FABRIC_PEER_REFUSED };

struct fabric_network {
	struct vswitch *sw; /* one of the elements, which own it */
	size_t *ports; /* indices into fabric->ports, by their index on the switch */
	uint32_t n_ports;
};

struct fabric {
	const struct fabric_plan *plan; /* borrowed */
	struct frame_pool *pool;
	struct fabric_port *ports; /* in the plan's order */
	size_t n_ports;
	struct fabric_network *networks;
	struct link_budget budget;
	struct link_states *states; /* what is up, by the supervisor's words */
	struct element **elements; /* owned: all that a frame passes, in the order of their ranks */
	size_t n_elements;
	struct heap events; /* the elements that want to run */
	size_t *active, n_active; /* ports being drained */
	size_t *dirty, n_dirty; /* ports to publish */
	/* NULL: nobody is told. @why: as fabric_port_peer() and fabric_port_refused() have it. */
	void (*on_peer)(void *ctx, const struct fabric_port *p, enum fabric_peer_news news, const char *why);
	void *on_peer_ctx;
	/* What happens to leases at a service port; NULL: nobody is told. */
	void (*on_lease)(void *ctx, const struct fabric_port *p, enum service_event event, const struct service_lease *l);
	void *on_lease_ctx;
	bool is_paused;
	nsec_t pause_began_ns, paused_ns; /* real instant; sum of the ended pauses */
	uint64_t n_refused; /* requests */
};

/* Assembles. @plan: borrowed, outlives the fabric. Returns 0 or -errno: -EINVAL for a wire that
 * has not two ports. */
int fabric_new(const struct fabric_plan *plan, struct fabric **ret_fabric);
struct fabric *fabric_free(struct fabric *f); /* accepts NULL; returns NULL */

/* Serves what is due at @now and one batch of each active port, and makes it
 * visible. Returns true when there may be more to take at once. */
bool fabric_step(struct fabric *f, nsec_t now);
/* Makes visible what was delivered outside of a step: a change of a link may deliver. */
void fabric_publish(struct fabric *f);
/* The next instant something is due; NSEC_NEVER. */
nsec_t fabric_next(const struct fabric *f);
/* Puts the rings to sleep. Returns false when one has frames: step again. */
bool fabric_sleep(struct fabric *f);
/* Its machine kicked: drain it from now on. */
void fabric_wake_port(struct fabric *f, size_t port);

/* The fabric's own time stands still in pauses. @real: the driver's clock. */
nsec_t fabric_time(const struct fabric *f, nsec_t real);
/* Both: @real is the host's monotonic time. Between them the fabric's time stands still; twice is once. */
void fabric_pause(struct fabric *f, nsec_t real);
void fabric_resume(struct fabric *f, nsec_t real);

/* ---- fabric_save.c ---------------------------------------------------- */

/* Describes the fabric for saved state (core/state.h), in sections of its own: what frames wait
 * and fly, what links and switches remember, the books. Between two steps; @real: the driver's
 * clock. Saving: the other sides of the ports have stopped. Loading: into a fabric of the same
 * plan, before its ports' other sides attach; what it held is lost. After a refusal it can only be
 * freed. */
void fabric_state(struct fabric *f, struct state *s, nsec_t real);

/* ---- fabric_file.c ---------------------------------------------------- */

/* How long a saved state of a fabric of @plan can be, in bytes. */
uint64_t fabric_state_max(const struct fabric_plan *plan);
/* Writes the state to @fd (borrowed; a file or a pipe), between two steps. The other sides of the ports have
 * stopped; @real: the driver's clock. The fabric is left as it was.
 * Returns 0; -EBUSY unless the fabric is paused; -EMEDIUMTYPE; -errno of a write. @ret_why: the caller frees it. */
int fabric_save_to(struct fabric *f, int fd, nsec_t real, uint64_t *ret_bytes, char **ret_why);
/* Reads a state from @fd (borrowed; a file or a pipe), to its end, into a paused fabric of the same plan. The
 * other sides of the ports attach afterwards; what the fabric held is lost.
 * @ret_is_lost: set to true when the fabric can only be freed, else untouched and the fabric is as before.
 * Returns 0; -EBUSY unless the fabric is paused; -EMEDIUMTYPE; -EFBIG: longer than fabric_state_max(); -EBADMSG:
 * refused; -errno of a read. @ret_why: names the section that is refused; the caller frees it. */
int fabric_load_from(struct fabric *f, int fd, nsec_t real, bool *ret_is_lost, char **ret_why);

/* ---- links.c: what the control socket asks of links ------------------ */

/* One network's links, or one port's, in one direction or both. */
struct fabric_target {
	struct fabric_ref ref;
	enum link_dir dir;
};
/* Checks that the target exists. Returns 0 or -ENOENT. */
int fabric_target_check(const struct fabric *f, const struct fabric_target *t);
/* Gives the target's links new shapes. @up, @down: for its directions; the one that it has not is not read. */
void fabric_link_set(struct fabric *f, const struct fabric_target *t, const struct shape_dir *up,
		     const struct shape_dir *down, nsec_t now);
/* Gives them those of the plan. */
void fabric_link_reset(struct fabric *f, const struct fabric_target *t, nsec_t now);
/* One word about the target: carrier of ports and their links follow from all
 * words so far. @is_flap_end: with @up, the end of a flap. */
void fabric_link_state(struct fabric *f, const struct fabric_target *t, bool up, bool is_flap_end,
		       nsec_t now);
/* Whether the port has carrier: f->states has it so, and somebody is at its other side. */
bool fabric_port_carrier(const struct fabric_port *p);
/* Puts the port's carrier and links into the state that f->states has for them. */
void fabric_port_state(struct fabric_port *p, nsec_t now);
json_t *fabric_link_show(struct fabric *f, const struct fabric_target *t, nsec_t now);
/* Bytes of memory of all frames that wait and fly, and of what services hold. */
uint64_t fabric_held_bytes(const struct fabric *f);
json_t *fabric_counters(struct fabric *f, nsec_t now);

#endif
