/* core/proc.h: processes and their names. */
#ifndef MUSTER_CORE_PROC_H
#define MUSTER_CORE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/* When @pid was started, in the kernel's ticks since the host's boot: with it a process number
 * means one process for ever. Returns 0; -ESRCH; -errno. */
int proc_start_time(pid_t pid, uint64_t *ret_ticks);
/* Kills @pid with SIGKILL if it is still the process that was started at @ticks and is called
 * @title (proc_title_set()); with @with_group its whole process group, whose leader it then is.
 * Returns 0; -ESRCH when it is not, or is no more; -errno. */
int proc_kill_exactly(pid_t pid, uint64_t ticks, const char *title, bool with_group);

/* Resident set of a process in bytes, and the part that is its own for certain: pages of no file and of
 * no shared memory. A file's pages stay out even while nobody else maps it: they are the host's cache.
 * Returns 0 or -errno. */
int proc_memory(pid_t pid, size_t *ret_rss_bytes, size_t *ret_private_bytes);

#endif
