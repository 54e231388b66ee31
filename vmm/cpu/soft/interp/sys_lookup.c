/* vmm/cpu/soft/interp/sys_lookup.c: which executor a system opcode has.
 *
 * An opcode that is ours but not legal in its mode or form has a row without
 * executor: the decoder makes that #UD. What depends on state that a block's
 * key does not hold (CPL, CR4) is checked by the executor.
 *
 * Not offered by the processor model, hence #UD: MONITOR and MWAIT, XGETBV and
 * XSETBV, VMX, SVM, SMX, RSM, SMAP's CLAC and STAC.
 *
 * Used by: decode.c.   Sources: SDM vol. 2, tables. */
#include "vmm/cpu/soft/interp/sys.h"

enum { ROW_NOT_64 = 1, ROW_PROTECTED = 2 /* #UD in real and V86 mode */, ROW_MEM = 4 /* #UD with a register */,
       ROW_REG = 8, ROW_ONLY_64 = 16 };

struct sys_row {
	soft_exec_fn *exec;
	uint8_t flags; /* INSN_* */
	uint8_t need; /* ROW_* */
};

#define END INSN_END
#define SLOW (INSN_END | INSN_SLOW_TIME)

static const struct sys_row rows_one[256] = {
	[0x06] = { sys_push_seg, 0, ROW_NOT_64 }, [0x07] = { sys_pop_seg, END, ROW_NOT_64 },
	[0x0E] = { sys_push_seg, 0, ROW_NOT_64 }, [0x16] = { sys_push_seg, 0, ROW_NOT_64 },
	[0x17] = { sys_pop_seg, END, ROW_NOT_64 }, [0x1E] = { sys_push_seg, 0, ROW_NOT_64 },
	[0x1F] = { sys_pop_seg, END, ROW_NOT_64 }, [0x62] = { sys_bound, 0, ROW_NOT_64 | ROW_MEM },
	[0x63] = { sys_arpl, 0, ROW_NOT_64 | ROW_PROTECTED },
	[0x6C] = { sys_ins, SLOW, 0 }, [0x6D] = { sys_ins, SLOW, 0 },
	[0x6E] = { sys_outs, SLOW, 0 }, [0x6F] = { sys_outs, SLOW, 0 },
	[0x8C] = { sys_mov_from_seg, 0, 0 }, [0x8E] = { sys_mov_to_seg, END, 0 },
	[0x9A] = { sys_call_far, END, ROW_NOT_64 }, [0x9C] = { sys_pushf, 0, 0 },
	[0x9D] = { sys_popf, END, 0 }, [0xC4] = { sys_load_far, END, ROW_NOT_64 | ROW_MEM },
	[0xC5] = { sys_load_far, END, ROW_NOT_64 | ROW_MEM }, [0xCA] = { sys_retf, END, 0 },
	[0xCB] = { sys_retf, END, 0 }, [0xCC] = { sys_int3, END, 0 }, [0xCD] = { sys_int, END, 0 },
	[0xCE] = { sys_into, END, ROW_NOT_64 }, [0xCF] = { sys_iret, END, 0 },
	[0xE4] = { sys_in, SLOW, 0 }, [0xE5] = { sys_in, SLOW, 0 },
	[0xE6] = { sys_out, SLOW, 0 }, [0xE7] = { sys_out, SLOW, 0 },
	[0xEA] = { sys_jmp_far, END, ROW_NOT_64 }, [0xEC] = { sys_in, SLOW, 0 },
	[0xED] = { sys_in, SLOW, 0 }, [0xEE] = { sys_out, SLOW, 0 }, [0xEF] = { sys_out, SLOW, 0 },
	[0xF1] = { sys_int1, END, 0 }, [0xF4] = { sys_hlt, SLOW, 0 }, [0xFA] = { sys_cli, END, 0 },
	[0xFB] = { sys_sti, END, 0 },
};

