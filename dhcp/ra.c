/* dhcp/ra.c: the router advertisements of one network.
 *
 * There is one timer, for the next advertisement to ff02::1. After the first three it runs for a random time
 * between 200 and 600 s, so that stations do not fall into step. A solicitation pulls it forward to a random instant
 * within 500 ms, but never to less than 3 s behind the advertisement before.
 *
 * Used by: fabric's station.   Depends on: core/{prng,state,wire}.h, dhcp/dhcp4_value.h.
 * Sources: RFC 4861 §6.2.4 to §6.2.6, §10; RFC 8106 §5. */
#include "dhcp/ra.h"

#include "core/prng.h"
#include "core/state.h"
#include "core/wire.h"
#include "dhcp/dhcp4_value.h"

#include <errno.h>
#include <stdlib.h>

enum {
	OPTION_SOURCE_LINK = 1,
	OPTION_PREFIX = 3,
	OPTION_MTU = 5,
	OPTION_RDNSS = 25,
	OPTION_DNSSL = 31,
	OPTION_UNIT = 8 /* bytes that an option's length counts */
};
enum { FLAG_M = 0x80, FLAG_O = 0x40, PREFIX_L = 0x80, PREFIX_A = 0x40 };
enum {
	HOP_LIMIT = 64,
	INITIAL_COUNT = 3, /* MAX_INITIAL_RTR_ADVERTISEMENTS */
	LIFETIME_S = 1800, /* AdvDefaultLifetime; RFC 8106 §5.1 has the same for resolvers */
	VALID_S = 2592000,
	PREFERRED_S = 604800,
	MTU_MIN = 1280
};
#define INTERVAL_MIN (200 * NSEC_PER_SEC)
#define INTERVAL_MAX (600 * NSEC_PER_SEC)
#define INITIAL_MAX (16 * NSEC_PER_SEC) /* MAX_INITIAL_RTR_ADVERT_INTERVAL */
#define ANSWER_DELAY (500 * NSEC_PER_MSEC) /* MAX_RA_DELAY_TIME */
#define APART (3 * NSEC_PER_SEC) /* MIN_DELAY_BETWEEN_RAS */

struct ra {
	const struct ra_config *config;
	const struct ra_host *host;
	struct prng *prng;
	struct ra_counters counters;
	nsec_t due; /* NSEC_NEVER: ended */
	nsec_t last; /* when the last one went out */
	bool has_last;
	uint8_t n_initial; /* of INITIAL_COUNT, still to be sent */
};

static void put_prefix(struct wire_writer *w, const struct ra_config *c, const struct ip_addr *prefix)
{
	uint8_t bytes[16] = { 0 };
	bool is_given = c->valid_s || c->preferred_s;

	for (unsigned i = 0; i < prefix->prefix_len; i++)
		bytes[i / 8] = (uint8_t)(bytes[i / 8] | (prefix->b[i / 8] & 0x80 >> i % 8));
	wire_put_u8(w, OPTION_PREFIX);
	wire_put_u8(w, 4);
	wire_put_u8(w, prefix->prefix_len);
	wire_put_u8(w, c->mode == RA_MODE_STATEFUL ? PREFIX_L : PREFIX_L | PREFIX_A);
	wire_put_be32(w, is_given ? c->valid_s : VALID_S);
	wire_put_be32(w, is_given ? c->preferred_s : PREFERRED_S);
	wire_put_be32(w, 0);
	wire_put_bytes(w, bytes, sizeof bytes);
}

static void put_search(struct wire_writer *w, const struct ra_config *c, uint32_t lifetime_s)
{
	uint8_t names[RA_PAYLOAD_MAX];
	size_t len = dhcp4_names_write(c->search, c->n_search, names, sizeof names);
	size_t padded = (len + OPTION_UNIT - 1) / OPTION_UNIT * OPTION_UNIT;

	w->failed |= !len;
	wire_put_u8(w, OPTION_DNSSL);
	wire_put_u8(w, (uint8_t)(1 + padded / OPTION_UNIT));
	wire_put_be16(w, 0);
	wire_put_be32(w, lifetime_s);
	wire_put_bytes(w, names, len);
	for (; len < padded; len++)
		wire_put_u8(w, 0);
}

/* Builds what is behind the header. @lifetime_s: of resolvers and search list. */
static void put_payload(struct wire_writer *w, const struct ra_config *c, uint32_t lifetime_s)
{
	wire_put_be32(w, 0); /* reachable time, retransmission timer: not told */
	wire_put_be32(w, 0);
	wire_put_u8(w, OPTION_SOURCE_LINK);
	wire_put_u8(w, 1);
	wire_put_bytes(w, c->mac.b, MAC_LEN);
	if (c->mtu >= MTU_MIN) {
		wire_put_be32(w, OPTION_MTU << 24 | 1 << 16);
		wire_put_be32(w, c->mtu);
	}
	for (size_t i = 0; i < c->n_prefixes; i++)
		put_prefix(w, c, &c->prefixes[i]);
	if (c->n_dns) {
		wire_put_u8(w, OPTION_RDNSS);
		wire_put_u8(w, (uint8_t)(1 + 2 * c->n_dns));
		wire_put_be16(w, 0);
		wire_put_be32(w, lifetime_s);
	}
	for (size_t i = 0; i < c->n_dns; i++)
		wire_put_bytes(w, c->dns[i].b, sizeof c->dns[i].b);
	if (c->n_search)
		put_search(w, c, lifetime_s);
}

