/* fabric/fabric.c: the fabric without its process.
 *
 * The way of a frame from port a to port b of one network:
 *
 *   a's ring -> [a access up] -> switch -> [network link of b] -> [b access down] -> b's ring
 *
 * Each link is one direction (shaping/link.h). A network's shape is met once,
 * by the network link of the port a frame leaves by. Where the shape's two
 * directions differ, the network's first port in the plan is its near end:
 * what it receives has the `down` shape, what every other port receives `up`.
 *
 * Events. Links that hold frames are in a heap by the time they next want to
 * run, then by port and role; a step runs them in that order, each at its own time, before it
 * takes anything new, so what comes out does not depend on when the driver calls.
 *
 * A frame enters at the time its machine wrote it, when that lies within the
 * last STAMP_AGE_MAX, and not before the port's last one: so the time the
 * fabric took to wake up is not added to the link's delay. A machine that
 * lies wins STAMP_AGE_MAX at most. A link can take times that run back a
 * little.
 *
 * Rings. A port is active (drained in every step) or asleep (its machine kicks).
 * Ports go to sleep together, when a step found nothing: fabric_sleep(). What
 * a step delivered is published once for each ring at its end.
 *
 * Books: of a port's `in` and `out`, of each link and each switch:
 * entered + copied = delivered + lost + queued.
 *
 * Used by: fabric/process.c, tests, bench.   Depends on: core/ring, shaping/link, vswitch. */
#include "fabric/fabric.h"

#include "core/checksum.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_FRAMES = 4096, NAME_SIZE = 128 };
/* How old a machine may say a frame is: what a wake-up takes on a busy host. */
#define STAMP_AGE_MAX (2 * NSEC_PER_MSEC)

/* ---- events ------------------------------------------------------------ */

void fabric_link_moved(struct fabric_link *fl)
{
	heap_move(&fl->fabric->events, &fl->event, link_next(fl->link));
}

static struct fabric_link *first_event(const struct fabric *f)
{
	return (struct fabric_link *)((char *)heap_first(&f->events) - offsetof(struct fabric_link, event));
}

/* ---- the way of a frame ---------------------------------------------------- */

static void into_link(void *ctx, struct frame *frame, nsec_t now)
{
	struct fabric_link *fl = ctx;

	link_take(fl->link, frame, now);
	fabric_link_moved(fl);
}

static void into_switch(void *ctx, struct frame *frame, nsec_t now)
{
	struct fabric_port *p = ctx;

	vswitch_take(p->fabric->networks[p->network].sw, p->index, frame, now);
}

static void into_ring(void *ctx, struct frame *frame, nsec_t now)
{
	struct fabric_port *p = ctx;
	struct fabric *f = p->fabric;
	uint8_t *room = NULL;

	p->out.entered_frames++;
	p->out.entered_bytes += frame->len;
	if (p->has_rings)
		room = ring_reserve(&p->rings.tx, frame->len);
	if (!room) {
		p->out.lost_frames[p->has_rings ? LOSS_RING_FULL : LOSS_NO_PORT]++;
		frame_free(frame);
		return;
	}
	memcpy(room, frame->data, frame->len);
	ring_commit(&p->rings.tx, frame->len, &frame->offload, now);
	p->out.delivered_frames++;
	p->out.delivered_bytes += frame->len;
	frame_free(frame);
	if (!p->is_dirty) {
		p->is_dirty = true;
		f->dirty[f->n_dirty++] = (size_t)(p - f->ports);
	}
}

/* Takes one record in. A giant, which no wire of the network's MTU would carry, is malformed as
 * it is to a switch; up to two VLAN tags are no part of the MTU. */
static void take_record(struct fabric_port *p, const struct ring_record *rec, nsec_t now)
{
	struct frame *frame;
	bool is_sound = true;

	p->in.entered_frames++;
	p->in.entered_bytes += rec->len;
	if (rec->len < ETH_HEADER_LEN) {
		p->in.lost_frames[LOSS_MALFORMED]++;
		return;
	}
	frame = frame_new(p->fabric->pool, rec->len);
	if (!frame) {
		p->in.lost_frames[LOSS_MEMORY]++;
		return;
	}
	memcpy(frame->data, rec->data, rec->len);
	frame->len = rec->len;
	frame->rx_time_ns = now;
	/* The one place that judges them, on the copy, which its machine cannot change. */
	if (rec->offload.flags | rec->offload.gso_type) {
		frame->offload = rec->offload;
		is_sound = frame_offload_check(frame);
	}
	if (is_sound && rec->len > p->mtu + ETH_HEADER_LEN)
		is_sound = frame_payload_len(frame) <= p->mtu;
	if (!is_sound) {
		p->in.lost_frames[LOSS_MALFORMED]++;
		frame_free(frame);
		return;
	}
	p->in.delivered_frames++;
	p->in.delivered_bytes += rec->len;
	into_link(&p->links[FABRIC_ACCESS_UP], frame, now);
}

