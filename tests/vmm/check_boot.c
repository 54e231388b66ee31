/* tests/vmm/check_boot.c: what is laid into memory before the first instruction:
 * archives, unpacking, ELF, the zero page, ACPI tables. */
#include "core/bytes.h"
#include "core/wire.h"
#include "tests/unit.h"
#include "vmm/boot/acpi_tables.h"
#include "vmm/boot/cpio.h"
#include "vmm/boot/elf.h"
#include "vmm/boot/linux64.h"
#include "vmm/boot/unpack.h"
#include "vmm/dev/acpi.h"
#include "vmm/devices.h"
#include "vmm/mem.h"

#include <elf.h>
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

START_TEST(an_archive_has_the_form_the_kernel_reads)
{
	CLEANUP(bytes) struct bytes b = { 0 };

	cpio_add_dir(&b, "etc", 0755);
	cpio_add_file(&b, "etc/a", 0640, "hello", 5);
	cpio_add_symlink(&b, "etc/b", "a");
	cpio_end(&b);
	ck_assert_uint_eq(b.len % 512, 0);
	ck_assert(memcmp(b.data, "07070100000000000041ED", 22) == 0);
	ck_assert(memcmp(b.data + 110, "etc", 4) == 0);
	/* 110 + 4 is 114: the next header is at 116 */
	ck_assert(memcmp(b.data + 116, "07070100000000000081A0", 22) == 0);
	ck_assert(memcmp(b.data + 116 + 54, "00000005", 8) == 0);
	ck_assert(memcmp(b.data + 116 + 110, "etc/a", 6) == 0);
	ck_assert(memcmp(b.data + 232, "hello\0\0\0" "070701", 14) == 0);
	ck_assert(memmem(b.data, b.len, "TRAILER!!!", 11) != NULL);
}
END_TEST

/* A sink that keeps everything, and one that has enough after the first piece. */
struct kept {
	struct bytes b;
	size_t n_pieces, first_len;
	int refuse;
};

static int keep(void *ctx, const uint8_t *data, size_t len)
{
	struct kept *k = ctx;

	if (k->n_pieces++ == 0)
		k->first_len = len;
	bytes_append(&k->b, data, len);
	return k->refuse;
}

/* A legacy frame of the one @block. */
static int unpack_lz4_block(const uint8_t *block, size_t len, size_t room, struct kept *k)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	uint8_t word[4];

	store_le32(word, (uint32_t)len);
	bytes_append(&b, "\x02\x21\x4C\x18", 4);
	bytes_append(&b, word, 4);
	bytes_append(&b, block, len);
	return unpack(b.data, b.len, room, keep, k);
}

START_TEST(lz4_blocks_unpack_or_are_refused)
{
	/* "abc", a match of 9 at distance 3, and the 12 literals that a block may end with */
	static const uint8_t good[] = "\x35" "abc" "\3\0" "\xC0" "ZZZZZZZZZZZZ";
	static const struct {
		uint8_t b[8];
		size_t len;
	} bad[] = {
		{ { 0x35, 'a' }, 2 }, /* literals past the end */
		{ { 0x15, 'a', 2, 0, 0 }, 5 }, /* distance before the start */
		{ { 0xF0, 255, 255 }, 3 }, /* length cut off */
		{ { 0x1F, 'a', 1, 0, 255, 255, 200, 0 }, 8 }, /* match past the room */
		{ { 0x15, 'a', 1 }, 3 }, /* distance cut off */
	};
	struct kept k = { 0 };

	ck_assert_int_eq(unpack_lz4_block(good, sizeof good - 1, 32, &k), 0);
	ck_assert_uint_eq(k.b.len, 24);
	ck_assert(memcmp(k.b.data, "abcabcabcabcZZZZZZZZZZZZ", 24) == 0);
	bytes_done(&k.b);
	k = (struct kept){ 0 };
	ck_assert_int_eq(unpack_lz4_block(good, sizeof good - 1, 23, &k), -EBADMSG);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(unpack_lz4_block(bad[i].b, bad[i].len, 32, &k), -EBADMSG);
	ck_assert_uint_eq(k.n_pieces, 0);
}
END_TEST

