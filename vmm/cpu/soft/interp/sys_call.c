/* vmm/cpu/soft/interp/sys_call.c: SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS and the
 * FSGSBASE instructions, as Intel's processors do them.
 *
 * SYSRET to a non-canonical RCX faults at CPL 0, before anything has changed.
 * The segments that are loaded are flat whatever the tables hold.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2, each instruction's page; vol. 3 §5.8.7, §5.8.8. */
#include "vmm/cpu/soft/interp/sys.h"

void sys_syscall(struct soft *s, const struct insn *i)
{
	uint32_t flags = soft_flags_get(s);
	uint16_t sel = (uint16_t)(s->msr.star >> 32);

	(void)i;
	if (s->mode != SOFT_MODE_64 || !(s->efer & EFER_SCE))
		soft_ud(s);
	s->r[CPU_RCX] = s->rip;
	s->r[11] = flags & ~(uint32_t)FLAG_RF;
	s->rip = s->msr.lstar;
	soft_flags_set(s, (flags & ~(uint32_t)(s->msr.sfmask | FLAG_RF)) | 2);
	s->trap_pending = s->rflags & FLAG_TF; /* the single step goes by the new TF */
	seg_set_flat_64(s, sel & 0xFFFC, (uint16_t)((sel & 0xFFFC) + 8), 0);
}

void sys_sysret(struct soft *s, const struct insn *i)
{
	uint16_t sel = (uint16_t)(s->msr.star >> 48);
	bool to_64 = i->opsize == 8;

	if (s->mode != SOFT_MODE_64 || !(s->efer & EFER_SCE))
		soft_ud(s);
	sys_need_cpl0(s);
	if (to_64 && !lin_is_canonical(s->r[CPU_RCX]))
		soft_gp(s, 0);
	s->rip = to_64 ? s->r[CPU_RCX] : (uint32_t)s->r[CPU_RCX];
	soft_flags_set(s, (s->r[11] & 0x3C7FD7 & ~(uint64_t)FLAG_RF) | 2);
	if (to_64) {
		seg_set_flat_64(s, (uint16_t)((sel + 16) | 3), (uint16_t)((sel + 8) | 3), 3);
		return;
	}
	seg_set_flat(s, CPU_CS, (uint16_t)(sel | 3), 3, true, false);
	seg_set_flat(s, CPU_SS, (uint16_t)((sel + 8) | 3), 3, false, false);
	soft_mode_changed(s);
}

void sys_sysenter(struct soft *s, const struct insn *i)
{
	bool lma = s->efer & EFER_LMA;
	uint16_t sel = (uint16_t)s->msr.sysenter_cs & 0xFFFC;

	(void)i;
	if (s->mode == SOFT_MODE_REAL || !sel)
		soft_gp(s, 0);
	s->rflags &= ~(uint32_t)(FLAG_VM | FLAG_IF | FLAG_RF);
	seg_set_flat(s, CPU_CS, sel, 0, true, lma);
	seg_set_flat(s, CPU_SS, (uint16_t)(sel + 8), 0, false, false);
	s->r[CPU_RSP] = lma ? s->msr.sysenter_esp : (uint32_t)s->msr.sysenter_esp;
	s->rip = lma ? s->msr.sysenter_eip : (uint32_t)s->msr.sysenter_eip;
	soft_mode_changed(s);
}

void sys_sysexit(struct soft *s, const struct insn *i)
{
	uint16_t sel = (uint16_t)s->msr.sysenter_cs & 0xFFFC;
	bool to_64 = i->opsize == 8;

	if (s->mode == SOFT_MODE_REAL || !sel || s->cpl)
		soft_gp(s, 0);
	if (to_64 && (!lin_is_canonical(s->r[CPU_RCX]) || !lin_is_canonical(s->r[CPU_RDX])))
		soft_gp(s, 0);
	seg_set_flat(s, CPU_CS, (uint16_t)((sel + (to_64 ? 32 : 16)) | 3), 3, true, to_64);
	seg_set_flat(s, CPU_SS, (uint16_t)((sel + (to_64 ? 40 : 24)) | 3), 3, false, false);
	s->r[CPU_RSP] = to_64 ? s->r[CPU_RCX] : (uint32_t)s->r[CPU_RCX];
	s->rip = to_64 ? s->r[CPU_RDX] : (uint32_t)s->r[CPU_RDX];
	soft_mode_changed(s);
}

void sys_swapgs(struct soft *s, const struct insn *i)
{
	uint64_t base = s->seg[CPU_GS].base;

	(void)i;
	sys_need_cpl0(s);
	s->seg[CPU_GS].base = s->seg_base[CPU_GS] = s->msr.kernel_gs_base;
	s->msr.kernel_gs_base = base;
}

/* RDFSBASE /0, RDGSBASE /1, WRFSBASE /2, WRGSBASE /3. */
void sys_fsgsbase(struct soft *s, const struct insn *i)
{
	unsigned seg = i->reg & 1 ? CPU_GS : CPU_FS;
	uint64_t v;

	if (!(s->cr4 & CR4_FSGSBASE))
		soft_ud(s);
	if (!(i->reg & 2)) {
		sys_reg_write(s, i->rm, i->opsize == 8 ? 8 : 4, s->seg[seg].base);
		return;
	}
	v = i->opsize == 8 ? s->r[i->rm] : (uint32_t)s->r[i->rm];
	if (!lin_is_canonical(v))
		soft_gp(s, 0);
	s->seg[seg].base = s->seg_base[seg] = v;
}
