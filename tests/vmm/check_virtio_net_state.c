/* tests/vmm/check_virtio_net_state.c: cards that were saved by earlier versions. What a
 * card of this version saves is in check_state.c. */
#include "vmm/dev/virtio_net.h"

#include "core/bytes.h"
#include "tests/forge.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

enum { RAM = 1 << 20 };
/* A section's payload begins with hardware address, MTU and, from version 3 on, whether the
 * card tells its speed. Its end in version 2, for one pair, and the frames that were cut: */
enum { SPEED_AT = 8 + 8, PAIR_2_LEN = 2 + 8 + 1 + 1 + 1 + 1 + 2, FRAMES_LEN = 4 };

static struct vguest g;
static struct ring_pair_fds fds;
static struct ring_pair rings;

static void setup(void)
{
	vguest_init(&g, RAM);
	ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &rings), 0);
}

static void teardown(void)
{
	ring_pair_detach(&rings);
	ring_pair_close(&fds);
	vguest_done(&g);
}

static struct virtio_net *make(uint32_t speed_mbps)
{
	struct virtio_net_config cfg = { .mem = &g.mem, .mac = { { 2, 0, 0, 0, 0, 9 } }, .mtu = 1500,
					 .speed_mbps = speed_mbps, .link_up = true, .rings = &rings };
	struct virtio_net *n;

	ck_assert_int_eq(virtio_net_new(&cfg, &n), 0);
	return n;
}

static void save(struct virtio_net *n, struct bytes *ret)
{
	struct state *s;
	const uint8_t *data;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	virtio_net_state(n, s, 0);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &len);
	ret->len = 0;
	bytes_append(ret, data, len);
	(void)state_free(s);
}

/* Into a new card. Returns NULL when all went well, else why not; the caller frees. */
static char *load(const struct bytes *b, uint32_t speed_mbps, struct virtio_net **ret_net)
{
	struct virtio_net *n = make(speed_mbps);
	struct state *s;
	char *why = NULL;

	ck_assert_int_eq(state_load_new(b->data, b->len, &s, &why), 0);
	virtio_net_state(n, s, 0);
	if (state_finish(s) < 0)
		why = str_dup(state_why(s));
	(void)state_free(s);
	if (why)
		n = virtio_net_free(n);
	*ret_net = n;
	return why;
}

/* What a card that is to become an older file has counted of frames without memory: eight bytes to be found. */
#define NO_MEMORY UINT64_C(0x9182736455463728)

/* Makes @b, which such a card saved, a file of version 3. */
static void before_no_memory(struct bytes *b)
{
	struct forge_section sec;
	size_t at = STATE_HEADER_LEN;
	uint64_t counter = NO_MEMORY;
	uint8_t *found;

	ck_assert(forge_next(b->data, &at, &sec));
	found = memmem(b->data + sec.payload, sec.len, &counter, sizeof counter);
	ck_assert_ptr_nonnull(found);
	ck_assert_uint_eq(b->data[sec.head + 8], 4);
	b->data[sec.head + 8] = 3;
	store_le64(b->data + sec.head + 12, sec.len - sizeof counter);
	memmove(found, found + sizeof counter, (size_t)(b->data + b->len - found) - sizeof counter);
	b->len -= sizeof counter;
	forge_reseal(b->data, b->len);
}

/* Makes @b, which a card of version 3 saved that tells no speed, a file of version 2. */
static void before_speed(struct bytes *b)
{
	struct forge_section sec;
	size_t at = STATE_HEADER_LEN;
	uint8_t *flag;

	ck_assert(forge_next(b->data, &at, &sec));
	flag = b->data + sec.payload + SPEED_AT;
	ck_assert_uint_eq(b->data[sec.head + 8], 3);
	ck_assert_uint_eq(*flag, 0);
	b->data[sec.head + 8] = 2;
	store_le64(b->data + sec.head + 12, sec.len - 1);
	memmove(flag, flag + 1, (size_t)(b->data + b->len - flag - 1));
	b->len--;
	forge_reseal(b->data, b->len);
}

