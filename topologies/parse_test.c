/* topologies/parse_test.c: the list of tests: checks, and actions between them.
 *
 * An item says what it is by the one key of an action it has; without one it
 * is a check. Names of VMs and links are looked up by check.c.
 *
 * Used by: parse.c.   Depends on: keys.h, core/bytes.h. Sources: team-file(5). */
#include "topologies/keys.h"

#include "core/bytes.h"
#include "topologies/values.h"

#include <regex.h>
#include <string.h>

struct test_ctx {
	struct team_test *test;
	struct test_src *src;
};

static struct team_test *test_of(void *obj)
{
	return ((struct test_ctx *)obj)->test;
}

static void positive_time(struct load *l, const struct node *v, const char *what, nsec_t *ret)
{
	nsec_t ns;

	if (!want_time(l, v, &ns))
		return;
	if (ns <= 0)
		load_error(l, &v->place, "%s is more than 0", what);
	else
		*ret = ns;
}

static void test_name(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (!want_text(l, v, "'name'"))
		return;
	if (!v->len || v->len > 200 || strpbrk(v->text, "\n\r"))
		load_error(l, &v->place, "a test's name is one line of 1 to 200 characters");
	else
		test_of(obj)->name = v->text;
}

static void test_on(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (want_text(l, v, "a VM's name"))
		((struct test_ctx *)obj)->src->on = v;
}

static void test_run(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (!want_text(l, v, "'run'"))
		return;
	if (!v->len)
		load_error(l, &v->place, "'run' is empty");
	test_of(obj)->run = v->text;
}

static void test_timeout(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	positive_time(l, v, "a timeout", &test_of(obj)->timeout_ns);
}

static void retry_for(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	positive_time(l, v, "'for'", &test_of(obj)->retry_for_ns);
}

static void retry_every(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	positive_time(l, v, "'every'", &test_of(obj)->retry_every_ns);
}

static const struct key retry_keys[] = { { "for", retry_for, KEY_REQUIRED },
					 { "every", retry_every, 0 } };

static void test_retry(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	test_of(obj)->retry_every_ns = 500 * NSEC_PER_MSEC;
	(void)keys_read(l, &KEY_TABLE("'retry'", retry_keys), v, obj);
}

static void expect_exit(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	uint64_t n;

	(void)key;
	if (v->kind == NODE_SCALAR && !strcmp(v->text, "nonzero"))
		test_of(obj)->expect_nonzero = true;
	else if (want_int(l, v, 0, 255, &n))
		test_of(obj)->expect_exit = (int)n;
}

/* The library expands a{N} in memory, nested ones by their product. */
static bool regex_bounded(const char *re)
{
	unsigned long product = 1;

	if (strlen(re) > 1000)
		return false;
	for (const char *p = re; (p = strchr(p, '{')); p++) {
		unsigned long low = strtoul(p + 1, NULL, 10), high = 0;
		const char *comma = strpbrk(p, ",}");

		if (comma && *comma == ',')
			high = strtoul(comma + 1, NULL, 10);
		if (high < low)
			high = low;
		product *= high ? high : 1;
		if (product > 255 || high > 255)
			return false;
	}
	return true;
}

/* It is compiled here to know that it can be. */
bool want_regex(struct load *l, const struct node *n, const char *text)
{
	regex_t re;
	char why[160];
	int r;

	if (!regex_bounded(text)) {
		load_error(l, &n->place, "a regular expression has at most 1000 characters and repeats "
			   "at most 255 times in all");
		return false;
	}
	r = regcomp(&re, text, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
	if (r) {
		(void)regerror(r, &re, why, sizeof why);
		load_error(l, &n->place, "'%s' is no regular expression: %s", text, why);
		return false;
	}
	regfree(&re);
	return true;
}

static void match_equals(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct match *m = obj;

	(void)key;
	if (want_text(l, v, "'equals'"))
		*m = (struct match){ MATCH_EQUALS, v->text };
}

static const struct key match_keys[] = { { "equals", match_equals, KEY_REQUIRED } };

static void want_match(struct load *l, const struct node *key, const struct node *v, struct match *m)
{
	if (v->kind == NODE_MAP)
		(void)keys_read(l, &KEY_TABLE(key->text, match_keys), v, m);
	else if (!want_text(l, v, key->text))
		return;
	else if (v->len > 2 && v->text[0] == '/' && v->text[v->len - 1] == '/') {
		*m = (struct match){ MATCH_REGEX, arena_dup(l->arena, v->text + 1, v->len - 2) };
		(void)want_regex(l, v, m->text);
	} else
		*m = (struct match){ MATCH_CONTAINS, v->text };
}

static void expect_stdout(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	want_match(l, key, v, &test_of(obj)->out);
}

static void expect_stderr(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	want_match(l, key, v, &test_of(obj)->err);
}

static const struct key expect_keys[] = { { "exit", expect_exit, 0 },
					  { "stdout", expect_stdout, 0 },
					  { "stderr", expect_stderr, 0 } };

static void test_expect(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)keys_read(l, &KEY_TABLE("'expect'", expect_keys), v, obj);
}

