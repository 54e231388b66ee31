/* vmm/mem_state.c: a machine's memory, out and in.
 *
 * Memory is saved in pieces of 1 MiB, one section each ("ram " and "pmem", the
 * instance being the piece): a bitmap of the pages that follow, how they are
 * packed (0 as they are, 1 zstd), and the pages one behind the other. RAM pages
 * of zeros are left out, pages of persistent memory that still are the file's
 * too, and a piece without a page has no section. So a machine of much memory
 * that has touched little makes a small file, and no more than one piece is
 * ever held twice.
 *
 * Persistent memory is the same file again when a machine is loaded; that it is
 * the same is checked by its size and by a page of every 2 MiB (what holds the
 * saved machines together knows its checksum whole).
 *
 * Used by: vmm/machine_state.c.   Depends on: core/state.h, vmm/mem.h.
 * Sources: RFC 8878 (zstd). */
#include "vmm/mem_state.h"

#include "core/cleanup.h"
#include "core/state.h"

#include <string.h>
#include <xxhash.h>
#include <zstd.h>

enum { PIECE_SIZE = 1 << 20, PIECE_PAGES = PIECE_SIZE / MEM_PAGE_SIZE, SAMPLE_EVERY = 2 << 20 };
enum { PACK_NONE = 0, PACK_ZSTD = 1, ZSTD_LEVEL = 1 };

/* What one run of mem_state() works with. */
struct work {
	struct state *s;
	const char *tag;
	uint8_t *base; /* of the region */
	uint64_t len; /* bytes of it */
	int fd; /* what it is compared with; -1: with zeros */
	uint8_t *pages, *packed, *file; /* scratch of PIECE_SIZE, packed_size, PIECE_SIZE */
	size_t packed_size;
};

static bool is_zero(const uint8_t *page)
{
	static const uint8_t zero[MEM_PAGE_SIZE];

	return memcmp(page, zero, sizeof zero) == 0;
}

