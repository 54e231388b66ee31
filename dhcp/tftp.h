/* dhcp/tftp.h: a TFTP server that only reads, as a state machine without socket, file and clock.
 *
 * A read request makes a session with a port of its own, which is the server's transfer id. Its options are answered by
 * an OACK that has what was asked and no more. Blocks are counted in 64 bits, and their low 16 bits are on the wire, so
 * a file may have any length. A file is as long as it was when it was opened.
 *
 * A window of blocks is sent at once (windowsize; one without), and again from the first that was not acknowledged. With a
 * window of one an ACK that comes twice is ignored (RFC 1123 §4.2.3.1). In larger windows it may tell that the first
 * block was lost: it is heeded once, and not earlier than an answer to what was sent last can have come. Time-outs
 * double, and after TFTP_TRIES_MAX the session ends.
 *
 * All is bounded: there are TFTP_SESSION_COUNT sessions, and TFTP_SOURCE_MAX of one source. Where there is no room, the
 * session that waits longest for its client ends, of the source or of all.
 *
 * Names are those below a folder (dhcp/tftp_msg.h, tftp_name_clean()); whoever opens them sees to links.
 * Nothing is saved: a client whose server is gone asks again.
 *
 * Used by: teams/uplink_tftp.c.   Depends on: dhcp/tftp_msg.h, core/heap.h, core/prng.h.
 * Sources: RFC 1350, 1123 §4.2, 2347, 2348, 2349, 7440. */
#ifndef MUSTER_DHCP_TFTP_H
#define MUSTER_DHCP_TFTP_H

#include "core/addr.h"
#include "core/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	TFTP_PORT = 69,
	TFTP_SESSION_COUNT = 256,
	TFTP_SOURCE_MAX = 16,
	TFTP_WINDOW_MAX = 64, /* blocks; a client that asks for more is told this */
	TFTP_TRIES_MAX = 5, /* times that the same is sent again */
	TFTP_PORT_FIRST = 49152, /* of sessions' ports, up to 65535 */
};
#define TFTP_WAIT_NS NSEC_PER_SEC /* until the first time-out, without `timeout` */
#define TFTP_WAIT_MAX_NS (16 * NSEC_PER_SEC) /* what doubling ends at, if `timeout` is not longer */

struct tftp;

/* A client, as a message comes. A value. */
struct tftp_peer {
	uint64_t source; /* who is counted */
	uint32_t network; /* the caller's number */
	struct ip_addr client, server;
	uint16_t port; /* the client's */
	uint16_t block_max; /* bytes of data that pass whole to it: TFTP_BLOCK_MIN to TFTP_BLOCK_MAX */
};

struct tftp_ops {
	/* Opens a file of @network. @name: cleaned. Returns 0, or -errno: -ENOENT is told as "not found", all
	 * others as "access violation". */
	int (*open)(void *ctx, uint32_t network, const char *name, void **ret_file, uint64_t *ret_size);
	/* Reads @len bytes at @offset. Returns how many; fewer end the file; -errno. */
	ssize_t (*read)(void *ctx, void *file, uint64_t offset, void *buf, size_t len);
	void (*close)(void *ctx, void *file);
	/* Sends from @port of to->server. @msg: borrowed. What is lost is sent again. */
	void (*send)(void *ctx, const struct tftp_peer *to, uint16_t port, const uint8_t *msg, size_t len, nsec_t now);
	void *ctx;
};

struct tftp_counters {
	uint64_t requests, malformed;
	uint64_t opened, completed, aborted, timed_out, evicted, failed; /* sessions; aborted: by their clients */
	uint64_t not_found, denied, writes;
	uint64_t blocks, resent; /* DATA sent; windows and OACKs that were sent again */
	uint64_t duplicates, strangers; /* ACKs that were ignored; messages of others for a session's port */
};

/* @seed: of ports; not to be guessed. @ops: copied. Returns 0 or -ENOMEM. */
int tftp_new(uint64_t seed, const struct tftp_ops *ops, struct tftp **ret_tftp);
struct tftp *tftp_free(struct tftp *t); /* accepts NULL; returns NULL; closes files and sends nothing */

/* Takes a datagram of @from for @port of the server. Any bytes may come. Returns false when nobody listens there. */
bool tftp_take(struct tftp *t, const struct tftp_peer *from, uint16_t port, const uint8_t *msg, size_t len, nsec_t now);
nsec_t tftp_next(const struct tftp *t); /* when tftp_run() is wanted; NSEC_NEVER */
void tftp_run(struct tftp *t, nsec_t now);

size_t tftp_sessions(const struct tftp *t);
const struct tftp_counters *tftp_counters(const struct tftp *t); /* borrowed */

#endif
