/* teams/status.c: what `muster status` shows, as JSON.
 *
 * A VM's resident memory is its own: what the guest touched, and its monitor's. The image is one file
 * in the host's cache for all guests that use it, and is nobody's.
 *
 * The counters of NICs are the fabric's. Who asks for them waits for its answer, a second at most:
 * what does not answer is said instead, and all else is there.
 *
 * Used by: serve.c.   Depends on: calls.c, the fabric's "counters" (fabric/requests.h). */
#include "teams/status.h"

#include "core/addr.h"
#include "core/bytes.h"
#include "core/proc.h"
#include "teams/answer.h"
#include "teams/calls.h"
#include "teams/lease_files.h"
#include "teams/services.h"
#include "teams/team_state.h"
#include "teams/uplink.h"

#include <unistd.h>

static const char *up_or_down(const struct link_states *links, const struct fabric_ref *ref, enum link_dir dir)
{
	return link_states_is_up(links, ref, dir) ? "up" : "down";
}

/* Of a port: what it and its network are by themselves, and what follows. @who: "nic" or "station". */
static json_t *link_json(const struct supervisor *sup, size_t port, const char *who)
{
	struct fabric_ref ref = { .index = port };
	struct fabric_ref network = { .is_network = true, .index = sup->plan->ports[port].network };

	return json_pack("{s:b,s:s,s:s,s:s,s:s}", "carrier", (int)link_states_carrier(sup->links, ref.index), who,
			 up_or_down(sup->links, &ref, LINK_BOTH), "network",
			 up_or_down(sup->links, &network, LINK_BOTH), "up", up_or_down(sup->links, &ref, LINK_UP),
			 "down", up_or_down(sup->links, &ref, LINK_DOWN));
}

static json_t *nic_json(const struct supervisor *sup, size_t vm, size_t index)
{
	const struct team *t = sup->team;
	const struct team_nic *nic = &t->vms[vm].nics[index];
	char mac[MAC_STR_SIZE];
	json_t *addresses = json_array(), *leased = json_object_get(sup->leased, mac_str(&nic->mac, mac));

	for (size_t i = 0; i < nic->n_addresses; i++) {
		char ip[IP_STR_SIZE];

		(void)json_array_append_new(addresses, json_string(ip_str(&nic->addresses[i], ip)));
	}
	if (leased)
		(void)json_array_extend(addresses, leased);
	return json_pack("{s:s,s:o,s:s,s:s,s:o,s:I,s:o}", "name", nic->name, "guest_name",
			 json_sprintf("eth%zu", index), "network", t->networks[nic->network].name, "mac",
			 mac_str(&nic->mac, mac), "addresses", addresses, "mtu", (json_int_t)nic->mtu, "link",
			 link_json(sup, fabric_plan_port(t, vm, index), "nic"));
}

static json_t *vm_json(const struct supervisor *sup, const struct vm_host *v, bool with_memory)
{
	nsec_t now = clock_now();
	json_t *nics = json_array(), *o;
	size_t rss = 0, private = 0;

	for (size_t i = 0; i < v->tv->n_nics; i++)
		(void)json_array_append_new(nics, nic_json(sup, v->index, i));
	if (with_memory && v->pid > 0)
		(void)proc_memory(v->pid, &rss, &private);
	o = json_pack("{s:s,s:s,s:s,s:I,s:I,s:o,s:f}", "name", v->tv->name, "state", vm_state_str(v->vm.state),
		      "engine", v->engine[0] ? v->engine : "-", "pid", (json_int_t)v->pid, "memory_bytes",
		      (json_int_t)v->tv->memory_bytes, "nics", nics, "uptime_s",
		      v->pid > 0 ? (double)(now - v->vm.started_ns) / 1e9 : 0.0);
	if (with_memory)
		(void)json_object_set_new(o, "resident_bytes", json_integer((json_int_t)private));
	if (v->tv->group)
		(void)json_object_set_new(o, "group", json_string(v->tv->group));
	if (v->vsock.path)
		(void)json_object_set_new(o, "vsock", json_pack("{s:I,s:s}", "cid",
								(json_int_t)v->tv->vsock_cid, "socket",
								v->vsock.path));
	if (v->engine_why && v->engine_why[0])
		(void)json_object_set_new(o, "engine_why", json_string(v->engine_why));
	if (v->vm.boot_ns > 0)
		(void)json_object_set_new(o, "ready_after_s", json_real((double)v->vm.boot_ns / 1e9));
	if (v->vm.n_restarts > 0)
		(void)json_object_set_new(o, "crashes", json_integer(v->vm.n_restarts));
	if (v->vm.n_restarts > 0 && v->vm.state != VM_FAILED && v->vm.why)
		(void)json_object_set_new(o, "last_crash", json_string(v->vm.why));
	if (v->vm.state == VM_FAILED && v->vm.why)
		(void)json_object_set_new(o, "why", json_string(v->vm.why));
	return o;
}

