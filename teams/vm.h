/* teams/vm.h: the life of one VM: a state machine without clock, socket or process.
 *
 * It is told what happened and when. What is to be done about it are operations of its owner: making a
 * machine, ending it, running a command in the guest, calling back at a time. Who waits for a VM, who
 * forks and who asks the guest are files above it.
 *
 * A machine is over when two things came, in any order: vm_exited() and vm_hung_up(). Only then has its
 * last message been read, vm_said_end() with the reason. */
#ifndef MUSTER_TEAMS_VM_H
#define MUSTER_TEAMS_VM_H

#include "core/clock.h"
#include "teams/ready.h"
#include "topologies/team.h"

#include <stdbool.h>

/* In every state vm_fail() and vm_tick() may be called. What else may be in a state is said here; the legal
 * transitions are a table in vm.c. A VM has a machine from VM_BOOTING on until that is over; VM_FAILED has
 * one until its process is gone, and as long as it lives where failed VMs are kept. */
enum vm_state {
	VM_WAITING, /* for the VMs of `after`; no machine: vm_start(), vm_start_delayed(), vm_stop() */
	VM_DELAYED, /* start-delay; no machine: vm_start(), vm_stop() */
	VM_BOOTING, /* machine runs, the agent is called: vm_agent_answers(), vm_stop() */
	VM_SETUP, /* `run` lines: vm_command_ended(), vm_stop() */
	VM_CHECKING, /* the `ready` command: vm_command_ended(), vm_stop() */
	VM_READY, /* everything may be asked of it: vm_paused(), vm_stop() */
	VM_PAUSED, /* was READY; its processors stand still: vm_resumed(), vm_stop() */
	VM_STOPPING, /* asked to end; a bound runs: vm_button_refused(), vm_set_restart() */
	VM_STOPPED, /* ended as it should; no machine: vm_start() */
	VM_FAILED, /* ended or was ended with a reason: vm_start() without a machine, else vm_stop() */
	VM_STATE_COUNT
};
/* The state as users see it. Not to be freed. */
const char *vm_state_str(enum vm_state state);
/* Is @from → @to in the table of legal transitions? */
bool vm_state_may(enum vm_state from, enum vm_state to);

enum { VM_STOP_BOUND_MS = 3000, VM_STOP_BUTTON_MS = 1000, VM_PANIC_GRACE_MS = 300, VM_RESTARTS_MAX = 10 };

/* What a VM asks of its owner. None may call back into the VM, but for @changed and @gone, which come last. */
struct vm_ops {
	/* Makes the machine. Its end is told by vm_exited() and vm_hung_up().
	 * Returns 0; -errno with a message, taken over: nothing is left of it then. */
	int (*start)(void *ctx, char **ret_why);
	/* The guest's agent is to be called, until vm_agent_answers(). */
	void (*call_agent)(void *ctx);
	/* Ends the machine's process at once. */
	void (*kill)(void *ctx);
	/* The machine is over: all that belonged to it is given back. */
	void (*release)(void *ctx);
	/* Asks the agent, within the time, to power the guest off. Returns whether it was asked. */
	bool (*shut_down)(void *ctx, nsec_t within_ns);
	/* Presses the power button; vm_button_refused() may follow. Returns 0; -errno: it cannot be. */
	int (*press_button)(void *ctx);
	/* Runs a shell line in the guest; vm_command_ended() follows. Returns 0; -errno: it does not. */
	int (*run)(void *ctx, const char *line, nsec_t within_ns);
	/* The end of the line that runs, if any, is not to be told any more. */
	void (*cancel)(void *ctx);
	/* Why the machine's process ended, where the host or the console knows better than its last words.
	 * @status: of waitpid(). NULL: they do not. The VM frees it. */
	char *(*end_cause)(void *ctx, int status);
	/* vm_tick() is wanted at @at, and not before; NSEC_NEVER: not at all. */
	void (*wake)(void *ctx, nsec_t at);
	/* A crash, which a restart follows; @v->why says it and @v->n_restarts counts it. */
	void (*crashed)(void *ctx, nsec_t now);
	/* The state is another. */
	void (*changed)(void *ctx, nsec_t now);
	/* The machine is over, and was released. VM_FAILED: it is not told of again. */
	void (*gone)(void *ctx, const char *why, nsec_t now);
};

