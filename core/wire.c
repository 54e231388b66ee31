/* core/wire.c: the bounded reader and writer.
 *
 * Used by: every codec. */
#include "core/wire.h"

const uint8_t *wire_get(struct wire_reader *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->failed || len > r->left) {
		r->failed = true;
		return NULL;
	}
	r->p += len;
	r->left -= len;
	return p;
}

struct wire_reader wire_get_sub(struct wire_reader *r, size_t len)
{
	const uint8_t *p = wire_get(r, len);

	return (struct wire_reader){ .p = p, .left = p ? len : 0, .failed = !p };
}

/* The next @len (≤ 8) bytes as a number, first byte highest. */
static uint64_t get_be(struct wire_reader *r, size_t len)
{
	const uint8_t *p = wire_get(r, len);
	uint64_t v = 0;

	for (size_t i = 0; p && i < len; i++)
		v = v << 8 | p[i];
	return v;
}

static uint64_t get_le(struct wire_reader *r, size_t len)
{
	const uint8_t *p = wire_get(r, len);
	uint64_t v = 0;

	for (size_t i = len; p && i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

uint8_t wire_get_u8(struct wire_reader *r)
{
	return (uint8_t)get_be(r, 1);
}

uint16_t wire_get_be16(struct wire_reader *r)
{
	return (uint16_t)get_be(r, 2);
}

uint32_t wire_get_be32(struct wire_reader *r)
{
	return (uint32_t)get_be(r, 4);
}

uint64_t wire_get_be64(struct wire_reader *r)
{
	return get_be(r, 8);
}

uint16_t wire_get_le16(struct wire_reader *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t wire_get_le32(struct wire_reader *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t wire_get_le64(struct wire_reader *r)
{
	return get_le(r, 8);
}

uint8_t *wire_put(struct wire_writer *w, size_t len)
{
	uint8_t *p = w->p;

	if (w->failed || len > w->left) {
		w->failed = true;
		return NULL;
	}
	w->p += len;
	w->left -= len;
	return p;
}

void wire_put_bytes(struct wire_writer *w, const void *src, size_t len)
{
	uint8_t *p = wire_put(w, len);

	if (p && len)
		memcpy(p, src, len);
}

static void put_be(struct wire_writer *w, uint64_t v, size_t len)
{
	uint8_t *p = wire_put(w, len);

	for (size_t i = 0; p && i < len; i++)
		p[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
}

static void put_le(struct wire_writer *w, uint64_t v, size_t len)
{
	uint8_t *p = wire_put(w, len);

	for (size_t i = 0; p && i < len; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void wire_put_u8(struct wire_writer *w, uint8_t v)
{
	put_be(w, v, 1);
}

void wire_put_be16(struct wire_writer *w, uint16_t v)
{
	put_be(w, v, 2);
}

void wire_put_be32(struct wire_writer *w, uint32_t v)
{
	put_be(w, v, 4);
}

void wire_put_be64(struct wire_writer *w, uint64_t v)
{
	put_be(w, v, 8);
}

void wire_put_le16(struct wire_writer *w, uint16_t v)
{
	put_le(w, v, 2);
}

void wire_put_le32(struct wire_writer *w, uint32_t v)
{
	put_le(w, v, 4);
}

void wire_put_le64(struct wire_writer *w, uint64_t v)
{
	put_le(w, v, 8);
}
