/* tests/fabric/check_stream_state.c: what is saved of a port at a Unix stream socket, and what is made of files that
 * a forger wrote. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/prng.h"
#include "core/state.h"
#include "tests/fabric/stream_rig.h"
#include "tests/forge.h"
#include "tests/saved.h"
#include "tests/unit.h"

static void describe(void *f, struct state *s, nsec_t at)
{
	fabric_state(f, s, at);
}

static void save(struct bytes *file)
{
	saved_take(describe, fabric, rig_now, file);
}

/* Loads a new fabric, whose peer comes afterwards. Returns whether the file was taken. */
static bool load(const struct bytes *file)
{
	CLEANUP(free) char *why = NULL;

	fabric = fabric_free(fabric);
	new_fabric();
	why = saved_load(describe, fabric, rig_now, file->data, file->len);
	return !why;
}

START_TEST(what_waits_is_saved)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	struct fabric_port *p;
	uint32_t sent = 0, number, last = 0, n = 0;
	uint8_t part[HEAD + 60];
	int fd;

	new_fabric();
	p = &fabric->ports[STREAM];
	fd = connect_peer();
	pump();
	while (p->out.lost_frames[LOSS_RING_FULL] == 0) {
		while (send_ring(BIG, sent + 1))
			sent++;
		pump();
	}
	(void)wire_frame(part, 60, 1);
	ck_assert_int_eq(write(fd, part, 20), 20); /* nothing of it is left for another peer */
	pump();
	save(&file);
	ck_assert(load(&file));
	(void)close(fd);
	p = &fabric->ports[STREAM];
	fd = connect_peer();
	for (pump(); !nothing_for(fd); n++) {
		number = receive_number(fd, BIG);
		ck_assert_uint_gt(number, last);
		last = number;
		pump();
	}
	ck_assert_uint_ge(n, (1 << 20) / (HEAD + BIG) - 1);
	ck_assert_uint_le(sent - last, p->out.lost_frames[LOSS_RING_FULL]); /* the last one that was not lost */
	send_peer(fd, 60, 9);
	pump();
	ck_assert_uint_eq(receive_ring(60), 9);
	check_books();
	(void)close(fd);
}
END_TEST

/* Where a saved stream has its two lists, each a length of 4 bytes and frames. */
struct lists {
	size_t in, out, end;
};

enum { SAVED_IN = 36 * (HEAD + 60), IN_SIZE = 256 << 10 /* what may wait that was read */ };

/* Finds the lists in the section of the port's: the first is of @in_len bytes, and the other ends the section. */
static struct lists find_lists(const struct bytes *file, uint32_t in_len)
{
	struct forge_section sec = { 0 };
	size_t at = STATE_HEADER_LEN;
	struct lists l;

	while (forge_next(file->data, &at, &sec))
		if (memcmp(file->data + sec.head, "port", 4) == 0 && load_le32(file->data + sec.head + 4) == STREAM)
			break;
	l = (struct lists){ .end = sec.payload + sec.len };
	for (l.in = sec.payload; l.in + 8 + in_len < l.end; l.in++) {
		l.out = l.in + 4 + in_len;
		if (load_le32(file->data + l.in) == in_len && l.out + 4 + load_le32(file->data + l.out) == l.end)
			return l;
	}
	ck_abort_msg("the lists are not where they are looked for");
	return l;
}

/* A fabric with 36 frames that the peer sent, beyond one turn, and some that it does not take. */
static void save_both(struct bytes *file, struct lists *ret)
{
	int fd;

	new_fabric();
	fd = connect_peer();
	pump();
	for (uint32_t i = 0; i < 200; i++) {
		ck_assert(send_ring(BIG, i + 1));
		pump();
	}
	ck_assert_uint_eq(fabric->ports[STREAM].out.lost_frames[LOSS_RING_FULL], 0);
	for (uint32_t i = 0; i < FABRIC_BATCH + 36; i++)
		send_peer(fd, 60, i);
	fabric->ports[STREAM].ops->kicked(&fabric->ports[STREAM]);
	fabric_wake_port(fabric, STREAM);
	(void)fabric_step(fabric, rig_now);
	save(file);
	(void)close(fd);
	*ret = find_lists(file, SAVED_IN);
}

/* The same of a fabric whose peer sent nothing and takes nothing: a list is empty, and the other as long as can be. */
static void save_out(struct bytes *file, struct lists *ret)
{
	int fd;

	fabric = fabric_free(fabric);
	new_fabric();
	fd = connect_peer();
	for (pump(); fabric->ports[STREAM].out.lost_frames[LOSS_RING_FULL] == 0; pump())
		while (send_ring(BIG, 1))
			;
	save(file);
	(void)close(fd);
	*ret = find_lists(file, 0);
}

