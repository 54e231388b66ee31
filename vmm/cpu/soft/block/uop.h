/* vmm/cpu/soft/block/uop.h: what a decoded block is made of, and how uops follow
 * each other.
 *
 * A block is a header and a run of 32-byte slots. The header begins with a
 * function like every uop, so a jump to a block is a call of its header. An
 * ordinary uop takes one slot; a branch two, the second holding its chains; a
 * generic one three, the others holding the struct insn that its executor reads.
 *
 * Threading: a uop's function ends in a call of the next one in tail position
 * (UOP_NEXT). Where the compiler does not make that a jump (no optimisation,
 * sanitizers) it returns the next uop instead and the run loop calls it. NULL
 * leaves the block: s->rip is then where to go on.
 *
 * A fast path stores nothing about its progress: only a uop that may fault or leave sets
 * s->cur, on its slow path. All rips are relative to s->r[INSN_REG_RIP], where the
 * block was entered, because the same physical code may be mapped twice.
 *
 * Memory uops call nothing on their fast path; a miss goes to uop_miss_*(),
 * which fills the TLB and repeats the access, or runs the instruction by its executor.
 *
 * Used by: uop_*.c, block*.c, soft_cpu.c. */
#ifndef MUSTER_VMM_CPU_SOFT_BLOCK_UOP_H
#define MUSTER_VMM_CPU_SOFT_BLOCK_UOP_H

#include "vmm/cpu/soft/interp/exec.h"
#include "vmm/cpu/soft/flags.h"
#include "vmm/cpu/soft/mmu/mmu.h"
#include "vmm/cpu/soft/soft.h"

#define UOP_LIKELY(x) __builtin_expect(!!(x), 1)
#define UOP_UNLIKELY(x) __builtin_expect(!!(x), 0)

struct uop;
typedef const struct uop *uop_fn(struct soft *s, const struct uop *u);

struct uop {
	uop_fn *fn;
	uint64_t imm; /* sign-extended; branches: unused unless fused */
	int32_t disp; /* of the memory operand; branches: target - block's rip */
	uint8_t dst, src; /* registers */
	uint8_t base, index, scale, seg; /* memory operand */
	uint8_t size; /* of the memory operand, bytes */
	uint8_t len; /* of the instruction */
	uint8_t n; /* which instruction of the block, from 1 */
	uint8_t cond; /* enum cc_cond */
	uint16_t off; /* end of the instruction - block's rip */
};
_Static_assert(sizeof(struct uop) == 32, "one slot");

/* The second slot of a branch: the blocks that are chained to it, NULL while unknown. */
struct uop_chain {
	const struct uop *taken, *fall;
	uint64_t reserved[2];
};
_Static_assert(sizeof(struct uop_chain) == sizeof(struct uop), "one slot");

enum { UOP_GENERIC_SLOTS = 1 + (sizeof(struct insn) + sizeof(struct uop) - 1) / sizeof(struct uop),
       BLOCK_HEADER_SLOTS = 2, BLOCK_MAX_INSNS = 48,
       BLOCK_MAX_SLOTS = BLOCK_HEADER_SLOTS + BLOCK_MAX_INSNS * UOP_GENERIC_SLOTS + 2 };

/* Packed: a boot makes 90,000 of them, and each search reads some. */
struct block {
	uop_fn *enter; /* uop_enter; uop_dead once its code was written to */
	uint64_t gpa; /* of the first byte */
	const uint8_t *code; /* where translated code enters it: translate.h */
	uint32_t hash_next, page_next, page_prev; /* slots of other blocks; 0: none */
	uint32_t edges_in; /* translated jumps that lead here: link.c */
	uint32_t memberships, members; /* list of the traces that it is a member of, and of its own trace's members: members.c */
	union {
		uint32_t page2; /* crosses_page: number of the page that holds the rest of its only instruction */
		uint32_t straddled_at; /* else, unless no_spans: low bits of the instructions retired when spans last straddled */
	};
	union {
		uint32_t page2_next; /* crosses_page: as page_next, of that page */
		uint32_t n_entered; /* else: by the dispatcher, at most UINT32_MAX; for the profile */
	};
	uint16_t n_bytes;
	uint8_t n_slots, n_insns;
	uint8_t n_runs; /* entries while it was interpreted, up to TRANSLATE_THRESHOLD */
	uint8_t straddles; /* times in a row that accesses looked up together were in two pages */
	uint8_t mode : 3; /* enum soft_mode */
	uint8_t tlb_n : 2; /* as in struct soft */
	uint8_t n_reselected : 3; /* times that its trace was selected again: reselect.c */
	bool dead : 1;
	bool is_ram : 1; /* decoded from RAM, in the cache */
	bool crosses_page : 1; /* its only instruction crosses a page */
	bool has_chain : 1; /* its last slot is a struct uop_chain */
	bool has_code : 1;
	bool loops : 1; /* its code is a loop */
	bool no_spans : 1; /* crosses_page, or they straddled too often: accesses are looked up one by one */
};
_Static_assert(sizeof(struct block) == BLOCK_HEADER_SLOTS * sizeof(struct uop), "whole slots");
_Static_assert(BLOCK_MAX_SLOTS <= UINT8_MAX && SOFT_MODE_COUNT <= 8 && SOFT_TLBS <= 4, "they fit their bits");

