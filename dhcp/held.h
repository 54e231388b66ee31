/* dhcp/held.h: replies that wait until the records they acknowledge are durable. Shared by the DHCP servers. */
#ifndef MUSTER_DHCP_HELD_H
#define MUSTER_DHCP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HELD_MAX = 1024 /* replies of a queue */ };

struct held {
	struct held *next;
	uint64_t seq;
	size_t payload_len;
	const uint8_t *payload; /* behind head */
	_Alignas(8) uint8_t head[]; /* a copy of what the server put */
};

/* In the order of the records' sequence numbers. Zeroed: empty. */
struct held_queue {
	struct held *first, *last; /* owned */
	size_t n;
};

/* Appends a reply that waits for record @seq, not below those before. @head: a value of the server's, without
 * pointers that end. Both are copied. Returns false when HELD_MAX wait or memory is out. */
bool held_put(struct held_queue *q, uint64_t seq, const void *head, size_t head_len, const uint8_t *payload,
	      size_t len);
/* Takes the first reply when its record is at or before @seq; NULL. The caller frees it with free(). */
struct held *held_take(struct held_queue *q, uint64_t seq);
/* Drops what is held. */
void held_done(struct held_queue *q);

#endif
