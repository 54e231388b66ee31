/* tests/teams/check_uplink_tftp.c: a guest that reads files from a real uplink in its cell. */
#include "core/wire.h"
#include "dhcp/tftp_msg.h"
#include "teams/uplink_tftp.h"
#include "tests/teams/uplink_rig.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GUEST_PORT = 2000, FILE_SIZE = 100000, QUIET_MS = 60 };

static char dir[64];
static int folders[2] = { -1, -1 };
static const struct uplink_tftp_config cfg = { .folders = folders, .n_networks = 2 };
static const struct part parts[] = { { .ops = &uplink_tftp_part, .cfg = &cfg } };
static bool is_there;
static const char *server;
static uint16_t port; /* of the session */

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

static void put_file(const char *name, size_t size, mode_t mode)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < size; i++)
		(void)fputc(byte_at(i), f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void in_dir(const char *name, char path[128])
{
	(void)snprintf(path, 128, "%s/%s", dir, name);
}

static void setup(void)
{
	char path[128];

	is_there = uplink_rig_enter();
	if (!is_there)
		return;
	(void)snprintf(dir, sizeof dir, "/tmp/check_tftp.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	in_dir("out", path);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	in_dir("out/sub", path);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	put_file("secret", 10, 0644);
	put_file("out/sub/boot", FILE_SIZE, 0644);
	in_dir("out/link", path);
	ck_assert_int_eq(symlink("../secret", path), 0);
	in_dir("out/inner", path);
	ck_assert_int_eq(symlink("sub/boot", path), 0);
	in_dir("out/fifo", path);
	ck_assert_int_eq(mkfifo(path, 0644), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	in_dir("out", path);
	folders[0] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(folders[0], 0);
	server = "10.5.0.1";
	uplink_rig_folders(folders, 2);
	uplink_rig_begin(parts, 1, 2);
}

static void teardown(void)
{
	static const char *const names[] = { "out/sub/boot", "out/link", "out/inner", "out/fifo", "secret" };
	char path[128];

	if (!is_there)
		return;
	uplink_rig_end();
	(void)close(folders[0]);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		in_dir(names[i], path);
		(void)unlink(path);
	}
	in_dir("out/sub", path);
	(void)rmdir(path);
	in_dir("out", path);
	(void)rmdir(path);
	(void)rmdir(dir);
}

/* @rest: name, mode and options, with their zeros. */
static void ask(uint16_t network, const char *rest, size_t len)
{
	uint8_t buf[300] = { 0, TFTP_RRQ };

	memcpy(buf + 2, rest, len);
	uplink_rig_send(network, network ? "10.5.1.1" : server, GUEST_PORT, 69, buf, len + 2);
}
#define ASK(rest) ask(0, rest, sizeof rest)

static void ack(uint16_t number)
{
	uint8_t buf[4] = { 0, TFTP_ACK };

	store_be16(buf + 2, number);
	uplink_rig_send(0, server, GUEST_PORT, port, buf, sizeof buf);
}

/* The next message for the guest. */
static const uint8_t *receive(enum tftp_op op, size_t *ret_len)
{
	const struct packet *p = uplink_rig_packet(0, UPLINK_PATIENCE_MS);
	struct ip_addr want = uplink_rig_ip(server);

	ck_assert_msg(p != NULL, "nothing came");
	ck_assert_uint_eq(p->proto, PROTO_UDP);
	ck_assert(ip_equal(&p->src, &want) && p->dst_port == GUEST_PORT);
	ck_assert_uint_le(p->l3_len, UPLINK_RIG_MTU);
	ck_assert(!p->is_fragment);
	ck_assert_uint_ge(p->payload_len, 4);
	ck_assert_uint_eq(load_be16(p->data + p->payload), op);
	port = p->src_port;
	*ret_len = p->payload_len;
	return p->data + p->payload;
}

START_TEST(a_file_is_read)
{
	size_t at = 0, len, block_size = 0;
	const uint8_t *m;

	if (!is_there)
		return;
	server = _i ? "fd05:0::1" : "10.5.0.1";
	ASK("/sub/boot\0octet\0blksize\00065464\0windowsize\0008\0tsize\0000");
	m = receive(TFTP_OACK, &len);
	/* No block is cut to fragments. */
	ck_assert_str_eq((const char *)m + 2, "blksize");
	block_size = (size_t)atoi((const char *)m + 10);
	ck_assert_uint_eq(block_size, UPLINK_RIG_MTU - (_i ? 52u : 32u));
	ack(0);
	for (uint16_t block = 1;; block++) {
		m = receive(TFTP_DATA, &len);
		ck_assert_uint_eq(load_be16(m + 2), block);
		for (size_t i = 4; i < len; i++)
			ck_assert_uint_eq(m[i], byte_at(at++));
		if (block % 8 == 0 || len < 4 + block_size)
			ack(block);
		if (len < 4 + block_size)
			break;
	}
	ck_assert_uint_eq(at, FILE_SIZE);
	for (unsigned i = 0; i < 200 && uplink_rig_counter("tftp", "sessions"); i++)
		(void)usleep(5000);
	ck_assert_int_eq(uplink_rig_counter("tftp", "completed"), 1);
}
END_TEST

static void expect_error(enum tftp_error error)
{
	size_t len;
	const uint8_t *m = receive(TFTP_ERROR, &len);

	ck_assert_uint_eq(load_be16(m + 2), error);
}

START_TEST(what_is_not_in_the_folder_is_not_given_out)
{
	if (!is_there)
		return;
	ASK("nothing\0octet");
	expect_error(TFTP_NOT_FOUND);
	ASK("sub\0octet");
	expect_error(TFTP_ACCESS);
	ASK("fifo\0octet");
	expect_error(TFTP_ACCESS);
	ASK("link\0octet");
	expect_error(TFTP_ACCESS);
	ASK("inner\0octet"); /* a link that stays inside is followed no more than others */
	expect_error(TFTP_ACCESS);
	ASK("../secret\0octet");
	expect_error(TFTP_ACCESS);
	ck_assert_int_eq(uplink_rig_counter("tftp", "sessions"), 0);
}
END_TEST

START_TEST(a_network_without_a_folder_has_no_server)
{
	if (!is_there)
		return;
	ask(1, "sub/boot\0octet", sizeof "sub/boot\0octet");
	ck_assert_int_eq(uplink_rig_counter("tftp", "requests"), 0);
	ASK("sub/boot\0octet");
	(void)uplink_rig_packet(0, UPLINK_PATIENCE_MS);
	ck_assert_int_eq(uplink_rig_counter("tftp", "requests"), 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("uplink_tftp");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_file_is_read, 0, 2);
	tcase_add_test(t, what_is_not_in_the_folder_is_not_given_out);
	tcase_add_test(t, a_network_without_a_folder_has_no_server);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
