/* core/log.h: what a process says about itself.
 *
 * Libraries (elements, codecs, the topology's checks) never log: they return
 * verdicts and count. Processes log. A line is "TIME LEVEL NAME: text"; the
 * supervisor's children log into the team's log file.
 *
 * What others said is part of lines: control characters are escaped. A process writes
 * LOG_BYTES_MAX at most, then one line that says so: a log never fills a disk. */
#ifndef MUSTER_CORE_LOG_H
#define MUSTER_CORE_LOG_H

#include <stdarg.h>

enum { LOG_BYTES_MAX = 4 << 20 };
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_COUNT };

/* @fd: where lines go (borrowed, kept open by the caller); -1 for stderr.
 * @name: who speaks; copied, cut at 63 bytes. */
void log_init(int fd, const char *name, enum log_level least);
/* Follows MUSTER_LOG=debug|info|warn|error; returns @otherwise without it. */
enum log_level log_level_from_env(enum log_level otherwise);

/* Both write a line when @level is shown. */
void log_at(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void log_vat(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)

#endif
