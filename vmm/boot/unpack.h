/* vmm/boot/unpack.h: takes a compressed kernel apart on the host. */
#ifndef MUSTER_VMM_BOOT_UNPACK_H
#define MUSTER_VMM_BOOT_UNPACK_H

#include <stddef.h>
#include <stdint.h>

/* Pieces that are handed on: each but the last has UNPACK_PIECE_MIN bytes or more. */
enum { UNPACK_SIZE_MAX = 512 << 20, UNPACK_PIECE_MIN = 64 << 10 };

/* Takes the next @len bytes, which are gone afterwards. Returns 0, or a -errno that ends the
 * unpacking: one that unpack() has not itself. */
typedef int unpack_sink(void *ctx, const uint8_t *data, size_t len);

/* Unpacks @src (LZ4 in the legacy frame, gzip, xz, lzma or zstd, told by its
 * first bytes) to @size bytes at most, and gives them to @sink in their order.
 * Returns 0; -ENOTSUP for a form not known; -EBADMSG for data that do not
 * unpack, or to more; -ENOMEM; what @sink returned. */
int unpack(const uint8_t *src, size_t len, size_t size, unpack_sink *sink, void *ctx);

#endif
