/* teams/uplink_dns.h: the part of the uplink that asks resolvers what the names of a network do not answer.
 *
 * Each network that forwards has its own pending queries (dns/forward.h), made at its first query. Each try has a fresh
 * socket, which is connected to its resolver and bound to a random port: only what comes from there is read.
 * Answers that are too long for UDP are asked for over TCP. Networks share the sockets: each has an equal part of
 * them, so that one whose resolvers are dead leaves the others theirs.
 *
 * Without a resolver a query is answered by SERVFAIL at once.
 *
 * Used by: teams/, which fills in the configuration before it starts the uplink.
 * Depends on: nat/part.h, dns/forward.h, dns/dns_resolvers.h. */
#ifndef MUSTER_TEAMS_UPLINK_DNS_H
#define MUSTER_TEAMS_UPLINK_DNS_H

#include "dns/forward.h"
#include "nat/part.h"

/* Whom one network asks. */
struct uplink_dns_network {
	bool forwards; /* false: its queries are answered by SERVFAIL */
	struct forward_resolver resolvers[FORWARD_RESOLVER_COUNT];
	uint32_t scopes[FORWARD_RESOLVER_COUNT]; /* of link-local ones: the interface; 0: none */
	size_t n_resolvers;
};

/* part.cfg of uplink_dns_part. */
struct uplink_dns_config {
	const struct uplink_dns_network *networks; /* borrowed; one for each network of the uplink, in its order */
	size_t n_networks;
};

/* Has @n ask the resolvers of the host. @text: of its /etc/resolv.conf; "" where it has none.
 * Those on the host's loopback are asked, too: the uplink is in the host's network. */
void uplink_dns_use_host(struct uplink_dns_network *n, const char *text);
/* Has @n ask @resolvers, at port 53. Those beyond FORWARD_RESOLVER_COUNT are left out. */
void uplink_dns_use(struct uplink_dns_network *n, const struct ip_addr *resolvers, size_t n_resolvers);

extern const struct part_ops uplink_dns_part;

#endif
