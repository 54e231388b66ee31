/* cli/graph_svg.c: a team's picture as SVG.
 *
 * Wires are drawn first and bars over them, so a wire passes behind the bars of other networks. A dot
 * says where it ends. Wires and dots have the colour of their network. The font is
 * monospaced, so that the layout knows each text's width.
 *
 * Used by: cmd_graph.c.   Depends on: graph_layout.h.
 * Sources: SVG 1.1; XML 1.0 §2.4. */
#include "cli/graph_layout.h"

#include <string.h>

static const struct graph_metrics metrics = { .columns = 2,
					      .char_width = 7,
					      .line_height = 16,
					      .pad_x = 10,
					      .pad_y = 7,
					      .gap_x = 18,
					      .gap_y = 14,
					      .margin_y = 44,
					      .wire_y = 15 };
enum { BAR_WIDTH = 8, CABLE_WIDTH = 4, DOT = 5, BASELINE = 12 /* of a line, from its top */ };
enum { FEW_NODES = 3 /* up to so many stand in one column */ };

/* Dark enough for text on white. */
static const char *const colours[] = { "#1f5fa8", "#b3431b", "#2f7d32", "#7b3fa0",
				       "#8a6500", "#0b7a75", "#b01e5a", "#4a5560" };

static const char *colour_of(size_t network)
{
	return colours[network % (sizeof colours / sizeof *colours)];
}

static void put_escaped(struct bytes *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		switch (text[i]) {
		case '<':
			bytes_append_str(out, "&lt;");
			break;
		case '>':
			bytes_append_str(out, "&gt;");
			break;
		case '&':
			bytes_append_str(out, "&amp;");
			break;
		case '"':
			bytes_append_str(out, "&quot;");
			break;
		default:
			bytes_append(out, &text[i], 1);
		}
}

/* One line of text; @y: the line's top. */
static void put_line(struct bytes *out, unsigned x, unsigned y, const char *attributes, const char *text, size_t len)
{
	bytes_printf(out, "<text x=\"%u\" y=\"%u\"%s xml:space=\"preserve\">", x, y + BASELINE, attributes);
	put_escaped(out, text, len);
	bytes_append_str(out, "</text>\n");
}

static void put_lines(struct bytes *out, unsigned x, unsigned y, const char *attributes, const char *text)
{
	const char *line;
	size_t len;

	for (; (line = graph_next_line(&text, &len)); y += metrics.line_height)
		put_line(out, x, y, attributes, line, len);
}

static unsigned wire_start(const struct graph_node_place *p)
{
	return p->is_right ? p->box.x : p->box.x + p->box.width;
}

static void put_wires(const struct graph *g, const struct graph_layout *l, struct bytes *out)
{
	for (size_t i = 0; i < g->n_nodes; i++)
		for (size_t k = 0; k < g->nodes[i].n_links; k++) {
			const struct graph_link *link = &g->nodes[i].links[k];
			unsigned y = l->nodes[i].wires_y[k];

			bytes_printf(
				out,
				"<line x1=\"%u\" y1=\"%u\" x2=\"%u\" y2=\"%u\" stroke=\"%s\" stroke-width=\"2\"%s/>\n",
				wire_start(&l->nodes[i]), y, l->networks[link->network].bar_x, y,
				colour_of(link->network), link->is_down ? " stroke-dasharray=\"4 6\"" : "");
		}
}

static void put_networks(const struct graph *g, const struct graph_layout *l, struct bytes *out)
{
	for (size_t i = 0; i < g->n_networks; i++) {
		const struct graph_network *n = &g->networks[i];
		const struct graph_network_place *p = &l->networks[i];
		unsigned width = n->is_cable ? CABLE_WIDTH : BAR_WIDTH;
		CLEANUP(free) char *bold = str_printf(" fill=\"%s\" font-weight=\"bold\"", colour_of(i));

		put_lines(out, p->header.x, p->header.y, bold, n->name);
		put_lines(out, p->header.x, p->header.y + metrics.line_height, "", n->note);
		if (p->has_bar)
			bytes_printf(out,
				     "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" rx=\"3\" fill=\"%s\""
				     " stroke=\"#ffffff\" stroke-width=\"2\"/>\n",
				     p->bar_x - width / 2, p->bar_top + 4, width, p->bar_bottom - p->bar_top + 6,
				     colour_of(i));
	}
}

