/* teams/events.c: the event log.
 *
 * A full disk never stops a team: the first write that fails is said in the log,
 * and the file stays short. Nor does the file fill a disk: at EVENTS_FILE_MAX one
 * last event says so. Before that a machine that flaps has used up a share of its own,
 * so that the others' events find room. Who follows and does not read is cut off. Lines are ASCII
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

static char *line_of(json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(9) | JSON_ENSURE_ASCII);
	char *line = text ? str_printf("%s\n", text) : NULL;

	free(text);
	return line;
}

static void write_line(struct events *e, const char *line)
{
	int r;

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

	CLEANUP(free) char *line = line_of(last);

	e->is_full = true;
	write_line(e, line);
	json_decref(last);
	log_warn("events.jsonl has reached %d bytes: nothing more is written to it", EVENTS_FILE_MAX);
}

void events_source_init(struct events_source *s, nsec_t now)
{
	*s = (struct events_source){ 0 };
	budget_init(&s->bytes, EVENTS_SOURCE_BYTES, EVENTS_SOURCE_BYTES_PER_S, now);
}

/* @source may be NULL. */
static void emit(struct events *e, struct events_source *source, json_t *event, nsec_t clock)
{
	CLEANUP(free) char *now = time_text();
	CLEANUP(free) char *line = NULL;

	(void)json_object_set_new(event, "time", json_string(now));
	if (source && source->n_left_out > 0)
		(void)json_object_set_new(event, "left_out", json_integer(source->n_left_out));
	line = line_of(event);
	if (source && line && !budget_take(&source->bytes, clock, (uint32_t)strlen(line)))
		source->n_left_out++;
	else if (!e->is_full) {
		write_line(e, line);
		if (source)
			source->n_left_out = 0;
	}
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

void events_emit(struct events *e, json_t *event)
{
	emit(e, NULL, event, 0);
}

void events_emit_of(struct events *e, struct events_source *source, json_t *event, nsec_t now)
{
	emit(e, source, event, now);
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
