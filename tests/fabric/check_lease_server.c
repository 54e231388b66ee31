/* tests/fabric/check_lease_server.c: the process that keeps leases and the fabric's end of it: acknowledgement,
 * restart, kills at any instant, a disk without room, and either side hostile. */
#include "core/prng.h"
#include "fabric/lease_link.h"
#include "fabric/lease_server.h"
#include "fabric/lease_wire.h"
#include "tests/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, N_LOGS = 2, N_ADDRS = 40, NETWORK = 9, BASE = 1000000000 };

static struct lease_keeper_log logs[N_LOGS] = { { "a", NETWORK, { -1, -1 } }, { "b", NETWORK + 1, { -1, -1 } } };
static struct lease_link *lnk;
static pid_t pid;
static uint64_t durable;
static unsigned n_ready, n_lost;
static const char *lost_why;
static int trouble, n_trouble;
static nsec_t restored[N_LOGS][N_ADDRS]; /* until, of those that were */
static bool refuses_restore;
static uint8_t id[LEASE_ID_MAX], id_len; /* of all clients */
static rlim_t file_limit = RLIM_INFINITY;

/* ---- the fabric's host ---------------------------------------------------------------- */

static bool on_restore(void *ctx, size_t log, const struct lease_record *r)
{
	(void)ctx;
	ck_assert_uint_eq(n_ready, 0);
	restored[log][r->addr % N_ADDRS] = r->until;
	return !refuses_restore;
}

static void on_ready(void *ctx)
{
	(void)ctx;
	n_ready++;
}

static void on_durable(void *ctx, uint64_t seq)
{
	(void)ctx;
	ck_assert_uint_gt(seq, durable);
	durable = seq;
}

static void on_trouble(void *ctx, int error)
{
	(void)ctx;
	n_trouble++;
	trouble = error;
}

static void on_lost(void *ctx, const char *why)
{
	(void)ctx;
	n_lost++;
	lost_why = why;
}

static const struct lease_link_host host = { NULL, on_restore, on_ready, on_durable, on_trouble, on_lost };

static void fresh_link(void)
{
	lnk = lease_link_free(lnk);
	durable = 0;
	n_ready = n_lost = 0;
	n_trouble = trouble = 0;
	memset(restored, 0, sizeof restored);
	ck_assert_int_eq(lease_link_new(&host, N_LOGS, &lnk), 0);
}

/* ---- the process ------------------------------------------------------------------------ */

static int start_server(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct rlimit limit = { file_limit, RLIM_INFINITY };

		(void)close(pair[0]);
		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &limit);
		_exit(lease_server_run(&(struct lease_server_config){ "t", pair[1], logs, N_LOGS,
								      .cell = file_limit == RLIM_INFINITY }));
	}
	(void)close(pair[1]);
	return pair[0];
}

