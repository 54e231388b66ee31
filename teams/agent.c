/* teams/agent.c: the guest agent client.
 *
 * States: SYNCING (a sync is called out again and again; all input is dropped
 * up to the 0xFF that precedes the answer with our number), IDLE, CALLING (one
 * request on the wire), DEAD (the stream ended). A call that times out leaves
 * an answer in the stream that nobody wants: the state goes back to SYNCING,
 * whose number tells the stale from the fresh.
 *
 * Only the newest number will do: behind its answer the stream is empty, while others
 * are followed by more answers, and QEMU's agent says an error for each 0xFF it reads.
 * Where an answer takes longer than the interval, a newer number would always be on
 * its way. So an older one's answer ends the calling out: the newest's is to come.
 * The interval doubles, too: what is called out waits in the socket until the guest
 * opens its port, and the agent answers all of it.
 *
 * What a guest says is kept only while an answer is awaited, and only as much as
 * the question allows (agent_scan.c): bytes that nobody asked for are dropped up
 * to the end of their line. An answer beyond its bound fails the call, and the
 * stream is synced anew.
 *
 * The request's bytes are written as the socket takes them; while any are
 * left, no new sync is called out, so a guest that never reads costs a few
 * hundred bytes.
 *
 * Used by: vm.c, exec.c.   Depends on: core/loop.h, core/bytes.h.
 * Sources: QEMU docs/interop/qemu-ga-ref: guest-sync-delimited. */
#include "teams/agent.h"

#include "core/bytes.h"
#include "teams/agent_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SYNC_LEN_MAX = 256 };

enum agent_state { AGENT_NEW, AGENT_SYNCING, AGENT_IDLE, AGENT_CALLING, AGENT_DEAD };

struct call {
	struct call *next;
	char *line;
	nsec_t timeout_ns;
	struct agent_bound bound; /* of the answer */
	agent_reply_fn *fn; /* NULL: forgotten */
	void *ctx;
};

struct agent {
	struct loop *loop;
	int fd; /* owned */
	enum agent_state state;
	bool in_callback, wants_free;
	unsigned lacks; /* bits of enum agent_lack */
	struct loop_source *source, *timer;
	struct bytes in, out;
	size_t out_done; /* bytes of out already written */
	struct agent_scan scan; /* of what the call at hand was answered so far */
	bool skipping; /* up to the end of a line that nobody wants */
	unsigned sync_id; /* the number called out last */
	unsigned sync_first; /* called out in this SYNCING */
	unsigned sync_count; /* of the numbers called out in this SYNCING */
	agent_event_fn *sync_fn;
	void *sync_ctx;
	struct call *first, **last; /* the one on the wire is first */
	size_t n_calls;
};

static struct call *call_free(struct call *c)
{
	free(c->line);
	free(c);
	return NULL;
}

static void agent_destroy(struct agent *a)
{
	a->source = loop_remove(a->source);
	a->timer = loop_remove(a->timer);
	while (a->first) {
		struct call *c = a->first;

		a->first = c->next;
		(void)call_free(c);
	}
	if (a->fd >= 0)
		(void)close(a->fd);
	bytes_done(&a->in);
	bytes_done(&a->out);
	free(a);
}

struct agent *agent_free(struct agent *a)
{
	if (!a)
		return NULL;
	if (a->in_callback)
		a->wants_free = true;
	else
		agent_destroy(a);
	return NULL;
}

bool agent_is_synced(const struct agent *a)
{
	return a->state == AGENT_IDLE || a->state == AGENT_CALLING;
}

void agent_set_lack(struct agent *a, enum agent_lack what)
{
	a->lacks |= what;
}

bool agent_lacks(const struct agent *a, enum agent_lack what)
{
	return a->lacks & what;
}

/* The bound of a call is on silence: a long question or answer may take its time. */
static void heard(struct agent *a)
{
	if (a->state == AGENT_CALLING && a->first && a->first->timeout_ns != NSEC_NEVER)
		loop_set_timer(a->timer, clock_now() + a->first->timeout_ns);
}

static void flush(struct agent *a)
{
	while (a->out_done < a->out.len) {
		/* SYSCALLS(supervisor): sendto(4 null) */
		ssize_t n = send(a->fd, a->out.data + a->out_done, a->out.len - a->out_done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		a->out_done += (size_t)n;
		heard(a);
	}
	if (a->out_done == a->out.len) {
		bytes_done(&a->out);
		a->out_done = 0;
	}
	if (a->source)
		(void)loop_set_events(a->source, EPOLLIN | (a->out.len > 0 ? EPOLLOUT : 0));
}

nsec_t agent_sync_wait(unsigned n)
{
	nsec_t ms = AGENT_SYNC_MS;

	while (n-- > 0 && ms < AGENT_SYNC_MAX_MS)
		ms *= 2;
	return ms * NSEC_PER_MSEC;
}

static void send_sync(struct agent *a)
{
	loop_set_timer(a->timer, clock_now() + agent_sync_wait(a->sync_count));
	if (a->out.len > 0)
		return;
	a->sync_count++;
	a->sync_id++;
	bytes_printf(&a->out, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%u}}\n",
		     a->sync_id);
	flush(a);
}