static const struct sys_row rows_0f[256] = {
	[0x00] = { sys_group6, END, ROW_PROTECTED }, [0x02] = { sys_lar, 0, ROW_PROTECTED },
	[0x03] = { sys_lsl, 0, ROW_PROTECTED }, [0x05] = { sys_syscall, END, 0 },
	[0x06] = { sys_clts, END, 0 }, [0x07] = { sys_sysret, END, 0 }, [0x08] = { sys_cache, END, 0 },
	[0x09] = { sys_cache, END, 0 }, [0x0B] = { sys_ud, END, 0 },
	[0x20] = { sys_mov_from_cr, SLOW, 0 }, [0x21] = { sys_mov_from_dr, END, 0 },
	[0x22] = { sys_mov_to_cr, SLOW, 0 }, [0x23] = { sys_mov_to_dr, END, 0 },
	[0x30] = { sys_wrmsr, SLOW, 0 }, [0x31] = { sys_rdtsc, SLOW, 0 }, [0x32] = { sys_rdmsr, SLOW, 0 },
	[0x33] = { sys_rdpmc, END, 0 }, [0x34] = { sys_sysenter, END, 0 }, [0x35] = { sys_sysexit, END, 0 },
	[0xA0] = { sys_push_seg, 0, 0 }, [0xA1] = { sys_pop_seg, END, 0 }, [0xA2] = { sys_cpuid, SLOW, 0 },
	[0xA8] = { sys_push_seg, 0, 0 }, [0xA9] = { sys_pop_seg, END, 0 },
	[0xB2] = { sys_load_far, END, ROW_MEM }, [0xB4] = { sys_load_far, END, ROW_MEM },
	[0xB5] = { sys_load_far, END, ROW_MEM }, [0xB9] = { sys_ud, END, 0 }, [0xFF] = { sys_ud, END, 0 },
};

/* Group 7 (0F 01). */
static const struct sys_row rows_group7[8] = {
	[0] = { sys_table_store, 0, ROW_MEM }, [1] = { sys_table_store, 0, ROW_MEM },
	[2] = { sys_table_load, END, ROW_MEM }, [3] = { sys_table_load, END, ROW_MEM },
	[4] = { sys_smsw, 0, 0 }, [6] = { sys_lmsw, END, 0 }, [7] = { sys_invlpg, END, ROW_MEM },
};

static struct sys_row group7(const struct insn *i)
{
	if (i->modrm == 0xF8)
		return (struct sys_row){ sys_swapgs, END, ROW_ONLY_64 };
	if (i->modrm == 0xF9)
		return (struct sys_row){ sys_rdtscp, SLOW, 0 };
	return rows_group7[i->reg & 7];
}

static void row_fit(const struct insn *i, struct sys_row row, struct insn_row *ret_row)
{
	bool real = i->mode == SOFT_MODE_REAL || i->mode == SOFT_MODE_V86;
	bool bad = (row.need & ROW_NOT_64 && i->mode == SOFT_MODE_64) ||
		   (row.need & ROW_ONLY_64 && i->mode != SOFT_MODE_64) ||
		   (row.need & ROW_PROTECTED && real) || (row.need & ROW_MEM && i->mod == 3) ||
		   (row.need & ROW_REG && i->mod != 3);

	ret_row->exec = bad ? NULL : row.exec;
	ret_row->flags = row.flags;
}

static bool lookup_one(const struct insn *i, struct insn_row *ret_row)
{
	struct sys_row row = rows_one[i->opcode];
	unsigned reg = i->reg & 7;

	if (i->opcode == 0xFF && (reg == 3 || reg == 5))
		row = (struct sys_row){ reg == 3 ? sys_call_far_mem : sys_jmp_far_mem, END, ROW_MEM };
	else if (i->opcode == 0x63 && i->mode == SOFT_MODE_64)
		return false;
	else if (!row.exec)
		return false;
	if ((i->opcode == 0x8C && reg > CPU_GS) || (i->opcode == 0x8E && (reg > CPU_GS || reg == CPU_CS)))
		row.exec = NULL;
	row_fit(i, row, ret_row);
	return true;
}

/* CR0, CR2, CR3, CR4, CR8; DR0 to DR7. */
static bool register_exists(const struct insn *i)
{
	if (i->opcode & 1)
		return i->reg < 8;
	return i->reg == 0 || (i->reg >= 2 && i->reg <= 4) || i->reg == 8;
}

bool sys_lookup(const struct insn *i, struct insn_row *ret_row)
{
	struct sys_row row;

	if (i->map == 0)
		return lookup_one(i, ret_row);
	if (i->map != 1)
		return false;
	row = rows_0f[i->opcode];
	if (i->opcode == 0x01)
		row = group7(i);
	else if (i->opcode == 0xAE && i->rep == 0xF3 && i->mod == 3 && (i->reg & 7) < 4)
		row = (struct sys_row){ sys_fsgsbase, END, ROW_ONLY_64 };
	else if (i->opcode == 0x00 && (i->reg & 7) > 5)
		row.exec = NULL;
	else if (i->opcode >= 0x20 && i->opcode <= 0x23 && !register_exists(i))
		row.exec = NULL;
	else if (!row.exec)
		return false;
	row_fit(i, row, ret_row);
	return true;
}
