/* tests/kvm/relay.c: one guest, handed from machine to machine: each leg runs it for a
 * while in a process of its own, then it is saved over the control socket, the process
 * ends, and the next one goes on from the file, under whatever engine it has.
 *
 *   relay -k KERNEL -i INITRD [-p PMEM] -g RELAY_GUEST [-m MIB] [--cpus N] [--seconds S]
 *         [--tsc-khz K | --tsc-of-kvm] [--cell] ENGINE...          (soft or kvm, a word a leg)
 *
 * The guest is the image tiny with tests/kvm/relay_guest.c, which says "tick" twice a
 * second of its time and "verdict" when it is told to end, after the last leg. This
 * program answers its pings, and looks for what the guest cannot know: that its
 * monotonic clock never ran in a pause (what it shows is less than the time that the
 * legs had), that ticks follow one another, and that a file which was loaded and saved
 * again at once is the same file: to the byte under the engine that wrote it, else but
 * for the sections that it names.
 *
 * A leg begins when its machine goes on, and is over after S seconds (default 5) and
 * four ticks. What is in the rings is not the machine's to save; so before a pause
 * answers are held back until the guest has asked the next question, by which the
 * answer before has come through.
 *
 * Exit status: 0 when all was as it should be; 3 when there is no KVM to be had. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/control.h"
#include "core/log.h"
#include "core/sandbox.h"
#include "core/wire.h"
#include "tests/ask.h"
#include "tests/forge.h"
#include "vmm/boot/cpio.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { LEG_TICKS = 4, GAP_MS = 1500, GIVE_UP_S = 400, FRAME_MAX = 2048, HELD_MAX = 8 };

struct options {
	const char *kernel, *initrd, *pmem, *guest;
	uint64_t memory_mib, cpus, seconds, tsc_khz;
	bool cell, tsc_of_kvm;
};

struct relay {
	struct options o;
	struct bytes archive; /* added to the initrd */
	/* The leg's machine. */
	pid_t pid;
	int serial, control; /* our ends */
	struct ring_pair_fds fds;
	struct ring_pair ring;
	/* What the guest said. */
	struct bytes line;
	uint64_t n_ticks, mono_ns, n_bad, leg_ticks, n_loads, n_ahead;
	bool said_ok;
	/* Answers that wait. */
	struct held {
		uint8_t data[FRAME_MAX];
		uint32_t len;
		bool is_echo;
	} held[HELD_MAX];
	unsigned n_held;
	bool hold;
	nsec_t started, lost; /* the first leg's start; time between legs since */
	unsigned n_answers;
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "relay: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	exit(1);
}

/* ---- the machine ------------------------------------------------------------------- */

static int open_or_die(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (path && fd < 0)
		die(path, strerror(errno));
	return fd;
}

static void make_archive(struct relay *r)
{
	CLEANUP(bytes) struct bytes program = { 0 };
	CLEANUP(free) char *setup =
		str_printf("ip link set lo up\nip addr add 10.0.0.1/24 dev eth0\nip link set eth0 up\n"
			   "/relay-guest %u </dev/ttyS0 >/dev/ttyS0 2>&1 ||\n\tdmesg | tail -n 12 >/dev/ttyS0\npoweroff -f\n",
			   (unsigned)r->o.cpus);

	if (file_read_all(r->o.guest, 64 << 20, &program) < 0)
		die(r->o.guest, "cannot be read");
	cpio_add_dir(&r->archive, "etc", 0755);
	cpio_add_dir(&r->archive, "etc/muster", 0755);
	cpio_add_file(&r->archive, "etc/muster/setup.sh", 0755, setup, strlen(setup));
	cpio_add_file(&r->archive, "relay-guest", 0755, program.data, program.len);
	cpio_end(&r->archive);
}