static void send_one(struct ra *r, bool is_last)
{
	static const uint8_t flags[] = { [RA_MODE_SLAAC] = 0, [RA_MODE_STATELESS] = FLAG_O, [RA_MODE_STATEFUL] = FLAG_M | FLAG_O };
	const struct ra_config *c = r->config;
	uint32_t lifetime_s = c->lifetime_s ? c->lifetime_s : LIFETIME_S;
	uint8_t payload[RA_PAYLOAD_MAX];
	struct wire_writer w = wire_write_to(payload, sizeof payload);
	struct ra_message m = { .payload = payload };

	put_payload(&w, c, is_last ? 0 : lifetime_s);
	m.rest = (uint32_t)HOP_LIMIT << 24 | (uint32_t)flags[c->mode] << 16 |
		 (is_last || !c->leads_out ? 0 : lifetime_s);
	m.len = wire_put_len(&w);
	r->counters.n_sent++;
	r->host->send(r->host->ctx, &m);
}

/* True when one advertisement holds it all, and each length fits its field. */
static bool is_config(const struct ra_config *c)
{
	uint8_t payload[RA_PAYLOAD_MAX];
	struct wire_writer w = wire_write_to(payload, sizeof payload);

	if (c->lifetime_s > RA_LIFETIME_MAX_S || c->preferred_s > c->valid_s || c->n_prefixes > RA_PREFIXES_MAX ||
	    c->n_dns > RA_PAYLOAD_MAX / 16)
		return false;
	for (size_t i = 0; i < c->n_prefixes; i++)
		if (c->prefixes[i].family != IP_V6 || c->prefixes[i].prefix_len > 128 ||
		    (c->mode != RA_MODE_STATEFUL && c->prefixes[i].prefix_len != 64))
			return false;
	for (size_t i = 0; i < c->n_search; i++)
		if (!dhcp4_is_name(c->search[i]))
			return false;
	put_payload(&w, c, 0);
	return !w.failed;
}

int ra_new(const struct ra_config *config, const struct ra_host *host, struct prng *prng, nsec_t now,
	   struct ra **ret_ra)
{
	struct ra *r;

	if (!is_config(config))
		return -EINVAL;
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	*r = (struct ra){ .config = config, .host = host, .prng = prng };
	ra_restart(r, now);
	*ret_ra = r;
	return 0;
}

struct ra *ra_free(struct ra *r)
{
	free(r);
	return NULL;
}

void ra_restart(struct ra *r, nsec_t now)
{
	r->n_initial = INITIAL_COUNT;
	r->due = r->has_last ? nsec_max(now, r->last + APART) : now;
}

static nsec_t draw(struct ra *r, nsec_t min, nsec_t max)
{
	return min + (nsec_t)prng_below(r->prng, (uint64_t)(max - min) + 1);
}

/* True when the options are whole and go with the source. */
static bool is_solicitation(const struct ip_addr *src, const uint8_t *options, size_t len)
{
	static const uint8_t unspecified[16];
	bool has_source = memcmp(src->b, unspecified, sizeof unspecified) != 0;
	struct wire_reader r = wire_read_from(options, len);

	while (r.left) {
		uint8_t type = wire_get_u8(&r);
		size_t units = wire_get_u8(&r);

		if (units == 0 || !wire_get(&r, units * OPTION_UNIT - 2))
			return false;
		if (type == OPTION_SOURCE_LINK && !has_source)
			return false;
	}
	return true;
}

enum ra_verdict ra_input(struct ra *r, const struct ip_addr *src, uint8_t hop_limit, uint8_t code,
			 const uint8_t *options, size_t len, nsec_t now)
{
	nsec_t due;

	if (hop_limit != 255 || code != 0 || !is_solicitation(src, options, len)) {
		r->counters.n_malformed++;
		return RA_MALFORMED;
	}
	r->counters.n_solicited++;
	if (r->due == NSEC_NEVER)
		return RA_ANSWERED; /* ended: the last one said so */
	due = draw(r, 0, ANSWER_DELAY);
	due += r->has_last && now < r->last + APART ? r->last + APART : now;
	r->due = nsec_min(r->due, due);
	return RA_ANSWERED;
}

void ra_run(struct ra *r, nsec_t now)
{
	if (now < r->due)
		return;
	send_one(r, false);
	r->last = now;
	r->has_last = true;
	if (r->n_initial)
		r->n_initial--;
	r->due = now + draw(r, INTERVAL_MIN, INTERVAL_MAX);
	if (r->n_initial)
		r->due = nsec_min(r->due, now + draw(r, APART, INITIAL_MAX));
}

nsec_t ra_next(const struct ra *r)
{
	return r->due;
}

void ra_end(struct ra *r)
{
	if (r->due == NSEC_NEVER)
		return;
	send_one(r, true);
	r->due = NSEC_NEVER;
}

const struct ra_counters *ra_counters(const struct ra *r)
{
	return &r->counters;
}

void ra_state(struct ra *r, struct state *state, uint32_t instance, nsec_t now)
{
	(void)state_begin(state, "rtad", instance, 1);
	state_time(state, &r->due, now);
	state_expect(state, r->due == NSEC_NEVER || (r->due >= now - INTERVAL_MAX && r->due <= now + INTERVAL_MAX),
		     "an advertisement that is due too late");
	state_bool(state, &r->has_last);
	state_time(state, &r->last, now);
	state_expect(state, !r->has_last || r->last <= now, "an advertisement that was sent later than now");
	state_u8(state, &r->n_initial);
	state_expect(state, r->n_initial <= INITIAL_COUNT, "too many first advertisements");
	state_end(state);
}
