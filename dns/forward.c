/* dns/forward.c: queries that wait for a resolver, without sockets and without a clock.
 *
 * A pending query is found by a seeded hash of its bytes without the id and without the case of its name. Its
 * clients wait in a list (waiters). Each waiter is in the list of its source, too, the oldest first, so that a source
 * can be counted and its oldest query be found.
 *
 * A try that brings nothing within its time is followed by the next resolver; its socket stays open, since late answers
 * are answers, until there are FORWARD_OPEN_COUNT. The resolver that answered last is asked first; one that lets its
 * time pass is so no longer. After the last try all that wait get SERVFAIL, and their room is free again: a dead
 * resolver costs time, and never the table.
 *
 * Used by: the uplink.   Depends on: dns/{dns,dns_msg}.h, core/{heap,prng,wire}.h.
 * Sources: RFC 5452 (ids, ports, questions), RFC 5625 (proxies), RFC 7766 §5 (TCP); CVE-2020-25684, -25685, -25686. */
#include "dns/forward.h"

#include "core/heap.h"
#include "core/prng.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

enum { BUCKETS = 512, SOURCE_BUCKETS = 256, PORT_FIRST = 1024, GENERATION_SHIFT = 16 };
_Static_assert(FORWARD_SLOT_COUNT <= 1 << GENERATION_SHIFT, "a slot names its place in 16 bits");

struct attempt {
	uint16_t generation; /* of the slot: an old name is not the new one's */
	uint16_t id;
	uint8_t resolver;
	bool is_open;
	enum dns_transport transport;
};

struct pending;

struct waiter {
	struct waiter *next; /* of the same pending query */
	struct waiter *older, *newer; /* of the same source */
	struct source *source;
	struct pending *pending;
	struct forward_client client;
	struct dns_msg msg; /* what the client's own query said */
};

struct source {
	struct source *next; /* of its bucket */
	uint64_t key;
	unsigned n;
	struct waiter *oldest, *newest;
};

struct pending {
	struct heap_item timer; /* first; NSEC_NEVER: free */
	struct pending *next; /* of its bucket, or of the free ones */
	struct waiter *waiters;
	uint8_t *query; /* owned; id 0, spelled as the first client spelled it */
	size_t query_len;
	uint64_t hash;
	nsec_t sent_at;
	unsigned n_tries;
	unsigned n_asked; /* tries over UDP: one over TCP is of the same resolver */
	uint8_t first; /* the resolver that was asked first */
	uint8_t next_attempt;
	struct attempt attempts[FORWARD_OPEN_COUNT];
	struct dns_question question;
};

struct forward {
	const struct forward_ops *ops; /* borrowed */
	void *arg;
	struct forward_resolver resolvers[FORWARD_RESOLVER_COUNT];
	size_t n_resolvers;
	uint8_t preferred; /* the resolver that answered last */
	struct prng prng;
	uint64_t seed;
	struct heap timers;
	struct pending *buckets[BUCKETS], *free;
	struct source *sources[SOURCE_BUCKETS];
	size_t n_pending, n_waiters;
	struct forward_counters counters;
	struct pending pending[FORWARD_PENDING_COUNT];
	uint8_t buf[DNS_MSG_MAX]; /* an answer on its way to a client */
};

int forward_new(uint64_t seed, const struct forward_ops *ops, void *arg, struct forward **ret_forward)
{
	struct forward *f = calloc(1, sizeof *f);

	if (!f || heap_reserve(&f->timers, FORWARD_PENDING_COUNT) < 0) {
		free(f);
		return -ENOMEM;
	}
	f->ops = ops;
	f->arg = arg;
	prng_init(&f->prng, seed, "dns/forward");
	f->seed = prng_u64(&f->prng);
	for (size_t i = FORWARD_PENDING_COUNT; i > 0; i--) {
		heap_item_init(&f->pending[i - 1].timer, (uint32_t)i);
		f->pending[i - 1].next = f->free;
		f->free = &f->pending[i - 1];
	}
	*ret_forward = f;
	return 0;
}

/* ---- who waits ------------------------------------------------------------------------ */