static int end_server(int signo)
{
	int status;

	if (signo)
		ck_assert_int_eq(kill(pid, signo), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	pid = 0;
	return status;
}

static void attach(nsec_t now)
{
	ck_assert_int_eq(lease_link_attach(lnk, start_server(), now), 0);
}

/* Waits for the keeper's next word. */
static void pump(void)
{
	struct pollfd p = { .fd = lease_link_fd(lnk), .events = POLLIN };

	lease_link_flush(lnk);
	ck_assert_int_ge(p.fd, 0);
	if (lease_link_wants_write(lnk))
		p.events |= POLLOUT;
	ck_assert_int_gt(poll(&p, 1, PATIENCE_MS), 0);
	lease_link_receive(lnk);
}

static void await_ready(void)
{
	while (n_ready == 0)
		pump();
}

static void await_durable(uint64_t seq)
{
	while (durable < seq)
		pump();
}

/* Binds an address of a log until BASE + @version. */
static uint64_t record(size_t log, unsigned addr, uint64_t version)
{
	return lease_link_record(lnk, log,
				 &(struct lease_record){ .kind = LEASE_RECORD_BOUND,
							 .addr = N_ADDRS + addr,
							 .client = { { { 2, 0, 0, 0, 0, (uint8_t)addr } }, id_len, id },
							 .hostname = "pc",
							 .until = BASE + (nsec_t)version,
							 .at = 1 });
}

static void setup(void)
{
	for (int i = 0; i < N_LOGS; i++)
		for (int j = 0; j < 2; j++) {
			char name[] = "/tmp/muster-leases-XXXXXX";

			logs[i].fds[j] = mkstemp(name);
			ck_assert_int_ge(logs[i].fds[j], 0);
			(void)unlink(name);
		}
	refuses_restore = false;
	id_len = 0;
	file_limit = RLIM_INFINITY;
	fresh_link();
}

static void teardown(void)
{
	lnk = lease_link_free(lnk);
	if (pid > 0)
		(void)end_server(SIGKILL);
	for (int i = 0; i < N_LOGS; i++)
		for (int j = 0; j < 2; j++)
			(void)close(logs[i].fds[j]);
}

/* ---- tests ------------------------------------------------------------------------------ */

START_TEST(what_was_acknowledged_comes_back)
{
	ck_assert_uint_eq(record(0, 1, 1), LEASE_LINK_NOT_RECORDED); /* nobody keeps it yet */
	attach(1);
	await_ready();
	ck_assert_uint_eq(record(0, 1, 1), 1);
	ck_assert_uint_eq(record(1, 2, 2), 2);
	await_durable(2);
	/* The fabric ends, and the keeper with it. */
	fresh_link();
	ck_assert_int_eq(end_server(0), 0);
	attach(1);
	await_ready();
	ck_assert_int_eq(restored[0][1], BASE + 1);
	ck_assert_int_eq(restored[1][2], BASE + 2);
	ck_assert_uint_eq(lease_link_counters(lnk)->n_restored, 2);
	/* What the plan has no place for is not given out. */
	fresh_link();
	ck_assert_int_eq(end_server(0), 0);
	refuses_restore = true;
	attach(1);
	await_ready();
	ck_assert_uint_eq(lease_link_counters(lnk)->n_dropped, 2);
	ck_assert_uint_eq(lease_link_counters(lnk)->n_restored, 0);
}
END_TEST

enum { MANY = 20000 };

static void write_many(void)
{
	struct lease_keeper *k;
	struct prng prng;

	prng_init(&prng, 1, "");
	if (lease_keeper_new(logs, N_LOGS, &lease_keeper_os, &prng, &k) < 0 || lease_keeper_load(k, 0, false) < 0)
		_exit(1);
	for (unsigned i = 0; i < MANY; i++)
		(void)lease_keeper_append(k, 1,
					  &(struct lease_record){
						  .kind = LEASE_RECORD_BOUND,
						  .addr = i + 1,
						  .client = { .mac = { { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } } },
						  .until = NSEC_NEVER });
	_exit(lease_keeper_commit(k) < 0);
}

/* More leases than a message holds, and than a socket takes at once. They are written by a process of its own: the
 * keeper in its cell finds nothing that the C library asked the kernel before. */
START_TEST(many_come_back)
{
	int status;
	pid_t writer = fork();

	if (writer == 0)
		write_many();
	ck_assert_int_eq(waitpid(writer, &status, 0), writer);
	ck_assert_int_eq(status, 0);
	attach(1);
	await_ready();
	ck_assert_uint_eq(lease_link_counters(lnk)->n_restored, MANY);
}
END_TEST

/* Whoever waits for the same commit shares it. */
START_TEST(many_records_are_few_messages)
{
	attach(1);
	await_ready();
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(record(i % 2, i % N_ADDRS, i), i + 1);
	await_durable(1000);
	ck_assert_uint_lt(lease_link_counters(lnk)->n_messages, 10);
}
END_TEST

static void queue_is_bounded(void)
{
	for (unsigned i = 0; i < LEASE_WIRE_WINDOW; i++)
		ck_assert_uint_ne(record(0, 1, i), LEASE_LINK_NOT_RECORDED);
	ck_assert_uint_eq(record(0, 1, 1), LEASE_LINK_NOT_RECORDED);
	ck_assert_uint_eq(lease_link_counters(lnk)->n_refused, 1);
}

/* A keeper that is stopped holds nothing up; what it was sent it does when it goes on. */
START_TEST(a_keeper_that_stands_still_blocks_nothing)
{
	attach(1);
	await_ready();
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	queue_is_bounded();
	lease_link_flush(lnk);
	lease_link_flush(lnk);
	lease_link_receive(lnk);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	await_durable(LEASE_WIRE_WINDOW);
	ck_assert_uint_ne(record(0, 1, 1), LEASE_LINK_NOT_RECORDED);
}
END_TEST

START_TEST(no_room_is_told_once_and_ends)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t seq;

	file_limit = 160; /* a header, a mark and half a record */
	attach(1);
	await_ready();
	seq = record(0, 1, 1);
	(void)record(0, 2, 2);
	seq = record(0, 3, 3);
	while (trouble == 0)
		pump();
	ck_assert_int_eq(trouble, EFBIG);
	ck_assert_uint_eq(record(0, 4, 4), LEASE_LINK_NOT_RECORDED);
	ck_assert_uint_eq(durable, 0);
	ck_assert_int_eq(prlimit(pid, RLIMIT_FSIZE, &all, NULL), 0);
	await_durable(seq);
	ck_assert_int_eq(n_trouble, 2); /* it came, and it went */
	ck_assert_int_eq(trouble, 0);
	ck_assert_uint_ne(record(0, 4, 4), LEASE_LINK_NOT_RECORDED);
	await_durable(seq + 1);
}
END_TEST

