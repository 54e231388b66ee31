/* fabric/neighbours.c: the neighbour table.
 *
 * Entries lie in one array and are found by a hash with a secret seed. Three lists keep them in order of age:
 * unused, used, and free. INCOMPLETE entries are in none of the three but in a list of their own.
 *
 * Ranks in the heap of timers are numbers given at an entry's birth, which saved state keeps. So the order of
 * requests of one instant does not depend on places in the array.
 *
 * Used by: fabric/station_*.c.   Depends on: core/element_state.h, core/heap.h. */
#include "fabric/neighbours.h"

#include "core/element_state.h"
#include "core/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { N_BUCKETS = 1024, TRIES_MAX = 16 };

TAILQ_HEAD(neighbour_list, neighbour);
LIST_HEAD(neighbour_bucket, neighbour);

/* In the order of saved state: an entry is INCOMPLETE when it is added, and few may be. */
enum list { LIST_UNUSED, LIST_USED, LIST_INCOMPLETE, LIST_COUNT };

struct neighbours {
	uint64_t seed;
	struct neighbour entries[NEIGHBOURS_MAX];
	struct neighbour_bucket buckets[N_BUCKETS];
	struct neighbour_list lists[LIST_COUNT], unborn;
	struct heap timers;
	uint32_t n_entries, n_incomplete, next_rank;
	uint32_t n_frames;
	uint64_t frame_bytes, frame_memory; /* lengths; memory */
	uint64_t n_evicted;
};

int neighbours_new(uint64_t seed, struct neighbours **ret_table)
{
	struct neighbours *t = calloc(1, sizeof *t);

	if (!t || heap_reserve(&t->timers, NEIGHBOURS_MAX) < 0) {
		free(t);
		return -ENOMEM;
	}
	t->seed = seed;
	TAILQ_INIT(&t->unborn);
	for (size_t i = 0; i < LIST_COUNT; i++)
		TAILQ_INIT(&t->lists[i]);
	for (size_t i = 0; i < NEIGHBOURS_MAX; i++)
		TAILQ_INSERT_TAIL(&t->unborn, &t->entries[i], order);
	*ret_table = t;
	return 0;
}

static void free_frames(struct frame *f)
{
	while (f) {
		struct frame *next = f->next;

		frame_free(f);
		f = next;
	}
}

struct neighbours *neighbours_free(struct neighbours *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < NEIGHBOURS_MAX; i++)
		free_frames(t->entries[i].first);
	heap_done(&t->timers);
	free(t);
	return NULL;
}

/* The finisher of SplitMix64 over the address and the seed. */
static struct neighbour_bucket *bucket_of(const struct neighbours *t, const struct ip_addr *ip)
{
	uint64_t h = t->seed + (uint64_t)ip->family, part[2];

	memcpy(part, ip->b, sizeof part);
	for (size_t i = 0; i < 2; i++) {
		h = (h ^ part[i]) * 0xbf58476d1ce4e5b9ull;
		h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
		h ^= h >> 31;
	}
	return (struct neighbour_bucket *)&t->buckets[h % N_BUCKETS];
}

struct neighbour *neighbours_find(const struct neighbours *t, const struct ip_addr *ip)
{
	struct neighbour *n;

	LIST_FOREACH(n, bucket_of(t, ip), bucket)
	if (ip_equal(&n->ip, ip))
		return n;
	return NULL;
}

static struct neighbour_list *list_of(struct neighbours *t, const struct neighbour *n)
{
	if (n->state == NEIGHBOUR_INCOMPLETE)
		return &t->lists[LIST_INCOMPLETE];
	return &t->lists[n->was_used ? LIST_USED : LIST_UNUSED];
}

struct frame *neighbours_remove(struct neighbours *t, struct neighbour *n)
{
	struct frame *waited = neighbour_take_frames(t, n);

	TAILQ_REMOVE(list_of(t, n), n, order);
	LIST_REMOVE(n, bucket);
	heap_move(&t->timers, &n->timer, NSEC_NEVER);
	if (n->state == NEIGHBOUR_INCOMPLETE)
		t->n_incomplete--;
	t->n_entries--;
	TAILQ_INSERT_HEAD(&t->unborn, n, order);
	return waited;
}

/* KNOWN and PROBED entries have no frames. */
static void evict_one(struct neighbours *t)
{
	struct neighbour *n = TAILQ_FIRST(&t->lists[LIST_UNUSED]);

	if (!n)
		n = TAILQ_FIRST(&t->lists[LIST_USED]);
	free_frames(neighbours_remove(t, n));
	t->n_evicted++;
}

