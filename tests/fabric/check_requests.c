/* tests/fabric/check_requests.c: what a fabric is asked, and what it says of the rest; its state through
 * descriptors. Virtual clock, no process. */
#include "core/bytes.h"
#include "tests/fabric/asking.h"
#include "tests/fabric/shares.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N_PORTS = 2 };
static const nsec_t start = 20 * NSEC_PER_SEC;

static struct fabric_plan_network networks[1];
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan;
static struct ring_pair_fds fds[N_PORTS];
static struct fabric *fabric;

static void setup(void)
{
	networks[0] = (struct fabric_plan_network){ .name = "lan", .mtu = 1500 };
	for (size_t i = 0; i < N_PORTS; i++) {
		ck_assert_int_eq(ring_pair_create(256 * 1024, &fds[i]), 0);
		ports[i] = (struct fabric_plan_port){ .name = i ? "b.eth0" : "a.eth0",
						      .stream = i ? "b.0" : "a.0",
						      .mtu = 1500,
						      .kind = FABRIC_PORT_RING,
						      .rings = &fds[i],
						      .up.shape.delay_ns = NSEC_PER_MSEC };
	}
	plan = (struct fabric_plan){
		.name = "t", .seed = 1, .networks = networks, .n_networks = 1, .ports = ports, .n_ports = N_PORTS
	};
	plan_shares(&plan);
	ck_assert_int_eq(fabric_new(&plan, &fabric), 0);
}

static void teardown(void)
{
	fabric = fabric_free(fabric);
	for (size_t i = 0; i < N_PORTS; i++)
		ring_pair_close(&fds[i]);
}

static json_t *ask(const char *request, int fd)
{
	json_t *a = asking(fabric, NULL, request, fd, start);

	ck_assert_ptr_nonnull(a);
	return a;
}

/* What is said against the request; "" when it was served. */
static const char *refusal(const char *request, int fd)
{
	static char text[400];
	json_t *a = ask(request, fd);
	const char *error = json_string_value(json_object_get(a, "error"));

	ck_assert_int_eq(json_is_true(json_object_get(a, "ok")), !error);
	(void)snprintf(text, sizeof text, "%s", error ? error : "");
	json_decref(a);
	return text;
}

/* ---- requests -------------------------------------------------------------------- */

#define FAR "9223372036854775807"

static const struct {
	const char *request, *why; /* "": it is right */
} requests[] = {
	{ "{}", "unknown request ''" },
	{ "{\"do\":\"nonsense\"}", "unknown request 'nonsense'" },
	{ "{\"do\":\"link-show\"}", "a network or a port is needed, and not both" },
	{ "{\"do\":\"link-show\",\"network\":0,\"port\":0}", "a network or a port is needed, and not both" },
	{ "{\"do\":\"link-show\",\"network\":0,\"dir\":7}", "link-show: 'dir' is not a string" },
	{ "{\"do\":\"link-show\",\"network\":0,\"dir\":\"\"}", "dir is up, down or both" },
	{ "{\"do\":\"link-show\",\"network\":0,\"idr\":\"up\"}", "link-show: unknown argument 'idr'" },
	{ "{\"do\":\"link-show\",\"port\":-1}", "link-show: 'port' is not an integer of 0 to 2^32 - 1" },
	{ "{\"do\":\"link-show\",\"port\":4294967296}", "link-show: 'port' is not an integer of 0 to 2^32 - 1" },
	{ "{\"do\":\"link-show\",\"port\":4294967295}", "no such network or port" },
	{ "{\"do\":\"link-show\",\"port\":0.0}", "link-show: 'port' is not an integer of 0 to 2^32 - 1" },
	{ "{\"do\":\"link-set\",\"network\":0,\"up\":{},\"down\":1}", "link-set: 'down' is not an object" },
	{ "{\"do\":\"link-set\",\"network\":0,\"up\":{},\"down\":{\"delay_ns\":" FAR "}}", "down is no shape" },
	{ "{\"do\":\"link-set\",\"network\":0,\"up\":{\"jitter_ns\":" FAR "},\"down\":{}}", "up is no shape" },
	{ "{\"do\":\"link-set\",\"network\":0,\"up\":{\"rate_bps\":" FAR "},\"down\":{}}", "up is no shape" },
	{ "{\"do\":\"link-set\",\"network\":0,\"up\":{\"delay_ns\":72057594037927936},\"down\":{}}", "" },
	{ "{\"do\":\"link-set\",\"network\":0,\"up\":{\"delay_ns\":72057594037927937},\"down\":{}}", "up is no shape" },
	{ "{\"do\":\"link-state\",\"port\":0}", "link-state: 'up' is needed" },
	{ "{\"do\":\"link-state\",\"port\":0,\"up\":1}", "link-state: 'up' is not a boolean" },
	{ "{\"do\":\"link-state\",\"port\":0,\"up\":true,\"flap\":null}", "link-state: 'flap' is not a boolean" },
	{ "{\"do\":\"counters\",\"id\":\"1\"}", "counters: 'id' is not an integer" },
	{ "{\"do\":\"pause\",\"fds\":1}", "pause: unknown argument 'fds'" },
	{ "{\"do\":\"save\"}", "no descriptor came with the request" },
	{ "{\"do\":\"restore\"}", "no descriptor came with the request" },
};

