/* tests/fabric/check_tap.c: a port at a tap interface, in a network namespace of the test's own. The test is the
 * host: it has a packet socket on the interface. Without the right to make one, all is skipped. */
#include "core/control.h"
#include "core/wire.h"
#include "fabric/fabric.h"
#include "fabric/process.h"
#include "tests/fabric/shares.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	RING,
	TAP,
	N_PORTS,
	PATIENCE_MS = 20000,
	N_TESTS = 6,
	VNET = sizeof(struct virtio_net_hdr),
	GSO_LEN = 54 + 4000
};
static const char ifname[] = "mustertap0";

static struct fabric_plan_network networks[1];
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan;
static struct ring_pair_fds fds;
static struct ring_pair machine;
static struct fabric *fabric;
static int host = -1; /* the packet socket, with VNET_HDR */
static char told[128];
static const nsec_t now = NSEC_PER_SEC;

static int open_tap(void)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	(void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", ifname);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void ask_interface(unsigned long what, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(r->ifr_name, sizeof r->ifr_name, "%s", ifname);
	ck_assert_int_eq(ioctl(fd, what, r), 0);
	(void)close(fd);
}

static void set_interface(bool is_up)
{
	struct ifreq r = { .ifr_flags = is_up ? IFF_UP : 0 };

	ask_interface(SIOCSIFFLAGS, &r);
}

static bool has_carrier(void)
{
	struct ethtool_value v = { .cmd = ETHTOOL_GLINK };
	struct ifreq r = { .ifr_data = (void *)&v };

	ask_interface(SIOCETHTOOL, &r);
	return v.data;
}

static void delete_interface(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} m = { .head = { .nlmsg_len = sizeof m, .nlmsg_type = RTM_DELLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.info = { .ifi_index = (int)if_nametoindex(ifname) } };
	char answer[512];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	ck_assert_int_eq(send(fd, &m, sizeof m, 0), sizeof m);
	ck_assert_int_gt(recv(fd, answer, sizeof answer, 0), 0); /* it is done */
	(void)close(fd);
	ck_assert_uint_eq(if_nametoindex(ifname), 0);
}

static void on_peer(void *ctx, const struct fabric_port *p, enum fabric_peer_news news, const char *why)
{
	static const char *const words[] = { "+%s", "-%s;", "x%s;" };
	size_t len = strlen(told);

	(void)ctx;
	(void)p;
	(void)snprintf(told + len, sizeof told - len, words[news], why ? why : "");
}

static void setup(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int on = 1;

	ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &machine), 0);
	networks[0] = (struct fabric_plan_network){ .name = "lan", .mtu = 1500 };
	ports[RING] = (struct fabric_plan_port){
		.name = "a.eth0", .stream = "a.0", .mtu = 1500, .kind = FABRIC_PORT_RING, .rings = &fds
	};
	ports[TAP] = (struct fabric_plan_port){
		.name = "lan.t", .stream = "lan.t", .mtu = 1500, .kind = FABRIC_PORT_TAP, .fd = open_tap()
	};
	ck_assert_int_ge(ports[TAP].fd, 0);
	plan = (struct fabric_plan){
		.name = "t", .seed = 1, .networks = networks, .n_networks = 1, .ports = ports, .n_ports = N_PORTS
	};
	plan_shares(&plan);
	set_interface(true);
	at.sll_ifindex = (int)if_nametoindex(ifname);
	host = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(setsockopt(host, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), 0);
	ck_assert_int_eq(setsockopt(host, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), 0);
	ck_assert_int_eq(bind(host, (struct sockaddr *)&at, sizeof at), 0);
	told[0] = '\0';
}

static void new_fabric(void)
{
	ck_assert_int_eq(fabric_new(&plan, &fabric), 0);
	fabric->on_peer = on_peer;
}

static void teardown(void)
{
	fabric = fabric_free(fabric);
	(void)close(host);
	(void)close(ports[TAP].fd);
	ring_pair_detach(&machine);
	ring_pair_close(&fds);
}

static void pump(void)
{
	struct pollfd poll_fd = { .fd = ports[TAP].fd, .events = POLLIN };

	fabric_wake_port(fabric, RING); /* its machine's kick */
	if (poll(&poll_fd, 1, 0) == 1) {
		fabric->ports[TAP].ops->kicked(&fabric->ports[TAP]);
		fabric_wake_port(fabric, TAP);
	}
	while (fabric_step(fabric, now) || !fabric_sleep(fabric))
		;
}

/* An Ethernet type of nobody's, so the kernel itself takes no part. */
static void fill(uint8_t *p, uint32_t len, uint8_t from, uint32_t number)
{
	memset(p, 0, len);
	memset(p, 0xff, 6);
	p[6] = 2;
	p[11] = from;
	store_be16(p + 12, 0x88b5);
	memcpy(p + 14, &number, sizeof number);
}

