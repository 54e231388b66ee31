/* teams/services.c: from the services of a team file to those of the fabric.
 *
 * Names. DNS of a network has each VM of the team under its name: with the addresses that its NICs on this network have
 * by plan, or, for a VM that has no NIC there, with those of all its NICs. What DHCP gives out follows with the leases.
 *
 * Used by: fabric_plan.c, status.c, cgroup.c.   Depends on: fabric/services.h, topologies/services.h. */
#include "teams/services.h"

#include "core/bytes.h"
#include "core/wire.h"
#include "dhcp/dhcp4_config.h"
#include "dhcp/dhcp6.h"
#include "dhcp/ra.h"
#include "dns/dns_msg.h"
#include "fabric/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OFFER_NS (60 * NSEC_PER_SEC)
#define QUARANTINE_NS (600 * NSEC_PER_SEC) /* of a declined address */

enum {
	LEASES6_MAX = 8192, /* of a network: the pool of a /64 has no end, memory has */
	LEASE6_S = 3600, /* where there is no DHCP that says it */
	RA_DNS_MAX = 16, /* name servers in an advertisement; DHCP tells all */
	PREFERENCE = 255, /* RFC 8415 §18.2.1: clients wait for no other server */
};

/* A piece of memory that ends with the plan. */
struct block {
	struct block *next;
	max_align_t data[];
};

struct services_plan {
	struct fabric_plan_service service;
	struct dhcp4_config dhcp4;
	struct dhcp4_boot boot;
	struct dhcp6_config dhcp6;
	struct ra_config ra;
	struct block *blocks;
};

/* Zeros, for as long as the plan lives; there is always a place more than @n. Memory that is out ends the process: a
 * team is not begun half. */
static void *keep(struct services_plan *p, size_t n, size_t size)
{
	struct block *b = calloc(1, sizeof *b + (n + 1) * size);

	if (!b)
		abort();
	b->next = p->blocks;
	p->blocks = b;
	return b->data;
}

static const char *keep_text(struct services_plan *p, char *text /* taken over */)
{
	size_t len = strlen(text);
	char *kept = keep(p, len, 1);

	memcpy(kept, text, len);
	free(text);
	return kept;
}

static uint32_t number(const struct ip_addr *ip)
{
	return ip->family == IP_V4 ? load_be32(ip->b) : 0;
}

/* ---- names ------------------------------------------------------------------------------- */

static void put_clients(struct services_plan *p, const struct team *t, size_t network)
{
	struct fabric_plan_client *clients;
	size_t n = 0;

	for (size_t v = 0; v < t->n_vms; v++)
		n += t->vms[v].n_nics;
	clients = keep(p, n, sizeof *clients);
	p->service.clients = clients;
	for (size_t v = 0; v < t->n_vms; v++)
		for (size_t i = 0; i < t->vms[v].n_nics; i++)
			if (t->vms[v].nics[i].network == network)
				clients[p->service.n_clients++] =
					(struct fabric_plan_client){ t->vms[v].nics[i].mac, t->vms[v].name };
}

static bool is_on(const struct team_vm *vm, size_t network)
{
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i].network == network)
			return true;
	return false;
}

static void put_name(struct services_plan *p, const struct team_vm *vm, size_t network, struct fabric_plan_name *name)
{
	bool takes_all = !is_on(vm, network);
	struct ip_addr *addresses;
	size_t n = 0;

	for (size_t i = 0; i < vm->n_nics; i++)
		n += vm->nics[i].n_addresses;
	addresses = keep(p, n, sizeof *addresses);
	*name = (struct fabric_plan_name){ .name = vm->name, .addresses = addresses };
	for (size_t i = 0; i < vm->n_nics; i++) {
		const struct team_nic *nic = &vm->nics[i];

		for (size_t k = 0; k < nic->n_addresses && (takes_all || nic->network == network); k++)
			addresses[name->n_addresses++] = nic->addresses[k];
	}
}

