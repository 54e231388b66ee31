/* nat/nat_core.c: the NAT as a whole: its parts, its timers, and what it tells of itself.
 *
 * Used by: nat/uplink.c. */
#include "nat/nat_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAG_SOURCE_BYTES = 512 << 10, FRAG_BYTES = 8 << 20 };

static void on_flow_end(void *ctx, struct flow *flow, enum flow_end why)
{
	struct nat *n = ctx;

	(void)why;
	if (flow->key.kind != FLOW_TCP) {
		nat_datagrams_end(n, (struct nat_datagrams *)flow);
		return;
	}
	/* The guest is told: its connection is no more (RFC 5382 §5 allows it for idle ones). */
	if (((struct nat_tcp *)flow)->conn.state > TCPS_CONNECTING)
		tcp_conn_abort(&((struct nat_tcp *)flow)->conn);
	((struct nat_tcp *)flow)->is_reset = true;
	nat_tcp_end((struct nat_tcp *)flow);
}

static int set_up(struct nat *n, nsec_t now)
{
	struct frag_limits frags = { FRAG_SOURCE_BYTES, FRAG_BYTES };
	int r;

	n->packet = malloc(NAT_PACKET_MAX);
	n->data = malloc(NAT_PACKET_MAX);
	n->in = frame_new(NULL, FRAME_LEN_MAX);
	if (!n->packet || !n->data || !n->in)
		return -ENOMEM;
	prng_init(&n->prng, n->cfg.seed, "nat");
	icmp_limit_init(&n->errors, prng_u64(&n->prng), now);
	tcp_common_init(&n->tcp, &nat_tcp_ops);
	r = flow_table_new(prng_u64(&n->prng), &n->cfg.limits, on_flow_end, n, &n->flows);
	if (r == 0)
		r = frag_new(&frags, &n->frag);
	return r < 0 ? r : nat_echo_open_raw(n);
}

int nat_new(const struct nat_config *cfg, struct host *host, nsec_t now, struct nat **ret_nat)
{
	struct nat *n;
	int r;

	if (cfg->n_networks > NAT_NETWORKS_MAX || !cfg->limits.total_max || !cfg->limits.source_max)
		return -EINVAL;
	for (uint16_t i = 0; i < cfg->n_networks; i++)
		if (cfg->networks[i].mtu < 576 || cfg->networks[i].mtu > 65535)
			return -EINVAL;
	n = calloc(1, sizeof *n);
	if (!n)
		return -ENOMEM;
	n->cfg = *cfg;
	n->cfg.limits.n_networks = cfg->n_networks;
	n->host = host;
	n->now = now;
	r = set_up(n, now);
	if (r < 0) {
		nat_free(n);
		return r;
	}
	*ret_nat = n;
	return 0;
}

static bool end_flow(void *ctx, struct flow *flow)
{
	on_flow_end(ctx, flow, FLOW_END_IDLE);
	return true;
}

struct nat *nat_free(struct nat *n)
{
	if (!n)
		return NULL;
	if (n->flows)
		flow_each(n->flows, end_flow, n);
	nat_forwards_free(n);
	n->flows = flow_table_free(n->flows);
	n->frag = frag_free(n->frag);
	for (unsigned i = 0; i < 2; i++) {
		n->raw[i] = host_close(n->raw[i]);
		free(n->by_outer_id[i]);
	}
	heap_done(&n->timers);
	free(n->leases);
	free(n->packet);
	free(n->data);
	frame_free(n->in);
	free(n);
	return NULL;
}

void nat_expect(struct nat *n, bool more)
{
	n->more = more;
}

void nat_flush(struct nat *n, nsec_t now)
{
	n->more = false;
	nat_tcp_flush(n, now);
}

void nat_room(struct nat *n, uint16_t network, nsec_t now)
{
	nat_tcp_room(n, network, now);
}

nsec_t nat_next(const struct nat *n)
{
	return nsec_min(heap_next(&n->timers), nsec_min(flow_next(n->flows), frag_next(n->frag)));
}

static void on_frag_timeout(void *ctx, uint16_t network, uint64_t source, const uint8_t *ip, size_t len)
{
	struct nat *n = ctx;
	struct icmp_cause c = { .type = ip[0] >> 4 == 6 ? ICMP6_TIME_EXCEEDED : ICMP4_TIME_EXCEEDED,
				.code = ICMP_CODE_REASSEMBLY };

	nat_send_error(n, network, source, &c, ip, len);
}

void nat_run(struct nat *n, nsec_t now)
{
	n->now = now;
	nat_tcp_run(n, now);
	flow_run(n->flows, now);
	frag_run(n->frag, now, on_frag_timeout, n);
}

const struct nat_counters *nat_counters(const struct nat *n)
{
	return &n->count;
}

uint32_t nat_flows(const struct nat *n)
{
	return flow_count(n->flows);
}
