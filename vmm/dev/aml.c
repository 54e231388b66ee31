/* vmm/dev/aml.c: emits AML.
 *
 * Used by: vmm/boot/acpi_tables.c, devices that the tables tell of.   Depends on: core/bytes.h, core/wire.h. */
#include "vmm/dev/aml.h"

#include "core/wire.h"

#include <string.h>

void aml_byte(struct bytes *b, unsigned v)
{
	uint8_t x = (uint8_t)v;

	bytes_append(b, &x, 1);
}

void aml_word(struct bytes *b, unsigned v)
{
	uint8_t x[2];

	store_le16(x, (uint16_t)v);
	bytes_append(b, x, sizeof x);
}

void aml_dword(struct bytes *b, uint32_t v)
{
	uint8_t x[4];

	store_le32(x, v);
	bytes_append(b, x, sizeof x);
}

void aml_qword(struct bytes *b, uint64_t v)
{
	uint8_t x[8];

	store_le64(x, v);
	bytes_append(b, x, sizeof x);
}

size_t aml_pkg_begin(struct bytes *b)
{
	aml_word(b, 0);
	return b->len - 2;
}

void aml_pkg_end(struct bytes *b, size_t at)
{
	size_t len = b->len - at;

	b->data[at] = (uint8_t)(0x40 | (len & 15));
	b->data[at + 1] = (uint8_t)(len >> 4);
}

size_t aml_scope_begin(struct bytes *b, const char *path)
{
	size_t at;

	aml_byte(b, AML_SCOPE);
	at = aml_pkg_begin(b);
	bytes_append_str(b, path);
	return at;
}

size_t aml_device_begin(struct bytes *b, const char name[4])
{
	size_t at;

	aml_byte(b, AML_EXT);
	aml_byte(b, AML_DEVICE);
	at = aml_pkg_begin(b);
	bytes_append(b, name, 4);
	return at;
}

void aml_name(struct bytes *b, const char n[4])
{
	aml_byte(b, AML_NAME);
	bytes_append(b, n, 4);
}

void aml_name_byte(struct bytes *b, const char n[4], unsigned v)
{
	aml_name(b, n);
	aml_byte(b, AML_BYTE);
	aml_byte(b, v);
}

void aml_name_string(struct bytes *b, const char n[4], const char *v)
{
	aml_name(b, n);
	aml_byte(b, AML_STRING);
	bytes_append(b, v, strlen(v) + 1);
}

void aml_name_eisa_id(struct bytes *b, const char n[4], const char id[7])
{
	uint32_t v = (uint32_t)(id[0] - 0x40) << 26 | (uint32_t)(id[1] - 0x40) << 21 | (uint32_t)(id[2] - 0x40) << 16;

	for (unsigned i = 0; i < 4; i++) {
		char c = id[3 + i];

		v |= (uint32_t)(c >= 'A' ? c - 'A' + 10 : c - '0') << (12 - 4 * i);
	}
	aml_name(b, n);
	aml_byte(b, AML_DWORD);
	aml_dword(b, __builtin_bswap32(v));
}
