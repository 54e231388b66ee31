/* teams/fabric_plan.c: what a team's fabric is made from.
 *
 * The fabric knows networks, ports and shapes, and no team file. A port is named as its
 * NIC is ("vm.eth0"); its random streams are named by the NIC's number ("vm.0"), so that
 * a NIC that gets a name in the file loses the same frames as before. A station's port and its
 * streams are named as it is ("lan.host"), which is no VM's: VMs and networks share one name space. The port of a
 * network's services is called "lan.service"; its streams have a name that no station can have.
 *
 * Used by: spawn.c, link.c, status.c.   Depends on: fabric/plan.h, topologies/team.h. */
#include "teams/fabric_plan.h"

#include "core/bytes.h"
#include "teams/services.h"

#include <errno.h>
#include <stdlib.h>

static const enum vswitch_type switch_types[NETWORK_TYPE_COUNT] = {
	[NETWORK_SWITCH] = VSWITCH_SWITCH, [NETWORK_HUB] = VSWITCH_HUB, [NETWORK_WIRE] = VSWITCH_WIRE,
};

static struct fabric_plan_link link_of(const struct fabric_memory *m, const struct shape_dir *dir, uint32_t mtu)
{
	return (struct fabric_plan_link){ .shape = *dir, .share_bytes = team_link_memory(m, dir, mtu) };
}

static void put_port(struct fabric_plan_port *port, const struct fabric_memory *m, const struct team_vm *vm,
		     const struct team_nic *nic, size_t index)
{
	*port = (struct fabric_plan_port){
		.name = str_printf("%s.%s", vm->name, nic->name),
		.stream = str_printf("%s.%zu", vm->name, index),
		.network = nic->network, .mtu = nic->mtu,
		.up = link_of(m, &nic->shape.up, nic->mtu), .down = link_of(m, &nic->shape.down, nic->mtu),
		.begins_down = nic->link_down,
	};
}

static void put_station(struct fabric_plan_port *port, const struct fabric_memory *m, const struct team_network *net,
			const struct team_station *station, size_t network)
{
	*port = (struct fabric_plan_port){
		.name = str_printf("%s.%s", net->name, station->name),
		.stream = str_printf("%s.%s", net->name, station->name),
		.network = network,
		.mtu = net->mtu,
		.fd = -1,
		.up = link_of(m, &station->shape.up, net->mtu),
		.down = link_of(m, &station->shape.down, net->mtu),
	};
}

static bool is_served(const struct team_network *net)
{
	return net->services.any;
}

static void put_service(struct fabric_plan_port *port, const struct fabric_memory *m, const struct team_network *net,
			const struct services_plan *services, size_t network)
{
	const struct shape_dir plain = { 0 };

	*port = (struct fabric_plan_port){
		.name = str_printf("%s.service", net->name),
		.stream = str_printf("%s/service", net->name),
		.kind = FABRIC_PORT_SERVICE,
		.service = services_plan_service(services),
		.network = network,
		.mtu = net->mtu,
		.fd = -1,
		.up = link_of(m, &plain, net->mtu),
		.down = link_of(m, &plain, net->mtu),
	};
}

static void fill(struct fabric_plan *plan, const struct team *team)
{
	struct fabric_memory m;

	team_fabric_memory(team, &m);
	plan->name = team->name;
	plan->seed = team->seed;
	plan->spare_bytes = m.spare_bytes;
	plan->total_bytes = m.total_bytes;
	plan->n_networks = team->n_networks;
	for (size_t i = 0; i < team->n_networks; i++) {
		const struct team_network *net = &team->networks[i];

		plan->networks[i] = (struct fabric_plan_network){
			.name = net->name, .type = switch_types[net->type], .mtu = net->mtu,
			.up = link_of(&m, &net->shape.up, net->mtu),
			.down = link_of(&m, &net->shape.down, net->mtu),
		};
	}
	for (size_t v = 0; v < team->n_vms; v++)
		for (size_t i = 0; i < team->vms[v].n_nics; i++)
			put_port(&plan->ports[plan->n_ports++], &m, &team->vms[v], &team->vms[v].nics[i], i);
	for (size_t n = 0; n < team->n_networks; n++)
		for (size_t i = 0; i < team->networks[n].n_stations; i++)
			put_station(&plan->ports[plan->n_ports++], &m, &team->networks[n],
				    &team->networks[n].stations[i], n);
	for (size_t n = 0; n < team->n_networks; n++)
		if (plan->services[n])
			put_service(&plan->ports[plan->n_ports++], &m, &team->networks[n], plan->services[n], n);
}

