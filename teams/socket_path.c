/* teams/socket_path.c: a socket that was made at a path of the user's.
 *
 * The path of a listening socket outlives a process that is killed. So each one that a team made is known by device,
 * inode and time of change, and is removed only while all three are as they were. Whoever cleans up after a killed
 * supervisor without having been its child reads them from a note in the runtime folder.
 *
 * A note is a list of records, "DEVICE INODE SECONDS NANOSECONDS PATH", each ended by a byte of zero, since a path may
 * hold any other byte.
 *
 * Used by: stations.c, janitor.c, reap.c.   Depends on: core/bytes.h.   Sources: unix(7), inode(7). */
#include "teams/socket_path.h"

#include "core/bytes.h"
#include "core/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOTE_MAX = 4 << 20 /* bytes; beyond the longest paths of all the stations that a file may have */ };

int socket_path_look(const char *path, struct socket_path *ret)
{
	struct stat st;

	/* SYSCALLS(supervisor janitor): newfstatat unlink */
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	*ret = (struct socket_path){ path, st.st_dev, st.st_ino, st.st_ctim };
	return 0;
}

int socket_path_remove(const struct socket_path *s)
{
	struct socket_path is;
	int r;

	if (!s->path)
		return 0;
	r = socket_path_look(s->path, &is);
	if (r == -ENOENT || r == -ENOTDIR || r == -ENOTSOCK)
		return 0;
	if (r < 0)
		return r;
	if (is.device != s->device || is.inode != s->inode || is.changed.tv_sec != s->changed.tv_sec ||
	    is.changed.tv_nsec != s->changed.tv_nsec)
		return 0;
	return unlink(s->path) < 0 ? -errno : 0;
}

void socket_path_print(const struct socket_path *s, struct bytes *note)
{
	bytes_printf(note, "%ju %ju %jd %ld %s", (uintmax_t)s->device, (uintmax_t)s->inode, (intmax_t)s->changed.tv_sec,
		     s->changed.tv_nsec, s->path);
	bytes_append(note, "", 1);
}

/* Reads one record, which a zero ends. */
static bool read_record(const char *text, struct socket_path *ret)
{
	uintmax_t device, inode;
	intmax_t seconds;
	long nanoseconds;
	int at = 0;

	if (sscanf(text, "%ju %ju %jd %ld%n", &device, &inode, &seconds, &nanoseconds, &at) != 4 || text[at] != ' ' ||
	    text[at + 1] != '/')
		return false;
	*ret = (struct socket_path){
		text + at + 1, (dev_t)device, (ino_t)inode, { .tv_sec = (time_t)seconds, .tv_nsec = nanoseconds }
	};
	return true;
}

int socket_paths_remove_noted(const char *note)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	int r = file_read_all(note, NOTE_MAX, &text), failed = 0;
	struct socket_path s;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t at = 0; at < text.len && memchr(text.data + at, '\0', text.len - at);
	     at += strlen((char *)text.data + at) + 1) {
		if (!read_record((char *)text.data + at, &s))
			break;
		r = socket_path_remove(&s);
		if (r < 0 && failed == 0)
			failed = r;
	}
	if (unlink(note) < 0 && failed == 0)
		failed = -errno;
	return failed;
}
