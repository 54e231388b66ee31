/* fabric/fabric_save.c: the saved state of a fabric.
 *
 * Sections: "fabr", what is up by the words of the supervisor; one for each element, in the order
 * of their ranks, with the first four letters of its type; "port", one for each port, with its
 * books and what waits beyond it; and those of its services. All instants are distances to the fabric's time, so the fabric's
 * clock needs no state of its own: one that is loaded goes on at the time that it has.
 *
 * A fabric is loaded into one that was made from the same plan. Its ports are awake afterwards,
 * since frames may wait in their rings.
 *
 * Used by: fabric/fabric_file.c.   Depends on: core/element_state.h, fabric/fabric.h. */
#include "core/element_state.h"
#include "fabric/fabric.h"

static void words_state(struct fabric *f, struct state *s, nsec_t now)
{
	(void)state_begin(s, "fabr", 0, 1);
	state_same(s, f->plan->n_networks, "networks");
	state_same(s, f->n_ports, "ports");
	link_states_state(f->states, s, now);
	state_end(s);
}

/* The links of a loaded port are as the words about them have it. */
static void check_links(struct fabric_port *p, struct state *s)
{
	size_t port = (size_t)(p - p->fabric->ports);

	p->is_up = fabric_port_carrier(p);
	vswitch_set_link(p->fabric->networks[p->network].sw, p->index, p->is_up);
	if (p->ops->carrier)
		p->ops->carrier(p, p->is_up);
	for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++) {
		enum link_dir dir = p->links[k].is_up_dir ? LINK_UP : LINK_DOWN;

		state_expect(s,
			     link_is_up(p->links[k].link) ==
				     link_states_passes(p->fabric->states, port, k == FABRIC_NETWORK, dir),
			     "a port whose links are not as they were told to be");
	}
}

static void port_state(struct fabric_port *p, struct state *s, nsec_t now)
{
	(void)state_begin(s, "port", (uint32_t)(p - p->fabric->ports), 1);
	state_same(s, (uint64_t)p->plan->kind, "a port's kind");
	element_counters_state(&p->in, s);
	element_counters_state(&p->out, s);
	state_expect(s, element_counters_balance(&p->in) && element_counters_balance(&p->out),
		     "counters that do not balance");
	state_time(s, &p->last_entry_ns, now);
	state_expect(s, p->last_entry_ns <= now, "a frame that entered in the future");
	/* Machines write real time, which pauses do not stop. */
	if (p->ops->state && state_ok(s))
		p->ops->state(p, s, now, now + p->fabric->paused_ns);
	if (state_is_load(s) && state_ok(s))
		check_links(p, s);
	state_end(s);
}

void fabric_state(struct fabric *f, struct state *s, nsec_t real)
{
	nsec_t now = fabric_time(f, real);

	fabric_publish(f);
	words_state(f, s, now);
	for (size_t i = 0; i < f->n_elements && state_ok(s); i++) {
		struct element *e = f->elements[i];

		(void)state_begin(s, e->ops->type, (uint32_t)i, 1);
		if (state_ok(s))
			e->ops->state(e, s, now);
		state_end(s);
	}
	for (size_t i = 0; i < f->n_ports && state_ok(s); i++)
		port_state(&f->ports[i], s, now);
	for (size_t i = 0; i < f->n_ports && state_ok(s); i++)
		if (f->ports[i].ops->sections)
			f->ports[i].ops->sections(&f->ports[i], s, now);
	if (!state_is_load(s) || !state_ok(s))
		return;
	for (size_t i = 0; i < f->n_elements; i++)
		fabric_element_moved(f, f->elements[i]);
	for (size_t i = 0; i < f->n_ports; i++)
		fabric_wake_port(f, i);
}