/* A name that is complete has its last dot, so that no domain is put behind it. */
static struct fabric_plan_record record_of(struct services_plan *p, const struct team_record *rec)
{
	static const uint16_t types[RECORD_TYPE_COUNT] = {
		[RECORD_A] = DNS_A, [RECORD_AAAA] = DNS_AAAA, [RECORD_TXT] = DNS_TXT, [RECORD_SRV] = DNS_SRV
	};
	struct fabric_plan_record r = { .name = keep_text(p, str_printf("%s.", rec->name)),
					.type = types[rec->type],
					.ttl = rec->ttl };
	char ip[IP_STR_SIZE];

	if (rec->type == RECORD_TXT)
		r.value = rec->text;
	else if (rec->type == RECORD_SRV)
		r.value = keep_text(p, str_printf("%u %u %u %s.", rec->priority, rec->weight, rec->port, rec->target));
	else
		r.value = keep_text(p, str_dup(ip_str_bare(&rec->address, ip)));
	return r;
}

static void put_dns(struct services_plan *p, const struct team *t, size_t network)
{
	const struct team_dns *d = &t->networks[network].services.dns;
	struct fabric_plan_name *names = keep(p, t->n_vms, sizeof *names);
	struct fabric_plan_record *records = keep(p, d->n_records, sizeof *records);

	for (size_t v = 0; v < t->n_vms; v++)
		put_name(p, &t->vms[v], network, &names[v]);
	for (size_t i = 0; i < d->n_records; i++)
		records[i] = record_of(p, &d->records[i]);
	p->service.domain = d->domain;
	p->service.names = names;
	p->service.n_names = t->n_vms;
	p->service.records = records;
	p->service.n_records = d->n_records;
	p->service.dns_forwards = d->forward;
}

/* ---- DHCP ---------------------------------------------------------------------------------- */

/* Those of @list that are IPv4's. */
static const uint32_t *numbers(struct services_plan *p, const struct ip_addr *list, size_t n, size_t *ret_n)
{
	uint32_t *all = keep(p, n, sizeof *all);

	*ret_n = 0;
	for (size_t i = 0; i < n; i++)
		if (list[i].family == IP_V4)
			all[(*ret_n)++] = number(&list[i]);
	return all;
}

static struct lease_reservation reservation_of(const struct team_reservation *r, uint64_t addr)
{
	return (struct lease_reservation){ .addr = addr,
					   .has_mac = r->kind != RESERVE_CLIENT_ID,
					   .mac = r->mac,
					   .id_len = (uint8_t)r->client_id_len,
					   .id = r->client_id,
					   .hostname = r->hostname };
}

static void put_leases(struct services_plan *p, const struct team_dhcp *d)
{
	struct lease_range *ranges = keep(p, d->n_pools, sizeof *ranges);
	struct lease_reservation *reservations = keep(p, d->n_reservations, sizeof *reservations);
	struct lease_config *c = &p->dhcp4.leases;

	*c = (struct lease_config){ .ranges = ranges,
				    .n_ranges = d->n_pools,
				    .reservations = reservations,
				    .offer_ns = OFFER_NS,
				    .quarantine_ns = QUARANTINE_NS };
	for (size_t i = 0; i < d->n_pools; i++)
		ranges[i] = (struct lease_range){ number(&d->pools[i].first), number(&d->pools[i].last) };
	for (size_t i = 0; i < d->n_reservations; i++) {
		const struct team_reservation *r = &d->reservations[i];

		if (r->address.family == IP_V4)
			reservations[c->n_reservations++] = reservation_of(r, number(&r->address));
	}
}

static const struct dhcp4_option_value *options_of(struct services_plan *p, const struct team_dhcp *d)
{
	struct dhcp4_option_value *options = keep(p, d->n_options, sizeof *options);

	for (size_t i = 0; i < d->n_options; i++)
		options[i] = (struct dhcp4_option_value){ .code = d->options[i].code,
							  .len = (uint16_t)d->options[i].len,
							  .data = d->options[i].data };
	return options;
}

