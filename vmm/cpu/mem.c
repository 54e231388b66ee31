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

static const uint64_t mem_min_bytes = UINT64_C(1) << 20, mem_max_bytes = UINT64_C(512) << 30;

static size_t code_bits_size(const struct mem *m)
{
	return (size_t)(m->size_bytes / MEM_PAGE_SIZE / 8 + 1);
}

static void *map_lazy(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int mem_init(struct mem *m, uint64_t size_bytes)
{
	struct mem made = { .size_bytes = size_bytes };

	if (size_bytes < mem_min_bytes || size_bytes > mem_max_bytes || size_bytes % MEM_PAGE_SIZE)
		return -EINVAL;
	made.low_bytes = size_bytes < MEM_LOW_END ? size_bytes : MEM_LOW_END;
	made.host = map_lazy((size_t)size_bytes);
	if (!made.host)
		return -errno;
	made.code_bits = map_lazy(code_bits_size(&made));
	if (!made.code_bits) {
		int err = errno;

		(void)munmap(made.host, (size_t)size_bytes);
		return -err;
	}
	*m = made;
	return 0;
}

void mem_done(struct mem *m)
{
	if (m->host)
		(void)munmap(m->host, (size_t)m->size_bytes);
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
	memcpy(dst, p, len);
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
