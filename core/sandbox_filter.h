/* core/sandbox_filter.h: the generated lists of system calls. */
#ifndef MUSTER_CORE_SANDBOX_FILTER_H
#define MUSTER_CORE_SANDBOX_FILTER_H

#include "core/sandbox_roles.h"

#include <linux/filter.h>

/* The BPF program of @role.   Source: seccomp(2). */
struct sock_fprog sandbox_filter(enum sandbox_role role);

#endif
