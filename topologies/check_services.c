/* topologies/check_services.c: services against their networks, the VMs, and each other.
 *
 * What cannot be is told at the value that asks for it. Addresses that several parts of a file ask
 * for are looked up in hash tables, so no check is quadratic but that of a network's ranges and
 * that of forwards, both of which are few.
 *
 * Used by: check.c.   Depends on: forward.h, keys.h, ranges.h. Sources: team-file(5). */
#include "topologies/forward.h"
#include "topologies/keys.h"
#include "topologies/ranges.h"

#include "core/bytes.h"

#include <ctype.h>
#include <string.h>

struct services {
	struct load *l;
	struct strmap reserved; /* "network/address" -> reservation of that network */
	struct strmap stations; /* "network/vm.nic", ".../mac" or ".../client-id" that have a reservation */
	struct forward_ref {
		const struct team_forward *fwd;
		const struct node *node;
	} * forwards; /* of all networks, as far as they were looked at */
	size_t n_forwards;
	bool is_full; /* said that there are too many */
	struct strmap vm_names; /* in small letters */
};

/* One network on its own. */
struct net {
	struct services *s;
	struct load *l;
	const struct team_network *n;
	const struct network_src *src;
	size_t index;
};

static const struct place *place_of(const struct node *map, const char *key)
{
	const struct node *v = node_get(map, key);

	return v ? &v->place : &map->place;
}

/* The value that turned services on. */
static const struct node *service_node(const struct net *c)
{
	const struct team_services *s = &c->n->services;

	if (s->dhcp.enabled)
		return c->src->dhcp;
	if (s->nat.enabled)
		return c->src->nat;
	return s->dns.enabled && c->src->dns ? c->src->dns : c->src->ra;
}

/* ---- what a service needs of its network ------------------------------------------- */

static bool has_room(const struct ip_addr *subnet)
{
	return subnet->prefix_len < (subnet->family == IP_V4 ? 31 : 127);
}

static void check_subnet_of(const struct net *c, const struct node *at, const char *key, bool v6_will_do)
{
	bool v4 = c->n->subnet.family != IP_NONE, v6 = c->n->subnet6.family != IP_NONE;

	if (at && !v4 && !(v6_will_do && v6))
		load_error(c->l, &at->place, "'%s' needs a 'subnet'%s, and '%s' has none%s", key,
			   v6_will_do ? " or a 'subnet6'" : "", c->n->name,
			   !v6_will_do && v6 ? "; for IPv6 write 'ra: stateful'" : "");
}

static void check_ra(const struct net *c)
{
	const struct team_services *s = &c->n->services;

	if (s->ra == RA_OFF || !c->src->ra)
		return;
	if (c->n->subnet6.family == IP_NONE)
		load_error(c->l, &c->src->ra->place, "router advertisements need a 'subnet6', and '%s' has none",
			   c->n->name);
	else if (s->ra != RA_STATEFUL && c->n->subnet6.prefix_len != 64)
		load_error(c->l, &c->src->ra->place,
			   "hosts make their addresses from a prefix of 64 bits, and '%s' has %u; "
			   "'stateful' does with it",
			   c->n->name, c->n->subnet6.prefix_len);
}

static void check_service_address(const struct net *c, const struct ip_addr *subnet, const struct ip_addr *ip,
				  const struct node *gateway)
{
	char a[IP_STR_SIZE], b[IP_STR_SIZE];
	struct team_range hosts;

	if (subnet->family == IP_NONE)
		return;
	if (!has_room(subnet)) {
		load_error(c->l, &service_node(c)->place, "the subnet %s of '%s' has no room for a service address",
			   ip_str(subnet, a), c->n->name);
		return;
	}
	hosts = range_of_hosts(subnet);
	if (gateway && ip_in_net(ip, subnet) && !range_has(&hosts, ip))
		load_error(c->l, &gateway->place, "%s is not an address a host of %s can have", ip_str_bare(ip, a),
			   ip_str(subnet, b));
}

