/* vmm/dev/virtio_console.c: byte streams between guest and host by name.
 *
 * The driver learns of the ports over two control queues: it says
 * DEVICE_READY, we add each port, it says PORT_READY, we give the name and
 * whether the host side is open, and both sides tell each other when a port is
 * opened or closed. What we owe the driver is kept as three bits a port, not
 * as a list: a guest that never takes its messages makes nothing grow.
 *
 * Nothing is buffered here in either direction. Bytes from the guest stay in
 * its queue until the fd takes them (`sent` says how far the first chain is);
 * bytes for the guest stay in the socket until the guest has the port open and
 * has given a buffer. So each side feels the other's back-pressure, and no
 * call blocks. The loop is asked to watch the fd only for what can go on.
 *
 * The host side is gone at end of file or error: the guest is told, and what it
 * then sends is taken and dropped, as of a cable that hangs in the air.
 *
 * While the machine is paused the device is held: no fd is in the loop, and what
 * was waited for is remembered.
 *
 * Used by: vmm/devices.c.   Depends on: vmm/dev/virtio_pci.h, core/loop.h.
 * Sources: virtio 1.2 §5.3. */
#include "vmm/dev/virtio_console.h"

#include "core/loop.h"
#include "core/state.h"
#include "core/wire.h"
#include "vmm/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE_SIZE = 64, CLASS_SIMPLE_COMM = 0x078000, CTRL_LEN = 8, COPY_SIZE = 4096,
       /* Bytes a port sends in one go: a guest whose chains repeat a buffer may have
	* gigabytes in its queue, and the machine has more to do. */
       SEND_MAX = 64 * 1024 };
/* The configuration space (§5.3.4): cols, rows, max_nr_ports, emerg_wr. */
enum { CFG_MAX_PORTS = 4, CFG_LEN = 8 };

static void port_watch(struct virtio_console_port *p, uint32_t events);

/* ---- what we tell the driver -------------------------------------------------- */

/* Sends one control message. False when the driver has no buffer for it. */
static bool ctrl_send(struct virtio_console *c, unsigned id, uint16_t event, uint16_t value,
		      const char *text)
{
	struct virtqueue *vq = &c->dev.queue[VIRTIO_CONSOLE_CTRL_RXQ];
	uint8_t msg[CTRL_LEN + VIRTIO_CONSOLE_NAME_SIZE];
	size_t text_len = strlen(text);
	struct vq_cursor cur = { 0 };

	if (!virtio_pop(&c->dev, VIRTIO_CONSOLE_CTRL_RXQ, &c->chain))
		return false;
	store_le32(msg, id);
	store_le16(msg + 4, event);
	store_le16(msg + 6, value);
	memcpy(msg + CTRL_LEN, text, text_len);
	vq_push(vq, c->chain.head,
		(uint32_t)vq_write(vq->mem, &c->chain, &cur, msg, CTRL_LEN + text_len));
	return true;
}

/* Pays what is owed to the driver. False when it has too few buffers. */
static bool ctrl_pay_some(struct virtio_console *c)
{
	bool paid = true;

	for (size_t i = 0; paid && i < c->n_ports; i++) {
		struct virtio_console_port *p = &c->port[i];

		if (p->owes_add)
			p->owes_add = !(paid = ctrl_send(c, p->id, VIRTIO_CONSOLE_DEVICE_ADD, 1, ""));
		if (paid && p->owes_name)
			p->owes_name = !(paid = ctrl_send(c, p->id, VIRTIO_CONSOLE_PORT_NAME, 1,
							  p->name));
		if (paid && p->owes_open)
			p->owes_open = !(paid = ctrl_send(c, p->id, VIRTIO_CONSOLE_PORT_OPEN,
							  p->fd >= 0, ""));
	}
	return paid;
}

static void ctrl_pay(struct virtio_console *c)
{
	bool paid;

	do {
		paid = ctrl_pay_some(c);
		virtio_publish(&c->dev, VIRTIO_CONSOLE_CTRL_RXQ);
	} while (!paid && vq_ask_notify(&c->dev.queue[VIRTIO_CONSOLE_CTRL_RXQ], true) &&
		 virtio_live(&c->dev));
}

/* ---- the streams --------------------------------------------------------------- */

/* The host side ended. */
static void port_hang_up(struct virtio_console_port *p)
{
	port_watch(p, 0);
	p->fd = -1;
	p->sent = 0;
	p->owes_open = p->guest_ready;
	ctrl_pay(p->console);
}

