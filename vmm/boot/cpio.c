/* vmm/boot/cpio.c: the newc archive writer.
 *
 * An entry is a header of 110 characters, the name with its NUL padded to 4,
 * the data padded to 4. Inode numbers only need to differ where hard links are
 * meant, of which there are none: 0 does for all (the kernel looks for links
 * only where nlink is 2 or more).
 *
 * Used by: teams/, tests.   Depends on: core/bytes.h. */
#include "vmm/boot/cpio.h"

#include <string.h>

enum { TYPE_FILE = 0100000, TYPE_DIR = 0040000, TYPE_LINK = 0120000 };

static void pad(struct bytes *b, size_t to)
{
	static const uint8_t zero[512];

	if (b->len % to)
		bytes_append(b, zero, to - b->len % to);
}

static void entry(struct bytes *b, const char *path, unsigned mode, const void *data, size_t len)
{
	size_t name_size = strlen(path) + 1;

	pad(b, 4);
	/* magic ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor
	 * namesize check */
	bytes_printf(b, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 0u, mode, 0u,
		     0u, 1u, 0u, len, 0u, 0u, 0u, 0u, name_size, 0u);
	bytes_append(b, path, name_size);
	pad(b, 4);
	if (len)
		bytes_append(b, data, len);
	pad(b, 4);
}

void cpio_add_file(struct bytes *b, const char *path, unsigned mode, const void *data, size_t len)
{
	entry(b, path, TYPE_FILE | (mode & 07777), data, len);
}

void cpio_add_dir(struct bytes *b, const char *path, unsigned mode)
{
	entry(b, path, TYPE_DIR | (mode & 07777), NULL, 0);
}

void cpio_add_symlink(struct bytes *b, const char *path, const char *target)
{
	entry(b, path, TYPE_LINK | 0777, target, strlen(target));
}

void cpio_end(struct bytes *b)
{
	entry(b, "TRAILER!!!", 0, NULL, 0);
	pad(b, 512);
}
