/* tests/core/check_escape.c: what reaches a terminal of text that others wrote. */
#include "core/escape.h"
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *text, *shown;
} vectors[] = {
	{ "plain", "a b\tc\nd", "a b\tc\nd" },
	{ "empty", "", "" },
	{ "UTF-8", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "ESC", "\x1b]0;title\a", "\\x1b]0;title\\x07" },
	{ "carriage return", "good\rbad", "good\\x0dbad" },
	{ "DEL", "a\x7f", "a\\x7f" },
	{ "C1 in UTF-8 (CSI)", "\xc2\x9b" "31m", "\\xc2\\x9b31m" },
	{ "C1 as one byte", "\x9b" "31m", "\\x9b31m" },
	{ "no-break space is no control", "\xc2\xa0", "\xc2\xa0" },
	{ "right-to-left override", "a\xe2\x80\xae" "b", "a\\xe2\\x80\\xaeb" },
	{ "isolate", "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
	{ "overlong", "\xc0\x9b\xe0\x82\x9b", "\\xc0\\x9b\\xe0\\x82\\x9b" },
	{ "surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80" },
	{ "beyond Unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	{ "cut off", "a\xe2\x82", "a\\xe2\\x82" },
	{ "cut off before a letter", "\xe2\x82z", "\\xe2\\x82z" },
};

START_TEST(test_vector)
{
	char *shown = escape_str(vectors[_i].text);

	ck_assert_msg(strcmp(shown, vectors[_i].shown) == 0, "%s: '%s'", vectors[_i].name, shown);
	free(shown);
}
END_TEST

START_TEST(test_null)
{
	ck_assert_ptr_null(escape_str(NULL));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("escape");
	TCase *t = tcase_create("escape");

	tcase_add_loop_test(t, test_vector, 0, sizeof vectors / sizeof *vectors);
	tcase_add_test(t, test_null);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
