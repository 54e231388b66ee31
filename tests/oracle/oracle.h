/* tests/oracle/oracle.h: one instruction on the hardware and on the soft engine.
 *
 * A case is an instruction at ORACLE_RIP, registers, and the contents of a
 * window of two pages; nothing else is mapped. The hardware side is a child
 * process whose signal handler loads case after case into its own signal frame
 * with TF set. The soft side is a machine whose page tables show the same
 * map, at CPL 3, with an interrupt table that tells which exception came.
 *
 * Used by: tests/oracle/oracle_*.c. */
#ifndef MUSTER_TESTS_ORACLE_H
#define MUSTER_TESTS_ORACLE_H

#include "vmm/cpu/cpu.h"

#include <stdbool.h>
#include <stdint.h>

struct ZydisDecoder_;

#define ORACLE_CODE UINT64_C(0x10000000) /* one page, read and execute */
#define ORACLE_RIP (ORACLE_CODE + 0x800)
#define ORACLE_WINDOW UINT64_C(0x20000000)
enum { ORACLE_WINDOW_BYTES = 8192, ORACLE_INSN_MAX = 15, ORACLE_CODE_BYTES = 4096,
       ORACLE_BATCH = 64, ORACLE_BLOCK = 16 * ORACLE_BATCH /* of a file of outcomes */,
       ORACLE_FILL = 0xF4 /* HLT follows the instruction */ };
/* What the kernel of the host gives a 64-bit process. */
enum { ORACLE_CS_16 = 0x07 /* the first of the LDT, made by oracle_hw.c */, ORACLE_CS = 0x33, ORACLE_CS_32 = 0x23, ORACLE_SS = 0x2B /* DS and ES too */ };

struct oracle_regs {
	uint64_t gpr[16];
	uint64_t rip, rflags;
	struct cpu_fxsave fx;
};

struct oracle_outcome {
	struct oracle_regs regs;
	int vector; /* -1: the instruction ended without an exception */
	uint32_t error;
	uint64_t cr2;
	uint8_t window[ORACLE_WINDOW_BYTES];
};

struct oracle_case {
	uint8_t bytes[16];
	unsigned len; /* of bytes that were meant to be the instruction */
	bool is_32; /* in compatibility mode */
	bool is_16; /* in a 16-bit segment that begins at ORACLE_CODE; is_32 is set too, data segments are 32-bit */
	bool is_rep; /* a repeated string instruction: stepped until it leaves */
	bool skip; /* not run on the hardware */
	bool died; /* the child did not survive it */
	struct oracle_regs in;
	uint8_t window[ORACLE_WINDOW_BYTES];
	struct oracle_outcome hw;
};

/* oracle_hw.c. One child at a time. */
int oracle_hw_open(void);
void oracle_hw_close(void);
/* The shared cases, ORACLE_BATCH of them. */
struct oracle_case *oracle_hw_cases(void);
/* Runs the first @n cases; restarts the child where one kills it. */
void oracle_hw_run(unsigned n);

/* oracle_soft.c */
int oracle_soft_open(void);
void oracle_soft_close(void);
/* @with_tf: step with TF as the hardware does, else let the engine run on into the fill. */
void oracle_soft_run(const struct oracle_case *c, bool with_tf, struct oracle_outcome *ret_out);

/* oracle_gen.c: the next case of the stream @seed. */
void oracle_generate(uint64_t *seed, struct oracle_case *ret_case);
/* The same, of 16-bit code. */
void oracle_generate_16(uint64_t *seed, struct oracle_case *ret_case);
/* The decoder's mode for the case @c: a struct ZydisDecoder_. */
void oracle_decoder(const struct oracle_case *c, struct ZydisDecoder_ *ret_decoder);
uint64_t oracle_random(uint64_t *seed);

/* oracle_vectors.c */
/* Records @n cases (rounded up to ORACLE_BLOCK) in the file @path. @origin: lines that tell whose outcomes
 * these are. @run: runs cases on the hardware. Returns 0 or -errno. */
int oracle_vectors_write(const char *path, const char *origin, unsigned n, void (*run)(struct oracle_case *c, unsigned n));
/* Hands each of the file's first @n cases to @each, with the recorded outcome in it. Returns 0 or -errno:
 * -ESTALE when the generator now makes other cases, -EPROTO when the file is damaged. */
int oracle_vectors_read(const char *path, unsigned n, void (*each)(struct oracle_case *c, uint64_t number));

/* oracle_rules.c */
struct oracle_rule {
	bool skip; /* not compared: says why */
	const char *why;
	uint64_t undefined_flags;
	bool approximate; /* RCP, RSQRT */
	bool stores_tf; /* TF must be alike on both sides */
	bool is_call;
	bool may_fault; /* for bytes that it does not store (SDM vol. 2, MASKMOVDQU) */
	bool any_dest; /* the destination is undefined too */
	char text[96]; /* disassembly */
};
void oracle_rule(const struct oracle_case *c, struct oracle_rule *ret_rule);

#endif
