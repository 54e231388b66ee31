/* tests/core/check_session.c: the frames of the guest service, and trees that are sent, received, and
 * made up by a hostile sender. */
#include "core/session.h"

#include "core/transfer.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- frames ------------------------------------------------------------------------ */

static const struct {
	const char *name, *bytes;
	size_t len;
	ssize_t takes;
} frames[] = {
#define F(name, bytes, takes) { name, bytes, sizeof bytes - 1, takes }
	F("empty", "", 0),
	F("a part of the header", "\x01\x01\x00", 0),
	F("no body yet", "\x01\x02\x00\x00", 0),
	F("a part of the body", "\x01\x02\x00\x00x", 0),
	F("whole", "\x01\x02\x00\x00xy", 6),
	F("whole and more", "\x01\x02\x00\x00xyz", 6),
	F("no body", "\x05\x00\x00\x00", 4),
	F("type 0", "\x00\x00\x00\x00", -EPROTO),
	F("unknown type", "\x40\x00\x00\x00", -EPROTO),
	F("the longest, not whole", "\x01\x00\x00\x01", 0),
	F("too long", "\x01\x01\x00\x01", -EPROTO),
	F("far too long", "\x01\xff\xff\xff", -EPROTO),
};

START_TEST(test_frame)
{
	struct session_frame f = { 0 };
	CLEANUP(free) uint8_t *exact = malloc(frames[_i].len ? frames[_i].len : 1);

	memcpy(exact, frames[_i].bytes, frames[_i].len);
	ck_assert_msg(session_parse(exact, frames[_i].len, &f) == frames[_i].takes, "%s", frames[_i].name);
	if (frames[_i].takes > 0)
		ck_assert_uint_eq(f.len, (size_t)frames[_i].takes - SESSION_HEADER_LEN);
}
END_TEST

static int parse_entry(const struct bytes *payload, bool is_root, struct session_entry *ret)
{
	struct session_frame f = { .type = SESSION_ENTRY, .data = payload->data, .len = payload->len };

	return session_entry_get(&f, is_root, ret);
}

static int entry_of(char kind, const char *name, const char *target, bool is_root)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	struct session_entry in = { .kind = (enum session_kind)kind, .mode = 0644, .name = name, .target = target }, out;

	session_entry_put(&payload, &in);
	return parse_entry(&payload, is_root, &out);
}

static const struct {
	const char *name, *target;
	char kind;
	bool is_root, is_good;
} entries[] = {
	{ "a", "", 'f', false, true },		{ "\xff\xfe", "", 'f', false, true },
	{ "...", "", 'd', false, true },	{ "l", "/etc/passwd", 'l', false, true },
	{ "", "", 'd', true, true },		{ "", "", 'f', false, false },
	{ ".", "", 'd', true, false },		{ "..", "", 'd', false, false },
	{ "a/b", "", 'f', false, false },	{ "/etc", "", 'd', false, false },
	{ "../a", "", 'f', true, false },	{ "l", "", 'l', false, false },
	{ "f", "target", 'f', false, false },	{ "p", "", 'p', false, false },
};

START_TEST(test_entry)
{
	ck_assert_int_eq(entry_of(entries[_i].kind, entries[_i].name, entries[_i].target, entries[_i].is_root),
			 entries[_i].is_good ? 0 : -EPROTO);
}
END_TEST

START_TEST(test_entry_round_trip)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	struct session_entry in = { .kind = SESSION_LINK, .mode = 04755, .mtime_ns = -1500000001,
				    .size = 0x123456789abcULL, .name = "n\xff", .target = "../x" }, out;

	session_entry_put(&payload, &in);
	ck_assert_int_eq(parse_entry(&payload, false, &out), 0);
	ck_assert_int_eq(out.kind, in.kind);
	ck_assert_uint_eq(out.mode, in.mode);
	ck_assert_int_eq(out.mtime_ns, in.mtime_ns);
	ck_assert_uint_eq(out.size, in.size);
	ck_assert_str_eq(out.name, in.name);
	ck_assert_str_eq(out.target, in.target);
	/* No shorter payload is one. */
	for (size_t len = 0; len < payload.len; len++) {
		struct bytes cut = { .data = payload.data, .len = len };

		ck_assert_int_eq(parse_entry(&cut, false, &out), -EPROTO);
	}
}
END_TEST