START_TEST(a_request_is_served_or_told_why_not)
{
	ck_assert_str_eq(refusal(requests[_i].request, -1), requests[_i].why);
	ck_assert_int_eq(fabric->n_refused > 0, *requests[_i].why != '\0');
}
END_TEST

START_TEST(an_answer_has_the_requests_id)
{
	json_t *a = ask("{\"do\":\"counters\",\"id\":-7}", -1);

	ck_assert_int_eq(json_integer_value(json_object_get(a, "id")), -7);
	ck_assert_uint_eq(json_array_size(json_object_get(a, "ports")), N_PORTS);
	ck_assert_int_eq(json_integer_value(json_object_get(a, "refused")), 0);
	json_decref(a);
	a = ask("{\"do\":\"restore\",\"id\":8}", -1);
	ck_assert_int_eq(json_integer_value(json_object_get(a, "id")), 8);
	ck_assert_int_eq(json_integer_value(json_object_get(a, "status")), VERB_REFUSED);
	json_decref(a);
}
END_TEST

START_TEST(quit_is_told_to_the_driver)
{
	struct fabric_asked asked = { .fabric = fabric };
	json_t *a = asking(fabric, &asked, "{\"do\":\"resume\"}", -1, start);

	ck_assert(!asked.quits);
	json_decref(a);
	a = asking(fabric, &asked, "{\"do\":\"quit\"}", -1, start);
	ck_assert(json_is_true(json_object_get(a, "ok")));
	ck_assert(asked.quits && !asked.has_failed);
	json_decref(a);
}
END_TEST

static void put_frame(size_t port)
{
	static const struct frame_offload none;
	struct ring_pair machine;
	uint8_t *p;

	ck_assert_int_eq(ring_pair_attach(&fds[port], RING_MACHINE, &machine), 0);
	p = ring_reserve(&machine.tx, 60);
	memset(p, 0xff, 60);
	p[6] = 2;
	ring_commit(&machine.tx, 60, &none, 0);
	(void)ring_publish(&machine.tx);
	ring_pair_detach(&machine);
}

/* The largest numbers of a shape, one after another, with frames in the link: no instant is before now. */
START_TEST(the_largest_numbers_are_instants)
{
	static const char *const shapes[] = {
		"{\"rate_bps\":1000000000000000}",
		"{\"rate_bps\":1}",
		"{\"rate_bps\":1,\"overhead_bytes\":65535,\"cell\":[1,65535]}",
		"{\"delay_ns\":72057594037927936,\"jitter_ns\":72057594037927936,\"distribution\":\"pareto\"}",
		"{\"delay_ns\":72057594037927936,\"jitter_ns\":72057594037927936,\"distribution\":\"normal\",\"rate_bps\":1}",
		"{\"queue_bytes\":9223372036854775807,\"rate_bps\":1}",
	};
	enum { N = sizeof shapes / sizeof shapes[0] };

	for (unsigned i = 0; i < N * N * 2; i++) {
		CLEANUP(free)
		char *text = str_printf("{\"do\":\"link-set\",\"port\":0,\"dir\":\"up\",\"up\":%s}",
					shapes[i % 2 ? i / 2 % N : i / 2 / N]);

		put_frame(0);
		ck_assert_str_eq(refusal(text, -1), "");
		fabric_wake_port(fabric, 0);
		(void)fabric_step(fabric, start);
		ck_assert_msg(fabric_next(fabric) >= start, "%s: due at %lld", text, (long long)fabric_next(fabric));
	}
}
END_TEST

