/* core/wire.h: the bounded reader and writer of wire bytes: the one place
 * where a length can underflow, and it cannot.
 *
 * A reader or writer that met an end keeps its error: further reads return 0,
 * further writes do nothing, and wire_ok() tells once at the end. Big-endian
 * unless the name says le. */
#ifndef MUSTER_CORE_WIRE_H
#define MUSTER_CORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
	const uint8_t *p; /* borrowed */
	size_t left;
	bool failed;
};

struct wire_writer {
	uint8_t *base, *p; /* borrowed */
	size_t left;
	bool failed;
};

static inline struct wire_reader wire_read_from(const void *buf, size_t len)
{
	return (struct wire_reader){ .p = buf, .left = len };
}

static inline struct wire_writer wire_write_to(void *buf, size_t size)
{
	return (struct wire_writer){ .base = buf, .p = buf, .left = size };
}

/* The next @len bytes, or NULL past the end. */
const uint8_t *wire_get(struct wire_reader *r, size_t len);
/* A reader over the next @len bytes; failed when there are fewer. */
struct wire_reader wire_get_sub(struct wire_reader *r, size_t len);
/* Each takes one integer off, of that width and byte order. Beyond the end it is 0, and the reader has failed. */
uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_be16(struct wire_reader *r);
uint32_t wire_get_be32(struct wire_reader *r);
uint64_t wire_get_be64(struct wire_reader *r);
uint16_t wire_get_le16(struct wire_reader *r);
uint32_t wire_get_le32(struct wire_reader *r);
uint64_t wire_get_le64(struct wire_reader *r);

/* Room for @len bytes to fill in, or NULL. */
uint8_t *wire_put(struct wire_writer *w, size_t len);
/* Each appends what it says, of that width and byte order. Without room nothing is written, and the writer
 * has failed. */
void wire_put_bytes(struct wire_writer *w, const void *src, size_t len);
void wire_put_u8(struct wire_writer *w, uint8_t v);
void wire_put_be16(struct wire_writer *w, uint16_t v);
void wire_put_be32(struct wire_writer *w, uint32_t v);
void wire_put_be64(struct wire_writer *w, uint64_t v);
void wire_put_le16(struct wire_writer *w, uint16_t v);
void wire_put_le32(struct wire_writer *w, uint32_t v);
void wire_put_le64(struct wire_writer *w, uint64_t v);
static inline size_t wire_put_len(const struct wire_writer *w)
{
	return (size_t)(w->p - w->base);
}

/* Byte order at an address that need not be aligned. */
static inline uint16_t load_be16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap16(v);
}
static inline uint32_t load_be32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap32(v);
}
static inline uint16_t load_le16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}
static inline uint32_t load_le32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}
static inline uint64_t load_le64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}
static inline void store_be16(void *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof v);
}
static inline void store_be32(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof v);
}
static inline void store_le16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof v);
}
static inline void store_le32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}
static inline void store_le64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof v);
}

#endif
