/* teams/socket_path.h: a socket that was made at a path of the user's, and is removed while it is still that one. */
#ifndef MUSTER_TEAMS_SOCKET_PATH_H
#define MUSTER_TEAMS_SOCKET_PATH_H

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct bytes;

/* Which socket it is. */
struct socket_path {
	const char *path; /* borrowed; NULL: none was made */
	dev_t device;
	ino_t inode;
	struct timespec changed; /* its ctime, since the number of a removed inode is used again */
};

/* Takes down which socket is at @path, which the caller has just made and keeps as long as @ret. Returns 0; -ENOTSOCK
 * for anything else; -errno. */
int socket_path_look(const char *path, struct socket_path *ret);
/* Removes it. What took its place since is left. Returns 0, also where it is gone, or -errno. */
int socket_path_remove(const struct socket_path *s);

/* Appends it to the text of a note. */
void socket_path_print(const struct socket_path *s, struct bytes *note);
/* Removes all that are in the file @note, then the file. A socket that cannot be removed stays in its place, and
 * a record that no team wrote ends the list. Returns 0, also without a note, or the first -errno. */
int socket_paths_remove_noted(const char *note);

#endif
