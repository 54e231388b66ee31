/* teams/events.c: the event log.
 *
 * A full disk never stops a team: the first write that fails is said in the log,
 * and the file stays short. Nor does the file fill a disk: at EVENTS_FILE_MAX one
 * last event says so. Who follows and does not read is cut off. Lines are ASCII
 * (what is not is written \uNNNN), so that a terminal obeys nothing in them.
 *
 * Used by: supervisor.c, serve.c.   Depends on: core/control.h. */
#include "teams/events.h"

#include "core/bytes.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int events_open(struct events *e, const char *path)
{
	*e = (struct events){ .fd = -1 };
	e->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	return e->fd < 0 ? -errno : 0;
}

void events_close(struct events *e)
{
	if (e->fd >= 0)
		(void)close(e->fd);
	e->fd = -1;
	e->n_followers = 0;
}

static char *time_text(void)
{
	nsec_t wall = clock_wall();
	time_t sec = (time_t)(wall / NSEC_PER_SEC);
	char text[32];
	struct tm tm;

	(void)gmtime_r(&sec, &tm);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	return str_printf("%s.%03dZ", text, (int)(wall % NSEC_PER_SEC / NSEC_PER_MSEC));
}

static void write_line(struct events *e, json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(9) | JSON_ENSURE_ASCII);
	CLEANUP(free) char *line = text ? str_printf("%s\n", text) : NULL;
	int r;

	free(text);
	if (!line || e->fd < 0 || e->error < 0)
		return;
	r = fd_write_all(e->fd, line, strlen(line));
	if (r < 0) {
		e->error = r;
		log_warn("events.jsonl cannot be written: %s", strerror(-r));
	} else {
		e->size += (off_t)strlen(line);
	}
}

static void close_file(struct events *e, const char *now)
{
	json_t *last = json_pack("{s:s,s:s,s:s}", "event", "log-full", "why",
				 "events.jsonl has reached its bound: nothing more is written to it", "time", now);

	e->is_full = true;
	write_line(e, last);
	json_decref(last);
	log_warn("events.jsonl has reached %d bytes: nothing more is written to it", EVENTS_FILE_MAX);
}

void events_emit(struct events *e, json_t *event)
{
	CLEANUP(free) char *now = time_text();

	(void)json_object_set_new(event, "time", json_string(now));
	if (!e->is_full)
		write_line(e, event);
	if (!e->is_full && e->size > EVENTS_FILE_MAX)
		close_file(e, now);
	for (size_t i = e->n_followers; i-- > 0;) {
		if (control_waiting(e->followers[i]) > EVENTS_WAITING_MAX)
			control_break(e->followers[i], -ENOBUFS);
		else
			(void)control_send(e->followers[i], event, NULL, 0);
	}
	json_decref(event);
}

int events_follow(struct events *e, struct control *c)
{
	if (e->n_followers == EVENTS_FOLLOWERS_MAX)
		return -ENOBUFS;
	e->followers[e->n_followers++] = c;
	return 0;
}

void events_unfollow(struct events *e, const struct control *c)
{
	for (size_t i = 0; i < e->n_followers; i++)
		if (e->followers[i] == c)
			e->followers[i--] = e->followers[--e->n_followers];
}
