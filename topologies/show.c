/* topologies/show.c: the plan, for people and for programs.
 *
 * Used by: cli (`muster check -v`), tests.   Depends on: values.h, jansson. */
#include "topologies/keys.h"
#include "topologies/show.h"
#include "topologies/values.h"

#include "core/bytes.h"

#include <string.h>

enum { MIB = 1 << 20 };

static void line_shape(struct bytes *out, const char *indent, const struct shape *s)
{
	CLEANUP(free) char *up = shape_dir_str(&s->up);
	CLEANUP(free) char *down = shape_dir_str(&s->down);

	if (!s->is_set)
		return;
	bytes_printf(out, "%sshape", indent);
	if (s->preset)
		bytes_printf(out, " (%s)", s->preset);
	if (!strcmp(up, down))
		bytes_printf(out, ": %s\n", up);
	else
		bytes_printf(out, ":\n%s  up: %s\n%s  down: %s\n", indent, up, indent, down);
}

static void text_network(struct bytes *out, const struct team *t, const struct team_network *n)
{
	char buf[IP_STR_SIZE];

	bytes_printf(out, "  %-16s %-7s", n->name, network_type_names[n->type]);
	if (n->subnet.family != IP_NONE)
		bytes_printf(out, " %s", ip_str(&n->subnet, buf));
	if (n->subnet6.family != IP_NONE)
		bytes_printf(out, " %s", ip_str(&n->subnet6, buf));
	if (n->gateway.family != IP_NONE)
		bytes_printf(out, " gateway %s", ip_str_bare(&n->gateway, buf));
	if (n->gateway6.family != IP_NONE)
		bytes_printf(out, " gateway %s", ip_str_bare(&n->gateway6, buf));
	bytes_printf(out, " mtu %u, %zu NIC%s\n", n->mtu, n->n_nics, n->n_nics == 1 ? "" : "s");
	line_shape(out, "    ", &n->shape);
	for (size_t i = 0; i < n->n_stations; i++) {
		const struct team_station *s = &n->stations[i];

		bytes_printf(out, "    %-16s %s %s\n", s->name, station_kind_names[s->kind], s->what);
		line_shape(out, "      ", &s->shape);
	}
	show_services_text(out, t, n);
}

static void text_nic(struct bytes *out, const struct team *t, const struct team_nic *nic)
{
	char mac[MAC_STR_SIZE], ip[IP_STR_SIZE];

	bytes_printf(out, "    %-6s %-16s %s", nic->name, t->networks[nic->network].name,
		     mac_str(&nic->mac, mac));
	for (size_t i = 0; i < nic->n_addresses; i++)
		bytes_printf(out, " %s", ip_str(&nic->addresses[i], ip));
	if (nic->dhcp)
		bytes_append_str(out, " dhcp");
	if (nic->gateway.family != IP_NONE)
		bytes_printf(out, " gateway %s", ip_str_bare(&nic->gateway, ip));
	if (nic->gateway6.family != IP_NONE)
		bytes_printf(out, " gateway %s", ip_str_bare(&nic->gateway6, ip));
	if (nic->mtu != t->networks[nic->network].mtu)
		bytes_printf(out, " mtu %u", nic->mtu);
	bytes_printf(out, "%s\n", nic->link_down ? " link down" : "");
	line_shape(out, "      ", &nic->shape);
}

static void text_ready(struct bytes *out, const struct team_vm *vm)
{
	if (!vm->ready_run && !vm->ready_tcp && !vm->ready_console && !vm->ready_no_agent)
		return;
	bytes_append_str(out, vm->ready_no_agent ? "    ready  without agent" : "    ready  with agent");
	if (vm->ready_run)
		bytes_printf(out, ", run %s", vm->ready_run);
	if (vm->ready_tcp)
		bytes_printf(out, ", tcp %u", vm->ready_tcp);
	if (vm->ready_console)
		bytes_printf(out, ", console %s", vm->ready_console);
	bytes_append_str(out, "\n");
}

