/* vmm/cpu/soft/translate/prologue.c: the code that all traces share: prologue and epilogue, exits, calls of
 * executors, indirect jumps.
 *
 * The prologue pushes C's callee-saved registers and loads the guest's registers; the epilogue stores the
 * guest's and pops C's. Translated code has a stack of its own, which holds the return addresses of
 * guest CALLs (link.c). C code that it calls runs on C's stack, so a
 * longjmp out of an executor leaves nothing behind on either stack.
 *
 * Used by: translate.c.   Sources: System V ABI for x86-64 §3.2. */
#include "vmm/cpu/soft/translate/build.h"

static const uint8_t saved[] = { 3, 5, 12, 13, 14, 15 }; /* RBX, RBP, R12 to R15 */

static void em_guest(uint8_t **p, bool is_load)
{
	for (unsigned g = 0; g < 16; g++) {
		struct opd o = opd_mem(HOST_S, (int32_t)(offsetof(struct soft, r) + 8 * g));

		if (guest_host(g) == HOST_NONE)
			continue;
		if (is_load)
			em_load(p, guest_host(g), o);
		else
			em_store(p, o, guest_host(g));
	}
}

static void em_jump_c(uint8_t **p, uint64_t fn, bool is_call)
{
	em_imm64(p, HOST_RAX, fn);
	if (is_call)
		em_call_ind(p, opd_reg(HOST_RAX));
	else
		em_jump_ind(p, opd_reg(HOST_RAX));
}

/* RDI = s, for C. */
static void em_soft(uint8_t **p)
{
	em_lea(p, HOST_RDI, opd_mem(HOST_S, 0));
}

/* The guest's registers are stored and the stack is aligned: the lazy flags become what C knows. */
static void em_normalize(uint8_t **p)
{
	uint8_t *is_normal;

	em_alu_imm(p, 4, ALU_CMP, OPD_S(cc_op), CC_COUNT);
	is_normal = em_jump(p, COND_B);
	em_soft(p);
	em_jump_c(p, (uint64_t)(uintptr_t)translate_normalize, true);
	em_patch(is_normal, *p);
}

/* From the stack of translated code to C's, which is aligned. */
static void em_to_c(uint8_t **p)
{
	em_store(p, OPD_S(code_sp), HOST_RSP);
	em_load(p, HOST_RSP, OPD_S(c_sp));
}

/* The host's registers come back. On C's stack. */
static void em_restore(uint8_t **p)
{
	em_alu_imm(p, 8, ALU_ADD, opd_reg(HOST_RSP), 8);
	for (size_t k = sizeof(saved); k--;)
		em_pop(p, saved[k]);
}

/* The guest's registers are stored; RDI becomes s and RSI T1; the host's registers come back. */
static void em_leave_stored(uint8_t **p)
{
	em_to_c(p);
	em_normalize(p);
	em_soft(p);
	em_mov(p, HOST_RSI, HOST_T1);
	em_restore(p);
}

static void em_leave(uint8_t **p)
{
	em_guest(p, false);
	em_leave_stored(p);
}

/* RAX = the linear address of block @h. The guest's registers are stored. */
static void em_block_rip(uint8_t **p, unsigned h)
{
	em_mov_load(p, 4, HOST_RAX, opd_mem(h, offsetof(struct block, gpa)));
	em_alu_imm(p, 4, ALU_AND, opd_reg(HOST_RAX), MEM_PAGE_SIZE - 1);
	em_alu(p, 8, ALU_ADD, HOST_RAX, OPD_S(page_rip));
}

/* T2 is the block that runs: C knows where, and the guest's registers are stored. */
static void em_within(uint8_t **p)
{
	em_guest(p, false);
	em_block_rip(p, HOST_T2);
	em_store(p, OPD_S(r[INSN_REG_RIP]), HOST_RAX);
	em_store(p, OPD_S(block), HOST_T2);
}

static void em_leave_block(uint8_t **p)
{
	em_within(p);
	em_leave_stored(p);
}

static void em_return_null(uint8_t **p)
{
	em_alu_store(p, 4, ALU_XOR, HOST_RAX, opd_reg(HOST_RAX));
	em_ret(p);
}

/* An offset in the slots in @h becomes an address. Clobbers flags. */
static void em_from_slots(uint8_t **p, unsigned h)
{
	em_alu(p, 8, ALU_ADD, h, OPD_S(slots));
}

