/* nat/flow.c: the flow table: a seeded hash, two lists for each source, and heaps.
 *
 * One heap has the timers of flows. Each network has one of its sources, and the one with the most flows comes first. A
 * source lives as long as it has flows, so there are never more sources than flows.
 *
 * Used by: nat/nat_core.c and its parts. */
#include "nat/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* No padding: a key is compared and hashed as bytes. */
_Static_assert(sizeof(struct flow_key) == 40, "a key has no gaps");

struct flow_list {
	struct flow *newest, *oldest;
};

struct flow_source {
	uint64_t id;
	struct flow_source *next; /* of its bucket */
	struct flow_list lists[2]; /* in use; retired */
	uint16_t network;
	uint32_t n;
	struct heap_item rank; /* at: minus its flows */
};

struct flow_network {
	uint32_t n;
	struct heap ranks;
};

struct flow_table {
	uint64_t seed;
	struct flow_limits limits;
	flow_end_fn *fn;
	void *ctx;
	struct flow **buckets; /* @mask + 1 of them */
	struct flow_source **sources; /* as many */
	uint32_t mask, n, n_sources;
	struct heap timers;
	struct flow_network *networks; /* limits.n_networks of them */
	struct flow_counters count;
};

static struct flow **bucket_of(const struct flow_table *t, const struct flow_key *key)
{
	return &t->buckets[XXH3_64bits_withSeed(key, sizeof *key, t->seed) & t->mask];
}

static struct flow_source **source_bucket(const struct flow_table *t, uint64_t id)
{
	return &t->sources[XXH3_64bits_withSeed(&id, sizeof id, t->seed) & t->mask];
}

int flow_table_new(uint64_t seed, const struct flow_limits *limits, flow_end_fn *fn, void *ctx,
		   struct flow_table **ret_table)
{
	struct flow_table *t = calloc(1, sizeof *t);
	uint32_t size = 16;

	if (!t)
		return -ENOMEM;
	while (size < limits->total_max && size < UINT32_C(1) << 20)
		size *= 2;
	*t = (struct flow_table){ .seed = seed, .limits = *limits, .fn = fn, .ctx = ctx, .mask = size - 1 };
	t->limits.n_networks = limits->n_networks ? limits->n_networks : 1;
	t->limits.network_max = limits->network_max ? limits->network_max : UINT32_MAX;
	t->networks = calloc(t->limits.n_networks, sizeof *t->networks);
	t->buckets = calloc(size, sizeof(struct flow *));
	t->sources = calloc(size, sizeof(struct flow_source *));
	if (!t->buckets || !t->sources || !t->networks) {
		flow_table_free(t);
		return -ENOMEM;
	}
	*ret_table = t;
	return 0;
}

struct flow_table *flow_table_free(struct flow_table *t)
{
	if (!t)
		return NULL;
	assert(t->n == 0);
	heap_done(&t->timers);
	for (uint32_t i = 0; t->networks && i < t->limits.n_networks; i++)
		heap_done(&t->networks[i].ranks);
	free(t->networks);
	free(t->buckets);
	free(t->sources);
	free(t);
	return NULL;
}

struct flow_key flow_key_make(enum flow_kind kind, uint16_t network, const struct ip_addr *guest, uint16_t guest_port,
			      const struct ip_addr *remote, uint16_t remote_port)
{
	struct flow_key k = { .kind = (uint8_t)kind,
			      .family = (uint8_t)guest->family,
			      .network = network,
			      .guest_port = guest_port,
			      .remote_port = remote_port };
	size_t len = guest->family == IP_V4 ? 4 : 16;

	memcpy(k.guest, guest->b, len);
	if (remote)
		memcpy(k.remote, remote->b, len);
	return k;
}

static struct ip_addr key_addr(const struct flow_key *key, const uint8_t *b)
{
	struct ip_addr a = { .family = key->family == IP_V4 ? IP_V4 : IP_V6,
			     .prefix_len = key->family == IP_V4 ? 32 : 128 };

