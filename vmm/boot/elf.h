/* vmm/boot/elf.h: loads a 64-bit ELF kernel into guest memory, piece by piece as it is unpacked. */
#ifndef MUSTER_VMM_BOOT_ELF_H
#define MUSTER_VMM_BOOT_ELF_H

#include "vmm/mem.h"

enum { ELF_SEGMENT_MAX = 16 };

struct elf_image {
	uint64_t entry; /* guest-physical */
	uint64_t start, end; /* what the segments occupy, bss included */
};

/* One loading. Embedded; only elf_loader_*() look inside, but for @image. */
struct elf_loader {
	struct elf_image image; /* known after the first piece, even where there is no room for it */
	struct mem *mem; /* borrowed */
	uint64_t min; /* no segment may lie below */
	uint64_t at; /* bytes of the file seen */
	unsigned n_segments;
	struct elf_segment {
		uint64_t offset, file_len; /* in the file */
		uint64_t gpa, mem_len; /* in the guest; all of it is RAM, or is refused */
	} segment[ELF_SEGMENT_MAX];
};

/* @mem: borrowed; fresh: all of it is zero. */
void elf_loader_init(struct elf_loader *l, struct mem *mem, uint64_t min);
/* Takes the next bytes of the file: an unpack_sink, @ctx is the loader. The first piece has to
 * hold the headers. Returns 0; -ENOEXEC when it is not an x86-64 executable of at most
 * ELF_SEGMENT_MAX segments, which do not wrap nor begin below @min; -ENOSPC when they do not fit into
 * low RAM. Nothing is written before all that is known. */
int elf_loader_take(void *ctx, const uint8_t *data, size_t len);
/* All was taken. Returns 0, or -ENOEXEC when the file was too short. */
int elf_loader_end(struct elf_loader *l, struct elf_image *ret_image);

#endif
