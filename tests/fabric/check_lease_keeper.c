/* tests/fabric/check_lease_keeper.c: the files of the leases on a disk that fails: short writes, no room, errors of
 * fdatasync() that are reported once, and crashes of the process and of the machine at any instant.
 *
 * The disk is a model: a file has what programs see and what is on the medium. fdatasync() takes what was written
 * since to the medium; when it fails, it forgets what was written. */
#include "fabric/lease_keeper.h"

#include "core/prng.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdlib.h>

#define S NSEC_PER_SEC
enum { N_FILES = 4, SIZE = 1 << 18, N_LOGS = 2, N_ADDRS = 12, NETWORK = 7, QUARANTINED = 255 };

static struct file {
	uint8_t seen[SIZE], medium[SIZE];
	bool is_dirty[SIZE];
	size_t len, medium_len;
} files[N_FILES];
static size_t room; /* bytes that all files may have */
static int sync_error, write_error, truncate_error; /* errno; 0: none */
static size_t write_most; /* bytes of a write; 0: all */
static int bad_file; /* the one that fdatasync() fails on; -1: none */
static unsigned n_syncs, n_writes;
static struct lease_keeper *k;
static struct prng prng;

static size_t used(void)
{
	size_t n = 0;

	for (int i = 0; i < N_FILES; i++)
		n += files[i].len;
	return n;
}

static int refuse_with(int error)
{
	errno = error;
	return -1;
}

static ssize_t do_pread(int fd, void *buf, size_t len, off_t at)
{
	struct file *f = &files[fd];
	size_t n = (size_t)at >= f->len ? 0 : f->len - (size_t)at;

	n = n < len ? n : len;
	memcpy(buf, f->seen + at, n);
	return (ssize_t)n;
}

static ssize_t do_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	struct file *f = &files[fd];
	size_t end = (size_t)at + len;

	n_writes++;
	if (write_error)
		return refuse_with(write_error);
	if (write_most && len > write_most)
		end = (size_t)at + write_most;
	if (end > f->len && used() + (end - f->len) > room) {
		if (used() >= room)
			return refuse_with(ENOSPC);
		end = f->len + (room - used());
	}
	if (end <= (size_t)at)
		return refuse_with(ENOSPC);
	ck_assert_uint_le(end, SIZE);
	ck_assert_uint_le((size_t)at, f->len); /* no holes */
	memcpy(f->seen + at, buf, end - (size_t)at);
	memset(f->is_dirty + at, 1, end - (size_t)at);
	f->len = end > f->len ? end : f->len;
	return (ssize_t)(end - (size_t)at);
}

static int do_fdatasync(int fd)
{
	struct file *f = &files[fd];
	int error = fd == bad_file ? EIO : sync_error;

	n_syncs++;
	for (size_t i = 0; i < f->len && !error; i++)
		if (f->is_dirty[i])
			f->medium[i] = f->seen[i];
	memset(f->is_dirty, 0, SIZE);
	if (error)
		return refuse_with(error);
	f->medium_len = f->len;
	return 0;
}

static int do_ftruncate(int fd, off_t len)
{
	if (truncate_error)
		return refuse_with(truncate_error);
	files[fd].len = (size_t)len;
	return 0;
}

static const struct lease_keeper_ops ops = { do_pread, do_pwrite, do_fdatasync, do_ftruncate };
static const struct lease_keeper_log logs[N_LOGS] = { { "a", NETWORK, { 0, 1 } }, { "b", NETWORK + 1, { 2, 3 } } };

static void make_well(void)
{
	room = (size_t)N_FILES * SIZE;
	sync_error = write_error = truncate_error = 0;
	write_most = 0;
	bad_file = -1;
}

static void open_keeper(nsec_t now, bool goes_on)
{
	ck_assert_int_eq(lease_keeper_new(logs, N_LOGS, &ops, &prng, &k), 0);
	ck_assert_int_eq(lease_keeper_load(k, now, goes_on), 0);
}

static void reopen(nsec_t now, bool goes_on)
{
	k = lease_keeper_free(k);
	open_keeper(now, goes_on);
}

static void setup(void)
{
	prng_init(&prng, 3, "keeper");
	memset(files, 0, sizeof files);
	make_well();
	n_syncs = n_writes = 0;
	open_keeper(0, false);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
}

static void teardown(void)
{
	k = lease_keeper_free(k);
}

/* ---- what the keeper holds ------------------------------------------------------------ */

/* Who has which address: clients are numbered from 1; 0: nobody. */
struct world {
	uint8_t of[N_LOGS][N_ADDRS];
	nsec_t until[N_LOGS][N_ADDRS];
};

