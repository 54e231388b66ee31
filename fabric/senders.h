/* fabric/senders.h: how much each sender may ask of a service, so that one who floods it hurts nobody else.
 *
 * A sender is a MAC address. The NICs that the plan knows have a bucket each. All others share SENDERS_STRANGERS
 * buckets, by a hash, and one over those: a guest that invents addresses takes from strangers only.
 *
 * A sender whose bucket is empty is still served while it is alone, which is when nobody else asked for a second:
 * there is nobody to be hurt.
 *
 * Used by: fabric/service_*.c.   Depends on: core/addr.h. */
#ifndef MUSTER_FABRIC_SENDERS_H
#define MUSTER_FABRIC_SENDERS_H

#include "core/addr.h"
#include "core/clock.h"
#include "fabric/plan.h"

enum { SENDERS_STRANGERS = 64 };

struct senders;
struct state;

/* @clients: borrowed while the table lives. @per_s: messages a second that each sender is sure of, 1 to 1,000,000, and
 * as many at once; all strangers together have four times that. @seed: secret of the hash.
 * Returns 0 or -ENOMEM. */
int senders_new(const struct fabric_plan_client *clients, size_t n_clients, uint32_t per_s, uint64_t seed,
		struct senders **ret_senders);
struct senders *senders_free(struct senders *t); /* accepts NULL; returns NULL */

/* Counts a message of @mac. Returns false when it is one too many. */
bool senders_admit(struct senders *t, const struct mac_addr *mac, nsec_t now);
/* A number of @mac for fair shares: of its own for each NIC of the plan; SENDERS_STRANGERS others for the rest. */
uint64_t senders_place(const struct senders *t, const struct mac_addr *mac);
/* The VM that the plan has for @mac, borrowed; NULL: none. */
const char *senders_name(const struct senders *t, const struct mac_addr *mac);
/* Messages that were too many. */
uint64_t senders_refused(const struct senders *t);

/* Describes the buckets, in the section that the caller has begun (core/state.h). */
void senders_state(struct senders *t, struct state *s, nsec_t now);

#endif
