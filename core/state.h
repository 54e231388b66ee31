/* core/state.h: saved state: a file of tagged, versioned, length-prefixed
 * sections, written and read by one description.
 *
 * What has state describes it once, as a list of fields, in a function that
 * serves both ways: saving appends each field, loading overwrites it.
 *
 *	state_begin(s, "uart", 0, 1);
 *	state_u8(s, &u->ier);
 *	state_expect(s, u->rx_len <= FIFO, "a FIFO of 16 bytes");
 *	state_end(s);
 *
 * A load that was refused once stays refused: fields are left as they are from
 * then on, and state_why() names the place. A loader may therefore go on to its
 * end without looking, but for what it loops over or allocates.
 *
 * The file, all numbers little-endian:
 *
 *	header   8 bytes "MUSTERST", u32 format, u32 0
 *	section  4 letters, u32 instance, u32 version, u64 length, u64 checksum,
 *	         then the payload
 *	         ...
 *	"end "   instance 0, version 1, length 0: nothing follows
 *
 * Each checksum (XXH3, 64 bits) is over the one before it, the section's own
 * head and its payload, so the last one is the whole file's: a section changed,
 * moved, left out or taken from another file is found, and the first bad one is
 * the one that is named. A version newer than the reader's is refused; so are
 * sections that come twice, that are not known, or that have bytes left over. */
#ifndef MUSTER_CORE_STATE_H
#define MUSTER_CORE_STATE_H

#include "core/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STATE_FORMAT = 1, STATE_HEADER_LEN = 16, STATE_HEAD_LEN = 28, STATE_TAG_LEN = 4 };

/* How far from now an instant may be: 36 years. */
#define STATE_TIME_MAX ((nsec_t)1 << 60)

struct state;

/* Saves to @fd (borrowed), or, with -1, into memory. Returns 0 or -ENOMEM. */
int state_save_new(int fd, struct state **ret_state);
/* Loads from @data (borrowed until state_free()). The whole file's form is
 * checked here, before anything is taken from it.
 * @ret_why: on failure, what is wrong and where; the caller frees it.
 * Returns 0; -EBADMSG when it is no such file, or a damaged one; -ENOMEM. */
int state_load_new(const void *data, size_t len, struct state **ret_state, char **ret_why);
struct state *state_free(struct state *s); /* accepts NULL; returns NULL */

/* True while state is being read into the structs; false while it is written out. */
bool state_is_load(const struct state *s);
/* False once something was refused or could not be written. */
bool state_ok(const struct state *s);

/* Begins section @tag (4 characters). @version: what this program writes, and
 * the newest it reads. Refused when the file has none.
 * Returns the version to be described: @version, or, loading, the file's. */
uint32_t state_begin(struct state *s, const char *tag, uint32_t instance, uint32_t version);
/* Ends it; refused when bytes are left. */
void state_end(struct state *s);
/* Loading: true when the file has such a section. */
bool state_has(const struct state *s, const char *tag, uint32_t instance);
/* Loading: bytes left in the section. Saving: 0. */
size_t state_left(const struct state *s);

/* Each writes or reads one integer, little-endian. A read beyond the end fails the whole, and the value stays. */
void state_u8(struct state *s, uint8_t *v);
void state_u16(struct state *s, uint16_t *v);
void state_u32(struct state *s, uint32_t *v);
void state_u64(struct state *s, uint64_t *v);
void state_i64(struct state *s, int64_t *v);
void state_bool(struct state *s, bool *v); /* refused unless 0 or 1 */
/* Writes or reads @len bytes as they are. */
void state_bytes(struct state *s, void *v, size_t len);
/* A number of @min to @max; refused when it is another, or none. */
void state_double(struct state *s, double *v, double min, double max);
/* An instant, as its distance to @now, which may be another one when it is loaded. INT64_MIN and
 * NSEC_NEVER stay what they are. Refused beyond STATE_TIME_MAX. @now: at most twice as far from 0. */
void state_time(struct state *s, nsec_t *t, nsec_t now);
/* A duration of 0 to @max; refused when it is another. */
void state_span(struct state *s, nsec_t *span, nsec_t max);
/* Several of one width. */
void state_u32s(struct state *s, uint32_t *v, size_t n);
/* The same of @n integers of 64 bits. */
void state_u64s(struct state *s, uint64_t *v, size_t n);
/* Loading: the next @len bytes, borrowed; NULL when there are fewer. */
const uint8_t *state_take(struct state *s, size_t len);

/* Loading: refuses the file unless @holds. @what: what is wrong with it, as a
 * part of a sentence. Saving: nothing. */
void state_expect(struct state *s, bool holds, const char *what);
/* The same for a number that is this machine's own: written, and refused when
 * the file has another. @what: "network cards". */
void state_same(struct state *s, uint64_t v, const char *what);
/* Loading: refuses the file for what section @tag told, which was taken already. */
void state_refuse(struct state *s, const char *tag, uint32_t instance, const char *what);

/* Saving: writes the end. Loading: refused when a section was not taken.
 * Returns 0, -EBADMSG (see state_why()), or the -errno of a write. */
int state_finish(struct state *s);
/* What was refused, and where; NULL when nothing was. */
const char *state_why(const struct state *s);
/* Saving into memory: all that was written; borrowed. */
const uint8_t *state_data(const struct state *s, size_t *ret_len);
/* Saving: bytes written so far. */
uint64_t state_len(const struct state *s);

#endif
