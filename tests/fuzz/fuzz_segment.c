/* tests/fuzz/fuzz_segment.c: a GSO frame whose headers lie. Input: the offload
 * header (10 bytes), the frame's length (2), then changes to a TCP frame over
 * IPv4 or IPv6: pairs of a place and a value. Every piece is a plain frame, no longer than its headers
 * and one segment, there are at most 1,024 of them, and no frame is leaked. What the
 * fabric's entry lets pass can always be cut. */
#include "core/checksum.h"
#include "core/wire.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OFFLOAD_LEN = 12, PIECES_MAX = 1024, HEADERS_MAX = 14 + 8 + 2100 + 60 };

/* A good frame, then at most eight changes within its headers. */
static void make_frame(struct frame *f, const uint8_t *changes, size_t len)
{
	static const uint8_t v4[] = { [0] = 2, [6] = 2, [12] = 8, [14] = 0x45, [23] = 6, [46] = 0x50 };
	static const uint8_t v6[] = { [0] = 2, [6] = 2, [12] = 0x86, [13] = 0xdd, [14] = 0x60, [20] = 6, [66] = 0x50 };
	bool is_v6 = len > 0 && (changes[0] & 1);
	size_t n = is_v6 ? sizeof v6 : sizeof v4;

	memcpy(f->data, is_v6 ? v6 : v4, n < f->len ? n : f->len);
	if (len > 17)
		len = 17;
	for (size_t i = 1; i + 1 < len; i += 2)
		if (changes[i] % 128 < f->len)
			f->data[changes[i] % 128] = changes[i + 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct frame_pool *pool;
	struct frame *f, *copy, *list;
	size_t size, n = 0;
	uint16_t segment;
	bool bad, is_good;

	if (len < OFFLOAD_LEN || (!pool && frame_pool_new(16, &pool) < 0))
		return 0;
	size = load_le16(data + 10);
	f = frame_new(pool, size);
	if (!f)
		return 0;
	f->offload = (struct frame_offload){ data[0], data[1] & 7, load_le16(data + 2), load_le16(data + 4),
					     load_le16(data + 6), load_le16(data + 8) };
	if (data[1] & 0x80) { /* a header that is nearly right */
		bool is_v6 = len > OFFLOAD_LEN && (data[OFFLOAD_LEN] & 1);

		f->offload.flags = 1;
		f->offload.gso_type = is_v6 ? 4 : 1;
		f->offload.csum_start = is_v6 ? 54 : 34;
		f->offload.csum_offset = 16;
	}
	segment = f->offload.gso_size;
	f->len = (uint32_t)size;
	memset(f->data, 0, size);
	make_frame(f, data + OFFLOAD_LEN, len - OFFLOAD_LEN);
	/* The fabric's entry: what passes it can be cut, and tells the true length of its headers. */
	copy = frame_copy(pool, f);
	if (!copy)
		abort();
	is_good = frame_offload_check(copy);
	if (is_good && (copy->offload.hdr_len > copy->len || (copy->offload.flags & ~1) ||
			(copy->offload.gso_type && copy->offload.hdr_len < ETH_HEADER_LEN + 20 + 8)))
		abort();
	frame_free(copy);
	list = frame_segment(pool, f, &bad);
	if (bad != !list || (is_good && bad))
		abort();
	while (list) {
		struct frame *next = list->next;

		n++;
		if (list->offload.gso_type || (list->offload.flags & 1) ||
		    (next && list->len > HEADERS_MAX + (uint32_t)segment)) {
			fprintf(stderr, "a piece that is no wire frame\n");
			abort();
		}
		frame_free(list);
		list = next;
	}
	if (n > PIECES_MAX)
		abort();
	pool = frame_pool_free(pool); /* asserts that all came back */
	return 0;
}
