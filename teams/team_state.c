/* teams/team_state.c: the state of a team: one variable, one setter, one table.
 *
 * Used by: supervisor.c, serve.c, bringup.c, pause.c, status.c.   Depends on: answer.c, events.c. */
#include "teams/team_state.h"

#include "core/log.h"
#include "teams/answer.h"

#include <stdlib.h>

static const char *const state_names[] = { "starting", "up", "broken", "paused", "ending" };
_Static_assert(sizeof state_names / sizeof *state_names == SUP_STATE_COUNT, "one name a state");

#define BIT(s) (1U << (s))
static const unsigned legal[SUP_STATE_COUNT] = {
	[SUP_STARTING] = BIT(SUP_UP) | BIT(SUP_BROKEN) | BIT(SUP_ENDING),
	[SUP_UP] = BIT(SUP_BROKEN) | BIT(SUP_PAUSED) | BIT(SUP_ENDING),
	[SUP_BROKEN] =
		BIT(SUP_UP) | BIT(SUP_PAUSED) | BIT(SUP_ENDING), /* UP: a resume that began while it was paused */
	[SUP_PAUSED] = BIT(SUP_UP) | BIT(SUP_BROKEN) | BIT(SUP_ENDING),
};

const char *sup_state_str(enum sup_state state)
{
	return state_names[state];
}

bool sup_state_may(enum sup_state from, enum sup_state to)
{
	return (legal[from] & BIT(to)) != 0;
}

/* Nobody's turn comes any more. */
static void fail_waits(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->n_vms; i++) {
		struct vm_host *v = &sup->vms[i];

		if (sup->state == SUP_ENDING)
			vm_wait_fail(v, "the team is ending");
		else if (v->vm.state == VM_WAITING || v->vm.state == VM_DELAYED)
			vm_wait_fail(v, "another VM failed before its turn came");
	}
}

void sup_set_state(struct supervisor *sup, enum sup_state state)
{
	json_t *event;

	if (sup->state == state || sup->state == SUP_ENDING)
		return;
	if (!sup_state_may(sup->state, state)) {
		log_error("team %s: %s cannot become %s", sup->team->name, sup_state_str(sup->state),
			  sup_state_str(state));
		return;
	}
	sup->state = state;
	event = json_pack("{s:s,s:s,s:f}", "event", "team", "state", sup_state_str(state), "seconds",
			  (double)(clock_now() - sup->started_ns) / 1e9);
	if (state == SUP_ENDING && sup->end_why)
		(void)json_object_set_new(event, "why", json_string(sup->end_why));
	events_emit(&sup->events, event);
	if (state == SUP_BROKEN || state == SUP_ENDING)
		fail_waits(sup);
}

void sup_end(struct supervisor *sup, char *why)
{
	if (sup->state == SUP_ENDING) {
		free(why);
		return;
	}
	sup->end_why = why;
	sup_set_state(sup, SUP_ENDING);
	loop_set_timer(sup->end_timer, 0);
}
