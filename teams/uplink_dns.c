/* teams/uplink_dns.c: the sockets of queries that are forwarded.
 *
 * The machine of dns/forward.h says which bytes go to which resolver, and may not be called from its own requests. So
 * what fails at once is noted and told in the next run().
 *
 * A socket is read until it is empty. What is read may close it, or give its place to another one: both are looked
 * for after each message.
 *
 * Used by: the uplink.   Depends on: nat/host.h, dns/{dns,dns_stream,dns_resolvers,forward}.h.
 * Sources: RFC 1035 §4.2, RFC 5452, RFC 7766. */
#include "teams/uplink_dns.h"

#include "core/prng.h"
#include "core/wire.h"
#include "dns/dns_resolvers.h"
#include "dns/dns_stream.h"
#include "nat/host.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	PORT = 53,
	SHARE_MIN = 16, /* sockets of one network */
	FILES_PART = 4, /* of the process's descriptors DNS has one in so many at most */
	READS_MAX = 64, /* datagrams of one event: who sends more waits for the next one */
	TCP_OUT_MAX = DNS_STREAM_PREFIX + FORWARD_QUERY_MAX,
};

/* A try. */
struct dns_socket {
	struct dns_network *network;
	struct host_sock *sock; /* NULL: it could not be opened */
	uint32_t slot;
	unsigned resolver;
	enum dns_transport transport;
	bool has_failed; /* to be told in run() */
	/* TCP */
	struct dns_stream in;
	uint8_t out[TCP_OUT_MAX];
	size_t out_len, out_at;
};

struct dns_network {
	struct uplink_dns *dns;
	const struct uplink_dns_network *cfg; /* borrowed */
	uint16_t number;
	struct forward *forward; /* NULL before the first query */
	struct dns_socket *sockets[FORWARD_SLOT_COUNT]; /* by forward_place() */
	uint32_t n_sockets;
	uint32_t n_failed; /* with has_failed */
};

struct uplink_dns {
	const struct part_access *access; /* borrowed */
	struct dns_network **networks; /* NULL before their first query */
	const struct uplink_dns_network *cfg; /* borrowed */
	uint16_t n_networks;
	uint32_t share; /* sockets of one network */
	struct prng rng;
	nsec_t now;
	uint64_t queries, answers, lost, no_socket, malformed;
	uint8_t buf[DNS_MSG_MAX];
};

/* ---- sockets -------------------------------------------------------------------------------- */

static struct host_way way_to(const struct dns_socket *s)
{
	const struct uplink_dns_network *cfg = s->network->cfg;
	const struct forward_resolver *r = &cfg->resolvers[s->resolver];

	return (struct host_way){ .addr = r->ip, .port = r->port, .scope = cfg->scopes[s->resolver] };
}

static void note_failed(struct dns_socket *s)
{
	if (!s->has_failed)
		s->network->n_failed++;
	s->has_failed = true;
}

/* Forgets the socket at @place; the machine knows. */
static void drop(struct dns_network *n, uint32_t place)
{
	struct dns_socket *s = n->sockets[place];

	n->sockets[place] = NULL;
	n->n_sockets--;
	if (s->has_failed)
		n->n_failed--;
	s->sock = host_close(s->sock);
	dns_stream_done(&s->in);
	free(s);
}

/* Tells the machine that the socket at @place brings no answer any more. */
static void fail(struct dns_network *n, uint32_t place, nsec_t now)
{
	uint32_t slot = n->sockets[place]->slot;

	n->dns->now = now;
	drop(n, place);
	forward_failed(n->forward, slot, now);
}

/* Hands what came to the machine. Returns false when the socket is gone since. */
static bool take_answer(struct dns_network *n, uint32_t place, const uint8_t *msg, size_t len, nsec_t now)
{
	const struct dns_socket *s = n->sockets[place];
	uint32_t slot = s->slot;

	n->dns->now = now;
	forward_answer(n->forward, slot, &n->cfg->resolvers[s->resolver], msg, len, now);
	return n->sockets[place] && n->sockets[place]->slot == slot;
}

