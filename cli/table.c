/* cli/table.c: the one printer of listings.
 *
 * libsmartcols lays the columns out. On a terminal they fit its width: the first column is
 * kept whole, since names are copied from it, the others wrap, and the header is bold. Into a
 * file or a pipe every row is one line of full length. What a terminal would obey, in a cell,
 * is escaped (\x1b) in both.
 *
 * Used by: the commands that list.   Sources: libsmartcols(3). */
#include "cli/cli.h"

#include "core/escape.h"

#include <libsmartcols.h>
#include <locale.h>
#include <unistd.h>

/* Adds the columns, whose names are @head. */
static void add_columns(struct libscols_table *t, const char *const *head, size_t n, bool is_tty)
{
	for (size_t i = 0; i < n; i++) {
		struct libscols_column *c = scols_table_new_column(t, head[i], 0, i > 0 ? SCOLS_FL_WRAP : 0);

		if (!c)
			abort();
		if (is_tty)
			(void)scols_cell_set_color(scols_column_get_header(c), "bold");
	}
}

static void print(struct libscols_table *t, const char *const *cells, size_t n_rows, size_t n_columns)
{
	bool is_tty = isatty(STDOUT_FILENO) == 1;

	(void)scols_table_set_column_separator(t, "  ");
	(void)scols_table_set_termforce(t, is_tty ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	(void)scols_table_enable_colors(t, is_tty);
	add_columns(t, cells, n_columns, is_tty);
	for (size_t row = 1; row < n_rows; row++) {
		struct libscols_line *l = scols_table_new_line(t, NULL);

		if (!l)
			abort();
		for (size_t col = 0; col < n_columns; col++) {
			/* libsmartcols leaves what turns the direction of writing. */
			CLEANUP(free) char *cell = escape_str(cells[row * n_columns + col]);

			if (scols_line_set_data(l, col, cell) < 0)
				abort();
		}
	}
	/* An empty table would be printed without its header. */
	if (n_rows > 1) {
		(void)scols_print_table(t);
		return;
	}
	for (size_t col = 0; col < n_columns; col++)
		(void)printf("%s%s", cells[col], col + 1 < n_columns ? "  " : "\n");
}

void cli_print_table(const char *const *cells, size_t n_rows, size_t n_columns)
{
	struct libscols_table *t = scols_new_table();

	if (!t)
		abort();
	/* The widths of characters are the locale's. */
	(void)setlocale(LC_CTYPE, "");
	print(t, cells, n_rows, n_columns);
	scols_unref_table(t);
}
