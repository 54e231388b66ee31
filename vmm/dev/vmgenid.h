/* vmm/dev/vmgenid.h: the VM generation ID: a number that tells a guest that it goes on from a
 * saved state, so that what must be unique (random numbers above all) is made anew.
 * Sources: Microsoft, "Virtual Machine Generation ID" (2012); ACPI 6.4 §5.6.4.1, §5.6.6. */
#ifndef MUSTER_VMM_DEV_VMGENID_H
#define MUSTER_VMM_DEV_VMGENID_H

#include "vmm/device.h"

/* The ID lies in a page of its own, which the memory map reserves: the last one below 1 MiB. */
#define VMGENID_GPA UINT64_C(0xFF000)
enum { VMGENID_LEN = 16, VMGENID_NOTIFY = 0x80 };

struct vmgenid {
	const struct device_host *host; /* borrowed */
	unsigned gpe;
	bool is_there; /* the guest was told of it: false before its boot, and after the load of one without */
	uint8_t id[VMGENID_LEN];
};

#endif