static void text_vm(struct bytes *out, const struct team *t, const struct team_vm *vm)
{
	CLEANUP(free) char *memory = value_size_str(vm->memory_bytes);

	bytes_printf(out, "  %-16s image %s, %s, %u CPU%s, engine %s", vm->name,
		     vm->kernel ? vm->kernel : vm->image, memory, vm->cpus, vm->cpus == 1 ? "" : "s",
		     engine_names[vm->engine]);
	for (size_t i = 0; i < vm->n_after; i++)
		bytes_printf(out, "%s %s", i ? "," : ", after", t->vms[vm->after[i]].name);
	if (vm->start_delay_ns) {
		CLEANUP(free) char *delay = value_time_str(vm->start_delay_ns);

		bytes_printf(out, ", start-delay %s", delay);
	}
	bytes_append_str(out, "\n");
	for (size_t i = 0; i < vm->n_nics; i++)
		text_nic(out, t, &vm->nics[i]);
	for (size_t i = 0; i < vm->n_dns && vm->dns_planned; i++)
		bytes_printf(out, "%s%s%s", i ? " " : "    dns    ", vm->dns[i], i + 1 == vm->n_dns ? "\n" : "");
	for (size_t i = 0; i < vm->n_files; i++)
		bytes_printf(out, "    file   %s (%04o)\n", vm->files[i].path, vm->files[i].mode);
	for (size_t i = 0; i < vm->n_run; i++)
		bytes_printf(out, "    run    %s\n", vm->run[i]);
	text_ready(out, vm);
}

char *team_plan_text(const struct team *t)
{
	struct bytes out = { 0 };
	struct fabric_memory memory;
	CLEANUP(free) char *fabric = NULL;

	bytes_printf(&out, "team %s, seed %llu, engine %s\n", t->name, (unsigned long long)t->seed,
		     engine_names[t->engine]);
	if (t->description)
		bytes_printf(&out, "%s\n", t->description);
	bytes_append_str(&out, "networks:\n");
	for (size_t i = 0; i < t->n_networks; i++)
		text_network(&out, t, &t->networks[i]);
	bytes_append_str(&out, "VMs, in the order in which they start:\n");
	for (size_t i = 0; i < t->n_vms; i++)
		text_vm(&out, t, &t->vms[t->order[i]]);
	team_fabric_memory(t, &memory);
	fabric = value_size_str((memory.total_bytes + MIB - 1) / MIB * MIB);
	bytes_printf(&out, "memory of frames that wait in links: at most %s\n", fabric);
	if (t->n_tests)
		bytes_append_str(&out, "tests:\n");
	for (size_t i = 0; i < t->n_tests; i++)
		bytes_printf(&out, "  %zu. %s\n", i + 1, t->tests[i].name);
	return (char *)out.data;
}

json_t *show_str_json(const char *s)
{
	CLEANUP(free) char *text = s ? str_utf8(s) : NULL;

	return s ? json_string(text) : json_null();
}

json_t *show_ip_json(const struct ip_addr *ip, bool bare)
{
	char buf[IP_STR_SIZE];

	if (ip->family == IP_NONE)
		return json_null();
	return json_string(bare ? ip_str_bare(ip, buf) : ip_str(ip, buf));
}

static json_t *shape_json(const struct shape *s)
{
	json_t *j;

	if (!s->is_set)
		return json_null();
	j = json_object();
	json_object_set_new(j, "preset", show_str_json(s->preset));
	json_object_set_new(j, "up", shape_dir_json(&s->up));
	json_object_set_new(j, "down", shape_dir_json(&s->down));
	return j;
}

static json_t *station_json(const struct team_station *s)
{
	return json_pack("{s:s,s:s,s:o,s:o}", "name", s->name, "kind", station_kind_names[s->kind], "what",
			 show_str_json(s->what), "shape", shape_json(&s->shape));
}

static json_t *network_json(const struct team *t, const struct team_network *n)
{
	json_t *j = json_object(), *stations = json_array();

	for (size_t i = 0; i < n->n_stations; i++)
		json_array_append_new(stations, station_json(&n->stations[i]));
	if (n->n_stations)
		json_object_set(j, "attach", stations);
	json_decref(stations);
	json_object_set_new(j, "name", json_string(n->name));
	json_object_set_new(j, "type", json_string(network_type_names[n->type]));
	json_object_set_new(j, "subnet", show_ip_json(&n->subnet, false));
	json_object_set_new(j, "subnet6", show_ip_json(&n->subnet6, false));
	json_object_set_new(j, "gateway", show_ip_json(&n->gateway, true));
	json_object_set_new(j, "gateway6", show_ip_json(&n->gateway6, true));
	json_object_set_new(j, "mtu", json_integer(n->mtu));
	json_object_set_new(j, "nics", json_integer((json_int_t)n->n_nics));
	json_object_set_new(j, "shape", shape_json(&n->shape));
	show_services_json(j, t, n);
	return j;
}