static struct lease_record bound(uint8_t client, uint8_t addr, nsec_t until, nsec_t at)
{
	return (struct lease_record){ .kind = LEASE_RECORD_BOUND,
				      .addr = 0x0a000000u + addr,
				      .client = { .mac = { { 2, 0, 0, 0, 0, client } } },
				      .hostname = "pc",
				      .until = until,
				      .at = at };
}

static int note(void *ctx, size_t log, const struct lease_record *r)
{
	struct world *world = ctx;

	ck_assert_uint_lt(r->addr & 0xff, N_ADDRS);
	if (r->kind == LEASE_RECORD_DECLINED) {
		world->of[log][r->addr & 0xff] = QUARANTINED;
		world->until[log][r->addr & 0xff] = r->until;
		return 0;
	}
	world->of[log][r->addr & 0xff] = r->client.mac.b[5];
	world->until[log][r->addr & 0xff] = r->until;
	return 0;
}

static struct world held(void)
{
	struct world world = { 0 };

	ck_assert_int_eq(lease_keeper_each(k, note, &world), 0);
	return world;
}

static void add(size_t log, uint8_t client, uint8_t addr)
{
	struct lease_record r = bound(client, addr, 3600 * S, 0);

	ck_assert_int_eq(lease_keeper_append(k, log, &r), 0);
}

/* ---- tests ----------------------------------------------------------------------------- */

START_TEST(records_come_back)
{
	struct world world;

	add(0, 1, 1);
	add(1, 2, 1);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	reopen(10 * S, false);
	world = held();
	ck_assert(world.of[0][1] == 1 && world.of[1][1] == 2 && world.of[0][2] == 0);
	ck_assert_int_eq(world.until[0][1], 3610 * S);
	reopen(20 * S, true);
	ck_assert_int_eq(held().until[0][1], 3600 * S); /* nothing was written after the load: instants stay */
}
END_TEST

START_TEST(a_quarantine_comes_back)
{
	struct lease_record r = bound(1, 1, 3600 * S, 0);

	ck_assert_int_eq(lease_keeper_append(k, 0, &r), 0);
	r = bound(1, 1, 0, 5 * S);
	r.kind = LEASE_RECORD_DECLINED;
	ck_assert_int_eq(lease_keeper_append(k, 0, &r), 0);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	reopen(6 * S, true);
	ck_assert_int_eq(lease_keeper_commit(k), 0); /* from now on it is in a snapshot */
	reopen(7 * S, true);
	ck_assert_uint_eq(held().of[0][1], QUARANTINED);
	ck_assert_int_eq(held().until[0][1], 605 * S);
}
END_TEST

START_TEST(one_commit_is_one_write_and_one_sync_a_log)
{
	n_syncs = n_writes = 0;
	for (uint8_t i = 0; i < N_ADDRS; i++) {
		add(0, i + 1, i);
		add(1, i + 1, i);
	}
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	ck_assert_uint_eq(n_syncs, 2);
	ck_assert_uint_eq(n_writes, 2);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	ck_assert_uint_eq(n_syncs, 2); /* there was nothing to do */
}
END_TEST

START_TEST(a_short_write_goes_on)
{
	write_most = 7;
	add(0, 1, 1);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	reopen(0, false);
	ck_assert_uint_eq(held().of[0][1], 1);
}
END_TEST

START_TEST(no_room_is_told_and_room_makes_it_good)
{
	add(0, 1, 1);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	room = used() + 20; /* less than a record */
	add(0, 2, 2);
	ck_assert_int_eq(lease_keeper_commit(k), -ENOSPC);
	ck_assert_int_eq(lease_keeper_commit(k), -ENOSPC);
	add(0, 3, 3);
	ck_assert_int_eq(lease_keeper_commit(k), -ENOSPC);
	make_well();
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	reopen(0, false);
	ck_assert(held().of[0][1] == 1 && held().of[0][2] == 2 && held().of[0][3] == 3);
}
END_TEST

/* The second fdatasync() of the kernel reports nothing, and the bytes are not there. */
START_TEST(a_sync_that_failed_is_not_believed_later)
{
	add(0, 1, 1);
	sync_error = EIO;
	ck_assert_int_eq(lease_keeper_commit(k), -EIO);
	sync_error = 0;
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	for (int i = 0; i < N_FILES; i++) {
		memcpy(files[i].seen, files[i].medium, SIZE);
		files[i].len = files[i].medium_len;
	}
	reopen(0, false);
	ck_assert_uint_eq(held().of[0][1], 1);
}
END_TEST

