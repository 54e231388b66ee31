/* teams/answer.c: answers to clients, and who waits for one.
 *
 * Used by: serve.c, link.c, pause.c, status.c, team_state.c, vm_host.c.   Depends on: core/verb.h. */
#include "teams/answer.h"

#include "core/bytes.h"
#include "core/verb.h"

#include <stdarg.h>
#include <stdio.h>

void client_ok(struct client *client, json_int_t id, json_t *body)
{
	verb_ok(client->control, id, body);
}

void client_fail(struct client *client, json_int_t id, int status, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	verb_fail(client->control, id, status, text);
}

/* ---- who waits for a VM --------------------------------------------------------- */

void vm_wait_for(struct client *client, json_int_t id, struct vm_host *v, enum vm_state until)
{
	vm_wait_fail(v, "another request came");
	v->wait = (struct vm_wait){ .client = client, .id = id, .until = until };
	if (v->vm.state == until) {
		v->wait.client = NULL;
		client_ok(client, id, NULL);
	}
}

/* From FAILED no other state comes by itself, and from STOPPED unless it starts again at once. */
void vm_wait_changed(struct vm_host *v)
{
	struct client *client = v->wait.client;

	if (!client)
		return;
	if (v->vm.state == v->wait.until) {
		v->wait.client = NULL;
		client_ok(client, v->wait.id, NULL);
	} else if (v->vm.state == VM_FAILED) {
		vm_wait_fail(v, v->vm.why ? v->vm.why : "it failed");
	} else if (v->vm.state == VM_STOPPED && !v->vm.wants_restart) {
		vm_wait_fail(v, "it stopped");
	}
}

void vm_wait_fail(struct vm_host *v, const char *why)
{
	struct client *client = v->wait.client;

	v->wait.client = NULL;
	if (client)
		client_fail(client, v->wait.id, 1, "%s: %s", v->tv->name, why);
}

void vm_wait_forget(struct supervisor *sup, const struct client *client)
{
	for (size_t i = 0; i < sup->n_vms; i++)
		if (sup->vms[i].wait.client == client)
			sup->vms[i].wait.client = NULL;
}

char *vm_wait_str(const struct supervisor *sup, const struct client *client)
{
	for (size_t i = 0; i < sup->n_vms; i++) {
		const struct vm_host *v = &sup->vms[i];
		CLEANUP(free) char *what = NULL;

		if (v->wait.client != client)
			continue;
		if (v->vm.state == VM_BOOTING || v->vm.state == VM_SETUP || v->vm.state == VM_CHECKING)
			what = ready_waits_for(&v->vm.ready);
		return str_printf("%s, which is %s%s%s", v->tv->name, vm_state_str(v->vm.state),
				  what ? ": it waits for " : "", what ? what : "");
	}
	return NULL;
}