/* When the record entered, by the fabric's time. */
static nsec_t entry_time(struct fabric_port *p, const struct ring_record *rec, nsec_t now)
{
	nsec_t written = rec->time_ns;

	/* Far values are nonsense, and would overflow. */
	if (written < 0 || written > NSEC_NEVER / 2)
		return now;
	written -= p->fabric->paused_ns;
	if (written < now - STAMP_AGE_MAX || written > now)
		return now;
	return nsec_max(written, p->last_entry_ns);
}

/* Takes one batch in. Returns how many. */
static unsigned drain(struct fabric_port *p, nsec_t now)
{
	struct ring_record rec;
	unsigned n = 0;

	for (; n < FABRIC_BATCH && ring_peek(&p->rings.rx, &rec); n++) {
		p->last_entry_ns = entry_time(p, &rec, now);
		take_record(p, &rec, p->last_entry_ns);
		ring_pop(&p->rings.rx);
	}
	if (n)
		ring_release(&p->rings.rx);
	return n;
}

bool fabric_step(struct fabric *f, nsec_t now)
{
	unsigned n = 0;

	if (f->is_paused)
		return false;
	while (f->events.n && heap_next(&f->events) <= now) {
		struct fabric_link *fl = first_event(f);

		link_run(fl->link, fl->event.at);
		fabric_link_moved(fl);
	}
	for (size_t i = 0; i < f->n_active; i++)
		n += drain(&f->ports[f->active[i]], now);
	for (size_t i = 0; i < f->n_dirty; i++) {
		struct fabric_port *p = &f->ports[f->dirty[i]];

		p->is_dirty = false;
		(void)ring_publish(&p->rings.tx);
	}
	f->n_dirty = 0;
	return n != 0;
}

nsec_t fabric_next(const struct fabric *f)
{
	return f->is_paused ? NSEC_NEVER : heap_next(&f->events);
}

bool fabric_sleep(struct fabric *f)
{
	size_t n = 0;

	if (f->is_paused)
		return true; /* the active ones stay active: they are drained at once after it */
	for (size_t i = 0; i < f->n_active; i++) {
		struct fabric_port *p = &f->ports[f->active[i]];

		if (ring_sleep(&p->rings.rx))
			p->is_active = false;
		else
			f->active[n++] = f->active[i];
	}
	f->n_active = n;
	return n == 0;
}

void fabric_wake_port(struct fabric *f, size_t port)
{
	struct fabric_port *p = &f->ports[port];

	if (p->is_active || !p->has_rings)
		return;
	ring_wake(&p->rings.rx);
	p->is_active = true;
	f->active[f->n_active++] = port;
}

nsec_t fabric_time(const struct fabric *f, nsec_t real)
{
	return (f->is_paused ? f->pause_began_ns : real) - f->paused_ns;
}

void fabric_pause(struct fabric *f, nsec_t real)
{
	if (f->is_paused)
		return;
	f->is_paused = true;
	f->pause_began_ns = real;
}

void fabric_resume(struct fabric *f, nsec_t real)
{
	if (!f->is_paused)
		return;
	f->is_paused = false;
	f->paused_ns += real - f->pause_began_ns;
}

/* ---- assembling ------------------------------------------------------------ */

static int make_link(struct fabric_port *p, enum fabric_link_role role, const struct frame_sink *sink)
{
	const struct fabric_plan *plan = p->fabric->plan;
	const struct fabric_plan_network *net = &plan->networks[p->network];
	struct fabric_link *fl = &p->links[role];
	char name[NAME_SIZE];
	int r;

	fl->fabric = p->fabric;
	heap_item_init(&fl->event, (uint32_t)((size_t)(p - p->fabric->ports) * FABRIC_ROLE_COUNT + role));
	fl->is_up_dir = role == FABRIC_ACCESS_UP || (role == FABRIC_NETWORK && p->index != 0);
	if (role == FABRIC_NETWORK)
		fl->origin = fl->is_up_dir ? &net->up : &net->down;
	else
		fl->origin = fl->is_up_dir ? &p->plan->up : &p->plan->down;
	fl->mtu = role == FABRIC_NETWORK ? net->mtu : p->plan->mtu;
	(void)snprintf(name, sizeof name, "%s/%s/%s", net->name, p->plan->stream,
		       role == FABRIC_NETWORK ? "network" : fl->is_up_dir ? "up" : "down");
	r = link_new(&fl->origin->shape, fl->mtu, plan->seed, name, p->fabric->pool, sink, &fl->link);
	if (r == 0)
		link_set_budget(fl->link, &p->fabric->budget, fl->origin->share_bytes);
	return r;
}