/* ---- state ------------------------------------------------------------------------- */

static int new_file(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* The state of the paused fabric, with a frame in its link, into @fd. Returns its length. */
static size_t save_busy(int fd)
{
	json_t *a;
	size_t n;

	put_frame(0);
	fabric_wake_port(fabric, 0);
	(void)fabric_step(fabric, start);
	ck_assert_uint_gt(fabric_held_bytes(fabric), 0);
	ck_assert_str_eq(refusal("{\"do\":\"pause\"}", -1), "");
	a = ask("{\"do\":\"save\"}", fd);
	n = (size_t)json_integer_value(json_object_get(a, "bytes"));
	ck_assert_uint_gt(n, 0);
	json_decref(a);
	return n;
}

START_TEST(state_needs_a_pause_and_a_file)
{
	int file = new_file(), other = eventfd(0, EFD_CLOEXEC), reader = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_str_eq(refusal("{\"do\":\"save\",\"fds\":1}", file), "the fabric is not paused");
	ck_assert_str_eq(refusal("{\"do\":\"restore\",\"fds\":1}", file), "the fabric is not paused");
	ck_assert_str_eq(refusal("{\"do\":\"pause\"}", -1), "");
	ck_assert_str_eq(refusal("{\"do\":\"save\",\"fds\":1}", other), "the descriptor is neither a file nor a pipe");
	ck_assert_str_eq(refusal("{\"do\":\"restore\",\"fds\":1}", other),
			 "the descriptor is neither a file nor a pipe");
	ck_assert_str_eq(refusal("{\"do\":\"save\",\"fds\":1}", reader),
			 "the state cannot be written: Bad file descriptor");
	ck_assert_int_eq(lseek(file, 0, SEEK_END), 0);
	(void)close(file);
	(void)close(other);
	(void)close(reader);
}
END_TEST

/* A save changes nothing, so two are the same; what is loaded is saved as it was. */
START_TEST(what_was_restored_is_what_was_saved)
{
	int a = new_file(), b = new_file(), c = new_file();
	size_t n = save_busy(a);
	uint8_t *first = malloc(n), *second = malloc(n);
	json_t *answer;

	answer = ask("{\"do\":\"save\",\"fds\":1}", b);
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "bytes")), (json_int_t)n);
	json_decref(answer);
	ck_assert_int_eq(lseek(b, 0, SEEK_END), (off_t)n);
	ck_assert_int_eq(pread(a, first, n, 0), (ssize_t)n);
	ck_assert_int_eq(pread(b, second, n, 0), (ssize_t)n);
	ck_assert_mem_eq(first, second, n);
	teardown();
	setup();
	ck_assert_str_eq(refusal("{\"do\":\"pause\"}", -1), "");
	ck_assert_int_eq(lseek(a, 0, SEEK_SET), 0);
	ck_assert_str_eq(refusal("{\"do\":\"restore\",\"fds\":1}", a), "");
	ck_assert_uint_gt(fabric_held_bytes(fabric), 0);
	ck_assert_str_eq(refusal("{\"do\":\"save\",\"fds\":1}", c), "");
	ck_assert_int_eq(pread(c, second, n, 0), (ssize_t)n);
	ck_assert_mem_eq(first, second, n);
	free(first);
	free(second);
	(void)close(a);
	(void)close(b);
	(void)close(c);
}
END_TEST

START_TEST(a_state_goes_through_a_pipe)
{
	int pipe_fds[2];
	size_t n;

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	n = save_busy(pipe_fds[1]);
	ck_assert_uint_lt(n, 65536); /* what a pipe takes unread */
	(void)close(pipe_fds[1]);
	ck_assert_str_eq(refusal("{\"do\":\"restore\",\"fds\":1}", pipe_fds[0]), "");
	ck_assert_uint_gt(fabric_held_bytes(fabric), 0);
	(void)close(pipe_fds[0]);
}
END_TEST

