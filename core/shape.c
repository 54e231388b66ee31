/* core/shape.c: what a shape needs of memory, and how it is told.
 *
 * A link holds what fits its queue and what flies: rate times delay. A small frame takes
 * up to MEMORY_FACTOR times its length, and the need has room for a queue full of them.
 *
 * Used by: topologies, shaping, the fabric, teams.   Depends on: core/clock.h. */
#include "core/shape.h"

enum {
	MEMORY_FACTOR = 3,
	PACKET_ROOM = 576, /* beside the MTU of a frame that is counted as a packet: its header and its class */
};
/* A link without a rate is taken for one of so many bits a second. */
#define RATE_UNLIMITED UINT64_C(10000000000)
#define NEED_MIN (UINT64_C(256) << 10)
#define NEED_MAX (UINT64_C(1) << 50) /* what a number in JSON holds, and far beyond a host's memory */

const char *const shape_distribution_names[SHAPE_DISTRIBUTION_COUNT] = {
	[SHAPE_UNIFORM] = "uniform", [SHAPE_NORMAL] = "normal", [SHAPE_PARETO] = "pareto",
};

uint64_t shape_memory_need(const struct shape_dir *d, uint32_t mtu)
{
	double rate = (double)(d->rate_bps ? d->rate_bps : RATE_UNLIMITED);
	double flight = rate / 8e9 * ((double)d->delay_ns + (double)d->jitter_ns) * MEMORY_FACTOR;
	double queue = 0, sum;

	if (!d->rate_bps && !d->delay_ns && !d->jitter_ns)
		return 0; /* nothing waits */
	if (d->rate_bps && d->queue_in_packets && d->queue)
		queue = (double)d->queue * (2.0 * mtu + PACKET_ROOM);
	else if (d->rate_bps)
		queue = (double)shape_queue_limit(d, mtu) * MEMORY_FACTOR;
	sum = flight + queue;
	return sum < (double)NEED_MIN ? NEED_MIN : sum > (double)NEED_MAX ? NEED_MAX : (uint64_t)sum;
}

json_t *shape_dir_json(const struct shape_dir *d)
{
	json_t *j = json_object();

	if (d->rate_bps)
		json_object_set_new(j, "rate_bps", json_integer((json_int_t)d->rate_bps));
	else
		json_object_set_new(j, "rate_bps", json_null());
	json_object_set_new(j, "delay_ns", json_integer(d->delay_ns));
	json_object_set_new(j, "jitter_ns", json_integer(d->jitter_ns));
	json_object_set_new(j, "distribution", json_string(shape_distribution_names[d->distribution]));
	if (d->has_ge)
		json_object_set_new(j, "loss", json_pack("{s:f,s:f,s:f,s:f}", "p", d->ge_p, "r", d->ge_r,
							 "bad", d->ge_bad, "good", d->ge_good));
	else
		json_object_set_new(j, "loss", json_real(d->loss));
	json_object_set_new(j, "corrupt", json_real(d->corrupt));
	json_object_set_new(j, "duplicate", json_real(d->duplicate));
	json_object_set_new(j, "reorder", json_real(d->reorder));
	json_object_set_new(j, d->queue_in_packets ? "queue_packets" : "queue_bytes",
			    d->queue ? json_integer((json_int_t)d->queue) : json_null());
	json_object_set_new(j, "overhead_bytes", json_integer(d->overhead_bytes));
	if (d->cell_size)
		json_object_set_new(j, "cell", json_pack("[i,i]", d->cell_payload, d->cell_size));
	return j;
}
