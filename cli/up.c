/* cli/up.c: the lock, the supervisor's start, and the wait for its events.
 *
 * Two `up` at once: the lock decides. Who does not get it asks the socket: a
 * team that answers is up or coming up; one that does not is being undone, and
 * that is waited for (LOCK_BOUND). From before the lock is had, Ctrl-C and SIGTERM are taken by
 * ppoll() only, so none leaves the lock's file behind or is lost between two looks; the first asks
 * the supervisor to undo all and waits for it, the supervisor itself needs no second.
 *
 * Used by: cmd_up.c, cmd_test.c. */
#include "cli/up.h"

#include "cli/progress.h"
#include "core/control.h"
#include "teams/host_lack.h"
#include "teams/host_memory.h"
#include "teams/image.h"
#include "teams/reap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>

enum { LOCK_BOUND_MS = 5000, LOCK_EVERY_MS = 50, WHO_S = 2, DRAW_EVERY_MS = 100 };

static volatile sig_atomic_t got_signal;

static void on_signal(int signo)
{
	got_signal = signo;
}

/* SIGINT and SIGTERM come in ppoll() with @ret_open, and nowhere else. */
static void hold_signals(sigset_t *ret_open)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t held;

	(void)sigemptyset(&held);
	(void)sigaddset(&held, SIGINT);
	(void)sigaddset(&held, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &held, ret_open);
	(void)sigdelset(ret_open, SIGINT);
	(void)sigdelset(ret_open, SIGTERM);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
}

static void release_signals(void)
{
	sigset_t held;

	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)sigemptyset(&held);
	(void)sigaddset(&held, SIGINT);
	(void)sigaddset(&held, SIGTERM);
	(void)sigprocmask(SIG_UNBLOCK, &held, NULL);
}

/* ---- lock ------------------------------------------------------------------------ */

static int say_who_has_it(int fd, const char *team)
{
	json_t *reply = NULL;
	const char *state = "up";
	int r = client_call_within(fd, json_pack("{s:s}", "do", "status"), WHO_S * NSEC_PER_SEC, &reply);

	if (r == -ETIMEDOUT)
		state = "there and not answering";
	else if (r == 0 && json_is_string(json_object_get(reply, "state")))
		state = json_string_value(json_object_get(reply, "state"));
	(void)cli_fail(EXIT_FAILED, "team %s is already %s ('muster down %s' ends it, 'muster up --replace' replaces it)",
		       team, state, team);
	json_decref(reply);
	return EXIT_FAILED;
}

/* Returns 0, and signals are held then (@ret_open), or an exit status. */
static int take_lock(const struct store *store, const char *team, sigset_t *ret_open, int *ret_fd)
{
	nsec_t until = clock_now() + LOCK_BOUND_MS * NSEC_PER_MSEC;
	CLEANUP(free) char *why = NULL;

	for (;;) {
		CLEANUP(fd) int conn = -1;
		int r;

		hold_signals(ret_open);
		r = store_lock(store, team, ret_fd, &why);
		if (r == 0)
			return 0;
		release_signals();
		if (r != -EWOULDBLOCK)
			return cli_fail(host_lacks(r) ? EXIT_HOST : EXIT_FAILED, "%s", why);
		if (client_open(store, team, &conn) == 0)
			return say_who_has_it(conn, team);
		if (clock_now() > until)
			return cli_fail(EXIT_FAILED,
					"team %s is being brought up or torn down by another process", team);
		client_wait(LOCK_EVERY_MS * NSEC_PER_MSEC);
	}
}

/* ---- events ------------------------------------------------------------------------ */

struct watch {
	const struct up_options *opt;
	struct progress *progress; /* NULL: none */
	bool until_end; /* being up is no verdict */
	int verdict; /* -1: not over; else an exit status */
	bool has_said_why; /* a VM's failure was printed */
	char *failed_vm; /* the first that failed; NULL: none */
	bool is_silent; /* the supervisor gives no sign of life */
	bool has_ended; /* all was undone: nothing is kept */
};