enum { TEXT_LEN = 3 << 20, PACKED_MAX = 4 << 20 };

/* Text that packs, but not to nothing. */
static uint8_t *make_text(void)
{
	uint8_t *text = malloc(TEXT_LEN);
	uint32_t x = 1;

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < TEXT_LEN; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (uint8_t)(i % 256 < 200 ? i / 4096 : x >> 24);
	}
	return text;
}

static size_t pack_zstd(uint8_t *z, const uint8_t *text)
{
	return ZSTD_compress(z, PACKED_MAX, text, TEXT_LEN, 3);
}

static size_t pack_xz(uint8_t *z, const uint8_t *text)
{
	size_t n = 0;

	ck_assert_int_eq(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, text, TEXT_LEN, z, &n,
						 PACKED_MAX),
			 LZMA_OK);
	return n;
}

static size_t pack_gzip(uint8_t *z, const uint8_t *text)
{
	z_stream s = { .next_in = (Bytef *)(uintptr_t)text, .avail_in = TEXT_LEN, .next_out = z,
		       .avail_out = PACKED_MAX };

	ck_assert_int_eq(deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&s);
	return s.total_out;
}

/* A legacy frame, which fits one block. */
static size_t pack_lz4(uint8_t *z, const uint8_t *text)
{
	int n = LZ4_compress_default((const char *)text, (char *)z + 8, TEXT_LEN, PACKED_MAX - 8);

	ck_assert_int_gt(n, 0);
	memcpy(z, "\x02\x21\x4C\x18", 4);
	store_le32(z + 4, (uint32_t)n);
	return (size_t)n + 8;
}

static const struct {
	size_t (*pack)(uint8_t *z, const uint8_t *text);
} library_form[] = { { pack_zstd }, { pack_xz }, { pack_gzip }, { pack_lz4 } };

START_TEST(other_forms_unpack_by_their_libraries)
{
	CLEANUP(free) uint8_t *text = make_text();
	CLEANUP(free) uint8_t *z = malloc(PACKED_MAX + 4);
	struct kept k = { 0 };
	size_t n;

	ck_assert_ptr_nonnull(z);
	n = library_form[_i].pack(z, text);
	memcpy(z + n, "\x3E\0\0\0", 4); /* the size word that a kernel has */
	ck_assert_int_eq(unpack(z, n + 4, TEXT_LEN, keep, &k), 0);
	ck_assert_uint_eq(k.b.len, TEXT_LEN);
	ck_assert(memcmp(k.b.data, text, TEXT_LEN) == 0);
	ck_assert(k.n_pieces > 1 || k.first_len == TEXT_LEN);
	ck_assert_uint_ge(k.first_len, UNPACK_PIECE_MIN);
	bytes_done(&k.b);
	/* cut off; more than it is to be; nobody who takes it */
	k = (struct kept){ 0 };
	ck_assert_int_eq(unpack(z, n / 2, TEXT_LEN, keep, &k), -EBADMSG);
	ck_assert_int_eq(unpack(z, n + 4, TEXT_LEN - 1, keep, &k), -EBADMSG);
	bytes_done(&k.b);
	k = (struct kept){ .refuse = -EXFULL };
	ck_assert_int_eq(unpack(z, n + 4, TEXT_LEN, keep, &k), -EXFULL);
	ck_assert_uint_eq(k.n_pieces, 1);
	ck_assert_int_eq(unpack(z, n, (size_t)1 << 40, keep, &k), -EBADMSG);
	bytes_done(&k.b);
}
END_TEST

START_TEST(a_form_not_known_is_told)
{
	struct kept k = { 0 };

	ck_assert_int_eq(unpack((const uint8_t *)"garbage garbage", 15, 100, keep, &k), -ENOTSUP);
	ck_assert_uint_eq(k.n_pieces, 0);
}
END_TEST

