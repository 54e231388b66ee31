/* tests/fuzz/roundtrip.h: whatever a guest has driven a device to can be saved,
 * is taken back, and is the same then. Otherwise a guest could keep its team
 * from being rewound. */
#ifndef MUSTER_TESTS_FUZZ_ROUNDTRIP_H
#define MUSTER_TESTS_FUZZ_ROUNDTRIP_H

#include "core/state.h"

/* Saves by @describe, loads that, saves again. Aborts when the load is refused
 * or the two differ. */
void fuzz_roundtrip(void (*describe)(void *ctx, struct state *s), void *ctx);

#endif
