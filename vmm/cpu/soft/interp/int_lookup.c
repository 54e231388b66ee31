/* vmm/cpu/soft/interp/int_lookup.c: which integer executor an opcode has.
 *
 * A row without an executor is #UD; an opcode without a row belongs to another
 * family, or to none.
 *
 * Used by: vmm/cpu/soft/decode/decode.c.   Sources: SDM vol. 2, appendix A. */
#include "vmm/cpu/soft/interp/int.h"

static bool row(struct insn_row *r, soft_exec_fn *exec, unsigned flags)
{
	r->exec = exec;
	r->flags = (uint8_t)flags;
	return true;
}

/* 00 to 3F: eight operations in six forms. */
static bool lookup_alu(const struct insn *i, struct insn_row *r)
{
	static soft_exec_fn *const adjust[4] = { int_daa, int_das, int_aaa, int_aas };
	unsigned form = i->opcode & 7;

	if (form < 2) /* all but CMP write the destination */
		return row(r, int_alu_rm_r, i->opcode < 0x38 ? INSN_LOCK_OK : 0);
	if (form < 4)
		return row(r, int_alu_r_rm, 0);
	if (form < 6)
		return row(r, int_alu_acc_imm, 0);
	if (form == 7 && i->opcode >= 0x27)
		return row(r, adjust[(i->opcode >> 3) & 3], 0);
	return false;
}

static bool lookup_group3(const struct insn *i, struct insn_row *r)
{
	switch (i->reg & 7) {
	case 0:
	case 1:
		return row(r, int_test_rm_imm, 0);
	case 2:
		return row(r, int_not, INSN_LOCK_OK);
	case 3:
		return row(r, int_neg, INSN_LOCK_OK);
	case 4:
		return row(r, int_mul, 0);
	case 5:
		return row(r, int_imul, 0);
	case 6:
		return row(r, int_div, 0);
	default:
		return row(r, int_idiv, 0);
	}
}

static bool lookup_group45(const struct insn *i, struct insn_row *r)
{
	switch (i->reg & 7) {
	case 0:
		return row(r, int_inc_rm, INSN_LOCK_OK);
	case 1:
		return row(r, int_dec_rm, INSN_LOCK_OK);
	case 2:
		return i->opcode == 0xFF && row(r, int_call_rm, INSN_END);
	case 4:
		return i->opcode == 0xFF && row(r, int_jmp_rm, INSN_END);
	case 6:
		return i->opcode == 0xFF && row(r, int_push_rm, 0);
	default: /* far CALL and JMP: sys_lookup; /7: nobody */
		return false;
	}
}

static bool lookup_string(const struct insn *i, struct insn_row *r)
{
	unsigned flags = i->rep ? INSN_END : 0;

	switch (i->opcode & ~1) {
	case 0xA4:
		return row(r, int_movs, flags);
	case 0xA6:
		return row(r, int_cmps, flags);
	case 0xAA:
		return row(r, int_stos, flags);
	case 0xAC:
		return row(r, int_lods, flags);
	default:
		return row(r, int_scas, flags);
	}
}

static bool lookup_mov(const struct insn *i, struct insn_row *r)
{
	switch (i->opcode) {
	case 0x88 ... 0x89:
		return row(r, int_mov_rm_r, 0);
	case 0x8A ... 0x8B:
		return row(r, int_mov_r_rm, 0);
	case 0x8D:
		return row(r, i->mod == 3 ? NULL : int_lea, 0);
	case 0x8F:
		return row(r, int_pop_rm, 0);
	case 0x90: /* with REX.B it exchanges R8 */
		if (i->rep == 0xF3 && !(i->rex & 1))
			return row(r, int_pause, INSN_END);
		return row(r, i->rex & 1 ? int_xchg_acc : int_nop, 0);
	case 0x91 ... 0x97:
		return row(r, int_xchg_acc, 0);
	case 0x98:
		return row(r, int_cbw, 0);
	case 0x99:
		return row(r, int_cwd, 0);
	case 0x9E:
		return row(r, int_sahf, 0);
	case 0x9F:
		return row(r, int_lahf, 0);
	case 0xA0 ... 0xA3:
		return row(r, int_mov_moffs, 0);
	case 0xA8 ... 0xA9:
		return row(r, int_test_acc_imm, 0);
	case 0xA4 ... 0xA7:
	case 0xAA ... 0xAF:
		return lookup_string(i, r);
	case 0xB0 ... 0xBF:
		return row(r, int_mov_r_imm, 0);
	default:
		return false;
	}
}

