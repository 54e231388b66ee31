/* dhcp/leases.c: the leases of one network and family: who has which address, until when.
 *
 * Each entry is in the table by address, while it is owned in the tables by client and by MAC, in the queue of its
 * state, and while it has an end in the heap. The chains of a MAC hold LEASES_PER_MAC entries at most. Queues are in
 * the order of entering, so the head is the oldest; entries of reserved addresses have a queue of their own, from
 * which nothing is ever taken for others. All steps are O(1), but O(log n) in the heap and among reservations.
 *
 * The hash is keyed with random bytes of the network's: a client cannot choose identifiers that meet in one chain.
 *
 * Used by: dhcp/dhcp4.c, dhcp/dhcp6.c, dhcp/lease_log.c.   Depends on: core/{heap,prng,state}.h, xxhash.
 * Sources: RFC 2131 §4.3.1 (choice of an address). */
#include "dhcp/leases.h"

#include "core/prng.h"
#include "core/sort.h"
#include "core/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BUCKETS_MIN = 64, SECRET_LEN = 192 /* XXH3's own size */ };
enum { QUEUE_RESERVED = LEASE_STATE_COUNT, QUEUE_COUNT };

struct queue {
	struct lease *head, *tail; /* the oldest, the newest */
	size_t n;
};

struct index {
	const struct lease_reservation **items;
	size_t n;
};

struct leases {
	const struct lease_config *config;
	size_t max, n_entries;
	uint64_t n_pool; /* addresses in the ranges */
	uint8_t secret[SECRET_LEN];
	size_t n_buckets; /* of each table; a power of 2 */
	struct lease **by_addr, **by_client, **by_mac; /* one allocation, at by_addr */
	struct queue queues[QUEUE_COUNT]; /* every entry is in one; the table owns them */
	size_t n_in[LEASE_STATE_COUNT];
	struct heap due;
	size_t fresh_range; /* the next address that may never have been handed out */
	uint64_t fresh_at;
	struct index res_addr, res_mac, res_id; /* one allocation, at res_addr.items */
};

static uint64_t hash_of(const struct leases *t, const void *data, size_t len)
{
	return XXH3_64bits_withSecret(data, len, t->secret, sizeof t->secret);
}

static size_t addr_bucket(const struct leases *t, uint64_t addr)
{
	return hash_of(t, &addr, sizeof addr) & (t->n_buckets - 1);
}

static size_t mac_bucket(const struct leases *t, const struct mac_addr *mac)
{
	return hash_of(t, mac->b, MAC_LEN) & (t->n_buckets - 1);
}

static size_t client_bucket(const struct leases *t, const struct mac_addr *mac, const uint8_t *id, size_t id_len)
{
	uint8_t key[MAC_LEN + LEASE_ID_MAX];

	memcpy(key, mac->b, MAC_LEN);
	if (id_len)
		memcpy(key + MAC_LEN, id, id_len);
	return hash_of(t, key, MAC_LEN + id_len) & (t->n_buckets - 1);
}

/* ---- queues ---- */

static struct queue *queue_of(struct leases *t, const struct lease *l)
{
	return &t->queues[l->is_reserved ? QUEUE_RESERVED : (unsigned)l->state];
}

static void queue_take(struct leases *t, struct lease *l)
{
	struct queue *q = queue_of(t, l);

	*(l->before ? &l->before->behind : &q->head) = l->behind;
	*(l->behind ? &l->behind->before : &q->tail) = l->before;
	l->before = l->behind = NULL;
	q->n--;
	t->n_in[l->state]--;
}

static void queue_put(struct leases *t, struct lease *l)
{
	struct queue *q = queue_of(t, l);

	l->before = q->tail;
	*(q->tail ? &q->tail->behind : &q->head) = l;
	q->tail = l;
	q->n++;
	t->n_in[l->state]++;
}

static bool has_end(enum lease_state state)
{
	return state == LEASE_OFFERED || state == LEASE_BOUND || state == LEASE_DECLINED;
}

/* The one place where an entry changes its state. */
static void set_state(struct leases *t, struct lease *l, enum lease_state state, nsec_t until)
{
	queue_take(t, l);
	l->state = state;
	l->until = until;
	queue_put(t, l);
	heap_move(&t->due, &l->due, has_end(state) ? until : NSEC_NEVER);
}

/* ---- hash tables ---- */

