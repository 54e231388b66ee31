/* topologies/check.c: the team as a whole: do its parts fit.
 *
 * Runs even when parsing found mistakes, on what could be read; a part that
 * could not be read is passed over in silence, so that one mistake is one
 * message. Names are looked up in hash tables: 2,000 VMs are checked in one go.
 *
 * Used by: team_load.c.   Depends on: load.h, suggest.h. Sources: team-file(5). */
#include "topologies/load.h"
#include "topologies/tree.h"
#include "topologies/suggest.h"

#include "core/cleanup.h"

#include <string.h>

/* Looking for near names costs as much as there are names: not for every one of
 * thousands of mistakes, of which few are shown. */
enum { SUGGEST_ERRORS_MAX = 10 * LOAD_MESSAGES_MAX };

const char *check_vm_near(const struct load *l, const char *name, char *buf, size_t size)
{
	struct suggestion near = { .word = name };

	for (size_t i = 0; i < l->team->n_vms && l->n_errors < SUGGEST_ERRORS_MAX; i++)
		suggest_consider(&near, l->team->vms[i].name);
	return suggest_str(&near, buf, size);
}

static const char *network_near(const struct load *l, const char *name, char *buf, size_t size)
{
	struct suggestion near = { .word = name };

	for (size_t i = 0; i < l->team->n_networks && l->n_errors < SUGGEST_ERRORS_MAX; i++)
		suggest_consider(&near, l->team->networks[i].name);
	return suggest_str(&near, buf, size);
}

/* Looks a VM up, or those of a `count`: *ret_n from *ret_first on. */
static bool find_vms(const struct load *l, const char *name, size_t *ret_first, size_t *ret_n)
{
	bool is_one = strmap_get(&l->vms, name, ret_first);

	if (!is_one && !strmap_get(&l->groups, name, ret_first))
		return false;
	*ret_n = is_one ? 1 : l->vm_src[*ret_first].count;
	return true;
}

/* The same; reports when there is none. */
static bool want_vms(struct load *l, const struct node *n, size_t *ret_first, size_t *ret_n)
{
	char buf[96];

	if (find_vms(l, n->text, ret_first, ret_n))
		return true;
	if (l->vms_known)
		load_error(l, &n->place, "no VM is called '%s'%s", n->text, check_vm_near(l, n->text, buf, sizeof buf));
	return false;
}

static void resolve_nics(struct load *l, size_t vm)
{
	struct team_vm *v = &l->team->vms[vm];
	char buf[96];

	for (size_t i = 0; i < v->n_nics; i++) {
		const struct node *name = l->vm_src[vm].nics[i].network;

		if (!name)
			continue;
		if (strmap_get(&l->networks, name->text, &v->nics[i].network))
			l->team->networks[v->nics[i].network].n_nics++;
		else if (l->networks_known)
			load_error(l, &name->place, "no network is called '%s'%s", name->text,
				   network_near(l, name->text, buf, sizeof buf));
	}
}

static void check_nic_names(struct load *l, size_t vm)
{
	const struct team_vm *v = &l->team->vms[vm];

	for (size_t i = 0; i < v->n_nics; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct node *at = l->vm_src[vm].nics[i].name;

			if (strcmp(v->nics[i].name, v->nics[k].name) != 0)
				continue;
			at = at ? at : l->vm_src[vm].nics[k].name;
			load_error(l, at ? &at->place : &v->nics[i].place,
				   "the NICs %zu and %zu of '%s' are both called '%s'", k, i,
				   l->vm_src[vm].name->text, v->nics[i].name);
		}
	}
}

/* Adds the VMs that @n names to those that @vm waits for; there is room for all. */
static void add_after(struct load *l, size_t vm, const struct node *n, struct strmap *seen)
{
	struct team_vm *v = &l->team->vms[vm];
	size_t first, count;

	if (!want_vms(l, n, &first, &count))
		return;
	if (vm >= first && vm < first + count) {
		load_error(l, &n->place, "'%s' cannot wait for itself", n->text);
		return;
	}
	for (size_t i = first; i < first + count; i++) {
		if (!strmap_add(seen, l->team->vms[i].name, i, NULL)) {
			load_error(l, &n->place, "'%s' is in this list twice", l->team->vms[i].name);
			return;
		}
		v->after[v->n_after++] = i;
	}
}

