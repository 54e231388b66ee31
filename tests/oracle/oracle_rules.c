/* tests/oracle/oracle_rules.c: what is not compared, and why.
 *
 * Each entry names the clause by which the result is undefined, belongs to the
 * host and not to the model, or differs between makers.
 *
 * Used by: tests/oracle/oracle_insn.c.   Depends on: Zydis, oracle.h. */
#include "tests/oracle/oracle.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800 };

static const struct {
	ZydisMnemonic mnemonic;
	const char *why;
} skips[] = {
	{ ZYDIS_MNEMONIC_SYSCALL, "would call the host's kernel" },
	{ ZYDIS_MNEMONIC_SYSENTER, "would call the host's kernel" },
	{ ZYDIS_MNEMONIC_INT, "would call the host's kernel" },
	{ ZYDIS_MNEMONIC_INT1, "#DB cannot be told from the step" },
	{ ZYDIS_MNEMONIC_RDTSC, "the host's clock" },
	{ ZYDIS_MNEMONIC_RDTSCP, "the host's clock" },
	{ ZYDIS_MNEMONIC_RDPMC, "the host's counters (CR4.PCE)" },
	{ ZYDIS_MNEMONIC_CPUID, "the host's model" },
	{ ZYDIS_MNEMONIC_SGDT, "the host's tables (UMIP)" },
	{ ZYDIS_MNEMONIC_SIDT, "the host's tables (UMIP)" },
	{ ZYDIS_MNEMONIC_SLDT, "the host's tables (UMIP)" },
	{ ZYDIS_MNEMONIC_STR, "the host's tables (UMIP)" },
	{ ZYDIS_MNEMONIC_SMSW, "the host's CR0 (UMIP)" },
	{ ZYDIS_MNEMONIC_LAR, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_LSL, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_VERR, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_VERW, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_LSS, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_LFS, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_LGS, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_LDS, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_LES, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_ARPL, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_IRET, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_IRETD, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_IRETQ, "the host's descriptors" },
	{ ZYDIS_MNEMONIC_FXSAVE, "AMD stores x87 pointers only with ES set (APM vol. 2 §11.4.4)" },
	{ ZYDIS_MNEMONIC_FXSAVE64, "AMD stores x87 pointers only with ES set (APM vol. 2 §11.4.4)" },
	{ ZYDIS_MNEMONIC_FNSAVE, "x87 pointers and selectors (SDM vol. 1 §8.1.8)" },
	{ ZYDIS_MNEMONIC_FNSTENV, "x87 pointers and selectors (SDM vol. 1 §8.1.8)" },
	{ ZYDIS_MNEMONIC_UD0, "length differs between makers (SDM vol. 2, UD)" },
};

static bool is_in_model(const ZydisDecodedInstruction *z)
{
	switch (z->meta.isa_ext) {
	case ZYDIS_ISA_EXT_BASE:
	case ZYDIS_ISA_EXT_LONGMODE:
	case ZYDIS_ISA_EXT_MMX:
	case ZYDIS_ISA_EXT_SSE:
	case ZYDIS_ISA_EXT_SSE2:
	case ZYDIS_ISA_EXT_SSE3:
	case ZYDIS_ISA_EXT_SSSE3:
	case ZYDIS_ISA_EXT_SSE4:
	case ZYDIS_ISA_EXT_X87:
	case ZYDIS_ISA_EXT_PAUSE:
	case ZYDIS_ISA_EXT_CLFSH:
		return z->meta.isa_set != ZYDIS_ISA_SET_AMD;
	default:
		return false;
	}
}

