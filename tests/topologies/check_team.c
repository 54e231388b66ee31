/* tests/topologies/check_team.c: values, --set, lookups, shapes, and what planning promises. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "topologies/load.h"
#include "topologies/tree.h"
#include "topologies/shape.h"
#include "topologies/suggest.h"
#include "topologies/values.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *text;
	int64_t want; /* -1: refused */
} rates[] = {
	{ "56kbit", 56000 }, { "1.544Mbit", 1544000 }, { "44.736Mbit", 44736000 }, { "1bit", 1 },
	{ "1000Gbit", 1000000000000 }, { "unlimited", 0 }, { "0.1Gbit", 100000000 }, { "10", -1 },
	{ "10Mb", -1 }, { "10MB/s", -1 }, { "10mbit", -1 }, { "", -1 }, { ".5Mbit", -1 }, { "1.Mbit", -1 },
	{ "1e3bit", -1 }, { "0bit", -1 }, { "+5bit", -1 }, { "1001Gbit", -1 }, { "0x10bit", -1 },
	{ "99999999999999999999999999999999999999999bit", -1 },
}, times[] = {
	{ "20ms", 20000000 }, { "1.5s", 1500000000 }, { "7ns", 7 }, { "2us", 2000 }, { "3m", 180000000000 },
	{ "2h", 7200000000000 }, { "0s", 0 }, { "0.000001s", 1000 }, { "20", -1 }, { "-1s", -1 }, { "5 s", -1 },
	{ "5sec", -1 }, { "10001h", -1 }, { "ms", -1 },
}, sizes[] = {
	{ "128MiB", 134217728 }, { "1KB", 1000 }, { "1.5KiB", 1536 }, { "2GB", 2000000000 }, { "7B", 7 },
	{ "1.5B", -1 }, { "128", -1 }, { "128M", -1 }, { "128mib", -1 }, { "9000000GiB", -1 },
};

/* Compares a parser's verdict with the table's. */
static void expect(const char *text, int r, int64_t got, int64_t want, char *why)
{
	if (want < 0) {
		ck_assert_msg(r == -EINVAL && why && *why, "'%s' was taken", text);
		free(why);
		return;
	}
	ck_assert_msg(r == 0 && got == want, "'%s' gives %lld, not %lld", text, (long long)got, (long long)want);
}

START_TEST(test_rate)
{
	char *why = NULL;
	uint64_t v = 0;
	int r = value_rate(rates[_i].text, &v, &why);

	expect(rates[_i].text, r, (int64_t)v, rates[_i].want, why);
}
END_TEST

START_TEST(test_time)
{
	char *why = NULL;
	nsec_t v = 0;
	int r = value_time(times[_i].text, &v, &why);

	expect(times[_i].text, r, v, times[_i].want, why);
}
END_TEST

START_TEST(test_size)
{
	char *why = NULL;
	uint64_t v = 0;
	int r = value_size(sizes[_i].text, &v, &why);

	expect(sizes[_i].text, r, (int64_t)v, sizes[_i].want, why);
}
END_TEST

START_TEST(test_print_and_read)
{
	static const uint64_t n[] = { 1, 999, 1000, 1024, 1544000, 64000, 65536, 1000001, 44736000, 1u << 30,
				      5000000000, 123456789 };

	for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
		CLEANUP(free) char *rate = value_rate_str(n[i]);
		CLEANUP(free) char *size = value_size_str(n[i]);
		CLEANUP(free) char *time = value_time_str((nsec_t)n[i]);
		uint64_t v;
		nsec_t ns;
		char *why;

		ck_assert_msg(!value_rate(rate, &v, &why) && v == n[i], "%s", rate);
		ck_assert_msg(!value_size(size, &v, &why) && v == n[i], "%s", size);
		ck_assert_msg(!value_time(time, &ns, &why) && ns == (nsec_t)n[i], "%s", time);
	}
}
END_TEST

START_TEST(test_suggest)
{
	static const struct {
		const char *word, *candidate;
		bool near;
	} t[] = {
		{ "memry", "memory", true }, { "nmae", "name", true }, { "Memory", "memory", true },
		{ "xyz", "memory", false }, { "a", "b", false }, { "up", "down", false },
		{ "nic", "nics", true }, { "subet", "subnet", true },
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct suggestion s = { .word = t[i].word };

		suggest_consider(&s, t[i].candidate);
		ck_assert_msg((s.best != NULL) == t[i].near, "%s ~ %s", t[i].word, t[i].candidate);
	}
}
END_TEST

