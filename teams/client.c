/* teams/client.c: calls to a supervisor.
 *
 * A supervisor that was stopped accepts connections (the kernel does) and what is written,
 * and says nothing. One that works answers a ping among whatever else it does, so silence
 * alone tells the one from the other, however long an answer takes.
 *
 * Used by: the commands, test_run.c.   Depends on: core/control.h. */
#include "teams/client.h"

#include "core/bytes.h"
#include "core/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

int client_open(const struct store *store, const char *team, int *ret_fd)
{
	CLEANUP(free) char *path = NULL;
	int r;

	if (!store_name_is_valid(team))
		return -ENOENT;
	path = store_socket(store, team);
	r = control_connect(path, ret_fd);
	return r == -ECONNREFUSED || r == -ENOTDIR ? -ENOENT : r;
}

/* ---- signs of life ------------------------------------------------------------------ */

void client_pulse_heard(struct client_pulse *p, nsec_t now)
{
	*p = (struct client_pulse){ .heard = now };
}

nsec_t client_pulse_at(const struct client_pulse *p)
{
	return p->heard + (p->has_asked ? CLIENT_SILENCE_S : CLIENT_ASK_S) * NSEC_PER_SEC;
}

int client_pulse_due(struct client_pulse *p, int fd, nsec_t now)
{
	json_t *ask;
	int r;

	if (now < client_pulse_at(p))
		return 0;
	if (p->has_asked)
		return -ETIMEDOUT;
	p->has_asked = true;
	ask = json_pack("{s:s,s:i}", "do", "ping", "id", 0);
	r = control_write_msg(fd, ask);
	json_decref(ask);
	return r;
}

/* ---- calls -------------------------------------------------------------------------- */

static json_int_t next_id(void)
{
	static json_int_t last;

	return ++last;
}

/* Takes what came into @ret_reply when it answers @id. Returns 1 then, 0 for what is not, -errno. */
static int take(int fd, json_int_t id, client_part_fn *fn, void *ctx, json_t **ret_reply)
{
	json_t *in;
	int r = control_read_msg_within(fd, CLIENT_SILENCE_S * NSEC_PER_SEC, &in);

	if (r < 0)
		return r;
	/* Who is turned away is answered without a number. */
	if (json_object_get(in, "ok") && (!json_object_get(in, "id") || json_integer_value(json_object_get(in, "id")) == id)) {
		*ret_reply = in;
		return 1;
	}
	if (fn)
		fn(ctx, in);
	json_decref(in);
	return 0;
}

/* Waits for input until @until. Returns whether there is some (the end, too); -ECANCELED when nobody reads
 * @reader_fd; -errno. */
static int wait_input(int fd, int reader_fd, nsec_t until)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = reader_fd } };
	nsec_t left = nsec_max(until - clock_now(), 0);
	struct timespec ts = { .tv_sec = left / NSEC_PER_SEC, .tv_nsec = left % NSEC_PER_SEC };
	int n = ppoll(p, 2, &ts, NULL);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (n > 0 && p[1].revents)
		return -ECANCELED;
	return n > 0;
}

int client_call(int fd, json_t *msg, client_part_fn *fn, void *ctx, json_t **ret_reply)
{
	return client_call_read(fd, msg, -1, fn, ctx, ret_reply);
}

int client_call_read(int fd, json_t *msg, int reader_fd, client_part_fn *fn, void *ctx, json_t **ret_reply)
{
	json_int_t id = next_id();
	struct client_pulse pulse;
	int r;

	(void)json_object_set_new(msg, "id", json_integer(id));
	r = control_write_msg(fd, msg);
	json_decref(msg);
	client_pulse_heard(&pulse, clock_now());
	while (r == 0) {
		r = wait_input(fd, reader_fd, client_pulse_at(&pulse));
		if (r == 0)
			r = client_pulse_due(&pulse, fd, clock_now());
		else if (r > 0) {
			r = take(fd, id, fn, ctx, ret_reply);
			client_pulse_heard(&pulse, clock_now());
		}
	}
	return r > 0 ? 0 : r;
}

int client_call_within(int fd, json_t *msg, nsec_t limit_ns, json_t **ret_reply)
{
	nsec_t until = clock_now() + limit_ns;
	json_int_t id = next_id();
	int r;

	(void)json_object_set_new(msg, "id", json_integer(id));
	r = control_write_msg(fd, msg);
	json_decref(msg);
	while (r == 0) {
		r = wait_input(fd, -1, until);
		if (r > 0)
			r = take(fd, id, NULL, NULL, ret_reply);
		else if (r == 0 && clock_now() >= until)
			r = -ETIMEDOUT;
	}
	return r > 0 ? 0 : r;
}

int client_reply_status(json_t *reply, const char **ret_error)
{
	json_t *status = json_object_get(reply, "status");
	const char *error = json_string_value(json_object_get(reply, "error"));

	*ret_error = NULL;
	if (json_is_true(json_object_get(reply, "ok")))
		return 0;
	*ret_error = error ? error : "the supervisor refused";
	return json_is_integer(status) ? (int)json_integer_value(status) : 1;
}

void client_wait(nsec_t duration_ns)
{
	(void)client_wait_read(duration_ns, -1);
}

bool client_wait_read(nsec_t duration_ns, int reader_fd)
{
	struct pollfd p = { .fd = reader_fd };
	struct timespec ts = { .tv_sec = duration_ns / NSEC_PER_SEC,
			       .tv_nsec = duration_ns % NSEC_PER_SEC };

	return ppoll(&p, 1, &ts, NULL) <= 0;
}