/* In the child. @state_fd: -1 for the first leg. */
static int run_machine(const struct relay *r, bool kvm, int state_fd, int serial, int control)
{
	struct machine_nic nic = { .mac = { { 2, 0, 0, 0, 0, 1 } }, .mtu = 1500, .link_up = true,
				   .ring = r->fds };
	struct machine_config cfg = { .name = "relay/vm",
				      .memory_bytes = r->o.memory_mib << 20,
				      .cpus = (unsigned)r->o.cpus,
				      .engine = kvm ? MACHINE_ENGINE_KVM : MACHINE_ENGINE_SOFT,
				      .entropy_from_host = true,
				      .tsc_khz = (uint32_t)r->o.tsc_khz,
				      .kernel_fd = open_or_die(r->o.kernel),
				      .initrd_fd = open_or_die(r->o.initrd),
				      .pmem_fd = open_or_die(r->o.pmem),
				      .initrd_append = r->archive.data,
				      .initrd_append_len = r->archive.len,
				      .nics = &nic, .n_nics = 1,
				      .serial_fd = serial, .agent_fd = -1, .control_fd = control,
				      .cell = r->o.cell,
				      .restore = state_fd >= 0, .restore_paused = true,
				      .state_fd = state_fd };
	CLEANUP(free) char *why = NULL;
	struct machine *m;
	enum machine_end end;

	if (machine_new(&cfg, &m, &why) < 0)
		die("no machine", why);
	end = machine_run(m, &why);
	if (why)
		(void)fprintf(stderr, "relay: the machine ended: %s\n", why);
	(void)machine_free(m);
	return end == MACHINE_END_POWEROFF || end == MACHINE_END_QUIT ? 0 : 1;
}

static void socket_pair(int *ret_ours, int *ret_theirs)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		die("no socket", strerror(errno));
	*ret_ours = fd[0];
	*ret_theirs = fd[1];
}

static void start(struct relay *r, bool kvm, int state_fd)
{
	int serial, control;

	socket_pair(&r->serial, &serial);
	socket_pair(&r->control, &control);
	if (ring_pair_create(RING_DATA_SIZE, &r->fds) < 0 ||
	    ring_pair_attach(&r->fds, RING_FABRIC, &r->ring) < 0)
		die("no rings", NULL);
	r->pid = fork();
	if (r->pid == 0) {
		(void)close(r->serial);
		(void)close(r->control);
		_exit(run_machine(r, kvm, state_fd, serial, control));
	}
	(void)close(serial);
	(void)close(control);
}

static void end(struct relay *r)
{
	int status = 0;

	if (waitpid(r->pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		die("the machine's process failed", NULL);
	ring_pair_detach(&r->ring);
	ring_pair_close(&r->fds);
	(void)close(r->serial);
	(void)close(r->control);
}

/* Is the machine's process under a list of system calls? It tells once it is. */
static bool is_locked(const struct relay *r)
{
	CLEANUP(bytes) struct bytes status = { 0 };
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)r->pid);
	if (file_read_all(path, 1 << 16, &status) < 0)
		return false;
	bytes_append(&status, "", 1);
	return strstr((const char *)status.data, "Seccomp:\t2") != NULL;
}

/* ---- frames ------------------------------------------------------------------------ */

static void give(struct relay *r)
{
	static const struct frame_offload none;

	for (unsigned i = 0; !r->hold && i < r->n_held; i++) {
		uint8_t *p = ring_reserve(&r->ring.tx, r->held[i].len);

		if (!p)
			die("no room in the ring", NULL);
		memcpy(p, r->held[i].data, r->held[i].len);
		ring_commit(&r->ring.tx, r->held[i].len, &none, 0);
		r->n_answers++;
	}
	if (r->hold || !r->n_held)
		return;
	r->n_held = 0;
	(void)ring_publish(&r->ring.tx);
}

/* Turns a question into its answer, in place: ARP for 10.0.0.2, and ICMP echo. */
static bool answer(uint8_t *p, size_t len)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 2 }, arp[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	static const uint8_t ours[4] = { 10, 0, 0, 2 };
	uint8_t theirs[4];
	uint16_t sum;

	if (len >= 42 && load_be16(p + 12) == 0x0806 && memcmp(p + 14, arp, 8) == 0 &&
	    memcmp(p + 38, ours, 4) == 0) {
		p[21] = 2;
		memcpy(p + 32, p + 22, 10);
		memcpy(p + 22, mac, 6);
		memcpy(p + 28, ours, 4);
	} else if (len >= 42 && load_be16(p + 12) == 0x0800 && p[14] == 0x45 && p[23] == 1 &&
		   memcmp(p + 30, ours, 4) == 0 && p[34] == 8) {
		memcpy(theirs, p + 26, 4);
		memcpy(p + 26, ours, 4);
		memcpy(p + 30, theirs, 4);
		p[34] = 0;
		sum = load_be16(p + 36); /* RFC 1624: the type became 0x0800 less */
		store_be16(p + 36, (uint16_t)(sum + 0x0800 + (sum > 0xFFFF - 0x0800)));
	} else {
		return false;
	}
	memcpy(p, p + 6, 6);
	memcpy(p + 6, mac, 6);
	return true;
}