struct neighbour *neighbours_add(struct neighbours *t, const struct ip_addr *ip)
{
	struct neighbour *n;

	if (t->n_incomplete == NEIGHBOURS_INCOMPLETE_MAX)
		return NULL;
	if (t->n_entries == NEIGHBOURS_MAX)
		evict_one(t);
	n = TAILQ_FIRST(&t->unborn);
	TAILQ_REMOVE(&t->unborn, n, order);
	*n = (struct neighbour){ .ip = *ip };
	heap_item_init(&n->timer, t->next_rank++);
	LIST_INSERT_HEAD(bucket_of(t, ip), n, bucket);
	TAILQ_INSERT_TAIL(&t->lists[LIST_INCOMPLETE], n, order);
	t->n_entries++;
	t->n_incomplete++;
	return n;
}

void neighbour_known(struct neighbours *t, struct neighbour *n, const struct mac_addr *mac, nsec_t now)
{
	TAILQ_REMOVE(list_of(t, n), n, order);
	if (n->state == NEIGHBOUR_INCOMPLETE)
		t->n_incomplete--;
	n->state = NEIGHBOUR_KNOWN;
	n->mac = *mac;
	n->confirmed_ns = now;
	n->tries = 0;
	TAILQ_INSERT_TAIL(list_of(t, n), n, order);
	heap_move(&t->timers, &n->timer, NSEC_NEVER);
}

void neighbour_used(struct neighbours *t, struct neighbour *n)
{
	TAILQ_REMOVE(list_of(t, n), n, order);
	n->was_used = true;
	TAILQ_INSERT_TAIL(list_of(t, n), n, order);
}

void neighbour_probed(struct neighbour *n)
{
	n->state = NEIGHBOUR_PROBED;
	n->tries = 0;
}

void neighbour_wake_at(struct neighbours *t, struct neighbour *n, nsec_t at)
{
	heap_move(&t->timers, &n->timer, at);
}

struct neighbour *neighbours_due(const struct neighbours *t, nsec_t now)
{
	struct heap_item *first = heap_first(&t->timers);

	if (!first || first->at > now)
		return NULL;
	return (struct neighbour *)((char *)first - offsetof(struct neighbour, timer));
}

nsec_t neighbours_next(const struct neighbours *t)
{
	return heap_next(&t->timers);
}

/* ---- frames that wait ------------------------------------------------------ */

static struct frame *take_first(struct neighbours *t, struct neighbour *n)
{
	struct frame *f = n->first;

	n->first = f->next;
	if (!n->first)
		n->last = NULL;
	f->next = NULL;
	n->n_frames--;
	t->n_frames--;
	t->frame_bytes -= f->len;
	t->frame_memory -= frame_memory(f);
	return f;
}

static void append(struct neighbours *t, struct neighbour *n, struct frame *f)
{
	f->next = NULL;
	if (n->last)
		n->last->next = f;
	else
		n->first = f;
	n->last = f;
	n->n_frames++;
	t->n_frames++;
	t->frame_bytes += f->len;
	t->frame_memory += frame_memory(f);
}

struct frame *neighbour_queue(struct neighbours *t, struct neighbour *n, struct frame *f)
{
	struct frame *gone = NULL;

	/* RFC 4861 §7.2.2: the new one replaces the oldest. */
	if (n->n_frames == NEIGHBOUR_FRAMES_MAX)
		gone = take_first(t, n);
	if (t->n_frames == NEIGHBOURS_FRAMES_MAX || t->frame_memory + frame_memory(f) > NEIGHBOURS_BYTES_MAX) {
		if (gone) {
			gone->next = NULL;
			frame_free(f);
			return gone;
		}
		return f;
	}
	append(t, n, f);
	return gone;
}

struct frame *neighbour_take_frames(struct neighbours *t, struct neighbour *n)
{
	struct frame *first = NULL, **tail = &first;

	while (n->first) {
		*tail = take_first(t, n);
		tail = &(*tail)->next;
	}
	return first;
}

size_t neighbours_count(const struct neighbours *t)
{
	return t->n_entries;
}

void neighbours_held(const struct neighbours *t, uint64_t *ret_frames, uint64_t *ret_bytes)
{
	*ret_frames = t->n_frames;
	*ret_bytes = t->frame_bytes;
}

uint64_t neighbours_memory(const struct neighbours *t)
{
	return t->frame_memory;
}

