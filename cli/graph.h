/* cli/graph.h: the picture of a team, as text in four formats.
 *
 * The model is made of the plan as team_plan_json() makes it, and of a running team's
 * status. Its texts hold no control characters; a line break parts lines. Each writer appends to
 * @out and never fails: allocation failure aborts.
 *
 * Used by: cmd_graph.c, tests/cli/check_graph.c.   Depends on: core/bytes.h, jansson. */
#ifndef MUSTER_CLI_GRAPH_H
#define MUSTER_CLI_GRAPH_H

#include "core/bytes.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What joins a node to a network: a NIC of a VM, or an outsider's own link. */
struct graph_link {
	size_t network; /* index into graph->networks */
	bool is_down;
	char *label; /* "eth0 10.0.0.1/24", its shape on further lines; may be empty */
};

struct graph_node {
	char *name; /* "firewall"; an outsider: "lan.host" */
	char *note; /* an outsider's kind and place, a VM's state when the team runs; or empty */
	bool is_outsider;
	struct graph_link *links;
	size_t n_links;
};

struct graph_network {
	char *name;
	char *note; /* type, subnets, shape and services, a line each; may be empty */
	bool is_cable; /* type wire: nothing is switched */
};

struct graph {
	char *title; /* "team firewall", with its state when it runs */
	struct graph_node *nodes; /* VMs in file order, then outsiders by network */
	size_t n_nodes;
	struct graph_network *networks; /* in file order */
	size_t n_networks;
};

/* @plan: as team_plan_json() makes it; @status: a running team's status, or NULL. Both are borrowed.
 * The caller frees the result with graph_free(). Returns NULL when @plan is not of that form. */
struct graph *graph_make(json_t *plan, json_t *status);
struct graph *graph_free(struct graph *g); /* accepts NULL; returns NULL */

/* How often @text breaks its line, plus one; 0 for an empty text. */
size_t graph_count_lines(const char *text);
/* Takes one line off *@rest. Returns its start, and its bytes in *ret_len; NULL at the end. */
const char *graph_next_line(const char **rest, size_t *ret_len);

/* Each appends the whole picture in its format. */
void graph_write_svg(const struct graph *g, struct bytes *out);
void graph_write_dot(const struct graph *g, struct bytes *out);
void graph_write_mermaid(const struct graph *g, struct bytes *out);
/* Returns 0; -E2BIG, with @out as it was, when the picture had more than 64 million characters. */
int graph_write_ascii(const struct graph *g, struct bytes *out);

#endif