/* The page of the rest of a block's instruction; crosses_page only. */
static inline uint64_t block_gpa2(const struct block *b)
{
	return (uint64_t)b->page2 << MEM_PAGE_SHIFT;
}

/* Of the block's last instruction; NULL: none. */
static inline struct uop_chain *block_chain(const struct block *b)
{
	return b->has_chain ? (struct uop_chain *)((uintptr_t)b + (b->n_slots - 1U) * sizeof(struct uop)) : NULL;
}

#if defined(MUSTER_SAN) || !defined(__OPTIMIZE__)
#define UOP_NEXT(s, u) return ((void)(s), (u))
#else
#define UOP_NEXT(s, u) return (u)->fn((s), (u))
#endif

/* Recently entered blocks of 64-bit mode by linear address. An entry holds
 * only while the TLB says that the address still leads there. */
enum { JUMP_BITS = 16, JUMP_SIZE = 1 << JUMP_BITS };
struct jump_entry {
	uint64_t key; /* the address, told apart by jump_key of struct soft */
	const struct block *block;
};

static inline unsigned jump_index(uint64_t rip)
{
	return (unsigned)(rip ^ rip >> MEM_PAGE_SHIFT) & (JUMP_SIZE - 1);
}

/* uop_flow.c */
uop_fn uop_enter, uop_enter_crossing, uop_dead, uop_generic, uop_generic_end, uop_fall, uop_nop;
/* What uop_generic_end() does before it goes on: the block to go on with, or NULL. */
const struct block *uop_end(struct soft *s, const struct uop *u);
/* Runs the uop's instruction by its executor, then goes on. */
const struct uop *uop_slow(struct soft *s, const struct uop *u);
/* Fills the TLB for the uop's memory operand and runs it again, or uop_slow(). */
const struct uop *uop_miss_ld(struct soft *s, const struct uop *u);
const struct uop *uop_miss_st(struct soft *s, const struct uop *u);
/* Follows a direct branch whose chain is not filled; s->rip is the target. */
const struct uop *uop_unchained(struct soft *s, const struct uop **link);
/* Goes to s->rip by the jump cache. */
const struct uop *uop_jump(struct soft *s);

/* Goes to @target (s->rip) by *@link when it is filled. */
#define UOP_GOTO(s, link, target)                                              \
	do {                                                                   \
		const struct uop *goto_ = *(link);                             \
                                                                               \
		(s)->rip = (target);                                           \
		if (UOP_UNLIKELY(!goto_))                                      \
			return uop_unchained((s), (link));                      \
		UOP_NEXT((s), goto_);                                          \
	} while (0)

static inline struct uop_chain *uop_chain_of(const struct uop *u)
{
	return (struct uop_chain *)(uintptr_t)(u + 1);
}

static inline uint64_t uop_rip(const struct soft *s, const struct uop *u)
{
	return s->r[INSN_REG_RIP] + u->off;
}

/* Linear address of the memory operand; the plain form has neither index nor FS, GS. */
static inline uint64_t uop_lin_plain(const struct soft *s, const struct uop *u)
{
	return s->r[u->base] + (uint64_t)(int64_t)u->disp;
}

static inline uint64_t uop_lin_full(const struct soft *s, const struct uop *u)
{
	return s->r[u->base] + (s->r[u->index] << u->scale) + (uint64_t)(int64_t)u->disp +
	       s->seg_base[u->seg];
}

/* Registers by size: reads sign-extend, writes follow SDM vol. 1 §3.4.1.1. */
static inline uint64_t uop_get1(const struct soft *s, unsigned r)
{
	return (uint64_t)(int8_t)s->r[r];
}

static inline uint64_t uop_get2(const struct soft *s, unsigned r)
{
	return (uint64_t)(int16_t)s->r[r];
}

static inline uint64_t uop_get4(const struct soft *s, unsigned r)
{
	return (uint64_t)(int32_t)s->r[r];
}

static inline uint64_t uop_get8(const struct soft *s, unsigned r)
{
	return s->r[r];
}

static inline void uop_set1(struct soft *s, unsigned r, uint64_t v)
{
	uint8_t b = (uint8_t)v;

	memcpy(&s->r[r], &b, 1);
}

static inline void uop_set2(struct soft *s, unsigned r, uint64_t v)
{
	uint16_t b = (uint16_t)v;

	memcpy(&s->r[r], &b, 2);
}

static inline void uop_set4(struct soft *s, unsigned r, uint64_t v)
{
	s->r[r] = (uint32_t)v;
}

static inline void uop_set8(struct soft *s, unsigned r, uint64_t v)
{
	s->r[r] = v;
}

