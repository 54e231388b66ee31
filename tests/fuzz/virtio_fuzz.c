/* tests/fuzz/virtio_fuzz.c: a hostile guest driver, steered by bytes.
 *
 * The guest has FUZZ_RAM bytes; as many again lie before and behind them in the
 * same mapping and may not be accessed: a device that reads or writes past the
 * guest's RAM ends there, where the address sanitizer does not look.
 *
 * Used by: tests/fuzz/fuzz_virtio_*.c.   Depends on: tests/vmm/vguest.h. */
#include "tests/fuzz/virtio_fuzz.h"

#include "tests/fuzz/roundtrip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct virtio_fuzz_totals virtio_fuzz_totals;
extern uint64_t fuzz_default_inputs; /* read by driver_main.c */
uint64_t fuzz_default_inputs = 100000;

/* Rings lie below TABLES, indirect tables up to RINGS_END, buffers above. */
enum { TABLES = 0x10000, RINGS_END = 0x20000, CHAIN_MAX = 6 };

enum step { STEP_REGISTER_WRITE, STEP_REGISTER_READ, STEP_NEGOTIATE, STEP_QUEUE, STEP_DRIVER_OK,
	    STEP_CHAIN, STEP_CHAIN_2, STEP_CHAIN_3, STEP_INDIRECT, STEP_KICK, STEP_KICK_2,
	    STEP_HOST, STEP_HOST_2, STEP_BYTES, STEP_AVAIL_JUMP, STEP_PCI, STEP_START, STEP_FILL,
	    STEP_WINDOW, STEP_SAVE, STEP_DRIVER, STEP_DRIVER_2, STEP_COUNT };

static struct virtio_fuzz fuzz;

static void make_ram(struct vguest *g)
{
	vguest_init(g, 3 * FUZZ_RAM);
	if (mprotect(g->mem.host, FUZZ_RAM, PROT_NONE) < 0 ||
	    mprotect(g->mem.host + 2 * FUZZ_RAM, FUZZ_RAM, PROT_NONE) < 0)
		abort();
	g->mem.host += FUZZ_RAM;
	g->mem.size_bytes = g->mem.low_bytes = FUZZ_RAM;
}

struct virtio_fuzz *virtio_fuzz_begin(void)
{
	struct virtio_fuzz *f = &fuzz;

	if (!f->g.mem.host)
		make_ram(&f->g);
	vguest_unplug(&f->g);
	memset(f->g.mem.host, 0, RINGS_END);
	memset(f->queue, 0, sizeof f->queue);
	f->host = NULL;
	f->driver = NULL;
	f->state = NULL;
	f->hold = NULL;
	return f;
}

static uint64_t rings_alloc_reset(struct virtio_fuzz *f)
{
	if (f->g.next > TABLES - 0x3000)
		f->g.next = MEM_PAGE_SIZE;
	return f->g.next;
}

/* True when the driver lies this time: never to one time in nine. */
static bool lies(const struct virtio_fuzz *f, struct wire_reader *in)
{
	return (wire_get_u8(in) & 63) < f->malice;
}

static struct vguest_queue *pick_queue(struct virtio_fuzz *f, struct wire_reader *in)
{
	uint8_t v = wire_get_u8(in);

	return &f->queue[v >= 0xF0 ? v % FUZZ_QUEUE_MAX : v % f->g.p->dev->n_queues];
}

/* Mostly within RAM and short, now and then neither. */
static struct vguest_buf pick_buf(const struct virtio_fuzz *f, struct wire_reader *in)
{
	uint8_t how = wire_get_u8(in);
	struct vguest_buf b = { .write = how & 1 };

	b.gpa = RINGS_END + wire_get_be16(in) * UINT64_C(8);
	b.len = 16 + (wire_get_be16(in) & (how & 2 ? 0xFFF : 0xFF));
	if (!lies(f, in))
		return b;
	switch (how >> 5) {
	case 0:
		b.gpa = wire_get_be64(in);
		break;
	case 1:
		b.gpa = FUZZ_RAM - (wire_get_u8(in) & 31);
		break;
	case 2:
		b.len = wire_get_be32(in);
		break;
	case 3:
		b.len &= 15;
		break;
	default:
		b.gpa = wire_get_be16(in) * UINT64_C(2); /* on the rings */
		break;
	}
	return b;
}

/* What a frame or a control message may begin with. */
static void put_header(struct virtio_fuzz *f, const struct vguest_buf *b, uint16_t v)
{
	uint8_t h[16] = { v & 1, (v >> 1) & 5, 54, 0, (uint8_t)(v >> 8), 2, 34, 0, 16 };

	if (b->write || (v & 0x30))
		return;
	if (v & 8) { /* a console's: port, event, value */
		memset(h, 0, sizeof h);
		h[0] = v >> 8 & 3;
		h[4] = v >> 10 & 7;
		h[6] = v >> 13 & 1;
	}
	(void)mem_dma_write(&f->g.mem, b->gpa, h, b->len < sizeof h ? b->len : sizeof h);
}

