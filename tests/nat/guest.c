/* tests/nat/guest.c: the guest's side of a real uplink. */
#include "tests/nat/guest.h"

#include "core/checksum.h"
#include "core/control.h"
#include "core/ring.h"
#include "nat/message.h"
#include "nat/uplink.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NETWORKS = 2 };

static struct ring_pair_fds fds[NETWORKS];
static struct ring_pair rings[NETWORKS];
static int control_fd = -1;
static pid_t pid;
static struct frame *packets[256]; /* that came and are no TCP, oldest first */
static unsigned networks_of[256], n_packets;
static struct guest_conn conns[GUEST_CONNS];
static struct guest_conn *accepted;
static uint16_t listen_port;
static struct tcp_common common;
static const struct tcp_ops ops;
static json_int_t last_id;
static bool is_held;

struct ip_addr guest_ip(const char *text)
{
	struct ip_addr a;

	ck_assert_msg(ip_parse(text, &a) == 0, "%s", text);
	return a;
}

int guest_uplink_pid(void)
{
	return pid;
}

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

/* ---- the namespace ---------------------------------------------------------------- */

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
	(void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
}

static bool enter_namespace(bool raw)
{
	char map[64];
	int fd;
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (uid == 0 ? unshare(CLONE_NEWNET) < 0 : unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	if (uid != 0) {
		write_file("/proc/self/setgroups", "deny");
		(void)snprintf(map, sizeof map, "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
		(void)snprintf(map, sizeof map, "0 %u 1", gid);
		write_file("/proc/self/gid_map", map);
	}
	write_file("/proc/sys/net/ipv4/ping_group_range", raw ? "1 0" : "0 2147483647");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	add_address(fd, "lo", NULL);
	add_address(fd, "lo:1", "10.99.0.1");
	add_address(fd, "lo:2", "10.99.0.2");
	add_address(fd, "lo:3", "10.99.0.3");
	(void)close(fd);
	return true;
}

bool guest_setup(enum guest_kind kind)
{
	bool raw = kind == GUEST_RAW;
	struct rlimit files;
	struct uplink_network networks[NETWORKS] = { 0 };
	struct uplink_config cfg = { .name = "t",
				     .networks = networks,
				     .n_networks = NETWORKS,
				     .raw_icmp_fd = { -1, -1 },
				     .seed = 42,
				     .no_peek_off = kind == GUEST_NO_PEEK_OFF,
				     .cell = true };
	int pair[2];

	if (!enter_namespace(raw)) {
		printf("skipped 1: a real uplink: no network namespace of its own: %s\n", strerror(errno));
		return false;
	}
	for (unsigned i = 0; i < NETWORKS; i++) {
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[i]), 0);
		ck_assert_int_eq(ring_pair_attach(&fds[i], RING_FABRIC, &rings[i]), 0);
		networks[i] = (struct uplink_network){ .name = i ? "shut" : "open",
						       .rings = fds[i],
						       .nat = { .mtu = GUEST_MTU,
								.reach = { .service4 = guest_ip("10.5.0.1/24"),
									   .service6 = guest_ip("fd05::1/64"),
									   .host_loopback = i == 0 } } };
	}
	if (raw) {
		cfg.raw_icmp_fd[0] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
		cfg.raw_icmp_fd[1] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
		ck_assert(cfg.raw_icmp_fd[0] >= 0 && cfg.raw_icmp_fd[1] >= 0);
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
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
	tcp_common_init(&common, &ops);
	json_decref(guest_ask(json_pack("{s:s}", "do", "ping"), -1));
	return true;
}

void guest_teardown(void)
{
	int status = -1;

	if (pid <= 0)
		return;
	json_decref(guest_ask(json_pack("{s:s}", "do", "quit"), -1));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the uplink ended with %x", status);
	pid = 0;
	for (unsigned i = 0; i < GUEST_CONNS; i++) {
		if (conns[i].is_used)
			tcp_conn_drop(&conns[i].conn);
		free(conns[i].in);
		conns[i] = (struct guest_conn){ 0 };
	}
	while (n_packets)
		frame_free(packets[--n_packets]);
	for (unsigned i = 0; i < NETWORKS; i++) {
		ring_pair_detach(&rings[i]);
		ring_pair_close(&fds[i]);
	}
	(void)close(control_fd);
}

/* ---- control ------------------------------------------------------------------------ */

static void send_line(const char *text, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof control;
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	ck_assert_int_eq(sendmsg(control_fd, &m, 0), (ssize_t)iov.iov_len);
}

json_t *guest_ask(json_t *request, int fd)
{
	json_t *answer = NULL;
	char *text, line[1024];

	ck_assert_ptr_nonnull(request);
	json_object_set_new(request, "id", json_integer(++last_id));
	if (fd >= 0)
		json_object_set_new(request, "fds", json_integer(1));
	text = json_dumps(request, JSON_COMPACT);
	(void)snprintf(line, sizeof line, "%s\n", text);
	free(text);
	json_decref(request);
	send_line(line, fd);
	ck_assert_int_eq(control_read_msg(control_fd, &answer), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "id")), last_id);
	return answer;
}

