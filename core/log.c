/* core/log.c: one line a message, written in one write(2), so that processes
 * which share a log file do not tear each other's lines.
 *
 * Used by: supervisor, fabric, machine, janitor.   Depends on: core/clock.h. */
#include "core/log.h"

#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	int fd;
	enum log_level least;
	char name[64];
} the_log = { .fd = STDERR_FILENO, .least = LOG_INFO, .name = "muster" };

static const char *const level_names[] = { "debug", "info", "warn", "error" };
_Static_assert(sizeof level_names / sizeof *level_names == LOG_LEVEL_COUNT, "one name a level");

void log_init(int fd, const char *name, enum log_level least)
{
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

void log_vat(enum log_level level, const char *fmt, va_list ap)
{
	char line[1024];
	nsec_t wall = clock_wall();
	time_t sec = (time_t)(wall / NSEC_PER_SEC);
	size_t len;
	struct tm tm;

	if (level < the_log.least)
		return;
	(void)gmtime_r(&sec, &tm);
	len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(line + len, sizeof line - len, ".%03dZ %s %s: ",
				(int)(wall % NSEC_PER_SEC / NSEC_PER_MSEC), level_names[level],
				the_log.name);
	(void)vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
	len = strlen(line);
	line[len++] = '\n';
	/* SYSCALLS(all): write */
	if (write(the_log.fd, line, len) < 0)
		return; /* nowhere left to say so */
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vat(level, fmt, ap);
	va_end(ap);
}