static void resolve_after(struct load *l, size_t vm)
{
	const struct node *list = l->vm_src[vm].after;
	size_t first, count, n = 0;
	struct strmap seen;

	if (!list)
		return;
	for (size_t i = 0; i < list->n; i++)
		n += find_vms(l, list->items[i]->text, &first, &count) ? count : 0;
	l->n_after += n;
	if (l->n_after > LOAD_AFTER_MAX) {
		load_error(l, &list->place, "all 'after' together name more than %d VMs", LOAD_AFTER_MAX);
		return;
	}
	strmap_init(&seen, l->arena);
	l->team->vms[vm].after = arena_array(l->arena, n, sizeof *l->team->vms[vm].after);
	for (size_t i = 0; i < list->n; i++)
		add_after(l, vm, list->items[i], &seen);
}

/* @at: where the service address @gateway of @n was written; NULL: nowhere. */
static void check_service(struct load *l, const struct team_network *n, const struct ip_addr *subnet,
			  const struct ip_addr *gateway, const struct node *at)
{
	char ip[IP_STR_SIZE], net[IP_STR_SIZE];

	if (!at)
		return;
	if (subnet->family == IP_NONE)
		load_error(l, &at->place, "'%s' has no subnet for this gateway", n->name);
	else if (!ip_in_net(gateway, subnet))
		load_error(l, &at->place, "%s is outside the subnet %s of '%s'", ip_str_bare(gateway, ip),
			   ip_str(subnet, net), n->name);
}

static void check_networks(struct load *l)
{
	const struct team *t = l->team;

	for (size_t i = 0; i < t->n_networks; i++) {
		const struct team_network *n = &t->networks[i];
		const struct network_src *src = &l->network_src[i];

		if (n->type == NETWORK_WIRE && n->n_nics + n->n_stations != 2 && l->vms_known)
			load_error(l, &n->place, "the wire '%s' joins exactly two NICs, not %zu", n->name,
				   n->n_nics + n->n_stations);
		else if (!n->n_nics && !n->n_stations && l->vms_known)
			load_warning(l, &n->place, "no NIC is on the network '%s'", n->name);
		check_service(l, n, &n->subnet, &n->gateway, src->gateway);
		check_service(l, n, &n->subnet6, &n->gateway6, src->gateway6);
	}
}

static void check_tests(struct load *l)
{
	const struct team *t = l->team;
	char buf[96];

	for (size_t i = 0; i < t->n_tests; i++) {
		const struct test_src *src = &l->test_src[i];
		CLEANUP(free) char *group = NULL;
		struct link_ref ref;

		if (src->on)
			(void)want_vms(l, src->on, &t->tests[i].vm, &t->tests[i].n_vms);
		if (!src->target || team_link_find(t, src->target->text, &ref) == 0)
			continue;
		if (!l->networks_known || !l->vms_known)
			continue;
		group = team_group_str(t, src->target->text);
		if (group)
			load_error(l, &src->target->place, "%s", group);
		else
			load_error(l, &src->target->place, "no network or NIC is called '%s'%s", src->target->text,
				   network_near(l, src->target->text, buf, sizeof buf));
	}
}

/* `NETWORK.STATION` and `VM.NIC` are told apart by their first word. */
static void check_name_space(struct load *l)
{
	for (size_t i = 0; i < l->team->n_vms; i++) {
		const struct team_vm *v = &l->team->vms[i];
		const char *const names[] = { v->name, v->group };
		size_t net;

		for (size_t k = 0; k < 2; k++)
			if (names[k] && strmap_get(&l->networks, names[k], &net))
				load_error(l, &v->place, "'%s' is also the name of the network at %s:%u", names[k],
					   l->team->networks[net].place.file, l->team->networks[net].place.line);
	}
}

/* The agent runs what `run` and `tcp` ask for. */
static void check_ready(struct load *l, size_t vm)
{
	const struct team_vm *v = &l->team->vms[vm];
	const struct node *ready = l->vm_src[vm].ready;
	const char *what = v->ready_run ? "'run'" : v->ready_tcp ? "'tcp'" : v->n_run ? "a VM that has 'run' lines" : NULL;

	if (ready && v->ready_no_agent && what)
		load_error(l, &ready->place, "%s needs the guest agent, and 'agent: false' waits for none", what);
}

void check_team(struct load *l)
{
	plan_service_defaults(l);
	for (size_t i = 0; i < l->team->n_vms; i++) {
		resolve_nics(l, i);
		check_nic_names(l, i);
		resolve_after(l, i);
		check_ready(l, i);
	}
	check_name_space(l);
	check_files(l);
	order_vms(l);
	check_networks(l);
	check_nets(l);
	check_stations(l);
	check_services(l);
	check_shapes(l);
	check_untrusted(l);
	check_tests(l);
}
