/* topologies/show.h: parts of the plan as text and as JSON. Internal to topologies/. */
#ifndef MUSTER_TOPOLOGIES_SHOW_H
#define MUSTER_TOPOLOGIES_SHOW_H

#include "core/bytes.h"
#include "topologies/team.h"

#include <jansson.h>

/* Both give null for what is not there. @bare: without the prefix length. */
json_t *show_str_json(const char *s);
/* The same of an address. */
json_t *show_ip_json(const struct ip_addr *ip, bool bare);
/* show_services.c: the services of a network; nothing where none is on. */
void show_services_text(struct bytes *out, const struct team *t, const struct team_network *n);
/* Puts "service", "dhcp", "ra", "dns" and "nat" into @j, null where they are off. */
void show_services_json(json_t *j, const struct team *t, const struct team_network *n);

#endif