/* Reads @len bytes of the file at @off. False when it has fewer. */
static bool file_read(int fd, uint64_t off, uint8_t *to, size_t len)
{
	while (len) {
		/* SYSCALLS(machine): pread64 */
		ssize_t n = pread(fd, to, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

/* ---- saving --------------------------------------------------------------------- */

/* Gathers the pages that have to be saved. Returns how many. */
static unsigned gather(struct work *w, uint64_t off, unsigned n_pages, uint8_t bitmap[PIECE_PAGES / 8])
{
	bool have_file = w->fd >= 0 && file_read(w->fd, off, w->file, n_pages * MEM_PAGE_SIZE);
	unsigned n = 0;

	memset(bitmap, 0, PIECE_PAGES / 8);
	for (unsigned i = 0; i < n_pages; i++) {
		const uint8_t *page = w->base + off + i * MEM_PAGE_SIZE;

		if (have_file ? memcmp(page, w->file + i * MEM_PAGE_SIZE, MEM_PAGE_SIZE) == 0 :
				w->fd < 0 && is_zero(page))
			continue;
		memcpy(w->pages + n++ * MEM_PAGE_SIZE, page, MEM_PAGE_SIZE);
		bitmap[i / 8] |= (uint8_t)(1U << i % 8);
	}
	return n;
}

static void save_piece(struct work *w, uint32_t piece, unsigned n_pages)
{
	uint8_t bitmap[PIECE_PAGES / 8], pack = PACK_ZSTD;
	unsigned n = gather(w, (uint64_t)piece * PIECE_SIZE, n_pages, bitmap);
	size_t len = n * MEM_PAGE_SIZE, packed_len;

	if (!n)
		return;
	packed_len = ZSTD_compress(w->packed, w->packed_size, w->pages, len, ZSTD_LEVEL);
	if (ZSTD_isError(packed_len) || packed_len >= len)
		pack = PACK_NONE;
	(void)state_begin(w->s, w->tag, piece, 1);
	state_bytes(w->s, bitmap, sizeof bitmap);
	state_u8(w->s, &pack);
	if (pack == PACK_ZSTD)
		state_bytes(w->s, w->packed, packed_len);
	else
		state_bytes(w->s, w->pages, len);
	state_end(w->s);
}

/* ---- loading -------------------------------------------------------------------- */

/* Unpacks what is left of the section. True when it is @len bytes. */
static bool unpack(struct work *w, uint8_t pack, size_t len)
{
	size_t left = state_left(w->s), got;
	const uint8_t *from = state_take(w->s, left);

	if (!from || !len)
		return false;
	if (pack == PACK_NONE) {
		if (left == len)
			memcpy(w->pages, from, len);
		return left == len;
	}
	got = pack == PACK_ZSTD ? ZSTD_decompress(w->pages, len, from, left) : 0;
	return !ZSTD_isError(got) && got == len;
}

static void load_piece(struct work *w, uint32_t piece, unsigned n_pages)
{
	uint8_t *to = w->base + (uint64_t)piece * PIECE_SIZE;
	uint8_t bitmap[PIECE_PAGES / 8] = { 0 }, pack = PACK_NONE;
	unsigned n = 0, last = 0, k = 0;

	if (!state_has(w->s, w->tag, piece))
		return;
	(void)state_begin(w->s, w->tag, piece, 1);
	state_bytes(w->s, bitmap, sizeof bitmap);
	state_u8(w->s, &pack);
	for (unsigned i = 0; i < PIECE_PAGES; i++) {
		if (bitmap[i / 8] >> i % 8 & 1) {
			n++;
			last = i;
		}
	}
	state_expect(w->s, last < n_pages, "pages beyond the memory");
	if (state_ok(w->s))
		state_expect(w->s, unpack(w, pack, n * MEM_PAGE_SIZE), "pages that cannot be unpacked");
	state_end(w->s);
	for (unsigned i = 0; i < n_pages && state_ok(w->s); i++)
		if (bitmap[i / 8] >> i % 8 & 1)
			memcpy(to + i * MEM_PAGE_SIZE, w->pages + k++ * MEM_PAGE_SIZE, MEM_PAGE_SIZE);
}

/* ---- both ------------------------------------------------------------------------- */

static void region_state(struct work *w)
{
	for (uint64_t off = 0; off < w->len && state_ok(w->s); off += PIECE_SIZE) {
		uint64_t left = (w->len - off) / MEM_PAGE_SIZE;
		unsigned n_pages = left < PIECE_PAGES ? (unsigned)left : PIECE_PAGES;

		if (state_is_load(w->s))
			load_piece(w, (uint32_t)(off / PIECE_SIZE), n_pages);
		else
			save_piece(w, (uint32_t)(off / PIECE_SIZE), n_pages);
	}
}

/* A number that another file most probably has not. */
static uint64_t fingerprint(const struct mem *m, int fd)
{
	uint8_t page[MEM_PAGE_SIZE];
	uint64_t h = m->pmem_bytes;

	for (uint64_t off = 0; off < m->pmem_bytes; off += SAMPLE_EVERY)
		if (file_read(fd, off, page, sizeof page))
			h = XXH3_64bits_withSeed(page, sizeof page, h);
	return h;
}

void mem_state(struct mem *m, int pmem_fd, struct state *s)
{
	size_t packed_size = ZSTD_compressBound(PIECE_SIZE);
	CLEANUP(free) uint8_t *scratch = malloc(2 * PIECE_SIZE + packed_size);
	struct work w = { .s = s, .tag = "ram ", .base = m->host, .len = m->size_bytes, .fd = -1,
			  .pages = scratch, .packed_size = packed_size };

	(void)state_begin(s, "mem ", 0, 1);
	state_same(s, m->size_bytes, "bytes of memory");
	state_same(s, m->pmem_bytes, "bytes of persistent memory");
	state_same(s, m->pmem_bytes ? fingerprint(m, pmem_fd) : 0, "the image's fingerprint");
	state_end(s);
	if (!scratch)
		abort(); /* 3 MiB */
	w.file = scratch + PIECE_SIZE;
	w.packed = scratch + 2 * PIECE_SIZE;
	region_state(&w);
	if (!m->pmem_bytes)
		return;
	w.tag = "pmem";
	w.base = m->host + m->size_bytes;
	w.len = m->pmem_bytes;
	w.fd = pmem_fd;
	region_state(&w);
}
