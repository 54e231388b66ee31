/* vmm/cpu/soft/interp/fpu_imm.c: instructions with an immediate byte.
 *
 * The immediate is known when the guest's instruction runs, the host's
 * instruction wants it when this is assembled: so each such instruction stands
 * here 256 times, eight bytes apart, each followed by RET, and fpu_imm_call()
 * calls the one that is meant. xmm0 is destination, xmm1 source.
 *
 * PCMPxSTRx take lengths in RAX and RDX and give flags, so they have their own
 * calls here.
 *
 * Used by: fpu_int.c, fpu_mov.c, fpu_fp.c.   Sources: SDM vol. 2, each instruction. */
#include "vmm/cpu/soft/interp/fpu.h"

#define TABLE(name, text)                                                      \
	__asm__(".pushsection .text.fpu_imm, \"ax\"\n"                          \
		".balign 8\n"                                                  \
		".globl " #name "\n"                                           \
		".hidden " #name "\n" #name ":\n"                               \
		".set imm_n, 0\n"                                              \
		".rept 256\n" text "\n"                                        \
		"ret\n"                                                        \
		".balign 8\n"                                                  \
		".set imm_n, imm_n + 1\n"                                      \
		".endr\n"                                                      \
		".popsection")
#define TWO_OPERAND(op) TABLE(imm_##op, #op " $imm_n, %xmm1, %xmm0")

TWO_OPERAND(pshufd);
TWO_OPERAND(pshufhw);
TWO_OPERAND(pshuflw);
TWO_OPERAND(shufps);
TWO_OPERAND(shufpd);
TWO_OPERAND(cmpps);
TWO_OPERAND(cmppd);
TWO_OPERAND(cmpss);
TWO_OPERAND(cmpsd);
TWO_OPERAND(roundps);
TWO_OPERAND(roundpd);
TWO_OPERAND(roundss);
TWO_OPERAND(roundsd);
TWO_OPERAND(blendps);
TWO_OPERAND(blendpd);
TWO_OPERAND(pblendw);
TWO_OPERAND(palignr);
TWO_OPERAND(insertps);
TWO_OPERAND(dpps);
TWO_OPERAND(dppd);
TWO_OPERAND(mpsadbw);
TABLE(imm_pslldq, "pslldq $imm_n, %xmm0");
TABLE(imm_psrldq, "psrldq $imm_n, %xmm0");

extern fpu_imm_table imm_pcmpestrm, imm_pcmpestri, imm_pcmpistrm, imm_pcmpistri;

/* xmm2 is the first operand: xmm0 is the mask forms' result. REX.W makes the
 * lengths 64 bits wide; the assembler has no mnemonic for it, and the bytes
 * would be nine with RET, so those forms are reached by saturating lengths. */
#define STRING(op) TABLE(imm_##op, #op " $imm_n, %xmm1, %xmm2")
STRING(pcmpestrm);
STRING(pcmpestri);
STRING(pcmpistrm);
STRING(pcmpistri);

struct string_result {
	__m128i mask;
	uint32_t index, flags;
};

static void string_call(fpu_imm_table table, unsigned imm, __m128i first, __m128i second,
			uint32_t len1, uint32_t len2, struct string_result *ret_r)
{
	register __m128i mask __asm__("xmm0");
	register __m128i b __asm__("xmm1") = second;
	register __m128i a __asm__("xmm2") = first;
	uint64_t index, flags;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tcall *%3\n\tpushfq\n\tpopq %2\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : "=x"(mask), "=&c"(index), "=&r"(flags)
			 : "r"(table[imm & 0xFF]), "a"(len1), "d"(len2), "x"(b), "x"(a)
			 : "memory", "cc");
	ret_r->mask = mask;
	ret_r->index = (uint32_t)index;
	ret_r->flags = (uint32_t)flags & FLAG_ARITH;
}

/* A length is taken by its absolute value, at most 16 (8 for words): a 64-bit
 * one is brought into 32 bits without changing that. SDM vol. 2, §4.1.3. */
static uint32_t string_len(const struct insn *i, uint64_t v)
{
	int64_t wide = (int64_t)v;

	if (!(i->rex & 8))
		return (uint32_t)v;
	return wide > 16 || wide < -16 ? 16 : (uint32_t)wide;
}

static void string_op(struct soft *s, const struct insn *i, fpu_imm_table table, bool is_index)
{
	struct string_result r;
	__m128i v;

	sse_enter(s);
	v = i->mod == 3 ? xmm_get(s, i->rm) : fpu_ld128u(s, i);
	string_call(table, (unsigned)i->imm, xmm_get(s, i->reg), v, string_len(i, s->r[CPU_RAX]),
		    string_len(i, s->r[CPU_RDX]), &r);
	if (is_index)
		s->r[CPU_RCX] = r.index;
	else
		xmm_set(s, 0, r.mask);
	fpu_set_arith(s, r.flags);
}

void sse_pcmpestrm(struct soft *s, const struct insn *i)
{
	string_op(s, i, imm_pcmpestrm, false);
}

void sse_pcmpestri(struct soft *s, const struct insn *i)
{
	string_op(s, i, imm_pcmpestri, true);
}

void sse_pcmpistrm(struct soft *s, const struct insn *i)
{
	string_op(s, i, imm_pcmpistrm, false);
}

void sse_pcmpistri(struct soft *s, const struct insn *i)
{
	string_op(s, i, imm_pcmpistri, true);
}
