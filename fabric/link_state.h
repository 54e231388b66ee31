/* fabric/link_state.h: what is up and what is down among a fabric's links.
 *
 * Used by: fabric/links.c; teams/link.c, which tells the machines. */
#ifndef MUSTER_FABRIC_LINK_STATE_H
#define MUSTER_FABRIC_LINK_STATE_H

#include "core/clock.h"
#include "core/shape.h"
#include "fabric/plan.h"

/* LINK_WORD_FLAP: down until an instant, then up. */
enum link_word { LINK_WORD_UP, LINK_WORD_DOWN, LINK_WORD_FLAP, LINK_WORD_COUNT };

struct link_states;
struct state;

/* All is up but the ports that begin down. @plan: borrowed,
 * outlives the states. Returns 0 or -ENOMEM. */
int link_states_new(const struct fabric_plan *plan, struct link_states **ret_states);
struct link_states *link_states_free(struct link_states *s); /* accepts NULL; returns NULL */

/* The user's word about @ref, which exists, in direction @dir. It ends a flap of the
 * same thing that is under way. @until_ns: the flap's end, used with LINK_WORD_FLAP only. */
void link_states_say(struct link_states *s, const struct fabric_ref *ref, enum link_dir dir,
		     enum link_word word, nsec_t until_ns);
/* The end of a flap, which opens what the flap closed and nothing else. */
void link_states_end_flap(struct link_states *s, const struct fabric_ref *ref, enum link_dir dir);
/* When the next flap ends; NSEC_NEVER. */
nsec_t link_states_next(const struct link_states *s);
/* Ends one flap whose time has come at @now. Returns false when there is none. */
bool link_states_expire(struct link_states *s, nsec_t now, struct fabric_ref *ret_ref,
			enum link_dir *ret_dir);

/* Describes all words, for saved state, in the section that the caller has begun (core/state.h). */
void link_states_state(struct link_states *states, struct state *s, nsec_t now);

/* True when nobody's word holds down @ref itself (@dir LINK_BOTH) or one direction of it. */
bool link_states_is_up(const struct link_states *s, const struct fabric_ref *ref, enum link_dir dir);
/* What is seen at the port's end: the port is up, and so is its network. */
bool link_states_carrier(const struct link_states *s, size_t port);
/* True when frames pass this link of the port: there is carrier, and direction @dir,
 * LINK_UP or LINK_DOWN, is open. @is_network: the network's link towards the port, else
 * the port's access link. */
bool link_states_passes(const struct link_states *s, size_t port, bool is_network, enum link_dir dir);

#endif
