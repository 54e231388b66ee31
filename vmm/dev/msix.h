/* vmm/dev/msix.h: MSI-X of a PCI function: table and pending bits in a BAR of
 * their own, masks, delivery. Source: PCI 3.0 §6.8.2.
 *
 * An interrupt that comes while its vector or the whole function is masked
 * stays pending and is sent when the mask goes. */
#ifndef MUSTER_VMM_DEV_MSIX_H
#define MUSTER_VMM_DEV_MSIX_H

#include "vmm/dev/pci.h"

struct state;

enum { MSIX_VECTOR_MAX = 64, MSIX_BAR_SIZE = 4096, MSIX_PBA_OFFSET = 0x800 };

struct msix_entry {
	uint64_t addr;
	uint32_t data;
	uint32_t control; /* bit 0: masked */
};

struct msix {
	struct pci_dev *dev; /* borrowed */
	unsigned n_vectors;
	uint64_t pending; /* one bit a vector */
	struct msix_entry entry[MSIX_VECTOR_MAX];
	uint64_t n_sent;
};

/* Adds capability and BAR @bar (two slots of it; even) to @d, before
 * pci_host_add(). @n_vectors: 1 to MSIX_VECTOR_MAX. */
void msix_init(struct msix *m, struct pci_dev *d, unsigned bar, unsigned n_vectors);
/* All entries masked, nothing pending (a function's reset). */
void msix_reset(struct msix *m);
/* True when the guest has switched MSI-X on. */
bool msix_enabled(const struct msix *m);
/* Raises @vector; one out of range (0xFFFF: none) or MSI-X off does nothing. */
void msix_notify(struct msix *m, unsigned vector);

/* Saves or loads table and pending bits, within the section that is open. */
void msix_state(struct msix *m, struct state *s);

#endif
