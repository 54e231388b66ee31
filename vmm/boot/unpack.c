/* vmm/boot/unpack.c: the compression forms of a bzImage's payload.
 *
 * Unpacking on the host spares the guest its own decompressor, which is the
 * larger part of an early boot in an interpreter. LZ4's block format is small
 * enough to be read here; the others are their libraries'.
 *
 * Used by: vmm/boot/bzimage.c.   Depends on: zlib, liblzma, libzstd.
 * Sources: LZ4 Block Format Description, LZ4 Frame Format ("legacy frame"). */
#include "vmm/boot/unpack.h"

#include "core/cleanup.h"
#include "core/wire.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { LZ4_BLOCK_SIZE = 8 << 20, LZ4_MATCH_MIN = 4, WILD = 16 };

/* A length that continues in bytes of 255. False past the end. */
static bool lz4_length(const uint8_t **p, const uint8_t *end, size_t *len)
{
	uint8_t b;

	if (*len != 15)
		return true;
	do {
		if (*p == end)
			return false;
		b = *(*p)++;
		*len += b;
	} while (b == 255);
	return true;
}

/* Copies in pieces of 16, writing up to 15 bytes too many: where both ends have
 * that much room and the pieces do not overlap, this is much faster than an
 * exact copy, because most copies are short. */
static void copy_wild(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i += WILD)
		memcpy(dst + i, src + i, WILD);
}

/* The match of @n bytes at @dst + @at - @offset; all is within @size. */
static void copy_match(uint8_t *dst, size_t at, size_t offset, size_t n, size_t size)
{
	if (offset >= WILD && size - at >= n + WILD) {
		copy_wild(dst + at, dst + at - offset, n);
	} else if (offset >= n) {
		memcpy(dst + at, dst + at - offset, n);
	} else if (offset == 1) {
		memset(dst + at, dst[at - 1], n);
	} else {
		for (; n; n--, at++)
			dst[at] = dst[at - offset];
	}
}

long unpack_lz4_block(const uint8_t *src, size_t len, uint8_t *dst, size_t size)
{
	const uint8_t *p = src, *end = src + len;
	size_t at = 0;

	while (p < end) {
		uint8_t token = *p++;
		size_t n = token >> 4, offset;

		if (!lz4_length(&p, end, &n) || n > (size_t)(end - p) || n > size - at)
			return -EBADMSG;
		if ((size_t)(end - p) >= n + WILD && size - at >= n + WILD)
			copy_wild(dst + at, p, n);
		else
			memcpy(dst + at, p, n);
		p += n;
		at += n;
		if (p == end)
			return (long)at; /* the last sequence has literals only */
		if (end - p < 2)
			return -EBADMSG;
		offset = load_le16(p);
		p += 2;
		n = token & 15;
		if (!lz4_length(&p, end, &n) || offset == 0 || offset > at)
			return -EBADMSG;
		n += LZ4_MATCH_MIN;
		if (n > size - at)
			return -EBADMSG;
		copy_match(dst, at, offset, n, size);
		at += n;
	}
	return (long)at;
}

static int unpack_lz4(const uint8_t *src, size_t len, uint8_t *dst, size_t size, size_t *ret_len)
{
	size_t at = 4, out = 0;

	while (len - at >= 4 && out < size) {
		size_t n = load_le32(src + at);
		size_t room = size - out < LZ4_BLOCK_SIZE ? size - out : LZ4_BLOCK_SIZE;
		long got;

		at += 4;
		if (n == 0 || n > len - at)
			return -EBADMSG;
		got = unpack_lz4_block(src + at, n, dst + out, room);
		if (got < 0)
			return (int)got;
		at += n;
		out += (size_t)got;
	}
	*ret_len = out;
	return 0;
}

static int unpack_gzip(const uint8_t *src, size_t len, uint8_t *dst, size_t size, size_t *ret_len)
{
	z_stream z = { 0 };
	int r;

	/* zlib takes a non-const pointer it does not write through. */
	z.next_in = (Bytef *)(uintptr_t)src;
	z.avail_in = (uInt)len;
	z.next_out = dst;
	z.avail_out = (uInt)size;
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return -ENOMEM;
	r = inflate(&z, Z_FINISH);
	*ret_len = z.total_out;
	(void)inflateEnd(&z);
	return r == Z_STREAM_END ? 0 : -EBADMSG;
}

static int unpack_lzma(const uint8_t *src, size_t len, uint8_t *dst, size_t size, size_t *ret_len)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret r = lzma_auto_decoder(&z, UINT64_MAX, 0);

	if (r != LZMA_OK)
		return -ENOMEM;
	z.next_in = src;
	z.avail_in = len;
	z.next_out = dst;
	z.avail_out = size;
	r = lzma_code(&z, LZMA_FINISH);
	*ret_len = z.total_out;
	lzma_end(&z);
	return r == LZMA_STREAM_END ? 0 : -EBADMSG;
}

/* The kernel's size word follows the frame, so the frame's end is looked for. */
static int unpack_zstd(const uint8_t *src, size_t len, uint8_t *dst, size_t size, size_t *ret_len)
{
	size_t frame = ZSTD_findFrameCompressedSize(src, len), n;

	if (ZSTD_isError(frame))
		return -EBADMSG;
	n = ZSTD_decompress(dst, size, src, frame);
	if (ZSTD_isError(n))
		return -EBADMSG;
	*ret_len = n;
	return 0;
}

int unpack(const uint8_t *src, size_t len, size_t size_hint, uint8_t **ret_data, size_t *ret_len)
{
	static const struct {
		const char *magic;
		size_t n;
		int (*fn)(const uint8_t *src, size_t len, uint8_t *dst, size_t size, size_t *ret_len);
	} form[] = {
		{ "\x02\x21\x4C\x18", 4, unpack_lz4 }, { "\x1F\x8B", 2, unpack_gzip },
		{ "\xFD" "7zXZ", 5, unpack_lzma },     { "\x5D\0\0", 3, unpack_lzma },
		{ "\x28\xB5\x2F\xFD", 4, unpack_zstd },
	};
	CLEANUP(free) uint8_t *dst = NULL;
	size_t n = 0;
	int r;

	if (len < 8 || len > UNPACK_SIZE_MAX || size_hint == 0 || size_hint > UNPACK_SIZE_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof form / sizeof form[0]; i++) {
		if (memcmp(src, form[i].magic, form[i].n) != 0)
			continue;
		dst = malloc(size_hint);
		if (!dst)
			return -ENOMEM;
		r = form[i].fn(src, len, dst, size_hint, &n);
		if (r < 0)
			return r;
		*ret_len = n;
		*ret_data = take_ptr(dst);
		return 0;
	}
	return -ENOTSUP;
}
