/* tests/cli/check_graph.c: the picture of a team: its four formats against tests/cli/graph-*, and what the layout
 * promises for random teams.
 *
 * With MUSTER_GOLDEN_WRITE set the files that differ are written anew: look at them before committing. */
#include "cli/graph_layout.h"
#include "tests/unit.h"

#include "core/prng.h"
#include "topologies/team.h"

#include <errno.h>
#include <string.h>

static int write_ascii_well(const struct graph *g, struct bytes *out)
{
	return graph_write_ascii(g, out);
}

static int write_svg(const struct graph *g, struct bytes *out)
{
	graph_write_svg(g, out);
	return 0;
}

static int write_dot(const struct graph *g, struct bytes *out)
{
	graph_write_dot(g, out);
	return 0;
}

static int write_mermaid(const struct graph *g, struct bytes *out)
{
	graph_write_mermaid(g, out);
	return 0;
}

static const struct {
	const char *ext;
	int (*write)(const struct graph *g, struct bytes *out);
} formats[] = { { "svg", write_svg }, { "dot", write_dot }, { "mermaid", write_mermaid }, { "txt", write_ascii_well } };
enum { N_FORMATS = sizeof formats / sizeof *formats };

static json_t *plan_of(const char *path)
{
	static const struct team_env env = { .take_unsupported = true };
	struct diags diags = { 0 };
	struct team *team = NULL;
	json_t *plan;

	ck_assert_msg(team_load(path, NULL, 0, NULL, &env, &team, &diags) == 0, "%s",
		      diags.n ? diags.list[0].text : path);
	plan = team_plan_json(team);
	diags_done(&diags);
	(void)team_free(team);
	return plan;
}

/* A team that runs: one VM is ready, one starts, and links have no carrier. */
static json_t *status_of_running(void)
{
	return json_pack("{s:s,s:[{s:s,s:s,s:[{s:{s:b}},{s:{s:b}}]},{s:s,s:s}],s:[{s:s,s:s,s:{s:b}}]}", "state", "up",
			 "vms", "name", "firewall", "state", "ready", "nics", "link", "carrier", 1, "link", "carrier",
			 0, "name", "www", "state", "setup", "stations", "name", "host", "network", "old", "link",
			 "carrier", 0);
}

static void compare(const struct graph *g, const char *name, size_t format)
{
	CLEANUP(free) char *path = str_printf("tests/cli/graph-%s.%s", name, formats[format].ext);
	CLEANUP(bytes) struct bytes got = { 0 };
	CLEANUP(bytes) struct bytes want = { 0 };

	ck_assert_int_eq(formats[format].write(g, &got), 0);
	if (getenv("MUSTER_GOLDEN_WRITE"))
		ck_assert_int_eq(file_write_all(path, got.data, got.len, 0644), 0);
	ck_assert_msg(file_read_all(path, 1 << 20, &want) == 0, "%s is missing", path);
	ck_assert_msg(want.len == got.len && memcmp(want.data, got.data, got.len) == 0,
		      "%s differs; MUSTER_GOLDEN_WRITE=1 writes what it is now", path);
}

START_TEST(test_formats)
{
	json_t *plan = plan_of("tests/cli/graph-all.yaml"), *status = status_of_running();
	struct graph *g = graph_make(plan, NULL);

	compare(g, "all", (size_t)_i);
	(void)graph_free(g);
	g = graph_make(plan, status);
	compare(g, "running", (size_t)_i);
	(void)graph_free(g);
	json_decref(plan);
	json_decref(status);
}
END_TEST

START_TEST(test_no_plan)
{
	json_t *odd[] = { json_pack("{}"), json_pack("{s:[],s:s}", "networks", "vms", "x"),
			  json_pack("{s:[],s:[{s:s,s:[{s:s,s:s}]}]}", "networks", "vms", "name", "a", "nics", "name",
				    "eth0", "network", "none"),
			  json_string("plan") };

	ck_assert_ptr_null(graph_make(NULL, NULL));
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		ck_assert_ptr_null(graph_make(odd[i], NULL));
		json_decref(odd[i]);
	}
}
END_TEST

