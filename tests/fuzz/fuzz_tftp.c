/* tests/fuzz/fuzz_tftp.c: the TFTP server with clients that send anything.
 *
 * Input: steps of 8 bytes: a request of one of 32 clients with options from the input, an ACK near what was sent,
 * any bytes, or time. After each step: messages are well-formed, no block is longer than it may be or from beyond the
 * file, files are as many as sessions, and sessions are bounded. At the end no file is left open. */
#include "core/wire.h"
#include "dhcp/tftp.h"
#include "dhcp/tftp_msg.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = 8, CLIENTS = 32, BLOCK_MAX = 1468, FILE_MAX = 40000 };

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static nsec_t now;
static size_t n_files;
static uint64_t size; /* of the next file */
static uint16_t ports[CLIENTS], blocks[CLIENTS]; /* what each client saw last */

static int on_open(void *ctx, uint32_t network, const char *name, void **ret_file, uint64_t *ret_size)
{
	size_t len = strlen(name);

	(void)ctx;
	MUST(network == 3 && len > 0 && len < TFTP_NAME_SIZE && name[0] != '/' && name[len - 1] != '/');
	MUST(!strstr(name, "//") && strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 && !strstr(name, "/../") &&
	     !(len > 2 && strcmp(name + len - 3, "/..") == 0) && !strchr(name, '\\'));
	if (name[0] == 'n')
		return name[1] == 'x' ? -EACCES : -ENOENT;
	n_files++;
	*ret_file = &n_files;
	*ret_size = size;
	return 0;
}

static ssize_t on_read(void *ctx, void *file, uint64_t offset, void *buf, size_t len)
{
	(void)ctx;
	MUST(file == &n_files && len > 0 && len <= BLOCK_MAX && offset + len <= FILE_MAX);
	memset(buf, offset & 1 ? '\n' : '\r', len);
	return offset % 977 == 976 ? -EIO : offset % 971 == 970 ? (ssize_t)len / 2 : (ssize_t)len;
}

static void on_close(void *ctx, void *file)
{
	(void)ctx;
	MUST(file == &n_files && n_files > 0);
	n_files--;
}

static void on_send(void *ctx, const struct tftp_peer *to, uint16_t port, const uint8_t *msg, size_t len, nsec_t at)
{
	size_t client = to->port - 1000u;
	uint16_t op = load_be16(msg);

	(void)ctx;
	MUST(len >= TFTP_HEAD_LEN && len <= TFTP_HEAD_LEN + BLOCK_MAX && at == now && client < CLIENTS);
	MUST(op == TFTP_DATA || op == TFTP_ERROR || op == TFTP_OACK);
	MUST(port == TFTP_PORT ? op == TFTP_ERROR : port >= TFTP_PORT_FIRST);
	MUST(op == TFTP_DATA || msg[len - 1] == 0);
	ports[client] = port;
	blocks[client] = op == TFTP_DATA ? load_be16(msg + 2) : 0;
}

static void step(struct tftp *t, const uint8_t *b, const uint8_t *rest, size_t len)
{
	static const char *const options[] = { "blksize", "tsize", "timeout", "windowsize" };
	static const char *const names[] = { "a", "/b/./c", "../d", "n", "nx", "e\\f" };
	struct tftp_peer p = {
		.source = b[1] & 7, .network = 3, .port = (uint16_t)(1000 + (b[1] & 31)), .block_max = BLOCK_MAX
	};
	size_t client = b[1] & 31;
	uint8_t buf[128] = { 0 };
	int n;

	(void)ip_parse("10.0.0.2", &p.client);
	(void)ip_parse(b[1] & 32 ? "10.0.0.1" : "10.0.0.9", &p.server);
	size = (uint64_t)load_le16(b + 2) % FILE_MAX;
	switch (b[0] & 3) {
	case 0:
		n = snprintf((char *)buf + 2, sizeof buf - 2, "%s%c%s%c%s%c%u%c%s%c%u", names[b[4] % 6], 0,
			     b[4] & 64 ? "netascii" : "octet", 0, options[b[5] & 3], 0, load_le16(b + 6), 0,
			     options[b[5] >> 2 & 3], 0, b[7]);
		buf[1] = b[4] & 128 ? TFTP_WRQ : TFTP_RRQ;
		MUST(tftp_take(t, &p, TFTP_PORT, buf, (size_t)n + 3, now));
		break;
	case 1:
		buf[1] = b[4] < 8 ? TFTP_ERROR : TFTP_ACK;
		store_be16(buf + 2, (uint16_t)(blocks[client] + (b[4] & 16 ? (int8_t)b[5] : 0)));
		(void)tftp_take(t, &p, ports[client], buf, b[4] & 32 ? b[6] & 3 : 4, now);
		break;
	case 2:
		(void)tftp_take(t, &p, b[4] & 1 ? TFTP_PORT : ports[client], rest, len < 600 ? len : 600, now);
		break;
	case 3:
		now += (nsec_t)load_le16(b + 4) * (NSEC_PER_MSEC / 4);
		tftp_run(t, now);
		MUST(tftp_next(t) > now);
		break;
	}
	MUST(tftp_sessions(t) == n_files && n_files <= 8 * TFTP_SOURCE_MAX);
	MUST((tftp_next(t) == NSEC_NEVER) == (n_files == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct tftp_ops ops = { .open = on_open, .read = on_read, .close = on_close, .send = on_send };
	struct tftp *t;

	now = NSEC_PER_SEC;
	memset(ports, 0, sizeof ports);
	memset(blocks, 0, sizeof blocks);
	MUST(tftp_new(1, &ops, &t) == 0);
	for (size_t i = 0; i + STEP <= len; i += STEP)
		step(t, data + i, data + i, len - i);
	(void)tftp_free(t);
	MUST(n_files == 0);
	return 0;
}
