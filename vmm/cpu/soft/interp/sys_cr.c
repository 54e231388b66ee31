/* vmm/cpu/soft/interp/sys_cr.c: control, debug and descriptor-table registers, and
 * the cache and TLB instructions.
 *
 * Every combination that the manual calls #GP is checked before anything
 * changes. The TLB is flushed whole when a bit that decides about translation
 * changes; MOV CR3 keeps global pages.
 *
 * Debug registers keep their values and DR7.GD works; breakpoints do not fire.
 *
 * Used by: exec_lookup.c.   Depends on: mmu_walk.h.
 * Sources: SDM vol. 3 §2.5, §4.1, §4.10.4, §17.2; vol. 2, MOV CR, MOV DR, LGDT. */
#include "vmm/cpu/soft/mmu/mmu_walk.h"
#include "vmm/cpu/soft/interp/sys.h"

static void check_pdptes(struct soft *s, uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
	if (cr0 & CR0_PG && cr4 & CR4_PAE && !(s->efer & (EFER_LME | EFER_LMA)) && !mmu_pdptes_valid(s, cr3))
		soft_gp(s, 0);
}

static void set_cr0(struct soft *s, uint64_t v)
{
	uint64_t changed;
	bool pg_on = v & CR0_PG && !(s->cr0 & CR0_PG);

	if (v >> 32 || (v & CR0_PG && !(v & CR0_PE)) || (v & CR0_NW && !(v & CR0_CD)))
		soft_gp(s, 0);
	v = (v & CR0_DEFINED) | CR0_ET;
	changed = v ^ s->cr0;
	if (pg_on && s->efer & EFER_LME &&
	    (!(s->cr4 & CR4_PAE) || s->seg[CPU_CS].attr & CPU_SEG_L || (s->tr.attr & 15) <= DESC_TSS16_BUSY))
		soft_gp(s, 0);
	if (!(v & CR0_PG) && s->mode == SOFT_MODE_64)
		soft_gp(s, 0);
	if (pg_on)
		check_pdptes(s, v, s->cr3, s->cr4);
	s->cr0 = v;
	if (changed & CR0_PG)
		s->efer = v & CR0_PG && s->efer & EFER_LME ? s->efer | EFER_LMA : s->efer & ~EFER_LMA;
	if (changed & (CR0_PG | CR0_WP | CR0_PE))
		mmu_flush_all(s);
	soft_mode_changed(s);
}

static void set_cr3(struct soft *s, uint64_t v)
{
	if (s->efer & EFER_LMA ? v >> MMU_PHYS_BITS : v >> 32)
		soft_gp(s, 0);
	check_pdptes(s, s->cr0, v, s->cr4);
	s->cr3 = v;
	mmu_flush_non_global(s);
}

static void set_cr4(struct soft *s, uint64_t v)
{
	uint64_t changed = v ^ s->cr4;

	if (v & ~CR4_OFFERED || (s->efer & EFER_LMA && !(v & CR4_PAE)))
		soft_gp(s, 0);
	if (changed & (CR4_PAE | CR4_PSE | CR4_PGE))
		check_pdptes(s, s->cr0, s->cr3, v);
	s->cr4 = v;
	if (changed & (CR4_PSE | CR4_PAE | CR4_PGE))
		mmu_flush_all(s);
}

void sys_mov_from_cr(struct soft *s, const struct insn *i)
{
	uint64_t v = 0;

	sys_need_cpl0(s);
	switch (i->reg) {
	case 0:
		v = s->cr0;
		break;
	case 2:
		v = s->cr2;
		break;
	case 3:
		v = s->cr3;
		break;
	case 4:
		v = s->cr4;
		break;
	default:
		v = s->bus->cr8_read(s->bus->ctx);
	}
	sys_reg_write(s, i->rm, i->opsize == 8 ? 8 : 4, v);
}

void sys_mov_to_cr(struct soft *s, const struct insn *i)
{
	uint64_t v = i->opsize == 8 ? s->r[i->rm] : (uint32_t)s->r[i->rm];

	sys_need_cpl0(s);
	switch (i->reg) {
	case 0:
		set_cr0(s, v);
		break;
	case 2:
		s->cr2 = v;
		break;
	case 3:
		set_cr3(s, v);
		break;
	case 4:
		set_cr4(s, v);
		break;
	default:
		if (v > 15)
			soft_gp(s, 0);
		s->bus->cr8_write(s->bus->ctx, v);
	}
}

