/* vmm/cpu/soft/interp/fpu_env.c: x87 control instructions: words, environment, state.
 *
 * None of them computes, so none needs the host. Those that do not wait (FN...)
 * check #NM only. Loading a state with unmasked flags makes ES and B follow;
 * the next waiting instruction raises #MF.
 *
 * The environment has four layouts (SDM vol. 1, figures 8-9 to 8-12): 16- or
 * 32-bit operand size, protected or real mode. 64-bit mode uses the protected
 * ones. Selectors are stored as zero and ignored when loaded.
 *
 * Used by: exec_lookup.c.   Depends on: fpu_x87.h.   Sources: SDM vol. 1 §8.1.8 to §8.1.11. */
#include "vmm/cpu/soft/interp/fpu_x87.h"

enum { ENV16_BYTES = 14, ENV32_BYTES = 28, STACK_BYTES = 80 };

static size_t env_bytes(const struct insn *i)
{
	return i->opsize == 2 ? ENV16_BYTES : ENV32_BYTES;
}

static bool is_real(const struct soft *s)
{
	return s->mode == SOFT_MODE_REAL || s->mode == SOFT_MODE_V86;
}

static void put(uint8_t *p, size_t n, uint64_t v)
{
	memcpy(p, &v, n);
}

static uint32_t get(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	memcpy(&v, p, n);
	return v;
}

/* The tag that an 80-bit value deserves (SDM vol. 1 §8.1.7). */
static unsigned tag_of(const uint8_t *st)
{
	uint64_t fraction;
	unsigned exponent = (st[8] | (unsigned)st[9] << 8) & 0x7FFF;

	memcpy(&fraction, st, 8);
	if (exponent == 0 && fraction == 0)
		return 1;
	if (exponent == 0 || exponent == 0x7FFF || !(fraction >> 63))
		return 2;
	return 0;
}

static uint16_t full_tags(const struct soft *s)
{
	unsigned top = (s->fx.fsw >> 11) & 7, tags = 0;

	for (unsigned p = 0; p < 8; p++) {
		unsigned tag = s->fx.ftw & 1u << p ? tag_of(s->fx.st[(p - top) & 7]) : 3;

		tags |= tag << (2 * p);
	}
	return (uint16_t)tags;
}

static void env_put(const struct soft *s, const struct insn *i, uint8_t *env)
{
	size_t w = i->opsize == 2 ? 2 : 4; /* distance of the fields */
	uint32_t high = w == 4 ? 0xFFFF0000 : 0;
	uint64_t ip = s->fx.fip, dp = s->fx.fdp;

	put(env, w, s->fx.fcw | high);
	put(env + w, w, s->fx.fsw | high);
	put(env + 2 * w, w, full_tags(s) | high);
	if (is_real(s)) {
		uint64_t mask = w == 4 ? 0xFFFF : 0xF;

		put(env + 3 * w, w, (ip & 0xFFFF));
		put(env + 4 * w, w, ((ip >> 16) & mask) << 12 | (s->fx.fop & 0x7FF));
		put(env + 5 * w, w, (dp & 0xFFFF));
		put(env + 6 * w, w, ((dp >> 16) & mask) << 12);
		return;
	}
	put(env + 3 * w, w, ip);
	put(env + 4 * w, w, w == 4 ? (uint32_t)(s->fx.fop & 0x7FF) << 16 : 0);
	put(env + 5 * w, w, dp);
	put(env + 6 * w, w, high);
}

static void env_get(struct soft *s, const struct insn *i, const uint8_t *env)
{
	size_t w = i->opsize == 2 ? 2 : 4;
	uint32_t tags = get(env + 2 * w, 2), word4 = get(env + 4 * w, w);
	uint16_t fsw = (uint16_t)get(env + w, 2);

	s->fx.fcw = (uint16_t)((get(env, 2) & FCW_VALID) | FCW_FIXED);
	fpu_set_top(s, (fsw >> 11) & 7);
	s->fx.fsw = fsw;
	s->fx.ftw = 0;
	for (unsigned p = 0; p < 8; p++)
		if (((tags >> (2 * p)) & 3) != 3)
			s->fx.ftw = (uint8_t)(s->fx.ftw | 1u << p);
	s->fx.fip = get(env + 3 * w, w);
	s->fx.fdp = get(env + 5 * w, w);
	if (is_real(s)) {
		s->fx.fip = (s->fx.fip & 0xFFFF) | (uint64_t)(word4 >> 12) << 16;
		s->fx.fdp = (s->fx.fdp & 0xFFFF) | (uint64_t)(get(env + 6 * w, w) >> 12) << 16;
		s->fx.fop = word4 & 0x7FF;
	} else if (w == 4) {
		s->fx.fop = (word4 >> 16) & 0x7FF;
	}
	fpu_summarize(s);
}

