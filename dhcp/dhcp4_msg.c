/* dhcp/dhcp4_msg.c: DHCPv4 messages: from bytes to a value, and from a value to bytes.
 *
 * Reading walks each field twice: the first walk checks lengths and adds up how long each option is in all, the
 * second copies the pieces to their places. Only the options field is asked for option 52, so an overload inside
 * file or sname leads nowhere. All wire bytes pass core/wire, and nothing is written outside bytes[].
 *
 * Writing places whole options first-fit into the options field, file and sname, so that a client which does not
 * join pieces across fields still reads each option; only options longer than 255 bytes are in pieces.
 *
 * Used by: dhcp/dhcp4.c.   Depends on: core/wire.h.
 * Sources: RFC 2131 §2, §4.1; RFC 2132; RFC 3396; RFC 3046. */
#include "dhcp/dhcp4_msg.h"

#include "core/wire.h"

enum { PIECE_MAX = 255, COOKIE = 0x63825363 /* RFC 2131 §3 */ };
enum { OVERLOAD_FILE = 1, OVERLOAD_SNAME = 2, OVERLOAD_LEN = 3 };

/* One option of a field. False at its end, or when an option leaves the field; then r->failed. */
static bool next_option(struct wire_reader *r, uint8_t *ret_code, const uint8_t **ret_data, size_t *ret_len)
{
	uint8_t code = DHCP4_PAD;

	while (r->left && code == DHCP4_PAD)
		code = wire_get_u8(r);
	if (code == DHCP4_PAD || code == DHCP4_END)
		return false;
	*ret_code = code;
	*ret_len = wire_get_u8(r);
	*ret_data = wire_get(r, *ret_len);
	return *ret_data && !r->failed;
}

/* Adds up the lengths of a field's options. */
static bool measure(struct wire_reader r, struct dhcp4_msg *m, size_t *total)
{
	const uint8_t *data;
	uint8_t code;
	size_t len;

	while (next_option(&r, &code, &data, &len)) {
		*total += len;
		if (*total > DHCP4_OPTION_BYTES)
			return false;
		m->options[code].is_there = true;
		m->options[code].len = (uint16_t)(m->options[code].len + len);
	}
	return !r.failed;
}

/* Copies a field's options behind what their pieces of earlier fields left. */
static void gather(struct wire_reader r, struct dhcp4_msg *m)
{
	const uint8_t *data;
	uint8_t code;
	size_t len;

	while (next_option(&r, &code, &data, &len)) {
		struct dhcp4_piece *o = &m->options[code];

		memcpy(m->bytes + o->at + o->len, data, len);
		o->len = (uint16_t)(o->len + len);
	}
}

/* Option 52 of the options field; 0 when there is none, -1 when it is wrong. */
static int overload_of(struct wire_reader r)
{
	const uint8_t *data;
	uint8_t code;
	size_t len;
	int v = 0;

	while (next_option(&r, &code, &data, &len)) {
		if (code != DHCP4_OVERLOAD)
			continue;
		if (len != 1 || v || data[0] < OVERLOAD_FILE || data[0] > (OVERLOAD_FILE | OVERLOAD_SNAME))
			return -1;
		v = data[0];
	}
	return v;
}

static bool read_options(struct wire_reader r, struct dhcp4_msg *m)
{
	struct wire_reader fields[3] = { r };
	size_t n_fields = 1, total = 0;
	uint16_t at = 0;
	int overload = overload_of(r);

	if (overload < 0)
		return false;
	if (overload & OVERLOAD_FILE)
		fields[n_fields++] = wire_read_from(m->head.file, DHCP4_FILE_LEN);
	if (overload & OVERLOAD_SNAME)
		fields[n_fields++] = wire_read_from(m->head.sname, DHCP4_SNAME_LEN);
	for (size_t i = 0; i < n_fields; i++)
		if (!measure(fields[i], m, &total))
			return false;
	for (size_t code = 0; code < 256; code++) {
		m->options[code].at = at;
		at = (uint16_t)(at + m->options[code].len);
		m->options[code].len = 0;
	}
	for (size_t i = 0; i < n_fields; i++)
		gather(fields[i], m);
	if (overload & OVERLOAD_FILE)
		memset(m->head.file, 0, DHCP4_FILE_LEN);
	if (overload & OVERLOAD_SNAME)
		memset(m->head.sname, 0, DHCP4_SNAME_LEN);
	return true;
}

