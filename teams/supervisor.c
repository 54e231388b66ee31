/* teams/supervisor.c: the life of a team, from the fork to the last undo.
 *
 * Everything done to the host is pushed on one undo stack at once: the lock
 * (taken by the command, handed on), the janitor, the runtime folder, the socket, the fabric, each machine. A failure
 * while coming up, `down`, a signal, the fabric's or the janitor's death all
 * end in sup_end(), which only arms a timer: the stack is unwound at the
 * loop's next turn, never from within a callback of what is being undone.
 *
 * Used by: the commands up and test (through supervisor_start()).
 * Depends on: bringup.c, serve.c, pause.c, link.c, vm_host.c,
 * lease_process.c, uplink.c, spawn.c, events.c, undo.c. */
#include "teams/supervisor.h"

#include "core/bytes.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/sandbox.h"
#include "core/sandbox_fds.h"
#include "teams/answer.h"
#include "teams/bringup.h"
#include "teams/host_lack.h"
#include "teams/host_memory.h"
#include "teams/lease_files.h"
#include "teams/lease_process.h"
#include "teams/link.h"
#include "teams/pause.h"
#include "teams/serve.h"
#include "teams/spawn.h"
#include "teams/team_state.h"
#include "teams/uplink.h"
#include "teams/vm_host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

enum { FLUSH_BOUND_MS = 1000 };

/* ---- children and signals --------------------------------------------------------- */

static void child_ended(struct supervisor *sup, pid_t pid, int status)
{
	if (sup_uplink_ended(sup, pid, status) || sup_leases_ended(sup, pid, status))
		return;
	if (pid == sup->fabric_pid) {
		sup->fabric_pid = 0;
		sup_end(sup, child_end_str(sup, "the fabric", status));
	} else if (pid == sup->janitor_pid) {
		sup->janitor_pid = 0;
		sup_end(sup, str_dup("the janitor was killed"));
	}
	for (size_t i = 0; i < sup->n_vms; i++)
		if (pid == sup->vms[i].pid)
			vm_exited(&sup->vms[i].vm, status, clock_now());
}

static void on_sigchld(void *ctx, int signo)
{
	int status;
	pid_t pid;

	(void)signo;
	/* SYSCALLS(supervisor): wait4 */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(ctx, pid, status);
}

static void on_term(void *ctx, int signo)
{
	sup_end(ctx, str_printf("signal %d (%s)", signo, strsignal(signo)));
}

/* ---- making and undoing --------------------------------------------------------------- */

static void undo_run_dir(void *ctx)
{
	struct supervisor *sup = ctx;
	int r = dir_remove_all(sup->run_dir);

	if (r < 0)
		log_error("%s: %s", sup->run_dir, strerror(-r));
}

static void undo_lock(void *ctx)
{
	struct supervisor *sup = ctx;

	store_unlock(sup->store, sup->team->name);
}

static int make_run_dir(struct supervisor *sup, char **ret_why)
{
	int r;

	/* We hold the lock: what is there was left by something that died. */
	(void)dir_remove_all(sup->run_dir);
	/* SYSCALLS(supervisor): mkdir */
	if (mkdir(sup->run_dir, 0700) < 0) {
		r = -errno;
		*ret_why = host_lack_str(sup->run_dir, r);
		return r;
	}
	return 0;
}

static void undo_cgroup(void *ctx)
{
	struct supervisor *sup = ctx;
	CLEANUP(free) char *note = store_cgroup_note(sup->store, sup->team->name);
	int r = cgroup_remove(&sup->cgroup, note);

	if (r < 0)
		log_error("%s: %s", sup->cgroup.path, strerror(-r));
	cgroup_done(&sup->cgroup);
}

/* Makes the group in @dir. The note comes first, so that a folder never stands without. */
static int make_cgroup_in(struct supervisor *sup, const char *dir, char **ret_why)
{
	CLEANUP(free) char *note = store_cgroup_note(sup->store, sup->team->name);
	CLEANUP(free) char *name = str_printf("muster-%s-%d-%" PRIu64, sup->team->name, (int)getpid(), sup->started_ns);
	CLEANUP(free) char *path = str_printf("%s/%s", dir, name);
	struct cgroup_limits limits;
	int r = file_write_all(note, path, strlen(path), 0600);

	if (r < 0) {
		*ret_why = str_printf("%s: %s", note, strerror(-r));
		return r;
	}
	cgroup_limits_of(sup->team, &limits);
	r = cgroup_make(dir, name, &limits, &sup->cgroup, ret_why);
	if (r < 0)
		(void)unlink(note);
	else
		log_info("cgroup limits: %s: %" PRIu64 " MiB, %u tasks", path, limits.memory_bytes >> 20, limits.tasks);
	return r;
}

