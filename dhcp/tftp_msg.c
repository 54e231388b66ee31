/* dhcp/tftp_msg.c: TFTP's messages.
 *
 * Used by: dhcp/tftp.c. */
#include "dhcp/tftp_msg.h"

#include "core/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DIGITS_MAX = 20 };

static const char *const option_names[] = { "blksize", "timeout", "tsize", "windowsize" };
_Static_assert(sizeof option_names / sizeof *option_names == TFTP_OPTION_COUNT, "one name an option");

/* The next string, with its zero; NULL when there is none that ends. */
static const char *get_string(struct wire_reader *r)
{
	const uint8_t *end = r->left ? memchr(r->p, 0, r->left) : NULL;

	return end ? (const char *)wire_get(r, (size_t)(end - r->p) + 1) : NULL;
}

/* Reads a decimal number. */
static bool get_number(const char *text, uint64_t *ret)
{
	uint64_t n = 0;
	size_t len = strlen(text);

	if (!len || len > DIGITS_MAX)
		return false;
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return false;
	*ret = n;
	return true;
}

static bool is_possible(enum tftp_option option, uint64_t n)
{
	switch (option) {
	case TFTP_BLKSIZE:
		return n >= TFTP_BLOCK_MIN;
	case TFTP_TIMEOUT:
		return n >= 1 && n <= TFTP_TIMEOUT_MAX;
	case TFTP_WINDOWSIZE:
		return n >= 1;
	case TFTP_TSIZE:
	case TFTP_OPTION_COUNT:
		break;
	}
	return true;
}

static bool has(const struct tftp_request *q, enum tftp_option option)
{
	for (size_t i = 0; i < q->n_options; i++)
		if (q->order[i] == option)
			return true;
	return false;
}

static void take_option(struct tftp_request *q, const char *name, const char *value)
{
	uint64_t n;

	for (unsigned i = 0; i < TFTP_OPTION_COUNT; i++) {
		if (strcasecmp(name, option_names[i]) != 0)
			continue;
		if (!get_number(value, &n) || !is_possible((enum tftp_option)i, n) || has(q, (enum tftp_option)i))
			return;
		q->order[q->n_options++] = (enum tftp_option)i;
		q->value[i] = n;
		return;
	}
}

/* Appends a part of a path. Returns false when it may not be, or there is no room. */
static bool put_part(const char *part, size_t len, char ret[TFTP_NAME_SIZE], size_t *at)
{
	if (len == 0 || (len == 1 && part[0] == '.'))
		return true;
	if (len == 2 && part[0] == '.' && part[1] == '.')
		return false;
	if (*at + (*at > 0) + len >= TFTP_NAME_SIZE)
		return false;
	if (*at)
		ret[(*at)++] = '/';
	memcpy(ret + *at, part, len);
	*at += len;
	return true;
}

bool tftp_name_clean(const char *name, char ret[TFTP_NAME_SIZE])
{
	char out[TFTP_NAME_SIZE];
	size_t at = 0;

	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	while (*name) {
		size_t len = strcspn(name, "/\\");

		if (!put_part(name, len, out, &at))
			return false;
		name += len + (name[len] != 0);
	}
	if (!at)
		return false;
	memcpy(ret, out, at);
	ret[at] = 0;
	return true;
}

enum tftp_verdict tftp_request_parse(const uint8_t *msg, size_t len, struct tftp_request *ret)
{
	struct wire_reader r = wire_read_from(msg, len);
	uint16_t op = wire_get_be16(&r);
	const char *name, *mode, *option, *value;

	*ret = (struct tftp_request){ .is_write = op == TFTP_WRQ };
	if (r.failed || (op != TFTP_RRQ && op != TFTP_WRQ))
		return TFTP_MALFORMED;
	name = get_string(&r);
	mode = name ? get_string(&r) : NULL;
	if (!mode)
		return TFTP_MALFORMED;
	ret->is_netascii = strcasecmp(mode, "netascii") == 0;
	if (!ret->is_netascii && strcasecmp(mode, "octet") != 0)
		return TFTP_BAD_MODE;
	while ((option = get_string(&r)) && (value = get_string(&r)))
		take_option(ret, option, value);
	return tftp_name_clean(name, ret->name) ? TFTP_GOOD : TFTP_BAD_NAME;
}

size_t tftp_oack_put(const struct tftp_request *asked, const uint64_t value[TFTP_OPTION_COUNT],
		     uint8_t buf[TFTP_OACK_MAX])
{
	struct wire_writer w = wire_write_to(buf, TFTP_OACK_MAX);
	char text[DIGITS_MAX + 1];

	if (!asked->n_options)
		return 0;
	wire_put_be16(&w, TFTP_OACK);
	for (size_t i = 0; i < asked->n_options; i++) {
		const char *name = option_names[asked->order[i]];
		int len = snprintf(text, sizeof text, "%" PRIu64, value[asked->order[i]]);

		wire_put_bytes(&w, name, strlen(name) + 1);
		wire_put_bytes(&w, text, (size_t)len + 1);
	}
	return w.failed ? 0 : wire_put_len(&w);
}

size_t tftp_error_put(enum tftp_error error, const char *text, uint8_t buf[TFTP_ERROR_MAX])
{
	struct wire_writer w = wire_write_to(buf, TFTP_ERROR_MAX);
	size_t len = strnlen(text, TFTP_ERROR_MAX - TFTP_HEAD_LEN - 1);

	wire_put_be16(&w, TFTP_ERROR);
	wire_put_be16(&w, (uint16_t)error);
	wire_put_bytes(&w, text, len);
	wire_put_u8(&w, 0);
	return wire_put_len(&w);
}