/* An LZ4 block of @len bytes, all @fill: a literal, a match at distance 1, 5 last literals. */
static void lz4_add(struct bytes *b, size_t len, uint8_t fill)
{
	struct bytes block = { 0 };
	const uint8_t start[] = { 0x1F, fill, 1, 0 }, end[] = { 0x50, fill, fill, fill, fill, fill };
	size_t more = len - 1 - 5 - 4 - 15;
	uint8_t word[4];

	bytes_append(&block, start, sizeof start);
	for (; more >= 255; more -= 255)
		bytes_append(&block, "\xFF", 1);
	word[0] = (uint8_t)more;
	bytes_append(&block, word, 1);
	bytes_append(&block, end, sizeof end);
	store_le32(word, (uint32_t)block.len);
	bytes_append(b, word, 4);
	bytes_append(b, block.data, block.len);
	bytes_done(&block);
}

START_TEST(lz4_is_full_blocks_and_a_last_one)
{
	enum { BLOCK = 8 << 20, LAST = 1000 };
	CLEANUP(bytes) struct bytes b = { 0 }, odd = { 0 };
	struct kept k = { 0 };

	bytes_append(&b, "\x02\x21\x4C\x18", 4);
	bytes_append(&odd, b.data, 4);
	lz4_add(&b, BLOCK, 'a');
	lz4_add(&b, LAST, 'b');
	bytes_append(&b, "\0\0\0\0", 4); /* the size word */
	ck_assert_int_eq(unpack(b.data, b.len, BLOCK + LAST, keep, &k), 0);
	ck_assert_uint_eq(k.b.len, BLOCK + LAST);
	ck_assert_uint_eq(k.b.data[BLOCK - 1], 'a');
	ck_assert_uint_eq(k.b.data[BLOCK], 'b');
	ck_assert_int_eq(unpack(b.data, b.len, BLOCK + LAST - 1, keep, &k), -EBADMSG);
	bytes_done(&k.b);
	k = (struct kept){ 0 };
	lz4_add(&odd, LAST, 'a');
	lz4_add(&odd, LAST, 'b');
	ck_assert_int_eq(unpack(odd.data, odd.len, 2 * LAST, keep, &k), -EBADMSG);
	bytes_done(&k.b);
}
END_TEST

static size_t make_elf(uint8_t *p, uint64_t paddr, uint64_t filesz, uint64_t memsz)
{
	Elf64_Ehdr eh = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_entry = paddr,
			  .e_phoff = sizeof eh, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 };
	Elf64_Phdr ph = { .p_type = PT_LOAD, .p_offset = 0x100, .p_paddr = paddr,
			  .p_filesz = filesz, .p_memsz = memsz };

	memset(p, 0, 0x200);
	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(p, &eh, sizeof eh);
	memcpy(p + sizeof eh, &ph, sizeof ph);
	memset(p + 0x100, 0xF4, 0x100);
	return 0x200;
}

/* Loads the file in pieces of @piece bytes; behind a piece there is something else. */
static int load_elf(struct mem *mem, const uint8_t *p, size_t n, size_t piece, struct elf_image *ret)
{
	static uint8_t buf[0x8000];
	struct elf_loader l;
	int r = 0;

	elf_loader_init(&l, mem, 0x100000);
	for (size_t at = 0; at < n && r == 0; at += piece) {
		size_t len = piece < n - at ? piece : n - at;

		memset(buf, 0xDD, sizeof buf);
		memcpy(buf, p + at, len);
		r = elf_loader_take(&l, buf, len);
	}
	return r < 0 ? r : elf_loader_end(&l, ret);
}

