/* teams/base64.c: base64 both ways. Source: RFC 4648 §4 (alphabet, padding).
 *
 * The decoder is fed by guests: it takes nothing outside the alphabet, white
 * space included, and padding at the end only.
 *
 * Used by: agent calls, exec.c, the commands exec, cp and console. */
#include "teams/base64.h"

#include <errno.h>
#include <stdlib.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const uint8_t *p = data;
	char *text = malloc((len + 2) / 3 * 4 + 1), *o = text;

	if (!text)
		abort();
	for (; len >= 3; len -= 3, p += 3) {
		unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];

		*o++ = alphabet[v >> 18];
		*o++ = alphabet[v >> 12 & 63];
		*o++ = alphabet[v >> 6 & 63];
		*o++ = alphabet[v & 63];
	}
	if (len > 0) {
		unsigned v = (unsigned)p[0] << 16 | (len > 1 ? (unsigned)p[1] << 8 : 0);

		*o++ = alphabet[v >> 18];
		*o++ = alphabet[v >> 12 & 63];
		*o++ = len > 1 ? alphabet[v >> 6 & 63] : '=';
		*o++ = '=';
	}
	*o = '\0';
	return text;
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, struct bytes *out)
{
	CLEANUP(bytes) struct bytes part = { 0 };
	unsigned v = 0, n = 0;

	for (int pad = 0; pad < 2 && len > 0 && text[len - 1] == '='; pad++)
		len--;
	if (len % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);

		if (d < 0)
			return -EINVAL;
		v = v << 6 | (unsigned)d;
		if (++n == 4) {
			uint8_t b[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

			bytes_append(&part, b, sizeof b);
			v = n = 0;
		}
	}
	if (n > 1) {
		uint8_t b[2];

		v <<= 6 * (4 - n);
		b[0] = (uint8_t)(v >> 16);
		b[1] = (uint8_t)(v >> 8);
		bytes_append(&part, b, n - 1);
	}
	if (part.len > 0)
		bytes_append(out, part.data, part.len);
	return 0;
}
