/* tests/teams/check_image.c: where images are looked for. */
#include "teams/image.h"

#include "core/bytes.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* The supervisor sees all but two folders read-only, so looking must make none. */
START_TEST(looking_for_an_image_makes_nothing)
{
	char dir[] = "/tmp/check-image.XXXXXX";
	CLEANUP(free) char *home = NULL, *run = NULL, *image = NULL, *json = NULL, *why = NULL;
	struct image i = { 0 };

	ck_assert_ptr_nonnull(mkdtemp(dir));
	home = str_printf("%s/home", dir);
	run = str_printf("%s/run", dir);
	(void)setenv("MUSTER_HOME", home, 1);
	(void)setenv("XDG_RUNTIME_DIR", run, 1);
	(void)unsetenv("MUSTER_IMAGE_PATH");
	ck_assert_int_eq(image_find("tiny", &i, &why), -ENOENT);
	ck_assert_int_ne(access(home, F_OK), 0);
	ck_assert_int_eq(mkdir(home, 0700), 0);
	image = str_printf("%s/images/tiny", home);
	ck_assert_int_eq(dir_make_all(image, 0700), 0);
	json = str_printf("%s/image.json", image);
	put(json, "{\"name\": \"tiny\", \"kernel\": \"image.json\"}");
	ck_assert_int_eq(image_find("tiny", &i, &why), 0);
	image_done(&i);
	ck_assert_int_ne(access(run, F_OK), 0);
	ck_assert_int_eq(dir_remove_all(dir), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("image");
	TCase *tc = tcase_create("find");

	tcase_add_test(tc, looking_for_an_image_makes_nothing);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
