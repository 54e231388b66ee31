/* cli/graph_layout.c: where the parts of a team's picture are drawn. */
#include "cli/graph_layout.h"

#include <stdlib.h>
#include <string.h>

struct lane {
	size_t last_row; /* the lane is taken down to this row */
	unsigned width, x;
};

/* What is worked out on the way. */
struct work {
	const struct graph *g;
	const struct graph_metrics *m;
	struct graph_layout *l;
	size_t n_rows;
	size_t *first_row, *last_row, *lane_of; /* of each network; first_row is n_rows where it has no link */
	struct lane *lanes;
	size_t n_lanes;
	unsigned box_width[2], label_width[2]; /* of each column */
};

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (!p)
		abort();
	return p;
}

static unsigned larger(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

unsigned graph_text_width(const char *text)
{
	unsigned longest = 0, n = 0;

	for (; *text; text++) {
		n = *text == '\n' ? 0 : n + (((unsigned char)*text & 0xc0) != 0x80);
		longest = larger(longest, n);
	}
	return longest;
}

/* The lines that a link's label takes: one at least, since the wire lies below the first. */
static unsigned label_lines(const struct graph_link *link)
{
	return larger(1, (unsigned)graph_count_lines(link->label));
}

static size_t row_of(const struct work *w, size_t node)
{
	return node / w->m->columns;
}

static unsigned node_height(const struct work *w, const struct graph_node *n)
{
	unsigned text = 1 + (unsigned)graph_count_lines(n->note), links = 0;

	for (size_t i = 0; i < n->n_links; i++)
		links += label_lines(&n->links[i]);
	return larger(text, links) * w->m->line_height + 2 * w->m->pad_y;
}

static unsigned header_height(const struct work *w, size_t network)
{
	return (1 + (unsigned)graph_count_lines(w->g->networks[network].note)) * w->m->line_height;
}

static unsigned header_width(const struct work *w, size_t network)
{
	const struct graph_network *n = &w->g->networks[network];

	return larger(graph_text_width(n->name), graph_text_width(n->note)) * w->m->char_width;
}

static void measure_nodes(struct work *w)
{
	for (size_t i = 0; i < w->g->n_networks; i++)
		w->first_row[i] = w->n_rows;
	for (size_t i = 0; i < w->g->n_nodes; i++) {
		const struct graph_node *n = &w->g->nodes[i];
		unsigned text = larger(graph_text_width(n->name), graph_text_width(n->note));
		size_t side = i % w->m->columns, row = row_of(w, i);

		w->l->nodes[i].is_right = side == 1;
		w->l->nodes[i].wires_y = zeroed(n->n_links, sizeof(unsigned));
		w->box_width[side] = larger(w->box_width[side], text * w->m->char_width + 2 * w->m->pad_x);
		for (size_t k = 0; k < n->n_links; k++) {
			size_t network = n->links[k].network;

			w->label_width[side] =
				larger(w->label_width[side], graph_text_width(n->links[k].label) * w->m->char_width);
			if (row < w->first_row[network])
				w->first_row[network] = row;
			w->last_row[network] = row;
		}
	}
}

/* The first lane that is free at @row, or a new one. */
static size_t lane_at(struct work *w, size_t row)
{
	for (size_t i = 0; i < w->n_lanes; i++)
		if (w->lanes[i].last_row < row)
			return i;
	return w->n_lanes++;
}

/* Networks take lanes in the order of the rows at which they begin. Those without links stand below, each in a
 * lane of its own. */
static void take_lanes(struct work *w)
{
	for (size_t row = 0; row <= w->n_rows; row++)
		for (size_t i = 0; i < w->g->n_networks; i++) {
			size_t lane;

			if (w->first_row[i] != row)
				continue;
			lane = w->lane_of[i] = lane_at(w, row);
			w->lanes[lane].last_row = row == w->n_rows ? row : w->last_row[i];
			w->lanes[lane].width = larger(w->lanes[lane].width, header_width(w, i));
		}
}

static void place_columns(struct work *w)
{
	const struct graph_metrics *m = w->m;
	unsigned x = m->gap_x + w->box_width[0] + m->gap_x + w->label_width[0] + m->gap_x;

	for (size_t i = 0; i < w->n_lanes; i++) {
		w->lanes[i].x = x;
		x += w->lanes[i].width + m->gap_x;
	}
	if (m->columns == 2)
		x += w->label_width[1] + m->gap_x;
	for (size_t i = 0; i < w->g->n_nodes; i++) {
		struct graph_node_place *p = &w->l->nodes[i];

		p->box.x = p->is_right ? x : m->gap_x;
		p->box.width = w->box_width[p->is_right];
	}
	w->l->width = x + (m->columns == 2 ? w->box_width[1] + m->gap_x : 0);
}

/* The headers of networks that begin at @row, their lower edges at one height. Returns the band's height. */
static unsigned place_band(struct work *w, size_t row, unsigned y)
{
	unsigned height = 0;

	for (size_t i = 0; i < w->g->n_networks; i++)
		if (w->first_row[i] == row)
			height = larger(height, header_height(w, i));
	for (size_t i = 0; i < w->g->n_networks; i++) {
		struct graph_network_place *p = &w->l->networks[i];

		if (w->first_row[i] != row)
			continue;
		p->header = (struct graph_box){ w->lanes[w->lane_of[i]].x, y + height - header_height(w, i),
						header_width(w, i), header_height(w, i) };
		p->has_bar = row < w->n_rows;
		p->bar_x = p->header.x + w->m->char_width;
		p->bar_top = y + height;
	}
	return height ? height + w->m->gap_y : 0;
}

static void place_node(struct work *w, size_t index, unsigned top, unsigned height)
{
	const struct graph_node *n = &w->g->nodes[index];
	struct graph_node_place *p = &w->l->nodes[index];
	unsigned y = top + w->m->pad_y + (p->is_right ? w->m->line_height / 2 : 0);

	p->box.y = top;
	p->box.height = height;
	for (size_t k = 0; k < n->n_links; k++) {
		struct graph_network_place *network = &w->l->networks[n->links[k].network];

		p->wires_y[k] = y + w->m->wire_y;
		network->bar_bottom = larger(network->bar_bottom, p->wires_y[k]);
		y += label_lines(&n->links[k]) * w->m->line_height;
	}
}

static void place_rows(struct work *w)
{
	unsigned y = w->m->margin_y;

	for (size_t row = 0; row <= w->n_rows; row++) {
		size_t first = row * w->m->columns, end = first + w->m->columns;
		unsigned height = 0;

		y += place_band(w, row, y);
		for (size_t i = first; i < end && i < w->g->n_nodes; i++)
			height = larger(height,
					node_height(w, &w->g->nodes[i]) + (i > first ? w->m->line_height / 2 : 0));
		for (size_t i = first; i < end && i < w->g->n_nodes; i++)
			place_node(w, i, y, height);
		y += height ? height + w->m->gap_y : 0;
	}
	w->l->height = y;
}

struct graph_layout *graph_layout_make(const struct graph *g, const struct graph_metrics *m)
{
	struct graph_layout *l = zeroed(1, sizeof *l);
	struct work w = { .g = g, .m = m, .l = l, .n_rows = (g->n_nodes + m->columns - 1) / m->columns };

	l->nodes = zeroed(g->n_nodes, sizeof *l->nodes);
	l->networks = zeroed(g->n_networks, sizeof *l->networks);
	w.first_row = zeroed(g->n_networks, sizeof *w.first_row);
	w.last_row = zeroed(g->n_networks, sizeof *w.last_row);
	w.lane_of = zeroed(g->n_networks, sizeof *w.lane_of);
	w.lanes = zeroed(g->n_networks, sizeof *w.lanes);
	measure_nodes(&w);
	take_lanes(&w);
	place_columns(&w);
	place_rows(&w);
	free(w.first_row);
	free(w.last_row);
	free(w.lane_of);
	free(w.lanes);
	return l;
}

struct graph_layout *graph_layout_free(const struct graph *g, struct graph_layout *l)
{
	if (!l)
		return NULL;
	for (size_t i = 0; i < g->n_nodes; i++)
		free(l->nodes[i].wires_y);
	free(l->nodes);
	free(l->networks);
	free(l);
	return NULL;
}
