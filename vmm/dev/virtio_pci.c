/* vmm/dev/virtio_pci.c: virtio over PCI, the modern interface.
 *
 * Five vendor capabilities tell the driver where the structures lie; four of
 * them name a quarter of one 16 KiB BAR each, the fifth (pci-cfg) is a window
 * through which firmware reaches that BAR by configuration accesses. Each
 * queue has its own doorbell, so a doorbell's address says all.
 *
 * Reads of the common structure are served out of a copy built for the access:
 * it has no read side effect, so any width and offset is right. Writes must
 * have their field's width (§4.1.3.1); 64-bit addresses come in halves or whole.
 *
 * Without MSI-X the function asserts INTA# while a bit of ISR is set (§4.1.4.5.1).
 *
 * MSI-X vectors: one a queue and one for the configuration, as many as there
 * are; a vector the table has not reads back as NO_VECTOR (§4.1.5.1.2).
 *
 * Used by: vmm/dev/virtio_{net,console,rng}.c, vmm/machine.c.
 * Depends on: vmm/dev/{pci,msix,virtio}.h.   Sources: virtio 1.2 §4.1. */
#include "vmm/dev/virtio_pci.h"

#include "core/state.h"
#include "core/wire.h"

#include <string.h>

enum {
	PCI_VENDOR_VIRTIO = 0x1AF4, /* §4.1.2 */
	PCI_DEVICE_VIRTIO = 0x1040, /* plus the device id */
	PCI_SUBSYSTEM_VIRTIO = 0x1100,
};

/* Capability types and layout (§4.1.4). */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_PCI_WINDOW = 5 };
enum { CAP_LEN = 16, CAP_EXTRA_LEN = 20, CAP_TYPE_AT = 3, CAP_BAR_AT = 4, CAP_OFFSET_AT = 8,
       CAP_LENGTH_AT = 12, CAP_EXTRA_AT = 16 };

/* The common structure (§4.1.4.3). */
enum { R_OFFERED_SELECT = 0, R_OFFERED = 4, R_ACCEPTED_SELECT = 8, R_ACCEPTED = 12,
       R_CONFIG_VECTOR = 16, R_N_QUEUES = 18, R_STATUS = 20, R_GENERATION = 21,
       R_QUEUE_SELECT = 22, R_QUEUE_SIZE = 24, R_QUEUE_VECTOR = 26, R_QUEUE_ENABLE = 28,
       R_QUEUE_NOTIFY_OFF = 30, R_QUEUE_DESC = 32, R_QUEUE_AVAIL = 40, R_QUEUE_USED = 48 };

static void intx_update(struct virtio_pci *p)
{
	pci_intx_set(&p->pci, p->dev->isr && !msix_enabled(&p->msix));
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(features >> (select * 32));
}

static uint64_t slice(const uint8_t *from, size_t len, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		if (off < len && i < len - off)
			v |= (uint64_t)from[off + i] << (8 * i);
	return v;
}

static uint64_t common_read(const struct virtio_pci *p, uint64_t off, unsigned size)
{
	const struct virtio_dev *d = p->dev;
	uint8_t r[VIRTIO_PCI_COMMON_LEN] = { 0 };

	store_le32(r + R_OFFERED_SELECT, p->offered_select);
	store_le32(r + R_OFFERED, feature_word(d->offered, p->offered_select));
	store_le32(r + R_ACCEPTED_SELECT, p->accepted_select);
	store_le32(r + R_ACCEPTED, feature_word(d->accepted, p->accepted_select));
	store_le16(r + R_CONFIG_VECTOR, d->config_vector);
	store_le16(r + R_N_QUEUES, d->n_queues);
	r[R_STATUS] = d->status;
	r[R_GENERATION] = d->generation;
	store_le16(r + R_QUEUE_SELECT, p->queue_select);
	if (p->queue_select < d->n_queues) {
		const struct virtqueue *vq = &d->queue[p->queue_select];

		store_le16(r + R_QUEUE_SIZE, vq->size);
		store_le16(r + R_QUEUE_VECTOR, d->queue_vector[p->queue_select]);
		store_le16(r + R_QUEUE_ENABLE, vq->enabled);
		store_le16(r + R_QUEUE_NOTIFY_OFF, p->queue_select);
		store_le64(r + R_QUEUE_DESC, vq->desc_gpa);
		store_le64(r + R_QUEUE_AVAIL, vq->avail_gpa);
		store_le64(r + R_QUEUE_USED, vq->used_gpa);
	}
	return slice(r, sizeof r, off, size);
}