START_TEST(elf_segments_are_bounded)
{
	struct elf_image im;
	uint8_t p[0x200];
	struct mem mem;
	size_t n;

	ck_assert_int_eq(mem_init(&mem, 4 << 20), 0);
	n = make_elf(p, 0x200000, 16, 4096);
	ck_assert_int_eq(load_elf(&mem, p, n, n, &im), 0);
	ck_assert_uint_eq(im.end, 0x201000);
	ck_assert_uint_eq(mem.host[0x20000F], 0xF4);
	ck_assert_uint_eq(mem.host[0x200010], 0);
	n = make_elf(p, 0x3FF000, 16, 8192);
	ck_assert_int_eq(load_elf(&mem, p, n, n, &im), -ENOSPC);
	n = make_elf(p, 0x200000, 0x1000, 0x1000); /* past the file */
	ck_assert_int_eq(load_elf(&mem, p, n, n, &im), -ENOEXEC);
	n = make_elf(p, UINT64_MAX - 100, 16, 4096); /* wraps */
	ck_assert_int_eq(load_elf(&mem, p, n, n, &im), -ENOEXEC);
	n = make_elf(p, 0x200000, 32, 16); /* filesz > memsz */
	ck_assert_int_eq(load_elf(&mem, p, n, n, &im), -ENOEXEC);
	n = make_elf(p, 0xFF000, 16, 4096); /* too low */
	ck_assert_int_eq(load_elf(&mem, p, n, n, &im), -ENOEXEC);
	n = make_elf(p, 0x200000, 16, 4096);
	ck_assert_int_eq(load_elf(&mem, p, 63, 63, &im), -ENOEXEC);
	ck_assert_int_eq(load_elf(&mem, p, n, 100, &im), -ENOEXEC); /* the headers are in two pieces */
	p[sizeof(Elf64_Ehdr) - 8] = ELF_SEGMENT_MAX + 1; /* e_phnum: more than the file holds */
	ck_assert_int_eq(load_elf(&mem, p, n, n, &im), -ENOEXEC);
	mem_done(&mem);
}
END_TEST

static const size_t piece_len[] = { 0x4200, 0x200, 333, 4096, 5000 };

/* Two segments, the second with two pages of zeros between its data, and a bss. */
START_TEST(a_kernel_comes_in_pieces_and_its_zeros_touch_nothing)
{
	enum { FILE_LEN = 0x4200, SECOND = 0x210000 };
	static uint8_t p[FILE_LEN];
	Elf64_Phdr ph = { .p_type = PT_LOAD, .p_offset = 0x1FC, .p_paddr = SECOND,
			  .p_filesz = 0x4000, .p_memsz = 0x9123 };
	unsigned char resident[10];
	struct elf_image im;
	struct mem mem;

	(void)make_elf(p, 0x200000, 0xFC, 0xFC);
	p[56] = 2; /* e_phnum */
	memcpy(p + sizeof(Elf64_Ehdr) + sizeof ph, &ph, sizeof ph);
	memset(p + 0x1FC, 0x11, 0x1000);
	memset(p + 0x1FC + 0x3000, 0x22, 0x1000);
	memset(p + 0x1FC + 0x3000, 0, 100); /* begins with zeros, and is none of them */
	ck_assert_int_eq(mem_init(&mem, 4 << 20), 0);
	ck_assert_int_eq(load_elf(&mem, p, FILE_LEN, piece_len[_i], &im), 0);
	ck_assert_uint_eq(im.end, SECOND + 0x9123);
	/* Asked before the memory is looked at, which would give it pages. */
	ck_assert_int_eq(mincore(mem.host + SECOND, sizeof resident * 4096, resident), 0);
	for (unsigned i = 4; i < 10; i++)
		ck_assert_uint_eq(resident[i] & 1, 0);
	ck_assert_uint_eq(resident[0] & resident[3] & 1, 1);
	if (piece_len[_i] > 0x4000) { /* else a piece ends within such a page */
		ck_assert_uint_eq(resident[1] & 1, 0);
		ck_assert_uint_eq(resident[2] & 1, 0);
	}
	ck_assert_uint_eq(mem.host[0x2000FB], 0xF4);
	ck_assert(memcmp(mem.host + SECOND, p + 0x1FC, 0x4000) == 0);
	for (size_t i = 0x4000; i < 0xA000; i++)
		ck_assert_uint_eq(mem.host[SECOND + i], 0);
	mem_done(&mem);
}
END_TEST

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, data, len), (int)len);
	return fd;
}