/* ---- kills ---------------------------------------------------------------------------- */

static uint64_t given[N_LOGS][N_ADDRS]; /* the last version that was sent */
static uint64_t acked[N_LOGS][N_ADDRS]; /* that was acknowledged */
struct sent {
	size_t log;
	unsigned addr;
	uint64_t version;
};
static struct sent sent[100000];
static uint64_t n_seen; /* of `sent`: acknowledged */

static void note_acked(void)
{
	for (; n_seen < durable; n_seen++)
		acked[sent[n_seen].log][sent[n_seen].addr] = sent[n_seen].version;
}

static void give_some(struct prng *prng)
{
	for (uint64_t n = prng_below(prng, 200); n > 0; n--) {
		struct sent s = { prng_below(prng, N_LOGS), (unsigned)prng_below(prng, N_ADDRS), 0 };
		uint64_t seq;

		s.version = given[s.log][s.addr] + 1;
		seq = record(s.log, s.addr, s.version);
		if (seq == LEASE_LINK_NOT_RECORDED)
			return;
		ck_assert_uint_lt(seq, sizeof sent / sizeof *sent);
		given[s.log][s.addr] = s.version;
		sent[seq - 1] = s;
	}
}

static int check_one(void *ctx, size_t log, const struct lease_record *r)
{
	uint64_t(*found)[N_ADDRS] = ctx;

	found[log][r->addr % N_ADDRS] = (uint64_t)(r->until - BASE);
	return 0;
}

/* What the files hold, read by nobody who wrote them. */
static void check_files(void)
{
	uint64_t found[N_LOGS][N_ADDRS] = { { 0 } };
	struct lease_keeper *k;
	struct prng prng;

	prng_init(&prng, 1, "");
	ck_assert_int_eq(lease_keeper_new(logs, N_LOGS, &lease_keeper_os, &prng, &k), 0);
	ck_assert_int_eq(lease_keeper_load(k, 1, true), 0);
	ck_assert_int_eq(lease_keeper_each(k, check_one, found), 0);
	lease_keeper_free(k);
	for (size_t i = 0; i < N_LOGS; i++)
		for (size_t a = 0; a < N_ADDRS; a++)
			ck_assert_msg(found[i][a] >= acked[i][a] && found[i][a] <= given[i][a],
				      "log %zu, address %zu: version %llu; acknowledged %llu, sent %llu", i, a,
				      (unsigned long long)found[i][a], (unsigned long long)acked[i][a],
				      (unsigned long long)given[i][a]);
}