json_int_t guest_counter(const char *name)
{
	json_t *a = guest_ask(json_pack("{s:s}", "do", "show"), -1);
	json_t *v = json_object_get(json_object_get(a, "counters"), name);
	json_int_t n;

	if (!v)
		v = json_object_get(a, name);
	ck_assert_msg(v != NULL, "no counter %s", name);
	n = json_integer_value(v);
	json_decref(a);
	return n;
}

/* ---- frames -------------------------------------------------------------------------- */

static void send_frame(unsigned network, const uint8_t *data, size_t len, const struct frame_offload *offload)
{
	uint8_t *room;

	while (!(room = ring_reserve(&rings[network].tx, (uint32_t)len)))
		(void)usleep(100);
	memcpy(room, data, len);
	ring_commit(&rings[network].tx, (uint32_t)len, offload, 0);
	if (!is_held)
		(void)ring_publish(&rings[network].tx);
}

void guest_hold(bool held)
{
	is_held = held;
	for (unsigned i = 0; i < NETWORKS && !held; i++)
		(void)ring_publish(&rings[i].tx);
}

static void put_head(struct wire_writer *w, bool is6)
{
	static const struct mac_addr guest = { { 2, 0, 0, 0, 0, 2 } }, station = { { 2, 0, 0, 0, 0, 1 } };

	packet_put_eth(w, &station, &guest, is6 ? ETYPE_IPV6 : ETYPE_IPV4);
}

void guest_send_ip(unsigned network, const uint8_t *ip, size_t len)
{
	static const struct frame_offload plain;
	uint8_t buf[2048];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	put_head(&w, ip[0] >> 4 == 6);
	wire_put_bytes(&w, ip, len);
	ck_assert(!w.failed);
	send_frame(network, buf, wire_put_len(&w), &plain);
}

static struct packet_ip ip_to(const char *dst, uint8_t proto, uint8_t ttl)
{
	struct packet_ip ip = { .dst = guest_ip(dst), .proto = proto, .ttl = ttl };

	ip.src = guest_ip(ip.dst.family == IP_V6 ? "fd05::2" : "10.5.0.2");
	return ip;
}

void guest_send_udp(unsigned network, const char *dst, uint16_t src_port, uint16_t dst_port, uint8_t ttl,
		    const void *data, size_t len)
{
	struct packet_ip ip = ip_to(dst, PROTO_UDP, ttl);
	uint8_t buf[1600];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	packet_put_ip_udp(&w, &ip, src_port, dst_port, data, len);
	ck_assert(!w.failed);
	guest_send_ip(network, buf, wire_put_len(&w));
}

void guest_send_echo(const char *dst, uint16_t id, uint16_t seq, uint8_t ttl)
{
	struct packet_ip ip = ip_to(dst, PROTO_ICMP, ttl);
	uint8_t buf[200];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	if (ip.src.family == IP_V6)
		ip.proto = PROTO_ICMPV6;
	packet_put_ip(&w, &ip, PACKET_ICMP_LEN + 5);
	packet_put_icmp(&w, &ip, ip.src.family == IP_V6 ? 128 : 8, 0, (uint32_t)id << 16 | seq, "hello", 5);
	ck_assert(!w.failed);
	guest_send_ip(0, buf, wire_put_len(&w));
}

void guest_send_lease(const char *mac, const char *ip, bool is_known)
{
	static const struct frame_offload plain;
	struct message m = { .type = MESSAGE_LEASE, .ip = guest_ip(ip), .is_known = is_known };
	uint8_t buf[100];
	size_t len;

	ck_assert_int_eq(mac_parse(mac, &m.mac), 0);
	len = message_put(&m, buf, sizeof buf);
	ck_assert_uint_eq(len, MESSAGE_LEASE_LEN);
	send_frame(0, buf, len, &plain);
}

/* ---- TCP of the guest ------------------------------------------------------------------- */