static const char two[] =
	"team: t\n"
	"defaults: {memory: 64MiB}\n"
	"networks: {lan: {subnet: 10.0.0.0/24}}\n"
	"vms:\n"
	"  a: {nics: [{network: lan}, {network: lan, name: data}]}\n"
	"  b: {nics: [{network: lan}]}\n";

static struct team *load(const char *text, const char *const *sets, size_t n_sets, char **ret_said)
{
	struct bytes said = { 0 };
	struct team *t = NULL;
	struct diags d;
	int r = team_load_buffer("t.yaml", text, strlen(text), sets, n_sets, NULL, &t, &d);

	ck_assert_int_eq(r, t ? 0 : -EINVAL);
	for (size_t i = 0; i < d.n; i++)
		bytes_append_str(&said, d.list[i].text);
	diags_done(&d);
	if (ret_said)
		*ret_said = said.data ? (char *)said.data : str_dup("");
	else
		bytes_done(&said);
	return t;
}

START_TEST(test_sets)
{
	static const char *const sets[] = { "vms.a.memory=256MiB", "vms.a.nics.1.mtu=1400",
					    "defaults.memory=32MiB", "networks.lan.shape={rate: 1Mbit}",
					    "vms.b.run=[\"x\", y]", "vms.b.ready.run=true", "networks.lan.shape.delay=5ms" };
	struct team *t = load(two, sets, sizeof sets / sizeof *sets, NULL);

	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(t->vms[0].memory_bytes, 256u << 20);
	ck_assert_uint_eq(t->vms[1].memory_bytes, 32u << 20);
	ck_assert_uint_eq(t->vms[0].nics[1].mtu, 1400);
	ck_assert_uint_eq(t->networks[0].shape.up.rate_bps, 1000000);
	ck_assert_int_eq(t->networks[0].shape.down.delay_ns, 5 * NSEC_PER_MSEC);
	ck_assert_uint_eq(t->vms[1].n_run, 2);
	ck_assert_str_eq(t->vms[1].ready_run, "true");
	t = team_free(t);
}
END_TEST

static const struct {
	const char *set, *said;
} bad_sets[] = {
	{ "vms.c.memory=1GiB", "--set: no VM is called 'c'\nvms.c.memory=1GiB\n    ^\n" },
	{ "vms.a.memory=12", "--set: '12' lacks a unit; a size is a number with B, KB, MB, GB, KiB, MiB or "
			     "GiB, like 128MiB\nvms.a.memory=12\n             ^\n" },
	{ "vms.a.memry=12MiB", "--set: unknown key 'memry' in a VM; did you mean 'memory'?\n"
			       "vms.a.memry=12MiB\n      ^\n" },
	{ "vms.a.nics.7.mtu=1400", "--set: '7' is not an index into a list of 2\nvms.a.nics.7.mtu=1400\n           ^\n" },
	{ "vms.a.nics.x.mtu=1400", "--set: 'x' is not an index into a list of 2\nvms.a.nics.x.mtu=1400\n           ^\n" },
	{ "nothing", "--set: 'nothing' is not PATH=VALUE, like vms.client.memory=256MiB\nnothing\n^\n" },
	{ "a..b=1", "--set: 'a..b' is not a path of keys\na..b=1\n^\n" },
	{ "team.x=1", "--set: 'x' cannot be set in what is text\nteam.x=1\n     ^\n" },
	{ "seed=[", "--set: did not find expected node content while parsing a flow node\nseed=[\n      ^\n" },
};

START_TEST(test_bad_set)
{
	CLEANUP(free) char *said = NULL;
	struct team *t = load(two, &bad_sets[_i].set, 1, &said);

	ck_assert_ptr_null(t);
	ck_assert_str_eq(said, bad_sets[_i].said);
}
END_TEST

/* An override of one VM leaves those alone that share its nodes by an alias. */
START_TEST(test_set_does_not_leak)
{
	static const char text[] = "team: t\nnetworks: {n: }\nvms:\n  a: &a {nics: [{network: n}]}\n  b: *a\n  c: {<<: *a}\n";
	static const char *const set[] = { "vms.a.nics.0.mtu=1000" };
	struct team *t = load(text, set, 1, NULL);

	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(t->vms[0].nics[0].mtu, 1000);
	ck_assert_uint_eq(t->vms[1].nics[0].mtu, 1500);
	ck_assert_uint_eq(t->vms[2].nics[0].mtu, 1500);
	t = team_free(t);
}
END_TEST