START_TEST(test_strings)
{
	struct bytes b = { .data = (uint8_t *)(size_t)"a\0\0b\xff", .len = 6 }; /* three, one empty */
	size_t n = 99;
	char **list = session_strings(&b, &n);

	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(list[1], "");
	ck_assert_str_eq(list[2], "b\xff");
	ck_assert_ptr_null(list[3]);
	free(list);
	b.len = 5; /* the last has no end */
	ck_assert_ptr_null(session_strings(&b, &n));
}
END_TEST

/* ---- trees -------------------------------------------------------------------------- */

static char dir[64];
static int ends[2];
static struct session_stream streams[2];

static char *at(const char *name)
{
	static char path[4][256];
	static unsigned turn;

	turn = (turn + 1) % 4;
	(void)snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

static void setup(void)
{
	(void)snprintf(dir, sizeof dir, "/tmp/check-session.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	session_stream_init(&streams[0], ends[0]);
	session_stream_init(&streams[1], ends[1]);
	(void)umask(022);
}

static void teardown(void)
{
	session_stream_done(&streams[0]);
	session_stream_done(&streams[1]);
	(void)close(ends[0]);
	(void)close(ends[1]);
	ck_assert_int_eq(dir_remove_all(dir), 0);
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	ck_assert_int_eq(file_write_all(at(name), text, strlen(text), 0600), 0);
	ck_assert_int_eq(chmod(at(name), mode), 0);
}

static void file_is(const char *name, const char *text)
{
	CLEANUP(bytes) struct bytes b = { 0 };

	ck_assert_msg(file_read_all(at(name), 1 << 20, &b) == 0, "%s is not there", name);
	ck_assert_str_eq(b.data ? (char *)b.data : "", text);
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) == 0;
}

/* Names in a folder. */
static unsigned count_in(const char *name)
{
	CLEANUP(free) char *cmd = str_printf("ls -A '%s' | wc -l", at(name));
	FILE *f = popen(cmd, "r");
	unsigned n = 0;

	ck_assert_int_eq(fscanf(f, "%u", &n), 1);
	(void)pclose(f);
	return n;
}

struct job {
	const char *path;
	bool recursive;
	int result;
};

static void *sends(void *ctx)
{
	struct job *job = ctx;
	struct transfer t = { .stream = &streams[0], .recursive = job->recursive };

	job->result = transfer_send(&t, job->path);
	if (job->result == 0)
		job->result = transfer_confirm(&t);
	return NULL;
}

/* Returns the receiver's verdict. */
static int copy(const char *from, const char *to, bool recursive, int *ret_sender)
{
	struct job job = { .path = from, .recursive = recursive };
	struct transfer t = { .stream = &streams[1], .recursive = recursive, .mode_mask = 0777 };
	CLEANUP(free) char *base = transfer_base(from);
	pthread_t thread;
	int r;

	ck_assert_int_eq(pthread_create(&thread, NULL, sends, &job), 0);
	r = transfer_receive(&t, to, base);
	(void)pthread_join(thread, NULL);
	*ret_sender = job.result;
	return r;
}

START_TEST(test_a_tree_is_copied)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000, .tv_nsec = 5 } };
	struct stat st;
	char target[64] = "";
	int sender;

	ck_assert_int_eq(mkdir(at("src"), 0755), 0);
	ck_assert_int_eq(mkdir(at("src/sub"), 0750), 0);
	put_file("src/a", "text", 0754);
	put_file("src/sub/\xff\x01", "bytes", 04644);
	ck_assert_int_eq(symlink("../../outside", at("src/sub/link")), 0);
	ck_assert_int_eq(mkfifo(at("src/pipe"), 0644), 0); /* left out */
	ck_assert_int_eq(utimensat(AT_FDCWD, at("src/sub"), old, 0), 0);
	ck_assert_int_eq(copy(at("src"), at("new"), true, &sender), 0);
	ck_assert_int_eq(sender, 0);
	file_is("new/a", "text");
	file_is("new/sub/\xff\x01", "bytes");
	ck_assert_int_eq(stat(at("new/a"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0754);
	ck_assert_int_eq(stat(at("new/sub/\xff\x01"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644); /* the mask */
	ck_assert_int_eq(stat(at("new/sub"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1000);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 5);
	ck_assert_int_eq(readlink(at("new/sub/link"), target, sizeof target - 1), 13);
	ck_assert_str_eq(target, "../../outside");
	ck_assert(!is_there("new/pipe"));
	/* Again: into the folder, which keeps what it has; and merged there. */
	put_file("new/kept", "kept", 0644);
	ck_assert_int_eq(copy(at("src"), at("new"), true, &sender), 0);
	file_is("new/src/a", "text");
	put_file("new/src/more", "more", 0644);
	put_file("src/a", "newer", 0600);
	ck_assert_int_eq(copy(at("src"), at("new"), true, &sender), 0);
	file_is("new/src/a", "newer");
	file_is("new/src/more", "more");
	file_is("new/kept", "kept");
	ck_assert_uint_eq(count_in("new"), 4); /* a sub kept src: no temporary name */
}
END_TEST

START_TEST(test_a_file_is_copied)
{
	int sender;

	put_file("f", "one", 0640);
	ck_assert_int_eq(mkdir(at("d"), 0755), 0);
	ck_assert_int_eq(copy(at("f"), at("d"), false, &sender), 0);
	file_is("d/f", "one");
	ck_assert_int_eq(copy(at("f"), at("d/g"), false, &sender), 0);
	file_is("d/g", "one");
	ck_assert_int_lt(copy(at("f"), at("none/"), false, &sender), 0);
	ck_assert_int_lt(sender, 0);
}
END_TEST

START_TEST(test_a_device_is_written_to)
{
	struct stat st;
	int sender;

	put_file("f", "one", 0640);
	ck_assert_int_eq(symlink("/dev/null", at("null")), 0);
	ck_assert_int_eq(copy(at("f"), at("null"), false, &sender), 0);
	ck_assert_int_eq(lstat(at("null"), &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	/* One that is in the way of a name is left as it is. */
	ck_assert_int_eq(mkdir(at("d"), 0755), 0);
	ck_assert_int_eq(mkfifo(at("d/f"), 0600), 0);
	ck_assert_int_lt(copy(at("f"), at("d"), false, &sender), 0);
	ck_assert_int_eq(lstat(at("d/f"), &st), 0);
	ck_assert(S_ISFIFO(st.st_mode));
}
END_TEST

START_TEST(test_a_link_that_was_named_is_followed)
{
	struct stat st;
	int sender;

	put_file("f", "new", 0640);
	put_file("real", "old", 0644);
	ck_assert_int_eq(symlink("real", at("link")), 0);
	ck_assert_int_eq(copy(at("f"), at("link"), false, &sender), 0);
	file_is("real", "new");
	ck_assert_int_eq(lstat(at("link"), &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
}
END_TEST

START_TEST(test_folders_want_recursion)
{
	int sender;

	ck_assert_int_eq(mkdir(at("src"), 0755), 0);
	ck_assert_int_lt(copy(at("src"), at("new"), false, &sender), 0);
	ck_assert_int_eq(sender, -EISDIR);
	ck_assert(!is_there("new"));
}
END_TEST

/* ---- a hostile or broken sender -------------------------------------------------------- */

static void says_entry(char kind, const char *name, const char *target)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	struct session_entry e = { .kind = (enum session_kind)kind, .mode = 0777, .name = name, .target = target };

	session_entry_put(&payload, &e);
	ck_assert_int_eq(session_write(&streams[0], SESSION_ENTRY, payload.data, payload.len), 0);
}

static void says_file(const char *name)
{
	says_entry('f', name, "");
	ck_assert_int_eq(session_write(&streams[0], SESSION_DATA, "evil", 4), 0);
	ck_assert_int_eq(session_write(&streams[0], SESSION_DATA, NULL, 0), 0);
}

static void says(enum session_type type)
{
	ck_assert_int_eq(session_write(&streams[0], type, NULL, 0), 0);
}

static int receive(const char *to)
{
	struct transfer t = { .stream = &streams[1], .recursive = true, .mode_mask = 0777 };
	int r;

	(void)shutdown(ends[0], SHUT_WR);
	r = transfer_receive(&t, to, "base");
	ck_assert_int_eq(r < 0, t.error[0] != '\0');
	return r;
}

enum attack { THROUGH_LINK, LINK_TO_FILE, UP, ABSOLUTE, DOT, LEAVE_TOO_OFTEN, LINK_AS_ROOT, TWO_ROOTS, BROKEN_OFF,
	      NO_DONE, DEEP, ATTACK_COUNT };

static void attack(enum attack which, const char *outside)
{
	if (which != LINK_AS_ROOT)
		says_entry('d', "root", "");
	switch (which) {
	case THROUGH_LINK:
		says_entry('l', "x", outside);
		says_entry('d', "x", "");
		says_file("f");
		break;
	case LINK_TO_FILE: /* replaced, and the file behind it stays */
		says_entry('l', "x", at("outside/precious"));
		says_file("x");
		says_entry('d', "x", ""); /* what follows fails */
		break;
	case UP: says_file("../f"); break;
	case ABSOLUTE: says_file(at("outside/f")); break;
	case DOT: says_entry('d', "..", ""); break;
	case LEAVE_TOO_OFTEN:
		says(SESSION_LEAVE);
		says(SESSION_LEAVE);
		break;
	case LINK_AS_ROOT: says_entry('l', "root", outside); break;
	case TWO_ROOTS:
		says(SESSION_LEAVE);
		says_file("f");
		break;
	case BROKEN_OFF:
		says_entry('f', "half", "");
		ck_assert_int_eq(session_write(&streams[0], SESSION_DATA, "ha", 2), 0);
		break;
	case NO_DONE: says_file("f"); break;
	case DEEP:
		for (int i = 0; i < 205; i++)
			says_entry('d', "d", "");
		break;
	default: break;
	}
}

START_TEST(test_nothing_outside_is_written)
{
	ck_assert_int_eq(mkdir(at("outside"), 0755), 0);
	ck_assert_int_eq(mkdir(at("there"), 0755), 0);
	put_file("outside/precious", "precious", 0644);
	put_file("there/kept", "kept", 0644);
	attack((enum attack)_i, at("outside"));
	ck_assert_int_lt(receive(at("there/new")), 0);
	file_is("outside/precious", "precious");
	ck_assert_uint_eq(count_in("outside"), 1);
	file_is("there/kept", "kept");
	ck_assert_uint_eq(count_in(""), 2);
	/* TWO_ROOTS and LEAVE_TOO_OFTEN: the first tree was whole. */
	if (_i != TWO_ROOTS && _i != LEAVE_TOO_OFTEN)
		ck_assert_uint_eq(count_in("there"), 1); /* no part of it, no temporary name */
}
END_TEST

START_TEST(test_a_file_that_breaks_off_leaves_the_old_one)
{
	put_file("f", "old", 0644);
	says_entry('f', "f", "");
	ck_assert_int_eq(session_write(&streams[0], SESSION_DATA, "ne", 2), 0);
	ck_assert_int_lt(receive(at("f")), 0);
	file_is("f", "old");
	ck_assert_uint_eq(count_in(""), 1);
}
END_TEST

/* The socket's time limit is the copy's. */
START_TEST(test_silence_ends_a_copy)
{
	struct transfer t = { .stream = &streams[1], .mode_mask = 0777 };
	struct timeval limit = { .tv_usec = 1000 };

	ck_assert_int_eq(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	says_entry('f', "f", "");
	ck_assert_int_eq(transfer_receive(&t, at("f"), "base"), -EAGAIN);
	ck_assert_str_eq(t.error, "the copy broke off: the other side does not answer");
	ck_assert_uint_eq(count_in(""), 0);
}
END_TEST

/* As progress: the first bytes are written. */
static void die_by_kill(void *ctx, const char *name, uint64_t done, uint64_t size)
{
	(void)ctx, (void)name, (void)done, (void)size;
	(void)raise(SIGKILL);
}

/* True where the folder takes files without a name. */
static bool has_nameless_files(void)
{
	CLEANUP(fd) int fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

	return fd >= 0;
}

/* _i: 0 a new name, 1 one that is there. */
START_TEST(test_a_receiver_that_is_killed_leaves_nothing)
{
	int status;
	pid_t pid;

	if (!has_nameless_files()) {
		(void)printf("skipped 1: a killed receiver: %s takes no files without a name\n", dir);
		return;
	}
	if (_i == 1)
		put_file("f", "old", 0644);
	says_entry('f', "f", "");
	ck_assert_int_eq(session_write(&streams[0], SESSION_DATA, "ne", 2), 0);
	(void)fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) { /* receives what is there, and waits for more */
		struct transfer t = { .stream = &streams[1], .mode_mask = 0777, .progress = die_by_kill };

		(void)transfer_receive(&t, at("f"), "base");
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_uint_eq(count_in(""), _i == 1 ? 1 : 0);
	if (_i == 1)
		file_is("f", "old");
}
END_TEST

static const struct {
	const char *path, *base;
} bases[] = { { "/a/b", "b" }, { "a", "a" }, { "a/", "a" }, { "/", "" }, { ".", "" }, { "a/..", "" },
	      { "", "" }, { "/x//", "x" }, { "...", "..." } };

START_TEST(test_base)
{
	CLEANUP(free) char *base = transfer_base(bases[_i].path);

	ck_assert_str_eq(base, bases[_i].base);
}
END_TEST

/* Any bytes: a verdict, and no more read than there are (under a sanitizer). */
START_TEST(test_any_bytes)
{
	uint64_t x = 88172645463325252ULL + (unsigned)_i;

	for (int round = 0; round < 2000; round++) {
		size_t len = x % 64;
		CLEANUP(free) uint8_t *data = malloc(len ? len : 1);
		struct session_frame f;
		struct session_entry e;

		for (size_t i = 0; i < len; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			data[i] = (uint8_t)(i < 4 && x % 3 ? x % 8 : x % 5 ? x : 0);
		}
		if (session_parse(data, len, &f) > 0)
			ck_assert_uint_le(f.len + SESSION_HEADER_LEN, len);
		f = (struct session_frame){ .type = SESSION_ENTRY, .data = data, .len = len };
		if (session_entry_get(&f, false, &e) == 0)
			ck_assert(!strchr(e.name, '/') && strcmp(e.name, "..") != 0);
		x += 77;
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("session");
	TCase *t = tcase_create("frames");

	tcase_add_loop_test(t, test_frame, 0, (int)(sizeof frames / sizeof *frames));
	tcase_add_loop_test(t, test_entry, 0, (int)(sizeof entries / sizeof *entries));
	tcase_add_test(t, test_entry_round_trip);
	tcase_add_test(t, test_strings);
	tcase_add_loop_test(t, test_base, 0, (int)(sizeof bases / sizeof *bases));
	tcase_add_loop_test(t, test_any_bytes, 0, 5);
	suite_add_tcase(s, t);
	t = tcase_create("trees");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_tree_is_copied);
	tcase_add_test(t, test_a_file_is_copied);
	tcase_add_test(t, test_a_device_is_written_to);
	tcase_add_test(t, test_a_link_that_was_named_is_followed);
	tcase_add_test(t, test_folders_want_recursion);
	tcase_add_loop_test(t, test_nothing_outside_is_written, 0, ATTACK_COUNT);
	tcase_add_test(t, test_a_file_that_breaks_off_leaves_the_old_one);
	tcase_add_test(t, test_silence_ends_a_copy);
	tcase_add_loop_test(t, test_a_receiver_that_is_killed_leaves_nothing, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