static void test_fork(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	bool b;

	(void)key;
	(void)obj;
	(void)want_bool(l, v, &b);
}

static const struct key check_keys[] = {
	{ "fork", test_fork, KEY_UNSUPPORTED },
	{ "name", test_name, 0 },	{ "on", test_on, KEY_REQUIRED },
	{ "run", test_run, KEY_REQUIRED }, { "expect", test_expect, 0 },
	{ "timeout", test_timeout, 0 }, { "retry", test_retry, 0 },
};

static void link_target(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct test_ctx *c = obj;

	if (!want_text(l, v, key->text))
		return;
	if (!strchr(v->text, '.') == !strcmp(key->text, "nic")) {
		load_error(l, &v->place, "a NIC is written VM.INDEX or VM.NAME, a network by its name");
		return;
	}
	c->src->target = v;
	c->test->link_target = v->text;
}

/* @prefix: "", or "up." and "down." for the keys of one direction. A preset
 * replaces everything, so it is set first wherever it stands. */
static void add_sets(struct load *l, struct team_test *t, const struct node *map, const char *prefix)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < map->n; i++) {
			const struct pair *p = &map->pairs[i];
			bool is_dir = !*prefix && (!strcmp(p->key->text, "up") || !strcmp(p->key->text, "down"));
			const char *set;

			if (!strcmp(p->key->text, "preset") == (pass == 0) && !is_dir &&
			    (set = parse_shape_set(l, p->key, p->value)))
				t->link_set[t->n_link_set++] = arena_printf(l->arena, "%s%s", prefix, set);
		}
	}
}

static void link_set(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	const struct node *const dirs[] = { node_get(v, "up"), node_get(v, "down") };
	struct team_test *t = test_of(obj);
	size_t n = v->n;

	(void)key;
	if (!want_map(l, v, "'set'"))
		return;
	for (size_t i = 0; i < 2; i++)
		n += dirs[i] && want_map(l, dirs[i], i ? "'down'" : "'up'") ? dirs[i]->n : 0;
	t->link_set = arena_array(l->arena, n + 1, sizeof *t->link_set);
	add_sets(l, t, v, "");
	for (size_t i = 0; i < 2; i++)
		if (dirs[i] && dirs[i]->kind == NODE_MAP)
			add_sets(l, t, dirs[i], i ? "down." : "up.");
}

static void link_reset(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_bool(l, v, &test_of(obj)->link_reset);
}

static void link_up(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_bool(l, v, &test_of(obj)->link_up);
}

static void link_down(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_bool(l, v, &test_of(obj)->link_down);
}

static void link_flap(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	positive_time(l, v, "'flap'", &test_of(obj)->link_flap_ns);
}

static void link_dir(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "up", "down" };
	size_t i;

	(void)key;
	if (want_word(l, v, "'dir'", words, 2, &i))
		test_of(obj)->link_dir = i ? LINK_DOWN : LINK_UP;
}

static const struct key link_keys[] = {
	{ "network", link_target, 0 }, { "nic", link_target, 0 }, { "set", link_set, 0 },
	{ "reset", link_reset, 0 },    { "down", link_down, 0 },  { "up", link_up, 0 },
	{ "flap", link_flap, 0 },      { "dir", link_dir, 0 },
};