static void chain_owner(struct leases *t, struct lease *l)
{
	size_t b = client_bucket(t, &l->mac, l->id, l->id_len);

	l->same_client = t->by_client[b];
	t->by_client[b] = l;
	b = mac_bucket(t, &l->mac);
	l->same_mac = t->by_mac[b];
	t->by_mac[b] = l;
}

static void disown(struct leases *t, struct lease *l)
{
	struct lease **p;

	if (!l->is_owned)
		return;
	for (p = &t->by_client[client_bucket(t, &l->mac, l->id, l->id_len)]; *p != l; p = &(*p)->same_client)
		;
	*p = l->same_client;
	for (p = &t->by_mac[mac_bucket(t, &l->mac)]; *p != l; p = &(*p)->same_mac)
		;
	*p = l->same_mac;
	l->is_owned = false;
	l->hostname[0] = 0;
}

static void own(struct leases *t, struct lease *l, const struct lease_client *c)
{
	disown(t, l);
	l->mac = c->mac;
	l->id_len = c->id_len;
	if (c->id_len)
		memcpy(l->id, c->id, c->id_len);
	l->is_owned = true;
	chain_owner(t, l);
}

/* Doubles the tables when they are full. Returns 0 or -ENOMEM, then they are as they were. */
static int grow(struct leases *t)
{
	size_t n = t->n_buckets ? 2 * t->n_buckets : BUCKETS_MIN;
	struct lease **tables;

	if (t->n_entries < t->n_buckets)
		return 0;
	tables = calloc(3 * n, sizeof(struct lease *));
	if (!tables)
		return -ENOMEM;
	free(t->by_addr);
	t->by_addr = tables;
	t->by_client = tables + n;
	t->by_mac = tables + 2 * n;
	t->n_buckets = n;
	for (size_t q = 0; q < QUEUE_COUNT; q++) {
		for (struct lease *l = t->queues[q].head; l; l = l->behind) {
			size_t b = addr_bucket(t, l->addr);

			l->same_addr = t->by_addr[b];
			t->by_addr[b] = l;
			if (l->is_owned)
				chain_owner(t, l);
		}
	}
	return 0;
}

struct lease *leases_at(const struct leases *t, uint64_t addr)
{
	struct lease *l = t->by_addr[addr_bucket(t, addr)];

	while (l && l->addr != addr)
		l = l->same_addr;
	return l;
}

static bool is_client(const struct lease *l, const struct lease_client *c)
{
	return mac_equal(&l->mac, &c->mac) && l->id_len == c->id_len &&
	       (l->id_len == 0 || memcmp(l->id, c->id, l->id_len) == 0);
}

struct lease *leases_find(const struct leases *t, const struct lease_client *c)
{
	struct lease *l = t->by_client[client_bucket(t, &c->mac, c->id, c->id_len)];

	while (l && !is_client(l, c))
		l = l->same_client;
	return l;
}

/* ---- reservations ---- */

static int compare_id(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len != b_len ? (a_len < b_len ? -1 : 1) : memcmp(a, b, a_len);
}

static int order_addr(const void *a, const void *b)
{
	uint64_t x = (*(const struct lease_reservation *const *)a)->addr;
	uint64_t y = (*(const struct lease_reservation *const *)b)->addr;

	return x < y ? -1 : x > y;
}

static int order_mac(const void *a, const void *b)
{
	return memcmp((*(const struct lease_reservation *const *)a)->mac.b,
		      (*(const struct lease_reservation *const *)b)->mac.b, MAC_LEN);
}

static int order_id(const void *a, const void *b)
{
	const struct lease_reservation *x = *(const struct lease_reservation *const *)a;
	const struct lease_reservation *y = *(const struct lease_reservation *const *)b;

	return compare_id(x->id, x->id_len, y->id, y->id_len);
}

typedef int order_fn(const void *a, const void *b);

static const struct lease_reservation *look_up(const struct index *x, const struct lease_reservation *key,
					       order_fn *order)
{
	const struct lease_reservation **found = x->n ? bsearch(&key, x->items, x->n, sizeof *x->items, order) : NULL;

	return found ? *found : NULL;
}

/* Sorts an index. Returns false when two are equal. */
static bool sort_index(struct index *x, order_fn *order)
{
	if (x->n)
		qsort(x->items, x->n, sizeof *x->items, order);
	for (size_t i = 1; i < x->n; i++)
		if (order(&x->items[i - 1], &x->items[i]) == 0)
			return false;
	return true;
}

