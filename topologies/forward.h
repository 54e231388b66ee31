/* topologies/forward.h: one port of the host that leads into a network, as text: "tcp:8080=server:80".
 *
 * Used by: teams/forwards.c, show_services.c, check_services.c.   Depends on: team.h. Sources: team-file(5). */
#ifndef MUSTER_TOPOLOGIES_FORWARD_H
#define MUSTER_TOPOLOGIES_FORWARD_H

#include "topologies/team.h"

/* Whether one socket of the host would stand in the way of the other. An IPv6 listener takes no IPv4. */
bool forwards_clash(const struct team_forward *a, const struct team_forward *b);

/* Whether a host can have the address: it is that of one. */
bool forward_is_on_host(const struct ip_addr *ip);

/* Whether a host on @n can have @ip, which is not its service address. Returns NULL, or a message, the caller's to free. */
char *forward_address_check(const struct team_network *n, const struct ip_addr *ip);

/* Reads "tcp:8080", "udp:127.0.0.1:53" or "tcp:[::1]:80": protocol, port, and the host's address (127.0.0.1 when it is
 * left out). Nothing else of *ret is set.
 * Returns 0; -EINVAL with a message, which the caller frees; *ret is untouched then. */
int forward_parse_port(const char *text, struct team_forward *ret, char **ret_why);

/* Reads "PORT=TARGET": the port as above; the target is "server:80", "server.eth1:80", or an address of the network that
 * is not its service address. What an untrusted team may not do is refused.
 * @network: an index into @t's, with NAT. @ret: borrows nothing of @text.
 * Returns 0; -EINVAL with a message, which the caller frees; *ret is untouched then. */
int forward_parse(const struct team *t, size_t network, const char *text, struct team_forward *ret, char **ret_why);

/* "server.eth0:80", "10.0.0.9:53", "[fd00::9]:80". The caller frees. */
char *forward_target_str(const struct team *t, const struct team_forward *f);
/* "tcp:8080", or with another address than 127.0.0.1, as forward_parse_port() reads it. The caller frees. */
char *forward_port_text(const struct team_forward *f);
/* "tcp 127.0.0.1:8080". The caller frees. */
char *forward_port_str(const struct team_forward *f);

#endif
