/* teams/status.c: what `muster status` shows, as JSON.
 *
 * A VM's resident memory is its own: what the guest touched, and its monitor's. The image is one file
 * in the host's cache for all guests that use it, and is nobody's.
 *
 * Used by: serve.c. */
#include "core/addr.h"
#include "core/bytes.h"
#include "core/proc.h"
#include "teams/supervisor_private.h"

#include <unistd.h>

static const char *up_or_down(const struct link_states *links, const struct link_ref *ref, enum link_dir dir)
{
	return link_states_is_up(links, ref, dir) ? "up" : "down";
}

/* Of a NIC: what it and its network are by themselves, and what follows. */
static json_t *link_json(const struct supervisor *sup, size_t vm, size_t nic)
{
	struct link_ref ref = { .vm = vm, .nic = nic };
	struct link_ref network = { .is_network = true, .network = sup->team->vms[vm].nics[nic].network };

	return json_pack("{s:b,s:s,s:s,s:s,s:s}", "carrier", (int)link_states_carrier(sup->links, vm, nic), "nic",
			 up_or_down(sup->links, &ref, LINK_BOTH), "network",
			 up_or_down(sup->links, &network, LINK_BOTH), "up",
			 up_or_down(sup->links, &ref, LINK_UP), "down", up_or_down(sup->links, &ref, LINK_DOWN));
}

static json_t *nic_json(const struct supervisor *sup, size_t vm, size_t index)
{
	const struct team *t = sup->team;
	const struct team_nic *nic = &t->vms[vm].nics[index];
	char mac[MAC_STR_SIZE];
	json_t *addresses = json_array();

	for (size_t i = 0; i < nic->n_addresses; i++) {
		char ip[IP_STR_SIZE];

		(void)json_array_append_new(addresses, json_string(ip_str(&nic->addresses[i], ip)));
	}
	return json_pack("{s:s,s:o,s:s,s:s,s:o,s:I,s:o}", "name", nic->name, "guest_name",
			 json_sprintf("eth%zu", index), "network", t->networks[nic->network].name, "mac",
			 mac_str(&nic->mac, mac), "addresses", addresses, "mtu", (json_int_t)nic->mtu, "link", link_json(sup, vm, index));
}

static json_t *vm_json(const struct supervisor *sup, const struct vm *v)
{
	nsec_t now = clock_now();
	json_t *nics = json_array(), *o;
	size_t rss = 0, private = 0;

	for (size_t i = 0; i < v->tv->n_nics; i++)
		(void)json_array_append_new(nics, nic_json(sup, v->index, i));
	if (v->pid > 0)
		(void)proc_memory(v->pid, &rss, &private);
	o = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:f}", "name", v->tv->name, "state",
		      vm_state_str(v->state), "engine", v->engine[0] ? v->engine : "-", "pid",
		      (json_int_t)v->pid, "memory_bytes", (json_int_t)v->tv->memory_bytes,
		      "resident_bytes", (json_int_t)private, "nics", nics, "uptime_s",
		      v->pid > 0 ? (double)(now - v->started_ns) / 1e9 : 0.0);
	if (v->tv->group)
		(void)json_object_set_new(o, "group", json_string(v->tv->group));
	if (v->vsock.path)
		(void)json_object_set_new(o, "vsock", json_pack("{s:I,s:s}", "cid",
								(json_int_t)v->tv->vsock_cid, "socket",
								v->vsock.path));
	if (v->engine_why && v->engine_why[0])
		(void)json_object_set_new(o, "engine_why", json_string(v->engine_why));
	if (v->boot_ns > 0)
		(void)json_object_set_new(o, "ready_after_s", json_real((double)v->boot_ns / 1e9));
	if (v->n_restarts > 0)
		(void)json_object_set_new(o, "crashes", json_integer(v->n_restarts));
	if (v->n_restarts > 0 && v->state != VM_FAILED && v->why)
		(void)json_object_set_new(o, "last_crash", json_string(v->why));
	if (v->state == VM_FAILED && v->why)
		(void)json_object_set_new(o, "why", json_string(v->why));
	return o;
}

json_t *sup_status(struct supervisor *sup)
{
	CLEANUP(free) char *file = str_utf8(sup->team->file ? sup->team->file : "");
	json_t *vms = json_array();

	for (size_t i = 0; i < sup->n_vms; i++)
		(void)json_array_append_new(vms, vm_json(sup, &sup->vms[i]));
	return json_pack("{s:s,s:s,s:s,s:b,s:I,s:I,s:I,s:f,s:o}", "team", sup->team->name, "state",
			 sup_state_str(sup->state), "file", file, "untrusted", sup->team->root != NULL,
			 "supervisor_pid", (json_int_t)getpid(), "fabric_pid",
			 (json_int_t)sup->fabric_pid, "janitor_pid", (json_int_t)sup->janitor_pid, "uptime_s",
			 (double)(clock_now() - sup->started_ns) / 1e9, "vms", vms);
}
