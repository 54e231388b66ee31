/* topologies/shape.c: what a link is like, from text and back.
 *
 * One table names every key that has one value; the team file's parser, the
 * tests' link action and `muster link set` all go through it, so they accept
 * the same words. What the link element does not do is marked here, once, and
 * refused everywhere.
 *
 * Used by: parse_shape.c, parse_test.c, show.c; teams and cli through team.h.
 * Depends on: values.h, core/bytes.h. Sources: team-file(5). */
#include "topologies/shape.h"

#include "core/bytes.h"
#include "topologies/suggest.h"
#include "topologies/values.h"

#include <errno.h>
#include <string.h>

const bool shape_ge_supported = true;

static int set_rate(struct shape_dir *d, const char *v, char **ret_why)
{
	return value_rate(v, &d->rate_bps, ret_why);
}

static int set_delay(struct shape_dir *d, const char *v, char **ret_why)
{
	return value_time(v, &d->delay_ns, ret_why);
}

static int set_jitter(struct shape_dir *d, const char *v, char **ret_why)
{
	return value_time(v, &d->jitter_ns, ret_why);
}

static int set_distribution(struct shape_dir *d, const char *v, char **ret_why)
{
	struct suggestion near = { .word = v };
	char buf[64];

	for (int i = 0; i < SHAPE_DISTRIBUTION_COUNT; i++) {
		suggest_consider(&near, shape_distribution_names[i]);
		if (strcmp(v, shape_distribution_names[i]) != 0)
			continue;
		d->distribution = (enum shape_distribution)i;
		return 0;
	}
	*ret_why = str_printf("'%s' is no distribution; there are uniform, normal and pareto%s", v,
			      suggest_str(&near, buf, sizeof buf));
	return -EINVAL;
}

/* One "p=1%" of a Gilbert-Elliott model. */
static int set_ge_part(struct shape_dir *d, const char *part, char **ret_why)
{
	const char *eq = strchr(part, '=');
	size_t n = eq ? (size_t)(eq - part) : 0;

	if (n == 1 && *part == 'p')
		return value_share(eq + 1, &d->ge_p, ret_why);
	if (n == 1 && *part == 'r')
		return value_share(eq + 1, &d->ge_r, ret_why);
	if (n == 3 && !strncmp(part, "bad", 3))
		return value_share(eq + 1, &d->ge_bad, ret_why);
	if (n == 4 && !strncmp(part, "good", 4))
		return value_share(eq + 1, &d->ge_good, ret_why);
	*ret_why = str_printf("'%s' is no part of a loss model; its parts are p, r, bad and good", part);
	return -EINVAL;
}

/* "p=1%,r=25%": the model as one word, for `link set`. */
static int set_ge(struct shape_dir *d, const char *v, char **ret_why)
{
	CLEANUP(free) char *copy = str_dup(v);
	struct shape_dir out = *d;
	char *rest = copy, *part;
	int r;

	out.has_ge = true;
	out.loss = 0;
	out.ge_p = out.ge_r = -1; /* to be given; 0% is a chance too: the state is never left */
	out.ge_good = 0;
	out.ge_bad = 1;
	while ((part = strsep(&rest, ","))) {
		r = set_ge_part(&out, part, ret_why);
		if (r)
			return r;
	}
	if (out.ge_p < 0 || out.ge_r < 0) {
		*ret_why = str_printf("a loss model has p and r");
		return -EINVAL;
	}
	*d = out;
	return 0;
}

static int set_loss(struct shape_dir *d, const char *v, char **ret_why)
{
	int r;

	if (strchr(v, '=') && !shape_ge_supported) {
		*ret_why = str_printf("a loss model is not supported yet");
		return -EINVAL;
	}
	if (strchr(v, '='))
		return set_ge(d, v, ret_why);
	r = value_share(v, &d->loss, ret_why);
	if (!r)
		d->has_ge = false;
	return r;
}

static int set_corrupt(struct shape_dir *d, const char *v, char **ret_why)
{
	return value_share(v, &d->corrupt, ret_why);
}

static int set_duplicate(struct shape_dir *d, const char *v, char **ret_why)
{
	return value_share(v, &d->duplicate, ret_why);
}

static int set_reorder(struct shape_dir *d, const char *v, char **ret_why)
{
	return value_share(v, &d->reorder, ret_why);
}

static int set_queue(struct shape_dir *d, const char *v, char **ret_why)
{
	return value_queue(v, &d->queue, &d->queue_in_packets, ret_why);
}

static int set_overhead(struct shape_dir *d, const char *v, char **ret_why)
{
	uint64_t n;
	int r = v[strspn(v, "0123456789")] ? value_size(v, &n, ret_why)
					   : value_int(v, 0, 65535, &n, ret_why);

	if (r)
		return r;
	if (n > 65535) {
		*ret_why = str_printf("an overhead is at most 65535 bytes");
		return -EINVAL;
	}
	d->overhead_bytes = (uint32_t)n;
	return 0;
}

static int set_cell(struct shape_dir *d, const char *v, char **ret_why)
{
	CLEANUP(free) char *copy = str_dup(v);
	char *slash = strchr(copy, '/');
	CLEANUP(free) char *ignored = NULL;
	uint64_t payload, size;

	if (slash)
		*slash = 0;
	if (!slash || value_int(copy, 1, 65535, &payload, &ignored) ||
	    value_int(slash + 1, 1, 65535, &size, &ignored) || payload > size) {
		*ret_why = str_printf("'%s' is no cell; write PAYLOAD/SIZE in bytes, like 48/53", v);
		return -EINVAL;
	}
	d->cell_payload = (uint16_t)payload;
	d->cell_size = (uint16_t)size;
	return 0;
}