static void make_exits(struct translate *t)
{
	uint8_t **p = &t->next, *is_straddle;

	t->no_code = *p;
	em_guest(p, false);
	em_block_rip(p, HOST_T1);
	em_store(p, OPD_S(rip), HOST_RAX);
	em_store(p, OPD_S(block), HOST_T1); /* where uop_dead() looks for the link that led to it */
	em_leave_stored(p);
	em_jump_ind(p, opd_mem(HOST_RSI, offsetof(struct block, enter)));
	t->stub_span = *p;
	em_alu_imm(p, 8, ALU_CMP, OPD_S(scratch), MEM_PAGE_SIZE);
	is_straddle = em_jump(p, COND_B);
	t->stub_uop = *p;
	em_from_slots(p, HOST_T1);
	em_from_slots(p, HOST_T2);
	t->to_uop = *p;
	em_leave_block(p);
	if (t->profile)
		em_jump_c(p, (uint64_t)(uintptr_t)translate_profile_exit, false);
	else
		em_jump_ind(p, opd_mem(HOST_RSI, offsetof(struct uop, fn)));
	em_patch(is_straddle, *p);
	em_from_slots(p, HOST_T1);
	em_from_slots(p, HOST_T2);
	em_leave_block(p);
	em_jump_c(p, (uint64_t)(uintptr_t)translate_straddle, false);
	t->stub_enter = *p;
	em_from_slots(p, HOST_T1);
	em_guest(p, false);
	em_block_rip(p, HOST_T1);
	em_store(p, OPD_S(rip), HOST_RAX);
	em_leave_stored(p);
	em_jump_c(p, (uint64_t)(uintptr_t)(t->profile ? translate_profile_enter : translate_budget_short), false);
	t->to_dispatcher = *p;
	em_leave(p);
	em_return_null(p);
	t->to_follow = *p;
	em_leave(p);
	em_jump_c(p, (uint64_t)(uintptr_t)(t->profile ? translate_profile_follow : translate_follow), false);
}

/* T1 is a block and s->rip its address; the guest's registers are stored: into its code. Clobbers T2. */
static void em_go(uint8_t **p)
{
	em_load(p, HOST_RSP, OPD_S(code_sp));
	em_load(p, HOST_T2, OPD_S(rip));
	em_alu_imm(p, 8, ALU_AND, opd_reg(HOST_T2), -MEM_PAGE_SIZE);
	em_store(p, OPD_S(page_rip), HOST_T2);
	em_guest(p, true);
	em_jump_ind(p, opd_mem(HOST_T1, offsetof(struct block, code)));
}

static void make_enter(struct translate *t)
{
	uint8_t **p = &t->next;

	t->enter = *p;
	for (size_t k = 0; k < sizeof(saved); k++)
		em_push(p, saved[k]);
	em_alu_imm(p, 8, ALU_SUB, opd_reg(HOST_RSP), 8);
	em_lea(p, HOST_S, opd_mem(HOST_RDI, SOFT_MIDDLE));
	em_mov(p, HOST_T1, HOST_RSI);
	em_store(p, OPD_S(c_sp), HOST_RSP);
	em_go(p);
}

/* Runs the uop's instruction by its executor, as uop_generic() does.
 * Returns whether the block must be left. */
static int exec_uop(struct soft *s, const struct uop *u)
{
	const struct insn *i = (const struct insn *)(const void *)(u + 1);

	s->cur = u;
	s->rip = uop_rip(s, u);
	s->insn_rip = s->rip - u->len;
	i->exec(s, i);
	if (UOP_LIKELY(!s->block_dead))
		return 0;
	s->budget += s->block->n_insns - u->n;
	return 1;
}

static int exec_and_count(struct soft *s, const struct uop *u)
{
	translate_profile_exec(s, (const struct insn *)(const void *)(u + 1));
	return exec_uop(s, u);
}

static void make_exec(struct translate *t)
{
	uint8_t **p = &t->next;

	t->exec = *p;
	em_within(p);
	em_pop(p, HOST_T2); /* where it was called from: a fault does not leave it behind */
	em_to_c(p);
	em_normalize(p);
	em_soft(p);
	em_mov(p, HOST_RSI, HOST_T1);
	em_jump_c(p, (uint64_t)(uintptr_t)(t->profile ? exec_and_count : exec_uop), true);
	em_load(p, HOST_RSP, OPD_S(code_sp));
	em_push(p, HOST_T2);
	em_test(p, 4, HOST_RAX, opd_reg(HOST_RAX));
	em_guest(p, true);
	em_ret(p);
}

