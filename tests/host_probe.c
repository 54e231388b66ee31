/* tests/host_probe.c: tries in a child what tests need of the host.
 *
 * 32-bit and 16-bit code is entered as tests/oracle/oracle_hw.c enters it: a signal handler
 * writes the code segment into its own frame, with TF set, and returns into it. Each step
 * comes back as SIGTRAP. The bytes mean something else in 64-bit mode, so the values in
 * memory and registers show in which mode they ran.
 *
 * Depends on: host_probe.h. Sources: sigreturn(2), modify_ldt(2), SDM vol. 3 §3.4.5. */
#include "tests/host_probe.h"

#include "core/bytes.h"
#include "core/cleanup.h"

#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { TRIAL_SECONDS = 5, WHY_MAX = 200, PAGE_BYTES = 4096 };
enum { CS_32 = 0x23, DS_USER = 0x2B, SELECTOR_LDT = 4, SELECTOR_RPL3 = 3, FLAG_TF = 0x100, DATA_OFFSET = 0x800 };
#define CODE UINT64_C(0x30000000)
#define DATA UINT64_C(0x30001000)
#define PATTERN UINT32_C(0x12345678)

static const char *const names[] = { "step", "code32", "code16", "int80", "kvm", "tap", "userns", "packet" };
_Static_assert(sizeof names / sizeof names[0] == HOST_THING_COUNT, "a name each");

const char *host_thing_str(enum host_thing thing)
{
	return names[thing];
}

/* ---- in the child: says why not, and ends --------------------------------------------- */

static int why_fd;

static _Noreturn void no(const char *what, int error)
{
	char line[WHY_MAX];
	int n = error ? snprintf(line, sizeof line, "%s: %s", what, strerror(error)) : snprintf(line, sizeof line, "%s", what);

	(void)!write(why_fd, line, (size_t)n);
	_exit(1);
}

static _Noreturn void yes(void)
{
	_exit(0);
}

/* ---- code segments ----------------------------------------------------------------------- */

/* What runs in the other mode, and how it shows that it has run there. */
static struct segment_trial {
	uint8_t code[16];
	unsigned n_steps, len;
	uint16_t cs, ds;
	uint64_t rip, rax; /* at the first instruction; behind the last one */
	uint32_t stored;
	unsigned n_traps;
	bool begun;
} trial;

/* mov $0x12345678, %eax; mov %eax, DATA + 0x800; dec %eax, which 64-bit code takes for a prefix. */
static const struct segment_trial trial_32 = {
	.code = { 0xB8, 0x78, 0x56, 0x34, 0x12, 0xA3, 0x00, 0x18, 0x00, 0x30, 0x48, 0xF4 },
	.n_steps = 3, .len = 11, .cs = CS_32, .ds = DS_USER, .rip = CODE, .rax = PATTERN - 1, .stored = PATTERN,
};
/* mov $0x5678, %ax; mov %ax, 0x800; dec %ax. */
static const struct segment_trial trial_16 = {
	.code = { 0xB8, 0x78, 0x56, 0xA3, 0x00, 0x08, 0x48, 0xF4 },
	.n_steps = 3, .len = 7, .cs = SELECTOR_LDT | SELECTOR_RPL3, .ds = 1 << 3 | SELECTOR_LDT | SELECTOR_RPL3,
	.rip = 0, .rax = 0x5677, .stored = 0x5678,
};

static void on_segment_signal(int sig, siginfo_t *info, void *frame)
{
	greg_t *g = ((ucontext_t *)frame)->uc_mcontext.gregs;
	char what[80];

	(void)info;
	if (!trial.begun) {
		trial.begun = true;
		g[REG_RIP] = (greg_t)trial.rip;
		g[REG_RAX] = 0;
		g[REG_EFL] |= FLAG_TF;
		g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xFFFFLL) | trial.cs;
		return;
	}
	if (sig != SIGTRAP) {
		(void)snprintf(what, sizeof what, "signal %d (%s) after %u of %u instructions", sig, sigdescr_np(sig),
			       trial.n_traps, trial.n_steps);
		no(what, 0);
	}
	if (++trial.n_traps < trial.n_steps)
		return;
	if ((uint64_t)g[REG_RIP] != trial.rip + trial.len || (uint64_t)g[REG_RAX] != trial.rax ||
	    *(const uint32_t *)(uintptr_t)(DATA + DATA_OFFSET) != trial.stored)
		no("the code ran, but not in its mode", 0);
	yes();
}

