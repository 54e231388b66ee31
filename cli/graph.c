/* cli/graph.c: the model of a team's picture, made of its plan and its state.
 *
 * Names of VMs and networks are plain words (team-file(5)); the place of an outsider is any text,
 * so control characters are replaced here, and each writer quotes what its format needs.
 *
 * Used by: cmd_graph.c.   Depends on: graph.h, topologies/team.h. */
#include "cli/graph.h"

#include "cli/cli.h"
#include "core/shape.h"
#include "topologies/team.h"

#include <string.h>

enum { WRAP = 30 /* characters of a line of a shape, where a blank allows it */ };

/* Appends @text as a line of its own. */
static void add_line(struct bytes *out, const char *text)
{
	if (!text[0])
		return;
	if (out->len)
		bytes_append_str(out, "\n");
	for (const char *p = text; *p; p++)
		bytes_append(out, (unsigned char)*p < ' ' || *p == 0x7f ? "?" : p, 1);
}

/* Appends @text as lines of at most WRAP characters where it has blanks; further lines are set in. */
static void add_wrapped(struct bytes *out, const char *text)
{
	CLEANUP(bytes) struct bytes line = { 0 };
	CLEANUP(free) char *copy = str_dup(text);
	char *rest = copy, *word;

	while ((word = strtok_r(rest, " ", &rest))) {
		if (line.len > 2 && line.len + 1 + strlen(word) > WRAP) {
			add_line(out, (char *)line.data);
			line.len = 0;
			bytes_append_str(&line, " ");
		}
		bytes_printf(&line, "%s%s", line.len ? " " : "", word);
	}
	if (line.len)
		add_line(out, (char *)line.data);
}

static void add_direction(struct bytes *out, const char *prefix, json_t *dir)
{
	CLEANUP(free) char *text = NULL;
	CLEANUP(free) char *line = NULL;
	struct shape_dir shape;

	if (shape_dir_from_json(dir, &shape) < 0)
		return;
	text = shape_dir_str(&shape);
	line = str_printf("%s%s", prefix, text);
	add_wrapped(out, line);
}

/* @shape: null, or "preset", "up" and "down" as show.c writes them. */
static void add_shape(struct bytes *out, json_t *shape)
{
	json_t *up = json_object_get(shape, "up"), *down = json_object_get(shape, "down");
	const char *preset = cli_text(shape, "preset");
	const char *colon = preset[0] ? ": " : "";
	CLEANUP(free) char *both = str_printf("%s%s", preset, colon);
	CLEANUP(free) char *of_up = str_printf("up %s%s", preset, colon);
	CLEANUP(free) char *of_down = str_printf("down %s%s", preset, colon);

	if (!json_is_object(shape))
		return;
	if (json_equal(up, down)) {
		add_direction(out, both, up);
		return;
	}
	add_direction(out, of_up, up);
	add_direction(out, of_down, down);
}

static char *take_text(struct bytes *b)
{
	if (!b->data)
		bytes_append_str(b, "");
	return (char *)b->data;
}

static void add_services(struct bytes *out, json_t *network)
{
	json_t *service = json_object_get(network, "service"), *forward;
	CLEANUP(bytes) struct bytes line = { 0 };
	const char *ra = cli_text(network, "ra");
	size_t i;

	if (!json_is_object(service))
		return;
	if (json_is_object(json_object_get(network, "dhcp")))
		bytes_append_str(&line, "DHCP");
	if (ra[0])
		bytes_printf(&line, "%sRA %s", line.len ? ", " : "", ra);
	if (json_is_object(json_object_get(network, "dns")))
		bytes_printf(&line, "%sDNS", line.len ? ", " : "");
	if (json_is_object(json_object_get(network, "nat")))
		bytes_printf(&line, "%sNAT", line.len ? ", " : "");
	bytes_printf(&line, " at %s %s", cli_text(service, "address"), cli_text(service, "address6"));
	add_wrapped(out, (char *)line.data);
	json_array_foreach (json_object_get(json_object_get(network, "nat"), "forwards"), i, forward) {
		CLEANUP(free)
		char *text = str_printf("%s %s:%lld to %s", cli_text(forward, "protocol"), cli_text(forward, "on"),
					(long long)json_integer_value(json_object_get(forward, "port")),
					cli_text(forward, "to"));

		add_line(out, text);
	}
}

static void make_network(struct graph_network *n, json_t *network)
{
	struct bytes note = { 0 };
	const char *type = cli_text(network, "type");

	n->name = str_dup(cli_text(network, "name"));
	n->is_cable = strcmp(type, "wire") == 0;
	if (strcmp(type, "switch") != 0)
		add_line(&note, type);
	add_line(&note, cli_text(network, "subnet"));
	add_line(&note, cli_text(network, "subnet6"));
	add_shape(&note, json_object_get(network, "shape"));
	add_services(&note, network);
	n->note = take_text(&note);
}

static bool is_member(json_t *o, const char *key, const char *text)
{
	return strcmp(cli_text(o, key), text) == 0;
}

/* The one of @list that is called @name, on @network unless that is NULL; or NULL. */
static json_t *find_named(json_t *list, const char *name, const char *network)
{
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (is_member(o, "name", name) && (!network || is_member(o, "network", network)))
			return o;
	return NULL;
}

/* Whether a link of a running team has no carrier. @state: a NIC or a station of the status; NULL: not running. */
static bool has_no_carrier(json_t *state)
{
	return json_is_false(json_object_get(json_object_get(state, "link"), "carrier"));
}

