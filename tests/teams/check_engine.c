/* tests/teams/check_engine.c: which engine a VM gets, whatever its number of processors. */
#include "teams/engine.h"

#include "tests/unit.h"

#include <string.h>

static const struct engine_host with = { .has_kvm = true, .why = "fast" };
static const struct engine_host without = { .why = "slow" };

/* 1, 2 and 8 processors. */
START_TEST(auto_is_what_the_host_has)
{
	static const unsigned cpus[] = { 1, 2, 8 };
	struct team_vm vm = { .engine = ENGINE_AUTO, .cpus = cpus[_i] };
	const char *why = NULL;

	ck_assert(engine_is_kvm(&vm, &with, &why));
	ck_assert_str_eq(why, "fast");
	ck_assert(!engine_is_kvm(&vm, &without, &why));
	ck_assert_str_eq(why, "slow");
}
END_TEST

START_TEST(a_name_is_taken_at_its_word)
{
	struct team_vm vm = { .engine = ENGINE_KVM, .cpus = 4 };
	const char *why = NULL;

	ck_assert(engine_is_kvm(&vm, &without, &why));
	ck_assert_ptr_nonnull(strstr(why, "team file"));
	vm.engine = ENGINE_SOFT;
	ck_assert(!engine_is_kvm(&vm, &with, &why));
	ck_assert_ptr_nonnull(strstr(why, "team file"));
}
END_TEST

/* No VM of the team needs to know: the host is not asked. */
START_TEST(a_soft_team_does_not_probe)
{
	struct team_vm vm = { .engine = ENGINE_SOFT, .cpus = 8 };
	struct team team = { .vms = &vm, .n_vms = 1 };
	struct engine_host h;
	char *why = NULL;

	ck_assert_int_eq(engine_find(&team, &h, &why), 0);
	ck_assert(!h.has_kvm);
	ck_assert_ptr_null(h.why);
	ck_assert_ptr_null(why);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("engine");

	tcase_add_loop_test(t, auto_is_what_the_host_has, 0, 3);
	tcase_add_test(t, a_name_is_taken_at_its_word);
	tcase_add_test(t, a_soft_team_does_not_probe);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
