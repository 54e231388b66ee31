/* teams/agent_scan.h: counts what a line of JSON would cost, byte by byte, before
 * anything parses it. */
#ifndef MUSTER_TEAMS_AGENT_SCAN_H
#define MUSTER_TEAMS_AGENT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an answer may have: bytes of all its lines, members and array elements, levels of nesting. */
struct agent_bound {
	size_t bytes;
	unsigned elements, depth;
};

/* Zeroed: nothing counted yet. */
struct agent_scan {
	size_t bytes;
	unsigned elements, depth;
	bool in_string, escaped;
};

/* The bound of the answer to the command @execute. @count: bytes that were asked
 * for, where the command has such an argument, else negative. */
struct agent_bound agent_bound_of(const char *execute, long long count);

/* Counts @len bytes that arrived. Returns false once @bound is exceeded. */
bool agent_scan_add(struct agent_scan *s, const struct agent_bound *bound, const uint8_t *data, size_t len);
/* A new line begins: nesting and strings end, bytes and elements count on. */
void agent_scan_new_line(struct agent_scan *s);

#endif