START_TEST(killed_at_any_instant_it_loses_nothing)
{
	struct prng prng;
	uint64_t seq;

	prng_init(&prng, (uint64_t)_i, "kills");
	n_seen = 0;
	memset(given, 0, sizeof given);
	memset(acked, 0, sizeof acked);
	attach(1);
	await_ready();
	for (int life = 0; life < 5; life++) {
		for (uint64_t turns = prng_below(&prng, 40); turns > 0; turns--) {
			give_some(&prng);
			/* There is a word to come for what was sent. */
			if (lease_link_counters(lnk)->n_recorded > durable && prng_below(&prng, 2))
				pump();
			else
				lease_link_flush(lnk);
		}
		(void)end_server(SIGKILL);
		/* What it said before counts. */
		while (lease_link_fd(lnk) >= 0)
			lease_link_receive(lnk);
		note_acked();
		check_files();
		give_some(&prng); /* while there is none */
		attach(1);
	}
	seq = record(0, 0, ++given[0][0]);
	ck_assert_uint_ne(seq, LEASE_LINK_NOT_RECORDED);
	sent[seq - 1] = (struct sent){ 0, 0, given[0][0] };
	await_durable(seq);
	note_acked();
	check_files();
	ck_assert_uint_eq(n_ready, 1);
	ck_assert_uint_eq(lease_link_counters(lnk)->n_durable, lease_link_counters(lnk)->n_recorded);
}
END_TEST

/* ---- a hostile fabric ------------------------------------------------------------------ */

static void say(int fd, const struct lease_wire_msg *m, unsigned n_records)
{
	static uint8_t buf[LEASE_WIRE_MAX + 1];
	struct wire_writer w = wire_write_to(buf, LEASE_WIRE_MAX);

	lease_wire_put(&w, m);
	for (unsigned i = 0; i < n_records; i++)
		lease_wire_put_record(&w, 0,
				      &(struct lease_record){
					      .kind = LEASE_RECORD_RELEASED, .addr = 1, .hostname = "" });
	ck_assert(!w.failed);
	ck_assert_int_eq(send(fd, buf, wire_put_len(&w), MSG_NOSIGNAL), (ssize_t)wire_put_len(&w));
}

#define HELLO                                      \
	&(struct lease_wire_msg)                   \
	{                                          \
		.type = LEASE_WIRE_HELLO, .now = 1 \
	}
#define APPEND(n)                                     \
	&(struct lease_wire_msg)                      \
	{                                             \
		.type = LEASE_WIRE_APPEND, .seq = (n) \
	}
#define READY                            \
	&(struct lease_wire_msg)         \
	{                                \
		.type = LEASE_WIRE_READY \
	}
#define DURABLE(n)                                     \
	&(struct lease_wire_msg)                       \
	{                                              \
		.type = LEASE_WIRE_DURABLE, .seq = (n) \
	}
#define CANNOT(e)                                       \
	&(struct lease_wire_msg)                        \
	{                                               \
		.type = LEASE_WIRE_CANNOT, .error = (e) \
	}
#define LOADED                            \
	&(struct lease_wire_msg)          \
	{                                 \
		.type = LEASE_WIRE_LOADED \
	}

static void be_hostile_fabric(int fd, int how)
{
	static const uint8_t nonsense[LEASE_WIRE_MAX + 1] = { LEASE_WIRE_READY };

	if (how > 1)
		say(fd, HELLO, 0);
	switch (how) {
	case 0:
		say(fd, APPEND(1), 1);
		break; /* before the HELLO */
	case 1:
		ck_assert_int_eq(send(fd, nonsense, 3, 0), 3);
		break;
	case 2:
		say(fd, HELLO, 0);
		break;
	case 3:
		say(fd, APPEND(5), 1);
		say(fd, APPEND(7), 1);
		break; /* a gap */
	case 4:
		say(fd, APPEND(5), 1);
		say(fd, APPEND(5), 1);
		break;
	case 5:
		say(fd, DURABLE(1), 0);
		break;
	case 6:
		ck_assert_int_eq(send(fd, nonsense, sizeof nonsense, 0), sizeof nonsense);
		break;
	case 7:
		say(fd, LOADED, 1);
		break;
	default:
		break;
	}
}
enum { N_HOSTILE_FABRIC = 8 };

START_TEST(a_hostile_fabric_is_cut_off)
{
	int fd = start_server(), status;

	be_hostile_fabric(fd, _i);
	status = end_server(0);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
	(void)close(fd);
}
END_TEST

/* ---- a hostile keeper ------------------------------------------------------------------ */

static int keeper_fd; /* its end */