/* A station of a network that is no VM. With counters, "peer" says whether its other side is there. */
static json_t *stations_json(const struct supervisor *sup)
{
	const struct team *t = sup->team;
	json_t *list = json_array();

	for (size_t i = 0; sup->links && i < t->n_networks; i++)
		for (size_t k = 0; k < t->networks[i].n_stations; k++) {
			const struct team_station *s = &t->networks[i].stations[k];
			CLEANUP(free) char *what = str_utf8(s->what);

			(void)json_array_append_new(list,
						    json_pack("{s:s,s:s,s:s,s:s,s:o}", "name", s->name, "network",
							      t->networks[i].name, "kind",
							      s->kind == STATION_TAP ? "tap" : "qemu", "what", what,
							      "link",
							      link_json(sup, fabric_plan_station(t, i, k), "station")));
		}
	return list;
}

json_t *sup_status(struct supervisor *sup, bool with_memory)
{
	CLEANUP(free) char *file = str_utf8(sup->team->file ? sup->team->file : "");
	json_t *vms = json_array();

	for (size_t i = 0; i < sup->n_vms; i++)
		(void)json_array_append_new(vms, vm_json(sup, &sup->vms[i], with_memory));
	return json_pack("{s:s,s:s,s:s,s:b,s:I,s:I,s:I,s:f,s:o,s:o,s:o,s:o,s:o}", "team", sup->team->name, "state",
			 sup_state_str(sup->state), "file", file, "untrusted", sup->team->root != NULL,
			 "supervisor_pid", (json_int_t)getpid(), "fabric_pid", (json_int_t)sup->fabric_pid,
			 "janitor_pid", (json_int_t)sup->janitor_pid, "uptime_s",
			 (double)(clock_now() - sup->started_ns) / 1e9, "vms", vms, "stations", stations_json(sup),
			 "services", services_json(sup->team), "uplink", sup_uplink_json(sup), "leases",
			 sup_leases_json(sup));
}

/* ---- the plan, as it is now -------------------------------------------------------- */

/* Puts the present shape of the link @ref to @at. One that is still the file's keeps its preset's name. */
static void put_shape(const struct supervisor *sup, const struct link_ref *ref, json_t *at)
{
	json_t *planned = json_object_get(at, "shape");
	json_t *up = shape_dir_json(link_shapes_get(sup->shapes, ref, LINK_UP));
	json_t *down = shape_dir_json(link_shapes_get(sup->shapes, ref, LINK_DOWN));
	json_t *plain = shape_dir_json(&(struct shape_dir){ 0 });
	bool is_plain = json_equal(up, plain) && json_equal(down, plain);
	bool is_planned =
		json_equal(up, json_object_get(planned, "up")) && json_equal(down, json_object_get(planned, "down"));

	if (!is_planned && is_plain)
		(void)json_object_set_new(at, "shape", json_null());
	else if (!is_planned)
		(void)json_object_set_new(at, "shape", json_pack("{s:n,s:O,s:O}", "preset", "up", up, "down", down));
	json_decref(up);
	json_decref(down);
	json_decref(plain);
}

static void put_vm_shapes(const struct supervisor *sup, size_t vm, json_t *at)
{
	static const char *const inside[] = { "files", "run", "env", "dns", "cmdline" };
	json_t *nic;
	size_t i;

	for (i = 0; i < sizeof inside / sizeof *inside; i++)
		(void)json_object_del(at, inside[i]);
	json_array_foreach (json_object_get(at, "nics"), i, nic)
		put_shape(sup, &(struct link_ref){ .vm = vm, .nic = i }, nic);
}

