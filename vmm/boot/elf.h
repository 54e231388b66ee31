/* vmm/boot/elf.h: loads a 64-bit ELF kernel into guest memory. */
#ifndef MUSTER_VMM_BOOT_ELF_H
#define MUSTER_VMM_BOOT_ELF_H

#include "vmm/mem.h"

struct elf_image {
	uint64_t entry; /* guest-physical */
	uint64_t start, end; /* what the segments occupy, bss included */
};

/* Tells what @data would occupy. Returns 0; -ENOEXEC when it is not an x86-64
 * executable whose segments lie within the file and do not wrap. */
int elf_parse(const uint8_t *data, size_t len, struct elf_image *ret_image);
/* Copies the segments to their physical addresses. Returns 0; -ENOEXEC;
 * -ENOSPC when one does not fit into the guest's RAM. */
int elf_load(const uint8_t *data, size_t len, struct mem *mem, struct elf_image *ret_image);

#endif