/* An error tells that what was sent was refused, or found no way. */
static void on_udp(void *ctx, unsigned events, nsec_t now)
{
	struct dns_socket *s = ctx;
	struct dns_network *n = s->network;
	uint32_t place = forward_place(s->slot);
	struct host_way from;

	if (events & HOST_ERROR) {
		fail(n, place, now);
		return;
	}
	for (unsigned i = 0; i < READS_MAX; i++) {
		ssize_t len = host_recv(s->sock, n->dns->buf, sizeof n->dns->buf, &from);

		if (len == -EAGAIN)
			return;
		if (len < 0) {
			fail(n, place, now);
			return;
		}
		if (!take_answer(n, place, n->dns->buf, (size_t)len, now))
			return;
	}
	/* Whoever sends as much here is no resolver; and edges come no more for what waits. */
	fail(n, place, now);
}

/* Sends what is left of the query. Returns false when the connection failed. */
static bool push(struct dns_socket *s)
{
	ssize_t done;

	if (s->out_at == s->out_len)
		return true;
	done = host_write(s->sock, s->out + s->out_at, s->out_len - s->out_at, false);
	if (done < 0)
		return false;
	s->out_at += (size_t)done;
	return true;
}

/* Takes bytes of an answer. Returns false when the socket is gone since. */
static bool take_bytes(struct dns_network *n, uint32_t place, size_t len, nsec_t now)
{
	struct dns_socket *s = n->sockets[place];
	size_t at = 0, used, msg_len;
	const uint8_t *msg;

	while (at < len) {
		switch (dns_stream_take(&s->in, n->dns->buf + at, len - at, &used, &msg, &msg_len)) {
		case DNS_STREAM_MORE:
			return true;
		case DNS_STREAM_BAD:
			fail(n, place, now);
			return false;
		case DNS_STREAM_MESSAGE:
			if (!take_answer(n, place, msg, msg_len, now))
				return false;
		}
		at += used;
	}
	return true;
}

/* Reads once what is there. Returns 1; 0 when there is no more now; -1 when the socket is gone or was failed. */
static int read_tcp(struct dns_network *n, uint32_t place, nsec_t now)
{
	struct dns_socket *s = n->sockets[place];
	size_t len = host_unread(s->sock);

	len = len < sizeof n->dns->buf ? len : sizeof n->dns->buf;
	if (!len)
		return 0;
	if (host_peek(s->sock, 0, n->dns->buf, len) < 0) {
		fail(n, place, now);
		return -1;
	}
	host_consume(s->sock, len);
	return take_bytes(n, place, len, now) ? 1 : -1;
}

static void on_tcp(void *ctx, unsigned events, nsec_t now)
{
	struct dns_socket *s = ctx;
	struct dns_network *n = s->network;
	uint32_t place = forward_place(s->slot);
	int r = 1;

	if (events & HOST_ERROR || !push(s)) {
		fail(n, place, now);
		return;
	}
	for (unsigned i = 0; i < READS_MAX && r > 0; i++)
		r = read_tcp(n, place, now);
	/* More than an answer's length came, or the other side has ended without one. */
	if (r > 0 || (r == 0 && events & HOST_END))
		fail(n, place, now);
}

static int open_udp(struct dns_socket *s, const struct forward_send *f)
{
	struct uplink_dns *d = s->network->dns;
	struct host_way to = way_to(s);
	int r = host_udp_open(d->access->host, to.addr.family, f->port, on_udp, s, &s->sock);

	if (r == 0)
		r = host_udp_connect(s->sock, &to);
	return r == 0 ? host_send(s->sock, &to, f->msg, f->len) : r;
}

static int open_tcp(struct dns_socket *s, const struct forward_send *f)
{
	struct host_way to = way_to(s);

	if (f->len > FORWARD_QUERY_MAX)
		return -EMSGSIZE;
	store_be16(s->out, (uint16_t)f->len);
	memcpy(s->out + DNS_STREAM_PREFIX, f->msg, f->len);
	s->out_len = DNS_STREAM_PREFIX + f->len;
	return host_connect(s->network->dns->access->host, &to, on_tcp, s, &s->sock);
}

/* ---- what the machine wants ------------------------------------------------------------------- */

static void send_query(void *arg, const struct forward_send *f)
{
	struct dns_network *n = arg;
	struct dns_socket *s = calloc(1, sizeof *s);
	int r = -EMFILE;

	/* Without memory for a socket its try times out. */
	if (!s)
		return;
	*s = (struct dns_socket){ .network = n, .slot = f->slot, .resolver = f->resolver, .transport = f->transport };
	dns_stream_init(&s->in, DNS_MSG_MAX);
	n->sockets[forward_place(f->slot)] = s;
	n->n_sockets++;
	if (n->n_sockets <= n->dns->share)
		r = f->transport == DNS_OVER_TCP ? open_tcp(s, f) : open_udp(s, f);
	if (r == 0)
		return;
	if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM)
		n->dns->no_socket++;
	note_failed(s);
}

