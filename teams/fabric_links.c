/* teams/fabric_links.c: links by name: show, set, reset, carrier, and the books.
 *
 * A target is one NIC (its two access links) or one network (the network link
 * of each of its ports). "set" works on copies first, so that a key which is
 * refused changes nothing; what comes of them is held to the rules of a team file. "preset" replaces the whole direction by the
 * preset's own and comes first, wherever it stands, as in a team file; the other
 * keys then override it, in their order.
 *
 * Used by: teams/fabric_control.c.   Depends on: topologies/team.h. */
#include "core/bytes.h"
#include "teams/fabric_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const loss_names[] = { "queue", "random", "down", "malformed", "no-port",
					  "ring-full", "shutdown", "memory" };
_Static_assert(sizeof loss_names / sizeof loss_names[0] == LOSS_REASON_COUNT, "a name for each reason");

/* ---- targets ------------------------------------------------------------- */

static bool port_is_meant(const struct fabric_port *p, const struct fabric_target *t)
{
	return t->is_network ? p->network == t->network : p->vm == t->vm && p->nic == t->nic;
}

static bool link_is_meant(const struct fabric_link *fl, enum fabric_link_role role,
			  const struct fabric_target *t)
{
	if (t->is_network != (role == FABRIC_NETWORK))
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
	if (t->is_network)
		return t->network < f->team->n_networks ? 0 : -ENOENT;
	if (t->vm >= f->team->n_vms || t->nic >= f->team->vms[t->vm].n_nics)
		return -ENOENT;
	return 0;
}

/* ---- changes -------------------------------------------------------------- */

static int apply_one(struct shape_dir *dir, bool is_up_dir, const char *set, char **ret_why)
{
	const char *eq = strchr(set, '=');
	CLEANUP(free) char *key = NULL;
	const struct preset *preset;

	if (!eq || eq == set) {
		*ret_why = str_printf("'%s' is not KEY=VALUE", set);
		return -EINVAL;
	}
	key = str_printf("%.*s", (int)(eq - set), set);
	if (strcmp(key, "preset") != 0)
		return shape_set_key(dir, key, eq + 1, ret_why);
	preset = preset_find(eq + 1);
	if (!preset) {
		*ret_why = str_printf("unknown preset '%s'", eq + 1);
		return -EINVAL;
	}
	*dir = is_up_dir ? preset->up : preset->down;
	return 0;
}

/* "up.delay=5ms" is for one direction: cuts the prefix off; false when @set is
 * for the other. @ret_is_narrow: there was one. */
static bool is_for(bool is_up_dir, const char **set, bool *ret_is_narrow)
{
	static const char *const prefixes[] = { "down.", "up." };

	*ret_is_narrow = false;
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(*set, prefixes[i], n) != 0)
			continue;
		*set += n;
		*ret_is_narrow = true;
		return is_up_dir == (i == 1);
	}
	return true;
}

/* As in a team file: the preset, the keys, then what is for one direction. */
static int apply_all(struct shape_dir *dir, bool is_up_dir, const char *const *sets, size_t n_sets,
		     char **ret_why)
{
	for (int pass = 0; pass < 4; pass++)
		for (size_t i = 0; i < n_sets; i++) {
			const char *set = sets[i];
			bool is_narrow, is_meant = is_for(is_up_dir, &set, &is_narrow);
			int turn = 2 * is_narrow + (strncmp(set, "preset=", 7) != 0), r;

			r = is_meant && turn == pass ? apply_one(dir, is_up_dir, set, ret_why) : 0;
			if (r < 0)
				return r;
		}
	return 0;
}

static void put_shape(struct fabric_link *fl, const struct shape_dir *dir, nsec_t now)
{
	link_set_shape(fl->link, dir, now);
	fabric_link_moved(fl);
}

/* Whether the link can be, and may be, as @dir says: by the rules of a team file. */
static int check_link(const struct fabric *f, const struct fabric_port *p, const struct fabric_link *fl,
		      const struct shape_dir *dir, char **ret_why)
{
	const char *key;

	/* What comes down may be as long as the network allows. */
	*ret_why = shape_dir_check(dir, fl->is_up_dir ? fl->mtu : f->team->networks[p->network].mtu, &key);
	if (!*ret_why && f->team->root)
		*ret_why = shape_dir_check_untrusted(dir);
	return *ret_why ? -EINVAL : 0;
}

int fabric_link_set(struct fabric *f, const struct fabric_target *t, const char *const *sets,
		    size_t n_sets, nsec_t now, char **ret_why)
{
	struct fabric_link *fl;
	size_t pos = 0;
	int r;

	while ((fl = next_link(f, t, &pos))) {
		struct shape_dir trial = *link_shape(fl->link);

		r = apply_all(&trial, fl->is_up_dir, sets, n_sets, ret_why);
		if (r == 0)
			r = check_link(f, port_before(f, pos), fl, &trial, ret_why);
		if (r < 0)
			return r;
	}
	pos = 0;
	while ((fl = next_link(f, t, &pos))) {
		struct shape_dir dir = *link_shape(fl->link);

		r = apply_all(&dir, fl->is_up_dir, sets, n_sets, ret_why);
		if (r < 0)
			return r;
		put_shape(fl, &dir, now);
	}
	return 0;
}

void fabric_link_reset(struct fabric *f, const struct fabric_target *t, nsec_t now)
{
	struct fabric_link *fl;
	size_t pos = 0;

	while ((fl = next_link(f, t, &pos)))
		put_shape(fl, &fl->origin, now);
}

