/* teams/test_match.c: expectations of tests.
 *
 * Used by: test_run.c.   Sources: team-file(5), regcomp(3). */
#include "teams/test_match.h"

#include <regex.h>
#include <string.h>

enum { SHOWN_MAX = 400 };

static bool match_regex(const char *pattern, const char *text)
{
	regex_t re;
	bool is_match;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0)
		return false;
	is_match = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return is_match;
}

bool match_text(const struct match *m, const struct bytes *text)
{
	const char *p = text->data ? (const char *)text->data : "";
	size_t len = text->len, want;

	switch (m->kind) {
	case MATCH_CONTAINS:
		return memmem(p, len, m->text, strlen(m->text)) != NULL;
	case MATCH_REGEX:
		return match_regex(m->text, p);
	case MATCH_EQUALS:
		want = strlen(m->text);
		if (len == want + 1 && p[len - 1] == '\n')
			len--;
		return len == want && memcmp(p, m->text, len) == 0;
	default:
		return true;
	}
}

static char *excerpt(const struct bytes *b)
{
	size_t len = b->len < SHOWN_MAX ? b->len : SHOWN_MAX;
	char *text = str_printf("%.*s%s", (int)len, b->len ? (const char *)b->data : "",
				b->len > len ? "..." : "");

	for (char *p = text; *p; p++)
		if (*p != '\n' && *p != '\t' && (*p < ' ' || *p > '~'))
			*p = '?';
	for (size_t n = strlen(text); n > 0 && text[n - 1] == '\n';)
		text[--n] = '\0';
	return text;
}

static char *match_failure(const char *stream, const struct match *m, const struct bytes *text)
{
	static const char *const verbs[] = { "is", "does not contain", "does not match", "is not" };
	CLEANUP(free) char *got = excerpt(text);

	return str_printf("%s %s '%s'; it is: '%s'", stream, verbs[m->kind], m->text, got);
}

char *test_match(const struct team_test *t, int status, const struct bytes *out,
		 const struct bytes *err)
{
	bool is_good = t->expect_nonzero ? status != 0 : status == t->expect_exit;

	if (!is_good) {
		CLEANUP(free) char *said = excerpt(err->len ? err : out);
		CLEANUP(free) char *want =
			t->expect_nonzero ? str_dup("nonzero") : str_printf("%d", t->expect_exit);

		return str_printf("exit status %d, expected %s%s%s", status, want,
				  said[0] ? ": " : "", said);
	}
	if (!match_text(&t->out, out))
		return match_failure("stdout", &t->out, out);
	if (!match_text(&t->err, err))
		return match_failure("stderr", &t->err, err);
	return NULL;
}
