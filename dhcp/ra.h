/* dhcp/ra.h: the router advertisements of one network.
 *
 * The caller hands in router solicitations, calls ra_run() when ra_next() is due, and gets advertisements by a call
 * back. All advertisements are multicast, so the cost of solicitations is bounded: MIN_DELAY_BETWEEN_RAS.
 *
 * Sources: RFC 4861 §4.1, §4.2, §4.6, §6.2; RFC 4862 §5.5.3; RFC 8106. */
#ifndef MUSTER_DHCP_RA_H
#define MUSTER_DHCP_RA_H

#include "core/addr.h"
#include "core/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng;
struct state;

enum { RA_SOLICITATION = 133, RA_ADVERTISEMENT = 134 /* ICMPv6 types */ };
enum {
	RA_PREFIXES_MAX = 8,
	RA_PAYLOAD_MAX = 1232, /* options and timers, in a packet of 1280 bytes: RFC 8200 §5 */
	RA_LIFETIME_MAX_S = 9000 /* of a router: RFC 4861 §6.2.1 */
};

enum ra_mode {
	RA_MODE_SLAAC, /* prefixes with A */
	RA_MODE_STATELESS, /* O, prefixes with A */
	RA_MODE_STATEFUL /* M and O, prefixes without A */
};

/* A plain value; borrowed with all it points to while the advertiser lives. */
struct ra_config {
	enum ra_mode mode;
	struct mac_addr mac; /* of the service address, for the source link-layer option */
	const struct ip_addr *prefixes; /* on the link; with RA_MODE_SLAAC and RA_MODE_STATELESS, prefix_len is 64 */
	size_t n_prefixes; /* RA_PREFIXES_MAX at most */
	uint32_t valid_s, preferred_s; /* of the prefixes; both 0: 30 and 7 days, RFC 4861 §6.2.1 */
	bool leads_out; /* false: router lifetime 0, no default route comes of it */
	uint16_t lifetime_s; /* of the router; 0: 1800 */
	const struct ip_addr *dns;
	size_t n_dns;
	const char *const *search; /* names as dhcp4_is_name() has them */
	size_t n_search;
	uint32_t mtu; /* told when >= 1280; 0: not told */
};

/* An ICMPv6 message of type RA_ADVERTISEMENT and code 0, from the link-local service address with hop limit 255,
 * to ff02::1, as packet_put_icmp() takes it. Borrowed during the call. */
struct ra_message {
	uint32_t rest; /* hop limit, flags, router lifetime */
	const uint8_t *payload;
	size_t len;
};

struct ra_host {
	void *ctx;
	void (*send)(void *ctx, const struct ra_message *m);
};

enum ra_verdict {
	RA_ANSWERED, /* an advertisement is due */
	RA_MALFORMED /* not as RFC 4861 §6.1.1 asks: dropped */
};

struct ra_counters {
	uint64_t n_solicited, n_malformed, n_sent;
};

struct ra;

/* @prng: borrowed for as long as the advertiser lives. The first advertisement is due at @now. Returns 0; -EINVAL
 * when a value is outside its range or one advertisement does not hold them; -ENOMEM. */
int ra_new(const struct ra_config *config, const struct ra_host *host, struct prng *prng, nsec_t now,
	   struct ra **ret_ra);
struct ra *ra_free(struct ra *r); /* accepts NULL; returns NULL */

/* Takes a router solicitation. @src: the packet's source. @hop_limit, @code: of the packet. @options: what is behind
 * the eight bytes of header. Its checksum was right. Options that are not known are passed over. */
enum ra_verdict ra_input(struct ra *r, const struct ip_addr *src, uint8_t hop_limit, uint8_t code,
			 const uint8_t *options, size_t len, nsec_t now);
void ra_run(struct ra *r, nsec_t now); /* sends what is due */
nsec_t ra_next(const struct ra *r); /* when ra_run() is due; NSEC_NEVER after ra_end() */
/* Begins again with the first three, after the network was cut or rewound. */
void ra_restart(struct ra *r, nsec_t now);
/* Sends the last advertisement, which has lifetime 0 for router, resolvers and search list. RFC 4861 §6.2.5. */
void ra_end(struct ra *r);

/* What was sent and ignored. Borrowed, as long as the advertiser. */
const struct ra_counters *ra_counters(const struct ra *r);
/* Describes the timers in section "rtad". */
void ra_state(struct ra *r, struct state *state, uint32_t instance, nsec_t now);

#endif
