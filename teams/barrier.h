/* teams/barrier.h: a step that all processes of a team take together, as pause and resume are.
 *
 * A barrier has phases in order. Each has members; every one is asked at once, and the next phase
 * begins when all have acknowledged. A member that refuses, or does not answer within the phase's
 * bound, fails it: then what was asked is undone, the last asked first, and the barrier is over.
 * A phase may also go on without those that failed.
 *
 * It is a state machine: time is an argument, and who is asked, and how, are operations of its owner. */
#ifndef MUSTER_TEAMS_BARRIER_H
#define MUSTER_TEAMS_BARRIER_H

#include "core/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct barrier_member {
	unsigned phase; /* index into the plan */
	size_t id; /* the owner's, unique within its phase */
	bool is_asked, is_over; /* over: it acknowledged, refused or was given up */
};

struct barrier_plan {
	unsigned n_phases;
	unsigned goes_on; /* a bit for each phase that does not fail with its members */
	nsec_t timeout_ns; /* for each phase */
	/* A phase begins: names its members by barrier_add(). None is right. */
	void (*members)(void *ctx, unsigned phase);
	/* Asks one; its barrier_ack() may come from within. */
	void (*ask)(void *ctx, const struct barrier_member *m);
	/* One did not answer in time: what it says later is not to reach barrier_ack(). May be NULL. */
	void (*forget)(void *ctx, const struct barrier_member *m);
	/* Takes back what one was asked, whether it did it or not. NULL: what was done stays. */
	void (*undo)(void *ctx, const struct barrier_member *m);
	/* What one is called in errors; the caller frees it. */
	char *(*name)(void *ctx, const struct barrier_member *m);
	/* All is over. @is_through: the last phase ended well; @error: the first thing that went wrong,
	 * also where the barrier went on, or NULL. Another one may begin from within. */
	void (*done)(void *ctx, bool is_through, const char *error);
};

/* All zero: none is under way. Owned by who begins it. */
struct barrier {
	const struct barrier_plan *plan; /* NULL: none is under way */
	void *ctx;
	unsigned phase;
	bool is_asking; /* members of the phase are being asked */
	bool has_failed; /* this phase */
	nsec_t deadline; /* of this phase */
	struct barrier_member *members; /* owned; of all phases so far, in the order of asking */
	size_t n_members;
	char *error; /* owned */
};

/* Begins. None may be under way. @plan: borrowed until it is over. */
void barrier_begin(struct barrier *b, const struct barrier_plan *plan, void *ctx, nsec_t now);
/* From within plan->members only. */
void barrier_add(struct barrier *b, size_t id);
/* A member of @phase did what it was asked (@error NULL), or says why not. One that ended acknowledges,
 * too. What nobody waits for changes nothing. */
void barrier_ack(struct barrier *b, unsigned phase, size_t id, const char *error, nsec_t now);
/* Time passed: who did not answer until barrier_due() is given up. */
void barrier_tick(struct barrier *b, nsec_t now);
/* NSEC_NEVER when none is under way. */
nsec_t barrier_due(const struct barrier *b);
static inline bool barrier_is_active(const struct barrier *b) { return b->plan != NULL; }
/* Without a word to anybody. */
void barrier_drop(struct barrier *b);

#endif