static int on_emit(void *ctx, const struct tcp_out *out)
{
	struct guest_conn *g = ctx;
	static uint8_t buf[70000];
	uint8_t options[TCP_OPTIONS_SIZE];
	struct packet_ip ip = { .src = g->guest, .dst = g->remote, .proto = PROTO_TCP, .ttl = 64 };
	struct packet_tcp tcp = { .src_port = g->guest_port,
				  .dst_port = g->remote_port,
				  .seq = out->seq,
				  .ack = out->ack,
				  .flags = out->flags,
				  .window = out->window,
				  .options = options,
				  .options_len = tcp_options_put(&out->opt, options) };
	struct wire_writer w = wire_write_to(buf, sizeof buf);
	struct frame_offload offload = { 0 };
	bool is6 = ip.src.family == IP_V6;
	uint32_t at = 14 + (is6 ? 40 : 20);

	put_head(&w, is6);
	packet_put_ip(&w, &ip, 20 + tcp.options_len + out->len);
	packet_put_tcp(&w, &ip, &tcp, out->len ? g->out + g->out_at + out->offset : NULL, out->len);
	ck_assert(!w.failed);
	if (out->gso_size) {
		offload = (struct frame_offload){ .flags = 1,
						  .gso_type = is6 ? 4 : 1,
						  .gso_size = out->gso_size,
						  .hdr_len = (uint16_t)(at + 20 + tcp.options_len),
						  .csum_start = (uint16_t)at,
						  .csum_offset = 16 };
		store_be16(buf + at + 16, (uint16_t)~checksum_fold(packet_pseudo_sum(&ip.src, &ip.dst, PROTO_TCP,
										     20 + tcp.options_len + out->len)));
	}
	send_frame(g->network, buf, wire_put_len(&w), &offload);
	return 0;
}

static size_t on_avail(void *ctx, bool *ret_fin)
{
	struct guest_conn *g = ctx;

	*ret_fin = g->fin;
	return g->out_len - g->out_at;
}

static void on_consumed(void *ctx, size_t n)
{
	((struct guest_conn *)ctx)->out_at += n;
}

static size_t on_deliver(void *ctx, const uint8_t *data, size_t len)
{
	struct guest_conn *g = ctx;

	if (g->in_len + len > g->in_size) {
		g->in_size = 2 * (g->in_len + len);
		g->in = realloc(g->in, g->in_size);
		ck_assert_ptr_nonnull(g->in);
	}
	memcpy(g->in + g->in_len, data, len);
	g->in_len += len;
	return len;
}

static void on_tcp_event(void *ctx, enum tcp_event event)
{
	((struct guest_conn *)ctx)->events |= 1u << event;
}

static const struct tcp_ops ops = {
	.emit = on_emit, .avail = on_avail, .consumed = on_consumed, .deliver = on_deliver, .event = on_tcp_event
};

static struct guest_conn *free_conn(void)
{
	for (unsigned i = 0; i < GUEST_CONNS; i++)
		if (!conns[i].is_used || conns[i].conn.state == TCPS_CLOSED || conns[i].conn.state == TCPS_TIME_WAIT) {
			if (conns[i].is_used)
				tcp_conn_drop(&conns[i].conn);
			free(conns[i].in);
			conns[i] = (struct guest_conn){ .is_used = true };
			return &conns[i];
		}
	ck_abort_msg("too many connections");
}

static const struct tcp_params params = { .iss = 1000, .ts_offset = 5, .space = 1 << 20, .mtu = GUEST_MTU };

struct guest_conn *guest_connect(unsigned network, const char *dst, uint16_t src_port, uint16_t dst_port)
{
	struct guest_conn *g = free_conn();
	struct tcp_params p = params;

	g->remote = guest_ip(dst);
	p.is_ip6 = g->remote.family == IP_V6;
	g->guest = guest_ip(p.is_ip6 ? "fd05::2" : "10.5.0.2");
	g->guest_port = src_port;
	g->remote_port = dst_port;
	g->network = (uint16_t)network;
	tcp_conn_active(&g->conn, &common, g, &p, clock_now());
	return g;
}

void guest_listen(uint16_t port)
{
	listen_port = port;
	accepted = NULL;
}

struct guest_conn *guest_accepted(void)
{
	return accepted;
}

static void take_tcp(unsigned network, const struct packet *p)
{
	struct tcp_segment seg = { .seq = p->tcp_seq,
				   .ack = p->tcp_ack,
				   .window = p->tcp_window,
				   .flags = p->tcp_flags,
				   .data = p->payload_len ? p->data + p->payload : NULL,
				   .len = p->payload_len };
	struct guest_conn *g = NULL;

	ck_assert(tcp_options_parse(p->data + p->tcp_options, p->tcp_options_len, &seg.opt));
	for (unsigned i = 0; i < GUEST_CONNS && !g; i++)
		if (conns[i].is_used && conns[i].guest_port == p->dst_port && conns[i].remote_port == p->src_port &&
		    conns[i].network == network && ip_equal(&conns[i].remote, &p->src))
			g = &conns[i];
	if (!g && p->dst_port == listen_port && p->tcp_flags == TCP_SYN) {
		g = free_conn();
		g->remote = p->src;
		g->guest = p->dst;
		g->guest_port = p->dst_port;
		g->remote_port = p->src_port;
		g->network = (uint16_t)network;
		ck_assert(tcp_conn_passive(&g->conn, &common, g, &params, &seg, clock_now()));
		tcp_conn_accept(&g->conn, clock_now());
		accepted = g;
		return;
	}
	if (g && g->conn.state != TCPS_CLOSED)
		(void)tcp_conn_input(&g->conn, &seg, clock_now());
}

