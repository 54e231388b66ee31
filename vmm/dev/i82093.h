/* vmm/dev/i82093.h: the I/O APIC, version 0x11, 24 inputs.
 * Source: Intel 82093AA data sheet (290566). */
#ifndef MUSTER_VMM_DEV_I82093_H
#define MUSTER_VMM_DEV_I82093_H

#include "vmm/bus.h"
#include "vmm/dev/lapic.h"

struct state;

#define IOAPIC_BASE UINT64_C(0xFEC00000)
enum { IOAPIC_PIN_COUNT = 24 };

struct i82093 {
	struct bus_region region;
	void (*send)(void *ctx, const struct apic_msg *msg);
	void *send_ctx;
	/* Input @pin's entry changed; may be NULL (a KVM machine routes it). */
	void (*changed)(void *ctx, unsigned pin);
	uint32_t select, id;
	uint64_t entry[IOAPIC_PIN_COUNT];
	uint32_t lines; /* levels now */
};

void i82093_init(struct i82093 *a, struct bus *bus,
		 void (*send)(void *ctx, const struct apic_msg *msg), void *send_ctx);
void i82093_set(struct i82093 *a, unsigned pin, bool level);
/* What @pin sends; false: it is masked. */
bool i82093_message(const struct i82093 *a, unsigned pin, struct apic_msg *ret_msg);
/* A level-triggered @vector was finished by a local APIC. */
void i82093_eoi(struct i82093 *a, uint8_t vector);

/* Saves or loads the chip, with the levels of its inputs. */
void i82093_state(struct i82093 *a, struct state *s);

#endif