static void try_segment(const struct segment_trial *t)
{
	static const int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS, SIGUSR1 };
	static uint8_t stack[64 << 10] __attribute__((aligned(64)));
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_sigaction = on_segment_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	uint8_t *pages = mmap((void *)(uintptr_t)CODE, (size_t)2 * PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (pages == MAP_FAILED)
		no("memory for the code", errno);
	trial = *t;
	memcpy(pages, trial.code, sizeof trial.code);
	for (size_t k = 0; k < sizeof signals / sizeof signals[0]; k++)
		if (sigaction(signals[k], &action, NULL))
			no("sigaction", errno);
	if (sigaltstack(&alt, NULL))
		no("sigaltstack", errno);
	/* The data segments, which sigreturn leaves alone. */
	__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"((uint32_t)trial.ds));
	(void)raise(SIGUSR1);
	no("the signal's frame led nowhere", 0);
}

static void try_code32(void)
{
	try_segment(&trial_32);
}

static void try_code16(void)
{
	struct user_desc code = { .base_addr = (unsigned)CODE, .limit = PAGE_BYTES - 1,
				  .contents = MODIFY_LDT_CONTENTS_CODE };
	struct user_desc data = { .entry_number = 1, .base_addr = (unsigned)DATA, .limit = PAGE_BYTES - 1,
				  .contents = MODIFY_LDT_CONTENTS_DATA };

	if (syscall(SYS_modify_ldt, 0x11, &code, sizeof code) < 0 || syscall(SYS_modify_ldt, 0x11, &data, sizeof data) < 0)
		no("modify_ldt", errno);
	try_segment(&trial_16);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static volatile sig_atomic_t n_steps;

static void on_step(int sig, siginfo_t *info, void *frame)
{
	greg_t *g = ((ucontext_t *)frame)->uc_mcontext.gregs;

	(void)sig, (void)info;
	n_steps = n_steps + 1;
	g[REG_EFL] &= ~(greg_t)FLAG_TF;
}

static void try_step(void)
{
	struct sigaction action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGTRAP, &action, NULL))
		no("sigaction", errno);
	__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop" : : : "memory", "cc");
	if (n_steps != 1)
		no("TF brings no SIGTRAP", 0);
	yes();
}

/* The 32-bit ABI's getpid is 20. */
static void try_int80(void)
{
	long r = 20;

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	if (r != getpid())
		no("int 0x80 is not the 32-bit getpid", r < 0 ? (int)-r : 0);
	yes();
}

static void try_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		no("/dev/kvm", errno);
	if (ioctl(fd, KVM_CREATE_VM, 0) < 0)
		no("/dev/kvm makes no machine", errno);
	yes();
}

static void try_tap(void)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		no("a network namespace", errno);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		no("/dev/net/tun", errno);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		no("a tap", errno);
	yes();
}

static void try_userns(void)
{
	char map[40];
	int fd, n = snprintf(map, sizeof map, "0 %u 1\n", getuid());

	if (unshare(CLONE_NEWUSER) < 0)
		no("a user namespace", errno);
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, map, (size_t)n) != n)
		no("/proc/self/uid_map", errno);
	yes();
}

static void try_packet(void)
{
	if (socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) < 0)
		no("a packet socket", errno);
	yes();
}

/* ---- the parent ---------------------------------------------------------------------------- */

/* True where MUSTER_PROBE_LACKS has @name as a word. */
static bool is_told_to_lack(const char *name)
{
	CLEANUP(free) char *lacks = str_dup(getenv("MUSTER_PROBE_LACKS"));
	char *rest = lacks, *word;

	while (rest && (word = strsep(&rest, " ,")))
		if (strcmp(word, name) == 0)
			return true;
	return false;
}

static _Noreturn void child(enum host_thing thing, int fd)
{
	static void (*const tries[])(void) = { try_step, try_code32, try_code16, try_int80,
					       try_kvm, try_tap, try_userns, try_packet };

	_Static_assert(sizeof tries / sizeof tries[0] == HOST_THING_COUNT, "a trial each");
	why_fd = fd;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0); /* no core where it dies of a signal */
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	(void)alarm(TRIAL_SECONDS);
	/* A process that is not dumpable cannot write its own uid map. */
	if (thing == HOST_USERNS)
		(void)prctl(PR_SET_DUMPABLE, 1);
	tries[thing]();
	_exit(1);
}

bool host_can(enum host_thing thing, char **ret_why)
{
	char line[WHY_MAX] = { 0 };
	int fds[2], status = 0;
	pid_t pid;

	if (is_told_to_lack(names[thing])) {
		if (ret_why)
			*ret_why = str_dup("MUSTER_PROBE_LACKS says so");
		return false;
	}
	if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0) {
		perror("host_probe");
		abort();
	}
	if (pid == 0)
		child(thing, fds[1]);
	(void)close(fds[1]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)!read(fds[0], line, sizeof line - 1);
	(void)close(fds[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (ret_why)
		*ret_why = WIFSIGNALED(status) ? str_printf("the trial dies of signal %d (%s)", WTERMSIG(status),
							    strsignal(WTERMSIG(status))) :
						 str_dup(line);
	return false;
}