static void print_failure(struct watch *w, json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "vm"));
	const char *why = json_string_value(json_object_get(event, "why"));
	json_t *lines = json_object_get(event, "console"), *line;
	size_t i;

	w->has_said_why = true;
	if (!w->failed_vm)
		w->failed_vm = str_dup(name);
	(void)cli_fail(EXIT_FAILED, "%s: %s", name ? name : "?", why ? why : "it failed");
	if (json_array_size(lines) == 0) {
		(void)fprintf(stderr, "  its console said nothing\n");
		return;
	}
	(void)fprintf(stderr, "  the last lines of its console:\n");
	json_array_foreach(lines, i, line)
		cli_print(stderr, "  | %s\n", json_string_value(line));
}

static void print_event(json_t *event)
{
	char *text = cli_json_text(event, JSON_COMPACT);

	(void)puts(text ? text : "{}");
	(void)fflush(stdout);
	free(text);
}

static void take_team_event(struct watch *w, json_t *event, const char *state)
{
	const char *why = json_string_value(json_object_get(event, "why"));

	if (!w->until_end && (strcmp(state, "up") == 0 || strcmp(state, "broken") == 0))
		w->verdict = state[0] == 'u' ? EXIT_DONE : EXIT_FAILED;
	else if (strcmp(state, "ending") == 0 && why)
		(void)cli_fail(EXIT_FAILED, "the team is torn down%s%s", w->has_said_why ? "" : ": ",
			       w->has_said_why ? "" : why);
}

/* Once the team is up, nothing else is shown of it. */
static void print_crash(json_t *event)
{
	CLEANUP(free) char *text = progress_crash_str(event);

	(void)cli_fail(EXIT_DONE, "%s", text);
}

static void take_event(struct watch *w, json_t *event)
{
	const char *what = json_string_value(json_object_get(event, "event"));
	const char *state = json_string_value(json_object_get(event, "state"));

	if (!what)
		return;
	if (w->opt->json)
		print_event(event);
	else if (w->progress)
		progress_event(w->progress, event, clock_now());
	else if (strcmp(what, "crash") == 0)
		print_crash(event);
	if (strcmp(what, "vm") == 0 && state && strcmp(state, "failed") == 0) {
		print_failure(w, event);
	} else if (strcmp(what, "team") == 0 && state) {
		take_team_event(w, event, state);
	} else if (strcmp(what, "ended") == 0) {
		w->has_ended = true;
		w->verdict = (int)json_integer_value(json_object_get(event, "status"));
	}
}

/* Reads events until @w has a verdict. A signal asks for the end first. */
static int watch_events(struct watch *w, int fd, const sigset_t *open_mask)
{
	bool aborted = false, is_live = w->progress && w->progress->is_live;
	struct client_pulse pulse;

	client_pulse_heard(&pulse, clock_now());
	while (w->verdict < 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		nsec_t left = is_live ? DRAW_EVERY_MS * NSEC_PER_MSEC :
					nsec_max(client_pulse_at(&pulse) - clock_now(), 0);
		struct timespec ts = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };
		int n = ppoll(&p, 1, &ts, open_mask);
		json_t *msg;

		if (got_signal && !aborted) {
			json_t *ask = json_pack("{s:s,s:i}", "do", "abort", "id", 0);

			aborted = true;
			(void)control_write_msg(fd, ask);
			json_decref(ask);
			continue;
		}
		if (n <= 0) {
			if (w->progress)
				progress_draw(w->progress, clock_now());
			w->is_silent = client_pulse_due(&pulse, fd, clock_now()) == -ETIMEDOUT;
			if (w->is_silent)
				return cli_fail(EXIT_FAILED, "the supervisor did not answer in %d s", CLIENT_SILENCE_S);
			continue;
		}
		client_pulse_heard(&pulse, clock_now());
		if (control_read_msg_within(fd, CLIENT_SILENCE_S * NSEC_PER_SEC, &msg) < 0) {
			if (!aborted)
				return cli_fail(EXIT_FAILED, "the supervisor was killed");
			break;
		}
		take_event(w, msg);
		if (aborted && w->verdict == EXIT_DONE)
			w->verdict = -1; /* it got up first; the end is on its way */
		json_decref(msg);
	}
	if (aborted)
		return got_signal == SIGINT ? EXIT_INTERRUPTED : EXIT_FAILED;
	/* As asked, but not by us. */
	if (w->has_ended && w->verdict == EXIT_DONE && !w->until_end)
		return cli_fail(EXIT_FAILED, "the team was taken down before it was up");
	return w->verdict;
}