static void frames(struct relay *r)
{
	struct ring_record rec;
	uint64_t kicks;

	(void)!read(r->fds.up_kick_fd, &kicks, sizeof kicks);
	do {
		while (ring_peek(&r->ring.rx, &rec)) {
			struct held *h = &r->held[r->n_held];

			if (rec.len <= FRAME_MAX && r->n_held < HELD_MAX) {
				memcpy(h->data, rec.data, rec.len);
				h->len = rec.len;
				h->is_echo = rec.len >= 14 && load_be16(h->data + 12) == 0x0800;
				if (answer(h->data, h->len))
					r->n_held++;
			}
			ring_pop(&r->ring.rx);
		}
		ring_release(&r->ring.rx);
		give(r);
	} while (!ring_sleep(&r->ring.rx));
}

/* ---- the guest's words ---------------------------------------------------------------- */

static void said(struct relay *r, const char *line)
{
	uint64_t tick, mono;

	printf("    %s\n", line);
	(void)fflush(stdout);
	if (sscanf(line, "tick %" SCNu64 " mono %" SCNu64, &tick, &mono) == 2) {
		if (tick != r->n_ticks + 1 || mono < r->mono_ns)
			r->n_bad++;
		r->n_ticks = tick;
		r->mono_ns = mono;
		r->leg_ticks++;
	}
	if (strncmp(line, "bad ", 4) == 0)
		r->n_bad++;
	/* The real-time clock may go ahead once a load, and at no other time. */
	if (strncmp(line, "ahead ", 6) == 0 && ++r->n_ahead > r->n_loads)
		r->n_bad++;
	if (strncmp(line, "verdict ok", 10) == 0)
		r->said_ok = true;
}

/* Returns false at the line's end. */
static bool hear(struct relay *r)
{
	char buf[4096];
	ssize_t n = read(r->serial, buf, sizeof buf);
	char *nl;

	if (n <= 0)
		return false;
	bytes_append(&r->line, buf, (size_t)n);
	while (r->line.len && (nl = memchr(r->line.data, '\n', r->line.len)) != NULL) {
		*nl = '\0';
		if (nl > (char *)r->line.data && nl[-1] == '\r')
			nl[-1] = '\0';
		said(r, (const char *)r->line.data);
		bytes_consume(&r->line, (size_t)(nl + 1 - (char *)r->line.data));
	}
	return true;
}

/* Serves the guest once. Returns false when it ended. */
static bool serve(struct relay *r)
{
	struct pollfd p[2] = { { .fd = r->fds.up_kick_fd, .events = POLLIN },
			       { .fd = r->serial, .events = POLLIN } };

	(void)poll(p, 2, 50);
	frames(r);
	return !p[1].revents || hear(r);
}

/* ---- the supervisor's part ------------------------------------------------------------- */

static void ask(const struct relay *r, const char *text, int fd)
{
	if (!ask_machine(r->control, text, fd))
		die("the machine does not listen", strerror(errno));
}

static void expect(const struct relay *r, const char *event)
{
	json_t *msg = NULL;
	const char *got;

	if (control_read_msg(r->control, &msg) < 0)
		die("the machine is gone, before it said", event);
	got = json_string_value(json_object_get(msg, "event"));
	if (!got || strcmp(got, event) != 0)
		die("the machine says something else", json_dumps(msg, 0));
	json_decref(msg);
}

