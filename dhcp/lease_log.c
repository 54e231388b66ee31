/* dhcp/lease_log.c: the log of leases as bytes: records to be appended, and bytes read back.
 *
 * All numbers are little-endian.
 *
 *	header   8 bytes "MUSTERLL", u32 format, u32 0, u64 network, u64 generation
 *	record   u16 length of what follows up to the checksum, u64 sequence, what lease_record.c writes, u64 checksum
 *
 * A checksum (XXH3, 64 bits) is over the one before it and its own record; the first is over the header. So a record
 * that was torn, changed, moved or taken from another file ends the log there, and so does one whose sequence number
 * is not one more. What stood before holds.
 *
 * The instant of the last record is where the clock stood; a lease is loaded with what it then had left.
 *
 * Used by: the hosts of dhcp/dhcp4.c and dhcp/dhcp6.c.   Depends on: lease_record.c, core/wire.h, core/bytes.h, xxhash. */
#include "dhcp/lease_log.h"

#include "core/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const char magic[8] = "MUSTERLL";
enum { FORMAT = 2, CHECKSUM_LEN = 8, LENGTH_LEN = 2 };

static uint64_t chain(uint64_t before, const uint8_t *data, size_t len)
{
	return XXH3_64bits_withSeed(data, len, before);
}

static void put_header(struct lease_log *log, struct bytes *out)
{
	uint8_t buf[LEASE_LOG_HEADER_LEN];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	wire_put_bytes(&w, magic, sizeof magic);
	wire_put_le32(&w, FORMAT);
	wire_put_le32(&w, 0);
	wire_put_le64(&w, log->network);
	wire_put_le64(&w, log->generation);
	log->sum = chain(0, buf, sizeof buf);
	log->n_bytes = sizeof buf;
	bytes_append(out, buf, sizeof buf);
}

uint64_t lease_log_append(struct lease_log *log, const struct lease_record *record, struct bytes *out)
{
	uint8_t buf[LEASE_RECORD_MAX];
	struct wire_writer w = wire_write_to(buf, sizeof buf);
	size_t len;

	wire_put_le16(&w, 0);
	wire_put_le64(&w, ++log->seq);
	lease_record_put(&w, record);
	store_le16(buf, (uint16_t)(wire_put_len(&w) - LENGTH_LEN));
	len = wire_put_len(&w);
	log->sum = chain(log->sum, buf, len);
	wire_put_le64(&w, log->sum);
	len = wire_put_len(&w);
	bytes_append(out, buf, len);
	log->n_bytes += len;
	return log->seq;
}

static void put_mark(struct lease_log *log, nsec_t now, struct bytes *out)
{
	(void)lease_log_append(log, &(struct lease_record){ .kind = LEASE_RECORD_SNAPSHOT_END, .at = now }, out);
	log->n_snapshot_bytes = log->n_bytes;
}

void lease_log_begin(struct lease_log *log, uint64_t network, nsec_t now, struct bytes *out)
{
	*log = (struct lease_log){ .network = network, .generation = 1 };
	put_header(log, out);
	put_mark(log, now, out);
}

bool lease_log_should_compact(const struct lease_log *log)
{
	return log->n_bytes > LEASE_LOG_COMPACT_MIN && log->n_bytes > 2 * log->n_snapshot_bytes;
}

int lease_log_compact(struct lease_log *log, const struct leases *t, nsec_t now, struct bytes *out)
{
	const struct lease **all = NULL;
	size_t n = 0;
	int r = leases_sorted(t, &all, &n);

	if (r < 0)
		return r;
	log->generation++;
	put_header(log, out);
	for (size_t i = 0; i < n; i++) {
		const struct lease *l = all[i];
		struct lease_record rec = { .kind = LEASE_RECORD_BOUND, .addr = l->addr, .until = l->until, .at = now };

		if (l->state == LEASE_BOUND) {
			rec.client = (struct lease_client){ l->mac, l->id_len, l->id };
			rec.hostname = l->hostname;
			(void)lease_log_append(log, &rec, out);
		} else if (l->state == LEASE_DECLINED && l->until > 0) {
			rec.kind = LEASE_RECORD_DECLINED;
			(void)lease_log_append(log, &rec, out);
		}
	}
	put_mark(log, now, out);
	free(all);
	return 0;
}

