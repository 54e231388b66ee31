/* teams/cgroup.h: a control group for the machines and the fabric of a team, where the host allows one. */
#ifndef MUSTER_TEAMS_CGROUP_H
#define MUSTER_TEAMS_CGROUP_H

#include "topologies/team.h"

#include <stddef.h>
#include <stdint.h>

/* What the group may hold. */
struct cgroup_limits {
	uint64_t memory_bytes; /* a multiple of a page */
	unsigned tasks; /* processes and threads */
};

/* The group of a team that is up. Owned by the supervisor; its janitor inherits a copy. */
struct cgroup {
	char *path; /* its folder; NULL: there is no group, and all descriptors are -1 */
	int parent_fd; /* the folder that it is in */
	int procs_fd; /* its cgroup.procs, to be written: who writes "0" joins */
	int events_fd; /* its memory.events */
	uint64_t limit_bytes;
	uint64_t n_told, n_told_full; /* kills that were told of; times at the limit that were */
};

/* The folder of this process's own group in the unified hierarchy.
 * @root: "" for this host; a folder with "proc" and the hierarchy's mount point in a test.
 * @ret_top_len: how long the path of the hierarchy's mount point is, at its start.
 * Returns NULL when the process is in none, or in one that is mounted elsewhere. The caller frees. */
char *cgroup_own(const char *root, size_t *ret_top_len);

/* The limits of @team: its guests' memory, what its machines and its fabric hold beside, and room above. */
void cgroup_limits_of(const struct team *team, struct cgroup_limits *ret_limits);

/* Finds the nearest group, from this process's own upwards, in which it may make one, may move its children
 * into it, and whose children have memory and pids controlled already. A group that has limits of its own is
 * not left.
 * @root: as above. @ret_dir: its folder, the caller's to free.
 * Returns 0; -ENOENT or -EACCES with a message, the caller's to free. */
int cgroup_find(const char *root, char **ret_dir, char **ret_why);

/* Makes the group @name in the folder @dir, sets its limits, and has a child try to join it.
 * @ret: to be ended with cgroup_remove(), cgroup_done().
 * Returns 0; -errno with a message, the caller's to free; nothing is left of it then. */
int cgroup_make(const char *dir, const char *name, const struct cgroup_limits *limits, struct cgroup *ret,
		char **ret_why);

/* The calling process moves into @g, where there is one. Returns 0 or -errno. */
int cgroup_join(const struct cgroup *g);

/* Removes the group's folder, where there is one, and then its note. Processes that were killed have up
 * to 2 s to be gone.
 * @note: the file that names it; NULL: none. Returns 0; -EBUSY; -errno. */
int cgroup_remove(struct cgroup *g, const char *note);
/* Closes what @g holds; the folder stays. */
void cgroup_done(struct cgroup *g);

/* Removes the group whose path is in the file @note, and then the file, with the same patience. Only
 * a folder called muster-… is removed, and by the kernel only one without processes.
 * Returns 0, also when there is no such file or it names something else; -EBUSY and the file stays; -errno. */
int cgroup_remove_noted(const char *note);

/* Why the kernel killed a process of @g that ended by SIGKILL; each kill is told once. The caller frees.
 * Returns NULL when the kernel killed none that was not told of. */
char *cgroup_killed_str(struct cgroup *g);

#endif
