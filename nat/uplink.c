/* nat/uplink.c: the uplink's process: rings on one side, sockets on the other, one thread and one loop.
 *
 * While frames come, the rings are polled and sockets are looked at once a round. When a round found nothing the rings
 * are put to sleep, and the process waits in epoll for a kick, a socket, a message or the next timer. The clock is read in
 * nat/host.c and passed on.
 *
 * Used by: the supervisor, after fork.   Depends on: core/{control,loop,log,ring,sandbox,verb}.h, nat/nat.h. */
#include "nat/uplink.h"

#include "core/cleanup.h"
#include "core/control.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/proc.h"
#include "core/sandbox.h"
#include "nat/host.h"
#include "nat/uplink_verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { BATCH = 256 /* frames of a network in a round */ };

/* One network's way, as the loop knows it. */
struct way {
	struct process *process;
	const struct uplink_network *cfg;
	struct ring_pair rings;
	struct loop_source *kick;
	uint8_t *copy; /* FRAME_LEN_MAX: a record is copied before it is believed */
	bool is_dirty; /* committed, not yet published */
	bool was_full;
	bool complained;
};

struct process {
	struct uplink_ctl ctl; /* what the verbs see */
	const struct uplink_config *cfg;
	struct loop *loop;
	struct host *host;
	struct control *control;
	struct way *ways;
	struct nat_network *networks;
	uint64_t n_refused;
	int status;
};

/* ---- frames -------------------------------------------------------------------------- */

static uint8_t *reserve(void *ctx, uint16_t network, uint32_t len)
{
	struct process *p = ctx;
	struct way *w = &p->ways[network];
	uint8_t *room = ring_reserve(&w->rings.tx, len);

	if (!room)
		w->was_full = true;
	return room;
}

static void commit(void *ctx, uint16_t network, uint32_t len, const struct frame_offload *offload, nsec_t now)
{
	struct process *p = ctx;

	ring_commit(&p->ways[network].rings.tx, len, offload, now);
	p->ways[network].is_dirty = true;
}

/* ---- parts --------------------------------------------------------------------------- */

static void query(void *ctx, uint16_t network, const uint8_t *data, size_t len, nsec_t now)
{
	struct process *p = ctx;

	parts_query(p->ctl.parts, network, data, len, now);
}

static bool own(void *ctx, uint16_t network, const struct packet *packet, nsec_t now)
{
	struct process *p = ctx;

	return parts_packet(p->ctl.parts, network, packet, now);
}

static bool answer(void *ctx, uint16_t network, const struct message *m, nsec_t now)
{
	static const struct frame_offload plain;
	uint32_t size = (uint32_t)(MESSAGE_HEAD_LEN + m->dns_len);
	uint8_t *room = m->dns_len <= FRAME_LEN_MAX - MESSAGE_HEAD_LEN ? reserve(ctx, network, size) : NULL;
	uint32_t len = room ? (uint32_t)message_put(m, room, size) : 0;

	if (len)
		commit(ctx, network, len, &plain, now);
	return len > 0;
}

static bool send_ip(void *ctx, uint16_t network, const uint8_t *ip, size_t len, nsec_t now)
{
	struct process *p = ctx;

	return nat_send(p->ctl.nat, network, ip, len, now) == 0;
}

static nsec_t next_wanted(const struct process *p)
{
	nsec_t nat = nat_next(p->ctl.nat), parts = parts_next(p->ctl.parts);

	return nat < parts ? nat : parts;
}

/* ---- rounds --------------------------------------------------------------------------- */

static void publish(struct process *p)
{
	for (size_t i = 0; i < p->cfg->n_networks; i++) {
		struct way *w = &p->ways[i];

		if (w->is_dirty)
			(void)ring_publish(&w->rings.tx);
		w->is_dirty = false;
	}
}

