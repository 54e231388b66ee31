/* core/state.c: the sections of saved state, out and in.
 *
 * Saving gathers a section in memory, since its length and checksum stand
 * before it, and then writes head and payload at once; so what is held is one
 * section, and who has much (a machine's memory) makes many.
 *
 * Loading walks the whole file first: lengths, chain of checksums, end, no
 * section twice. Only then can anything be taken; sections are found by tag and
 * instance, in any order. The index is sorted, so that finding is logarithmic
 * and duplicates are neighbours.
 *
 * Used by: vmm/ (each chip), shaping/, vswitch/.   Depends on: core/wire.h, core/bytes.h.
 * Sources: XXH3 (xxHash 0.8, the stable 64-bit variant). */
#include "core/state.h"

#include "core/bytes.h"
#include "core/sort.h"
#include "core/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static const char magic[8] = { 'M', 'U', 'S', 'T', 'E', 'R', 'S', 'T' };
static const char end_tag[] = "end ";
enum { HEAD_SUMMED = STATE_HEAD_LEN - 8 /* the head without its checksum */, WHY_SIZE = 200,
       PLACE_SIZE = 64 };

struct section {
	char tag[STATE_TAG_LEN];
	uint32_t instance, version;
	size_t at; /* bytes from the file's start to its head */
	size_t len; /* of the payload */
	bool taken;
};

struct state {
	bool is_load;
	int error; /* -errno of a write, -EBADMSG of a refusal; 0 */
	char why[WHY_SIZE];
	uint64_t chain; /* the last checksum */
	/* The section that is open. */
	char tag[STATE_TAG_LEN];
	uint32_t instance, version;
	/* saving */
	int fd;
	struct bytes payload, out; /* out: what was saved into memory */
	uint64_t n_written;
	/* loading */
	const uint8_t *data;
	size_t len;
	struct section *index; /* sorted by tag and instance; owned */
	size_t n_sections, n_room;
	struct section *open;
	struct wire_reader in;
};

/* ---- refusals ------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3)))
static void refuse(struct state *s, const char *fmt, ...)
{
	va_list ap;

	if (s->error)
		return;
	s->error = -EBADMSG;
	va_start(ap, fmt);
	(void)vsnprintf(s->why, sizeof s->why, fmt, ap);
	va_end(ap);
}

/* A tag of a file may be any four bytes. */
static void place_of(const char *tag, uint32_t instance, size_t at, char ret[PLACE_SIZE])
{
	char word[STATE_TAG_LEN + 1] = { 0 };

	for (size_t i = 0; i < STATE_TAG_LEN; i++)
		word[i] = tag[i] > ' ' && tag[i] < 0x7F ? tag[i] : tag[i] == ' ' ? '_' : '?';
	(void)snprintf(ret, PLACE_SIZE, "section %s.%u at byte %zu", word, instance, at);
}

static void open_place(const struct state *s, char ret[PLACE_SIZE])
{
	if (s->open)
		place_of(s->open->tag, s->open->instance, s->open->at, ret);
	else
		(void)snprintf(ret, PLACE_SIZE, "no section");
}

/* How many bytes of the open section were taken. */
static size_t open_off(const struct state *s)
{
	return s->open ? s->open->len - s->in.left : 0;
}

bool state_is_load(const struct state *s)
{
	return s->is_load;
}

bool state_ok(const struct state *s)
{
	return s->error == 0;
}

const char *state_why(const struct state *s)
{
	return s->error == -EBADMSG ? s->why : s->error ? strerror(-s->error) : NULL;
}

void state_expect(struct state *s, bool holds, const char *what)
{
	char place[PLACE_SIZE];

	if (!s->is_load || holds || s->error)
		return;
	open_place(s, place);
	refuse(s, "%s: %s (before its byte %zu)", place, what, open_off(s));
}

void state_same(struct state *s, uint64_t v, const char *what)
{
	uint64_t saved = v;
	char place[PLACE_SIZE];

	state_u64(s, &saved);
	if (!s->is_load || saved == v || s->error)
		return;
	open_place(s, place);
	refuse(s, "%s: %s: %llu was saved, this machine has %llu", place, what,
	       (unsigned long long)saved, (unsigned long long)v);
}

