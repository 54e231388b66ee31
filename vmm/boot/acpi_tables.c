/* vmm/boot/acpi_tables.c: RSDP, XSDT, FADT, FACS, DSDT, MADT and MCFG.
 *
 * The DSDT is assembled by a few functions that emit AML (ACPI 6.4 §20.2): the
 * PCI root bridge with its windows and interrupts, ECAM's place, COM1, the RTC, and \_S5. The power button
 * and everything else that is fixed hardware is told by the FADT.
 *
 * Used by: vmm/boot/linux64.c.   Depends on: core/bytes.h, core/wire.h, the chips whose addresses it tells. */
#include "vmm/boot/acpi_tables.h"

#include "core/wire.h"
#include "vmm/dev/acpi.h"
#include "vmm/dev/aml.h"
#include "vmm/dev/i82093.h"
#include "vmm/dev/lapic.h"
#include "vmm/dev/pci.h"

#include <string.h>

enum { HEADER_LEN = 36, RSDP_LEN = 36, FADT_LEN = 276, FACS_LEN = 64 };

static uint8_t checksum(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return (uint8_t)-sum;
}

/* A table's header; length and checksum come with table_end(). */
static size_t table_begin(struct bytes *b, const char sig[4], unsigned revision)
{
	size_t at;

	while (b->len % 16)
		aml_byte(b, 0);
	at = b->len;
	bytes_append(b, sig, 4);
	aml_dword(b, 0);
	aml_byte(b, revision);
	aml_byte(b, 0);
	bytes_append(b, "MUSTER", 6);
	bytes_append(b, "MUSTERPC", 8);
	aml_dword(b, 1);
	bytes_append(b, "MSTR", 4);
	aml_dword(b, 1);
	return at;
}

static void table_end(struct bytes *b, size_t at)
{
	store_le32(b->data + at + 4, (uint32_t)(b->len - at));
	b->data[at + 9] = checksum(b->data + at, b->len - at);
}

/* ---- the DSDT ------------------------------------------------------------ */

/* _CRS = Buffer of @len resource descriptors and the end tag. */
static void name_crs(struct bytes *b, const struct bytes *res)
{
	size_t at;

	aml_name(b, "_CRS");
	aml_byte(b, AML_BUFFER);
	at = aml_pkg_begin(b);
	aml_byte(b, AML_BYTE);
	aml_byte(b, (unsigned)res->len + 2);
	bytes_append(b, res->data, res->len);
	aml_word(b, 0x0079); /* end tag, checksum 0 */
	aml_pkg_end(b, at);
}

static void res_io(struct bytes *r, unsigned base, unsigned len)
{
	aml_byte(r, 0x47); /* I/O port descriptor, §6.4.2.5 */
	aml_byte(r, 1); /* 16-bit decode */
	aml_word(r, base);
	aml_word(r, base);
	aml_byte(r, 1);
	aml_byte(r, len);
}

static void res_irq(struct bytes *r, unsigned irq)
{
	aml_byte(r, 0x22); /* IRQ descriptor without flags, §6.4.2.1 */
	aml_word(r, 1u << irq);
}

/* Word address space (§6.4.3.5.3). @type: 1 I/O, 2 bus numbers. */
static void res_word(struct bytes *r, unsigned type, unsigned first, unsigned last)
{
	aml_byte(r, 0x88);
	aml_word(r, 13);
	aml_byte(r, type);
	aml_byte(r, 0x0C); /* producer, min and max fixed */
	aml_byte(r, type == 1 ? 3 : 0); /* entire range */
	aml_word(r, 0);
	aml_word(r, first);
	aml_word(r, last);
	aml_word(r, 0);
	aml_word(r, last - first + 1);
}

static void res_memory(struct bytes *r, uint32_t first, uint32_t last)
{
	aml_byte(r, 0x87); /* dword address space, §6.4.3.5.2 */
	aml_word(r, 23);
	aml_byte(r, 0);
	aml_byte(r, 0x0C);
	aml_byte(r, 1); /* read-write, not cacheable */
	aml_dword(r, 0);
	aml_dword(r, first);
	aml_dword(r, last);
	aml_dword(r, 0);
	aml_dword(r, last - first + 1);
}

/* _PRT (§6.2.13): INTA# of each slot, without a link device, so in both interrupt models. */
static void dsdt_pci_routes(struct bytes *b)
{
	size_t at, entry;

	aml_name(b, "_PRT");
	aml_byte(b, AML_PACKAGE);
	at = aml_pkg_begin(b);
	aml_byte(b, PCI_SLOT_COUNT - 1);
	for (uint32_t slot = 1; slot < PCI_SLOT_COUNT; slot++) {
		aml_byte(b, AML_PACKAGE);
		entry = aml_pkg_begin(b);
		aml_byte(b, 4);
		aml_byte(b, AML_DWORD);
		aml_dword(b, slot << 16 | 0xFFFF);
		aml_byte(b, AML_ZERO); /* INTA# */
		aml_byte(b, AML_ZERO); /* no link device */
		aml_byte(b, AML_BYTE);
		aml_byte(b, PCI_IRQ + slot % PCI_IRQ_COUNT);
		aml_pkg_end(b, entry);
	}
	aml_pkg_end(b, at);
}

