/* vmm/cpu/soft/translate/emit_operand.h: operands and plans of instructions whose uop is the generic one.
 *
 * Used by: emit_generic.c, emit_bits.c, emit_sys.c, emit_string.c. */
#ifndef MUSTER_VMM_CPU_SOFT_TRANSLATE_EMIT_OPERAND_H
#define MUSTER_VMM_CPU_SOFT_TRANSLATE_EMIT_OPERAND_H

#include "vmm/cpu/soft/translate/build.h"

static inline unsigned width(const struct insn *i)
{
	return i->opcode & 1 ? i->opsize : 1;
}

static inline bool is_mem(const struct plan *x)
{
	return x->i.mod != 3;
}

/* The register or memory operand; the latter in terms of T1. */
static inline struct opd operand(struct build *t, const struct plan *x, unsigned size, bool is_write)
{
	return is_mem(x) ? translate_mem(t, x, size, is_write) : guest_opd(x->i.rm);
}

/* The same for one that is written: a register of struct soft is worked on in T1, because a dword's
 * result has an upper half of zeros. put_back() ends it. */
static inline struct opd operand_rw(struct build *t, const struct plan *x, unsigned size, bool is_write)
{
	if (!is_mem(x))
		return opd_reg(guest_read(t, x->i.rm, HOST_T1));
	return operand(t, x, size, is_write);
}

static inline void put_back(struct build *t, const struct plan *x)
{
	if (!is_mem(x) && guest_host(x->i.rm) == HOST_NONE)
		guest_write(t, x->i.rm, HOST_T1);
}

static inline bool reg_is_plain(const struct insn *i, unsigned reg, unsigned size)
{
	return size > 1 || i->rex || reg < 4;
}

/* @writes: the general registers that it may write. Flags are those of its row. */
static inline bool use(struct plan *x, translate_fn *fn, unsigned writes)
{
	x->fn = fn;
	x->may_exit = is_mem(x);
	translate_plan_flags(x);
	x->knows_writes = true;
	x->writes = (uint16_t)writes;
	return true;
}

#endif
