/* topologies/parse_nat.c: the way out of a network, and ports of the host that lead in.
 *
 * Used by: parse_network.c.   Depends on: forward.h, keys.h, values.h. Sources: team-file(5). */
#include "topologies/forward.h"
#include "topologies/keys.h"
#include "topologies/values.h"

#include "core/bytes.h"

#include <string.h>

static struct team_nat *nat_of(void *obj)
{
	return &((struct network_ctx *)obj)->net->services.nat;
}

/* What the keys of one forward fill in. */
struct forward_ctx {
	struct team_forward *fwd;
	const char *name; /* of `to`, or NULL */
};

static void fwd_port(struct load *l, const struct node *v, bool is_udp, struct forward_ctx *c)
{
	char *why;

	c->fwd->is_udp = is_udp;
	c->fwd->place = v->place;
	if (want_text(l, v, "a port") && value_port(v->text, &c->fwd->port, &why))
		report_why(l, v, why);
}

static void fwd_tcp(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	fwd_port(l, v, false, obj);
}

static void fwd_udp(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	fwd_port(l, v, true, obj);
}

static void fwd_on(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct ip_addr ip;
	char *why;

	(void)key;
	if (!want_text(l, v, "an address"))
		return;
	if (value_host(v->text, &ip, &why)) {
		report_why(l, v, why);
		return;
	}
	if (!forward_is_on_host(&ip))
		load_error(l, &v->place, "'%s' is not an address of the host", v->text);
	else if (l->team->root && strcmp(v->text, "127.0.0.1") != 0)
		load_error(l, &v->place, "an untrusted file forwards from 127.0.0.1 only, not from %s", v->text);
	else
		((struct forward_ctx *)obj)->fwd->on = ip;
}

static void fwd_to(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct forward_ctx *c = obj;
	CLEANUP(free) char *host = NULL;
	char *why;

	(void)key;
	if (!want_text(l, v, "'to'"))
		return;
	if (value_endpoint(v->text, &host, &c->fwd->to_port, &why)) {
		report_why(l, v, why);
		return;
	}
	if (ip_parse(host, &c->fwd->address) || strchr(host, '/')) {
		c->fwd->address = (struct ip_addr){ 0 };
		c->name = arena_dup(l->arena, host, strlen(host));
	}
}

static const struct key forward_keys[] = {
	{ "tcp", fwd_tcp, 0 },
	{ "udp", fwd_udp, 0 },
	{ "to", fwd_to, KEY_REQUIRED },
	{ "on", fwd_on, 0 },
};

static void nat_forward(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct network_ctx *c = obj;
	struct team_nat *nat = nat_of(obj);

	(void)key;
	if (!want_list(l, v, "'forward'"))
		return;
	nat->forwards = arena_array(l->arena, v->n + 1, sizeof *nat->forwards);
	c->src->forwards = arena_array(l->arena, v->n + 1, sizeof *c->src->forwards);
	c->src->forward_names = arena_array(l->arena, v->n + 1, sizeof *c->src->forward_names);
	for (size_t i = 0; i < v->n; i++) {
		struct forward_ctx f = { .fwd = &nat->forwards[i] };
		const struct node *item = v->items[i];

		f.fwd->on = (struct ip_addr){ .family = IP_V4, .prefix_len = 32, .b = { 127, 0, 0, 1 } };
		c->src->forwards[i] = item;
		if (!keys_read(l, &KEY_TABLE("a forward", forward_keys), item, &f))
			continue;
		c->src->forward_names[i] = f.name;
		if (!node_get(item, "tcp") == !node_get(item, "udp"))
			load_error(l, &item->place, "a forward has either 'tcp' or 'udp'%s",
				   node_get(item, "tcp") ? ", not both" : "");
	}
	nat->n_forwards = v->n;
}

static void one_reach(struct load *l, const struct node *v, struct team_nat *nat)
{
	struct ip_addr ip = { 0 };
	char *why;

	if (!want_text(l, v, "a prefix"))
		return;
	if (value_subnet(v->text, strchr(v->text, ':') ? IP_V6 : IP_V4, &ip, &why))
		report_why(l, v, why);
	else
		nat->reach[nat->n_reach++] = ip;
}

static void nat_reach(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "all", "internet" };
	struct team_nat *nat = nat_of(obj);
	size_t i;

	(void)key;
	if (v->kind == NODE_LIST) {
		if (!v->n)
			load_error(l, &v->place, "a list of prefixes has at least one");
		nat->reach = arena_array(l->arena, v->n + 1, sizeof *nat->reach);
		for (i = 0; i < v->n; i++)
			one_reach(l, v->items[i], nat);
		return;
	}
	if (!want_word(l, v, "'reach'", words, 2, &i))
		return;
	nat->internet_only = i == 1;
	if (i == 0 && l->team->root)
		load_error(l, &v->place,
			   "'reach: all' is refused to an untrusted file, which reaches the internet only");
}

static void nat_host_loopback(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_nat *nat = nat_of(obj);

	if (want_bool(l, v, &nat->host_loopback) && nat->host_loopback)
		(void)touch_allowed(l, key, TOUCH_REACHES);
}

static const struct key nat_keys[] = {
	{ "forward", nat_forward, KEY_TOUCHES(TOUCH_LISTENS) },
	{ "reach", nat_reach, 0 },
	{ "host-loopback", nat_host_loopback, 0 },
};

void parse_nat(struct load *l, const struct node *v, struct network_ctx *c)
{
	c->src->nat = v;
	bool_or_map(l, v, &KEY_TABLE("'nat'", nat_keys), c, &nat_of(c)->enabled);
}