START_TEST(files_stay_small)
{
	size_t most = 0;

	for (int i = 0; i < 5000; i++) {
		add(0, (uint8_t)(1 + i % N_ADDRS), (uint8_t)(i % N_ADDRS));
		ck_assert_int_eq(lease_keeper_commit(k), 0);
		most = used() > most ? used() : most;
	}
	ck_assert_uint_lt(most, 3 * LEASE_LOG_COMPACT_MIN);
	reopen(0, false);
	for (uint8_t i = 0; i < N_ADDRS; i++)
		ck_assert_uint_eq(held().of[0][i], 1 + i);
}
END_TEST

/* Until a snapshot is nearly due. */
static int fill(void)
{
	int i;

	for (i = 0; files[0].len + files[1].len < LEASE_LOG_COMPACT_MIN - 200; i++) {
		add(0, (uint8_t)(1 + i % N_ADDRS), (uint8_t)(i % N_ADDRS));
		ck_assert_int_eq(lease_keeper_commit(k), 0);
	}
	return i;
}

/* Without room for a snapshot the log goes on where it is. */
START_TEST(a_snapshot_may_wait)
{
	int i = fill();

	truncate_error = EIO; /* that is where a snapshot begins */
	for (int j = 0; j < 200; j++, i++) {
		add(0, (uint8_t)(1 + i % N_ADDRS), (uint8_t)(i % N_ADDRS));
		ck_assert_int_eq(lease_keeper_commit(k), 0);
	}
	n_syncs = 0;
	reopen(0, false);
	for (uint8_t a = 0; a < N_ADDRS; a++)
		ck_assert_uint_eq(held().of[0][a], 1 + a);
}
END_TEST

/* One that was written whole, and of which nobody knows whether it is on the medium, would be read at the next start
 * instead of the file that is in use. */
START_TEST(nothing_is_acknowledged_beside_a_doubtful_snapshot)
{
	int i = fill(), r = 0;

	bad_file = 1;
	for (int j = 0; j < 20 && r == 0; j++, i++) {
		add(0, (uint8_t)(1 + i % N_ADDRS), (uint8_t)(i % N_ADDRS));
		r = lease_keeper_commit(k);
	}
	ck_assert_int_eq(r, -EIO);
	add(0, 100, 0);
	ck_assert_int_eq(lease_keeper_commit(k), -EIO);
	make_well();
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	reopen(0, false);
	ck_assert_uint_eq(held().of[0][0], 100);
}
END_TEST

START_TEST(the_other_file_serves_when_one_is_bad)
{
	add(0, 1, 1);
	bad_file = 0;
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	add(0, 2, 2);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	reopen(0, false);
	ck_assert(held().of[0][1] == 1 && held().of[0][2] == 2);
}
END_TEST

START_TEST(files_of_another_network_are_not_read)
{
	add(0, 1, 1);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	for (int i = 0; i < 2; i++) {
		files[2 + i] = files[i];
		memset(&files[i], 0, sizeof files[i]);
	}
	reopen(0, false);
	ck_assert_uint_eq(held().of[1][1], 0);
	ck_assert_str_eq(lease_keeper_found(k, 1)->why, "the lease log of another network");
	ck_assert_ptr_null(lease_keeper_found(k, 0)->why);
	ck_assert_int_eq(lease_keeper_commit(k), 0);
	reopen(0, false);
	ck_assert_ptr_null(lease_keeper_found(k, 1)->why);
}
END_TEST

START_TEST(an_error_in_reading_is_no_empty_log)
{
	static const struct lease_keeper_log bad[] = { { "a", NETWORK, { -1, -1 } } };
	struct lease_keeper *other;

	ck_assert_int_eq(lease_keeper_new(bad, 1, &lease_keeper_os, &prng, &other), 0);
	ck_assert_int_eq(lease_keeper_load(other, 0, false), -EBADF);
	lease_keeper_free(other);
}
END_TEST

/* ---- any faults, and a crash at any instant ---------------------------------------------- */

enum { HISTORY = 400 };
static struct lease_record history[HISTORY];
static size_t history_log[HISTORY], n_history, n_acked;

static void break_something(void)
{
	make_well();
	switch (prng_below(&prng, 8)) {
	case 0:
		room = used() + prng_below(&prng, 100);
		break;
	case 1:
		sync_error = EIO;
		break;
	case 2:
		write_error = EIO;
		break;
	case 3:
		truncate_error = EIO;
		break;
	case 4:
		write_most = 1 + prng_below(&prng, 60);
		break;
	default:
		break;
	}
}

/* The process ends: what programs see stays. The machine ends: of each file the medium, or what was seen up to some
 * byte and the medium behind it. */