/* What is in a list's first length, or its first frame's. UINT32_MAX: it stays. */
static const struct {
	bool is_out;
	uint32_t len, frame;
} lies[] = {
	{ false, UINT32_MAX, 0 },
	{ false, UINT32_MAX, 59 },
	{ false, UINT32_MAX, 61 },
	{ false, UINT32_MAX, SAVED_IN },
	{ false, UINT32_MAX, FRAME_LEN_MAX + 1 },
	{ false, UINT32_MAX - 1, UINT32_MAX },
	{ false, SAVED_IN - 1, UINT32_MAX },
	{ false, SAVED_IN - HEAD - 60, UINT32_MAX }, /* the other list begins elsewhere */
	{ true, UINT32_MAX, 0 },
	{ true, UINT32_MAX, BIG + 1 },
	{ true, UINT32_MAX, 1 << 30 },
	{ true, (1 << 20) + 1, UINT32_MAX },
	{ true, 0, UINT32_MAX },
};

START_TEST(a_lying_stream_is_refused)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	struct lists l;
	uint8_t *list;

	save_both(&file, &l);
	list = file.data + (lies[_i].is_out ? l.out : l.in);
	if (lies[_i].len != UINT32_MAX)
		store_le32(list, lies[_i].len);
	if (lies[_i].frame != UINT32_MAX)
		store_be32(list + 4, lies[_i].frame);
	forge_reseal(file.data, file.len);
	ck_assert(!load(&file));
}
END_TEST

/* Lists of nothing but empty frames, of one frame that is longer than any, and a longer one than fits. */
START_TEST(a_list_that_no_stream_has_is_refused)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	struct lists l;
	uint32_t len, out_len;

	save_both(&file, &l);
	out_len = load_le32(file.data + l.out);
	ck_assert_uint_gt(out_len, FRAME_LEN_MAX + HEAD);
	if (_i == 0) {
		memset(file.data + l.in + 4, 0, SAVED_IN);
	} else if (_i == 1) {
		store_be32(file.data + l.out + 4, out_len - HEAD);
	} else {
		/* The first list gets all but the last frame of the other. */
		file.len = 0;
		save_out(&file, &l);
		out_len = load_le32(file.data + l.in + 4);
		ck_assert_uint_gt(out_len, IN_SIZE + HEAD + BIG);
		len = out_len - (HEAD + BIG);
		store_le32(file.data + l.in, len);
		memmove(file.data + l.in + 4, file.data + l.in + 8, len);
		store_le32(file.data + l.in + 4 + len, HEAD + BIG);
	}
	forge_reseal(file.data, file.len);
	ck_assert(!load(&file));
}
END_TEST

/* Any change of the lists is refused, or what was loaded is whole frames and works. */
START_TEST(a_forged_stream_is_refused_or_works)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	unsigned n_refused = 0, n_taken = 0;
	struct prng rng;
	struct lists l;

	save_both(&file, &l);
	prng_init(&rng, 4, "forge");
	for (unsigned i = 0; i < 300; i++) {
		/* The last byte of a frame's length, or any one. */
		size_t at = i % 2 ? l.in + 7 + (size_t)prng_below(&rng, 36) * (HEAD + 60) :
				    l.in + (size_t)prng_below(&rng, l.end - l.in);
		uint8_t old = file.data[at], frame[FRAME_LEN_MAX];
		int fd;

		file.data[at] = (uint8_t)prng_below(&rng, 256);
		forge_reseal(file.data, file.len);
		if (load(&file)) {
			n_taken++;
			fd = connect_peer();
			for (pump(); !nothing_for(fd); pump())
				ck_assert_uint_gt(receive_peer(fd, frame, sizeof frame), 0);
			check_books();
			(void)close(fd);
			ring_pop_all();
		} else {
			n_refused++;
		}
		file.data[at] = old;
	}
	ck_assert_uint_gt(n_refused, 50);
	ck_assert_uint_gt(n_taken, 50);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric-stream-state");
	TCase *t = tcase_create("fabric-stream-state");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_waits_is_saved);
	tcase_add_loop_test(t, a_lying_stream_is_refused, 0, (int)(sizeof lies / sizeof *lies));
	tcase_add_loop_test(t, a_list_that_no_stream_has_is_refused, 0, 3);
	tcase_add_test(t, a_forged_stream_is_refused_or_works);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