/* Owned by whoever embeds it. Read by all; written by vm.c. */
struct vm {
	const struct team_vm *tv; /* borrowed */
	const struct vm_ops *ops;
	void *ctx;
	bool is_kept; /* a VM that failed goes on, to be looked at */
	enum vm_state state;
	nsec_t since_ns; /* when it came into this state */
	nsec_t started_ns; /* when the machine was started; 0: never */
	nsec_t boot_ns; /* how long it took to get ready the first time; 0: never was */
	bool has_machine;
	bool has_exited, has_hung_up; /* one of both: the other is awaited */
	bool has_panicked; /* the machine that runs */
	bool wants_restart; /* after it ended */
	int exit_status; /* of waitpid() */
	unsigned n_restarts; /* after crashes */
	char *end_event, *end_text; /* vm_said_end(); owned; NULL: nothing was said */
	char *why; /* VM_FAILED: the reason; else of the last crash that a restart followed; owned; NULL: none */
	struct ready ready;
	nsec_t stop_until_ns; /* VM_STOPPING: then it is killed */
	bool stop_asked; /* VM_STOPPING: its agent was told */
};

/* @tv, @ops and @ctx outlive it. @is_kept: a machine is not killed when its VM fails. */
void vm_init(struct vm *v, const struct team_vm *tv, const struct vm_ops *ops, void *ctx, bool is_kept, nsec_t now);
/* Frees what it owns; the VM itself is its owner's. */
void vm_done(struct vm *v);

/* ---- what is wanted of it ---- */
/* Starts the machine. Returns 0, and the state is VM_BOOTING; -EBUSY in a state in which it may not be
 * started; what start() returns. On failure the state is as it was; @ret_why is a message, the caller's. */
int vm_start(struct vm *v, nsec_t now, char **ret_why);
/* VM_WAITING: starts it after its start-delay; a failure is its VM_FAILED. Else nothing is done. */
void vm_start_delayed(struct vm *v, nsec_t now);
/* Ends it: @at_once, or asks the guest, which then has VM_STOP_BOUND_MS: by its agent, and where that does
 * not answer by its power button. A guest that has neither is ended at once, and so is one that is paused
 * or has panicked. Without a machine it is VM_STOPPED. One that is VM_STOPPING is asked anew. */
void vm_stop(struct vm *v, bool at_once, nsec_t now);
/* Whether it starts again once it has stopped; vm_start(), vm_fail() and an end take it back. */
void vm_set_restart(struct vm *v, bool wants);
/* It cannot go on: @why, for people, is taken over. The machine is killed, unless it is kept. */
void vm_fail(struct vm *v, char *why, nsec_t now);

/* ---- what happened ---- */
/* The machine's process is gone. @status: of waitpid(). Without a machine nothing is done. */
void vm_exited(struct vm *v, int status, nsec_t now);
/* Its control socket ended. @why: it was cut off, for people; NULL: by itself. */
void vm_hung_up(struct vm *v, const char *why, nsec_t now);
/* The machine's last words. @event: poweroff, reset, triple-fault, error. @text: NULL or more of it. Both
 * are copied, as far as they are short. */
void vm_said_end(struct vm *v, const char *event, const char *text);
/* The machine was undone by its owner, process and all: nothing follows from it. */
void vm_undone(struct vm *v);
/* The guest's agent has answered for the first time since the machine started. */
void vm_agent_answers(struct vm *v, nsec_t now);
/* The line that run() was given has ended. @result: borrowed. */
void vm_command_ended(struct vm *v, const struct exec_result *result, nsec_t now);
/* The console said @len bytes more, from the guest: `ready: console:` may wait for them. */
void vm_console_said(struct vm *v, const char *data, size_t len, nsec_t now);
/* The kernel's last words came on the console: the machine has VM_PANIC_GRACE_MS to say the rest. */
void vm_panicked(struct vm *v, nsec_t now);
/* The guest has no driver for the power button: it is ended, unless its agent was asked. */
void vm_button_refused(struct vm *v);
/* Its processors stand still; go on. Nothing in another state than VM_READY; VM_PAUSED. */
void vm_paused(struct vm *v, nsec_t now);
/* Its processors go on. */
void vm_resumed(struct vm *v, nsec_t now);
/* The time that wake() named has come. */
void vm_tick(struct vm *v, nsec_t now);

#endif
