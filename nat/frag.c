/* nat/frag.c: packets in pieces.
 *
 * There are few of them at a time, and bounded memory: a list in the order of arrival is enough. Its oldest is the
 * first to be forgotten. A piece is found by a walk of at most FRAG_PIECES_MAX steps, and the usual one, behind the last
 * piece, by one.
 *
 * Used by: nat/nat_in.c, nat/nat_out.c. */
#include "nat/frag.h"

#include "core/checksum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 256, PACKETS_MAX = 512, IP4_ID_AT = 4, IP4_FRAG_AT = 6, IP4_SUM_AT = 10 };

struct piece {
	struct piece *next, *prev; /* by offset */
	uint32_t start, end;
	uint8_t data[];
};

/* What one source holds. */
struct usage {
	uint64_t source;
	uint64_t bytes;
	uint32_t n; /* packets; 0: the entry is free */
};

struct whole {
	struct whole *next, *prev; /* by age; the oldest first */
	uint16_t network;
	struct usage *usage; /* of its source, in the table */
	struct ip_addr src, dst;
	uint32_t id;
	uint8_t proto;
	struct piece *first, *last;
	uint32_t n, have, end; /* pieces; bytes; where it ends, 0: not known */
	uint32_t bytes; /* charged */
	uint32_t header_len; /* of the first piece's IP header without fragment header; 0: it did not come */
	nsec_t until;
	uint8_t header[HEADER_MAX];
};

struct frag {
	struct frag_limits limits;
	struct whole *oldest, *newest;
	uint32_t n;
	size_t bytes;
	struct usage usage[PACKETS_MAX]; /* no more sources than packets */
	uint32_t n_usage; /* entries from here on were never used */
	uint8_t *out; /* the last whole packet */
	struct frag_counters count;
};

int frag_new(const struct frag_limits *limits, struct frag **ret_frag)
{
	struct frag *fr = calloc(1, sizeof *fr);

	if (!fr)
		return -ENOMEM;
	fr->limits = *limits;
	*ret_frag = fr;
	return 0;
}

