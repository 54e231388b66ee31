/* tests/oracle/oracle_gen.c: random instructions with a state that suits them.
 *
 * Bytes are drawn over all opcode maps and prefixes, with ModRM forms of every
 * kind; most that do not decode are thrown away. Then registers are bent so
 * that most memory operands fall into the window, at aligned, odd and
 * page-crossing places alike; some are left wild.
 *
 * Used by: tests/oracle/oracle_insn.c.   Depends on: Zydis, oracle.h. */
#include "tests/oracle/oracle.h"

#include <Zydis/Zydis.h>
#include <string.h>

/* splitmix64 */
uint64_t oracle_random(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static unsigned below(uint64_t *seed, unsigned n)
{
	return (unsigned)(oracle_random(seed) % n);
}

static uint64_t window_address(uint64_t *seed)
{
	unsigned off = below(seed, ORACLE_WINDOW_BYTES - 544);

	switch (below(seed, 8)) {
	case 0:
		return ORACLE_WINDOW + off;
	case 1: /* about the page boundary, or the end */
		return ORACLE_WINDOW + (below(seed, 2) ? 4096 : 8192) - 16 + below(seed, 32);
	case 2:
		return ORACLE_WINDOW + (off & ~7u);
	default:
		return ORACLE_WINDOW + (off & ~15u);
	}
}

static uint64_t integer(uint64_t *seed)
{
	static const uint64_t special[] = { 0, 1, 2, UINT64_MAX, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000,
					    0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
					    INT64_MAX, UINT64_C(1) << 63, 31, 32, 33, 63, 64 };

	switch (below(seed, 6)) {
	case 0:
		return special[below(seed, sizeof(special) / sizeof(special[0]))];
	case 1:
		return below(seed, 256);
	case 2:
	case 3:
		return window_address(seed);
	case 4:
		return oracle_random(seed) >> below(seed, 64);
	default:
		return oracle_random(seed);
	}
}

static uint32_t single(uint64_t *seed)
{
	static const uint32_t special[] = { 0, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000,
					    0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001,
					    0x7FBFFFFF, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF,
					    0x4F000000, 0xCF000000, 0x5F000000, 0x3F000000 };

	if (below(seed, 3) == 0)
		return special[below(seed, sizeof(special) / sizeof(special[0]))];
	if (below(seed, 3) == 0)
		return (uint32_t)oracle_random(seed);
	return (uint32_t)(oracle_random(seed) & 0x807FFFFF) | (uint32_t)(100 + below(seed, 60)) << 23;
}

static uint64_t twofold(uint64_t *seed)
{
	static const uint64_t special[] = { 0, UINT64_C(1) << 63, 0x3FF0000000000000, 0xBFF0000000000000,
					    0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000,
					    0x7FF0000000000001, 1, 0x000FFFFFFFFFFFFF,
					    0x0010000000000000, 0x7FEFFFFFFFFFFFFF, 0x41E0000000000000,
					    0xC1E0000000000000, 0x43E0000000000000, 0x380FFFFFFFFFFFFF };

	if (below(seed, 3) == 0)
		return special[below(seed, sizeof(special) / sizeof(special[0]))];
	return (oracle_random(seed) & 0x800FFFFFFFFFFFFF) | (uint64_t)(960 + below(seed, 120)) << 52;
}

static void vector(uint64_t *seed, void *at)
{
	uint32_t d[4];
	uint64_t q[2];

	switch (below(seed, 4)) {
	case 0:
	case 1:
		for (int k = 0; k < 4; k++)
			d[k] = single(seed);
		memcpy(at, d, 16);
		break;
	case 2:
		q[0] = twofold(seed);
		q[1] = twofold(seed);
		memcpy(at, q, 16);
		break;
	default:
		q[0] = integer(seed);
		q[1] = oracle_random(seed);
		memcpy(at, q, 16);
		break;
	}
}

static void extended(uint64_t *seed, uint8_t *st)
{
	uint64_t fraction = oracle_random(seed);
	uint16_t exponent = (uint16_t)(0x3FFF - 70 + below(seed, 140));

	switch (below(seed, 10)) {
	case 0: /* anything, unnormals too */
		exponent = (uint16_t)oracle_random(seed);
		break;
	case 1:
		exponent = 0;
		fraction = below(seed, 2) ? 0 : fraction;
		break;
	case 2:
		exponent = 0x7FFF;
		fraction = below(seed, 2) ? UINT64_C(1) << 63 : fraction;
		break;
	case 3:
		exponent = (uint16_t)(0x3FFF + below(seed, 8));
		fraction = UINT64_C(1) << 63 | (uint64_t)below(seed, 256) << 55;
		break;
	default:
		fraction |= UINT64_C(1) << 63;
	}
	exponent |= (uint16_t)((oracle_random(seed) & 1) << 15);
	memset(st, 0, 16);
	memcpy(st, &fraction, 8);
	memcpy(st + 8, &exponent, 2);
}

static void make_fx(uint64_t *seed, struct cpu_fxsave *fx)
{
	memset(fx, 0, sizeof(*fx));
	fx->fcw = 0x37F;
	fx->mxcsr = 0x1F80;
	fx->mxcsr_mask = 0xFFFF;
	if (below(seed, 3) == 0)
		fx->fcw = (uint16_t)((fx->fcw & ~0xF00u) | (oracle_random(seed) & 0xF00));
	if (below(seed, 8) == 0)
		fx->fcw = (uint16_t)((fx->fcw & ~0x3Fu) | (oracle_random(seed) & 0x3F));
	if (below(seed, 3) == 0)
		fx->mxcsr = (fx->mxcsr & 0x1F80) | (uint32_t)(oracle_random(seed) & 0xE07F);
	if (below(seed, 8) == 0)
		fx->mxcsr = (uint32_t)(oracle_random(seed) & 0xFFFF);
	fx->fsw = (uint16_t)(below(seed, 8) << 11 | (oracle_random(seed) & 0x4700));
	if (below(seed, 3) == 0)
		fx->fsw |= (uint16_t)(oracle_random(seed) & (below(seed, 4) ? fx->fcw & 0x3F : 0x3F));
	if (fx->fsw & ~fx->fcw & 0x3F)
		fx->fsw |= 0x8080;
	fx->ftw = below(seed, 2) ? 0xFF : (uint8_t)oracle_random(seed);
	for (int k = 0; k < 8; k++)
		extended(seed, fx->st[k]);
	for (int k = 0; k < 16; k++)
		vector(seed, fx->xmm[k]);
}

static unsigned put_opcode(uint64_t *seed, uint8_t *b, unsigned n)
{
	unsigned pick = below(seed, 100);

	if (pick < 38) {
		b[n++] = (uint8_t)oracle_random(seed);
	} else if (pick < 48) {
		b[n++] = (uint8_t)(0xD8 + below(seed, 8));
	} else {
		b[n++] = 0x0F;
		if (pick < 82) {
			b[n++] = (uint8_t)oracle_random(seed);
		} else if (pick < 92) {
			b[n++] = 0x38;
			b[n++] = (uint8_t)(below(seed, 8) ? below(seed, 0x42) : oracle_random(seed));
		} else {
			b[n++] = 0x3A;
			b[n++] = (uint8_t)(below(seed, 8) ? below(seed, 0x64) : oracle_random(seed));
		}
	}
	return n;
}

static void make_bytes(uint64_t *seed, uint8_t b[16])
{
	static const uint8_t mandatory[] = { 0x66, 0xF2, 0xF3 };
	static const uint8_t others[] = { 0x67, 0x65, 0x2E, 0x36, 0x3E, 0xF0, 0x66, 0xF2, 0xF3 };
	unsigned n = 0;

	while (n < 3 && below(seed, 8) == 0)
		b[n++] = others[below(seed, sizeof(others))];
	if (below(seed, 2))
		b[n++] = mandatory[below(seed, 3)];
	if (below(seed, 5) < 2)
		b[n++] = (uint8_t)(0x40 | below(seed, 16));
	n = put_opcode(seed, b, n);
	while (n < 16)
		b[n++] = (uint8_t)oracle_random(seed);
}

/* Memory operands that end in the window: the base register or, for those
 * that have none that could be bent, the displacement bytes. */
static void bend_operand(uint64_t *seed, struct oracle_case *c, const ZydisDecodedInstruction *z,
			 const ZydisDecodedOperandMem *m)
{
	uint64_t target = window_address(seed), rest = (uint64_t)m->disp.value;
	uint64_t *gpr = c->in.gpr;
	int base = m->base == ZYDIS_REGISTER_NONE || m->base == ZYDIS_REGISTER_RIP ?
			   -1 : ZydisRegisterGetId(m->base);
	int index = m->index == ZYDIS_REGISTER_NONE ? -1 : ZydisRegisterGetId(m->index);

	if (m->base == ZYDIS_REGISTER_RIP || (base < 0 && index < 0)) {
		uint64_t from = m->base == ZYDIS_REGISTER_RIP ? ORACLE_RIP + z->length : 0;
		uint64_t disp = target - from;

		if (z->raw.disp.size >= 32)
			memcpy(c->bytes + z->raw.disp.offset, &disp, z->raw.disp.size / 8);
		return;
	}
	if (base >= 0 && index >= 0 && index != base) {
		if (gpr[index] > 4096)
			gpr[index] = below(seed, 512);
		gpr[base] = target - rest - gpr[index] * m->scale;
	} else if (base >= 0 && index < 0) {
		gpr[base] = target - rest;
	} else if (index >= 0) {
		unsigned scale = m->scale + (base == index ? 1u : 0u);

		gpr[index] = (target - rest) / scale;
	}
}

static void bend_string(uint64_t *seed, struct oracle_case *c)
{
	c->in.gpr[CPU_RSI] = window_address(seed);
	c->in.gpr[CPU_RDI] = window_address(seed);
	c->in.gpr[CPU_RCX] = below(seed, 20);
}

static bool is_string(const ZydisDecodedInstruction *z)
{
	if (z->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	return (z->opcode >= 0xA4 && z->opcode <= 0xA7) || (z->opcode >= 0xAA && z->opcode <= 0xAF) ||
	       (z->opcode >= 0x6C && z->opcode <= 0x6F);
}

static void make_state(uint64_t *seed, struct oracle_case *c)
{
	for (int k = 0; k < 16; k++)
		c->in.gpr[k] = integer(seed);
	c->in.gpr[CPU_RSP] = ORACLE_WINDOW + 1024 + (below(seed, 6000) & ~7u);
	c->in.gpr[CPU_RBP] = below(seed, 2) ? c->in.gpr[CPU_RBP] :
					      ORACLE_WINDOW + 1024 + (below(seed, 6000) & ~7u);
	c->in.rip = c->is_16 ? ORACLE_RIP - ORACLE_CODE : ORACLE_RIP;
	c->in.rflags = 0x202 | (oracle_random(seed) & 0x8D5) | (below(seed, 4) ? 0 : 0x400);
	make_fx(seed, &c->in.fx);
}

void oracle_decoder(const struct oracle_case *c, struct ZydisDecoder_ *ret_decoder)
{
	(void)ZydisDecoderInit(ret_decoder, c->is_16 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_16 :
					    c->is_32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 :
						       ZYDIS_MACHINE_MODE_LONG_64,
			       c->is_32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_64);
}

/* A case of the mode that is set in @c. */
static void generate(uint64_t *seed, struct oracle_case *c)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;
	bool valid;

	oracle_decoder(c, &decoder);
	do {
		make_bytes(seed, c->bytes);
		valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, c->bytes, 15, &z, operands));
	} while (!valid && below(seed, 8));
	c->len = valid ? z.length : ORACLE_INSN_MAX;
	c->is_rep = false;
	c->skip = c->died = false;
	make_state(seed, c);
	if (valid) {
		memset(c->bytes + z.length, ORACLE_FILL, 16u - z.length);
		for (int k = 0; k < z.operand_count; k++)
			if (operands[k].type == ZYDIS_OPERAND_TYPE_MEMORY &&
			    operands[k].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT && below(seed, 8))
				bend_operand(seed, c, &z, &operands[k].mem);
		if (is_string(&z)) {
			bend_string(seed, c);
			c->is_rep = z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
						    ZYDIS_ATTRIB_HAS_REPNE);
		} else if (z.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU ||
			   z.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ) {
			c->in.gpr[CPU_RDI] = window_address(seed);
		} else if (z.mnemonic == ZYDIS_MNEMONIC_XLAT) {
			c->in.gpr[CPU_RBX] = window_address(seed);
		}
	}
	for (int k = 0; c->is_32 && k < 16; k++)
		c->in.gpr[k] = k < 8 ? (uint32_t)c->in.gpr[k] : 0;
	for (unsigned k = 0; k < ORACLE_WINDOW_BYTES; k += 16)
		vector(seed, c->window + k);
}

void oracle_generate(uint64_t *seed, struct oracle_case *c)
{
	c->is_32 = below(seed, 4) == 0;
	c->is_16 = false;
	generate(seed, c);
}

void oracle_generate_16(uint64_t *seed, struct oracle_case *c)
{
	c->is_32 = c->is_16 = true;
	generate(seed, c);
}
