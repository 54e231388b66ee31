/* tests/host_probe_main.c: tells a script what the host lets a process do.
 *
 *   host-probe [NAME...]   "NAME yes" or "NAME no: why", a line each (all of them)
 *
 * Exit status 0 when all are there, 1 when not, 2 for a name that is none. */
#include "core/cleanup.h"
#include "tests/host_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool tell(enum host_thing thing)
{
	CLEANUP(free) char *why = NULL;
	bool can = host_can(thing, &why);

	if (can)
		printf("%s yes\n", host_thing_str(thing));
	else
		printf("%s no: %s\n", host_thing_str(thing), why);
	return can;
}

int main(int argc, char **argv)
{
	bool all = true;

	for (unsigned k = 0; argc < 2 && k < HOST_THING_COUNT; k++)
		all &= tell(k);
	for (int i = 1; i < argc; i++) {
		unsigned k = 0;

		while (k < HOST_THING_COUNT && strcmp(host_thing_str(k), argv[i]) != 0)
			k++;
		if (k == HOST_THING_COUNT) {
			(void)fprintf(stderr, "host-probe: no thing '%s'\n", argv[i]);
			return 2;
		}
		all &= tell(k);
	}
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
