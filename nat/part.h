/* nat/part.h: a part of the uplink: what beside the NAT has to do with the host, such as DNS that is forwarded.
 *
 * The uplink knows no protocol of its parts. Whoever starts it hands them in (nat/uplink.h), opened before the
 * cell is locked and called from the uplink's one thread afterwards. A part calls what its struct part_access has, and
 * nat/host.h for sockets; it calls no other part. System calls beside those of nat/host.h have their own SYSCALLS(uplink)
 * beside them.
 *
 * What a part may call when: anything of struct part_access in query(), packet(), run() and in events of its sockets,
 * and nothing that sends in open() and close(). What comes from guests is hostile, and so is what comes from outside:
 * a part bounds its sockets and memory by itself, for each network and in all.
 *
 * Used by: nat/uplink.c, teams/.   Depends on: nat/message.h, nat/host.h, core/packet.h. */
#ifndef MUSTER_NAT_PART_H
#define MUSTER_NAT_PART_H

#include "core/clock.h"
#include "core/packet.h"
#include "nat/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARTS_MAX = 4 };

struct host;
struct nat_network;

/* What the uplink lends its parts; lives as long as they do. */
struct part_access {
	struct host *host;
	const struct nat_network *networks;
	uint16_t n_networks;
	uint64_t seed; /* of this part alone; not to be guessed */
	/* Sends a message to the station of @network. Returns false when there is no room now: it is lost. */
	bool (*answer)(void *ctx, uint16_t network, const struct message *m, nsec_t now);
	/* Sends an IP packet, in fragments where the MTU asks for it. Returns false when it was lost. */
	bool (*send_ip)(void *ctx, uint16_t network, const uint8_t *ip, size_t len, nsec_t now);
	void *ctx; /* of both */
};

struct part_ops {
	const char *name; /* in the answer to "show" */
	/* Opens the part: files and tables, before the cell is locked. @cfg: struct part.cfg.
	 * Returns 0 or -errno: the uplink does not start then. */
	int (*open)(const void *cfg, const struct part_access *access, void **ret_part);
	/* A DNS query of a station; NULL: none is taken. @m: borrowed. */
	void (*query)(void *part, uint16_t network, const struct message *m, nsec_t now);
	/* A UDP datagram for the network's service address, whole, with right checksums; NULL: none is taken.
	 * @p: borrowed. Returns false when it is not for this part. */
	bool (*packet)(void *part, uint16_t network, const struct packet *p, nsec_t now);
	/* When run() is wanted; NSEC_NEVER. Both or neither are NULL. */
	nsec_t (*next)(const void *part);
	void (*run)(void *part, nsec_t now);
	json_t *(*counters)(const void *part); /* may be NULL; the caller owns the answer */
	void (*close)(void *part); /* its sockets, too */
};

struct part {
	const struct part_ops *ops;
	const void *cfg; /* of open(); borrowed until the uplink ends */
};

/* ---- for the uplink --------------------------------------------------------------------------- */

struct parts;

/* @access: its seed is that of all. Returns 0; -EINVAL: too many; -ENOMEM; what a part's open() returned. */
int parts_open(const struct part *list, size_t n, const struct part_access *access, struct parts **ret_parts);
struct parts *parts_close(struct parts *p); /* accepts NULL; returns NULL */
/* @data: a message frame of a query. */
void parts_query(struct parts *p, uint16_t network, const uint8_t *data, size_t len, nsec_t now);
/* Returns false when no part takes it. */
bool parts_packet(struct parts *p, uint16_t network, const struct packet *packet, nsec_t now);
nsec_t parts_next(const struct parts *p);
void parts_run(struct parts *p, nsec_t now);
json_t *parts_counters(const struct parts *p); /* NULL: no memory; the caller owns it */

#endif