static void read_head(struct wire_reader *r, struct dhcp4_head *h)
{
	static const uint8_t none[DHCP4_FILE_LEN];
	const uint8_t *p;

	h->op = wire_get_u8(r);
	h->htype = wire_get_u8(r);
	h->hlen = wire_get_u8(r);
	h->hops = wire_get_u8(r);
	h->xid = wire_get_be32(r);
	h->secs = wire_get_be16(r);
	h->flags = wire_get_be16(r);
	h->ciaddr = wire_get_be32(r);
	h->yiaddr = wire_get_be32(r);
	h->siaddr = wire_get_be32(r);
	h->giaddr = wire_get_be32(r);
	p = wire_get(r, DHCP4_CHADDR_LEN);
	memcpy(h->chaddr, p ? p : none, DHCP4_CHADDR_LEN);
	p = wire_get(r, DHCP4_SNAME_LEN);
	memcpy(h->sname, p ? p : none, DHCP4_SNAME_LEN);
	p = wire_get(r, DHCP4_FILE_LEN);
	memcpy(h->file, p ? p : none, DHCP4_FILE_LEN);
}

enum dhcp4_verdict dhcp4_read(const uint8_t *payload, size_t len, struct dhcp4_msg *m)
{
	struct wire_reader r = wire_read_from(payload, len);
	const uint8_t *type;
	size_t type_len;

	memset(&m->head, 0, sizeof m->head);
	memset(m->options, 0, sizeof m->options);
	m->type = DHCP4_NONE;
	read_head(&r, &m->head);
	if (r.failed || m->head.hlen > DHCP4_CHADDR_LEN)
		return DHCP4_MALFORMED;
	if (r.left < 4 || wire_get_be32(&r) != COOKIE)
		return DHCP4_BOOTP;
	if (!read_options(r, m))
		return DHCP4_MALFORMED;
	type = dhcp4_option(m, DHCP4_MESSAGE_TYPE, &type_len);
	if (!type)
		return DHCP4_BOOTP;
	if (type_len != 1 || type[0] == DHCP4_NONE || type[0] >= DHCP4_TYPE_COUNT)
		return DHCP4_MALFORMED;
	m->type = type[0];
	return DHCP4_GOOD;
}

const uint8_t *dhcp4_option(const struct dhcp4_msg *m, uint8_t code, size_t *ret_len)
{
	const struct dhcp4_piece *o = &m->options[code];

	if (!o->is_there)
		return NULL;
	*ret_len = o->len;
	return m->bytes + o->at;
}

bool dhcp4_has(const struct dhcp4_msg *m, uint8_t code)
{
	return m->options[code].is_there;
}

bool dhcp4_option_u16(const struct dhcp4_msg *m, uint8_t code, uint16_t *ret_v)
{
	size_t len;
	const uint8_t *p = dhcp4_option(m, code, &len);

	if (!p || len != sizeof *ret_v)
		return false;
	*ret_v = load_be16(p);
	return true;
}

bool dhcp4_option_u32(const struct dhcp4_msg *m, uint8_t code, uint32_t *ret_v)
{
	size_t len;
	const uint8_t *p = dhcp4_option(m, code, &len);

	if (!p || len != sizeof *ret_v)
		return false;
	*ret_v = load_be32(p);
	return true;
}

