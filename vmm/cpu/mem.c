/* vmm/cpu/mem.c: a machine's RAM: one lazy anonymous mapping, and the copies
 * that devices make to and from it.
 *
 * The mapping is not reserved: a guest that touches little costs little, and
 * the bitmap of code pages is lazy in the same way. A range is checked once,
 * with its length, and either all of it is copied or nothing.
 *
 * It stands in vmm/cpu because an engine cannot be tested without memory.
 *
 * Used by: the engines, devices, loaders.   Sources: mmap(2). */
#include "vmm/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const uint64_t mem_min_bytes = UINT64_C(1) << 20, mem_max_bytes = UINT64_C(512) << 30;
enum { pmem_align = 2 << 20, HUGE_SIZE = 2 << 20 };

static size_t code_bits_size(const struct mem *m)
{
	return (size_t)((m->size_bytes + m->pmem_bytes) / MEM_PAGE_SIZE / 8 + 1);
}

/* A guest's memory is its own: no core dump of ours holds it. */
static void *map_lazy(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_DONTDUMP);
	return p;
}

/* The same, on a boundary of HUGE_SIZE: what the host's and the guest's tables map as one huge page
 * must start on one in both. A page that is touched costs a page, whatever the host's default for
 * huge pages; mem_use_huge_pages() is for who wants it otherwise. */
static void *map_ram(size_t size)
{
	uint8_t *p = map_lazy(size + HUGE_SIZE);
	size_t before = p ? -(uintptr_t)p % HUGE_SIZE : 0;

	if (!p)
		return NULL;
	if (before)
		(void)munmap(p, before);
	p += before;
	size = (size + MEM_PAGE_SIZE - 1) & ~(size_t)(MEM_PAGE_SIZE - 1);
	(void)munmap(p + size, HUGE_SIZE - before);
	(void)madvise(p, size, MADV_NOHUGEPAGE);
	/* cppcheck-suppress deallocret ; only what lies around it was unmapped */
	return p;
}

void mem_use_huge_pages(struct mem *m)
{
	(void)madvise(m->host, (size_t)m->size_bytes, MADV_HUGEPAGE);
}

static size_t map_size(const struct mem *m)
{
	return (size_t)(m->size_bytes + m->pmem_bytes);
}

/* Lays the file over the end of the mapping. Returns 0 or -errno. */
static int map_pmem(const struct mem *m, int fd)
{
	void *at = m->host + m->size_bytes;

	if (!m->pmem_bytes)
		return 0;
	/* cppcheck-suppress leakReturnValNotUsed ; MAP_FIXED: it is at @at */
	if (mmap(at, (size_t)m->pmem_bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

static int init(struct mem *m, uint64_t size_bytes, uint64_t pmem_bytes, int pmem_fd)
{
	struct mem made = { .size_bytes = size_bytes, .pmem_bytes = pmem_bytes };
	int r = 0;

	if (size_bytes < mem_min_bytes || size_bytes > mem_max_bytes || size_bytes % MEM_PAGE_SIZE)
		return -EINVAL;
	made.low_bytes = size_bytes < MEM_LOW_END ? size_bytes : MEM_LOW_END;
	made.host = map_ram(map_size(&made));
	if (!made.host)
		return -errno;
	r = map_pmem(&made, pmem_fd);
	if (r == 0) {
		made.code_bits = map_lazy(code_bits_size(&made));
		r = made.code_bits ? 0 : -errno;
	}
	if (r < 0) {
		(void)munmap(made.host, map_size(&made));
		return r;
	}
	*m = made;
	return 0;
}

int mem_init(struct mem *m, uint64_t size_bytes)
{
	return init(m, size_bytes, 0, -1);
}

int mem_init_pmem(struct mem *m, uint64_t size_bytes, int pmem_fd)
{
	struct stat st;

	if (fstat(pmem_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size % pmem_align ||
	    (uint64_t)st.st_size > mem_max_bytes / 2)
		return -EINVAL;
	return init(m, size_bytes, (uint64_t)st.st_size, pmem_fd);
}

void mem_done(struct mem *m)
{
	if (m->host)
		(void)munmap(m->host, map_size(m));
	if (m->code_bits)
		(void)munmap(m->code_bits, code_bits_size(m));
	memset(m, 0, sizeof(*m));
}

bool mem_dma_read(const struct mem *m, uint64_t gpa, void *dst, size_t len)
{
	const uint8_t *p;

	if (!len)
		return true;
	p = mem_ptr(m, gpa, len);
	if (!p)
		return false;
	mem_fetch(dst, p, len);
	return true;
}

bool mem_dma_write(struct mem *m, uint64_t gpa, const void *src, size_t len)
{
	uint8_t *p;

	if (!len)
		return true;
	p = mem_ptr(m, gpa, len);
	if (!p)
		return false;
	memcpy(p, src, len);
	mem_dma_wrote(m, gpa, len);
	return true;
}

void mem_dma_wrote(struct mem *m, uint64_t gpa, size_t len)
{
	const uint8_t *p = len ? mem_ptr(m, gpa, len) : NULL;
	uint64_t page, last;

	if (!p || !m->on_code_write)
		return;
	page = (uint64_t)(p - m->host) >> MEM_PAGE_SHIFT;
	last = ((uint64_t)(p - m->host) + len - 1) >> MEM_PAGE_SHIFT;
	for (; page <= last; page++) {
		if (m->code_bits[page / 8] & (1U << page % 8)) {
			m->on_code_write(m->on_code_ctx, gpa, len);
			return;
		}
	}
}

bool mem_discard(struct mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t start = (gpa + MEM_PAGE_SIZE - 1) & ~(uint64_t)(MEM_PAGE_SIZE - 1), end;
	uint8_t *p = len ? mem_ptr(m, gpa, len) : NULL;

	if (!p || p >= m->host + m->size_bytes)
		return false;
	end = (gpa + len) & ~(uint64_t)(MEM_PAGE_SIZE - 1);
	if (start >= end)
		return true;
	/* The mapping is private and anonymous, so what is given back is zero
	 * when it is touched again (madvise(2), MADV_DONTNEED). */
	if (madvise(p + (start - gpa), (size_t)(end - start), MADV_DONTNEED) < 0)
		memset(p + (start - gpa), 0, (size_t)(end - start));
	mem_dma_wrote(m, start, (size_t)(end - start));
	return true;
}

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, MEM_PAGE_SIZE - 1) == 0;
}

uint64_t mem_sweep(struct mem *m, uint64_t *off)
{
	unsigned char resident[MEM_SWEEP_BYTES / MEM_PAGE_SIZE];
	uint8_t *p = m->host + *off;
	uint64_t left = m->size_bytes - *off, given = 0;
	size_t n = (left < MEM_SWEEP_BYTES ? left : MEM_SWEEP_BYTES) / MEM_PAGE_SIZE, run = 0;

	*off = n * MEM_PAGE_SIZE < left ? *off + n * MEM_PAGE_SIZE : 0;
	/* SYSCALLS(machine): mincore */
	if (mincore(p, n * MEM_PAGE_SIZE, resident) < 0)
		return 0;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && (resident[i] & 1) && is_zero(p + i * MEM_PAGE_SIZE)) {
			run++;
			continue;
		}
		if (run && madvise(p + (i - run) * MEM_PAGE_SIZE, run * MEM_PAGE_SIZE,
				   MADV_DONTNEED) == 0)
			given += run * MEM_PAGE_SIZE;
		run = 0;
	}
	return given;
}
