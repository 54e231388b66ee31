/* core/bytes.h: a growing byte string, and whole files in and out. */
#ifndef MUSTER_CORE_BYTES_H
#define MUSTER_CORE_BYTES_H

#include "core/cleanup.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bytes {
	uint8_t *data; /* NUL-terminated beyond len, when not NULL */
	size_t len, size;
};

/* Allocation failure aborts the process: used for sizes we bound ourselves. */
void bytes_append(struct bytes *b, const void *src, size_t len);
/* The same of a string, without its NUL. */
void bytes_append_str(struct bytes *b, const char *s);
/* The same of what printf(3) would write. */
void bytes_printf(struct bytes *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Drops the first @n bytes (n ≤ len). */
void bytes_consume(struct bytes *b, size_t n);
/* Frees the bytes; empty again. */
void bytes_done(struct bytes *b);

static inline void cleanup_bytes(struct bytes *b)
{
	bytes_done(b);
}

/* Opens a regular file for reading; every file that a user names is opened here. It never blocks:
 * a FIFO or a device is refused before it is opened.
 * @root: NULL; or a folder's absolute path, below which the absolute @path must lie and lead, links
 *        being followed inside it only.
 * @max: bytes. @ret_size: may be NULL.
 * Returns 0; -EISDIR, -EMEDIUMTYPE (a FIFO, a device, a socket), -EFBIG, -EXDEV (out of @root) or
 * -errno; file_strerror() has words for them.   Source: openat2(2). */
int file_open_regular(const char *root, const char *path, uint64_t max, int *ret_fd, uint64_t *ret_size);
/* Opens a folder for reading, below @root as above, unless that is NULL.
 * Returns 0; -ENOTDIR, -EXDEV or -errno. */
int folder_open(const char *root, const char *path, int *ret_fd);
/* The size of the regular file that is open as @fd; a cell may ask, too. Returns 0, -EMEDIUMTYPE or
 * -errno. */
int fd_file_size(int fd, uint64_t *ret_size);
/* What an error of this file's functions means, for people. Not to be freed. */
const char *file_strerror(int r);
/* Reads a whole regular file. @max: -EFBIG beyond. The caller owns *ret_bytes. Errors as above. */
int file_read_all(const char *path, size_t max, struct bytes *ret_bytes);
/* The same below @root. */
int file_read_below(const char *root, const char *path, size_t max, struct bytes *ret_bytes);
/* Writes through a temporary file and rename, so that the file is whole or
 * as it was. */
int file_write_all(const char *path, const void *data, size_t len, unsigned mode);
/* write(2) until done. Returns 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* The same to a file which may not grow beyond @max bytes. Returns -EFBIG, with nothing written, when it would. */
int fd_append(int fd, off_t max, const void *data, size_t len);
/* mkdir -p. */
int dir_make_all(const char *path, unsigned mode);
/* rm -rf, staying on one file system, following no links. -ENOENT is 0. */
int dir_remove_all(const char *path);
/* asprintf that aborts when memory is out. The caller owns the result. */
/* The folder that @path lies in, which begins with a slash. The caller frees. */
char *path_folder(const char *path);
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* @s as UTF-8: bytes that are not are written \xNN. The caller owns the result. */
char *str_utf8(const char *s);
char *str_dup(const char *s); /* NULL gives NULL; aborts when memory is out */
/* A whole decimal number from @min to @max: digits only, no sign, no blanks. Returns 0 or -EINVAL. */
int str_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret_n);
/* @data in base64 (core/base64.h); aborts when memory is out. The caller owns the result. */
char *str_base64(const void *data, size_t len);
/* Appends what the base64 @text stands for. Returns 0; -EINVAL when it is not base64, with @b
 * as it was. */
int bytes_append_base64(struct bytes *b, const char *text, size_t len);

#endif
