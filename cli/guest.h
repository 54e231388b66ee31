/* cli/guest.h: the command line's end of a guest's service: exec and cp. */
#ifndef MUSTER_CLI_GUEST_H
#define MUSTER_CLI_GUEST_H

#include "core/session.h"

#include <jansson.h>
#include <stdbool.h>

/* exec's own failures: the contract of `muster exec`. */
enum { EXEC_FAILED = 125, EXEC_NOT_EXECUTABLE = 126, EXEC_NOT_FOUND = 127 };

struct guest {
	int fd; /* owned; -1 */
	struct session_stream stream;
	json_t *env; /* the VM's environment, an array of strings; owned */
};

/* Opens a session with the service in @vm. @sup: connected to the team's supervisor.
 * Returns 0; -ENOENT when the guest has no such service; otherwise what is wrong is said, and
 * the exit status returned. */
int guest_open(int sup, const char *vm, struct guest *ret_guest);
/* Ends the connection. */
void guest_close(struct guest *g);

static inline void cleanup_guest(struct guest *g)
{
	guest_close(g);
}

struct guest_exec {
	char *const *argv;
	bool input, tty;
};

/* Runs a command; stdin, stdout and stderr are this process'. Returns its status, or one of exec's own
 * (said). */
int guest_exec(struct guest *g, const struct guest_exec *what);

/* Runs @fn for each of the @n VMs in a process of its own, all at once; each line of their output
 * after the VM's name. Returns 0 when all returned 0, else the first that did not, in their order. */
int guest_exec_many(char *const *vms, size_t n, int (*fn)(void *ctx, const char *vm), void *ctx);

/* Copies one file through the guest agent: from @guest_path when @out, else to it. Says what is
 * wrong. Returns an exit status. */
int guest_agent_copy(int sup, const char *vm, const char *guest_path, const char *host_path, bool out);

#endif
