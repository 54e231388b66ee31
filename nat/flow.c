/* nat/flow.c: the flow table: a seeded hash, a list by use for each source, and two heaps.
 *
 * One heap has the timers of flows. The other has the sources, and the one with the most flows comes first. A source
 * lives as long as it has flows, so there are never more sources than flows.
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

struct flow_source {
	uint64_t id;
	struct flow_source *next; /* of its bucket */
	struct flow *newest, *oldest;
	uint32_t n;
	struct heap_item rank; /* at: minus its flows */
};

struct flow_table {
	uint64_t seed;
	struct flow_limits limits;
	flow_end_fn *fn;
	void *ctx;
	struct flow **buckets; /* @mask + 1 of them */
	struct flow_source **sources; /* as many */
	uint32_t mask, n, n_sources;
	struct heap timers, ranks;
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
	t->buckets = calloc(size, sizeof(struct flow *));
	t->sources = calloc(size, sizeof(struct flow_source *));
	if (!t->buckets || !t->sources) {
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
	heap_done(&t->ranks);
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
	heap_move(&t->ranks, &s->rank, s->n ? -(nsec_t)s->n : NSEC_NEVER);
}

static void list_add(struct flow_source *s, struct flow *f)
{
	f->newer = NULL;
	f->older = s->newest;
	if (s->newest)
		s->newest->newer = f;
	else
		s->oldest = f;
	s->newest = f;
}

static void list_remove(struct flow_source *s, struct flow *f)
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

static struct flow_source *source_find(const struct flow_table *t, uint64_t id)
{
	struct flow_source *s = *source_bucket(t, id);

	while (s && s->id != id)
		s = s->next;
	return s;
}

static struct flow_source *source_get(struct flow_table *t, uint64_t id)
{
	struct flow_source *s = source_find(t, id), **at;

	if (s)
		return s;
	if (heap_reserve(&t->ranks, t->n_sources + 1) < 0 || !(s = calloc(1, sizeof *s)))
		return NULL;
	at = source_bucket(t, id);
	s->id = id;
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

static void make_room(struct flow_table *t, uint64_t source)
{
	struct flow_source *own = source_find(t, source);

	if (own && own->n >= t->limits.source_max) {
		end(t, own->oldest, FLOW_END_SOURCE_FULL);
	} else if (t->n >= t->limits.total_max) {
		struct heap_item *first = heap_first(&t->ranks);
		struct flow_source *most =
			(struct flow_source *)((char *)first - offsetof(struct flow_source, rank));

		end(t, most->oldest, FLOW_END_TABLE_FULL);
	}
}

int flow_add(struct flow_table *t, struct flow *flow, uint64_t source, nsec_t now)
{
	struct flow_source *s;
	struct flow **at;

	assert(!flow_find(t, &flow->key) && flow->idle_ns > 0);
	make_room(t, source);
	if (heap_reserve(&t->timers, t->n + 1) < 0 || !(s = source_get(t, source))) {
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
	list_add(s, flow);
	s->n++;
	source_recount(t, s);
	t->n++;
	t->count.opened++;
	return 0;
}

void flow_use(struct flow_table *t, struct flow *flow, nsec_t now)
{
	(void)t;
	flow->used_at = now;
	if (flow->source->newest == flow)
		return;
	list_remove(flow->source, flow);
	list_add(flow->source, flow);
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
	list_remove(s, flow);
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