/* write(2) on a stream, without SIGPIPE where it is a socket. */
static ssize_t stream_write(int fd, const void *buf, size_t len)
{
	/* SYSCALLS(machine): sendto(4 null) write */
	ssize_t r = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return r < 0 && errno == ENOTSOCK ? write(fd, buf, len) : r;
}

/* Writes the chain in c->chain from p->sent on, at most *budget bytes. False
 * when the fd would block, or the budget is used up. */
static bool chain_to_fd(struct virtio_console_port *p, uint32_t *budget)
{
	const struct vq_chain *c = &p->console->chain;
	uint32_t at = 0;

	for (uint16_t i = 0; i < c->n_out; at += c->seg[i++].len) {
		while (p->fd >= 0 && p->sent < at + c->seg[i].len) {
			uint32_t skip = p->sent - at, len = c->seg[i].len - skip;
			ssize_t n;

			if (*budget == 0)
				return false;
			n = stream_write(p->fd, c->seg[i].host + skip, len < *budget ? len : *budget);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
				return false;
			if (n <= 0) {
				port_hang_up(p);
				return false; /* c->chain was used for the message */
			}
			p->sent += (uint32_t)n;
			*budget -= (uint32_t)n;
			p->bytes_out += (uint64_t)n;
		}
	}
	return true;
}

/* Guest to host, as far as the fd takes it. Returns true when it waits for it. */
static bool port_send(struct virtio_console_port *p)
{
	struct virtio_console *c = p->console;
	unsigned q = virtio_console_txq(p->id);
	struct virtqueue *vq = &c->dev.queue[q];
	uint32_t budget = SEND_MAX;
	bool blocked = false;

	do {
		while (!blocked && virtio_pop(&c->dev, q, &c->chain)) {
			if (p->fd < 0) {
				p->bytes_dropped += c->chain.out_len;
			} else if (!chain_to_fd(p, &budget)) {
				vq_unpop(vq, 1);
				blocked = p->fd >= 0;
				continue;
			}
			p->sent = 0;
			vq_push(vq, c->chain.head, 0);
		}
		virtio_publish(&c->dev, q);
	} while (vq_ask_notify(vq, !blocked) && virtio_live(&c->dev));
	return blocked;
}

/* Fills the writable part of c->chain from the fd. Returns the bytes; 0 when
 * there are none now; -1 at the end of the stream. */
static ssize_t chain_from_fd(struct virtio_console_port *p)
{
	struct virtio_console *c = p->console;
	uint8_t buf[COPY_SIZE];
	struct vq_cursor cur = { 0 };
	size_t want = c->chain.in_len < sizeof buf ? c->chain.in_len : sizeof buf;
	ssize_t n;

	do
		/* SYSCALLS(machine): read */
		n = read(p->fd, buf, want);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	if (n == 0)
		return -1;
	return (ssize_t)vq_write(c->dev.queue[0].mem, &c->chain, &cur, buf, (size_t)n);
}

/* Host to guest, as far as there are buffers. Returns true when it waits for
 * bytes of the fd. */
static bool port_receive(struct virtio_console_port *p)
{
	struct virtio_console *c = p->console;
	unsigned q = virtio_console_rxq(p->id);
	struct virtqueue *vq = &c->dev.queue[q];
	bool more = true, waits = false;

	while (more && p->fd >= 0 && p->guest_open) {
		ssize_t n;

		if (!virtio_pop(&c->dev, q, &c->chain)) {
			more = vq_ask_notify(vq, true) && virtio_live(&c->dev);
			continue;
		}
		if (c->chain.in_len == 0) {
			vq_push(vq, c->chain.head, 0); /* a buffer for nothing */
			continue;
		}
		n = chain_from_fd(p);
		if (n <= 0) {
			vq_unpop(vq, 1);
			waits = n == 0;
			if (n < 0)
				port_hang_up(p);
			break;
		}
		vq_push(vq, c->chain.head, (uint32_t)n);
		p->bytes_in += (uint64_t)n;
	}
	virtio_publish(&c->dev, q);
	return waits;
}

/* Moves what can move, both ways, then waits for what cannot. */
static void port_run(struct virtio_console_port *p)
{
	uint32_t events = 0;

	if (!virtio_live(&p->console->dev)) {
		port_watch(p, 0);
		return;
	}
	if (port_send(p))
		events |= EPOLLOUT;
	if (port_receive(p))
		events |= EPOLLIN;
	port_watch(p, p->fd >= 0 ? events : 0);
}

/* ---- the loop ------------------------------------------------------------------- */

