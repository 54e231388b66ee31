/* topologies/diag.c: what is wrong with a file, shown where it is wrong.
 *
 * Messages are collected while the stages run, then put in the order of their
 * places: a person mends a file from the top. Columns count characters, as
 * editors do; under a tab the caret's line has a tab, so that it stands right
 * whatever the tab's width. A long line is shown around the caret only. Control
 * characters never reach the terminal.
 *
 * Used by: all of topologies/.   Depends on: core/bytes.h, arena.h.
 * Sources: team-file(5). */
#include "core/bytes.h"
#include "topologies/load.h"

#include <stdarg.h>
#include <string.h>

enum {
	COLLECT_MAX = 400, /* more are not collected */
	BEFORE_CARET = 80, /* characters of a long line shown */
	AFTER_CARET = 60,
};

struct source *load_source(struct load *l, const char *name, const char *text, size_t len,
			   bool is_set)
{
	struct source *s = arena_alloc(l->arena, sizeof *s);

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark says nothing here */
		text += 3;
		len -= 3;
	}
	s->name = arena_dup(l->arena, name, strlen(name));
	s->text = arena_dup(l->arena, text, len);
	s->len = len;
	s->order = l->n_sources++;
	s->is_set = is_set;
	s->next = l->sources;
	l->sources = s;
	return s;
}

static const struct source *source_of(const struct load *l, const char *file)
{
	const struct source *s = l->sources;

	while (s && s->name != file)
		s = s->next;
	return s;
}

static void collect(struct load *l, bool is_warning, const struct place *at, char *what)
{
	const struct source *src = source_of(l, at->file);

	if (l->is_muted) {
		l->n_errors += !is_warning;
		return;
	}
	for (char *p = what; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	for (size_t i = 0; i < l->n_messages; i++) {
		const struct message *m = &l->messages[i];

		if (m->place.file == at->file && m->place.line == at->line &&
		    m->place.column == at->column && !strcmp(m->what, what))
			return;
	}
	if (!is_warning)
		l->n_errors++;
	if (l->n_messages >= COLLECT_MAX)
		return;
	if (l->n_messages == l->messages_size) {
		struct message *grown;

		l->messages_size = l->messages_size ? l->messages_size * 2 : 16;
		grown = arena_array(l->arena, l->messages_size, sizeof *grown);
		if (l->n_messages)
			memcpy(grown, l->messages, l->n_messages * sizeof *grown);
		l->messages = grown;
	}
	l->messages[l->n_messages++] = (struct message){
		.is_warning = is_warning,
		.order = src ? src->order : 0,
		.place = *at,
		.what = arena_dup(l->arena, what, strlen(what)),
	};
}

static void vsay(struct load *l, bool is_warning, const struct place *at, const char *fmt,
		 va_list ap)
{
	CLEANUP(free) char *what = NULL;

	if (vasprintf(&what, fmt, ap) < 0)
		abort();
	collect(l, is_warning, at, what);
}

void load_error(struct load *l, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(l, false, at, fmt, ap);
	va_end(ap);
}

void load_warning(struct load *l, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(l, true, at, fmt, ap);
	va_end(ap);
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The start of the character after @p. */
static const char *next_char(const char *p, const char *end)
{
	p++;
	while (p < end && is_continuation(*p))
		p++;
	return p;
}

static void quote_char(struct bytes *out, const char *p, const char *next)
{
	unsigned char c = (unsigned char)*p;

	if (c == '\t' || (c >= 0x20 && c != 0x7f && !(c == 0xc2 && next - p == 2 && (unsigned char)p[1] < 0xa0)))
		bytes_append(out, p, (size_t)(next - p));
	else
		bytes_append_str(out, "?");
}

/* The line @p to @end and a caret under its @column-th character. */
static void quote(struct bytes *out, const char *p, const char *end, unsigned column)
{
	CLEANUP(bytes) struct bytes caret = { 0 };
	unsigned at = 1;

	for (; p < end && at < column && column > BEFORE_CARET && at < column - BEFORE_CARET; at++)
		p = next_char(p, end);
	if (at > 1) {
		bytes_append_str(out, "...");
		bytes_append_str(&caret, "   ");
	}
	for (; p < end && at <= column + AFTER_CARET; at++) {
		const char *next = next_char(p, end);

		quote_char(out, p, next);
		if (at < column)
			bytes_append_str(&caret, *p == '\t' ? "\t" : " ");
		p = next;
	}
	for (; at < column && column < 1000; at++)
		bytes_append_str(&caret, " ");
	bytes_printf(out, "%s\n%s^\n", p < end ? "..." : "", caret.len ? (char *)caret.data : "");
}

static void quote_place(struct bytes *out, const struct source *src, const struct place *at)
{
	const char *p = src->text, *all_end = src->text + src->len, *end;

	for (unsigned line = 1; line < at->line && p < all_end; line++) {
		const char *nl = memchr(p, '\n', (size_t)(all_end - p));

		if (!nl)
			return;
		p = nl + 1;
	}
	end = memchr(p, '\n', (size_t)(all_end - p));
	if (!end)
		end = all_end;
	if (end > p && end[-1] == '\r')
		end--;
	quote(out, p, end, at->column);
}

static char *render(const struct load *l, const struct message *m)
{
	struct bytes out = { 0 };
	const struct source *src = source_of(l, m->place.file);
	const char *kind = m->is_warning ? "warning: " : "";

	if (src && src->is_set)
		bytes_printf(&out, "--set: %s%s\n", kind, m->what);
	else if (m->place.line)
		bytes_printf(&out, "%s:%u:%u: %s%s\n", m->place.file, m->place.line,
			     m->place.column, kind, m->what);
	else
		bytes_printf(&out, "%s: %s%s\n", m->place.file, kind, m->what);
	/* What an untrusted file includes may be a secret that only looks like a team file. */
	if (src && m->place.line && !(l->team->root && src->order > 0 && !src->is_set))
		quote_place(&out, src, &m->place);
	return (char *)out.data;
}

static int by_place(const void *pa, const void *pb)
{
	const struct message *a = pa, *b = pb;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->place.line != b->place.line)
		return a->place.line < b->place.line ? -1 : 1;
	if (a->place.column != b->place.column)
		return a->place.column < b->place.column ? -1 : 1;
	return strcmp(a->what, b->what);
}

void load_render(struct load *l, struct diags *ret_diags)
{
	size_t n_shown = 0;

	*ret_diags = (struct diags){ 0 };
	if (!l->n_messages)
		return;
	qsort(l->messages, l->n_messages, sizeof *l->messages, by_place);
	ret_diags->list = calloc(LOAD_MESSAGES_MAX, sizeof *ret_diags->list);
	if (!ret_diags->list)
		abort();
	for (size_t i = 0; i < l->n_messages && n_shown < LOAD_MESSAGES_MAX; i++) {
		const struct message *m = &l->messages[i];

		if (m->is_warning && l->n_errors >= LOAD_MESSAGES_MAX)
			continue; /* errors first, when there is no room for all */
		ret_diags->list[n_shown++] =
			(struct diag){ .is_warning = m->is_warning, .text = render(l, m) };
	}
	ret_diags->n = n_shown;
}

void diags_done(struct diags *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->list[i].text);
	free(d->list);
	*d = (struct diags){ 0 };
}