/* A write of @size bytes at @at within a 64-bit address. */
static void set_address(uint64_t *addr, unsigned at, unsigned size, uint64_t v)
{
	if (size == 8 && at == 0)
		*addr = v;
	else if (size == 4 && (at == 0 || at == 4))
		*addr = (*addr & ~(UINT64_C(0xFFFFFFFF) << (8 * at))) | (v & 0xFFFFFFFF) << (8 * at);
}

static void queue_write(struct virtio_pci *p, unsigned off, unsigned size, uint64_t v)
{
	struct virtio_dev *d = p->dev;
	struct virtqueue *vq;

	if (!virtio_queue_open(d, p->queue_select))
		return;
	vq = &d->queue[p->queue_select];
	if (off == R_QUEUE_SIZE && size == 2) {
		/* A size that cannot be is found when the queue is enabled. */
		vq->size = (uint16_t)v;
	} else if (off == R_QUEUE_ENABLE && size == 2) {
		if (v == 1)
			virtio_enable_queue(d, p->queue_select);
	} else if (off >= R_QUEUE_USED) {
		set_address(&vq->used_gpa, off - R_QUEUE_USED, size, v);
	} else if (off >= R_QUEUE_AVAIL) {
		set_address(&vq->avail_gpa, off - R_QUEUE_AVAIL, size, v);
	} else if (off >= R_QUEUE_DESC) {
		set_address(&vq->desc_gpa, off - R_QUEUE_DESC, size, v);
	}
}

static uint16_t vector_or_none(const struct virtio_pci *p, uint64_t v)
{
	return v < p->msix.n_vectors ? (uint16_t)v : VIRTIO_NO_VECTOR;
}

static void common_write(struct virtio_pci *p, unsigned off, unsigned size, uint64_t v)
{
	struct virtio_dev *d = p->dev;

	if (off >= R_QUEUE_DESC || (off == R_QUEUE_SIZE || off == R_QUEUE_ENABLE)) {
		queue_write(p, off, size, v);
		return;
	}
	switch (off << 4 | size) {
	case R_OFFERED_SELECT << 4 | 4:
		p->offered_select = (uint32_t)v;
		break;
	case R_ACCEPTED_SELECT << 4 | 4:
		p->accepted_select = (uint32_t)v;
		break;
	case R_ACCEPTED << 4 | 4:
		virtio_set_features(d, p->accepted_select, (uint32_t)v);
		break;
	case R_CONFIG_VECTOR << 4 | 2:
		d->config_vector = vector_or_none(p, v);
		break;
	case R_STATUS << 4 | 1:
		virtio_set_status(d, (uint8_t)v);
		intx_update(p); /* a reset clears ISR */
		break;
	case R_QUEUE_SELECT << 4 | 2:
		p->queue_select = (uint16_t)v;
		break;
	case R_QUEUE_VECTOR << 4 | 2:
		if (p->queue_select < d->n_queues)
			d->queue_vector[p->queue_select] = vector_or_none(p, v);
		break;
	default:
		break;
	}
}

uint64_t virtio_pci_read(void *ctx, uint64_t off, unsigned size)
{
	struct virtio_pci *p = ctx;
	uint8_t isr;

	if (off < VIRTIO_PCI_ISR)
		return common_read(p, off, size);
	if (off == VIRTIO_PCI_ISR) {
		isr = p->dev->isr;
		p->dev->isr = 0; /* reading clears (§4.1.4.5) */
		intx_update(p);
		return isr;
	}
	if (off >= VIRTIO_PCI_DEVICE && off < VIRTIO_PCI_NOTIFY)
		return slice(p->dev->config, p->dev->config_len, off - VIRTIO_PCI_DEVICE, size);
	return 0;
}

