/* tests/kernel.h: a kernel that is a few instructions: an ELF file entered in
 * 64-bit mode at KERNEL_AT. */
#ifndef MUSTER_TESTS_KERNEL_H
#define MUSTER_TESTS_KERNEL_H

#include "core/bytes.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

enum { KERNEL_AT = 0x100000 };

/* Returns the file; -1 or incomplete when the host has no room. The caller closes it. */
static inline int kernel_of(const void *code, size_t len)
{
	Elf64_Ehdr eh = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_entry = KERNEL_AT,
			  .e_phoff = sizeof eh, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 };
	Elf64_Phdr ph = { .p_type = PT_LOAD, .p_offset = sizeof eh + sizeof ph, .p_paddr = KERNEL_AT,
			  .p_filesz = len, .p_memsz = 4096 };
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	(void)fd_write_all(fd, &eh, sizeof eh);
	(void)fd_write_all(fd, &ph, sizeof ph);
	(void)fd_write_all(fd, code, len);
	return fd;
}

#endif
