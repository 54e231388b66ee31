/* teams/bringup.c: the order in which VMs start, and what a VM's state means for its team.
 *
 * A VM starts when every VM of its `after` has been ready; those that wait for nobody start together, but
 * no more boot at a time than BOOTS_A_PROCESSOR allows: a hundred guests that boot at once leave the
 * supervisor itself no processor, and each of them runs out of its `ready` time. A VM boots until its
 * agent answers, which depends on no other VM, so nobody waits in a circle.
 *
 * Used by: supervisor.c.   Depends on: vm.c, team_state.c. */
#include "teams/bringup.h"

#include "core/bytes.h"
#include "core/log.h"
#include "teams/team_state.h"

#include <stdlib.h>

enum { BOOTS_A_PROCESSOR = 2, BOOTS_LEAST = 4 };

size_t bringup_boots_max(unsigned n_processors)
{
	size_t boots = (size_t)n_processors * BOOTS_A_PROCESSOR;

	return boots > BOOTS_LEAST ? boots : BOOTS_LEAST;
}

static bool may_start(const struct supervisor *sup, const struct vm_host *v)
{
	for (size_t i = 0; i < v->tv->n_after; i++)
		if (sup->vms[v->tv->after[i]].vm.boot_ns == 0)
			return false;
	return true;
}

/* How many VMs boot: their processors are busy and nobody talks to them yet. */
static size_t n_booting(const struct supervisor *sup)
{
	size_t n = 0;

	for (size_t i = 0; i < sup->n_vms; i++)
		n += sup->vms[i].vm.state == VM_BOOTING;
	return n;
}

static void look_again(struct supervisor *sup)
{
	loop_set_timer(sup->start_timer, clock_now() + 1);
}

/* One at a turn of the loop, so that `status` and `down` are served meanwhile. */
static void start_what_may(struct supervisor *sup, nsec_t now)
{
	if (n_booting(sup) >= sup->boots_max)
		return;
	for (size_t i = 0; i < sup->n_vms && sup->state == SUP_STARTING; i++) {
		struct vm_host *v = &sup->vms[sup->team->order ? sup->team->order[i] : i];

		if (v->vm.state != VM_WAITING || !may_start(sup, v))
			continue;
		look_again(sup);
		vm_start_delayed(&v->vm, now);
		return;
	}
}

static void on_start_timer(void *ctx, nsec_t now)
{
	start_what_may(ctx, now);
}

int bringup_open(struct supervisor *sup)
{
	return loop_add_timer(sup->loop, NSEC_NEVER, on_start_timer, sup, &sup->start_timer);
}

void bringup_start(struct supervisor *sup)
{
	start_what_may(sup, clock_now());
	if (sup->n_vms == 0)
		sup_set_state(sup, SUP_UP);
}

static bool all_were_ready(const struct supervisor *sup)
{
	for (size_t i = 0; i < sup->n_vms; i++)
		if (sup->vms[i].vm.boot_ns == 0)
			return false;
	return true;
}

/* A VM failed. Before the team was up that ends the team; later it depends
 * on `on-crash`, and a `start` somebody waits for only fails that. */
static void vm_failed(struct supervisor *sup, struct vm_host *v)
{
	char *why = str_printf("%s: %s", v->tv->name, v->vm.why ? v->vm.why : "it failed");
	bool is_first = sup->state == SUP_STARTING;

	log_warn("%s", why);
	if (sup->keep || (!is_first && v->tv->on_crash == ON_CRASH_IGNORE)) {
		if (v->tv->on_crash != ON_CRASH_IGNORE)
			sup_set_state(sup, SUP_BROKEN);
		free(why);
	} else {
		sup_end(sup, why);
	}
}

void bringup_vm_changed(struct supervisor *sup, struct vm_host *v)
{
	enum vm_state state = v->vm.state;

	if (sup->state == SUP_ENDING)
		return;
	if (state == VM_FAILED && v->vm.has_machine && !sup->keep)
		return; /* comes again when the process is gone */
	if (state == VM_FAILED) {
		vm_failed(sup, v);
	} else if (sup->state == SUP_STARTING) {
		if (state != VM_BOOTING)
			look_again(sup);
		if (state == VM_READY && all_were_ready(sup))
			sup_set_state(sup, SUP_UP);
	}
}