static json_t *nic_json(const struct team *t, const struct team_nic *nic)
{
	json_t *j = json_object(), *addresses = json_array();
	char mac[MAC_STR_SIZE];

	for (size_t i = 0; i < nic->n_addresses; i++)
		json_array_append_new(addresses, show_ip_json(&nic->addresses[i], false));
	json_object_set_new(j, "name", json_string(nic->name));
	json_object_set_new(j, "network", json_string(t->networks[nic->network].name));
	json_object_set_new(j, "mac", json_string(mac_str(&nic->mac, mac)));
	json_object_set_new(j, "addresses", addresses);
	json_object_set_new(j, "dhcp", json_boolean(nic->dhcp));
	json_object_set_new(j, "gateway", show_ip_json(&nic->gateway, true));
	json_object_set_new(j, "gateway6", show_ip_json(&nic->gateway6, true));
	json_object_set_new(j, "mtu", json_integer(nic->mtu));
	json_object_set_new(j, "link", json_string(nic->link_down ? "down" : "up"));
	json_object_set_new(j, "shape", shape_json(&nic->shape));
	return j;
}

static json_t *strings_json(const char **strings, size_t n)
{
	json_t *j = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(j, json_string(strings[i]));
	return j;
}

static json_t *ready_json(const struct team_vm *vm)
{
	return json_pack("{s:b,s:o,s:o,s:o,s:I}", "agent", !vm->ready_no_agent, "run", show_str_json(vm->ready_run), "tcp",
			 vm->ready_tcp ? json_integer(vm->ready_tcp) : json_null(), "console",
			 show_str_json(vm->ready_console), "timeout_ns", (json_int_t)vm->ready_timeout_ns);
}

static json_t *vm_json(const struct team *t, const struct team_vm *vm)
{
	json_t *j = json_object(), *nics = json_array(), *after = json_array(), *files = json_array();

	for (size_t i = 0; i < vm->n_nics; i++)
		json_array_append_new(nics, nic_json(t, &vm->nics[i]));
	for (size_t i = 0; i < vm->n_after; i++)
		json_array_append_new(after, json_string(t->vms[vm->after[i]].name));
	for (size_t i = 0; i < vm->n_files; i++)
		json_array_append_new(files, json_pack("{s:s,s:i}", "path", vm->files[i].path, "mode",
						       (int)vm->files[i].mode));
	json_object_set_new(j, "name", json_string(vm->name));
	json_object_set_new(j, "image", show_str_json(vm->image));
	json_object_set_new(j, "kernel", show_str_json(vm->kernel));
	json_object_set_new(j, "initrd", show_str_json(vm->initrd));
	json_object_set_new(j, "cmdline", show_str_json(vm->cmdline));
	json_object_set_new(j, "memory_bytes", json_integer((json_int_t)vm->memory_bytes));
	json_object_set_new(j, "cpus", json_integer(vm->cpus));
	json_object_set_new(j, "engine", json_string(engine_names[vm->engine]));
	json_object_set_new(j, "hostname", show_str_json(vm->hostname));
	json_object_set_new(j, "nics", nics);
	json_object_set_new(j, "after", after);
	json_object_set_new(j, "start_delay_ns", json_integer(vm->start_delay_ns));
	json_object_set_new(j, "files", files);
	json_object_set_new(j, "run", strings_json(vm->run, vm->n_run));
	json_object_set_new(j, "ready", ready_json(vm));
	json_object_set_new(j, "env", strings_json(vm->env, vm->n_env));
	json_object_set_new(j, "dns", strings_json(vm->dns, vm->n_dns));
	return j;
}

json_t *team_plan_json(const struct team *t)
{
	json_t *j = json_object(), *networks = json_array(), *vms = json_array();
	json_t *order = json_array(), *tests = json_array();
	struct fabric_memory memory;

	for (size_t i = 0; i < t->n_networks; i++)
		json_array_append_new(networks, network_json(t, &t->networks[i]));
	for (size_t i = 0; i < t->n_vms; i++)
		json_array_append_new(vms, vm_json(t, &t->vms[i]));
	for (size_t i = 0; i < t->n_vms; i++)
		json_array_append_new(order, json_string(t->vms[t->order[i]].name));
	for (size_t i = 0; i < t->n_tests; i++)
		json_array_append_new(tests, json_string(t->tests[i].name));
	json_object_set_new(j, "team", json_string(t->name));
	json_object_set_new(j, "description", show_str_json(t->description));
	json_object_set_new(j, "seed", json_integer((json_int_t)t->seed));
	json_object_set_new(j, "engine", json_string(engine_names[t->engine]));
	json_object_set_new(j, "networks", networks);
	json_object_set_new(j, "vms", vms);
	json_object_set_new(j, "order", order);
	json_object_set_new(j, "tests", tests);
	team_fabric_memory(t, &memory);
	json_object_set_new(j, "link_memory_bytes", json_integer((json_int_t)memory.total_bytes));
	json_object_set_new(j, "untrusted", json_boolean(t->root != NULL));
	json_object_set_new(j, "touches", team_touches_json(t));
	return j;
}
