/* topologies/forward.c: one port of the host that leads into a network, as text.
 *
 * Used by: teams/forwards.c, show_services.c, check_services.c.   Depends on: values.h, ranges.h. */
#include "topologies/forward.h"

#include "core/bytes.h"
#include "topologies/ranges.h"
#include "topologies/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct ip_addr default_on = { .family = IP_V4, .prefix_len = 32, .b = { 127, 0, 0, 1 } };

bool forwards_clash(const struct team_forward *a, const struct team_forward *b)
{
	return a->is_udp == b->is_udp && a->port == b->port && a->on.family == b->on.family &&
	       (ip_equal(&a->on, &b->on) || ip_is_unspecified(&a->on) || ip_is_unspecified(&b->on));
}

bool forward_is_on_host(const struct ip_addr *ip)
{
	return ip->family == IP_V4 ? ip->b[0] < 224 : ip->b[0] != 0xff;
}

/* "8080", "127.0.0.1:8080", "[::1]:8080". */
static int parse_on(const char *text, struct team_forward *f, char **ret_why)
{
	CLEANUP(free) char *host = NULL;

	if (!strchr(text, ':'))
		return value_port(text, &f->port, ret_why) ? -EINVAL : 0;
	if (value_endpoint(text, &host, &f->port, ret_why) || value_host(host, &f->on, ret_why))
		return -EINVAL;
	if (forward_is_on_host(&f->on))
		return 0;
	*ret_why = str_printf("'%s' is not an address of the host", host);
	return -EINVAL;
}

int forward_parse_port(const char *text, struct team_forward *ret, char **ret_why)
{
	struct team_forward f = *ret;

	f.on = default_on;
	f.is_udp = strncmp(text, "udp:", 4) == 0;
	if (!f.is_udp && strncmp(text, "tcp:", 4) != 0) {
		*ret_why = str_printf("'%s': a port is written tcp:8080 or udp:53", text);
		return -EINVAL;
	}
	if (parse_on(text + 4, &f, ret_why) < 0)
		return -EINVAL;
	*ret = f;
	return 0;
}

static int find_nic(const struct team *t, size_t network, const char *name, struct team_forward *f, char **ret_why)
{
	size_t len = strcspn(name, ".");

	for (size_t v = 0; v < t->n_vms; v++) {
		const struct team_vm *vm = &t->vms[v];

		if (strlen(vm->name) != len || strncmp(vm->name, name, len) != 0)
			continue;
		for (size_t i = 0; i < vm->n_nics; i++) {
			CLEANUP(free) char *number = str_printf("%zu", i);

			if (vm->nics[i].network != network || (name[len] && strcmp(name + len + 1, vm->nics[i].name) &&
							       strcmp(name + len + 1, number)))
				continue;
			f->vm = v;
			f->nic = i;
			return 0;
		}
		*ret_why = str_printf(name[len] ? "'%s' is no NIC on '%s'" : "'%s' has no NIC on '%s'", name,
				      t->networks[network].name);
		return -EINVAL;
	}
	*ret_why = team_group_str(t, name);
	if (!*ret_why)
		*ret_why = str_printf("no VM '%.*s' in team %s", (int)len, name, t->name);
	return -EINVAL;
}

char *forward_address_check(const struct team_network *n, const struct ip_addr *ip)
{
	bool is6 = ip->family == IP_V6;
	const struct ip_addr *subnet = is6 ? &n->subnet6 : &n->subnet;
	const struct ip_addr *service = is6 ? &n->services.address6 : &n->services.address;
	struct team_range hosts;
	char buf[IP_STR_SIZE];

	(void)ip_str_bare(ip, buf);
	if (subnet->family == IP_NONE || !ip_in_net(ip, subnet))
		return str_printf("%s is not an address of '%s'", buf, n->name);
	hosts = range_of_hosts(subnet);
	if (!range_has(&hosts, ip))
		return str_printf("%s is not an address a host can have", buf);
	if (ip_equal(ip, service))
		return str_printf("%s is the service address of '%s', where nothing takes the connection", buf,
				  n->name);
	return NULL;
}

static int parse_target(const struct team *t, size_t network, const char *text, struct team_forward *f, char **ret_why)
{
	CLEANUP(free) char *host = NULL;

	if (value_endpoint(text, &host, &f->to_port, ret_why))
		return -EINVAL;
	if (ip_parse(host, &f->address) == 0 && !strchr(host, '/'))
		return (*ret_why = forward_address_check(&t->networks[network], &f->address)) ? -EINVAL : 0;
	f->address = (struct ip_addr){ 0 };
	return find_nic(t, network, host, f, ret_why);
}

int forward_parse(const struct team *t, size_t network, const char *text, struct team_forward *ret, char **ret_why)
{
	const char *equals = strchr(text, '=');
	CLEANUP(free) char *port = str_printf("%.*s", equals ? (int)(equals - text) : 0, text);
	struct team_forward f = { 0 };

	if (!equals) {
		*ret_why = str_printf("'%s': a forward is written tcp:8080=server:80", text);
		return -EINVAL;
	}
	if (forward_parse_port(port, &f, ret_why) < 0 || parse_target(t, network, equals + 1, &f, ret_why) < 0)
		return -EINVAL;
	if (t->root && !ip_equal(&f.on, &default_on)) {
		*ret_why = str_dup("the team's file is untrusted: it forwards from 127.0.0.1 only");
		return -EINVAL;
	}
	*ret = f;
	return 0;
}

char *forward_target_str(const struct team *t, const struct team_forward *f)
{
	char buf[IP_STR_SIZE];

	if (f->address.family != IP_NONE)
		return str_printf(f->address.family == IP_V6 ? "[%s]:%u" : "%s:%u", ip_str_bare(&f->address, buf),
				  f->to_port);
	return str_printf("%s.%s:%u", t->vms[f->vm].name, t->vms[f->vm].nics[f->nic].name, f->to_port);
}

char *forward_port_str(const struct team_forward *f)
{
	char buf[IP_STR_SIZE];

	return str_printf(f->on.family == IP_V6 ? "%s [%s]:%u" : "%s %s:%u", f->is_udp ? "udp" : "tcp",
			  ip_str_bare(&f->on, buf), f->port);
}

char *forward_port_text(const struct team_forward *f)
{
	const char *proto = f->is_udp ? "udp" : "tcp";
	char buf[IP_STR_SIZE];

	if (f->on.family == IP_V4 && ip_equal(&f->on, &default_on))
		return str_printf("%s:%u", proto, f->port);
	return str_printf(f->on.family == IP_V6 ? "%s:[%s]:%u" : "%s:%s:%u", proto, ip_str_bare(&f->on, buf), f->port);
}
