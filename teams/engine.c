/* teams/engine.c: auto is KVM where supervisor code truly runs at speed, else soft.
 *
 * Opening /dev/kvm says little: some hosts open it and emulate (probe_kvm.c), others have
 * a KVM too old or a processor too small for the model (kvm_usable()). A VM that asks for
 * kvm by name gets it or the reason, never the other engine in silence.
 *
 * Used by: supervisor.c, spawn.c, doctor.c. */
#include "teams/engine.h"

#include "core/bytes.h"
#include "teams/probe_kvm.h"
#include "vmm/cpu/kvm/kvm.h"

#include <errno.h>
#include <string.h>

void engine_probe(struct engine_host *ret)
{
	struct probe_kvm_result k;

	*ret = (struct engine_host){ 0 };
	probe_kvm(&k);
	switch (k.verdict) {
	case KVM_FAST:
		ret->has_kvm = kvm_usable(&ret->why) == 0;
		if (ret->has_kvm)
			ret->why = str_printf("usable and fast: %.0f million instructions/s at CPL 0", k.mips);
		break;
	case KVM_SLOW:
		ret->why = str_printf("/dev/kvm emulates supervisor code: %.1f million instructions/s at CPL 0",
				      k.mips);
		break;
	case KVM_DENIED:
	case KVM_ABSENT:
		ret->why = str_printf("/dev/kvm: %s", strerror(k.error));
		break;
	case KVM_BROKEN:
		ret->why = str_printf("/dev/kvm does not run a guest: %s", strerror(k.error));
	}
}

void engine_done(struct engine_host *h)
{
	free(h->why);
	*h = (struct engine_host){ 0 };
}

int engine_find(const struct team *team, struct engine_host *ret, char **ret_why)
{
	const struct team_vm *needs = NULL;
	bool asks = false;

	*ret = (struct engine_host){ 0 };
	for (size_t i = 0; i < team->n_vms; i++) {
		asks |= team->vms[i].engine != ENGINE_SOFT;
		if (team->vms[i].engine == ENGINE_KVM && !needs)
			needs = &team->vms[i];
	}
	if (!asks)
		return 0;
	engine_probe(ret);
	if (!needs || ret->has_kvm)
		return 0;
	*ret_why = str_printf("%s: engine 'kvm' cannot be had: %s (engine: auto takes the soft engine then)",
			      needs->name, ret->why);
	engine_done(ret);
	return -ENOTSUP;
}

bool engine_is_kvm(const struct team_vm *vm, const struct engine_host *h, const char **ret_why)
{
	*ret_why = vm->engine != ENGINE_AUTO || !h->why ? "the team file asks for it" : h->why;
	return vm->engine == ENGINE_KVM || (vm->engine == ENGINE_AUTO && h->has_kvm);
}
