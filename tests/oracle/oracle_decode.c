/* tests/oracle/oracle_decode.c: instruction lengths and validity, ours against Zydis.
 *
 *   oracle_decode [N [SEED [MAX-PRINTED]]]
 *
 * N random byte strings, biased to prefixes and valid opcodes, in 64-, 32- and
 * 16-bit mode by turns. What Zydis knows and the processor model has not (AVX,
 * BMI, ...) must be refused here or mean its older self; it is counted as
 * skipped. Differences that the SDM decides in our favour stand in allowed[].
 *
 * Depends on: Zydis, vmm/cpu/soft/interp/exec.h (insn_decode).   Sources: SDM vol. 2 ch. 2, app. A. */
#include "vmm/cpu/soft/interp/exec.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t n_compared, n_differ, n_skipped, n_allowed, max_printed = 20;

static uint64_t next(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static void make_bytes(uint64_t *seed, uint8_t b[16])
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x36, 0x3E, 0x26,
					    0x64, 0x65, 0x48, 0x41, 0x4F, 0x66, 0xF3 };
	uint64_t r[3] = { next(seed), next(seed), next(seed) };
	unsigned n = 0;

	memcpy(b, r, 16);
	while (n < 5 && (r[2] & 3) == 0) {
		b[n++] = prefixes[(r[2] >> 2) & 15];
		r[2] >>= 6;
	}
	if (r[2] & 4) {
		b[n++] = 0x0F;
		if ((r[2] & 0x38) == 0)
			b[n] = r[2] & 0x40 ? 0x38 : 0x3A;
	}
}

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
	case ZYDIS_ISA_EXT_RDTSCP:
		return z->meta.isa_set != ZYDIS_ISA_SET_AMD;
	default:
		return false;
	}
}

struct form {
	uint8_t map, opcode, reg, mod; /* of ours */
};

/* The opcode of a string that Zydis refuses, or that we refuse. */
static struct form form_of(const uint8_t *b, enum soft_mode mode)
{
	struct insn i;

	memset(&i, 0, sizeof(i));
	insn_decode(b, 15, mode, &i);
	return (struct form){ i.map, i.opcode, i.reg & 7, i.mod };
}

static const struct {
	bool zydis_valid; /* which side accepts */
	uint8_t map, first, last;
	const char *why;
} allowed[] = {
	{ false, 1, 0x0D, 0x0D, "PREFETCH: reserved digits act as hints (SDM vol. 2, table A-6)" },
	{ true, 1, 0xAA, 0xAA, "RSM outside of SMM is #UD (SDM vol. 2, RSM)" },
	{ false, 1, 0x18, 0x1F, "reserved NOPs (SDM vol. 2, table A-3, 0F 18 to 0F 1F)" },
};

static const char *why_allowed(const struct form *f, bool zydis_valid)
{
	for (size_t k = 0; k < sizeof(allowed) / sizeof(allowed[0]); k++)
		if (allowed[k].zydis_valid == zydis_valid && allowed[k].map == f->map &&
		    f->opcode >= allowed[k].first && f->opcode <= allowed[k].last)
			return allowed[k].why;
	return NULL;
}

static void report(const uint8_t *b, const char *mode, int ours, const char *theirs, const char *name)
{
	if (n_differ++ >= max_printed)
		return;
	printf("%s:", mode);
	for (int k = 0; k < 15; k++)
		printf(" %02x", b[k]);
	printf("  ours %d, Zydis %s %s\n", ours, theirs, name);
}

static void compare(const uint8_t *b, enum soft_mode mode, const char *mode_name, const ZydisDecoder *d)
{
	ZydisDecodedInstruction z;
	struct insn i;
	char theirs[24];
	struct form f;
	ZyanStatus status = ZydisDecoderDecodeInstruction(d, NULL, b, 15, &z);
	int ours = insn_decode(b, 15, mode, &i);
	bool valid = ZYAN_SUCCESS(status);

	if (valid && !is_in_model(&z)) {
		n_skipped++;
		return;
	}
	n_compared++;
	if (valid ? ours == z.length : ours <= 0)
		return;
	f = form_of(b, mode);
	if (!(valid && ours > 0) && why_allowed(&f, valid)) {
		n_allowed++;
		return;
	}
	if (valid)
		snprintf(theirs, sizeof(theirs), "%u", z.length);
	else
		snprintf(theirs, sizeof(theirs), "invalid (%x)", (unsigned)ZYAN_STATUS_CODE(status));
	report(b, mode_name, ours, theirs, valid ? ZydisMnemonicGetString(z.mnemonic) : "");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum soft_mode mode;
		ZydisMachineMode zydis;
		ZydisStackWidth stack;
	} modes[] = {
		{ "64", SOFT_MODE_64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
		{ "32", SOFT_MODE_P32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		{ "16", SOFT_MODE_P16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
	};
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	ZydisDecoder decoders[3];

	if (argc > 3)
		max_printed = strtoull(argv[3], NULL, 0);
	for (int k = 0; k < 3; k++)
		ZydisDecoderInit(&decoders[k], modes[k].zydis, modes[k].stack);
	for (uint64_t k = 0; k < n; k++) {
		unsigned m = (unsigned)(k % 3);
		uint8_t b[16];

		make_bytes(&seed, b);
		compare(b, modes[m].mode, modes[m].name, &decoders[m]);
	}
	printf("oracle_decode: %llu compared, %llu differ, %llu skipped, %llu by the table of the SDM\n",
	       (unsigned long long)n_compared, (unsigned long long)n_differ,
	       (unsigned long long)n_skipped, (unsigned long long)n_allowed);
	return n_differ != 0;
}
