/* vmm/boot/bzimage.c: takes vmlinux out of a kernel file.
 *
 * A bzImage is setup sectors, then the protected-mode part, in which
 * payload_offset and payload_length point at the compressed vmlinux; its last
 * four bytes are the unpacked size. Everything in the file is untrusted.
 * The file is read whole, so each mapping is populated at once: that is a few
 * hundred page faults less.
 *
 * Used by: vmm/boot/linux64.c.   Depends on: vmm/boot/unpack.h.
 * Source: boot.rst, protocol 2.08 and later. */
#include "vmm/boot/bzimage.h"

#include "core/bytes.h"
#include "core/wire.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

enum { KERNEL_SIZE_MAX = 512 << 20, PROTOCOL_MIN = 0x0208 };
/* A vmlinux is mapped in parts; what is packed lies in one, beside what unpacking takes. A cell
 * bounds the sum (core/sandbox.c, more_memory_max). */
enum { WINDOW_SIZE = 64 << 20, BZIMAGE_SIZE_MAX = 96 << 20 };

/* Field @at (an offset in the zero page) of the setup header. */
static uint8_t *field(struct bzimage *im, size_t at)
{
	return im->header + (at - SETUP_HEADER_AT);
}

/* A vmlinux has no setup header: the fields that a boot loader must give. */
static void header_of_vmlinux(struct bzimage *im)
{
	im->header_len = 0x270 - SETUP_HEADER_AT;
	store_le16(field(im, 0x1FE), 0xAA55);
	memcpy(field(im, 0x202), "HdrS", 4);
	store_le16(field(im, 0x206), 0x020F);
	*field(im, 0x211) = 1; /* LOADED_HIGH */
	store_le32(field(im, 0x22C), 0x7FFFFFFF); /* initrd_addr_max */
	store_le32(field(im, 0x230), 0x200000); /* kernel_alignment */
	store_le32(field(im, 0x238), 2047); /* cmdline_size */
}

/* The ELF has its receiver, and the zero page a header. */
struct reading {
	unpack_sink *sink;
	void *ctx;
	struct bzimage image;
};

static int read_bzimage(const uint8_t *p, size_t len, struct reading *rd, char **ret_why)
{
	uint64_t setup_len, payload_at, payload_len;
	struct bzimage *im = &rd->image;
	size_t size;
	int r;

	if (load_le16(p + 0x206) < PROTOCOL_MIN) {
		*ret_why = str_printf("the kernel's boot protocol is older than 2.08");
		return -ENOEXEC;
	}
	setup_len = ((p[0x1F1] ? p[0x1F1] : 4u) + 1u) * 512u;
	payload_at = setup_len + load_le32(p + 0x248);
	payload_len = load_le32(p + 0x24C);
	if (payload_at > len || payload_len > len - payload_at || payload_len < 16) {
		*ret_why = str_printf("the kernel file is cut off (its payload ends at byte %" PRIu64 " of %zu)",
				      payload_at + payload_len, len);
		return -ENOEXEC;
	}
	im->header_len = 0x202u + p[0x201] - SETUP_HEADER_AT;
	if (im->header_len > SETUP_HEADER_MAX)
		im->header_len = SETUP_HEADER_MAX;
	memcpy(im->header, p + SETUP_HEADER_AT, im->header_len);
	size = load_le32(p + payload_at + payload_len - 4);
	r = unpack(p + payload_at, payload_len, size, rd->sink, rd->ctx);
	if (r == -ENOTSUP)
		*ret_why = str_printf("the kernel is packed in a way that is not known here "
				      "(lz4, gzip, xz, lzma and zstd are)");
	else if (r == -EBADMSG || r == -ENOMEM)
		*ret_why = str_printf("the kernel does not unpack: %s", strerror(-r));
	return r == -ENOTSUP || r == -EBADMSG ? -ENOEXEC : r;
}

/* Maps @len bytes of the file from @at; the caller unmaps them. */
static int map_part(int fd, uint64_t at, size_t len, uint8_t **ret_p, char **ret_why)
{
	void *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, (off_t)at);
	int r = -errno;

	if (p == MAP_FAILED) {
		*ret_why = str_printf("the kernel cannot be read: %s", strerror(-r));
		return r;
	}
	*ret_p = p;
	return 0;
}

/* @first is the file's first window, which the caller unmaps. */
static int read_vmlinux(int fd, uint64_t size, const uint8_t *first, struct reading *rd, char **ret_why)
{
	int r;

	header_of_vmlinux(&rd->image);
	r = rd->sink(rd->ctx, first, size < WINDOW_SIZE ? (size_t)size : WINDOW_SIZE);
	for (uint64_t at = WINDOW_SIZE; r == 0 && at < size; at += WINDOW_SIZE) {
		size_t len = size - at < WINDOW_SIZE ? (size_t)(size - at) : WINDOW_SIZE;
		uint8_t *p;

		r = map_part(fd, at, len, &p, ret_why);
		if (r < 0)
			return r;
		r = rd->sink(rd->ctx, p, len);
		(void)munmap(p, len);
	}
	return r;
}

static int read_whole(int fd, uint64_t size, struct reading *rd, char **ret_why)
{
	uint8_t *p;
	int r;

	if (size > BZIMAGE_SIZE_MAX) {
		*ret_why = str_printf("the kernel file is packed and larger than %d MiB", BZIMAGE_SIZE_MAX >> 20);
		return -EFBIG;
	}
	r = map_part(fd, 0, (size_t)size, &p, ret_why);
	if (r < 0)
		return r;
	r = read_bzimage(p, (size_t)size, rd, ret_why);
	(void)munmap(p, (size_t)size);
	return r;
}

int bzimage_read(int fd, unpack_sink *sink, void *ctx, struct bzimage *ret_image, char **ret_why)
{
	struct reading rd = { .sink = sink, .ctx = ctx };
	bool is_elf, is_packed;
	uint64_t size;
	size_t len;
	uint8_t *p;
	int r;

	if (fd_file_size(fd, &size) < 0 || size == 0) {
		*ret_why = str_printf("the kernel is not a readable file");
		return -EINVAL;
	}
	if (size > KERNEL_SIZE_MAX) {
		*ret_why = str_printf("the kernel file is larger than 512 MiB");
		return -EFBIG;
	}
	len = size < WINDOW_SIZE ? (size_t)size : WINDOW_SIZE;
	r = map_part(fd, 0, len, &p, ret_why);
	if (r < 0)
		return r;
	is_elf = len >= 64 && memcmp(p, ELFMAG, SELFMAG) == 0;
	is_packed = !is_elf && len >= 0x290 && memcmp(p + 0x202, "HdrS", 4) == 0;
	if (is_elf)
		r = read_vmlinux(fd, size, p, &rd, ret_why);
	(void)munmap(p, len);
	if (is_packed) {
		r = read_whole(fd, size, &rd, ret_why);
	} else if (!is_elf) {
		*ret_why = str_printf("the kernel is neither a bzImage nor a vmlinux");
		r = -ENOEXEC;
	}
	if (r == 0)
		*ret_image = rd.image;
	return r;
}