	memcpy(a.b, b, a.family == IP_V4 ? 4 : 16);
	return a;
}

struct ip_addr flow_key_guest(const struct flow_key *key)
{
	return key_addr(key, key->guest);
}

struct ip_addr flow_key_remote(const struct flow_key *key)
{
	return key_addr(key, key->remote);
}

struct flow *flow_find(const struct flow_table *t, const struct flow_key *key)
{
	struct flow *f = *bucket_of(t, key);

	while (f && memcmp(&f->key, key, sizeof *key) != 0)
		f = f->next;
	return f;
}

/* ---- sources ----------------------------------------------------------------- */

static void source_recount(struct flow_table *t, struct flow_source *s)
{
	heap_move(&t->networks[s->network].ranks, &s->rank, s->n ? -(nsec_t)s->n : NSEC_NEVER);
}

static void list_add(struct flow_list *s, struct flow *f)
{
	f->newer = NULL;
	f->older = s->newest;
	if (s->newest)
		s->newest->newer = f;
	else
		s->oldest = f;
	s->newest = f;
}

static void list_remove(struct flow_list *s, struct flow *f)
{
	if (f->newer)
		f->newer->older = f->older;
	else
		s->newest = f->older;
	if (f->older)
		f->older->newer = f->newer;
	else
		s->oldest = f->newer;
}

static struct flow_list *list_of(const struct flow *f)
{
	return &f->source->lists[f->is_retired];
}

static struct flow_source *source_find(const struct flow_table *t, uint64_t id)
{
	struct flow_source *s = *source_bucket(t, id);

	while (s && s->id != id)
		s = s->next;
	return s;
}

static struct flow_source *source_get(struct flow_table *t, uint64_t id, uint16_t network)
{
	struct heap *ranks = &t->networks[network].ranks;
	struct flow_source *s = source_find(t, id), **at;

	assert(!s || s->network == network);
	if (s)
		return s;
	if (heap_reserve(ranks, ranks->n + 1) < 0 || !(s = calloc(1, sizeof *s)))
		return NULL;
	at = source_bucket(t, id);
	s->id = id;
	s->network = network;
	heap_item_init(&s->rank, (uint32_t)id);
	s->next = *at;
	*at = s;
	t->n_sources++;
	return s;
}

static void source_put(struct flow_table *t, struct flow_source *s)
{
	struct flow_source **at = source_bucket(t, s->id);

	if (s->n)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	t->n_sources--;
	free(s);
}

/* ---- flows ------------------------------------------------------------------- */

static void end(struct flow_table *t, struct flow *f, enum flow_end why)
{
	uint32_t n = t->n;

	t->count.ended[why]++;
	t->fn(t->ctx, f, why);
	assert(t->n == n - 1);
	(void)n;
}

/* The flow that @s loses: one that is retired, else the idlest. */
static struct flow *first_of(const struct flow_source *s)
{
	return s->lists[true].oldest ? s->lists[true].oldest : s->lists[false].oldest;
}

/* The same for @w, which has flows. */
static struct flow *first_of_most(const struct flow_network *w)
{
	struct heap_item *first = heap_first(&w->ranks);

	return first_of((struct flow_source *)((char *)first - offsetof(struct flow_source, rank)));
}

/* Networks are few, and a table is full only sometimes: they are looked through. */
static const struct flow_network *largest(const struct flow_table *t, const struct flow_network *asks)
{
	for (uint32_t i = 0; i < t->limits.n_networks; i++)
		if (t->networks[i].n > asks->n)
			asks = &t->networks[i];
	return asks;
}