static void on_fd(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	port_run(ctx);
}

/* Has the loop wait for @events of the port's fd. With none the fd leaves the
 * loop, which would otherwise report a hang-up for ever. */
static void port_watch(struct virtio_console_port *p, uint32_t events)
{
	struct loop *loop = p->console->loop;

	if (events == p->wanted)
		return;
	p->wanted = events;
	if (!loop || p->console->held)
		return;
	if (p->source && events && loop_set_events(p->source, events) == 0)
		return;
	p->source = loop_remove(p->source);
	if (events && loop_add_fd(loop, p->fd, events, on_fd, p, &p->source) < 0)
		p->wanted = 0;
}

/* ---- what the driver tells us ----------------------------------------------------- */

static struct virtio_console_port *port_find(struct virtio_console *c, uint32_t id)
{
	return id >= 1 && id <= c->n_ports ? &c->port[id - 1] : NULL;
}

/* One control message.   Source: §5.3.6.2 */
static void ctrl_take(struct virtio_console *c, const uint8_t *msg)
{
	uint16_t event = load_le16(msg + 4), value = load_le16(msg + 6);
	struct virtio_console_port *p = port_find(c, load_le32(msg));

	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		for (size_t i = 0; value == 1 && i < c->n_ports; i++)
			c->port[i].owes_add = true;
		return;
	}
	if (!p)
		return;
	if (event == VIRTIO_CONSOLE_PORT_READY && value == 1) {
		p->guest_ready = true;
		p->owes_name = true;
		p->owes_open = p->fd >= 0;
	} else if (event == VIRTIO_CONSOLE_PORT_OPEN) {
		p->guest_open = value != 0;
	}
}

static void ctrl_run(struct virtio_console *c)
{
	struct virtqueue *vq = &c->dev.queue[VIRTIO_CONSOLE_CTRL_TXQ];

	do {
		while (virtio_pop(&c->dev, VIRTIO_CONSOLE_CTRL_TXQ, &c->chain)) {
			uint8_t msg[CTRL_LEN];
			struct vq_cursor cur = { 0 };

			if (vq_read(&c->chain, &cur, msg, sizeof msg) == sizeof msg)
				ctrl_take(c, msg);
			vq_push(vq, c->chain.head, 0);
		}
		virtio_publish(&c->dev, VIRTIO_CONSOLE_CTRL_TXQ);
	} while (vq_ask_notify(vq, true) && virtio_live(&c->dev));
	ctrl_pay(c);
	for (size_t i = 0; i < c->n_ports; i++)
		port_run(&c->port[i]);
}

static void on_notify(void *ctx, unsigned q)
{
	struct virtio_console *c = ctx;

	if (q == VIRTIO_CONSOLE_CTRL_TXQ)
		ctrl_run(c);
	else if (q == VIRTIO_CONSOLE_CTRL_RXQ)
		ctrl_pay(c);
	else if (q >= virtio_console_rxq(1))
		port_run(&c->port[(q - virtio_console_rxq(1)) / 2]);
}

static void on_started(void *ctx)
{
	ctrl_run(ctx);
}

static void port_reset(struct virtio_console_port *p)
{
	port_watch(p, 0);
	p->guest_ready = p->guest_open = false;
	p->owes_add = p->owes_name = p->owes_open = false;
	p->sent = 0;
}

static void on_reset(void *ctx)
{
	struct virtio_console *c = ctx;

	for (size_t i = 0; i < c->n_ports; i++)
		port_reset(&c->port[i]);
}

static const struct virtio_ops console_ops = { .notify = on_notify, .started = on_started,
					       .reset = on_reset };

void virtio_console_ready(struct virtio_console *c, size_t index)
{
	if (index < c->n_ports && !c->held)
		port_run(&c->port[index]);
}

void virtio_console_connect(struct virtio_console *c, size_t index, int fd)
{
	struct virtio_console_port *p;

	if (index >= c->n_ports)
		return;
	p = &c->port[index];
	port_watch(p, 0);
	p->fd = fd;
	p->sent = 0;
	if (fd >= 0)
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	p->connected_held = c->held;
	if (c->held)
		return;
	p->owes_open = p->guest_ready;
	ctrl_pay(c);
	port_run(p);
}

