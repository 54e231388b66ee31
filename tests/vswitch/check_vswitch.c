/* tests/vswitch/check_vswitch.c: what a switch, a hub and a wire decide. */
#include "tests/unit.h"
#include "vswitch/fdb.h"
#include "vswitch/vswitch.h"

#include <errno.h>
#include <string.h>

enum { PORTS = 4 };

static struct frame_pool *pool;
static struct vswitch *sw;
static unsigned got[PORTS]; /* frames each port got */
static unsigned ids[PORTS];

static void arrive(void *ctx, struct frame *f, nsec_t now)
{
	unsigned *id = ctx;

	(void)now;
	got[*id]++;
	frame_free(f);
}

static void make(enum vswitch_type type, uint32_t n_ports)
{
	sw = vswitch_free(sw);
	ck_assert_int_eq(vswitch_new(type, n_ports, 1, pool, &sw), 0);
	for (uint32_t i = 0; i < n_ports; i++) {
		ids[i] = i;
		vswitch_set_output(sw, i, &(struct frame_sink){ arrive, &ids[i] });
	}
	memset(got, 0, sizeof got);
}

static void setup(void)
{
	ck_assert_int_eq(frame_pool_new(16, &pool), 0);
	sw = NULL;
}

static void teardown(void)
{
	sw = vswitch_free(sw);
	pool = frame_pool_free(pool);
}

/* Puts one frame in; returns a mask of the ports that got one. */
static unsigned put_bytes(uint32_t port, const uint8_t *bytes, uint32_t len, nsec_t now)
{
	struct frame *f = frame_new(pool, 64);
	unsigned mask = 0;

	memset(f->data, 0, 64);
	memcpy(f->data, bytes, len);
	f->len = len < 14 ? len : 60;
	memset(got, 0, sizeof got);
	vswitch_take(sw, port, f, now);
	for (unsigned i = 0; i < PORTS; i++) {
		ck_assert_uint_le(got[i], 1);
		mask |= got[i] << i;
	}
	return mask;
}

/* @dst: 0 to 9 a station, 0xff broadcast, 0xc0 to 0xcf the reserved groups,
 * 0x5e a multicast. @vid: 0 for none. */
static unsigned put(uint32_t port, uint8_t src, uint8_t dst, uint16_t vid, nsec_t now)
{
	uint8_t b[18] = { 2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x81, 0, (uint8_t)(vid >> 8), (uint8_t)vid, 8, 0 };

	if (dst == 0xff)
		memset(b, 0xff, 6);
	if ((dst & 0xf0) == 0xc0)
		memcpy(b, (uint8_t[]){ 1, 0x80, 0xc2, 0, 0, dst & 0x0f }, 6);
	if (dst == 0x5e)
		memcpy(b, (uint8_t[]){ 1, 0, 0x5e, 0, 0, 1 }, 6);
	if (!vid)
		memcpy(b + 12, (uint8_t[]){ 8, 0, 0x45, 0 }, 4);
	return put_bytes(port, b, sizeof b, now);
}

START_TEST(a_switch_learns)
{
	make(VSWITCH_SWITCH, PORTS);
	ck_assert_uint_eq(put(0, 1, 2, 0, 0), 0xe); /* unknown: flooded, never back */
	ck_assert_uint_eq(put(1, 2, 1, 0, 0), 0x1);
	ck_assert_uint_eq(put(0, 1, 2, 0, 0), 0x2);
	ck_assert_uint_eq(put(3, 3, 0xff, 0, 0), 0x7);
	ck_assert_uint_eq(put(3, 3, 0x5e, 0, 0), 0x7);
	ck_assert_uint_eq(put(2, 1, 2, 0, 0), 0x2); /* station 1 moved */
	ck_assert_uint_eq(put(1, 2, 1, 0, 0), 0x4);
	ck_assert_uint_eq(put(2, 9, 1, 0, 0), 0); /* heard there already */
	ck_assert_uint_eq(vswitch_counters(sw)->lost_frames[LOSS_NO_PORT], 1);
	ck_assert_uint_eq(put(1, 2, 1, 0, FDB_AGEING_NS + 1), 0xd); /* aged */
}
END_TEST

