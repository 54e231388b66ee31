/* teams/doctor.h: what this host can do. */
#ifndef MUSTER_TEAMS_DOCTOR_H
#define MUSTER_TEAMS_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>

/* [{"name","ok","needed","found","advice" where not ok}]: the caller's. What is not "needed"
 * only some teams want. */
json_t *doctor_report(void);
/* True when all that is needed is there. */
bool doctor_is_ready(const json_t *report);

#endif
