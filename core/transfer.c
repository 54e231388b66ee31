/* core/transfer.c: sends and receives trees.
 *
 * The sender walks by descriptors and follows no link below the path it was given. The receiver
 * keeps a stack of open folders; an entry is made in the innermost, by a name of one component,
 * and a folder is entered with O_NOFOLLOW. So neither "..", nor an absolute name, nor a link that the
 * same tree made leads out of the destination.
 *
 * A file is written without a name (O_TMPFILE) and linked when it is whole, so a receiver that is
 * killed leaves nothing. A name that exists is replaced by a rename of a temporary one beside it; file
 * systems without nameless files have such a name from the start. A folder that is new is filled
 * under one; one that is there is merged into, file by file. What failed is removed. What a killed receiver left
 * under a temporary name, the next one in that folder removes (core/transfer_temp.c).
 *
 * Used by: cli/cmd_cp.c, images/agent/session.c.   Depends on: core/session.h, core/transfer_temp.h. */
#include "core/transfer.h"

#include "core/transfer_temp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 60 /* folders in each other; dir_remove_all() removes as many */ };

#define NSEC 1000000000LL

__attribute__((format(printf, 3, 4))) static int fail(struct transfer *t, int r, const char *fmt, ...)
{
	va_list ap;

	if (!t->error[0]) {
		va_start(ap, fmt);
		(void)vsnprintf(t->error, sizeof t->error, fmt, ap);
		va_end(ap);
	}
	return r;
}

static int fail_errno(struct transfer *t, const char *name)
{
	int e = errno ? errno : EIO;

	return fail(t, -e, "%s: %s", name, strerror(e));
}

static int fail_stream(struct transfer *t, int r)
{
	if (r == -EINTR)
		return fail(t, r, "interrupted");
	if (r == -EAGAIN) /* the socket's time is over */
		return fail(t, r, "the copy broke off: the other side does not answer");
	return fail(t, r, "the copy broke off: %s", r == -EPROTO ? "the other side sent nonsense" : "the other side is gone");
}

char *transfer_base(const char *path)
{
	size_t len = strlen(path), from;

	while (len > 0 && path[len - 1] == '/')
		len--;
	from = len;
	while (from > 0 && path[from - 1] != '/')
		from--;
	path += from;
	len -= from;
	if ((len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
		len = 0;
	return str_printf("%.*s", (int)len, path);
}

/* ---- sending -------------------------------------------------------------------- */

static void warn(struct transfer *t, const char *name, const char *why)
{
	CLEANUP(free) char *text = str_printf("%s: %s", name, why);

	(void)session_write(t->stream, SESSION_WARN, text, strlen(text));
	if (t->warn)
		t->warn(t->ctx, text);
}

/* What the receiver said meanwhile: it fails, or it is gone. */
static int look_for_error(struct transfer *t)
{
	struct session_frame frame;
	int r = session_read(t->stream, &frame);

	if (r > 0 && frame.type == SESSION_ERROR && frame.len > 0) {
		t->was_told = true;
		return fail(t, -EREMOTEIO, "%.*s", (int)(frame.len - 1), (const char *)frame.data + 1);
	}
	return r > 0 ? 0 : fail_stream(t, r < 0 ? r : -EPIPE);
}

static int send_frame(struct transfer *t, enum session_type type, const void *data, size_t len)
{
	int r = session_has_input(t->stream) ? look_for_error(t) : 0;

	if (r == 0)
		r = session_write(t->stream, type, data, len);
	if (r == -EPIPE || r == -ECONNRESET) /* it may have said why */
		(void)look_for_error(t);
	return r < 0 ? fail_stream(t, r) : 0;
}

static int send_entry(struct transfer *t, enum session_kind kind, const struct stat *st, const char *name,
		      const char *target)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	struct session_entry entry = {
		.kind = kind, .name = name, .target = target, .mode = st->st_mode & 07777,
		.size = kind == SESSION_FILE ? (uint64_t)st->st_size : 0,
		.mtime_ns = st->st_mtim.tv_sec * NSEC + st->st_mtim.tv_nsec,
	};

	session_entry_put(&payload, &entry);
	return send_frame(t, SESSION_ENTRY, payload.data, payload.len);
}

static int send_data(struct transfer *t, int fd, const char *name, uint64_t size)
{
	static uint8_t buf[SESSION_LEN_MAX];
	uint64_t done = 0;

	for (;;) {
		ssize_t n = read(fd, buf, sizeof buf);
		int r;

		if (n < 0)
			return errno == EINTR ? fail_stream(t, -EINTR) : fail_errno(t, name);
		r = send_frame(t, SESSION_DATA, buf, (size_t)n);
		if (r < 0 || n == 0)
			return r;
		done += (uint64_t)n;
		if (t->progress)
			t->progress(t->ctx, name, done, size);
	}
}

static int send_folder(struct transfer *t, int fd, const struct stat *st, const char *name, int depth);

static int send_link(struct transfer *t, int dir_fd, const struct stat *st, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof target - 1);

	if (n <= 0) {
		warn(t, name, n < 0 ? strerror(errno) : "an empty link");
		return 0;
	}
	target[n] = '\0';
	return send_entry(t, SESSION_LINK, st, name, target);
}

