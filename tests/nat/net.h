/* tests/nat/net.h: our endpoint and a second, simple TCP, joined by a lossy link on virtual time.
 *
 * The peer is written apart from nat/: it keeps a map of the bytes that came, sends go-back-N with a fixed timeout, and
 * opens the connection. Each direction has a delay, and loses, repeats and delays pieces at random; GSO units are cut
 * into segments before. The test fails when a byte is wrong, when one lies beyond a window that the peer ever told,
 * when more is kept than allowed, or when nothing is left to happen before both sides are done. */
#ifndef MUSTER_TESTS_NAT_NET_H
#define MUSTER_TESTS_NAT_NET_H

#include "core/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct net_params {
	uint64_t seed;
	uint32_t down_bytes, up_bytes; /* to the guest, from the guest */
	nsec_t delay; /* one way */
	double loss, repeat, late; /* shares of the pieces */
	uint32_t window_max; /* of the peer, up to 8 MiB */
	uint32_t mss; /* of the peer */
	bool sack, timestamps, wscale;
	bool moody; /* windows open and shut at random, both ways; the source has data now and then */
	double save; /* share of steps behind which our side is saved and loaded, on another clock */
	nsec_t limit; /* of the virtual time; 0: an hour, and all must have arrived */
};

struct net_result {
	nsec_t took; /* until all had arrived, or the limit */
	uint32_t down_bytes; /* that had arrived then */
	uint64_t n_retransmits, n_timeouts, n_recoveries, n_undone, n_probes;
	uint64_t n_lost, n_saves, n_tail_probes;
};

struct net_result net_run(const struct net_params *params);

#endif
