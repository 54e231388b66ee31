/* dns/zone.h: the table of one network's names, and of the zones that never leave it.
 *
 * A name stands in the table as VM.DOMAIN; dns/dns.h answers VM alone from it, too. Names come from three places: the
 * team's VMs, the records of the team file, and leases, which come and go. A lease never takes the name of
 * a VM, of a record, or of another lease. */
#ifndef MUSTER_DNS_ZONE_H
#define MUSTER_DNS_ZONE_H

#include "core/addr.h"
#include "dns/dns_msg.h"
#include "dns/zone_rr.h"

struct state;
struct zone;

enum {
	ZONE_TTL_S = 60, /* of what has none of its own */
	ZONE_TTL_MAX_S = 0x7fffffff, /* RFC 2181 §8 */
	ZONE_NEGATIVE_TTL_S = 10, /* how long a guest may believe that there is no such name; RFC 2308 §5 */
	ZONE_TEXT_MAX = 4096, /* bytes of a TXT record of the file */
	ZONE_LEASE_COUNT = 65536, /* names of leases at most */
};

/* @domain: "lab.test". @seed: what the hash starts from, so that no guest can choose a place.
 * @ret_why: set on -EINVAL, why @domain is no name; constant.
 * Returns 0, -EINVAL or -ENOMEM. */
int zone_new(const char *domain, uint64_t seed, struct zone **ret_zone, const char **ret_why);
struct zone *zone_free(struct zone *z); /* accepts NULL; returns NULL */

/* The names of these functions: "@" is the domain itself. A name that ends with a dot, or in the domain, is whole; to
 * any other the domain is appended.
 * @ret_why: why not, on -EINVAL, -EEXIST and -ENOSPC, as a part of a sentence; constant. */

/* Says that @name is a VM's: it exists, and no lease can take it. Returns 0, -EINVAL or -ENOMEM. */
int zone_add_vm(struct zone *z, const char *name, const char **ret_why);
/* A planned address of @name, with its reverse. @ip: its prefix is ignored. Returns 0, -EINVAL or -ENOMEM. */
int zone_add_address(struct zone *z, const char *name, const struct ip_addr *ip, const char **ret_why);
/* A record of the team file. An address has its reverse only where no VM has it.
 * @type: DNS_A, DNS_AAAA ("10.0.0.1"), DNS_TXT (any text), DNS_SRV ("PRIORITY WEIGHT PORT TARGET").
 * @ttl: seconds, 0 to ZONE_TTL_MAX_S.
 * Returns 0; -EINVAL when it cannot be one; -ENOMEM. */
int zone_add_record(struct zone *z, const char *name, uint16_t type, const char *value, uint32_t ttl,
		    const char **ret_why);

/* Says that @ip is leased to @name, in place of what was leased @ip before, which is forgotten in any case.
 * @name: from a guest, so any text; one label, or one label below the domain.
 * @is_vm: @name is a VM's by the lease's MAC, not by what the guest says; it was added by zone_add_vm().
 * Returns 0; -EINVAL: no such name; -EEXIST: it is taken; -ENOSPC; -ENOMEM. */
int zone_set_lease(struct zone *z, const char *name, const struct ip_addr *ip, bool is_vm, const char **ret_why);
/* Forgets what @ip was leased to, if anything. */
void zone_drop_lease(struct zone *z, const struct ip_addr *ip);
/* Names held by leases. */
size_t zone_lease_count(const struct zone *z);
/* Nodes of the table: names, their reverses and all that is above them. */
size_t zone_node_count(const struct zone *z);

/* Describes the leases for saved state, in the section that the caller has begun (core/state.h). All else comes
 * from the team file, and is added before a load. Loading: what leases held before is forgotten. */
void zone_state(struct zone *z, struct state *s);

/* ---- looking up ------------------------------------------------------------------- */

enum zone_outcome {
	ZONE_FOUND, /* there are records of the type: those of the list that have it */
	ZONE_NO_DATA, /* the name exists, and has none of that type */
	ZONE_NO_NAME, /* no such name, in a zone that is ours */
	ZONE_ELSEWHERE, /* not ours to say */
};

struct zone_answer {
	const struct zone_rr *records; /* of the name, all types; borrowed until the table changes */
	const struct zone_rr *soa; /* of the zone that the name is in; NULL: none */
	unsigned soa_labels; /* how many labels at the end of the name are that zone's */
	uint16_t type; /* of the records to give: what was asked, or, for ANY, one of those there */
};

/* Looks @name up, without regard to case. @type: DNS_ANY finds the first type there (RFC 8482 §4.1).
 * @ret_answer: always written. */
enum zone_outcome zone_find(const struct zone *z, const struct dns_name *name, uint16_t type,
			    struct zone_answer *ret_answer);

#endif
