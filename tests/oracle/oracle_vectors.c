/* tests/oracle/oracle_vectors.c: outcomes of a real processor, kept in a file.
 *
 * The cases are those of one stream of the generator whose code is not 64-bit, so the file
 * holds outcomes only. It is text up to an empty line (what it is, whose outcomes, how they
 * were made), then blocks of at most ORACLE_BLOCK cases: number of cases, bytes that follow
 * (32 bits each), a hash of the cases' inputs (64 bits), and the outcomes, packed by zstd. A
 * hash that differs tells that the generator is no longer the one of the recording.
 *
 * An outcome is held as a flat image (struct image) and stored as its difference from the
 * image of an instruction that only ends: (bytes alike, bytes that differ, these) until a
 * pair (0, 0). Integers are little-endian.
 *
 * Used by: tests/oracle/oracle_insn.c.   Depends on: oracle.h, core/wire.h, libzstd, libxxhash. */
#include "tests/oracle/oracle.h"

#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

enum { STREAM_SEED = 16, HEAD_BYTES = 16, RUN_MAX = 0xFFFF, FILE_MAX = 1 << 20, NOT_RUN = 1 };

/* What of a case and its outcome is compared, without the holes of struct cpu_fxsave. */
struct image {
	uint64_t gpr[16], rip, rflags, cr2;
	uint8_t st[8][16], xmm[16][16];
	uint32_t mxcsr, error;
	int32_t vector;
	uint16_t fcw, fsw, ftw, zero[3];
	uint8_t window[ORACLE_WINDOW_BYTES];
};
enum { BLOCK_BYTES_MAX = ORACLE_BLOCK * 2 * (int)sizeof(struct image) };

static uint64_t stream;

static void image_of(const struct oracle_regs *r, const uint8_t *window, struct image *ret)
{
	memset(ret, 0, sizeof *ret);
	memcpy(ret->gpr, r->gpr, sizeof ret->gpr);
	ret->rip = r->rip;
	ret->rflags = r->rflags;
	for (int k = 0; k < 8; k++)
		memcpy(ret->st[k], r->fx.st[k], 10);
	memcpy(ret->xmm, r->fx.xmm, sizeof ret->xmm);
	ret->mxcsr = r->fx.mxcsr;
	ret->fcw = r->fx.fcw;
	ret->fsw = r->fx.fsw;
	ret->ftw = r->fx.ftw;
	ret->vector = -1;
	memcpy(ret->window, window, sizeof ret->window);
}

/* The image if the instruction did nothing. */
static void image_expected(const struct oracle_case *c, struct image *ret)
{
	image_of(&c->in, c->window, ret);
	ret->rip += c->len;
}

static void next_case(struct oracle_case *c)
{
	/* One of four is 16-bit. */
	if (oracle_random(&stream) % 4 == 0) {
		oracle_generate_16(&stream, c);
		return;
	}
	do
		oracle_generate(&stream, c);
	while (!c->is_32);
}

/* The hash of the inputs so far, whose hash was @hash, and of those of @c. */
static uint64_t hash_inputs(uint64_t hash, const struct oracle_case *c)
{
	struct image in;

	image_expected(c, &in);
	return XXH64(&in, sizeof in, XXH64(c->bytes, sizeof c->bytes, hash));
}

/* ---- writing ------------------------------------------------------------------------- */

static size_t put_run(uint8_t *p, size_t n_same, size_t n_differ)
{
	store_le16(p, (uint16_t)n_same);
	store_le16(p + 2, (uint16_t)n_differ);
	return 4;
}

/* Appends the outcome of @c at @p, where there is room for two images. Returns its bytes. */
static size_t put_outcome(const struct oracle_case *c, uint8_t *p)
{
	struct image want, got;
	const uint8_t *a = (const uint8_t *)&want, *b = (const uint8_t *)&got;
	size_t at = 0, len = 1;

	p[0] = c->skip || c->died ? NOT_RUN : 0;
	if (p[0] == NOT_RUN)
		return 1;
	image_expected(c, &want);
	image_of(&c->hw.regs, c->hw.window, &got);
	got.vector = c->hw.vector;
	/* Elsewhere the frame holds those of an earlier fault. */
	if (c->hw.vector == 14) {
		got.error = c->hw.error;
		got.cr2 = c->hw.cr2;
	}
	while (at < sizeof want) {
		size_t same = at, differ;

		while (same < sizeof want && a[same] == b[same])
			same++;
		if (same == sizeof want)
			break;
		for (differ = same; differ < sizeof want && a[differ] != b[differ];)
			differ++;
		len += put_run(p + len, same - at, differ - same);
		memcpy(p + len, b + same, differ - same);
		len += differ - same;
		at = differ;
	}
	return len + put_run(p + len, 0, 0);
}

/* Runs the next block's cases; their outcomes go to @plain. Returns the bytes. */
static size_t run_block(uint8_t *plain, void (*run)(struct oracle_case *c, unsigned n), uint64_t *ret_hash)
{
	static struct oracle_case cases[ORACLE_BATCH];
	uint64_t hash = 0;
	size_t len = 0;

	for (unsigned at = 0; at < ORACLE_BLOCK; at += ORACLE_BATCH) {
		for (unsigned k = 0; k < ORACLE_BATCH; k++) {
			next_case(&cases[k]);
			hash = hash_inputs(hash, &cases[k]);
		}
		run(cases, ORACLE_BATCH);
		for (unsigned k = 0; k < ORACLE_BATCH; k++)
			len += put_outcome(&cases[k], plain + len);
	}
	*ret_hash = hash;
	return len;
}

