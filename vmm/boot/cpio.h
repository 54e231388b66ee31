/* vmm/boot/cpio.h: writes a newc archive, the form of an initramfs.
 *
 * Parents are not made by themselves: add directories before what is in them.
 * Paths have no leading slash ("etc/hosts"). Every entry belongs to root and
 * has time 0, so that an archive is a function of what was added.
 *
 * Used by: teams/ (the archive appended to a guest's initrd), tests.
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst. */
#ifndef MUSTER_VMM_BOOT_CPIO_H
#define MUSTER_VMM_BOOT_CPIO_H

#include "core/bytes.h"

/* @mode: permission bits. @len: below 4 GiB. */
void cpio_add_file(struct bytes *b, const char *path, unsigned mode, const void *data, size_t len);
/* Both append an entry of the archive in the form newc. @path: without a leading slash. */
void cpio_add_dir(struct bytes *b, const char *path, unsigned mode);
void cpio_add_symlink(struct bytes *b, const char *path, const char *target);
/* The trailer; the archive is complete and padded to 512 bytes. */
void cpio_end(struct bytes *b);

#endif