/* TCP of 4000 bytes, in segments of 1000, without checksums. */
static const struct virtio_net_hdr gso = {
	.flags = 1, .gso_type = 1, .hdr_len = 54, .gso_size = 1000, .csum_start = 34, .csum_offset = 16
};
static void fill_gso(uint8_t *p, uint8_t from)
{
	memset(p, 0, GSO_LEN);
	memset(p, 0xff, 6);
	p[6] = 2;
	p[11] = from;
	store_be16(p + 12, ETHERTYPE_IP);
	p[14] = 0x45;
	store_be16(p + 16, GSO_LEN - 14);
	p[22] = 64;
	p[23] = 6;
	store_be32(p + 26, 0x0a000001);
	store_be32(p + 30, 0x0a000002);
	p[46] = 0x50;
	p[47] = 0x10;
}

static void send_ring(uint32_t len, uint32_t number)
{
	static const struct frame_offload none;
	uint8_t *p = ring_reserve(&machine.tx, len);

	ck_assert_ptr_nonnull(p);
	fill(p, len, RING, number);
	ring_commit(&machine.tx, len, &none, 0);
	(void)ring_publish(&machine.tx);
}

static uint32_t receive_ring(uint32_t len)
{
	struct ring_record rec;
	uint32_t number;

	/* The kernel sends some of its own. */
	for (;; ring_pop(&machine.rx)) {
		if (!ring_peek(&machine.rx, &rec))
			return UINT32_MAX;
		if (load_be16(rec.data + 12) == 0x88b5)
			break;
	}
	ck_assert_uint_eq(rec.len, len);
	memcpy(&number, rec.data + 14, sizeof number);
	ring_pop(&machine.rx);
	ring_release(&machine.rx);
	return number;
}

static void send_host(uint32_t len, uint32_t number)
{
	uint8_t buf[VNET + 2000] = { 0 };

	fill(buf + VNET, len, TAP, number);
	ck_assert_int_eq(send(host, buf, VNET + len, 0), (ssize_t)(VNET + len));
}

/* The next frame that is from the ring's machine; its length, behind the header. The kernel sends some of its own. */
static uint32_t receive_host(struct virtio_net_hdr *ret_head, uint8_t *frame, size_t size)
{
	struct iovec iov[] = { { ret_head, VNET }, { frame, size } };

	for (;;) {
		struct pollfd p = { .fd = host, .events = POLLIN };
		ssize_t n;

		ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
		n = readv(host, iov, 2);
		if (n < 0 && errno == ENETDOWN)
			continue; /* it was down for a while */
		ck_assert_int_gt(n, VNET);
		if (frame[6] == 2 && frame[11] == RING)
			return (uint32_t)(n - VNET);
	}
}

static uint32_t receive_number(uint32_t len)
{
	struct virtio_net_hdr head;
	uint8_t frame[2000];
	uint32_t number;

	ck_assert_uint_eq(receive_host(&head, frame, sizeof frame), len);
	memcpy(&number, frame + 14, sizeof number);
	return number;
}

START_TEST(frames_go_both_ways)
{
	new_fabric();
	for (uint32_t i = 0; i < 500; i++) {
		send_ring(60, i);
		send_host(60 + i, i);
		pump();
		ck_assert_uint_eq(receive_number(60), i);
		ck_assert_uint_eq(receive_ring(60 + i), i);
	}
}
END_TEST

