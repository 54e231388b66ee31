/* dns/zone_rr.h: a record of the table of names, as the answers read it. */
#ifndef MUSTER_DNS_ZONE_RR_H
#define MUSTER_DNS_ZONE_RR_H

#include <stdint.h>

struct zone_lease;

/* A record; @rdata in wire form, names in it without compression. */
struct zone_rr {
	struct zone_rr *next;
	struct zone_lease *lease; /* whose record it is; NULL: it stays */
	uint32_t ttl; /* seconds */
	uint16_t type, rdata_len;
	uint8_t rdata[];
};

#endif
