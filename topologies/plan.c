/* topologies/plan.c: what the file leaves out, as a pure function of the rest.
 *
 * MACs: 02 and 40 bits of a hash of team, VM and NIC index; one that is taken
 * already (given ones first, then file order) is hashed again. So a VM's MAC
 * does not change when another VM is added, short of a collision.
 *
 * Addresses: on each network a cursor starts at the subnet's tenth host and
 * gives each NIC without an address, in file order, the next free one; free is
 * what no NIC has, and not the service address (the first host, or the network's
 * `gateway`), reserved or in a range that DHCP gives out. In a subnet that is used up (or
 * has no tenth host) the hosts below are taken. The cursor never goes back, so
 * planning is linear.
 *
 * Used by: team_load.c.   Depends on: load.h, core/addr.h.
 * Sources: team-file(5); IEEE 802-2014 §8.4 (locally administered). */
#include "topologies/load.h"
#include "topologies/ranges.h"

#include <string.h>

enum { FIRST_AUTO_HOST = 10, FIRST_CID = 3 /* 0 to 2 have meanings of their own (virtio 1.2 §5.10.4) */ };

struct plan {
	struct load *l;
	struct strmap macs;
	struct strmap taken; /* "network/address" */
	struct cursor {
		uint64_t next; /* n-th address of the subnet */
		bool wrapped;
	} *cursors[2]; /* IPv4, IPv6: one a network */
};

/* SplitMix64's finalizer: FNV's low bits alone are too regular. */
static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

void plan_mac(struct load *l, struct strmap *macs, const char *what, struct mac_addr *ret_mac)
{
	char buf[MAC_STR_SIZE];

	for (unsigned salt = 0;; salt++) {
		uint64_t h = mix(strmap_hash(arena_printf(l->arena, "%s/%u", what, salt)));

		ret_mac->b[0] = 0x02;
		for (int i = 1; i < MAC_LEN; i++)
			ret_mac->b[i] = (uint8_t)(h >> (8 * i));
		(void)mac_str(ret_mac, buf);
		if (strmap_add(macs, arena_dup(l->arena, buf, strlen(buf)), 0, NULL))
			return;
	}
}

static const char *taken_key(struct plan *p, size_t network, const struct ip_addr *ip)
{
	char buf[IP_STR_SIZE];

	return arena_printf(p->l->arena, "%zu/%s", network, ip_str_bare(ip, buf));
}

static void take(struct plan *p, size_t network, const struct ip_addr *ip)
{
	if (ip->family != IP_NONE)
		(void)strmap_add(&p->taken, taken_key(p, network, ip), 0, NULL);
}

static void take_what_is_given(struct plan *p)
{
	const struct team *t = p->l->team;
	char buf[MAC_STR_SIZE];
	struct ip_addr first;

	for (size_t i = 0; i < t->n_networks; i++) {
		const struct team_network *n = &t->networks[i];

		take(p, i, &n->gateway);
		take(p, i, &n->gateway6);
		if (n->gateway.family == IP_NONE && n->subnet.prefix_len < 31 && !ip_nth(&n->subnet, 1, &first))
			take(p, i, &first);
		if (n->gateway6.family == IP_NONE && n->subnet6.family != IP_NONE && !ip_nth(&n->subnet6, 1, &first))
			take(p, i, &first);
		for (size_t k = 0; k < n->services.dhcp.n_reservations; k++) {
			take(p, i, &n->services.dhcp.reservations[k].address);
			take(p, i, &n->services.dhcp.reservations[k].address6);
		}
	}
	for (size_t i = 0; i < t->n_vms; i++) {
		for (size_t k = 0; k < t->vms[i].n_nics; k++) {
			const struct team_nic *nic = &t->vms[i].nics[k];

			for (size_t a = 0; a < nic->n_addresses; a++)
				take(p, nic->network, &nic->addresses[a]);
			if (nic->mac_given) {
				(void)mac_str(&nic->mac, buf);
				(void)strmap_add(&p->macs, arena_dup(p->l->arena, buf, strlen(buf)), 0, NULL);
			}
		}
	}
}