static void forget(struct frag *fr, struct whole *w)
{
	for (struct piece *p = w->first, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	if (w->prev)
		w->prev->next = w->next;
	else
		fr->oldest = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		fr->newest = w->prev;
	fr->bytes -= w->bytes;
	w->usage->bytes -= w->bytes;
	w->usage->n--;
	fr->n--;
	free(w);
}

struct frag *frag_free(struct frag *fr)
{
	if (!fr)
		return NULL;
	while (fr->oldest)
		forget(fr, fr->oldest);
	free(fr->out);
	free(fr);
	return NULL;
}

/* ---- room -------------------------------------------------------------------- */

/* The entry of @source, or a new one: there is room for a source a packet. */
static struct usage *usage_of(struct frag *fr, uint64_t source)
{
	struct usage *free_one = NULL;

	for (uint32_t i = 0; i < fr->n_usage; i++) {
		struct usage *u = &fr->usage[i];

		if (u->n && u->source == source)
			return u;
		if (!u->n && !free_one)
			free_one = u;
	}
	if (!free_one)
		free_one = &fr->usage[fr->n_usage++];
	*free_one = (struct usage){ .source = source };
	return free_one;
}

/* The source that holds the most. */
static struct usage *greediest(struct frag *fr)
{
	struct usage *most = &fr->usage[0];

	for (uint32_t i = 1; i < fr->n_usage; i++)
		if (fr->usage[i].bytes > most->bytes)
			most = &fr->usage[i];
	return most;
}

/* Forgets the oldest packet of @source other than @but. Returns false when there is none. */
static bool evict(struct frag *fr, const struct usage *source, const struct whole *but)
{
	for (struct whole *w = fr->oldest; w; w = w->next)
		if (w->usage == source && w != but) {
			fr->count.evicted++;
			forget(fr, w);
			return true;
		}
	return false;
}

static bool make_room(struct frag *fr, const struct whole *w, uint32_t more)
{
	while (w->usage->bytes + more > fr->limits.source_bytes_max)
		if (!evict(fr, w->usage, w))
			return false;
	while (fr->bytes + more > fr->limits.total_bytes_max)
		if (!evict(fr, greediest(fr), w))
			return false;
	return true;
}

/* ---- pieces ------------------------------------------------------------------ */

static struct whole *find(const struct frag *fr, uint16_t network, const struct packet *p)
{
	struct whole *w = fr->newest;

	/* IPv6's pieces are one packet without the protocol's help (RFC 8200 §4.5). */
	while (w && !(w->id == p->ip_id && w->network == network && (p->kind == PACKET_IPV6 || w->proto == p->proto) &&
		      ip_equal(&w->src, &p->src) && ip_equal(&w->dst, &p->dst)))
		w = w->prev;
	return w;
}

static struct whole *begin(struct frag *fr, uint16_t network, uint64_t source, const struct packet *p, nsec_t now)
{
	struct whole *w;

	if (fr->n >= PACKETS_MAX)
		(void)evict(fr, greediest(fr), NULL);
	w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	*w = (struct whole){ .network = network,
			     .usage = usage_of(fr, source),
			     .src = p->src,
			     .dst = p->dst,
			     .id = p->ip_id,
			     .proto = p->proto,
			     .bytes = sizeof *w,
			     .until = now + FRAG_TIME_NS,
			     .prev = fr->newest };
	if (fr->newest)
		fr->newest->next = w;
	else
		fr->oldest = w;
	fr->newest = w;
	fr->bytes += w->bytes;
	w->usage->bytes += w->bytes;
	w->usage->n++;
	fr->n++;
	return w;
}

/* Keeps the header of the first piece as that of a whole packet. Returns false when it is longer than any honest one. */
static bool keep_header(struct whole *w, const struct packet *p)
{
	uint32_t len = (p->kind == PACKET_IPV6 ? p->frag_header : p->l4) - p->l3;

	if (len > sizeof w->header)
		return false;
	memcpy(w->header, p->data + p->l3, len);
	if (p->kind == PACKET_IPV6)
		w->header[p->frag_proto_at - p->l3] = p->data[p->frag_header];
	else
		store_be16(w->header + IP4_FRAG_AT, 0);
	w->header_len = len;
	return true;
}

/* Where a piece [@start, @end) belongs. Returns FRAG_WAITS with @ret_before set, FRAG_WHOLE for a repetition, which
 * changes nothing, or FRAG_DROPPED for an overlap. */
static enum frag_verdict place(const struct whole *w, uint32_t start, uint32_t end, const uint8_t *data,
			       struct piece **ret_before)
{
	struct piece *before = w->last;

	while (before && before->start >= end)
		before = before->prev;
	if (before && before->end > start) {
		bool same = before->start == start && before->end == end && !memcmp(before->data, data, end - start);

		return same ? FRAG_WHOLE : FRAG_DROPPED;
	}
	*ret_before = before;
	return FRAG_WAITS;
}

static void insert(struct frag *fr, struct whole *w, struct piece *before, struct piece *new)
{
	uint32_t cost = (uint32_t)sizeof *new + new->end - new->start;

	new->prev = before;
	new->next = before ? before->next : w->first;
	if (before)
		before->next = new;
	else
		w->first = new;
	if (new->next)
		new->next->prev = new;
	else
		w->last = new;
	w->n++;
	w->have += new->end - new->start;
	w->bytes += cost;
	w->usage->bytes += cost;
	fr->bytes += cost;
}

static enum frag_verdict drop(struct frag *fr, struct whole *w, uint64_t *counter)
{
	(*counter)++;
	forget(fr, w);
	return FRAG_DROPPED;
}

static enum frag_verdict finish(struct frag *fr, struct whole *w, const uint8_t **ret_ip, size_t *ret_len)
{
	size_t len = w->header_len + w->have;
	uint8_t *at;

	if (len > FRAG_IP_MAX + (w->src.family == IP_V6 ? PACKET_IPV6_LEN : 0u))
		return drop(fr, w, &fr->count.misfits);
	free(fr->out);
	fr->out = malloc(len);
	if (!fr->out)
		return drop(fr, w, &fr->count.no_memory);
	memcpy(fr->out, w->header, w->header_len);
	at = fr->out + w->header_len;
	for (const struct piece *p = w->first; p; p = p->next) {
		memcpy(at, p->data, p->end - p->start);
		at += p->end - p->start;
	}
	if (w->src.family == IP_V6) {
		store_be16(fr->out + 4, (uint16_t)(len - PACKET_IPV6_LEN));
	} else {
		store_be16(fr->out + 2, (uint16_t)len);
		store_be16(fr->out + IP4_SUM_AT, 0);
		store_be16(fr->out + IP4_SUM_AT, checksum_fold(checksum_add(0, fr->out, w->header_len)));
	}
	*ret_ip = fr->out;
	*ret_len = len;
	fr->count.whole++;
	forget(fr, w);
	return FRAG_WHOLE;
}

enum frag_verdict frag_take(struct frag *fr, uint16_t network, uint64_t source, const struct packet *p, nsec_t now,
			    const uint8_t **ret_ip, size_t *ret_len)
{
	uint32_t start = p->frag_offset, end = start + p->l4_len;
	struct whole *w = find(fr, network, p);
	struct piece *before = NULL, *new;

	fr->count.pieces++;
	if (!w && !(w = begin(fr, network, source, p, now))) {
		fr->count.no_memory++;
		return FRAG_DROPPED;
	}
	switch (place(w, start, end, p->data + p->l4, &before)) {
	case FRAG_WHOLE:
		return FRAG_WAITS;
	case FRAG_DROPPED:
		return drop(fr, w, &fr->count.overlaps);
	case FRAG_WAITS:
		break;
	}
	/* A second end, or bytes behind the end. */
	if ((!p->frag_more && (w->end || (w->last && w->last->end > end))) || (w->end && end > w->end) ||
	    end <= start || (!start && !keep_header(w, p)))
		return drop(fr, w, &fr->count.misfits);
	if (w->n >= FRAG_PIECES_MAX)
		return drop(fr, w, &fr->count.too_many);
	if (!make_room(fr, w, (uint32_t)sizeof *new + p->l4_len))
		return drop(fr, w, &fr->count.evicted);
	new = malloc(sizeof *new + p->l4_len);
	if (!new)
		return drop(fr, w, &fr->count.no_memory);
	new->start = start;
	new->end = end;
	memcpy(new->data, p->data + p->l4, p->l4_len);
	insert(fr, w, before, new);
	if (!p->frag_more)
		w->end = end;
	return w->end && w->have == w->end ? finish(fr, w, ret_ip, ret_len) : FRAG_WAITS;
}

nsec_t frag_next(const struct frag *fr)
{
	return fr->oldest ? fr->oldest->until : NSEC_NEVER;
}

void frag_run(struct frag *fr, nsec_t now,
	      void (*fn)(void *ctx, uint16_t network, uint64_t source, const uint8_t *ip, size_t len), void *ctx)
{
	uint8_t ip[HEADER_MAX + 1280];

	while (fr->oldest && fr->oldest->until <= now) {
		struct whole *w = fr->oldest;

		fr->count.timed_out++;
		if (w->header_len && fn) {
			uint32_t len = w->first->end - w->first->start;

			len = len < 1280 ? len : 1280;
			memcpy(ip, w->header, w->header_len);
			memcpy(ip + w->header_len, w->first->data, len);
			fn(ctx, w->network, w->usage->source, ip, w->header_len + len);
		}
		forget(fr, w);
	}
}

size_t frag_bytes(const struct frag *fr)
{
	return fr->bytes;
}

const struct frag_counters *frag_counters(const struct frag *fr)
{
	return &fr->count;
}

/* ---- cutting ----------------------------------------------------------------- */

struct cut {
	uint8_t header[HEADER_MAX + 8];
	size_t header_len;
	size_t frag_at; /* IPv4: the field; IPv6: the fragment header */
	bool is_ip6;
};

static bool prepare(const struct packet *p, uint32_t id, struct cut *c)
{
	/* A packet that has a fragment header already, or extension headers, is cut behind its fixed header: what the
	 * NAT makes has none. */
	c->is_ip6 = p->kind == PACKET_IPV6;
	if (c->is_ip6 ? p->l4 != PACKET_IPV6_LEN : p->l4 > 60)
		return false;
	memcpy(c->header, p->data, p->l4);
	c->header_len = p->l4;
	if (!c->is_ip6) {
		store_be16(c->header + IP4_ID_AT, (uint16_t)id);
		c->frag_at = IP4_FRAG_AT;
		return true;
	}
	c->frag_at = c->header_len;
	c->header[c->frag_at] = p->proto;
	c->header[c->frag_at + 1] = 0;
	store_be32(c->header + c->frag_at + 4, id);
	c->header[6] = 44; /* RFC 8200 §4.5 */
	c->header_len += 8;
	return true;
}

static void fill(struct cut *c, uint32_t offset, size_t len, bool more)
{
	if (c->is_ip6) {
		store_be16(c->header + 4, (uint16_t)(len + 8));
		store_be16(c->header + c->frag_at + 2, (uint16_t)(offset | more));
		return;
	}
	store_be16(c->header + 2, (uint16_t)(c->header_len + len));
	store_be16(c->header + c->frag_at, (uint16_t)(offset / 8 | (more ? 0x2000u : 0)));
	store_be16(c->header + IP4_SUM_AT, 0);
	store_be16(c->header + IP4_SUM_AT, checksum_fold(checksum_add(0, c->header, c->header_len)));
}

int frag_split(const uint8_t *ip, size_t len, size_t mtu, uint32_t id,
	       int (*emit)(void *ctx, const uint8_t *ip, size_t len), void *ctx)
{
	uint8_t *out;
	struct packet p;
	struct cut c;
	size_t room;
	int r = 0;

	if (len <= mtu)
		return emit(ctx, ip, len);
	if (packet_parse_ip(ip, len, true, &p) != PACKET_OK || p.is_fragment ||
	    mtu < (p.kind == PACKET_IPV6 ? 1280u : 68u) || !prepare(&p, id, &c) || !(out = malloc(mtu)))
		return -EMSGSIZE;
	room = (mtu - c.header_len) & ~(size_t)7;
	for (uint32_t at = 0; at < p.l4_len && r == 0;) {
		size_t n = p.l4_len - at < room ? p.l4_len - at : room;

		fill(&c, at, n, at + n < p.l4_len);
		memcpy(out, c.header, c.header_len);
		memcpy(out + c.header_len, ip + p.l4 + at, n);
		r = emit(ctx, out, c.header_len + n);
		at += (uint32_t)n;
	}
	free(out);
	return r;
}
