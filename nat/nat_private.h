/* nat/nat_private.h: what the parts of the NAT share.
 *
 * Used by: nat/nat_core.c, nat/nat_*.c. */
#ifndef MUSTER_NAT_NAT_PRIVATE_H
#define MUSTER_NAT_NAT_PRIVATE_H

#include "core/packet.h"
#include "core/prng.h"
#include "nat/frag.h"
#include "nat/host.h"
#include "nat/icmp.h"
#include "nat/nat.h"
#include "nat/tcp.h"

enum {
	NAT_PACKET_MAX = 65536 + 64,
	NAT_PEERS_MAX = 256, /* addresses that one UDP or echo flow lets in: the latest ones */
	NAT_SENT = 4, /* packets that a flow remembers, for errors about them */
	NAT_BUDGET = 64, /* errors or connections taken from one socket at a time */
};

/* The addresses that a flow has sent to. */
struct nat_peers {
	uint8_t (*addrs)[16]; /* owned */
	uint16_t n, size, next;
};

struct nat_forward {
	struct nat_forward *next;
	struct nat_forward_config cfg;
	struct nat *nat;
	struct host_sock *sock;
	uint32_t n_flows; /* UDP flows that answer through its socket */
};

/* A packet of the guest's, as far as an error about it quotes what the host does not know. */
struct nat_sent {
	struct ip_addr to; /* as the host knows it */
	uint16_t port; /* of echo: the sequence number */
	uint16_t id, sum; /* of IPv4; of UDP or ICMP */
	uint16_t len; /* behind the IP header; 0: there is none */
	uint8_t ttl, tos;
	bool dont_fragment;
	bool has_sum; /* the guest left none of it to its network card */
};

/* A flow of datagrams: UDP or echo. */
struct nat_datagrams {
	struct flow flow; /* the first member */
	struct nat *nat;
	struct host_sock *sock; /* NULL: @forward's, or a raw one */
	struct nat_forward *forward; /* counted there */
	struct nat_peers peers;
	struct ip_addr client; /* of a forward: who sends; as the host knows it */
	uint16_t client_port;
	uint16_t outer_id; /* echo through a raw socket */
	struct nat_sent sent[NAT_SENT]; /* the latest ones */
	uint8_t next_sent;
	bool is_dns; /* it spoke to port 53 only */
	bool has_outer_id;
	uint64_t n_out, n_in; /* packets */
};

struct nat_tcp {
	struct flow flow; /* the first member */
	struct nat *nat;
	struct host_sock *sock; /* NULL: closed */
	struct tcp_conn conn;
	struct heap_item timer;
	struct nat_tcp *stalled_next; /* of its network's list */
	struct nat_tcp *dirty_next;
	size_t unread; /* bytes in the socket */
	uint32_t syn_seq;
	uint8_t ttl;
	bool is_stalled, is_dirty;
	bool is_connecting, is_eof, is_blocked, is_reset, is_failed, is_forward;
	bool took; /* the guest's data went to the socket in this batch */
	bool is_corked; /* some of it waits in the socket for more of it */
	uint64_t n_out, n_in; /* bytes */
};

struct nat_lease {
	struct mac_addr mac;
	struct ip_addr ip;
	uint16_t network;
};

struct nat {
	struct nat_config cfg;
	struct host *host;
	struct flow_table *flows;
	struct frag *frag;
	struct icmp_limit errors;
	struct prng prng;
	struct heap timers; /* of struct nat_tcp */
	struct tcp_common tcp;
	struct nat_tcp *stalled[NAT_NETWORKS_MAX];
	struct nat_tcp *dirty;
	struct nat_forward *forwards;
	uint32_t n_forwards;
	struct nat_lease *leases;
	uint32_t n_leases, next_lease;
	struct host_sock *raw[2];
	struct nat_datagrams **by_outer_id[2]; /* of raw sockets; 65536 entries; NULL: not needed yet */
	struct nat_counters count;
	nsec_t now; /* of the event that is being served */
	bool said_echo, said_sockets;
	bool more; /* frames of this batch follow */
	uint8_t *packet; /* NAT_PACKET_MAX: what is built */
	uint8_t *data; /* NAT_PACKET_MAX: what a socket gave */
	struct frame *in; /* the frame that is being taken */
};

