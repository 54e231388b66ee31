/* vmm/boot/cmdline.c: the monitor's own kernel parameters.
 *
 * Each is there for a reason: the console is the serial port; the TSC is the
 * machine's clock and needs no watchdog; the timer's wiring is known, so it is
 * not probed for; a panic ends the machine; one serial port is looked for, not
 * thirty-two; the processor is not one that needs mitigations, which would
 * cost a CR3 write a system call. There is no "nokaslr": only the kernel's own
 * decompressor, which is not run, would understand it.
 *
 * Used by: vmm/machine.c.
 * Source: Linux Documentation/admin-guide/kernel-parameters.txt. */
#include "vmm/boot/cmdline.h"

#include "core/bytes.h"

char *cmdline_make(const char *extra)
{
	static const char own[] = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check "
				  "mitigations=off 8250.nr_uarts=1 cryptomgr.notests "
				  "random.trust_bootloader=on";

	return extra && *extra ? str_printf("%s %s", own, extra) : str_dup(own);
}
