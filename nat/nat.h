/* nat/nat.h: the NAT of a team's networks: a guest's IP packets become calls on the host's sockets, and back.
 *
 * Packets come as the service station hands them on: their TTL is taken down by one already. Packets for guests leave
 * in frames whose Ethernet addresses are zeros, which the station fills in.
 *
 * UDP. One unconnected socket for each address and port of a guest, whatever it talks to (RFC 4787 §4.1), on the
 * same port of the host where that is free. An answer is let in when the guest has sent to its address before (§5).
 * ICMP echo. One ping socket for each identifier, or raw sockets that were opened before the cell closed. Where the host
 * allows neither, echo requests are counted and dropped: an answer is never made up.
 * TCP. The guest's SYN becomes connect(); the guest is answered when the other side has answered. A refusal is told by
 * RST, an ICMP error by that ICMP error, and silence by silence. nat/tcp.h is the guest's side.
 * Forwards. A listener's connection or datagram goes to a guest's address, which is looked up each time: leases tell it,
 * or the file. Its sender keeps its address and port, but the loopback, which becomes the service address.
 *
 * Used by: nat/uplink.c.   Depends on: nat/host.h, nat/flow.h, nat/frag.h, nat/reach.h, nat/icmp.h, nat/tcp.h.
 * Sources: RFC 4787, 5382, 5508, 7857. */
#ifndef MUSTER_NAT_NAT_H
#define MUSTER_NAT_NAT_H

#include "core/addr.h"
#include "core/clock.h"
#include "core/frame.h"
#include "nat/flow.h"
#include "nat/reach.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAT_NETWORKS_MAX = 256, NAT_LEASES_MAX = 4096, NAT_FORWARDS_MAX = 1024 };

struct host;
struct nat;
struct packet;

struct nat_network {
	uint32_t mtu; /* bytes; 576 to 65535 */
	struct reach reach; /* its arrays are borrowed */
};

/* Where frames for guests go. */
struct nat_out {
	/* Room for a frame of @len bytes, or NULL; nat_room() is called when there is some again. */
	uint8_t *(*reserve)(void *ctx, uint16_t network, uint32_t len);
	void (*commit)(void *ctx, uint16_t network, uint32_t len, const struct frame_offload *offload, nsec_t now);
	/* A DNS query that came from the station; NULL: they are dropped. @data: a whole message frame, borrowed. */
	void (*query)(void *ctx, uint16_t network, const uint8_t *data, size_t len, nsec_t now);
	/* A UDP datagram for the service address, put together and with right checksums; NULL: it is judged as any
	 * other. Returns false when nobody takes it: it is judged, too. */
	bool (*own)(void *ctx, uint16_t network, const struct packet *p, nsec_t now);
	void *ctx;
};

struct nat_config {
	const struct nat_network *networks; /* borrowed */
	uint16_t n_networks;
	struct flow_limits limits;
	uint64_t seed; /* of hashes, and of sequence numbers; not to be guessed */
	int raw_icmp_fd[2]; /* IPv4, IPv6; taken over; -1: none */
	struct nat_out out;
};

struct nat_forward_config {
	uint32_t id; /* the asker's; no two have the same */
	uint8_t proto; /* PROTO_TCP or PROTO_UDP */
	uint16_t network;
	int fd; /* a listener, or a bound UDP socket; taken over when it is added */
	struct ip_addr to; /* IP_NONE: what the lease of @mac says */
	struct mac_addr mac;
	uint16_t port; /* of the guest */
};

struct nat_counters {
	uint64_t frames, bad_offload, malformed, bad_checksums, no_address, other_protocols, expired_hops;
	uint64_t refused[REACH_VERDICT_COUNT];
	uint64_t icmp_told, icmp_limited;
	uint64_t udp_out, udp_in, udp_filtered, udp_failed;
	uint64_t echo_out, echo_in, echo_filtered, echo_forbidden;
	uint64_t tcp_opened, tcp_refused, tcp_unreachable, tcp_accepted, tcp_unknown;
	uint64_t forward_no_address;
	uint64_t no_room, no_socket, no_memory; /* frames; sockets; memory */
	uint64_t messages, bad_messages;
};

/* Returns 0, -EINVAL, or -errno. */
int nat_new(const struct nat_config *cfg, struct host *host, nsec_t now, struct nat **ret_nat);
struct nat *nat_free(struct nat *n); /* accepts NULL; returns NULL; connections outside are reset */

/* Takes a frame that the station sent. @data: any bytes, which do not change during the call. */
void nat_take(struct nat *n, uint16_t network, const uint8_t *data, uint32_t len, const struct frame_offload *offload,
	      nsec_t now);
/* Tells whether another frame of the same batch follows the one that is taken next. Not needed for what is right: small
 * pieces of one stream go out together then. nat_flush() ends a batch. */
void nat_expect(struct nat *n, bool more);
/* After a batch of nat_take(): what connections have to say. */
void nat_flush(struct nat *n, nsec_t now);
/* The way to @network has room again. */
void nat_room(struct nat *n, uint16_t network, nsec_t now);
/* Sends an IP packet to a guest, in fragments where the MTU asks for it. @ip: whole, with right checksums.
 * Returns 0; -EMSGSIZE as frag_split(); -1: there is no room, and the packet or its rest is lost. */
int nat_send(struct nat *n, uint16_t network, const uint8_t *ip, size_t len, nsec_t now);
nsec_t nat_next(const struct nat *n); /* when nat_run() is wanted; NSEC_NEVER */
void nat_run(struct nat *n, nsec_t now);

/* A guest has an address, or has it no more: where forwards to @mac lead. One a family; the last said counts. */
void nat_lease_set(struct nat *n, uint16_t network, const struct mac_addr *mac, const struct ip_addr *ip,
		   bool is_known);

/* Returns 0; -EEXIST, -ENOSPC, -EINVAL, -errno: then the descriptor stays the caller's. */
int nat_forward_add(struct nat *n, const struct nat_forward_config *cfg);
int nat_forward_remove(struct nat *n, uint32_t id); /* 0 or -ENOENT; its connections go on */

/* What passed and was refused. Borrowed, as long as the NAT. */
const struct nat_counters *nat_counters(const struct nat *n);
/* Flows that there are now. */
uint32_t nat_flows(const struct nat *n);
/* What is open, and counters. @network: below 0: all. NULL: memory is out. The caller owns it. */
json_t *nat_show(struct nat *n, int network, nsec_t now);

#endif
