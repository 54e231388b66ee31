/* dhcp/dhcp4_reply.h: what the options and boot fields of a reply say. Shared inside the room. */
#ifndef MUSTER_DHCP_DHCP4_REPLY_H
#define MUSTER_DHCP_DHCP4_REPLY_H

#include "dhcp/dhcp4_config.h"
#include "dhcp/dhcp4_msg.h"

/* Seconds of a lease, and when to renew and rebind; renew_s 0: neither is told. */
struct dhcp4_times {
	uint32_t lease_s, renew_s, rebind_s;
};

/* The times of a lease of @lease_s, which may be shorter than the configured one. */
struct dhcp4_times dhcp4_times_of(const struct dhcp4_config *c, uint32_t lease_s);
/* Begins the reply of @type to @m: fixed fields, options 53 and 54. */
void dhcp4_reply_begin(const struct dhcp4_config *c, const struct dhcp4_msg *m, enum dhcp4_type type,
		       struct dhcp4_build *b);
/* Options 51, 58, 59. */
void dhcp4_reply_times(const struct dhcp4_times *t, struct dhcp4_build *b);
/* What was asked for, in that order, and what goes with booting. @hostname: NULL or the client's. */
void dhcp4_reply_options(const struct dhcp4_config *c, const struct dhcp4_msg *m, const char *hostname,
			 struct dhcp4_build *b);
/* What is given back as it came: 61 and 82, in a NAK too. */
void dhcp4_reply_end(const struct dhcp4_msg *m, struct dhcp4_build *b);
/* The longest reply that the client takes. */
size_t dhcp4_reply_max(const struct dhcp4_config *c, const struct dhcp4_msg *m);

#endif