/* Through a pipe, since a machine in its cell writes no file. */
static int save(const struct relay *r)
{
	int fd = memfd_create("state", MFD_CLOEXEC), end[2];
	char buf[65536];
	ssize_t n;

	if (fd < 0 || pipe2(end, O_CLOEXEC) < 0)
		die("no file", strerror(errno));
	ask(r, "{\"do\":\"save\",\"fds\":1}\n", end[1]);
	(void)close(end[1]);
	while ((n = read(end[0], buf, sizeof buf)) > 0)
		if (fd_write_all(fd, buf, (size_t)n) < 0)
			die("the state is not kept", strerror(errno));
	(void)close(end[0]);
	expect(r, "saved");
	return fd;
}

/* Names the sections in which the files differ, which may be only those that hold
 * what another engine tells in another way. */
static bool compare(int before, int after, bool same_engine)
{
	size_t len = (size_t)lseek(before, 0, SEEK_END), len2 = (size_t)lseek(after, 0, SEEK_END);
	uint8_t *a = mmap(NULL, len, PROT_READ, MAP_PRIVATE, before, 0);
	uint8_t *b = mmap(NULL, len2, PROT_READ, MAP_PRIVATE, after, 0);
	size_t at = STATE_HEADER_LEN, at2 = STATE_HEADER_LEN;
	struct forge_section sec, sec2;
	bool well = true, more = true;

	if (a == MAP_FAILED || b == MAP_FAILED)
		die("no mapping", strerror(errno));
	while (more && well) {
		more = forge_next(a, &at, &sec);
		well = more == forge_next(b, &at2, &sec2) && memcmp(a + sec.head, b + sec2.head, 8) == 0;
		if (!well || (sec.len == sec2.len && memcmp(a + sec.payload, b + sec2.payload, sec.len) == 0))
			continue;
		printf("  differs: %.4s.%u\n", (const char *)a + sec.head, load_le32(a + sec.head + 4));
		well = !same_engine && (memcmp(a + sec.head, "cpu ", 4) == 0 || memcmp(a + sec.head, "lapc", 4) == 0 ||
					memcmp(a + sec.head, "turn", 4) == 0);
	}
	printf("  loaded and saved again: %s (%zu KiB)\n", !well ? "ANOTHER state" : "the same state", len >> 10);
	(void)munmap(a, len);
	(void)munmap(b, len2);
	return well;
}

/* Until the guest waits for an answer that is held back. */
static void wait_held(struct relay *r)
{
	nsec_t until = clock_now() + GIVE_UP_S * NSEC_PER_SEC;

	r->hold = true;
	while (clock_now() < until) {
		for (unsigned i = 0; i < r->n_held; i++)
			if (r->held[i].is_echo)
				return;
		if (!serve(r))
			die("the guest ended by itself", NULL);
	}
	die("the guest does not ping", NULL);
}

/* A leg: until its time is over and the guest has done something in it. */
static void run_leg(struct relay *r)
{
	nsec_t until = clock_now() + (nsec_t)r->o.seconds * NSEC_PER_SEC;
	nsec_t give_up = until + GIVE_UP_S * NSEC_PER_SEC;

	r->leg_ticks = 0;
	while (clock_now() < until || r->leg_ticks < LEG_TICKS) {
		if (!serve(r))
			die("the guest ended by itself", NULL);
		if (clock_now() > give_up)
			die("the guest does nothing", NULL);
	}
}

/* Out of one machine into the next. */
static void hand_over(struct relay *r, bool was_kvm, bool kvm)
{
	nsec_t stood;
	int fd, again;

	wait_held(r);
	ask(r, "{\"do\":\"pause\"}\n", -1);
	expect(r, "paused");
	stood = clock_now();
	fd = save(r);
	ask(r, "{\"do\":\"quit\"}\n", -1);
	expect(r, "ended");
	while (hear(r))
		;
	frames(r);
	end(r);
	(void)nanosleep(&(struct timespec){ .tv_sec = GAP_MS / 1000, .tv_nsec = GAP_MS % 1000 * 1000000 }, NULL);
	start(r, kvm, fd);
	expect(r, "started");
	again = save(r);
	if (!compare(fd, again, was_kvm == kvm))
		r->n_bad++;
	r->lost += clock_now() - stood;
	ask(r, "{\"do\":\"resume\"}\n", -1);
	expect(r, "resumed");
	r->hold = false;
	give(r);
	(void)close(fd);
	(void)close(again);
}

