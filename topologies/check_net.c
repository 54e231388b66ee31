/* topologies/check_net.c: NICs against their networks: addresses, MACs, gateways.
 *
 * Equal addresses and MACs are looked for per network: the same ones on two
 * networks are ordinary. An address whose prefix length is not its network's is
 * only warned of, as a lab may want to show just that.
 *
 * Used by: check.c.   Depends on: load.h, core/addr.h. Sources: team-file(5). */
#include "topologies/load.h"
#include "topologies/tree.h"

#include <string.h>

struct seen {
	struct load *l;
	struct strmap addresses, macs; /* "network/value" -> index into owner_names */
	const char **owner_names; /* "vm.nic" */
	size_t n_owners;
};

static const struct ip_addr *subnet_for(const struct team_network *n, enum ip_family family)
{
	return family == IP_V6 ? &n->subnet6 : &n->subnet;
}

static void check_in_subnet(struct load *l, const struct node *at, const struct ip_addr *ip,
			    const struct team_network *n)
{
	const struct ip_addr *subnet = subnet_for(n, ip->family);
	struct ip_addr as_subnet = *ip;
	char a[IP_STR_SIZE], b[IP_STR_SIZE];
	unsigned full = ip->family == IP_V4 ? 32 : 128;

	if (subnet->family == IP_NONE)
		return;
	as_subnet.prefix_len = subnet->prefix_len;
	if (!ip_in_net(ip, subnet))
		load_error(l, &at->place, "%s is outside the subnet %s of '%s'", ip_str(ip, a),
			   ip_str(subnet, b), n->name);
	else if (subnet->prefix_len < full - 1 && ip_is_net(&as_subnet))
		load_error(l, &at->place, "%s is the network itself, not a host in it", ip_str(&as_subnet, a));
	else if (ip_is_broadcast(&as_subnet))
		load_error(l, &at->place, "%s is the broadcast address of '%s'", ip_str(&as_subnet, a), n->name);
	else if (ip->prefix_len != subnet->prefix_len)
		load_warning(l, &at->place, "the prefix length is /%u, that of '%s' is /%u", ip->prefix_len,
			     n->name, subnet->prefix_len);
}

/* Registers @value on @nic's network. Returns who has it already, or NULL. */
static const char *taken_by(struct seen *s, struct strmap *m, const struct team_nic *nic,
			    const char *value, size_t owner)
{
	size_t old;

	if (strmap_add(m, arena_printf(s->l->arena, "%zu/%s", nic->network, value), owner, &old))
		return NULL;
	return s->owner_names[old];
}

static void check_addresses(struct seen *s, const struct team_nic *nic, const struct nic_src *src,
			    size_t owner)
{
	const struct team_network *n = &s->l->team->networks[nic->network];
	char buf[IP_STR_SIZE];

	for (size_t i = 0; i < nic->n_addresses; i++) {
		const struct ip_addr *ip = &nic->addresses[i];
		const char *other;

		check_in_subnet(s->l, src->address[i], ip, n);
		other = taken_by(s, &s->addresses, nic, ip_str_bare(ip, buf), owner);
		if (other)
			load_error(s->l, &src->address[i]->place, "%s is also the address of %s on '%s'",
				   buf, other, n->name);
	}
}

static void check_mode(struct load *l, struct team_nic *nic, struct nic_src *src)
{
	const struct team_network *n = &l->team->networks[nic->network];
	bool has_subnet = n->subnet.family != IP_NONE || n->subnet6.family != IP_NONE;

	if (src->mode == ADDRESS_DEFAULT)
		src->mode = n->services.dhcp.enabled ? ADDRESS_DHCP : has_subnet ? ADDRESS_AUTO : ADDRESS_NONE;
	else if (src->mode == ADDRESS_AUTO && !has_subnet)
		load_error(l, &src->mode_node->place, "'%s' has no subnet to take an address from", n->name);
	nic->dhcp = src->mode == ADDRESS_DHCP;
}

/* Whether @gw can be reached without a router from one of the NIC's addresses. */
static bool on_link(const struct load *l, const struct team_nic *nic, const struct nic_src *src,
		    const struct ip_addr *gw)
{
	const struct ip_addr *subnet = subnet_for(&l->team->networks[nic->network], gw->family);

	for (size_t i = 0; i < nic->n_addresses; i++)
		if (nic->addresses[i].family == gw->family && ip_in_net(gw, &nic->addresses[i]))
			return true;
	/* A server among the VMs may give addresses of a network that has no subnet here. */
	if (src->mode == ADDRESS_DHCP && subnet->family == IP_NONE)
		return true;
	return (src->mode == ADDRESS_AUTO || src->mode == ADDRESS_DHCP) && subnet->family != IP_NONE &&
	       ip_in_net(gw, subnet);
}

