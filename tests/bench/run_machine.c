/* tests/bench/run_machine.c: boots one machine with ttyS0 on the terminal and
 * tells what it cost. The developer's tool; nothing of it is installed.
 *
 *   run-machine -k bzImage [-i initrd] [-p pmem] [-m 128] [-c "words"] [-n NICS]
 *               [--engine soft|kvm] [--cpus N] [--tsc-khz K] [--virtual] [--hash-every N] [--seconds S]
 *               [--save-at N --save FILE] [--load FILE]
 *
 * --save-at saves the state when N instructions were retired (with --hash-every a
 * multiple of it) and goes on; --load goes on from a saved state, given the same
 * -m, -n and -p, without a kernel.
 *
 * The machine runs in a child process with a socket as its serial line; the
 * parent carries bytes between that and the terminal. The figures go to the
 * standard error output. NICs are on rings which nobody serves. Exit status: 0
 * after a power-off, 1 otherwise, 3 when --seconds were over. */
#include "core/cleanup.h"
#include "vmm/dev/virtio_vsock.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

struct options {
	const char *kernel, *initrd, *pmem, *cmdline, *save, *load;
	uint64_t memory_mib, hash_every, n_nics, seconds, cpus, save_at, tsc_khz;
	bool is_virtual, is_kvm;
};

