/* tests/vmm/check_mem.c: how a guest's RAM lies in the host's: on a boundary of huge pages, lazy
 * by the page unless huge pages are asked for. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "vmm/mem.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_SIZE = 2 << 20, HUGE_PAGES = HUGE_SIZE / MEM_PAGE_SIZE };

static const uint64_t sizes[] = { 1 << 20, 16 << 20, (16 << 20) + 4096, UINT64_C(5) << 30 };

START_TEST(test_on_a_boundary)
{
	struct mem m;

	ck_assert_int_eq(mem_init(&m, sizes[_i]), 0);
	ck_assert_uint_eq((uintptr_t)m.host % HUGE_SIZE, 0);
	m.host[0] = 1;
	m.host[m.size_bytes - 1] = 1;
	if (sizes[_i] > MEM_LOW_END)
		ck_assert_uint_eq((uintptr_t)mem_ptr(&m, MEM_HIGH_START, 1) % HUGE_SIZE, 0);
	mem_done(&m);
}
END_TEST

/* How many of the first huge page's pages are there after one was touched. */
static unsigned touched(bool huge)
{
	unsigned char resident[HUGE_PAGES];
	unsigned n = 0;
	struct mem m;

	ck_assert_int_eq(mem_init(&m, 16 << 20), 0);
	if (huge)
		mem_use_huge_pages(&m);
	m.host[5 * MEM_PAGE_SIZE] = 1;
	ck_assert_int_eq(mincore(m.host, HUGE_SIZE, resident), 0);
	for (unsigned i = 0; i < HUGE_PAGES; i++)
		n += resident[i] & 1;
	mem_done(&m);
	return n;
}

START_TEST(test_lazy_by_the_page)
{
	ck_assert_uint_eq(touched(false), 1);
}
END_TEST

/* A host may have no huge page to give: then it is one page again. */
START_TEST(test_huge_pages)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	unsigned n = touched(true);

	if (file_read_all("/sys/kernel/mm/transparent_hugepage/enabled", 256, &text) < 0 ||
	    strstr((char *)text.data, "[never]"))
		ck_assert_uint_eq(n, 1);
	else
		ck_assert_msg(n == HUGE_PAGES || n == 1, "%u pages", n);
}
END_TEST

/* What is given back of a huge page is zero again, and its neighbours stay. */
START_TEST(test_discard_in_a_huge_page)
{
	struct mem m;

	ck_assert_int_eq(mem_init(&m, 16 << 20), 0);
	mem_use_huge_pages(&m);
	memset(m.host, 7, HUGE_SIZE);
	ck_assert(mem_discard(&m, 3 * MEM_PAGE_SIZE, MEM_PAGE_SIZE));
	ck_assert_int_eq(m.host[3 * MEM_PAGE_SIZE - 1], 7);
	ck_assert_int_eq(m.host[3 * MEM_PAGE_SIZE], 0);
	ck_assert_int_eq(m.host[4 * MEM_PAGE_SIZE - 1], 0);
	ck_assert_int_eq(m.host[4 * MEM_PAGE_SIZE], 7);
	mem_done(&m);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("mem");
	TCase *t = tcase_create("mem");

	tcase_add_loop_test(t, test_on_a_boundary, 0, (int)(sizeof sizes / sizeof *sizes));
	tcase_add_test(t, test_lazy_by_the_page);
	tcase_add_test(t, test_huge_pages);
	tcase_add_test(t, test_discard_in_a_huge_page);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