static void close_slot(void *arg, uint32_t slot)
{
	struct dns_network *n = arg;

	if (n->sockets[forward_place(slot)])
		drop(n, forward_place(slot));
}

static void answer(void *arg, const struct forward_client *client, const uint8_t *msg, size_t len)
{
	struct dns_network *n = arg;
	struct uplink_dns *d = n->dns;
	const struct message m = { .type = MESSAGE_ANSWER,
				   .source = client->source,
				   .token = client->token,
				   .transport = client->transport == DNS_OVER_TCP,
				   .dns = msg,
				   .dns_len = len };

	if (d->access->answer(d->access->ctx, n->number, &m, d->now))
		d->answers++;
	else
		d->lost++;
}

static const struct forward_ops ops = { .send = send_query, .close = close_slot, .answer = answer };

/* ---- the part --------------------------------------------------------------------------------------- */

static struct dns_network *network_free(struct dns_network *n)
{
	if (!n)
		return NULL;
	for (uint32_t i = 0; i < FORWARD_SLOT_COUNT; i++)
		if (n->sockets[i])
			drop(n, i);
	n->forward = forward_free(n->forward);
	free(n);
	return NULL;
}

/* The network's queries; NULL: no memory. */
static struct dns_network *network_of(struct uplink_dns *d, uint16_t number)
{
	const struct uplink_dns_network *cfg = &d->cfg[number];
	struct dns_network *n = d->networks[number];

	if (n)
		return n;
	n = calloc(1, sizeof *n);
	if (!n)
		return NULL;
	*n = (struct dns_network){ .dns = d, .cfg = cfg, .number = number };
	if (forward_new(prng_u64(&d->rng), &ops, n, &n->forward) < 0)
		return network_free(n);
	if (cfg->forwards)
		forward_set_resolvers(n->forward, cfg->resolvers, cfg->n_resolvers, d->now);
	d->networks[number] = n;
	return n;
}

static void query(void *part, uint16_t network, const struct message *m, nsec_t now)
{
	struct uplink_dns *d = part;
	const struct forward_client client = { .source = m->source,
					       .token = m->token,
					       .transport = m->transport ? DNS_OVER_TCP : DNS_OVER_UDP };
	struct dns_network *n;

	d->now = now;
	d->queries++;
	n = network < d->n_networks ? network_of(d, network) : NULL;
	if (!n)
		d->lost++;
	else if (forward_query(n->forward, &client, m->dns, m->dns_len, now) == FORWARD_MALFORMED)
		d->malformed++;
}

static nsec_t next(const void *part)
{
	const struct uplink_dns *d = part;
	nsec_t first = NSEC_NEVER;

	for (uint16_t i = 0; i < d->n_networks; i++) {
		const struct dns_network *n = d->networks[i];
		nsec_t at = !n ? NSEC_NEVER : n->n_failed ? 0 : forward_next(n->forward);

		if (at < first)
			first = at;
	}
	return first;
}

/* A failure may open the next socket, which may fail at once, too: that one is told the next time. */
static void tell_failures(struct dns_network *n, nsec_t now)
{
	uint32_t todo = n->n_failed;

	for (uint32_t i = 0; i < FORWARD_SLOT_COUNT && todo; i++)
		if (n->sockets[i] && n->sockets[i]->has_failed) {
			todo--;
			fail(n, i, now);
		}
}

static void run(void *part, nsec_t now)
{
	struct uplink_dns *d = part;

	d->now = now;
	for (uint16_t i = 0; i < d->n_networks; i++) {
		struct dns_network *n = d->networks[i];

		if (!n)
			continue;
		tell_failures(n, now);
		if (forward_next(n->forward) <= now)
			forward_step(n->forward, now);
	}
}

