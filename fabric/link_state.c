/* fabric/link_state.c: what is up and what is down among a fabric's links.
 *
 * A port and a network have three switches each: the thing itself, and its two
 * directions. A switch is set by the user's word alone, and no word about one
 * thing moves the switch of another, with one exception: "up" without a
 * direction also opens both directions of its target. All that follows is
 * computed: a port has carrier when its own switch and its network's are up; a
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
 * Used by: fabric/links.c, teams/link.c.   Depends on: core/state.h, fabric/plan.h. */
#include "fabric/link_state.h"

#include "core/state.h"

#include <errno.h>
#include <stdlib.h>

enum { SWITCHES = 3 /* by enum link_dir */ };

struct link_switch {
	bool is_down;
	nsec_t until_ns; /* the end of a flap; NSEC_NEVER: no flap */
};

struct link_states {
	const struct fabric_plan *plan; /* borrowed */
	struct link_switch (*things)[SWITCHES]; /* the ports, then the networks */
};

static size_t n_things(const struct link_states *s)
{
	return s->plan->n_ports + s->plan->n_networks;
}

int link_states_new(const struct fabric_plan *plan, struct link_states **ret_states)
{
	struct link_states *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->plan = plan;
	s->things = calloc(n_things(s) + 1, sizeof *s->things);
	if (!s->things) {
		link_states_free(s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_things(s); i++)
		for (size_t dir = 0; dir < SWITCHES; dir++)
			s->things[i][dir].until_ns = NSEC_NEVER;
	for (size_t i = 0; i < plan->n_ports; i++)
		s->things[i][LINK_BOTH].is_down = plan->ports[i].begins_down;
	*ret_states = s;
	return 0;
}

struct link_states *link_states_free(struct link_states *s)
{
	if (!s)
		return NULL;
	free(s->things);
	free(s);
	return NULL;
}

static size_t place_of(const struct link_states *s, const struct fabric_ref *ref)
{
	return ref->is_network ? s->plan->n_ports + ref->index : ref->index;
}

static struct fabric_ref ref_of(const struct link_states *s, size_t place)
{
	bool is_network = place >= s->plan->n_ports;

	return (struct fabric_ref){ .is_network = is_network,
				    .index = is_network ? place - s->plan->n_ports : place };
}

static void put(struct link_switch *sw, bool is_down, nsec_t until_ns)
{
	sw->is_down = is_down;
	sw->until_ns = until_ns;
}

void link_states_say(struct link_states *s, const struct fabric_ref *ref, enum link_dir dir,
		     enum link_word word, nsec_t until_ns)
{
	struct link_switch *sw = s->things[place_of(s, ref)];

	put(&sw[dir], word != LINK_WORD_UP, word == LINK_WORD_FLAP ? until_ns : NSEC_NEVER);
	if (word == LINK_WORD_UP && dir == LINK_BOTH) {
		put(&sw[LINK_UP], false, NSEC_NEVER);
		put(&sw[LINK_DOWN], false, NSEC_NEVER);
	}
}

void link_states_end_flap(struct link_states *s, const struct fabric_ref *ref, enum link_dir dir)
{
	put(&s->things[place_of(s, ref)][dir], false, NSEC_NEVER);
}

nsec_t link_states_next(const struct link_states *s)
{
	nsec_t next = NSEC_NEVER;

	for (size_t i = 0; i < n_things(s); i++)
		for (size_t dir = 0; dir < SWITCHES; dir++)
			next = nsec_min(next, s->things[i][dir].until_ns);
	return next;
}

bool link_states_expire(struct link_states *s, nsec_t now, struct fabric_ref *ret_ref,
			enum link_dir *ret_dir)
{
	for (size_t i = 0; i < n_things(s); i++)
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

bool link_states_is_up(const struct link_states *s, const struct fabric_ref *ref, enum link_dir dir)
{
	return !s->things[place_of(s, ref)][dir].is_down;
}

bool link_states_carrier(const struct link_states *s, size_t port)
{
	struct fabric_ref self = { .index = port };
	struct fabric_ref net = { .is_network = true, .index = s->plan->ports[port].network };

	return link_states_is_up(s, &self, LINK_BOTH) && link_states_is_up(s, &net, LINK_BOTH);
}

bool link_states_passes(const struct link_states *s, size_t port, bool is_network, enum link_dir dir)
{
	struct fabric_ref ref = { .is_network = is_network,
				  .index = is_network ? s->plan->ports[port].network : port };

	return link_states_carrier(s, port) && link_states_is_up(s, &ref, dir);
}

void link_states_state(struct link_states *states, struct state *s, nsec_t now)
{
	for (size_t i = 0; i < n_things(states); i++)
		for (size_t dir = 0; dir < SWITCHES; dir++) {
			state_bool(s, &states->things[i][dir].is_down);
			state_time(s, &states->things[i][dir].until_ns, now);
		}
}
