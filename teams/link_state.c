/* teams/link_state.c: what is up and what is down among a team's links.
 *
 * A NIC and a network have three switches each: the thing itself, and its two
 * directions. A switch is set by the user's word alone, and no word about one
 * thing moves the switch of another, with one exception: "up" without a
 * direction also opens both directions of its target. All that follows is
 * computed: a NIC has carrier when its own switch and its network's are up; a
 * link passes frames when there is carrier and its direction is open.
 *
 * A flap is a switch that is down until an instant. The instant lies in the
 * switch, so any later word about the same switch replaces it: "down" stays
 * down, "up" is up at once, a second flap ends at its own time. The end of a
 * flap opens its one switch only.
 *
 * The supervisor keeps the states with their instants and tells the machines'
 * carrier by them; the fabric keeps a second set by the same words, and opens
 * and closes its links by it.
 *
 * Used by: teams/link.c, teams/fabric_links.c.   Depends on: topologies/team.h. */
#include "teams/link_state.h"

#include <errno.h>
#include <stdlib.h>

enum { SWITCHES = 3 /* by enum link_dir */ };

struct link_switch {
	bool is_down;
	nsec_t until_ns; /* the end of a flap; NSEC_NEVER: no flap */
};

struct link_states {
	const struct team *team; /* borrowed */
	size_t *first_nic; /* VM index to the place of its first NIC */
	size_t n_nics;
	struct link_switch (*things)[SWITCHES]; /* the NICs, then the networks */
};

int link_states_new(const struct team *team, struct link_states **ret_states)
{
	struct link_states *s = calloc(1, sizeof *s);
	size_t n = 0;

	if (!s)
		return -ENOMEM;
	s->team = team;
	s->first_nic = calloc(team->n_vms + 1, sizeof *s->first_nic);
	for (size_t v = 0; v < team->n_vms; v++)
		s->n_nics += team->vms[v].n_nics;
	s->things = calloc(s->n_nics + team->n_networks + 1, sizeof *s->things);
	if (!s->first_nic || !s->things) {
		link_states_free(s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->n_nics + team->n_networks; i++)
		for (size_t dir = 0; dir < SWITCHES; dir++)
			s->things[i][dir].until_ns = NSEC_NEVER;
	for (size_t v = 0; v < team->n_vms; v++) {
		s->first_nic[v] = n;
		for (size_t i = 0; i < team->vms[v].n_nics; i++)
			s->things[n++][LINK_BOTH].is_down = team->vms[v].nics[i].link_down;
	}
	*ret_states = s;
	return 0;
}

struct link_states *link_states_free(struct link_states *s)
{
	if (!s)
		return NULL;
	free(s->first_nic);
	free(s->things);
	free(s);
	return NULL;
}

static size_t place_of(const struct link_states *s, const struct link_ref *ref)
{
	return ref->is_network ? s->n_nics + ref->network : s->first_nic[ref->vm] + ref->nic;
}

static struct link_ref ref_of(const struct link_states *s, size_t place)
{
	struct link_ref ref = { .is_network = place >= s->n_nics };

	if (ref.is_network) {
		ref.network = place - s->n_nics;
		return ref;
	}
	while (place >= s->first_nic[ref.vm] + s->team->vms[ref.vm].n_nics)
		ref.vm++;
	ref.nic = place - s->first_nic[ref.vm];
	return ref;
}

static void put(struct link_switch *sw, bool is_down, nsec_t until_ns)
{
	sw->is_down = is_down;
	sw->until_ns = until_ns;
}

void link_states_say(struct link_states *s, const struct link_ref *ref, enum link_dir dir,
		     enum link_word word, nsec_t until_ns)
{
	struct link_switch *sw = s->things[place_of(s, ref)];

	put(&sw[dir], word != LINK_WORD_UP, word == LINK_WORD_FLAP ? until_ns : NSEC_NEVER);
	if (word == LINK_WORD_UP && dir == LINK_BOTH) {
		put(&sw[LINK_UP], false, NSEC_NEVER);
		put(&sw[LINK_DOWN], false, NSEC_NEVER);
	}
}

void link_states_end_flap(struct link_states *s, const struct link_ref *ref, enum link_dir dir)
{
	put(&s->things[place_of(s, ref)][dir], false, NSEC_NEVER);
}

nsec_t link_states_next(const struct link_states *s)
{
	nsec_t next = NSEC_NEVER;

	for (size_t i = 0; i < s->n_nics + s->team->n_networks; i++)
		for (size_t dir = 0; dir < SWITCHES; dir++)
			next = nsec_min(next, s->things[i][dir].until_ns);
	return next;
}

bool link_states_expire(struct link_states *s, nsec_t now, struct link_ref *ret_ref,
			enum link_dir *ret_dir)
{
	for (size_t i = 0; i < s->n_nics + s->team->n_networks; i++)
		for (size_t dir = 0; dir < SWITCHES; dir++) {
			if (s->things[i][dir].until_ns > now || s->things[i][dir].until_ns == NSEC_NEVER)
				continue;
			put(&s->things[i][dir], false, NSEC_NEVER);
			*ret_ref = ref_of(s, i);
			*ret_dir = (enum link_dir)dir;
			return true;
		}
	return false;
}

bool link_states_is_up(const struct link_states *s, const struct link_ref *ref, enum link_dir dir)
{
	return !s->things[place_of(s, ref)][dir].is_down;
}

bool link_states_carrier(const struct link_states *s, size_t vm, size_t nic)
{
	struct link_ref self = { .vm = vm, .nic = nic };
	struct link_ref net = { .is_network = true, .network = s->team->vms[vm].nics[nic].network };

	return link_states_is_up(s, &self, LINK_BOTH) && link_states_is_up(s, &net, LINK_BOTH);
}

bool link_states_passes(const struct link_states *s, size_t vm, size_t nic, bool is_network,
			enum link_dir dir)
{
	struct link_ref ref = { .is_network = is_network, .vm = vm, .nic = nic,
				.network = s->team->vms[vm].nics[nic].network };

	return link_states_carrier(s, vm, nic) && link_states_is_up(s, &ref, dir);
}
