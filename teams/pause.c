/* teams/pause.c: the whole team stands still, and goes on.
 *
 * Both are barriers (teams/barrier.h) of two phases. A pause takes the fabric first, so that no frame
 * moves any more, then every machine that runs; a resume takes the machines first. The client is
 * answered when the last of them said that it did. Who does not answer holds up neither: a pause is
 * undone as a whole; a resume goes on without a machine, which stays paused.
 *
 * A question lives a little longer than its phase, so that the barrier's bound, which names all who
 * did not answer, comes before the question's.
 *
 * Used by: serve.c, supervisor.c.   Depends on: calls.c, vm_host.c, team_state.c, barrier.c. */
#include "teams/pause.h"

#include "core/bytes.h"
#include "teams/answer.h"
#include "teams/calls.h"
#include "teams/team_state.h"
#include "teams/vm_host.h"

#include <errno.h>
#include <string.h>

enum { PHASES = 2 };
#define QUESTION_NS (ANSWER_NS + NSEC_PER_SEC)

static bool is_fabric(const struct supervisor *sup, unsigned phase)
{
	return (phase == 0) == sup->op.is_pause;
}

static void arm(struct supervisor *sup)
{
	loop_set_timer(sup->op.timer, barrier_due(&sup->op.barrier));
}

static void on_timer(void *ctx, nsec_t now)
{
	struct supervisor *sup = ctx;

	barrier_tick(&sup->op.barrier, now);
	arm(sup);
}

static void ack(struct supervisor *sup, unsigned phase, size_t id, const char *error)
{
	barrier_ack(&sup->op.barrier, phase, id, error, clock_now());
	arm(sup);
}

/* Every machine in the state from which this goes. */
static void members(void *ctx, unsigned phase)
{
	struct supervisor *sup = ctx;
	enum vm_state from = sup->op.is_pause ? VM_READY : VM_PAUSED;

	if (is_fabric(sup, phase)) {
		barrier_add(&sup->op.barrier, 0);
		return;
	}
	for (size_t i = 0; i < sup->n_vms; i++)
		if (sup->vms[i].vm.state == from)
			barrier_add(&sup->op.barrier, i);
}

/* The question bears the operation's number for a client's id. */
static void fabric_did(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));
	unsigned phase = sup->op.is_pause ? 0 : PHASES - 1;

	if (call->client_id != sup->op.serial)
		return;
	if (json_is_true(json_object_get(msg, "ok")))
		ack(sup, phase, 0, NULL);
	else
		ack(sup, phase, 0, error ? error : "the fabric refused");
}

static void fabric_was_told(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	(void)sup;
	(void)call;
	(void)msg;
}

static void ask(void *ctx, const struct barrier_member *m)
{
	struct supervisor *sup = ctx;
	bool is_pause = sup->op.is_pause;

	if (!is_fabric(sup, m->phase))
		vm_host_pause(&sup->vms[m->id], is_pause, QUESTION_NS);
	else if (sup_ask_fabric_for(sup, json_pack("{s:s}", "do", is_pause ? "pause" : "resume"), QUESTION_NS, NULL,
				    sup->op.serial, fabric_did) < 0)
		ack(sup, m->phase, 0, "the fabric cannot be asked");
}

/* What the fabric says later bears another number than the next operation's. */
static void forget(void *ctx, const struct barrier_member *m)
{
	struct supervisor *sup = ctx;

	if (!is_fabric(sup, m->phase))
		vm_host_pause_forget(&sup->vms[m->id]);
}

/* A team that does not stand still as a whole goes on as a whole. Who pauses late finds this behind it. */
static void undo(void *ctx, const struct barrier_member *m)
{
	struct supervisor *sup = ctx;

	if (is_fabric(sup, m->phase))
		(void)sup_ask_fabric(sup, json_pack("{s:s}", "do", "resume"), NULL, 0, fabric_was_told);
	else if (sup->vms[m->id].pid != 0)
		vm_host_pause(&sup->vms[m->id], false, ANSWER_NS);
}

static char *name(void *ctx, const struct barrier_member *m)
{
	struct supervisor *sup = ctx;

	return is_fabric(sup, m->phase) ? str_printf("the fabric of team %s", sup->team->name) :
					  str_printf("the machine of %s/%s", sup->team->name,
						     sup->vms[m->id].tv->name);
}

static void done(void *ctx, bool is_through, const char *error)
{
	struct supervisor *sup = ctx;
	struct client *client = take_ptr(sup->op.client);

	/* A resume after which the fabric goes on has ended the pause, whoever did not answer. */
	if (is_through)
		sup_set_state(sup, sup->op.is_pause ? SUP_PAUSED : SUP_UP);
	if (client && error)
		client_fail(client, sup->op.id, 1, "%s", error);
	else if (client)
		client_ok(client, sup->op.id, NULL);
}

static const struct barrier_plan pause_plan = { .n_phases = PHASES, .timeout_ns = ANSWER_NS, .members = members,
						.ask = ask, .forget = forget, .undo = undo, .name = name,
						.done = done };
static const struct barrier_plan resume_plan = { .n_phases = PHASES, .goes_on = 1, .timeout_ns = ANSWER_NS,
						 .members = members, .ask = ask, .forget = forget,
						 .name = name, .done = done };

void sup_vm_paused(struct supervisor *sup, struct vm_host *v, const char *error)
{
	ack(sup, sup->op.is_pause ? PHASES - 1 : 0, v->index, error);
}

int sup_pause_open(struct supervisor *sup)
{
	return loop_add_timer(sup->loop, NSEC_NEVER, on_timer, sup, &sup->op.timer);
}

void sup_pause(struct client *client, json_int_t id, bool is_pause)
{
	struct supervisor *sup = client->sup;

	if (barrier_is_active(&sup->op.barrier)) {
		client_fail(client, id, 1, "another pause or resume is under way");
		return;
	}
	if (sup->state != SUP_UP && sup->state != SUP_PAUSED && sup->state != SUP_BROKEN) {
		client_fail(client, id, 1, "team %s is %s", sup->team->name, sup_state_str(sup->state));
		return;
	}
	if ((sup->state == SUP_PAUSED) == is_pause) {
		client_ok(client, id, NULL);
		return;
	}
	sup->op.client = client;
	sup->op.id = id;
	sup->op.is_pause = is_pause;
	sup->op.serial++;
	barrier_begin(&sup->op.barrier, is_pause ? &pause_plan : &resume_plan, sup, clock_now());
	arm(sup);
}

void sup_pause_forget_client(struct supervisor *sup, const struct client *client)
{
	if (sup->op.client == client)
		sup->op.client = NULL;
}

char *sup_pause_waits_for(const struct supervisor *sup, const struct client *client)
{
	if (!barrier_is_active(&sup->op.barrier) || sup->op.client != client)
		return NULL;
	return str_printf("the team to %s", sup->op.is_pause ? "pause" : "go on");
}