static void dsdt_pci(struct bytes *b)
{
	CLEANUP(bytes) struct bytes res = { 0 };
	size_t at = aml_device_begin(b, "PCI0");

	aml_name_eisa_id(b, "_HID", "PNP0A03");
	aml_name(b, "_UID");
	aml_byte(b, AML_ZERO);
	res_word(&res, 2, 0, 0);
	res_io(&res, 0xCF8, 8);
	res_word(&res, 1, 0, 0xCF7);
	res_word(&res, 1, 0xD00, 0xFFFF);
	res_memory(&res, (uint32_t)PCI_WINDOW_START, (uint32_t)PCI_WINDOW_END - 1);
	name_crs(b, &res);
	dsdt_pci_routes(b);
	aml_pkg_end(b, at);
}

/* Motherboard resources: where ECAM lies is taken. Linux uses ECAM only when a device has it
 * reserved (PCI Firmware Specification 3.0 §4.1.2); from 6.2 on the memory map does not do. */
static void dsdt_ecam(struct bytes *b)
{
	CLEANUP(bytes) struct bytes res = { 0 };
	size_t at = aml_device_begin(b, "MRES");

	aml_name_eisa_id(b, "_HID", "PNP0C02");
	aml_name_byte(b, "_UID", 1);
	aml_byte(&res, 0x86); /* 32-bit fixed memory range, §6.4.3.4 */
	aml_word(&res, 9);
	aml_byte(&res, 1); /* read-write */
	aml_dword(&res, (uint32_t)PCI_ECAM_BASE);
	aml_dword(&res, (uint32_t)PCI_ECAM_SIZE);
	name_crs(b, &res);
	aml_pkg_end(b, at);
}

static void dsdt_device(struct bytes *b, const char n[4], const char id[7], unsigned port,
			unsigned len, unsigned irq)
{
	CLEANUP(bytes) struct bytes res = { 0 };
	size_t at = aml_device_begin(b, n);

	aml_name_eisa_id(b, "_HID", id);
	aml_name_byte(b, "_UID", 1);
	aml_name_byte(b, "_STA", 0x0F);
	res_io(&res, port, len);
	res_irq(&res, irq);
	name_crs(b, &res);
	aml_pkg_end(b, at);
}

static void dsdt(struct bytes *b, const struct acpi_devices *devices)
{
	size_t table = table_begin(b, "DSDT", 2), at;

	at = aml_scope_begin(b, "\\_SB_");
	dsdt_pci(b);
	dsdt_ecam(b);
	dsdt_device(b, "COM1", "PNP0501", 0x3F8, 8, 4);
	dsdt_device(b, "RTC_", "PNP0B00", 0x70, 2, 8);
	aml_pkg_end(b, at);
	aml_name(b, "_S5_");
	aml_byte(b, AML_PACKAGE);
	at = aml_pkg_begin(b);
	aml_byte(b, 4);
	for (unsigned i = 0; i < 2; i++) {
		aml_byte(b, AML_BYTE);
		aml_byte(b, ACPI_S5_TYPE);
	}
	aml_byte(b, AML_ZERO);
	aml_byte(b, AML_ZERO);
	aml_pkg_end(b, at);
	bytes_append(b, devices->aml.data, devices->aml.len);
	table_end(b, table);
}

/* ---- the other tables ----------------------------------------------------- */

static void madt(struct bytes *b, unsigned n_cpus)
{
	size_t at = table_begin(b, "APIC", 4);

	aml_dword(b, (uint32_t)LAPIC_BASE);
	aml_dword(b, 1); /* PCAT_COMPAT: there are 8259s */
	for (unsigned i = 0; i < n_cpus; i++) {
		aml_word(b, 0x0800); /* local APIC, 8 bytes */
		aml_byte(b, i);
		aml_byte(b, i);
		aml_dword(b, 1);
	}
	aml_word(b, 0x0C01); /* I/O APIC, 12 bytes */
	aml_word(b, 0);
	aml_dword(b, (uint32_t)IOAPIC_BASE);
	aml_dword(b, 0);
	aml_word(b, 0x0A02); /* override: IRQ 0 is pin 2 */
	aml_word(b, 0);
	aml_dword(b, 2);
	aml_word(b, 0);
	aml_word(b, 0x0A02); /* override: the SCI is level, active high */
	aml_byte(b, 0);
	aml_byte(b, ACPI_SCI);
	aml_dword(b, ACPI_SCI);
	aml_word(b, 0x0D);
	aml_word(b, 0x0604); /* NMI on LINT1 of all */
	aml_byte(b, 0xFF);
	aml_word(b, 0);
	aml_byte(b, 1);
	table_end(b, at);
}

