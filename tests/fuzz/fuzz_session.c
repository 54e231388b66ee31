/* tests/fuzz/fuzz_session.c: what a hostile guest sends while a tree is received from it.
 *
 * Input: a byte of FLAG_*, then steps, each a byte and its arguments (see step()). They become
 * frames on a socket that transfer_receive() reads. It ends in a verdict that is explained
 * exactly when it is a failure; it writes nothing beside the destination, and leaves no
 * temporary name there. The same bytes go through the codec, each in memory of its exact length. */
#include "core/bytes.h"
#include "core/transfer.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STREAM_MAX = 64 << 10 /* a socket holds it */, PART = 40, BASE_ROOM = 64, DEPTH_OPEN = 64 };
enum { FLAG_RECURSIVE = 1, FLAG_TO_FD = 2, FLAG_FOLDER = 4, FLAG_FILE = 8, FLAG_ENDS = 16 };
enum { STEP_FILE, STEP_FOLDER = 5, STEP_LINK = 8, STEP_LEAVE = 10, STEP_DATA = 12, STEP_WORD, STEP_PAYLOAD, STEP_RAW,
       STEP_COUNT };

/* Each file costs system calls: few are as much work as the other harnesses' many. */
extern uint64_t fuzz_default_inputs;
uint64_t fuzz_default_inputs = 5000;

static char base[BASE_ROOM]; /* holds "in", the receiver's, and "outside" */
static struct stat outside, precious;

static const char *const names[] = { "a", "b", "c", "new", "f", "..", ".", "", "a/b", "../../outside/x", "\xff\n", "outside" };
static const char *const targets[] = { "../outside", "../../outside", "../../outside/precious", "..", ".", "a", "/", "" };

static char *at(const char *name)
{
	return str_printf("%s/%s", base, name);
}

static void status_of(const char *name, struct stat *ret_status)
{
	CLEANUP(free) char *path = at(name);

	if (lstat(path, ret_status) < 0)
		abort();
}

static void remove_base(void)
{
	(void)dir_remove_all(base);
}

static void make_base(void)
{
	CLEANUP(free) char *path = NULL;

	(void)snprintf(base, sizeof base, "%s/fuzz-session.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(base) || atexit(remove_base) != 0)
		abort();
	path = at("outside");
	if (mkdir(path, 0755) < 0)
		abort();
	free(path);
	path = at("outside/precious");
	if (file_write_all(path, "precious", 8, 0600) < 0)
		abort();
	status_of("outside", &outside);
	status_of("outside/precious", &precious);
}

/* ---- the sender ---------------------------------------------------------------------- */

/* The input, read from its front; zeros behind its end. */
struct reader {
	const uint8_t *data;
	size_t len;
};

static uint8_t next(struct reader *r)
{
	if (r->len == 0)
		return 0;
	r->len--;
	return *r->data++;
}

static void put_frame(struct bytes *out, uint8_t type, const void *data, size_t len)
{
	uint8_t head[SESSION_HEADER_LEN] = { type };

	session_put_le(head + 1, 3, (uint32_t)len);
	bytes_append(out, head, sizeof head);
	bytes_append(out, data, len);
}

static void put_entry(struct bytes *out, struct reader *r, enum session_kind kind)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	uint8_t name = next(r), mode = next(r), target = kind == SESSION_LINK ? next(r) : 0;
	struct session_entry e = {
		.kind = kind, .size = name, .mtime_ns = mode & 1 ? INT64_MIN : (int64_t)mode << 55,
		/* A folder that its owner may not enter could not be removed after the input. */
		.mode = (uint32_t)mode << 4 | (kind == SESSION_FOLDER ? 0700 : 0),
		.name = names[name % (sizeof names / sizeof *names)],
		.target = kind == SESSION_LINK ? targets[target % (sizeof targets / sizeof *targets)] : "",
	};

	session_entry_put(&payload, &e);
	put_frame(out, SESSION_ENTRY, payload.data, payload.len);
	if (kind != SESSION_FILE || (name & 0x80))
		return;
	put_frame(out, SESSION_DATA, "data", 4);
	put_frame(out, SESSION_DATA, NULL, 0);
}

