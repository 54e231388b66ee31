/* nat/tcp_cong.h: how much may be in flight, and how long an acknowledgement may take.
 *
 * NewReno with byte counting: one segment more a round trip, half of what was in flight after a loss. The retransmission
 * timeout is at least 200 ms, not the 1 s of RFC 6298 §2.4: that is what Linux, FreeBSD and Windows guests use among each
 * other, and the delayed ACKs of all of them are shorter.
 *
 * Used by: nat/tcp_ack.c, nat/tcp_output.c.   Depends on: core/clock.h.
 * Sources: RFC 5681, 6298, 6582, 6928; RFC 3465 for byte counting. */
#ifndef MUSTER_NAT_TCP_CONG_H
#define MUSTER_NAT_TCP_CONG_H

#include "core/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define TCP_RTO_FIRST NSEC_PER_SEC
#define TCP_RTO_MIN (200 * NSEC_PER_MSEC)
#define TCP_RTO_MAX (60 * NSEC_PER_SEC)

enum { TCP_WINDOW_MAX = 1 << 30 };

enum tcp_cong_mode {
	TCP_CONG_OPEN,
	TCP_CONG_RECOVERY, /* fast recovery, until @recover is acknowledged */
	TCP_CONG_LOSS, /* after a timeout, until @recover is acknowledged */
};

struct tcp_cong {
	uint32_t cwnd, ssthresh; /* bytes */
	uint32_t prior_cwnd, prior_ssthresh; /* before the last reduction, to undo it */
	uint32_t recover; /* the next new byte when the loss was seen */
	uint32_t acked; /* bytes acknowledged since cwnd last grew by a segment */
	uint8_t mode; /* enum tcp_cong_mode */
	bool limited; /* cwnd, and nothing else, held data back */
};

struct tcp_rtt {
	nsec_t srtt, rttvar; /* 0: no sample yet */
	nsec_t rto; /* without back-off */
};

void tcp_rtt_init(struct tcp_rtt *r);

/* @rtt: a sample of a segment that was sent once, > 0.   Source: RFC 6298 §2 */
void tcp_rtt_sample(struct tcp_rtt *r, nsec_t rtt);

/* The timeout after @backoff timeouts in a row.   Source: RFC 6298 §5.5 */
nsec_t tcp_rtt_timeout(const struct tcp_rtt *r, unsigned backoff);

/* @mss: payload bytes of a full segment.   Source: RFC 6928 §2 */
uint32_t tcp_cong_initial_window(uint32_t mss);
void tcp_cong_init(struct tcp_cong *cg, uint32_t mss);

/* @acked bytes were acknowledged, in order.   Source: RFC 5681 §3.1 */
void tcp_cong_acked(struct tcp_cong *cg, uint32_t acked, uint32_t mss);

/* A loss was seen by duplicate ACKs or SACK. @flight: bytes sent and not acknowledged; @nxt: the next new byte.
 * Source: RFC 5681 §3.2, RFC 6675 §5 */
void tcp_cong_recover(struct tcp_cong *cg, uint32_t flight, uint32_t mss, uint32_t nxt);

/* The retransmission timer fired. @again: the same data timed out before.   Source: RFC 5681 §3.1 */
void tcp_cong_timeout(struct tcp_cong *cg, uint32_t flight, uint32_t mss, uint32_t nxt, bool again);

/* A loss was seen that is repaired already. @flight: as above.   Source: RFC 8985 §7.4.2 */
void tcp_cong_repaired(struct tcp_cong *cg, uint32_t flight, uint32_t mss);

/* The last reduction was for nothing.   Source: RFC 4015 §3.2 */
void tcp_cong_undo(struct tcp_cong *cg);

/* Nothing was sent for longer than a timeout.   Source: RFC 5681 §4.1 */
void tcp_cong_idle(struct tcp_cong *cg, uint32_t mss);

#endif