static void check_gateway(struct load *l, const struct team_nic *nic, const struct nic_src *src,
			  const struct ip_addr *gw)
{
	char a[IP_STR_SIZE];

	if (gw->family == IP_NONE || src->mode == ADDRESS_BAD)
		return;
	if (src->mode == ADDRESS_NONE) {
		load_error(l, &src->gateway->place, "a gateway is of no use to a NIC without an address");
		return;
	}
	if (gw->family == IP_V6 && gw->b[0] == 0xfe && (gw->b[1] & 0xc0) == 0x80)
		return; /* link-local: on every link */
	if (!on_link(l, nic, src, gw))
		load_error(l, &src->gateway->place, "the gateway %s is not on the NIC's subnet",
			   ip_str_bare(gw, a));
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (ip_equal(&nic->addresses[i], gw))
			load_error(l, &src->gateway->place, "the gateway %s is the NIC's own address",
				   ip_str_bare(gw, a));
}

/* RFC 8200 §5: IPv6 wants links that carry 1280 bytes; below, Linux has no IPv6. */
enum { IP6_MTU_MIN = 1280 };

static void check_mtu6(struct load *l, const struct team_nic *nic, const struct nic_src *src)
{
	const struct team_network *n = &l->team->networks[nic->network];
	uint32_t mtu = nic->mtu ? nic->mtu : n->mtu;
	const struct node *at = src->mtu ? src->mtu : src->node;

	if (mtu >= IP6_MTU_MIN || (n->mtu < IP6_MTU_MIN && n->subnet6.family != IP_NONE))
		return; /* the latter is said once, of the network */
	if (src->mode == ADDRESS_AUTO && n->subnet6.family != IP_NONE)
		load_error(l, &at->place, "IPv6 needs an MTU of %d, and this NIC has %u", IP6_MTU_MIN, mtu);
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (nic->addresses[i].family == IP_V6)
			load_error(l, &src->address[i]->place, "IPv6 needs an MTU of %d, and this NIC has %u",
				   IP6_MTU_MIN, mtu);
}

/* What only one of the VMs of a `count` could have is taken out. */
static void check_fixed(struct load *l, const struct vm_src *vm, struct team_nic *nic, struct nic_src *src)
{
	if (vm->count < 2)
		return;
	if (nic->n_addresses > 0) {
		load_error(l, &src->address[0]->place, "the %zu VMs of '%s' cannot have the same address; write 'auto', or "
			   "leave it out", vm->count, vm->name->text);
		src->mode = ADDRESS_BAD;
		nic->n_addresses = 0;
	}
	if (nic->mac_given)
		load_error(l, &src->mac->place, "the %zu VMs of '%s' cannot have the same MAC; leave it out", vm->count,
			   vm->name->text);
	nic->mac_given = false;
}

static void check_nic(struct seen *s, size_t vm, size_t i)
{
	struct team_vm *v = &s->l->team->vms[vm];
	struct team_nic *nic = &v->nics[i];
	struct nic_src *src = &s->l->vm_src[vm].nics[i];
	size_t owner = s->n_owners++;
	char mac[MAC_STR_SIZE];
	const char *other;

	check_fixed(s->l, &s->l->vm_src[vm], nic, src);
	s->owner_names[owner] = arena_printf(s->l->arena, "%s.%zu", v->name, i);
	if (nic->network == SIZE_MAX)
		return;
	check_mode(s->l, nic, src);
	check_addresses(s, nic, src, owner);
	check_mtu6(s->l, nic, src);
	check_gateway(s->l, nic, src, &nic->gateway);
	check_gateway(s->l, nic, src, &nic->gateway6);
	if (nic->mac_given && (other = taken_by(s, &s->macs, nic, mac_str(&nic->mac, mac), owner)))
		load_error(s->l, &src->mac->place, "%s is also the MAC of %s on '%s'", mac, other,
			   s->l->team->networks[nic->network].name);
	if (nic->mtu > s->l->team->networks[nic->network].mtu)
		load_error(s->l, &src->mtu->place, "an MTU of %u is more than the %u of '%s'", nic->mtu,
			   s->l->team->networks[nic->network].mtu,
			   s->l->team->networks[nic->network].name);
}

void check_nets(struct load *l)
{
	struct seen s = { .l = l };
	size_t n = 0;

	for (size_t i = 0; i < l->team->n_networks; i++) {
		const struct team_network *net = &l->team->networks[i];

		if (net->subnet6.family != IP_NONE && net->mtu < IP6_MTU_MIN)
			load_error(l, &l->network_src[i].mtu->place, "IPv6 needs an MTU of %d, and '%s' has %u",
				   IP6_MTU_MIN, net->name, net->mtu);
	}
	for (size_t i = 0; i < l->team->n_vms; i++)
		n += l->team->vms[i].n_nics;
	s.owner_names = arena_array(l->arena, n, sizeof *s.owner_names);
	strmap_init(&s.addresses, l->arena);
	strmap_init(&s.macs, l->arena);
	for (size_t i = 0; i < l->team->n_vms; i++)
		for (size_t k = 0; k < l->team->vms[i].n_nics; k++)
			check_nic(&s, i, k);
}
