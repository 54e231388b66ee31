/* dns/dns_resolvers.h: whom the host asks for names: the text of its /etc/resolv.conf. */
#ifndef MUSTER_DNS_DNS_RESOLVERS_H
#define MUSTER_DNS_DNS_RESOLVERS_H

#include "core/addr.h"

#include <stdbool.h>
#include <stddef.h>

enum { DNS_RESOLVER_COUNT = 3 /* as resolv.conf(5): MAXNS */, DNS_SCOPE_SIZE = 16 /* IFNAMSIZ */ };

struct dns_resolver {
	struct ip_addr ip;
	char scope[DNS_SCOPE_SIZE]; /* the interface of a link-local address, "eth0" or "2"; empty: none */
	bool is_loopback; /* the host's own: never to be handed to a guest */
};

struct dns_resolvers {
	struct dns_resolver r[DNS_RESOLVER_COUNT];
	size_t n;
	bool more; /* there were others beyond the limit */
};

/* Reads the nameserver lines of @text. Lines that say nothing, or what is no address, are skipped; an address that comes
 * twice counts once.   Source: resolv.conf(5) */
void dns_resolvers_parse(const char *text, struct dns_resolvers *ret_resolvers);

#endif
