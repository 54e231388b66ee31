/* teams/setup.h: what a guest is told about itself: an archive appended to its
 * initrd, with /etc/muster/setup.sh (run by the image's init before the agent
 * starts), /etc/hosts, /etc/resolv.conf, the environment and the VM's files. */
#ifndef MUSTER_TEAMS_SETUP_H
#define MUSTER_TEAMS_SETUP_H

#include "core/bytes.h"
#include "topologies/team.h"

/* In the guest: there while the script runs; and what it could not do, a line each. */
#define SETUP_RUNS "/run/muster-setup.runs"
#define SETUP_FAILED "/run/muster-setup.failed"

/* The script. Appends to @out. */
void setup_script(const struct team *t, size_t vm, struct bytes *out);
/* Both append a file of the guest's: /etc/hosts, /etc/resolv.conf. @vm: its place in the team. */
void setup_hosts(const struct team *t, size_t vm, struct bytes *out);
void setup_resolv_conf(const struct team *t, size_t vm, struct bytes *out);
/* KEY='VALUE' lines, quoted for the shell; @prefix: "export " or "". */
void setup_env(const struct team_vm *vm, const char *prefix, struct bytes *out);

/* The whole newc archive. @ret_why: a message, the caller frees.
 * Returns 0 or -errno (a file of `files` that cannot be read). */
int setup_archive(const struct team *t, size_t vm, struct bytes *ret_archive, char **ret_why);

#endif