/* Names in a plan of another Muster may hold anything: no control character gets through. */
START_TEST(test_control_characters)
{
	json_t *plan =
		json_pack("{s:s,s:[{s:s,s:s,s:[{s:s,s:s,s:s}]}],s:[]}", "team", "x", "networks", "name", "n", "type",
			  "switch", "attach", "name", "a", "kind", "qemu", "what", "/tmp/a\x1b[31m\nb\x7f c", "vms");
	struct graph *g = graph_make(plan, NULL);

	ck_assert_str_eq(g->nodes[0].note, "qemu /tmp/a?[31m?b? c");
	(void)graph_free(g);
	json_decref(plan);
}
END_TEST

/* ---- the layout ------------------------------------------------------------------- */

static const struct graph_metrics by_pixels = { 2, 7, 16, 10, 7, 18, 14, 44, 15 },
				  by_characters = { 1, 1, 1, 2, 1, 2, 1, 2, 0 };

/* A text of up to @max lines. */
static char *random_text(struct prng *p, unsigned max)
{
	struct bytes b = { 0 };
	unsigned lines = (unsigned)prng_below(p, max + 1);

	for (unsigned i = 0; i < lines; i++)
		bytes_printf(&b, "%s%.*s", i ? "\n" : "", (int)prng_below(p, 24) + 1, "abcdefghijklmnopqrstuvwxyz");
	if (!b.data)
		bytes_append_str(&b, "");
	return (char *)b.data;
}

static struct graph *random_graph(struct prng *p)
{
	struct graph *g = calloc(1, sizeof *g);

	ck_assert_ptr_nonnull(g);
	g->title = str_dup("team");
	g->n_networks = (size_t)prng_below(p, 20);
	g->n_nodes = (size_t)prng_below(p, 41);
	g->networks = calloc(g->n_networks + 1, sizeof *g->networks);
	g->nodes = calloc(g->n_nodes + 1, sizeof *g->nodes);
	for (size_t i = 0; i < g->n_networks; i++)
		g->networks[i] = (struct graph_network){ str_dup("network"), random_text(p, 6), false };
	for (size_t i = 0; i < g->n_nodes; i++) {
		struct graph_node *n = &g->nodes[i];

		*n = (struct graph_node){ .name = str_dup("node"), .note = random_text(p, 3) };
		n->links = calloc(8, sizeof *n->links);
		n->n_links = g->n_networks ? (size_t)prng_below(p, 8) : 0;
		for (size_t k = 0; k < n->n_links; k++)
			n->links[k] =
				(struct graph_link){ (size_t)prng_below(p, g->n_networks), false, random_text(p, 4) };
	}
	return g;
}

enum { BOXES_MAX = 1000 };
struct boxes {
	struct graph_box list[BOXES_MAX];
	size_t n;
};

/* libcheck writes a note for each assertion, so those in inner loops are made only when they fail. */
static void require(bool is_true, const char *what)
{
	if (!is_true)
		ck_abort_msg("%s", what);
}

static void add_box(struct boxes *b, const struct graph_layout *l, unsigned x, unsigned y, unsigned width,
		    unsigned height)
{
	require(b->n < BOXES_MAX, "too many boxes");
	require(x + width <= l->width && y + height <= l->height, "outside the picture");
	b->list[b->n++] = (struct graph_box){ x, y, width, height };
}

