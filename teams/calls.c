/* teams/calls.c: what the supervisor asks its fabric and its machines.
 *
 * Every question goes through core/rpc: a number, a deadline, an error that names who did
 * not answer. A question to the fabric may be a client's: the answer finds the client, or
 * nobody when it left meanwhile. No answer is an answer too, {"ok":false,"error":…,
 * "status":1}, so that who asked has one case.
 *
 * Used by: spawn.c, vm_host.c, link.c, pause.c, status.c, serve.c.   Depends on: core/rpc.h. */
#include "teams/calls.h"

#include "core/bytes.h"
#include "core/log.h"
#include "teams/lease_files.h"

#include <errno.h>
#include <string.h>

/* A peer whose table cannot be had cannot be asked: -EPIPE. */
static struct rpc *peer_new(struct loop *loop, struct control *control, char *who /* taken over */)
{
	struct rpc *r = NULL;

	if (rpc_new(loop, who, &r) == 0)
		rpc_bind(r, control);
	free(who);
	return r;
}

/* ---- the fabric ------------------------------------------------------------------- */

void sup_fabric_bind(struct supervisor *sup)
{
	events_source_init(&sup->lease_events, clock_now());
	sup->fabric_rpc = peer_new(sup->loop, sup->fabric, str_printf("the fabric of team %s", sup->team->name));
}

/* The fabric tells of a station whose other side came or went. */
static void peer_event(struct supervisor *sup, json_t *msg)
{
	const char *event = json_string_value(json_object_get(msg, "event"));
	json_int_t port = json_integer_value(json_object_get(msg, "port"));
	json_t *why = json_object_get(msg, "why"), *refused = json_object_get(msg, "refused"), *told;

	if (!event || strcmp(event, "peer") != 0 || port < 0 || (size_t)port >= sup->plan->n_ports)
		return;
	told = json_pack("{s:s,s:s,s:b,s:I}", "event", "station", "target", sup->plan->ports[port].name, "there",
			 (int)json_is_true(json_object_get(msg, "there")), "untold",
			 json_integer_value(json_object_get(msg, "untold")));
	if (refused)
		(void)json_object_set(told, "refused", refused);
	if (why)
		(void)json_object_set(told, "why", why);
	events_emit(&sup->events, told);
}

enum { LEASED_MAX = 8 /* addresses of one NIC */ };

/* Keeps what a VM's NIC has by DHCP, with the subnet's prefix, for who asks for the team's status. */
static void keep_leased(struct supervisor *sup, const struct team_network *net, json_t *msg)
{
	const char *what = json_string_value(json_object_get(msg, "what"));
	const char *mac = json_string_value(json_object_get(msg, "mac"));
	const char *text = json_string_value(json_object_get(msg, "address"));
	char buf[IP_STR_SIZE];
	struct ip_addr ip;
	json_t *list;

	if (!what || !mac || !json_object_get(msg, "vm") || !text || ip_parse(text, &ip) < 0)
		return;
	ip.prefix_len = (ip.family == IP_V6 ? net->services.address6 : net->services.address).prefix_len;
	if (!sup->leased)
		sup->leased = json_object();
	list = json_object_get(sup->leased, mac);
	if (!list) {
		list = json_array();
		(void)json_object_set_new(sup->leased, mac, list);
	}
	for (size_t i = json_array_size(list); i-- > 0;)
		if (strcmp(json_string_value(json_array_get(list, i)), ip_str(&ip, buf)) == 0)
			(void)json_array_remove(list, i);
	if ((strcmp(what, "new") == 0 || strcmp(what, "known") == 0) && json_array_size(list) < LEASED_MAX)
		(void)json_array_append_new(list, json_string(ip_str(&ip, buf)));
}

/* What happens to leases; the network is told by its name. */
static void lease_event(struct supervisor *sup, json_t *msg)
{
	json_int_t network = json_integer_value(json_object_get(msg, "network"));
	static const char *const keys[] = { "what", "address", "mac", "hostname", "vm", "untold" };
	const char *what;
	json_t *told;

	if (network < 0 || (size_t)network >= sup->team->n_networks)
		return;
	keep_leased(sup, &sup->team->networks[network], msg);
	what = json_string_value(json_object_get(msg, "what"));
	if (what && strcmp(what, "known") == 0)
		return; /* it is no news */
	told = json_pack("{s:s,s:s}", "event", "lease", "network", sup->team->networks[network].name);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (json_object_get(msg, keys[i]))
			(void)json_object_set(told, keys[i], json_object_get(msg, keys[i]));
	events_emit_of(&sup->events, &sup->lease_events, told, clock_now());
}

