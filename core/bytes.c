/* core/bytes.c: growing byte strings, whole files, whole folders.
 *
 * Used by: everyone who builds text or a file.
 * Depends on: core/cleanup.h. */
#include "core/bytes.h"

#include "core/base64.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void reserve(struct bytes *b, size_t more)
{
	size_t need = b->len + more + 1, size = b->size ? b->size : 64;

	if (need <= b->size)
		return;
	while (size < need)
		size *= 2;
	b->data = realloc(b->data, size);
	if (!b->data)
		abort();
	b->size = size;
}

void bytes_append(struct bytes *b, const void *src, size_t len)
{
	reserve(b, len);
	if (len)
		memcpy(b->data + b->len, src, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void bytes_append_str(struct bytes *b, const char *s)
{
	bytes_append(b, s, strlen(s));
}

static void vprint(struct bytes *b, const char *fmt, va_list ap)
{
	va_list again;
	int len;

	assert(fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		abort();
	reserve(b, (size_t)len);
	assert(b->data);
	(void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, ap);
	b->len += (size_t)len;
}

void bytes_printf(struct bytes *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(b, fmt, ap);
	va_end(ap);
}

void bytes_consume(struct bytes *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}

void bytes_done(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){ 0 };
}

/* Opens @path. @root: NULL, or the folder below which it must lead. */
static int open_below(const char *root, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	size_t len = root ? strlen(root) : 0;
	CLEANUP(fd) int dir = -1;
	int fd;

	/* SYSCALLS(supervisor): openat openat2 */
	if (!root) {
		fd = open(path, flags);
		return fd < 0 ? -errno : fd;
	}
	if (strncmp(path, root, len) != 0 || path[len] != '/')
		return -EXDEV;
	while (path[len] == '/')
		len++;
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir, path + len, &how, sizeof how);
	return fd < 0 ? -errno : fd;
}

static int look_at(int fd, uint64_t max, uint64_t *ret_size)
{
	struct stat st;

	/* SYSCALLS(supervisor): newfstatat */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int fd_file_size(int fd, uint64_t *ret_size)
{
	struct stat st;

	/* Not the C library's function: it makes newfstatat(2) of it, which takes paths. */
	/* SYSCALLS(machine): fstat */
	if (syscall(SYS_fstat, fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int file_open_regular(const char *root, const char *path, uint64_t max, int *ret_fd, uint64_t *ret_size)
{
	CLEANUP(fd) int seen = -1;
	CLEANUP(fd) int fd = -1;
	uint64_t size = 0;
	int r;

	/* Opening a device can have effects: the file is looked at before. */
	seen = open_below(root, path, O_PATH | O_CLOEXEC);
	r = seen < 0 ? seen : look_at(seen, max, &size);
	if (r < 0)
		return r;
	/* Another file may have its name by now: O_NONBLOCK, which regular files ignore. */
	fd = open_below(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	r = fd < 0 ? fd : look_at(fd, max, &size);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	if (ret_size)
		*ret_size = size;
	return 0;
}

int folder_open(const char *root, const char *path, int *ret_fd)
{
	int fd = open_below(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

const char *file_strerror(int r)
{
	switch (r) {
	case -EISDIR:
		return "it is a folder, not a file";
	case -EMEDIUMTYPE:
		return "it is a FIFO, a device or a socket, not a file";
	case -EXDEV:
		return "it leads out of the team file's folder";
	default:
		return strerror(-r);
	}
}

int file_read_all(const char *path, size_t max, struct bytes *ret_bytes)
{
	return file_read_below(NULL, path, max, ret_bytes);
}

int file_read_below(const char *root, const char *path, size_t max, struct bytes *ret_bytes)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(fd) int fd = -1;
	int r = file_open_regular(root, path, UINT64_MAX, &fd, NULL);

	if (r < 0)
		return r;
	for (;;) {
		ssize_t n;

		reserve(&b, 65536);
		/* SYSCALLS(supervisor): read */
		n = read(fd, b.data + b.len, b.size - b.len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		b.len += (size_t)n;
		if (b.len > max)
			return -EFBIG;
	}
	b.data[b.len] = '\0';
	*ret_bytes = b;
	b = (struct bytes){ 0 };
	return 0;
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		/* SYSCALLS(supervisor): write */
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_append(int fd, off_t max, const void *data, size_t len)
{
	struct stat st;

	/* SYSCALLS(supervisor): newfstatat */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > max || len > (size_t)(max - st.st_size))
		return -EFBIG;
	return fd_write_all(fd, data, len);
}

int file_write_all(const char *path, const void *data, size_t len, unsigned mode)
{
	CLEANUP(free) char *temp = str_printf("%s.XXXXXX", path);
	CLEANUP(fd) int fd = mkostemp(temp, O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, len);
	/* SYSCALLS(supervisor): openat getrandom fchmod rename unlink */
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && close(take_fd(&fd)) < 0)
		r = -errno;
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temp);
	return r;
}

int dir_make_all(const char *path, unsigned mode)
{
	CLEANUP(free) char *copy = str_dup(path);

	assert(copy);
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		/* SYSCALLS(supervisor): mkdir */
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = c;
		if (c == '\0')
			break;
	}
	return 0;
}

enum { DIR_DEPTH_MAX = 64 };

/* Removes what is in the folder @fd (taken over). @dev: the file system to
 * stay on. */
static int remove_entries(int fd, dev_t dev, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	while (r == 0 && (e = readdir(d))) {
		struct stat st;
		int sub;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		/* SYSCALLS(janitor supervisor): getdents64 unlinkat fcntl(1 == F_GETFL F_SETFD) */
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			r = -errno;
			break;
		}
		sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0 || fstat(sub, &st) < 0)
			r = -errno;
		else if (st.st_dev != dev || depth >= DIR_DEPTH_MAX)
			r = -EXDEV;
		if (r < 0 && sub >= 0)
			(void)close(sub);
		if (r == 0)
			r = remove_entries(sub, dev, depth + 1);
		if (r == 0 && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	(void)closedir(d);
	return r;
}

int dir_remove_all(const char *path)
{
	/* SYSCALLS(janitor supervisor): rmdir newfstatat openat(2 & O_DIRECTORY, 2 !& O_WRONLY|O_RDWR|O_CREAT) */
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	r = remove_entries(fd, st.st_dev, 0);
	if (r == 0 && rmdir(path) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

char *path_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_printf("%.*s", slash > path ? (int)(slash - path) : 1, path);
}

char *str_printf(const char *fmt, ...)
{
	struct bytes b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vprint(&b, fmt, ap);
	va_end(ap);
	return (char *)b.data;
}

/* The length of the UTF-8 character at @s, 0 when it is none.   Source: RFC 3629 §4. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2 : (*s & 0xf0) == 0xe0 ? 3 : *s >= 0xf0 && *s < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, beyond U+10FFFF */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
	    (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

char *str_utf8(const char *s)
{
	struct bytes out = { 0 };

	bytes_append(&out, "", 0);
	while (*s) {
		size_t n = utf8_len((const unsigned char *)s);

		if (n)
			bytes_append(&out, s, n);
		else
			bytes_printf(&out, "\\x%02x", (unsigned char)*s);
		s += n ? n : 1;
	}
	return (char *)out.data;
}

char *str_dup(const char *s)
{
	char *copy = s ? strdup(s) : NULL;

	if (s && !copy)
		abort();
	return copy;
}

int str_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret_n)
{
	uint64_t n = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -EINVAL;
	if (p == s || *p || n < min || n > max)
		return -EINVAL;
	*ret_n = n;
	return 0;
}

char *str_base64(const void *data, size_t len)
{
	char *text = base64_encode(data, len);

	if (!text)
		abort();
	return text;
}

int bytes_append_base64(struct bytes *b, const char *text, size_t len)
{
	size_t n = 0;
	unsigned char *plain = base64_decode(text, len, &n);

	if (!plain)
		return -EINVAL;
	bytes_append(b, plain, n);
	free(plain);
	return 0;
}
