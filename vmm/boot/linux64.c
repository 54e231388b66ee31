/* vmm/boot/linux64.c: the 64-bit boot protocol.
 *
 *   0x00500  GDT                      0x20000  command line
 *   0x07000  zero page                0xE0000  ACPI tables
 *   0x08000  setup_data: RNG seed     kernel   where its ELF says (16 MiB)
 *   0x09000  page tables: 4 GiB       initrd   as high as it may be in low RAM
 *            mapped one to one
 *
 * The kernel's own decompressor is not run, so the kernel stays where it was
 * linked (no KASLR) and memory need only hold what the ELF occupies.
 *
 * Used by: vmm/machine.c.   Depends on: bzimage, elf, acpi_tables, vmm/mem.h.
 * Sources: boot.rst; zero-page.rst; ACPI 6.4 §15 (E820 types). */
#include "vmm/boot/linux64.h"

#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/wire.h"
#include "vmm/boot/acpi_tables.h"
#include "vmm/boot/bzimage.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/elf.h"
#include "vmm/dev/pci.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { GDT_GPA = 0x500, ZERO_PAGE_GPA = 0x7000, SETUP_DATA_GPA = 0x8000, PML4_GPA = 0x9000,
       CMDLINE_GPA = 0x20000, EBDA_START = 0x9FC00, KERNEL_MIN = 0x100000 };
/* Offsets in the zero page (zero-page.rst, boot.rst). */
enum { ZP_ACPI_RSDP = 0x070, ZP_E820_COUNT = 0x1E8, ZP_VID_MODE = 0x1FA, ZP_LOADER = 0x210,
       ZP_LOADFLAGS = 0x211, ZP_RAMDISK = 0x218, ZP_RAMDISK_SIZE = 0x21C, ZP_CMDLINE = 0x228,
       ZP_INITRD_MAX = 0x22C, ZP_SETUP_DATA = 0x250, ZP_E820 = 0x2D0 };
enum { SETUP_RNG_SEED = 9, E820_RAM = 1, E820_RESERVED = 2,
       E820_PMEM = 12 /* "legacy" persistent memory: Linux's nd_e820 takes it */ };

static void put(struct mem *mem, uint64_t gpa, const void *src, size_t len)
{
	uint8_t *p = mem_ptr(mem, gpa, len);

	/* Below 1 MiB: the caller has checked that there is that much. */
	assert(p);
	memcpy(p, src, len);
}

static void e820_add(uint8_t *zp, uint64_t start, uint64_t end, uint32_t type)
{
	uint8_t *e = zp + ZP_E820 + 20u * zp[ZP_E820_COUNT];

	if (end <= start)
		return;
	store_le64(e, start);
	store_le64(e + 8, end - start);
	store_le32(e + 16, type);
	zp[ZP_E820_COUNT]++;
}

static void e820_fill(uint8_t *zp, const struct mem *mem)
{
	e820_add(zp, 0, EBDA_START, E820_RAM);
	e820_add(zp, EBDA_START, KERNEL_MIN, E820_RESERVED);
	e820_add(zp, KERNEL_MIN, mem->low_bytes, E820_RAM);
	e820_add(zp, PCI_ECAM_BASE, PCI_ECAM_BASE + PCI_ECAM_SIZE, E820_RESERVED);
	e820_add(zp, MEM_HIGH_START, MEM_HIGH_START + (mem->size_bytes - mem->low_bytes), E820_RAM);
	e820_add(zp, MEM_PMEM_GPA, MEM_PMEM_GPA + mem->pmem_bytes, E820_PMEM);
}

/* Identity map of the first 4 GiB by 2 MiB pages: present, writable, large. */
static void page_tables(struct mem *mem)
{
	uint64_t e[512] = { 0 };

	e[0] = (PML4_GPA + 0x1000) | 3;
	put(mem, PML4_GPA, e, sizeof e);
	memset(e, 0, sizeof e);
	for (unsigned i = 0; i < 4; i++)
		e[i] = (uint64_t)(PML4_GPA + 0x2000 + 0x1000 * i) | 3;
	put(mem, PML4_GPA + 0x1000, e, sizeof e);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < 512; j++)
			e[j] = ((uint64_t)i << 30 | (uint64_t)j << 21) | 0x83;
		put(mem, PML4_GPA + 0x2000 + 0x1000 * i, e, sizeof e);
	}
}

/* __BOOT_CS is 0x10, __BOOT_DS 0x18; both flat. */
static void entry_state(struct mem *mem, uint64_t entry, struct cpu_state *s)
{
	static const uint64_t gdt[4] = { 0, 0, UINT64_C(0x00AF9B000000FFFF),
					 UINT64_C(0x00CF93000000FFFF) };
	const struct cpu_segment cs = { .limit = UINT32_MAX, .sel = 0x10, .attr = 0xA9B };
	const struct cpu_segment ds = { .limit = UINT32_MAX, .sel = 0x18, .attr = 0xC93 };

	put(mem, GDT_GPA, gdt, sizeof gdt);
	cpu_state_reset(s);
	for (unsigned i = 0; i < CPU_SEG_COUNT; i++)
		s->seg[i] = i == CPU_CS ? cs : ds;
	s->gdtr = (struct cpu_table){ .base = GDT_GPA, .limit = sizeof gdt - 1 };
	s->idtr = (struct cpu_table){ .base = 0, .limit = 0 };
	s->cr0 = UINT64_C(0x80000033); /* PG, NE, ET, MP, PE */
	s->cr3 = PML4_GPA;
	s->cr4 = 0x20; /* PAE */
	s->efer = 0x500; /* LMA, LME */
	s->rip = entry;
	s->rflags = 2;
	memset(s->gpr, 0, sizeof s->gpr);
	s->gpr[CPU_RSI] = ZERO_PAGE_GPA;
}

