/* vmm/cpu/soft/interp/exec_lookup.c: which executor an instruction has.
 *
 * The table of instructions (insn_tab.c) says what the instruction is and in which forms it exists; this file has the
 * executor of each class. All else is #UD. What depends on state that a block's key does not
 * hold (CPL, CR4) is checked by the executor.
 *
 * Used by: block, translate, event.c.   Depends on: decode.c, insn_tab.c. */
#include "vmm/cpu/soft/interp/exec.h"

#include "vmm/cpu/soft/decode/decode.h"
#include "vmm/cpu/soft/decode/insn_tab.h"
#include "vmm/cpu/soft/interp/fpu.h"
#include "vmm/cpu/soft/interp/int.h"
#include "vmm/cpu/soft/interp/sys.h"

/* clang-format off */
#define SSE_EXECUTOR(map, prefix, opcode, name, need, operands, mem) [CLASS_##name] = name,
#define NOTHING(map, prefix, opcode, name, need, operands, mem)

static soft_exec_fn *const executors[CLASS_COUNT] = {
	[CLASS_ALU_RM_R] = int_alu_rm_r, [CLASS_ALU_R_RM] = int_alu_r_rm,
	[CLASS_ALU_ACC] = int_alu_acc_imm, [CLASS_ALU_IMM] = int_alu_rm_imm,
	[CLASS_TEST] = int_test_rm_r, [CLASS_TEST_ACC] = int_test_acc_imm, [CLASS_TEST_IMM] = int_test_rm_imm,
	[CLASS_NOT] = int_not, [CLASS_NEG] = int_neg, [CLASS_INC] = int_inc_rm, [CLASS_DEC] = int_dec_rm,
	[CLASS_INC_R] = int_inc_r, [CLASS_DEC_R] = int_dec_r,
	[CLASS_MUL] = int_mul, [CLASS_IMUL_ACC] = int_imul, [CLASS_DIV] = int_div, [CLASS_IDIV] = int_idiv,
	[CLASS_IMUL] = int_imul_r_rm, [CLASS_IMUL_IMM] = int_imul_imm,
	[CLASS_ROTATE_IMM] = int_shift_imm, [CLASS_ROTATE_ONE] = int_shift_one, [CLASS_ROTATE_CL] = int_shift_cl,
	[CLASS_SHIFT_IMM] = int_shift_imm, [CLASS_SHIFT_ONE] = int_shift_one, [CLASS_SHIFT_CL] = int_shift_cl,
	[CLASS_SHLD] = int_shld, [CLASS_SHRD] = int_shrd,
	[CLASS_BT_REG] = int_bt_reg, [CLASS_BT_IMM] = int_bt_imm, [CLASS_BSF] = int_bsf, [CLASS_BSR] = int_bsr,
	[CLASS_POPCNT] = int_popcnt, [CLASS_BSWAP] = int_bswap,
	[CLASS_XADD] = int_xadd, [CLASS_CMPXCHG] = int_cmpxchg, [CLASS_CMPXCHG8B] = int_cmpxchg8b,
	[CLASS_DAA] = int_daa, [CLASS_DAS] = int_das, [CLASS_AAA] = int_aaa, [CLASS_AAS] = int_aas,
	[CLASS_AAM] = int_aam, [CLASS_AAD] = int_aad, [CLASS_SALC] = int_salc,
	[CLASS_MOV_RM_R] = int_mov_rm_r, [CLASS_MOV_R_RM] = int_mov_r_rm, [CLASS_MOV_RM_IMM] = int_mov_rm_imm,
	[CLASS_MOV_R_IMM] = int_mov_r_imm, [CLASS_MOV_MOFFS] = int_mov_moffs,
	[CLASS_MOVZX] = int_movzx, [CLASS_MOVSX] = int_movsx, [CLASS_MOVSXD] = int_movsxd, [CLASS_LEA] = int_lea,
	[CLASS_XCHG] = int_xchg, [CLASS_XCHG_ACC] = int_xchg_acc, [CLASS_XLAT] = int_xlat,
	[CLASS_CBW] = int_cbw, [CLASS_CWD] = int_cwd, [CLASS_CMOV] = int_cmov, [CLASS_SETCC] = int_setcc,
	[CLASS_LAHF] = int_lahf, [CLASS_SAHF] = int_sahf, [CLASS_CMC] = int_cmc, [CLASS_CLC] = int_clc,
	[CLASS_STC] = int_stc, [CLASS_CLD] = int_cld, [CLASS_STD] = int_std,
	[CLASS_NOP] = int_nop, [CLASS_PAUSE] = int_pause, [CLASS_HINT] = fpu_hint,
	[CLASS_MOVS] = int_movs, [CLASS_CMPS] = int_cmps, [CLASS_STOS] = int_stos, [CLASS_LODS] = int_lods,
	[CLASS_SCAS] = int_scas,
	[CLASS_PUSH_R] = int_push_r, [CLASS_PUSH_IMM] = int_push_imm, [CLASS_PUSH_RM] = int_push_rm,
	[CLASS_POP_R] = int_pop_r, [CLASS_POP_RM] = int_pop_rm, [CLASS_PUSHA] = int_pusha, [CLASS_POPA] = int_popa,
	[CLASS_ENTER] = int_enter, [CLASS_LEAVE] = int_leave, [CLASS_PUSHF] = sys_pushf, [CLASS_POPF] = sys_popf,
	[CLASS_JCC] = int_jcc, [CLASS_JMP] = int_jmp, [CLASS_CALL] = int_call, [CLASS_RET] = int_ret,
	[CLASS_LOOP] = int_loop, [CLASS_JMP_RM] = int_jmp_rm, [CLASS_CALL_RM] = int_call_rm,
	[CLASS_CALL_FAR] = sys_call_far, [CLASS_JMP_FAR] = sys_jmp_far, [CLASS_CALL_FAR_MEM] = sys_call_far_mem,
	[CLASS_JMP_FAR_MEM] = sys_jmp_far_mem, [CLASS_RETF] = sys_retf, [CLASS_IRET] = sys_iret,
	[CLASS_INT] = sys_int, [CLASS_INT1] = sys_int1, [CLASS_INT3] = sys_int3, [CLASS_INTO] = sys_into,
	[CLASS_BOUND] = sys_bound, [CLASS_UD] = sys_ud,
	[CLASS_SYSCALL] = sys_syscall, [CLASS_SYSRET] = sys_sysret, [CLASS_SYSENTER] = sys_sysenter,
	[CLASS_SYSEXIT] = sys_sysexit,
	[CLASS_MOV_FROM_SEG] = sys_mov_from_seg, [CLASS_MOV_TO_SEG] = sys_mov_to_seg,
	[CLASS_PUSH_SEG] = sys_push_seg, [CLASS_POP_SEG] = sys_pop_seg, [CLASS_LOAD_FAR] = sys_load_far,
	[CLASS_SLDT] = sys_sldt, [CLASS_STR] = sys_str, [CLASS_LLDT] = sys_lldt, [CLASS_LTR] = sys_ltr,
	[CLASS_VERR] = sys_verr, [CLASS_VERW] = sys_verw,
	[CLASS_LAR] = sys_lar, [CLASS_LSL] = sys_lsl, [CLASS_ARPL] = sys_arpl,
	[CLASS_TABLE_STORE] = sys_table_store, [CLASS_TABLE_LOAD] = sys_table_load,
	[CLASS_SMSW] = sys_smsw, [CLASS_LMSW] = sys_lmsw, [CLASS_INVLPG] = sys_invlpg,
	[CLASS_SWAPGS] = sys_swapgs, [CLASS_FSGSBASE] = sys_fsgsbase,
	[CLASS_MOV_FROM_CR] = sys_mov_from_cr, [CLASS_MOV_TO_CR] = sys_mov_to_cr,
	[CLASS_MOV_FROM_DR] = sys_mov_from_dr, [CLASS_MOV_TO_DR] = sys_mov_to_dr,
	[CLASS_CLTS] = sys_clts, [CLASS_CACHE] = sys_cache,
	[CLASS_RDMSR] = sys_rdmsr, [CLASS_WRMSR] = sys_wrmsr, [CLASS_RDTSC] = sys_rdtsc, [CLASS_RDTSCP] = sys_rdtscp,
	[CLASS_RDPMC] = sys_rdpmc, [CLASS_CPUID] = sys_cpuid,
	[CLASS_CLI] = sys_cli, [CLASS_STI] = sys_sti, [CLASS_HLT] = sys_hlt,
	[CLASS_IN] = sys_in, [CLASS_OUT] = sys_out, [CLASS_INS] = sys_ins, [CLASS_OUTS] = sys_outs,
	[CLASS_WAIT] = fpu_wait,
	[CLASS_X87_MEM] = x87_mem, [CLASS_X87_REG] = x87_reg, [CLASS_X87_REG_FLAGS] = x87_reg_flags,
	[CLASS_FLDENV] = x87_fldenv, [CLASS_FLDCW] = x87_fldcw, [CLASS_FNSTENV] = x87_fnstenv, [CLASS_FNSTCW] = x87_fnstcw,
	[CLASS_FRSTOR] = x87_frstor, [CLASS_FNSAVE] = x87_fnsave, [CLASS_FNSTSW] = x87_fnstsw,
	[CLASS_FNSTSW_AX] = x87_fnstsw_ax, [CLASS_FNCLEX] = x87_fnclex, [CLASS_FNINIT] = x87_fninit,
	[CLASS_FNOP_CONTROL] = x87_fnop_control,
	[CLASS_FXSAVE] = fpu_fxsave, [CLASS_FXRSTOR] = fpu_fxrstor, [CLASS_LDMXCSR] = fpu_ldmxcsr,
	[CLASS_STMXCSR] = fpu_stmxcsr, [CLASS_CLFLUSH] = fpu_clflush, [CLASS_FENCE] = fpu_fence,
	[CLASS_MMX_PSRLW_IMM] = mmx_psrlw_imm, [CLASS_MMX_PSRAW_IMM] = mmx_psraw_imm,
	[CLASS_MMX_PSLLW_IMM] = mmx_psllw_imm, [CLASS_MMX_PSRLD_IMM] = mmx_psrld_imm,
	[CLASS_MMX_PSRAD_IMM] = mmx_psrad_imm, [CLASS_MMX_PSLLD_IMM] = mmx_pslld_imm,
	[CLASS_MMX_PSRLQ_IMM] = mmx_psrlq_imm, [CLASS_MMX_PSLLQ_IMM] = mmx_psllq_imm,
	[CLASS_SSE_PSRLW_IMM] = sse_psrlw_imm, [CLASS_SSE_PSRAW_IMM] = sse_psraw_imm,
	[CLASS_SSE_PSLLW_IMM] = sse_psllw_imm, [CLASS_SSE_PSRLD_IMM] = sse_psrld_imm,
	[CLASS_SSE_PSRAD_IMM] = sse_psrad_imm, [CLASS_SSE_PSLLD_IMM] = sse_pslld_imm,
	[CLASS_SSE_PSRLQ_IMM] = sse_psrlq_imm, [CLASS_SSE_PSLLQ_IMM] = sse_psllq_imm,
	[CLASS_SSE_PSRLDQ_IMM] = sse_psrldq_imm, [CLASS_SSE_PSLLDQ_IMM] = sse_pslldq_imm,
	SSE_ROWS(SSE_EXECUTOR, NOTHING)
};
/* clang-format on */

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

static bool meets(const struct insn *i, unsigned needs)
{
	bool is_real = i->mode == SOFT_MODE_REAL || i->mode == SOFT_MODE_V86;

	return !((needs & NEED_MEM && i->mod == 3) || (needs & NEED_REG && i->mod != 3) ||
		 (needs & NEED_PROTECTED && is_real) || (needs & NEED_64 && i->mode != SOFT_MODE_64) ||
		 (needs & NEED_LOW_REG && i->reg >= 8));
}

static bool find_executor(struct insn *i)
{
	const struct insn_info *row = insn_info(i);

	if (!executors[row->class] || !meets(i, row->needs))
		return false;
	if (i->lock && !(row->flags & INSN_LOCK_OK && i->has_modrm && i->mod != 3))
		return false;
	i->exec = executors[row->class];
	i->flags = row->flags;
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