/* Answers to what was called out so far are stale. */
static void begin_syncing(struct agent *a)
{
	a->state = AGENT_SYNCING;
	a->sync_first = a->sync_id + 1;
	a->sync_count = 0;
	bytes_done(&a->in);
}

static void start_next(struct agent *a)
{
	struct call *c = a->first;

	if (a->state != AGENT_IDLE || !c)
		return;
	a->state = AGENT_CALLING;
	a->scan = (struct agent_scan){ 0 };
	bytes_append_str(&a->out, c->line);
	loop_set_timer(a->timer, c->timeout_ns == NSEC_NEVER ? NSEC_NEVER
							     : clock_now() + c->timeout_ns);
	flush(a);
}

static void queue_call(struct agent *a, struct call *c)
{
	c->next = NULL;
	*a->last = c;
	a->last = &c->next;
	a->n_calls++;
}

static struct call *take_first(struct agent *a)
{
	struct call *c = a->first;

	a->first = c->next;
	if (!a->first)
		a->last = &a->first;
	a->n_calls--;
	return c;
}

/* Takes the first call off and answers it. May end the agent: the caller
 * looks at wants_free. */
static void answer_first(struct agent *a, json_t *result, const char *error)
{
	struct call *c = take_first(a);

	if (c->fn)
		c->fn(c->ctx, result, error);
	(void)call_free(c);
}

/* The call at hand gets no answer: @error, and the stream is synced anew. */
static void fail_call(struct agent *a, const char *error)
{
	begin_syncing(a);
	answer_first(a, NULL, error);
	if (a->state == AGENT_SYNCING && !a->wants_free)
		send_sync(a);
}

/* The agent is silent: what waits behind the call at hand fails, too, for it would wait until the agent
 * speaks again. Calls whose answer nobody awaits stay. */
static void fail_waiting(struct agent *a, const char *error)
{
	for (size_t n = a->n_calls; n > 0 && !a->wants_free; n--) {
		if (a->first->fn)
			answer_first(a, NULL, error);
		else
			queue_call(a, take_first(a));
	}
}

static void line_to_sync(struct agent *a, json_t *msg)
{
	json_t *id = json_object_get(msg, "return");
	json_int_t n = json_integer_value(id);

	if (!json_is_integer(id) || n < (json_int_t)a->sync_first || n > (json_int_t)a->sync_id)
		return;
	if (n != (json_int_t)a->sync_id) {
		loop_set_timer(a->timer, clock_now() + AGENT_SYNC_MAX_MS * NSEC_PER_MSEC);
		return;
	}
	a->state = AGENT_IDLE;
	loop_set_timer(a->timer, NSEC_NEVER);
	if (a->sync_fn) {
		agent_event_fn *fn = a->sync_fn;

		a->sync_fn = NULL;
		fn(a->sync_ctx);
	}
}

static void line_to_call(struct agent *a, json_t *msg)
{
	json_t *result = json_object_get(msg, "return"), *error = json_object_get(msg, "error");
	const char *text = json_string_value(json_object_get(error, "desc"));

	if (!result && !error)
		return;
	a->state = AGENT_IDLE;
	loop_set_timer(a->timer, NSEC_NEVER);
	if (result)
		answer_first(a, result, NULL);
	else
		answer_first(a, NULL, text ? text : "the guest agent refused, without a reason");
}

static void take_line(struct agent *a, const uint8_t *line, size_t len)
{
	const uint8_t *mark = memrchr(line, 0xff, len);
	json_t *msg;

	if (mark) {
		len -= (size_t)(mark + 1 - line);
		line = mark + 1;
	}
	msg = json_loadb((const char *)line, len, JSON_ALLOW_NUL, NULL);
	if (json_is_object(msg)) {
		if (a->state == AGENT_SYNCING)
			line_to_sync(a, msg);
		else if (a->state == AGENT_CALLING)
			line_to_call(a, msg);
	} else if (a->state == AGENT_CALLING) {
		fail_call(a, "the guest agent's answer is not JSON");
	}
	json_decref(msg);
}

static void stream_ended(struct agent *a)
{
	a->state = AGENT_DEAD;
	a->source = loop_remove(a->source);
	loop_set_timer(a->timer, NSEC_NEVER);
	while (a->first && !a->wants_free)
		answer_first(a, NULL, "the machine ended");
}

