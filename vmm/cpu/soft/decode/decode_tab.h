/* vmm/cpu/soft/decode/decode_tab.h: the form of every opcode, as decode.c reads it.
 *
 * A form says which bytes follow the opcode and how the operand size is
 * found; it does not say what the instruction does.
 *
 * Used by: vmm/cpu/soft/decode/decode.c.   Sources: SDM vol. 2, appendix A. */
#ifndef MUSTER_VMM_CPU_SOFT_DECODE_DECODE_TAB_H
#define MUSTER_VMM_CPU_SOFT_DECODE_DECODE_TAB_H

#include <stdint.h>

enum {
	FORM_MODRM = 1, /* a ModRM byte follows */
	FORM_IB = 2, /* immediate byte, sign-extended */
	FORM_UB = 4, /* immediate byte, zero-extended */
	FORM_IW = 8, /* immediate word, zero-extended */
	FORM_IZ = 0x10, /* immediate of operand size, at most 4 bytes, sign-extended */
	FORM_IV = 0x20, /* immediate of operand size, 8 bytes too */
	FORM_MOFFS = 0x40, /* offset of address size */
	FORM_FAR = 0x80, /* FORM_IZ (zero-extended), then a selector */
	FORM_ENTER = 0x100, /* word, then byte */
	FORM_BAD64 = 0x200, /* #UD in 64-bit mode */
	FORM_D64 = 0x400, /* operand size 8 in 64-bit mode unless 66 */
	FORM_F64 = 0x800, /* operand size 8 in 64-bit mode whatever the prefixes */
	FORM_BAD = 0x1000, /* #UD everywhere, nothing follows */
	FORM_GROUP3 = 0x2000 /* F6, F7: an immediate only for /0 and /1 */
};

extern const uint16_t decode_forms_one[256], decode_forms_0f[256];

#endif