static bool check_place(const struct net *c)
{
	const struct team_services *s = &c->n->services;
	size_t n_errors = c->l->n_errors;

	if (c->n->type == NETWORK_WIRE) {
		load_error(c->l, &service_node(c)->place,
			   "a wire joins two NICs, and has no place for a service; make '%s' a "
			   "switch or a hub",
			   c->n->name);
		return false;
	}
	if (s->dhcp.enabled)
		check_subnet_of(c, c->src->dhcp, "dhcp", false);
	if (s->nat.enabled)
		check_subnet_of(c, c->src->nat, "nat", true);
	if (s->dns.enabled)
		check_subnet_of(c, c->src->dns, "dns", true);
	check_ra(c);
	check_service_address(c, &c->n->subnet, &s->address, c->src->gateway);
	check_service_address(c, &c->n->subnet6, &s->address6, c->src->gateway6);
	return c->l->n_errors == n_errors;
}

/* ---- DHCP --------------------------------------------------------------------------- */

static void check_range(const struct net *c, size_t i)
{
	const struct team_dhcp *d = &c->n->services.dhcp;
	const struct team_range *r = &d->ranges[i];
	const struct place *at = &c->src->ranges[i]->place;
	const struct ip_addr *subnet = &c->n->subnet;
	struct team_range hosts = range_of_hosts(subnet);
	char a[IP_STR_SIZE], b[IP_STR_SIZE];

	if (!ip_in_net(&r->first, subnet) || !ip_in_net(&r->last, subnet))
		load_error(c->l, at, "the range is not inside the subnet %s of '%s'", ip_str(subnet, a), c->n->name);
	else if (!range_has(&hosts, &r->first) || !range_has(&hosts, &r->last))
		load_error(c->l, at, "the hosts of '%s' are %s to %s, and the range has more", c->n->name,
			   ip_str_bare(&hosts.first, a), ip_str_bare(&hosts.last, b));
	else if (range_has(r, &c->n->services.address))
		load_error(c->l, at, "the range has the service address %s of '%s' in it",
			   ip_str_bare(&c->n->services.address, a), c->n->name);
	for (size_t k = 0; k < i; k++)
		if (ranges_overlap(&d->ranges[k], r))
			load_error(c->l, at, "the range overlaps %s", c->src->ranges[k]->text);
}

static void check_router(const struct net *c)
{
	const struct ip_addr *router = &c->n->services.dhcp.router;
	char a[IP_STR_SIZE], b[IP_STR_SIZE];

	if (router->family != IP_NONE && !ip_in_net(router, &c->n->subnet))
		load_error(c->l, place_of(c->src->dhcp, "router"), "%s is outside the subnet %s of '%s'",
			   ip_str_bare(router, a), ip_str(&c->n->subnet, b), c->n->name);
}

/* The VM that @name, or the name of a `count` of one, stands for; reports when there is none. */
static bool want_vm(const struct net *c, const char *name, const struct place *at, size_t *ret_vm)
{
	CLEANUP(free) char *group = NULL;
	char buf[96];

	if (strmap_get(&c->l->vms, name, ret_vm) ||
	    (strmap_get(&c->l->groups, name, ret_vm) && c->l->vm_src[*ret_vm].count == 1))
		return true;
	if (!c->l->vms_known)
		return false;
	group = team_group_str(c->l->team, name);
	if (group)
		load_error(c->l, at, "%s", group);
	else
		load_error(c->l, at, "no VM is called '%s'%s", name, check_vm_near(c->l, name, buf, sizeof buf));
	return false;
}

