/* teams/spawn.c: the team's processes: forked without exec, each with only the
 * descriptors it needs.
 *
 * A child resets signals, binds its life to the supervisor's, takes its name,
 * and closes everything that is not on its list (spawn_fds.c); only then does it start. The
 * machine inherits its configuration as plain memory. Failures inside a child
 * travel as {"event":"ended","why":"error","text":…} on its control socket.
 *
 * Used by: supervisor.c, lease_process.c, uplink.c, vm_host.c.   Depends on: calls.c, vmm/machine.h, fabric/process.h. */
#include "teams/spawn.h"

#include "core/bytes.h"
#include "core/log.h"
#include "core/proc.h"
#include "fabric/lease_server.h"
#include "fabric/process.h"
#include "nat/uplink.h"
#include "teams/calls.h"
#include "teams/host_lack.h"
#include "teams/image.h"
#include "teams/janitor.h"
#include "teams/lease_files.h"
#include "teams/reap.h"
#include "teams/setup.h"
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Closes all others. A list with more than its role's row is a mistake of ours. */
static void keep_only(struct sandbox_fds *keep)
{
	if (sandbox_fds_close_others(keep) == 0)
		return;
	log_error("a descriptor is not in the %s's row", sandbox_role_str(keep->role));
	_exit(1);
}

static void reset_signals(void)
{
	sigset_t none;

	/* SYSCALLS(setup): rt_sigaction rt_sigprocmask */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGINT, SIG_IGN); /* the team's end comes from the supervisor */
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* A process of the team that has limits with the others. */
static void join_cgroup(const struct supervisor *sup)
{
	int r = cgroup_join(&sup->cgroup);

	if (r < 0)
		log_warn("cgroup limits: %s cannot be joined: %s", sup->cgroup.path, strerror(-r));
}

/* Forks. In the child: 0 is returned after signals, life and log name are set. */
static pid_t fork_child(struct supervisor *sup, bool dies_with_us, const char *role, const char *vm)
{
	/* SYSCALLS(supervisor): clone(0 !& CLONE_THREAD|CLONE_VM|CLONE_NEWUSER) */
	pid_t parent = getpid(), pid = fork();
	char name[64];

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	if (dies_with_us && proc_die_with_parent(parent) < 0)
		_exit(1);
	reset_signals();
	(void)snprintf(name, sizeof name, "%s %s%s%s", role, sup->team->name, vm ? "/" : "",
		       vm ? vm : "");
	proc_title_set("muster: %s", name);
	log_init(sup->log_fd, name, log_level_from_env(LOG_INFO));
	return 0;
}

/* ---- janitor -------------------------------------------------------------------- */

int sup_spawn_janitor(struct supervisor *sup, char **ret_why)
{
	struct sandbox_fds keep;
	int fds[2];
	pid_t group = getpid(), pid;
	int r;

	/* SYSCALLS(supervisor): pipe2 */
	if (pipe2(fds, O_CLOEXEC) < 0) {
		*ret_why = host_lack_str("the janitor's pipe", -errno);
		return -errno;
	}
	pid = fork_child(sup, false, "janitor", NULL);
	if (pid == 0) {
		/* SYSCALLS(setup): setsid */
		(void)setsid();
		(void)signal(SIGTERM, SIG_IGN);
		spawn_fds_janitor(sup, fds[0], &keep);
		keep_only(&keep);
		janitor_run(&(struct janitor){ fds[0], group, sup->store, sup->team->name, &sup->cgroup, sup->stations,
					       sup->n_stations });
	}
	(void)close(fds[0]);
	if (pid < 0) {
		(void)close(fds[1]);
		*ret_why = host_lack_str("no process for the janitor", pid);
		return pid;
	}
	sup->janitor_pid = pid;
	sup->janitor_fd = fds[1];
	r = reap_note(sup->lock_fd, group, pid);
	if (r < 0)
		log_warn("'muster down' could not end it by force: the lock's file: %s", strerror(-r));
	return 0;
}

void sup_release_janitor(void *ctx)
{
	struct supervisor *sup = ctx;

	/* It has nothing left to do, and may have been stopped: it is not asked. */
	if (sup->janitor_pid > 0)
		(void)kill(sup->janitor_pid, SIGKILL);
	(void)close(take_fd(&sup->janitor_fd));
	if (sup->janitor_pid > 0)
		while (waitpid(sup->janitor_pid, NULL, 0) < 0 && errno == EINTR)
			;
	sup->janitor_pid = 0;
}

