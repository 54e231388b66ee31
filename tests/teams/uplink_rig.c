/* tests/teams/uplink_rig.c: a station before a real uplink. */
#include "tests/teams/uplink_rig.h"

#include "core/control.h"
#include "core/ring.h"
#include "nat/uplink.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NETWORKS_MAX = 3 };

static struct ring_pair_fds fds[NETWORKS_MAX];
static struct ring_pair rings[NETWORKS_MAX];
static uint16_t n_rings;
static uint8_t got[FRAME_LEN_MAX];
static struct packet packet;
static int control_fd = -1;
static pid_t pid;
static const int *folders;
static size_t n_folders;
static json_int_t last_id;
static const struct frame_offload plain;

struct ip_addr uplink_rig_ip(const char *text)
{
	struct ip_addr a;

	ck_assert_msg(ip_parse(text, &a) == 0, "%s", text);
	return a;
}

/* ---- the outside ------------------------------------------------------------------ */

static socklen_t sock_addr(const char *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof *ret);
	if (strchr(ip, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		ck_assert_int_eq(inet_pton(AF_INET6, ip, &in6->sin6_addr), 1);
		return sizeof *in6;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	ck_assert_int_eq(inet_pton(AF_INET, ip, &in->sin_addr), 1);
	return sizeof *in;
}

static int bound(const char *ip, uint16_t port, int type)
{
	struct sockaddr_storage a;
	socklen_t len = sock_addr(ip, port, &a);
	int fd = socket(a.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	ck_assert_msg(bind(fd, (struct sockaddr *)&a, len) == 0, "%s port %u: %s", ip, port, strerror(errno));
	return fd;
}

int uplink_rig_udp(const char *ip, uint16_t port)
{
	return bound(ip, port, SOCK_DGRAM);
}

int uplink_rig_listen(const char *ip, uint16_t port)
{
	int fd = bound(ip, port, SOCK_STREAM);

	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

bool uplink_rig_wait(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
	if (fd >= 0)
		(void)close(fd);
}

static void add_address(int fd, const char *name, const char *ip)
{
	struct ifreq r = { 0 };
	struct sockaddr_storage a;

	(void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if (ip) {
		(void)sock_addr(ip, 0, &a);
		memcpy(&r.ifr_addr, &a, sizeof r.ifr_addr);
		ck_assert_int_eq(ioctl(fd, SIOCSIFADDR, &r), 0);
	}
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
}

bool uplink_rig_enter(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[64];
	int fd;

	if (uid == 0 ? unshare(CLONE_NEWNET) < 0 : unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("skipped 1: a real uplink: no network namespace of its own: %s\n", strerror(errno));
		return false;
	}
	if (uid != 0) {
		write_file("/proc/self/setgroups", "deny");
		(void)snprintf(map, sizeof map, "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
		(void)snprintf(map, sizeof map, "0 %u 1", gid);
		write_file("/proc/self/gid_map", map);
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	add_address(fd, "lo", NULL);
	add_address(fd, "lo:1", "10.99.0.1");
	add_address(fd, "lo:2", "10.99.0.2");
	add_address(fd, "lo:3", "10.99.0.3");
	(void)close(fd);
	return true;
}

/* ---- the uplink --------------------------------------------------------------------- */

static json_t *ask(json_t *request)
{
	json_t *answer = NULL;
	char *text, line[1024];

	ck_assert_ptr_nonnull(request);
	json_object_set_new(request, "id", json_integer(++last_id));
	text = json_dumps(request, JSON_COMPACT);
	(void)snprintf(line, sizeof line, "%s\n", text);
	free(text);
	json_decref(request);
	ck_assert_int_eq(write(control_fd, line, strlen(line)), (ssize_t)strlen(line));
	ck_assert_int_eq(control_read_msg(control_fd, &answer), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "id")), last_id);
	return answer;
}

json_int_t uplink_rig_counter(const char *part, const char *name)
{
	json_t *a = ask(json_pack("{s:s}", "do", "show"));
	json_t *v = json_object_get(json_object_get(json_object_get(a, "parts"), part), name);
	json_int_t n;

	ck_assert_msg(v != NULL, "no counter %s of %s", name, part);
	n = json_integer_value(v);
	json_decref(a);
	return n;
}

void uplink_rig_folders(const int *list, size_t n)
{
	folders = list;
	n_folders = n;
}

void uplink_rig_begin(const struct part *parts, size_t n_parts, uint16_t n_networks)
{
	struct uplink_network networks[NETWORKS_MAX] = { 0 };
	struct uplink_config cfg = { .name = "t",
				     .networks = networks,
				     .n_networks = n_networks,
				     .parts = parts,
				     .n_parts = n_parts,
				     .folders = folders,
				     .n_folders = n_folders,
				     .raw_icmp_fd = { -1, -1 },
				     .seed = 42,
				     .cell = true };
	char ip4[32], ip6[32];
	int pair[2];

	for (n_rings = 0; n_rings < n_networks; n_rings++) {
		(void)snprintf(ip4, sizeof ip4, "10.5.%u.1/24", n_rings);
		(void)snprintf(ip6, sizeof ip6, "fd05:%u::1/64", n_rings);
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[n_rings]), 0);
		ck_assert_int_eq(ring_pair_attach(&fds[n_rings], RING_FABRIC, &rings[n_rings]), 0);
		networks[n_rings] = (struct uplink_network){ .name = "lan",
							     .rings = fds[n_rings],
							     .nat = { .mtu = UPLINK_RIG_MTU,
								      .reach = { .service4 = uplink_rig_ip(ip4),
										 .service6 = uplink_rig_ip(ip6) } } };
	}
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)fflush(stdout);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)close(pair[0]);
		cfg.control_fd = pair[1];
		_exit(uplink_run(&cfg));
	}
	(void)close(pair[1]);
	control_fd = pair[0];
	json_decref(ask(json_pack("{s:s}", "do", "ping")));
}

