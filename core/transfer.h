/* core/transfer.h: a file or a folder as frames of a session, sent and received. */
#ifndef MUSTER_CORE_TRANSFER_H
#define MUSTER_CORE_TRANSFER_H

#include "core/session.h"

struct transfer {
	struct session_stream *stream; /* borrowed */
	bool recursive; /* folders too */
	uint32_t mode_mask; /* permission bits that a received entry may set */
	/* Both may be NULL. @done and @size: bytes of the file @name; @size 0: unknown. */
	void (*progress)(void *ctx, const char *name, uint64_t done, uint64_t size);
	void (*warn)(void *ctx, const char *text);
	void *ctx;
	char error[600]; /* what failed, when something did */
	bool was_told; /* error came from the other side */
};

/* Sends what is at @path, a link followed there and nowhere below, and its DONE. Files that are
 * neither file, folder nor link are left out with a WARN to both sides. Returns 0 or -errno; error says
 * why. */
int transfer_send(struct transfer *t, const char *path);
/* Sends what @fd gives as one file. */
int transfer_send_fd(struct transfer *t, int fd);
/* After transfer_send(): waits until the receiver has all in place. */
int transfer_confirm(struct transfer *t);

/* Receives a tree. Where @dst is a folder, into it under the name @base ("": as that folder); else as
 * @dst. A name appears when it is whole: what was at its place is as it was until then. Nothing outside
 * of that folder is written, whatever names are sent. Confirms with DONE. */
int transfer_receive(struct transfer *t, const char *dst, const char *base);
/* Receives one file into @fd. */
int transfer_receive_fd(struct transfer *t, int fd);

/* The last component of @path without slashes at its end, "" for a root, "." and "..". The caller
 * frees. */
char *transfer_base(const char *path);

#endif