static void mcfg(struct bytes *b)
{
	size_t at = table_begin(b, "MCFG", 1);

	aml_qword(b, 0);
	aml_qword(b, PCI_ECAM_BASE);
	aml_dword(b, 0); /* segment 0, buses 0 to 0 */
	aml_dword(b, 0);
	table_end(b, at);
}

/* A generic address (§5.2.3.2) of I/O ports. */
static void gas(uint8_t *p, unsigned bits, unsigned access, uint64_t port)
{
	p[0] = 1;
	p[1] = (uint8_t)bits;
	p[3] = (uint8_t)access;
	store_le64(p + 4, port);
}

static void fadt(struct bytes *b, uint64_t facs_gpa, uint64_t dsdt_gpa, bool has_gpes)
{
	/* WBINVD, PROC_C1, SLP_BUTTON (no fixed one), RESET_REG_SUP. Not FIX_RTC: the alarm is a fixed event. */
	const uint32_t flags = 1 | 1 << 2 | 1 << 5 | 1 << 10;
	size_t at = table_begin(b, "FACP", 6);
	uint8_t *p;

	while (b->len - at < FADT_LEN)
		aml_byte(b, 0);
	p = b->data + at;
	store_le32(p + 36, (uint32_t)facs_gpa);
	store_le32(p + 40, (uint32_t)dsdt_gpa);
	p[45] = 0; /* unspecified profile */
	store_le16(p + 46, ACPI_SCI);
	store_le32(p + 56, ACPI_PM1A_EVT);
	store_le32(p + 64, ACPI_PM1A_CNT);
	store_le32(p + 76, ACPI_PM_TMR);
	p[88] = 4;
	p[89] = 2;
	p[91] = 4;
	store_le16(p + 96, 0xFFFF); /* no C2 */
	store_le16(p + 98, 0xFFFF); /* no C3 */
	p[108] = 0x32; /* century */
	/* IAPC_BOOT_ARCH: legacy devices; no VGA; no PCIe ASPM. No 8042 (bit 1 clear). */
	store_le16(p + 109, 1 | 1 << 2 | 1 << 4);
	store_le32(p + 112, flags);
	gas(p + 116, 8, 1, 0xCF9);
	p[128] = 6; /* the value that resets */
	p[131] = 4; /* ACPI 6.4 */
	store_le64(p + 132, facs_gpa);
	store_le64(p + 140, dsdt_gpa);
	gas(p + 148, 32, 2, ACPI_PM1A_EVT);
	gas(p + 172, 16, 2, ACPI_PM1A_CNT);
	gas(p + 208, 32, 3, ACPI_PM_TMR);
	if (has_gpes) {
		store_le32(p + 80, ACPI_GPE0);
		p[92] = ACPI_GPE0_LEN;
		gas(p + 220, 8 * ACPI_GPE0_LEN, 1, ACPI_GPE0);
	}
	table_end(b, at);
}

static void rsdp(struct bytes *b, uint64_t xsdt_gpa)
{
	uint8_t *p = b->data;

	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, "MUSTER", 6);
	p[15] = 2;
	store_le32(p + 20, RSDP_LEN);
	store_le64(p + 24, xsdt_gpa);
	p[8] = checksum(p, 20);
	p[32] = checksum(p, RSDP_LEN);
}

void acpi_tables_build(unsigned n_cpus, const struct acpi_devices *devices, struct bytes *ret)
{
	uint64_t table[3], facs_gpa, dsdt_gpa;
	struct bytes b = { 0 };
	size_t at;

	while (b.len < 64) /* the RSDP's place; FACS wants 64-byte alignment */
		aml_byte(&b, 0);
	facs_gpa = ACPI_TABLES_GPA + b.len;
	bytes_append(&b, "FACS", 4);
	aml_dword(&b, FACS_LEN);
	while (b.len < 64 + FACS_LEN)
		aml_byte(&b, 0);
	b.data[64 + 32] = 2; /* version */
	dsdt_gpa = ACPI_TABLES_GPA + b.len;
	dsdt(&b, devices);
	table[0] = ACPI_TABLES_GPA + ((b.len + 15) & ~(size_t)15);
	fadt(&b, facs_gpa, dsdt_gpa, devices->has_gpes);
	table[1] = ACPI_TABLES_GPA + ((b.len + 15) & ~(size_t)15);
	madt(&b, n_cpus);
	table[2] = ACPI_TABLES_GPA + ((b.len + 15) & ~(size_t)15);
	mcfg(&b);
	at = table_begin(&b, "XSDT", 1);
	for (unsigned i = 0; i < 3; i++)
		aml_qword(&b, table[i]);
	table_end(&b, at);
	rsdp(&b, ACPI_TABLES_GPA + at);
	*ret = b;
}