START_TEST(gso_passes_whole_both_ways)
{
	const struct frame_offload o = {
		.flags = 1, .gso_type = 1, .hdr_len = 54, .gso_size = 1000, .csum_start = 34, .csum_offset = 16
	};
	struct virtio_net_hdr head;
	struct ring_record rec;
	static uint8_t frame[65536];
	uint8_t *p;

	new_fabric();
	p = ring_reserve(&machine.tx, GSO_LEN);
	ck_assert_ptr_nonnull(p);
	fill_gso(p, RING);
	ring_commit(&machine.tx, GSO_LEN, &o, 0);
	(void)ring_publish(&machine.tx);
	pump();
	ck_assert_uint_eq(receive_host(&head, frame, sizeof frame), GSO_LEN);
	ck_assert_uint_eq(head.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	ck_assert_uint_eq(head.gso_size, 1000);
	ck_assert_uint_eq(head.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);

	memcpy(frame, &gso, VNET);
	fill_gso(frame + VNET, TAP);
	ck_assert_int_eq(send(host, frame, VNET + GSO_LEN, 0), VNET + GSO_LEN);
	pump();
	while (ring_peek(&machine.rx, &rec) && rec.len != GSO_LEN)
		ring_pop(&machine.rx);
	ck_assert(ring_peek(&machine.rx, &rec));
	ck_assert_uint_eq(rec.offload.gso_type, 1);
	ck_assert_uint_eq(rec.offload.gso_size, 1000);
	ck_assert_uint_eq(rec.offload.flags, 1);
	ck_assert_uint_eq(rec.offload.csum_start, 34);
	ck_assert_uint_eq(rec.offload.csum_offset, 16);
}
END_TEST

/* The queue of the interface is the kernel's: what is beyond it the kernel counts. */
START_TEST(an_interface_that_is_down_loses_frames)
{
	const struct element_counters *out;

	new_fabric();
	out = &fabric->ports[TAP].out;
	set_interface(false);
	send_ring(60, 1);
	pump();
	ck_assert_uint_eq(out->lost_frames[LOSS_DOWN], 1);
	set_interface(true);
	send_ring(60, 2);
	pump();
	ck_assert_uint_eq(receive_number(60), 2);
	ck_assert_uint_eq(out->entered_frames, 2);
	ck_assert_uint_eq(out->delivered_frames, 1);
}
END_TEST

START_TEST(carrier_is_shown)
{
	const struct fabric_target at = { .ref = { .index = TAP }, .dir = LINK_BOTH };

	new_fabric();
	ck_assert(has_carrier());
	fabric_link_state(fabric, &at, false, false, now);
	ck_assert(!has_carrier());
	fabric_link_state(fabric, &at, true, false, now);
	ck_assert(has_carrier());
}
END_TEST

START_TEST(a_deleted_interface_is_told_of_once)
{
	struct fabric_port *p;

	new_fabric();
	p = &fabric->ports[TAP];
	send_host(60, 1);
	pump();
	ck_assert_uint_eq(receive_ring(60), 1);
	delete_interface();
	for (int i = 0; i < 3; i++)
		pump();
	ck_assert_str_eq(told, "-its interface was deleted;");
	ck_assert(!p->is_up && fabric->ports[RING].is_up);
	send_ring(60, 2);
	pump();
	ck_assert_uint_eq(p->out.entered_frames, p->out.lost_frames[LOSS_NO_PORT]);
}
END_TEST

/* In its cell, with its own sleep: frames, carrier, and an interface that goes. */
START_TEST(the_process_serves_a_tap_in_its_cell)
{
	int pair[2], status = -1;
	json_t *msg, *answer;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		(void)close(host);
		_exit(fabric_run(&(struct fabric_config){ &plan, pair[1], true }));
	}
	(void)close(pair[1]);
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t number;

		send_host(60, i);
		while ((number = receive_ring(60)) == UINT32_MAX) {
			struct pollfd p = { .fd = fds.down_kick_fd, .events = POLLIN };
			uint64_t n;

			if (ring_sleep(&machine.rx)) {
				ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
				ck_assert_int_eq(read(p.fd, &n, sizeof n), sizeof n);
			}
			ring_wake(&machine.rx);
		}
		ck_assert_uint_eq(number, i);
		send_ring(60, i);
		ck_assert_uint_eq(receive_number(60), i);
	}
	msg = json_pack("{s:s,s:i,s:b}", "do", "link-state", "port", TAP, "up", 0);
	ck_assert_int_eq(control_write_msg(pair[0], msg), 0);
	ck_assert_int_eq(control_read_msg(pair[0], &answer), 0);
	ck_assert(json_is_true(json_object_get(answer, "ok")));
	ck_assert(!has_carrier());
	json_decref(answer);
	json_decref(msg);
	delete_interface();
	ck_assert_int_eq(control_read_msg(pair[0], &msg), 0);
	ck_assert_str_eq(json_string_value(json_object_get(msg, "why")), "its interface was deleted");
	json_decref(msg);
	(void)close(pair[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric-tap");
	TCase *t = tcase_create("fabric-tap");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, frames_go_both_ways);
	tcase_add_test(t, gso_passes_whole_both_ways);
	tcase_add_test(t, an_interface_that_is_down_loses_frames);
	tcase_add_test(t, carrier_is_shown);
	tcase_add_test(t, a_deleted_interface_is_told_of_once);
	tcase_add_test(t, the_process_serves_a_tap_in_its_cell);
	suite_add_tcase(s, t);
	return s;
}

/* The namespace goes with the process, and what it has with it. */
int main(void)
{
	SRunner *runner;
	int n_failed, fd = -1;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		(void)printf("skipped %d: taps: a network namespace: %s\n", N_TESTS, strerror(errno));
	else if ((fd = open_tap()) < 0)
		(void)printf("skipped %d: taps: /dev/net/tun: %s\n", N_TESTS, strerror(errno));
	if (fd < 0)
		return EXIT_SUCCESS;
	(void)close(fd);
	runner = srunner_create(make_suite());
	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
