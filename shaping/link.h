/* shaping/link.h: one direction of a shaped link, as an element.
 *
 * Used by: the fabric.   Depends on: core/element.h, core/prng.h, core/shape.h. */
#ifndef MUSTER_SHAPING_LINK_H
#define MUSTER_SHAPING_LINK_H

#include "core/element.h"
#include "core/shape.h"

#include <stdbool.h>
#include <stdint.h>

/* What a link without a budget may hold, in bytes of memory. */
enum { LINK_HELD_BYTES_MAX = 256 << 20 };

/* Memory of several links that a guest can fill. Each link has a share of its own; what it
 * holds beyond is borrowed from the spare that all have in common, and what neither has
 * room for is lost: LOSS_MEMORY. So no link takes another's share. */
struct link_budget {
	uint64_t spare_bytes; /* that may be borrowed */
	uint64_t borrowed_bytes; /* now */
};

struct link;
struct state;

/* @mtu: bytes, for the default queue. @pool: for segments and duplicates; borrowed. @seed, @name: of the random
 * streams ("lan/vm.0/up"). Returns 0 or -ENOMEM. */
int link_new(const struct shape_dir *shape, uint32_t mtu, uint64_t seed, const char *name,
	     struct frame_pool *pool, const struct frame_sink *sink, struct link **ret_link);
/* Before the first frame. @budget: borrowed, outlives the link. */
void link_set_budget(struct link *l, struct link_budget *budget, uint64_t share_bytes);
struct link *link_free(struct link *l); /* what it holds is freed; accepts NULL; returns NULL */

/* Takes @f. A link with no shape hands it on before this returns. */
void link_take(struct link *l, struct frame *f, nsec_t now);
/* Hands on what is due at @now. Each frame goes on with its own due time as
 * "now", so lateness of the caller does not add up along a way. */
void link_run(struct link *l, nsec_t now);
/* When link_run() is next wanted; NSEC_NEVER while nothing is held. */
nsec_t link_next(const struct link *l);

/* Changes the shape from @now on. What is queued stays and is sent at the new
 * rate; what already flies arrives when it would have. */
void link_set_shape(struct link *l, const struct shape_dir *shape, nsec_t now);
/* What the link is like now. Borrowed, until the next change. */
const struct shape_dir *link_shape(const struct link *l);
/* The queue limit in force: the shape's, or the default. */
uint64_t link_queue_limit(const struct link *l);
/* A link that goes down loses what it holds, and all that enters. */
void link_set_up(struct link *l, bool up, nsec_t now);
/* Whether it carries frames. */
bool link_is_up(const struct link *l);

/* Describes the link for saved state, in the section that the caller has begun (core/state.h): its
 * shape, what it holds, its counters and the positions of its streams, relative to @now. Loading
 * is for a link made with the same MTU and budget; what it held is lost. After a refusal it can
 * only be freed. */
void link_saved_state(struct link *l, struct state *s, nsec_t now);

/* Bytes of memory of the frames that wait and fly. */
uint64_t link_held_bytes(const struct link *l);
/* What it carried and lost. Borrowed, as long as the link. */
const struct element_counters *link_counters(const struct link *l);
/* The link as an element with one input, 0. Its free() is link_free(). */
struct element *link_element(struct link *l);

#endif