int oracle_vectors_write(const char *path, const char *origin, unsigned n, void (*run)(struct oracle_case *c, unsigned n))
{
	const size_t bound = ZSTD_compressBound(BLOCK_BYTES_MAX);
	CLEANUP(free) uint8_t *plain = malloc(BLOCK_BYTES_MAX), *packed = malloc(bound);
	CLEANUP(file) FILE *f = fopen(path, "we");

	if (!f || !plain || !packed)
		return f ? -ENOMEM : -errno;
	stream = STREAM_SEED;
	(void)fprintf(f, "Outcomes of 32-bit and 16-bit instructions on a processor, for tests/oracle (oracle_vectors.c).\n%s\n\n", origin);
	for (unsigned done = 0; done < n; done += ORACLE_BLOCK) {
		uint8_t head[HEAD_BYTES];
		uint64_t hash;
		size_t len = ZSTD_compress(packed, bound, plain, run_block(plain, run, &hash), ZSTD_maxCLevel());

		if (ZSTD_isError(len))
			return -EIO;
		store_le32(head, ORACLE_BLOCK);
		store_le32(head + 4, (uint32_t)len);
		store_le64(head + 8, hash);
		if (fwrite(head, sizeof head, 1, f) != 1 || fwrite(packed, len, 1, f) != 1)
			return -EIO;
	}
	return fflush(f) ? -EIO : 0;
}

/* ---- reading -------------------------------------------------------------------------- */

/* Takes the outcome of @c out of @len bytes at @p. Returns how many it took; 0 when they are none. */
static size_t take_outcome(struct oracle_case *c, const uint8_t *p, size_t len)
{
	struct image got;
	size_t at = 0, used = 1;

	c->skip = len < 1 || p[0] == NOT_RUN;
	if (c->skip)
		return len < 1 ? 0 : 1;
	image_expected(c, &got);
	for (;;) {
		size_t same, differ;

		if (len - used < 4)
			return 0;
		same = load_le16(p + used);
		differ = load_le16(p + used + 2);
		used += 4;
		if (differ == 0)
			break;
		at += same;
		if (at > sizeof got || differ > sizeof got - at || differ > len - used)
			return 0;
		memcpy((uint8_t *)&got + at, p + used, differ);
		at += differ;
		used += differ;
	}
	memcpy(c->hw.regs.gpr, got.gpr, sizeof got.gpr);
	c->hw.regs.rip = got.rip;
	c->hw.regs.rflags = got.rflags;
	for (int k = 0; k < 8; k++)
		memcpy(c->hw.regs.fx.st[k], got.st[k], 10);
	memcpy(c->hw.regs.fx.xmm, got.xmm, sizeof got.xmm);
	c->hw.regs.fx.mxcsr = got.mxcsr;
	c->hw.regs.fx.fcw = got.fcw;
	c->hw.regs.fx.fsw = got.fsw;
	c->hw.regs.fx.ftw = (uint8_t)got.ftw;
	c->hw.vector = got.vector;
	c->hw.error = got.error;
	c->hw.cr2 = got.cr2;
	memcpy(c->hw.window, got.window, sizeof got.window);
	return used;
}

/* Generates the block's cases and gives each its outcome. Returns 0, -ESTALE, -EPROTO. */
static int block(const uint8_t *plain, size_t len, uint64_t want_hash, struct oracle_case *cases)
{
	uint64_t hash = 0;
	size_t at = 0, took;

	for (unsigned k = 0; k < ORACLE_BLOCK; k++) {
		next_case(&cases[k]);
		hash = hash_inputs(hash, &cases[k]);
	}
	if (hash != want_hash)
		return -ESTALE;
	for (unsigned k = 0; k < ORACLE_BLOCK; k++) {
		took = take_outcome(&cases[k], plain + at, len - at);
		if (took == 0)
			return -EPROTO;
		at += took;
	}
	return at == len ? 0 : -EPROTO;
}

int oracle_vectors_read(const char *path, unsigned n, void (*each)(struct oracle_case *c, uint64_t number))
{
	CLEANUP(free) uint8_t *plain = malloc(BLOCK_BYTES_MAX);
	CLEANUP(free) struct oracle_case *cases = calloc(ORACLE_BLOCK, sizeof *cases);
	CLEANUP(bytes) struct bytes file = { 0 };
	const uint8_t *p, *end;
	int r = file_read_all(path, FILE_MAX, &file);

	if (r < 0 || !plain || !cases)
		return r < 0 ? r : -ENOMEM;
	end = file.data + file.len;
	p = memmem(file.data, file.len, "\n\n", 2);
	if (!p)
		return -EPROTO;
	stream = STREAM_SEED;
	p += 2;
	for (unsigned done = 0; done < n && p < end; done += ORACLE_BLOCK) {
		size_t len = end - p < HEAD_BYTES ? FILE_MAX : load_le32(p + 4);
		size_t plain_len;

		if (len > (size_t)(end - p) - HEAD_BYTES || load_le32(p) != ORACLE_BLOCK)
			return -EPROTO;
		plain_len = ZSTD_decompress(plain, BLOCK_BYTES_MAX, p + HEAD_BYTES, len);
		if (ZSTD_isError(plain_len))
			return -EPROTO;
		r = block(plain, plain_len, load_le64(p + 8), cases);
		for (unsigned k = 0; r == 0 && k < ORACLE_BLOCK; k++)
			each(&cases[k], done + k);
		if (r < 0)
			return r;
		p += HEAD_BYTES + len;
	}
	return 0;
}