void virtio_pci_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct virtio_pci *p = ctx;

	if (off < VIRTIO_PCI_COMMON_LEN)
		common_write(p, (unsigned)off, size, v);
	else if (off >= VIRTIO_PCI_DEVICE && off < VIRTIO_PCI_DEVICE + VIRTIO_CONFIG_MAX &&
		 p->dev->ops->config_write)
		p->dev->ops->config_write(p->dev->ctx, (unsigned)off - VIRTIO_PCI_DEVICE, size, v);
	else if (off >= VIRTIO_PCI_NOTIFY && off < VIRTIO_PCI_BAR_SIZE)
		virtio_notify(p->dev, (unsigned)(off - VIRTIO_PCI_NOTIFY) / VIRTIO_PCI_NOTIFY_STEP);
}

static const struct bus_ops bar_ops = { .read = virtio_pci_read, .write = virtio_pci_write };

/* ---- the pci-cfg window (§4.1.4.9) ---------------------------------------- */

/* Where the window points. False unless it is an aligned piece of the BAR. */
static bool window_target(const struct virtio_pci *p, uint32_t *ret_off, unsigned *ret_size)
{
	const uint8_t *cap = p->pci.config + p->window;
	uint32_t off = load_le32(cap + CAP_OFFSET_AT), len = load_le32(cap + CAP_LENGTH_AT);

	if (cap[CAP_BAR_AT] != VIRTIO_PCI_BAR || (len != 1 && len != 2 && len != 4))
		return false;
	if (off % len || off > VIRTIO_PCI_BAR_SIZE - len)
		return false;
	*ret_off = off;
	*ret_size = len;
	return true;
}

static bool touches_window(const struct virtio_pci *p, unsigned off, unsigned len)
{
	unsigned at = p->window + CAP_EXTRA_AT;

	return off < at + 4 && off + len > at;
}

static void config_reading(void *ctx, unsigned off, unsigned len)
{
	struct virtio_pci *p = ctx;
	uint32_t target;
	unsigned size;

	if (touches_window(p, off, len) && window_target(p, &target, &size))
		store_le32(p->pci.config + p->window + CAP_EXTRA_AT,
			   (uint32_t)virtio_pci_read(p, target, size));
}

/* Rings and interrupts are memory accesses of ours, which take bus mastering.
 * Source: PCI 3.0 §6.2.2 */
static void command_written(struct virtio_pci *p)
{
	virtio_set_dma(p->dev, p->pci.config[PCI_COMMAND] & PCI_COMMAND_MASTER);
	p->pci.msix_written(p->pci.msix_ctx);
}

static void config_written(void *ctx, unsigned off, unsigned len)
{
	struct virtio_pci *p = ctx;
	uint32_t target;
	unsigned size;

	if (off < PCI_COMMAND + 2 && off + len > PCI_COMMAND)
		command_written(p);
	if (off < p->pci.msix_cap + 4u && off + len > p->pci.msix_cap)
		intx_update(p);
	if (touches_window(p, off, len) && window_target(p, &target, &size))
		virtio_pci_write(p, target, size,
				 slice(p->pci.config + p->window + CAP_EXTRA_AT, 4, 0, size));
}

static const struct pci_ops pci_hooks = { .config_reading = config_reading,
					  .config_written = config_written };

/* ---- assembly -------------------------------------------------------------- */

static void raise_vector(void *ctx, uint16_t vector)
{
	struct virtio_pci *p = ctx;

	intx_update(p);
	if (vector != VIRTIO_NO_VECTOR)
		msix_notify(&p->msix, vector);
}

static unsigned cap_add(struct virtio_pci *p, uint8_t type, uint32_t off, uint32_t len,
			unsigned cap_len)
{
	unsigned at = pci_cap_add(&p->pci, PCI_CAP_VENDOR, cap_len);
	uint8_t *cap = p->pci.config + at;

	cap[2] = (uint8_t)cap_len;
	cap[CAP_TYPE_AT] = type;
	cap[CAP_BAR_AT] = VIRTIO_PCI_BAR;
	store_le32(cap + CAP_OFFSET_AT, off);
	store_le32(cap + CAP_LENGTH_AT, len);
	return at;
}