static unsigned drain(struct process *p, uint16_t network, nsec_t now)
{
	struct way *w = &p->ways[network];
	struct ring_record rec, next;
	unsigned n = 0;

	for (; n < BATCH && ring_peek(&w->rings.rx, &rec); n++) {
		if (rec.len <= FRAME_LEN_MAX) {
			memcpy(w->copy, rec.data, rec.len);
			ring_pop(&w->rings.rx);
			nat_expect(p->ctl.nat, n + 1 < BATCH && ring_peek(&w->rings.rx, &next));
			nat_take(p->ctl.nat, network, w->copy, rec.len, &rec.offload, now);
		} else {
			ring_pop(&w->rings.rx);
		}
	}
	if (n)
		ring_release(&w->rings.rx);
	if (w->rings.rx.broken && !w->complained) {
		log_warn("the ring of network %s is broken: the fabric wrote nonsense", w->cfg->name);
		w->complained = true;
	}
	return n;
}

static void on_kick(void *ctx, int fd, uint32_t events)
{
	struct way *w = ctx;
	uint64_t n;

	(void)events;
	/* SYSCALLS(uplink): read */
	(void)!read(fd, &n, sizeof n);
	ring_wake(&w->rings.rx);
	if (!w->was_full)
		return;
	w->was_full = false;
	nat_room(w->process->ctl.nat, (uint16_t)(w - w->process->ways), host_now(w->process->host));
}

/* One round. Returns how many frames came. */
static unsigned step(struct process *p)
{
	nsec_t now = host_now(p->host);
	unsigned n = 0;

	for (size_t i = 0; i < p->cfg->n_networks; i++)
		n += drain(p, (uint16_t)i, now);
	nat_flush(p->ctl.nat, now);
	if (nat_next(p->ctl.nat) <= now)
		nat_run(p->ctl.nat, now);
	if (parts_next(p->ctl.parts) <= now)
		parts_run(p->ctl.parts, now);
	publish(p);
	return n;
}

/* Returns false when a ring has something after all. */
static bool sleep_all(struct process *p)
{
	for (size_t i = 0; i < p->cfg->n_networks; i++)
		if (!ring_sleep(&p->ways[i].rings.rx))
			return false;
	return true;
}

static void wake_all(struct process *p)
{
	for (size_t i = 0; i < p->cfg->n_networks; i++)
		ring_wake(&p->ways[i].rings.rx);
}

static void run(struct process *p)
{
	while (!p->ctl.quit) {
		bool busy = step(p) > 0 || !sleep_all(p);

		if (loop_step(p->loop, busy ? 0 : next_wanted(p)) < 0) {
			p->status = EXIT_FAILURE;
			return;
		}
		wake_all(p);
		publish(p);
	}
}

/* ---- control ---------------------------------------------------------------------------- */

static void on_control(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct process *p = ctx;
	struct verb_call call = {
		.ctx = &p->ctl, .control = c, .msg = msg, .fds = fds, .n_fds = n_fds, .n_refused = &p->n_refused
	};

	if (!msg) {
		p->ctl.quit = true;
		p->status = status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
		p->control = control_free(c);
		return;
	}
	p->ctl.now = host_now(p->host);
	(void)verb_dispatch(&uplink_verbs, &call);
}

/* ---- its life ------------------------------------------------------------------------------ */

