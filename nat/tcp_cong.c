/* nat/tcp_cong.c: NewReno's congestion window and RFC 6298's timer.
 *
 * Used by: nat/tcp_ack.c, nat/tcp_output.c.   Depends on: core/clock.h.
 * Sources: RFC 5681, 6298, 6582, 6928; RFC 3465. */
#include "nat/tcp_cong.h"

/* RFC 6298 §2: alpha 1/8, beta 1/4, K 4; the clock's granularity is 1 ms. */
enum { K = 4, BACKOFF_MAX = 16 };

static uint32_t at_least(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void tcp_rtt_init(struct tcp_rtt *r)
{
	*r = (struct tcp_rtt){ .rto = TCP_RTO_FIRST };
}

void tcp_rtt_sample(struct tcp_rtt *r, nsec_t rtt)
{
	if (!r->srtt) {
		r->srtt = rtt;
		r->rttvar = rtt / 2;
	} else {
		nsec_t off = r->srtt > rtt ? r->srtt - rtt : rtt - r->srtt;

		r->rttvar += (off - r->rttvar) / 4;
		r->srtt += (rtt - r->srtt) / 8;
	}
	r->rto = r->srtt + nsec_max(NSEC_PER_MSEC, K * r->rttvar);
	r->rto = nsec_min(nsec_max(r->rto, TCP_RTO_MIN), TCP_RTO_MAX);
}

nsec_t tcp_rtt_timeout(const struct tcp_rtt *r, unsigned backoff)
{
	return nsec_min(r->rto << (backoff < BACKOFF_MAX ? backoff : BACKOFF_MAX), TCP_RTO_MAX);
}

uint32_t tcp_cong_initial_window(uint32_t mss)
{
	uint32_t ten = 10 * mss;

	return ten < at_least(2 * mss, 14600) ? ten : at_least(2 * mss, 14600);
}

void tcp_cong_init(struct tcp_cong *cg, uint32_t mss)
{
	*cg = (struct tcp_cong){ .cwnd = tcp_cong_initial_window(mss), .ssthresh = TCP_WINDOW_MAX };
}

void tcp_cong_acked(struct tcp_cong *cg, uint32_t acked, uint32_t mss)
{
	if (cg->mode == TCP_CONG_RECOVERY || !cg->limited)
		return;
	if (cg->cwnd < cg->ssthresh) {
		/* An ACK after a timeout may cover much that arrived before it. */
		if (cg->mode == TCP_CONG_LOSS && acked > mss)
			acked = mss;
		cg->cwnd += acked;
		if (cg->cwnd > cg->ssthresh)
			cg->cwnd = cg->ssthresh;
	} else {
		cg->acked += acked;
		if (cg->acked >= cg->cwnd) {
			cg->acked -= cg->cwnd;
			cg->cwnd += mss;
		}
	}
	if (cg->cwnd > TCP_WINDOW_MAX)
		cg->cwnd = TCP_WINDOW_MAX;
}

static void reduce(struct tcp_cong *cg, uint32_t flight, uint32_t mss)
{
	/* While a hole waits, new data follows each SACK: what is in flight beyond cwnd does not count (RFC 3042 §2). */
	flight = flight < cg->cwnd ? flight : cg->cwnd;
	cg->prior_cwnd = cg->cwnd;
	cg->prior_ssthresh = cg->ssthresh;
	cg->ssthresh = at_least(flight / 2, 2 * mss);
	cg->acked = 0;
}

void tcp_cong_recover(struct tcp_cong *cg, uint32_t flight, uint32_t mss, uint32_t nxt)
{
	reduce(cg, flight, mss);
	cg->cwnd = cg->ssthresh;
	cg->recover = nxt;
	cg->mode = TCP_CONG_RECOVERY;
}

void tcp_cong_timeout(struct tcp_cong *cg, uint32_t flight, uint32_t mss, uint32_t nxt, bool again)
{
	if (!again)
		reduce(cg, flight, mss);
	cg->cwnd = mss;
	cg->recover = nxt;
	cg->mode = TCP_CONG_LOSS;
	cg->limited = true;
}

void tcp_cong_repaired(struct tcp_cong *cg, uint32_t flight, uint32_t mss)
{
	reduce(cg, flight, mss);
	cg->cwnd = cg->ssthresh;
}

void tcp_cong_undo(struct tcp_cong *cg)
{
	cg->cwnd = at_least(cg->cwnd, cg->prior_cwnd);
	cg->ssthresh = at_least(cg->ssthresh, cg->prior_ssthresh);
	cg->mode = TCP_CONG_OPEN;
	cg->prior_cwnd = cg->prior_ssthresh = 0;
}

void tcp_cong_idle(struct tcp_cong *cg, uint32_t mss)
{
	uint32_t initial = tcp_cong_initial_window(mss);

	if (cg->cwnd > initial)
		cg->cwnd = initial;
}