/* Version 3 did not count them. */
START_TEST(a_card_of_version_3_is_taken)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct virtio_net *n = make(100), *twin;

	n->stats.rx_no_memory = NO_MEMORY;
	save(n, &b);
	ck_assert_ptr_null(load(&b, 100, &twin));
	ck_assert(twin->stats.rx_no_memory == NO_MEMORY);
	(void)virtio_net_free(twin);
	before_no_memory(&b);
	ck_assert_ptr_null(load(&b, 100, &twin));
	ck_assert_uint_eq(twin->stats.rx_no_memory, 0);
	(void)virtio_net_free(twin);
	(void)virtio_net_free(n);
}
END_TEST

/* Such a card goes on without a speed, and is saved so again. */
START_TEST(a_card_of_version_2_is_taken)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(bytes) struct bytes again = { 0 };
	struct virtio_net *n = make(0), *twin;

	n->stats.rx_no_memory = NO_MEMORY;
	save(n, &b);
	before_no_memory(&b);
	before_speed(&b);
	ck_assert_ptr_null(load(&b, 100, &twin));
	ck_assert(!(twin->dev.offered & VIRTIO_NET_F_SPEED_DUPLEX));
	ck_assert_uint_eq(twin->dev.config_len, 12);
	save(twin, &again);
	(void)virtio_net_free(twin);
	ck_assert_ptr_null(load(&again, 100, &twin));
	ck_assert_uint_eq(twin->dev.config_len, 12);
	(void)virtio_net_free(twin);
	(void)virtio_net_free(n);
}
END_TEST

/* Its driver has read the speed and would lose it. */
START_TEST(a_card_with_a_speed_is_not_taken_without)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(free) char *why = NULL;
	struct virtio_net *n = make(100), *twin;

	save(n, &b);
	ck_assert_ptr_null(load(&b, 10, &twin));
	ck_assert_uint_eq(twin->dev.config[12], 10); /* what the NIC has now */
	(void)virtio_net_free(twin);
	why = load(&b, 0, &twin);
	ck_assert_ptr_nonnull(why);
	ck_assert_ptr_nonnull(strstr(why, "a card that tells its speed"));
	(void)virtio_net_free(n);
}
END_TEST

/* Version 1 is of one pair of queues, and little else. */
START_TEST(a_card_of_version_1_is_taken)
{
	static const uint8_t pair_1[] = { 1, 1, 7, 0 }; /* blocked, starved, owed */
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(bytes) struct bytes old = { 0 };
	struct forge_section sec;
	struct virtio_net *n = make(0), *twin;
	size_t at = STATE_HEADER_LEN, tail;

	n->stats.rx_no_memory = NO_MEMORY;
	save(n, &b);
	before_no_memory(&b);
	before_speed(&b);
	ck_assert(forge_next(b.data, &at, &sec));
	tail = at - FRAMES_LEN - PAIR_2_LEN;
	bytes_append(&old, b.data, tail);
	bytes_append(&old, pair_1, sizeof pair_1);
	bytes_append(&old, b.data + at - FRAMES_LEN, b.len - at + FRAMES_LEN);
	old.data[sec.head + 8] = 1;
	store_le64(old.data + sec.head + 12, sec.len - PAIR_2_LEN + sizeof pair_1);
	forge_reseal(old.data, old.len);
	ck_assert_ptr_null(load(&old, 100, &twin));
	ck_assert_uint_eq(twin->tx_blocked, 1);
	ck_assert(twin->rx_starved);
	ck_assert_uint_eq(twin->tx_owed[0], 7);
	(void)virtio_net_free(twin);
	(void)virtio_net_free(n);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_net_state");
	TCase *t = tcase_create("virtio_net_state");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_card_of_version_3_is_taken);
	tcase_add_test(t, a_card_of_version_2_is_taken);
	tcase_add_test(t, a_card_with_a_speed_is_not_taken_without);
	tcase_add_test(t, a_card_of_version_1_is_taken);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
