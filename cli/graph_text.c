/* cli/graph_text.c: a team's picture for programs that lay it out themselves: graphviz and Mermaid.
 *
 * Nodes are called nN and networks wN, so no name meets a word of the format.
 *
 * Used by: cmd_graph.c.   Depends on: graph.h.
 * Sources: graphviz.org/doc/info/lang.html; mermaid.js.org/syntax/flowchart.html (entity codes). */
#include "cli/graph.h"

/* Appends @text within the format's quotes. @quote, @backslash: what stands for them; @line_break: likewise. */
static void put_quoted(struct bytes *out, const char *text, const char *quote, const char *backslash,
		       const char *line_break)
{
	for (; *text; text++)
		if (*text == '"')
			bytes_append_str(out, quote);
		else if (*text == '\\')
			bytes_append_str(out, backslash);
		else if (*text == '\n')
			bytes_append_str(out, line_break);
		else
			bytes_append(out, text, 1);
}

/* A name in front, and the note below it where there is one. The caller frees. */
static char *label_of(const char *name, const char *note)
{
	return str_printf("%s%s%s", name, note[0] ? "\n" : "", note);
}

static void put_dot(struct bytes *out, const char *text)
{
	bytes_append_str(out, "\"");
	put_quoted(out, text, "\\\"", "\\\\", "\\n");
	bytes_append_str(out, "\"");
}

void graph_write_dot(const struct graph *g, struct bytes *out)
{
	bytes_append_str(out, "graph team {\n\tlabel=");
	put_dot(out, g->title);
	bytes_append_str(
		out,
		";\n\tlabelloc=t;\n\tlayout=neato;\n\toverlap=false;\n\tsplines=true;\n\tsep=\"+12\";\n"
		"\tnode [fontname=\"monospace\", fontsize=11];\n\tedge [fontname=\"monospace\", fontsize=9, len=2.5];\n");
	for (size_t i = 0; i < g->n_networks; i++) {
		CLEANUP(free) char *label = label_of(g->networks[i].name, g->networks[i].note);

		bytes_printf(out, "\tw%zu [shape=ellipse, style=filled, fillcolor=\"#dbe9f9\", label=", i);
		put_dot(out, label);
		bytes_append_str(out, "];\n");
	}
	for (size_t i = 0; i < g->n_nodes; i++) {
		const struct graph_node *n = &g->nodes[i];
		CLEANUP(free) char *label = label_of(n->name, n->note);

		bytes_printf(out, "\tn%zu [shape=box%s, label=", i, n->is_outsider ? ", style=dashed" : "");
		put_dot(out, label);
		bytes_append_str(out, "];\n");
		for (size_t k = 0; k < n->n_links; k++) {
			bytes_printf(out, "\tn%zu -- w%zu [%slabel=", i, n->links[k].network,
				     n->links[k].is_down ? "style=dashed, " : "");
			put_dot(out, n->links[k].label);
			bytes_append_str(out, "];\n");
		}
	}
	bytes_append_str(out, "}\n");
}

/* Mermaid reads HTML in labels, and '#' begins its own entity codes. */
static void put_mermaid(struct bytes *out, const char *text)
{
	CLEANUP(bytes) struct bytes plain = { 0 };

	for (; *text; text++)
		if (*text == '<' || *text == '>' || *text == '&' || *text == '#' || *text == '`')
			bytes_printf(&plain, "#%d;", *text);
		else
			bytes_append(&plain, text, 1);
	bytes_append_str(out, "\"");
	put_quoted(out, plain.data ? (char *)plain.data : "", "#quot;", "#92;", "<br/>");
	bytes_append_str(out, "\"");
}

void graph_write_mermaid(const struct graph *g, struct bytes *out)
{
	bytes_append_str(out, "---\ntitle: ");
	put_mermaid(out, g->title);
	bytes_append_str(out, "\n---\nflowchart LR\n");
	for (size_t i = 0; i < g->n_networks; i++) {
		CLEANUP(free) char *label = label_of(g->networks[i].name, g->networks[i].note);

		bytes_printf(out, "    w%zu([", i);
		put_mermaid(out, label);
		bytes_append_str(out, "])\n");
	}
	for (size_t i = 0; i < g->n_nodes; i++) {
		const struct graph_node *n = &g->nodes[i];
		CLEANUP(free) char *label = label_of(n->name, n->note);

		bytes_printf(out, "    n%zu%s", i, n->is_outsider ? "{{" : "[");
		put_mermaid(out, label);
		bytes_append_str(out, n->is_outsider ? "}}\n" : "]\n");
		for (size_t k = 0; k < n->n_links; k++) {
			bytes_printf(out, "    n%zu %s", i, n->links[k].is_down ? "-.-" : "---");
			if (n->links[k].label[0]) {
				bytes_append_str(out, "|");
				put_mermaid(out, n->links[k].label);
				bytes_append_str(out, "|");
			}
			bytes_printf(out, " w%zu\n", n->links[k].network);
		}
	}
}
