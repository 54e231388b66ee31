/* fabric/links.c: links by target: show, set, reset, carrier, and the books.
 *
 * A target is one port (its two access links) or one network (the network link
 * of each of its ports). Shapes come whole: what a user may ask of a link is
 * known to who asks (teams/link_shapes.c).
 *
 * Used by: fabric/requests.c.   Depends on: core/shape.h. */
#include "fabric/fabric.h"

#include <errno.h>

static const char *const loss_names[] = { "queue", "random", "down", "malformed", "no-port",
					  "ring-full", "shutdown", "memory" };
_Static_assert(sizeof loss_names / sizeof loss_names[0] == LOSS_REASON_COUNT, "a name for each reason");

/* ---- targets ------------------------------------------------------------- */

static bool port_is_meant(const struct fabric_port *p, const struct fabric_target *t)
{
	return t->ref.index == (t->ref.is_network ? p->network : (size_t)(p - p->fabric->ports));
}

static bool link_is_meant(const struct fabric_link *fl, enum fabric_link_role role,
			  const struct fabric_target *t)
{
	if (t->ref.is_network != (role == FABRIC_NETWORK))
		return false;
	return t->dir == LINK_BOTH || (t->dir == LINK_UP) == fl->is_up_dir;
}

/* The next link of the target after *pos (start with 0), or NULL. */
static struct fabric_link *next_link(struct fabric *f, const struct fabric_target *t, size_t *pos)
{
	for (; *pos < f->n_ports * FABRIC_ROLE_COUNT; ++*pos) {
		struct fabric_port *p = &f->ports[*pos / FABRIC_ROLE_COUNT];
		enum fabric_link_role role = *pos % FABRIC_ROLE_COUNT;

		if (port_is_meant(p, t) && link_is_meant(&p->links[role], role, t)) {
			++*pos;
			return &p->links[role];
		}
	}
	return NULL;
}

/* The port of the link that next_link() gave last. */
static const struct fabric_port *port_before(const struct fabric *f, size_t pos)
{
	return &f->ports[(pos - 1) / FABRIC_ROLE_COUNT];
}

int fabric_target_check(const struct fabric *f, const struct fabric_target *t)
{
	return t->ref.index < (t->ref.is_network ? f->plan->n_networks : f->n_ports) ? 0 : -ENOENT;
}

/* ---- changes -------------------------------------------------------------- */

static void put_shape(struct fabric_link *fl, const struct shape_dir *dir, nsec_t now)
{
	link_set_shape(fl->link, dir, now);
	fabric_element_moved(fl->fabric, link_element(fl->link));
}

void fabric_link_set(struct fabric *f, const struct fabric_target *t, const struct shape_dir *up,
		     const struct shape_dir *down, nsec_t now)
{
	struct fabric_link *fl;
	size_t pos = 0;

	while ((fl = next_link(f, t, &pos)))
		put_shape(fl, fl->is_up_dir ? up : down, now);
}

void fabric_link_reset(struct fabric *f, const struct fabric_target *t, nsec_t now)
{
	struct fabric_link *fl;
	size_t pos = 0;

	while ((fl = next_link(f, t, &pos)))
		put_shape(fl, &fl->origin->shape, now);
}

bool fabric_port_carrier(const struct fabric_port *p)
{
	return !p->lacks_peer && link_states_carrier(p->fabric->states, (size_t)(p - p->fabric->ports));
}

void fabric_port_state(struct fabric_port *p, nsec_t now)
{
	const struct link_states *states = p->fabric->states;
	size_t port = (size_t)(p - p->fabric->ports);
	bool carrier = fabric_port_carrier(p);

	/* Told of a loss of carrier, the switch forgets who is there. */
	if (p->is_up != carrier) {
		p->is_up = carrier;
		vswitch_set_link(p->fabric->networks[p->network].sw, p->index, carrier);
		if (p->ops->carrier)
			p->ops->carrier(p, carrier);
	}
	for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++) {
		struct fabric_link *fl = &p->links[k];

		link_set_up(fl->link,
			    link_states_passes(states, port, k == FABRIC_NETWORK, fl->is_up_dir ? LINK_UP : LINK_DOWN),
			    now);
		fabric_element_moved(fl->fabric, link_element(fl->link));
	}
}

void fabric_port_peer(struct fabric_port *p, bool is_there, const char *why, nsec_t now)
{
	struct fabric *f = p->fabric;

	p->lacks_peer = !is_there;
	fabric_port_state(p, now);
	if (f->on_peer)
		f->on_peer(f->on_peer_ctx, p, is_there ? FABRIC_PEER_CAME : FABRIC_PEER_WENT, why);
}

void fabric_port_refused(struct fabric_port *p, const char *why)
{
	struct fabric *f = p->fabric;

	if (f->on_peer)
		f->on_peer(f->on_peer_ctx, p, FABRIC_PEER_REFUSED, why);
}

void fabric_link_state(struct fabric *f, const struct fabric_target *t, bool up, bool is_flap_end,
		       nsec_t now)
{
	if (up && is_flap_end)
		link_states_end_flap(f->states, &t->ref, t->dir);
	else
		link_states_say(f->states, &t->ref, t->dir, up ? LINK_WORD_UP : LINK_WORD_DOWN, 0);
	for (size_t i = 0; i < f->n_ports; i++)
		fabric_port_state(&f->ports[i], now);
}

/* ---- showing -------------------------------------------------------------- */