static struct source **source_at(struct forward *f, uint64_t key)
{
	struct source **at = &f->sources[XXH3_64bits_withSeed(&key, sizeof key, f->seed) % SOURCE_BUCKETS];

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

/* Takes @w out of its source, which goes with its last one, and frees it. Its pending query is the caller's. */
static void waiter_free(struct forward *f, struct waiter *w)
{
	struct source *s = w->source, **at;

	*(w->older ? &w->older->newer : &s->oldest) = w->newer;
	*(w->newer ? &w->newer->older : &s->newest) = w->older;
	if (--s->n == 0) {
		at = source_at(f, s->key);
		*at = s->next;
		free(s);
	}
	f->n_waiters--;
	free(w);
}

/* Returns 0 or -ENOMEM. */
static int waiter_add(struct forward *f, struct pending *p, const struct forward_client *client,
		      const struct dns_msg *msg)
{
	struct waiter *w = calloc(1, sizeof *w), **at = &p->waiters;
	struct source **place = source_at(f, client->source), *s = *place;

	if (w && !s)
		s = *place = calloc(1, sizeof *s);
	if (!w || !s) {
		free(w);
		return -ENOMEM;
	}
	s->key = client->source;
	*w = (struct waiter){ .source = s, .pending = p, .client = *client, .msg = *msg, .older = s->newest };
	*(s->newest ? &s->newest->newer : &s->oldest) = w;
	s->newest = w;
	s->n++;
	f->n_waiters++;
	while (*at)
		at = &(*at)->next;
	*at = w;
	return 0;
}

/* ---- pending queries -------------------------------------------------------------------- */

static uint32_t slot_of(const struct forward *f, const struct pending *p, size_t i)
{
	return (uint32_t)p->attempts[i].generation << GENERATION_SHIFT |
	       (uint32_t)((size_t)(p - f->pending) * FORWARD_OPEN_COUNT + i);
}

static void close_attempts(struct forward *f, struct pending *p)
{
	for (size_t i = 0; i < FORWARD_OPEN_COUNT; i++) {
		if (!p->attempts[i].is_open)
			continue;
		p->attempts[i].is_open = false;
		f->ops->close(f->arg, slot_of(f, p, i));
	}
}

/* Ends @p, for which nobody waits any more. */
static void pending_end(struct forward *f, struct pending *p)
{
	struct pending **at = &f->buckets[p->hash % BUCKETS];

	assert(!p->waiters);
	close_attempts(f, p);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	heap_move(&f->timers, &p->timer, NSEC_NEVER);
	free(p->query);
	p->query = NULL;
	p->next = f->free;
	f->free = p;
	f->n_pending--;
}

/* Equal but for the id, and the case of the name that begins behind the header. */
static bool is_equal(const uint8_t *a, const uint8_t *b, size_t len, size_t name_len)
{
	size_t at = 2;

	if (memcmp(a + at, b + at, DNS_HEADER_LEN - at) != 0)
		return false;
	for (at = DNS_HEADER_LEN; at < DNS_HEADER_LEN + name_len; at++)
		if (dns_lower(a[at]) != dns_lower(b[at]))
			return false;
	return memcmp(a + at, b + at, len - at) == 0;
}

static uint64_t hash_of(const struct forward *f, const uint8_t *query, size_t len, size_t name_len)
{
	uint8_t lower[FORWARD_QUERY_MAX];

	memcpy(lower, query, len);
	for (size_t i = DNS_HEADER_LEN; i < DNS_HEADER_LEN + name_len; i++)
		lower[i] = dns_lower(lower[i]);
	return XXH3_64bits_withSeed(lower + 2, len - 2, f->seed);
}

static struct pending *pending_find(const struct forward *f, const uint8_t *query, size_t len, size_t name_len,
				    uint64_t hash)
{
	struct pending *p = f->buckets[hash % BUCKETS];

	while (p && (p->hash != hash || p->query_len != len || !is_equal(p->query, query, len, name_len)))
		p = p->next;
	return p;
}

/* ---- answers to clients ------------------------------------------------------------------ */

/* Hands @w the answer @msg with its own id and spelling; NULL: SERVFAIL. What is too long for it goes without records. */
static void answer_waiter(struct forward *f, const struct waiter *w, const uint8_t *msg, size_t len)
{
	size_t limit = w->client.transport == DNS_OVER_TCP ? DNS_MSG_MAX : dns_udp_limit(&w->msg);
	const struct dns_name *name = &w->msg.question.name;

	if (!msg) {
		len = dns_write_plain(&w->msg, DNS_RA, DNS_SERVFAIL, f->buf, sizeof f->buf);
	} else if (len > limit) {
		len = dns_write_plain(&w->msg, DNS_RA | DNS_TC, load_be16(msg + 2) & DNS_RCODE_MASK, f->buf,
				      sizeof f->buf);
	} else {
		memcpy(f->buf, msg, len);
		store_be16(f->buf, w->msg.header.id);
		/* The first name of a message has no pointer: the one of an answer is as long as the client's. */
		memcpy(f->buf + DNS_HEADER_LEN, name->b, name->len);
	}
	f->ops->answer(f->arg, &w->client, f->buf, len);
}

/* Answers all that wait for @p, and ends it. @msg: NULL: SERVFAIL. */
static void finish(struct forward *f, struct pending *p, const uint8_t *msg, size_t len)
{
	struct waiter *w;

	while ((w = p->waiters)) {
		p->waiters = w->next;
		(*(msg ? &f->counters.answered : &f->counters.failed))++;
		answer_waiter(f, w, msg, len);
		waiter_free(f, w);
	}
	pending_end(f, p);
}

/* ---- tries --------------------------------------------------------------------------------- */

static unsigned tries_max(const struct forward *f)
{
	size_t n = 2 * f->n_resolvers;

	return n < FORWARD_TRIES_MIN ? FORWARD_TRIES_MIN : n > FORWARD_TRIES_MAX ? FORWARD_TRIES_MAX : (unsigned)n;
}

static void send_to(struct forward *f, struct pending *p, uint8_t resolver, enum dns_transport transport, nsec_t now,
		    nsec_t patience)
{
	size_t i = p->next_attempt;
	struct attempt *a = &p->attempts[i];
	struct forward_send s = { .resolver = resolver, .transport = transport, .msg = p->query, .len = p->query_len };

	if (a->is_open)
		f->ops->close(f->arg, slot_of(f, p, i));
	p->next_attempt = (uint8_t)((i + 1) % FORWARD_OPEN_COUNT);
	a->generation++;
	a->id = (uint16_t)prng_u64(&f->prng);
	a->resolver = resolver;
	a->transport = transport;
	a->is_open = true;
	p->n_tries++;
	p->n_asked += transport == DNS_OVER_UDP;
	p->sent_at = now;
	heap_move(&f->timers, &p->timer, now + patience);
	(*(transport == DNS_OVER_TCP ? &f->counters.sent_tcp : &f->counters.sent))++;
	store_be16(p->query, a->id);
	s.slot = slot_of(f, p, i);
	s.port = (uint16_t)(PORT_FIRST + prng_below(&f->prng, UINT16_MAX + 1 - PORT_FIRST));
	f->ops->send(f->arg, &s);
	store_be16(p->query, 0);
}

/* Asks the next resolver; after the last try, gives up. */
static void try_next(struct forward *f, struct pending *p, nsec_t now)
{
	size_t n = f->n_resolvers;

	if (n == 0 || p->n_tries >= tries_max(f)) {
		finish(f, p, NULL, 0);
		return;
	}
	send_to(f, p, (uint8_t)((p->first + p->n_asked) % n), DNS_OVER_UDP, now,
		FORWARD_TRY_NS * (nsec_t)(1 + p->n_tries / n));
}

/* After a try that failed: waits for the others, or goes on at once. */
static void go_on(struct forward *f, struct pending *p, nsec_t now)
{
	for (size_t i = 0; i < FORWARD_OPEN_COUNT; i++)
		if (p->attempts[i].is_open)
			return;
	try_next(f, p, now);
}

/* The resolver @resolver is not the one to ask first. */
static void demote(struct forward *f, uint8_t resolver)
{
	if (f->n_resolvers && resolver == f->preferred)
		f->preferred = (uint8_t)((resolver + 1u) % f->n_resolvers);
}

void forward_set_resolvers(struct forward *f, const struct forward_resolver *resolvers, size_t n, nsec_t now)
{
	assert(n <= FORWARD_RESOLVER_COUNT);
	memcpy(f->resolvers, resolvers, n * sizeof *resolvers);
	f->n_resolvers = n;
	f->preferred = 0;
	for (size_t i = 0; i < FORWARD_PENDING_COUNT; i++) {
		struct pending *p = &f->pending[i];

		if (!p->query)
			continue;
		close_attempts(f, p);
		p->n_tries = p->n_asked = p->first = 0;
		try_next(f, p, now);
	}
}

/* ---- queries --------------------------------------------------------------------------------- */

/* Throws out the oldest query of the source that has the most. */
static void evict(struct forward *f)
{
	struct source *most = NULL;
	struct waiter *w, **at;
	struct pending *p;

	for (size_t i = 0; i < SOURCE_BUCKETS; i++)
		for (struct source *s = f->sources[i]; s; s = s->next)
			if (!most || s->n > most->n)
				most = s;
	assert(most);
	w = most->oldest;
	p = w->pending;
	for (at = &p->waiters; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	waiter_free(f, w);
	f->counters.evicted++;
	if (!p->waiters)
		pending_end(f, p);
}

/* The query of @client that waits and is asked again; NULL when this is another one. */
static struct pending *find_repeated(struct forward *f, const struct forward_client *client, const struct dns_msg *msg)
{
	const struct source *s = *source_at(f, client->source);

	for (struct waiter *w = s ? s->newest : NULL; w; w = w->older)
		if (w->client.token == client->token && w->msg.header.id == msg->header.id &&
		    w->client.transport == client->transport && w->msg.question.type == msg->question.type &&
		    dns_name_equal(&w->msg.question.name, &msg->question.name))
			return w->pending;
	return NULL;
}

/* A new pending query, with nobody who waits for it. @query: @len bytes. NULL: no memory. */
static struct pending *pending_new(struct forward *f, const uint8_t *query, size_t len, const struct dns_msg *msg,
				   uint64_t hash)
{
	struct pending *p = f->free;
	uint8_t *copy = malloc(len);

	if (!copy)
		return NULL;
	memcpy(copy, query, len);
	f->free = p->next;
	p->query = copy;
	p->query_len = len;
	p->hash = hash;
	p->question = msg->question;
	p->n_tries = p->n_asked = 0;
	p->first = f->preferred;
	p->waiters = NULL;
	p->next = f->buckets[hash % BUCKETS];
	f->buckets[hash % BUCKETS] = p;
	f->n_pending++;
	return p;
}

/* Has @client wait for an equal query, or for this one, which is sent. */
static void take_query(struct forward *f, const struct forward_client *client, const uint8_t *query, size_t len,
		       const struct dns_msg *msg, nsec_t now)
{
	size_t name_len = msg->question.name.len;
	uint64_t hash = hash_of(f, query, len, name_len);
	struct pending *p;

	while (f->n_waiters >= FORWARD_WAITER_COUNT)
		evict(f);
	p = pending_find(f, query, len, name_len, hash);
	if (p) {
		f->counters.merged++;
		if (waiter_add(f, p, client, msg) < 0)
			f->counters.no_memory++;
		return;
	}
	while (!f->free)
		evict(f);
	p = pending_new(f, query, len, msg, hash);
	if (!p || waiter_add(f, p, client, msg) < 0) {
		f->counters.no_memory++;
		if (p)
			pending_end(f, p);
		return;
	}
	try_next(f, p, now);
}

enum forward_verdict forward_query(struct forward *f, const struct forward_client *client, const uint8_t *msg,
				   size_t len, nsec_t now)
{
	uint8_t query[FORWARD_QUERY_MAX];
	const struct source *s;
	struct pending *p;
	struct dns_msg m;

	f->counters.queries++;
	if (len > sizeof query || dns_msg_parse(msg, len, &m) != DNS_WELL_FORMED ||
	    m.header.flags & (DNS_QR | DNS_OPCODE_MASK)) {
		f->counters.malformed++;
		return FORWARD_MALFORMED;
	}
	p = find_repeated(f, client, &m);
	if (p) {
		f->counters.repeated++;
		if (now - p->sent_at >= FORWARD_AGAIN_NS && p->n_tries < tries_max(f))
			try_next(f, p, now);
		return FORWARD_TAKEN;
	}
	s = *source_at(f, client->source);
	if (s && s->n >= FORWARD_SOURCE_MAX) {
		f->counters.limited++;
		return FORWARD_LIMITED;
	}
	memcpy(query, msg, len);
	store_be16(query, 0);
	/* Larger answers come in fragments, which can be forged: CVE-2023-28450. */
	if (m.has_opt && m.udp_size > DNS_UDP_MAX)
		store_be16(query + m.opt_at + 3, DNS_UDP_MAX);
	take_query(f, client, query, len, &m, now);
	return FORWARD_TAKEN;
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* The try that has the socket @slot; NULL when it is closed. */
static struct attempt *attempt_at(struct forward *f, uint32_t slot, struct pending **ret_pending)
{
	size_t place = forward_place(slot);
	struct pending *p;
	struct attempt *a;

	if (place >= FORWARD_SLOT_COUNT)
		return NULL;
	p = &f->pending[place / FORWARD_OPEN_COUNT];
	a = &p->attempts[place % FORWARD_OPEN_COUNT];
	if (!a->is_open || a->generation != slot >> GENERATION_SHIFT)
		return NULL;
	*ret_pending = p;
	return a;
}

static void close_attempt(struct forward *f, struct pending *p, struct attempt *a)
{
	a->is_open = false;
	f->ops->close(f->arg, slot_of(f, p, (size_t)(a - p->attempts)));
}

/* Whether what came is from whom was asked, with the id that was sent there. */
static bool is_from_there(const struct forward *f, const struct attempt *a, const struct forward_resolver *from,
			  const struct dns_msg *msg)
{
	const struct forward_resolver *asked = &f->resolvers[a->resolver];

	return ip_equal(&asked->ip, &from->ip) && asked->port == from->port && msg->header.id == a->id &&
	       (msg->header.flags & (DNS_QR | DNS_OPCODE_MASK)) == DNS_QR;
}

static bool is_question_of(const struct pending *p, const struct dns_msg *msg)
{
	return msg->question_end && msg->question.type == p->question.type &&
	       msg->question.class == p->question.class && dns_name_equal(&msg->question.name, &p->question.name);
}

/* An rcode that says that this resolver cannot answer, and another might. */
static bool is_refusal(const struct dns_msg *msg)
{
	unsigned rcode = msg->header.flags & DNS_RCODE_MASK;

	return rcode == DNS_SERVFAIL || rcode == DNS_REFUSED || rcode == DNS_NOTIMP;
}

/* An answer to what was asked. */
static void take_answer(struct forward *f, struct pending *p, struct attempt *a, const uint8_t *msg, size_t len,
			const struct dns_msg *m, nsec_t now)
{
	uint8_t resolver = a->resolver;

	if (m->header.flags & DNS_TC && a->transport == DNS_OVER_UDP) {
		close_attempt(f, p, a);
		send_to(f, p, resolver, DNS_OVER_TCP, now, FORWARD_TCP_NS);
		return;
	}
	if (is_refusal(m) && p->n_tries < f->n_resolvers) {
		demote(f, resolver);
		close_attempt(f, p, a);
		go_on(f, p, now);
		return;
	}
	if (!is_refusal(m))
		f->preferred = resolver;
	finish(f, p, msg, len);
}

void forward_answer(struct forward *f, uint32_t slot, const struct forward_resolver *from, const uint8_t *msg,
		    size_t len, nsec_t now)
{
	struct pending *p = NULL;
	struct attempt *a = attempt_at(f, slot, &p);
	struct dns_msg m;
	enum dns_verdict verdict = dns_msg_parse(msg, len, &m);

	if (!a || verdict == DNS_NO_HEADER || !is_from_there(f, a, from, &m)) {
		f->counters.mismatched++;
		return;
	}
	/* An error that does not say for what: the try has failed, and nobody is told what it says. */
	if (m.header.n_question == 0 && m.header.flags & DNS_RCODE_MASK) {
		demote(f, a->resolver);
		close_attempt(f, p, a);
		go_on(f, p, now);
		return;
	}
	if (!is_question_of(p, &m)) {
		f->counters.mismatched++;
		return;
	}
	/* Where the answer is cut, its records may be, too; only whole ones are passed on. */
	if (verdict == DNS_MALFORMED && !(m.header.flags & DNS_TC && a->transport == DNS_OVER_UDP)) {
		f->counters.bad_answers++;
		finish(f, p, NULL, 0);
		return;
	}
	take_answer(f, p, a, msg, len, &m, now);
}

void forward_failed(struct forward *f, uint32_t slot, nsec_t now)
{
	struct pending *p = NULL;
	struct attempt *a = attempt_at(f, slot, &p);

	if (!a)
		return;
	a->is_open = false;
	demote(f, a->resolver);
	go_on(f, p, now);
}

/* ---- time ------------------------------------------------------------------------------------------ */

nsec_t forward_next(const struct forward *f)
{
	return heap_next(&f->timers);
}

void forward_step(struct forward *f, nsec_t now)
{
	while (heap_next(&f->timers) <= now) {
		struct pending *p = (struct pending *)heap_first(&f->timers);
		size_t last = (p->next_attempt + FORWARD_OPEN_COUNT - 1u) % FORWARD_OPEN_COUNT;

		demote(f, p->attempts[last].resolver);
		try_next(f, p, now);
	}
}

size_t forward_pending(const struct forward *f)
{
	return f->n_pending;
}

size_t forward_waiting(const struct forward *f)
{
	return f->n_waiters;
}

const struct forward_counters *forward_counters(const struct forward *f)
{
	return &f->counters;
}

struct forward *forward_free(struct forward *f)
{
	if (!f)
		return NULL;
	for (size_t i = 0; i < FORWARD_PENDING_COUNT; i++) {
		for (struct waiter *w = f->pending[i].waiters, *next; w; w = next) {
			next = w->next;
			waiter_free(f, w);
		}
		free(f->pending[i].query);
	}
	heap_done(&f->timers);
	free(f);
	return NULL;
}
