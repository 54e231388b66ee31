/* dhcp/tftp.c: a TFTP server.
 *
 * A session stands at the first block that was not acknowledged: s->at is where that block begins. In octet mode
 * that follows from the block's number; in netascii what was read grows on its way, so the place is carried along, and a
 * window is made anew from there each time it is sent.
 *
 * Used by: teams/uplink_tftp.c. */
#include "dhcp/tftp.h"

#include "core/heap.h"
#include "core/prng.h"
#include "core/wire.h"
#include "dhcp/tftp_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NOTHING = -1 };

/* Where a block begins. */
struct place {
	uint64_t offset; /* in the file */
	int16_t second; /* netascii: the second byte of a pair whose first one was sent; NOTHING */
};

struct session {
	struct heap_item timer; /* first; NSEC_NEVER: the session is free */
	struct tftp_peer peer;
	uint16_t port; /* its own; 0: free */
	void *file; /* owned */
	uint64_t size;
	uint32_t block_size, window;
	bool is_netascii;
	bool waits_oack; /* for the ACK of block 0, which acknowledges the OACK */
	bool has_last; /* the last block was sent */
	bool was_repeated; /* an ACK that came twice was heeded since the last progress */
	uint64_t acked, sent; /* numbers of blocks, from 1 */
	uint64_t last;
	struct place at; /* of block acked + 1 */
	nsec_t wait, wait_max; /* until the time-out */
	nsec_t wait_first, sent_at, progress_at, rtt; /* rtt: the shortest seen; 0: none yet */
	unsigned n_tries;
	uint8_t oack[TFTP_OACK_MAX];
	size_t oack_len;
};

struct tftp {
	struct tftp_ops ops;
	struct prng rng;
	struct heap timers;
	size_t n;
	struct tftp_counters counters;
	struct session sessions[TFTP_SESSION_COUNT];
	uint8_t raw[TFTP_BLOCK_MAX];
	uint8_t msg[TFTP_HEAD_LEN + TFTP_BLOCK_MAX];
};

int tftp_new(uint64_t seed, const struct tftp_ops *ops, struct tftp **ret_tftp)
{
	struct tftp *t = calloc(1, sizeof *t);

	if (!t || heap_reserve(&t->timers, TFTP_SESSION_COUNT) < 0) {
		free(t);
		return -ENOMEM;
	}
	t->ops = *ops;
	prng_init(&t->rng, seed, "tftp");
	for (uint32_t i = 0; i < TFTP_SESSION_COUNT; i++)
		heap_item_init(&t->sessions[i].timer, i);
	*ret_tftp = t;
	return 0;
}

/* ---- sessions ---------------------------------------------------------------------------- */

static void end(struct tftp *t, struct session *s)
{
	t->ops.close(t->ops.ctx, s->file);
	heap_move(&t->timers, &s->timer, NSEC_NEVER);
	s->file = NULL;
	s->port = 0;
	t->n--;
}

struct tftp *tftp_free(struct tftp *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < TFTP_SESSION_COUNT; i++)
		if (t->sessions[i].port)
			end(t, &t->sessions[i]);
	heap_done(&t->timers);
	free(t);
	return NULL;
}

static bool is_same_server(const struct tftp_peer *a, const struct tftp_peer *b)
{
	return a->network == b->network && ip_equal(&a->server, &b->server);
}

static bool is_same_client(const struct tftp_peer *a, const struct tftp_peer *b)
{
	return is_same_server(a, b) && a->port == b->port && ip_equal(&a->client, &b->client);
}

/* The session that has @port at the server which @peer speaks to. */
static struct session *at_port(struct tftp *t, const struct tftp_peer *peer, uint16_t port)
{
	for (size_t i = 0; i < TFTP_SESSION_COUNT; i++)
		if (t->sessions[i].port == port && is_same_server(&t->sessions[i].peer, peer))
			return &t->sessions[i];
	return NULL;
}

/* The session of this very client and port. */
static struct session *of_client(struct tftp *t, const struct tftp_peer *peer)
{
	for (size_t i = 0; i < TFTP_SESSION_COUNT; i++)
		if (t->sessions[i].port && is_same_client(&t->sessions[i].peer, peer))
			return &t->sessions[i];
	return NULL;
}

static uint16_t fresh_port(struct tftp *t, const struct tftp_peer *peer)
{
	uint16_t port;

	do
		port = (uint16_t)(TFTP_PORT_FIRST + prng_below(&t->rng, UINT16_MAX + 1 - TFTP_PORT_FIRST));
	while (at_port(t, peer, port));
	return port;
}