static json_t *counters_json(const struct element_counters *c)
{
	json_t *lost = json_object();

	for (size_t i = 0; i < LOSS_REASON_COUNT; i++)
		if (c->lost_frames[i])
			json_object_set_new(lost, loss_names[i], json_integer((json_int_t)c->lost_frames[i]));
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "entered_frames",
			 (json_int_t)c->entered_frames, "entered_bytes", (json_int_t)c->entered_bytes,
			 "copied_frames", (json_int_t)c->copied_frames, "delivered_frames",
			 (json_int_t)c->delivered_frames, "delivered_bytes",
			 (json_int_t)c->delivered_bytes, "queued_frames", (json_int_t)c->queued_frames,
			 "queued_bytes", (json_int_t)c->queued_bytes, "corrupted_frames",
			 (json_int_t)c->corrupted_frames, "duplicated_frames",
			 (json_int_t)c->duplicated_frames, "reordered_frames",
			 (json_int_t)c->reordered_frames, "lost", lost);
}

static const char *up_or_down(bool is_up)
{
	return is_up ? "up" : "down";
}

/* Who holds a link down, each by itself. */
static json_t *state_json(const struct fabric_link *fl, const struct fabric_port *p, bool of_network)
{
	const struct link_states *states = fl->fabric->states;
	struct fabric_ref self = { .index = (size_t)(p - p->fabric->ports) };
	struct fabric_ref network = { .is_network = true, .index = p->network };
	bool is_open = link_states_is_up(states, of_network ? &network : &self,
					 fl->is_up_dir ? LINK_UP : LINK_DOWN);

	return json_pack("{s:s,s:s,s:s,s:b}", "nic", up_or_down(link_states_is_up(states, &self, LINK_BOTH)),
			 "network", up_or_down(link_states_is_up(states, &network, LINK_BOTH)),
			 "direction", up_or_down(is_open), "carrier", (int)p->is_up);
}

/* What the link may hold, and what its shape may need: with less, tail drop comes before its queue is full. */
static json_t *memory_json(const struct fabric_link *fl)
{
	const struct fabric *f = fl->fabric;
	uint64_t share = fl->origin->share_bytes;
	uint64_t limit = share + f->plan->spare_bytes, need = shape_memory_need(link_shape(fl->link), fl->mtu);

	return json_pack("{s:I,s:I,s:I,s:I,s:b}", "held_bytes", (json_int_t)link_held_bytes(fl->link),
			 "share_bytes", (json_int_t)share, "limit_bytes", (json_int_t)limit, "need_bytes",
			 (json_int_t)need, "bounds", need > limit);
}

static json_t *link_json(const struct fabric_link *fl, const struct fabric_port *p, bool of_network)
{
	json_t *j = json_pack("{s:s,s:s,s:o,s:I,s:o,s:b,s:o}", "port", p->plan->name, "dir",
			 fl->is_up_dir ? "up" : "down", "shape", shape_dir_json(link_shape(fl->link)), "queue_limit",
			 (json_int_t)link_queue_limit(fl->link), "counters",
			 counters_json(element_counters(link_element(fl->link))), "up", (int)link_is_up(fl->link), "state",
			 state_json(fl, p, of_network));

	json_object_set_new(j, "memory", memory_json(fl));
	/* Between an access link and the machine there is the ring, with losses of its own. */
	if (!of_network)
		json_object_set_new(j, "ring", counters_json(fl->is_up_dir ? &p->in : &p->out));
	return j;
}

json_t *fabric_link_show(struct fabric *f, const struct fabric_target *t, nsec_t now)
{
	json_t *list = json_array();
	struct fabric_link *fl;
	size_t pos = 0;

	while ((fl = next_link(f, t, &pos))) {
		link_run(fl->link, now);
		fabric_element_moved(fl->fabric, link_element(fl->link));
		json_array_append_new(list, link_json(fl, port_before(f, pos),
						      t->ref.is_network));
	}
	return list;
}

static json_t *port_json(const struct fabric_port *p)
{
	const struct fabric *f = p->fabric;
	static const char *const roles[FABRIC_ROLE_COUNT] = { "up", "network", "down" };
	json_t *j = json_pack("{s:s,s:s,s:s,s:b,s:b,s:b,s:o,s:o}", "port", p->plan->name, "network",
			      f->plan->networks[p->network].name, "kind", p->ops->kind, "up", (int)p->is_up, "peer",
			      (int)!p->lacks_peer, "broken", (int)fabric_port_is_broken(p), "in", counters_json(&p->in),
			      "out", counters_json(&p->out));

	for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++)
		json_object_set_new(j, roles[k], counters_json(element_counters(p->links[k].input.element)));
	return j;
}

uint64_t fabric_held_bytes(const struct fabric *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->n_ports; i++)
		for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++)
			sum += link_held_bytes(f->ports[i].links[k].link);
	for (size_t i = 0; i < f->n_ports; i++)
		if (f->ports[i].ops->held_bytes)
			sum += f->ports[i].ops->held_bytes(&f->ports[i]);
	return sum;
}

json_t *fabric_counters(struct fabric *f, nsec_t now)
{
	json_t *ports = json_array(), *networks = json_array();

	(void)now;
	for (size_t i = 0; i < f->n_ports; i++)
		json_array_append_new(ports, port_json(&f->ports[i]));
	for (size_t i = 0; i < f->plan->n_networks; i++)
		json_array_append_new(networks,
				      json_pack("{s:s,s:I,s:o}", "network", f->plan->networks[i].name,
						"stations",
						(json_int_t)vswitch_n_stations(f->networks[i].sw),
						"counters",
						counters_json(element_counters(vswitch_element(f->networks[i].sw)))));
	return json_pack("{s:o,s:o,s:{s:I,s:I,s:I}}", "networks", networks, "ports", ports, "memory",
			 "held_bytes", (json_int_t)fabric_held_bytes(f), "borrowed_bytes",
			 (json_int_t)f->budget.borrowed_bytes, "limit_bytes",
			 (json_int_t)f->plan->total_bytes);
}