static size_t network_index(const struct graph *g, const char *name)
{
	for (size_t i = 0; i < g->n_networks; i++)
		if (strcmp(g->networks[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

static struct graph_link *links_new(size_t n)
{
	struct graph_link *links = calloc(n + 1, sizeof *links);

	if (!links)
		abort();
	return links;
}

/* Returns false when @nic is on no network of @g. @state: of the running team, or NULL. */
static bool make_nic(const struct graph *g, struct graph_link *link, json_t *nic, json_t *state)
{
	CLEANUP(bytes) struct bytes first = { 0 };
	struct bytes label = { 0 };
	json_t *address;
	size_t i;

	link->network = network_index(g, cli_text(nic, "network"));
	link->is_down = state ? has_no_carrier(state) : is_member(nic, "link", "down");
	bytes_append_str(&first, cli_text(nic, "name"));
	if (json_is_true(json_object_get(nic, "dhcp")))
		bytes_append_str(&first, " dhcp");
	if (link->is_down)
		bytes_append_str(&first, " down");
	json_array_foreach (json_object_get(nic, "addresses"), i, address) {
		if (i > 0) {
			add_line(&label, (char *)first.data);
			first.len = 0;
		}
		bytes_printf(&first, " %s", json_string_value(address));
	}
	add_line(&label, (char *)first.data);
	add_shape(&label, json_object_get(nic, "shape"));
	link->label = take_text(&label);
	return link->network != SIZE_MAX;
}

static bool make_vm(const struct graph *g, struct graph_node *node, json_t *vm, json_t *status)
{
	json_t *state = find_named(json_object_get(status, "vms"), cli_text(vm, "name"), NULL);
	json_t *nics = json_object_get(vm, "nics"), *nic;
	bool is_good = true;
	size_t i;

	node->name = str_dup(cli_text(vm, "name"));
	node->note = str_dup(cli_text(state, "state"));
	node->links = links_new(json_array_size(nics));
	json_array_foreach (nics, i, nic)
		is_good &= make_nic(g, &node->links[node->n_links++], nic,
				    json_array_get(json_object_get(state, "nics"), i));
	return is_good;
}

static void make_outsider(struct graph_node *node, size_t index, const char *network, json_t *station, json_t *status)
{
	json_t *state = find_named(json_object_get(status, "stations"), cli_text(station, "name"), network);
	CLEANUP(free) char *what = str_printf("%s %s", cli_text(station, "kind"), cli_text(station, "what"));
	struct bytes note = { 0 }, label = { 0 };

	add_wrapped(&note, what);
	node->name = str_printf("%s.%s", network, cli_text(station, "name"));
	node->note = take_text(&note);
	node->is_outsider = true;
	node->links = links_new(1);
	node->n_links = 1;
	node->links[0].network = index;
	node->links[0].is_down = has_no_carrier(state);
	if (node->links[0].is_down)
		add_line(&label, "down");
	add_shape(&label, json_object_get(station, "shape"));
	node->links[0].label = take_text(&label);
}

static size_t count_nodes(json_t *networks, json_t *vms)
{
	size_t n = json_array_size(vms), i;
	json_t *network;

	json_array_foreach (networks, i, network)
		n += json_array_size(json_object_get(network, "attach"));
	return n;
}

struct graph *graph_make(json_t *plan, json_t *status)
{
	json_t *networks = json_object_get(plan, "networks"), *vms = json_object_get(plan, "vms"), *o, *station;
	struct graph *g = calloc(1, sizeof *g);
	bool is_good = json_is_array(networks) && json_is_array(vms);
	size_t i, k;

	if (!g)
		abort();
	g->title = str_printf("team %s%s%s", cli_text(plan, "team"), status ? ": " : "", cli_text(status, "state"));
	g->networks = calloc(json_array_size(networks) + 1, sizeof *g->networks);
	g->nodes = calloc(count_nodes(networks, vms) + 1, sizeof *g->nodes);
	if (!g->networks || !g->nodes)
		abort();
	json_array_foreach (networks, i, o)
		make_network(&g->networks[g->n_networks++], o);
	json_array_foreach (vms, i, o)
		is_good &= make_vm(g, &g->nodes[g->n_nodes++], o, status);
	json_array_foreach (networks, i, o)
		json_array_foreach (json_object_get(o, "attach"), k, station)
			make_outsider(&g->nodes[g->n_nodes++], i, g->networks[i].name, station, status);
	return is_good ? g : graph_free(g);
}

struct graph *graph_free(struct graph *g)
{
	if (!g)
		return NULL;
	for (size_t i = 0; i < g->n_nodes; i++) {
		for (size_t k = 0; k < g->nodes[i].n_links; k++)
			free(g->nodes[i].links[k].label);
		free(g->nodes[i].links);
		free(g->nodes[i].name);
		free(g->nodes[i].note);
	}
	for (size_t i = 0; i < g->n_networks; i++) {
		free(g->networks[i].name);
		free(g->networks[i].note);
	}
	free(g->nodes);
	free(g->networks);
	free(g->title);
	free(g);
	return NULL;
}

size_t graph_count_lines(const char *text)
{
	size_t n = text[0] ? 1 : 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

const char *graph_next_line(const char **rest, size_t *ret_len)
{
	const char *line = *rest;

	if (!line || !line[0])
		return NULL;
	*ret_len = strcspn(line, "\n");
	*rest = line + *ret_len + (line[*ret_len] == '\n');
	return line;
}
