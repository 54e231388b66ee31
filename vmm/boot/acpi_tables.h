/* vmm/boot/acpi_tables.h: the ACPI tables of the machine.
 * Source: ACPI 6.4 §5.2, §20; PCI Firmware 3.0 §4.1.2 (MCFG). */
#ifndef MUSTER_VMM_BOOT_ACPI_TABLES_H
#define MUSTER_VMM_BOOT_ACPI_TABLES_H

#include "core/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define ACPI_TABLES_GPA UINT64_C(0xE0000)
enum { ACPI_TABLES_SIZE_MAX = 0x1F000 }; /* the last page below 1 MiB is vmm/dev/vmgenid.h's */

/* What the machine's devices add to the tables; all zero: nothing. */
struct acpi_devices {
	struct bytes aml; /* at the DSDT's top level, at most 64 KiB; owned */
	bool has_gpes; /* there is the block of general-purpose events (vmm/dev/acpi.h) */
};

/* Builds all tables as they lie from ACPI_TABLES_GPA on, the RSDP first.
 * @n_cpus: processors with APIC IDs 0 to n_cpus-1. The caller owns *ret. */
void acpi_tables_build(unsigned n_cpus, const struct acpi_devices *devices, struct bytes *ret);

#endif
