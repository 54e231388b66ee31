/* core/base64.c: base64 both ways, with padding.
 *
 * Guests and clients feed the decoder. It looks up four characters at a time and judges them
 * all at the end, because files of many megabytes come through it.
 *
 * Used by: core/bytes.c, the guest agent.   Source: RFC 4648 §4. */
#include "core/base64.h"

#include <stdint.h>
#include <stdlib.h>

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

/* The value of each character of the alphabet, with KNOWN set. */
enum { KNOWN = 64 };
static const uint8_t value[256] = {
	['A'] = KNOWN | 0, ['B'] = KNOWN | 1, ['C'] = KNOWN | 2, ['D'] = KNOWN | 3, ['E'] = KNOWN | 4, ['F'] = KNOWN | 5, ['G'] = KNOWN | 6, ['H'] = KNOWN | 7,
	['I'] = KNOWN | 8, ['J'] = KNOWN | 9, ['K'] = KNOWN | 10, ['L'] = KNOWN | 11, ['M'] = KNOWN | 12, ['N'] = KNOWN | 13, ['O'] = KNOWN | 14, ['P'] = KNOWN | 15,
	['Q'] = KNOWN | 16, ['R'] = KNOWN | 17, ['S'] = KNOWN | 18, ['T'] = KNOWN | 19, ['U'] = KNOWN | 20, ['V'] = KNOWN | 21, ['W'] = KNOWN | 22, ['X'] = KNOWN | 23,
	['Y'] = KNOWN | 24, ['Z'] = KNOWN | 25, ['a'] = KNOWN | 26, ['b'] = KNOWN | 27, ['c'] = KNOWN | 28, ['d'] = KNOWN | 29, ['e'] = KNOWN | 30, ['f'] = KNOWN | 31,
	['g'] = KNOWN | 32, ['h'] = KNOWN | 33, ['i'] = KNOWN | 34, ['j'] = KNOWN | 35, ['k'] = KNOWN | 36, ['l'] = KNOWN | 37, ['m'] = KNOWN | 38, ['n'] = KNOWN | 39,
	['o'] = KNOWN | 40, ['p'] = KNOWN | 41, ['q'] = KNOWN | 42, ['r'] = KNOWN | 43, ['s'] = KNOWN | 44, ['t'] = KNOWN | 45, ['u'] = KNOWN | 46, ['v'] = KNOWN | 47,
	['w'] = KNOWN | 48, ['x'] = KNOWN | 49, ['y'] = KNOWN | 50, ['z'] = KNOWN | 51, ['0'] = KNOWN | 52, ['1'] = KNOWN | 53, ['2'] = KNOWN | 54, ['3'] = KNOWN | 55,
	['4'] = KNOWN | 56, ['5'] = KNOWN | 57, ['6'] = KNOWN | 58, ['7'] = KNOWN | 59, ['8'] = KNOWN | 60, ['9'] = KNOWN | 61, ['+'] = KNOWN | 62, ['/'] = KNOWN | 63,
};

unsigned char *base64_decode(const char *text, size_t len, size_t *ret_len)
{
	const uint8_t *in = (const uint8_t *)text;
	size_t pad = 0, whole;
	uint8_t *plain, *out;
	uint32_t good = KNOWN;

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

		good &= a & b & c & d;
		out[0] = (uint8_t)(a << 2 | (b & 63) >> 4);
		out[1] = (uint8_t)(b << 4 | (c & 63) >> 2);
		out[2] = (uint8_t)(c << 6 | (d & 63));
	}
	if (pad) {
		uint32_t a = value[in[0]], b = value[in[1]], c = pad == 1 ? value[in[2]] : KNOWN;

		good &= a & b & c;
		*out++ = (uint8_t)(a << 2 | (b & 63) >> 4);
		if (pad == 1)
			*out++ = (uint8_t)(b << 4 | (c & 63) >> 2);
	}
	if (!good) {
		free(plain);
		return NULL;
	}
	*ret_len = (size_t)(out - plain);
	return plain;
}
