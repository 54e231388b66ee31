/* teams/leases.c: what a client asks of the leases of a network: the fabric knows them.
 *
 * Used by: serve.c.   Depends on: calls.c, the fabric's "leases" (fabric/requests.h). */
#include "teams/leases.h"

#include "teams/answer.h"
#include "teams/calls.h"

#include <string.h>

/* The fabric's answer goes to the client. */
static void pass(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));

	(void)sup;
	if (!call->client)
		return;
	if (json_is_true(json_object_get(msg, "ok")))
		client_ok(call->client, call->client_id, json_incref(msg));
	else
		client_fail(call->client, call->client_id, (int)json_integer_value(json_object_get(msg, "status")), "%s",
			    error ? error : "the fabric refused");
}

void sup_leases(struct supervisor *sup, struct client *c, json_int_t id, const char *network, const char *from)
{
	size_t i = 0;
	json_t *ask;

	while (i < sup->team->n_networks && strcmp(sup->team->networks[i].name, network) != 0)
		i++;
	if (i == sup->team->n_networks) {
		client_fail(c, id, 2, "team %s has no network '%s'", sup->team->name, network);
		return;
	}
	if (!sup->team->networks[i].services.dhcp.enabled && sup->team->networks[i].services.ra != RA_STATEFUL) {
		client_fail(c, id, 2, "the network '%s' has no DHCP", network);
		return;
	}
	ask = json_pack("{s:s,s:I}", "do", "leases", "network", (json_int_t)i);
	if (from)
		(void)json_object_set_new(ask, "from", json_string(from));
	if (sup_ask_fabric(sup, ask, c, id, pass) < 0)
		client_fail(c, id, 1, "the fabric of team %s cannot be asked", sup->team->name);
}
