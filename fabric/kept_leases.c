/* fabric/kept_leases.c: the fabric's DHCP tables and the process that keeps them.
 *
 * Sequence numbers run over all logs, so each service is told of every number that is durable.
 *
 * Used by: fabric/process.c, fabric/requests.c, teams/lease_process.c.
 * Depends on: fabric/lease_link.h, fabric/service_dhcp4.h, core/loop.h. */
#include "fabric/kept_leases.h"

#include "core/log.h"
#include "fabric/lease_link.h"
#include "fabric/service_dhcp4.h"
#include "fabric/services.h"
#include "fabric/station.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert(LEASE_LINK_NOT_RECORDED == DHCP4_NOT_RECORDED, "a refusal goes through as it is");

/* One network's. */
struct kept_log {
	struct kept_leases *leases;
	size_t index;
	struct service_dhcp4 *dhcp4; /* borrowed */
	struct element *station; /* borrowed */
};

struct kept_leases {
	struct fabric *fabric;
	struct loop *loop;
	const struct kept_leases_host *host;
	struct lease_link_host link_host;
	struct lease_link *link;
	struct loop_source *source; /* of the keeper's socket; NULL: no keeper */
	struct kept_log *logs;
	size_t n_logs;
};

size_t kept_leases_ports(const struct fabric_plan *plan, size_t *ret_ports)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_ports; i++) {
		const struct fabric_plan_port *p = &plan->ports[i];

		if (p->kind != FABRIC_PORT_SERVICE || !p->service || !p->service->dhcp4)
			continue;
		if (ret_ports)
			ret_ports[n] = i;
		n++;
	}
	return n;
}

/* ---- from the services ----------------------------------------------------------------- */

static uint64_t record(void *ctx, const struct lease_record *r)
{
	const struct kept_log *log = ctx;

	return lease_link_record(log->leases->link, log->index, r);
}

/* ---- from the keeper ------------------------------------------------------------------- */

static bool on_restore(void *ctx, size_t log, const struct lease_record *r)
{
	struct kept_leases *k = ctx;

	return lease_record_apply(r, service_dhcp4_leases(k->logs[log].dhcp4), 0);
}

static void on_ready(void *ctx)
{
	struct kept_leases *k = ctx;
	nsec_t now = k->host->now(k->host->ctx);

	for (size_t i = 0; i < k->n_logs; i++) {
		service_dhcp4_restored(k->logs[i].dhcp4, now);
		service_dhcp4_set_waits(k->logs[i].dhcp4, false);
		fabric_element_moved(k->fabric, k->logs[i].station);
	}
}

static void on_durable(void *ctx, uint64_t seq)
{
	struct kept_leases *k = ctx;
	nsec_t now = k->host->now(k->host->ctx);

	for (size_t i = 0; i < k->n_logs; i++) {
		service_dhcp4_durable(k->logs[i].dhcp4, seq, now);
		fabric_element_moved(k->fabric, k->logs[i].station);
	}
}

static void on_trouble(void *ctx, int error)
{
	struct kept_leases *k = ctx;

	k->host->trouble(k->host->ctx, error);
}

static void on_lost(void *ctx, const char *why)
{
	struct kept_leases *k = ctx;

	if (why)
		log_warn("leases: the process that keeps them is cut off: %s", why);
	k->source = loop_remove(k->source);
}

/* ---- the socket -------------------------------------------------------------------------- */

static void wait_for(struct kept_leases *k)
{
	if (k->source)
		(void)loop_set_events(k->source, EPOLLIN | (lease_link_wants_write(k->link) ? EPOLLOUT : 0));
}

static void on_socket(void *ctx, int fd, uint32_t events)
{
	struct kept_leases *k = ctx;

	(void)fd;
	lease_link_receive(k->link);
	if (events & EPOLLOUT)
		lease_link_flush(k->link);
	wait_for(k);
}

int kept_leases_attach(struct kept_leases *k, int fd)
{
	int r;

	k->source = loop_remove(k->source);
	r = lease_link_attach(k->link, fd, k->host->now(k->host->ctx));
	if (r < 0)
		return r;
	return loop_add_fd(k->loop, lease_link_fd(k->link), EPOLLIN, on_socket, k, &k->source);
}

void kept_leases_flush(struct kept_leases *k)
{
	/* What waits for the socket goes when that is writable. */
	if (!k->source || lease_link_wants_write(k->link))
		return;
	lease_link_flush(k->link);
	if (lease_link_wants_write(k->link))
		wait_for(k);
}

/* ---- its life ------------------------------------------------------------------------------ */

static int make_logs(struct kept_leases *k)
{
	const struct fabric_plan *plan = k->fabric->plan;
	size_t *ports = calloc(plan->n_ports + 1, sizeof *ports);

	if (ports)
		k->n_logs = kept_leases_ports(plan, ports);
	k->logs = calloc(k->n_logs + 1, sizeof *k->logs);
	for (size_t i = 0; ports && k->logs && i < k->n_logs; i++) {
		const struct fabric_port *p = &k->fabric->ports[ports[i]];

		k->logs[i] = (struct kept_log){ .leases = k,
						.index = i,
						.dhcp4 = services_dhcp4(fabric_port_services(p)),
						.station = station_element(fabric_port_station(p)) };
	}
	free(ports);
	return ports && k->logs ? 0 : -ENOMEM;
}

int kept_leases_new(struct fabric *f, struct loop *loop, const struct kept_leases_host *host,
		    struct kept_leases **ret_leases)
{
	struct kept_leases *k = calloc(1, sizeof *k);
	int r;

	if (!k)
		return -ENOMEM;
	*k = (struct kept_leases){ .fabric = f, .loop = loop, .host = host };
	k->link_host = (struct lease_link_host){ .ctx = k,
						 .restore = on_restore,
						 .ready = on_ready,
						 .durable = on_durable,
						 .trouble = on_trouble,
						 .lost = on_lost };
	r = make_logs(k);
	if (r == 0)
		r = lease_link_new(&k->link_host, k->n_logs, &k->link);
	if (r < 0) {
		(void)kept_leases_free(k);
		return r;
	}
	for (size_t i = 0; i < k->n_logs; i++) {
		service_dhcp4_set_record(k->logs[i].dhcp4, record, &k->logs[i]);
		service_dhcp4_set_waits(k->logs[i].dhcp4, true);
	}
	*ret_leases = k;
	return 0;
}

struct kept_leases *kept_leases_free(struct kept_leases *k)
{
	if (!k)
		return NULL;
	(void)loop_remove(k->source);
	(void)lease_link_free(k->link);
	free(k->logs);
	free(k);
	return NULL;
}

json_t *kept_leases_counters(const struct kept_leases *k)
{
	const struct lease_link_counters *c = lease_link_counters(k->link);

	return json_pack("{s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "ready", (int)lease_link_is_ready(k->link),
			 "attached", (int)(lease_link_fd(k->link) >= 0), "recorded", (json_int_t)c->n_recorded,
			 "refused", (json_int_t)c->n_refused, "durable", (json_int_t)c->n_durable, "restored",
			 (json_int_t)c->n_restored, "dropped", (json_int_t)c->n_dropped, "messages",
			 (json_int_t)c->n_messages, "lost", (json_int_t)c->n_lost);
}
