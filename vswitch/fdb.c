/* vswitch/fdb.c: the MAC table: which port a station was last seen on.
 *
 * Keyed by MAC and VLAN (independent learning). A table of SETS sets with WAYS
 * places each; a station's set is a salted hash of its key, so neither lookup
 * nor learning ever looks at more than WAYS entries and the size is fixed:
 * 8,192 stations. In a full set an aged entry gives way first; else, of the
 * ports in the set, the one with the most stations in the whole table loses
 * its oldest entry there. So a port that makes up addresses throws out its
 * own, and a quiet neighbour keeps its place (as Open vSwitch argues for its
 * eviction, with a heap instead of sets).
 *
 * Ageing is by comparison at use; nothing runs in the background.
 *
 * Used by: vswitch/vswitch.c.   Depends on: core/{addr,clock,state}.h.
 * Sources: IEEE 802.1Q-2018 §8.8. */
#include "vswitch/fdb.h"

#include "core/state.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FDB_SETS = 2048, FDB_WAYS = 4 };

struct entry {
	uint64_t key; /* MAC in the upper 48 bits, VLAN in the lower 16 */
	nsec_t seen_ns;
	uint32_t place; /* port + 1; 0: free, so that an unused table costs no memory */
};

struct fdb {
	uint64_t salt;
	size_t n_entries;
	uint64_t n_evictions;
	uint32_t n_ports;
	uint32_t *per_port; /* entries of each port */
	struct entry sets[FDB_SETS][FDB_WAYS];
};

int fdb_new(uint32_t n_ports, uint64_t salt, struct fdb **ret_fdb)
{
	struct fdb *fdb = calloc(1, sizeof *fdb);

	if (!fdb)
		return -ENOMEM;
	fdb->per_port = calloc(n_ports ? n_ports : 1, sizeof *fdb->per_port);
	if (!fdb->per_port) {
		free(fdb);
		return -ENOMEM;
	}
	fdb->salt = salt;
	fdb->n_ports = n_ports;
	*ret_fdb = fdb;
	return 0;
}

struct fdb *fdb_free(struct fdb *fdb)
{
	if (!fdb)
		return NULL;
	free(fdb->per_port);
	free(fdb);
	return NULL;
}

static uint64_t key_of(const struct mac_addr *mac, uint16_t vid)
{
	uint64_t k = 0;

	for (unsigned i = 0; i < MAC_LEN; i++)
		k = k << 8 | mac->b[i];
	return k << 16 | vid;
}

/* The set of a key: a multiply-and-fold hash (Knuth, TAOCP vol. 3 §6.4). */
static size_t set_of(const struct fdb *fdb, uint64_t key)
{
	uint64_t h = (key ^ fdb->salt) * 0x9e3779b97f4a7c15u;

	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	return (size_t)(h >> 40) % FDB_SETS;
}

static bool is_aged(const struct entry *e, nsec_t now)
{
	return now - e->seen_ns > FDB_AGEING_NS;
}

static void drop(struct fdb *fdb, struct entry *e)
{
	fdb->per_port[e->place - 1]--;
	fdb->n_entries--;
	e->place = 0;
}

/* The place for a new entry in @set; the header says who gives way. */
static struct entry *make_room(struct fdb *fdb, struct entry *set, nsec_t now)
{
	struct entry *victim = &set[0];

	for (size_t i = 0; i < FDB_WAYS; i++)
		if (!set[i].place)
			return &set[i];
	for (size_t i = 0; i < FDB_WAYS; i++) {
		if (is_aged(&set[i], now)) {
			drop(fdb, &set[i]);
			return &set[i];
		}
	}
	for (size_t i = 1; i < FDB_WAYS; i++) {
		uint32_t mine = fdb->per_port[set[i].place - 1], its = fdb->per_port[victim->place - 1];

		if (mine > its || (mine == its && set[i].seen_ns < victim->seen_ns))
			victim = &set[i];
	}
	drop(fdb, victim);
	fdb->n_evictions++;
	return victim;
}

