/* vmm/dev/aml.h: emits AML, the byte code in which ACPI's tables tell of devices.
 *
 * Each function appends to @b. A package (of a scope, device, method or buffer) is begun and
 * ended; between the two stands what it holds. Source: ACPI 6.4 §20.2. */
#ifndef MUSTER_VMM_DEV_AML_H
#define MUSTER_VMM_DEV_AML_H

#include "core/bytes.h"

#include <stddef.h>
#include <stdint.h>

enum {
	AML_ZERO = 0x00,
	AML_NAME = 0x08,
	AML_BYTE = 0x0A,
	AML_DWORD = 0x0C,
	AML_STRING = 0x0D,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_EXT = 0x5B,
	AML_DEVICE = 0x82,
	AML_NOTIFY = 0x86
};

/* Little-endian numbers. */
void aml_byte(struct bytes *b, unsigned v);
/* Each appends an integer with its prefix, little-endian (ACPI 6.4 §20.2.3). */
void aml_word(struct bytes *b, unsigned v);
void aml_dword(struct bytes *b, uint32_t v);
void aml_qword(struct bytes *b, uint64_t v);

/* PkgLength in its two-byte form (§20.2.4): room now, the value at the end. At most 4095 bytes. */
size_t aml_pkg_begin(struct bytes *b);
/* Puts the length into the package that began at @at, what aml_pkg_begin() returned. */
void aml_pkg_end(struct bytes *b, size_t at);

/* A scope of a path ("\\_SB_"); ended by aml_pkg_end(). */
size_t aml_scope_begin(struct bytes *b, const char *path);
/* A device in the scope that is open; ended by aml_pkg_end(). */
size_t aml_device_begin(struct bytes *b, const char name[4]);

/* Name(@n, ...): what follows is its value. */
void aml_name(struct bytes *b, const char n[4]);
/* Both append Name(@n, @v): a byte, or a string up to its NUL. */
void aml_name_byte(struct bytes *b, const char n[4], unsigned v);
void aml_name_string(struct bytes *b, const char n[4], const char *v);
/* "PNP0A03" as EisaId() compresses it (§19.3.4). */
void aml_name_eisa_id(struct bytes *b, const char n[4], const char id[7]);

#endif