static void make_end(struct translate *t)
{
	uint8_t **p = &t->next, *is_none;

	t->end = *p;
	em_within(p);
	em_to_c(p);
	em_normalize(p);
	em_soft(p);
	em_mov(p, HOST_RSI, HOST_T1);
	em_jump_c(p, (uint64_t)(uintptr_t)(t->profile ? translate_profile_end : uop_end), true);
	em_test(p, 8, HOST_RAX, opd_reg(HOST_RAX));
	is_none = em_jump(p, COND_E);
	em_mov(p, HOST_T1, HOST_RAX);
	em_go(p);
	em_patch(is_none, *p);
	em_restore(p);
	em_return_null(p);
}

void translate_normalize(struct soft *s)
{
	unsigned size = s->cc_op & 15;
	unsigned shift = 64 - 8 * size;
	uint64_t src = (uint64_t)((int64_t)(s->cc_src << shift) >> shift);
	uint64_t aux = (uint64_t)((int64_t)(s->cc_aux << shift) >> shift);

	if (s->cc_op == cc_raw(LAZY_LOGIC, size))
		cc_set_logic(s, (uint64_t)((int64_t)(s->cc_dst << shift) >> shift));
	else if (s->cc_op == cc_raw(LAZY_ADD, size))
		cc_set(s, CC_ADD, (uint64_t)((int64_t)((aux + src) << shift) >> shift), src, aux);
	else if (s->cc_op == cc_raw(LAZY_SUB, size))
		cc_set(s, CC_SUB, (uint64_t)((int64_t)((aux - src) << shift) >> shift), src, aux);
}

static uint32_t normalized_flags(struct soft *s)
{
	translate_normalize(s);
	return cc_flags(s);
}

enum { XMM_BYTES = 256 };

/* The XMM registers to the stack and back: any of them may be the guest's. */
static void em_xmm(uint8_t **p, bool is_load)
{
	for (unsigned n = 0; n < 16; n++) {
		struct opd at = opd_mem(HOST_RSP, (int32_t)(16 * n));

		if (is_load)
			em_xmm_load(p, n, at);
		else
			em_xmm_store(p, at, n);
	}
}

/* Flags of CMP and of logical instructions are computed here, since they are read most; all others in C. */
static void make_flags(struct translate *t)
{
	uint8_t **p = &t->next, *other;

	t->flags = *p;
	for (unsigned size = 4; size <= 8; size += 4) {
		em_alu_imm(p, 4, ALU_CMP, OPD_S(cc_op), (int32_t)cc_raw(LAZY_SUB, size));
		other = em_jump(p, COND_NE);
		em_load(p, HOST_T2, OPD_S(cc_aux));
		em_alu(p, size, ALU_CMP, HOST_T2, OPD_S(cc_src));
		em_ret(p);
		em_patch(other, *p);
		em_alu_imm(p, 4, ALU_CMP, OPD_S(cc_op), (int32_t)cc_raw(LAZY_LOGIC, size));
		other = em_jump(p, COND_NE);
		em_alu_imm(p, size, ALU_CMP, OPD_S(cc_dst), 0);
		em_ret(p);
		em_patch(other, *p);
	}
	em_alu_imm(p, 4, ALU_CMP, OPD_S(cc_op), CC_FLAGS);
	other = em_jump(p, COND_NE);
	em_push_mem(p, OPD_S(cc_src));
	em_popfq(p); /* popfq: only arithmetic flags can change by it */
	em_ret(p);
	em_patch(other, *p);
	em_guest(p, false);
	em_to_c(p);
	em_alu_imm(p, 8, ALU_SUB, opd_reg(HOST_RSP), XMM_BYTES);
	em_xmm(p, false);
	em_soft(p);
	em_jump_c(p, (uint64_t)(uintptr_t)normalized_flags, true);
	em_xmm(p, true);
	em_load(p, HOST_RSP, OPD_S(code_sp));
	em_mov_load(p, 4, HOST_T2, opd_reg(HOST_RAX));
	em_guest(p, true);
	em_push(p, HOST_T2);
	em_popfq(p);
	em_ret(p);
}