/* Until the supervisor is gone: then nothing is left. One that is silent is killed. */
static void wait_gone(struct up *up, bool is_silent)
{
	int r = is_silent ? -ETIMEDOUT : 0;
	json_t *msg;

	while (up->fd >= 0 && r == 0) {
		r = control_read_msg_within(up->fd, CLIENT_SILENCE_S * NSEC_PER_SEC, &msg);
		if (r == 0)
			json_decref(msg);
	}
	if (r == -ETIMEDOUT) {
		CLEANUP(reap_owner) struct reap_owner owner = { .lock_fd = -1 };
		CLEANUP(free) char *why = NULL;

		reap_look(&up->store, up->team, &owner);
		/* Our child is not waited for yet: its number is no other's. */
		if (owner.supervisor != up->pid)
			(void)kill(up->pid, SIGKILL);
		else if (reap_team(&up->store, up->team, &owner, true, &why) < 0)
			(void)cli_fail(EXIT_FAILED, "%s", why);
	}
	if (up->pid > 0)
		while (waitpid(up->pid, NULL, 0) < 0 && errno == EINTR)
			;
	up->pid = 0;
	cleanup_fd(&up->fd);
	up->fd = -1;
}

/* Says what the host has too few processors for; of memory, the start itself judges. */
static void say_processors(const struct team *team, const struct up_options *opt)
{
	CLEANUP(free) char *load = opt->quiet || opt->json ? NULL : host_load_str(team, UINT64_MAX, (unsigned)get_nprocs());

	if (load)
		(void)fputs(load, stderr);
}

/* Builds what images the team names and the store has not. Returns 0 or an exit status. */
static int build_images(const struct team *team)
{
	for (size_t i = 0; i < team->n_vms; i++) {
		const struct team_vm *v = &team->vms[i];
		CLEANUP(free) char *why = NULL;
		struct image image = { 0 };
		int r = v->kernel ? 0 : image_find(v->image, &image, &why);

		image_done(&image);
		if (r == 0 || (r == -ENOENT && !image_is_buildable(v->image)))
			continue; /* of the latter, the check has said so */
		if (r != -ENOENT)
			return cli_fail(EXIT_FAILED, "%s", why);
		(void)fprintf(stderr, "the image %s is not built yet; this takes minutes\n", v->image);
		r = image_build(v->image, &why);
		if (r < 0)
			return cli_fail(r == -ENOPKG ? EXIT_HOST : EXIT_FAILED, "%s", why ? why : strerror(-r));
	}
	return 0;
}

/* What the VMs of @team hold of the host's memory, in bytes; 0 where it is not up or does not say. */
static uint64_t held_bytes(const struct store *store, const char *team)
{
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL, *vm;
	uint64_t sum = 0;
	size_t i;

	if (client_open(store, team, &fd) == 0)
		(void)client_call_within(fd, json_pack("{s:s,s:b}", "do", "status", "memory", true), WHO_S * NSEC_PER_SEC, &reply);
	json_array_foreach(json_object_get(reply, "vms"), i, vm)
		sum += (uint64_t)json_integer_value(json_object_get(vm, "resident_bytes"));
	json_decref(reply);
	return sum;
}