static size_t count_ports(const struct team *team)
{
	size_t n = fabric_plan_station(team, team->n_networks, 0);

	for (size_t i = 0; i < team->n_networks; i++)
		n += is_served(&team->networks[i]);
	return n;
}

static int make_services(struct fabric_plan *plan, const struct team *team)
{
	int r = 0;

	plan->services = calloc(team->n_networks + 1, sizeof(struct services_plan *));
	if (!plan->services)
		return -ENOMEM;
	for (size_t n = 0; n < team->n_networks && r == 0; n++)
		if (is_served(&team->networks[n]))
			r = services_plan_new(team, n, &plan->services[n]);
	return r;
}

int fabric_plan_new(const struct team *team, struct fabric_plan **ret_plan)
{
	struct fabric_plan *plan = calloc(1, sizeof *plan);

	if (!plan)
		return -ENOMEM;
	plan->networks = calloc(team->n_networks + 1, sizeof *plan->networks);
	plan->ports = calloc(count_ports(team) + 1, sizeof *plan->ports);
	plan->n_networks = team->n_networks;
	if (!plan->networks || !plan->ports || make_services(plan, team) < 0) {
		fabric_plan_free(plan);
		return -ENOMEM;
	}
	fill(plan, team);
	*ret_plan = plan;
	return 0;
}

struct fabric_plan *fabric_plan_free(struct fabric_plan *plan)
{
	if (!plan)
		return NULL;
	for (size_t i = 0; i < plan->n_ports; i++) {
		free((char *)(uintptr_t)plan->ports[i].name);
		free((char *)(uintptr_t)plan->ports[i].stream);
	}
	for (size_t i = 0; plan->services && i < plan->n_networks; i++)
		(void)services_plan_free(plan->services[i]);
	free(plan->services);
	free(plan->networks);
	free(plan->ports);
	free(plan);
	return NULL;
}

size_t fabric_plan_port(const struct team *team, size_t vm, size_t nic)
{
	size_t n = nic;

	for (size_t v = 0; v < vm; v++)
		n += team->vms[v].n_nics;
	return n;
}

size_t fabric_plan_station(const struct team *team, size_t network, size_t station)
{
	size_t n = fabric_plan_port(team, team->n_vms, 0) + station;

	for (size_t i = 0; i < network; i++)
		n += team->networks[i].n_stations;
	return n;
}

struct fabric_ref fabric_plan_ref(const struct team *team, const struct link_ref *ref)
{
	if (ref->is_network)
		return (struct fabric_ref){ .is_network = true, .index = ref->network };
	return (struct fabric_ref){ .index = ref->is_station ? fabric_plan_station(team, ref->network, ref->station) :
							       fabric_plan_port(team, ref->vm, ref->nic) };
}

struct link_ref fabric_plan_link(const struct team *team, const struct fabric_ref *ref)
{
	struct link_ref link = { .is_network = ref->is_network, .network = ref->is_network ? ref->index : 0 };
	size_t left = ref->is_network ? 0 : ref->index, n_nics = fabric_plan_port(team, team->n_vms, 0);

	if (ref->is_network)
		return link;
	if (left >= n_nics) {
		link.is_station = true;
		for (left -= n_nics; left >= team->networks[link.network].n_stations; link.network++)
			left -= team->networks[link.network].n_stations;
		link.station = left;
		return link;
	}
	while (left >= team->vms[link.vm].n_nics)
		left -= team->vms[link.vm++].n_nics;
	link.nic = left;
	return link;
}
