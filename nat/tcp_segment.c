/* nat/tcp_segment.c: TCP options, and the RST for a segment that belongs to no connection.
 *
 * Used by: nat/tcp_*.c.   Depends on: core/wire.h.
 * Sources: RFC 9293 §3.1, §3.5.2; RFC 7323 §2.2, §3.2; RFC 2018 §2, §3. */
#include "nat/tcp_segment.h"

#include "core/wire.h"

#include <string.h>

enum { OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK_PERMITTED = 4, OPT_SACK = 5, OPT_TS = 8 };
enum { LEN_MSS = 4, LEN_WSCALE = 3, LEN_SACK_PERMITTED = 2, LEN_TS = 10 };

static void take_sack(struct wire_reader r, struct tcp_options *opt)
{
	if (r.left % 8)
		return;
	for (opt->n_sack = 0; r.left && opt->n_sack < TCP_SACKS_MAX; opt->n_sack++) {
		opt->sack[opt->n_sack].start = wire_get_be32(&r);
		opt->sack[opt->n_sack].end = wire_get_be32(&r);
	}
}

/* @r: the option's value, without kind and length. */
static void take_option(uint8_t kind, struct wire_reader r, struct tcp_options *opt)
{
	if (kind == OPT_MSS && r.left == LEN_MSS - 2) {
		opt->mss = wire_get_be16(&r);
	} else if (kind == OPT_WSCALE && r.left == LEN_WSCALE - 2) {
		opt->has_wscale = true;
		opt->wscale = wire_get_u8(&r);
		if (opt->wscale > TCP_WSCALE_MAX) /* RFC 7323 §2.3: use 14 */
			opt->wscale = TCP_WSCALE_MAX;
	} else if (kind == OPT_SACK_PERMITTED && r.left == LEN_SACK_PERMITTED - 2) {
		opt->sack_permitted = true;
	} else if (kind == OPT_TS && r.left == LEN_TS - 2) {
		opt->has_ts = true;
		opt->ts_val = wire_get_be32(&r);
		opt->ts_ecr = wire_get_be32(&r);
	} else if (kind == OPT_SACK) {
		take_sack(r, opt);
	}
}

bool tcp_options_parse(const uint8_t *bytes, size_t len, struct tcp_options *ret_opt)
{
	struct wire_reader r = wire_read_from(bytes, len);

	*ret_opt = (struct tcp_options){ 0 };
	while (r.left) {
		uint8_t kind = wire_get_u8(&r), option_len;

		if (kind == OPT_END)
			return true;
		if (kind == OPT_NOP)
			continue;
		option_len = wire_get_u8(&r);
		if (r.failed || option_len < 2 || option_len - 2u > r.left)
			return false;
		take_option(kind, wire_get_sub(&r, option_len - 2u), ret_opt);
	}
	return true;
}

static void put_head(struct wire_writer *w, uint8_t kind, uint8_t len)
{
	wire_put_u8(w, kind);
	wire_put_u8(w, len);
}

static void put_sack(struct wire_writer *w, const struct tcp_options *opt)
{
	size_t n = opt->n_sack;

	while (n && 4 + 8 * n > w->left)
		n--;
	if (!n)
		return;
	wire_put_u8(w, OPT_NOP);
	wire_put_u8(w, OPT_NOP);
	put_head(w, OPT_SACK, (uint8_t)(2 + 8 * n));
	for (size_t i = 0; i < n; i++) {
		wire_put_be32(w, opt->sack[i].start);
		wire_put_be32(w, opt->sack[i].end);
	}
}

size_t tcp_options_put(const struct tcp_options *opt, uint8_t *buf)
{
	struct wire_writer w = wire_write_to(buf, TCP_OPTIONS_SIZE);

	if (opt->mss) {
		put_head(&w, OPT_MSS, LEN_MSS);
		wire_put_be16(&w, opt->mss);
	}
	if (opt->sack_permitted) {
		if (!opt->has_ts) {
			wire_put_u8(&w, OPT_NOP);
			wire_put_u8(&w, OPT_NOP);
		}
		put_head(&w, OPT_SACK_PERMITTED, LEN_SACK_PERMITTED);
	}
	if (opt->has_ts) {
		if (!opt->sack_permitted) {
			wire_put_u8(&w, OPT_NOP);
			wire_put_u8(&w, OPT_NOP);
		}
		put_head(&w, OPT_TS, LEN_TS);
		wire_put_be32(&w, opt->ts_val);
		wire_put_be32(&w, opt->ts_ecr);
	}
	if (opt->has_wscale) {
		wire_put_u8(&w, OPT_NOP);
		put_head(&w, OPT_WSCALE, LEN_WSCALE);
		wire_put_u8(&w, opt->wscale);
	}
	put_sack(&w, opt);
	return wire_put_len(&w);
}

bool tcp_reset_for(const struct tcp_segment *seg, struct tcp_out *ret_out)
{
	if (seg->flags & TCPF_RST)
		return false;
	*ret_out = (struct tcp_out){ .flags = TCPF_RST };
	if (seg->flags & TCPF_ACK) {
		ret_out->seq = seg->ack;
	} else {
		ret_out->flags |= TCPF_ACK;
		ret_out->ack = seg->seq + tcp_segment_span(seg);
	}
	return true;
}