static void fpu_init(struct soft *s)
{
	fpu_set_top(s, 0);
	s->fx.fcw = FCW_INIT;
	s->fx.fsw = 0;
	s->fx.ftw = 0;
	s->fx.fop = 0;
	s->fx.fip = s->fx.fdp = 0;
}

void x87_fldenv(struct soft *s, const struct insn *i)
{
	size_t n = env_bytes(i);
	uint8_t env[ENV32_BYTES];

	x87_check(s);
	mmu_ld_bytes(s, soft_lin_for(s, i, n, false), env, n);
	env_get(s, i, env);
}

void x87_fnstenv(struct soft *s, const struct insn *i)
{
	size_t n = env_bytes(i);
	uint8_t env[ENV32_BYTES];

	x87_check_nm(s);
	env_put(s, i, env);
	mmu_st_bytes(s, soft_lin_for(s, i, n, true), env, n);
	s->fx.fcw |= FPU_FLAGS;
	fpu_summarize(s);
}

void x87_fnsave(struct soft *s, const struct insn *i)
{
	size_t n = env_bytes(i);
	uint8_t image[ENV32_BYTES + STACK_BYTES];

	x87_check_nm(s);
	env_put(s, i, image);
	for (size_t k = 0; k < 8; k++)
		memcpy(image + n + 10 * k, s->fx.st[k], 10);
	mmu_st_bytes(s, soft_lin_for(s, i, n + STACK_BYTES, true), image, n + STACK_BYTES);
	fpu_init(s);
}

void x87_frstor(struct soft *s, const struct insn *i)
{
	size_t n = env_bytes(i);
	uint8_t image[ENV32_BYTES + STACK_BYTES];

	x87_check(s);
	mmu_ld_bytes(s, soft_lin_for(s, i, n + STACK_BYTES, false), image, n + STACK_BYTES);
	env_get(s, i, image);
	for (size_t k = 0; k < 8; k++)
		memcpy(s->fx.st[k], image + n + 10 * k, 10);
}

void x87_fldcw(struct soft *s, const struct insn *i)
{
	uint16_t v;

	x87_check(s);
	v = mmu_ld16(s, soft_lin_for(s, i, 2, false));
	s->fx.fcw = (uint16_t)((v & FCW_VALID) | FCW_FIXED);
	fpu_summarize(s);
}

void x87_fnstcw(struct soft *s, const struct insn *i)
{
	x87_check_nm(s);
	mmu_st16(s, soft_lin_for(s, i, 2, true), s->fx.fcw);
}

void x87_fnstsw(struct soft *s, const struct insn *i)
{
	x87_check_nm(s);
	mmu_st16(s, soft_lin_for(s, i, 2, true), s->fx.fsw);
}

void x87_fnstsw_ax(struct soft *s, const struct insn *i)
{
	(void)i;
	x87_check_nm(s);
	s->r[CPU_RAX] = (s->r[CPU_RAX] & ~UINT64_C(0xFFFF)) | s->fx.fsw;
}

void x87_fnclex(struct soft *s, const struct insn *i)
{
	(void)i;
	x87_check_nm(s);
	s->fx.fsw &= (uint16_t) ~(FPU_FLAGS | FSW_SF | FSW_ES | FSW_B);
}

void x87_fninit(struct soft *s, const struct insn *i)
{
	(void)i;
	x87_check_nm(s);
	fpu_init(s);
}

/* FNENI, FNDISI, FNSETPM of the 8087 and 287: nothing since the 387. */
void x87_fnop_control(struct soft *s, const struct insn *i)
{
	(void)i;
	x87_check_nm(s);
}

/* WAIT heeds TS only together with MP, and never EM. SDM vol. 3 §2.5. */
void fpu_wait(struct soft *s, const struct insn *i)
{
	(void)i;
	if ((s->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		soft_raise(s, EXC_NM);
	if (x87_is_pending(s) && s->cr0 & CR0_NE)
		soft_raise(s, EXC_MF);
}