/* A host that allows no group is not refused. */
static int make_cgroup(struct supervisor *sup, char **ret_why)
{
	CLEANUP(free) char *note = store_cgroup_note(sup->store, sup->team->name);
	CLEANUP(free) char *dir = NULL;
	CLEANUP(free) char *why = NULL;
	/* We hold the lock: what is there was left by something that died. */
	int r = cgroup_remove_noted(note);

	(void)ret_why;
	if (r < 0)
		why = str_printf("an earlier group, which %s names, cannot be removed: %s", note, strerror(-r));
	else
		r = cgroup_find("", &dir, &why);
	if (r == 0)
		r = make_cgroup_in(sup, dir, &why);
	if (r < 0)
		log_info("cgroup limits: none: %s", why);
	return 0;
}

static int make_vms(struct supervisor *sup, char **ret_why)
{
	for (size_t i = 0; i < sup->n_vms; i++) {
		int r = vm_host_init(&sup->vms[i], sup, i, ret_why);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What the supervisor writes to: the teams' state, the folder above the runtime folder, which goes with the
 * last team and so cannot be a mount itself, and the folders of sockets that it removes at the end. */
static int narrow_view(struct supervisor *sup, enum sandbox_role role, char **ret_why)
{
	char **dirs = calloc(2 + sup->n_stations, sizeof *dirs);
	size_t n = 0;
	int r;

	if (!dirs)
		return -ENOMEM;
	dirs[n++] = path_folder(sup->store->run);
	dirs[n++] = str_dup(sup->store->home);
	for (size_t i = 0; i < sup->n_stations; i++)
		if (sup->stations[i].of->kind == STATION_QEMU)
			dirs[n++] = path_folder(sup->stations[i].of->what);
	r = sandbox_narrow_view(role, (const char *const *)dirs, n, ret_why);
	while (n > 0)
		free(dirs[--n]);
	free(dirs);
	return r;
}

static void close_stations(void *ctx)
{
	struct supervisor *sup = ctx;
	CLEANUP(free) char *note = store_socket_note(sup->store, sup->team->name);

	stations_close(sup->stations, sup->n_stations, note);
	sup->stations = NULL;
	sup->n_stations = 0;
}

static int open_stations(struct supervisor *sup, char **ret_why)
{
	CLEANUP(free) char *note = store_socket_note(sup->store, sup->team->name);
	bool lacks = false;
	/* We hold the lock: what is there was left by something that died. */
	int r = socket_paths_remove_noted(note);

	if (r < 0)
		log_warn("sockets of an earlier run, which %s names, cannot be removed: %s", note, strerror(-r));
	r = stations_open(sup->team, &sup->stations, &sup->n_stations, &lacks, ret_why);
	if (r == 0 && (r = stations_write_note(sup->stations, sup->n_stations, note)) < 0)
		*ret_why = str_printf("%s: %s", note, strerror(-r));
	if (r < 0)
		close_stations(sup);
	if (lacks)
		sup->end_status = HOST_LACK_STATUS;
	return r;
}

static int enter_cell(struct supervisor *sup, char **ret_why)
{
	static const enum sandbox_role roles[2][2] = {
		{ SANDBOX_SUPERVISOR, SANDBOX_SUPERVISOR_KVM },
		{ SANDBOX_SUPERVISOR_UPLINK, SANDBOX_SUPERVISOR_UPLINK_KVM },
	};
	enum sandbox_role role;
	bool is_kvm = false;
	const char *why;
	int r;

	/* Its list is its children's too: the calls of KVM and of the uplink are in it only where they are made. */
	for (size_t i = 0; i < sup->n_vms; i++)
		is_kvm |= engine_is_kvm(&sup->team->vms[i], &sup->engine, &why);
	role = roles[sup->uplink != NULL][is_kvm];
	r = narrow_view(sup, role, ret_why);
	if (r == 0)
		r = sandbox_isolate(role, NULL, 0, ret_why);
	return r < 0 ? r : sandbox_lock(role, ret_why);
}

/* All that stands before the first machine. */
static int make_all(struct supervisor *sup, char **ret_why)
{
	static const struct {
		int (*make)(struct supervisor *, char **);
		undo_fn *undo;
	} steps[] = {
		{ make_cgroup, undo_cgroup }, /* before the view of the host's files is narrowed */
		{ open_stations, close_stations }, /* before its rights are gone */
		{ sup_open_uplink, sup_close_uplink }, /* the same */
		{ enter_cell, NULL },
		{ sup_spawn_janitor, sup_release_janitor },
		{ make_run_dir, undo_run_dir },
		{ sup_listen, sup_unlisten },
		{ make_vms, NULL },
		{ sup_make_links, NULL },
		{ sup_make_rings, NULL },
		{ sup_make_uplink_rings, NULL },
		{ sup_open_leases, sup_close_leases },
		{ sup_spawn_fabric, sup_kill_fabric },
		{ sup_start_leases, sup_kill_leases },
		{ sup_start_uplink, sup_kill_uplink },
	};

	undo_push(&sup->undo, undo_lock, sup);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		int r = steps[i].make(sup, ret_why);

		if (r < 0)
			return r;
		if (steps[i].undo)
			undo_push(&sup->undo, steps[i].undo, sup);
	}
	return 0;
}

/* ended.json: what `muster status` says of a team that is no more. */
static void write_ended(struct supervisor *sup)
{
	CLEANUP(free) char *path = store_state_file(sup->store, sup->team->name, "ended.json");
	json_t *ended = json_object();
	char *text;

	if (sup->end_why)
		(void)json_object_set_new(ended, "why", json_string(sup->end_why));
	text = json_dumps(ended, JSON_COMPACT);
	json_decref(ended);
	if (text && sup->end_why)
		(void)file_write_all(path, text, strlen(text), 0600);
	free(text);
}

static void on_end_timer(void *ctx, nsec_t now)
{
	struct supervisor *sup = ctx;
	json_t *event;

	(void)now;
	write_ended(sup);
	undo_all(&sup->undo);
	event = json_pack("{s:s}", "event", "ended");
	if (sup->end_why)
		(void)json_object_update_new(event, json_pack("{s:s,s:i}", "why", sup->end_why, "status",
							      sup->end_status ? sup->end_status : 1));
	events_emit(&sup->events, event);
	for (size_t i = 0; i < sup->n_clients; i++)
		if (sup->clients[i]->wants_end)
			client_ok(sup->clients[i], sup->clients[i]->end_id, NULL);
	loop_quit(sup->loop, 0);
}

/* What clients were told must reach them, but nobody may hold us up. */
static void flush_clients(struct supervisor *sup)
{
	nsec_t until = clock_now() + FLUSH_BOUND_MS * NSEC_PER_MSEC;

	for (size_t i = 0; i < sup->n_clients; i++)
		while (i < sup->n_clients && !control_is_flushed(sup->clients[i]->control) &&
		       clock_now() < until)
			(void)loop_step(sup->loop, until);
	sup_drop_clients(sup);
}

/* ---- the process ------------------------------------------------------------------------ */

static int add_signals(struct supervisor *sup)
{
	struct loop_source *source;
	int r = loop_add_signal(sup->loop, SIGCHLD, on_sigchld, sup, &source);

	if (r == 0)
		r = loop_add_signal(sup->loop, SIGTERM, on_term, sup, &source);
	if (r == 0)
		r = loop_add_signal(sup->loop, SIGINT, on_term, sup, &source);
	if (r == 0)
		r = loop_add_timer(sup->loop, NSEC_NEVER, on_end_timer, sup, &sup->end_timer);
	if (r == 0)
		r = bringup_open(sup);
	if (r == 0)
		r = sup_pause_open(sup);
	return r;
}

static void log_as_supervisor(const struct supervisor *sup)
{
	CLEANUP(free) char *name = str_printf("supervisor %s", sup->team->name);

	log_init(sup->log_fd, name, log_level_from_env(LOG_INFO));
}

/* A daemon: nothing of the command's terminal and descriptors is kept. The log is its stderr, and open
 * once only. */
static void detach(struct supervisor *sup, int client_fd)
{
	struct sandbox_fds keep = { .role = SANDBOX_SUPERVISOR };
	int null;

	(void)setsid();
	(void)dup2(sup->log_fd, STDERR_FILENO);
	sup->log_fd = STDERR_FILENO;
	log_as_supervisor(sup);
	sandbox_fds_add(&keep, SANDBOX_FD_EVENTS, sup->events.fd);
	sandbox_fds_add(&keep, SANDBOX_FD_LOCK, sup->lock_fd);
	sandbox_fds_add(&keep, SANDBOX_FD_CONTROL, client_fd);
	(void)sandbox_fds_close_others(&keep);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 2 && null >= 0; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		(void)close(null);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (chdir("/") < 0)
		log_warn("chdir: %s", strerror(errno));
}

static int open_files(struct supervisor *sup, char **ret_why)
{
	CLEANUP(free) char *log = store_state_file(sup->store, sup->team->name, "log");
	CLEANUP(free) char *events = store_state_file(sup->store, sup->team->name, "events.jsonl");
	int r;

	sup->log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (sup->log_fd < 0) {
		r = -errno;
		*ret_why = host_lack_str(log, r);
		return r;
	}
	log_as_supervisor(sup);
	r = events_open(&sup->events, events);
	if (r == 0) {
		/* A disk that is full is met here, while nothing has been started. */
		events_emit(&sup->events, json_pack("{s:s,s:s}", "event", "team", "state",
						    sup_state_str(SUP_STARTING)));
		r = sup->events.error;
	}
	if (r < 0)
		*ret_why = host_lack_str(events, r);
	return r;
}

/* Nobody can be told by a loop that is not there. */
static _Noreturn void fail_early(struct supervisor *sup, int client_fd, int r)
{
	CLEANUP(free) char *why = host_lack_str("the supervisor cannot start", r);
	json_t *team = json_pack("{s:s,s:s,s:s}", "event", "team", "state", "ending", "why", why);
	json_t *ended = json_pack("{s:s,s:i}", "event", "ended", "status", host_lacks(r) ? HOST_LACK_STATUS : 1);

	log_error("%s", why);
	(void)control_write_msg(client_fd, team);
	(void)control_write_msg(client_fd, ended);
	json_decref(team);
	json_decref(ended);
	undo_lock(sup);
	_exit(1);
}

static _Noreturn void supervisor_run(struct supervisor *sup, int client_fd)
{
	struct client *first;
	char *why = NULL;
	int r;

	sup->started_ns = clock_now();
	sup->run_dir = store_run_dir(sup->store, sup->team->name);
	sup->n_vms = sup->team->n_vms;
	sup->vms = calloc(sup->n_vms + 1, sizeof *sup->vms);
	detach(sup, client_fd);
	proc_title_set("muster: supervisor %s", sup->team->name);
	r = sup->vms ? loop_new(&sup->loop) : -ENOMEM;
	if (r == 0)
		r = add_signals(sup);
	if (r == 0)
		r = sup_add_client(sup, client_fd, true, &first);
	if (r < 0)
		fail_early(sup, client_fd, r);
	(void)events_follow(&sup->events, first->control);
	r = make_all(sup, &why);
	if (r < 0) {
		if (sup->end_status == 0)
			sup->end_status = host_lacks(r) ? HOST_LACK_STATUS : 1;
		/* Here there is nothing that --keep could keep. */
		sup_end(sup, why);
	} else {
		bringup_start(sup);
	}
	(void)loop_run(sup->loop);
	flush_clients(sup);
	_exit(0);
}

/* *ret_engine is the caller's to end, whatever is returned. */
static int check_host(const struct team *team, uint64_t freed_bytes, struct engine_host *ret_engine, char **ret_why)
{
	int r = host_files_check(team, ret_why);
	uint64_t available;

	if (r == 0)
		r = engine_find(team, ret_engine, ret_why);
	/* A host that does not tell is not refused. */
	if (r == 0 && host_memory_available("", &available) == 0)
		r = host_memory_check(team, available + freed_bytes, ret_why);
	return r;
}

int supervisor_check(const struct team *team, uint64_t freed_bytes, char **ret_why)
{
	struct engine_host engine = { 0 };
	int r = check_host(team, freed_bytes, &engine, ret_why);

	engine_done(&engine);
	return r;
}

static const struct sup_hooks hooks = { .vm_changed = bringup_vm_changed,
					.vm_released = sup_vm_released,
					.vm_paused = sup_vm_paused };

int supervisor_start(const struct store *store, const struct team *team,
		     const struct supervisor_options *opt, int lock_fd, int *ret_fd,
		     pid_t *ret_pid, char **ret_why)
{
	struct supervisor sup = { .hooks = &hooks,
				  .store = store,
				  .team = team,
				  .lock_fd = lock_fd,
				  .foreground = opt->foreground,
				  .keep = opt->keep,
				  .log_fd = -1,
				  .janitor_fd = -1,
				  .listen_fd = -1,
				  .cgroup = { .parent_fd = -1, .procs_fd = -1, .events_fd = -1 },
				  .state = SUP_STARTING,
				  .boots_max = bringup_boots_max((unsigned)get_nprocs()) };
	int fds[2], r = check_host(team, 0, &sup.engine, ret_why);
	pid_t pid;

	if (r == 0)
		r = open_files(&sup, ret_why);
	if (r < 0) {
		engine_done(&sup.engine);
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		r = -errno;
		*ret_why = host_lack_str("the supervisor's socket", r);
		return r;
	}
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		supervisor_run(&sup, fds[1]);
	}
	r = pid < 0 ? -errno : 0;
	(void)close(fds[1]);
	(void)close(sup.log_fd);
	events_close(&sup.events);
	json_decref(sup.leased);
	engine_done(&sup.engine);
	log_init(-1, "muster", log_level_from_env(LOG_INFO));
	if (r < 0) {
		(void)close(fds[0]);
		*ret_why = host_lack_str("no process for the supervisor", r);
		return r;
	}
	*ret_fd = fds[0];
	*ret_pid = pid;
	return 0;
}
