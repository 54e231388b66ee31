/* vmm/boot/elf.c: the loader of 64-bit ELF kernels.
 *
 * A kernel's program headers give physical addresses; its entry point is
 * physical too (Linux, 64-bit). The bss needs no clearing: fresh guest memory
 * is zero, but a reset machine's is not, so it is cleared all the same.
 *
 * Used by: vmm/boot/linux64.c.   Depends on: vmm/mem.h.
 * Source: System V ABI, Executable and Linking Format; elf(5). */
#include "vmm/boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

/* Segment @i, checked against the file. */
static int segment(const uint8_t *data, size_t len, const Elf64_Ehdr *eh, unsigned i,
		   Elf64_Phdr *ret_ph)
{
	uint64_t at = eh->e_phoff + (uint64_t)i * sizeof *ret_ph;

	if (at > len || sizeof *ret_ph > len - at)
		return -ENOEXEC;
	memcpy(ret_ph, data + at, sizeof *ret_ph);
	if (ret_ph->p_type != PT_LOAD)
		return 0;
	if (ret_ph->p_offset > len || ret_ph->p_filesz > len - ret_ph->p_offset ||
	    ret_ph->p_filesz > ret_ph->p_memsz || ret_ph->p_paddr + ret_ph->p_memsz < ret_ph->p_paddr)
		return -ENOEXEC;
	return 0;
}

static int header(const uint8_t *data, size_t len, Elf64_Ehdr *ret_eh)
{
	if (len < sizeof *ret_eh)
		return -ENOEXEC;
	memcpy(ret_eh, data, sizeof *ret_eh);
	if (memcmp(ret_eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    ret_eh->e_ident[EI_CLASS] != ELFCLASS64 || ret_eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    ret_eh->e_machine != EM_X86_64 || ret_eh->e_type != ET_EXEC ||
	    ret_eh->e_phentsize != sizeof(Elf64_Phdr) || ret_eh->e_phoff > len)
		return -ENOEXEC;
	return 0;
}

int elf_parse(const uint8_t *data, size_t len, struct elf_image *ret_image)
{
	struct elf_image im = { .start = UINT64_MAX };
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int r = header(data, len, &eh);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		r = segment(data, len, &eh, i, &ph);
		if (r < 0)
			return r;
		if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
			continue;
		if (ph.p_paddr < im.start)
			im.start = ph.p_paddr;
		if (ph.p_paddr + ph.p_memsz > im.end)
			im.end = ph.p_paddr + ph.p_memsz;
	}
	im.entry = eh.e_entry;
	if (im.entry < im.start || im.entry >= im.end)
		return -ENOEXEC;
	*ret_image = im;
	return 0;
}

int elf_load(const uint8_t *data, size_t len, struct mem *mem, struct elf_image *ret_image)
{
	struct elf_image im;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int r = elf_parse(data, len, &im);

	if (r < 0)
		return r;
	(void)header(data, len, &eh);
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		uint8_t *dst;

		(void)segment(data, len, &eh, i, &ph);
		if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
			continue;
		dst = mem_ptr(mem, ph.p_paddr, ph.p_memsz);
		if (!dst)
			return -ENOSPC;
		memcpy(dst, data + ph.p_offset, ph.p_filesz);
		memset(dst + ph.p_filesz, 0, ph.p_memsz - ph.p_filesz);
	}
	*ret_image = im;
	return 0;
}
