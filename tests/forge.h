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

#endif
