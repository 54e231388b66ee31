/* tests/fuzz/driver_main.c: runs a fuzz harness without a fuzzer.
 *
 *   fuzz_x [-n INPUTS] [-s SEED] [-t SECONDS] [-c FILE]
 *                                  that many pseudo-random inputs (20,000, or what the harness
 *                                  wants; 1); with -t as many as there is time for; their
 *                                  number is appended to FILE
 *   fuzz_x FILE...                 these inputs (a corpus, a crash)
 *
 * Before each input it is written down in memory; when the harness aborts the
 * input goes to ./fuzz-crash, to be run again by name. The last line has the
 * form tests/run-units counts. */
#include "core/bytes.h"
#include "core/clock.h"
#include "core/prng.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 2048, INPUT_COUNT = 20000 };

/* Absent from harnesses that are not of a virtio device. */
#pragma weak virtio_fuzz_totals
/* Inputs when none are asked for, from harnesses that run more than others. */
extern uint64_t fuzz_default_inputs;
#pragma weak fuzz_default_inputs

static uint8_t input[INPUT_MAX];
static size_t input_len;
static uint64_t n_inputs; /* begun */

static void save_input(void)
{
	int fd = open("fuzz-crash", O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0)
		return;
	(void)!write(fd, input, input_len);
	(void)close(fd);
}

static void on_abort(int signo)
{
	(void)signo;
	save_input();
	(void)dprintf(STDERR_FILENO, "the input is in ./fuzz-crash; it was number %" PRIu64 "\n",
		      n_inputs);
	_exit(1);
}

/* Sanitizers end the process through this (ASAN_OPTIONS=abort_on_error=1). What
 * an input freed is kept back no longer than a few inputs: with the usual 256 MiB
 * each input would pay for fresh pages. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1:handle_abort=0:quarantine_size_mb=2";
}

static int run_files(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		CLEANUP(bytes) struct bytes b = { 0 };

		if (file_read_all(argv[i], 1 << 20, &b) < 0) {
			perror(argv[i]);
			return 1;
		}
		(void)LLVMFuzzerTestOneInput(b.data, b.len);
	}
	printf("%d inputs ran\n", argc - 1);
	return 0;
}

/* A line in the file @path, which others append to at the same time. */
static bool append_count(const char *path)
{
	CLEANUP(file) FILE *f = fopen(path, "ae");

	return f && fprintf(f, "%" PRIu64 "\n", n_inputs) > 0;
}

int main(int argc, char **argv)
{
	uint64_t n = &fuzz_default_inputs ? fuzz_default_inputs : INPUT_COUNT, seed = 1;
	nsec_t end = 0;
	const char *count = NULL;
	struct prng prng;
	int c;

	if (argc > 1 && argv[1][0] != '-')
		return run_files(argc, argv);
	while ((c = getopt(argc, argv, "n:s:t:c:")) != -1) {
		if (c == 'n')
			n = strtoull(optarg, NULL, 0);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 't')
			end = clock_now() + (nsec_t)(strtod(optarg, NULL) * 1e9);
		else if (c == 'c')
			count = optarg;
		else
			return 2;
	}
	(void)signal(SIGABRT, on_abort);
	(void)signal(SIGFPE, on_abort);
	(void)signal(SIGPIPE, SIG_IGN);
	prng_init(&prng, seed, "fuzz");
	while (end ? clock_now() < end : n_inputs < n) {
		input_len = (size_t)prng_below(&prng, INPUT_MAX);
		prng_bytes(&prng, input, input_len);
		n_inputs++;
		(void)LLVMFuzzerTestOneInput(input, input_len);
	}
	if (&virtio_fuzz_totals)
		printf("%" PRIu64 " inputs, %" PRIu64 " broke the device, %" PRIu64
		       " interrupts, %" PRIu64 " served\n", virtio_fuzz_totals.inputs,
		       virtio_fuzz_totals.breaks, virtio_fuzz_totals.interrupts,
		       virtio_fuzz_totals.used);
	else
		printf("%" PRIu64 " inputs\n", n_inputs);
	if (count && !append_count(count))
		return 1;
	printf("100%%: Checks: 1, Failures: 0, Errors: 0\n");
	return 0;
}