static void put_dhcp4(struct services_plan *p, const struct team_network *net)
{
	const struct team_dhcp *d = &net->services.dhcp;
	struct dhcp4_config *c = &p->dhcp4;

	*c = (struct dhcp4_config){ .server = number(&net->services.address),
				    .prefix_len = net->services.address.prefix_len,
				    .lease_s = (uint32_t)(d->lease_ns / NSEC_PER_SEC),
				    .renew_s = (uint32_t)(d->renew_ns / NSEC_PER_SEC),
				    .rebind_s = (uint32_t)(d->rebind_ns / NSEC_PER_SEC),
				    .router = number(&d->router),
				    .domain = d->domain,
				    .mtu = (uint16_t)net->mtu,
				    .options = options_of(p, d),
				    .n_options = d->n_options,
				    .next_server = number(&d->boot_next_server) };
	c->dns = numbers(p, d->dns, d->n_dns, &c->n_dns);
	c->ntp = numbers(p, d->ntp, d->n_ntp, &c->n_ntp);
	put_leases(p, d);
	if (d->boot_file) {
		p->boot = (struct dhcp4_boot){ .arch = DHCP4_ARCH_ANY, .file = d->boot_file };
		c->boots = &p->boot;
		c->n_boots = 1;
	}
	p->service.dhcp4 = c;
}

/* ---- IPv6 ------------------------------------------------------------------------------------ */

/* Those of @list that are IPv6's. */
static const struct ip_addr *addresses6(struct services_plan *p, const struct ip_addr *list, size_t n, size_t *ret_n)
{
	struct ip_addr *all = keep(p, n, sizeof *all);

	*ret_n = 0;
	for (size_t i = 0; i < n; i++)
		if (list[i].family == IP_V6)
			all[(*ret_n)++] = list[i];
	return all;
}

/* The domain as a search list. */
static const char *const *search_of(struct services_plan *p, const struct team_dhcp *d, size_t *ret_n)
{
	const char **list = keep(p, 1, sizeof *list);

	list[0] = d->domain;
	*ret_n = d->domain != NULL;
	return list;
}

static void put_ra(struct services_plan *p, const struct team_network *net)
{
	static const enum ra_mode modes[RA_COUNT] = { [RA_SLAAC] = RA_MODE_SLAAC,
						      [RA_STATELESS] = RA_MODE_STATELESS,
						      [RA_STATEFUL] = RA_MODE_STATEFUL };
	const struct team_services *s = &net->services;
	struct ra_config *c = &p->ra;

	*c = (struct ra_config){ .mode = modes[s->ra],
				 .mac = s->mac,
				 .prefixes = &net->subnet6,
				 .n_prefixes = 1,
				 .leads_out = s->nat.enabled,
				 .mtu = net->mtu };
	c->dns = addresses6(p, s->dhcp.dns, s->dhcp.n_dns, &c->n_dns);
	if (c->n_dns > RA_DNS_MAX)
		c->n_dns = RA_DNS_MAX;
	c->search = search_of(p, &s->dhcp, &c->n_search);
	p->service.ra = c;
}

/* The lower half of an IPv6 address; the upper one is the subnet's. */
static uint64_t number6(const struct ip_addr *ip)
{
	return (uint64_t)load_be32(ip->b + 8) << 32 | load_be32(ip->b + 12);
}

static void put_leases6(struct services_plan *p, const struct team_dhcp *d)
{
	struct lease_range *ranges = keep(p, d->n_pools6, sizeof *ranges);
	struct lease_reservation *reservations = keep(p, d->n_reservations, sizeof *reservations);
	struct lease_config *c = &p->dhcp6.leases;

	*c = (struct lease_config){ .ranges = ranges,
				    .n_ranges = d->n_pools6,
				    .reservations = reservations,
				    .offer_ns = OFFER_NS,
				    .quarantine_ns = QUARANTINE_NS,
				    .max = LEASES6_MAX,
				    .iaid_len = DHCP6_IAID_LEN };
	for (size_t i = 0; i < d->n_pools6; i++)
		ranges[i] = (struct lease_range){ number6(&d->pools6[i].first), number6(&d->pools6[i].last) };
	for (size_t i = 0; i < d->n_reservations; i++)
		if (d->reservations[i].address6.family == IP_V6)
			reservations[c->n_reservations++] =
				reservation_of(&d->reservations[i], number6(&d->reservations[i].address6));
}

