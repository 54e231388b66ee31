/* vmm/cpu/soft/translate/members.c: which traces a block is a member of.
 *
 * The code of a trace belongs to its first block, the root. The other blocks list the
 * traces that they are members of: when such a block goes, the code of those traces goes.
 * The records lie in the code cache beside the exit stubs and are dropped with it.
 *
 * Used by: link.c. */
#include "vmm/cpu/soft/translate/build.h"

/* @root's trace has another block in it. */
struct membership {
	uint32_t next_of_block, next_of_root; /* offsets in the cache; 0: none */
	uint32_t root; /* its slot; 0: that trace is no more */
};
_Static_assert(_Alignof(struct membership) == CODE_RECORD_ALIGN, "it fits where it is put");

static struct membership *member_at(const struct translate *t, uint32_t off)
{
	return (struct membership *)(void *)(t->rw + off);
}

void translate_trace_made(struct build *t)
{
	t->root->loops = t->loops;
	for (unsigned k = 1; k < t->n_body; k++) {
		struct block *b = t->plans[k].b;
		struct membership *p;
		uint32_t off;

		if (!t->plans[k].begins)
			continue;
		p = translate_cold_record(t, sizeof(*p));
		off = (uint32_t)((uint8_t *)p - t->t->rw);
		*p = (struct membership){ .next_of_block = b->memberships, .next_of_root = t->root->members,
						   .root = translate_slot_of(t->t, t->root) };
		b->memberships = t->root->members = off;
	}
}

void translate_trace_gone(struct translate *t, struct block *root)
{
	for (uint32_t k = root->members; k; k = member_at(t, k)->next_of_root)
		member_at(t, k)->root = 0;
	root->members = 0;
	root->loops = false;
}

void translate_member_gone(struct translate *t, struct block *b)
{
	while (b->memberships) {
		struct membership *p = member_at(t, b->memberships);

		b->memberships = p->next_of_block;
		if (p->root)
			translate_drop_code(t, translate_block_at(t, p->root));
	}
}
