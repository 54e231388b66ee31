/* tests/nat/check_tcp_board.c: the scoreboard alone: against a model that knows each byte, and at its bounds. */
#include "core/prng.h"
#include "nat/tcp_board.h"
#include "tests/unit.h"

#include <string.h>

enum { SPAN = 4000, MSS = 10, STEPS = 3000, BASE = 0xfffff800u };
#define WINDOW (20 * NSEC_PER_MSEC)
#define SRTT (50 * NSEC_PER_MSEC)

enum known { NOTHING, SACKED, WAITS, LOST, SENT };

/* One byte in flight. */
struct cell {
	enum known known;
	nsec_t at;
	uint32_t marker;
};

struct model {
	struct cell cells[SPAN];
	uint32_t una, nxt, fack; /* offsets in cells */
	nsec_t now;
};

static struct tcp_board board;
static struct model model;
static struct prng rng;

static void setup(void)
{
	memset(&model, 0, sizeof model);
	board = (struct tcp_board){ 0 };
	tcp_board_reset(&board, BASE);
}

static void teardown(void)
{
	tcp_board_reset(&board, BASE);
	ck_assert_ptr_null(board.many);
}

static enum known known_of(const struct tcp_hole *h)
{
	return h->state == TCP_HOLE_WAITS ? WAITS : h->state == TCP_HOLE_LOST ? LOST : SENT;
}

/* The board says of each byte what the model says. */
static void compare(const char *after)
{
	const struct tcp_hole *h = tcp_board_holes(&board);
	uint32_t pipe = 0, sacked = 0, at = model.una;
	enum known seen[SPAN] = { NOTHING };

	ck_assert_msg(board.fack == BASE + model.fack, "%s: fack %u, not %u", after, board.fack - BASE, model.fack);
	for (size_t i = 0; i < board.n; i++) {
		ck_assert_msg(h[i].start - BASE >= at && seq_before(h[i].start, h[i].end), "%s: order", after);
		for (uint32_t k = h[i].start - BASE; k < h[i].end - BASE; k++)
			seen[k] = known_of(&h[i]);
		at = h[i].end - BASE;
	}
	ck_assert_msg(at <= model.fack || !board.n, "%s: a hole behind fack", after);
	for (uint32_t k = model.una; k < model.nxt; k++) {
		enum known want = model.cells[k].known;

		ck_assert_msg(seen[k] == (want == SACKED ? NOTHING : want), "%s: byte %u is %d, not %d", after, k, seen[k],
			      want);
		pipe += want != SACKED && want != LOST;
		sacked += want == SACKED;
	}
	ck_assert_msg(tcp_board_pipe(&board, BASE + model.nxt) == pipe, "%s: pipe", after);
	ck_assert_msg(tcp_board_sacked(&board, BASE + model.una) == sacked, "%s: sacked", after);
}

static uint32_t draw(uint32_t from, uint32_t to)
{
	return from + (to > from ? (uint32_t)prng_below(&rng, to - from + 1) : 0);
}

static void do_sack(void)
{
	uint32_t start = draw(model.una, model.nxt), end = draw(start, model.nxt), n_new = 0;

	if (start == end)
		return;
	for (uint32_t k = model.fack; k < start; k++)
		model.cells[k] = (struct cell){ WAITS, model.now, 0 };
	for (uint32_t k = start; k < end; k++) {
		n_new += model.cells[k].known != SACKED;
		model.cells[k].known = SACKED;
	}
	model.fack = end > model.fack ? end : model.fack;
	ck_assert_uint_eq(tcp_board_sack(&board, BASE + model.una, BASE + model.nxt,
					 (struct tcp_range){ BASE + start, BASE + end }, model.now),
			  n_new);
}

static void do_advance(void)
{
	model.una = draw(model.una, draw(model.una, model.nxt));
	model.fack = model.fack > model.una ? model.fack : model.una;
	tcp_board_advance(&board, BASE + model.una);
}

/* A hole that waits is lost when there is something behind it and its time is over; one that was sent again, when three
 * segments behind its marker arrived and a round trip passed. */
