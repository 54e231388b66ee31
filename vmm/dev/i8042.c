/* vmm/dev/i8042.c: port 0x64 without a keyboard controller.
 *
 * The port reads as absent, and the controller's command that pulses the processor's reset line
 * resets the machine: the oldest way in which a kernel does that.
 *
 * Used by: vmm/devices.c.   Depends on: vmm/bus.h.
 * Source: Intel 8042 data sheet (command FEh to FFh, pulse output port). */
#include "vmm/devices.h"

#include <errno.h>
#include <stdlib.h>

enum { COMMAND_PORT = 0x64, PULSE_RESET = 0xFE };

struct i8042 {
	const struct device_host *host; /* borrowed */
	struct bus_region port;
};

static uint64_t port_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	(void)off;
	(void)size;
	return UINT64_MAX;
}

static void port_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	const struct i8042 *k = ctx;

	(void)off;
	(void)size;
	if ((v & 0xFF) == PULSE_RESET)
		k->host->reset(k->host->ctx);
}

static const struct bus_ops port_ops = { port_read, port_write };

const struct device_ops i8042_ops = { .name = "i8042", .free = free };

int i8042_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	struct i8042 *k = calloc(1, sizeof *k);

	(void)index;
	if (!k)
		return -ENOMEM;
	k->host = host;
	bus_region_init(&k->port, &port_ops, k, 1);
	bus_pio_add(host->bus, &k->port, COMMAND_PORT);
	*ret_device = (struct device){ .ops = &i8042_ops, .dev = k };
	return 0;
}
