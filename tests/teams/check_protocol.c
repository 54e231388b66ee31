/* tests/teams/check_protocol.c: docs/protocol.md names every verb with its arguments as the tables do. */
#include "core/bytes.h"
#include "core/verb.h"
#include "fabric/requests.h"
#include "nat/uplink_verbs.h"
#include "teams/serve.h"
#include "tests/unit.h"
#include "vmm/machine.h"

#include <stdio.h>
#include <string.h>

enum { TABLE_COUNT = 4 };

static const struct verb_table *table(int i)
{
	return i == 0 ? &serve_verbs : i == 1 ? &fabric_verbs : i == 2 ? &uplink_verbs : machine_verbs();
}

static void read_page(struct bytes *out)
{
	char buf[4096];
	size_t n;
	FILE *f = fopen("docs/protocol.md", "re");

	ck_assert_ptr_nonnull(f);
	while ((n = fread(buf, 1, sizeof buf, f)) > 0)
		bytes_append(out, buf, n);
	bytes_append(out, "", 1);
	(void)fclose(f);
}

START_TEST(test_the_page_has_the_table)
{
	CLEANUP(bytes) struct bytes page = { 0 };
	CLEANUP(bytes) struct bytes rows = { 0 };

	read_page(&page);
	verb_print(table(_i), &rows);
	bytes_append(&rows, "", 1);
	ck_assert_msg(strstr((char *)page.data, (char *)rows.data) != NULL,
		      "docs/protocol.md lacks this part, which is what the code says:\n%s", (char *)rows.data);
}
END_TEST

/* A verb is found by its first row, and a list of arguments ends inside its array. */
START_TEST(test_the_table_is_sane)
{
	const struct verb_table *t = table(_i);

	for (size_t i = 0; i < t->n_verbs; i++) {
		size_t n = 0;

		while (n < VERB_ARGS_MAX && t->verbs[i].args[n].name)
			n++;
		ck_assert_uint_lt(n, VERB_ARGS_MAX);
		ck_assert_ptr_nonnull(t->verbs[i].fn);
		ck_assert_int_le(t->verbs[i].fds_max, CONTROL_FDS_MAX);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(t->verbs[i].name, t->verbs[j].name);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("protocol");
	TCase *t = tcase_create("protocol");

	tcase_add_loop_test(t, test_the_page_has_the_table, 0, TABLE_COUNT);
	tcase_add_loop_test(t, test_the_table_is_sane, 0, TABLE_COUNT);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
