/* tests/oracle/oracle_hw.c: cases on the host's own processor, at ring 3.
 *
 * The child lives in its signal handler: each signal ends a case, whose outcome is
 * read from the signal frame, and the handler writes the next case into the
 * frame and returns into it. TF brings it back after one instruction. A case
 * that kills or hangs the child costs a restart and is marked as died.
 *
 * Only the code page, the window and addresses that no register is likely to
 * hold are mapped; FS is never used by a case, because the C library lives there.
 *
 * Used by: tests/oracle/oracle_insn.c.   Depends on: oracle.h. */
#include "tests/oracle/oracle.h"

#include <asm/ldt.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { WATCHDOG_MS = 5000 };

struct shared {
	volatile unsigned next, n; /* the case that runs; how many there are */
	struct oracle_case cases[ORACLE_BATCH];
};

static struct shared *shared;
static uint8_t *code_write; /* the code page's writable view */
static int to_child[2] = { -1, -1 }, from_child[2] = { -1, -1 };
static pid_t child = -1;
static bool started; /* in the child: a case is in the frame */

static const int greg_of[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				 REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11,
				 REG_R12, REG_R13, REG_R14, REG_R15 };

static void frame_load(ucontext_t *u, const struct oracle_case *c)
{
	struct cpu_fxsave *fx = (struct cpu_fxsave *)u->uc_mcontext.fpregs;
	greg_t *g = u->uc_mcontext.gregs;
	uint64_t *xstate_bv = (uint64_t *)(fx + 1);

	for (int k = 0; k < 16; k++)
		g[greg_of[k]] = (greg_t)c->in.gpr[k];
	g[REG_RIP] = (greg_t)c->in.rip;
	g[REG_EFL] = (greg_t)(c->in.rflags | 0x100);
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xFFFFLL) | (c->is_16 ? ORACLE_CS_16 : c->is_32 ? ORACLE_CS_32 : ORACLE_CS);
	memcpy(fx, &c->in.fx, 416); /* the rest tells the kernel of XSAVE */
	*xstate_bv |= 3;
	memcpy(code_write + (ORACLE_RIP - ORACLE_CODE), c->bytes, 16);
	memcpy((void *)ORACLE_WINDOW, c->window, ORACLE_WINDOW_BYTES);
}

static void frame_save(const ucontext_t *u, struct oracle_case *c)
{
	const greg_t *g = u->uc_mcontext.gregs;
	struct oracle_outcome *out = &c->hw;
	int trap = (int)g[REG_TRAPNO];

	for (int k = 0; k < 16; k++)
		out->regs.gpr[k] = (uint64_t)g[greg_of[k]];
	out->regs.rip = (uint64_t)g[REG_RIP];
	out->regs.rflags = (uint64_t)g[REG_EFL];
	memcpy(&out->regs.fx, u->uc_mcontext.fpregs, sizeof(out->regs.fx));
	out->vector = trap == 1 ? -1 : trap;
	out->error = (uint32_t)g[REG_ERR];
	out->cr2 = (uint64_t)g[REG_CR2];
	memcpy(out->window, (const void *)ORACLE_WINDOW, ORACLE_WINDOW_BYTES);
}

/* The whole child, once it has begun. */
static void on_signal(int sig, siginfo_t *info, void *frame)
{
	ucontext_t *u = frame;
	char byte = 0;

	/* sigreturn leaves ID, NT and the like as they are: not as a case left them. */
	__asm__ volatile("pushq $2\n\tpopfq" : : : "memory", "cc");
	(void)info;
	if (started && sig != SIGUSR1) {
		struct oracle_case *c = &shared->cases[shared->next];

		if (c->is_rep && u->uc_mcontext.gregs[REG_TRAPNO] == 1 &&
		    (uint64_t)u->uc_mcontext.gregs[REG_RIP] == c->in.rip &&
		    u->uc_mcontext.gregs[REG_RCX] != 0) {
			u->uc_mcontext.gregs[REG_EFL] |= 0x100;
			return;
		}
		frame_save(u, c);
		shared->next++;
	}
	started = true;
	for (;;) {
		while (shared->next < shared->n && shared->cases[shared->next].skip)
			shared->next++;
		if (shared->next < shared->n)
			break;
		if (write(from_child[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1)
			_exit(0);
	}
	frame_load(u, &shared->cases[shared->next]);
}

static int map_fixed(void)
{
	const int flags = MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE;
	int fd = memfd_create("oracle-code", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, ORACLE_CODE_BYTES))
		return -errno;
	code_write = mmap(NULL, ORACLE_CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (code_write == MAP_FAILED ||
	    mmap((void *)ORACLE_CODE, ORACLE_CODE_BYTES, PROT_READ | PROT_EXEC, flags, fd, 0) == MAP_FAILED)
		return -errno;
	close(fd);
	memset(code_write, ORACLE_FILL, ORACLE_CODE_BYTES);
	if (mmap((void *)ORACLE_WINDOW, ORACLE_WINDOW_BYTES, PROT_READ | PROT_WRITE,
		 flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

static _Noreturn void child_main(void)
{
	static const int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS, SIGUSR1 };
	static uint8_t stack[256 << 10] __attribute__((aligned(64)));
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };

	struct user_desc code_16 = { .base_addr = (unsigned)ORACLE_CODE, .limit = UINT16_MAX,
				     .contents = MODIFY_LDT_CONTENTS_CODE };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Where this fails, no 16-bit case is run. */
	(void)syscall(SYS_modify_ldt, 0x11, &code_16, sizeof(code_16));
	sigfillset(&action.sa_mask);
	for (size_t k = 0; k < sizeof(signals) / sizeof(signals[0]); k++) {
		sigdelset(&action.sa_mask, signals[k]);
		sigaction(signals[k], &action, NULL);
	}
	/* Compatibility mode needs them; sigreturn leaves them alone. */
	__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(ORACLE_SS));
	if (map_fixed() || sigaltstack(&alt, NULL))
		_exit(1);
	raise(SIGUSR1);
	_exit(1);
}

static int child_start(void)
{
	if (pipe(to_child) || pipe(from_child))
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		close(to_child[1]);
		close(from_child[0]);
		child_main();
	}
	close(to_child[0]);
	close(from_child[1]);
	return 0;
}

static void child_stop(void)
{
	if (child < 0)
		return;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(to_child[1]);
	close(from_child[0]);
	child = -1;
}

int oracle_hw_open(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -errno : 0;
}

void oracle_hw_close(void)
{
	child_stop();
	munmap(shared, sizeof(*shared));
}

struct oracle_case *oracle_hw_cases(void)
{
	return shared->cases;
}

/* True when the child says that it has done all cases. */
static bool child_wait(void)
{
	struct pollfd p = { .fd = from_child[0], .events = POLLIN };
	char byte;

	return poll(&p, 1, WATCHDOG_MS) == 1 && read(from_child[0], &byte, 1) == 1;
}

void oracle_hw_run(unsigned n)
{
	char byte = 0;
	bool done;

	shared->next = 0;
	shared->n = n;
	if (child < 0) {
		if (child_start())
			return;
	} else if (write(to_child[1], &byte, 1) != 1) {
		return;
	}
	done = child_wait();
	while (!done) {
		child_stop();
		shared->cases[shared->next].died = true;
		shared->next++;
		if (child_start())
			return;
		done = child_wait();
	}
}
