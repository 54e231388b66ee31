/* topologies/parse_nic.c: the network cards of a VM.
 *
 * Names of networks are looked up by check.c: they may come from a file that
 * is included later.
 *
 * Used by: parse_vm.c.   Depends on: keys.h, values.h. Sources: team-file(5). */
#include "topologies/keys.h"
#include "topologies/values.h"

#include <ctype.h>
#include <string.h>

struct nic_ctx {
	struct team_nic *nic;
	struct nic_src *src;
};

static void nic_network(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (want_text(l, v, "'network'"))
		((struct nic_ctx *)obj)->src->network = v;
}

static void nic_name(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct nic_ctx *c = obj;

	(void)key;
	if (!want_name(l, v, true))
		return;
	if (v->len > 15 || isdigit((unsigned char)*v->text)) {
		load_error(l, &v->place, "'%s' is no NIC name; it begins with a letter and has at most "
			   "15 characters", v->text);
		return;
	}
	c->nic->name = v->text;
	c->src->name = v;
}

static void nic_mac(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct nic_ctx *c = obj;
	char *why;

	(void)key;
	if (!want_text(l, v, "a MAC address"))
		return;
	if (value_mac(v->text, &c->nic->mac, &why)) {
		report_why(l, v, why);
		return;
	}
	c->nic->mac_given = true;
	c->src->mac = v;
}

/* One CIDR, appended. */
static void one_address(struct load *l, const struct node *v, struct nic_ctx *c)
{
	struct ip_addr ip;
	char *why;

	if (!want_text(l, v, "an address"))
		return;
	if (value_address(v->text, &ip, &why)) {
		report_why(l, v, why);
		return;
	}
	c->src->address[c->nic->n_addresses] = v;
	c->nic->addresses[c->nic->n_addresses++] = ip;
}

static void nic_address(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct nic_ctx *c = obj;
	size_t n_errors = l->n_errors, n = v->kind == NODE_LIST ? v->n : 1;

	(void)key;
	c->src->mode_node = v;
	if (v->kind == NODE_SCALAR && !strcmp(v->text, "auto")) {
		c->src->mode = ADDRESS_AUTO;
		return;
	}
	if (v->kind == NODE_SCALAR && !strcmp(v->text, "none")) {
		c->src->mode = ADDRESS_NONE;
		return;
	}
	if (v->kind == NODE_SCALAR && !strcmp(v->text, "dhcp")) {
		c->src->mode = ADDRESS_DHCP;
		return;
	}
	c->nic->addresses = arena_array(l->arena, n + 1, sizeof *c->nic->addresses);
	c->src->address = arena_array(l->arena, n + 1, sizeof *c->src->address);
	if (v->kind == NODE_LIST)
		for (size_t i = 0; i < v->n; i++)
			one_address(l, v->items[i], c);
	else
		one_address(l, v, c);
	c->src->mode = l->n_errors == n_errors ? ADDRESS_LIST : ADDRESS_BAD;
	if (v->kind == NODE_LIST && !v->n)
		c->src->mode = ADDRESS_NONE;
}

static void nic_gateway(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct nic_ctx *c = obj;
	struct ip_addr ip;
	char *why;

	(void)key;
	if (!want_text(l, v, "a gateway"))
		return;
	if (value_host(v->text, &ip, &why)) {
		report_why(l, v, why);
		return;
	}
	c->src->gateway = v;
	if (ip.family == IP_V4)
		c->nic->gateway = ip;
	else
		c->nic->gateway6 = ip;
}

static void nic_mtu(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct nic_ctx *c = obj;
	uint64_t n;

	(void)key;
	if (want_int(l, v, 576, 65521, &n)) {
		c->nic->mtu = (uint32_t)n;
		c->src->mtu = v;
	}
}

static void nic_shape(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)l;
	(void)key;
	((struct nic_ctx *)obj)->src->shape = v;
}

static void nic_up(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)l;
	(void)key;
	((struct nic_ctx *)obj)->src->up = v;
}

static void nic_down(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)l;
	(void)key;
	((struct nic_ctx *)obj)->src->down = v;
}

static void nic_link(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "up", "down" };
	size_t i;

	(void)key;
	if (want_word(l, v, "'link'", words, 2, &i))
		((struct nic_ctx *)obj)->nic->link_down = i == 1;
}

static void nic_vlan(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	uint64_t vid;

	(void)key;
	(void)obj;
	(void)want_int(l, v, 1, 4094, &vid);
}

static void nic_trunk(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	if (want_list(l, v, "'trunk'"))
		for (size_t i = 0; i < v->n; i++)
			nic_vlan(l, key, v->items[i], obj);
}

static const struct key nic_keys[] = {
	{ "network", nic_network, KEY_REQUIRED },
	{ "name", nic_name, 0 },
	{ "mac", nic_mac, 0 },
	{ "address", nic_address, 0 },
	{ "gateway", nic_gateway, 0 },
	{ "mtu", nic_mtu, 0 },
	{ "shape", nic_shape, 0 },
	{ "up", nic_up, 0 },
	{ "down", nic_down, 0 },
	{ "link", nic_link, 0 },
	{ "access", nic_vlan, KEY_UNSUPPORTED },
	{ "trunk", nic_trunk, KEY_UNSUPPORTED },
	{ "native", nic_vlan, KEY_UNSUPPORTED },
};

static void parse_nic(struct load *l, const struct node *v, struct team_nic *nic, struct nic_src *src)
{
	struct nic_ctx c = { .nic = nic, .src = src };

	nic->place = v->place;
	nic->network = SIZE_MAX;
	src->node = v;
	if (!keys_read(l, &KEY_TABLE("a NIC", nic_keys), v, &c))
		return;
	if (src->shape)
		parse_shape(l, src->shape, &nic->shape);
	if (src->up)
		parse_shape_dir(l, src->up, &nic->shape, true);
	if (src->down)
		parse_shape_dir(l, src->down, &nic->shape, false);
}

void parse_nics(struct load *l, const struct node *value, struct team_vm *vm, struct vm_src *src)
{
	if (!want_list(l, value, "'nics'"))
		return;
	if (value->n > LOAD_NICS_MAX) {
		load_error(l, &value->place, "a VM has at most %d NICs, not %zu", LOAD_NICS_MAX, value->n);
		return;
	}
	vm->n_nics = value->n;
	vm->nics = arena_array(l->arena, value->n, sizeof *vm->nics);
	src->nics = arena_array(l->arena, value->n, sizeof *src->nics);
	for (size_t i = 0; i < value->n; i++) {
		vm->nics[i].index = i;
		parse_nic(l, value->items[i], &vm->nics[i], &src->nics[i]);
		if (!vm->nics[i].name)
			vm->nics[i].name = arena_printf(l->arena, "eth%zu", i);
	}
}
