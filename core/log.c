/* core/log.c: one line a message, written in one write(2), so that processes
 * which share a log file do not tear each other's lines.
 *
 * Used by: supervisor, fabric, machine, janitor.   Depends on: core/clock.h. */
#include "core/log.h"

#include "core/clock.h"
#include "core/escape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	int fd;
	enum log_level least;
	char name[64];
	size_t written; /* bytes, of this process */
} the_log = { .fd = STDERR_FILENO, .least = LOG_INFO, .name = "muster" };

static const char *const level_names[] = { "debug", "info", "warn", "error" };
_Static_assert(sizeof level_names / sizeof *level_names == LOG_LEVEL_COUNT, "one name a level");

void log_init(int fd, const char *name, enum log_level least)
{
	the_log.written = 0;
	the_log.fd = fd < 0 ? STDERR_FILENO : fd;
	the_log.least = least;
	(void)snprintf(the_log.name, sizeof the_log.name, "%s", name);
}

enum log_level log_level_from_env(enum log_level otherwise)
{
	const char *s = getenv("MUSTER_LOG");

	for (int i = 0; s && i < LOG_LEVEL_COUNT; i++)
		if (strcmp(s, level_names[i]) == 0)
			return (enum log_level)i;
	return otherwise;
}

/* "TIME LEVEL NAME: " */
static void put_head(struct bytes *line, enum log_level level)
{
	char text[32];
	nsec_t wall = clock_wall();
	time_t sec = (time_t)(wall / NSEC_PER_SEC);
	struct tm tm;

	(void)gmtime_r(&sec, &tm);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	bytes_printf(line, "%s.%03dZ %s %s: ", text, (int)(wall % NSEC_PER_SEC / NSEC_PER_MSEC),
		     level_names[level], the_log.name);
}

void log_vat(enum log_level level, const char *fmt, va_list ap)
{
	CLEANUP(bytes) struct bytes line = { 0 };
	char text[1024];

	if (level < the_log.least || the_log.written > LOG_BYTES_MAX)
		return;
	(void)vsnprintf(text, sizeof text, fmt, ap);
	put_head(&line, level);
	escape_append(&line, text, strlen(text));
	bytes_append(&line, "\n", 1);
	the_log.written += line.len;
	if (the_log.written > LOG_BYTES_MAX) {
		put_head(&line, level);
		bytes_append_str(&line, "nothing more is written: it has said too much\n");
	}
	/* SYSCALLS(all): write */
	if (write(the_log.fd, line.data, line.len) < 0)
		return; /* nowhere left to say so */
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vat(level, fmt, ap);
	va_end(ap);
}
