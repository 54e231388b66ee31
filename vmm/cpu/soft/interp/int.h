/* vmm/cpu/soft/interp/int.h: the integer instructions' executors.
 *
 * One function for a family; it reads size and form from the insn. The hot
 * forms have uops of their own (uop_*.c); these are what everything else, and
 * every mode but 64-bit, runs.
 *
 * Used by: vmm/cpu/soft/decode/decode.c, int_*.c. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_INT_H
#define MUSTER_VMM_CPU_SOFT_INTERP_INT_H

#include "vmm/cpu/soft/interp/exec.h"

/* int_alu.c */
soft_exec_fn int_alu_rm_r, int_alu_r_rm, int_alu_acc_imm, int_alu_rm_imm;
soft_exec_fn int_test_rm_r, int_test_acc_imm, int_test_rm_imm;
soft_exec_fn int_inc_rm, int_dec_rm, int_inc_r, int_dec_r, int_not, int_neg;
soft_exec_fn int_xadd, int_cmpxchg, int_cmpxchg8b;
/* int_shift.c */
soft_exec_fn int_shift_imm, int_shift_one, int_shift_cl, int_shld, int_shrd;
/* int_mul.c */
soft_exec_fn int_mul, int_imul, int_div, int_idiv, int_imul_r_rm, int_imul_imm;
/* int_bit.c */
soft_exec_fn int_bt_reg, int_bt_imm, int_bsf, int_bsr, int_popcnt, int_bswap;
/* int_mov.c */
soft_exec_fn int_mov_rm_r, int_mov_r_rm, int_mov_rm_imm, int_mov_r_imm, int_mov_moffs;
soft_exec_fn int_movzx, int_movsx, int_movsxd, int_lea, int_xchg, int_xchg_acc, int_cmov;
soft_exec_fn int_setcc, int_cbw, int_cwd, int_lahf, int_sahf, int_cmc, int_clc, int_stc, int_cld, int_std, int_nop,
	int_pause, int_xlat;
soft_exec_fn int_salc;
/* int_stack.c */
soft_exec_fn int_push_r, int_pop_r, int_push_imm, int_push_rm, int_pop_rm;
soft_exec_fn int_pusha, int_popa, int_enter, int_leave;
/* int_branch.c */
soft_exec_fn int_call, int_jmp, int_jcc, int_ret, int_loop, int_call_rm, int_jmp_rm;
/* int_string.c */
soft_exec_fn int_movs, int_stos, int_lods, int_cmps, int_scas;
/* int_bcd.c */
soft_exec_fn int_daa, int_das, int_aaa, int_aas, int_aam, int_aad;

#endif
