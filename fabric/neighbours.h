/* fabric/neighbours.h: the neighbour table of a service station: IP address to MAC address, bounded.
 *
 * An entry is INCOMPLETE while it is asked for, and holds the frames that wait for the answer. It is KNOWN once
 * the MAC is. PROBED is KNOWN and asked again, because it was used long after it was last confirmed.
 *
 * Bounds: NEIGHBOURS_MAX entries, of which NEIGHBOURS_INCOMPLETE_MAX may be INCOMPLETE; NEIGHBOUR_FRAMES_MAX frames
 * at one of them, and NEIGHBOURS_FRAMES_MAX and NEIGHBOURS_BYTES_MAX at all. A full table evicts the entry
 * that was learned longest ago and never used to send; when all were used, the one used longest ago. So
 * a flood of new senders evicts its own entries. Entries with frames are never evicted.
 *
 * The table knows no protocol: who asks and what is sent is fabric/station_neighbour.c's.
 *
 * Used by: the files fabric/station_*.c. */
#ifndef MUSTER_FABRIC_NEIGHBOURS_H
#define MUSTER_FABRIC_NEIGHBOURS_H

#include "core/addr.h"
#include "core/clock.h"
#include "core/frame.h"
#include "core/heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
	NEIGHBOURS_MAX = 1024,
	NEIGHBOURS_INCOMPLETE_MAX = 256,
	NEIGHBOUR_FRAMES_MAX = 32,
	NEIGHBOURS_FRAMES_MAX = 512,
	NEIGHBOURS_BYTES_MAX = 4 * 1024 * 1024, /* of memory: frame_memory() */
};

struct state;

enum neighbour_state { NEIGHBOUR_INCOMPLETE, NEIGHBOUR_KNOWN, NEIGHBOUR_PROBED, NEIGHBOUR_STATE_COUNT };

struct neighbour {
	struct heap_item timer; /* the next request; NSEC_NEVER when KNOWN */
	struct ip_addr ip;
	struct mac_addr mac; /* unless INCOMPLETE */
	enum neighbour_state state; /* neighbour_set_state() only */
	bool is_via; /* not on the network: its packets came through the MAC, which is a router's */
	bool was_used; /* to send */
	uint8_t tries; /* requests sent */
	nsec_t confirmed_ns; /* when its MAC was last heard to be so; unless INCOMPLETE */
	struct frame *first, *last; /* wait for the answer; owned */
	uint32_t n_frames;
	TAILQ_ENTRY(neighbour) order; /* in one of the lists, the oldest first; in none while INCOMPLETE */
	LIST_ENTRY(neighbour) bucket;
};

struct neighbours;

/* @seed: secret of the hash, so that nobody can make all his addresses collide. Returns 0 or -ENOMEM. */
int neighbours_new(uint64_t seed, struct neighbours **ret_table);
/* Frees the frames that wait, too. Accepts NULL; returns NULL. */
struct neighbours *neighbours_free(struct neighbours *t);

/* Borrowed until the entry is removed or evicted: not beyond the next neighbours_add(). NULL: unknown. */
struct neighbour *neighbours_find(const struct neighbours *t, const struct ip_addr *ip);
/* A new INCOMPLETE entry, without timer. @ip is not in the table. NULL: there are NEIGHBOURS_INCOMPLETE_MAX. */
struct neighbour *neighbours_add(struct neighbours *t, const struct ip_addr *ip);
/* The MAC is known, at @now; no further request is due. Frames that wait stay. */
void neighbour_known(struct neighbours *t, struct neighbour *n, const struct mac_addr *mac, nsec_t now);
/* The entry, KNOWN or PROBED, is used to send. */
void neighbour_used(struct neighbours *t, struct neighbour *n);
/* A KNOWN entry is asked about again. */
void neighbour_probed(struct neighbour *n);
/* When its next request is due. */
void neighbour_wake_at(struct neighbours *t, struct neighbour *n, nsec_t at);
/* The entry whose request is due first, not after @now; NULL: none. */
struct neighbour *neighbours_due(const struct neighbours *t, nsec_t now);
nsec_t neighbours_next(const struct neighbours *t);
/* The entry ends. Returns the frames that waited, linked by next; the caller owns them. */
struct frame *neighbours_remove(struct neighbours *t, struct neighbour *n);

/* Takes @f over to wait at @n. Returns NULL; or the frame that had to go instead, which is the caller's: @n's
 * oldest when @n has its number, else @f when all have theirs. */
struct frame *neighbour_queue(struct neighbours *t, struct neighbour *n, struct frame *f);
/* The frames that waited, linked by next; the caller owns them. */
struct frame *neighbour_take_frames(struct neighbours *t, struct neighbour *n);

/* Entries in the table now. */
size_t neighbours_count(const struct neighbours *t);
/* Frames that wait, and their bytes of length. */
void neighbours_held(const struct neighbours *t, uint64_t *ret_frames, uint64_t *ret_bytes);
uint64_t neighbours_memory(const struct neighbours *t); /* bytes of memory of those frames */
/* Entries that made room for others, since the start. */
uint64_t neighbours_evicted(const struct neighbours *t);

/* Describes the table (core/state.h) in the section that the caller has begun. Loading: into an empty one. */
void neighbours_state(struct neighbours *t, struct state *s, struct frame_pool *pool, nsec_t now);

#endif