void fabric_port_state(struct fabric_port *p, nsec_t now)
{
	const struct link_states *states = p->fabric->states;
	bool carrier = link_states_carrier(states, p->vm, p->nic);

	/* Told of a loss of carrier, the switch forgets who is there. */
	if (p->is_up != carrier)
		vswitch_set_link(p->fabric->networks[p->network].sw, p->index, carrier);
	p->is_up = carrier;
	for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++) {
		struct fabric_link *fl = &p->links[k];

		link_set_up(fl->link,
			    link_states_passes(states, p->vm, p->nic, k == FABRIC_NETWORK,
					       fl->is_up_dir ? LINK_UP : LINK_DOWN),
			    now);
		fabric_link_moved(fl);
	}
}

void fabric_link_state(struct fabric *f, const struct fabric_target *t, bool up, bool is_flap_end,
		       nsec_t now)
{
	struct link_ref ref = { .is_network = t->is_network, .network = t->network, .vm = t->vm,
				.nic = t->nic };

	if (up && is_flap_end)
		link_states_end_flap(f->states, &ref, t->dir);
	else
		link_states_say(f->states, &ref, t->dir, up ? LINK_WORD_UP : LINK_WORD_DOWN, 0);
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
	struct link_ref nic = { .vm = p->vm, .nic = p->nic };
	struct link_ref network = { .is_network = true, .network = p->network };
	bool is_open = link_states_is_up(states, of_network ? &network : &nic,
					 fl->is_up_dir ? LINK_UP : LINK_DOWN);

	return json_pack("{s:s,s:s,s:s,s:b}", "nic", up_or_down(link_states_is_up(states, &nic, LINK_BOTH)),
			 "network", up_or_down(link_states_is_up(states, &network, LINK_BOTH)),
			 "direction", up_or_down(is_open), "carrier", (int)p->is_up);
}

/* What the link may hold, and what its shape may need: with less, tail drop comes before its queue is full. */
static json_t *memory_json(const struct fabric_link *fl)
{
	const struct fabric *f = fl->fabric;
	uint64_t share = team_link_memory(&f->memory, &fl->origin, fl->mtu);
	uint64_t limit = share + f->memory.spare_bytes, need = shape_memory_need(link_shape(fl->link), fl->mtu);

	return json_pack("{s:I,s:I,s:I,s:I,s:b}", "held_bytes", (json_int_t)link_held_bytes(fl->link),
			 "share_bytes", (json_int_t)share, "limit_bytes", (json_int_t)limit, "need_bytes",
			 (json_int_t)need, "bounds", need > limit);
}

static json_t *link_json(const struct fabric_link *fl, const struct fabric_port *p, bool of_network)
{
	const struct team_vm *vm = &fl->fabric->team->vms[p->vm];
	CLEANUP(free) char *port = str_printf("%s.%s", vm->name, vm->nics[p->nic].name);
	CLEANUP(free) char *text = shape_dir_str(link_shape(fl->link));
	json_t *j = json_pack("{s:s,s:s,s:s,s:o,s:I,s:o,s:b,s:o}", "port", port, "dir",
			 fl->is_up_dir ? "up" : "down", "text", text, "shape", shape_dir_json(link_shape(fl->link)), "queue_limit",
			 (json_int_t)link_queue_limit(fl->link), "counters",
			 counters_json(link_counters(fl->link)), "up", (int)link_is_up(fl->link), "state",
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
		fabric_link_moved(fl);
		json_array_append_new(list, link_json(fl, port_before(f, pos),
						      t->is_network));
	}
	return list;
}

static json_t *port_json(const struct fabric_port *p)
{
	const struct fabric *f = p->fabric;
	const struct team_vm *vm = &f->team->vms[p->vm];
	CLEANUP(free) char *name = str_printf("%s.%s", vm->name, vm->nics[p->nic].name);
	static const char *const roles[FABRIC_ROLE_COUNT] = { "up", "network", "down" };
	json_t *j = json_pack("{s:s,s:s,s:b,s:b,s:o,s:o}", "port", name, "network",
			      f->team->networks[p->network].name, "up", (int)p->is_up, "broken",
			      (int)(p->rings.rx.broken || p->rings.tx.broken), "in",
			      counters_json(&p->in), "out", counters_json(&p->out));

	for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++)
		json_object_set_new(j, roles[k], counters_json(link_counters(p->links[k].link)));
	return j;
}

uint64_t fabric_held_bytes(const struct fabric *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->n_ports; i++)
		for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++)
			sum += link_held_bytes(f->ports[i].links[k].link);
	return sum;
}

json_t *fabric_counters(struct fabric *f, nsec_t now)
{
	json_t *ports = json_array(), *networks = json_array();

	(void)now;
	for (size_t i = 0; i < f->n_ports; i++)
		json_array_append_new(ports, port_json(&f->ports[i]));
	for (size_t i = 0; i < f->team->n_networks; i++)
		json_array_append_new(networks,
				      json_pack("{s:s,s:I,s:o}", "network", f->team->networks[i].name,
						"stations",
						(json_int_t)vswitch_n_stations(f->networks[i].sw),
						"counters",
						counters_json(vswitch_counters(f->networks[i].sw))));
	return json_pack("{s:o,s:o,s:{s:I,s:I,s:I}}", "networks", networks, "ports", ports, "memory",
			 "held_bytes", (json_int_t)fabric_held_bytes(f), "borrowed_bytes",
			 (json_int_t)f->budget.borrowed_bytes, "limit_bytes",
			 (json_int_t)f->memory.total_bytes);
}
