/* teams/pause.c: the whole team stands still, and goes on.
 *
 * The fabric first (no frame moves any more), then every machine that runs;
 * resuming is the other way round: machines, then the fabric. The client is
 * answered when the last of them said that it did. A machine that does not answer
 * holds up neither: a pause is undone, a resume goes on without it, and it stays paused.
 *
 * Used by: serve.c, vm.c. */
#include "core/bytes.h"
#include "teams/supervisor_private.h"

#include <errno.h>
#include <string.h>

static void finish(struct supervisor *sup, const char *error, bool fabric_goes_on)
{
	struct sup_op op = sup->op;
	CLEANUP(free) char *why = op.error;

	sup->op = (struct sup_op){ 0 };
	/* A resume after which the fabric goes on has ended the pause, whoever did not answer. */
	if (!error || (!op.is_pause && fabric_goes_on))
		sup_set_state(sup, op.is_pause ? SUP_PAUSED : SUP_UP);
	if (op.client && error)
		client_fail(op.client, op.id, 1, "%s", error);
	else if (op.client)
		client_ok(op.client, op.id, NULL);
}

static void fabric_did(struct supervisor *sup, struct fabric_call *call, json_t *msg);
static void machines_done(struct supervisor *sup);

/* Every machine in the state from which this goes is told. */
static void tell_machines(struct supervisor *sup)
{
	bool is_pause = sup->op.is_pause;
	enum vm_state from = is_pause ? VM_READY : VM_PAUSED;

	sup->op.n_left = 0;
	for (size_t i = 0; i < sup->n_vms; i++) {
		if (sup->vms[i].state != from)
			continue;
		sup->op.n_left++;
		sup->vms[i].owes_pause = true;
	}
	if (sup->op.n_left == 0) {
		machines_done(sup);
		return;
	}
	/* Who cannot be asked answers from within, the last one ends the operation. */
	for (size_t i = 0; i < sup->n_vms; i++)
		if (sup->vms[i].owes_pause)
			vm_pause(&sup->vms[i], is_pause);
}

static void fabric_was_told(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	(void)sup;
	(void)call;
	(void)msg;
}

/* A team that does not stand still as a whole goes on as a whole. */
static void go_on(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->n_vms; i++)
		if (sup->vms[i].state == VM_PAUSED)
			vm_pause(&sup->vms[i], false);
	(void)sup_ask_fabric(sup, json_pack("{s:s}", "do", "resume"), NULL, 0, fabric_was_told);
}

static void machines_done(struct supervisor *sup)
{
	if (sup->op.error && sup->op.is_pause) {
		go_on(sup);
		finish(sup, sup->op.error, false);
	} else if (sup->op.is_pause)
		finish(sup, NULL, false);
	else if (sup_ask_fabric(sup, json_pack("{s:s}", "do", "resume"), NULL, 0, fabric_did) < 0)
		finish(sup, "the fabric cannot be asked", false);
}

static void fabric_did(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));

	(void)call;
	if (!sup->op.is_active)
		return;
	if (!json_is_true(json_object_get(msg, "ok"))) {
		/* A pause that comes late finds this behind it. */
		if (sup->op.is_pause)
			(void)sup_ask_fabric(sup, json_pack("{s:s}", "do", "resume"), NULL, 0, fabric_was_told);
		finish(sup, error ? error : "the fabric refused", false);
		return;
	}
	if (!sup->op.is_pause) {
		finish(sup, sup->op.error, true);
		return;
	}
	tell_machines(sup);
}

void sup_vm_paused(struct supervisor *sup, struct vm *v, const char *error)
{
	struct sup_op *op = &sup->op;

	if (!v->owes_pause)
		return;
	v->owes_pause = false;
	if (!op->is_active || op->n_left == 0)
		return;
	if (error && !op->error)
		op->error = str_dup(error);
	if (--op->n_left == 0)
		machines_done(sup);
}

void sup_pause(struct client *client, json_int_t id, bool is_pause)
{
	struct supervisor *sup = client->sup;

	if (sup->op.is_active) {
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
	sup->op = (struct sup_op){ .client = client, .id = id, .is_active = true,
				   .is_pause = is_pause };
	if (is_pause) {
		if (sup_ask_fabric(sup, json_pack("{s:s}", "do", "pause"), NULL, 0, fabric_did) < 0)
			finish(sup, "the fabric cannot be asked", false);
		return;
	}
	tell_machines(sup);
}

void sup_forget_client(struct supervisor *sup, const struct client *client)
{
	if (sup->op.client == client)
		sup->op.client = NULL;
	for (struct fabric_call *c = sup->fabric_calls; c; c = c->next)
		if (c->client == client)
			c->client = NULL;
	for (size_t i = 0; i < sup->n_vms; i++)
		if (sup->vms[i].wait.client == client)
			sup->vms[i].wait.client = NULL;
}

char *sup_waits_for(struct supervisor *sup, const struct client *client)
{
	if (sup->op.is_active && sup->op.client == client)
		return str_printf("the team to %s", sup->op.is_pause ? "pause" : "go on");
	for (size_t i = 0; i < sup->n_vms; i++) {
		const struct vm *v = &sup->vms[i];
		CLEANUP(free) char *what = NULL;

		if (v->wait.client != client)
			continue;
		if (v->state == VM_BOOTING || v->state == VM_SETUP || v->state == VM_CHECKING)
			what = ready_waits_for(&v->ready);
		return str_printf("%s, which is %s%s%s", v->tv->name, vm_state_str(v->state),
				  what ? ": it waits for " : "", what ? what : "");
	}
	return NULL;
}
