/* fabric/fabric.c: the fabric without its process.
 *
 * The way of a frame from port a to port b of one network:
 *
 *   port a -> [a access up] -> switch -> [network link of b] -> [b access down] -> port b
 *
 * Each link is one direction (shaping/link.h). A network's shape is met once,
 * by the network link of the port a frame leaves by. Where the shape's two
 * directions differ, the network's first port in the plan is its near end:
 * what it receives has the `down` shape, what every other port receives `up`.
 *
 * Events. Elements that hold frames are in a heap by the time they next want to
 * run, then by port and role of their links; a step runs them in that order, each at its own time, before it
 * takes anything new, so what comes out does not depend on when the driver calls.
 *
 * A frame enters at the time its machine wrote it, when that lies within the
 * last STAMP_AGE_MAX, and not before the port's last one: so the time the
 * fabric took to wake up is not added to the link's delay. A machine that
 * lies wins STAMP_AGE_MAX at most. A link can take times that run back a
 * little.
 *
 * Ports. A port is active (drained in every step) or asleep (its other side kicks).
 * Ports go to sleep together, when a step found nothing: fabric_sleep(). What
 * a step delivered is published once for each port at its end.
 *
 * Books: of a port's `in` and `out`, of each link and each switch:
 * entered + copied = delivered + lost + queued.
 *
 * Used by: fabric/process.c, tests, bench.   Depends on: fabric/port.h, shaping/link, vswitch. */
#include "fabric/fabric.h"

#include "core/checksum.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_FRAMES = 4096, NAME_SIZE = 128 };
/* How old a machine may say a frame is: what a wake-up takes on a busy host. */
#define STAMP_AGE_MAX (2 * NSEC_PER_MSEC)

/* ---- elements ------------------------------------------------------------ */

void fabric_element_moved(struct fabric *f, struct element *e)
{
	if (e->ops->next)
		heap_move(&f->events, &e->event, e->ops->next(e));
}

static struct element *first_event(const struct fabric *f)
{
	return (struct element *)((char *)heap_first(&f->events) - offsetof(struct element, event));
}

/* There is room for it. */
void fabric_add_element(struct fabric *f, struct element *e)
{
	heap_item_init(&e->event, (uint32_t)f->n_elements);
	f->elements[f->n_elements++] = e;
}

/* ---- the way of a frame ---------------------------------------------------- */

static void into_element(void *ctx, struct frame *frame, nsec_t now)
{
	const struct fabric_input *i = ctx;
	struct element *e = i->element;
	nsec_t next = e->ops->take(e, i->in, frame, now);

	if (next != e->event.at)
		heap_move(&i->fabric->events, &e->event, next);
}

void fabric_port_dirty(struct fabric_port *p)
{
	struct fabric *f = p->fabric;

	if (p->is_dirty || !p->ops->publish)
		return;
	p->is_dirty = true;
	f->dirty[f->n_dirty++] = (size_t)(p - f->ports);
}

static void into_port(void *ctx, struct frame *frame, nsec_t now)
{
	struct fabric_port *p = ctx;
	uint32_t len = frame->len;
	enum loss_reason lost;

	p->out.entered_frames++;
	p->out.entered_bytes += len;
	lost = p->ops->put(p, frame, now);
	if (lost != NOT_LOST) {
		p->out.lost_frames[lost]++;
		return;
	}
	p->out.delivered_frames++;
	p->out.delivered_bytes += len;
	fabric_port_dirty(p);
}

static void lose_entering(struct fabric_port *p, struct frame *frame, enum loss_reason why)
{
	p->in.lost_frames[why]++;
	frame_free(frame);
}

/* A frame that was counted goes to the network. A giant, which no wire of the network's MTU would carry, is
 * malformed as it is to a switch; up to two VLAN tags are no part of the MTU. */
static void enter(struct fabric_port *p, struct frame *frame, nsec_t now)
{
	if (frame->len > p->mtu + ETH_HEADER_LEN && frame_payload_len(frame) > p->mtu) {
		lose_entering(p, frame, LOSS_MALFORMED);
		return;
	}
	p->in.delivered_frames++;
	p->in.delivered_bytes += frame->len;
	into_element(&p->links[FABRIC_ACCESS_UP].input, frame, now);
}

/* Takes one record in. */
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
	if (is_sound)
		enter(p, frame, now);
	else
		lose_entering(p, frame, LOSS_MALFORMED);
}

