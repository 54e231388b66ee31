/* teams/probe_kvm.h: is /dev/kvm usable, and does supervisor code run at speed? */
#ifndef MUSTER_TEAMS_PROBE_KVM_H
#define MUSTER_TEAMS_PROBE_KVM_H

#include <stdbool.h>

enum probe_kvm { KVM_FAST, KVM_SLOW, KVM_ABSENT, KVM_DENIED, KVM_BROKEN };

struct probe_kvm_result {
	enum probe_kvm verdict;
	double mips; /* instructions at CPL 0, millions a second; 0 where it did not run */
	int error; /* errno of what failed */
};

/* Takes some 20 ms on the slowest host seen. */
void probe_kvm(struct probe_kvm_result *ret);

#endif
