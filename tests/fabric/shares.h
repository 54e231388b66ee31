/* tests/fabric/shares.h: memory for the links of a plan that a test makes. */
#ifndef MUSTER_TESTS_FABRIC_SHARES_H
#define MUSTER_TESTS_FABRIC_SHARES_H

#include "fabric/plan.h"

/* Gives each link of @plan what its shape needs, at most 64 MiB, and all of them a spare. */
void plan_shares(struct fabric_plan *plan);

#endif