json_t *sup_plan_now(const struct supervisor *sup)
{
	json_t *plan = team_plan_json(sup->team), *at, *station;
	size_t i, k;

	json_array_foreach (json_object_get(plan, "networks"), i, at) {
		put_shape(sup, &(struct link_ref){ .is_network = true, .network = i }, at);
		json_array_foreach (json_object_get(at, "attach"), k, station)
			put_shape(sup, &(struct link_ref){ .is_station = true, .network = i, .station = k }, station);
	}
	json_array_foreach (json_object_get(plan, "vms"), i, at)
		put_vm_shapes(sup, i, at);
	(void)json_object_del(plan, "touches");
	return plan;
}

/* ---- with counters ---------------------------------------------------------------- */

enum { COUNTERS_MS = 1000 /* said in muster(1) */ };

static json_int_t number(json_t *counters, const char *key)
{
	return json_integer_value(json_object_get(counters, key));
}

static json_int_t add_lost(json_t *sum, json_t *counters)
{
	json_t *lost = json_object_get(counters, "lost"), *n;
	json_int_t all = 0;
	const char *reason;

	json_object_foreach(lost, reason, n) {
		all += json_integer_value(n);
		(void)json_object_set_new(sum, reason, json_integer(number(sum, reason) + json_integer_value(n)));
	}
	return all;
}

/* One NIC's counters. @port: the fabric's: "in" and "out" are the rings, the others links. */
static json_t *port_counters(json_t *port)
{
	static const char *const links[] = { "up", "network", "down" };
	json_t *in = json_object_get(port, "in"), *out = json_object_get(port, "out"), *lost = json_object();
	json_int_t in_rings = add_lost(lost, in) + add_lost(lost, out);
	json_int_t corrupted = 0, duplicated = 0, reordered = 0;

	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		json_t *link = json_object_get(port, links[i]);

		(void)add_lost(lost, link);
		corrupted += number(link, "corrupted_frames");
		duplicated += number(link, "duplicated_frames");
		reordered += number(link, "reordered_frames");
	}
	return json_pack("{s:I,s:I,s:I,s:I,s:o,s:I,s:I,s:I,s:I}", "sent_frames", number(in, "entered_frames"),
			 "sent_bytes", number(in, "entered_bytes"), "received_frames",
			 number(out, "delivered_frames"), "received_bytes", number(out, "delivered_bytes"),
			 "lost", lost, "lost_in_rings", in_rings, "corrupted_frames", corrupted,
			 "duplicated_frames", duplicated, "reordered_frames", reordered);
}

/* Puts the counters of @ports to the NICs of @status, then to its stations: both have one order. */
static void put_counters(json_t *status, json_t *ports)
{
	json_t *vms = json_object_get(status, "vms"), *vm, *nic, *station;
	size_t i, k, port = 0;

	json_array_foreach(vms, i, vm)
		json_array_foreach(json_object_get(vm, "nics"), k, nic)
			(void)json_object_set_new(nic, "counters", port_counters(json_array_get(ports, port++)));
	json_array_foreach (json_object_get(status, "stations"), i, station) {
		json_t *of = json_array_get(ports, port++);

		(void)json_object_set_new(station, "counters", port_counters(of));
		(void)json_object_set(station, "peer", json_object_get(of, "peer"));
	}
}

static void on_counters(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	json_t *status, *error = json_object_get(msg, "error");

	if (!call->client)
		return;
	status = sup_status(sup, true);
	if (json_is_true(json_object_get(msg, "ok")))
		put_counters(status, json_object_get(msg, "ports"));
	else
		(void)json_object_set(status, "no_counters", error);
	client_ok(call->client, call->client_id, status);
}

void sup_status_counted(struct client *client, json_int_t id)
{
	struct supervisor *sup = client->sup;
	json_t *status;

	if (sup_ask_fabric_for(sup, json_pack("{s:s}", "do", "counters"), COUNTERS_MS * NSEC_PER_MSEC, client, id,
			       on_counters) == 0)
		return;
	status = sup_status(sup, true);
	(void)json_object_set_new(status, "no_counters", json_string("there is no fabric"));
	client_ok(client, id, status);
}