/* A right driver waits for what is in flight, and gives no descriptor twice. */
static bool is_free(struct virtio_fuzz *f, const struct vguest_queue *q)
{
	uint16_t used;

	if (!q->size)
		return false;
	used = load_le16(vguest_ptr(&f->g, q->used) + 2);
	return (uint16_t)(q->avail_idx - used) < (q->size + 7) / 8;
}

static bool has_room(struct virtio_fuzz *f, const struct vguest_queue *q, struct wire_reader *in)
{
	return q->size && (is_free(f, q) || lies(f, in));
}

void virtio_fuzz_send(struct virtio_fuzz *f, unsigned q, const struct vguest_buf *buf, unsigned n)
{
	if (!is_free(f, &f->queue[q]))
		return;
	(void)vguest_add(&f->g, &f->queue[q], buf, n);
	vguest_kick(&f->g, &f->queue[q]);
}

/* Buffers in the order a right driver has: all the queue's way, or readable
 * ones first; now and then as they come. */
static void pick_chain(const struct virtio_fuzz *f, const struct vguest_queue *q,
		       struct wire_reader *in, struct vguest_buf *buf, unsigned n)
{
	bool one_way = wire_get_u8(in) & 3;

	for (unsigned i = 0; i < n; i++) {
		buf[i] = pick_buf(f, in);
		if (lies(f, in))
			continue;
		if (one_way)
			buf[i].write = !(q->index & 1);
		else if ((i && buf[i - 1].write) || i + 1 == n)
			buf[i].write = true;
	}
}

static void step_chain(struct virtio_fuzz *f, struct wire_reader *in)
{
	struct vguest_queue *q = pick_queue(f, in);
	struct vguest_buf buf[CHAIN_MAX];
	unsigned n = wire_get_u8(in) % CHAIN_MAX + 1;

	if (!has_room(f, q, in))
		return;
	pick_chain(f, q, in, buf, n);
	put_header(f, &buf[0], wire_get_be16(in));
	vguest_add(&f->g, q, buf, n);
}

static void step_indirect(struct virtio_fuzz *f, struct wire_reader *in)
{
	struct vguest_queue *q = pick_queue(f, in);
	struct vguest_buf buf[CHAIN_MAX];
	uint64_t table = TABLES + wire_get_u8(in) * UINT64_C(256);
	unsigned n = wire_get_u8(in) % CHAIN_MAX + 1;
	uint8_t twist = lies(f, in) ? wire_get_u8(in) : 0;

	if (!has_room(f, q, in))
		return;
	pick_chain(f, q, in, buf, n);
	for (unsigned i = 0; i < n; i++) {
		unsigned flags = (buf[i].write ? VG_DESC_WRITE : 0u) | (i + 1 < n ? VG_DESC_NEXT : 0u);

		vguest_desc(&f->g, table, (uint16_t)i, buf[i].gpa, buf[i].len, (uint16_t)flags,
			    (uint16_t)(i + 1));
	}
	if (twist > 8)
		vguest_desc(&f->g, table, (uint16_t)(twist % n), wire_get_be16(in),
			    wire_get_be16(in), wire_get_u8(in) & 7, wire_get_u8(in));
	vguest_desc(&f->g, q->desc, q->next_desc, table, twist & 1 ? 17u : 16u * n,
		    VG_DESC_INDIRECT, 0);
	vguest_avail(&f->g, q, q->next_desc);
	q->next_desc = (uint16_t)((q->next_desc + 1) & (q->size - 1));
}

/* All the queue's descriptors at once, a buffer each, as for receiving. */
static void step_fill(struct virtio_fuzz *f, struct wire_reader *in)
{
	struct vguest_queue *q = pick_queue(f, in);
	struct vguest_buf buf = pick_buf(f, in);
	uint16_t header = wire_get_be16(in), n;

	if (!q->size || load_le16(vguest_ptr(&f->g, q->used) + 2) != q->avail_idx)
		return;
	if (wire_get_u8(in) & 1)
		buf.len = 16 + wire_get_be16(in);
	buf.write = !(q->index & 1);
	put_header(f, &buf, header);
	n = lies(f, in) ? wire_get_u8(in) & (q->size - 1) : q->size;
	for (uint16_t i = 0; i < n; i++)
		(void)vguest_add(&f->g, q, &buf, 1);
	vguest_kick(&f->g, q);
}

