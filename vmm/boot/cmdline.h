/* vmm/boot/cmdline.h: the kernel command line that a machine boots with. */
#ifndef MUSTER_VMM_BOOT_CMDLINE_H
#define MUSTER_VMM_BOOT_CMDLINE_H

enum { CMDLINE_SIZE_MAX = 2048 };

/* The monitor's own words, then @extra (may be NULL), so that the user's win.
 * The caller frees the result. */
char *cmdline_make(const char *extra);

#endif