/* ---- checksums ------------------------------------------------------------------ */

static uint64_t sum_of(uint64_t before, const uint8_t *head, const uint8_t *payload, size_t len)
{
	uint8_t summed[8 + HEAD_SUMMED];

	store_le64(summed, before);
	memcpy(summed + 8, head, HEAD_SUMMED);
	return XXH3_64bits_withSeed(payload, len, XXH3_64bits(summed, sizeof summed));
}

/* ---- saving --------------------------------------------------------------------- */

static void put_out(struct state *s, const void *data, size_t len)
{
	if (s->error || !len)
		return;
	if (s->fd < 0)
		bytes_append(&s->out, data, len);
	else
		s->error = fd_write_all(s->fd, data, len);
	s->n_written += len;
}

static void put_header(struct state *s)
{
	uint8_t header[STATE_HEADER_LEN] = { 0 };

	memcpy(header, magic, sizeof magic);
	store_le32(header + 8, STATE_FORMAT);
	s->chain = XXH3_64bits(header, sizeof header);
	put_out(s, header, sizeof header);
}

static void put_section(struct state *s)
{
	uint8_t head[STATE_HEAD_LEN];

	memcpy(head, s->tag, STATE_TAG_LEN);
	store_le32(head + 4, s->instance);
	store_le32(head + 8, s->version);
	store_le64(head + 12, s->payload.len);
	s->chain = sum_of(s->chain, head, s->payload.data, s->payload.len);
	store_le64(head + HEAD_SUMMED, s->chain);
	put_out(s, head, sizeof head);
	put_out(s, s->payload.data, s->payload.len);
	s->payload.len = 0;
}

int state_save_new(int fd, struct state **ret_state)
{
	struct state *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->fd = fd;
	put_header(s);
	*ret_state = s;
	return 0;
}

const uint8_t *state_data(const struct state *s, size_t *ret_len)
{
	*ret_len = s->out.len;
	return s->out.data;
}

uint64_t state_len(const struct state *s)
{
	return s->n_written;
}

/* ---- loading: the file's form ------------------------------------------------------ */

static int compare(const void *left, const void *right)
{
	const struct section *l = left, *r = right;
	int c = memcmp(l->tag, r->tag, STATE_TAG_LEN);

	return c ? c : l->instance < r->instance ? -1 : l->instance > r->instance;
}

static bool index_add(struct state *s, const struct section *sec)
{
	if (s->n_sections == s->n_room) {
		size_t room = s->n_room ? 2 * s->n_room : 64;
		struct section *p = realloc(s->index, room * sizeof *p);

		if (!p) {
			s->error = -ENOMEM;
			return false;
		}
		s->index = p;
		s->n_room = room;
	}
	s->index[s->n_sections++] = *sec;
	return true;
}

static void check_header(struct state *s, struct wire_reader *r)
{
	const uint8_t *header = wire_get(r, STATE_HEADER_LEN);

	if (!header || memcmp(header, magic, sizeof magic) != 0)
		refuse(s, "byte 0: this is no saved state");
	else if (load_le32(header + 8) > STATE_FORMAT)
		refuse(s, "byte 8: format %u is newer than %d, the newest known here",
		       load_le32(header + 8), STATE_FORMAT);
	else if (load_le32(header + 8) != STATE_FORMAT || load_le32(header + 12) != 0)
		refuse(s, "byte 8: a header that cannot be");
	else
		s->chain = XXH3_64bits(header, STATE_HEADER_LEN);
}

