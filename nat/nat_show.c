/* nat/nat_show.c: what the NAT tells of itself: flows, forwards, counters.
 *
 * Used by: nat/uplink.c. */
#include "nat/nat_private.h"

#include <string.h>

enum { SHOW_MAX = 4096 }; /* flows in one answer */

static const char *const kinds[] = { "udp", "icmp", "tcp" };
_Static_assert(sizeof kinds / sizeof *kinds == FLOW_KIND_COUNT, "one name a kind");

struct show_ctx {
	json_t *list;
	int network;
	nsec_t now;
	uint32_t n_left_out;
	bool no_memory; /* the answer would lack something */
};

static bool show_flow(void *ctx, struct flow *f)
{
	struct show_ctx *c = ctx;
	struct ip_addr guest = flow_key_guest(&f->key), remote = flow_key_remote(&f->key);
	char guest_str[IP_STR_SIZE], remote_str[IP_STR_SIZE];
	const struct nat_tcp *t = f->key.kind == FLOW_TCP ? (struct nat_tcp *)f : NULL;
	const struct nat_datagrams *d = t ? NULL : (struct nat_datagrams *)f;
	bool has_remote = t || d->forward;
	json_t *j;

	if (c->network >= 0 && f->key.network != c->network)
		return true;
	if (json_array_size(c->list) >= SHOW_MAX) {
		c->n_left_out++;
		return true;
	}
	j = json_pack("{s:s,s:i,s:s,s:i,s:I,s:I,s:I,s:I,s:b}", "proto", kinds[f->key.kind], "network",
		      (int)f->key.network, "guest", ip_str_bare(&guest, guest_str), "guest-port",
		      (int)f->key.guest_port, "age-ns", (json_int_t)(c->now - f->opened_at), "idle-ns",
		      (json_int_t)(c->now - f->used_at), "out", (json_int_t)(t ? t->n_out : d->n_out), "in",
		      (json_int_t)(t ? t->n_in : d->n_in), "forward", (int)(t ? t->is_forward : d->forward != NULL));
	/* Each of these takes NULL for one that could not be made, and says so. */
	if (has_remote && (json_object_set_new(j, "remote", json_string(ip_str_bare(&remote, remote_str))) < 0 ||
			   json_object_set_new(j, "remote-port", json_integer(f->key.remote_port)) < 0))
		c->no_memory = true;
	if (t && json_object_set_new(j, "state", json_string(tcp_state_str(t->conn.state))) < 0)
		c->no_memory = true;
	if (json_array_append_new(c->list, j) < 0)
		c->no_memory = true;
	return !c->no_memory;
}

/* Returns false when memory is out. */
static bool add(json_t *j, const char *name, uint64_t value)
{
	return json_object_set_new(j, name, json_integer((json_int_t)value)) == 0;
}

static json_t *counters(const struct nat *n)
{
	const struct nat_counters *k = &n->count;
	const struct flow_counters *f = flow_counters(n->flows);
	const struct frag_counters *g = frag_counters(n->frag);
	json_t *j = json_object();
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "frames", k->frames },
		{ "malformed", k->malformed + k->bad_offload },
		{ "bad-checksums", k->bad_checksums },
		{ "other-protocols", k->other_protocols },
		{ "refused-no-host", k->refused[REACH_NO_HOST] },
		{ "refused-own", k->refused[REACH_OWN] },
		{ "refused-policy", k->refused[REACH_POLICY] },
		{ "icmp-told", k->icmp_told },
		{ "icmp-limited", k->icmp_limited },
		{ "udp-out", k->udp_out },
		{ "udp-in", k->udp_in },
		{ "udp-filtered", k->udp_filtered },
		{ "udp-failed", k->udp_failed },
		{ "echo-out", k->echo_out },
		{ "echo-in", k->echo_in },
		{ "echo-filtered", k->echo_filtered },
		{ "echo-forbidden", k->echo_forbidden },
		{ "tcp-opened", k->tcp_opened },
		{ "tcp-accepted", k->tcp_accepted },
		{ "tcp-refused", k->tcp_refused },
		{ "tcp-unreachable", k->tcp_unreachable },
		{ "tcp-unknown", k->tcp_unknown },
		{ "tcp-retransmits", n->tcp.count.n_retransmits },
		{ "forward-no-address", k->forward_no_address },
		{ "no-room", k->no_room },
		{ "no-socket", k->no_socket },
		{ "no-memory", k->no_memory + f->no_memory + g->no_memory },
		{ "flows-opened", f->opened },
		{ "flows-closed", f->closed },
		{ "flows-idle", f->ended[FLOW_END_IDLE] },
		{ "flows-evicted-source", f->ended[FLOW_END_SOURCE_FULL] },
		{ "flows-evicted-network", f->ended[FLOW_END_NETWORK_FULL] },
		{ "flows-evicted-table", f->ended[FLOW_END_TABLE_FULL] },
		{ "fragments", g->pieces },
		{ "fragments-whole", g->whole },
		{ "fragments-overlaps", g->overlaps },
		{ "fragments-timed-out", g->timed_out },
		{ "fragments-dropped", g->misfits + g->too_many + g->evicted },
		{ "messages", k->messages },
		{ "bad-messages", k->bad_messages },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (add(j, rows[i].name, rows[i].value))
			continue;
		json_decref(j);
		return NULL;
	}
	return j;
}

json_t *nat_show(struct nat *n, int network, nsec_t now)
{
	struct show_ctx c = { .list = json_array(), .network = network, .now = now };
	json_t *all = json_object();

	flow_each(n->flows, show_flow, &c);
	if (!c.no_memory && add(all, "sockets", host_sockets(n->host)) && add(all, "n-flows", flow_count(n->flows)) &&
	    add(all, "n-forwards", n->n_forwards) && add(all, "left-out", c.n_left_out) &&
	    json_object_set_new(all, "counters", counters(n)) == 0 && json_object_set(all, "flows", c.list) == 0) {
		json_decref(c.list);
		return all;
	}
	json_decref(c.list);
	json_decref(all);
	return NULL;
}
