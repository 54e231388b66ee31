/* core/sandbox_hook.h: where a test looks into a cell. Only programs built with
 * MUSTER_CELL_HOOK call these; tests/lab/cell_hook.c has them. */
#ifndef MUSTER_CORE_SANDBOX_HOOK_H
#define MUSTER_CORE_SANDBOX_HOOK_H

#include "core/sandbox_roles.h"

/* Before anything is given up. It may fork children, which return and enter
 * the cell as the process itself does. */
void cell_hook_before(enum sandbox_role role);
/* The process's threads stand, the list comes next. */
void cell_hook_threads(enum sandbox_role role);
/* All is given up. Children that it forked end here. */
void cell_hook_inside(enum sandbox_role role);

#endif