/* A free session for @source. Without room the one that waits longest for its client ends: of the source, when it has its
 * number, else of all. */
static struct session *make_room(struct tftp *t, uint64_t source)
{
	struct session *own = NULL, *any = NULL, *free_one = NULL, *gone;
	unsigned n_own = 0;

	for (size_t i = 0; i < TFTP_SESSION_COUNT; i++) {
		struct session *s = &t->sessions[i];

		if (!s->port) {
			free_one = s;
			continue;
		}
		if (!any || s->progress_at < any->progress_at)
			any = s;
		if (s->peer.source != source)
			continue;
		n_own++;
		if (!own || s->progress_at < own->progress_at)
			own = s;
	}
	gone = n_own >= TFTP_SOURCE_MAX ? own : free_one ? NULL : any;
	if (!gone)
		return free_one;
	t->counters.evicted++;
	end(t, gone);
	return gone;
}

/* ---- sending ------------------------------------------------------------------------------ */

static void tell_error(struct tftp *t, const struct tftp_peer *to, uint16_t port, enum tftp_error error,
		       const char *text, nsec_t now)
{
	uint8_t buf[TFTP_ERROR_MAX];

	t->ops.send(t->ops.ctx, to, port, buf, tftp_error_put(error, text, buf), now);
}

static ssize_t read_file(struct tftp *t, const struct session *s, uint64_t offset, uint8_t *buf)
{
	uint64_t left = offset < s->size ? s->size - offset : 0;
	size_t want = left < s->block_size ? (size_t)left : s->block_size;
	ssize_t n = want ? t->ops.read(t->ops.ctx, s->file, offset, buf, want) : 0;

	return n > (ssize_t)want ? -EIO : n;
}

/* The block at @at in netascii: LF is CR LF, and CR is CR NUL (RFC 764). Moves @at behind it. Returns its length. */
static ssize_t make_netascii(struct tftp *t, const struct session *s, struct place *at, uint8_t *buf)
{
	ssize_t have = read_file(t, s, at->offset, t->raw);
	uint32_t n = 0;

	if (have < 0)
		return have;
	if (at->second != NOTHING)
		buf[n++] = (uint8_t)at->second;
	at->second = NOTHING;
	for (ssize_t i = 0; i < have && n < s->block_size; i++) {
		uint8_t c = t->raw[i];
		bool is_pair = c == '\n' || c == '\r';
		uint8_t second = c == '\n' ? '\n' : 0;

		at->offset++;
		buf[n++] = is_pair ? '\r' : c;
		if (is_pair && n < s->block_size)
			buf[n++] = second;
		else if (is_pair)
			at->second = second;
	}
	return n;
}

/* The block at @at. Moves @at behind it. Returns its length; less than the block size: it is the last one; -errno. */
static ssize_t make_block(struct tftp *t, const struct session *s, struct place *at, uint8_t *buf)
{
	ssize_t n;

	if (s->is_netascii)
		return make_netascii(t, s, at, buf);
	n = read_file(t, s, at->offset, buf);
	if (n > 0)
		at->offset += (uint64_t)n;
	return n;
}

static void arm(struct tftp *t, struct session *s, nsec_t now)
{
	s->sent_at = now;
	heap_move(&t->timers, &s->timer, now + s->wait);
}

/* Sends the blocks from the first that was not acknowledged on. */
static void send_window(struct tftp *t, struct session *s, nsec_t now)
{
	struct place at = s->at;

	for (uint64_t block = s->acked + 1; block <= s->acked + s->window; block++) {
		ssize_t n = make_block(t, s, &at, t->msg + TFTP_HEAD_LEN);

		if (n < 0) {
			t->counters.failed++;
			tell_error(t, &s->peer, s->port, TFTP_UNDEFINED, "the file cannot be read", now);
			end(t, s);
			return;
		}
		store_be16(t->msg, TFTP_DATA);
		store_be16(t->msg + 2, (uint16_t)block);
		t->counters.blocks++;
		t->ops.send(t->ops.ctx, &s->peer, s->port, t->msg, TFTP_HEAD_LEN + (size_t)n, now);
		s->sent = block;
		if (n < (ssize_t)s->block_size) {
			s->has_last = true;
			s->last = block;
			break;
		}
	}
	arm(t, s, now);
}

