/* teams/supervisor_private.h: what the supervisor's own files share: the team
 * at run time, its clients, and the calls between lifecycle and requests. */
#ifndef MUSTER_TEAMS_SUPERVISOR_PRIVATE_H
#define MUSTER_TEAMS_SUPERVISOR_PRIVATE_H

#include "core/control.h"
#include "core/loop.h"
#include "core/ring.h"
#include "core/verb.h"
#include "fabric/link_state.h"
#include "teams/barrier.h"
#include "teams/cgroup.h"
#include "teams/engine.h"
#include "teams/events.h"
#include "teams/fabric_plan.h"
#include "teams/link_shapes.h"
#include "teams/supervisor.h"
#include "teams/undo.h"
#include "teams/vm.h"

enum sup_state {
	SUP_STARTING, /* VMs come up; a failure ends the team */
	SUP_UP, /* all were ready once */
	SUP_BROKEN, /* kept although something failed */
	SUP_PAUSED, /* was UP; fabric and machines stand still */
	SUP_ENDING, /* the undo stack is unwound at the loop's next turn */
	SUP_STATE_COUNT
};
const char *sup_state_str(enum sup_state state);

enum { CLIENTS_MAX = 1024 /* a command on each VM of a large team, at once */ };

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

struct supervisor {
	const struct store *store;
	const struct team *team;
	struct supervisor_options opt;
	struct engine_host engine; /* what `engine: auto` means here */
	enum sup_state state;
	nsec_t started_ns;
	nsec_t up_ns; /* how long bringing up took */
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
	struct fabric_plan *plan; /* what the fabric is made from */
	struct link_states *links; /* what is up; outlives the machines */
	struct link_shapes *shapes; /* what the links are like now */
	struct loop_source *flap_timer; /* the next flap's end */
	struct ring_pair_fds *rings; /* one a NIC of the team */
	size_t n_rings;
	size_t *first_ring; /* VM index to its first ring */
	/* machines */
	struct vm *vms;
	size_t n_vms;
	size_t boots_max; /* VMs that boot at a time */
	/* clients */
	int listen_fd;
	struct loop_source *listen_source;
	struct client *clients[CLIENTS_MAX];
	size_t n_clients;
	uint64_t n_refused; /* requests that were wrong, or came at a wrong time */
	struct sup_op op;
	struct loop_source *end_timer, *start_timer;
	char *end_why; /* NULL: as asked */
	int end_status; /* of the `up` that waits: 1, or 4 where the host lacks something */
};

/* ---- lifecycle: supervisor.c ---- */
/* The team ends: at the loop's next turn all is undone. @why: taken over;
 * NULL for an ordinary down. A second call changes nothing. */
void sup_end(struct supervisor *sup, char *why);
/* What @v's new state means for the others. */
void sup_vm_changed(struct supervisor *sup, struct vm *v);
void sup_set_state(struct supervisor *sup, enum sup_state state);

/* ---- processes: spawn.c ---- */
int sup_spawn_janitor(struct supervisor *sup, char **ret_why);
void sup_release_janitor(void *sup);
int sup_spawn_fabric(struct supervisor *sup, char **ret_why);
void sup_kill_fabric(void *sup);
int sup_make_rings(struct supervisor *sup, char **ret_why);
/* Forks @v's machine; fills pid and the three sockets. */
struct vm_sockets {
	int control, serial, agent; /* the supervisor's ends */
};
int sup_spawn_machine(struct supervisor *sup, struct vm *v, struct vm_sockets *ret, char **ret_why);

/* ---- questions to fabric and machines: calls.c ---- */
/* Once sup->fabric is there. */
void sup_fabric_bind(struct supervisor *sup);
void sup_on_fabric(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status);
/* @msg without "id", taken over. @client may be NULL. Returns 0 or -errno. */
int sup_ask_fabric(struct supervisor *sup, json_t *msg, struct client *client, json_int_t client_id,
		   void (*fn)(struct supervisor *, struct fabric_call *, json_t *));
/* The same with a time-out of its own. */
int sup_ask_fabric_for(struct supervisor *sup, json_t *msg, nsec_t within_ns, struct client *client,
		       json_int_t client_id,
		       void (*fn)(struct supervisor *, struct fabric_call *, json_t *));
/* Before the first machine: all links are as the team file has them. */
int sup_make_links(struct supervisor *sup, char **ret_why);
/* ---- link.c ---- */
/* `muster link`: answers @client. */
void sup_link(struct client *client, json_int_t id, json_t *msg);

/* ---- requests: serve.c ---- */
extern const struct verb_table serve_verbs;
int sup_listen(struct supervisor *sup, char **ret_why);
void sup_unlisten(void *sup);
int sup_add_client(struct supervisor *sup, int fd, bool is_first, struct client **ret_client);
void sup_drop_clients(struct supervisor *sup);
/* @v's machine is over and its agent about to go: who runs a command in it is told. */
void sup_vm_released(struct supervisor *sup, const struct vm *v);
/* Answers; @body is taken over and may be NULL. */
void client_ok(struct client *client, json_int_t id, json_t *body);
/* @status: the exit status of the command. */
void client_fail(struct client *client, json_int_t id, int status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- pause and resume of the whole team: pause.c ---- */
/* Before the first pause. Returns 0 or -errno. */
int sup_pause_open(struct supervisor *sup);
void sup_pause(struct client *client, json_int_t id, bool is_pause);
/* @v did what it was told, or died; @error: or did not, and why. */
void sup_vm_paused(struct supervisor *sup, struct vm *v, const char *error);
/* What @client waits for, for people; NULL: nothing. The caller frees it. */
char *sup_waits_for(struct supervisor *sup, const struct client *client);
void sup_forget_client(struct supervisor *sup, const struct client *client);

/* ---- status.c ---- */
/* @with_memory: of each VM, which the kernel counts page by page: a millisecond for a small one. */
json_t *sup_status(struct supervisor *sup, bool with_memory);
/* Answers @client with all of that and each NIC's counters, or why there are none. */
void sup_status_counted(struct client *client, json_int_t id);

#endif
