/* dhcp/held.c: replies that wait until the records they acknowledge are durable.
 *
 * Used by: dhcp/dhcp4.c, dhcp/dhcp6.c.   Depends on: nothing. */
#include "dhcp/held.h"

#include <stdlib.h>
#include <string.h>

bool held_put(struct held_queue *q, uint64_t seq, const void *head, size_t head_len, const uint8_t *payload, size_t len)
{
	struct held *h = q->n < HELD_MAX ? malloc(sizeof *h + head_len + len) : NULL;

	if (!h)
		return false;
	*h = (struct held){ .seq = seq, .payload_len = len, .payload = h->head + head_len };
	memcpy(h->head, head, head_len);
	memcpy(h->head + head_len, payload, len);
	*(q->last ? &q->last->next : &q->first) = h;
	q->last = h;
	q->n++;
	return true;
}

struct held *held_take(struct held_queue *q, uint64_t seq)
{
	struct held *h = q->first;

	if (!h || h->seq > seq)
		return NULL;
	q->first = h->next;
	if (!q->first)
		q->last = NULL;
	q->n--;
	return h;
}

void held_done(struct held_queue *q)
{
	struct held *h;

	while ((h = held_take(q, UINT64_MAX)))
		free(h);
}
