/* tests/core/check_verb.c: what a request may hold, and what is said of the rest. */
#include "core/verb.h"
#include "core/bytes.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

static const struct verb_arg common[] = { { "id", VERB_INTEGER, false }, { "vm", VERB_STRING, true }, { 0 } };
static const struct verb_arg own[] = {
	{ "argv", VERB_STRINGS, true }, { "now", VERB_BOOLEAN, false }, { "set", VERB_OBJECT, false }, { 0 }
};

static const struct {
	const char *msg, *why; /* NULL: it is right */
} requests[] = {
	{ "{\"do\":\"x\",\"vm\":\"a\",\"argv\":[]}", NULL },
	{ "{\"do\":\"x\",\"id\":1,\"vm\":\"a\",\"argv\":[\"b\"],\"now\":true,\"set\":{}}", NULL },
	{ "{\"do\":\"x\",\"vm\":\"a\"}", "'argv' is needed" },
	{ "{\"do\":\"x\",\"argv\":[]}", "'vm' is needed" },
	{ "{\"vm\":1,\"argv\":[]}", "'vm' is not a string" },
	{ "{\"vm\":null,\"argv\":[]}", "'vm' is not a string" },
	{ "{\"vm\":\"a\",\"argv\":[],\"id\":1.5}", "'id' is not an integer" },
	{ "{\"vm\":\"a\",\"argv\":[],\"id\":\"1\"}", "'id' is not an integer" },
	{ "{\"vm\":\"a\",\"argv\":[\"a\",1]}", "'argv' is not an array of strings" },
	{ "{\"vm\":\"a\",\"argv\":{}}", "'argv' is not an array of strings" },
	{ "{\"vm\":\"a\",\"argv\":\"ls\"}", "'argv' is not an array of strings" },
	{ "{\"vm\":\"a\",\"argv\":[],\"now\":0}", "'now' is not a boolean" },
	{ "{\"vm\":\"a\",\"argv\":[],\"set\":[]}", "'set' is not an object" },
	{ "{\"vm\":\"a\",\"argv\":[],\"nwo\":true}", "unknown argument 'nwo'" },
	{ "{\"vm\":\"a\",\"argv\":[],\"fds\":1}", "unknown argument 'fds'" },
};

START_TEST(test_request)
{
	CLEANUP(free) char *why = NULL;
	json_t *msg = json_loads(requests[_i].msg, 0, NULL);
	int r = verb_check(msg, common, own, &why);

	json_decref(msg);
	ck_assert_int_eq(r, requests[_i].why ? -EPROTO : 0);
	ck_assert_pstr_eq(why, requests[_i].why);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("verb");
	TCase *t = tcase_create("verb");

	tcase_add_loop_test(t, test_request, 0, (int)(sizeof requests / sizeof *requests));
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
