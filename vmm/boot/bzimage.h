/* vmm/boot/bzimage.h: reads a kernel file: a bzImage or a plain vmlinux.
 * Source: Linux Documentation/arch/x86/boot.rst. */
#ifndef MUSTER_VMM_BOOT_BZIMAGE_H
#define MUSTER_VMM_BOOT_BZIMAGE_H

#include "vmm/boot/unpack.h"

/* The setup header lies at 0x1F1 of the image and of the zero page; its end is
 * told by the jump at 0x200 (boot.rst, "Loading The Rest of The Kernel"). */
enum { SETUP_HEADER_AT = 0x1F1, SETUP_HEADER_MAX = 0x290 - 0x1F1 };

struct bzimage {
	uint8_t header[SETUP_HEADER_MAX]; /* seed of the zero page */
	size_t header_len;
};

/* Reads all of @fd and gives the ELF to @sink. @ret_why: a message on failure, the caller frees
 * it. Returns 0 or -errno (-ENOEXEC: not a kernel we can boot); what @sink returned, and then
 * there is no message. */
int bzimage_read(int fd, unpack_sink *sink, void *ctx, struct bzimage *ret_image, char **ret_why);

#endif
