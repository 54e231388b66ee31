/* teams/link_shapes.h: what a team's links are like now, by the user's words. */
#ifndef MUSTER_TEAMS_LINK_SHAPES_H
#define MUSTER_TEAMS_LINK_SHAPES_H

#include "topologies/team.h"

struct link_shapes;

/* All are as the file has them. @team: borrowed, outlives the shapes. Returns 0 or -ENOMEM. */
int link_shapes_new(const struct team *team, struct link_shapes **ret_shapes);
struct link_shapes *link_shapes_free(struct link_shapes *s); /* accepts NULL; returns NULL */

/* Applies "key=value" strings to @ref, which exists, in direction @dir: all or none.
 * @ret_why: set on failure; the caller frees it. Returns 0 or -EINVAL. */
int link_shapes_set(struct link_shapes *s, const struct link_ref *ref, enum link_dir dir,
		    const char *const *sets, size_t n_sets, char **ret_why);
/* Makes @ref what the file has, in direction @dir. */
void link_shapes_reset(struct link_shapes *s, const struct link_ref *ref, enum link_dir dir);
/* One direction of @ref: LINK_UP or LINK_DOWN. Borrowed, until the next change. */
const struct shape_dir *link_shapes_get(const struct link_shapes *s, const struct link_ref *ref, enum link_dir dir);

#endif
