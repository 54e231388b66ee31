/* dhcp/tftp_msg.h: TFTP's messages: requests with their options read, and what a server sends written.
 *
 * Used by: dhcp/tftp.c.   Depends on: core/wire.h.
 * Sources: RFC 1350, 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize). */
#ifndef MUSTER_DHCP_TFTP_MSG_H
#define MUSTER_DHCP_TFTP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tftp_op { TFTP_RRQ = 1, TFTP_WRQ = 2, TFTP_DATA = 3, TFTP_ACK = 4, TFTP_ERROR = 5, TFTP_OACK = 6 };

enum tftp_error {
	TFTP_UNDEFINED = 0,
	TFTP_NOT_FOUND = 1,
	TFTP_ACCESS = 2,
	TFTP_ILLEGAL = 4,
	TFTP_UNKNOWN_TID = 5,
};

enum {
	TFTP_HEAD_LEN = 4, /* of DATA, ACK and ERROR */
	TFTP_BLOCK_DEFAULT = 512,
	TFTP_BLOCK_MIN = 8,
	TFTP_BLOCK_MAX = 65464,
	TFTP_TIMEOUT_MAX = 255, /* seconds; from 1 */
	TFTP_NAME_SIZE = 256, /* of a file, with its zero */
	TFTP_OACK_MAX = 128,
	TFTP_ERROR_MAX = 64,
};

/* In the order in which an OACK may have them: that of the request. */
enum tftp_option { TFTP_BLKSIZE, TFTP_TIMEOUT, TFTP_TSIZE, TFTP_WINDOWSIZE, TFTP_OPTION_COUNT };

enum tftp_verdict {
	TFTP_GOOD,
	TFTP_MALFORMED, /* no request, or one that does not end */
	TFTP_BAD_NAME, /* a name that leaves the folder, or is none */
	TFTP_BAD_MODE, /* neither octet nor netascii */
};

struct tftp_request {
	bool is_write;
	bool is_netascii;
	char name[TFTP_NAME_SIZE]; /* relative, without "." and "..", parted by single slashes */
	enum tftp_option order[TFTP_OPTION_COUNT]; /* options that were asked for with a value that can be */
	size_t n_options;
	uint64_t value[TFTP_OPTION_COUNT]; /* blksize from TFTP_BLOCK_MIN, windowsize from 1, timeout 1 to 255 */
};

/* Reads a request. Options that are not known, have a value that cannot be, or come twice are skipped, and bytes behind
 * the last whole option are ignored. @ret: filled as far as it was read; name is "" unless TFTP_GOOD is returned. */
enum tftp_verdict tftp_request_parse(const uint8_t *msg, size_t len, struct tftp_request *ret);

/* Cleans a name as a client sends it: backslashes are slashes, those before it go, and so do "." parts. Returns false when
 * it has a ".." part or control characters, is empty, or is too long. */
bool tftp_name_clean(const char *name, char ret[TFTP_NAME_SIZE]);

/* Writes an OACK with the options of @asked, whose values are @value. Returns its length; 0: none is asked for. */
size_t tftp_oack_put(const struct tftp_request *asked, const uint64_t value[TFTP_OPTION_COUNT],
		     uint8_t buf[TFTP_OACK_MAX]);
/* Writes an ERROR. @text: at most TFTP_ERROR_MAX - 5 bytes are used. Returns its length. */
size_t tftp_error_put(enum tftp_error error, const char *text, uint8_t buf[TFTP_ERROR_MAX]);

#endif
