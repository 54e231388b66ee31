/* vswitch/vswitch.h: a network's middle: learning switch, hub or wire, as an
 * element with many inputs and outputs. */
#ifndef MUSTER_VSWITCH_VSWITCH_H
#define MUSTER_VSWITCH_VSWITCH_H

#include "core/element.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vswitch_type { VSWITCH_SWITCH, VSWITCH_HUB, VSWITCH_WIRE, VSWITCH_TYPE_COUNT };

struct vswitch;
struct state;

/* @pool: where copies come from; borrowed. @salt: for the MAC table's hash.
 * A wire has exactly two ports (-EINVAL otherwise). All links start up; all
 * outputs must be set before the first frame. Returns 0, -EINVAL, -ENOMEM. */
int vswitch_new(enum vswitch_type type, uint32_t n_ports, uint64_t salt, struct frame_pool *pool,
		struct vswitch **ret_vswitch);
struct vswitch *vswitch_free(struct vswitch *sw); /* accepts NULL; returns NULL */

/* Where frames for @port go. @port: below n_ports. @sink: copied. */
void vswitch_set_output(struct vswitch *sw, uint32_t port, const struct frame_sink *sink);
/* A port whose link is down gives and takes nothing (LOSS_DOWN); stations seen
 * there are forgotten. */
void vswitch_set_link(struct vswitch *sw, uint32_t port, bool up);

/* Takes @f, which came in on @port, and puts it and its copies out before it
 * returns: a switch holds no frames. */
void vswitch_take(struct vswitch *sw, uint32_t port, struct frame *f, nsec_t now);

/* Describes the switch for saved state, in the section that the caller has begun (core/state.h):
 * links, MAC table and counters, relative to @now. Between two frames; a switch holds none.
 * Loading is for one of the same type and ports. After a refusal it can only be freed. */
void vswitch_state(struct vswitch *sw, struct state *s, nsec_t now);

/* What it carried and dropped. Borrowed, as long as the switch. */
const struct element_counters *vswitch_counters(const struct vswitch *sw);
/* The switch as an element; its inputs are its ports. Its free() is vswitch_free(). */
struct element *vswitch_element(struct vswitch *sw);
/* Entries of the MAC table now. */
size_t vswitch_n_stations(const struct vswitch *sw);

#endif
