/* vmm/cpu/soft/soft.h: the soft engine's processor, as its parts see it.
 *
 * The folders, in the order of the pipeline; each calls those above it only (tests/check-layers):
 *   decode     bytes to struct insn
 *   mmu        linear to physical addresses, segments, the TLB
 *   interp     struct insn to results: the executors (int_*.c integer, sys_*.c system,
 *              fpu_*.c x87, MMX and SSE) and the delivery of events
 *   block      the cache of decoded blocks and the uops that they are made of
 *   translate  hot blocks as host code
 *   run        the run loop: the engine as struct cpu
 * Beside the folders lies what all of them use: this file, insn.h, flags, raise.c and sysreg.h.
 *
 * Contract of an executor, `soft_exec_fn(s, i)`:
 *  - on entry s->insn_rip is the instruction's address, s->rip the next one's;
 *    a branch writes s->rip; operands are decoded in *i;
 *  - it first does everything that can fault, then changes state: a raise
 *    (soft_raise, a load or store that faults) does not come back (longjmp),
 *    and what was changed before it stays changed;
 *  - an executor that changes what blocks depend on (mode, paging, CS, IF,
 *    code bytes) is marked INSN_END by its lookup row, so the block ends after it.
 *
 * Single-threaded; only kick() is called from elsewhere. The processors of a
 * machine share memory and decoded blocks, and the machine runs one at a time: a
 * switch happens between two instructions, so every instruction is atomic to the
 * others. Each has its own TLB; what one flushes the others keep. */
#ifndef MUSTER_VMM_CPU_SOFT_SOFT_H
#define MUSTER_VMM_CPU_SOFT_SOFT_H

#include "vmm/cpu/cpu.h"
#include "vmm/cpu/soft/insn.h"
#include "vmm/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

/* Arithmetic flags and others (SDM vol. 1 §3.4.3). */
enum { FLAG_CF = 1, FLAG_PF = 4, FLAG_AF = 0x10, FLAG_ZF = 0x40, FLAG_SF = 0x80,
       FLAG_TF = 0x100, FLAG_IF = 0x200, FLAG_DF = 0x400, FLAG_OF = 0x800,
       FLAG_IOPL = 0x3000, FLAG_NT = 0x4000, FLAG_RF = 0x10000, FLAG_VM = 0x20000,
       FLAG_AC = 0x40000, FLAG_VIF = 0x80000, FLAG_VIP = 0x100000, FLAG_ID = 0x200000,
       FLAG_ARITH = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF };

/* Exceptions (SDM vol. 3, table 6-1). */
enum soft_exception { EXC_DE, EXC_DB, EXC_NMI, EXC_BP, EXC_OF, EXC_BR, EXC_UD, EXC_NM, EXC_DF,
		      EXC_TS = 10, EXC_NP, EXC_SS, EXC_GP, EXC_PF, EXC_MF = 16, EXC_AC, EXC_MC, EXC_XM };

/* The TLB: direct-mapped, one for supervisor and one for user accesses.
 * A tag is the page's linear address when that kind of access may go straight
 * to host memory, else TLB_INVALID(index) (never matches: its index bits differ). */
enum { TLB_BITS = 12, TLB_SIZE = 1 << TLB_BITS };
struct tlb_entry {
	uint64_t read_tag, write_tag; /* write_tag only when D is set and no code is in the page */
	uint64_t addend; /* host address - linear address */
	uint64_t phys; /* guest-physical page address */
	uint64_t host; /* address of the page: addend + linear address */
	uint8_t global;
	uint8_t page_shift; /* of the guest's page: 12, 21, 22, 30 */
	uint8_t listed; /* stands in tlb_filled */
	uint8_t may_write; /* a store is allowed and D is set: only code in the page withholds write_tag */
	uint8_t reserved[20];
};
_Static_assert(sizeof(struct tlb_entry) == 64, "a cache line; translated code scales by it");

/* The same for instruction fetches. They have entries of their own: a kernel's text is as large as the TLB, and
 * each page of it would take the place of a page of data. */
struct code_entry {
	uint64_t tag;
	uint32_t pfn; /* of the guest-physical page */
	uint8_t global, page_shift, listed; /* as in struct tlb_entry */
	uint8_t reserved;
};
_Static_assert(sizeof(struct code_entry) == 16, "translated code scales by it");

struct block_cache; /* block.c */
struct uop;

/* The host stack of translated code: below return addresses, at most CODE_RETURNS of them, there is
 * room for a signal handler. */
enum { SOFT_TLBS = 3, CODE_STACK = 1 << 13, CODE_STACK_TOP = CODE_STACK - 2, CODE_RETURNS = 512 /* all in 8 bytes */ };

enum { SOFT_SPANS = 12 };

