/* vmm/cpu/soft/interp/exec_lookup.c: which executor an instruction has.
 *
 * The families are asked in turn: integer (int_lookup.c), system (sys_lookup.c), x87
 * and SSE (fpu_lookup.c). An opcode that none of them owns is #UD.
 *
 * Used by: block, translate, event.c.   Depends on: decode.c. */
#include "vmm/cpu/soft/interp/exec.h"

#include "vmm/cpu/soft/decode/decode.h"

static void exec_ud(struct soft *s, const struct insn *i)
{
	(void)i;
	soft_ud(s);
}

static void exec_gp(struct soft *s, const struct insn *i)
{
	(void)i;
	soft_gp(s, 0);
}

/* An instruction that raises. */
static int refuse(struct insn *i, soft_exec_fn *exec)
{
	i->exec = exec;
	i->flags = INSN_END;
	return -1;
}

static bool find_executor(struct insn *i)
{
	struct insn_row row = { NULL, 0 };

	if (!int_lookup(i, &row) && !sys_lookup(i, &row) && !fpu_lookup(i, &row))
		return false;
	if (!row.exec)
		return false;
	if (i->lock && !(row.flags & INSN_LOCK_OK && i->has_modrm && i->mod != 3))
		return false;
	i->exec = row.exec;
	i->flags = row.flags;
	return true;
}

int insn_decode(const uint8_t *bytes, size_t n, enum soft_mode mode, struct insn *ret_insn)
{
	switch (insn_parse(bytes, n, mode, ret_insn)) {
	case INSN_MORE:
		return 0;
	case INSN_UD:
		return refuse(ret_insn, exec_ud);
	case INSN_GP:
		return refuse(ret_insn, exec_gp);
	default:
		return find_executor(ret_insn) ? ret_insn->len : refuse(ret_insn, exec_ud);
	}
}
