/* topologies/order.c: the order in which VMs start: file order, each after its own.
 *
 * A depth-first walk over `after` in file order; a VM is placed once all it
 * waits for are. One that is met while it waits for itself closes a loop, which
 * is reported by naming its members. The stack is explicit: a chain may be as
 * long as the team.
 *
 * Used by: check.c.   Depends on: load.h. Sources: team-file(5). */
#include "topologies/load.h"
#include "topologies/tree.h"

#include "core/bytes.h"

enum { LOOP_NAMED_MAX = 12 }; /* members of a loop that are named */

enum mark { MARK_NEW, MARK_OPEN, MARK_PLACED };
struct visit {
	size_t vm, next; /* next: index into its `after` */
};

struct walk {
	struct load *l;
	unsigned char *marks;
	struct visit *stack;
	size_t depth, n_placed;
	bool failed;
};

static void report_loop(struct walk *w, size_t vm, const struct place *at)
{
	const struct team *t = w->l->team;
	CLEANUP(bytes) struct bytes names = { 0 };
	size_t i = w->depth, named = 0;

	while (i && w->stack[i - 1].vm != vm)
		i--;
	for (; i && i <= w->depth; i++, named++) {
		if (named == LOOP_NAMED_MAX) {
			bytes_append_str(&names, "... -> ");
			break;
		}
		bytes_printf(&names, "%s -> ", t->vms[w->stack[i - 1].vm].name);
	}
	load_error(w->l, at, "a loop in 'after': %s%s", (char *)names.data, t->vms[vm].name);
	w->failed = true;
}

static void visit_from(struct walk *w, size_t first)
{
	struct team *t = w->l->team;

	w->stack[w->depth++] = (struct visit){ first, 0 };
	w->marks[first] = MARK_OPEN;
	while (w->depth) {
		struct visit *v = &w->stack[w->depth - 1];
		size_t next;

		if (v->next == t->vms[v->vm].n_after) {
			w->marks[v->vm] = MARK_PLACED;
			t->order[w->n_placed++] = v->vm;
			w->depth--;
			continue;
		}
		next = t->vms[v->vm].after[v->next++];
		if (w->marks[next] == MARK_OPEN) {
			report_loop(w, next, &w->l->vm_src[v->vm].after->place);
		} else if (w->marks[next] == MARK_NEW) {
			w->marks[next] = MARK_OPEN;
			w->stack[w->depth++] = (struct visit){ next, 0 };
		}
	}
}

void order_vms(struct load *l)
{
	struct team *t = l->team;
	struct walk w = { .l = l };

	w.marks = arena_alloc(l->arena, t->n_vms);
	w.stack = arena_array(l->arena, t->n_vms, sizeof *w.stack);
	t->order = arena_array(l->arena, t->n_vms, sizeof *t->order);
	for (size_t i = 0; i < t->n_vms && !w.failed; i++)
		if (w.marks[i] == MARK_NEW)
			visit_from(&w, i);
}
