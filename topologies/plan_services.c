/* topologies/plan_services.c: what the file leaves out about services, as a pure function of the rest.
 *
 * First, before anything is checked: which services are on, at which address, under which domain.
 * Last, when all NICs have their addresses: what DHCP gives out, and the gateway and resolver of each
 * VM that was told none. Where DHCP or router advertisements tell a guest, nothing is planned.
 *
 * Used by: check.c, plan.c.   Depends on: load.h, ranges.h, values.h.
 * Sources: team-file(5); RFC 6761 §6.2 (.test), RFC 4862 §5.5.3 (64 bits). */
#include "topologies/load.h"
#include "topologies/ranges.h"
#include "topologies/tree.h"
#include "topologies/values.h"

#include <ctype.h>
#include <string.h>

/* ---- before checking ---------------------------------------------------------------- */

static char *small(struct load *l, const char *name)
{
	size_t len = strlen(name);
	char *copy;

	if (len > 1 && name[len - 1] == '.')
		len--;
	copy = arena_dup(l->arena, name, len);
	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

/* @name as others see it. A name without a dot, and one whose last part is a service's (_tcp), is in @domain. */
static const char *complete(struct load *l, const char *name, const char *domain)
{
	const char *dot = strrchr(name, '.');

	if (!name[0] || (dot && dot[1] != '_'))
		return small(l, name);
	return arena_printf(l->arena, "%s.%s", small(l, name), domain);
}

static void dns_defaults(struct load *l, const struct network_src *src, struct team_services *s)
{
	struct team_dns *d = &s->dns;

	if (!src->dns)
		d->enabled = s->dhcp.enabled || s->nat.enabled;
	d->domain = d->domain ? small(l, d->domain) :
				arena_printf(l->arena, "%s.test", l->team->name ? l->team->name : "team");
	for (size_t i = 0; i < d->n_records; i++) {
		struct team_record *r = &d->records[i];

		r->name = r->name ? complete(l, r->name, d->domain) : NULL;
		r->target = r->target ? complete(l, r->target, d->domain) : NULL;
	}
	if (!node_get(src->dns, "forward"))
		d->forward = s->nat.enabled;
	d->forward = d->forward && d->enabled && !l->team->root;
	if (!d->forward)
		d->n_resolvers = 0;
}

/* The address of the services in @subnet: @gateway, else the first host. */
static void service_address(const struct ip_addr *subnet, const struct ip_addr *gateway, struct ip_addr *ret)
{
	if (subnet->family == IP_NONE)
		return;
	*ret = gateway->family == IP_NONE ? range_of_hosts(subnet).first : *gateway;
	ret->prefix_len = subnet->prefix_len;
}

static void network_defaults(struct load *l, struct team_network *n, const struct network_src *src)
{
	struct team_services *s = &n->services;

	dns_defaults(l, src, s);
	if (!src->ra && n->subnet6.prefix_len == 64 && (s->dhcp.enabled || s->nat.enabled))
		s->ra = RA_SLAAC;
	if (l->team->root)
		s->nat.internet_only = true;
	s->any = s->dhcp.enabled || s->dns.enabled || s->nat.enabled || s->ra != RA_OFF;
	s->uplink = s->nat.enabled || s->dns.forward || (s->dhcp.enabled && s->dhcp.boot_tftp);
	if (!s->any)
		return;
	service_address(&n->subnet, &n->gateway, &s->address);
	service_address(&n->subnet6, &n->gateway6, &s->address6);
}

void plan_service_defaults(struct load *l)
{
	for (size_t i = 0; i < l->team->n_networks; i++)
		network_defaults(l, &l->team->networks[i], &l->network_src[i]);
}

/* ---- pools -------------------------------------------------------------------------- */

/* Addresses that are somebody's, of each network. */
struct taken {
	struct ip_addr *list;
	size_t n;
	size_t n_clients; /* NICs that ask for an address and have none reserved */
};

static void add_taken(struct taken *t, const struct ip_addr *ip)
{
	if (ip->family != IP_NONE)
		t->list[t->n++] = *ip;
}

static struct taken *gather_taken(struct load *l)
{
	const struct team *t = l->team;
	struct taken *taken = arena_array(l->arena, t->n_networks, sizeof *taken);

	for (size_t i = 0; i < t->n_networks; i++)
		taken[i].n = 2 + 2 * t->networks[i].services.dhcp.n_reservations;
	for (size_t v = 0; v < t->n_vms; v++)
		for (size_t k = 0; k < t->vms[v].n_nics; k++)
			taken[t->vms[v].nics[k].network].n += t->vms[v].nics[k].n_addresses;
	for (size_t i = 0; i < t->n_networks; i++) {
		const struct team_services *s = &t->networks[i].services;

		taken[i].list = arena_array(l->arena, s->any ? taken[i].n : 1, sizeof *taken[i].list);
		taken[i].n = 0;
		add_taken(&taken[i], &s->address);
		add_taken(&taken[i], &s->address6);
		for (size_t k = 0; k < s->dhcp.n_reservations && s->dhcp.enabled; k++) {
			add_taken(&taken[i], &s->dhcp.reservations[k].address);
			add_taken(&taken[i], &s->dhcp.reservations[k].address6);
		}
	}
	for (size_t v = 0; v < t->n_vms; v++)
		for (size_t k = 0; k < t->vms[v].n_nics; k++) {
			const struct team_nic *nic = &t->vms[v].nics[k];

			taken[nic->network].n_clients += nic->dhcp;
			for (size_t a = 0; a < nic->n_addresses && t->networks[nic->network].services.any; a++)
				add_taken(&taken[nic->network], &nic->addresses[a]);
		}
	return taken;
}

/* Appends what is left of @range to @pools. */
static void add_pools(struct load *l, const struct team_range *range, struct taken *taken, struct team_range **pools,
		      size_t *n_pools)
{
	size_t n;
	struct team_range *left = range_cut(l->arena, range, taken->list, taken->n, &n), *all;

	all = arena_array(l->arena, *n_pools + n + 1, sizeof *all);
	if (*n_pools)
		memcpy(all, *pools, *n_pools * sizeof *all);
	if (n)
		memcpy(all + *n_pools, left, n * sizeof *all);
	*pools = all;
	*n_pools += n;
}

static int by_first(const void *pa, const void *pb)
{
	const struct team_range *a = pa, *b = pb;
	unsigned __int128 x = ip_number(&a->first), y = ip_number(&b->first);

	return x < y ? -1 : x > y;
}

static void plan_pools(struct load *l, const struct network_src *src, struct team_network *n, struct taken *taken)
{
	struct team_dhcp *d = &n->services.dhcp;
	struct team_range half = { 0 };
	size_t n_free, n_clients = taken->n_clients;

	if (n->services.ra == RA_STATEFUL) {
		struct ip_addr subnet6 = n->subnet6;

		/* Leased addresses share their upper 64 bits (dhcp/leases.h). */
		if (subnet6.prefix_len < 64)
			subnet6.prefix_len = 64;
		half = range_upper_half(&subnet6);
		add_pools(l, &half, taken, &d->pools6, &d->n_pools6);
	}
	if (!d->enabled)
		return;
	half = range_upper_half(&n->subnet);
	if (d->n_ranges)
		qsort(d->ranges, d->n_ranges, sizeof *d->ranges, by_first);
	for (size_t i = 0; i < d->n_ranges; i++)
		add_pools(l, &d->ranges[i], taken, &d->pools, &d->n_pools);
	if (!d->n_ranges)
		add_pools(l, &half, taken, &d->pools, &d->n_pools);
	for (size_t i = 0; i < d->n_reservations; i++) {
		const struct team_reservation *r = &d->reservations[i];

		if (r->kind == RESERVE_NIC && r->address.family != IP_NONE && l->team->vms[r->vm].nics[r->nic].dhcp)
			n_clients--;
	}
	n_free = ranges_count(d->pools, d->n_pools);
	if (n_free < n_clients)
		load_error(l, &src->dhcp->place,
			   "DHCP has %zu address%s to give out on '%s', where %zu NIC%s ask%s for one", n_free,
			   n_free == 1 ? "" : "es", n->name, n_clients, n_clients == 1 ? "" : "s",
			   n_clients == 1 ? "s" : "");
}

/* ---- what DHCP tells ----------------------------------------------------------------- */

static void plan_told(struct load *l, struct team_network *n)
{
	struct team_services *s = &n->services;
	struct team_dhcp *d = &s->dhcp;
	const struct ip_addr *own[] = { &s->address, &s->address6 };

	for (size_t i = 0; i < d->n_reservations; i++) {
		struct team_reservation *r = &d->reservations[i];

		if (r->kind != RESERVE_NIC)
			continue;
		r->mac = l->team->vms[r->vm].nics[r->nic].mac;
		if (!r->hostname)
			r->hostname = l->team->vms[r->vm].hostname;
	}
	if (s->nat.enabled && d->enabled && d->router.family == IP_NONE)
		d->router = s->address;
	if (d->boot_tftp && d->boot_next_server.family == IP_NONE)
		d->boot_next_server = s->address;
	if (!s->dns.enabled)
		return;
	if (!d->domain)
		d->domain = s->dns.domain;
	if (d->dns)
		return;
	d->dns = arena_array(l->arena, 2, sizeof *d->dns);
	for (size_t i = 0; i < 2; i++)
		if (own[i]->family != IP_NONE)
			d->dns[d->n_dns++] = *own[i];
}

/* ---- what VMs are told in the file's stead -------------------------------------------- */

static bool has_family(const struct team_nic *nic, enum ip_family family)
{
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (nic->addresses[i].family == family)
			return true;
	return false;
}

/* The default gateway of one family: the service address of the VM's first network with NAT. */
static void plan_gateway(struct load *l, struct team_vm *vm, enum ip_family family)
{
	bool is_v6 = family == IP_V6;

	for (size_t i = 0; i < vm->n_nics; i++)
		if ((is_v6 ? &vm->nics[i].gateway6 : &vm->nics[i].gateway)->family != IP_NONE)
			return;
	for (size_t i = 0; i < vm->n_nics; i++) {
		struct team_nic *nic = &vm->nics[i];
		const struct team_services *s = &l->team->networks[nic->network].services;
		const struct ip_addr *service = is_v6 ? &s->address6 : &s->address;

		if (!s->nat.enabled || service->family == IP_NONE)
			continue;
		if (nic->dhcp)
			return; /* DHCP or an advertisement tells it */
		if (!has_family(nic, family))
			continue;
		*(is_v6 ? &nic->gateway6 : &nic->gateway) = *service;
		return;
	}
}

static void plan_resolver(struct load *l, struct team_vm *vm)
{
	char buf[IP_STR_SIZE];

	for (size_t i = 0; i < vm->n_nics && !vm->dns; i++) {
		const struct team_nic *nic = &vm->nics[i];
		const struct team_services *s = &l->team->networks[nic->network].services;
		const struct ip_addr *own[] = { &s->address, &s->address6 };

		if (!s->dns.enabled)
			continue;
		if (nic->dhcp)
			return;
		if (!nic->n_addresses)
			continue;
		vm->dns = arena_array(l->arena, 2, sizeof *vm->dns);
		vm->dns_planned = true;
		for (size_t k = 0; k < 2; k++)
			if (own[k]->family != IP_NONE && has_family(nic, own[k]->family)) {
				(void)ip_str_bare(own[k], buf);
				vm->dns[vm->n_dns++] = arena_dup(l->arena, buf, strlen(buf));
			}
	}
}

/* ---- what the host is asked for -------------------------------------------------------- */

static void touch_reach(struct load *l, const struct team_network *n)
{
	const struct team_nat *nat = &n->services.nat;
	const char *scope = nat->internet_only ? "the internet" : "all that the host reaches";
	char buf[IP_STR_SIZE];

	if (!nat->n_reach)
		load_touch(l, TOUCH_REACHES, arena_printf(l->arena, "%s, from '%s'", scope, n->name));
	for (size_t i = 0; i < nat->n_reach; i++)
		load_touch(l, TOUCH_REACHES,
			   arena_printf(l->arena, "%s%s, from '%s'", ip_str(&nat->reach[i], buf),
					nat->internet_only ? " as far as it is of the internet" : "", n->name));
	if (nat->host_loopback)
		load_touch(l, TOUCH_REACHES, arena_printf(l->arena, "the host's own addresses, from '%s'", n->name));
}

static void touch_services(struct load *l, const struct team_network *n)
{
	const struct team_services *s = &n->services;
	char buf[IP_STR_SIZE];

	for (size_t i = 0; s->nat.enabled && i < s->nat.n_forwards; i++) {
		const struct team_forward *f = &s->nat.forwards[i];

		load_touch(l, TOUCH_LISTENS,
			   arena_printf(l->arena, f->on.family == IP_V6 ? "%s [%s]:%u" : "%s %s:%u",
					f->is_udp ? "udp" : "tcp", ip_str_bare(&f->on, buf), f->port));
	}
	if (s->nat.enabled)
		touch_reach(l, n);
	if (s->dns.forward && !s->dns.n_resolvers)
		load_touch(l, TOUCH_REACHES, "the host's name servers");
	for (size_t i = 0; i < s->dns.n_resolvers; i++)
		load_touch(l, TOUCH_REACHES,
			   arena_printf(l->arena, "the name server %s", ip_str_bare(&s->dns.resolvers[i], buf)));
}

void plan_services(struct load *l, struct strmap *macs)
{
	struct team *t = l->team;
	struct taken *taken = gather_taken(l);

	for (size_t i = 0; i < t->n_networks; i++) {
		struct team_network *n = &t->networks[i];

		if (!n->services.any)
			continue;
		/* Networks and VMs are one name space: no NIC's hash is of this text. */
		plan_mac(l, macs, arena_printf(l->arena, "%s/%s/service", t->name, n->name), &n->services.mac);
		plan_pools(l, &l->network_src[i], n, &taken[i]);
		plan_told(l, n);
		touch_services(l, n);
	}
	for (size_t i = 0; i < t->n_vms; i++) {
		plan_gateway(l, &t->vms[i], IP_V4);
		plan_gateway(l, &t->vms[i], IP_V6);
		plan_resolver(l, &t->vms[i]);
	}
}