/* What a file calls the VMs of a count is told from a name that nothing has. */
START_TEST(test_group_str)
{
	static const struct {
		const char *name, *says;
	} v[] = {
		{ "web", "'web' stands for 3 VMs, web-1 to web-3; name one of them" },
		{ "web.eth0", "'web' stands for 3 VMs, web-1 to web-3; name one of them" },
		{ "one", "'one' stands for the VM one-1" },
		{ "web-1", NULL }, { "we", NULL }, { "", NULL }, { "a", NULL },
	};
	struct team *t = load("team: t\nnetworks: {n: }\nvms: {a: , web: {count: 3}, one: {count: 1}}\n", NULL, 0, NULL);

	ck_assert_ptr_nonnull(t);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		CLEANUP(free) char *text = team_group_str(t, v[i].name);

		ck_assert_pstr_eq(text, v[i].says);
	}
	t = team_free(t);
}
END_TEST

/* A bound on memory is a round number for people, and never less than the bound. */
START_TEST(test_plan_memory)
{
	struct team *t = load("team: t\nnetworks: {n: {shape: {rate: 10Mbit}}}\nvms: {a: {nics: [{network: n}]}}\n", NULL, 0, NULL);
	CLEANUP(free) char *text = NULL;
	CLEANUP(free) char *unit = NULL;
	const char *line;

	ck_assert_ptr_nonnull(t);
	text = team_plan_text(t);
	line = strstr(text, "memory of frames that wait in links: at most ");
	ck_assert_ptr_nonnull(line);
	ck_assert_int_eq(sscanf(line, "memory of frames that wait in links: at most %*u%ms", &unit), 1);
	ck_assert_str_eq(unit, "MiB");
	t = team_free(t);
}
END_TEST

START_TEST(test_link_find)
{
	struct team *t = load(two, NULL, 0, NULL);
	struct link_ref r;

	ck_assert_ptr_nonnull(t);
	ck_assert(!team_link_find(t, "lan", &r) && r.is_network && r.network == 0);
	ck_assert(!team_link_find(t, "a.data", &r) && !r.is_network && r.vm == 0 && r.nic == 1);
	ck_assert(!team_link_find(t, "a.1", &r) && r.nic == 1);
	ck_assert(!team_link_find(t, "b.eth0", &r) && r.vm == 1 && r.nic == 0);
	ck_assert_int_eq(team_link_find(t, "b.1", &r), -ENOENT);
	ck_assert_int_eq(team_link_find(t, "b.", &r), -ENOENT);
	ck_assert_int_eq(team_link_find(t, "b", &r), -ENOENT);
	ck_assert_int_eq(team_link_find(t, ".0", &r), -ENOENT);
	ck_assert_int_eq(team_link_find(t, "b.99999999999999999999999", &r), -ENOENT);
	t = team_free(t);
}
END_TEST

/* Keys of a map may be written in any order: nothing planned depends on it. */
START_TEST(test_key_order)
{
	static const char swapped[] =
		"vms:\n"
		"  a: {nics: [{network: lan}, {name: data, network: lan}]}\n"
		"  b: {nics: [{network: lan}]}\n"
		"networks: {lan: {subnet: 10.0.0.0/24}}\n"
		"defaults: {memory: 64MiB}\n"
		"team: t\n";
	struct team *t = load(two, NULL, 0, NULL), *u = load(swapped, NULL, 0, NULL);
	CLEANUP(free) char *a = team_plan_text(t), *b = team_plan_text(u);
	json_t *ja = team_plan_json(t), *jb = team_plan_json(u);

	ck_assert_str_eq(a, b);
	ck_assert(json_equal(ja, jb));
	ck_assert_int_eq(json_integer_value(json_object_get(ja, "link_memory_bytes")), 64 << 20); /* the spare */
	json_decref(ja);
	json_decref(jb);
	t = team_free(t);
	u = team_free(u);
}
END_TEST

/* A VM's MACs stay when another is added before it. */
START_TEST(test_mac_is_its_own)
{
	static const char more[] = "team: t\nnetworks: {lan: {subnet: 10.0.0.0/24}}\n"
				   "vms:\n  z: {nics: [{network: lan}]}\n  b: {nics: [{network: lan}]}\n";
	struct team *t = load(two, NULL, 0, NULL), *u = load(more, NULL, 0, NULL);

	ck_assert(mac_equal(&t->vms[1].nics[0].mac, &u->vms[1].nics[0].mac));
	ck_assert_int_eq(t->vms[1].nics[0].mac.b[0], 2);
	t = team_free(t);
	u = team_free(u);
}
END_TEST

