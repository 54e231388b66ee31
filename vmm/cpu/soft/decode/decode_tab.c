/* vmm/cpu/soft/decode/decode_tab.c: the forms of the one-byte and the 0F opcodes.
 *
 * The 0F38 map is all ModRM, the 0F3A map all ModRM and immediate byte.
 *
 * Used by: vmm/cpu/soft/decode/decode.c.   Sources: SDM vol. 2, tables. */
#include "vmm/cpu/soft/decode/decode_tab.h"

#define M FORM_MODRM
#define BAD64 FORM_BAD64
#define ALU(op)                                                                \
	[(op)] = M, [(op) + 1] = M, [(op) + 2] = M, [(op) + 3] = M, [(op) + 4] = FORM_IB, \
	[(op) + 5] = FORM_IZ

const uint16_t decode_forms_one[256] = {
	ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18),
	ALU(0x20), ALU(0x28), ALU(0x30), ALU(0x38),
	[0x06] = BAD64, [0x07] = BAD64, [0x0E] = BAD64,
	[0x16] = BAD64, [0x17] = BAD64, [0x1E] = BAD64, [0x1F] = BAD64,
	[0x27] = BAD64, [0x2F] = BAD64, [0x37] = BAD64, [0x3F] = BAD64,
	[0x50 ... 0x5F] = FORM_D64,
	[0x60] = BAD64, [0x61] = BAD64, [0x62] = M | BAD64, [0x63] = M,
	[0x68] = FORM_IZ | FORM_D64, [0x69] = M | FORM_IZ,
	[0x6A] = FORM_IB | FORM_D64, [0x6B] = M | FORM_IB,
	[0x70 ... 0x7F] = FORM_IB | FORM_F64,
	[0x80] = M | FORM_IB, [0x81] = M | FORM_IZ, [0x82] = M | FORM_IB | BAD64,
	[0x83] = M | FORM_IB,
	[0x84 ... 0x8E] = M, [0x8F] = M | FORM_D64,
	[0x9A] = FORM_FAR | BAD64, [0x9C] = FORM_D64, [0x9D] = FORM_D64,
	[0xA0 ... 0xA3] = FORM_MOFFS,
	[0xA8] = FORM_IB, [0xA9] = FORM_IZ,
	[0xB0 ... 0xB7] = FORM_IB, [0xB8 ... 0xBF] = FORM_IV,
	[0xC0] = M | FORM_UB, [0xC1] = M | FORM_UB,
	[0xC2] = FORM_IW | FORM_F64, [0xC3] = FORM_F64,
	[0xC4] = M | BAD64, [0xC5] = M | BAD64,
	[0xC6] = M | FORM_IB, [0xC7] = M | FORM_IZ,
	[0xC8] = FORM_ENTER | FORM_D64, [0xC9] = FORM_D64,
	[0xCA] = FORM_IW, [0xCD] = FORM_UB, [0xCE] = BAD64,
	[0xD0 ... 0xD3] = M,
	[0xD4] = FORM_UB | BAD64, [0xD5] = FORM_UB | BAD64, [0xD6] = BAD64,
	[0xD8 ... 0xDF] = M,
	[0xE0 ... 0xE3] = FORM_IB | FORM_F64,
	[0xE4 ... 0xE7] = FORM_UB,
	[0xE8] = FORM_IZ | FORM_F64, [0xE9] = FORM_IZ | FORM_F64,
	[0xEA] = FORM_FAR | BAD64, [0xEB] = FORM_IB | FORM_F64,
	[0xF6] = M | FORM_GROUP3 | FORM_IB, [0xF7] = M | FORM_GROUP3 | FORM_IZ,
	[0xFE] = M, [0xFF] = M,
};

const uint16_t decode_forms_0f[256] = {
	[0x00 ... 0x03] = M,
	[0x04] = FORM_BAD, [0x0A] = FORM_BAD, [0x0C] = FORM_BAD,
	[0x0D] = M, [0x0E] = FORM_BAD, [0x0F] = FORM_BAD,
	[0x10 ... 0x1F] = M,
	[0x20 ... 0x23] = M | FORM_F64, /* MOV CR/DR */
	[0x24 ... 0x27] = FORM_BAD,
	[0x28 ... 0x2F] = M,
	[0x36] = FORM_BAD, [0x37] = 0,
	[0x38 ... 0x3F] = FORM_BAD, /* 38 and 3A are maps */
	[0x40 ... 0x6F] = M,
	[0x70 ... 0x73] = M | FORM_UB,
	[0x74 ... 0x76] = M,
	[0x78 ... 0x79] = M,
	[0x7A ... 0x7B] = FORM_BAD,
	[0x7C ... 0x7F] = M,
	[0x80 ... 0x8F] = FORM_IZ | FORM_F64,
	[0x90 ... 0x9F] = M,
	[0xA0] = FORM_D64, [0xA1] = FORM_D64,
	[0xA3] = M, [0xA4] = M | FORM_UB, [0xA5] = M,
	[0xA6 ... 0xA7] = FORM_BAD,
	[0xA8] = FORM_D64, [0xA9] = FORM_D64,
	[0xAB] = M, [0xAC] = M | FORM_UB, [0xAD ... 0xB9] = M,
	[0xBA] = M | FORM_UB, [0xBB ... 0xC1] = M,
	[0xC2] = M | FORM_UB, [0xC3] = M, [0xC4 ... 0xC6] = M | FORM_UB, [0xC7] = M,
	[0xD0 ... 0xFF] = M,
};
