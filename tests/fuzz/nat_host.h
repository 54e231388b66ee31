/* tests/fuzz/nat_host.h: nat/host.h without sockets: what a host does is read from the input.
 *
 * Linked in place of nat/host.c. */
#ifndef MUSTER_TESTS_FUZZ_NAT_HOST_H
#define MUSTER_TESTS_FUZZ_NAT_HOST_H

#include "nat/host.h"

/* The bytes that decide; when they end, all are zeros. */
struct nat_host_input {
	const uint8_t *p;
	size_t left;
};
extern struct nat_host_input nat_host_input;

uint8_t nat_host_byte(void);
/* Tells the @i-th open socket, modulo their number, of @events. */
void nat_host_fire(struct host *h, unsigned i, unsigned events, nsec_t now);

#endif
