/* cli/progress.c: live progress.
 *
 * Used by: up.c. */
#include "cli/progress.h"

#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const known[] = { "waiting", "delayed", "booting", "setup", "checking",
				     "ready", "paused", "stopping", "stopped", "failed" };

static const char *known_state(const char *text)
{
	for (size_t i = 0; text && i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i], text) == 0)
			return known[i];
	return "?";
}

void progress_init(struct progress *p, const struct team *t, bool quiet, nsec_t now)
{
	const char *term = getenv("TERM");

	*p = (struct progress){ .team = t, .start = now };
	p->is_live = !quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0 &&
		     t->n_vms <= PROGRESS_LINES_MAX;
	p->states = calloc(t->n_vms + 1, sizeof *p->states);
	p->seconds = calloc(t->n_vms + 1, sizeof *p->seconds);
	if (!p->states || !p->seconds)
		abort();
	for (size_t i = 0; i < t->n_vms; i++)
		p->states[i] = known[0];
	progress_draw(p, now);
}

void progress_done(struct progress *p)
{
	free(p->states);
	free(p->seconds);
	p->states = NULL;
	p->seconds = NULL;
}

static size_t find_vm(const struct team *t, const char *name)
{
	size_t i = 0;

	while (i < t->n_vms && strcmp(t->vms[i].name, name) != 0)
		i++;
	return i;
}

/* A line that stays: above the live block, which is drawn anew below it. */
static void print_above(struct progress *p, const char *line, nsec_t now)
{
	if (p->is_live && p->n_drawn > 0)
		(void)fprintf(stderr, "\x1b[%zuA\x1b[J", p->n_drawn);
	cli_print(stderr, "%s\n", line);
	p->n_drawn = 0;
	progress_draw(p, now);
}

char *progress_crash_str(json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "vm"));
	const char *why = json_string_value(json_object_get(event, "why"));

	return str_printf("%s crashed and is started anew (%lld of %lld): %s", name ? name : "?",
			  (long long)json_integer_value(json_object_get(event, "restart")),
			  (long long)json_integer_value(json_object_get(event, "restarts_max")), why ? why : "unknown");
}

void progress_event(struct progress *p, json_t *event, nsec_t now)
{
	const char *what = json_string_value(json_object_get(event, "event"));
	const char *name = json_string_value(json_object_get(event, "vm"));
	const char *state = known_state(json_string_value(json_object_get(event, "state")));
	double seconds = (double)(now - p->start) / 1e9;
	size_t i;

	if (what && strcmp(what, "crash") == 0) {
		CLEANUP(free) char *text = progress_crash_str(event);
		CLEANUP(free) char *line = str_printf("%7.1f s  %s", seconds, text);

		print_above(p, line, now);
		return;
	}
	if (!what || strcmp(what, "vm") != 0 || !name)
		return;
	i = find_vm(p->team, name);
	if (i == p->team->n_vms)
		return;
	p->states[i] = state;
	p->seconds[i] = seconds;
	if (p->is_live)
		progress_draw(p, now);
	else
		(void)fprintf(stderr, "%7.1f s  %s: %s\n", seconds, name, state);
}

void progress_draw(struct progress *p, nsec_t now)
{
	double seconds = (double)(now - p->start) / 1e9;

	if (!p->is_live)
		return;
	if (p->n_drawn > 0)
		(void)fprintf(stderr, "\x1b[%zuA", p->n_drawn);
	for (size_t i = 0; i < p->team->n_vms; i++) {
		bool is_final = strcmp(p->states[i], "ready") == 0 ||
				strcmp(p->states[i], "failed") == 0;

		(void)fprintf(stderr, "\x1b[2K  %-20s %-10s %6.1f s\n", p->team->vms[i].name,
			      p->states[i], is_final ? p->seconds[i] : seconds);
	}
	p->n_drawn = p->team->n_vms;
	(void)fflush(stderr);
}
