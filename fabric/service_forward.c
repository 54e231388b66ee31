/* fabric/service_forward.c: queries that wait for the uplink.
 *
 * A token is a place in the table and how often the place was given, so what comes for an earlier query of a place
 * finds nothing. All wait equally long: the list of those that wait is in the order of their ends.
 *
 * Used by: fabric/service_dns.c.   Depends on: dns/dns.h, dns/forward.h. */
#include "fabric/service_forward.h"

#include "dns/dns.h"
#include "dns/dns_msg.h"
#include "dns/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE_BITS = 16, NOWHERE = SERVICE_FORWARD_MAX };
_Static_assert(SERVICE_FORWARD_MAX < 1 << PLACE_BITS, "a token names its place in 16 bits");

struct waiting {
	uint64_t turn; /* how often this place was given */
	struct service_dns_asker asker;
	struct dns_msg msg; /* what the query said */
	nsec_t until;
	uint16_t older, newer; /* places; NOWHERE */
	bool is_used;
};

struct service_forward {
	struct service_forward_ops ops;
	struct waiting list[SERVICE_FORWARD_MAX];
	uint16_t oldest, newest; /* places; NOWHERE: none waits */
	size_t n;
	struct service_forward_counters counters;
	uint8_t buf[DNS_MSG_MAX];
};
_Static_assert(sizeof(struct service_forward) <= SERVICE_FORWARD_MEMORY_MAX, "what is accounted for is enough");

int service_forward_new(const struct service_forward_ops *ops, struct service_forward **ret)
{
	struct service_forward *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->ops = *ops;
	f->oldest = f->newest = NOWHERE;
	*ret = f;
	return 0;
}

struct service_forward *service_forward_free(struct service_forward *f)
{
	free(f);
	return NULL;
}

/* ---- the table ----------------------------------------------------------------------- */

static uint64_t token_of(const struct service_forward *f, const struct waiting *w)
{
	return w->turn << PLACE_BITS | (uint64_t)(w - f->list);
}

static struct waiting *waiting_at(struct service_forward *f, uint64_t token)
{
	size_t place = token & ((1u << PLACE_BITS) - 1);
	struct waiting *w = place < SERVICE_FORWARD_MAX ? &f->list[place] : NULL;

	return w && w->is_used && w->turn == token >> PLACE_BITS ? w : NULL;
}

static uint16_t *newer_of(struct service_forward *f, uint16_t place)
{
	return place == NOWHERE ? &f->oldest : &f->list[place].newer;
}

static uint16_t *older_of(struct service_forward *f, uint16_t place)
{
	return place == NOWHERE ? &f->newest : &f->list[place].older;
}

static void put(struct service_forward *f, struct waiting *w)
{
	uint16_t place = (uint16_t)(w - f->list);

	w->is_used = true;
	w->older = f->newest;
	w->newer = NOWHERE;
	*newer_of(f, w->older) = place;
	f->newest = place;
	f->n++;
}

static void take_out(struct service_forward *f, struct waiting *w)
{
	*newer_of(f, w->older) = w->newer;
	*older_of(f, w->newer) = w->older;
	w->is_used = false;
	f->n--;
}

static bool is_same_asker(const struct service_dns_asker *a, const struct service_dns_asker *b)
{
	return a->source == b->source && a->port == b->port && a->conn == b->conn && ip_equal(&a->from, &b->from) &&
	       ip_equal(&a->to, &b->to);
}

static bool is_same_question(const struct dns_msg *a, const struct dns_msg *b)
{
	return a->header.id == b->header.id && a->question.type == b->question.type &&
	       a->question.class == b->question.class && dns_name_equal(&a->question.name, &b->question.name);
}

