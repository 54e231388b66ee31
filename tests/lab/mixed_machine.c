/* tests/lab/mixed_machine.c: real machines and fake ones in one team: a VM whose cmdline has the
 * word "fake" is tests/lab/fake_machine.c's, the others are vmm/machine.c's.
 *
 * A process runs one machine, so that which kind it is need not be remembered with it. The
 * fake machines' program has no cells for machines, this one's real machines neither.
 *
 * Linked with --wrap (make/lab.mk): what spawn.c calls by machine.h's names comes here. */
#include "vmm/machine.h"

#include <string.h>

/* Of fake_machine.c, which is compiled with these names for its own (make/lab.mk). */
int fake_machine_new(const struct machine_config *cfg, struct machine **ret_machine, char **ret_why);
enum machine_end fake_machine_run(struct machine *m, char **ret_why);

int __real_machine_new(const struct machine_config *cfg, struct machine **ret_machine, char **ret_why);
enum machine_end __real_machine_run(struct machine *m, char **ret_why);
int __wrap_machine_new(const struct machine_config *cfg, struct machine **ret_machine, char **ret_why);
enum machine_end __wrap_machine_run(struct machine *m, char **ret_why);

static bool is_fake;

int __wrap_machine_new(const struct machine_config *cfg, struct machine **ret_machine, char **ret_why)
{
	is_fake = cfg->cmdline && strstr(cfg->cmdline, "fake");
	return is_fake ? fake_machine_new(cfg, ret_machine, ret_why) : __real_machine_new(cfg, ret_machine, ret_why);
}

enum machine_end __wrap_machine_run(struct machine *m, char **ret_why)
{
	return is_fake ? fake_machine_run(m, ret_why) : __real_machine_run(m, ret_why);
}
