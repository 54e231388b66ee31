/* tests/forge.h: saved state as a forger would make it: any contents, and right
 * checksums. For the tests that what is checked behind the checksum holds. */
#ifndef MUSTER_TESTS_FORGE_H
#define MUSTER_TESTS_FORGE_H

#include "core/state.h"
#include "core/wire.h"

#include <stdlib.h>
#include <string.h>

/* Where a section of a whole, well-formed file lies. */
struct forge_section {
	size_t head, payload, len; /* bytes from the file's start; of the payload */
};

/* The section at *@at; moves *@at behind it. False at the end section. */
static inline bool forge_next(const uint8_t *data, size_t *at, struct forge_section *ret)
{
	*ret = (struct forge_section){ .head = *at, .payload = *at + STATE_HEAD_LEN,
				       .len = (size_t)load_le64(data + *at + 12) };
	*at = ret->payload + ret->len;
	return memcmp(data + ret->head, "end ", STATE_TAG_LEN) != 0;
}

/* Makes the chain of checksums right again. */
static inline void forge_reseal(uint8_t *data, size_t len)
{
	struct forge_section sec;
	struct state *s = NULL;
	const uint8_t *sealed;
	size_t at = STATE_HEADER_LEN, sealed_len;

	if (state_save_new(-1, &s) < 0)
		abort();
	while (forge_next(data, &at, &sec)) {
		(void)state_begin(s, (const char *)data + sec.head, load_le32(data + sec.head + 4),
				  load_le32(data + sec.head + 8));
		state_bytes(s, data + sec.payload, sec.len);
		state_end(s);
	}
	if (state_finish(s) < 0)
		abort();
	sealed = state_data(s, &sealed_len);
	if (sealed_len != len)
		abort();
	memcpy(data, sealed, len);
	(void)state_free(s);
}

/* One change of @sec in @file, as 4 bytes of @step say: where (16 bits, little-endian), how, a value.
 * @reach: the change lies within so many first bytes of the payload; 0 makes no change. */
static inline void forge_change(uint8_t *file, const struct forge_section *sec, size_t reach, const uint8_t *step)
{
	uint8_t *p;

	reach = reach < sec->len ? reach : sec->len;
	if (reach == 0)
		return;
	p = file + sec->payload + load_le16(step) % reach;
	switch (step[2] & 3) {
	case 0:
		*p = step[3];
		break;
	case 1:
		*p ^= (uint8_t)(1U << (step[3] & 7));
		break;
	case 2:
		*p = step[3] & 1 ? 0xFF : 0;
		break;
	default: /* a number of ones, as far as there is room */
		memset(p, 0xFF, sec->payload + sec->len - (size_t)(p - file) < 8 ? 1 : 8);
	}
}

#endif