void uplink_rig_end(void)
{
	int status = -1;

	if (pid <= 0)
		return;
	json_decref(ask(json_pack("{s:s}", "do", "quit")));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the uplink ended with %x", status);
	pid = 0;
	while (n_rings) {
		ring_pair_detach(&rings[--n_rings]);
		ring_pair_close(&fds[n_rings]);
	}
	(void)close(control_fd);
}

/* ---- frames --------------------------------------------------------------------------- */

static void send_frame(uint16_t network, const uint8_t *data, size_t len)
{
	uint8_t *room;

	while (!(room = ring_reserve(&rings[network].tx, (uint32_t)len)))
		(void)usleep(100);
	memcpy(room, data, len);
	ring_commit(&rings[network].tx, (uint32_t)len, &plain, 0);
	(void)ring_publish(&rings[network].tx);
}

/* Takes the next frame of @network into got. Returns its length; 0: none came in @ms. */
static uint32_t take(uint16_t network, int ms)
{
	nsec_t until = clock_now() + (nsec_t)ms * NSEC_PER_MSEC;
	struct ring *r = &rings[network].rx;
	struct ring_record rec;
	uint32_t len;

	while (!ring_peek(r, &rec)) {
		if (clock_now() >= until)
			return 0;
		(void)usleep(500);
	}
	len = rec.len;
	ck_assert_uint_le(len, sizeof got);
	memcpy(got, rec.data, len);
	ring_pop(r);
	ring_release(r);
	return len;
}

void uplink_rig_query(uint16_t network, uint64_t source, uint64_t token, bool is_tcp, const uint8_t *msg, size_t len)
{
	struct message m = {
		.type = MESSAGE_QUERY, .source = source, .token = token, .transport = is_tcp, .dns = msg, .dns_len = len
	};
	uint8_t buf[4096];
	size_t n = message_put(&m, buf, sizeof buf);

	ck_assert_uint_gt(n, 0);
	send_frame(network, buf, n);
}

bool uplink_rig_answer(uint16_t network, struct message *ret, int ms)
{
	uint32_t len = take(network, ms);

	if (!len)
		return false;
	ck_assert(message_parse(got, len, ret));
	ck_assert_int_eq(ret->type, MESSAGE_ANSWER);
	return true;
}

void uplink_rig_send(uint16_t network, const char *dst, uint16_t src_port, uint16_t dst_port, const void *data,
		     size_t len)
{
	static const struct mac_addr guest = { { 2, 0, 0, 0, 0, 2 } }, station = { { 2, 0, 0, 0, 0, 1 } };
	struct packet_ip ip = { .dst = uplink_rig_ip(dst), .proto = PROTO_UDP, .ttl = 63 };
	char src[32];
	uint8_t buf[2048];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	(void)snprintf(src, sizeof src, strchr(dst, ':') ? "fd05:%u::2" : "10.5.%u.2", network);
	ip.src = uplink_rig_ip(src);
	packet_put_eth(&w, &station, &guest, ip.src.family == IP_V6 ? ETYPE_IPV6 : ETYPE_IPV4);
	packet_put_ip_udp(&w, &ip, src_port, dst_port, data, len);
	ck_assert(!w.failed);
	send_frame(network, buf, wire_put_len(&w));
}

const struct packet *uplink_rig_packet(uint16_t network, int ms)
{
	uint32_t len = take(network, ms);

	if (!len)
		return NULL;
	ck_assert_int_eq(packet_parse_bytes(got, len, &packet), PACKET_OK);
	ck_assert(packet.kind == PACKET_IPV4 || packet.kind == PACKET_IPV6);
	ck_assert(packet_checksums_ok(&packet));
	return &packet;
}