static void put_dhcp6(struct services_plan *p, const struct team_network *net)
{
	const struct team_dhcp *d = &net->services.dhcp;
	struct dhcp6_config *c = &p->dhcp6;

	*c = (struct dhcp6_config){ .mac = net->services.mac,
				    .subnet = net->subnet6,
				    .lease_s = d->lease_ns ? (uint32_t)(d->lease_ns / NSEC_PER_SEC) : LEASE6_S,
				    .renew_s = (uint32_t)(d->renew_ns / NSEC_PER_SEC),
				    .rebind_s = (uint32_t)(d->rebind_ns / NSEC_PER_SEC),
				    .domain = d->domain,
				    .mtu = (uint16_t)net->mtu,
				    .preference = PREFERENCE,
				    .has_rapid_commit = true };
	c->dns = addresses6(p, d->dns, d->n_dns, &c->n_dns);
	c->ntp = addresses6(p, d->ntp, d->n_ntp, &c->n_ntp);
	c->search = search_of(p, d, &c->n_search);
	put_leases6(p, d);
	p->service.dhcp6 = c;
}

/* ---- the plan -------------------------------------------------------------------------------- */

int services_plan_new(const struct team *team, size_t network, struct services_plan **ret_plan)
{
	const struct team_network *net = &team->networks[network];
	const struct team_services *s = &net->services;
	struct services_plan *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	/* Clients of forwards that are on the loopback have the service address in the guest, so answers to it are the
	 * uplink's; and so is TFTP. */
	p->service = (struct fabric_plan_service){ .mac = s->mac,
						   .ipv4 = s->address,
						   .has_ipv6 = s->address6.family == IP_V6,
						   .ipv6 = s->address6,
						   .hands_own = s->nat.enabled || (s->dhcp.enabled && s->dhcp.boot_tftp) };
	put_clients(p, team, network);
	if (s->dns.enabled)
		put_dns(p, team, network);
	if (s->dhcp.enabled)
		put_dhcp4(p, net);
	if (s->ra != RA_OFF)
		put_ra(p, net);
	if (s->ra == RA_STATELESS || s->ra == RA_STATEFUL)
		put_dhcp6(p, net);
	*ret_plan = p;
	return 0;
}

struct services_plan *services_plan_free(struct services_plan *p)
{
	if (!p)
		return NULL;
	for (struct block *b = p->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(p);
	return NULL;
}

const struct fabric_plan_service *services_plan_service(const struct services_plan *p)
{
	return &p->service;
}

/* ---- what is said of them ---------------------------------------------------------------------- */

json_t *services_json(const struct team *team)
{
	json_t *list = json_array();
	char ip[IP_STR_SIZE];

	for (size_t i = 0; i < team->n_networks; i++) {
		const struct team_services *s = &team->networks[i].services;
		json_t *one;

		if (!s->any)
			continue;
		one = json_pack("{s:s,s:b,s:b}", "network", team->networks[i].name, "dhcp", (int)s->dhcp.enabled, "nat",
				(int)s->nat.enabled);
		if (s->address.family != IP_NONE)
			(void)json_object_set_new(one, "address", json_string(ip_str(&s->address, ip)));
		if (s->address6.family != IP_NONE)
			(void)json_object_set_new(one, "address6", json_string(ip_str(&s->address6, ip)));
		if (s->ra != RA_OFF)
			(void)json_object_set_new(one, "ra", json_string(ra_names[s->ra]));
		if (s->dns.enabled)
			(void)json_object_set_new(one, "dns", json_string(s->dns.domain));
		(void)json_array_append_new(list, one);
	}
	return list;
}

uint64_t services_memory(const struct team *team)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < team->n_networks; i++) {
		struct services_plan *p = NULL;

		if (!team->networks[i].services.any || services_plan_new(team, i, &p) < 0)
			continue;
		sum += services_memory_max(&p->service);
		(void)services_plan_free(p);
	}
	return sum;
}

bool services_keep_leases(const struct team *team)
{
	for (size_t i = 0; i < team->n_networks; i++)
		if (team->networks[i].services.dhcp.enabled)
			return true;
	return false;
}
