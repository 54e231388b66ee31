/* tests/traffic.h: random shapes and random traffic, and a journal of what arrived, for the
 * property tests and fuzz harnesses of elements. All is a function of the stream that is given. */
#ifndef MUSTER_TESTS_TRAFFIC_H
#define MUSTER_TESTS_TRAFFIC_H

#include "core/checksum.h"
#include "core/element.h"
#include "core/prng.h"
#include "core/shape.h"
#include "core/wire.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* What arrived, as a hash over ends, instants, offload headers and bytes in the order of arrival. */
struct journal {
	uint64_t hash, n;
	nsec_t base; /* instants are noted relative to it */
};

static inline void journal_note(struct journal *j, uint32_t end, const struct frame *f, nsec_t at)
{
	nsec_t head[] = { at - j->base, f->rx_time_ns - j->base, end, f->len };

	j->hash = XXH3_64bits_withSeed(head, sizeof head, j->hash);
	j->hash = XXH3_64bits_withSeed(&f->offload, sizeof f->offload, j->hash);
	j->hash = XXH3_64bits_withSeed(f->data, f->len, j->hash);
	j->n++;
}

static inline bool traffic_coin(struct prng *p, uint64_t one_in)
{
	return prng_below(p, one_in) == 0;
}

static inline void traffic_random_loss(struct prng *p, struct shape_dir *d)
{
	if (traffic_coin(p, 3))
		d->loss = prng_unit(p) / 4;
	d->has_ge = traffic_coin(p, 3);
	if (d->has_ge) {
		d->loss = 0;
		d->ge_p = prng_unit(p);
		d->ge_r = prng_unit(p);
		d->ge_bad = prng_unit(p);
		d->ge_good = prng_unit(p) / 8;
	}
}

/* One shape in eight is a plain wire. */
static inline struct shape_dir traffic_random_shape(struct prng *p)
{
	struct shape_dir d = { 0 };

	if (traffic_coin(p, 8))
		return d;
	if (!traffic_coin(p, 3))
		d.rate_bps = 1000000 + prng_below(p, traffic_coin(p, 2) ? 10000000 : 1000000000);
	if (!traffic_coin(p, 3))
		d.delay_ns = (nsec_t)prng_below(p, 20 * NSEC_PER_MSEC);
	if (traffic_coin(p, 2))
		d.jitter_ns = (nsec_t)prng_below(p, 5 * NSEC_PER_MSEC);
	d.distribution = (enum shape_distribution)prng_below(p, SHAPE_DISTRIBUTION_COUNT);
	traffic_random_loss(p, &d);
	if (traffic_coin(p, 3))
		d.corrupt = prng_unit(p) / 4;
	if (traffic_coin(p, 3))
		d.duplicate = prng_unit(p) / 2;
	if (traffic_coin(p, 3))
		d.reorder = prng_unit(p) / 4;
	d.queue_in_packets = traffic_coin(p, 3);
	if (d.queue_in_packets || traffic_coin(p, 3))
		d.queue = d.queue_in_packets ? 1 + prng_below(p, 20) : 2000 + prng_below(p, 60000);
	if (traffic_coin(p, 4)) {
		d.overhead_bytes = (uint32_t)prng_below(p, 40);
		d.cell_payload = 48;
		d.cell_size = 53;
	}
	return d;
}

/* Headers of IPv4 and TCP, with which a frame of @len bytes can be cut. */
static inline void traffic_tcp(struct frame *f, uint32_t len, uint16_t gso_size)
{
	memset(f->data + 12, 0, 42);
	store_be16(f->data + 12, 0x0800);
	f->data[14] = 0x45;
	store_be16(f->data + 16, (uint16_t)(len - 14));
	f->data[23] = 6;
	f->data[46] = 0x50;
	f->offload = (struct frame_offload){ .flags = 1, .csum_start = 34, .csum_offset = 16 };
	if (gso_size) {
		f->offload.gso_type = 1;
		f->offload.gso_size = gso_size;
	}
}

/* A frame between two of @n_stations, as a fabric lets it in: plain, with a checksum to complete, or GSO. */
static inline struct frame *traffic_random_frame(struct prng *p, struct frame_pool *pool, uint32_t n_stations, nsec_t now)
{
	bool is_tcp = traffic_coin(p, 3), is_gso = is_tcp && traffic_coin(p, 2);
	uint32_t len = (uint32_t)(is_gso ? 3000 + prng_below(p, 6000) : 60 + prng_below(p, 1454));
	struct frame *f = frame_new(pool, len + prng_below(p, 100)); /* some have more room than they use */

	if (!f)
		abort();
	prng_bytes(p, f->data, 54);
	memset(f->data + 54, (int)prng_below(p, 256), len - 54);
	f->len = len;
	f->rx_time_ns = now;
	memset(f->data, 0, 12);
	f->data[0] = f->data[6] = 2;
	f->data[5] = (uint8_t)prng_below(p, n_stations);
	f->data[11] = (uint8_t)prng_below(p, n_stations);
	if (traffic_coin(p, 8))
		memset(f->data, 0xff, 6);
	if (is_tcp)
		traffic_tcp(f, len, is_gso ? (uint16_t)(500 + prng_below(p, 960)) : 0);
	if (!frame_offload_check(f))
		abort();
	return f;
}

#endif
