/* teams/image.h: guest images in the store: $MUSTER_HOME/images/NAME, then the
 * folders of MUSTER_IMAGE_PATH. An image is a folder with image.json:
 * {"name","kernel":"vmlinuz","initrd":"initrd.cpio","pmem":"image.erofs","cmdline","description",
 * "agent":"muster|qga","version"}; paths are relative to the folder. */
#ifndef MUSTER_TEAMS_IMAGE_H
#define MUSTER_TEAMS_IMAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct image {
	char *name, *dir, *kernel, *initrd /* NULL: none */, *pmem /* NULL: none */, *cmdline /* NULL: none */;
};

/* Finds a built image. Returns 0; -ENOENT when there is none; -EPROTO with a
 * message in @ret_why (caller frees) when what is there cannot be used. */
int image_find(const char *name, struct image *ret_image, char **ret_why);
/* Frees what it owns. */
void image_done(struct image *i);
/* True for a name `images build` knows. */
bool image_is_buildable(const char *name);
/* The least memory that a VM of that image boots with, in bytes; 0: not known. */
uint64_t image_least_memory(const char *name);
/* Builds it (a child process runs the build script; its output goes to this
 * process's stderr). Where another builds it, says so, waits, and takes what that made.
 * Returns 0 or -errno with a message. */
int image_build(const char *name, char **ret_why);
/* Removes an image of this user's own folder; teams that run keep what they hold open.
 * Returns 0; -ENOENT when none is built; -EPERM with a message when it lies in a folder of
 * MUSTER_IMAGE_PATH; -errno with a message. */
int image_remove(const char *name, char **ret_why);
/* All images, built or buildable, as JSON: [{"name","state","size_bytes","built_s" (Unix time),"path",..}]. */
json_t *image_list(void);

#endif
