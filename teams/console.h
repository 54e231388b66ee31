/* teams/console.h: one VM's serial console: kept in a file, its end in memory,
 * handed to those who are attached. */
#ifndef MUSTER_TEAMS_CONSOLE_H
#define MUSTER_TEAMS_CONSOLE_H

#include "core/control.h"
#include "core/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { CONSOLE_LOG_MAX = 64 << 20 /* bytes; of run/VM.log, too */ };
enum { CONSOLE_TAIL_SIZE = 16384, CONSOLE_ATTACHED_MAX = 16, CONSOLE_TAIL_LINES = 20 };

struct console {
	struct loop *loop;
	int fd; /* the machine's serial line, owned; -1: no machine */
	int log_fd;
	bool log_failed; /* said once */
	bool has_panicked; /* "Kernel panic" was seen since the machine's start */
	struct loop_source *source;
	char tail[CONSOLE_TAIL_SIZE]; /* the last bytes */
	size_t tail_len;
	size_t scanned; /* bytes of tail in which no panic was found */
	struct control *attached[CONSOLE_ATTACHED_MAX]; /* borrowed */
	size_t n_attached;
	void (*on_panic)(void *ctx);
	void (*on_output)(void *ctx, const char *data, size_t len); /* all that the machine says; may be NULL */
	void *ctx;
};

/* @path: appended to. Returns 0 or -errno. */
int console_open(struct console *c, struct loop *loop, const char *path);
/* Closes the log and the line; those attached are not told. */
void console_close(struct console *c);

/* A machine starts: its line is @fd (taken over). */
int console_plug(struct console *c, int fd);
/* It ended: what it still said is read first. */
void console_unplug(struct console *c);

/* The last @max lines, as valid UTF-8: a JSON array of strings, the caller's. */
json_t *console_tail(const struct console *c, size_t max);
/* The line with the panic, or NULL. The caller frees. */
char *console_panic_line(const struct console *c);

/* Output goes to @ctl as {"console":BASE64} from now on. Returns 0 or -ENOBUFS. */
int console_attach(struct console *c, struct control *ctl);
/* @ctl gets no more output; nothing when it was not attached. */
void console_detach(struct console *c, const struct control *ctl);
/* Input to the guest; what it does not take at once is dropped, as by a UART. */
void console_type(struct console *c, const void *data, size_t len);

#endif
