/* vmm/cpu/soft/interp/sys.h: the system instructions' executors and what they share. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_SYS_H
#define MUSTER_VMM_CPU_SOFT_INTERP_SYS_H

#include "vmm/cpu/soft/interp/exec.h"
#include "vmm/cpu/soft/mmu/mmu.h"
#include "vmm/cpu/soft/interp/operand.h"
#include "vmm/cpu/soft/mmu/seg.h"
#include "vmm/cpu/soft/sysreg.h"

/* sys_seg.c: segment registers, group 6, LAR and LSL */
soft_exec_fn sys_mov_from_seg, sys_mov_to_seg, sys_push_seg, sys_pop_seg, sys_load_far;
soft_exec_fn sys_sldt, sys_str, sys_lldt, sys_ltr, sys_verr, sys_verw, sys_lar, sys_lsl, sys_arpl;
/* sys_far.c, sys_ret.c: transfers */
soft_exec_fn sys_call_far, sys_jmp_far, sys_call_far_mem, sys_jmp_far_mem, sys_retf, sys_iret;
/* sys_int.c */
soft_exec_fn sys_int, sys_int3, sys_into, sys_int1, sys_bound, sys_ud;
/* sys_call.c: fast calls and their bases */
soft_exec_fn sys_syscall, sys_sysret, sys_sysenter, sys_sysexit, sys_swapgs, sys_fsgsbase;
/* sys_cr.c: control, debug and table registers */
soft_exec_fn sys_mov_from_cr, sys_mov_to_cr, sys_mov_from_dr, sys_mov_to_dr;
soft_exec_fn sys_table_store, sys_table_load, sys_smsw, sys_lmsw, sys_clts, sys_invlpg, sys_cache;
/* sys_msr.c */
soft_exec_fn sys_rdmsr, sys_wrmsr, sys_rdtsc, sys_rdtscp, sys_rdpmc, sys_cpuid;
/* sys_flags.c */
soft_exec_fn sys_pushf, sys_popf, sys_cli, sys_sti, sys_hlt;
/* sys_io.c */
soft_exec_fn sys_in, sys_out, sys_ins, sys_outs;

/* MSRs as RDMSR and WRMSR see them. False: #GP. */
bool sys_msr_read(struct soft *s, uint32_t msr, uint64_t *ret_v);
/* The same; false where the write is a general protection fault. */
bool sys_msr_write(struct soft *s, uint32_t msr, uint64_t v);

static inline unsigned sys_iopl(const struct soft *s)
{
	return s->rflags >> 12 & 3;
}

static inline bool sys_is_protected(const struct soft *s)
{
	return s->mode != SOFT_MODE_REAL && s->mode != SOFT_MODE_V86;
}

/* #GP(0) unless at CPL 0. */
static inline void sys_need_cpl0(struct soft *s)
{
	if (s->cpl)
		soft_gp(s, 0);
}

static inline uint64_t sys_mask(unsigned size)
{
	return size == 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

/* Writes a register by the rules of 2, 4 and 8 byte results. */
static inline void sys_reg_write(struct soft *s, unsigned reg, unsigned size, uint64_t v)
{
	if (size == 2)
		s->r[reg] = (s->r[reg] & ~UINT64_C(0xFFFF)) | (uint16_t)v;
	else
		s->r[reg] = size == 4 ? (uint32_t)v : v;
}

/* The r/m operand of @size bytes (2, 4, 8). */
static inline uint64_t sys_rm_read(struct soft *s, const struct insn *i, unsigned size)
{
	if (i->mod == 3)
		return s->r[i->rm] & sys_mask(size);
	return mem_ld(s, soft_lin_for(s, i, size, false), size);
}

/* A selector-like result: 16 bits to memory, @i->opsize wide to a register. */
static inline void sys_rm_write16(struct soft *s, const struct insn *i, uint64_t v)
{
	if (i->mod == 3)
		sys_reg_write(s, i->rm, i->opsize, v);
	else
		mmu_st16(s, soft_lin_for(s, i, 2, true), (uint16_t)v);
}

/* The stack's top at @skip bytes above the stack pointer; nothing is popped. */
static inline uint64_t sys_stack_peek(struct soft *s, unsigned skip, unsigned size)
{
	uint64_t off = (s->r[CPU_RSP] + skip) & soft_stack_mask(s);

	return mem_ld(s, soft_seg_access(s, CPU_SS, off, size, false), size);
}

static inline void sys_push(struct soft *s, unsigned size, uint64_t v)
{
	uint64_t off = (s->r[CPU_RSP] - size) & soft_stack_mask(s);

	mem_st(s, soft_seg_access(s, CPU_SS, off, size, true), size, v);
	soft_set_rsp(s, off);
}

static inline void sys_set_zf(struct soft *s, bool zf)
{
	uint32_t flags = soft_flags_get(s);

	soft_flags_set(s, zf ? flags | FLAG_ZF : flags & ~(uint32_t)FLAG_ZF);
}

/* After a load of CS: is @rip a place where code can run? Raises #GP(0). */
static inline void sys_check_target(struct soft *s, const struct cpu_segment *cs, uint64_t rip)
{
	bool is_64 = s->efer & EFER_LMA && cs->attr & CPU_SEG_L;

	if (is_64 ? !lin_is_canonical(rip) : rip > cs->limit)
		soft_gp(s, 0);
}

#endif
