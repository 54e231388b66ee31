/* tests/core/check_basics.c: wire, prng, bytes, sorting, files and folders. */
#include "core/bytes.h"
#include "core/prng.h"
#include "core/sort.h"
#include "core/wire.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

START_TEST(test_wire_reader_never_underflows)
{
	static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7 };
	struct wire_reader r = wire_read_from(data, sizeof data), sub;

	ck_assert_uint_eq(wire_get_be16(&r), 0x0102);
	sub = wire_get_sub(&r, 3);
	ck_assert_uint_eq(wire_get_u8(&sub), 3);
	ck_assert_uint_eq(wire_get_le16(&sub), 0x0504);
	ck_assert_uint_eq(wire_get_u8(&sub), 0);
	ck_assert(sub.failed);
	ck_assert(!r.failed);
	ck_assert_uint_eq(wire_get_be32(&r), 0);
	ck_assert(r.failed);
	ck_assert_uint_eq(wire_get_u8(&r), 0); /* the error stays */
	ck_assert_ptr_null(wire_get(&r, SIZE_MAX));
}
END_TEST

START_TEST(test_wire_writer_stops_at_the_end)
{
	uint8_t buf[8] = { 0 };
	struct wire_writer w = wire_write_to(buf, 7);

	wire_put_be32(&w, 0x01020304);
	wire_put_le16(&w, 0x0605);
	ck_assert(!w.failed);
	wire_put_be16(&w, 0xFFFF);
	ck_assert(w.failed);
	ck_assert_uint_eq(wire_put_len(&w), 6);
	ck_assert_int_eq(memcmp(buf, "\1\2\3\4\5\6\0\0", 8), 0);
}
END_TEST

START_TEST(test_prng_streams)
{
	struct prng a, b, c;
	uint64_t first;

	prng_init(&a, 42, "lan/a");
	prng_init(&b, 42, "lan/a");
	prng_init(&c, 42, "lan/b");
	first = prng_u64(&a);
	ck_assert_uint_eq(first, prng_u64(&b));
	ck_assert_uint_ne(first, prng_u64(&c));
}
END_TEST

/* χ² over 16 cells, n = 160,000: 37.7 is the 0.1 % point of 15 degrees. */
START_TEST(test_prng_below_is_even)
{
	enum { CELLS = 16, N = 160000 };
	double chi = 0;
	int cell[CELLS] = { 0 };
	struct prng p;

	prng_init(&p, 1, "even");
	for (int i = 0; i < N; i++)
		cell[prng_below(&p, CELLS)]++;
	for (int i = 0; i < CELLS; i++)
		chi += pow(cell[i] - N / CELLS, 2) / (N / CELLS);
	ck_assert(chi < 37.7);
}
END_TEST

START_TEST(test_prng_normal_moments)
{
	enum { N = 200000 };
	double sum = 0, squares = 0;
	struct prng p;

	prng_init(&p, 3, "normal");
	for (int i = 0; i < N; i++) {
		double v = prng_normal(&p);

		sum += v;
		squares += v * v;
	}
	ck_assert(fabs(sum / N) < 0.01);
	ck_assert(fabs(squares / N - 1) < 0.02);
}
END_TEST

struct pair {
	uint32_t key;
	uint16_t other; /* goes with it; the size is not a word's */
} __attribute__((packed));

static size_t n_compared;

static int by_key(const void *a, const void *b)
{
	const struct pair *l = a, *r = b;

	n_compared++;
	return (l->key > r->key) - (l->key < r->key);
}

/* Random, rising, falling and equal elements of every small count and some large ones. */
START_TEST(test_sort)
{
	enum { MOST = 3000 };
	static struct pair v[MOST], before[MOST];
	struct prng prng;

	prng_init(&prng, 1, "sort");
	for (size_t n = 0; n <= MOST; n += n < 40 ? 1 : 740) {
		uint64_t sum = 0, sum_before = 0;

		for (size_t i = 0; i < n; i++) {
			v[i].key = _i == 0 ? (uint32_t)prng_u64(&prng) % 500 : _i == 1 ? (uint32_t)i :
				   _i == 2 ? (uint32_t)(n - i) : 7;
			v[i].other = (uint16_t)(v[i].key * 31 + 5);
		}
		memcpy(before, v, sizeof v);
		n_compared = 0;
		sort_in_place(v, n, sizeof *v, by_key);
		for (size_t i = 0; i < n; i++) {
			ck_assert(i == 0 || v[i - 1].key <= v[i].key);
			ck_assert_uint_eq(v[i].other, (uint16_t)(v[i].key * 31 + 5));
			sum += v[i].key * UINT64_C(2654435761) % 1000003;
			sum_before += before[i].key * UINT64_C(2654435761) % 1000003;
		}
		ck_assert_uint_eq(sum, sum_before);
		ck_assert(n < 740 || (double)n_compared < 2.2 * (double)n * log2((double)n));
	}
}
END_TEST

