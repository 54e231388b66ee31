/* teams/client.c: calls to a supervisor.
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

int client_call(int fd, json_t *msg, client_part_fn *fn, void *ctx, json_t **ret_reply)
{
	static json_int_t last_id;
	json_int_t id = ++last_id;
	int r;

	(void)json_object_set_new(msg, "id", json_integer(id));
	r = control_write_msg(fd, msg);
	json_decref(msg);
	while (r == 0) {
		json_t *in;

		r = control_read_msg(fd, &in);
		if (r < 0)
			break;
		if (json_object_get(in, "ok") &&
		    json_integer_value(json_object_get(in, "id")) == id) {
			*ret_reply = in;
			return 0;
		}
		if (fn)
			fn(ctx, in);
		json_decref(in);
	}
	return r;
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
	struct timespec ts = { .tv_sec = duration_ns / NSEC_PER_SEC,
			       .tv_nsec = duration_ns % NSEC_PER_SEC };

	(void)ppoll(NULL, 0, &ts, NULL);
}
