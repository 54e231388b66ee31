/* core/shape.c: what a shape needs of memory, and how it is told.
 *
 * A link holds what fits its queue and what flies: rate times delay. A small frame takes
 * up to MEMORY_FACTOR times its length, and the need has room for a queue full of them.
 *
 * Used by: topologies, shaping, the fabric, teams.   Depends on: core/clock.h. */
#include "core/shape.h"

#include <errno.h>
#include <string.h>

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

/* @max: at most INT64_MAX. */
static bool get_number(json_t *j, const char *key, uint64_t max, uint64_t *ret)
{
	json_t *v = json_object_get(j, key);

	if (!v || json_is_null(v))
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static bool get_time(json_t *j, const char *key, nsec_t *ret)
{
	uint64_t v = 0;

	if (!get_number(j, key, (uint64_t)SHAPE_TIME_MAX, &v))
		return false;
	*ret = (nsec_t)v;
	return true;
}

static bool get_share(json_t *j, const char *key, double *ret)
{
	json_t *v = json_object_get(j, key);

	if (!v)
		return true;
	/* A NaN fails both comparisons. */
	if (!json_is_number(v) || !(json_number_value(v) >= 0 && json_number_value(v) <= 1))
		return false;
	*ret = json_number_value(v);
	return true;
}

static bool get_loss(json_t *j, struct shape_dir *d)
{
	json_t *loss = json_object_get(j, "loss");

	d->has_ge = json_is_object(loss);
	if (!d->has_ge)
		return get_share(j, "loss", &d->loss);
	return get_share(loss, "p", &d->ge_p) && get_share(loss, "r", &d->ge_r) &&
	       get_share(loss, "bad", &d->ge_bad) && get_share(loss, "good", &d->ge_good);
}

static bool get_distribution(json_t *j, struct shape_dir *d)
{
	json_t *v = json_object_get(j, "distribution");
	const char *name = json_string_value(v);

	if (!v)
		return true;
	for (int i = 0; name && i < SHAPE_DISTRIBUTION_COUNT; i++)
		if (strcmp(name, shape_distribution_names[i]) == 0) {
			d->distribution = (enum shape_distribution)i;
			return true;
		}
	return false;
}

static bool get_cell(json_t *j, struct shape_dir *d)
{
	json_t *cell = json_object_get(j, "cell"), *payload = json_array_get(cell, 0), *size = json_array_get(cell, 1);

	if (!cell)
		return true;
	if (json_array_size(cell) != 2 || !json_is_integer(payload) || !json_is_integer(size) ||
	    json_integer_value(payload) < 1 || json_integer_value(size) > UINT16_MAX ||
	    json_integer_value(payload) > json_integer_value(size))
		return false;
	d->cell_payload = (uint16_t)json_integer_value(payload);
	d->cell_size = (uint16_t)json_integer_value(size);
	return true;
}

int shape_dir_from_json(json_t *j, struct shape_dir *ret_shape)
{
	struct shape_dir d = { .queue_in_packets = json_object_get(j, "queue_packets") };
	uint64_t overhead = 0;

	if (!json_is_object(j) || !get_number(j, "rate_bps", SHAPE_RATE_MAX, &d.rate_bps) ||
	    !get_time(j, "delay_ns", &d.delay_ns) || !get_time(j, "jitter_ns", &d.jitter_ns) ||
	    !get_distribution(j, &d) || !get_loss(j, &d) || !get_share(j, "corrupt", &d.corrupt) ||
	    !get_share(j, "duplicate", &d.duplicate) || !get_share(j, "reorder", &d.reorder) ||
	    !get_number(j, d.queue_in_packets ? "queue_packets" : "queue_bytes", INT64_MAX, &d.queue) ||
	    !get_number(j, "overhead_bytes", UINT16_MAX, &overhead) || !get_cell(j, &d))
		return -EINVAL;
	d.overhead_bytes = (uint32_t)overhead;
	*ret_shape = d;
	return 0;
}
