/* teams/events.h: what happened to a team, as JSON lines: into its file, to
 * those who follow, and to the `up` that waits. */
#ifndef MUSTER_TEAMS_EVENTS_H
#define MUSTER_TEAMS_EVENTS_H

#include "core/control.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	EVENTS_FOLLOWERS_MAX = 32,
	EVENTS_FILE_MAX = 16 << 20, /* bytes; then one event says that the file is full */
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

/* Opens (and empties) the file. Returns 0 or -errno. */
int events_open(struct events *e, const char *path);
void events_close(struct events *e);

/* Adds "time" (RFC 3339, UTC), writes, and hands on. @event is taken over. */
void events_emit(struct events *e, json_t *event);

/* @c gets every event from now on. Returns 0 or -ENOBUFS. */
int events_follow(struct events *e, struct control *c);
void events_unfollow(struct events *e, const struct control *c);

#endif
