/* vmm/cpu/soft/interp/fpu_x87.c: x87 instructions that compute.
 *
 * Each runs on the host's x87 with the guest's state loaded by FXRSTOR, control
 * word and all: exceptions of the x87 are reported by the next waiting
 * instruction, so unmasked ones do no harm as long as FXSAVE and FNINIT, which
 * do not wait, come next. The result is the hardware's in every detail,
 * responses to unmasked exceptions included. (Transcendental functions differ
 * in the last bit between makers; such a guest is exact on one host only.)
 *
 * The instructions stand in tables, one for register forms (ModRM C0 to FF) and one for
 * memory forms with the operand at (%rdi), each followed by RET.
 *
 * The instruction and data pointers are ours: the offset in CS and the
 * operand's offset; the selectors read as zero, as on processors that set
 * CPUID.7.EBX[13].
 *
 * Used by: exec_lookup.c.   Depends on: fpu_x87.h.   Sources: SDM vol. 1 ch. 8. */
#include "vmm/cpu/soft/interp/fpu_x87.h"

extern const uint8_t x87_reg_table[8][64][4], x87_mem_table[8][8][4];

/* Encodings that the control instructions own stand here too, and are never called. */
__asm__(".pushsection .text.fpu_x87, \"ax\"\n"
	".balign 8\n.hidden x87_reg_table\n.globl x87_reg_table\nx87_reg_table:\n"
	".set x87_n, 0\n"
	".rept 512\n"
	".byte 0xD8 + (x87_n >> 6), 0xC0 + (x87_n & 63)\nret\nnop\n"
	".set x87_n, x87_n + 1\n"
	".endr\n"
	".hidden x87_mem_table\n.globl x87_mem_table\nx87_mem_table:\n"
	".set x87_n, 0\n"
	".rept 64\n"
	".byte 0xD8 + (x87_n >> 3), 7 + ((x87_n & 7) << 3)\nret\nnop\n"
	".set x87_n, x87_n + 1\n"
	".endr\n"
	".popsection");

/* Runs the instruction at @code on the guest's x87 state.
 * @operand: what (%rdi) is. @flags: EFLAGS' arithmetic part, in and out.
 * @t: the state after it; of it only the first 160 bytes but MXCSR count. */
static void x87_run(const struct soft *s, const void *code, void *operand, uint64_t *flags,
		    struct cpu_fxsave *t)
{
	memcpy(t, &s->fx, offsetof(struct cpu_fxsave, xmm));
	t->mxcsr = MXCSR_DEFAULT;
	t->fip = t->fdp = t->fop = 0;
	t->reserved0 = 0;
	t->fsw = (uint16_t)(t->fsw & ~(FSW_ES | FSW_B));
	if (x87_is_pending(s)) /* ignored: see fpu_check.c */
		t->fcw |= FPU_FLAGS;
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "fxrstor64 (%[t])\n\t"
			 "pushq %[flags]\n\tpopfq\n\t"
			 "call *%[code]\n\t"
			 "pushfq\n\tpopq %[flags]\n\t"
			 "fxsave64 (%[t])\n\t"
			 "fninit\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : [flags] "+r"(*flags)
			 : [t] "r"(t), [code] "r"(code), "D"(operand)
			 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			   "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
			   "st(7)");
}

static void x87_commit(struct soft *s, const struct insn *i, const struct cpu_fxsave *t)
{
	memcpy(s->fx.st, t->st, sizeof(s->fx.st));
	s->fx.fsw = t->fsw;
	s->fx.ftw = t->ftw;
	s->fx.fop = (uint16_t)((i->opcode & 7) << 8 | i->modrm);
	s->fx.fip = s->insn_rip;
}

static void run_reg(struct soft *s, const struct insn *i, uint64_t *flags)
{
	struct cpu_fxsave t;

	x87_run(s, x87_reg_table[i->opcode & 7][i->modrm & 63], NULL, flags, &t);
	x87_commit(s, i, &t);
}

void x87_reg(struct soft *s, const struct insn *i)
{
	uint64_t flags = FLAG_IF | 2;

	x87_check(s);
	run_reg(s, i, &flags);
}

/* FCMOV reads flags, FCOMI writes them. */
void x87_reg_flags(struct soft *s, const struct insn *i)
{
	uint64_t flags = FLAG_IF | 2;

	x87_check(s);
	flags |= soft_flags_get(s) & FLAG_ARITH;
	run_reg(s, i, &flags);
	fpu_set_arith(s, (uint32_t)flags & FLAG_ARITH);
}

/* Operand sizes in bytes; negative for a store; 0: not one of these (insn_x87.c). */
static const int8_t mem_size[8][8] = {
	{ 4, 4, 4, 4, 4, 4, 4, 4 },	 { 4, 0, -4, -4, 0, 0, 0, 0 },
	{ 4, 4, 4, 4, 4, 4, 4, 4 },	 { 4, -4, -4, -4, 0, 10, 0, -10 },
	{ 8, 8, 8, 8, 8, 8, 8, 8 },	 { 8, -8, -8, -8, 0, 0, 0, 0 },
	{ 2, 2, 2, 2, 2, 2, 2, 2 },	 { 2, -2, -2, -2, 10, 8, -10, -8 },
};

/* A store whose unmasked exception leaves memory alone: all but precision
 * (SDM vol. 1 §8.5). */
static bool store_is_withheld(const struct soft *s, const struct cpu_fxsave *t)
{
	unsigned raised = t->fsw & ~t->fcw & (FPU_FLAGS & ~FPU_PE);

	return (raised & (unsigned)~s->fx.fsw) != 0;
}

void x87_mem(struct soft *s, const struct insn *i)
{
	int size = mem_size[i->opcode & 7][i->reg & 7];
	const void *code = x87_mem_table[i->opcode & 7][i->reg & 7];
	size_t n = (size_t)(size < 0 ? -size : size);
	uint64_t flags = FLAG_IF | 2, off, lin;
	struct cpu_fxsave t;
	uint8_t operand[16] = { 0 };

	x87_check(s);
	off = soft_ea(s, i);
	lin = soft_lin_for(s, i, n, size < 0);
	if (size > 0)
		mmu_ld_bytes(s, lin, operand, n);
	x87_run(s, code, operand, &flags, &t);
	if (size < 0) {
		if (store_is_withheld(s, &t))
			mmu_probe_write(s, lin, n);
		else
			mmu_st_bytes(s, lin, operand, n);
	}
	x87_commit(s, i, &t);
	s->fx.fdp = off;
}
