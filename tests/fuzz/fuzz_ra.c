/* tests/fuzz/fuzz_ra.c: router solicitations of any bytes, at any times.
 *
 * Input: steps of 4 bytes and options: how much later, hop limit and code, source, length of options. No two
 * advertisements are closer than 3 s, and one of the right form follows each good solicitation within 3.5 s. */
#include "core/prng.h"
#include "dhcp/ra.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static nsec_t now, last, asked; /* asked: the first solicitation since the last advertisement; -1: none */

static void on_send(void *ctx, const struct ra_message *m)
{
	(void)ctx;
	MUST(last < 0 || now - last >= 3 * NSEC_PER_SEC);
	MUST(asked < 0 || now - asked <= 3500 * NSEC_PER_MSEC);
	MUST(m->len >= 8 && m->len % 8 == 0 && m->len <= RA_PAYLOAD_MAX);
	last = now;
	asked = -1;
}

static void run_until(struct ra *ra, nsec_t end)
{
	while (ra_next(ra) <= end) {
		now = nsec_max(now, ra_next(ra));
		ra_run(ra, now);
	}
	now = end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct ip_addr prefix = { IP_V6, 64, { 0xfd } };
	static const struct ra_config config = { .mode = RA_MODE_STATELESS, .prefixes = &prefix, .n_prefixes = 1 };
	static const struct ra_host host = { .send = on_send };
	struct prng prng;
	struct ra *ra;

	now = 0;
	last = asked = -1;
	prng_init(&prng, len ? data[0] : 0, "");
	MUST(ra_new(&config, &host, &prng, 0, &ra) == 0);
	while (len >= 4) {
		struct ip_addr src = { IP_V6, 128, { data[2] & 1 ? 0xfe : 0 } };
		size_t n = data[3] < len - 4 ? data[3] : len - 4;
		uint8_t *options = malloc(n ? n : 1);

		memcpy(options, data + 4, n);
		for (size_t at = 0; data[2] & 2 && at + 1 < n; at += 8u * options[at + 1])
			options[at + 1] = (uint8_t)(1 + options[at + 1] % 3); /* likelier to be whole */
		run_until(ra, now + (nsec_t)data[0] * 20 * NSEC_PER_MSEC);
		if (ra_input(ra, &src, data[1] & 0x0f ? 255 : data[1], data[1] >> 6 ? 0 : 1, options, n, now) ==
			    RA_ANSWERED &&
		    asked < 0)
			asked = now;
		free(options);
		data += 4 + n;
		len -= 4 + n;
	}
	run_until(ra, now + 4 * NSEC_PER_SEC);
	MUST(asked < 0);
	ra_free(ra);
	return 0;
}