static int index_reservations(struct leases *t)
{
	size_t n = t->config->n_reservations;
	const struct lease_reservation **items = calloc(3 * n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	t->res_addr.items = items;
	t->res_mac.items = items + n;
	t->res_id.items = items + 2 * n;
	for (size_t i = 0; i < n; i++) {
		const struct lease_reservation *r = &t->config->reservations[i];

		t->res_addr.items[t->res_addr.n++] = r;
		if (r->id_len)
			t->res_id.items[t->res_id.n++] = r;
		else if (r->has_mac)
			t->res_mac.items[t->res_mac.n++] = r;
	}
	return sort_index(&t->res_addr, order_addr) && sort_index(&t->res_mac, order_mac) &&
			       sort_index(&t->res_id, order_id) ?
		       0 :
		       -EINVAL;
}

static bool is_reserved(const struct leases *t, uint64_t addr)
{
	return look_up(&t->res_addr, &(struct lease_reservation){ .addr = addr }, order_addr) != NULL;
}

/* How much of an identifier is the client's, not an IAID. */
static size_t client_id_len(const struct leases *t, size_t id_len)
{
	return id_len > t->config->iaid_len ? id_len - t->config->iaid_len : 0;
}

const struct lease_reservation *leases_reservation(const struct leases *t, const struct lease_client *c)
{
	struct lease_reservation key = { .mac = c->mac, .id = c->id, .id_len = (uint8_t)client_id_len(t, c->id_len) };
	const struct lease_reservation *r = key.id_len ? look_up(&t->res_id, &key, order_id) : NULL;

	return r ? r : look_up(&t->res_mac, &key, order_mac);
}

static bool in_ranges(const struct leases *t, uint64_t addr)
{
	for (size_t i = 0; i < t->config->n_ranges; i++)
		if (addr >= t->config->ranges[i].first && addr <= t->config->ranges[i].last)
			return true;
	return false;
}

bool leases_covers(const struct leases *t, uint64_t addr)
{
	return in_ranges(t, addr) || is_reserved(t, addr);
}

/* ---- life ---- */

uint64_t leases_max(const struct lease_config *config)
{
	uint64_t max = config->max ? config->max : LEASES_MAX, n = 0;

	for (size_t i = 0; i < config->n_ranges && n < max; i++) {
		uint64_t more = config->ranges[i].last - config->ranges[i].first;

		n = more < max - n ? n + more + 1 : max;
	}
	return n + config->n_reservations;
}

int leases_new(const struct lease_config *config, struct prng *prng, struct leases **ret_leases)
{
	struct leases *t = calloc(1, sizeof *t);
	int r;

	if (!t)
		return -ENOMEM;
	t->config = config;
	t->max = config->max ? config->max : LEASES_MAX;
	prng_bytes(prng, t->secret, sizeof t->secret);
	for (size_t i = 0; i < config->n_ranges; i++) {
		const struct lease_range *g = &config->ranges[i];

		if (g->first > g->last || (i && g->first <= g[-1].last)) {
			leases_free(t);
			return -EINVAL;
		}
		t->n_pool += g->last - g->first + 1;
	}
	r = index_reservations(t);
	if (r == 0)
		r = grow(t);
	if (r < 0) {
		leases_free(t);
		return r;
	}
	*ret_leases = t;
	return 0;
}

struct leases *leases_free(struct leases *t)
{
	if (!t)
		return NULL;
	for (size_t q = 0; q < QUEUE_COUNT; q++) {
		for (struct lease *l = t->queues[q].head, *next; l; l = next) {
			next = l->behind;
			free(l);
		}
	}
	heap_done(&t->due);
	free(t->by_addr);
	free(t->res_addr.items);
	free(t);
	return NULL;
}

static int make_entry(struct leases *t, uint64_t addr, struct lease **ret_lease)
{
	struct lease *l;
	size_t b;

	/* Reserved addresses have their entries beside the pool's. */
	if (t->n_entries - t->queues[QUEUE_RESERVED].n >= t->max && !is_reserved(t, addr))
		return -ENOSPC;
	if (grow(t) < 0 || heap_reserve(&t->due, t->n_entries + 1) < 0)
		return -ENOMEM;
	l = calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	l->addr = addr;
	l->state = LEASE_UNUSED;
	l->is_reserved = is_reserved(t, addr);
	heap_item_init(&l->due, (uint32_t)addr);
	b = addr_bucket(t, addr);
	l->same_addr = t->by_addr[b];
	t->by_addr[b] = l;
	t->n_entries++;
	queue_put(t, l);
	*ret_lease = l;
	return 0;
}

/* ---- the choice of an address ---- */

static bool is_live(const struct lease *l)
{
	return l->state == LEASE_OFFERED || l->state == LEASE_BOUND;
}

/* The entry of @addr, made when there is none yet; NULL when that fails, then *r says why. */
static struct lease *entry_of(struct leases *t, uint64_t addr, int *r)
{
	struct lease *l = leases_at(t, addr);

	if (!l)
		*r = make_entry(t, addr, &l);
	return l;
}

/* True when @l is held by another IAID of the client @c. */
static bool is_other_iaid(const struct leases *t, const struct lease *l, const struct lease_client *c)
{
	size_t len = client_id_len(t, c->id_len);

	return t->config->iaid_len && l->is_owned && is_live(l) && mac_equal(&l->mac, &c->mac) &&
	       l->id_len == c->id_len && memcmp(l->id, c->id, len) == 0 &&
	       memcmp(l->id + len, c->id + len, l->id_len - len) != 0;
}

/* The reserved address, unless it is in quarantine, or another station or IAID holds it. */
static struct lease *take_reserved(struct leases *t, const struct lease_client *c, int *r)
{
	const struct lease_reservation *res = leases_reservation(t, c);
	struct lease *l = res ? entry_of(t, res->addr, r) : NULL;

	if (!l || l->state == LEASE_DECLINED)
		return NULL;
	if (l->state == LEASE_BOUND && !mac_equal(&l->mac, &c->mac))
		return NULL;
	return is_other_iaid(t, l, c) ? NULL : l;
}

/* True when @c may be given @l's address, as far as reservations and ranges go. */
static bool is_for(const struct leases *t, const struct lease *l, const struct lease_client *c)
{
	const struct lease_reservation *res;

	if (!l->is_reserved)
		return in_ranges(t, l->addr);
	res = leases_reservation(t, c);
	return res && res->addr == l->addr;
}

/* How readily an entry of a MAC with too many gives way: the higher, the sooner. */
static int yields(const struct lease *l)
{
	return l->is_reserved ? 0 : l->state == LEASE_BOUND ? 1 : l->state == LEASE_OFFERED ? 2 : 3;
}

/* Of a MAC that has LEASES_PER_MAC entries the one to be used again; NULL when it has fewer. */
static struct lease *take_same_mac(struct leases *t, const struct lease_client *c)
{
	struct lease *best = NULL;
	unsigned n = 0;

	for (struct lease *l = t->by_mac[mac_bucket(t, &c->mac)]; l; l = l->same_mac) {
		if (!mac_equal(&l->mac, &c->mac) || l->is_reserved)
			continue;
		n++;
		if (!best || yields(l) > yields(best) || (yields(l) == yields(best) && l->until < best->until))
			best = l;
	}
	return n >= LEASES_PER_MAC ? best : NULL;
}

static struct lease *take_wanted(struct leases *t, uint64_t wanted, int *r)
{
	struct lease *l;

	if (!wanted || !in_ranges(t, wanted) || is_reserved(t, wanted))
		return NULL;
	l = entry_of(t, wanted, r);
	return l && (is_live(l) || l->state == LEASE_DECLINED) ? NULL : l;
}

/* The next address of the ranges that was never handed out. */
static struct lease *take_fresh(struct leases *t, int *r)
{
	struct lease *l = NULL;

	if (t->n_entries - t->queues[QUEUE_RESERVED].n >= t->max)
		return NULL;
	for (; !l && t->fresh_range < t->config->n_ranges; t->fresh_range++, t->fresh_at = 0) {
		const struct lease_range *g = &t->config->ranges[t->fresh_range];

		while (t->fresh_at <= g->last - g->first) {
			uint64_t addr = g->first + t->fresh_at++;

			if (leases_at(t, addr) || is_reserved(t, addr))
				continue;
			*r = make_entry(t, addr, &l);
			return l;
		}
	}
	return NULL;
}

/* The oldest entry that nobody needs, or else the oldest offer. */
static struct lease *take_oldest(struct leases *t)
{
	struct lease *released = t->queues[LEASE_RELEASED].head, *expired = t->queues[LEASE_EXPIRED].head;

	if (t->queues[LEASE_UNUSED].head)
		return t->queues[LEASE_UNUSED].head;
	if (released && expired)
		return released->until < expired->until ? released : expired;
	if (released || expired)
		return released ? released : expired;
	return t->queues[LEASE_OFFERED].head;
}

/* The client's own entry, while it may still have that address. */
static struct lease *take_own(struct leases *t, const struct lease_client *c)
{
	struct lease *l = leases_find(t, c);

	return l && is_for(t, l, c) ? l : NULL;
}

/* Makes @l the client's, and what it had before nobody's. */
static void hand_over(struct leases *t, struct lease *l, const struct lease_client *c, nsec_t now)
{
	struct lease *old = leases_find(t, c);

	if (old == l)
		return;
	if (old) {
		disown(t, old);
		set_state(t, old, LEASE_UNUSED, now);
	}
	own(t, l, c);
}

int leases_offer(struct leases *t, const struct lease_client *c, uint64_t wanted, nsec_t now, struct lease **ret_lease)
{
	struct lease *l;
	bool is_bound;
	int r = -ENOSPC;

	l = take_reserved(t, c, &r);
	if (!l)
		l = take_own(t, c);
	if (!l)
		l = take_same_mac(t, c);
	if (!l)
		l = take_wanted(t, wanted, &r);
	if (!l)
		l = take_fresh(t, &r);
	if (!l)
		l = take_oldest(t);
	if (!l)
		return r < 0 ? r : -ENOSPC;
	is_bound = l->state == LEASE_BOUND && l->is_owned && is_client(l, c);
	if (!is_bound) {
		hand_over(t, l, c, now);
		set_state(t, l, LEASE_OFFERED, now + t->config->offer_ns);
	}
	*ret_lease = l;
	return 0;
}

static void set_hostname(struct lease *l, const char *hostname)
{
	size_t len = strnlen(hostname, LEASE_NAME_SIZE - 1);

	memcpy(l->hostname, hostname, len);
	l->hostname[len] = 0;
}

void leases_bind(struct leases *t, struct lease *l, const char *hostname, nsec_t until)
{
	if (hostname)
		set_hostname(l, hostname);
	set_state(t, l, LEASE_BOUND, until);
}

void leases_release(struct leases *t, struct lease *l, nsec_t now)
{
	set_state(t, l, LEASE_RELEASED, now);
}

static void quarantine(struct leases *t, struct lease *l, nsec_t until, nsec_t now)
{
	uint64_t most = t->n_pool / LEASE_DECLINED_SHARE;

	disown(t, l);
	set_state(t, l, LEASE_DECLINED, until);
	if (t->queues[LEASE_DECLINED].n > (most ? most : 1))
		set_state(t, t->queues[LEASE_DECLINED].head, LEASE_UNUSED, now);
}

void leases_decline(struct leases *t, struct lease *l, nsec_t now)
{
	quarantine(t, l, now + t->config->quarantine_ns, now);
}

/* The entry that a record of @addr is for. Returns 0; -ERANGE when the table does not cover it; -errno. */
static int restored_entry(struct leases *t, uint64_t addr, struct lease **ret)
{
	int r = 0;

	if (!leases_covers(t, addr))
		return -ERANGE;
	*ret = entry_of(t, addr, &r);
	return r;
}

int leases_restore(struct leases *t, const struct lease_client *c, uint64_t addr, const char *hostname, nsec_t until)
{
	struct lease *l = NULL;
	int r = restored_entry(t, addr, &l);

	if (r < 0)
		return r;
	if (!is_for(t, l, c))
		return -ERANGE;
	hand_over(t, l, c, 0);
	leases_bind(t, l, hostname, until);
	return 0;
}

int leases_restore_declined(struct leases *t, uint64_t addr, nsec_t until)
{
	struct lease *l = NULL;
	int r = restored_entry(t, addr, &l);

	if (r < 0)
		return r;
	if (is_live(l))
		return -EBUSY;
	quarantine(t, l, until, until);
	return 0;
}

struct lease *leases_expire(struct leases *t, nsec_t now)
{
	while (heap_next(&t->due) <= now) {
		struct lease *l = (struct lease *)((char *)heap_first(&t->due) - offsetof(struct lease, due));
		bool was_bound = l->state == LEASE_BOUND;

		set_state(t, l, was_bound ? LEASE_EXPIRED : LEASE_UNUSED, l->until);
		if (was_bound)
			return l;
	}
	return NULL;
}

nsec_t leases_next(const struct leases *t)
{
	return heap_next(&t->due);
}

size_t leases_count(const struct leases *t, enum lease_state state)
{
	return t->n_in[state];
}

static int order_lease(const void *a, const void *b)
{
	uint64_t x = (*(const struct lease *const *)a)->addr, y = (*(const struct lease *const *)b)->addr;

	return x < y ? -1 : x > y;
}

int leases_sorted(const struct leases *t, const struct lease ***ret_leases, size_t *ret_n)
{
	const struct lease **all = calloc(t->n_entries + 1, sizeof(*all));
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t q = 0; q < QUEUE_COUNT; q++)
		for (const struct lease *l = t->queues[q].head; l; l = l->behind)
			all[n++] = l;
	sort_in_place(all, n, sizeof *all, order_lease);
	*ret_leases = all;
	*ret_n = n;
	return 0;
}

