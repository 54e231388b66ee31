/* topologies/strmap.c: open addressing with linear probing, at most half full.
 *
 * Keys come from files, so somebody can choose colliding ones; file sizes are
 * bounded, and the worst case is then a slow refusal of one's own file.
 *
 * Used by: tree.c, check.c, plan.c.   Depends on: arena.h.
 * Sources: FNV-1a, draft-eastlake-fnv §2. */
#include "topologies/strmap.h"

#include <string.h>

struct strmap_slot {
	const char *key; /* NULL: free */
	uint64_t hash;
	size_t value;
};

uint64_t strmap_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h;
}

void strmap_init(struct strmap *m, struct arena *arena)
{
	*m = (struct strmap){ .arena = arena };
}

static struct strmap_slot *find(const struct strmap *m, const char *key, uint64_t hash)
{
	size_t i = (size_t)(hash ^ hash >> 32) & (m->size - 1);

	while (m->slots[i].key && (m->slots[i].hash != hash || strcmp(m->slots[i].key, key) != 0))
		i = (i + 1) & (m->size - 1);
	return &m->slots[i];
}

static void grow(struct strmap *m)
{
	struct strmap old = *m;

	m->size = old.size ? old.size * 2 : 16;
	m->slots = arena_array(m->arena, m->size, sizeof *m->slots);
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].key)
			*find(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
}

bool strmap_add(struct strmap *m, const char *key, size_t value, size_t *ret_old)
{
	uint64_t hash = strmap_hash(key);
	struct strmap_slot *slot;

	if (2 * (m->n + 1) > m->size)
		grow(m);
	slot = find(m, key, hash);
	if (slot->key) {
		if (ret_old)
			*ret_old = slot->value;
		return false;
	}
	*slot = (struct strmap_slot){ key, hash, value };
	m->n++;
	return true;
}

bool strmap_get(const struct strmap *m, const char *key, size_t *ret_value)
{
	struct strmap_slot *slot;

	if (!m->size)
		return false;
	slot = find(m, key, strmap_hash(key));
	if (!slot->key)
		return false;
	*ret_value = slot->value;
	return true;
}
