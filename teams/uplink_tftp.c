/* teams/uplink_tftp.c: files of the host over TFTP.
 *
 * Used by: the uplink.   Depends on: dhcp/tftp.h, core/packet.h.
 * Sources: openat2(2), landlock(7). */
#include "teams/uplink_tftp.h"

#include "core/bytes.h"
#include "core/cleanup.h"
#include "dhcp/tftp.h"
#include "nat/nat.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HOPS = 64, MESSAGE_MAX = 65535 };

struct uplink_tftp {
	const struct part_access *access; /* borrowed */
	const int *folders; /* borrowed */
	struct tftp *tftp;
	uint16_t ip_id;
	uint8_t buf[MESSAGE_MAX];
};

/* ---- files ---------------------------------------------------------------------------------- */

static void *file_of(int fd)
{
	return (void *)(intptr_t)fd;
}

static int fd_of(const void *file)
{
	return (int)(intptr_t)file;
}

static int open_file(void *ctx, uint32_t network, const char *name, void **ret_file, uint64_t *ret_size)
{
	/* Never blocks: a FIFO is opened, and refused. */
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
					   RESOLVE_NO_XDEV };
	struct uplink_tftp *u = ctx;
	/* SYSCALLS(uplink): openat2 fstat */
	CLEANUP(fd) int fd = (int)syscall(SYS_openat2, u->folders[network], name, &how, sizeof how);
	int r = fd < 0 ? -errno : fd_file_size(fd, ret_size);

	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	*ret_file = file_of(take_fd(&fd));
	return 0;
}

static ssize_t read_file(void *ctx, void *file, uint64_t offset, void *buf, size_t len)
{
	size_t at = 0;

	(void)ctx;
	while (at < len) {
		/* SYSCALLS(uplink): pread64 */
		ssize_t n = pread(fd_of(file), (uint8_t *)buf + at, len - at, (off_t)(offset + at));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)at;
}

static void close_file(void *ctx, void *file)
{
	(void)ctx;
	(void)close(fd_of(file));
}

/* ---- packets --------------------------------------------------------------------------------- */

static void send_packet(void *ctx, const struct tftp_peer *to, uint16_t port, const uint8_t *msg, size_t len,
			nsec_t now)
{
	struct uplink_tftp *u = ctx;
	const struct packet_ip ip = {
		.src = to->server, .dst = to->client, .proto = PROTO_UDP, .ttl = HOPS, .id = u->ip_id++
	};
	struct wire_writer w = wire_write_to(u->buf, sizeof u->buf);

	packet_put_ip_udp(&w, &ip, port, to->port, msg, len);
	if (!w.failed)
		(void)u->access->send_ip(u->access->ctx, (uint16_t)to->network, u->buf, wire_put_len(&w), now);
}

/* Who is counted: the guest, by its network and MAC. */
static uint64_t source_of(uint16_t network, const struct mac_addr *mac)
{
	uint64_t n = network;

	for (size_t i = 0; i < MAC_LEN; i++)
		n = n << 8 | mac->b[i];
	return n;
}

static bool take_packet(void *part, uint16_t network, const struct packet *p, nsec_t now)
{
	struct uplink_tftp *u = part;
	size_t heads = (p->kind == PACKET_IPV6 ? PACKET_IPV6_LEN : PACKET_IPV4_LEN) + PACKET_UDP_LEN + 4;
	size_t whole = u->access->networks[network].mtu - heads;
	const struct tftp_peer peer = { .source = source_of(network, &p->eth_src),
					.network = network,
					.client = p->src,
					.server = p->dst,
					.port = p->src_port,
					.block_max = (uint16_t)(whole < 65464 ? whole : 65464) };

	return u->folders[network] >= 0 &&
	       tftp_take(u->tftp, &peer, p->dst_port, p->data + p->payload, p->payload_len, now);
}

/* ---- the part ------------------------------------------------------------------------------------ */

static nsec_t next(const void *part)
{
	return tftp_next(((const struct uplink_tftp *)part)->tftp);
}

static void run(void *part, nsec_t now)
{
	tftp_run(((struct uplink_tftp *)part)->tftp, now);
}

static json_t *counters(const void *part)
{
	const struct tftp *t = ((const struct uplink_tftp *)part)->tftp;
	const struct tftp_counters *c = tftp_counters(t);

	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "sessions", (json_int_t)tftp_sessions(t),
			 "requests", (json_int_t)c->requests, "malformed", (json_int_t)c->malformed, "completed",
			 (json_int_t)c->completed, "aborted", (json_int_t)c->aborted, "timed-out",
			 (json_int_t)c->timed_out, "evicted", (json_int_t)c->evicted, "failed", (json_int_t)c->failed,
			 "not-found", (json_int_t)c->not_found, "denied", (json_int_t)(c->denied + c->writes), "blocks",
			 (json_int_t)c->blocks, "resent", (json_int_t)c->resent);
}

static void close_part(void *part)
{
	struct uplink_tftp *u = part;

	(void)tftp_free(u->tftp);
	free(u);
}

static int open_part(const void *arg, const struct part_access *access, void **ret_part)
{
	const struct uplink_tftp_config *cfg = arg;
	struct uplink_tftp *u = calloc(1, sizeof *u);
	const struct tftp_ops ops = {
		.open = open_file, .read = read_file, .close = close_file, .send = send_packet, .ctx = u
	};
	int r = !u ? -ENOMEM : cfg->n_networks != access->n_networks ? -EINVAL : tftp_new(access->seed, &ops, &u->tftp);

	if (r < 0) {
		free(u);
		return r;
	}
	u->access = access;
	u->folders = cfg->folders;
	*ret_part = u;
	return 0;
}

const struct part_ops uplink_tftp_part = { .name = "tftp",
					   .open = open_part,
					   .packet = take_packet,
					   .next = next,
					   .run = run,
					   .counters = counters,
					   .close = close_part };
