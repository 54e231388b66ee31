/* vmm/boot/bzimage.c: takes vmlinux out of a kernel file.
 *
 * A bzImage is setup sectors, then the protected-mode part, in which
 * payload_offset and payload_length point at the compressed vmlinux; its last
 * four bytes are the unpacked size. Everything in the file is untrusted.
 * The file is read whole, so all of it is mapped at once: that is a few hundred
 * page faults less.
 *
 * Used by: vmm/boot/linux64.c.   Depends on: vmm/boot/unpack.h.
 * Source: boot.rst, protocol 2.08 and later. */
#include "vmm/boot/bzimage.h"

#include "core/bytes.h"
#include "core/wire.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { KERNEL_SIZE_MAX = 512 << 20, PROTOCOL_MIN = 0x0208 };

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
		*ret_why = str_printf("the kernel file is cut off (its payload ends at byte %llu of %zu)",
				      (unsigned long long)(payload_at + payload_len), len);
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

static int read_kernel(const uint8_t *p, size_t len, struct reading *rd, char **ret_why)
{
	if (len >= 64 && memcmp(p, ELFMAG, SELFMAG) == 0) {
		header_of_vmlinux(&rd->image);
		return rd->sink(rd->ctx, p, len);
	}
	if (len >= 0x290 && memcmp(p + 0x202, "HdrS", 4) == 0)
		return read_bzimage(p, len, rd, ret_why);
	*ret_why = str_printf("the kernel is neither a bzImage nor a vmlinux");
	return -ENOEXEC;
}

int bzimage_read(int fd, unpack_sink *sink, void *ctx, struct bzimage *ret_image, char **ret_why)
{
	struct reading rd = { .sink = sink, .ctx = ctx };
	struct stat st;
	void *map;
	int r;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		*ret_why = str_printf("the kernel is not a readable file");
		return -EINVAL;
	}
	if (st.st_size > KERNEL_SIZE_MAX) {
		*ret_why = str_printf("the kernel file is larger than 512 MiB");
		return -EFBIG;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED) {
		r = -errno;
		*ret_why = str_printf("the kernel cannot be read: %s", strerror(-r));
		return r;
	}
	r = read_kernel(map, (size_t)st.st_size, &rd, ret_why);
	(void)munmap(map, (size_t)st.st_size);
	if (r == 0)
		*ret_image = rd.image;
	return r;
}
