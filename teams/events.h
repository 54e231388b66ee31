/* teams/events.h: what happened to a team, as JSON lines: into its file, to
 * those who follow, and to the `up` that waits. */
#ifndef MUSTER_TEAMS_EVENTS_H
#define MUSTER_TEAMS_EVENTS_H

#include "core/budget.h"
#include "core/control.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	EVENTS_FOLLOWERS_MAX = 32,
	EVENTS_FILE_MAX = 16 << 20, /* bytes; then one event says that the file is full */
	/* What one source may have written to the file: at once, and a second. A guest that reboots once in
	 * six seconds stays within. */
	EVENTS_SOURCE_BYTES = 256 << 10, EVENTS_SOURCE_BYTES_PER_S = 64,
	EVENTS_WAITING_MAX = 1 << 20, /* bytes that may wait for a follower; more ends its connection */
};

struct events {
	int fd; /* events.jsonl, -1: none */
	bool is_full; /* EVENTS_FILE_MAX is reached: followers alone are told */
	int error; /* the -errno of the first write that failed; nothing is written after it */
	off_t size;
	struct control *followers[EVENTS_FOLLOWERS_MAX]; /* borrowed */
	size_t n_followers;
};

/* Who can cause events as often as it likes: a machine. */
struct events_source {
	struct budget bytes; /* of the file */
	unsigned n_left_out; /* since the last that was written */
};
void events_source_init(struct events_source *s, nsec_t now);

/* Opens (and empties) the file. Returns 0 or -errno. */
int events_open(struct events *e, const char *path);
/* Closes the file; who follows is forgotten. */
void events_close(struct events *e);

/* Adds "time" (RFC 3339, UTC), writes, and hands on. @event is taken over. */
void events_emit(struct events *e, json_t *event);
/* The same of one that @source caused. What is beyond its share is not written, only handed on; the
 * next that is written says how many there were: "left_out". */
void events_emit_of(struct events *e, struct events_source *source, json_t *event, nsec_t now);

/* @c gets every event from now on. Returns 0 or -ENOBUFS. */
int events_follow(struct events *e, struct control *c);
void events_unfollow(struct events *e, const struct control *c);

#endif
