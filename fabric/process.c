/* fabric/process.c: the fabric's process: one thread, one loop.
 *
 * While frames come the rings are polled, and the kernel is asked for control
 * messages once in BUSY_ROUNDS rounds. When a round found nothing the rings
 * are put to sleep and the process waits in epoll for a kick, a message or the
 * next due time: an idle team costs nothing. Ports are waited for edge by edge: what one has not
 * been drained of in a pause does not wake the process again. Timers are exact because the
 * thread's timer slack is 1 ns (prctl(2) PR_SET_TIMERSLACK; it is 50 us
 * otherwise).
 *
 * It ends when its control socket ends: nothing outlives the supervisor.
 *
 * Used by: the supervisor, after fork.   Depends on: core/{control,loop,clock,log,sandbox}.h. */
#include "fabric/process.h"

#include "core/budget.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/control.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/proc.h"
#include "core/sandbox.h"
#include "fabric/kept_leases.h"
#include "fabric/requests.h"
#include "fabric/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	BUSY_ROUNDS = 64,
	PEER_WORDS = 30,
	PEER_WORDS_PER_S = 1, /* of peers that come and go: told at once, and for good */
	LEASE_WORDS = 100,
	LEASE_WORDS_PER_S = 10, /* of leases, of all networks */
	VM_LEASE_WORDS = 4096,
	VM_LEASE_WORDS_PER_S = 100, /* of those of VMs' NICs, which the supervisor shows */
	MEMORY_BESIDE = 64 << 20, /* bytes, beside frames that wait: messages, spent frames, the heap's gaps */
};

/* A supervisor that asks on and on and reads nothing is not heard meanwhile. */
static const struct control_limits control_limits = { CONTROL_LEN_MAX, CONTROL_OUT_MAX, 1 << 20 };

/* A port's kick, as the loop knows it. */
struct kick {
	struct fabric *fabric;
	size_t port;
	bool complained;
};

struct process {
	struct fabric *fabric;
	struct loop *loop;
	struct control *control;
	struct kick *kicks;
	struct budget peer_words;
	uint64_t n_untold; /* peers that came or went too often to be told of */
	struct budget lease_words, vm_lease_words;
	uint64_t n_leases_untold;
	struct kept_leases_host leases_host;
	struct kept_leases *leases; /* NULL: they are not kept */
	bool quit;
	int status;
};

static void on_kick(void *ctx, int fd, uint32_t events)
{
	struct kick *k = ctx;
	struct fabric_port *p = &k->fabric->ports[k->port];

	(void)fd;
	(void)events;
	p->ops->kicked(p);
	fabric_wake_port(k->fabric, k->port);
	if (fabric_port_is_broken(p) && !k->complained) {
		log_warn("the %s of %s is broken: its machine wrote nonsense; the NIC is dead", p->ops->kind,
			 p->plan->name);
		k->complained = true;
	}
}

/* Told to the supervisor, who is not flooded by a peer that comes and goes. */
static void on_peer(void *ctx, const struct fabric_port *port, enum fabric_peer_news news, const char *why)
{
	static const char *const words[] = { "is there", "is gone", "is not the only one" };
	struct process *p = ctx;
	json_t *event;

	if (!p->control || !budget_take(&p->peer_words, clock_now(), 1)) {
		p->n_untold++;
		return;
	}
	log_info("%s: its %s peer %s%s%s", port->plan->name, port->ops->kind, words[news], why ? ": " : "",
		 why ? why : "");
	event = json_pack("{s:s,s:I,s:b,s:I}", "event", "peer", "port", (json_int_t)(port - p->fabric->ports), "there",
			  (int)(news != FABRIC_PEER_WENT), "untold", (json_int_t)p->n_untold);
	p->n_untold = 0;
	if (news == FABRIC_PEER_REFUSED)
		(void)json_object_set_new(event, "refused", json_true());
	if (why)
		(void)json_object_set_new(event, "why", json_string(why));
	if (control_send(p->control, event, NULL, 0) < 0)
		p->quit = true;
	json_decref(event);
}

static void on_lease(void *ctx, const struct fabric_port *port, enum service_event event,
		     const struct service_lease *l)
{
	char ip[IP_STR_SIZE], mac[MAC_STR_SIZE];
	struct process *p = ctx;
	json_t *msg;

	if (!p->control || !budget_take(l->vm ? &p->vm_lease_words : &p->lease_words, clock_now(), 1)) {
		p->n_leases_untold++;
		return;
	}
	msg = json_pack("{s:s,s:I,s:s,s:I}", "event", "lease", "network", (json_int_t)port->network, "what",
			service_event_str(event), "untold", (json_int_t)p->n_leases_untold);
	p->n_leases_untold = 0;
	if (l->lease) {
		(void)json_object_set_new(msg, "address", json_string(ip_str_bare(&l->ip, ip)));
		(void)json_object_set_new(msg, "mac", json_string(mac_str(&l->lease->mac, mac)));
		(void)json_object_set_new(msg, "hostname", json_string(l->lease->hostname));
	}
	if (l->vm)
		(void)json_object_set_new(msg, "vm", json_string(l->vm));
	if (control_send(p->control, msg, NULL, 0) < 0)
		p->quit = true;
	json_decref(msg);
}

static nsec_t now_of(void *ctx)
{
	const struct process *p = ctx;

	return fabric_time(p->fabric, clock_now());
}

static void on_trouble(void *ctx, int error)
{
	struct process *p = ctx;
	json_t *msg;

	if (!p->control)
		return;
	msg = json_pack("{s:s,s:s?}", "event", "leases", "error", error ? strerror(error) : NULL);
	if (control_send(p->control, msg, NULL, 0) < 0)
		p->quit = true;
	json_decref(msg);
}