START_TEST(test_shape_keys)
{
	struct shape_dir d = { 0 };
	char *why = NULL;

	ck_assert_int_eq(shape_set_key(&d, "preset", "modem-56k", &why), 0);
	ck_assert_uint_eq(d.rate_bps, 49000);
	ck_assert_int_eq(shape_set_key_dir(&d, LINK_UP, "preset", "modem-56k", &why), 0);
	ck_assert_uint_eq(d.rate_bps, 30000);
	ck_assert_int_eq(shape_set_key(&d, "loss", "p=1%,r=25%", &why), 0);
	ck_assert(d.has_ge && d.ge_bad >= 1 && d.ge_p > 0.0099 && d.ge_p < 0.0101);
	ck_assert_int_eq(shape_set_key(&d, "loss", "2%", &why), 0);
	ck_assert(!d.has_ge);
	ck_assert_int_eq(shape_set_key(&d, "queue", "50 packets", &why), 0);
	ck_assert(d.queue_in_packets && d.queue == 50);
	ck_assert_int_eq(shape_set_key(&d, "cell", "48/53", &why), 0);
	ck_assert_int_eq(shape_set_key(&d, "rte", "5Mbit", &why), -EINVAL);
	ck_assert_str_eq(why, "unknown key 'rte'; did you mean 'rate'?");
	free(why);
	ck_assert_int_eq(shape_set_key(&d, "loss", "p=0%,r=0%,good=3%", &why), 0);
	ck_assert(d.has_ge && d.ge_p >= 0 && d.ge_p <= 0 && d.ge_r >= 0 && d.ge_r <= 0);
	ck_assert_int_eq(shape_set_key(&d, "loss", "p=1%", &why), -EINVAL);
	free(why);
	ck_assert_int_eq(shape_set_key(&d, "loss", "r=1%", &why), -EINVAL);
	free(why);
}
END_TEST

/* What a preset prints as can be set again. */
START_TEST(test_presets)
{
	const struct preset *p = &presets[_i];
	CLEANUP(free) char *text = shape_dir_str(&p->down);
	struct shape_dir d = { 0 };
	char *rest = text, *word;

	ck_assert_ptr_eq(preset_find(p->name), p);
	ck_assert(*p->source && *p->description);
	while ((word = strsep(&rest, " "))) {
		char *value = strsep(&rest, " "), *why = NULL;

		ck_assert_msg(!shape_set_key(&d, word, value, &why), "%s %s: %s", word, value, why);
	}
	ck_assert_msg(d.rate_bps == p->down.rate_bps && d.delay_ns == p->down.delay_ns &&
		      d.jitter_ns == p->down.jitter_ns && d.queue == p->down.queue &&
		      d.cell_size == p->down.cell_size, "%s", p->name);
}
END_TEST

/* A team far beyond any other in size, all of whose parts refer to others. */
START_TEST(test_large)
{
	struct bytes b = { 0 };
	struct team *t = NULL;
	struct diags d;

	bytes_append_str(&b, "team: t\nnetworks: {lan: {subnet: 10.0.0.0/16}}\nvms:\n");
	for (int i = 0; i < 2000; i++)
		bytes_printf(&b, "  v%d: {nics: [{network: lan}, {network: lan}], after: [v%d]}\n", i,
			     i < 1999 ? i + 1 : 0);
	ck_assert_int_eq(team_load_buffer("t", (char *)b.data, b.len, NULL, 0, NULL, &t, &d), -EINVAL);
	ck_assert_ptr_nonnull(strstr(d.list[0].text, "a loop in 'after': v0 -> v1"));
	diags_done(&d);
	b.len = (size_t)(strstr((char *)b.data, "  v1999") - (char *)b.data);
	bytes_append_str(&b, "  v1999: {nics: [{network: lan}]}\n");
	ck_assert_int_eq(team_load_buffer("t", (char *)b.data, b.len, NULL, 0, NULL, &t, &d), 0);
	ck_assert_uint_eq(t->n_vms, 2000);
	ck_assert_uint_eq(t->order[0], 1999);
	diags_done(&d);
	t = team_free(t);
	bytes_done(&b);
}
END_TEST

