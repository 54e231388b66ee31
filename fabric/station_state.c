/* fabric/station_state.c: the saved state of a station.
 *
 * In the section that the fabric has begun for the element: books, what it says of itself, buckets, neighbours with the
 * frames that wait for them, the queue, and then each service in the order of their binding.
 *
 * Used by: fabric/station_element.c.   Depends on: core/element_state.h, fabric/station_private.h. */
#include "core/element_state.h"
#include "core/state.h"
#include "fabric/station_private.h"

#include <assert.h>
#include <string.h>

/* No bucket is farther ahead than this. */
#define BUCKET_MAX (10 * NSEC_PER_SEC)

static void counters_state(struct station *st, struct state *s)
{
	struct station_counters *c = &st->said;
	uint64_t *const each[] = { &c->arp_requests,  &c->arp_conflicts, &c->solicitations,  &c->nd_conflicts,
				   &c->echoes,	      &c->errors_sent,	 &c->errors_limited, &c->resets_sent,
				   &c->bad_checksums, &c->martians,	 &c->own_fragments,  &c->for_services,
				   &c->elsewhere,     &c->forwarded,	 &c->unresolved };

	static_assert(sizeof each / sizeof *each == sizeof *c / sizeof(uint64_t), "each counter is saved");
	for (size_t i = 0; i < sizeof each / sizeof *each; i++)
		state_u64(s, each[i]);
}

static void buckets_state(struct station *st, struct state *s, nsec_t now)
{
	state_time(s, &st->bucket_all, now);
	state_expect(s, st->bucket_all < now + BUCKET_MAX, "a bucket that is emptied too far");
	for (size_t i = 0; i < STATION_BUCKETS; i++) {
		state_time(s, &st->buckets[i], now);
		state_expect(s, st->buckets[i] < now + BUCKET_MAX, "a bucket that is emptied too far");
	}
	state_time(s, &st->defended_ns, now);
	state_expect(s, st->defended_ns <= now, "an address that was defended in the future");
}

static void queue_state(struct station *st, struct state *s, nsec_t now)
{
	uint32_t count = st->n_out;
	struct frame *f = st->out_first;

	state_u32(s, &count);
	state_expect(s, count <= STATION_OUT_MAX, "a queue that is too long");
	for (uint32_t i = 0; i < count && state_ok(s); i++) {
		struct frame *loaded = frame_state(f, s, st->cfg.pool, STATION_OUT_BYTES_MAX - st->out_memory, now);

		if (state_is_load(s) && loaded) {
			nsec_t due = loaded->due_ns;

			state_expect(s, due <= now, "a frame that leaves in the future");
			station_emit(st, loaded, due);
		} else if (f) {
			f = f->next;
		}
	}
}

void station_state(struct element *e, struct state *s, nsec_t now)
{
	struct station *st = (struct station *)e;
	uint8_t mac[MAC_LEN];

	memcpy(mac, st->cfg.addrs.mac.b, MAC_LEN);
	state_bytes(s, mac, MAC_LEN);
	state_expect(s, memcmp(mac, st->cfg.addrs.mac.b, MAC_LEN) == 0, "a station of another address");
	element_counters_state(&st->counters, s);
	counters_state(st, s);
	state_u64(s, &st->hash_seed);
	state_u16(s, &st->ip_id);
	buckets_state(st, s, now);
	neighbours_state(st->neighbours, s, st->cfg.pool, now);
	queue_state(st, s, now);
	if (state_is_load(s) && state_ok(s))
		state_expect(s, element_counters_balance(element_counters(e)), "counters that do not balance");
	state_same(s, st->n_services, "services");
	for (size_t i = 0; i < st->n_services && state_ok(s); i++)
		if (st->services[i].state)
			st->services[i].state(st->services[i].ctx, s, now);
}