/* ---- saved state: entries in the order of the queues, so that after a load the same ones are the oldest ---- */

/* One entry's fields, as they are written. */
struct saved {
	uint64_t addr;
	uint8_t state, id_len, hostname_len;
	bool is_owned;
	struct mac_addr mac;
	uint8_t id[LEASE_ID_MAX];
	char hostname[LEASE_NAME_SIZE];
	nsec_t until;
};

static void saved_fields(struct saved *e, struct state *s, nsec_t now)
{
	state_u64(s, &e->addr);
	state_u8(s, &e->state);
	state_expect(s, e->state < LEASE_STATE_COUNT, "a lease in a state that is none");
	state_bool(s, &e->is_owned);
	state_bytes(s, e->mac.b, MAC_LEN);
	state_u8(s, &e->id_len);
	state_bytes(s, e->id, e->id_len);
	state_u8(s, &e->hostname_len);
	state_expect(s, e->hostname_len < LEASE_NAME_SIZE, "a lease with a host name that is too long");
	if (state_ok(s))
		state_bytes(s, e->hostname, e->hostname_len);
	state_time(s, &e->until, now);
}

static void save_entry(const struct lease *l, struct state *s, nsec_t now)
{
	struct saved e = { .addr = l->addr,
			   .state = (uint8_t)l->state,
			   .is_owned = l->is_owned,
			   .mac = l->mac,
			   .id_len = l->id_len,
			   .hostname_len = (uint8_t)strlen(l->hostname),
			   .until = l->until };

	memcpy(e.id, l->id, l->id_len);
	memcpy(e.hostname, l->hostname, e.hostname_len);
	saved_fields(&e, s, now);
}

