/* core/session.h: the protocol of Muster's guest service: frames over a stream.
 *
 * The service listens at the guest's vsock port SESSION_PORT. A connection is one
 * session: a command, or a file transfer. When the connection ends, all of the
 * session ends. A frame is a type (1 byte), a length (3 bytes, little endian, at
 * most SESSION_LEN_MAX) and that many bytes. Numbers in it are little endian.
 * docs/protocol-guest.md describes the conversation. */
#ifndef MUSTER_CORE_SESSION_H
#define MUSTER_CORE_SESSION_H

#include "core/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SESSION_PORT = 1053,
	SESSION_VERSION = 1,
	SESSION_HEADER_LEN = 4,
	SESSION_LEN_MAX = 64 << 10,
	SESSION_NAME_MAX = 255, /* bytes of one name */
	SESSION_INPUT_WINDOW = 256 << 10, /* stdin bytes on their way at most */
};

/* A file that the service makes in the guest once it listens. */
#define SESSION_READY_FILE "/run/muster-session"

enum session_type {
	/* Guest to host: version, 1 byte. The first frame. */
	SESSION_HELLO = 1,
	/* Host to guest: pieces of NUL-terminated strings, which EXEC takes. */
	SESSION_ARGS,
	SESSION_ENV,
	/* Host to guest: flags (1), rows (2), columns (2). Runs the command. */
	SESSION_EXEC,
	SESSION_INPUT, /* host to guest: stdin; no bytes: its end */
	SESSION_SIGNAL, /* host to guest: a signal's number (1), for the command's process group */
	SESSION_WINDOW, /* host to guest: rows (2), columns (2) */
	SESSION_CREDIT, /* guest to host: so many bytes (4) more of INPUT are welcome */
	SESSION_STDOUT, /* guest to host */
	SESSION_STDERR,
	SESSION_EXIT, /* guest to host: exit status (1), as a shell would say it */
	/* Host to guest: flags (1), the path, NUL, the source's name, NUL. */
	SESSION_PUT,
	/* Host to guest: flags (1), the path, NUL. */
	SESSION_GET,
	/* From who sends the tree: */
	SESSION_ENTRY, /* kind (1), mode (4), mtime in ns (8), size (8), name, NUL, a link's target, NUL */
	SESSION_DATA, /* of the file whose ENTRY was last; no bytes: its end */
	SESSION_LEAVE, /* the folder whose ENTRY came is over */
	SESSION_DONE, /* the tree is over; from who receives it: all is in place */
	SESSION_WARN, /* text: left out, and why */
	/* Either way: status (1), text. The session failed. */
	SESSION_ERROR,
	SESSION_TYPE_COUNT
};

enum { SESSION_FLAG_TTY = 1, SESSION_FLAG_INPUT = 2, SESSION_FLAG_RECURSIVE = 4 };

struct session_frame {
	uint8_t type;
	const uint8_t *data; /* borrowed from the buffer it was parsed from */
	size_t len;
};

/* The first frame of @len bytes at @data. Returns how many bytes it takes; 0: it is not
 * whole yet; -EPROTO: no such type, or too long. */
ssize_t session_parse(const uint8_t *data, size_t len, struct session_frame *ret_frame);

enum session_kind { SESSION_FILE = 'f', SESSION_FOLDER = 'd', SESSION_LINK = 'l' };

struct session_entry {
	enum session_kind kind;
	uint32_t mode; /* permission bits; 0: as the receiver would make a new file */
	int64_t mtime_ns; /* INT64_MIN: unknown */
	uint64_t size; /* bytes, 0 when unknown */
	const char *name; /* borrowed; one component, never "." nor ".." */
	const char *target; /* a link's; "" otherwise */
};

/* Appends the payload of an ENTRY. */
void session_entry_put(struct bytes *to, const struct session_entry *entry);
/* Returns 0; -EPROTO when it is malformed, or its name could leave its folder. The name of
 * the first entry of a tree may be empty (@is_root). */
int session_entry_get(const struct session_frame *frame, bool is_root, struct session_entry *ret_entry);

/* The strings of @data, each NUL-terminated, as a vector that ends with NULL. The caller frees
 * the vector; the strings are borrowed. NULL when the last string has no end. */
char **session_strings(const struct bytes *data, size_t *ret_n);

/* A blocking stream of frames. */
struct session_stream {
	int fd; /* borrowed */
	uint8_t *buf; /* owned */
	size_t at, len; /* what is read and not parsed yet: [at, len) */
};

/* Begins with an empty buffer. @fd: borrowed. */
void session_stream_init(struct session_stream *s, int fd);
/* Frees the buffer; the descriptor stays open. */
void session_stream_done(struct session_stream *s);
/* Waits for a frame. Returns 1; 0 at the stream's end; -EPROTO; -EINTR when a signal came; -errno.
 * *ret_frame lives until the next call. */
int session_read(struct session_stream *s, struct session_frame *ret_frame);
/* True when session_read() has a frame without waiting for more than the rest of it. */
bool session_has_input(const struct session_stream *s);
/* Sends a frame; @len at most SESSION_LEN_MAX. Returns 0; -EINTR when a signal came, with the
 * stream then unusable; -errno. */
int session_write(struct session_stream *s, enum session_type type, const void *data, size_t len);
/* Sends ERROR. */
int session_write_error(struct session_stream *s, int status, const char *text);

/* Both are of a little-endian integer of @n_bytes bytes, 1 to 4. */
uint32_t session_get_le(const uint8_t *data, size_t n_bytes);
void session_put_le(uint8_t *data, size_t n_bytes, uint32_t value);

#endif