START_TEST(the_zero_page_tells_memory_and_initrd)
{
	uint8_t p[0x200];
	size_t n = make_elf(p, 0x100000, 16, 4096);
	int kernel = file_of(p, n), initrd = file_of("abcde", 5);
	struct linux64_config cfg = { .kernel_fd = kernel, .initrd_fd = initrd, .cmdline = "a=b",
				      .append = (const uint8_t *)"070701", .append_len = 6,
				      .n_cpus = 1, .seed = { 7 } };
	struct cpu_state s;
	struct mem mem;
	char *why = NULL;
	const uint8_t *zp;
	uint32_t at;

	ck_assert_int_eq(mem_init(&mem, 4 << 20), 0);
	ck_assert_int_eq(linux64_load(&mem, &cfg, &s, &why), 0);
	ck_assert_uint_eq(s.rip, 0x100000);
	ck_assert_uint_eq(s.gpr[CPU_RSI], 0x7000);
	ck_assert_uint_eq(s.efer & 0x400, 0x400);
	zp = mem.host + 0x7000;
	ck_assert_uint_eq(load_le16(zp + 0x1FE), 0xAA55);
	ck_assert_str_eq((const char *)mem.host + load_le32(zp + 0x228), "a=b");
	at = load_le32(zp + 0x218);
	ck_assert_uint_eq(at % 4096, 0);
	ck_assert_uint_eq(load_le32(zp + 0x21C), 14);
	ck_assert(memcmp(mem.host + at, "abcde\0\0\0" "070701", 14) == 0);
	ck_assert_uint_eq(zp[0x1E8], 4);
	ck_assert_uint_eq(load_le64(zp + 0x2D0 + 40), 0x100000);
	ck_assert_uint_eq(load_le64(zp + 0x2D0 + 48), 3 << 20);
	/* setup_data: last, RNG seed, 32 bytes */
	ck_assert_uint_eq(load_le64(zp + 0x250), 0x8000);
	ck_assert_uint_eq(load_le32(mem.host + 0x8008), 9);
	ck_assert_uint_eq(mem.host[0x8010], 7);
	/* the identity map */
	ck_assert_uint_eq(load_le64(mem.host + 0xB000 + 8), 0x200083);
	mem_done(&mem);
	(void)close(kernel);
	(void)close(initrd);
}
END_TEST

/* What is said about kernels that are none, and memory that is too small. */
static const struct {
	const char *says;
	uint64_t memory, initrd_len;
	size_t kernel_len;
	uint64_t paddr;
	bool is_bzimage, long_cmdline;
} refused[] = {
	{ .says = "neither a bzImage nor a vmlinux", .memory = 4 << 20, .kernel_len = 0x100 },
	{ .says = "not a readable file", .memory = 4 << 20, .kernel_len = 0 },
	{ .says = "cut off", .memory = 4 << 20, .kernel_len = 0x400, .is_bzimage = true },
	{ .says = "the kernel alone needs", .memory = 2 << 20, .paddr = 0x1000000 },
	{ .says = "above 1 MiB", .memory = 4 << 20, .paddr = 0x1000 },
	{ .says = "too little for kernel and initrd", .memory = 4 << 20, .paddr = 0x100000,
	  .initrd_len = 3 << 20 },
	{ .says = "command line is longer", .memory = 4 << 20, .paddr = 0x100000,
	  .long_cmdline = true },
};

START_TEST(bad_kernels_are_refused_in_words)
{
	static char cmdline[4000];
	uint8_t p[0x400] = { 0 };
	size_t n = refused[_i].kernel_len;
	struct linux64_config cfg = { .initrd_fd = -1, .cmdline = "", .n_cpus = 1 };
	CLEANUP(free) char *why = NULL;
	struct cpu_state s;
	struct mem mem;

	if (refused[_i].paddr)
		n = make_elf(p, refused[_i].paddr, 16, 4096);
	if (refused[_i].is_bzimage) {
		memcpy(p + 0x202, "HdrS\x0F\x02", 6);
		store_le32(p + 0x248, 0x10);
		store_le32(p + 0x24C, 0x100000);
	}
	memset(cmdline, 'x', sizeof cmdline - 1);
	if (refused[_i].long_cmdline)
		cfg.cmdline = cmdline;
	cfg.kernel_fd = file_of(p, n);
	if (refused[_i].initrd_len) {
		cfg.initrd_fd = file_of("", 0);
		ck_assert_int_eq(ftruncate(cfg.initrd_fd, (off_t)refused[_i].initrd_len), 0);
	}
	ck_assert_int_eq(mem_init(&mem, refused[_i].memory), 0);
	ck_assert_int_lt(linux64_load(&mem, &cfg, &s, &why), 0);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, refused[_i].says) != NULL, "says: %s", why);
	mem_done(&mem);
	(void)close(cfg.kernel_fd);
	if (cfg.initrd_fd >= 0)
		(void)close(cfg.initrd_fd);
}
END_TEST

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

