/* tests/oracle/program.h: a random program, and two machines that run it.
 *
 * A program is a list of items, each one instruction or a few bytes that belong
 * together, some with a displacement to another item or to a fixed address. Layout gives them addresses,
 * so an item can be taken out and the rest still holds together: that is how a failing
 * program is made small.
 *
 * It runs at CPL 3 (some at CPL 0) at PROGRAM_CODE, three pages of which the second changes between two frames
 * with every other interrupt, and works on a window of two pages, of which the second does so too, a page that is
 * not there, and two of stack. A fault goes on at one of 16 items, in turn.
 *
 * Used by: tests/oracle/oracle_program*.c. */
#ifndef MUSTER_TESTS_ORACLE_PROGRAM_H
#define MUSTER_TESTS_ORACLE_PROGRAM_H

#include "tests/cpu/flat.h"

#define PROGRAM_CODE UINT64_C(0x10000000)
#define PROGRAM_WINDOW UINT64_C(0x20000000)
#define PROGRAM_TABLE (PROGRAM_WINDOW + 0x3000) /* addresses of the entry items, for jumps through memory */
#define PROGRAM_STACK (PROGRAM_WINDOW + 0x4800)
enum { PROGRAM_MAX = 400, PROGRAM_N_ENTRIES = 16, PROGRAM_ITEM_MAX = 24, PROGRAM_NO_REL = 255 };

struct program_item {
	uint8_t bytes[PROGRAM_ITEM_MAX];
	uint8_t len; /* 0: taken out */
	uint8_t rel_at; /* where in bytes a 32-bit displacement stands; PROGRAM_NO_REL */
	uint8_t into; /* added to the target: an immediate of that item */
	bool is_to_item;
	uint32_t target; /* an item, or an address */
};

struct program {
	uint64_t seed;
	bool is_cpl0;
	uint32_t start; /* offset in the first page */
	struct program_item items[PROGRAM_MAX];
	unsigned n;
	uint16_t entries[PROGRAM_N_ENTRIES];
	/* Layout's. */
	uint64_t at[PROGRAM_MAX + 1];
	uint8_t code[3 * 4096];
	/* What happens beside it. */
	unsigned n_pieces; /* how many of the schedule are run */
	unsigned last_len; /* instructions of the last of them; 0: as the schedule has it */
	bool no_events, is_stepped; /* the reference runs one instruction at a time */
};

/* oracle_program_gen.c: the program of @seed. */
void program_generate(uint64_t seed, struct program *ret_program);
/* Addresses and bytes from items. False when it does not fit its pages. */
bool program_layout(struct program *p);

/* oracle_program_run.c: the two machines. */
struct program_pair;
struct program_pair *program_pair_new(void);
void program_pair_free(struct program_pair *p);
/* Runs @p on both. Returns NULL when they agree all along, else what differs, static; the piece and the
 * count of instructions before it in *ret_piece and *ret_count. */
const char *program_run(struct program_pair *pair, const struct program *p, unsigned *ret_piece, uint64_t *ret_count);
/* The reference's RIP after the last program. */
uint64_t program_rip(const struct program_pair *pair);
/* What the programs so far did; the last of the reference's. */
struct program_counts {
	uint64_t n_insns, n_faults, n_irqs, n_compared, n_left /* programs that wrote their page tables */, n_vectors[32];
};
const struct program_counts *program_counts(const struct program_pair *pair);

#endif
