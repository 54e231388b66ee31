/* cli/graph_ascii.c: a team's picture in characters, for terminals.
 *
 * The layout is that of the SVG, with one column of boxes and a character as its unit. A wire that meets
 * the bar of another network passes behind it; 'o' is where it ends, 'x' where it ends and is down.
 *
 * Used by: cmd_graph.c.   Depends on: graph_layout.h. */
#include "cli/graph_layout.h"

#include <errno.h>
#include <string.h>

static const struct graph_metrics metrics = { .columns = 1,
					      .char_width = 1,
					      .line_height = 1,
					      .pad_x = 2,
					      .pad_y = 1,
					      .gap_x = 2,
					      .gap_y = 1,
					      .margin_y = 2,
					      .wire_y = 0 };
enum { CELLS_MAX = 64 << 20 };

struct canvas {
	char *cells;
	size_t width, height;
};

static void put(struct canvas *c, size_t x, size_t y, char ch)
{
	if (x < c->width && y < c->height)
		c->cells[y * c->width + x] = ch;
}

/* What is not ASCII becomes '?', a character each. */
static void put_text(struct canvas *c, size_t x, size_t y, const char *text)
{
	const char *line;
	size_t len;

	for (; (line = graph_next_line(&text, &len)); y++) {
		size_t at = x;

		for (size_t i = 0; i < len; i++)
			if (((unsigned char)line[i] & 0xc0) != 0x80)
				put(c, at++, y, (unsigned char)line[i] < 0x80 ? line[i] : '?');
	}
}

static void put_box(struct canvas *c, const struct graph_box *b, bool is_outsider)
{
	size_t right = b->x + b->width - 1, bottom = b->y + b->height - 1;

	for (size_t x = b->x; x <= right; x++) {
		put(c, x, b->y, is_outsider ? '.' : '-');
		put(c, x, bottom, is_outsider ? '.' : '-');
	}
	for (size_t y = b->y; y <= bottom; y++) {
		put(c, b->x, y, is_outsider ? ':' : '|');
		put(c, right, y, is_outsider ? ':' : '|');
	}
	for (size_t i = 0; i < 4 && !is_outsider; i++)
		put(c, i & 1 ? right : b->x, i & 2 ? bottom : b->y, '+');
}

static void draw(const struct graph *g, const struct graph_layout *l, struct canvas *c)
{
	put_text(c, metrics.gap_x, 0, g->title);
	for (size_t i = 0; i < g->n_nodes; i++)
		for (size_t k = 0; k < g->nodes[i].n_links; k++)
			for (size_t x = l->nodes[i].box.x + l->nodes[i].box.width;
			     x < l->networks[g->nodes[i].links[k].network].bar_x; x++)
				put(c, x, l->nodes[i].wires_y[k], '-');
	for (size_t i = 0; i < g->n_networks; i++) {
		const struct graph_network_place *p = &l->networks[i];

		put_text(c, p->header.x, p->header.y, g->networks[i].name);
		put_text(c, p->header.x, p->header.y + 1, g->networks[i].note);
		for (size_t y = p->bar_top; p->has_bar && y <= p->bar_bottom; y++)
			put(c, p->bar_x, y, '|');
	}
	for (size_t i = 0; i < g->n_nodes; i++) {
		const struct graph_node *n = &g->nodes[i];
		const struct graph_node_place *p = &l->nodes[i];

		put_box(c, &p->box, n->is_outsider);
		put_text(c, p->box.x + metrics.pad_x, p->box.y + metrics.pad_y, n->name);
		put_text(c, p->box.x + metrics.pad_x, p->box.y + metrics.pad_y + 1, n->note);
		for (size_t k = 0; k < n->n_links; k++) {
			put_text(c, p->box.x + p->box.width + 1, p->wires_y[k], n->links[k].label);
			put(c, l->networks[n->links[k].network].bar_x, p->wires_y[k], n->links[k].is_down ? 'x' : 'o');
		}
	}
}

int graph_write_ascii(const struct graph *g, struct bytes *out)
{
	struct graph_layout *l = graph_layout_make(g, &metrics);
	unsigned title = graph_text_width(g->title) + metrics.gap_x;
	struct canvas c = { .width = l->width > title ? l->width : title, .height = l->height };

	if (c.width * c.height > CELLS_MAX) {
		(void)graph_layout_free(g, l);
		return -E2BIG;
	}
	c.cells = malloc(c.width * c.height + 1);
	if (!c.cells)
		abort();
	memset(c.cells, ' ', c.width * c.height);
	draw(g, l, &c);
	for (size_t y = 0; y < c.height; y++) {
		const char *row = c.cells + y * c.width;
		size_t len = c.width;

		while (len > 0 && row[len - 1] == ' ')
			len--;
		bytes_append(out, row, len);
		bytes_append_str(out, "\n");
	}
	free(c.cells);
	(void)graph_layout_free(g, l);
	return 0;
}
