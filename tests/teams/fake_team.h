/* tests/teams/fake_team.h: a team of three VMs without a process: what they ask of their machines is kept, and the test
 * plays the machines. */
#ifndef MUSTER_TESTS_TEAMS_FAKE_TEAM_H
#define MUSTER_TESTS_TEAMS_FAKE_TEAM_H

#include "teams/answer.h"
#include "teams/supervisor_state.h"
#include "tests/unit.h"

#include "core/bytes.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

enum { FAKE_VMS = 3 };

static char fake_names[FAKE_VMS][2] = { "a", "b", "c" };
static struct team_vm fake_tvs[FAKE_VMS];
static struct team fake_team;
static struct vm_host fake_vms[FAKE_VMS];
static struct supervisor fake;
static struct sup_hooks fake_hooks; /* the test's */
static const char *fake_start_why; /* no machine can be made, and why */
static unsigned fake_starts, fake_kills, fake_ends; /* machines made, killed; the team's end */
static int fake_log;

static int fake_start(void *ctx, char **ret_why)
{
	(void)ctx;
	fake_starts++;
	if (!fake_start_why)
		return 0;
	*ret_why = str_dup(fake_start_why);
	return -EAGAIN;
}

static void fake_kill(void *ctx)
{
	(void)ctx;
	fake_kills++;
}

static void fake_nothing(void *ctx)
{
	(void)ctx;
}

static void fake_release(void *ctx)
{
	struct vm_host *v = ctx;

	fake.hooks->vm_released(&fake, v);
	v->agent = agent_free(v->agent);
}

static bool fake_shut_down(void *ctx, nsec_t within_ns)
{
	(void)ctx;
	(void)within_ns;
	return true;
}

static int fake_press(void *ctx)
{
	(void)ctx;
	return 0;
}

static int fake_run(void *ctx, const char *line, nsec_t within_ns)
{
	(void)ctx;
	(void)line;
	(void)within_ns;
	return 0;
}

static char *fake_cause(void *ctx, int status)
{
	(void)ctx;
	(void)status;
	return NULL;
}

static void fake_wake(void *ctx, nsec_t at)
{
	(void)ctx;
	(void)at;
}

static void fake_now(void *ctx, nsec_t now)
{
	(void)ctx;
	(void)now;
}

static void fake_changed(void *ctx, nsec_t now)
{
	struct vm_host *v = ctx;

	(void)now;
	vm_wait_changed(v);
	fake.hooks->vm_changed(&fake, v);
}

static void fake_gone(void *ctx, const char *why, nsec_t now)
{
	struct vm_host *v = ctx;

	(void)why;
	(void)now;
	if (v->vm.state == VM_FAILED)
		fake.hooks->vm_changed(&fake, v);
}

static void no_change(struct supervisor *sup, struct vm_host *v)
{
	(void)sup;
	(void)v;
}

static void no_release(struct supervisor *sup, const struct vm_host *v)
{
	(void)sup;
	(void)v;
}

static void no_pause(struct supervisor *sup, struct vm_host *v, const char *error)
{
	(void)sup;
	(void)v;
	(void)error;
}

static const struct vm_ops fake_ops = {
	.start = fake_start,
	.call_agent = fake_nothing,
	.kill = fake_kill,
	.release = fake_release,
	.shut_down = fake_shut_down,
	.press_button = fake_press,
	.run = fake_run,
	.cancel = fake_nothing,
	.end_cause = fake_cause,
	.wake = fake_wake,
	.crashed = fake_now,
	.changed = fake_changed,
	.gone = fake_gone,
};

static void fake_on_end(void *ctx, nsec_t now)
{
	(void)ctx;
	(void)now;
	fake_ends++;
}

/* VMs a, b and c, which wait. The team comes up. */
static void fake_setup(void)
{
	fake_starts = fake_kills = fake_ends = 0;
	fake_start_why = NULL;
	fake_log = open("/dev/null", O_WRONLY | O_CLOEXEC); /* what is refused is logged */
	log_init(fake_log, "fake", LOG_INFO);
	for (size_t i = 0; i < FAKE_VMS; i++)
		fake_tvs[i] = (struct team_vm){ .name = fake_names[i], .ready_timeout_ns = NSEC_PER_SEC };
	fake_team = (struct team){ .name = "lab", .vms = fake_tvs, .n_vms = FAKE_VMS };
	fake_hooks = (struct sup_hooks){ .vm_changed = no_change, .vm_released = no_release, .vm_paused = no_pause };
	fake = (struct supervisor){ .hooks = &fake_hooks,
				    .team = &fake_team,
				    .vms = fake_vms,
				    .n_vms = FAKE_VMS,
				    .boots_max = 100,
				    .listen_fd = -1,
				    .events.fd = -1 };
	ck_assert_int_eq(loop_new(&fake.loop), 0);
	ck_assert_int_eq(loop_add_timer(fake.loop, NSEC_NEVER, fake_on_end, NULL, &fake.end_timer), 0);
	for (size_t i = 0; i < FAKE_VMS; i++) {
		fake_vms[i] = (struct vm_host){ .sup = &fake,
						.tv = &fake_tvs[i],
						.index = i,
						.pausing = { &fake_vms[i] },
						.console = { .fd = -1, .log_fd = -1 },
						.vsock = { .fd = -1 } };
		vm_init(&fake_vms[i].vm, &fake_tvs[i], &fake_ops, &fake_vms[i], false, 1);
	}
}

static void fake_teardown(void)
{
	for (size_t i = 0; i < FAKE_VMS; i++) {
		fake_vms[i].agent = agent_free(fake_vms[i].agent);
		vm_done(&fake_vms[i].vm);
	}
	free(fake.end_why);
	fake.loop = loop_free(fake.loop);
	log_init(-1, "fake", LOG_INFO);
	cleanup_fd(&fake_log);
}

static void fake_turn(void)
{
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_ge(loop_step(fake.loop, 0), 0);
}

/* The agent answers, and so do the set-up and the lines: the VM is ready. */
static void fake_ready(struct vm *v)
{
	static const struct exec_result good;
	nsec_t now = v->started_ns + 1;

	vm_agent_answers(v, now);
	while (v->state == VM_SETUP || v->state == VM_CHECKING)
		vm_command_ended(v, &good, now);
	ck_assert_int_eq(v->state, VM_READY);
}

static void fake_machine_ends(struct vm *v)
{
	vm_hung_up(v, NULL, v->started_ns + 2);
	vm_exited(v, SIGKILL, v->started_ns + 2);
}

/* @v, which waits, comes into @state. */
static __attribute__((unused)) void fake_bring(struct vm *v, enum vm_state state)
{
	char *why = NULL;

	if (state == VM_WAITING)
		return;
	ck_assert_int_eq(vm_start(v, 10, &why), 0);
	if (state == VM_STOPPED || state == VM_STOPPING)
		vm_stop(v, true, 11);
	if (state == VM_STOPPED)
		fake_machine_ends(v);
	if (state == VM_FAILED)
		vm_fail(v, str_dup("it broke"), 11);
	if (state == VM_READY || state == VM_PAUSED)
		fake_ready(v);
	if (state == VM_PAUSED)
		vm_paused(v, 12);
	ck_assert_int_eq(v->state, state);
}

#endif
