/* vmm/dev/vmgenid.c: the VM generation ID.
 *
 * An ACPI device whose ADDR says where 16 bytes lie. They are another number in every
 * generation of the guest: a boot begins one, and so does the load of a saved state. After a
 * load the bytes are changed before the guest's next instruction, and a general-purpose
 * event has the guest's ACPI notify the driver. Linux then reseeds its random numbers at once.
 *
 * On a virtual clock a load begins no generation: the guest's future is the one without the load.
 *
 * A state of a machine that had no such device loads: the guest's tables do not tell of it.
 *
 * Used by: vmm/devices.c.   Depends on: vmm/dev/acpi.h, vmm/dev/aml.h, vmm/mem.h. */
#include "vmm/dev/vmgenid.h"

#include "core/state.h"
#include "vmm/dev/acpi.h"
#include "vmm/dev/aml.h"
#include "vmm/devices.h"
#include "vmm/mem.h"

#include <errno.h>
#include <stdlib.h>

static void new_generation(struct vmgenid *v)
{
	v->host->entropy(v->host->ctx, v->id, sizeof v->id);
	(void)mem_dma_write(v->host->mem, VMGENID_GPA, v->id, sizeof v->id);
}

/* Method(_E0N): Notify(\_SB.VGEN, 0x80). */
static void event_method(struct bytes *aml, unsigned gpe)
{
	size_t scope = aml_scope_begin(aml, "\\_GPE"), method;

	aml_byte(aml, AML_METHOD);
	method = aml_pkg_begin(aml);
	bytes_printf(aml, "_E%02X", gpe);
	aml_byte(aml, 0); /* no arguments, not serialized */
	aml_byte(aml, AML_NOTIFY);
	bytes_append_str(aml, "\\\x2E_SB_VGEN"); /* the root, then two names (§20.2.2) */
	aml_byte(aml, AML_BYTE);
	aml_byte(aml, VMGENID_NOTIFY);
	aml_pkg_end(aml, method);
	aml_pkg_end(aml, scope);
}

static void dev_firmware(void *dev, struct bytes *aml)
{
	struct vmgenid *v = dev;
	size_t scope = aml_scope_begin(aml, "\\_SB_"), device = aml_device_begin(aml, "VGEN"), at;

	aml_name_string(aml, "_HID", "MSTR0001");
	aml_name_string(aml, "_CID", "VM_Gen_Counter");
	aml_name_string(aml, "_DDN", "VM_Gen_Counter");
	aml_name(aml, "ADDR");
	aml_byte(aml, AML_PACKAGE);
	at = aml_pkg_begin(aml);
	aml_byte(aml, 2);
	aml_byte(aml, AML_DWORD);
	aml_dword(aml, (uint32_t)VMGENID_GPA);
	aml_byte(aml, AML_DWORD);
	aml_dword(aml, (uint32_t)(VMGENID_GPA >> 32));
	aml_pkg_end(aml, at);
	aml_pkg_end(aml, device);
	aml_pkg_end(aml, scope);
	event_method(aml, v->gpe);
	v->is_there = true;
	new_generation(v);
}

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	struct vmgenid *v = dev;

	(void)index;
	if (state_is_load(s))
		v->is_there = state_has(s, "vgen", 0);
	if (!v->is_there)
		return;
	(void)state_begin(s, "vgen", 0, 1);
	state_bytes(s, v->id, sizeof v->id);
	state_end(s);
}

static void dev_resumed(void *dev, bool is_loaded)
{
	struct vmgenid *v = dev;

	if (!is_loaded || !v->is_there)
		return;
	new_generation(v);
	acpi_gpe_raise(v->host->acpi, v->gpe);
}

const struct device_ops vmgenid_ops = {
	.name = "vmgenid", .firmware = dev_firmware, .state = dev_state, .resumed = dev_resumed, .free = free
};

int vmgenid_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	struct vmgenid *v;
	int gpe;

	(void)index;
	if (!host->cfg->generation_id)
		return -ENOENT;
	gpe = acpi_gpe_claim(host->acpi, host->bus);
	if (gpe < 0)
		return gpe;
	v = calloc(1, sizeof *v);
	if (!v)
		return -ENOMEM;
	v->host = host;
	v->gpe = (unsigned)gpe;
	*ret_device = (struct device){ .ops = &vmgenid_ops, .dev = v };
	return 0;
}