static void step(struct bytes *out, struct reader *r)
{
	static const uint8_t words[] = { SESSION_DONE, SESSION_DATA, SESSION_WARN, SESSION_ERROR, SESSION_HELLO };
	uint8_t what = next(r) % STEP_COUNT, n;
	size_t len;

	if (what < STEP_FOLDER)
		put_entry(out, r, SESSION_FILE);
	else if (what < STEP_LINK)
		put_entry(out, r, SESSION_FOLDER);
	else if (what < STEP_LEAVE)
		put_entry(out, r, SESSION_LINK);
	else if (what < STEP_DATA)
		put_frame(out, SESSION_LEAVE, NULL, 0);
	else {
		n = next(r);
		len = n % PART < r->len ? n % PART : r->len;
		if (what == STEP_RAW)
			bytes_append(out, r->data, len);
		else
			put_frame(out,
				  what == STEP_DATA    ? SESSION_DATA
				  : what == STEP_WORD ? words[n % sizeof words]
						      : SESSION_ENTRY,
				  r->data, len);
		r->data += len;
		r->len -= len;
	}
}

static void make_stream(struct bytes *out, struct reader *r, uint8_t flags)
{
	while (r->len > 0 && out->len < STREAM_MAX / 2)
		step(out, r);
	for (int i = 0; i < 3 && (flags & FLAG_ENDS); i++)
		put_frame(out, SESSION_LEAVE, NULL, 0);
	if (flags & FLAG_ENDS)
		put_frame(out, SESSION_DONE, NULL, 0);
}

/* ---- the receiver -------------------------------------------------------------------- */

static void receive(const struct bytes *sent, uint8_t flags)
{
	struct transfer t = { .recursive = flags & FLAG_RECURSIVE, .mode_mask = 0777 };
	CLEANUP(free) char *to = at(flags & FLAG_FOLDER ? "in" : "in/new");
	struct session_stream stream;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    send(ends[0], sent->data, sent->len, MSG_DONTWAIT) != (ssize_t)sent->len || shutdown(ends[0], SHUT_WR) < 0)
		abort();
	if ((flags & FLAG_FILE) && file_write_all(to, "old", 3, 0644) < 0 && !(flags & FLAG_FOLDER))
		abort();
	session_stream_init(&stream, ends[1]);
	t.stream = &stream;
	if (flags & FLAG_TO_FD) {
		CLEANUP(fd) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		r = transfer_receive_fd(&t, null);
	} else {
		r = transfer_receive(&t, to, "base");
	}
	/* What the sender itself gave as the reason may be empty. */
	if (!t.was_told && (r < 0) != (t.error[0] != '\0'))
		abort();
	session_stream_done(&stream);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static int refuse_temporary(const char *path, const struct stat *st, int type, struct FTW *at_level)
{
	(void)st;
	(void)type;
	return strncmp(path + at_level->base, ".muster-copy.", 13) == 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mode == b->st_mode &&
	       a->st_nlink == b->st_nlink && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void check_outside(void)
{
	struct stat now;

	status_of("outside", &now);
	if (!is_same(&now, &outside))
		abort();
	status_of("outside/precious", &now);
	if (!is_same(&now, &precious))
		abort();
}

static void decode(const uint8_t *data, size_t len)
{
	CLEANUP(free) uint8_t *exact = malloc(len ? len : 1);
	struct session_frame frame = { .type = SESSION_ENTRY, .data = exact, .len = len };
	struct session_entry e;
	struct bytes all = { .data = exact, .len = len };
	size_t n;

	if (!exact)
		abort();
	memcpy(exact, data, len);
	free(session_strings(&all, &n));
	if (session_entry_get(&frame, len & 1, &e) == 0 && (strchr(e.name, '/') || strcmp(e.name, "..") == 0))
		abort();
	if (session_parse(exact, len, &frame) > 0 && frame.len + SESSION_HEADER_LEN > len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = { .data = data, .len = len };
	CLEANUP(bytes) struct bytes sent = { 0 };
	CLEANUP(free) char *in = NULL;
	uint8_t flags = next(&r);

	decode(data, len);
	if (!base[0])
		make_base();
	in = at("in");
	if (mkdir(in, 0755) < 0)
		abort();
	make_stream(&sent, &r, flags);
	receive(&sent, flags);
	check_outside();
	if (nftw(in, refuse_temporary, DEPTH_OPEN, FTW_PHYS) != 0)
		abort();
	if (dir_remove_all(in) < 0)
		abort();
	return 0;
}
