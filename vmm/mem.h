/* vmm/mem.h: a machine's guest-physical RAM.
 *
 * RAM is one anonymous (or memfd) mapping laid into guest-physical space as
 * low RAM [0, 3 GiB) and high RAM from 4 GiB on. Everything else is a device's
 * or nothing. Memory is touched lazily.
 *
 * Beside the RAM there may be one region of persistent memory at MEM_PMEM_GPA:
 * a file mapped privately (the read-only part of a guest image). Its pages are
 * the host's page cache until the guest writes one; they are part of the same
 * host mapping, behind the RAM, so that host offsets number all pages.
 *
 * Code pages: the soft engine marks pages out of which it decoded code.
 * Whoever writes guest memory from outside the processors (device DMA) does it
 * through mem_dma_*(), which tells the engine when such a page is hit.
 *
 * Guest memory is hostile and may change under the reader, really so where
 * processors have threads: copy once (mem_fetch()), check, then use. */
#ifndef MUSTER_VMM_MEM_H
#define MUSTER_VMM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEM_LOW_END UINT64_C(0xC0000000)
#define MEM_HIGH_START UINT64_C(0x100000000)
#define MEM_PMEM_GPA UINT64_C(0xA000000000)
enum { MEM_PAGE_SIZE = 4096, MEM_PAGE_SHIFT = 12 };

typedef void mem_code_fn(void *ctx, uint64_t gpa, size_t len);

struct mem {
	uint8_t *host; /* the mapping; low RAM first, then high RAM */
	uint64_t size_bytes; /* all RAM */
	uint64_t low_bytes; /* of it below MEM_LOW_END */
	uint64_t pmem_bytes; /* persistent memory behind it, 0: none; a multiple of 2 MiB */
	uint8_t *code_bits; /* one bit a RAM page: code was decoded from it; bit index is
			       the page's offset in host / 4096 */
	mem_code_fn *on_code_write; /* engine's hook; may be NULL */
	void *on_code_ctx;
};

/* @size_bytes: a multiple of 4096, 1 MiB to 512 GiB.
 * Returns 0, -EINVAL, -ENOMEM or another -errno. */
int mem_init(struct mem *m, uint64_t size_bytes);
/* The same with the file @pmem_fd (borrowed; may be closed afterwards) as
 * persistent memory. -EINVAL too when the file is empty or no multiple of 2 MiB. */
int mem_init_pmem(struct mem *m, uint64_t size_bytes, int pmem_fd);
/* Unmaps the guest's memory. */
void mem_done(struct mem *m);
/* RAM may come in the host's huge pages (transparent_hugepage): fewer faults for more memory. */
void mem_use_huge_pages(struct mem *m);

/* The host address of [gpa, gpa+len), or NULL unless all of it is RAM in one
 * piece (a range across the hole is not). len ≥ 1. */
static inline uint8_t *mem_ptr(const struct mem *m, uint64_t gpa, uint64_t len)
{
	if (gpa < m->low_bytes)
		return len <= m->low_bytes - gpa ? m->host + gpa : NULL;
	if (gpa >= MEM_HIGH_START) {
		uint64_t off = gpa - MEM_HIGH_START;
		uint64_t high = m->size_bytes - m->low_bytes;

		if (off < high && len <= high - off)
			return m->host + m->low_bytes + off;
		off = gpa - MEM_PMEM_GPA;
		if (off < m->pmem_bytes && len <= m->pmem_bytes - off)
			return m->host + m->size_bytes + off;
	}
	return NULL;
}

/* Copies out of guest memory. The compiler, which knows nothing of the other
 * processors, must not go back to the source for what it has no register for: behind
 * the barrier it takes @dst to be changed. */
static inline void mem_fetch(void *dst, const uint8_t *src, size_t len)
{
	memcpy(dst, src, len);
	__asm__ volatile("" : : "r"(dst) : "memory");
}

/* Device DMA. False when the range is not RAM: nothing was copied. */
bool mem_dma_read(const struct mem *m, uint64_t gpa, void *dst, size_t len);
bool mem_dma_write(struct mem *m, uint64_t gpa, const void *src, size_t len);
/* For a device that wrote through mem_ptr(): call after the write. */
void mem_dma_wrote(struct mem *m, uint64_t gpa, size_t len);

/* The guest does not want the contents of [gpa, gpa+len) any more: the whole
 * pages of it are given back to the host and read as zero from then on. False
 * when the range is not RAM (persistent memory is not): nothing happened. */
bool mem_discard(struct mem *m, uint64_t gpa, uint64_t len);
enum { MEM_SWEEP_BYTES = 16 << 20 };
/* Gives back the resident pages of RAM that hold nothing but zeros, which
 * changes nothing that can be read. Looks at MEM_SWEEP_BYTES of RAM from the
 * offset @*off on and moves it on, to 0 at the end of RAM. Only while no
 * processor runs. Returns the bytes given back. */
uint64_t mem_sweep(struct mem *m, uint64_t *off);

#endif