void fabric_port_enter_frame(struct fabric_port *p, struct frame *f, nsec_t now)
{
	p->in.entered_frames++;
	p->in.entered_bytes += f->len;
	f->rx_time_ns = now;
	enter(p, f, now);
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

void fabric_port_enter(struct fabric_port *p, const struct ring_record *rec, nsec_t now)
{
	p->last_entry_ns = entry_time(p, rec, now);
	take_record(p, rec, p->last_entry_ns);
}

void fabric_publish(struct fabric *f)
{
	for (size_t i = 0; i < f->n_dirty; i++) {
		struct fabric_port *p = &f->ports[f->dirty[i]];

		p->is_dirty = false;
		p->ops->publish(p);
	}
	f->n_dirty = 0;
}

bool fabric_step(struct fabric *f, nsec_t now)
{
	unsigned n = 0;

	if (f->is_paused)
		return false;
	while (f->events.n && heap_next(&f->events) <= now) {
		struct element *e = first_event(f);

		e->ops->run(e, e->event.at);
		fabric_element_moved(f, e);
	}
	for (size_t i = 0; i < f->n_active; i++) {
		struct fabric_port *p = &f->ports[f->active[i]];

		n += p->ops->drain(p, FABRIC_BATCH, now);
	}
	fabric_publish(f);
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

		if (p->ops->sleep(p))
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

	if (p->is_active || !p->ops->drain)
		return;
	p->ops->wake(p);
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
	fl->is_up_dir = role == FABRIC_ACCESS_UP || (role == FABRIC_NETWORK && p->index != 0);
	if (role == FABRIC_NETWORK)
		fl->origin = fl->is_up_dir ? &net->up : &net->down;
	else
		fl->origin = fl->is_up_dir ? &p->plan->up : &p->plan->down;
	fl->mtu = role == FABRIC_NETWORK ? net->mtu : p->plan->mtu;
	(void)snprintf(name, sizeof name, "%s/%s/%s", net->name, p->plan->stream,
		       role == FABRIC_NETWORK ? "network" : fl->is_up_dir ? "up" : "down");
	r = link_new(&fl->origin->shape, fl->mtu, plan->seed, name, p->fabric->pool, sink, &fl->link);
	if (r < 0)
		return r;
	link_set_budget(fl->link, &p->fabric->budget, fl->origin->share_bytes);
	fabric_add_element(p->fabric, link_element(fl->link));
	fl->input = (struct fabric_input){ p->fabric, link_element(fl->link), 0 };
	return 0;
}

static int make_port(struct fabric_port *p)
{
	struct fabric_network *net = &p->fabric->networks[p->network];
	int r = p->ops->open ? p->ops->open(p) : 0;

	p->at_switch = (struct fabric_input){ p->fabric, vswitch_element(net->sw), p->index };
	if (r == 0)
		r = make_link(p, FABRIC_ACCESS_UP, &(struct frame_sink){ into_element, &p->at_switch });
	if (r == 0)
		r = make_link(p, FABRIC_NETWORK,
			      &(struct frame_sink){ into_element, &p->links[FABRIC_ACCESS_DOWN].input });
	if (r == 0)
		r = make_link(p, FABRIC_ACCESS_DOWN, &(struct frame_sink){ into_port, p });
	if (r < 0)
		return r;
	vswitch_set_output(net->sw, p->index,
			   &(struct frame_sink){ into_element, &p->links[FABRIC_NETWORK].input });
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
			.fabric = f, .plan = &plan->ports[i], .ops = port_ops(plan->ports[i].kind), .network = network,
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
		fabric_add_element(f, vswitch_element(net->sw));
	}
	for (size_t i = 0; i < plan->n_ports; i++)
		f->networks[f->ports[i].network].ports[f->ports[i].index] = i;
	return 0;
}

static int assemble(struct fabric *f)
{
	size_t n_elements = f->plan->n_networks + f->n_ports * (FABRIC_ROLE_COUNT + 1); /* a kind may add one */
	int r = frame_pool_new(POOL_FRAMES, &f->pool);

	f->elements = calloc(n_elements + 1, sizeof(struct element *));
	f->ports = calloc(f->n_ports + 1, sizeof *f->ports);
	f->networks = calloc(f->plan->n_networks + 1, sizeof *f->networks);
	f->active = calloc(f->n_ports + 1, sizeof *f->active);
	f->dirty = calloc(f->n_ports + 1, sizeof *f->dirty);
	if (r < 0 || !f->elements || !f->ports || !f->networks || !f->active || !f->dirty)
		return -ENOMEM;
	r = heap_reserve(&f->events, n_elements);
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
	for (size_t i = 0; i < f->n_elements; i++)
		f->elements[i]->ops->free(f->elements[i]);
	for (size_t i = 0; f->ports && i < f->n_ports; i++)
		if (f->ports[i].ops && f->ports[i].ops->close)
			f->ports[i].ops->close(&f->ports[i]);
	for (size_t i = 0; f->networks && i < f->plan->n_networks; i++)
		free(f->networks[i].ports);
	frame_pool_free(f->pool);
	link_states_free(f->states);
	free(f->elements);
	free(f->ports);
	free(f->networks);
	heap_done(&f->events);
	free(f->active);
	free(f->dirty);
	free(f);
	return NULL;
}
