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
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)in[i] << 16;

		if (left > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (left > 2)
			v |= in[i + 2];
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[v & 63] : '=';
	}
	*out = '\0';
	return text;
}

unsigned char *base64_decode(const char *text, size_t *ret_len)
{
	size_t len = strlen(text), n = 0, pad = 0;
	uint8_t *out;
	uint32_t v = 0;

	if (len % 4)
		return NULL;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	out = malloc(len / 4 * 3 + 1);
	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		const char *p = i < len - pad ? memchr(alphabet, text[i], 64) : alphabet;

		if (!p) {
			free(out);
			return NULL;
		}
		v = v << 6 | (uint32_t)(p - alphabet);
		if (i % 4 != 3)
			continue;
		out[n++] = (uint8_t)(v >> 16);
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
		v = 0;
	}
	*ret_len = n - pad;
	return out;
}