/* An answer that cannot be sent ends the fabric: its supervisor would wait for it. */
static void send_answer(void *ctx, json_t *answer)
{
	struct process *p = ctx;

	if (control_send(p->control, answer, NULL, 0) < 0)
		p->quit = true;
}

static void on_control(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct process *p = ctx;
	struct fabric_asked asked = { .fabric = p->fabric, .leases = p->leases, .real = clock_now() };
	struct verb_call call = { .answer = send_answer, .answer_ctx = p, .msg = msg, .fds = fds, .n_fds = n_fds };

	if (!msg) {
		p->quit = true;
		p->status = status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
		p->control = control_free(c);
		return;
	}
	fabric_request(&asked, &call);
	p->quit |= asked.quits;
	if (asked.has_failed)
		p->status = EXIT_FAILURE;
}

static int set_up(struct process *p, const struct fabric_config *cfg)
{
	int r;

	if (prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) < 0)
		log_warn("timer slack cannot be set: %s", strerror(errno));
	r = fabric_new(cfg->plan, &p->fabric);
	if (r < 0)
		return r;
	p->fabric->on_peer = on_peer;
	p->fabric->on_peer_ctx = p;
	p->fabric->on_lease = on_lease;
	p->fabric->on_lease_ctx = p;
	budget_init(&p->lease_words, LEASE_WORDS, LEASE_WORDS_PER_S, clock_now());
	budget_init(&p->vm_lease_words, VM_LEASE_WORDS, VM_LEASE_WORDS_PER_S, clock_now());
	budget_init(&p->peer_words, PEER_WORDS, PEER_WORDS_PER_S, clock_now());
	r = loop_new(&p->loop);
	if (r < 0)
		return r;
	r = control_new(p->loop, cfg->control_fd, on_control, p, &p->control);
	if (r < 0)
		return r;
	control_set_limits(p->control, &control_limits);
	p->leases_host = (struct kept_leases_host){ .ctx = p, .now = now_of, .trouble = on_trouble };
	if (cfg->plan->keeps_leases)
		r = kept_leases_new(p->fabric, p->loop, &p->leases_host, &p->leases);
	if (r < 0)
		return r;
	p->kicks = calloc(cfg->plan->n_ports + 1, sizeof *p->kicks);
	if (!p->kicks)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->plan->n_ports; i++) {
		const struct fabric_port *port = &p->fabric->ports[i];
		struct loop_source *source;

		if (!port->ops->wait_fd || port->ops->wait_fd(port) < 0)
			continue;
		p->kicks[i] = (struct kick){ .fabric = p->fabric, .port = i };
		r = loop_add_fd(p->loop, port->ops->wait_fd(port), EPOLLIN | EPOLLET, on_kick, &p->kicks[i], &source);
		if (r < 0)
			return r;
	}
	return 0;
}

static void run(struct process *p)
{
	struct fabric *f = p->fabric;
	unsigned rounds = 0;

	while (!p->quit) {
		bool has_more = fabric_step(f, fabric_time(f, clock_now()));
		nsec_t until;

		if (p->leases)
			kept_leases_flush(p->leases);
		if (has_more) {
			if (++rounds % BUSY_ROUNDS == 0)
				(void)loop_step(p->loop, 0);
			continue;
		}
		if (!fabric_sleep(f))
			continue;
		until = fabric_next(f);
		if (until != NSEC_NEVER)
			until += f->paused_ns;
		if (loop_step(p->loop, until) < 0) {
			p->status = EXIT_FAILURE;
			return;
		}
	}
}

/* Gives the last answer ("quit") to the kernel. */
static void flush(struct process *p)
{
	for (int i = 0; i < 100 && p->control && !control_is_flushed(p->control); i++)
		(void)loop_step(p->loop, clock_now() + 10 * NSEC_PER_MSEC);
}

uint64_t fabric_memory_max(uint64_t frames_bytes)
{
	return frames_bytes + frames_bytes / 8 + MEMORY_BESIDE;
}

static uint64_t services_memory(const struct fabric_plan *plan)
{
	uint64_t n = 0;

	for (size_t i = 0; i < plan->n_ports; i++)
		if (plan->ports[i].kind == FABRIC_PORT_SERVICE)
			n += services_memory_max(plan->ports[i].service);
	return n;
}

static int enter_cell(const struct fabric *f)
{
	CLEANUP(free) char *why = NULL;
	int r;

	/* A state that is saved or loaded is held besides, in a buffer that doubles as it grows. */
	sandbox_bound_memory(SANDBOX_FABRIC, fabric_memory_max(f->plan->total_bytes) + services_memory(f->plan) +
						     2 * fabric_state_max(f->plan));
	r = sandbox_isolate(SANDBOX_FABRIC, NULL, 0, &why);

	if (r == 0)
		r = sandbox_lock(SANDBOX_FABRIC, &why);
	if (r < 0)
		log_error("the fabric's cell cannot be locked: %s", why);
	return r;
}

int fabric_run(const struct fabric_config *cfg)
{
	struct process p = { .status = EXIT_SUCCESS };
	int r;

	proc_title_set("muster: fabric %s", cfg->plan->name);
	r = set_up(&p, cfg);
	if (r == 0 && cfg->cell)
		r = enter_cell(p.fabric);
	if (r < 0) {
		log_error("the fabric cannot start: %s", strerror(-r));
		p.status = EXIT_FAILURE;
	} else {
		run(&p);
		flush(&p);
	}
	p.control = control_free(p.control);
	p.leases = kept_leases_free(p.leases);
	p.loop = loop_free(p.loop);
	p.fabric = fabric_free(p.fabric);
	free(p.kicks);
	return p.status;
}