/* Checks one section and adds it to the index. True when it was the end. */
static bool check_section(struct state *s, struct wire_reader *r)
{
	struct section sec = { .at = s->len - r->left };
	const uint8_t *head = wire_get(r, STATE_HEAD_LEN), *payload;
	char place[PLACE_SIZE];
	uint64_t len;

	if (!head) {
		refuse(s, "byte %zu: the file stops here, before its end section", sec.at);
		return true;
	}
	memcpy(sec.tag, head, STATE_TAG_LEN);
	sec.instance = load_le32(head + 4);
	sec.version = load_le32(head + 8);
	len = load_le64(head + 12);
	place_of(sec.tag, sec.instance, sec.at, place);
	if (len > r->left) {
		refuse(s, "%s: cut off: %llu bytes long, %zu are there", place,
		       (unsigned long long)len, r->left);
		return true;
	}
	sec.len = (size_t)len;
	payload = wire_get(r, sec.len);
	s->chain = sum_of(s->chain, head, payload, sec.len);
	if (s->chain != load_le64(head + HEAD_SUMMED)) {
		refuse(s, "%s: damaged: its checksum is another", place);
		return true;
	}
	if (memcmp(sec.tag, end_tag, STATE_TAG_LEN) == 0) {
		if (sec.len || sec.instance || sec.version != 1)
			refuse(s, "%s: an end that cannot be", place);
		else if (r->left)
			refuse(s, "byte %zu: %zu bytes behind the end", s->len - r->left, r->left);
		return true;
	}
	return !index_add(s, &sec);
}

static void check_twice(struct state *s)
{
	char place[PLACE_SIZE];

	if (s->error || !s->n_sections)
		return;
	sort_in_place(s->index, s->n_sections, sizeof *s->index, compare);
	for (size_t i = 1; i < s->n_sections; i++) {
		if (compare(&s->index[i - 1], &s->index[i]) != 0)
			continue;
		place_of(s->index[i].tag, s->index[i].instance, s->index[i].at, place);
		refuse(s, "%s: there are two of it", place);
		return;
	}
}

int state_load_new(const void *data, size_t len, struct state **ret_state, char **ret_why)
{
	struct state *s = calloc(1, sizeof *s);
	struct wire_reader r = wire_read_from(data, len);
	int error;

	if (!s) {
		*ret_why = str_dup(strerror(ENOMEM));
		return -ENOMEM;
	}
	s->is_load = true;
	s->fd = -1;
	s->data = data;
	s->len = len;
	check_header(s, &r);
	while (!s->error && !check_section(s, &r))
		;
	check_twice(s);
	error = s->error;
	if (error) {
		*ret_why = str_dup(state_why(s));
		(void)state_free(s);
		return error;
	}
	*ret_state = s;
	return 0;
}

struct state *state_free(struct state *s)
{
	if (!s)
		return NULL;
	bytes_done(&s->payload);
	bytes_done(&s->out);
	free(s->index);
	free(s);
	return NULL;
}

/* ---- sections ---------------------------------------------------------------------- */

static struct section *find(const struct state *s, const char *tag, uint32_t instance)
{
	struct section key = { .instance = instance };

	memcpy(key.tag, tag, STATE_TAG_LEN);
	if (!s->n_sections)
		return NULL;
	return bsearch(&key, s->index, s->n_sections, sizeof key, compare);
}

bool state_has(const struct state *s, const char *tag, uint32_t instance)
{
	return find(s, tag, instance) != NULL;
}

void state_refuse(struct state *s, const char *tag, uint32_t instance, const char *what)
{
	const struct section *sec;
	char place[PLACE_SIZE];

	if (!s->is_load || s->error)
		return;
	sec = find(s, tag, instance);
	place_of(tag, instance, sec ? sec->at : 0, place);
	refuse(s, "%s: %s", place, what);
}

static void open_for_load(struct state *s, const char *tag, uint32_t instance, uint32_t version)
{
	char place[PLACE_SIZE];

	s->open = find(s, tag, instance);
	if (!s->open) {
		place_of(tag, instance, s->len, place);
		refuse(s, "%s: it is not there", place);
		return;
	}
	s->version = s->open->version;
	s->open->taken = true;
	s->in = wire_read_from(s->data + s->open->at + STATE_HEAD_LEN, s->open->len);
	open_place(s, place);
	if (s->version > version)
		refuse(s, "%s: version %u is newer than %u, the newest known here", place,
		       s->version, version);
	else if (!s->version)
		refuse(s, "%s: version 0 never was", place);
}

