/* core/transfer_temp.h: temporary names of a received tree, which nobody else removes while they are held. */
#ifndef MUSTER_CORE_TRANSFER_TEMP_H
#define MUSTER_CORE_TRANSFER_TEMP_H

#include <stdbool.h>

/* Each call another name of this process. The caller frees it. */
char *transfer_temp_name(void);

/* Holds the open file or folder @fd until its last descriptor is closed. Returns whether it still has a
 * name: a sweep may have come first. On a file system without locks nothing is held, and none sweeps. */
bool transfer_temp_hold(int fd);

/* Makes a folder with a temporary name in @dir_fd and holds it.
 * @ret_name, @ret_fd: owned by the caller; untouched on failure. Returns 0 or -errno. */
int transfer_temp_folder(int dir_fd, char **ret_name, int *ret_fd);
/* The same with an empty file, open for writing. */
int transfer_temp_file(int dir_fd, char **ret_name, int *ret_fd);

/* Removes from @dir_fd what has a temporary name, is the caller's own, and is held by none: its receiver was
 * killed. What cannot be removed stays. */
void transfer_temp_sweep(int dir_fd);

#endif