struct soft {
	struct cpu cpu; /* first member: the interface */
	/* Hot: registers. r[16] is always 0; r[17] is the rip at which the block that runs was entered. */
	uint64_t r[18];
	/* From r[14] to the first entry of the TLB all is within a byte's reach of SOFT_MIDDLE: that makes
	 * translated code an eighth shorter. What it names most stands here. */
	uint64_t rip; /* next instruction, as offset in CS (linear minus CS base) */
	uint64_t page_rip; /* within translated code: the linear address of the page that it stands for */
	int64_t budget; /* instructions left before the dispatcher must look up */
	/* Lazy flags: see flags.h. */
	uint64_t cc_dst, cc_src, cc_aux;
	uint32_t cc_op;
	uint32_t rflags; /* all but FLAG_ARITH (bit 1 set) */
	uint64_t scratch, scratch_target; /* of one translated instruction */
	uint64_t spans[SOFT_SPANS]; /* within translated code: host addresses that it found (coalesce.c) */
	struct tlb_entry tlbs[SOFT_TLBS][TLB_SIZE]; /* [0] supervisor, [1] user, [2] never hits: alignment checks */
	/* Hot as well. */
	uint64_t insn_rip; /* the instruction that runs */
	uint64_t slots; /* address of those of blocks */
	uint64_t c_sp, code_sp; /* the other's stack pointer: while translated code runs, while C does */
	const struct uop *cur; /* the uop that runs (block.c's way to recover insn_rip on a fault) */
	struct tlb_entry *tlb; /* the current privilege's array: tlbs[tlb_n] */
	struct code_entry *code_tlb; /* likewise */
	uint64_t jump_key; /* what tells entries of the jump cache by tlb_n */
	uint64_t seg_base[CPU_SEG_COUNT]; /* what address generation adds: 0 in 64-bit mode but FS, GS */
	uint8_t cpl, mode; /* enum soft_mode */
	uint8_t stack_size; /* 2, 4, 8: width of the stack pointer (SS.B, 64-bit) */
	uint8_t in_block; /* cur is valid: a fault recovers insn_rip from it */
	uint8_t tlb_n; /* blocks are for one, since translated code looks at it straight */
	struct cpu_fxsave fx; /* x87, MMX, SSE state, always current between instructions */
	/* Attention: anything that must be looked at before the next block. */
	_Atomic int kicked; /* sig-safe */
	bool intr_line, nmi_pending, nmi_masked, shadow, halted, shutdown;
	bool wait_sipi; /* runs nothing */
	bool paused; /* a PAUSE ends this run() */
	bool trap_pending; /* TF was set when the instruction began: #DB after it; a load into SS takes it back */
	uint64_t dr6_pending;
	/* Cold: the rest of the architectural state. */
	struct cpu_segment seg[CPU_SEG_COUNT], ldtr, tr;
	struct cpu_table gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, efer;
	uint64_t dr[4], dr6, dr7;
	struct cpu_state msr; /* only its MSR members are used: star .. mtrr_var */
	uint32_t apic_id, n_cpus; /* for CPUID's topology; n_cpus 0 is 1 */
	/* Exceptions in flight. */
	sigjmp_buf fault_jmp; /* __builtin_setjmp-like target in the dispatcher */
	int exc_vector; /* of the fault being raised; -1 none */
	uint32_t exc_error;
	bool exc_has_error, exc_is_soft;
	bool exc_noncanonical; /* #GP of the access to exc_lin; #SS if the stack segment was used (event.c) */
	uint64_t exc_lin;
	bool delivering; /* an event is being delivered: a further fault is a double fault candidate */
	/* Surroundings. */
	struct mem *mem;
	const struct cpu_bus *bus;
	/* The MMU calls it before a store of @len bytes at @gpa to a page that holds code. */
	void (*code_written)(struct soft *s, uint64_t gpa, size_t len);
	struct block_cache *blocks; /* shared with the peers; the last to go frees it */
	struct soft *peer; /* the next processor of this memory: a ring; itself when it is alone */
	const struct block *block; /* the block that runs, while in_block */
	const struct uop **chain; /* the branch that was taken and is not chained yet; block.c fills it */
	bool block_dead; /* its code was written to: leave it after this instruction */
	int64_t reserve; /* instructions of this run() beyond the window in budget */
	uint64_t icount_end; /* what soft_icount() is when budget and reserve are used up */
	uint64_t code_sps[SOFT_TLBS]; /* code_sp of the others */
	struct code_entry code_tlbs[2][TLB_SIZE]; /* [0] supervisor, [1] user */
	uint32_t tlb_frames[2][TLB_SIZE]; /* page number of each entry of tlbs, to be searched */
	uint16_t tlb_filled[2][TLB_SIZE], code_filled[2][TLB_SIZE]; /* entries that a CR3 write must look at */
	uint16_t n_tlb_filled[2], n_code_filled[2];
	uint64_t tlb_large[2][64]; /* which 2 MiB and 1 GiB regions (hashed) have entries of large pages */
	/* Counters for the profile. */
	uint64_t n_tlb_miss, n_blocks_decoded, n_block_lookups, n_exceptions, n_interrupts;
	char error[128];
	uint64_t code_stack[SOFT_TLBS][CODE_STACK]; /* last member: its memory is touched where it is used */
};

