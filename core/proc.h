/* core/proc.h: processes and their names. */
#ifndef MUSTER_CORE_PROC_H
#define MUSTER_CORE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Remembers where argv lies; main() calls it first. */
void proc_title_init(int argc, char **argv);
/* What ps shows: "muster: machine TEAM/VM". Also sets the thread's name. */
void proc_title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* This process is killed with SIGKILL when its parent @parent dies; a parent
 * already gone counts. Returns 0 or -errno (-ESRCH: it is gone). */
int proc_die_with_parent(pid_t parent);

/* Closes every fd ≥ 3 that is not in @keep (sorted in place). */
void proc_close_fds_except(int *keep, size_t n);

/* Resident set of a process in bytes, and the part that is its own for certain: pages of no file and of
 * no shared memory. A file's pages stay out even while nobody else maps it: they are the host's cache.
 * Returns 0 or -errno. */
int proc_memory(pid_t pid, size_t *ret_rss_bytes, size_t *ret_private_bytes);

#endif