/* Who is charged for a packet: a MAC in a network. A station's own packets have zeros. */
static inline uint64_t nat_source(uint16_t network, const struct mac_addr *mac)
{
	uint64_t s = network;

	for (unsigned i = 0; i < MAC_LEN; i++)
		s = s << 8 | mac->b[i];
	return s;
}

/* ---- nat_out.c: to guests ----------------------------------------------------- */

/* Sends an IP packet, in pieces when it is longer than the network's MTU. */
void nat_send_ip(struct nat *n, uint16_t network, const uint8_t *ip, size_t len);
/* Tells of @cause about the guest's IP packet, when the rate allows. */
void nat_send_error(struct nat *n, uint16_t network, uint64_t source, const struct icmp_cause *cause,
		    const uint8_t *quoted, size_t len);
/* The same about a parsed packet, if errors about it are allowed. */
void nat_answer_error(struct nat *n, uint16_t network, uint64_t source, const struct icmp_cause *cause,
		      const struct packet *p);
/* The network's own router of @family; false: it has none. */
bool nat_router(const struct nat *n, uint16_t network, enum ip_family family, struct ip_addr *ret_ip);
/* A TTL that came from outside, with this hop counted. */
uint8_t nat_hop(uint8_t ttl);

/* ---- nat_udp.c: peers, flows ------------------------------------------------------- */

/* Whether @ip is one of the peers. */
bool nat_peers_has(const struct nat_peers *p, const struct ip_addr *ip);
int nat_peers_add(struct nat_peers *p, const struct ip_addr *ip); /* 0 or -ENOMEM */

void nat_udp_take(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, const struct ip_addr *real,
		  bool was_cut);
void nat_udp_forward(void *ctx, unsigned events, nsec_t now); /* ctx: struct nat_forward */
void nat_datagrams_end(struct nat *n, struct nat_datagrams *d);
/* Makes a flow with @key, or returns NULL. */
struct nat_datagrams *nat_datagrams_new(struct nat *n, const struct flow_key *key, uint64_t source, nsec_t idle_ns);
/* Remembers that @p goes to @to. */
void nat_datagrams_sent(struct nat_datagrams *d, const struct packet *p, const struct host_way *to);
/* The latest packet to @to, @port; NULL: it is not remembered. Borrowed. */
const struct nat_sent *nat_datagrams_last(const struct nat_datagrams *d, const struct ip_addr *to, uint16_t port);
/* Writes the packet that an error is about as the guest sent it, as far as it is known, into nat.packet.
 * @e: to, port and len count. @data: what went to the socket, e.len bytes. Returns the known length; 0: it does not fit. */
size_t nat_datagrams_quote(const struct nat_datagrams *d, const struct host_error *e, const uint8_t *data);
/* Reads @d's error queue, and tells the guest. */
void nat_datagrams_errors(struct nat_datagrams *d);
/* A call on a socket failed with @error: what the guest is told about @p. */
void nat_tell_errno(struct nat *n, uint16_t network, uint64_t source, int error, const struct packet *p);

void nat_echo_take(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, const struct ip_addr *real,
		   bool was_cut);
int nat_echo_open_raw(struct nat *n); /* of the configuration; 0 or -errno */

/* ---- nat_tcp.c ------------------------------------------------------------------- */

extern const struct tcp_ops nat_tcp_ops;
void nat_tcp_take(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, const struct ip_addr *real);
void nat_tcp_forward(void *ctx, unsigned events, nsec_t now); /* ctx: struct nat_forward */
void nat_tcp_run(struct nat *n, nsec_t now);
void nat_tcp_room(struct nat *n, uint16_t network, nsec_t now);
void nat_tcp_flush(struct nat *n, nsec_t now);
/* Ends a flow: what is open outside is reset. */
void nat_tcp_end(struct nat_tcp *t);

/* ---- nat_forward.c ---------------------------------------------------------------- */

/* Where a forward leads now, in @family. Returns 0 or -ENOENT. */
int nat_forward_target(const struct nat *n, const struct nat_forward *f, enum ip_family family, struct ip_addr *ret_ip);
/* The address that the guest knows a forward's client by. Returns 0; -ENOENT: it has none that a guest could answer. */
int nat_forward_view(const struct reach *r, const struct ip_addr *client, struct ip_addr *ret_view);
void nat_forward_put(struct nat *n, struct nat_forward *f); /* a flow of it ended */
void nat_forwards_free(struct nat *n);

#endif