static int read_exactly(int fd, uint8_t *dst, size_t len)
{
	for (size_t at = 0; at < len;) {
		/* SYSCALLS(machine): pread64 */
		ssize_t n = pread(fd, dst + at, len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += (size_t)n;
	}
	return 0;
}

/* The initrd and, on a 4-byte boundary behind it, the appended archive. */
static int load_initrd(struct mem *mem, const struct linux64_config *cfg, uint64_t kernel_end,
		       uint8_t *zp, char **ret_why)
{
	uint64_t max = (uint64_t)load_le32(zp + ZP_INITRD_MAX) + 1, len = 0, total, at;
	uint8_t *dst;
	int r;

	if (cfg->initrd_fd >= 0 && fd_file_size(cfg->initrd_fd, &len) < 0) {
		*ret_why = str_printf("the initrd is not a readable file");
		return -EINVAL;
	}
	total = ((len + 3) & ~UINT64_C(3)) + cfg->append_len;
	if (total == 0)
		return 0;
	if (max > mem->low_bytes || max < KERNEL_MIN)
		max = mem->low_bytes;
	if (total > max || ((max - total) & ~UINT64_C(4095)) < kernel_end) {
		*ret_why = str_printf("%llu MiB of memory is too little for kernel and initrd, "
				      "which take %llu MiB",
				      (unsigned long long)(mem->size_bytes >> 20),
				      (unsigned long long)((kernel_end + total) >> 20) + 1);
		return -ENOSPC;
	}
	at = (max - total) & ~UINT64_C(4095);
	dst = mem_ptr(mem, at, total);
	r = len ? read_exactly(cfg->initrd_fd, dst, len) : 0;
	if (r < 0) {
		*ret_why = str_printf("the initrd cannot be read: %s", strerror(-r));
		return r;
	}
	if (cfg->append_len)
		memcpy(dst + (total - cfg->append_len), cfg->append, cfg->append_len);
	store_le32(zp + ZP_RAMDISK, (uint32_t)at);
	store_le32(zp + ZP_RAMDISK_SIZE, (uint32_t)total);
	return 0;
}

static void zero_page(const struct mem *mem, const struct bzimage *im, uint8_t *zp)
{
	memcpy(zp + SETUP_HEADER_AT, im->header, im->header_len);
	zp[ZP_E820_COUNT] = 0;
	store_le16(zp + ZP_VID_MODE, 0xFFFF);
	zp[ZP_LOADER] = 0xFF; /* no assigned ID */
	zp[ZP_LOADFLAGS] |= 1; /* LOADED_HIGH */
	store_le32(zp + ZP_CMDLINE, CMDLINE_GPA);
	store_le64(zp + ZP_SETUP_DATA, SETUP_DATA_GPA);
	store_le64(zp + ZP_ACPI_RSDP, ACPI_TABLES_GPA);
	store_le32(zp + ZP_RAMDISK, 0);
	store_le32(zp + ZP_RAMDISK_SIZE, 0);
	e820_fill(zp, mem);
}

static void put_seed(struct mem *mem, const struct linux64_config *cfg)
{
	uint8_t data[16 + sizeof cfg->seed] = { 0 };

	store_le32(data + 8, SETUP_RNG_SEED);
	store_le32(data + 12, sizeof cfg->seed);
	memcpy(data + 16, cfg->seed, sizeof cfg->seed);
	put(mem, SETUP_DATA_GPA, data, sizeof data);
}

static int load_kernel(struct mem *mem, int fd, struct bzimage *ret_im, struct elf_image *ret_elf,
		       char **ret_why)
{
	struct elf_loader l;
	int r;

	elf_loader_init(&l, mem, KERNEL_MIN);
	r = bzimage_read(fd, elf_loader_take, &l, ret_im, ret_why);
	if (r == 0)
		r = elf_loader_end(&l, ret_elf);
	if (r == -ENOSPC)
		*ret_why = str_printf("%llu MiB of memory is too little: the kernel alone needs %llu MiB",
				      (unsigned long long)(mem->size_bytes >> 20),
				      (unsigned long long)(l.image.end >> 20) + 1);
	else if (r < 0 && !*ret_why)
		*ret_why = str_printf("the kernel is not a 64-bit x86 executable that loads above 1 MiB");
	return r;
}

int linux64_load(struct mem *mem, const struct linux64_config *cfg, struct cpu_state *ret_state,
		 char **ret_why)
{
	CLEANUP(bytes) struct bytes tables = { 0 };
	size_t cmdline_size = strlen(cfg->cmdline) + 1;
	uint8_t zp[4096] = { 0 };
	struct elf_image elf;
	struct bzimage im;
	int r;

	if (cmdline_size > CMDLINE_SIZE_MAX) {
		*ret_why = str_printf("the kernel command line is longer than %d bytes",
				      CMDLINE_SIZE_MAX - 1);
		return -E2BIG;
	}
	r = load_kernel(mem, cfg->kernel_fd, &im, &elf, ret_why);
	if (r < 0)
		return r;
	zero_page(mem, &im, zp);
	r = load_initrd(mem, cfg, elf.end, zp, ret_why);
	if (r < 0)
		return r;
	acpi_tables_build(cfg->n_cpus, &cfg->devices, &tables);
	put(mem, ACPI_TABLES_GPA, tables.data, tables.len);
	put(mem, CMDLINE_GPA, cfg->cmdline, cmdline_size);
	put(mem, ZERO_PAGE_GPA, zp, sizeof zp);
	put_seed(mem, cfg);
	page_tables(mem);
	entry_state(mem, elf.entry, ret_state);
	return 0;
}