/* Boxes, headers, labels and bars: whatever must not lie on another. */
static void collect(const struct graph *g, const struct graph_layout *l, const struct graph_metrics *m, struct boxes *b)
{
	for (size_t i = 0; i < g->n_nodes; i++) {
		const struct graph_node_place *p = &l->nodes[i];

		add_box(b, l, p->box.x, p->box.y, p->box.width, p->box.height);
		for (size_t k = 0; k < g->nodes[i].n_links; k++) {
			const char *text = g->nodes[i].links[k].label;
			unsigned width = graph_text_width(text) * m->char_width;
			unsigned x =
				p->is_right ? p->box.x - m->gap_x / 2 - width : p->box.x + p->box.width + m->gap_x / 2;

			if (text[0])
				add_box(b, l, x, p->wires_y[k] - m->wire_y, width,
					(unsigned)graph_count_lines(text) * m->line_height);
		}
	}
	for (size_t i = 0; i < g->n_networks; i++) {
		const struct graph_network_place *p = &l->networks[i];

		add_box(b, l, p->header.x, p->header.y, p->header.width, p->header.height);
		if (p->has_bar)
			add_box(b, l, p->bar_x, p->bar_top, 1, p->bar_bottom - p->bar_top + 1);
	}
}

static bool overlap(const struct graph_box *a, const struct graph_box *b)
{
	return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height && b->y < a->y + a->height;
}

/* No wire runs through a box, a header or a label of another, and none along another. */
static void check_wires(const struct graph *g, const struct graph_layout *l)
{
	for (size_t i = 0; i < g->n_nodes; i++)
		for (size_t k = 0; k < g->nodes[i].n_links; k++) {
			unsigned y = l->nodes[i].wires_y[k];
			const struct graph_network_place *to = &l->networks[g->nodes[i].links[k].network];

			require(y >= to->bar_top && y <= to->bar_bottom, "a wire that misses its bar");
			for (size_t n = 0; n < g->n_networks; n++)
				require(y < l->networks[n].header.y ||
						y >= l->networks[n].header.y + l->networks[n].header.height,
					"a wire through a header");
			for (size_t o = 0; o < g->n_nodes; o++)
				for (size_t q = 0; q < g->nodes[o].n_links; q++)
					require(y != l->nodes[o].wires_y[q] || (o == i && q == k), "a wire on a wire");
		}
}

START_TEST(test_nothing_overlaps)
{
	const struct graph_metrics *m = _i & 1 ? &by_characters : &by_pixels;
	struct prng p;

	prng_init(&p, (uint64_t)_i, "graph");
	for (int round = 0; round < 20; round++) {
		struct graph *g = random_graph(&p);
		struct graph_layout *l = graph_layout_make(g, m);
		struct boxes b = { .n = 0 };

		collect(g, l, m, &b);
		for (size_t i = 0; i < b.n; i++)
			for (size_t k = 0; k < i; k++)
				require(!overlap(&b.list[i], &b.list[k]), "two parts overlap");
		check_wires(g, l);
		(void)graph_layout_free(g, l);
		(void)graph_free(g);
	}
}
END_TEST

START_TEST(test_too_large)
{
	struct graph_node *nodes = calloc(9000, sizeof *nodes);
	char *wide = malloc(8001);
	struct graph g = { .title = (char[]){ "x" }, .nodes = nodes, .n_nodes = 9000 };
	struct bytes out = { 0 };

	memset(wide, 'x', 8000);
	wide[8000] = '\0';
	for (size_t i = 0; i < g.n_nodes; i++)
		nodes[i] = (struct graph_node){ .name = wide, .note = (char[]){ "" } };
	ck_assert_int_eq(graph_write_ascii(&g, &out), -E2BIG);
	ck_assert_uint_eq(out.len, 0);
	free(nodes);
	free(wide);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("graph");
	TCase *c = tcase_create("graph");

	tcase_add_loop_test(c, test_formats, 0, N_FORMATS);
	tcase_add_test(c, test_no_plan);
	tcase_add_test(c, test_control_characters);
	tcase_add_loop_test(c, test_nothing_overlaps, 0, 8);
	tcase_add_test(c, test_too_large);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