START_TEST(test_name_and_unreadable)
{
	struct team *t = NULL;
	struct diags d;

	ck_assert_int_eq(team_load("tests/topologies/no.yaml", NULL, 0, NULL, NULL, &t, &d), -ENOENT);
	ck_assert_uint_eq(d.n, 1);
	ck_assert_str_eq(d.list[0].text, "tests/topologies/no.yaml: No such file or directory\n");
	diags_done(&d);
	ck_assert_int_eq(team_load("tests/topologies/good-small.yaml", NULL, 0, "other", NULL, &t, &d), 0);
	ck_assert_str_eq(t->name, "other");
	diags_done(&d);
	t = team_free(t);
	ck_assert_int_eq(team_load("tests/topologies/good-small.yaml", NULL, 0, "Not So", NULL, &t, &d), -EINVAL);
	ck_assert_ptr_nonnull(strstr(d.list[0].text, "--name: 'Not So' is no name"));
	diags_done(&d);
}
END_TEST

START_TEST(test_hostile_bytes)
{
	static const char *const texts[] = { "team: \"a\\0b\"\n", "team: \xff\xfe\n", "team: \x1b[31m\n",
					     "team: t\nvms: {\"\\e[31m\": 1}\n", "\xef\xbb\xbf" "team: t\nvms: {a: }\n" };

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		CLEANUP(free) char *said = NULL;
		struct team *t = load(texts[i], NULL, 0, &said);

		ck_assert_msg((t != NULL) == (i == 4), "%zu: %s", i, said);
		ck_assert_ptr_null(strchr(said, 0x1b));
		t = team_free(t);
	}
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

static uint64_t needs_80_mib(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return 80u << 20;
}

/* Files are in a guest's memory twice while it boots, beside what its image needs. */
START_TEST(test_files_budget)
{
	static const struct {
		const char *memory;
		const char *said; /* NULL: it fits */
	} t[] = {
		{ "152MiB", NULL },
		{ "151MiB", "'a' has 151 MiB of memory and needs 152: 80 to boot, and twice its 36 MiB of files" },
	};
	const struct team_env env = { .image_memory = needs_80_mib };
	char top[] = "/tmp/muster-check.XXXXXX";
	CLEANUP(free) char *blob = NULL;
	CLEANUP(free) char *file = NULL;
	CLEANUP(fd) int fd = -1;

	ck_assert_ptr_nonnull(mkdtemp(top));
	blob = str_printf("%s/blob", top);
	file = str_printf("%s/t.yaml", top);
	fd = open(blob, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(fd, 36 << 20), 0);
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		CLEANUP(free) char *text = str_printf("team: t\nvms: {a: {memory: %s, files: [{path: /b, from: blob}]}}\n",
						      t[i].memory);
		struct team *team = NULL;
		struct diags d;

		ck_assert_int_eq(file_write_all(file, text, strlen(text), 0600), 0);
		ck_assert_int_eq(team_load(file, NULL, 0, NULL, &env, &team, &d), t[i].said ? -EINVAL : 0);
		ck_assert(!t[i].said || (d.n == 1 && strstr(d.list[0].text, t[i].said)));
		diags_done(&d);
		(void)team_free(team);
	}
	ck_assert_int_eq(dir_remove_all(top), 0);
}
END_TEST

START_TEST(test_presets_can_be)
{
	const char *key;

	for (size_t i = 0; i < n_presets; i++) {
		uint32_t mtu = presets[i].mtu ? presets[i].mtu : 1500;

		ck_assert_msg(!shape_dir_check(&presets[i].up, mtu, &key), "%s up", presets[i].name);
		ck_assert_msg(!shape_dir_check(&presets[i].down, mtu, &key), "%s down", presets[i].name);
	}
}
END_TEST

/* What the file touches is told, with whole paths, each once. */
START_TEST(test_touches)
{
	CLEANUP(free) char *text = NULL;
	struct team *t = NULL;
	struct diags d;

	ck_assert_int_eq(team_load("tests/topologies/good-include.yaml", NULL, 0, NULL, NULL, &t, &d), 0);
	diags_done(&d);
	text = team_touches_text(t);
	ck_assert_str_eq(strstr(text, "\n  files written"), "\n  files written      none\n  folders shared     none\n"
			 "  interfaces         none\n  ports listened on  none\n  addresses reached  none\n");
	ck_assert_int_eq(strncmp(text, "on this host:\n  files read         /", 35), 0);
	ck_assert_ptr_nonnull(strstr(text, "/tests/topologies/good-include.yaml\n"));
	ck_assert_ptr_nonnull(strstr(text, "/tests/topologies/data/more.yaml\n"));
	t = team_free(t);
}
END_TEST