void fdb_learn(struct fdb *fdb, const struct mac_addr *mac, uint16_t vid, uint32_t port, nsec_t now)
{
	uint64_t key = key_of(mac, vid);
	struct entry *set = fdb->sets[set_of(fdb, key)];
	struct entry *e = NULL;

	if (mac_is_multicast(mac) || port >= fdb->n_ports)
		return;
	for (size_t i = 0; i < FDB_WAYS; i++)
		if (set[i].place && set[i].key == key)
			e = &set[i];
	if (e && e->place == port + 1) {
		e->seen_ns = now;
		return;
	}
	if (e)
		drop(fdb, e); /* the station moved */
	else
		e = make_room(fdb, set, now);
	*e = (struct entry){ key, now, port + 1 };
	fdb->per_port[port]++;
	fdb->n_entries++;
}

int fdb_lookup(const struct fdb *fdb, const struct mac_addr *mac, uint16_t vid, nsec_t now,
	       uint32_t *ret_port)
{
	uint64_t key = key_of(mac, vid);
	const struct entry *set = fdb->sets[set_of(fdb, key)];

	for (size_t i = 0; i < FDB_WAYS; i++) {
		if (!set[i].place || set[i].key != key)
			continue;
		if (is_aged(&set[i], now))
			return -ENOENT;
		*ret_port = set[i].place - 1;
		return 0;
	}
	return -ENOENT;
}

void fdb_flush_port(struct fdb *fdb, uint32_t port)
{
	for (size_t i = 0; i < FDB_SETS; i++)
		for (size_t j = 0; j < FDB_WAYS; j++)
			if (fdb->sets[i][j].place == port + 1)
				drop(fdb, &fdb->sets[i][j]);
}

size_t fdb_count(const struct fdb *fdb)
{
	return fdb->n_entries;
}

uint64_t fdb_evictions(const struct fdb *fdb)
{
	return fdb->n_evictions;
}

/* ---- saved state ------------------------------------------------------------- */

/* One entry. @at: its number among all places. Loading: it is put there, if it can be there. */
static void entry_state(struct fdb *fdb, struct state *s, uint32_t at, nsec_t now)
{
	struct entry *set = fdb->sets[at / FDB_WAYS], *place = &set[at % FDB_WAYS];
	struct entry e = *place;

	state_u64(s, &e.key);
	state_u32(s, &e.place);
	state_time(s, &e.seen_ns, now);
	if (!state_is_load(s) || !state_ok(s))
		return;
	state_expect(s, set_of(fdb, e.key) == at / FDB_WAYS, "a station in another's place");
	state_expect(s, !(e.key >> 56 & 1), "a station with a group's address");
	state_expect(s, (e.key & 0xffff) < 4096, "a VLAN that is none");
	state_expect(s, e.place >= 1 && e.place <= fdb->n_ports, "a port that is not there");
	/* It would never age. */
	state_expect(s, e.seen_ns != INT64_MIN && e.seen_ns <= now, "a station that was seen in the future");
	for (size_t i = 0; i < FDB_WAYS; i++)
		state_expect(s, !set[i].place || set[i].key != e.key, "a station that is there twice");
	if (!state_ok(s))
		return;
	*place = e;
	fdb->per_port[e.place - 1]++;
	fdb->n_entries++;
}

/* The number of the first used place from @at on. */
static uint32_t next_used(const struct fdb *fdb, uint32_t at)
{
	while (at < FDB_SETS * FDB_WAYS && !fdb->sets[at / FDB_WAYS][at % FDB_WAYS].place)
		at++;
	return at;
}

void fdb_state(struct fdb *fdb, struct state *s, nsec_t now)
{
	uint32_t n = (uint32_t)fdb->n_entries, at = 0;

	state_same(s, fdb->n_ports, "ports of a switch");
	state_u64(s, &fdb->salt);
	state_u64(s, &fdb->n_evictions);
	state_u32(s, &n);
	if (state_is_load(s)) {
		memset(fdb->sets, 0, sizeof fdb->sets);
		memset(fdb->per_port, 0, fdb->n_ports * sizeof *fdb->per_port);
		fdb->n_entries = 0;
	}
	/* In the order of places, so that none comes twice. */
	for (uint32_t i = 0, from = 0; i < n && state_ok(s); i++, from = at + 1) {
		if (!state_is_load(s))
			at = next_used(fdb, from);
		state_u32(s, &at);
		state_expect(s, at >= from && at < FDB_SETS * FDB_WAYS, "a place that is not in the table");
		if (state_ok(s))
			entry_state(fdb, s, at, now);
	}
}
