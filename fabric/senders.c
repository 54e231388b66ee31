/* fabric/senders.c: a bucket for each sender.
 *
 * A bucket is one instant: when it is full again. A message moves it on by the time that one message is worth; a
 * bucket that would be full more than a second from now is empty. Clients stand in the order of their MACs.
 *
 * Used by: fabric/service_*.c.   Depends on: core/state.h, fabric/senders.h.
 * Source: ITU-T I.371, annex A (the generic cell rate algorithm). */
#include "fabric/senders.h"

#include "core/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STRANGERS_SHARE = 4 };
#define DEPTH NSEC_PER_SEC /* how far ahead of now a bucket is when it is empty */
#define ALONE_NS NSEC_PER_SEC

struct senders {
	const struct fabric_plan_client **clients; /* sorted */
	size_t n_clients;
	nsec_t *full_at; /* of clients, then of strangers, then of all strangers */
	nsec_t interval;
	uint64_t seed, n_refused;
	size_t last; /* who asked last */
	nsec_t changed_at; /* when that was another than before */
};

static int by_mac(const void *pa, const void *pb)
{
	const struct fabric_plan_client *const *a = pa, *const *b = pb;

	return memcmp((*a)->mac.b, (*b)->mac.b, MAC_LEN);
}

static size_t n_buckets(const struct senders *t)
{
	return t->n_clients + SENDERS_STRANGERS + 1;
}

int senders_new(const struct fabric_plan_client *clients, size_t n_clients, uint32_t per_s, uint64_t seed,
		struct senders **ret_senders)
{
	struct senders *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	t->n_clients = n_clients;
	t->interval = NSEC_PER_SEC / per_s;
	t->seed = seed;
	t->changed_at = INT64_MIN;
	t->clients = calloc(n_clients + 1, sizeof(struct fabric_plan_client *));
	t->full_at = calloc(n_buckets(t), sizeof *t->full_at);
	if (!t->clients || !t->full_at) {
		(void)senders_free(t);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_clients; i++)
		t->clients[i] = &clients[i];
	qsort(t->clients, n_clients, sizeof(struct fabric_plan_client *), by_mac);
	for (size_t i = 0; i < n_buckets(t); i++)
		t->full_at[i] = INT64_MIN;
	*ret_senders = t;
	return 0;
}

struct senders *senders_free(struct senders *t)
{
	if (!t)
		return NULL;
	free(t->clients);
	free(t->full_at);
	free(t);
	return NULL;
}

/* The place of @mac among the clients; n_clients: it is a stranger's. */
static size_t find(const struct senders *t, const struct mac_addr *mac)
{
	size_t low = 0, high = t->n_clients;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(t->clients[middle]->mac.b, mac->b, MAC_LEN);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return t->n_clients;
}

const char *senders_name(const struct senders *t, const struct mac_addr *mac)
{
	size_t i = find(t, mac);

	return i < t->n_clients ? t->clients[i]->name : NULL;
}

/* Which of the strangers' buckets is @mac's (the finalizer of SplitMix64). */
static size_t stranger(const struct senders *t, const struct mac_addr *mac)
{
	uint64_t x = t->seed;

	for (size_t i = 0; i < MAC_LEN; i++)
		x ^= (uint64_t)mac->b[i] << (8 * i);
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % SENDERS_STRANGERS;
}

uint64_t senders_place(const struct senders *t, const struct mac_addr *mac)
{
	size_t i = find(t, mac);

	return i < t->n_clients ? i : t->n_clients + stranger(t, mac);
}

/* When the bucket would be full again, once it gave what @span buys. */
static nsec_t taken_from(const nsec_t *bucket, nsec_t span, nsec_t now)
{
	return nsec_max(*bucket, now) + span;
}

bool senders_admit(struct senders *t, const struct mac_addr *mac, nsec_t now)
{
	size_t i = find(t, mac);
	nsec_t *all = i < t->n_clients ? NULL : &t->full_at[n_buckets(t) - 1], *one, one_at, all_at;

	if (all)
		i += stranger(t, mac);
	if (t->last != i)
		t->changed_at = now;
	t->last = i;
	one = &t->full_at[i];
	one_at = taken_from(one, t->interval, now);
	all_at = all ? taken_from(all, t->interval / STRANGERS_SHARE, now) : now;
	if (one_at - now <= DEPTH && all_at - now <= DEPTH) {
		*one = one_at;
		if (all)
			*all = all_at;
		return true;
	}
	if (t->changed_at <= now - ALONE_NS)
		return true;
	t->n_refused++;
	return false;
}

uint64_t senders_refused(const struct senders *t)
{
	return t->n_refused;
}

void senders_state(struct senders *t, struct state *s, nsec_t now)
{
	uint64_t last = t->last;

	state_same(s, t->n_clients, "clients of a service");
	state_u64(s, &t->seed);
	state_u64(s, &t->n_refused);
	state_u64(s, &last);
	state_expect(s, last < n_buckets(t), "a sender that is none");
	t->last = (size_t)last;
	state_time(s, &t->changed_at, now);
	state_expect(s, t->changed_at <= now, "a sender of the future");
	for (size_t i = 0; i < n_buckets(t) && state_ok(s); i++) {
		state_time(s, &t->full_at[i], now);
		state_expect(s, t->full_at[i] <= now + DEPTH, "a bucket that is emptied too far");
	}
}
