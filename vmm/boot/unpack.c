/* vmm/boot/unpack.c: the compression forms of a bzImage's payload.
 *
 * Unpacking on the host spares the guest its own decompressor, which is the
 * larger part of an early boot in an interpreter. LZ4's block format is small
 * enough to be read here; the others are their libraries'.
 *
 * What is unpacked is handed on piece by piece and never lies in one place: a
 * kernel is 50 MiB, and memory that is touched once costs more than what is
 * done with it. An LZ4 block is 8 MiB and needs nothing of the one before.
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

enum { LZ4_BLOCK_SIZE = 8 << 20, LZ4_MATCH_MIN = 4, WILD = 16, PIECE_SIZE = 1 << 20 };

/* Where pieces are made, and whom they are for. */
struct out {
	uint8_t *piece;
	size_t size; /* of @piece */
	size_t left; /* bytes that may still come */
	unpack_sink *sink;
	void *ctx;
};

static int out_give(struct out *o, size_t len)
{
	if (len > o->left)
		return -EBADMSG;
	o->left -= len;
	return len ? o->sink(o->ctx, o->piece, len) : 0;
}


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

/* Every block but the last is full. */
static int unpack_lz4(const uint8_t *src, size_t len, struct out *o)
{
	long got = LZ4_BLOCK_SIZE;

	for (size_t at = 4; len - at >= 4 && o->left;) {
		size_t n = load_le32(src + at);
		int r;

		at += 4;
		if (n == 0 || n > len - at || got != LZ4_BLOCK_SIZE)
			return -EBADMSG;
		got = unpack_lz4_block(src + at, n, o->piece, o->size < o->left ? o->size : o->left);
		r = got < 0 ? (int)got : out_give(o, (size_t)got);
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

static int unpack_gzip(const uint8_t *src, size_t len, struct out *o)
{
	z_stream z = { 0 };
	int r, given = 0;

	/* zlib takes a non-const pointer it does not write through. */
	z.next_in = (Bytef *)(uintptr_t)src;
	z.avail_in = (uInt)len;
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = o->piece;
		z.avail_out = (uInt)o->size;
		r = inflate(&z, Z_NO_FLUSH);
		given = r == Z_OK || r == Z_STREAM_END ? out_give(o, o->size - z.avail_out) : -EBADMSG;
	} while (r == Z_OK && given == 0);
	(void)inflateEnd(&z);
	return given;
}

static int unpack_lzma(const uint8_t *src, size_t len, struct out *o)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret r = lzma_auto_decoder(&z, UINT64_MAX, 0);
	int given = 0;

	if (r != LZMA_OK)
		return -ENOMEM;
	z.next_in = src;
	z.avail_in = len;
	do {
		z.next_out = o->piece;
		z.avail_out = o->size;
		r = lzma_code(&z, LZMA_FINISH);
		given = r == LZMA_OK || r == LZMA_STREAM_END ? out_give(o, o->size - z.avail_out) :
							       -EBADMSG;
	} while (r == LZMA_OK && given == 0);
	lzma_end(&z);
	return given;
}

/* The kernel's size word follows the frame, so it is the frame's end that ends it. */
static int unpack_zstd(const uint8_t *src, size_t len, struct out *o)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { .src = src, .size = len };
	size_t r;
	int given;

	if (!z)
		return -ENOMEM;
	do {
		ZSTD_outBuffer out = { .dst = o->piece, .size = o->size };

		r = ZSTD_decompressStream(z, &out, &in);
		/* No progress is a frame that is cut off. */
		given = ZSTD_isError(r) || (r != 0 && out.pos < out.size) ? -EBADMSG :
									    out_give(o, out.pos);
	} while (r != 0 && given == 0);
	(void)ZSTD_freeDStream(z);
	return given;
}

int unpack(const uint8_t *src, size_t len, size_t size, unpack_sink *sink, void *ctx)
{
	static const struct {
		const char *magic;
		size_t n, piece;
		int (*fn)(const uint8_t *src, size_t len, struct out *o);
	} form[] = {
		{ "\x02\x21\x4C\x18", 4, LZ4_BLOCK_SIZE, unpack_lz4 },
		{ "\x1F\x8B", 2, PIECE_SIZE, unpack_gzip },
		{ "\xFD" "7zXZ", 5, PIECE_SIZE, unpack_lzma },
		{ "\x5D\0\0", 3, PIECE_SIZE, unpack_lzma },
		{ "\x28\xB5\x2F\xFD", 4, PIECE_SIZE, unpack_zstd },
	};

	if (len < 8 || len > UNPACK_SIZE_MAX || size == 0 || size > UNPACK_SIZE_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof form / sizeof form[0]; i++) {
		CLEANUP(free) uint8_t *piece = NULL;
		struct out o = { .size = form[i].piece, .left = size, .sink = sink, .ctx = ctx };

		if (memcmp(src, form[i].magic, form[i].n) != 0)
			continue;
		piece = malloc(o.size);
		if (!piece)
			return -ENOMEM;
		o.piece = piece;
		return form[i].fn(src, len, &o);
	}
	return -ENOTSUP;
}
