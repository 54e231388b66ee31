/* topologies/parse_network.c: a network; its services are in parse_dhcp.c, parse_dns.c and parse_nat.c.
 *
 * A service that does not exist yet is refused at its key, but only after its
 * form was looked at: who writes for a later version hears of both.
 *
 * Used by: parse.c.   Depends on: keys.h, values.h. Sources: team-file(5). */
#include "topologies/keys.h"
#include "topologies/values.h"

#include <string.h>

const char *const network_type_names[NETWORK_TYPE_COUNT] = { "switch", "hub", "wire" };
const char *const ra_names[RA_COUNT] = { "off", "slaac", "stateless", "stateful" };

static void net_type(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;
	size_t i;

	(void)key;
	if (want_word(l, v, "'type'", network_type_names, NETWORK_TYPE_COUNT, &i))
		c->net->type = (enum network_type)i;
}

static void want_subnet(struct load *l, const struct node *v, enum ip_family family,
			struct ip_addr *ret)
{
	char *why;

	if (want_text(l, v, "a subnet") && value_subnet(v->text, family, ret, &why))
		report_why(l, v, why);
}

static void net_subnet(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	want_subnet(l, v, IP_V4, &((struct network_ctx *)obj)->net->subnet);
}

static void net_subnet6(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	want_subnet(l, v, IP_V6, &((struct network_ctx *)obj)->net->subnet6);
}

static void one_gateway(struct load *l, const struct node *v, struct network_ctx *c)
{
	struct ip_addr ip;
	bool is_v6;
	char *why;

	if (!want_text(l, v, "a gateway"))
		return;
	if (value_host(v->text, &ip, &why)) {
		report_why(l, v, why);
		return;
	}
	is_v6 = ip.family == IP_V6;
	if (is_v6 ? c->src->gateway6 : c->src->gateway)
		load_error(l, &v->place, "a network has one gateway a family, and this is the second of %s",
			   is_v6 ? "IPv6" : "IPv4");
	*(is_v6 ? &c->net->gateway6 : &c->net->gateway) = ip;
	*(is_v6 ? &c->src->gateway6 : &c->src->gateway) = v;
}

static void net_gateway(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (v->kind != NODE_LIST)
		one_gateway(l, v, obj);
	else if (!v->n)
		load_error(l, &v->place, "a list of gateways has one a family");
	for (size_t i = 0; v->kind == NODE_LIST && i < v->n; i++)
		one_gateway(l, v->items[i], obj);
}

static void net_mtu(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;
	uint64_t n;

	(void)key;
	c->src->mtu = v;
	if (want_int(l, v, 576, 65521, &n))
		c->net->mtu = (uint32_t)n;
}

static void net_shape(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;

	(void)key;
	c->src->shape = v;
	parse_shape(l, v, &c->net->shape);
}

void bool_or_map(struct load *l, const struct node *v, const struct key_table *t, void *obj, bool *ret_on)
{
	if (v->kind != NODE_MAP) {
		(void)want_bool(l, v, ret_on);
		return;
	}
	*ret_on = true;
	(void)keys_read(l, t, v, obj);
}

static void any_bool(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	bool b;

	(void)key;
	(void)obj;
	(void)want_bool(l, v, &b);
}

static void any_text(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)obj;
	(void)want_text(l, v, key->text);
}

static void any_list(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)obj;
	(void)want_list(l, v, key->text);
}

static const struct key host_keys[] = { { "address", any_text, 0 }, { "interface", any_text, 0 } };
static const struct key bridge_keys[] = { { "interface", any_text, KEY_REQUIRED } };

static void net_dhcp(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	parse_dhcp(l, v, obj);
}

static void net_dns(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	parse_dns(l, v, obj);
}

static void net_nat(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	parse_nat(l, v, obj);
}

static void net_ra(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;
	size_t i;

	(void)key;
	c->src->ra = v;
	if (want_word(l, v, "'ra'", ra_names, RA_COUNT, &i))
		c->net->services.ra = (enum team_ra)i;
}

static void net_host(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	bool on;

	(void)key;
	(void)obj;
	bool_or_map(l, v, &KEY_TABLE("'host'", host_keys), NULL, &on);
}

static void net_bridge(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	(void)keys_read(l, &KEY_TABLE("'bridge'", bridge_keys), v, NULL);
}

static void net_attach(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;

	(void)key;
	parse_attach(l, v, c->net, c->src);
}

static const struct key network_keys[] = {
	{ "type", net_type, 0 },
	{ "subnet", net_subnet, 0 },
	{ "subnet6", net_subnet6, 0 },
	{ "gateway", net_gateway, 0 },
	{ "mtu", net_mtu, 0 },
	{ "shape", net_shape, 0 },
	{ "dhcp", net_dhcp, 0 },
	{ "dns", net_dns, 0 },
	{ "nat", net_nat, 0 },
	{ "ra", net_ra, 0 },
	{ "host", net_host, KEY_UNSUPPORTED | KEY_TOUCHES(TOUCH_INTERFACE) },
	{ "bridge", net_bridge, KEY_UNSUPPORTED | KEY_TOUCHES(TOUCH_INTERFACE) },
	{ "attach", net_attach, KEY_TOUCHES(TOUCH_INTERFACE) },
	{ "storm-guard", any_text, KEY_UNSUPPORTED },
	{ "vlan-aware", any_bool, KEY_UNSUPPORTED },
	{ "isolate", any_list, KEY_UNSUPPORTED },
	{ "mirror", any_list, KEY_UNSUPPORTED },
	{ "capture", any_text, KEY_UNSUPPORTED | KEY_TOUCHES(TOUCH_WRITES) },
};

void parse_network(struct load *l, const struct node *key, const struct node *value, size_t i)
{
	struct network_ctx c = { &l->team->networks[i], &l->network_src[i] };

	c.src->name = key;
	c.net->name = key->text;
	c.net->place = key->place;
	c.net->mtu = 1500;
	(void)want_name(l, key, true);
	if (!node_is_null(value))
		(void)keys_read(l, &KEY_TABLE("a network", network_keys), value, &c);
}