int virtio_console_new(const struct virtio_console_config *cfg, struct virtio_console **ret)
{
	struct virtio_console *c;

	if (cfg->n_ports < 1 || cfg->n_ports > VIRTIO_CONSOLE_PORT_MAX)
		return -EINVAL;
	c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->loop = cfg->loop;
	c->n_ports = cfg->n_ports;
	virtio_init(&c->dev, VIRTIO_ID_CONSOLE, cfg->mem, VIRTIO_CONSOLE_F_MULTIPORT,
		    (uint16_t)(virtio_console_txq((unsigned)cfg->n_ports) + 1), QUEUE_SIZE,
		    &console_ops, c);
	store_le32(c->dev.config + CFG_MAX_PORTS, (uint32_t)cfg->n_ports + 1);
	c->dev.config_len = CFG_LEN;
	virtio_pci_init(&c->pci, &c->dev, CLASS_SIMPLE_COMM);
	for (size_t i = 0; i < cfg->n_ports; i++) {
		struct virtio_console_port *p = &c->port[i];

		p->console = c;
		p->id = (unsigned)i + 1;
		p->fd = cfg->ports[i].fd;
		(void)snprintf(p->name, sizeof p->name, "%s", cfg->ports[i].name);
		if (p->fd >= 0)
			(void)fcntl(p->fd, F_SETFL, fcntl(p->fd, F_GETFL) | O_NONBLOCK);
	}
	*ret = c;
	return 0;
}

struct virtio_console *virtio_console_free(struct virtio_console *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_ports; i++)
		port_watch(&c->port[i], 0);
	free(c);
	return NULL;
}

static void port_hold(struct virtio_console_port *p)
{
	p->source = loop_remove(p->source);
}

/* The fd is watched again for what it was; or the guest is told of the new one. */
static void port_let_go(struct virtio_console_port *p)
{
	uint32_t events = p->fd >= 0 ? p->wanted : 0;

	p->wanted = 0;
	if (p->connected_held) {
		p->connected_held = false;
		p->owes_open = p->guest_ready;
		if (virtio_live(&p->console->dev))
			ctrl_pay(p->console);
		port_run(p);
	} else {
		port_watch(p, events);
	}
}

void virtio_console_hold(struct virtio_console *c, bool on)
{
	if (c->held == on)
		return;
	c->held = on;
	for (size_t i = 0; i < c->n_ports; i++) {
		if (on)
			port_hold(&c->port[i]);
		else
			port_let_go(&c->port[i]);
	}
}

/* ---- state ------------------------------------------------------------------------ */

static void port_state(struct virtio_console_port *p, struct state *s)
{
	bool *const flag[] = { &p->guest_ready, &p->guest_open, &p->owes_add, &p->owes_name,
			       &p->owes_open };
	bool connected = p->fd >= 0;

	state_bool(s, &connected);
	for (size_t i = 0; i < sizeof flag / sizeof flag[0]; i++)
		state_bool(s, flag[i]);
	state_u32(s, &p->wanted);
	state_expect(s, !(p->wanted & ~(uint32_t)(EPOLLIN | EPOLLOUT)), "events that are none");
	state_u32(s, &p->sent);
	state_u64(s, &p->bytes_in);
	state_u64(s, &p->bytes_out);
	state_u64(s, &p->bytes_dropped);
	if (state_is_load(s))
		p->connected_held = connected != (p->fd >= 0);
}

void virtio_console_state(struct virtio_console *c, struct state *s)
{
	if (state_is_load(s))
		virtio_console_hold(c, true);
	(void)state_begin(s, "vcon", 0, 1);
	state_same(s, c->n_ports, "ports");
	virtio_pci_state(&c->pci, s);
	for (size_t i = 0; i < c->n_ports; i++)
		port_state(&c->port[i], s);
	state_end(s);
}

/* ---- in the machine -------------------------------------------------------------- */

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	(void)index;
	virtio_console_state(dev, s);
}

static void dev_hold(void *dev, bool on)
{
	virtio_console_hold(dev, on);
}

static void dev_free(void *dev)
{
	(void)virtio_console_free(dev);
}

const struct device_ops virtio_console_ops = {
	.name = "virtio-console", .state = dev_state, .hold = dev_hold, .free = dev_free
};

int virtio_console_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	const struct virtio_console_port_config port = { .name = "org.qemu.guest_agent.0",
							 .fd = host->cfg->agent_fd };
	const struct virtio_console_config cfg = { .mem = host->mem, .loop = host->loop,
						   .ports = &port, .n_ports = 1 };
	struct virtio_console *c;
	int r = virtio_console_new(&cfg, &c);

	(void)index;
	if (r == 0)
		*ret_device = (struct device){ .ops = &virtio_console_ops, .dev = c, .pci = &c->pci.pci };
	return r;
}
