/* teams/uplink_requests.c: what the command line asks of the uplink: what is open, and forwards.
 *
 * The supervisor's list of forwards is the one that counts: it has the sockets, and each start of the uplink gets all
 * of them. A forward that is added while there is no uplink is handed over at its next start.
 *
 * Used by: serve.c.   Depends on: answer.c, uplink.c, nat/uplink.h. */
#include "teams/uplink_requests.h"

#include "core/bytes.h"
#include "core/rpc.h"
#include "teams/answer.h"
#include "teams/calls.h"
#include "teams/host_lack.h"
#include "teams/uplink.h"

#include <errno.h>
#include <string.h>

/* A question on its way to the uplink. */
struct uplink_ask {
	struct uplink_ask *next;
	struct sup_uplink *uplink;
	struct client *client; /* NULL: nobody waits any more */
	json_int_t id;
	uint32_t forward; /* that is added */
};
static struct uplink_ask *asks; /* the supervisor's process has one team */

static struct uplink_ask *ask_new(struct sup_uplink *u, struct client *client, json_int_t id)
{
	struct uplink_ask *ask = calloc(1, sizeof *ask);

	if (!ask)
		abort();
	*ask = (struct uplink_ask){ .next = asks, .uplink = u, .client = client, .id = id };
	asks = ask;
	return ask;
}

static void ask_free(struct uplink_ask *ask)
{
	for (struct uplink_ask **at = &asks; *at; at = &(*at)->next)
		if (*at == ask) {
			*at = ask->next;
			break;
		}
	free(ask);
}

void sup_uplink_forget_client(struct supervisor *sup, const struct client *client)
{
	(void)sup;
	for (struct uplink_ask *a = asks; a; a = a->next)
		if (a->client == client)
			a->client = NULL;
}

/* The network @name, which has NAT. Says what is wrong otherwise. */
static bool find_network(struct client *client, json_int_t id, const char *name, size_t *ret_network)
{
	const struct team *team = client->sup->team;

	for (size_t i = 0; i < team->n_networks; i++) {
		if (strcmp(team->networks[i].name, name) != 0)
			continue;
		*ret_network = i;
		if (!team->networks[i].services.nat.enabled)
			client_fail(client, id, 1, "network %s has no 'nat'", name);
		return team->networks[i].services.nat.enabled;
	}
	client_fail(client, id, 3, "no network '%s' in team %s", name, team->name);
	return false;
}

/* ---- what is open ------------------------------------------------------------------- */

/* Networks have names for people, and the uplink's numbers else. */
static void name_networks(const struct sup_uplink *u, json_t *flows)
{
	json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		json_int_t n = json_integer_value(json_object_get(flow, "network"));

		if (n >= 0 && (size_t)n < u->sup->n_uplink_rings)
			(void)json_object_set_new(flow, "network",
						  json_string(u->sup->team->networks[u->networks[n]].name));
	}
}

static void on_show(void *ctx, json_t *reply, const char *error)
{
	struct uplink_ask *ask = ctx;
	const struct sup_uplink *u = ask->uplink;
	json_t *body;

	if (ask->client && (error || !reply)) {
		client_fail(ask->client, ask->id, 1, "%s", error ? error : "no answer");
	} else if (ask->client) {
		body = json_copy(reply);
		name_networks(u, json_object_get(body, "flows"));
		(void)json_object_set_new(body, "uplink", sup_uplink_json(u->sup));
		client_ok(ask->client, ask->id, body);
	}
	ask_free(ask);
}

void sup_nat(struct client *client, json_int_t id, const char *network)
{
	struct sup_uplink *u = client->sup->uplink;
	json_t *msg = json_pack("{s:s}", "do", "show");
	struct uplink_ask *ask;
	size_t n;
	int r;

	if (!u || !u->rpc || (network && !find_network(client, id, network, &n))) {
		if (!u || !u->rpc)
			client_fail(client, id, 1, "no network of team %s has 'nat'", client->sup->team->name);
		json_decref(msg);
		return;
	}
	if (network)
		(void)json_object_set_new(msg, "network", json_integer(sup_uplink_network(client->sup, n)));
	ask = ask_new(u, client, id);
	r = rpc_call(u->rpc, msg, ANSWER_NS, on_show, ask);
	if (r == 0)
		return;
	ask_free(ask);
	client_fail(client, id, 1, r == -EPIPE ? "the uplink is being started anew" : "the uplink cannot be asked");
}

/* ---- forwards ----------------------------------------------------------------------- */

static json_t *forward_json(const struct supervisor *sup, const struct forward *f)
{
	CLEANUP(free) char *to = forward_target_str(sup->team, &f->of);
	char on[IP_STR_SIZE];

	return json_pack("{s:s,s:s,s:s,s:i,s:s}", "network", sup->team->networks[f->network].name, "protocol",
			 f->of.is_udp ? "udp" : "tcp", "on", ip_str_bare(&f->of.on, on), "port", (int)f->of.port, "to",
			 to);
}