/* Host memory by size; reads sign-extend. */
#define UOP_HOST(n, stype)                                                     \
	static inline uint64_t uop_host_ld##n(uint64_t at)                     \
	{                                                                      \
		stype v;                                                       \
                                                                               \
		memcpy(&v, (const void *)at, n);                               \
		return (uint64_t)(int64_t)v;                                   \
	}                                                                      \
	static inline void uop_host_st##n(uint64_t at, uint64_t v)             \
	{                                                                      \
		memcpy((void *)at, &v, n);                                     \
	}                                                                      \
	_Static_assert(sizeof(stype) == (n), "uop_host_ld" #n)
UOP_HOST(1, int8_t);
UOP_HOST(2, int16_t);
UOP_HOST(4, int32_t);
UOP_HOST(8, int64_t);

/* Declares host_ as where [lin, lin+n) is; on a miss leaves the function. */
#define UOP_HOST_LD(s, u, lin, n)                                              \
	const struct tlb_entry *e_ = &(s)->tlb[TLB_INDEX(lin)];                \
	uint64_t host_ = (lin) + e_->addend;                                   \
	if (UOP_UNLIKELY(!MMU_FAST(e_->read_tag, lin, n)))                     \
	return uop_miss_ld((s), (u))
#define UOP_HOST_ST(s, u, lin, n)                                              \
	const struct tlb_entry *e_ = &(s)->tlb[TLB_INDEX(lin)];                \
	uint64_t host_ = (lin) + e_->addend;                                   \
	if (UOP_UNLIKELY(!MMU_FAST(e_->write_tag, lin, n)))                    \
	return uop_miss_st((s), (u))

/* What the builder knows of the flags before a conditional instruction. */
enum uop_cc { UOP_CC_UNKNOWN, UOP_CC_SUB, UOP_CC_LOGIC, UOP_CC_RESULT /* ZF and SF are cc_dst's */ };

/* Tables of the uops, by what their names say; NULL where there is none.
 * size index: 0 byte, 1 word, 2 dword, 3 qword. addr: 0 plain, 1 full. */
enum { UOP_SIZES = 4, UOP_ALU_OPS = 9 /* ADD OR ADC SBB AND SUB XOR CMP, TEST */ };
extern uop_fn *const uop_alu_rr[UOP_ALU_OPS][UOP_SIZES], *const uop_alu_ri[UOP_ALU_OPS][UOP_SIZES];
extern uop_fn *const uop_alu_rm[UOP_ALU_OPS][UOP_SIZES][2], *const uop_alu_mr[UOP_ALU_OPS][UOP_SIZES][2],
	*const uop_alu_mi[UOP_ALU_OPS][UOP_SIZES][2];
extern uop_fn *const uop_mov_rr[UOP_SIZES], *const uop_mov_ri[UOP_SIZES];
extern uop_fn *const uop_mov_rm[UOP_SIZES][2], *const uop_mov_mr[UOP_SIZES][2], *const uop_mov_mi[UOP_SIZES][2];
/* [signed][source: byte, word, dword][destination size index] */
extern uop_fn *const uop_movx_rr[2][3][UOP_SIZES], *const uop_movx_rm[2][3][UOP_SIZES][2];
extern uop_fn *const uop_lea[UOP_SIZES][2];
/* ROL ROR RCL RCR SHL SHR SAL SAR, by an immediate that is not 0 when masked. */
extern uop_fn *const uop_shift_ri[8][UOP_SIZES];
extern uop_fn *const uop_inc_r[UOP_SIZES], *const uop_dec_r[UOP_SIZES], *const uop_neg_r[UOP_SIZES],
	*const uop_not_r[UOP_SIZES];
extern uop_fn *const uop_cmov_rr[UOP_SIZES];
extern uop_fn *const uop_imul_rr[UOP_SIZES], *const uop_imul_ri[UOP_SIZES];
uop_fn uop_setcc_r, uop_push_r, uop_push_i, uop_pop_r, uop_call, uop_jmp, uop_ret, uop_jmp_r, uop_call_r,
	uop_cdqe, uop_leave;
extern uop_fn *const uop_jcc[4][COND_COUNT]; /* by enum uop_cc */
/* CMP or TEST with a Jcc behind it. */
extern uop_fn *const uop_cmp_rr_jcc[UOP_SIZES][COND_COUNT], *const uop_cmp_ri_jcc[UOP_SIZES][COND_COUNT],
	*const uop_test_rr_jcc[UOP_SIZES][COND_COUNT], *const uop_test_ri_jcc[UOP_SIZES][COND_COUNT];

/* uop_select.c: fills @u with the uop for @i, whose len, n and off are set
 * already; @cc: what is known of the flags, updated. Returns the slots used,
 * 0 when the instruction has no uop of its own. @prev: the uop before, NULL at the start:
 * when the two become one, @prev is rewritten and -1 is returned. */
int uop_select(struct uop *u, const struct insn *i, struct uop *prev, enum uop_cc *cc);

#endif
