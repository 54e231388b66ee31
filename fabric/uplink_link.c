/* fabric/uplink_link.c: see uplink_link.h.
 *
 * Used by: fabric/port_service.c.   Depends on: core/ring.h, fabric/station.h, nat/message.h. */
#include "fabric/uplink_link.h"

#include "core/checksum.h"
#include "core/element_state.h"
#include "core/state.h"
#include "fabric/fabric.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct uplink_link {
	struct fabric_port *port;
	struct station *station;
	struct ring_pair rings;
	uplink_answer_fn answer; /* NULL: none */
	void *answer_ctx;
	struct uplink_link_counters counters;
};

/* ---- to the uplink ------------------------------------------------------------- */

static uint8_t *reserve(struct uplink_link *l, uint32_t len)
{
	uint8_t *room = ring_reserve(&l->rings.tx, len);

	if (!room)
		l->counters.lost_full++;
	return room;
}

static void commit(struct uplink_link *l, uint32_t len, const struct frame_offload *offload, nsec_t now)
{
	ring_commit(&l->rings.tx, len, offload, now);
	l->counters.sent++;
	fabric_port_dirty(l->port);
}

/* The station's hook for packets that are for elsewhere. A full ring loses them, as a full queue of a router does. */
static bool into_uplink(void *ctx, struct frame *f, const struct packet *p, nsec_t now)
{
	struct uplink_link *l = ctx;
	uint8_t *room = reserve(l, f->len);

	(void)p;
	if (room) {
		memcpy(room, f->data, f->len);
		commit(l, f->len, &f->offload, now);
	}
	frame_free(f);
	return true;
}

static int put_message(struct uplink_link *l, const struct message *m, size_t size, nsec_t now)
{
	static const struct frame_offload plain;
	uint8_t *room = reserve(l, (uint32_t)size);
	size_t len;

	if (!room)
		return -ENOBUFS;
	len = message_put(m, room, size);
	if (!len)
		return -EMSGSIZE;
	commit(l, (uint32_t)len, &plain, now);
	return 0;
}

void uplink_link_lease(struct uplink_link *l, const struct mac_addr *mac, const struct ip_addr *ip, bool is_known,
		       nsec_t now)
{
	(void)put_message(l, &(struct message){ .type = MESSAGE_LEASE, .mac = *mac, .ip = *ip, .is_known = is_known },
			  MESSAGE_LEASE_LEN, now);
}

int uplink_link_query(struct uplink_link *l, uint64_t source, uint64_t token, bool is_tcp, const uint8_t *msg,
		      size_t len, nsec_t now)
{
	struct message m = {
		.type = MESSAGE_QUERY, .source = source, .token = token, .transport = is_tcp, .dns = msg, .dns_len = len
	};

	if (!len || len > FRAME_LEN_MAX - MESSAGE_HEAD_LEN)
		return -EMSGSIZE;
	return put_message(l, &m, MESSAGE_HEAD_LEN + len, now);
}

/* ---- from the uplink ------------------------------------------------------------ */

static void take_message(struct uplink_link *l, const struct frame *f, nsec_t now)
{
	struct message m;

	if (!message_parse(f->data, f->len, &m) || m.type != MESSAGE_ANSWER) {
		l->counters.lost_bad++;
		return;
	}
	l->counters.taken++;
	if (l->answer)
		l->answer(l->answer_ctx, &m, now);
}

/* Judges the copy, which the uplink cannot change. */
static void take(struct uplink_link *l, struct frame *f, nsec_t now)
{
	struct element *e = station_element(l->station);

	if (f->len < ETH_HEADER_LEN || ((f->offload.flags | f->offload.gso_type) && !frame_offload_check(f))) {
		l->counters.lost_bad++;
		frame_free(f);
		return;
	}
	if (load_be16(f->data + 2 * MAC_LEN) == ETYPE_MESSAGE) {
		take_message(l, f, now);
		frame_free(f);
	} else {
		l->counters.taken++;
		f->rx_time_ns = now;
		(void)e->ops->take(e, STATION_IN_ELSEWHERE, f, now);
	}
}

unsigned uplink_link_drain(struct uplink_link *l, unsigned max, nsec_t now)
{
	struct ring_record rec;
	unsigned n = 0;

	for (; n < max && ring_peek(&l->rings.rx, &rec); n++) {
		struct frame *f = frame_new(l->port->fabric->pool, rec.len);

		if (f) {
			memcpy(f->data, rec.data, rec.len);
			f->len = rec.len;
			f->offload = rec.offload;
			take(l, f, now);
		} else {
			l->counters.lost_memory++;
		}
		ring_pop(&l->rings.rx);
	}
	if (n) {
		ring_release(&l->rings.rx);
		fabric_element_moved(l->port->fabric, station_element(l->station));
	}
	return n;
}

void uplink_link_publish(struct uplink_link *l)
{
	(void)ring_publish(&l->rings.tx);
}

bool uplink_link_sleep(struct uplink_link *l)
{
	return ring_sleep(&l->rings.rx);
}

void uplink_link_wake(struct uplink_link *l)
{
	ring_wake(&l->rings.rx);
}

bool uplink_link_is_broken(const struct uplink_link *l)
{
	return l->rings.rx.broken || l->rings.tx.broken;
}

void uplink_link_state(struct uplink_link *l, struct state *s, nsec_t now, nsec_t real)
{
	ring_pair_state(&l->rings, s, now, real);
}

/* ---- its life ---------------------------------------------------------------------- */

void uplink_link_set_answer(struct uplink_link *l, uplink_answer_fn fn, void *ctx)
{
	l->answer = fn;
	l->answer_ctx = ctx;
}

const struct uplink_link_counters *uplink_link_counters(const struct uplink_link *l)
{
	return &l->counters;
}

int uplink_link_new(struct fabric_port *p, struct station *st, struct uplink_link **ret_link)
{
	struct uplink_link *l = calloc(1, sizeof *l);
	int r = l ? ring_pair_attach(p->plan->rings, RING_FABRIC, &l->rings) : -ENOMEM;

	if (r < 0) {
		free(l);
		return r;
	}
	l->port = p;
	l->station = st;
	station_set_elsewhere(st, into_uplink, l);
	*ret_link = l;
	return 0;
}

struct uplink_link *uplink_link_free(struct uplink_link *l)
{
	if (!l)
		return NULL;
	ring_pair_detach(&l->rings);
	free(l);
	return NULL;
}