/* ---- fabric --------------------------------------------------------------------- */

int sup_make_rings(struct supervisor *sup, char **ret_why)
{
	int r;

	sup->first_ring = calloc(sup->n_vms + 1, sizeof *sup->first_ring);
	if (!sup->first_ring)
		abort();
	for (size_t i = 0; i < sup->n_vms; i++)
		sup->first_ring[i + 1] = sup->first_ring[i] + sup->team->vms[i].n_nics;
	sup->n_rings = sup->first_ring[sup->n_vms];
	sup->rings = calloc(sup->n_rings + 1, sizeof *sup->rings);
	if (!sup->rings)
		abort();
	for (size_t i = 0; i < sup->n_rings; i++) {
		r = ring_pair_create(RING_DATA_SIZE, &sup->rings[i]);
		if (r < 0) {
			*ret_why = str_printf("the rings of NIC %zu of %zu cannot be had: %s", i + 1,
					      sup->n_rings, strerror(-r));
			sup->n_rings = i;
			return r;
		}
		sup->plan->ports[i].kind = FABRIC_PORT_RING;
		sup->plan->ports[i].rings = &sup->rings[i];
	}
	stations_put(sup->stations, sup->n_stations, &sup->plan->ports[sup->n_rings]);
	return 0;
}

static _Noreturn void fabric_child(struct supervisor *sup, int control_fd)
{
	struct fabric_config cfg = { .plan = sup->plan, .control_fd = control_fd, .cell = true };
	struct sandbox_fds keep;

	join_cgroup(sup);
	spawn_fds_fabric(sup, control_fd, &keep);
	keep_only(&keep);
	_exit(fabric_run(&cfg));
}

int sup_spawn_fabric(struct supervisor *sup, char **ret_why)
{
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		*ret_why = host_lack_str("the fabric's socket", -errno);
		return -errno;
	}
	pid = fork_child(sup, true, "fabric", NULL);
	if (pid == 0)
		fabric_child(sup, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		*ret_why = host_lack_str("no process for the fabric", pid);
		return pid;
	}
	sup->fabric_pid = pid;
	r = control_new(sup->loop, fds[0], sup_on_fabric, sup, &sup->fabric);
	if (r == 0)
		sup_fabric_bind(sup);
	if (r < 0) {
		(void)close(fds[0]);
		*ret_why = str_printf("fabric: %s", strerror(-r));
		sup_kill_fabric(sup);
	}
	return r;
}

