/* nat/uplink.h: the uplink: the process with the host's sockets for a team's networks with `nat`.
 *
 * Each network has one pair of rings. The service station of the network is the fabric's side of it (core/ring.h,
 * RING_FABRIC), the uplink is the machine's side. Frames carry IP packets (nat/nat.h) and messages (nat/message.h).
 *
 * Control messages on control_fd (core/verb.h: {"do":VERB,"id":N,…}):
 *   {"do":"ping"}
 *   {"do":"show"}, {"do":"show","network":I}
 *       -> "flows":[{"proto","network","guest","guest-port","remote","remote-port","age-ns","idle-ns","out","in",
 *          "forward","state"}], "n-flows","n-forwards","sockets","left-out","counters":{…},"parts":{NAME:{…}}
 *   {"do":"forward-add","forward":F,"network":I,"proto":"tcp|udp","port":P,"to":ADDRESS | "mac":MAC} with one
 *       descriptor: a listening TCP or a bound UDP socket
 *   {"do":"forward-remove","forward":F}
 *   {"do":"quit"}: answers, then ends
 * When control_fd ends, the uplink ends. Connections outside are reset then.
 *
 * Used by: the supervisor, after fork.   Depends on: nat/nat.h, core/ring.h. */
#ifndef MUSTER_NAT_UPLINK_H
#define MUSTER_NAT_UPLINK_H

#include "core/ring.h"
#include "nat/nat.h"
#include "nat/part.h"

enum {
	UPLINK_FLOWS_MAX = 16384,
	UPLINK_NETWORK_FLOWS_MAX = 8192, /* of one network, where there are several */
	UPLINK_SOURCE_FLOWS_MAX = 4096, /* of one guest: an address of Ethernet in a network */
};

struct uplink_network {
	const char *name; /* for the log */
	struct ring_pair_fds rings;
	struct nat_network nat; /* MTU and reach. The host's addresses are the caller's to find: the uplink cannot. */
};

/* An address that a NIC has by plan: where forwards to the NIC lead, until a message says otherwise. */
struct uplink_lease {
	uint16_t network;
	struct mac_addr mac;
	struct ip_addr ip;
};

struct uplink_config {
	const char *name; /* the team's */
	const struct uplink_network *networks; /* borrowed, with all that they point to, until uplink_run() returns */
	size_t n_networks; /* at most NAT_NETWORKS_MAX */
	const struct nat_forward_config *forwards; /* their descriptors are taken over */
	size_t n_forwards;
	const struct part *parts; /* what it does beside the NAT; borrowed as the networks are */
	size_t n_parts; /* at most PARTS_MAX */
	const struct uplink_lease *leases;
	size_t n_leases;
	const int *folders; /* that parts read below, open; borrowed; -1: none */
	size_t n_folders; /* at most NAT_NETWORKS_MAX */
	int raw_icmp_fd[2]; /* IPv4, IPv6: raw sockets opened as root; -1: ping sockets are tried */
	uint64_t seed; /* from the kernel's random numbers: guests must not guess it */
	bool no_peek_off; /* as on a kernel without SO_PEEK_OFF for TCP */
	int control_fd;
	bool cell; /* the process is locked, for good, once all is set up (core/sandbox.h) */
};

/* Runs until the control socket ends or a "quit". Returns an exit status. */
int uplink_run(const struct uplink_config *cfg);

#endif