static void do_mark(void)
{
	bool behind = false;
	uint32_t n_lost = 0;
	nsec_t next = NSEC_NEVER, got;

	for (uint32_t k = model.nxt; k-- > model.una;) {
		struct cell *c = &model.cells[k];

		if (c->known == WAITS && behind && c->at + WINDOW > model.now) {
			next = nsec_min(next, c->at + WINDOW);
		} else if ((c->known == WAITS && behind) ||
			   (c->known == SENT && model.now >= c->at + SRTT && model.fack > c->marker + 2 * MSS)) {
			c->known = LOST;
			n_lost++;
		}
		behind |= c->known == SACKED;
	}
	ck_assert_uint_eq(tcp_board_mark(&board, MSS, true, WINDOW, SRTT, model.now, &got), n_lost);
	ck_assert_int_eq(got, next);
}

static void do_send_lost(void)
{
	struct tcp_hole *h = tcp_board_lost(&board);
	uint32_t first = model.una, end;

	while (first < model.nxt && model.cells[first].known != LOST)
		first++;
	ck_assert((first == model.nxt) == (h == NULL));
	if (!h)
		return;
	ck_assert_uint_eq(h->start, BASE + first);
	end = draw(first + 1, h->end - BASE);
	for (uint32_t k = first; k < end; k++)
		model.cells[k] = (struct cell){ SENT, model.now, model.nxt };
	ck_assert(tcp_board_sent(&board, h, BASE + end, BASE + model.nxt, model.now));
}

static void do_lose(bool keep)
{
	for (uint32_t k = model.una; k < model.nxt; k++)
		if (model.cells[k].known != SACKED || !keep)
			model.cells[k].known = LOST;
	model.fack = model.nxt;
	tcp_board_lose_all(&board, BASE + model.una, BASE + model.nxt, keep);
}

static void do_unlose(void)
{
	for (uint32_t k = model.una; k < model.nxt; k++)
		if (model.cells[k].known == LOST)
			model.cells[k] = (struct cell){ SENT, model.now, model.nxt };
	tcp_board_unlose(&board, BASE + model.nxt, model.now);
}

static void do_shrink(void)
{
	uint32_t edge = draw(model.una, model.nxt);
	struct tcp_hole *h;

	for (uint32_t k = model.fack; k < model.nxt; k++)
		model.cells[k] = (struct cell){ k < edge ? WAITS : LOST, model.now, 0 };
	if (edge < model.nxt)
		model.fack = model.nxt;
	else
		for (uint32_t k = model.fack; k < model.nxt; k++)
			model.cells[k].known = NOTHING;
	tcp_board_lose_above(&board, BASE + edge, BASE + model.nxt, model.now);
	/* A hole that the edge is in is lost as a whole. */
	h = tcp_board_holes(&board);
	for (size_t i = 0; i < board.n; i++)
		if (seq_after(h[i].end, BASE + edge))
			for (uint32_t k = h[i].start - BASE; k < h[i].end - BASE; k++)
				model.cells[k].known = LOST;
}

static const struct {
	const char *name;
	void (*act)(void);
	unsigned weight;
} acts[] = { { "sack", do_sack, 8 },   { "advance", do_advance, 3 }, { "mark", do_mark, 5 },
	     { "send", do_send_lost, 6 }, { "unlose", do_unlose, 1 },	 { "shrink", do_shrink, 1 } };

START_TEST(each_byte_is_what_a_model_says)
{
	prng_init(&rng, (uint64_t)_i, "board");
	for (unsigned i = 0; i < STEPS && model.una < SPAN; i++) {
		uint32_t pick = (uint32_t)prng_below(&rng, 26);

		/* Instants differ: holes of one instant may be joined. */
		model.now += 1 + (nsec_t)prng_below(&rng, (uint64_t)WINDOW);
		model.nxt = draw(model.nxt, model.nxt + 20 < SPAN ? model.nxt + 20 : SPAN);
		if (pick >= 24) {
			do_lose(pick == 24);
			compare("lose all");
			continue;
		}
		for (size_t k = 0; k < sizeof acts / sizeof *acts; k++) {
			if (pick < acts[k].weight) {
				acts[k].act();
				compare(acts[k].name);
				break;
			}
			pick -= acts[k].weight;
		}
	}
}
END_TEST