START_TEST(test_files_and_folders)
{
	char top[] = "/tmp/muster-check.XXXXXX";
	CLEANUP(bytes) struct bytes b = { 0 };

	ck_assert_ptr_nonnull(mkdtemp(top));
	{
		CLEANUP(free) char *deep = str_printf("%s/a/b/c", top);
		CLEANUP(free) char *file = str_printf("%s/f", deep);
		CLEANUP(free) char *link = str_printf("%s/a/link", top);
		struct stat st;

		ck_assert_int_eq(dir_make_all(deep, 0755), 0);
		ck_assert_int_eq(dir_make_all(deep, 0755), 0);
		ck_assert_int_eq(file_write_all(file, "hello", 5, 0600), 0);
		ck_assert_int_eq(file_read_all(file, 5, &b), 0);
		ck_assert_str_eq((char *)b.data, "hello");
		ck_assert_int_eq(file_read_all(file, 4, &b), -EFBIG);
		bytes_done(&b);
		ck_assert_int_eq(file_read_below(top, file, 5, &b), 0);
		ck_assert_int_eq(symlink("/", link), 0); /* must not be followed */
		ck_assert_int_eq(dir_remove_all(top), 0);
		ck_assert_int_eq(stat(top, &st), -1);
		ck_assert_int_eq(dir_remove_all(top), 0);
	}
}
END_TEST

START_TEST(test_append_is_bounded)
{
	CLEANUP(fd) int fd = memfd_create("append", MFD_CLOEXEC);

	ck_assert_int_eq(fd_append(fd, 5, "abc", 3), 0);
	ck_assert_int_eq(fd_append(fd, 5, "def", 3), -EFBIG);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 3);
	ck_assert_int_eq(fd_append(fd, 5, "de", 2), 0);
	ck_assert_int_eq(fd_append(fd, 5, "", 0), 0);
	ck_assert_int_eq(fd_append(fd, 4, "", 0), -EFBIG); /* it is longer already */
	ck_assert_int_eq(fd_append(-1, 5, "a", 1), -EBADF);
}
END_TEST

START_TEST(test_utf8)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "" }, { "a/b", "a/b" }, { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xff" "b", "a\\xffb" }, { "\xc3", "\\xc3" }, { "\xc0\xaf", "\\xc0\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, { "\xe0\x80\x80", "\\xe0\\x80\\x80" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, { "\xe2\x82", "\\xe2\\x82" },
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		CLEANUP(free) char *out = str_utf8(t[i].in);

		ck_assert_str_eq(out, t[i].out);
	}
}
END_TEST

/* What is no regular file is refused at once, and so is what leads out of the folder. */
START_TEST(test_open_regular)
{
	char top[] = "/tmp/muster-check.XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(top));
	{
		CLEANUP(free) char *in = str_printf("%s/in", top);
		CLEANUP(free) char *sub = str_printf("%s/in/sub", top);
		static const struct {
			const char *name, *target; /* a link to it; NULL: made below */
			int below, anywhere;
		} t[] = {
			{ "in/file", NULL, 0, 0 },
			{ "in/fifo", NULL, -EMEDIUMTYPE, -EMEDIUMTYPE },
			{ "in/sub", NULL, -EISDIR, -EISDIR },
			{ "in/inside", "sub/../file", 0, 0 },
			{ "in/dev", "/dev/null", -EXDEV, -EMEDIUMTYPE },
			{ "in/absolute", "/etc/passwd", -EXDEV, 0 },
			{ "in/out", "../outside", -EXDEV, 0 },
			{ "outside", NULL, -EXDEV, 0 },
			{ "in/../outside", NULL, -EXDEV, 0 },
			{ "in/none", NULL, -ENOENT, -ENOENT },
		};

		ck_assert_int_eq(dir_make_all(sub, 0755), 0);
		for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
			CLEANUP(free) char *path = str_printf("%s/%s", top, t[i].name);

			if (t[i].target)
				ck_assert_int_eq(symlink(t[i].target, path), 0);
			else if (!strcmp(t[i].name, "in/fifo"))
				ck_assert_int_eq(mkfifo(path, 0600), 0);
			else if (!strcmp(t[i].name, "in/file") || !strcmp(t[i].name, "outside"))
				ck_assert_int_eq(file_write_all(path, "hello", 5, 0600), 0);
		}
		for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
			CLEANUP(free) char *path = str_printf("%s/%s", top, t[i].name);

			for (int below = 0; below < 2; below++) {
				CLEANUP(fd) int fd = -1;
				uint64_t size = 0;
				int r = file_open_regular(below ? in : NULL, path, 1 << 20, &fd, &size);

				ck_assert_msg(r == (below ? t[i].below : t[i].anywhere), "%s below=%d: %d",
					      path, below, r);
				ck_assert_msg(r || fcntl(fd, F_GETFD) == FD_CLOEXEC, "%s", path);
			}
		}
		ck_assert_int_eq(dir_remove_all(top), 0);
	}
}
END_TEST

static const char *const no_numbers[] = { "", "+1", "-1", " 1", "1 ", "0x1", "1e1", "11", "18446744073709551617" };

START_TEST(test_what_is_no_number)
{
	uint64_t n = 7;

	ck_assert_int_eq(str_uint(no_numbers[_i], 0, 10, &n), -EINVAL);
	ck_assert_uint_eq(n, 7);
	ck_assert_int_eq(str_uint("10", 0, 10, &n), 0);
	ck_assert_uint_eq(n, 10);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("basics");
	TCase *t = tcase_create("basics");

	tcase_add_test(t, test_wire_reader_never_underflows);
	tcase_add_test(t, test_wire_writer_stops_at_the_end);
	tcase_add_test(t, test_prng_streams);
	tcase_add_test(t, test_prng_below_is_even);
	tcase_add_test(t, test_prng_normal_moments);
	tcase_add_loop_test(t, test_sort, 0, 4);
	tcase_add_test(t, test_files_and_folders);
	tcase_add_test(t, test_append_is_bounded);
	tcase_add_test(t, test_open_regular);
	tcase_add_test(t, test_utf8);
	tcase_add_loop_test(t, test_what_is_no_number, 0, sizeof no_numbers / sizeof *no_numbers);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
