/* teams/test_report.c: outcomes as JUnit XML and as TAP.
 *
 * Used by: the command test.   Sources: the JUnit XML schema as Jenkins reads
 * it; TAP version 13; XML 1.0 §2.2 (characters that may appear at all). */
#include "teams/test_run.h"

#include "core/escape.h"

#include <string.h>

/* UTF-8 as it is; bytes that are no UTF-8 and what XML does not hold become \xNN. */
static void xml_text(struct bytes *out, const char *text, size_t len)
{
	CLEANUP(bytes) struct bytes shown = { 0 };

	escape_append(&shown, text, len);
	for (size_t i = 0; i < shown.len; i++) {
		uint8_t c = shown.data[i];

		if (c == '<')
			bytes_append_str(out, "&lt;");
		else if (c == '>')
			bytes_append_str(out, "&gt;");
		else if (c == '&')
			bytes_append_str(out, "&amp;");
		else if (c == '"')
			bytes_append_str(out, "&quot;");
		else if (shown.len - i >= 3 && memcmp(shown.data + i, "\xef\xbf", 2) == 0 && shown.data[i + 2] >= 0xbe) {
			/* U+FFFE and U+FFFF */
			bytes_printf(out, "\\xef\\xbf\\x%02x", shown.data[i + 2]);
			i += 2;
		} else
			bytes_append(out, &c, 1);
	}
}

static void xml_str(struct bytes *out, const char *text)
{
	xml_text(out, text, __builtin_strlen(text));
}

static void xml_output(struct bytes *out, const char *tag, const struct bytes *b)
{
	if (b->len == 0)
		return;
	bytes_printf(out, "    <%s>", tag);
	xml_text(out, (const char *)b->data, b->len);
	bytes_printf(out, "</%s>\n", tag);
}

void test_report_junit(const struct team *t, const struct test_outcomes *o, struct bytes *ret)
{
	nsec_t total = 0;

	for (size_t i = 0; i < o->n; i++)
		total += o->list[i].duration_ns;
	bytes_printf(ret,
		     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		     "<testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
		     t->name, o->n, o->n - o->n_passed - o->n_skipped, o->n_skipped, (double)total / 1e9);
	for (size_t i = 0; i < o->n; i++) {
		const struct test_outcome *x = &o->list[i];

		bytes_append_str(ret, "  <testcase name=\"");
		xml_str(ret, x->test->name);
		bytes_printf(ret, "\" classname=\"%s\" time=\"%.3f\">\n", t->name,
			     (double)x->duration_ns / 1e9);
		if (x->skipped)
			bytes_append_str(ret, "    <skipped/>\n");
		if (!x->passed && !x->skipped) {
			bytes_append_str(ret, "    <failure message=\"");
			xml_str(ret, x->why);
			bytes_append_str(ret, "\"/>\n");
		}
		xml_output(ret, "system-out", &x->out);
		xml_output(ret, "system-err", &x->err);
		bytes_append_str(ret, "  </testcase>\n");
	}
	bytes_append_str(ret, "</testsuite>\n");
}

/* A '#' in a description begins a directive (TAP 13): it is escaped. */
static void tap_text(struct bytes *out, const char *said, const char *newline)
{
	CLEANUP(free) char *shown = escape_str(said);

	for (const char *text = shown; *text; text++) {
		if (*text == '\n')
			bytes_append_str(out, newline);
		else if (*text == '#')
			bytes_append_str(out, "\\#");
		else
			bytes_append(out, text, 1);
	}
}

void test_report_tap(const struct test_outcomes *o, struct bytes *ret)
{
	bytes_printf(ret, "TAP version 13\n1..%zu\n", o->n);
	for (size_t i = 0; i < o->n; i++) {
		const struct test_outcome *x = &o->list[i];

		bytes_printf(ret, "%sok %zu - ", x->passed || x->skipped ? "" : "not ", i + 1);
		tap_text(ret, x->test->name, " ");
		bytes_append_str(ret, x->skipped ? " # SKIP it was not run\n" : "\n");
		if (!x->passed && !x->skipped) {
			bytes_append_str(ret, "# ");
			tap_text(ret, x->why, "\n# ");
			bytes_append_str(ret, "\n");
		}
	}
}
