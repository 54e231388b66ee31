/* nat/part.c: the parts of an uplink, as one.
 *
 * Used by: nat/uplink.c.   Depends on: core/prng.h. */
#include "nat/part.h"

#include "core/prng.h"

#include <errno.h>
#include <stdlib.h>

struct parts {
	size_t n;
	struct open_part {
		const struct part_ops *ops;
		struct part_access access;
		void *part;
	} list[PARTS_MAX];
};

int parts_open(const struct part *list, size_t n, const struct part_access *access, struct parts **ret_parts)
{
	struct parts *p = calloc(1, sizeof *p);
	int r = n <= PARTS_MAX ? 0 : -EINVAL;

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct open_part *o = &p->list[i];
		struct prng rng;

		o->ops = list[i].ops;
		o->access = *access;
		prng_init(&rng, access->seed, o->ops->name);
		o->access.seed = prng_u64(&rng);
		r = o->ops->open(list[i].cfg, &o->access, &o->part);
		if (r == 0)
			p->n++;
	}
	if (r < 0) {
		(void)parts_close(p);
		return r;
	}
	*ret_parts = p;
	return 0;
}

struct parts *parts_close(struct parts *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->n; i++)
		p->list[i].ops->close(p->list[i].part);
	free(p);
	return NULL;
}

void parts_query(struct parts *p, uint16_t network, const uint8_t *data, size_t len, nsec_t now)
{
	struct message m;

	if (!message_parse(data, len, &m) || m.type != MESSAGE_QUERY)
		return;
	for (size_t i = 0; i < p->n; i++) {
		const struct open_part *o = &p->list[i];

		if (o->ops->query) {
			o->ops->query(o->part, network, &m, now);
			return;
		}
	}
}

bool parts_packet(struct parts *p, uint16_t network, const struct packet *packet, nsec_t now)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct open_part *o = &p->list[i];

		if (o->ops->packet && o->ops->packet(o->part, network, packet, now))
			return true;
	}
	return false;
}

nsec_t parts_next(const struct parts *p)
{
	nsec_t next = NSEC_NEVER;

	for (size_t i = 0; i < p->n; i++) {
		const struct open_part *o = &p->list[i];
		nsec_t at = o->ops->next ? o->ops->next(o->part) : NSEC_NEVER;

		if (at < next)
			next = at;
	}
	return next;
}

void parts_run(struct parts *p, nsec_t now)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct open_part *o = &p->list[i];

		if (o->ops->next && o->ops->next(o->part) <= now)
			o->ops->run(o->part, now);
	}
}

json_t *parts_counters(const struct parts *p)
{
	json_t *all = json_object();

	for (size_t i = 0; all && i < p->n; i++) {
		const struct open_part *o = &p->list[i];

		if (o->ops->counters)
			(void)json_object_set_new(all, o->ops->name, o->ops->counters(o->part));
	}
	return all;
}