static void put_dots(const struct graph *g, const struct graph_layout *l, struct bytes *out)
{
	for (size_t i = 0; i < g->n_nodes; i++)
		for (size_t k = 0; k < g->nodes[i].n_links; k++) {
			const struct graph_link *link = &g->nodes[i].links[k];

			bytes_printf(
				out,
				"<circle cx=\"%u\" cy=\"%u\" r=\"%d\" fill=\"%s\" stroke=\"%s\" stroke-width=\"2\"/>\n",
				l->networks[link->network].bar_x, l->nodes[i].wires_y[k], DOT,
				link->is_down ? "#ffffff" : colour_of(link->network), colour_of(link->network));
		}
}

/* What fills a box: the state of a VM that runs, in short. */
static const char *fill_of(const struct graph_node *n)
{
	static const struct {
		const char *state, *fill;
	} fills[] = {
		{ "ready", "#dff3e0" }, { "failed", "#fbdcd6" }, { "stopped", "#e4e4e4" }, { "paused", "#fff2cc" }
	};

	for (size_t i = 0; !n->is_outsider && i < sizeof fills / sizeof *fills; i++)
		if (strcmp(n->note, fills[i].state) == 0)
			return fills[i].fill;
	return n->is_outsider ? "#ffffff" : "#eef2f7";
}

static void put_node(const struct graph *g, const struct graph_layout *l, size_t i, struct bytes *out)
{
	const struct graph_node *n = &g->nodes[i];
	const struct graph_node_place *p = &l->nodes[i];
	unsigned x = p->box.x + metrics.pad_x, y = p->box.y + metrics.pad_y;

	bytes_printf(out,
		     "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" rx=\"4\" fill=\"%s\" stroke=\"#30363d\"%s/>\n",
		     p->box.x, p->box.y, p->box.width, p->box.height, fill_of(n),
		     n->is_outsider ? " stroke-dasharray=\"5 3\"" : "");
	put_lines(out, x, y, " font-weight=\"bold\"", n->name);
	put_lines(out, x, y + metrics.line_height, "", n->note);
	for (size_t k = 0; k < n->n_links; k++) {
		unsigned width = graph_text_width(n->links[k].label) * metrics.char_width;

		x = p->is_right ? p->box.x - metrics.gap_x / 2 - width : p->box.x + p->box.width + metrics.gap_x / 2;
		put_lines(out, x, p->wires_y[k] - metrics.wire_y, "", n->links[k].label);
	}
}

void graph_write_svg(const struct graph *g, struct bytes *out)
{
	struct graph_metrics m = metrics;
	struct graph_layout *l;
	unsigned title = graph_text_width(g->title) * metrics.char_width * 4 / 3 + 2 * metrics.gap_x;
	unsigned width;

	if (g->n_nodes <= FEW_NODES)
		m.columns = 1;
	l = graph_layout_make(g, &m);
	width = l->width > title ? l->width : title;
	bytes_printf(out,
		     "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\""
		     " font-family=\"monospace\" font-size=\"11\" fill=\"#1c2024\">\n"
		     "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		     width, l->height, width, l->height);
	put_lines(out, metrics.gap_x, 12, " font-size=\"15\" font-weight=\"bold\"", g->title);
	put_wires(g, l, out);
	put_networks(g, l, out);
	put_dots(g, l, out);
	for (size_t i = 0; i < g->n_nodes; i++)
		put_node(g, l, i, out);
	bytes_append_str(out, "</svg>\n");
	(void)graph_layout_free(g, l);
}