START_TEST(test_touches_of_stations)
{
	CLEANUP(free) char *text = NULL;
	struct team *t = NULL;
	struct diags d;

	ck_assert_int_eq(team_load("tests/topologies/good-attach.yaml", NULL, 0, NULL, NULL, &t, &d), 0);
	diags_done(&d);
	text = team_touches_text(t);
	ck_assert_ptr_nonnull(strstr(text, "\n  interfaces         tap0\n                     lab.0-x_1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  ports listened on  /run/lab/other.sock\n"));
	t = team_free(t);
}
END_TEST

/* An untrusted file is bounded, at the place where it asks for more. */
START_TEST(test_untrusted_bounds)
{
	const struct team_env env = { .untrusted = true };
	char top[] = "/tmp/muster-check.XXXXXX";
	CLEANUP(free) char *file = NULL;
	struct team *t = NULL;
	struct diags d;

	ck_assert_ptr_nonnull(mkdtemp(top));
	file = str_printf("%s/t.yaml", top);
	for (int n = 64; n <= 65; n++) {
		CLEANUP(bytes) struct bytes b = { 0 };

		bytes_append_str(&b, "team: t\nvms:\n");
		for (int i = 0; i < n; i++)
			bytes_printf(&b, "  v%d: {memory: 128MiB}\n", i);
		ck_assert_int_eq(file_write_all(file, b.data, b.len, 0600), 0);
		ck_assert_int_eq(team_load(file, NULL, 0, NULL, &env, &t, &d), n == 64 ? 0 : -EINVAL);
		if (n == 64)
			ck_assert_str_eq(t->root, top);
		else
			ck_assert(strstr(d.list[0].text, ":67:3: an untrusted file has at most 64 VMs, not 65") &&
				  strstr(d.list[1].text, ":67:17: an untrusted file's VMs have at most 8GiB"));
		diags_done(&d);
		t = n == 64 ? team_free(t) : NULL;
	}
	ck_assert_int_eq(dir_remove_all(top), 0);
}
END_TEST

/* A FIFO that nobody writes to would hold the reader for ever. */
START_TEST(test_fifo)
{
	char top[] = "/tmp/muster-check.XXXXXX";
	CLEANUP(free) char *path = NULL;
	struct team *t = NULL;
	struct diags d;

	ck_assert_ptr_nonnull(mkdtemp(top));
	path = str_printf("%s/t.yaml", top);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(team_load(path, NULL, 0, NULL, NULL, &t, &d), -EMEDIUMTYPE);
	ck_assert_uint_eq(d.n, 1);
	ck_assert_ptr_nonnull(strstr(d.list[0].text, "it is a FIFO, a device or a socket, not a file"));
	diags_done(&d);
	ck_assert_int_eq(dir_remove_all(top), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("team");
	TCase *c = tcase_create("values");

	tcase_add_loop_test(c, test_rate, 0, N(rates));
	tcase_add_loop_test(c, test_time, 0, N(times));
	tcase_add_loop_test(c, test_size, 0, N(sizes));
	tcase_add_test(c, test_print_and_read);
	tcase_add_test(c, test_suggest);
	suite_add_tcase(s, c);
	c = tcase_create("team");
	tcase_add_test(c, test_fifo);
	tcase_add_test(c, test_touches);
	tcase_add_test(c, test_touches_of_stations);
	tcase_add_test(c, test_untrusted_bounds);
	tcase_add_test(c, test_files_budget);
	tcase_add_test(c, test_presets_can_be);
	tcase_add_test(c, test_sets);
	tcase_add_loop_test(c, test_bad_set, 0, N(bad_sets));
	tcase_add_test(c, test_set_does_not_leak);
	tcase_add_test(c, test_link_find);
	tcase_add_test(c, test_group_str);
	tcase_add_test(c, test_plan_memory);
	tcase_add_test(c, test_key_order);
	tcase_add_test(c, test_mac_is_its_own);
	tcase_add_test(c, test_shape_keys);
	tcase_add_loop_test(c, test_presets, 0, (int)n_presets);
	tcase_add_test(c, test_large);
	tcase_add_test(c, test_name_and_unreadable);
	tcase_add_test(c, test_hostile_bytes);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
