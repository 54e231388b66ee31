/* vmm/cpu/soft/translate_code.c: the pieces of code that many instructions
 * share: addresses, the TLB, conditions, exits.
 *
 * Used by: translate*.c. */
#include "vmm/cpu/soft/translate_impl.h"

void translate_exit(struct build *t, unsigned cond, const struct uop *u)
{
	t->stubs[t->n_stubs++] = (struct exit_stub){ em_jump(&t->p, cond), u, t->has_mxcsr };
}

void translate_rip(struct build *t, unsigned dst, int64_t off)
{
	int64_t disp = translate_in_page(t, off);

	em_load(&t->p, dst, OPD_S(page_rip));
	if (disp != (int32_t)disp) {
		em(&t->p, 8, 0x8D, dst, opd_mem(dst, (int32_t)off));
		disp -= off;
	}
	if (disp)
		em(&t->p, 8, 0x8D, dst, opd_mem(dst, (int32_t)disp));
}

void translate_ea(struct build *t, const struct plan *x)
{
	const struct insn *i = &x->i;
	struct opd o = opd_mem(HOST_T1, (int32_t)i->disp);
	bool far_seg = i->seg == CPU_FS || i->seg == CPU_GS;

	if (i->base == INSN_REG_RIP) {
		o.disp = 0;
		translate_rip(t, HOST_T1, i->disp + x->u->off);
	} else if (i->base == INSN_REG_NONE) {
		em_imm64(&t->p, HOST_T1, 0);
	} else {
		o.reg = (uint8_t)guest_read(t, i->base, HOST_T1);
	}
	if (i->index != INSN_REG_NONE) {
		o.index = (uint8_t)guest_read(t, i->index, HOST_T2);
		o.scale = i->scale;
	}
	if (o.reg != HOST_T1 || o.disp || o.index != HOST_RSP)
		em(&t->p, 8, 0x8D, HOST_T1, o);
	if (far_seg) {
		struct opd seg = opd_mem(HOST_S, (int32_t)(offsetof(struct soft, seg_base) + 8u * i->seg));

		em(&t->p, 8, 0x03, HOST_T1, seg);
	}
}

void translate_tlb(struct build *t, const struct plan *x, unsigned size, bool is_write)
{
	enum { SHIFT = 6 };
	size_t tag = is_write ? offsetof(struct tlb_entry, write_tag) : offsetof(struct tlb_entry, read_tag);

	_Static_assert(sizeof(struct tlb_entry) == 1 << SHIFT, "scaled by a shift");
	em(&t->p, 4, 0x8B, HOST_T2, opd_reg(HOST_T1));
	em(&t->p, 4, 0xC1, 5, opd_reg(HOST_T2)); /* shr */
	em8(&t->p, MEM_PAGE_SHIFT - SHIFT);
	em_alu_imm(&t->p, 4, 4, opd_reg(HOST_T2), (TLB_SIZE - 1) << SHIFT);
	em(&t->p, 8, 0x03, HOST_T2, OPD_S(tlb));
	em(&t->p, 8, 0x2B, HOST_T1, opd_mem(HOST_T2, (int32_t)tag));
	em_alu_imm(&t->p, 8, 7, opd_reg(HOST_T1), (int32_t)(MEM_PAGE_SIZE - size));
	translate_exit(t, COND_A, x->u);
	em(&t->p, 8, 0x03, HOST_T1, opd_mem(HOST_T2, offsetof(struct tlb_entry, host)));
	t->host_flags = false;
}

void translate_mem(struct build *t, const struct plan *x, unsigned size, bool is_write)
{
	translate_ea(t, x);
	translate_tlb(t, x, size, is_write);
}

void translate_flags(struct build *t)
{
	unsigned size = t->lazy_size;

	if (t->host_flags)
		return;
	t->host_flags = true;
	switch (t->lazy) {
	case LAZY_ADD:
	case LAZY_SUB:
		em_load(&t->p, HOST_T2, OPD_S(cc_aux));
		em(&t->p, size, (t->lazy == LAZY_ADD ? 2u : 0x3A) | (size > 1), HOST_T2, OPD_S(cc_src));
		return;
	case LAZY_LOGIC:
		em_alu_imm(&t->p, size, 7, OPD_S(cc_dst), 0);
		return;
	default:
		em_call_to(&t->p, t->t->flags);
		return;
	}
}

void translate_push_scratch(struct build *t, const struct plan *x)
{
	em(&t->p, 8, 0x8D, HOST_T1, opd_mem(HOST_GUEST_RSP, -8));
	translate_tlb(t, x, 8, true);
	em_load(&t->p, HOST_T2, OPD_S(scratch));
	em_store(&t->p, opd_mem(HOST_T1, 0), HOST_T2);
	em(&t->p, 8, 0x8D, HOST_GUEST_RSP, opd_mem(HOST_GUEST_RSP, -8));
}
