/* dns/zone_home.h: the zones that no query leaves the team for, beside the team's own. */
#ifndef MUSTER_DNS_ZONE_HOME_H
#define MUSTER_DNS_ZONE_HOME_H

/* What to call for each of them; returns 0 or -errno, which ends the walk. @name: "10.in-addr.arpa". */
typedef int zone_home_fn(void *arg, const char *name);

/* Calls @fn for each. Returns 0, or what @fn returned. */
int zone_home_each(zone_home_fn *fn, void *arg);

#endif
