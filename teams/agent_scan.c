/* teams/agent_scan.c: bounds a guest agent's answer before it is parsed.
 *
 * A JSON parser makes an object of 70 to 100 bytes from each "{}": 46 MB of them
 * become 3.5 GB. The scanner counts commas and opening brackets outside of strings,
 * which is at least the number of values, and the depth of brackets. It does not
 * judge the syntax; the parser does that with what passed.
 *
 * Used by: agent.c. */
#include "teams/agent_scan.h"

#include <string.h>

enum {
	KIB = 1024,
	SMALL_BYTES = 64 * KIB, /* an error's text, a number, a few members */
	/* Two outputs of 16 MiB in base64, which QEMU's agent sends as one line. Ours is asked for less. */
	EXEC_BYTES = 48 << 20,
	FILE_COUNT_MAX = 48 << 20, /* what guest-file-read may be asked for */
	ELEMENTS = 64,
	DEPTH = 4,
};

static size_t base64_len(long long count)
{
	return (size_t)(count / 3 * 4 + 4);
}

struct agent_bound agent_bound_of(const char *execute, long long count)
{
	struct agent_bound bound = { .bytes = SMALL_BYTES, .elements = ELEMENTS, .depth = DEPTH };

	if (strcmp(execute, "guest-exec-status") == 0)
		bound.bytes = count > 0 && 2 * base64_len(count) < EXEC_BYTES ? SMALL_BYTES + 2 * base64_len(count) : EXEC_BYTES;
	else if (strcmp(execute, "guest-file-read") == 0 && count > 0)
		bound.bytes += base64_len(count < FILE_COUNT_MAX ? count : FILE_COUNT_MAX);
	return bound;
}

bool agent_scan_add(struct agent_scan *s, const struct agent_bound *bound, const uint8_t *data, size_t len)
{
	s->bytes += len;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = data[i];

		if (s->in_string) {
			if (!s->escaped && c == '"')
				s->in_string = false;
			s->escaped = !s->escaped && c == '\\';
			continue;
		}
		if (c == '"')
			s->in_string = true;
		else if (c == ',')
			s->elements++;
		else if (c == '{' || c == '[')
			s->elements++, s->depth++;
		else if ((c == '}' || c == ']') && s->depth > 0)
			s->depth--;
		if (s->elements > bound->elements || s->depth > bound->depth)
			return false;
	}
	return s->bytes <= bound->bytes;
}

void agent_scan_new_line(struct agent_scan *s)
{
	s->depth = 0;
	s->in_string = s->escaped = false;
}