void virtio_pci_init(struct virtio_pci *p, struct virtio_dev *dev, uint32_t class_code)
{
	struct pci_id id = { .vendor = PCI_VENDOR_VIRTIO, .subvendor = PCI_VENDOR_VIRTIO,
			     .device = (uint16_t)(PCI_DEVICE_VIRTIO + dev->id),
			     .subdevice = PCI_SUBSYSTEM_VIRTIO, .class_code = class_code,
			     .revision = 1 };
	unsigned n_vectors = dev->n_queues + 1U, at;

	*p = (struct virtio_pci){ .dev = dev };
	pci_dev_init(&p->pci, &id, &pci_hooks, p);
	pci_intx_add(&p->pci);
	pci_bar_add(&p->pci, VIRTIO_PCI_BAR, VIRTIO_PCI_BAR_SIZE, &bar_ops, p);
	msix_init(&p->msix, &p->pci, VIRTIO_PCI_MSIX_BAR,
		  n_vectors > MSIX_VECTOR_MAX ? MSIX_VECTOR_MAX : n_vectors);
	(void)cap_add(p, CAP_COMMON, VIRTIO_PCI_COMMON, VIRTIO_PCI_COMMON_LEN, CAP_LEN);
	(void)cap_add(p, CAP_ISR, VIRTIO_PCI_ISR, 1, CAP_LEN);
	if (dev->config_len)
		p->device_cap = (uint8_t)cap_add(p, CAP_DEVICE, VIRTIO_PCI_DEVICE, dev->config_len, CAP_LEN);
	at = cap_add(p, CAP_NOTIFY, VIRTIO_PCI_NOTIFY,
		     (uint32_t)dev->n_queues * VIRTIO_PCI_NOTIFY_STEP, CAP_EXTRA_LEN);
	store_le32(p->pci.config + at + CAP_EXTRA_AT, VIRTIO_PCI_NOTIFY_STEP);
	at = cap_add(p, CAP_PCI_WINDOW, 0, 0, CAP_EXTRA_LEN);
	p->window = (uint8_t)at;
	p->pci.wmask[at + CAP_BAR_AT] = 0xFF;
	memset(p->pci.wmask + at + CAP_OFFSET_AT, 0xFF, CAP_EXTRA_LEN - CAP_OFFSET_AT);
	dev->raise = raise_vector;
	dev->raise_ctx = p;
}

void virtio_pci_set_config_len(struct virtio_pci *p, uint16_t len)
{
	p->dev->config_len = len;
	store_le32(p->pci.config + p->device_cap + CAP_LENGTH_AT, len);
}

void virtio_pci_set_bells(struct virtio_pci *p, unsigned first, unsigned step, unsigned n)
{
	struct bus_region *r = &p->pci.bar[VIRTIO_PCI_BAR].region;

	r->bell_off = VIRTIO_PCI_NOTIFY + first * VIRTIO_PCI_NOTIFY_STEP;
	r->bell_step = (uint16_t)(step * VIRTIO_PCI_NOTIFY_STEP);
	r->n_bells = (uint16_t)n;
}

void virtio_pci_state(struct virtio_pci *p, struct state *s)
{
	pci_dev_state(&p->pci, s);
	msix_state(&p->msix, s);
	state_u32(s, &p->offered_select);
	state_u32(s, &p->accepted_select);
	state_u16(s, &p->queue_select);
	virtio_state(p->dev, s);
	if (!state_is_load(s) || !state_ok(s))
		return;
	pci_intx_restore(&p->pci, p->dev->isr && !msix_enabled(&p->msix));
	/* Not virtio_set_dma(), which would serve the queues at once. */
	p->dev->may_dma = p->pci.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
	for (unsigned q = 0; q < p->dev->n_queues; q++)
		p->dev->queue[q].held = !p->dev->may_dma;
}