/* One record of a file that is read; its texts are copied. */
struct reading {
	struct wire_reader r;
	uint64_t sum, seq; /* of the record before; seq 0: none yet */
	struct lease_record record;
	char hostname[LEASE_NAME_SIZE];
	const char *why; /* why it ended; NULL: at the end of the file */
};

static bool read_header(struct reading *f, const struct bytes *file, uint64_t network, uint64_t *ret_generation)
{
	const uint8_t *head;

	*f = (struct reading){ .r = wire_read_from(file->data, file->len) };
	head = wire_get(&f->r, LEASE_LOG_HEADER_LEN);
	if (!head || memcmp(head, magic, sizeof magic) != 0)
		f->why = file->len ? "no lease log" : "an empty file";
	else if (load_le32(head + 8) != FORMAT || load_le32(head + 12) != 0)
		f->why = "a lease log of another format";
	else if (load_le64(head + 16) != network)
		f->why = "the lease log of another network";
	if (f->why)
		return false;
	*ret_generation = load_le64(head + 24);
	f->sum = chain(0, head, LEASE_LOG_HEADER_LEN);
	return true;
}

/* The next record. False at the end, torn or not; then f->r stands where it begins. */
static bool read_record(struct reading *f)
{
	struct wire_reader r = f->r;
	const uint8_t *begin = r.p;
	size_t len;
	struct wire_reader body;
	uint64_t sum, seq;

	if (!r.left)
		return false;
	len = wire_get_le16(&r);
	body = wire_get_sub(&r, len);
	f->why = "a record that is cut off";
	if (r.failed || r.left < CHECKSUM_LEN)
		return false;
	sum = wire_get_le64(&r);
	f->why = "a record whose checksum is wrong";
	if (sum != chain(f->sum, begin, LENGTH_LEN + len))
		return false;
	f->why = "a record that is none";
	seq = wire_get_le64(&body);
	if (body.failed || !lease_record_get(body, &f->record, f->hostname) || (f->seq && seq != f->seq + 1))
		return false;
	f->why = NULL;
	f->seq = seq;
	f->sum = sum;
	f->r = r;
	return true;
}

/* What the whole of a file is worth. */
struct survey {
	bool is_whole; /* header and snapshot */
	uint64_t generation;
	nsec_t clock; /* at the last record */
	const char *why;
};

static struct survey survey(const struct bytes *file, uint64_t network)
{
	struct survey s = { 0 };
	struct reading f;

	if (read_header(&f, file, network, &s.generation)) {
		while (read_record(&f)) {
			s.clock = nsec_max(s.clock, f.record.at);
			s.is_whole |= f.record.kind == LEASE_RECORD_SNAPSHOT_END;
		}
		if (!s.is_whole && !f.why)
			f.why = "a snapshot without its end";
	}
	s.why = f.why;
	return s;
}

int lease_log_load(struct lease_log *log, uint64_t network, const struct bytes files[2], struct leases *t, nsec_t now,
		   struct lease_log_found *ret_found)
{
	struct survey s[2] = { survey(&files[0], network), survey(&files[1], network) };
	struct lease_log_found found = { 0 };
	uint64_t generation;
	struct reading f;
	nsec_t shift;

	if (!s[0].is_whole && !s[1].is_whole) {
		*ret_found = (struct lease_log_found){ .why = files[0].len ? s[0].why : s[1].why };
		return -ENOENT;
	}
	found.which = !s[0].is_whole || (s[1].is_whole && s[1].generation > s[0].generation);
	found.clock = s[found.which].clock;
	shift = now == LEASE_CLOCK_SAME ? 0 : now - found.clock;
	*log = (struct lease_log){ .network = network };
	(void)read_header(&f, &files[found.which], network, &generation);
	log->generation = generation;
	while (read_record(&f)) {
		found.n_records++;
		found.n_dropped += !lease_record_apply(&f.record, t, shift);
		if (f.record.kind == LEASE_RECORD_SNAPSHOT_END)
			log->n_snapshot_bytes = (uint64_t)(f.r.p - files[found.which].data);
	}
	log->seq = f.seq;
	log->sum = f.sum;
	found.len = (size_t)(f.r.p - files[found.which].data);
	log->n_bytes = found.len;
	found.why = f.why;
	*ret_found = found;
	return 0;
}