/* The NIC on the network that @text, "VM" or "VM.NIC", stands for: the first of a VM's. Reports when there is none. */
static bool want_nic(const struct net *c, const char *text, const struct place *at, size_t *ret_vm, size_t *ret_nic)
{
	const char *dot = strchr(text, '.');
	const char *name = dot ? arena_dup(c->l->arena, text, (size_t)(dot - text)) : text;
	const struct team_vm *vm;

	if (!want_vm(c, name, at, ret_vm))
		return false;
	vm = &c->l->team->vms[*ret_vm];
	for (size_t i = 0; i < vm->n_nics; i++) {
		const char *number = arena_printf(c->l->arena, "%zu", i);

		if (vm->nics[i].network != c->index ||
		    (dot && strcmp(dot + 1, vm->nics[i].name) && strcmp(dot + 1, number)))
			continue;
		*ret_nic = i;
		return true;
	}
	load_error(c->l, at, dot ? "'%s' is no NIC on '%s'" : "'%s' has no NIC on '%s'", text, c->n->name);
	return false;
}

static void check_reserved(const struct net *c, const struct ip_addr *ip, const struct place *at, size_t index)
{
	bool is_v6 = ip->family == IP_V6;
	const struct ip_addr *subnet = is_v6 ? &c->n->subnet6 : &c->n->subnet;
	struct team_range hosts;
	char a[IP_STR_SIZE], b[IP_STR_SIZE];

	if (ip->family == IP_NONE)
		return;
	if (is_v6 && c->n->services.ra != RA_STATEFUL) {
		load_error(c->l, at, "an IPv6 address is given out with 'ra: stateful' only");
		return;
	}
	if (!ip_in_net(ip, subnet)) {
		load_error(c->l, at, "%s is outside the subnet %s of '%s'", ip_str_bare(ip, a), ip_str(subnet, b),
			   c->n->name);
		return;
	}
	hosts = range_of_hosts(subnet);
	if (is_v6 && memcmp(ip->b, subnet->b, 8) != 0)
		load_error(c->l, at, "%s is not among the first 2^64 addresses of %s, which are given out",
			   ip_str_bare(ip, a), ip_str(subnet, b));
	else if (!range_has(&hosts, ip))
		load_error(c->l, at, "%s is not an address a host of %s can have", ip_str_bare(ip, a),
			   ip_str(subnet, b));
	else if (ip_equal(ip, is_v6 ? &c->n->services.address6 : &c->n->services.address))
		load_error(c->l, at, "%s is the service address of '%s'", ip_str_bare(ip, a), c->n->name);
	else if (!strmap_add(&c->s->reserved, arena_printf(c->l->arena, "%zu/%s", c->index, ip_str_bare(ip, a)), index,
			     NULL))
		load_error(c->l, at, "%s is reserved twice", a);
}

/* What tells the station of @r from others of the network. */
static const char *station_key(const struct net *c, const struct team_reservation *r)
{
	struct bytes hex = { 0 };
	char mac[MAC_STR_SIZE];
	const char *key;

	if (r->kind != RESERVE_CLIENT_ID) {
		const struct team_nic *nic = r->kind == RESERVE_NIC ? &c->l->team->vms[r->vm].nics[r->nic] : NULL;

		if (nic && !nic->mac_given)
			return arena_printf(c->l->arena, "%zu/%zu.%zu", c->index, r->vm, r->nic);
		return arena_printf(c->l->arena, "%zu/%s", c->index, mac_str(nic ? &nic->mac : &r->mac, mac));
	}
	for (size_t i = 0; i < r->client_id_len; i++)
		bytes_printf(&hex, "%02x", r->client_id[i]);
	key = arena_printf(c->l->arena, "%zu/id %s", c->index, (char *)hex.data);
	bytes_done(&hex);
	return key;
}

static void check_reservation(const struct net *c, size_t i)
{
	struct team_reservation *r = &c->n->services.dhcp.reservations[i];
	const struct node *node = c->src->reservations[i], *vm, *at;

	if (!node)
		return; /* said where it was read */
	vm = node_get(node, "vm");
	if (vm && vm->kind != NODE_SCALAR)
		return;
	if (vm && !want_nic(c, vm->text, &vm->place, &r->vm, &r->nic))
		return;
	at = vm ? vm : node_get(node, r->kind == RESERVE_MAC ? "mac" : "client-id");
	if (at->kind == NODE_SCALAR && !strmap_add(&c->s->stations, station_key(c, r), i, NULL))
		load_error(c->l, &at->place, "'%s' has two reservations on '%s'", at->text, c->n->name);
	check_reserved(c, &r->address, place_of(node, "address"), i);
	check_reserved(c, &r->address6, place_of(node, "address"), i);
}

