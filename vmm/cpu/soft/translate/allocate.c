/* vmm/cpu/soft/translate/allocate.c: pass 4, host registers for the guest registers of a loop.
 *
 * Input:  the plans of a loop, with the registers that each instruction names or uses implicitly.
 * Output: the plans with registers renamed; now.moved of the build: which registers were exchanged.
 *
 * R10, R11, R14 and R15 of the guest have no host register (asm.h). In a loop each of them
 * takes the host register of a guest register that the loop does not use. The two are
 * exchanged before the first iteration and at every exit. In between, the loop is translated as if its
 * instructions named the unused register. A loop with an instruction whose registers are
 * not known is left as it is.
 *
 * Used by: translate.c, emit_common.c, link.c. */
#include "vmm/cpu/soft/translate/build.h"

/* The guest registers that may move, in the order of struct state's moved. */
static const uint8_t movable[LOOP_MOVED] = { 10, 11, 14, 15 };

bool translate_has_moved(const struct state *st)
{
	for (unsigned k = 0; k < LOOP_MOVED; k++)
		if (st->moved[k])
			return true;
	return false;
}

void translate_swap(uint8_t **p, const uint8_t moved[LOOP_MOVED])
{
	for (unsigned k = 0; k < LOOP_MOVED; k++) {
		struct opd o = opd_mem(HOST_S, (int32_t)(offsetof(struct soft, r) + 8u * movable[k]));
		unsigned h = moved[k] ? guest_host(moved[k] - 1u) : HOST_NONE;

		if (h == HOST_NONE)
			continue;
		em_load(p, HOST_T2, o);
		em_store(p, o, h);
		em_mov(p, h, HOST_T2);
	}
}

static bool is_memory(const struct insn *i)
{
	return i->has_modrm && i->mod != 3;
}

/* How often @x names register @g, or is about it. */
static unsigned n_names(const struct plan *x, unsigned g)
{
	const struct insn *i = &x->i;
	bool is_base = is_memory(i) && i->base == g, is_index = is_memory(i) && i->index == g;
	bool is_rm = !is_memory(i) && x->names & NAMES_RM && i->rm == g, is_reg = x->names & NAMES_REG && i->reg == g;

	return 0u + is_base + is_index + is_rm + is_reg + (x->dst == g) + (x->src == g) + (x->implicit >> g & 1);
}

static unsigned n_uses(const struct build *t, unsigned g)
{
	unsigned n = 0;

	for (unsigned k = 0; k < t->n_body; k++)
		n += n_names(&t->plans[k], g);
	return n;
}

static void rename8(uint8_t *r, unsigned from, unsigned to)
{
	if (*r == from)
		*r = (uint8_t)to;
}

/* Register @from, of struct soft, becomes @to, which @x is not about. */
static void rename_in(struct plan *x, unsigned from, unsigned to)
{
	struct insn *i = &x->i;

	if (is_memory(i)) {
		rename8(&i->base, from, to);
		rename8(&i->index, from, to);
	} else if (x->names & NAMES_RM) {
		rename8(&i->rm, from, to);
	}
	if (x->names & NAMES_REG)
		rename8(&i->reg, from, to);
	rename8(&x->dst, from, to);
	rename8(&x->src, from, to);
	rename8(&x->copy_of, from, to);
	if (x->writes >> from & 1)
		x->writes = (uint16_t)((x->writes & ~(1u << from)) | 1u << to);
}

void translate_allocate(struct build *t)
{
	unsigned to = 0;

	if (!t->loops)
		return;
	for (unsigned k = 0; k < t->n_body; k++)
		if (!(t->plans[k].names & NAMES_KNOWN))
			return;
	for (unsigned k = 0; k < LOOP_MOVED; k++) {
		if (n_uses(t, movable[k]) < LOOP_USES)
			continue;
		while (to < 16 && (guest_host(to) == HOST_NONE || n_uses(t, to)))
			to++;
		if (to == 16)
			return;
		for (unsigned n = 0; n < t->n_plans; n++)
			rename_in(&t->plans[n], movable[k], to);
		t->now.moved[k] = (uint8_t)(to + 1);
		to++;
	}
}