/* uop_jump() in registers: RAX and RCX are free once they are stored. */
static void make_jump(struct translate *t)
{
	const int32_t jump = (int32_t)offsetof(struct block_cache, jump);
	uint8_t **p = &t->next, *miss[4];

	t->jump = *p;
	em_store(p, OPD_S(r[0]), HOST_RAX);
	em_store(p, OPD_S(r[1]), HOST_RCX);
	em_mov(p, HOST_T2, HOST_T1);
	em_shift_imm(p, 8, SHIFT_SHR, opd_reg(HOST_T2), MEM_PAGE_SHIFT);
	em_mov_load(p, 4, HOST_RAX, opd_reg(HOST_T2));
	em_alu(p, 4, ALU_XOR, HOST_RAX, opd_reg(HOST_T1));
	em_alu_imm(p, 4, ALU_AND, opd_reg(HOST_RAX), JUMP_SIZE - 1);
	em_shift_imm(p, 4, SHIFT_SHL, opd_reg(HOST_RAX), 4);
	em_alu(p, 8, ALU_ADD, HOST_RAX, OPD_S(blocks));
	em_mov(p, HOST_RCX, HOST_T1);
	em_alu(p, 8, ALU_XOR, HOST_RCX, OPD_S(jump_key));
	em_alu(p, 8, ALU_CMP, HOST_RCX, opd_mem(HOST_RAX, jump + (int32_t)offsetof(struct jump_entry, key)));
	miss[0] = em_jump(p, COND_NE);
	em_load(p, HOST_RAX, opd_mem(HOST_RAX, jump + (int32_t)offsetof(struct jump_entry, block)));
	em_test(p, 8, HOST_RAX, opd_reg(HOST_RAX));
	miss[1] = em_jump(p, COND_E);
	em_alu_imm(p, 4, ALU_AND, opd_reg(HOST_T2), TLB_SIZE - 1);
	em_shift_imm(p, 4, SHIFT_SHL, opd_reg(HOST_T2), 4);
	em_alu(p, 8, ALU_ADD, HOST_T2, OPD_S(code_tlb));
	em_mov(p, HOST_RCX, HOST_T1);
	em_alu_imm(p, 8, ALU_AND, opd_reg(HOST_RCX), -MEM_PAGE_SIZE);
	em_alu(p, 8, ALU_CMP, HOST_RCX, opd_mem(HOST_T2, offsetof(struct code_entry, tag)));
	miss[2] = em_jump(p, COND_NE);
	em_load(p, HOST_RCX, opd_mem(HOST_RAX, offsetof(struct block, gpa)));
	em_shift_imm(p, 8, SHIFT_SHR, opd_reg(HOST_RCX), MEM_PAGE_SHIFT);
	em_alu(p, 4, ALU_CMP, HOST_RCX, opd_mem(HOST_T2, offsetof(struct code_entry, pfn)));
	miss[3] = em_jump(p, COND_NE);
	em_alu_imm(p, 8, ALU_AND, opd_reg(HOST_T1), -MEM_PAGE_SIZE);
	em_store(p, OPD_S(page_rip), HOST_T1);
	em_mov(p, HOST_T1, HOST_RAX);
	em_load(p, HOST_RAX, OPD_S(r[0]));
	em_load(p, HOST_RCX, OPD_S(r[1]));
	em_jump_ind(p, opd_mem(HOST_T1, offsetof(struct block, code)));
	for (size_t k = 0; k < sizeof(miss) / sizeof(miss[0]); k++)
		em_patch(miss[k], *p);
	em_store(p, OPD_S(rip), HOST_T1);
	em_load(p, HOST_RAX, OPD_S(r[0]));
	em_load(p, HOST_RCX, OPD_S(r[1]));
	em_jump_to(p, COND_COUNT, t->to_dispatcher);
	t->underflow = *p;
	em_alu_imm(p, 8, ALU_SUB, opd_reg(HOST_RSP), 8);
	em_jump_to(p, COND_COUNT, t->jump);
}

void translate_make_shared(struct translate *t)
{
	make_exits(t);
	make_enter(t);
	make_exec(t);
	make_end(t);
	make_flags(t);
	make_jump(t);
}
