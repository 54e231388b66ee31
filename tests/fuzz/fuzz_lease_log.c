/* tests/fuzz/fuzz_lease_log.c: files of leases that were changed in any way.
 *
 * Input: steps of 4 bytes. Most append a record to a log in two files, some compact it. The rest change the files: a
 * byte is set, a file is cut, or bytes are appended. A load takes what still holds: no address and no client that was
 * never recorded, and the log can be appended to and loaded again behind it. */
#include "core/prng.h"
#include "dhcp/lease_log.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

enum { FIRST = 100, N_ADDRS = 64, N_CLIENTS = 16 };
static const struct lease_range range = { FIRST, FIRST + N_ADDRS - 1 };
static const struct lease_config config = { .ranges = &range, .n_ranges = 1, .offer_ns = 1, .quarantine_ns = 1 };
static struct bytes files[2];
static unsigned which;
static struct lease_log logbook;
static struct leases *t;
static bool was_recorded[N_ADDRS][N_CLIENTS];

static void add(const uint8_t *step)
{
	static const uint8_t id[3] = { 1, 2, 3 };
	struct lease_record r = { .kind = (enum lease_record_kind)(LEASE_RECORD_BOUND + step[0] % 3),
				  .addr = FIRST + step[1] % N_ADDRS,
				  .client = { { { 2, 0, 0, 0, 0, step[2] % N_CLIENTS } }, step[3] % 4, id },
				  .hostname = step[3] & 4 ? "pc" : "",
				  .until = NSEC_NEVER,
				  .at = step[3] };

	was_recorded[step[1] % N_ADDRS][step[2] % N_CLIENTS] = true;
	(void)lease_record_apply(&r, t, 0);
	(void)lease_log_append(&logbook, &r, &files[which]);
}

static void compact(void)
{
	files[!which].len = 0;
	MUST(lease_log_compact(&logbook, t, 0, &files[!which]) == 0);
	which = !which;
}

static void damage(const uint8_t *step)
{
	struct bytes *f = &files[step[1] & 1];
	size_t at = f->len ? ((size_t)step[2] << 8 | step[3]) % f->len : 0;

	if (step[1] & 2 && f->len)
		f->data[at] ^= (uint8_t)(1 + step[0] % 255);
	else if (step[1] & 4)
		f->len = at;
	else
		bytes_append(f, step, 4);
}

static void load(struct lease_log_found *found, int *ret_r)
{
	struct prng prng;

	t = leases_free(t);
	prng_init(&prng, 1, "");
	MUST(leases_new(&config, &prng, &t) == 0);
	*ret_r = lease_log_load(&logbook, 1, files, t, 0, found);
}

static void check_table(void)
{
	const struct lease **all;
	size_t n;

	MUST(leases_sorted(t, &all, &n) == 0);
	for (size_t i = 0; i < n; i++)
		MUST(all[i]->state != LEASE_BOUND || was_recorded[all[i]->addr - FIRST][all[i]->mac.b[5]]);
	free(all);
}

static void load_and_go_on(void)
{
	struct lease_log_found found;
	uint64_t n;
	int r;

	load(&found, &r);
	check_table();
	if (r < 0)
		return;
	which = found.which;
	MUST(found.len <= files[which].len);
	files[which].len = found.len;
	n = found.n_records;
	add((const uint8_t[]){ 0, 1, 1, 1 });
	load(&found, &r);
	MUST(r == 0 && found.which == which && found.n_records == n + 1 && !found.why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct prng prng;

	memset(was_recorded, 0, sizeof was_recorded);
	files[0].len = files[1].len = 0;
	which = 0;
	prng_init(&prng, 1, "");
	MUST(leases_new(&config, &prng, &t) == 0);
	lease_log_begin(&logbook, 1, 0, &files[0]);
	for (; len >= 4; data += 4, len -= 4)
		if (data[0] < 200)
			add(data);
		else if (data[0] < 230)
			compact();
		else
			damage(data);
	load_and_go_on();
	t = leases_free(t);
	return 0;
}
