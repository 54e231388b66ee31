/* vmm/dev/msix.c: MSI-X: the table and pending bits in a BAR of their own.
 *
 * Invariant: a pending bit is set only while its vector or the function is
 * masked, or the function may not master the bus (an interrupt is a write);
 * whatever lifts that sends what is pending. And what sets it, or changes a vector,
 * waits until what was sent has arrived: a guest that reads a mask back gets no
 * interrupt of it any more.
 *
 * Used by: vmm/dev/virtio_pci.c.   Depends on: vmm/dev/pci.h.
 * Source: PCI 3.0 §6.8.2. */
#include "vmm/dev/msix.h"

#include "core/state.h"
#include "core/wire.h"

enum { CONTROL_ENABLE = 0x8000, CONTROL_MASK_ALL = 0x4000, ENTRY_MASKED = 1 };

static uint16_t control(const struct msix *m)
{
	return load_le16(m->dev->config + m->dev->msix_cap + 2);
}

bool msix_enabled(const struct msix *m)
{
	return control(m) & CONTROL_ENABLE;
}

/* May the function send at all? */
static bool may_send(const struct msix *m)
{
	return (control(m) & (CONTROL_ENABLE | CONTROL_MASK_ALL)) == CONTROL_ENABLE &&
	       m->dev->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

static void flush(struct msix *m)
{
	if (!may_send(m))
		return;
	for (unsigned i = 0; m->pending && i < m->n_vectors; i++) {
		if (!(m->pending >> i & 1) || (m->entry[i].control & ENTRY_MASKED))
			continue;
		m->pending &= ~(UINT64_C(1) << i);
		m->n_sent++;
		msi_send(m->dev->bus, m->entry[i].addr, m->entry[i].data);
	}
}

void msix_notify(struct msix *m, unsigned vector)
{
	if (vector >= m->n_vectors || !m->dev->bus || !msix_enabled(m))
		return;
	m->pending |= UINT64_C(1) << vector;
	flush(m);
}

/* The entry is about to be masked or changed. */
static void settle(const struct msix *m, const struct msix_entry *e)
{
	if (m->dev->bus && !(e->control & ENTRY_MASKED))
		msi_settle(m->dev->bus, e->addr, e->data);
}

static void settle_all(const struct msix *m)
{
	for (unsigned i = 0; i < m->n_vectors; i++)
		settle(m, &m->entry[i]);
}

static uint32_t table_get(const struct msix *m, unsigned dword)
{
	const struct msix_entry *e = &m->entry[dword / 4];

	switch (dword % 4) {
	case 0:
		return (uint32_t)e->addr;
	case 1:
		return (uint32_t)(e->addr >> 32);
	case 2:
		return e->data;
	default:
		return e->control;
	}
}

static void table_set(struct msix *m, unsigned dword, uint32_t v)
{
	struct msix_entry *e = &m->entry[dword / 4];

	if (v != table_get(m, dword))
		settle(m, e);
	switch (dword % 4) {
	case 0:
		e->addr = (e->addr & ~UINT64_C(0xFFFFFFFF)) | (v & ~3u);
		break;
	case 1:
		e->addr = (e->addr & 0xFFFFFFFF) | (uint64_t)v << 32;
		break;
	case 2:
		e->data = v;
		break;
	default:
		e->control = v & ENTRY_MASKED;
		flush(m);
	}
}

/* Only aligned dwords and qwords are defined (§6.8.2); others read as zero. */
static uint64_t bar_read(void *ctx, uint64_t off, unsigned size)
{
	const struct msix *m = ctx;
	uint64_t v = 0;

	if (size < 4 || off % size)
		return 0;
	if (off + size <= 16u * m->n_vectors) {
		v = table_get(m, (unsigned)(off / 4));
		if (size == 8)
			v |= (uint64_t)table_get(m, (unsigned)(off / 4 + 1)) << 32;
	} else if (off >= MSIX_PBA_OFFSET && off < MSIX_PBA_OFFSET + 8) {
		v = m->pending >> (8 * (off - MSIX_PBA_OFFSET));
	}
	return v;
}

static void bar_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct msix *m = ctx;

	if (size < 4 || off % size || off + size > 16u * m->n_vectors)
		return;
	table_set(m, (unsigned)(off / 4), (uint32_t)v);
	if (size == 8)
		table_set(m, (unsigned)(off / 4 + 1), (uint32_t)(v >> 32));
}

static void control_written(void *ctx)
{
	struct msix *m = ctx;

	if (may_send(m))
		flush(m);
	else
		settle_all(m);
}

static const struct bus_ops bar_ops = { bar_read, bar_write };

void msix_init(struct msix *m, struct pci_dev *d, unsigned bar, unsigned n_vectors)
{
	unsigned cap = pci_cap_add(d, PCI_CAP_MSIX, 12);

	*m = (struct msix){ .dev = d, .n_vectors = n_vectors };
	msix_reset(m);
	store_le16(d->config + cap + 2, (uint16_t)(n_vectors - 1));
	store_le16(d->wmask + cap + 2, CONTROL_ENABLE | CONTROL_MASK_ALL);
	store_le32(d->config + cap + 4, bar);
	store_le32(d->config + cap + 8, MSIX_PBA_OFFSET | bar);
	d->msix_cap = (uint8_t)cap;
	d->msix_written = control_written;
	d->msix_ctx = m;
	pci_bar_add(d, bar, MSIX_BAR_SIZE, &bar_ops, m);
}

void msix_reset(struct msix *m)
{
	m->pending = 0;
	settle_all(m);
	for (unsigned i = 0; i < MSIX_VECTOR_MAX; i++)
		m->entry[i] = (struct msix_entry){ .control = ENTRY_MASKED };
}

void msix_state(struct msix *m, struct state *s)
{
	state_same(s, m->n_vectors, "MSI-X vectors");
	state_u64(s, &m->pending);
	state_expect(s, m->n_vectors == MSIX_VECTOR_MAX || !(m->pending >> m->n_vectors),
		     "a vector pending that is not there");
	state_u64(s, &m->n_sent);
	for (unsigned i = 0; i < m->n_vectors; i++) {
		state_u64(s, &m->entry[i].addr);
		state_u32(s, &m->entry[i].data);
		state_u32(s, &m->entry[i].control);
		state_expect(s, !(m->entry[i].addr & 3) && !(m->entry[i].control & ~1u),
			     "an MSI-X entry with reserved bits");
	}
}