static void step_queue(struct virtio_fuzz *f, struct wire_reader *in)
{
	unsigned index = wire_get_u8(in) % FUZZ_QUEUE_MAX;
	uint16_t size = (uint16_t)(1u << (wire_get_u8(in) % 9));

	(void)rings_alloc_reset(f);
	vguest_queue_up(&f->g, &f->queue[index], index, size);
}

static void bring_up(struct virtio_fuzz *f, uint64_t features, unsigned n_queues, uint16_t size)
{
	f->g.next = MEM_PAGE_SIZE;
	(void)vguest_negotiate(&f->g, features);
	for (unsigned i = 0; i < n_queues; i++) {
		vguest_set(&f->g, VG_QUEUE_SELECT, 2, i);
		if (vguest_get(&f->g, VG_QUEUE_SIZE, 2) < size)
			size = (uint16_t)vguest_get(&f->g, VG_QUEUE_SIZE, 2);
		if (size)
			vguest_queue_up(&f->g, &f->queue[i], i, size);
	}
	vguest_driver_ok(&f->g);
}

static void step_bytes(struct virtio_fuzz *f, struct wire_reader *in)
{
	uint32_t at = wire_get_be16(in) * 2u % RINGS_END;
	uint8_t n = wire_get_u8(in) & 15;

	for (uint8_t i = 0; i < n; i++)
		*vguest_ptr(&f->g, at + i) = wire_get_u8(in);
}

static void step_avail_jump(struct virtio_fuzz *f, struct wire_reader *in)
{
	struct vguest_queue *q = pick_queue(f, in);
	uint8_t how = wire_get_u8(in);

	if (!q->size)
		return;
	q->avail_idx = (uint16_t)(how > 0xF0 ? wire_get_be16(in) : q->avail_idx + (how & 3));
	store_le16(vguest_ptr(&f->g, q->avail) + 2, q->avail_idx);
}

static void step_register_write(struct virtio_fuzz *f, struct wire_reader *in)
{
	unsigned off = wire_get_be16(in) % VIRTIO_PCI_BAR_SIZE, size = 1u << (wire_get_u8(in) & 3);

	if (off & 0x80)
		off &= 0x3F; /* most of them into the common structure */
	bus_mmio_write(&f->g.bus, f->g.bar + off, size, wire_get_be64(in));
}

static void step_register_read(struct virtio_fuzz *f, struct wire_reader *in)
{
	unsigned off = wire_get_be16(in) % VIRTIO_PCI_BAR_SIZE, size = 1u << (wire_get_u8(in) & 3);

	(void)bus_mmio_read(&f->g.bus, f->g.bar + off, size);
}

