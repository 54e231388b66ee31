/* vmm/boot/linux64.h: lays a Linux kernel into memory, ready to be entered in
 * 64-bit mode.   Source: Linux Documentation/arch/x86/boot.rst, "64-bit BOOT
 * PROTOCOL"; zero-page.rst. */
#ifndef MUSTER_VMM_BOOT_LINUX64_H
#define MUSTER_VMM_BOOT_LINUX64_H

#include "vmm/boot/acpi_tables.h"
#include "vmm/cpu/cpu.h"
#include "vmm/mem.h"

struct linux64_config {
	int kernel_fd; /* borrowed */
	int initrd_fd; /* -1: none */
	const uint8_t *append; /* a newc archive laid behind the initrd; may be NULL */
	size_t append_len;
	const char *cmdline; /* whole */
	unsigned n_cpus;
	struct acpi_devices devices; /* for the tables; borrowed */
	uint8_t seed[32]; /* entropy for the guest's pool */
};

/* Fills @mem, which is fresh (all zero), and tells the state in which the first processor starts.
 * @ret_why: a message on failure, the caller frees it. Returns 0 or -errno. */
int linux64_load(struct mem *mem, const struct linux64_config *cfg, struct cpu_state *ret_state,
		 char **ret_why);

#endif
