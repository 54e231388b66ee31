/* teams/doctor.h: what this host can do. */
#ifndef MUSTER_TEAMS_DOCTOR_H
#define MUSTER_TEAMS_DOCTOR_H

#include <jansson.h>

/* [{"name","ok","found","advice" where not ok}]: the caller's. */
json_t *doctor_report(void);

#endif