/* Sends what the client waits for. */
static void send_current(struct tftp *t, struct session *s, nsec_t now)
{
	if (!s->waits_oack) {
		send_window(t, s, now);
		return;
	}
	t->ops.send(t->ops.ctx, &s->peer, s->port, s->oack, s->oack_len, now);
	arm(t, s, now);
}

/* ---- requests ------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What was asked for becomes what is done, and the OACK that says so. */
static void settle_options(struct session *s, struct tftp_request *q)
{
	struct tftp_request told = *q;
	uint64_t value[TFTP_OPTION_COUNT];

	memcpy(value, q->value, sizeof value);
	value[TFTP_BLKSIZE] = least(value[TFTP_BLKSIZE], least(s->peer.block_max, TFTP_BLOCK_MAX));
	value[TFTP_WINDOWSIZE] = least(value[TFTP_WINDOWSIZE], TFTP_WINDOW_MAX);
	value[TFTP_TSIZE] = s->size;
	told.n_options = 0;
	for (size_t i = 0; i < q->n_options; i++) {
		enum tftp_option o = q->order[i];

		/* Nobody knows how long a file is in netascii before it was read. */
		if (o == TFTP_TSIZE && q->is_netascii)
			continue;
		told.order[told.n_options++] = o;
		if (o == TFTP_BLKSIZE)
			s->block_size = (uint32_t)value[o];
		else if (o == TFTP_WINDOWSIZE)
			s->window = (uint32_t)value[o];
		else if (o == TFTP_TIMEOUT)
			s->wait = (nsec_t)value[o] * NSEC_PER_SEC;
	}
	s->oack_len = tftp_oack_put(&told, value, s->oack);
	s->waits_oack = s->oack_len > 0;
}

static void begin(struct tftp *t, const struct tftp_peer *from, struct tftp_request *q, nsec_t now)
{
	struct heap_item timer;
	struct session *s;
	void *file = NULL;
	uint64_t size = 0;
	int r = t->ops.open(t->ops.ctx, from->network, q->name, &file, &size);

	if (r < 0) {
		(*(r == -ENOENT ? &t->counters.not_found : &t->counters.denied))++;
		tell_error(t, from, TFTP_PORT, r == -ENOENT ? TFTP_NOT_FOUND : TFTP_ACCESS,
			   r == -ENOENT ? "no such file" : "it may not be read", now);
		return;
	}
	s = make_room(t, from->source);
	timer = s->timer;
	*s = (struct session){ .timer = timer,
			       .peer = *from,
			       .port = fresh_port(t, from),
			       .file = file,
			       .size = size,
			       .block_size = TFTP_BLOCK_DEFAULT,
			       .window = 1,
			       .is_netascii = q->is_netascii,
			       .at = { 0, NOTHING },
			       .wait = TFTP_WAIT_NS,
			       .progress_at = now };
	settle_options(s, q);
	s->wait_first = s->wait;
	s->wait_max = s->wait > TFTP_WAIT_MAX_NS ? s->wait : TFTP_WAIT_MAX_NS;
	t->n++;
	t->counters.opened++;
	send_current(t, s, now);
}

static void refuse(struct tftp *t, const struct tftp_peer *from, enum tftp_verdict v, nsec_t now)
{
	if (v == TFTP_MALFORMED) {
		t->counters.malformed++;
		return;
	}
	t->counters.denied++;
	tell_error(t, from, TFTP_PORT, v == TFTP_BAD_MODE ? TFTP_ILLEGAL : TFTP_ACCESS,
		   v == TFTP_BAD_MODE ? "the mode is octet or netascii" : "not a name below the folder", now);
}

static void take_request(struct tftp *t, const struct tftp_peer *from, const uint8_t *msg, size_t len, nsec_t now)
{
	struct tftp_request q;
	enum tftp_verdict v = tftp_request_parse(msg, len, &q);
	struct session *s = of_client(t, from);

	t->counters.requests++;
	if (v != TFTP_MALFORMED && q.is_write) {
		t->counters.writes++;
		tell_error(t, from, TFTP_PORT, TFTP_ACCESS, "nothing is written here", now);
		return;
	}
	if (v != TFTP_GOOD) {
		refuse(t, from, v, now);
		return;
	}
	/* The client did not see the answer, and its request comes again; or it begins anew on its old port. The timer
	 * sends again what is lost, so nothing is sent twice here. */
	if (s && s->acked == 0 && !s->n_tries && now - s->progress_at < s->wait)
		return;
	if (s) {
		t->counters.aborted++;
		end(t, s);
	}
	begin(t, from, &q, now);
}