enum { SOFT_MIDDLE = 248 };
_Static_assert(offsetof(struct soft, r[14]) == SOFT_MIDDLE - 128 &&
		       offsetof(struct soft, tlbs[0][0].host) + 8 <= SOFT_MIDDLE + 128 && offsetof(struct soft, tlbs) % 64 == 0,
	       "in reach, and an entry is one cache line");

static inline struct soft *soft_of(struct cpu *c)
{
	return (struct soft *)c;
}

/* Raises a fault of the running instruction (RIP stays at it). No return. */
_Noreturn void soft_raise(struct soft *s, int vector);
/* The same with an error code. */
_Noreturn void soft_raise_error(struct soft *s, int vector, uint32_t error);
static inline _Noreturn void soft_gp(struct soft *s, uint32_t error)
{
	soft_raise_error(s, EXC_GP, error);
}
static inline _Noreturn void soft_ud(struct soft *s)
{
	soft_raise(s, EXC_UD);
}

/* Ends the machine: what the engine does not do (task switches) was asked for. Sets s->error and
 * s->shutdown, then jumps like a raise. After any jump and after soft_event_deliver() the
 * run loop looks at s->shutdown: CPU_STOP_ERROR when s->error is not empty. No return. */
_Noreturn void soft_unsupported(struct soft *s, const char *what);

/* Recomputes mode, cpl-dependent tlb pointer, seg_base, stack_size after a change of CS, SS, CR0,
 * CR4, EFER, RFLAGS.VM or a segment register. (sys_seg.c) */
void soft_mode_changed(struct soft *s);

/* Delivers an event through the IDT (or IVT), as the SDM vol. 3 ch. 6 says; a fault
 * on the way becomes #DF or shutdown. (event.c)
 * @vector; @is_soft: INT n/INT3/INTO (return RIP is s->rip and gate DPL is checked);
 * @is_ext: hardware interrupt or NMI (EXT bit). For a fault return RIP is s->insn_rip. */
enum soft_event_kind { EVENT_FAULT, EVENT_TRAP, EVENT_SOFT_INT, EVENT_EXT_INT, EVENT_NMI };
/* Vector 1: s->dr6_pending (BS: 0x4000) goes into DR6. RF is never kept: no instruction breakpoints. */
void soft_event_deliver(struct soft *s, int vector, enum soft_event_kind kind, bool has_error,
			uint32_t error);

/* Arithmetic flags in and out (flags.h has the inline parts). */
uint32_t soft_flags_get(struct soft *s); /* the whole RFLAGS, bit 1 set */
void soft_flags_set(struct soft *s, uint32_t rflags); /* the whole RFLAGS, no checks */

/* The linear address of the memory operand: segment base, address-size wrap,
 * limit and canonical checks by the loads themselves (soft_linear). (mmu.h: inline)
 *
 * mmu.h offers, all of them raising on a fault, for every linear address:
 *   uint8_t/16/32/64  mmu_ld8/16/32/64(s, lin)     mmu_st8/16/32/64(s, lin, v)
 *   void mmu_ld_bytes(s, lin, dst, n)  void mmu_st_bytes(s, lin, src, n)   any n ≤ 4096;
 *        a store is all or nothing (both pages are checked first)
 *   void mmu_probe_write(s, lin, n)     checks that a store would not fault
 *   uint8_t *mmu_host_write(s, lin, n)  host pointer of plain RAM in one page, or NULL (take the slow path);
 *   supervisor accesses of the processor itself (descriptors, TSS): mmu_sys_ld/st16/32/64(s, lin, ...)
 *   uint64_t soft_ea(s, i)              offset of the memory operand, wrapped to adsize
 *   uint64_t soft_lin(s, i)             the same with its segment, for accesses of any size: base added;
 *        in modes other than 64-bit the limit is checked with soft_seg_check(s, seg, off, size, is_write) */
void mmu_flush_all(struct soft *s); /* global entries too */
void mmu_flush_non_global(struct soft *s); /* CR3 write */
/* Drops the page of the linear address @lin (INVLPG). */
void mmu_flush_page(struct soft *s, uint64_t lin);
/* Linear to guest-physical for instruction fetch at the current privilege; raises #PF.
 * Fills the TLB's exec tag. */
uint64_t mmu_fetch_phys(struct soft *s, uint64_t lin);
/* A page holds decoded code now: stores to it call s->code_written(). */
void mmu_code_page_set(struct soft *s, uint64_t gpa_page);
/* The page holds no translated code any more. */
void mmu_code_page_clear(struct soft *s, uint64_t gpa_page);
/* Guest-physical access outside of RAM, or RAM by physical address. */
uint64_t phys_read(struct soft *s, uint64_t gpa, unsigned size);
/* The same; @v: of @size bytes. */
void phys_write(struct soft *s, uint64_t gpa, unsigned size, uint64_t v);

#endif
