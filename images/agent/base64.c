/* images/agent/base64.c: base64 with padding.   Source: RFC 4648 §4. */
#include "images/agent/agent.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const uint8_t *in = data;
	char *text = malloc((len + 2) / 3 * 4 + 1), *out = text;

	if (!text)
		return NULL;
	for (; len >= 3; len -= 3, in += 3, out += 4) {
		uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

		out[0] = alphabet[v >> 18];
		out[1] = alphabet[v >> 12 & 63];
		out[2] = alphabet[v >> 6 & 63];
		out[3] = alphabet[v & 63];
	}
	if (len > 0) {
		uint32_t v = (uint32_t)in[0] << 16 | (len > 1 ? (uint32_t)in[1] << 8 : 0);

		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = len > 1 ? alphabet[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = '\0';
	return text;
}

/* The value of each character, NONE for what is not of the alphabet. */
enum { NONE = 64 };

static const uint8_t *values(void)
{
	static uint8_t table[256];

	if (table['A'] == table['B']) {
		memset(table, NONE, sizeof table);
		for (uint8_t i = 0; i < 64; i++)
			table[(uint8_t)alphabet[i]] = i;
	}
	return table;
}

unsigned char *base64_decode_len(const char *text, size_t len, size_t *ret_len)
{
	const uint8_t *value = values(), *in = (const uint8_t *)text;
	size_t pad = 0, whole;
	uint8_t *plain, *out;
	uint32_t bad = 0;

	if (len % 4)
		return NULL;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	plain = out = malloc(len / 4 * 3 + 1);
	if (!plain)
		return NULL;
	whole = pad ? len - 4 : len;
	for (size_t i = 0; i < whole; i += 4, in += 4, out += 3) {
		uint32_t a = value[in[0]], b = value[in[1]], c = value[in[2]], d = value[in[3]];

		bad |= a | b | c | d;
		out[0] = (uint8_t)(a << 2 | b >> 4);
		out[1] = (uint8_t)(b << 4 | c >> 2);
		out[2] = (uint8_t)(c << 6 | d);
	}
	if (pad) {
		uint32_t a = value[in[0]], b = value[in[1]], c = pad == 1 ? value[in[2]] : 0;

		bad |= a | b | c;
		*out++ = (uint8_t)(a << 2 | b >> 4);
		if (pad == 1)
			*out++ = (uint8_t)(b << 4 | c >> 2);
	}
	if (bad & NONE) {
		free(plain);
		return NULL;
	}
	*ret_len = (size_t)(out - plain);
	return plain;
}

unsigned char *base64_decode(const char *text, size_t *ret_len)
{
	return base64_decode_len(text, strlen(text), ret_len);
}
