/* nat/nat_forward.c: forwards, and the leases that say where they lead.
 *
 * Used by: nat/nat_in.c, nat/nat_udp.c, nat/nat_tcp.c. */
#include "nat/nat_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- leases ------------------------------------------------------------------------ */

static struct nat_lease *find(const struct nat *n, uint16_t network, const struct mac_addr *mac, enum ip_family family)
{
	for (uint32_t i = 0; i < n->n_leases; i++) {
		struct nat_lease *l = &n->leases[i];

		if (l->network == network && l->ip.family == family && mac_equal(&l->mac, mac))
			return l;
	}
	return NULL;
}

void nat_lease_set(struct nat *n, uint16_t network, const struct mac_addr *mac, const struct ip_addr *ip, bool is_known)
{
	struct nat_lease *l = find(n, network, mac, ip->family);

	if (!is_known) {
		if (l && ip_equal(&l->ip, ip))
			*l = n->leases[--n->n_leases];
		return;
	}
	if (!l && !n->leases && !(n->leases = calloc(NAT_LEASES_MAX, sizeof *n->leases))) {
		n->count.no_memory++;
		return;
	}
	if (!l && n->n_leases < NAT_LEASES_MAX)
		l = &n->leases[n->n_leases++];
	else if (!l)
		l = &n->leases[n->next_lease++ % NAT_LEASES_MAX];
	*l = (struct nat_lease){ .mac = *mac, .ip = *ip, .network = network };
}

/* ---- forwards ----------------------------------------------------------------------- */

int nat_forward_target(const struct nat *n, const struct nat_forward *f, enum ip_family family, struct ip_addr *ret_ip)
{
	const struct nat_lease *l;

	if (f->cfg.to.family) {
		if (f->cfg.to.family != family)
			return -ENOENT;
		*ret_ip = f->cfg.to;
		return 0;
	}
	l = find(n, f->cfg.network, &f->cfg.mac, family);
	if (!l)
		return -ENOENT;
	*ret_ip = l->ip;
	return 0;
}

int nat_forward_view(const struct reach *r, const struct ip_addr *client, struct ip_addr *ret_view)
{
	static const uint8_t loopback6[16] = { [15] = 1 };
	bool is6 = client->family == IP_V6;
	bool is_local = is6 ? !memcmp(client->b, loopback6, 16) : client->b[0] == 127;
	const struct ip_addr *service = is6 ? &r->service6 : &r->service4;

	if (!is_local) {
		*ret_view = *client;
		return 0;
	}
	if (service->family != client->family)
		return -ENOENT;
	*ret_view = *service;
	return 0;
}

int nat_forward_add(struct nat *n, const struct nat_forward_config *cfg)
{
	struct nat_forward *f;
	int r;

	if (cfg->network >= n->cfg.n_networks || !cfg->port || cfg->fd < 0 ||
	    (cfg->proto != PROTO_TCP && cfg->proto != PROTO_UDP))
		return -EINVAL;
	for (f = n->forwards; f; f = f->next)
		if (f->cfg.id == cfg->id)
			return -EEXIST;
	if (n->n_forwards >= NAT_FORWARDS_MAX)
		return -ENOSPC;
	f = calloc(1, sizeof *f);
	if (!f)
		return -ENOMEM;
	f->cfg = *cfg;
	f->nat = n;
	r = host_adopt(n->host, cfg->fd, cfg->proto == PROTO_TCP ? nat_tcp_forward : nat_udp_forward, f, &f->sock);
	if (r < 0) {
		free(f);
		return r;
	}
	f->next = n->forwards;
	n->forwards = f;
	n->n_forwards++;
	return 0;
}

static void end(struct nat *n, struct nat_forward *f)
{
	struct nat_forward **at = &n->forwards;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	n->n_forwards--;
	f->sock = host_close(f->sock);
	free(f);
}

struct find_ctx {
	struct nat *n;
	struct nat_forward *f;
};

static bool end_flow(void *ctx, struct flow *flow)
{
	struct find_ctx *c = ctx;
	struct nat_datagrams *d = (struct nat_datagrams *)flow;

	if (flow->key.kind == FLOW_UDP && d->forward == c->f)
		nat_datagrams_end(c->n, d);
	return true;
}

/* A UDP flow answers through the forward's socket, so it ends with it. TCP connections have sockets of their own. */
int nat_forward_remove(struct nat *n, uint32_t id)
{
	struct nat_forward *f = n->forwards;
	struct find_ctx c = { .n = n };

	while (f && f->cfg.id != id)
		f = f->next;
	if (!f)
		return -ENOENT;
	c.f = f;
	if (f->n_flows)
		flow_each(n->flows, end_flow, &c);
	end(n, f);
	return 0;
}

void nat_forward_put(struct nat *n, struct nat_forward *f)
{
	(void)n;
	f->n_flows--;
}

void nat_forwards_free(struct nat *n)
{
	while (n->forwards)
		end(n, n->forwards);
}
