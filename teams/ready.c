/* teams/ready.c: readiness, with time as an argument.
 *
 * A `run` line that fails ends it at once: what follows was written to rely on
 * it. The ready command is tried again every 250 ms, since services need their
 * time; its last words are kept for the message of a timeout.
 *
 * Used by: vm.c. */
#include "teams/ready.h"

#include "teams/ready_tcp.h"
#include "teams/setup.h"

#include <string.h>

/* Says on stderr what the set-up script could not do. */
static const char setup_look[] = "if [ -e " SETUP_RUNS " ]; then echo 'the set-up script did not end' >&2; fi; "
				 "if [ -e " SETUP_FAILED " ]; then cat " SETUP_FAILED " >&2; fi; "
				 "[ ! -e " SETUP_RUNS " ] && [ ! -e " SETUP_FAILED " ]";

enum { CHECK_EVERY_MS = 250, STDERR_SHOWN_MAX = 2000 };

void ready_start(struct ready *r, const struct team_vm *vm, nsec_t now)
{
	ready_done(r);
	*r = (struct ready){ .vm = vm, .phase = READY_AGENT, .next_ns = NSEC_NEVER };
	r->deadline = now + vm->ready_timeout_ns;
	if (vm->ready_console)
		r->console = ready_console_new(vm->ready_console);
	if (vm->ready_tcp)
		r->tcp_line = ready_tcp_line(vm);
	if (vm->ready_no_agent) {
		r->phase = READY_CONSOLE;
		r->next_ns = now;
	}
}

void ready_done(struct ready *r)
{
	free(r->why);
	free(r->last_check);
	free(r->tcp_line);
	r->why = r->last_check = r->tcp_line = NULL;
	r->console = ready_console_free(r->console);
}

static void advance(struct ready *r, nsec_t now)
{
	if (r->phase == READY_RUN && r->run_index == r->vm->n_run)
		r->phase = READY_CHECK;
	if (r->phase == READY_CHECK && !r->vm->ready_run)
		r->phase = READY_TCP;
	if (r->phase == READY_TCP && !r->tcp_line)
		r->phase = READY_CONSOLE;
	if (r->phase == READY_CONSOLE && (!r->console || ready_console_look(r->console, now)))
		r->phase = READY_DONE;
	r->next_ns = r->phase < READY_CONSOLE ? now : NSEC_NEVER;
}

void ready_agent_answers(struct ready *r, nsec_t now)
{
	if (r->phase != READY_AGENT)
		return;
	r->phase = READY_SETUP;
	advance(r, now);
}

const char *ready_command(struct ready *r, nsec_t now)
{
	if (r->is_running || now < r->next_ns || r->phase < READY_SETUP || r->phase > READY_TCP)
		return NULL;
	r->is_running = true;
	r->next_ns = NSEC_NEVER;
	if (r->phase == READY_SETUP)
		return setup_look;
	if (r->phase == READY_TCP)
		return r->tcp_line;
	return r->phase == READY_RUN ? r->vm->run[r->run_index] : r->vm->ready_run;
}

/* The end of a text is what tells; @max bytes of it. What a guest wrote is
 * hostile to terminals and to JSON: only printable ASCII is shown. */
static char *tail_text(const struct bytes *b, size_t max)
{
	const char *p = b->len ? (const char *)b->data : "";
	size_t len = b->len;
	char *text;

	while (len > 0 && (p[len - 1] == '\n' || p[len - 1] == '\r'))
		len--;
	if (len > max) {
		p += len - max;
		len = max;
	}
	text = str_printf("%.*s", (int)len, p);
	for (char *c = text; *c; c++)
		if (*c != '\n' && *c != '\t' && (*c < ' ' || *c > '~'))
			*c = '?';
	return text;
}

static char *result_text(const struct exec_result *result)
{
	CLEANUP(free) char *err = tail_text(&result->err, STDERR_SHOWN_MAX);

	if (result->error)
		return str_dup(result->error);
	if (err[0] == '\0')
		return str_printf("exit status %d", result->status);
	return str_printf("exit status %d: %s", result->status, err);
}

static void fail(struct ready *r, char *why)
{
	r->phase = READY_FAILED;
	free(r->why);
	r->why = why;
	r->next_ns = NSEC_NEVER;
}

void ready_exec_ended(struct ready *r, nsec_t now, const struct exec_result *result)
{
	bool is_good = !result->error && result->status == 0;

	r->is_running = false;
	if (r->phase == READY_SETUP && is_good) {
		r->phase = READY_RUN;
		advance(r, now);
	} else if (r->phase == READY_SETUP) {
		CLEANUP(free) char *text = result->error ? str_dup(result->error)
							 : tail_text(&result->err, STDERR_SHOWN_MAX);

		fail(r, str_printf("its set-up failed: %s", text));
	} else if (r->phase == READY_RUN) {
		if (!is_good) {
			CLEANUP(free) char *text = result_text(result);

			fail(r, str_printf("run line %zu of %zu failed: %s\n  %s", r->run_index + 1,
					   r->vm->n_run, r->vm->run[r->run_index], text));
			return;
		}
		r->run_index++;
		advance(r, now);
	} else if (r->phase == READY_CHECK || r->phase == READY_TCP) {
		free(r->last_check);
		r->last_check = NULL;
		if (is_good) {
			r->phase++;
			advance(r, now);
			return;
		}
		r->last_check = result_text(result);
		r->next_ns = now + CHECK_EVERY_MS * NSEC_PER_MSEC;
	}
}

void ready_console_output(struct ready *r, const char *data, size_t len, nsec_t now)
{
	if (r->console && r->phase != READY_DONE && r->phase != READY_FAILED)
		ready_console_take(r->console, data, len, now);
}

void ready_tick(struct ready *r, nsec_t now)
{
	CLEANUP(free) char *waits = NULL;

	if (r->console && r->phase != READY_DONE && r->phase != READY_FAILED)
		(void)ready_console_look(r->console, now);
	if (r->phase == READY_CONSOLE)
		advance(r, now);
	if (r->phase == READY_DONE || r->phase == READY_FAILED || now < r->deadline)
		return;
	waits = ready_waits_for(r);
	fail(r, str_printf("not ready after %.3g s: it waits for %s",
			   (double)r->vm->ready_timeout_ns / 1e9, waits));
}

nsec_t ready_due(const struct ready *r)
{
	nsec_t due = r->deadline;

	if (r->phase == READY_DONE || r->phase == READY_FAILED)
		return NSEC_NEVER;
	if (r->console)
		due = nsec_min(due, ready_console_due(r->console));
	return r->is_running ? due : nsec_min(due, r->next_ns);
}

char *ready_waits_for(const struct ready *r)
{
	switch (r->phase) {
	case READY_AGENT:
		return str_dup("the guest agent to answer");
	case READY_SETUP:
		return str_dup("word of its set-up");
	case READY_RUN:
		return str_printf("run line %zu of %zu: %s", r->run_index + 1, r->vm->n_run,
				  r->vm->run[r->run_index]);
	case READY_CHECK:
		return str_printf("its ready command: %s%s%s", r->vm->ready_run,
				  r->last_check ? "\n  last: " : "", r->last_check ? r->last_check : "");
	case READY_TCP:
		return str_printf("port %u to accept connections%s%s", r->vm->ready_tcp, r->last_check ? "\n  last: " : "",
				  r->last_check ? r->last_check : "");
	case READY_CONSOLE:
		return str_printf("its console to say: %s", r->vm->ready_console);
	default:
		return str_dup("nothing");
	}
}
