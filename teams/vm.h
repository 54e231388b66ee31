/* teams/vm.h: one VM of a running team: its machine's process, console, agent,
 * and the one state that says what may be done with it. */
#ifndef MUSTER_TEAMS_VM_H
#define MUSTER_TEAMS_VM_H

#include "core/control.h"
#include "core/loop.h"
#include "core/rpc.h"
#include "teams/events.h"
#include "teams/agent.h"
#include "teams/console.h"
#include "teams/exec.h"
#include "teams/ready.h"
#include "teams/vsock.h"
#include "topologies/team.h"

#include <stdbool.h>
#include <sys/types.h>

struct supervisor;

enum vm_state {
	VM_WAITING, /* for the VMs of `after`; no machine */
	VM_DELAYED, /* start-delay; no machine */
	VM_BOOTING, /* machine runs, the agent is called */
	VM_SETUP, /* `run` lines */
	VM_CHECKING, /* the `ready` command */
	VM_READY, /* everything may be asked of it */
	VM_PAUSED, /* was READY; its processors stand still */
	VM_STOPPING, /* asked to end; a bound runs */
	VM_STOPPED, /* ended as it should; may be started */
	VM_FAILED, /* ended or was ended with a reason; may be started */
	VM_STATE_COUNT
};
const char *vm_state_str(enum vm_state state);
/* Is @from → @to in the table of legal transitions? */
bool vm_state_may(enum vm_state from, enum vm_state to);

/* What somebody waits for: an answer goes to @client when @until is reached. */
struct vm_wait {
	struct client *client; /* NULL: nobody */
	json_int_t id;
	enum vm_state until;
};

struct vm {
	struct supervisor *sup; /* the owner */
	const struct team_vm *tv; /* borrowed */
	size_t index;
	enum vm_state state; /* vm_set_state() only */
	nsec_t since_ns; /* when it came into this state */
	nsec_t started_ns; /* when the machine was started */
	nsec_t boot_ns; /* how long it took to get ready the last time; 0: never was */
	pid_t pid; /* 0: no machine */
	bool has_exited; /* the process was reaped; its control's end is awaited */
	int exit_status; /* of waitpid() */
	bool wants_restart; /* after it ended */
	struct vm_pausing {
		struct vm *vm;
	} pausing; /* what questions to pause and to go on have for a context: they are forgotten alone */
	unsigned n_restarts;
	char *end_event, *end_text; /* from {"event":"ended"}; NULL: none came */
	char *why; /* VM_FAILED: the reason; else of the last crash that a restart followed; NULL: none */
	struct events_source events; /* its share of events.jsonl and of the log */
	char engine[16];
	char *engine_why; /* owned; NULL before the machine started */
	struct control *control;
	struct rpc *rpc; /* owned: questions to the machine; NULL without one */
	struct agent *agent;
	struct console console;
	bool run_log_failed; /* its run/VM.log could not be written, which was said */
	struct ready ready;
	struct vsock_host vsock;
	struct exec_job *job; /* of readiness */
	struct loop_source *timer; /* delay, readiness, stop's bound, panic's grace */
	nsec_t stop_until_ns; /* VM_STOPPING: then it is killed */
	bool stop_asked; /* VM_STOPPING: its agent was told */
	struct vm_wait wait;
};

/* @index: into the team's VMs. Opens its console's log. Returns 0 or -errno. */
int vm_init(struct vm *v, struct supervisor *sup, size_t index, char **ret_why);
void vm_done(struct vm *v);

/* Starts the machine. Returns 0 or -errno with a message; the state is
 * VM_BOOTING or as it was. */
int vm_start(struct vm *v, char **ret_why);
/* VM_WAITING: start it after its start-delay. */
void vm_start_delayed(struct vm *v);
/* Ends it at once (@now), or asks the guest, which then has STOP_BOUND: by its agent, and where
 * that does not answer by its power button. A guest that has neither is ended at once. */
void vm_stop(struct vm *v, bool now);
/* An undo: the process is dead and reaped when it returns; nothing is reported. */
void vm_kill(void *v);
/* The process @v->pid was reaped. */
void vm_reaped(struct vm *v, int status);
/* It cannot go on: @why is taken over. The machine is killed. */
void vm_fail(struct vm *v, char *why);
void vm_set_state(struct vm *v, enum vm_state state);
/* Whoever waits for @v is told that it is in vain. */
void vm_wait_fail(struct vm *v, const char *why);
/* Has the processors stand still or go on: the state follows the machine's answer, and
 * sup_vm_paused() is called once, from here when it cannot be asked. @within_ns: how long it has. */
void vm_pause(struct vm *v, bool is_pause, nsec_t within_ns);
/* Nothing follows from what it still answers to vm_pause(). */
void vm_pause_forget(struct vm *v);
/* A word to the machine that needs no answer. */
void vm_tell(struct vm *v, json_t *msg /* taken over */);
/* ---- calls.c ---- */
/* Once v->control is there; and before it goes: calls under way fail. */
void vm_calls_open(struct vm *v);
void vm_calls_close(struct vm *v);
/* Asks the machine; @fn gets @v. @msg is taken over. Returns 0 or -errno. */
int vm_ask(struct vm *v, json_t *msg, rpc_reply_fn *fn);
/* The same with a bound and a context of its own. */
int vm_ask_for(struct vm *v, json_t *msg, nsec_t within_ns, rpc_reply_fn *fn, void *ctx);
bool vm_has_machine(const struct vm *v);

#endif