static void list_forwards(struct client *client, json_int_t id, const char *network)
{
	const struct sup_uplink *u = client->sup->uplink;
	json_t *list;
	size_t n = 0;

	if (network && !find_network(client, id, network, &n))
		return;
	list = json_array();
	for (size_t i = 0; u && i < u->forwards.n; i++)
		if (!network || u->forwards.list[i].network == n)
			(void)json_array_append_new(list, forward_json(client->sup, &u->forwards.list[i]));
	client_ok(client, id, json_pack("{s:o}", "forwards", list));
}

static void tell(struct supervisor *sup, const char *op, const struct forward *f)
{
	json_t *event = forward_json(sup, f);

	(void)json_object_set_new(event, "event", json_string("forward"));
	(void)json_object_set_new(event, "op", json_string(op));
	events_emit(&sup->events, event);
}

/* A refusal takes the forward back. Where none answers there is no uplink, and its next start takes it. */
static void on_added(void *ctx, json_t *reply, const char *error)
{
	struct uplink_ask *ask = ctx;
	struct sup_uplink *u = ask->uplink;
	struct forward *f = forward_by_id(&u->forwards, ask->forward);
	bool is_refused = error && u->control;

	(void)reply;
	if (f && is_refused)
		forward_close(&u->forwards, f);
	else if (f)
		tell(u->sup, "add", f);
	if (ask->client && is_refused)
		client_fail(ask->client, ask->id, 1, "%s", error);
	else if (ask->client)
		client_ok(ask->client, ask->id, NULL);
	ask_free(ask);
}

static json_t *add_message(const struct supervisor *sup, const struct forward *f)
{
	json_t *msg = json_pack("{s:s,s:I,s:i,s:s,s:i}", "do", "forward-add", "forward", (json_int_t)f->id, "network",
				sup_uplink_network(sup, f->network), "proto", f->of.is_udp ? "udp" : "tcp", "port",
				(int)f->of.to_port);
	char text[IP_STR_SIZE], mac[MAC_STR_SIZE];

	if (f->of.address.family != IP_NONE)
		(void)json_object_set_new(msg, "to", json_string(ip_str_bare(&f->of.address, text)));
	else
		(void)json_object_set_new(
			msg, "mac", json_string(mac_str(&sup->team->vms[f->of.vm].nics[f->of.nic].mac, mac)));
	return msg;
}

static void add_forward(struct client *client, json_int_t id, size_t network, const char *text)
{
	struct sup_uplink *u = client->sup->uplink;
	CLEANUP(free) char *why = NULL;
	struct team_forward of = { 0 };
	struct uplink_ask *ask;
	struct forward *f;
	bool lacks = false;

	if (forward_parse(client->sup->team, network, text, &of, &why) < 0) {
		client_fail(client, id, 2, "%s", why);
		return;
	}
	if (forward_open(&u->forwards, network, &of, &f, &lacks, &why) < 0) {
		client_fail(client, id, lacks ? HOST_LACK_STATUS : 1, "%s", why);
		return;
	}
	ask = ask_new(u, client, id);
	ask->forward = f->id;
	if (rpc_call_fds(u->rpc, add_message(client->sup, f), &f->fd, 1, ANSWER_NS, on_added, ask) < 0)
		on_added(ask, NULL, NULL);
}

static void on_removed(void *ctx, json_t *reply, const char *error)
{
	struct uplink_ask *ask = ctx;

	(void)reply;
	(void)error; /* it is in no list any more, so the next start does not get it */
	if (ask->client)
		client_ok(ask->client, ask->id, NULL);
	ask_free(ask);
}

static void remove_forward(struct client *client, json_int_t id, size_t network, const char *text)
{
	struct sup_uplink *u = client->sup->uplink;
	CLEANUP(free) char *why = NULL;
	struct team_forward port = { 0 };
	struct uplink_ask *ask;
	struct forward *f;
	json_t *msg;

	if (forward_parse_port(text, &port, &why) < 0) {
		client_fail(client, id, 2, "%s", why);
		return;
	}
	f = forward_find(&u->forwards, network, &port);
	if (!f) {
		CLEANUP(free) char *name = forward_port_str(&port);

		client_fail(client, id, 1, "%s is not forwarded to network %s", name,
			    client->sup->team->networks[network].name);
		return;
	}
	msg = json_pack("{s:s,s:I}", "do", "forward-remove", "forward", (json_int_t)f->id);
	tell(client->sup, "remove", f);
	forward_close(&u->forwards, f);
	ask = ask_new(u, client, id);
	if (rpc_call(u->rpc, msg, ANSWER_NS, on_removed, ask) < 0)
		on_removed(ask, NULL, NULL);
}

void sup_forward(struct client *client, json_int_t id, const char *op, const char *network, const char *text)
{
	bool is_add = strcmp(op, "add") == 0;
	size_t n;

	if (strcmp(op, "list") == 0) {
		list_forwards(client, id, network);
		return;
	}
	if ((!is_add && strcmp(op, "remove") != 0) || !network || !text) {
		client_fail(client, id, 2, "forward: add and remove need a network and a port; list needs none");
		return;
	}
	if (!find_network(client, id, network, &n))
		return;
	if (!client->sup->uplink || !client->sup->uplink->rpc)
		client_fail(client, id, 1, "team %s has no uplink yet", client->sup->team->name);
	else if (is_add)
		add_forward(client, id, n, text);
	else
		remove_forward(client, id, n, text);
}