uint32_t state_begin(struct state *s, const char *tag, uint32_t instance, uint32_t version)
{
	s->version = version;
	if (s->error)
		return version;
	if (s->is_load) {
		open_for_load(s, tag, instance, version);
		return s->version;
	}
	memcpy(s->tag, tag, STATE_TAG_LEN);
	s->instance = instance;
	return version;
}

void state_end(struct state *s)
{
	char place[PLACE_SIZE];

	if (s->error)
		return;
	if (!s->is_load) {
		put_section(s);
		return;
	}
	open_place(s, place);
	if (s->in.left)
		refuse(s, "%s: %zu bytes too many", place, s->in.left);
	s->open = NULL;
}

size_t state_left(const struct state *s)
{
	return s->is_load && !s->error ? s->in.left : 0;
}

int state_finish(struct state *s)
{
	char place[PLACE_SIZE];

	if (!s->is_load) {
		(void)state_begin(s, end_tag, 0, 1);
		state_end(s);
		return s->error;
	}
	for (size_t i = 0; i < s->n_sections && !s->error; i++) {
		if (s->index[i].taken)
			continue;
		place_of(s->index[i].tag, s->index[i].instance, s->index[i].at, place);
		refuse(s, "%s: nothing of this machine has such a state", place);
	}
	return s->error;
}

/* ---- fields ------------------------------------------------------------------------- */

const uint8_t *state_take(struct state *s, size_t len)
{
	const uint8_t *p = s->error ? NULL : wire_get(&s->in, len);
	char place[PLACE_SIZE];

	if (!p && !s->error) {
		open_place(s, place);
		refuse(s, "%s: too short: it ends within its byte %zu", place, open_off(s));
	}
	return p;
}

/* A number of @len bytes, little-endian as the host is. */
static void number(struct state *s, void *v, size_t len)
{
	const uint8_t *p;

	if (!s->is_load) {
		bytes_append(&s->payload, v, len);
		return;
	}
	p = state_take(s, len);
	if (p)
		memcpy(v, p, len);
}

void state_u8(struct state *s, uint8_t *v)
{
	number(s, v, sizeof *v);
}

void state_u16(struct state *s, uint16_t *v)
{
	number(s, v, sizeof *v);
}

void state_u32(struct state *s, uint32_t *v)
{
	number(s, v, sizeof *v);
}

void state_u64(struct state *s, uint64_t *v)
{
	number(s, v, sizeof *v);
}

void state_i64(struct state *s, int64_t *v)
{
	number(s, v, sizeof *v);
}

void state_bool(struct state *s, bool *v)
{
	uint8_t byte = *v;

	number(s, &byte, 1);
	state_expect(s, byte <= 1, "a truth that is neither 0 nor 1");
	if (state_ok(s))
		*v = byte;
}

void state_double(struct state *s, double *v, double min, double max)
{
	double d = *v;

	number(s, &d, sizeof d);
	state_expect(s, d >= min && d <= max, "a number out of its range"); /* not true of a NaN */
	if (state_ok(s))
		*v = d;
}

void state_time(struct state *s, nsec_t *t, nsec_t now)
{
	bool is_instant = *t != INT64_MIN && *t != NSEC_NEVER;
	int64_t d = is_instant ? *t - now : *t;

	state_i64(s, &d);
	if (!s->is_load)
		return;
	is_instant = d != INT64_MIN && d != NSEC_NEVER;
	state_expect(s, !is_instant || (d >= -STATE_TIME_MAX && d <= STATE_TIME_MAX), "an instant beyond all time");
	if (state_ok(s))
		*t = is_instant ? now + d : d;
}

void state_span(struct state *s, nsec_t *span, nsec_t max)
{
	nsec_t d = *span;

	state_i64(s, &d);
	state_expect(s, d >= 0 && d <= max, "a duration out of its range");
	if (state_ok(s))
		*span = d;
}

void state_bytes(struct state *s, void *v, size_t len)
{
	if (len)
		number(s, v, len);
}

void state_u32s(struct state *s, uint32_t *v, size_t n)
{
	state_bytes(s, v, n * sizeof *v);
}

void state_u64s(struct state *s, uint64_t *v, size_t n)
{
	state_bytes(s, v, n * sizeof *v);
}