static uint32_t sack(uint32_t start, uint32_t end)
{
	return tcp_board_sack(&board, BASE, BASE + 1000000, (struct tcp_range){ BASE + start, BASE + end }, 0);
}

START_TEST(forged_ranges_are_ignored)
{
	ck_assert_uint_eq(sack(10, 10), 0);
	ck_assert_uint_eq(sack(20, 10), 0);
	ck_assert_uint_eq(sack(0u - 5, 10), 0);
	ck_assert_uint_eq(sack(10, 1000001), 0);
	ck_assert_uint_eq(board.n, 0);
	ck_assert_uint_eq(board.fack, BASE);
	ck_assert_uint_eq(sack(10, 20), 10);
	ck_assert_uint_eq(sack(10, 20), 0);
}
END_TEST

/* Beyond its bound a range that needs another hole is ignored; one that needs none is taken. */
START_TEST(holes_are_bounded)
{
	for (uint32_t i = 0; i < TCP_HOLES_MAX; i++)
		ck_assert_uint_eq(sack(20 * i + 10, 20 * i + 20), 10);
	ck_assert_uint_eq(board.n, TCP_HOLES_MAX);
	ck_assert_uint_eq(sack(20 * TCP_HOLES_MAX + 10, 20 * TCP_HOLES_MAX + 20), 0);
	ck_assert_uint_eq(sack(3, 5), 0); /* the middle of a hole */
	ck_assert_uint_eq(board.n, TCP_HOLES_MAX);
	ck_assert_uint_eq(sack(20 * TCP_HOLES_MAX, 20 * TCP_HOLES_MAX + 5), 5);
	ck_assert_uint_eq(sack(0, 10), 10);
	ck_assert_uint_eq(board.n, TCP_HOLES_MAX - 1);
	tcp_board_advance(&board, BASE + 20 * TCP_HOLES_MAX + 5);
	ck_assert_ptr_null(board.many);
	ck_assert_uint_eq(board.n, 0);
}
END_TEST

/* RFC 6675 §4, IsLost(): more than two segments behind it, or three ranges. */
START_TEST(three_segments_behind_a_hole_are_a_loss)
{
	nsec_t next;

	(void)sack(MSS, 3 * MSS);
	ck_assert_uint_eq(tcp_board_mark(&board, MSS, false, WINDOW, SRTT, 0, &next), 0);
	ck_assert_int_eq(next, WINDOW);
	(void)sack(3 * MSS, 3 * MSS + 1);
	ck_assert_uint_eq(tcp_board_mark(&board, MSS, true, WINDOW, SRTT, 0, &next), 0);
	ck_assert_uint_eq(tcp_board_mark(&board, MSS, false, WINDOW, SRTT, 0, &next), MSS);
	ck_assert_int_eq(next, NSEC_NEVER);
	tcp_board_reset(&board, BASE);
	(void)sack(10, 20);
	(void)sack(30, 40);
	ck_assert_uint_eq(tcp_board_mark(&board, MSS, false, WINDOW, SRTT, 0, &next), 0);
	(void)sack(50, 60);
	ck_assert_uint_eq(tcp_board_mark(&board, MSS, false, WINDOW, SRTT, 0, &next), 10);
}
END_TEST

START_TEST(reordering_and_reneging_are_seen)
{
	(void)sack(100, 200);
	ck_assert(!board.reordered && !tcp_board_reneged(&board, BASE));
	tcp_board_advance(&board, BASE + 50);
	ck_assert(board.reordered); /* only its own late arrival acknowledges it */
	ck_assert(!tcp_board_reneged(&board, BASE + 50));
	(void)tcp_board_sack(&board, BASE + 50, BASE + 1000, (struct tcp_range){ BASE + 50, BASE + 100 }, 0);
	ck_assert(tcp_board_reneged(&board, BASE + 50));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tcp_board");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, each_byte_is_what_a_model_says, 0, 20);
	tcase_add_test(t, forged_ranges_are_ignored);
	tcase_add_test(t, holes_are_bounded);
	tcase_add_test(t, three_segments_behind_a_hole_are_a_loss);
	tcase_add_test(t, reordering_and_reneging_are_seen);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