const struct shape_key shape_keys[] = {
	{ "rate", true, set_rate },
	{ "delay", true, set_delay },
	{ "jitter", true, set_jitter },
	{ "distribution", true, set_distribution },
	{ "loss", true, set_loss },
	{ "corrupt", true, set_corrupt },
	{ "duplicate", true, set_duplicate },
	{ "reorder", true, set_reorder },
	{ "queue", true, set_queue },
	{ "overhead", true, set_overhead },
	{ "cell", true, set_cell },
	{ "aqm", false, NULL },
	{ "ecn", false, NULL },
	{ "police", false, NULL },
	{ "trace", false, NULL },
	{ "schedule", false, NULL },
};
const size_t n_shape_keys = sizeof shape_keys / sizeof *shape_keys;

const struct shape_key *shape_key_find(const char *name)
{
	for (size_t i = 0; i < n_shape_keys; i++)
		if (!strcmp(shape_keys[i].name, name))
			return &shape_keys[i];
	return NULL;
}

void shape_suggest(struct suggestion *s)
{
	for (size_t i = 0; i < n_shape_keys; i++)
		suggest_consider(s, shape_keys[i].name);
	suggest_consider(s, "preset");
}

const char *preset_suggest(const char *name, char *buf, size_t size)
{
	struct suggestion near = { .word = name };

	for (size_t i = 0; i < n_presets; i++)
		suggest_consider(&near, presets[i].name);
	return suggest_str(&near, buf, size);
}

int shape_set_key_dir(struct shape_dir *dir, enum link_dir which, const char *key, const char *value,
		      char **ret_why)
{
	struct suggestion near = { .word = key };
	const struct shape_key *k = shape_key_find(key);
	const struct preset *p;
	char buf[96];

	if (k && k->is_supported)
		return k->set(dir, value, ret_why);
	if (k) {
		*ret_why = str_printf("'%s' is not supported yet", key);
		return -EINVAL;
	}
	if (strcmp(key, "preset") != 0) {
		shape_suggest(&near);
		*ret_why = str_printf("unknown key '%s'%s", key, suggest_str(&near, buf, sizeof buf));
		return -EINVAL;
	}
	p = preset_find(value);
	if (!p) {
		*ret_why = str_printf("unknown preset '%s'%s", value,
				      preset_suggest(value, buf, sizeof buf));
		return -EINVAL;
	}
	*dir = which == LINK_UP ? p->up : p->down;
	return 0;
}

int shape_set_key(struct shape_dir *dir, const char *key, const char *value, char **ret_why)
{
	return shape_set_key_dir(dir, LINK_DOWN, key, value, ret_why);
}

char *shape_dir_check(const struct shape_dir *d, uint32_t mtu, const char **ret_key)
{
	enum { ETHERNET_HEADER = 14 };
	uint64_t frame = (uint64_t)mtu + ETHERNET_HEADER;

	if (d->rate_bps && d->queue && !d->queue_in_packets && d->queue < frame) {
		*ret_key = "queue";
		return str_printf("a queue of %llu bytes never takes a whole frame, which has up to %llu bytes at "
				  "this MTU", (unsigned long long)d->queue, (unsigned long long)frame);
	}
	if (d->reorder > 0 && !d->delay_ns) {
		*ret_key = "reorder";
		return str_printf("frames overtake by skipping their delay, and this link has none; give it a 'delay'");
	}
	if (d->jitter_ns > d->delay_ns) {
		CLEANUP(free) char *jitter = value_time_str(d->jitter_ns);
		CLEANUP(free) char *delay = value_time_str(d->delay_ns);

		*ret_key = "jitter";
		return str_printf("a jitter of %s is more than the delay of %s: no frame arrives before it was sent, "
				  "so the spread would not be what it says", jitter, delay);
	}
	return NULL;
}

/* Appends " word VALUE"; frees @value. */
static void put(struct bytes *out, const char *word, char *value)
{
	bytes_printf(out, "%s%s %s", out->len ? " " : "", word, value);
	free(value);
}

static void put_share(struct bytes *out, const char *word, double share)
{
	if (share > 0)
		put(out, word, value_share_str(share));
}

static char *queue_str(const struct shape_dir *d)
{
	return d->queue_in_packets ? str_printf("%llu packets", (unsigned long long)d->queue)
				   : value_size_str(d->queue);
}

char *shape_dir_str(const struct shape_dir *d)
{
	struct bytes out = { 0 };

	put(&out, "rate", value_rate_str(d->rate_bps));
	if (d->delay_ns)
		put(&out, "delay", value_time_str(d->delay_ns));
	if (d->jitter_ns)
		put(&out, "jitter", value_time_str(d->jitter_ns));
	if (d->jitter_ns && d->distribution != SHAPE_UNIFORM)
		put(&out, "distribution", str_dup(shape_distribution_names[d->distribution]));
	if (d->has_ge)
		put(&out, "loss", str_printf("p=%.6g%%,r=%.6g%%,bad=%.6g%%,good=%.6g%%", d->ge_p * 100,
					     d->ge_r * 100, d->ge_bad * 100, d->ge_good * 100));
	put_share(&out, "loss", d->has_ge ? 0 : d->loss);
	put_share(&out, "corrupt", d->corrupt);
	put_share(&out, "duplicate", d->duplicate);
	put_share(&out, "reorder", d->reorder);
	if (d->queue)
		put(&out, "queue", queue_str(d));
	if (d->overhead_bytes)
		put(&out, "overhead", str_printf("%uB", d->overhead_bytes));
	if (d->cell_size)
		put(&out, "cell", str_printf("%u/%u", d->cell_payload, d->cell_size));
	return (char *)out.data;
}
