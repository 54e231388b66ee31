/* nat/uplink_verbs.c: the uplink's side of its control protocol.
 *
 * Used by: nat/uplink.c. */
#include "nat/uplink_verbs.h"

#include "core/cleanup.h"
#include "core/packet.h"

#include <errno.h>
#include <string.h>

static void do_ping(struct verb_call *call)
{
	verb_ok(call->control, call->id, NULL);
}

static void do_quit(struct verb_call *call)
{
	struct uplink_ctl *c = call->ctx;

	c->quit = true;
	verb_ok(call->control, call->id, NULL);
}

static void refuse(struct verb_call *call, const char *why)
{
	verb_fail(call->control, call->id, VERB_REFUSED, why);
}

static void do_show(struct verb_call *call)
{
	struct uplink_ctl *c = call->ctx;
	json_t *network = json_object_get(call->msg, "network");
	json_int_t i = network ? json_integer_value(network) : -1;

	json_t *all;

	if (network && (i < 0 || i >= NAT_NETWORKS_MAX)) {
		refuse(call, "no such network");
		return;
	}
	all = nat_show(c->nat, (int)i, c->now);
	(void)json_object_set_new(all, "parts", parts_counters(c->parts));
	verb_ok(call->control, call->id, all);
}

static json_int_t number(const struct verb_call *call, const char *key)
{
	return json_integer_value(json_object_get(call->msg, key));
}

/* Reads a forward, without its descriptor. Returns NULL, or what is wrong. */
static const char *get_forward(const struct verb_call *call, struct nat_forward_config *f)
{
	const char *proto = json_string_value(json_object_get(call->msg, "proto"));
	const char *to = json_string_value(json_object_get(call->msg, "to"));
	const char *mac = json_string_value(json_object_get(call->msg, "mac"));
	json_int_t id = number(call, "forward"), network = number(call, "network"), port = number(call, "port");

	if (id < 0 || id > UINT32_MAX || network < 0 || network >= NAT_NETWORKS_MAX || port < 1 || port > 65535)
		return "a number is out of its range";
	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0)
		return "proto is tcp or udp";
	if (!to == !mac || (to && ip_parse(to, &f->to) < 0) || (mac && mac_parse(mac, &f->mac) < 0))
		return "either to is an address, or mac is one of Ethernet";
	f->id = (uint32_t)id;
	f->network = (uint16_t)network;
	f->port = (uint16_t)port;
	f->proto = proto[0] == 't' ? PROTO_TCP : PROTO_UDP;
	return NULL;
}

static void do_forward_add(struct verb_call *call)
{
	struct uplink_ctl *c = call->ctx;
	struct nat_forward_config f = { 0 };
	const char *wrong = get_forward(call, &f);
	int r;

	if (!wrong && call->n_fds != 1)
		wrong = "a forward comes with its socket";
	if (wrong) {
		refuse(call, wrong);
		return;
	}
	f.fd = call->fds[0];
	r = nat_forward_add(c->nat, &f);
	if (r < 0) {
		refuse(call, r == -EEXIST ? "there is such a forward" : strerror(-r));
		return;
	}
	call->fds[0] = -1;
	verb_ok(call->control, call->id, NULL);
}

static void do_forward_remove(struct verb_call *call)
{
	struct uplink_ctl *c = call->ctx;
	json_int_t id = number(call, "forward");

	if (id < 0 || id > UINT32_MAX || nat_forward_remove(c->nat, (uint32_t)id) < 0)
		refuse(call, "no such forward");
	else
		verb_ok(call->control, call->id, NULL);
}

static const struct verb_arg common_args[] = { { "id", VERB_INTEGER, false }, { 0 } };

/* clang-format off */
static const struct verb verbs[] = {
	{ "ping", "answers", do_ping, 0, 0, { { 0 } } },
	{ "show", "flows, forwards and counters, of one network or all", do_show, 0, 0,
	  { { "network", VERB_INTEGER, false }, { 0 } } },
	{ "forward-add", "takes a listening TCP or bound UDP socket and leads it to a guest", do_forward_add, 0, 1,
	  { { "forward", VERB_INTEGER, true }, { "network", VERB_INTEGER, true }, { "proto", VERB_STRING, true },
	    { "port", VERB_INTEGER, true }, { "to", VERB_STRING, false }, { "mac", VERB_STRING, false } } },
	{ "forward-remove", "closes a forward's socket; its TCP connections go on", do_forward_remove, 0, 0,
	  { { "forward", VERB_INTEGER, true }, { 0 } } },
	{ "quit", "ends the uplink", do_quit, 0, 0, { { 0 } } },
};
/* clang-format on */

const struct verb_table uplink_verbs = { .who = "The uplink, to its supervisor",
					 .verbs = verbs,
					 .n_verbs = sizeof verbs / sizeof *verbs,
					 .common = common_args };