static int set_up_ways(struct process *p)
{
	p->ways = calloc(p->cfg->n_networks + 1, sizeof *p->ways);
	p->networks = calloc(p->cfg->n_networks + 1, sizeof *p->networks);
	if (!p->ways || !p->networks)
		return -ENOMEM;
	for (size_t i = 0; i < p->cfg->n_networks; i++) {
		struct way *w = &p->ways[i];
		int r;

		w->process = p;
		w->cfg = &p->cfg->networks[i];
		p->networks[i] = w->cfg->nat;
		w->copy = malloc(FRAME_LEN_MAX);
		if (!w->copy)
			return -ENOMEM;
		r = ring_pair_attach(&w->cfg->rings, RING_MACHINE, &w->rings);
		if (r == 0)
			r = loop_add_fd(p->loop, w->cfg->rings.down_kick_fd, EPOLLIN, on_kick, w, &w->kick);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_up_nat(struct process *p)
{
	const struct uplink_config *cfg = p->cfg;
	struct nat_config nat = {
		.networks = p->networks,
		.n_networks = (uint16_t)cfg->n_networks,
		.limits = { .total_max = UPLINK_FLOWS_MAX,
			    .source_max = UPLINK_SOURCE_FLOWS_MAX,
			    .network_max = cfg->n_networks > 1 ? UPLINK_NETWORK_FLOWS_MAX : 0 },
		.seed = cfg->seed,
		.raw_icmp_fd = { cfg->raw_icmp_fd[0], cfg->raw_icmp_fd[1] },
		.out = { .reserve = reserve, .commit = commit, .query = query, .own = own, .ctx = p }
	};
	int r = nat_new(&nat, p->host, host_now(p->host), &p->ctl.nat);

	for (size_t i = 0; i < cfg->n_leases && r == 0; i++)
		nat_lease_set(p->ctl.nat, cfg->leases[i].network, &cfg->leases[i].mac, &cfg->leases[i].ip, true);
	for (size_t i = 0; i < cfg->n_forwards && r == 0; i++)
		r = nat_forward_add(p->ctl.nat, &cfg->forwards[i]);
	return r;
}

static int set_up_parts(struct process *p)
{
	const struct part_access access = { .host = p->host,
					    .networks = p->networks,
					    .n_networks = (uint16_t)p->cfg->n_networks,
					    .seed = p->cfg->seed,
					    .answer = answer,
					    .send_ip = send_ip,
					    .ctx = p };

	return parts_open(p->cfg->parts, p->cfg->n_parts, &access, &p->ctl.parts);
}

static int set_up(struct process *p)
{
	int r = p->cfg->n_networks <= NAT_NETWORKS_MAX ? loop_new(&p->loop) : -EINVAL;

	if (prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) < 0)
		log_warn("timer slack cannot be set: %s", strerror(errno));
	if (r == 0)
		r = host_new(p->loop, &p->host);
	if (r == 0 && p->cfg->no_peek_off)
		host_without_peek_off(p->host);
	if (r == 0)
		r = control_new(p->loop, p->cfg->control_fd, on_control, p, &p->control);
	if (r == 0)
		r = set_up_ways(p);
	if (r == 0)
		r = set_up_nat(p);
	return r == 0 ? set_up_parts(p) : r;
}

static int enter_cell(const struct uplink_config *cfg)
{
	CLEANUP(free) char *why = NULL;
	struct sandbox_dir dirs[NAT_NETWORKS_MAX];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < cfg->n_folders && i < NAT_NETWORKS_MAX; i++)
		if (cfg->folders[i] >= 0)
			dirs[n++] = (struct sandbox_dir){ .fd = cfg->folders[i] };
	r = sandbox_isolate(SANDBOX_UPLINK, dirs, n, &why);
	if (r == 0)
		r = sandbox_lock(SANDBOX_UPLINK, &why);
	if (r < 0)
		log_error("the uplink's cell cannot be locked: %s", why);
	return r;
}

/* Gives the last answer ("quit") to the kernel. */
static void flush(struct process *p)
{
	for (int i = 0; i < 100 && p->control && !control_is_flushed(p->control); i++)
		(void)loop_step(p->loop, host_now(p->host) + 10 * NSEC_PER_MSEC);
}

static void done(struct process *p)
{
	p->ctl.parts = parts_close(p->ctl.parts);
	p->ctl.nat = nat_free(p->ctl.nat);
	p->control = control_free(p->control);
	p->host = host_free(p->host);
	for (size_t i = 0; p->ways && i < p->cfg->n_networks; i++) {
		p->ways[i].kick = loop_remove(p->ways[i].kick);
		if (p->ways[i].rings.map)
			ring_pair_detach(&p->ways[i].rings);
		free(p->ways[i].copy);
	}
	p->loop = loop_free(p->loop);
	free(p->ways);
	free(p->networks);
}

int uplink_run(const struct uplink_config *cfg)
{
	struct process p = { .cfg = cfg, .status = EXIT_SUCCESS };
	int r;

	proc_title_set("muster: uplink %s", cfg->name);
	r = set_up(&p);
	if (r == 0 && cfg->cell)
		r = enter_cell(cfg);
	if (r < 0) {
		log_error("the uplink cannot start: %s", strerror(-r));
		p.status = EXIT_FAILURE;
	} else {
		run(&p);
		flush(&p);
	}
	done(&p);
	return p.status;
}