static void load_entry(struct leases *t, struct state *s, nsec_t now)
{
	struct saved e = { 0 };
	struct lease_client c;
	struct lease *l;
	bool needs_owner;

	saved_fields(&e, s, now);
	needs_owner = e.state == LEASE_OFFERED || e.state == LEASE_BOUND;
	c = (struct lease_client){ .mac = e.mac, .id = e.id, .id_len = e.id_len };
	state_expect(s, e.is_owned ? e.state != LEASE_DECLINED : !needs_owner,
		     "a lease whose owner does not go with its state");
	state_expect(s, !memchr(e.hostname, 0, e.hostname_len), "a lease with a host name that is none");
	if (!state_ok(s))
		return;
	state_expect(s, leases_covers(t, e.addr), "a lease of an address that the network does not hand out");
	state_expect(s, !leases_at(t, e.addr), "an address leased twice");
	state_expect(s, !e.is_owned || !leases_find(t, &c), "a client with two leases");
	if (!state_ok(s))
		return;
	if (make_entry(t, e.addr, &l) < 0) {
		state_expect(s, false, "more leases than the network holds");
		return;
	}
	if (e.is_owned)
		own(t, l, &c);
	memcpy(l->hostname, e.hostname, e.hostname_len);
	set_state(t, l, e.state, e.until);
}

void leases_state(struct leases *t, struct state *s, nsec_t now)
{
	uint32_t n = (uint32_t)t->n_entries, range = (uint32_t)t->fresh_range;

	state_u32(s, &n);
	state_u32(s, &range);
	state_u64(s, &t->fresh_at);
	state_expect(s,
		     range <= t->config->n_ranges &&
			     (t->fresh_at == 0 ||
			      (range < t->config->n_ranges &&
			       t->fresh_at - 1 <= t->config->ranges[range].last - t->config->ranges[range].first)),
		     "a place outside the network's ranges");
	if (!state_is_load(s)) {
		for (size_t q = 0; q < QUEUE_COUNT; q++)
			for (const struct lease *l = t->queues[q].head; l; l = l->behind)
				save_entry(l, s, now);
		return;
	}
	t->fresh_range = range;
	for (uint32_t i = 0; i < n && state_ok(s); i++)
		load_entry(t, s, now);
}