START_TEST(vlans_are_learned_apart)
{
	make(VSWITCH_SWITCH, PORTS);
	ck_assert_uint_eq(put(0, 1, 9, 10, 0), 0xe);
	ck_assert_uint_eq(put(1, 2, 1, 10, 0), 0x1);
	ck_assert_uint_eq(put(1, 2, 1, 20, 0), 0xd);
	ck_assert_uint_eq(put(1, 2, 1, 0, 0), 0xd);
}
END_TEST

START_TEST(link_protocols_pass_a_wire_and_a_hub_only)
{
	uint8_t dst = (uint8_t)(0xc0 + _i);

	make(VSWITCH_SWITCH, PORTS);
	ck_assert_uint_eq(put(0, 1, dst, 0, 0), 0);
	make(VSWITCH_HUB, PORTS);
	ck_assert_uint_eq(put(0, 1, dst, 0, 0), 0xe);
	make(VSWITCH_WIRE, 2);
	ck_assert_uint_eq(put(0, 1, dst, 0, 0), 0x2);
	ck_assert_uint_eq(put(1, 1, dst, 0, 0), 0x1);
}
END_TEST

START_TEST(a_hub_forgets_and_a_wire_does_not_look)
{
	static const uint8_t group_source[] = { 2, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1, 8, 0 };

	make(VSWITCH_HUB, PORTS);
	put(0, 1, 2, 0, 0);
	ck_assert_uint_eq(put(1, 2, 1, 0, 0), 0xd);
	make(VSWITCH_WIRE, 2);
	ck_assert_uint_eq(put(0, 1, 1, 0, 0), 0x2);
	ck_assert_uint_eq(put(0, 1, 1, 0, 0), 0x2);
	ck_assert_uint_eq(put_bytes(1, group_source, sizeof group_source, 0), 0x1);
	ck_assert_int_eq(vswitch_new(VSWITCH_WIRE, 3, 1, pool, &sw), -EINVAL);
}
END_TEST

START_TEST(malformed_frames_end_here)
{
	static const uint8_t group_source[] = { 2, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1, 8, 0 };
	static const uint8_t zero_source[] = { 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, 0 };

	make(VSWITCH_SWITCH, PORTS);
	ck_assert_uint_eq(put_bytes(0, group_source, sizeof group_source, 0), 0);
	ck_assert_uint_eq(put_bytes(0, zero_source, sizeof zero_source, 0), 0);
	ck_assert_uint_eq(put_bytes(0, group_source, 13, 0), 0);
	ck_assert_uint_eq(put_bytes(0, group_source, 0, 0), 0);
	ck_assert_uint_eq(vswitch_counters(sw)->lost_frames[LOSS_MALFORMED], 4);
	ck_assert_uint_eq(vswitch_n_stations(sw), 0);
}
END_TEST

START_TEST(a_port_that_is_down_gives_and_takes_nothing)
{
	make(VSWITCH_SWITCH, PORTS);
	put(1, 2, 0xff, 0, 0);
	vswitch_set_link(sw, 1, false);
	ck_assert_uint_eq(put(1, 2, 0xff, 0, 0), 0);
	ck_assert_uint_eq(vswitch_counters(sw)->lost_frames[LOSS_DOWN], 1);
	ck_assert_uint_eq(put(0, 1, 2, 0, 0), 0xc); /* forgotten, so flooded */
	vswitch_set_link(sw, 1, true);
	ck_assert_uint_eq(put(0, 1, 0xff, 0, 0), 0xe);
	make(VSWITCH_WIRE, 2);
	vswitch_set_link(sw, 1, false);
	ck_assert_uint_eq(put(0, 1, 2, 0, 0), 0);
	ck_assert_uint_eq(vswitch_counters(sw)->lost_frames[LOSS_DOWN], 1);
	make(VSWITCH_SWITCH, 1); /* nobody else */
	ck_assert_uint_eq(put(0, 1, 0xff, 0, 0), 0);
	ck_assert_uint_eq(vswitch_counters(sw)->lost_frames[LOSS_NO_PORT], 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("vswitch");
	TCase *t = tcase_create("vswitch");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_switch_learns);
	tcase_add_test(t, vlans_are_learned_apart);
	tcase_add_loop_test(t, link_protocols_pass_a_wire_and_a_hub_only, 0, 16);
	tcase_add_test(t, a_hub_forgets_and_a_wire_does_not_look);
	tcase_add_test(t, malformed_frames_end_here);
	tcase_add_test(t, a_port_that_is_down_gives_and_takes_nothing);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