const uint8_t *dhcp4_sub(const uint8_t *option, size_t len, uint8_t code, size_t *ret_len)
{
	struct wire_reader r = wire_read_from(option, len);

	while (r.left) {
		uint8_t sub = wire_get_u8(&r);
		size_t sub_len = wire_get_u8(&r);
		const uint8_t *data = wire_get(&r, sub_len);

		if (!data)
			return NULL;
		if (sub == code) {
			*ret_len = sub_len;
			return data;
		}
	}
	return NULL;
}

bool dhcp4_add(struct dhcp4_build *b, uint8_t code, const void *data, size_t len)
{
	if (b->n_adds == DHCP4_ADDS_MAX || len > sizeof b->bytes - b->bytes_len)
		return false;
	for (size_t i = 0; i < b->n_adds; i++)
		if (b->adds[i].code == code)
			return false;
	if (len)
		memcpy(b->bytes + b->bytes_len, data, len);
	b->adds[b->n_adds].at = (uint16_t)b->bytes_len;
	b->adds[b->n_adds].len = (uint16_t)len;
	b->adds[b->n_adds++].code = code;
	b->bytes_len += len;
	return true;
}

bool dhcp4_add_u8(struct dhcp4_build *b, uint8_t code, uint8_t v)
{
	return dhcp4_add(b, code, &v, 1);
}

bool dhcp4_add_u16(struct dhcp4_build *b, uint8_t code, uint16_t v)
{
	uint8_t p[2];

	store_be16(p, v);
	return dhcp4_add(b, code, p, sizeof p);
}

bool dhcp4_add_u32(struct dhcp4_build *b, uint8_t code, uint32_t v)
{
	uint8_t p[4];

	store_be32(p, v);
	return dhcp4_add(b, code, p, sizeof p);
}

/* What an option of @len bytes takes on the wire, with the head of each piece. */
static size_t wire_size(size_t len)
{
	size_t n_pieces = len ? (len + PIECE_MAX - 1) / PIECE_MAX : 1;

	return len + 2 * n_pieces;
}

static void put_option(struct wire_writer *w, uint8_t code, const uint8_t *data, size_t len)
{
	do {
		size_t n = len < PIECE_MAX ? len : PIECE_MAX;

		wire_put_u8(w, code);
		wire_put_u8(w, (uint8_t)n);
		wire_put_bytes(w, data, n);
		data += n;
		len -= n;
	} while (len);
}

static bool all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* The three fields that options can lie in, while they are filled. */
struct layout {
	struct wire_writer fields[3]; /* options, file, sname */
	size_t room[3]; /* left for options */
	uint8_t file[DHCP4_FILE_LEN], sname[DHCP4_SNAME_LEN];
};

/* Places each option but 82. Returns how many found no room. */
static unsigned place(const struct dhcp4_build *b, struct layout *l)
{
	unsigned n_left_out = 0;

	for (size_t i = 0; i < b->n_adds; i++) {
		size_t need = wire_size(b->adds[i].len), f = 0;

		if (b->adds[i].code == DHCP4_RELAY)
			continue;
		while (f < 3 && l->room[f] < need)
			f++;
		if (f == 3) {
			n_left_out++;
			continue;
		}
		l->room[f] -= need;
		put_option(&l->fields[f], b->adds[i].code, b->bytes + b->adds[i].at, b->adds[i].len);
	}
	return n_left_out;
}

static void put_head(struct wire_writer *w, const struct dhcp4_head *h)
{
	wire_put_u8(w, h->op);
	wire_put_u8(w, h->htype);
	wire_put_u8(w, h->hlen);
	wire_put_u8(w, h->hops);
	wire_put_be32(w, h->xid);
	wire_put_be16(w, h->secs);
	wire_put_be16(w, h->flags);
	wire_put_be32(w, h->ciaddr);
	wire_put_be32(w, h->yiaddr);
	wire_put_be32(w, h->siaddr);
	wire_put_be32(w, h->giaddr);
	wire_put_bytes(w, h->chaddr, DHCP4_CHADDR_LEN);
	wire_put_bytes(w, h->sname, DHCP4_SNAME_LEN);
	wire_put_bytes(w, h->file, DHCP4_FILE_LEN);
	wire_put_be32(w, COOKIE);
}

