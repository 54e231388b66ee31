/* vmm/machine_io.c: the machine's serial line and its supervisor.
 *
 * Serial output is gathered and sent between two slices, under KVM a few milliseconds after its first byte; a reader who does not
 * take it delays no guest: beyond SERIAL_OUT_MAX bytes are dropped and counted.
 * A Linux guest's panic line is remembered, for the reset that follows it.
 * Input is read only as far as the UART has room. When the supervisor's socket
 * ends, so does the machine.
 *
 * A paused machine listens to its supervisor alone: the fabric's kicks, the
 * agent's bytes and the keyboard wait, for serving them would write into the
 * memory of a guest that stands still. What the supervisor wants of a device
 * meanwhile is noted, and done when the machine goes on.
 *
 * Used by: vmm/machine.c, vmm/machine_run.c.   Depends on: core/control.h, core/verb.h. */
#include "vmm/machine_impl.h"

#include "core/cleanup.h"
#include "core/verb.h"
#include "vmm/machine.h"
#include "vmm/machine_threads.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { FLUSH_WAIT_MS = 500, SERIAL_DELAY_MS = 2, VERBS_MAX = 32 /* own and devices' */ };

/* ---- serial line ----------------------------------------------------------- */

/* A guest that panics ends in a reset (panic=-1); its last words tell why. */
static void watch_for_panic(struct machine *m, uint8_t byte)
{
	static const char words[] = "Kernel panic - not syncing";
	const char *at;

	if (byte != '\n') {
		if (byte >= ' ' && m->serial_line_len < sizeof m->serial_line - 1)
			m->serial_line[m->serial_line_len++] = (char)byte;
		return;
	}
	m->serial_line[m->serial_line_len] = '\0';
	m->serial_line_len = 0;
	at = strstr(m->serial_line, words);
	if (at && !m->panic)
		m->panic = str_dup(at);
}

void machine_serial_out(void *machine, uint8_t byte)
{
	struct machine *m = machine;

	watch_for_panic(m, byte);
	if (m->cfg.serial_fd < 0)
		return;
	if (m->serial_out.len >= SERIAL_OUT_MAX)
		m->serial_dropped++;
	else
		bytes_append(&m->serial_out, &byte, 1);
	if (m->serial_timer && m->serial_out.len == 1)
		loop_set_timer(m->serial_timer, clock_now() + SERIAL_DELAY_MS * NSEC_PER_MSEC);
}

static void serial_events(struct machine *m)
{
	uint32_t events = (i8250_room(&m->uart) ? EPOLLIN : 0u) | (m->serial_waits ? EPOLLOUT : 0u);

	if (m->serial_source)
		(void)loop_set_events(m->serial_source, events);
}

static void serial_gone(struct machine *m)
{
	m->serial_source = loop_remove(m->serial_source);
}

void machine_serial_flush(struct machine *m)
{
	bool waits = false;

	while (m->serial_out.len) {
		/* SYSCALLS(machine): sendto(4 null) */
		ssize_t n = send(m->cfg.serial_fd, m->serial_out.data, m->serial_out.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			waits = true;
			break;
		}
		if (n <= 0) { /* no one reads any more */
			m->serial_dropped += m->serial_out.len;
			m->serial_out.len = 0;
			break;
		}
		bytes_consume(&m->serial_out, (size_t)n);
	}
	if (waits != m->serial_waits) {
		m->serial_waits = waits;
		serial_events(m);
	}
}

static void serial_due(void *ctx, nsec_t now)
{
	(void)now;
	machine_serial_flush(ctx);
}

void machine_serial_room(void *machine)
{
	serial_events(machine);
}

