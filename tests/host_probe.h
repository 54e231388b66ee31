/* tests/host_probe.h: what the host lets a process do, for the tests that need it.
 *
 * Some hosts run no 32-bit code, have no /dev/kvm, or let nobody make a namespace. A test
 * asks here first and skips, with the reason, what cannot be done. Each thing is tried in a
 * child process: any signal that the trial did not provoke is a "no".
 *
 * The environment variable MUSTER_PROBE_LACKS names things, with blanks between them, which
 * are answered with "no" untried: so the skips can be tested on a host that has everything.
 *
 * Used by: tests/host_probe_main.c, tests/oracle, tests/kvm, tests/bench, tests/lab/cell_hook.c. */
#ifndef MUSTER_TESTS_HOST_PROBE_H
#define MUSTER_TESTS_HOST_PROBE_H

#include <stdbool.h>

enum host_thing {
	HOST_STEP, /* RFLAGS.TF brings SIGTRAP after one instruction */
	HOST_CODE32, /* a signal frame leads into a 32-bit code segment, which runs and stores */
	HOST_CODE16, /* the same for a 16-bit segment out of modify_ldt */
	HOST_INT80, /* int 0x80 is a system call */
	HOST_KVM, /* /dev/kvm makes a machine */
	HOST_TAP, /* /dev/net/tun makes a tap, in a network namespace of its own where there is one */
	HOST_USERNS, /* user namespaces, and a uid map */
	HOST_PACKET, /* packet sockets */
	HOST_THING_COUNT
};

/* "step", "code32" and so on. */
const char *host_thing_str(enum host_thing thing);
/* Tries @thing. @ret_why: why not, where false is returned; the caller frees it. NULL: not asked for. */
bool host_can(enum host_thing thing, char **ret_why);

#endif