/* The BARs where the firmware put them. */
static void bars_restore(struct virtio_fuzz *f)
{
	vguest_pci_set(&f->g, PCI_BAR0, 4, (uint32_t)f->g.bar);
	vguest_pci_set(&f->g, PCI_BAR0 + 4, 4, 0);
	vguest_pci_set(&f->g, PCI_BAR0 + 8, 4, (uint32_t)f->msix_bar);
	vguest_pci_set(&f->g, PCI_BAR0 + 12, 4, 0);
	vguest_pci_set(&f->g, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
}

static void step_pci(struct virtio_fuzz *f, struct wire_reader *in)
{
	unsigned off = wire_get_u8(in), size = 1u << (wire_get_u8(in) % 3);

	vguest_pci_set(&f->g, off, size, wire_get_be32(in));
	(void)vguest_pci_get(&f->g, off, size);
	bus_mmio_write(&f->g.bus, f->g.p->pci.bar[VIRTIO_PCI_MSIX_BAR].addr + wire_get_u8(in) * 4u,
		       4, wire_get_be32(in));
	if (wire_get_u8(in) & 7)
		bars_restore(f);
}

/* As firmware without the BAR mapped (virtio 1.2 §4.1.4.9). */
static void step_window(struct virtio_fuzz *f, struct wire_reader *in)
{
	static const unsigned part[] = { VIRTIO_PCI_COMMON, VIRTIO_PCI_ISR, VIRTIO_PCI_DEVICE,
					 VIRTIO_PCI_NOTIFY };
	unsigned cap = f->g.p->window, size = 1u << (wire_get_u8(in) % 3);
	uint8_t how = wire_get_u8(in);

	vguest_pci_set(&f->g, cap + 4, 1, lies(f, in) ? how : VIRTIO_PCI_BAR);
	vguest_pci_set(&f->g, cap + 8, 4,
		       lies(f, in) ? wire_get_be32(in) : part[how & 3] + (how >> 2) / size * size);
	vguest_pci_set(&f->g, cap + 12, 4, lies(f, in) ? how : size);
	if ((how & 3) == 3 || lies(f, in)) /* a doorbell */
		vguest_pci_set(&f->g, cap + 16, size, wire_get_be32(in));
	else
		(void)vguest_pci_get(&f->g, cap + 16, size);
}

/* One time in eight: it costs as much as all other steps of an input. */
static void step_save(const struct virtio_fuzz *f, struct wire_reader *in)
{
	if (!f->state || (wire_get_u8(in) & 7))
		return;
	if (f->hold)
		f->hold(f->ctx, true);
	fuzz_roundtrip(f->state, f->ctx);
	if (f->hold)
		f->hold(f->ctx, false);
}

/* What stands apart from the queues' everyday. */
static void step_rare(struct virtio_fuzz *f, struct wire_reader *in, enum step what)
{
	switch (what) {
	case STEP_WINDOW:
		step_window(f, in);
		break;
	case STEP_SAVE:
		step_save(f, in);
		break;
	case STEP_DRIVER:
	case STEP_DRIVER_2:
		if (f->driver)
			f->driver(f->ctx, f, in);
		break;
	case STEP_BYTES:
		if (lies(f, in))
			step_bytes(f, in);
		break;
	case STEP_AVAIL_JUMP:
		if (lies(f, in))
			step_avail_jump(f, in);
		break;
	default:
		if (lies(f, in))
			step_pci(f, in);
	}
}

static void step(struct virtio_fuzz *f, struct wire_reader *in)
{
	enum step what = wire_get_u8(in) % STEP_COUNT;
	uint64_t features;

	switch (what) {
	case STEP_REGISTER_WRITE:
		if (lies(f, in))
			step_register_write(f, in);
		break;
	case STEP_REGISTER_READ:
		step_register_read(f, in);
		break;
	case STEP_NEGOTIATE:
		if (wire_get_u8(in) < 16)
			(void)vguest_negotiate(&f->g, wire_get_be64(in) & vguest_offered(&f->g));
		break;
	case STEP_START:
		features = wire_get_be64(in) & vguest_offered(&f->g);
		/* What does not go together is refused: often without the rest. */
		if (features & VIRTIO_F_VERSION_1)
			features = vguest_offered(&f->g) & ~(features & 0xF0018000);
		bring_up(f, features | VIRTIO_F_VERSION_1, f->g.p->dev->n_queues, 64);
		break;
	case STEP_QUEUE:
		if (lies(f, in))
			step_queue(f, in);
		break;
	case STEP_DRIVER_OK:
		vguest_driver_ok(&f->g);
		break;
	case STEP_CHAIN:
	case STEP_CHAIN_2:
	case STEP_CHAIN_3:
		step_chain(f, in);
		break;
	case STEP_INDIRECT:
		step_indirect(f, in);
		break;
	case STEP_KICK:
	case STEP_KICK_2:
		vguest_kick(&f->g, &f->queue[wire_get_u8(in) % FUZZ_QUEUE_MAX]);
		break;
	case STEP_HOST:
	case STEP_HOST_2:
		if (f->host)
			f->host(f->ctx, in);
		break;
	case STEP_FILL:
		step_fill(f, in);
		break;
	default:
		step_rare(f, in, what);
	}
}

void virtio_fuzz_run(struct virtio_fuzz *f, struct virtio_pci *p, const uint8_t *data, size_t len)
{
	struct wire_reader in = wire_read_from(data, len);
	uint16_t size;

	vguest_plug(&f->g, p);
	f->msix_bar = p->pci.bar[VIRTIO_PCI_MSIX_BAR].addr;
	for (unsigned i = 0; i < FUZZ_QUEUE_MAX; i++)
		f->queue[i].index = i;
	/* Most inputs find a device that runs. */
	f->malice = wire_get_u8(&in) & 7;
	size = (uint16_t)(8u << wire_get_u8(&in) % 6);
	if (wire_get_u8(&in) & 3)
		bring_up(f, p->dev->offered, p->dev->n_queues, size);
	while (in.left && !in.failed)
		step(f, &in);
}

void virtio_fuzz_recover(struct virtio_fuzz *f, uint64_t without, unsigned n_queues)
{
	bars_restore(f);
	bring_up(f, f->g.p->dev->offered & ~without, n_queues, 64);
	if (vguest_get(&f->g, VG_STATUS, 1) != VG_ALL_READY) {
		fprintf(stderr, "the device does not come up again\n");
		abort();
	}
}

void virtio_fuzz_end(struct virtio_fuzz *f)
{
	const struct virtio_dev *d = f->g.p->dev;

	virtio_fuzz_totals.inputs++;
	virtio_fuzz_totals.breaks += d->n_breaks;
	virtio_fuzz_totals.interrupts += d->n_interrupts;
}