void sup_kill_fabric(void *ctx)
{
	struct supervisor *sup = ctx;

	sup->fabric_rpc = rpc_free(sup->fabric_rpc);
	sup->fabric = control_free(sup->fabric);
	if (sup->fabric_pid > 0) {
		/* SYSCALLS(supervisor): kill(1 == SIGKILL) wait4 */
		(void)kill(sup->fabric_pid, SIGKILL);
		while (waitpid(sup->fabric_pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	sup->fabric_pid = 0;
}

/* ---- uplink --------------------------------------------------------------------- */

/* One socket a flow: what the host allows is taken, and the cell bounds it. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("the limit of open files cannot be raised: %s", strerror(errno));
}

static _Noreturn void uplink_child(struct supervisor *sup, const struct uplink_config *cfg, int control_fd)
{
	struct uplink_config own = *cfg;
	struct sandbox_fds keep;

	join_cgroup(sup);
	own.control_fd = control_fd;
	spawn_fds_uplink(sup, control_fd, cfg, &keep);
	keep_only(&keep);
	raise_files();
	_exit(uplink_run(&own));
}

int sup_spawn_uplink(struct supervisor *sup, const struct uplink_config *cfg, int *ret_fd, pid_t *ret_pid,
		     char **ret_why)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		*ret_why = host_lack_str("the uplink's socket", -errno);
		return -errno;
	}
	pid = fork_child(sup, true, "uplink", NULL);
	if (pid == 0)
		uplink_child(sup, cfg, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		*ret_why = host_lack_str("no process for the uplink", pid);
		return pid;
	}
	*ret_fd = fds[0];
	*ret_pid = pid;
	return 0;
}

/* ---- leases --------------------------------------------------------------------- */

static _Noreturn void leases_child(struct supervisor *sup, int fd)
{
	struct lease_server_config cfg = { .team = sup->team->name,
					   .fd = fd,
					   .logs = sup->leases->logs,
					   .n_logs = sup->leases->n_logs,
					   .cell = true };
	struct sandbox_fds keep;

	join_cgroup(sup);
	spawn_fds_leases(sup, fd, &keep);
	keep_only(&keep);
	_exit(lease_server_run(&cfg));
}

int sup_spawn_leases(struct supervisor *sup, int *ret_fd, pid_t *ret_pid, char **ret_why)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		*ret_why = host_lack_str("the socket of the leases", -errno);
		return -errno;
	}
	pid = fork_child(sup, true, "leases", NULL);
	if (pid == 0)
		leases_child(sup, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		*ret_why = host_lack_str("no process for the leases", pid);
		return pid;
	}
	*ret_fd = fds[0];
	*ret_pid = pid;
	return 0;
}

/* ---- machines ------------------------------------------------------------------- */

struct boot_files {
	struct boot_fds fds;
	char *cmdline;
	struct bytes archive;
};

static void boot_files_close(struct boot_files *b)
{
	cleanup_fd(&b->fds.kernel);
	cleanup_fd(&b->fds.initrd);
	cleanup_fd(&b->fds.pmem);
	b->fds = (struct boot_fds){ -1, -1, -1 };
}

static void boot_files_done(struct boot_files *b)
{
	boot_files_close(b);
	free(b->cmdline);
	bytes_done(&b->archive);
}

static int open_file(const char *root, const char *path, int *ret_fd, char **ret_why)
{
	int r = file_open_regular(root, path, UINT64_MAX, ret_fd, NULL);

	if (r < 0)
		*ret_why = str_printf("%s: %s", path, file_strerror(r));
	return r;
}

static int open_image(const char *root, const struct team_vm *tv, struct boot_files *b, char **ret_why)
{
	const char *kernel = tv->kernel, *initrd = tv->initrd, *cmdline = NULL;
	struct image image = { 0 };
	bool has_image = false;
	int r = 0;

	if (!kernel || !initrd) {
		r = image_find(tv->image, &image, ret_why);
		has_image = r == 0;
		if (r < 0 && !kernel) {
			if (!*ret_why)
				*ret_why = str_printf("image '%s' is not built: muster images build %s",
						      tv->image, tv->image);
			return r;
		}
		free(*ret_why);
		*ret_why = NULL;
	}
	if (has_image) {
		initrd = initrd || kernel ? initrd : image.initrd;
		kernel = kernel ? kernel : image.kernel;
		cmdline = image.cmdline;
	}
	r = open_file(tv->kernel ? root : NULL, kernel, &b->fds.kernel, ret_why);
	if (r == 0 && initrd)
		r = open_file(tv->initrd ? root : NULL, initrd, &b->fds.initrd, ret_why);
	if (r == 0 && has_image && !tv->initrd && image.pmem)
		r = open_file(NULL, image.pmem, &b->fds.pmem, ret_why);
	if (cmdline || tv->cmdline)
		b->cmdline = str_printf("%s%s%s", cmdline ? cmdline : "",
					cmdline && tv->cmdline ? " " : "",
					tv->cmdline ? tv->cmdline : "");
	if (has_image)
		image_done(&image);
	return r;
}

static int open_boot_files(struct supervisor *sup, struct vm_host *v, struct boot_files *b, char **ret_why)
{
	int r = open_image(sup->team->root, v->tv, b, ret_why);

	return r < 0 ? r : setup_archive(sup->team, v->index, &b->archive, ret_why);
}

/* @r: why, as -errno. */
static void say_error(int control_fd, const char *why, int r)
{
	const char *remedy = host_lack_remedy(r);
	CLEANUP(free) char *text = str_printf("%s%s%s", why, remedy ? ": " : "", remedy ? remedy : "");
	json_t *msg = json_pack("{s:s,s:s,s:s,s:i}", "event", "ended", "why", "error", "text", text, "errno", -r);

	(void)control_write_msg(control_fd, msg);
	json_decref(msg);
}

/* The machine's process, from its fork to its end. */
static _Noreturn void machine_child(struct supervisor *sup, struct vm_host *v, struct boot_files *b,
				    const struct vm_sockets *mine)
{
	const struct team_vm *tv = v->tv;
	CLEANUP(free) char *name = str_printf("%s/%s", sup->team->name, tv->name);
	struct machine_nic nics[MACHINE_NIC_MAX] = { 0 };
	struct sandbox_fds keep;
	struct machine_config cfg = {
		.name = name,
		.memory_bytes = tv->memory_bytes,
		.cpus = tv->cpus,
		.clock_virtual = sup->team->clock_virtual,
		.seed = sup->team->seed,
		.entropy_from_host = !sup->team->clock_virtual,
		.kernel_fd = b->fds.kernel,
		.initrd_fd = b->fds.initrd,
		.pmem_fd = b->fds.pmem,
		.initrd_append = b->archive.data,
		.initrd_append_len = b->archive.len,
		.cmdline = b->cmdline,
		.nics = nics,
		.n_nics = tv->n_nics,
		.generation_id = true,
		.vsock_cid = tv->vsock_cid,
		.serial_fd = mine->serial,
		.agent_fd = mine->agent,
		.control_fd = mine->control,
		.cell = true,
	};
	struct machine *m = NULL;
	char *why = NULL;
	int r;

	join_cgroup(sup);
	if (engine_is_kvm(tv, &sup->engine, &cfg.engine_why))
		cfg.engine = MACHINE_ENGINE_KVM;
	for (size_t i = 0; i < tv->n_nics && i < MACHINE_NIC_MAX; i++) {
		nics[i] =
			(struct machine_nic){ .mac = tv->nics[i].mac,
					      .mtu = tv->nics[i].mtu,
					      .speed_mbps = team_nic_speed(sup->team, &tv->nics[i]),
					      .link_up = link_states_carrier(sup->links, sup->first_ring[v->index] + i),
					      .ring = sup->rings[sup->first_ring[v->index] + i] };
	}
	spawn_fds_machine(sup, v, mine, &b->fds, &keep);
	keep_only(&keep);
	r = machine_new(&cfg, &m, &why);
	if (r < 0) {
		say_error(mine->control, why ? why : "the machine cannot be made", r);
		_exit(1);
	}
	cleanup_fd(&b->fds.pmem); /* mapped, as the rings are; the other files are the machine's */
	for (size_t i = 0; i < tv->n_nics && i < MACHINE_NIC_MAX; i++)
		(void)close(nics[i].ring.mem_fd);
	(void)machine_run(m, &why);
	_exit(0);
}

static int make_pairs(struct vm_sockets *ours, struct vm_sockets *theirs)
{
	int pairs[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };

	for (int i = 0; i < 3; i++) {
		/* SYSCALLS(supervisor): socketpair(0 == AF_UNIX) */
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) == 0)
			continue;
		for (int j = 0; j < i; j++) {
			(void)close(pairs[j][0]);
			(void)close(pairs[j][1]);
		}
		return -errno;
	}
	*ours = (struct vm_sockets){ pairs[0][0], pairs[1][0], pairs[2][0] };
	*theirs = (struct vm_sockets){ pairs[0][1], pairs[1][1], pairs[2][1] };
	return 0;
}

static void close_sockets(struct vm_sockets *s)
{
	(void)close(s->control);
	(void)close(s->serial);
	(void)close(s->agent);
}

int sup_spawn_machine(struct supervisor *sup, struct vm_host *v, struct vm_sockets *ret_sockets, pid_t *ret_pid,
		      char **ret_why)
{
	struct boot_files b = { .fds = { -1, -1, -1 } };
	struct vm_sockets theirs;
	pid_t pid;
	int r = open_boot_files(sup, v, &b, ret_why);

	if (r == 0) {
		r = make_pairs(ret_sockets, &theirs);
		if (r < 0)
			*ret_why = host_lack_str("its machine's sockets", r);
	}
	if (r < 0) {
		boot_files_done(&b);
		return r;
	}
	pid = fork_child(sup, true, "machine", v->tv->name);
	if (pid == 0)
		machine_child(sup, v, &b, &theirs);
	close_sockets(&theirs);
	boot_files_done(&b);
	if (pid < 0) {
		close_sockets(ret_sockets);
		*ret_why = host_lack_str("no process for its machine", pid);
		return pid;
	}
	*ret_pid = pid;
	return 0;
}