/* Places the options anew with file and sname as further fields, and says so in option 52. */
static unsigned place_overloaded(const struct dhcp4_build *b, struct layout *l, struct wire_writer options, size_t room)
{
	unsigned n_left_out, overload = 0;

	l->fields[0] = options;
	l->room[0] = room > OVERLOAD_LEN ? room - OVERLOAD_LEN : 0;
	/* A field that is lent to options ends with END (RFC 2131 §4.1). */
	l->room[1] = all_zero(b->head.file, DHCP4_FILE_LEN) ? DHCP4_FILE_LEN - 1 : 0;
	l->room[2] = all_zero(b->head.sname, DHCP4_SNAME_LEN) ? DHCP4_SNAME_LEN - 1 : 0;
	l->fields[1] = wire_write_to(l->file, DHCP4_FILE_LEN);
	l->fields[2] = wire_write_to(l->sname, DHCP4_SNAME_LEN);
	n_left_out = place(b, l);
	for (unsigned f = 1; f < 3; f++) {
		if (!wire_put_len(&l->fields[f]))
			continue;
		wire_put_u8(&l->fields[f], DHCP4_END);
		overload |= f == 1 ? OVERLOAD_FILE : OVERLOAD_SNAME;
	}
	if (overload)
		put_option(&l->fields[0], DHCP4_OVERLOAD, &(uint8_t){ (uint8_t)overload }, 1);
	return n_left_out;
}

/* Where option 82 stands among the options when it can be echoed; n_adds when it cannot. */
static size_t find_relay(const struct dhcp4_build *b, size_t room, unsigned *n_left_out)
{
	for (size_t i = 0; i < b->n_adds; i++) {
		if (b->adds[i].code != DHCP4_RELAY)
			continue;
		if (wire_size(b->adds[i].len) + DHCP4_BESIDE_RELAY <= room)
			return i;
		++*n_left_out;
	}
	return b->n_adds;
}

size_t dhcp4_write(const struct dhcp4_build *b, size_t max, uint8_t *buf, size_t size, unsigned *ret_left_out)
{
	struct wire_writer w = wire_write_to(buf, size < max ? size : max), *options;
	struct layout l = { 0 };
	size_t room, relay_at, len;
	unsigned n_left_out, n_relay = 0;

	put_head(&w, &b->head);
	room = w.left - 1; /* less END */
	relay_at = find_relay(b, room, &n_relay);
	if (relay_at < b->n_adds)
		room -= wire_size(b->adds[relay_at].len);
	l.fields[0] = w;
	l.room[0] = room;
	n_left_out = place(b, &l);
	if (n_left_out) {
		n_left_out = place_overloaded(b, &l, w, room);
		if (wire_put_len(&l.fields[1]))
			memcpy(buf + DHCP4_HEAD_LEN - DHCP4_FILE_LEN, l.file, DHCP4_FILE_LEN);
		if (wire_put_len(&l.fields[2]))
			memcpy(buf + DHCP4_HEAD_LEN - DHCP4_FILE_LEN - DHCP4_SNAME_LEN, l.sname, DHCP4_SNAME_LEN);
	}
	options = &l.fields[0];
	if (relay_at < b->n_adds)
		put_option(options, DHCP4_RELAY, b->bytes + b->adds[relay_at].at, b->adds[relay_at].len);
	wire_put_u8(options, DHCP4_END);
	while ((len = wire_put_len(options)) < DHCP4_REPLY_MIN && !options->failed)
		wire_put_u8(options, DHCP4_PAD);
	*ret_left_out = n_left_out + n_relay;
	return len;
}
