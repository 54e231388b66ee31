/* fabric/lease_link.h: the fabric's end of the process that keeps its leases (fabric/lease_server.h).
 *
 * Nothing here blocks. Records wait in a queue of LEASE_WIRE_WINDOW until they are durable; when it is full, or the
 * keeper cannot write, new ones are refused. A keeper that is gone is replaced by attaching another: what was not
 * durable is sent again, and no acknowledgement is lost.
 *
 * States: no keeper yet; loading, from attach to ready; ready. In the first two the services do not answer. After it
 * was ready once, it stays so without a keeper: records are queued. */
#ifndef MUSTER_FABRIC_LEASE_LINK_H
#define MUSTER_FABRIC_LEASE_LINK_H

#include "core/clock.h"
#include "dhcp/lease_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASE_LINK_NOT_RECORDED UINT64_MAX /* as the servers have it (DHCP4_NOT_RECORDED) */

struct lease_link_host {
	void *ctx;
	/* A lease or quarantine from before, for the table of log @log (lease_record_apply()); at most once after each attach before the first ready().
	 * Returns false when the plan has no place for it. */
	bool (*restore)(void *ctx, size_t log, const struct lease_record *record);
	void (*ready)(void *ctx); /* all are restored: services may answer. Once */
	void (*durable)(void *ctx, uint64_t seq); /* records up to @seq */
	/* Records cannot be written: @error is errno, once for each; 0: they can again. */
	void (*trouble)(void *ctx, int error);
	/* The keeper is gone. @why: what it did wrong; NULL: it ended. The descriptor is closed afterwards. */
	void (*lost)(void *ctx, const char *why);
};

struct lease_link;

/* @host: borrowed. @n_logs: the logs there are, numbered from 0. Returns 0; -EINVAL; -ENOMEM. */
int lease_link_new(const struct lease_link_host *host, size_t n_logs, struct lease_link **ret_link);
struct lease_link *lease_link_free(struct lease_link *l); /* accepts NULL; returns NULL */

/* Takes over @fd, one end of a SOCK_SEQPACKET pair, whose other end is a new keeper's. One before is let go.
 * @now: the present on the clock of records. Returns 0; -errno, then @fd is closed. */
int lease_link_attach(struct lease_link *l, int fd, nsec_t now);
/* Queues @record. Returns its sequence number; LEASE_LINK_NOT_RECORDED. It goes out with lease_link_flush(). */
uint64_t lease_link_record(struct lease_link *l, size_t log, const struct lease_record *record);
/* Sends what waits, many records a message, as far as the socket takes it. */
void lease_link_flush(struct lease_link *l);
/* Takes what the keeper sent, a bounded number of messages. To be called when lease_link_fd() is readable. */
void lease_link_receive(struct lease_link *l);

int lease_link_fd(const struct lease_link *l); /* borrowed; -1: no keeper */
bool lease_link_wants_write(const struct lease_link *l); /* flush again when the descriptor is writable */
bool lease_link_is_ready(const struct lease_link *l);

struct lease_link_counters {
	uint64_t n_recorded, n_refused, n_durable; /* records */
	uint64_t n_restored, n_dropped; /* leases from before; those without a place in the plan */
	uint64_t n_messages; /* with records, sent */
	uint64_t n_lost; /* keepers that went */
};
const struct lease_link_counters *lease_link_counters(const struct lease_link *l);

#endif
