/* teams/link_shapes.c: what a team's links are like now, by the user's words.
 *
 * `muster link set` names keys, and what it does not name stays. Keys, presets and the
 * rules of a team file are topologies' matter, which the fabric does not know; so the
 * supervisor keeps each link's shape, applies the words to it, and sends the fabric
 * whole shapes. A set is worked out on a copy first: a key that is refused changes nothing.
 *
 * "preset" replaces the whole direction by the preset's own and comes first, wherever it
 * stands, as in a team file; the other keys then override it, in their order.
 *
 * Used by: link.c.   Depends on: topologies/team.h, teams/fabric_plan.h. */
#include "teams/link_shapes.h"

#include "core/bytes.h"
#include "teams/fabric_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = 2 };
static const enum link_dir directions[DIRECTIONS] = { LINK_UP, LINK_DOWN };

struct both_dirs {
	struct shape_dir dir[DIRECTIONS]; /* as in directions */
};

struct link_shapes {
	const struct team *team; /* borrowed */
	struct both_dirs *ports; /* NICs and stations, as fabric_plan_ref() numbers them */
	struct both_dirs *networks;
};

/* What the file has for @ref. */
static const struct shape *origin(const struct link_shapes *s, const struct link_ref *ref)
{
	if (ref->is_station)
		return &s->team->networks[ref->network].stations[ref->station].shape;
	return ref->is_network ? &s->team->networks[ref->network].shape :
				 &s->team->vms[ref->vm].nics[ref->nic].shape;
}

static struct both_dirs *place_of(const struct link_shapes *s, const struct link_ref *ref)
{
	return ref->is_network ? &s->networks[ref->network] : &s->ports[fabric_plan_ref(s->team, ref).index];
}

int link_shapes_new(const struct team *team, struct link_shapes **ret_shapes)
{
	struct link_shapes *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->team = team;
	s->ports = calloc(fabric_plan_station(team, team->n_networks, 0) + 1, sizeof *s->ports);
	s->networks = calloc(team->n_networks + 1, sizeof *s->networks);
	if (!s->ports || !s->networks) {
		link_shapes_free(s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < team->n_networks; i++)
		link_shapes_reset(s, &(struct link_ref){ .is_network = true, .network = i }, LINK_BOTH);
	for (size_t i = 0; i < fabric_plan_station(team, team->n_networks, 0); i++) {
		struct link_ref ref = fabric_plan_link(team, &(struct fabric_ref){ .index = i });

		link_shapes_reset(s, &ref, LINK_BOTH);
	}
	*ret_shapes = s;
	return 0;
}

struct link_shapes *link_shapes_free(struct link_shapes *s)
{
	if (!s)
		return NULL;
	free(s->ports);
	free(s->networks);
	free(s);
	return NULL;
}

/* "up.delay=5ms" is for one direction: cuts the prefix off; false when @set is
 * for the other. @ret_is_narrow: there was one. */
static bool is_for(enum link_dir dir, const char **set, bool *ret_is_narrow)
{
	static const char *const prefixes[DIRECTIONS] = { "up.", "down." };

	*ret_is_narrow = false;
	for (size_t i = 0; i < DIRECTIONS; i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(*set, prefixes[i], n) != 0)
			continue;
		*set += n;
		*ret_is_narrow = true;
		return dir == directions[i];
	}
	return true;
}

static int apply_one(struct shape_dir *shape, enum link_dir dir, const char *set, char **ret_why)
{
	const char *eq = strchr(set, '=');
	CLEANUP(free) char *key = NULL;

	if (!eq || eq == set) {
		*ret_why = str_printf("'%s' is not KEY=VALUE", set);
		return -EINVAL;
	}
	key = str_printf("%.*s", (int)(eq - set), set);
	return shape_set_key_dir(shape, dir, key, eq + 1, ret_why);
}

/* As in a team file: the preset, the keys, then what is for one direction. */
static int apply_all(struct shape_dir *shape, enum link_dir dir, const char *const *sets, size_t n_sets,
		     char **ret_why)
{
	for (int pass = 0; pass < 4; pass++)
		for (size_t i = 0; i < n_sets; i++) {
			const char *set = sets[i];
			bool is_narrow, is_meant = is_for(dir, &set, &is_narrow);
			int turn = 2 * is_narrow + (strncmp(set, "preset=", 7) != 0), r;

			r = is_meant && turn == pass ? apply_one(shape, dir, set, ret_why) : 0;
			if (r < 0)
				return r;
		}
	return 0;
}

/* Whether the link can be, and may be, as @shape says: by the rules of a team file. */
static int check(const struct link_shapes *s, const struct link_ref *ref, enum link_dir dir,
		 const struct shape_dir *shape, char **ret_why)
{
	const struct team_nic *nic = ref->is_network || ref->is_station ? NULL : &s->team->vms[ref->vm].nics[ref->nic];
	uint32_t mtu = s->team->networks[nic ? nic->network : ref->network].mtu;
	const char *key;

	/* What comes down may be as long as the network allows. */
	*ret_why = shape_dir_check(shape, nic && dir == LINK_UP ? nic->mtu : mtu, &key);
	if (!*ret_why && s->team->root)
		*ret_why = shape_dir_check_untrusted(shape);
	return *ret_why ? -EINVAL : 0;
}

int link_shapes_set(struct link_shapes *s, const struct link_ref *ref, enum link_dir dir,
		    const char *const *sets, size_t n_sets, char **ret_why)
{
	struct both_dirs trial = *place_of(s, ref);

	for (size_t i = 0; i < DIRECTIONS; i++) {
		int r;

		if (dir != LINK_BOTH && dir != directions[i])
			continue;
		r = apply_all(&trial.dir[i], directions[i], sets, n_sets, ret_why);
		if (r == 0)
			r = check(s, ref, directions[i], &trial.dir[i], ret_why);
		if (r < 0)
			return r;
	}
	*place_of(s, ref) = trial;
	return 0;
}

void link_shapes_reset(struct link_shapes *s, const struct link_ref *ref, enum link_dir dir)
{
	struct both_dirs *now = place_of(s, ref);
	const struct shape *file = origin(s, ref);

	if (dir != LINK_DOWN)
		now->dir[0] = file->up;
	if (dir != LINK_UP)
		now->dir[1] = file->down;
}

const struct shape_dir *link_shapes_get(const struct link_shapes *s, const struct link_ref *ref, enum link_dir dir)
{
	return &place_of(s, ref)->dir[dir == LINK_UP ? 0 : 1];
}