/* True when the @n-th address of @subnet is one a host can have. */
static bool host_at(const struct ip_addr *subnet, uint64_t n, struct ip_addr *ret)
{
	unsigned full = subnet->family == IP_V4 ? 32 : 128;

	if (ip_nth(subnet, n, ret))
		return false;
	ret->prefix_len = subnet->prefix_len;
	if (subnet->prefix_len >= full - 1)
		return true;
	return n > 0 && !ip_is_broadcast(ret);
}

/* Whether the @ret_next-th address of @subnet is in a range of DHCP: then *ret_next is behind that. */
static bool skip_range(const struct plan *p, size_t network, const struct ip_addr *subnet, uint64_t *ret_next)
{
	const struct team_dhcp *d = &p->l->team->networks[network].services.dhcp;
	struct ip_addr ip;

	for (size_t i = 0; subnet->family == IP_V4 && i < d->n_ranges; i++) {
		if (ip_nth(subnet, *ret_next, &ip) || !range_has(&d->ranges[i], &ip))
			continue;
		*ret_next = (uint64_t)(ip_number(&d->ranges[i].last) - ip_number(subnet)) + 1;
		return true;
	}
	return false;
}

/* The next free host of @subnet. False: there is none. */
static bool next_free(struct plan *p, size_t network, const struct ip_addr *subnet, struct ip_addr *ret)
{
	struct cursor *c = &p->cursors[subnet->family == IP_V6][network];

	if (!c->next && !c->wrapped)
		c->next = FIRST_AUTO_HOST;
	for (;;) {
		if (c->wrapped && c->next >= FIRST_AUTO_HOST)
			return false;
		if (!host_at(subnet, c->next, ret)) {
			if (c->wrapped && c->next)
				return false;
			c->next = c->wrapped ? 1 : 0;
			c->wrapped = true;
			continue;
		}
		if (skip_range(p, network, subnet, &c->next))
			continue;
		c->next++;
		if (strmap_add(&p->taken, taken_key(p, network, ret), 0, NULL))
			return true;
	}
}

static void plan_addresses(struct plan *p, struct team_nic *nic, const struct nic_src *src)
{
	const struct team_network *n = &p->l->team->networks[nic->network];
	const struct ip_addr *subnets[] = { &n->subnet, &n->subnet6 };
	char buf[IP_STR_SIZE];

	if (src->mode != ADDRESS_AUTO)
		return;
	nic->addresses = arena_array(p->l->arena, 2, sizeof *nic->addresses);
	for (int i = 0; i < 2; i++) {
		if (subnets[i]->family == IP_NONE)
			continue;
		if (next_free(p, nic->network, subnets[i], &nic->addresses[nic->n_addresses]))
			nic->n_addresses++;
		else
			load_error(p->l, &nic->place, "the subnet %s of '%s' has no free address left",
				   ip_str(subnets[i], buf), n->name);
	}
}

void plan_team(struct load *l)
{
	struct team *t = l->team;
	struct plan p = { .l = l };

	strmap_init(&p.macs, l->arena);
	strmap_init(&p.taken, l->arena);
	for (int i = 0; i < 2; i++)
		p.cursors[i] = arena_array(l->arena, t->n_networks, sizeof **p.cursors);
	take_what_is_given(&p);
	for (size_t i = 0; i < t->n_vms; i++) {
		t->vms[i].vsock_cid = FIRST_CID + (uint32_t)i;
		for (size_t k = 0; k < t->vms[i].n_nics; k++) {
			struct team_nic *nic = &t->vms[i].nics[k];

			if (!nic->mac_given)
				plan_mac(l, &p.macs, arena_printf(l->arena, "%s/%s/%zu", t->name, t->vms[i].name, k),
					 &nic->mac);
			if (!nic->mtu)
				nic->mtu = t->networks[nic->network].mtu;
			plan_addresses(&p, nic, &l->vm_src[i].nics[k]);
		}
	}
	plan_services(l, &p.macs);
}