static void fabric_event(struct supervisor *sup, json_t *msg)
{
	const char *event = json_string_value(json_object_get(msg, "event"));

	if (event && strcmp(event, "lease") == 0)
		lease_event(sup, msg);
	else if (event && strcmp(event, "leases") == 0)
		sup_leases_trouble(sup, json_string_value(json_object_get(msg, "error")));
	else
		peer_event(sup, msg);
}

void sup_on_fabric(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct supervisor *sup = ctx;

	(void)fds;
	(void)n_fds;
	if (msg) {
		if (sup->fabric_rpc && !rpc_take(sup->fabric_rpc, msg))
			fabric_event(sup, msg);
		return;
	}
	if (status < 0)
		log_error("fabric: %s", strerror(-status));
	sup->fabric = control_free(c);
	if (sup->fabric_rpc)
		rpc_bind(sup->fabric_rpc, NULL);
}

static void fabric_answered(void *ctx, json_t *reply, const char *error)
{
	struct fabric_call *call = ctx;
	struct supervisor *sup = call->sup;
	json_t *none = NULL;

	for (struct fabric_call **at = &sup->fabric_calls; *at; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			break;
		}
	if (!reply)
		none = json_pack("{s:b,s:s,s:i}", "ok", 0, "error", error, "status", 1);
	call->fn(sup, call, reply ? reply : none);
	json_decref(none);
	free(call);
}

int sup_ask_fabric(struct supervisor *sup, json_t *msg, struct client *client, json_int_t client_id,
		   void (*fn)(struct supervisor *, struct fabric_call *, json_t *))
{
	return sup_ask_fabric_for(sup, msg, ANSWER_NS, client, client_id, fn);
}

int sup_ask_fabric_for(struct supervisor *sup, json_t *msg, nsec_t within_ns, struct client *client,
		       json_int_t client_id,
		       void (*fn)(struct supervisor *, struct fabric_call *, json_t *))
{
	struct fabric_call *call = calloc(1, sizeof *call);
	int r = -EPIPE;

	if (!call)
		abort();
	*call = (struct fabric_call){ .sup = sup, .client = client, .client_id = client_id, .fn = fn };
	if (sup->fabric_rpc)
		r = rpc_call(sup->fabric_rpc, msg, within_ns, fabric_answered, call);
	else
		json_decref(msg);
	if (r < 0) {
		free(call);
		return r;
	}
	call->next = sup->fabric_calls;
	sup->fabric_calls = call;
	return 0;
}

void sup_calls_forget_client(struct supervisor *sup, const struct client *client)
{
	for (struct fabric_call *c = sup->fabric_calls; c; c = c->next)
		if (c->client == client)
			c->client = NULL;
}

/* ---- machines --------------------------------------------------------------------- */

void vm_calls_open(struct vm_host *v)
{
	v->rpc = peer_new(v->sup->loop, v->control,
			  str_printf("the machine of %s/%s", v->sup->team->name, v->tv->name));
}

void vm_calls_close(struct vm_host *v)
{
	struct rpc *r = take_ptr(v->rpc);

	if (r)
		rpc_bind(r, NULL); /* who asked is told */
	(void)rpc_free(r);
}

int vm_ask_for(struct vm_host *v, json_t *msg, nsec_t within_ns, rpc_reply_fn *fn, void *ctx)
{
	if (v->rpc)
		return rpc_call(v->rpc, msg, within_ns, fn, ctx);
	json_decref(msg);
	return -EPIPE;
}

int vm_ask(struct vm_host *v, json_t *msg, rpc_reply_fn *fn)
{
	return vm_ask_for(v, msg, ANSWER_NS, fn, v);
}

void vm_tell(struct vm_host *v, json_t *msg)
{
	if (v->control)
		(void)control_send(v->control, msg, NULL, 0);
	json_decref(msg);
}
