/* vmm/boot/cmdline.c: the monitor's own kernel parameters.
 *
 * Each is there for a reason: the console is the serial port; the TSC is the
 * machine's clock and needs no watchdog; the timer's wiring is known, so it is
 * not probed for; a panic ends the machine; one serial port is looked for, not
 * thirty-two; the processor is not one that needs mitigations, which would
 * cost a CR3 write a system call; interrupts are not remapped, without which
 * Linux has no use for an x2APIC, but saves, masks and restores the whole I/O
 * APIC to find that out; and no chipset is here whose quirks have to be looked for
 * before PCI is there. (The last two are 300 exits of a boot under KVM.)
 * There is no "nokaslr": only the kernel's own decompressor, which is not run,
 * would understand it.
 *
 * Tried and left: "noreplace-smp". A guest with one processor patches the LOCK
 * prefixes of its kernel away one by one, each with two switches of the page
 * tables (9,200 of them; 0.2 s in the nested machine of tests/kvm, 1 % of a boot's
 * instructions under the soft engine). What it gains by that lasts.
 *
 * Used by: vmm/machine.c.
 * Source: Linux Documentation/admin-guide/kernel-parameters.txt. */
#include "vmm/boot/cmdline.h"

#include "core/bytes.h"

char *cmdline_make(const char *extra)
{
	static const char own[] = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check "
				  "mitigations=off 8250.nr_uarts=1 cryptomgr.notests "
				  "random.trust_bootloader=on nox2apic pci=noearly";

	return extra && *extra ? str_printf("%s %s", own, extra) : str_dup(own);
}
