/* teams/supervisor_state.h: what the supervisor's own files share: the team at run time, its VMs and its
 * clients, as structs alone. What is done with them is in files above, each of which includes those below it:
 *
 *	supervisor.c          the process: what is made, and undone
 *	serve.c  bringup.c    requests; the order of VMs
 *	pause.c link.c status.c
 *	vm_host.c             a VM's machine, console and agent
 *	uplink.c              the uplink's process and its forwards
 *	lease_process.c       the process that keeps leases
 *	lease_files.c         their files
 *	side_process.c        a process whose end is not the team's
 *	spawn.c               processes
 *	team_state.c          the team's state, and its end
 *	answer.c calls.c      answers to clients; questions to fabric and machines
 *
 * What a file has to tell one above it goes through struct sup_hooks. */
#ifndef MUSTER_TEAMS_SUPERVISOR_STATE_H
#define MUSTER_TEAMS_SUPERVISOR_STATE_H

#include "core/control.h"
#include "core/loop.h"
#include "core/ring.h"
#include "core/rpc.h"
#include "fabric/link_state.h"
#include "teams/agent.h"
#include "teams/barrier.h"
#include "teams/cgroup.h"
#include "teams/console.h"
#include "teams/engine.h"
#include "teams/events.h"
#include "teams/exec.h"
#include "teams/fabric_plan.h"
#include "teams/link_shapes.h"
#include "teams/stations.h"
#include "teams/store.h"
#include "teams/undo.h"
#include "teams/vm.h"
#include "teams/vsock.h"

#include <stdbool.h>
#include <sys/types.h>

/* What may follow what is a table in team_state.c. */
enum sup_state {
	SUP_STARTING, /* VMs come up in their order; a failure ends the team */
	SUP_UP, /* all were ready once; the team may be paused */
	SUP_BROKEN, /* kept although something failed: VMs that wait are started by `start` alone */
	SUP_PAUSED, /* was UP or BROKEN; fabric and machines stand still; the team may go on */
	SUP_ENDING, /* the undo stack is unwound at the loop's next turn; nothing but the end is asked of it */
	SUP_STATE_COUNT
};

struct sup_leases;
struct sup_uplink;

enum { CLIENTS_MAX = 1024 /* a command on each VM of a large team, at once */ };

struct agent_req;

/* One connection of the command line. */
struct client {
	struct supervisor *sup;
	struct control *control;
	bool is_first; /* the `up` that started us */
	bool wants_end; /* asked for `down`: answered when all is undone */
	json_int_t end_id;
	struct exec_req *execs; /* commands it runs */
};

/* A question on its way to the fabric. */
struct fabric_call {
	struct fabric_call *next;
	struct supervisor *sup;
	struct client *client; /* NULL: nobody waits any more */
	json_int_t client_id;
	void (*fn)(struct supervisor *sup, struct fabric_call *call, json_t *msg);
};

/* How long fabric and machines have for an answer; said in muster(1). */
#define ANSWER_NS (5 * NSEC_PER_SEC)

/* The one team-wide pause or resume under way. */
struct sup_op {
	struct client *client;
	json_int_t id;
	bool is_pause;
	json_int_t serial; /* of this one; what the fabric answers to another is not for it */
	struct barrier barrier; /* active: the operation is under way */
	struct loop_source *timer; /* barrier_due() */
};

/* What somebody waits for: an answer goes to @client when @until is reached. */
struct vm_wait {
	struct client *client; /* NULL: nobody */
	json_int_t id;
	enum vm_state until;
};

/* The host's side of one VM: its machine's process, console and agent. Owned by the supervisor. */
struct vm_host {
	struct supervisor *sup;
	const struct team_vm *tv; /* borrowed */
	size_t index; /* into the team's VMs */
	struct vm vm; /* its state */
	pid_t pid; /* of the machine; 0: there is none */
	struct vm_pausing {
		struct vm_host *host;
	} pausing; /* what questions to pause and to go on have for a context: they are forgotten alone */
	struct events_source events; /* its share of events.jsonl and of the log */
	char engine[16];
	char *engine_why; /* owned; NULL before the machine started */
	struct control *control;
	struct rpc *rpc; /* owned: questions to the machine; NULL without one */
	struct agent *agent;
	struct console console;
	bool run_log_failed; /* its run/VM.log could not be written, which was said */
	struct vsock_host vsock;
	struct exec_job *job; /* of readiness */
	struct loop_source *timer; /* vm_tick() */
	struct vm_wait wait;
};

/* What files tell those above them; supervisor.c sets it. */
struct sup_hooks {
	/* What @v's new state means for the others; also when the machine of a failed VM is gone. */
	void (*vm_changed)(struct supervisor *sup, struct vm_host *v);
	/* @v's machine is over and its agent about to go. */
	void (*vm_released)(struct supervisor *sup, const struct vm_host *v);
	/* @v did what vm_host_pause() told it, or its machine ended; @error: or did not, and why. */
	void (*vm_paused)(struct supervisor *sup, struct vm_host *v, const char *error);
};

struct supervisor {
	const struct sup_hooks *hooks;
	const struct store *store;
	const struct team *team;
	bool foreground; /* the team ends with the first client's connection */
	bool keep; /* what is there stays when something fails */
	struct engine_host engine; /* what `engine: auto` means here */
	enum sup_state state; /* sup_set_state() only */
	nsec_t started_ns;
	struct loop *loop;
	struct undo undo;
	struct events events;
	int lock_fd, log_fd;
	struct cgroup cgroup; /* its machines and its fabric are in it */
	char *run_dir;
	/* janitor */
	pid_t janitor_pid;
	int janitor_fd; /* write end of its pipe */
	/* fabric */
	pid_t fabric_pid;
	struct control *fabric;
	struct rpc *fabric_rpc; /* owned; NULL before the fabric and after it */
	struct fabric_call *fabric_calls;
	struct sup_leases *leases; /* owned (lease_files.c); NULL: no network has DHCP */
	struct events_source lease_events; /* what leases may have of events.jsonl */
	json_t *leased; /* owned: of a VM's NIC, by its MAC, the addresses that DHCP gave it; NULL before the first */
	struct fabric_plan *plan; /* what the fabric is made from */
	struct link_states *links; /* what is up; outlives the machines */
	struct link_shapes *shapes; /* what the links are like now */
	struct loop_source *flap_timer; /* the next flap's end */
	struct station *stations; /* in the order of their ports, behind the NICs' */
	size_t n_stations;
	struct sup_uplink *uplink; /* owned (uplink.h); NULL: no network has one */
	struct ring_pair_fds *uplink_rings; /* one a network that the uplink serves */
	size_t n_uplink_rings;
	struct ring_pair_fds *rings; /* one a NIC of the team */
	size_t n_rings;
	size_t *first_ring; /* VM index to its first ring */
	/* machines */
	struct vm_host *vms;
	size_t n_vms;
	size_t boots_max; /* VMs that boot at a time */
	/* clients */
	int listen_fd;
	struct loop_source *listen_source;
	struct client *clients[CLIENTS_MAX];
	size_t n_clients;
	struct agent_req *agent_reqs; /* what clients asked of agents, serve.c's; owned */
	uint64_t n_refused; /* requests that were wrong, or came at a wrong time */
	struct sup_op op;
	struct loop_source *end_timer, *start_timer;
	char *end_why; /* NULL: as asked */
	int end_status; /* of the `up` that waits: 1, or 4 where the host lacks something */
};

#endif
