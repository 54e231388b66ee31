/* dhcp/dhcp6_reply.h: how a reply is put together: relay heads, identifiers, options. Shared inside the room. */
#ifndef MUSTER_DHCP_DHCP6_REPLY_H
#define MUSTER_DHCP_DHCP6_REPLY_H

#include "dhcp/dhcp6_config.h"
#include "dhcp/dhcp6_msg.h"

enum { DHCP6_REPLY_MAX = 1452, DHCP6_SERVER_ID_LEN = 10 };

struct dhcp6_build {
	struct wire_writer w;
	size_t opened[DHCP6_RELAYS_MAX]; /* relay message options, the outermost first */
	size_t n_opened;
	unsigned n_left_out; /* options without room */
	uint8_t bytes[DHCP6_REPLY_MAX];
};

/* Times of an address. */
struct dhcp6_times {
	uint32_t valid_s, preferred_s, renew_s, rebind_s;
};
/* The times of a lease of @valid_s, which may be shorter than the configured one. renew <= rebind <= preferred. */
struct dhcp6_times dhcp6_times_of(const struct dhcp6_config *c, uint32_t valid_s);

/* The server's DUID. */
void dhcp6_server_id(const struct dhcp6_config *c, uint8_t id[DHCP6_SERVER_ID_LEN]);
/* Begins the reply of @type to @m: the relays' heads, type, transaction, both identifiers. */
void dhcp6_reply_begin(const struct dhcp6_config *c, const struct dhcp6_msg *m, enum dhcp6_type type,
		       struct dhcp6_build *b);
/* What the client asked for, each once, as far as there is room. @hostname: one label; "": none is known. */
void dhcp6_reply_options(const struct dhcp6_config *c, const struct dhcp6_msg *m, const char *hostname,
			 struct dhcp6_build *b);
/* Ends it. Returns the length; 0 when it has no room. */
size_t dhcp6_reply_end(struct dhcp6_build *b);

#endif