static bool lookup_low(const struct insn *i, struct insn_row *r)
{
	switch (i->opcode) {
	case 0x40 ... 0x47:
		return row(r, int_inc_r, 0);
	case 0x48 ... 0x4F:
		return row(r, int_dec_r, 0);
	case 0x50 ... 0x57:
		return row(r, int_push_r, 0);
	case 0x58 ... 0x5F:
		return row(r, int_pop_r, 0);
	case 0x60:
		return row(r, int_pusha, 0);
	case 0x61:
		return row(r, int_popa, 0);
	case 0x63: /* elsewhere ARPL */
		return i->mode == SOFT_MODE_64 && row(r, int_movsxd, 0);
	case 0x68:
	case 0x6A:
		return row(r, int_push_imm, 0);
	case 0x69:
	case 0x6B:
		return row(r, int_imul_imm, 0);
	case 0x70 ... 0x7F:
		return row(r, int_jcc, INSN_END);
	case 0x80 ... 0x83:
		return row(r, int_alu_rm_imm, (i->reg & 7) == 7 ? 0 : INSN_LOCK_OK);
	case 0x84 ... 0x85:
		return row(r, int_test_rm_r, 0);
	case 0x86 ... 0x87:
		return row(r, int_xchg, INSN_LOCK_OK);
	default:
		return lookup_mov(i, r);
	}
}

static bool lookup_high(const struct insn *i, struct insn_row *r)
{
	switch (i->opcode) {
	case 0xC0 ... 0xC1:
		return row(r, int_shift_imm, 0);
	case 0xC2 ... 0xC3:
		return row(r, int_ret, INSN_END);
	case 0xC6 ... 0xC7:
		return row(r, i->reg & 7 ? NULL : int_mov_rm_imm, 0);
	case 0xC8:
		return row(r, int_enter, 0);
	case 0xC9:
		return row(r, int_leave, 0);
	case 0xD0 ... 0xD1:
		return row(r, int_shift_one, 0);
	case 0xD2 ... 0xD3:
		return row(r, int_shift_cl, 0);
	case 0xD4:
		return row(r, int_aam, 0);
	case 0xD5:
		return row(r, int_aad, 0);
	case 0xD6:
		return row(r, int_salc, 0);
	case 0xD7:
		return row(r, int_xlat, 0);
	case 0xE0 ... 0xE3:
		return row(r, int_loop, INSN_END);
	case 0xE8:
		return row(r, int_call, INSN_END);
	case 0xE9:
	case 0xEB:
		return row(r, int_jmp, INSN_END);
	case 0xF5:
	case 0xF8 ... 0xF9:
	case 0xFC ... 0xFD:
		return row(r, int_flagop, 0);
	case 0xF6 ... 0xF7:
		return lookup_group3(i, r);
	case 0xFE ... 0xFF:
		return lookup_group45(i, r);
	default:
		return false;
	}
}

static bool lookup_0f_bits(const struct insn *i, struct insn_row *r)
{
	switch (i->opcode) {
	case 0xA3:
		return row(r, int_bt_reg, 0);
	case 0xAB:
	case 0xB3:
	case 0xBB:
		return row(r, int_bt_reg, INSN_LOCK_OK);
	case 0xA4 ... 0xA5:
		return row(r, int_shld, 0);
	case 0xAC ... 0xAD:
		return row(r, int_shrd, 0);
	case 0xAF:
		return row(r, int_imul_r_rm, 0);
	case 0xB8:
		return row(r, i->rep == 0xF3 ? int_popcnt : NULL, 0);
	case 0xBA:
		return row(r, (i->reg & 4) ? int_bt_imm : NULL, (i->reg & 3) ? INSN_LOCK_OK : 0);
	case 0xBC: /* F3: TZCNT, which this processor does not have */
		return row(r, int_bsf, 0);
	case 0xBD:
		return row(r, int_bsr, 0);
	default:
		return false;
	}
}

static bool lookup_0f(const struct insn *i, struct insn_row *r)
{
	switch (i->opcode) {
	case 0x19 ... 0x1F: /* hint NOPs */
		return row(r, int_nop, 0);
	case 0x40 ... 0x4F:
		return row(r, int_cmov, 0);
	case 0x80 ... 0x8F:
		return row(r, int_jcc, INSN_END);
	case 0x90 ... 0x9F:
		return row(r, int_setcc, 0);
	case 0xB0 ... 0xB1:
		return row(r, int_cmpxchg, INSN_LOCK_OK);
	case 0xB6 ... 0xB7:
		return row(r, int_movzx, 0);
	case 0xBE ... 0xBF:
		return row(r, int_movsx, 0);
	case 0xC0 ... 0xC1:
		return row(r, int_xadd, INSN_LOCK_OK);
	case 0xC7: /* /6 and /7 with a register: RDRAND, RDSEED: not on this processor */
		return row(r, i->mod != 3 && (i->reg & 7) == 1 ? int_cmpxchg8b : NULL, INSN_LOCK_OK);
	case 0xC8 ... 0xCF:
		return row(r, int_bswap, 0);
	default:
		return lookup_0f_bits(i, r);
	}
}

bool int_lookup(const struct insn *i, struct insn_row *ret_row)
{
	if (i->map == 1)
		return lookup_0f(i, ret_row);
	if (i->map > 1)
		return false;
	if (i->opcode < 0x40)
		return lookup_alu(i, ret_row);
	if (i->opcode < 0xC0)
		return lookup_low(i, ret_row);
	return lookup_high(i, ret_row);
}
