/* tests/oracle/oracle_program.c: random programs, interpreter against translator.
 *
 *   oracle_program [N [SEED]]      N programs (2000) from the stream SEED (1)
 *   oracle_program -1 NUMBER       that one alone, and its listing
 *
 * A program on which the two differ is made small: items are taken out, events left out, as long as
 * two new machines still differ; then its listing is printed. Exit status 1 on a difference.
 *
 * Depends on: oracle_program_gen.c, oracle_program_run.c, Zydis. */
#include "tests/oracle/oracle.h"
#include "tests/oracle/program.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *run_anew(struct program *p, unsigned *ret_piece, uint64_t *ret_count)
{
	struct program_pair *pair = program_pair_new();
	const char *differs = program_layout(p) ? program_run(pair, p, ret_piece, ret_count) : NULL;

	program_pair_free(pair);
	return differs;
}

/* Takes out runs of @n items each, as long as it still differs. Returns how many. */
static unsigned take_out(struct program *p, unsigned n)
{
	unsigned taken = 0, piece;
	uint64_t count;

	for (unsigned k = 0; k < p->n; k += n) {
		static struct program less;
		unsigned there = 0;

		less = *p;
		for (unsigned j = k; j < k + n && j < p->n; j++) {
			there += less.items[j].len != 0;
			less.items[j].len = 0;
		}
		if (!there || !run_anew(&less, &piece, &count))
			continue;
		*p = less;
		taken += there;
	}
	return taken;
}

static void shrink(struct program *p)
{
	static struct program less;
	unsigned piece;
	uint64_t count;

	less = *p;
	less.no_events = true;
	if (run_anew(&less, &piece, &count))
		*p = less;
	for (unsigned n = p->n / 2; n; n = n / 2)
		while (take_out(p, n) && n < 3)
			;
	(void)run_anew(p, &piece, &count);
	p->n_pieces = piece + 1;
}

/* How short the last piece may be, so that the two still differ; and the way that the reference takes there. */
static void shorten(struct program *p)
{
	printf("  the reference's way:");
	for (p->last_len = 1; p->last_len < 400; p->last_len++) {
		struct program_pair *pair = program_pair_new();
		const char *differs;
		unsigned piece;
		uint64_t count;

		differs = program_run(pair, p, &piece, &count);
		printf(" %llx", (unsigned long long)program_rip(pair));
		program_pair_free(pair);
		if (differs && piece + 1 == p->n_pieces) {
			printf("\n  differs when the last piece is %u long: %s\n", p->last_len, differs);
			return;
		}
	}
	p->last_len = 0;
	printf("\n");
}

static void print_item(const struct program *p, unsigned k, const ZydisDecoder *decoder, const ZydisFormatter *formatter)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	const uint8_t *bytes = p->code + (p->at[k] - PROGRAM_CODE);
	ZydisDecodedInstruction z;

	for (unsigned at = 0; at < p->items[k].len; at += z.length) {
		char text[120];

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, bytes + at, p->items[k].len - at, &z, operands))) {
			printf("    %llx  (not decoded: %02x ...)\n", (unsigned long long)p->at[k] + at, bytes[at]);
			return;
		}
		ZydisFormatterFormatInstruction(formatter, &z, operands, z.operand_count_visible, text, sizeof(text), p->at[k] + at, NULL);
		printf("    %llx  %-48s", (unsigned long long)p->at[k] + at, text);
		for (unsigned j = 0; j < z.length; j++)
			printf(" %02x", bytes[at + j]);
		printf("\n");
	}
}

static void print_program(const struct program *p)
{
	ZydisFormatter formatter;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	printf("  CPL %d, %s, %s, %u pieces, begins at %llx; faults go on at", p->is_cpl0 ? 0 : 3, p->no_events ? "no events" : "with events",
	       p->is_stepped ? "against single steps" : "against blocks", p->n_pieces, (unsigned long long)p->at[p->entries[0]]);
	for (unsigned k = 0; k < PROGRAM_N_ENTRIES; k++)
		printf(" %llx", (unsigned long long)p->at[p->entries[k]]);
	printf("\n");
	for (unsigned k = 0; k < p->n; k++)
		print_item(p, k, &decoder, &formatter);
}

static void tell(uint64_t number, const char *what, unsigned piece, uint64_t count, struct program *p)
{
	unsigned piece2;
	uint64_t count2;

	printf("oracle_program: program %llu, piece %u, after %llu instructions: %s\n", (unsigned long long)number, piece,
	       (unsigned long long)count, what);
	fflush(stdout);
	if (!run_anew(p, &piece2, &count2)) {
		printf("  not alone: what ran before it matters\n");
		return;
	}
	shrink(p);
	what = run_anew(p, &piece2, &count2);
	printf("  made small: piece %u, after %llu instructions: %s\n", piece2, (unsigned long long)count2, what ? what : "(nothing)");
	if (what)
		shorten(p);
	print_program(p);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool is_one = argc > 2 && !strcmp(argv[1], "-1");
	uint64_t n = is_one ? 1 : argc > 1 ? strtoull(argv[1], NULL, 0) : 2000, seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	uint64_t first = is_one ? seed : seed << 32, n_differ = 0, n_left_out = 0;
	struct program_pair *pair = program_pair_new();
	static struct program p;
	const struct program_counts *c;

	for (uint64_t k = 0; k < n && n_differ < 5; k++) {
		const char *what;
		unsigned piece;
		uint64_t count;

		program_generate(first + k, &p);
		if (!program_layout(&p)) {
			n_left_out++;
			continue;
		}
		if (is_one)
			print_program(&p);
		what = program_run(pair, &p, &piece, &count);
		if (!what)
			continue;
		n_differ++;
		tell(first + k, what, piece, count, &p);
		program_pair_free(pair); /* they do not agree any more */
		pair = program_pair_new();
	}
	c = program_counts(pair);
	printf("oracle_program: %llu programs, %llu differ; %llu instructions, %llu states compared, %llu faults, %llu interrupts, %llu left early; by vector:", (unsigned long long)(n - n_left_out),
	       (unsigned long long)n_differ, (unsigned long long)c->n_insns, (unsigned long long)c->n_compared, (unsigned long long)c->n_faults,
	       (unsigned long long)c->n_irqs, (unsigned long long)c->n_left);
	for (unsigned v = 0; v < 32; v++)
		if (c->n_vectors[v])
			printf(" %u: %llu", v, (unsigned long long)c->n_vectors[v]);
	printf("\n");
	/* Programs that stop at their first instruction would compare nothing. */
	if (!is_one && c->n_insns < (n - n_left_out) * 200 && !n_differ) {
		printf("oracle_program: they hardly ran\n");
		n_differ = 1;
	}
	program_pair_free(pair);
	return n_differ != 0;
}
