/* images/agent/boot.h: the first steps of every guest's first process. */
#ifndef MUSTER_IMAGES_AGENT_BOOT_H
#define MUSTER_IMAGES_AGENT_BOOT_H

/* Mounts /dev, /proc, /sys, /run and what lies below them. */
void boot_mount(void);
/* Modules of tunnels make no device by themselves (tunl0, gre0, sit0, ip6tnl0). After boot_mount(). */
void boot_no_fallback_tunnels(void);
/* Opens the console as stdin, stdout and stderr; /dev/null where there is none. */
void boot_console(void);
/* Loads the modules that @dir/modules lists, by line, from @dir/modules.d,
 * and has free memory reported to the monitor page by page. */
void boot_modules(const char *dir);
/* Mounts the image at /image. It lies in persistent memory: mapped by the
 * monitor, used in place (dax), no page of ours. */
void boot_image(void);

#endif
