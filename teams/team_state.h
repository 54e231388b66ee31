/* teams/team_state.h: the state of a team that is up, and its end. */
#ifndef MUSTER_TEAMS_TEAM_STATE_H
#define MUSTER_TEAMS_TEAM_STATE_H

#include "teams/supervisor_state.h"

/* The state as users see it. Not to be freed. */
const char *sup_state_str(enum sup_state state);
/* Is @from → @to in the table of legal transitions? */
bool sup_state_may(enum sup_state from, enum sup_state to);
/* Everybody is told, and who waits for what does not come any more. The state that it has, or one that is not
 * legal (which is logged, but for a team that is ending), changes nothing. */
void sup_set_state(struct supervisor *sup, enum sup_state state);
/* The team ends: at the loop's next turn all is undone. @why: taken over;
 * NULL for an ordinary down. A second call changes nothing. */
void sup_end(struct supervisor *sup, char *why);

#endif
