/* core/escape.c: what a machine, a guest or a file said, before it goes to a terminal.
 *
 * A terminal obeys what follows ESC (0x1b) and the C1 controls (U+0080 to U+009F,
 * two bytes in UTF-8; one byte in an eight-bit terminal, where it is no UTF-8). The
 * controls for the direction of writing change what a reader takes a line for.
 * Newline and tab stay: texts of several lines are wanted.
 *
 * Used by: core/log.c, the commands.
 * Sources: ECMA-48 §5; Unicode 15 §3.9 table 3-7 (well-formed UTF-8), UAX #9 §2. */
#include "core/escape.h"

#include <stdbool.h>
#include <string.h>

/* Decodes one character. Returns its length in bytes; 0 when it is not well-formed. */
static size_t decode(const unsigned char *s, size_t len, unsigned *ret_char)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	unsigned c = n <= 1 ? s[0] : s[0] & (0x7fU >> n);

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret_char = c;
	return n;
}

static bool is_shown(unsigned c)
{
	if (c == '\n' || c == '\t')
		return true;
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	/* LRM, RLM, ALM; line and paragraph separators; embeddings and overrides; isolates */
	return !(c == 0x200e || c == 0x200f || c == 0x061c || (c >= 0x2028 && c <= 0x202e) ||
		 (c >= 0x2066 && c <= 0x2069));
}

void escape_append(struct bytes *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	while (len > 0) {
		unsigned c = 0;
		size_t n = decode(s, len, &c);

		if (n > 0 && is_shown(c)) {
			bytes_append(out, s, n);
		} else {
			n = n > 0 ? n : 1;
			for (size_t i = 0; i < n; i++)
				bytes_printf(out, "\\x%02x", s[i]);
		}
		s += n;
		len -= n;
	}
}

char *escape_str(const char *text)
{
	struct bytes out = { 0 };

	if (!text)
		return NULL;
	escape_append(&out, text, strlen(text));
	return out.data ? (char *)out.data : str_dup("");
}