static void save(const struct options *o, struct machine *m)
{
	int fd = open(o->save, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	CLEANUP(free) char *why = NULL;
	nsec_t start = clock_now();
	uint64_t n = 0;

	if (fd < 0 || machine_save(m, fd, &n, &why) < 0) {
		(void)fprintf(stderr, "%s: %s\n", o->save, why ? why : "cannot be opened");
		exit(1);
	}
	(void)close(fd);
	(void)fprintf(stderr, "saved %llu KiB in %.3f s\n", (unsigned long long)n >> 10,
		      (double)(clock_now() - start) / 1e9);
}

static void on_probe(void *ctx, struct machine *m)
{
	const struct options *o = ctx;

	if (o->hash_every)
		(void)fprintf(stderr, "hash %llu %016llx\n",
			      (unsigned long long)machine_instructions(m),
			      (unsigned long long)machine_state_hash(m));
	if (o->save && machine_instructions(m) == o->save_at)
		save(o, m);
}

static void print_exits(const struct machine *m)
{
	(void)fprintf(stderr, "tsc %u kHz; left the guest:", kvm_cpu_tsc_khz(m->cpu));
	for (enum kvm_exit_kind i = 0; i < KVM_LEFT_COUNT; i++)
		(void)fprintf(stderr, " %s %llu", kvm_exit_kind_str(i),
			      (unsigned long long)kvm_cpu_exits(m->cpu, i));
	if (m->lines)
		(void)fprintf(stderr, "; interrupts: %llu by irqfd, %llu as messages",
			      (unsigned long long)machine_lines_signals(m->lines),
			      (unsigned long long)machine_lines_messages(m->lines));
	(void)fputc('\n', stderr);
}

static int open_or_die(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (path && fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int run(struct options *o, int serial_fd)
{
	struct machine_nic nics[MACHINE_NIC_MAX] = { 0 };
	struct machine_config cfg = { .name = "bench/vm",
				      .memory_bytes = o->memory_mib << 20,
				      .cpus = (unsigned)o->cpus,
				      .engine = o->is_kvm ? MACHINE_ENGINE_KVM : MACHINE_ENGINE_SOFT,
				      .clock_virtual = o->is_virtual,
				      .tsc_khz = (uint32_t)o->tsc_khz,
				      .seed = 1,
				      .entropy_from_host = !o->is_virtual,
				      .restore = o->load != NULL,
				      .state_fd = open_or_die(o->load),
				      .kernel_fd = open_or_die(o->kernel),
				      .initrd_fd = open_or_die(o->initrd),
				      .pmem_fd = open_or_die(o->pmem),
				      .cmdline = o->cmdline,
				      .nics = nics,
				      .n_nics = o->n_nics,
				      .generation_id = !o->is_virtual,
				      .vsock_cid = VIRTIO_VSOCK_CID_MIN,
				      .serial_fd = serial_fd,
				      .agent_fd = -1,
				      .control_fd = -1 };
	nsec_t start = clock_now(), took;
	CLEANUP(free) char *why = NULL;
	enum machine_end end;
	struct machine *m;
	uint64_t n;

	for (size_t i = 0; i < o->n_nics && i < MACHINE_NIC_MAX; i++) {
		nics[i] = (struct machine_nic){ .mac = { { 2, 0, 0, 0, 0, (uint8_t)i } },
						.mtu = 1500, .link_up = true };
		if (ring_pair_create(RING_DATA_SIZE, &nics[i].ring) < 0)
			return 1;
	}
	if (machine_new(&cfg, &m, &why) < 0) {
		(void)fprintf(stderr, "run-machine: %s\n", why ? why : "?");
		return 1;
	}
	if (o->save && machine_instructions(m) == o->save_at)
		save(o, m);
	if (o->hash_every || o->save)
		machine_set_probe(m, o->hash_every ? o->hash_every : o->save_at, on_probe, o);
	(void)fprintf(stderr, "loaded in %.3f s\n", (double)(clock_now() - start) / 1e9);
	start = clock_now();
	end = machine_run(m, &why);
	took = clock_now() - start;
	n = machine_instructions(m);
	(void)fprintf(stderr,
		      "end %s%s%s: wall %.3f s, cpu %.3f s, guest %.3f s, %llu instructions, %.1f MIPS\n",
		      machine_end_str(end), why ? ": " : "", why ? why : "", (double)took / 1e9,
		      (double)clock_cpu() / 1e9, (double)guest_clock_now(&m->clock) / 1e9,
		      (unsigned long long)n, (double)n * 1e3 / (double)took);
	if (o->is_kvm)
		print_exits(m);
	(void)machine_free(m);
	return end == MACHINE_END_POWEROFF ? 0 : 1;
}

/* Carries bytes until the machine's end closes or time is over. */
static bool carry(int fd, nsec_t until)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	char buf[4096];
	ssize_t n;

	while (clock_now() < until) {
		if (poll(p, 2, 200) < 0)
			continue;
		if (p[0].revents) {
			n = read(fd, buf, sizeof buf);
			if (n <= 0)
				return true;
			(void)fd_write_all(1, buf, (size_t)n);
		}
		if (p[1].revents) {
			n = read(0, buf, sizeof buf);
			if (n <= 0)
				p[1].fd = -1;
			else
				(void)fd_write_all(fd, buf, (size_t)n);
		}
	}
	return false;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "virtual", no_argument, NULL, 'v' },
					       { "hash-every", required_argument, NULL, 'H' },
					       { "seconds", required_argument, NULL, 's' },
					       { "cpus", required_argument, NULL, 'C' },
					       { "tsc-khz", required_argument, NULL, 't' },
					       { "engine", required_argument, NULL, 'e' },
					       { "save", required_argument, NULL, 'S' },
					       { "save-at", required_argument, NULL, 'a' },
					       { "load", required_argument, NULL, 'l' },
					       { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "k:i:p:m:c:n:", longs, NULL)) != -1) {
		switch (c) {
		case 'k':
			o->kernel = optarg;
			break;
		case 'p':
			o->pmem = optarg;
			break;
		case 'i':
			o->initrd = optarg;
			break;
		case 'm':
			o->memory_mib = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			o->cmdline = optarg;
			break;
		case 'n':
			o->n_nics = strtoull(optarg, NULL, 10);
			break;
		case 'e':
			if (strcmp(optarg, "kvm") != 0 && strcmp(optarg, "soft") != 0)
				return -1;
			o->is_kvm = optarg[0] == 'k';
			break;
		case 'v':
			o->is_virtual = true;
			break;
		case 'H':
			o->hash_every = strtoull(optarg, NULL, 10);
			break;
		case 'C':
			o->cpus = strtoull(optarg, NULL, 10);
			break;
		case 't':
			o->tsc_khz = strtoull(optarg, NULL, 10);
			break;
		case 'S':
			o->save = optarg;
			break;
		case 'a':
			o->save_at = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			o->load = optarg;
			break;
		case 's':
			o->seconds = strtoull(optarg, NULL, 10);
			break;
		default:
			return -1;
		}
	}
	return (o->kernel || o->load) && !o->save == !o->save_at ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options o = { .memory_mib = 128, .seconds = 3600, .cpus = 1 };
	struct termios saved, raw;
	bool is_tty = tcgetattr(0, &saved) == 0, ended;
	int fds[2], status = 1;
	pid_t pid, parent;

	if (parse(argc, argv, &o) < 0) {
		(void)fprintf(stderr, "usage: run-machine -k KERNEL [-i INITRD] [-m MIB] [-c WORDS] "
				      "[-n NICS] [--engine soft|kvm] [--cpus N] [--tsc-khz K] [--virtual] [--hash-every N] "
				      "[--seconds S] [--save-at N --save FILE] [--load FILE]\n");
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 1;
	parent = getpid();
	pid = fork();
	if (pid == 0) {
		/* Whoever ends the program by a signal ends the machine. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		(void)close(fds[0]);
		_exit(run(&o, fds[1]));
	}
	(void)close(fds[1]);
	if (is_tty) {
		raw = saved;
		cfmakeraw(&raw);
		raw.c_lflag |= ISIG;
		raw.c_oflag = saved.c_oflag;
		(void)tcsetattr(0, TCSANOW, &raw);
	}
	ended = carry(fds[0], clock_now() + (nsec_t)o.seconds * NSEC_PER_SEC);
	if (is_tty)
		(void)tcsetattr(0, TCSANOW, &saved);
	if (!ended)
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0 || !ended)
		return 3;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