static void make_room(struct flow_table *t, uint16_t network, uint64_t source)
{
	const struct flow_network *w = &t->networks[network];
	struct flow_source *own = source_find(t, source);

	if (own && own->n >= t->limits.source_max)
		end(t, first_of(own), FLOW_END_SOURCE_FULL);
	else if (w->n >= t->limits.network_max)
		end(t, first_of_most(w), FLOW_END_NETWORK_FULL);
	else if (t->n >= t->limits.total_max)
		end(t, first_of_most(largest(t, w)), FLOW_END_TABLE_FULL);
}

int flow_add(struct flow_table *t, struct flow *flow, uint64_t source, nsec_t now)
{
	struct flow_source *s;
	struct flow **at;

	assert(!flow_find(t, &flow->key) && flow->idle_ns > 0 && flow->key.network < t->limits.n_networks);
	make_room(t, flow->key.network, source);
	if (heap_reserve(&t->timers, t->n + 1) < 0 || !(s = source_get(t, source, flow->key.network))) {
		t->count.no_memory++;
		return -ENOMEM;
	}
	heap_item_init(&flow->timer, 0);
	heap_move(&t->timers, &flow->timer, now + flow->idle_ns);
	at = bucket_of(t, &flow->key);
	flow->next = *at;
	*at = flow;
	flow->source = s;
	flow->used_at = flow->opened_at = now;
	flow->is_retired = false;
	list_add(&s->lists[false], flow);
	s->n++;
	t->networks[s->network].n++;
	source_recount(t, s);
	t->n++;
	t->count.opened++;
	return 0;
}

void flow_use(struct flow_table *t, struct flow *flow, nsec_t now)
{
	(void)t;
	flow->used_at = now;
	if (flow->is_retired || list_of(flow)->newest == flow)
		return;
	list_remove(list_of(flow), flow);
	list_add(list_of(flow), flow);
}

void flow_retire(struct flow *flow)
{
	if (flow->is_retired)
		return;
	list_remove(list_of(flow), flow);
	flow->is_retired = true;
	list_add(list_of(flow), flow);
}

void flow_set_idle(struct flow_table *t, struct flow *flow, nsec_t idle_ns)
{
	flow->idle_ns = idle_ns;
	if (flow->used_at + idle_ns < flow->timer.at)
		heap_move(&t->timers, &flow->timer, flow->used_at + idle_ns);
}

void flow_remove(struct flow_table *t, struct flow *flow)
{
	struct flow **at = bucket_of(t, &flow->key);
	struct flow_source *s = flow->source;

	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	heap_move(&t->timers, &flow->timer, NSEC_NEVER);
	list_remove(list_of(flow), flow);
	t->networks[s->network].n--;
	s->n--;
	source_recount(t, s);
	source_put(t, s);
	flow->source = NULL;
	t->n--;
	t->count.closed++;
}

nsec_t flow_next(const struct flow_table *t)
{
	return heap_next(&t->timers);
}

void flow_run(struct flow_table *t, nsec_t now)
{
	while (heap_next(&t->timers) <= now) {
		struct flow *f = (struct flow *)((char *)heap_first(&t->timers) - offsetof(struct flow, timer));

		if (f->used_at + f->idle_ns > now)
			heap_move(&t->timers, &f->timer, f->used_at + f->idle_ns);
		else
			end(t, f, FLOW_END_IDLE);
	}
}

void flow_each(struct flow_table *t, bool (*fn)(void *ctx, struct flow *flow), void *ctx)
{
	for (uint32_t i = 0; i <= t->mask; i++)
		for (struct flow *f = t->buckets[i], *next; f; f = next) {
			next = f->next;
			if (!fn(ctx, f))
				return;
		}
}

uint32_t flow_count(const struct flow_table *t)
{
	return t->n;
}

uint32_t flow_sources(const struct flow_table *t)
{
	return t->n_sources;
}

uint64_t flow_source_id(const struct flow *flow)
{
	return flow->source->id;
}

const struct flow_counters *flow_counters(const struct flow_table *t)
{
	return &t->count;
}
