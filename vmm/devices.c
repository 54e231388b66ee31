/* vmm/devices.c: the machine's list of devices.
 *
 * Used by: vmm/machine*.c.   Depends on: core/verb.h, vmm/device.h, vmm/dev/pci.h. */
#include "vmm/devices.h"

#include "core/verb.h"
#include "vmm/dev/pci.h"

#include <errno.h>
#include <string.h>

static const struct kind {
	device_make *make;
	const struct device_ops *ops;
	unsigned slot;
	uint32_t n_max;
} kinds[] = {
#define DEVICE_KIND(name, slot, n_max) { name##_make, &name##_ops, slot, n_max },
	DEVICE_TABLE(DEVICE_KIND)
#undef DEVICE_KIND
};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static int make_kind(struct devices *all, struct pci_host *pci, const struct kind *k)
{
	int r = 0;

	for (uint32_t i = 0; i < k->n_max && r == 0; i++) {
		struct device *d = &all->device[all->n];

		r = k->make(&all->host, i, d);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		d->index = i;
		all->n++;
		if (d->pci)
			r = pci_host_add(pci, d->pci, k->slot + i);
	}
	return r;
}

int devices_make(struct devices *all, struct pci_host *pci)
{
	int r = 0;

	for (unsigned i = 0; i < KIND_COUNT && r == 0; i++)
		r = make_kind(all, pci, &kinds[i]);
	return r;
}

void devices_free(struct devices *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].ops->free)
			all->device[i].ops->free(all->device[i].dev);
	all->n = 0;
}

void devices_firmware(struct devices *all, struct bytes *aml)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].ops->firmware)
			all->device[i].ops->firmware(all->device[i].dev, aml);
}

void devices_state(struct devices *all, struct state *s, bool on_pci)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].ops->state && (all->device[i].pci != NULL) == on_pci)
			all->device[i].ops->state(all->device[i].dev, s, all->device[i].index);
}

void devices_hold(struct devices *all, bool on)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].ops->hold)
			all->device[i].ops->hold(all->device[i].dev, on);
}

void devices_resumed(struct devices *all, bool is_loaded)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].ops->resumed)
			all->device[i].ops->resumed(all->device[i].dev, is_loaded);
}

void devices_between(struct devices *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].ops->between)
			all->device[i].ops->between(all->device[i].dev);
}

void devices_stats(struct devices *all, json_t *into)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].ops->stats)
			all->device[i].ops->stats(all->device[i].dev, into);
}

void devices_each_verb(void (*take)(void *ctx, const struct verb *v), void *ctx)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		for (const struct verb *v = kinds[i].ops->verbs; v && v->name; v++)
			take(ctx, v);
}

bool devices_request(struct devices *all, const char *what, json_t *msg, int *fd)
{
	for (size_t i = 0; i < all->n; i++) {
		struct device *d = &all->device[i];

		if (d->ops->request && d->ops->request(d->dev, d->index, what, msg, fd))
			return true;
	}
	return false;
}

void *devices_find(const struct devices *all, const char *name, uint32_t index)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->device[i].index == index && strcmp(all->device[i].ops->name, name) == 0)
			return all->device[i].dev;
	return NULL;
}