/* A place for a query of @asker, or the one where it waits already. NULL: it gets none. */
static struct waiting *place_for(struct service_forward *f, const struct service_dns_asker *asker,
				 const struct dns_msg *msg)
{
	struct waiting *free_one = NULL;
	size_t n_own = 0;

	for (size_t i = 0; i < SERVICE_FORWARD_MAX; i++) {
		struct waiting *w = &f->list[i];

		if (!w->is_used) {
			free_one = free_one ? free_one : w;
			continue;
		}
		if (w->asker.source != asker->source)
			continue;
		if (!asker->conn && is_same_asker(&w->asker, asker) && is_same_question(&w->msg, msg))
			return w;
		n_own++;
	}
	return n_own < SERVICE_FORWARD_SENDER_MAX && n_own < SERVICE_FORWARD_MAX - f->n ? free_one : NULL;
}

bool service_forward_query(void *ctx, const struct service_dns_asker *asker, const uint8_t *query, size_t len,
			   nsec_t now)
{
	struct service_forward *f = ctx;
	struct dns_msg msg;
	struct waiting *w;
	bool is_new;

	if (len > FORWARD_QUERY_MAX || dns_msg_parse(query, len, &msg) != DNS_WELL_FORMED)
		return false;
	w = place_for(f, asker, &msg);
	is_new = w && !w->is_used;
	if (is_new)
		*w = (struct waiting){
			.turn = w->turn + 1, .asker = *asker, .msg = msg, .until = now + SERVICE_FORWARD_NS
		};
	if (!w ||
	    f->ops.query(f->ops.query_ctx, asker->source, token_of(f, w), asker->conn != 0, query, len, now) < 0) {
		f->counters.full++;
		return w && !is_new; /* one that waits goes on waiting */
	}
	f->counters.asked++;
	f->counters.again += !is_new;
	if (is_new)
		put(f, w);
	return true;
}

/* ---- answers --------------------------------------------------------------------------- */

static void tell_plain(struct service_forward *f, const struct waiting *w, uint16_t flags, enum dns_rcode rcode,
		       nsec_t now)
{
	size_t len = dns_write_plain(&w->msg, flags, rcode, f->buf, sizeof f->buf);

	f->ops.answer(f->ops.answer_ctx, &w->asker, f->buf, len, now);
}

/* Whether @a, which has a header at least, answers what waits at @w. */
static bool is_answer(const struct waiting *w, const struct dns_msg *a)
{
	return (a->header.flags & (DNS_QR | DNS_OPCODE_MASK)) == DNS_QR && a->question_end &&
	       is_same_question(&w->msg, a);
}

void service_forward_answer(struct service_forward *f, const struct message *m, nsec_t now)
{
	struct waiting *w = waiting_at(f, m->token);
	struct dns_msg a;
	enum dns_verdict verdict = dns_msg_parse(m->dns, m->dns_len, &a);

	if (!w || verdict == DNS_NO_HEADER || m->dns_len > DNS_MSG_MAX || !is_answer(w, &a)) {
		f->counters.mismatched++;
		return;
	}
	take_out(f, w);
	f->counters.answered++;
	if (verdict == DNS_MALFORMED) {
		f->counters.bad_answers++;
		tell_plain(f, w, DNS_RA, DNS_SERVFAIL, now);
	} else if (!w->asker.conn && m->dns_len > dns_udp_limit(&w->msg)) {
		f->counters.truncated++;
		tell_plain(f, w, DNS_RA | DNS_TC, a.header.flags & DNS_RCODE_MASK, now);
	} else {
		f->ops.answer(f->ops.answer_ctx, &w->asker, m->dns, m->dns_len, now);
	}
}

nsec_t service_forward_next(const struct service_forward *f)
{
	return f->oldest == NOWHERE ? NSEC_NEVER : f->list[f->oldest].until;
}

void service_forward_run(struct service_forward *f, nsec_t now)
{
	while (service_forward_next(f) <= now) {
		struct waiting *w = &f->list[f->oldest];

		take_out(f, w);
		f->counters.silent++;
		tell_plain(f, w, DNS_RA, DNS_SERVFAIL, now);
	}
}

size_t service_forward_count(const struct service_forward *f)
{
	return f->n;
}

const struct service_forward_counters *service_forward_counters(const struct service_forward *f)
{
	return &f->counters;
}
