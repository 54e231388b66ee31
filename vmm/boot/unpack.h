/* vmm/boot/unpack.h: takes a compressed kernel apart on the host. */
#ifndef MUSTER_VMM_BOOT_UNPACK_H
#define MUSTER_VMM_BOOT_UNPACK_H

#include <stddef.h>
#include <stdint.h>

enum { UNPACK_SIZE_MAX = 512 << 20 };

/* Unpacks @src (LZ4 in the legacy frame, gzip, xz, lzma or zstd, told by its
 * first bytes) of which @size_hint is the expected size in bytes.
 * The caller frees *ret_data. Returns 0; -ENOTSUP for a form not known;
 * -EBADMSG for data that does not unpack; -ENOMEM. */
int unpack(const uint8_t *src, size_t len, size_t size_hint, uint8_t **ret_data, size_t *ret_len);

/* One LZ4 block. Returns the bytes written, or -EBADMSG. */
long unpack_lz4_block(const uint8_t *src, size_t len, uint8_t *dst, size_t size);

#endif