static void attach_to_us(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	keeper_fd = pair[1];
	ck_assert_int_eq(lease_link_attach(lnk, pair[0], 1), 0);
}

static void be_hostile_keeper(int how)
{
	static const uint8_t nonsense[LEASE_WIRE_MAX + 1] = { LEASE_WIRE_READY };

	if (how > 3)
		say(keeper_fd, READY, 0);
	lease_link_receive(lnk);
	if (how > 3)
		ck_assert_uint_eq(record(0, 1, 1), 1);
	lease_link_flush(lnk);
	switch (how) {
	case 0:
		say(keeper_fd, DURABLE(1), 0);
		break; /* before it is ready */
	case 1:
		say(keeper_fd, CANNOT(ENOSPC), 0);
		break;
	case 2:
		say(keeper_fd, LOADED, 1);
		break; /* what is no lease */
	case 3:
		ck_assert_int_eq(send(keeper_fd, nonsense, sizeof nonsense, 0), sizeof nonsense);
		break;
	case 4:
		say(keeper_fd, READY, 0);
		break;
	case 5:
		say(keeper_fd, LOADED, 1);
		break;
	case 6:
		say(keeper_fd, DURABLE(2), 0);
		break; /* what it was not sent */
	case 7:
		say(keeper_fd, HELLO, 0);
		break;
	case 8:
		say(keeper_fd, APPEND(1), 1);
		break;
	case 9:
		ck_assert_int_eq(send(keeper_fd, nonsense, 2, 0), 2);
		break;
	default:
		break;
	}
}
enum { N_HOSTILE_KEEPER = 10 };

START_TEST(a_hostile_keeper_is_cut_off)
{
	attach_to_us();
	be_hostile_keeper(_i);
	lease_link_receive(lnk);
	ck_assert_uint_eq(n_lost, 1);
	ck_assert_ptr_nonnull(lost_why);
	ck_assert_int_eq(lease_link_fd(lnk), -1);
	ck_assert_uint_eq(durable, 0);
	(void)close(keeper_fd);
	/* Another one goes on with what is not durable. */
	attach(1);
	await_ready();
	if (_i > 3)
		await_durable(1);
}
END_TEST

START_TEST(what_was_durable_stays_so)
{
	attach_to_us();
	say(keeper_fd, READY, 0);
	lease_link_receive(lnk);
	(void)record(0, 1, 1);
	(void)record(0, 1, 2);
	lease_link_flush(lnk);
	say(keeper_fd, DURABLE(2), 0);
	say(keeper_fd, DURABLE(1), 0);
	lease_link_receive(lnk);
	ck_assert_uint_eq(durable, 2);
	ck_assert_uint_eq(n_lost, 1);
	(void)close(keeper_fd);
}
END_TEST

/* A keeper that reads nothing: the socket is full, and the queue bounded. */
START_TEST(a_keeper_that_never_reads_blocks_nothing)
{
	attach_to_us();
	say(keeper_fd, READY, 0);
	lease_link_receive(lnk);
	id_len = LEASE_ID_MAX;
	queue_is_bounded();
	lease_link_flush(lnk);
	ck_assert(lease_link_wants_write(lnk));
	ck_assert_uint_eq(n_lost, 0);
	(void)close(keeper_fd);
	lease_link_receive(lnk);
	ck_assert_uint_eq(n_lost, 1);
	ck_assert_ptr_null(lost_why);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("lease_server");
	TCase *t = tcase_create("lease_server");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_was_acknowledged_comes_back);
	tcase_add_test(t, many_come_back);
	tcase_add_test(t, many_records_are_few_messages);
	tcase_add_test(t, a_keeper_that_stands_still_blocks_nothing);
	tcase_add_test(t, no_room_is_told_once_and_ends);
	tcase_add_loop_test(t, killed_at_any_instant_it_loses_nothing, 0, 4);
	tcase_add_loop_test(t, a_hostile_fabric_is_cut_off, 0, N_HOSTILE_FABRIC);
	tcase_add_loop_test(t, a_hostile_keeper_is_cut_off, 0, N_HOSTILE_KEEPER);
	tcase_add_test(t, what_was_durable_stays_so);
	tcase_add_test(t, a_keeper_that_never_reads_blocks_nothing);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
