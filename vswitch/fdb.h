/* vswitch/fdb.h: the MAC table: which port a station was last seen on. */
#ifndef MUSTER_VSWITCH_FDB_H
#define MUSTER_VSWITCH_FDB_H

#include "core/addr.h"
#include "core/clock.h"

#include <stddef.h>
#include <stdint.h>

#define FDB_AGEING_NS (300 * NSEC_PER_SEC) /* 802.1Q-2018 §8.8.3, table 8-8 */

struct fdb;
struct state;

/* @n_ports: ports are 0 to n_ports - 1. @salt: what the hash starts from, so
 * that no station can choose its place. Returns 0 or -ENOMEM. */
int fdb_new(uint32_t n_ports, uint64_t salt, struct fdb **ret_fdb);
struct fdb *fdb_free(struct fdb *fdb); /* accepts NULL; returns NULL */

/* Notes that @mac was seen on @port. Group addresses are never learned.
 * @vid: 802.1Q VLAN, 0 to 4094. */
void fdb_learn(struct fdb *fdb, const struct mac_addr *mac, uint16_t vid, uint32_t port, nsec_t now);
/* Tells which port @mac was last seen on.
 * @ret_port: untouched unless 0 is returned.
 * Returns 0; -ENOENT when unknown or older than the ageing time. */
int fdb_lookup(const struct fdb *fdb, const struct mac_addr *mac, uint16_t vid, nsec_t now,
	       uint32_t *ret_port);
/* Forgets what was seen on @port (its link went down). */
void fdb_flush_port(struct fdb *fdb, uint32_t port);
/* Describes the table for saved state, in the section that the caller has begun (core/state.h):
 * entries in their places with when they were seen relative to @now, the salt, and the count of
 * evictions. Loading is for a table of as many ports; what it held is forgotten. */
void fdb_state(struct fdb *fdb, struct state *s, nsec_t now);
/* Entries held, aged ones that nobody has replaced included; and how many
 * were thrown out for want of room. */
size_t fdb_count(const struct fdb *fdb);
/* Entries that made room for others, since the start. */
uint64_t fdb_evictions(const struct fdb *fdb);

#endif