static int send_one(struct transfer *t, int dir_fd, const char *name, int depth)
{
	CLEANUP(fd) int fd = -1;
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail_errno(t, name); /* it went meanwhile */
	if (S_ISLNK(st.st_mode))
		return send_link(t, dir_fd, &st, name);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		warn(t, name, "neither a file, a folder nor a link: left out");
		return 0;
	}
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		warn(t, name, strerror(errno));
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return send_folder(t, take_fd(&fd), &st, name, depth + 1);
	if (!S_ISREG(st.st_mode))
		return 0;
	r = send_entry(t, SESSION_FILE, &st, name, "");
	return r < 0 ? r : send_data(t, fd, name, (uint64_t)st.st_size);
}

/* @fd: taken over. */
static int send_folder(struct transfer *t, int fd, const struct stat *st, const char *name, int depth)
{
	DIR *dir = depth < DEPTH_MAX ? fdopendir(fd) : NULL;
	struct dirent *e;
	int r;

	if (!dir) {
		(void)close(fd);
		return fail(t, -ELOOP, "%s: folders are nested too deeply", name);
	}
	r = send_entry(t, SESSION_FOLDER, st, name, "");
	while (r == 0 && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = send_one(t, dirfd(dir), e->d_name, depth);
	(void)closedir(dir);
	return r < 0 ? r : send_frame(t, SESSION_LEAVE, NULL, 0);
}

/* Tells the other side why this one stops, unless that was its own word. */
static int end_sending(struct transfer *t, int r)
{
	if (r == 0)
		r = send_frame(t, SESSION_DONE, NULL, 0);
	if (r < 0 && r != -EAGAIN && !t->was_told) /* the silent are told nothing */
		(void)session_write_error(t->stream, 1, t->error);
	return r;
}

int transfer_send(struct transfer *t, const char *path)
{
	CLEANUP(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	CLEANUP(free) char *base = transfer_base(path);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return end_sending(t, fail_errno(t, path));
	if (S_ISDIR(st.st_mode) && !t->recursive)
		return end_sending(t, fail(t, -EISDIR, "%s: a folder is copied with -r only", path));
	if (S_ISDIR(st.st_mode))
		return end_sending(t, send_folder(t, take_fd(&fd), &st, base, 0));
	if (!S_ISREG(st.st_mode))
		return end_sending(t, fail(t, -EINVAL, "%s: neither a file nor a folder", path));
	r = send_entry(t, SESSION_FILE, &st, base, "");
	return end_sending(t, r < 0 ? r : send_data(t, fd, base, (uint64_t)st.st_size));
}

int transfer_send_fd(struct transfer *t, int fd)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	struct session_entry entry = { .kind = SESSION_FILE, .name = "", .mtime_ns = INT64_MIN };
	int r;

	session_entry_put(&payload, &entry);
	r = send_frame(t, SESSION_ENTRY, payload.data, payload.len);
	return end_sending(t, r < 0 ? r : send_data(t, fd, "-", 0));
}

int transfer_confirm(struct transfer *t)
{
	struct session_frame frame;
	int r = session_read(t->stream, &frame);

	if (r <= 0)
		return fail_stream(t, r < 0 ? r : -EPIPE);
	if (frame.type == SESSION_DONE)
		return 0;
	if (frame.type != SESSION_ERROR || frame.len == 0)
		return fail_stream(t, -EPROTO);
	t->was_told = true;
	return fail(t, -EREMOTEIO, "%.*s", (int)(frame.len - 1), (const char *)frame.data + 1);
}

/* ---- receiving ------------------------------------------------------------------ */

struct folder {
	int fd; /* owned */
	uint32_t mode;
	int64_t mtime_ns;
	bool keeps_mode; /* its mode and time are its own */
};

/* The tree at hand. */
struct target {
	struct folder stack[DEPTH_MAX];
	int depth; /* open folders; stack[0] is the one that gets the tree */
	char *parent; /* the path of stack[0], owned */
	char *name; /* of the tree in stack[0], owned; "": stack[0] itself */
	char *temp; /* the temporary name of a new root folder, owned; NULL: none */
	int device; /* owned; the tree is one file, and goes into this; -1 */
};

static void target_done(struct target *g)
{
	while (g->depth > 0)
		(void)close(g->stack[--g->depth].fd);
	cleanup_fd(&g->device);
	if (g->temp) {
		CLEANUP(free) char *path = str_printf("%s/%s", g->parent, g->temp);

		(void)dir_remove_all(path);
	}
	free(g->parent);
	free(g->name);
	free(g->temp);
}

static void cleanup_target(struct target *g)
{
	target_done(g);
}

/* Finds the folder that gets the tree, and its name in there. */
static int target_open(struct transfer *t, struct target *g, const char *dst, const char *base)
{
	/* A link that the user named is followed, here only. */
	CLEANUP(free) char *real = realpath(*dst ? dst : ".", NULL);
	struct stat st = { 0 };
	bool exists = real && stat(real, &st) == 0;
	const char *slash;

	if (exists && !S_ISDIR(st.st_mode))
		dst = real;
	slash = strrchr(dst, '/');
	if (exists && S_ISDIR(st.st_mode)) {
		g->parent = str_dup(real);
		g->name = str_dup(base);
	} else if (exists && !S_ISREG(st.st_mode)) { /* a device or a pipe is written to, not replaced */
		g->device = open(real, O_WRONLY | O_NOCTTY | O_CLOEXEC);
		if (g->device < 0)
			return fail_errno(t, dst);
		g->parent = str_dup("/");
		g->name = str_dup(dst);
	} else if (slash && !slash[1]) {
		return fail(t, -ENOTDIR, "%s: no such folder", dst);
	} else {
		g->parent = slash ? str_printf("%.*s", slash == dst ? 1 : (int)(slash - dst), dst) : str_dup(".");
		g->name = str_dup(slash ? slash + 1 : dst);
	}
	g->stack[0] = (struct folder){ .keeps_mode = true };
	g->stack[0].fd = open(g->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g->stack[0].fd < 0)
		return fail_errno(t, g->parent);
	g->depth = 1;
	if (g->device < 0)
		transfer_temp_sweep(g->stack[0].fd);
	return 0;
}

static void times_of(int64_t mtime_ns, struct timespec *ret_times)
{
	ret_times[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	ret_times[1] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (mtime_ns == INT64_MIN)
		return;
	ret_times[1].tv_sec = mtime_ns / NSEC - (mtime_ns % NSEC < 0);
	ret_times[1].tv_nsec = (mtime_ns % NSEC + NSEC) % NSEC;
	ret_times[0] = ret_times[1];
}

/* The next frame of the tree; WARNs are passed on. */
static int next_frame(struct transfer *t, struct session_frame *ret_frame)
{
	for (;;) {
		int r = session_read(t->stream, ret_frame);

		if (r <= 0)
			return fail_stream(t, r < 0 ? r : -EPIPE);
		if (ret_frame->type == SESSION_ERROR && ret_frame->len > 0) {
			t->was_told = true;
			return fail(t, -EREMOTEIO, "%.*s", (int)(ret_frame->len - 1),
				    (const char *)ret_frame->data + 1);
		}
		if (ret_frame->type != SESSION_WARN)
			return 0;
		if (t->warn) {
			CLEANUP(free) char *text = str_printf("%.*s", (int)ret_frame->len,
							      (const char *)ret_frame->data);

			t->warn(t->ctx, text);
		}
	}
}

static int receive_data(struct transfer *t, int fd, const char *name, uint64_t size)
{
	struct session_frame frame;
	uint64_t done = 0;

	for (;;) {
		int r = next_frame(t, &frame);

		if (r == 0 && frame.type != SESSION_DATA)
			r = fail_stream(t, -EPROTO);
		if (r < 0 || frame.len == 0)
			return r;
		r = fd_write_all(fd, frame.data, frame.len);
		if (r < 0)
			return fail(t, r, "%s: %s", name, strerror(-r));
		done += frame.len;
		if (t->progress)
			t->progress(t->ctx, name, done, size);
	}
}

static mode_t new_file_mode(void)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return 0666 & ~mask;
}

/* What is neither a file nor a link is not replaced: a device is not made a file. */
static bool may_replace(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
}

/* A file of the folder that becomes one of its names in put_in_place(). */
struct new_file {
	int dir_fd; /* borrowed */
	int fd; /* owned */
	char *temp; /* its temporary name, owned; NULL: it has no name */
};

static void cleanup_new_file(struct new_file *f)
{
	cleanup_fd(&f->fd);
	if (f->temp)
		(void)unlinkat(f->dir_fd, f->temp, 0);
	free(f->temp);
}

/* Returns 0 or -1 with errno. */
static int new_file_open(int dir_fd, struct new_file *ret_file)
{
	int r;

	*ret_file = (struct new_file){ .dir_fd = dir_fd, .fd = -1 };
	/* A file without a name is linked through /proc. */
	if (access("/proc/self/fd", F_OK) == 0)
		ret_file->fd = openat(dir_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (ret_file->fd >= 0)
		return 0;
	r = transfer_temp_file(dir_fd, &ret_file->temp, &ret_file->fd);
	errno = -r;
	return r < 0 ? -1 : 0;
}

/* Gives the file its @name, and takes that from what had it. Returns 0 or -1 with errno. */
static int put_in_place(struct new_file *f, const char *name)
{
	CLEANUP(free) char *self = str_printf("/proc/self/fd/%d", f->fd);

	if (!f->temp) {
		if (linkat(AT_FDCWD, self, f->dir_fd, name, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
		(void)transfer_temp_hold(f->fd); /* it has no name yet */
		f->temp = transfer_temp_name();
		if (linkat(AT_FDCWD, self, f->dir_fd, f->temp, AT_SYMLINK_FOLLOW) < 0) {
			free(f->temp); /* that name is not this file's */
			f->temp = NULL;
			return -1;
		}
	}
	if (renameat(f->dir_fd, f->temp, f->dir_fd, name) < 0)
		return -1;
	free(f->temp);
	f->temp = NULL;
	return 0;
}

/* @name: borrowed, lives on when the next frame is read. */
static int receive_file(struct transfer *t, int dir_fd, const char *name, const struct session_entry *e)
{
	CLEANUP(new_file) struct new_file file = { .fd = -1 };
	mode_t mode = e->mode ? e->mode & t->mode_mask : new_file_mode();
	struct timespec times[2];
	int r;

	if (!may_replace(dir_fd, name))
		return fail(t, -EEXIST, "%s: there is something that is no file", name);
	if (new_file_open(dir_fd, &file) < 0)
		return fail_errno(t, name);
	times_of(e->mtime_ns, times);
	r = receive_data(t, file.fd, name, e->size);
	if (r == 0 && (fchmod(file.fd, mode) < 0 || futimens(file.fd, times) < 0 || put_in_place(&file, name) < 0))
		r = fail_errno(t, name);
	return r;
}

static int receive_link(struct transfer *t, int dir_fd, const struct session_entry *e)
{
	CLEANUP(free) char *temp = transfer_temp_name();
	struct timespec times[2];

	if (!may_replace(dir_fd, e->name))
		return fail(t, -EEXIST, "%s: there is something that is no file", e->name);
	times_of(e->mtime_ns, times);
	if (symlinkat(e->target, dir_fd, temp) < 0)
		return fail_errno(t, e->name);
	(void)utimensat(dir_fd, temp, times, AT_SYMLINK_NOFOLLOW);
	if (renameat(dir_fd, temp, dir_fd, e->name) < 0) {
		int r = fail_errno(t, e->name);

		(void)unlinkat(dir_fd, temp, 0);
		return r;
	}
	return 0;
}

/* Makes the folder, or takes the one that is there, and enters it. */
static int enter_folder(struct transfer *t, struct target *g, const char *name, const struct session_entry *e)
{
	int dir_fd = g->stack[g->depth - 1].fd;
	struct folder f = { .mode = e->mode & t->mode_mask, .mtime_ns = e->mtime_ns };
	bool is_root = g->depth == 1, is_new = false;
	struct stat st;

	if (g->depth == DEPTH_MAX)
		return fail(t, -ELOOP, "%s: folders are nested too deeply", name);
	if (is_root && !*name) {
		name = ".";
		f.keeps_mode = true;
	} else if (is_root && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		int r = transfer_temp_folder(dir_fd, &g->temp, &f.fd);

		errno = -r;
		if (r < 0)
			return fail_errno(t, name);
		g->stack[g->depth++] = f;
		return 0;
	}
	if (mkdirat(dir_fd, name, 0700) == 0)
		is_new = true;
	else if (errno != EEXIST)
		return fail_errno(t, name);
	f.fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f.fd < 0)
		return fail_errno(t, name);
	if (!is_new)
		transfer_temp_sweep(f.fd);
	g->stack[g->depth++] = f;
	return 0;
}

static int leave_folder(struct transfer *t, struct target *g)
{
	struct folder *f = &g->stack[--g->depth];
	struct timespec times[2];
	int r = 0;

	times_of(f->mtime_ns, times);
	if (!f->keeps_mode && (fchmod(f->fd, f->mode) < 0 || futimens(f->fd, times) < 0))
		r = fail_errno(t, "the folder's mode");
	if (r == 0 && g->depth == 1 && g->temp) { /* the open folder is held until it has its name */
		if (renameat(g->stack[0].fd, g->temp, g->stack[0].fd, g->name) < 0) {
			r = fail_errno(t, g->name);
		} else {
			free(g->temp);
			g->temp = NULL;
		}
	}
	(void)close(f->fd);
	return r;
}

static int take_entry(struct transfer *t, struct target *g, const struct session_frame *frame)
{
	bool is_root = g->depth == 1;
	int dir_fd = g->stack[g->depth - 1].fd;
	CLEANUP(free) char *name = NULL;
	struct session_entry e;

	if (session_entry_get(frame, is_root, &e) < 0)
		return fail(t, -EPROTO, "the other side sent a name that leads out of its folder, or nonsense");
	if (e.kind == SESSION_FOLDER && (!t->recursive || g->device >= 0))
		return fail(t, -EISDIR, "a folder is copied with -r only");
	name = str_dup(is_root ? g->name : e.name);
	if (e.kind == SESSION_FOLDER)
		return enter_folder(t, g, name, &e);
	if (!*name)
		return fail(t, -EISDIR, "%s: a folder, and the source has no name", g->parent);
	if (g->device >= 0)
		return receive_data(t, g->device, name, e.size);
	if (e.kind == SESSION_LINK)
		return is_root ? fail_stream(t, -EPROTO) : receive_link(t, dir_fd, &e);
	return receive_file(t, dir_fd, name, &e);
}

static int receive_tree(struct transfer *t, struct target *g)
{
	struct session_frame frame;

	do {
		int r = next_frame(t, &frame);

		if (r < 0)
			return r;
		if (frame.type == SESSION_ENTRY)
			r = take_entry(t, g, &frame);
		else if (frame.type == SESSION_LEAVE && g->depth > 1)
			r = leave_folder(t, g);
		else
			r = fail_stream(t, -EPROTO);
		if (r < 0)
			return r;
	} while (g->depth > 1);
	return 0;
}

/* Waits for the sender's DONE and confirms; or tells why it failed. */
static int end_receiving(struct transfer *t, int r)
{
	struct session_frame frame;

	if (r == 0)
		r = next_frame(t, &frame);
	if (r == 0 && frame.type != SESSION_DONE)
		r = fail_stream(t, -EPROTO);
	if (r == 0)
		return session_write(t->stream, SESSION_DONE, NULL, 0);
	if (r != -EAGAIN && !t->was_told)
		(void)session_write_error(t->stream, 1, t->error);
	return r;
}

int transfer_receive(struct transfer *t, const char *dst, const char *base)
{
	CLEANUP(target) struct target g = { .device = -1 };
	int r = target_open(t, &g, dst, base);

	return end_receiving(t, r < 0 ? r : receive_tree(t, &g));
}

int transfer_receive_fd(struct transfer *t, int fd)
{
	struct session_frame frame;
	struct session_entry e;
	int r = next_frame(t, &frame);

	if (r == 0 && (frame.type != SESSION_ENTRY || session_entry_get(&frame, true, &e) < 0))
		r = fail_stream(t, -EPROTO);
	if (r == 0 && e.kind != SESSION_FILE)
		r = fail(t, -EISDIR, "a folder cannot go to stdout");
	return end_receiving(t, r < 0 ? r : receive_data(t, fd, "-", e.size));
}