static int make_port(struct fabric_port *p)
{
	struct fabric_network *net = &p->fabric->networks[p->network];
	int r;

	if (p->plan->kind == FABRIC_PORT_RING) {
		r = ring_pair_attach(p->plan->rings, RING_FABRIC, &p->rings);
		if (r < 0)
			return r;
		p->has_rings = true;
	}
	r = make_link(p, FABRIC_ACCESS_UP, &(struct frame_sink){ into_switch, p });
	if (r == 0)
		r = make_link(p, FABRIC_NETWORK,
			      &(struct frame_sink){ into_link, &p->links[FABRIC_ACCESS_DOWN] });
	if (r == 0)
		r = make_link(p, FABRIC_ACCESS_DOWN, &(struct frame_sink){ into_ring, p });
	if (r < 0)
		return r;
	vswitch_set_output(net->sw, p->index,
			   &(struct frame_sink){ into_link, &p->links[FABRIC_NETWORK] });
	p->is_up = true;
	fabric_port_state(p, 0);
	fabric_wake_port(p->fabric, (size_t)(p - p->fabric->ports));
	return 0;
}

/* Ports get their places, networks their switches. */
static int make_networks(struct fabric *f)
{
	const struct fabric_plan *plan = f->plan;

	for (size_t i = 0; i < plan->n_ports; i++) {
		size_t network = plan->ports[i].network;

		f->ports[i] = (struct fabric_port){
			.fabric = f, .plan = &plan->ports[i], .network = network,
			.index = f->networks[network].n_ports++, .mtu = plan->networks[network].mtu,
		};
	}
	for (size_t i = 0; i < plan->n_networks; i++) {
		struct fabric_network *net = &f->networks[i];
		int r;

		net->ports = calloc(net->n_ports + 1, sizeof *net->ports);
		if (!net->ports)
			return -ENOMEM;
		r = vswitch_new(plan->networks[i].type, net->n_ports, plan->seed, f->pool, &net->sw);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < plan->n_ports; i++)
		f->networks[f->ports[i].network].ports[f->ports[i].index] = i;
	return 0;
}

static int assemble(struct fabric *f)
{
	int r = frame_pool_new(POOL_FRAMES, &f->pool);

	f->ports = calloc(f->n_ports + 1, sizeof *f->ports);
	f->networks = calloc(f->plan->n_networks + 1, sizeof *f->networks);
	f->active = calloc(f->n_ports + 1, sizeof *f->active);
	f->dirty = calloc(f->n_ports + 1, sizeof *f->dirty);
	if (r < 0 || !f->ports || !f->networks || !f->active || !f->dirty)
		return -ENOMEM;
	r = heap_reserve(&f->events, f->n_ports * FABRIC_ROLE_COUNT);
	if (r == 0)
		r = link_states_new(f->plan, &f->states);
	if (r == 0)
		r = make_networks(f);
	for (size_t i = 0; r == 0 && i < f->n_ports; i++)
		r = make_port(&f->ports[i]);
	return r;
}

int fabric_new(const struct fabric_plan *plan, struct fabric **ret_fabric)
{
	struct fabric *f = calloc(1, sizeof *f);
	int r;

	if (!f)
		return -ENOMEM;
	f->plan = plan;
	f->budget.spare_bytes = plan->spare_bytes;
	f->n_ports = plan->n_ports;
	r = assemble(f);
	if (r < 0) {
		fabric_free(f);
		return r;
	}
	*ret_fabric = f;
	return 0;
}

struct fabric *fabric_free(struct fabric *f)
{
	if (!f)
		return NULL;
	for (size_t i = 0; f->ports && i < f->n_ports; i++) {
		for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++)
			link_free(f->ports[i].links[k].link);
		ring_pair_detach(&f->ports[i].rings);
	}
	for (size_t i = 0; f->networks && i < f->plan->n_networks; i++) {
		vswitch_free(f->networks[i].sw);
		free(f->networks[i].ports);
	}
	frame_pool_free(f->pool);
	link_states_free(f->states);
	free(f->ports);
	free(f->networks);
	heap_done(&f->events);
	free(f->active);
	free(f->dirty);
	free(f);
	return NULL;
}
