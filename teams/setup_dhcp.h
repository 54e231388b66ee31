/* teams/setup_dhcp.h: the set-up of NICs that ask DHCP for their addresses. Internal to setup.c. */
#ifndef MUSTER_TEAMS_SETUP_DHCP_H
#define MUSTER_TEAMS_SETUP_DHCP_H

#include "core/bytes.h"
#include "topologies/team.h"

/* In the guest: what udhcpc calls. */
#define SETUP_DHCP "/etc/muster/dhcp.sh"

/* Whether a NIC of @vm has the address `dhcp`. */
bool setup_wants_dhcp(const struct team_vm *vm);
/* That script; the same for all VMs. Appends to @out. */
void setup_dhcp_script(const struct team *t, size_t vm, struct bytes *out);
/* The part of the set-up script that gets the leases, after all NICs have their names; nothing without such NICs.
 * It uses the set-up's function failed(). Appends to @out. */
void setup_dhcp(const struct team_vm *vm, struct bytes *out);

#endif