static void act_link(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_test *t = test_of(obj);
	size_t n_errors = l->n_errors;

	(void)key;
	if (!keys_read(l, &KEY_TABLE("'link'", link_keys), v, obj))
		return;
	if (!node_get(v, "network") == !node_get(v, "nic"))
		load_error(l, &v->place, "'link' has either 'network' or 'nic'");
	if (l->n_errors == n_errors && t->link_up + t->link_down + (t->link_flap_ns > 0) > 1)
		load_error(l, &v->place, "'up', 'down' and 'flap' exclude each other");
	if (l->n_errors == n_errors && !t->n_link_set && !t->link_reset && !t->link_up &&
	    !t->link_down && !t->link_flap_ns)
		load_error(l, &v->place, "'link' changes nothing; say 'set', 'reset', 'up', 'down' or 'flap'");
}

static void act_wait(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	positive_time(l, v, "'wait'", &test_of(obj)->wait_ns);
}

static void act_cut(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	(void)want_name(l, v, true);
}

/* What an item can be; the first key of it that is in the list decides. */
static const struct action {
	struct key key;
	enum test_kind kind;
} actions[] = {
	{ { "link", act_link, KEY_REQUIRED }, TEST_LINK },
	{ { "wait", act_wait, KEY_REQUIRED }, TEST_WAIT },
	{ { "stop", test_on, KEY_REQUIRED }, TEST_STOP },
	{ { "start", test_on, KEY_REQUIRED }, TEST_START },
	{ { "snapshot", act_cut, KEY_REQUIRED | KEY_UNSUPPORTED }, TEST_WAIT },
	{ { "restore", act_cut, KEY_REQUIRED | KEY_UNSUPPORTED }, TEST_WAIT },
};

static const struct action *action_of(const struct node *v)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (node_get(v, actions[i].key.name))
			return &actions[i];
	return NULL;
}

/* "link lan set delay=20ms loss=1% down, up direction" */
static const char *link_name(struct load *l, const struct team_test *t)
{
	static const char *const dirs[] = { "", ", up direction", ", down direction" };
	const char *name = arena_printf(l->arena, "link %s", t->link_target ? t->link_target : "?");

	if (t->link_reset)
		name = arena_printf(l->arena, "%s reset", name);
	for (size_t i = 0; i < t->n_link_set; i++)
		name = arena_printf(l->arena, "%s %s%s", name, i ? "" : "set ", t->link_set[i]);
	if (t->link_up || t->link_down)
		name = arena_printf(l->arena, "%s %s", name, t->link_up ? "up" : "down");
	if (t->link_flap_ns > 0) {
		CLEANUP(free) char *time = value_time_str(t->link_flap_ns);

		name = arena_printf(l->arena, "%s flap %s", name, time);
	}
	return arena_printf(l->arena, "%s%s", name, dirs[t->link_dir]);
}

static const char *made_name(struct load *l, const struct action *a, const struct node *v,
			     const struct test_ctx *c)
{
	const struct node *value;

	if (!a)
		return c->test->run ? c->test->run : "?";
	value = node_get(v, a->key.name);
	if (a->kind == TEST_LINK)
		return link_name(l, c->test);
	return arena_printf(l->arena, "%s %s", a->key.name, value->text);
}

void parse_test(struct load *l, const struct node *value, size_t i)
{
	struct test_ctx c = { &l->team->tests[i], &l->test_src[i] };
	const struct action *a = action_of(value);

	c.test->place = value->place;
	c.test->vm = SIZE_MAX;
	c.test->n_vms = 1;
	c.test->timeout_ns = 30 * NSEC_PER_SEC;
	if (a) {
		const struct key keys[] = { { "name", test_name, 0 }, { "fork", test_fork, KEY_UNSUPPORTED },
					    a->key };

		c.test->kind = a->kind;
		(void)keys_read(l, &KEY_TABLE("this action", keys), value, &c);
	} else {
		c.test->kind = TEST_CHECK;
		(void)keys_read(l, &KEY_TABLE("a test", check_keys), value, &c);
	}
	if (!c.test->name)
		c.test->name = made_name(l, a, value, &c);
}
