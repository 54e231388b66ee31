/* vmm/boot/unpack.c: the compression forms of a bzImage's payload.
 *
 * Unpacking on the host spares the guest its own decompressor, which is the
 * larger part of an early boot in an interpreter. The legacy frame of LZ4, of
 * which liblz4 knows the blocks alone, is read here; the other forms are their
 * libraries' whole.
 *
 * What is unpacked is handed on piece by piece and never lies in one place: a
 * kernel is 50 MiB, and memory that is touched once costs more than what is
 * done with it. An LZ4 block is 8 MiB and needs nothing of the one before.
 *
 * Used by: vmm/boot/bzimage.c.   Depends on: liblz4, zlib, liblzma, libzstd.
 * Source: LZ4 Frame Format Description ("legacy frame"). */
#include "vmm/boot/unpack.h"

#include "core/cleanup.h"
#include "core/wire.h"

#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { LZ4_BLOCK_SIZE = 8 << 20, PIECE_SIZE = 1 << 20 };

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

/* Every block but the last is full. */
static int unpack_lz4(const uint8_t *src, size_t len, struct out *o)
{
	int got = LZ4_BLOCK_SIZE;

	for (size_t at = 4; len - at >= 4 && o->left;) {
		size_t n = load_le32(src + at);
		int r;

		at += 4;
		if (n == 0 || n > len - at || got != LZ4_BLOCK_SIZE)
			return -EBADMSG;
		/* Both lengths are below UNPACK_SIZE_MAX, which an int holds. */
		got = LZ4_decompress_safe((const char *)src + at, (char *)o->piece, (int)n,
					  (int)(o->size < o->left ? o->size : o->left));
		r = got < 0 ? -EBADMSG : out_give(o, (size_t)got);
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
