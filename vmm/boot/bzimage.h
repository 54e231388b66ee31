/* vmm/boot/bzimage.h: reads a kernel file: a bzImage or a plain vmlinux.
 * Source: Linux Documentation/arch/x86/boot.rst. */
#ifndef MUSTER_VMM_BOOT_BZIMAGE_H
#define MUSTER_VMM_BOOT_BZIMAGE_H

#include <stddef.h>
#include <stdint.h>

/* The setup header lies at 0x1F1 of the image and of the zero page; its end is
 * told by the jump at 0x200 (boot.rst, "Loading The Rest of The Kernel"). */
enum { SETUP_HEADER_AT = 0x1F1, SETUP_HEADER_MAX = 0x290 - 0x1F1 };

struct bzimage {
	uint8_t header[SETUP_HEADER_MAX]; /* seed of the zero page */
	size_t header_len;
	uint8_t *vmlinux; /* the ELF; owned */
	size_t vmlinux_len;
};

/* Reads all of @fd. @ret_why: a message on failure, the caller frees it.
 * Returns 0 or -errno (-ENOEXEC: not a kernel we can boot). */
int bzimage_read(int fd, struct bzimage *ret_image, char **ret_why);
void bzimage_done(struct bzimage *im);

#endif
