/* vmm/boot/elf.c: the loader of 64-bit ELF kernels.
 *
 * A kernel's program headers give physical addresses; its entry point is
 * physical too (Linux, 64-bit). The file comes in pieces, each of which is
 * copied to where its segments lie in the guest.
 *
 * The guest's RAM is fresh, so what is zero is there already: the bss, and
 * zeros in the file, for in a Debian kernel a quarter of the last segment is that
 * (its linker script has sections behind the bss). They are skipped page by
 * page, and a page which the guest never touches stays untouched. Tried and
 * left: discarding such pages, so that RAM need not be fresh; it splits the huge
 * pages that they are part of, which cost half of what the loading does.
 *
 * Used by: vmm/boot/linux64.c.   Depends on: vmm/mem.h.
 * Source: System V ABI, Executable and Linking Format; elf(5). */
#include "vmm/boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

void elf_loader_init(struct elf_loader *l, struct mem *mem, uint64_t min)
{
	*l = (struct elf_loader){ .mem = mem, .min = min, .image = { .start = UINT64_MAX } };
}

static int take_header(const uint8_t *data, size_t len, Elf64_Ehdr *ret_eh)
{
	if (len < sizeof *ret_eh)
		return -ENOEXEC;
	memcpy(ret_eh, data, sizeof *ret_eh);
	if (memcmp(ret_eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    ret_eh->e_ident[EI_CLASS] != ELFCLASS64 || ret_eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    ret_eh->e_machine != EM_X86_64 || ret_eh->e_type != ET_EXEC ||
	    ret_eh->e_phentsize != sizeof(Elf64_Phdr) || ret_eh->e_phoff > len ||
	    ret_eh->e_phnum > (len - ret_eh->e_phoff) / sizeof(Elf64_Phdr))
		return -ENOEXEC;
	return 0;
}

static int add_segment(struct elf_loader *l, const Elf64_Phdr *ph)
{
	if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
		return 0;
	if (l->n_segments == ELF_SEGMENT_MAX || ph->p_filesz > ph->p_memsz ||
	    ph->p_offset + ph->p_filesz < ph->p_offset ||
	    ph->p_paddr + ph->p_memsz < ph->p_paddr || ph->p_paddr < l->min)
		return -ENOEXEC;
	l->segment[l->n_segments++] = (struct elf_segment){ .offset = ph->p_offset,
							    .file_len = ph->p_filesz,
							    .gpa = ph->p_paddr,
							    .mem_len = ph->p_memsz };
	if (ph->p_paddr < l->image.start)
		l->image.start = ph->p_paddr;
	if (ph->p_paddr + ph->p_memsz > l->image.end)
		l->image.end = ph->p_paddr + ph->p_memsz;
	return 0;
}

static int take_headers(struct elf_loader *l, const uint8_t *data, size_t len)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int r = take_header(data, len, &eh);

	for (unsigned i = 0; r == 0 && i < eh.e_phnum; i++) {
		memcpy(&ph, data + eh.e_phoff + i * sizeof ph, sizeof ph);
		r = add_segment(l, &ph);
	}
	if (r < 0)
		return r;
	l->image.entry = eh.e_entry;
	if (eh.e_entry < l->image.start || eh.e_entry >= l->image.end)
		return -ENOEXEC;
	return l->image.end > l->mem->low_bytes ? -ENOSPC : 0;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* Writes [gpa, gpa+len), but for pages of zeros. */
static void put(struct mem *mem, uint64_t gpa, const uint8_t *data, size_t len)
{
	while (len) {
		size_t part = MEM_PAGE_SIZE - (gpa & (MEM_PAGE_SIZE - 1));

		if (part > len)
			part = len;
		if (!is_zero(data, part))
			memcpy(mem->host + gpa, data, part);
		gpa += part;
		data += part;
		len -= part;
	}
}

int elf_loader_take(void *ctx, const uint8_t *data, size_t len)
{
	struct elf_loader *l = ctx;
	int r = l->at ? 0 : take_headers(l, data, len);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < l->n_segments; i++) {
		const struct elf_segment *s = &l->segment[i];
		uint64_t from = s->offset > l->at ? s->offset : l->at;
		uint64_t end = s->offset + s->file_len;

		if (end > l->at + len)
			end = l->at + len;
		if (from < end)
			put(l->mem, s->gpa + (from - s->offset), data + (from - l->at), end - from);
	}
	l->at += len;
	return 0;
}

int elf_loader_end(struct elf_loader *l, struct elf_image *ret_image)
{
	if (!l->at)
		return -ENOEXEC;
	for (unsigned i = 0; i < l->n_segments; i++) {
		const struct elf_segment *s = &l->segment[i];

		if (s->file_len && s->offset + s->file_len > l->at)
			return -ENOEXEC;
	}
	*ret_image = l->image;
	return 0;
}