static const char *why_skip(const struct oracle_case *c, const ZydisDecodedInstruction *z,
			    const ZydisDecodedOperand *ops)
{
	for (size_t k = 0; k < sizeof(skips) / sizeof(skips[0]); k++)
		if (skips[k].mnemonic == z->mnemonic)
			return skips[k].why;
	if (!is_in_model(z))
		return "not in the model";
	if (z->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
		return "FS is the host's C library's";
	if (z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return "the host's descriptors";
	if (z->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
	    z->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		return "66 before a near branch: makers differ (SDM vol. 2, JMP; APM vol. 3)";
	for (unsigned k = 0; k < z->raw.prefix_count; k++)
		if ((z->raw.prefixes[k].value & 0xFE) == 0xF2 && (z->opcode & 0xFE) == 0xE0 &&
		    z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
			return "F2, F3 before LOOPcc are reserved (SDM vol. 2 §2.1.1); AMD heeds them";
	if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && z->opcode >= 0x6C && z->opcode <= 0x6F &&
	    !c->in.gpr[CPU_RCX])
		return "REP INS, OUTS of nothing: AMD checks the permission first (SDM vol. 2, REP)";
	if (c->is_32 && z->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS && z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	    (z->opcode & 0xFE) == 0xA6)
		return "CMPS with a null GS: which operand's fault comes first is not defined";
	if (z->mnemonic == ZYDIS_MNEMONIC_MOVSXD && z->operand_width == 16)
		return "66 MOVSXD reads 16 bits (SDM) or 32 (AMD)";
	if (z->opcode_map == ZYDIS_OPCODE_MAP_0F && z->opcode == 0x0D && z->raw.modrm.mod == 3)
		return "0F 0D with a register: NOP (SDM vol. 2, table A-3) or #UD (AMD)";
	if (z->mnemonic == ZYDIS_MNEMONIC_CVTPI2PS && z->raw.modrm.mod != 3)
		return "AMD does not turn to MMX for a memory source (SDM vol. 2, CVTPI2PS)";
	for (int k = 0; k < z->operand_count; k++)
		if (ops[k].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(ops[k].reg.value) == ZYDIS_REGCLASS_SEGMENT &&
		    ops[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			return "the host's descriptors";
	return NULL;
}

/* How far a shift or rotate goes, after masking. */
static unsigned shift_count(const struct oracle_case *c, const ZydisDecodedInstruction *z,
			    const ZydisDecodedOperand *op)
{
	uint64_t n = op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? op->imm.value.u : c->in.gpr[CPU_RCX];

	return (unsigned)(n & (z->operand_width == 64 ? 63 : 31));
}

static uint64_t undefined_of_shift(const struct oracle_case *c, const ZydisDecodedInstruction *z,
				   const ZydisDecodedOperand *ops, bool *ret_any_dest)
{
	unsigned n, width = z->operand_width;

	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SALC:
		n = shift_count(c, z, &ops[1]);
		return (n ? AF : 0u) | (n > 1 ? OF : 0u) | (n >= width ? CF : 0u);
	case ZYDIS_MNEMONIC_SAR:
		n = shift_count(c, z, &ops[1]);
		return (n ? AF : 0u) | (n > 1 ? OF : 0u);
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD:
		n = shift_count(c, z, &ops[2]);
		*ret_any_dest = n > width;
		return n > width ? CF | PF | AF | ZF | SF | OF : (n ? AF : 0u) | (n > 1 ? OF : 0u);
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR:
		return shift_count(c, z, &ops[1]) > 1 ? OF : 0;
	default:
		return 0;
	}
}

/* SDM vol. 2, "Flags Affected" of each; vol. 1, appendix A. */
static uint64_t undefined_of(const struct oracle_case *c, const ZydisDecodedInstruction *z,
			     const ZydisDecodedOperand *ops, bool *ret_any_dest)
{
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_TEST:
		return AF;
	case ZYDIS_MNEMONIC_MUL:
	case ZYDIS_MNEMONIC_IMUL:
		return SF | ZF | AF | PF;
	case ZYDIS_MNEMONIC_DIV:
	case ZYDIS_MNEMONIC_IDIV:
		return CF | OF | SF | ZF | AF | PF;
	case ZYDIS_MNEMONIC_BSF:
	case ZYDIS_MNEMONIC_BSR:
		*ret_any_dest = c->hw.regs.rflags & ZF;
		return CF | OF | SF | AF | PF;
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		return OF | SF | AF | PF;
	case ZYDIS_MNEMONIC_AAA:
	case ZYDIS_MNEMONIC_AAS:
		return OF | SF | ZF | PF;
	case ZYDIS_MNEMONIC_AAM:
	case ZYDIS_MNEMONIC_AAD:
		return OF | AF | CF;
	case ZYDIS_MNEMONIC_DAA:
	case ZYDIS_MNEMONIC_DAS:
		return OF;
	case ZYDIS_MNEMONIC_BSWAP:
		*ret_any_dest = z->operand_width == 16;
		return 0;
	default:
		return undefined_of_shift(c, z, ops, ret_any_dest);
	}
}

/* VEX or EVEX: the model has neither, and the host takes some that Zydis does not (KUNPCK with a mask register
 * above 7: c5 94 4b fe). */
static bool is_vex(const uint8_t *bytes)
{
	unsigned k = 0;

	while (k < 14 && (bytes[k] == 0x66 || bytes[k] == 0x67 || (bytes[k] & 0xE7) == 0x26 || (bytes[k] & 0xFE) == 0x64))
		k++;
	return bytes[k] == 0xC4 || bytes[k] == 0xC5 || bytes[k] == 0x62;
}

void oracle_rule(const struct oracle_case *c, struct oracle_rule *r)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisFormatter formatter;
	ZydisDecoder decoder;

	memset(r, 0, sizeof(*r));
	oracle_decoder(c, &decoder);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, c->bytes, 15, &z, ops))) {
		/* #UD on both sides, but for calls to a hypervisor and the host's wider registers. */
		r->skip = is_vex(c->bytes);
		for (unsigned k = 0; k < 14; k++)
			r->skip |= c->bytes[k] == 0x0F && (c->bytes[k + 1] <= 0x01 || (c->bytes[k + 1] & 0xFC) == 0x20);
		r->why = "groups 6 and 7 with prefixes: virtualization, as the maker has it; AMD's LOCK MOV CR0 is CR8; VEX";
		snprintf(r->text, sizeof(r->text), "(not decoded)");
		return;
	}
	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	r->why = why_skip(c, &z, ops);
	r->skip = r->why != NULL;
	if (r->skip)
		return;
	ZydisFormatterFormatInstruction(&formatter, &z, ops, z.operand_count_visible, r->text,
					sizeof(r->text), c->in.rip, NULL);
	r->is_call = z.mnemonic == ZYDIS_MNEMONIC_CALL;
	r->may_fault = z.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ || z.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU;
	r->stores_tf = z.mnemonic == ZYDIS_MNEMONIC_PUSHF || z.mnemonic == ZYDIS_MNEMONIC_PUSHFD ||
		       z.mnemonic == ZYDIS_MNEMONIC_PUSHFQ;
	r->undefined_flags = undefined_of(c, &z, ops, &r->any_dest);
	r->approximate = z.mnemonic == ZYDIS_MNEMONIC_RCPPS || z.mnemonic == ZYDIS_MNEMONIC_RCPSS ||
			 z.mnemonic == ZYDIS_MNEMONIC_RSQRTPS || z.mnemonic == ZYDIS_MNEMONIC_RSQRTSS;
}