static void serial_ready(void *ctx, int fd, uint32_t events)
{
	struct machine *m = ctx;
	uint8_t buf[I8250_FIFO_SIZE];
	size_t room = i8250_room(&m->uart);
	ssize_t n;

	if (events & EPOLLOUT)
		machine_serial_flush(m);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (!room) {
		if (events & (EPOLLHUP | EPOLLERR))
			serial_gone(m);
		return;
	}
	/* SYSCALLS(machine): recvfrom */
	n = recv(fd, buf, room, MSG_DONTWAIT);
	if (n > 0)
		(void)i8250_receive(&m->uart, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		serial_gone(m);
	if (n > 0)
		serial_events(m);
}

/* ---- supervisor -------------------------------------------------------------- */

static void send_json(struct machine *m, json_t *msg)
{
	if (m->control && msg)
		(void)control_send(m->control, msg, NULL, 0);
	json_decref(msg);
}

void machine_tell(struct machine *m, const char *event)
{
	if (m->control)
		send_json(m, json_pack("{s:s,s:s,s:s}", "event", event, "engine",
				       m->cpu->ops->name, "why",
				       m->cfg.engine_why ? m->cfg.engine_why : ""));
}

void machine_tell_end(struct machine *m)
{
	nsec_t until = clock_now() + FLUSH_WAIT_MS * NSEC_PER_MSEC;

	if (!m->control)
		return;
	send_json(m, json_pack("{s:s,s:s,s:s}", "event", "ended", "why", machine_end_str(m->end),
			       "text", m->why ? m->why : ""));
	while (m->control && !control_is_flushed(m->control) && clock_now() < until)
		if (loop_step(m->loop, until) < 0)
			break;
}

bool machine_tell_event(void *machine, json_t *event)
{
	struct machine *m = machine;
	bool is_told = m->control != NULL;

	send_json(m, event);
	return is_told;
}

static void tell_stats(struct machine *m)
{
	json_t *stats = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "event", "stats", "instructions",
				  (json_int_t)machine_instructions(m), "cpu_ns",
				  (json_int_t)clock_cpu(), "guest_ns",
				  (json_int_t)guest_clock_now(&m->clock), "serial_dropped",
				  (json_int_t)m->serial_dropped, "swept", (json_int_t)m->swept_bytes,
				  "refused", (json_int_t)m->n_refused);

	devices_stats(&m->devices, stats);
	send_json(m, stats);
}

/* The order: nothing runs once the clocks stand, nor before they go on. */
void machine_stop_time(struct machine *m, bool stop)
{
	if (m->threads && stop)
		machine_threads_stop(m->threads);
	if (stop)
		guest_clock_pause(&m->clock);
	else
		guest_clock_resume(&m->clock);
	for (unsigned i = 0; i < m->n_cpus; i++)
		if (m->vcpu[i].cpu->ops->set_paused)
			m->vcpu[i].cpu->ops->set_paused(m->vcpu[i].cpu, stop);
	if (m->threads && !stop)
		machine_threads_go(m->threads);
}

void machine_set_paused(struct machine *m, bool paused)
{
	m->paused = paused;
	loop_hold(m->loop, paused);
	machine_stop_time(m, paused);
	devices_hold(&m->devices, paused);
	if (!paused) {
		devices_resumed(&m->devices, m->resumes_loaded);
		m->resumes_loaded = false;
	}
	machine_tell(m, paused ? "paused" : "resumed");
}

/* ---- what the supervisor may ask ------------------------------------------------- */

static void answer(struct verb_call *call, const char *error)
{
	if (error)
		verb_refuse(call, 1, error);
	else
		verb_answer(call, NULL);
}

/* Twice the same is done once. */
static void pause_or_resume(struct verb_call *call, bool paused)
{
	struct machine *m = call->ctx;

	if (m->paused != paused)
		machine_set_paused(m, paused);
	answer(call, NULL);
}

static void do_pause(struct verb_call *call)
{
	pause_or_resume(call, true);
}

static void do_resume(struct verb_call *call)
{
	pause_or_resume(call, false);
}

static void do_powerdown(struct verb_call *call)
{
	struct machine *m = call->ctx;

	answer(call, acpi_power_button(&m->acpi) ? NULL : "the guest has no driver for its power button");
}

static void do_quit(struct verb_call *call)
{
	machine_end_now(call->ctx, MACHINE_END_QUIT, NULL);
}

static void do_stats(struct verb_call *call)
{
	tell_stats(call->ctx);
}