static const struct acpi_devices no_devices;

START_TEST(acpi_tables_add_up)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	const uint8_t *xsdt, *t;
	unsigned n_seen = 0;

	acpi_tables_build(1, &no_devices, &b);
	ck_assert_uint_le(b.len, ACPI_TABLES_SIZE_MAX);
	ck_assert_uint_eq(sum(b.data, 20), 0);
	ck_assert_uint_eq(sum(b.data, 36), 0);
	xsdt = b.data + (load_le64(b.data + 24) - ACPI_TABLES_GPA);
	ck_assert(memcmp(xsdt, "XSDT", 4) == 0);
	ck_assert_uint_eq(sum(xsdt, load_le32(xsdt + 4)), 0);
	for (unsigned i = 36; i < load_le32(xsdt + 4); i += 8) {
		t = b.data + (load_le64(xsdt + i) - ACPI_TABLES_GPA);
		ck_assert_uint_eq(sum(t, load_le32(t + 4)), 0);
		n_seen++;
		if (memcmp(t, "FACP", 4) != 0)
			continue;
		ck_assert_uint_eq(load_le32(t + 4), 276);
		ck_assert_uint_eq(load_le16(t + 109) & 2, 0); /* no 8042 */
		ck_assert_uint_eq(load_le32(t + 112) >> 4 & 5, 0); /* button and alarm are fixed events */
		t = b.data + (load_le64(t + 140) - ACPI_TABLES_GPA);
		ck_assert(memcmp(t, "DSDT", 4) == 0);
		ck_assert_uint_eq(sum(t, load_le32(t + 4)), 0);
	}
	ck_assert_uint_eq(n_seen, 3);
}
END_TEST

/* Runs iasl on @file in @dir and gives what it printed. */
static void iasl(const char *dir, const char *option, const char *file, char *out, size_t size)
{
	size_t at = 0;
	ssize_t n;
	int fds[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		(void)dup2(fds[1], 2);
		(void)close(fds[0]);
		if (chdir(dir) == 0)
			(void)execlp("iasl", "iasl", option, file, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	while (at + 1 < size && (n = read(fds[0], out + at, size - 1 - at)) > 0)
		at += (size_t)n;
	out[at] = '\0';
	(void)close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "iasl: %s", out);
}

static void no_entropy(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, 0, len);
}

/* What a machine with the VM generation ID has in its tables. */
static void make_vmgenid(struct mem *mem, struct acpi_devices *ret)
{
	static struct bus bus;
	static struct acpi acpi;
	static const struct machine_config cfg = { .generation_id = true };
	const struct device_host host = { .cfg = &cfg, .mem = mem, .bus = &bus, .acpi = &acpi,
					  .entropy = no_entropy };
	struct device d;

	bus_init(&bus, mem);
	ck_assert_int_eq(vmgenid_make(&host, 0, &d), 0);
	d.ops->firmware(d.dev, &ret->aml);
	d.ops->free(d.dev);
	ret->has_gpes = acpi.n_gpes > 0;
	ck_assert_uint_eq(acpi.n_gpes, 1);
}

/* What a kernel looks for, in the order of the table. */
static void expect_words(const char *text, const char *const *want, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		text = strstr(text, want[i]);
		ck_assert_msg(text != NULL, "no %s", want[i]);
	}
}