/* The guest is told, and ends. */
static void finish(struct relay *r)
{
	nsec_t had = clock_now() - r->started - r->lost;

	if (r->mono_ns > (uint64_t)(had + had / 1000)) {
		printf("bad: the guest's clock shows %" PRIu64 " ns, it had %" PRIi64 "\n", r->mono_ns, had);
		r->n_bad++;
	}
	if (fd_write_all(r->serial, "over\n", 5) < 0)
		die("the guest is gone", NULL);
	while (serve(r))
		;
	end(r);
}

static uint64_t no_time(void *ctx)
{
	(void)ctx;
	return 0;
}

/* What a guest of this host's KVM is shown. */
static uint32_t khz_of_kvm(void)
{
	const struct cpu_bus bus = { .tsc_read = no_time };
	struct kvm_vm *vm = NULL;
	struct cpu *cpu = NULL;
	char *why = NULL;
	struct mem mem;
	uint32_t khz;

	if (mem_init(&mem, 2 << 20) < 0 || kvm_vm_new(&mem, &vm, &why) < 0 ||
	    kvm_cpu_new(vm, &bus, 0, 1, &cpu, &why) < 0) {
		(void)fprintf(stderr, "relay: no KVM: %s\n", why ? why : "no memory");
		exit(3);
	}
	khz = kvm_cpu_tsc_khz(cpu);
	(void)cpu->ops->free(cpu);
	(void)kvm_vm_free(vm);
	mem_done(&mem);
	printf("KVM's TSC: %u kHz\n", khz);
	return khz;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "cpus", required_argument, NULL, 'C' },
					       { "seconds", required_argument, NULL, 's' },
					       { "tsc-khz", required_argument, NULL, 't' },
					       { "tsc-of-kvm", no_argument, NULL, 'T' },
					       { "cell", no_argument, NULL, 'l' },
					       { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "k:i:p:g:m:", longs, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;

		switch (c) {
		case 'k': o->kernel = optarg; break;
		case 'i': o->initrd = optarg; break;
		case 'p': o->pmem = optarg; break;
		case 'g': o->guest = optarg; break;
		case 'm': o->memory_mib = n; break;
		case 'C': o->cpus = n; break;
		case 's': o->seconds = n; break;
		case 't': o->tsc_khz = n; break;
		case 'T': o->tsc_of_kvm = true; break;
		case 'l': o->cell = true; break;
		default: exit(2);
		}
	}
	if (!o->kernel || !o->initrd || !o->guest || optind == argc)
		die("usage: relay -k KERNEL -i INITRD [-p PMEM] -g RELAY_GUEST [-m MIB] [--cpus N] [--seconds S] "
		    "[--tsc-khz K | --tsc-of-kvm] [--cell] soft|kvm ...", NULL);
}

int main(int argc, char **argv)
{
	static struct relay r = { .o = { .memory_mib = 128, .cpus = 1, .seconds = 5 } };

	(void)signal(SIGPIPE, SIG_IGN);
	log_init(STDERR_FILENO, "relay", log_level_from_env(LOG_INFO));
	parse(argc, argv, &r.o);
	if (r.o.tsc_of_kvm)
		r.o.tsc_khz = khz_of_kvm();
	make_archive(&r);
	r.started = clock_now();
	for (int i = optind; i < argc; i++) {
		bool kvm = strcmp(argv[i], "kvm") == 0;

		if (i == optind) {
			start(&r, kvm, -1);
			expect(&r, "started");
		} else {
			r.n_loads++;
			hand_over(&r, strcmp(argv[i - 1], "kvm") == 0, kvm);
		}
		printf("leg %s\n", argv[i]);
		if (r.o.cell && sandbox_is_wanted(SANDBOX_MACHINE) && !is_locked(&r))
			die("the machine is not in its cell", NULL);
		run_leg(&r);
	}
	finish(&r);
	printf("relay: %" PRIu64 " ticks, %u answers, %s%s\n", r.n_ticks, r.n_answers,
	       r.o.cell && sandbox_is_wanted(SANDBOX_MACHINE) ? "machines in their cells, " : "",
	       r.said_ok && !r.n_bad ? "all as it should be" : "BAD");
	return r.said_ok && !r.n_bad ? 0 : 1;
}
