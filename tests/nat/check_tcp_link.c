/* tests/nat/check_tcp_link.c: our endpoint against an independent one over links that lose, repeat and reorder; and its
 * rate over a long path against theory. */
#include "tests/nat/net.h"
#include "tests/unit.h"

#include <math.h>
#include <stdio.h>

#define MS NSEC_PER_MSEC

/* Each round draws the peer's abilities, the link and the moods of both ends. */
START_TEST(all_bytes_arrive)
{
	for (uint64_t i = 0; i < 20; i++) {
		uint64_t seed = (uint64_t)_i * 1000 + i;
		struct net_params par = { .seed = seed, .down_bytes = 200000, .up_bytes = 30000, .mss = 1460 };

		par.delay = (nsec_t)(1 + seed % 5 * 20) * MS;
		par.loss = (double)(seed % 4) * 0.05;
		par.repeat = seed % 3 ? 0.0 : 0.1;
		par.late = seed % 2 ? 0.0 : 0.3;
		par.sack = seed & 1 || seed & 8;
		par.timestamps = seed & 2;
		par.wscale = seed & 4;
		par.moody = seed % 5 != 0;
		par.window_max = seed & 16 ? 3000 : 100000;
		if (seed % 7 == 0)
			par.mss = 200;
		net_run(&par);
	}
}
END_TEST

/* The same, with our side saved and loaded behind one step of ten. */
START_TEST(all_bytes_arrive_over_saves)
{
	uint64_t n_saves = 0;

	for (uint64_t i = 0; i < 20; i++) {
		uint64_t seed = (uint64_t)_i * 1000 + i + 500;
		struct net_params par = { .seed = seed, .down_bytes = 200000, .up_bytes = 30000, .mss = 1460 };

		par.delay = (nsec_t)(1 + seed % 5 * 20) * MS;
		par.loss = (double)(seed % 4) * 0.03;
		par.late = seed % 2 ? 0.0 : 0.2;
		par.sack = seed & 1 || seed & 8;
		par.timestamps = seed & 2;
		par.wscale = seed & 4;
		par.moody = seed % 5 != 0;
		par.window_max = seed & 16 ? 3000 : 100000;
		par.save = 0.1;
		n_saves += net_run(&par).n_saves;
	}
	ck_assert_uint_gt(n_saves, 500);
}
END_TEST

/* 100 ms round trip and no loss: slow start doubles from ten segments to the window; then a window each round trip. */
START_TEST(rate_without_loss)
{
	struct net_params par = { .seed = 1,
				  .down_bytes = 24 << 20,
				  .delay = 50 * MS,
				  .window_max = 4 << 20,
				  .mss = 1460,
				  .sack = true,
				  .timestamps = true,
				  .wscale = true };
	double rounds = log2(4.0 * (1 << 20) / 14480), in_start = 2 * 4.0 * (1 << 20);
	double ideal = 0.1 * (1 + rounds + (par.down_bytes - in_start) / (4 << 20) + 1 + 1);
	struct net_result r = net_run(&par);

	printf("no loss: %u bytes in %.2f s, ideal %.2f s, %.1f Mbit/s\n", par.down_bytes, (double)r.took / 1e9, ideal,
	       par.down_bytes * 8e3 / (double)r.took);
	ck_assert_uint_eq(r.n_retransmits, 0);
	ck_assert_uint_eq(r.n_timeouts, 0);
	ck_assert_msg((double)r.took / 1e9 <= 1.2 * ideal, "%.3f s, ideal %.3f s", (double)r.took / 1e9, ideal);
}
END_TEST

/* 1 % loss: Mathis, Semke, Mahdavi, Ott, "The macroscopic behavior of the TCP congestion avoidance algorithm" (1997):
 * MSS / RTT * sqrt(3/2) / sqrt(loss), for a receiver that acknowledges each segment. */
static void rate_with_loss(bool sack, double least)
{
	struct net_params par = { .seed = 2,
				  .down_bytes = 64 << 20,
				  .delay = 50 * MS,
				  .loss = 0.01,
				  .window_max = 4 << 20,
				  .mss = 1460,
				  .sack = sack,
				  .timestamps = true,
				  .wscale = true,
				  .limit = 120 * NSEC_PER_SEC };
	double theory = 1448 / 0.1 * sqrt(1.5 / 0.01), rate;
	struct net_result r = net_run(&par);

	rate = r.down_bytes / ((double)r.took / 1e9);
	printf("1 %% loss, %s: %.2f Mbit/s, theory %.2f, %.2f of it; %lu retransmissions, %lu recoveries, %lu timeouts\n",
	       sack ? "SACK" : "NewReno", rate * 8e-6, theory * 8e-6, rate / theory, (unsigned long)r.n_retransmits,
	       (unsigned long)r.n_recoveries, (unsigned long)r.n_timeouts);
	/* Far more than theory would be a window that losses do not halve. */
	ck_assert_msg(rate >= least * theory && rate <= 1.5 * theory, "%.0f bytes/s, theory %.0f", rate, theory);
}

START_TEST(rate_with_loss_and_sack)
{
	rate_with_loss(true, 0.8);
}
END_TEST

START_TEST(rate_with_loss_and_newreno)
{
	rate_with_loss(false, 0.6);
}
END_TEST

/* A path that reorders two pieces of a hundred, and loses none: it must not look like one that loses. */
START_TEST(rate_with_reordering)
{
	struct net_params par = { .seed = 3,
				  .down_bytes = 8 << 20,
				  .delay = 50 * MS,
				  .late = 0.02,
				  .window_max = 1 << 20,
				  .mss = 1460,
				  .sack = true,
				  .timestamps = true,
				  .wscale = true };
	struct net_result r = net_run(&par);

	printf("reordering: %.2f Mbit/s, %lu retransmissions, %lu recoveries, %lu undone, %lu timeouts\n",
	       par.down_bytes * 8e3 / (double)r.took, (unsigned long)r.n_retransmits, (unsigned long)r.n_recoveries,
	       (unsigned long)r.n_undone, (unsigned long)r.n_timeouts);
	ck_assert_uint_eq(r.n_timeouts, 0);
	ck_assert_uint_le(r.n_recoveries, 4); /* each of them teaches it to wait longer */
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tcp_link");
	TCase *t = tcase_create("link");

	tcase_add_loop_test(t, all_bytes_arrive, 0, 5);
	tcase_add_loop_test(t, all_bytes_arrive_over_saves, 0, 5);
	tcase_add_test(t, rate_without_loss);
	tcase_add_test(t, rate_with_loss_and_sack);
	tcase_add_test(t, rate_with_loss_and_newreno);
	tcase_add_test(t, rate_with_reordering);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