static void check_dhcp(const struct net *c)
{
	const struct team_dhcp *d = &c->n->services.dhcp;

	for (size_t i = 0; i < d->n_ranges; i++)
		check_range(c, i);
	check_router(c);
	for (size_t i = 0; i < d->n_reservations; i++)
		check_reservation(c, i);
}

/* ---- NICs' own addresses against what services have ---------------------------------- */

static void check_nic_address(const struct net *c, size_t vm, size_t nic, const struct ip_addr *ip,
			      const struct place *at)
{
	const struct team_services *s = &c->n->services;
	const struct team_dhcp *d = &s->dhcp;
	char a[IP_STR_SIZE];
	size_t k;

	if (ip_equal(ip, ip->family == IP_V6 ? &s->address6 : &s->address))
		load_error(c->l, at, "%s is the service address of '%s'; 'gateway' can name another",
			   ip_str_bare(ip, a), c->n->name);
	else if (ranges_have(d->ranges, d->n_ranges, ip))
		load_error(c->l, at, "%s is in a range that DHCP gives out on '%s'", ip_str_bare(ip, a), c->n->name);
	else if (strmap_get(&c->s->reserved, arena_printf(c->l->arena, "%zu/%s", c->index, ip_str_bare(ip, a)), &k) &&
		 !(d->reservations[k].kind == RESERVE_NIC && d->reservations[k].vm == vm &&
		   d->reservations[k].nic == nic))
		load_error(c->l, at, "%s is reserved on '%s' for another station", a, c->n->name);
}

static struct net net_of(struct services *s, size_t i)
{
	return (struct net){ s, s->l, &s->l->team->networks[i], &s->l->network_src[i], i };
}

static void check_nic_addresses(struct services *s)
{
	const struct team *t = s->l->team;

	for (size_t v = 0; v < t->n_vms; v++)
		for (size_t k = 0; k < t->vms[v].n_nics; k++) {
			const struct team_nic *nic = &t->vms[v].nics[k];
			struct net c;

			if (nic->network == SIZE_MAX || !t->networks[nic->network].services.any)
				continue;
			c = net_of(s, nic->network);
			for (size_t i = 0; i < nic->n_addresses; i++)
				check_nic_address(&c, v, k, &nic->addresses[i],
						  &s->l->vm_src[v].nics[k].address[i]->place);
		}
}

/* ---- NAT ---------------------------------------------------------------------------- */

static void check_forward(const struct net *c, size_t i)
{
	struct team_forward *f = &c->n->services.nat.forwards[i];
	const struct node *node = c->src->forwards[i], *to = node_get(node, "to");
	const struct node *port = node_get(node, f->is_udp ? "udp" : "tcp");
	CLEANUP(free) char *why = NULL;
	char a[IP_STR_SIZE];

	if (c->src->forward_names[i])
		(void)want_nic(c, c->src->forward_names[i], &to->place, &f->vm, &f->nic);
	else if (f->address.family != IP_NONE)
		why = forward_address_check(c->n, &f->address);
	if (why)
		load_error(c->l, &to->place, "%s", why);
	if (!port || !f->port || c->s->is_full)
		return;
	if (c->s->n_forwards == LOAD_FORWARDS_MAX) {
		load_error(c->l, &node->place, "a team has at most %d forwards", LOAD_FORWARDS_MAX);
		c->s->is_full = true;
		return;
	}
	for (size_t k = 0; k < c->s->n_forwards; k++) {
		const struct forward_ref *old = &c->s->forwards[k];

		if (!forwards_clash(old->fwd, f))
			continue;
		load_error(c->l, &port->place, "%s port %u of %s is forwarded already, at %s:%u",
			   f->is_udp ? "udp" : "tcp", f->port, ip_str_bare(&old->fwd->on, a), old->node->place.file,
			   old->node->place.line);
		break;
	}
	c->s->forwards[c->s->n_forwards++] = (struct forward_ref){ f, node };
}