/* A sync's answer is short, and nothing before its 0xFF is of interest. */
static void keep_of_sync(struct agent *a, const uint8_t *data, size_t len)
{
	const uint8_t *mark = memrchr(data, 0xff, len);

	if (mark) {
		bytes_done(&a->in);
		a->skipping = false;
		len -= (size_t)(mark + 1 - data);
		data = mark + 1;
	}
	if (!a->skipping && a->in.len + len <= SYNC_LEN_MAX) {
		bytes_append(&a->in, data, len);
	} else {
		bytes_done(&a->in);
		a->skipping = true;
	}
}

/* A piece of a line. Keeps what the state lets it. */
static void take_piece(struct agent *a, const uint8_t *data, size_t len)
{
	if (a->state == AGENT_SYNCING)
		keep_of_sync(a, data, len);
	else if (a->state != AGENT_CALLING)
		a->skipping = true;
	else if (a->skipping)
		return;
	else if (agent_scan_add(&a->scan, &a->first->bound, data, len))
		bytes_append(&a->in, data, len);
	else {
		a->skipping = true;
		fail_call(a, "the guest agent's answer is larger than what was asked for");
	}
}

static void take_input(struct agent *a, const uint8_t *data, size_t len)
{
	while (!a->wants_free && len > 0) {
		const uint8_t *nl = memchr(data, '\n', len);
		size_t part = nl ? (size_t)(nl - data) : len;

		if (part > 0)
			take_piece(a, data, part);
		if (!nl || a->wants_free)
			return;
		if (!a->skipping && a->in.len > 0) {
			CLEANUP(bytes) struct bytes line = a->in;

			a->in = (struct bytes){ 0 };
			take_line(a, line.data, line.len);
		}
		agent_scan_new_line(&a->scan);
		a->skipping = false;
		data += part + 1;
		len -= part + 1;
	}
}

static void on_fd(void *ctx, int fd, uint32_t events)
{
	struct agent *a = ctx;
	uint8_t buf[65536];
	ssize_t n;

	a->in_callback = true;
	if (events & EPOLLOUT)
		flush(a);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		/* SYSCALLS(supervisor): recvfrom */
		n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n > 0) {
			heard(a);
			take_input(a, buf, (size_t)n);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			stream_ended(a);
		}
	}
	if (!a->wants_free)
		start_next(a);
	a->in_callback = false;
	if (a->wants_free)
		agent_destroy(a);
}

static void on_timer(void *ctx, nsec_t now)
{
	struct agent *a = ctx;

	(void)now;
	a->in_callback = true;
	if (a->state == AGENT_CALLING) {
		fail_call(a, "the guest agent does not answer");
		fail_waiting(a, "the guest agent does not answer");
	} else if (a->state == AGENT_SYNCING)
		send_sync(a);
	a->in_callback = false;
	if (a->wants_free)
		agent_destroy(a);
}

int agent_new(struct loop *loop, int fd, struct agent **ret_agent)
{
	struct agent *a = calloc(1, sizeof *a);
	int r;

	if (!a) {
		(void)close(fd);
		return -ENOMEM;
	}
	a->loop = loop;
	a->fd = fd;
	a->last = &a->first;
	r = loop_add_fd(loop, fd, EPOLLIN, on_fd, a, &a->source);
	if (r == 0)
		r = loop_add_timer(loop, NSEC_NEVER, on_timer, a, &a->timer);
	if (r < 0) {
		agent_destroy(a);
		return r;
	}
	*ret_agent = a;
	return 0;
}

void agent_sync(struct agent *a, agent_event_fn *fn, void *ctx)
{
	if (a->state == AGENT_DEAD)
		return;
	begin_syncing(a);
	a->lacks = 0;
	a->sync_fn = fn;
	a->sync_ctx = ctx;
	send_sync(a);
}

int agent_call(struct agent *a, const char *execute, json_t *args, nsec_t timeout_ns,
	       agent_reply_fn *fn, void *ctx)
{
	json_t *msg = json_pack("{s:s}", "execute", execute);
	json_t *count = json_object_get(args, "count");
	struct agent_bound bound =
		agent_bound_of(execute, json_is_integer(count) ? json_integer_value(count) : -1);
	struct call *c;
	char *text;

	if (args)
		(void)json_object_set_new(msg, "arguments", args);
	text = json_dumps(msg, JSON_COMPACT);
	json_decref(msg);
	if (!text)
		return -EINVAL;
	if (a->state == AGENT_DEAD || a->n_calls >= AGENT_QUEUE_MAX) {
		free(text);
		return a->state == AGENT_DEAD ? -EPIPE : -ENOBUFS;
	}
	c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->line = str_printf("%s\n", text);
	free(text);
	c->timeout_ns = timeout_ns;
	c->bound = bound;
	c->fn = fn;
	c->ctx = ctx;
	queue_call(a, c);
	if (!a->in_callback)
		start_next(a);
	return 0;
}

void agent_forget(struct agent *a, const void *ctx)
{
	for (struct call *c = a->first; c; c = c->next)
		if (c->ctx == ctx)
			c->fn = NULL;
	if (a->sync_ctx == ctx)
		a->sync_fn = NULL;
}