/* @_i 1: with a device that adds to them. */
START_TEST(acpica_reads_the_tables)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	char dir[] = "/tmp/muster-acpi-XXXXXX", path[64], out[8192];
	static const char *const want[] = { "_PRT", "0x0001FFFF", "PNP0C02", "Memory32Fixed", "0xE8000000",
					    "0x00100000", "PNP0501", "_S5", "Device (VGEN)", "_HID",
					    "_CID, \"VM_Gen_Counter\"", "_DDN, \"VM_Gen_Counter\"", "ADDR",
					    "0x000FF000", "Scope (\\_GPE)", "_E00", "Notify (\\_SB.VGEN, 0x80)" };
	CLEANUP(bytes) struct bytes text = { 0 };
	struct acpi_devices devices = { 0 };
	const uint8_t *fadt, *dsdt;
	struct mem mem;

	if (_i) {
		ck_assert_int_eq(mem_init(&mem, 2 << 20), 0);
		make_vmgenid(&mem, &devices);
		mem_done(&mem);
	}
	acpi_tables_build(1, &devices, &b);
	fadt = memmem(b.data, b.len, "FACP", 4);
	ck_assert_ptr_nonnull(fadt);
	ck_assert_uint_eq(load_le32(fadt + 80), _i ? ACPI_GPE0 : 0);
	ck_assert_uint_eq(load_le64(fadt + 224), _i ? ACPI_GPE0 : 0);
	dsdt = b.data + (load_le64(fadt + 140) - ACPI_TABLES_GPA);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/d.dat", dir);
	ck_assert_int_eq(file_write_all(path, dsdt, load_le32(dsdt + 4), 0600), 0);
	(void)snprintf(path, sizeof path, "%s/f.dat", dir);
	ck_assert_int_eq(file_write_all(path, fadt, load_le32(fadt + 4), 0600), 0);
	iasl(dir, "-d", "f.dat", out, sizeof out);
	ck_assert_msg(!strstr(out, "Error") && !strstr(out, "Invalid"), "%s", out);
	iasl(dir, "-d", "d.dat", out, sizeof out);
	ck_assert_msg(strstr(out, "Disassembly completed") != NULL, "%s", out);
	(void)snprintf(path, sizeof path, "%s/d.dsl", dir);
	ck_assert_int_eq(file_read_all(path, 1 << 20, &text), 0);
	bytes_append(&text, "", 1);
	expect_words((const char *)text.data, want, _i ? sizeof want / sizeof want[0] : 8);
	ck_assert((strstr((const char *)text.data, "VGEN") != NULL) == _i);
	/* No state in which the machine sleeps too: what ends a sleep are interrupts of a machine that runs. */
	ck_assert(!strstr((const char *)text.data, "_S3") && !strstr((const char *)text.data, "_S4"));
	iasl(dir, "-vr", "d.dsl", out, sizeof out);
	ck_assert_msg(strstr(out, "0 Errors, 0 Warnings") != NULL, "%s", out);
	ck_assert_int_eq(dir_remove_all(dir), 0);
	bytes_done(&devices.aml);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("boot");
	TCase *t = tcase_create("boot");

	tcase_add_test(t, an_archive_has_the_form_the_kernel_reads);
	tcase_add_test(t, lz4_blocks_unpack_or_are_refused);
	tcase_add_loop_test(t, other_forms_unpack_by_their_libraries, 0,
			    (int)(sizeof library_form / sizeof library_form[0]));
	tcase_add_test(t, a_form_not_known_is_told);
	tcase_add_test(t, lz4_is_full_blocks_and_a_last_one);
	tcase_add_test(t, elf_segments_are_bounded);
	tcase_add_loop_test(t, a_kernel_comes_in_pieces_and_its_zeros_touch_nothing, 0,
			    (int)(sizeof piece_len / sizeof piece_len[0]));
	tcase_add_test(t, the_zero_page_tells_memory_and_initrd);
	tcase_add_loop_test(t, bad_kernels_are_refused_in_words, 0,
			    (int)(sizeof refused / sizeof refused[0]));
	tcase_add_test(t, acpi_tables_add_up);
	tcase_add_loop_test(t, acpica_reads_the_tables, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
