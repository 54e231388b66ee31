/* teams/ready_console.c: waits until a guest's console has said what a regular expression matches. */
#include "teams/ready_console.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 250, TEXT_SIZE = 64 << 10, KEPT_MAX = 4 << 10 };

struct ready_console {
	regex_t re;
	bool has_said, is_new; /* is_new: text came since the last look */
	nsec_t due;
	size_t len;
	char text[TEXT_SIZE + 1]; /* what was not looked at yet, behind the line that has no end yet */
};

struct ready_console *ready_console_new(const char *pattern)
{
	struct ready_console *c = calloc(1, sizeof *c);

	if (!c)
		abort();
	if (regcomp(&c->re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0) {
		free(c);
		return NULL;
	}
	c->due = NSEC_NEVER;
	return c;
}

struct ready_console *ready_console_free(struct ready_console *c)
{
	if (c)
		regfree(&c->re);
	free(c);
	return NULL;
}

/* Looks at all that is there, and keeps the line that has no end yet. */
static void look(struct ready_console *c)
{
	const char *line;
	size_t from;

	c->text[c->len] = '\0';
	c->has_said = c->has_said || regexec(&c->re, c->text, 0, NULL, 0) == 0;
	line = memrchr(c->text, '\n', c->len);
	from = line ? (size_t)(line + 1 - c->text) : 0;
	if (c->len - from > KEPT_MAX)
		from = c->len - KEPT_MAX;
	memmove(c->text, c->text + from, c->len - from);
	c->len -= from;
	c->is_new = false;
	c->due = NSEC_NEVER;
}

void ready_console_take(struct ready_console *c, const char *data, size_t len, nsec_t now)
{
	for (size_t i = 0; i < len && !c->has_said; i++) {
		if (data[i] == '\r' || data[i] == '\0')
			continue;
		if (c->len == TEXT_SIZE)
			look(c);
		c->text[c->len++] = data[i];
		c->is_new = true;
	}
	if (c->has_said)
		c->due = now;
	else if (c->is_new && c->due == NSEC_NEVER)
		c->due = now + LOOK_EVERY_MS * NSEC_PER_MSEC;
}

bool ready_console_look(struct ready_console *c, nsec_t now)
{
	if (!c->has_said && c->is_new && now >= c->due)
		look(c);
	return c->has_said;
}

nsec_t ready_console_due(const struct ready_console *c)
{
	return c->due;
}