static void crash(bool of_machine)
{
	for (int i = 0; i < N_FILES && of_machine; i++) {
		struct file *f = &files[i];
		size_t whole = prng_below(&prng, 3), n;

		n = whole == 0 ? 0 : whole == 1 ? f->len : prng_below(&prng, f->len + 1);
		for (size_t j = n; j < SIZE; j++)
			f->seen[j] = f->medium[j];
		f->len = n > f->medium_len ? n : f->medium_len;
		memcpy(f->medium, f->seen, SIZE);
		f->medium_len = f->len;
		memset(f->is_dirty, 0, SIZE);
	}
	k = lease_keeper_free(k);
	make_well();
}

/* Whether client @client may have @addr now: by what was acknowledged, or by what came later. */
static bool may_have(size_t log, uint8_t addr, uint8_t client)
{
	uint8_t has = 0;

	for (size_t i = 0; i < n_history; i++) {
		if (i >= n_acked && has == client)
			return true;
		if (history_log[i] != log)
			continue;
		if (history[i].kind == LEASE_RECORD_RELEASED && (history[i].addr & 0xff) == addr)
			has = 0;
		else if (history[i].kind == LEASE_RECORD_BOUND && (history[i].addr & 0xff) == addr)
			has = history[i].client.mac.b[5];
		else if (history[i].kind == LEASE_RECORD_BOUND && history[i].client.mac.b[5] == has)
			has = 0; /* it moved */
	}
	return has == client;
}

static void check_world(void)
{
	struct world world = held();

	for (size_t log = 0; log < N_LOGS; log++)
		for (uint8_t a = 0; a < N_ADDRS; a++)
			ck_assert_msg(may_have(log, a, world.of[log][a]),
				      "log %zu: %u is client %u's; %zu of %zu acknowledged", log, a, world.of[log][a],
				      n_acked, n_history);
}

static void add_any(void)
{
	size_t log = prng_below(&prng, N_LOGS);
	struct lease_record r = bound((uint8_t)(1 + prng_below(&prng, 9)), (uint8_t)prng_below(&prng, N_ADDRS),
				      NSEC_NEVER, (nsec_t)n_history);

	if (prng_below(&prng, 4) == 0) {
		struct world world = held();
		uint8_t has = world.of[log][r.addr & 0xff];

		if (has) {
			r.kind = LEASE_RECORD_RELEASED;
			r.client.mac.b[5] = has;
		}
	}
	history[n_history] = r;
	history_log[n_history++] = log;
	ck_assert_int_eq(lease_keeper_append(k, log, &r), 0);
}

static void one_life(int seed)
{
	size_t n = 1 + prng_below(&prng, 60);

	for (size_t i = 0; i < n && n_history < HISTORY; i++) {
		for (size_t j = prng_below(&prng, 4); j > 0 && n_history < HISTORY; j--)
			add_any();
		if (prng_below(&prng, 3) == 0)
			break_something();
		if (lease_keeper_commit(k) == 0)
			n_acked = n_history;
	}
	crash(seed % 2);
	open_keeper((nsec_t)n_history, true);
	check_world();
}

/* After a crash the world is one of those allowed; from there on it is what counts. */
static void take_over(void)
{
	struct world world = held();

	n_history = 0;
	for (size_t log = 0; log < N_LOGS; log++)
		for (uint8_t a = 0; a < N_ADDRS; a++)
			if (world.of[log][a]) {
				history[n_history] = bound(world.of[log][a], a, NSEC_NEVER, (nsec_t)n_history);
				history_log[n_history++] = log;
			}
	n_acked = n_history;
}

START_TEST(nothing_acknowledged_is_lost_and_nothing_invented)
{
	prng_init(&prng, (uint64_t)_i, "crashes");
	n_history = n_acked = 0;
	for (int life = 0; life < 8; life++) {
		one_life(_i + life);
		take_over();
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("lease_keeper");
	TCase *t = tcase_create("lease_keeper");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, records_come_back);
	tcase_add_test(t, a_quarantine_comes_back);
	tcase_add_test(t, one_commit_is_one_write_and_one_sync_a_log);
	tcase_add_test(t, a_short_write_goes_on);
	tcase_add_test(t, no_room_is_told_and_room_makes_it_good);
	tcase_add_test(t, a_sync_that_failed_is_not_believed_later);
	tcase_add_test(t, files_stay_small);
	tcase_add_test(t, a_snapshot_may_wait);
	tcase_add_test(t, nothing_is_acknowledged_beside_a_doubtful_snapshot);
	tcase_add_test(t, the_other_file_serves_when_one_is_bad);
	tcase_add_test(t, files_of_another_network_are_not_read);
	tcase_add_test(t, an_error_in_reading_is_no_empty_log);
	tcase_add_loop_test(t, nothing_acknowledged_is_lost_and_nothing_invented, 0, 40);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
