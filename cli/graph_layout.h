/* cli/graph_layout.h: where the parts of a team's picture are drawn.
 *
 * Boxes stand in one column, or in two with the networks between them. A network is a vertical bar below
 * its own header. Each row of boxes has a band above it, which is as high as the headers of the
 * networks that begin at this row. Two networks share a lane when one ends above the row at which
 * the other begins. So no box, header or label lies on another, however many there are.
 * Horizontal wires cross only bars, and never run along one another: those of the right column lie
 * half a line lower.
 *
 * Used by: graph_svg.c, graph_ascii.c.   Depends on: graph.h. */
#ifndef MUSTER_CLI_GRAPH_LAYOUT_H
#define MUSTER_CLI_GRAPH_LAYOUT_H

#include "cli/graph.h"

/* Sizes, in the units of the format: pixels, or characters. */
struct graph_metrics {
	unsigned columns; /* of boxes: 1 or 2 */
	unsigned char_width, line_height;
	unsigned pad_x, pad_y; /* between a box's border and its text */
	unsigned gap_x, gap_y; /* between boxes, labels, lanes and rows */
	unsigned margin_y; /* above everything: the title's place */
	unsigned wire_y; /* from the top of a label to the wire below its first line */
};

struct graph_box {
	unsigned x, y, width, height;
};

/* Parallel to the graph's arrays. */
struct graph_node_place {
	struct graph_box box;
	bool is_right;
	unsigned *wires_y; /* of each link; the top of its label is wire_y above */
};

struct graph_network_place {
	struct graph_box header;
	bool has_bar; /* it has a link */
	unsigned bar_x, bar_top, bar_bottom;
};

struct graph_layout {
	unsigned width, height;
	struct graph_node_place *nodes;
	struct graph_network_place *networks;
};

/* Lays @g out. The caller frees the result with graph_layout_free(). */
struct graph_layout *graph_layout_make(const struct graph *g, const struct graph_metrics *m);
struct graph_layout *graph_layout_free(const struct graph *g, struct graph_layout *l); /* accepts NULL; returns NULL */

/* The characters of the longest line of @text, counted as UTF-8. */
unsigned graph_text_width(const char *text);

#endif