uint64_t neighbours_evicted(const struct neighbours *t)
{
	return t->n_evicted;
}

/* ---- saved state ------------------------------------------------------------- */

static void frames_state(struct neighbours *t, struct neighbour *n, struct state *s, struct frame_pool *pool,
			 nsec_t now)
{
	uint32_t count = n->n_frames;
	struct frame *f = n->first;

	state_u32(s, &count);
	state_expect(s, count <= NEIGHBOUR_FRAMES_MAX && (!count || n->state == NEIGHBOUR_INCOMPLETE),
		     "frames that wait for a neighbour that is known, or too many");
	for (uint32_t i = 0; i < count && state_ok(s); i++) {
		struct frame *loaded;

		state_expect(s, t->n_frames < NEIGHBOURS_FRAMES_MAX, "too many frames that wait for neighbours");
		if (!state_ok(s))
			return;
		loaded = frame_state(f, s, pool, NEIGHBOURS_BYTES_MAX - t->frame_memory, now);
		if (state_is_load(s) && loaded)
			append(t, n, loaded);
		else if (f)
			f = f->next;
	}
}

/* The fields of an entry, but its frames. */
static void entry_state(struct neighbour *n, struct state *s, nsec_t now)
{
	uint8_t family = (uint8_t)n->ip.family, state = (uint8_t)n->state;

	state_u8(s, &family);
	state_bytes(s, n->ip.b, sizeof n->ip.b);
	state_bytes(s, n->mac.b, MAC_LEN);
	state_u8(s, &state);
	state_bool(s, &n->is_via);
	state_bool(s, &n->was_used);
	state_u8(s, &n->tries);
	state_u32(s, &n->timer.rank);
	state_time(s, &n->confirmed_ns, now);
	state_expect(s, (family == IP_V4 || family == IP_V6) && state < NEIGHBOUR_STATE_COUNT && n->tries <= TRIES_MAX,
		     "a neighbour that can be none");
	n->ip.family = (enum ip_family)family;
	n->ip.prefix_len = family == IP_V4 ? 32 : 128;
	if (family == IP_V4)
		memset(n->ip.b + 4, 0, sizeof n->ip.b - 4);
	n->state = (enum neighbour_state)state;
}

static void load_entry(struct neighbours *t, struct state *s, struct frame_pool *pool, nsec_t now)
{
	struct neighbour told = { 0 }, *n = NULL;
	nsec_t at = NSEC_NEVER;

	entry_state(&told, s, now);
	state_time(s, &at, now);
	if (state_ok(s)) {
		state_expect(s, !neighbours_find(t, &told.ip), "a neighbour that comes twice");
		state_expect(s, (told.state == NEIGHBOUR_KNOWN) == (at == NSEC_NEVER),
			     "a neighbour that waits for nothing, or does not wait");
		state_expect(s, told.confirmed_ns <= now && (told.state != NEIGHBOUR_INCOMPLETE || !told.was_used),
			     "a neighbour that was heard in the future, or used before it was known");
	}
	if (state_ok(s)) {
		n = neighbours_add(t, &told.ip);
		state_expect(s, n, "too many neighbours that are unknown");
	}
	if (!n || !state_ok(s))
		return;
	n->was_used = told.was_used;
	if (told.state != NEIGHBOUR_INCOMPLETE)
		neighbour_known(t, n, &told.mac, told.confirmed_ns);
	n->state = told.state;
	n->is_via = told.is_via;
	n->tries = told.tries;
	n->timer.rank = told.timer.rank;
	heap_move(&t->timers, &n->timer, at);
	frames_state(t, n, s, pool, now);
}

void neighbours_state(struct neighbours *t, struct state *s, struct frame_pool *pool, nsec_t now)
{
	uint32_t count = t->n_entries;

	state_u32(s, &count);
	state_expect(s, count <= NEIGHBOURS_MAX, "too many neighbours");
	if (state_is_load(s))
		for (uint32_t i = 0; i < count && state_ok(s); i++)
			load_entry(t, s, pool, now);
	for (size_t i = 0; !state_is_load(s) && i < LIST_COUNT; i++) {
		struct neighbour *n;

		TAILQ_FOREACH(n, &t->lists[i], order)
		{
			nsec_t at = n->timer.at;

			entry_state(n, s, now);
			state_time(s, &at, now);
			frames_state(t, n, s, pool, now);
		}
	}
	state_u32(s, &t->next_rank);
	state_u64(s, &t->n_evicted);
}