static json_t *counters(const void *part)
{
	const struct uplink_dns *d = part;
	struct forward_counters sum = { 0 };
	uint64_t waiting = 0, sockets = 0;

	for (uint16_t i = 0; i < d->n_networks; i++) {
		const struct forward_counters *c = d->networks[i] ? forward_counters(d->networks[i]->forward) : NULL;

		if (!c)
			continue;
		sum.failed += c->failed;
		sum.merged += c->merged;
		sum.limited += c->limited;
		sum.evicted += c->evicted;
		sum.sent += c->sent;
		sum.sent_tcp += c->sent_tcp;
		sum.mismatched += c->mismatched;
		sum.bad_answers += c->bad_answers;
		waiting += forward_waiting(d->networks[i]->forward);
		sockets += d->networks[i]->n_sockets;
	}
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "queries",
			 (json_int_t)d->queries, "answers", (json_int_t)d->answers, "failed", (json_int_t)sum.failed,
			 "merged", (json_int_t)sum.merged, "limited", (json_int_t)sum.limited, "evicted",
			 (json_int_t)sum.evicted, "malformed", (json_int_t)d->malformed, "sent", (json_int_t)sum.sent,
			 "sent-tcp", (json_int_t)sum.sent_tcp, "mismatched", (json_int_t)sum.mismatched, "bad-answers",
			 (json_int_t)sum.bad_answers, "lost", (json_int_t)d->lost, "no-socket",
			 (json_int_t)d->no_socket, "waiting", (json_int_t)waiting, "sockets", (json_int_t)sockets);
}

static void close_part(void *part)
{
	struct uplink_dns *d = part;

	for (uint16_t i = 0; i < d->n_networks; i++)
		(void)network_free(d->networks[i]);
	free(d->networks);
	free(d);
}

/* How many sockets each of @n networks may have. */
static uint32_t share_of(size_t n)
{
	struct rlimit files = { .rlim_cur = FORWARD_SLOT_COUNT };
	uint64_t all = FORWARD_SLOT_COUNT, share;

	/* The cell may lower this limit later; what then fails counts as any socket that cannot be had. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / FILES_PART < all)
		all = files.rlim_cur / FILES_PART;
	share = n ? all / n : all;
	return share > SHARE_MIN ? (uint32_t)share : SHARE_MIN;
}

static int open_part(const void *arg, const struct part_access *access, void **ret_part)
{
	const struct uplink_dns_config *cfg = arg;
	struct uplink_dns *d;
	size_t n_forwarding = 0;

	if (cfg->n_networks != access->n_networks)
		return -EINVAL;
	d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->access = access;
	d->cfg = cfg->networks;
	d->n_networks = (uint16_t)cfg->n_networks;
	d->networks = calloc(cfg->n_networks + 1, sizeof(struct dns_network *));
	if (!d->networks) {
		free(d);
		return -ENOMEM;
	}
	for (size_t i = 0; i < cfg->n_networks; i++)
		n_forwarding += cfg->networks[i].forwards;
	d->share = share_of(n_forwarding);
	prng_init(&d->rng, access->seed, "uplink/dns");
	*ret_part = d;
	return 0;
}

const struct part_ops uplink_dns_part = { .name = "dns",
					  .open = open_part,
					  .query = query,
					  .next = next,
					  .run = run,
					  .counters = counters,
					  .close = close_part };

/* ---- whom to ask -------------------------------------------------------------------------------------- */

static void add(struct uplink_dns_network *n, const struct ip_addr *ip, uint32_t scope)
{
	if (n->n_resolvers == FORWARD_RESOLVER_COUNT)
		return;
	n->resolvers[n->n_resolvers] = (struct forward_resolver){ .ip = *ip, .port = PORT };
	n->scopes[n->n_resolvers++] = scope;
}

void uplink_dns_use_host(struct uplink_dns_network *n, const char *text)
{
	struct dns_resolvers all;

	dns_resolvers_parse(text, &all);
	n->n_resolvers = 0;
	for (size_t i = 0; i < all.n; i++) {
		const char *scope = all.r[i].scope;
		char *end = NULL;
		unsigned long number = strtoul(scope, &end, 10);

		add(n, &all.r[i].ip, !scope[0] ? 0 : *end ? if_nametoindex(scope) : (uint32_t)number);
	}
}

void uplink_dns_use(struct uplink_dns_network *n, const struct ip_addr *resolvers, size_t n_resolvers)
{
	n->n_resolvers = 0;
	for (size_t i = 0; i < n_resolvers; i++)
		add(n, &resolvers[i], 0);
}