static void take_frame(unsigned network, const struct ring_record *rec)
{
	struct frame *f = frame_new(NULL, rec->len);
	struct packet p;

	ck_assert_ptr_nonnull(f);
	memcpy(f->data, rec->data, rec->len);
	f->len = rec->len;
	f->offload = rec->offload;
	ck_assert_msg(frame_offload_check(f), "a bad offload header");
	ck_assert_uint_le(frame_payload_len(f), GUEST_MTU);
	ck_assert_int_eq(packet_parse(f, &p), PACKET_OK);
	ck_assert(packet_checksums_ok(&p));
	if (p.proto == PROTO_TCP && !p.is_fragment) {
		take_tcp(network, &p);
		frame_free(f);
	} else {
		ck_assert_uint_lt(n_packets, 256);
		networks_of[n_packets] = network;
		packets[n_packets++] = f;
	}
}

void guest_pump(int timeout_ms)
{
	struct pollfd p[NETWORKS];
	struct ring_record rec;
	uint64_t n;

	for (unsigned i = 0; i < NETWORKS; i++) {
		p[i] = (struct pollfd){ .fd = fds[i].up_kick_fd, .events = POLLIN };
		if (!ring_sleep(&rings[i].rx))
			timeout_ms = 0;
	}
	if (poll(p, NETWORKS, timeout_ms) > 0)
		for (unsigned i = 0; i < NETWORKS; i++)
			if (p[i].revents & POLLIN)
				(void)!read(p[i].fd, &n, sizeof n);
	for (unsigned i = 0; i < NETWORKS; i++) {
		ring_wake(&rings[i].rx);
		while (ring_peek(&rings[i].rx, &rec)) {
			take_frame(i, &rec);
			ring_pop(&rings[i].rx);
		}
		ring_release(&rings[i].rx);
		ck_assert(!rings[i].rx.broken);
	}
	for (unsigned i = 0; i < GUEST_CONNS; i++) {
		struct guest_conn *g = &conns[i];

		if (!g->is_used || g->conn.state == TCPS_CLOSED)
			continue;
		tcp_conn_set_space(&g->conn, params.space, false, clock_now());
		tcp_conn_output(&g->conn, clock_now());
		if (tcp_conn_next(&g->conn) <= clock_now())
			tcp_conn_run(&g->conn, clock_now());
	}
}

bool guest_has(unsigned network)
{
	for (unsigned i = 0; i < n_packets; i++)
		if (networks_of[i] == network)
			return true;
	return false;
}

const struct packet *guest_next(unsigned network)
{
	static struct frame *last;
	static struct packet p;

	for (nsec_t until = clock_now() + PATIENCE_MS * NSEC_PER_MSEC; !guest_has(network) && clock_now() < until;)
		guest_pump(2);
	for (unsigned i = 0; i < n_packets; i++) {
		if (networks_of[i] != network)
			continue;
		frame_free(last);
		last = packets[i];
		n_packets--;
		memmove(&packets[i], &packets[i + 1], (n_packets - i) * sizeof(struct frame *));
		memmove(&networks_of[i], &networks_of[i + 1], (n_packets - i) * sizeof networks_of[0]);
		ck_assert_int_eq(packet_parse(last, &p), PACKET_OK);
		return &p;
	}
	return NULL;
}

/* ---- the outside --------------------------------------------------------------------------- */

static int bound(int type, const char *ip, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = sock_addr(ip, port, &a);
	int fd = socket(a.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_ge(fd, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	ck_assert_msg(bind(fd, (struct sockaddr *)&a, len) == 0, "bind %s: %s", ip, strerror(errno));
	return fd;
}

int outside_udp(const char *ip, uint16_t port)
{
	int fd = bound(SOCK_DGRAM, ip, port), on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
	return fd;
}

int outside_listen(const char *ip, uint16_t port)
{
	int fd = bound(SOCK_STREAM, ip, port);

	ck_assert_int_eq(listen(fd, 128), 0);
	return fd;
}
