/* nat/uplink_verbs.h: what the uplink may be asked. The forms are in nat/uplink.h.
 *
 * Used by: nat/uplink.c.   Depends on: core/verb.h, nat/nat.h. */
#ifndef MUSTER_NAT_UPLINK_VERBS_H
#define MUSTER_NAT_UPLINK_VERBS_H

#include "core/verb.h"
#include "nat/nat.h"
#include "nat/part.h"

/* The table's ctx. */
struct uplink_ctl {
	struct nat *nat;
	struct parts *parts;
	nsec_t now; /* when the request came */
	bool quit;
};

extern const struct verb_table uplink_verbs;

#endif