static void do_save(struct verb_call *call)
{
	struct machine *m = call->ctx;
	CLEANUP(free) char *why = NULL;
	uint64_t n = 0;

	if (call->n_fds == 0)
		why = str_dup("no file came with the request");
	else
		(void)machine_save(m, call->fds[0], &n, &why);
	if (why)
		send_json(m, json_pack("{s:s,s:s}", "event", "save-failed", "text", why));
	else
		send_json(m, json_pack("{s:s,s:I}", "event", "saved", "bytes", (json_int_t)n));
}

/* The handler of what a device does, whose file has the verb. */
static void do_device(struct verb_call *call)
{
	struct machine *m = call->ctx;
	int none = -1;
	bool is_done = devices_request(&m->devices, call->verb->name, call->msg,
				       call->n_fds > 0 ? &call->fds[0] : &none);

	answer(call, is_done ? NULL : "the machine has no such device");
}

static const struct verb_arg common_args[] = { { "id", VERB_INTEGER, false }, { 0 } };

/* clang-format off */
static const struct verb own_verbs[] = {
	{ "pause", "processors and clocks stand still", do_pause, 0, 0, { { 0 } } },
	{ "resume", "they go on", do_resume, 0, 0, { { 0 } } },
	{ "powerdown", "presses the ACPI power button; answers whether the guest has a driver for it",
	  do_powerdown, 0, 0, { { 0 } } },
	{ "quit", "ends the machine", do_quit, 0, 0, { { 0 } } },
	{ "stats", "tells the event `stats`", do_stats, 0, 0, { { 0 } } },
	{ "save", "writes the state to the descriptor while its clock stands, then tells `saved` or `save-failed`; "
		  "from a cell the descriptor is a pipe's, as files are bounded there",
	  do_save, 0, 1, { { 0 } } },
};
/* clang-format on */

/* Own verbs, then those of the devices. */
struct joined {
	struct verb verb[VERBS_MAX];
	size_t n;
};

static void join_device(void *ctx, const struct verb *v)
{
	struct joined *all = ctx;

	assert(all->n < VERBS_MAX);
	all->verb[all->n] = *v;
	all->verb[all->n++].fn = do_device;
}

const struct verb_table *machine_verbs(void)
{
	static struct joined all;
	static struct verb_table table = {
		.who = "A machine, to its supervisor", .verbs = all.verb, .common = common_args, .is_quiet = true
	};

	if (!all.n) {
		all.n = sizeof own_verbs / sizeof *own_verbs;
		memcpy(all.verb, own_verbs, sizeof own_verbs);
		devices_each_verb(join_device, &all);
		table.n_verbs = all.n;
	}
	return &table;
}

static void control_message(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds,
			    int status)
{
	struct machine *m = ctx;
	struct verb_call call = { .ctx = m, .control = c, .msg = msg, .fds = fds, .n_fds = n_fds,
				  .n_refused = &m->n_refused };

	(void)status;
	if (!msg) {
		m->control = control_free(c);
		machine_end_now(m, MACHINE_END_QUIT, str_dup("the supervisor is gone"));
		return;
	}
	(void)verb_dispatch(machine_verbs(), &call);
}

int machine_io_open(struct machine *m)
{
	int r = 0;

	if (m->cfg.serial_fd >= 0)
		r = loop_add_fd(m->loop, m->cfg.serial_fd, EPOLLIN, serial_ready, m,
				&m->serial_source);
	if (r == 0 && m->threads)
		r = loop_add_timer(m->loop, NSEC_NEVER, serial_due, m, &m->serial_timer);
	if (r == 0 && m->cfg.control_fd >= 0) {
		(void)machine_verbs();
		r = control_new(m->loop, m->cfg.control_fd, control_message, m, &m->control);
	}
	if (r == 0 && m->control)
		control_keep(m->control);
	return r;
}

void machine_io_close(struct machine *m)
{
	m->serial_source = loop_remove(m->serial_source);
	m->serial_timer = loop_remove(m->serial_timer);
	m->control = control_free(m->control);
}