/* What the fabric says of @len bytes of @data; *@ret_is_lost: whether it can only be freed. */
static char *restore_bytes(const uint8_t *data, size_t len, bool *ret_is_lost)
{
	struct fabric_asked asked = { .fabric = fabric };
	int fd = new_file();
	json_t *a;
	char *why;

	ck_assert_int_eq(fd_write_all(fd, data, len), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	a = asking(fabric, &asked, "{\"do\":\"restore\",\"fds\":1}", fd, start);
	why = str_dup(json_string_value(json_object_get(a, "error")));
	ck_assert_int_eq(asked.quits, asked.has_failed);
	*ret_is_lost = asked.has_failed;
	json_decref(a);
	(void)close(fd);
	return why;
}

/* A file that is cut, longer, or damaged is refused before anything changes. */
START_TEST(a_damaged_state_leaves_the_fabric_as_it_was)
{
	int fd = new_file();
	size_t n = save_busy(fd);
	uint64_t held = fabric_held_bytes(fabric);
	uint8_t *data = calloc(1, n + 1);
	bool is_lost;

	ck_assert_int_eq(pread(fd, data, n, 0), (ssize_t)n);
	for (size_t at = 0; at <= n + 1; at += at < n && n - at <= 100 ? 1 : n / 100) {
		size_t len = at > n ? n + 1 : at;
		CLEANUP(free) char *why = NULL;

		if (len == n)
			continue;
		why = restore_bytes(data, len, &is_lost);
		ck_assert_msg(why && strncmp(why, "the saved state is refused: ", 28) == 0 && strlen(why) > 28, "%s",
			      why);
		ck_assert(!is_lost);
		if (len > n)
			break;
	}
	for (size_t at = 0; at < n; at += 97) {
		CLEANUP(free) char *why = NULL;

		data[at] ^= 0x10;
		why = restore_bytes(data, n, &is_lost);
		ck_assert(why && !is_lost);
		data[at] ^= 0x10;
	}
	ck_assert_uint_eq(fabric_held_bytes(fabric), held);
	ck_assert(fabric->is_paused);
	free(data);
	(void)close(fd);
}
END_TEST

/* Right checksums, wrong contents: the section is named, and the fabric is lost. */
START_TEST(a_forged_state_ends_the_fabric)
{
	CLEANUP(free) char *why = NULL;
	int fd = new_file();
	size_t n = save_busy(fd), at = STATE_HEADER_LEN;
	uint8_t *data = calloc(1, n);
	struct forge_section sec;
	bool is_lost = false;

	ck_assert_int_eq(pread(fd, data, n, 0), (ssize_t)n);
	while (forge_next(data, &at, &sec) && memcmp(data + sec.head, "port", 4) != 0)
		;
	data[sec.payload] ^= 0x80; /* its kind */
	forge_reseal(data, n);
	why = restore_bytes(data, n, &is_lost);
	ck_assert_msg(why && strstr(why, "section port.0 at byte"), "%s", why);
	ck_assert(is_lost);
	free(data);
	(void)close(fd);
}
END_TEST

/* No more is read than a state of the plan can be. */
START_TEST(a_state_has_a_bound)
{
	CLEANUP(free) char *why = NULL;
	int fd = new_file();

	ck_assert_int_eq(ftruncate(fd, (off_t)fabric_state_max(&plan) + 1), 0);
	ck_assert_str_eq(refusal("{\"do\":\"pause\"}", -1), "");
	ck_assert_str_eq(refusal("{\"do\":\"restore\",\"fds\":1}", fd),
			 "the saved state cannot be read: File too large");
	(void)close(fd);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("requests");
	TCase *t = tcase_create("requests");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_request_is_served_or_told_why_not, 0, (int)(sizeof requests / sizeof requests[0]));
	tcase_add_test(t, an_answer_has_the_requests_id);
	tcase_add_test(t, quit_is_told_to_the_driver);
	tcase_add_test(t, the_largest_numbers_are_instants);
	tcase_add_test(t, state_needs_a_pause_and_a_file);
	tcase_add_test(t, what_was_restored_is_what_was_saved);
	tcase_add_test(t, a_state_goes_through_a_pipe);
	tcase_add_test(t, a_damaged_state_leaves_the_fabric_as_it_was);
	tcase_add_test(t, a_forged_state_ends_the_fabric);
	tcase_add_test(t, a_state_has_a_bound);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