/* Tears down who has the team's name, unless the new team could not be started then. */
static int replace(const struct store *store, const struct team *team)
{
	CLEANUP(free) char *why = NULL;
	int r = supervisor_check(team, held_bytes(store, team->name), &why);

	if (r < 0)
		return cli_fail(r == -ENOTSUP || host_lacks(r) ? EXIT_HOST : EXIT_FAILED, "%s", why);
	return cli_down(store, team->name);
}

/* Returns 0, and signals are held then (@ret_open), or an exit status. */
static int start(const struct team *team, const struct up_options *opt, sigset_t *ret_open, struct up *up)
{
	CLEANUP(fd) int lock = -1;
	CLEANUP(free) char *why = NULL;
	int r = store_open(&up->store, &why);

	if (r < 0)
		return cli_fail(EXIT_HOST, "%s", why);
	r = opt->replace ? replace(&up->store, team) : 0;
	if (r != 0)
		return r;
	r = take_lock(&up->store, team->name, ret_open, &lock);
	if (r != 0)
		return r;
	r = store_state_prepare(&up->store, team->name, &why);
	if (r == 0)
		r = supervisor_start(&up->store, team, &opt->sup, lock, &up->fd, &up->pid, &why);
	if (r < 0) {
		store_unlock(&up->store, team->name);
		release_signals();
	}
	return r < 0 ? cli_fail(r == -ENOTSUP || host_lacks(r) ? EXIT_HOST : EXIT_FAILED, "%s", why) : 0;
}

static void say_what_is_kept(const char *team, const char *vm)
{
	if (vm)
		(void)cli_fail(EXIT_FAILED,
			       "all was kept, what failed too: look with 'muster logs %s/%s', 'muster console %s/%s',\n"
			       "  'muster exec %s/%s -- sh'; 'muster down %s' ends it",
			       team, vm, team, vm, team, vm, team);
	else
		(void)cli_fail(EXIT_FAILED, "what is there was kept: 'muster down %s' ends it", team);
}

int up_start(const struct team *team, const struct up_options *opt, struct up *up)
{
	struct watch w = { .opt = opt, .verdict = -1 };
	struct progress progress;
	sigset_t open_mask;
	int status;

	*up = (struct up){ .fd = -1, .team = team->name };
	say_processors(team, opt);
	status = build_images(team);
	if (status == 0)
		status = start(team, opt, &open_mask, up);
	if (status != 0)
		return status;
	progress_init(&progress, team, opt->quiet || opt->json, clock_now());
	w.progress = opt->quiet ? NULL : &progress;
	status = watch_events(&w, up->fd, &open_mask);
	progress_done(&progress);
	release_signals();
	if (status == EXIT_DONE) {
		free(w.failed_vm);
		return 0;
	}
	if (opt->sup.keep && status == EXIT_FAILED && !got_signal && !w.has_ended && !w.is_silent) {
		say_what_is_kept(team->name, w.failed_vm);
		cleanup_fd(&up->fd);
		up->fd = -1;
	} else {
		wait_gone(up, w.is_silent);
	}
	free(w.failed_vm);
	return status;
}

int up_stay(struct up *up, const struct up_options *opt)
{
	struct watch w = { .opt = opt, .verdict = -1, .until_end = true };
	sigset_t open_mask;
	int status;

	hold_signals(&open_mask);
	status = watch_events(&w, up->fd, &open_mask);
	release_signals();
	wait_gone(up, w.is_silent);
	return status;
}

int up_end(struct up *up)
{
	json_t *reply = NULL;
	int r = client_call(up->fd, json_pack("{s:s}", "do", "down"), NULL, NULL, &reply);

	json_decref(reply);
	wait_gone(up, r == -ETIMEDOUT);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

void up_done(struct up *up)
{
	cleanup_fd(&up->fd);
	up->fd = -1;
	store_done(&up->store);
}
