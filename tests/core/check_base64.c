/* tests/core/check_base64.c: the one base64 of host and guest agent. */
#include "core/base64.h"
#include "core/bytes.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

/* RFC 4648 §10. */
static const struct {
	const char *plain, *coded;
} vectors[] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
};

START_TEST(test_base64)
{
	char *coded = base64_encode(vectors[_i].plain, strlen(vectors[_i].plain));
	size_t len = 99;
	unsigned char *plain = base64_decode(vectors[_i].coded, strlen(vectors[_i].coded), &len);

	ck_assert_str_eq(coded, vectors[_i].coded);
	ck_assert_uint_eq(len, strlen(vectors[_i].plain));
	ck_assert_int_eq(memcmp(plain, vectors[_i].plain, len), 0);
	free(coded);
	free(plain);
}
END_TEST

static const char *const bad_base64[] = { "Zg=", "Z", "Zg", "Zm9v\n", "Zg=g", "Z-==", "====", "Zm9\xff" };

START_TEST(test_base64_refuses)
{
	size_t len = 0;

	struct bytes b = { 0 };

	ck_assert_ptr_null(base64_decode(bad_base64[_i], strlen(bad_base64[_i]), &len));
	ck_assert_int_eq(bytes_append_base64(&b, bad_base64[_i], strlen(bad_base64[_i])), -EINVAL);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(test_every_byte_comes_back)
{
	uint8_t all[256 + 2];
	struct bytes b = { 0 };
	char *text;

	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)(i * 167);
	text = str_base64(all, (size_t)_i);
	ck_assert_int_eq(bytes_append_base64(&b, text, strlen(text)), 0);
	ck_assert_uint_eq(b.len, (size_t)_i);
	ck_assert_mem_eq(b.data, all, b.len);
	free(text);
	bytes_done(&b);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("base64");
	TCase *t = tcase_create("base64");

	tcase_add_loop_test(t, test_base64, 0, sizeof vectors / sizeof *vectors);
	tcase_add_loop_test(t, test_base64_refuses, 0, sizeof bad_base64 / sizeof *bad_base64);
	tcase_add_loop_test(t, test_every_byte_comes_back, 255, 259);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
