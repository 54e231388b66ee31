/* tests/nat/script.c: see script.h. */
#include "tests/nat/script.h"

#include "nat/tcp.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENT_MAX = 256, DATA_MAX = 70000, GUEST_ISS = 0xfffffc00u, OUR_ISS = 0xfffff000u, SINK_ROOM = 1 << 24 };

struct sent {
	struct tcp_out out;
	nsec_t at;
};

struct player {
	const struct script *script;
	int line;
	nsec_t now;
	struct tcp_common common;
	struct tcp_conn conn;
	struct tcp_params params;
	bool is_there, is_blocked, fin;
	size_t written, consumed, took, room;
	struct sent sent[SENT_MAX];
	size_t n_sent;
	uint32_t last_ts;
	enum tcp_event event[4];
	size_t n_events;
	uint8_t data[DATA_MAX];
};

static const char *const events[TCP_EVENT_COUNT] = { "open", "peer-fin", "done", "reset", "timed-out" };

static void fail_at(const struct player *p, const char *why)
{
	ck_abort_msg("%s, line %d, at %.4f s: %s", p->script->name, p->line, (double)p->now / 1e9, why);
}

static uint8_t guest_byte(uint32_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

static int on_emit(void *ctx, const struct tcp_out *out)
{
	struct player *p = ctx;

	if (p->is_blocked)
		return -1;
	if (p->n_sent == SENT_MAX)
		fail_at(p, "sends without end");
	if (out->len && out->offset + out->len > p->written - p->consumed)
		fail_at(p, "sends more than the source holds");
	if (out->len && out->gso_size && out->gso_size >= out->len)
		fail_at(p, "a GSO unit of one segment");
	if (out->opt.has_ts)
		p->last_ts = out->opt.ts_val;
	p->sent[p->n_sent++] = (struct sent){ *out, p->now };
	return 0;
}

static size_t on_avail(void *ctx, bool *ret_fin)
{
	struct player *p = ctx;

	*ret_fin = p->fin;
	return p->written - p->consumed;
}

static void on_consumed(void *ctx, size_t n)
{
	struct player *p = ctx;

	p->consumed += n;
	if (p->consumed > p->written)
		fail_at(p, "consumed more than was written");
}

static size_t on_deliver(void *ctx, const uint8_t *data, size_t len)
{
	struct player *p = ctx;
	size_t n = len < p->room ? len : p->room;

	for (size_t i = 0; i < n; i++)
		if (data[i] != guest_byte((uint32_t)(p->took + i + 1)))
			fail_at(p, "wrong bytes delivered");
	p->took += n;
	p->room -= n;
	return n;
}

static void on_event(void *ctx, enum tcp_event event)
{
	struct player *p = ctx;

	if (p->n_events == 4)
		fail_at(p, "events without end");
	p->event[p->n_events++] = event;
}

static const struct tcp_ops ops = { on_emit, on_avail, on_consumed, on_deliver, on_event };

/* ---- reading a line ---- */

struct step {
	struct tcp_segment seg;
	bool has_ack, has_window, has_options, ts_any, ts_echo, is_dup, has_gso;
	uint32_t gso;
};

static uint8_t parse_flags(const struct player *p, const char *word)
{
	uint8_t flags = 0;

	for (; *word; word++) {
		const char *at = strchr("FSRP.", *word);

		if (!at)
			fail_at(p, "bad flags");
		flags |= (uint8_t)(1 << (at - "FSRP."));
	}
	return flags;
}

static void parse_option(const struct player *p, const char *word, struct step *st)
{
	struct tcp_options *o = &st->seg.opt;
	unsigned a, b;

	if (sscanf(word, "mss %u", &a) == 1) {
		o->mss = (uint16_t)a;
	} else if (sscanf(word, "wscale %u", &a) == 1) {
		o->has_wscale = true;
		o->wscale = (uint8_t)a;
	} else if (!strcmp(word, "sackOK")) {
		o->sack_permitted = true;
	} else if (sscanf(word, "ts *:%u", &b) == 1) {
		o->has_ts = st->ts_any = true;
		o->ts_ecr = b;
	} else if (sscanf(word, "ts %u:%u", &a, &b) == 2) {
		o->has_ts = true;
		o->ts_val = a;
		o->ts_ecr = b;
	} else if (sscanf(word, "ts %u", &a) == 1) {
		o->has_ts = st->ts_echo = true;
		o->ts_val = a;
	} else if (sscanf(word, "sack %u:%u", &a, &b) == 2) {
		o->sack[o->n_sack++] = (struct tcp_range){ a, b };
	} else {
		fail_at(p, "bad option");
	}
}

static void parse_segment(const struct player *p, char *text, struct step *st)
{
	char flags[8], *options = strchr(text, '<'), *save;
	unsigned from, to, len, n;
	int used;

	*st = (struct step){ 0 };
	if (options) {
		*options++ = 0;
		*strchr(options, '>') = 0;
		st->has_options = true;
		for (char *w = strtok_r(options, ",", &save); w; w = strtok_r(NULL, ",", &save))
			parse_option(p, w, st);
	}
	if (sscanf(text, " %7s %u:%u(%u)%n", flags, &from, &to, &len, &used) != 4 || to - from != len)
		fail_at(p, "bad segment");
	st->seg.flags = parse_flags(p, flags);
	st->seg.seq = from;
	st->seg.len = len;
	for (char *w = strtok_r(text + used, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *value = strcmp(w, "dup") ? strtok_r(NULL, " ", &save) : NULL;

		n = value ? (unsigned)strtoul(value, NULL, 10) : 0;
		if (!strcmp(w, "dup"))
			st->is_dup = true;
		else if (!strcmp(w, "ack"))
			st->seg.ack = n, st->has_ack = true;
		else if (!strcmp(w, "win"))
			st->seg.window = (uint16_t)n, st->has_window = true;
		else if (!strcmp(w, "gso"))
			st->gso = n, st->has_gso = true;
		else
			fail_at(p, "bad word");
	}
}

/* ---- steps ---- */

static void guest_sends(struct player *p, char *text)
{
	struct tcp_segment seg;
	struct step st;

	parse_segment(p, text, &st);
	seg = st.seg;
	for (uint32_t i = 0; i < seg.len; i++)
		p->data[i] = (uint8_t)(guest_byte(seg.seq + i) + st.is_dup);
	seg.data = seg.len ? p->data : NULL;
	seg.seq += GUEST_ISS;
	if (st.has_ack)
		seg.ack += OUR_ISS;
	if (st.ts_echo)
		seg.opt.ts_ecr = p->last_ts;
	for (size_t i = 0; i < seg.opt.n_sack; i++) {
		seg.opt.sack[i].start += OUR_ISS;
		seg.opt.sack[i].end += OUR_ISS;
	}
	if (!p->is_there) {
		if (!tcp_conn_passive(&p->conn, &p->common, p, &p->params, &seg, p->now))
			fail_at(p, "no SYN");
		p->is_there = true;
		return;
	}
	if (tcp_conn_input(&p->conn, &seg, p->now) == TCP_REUSE) {
		tcp_conn_drop(&p->conn);
		tcp_conn_passive(&p->conn, &p->common, p, &p->params, &seg, p->now);
	}
	tcp_conn_output(&p->conn, p->now);
}

static void tell(const struct player *p, const struct sent *s, const char *why)
{
	const struct tcp_out *o = &s->out;
	char text[400];
	int n = snprintf(text, sizeof text, "%s; sent at %.4f: flags %02x %u:%u(%u) ack %u win %u gso %u mss %u", why,
			 (double)s->at / 1e9, o->flags, o->seq - OUR_ISS, o->seq - OUR_ISS + o->len, o->len,
			 o->ack - GUEST_ISS, o->window, o->gso_size, o->opt.mss);

	for (size_t i = 0; i < o->opt.n_sack; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " sack %u:%u", o->opt.sack[i].start - GUEST_ISS,
			      o->opt.sack[i].end - GUEST_ISS);
	fail_at(p, text);
}

static bool same_options(const struct step *st, const struct tcp_options *o)
{
	const struct tcp_options *w = &st->seg.opt;

	if (o->n_sack != w->n_sack)
		return false;
	for (size_t i = 0; i < o->n_sack; i++)
		if (o->sack[i].start - GUEST_ISS != w->sack[i].start || o->sack[i].end - GUEST_ISS != w->sack[i].end)
			return false;
	if (!st->has_options)
		return true;
	return o->mss == w->mss && o->has_wscale == w->has_wscale && o->wscale * o->has_wscale == w->wscale &&
	       o->sack_permitted == w->sack_permitted && o->has_ts == w->has_ts &&
	       (!w->has_ts || o->ts_ecr == w->ts_ecr);
}

static void we_send(struct player *p, char *text)
{
	const struct sent *s = p->sent;
	struct step st;

	parse_segment(p, text, &st);
	if (!p->n_sent)
		fail_at(p, "nothing was sent");
	if (s->at / 1000000 != p->now / 1000000)
		tell(p, s, "another time");
	if (s->out.flags & TCPF_RST && !s->out.seq && !st.seg.seq) /* the RST to a SYN has number 0 */
		st.seg.seq -= OUR_ISS;
	if (s->out.flags != st.seg.flags || s->out.seq - OUR_ISS != st.seg.seq || s->out.len != st.seg.len)
		tell(p, s, "another segment");
	if (st.has_ack && s->out.ack - GUEST_ISS != st.seg.ack)
		tell(p, s, "another ACK");
	if (st.has_window && s->out.window != st.seg.window)
		tell(p, s, "another window");
	if (st.has_gso && s->out.gso_size != st.gso)
		tell(p, s, "another size of GSO");
	if (!same_options(&st, &s->out.opt))
		tell(p, s, "other options");
	p->n_sent--;
	memmove(p->sent, p->sent + 1, p->n_sent * sizeof *p->sent);
}

static bool check_step(struct player *p, const char *verb, const char *arg)
{
	size_t n = strtoul(arg, NULL, 10);

	if (!strcmp(verb, "state")) {
		if (strcmp(tcp_state_str(p->conn.state), arg))
			fail_at(p, tcp_state_str(p->conn.state));
	} else if (!strcmp(verb, "event")) {
		if (!p->n_events || strcmp(events[p->event[0]], arg))
			fail_at(p, p->n_events ? events[p->event[0]] : "no event");
		p->n_events--;
		memmove(p->event, p->event + 1, p->n_events * sizeof *p->event);
	} else if (!strcmp(verb, "took")) {
		if (p->took != n)
			fail_at(p, "took another number");
	} else if (!strcmp(verb, "consumed")) {
		if (p->consumed != n)
			fail_at(p, "consumed another number");
	} else {
		return false;
	}
	return true;
}

static void act(struct player *p, const char *verb, const char *arg)
{
	size_t n = strtoul(arg, NULL, 10);

	if (check_step(p, verb, arg))
		return;
	if (!strcmp(verb, "mtu"))
		p->params.mtu = (uint16_t)n;
	else if (!strcmp(verb, "ip6"))
		p->params.is_ip6 = true;
	else if (!strcmp(verb, "space"))
		p->params.space = (uint32_t)n;
	else if (!strcmp(verb, "open"))
		tcp_conn_active(&p->conn, &p->common, p, &p->params, p->now), p->is_there = true;
	else if (!strcmp(verb, "accept"))
		tcp_conn_accept(&p->conn, p->now);
	else if (!strcmp(verb, "refuse"))
		tcp_conn_refuse(&p->conn);
	else if (!strcmp(verb, "abort"))
		tcp_conn_abort(&p->conn);
	else if (!strcmp(verb, "write"))
		p->written += n, tcp_conn_output(&p->conn, p->now);
	else if (!strcmp(verb, "fin"))
		p->fin = true, tcp_conn_output(&p->conn, p->now);
	else if (!strcmp(verb, "block"))
		p->is_blocked = true;
	else if (!strcmp(verb, "unblock"))
		p->is_blocked = false, tcp_conn_output(&p->conn, p->now);
	else if (!strcmp(verb, "room")) /* what the sink takes; it holds bytes already */
		p->room = n, tcp_conn_set_space(&p->conn, (uint32_t)n, true, p->now);
	else if (!strcmp(verb, "room-empty")) /* the same of a sink that holds none */
		p->room = n, tcp_conn_set_space(&p->conn, (uint32_t)n, false, p->now);
	else
		fail_at(p, "unknown step");
}

static void pass_time(struct player *p, nsec_t until)
{
	while (p->is_there && tcp_conn_next(&p->conn) <= until) {
		p->now = nsec_max(p->now, tcp_conn_next(&p->conn));
		tcp_conn_run(&p->conn, p->now);
	}
	p->now = until;
}

static void play_line(struct player *p, char *line)
{
	char verb[16] = "", arg[32] = "", *rest;
	double seconds;
	bool is_sum = *line == '+';
	nsec_t at;

	if (!*line || *line == '#')
		return;
	seconds = strtod(line, &rest);
	at = (nsec_t)(seconds * 1e6 + 0.5) * 1000 + (is_sum ? p->now : 0);
	while (*rest == ' ')
		rest++;
	pass_time(p, at);
	if (*rest == '>') {
		we_send(p, rest + 1);
		return;
	}
	sscanf(rest, "%15s %31s", verb, arg);
	if (p->n_sent && strcmp(verb, "event"))
		tell(p, p->sent, "not asked for");
	if (*rest == '<') {
		guest_sends(p, rest + 1);
		return;
	}
	if (p->n_events && strcmp(verb, "event"))
		fail_at(p, events[p->event[0]]);
	act(p, verb, arg);
}

void script_play(const struct script *s)
{
	struct player *p = calloc(1, sizeof *p);
	char *text = strdup(s->text), *rest = text, *line;

	ck_assert(p && text);
	p->script = s;
	p->room = SINK_ROOM;
	p->params = (struct tcp_params){ .iss = OUR_ISS, .ts_offset = 7, .space = SINK_ROOM, .mtu = 1500 };
	tcp_common_init(&p->common, &ops);
	while ((line = strsep(&rest, "\n"))) {
		p->line++;
		play_line(p, line);
	}
	if (p->n_sent)
		tell(p, p->sent, "not asked for");
	if (p->n_events)
		fail_at(p, events[p->event[0]]);
	if (p->is_there)
		tcp_conn_drop(&p->conn);
	ck_assert_uint_eq(p->common.store.bytes, 0);
	free(text);
	free(p);
}