void sys_smsw(struct soft *s, const struct insn *i)
{
	sys_rm_write16(s, i, s->cr0);
}

/* Reaches PE, MP, EM and TS, and cannot clear PE. */
void sys_lmsw(struct soft *s, const struct insn *i)
{
	uint64_t v;

	sys_need_cpl0(s);
	v = sys_rm_read(s, i, 2) & 15;
	set_cr0(s, (s->cr0 & ~UINT64_C(14)) | v);
}

void sys_clts(struct soft *s, const struct insn *i)
{
	(void)i;
	sys_need_cpl0(s);
	s->cr0 &= ~CR0_TS;
}

/* ---- debug registers ----------------------------------------------------------- */

enum { DR6_BD = 0x2000, DR7_GD = 0x2000 };

/* The common checks; returns the register's number with 4 and 5 resolved. */
static unsigned debug_register(struct soft *s, const struct insn *i)
{
	sys_need_cpl0(s);
	if ((i->reg == 4 || i->reg == 5) && s->cr4 & CR4_DE)
		soft_ud(s);
	if (s->dr7 & DR7_GD) {
		s->dr6_pending |= DR6_BD;
		soft_raise(s, EXC_DB);
	}
	return i->reg == 4 || i->reg == 5 ? i->reg + 2U : i->reg;
}

void sys_mov_from_dr(struct soft *s, const struct insn *i)
{
	unsigned n = debug_register(s, i);
	uint64_t v = n == 6 ? s->dr6 : n == 7 ? s->dr7 : s->dr[n & 3];

	sys_reg_write(s, i->rm, i->opsize == 8 ? 8 : 4, v);
}

void sys_mov_to_dr(struct soft *s, const struct insn *i)
{
	unsigned n = debug_register(s, i);
	uint64_t v = i->opsize == 8 ? s->r[i->rm] : (uint32_t)s->r[i->rm];

	if (n >= 6 && v >> 32)
		soft_gp(s, 0);
	if (n == 6)
		s->dr6 = (v & 0xE00F) | 0xFFFF0FF0;
	else if (n == 7)
		s->dr7 = (v & 0xFFFF2BFF) | 0x400;
	else
		s->dr[n & 3] = v;
}

/* ---- tables, TLB, caches ---------------------------------------------------------- */

/* SGDT /0, SIDT /1. */
void sys_table_store(struct soft *s, const struct insn *i)
{
	const struct cpu_table *t = i->reg & 1 ? &s->idtr : &s->gdtr;
	unsigned width = i->mode == SOFT_MODE_64 ? 8 : 4;
	uint64_t lin = soft_lin_for(s, i, 2 + width, true);
	uint8_t image[10];

	memcpy(image, &t->limit, 2);
	memcpy(image + 2, &t->base, 8);
	mmu_st_bytes(s, lin, image, 2 + width);
}

/* LGDT /2, LIDT /3. */
void sys_table_load(struct soft *s, const struct insn *i)
{
	struct cpu_table *t = i->reg & 1 ? &s->idtr : &s->gdtr;
	unsigned width = i->mode == SOFT_MODE_64 ? 8 : 4;
	uint64_t base = 0;
	uint8_t image[10];

	sys_need_cpl0(s);
	mmu_ld_bytes(s, soft_lin_for(s, i, 2 + width, false), image, 2 + width);
	memcpy(&base, image + 2, width);
	if (i->mode != SOFT_MODE_64 && i->opsize == 2)
		base &= 0xFFFFFF;
	if (!lin_is_canonical(base))
		soft_gp(s, 0);
	t->base = base;
	memcpy(&t->limit, image, 2);
}

void sys_invlpg(struct soft *s, const struct insn *i)
{
	sys_need_cpl0(s);
	mmu_flush_page(s, soft_lin(s, i));
}

/* INVD, WBINVD: there are no caches to see. */
void sys_cache(struct soft *s, const struct insn *i)
{
	(void)i;
	sys_need_cpl0(s);
}
