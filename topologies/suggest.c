/* topologies/suggest.c: the nearest word by edits: insert, delete, replace, swap.
 *
 * The optimal string alignment variant of the Damerau-Levenshtein distance;
 * case counts half by being compared folded first. A word is near enough when
 * at most a third of its letters (at least one, at most three) are wrong.
 *
 * Used by: parse*.c, check.c, values.c.
 * Sources: Damerau, "A technique for computer detection and correction of
 * spelling errors" (1964). */
#include "topologies/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 40 };

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			int ca = tolower((unsigned char)a[i - 1]);
			int cb = tolower((unsigned char)b[j - 1]);

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (ca != cb));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[n][m];
}

void suggest_consider(struct suggestion *s, const char *candidate)
{
	size_t n = strlen(s->word), m = strlen(candidate), d, longest = n > m ? n : m;
	size_t limit = longest / 3 < 1 ? 1 : longest / 3 > 3 ? 3 : longest / 3;

	if (!n || n > WORD_MAX || m > WORD_MAX || (n > m ? n - m : m - n) > limit)
		return;
	d = distance(s->word, n, candidate, m);
	if (d <= limit && d < longest && (!s->best || d < s->distance)) {
		s->best = candidate;
		s->distance = d;
	}
}

const char *suggest_str(const struct suggestion *s, char *buf, size_t size)
{
	if (!s->best)
		return "";
	(void)snprintf(buf, size, "; did you mean '%s'?", s->best);
	return buf;
}