/* ---- acknowledgements -------------------------------------------------------------------------- */

static void progress(struct session *s, nsec_t now)
{
	nsec_t rtt = now - s->sent_at;

	/* Karn: what was sent twice tells no time. */
	if (!s->n_tries && !s->was_repeated && (!s->rtt || rtt < s->rtt))
		s->rtt = rtt > 0 ? rtt : 1;
	s->progress_at = now;
	s->n_tries = 0;
	s->was_repeated = false;
	s->wait = s->wait_first;
}

/* Moves behind @n blocks that the client has. Returns false when the file cannot be read any more. */
static bool pass(struct tftp *t, struct session *s, uint64_t n)
{
	s->acked += n;
	if (!s->is_netascii) {
		s->at.offset = s->acked * s->block_size;
		return true;
	}
	while (n--)
		if (make_netascii(t, s, &s->at, t->msg + TFTP_HEAD_LEN) < 0)
			return false;
	return true;
}

/* The ACK of what is acknowledged already. */
static void take_repeated(struct tftp *t, struct session *s, nsec_t now)
{
	if (s->window == 1 || s->was_repeated || !s->rtt || now - s->sent_at < s->rtt) {
		t->counters.duplicates++;
		return;
	}
	s->was_repeated = true;
	t->counters.resent++;
	send_window(t, s, now);
}

static void take_ack(struct tftp *t, struct session *s, uint16_t number, nsec_t now)
{
	uint64_t n = (uint16_t)(number - (uint16_t)s->acked);

	if (s->waits_oack) {
		if (number != 0)
			return;
		s->waits_oack = false;
		progress(s, now);
		send_window(t, s, now);
		return;
	}
	if (n == 0) {
		take_repeated(t, s, now);
		return;
	}
	if (n > s->sent - s->acked) {
		t->counters.duplicates++;
		return;
	}
	progress(s, now);
	if (s->has_last && s->acked + n == s->last) {
		t->counters.completed++;
		end(t, s);
		return;
	}
	if (!pass(t, s, n)) {
		t->counters.failed++;
		end(t, s);
		return;
	}
	send_window(t, s, now);
}

static void take_for_session(struct tftp *t, struct session *s, const uint8_t *msg, size_t len, nsec_t now)
{
	struct wire_reader r = wire_read_from(msg, len);
	uint16_t op = wire_get_be16(&r), number = wire_get_be16(&r);

	if (r.failed) {
		t->counters.malformed++;
	} else if (op == TFTP_ACK) {
		take_ack(t, s, number, now);
	} else if (op == TFTP_ERROR) {
		/* UEFI asks for a file's size, and ends so. */
		t->counters.aborted++;
		end(t, s);
	} else {
		t->counters.malformed++;
	}
}

bool tftp_take(struct tftp *t, const struct tftp_peer *from, uint16_t port, const uint8_t *msg, size_t len, nsec_t now)
{
	struct session *s;

	if (!from->port)
		return port == TFTP_PORT;
	if (port == TFTP_PORT) {
		take_request(t, from, msg, len, now);
		return true;
	}
	s = port >= TFTP_PORT_FIRST ? at_port(t, from, port) : NULL;
	if (!s)
		return false;
	if (is_same_client(&s->peer, from)) {
		take_for_session(t, s, msg, len, now);
		return true;
	}
	/* RFC 1350 §4: the sender is told, and the session goes on. An ERROR is not answered by one. */
	t->counters.strangers++;
	if (len < 2 || load_be16(msg) != TFTP_ERROR)
		tell_error(t, from, port, TFTP_UNKNOWN_TID, "this port is another's", now);
	return true;
}

/* ---- time ------------------------------------------------------------------------------------------ */

nsec_t tftp_next(const struct tftp *t)
{
	return heap_next(&t->timers);
}

void tftp_run(struct tftp *t, nsec_t now)
{
	while (heap_next(&t->timers) <= now) {
		struct session *s = (struct session *)heap_first(&t->timers);

		if (s->n_tries == TFTP_TRIES_MAX) {
			t->counters.timed_out++;
			end(t, s);
			continue;
		}
		s->n_tries++;
		s->wait = s->wait * 2 < s->wait_max ? s->wait * 2 : s->wait_max;
		t->counters.resent++;
		send_current(t, s, now);
	}
}

size_t tftp_sessions(const struct tftp *t)
{
	return t->n;
}

const struct tftp_counters *tftp_counters(const struct tftp *t)
{
	return &t->counters;
}