/* ---- DNS ---------------------------------------------------------------------------- */

/* Whether the table has an address for @name, in small letters. */
static bool name_known(const struct net *c, const struct strmap *names, const char *name)
{
	const char *domain = c->n->services.dns.domain;
	size_t len = strcspn(name, "."), at;

	if (strmap_get(names, name, &at))
		return true;
	if (name[len] != '.' || strcmp(name + len + 1, domain) != 0)
		return true; /* of another domain: not for this table to know */
	return strmap_get(&c->s->vm_names, arena_dup(c->l->arena, name, len), &at);
}

static void add_small(struct strmap *m, struct load *l, const char *name)
{
	char *copy = arena_dup(l->arena, name, strlen(name));

	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	(void)strmap_add(m, copy, 0, NULL);
}

enum { NAME_MAX_CHARS = 253 }; /* RFC 1035 §2.3.4, as text */

static void check_dns(const struct net *c)
{
	const struct team_dns *d = &c->n->services.dns;
	struct strmap names;

	strmap_init(&names, c->l->arena);
	for (size_t i = 0; i < c->n->services.dhcp.n_reservations; i++) {
		const char *hostname = c->n->services.dhcp.reservations[i].hostname;

		if (hostname)
			add_small(&names, c->l,
				  strchr(hostname, '.') ? hostname :
							  arena_printf(c->l->arena, "%s.%s", hostname, d->domain));
	}
	for (size_t i = 0; i < d->n_records; i++) {
		const struct team_record *r = &d->records[i];

		if (r->name && strlen(r->name) > NAME_MAX_CHARS)
			load_error(c->l, place_of(c->src->records[i], "name"),
				   "with its domain the name has %zu characters, and at "
				   "most %d can be",
				   strlen(r->name), NAME_MAX_CHARS);
		if (r->name && (r->type == RECORD_A || r->type == RECORD_AAAA))
			(void)strmap_add(&names, r->name, i, NULL);
	}
	for (size_t i = 0; i < d->n_records; i++) {
		const struct team_record *r = &d->records[i];

		if (r->type == RECORD_SRV && r->target && c->l->vms_known && !name_known(c, &names, r->target))
			load_error(c->l, place_of(c->src->records[i], "srv"),
				   "no VM and no record with an address is called '%s'", r->target);
	}
}

void check_services(struct load *l)
{
	struct services s = { .l = l };

	strmap_init(&s.reserved, l->arena);
	strmap_init(&s.stations, l->arena);
	strmap_init(&s.vm_names, l->arena);
	for (size_t i = 0; i < l->team->n_vms; i++)
		add_small(&s.vm_names, l, l->team->vms[i].name);
	s.forwards = arena_array(l->arena, LOAD_FORWARDS_MAX, sizeof *s.forwards);
	for (size_t i = 0; i < l->team->n_networks; i++) {
		struct net c = net_of(&s, i);
		const struct team_nat *nat = &c.n->services.nat;

		if (!c.n->services.any || !check_place(&c))
			continue;
		if (c.n->services.dhcp.enabled)
			check_dhcp(&c);
		for (size_t k = 0; nat->enabled && k < nat->n_forwards; k++)
			check_forward(&c, k);
		if (c.n->services.dns.enabled)
			check_dns(&c);
		if (c.src->dns && l->team->root && node_get(c.src->dns, "forward") &&
		    !asks_for_nothing(node_get(c.src->dns, "forward")))
			load_warning(l, place_of(c.src->dns, "forward"),
				     "'forward' is passed over in an untrusted file: names of "
				     "others are not asked for");
	}
	check_nic_addresses(&s);
}
