/* vmm/cpu/kvm/kvm_state.c: the architectural state in and out of KVM.
 *
 * The order matters when setting: what decides which registers exist first
 * (special registers), then MSRs, last the events. The LAPIC is not part of it;
 * APIC-base and CR8 are, and are told to KVM with the special registers.
 *
 * A segment's limit is in bytes on both sides. FXSAVE's image is the first half
 * KiB of KVM's XSAVE area; the model has nothing beyond.
 *
 * KVM has moments that the architecture has not: an event whose delivery was begun
 * and broken off, because it met a page that the host had first to provide. An
 * interrupt of that kind is put back (kvm_apic.c), an NMI is pending again, and a
 * fault comes again with its instruction. A debug trap would not, if a guest that
 * single-steps were saved in just that moment.
 *
 * Start-up: KVM's states of a processor that waits for INIT or for a start-up IPI
 * are one here, wait_sipi.
 *
 * Used by: kvm_cpu.c.   Sources: api.rst §4.11-4.14, §4.18, §4.31, §4.42. */
#include "vmm/cpu/kvm/kvm_impl.h"
#include "vmm/cpu/msr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

enum { XSAVE_HEADER_WORD = 512 / 4, XSTATE_X87_SSE = 3, FX_MXCSR_MASK = 0xFFFF,
       MSR_COUNT_MAX = 48, FLAG_IF = 0x200 };

void kvm_fail(struct kvm_cpu *k, const char *what)
{
	if (!k->error[0])
		(void)snprintf(k->error, sizeof k->error, "KVM: %s: %s", what, strerror(errno));
}

/* ---- MSRs ---------------------------------------------------------------------- */

struct msr_list {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[MSR_COUNT_MAX];
};

bool kvm_msr_get(struct kvm_cpu *k, uint32_t msr, uint64_t *ret_v)
{
	struct msr_list l = { .head = { .nmsrs = 1 }, .entry = { { .index = msr } } };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_MSRS) */
	if (ioctl(k->fd, KVM_GET_MSRS, &l) != 1)
		return false;
	*ret_v = l.entry[0].data;
	return true;
}

bool kvm_msr_set(struct kvm_cpu *k, uint32_t msr, uint64_t v)
{
	struct msr_list l = { .head = { .nmsrs = 1 }, .entry = { { .index = msr, .data = v } } };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_MSRS) */
	return ioctl(k->fd, KVM_SET_MSRS, &l) == 1;
}

struct msr_place {
	uint32_t msr;
	uint64_t *v;
};

/* Where in @st each MSR of KVM's lies. FS and GS base are the segments'. */
static unsigned places(struct cpu_state *st, struct msr_place *p)
{
	const struct msr_place fixed[] = {
		{ MSR_SYSENTER_CS, &st->sysenter_cs },
		{ MSR_SYSENTER_ESP, &st->sysenter_esp },
		{ MSR_SYSENTER_EIP, &st->sysenter_eip },
		{ (uint32_t)MSR_STAR, &st->star },
		{ (uint32_t)MSR_LSTAR, &st->lstar },
		{ (uint32_t)MSR_CSTAR, &st->cstar },
		{ (uint32_t)MSR_SFMASK, &st->sfmask },
		{ (uint32_t)MSR_KERNEL_GS_BASE, &st->kernel_gs_base },
		{ (uint32_t)MSR_TSC_AUX, &st->tsc_aux },
		{ MSR_TSC_ADJUST, &st->tsc_offset },
		{ MSR_PAT, &st->pat },
		{ MSR_MTRR_DEF_TYPE, &st->mtrr_def_type },
		{ MSR_MTRR_FIX64K, &st->mtrr_fixed[0] },
	};
	unsigned n = sizeof fixed / sizeof fixed[0];

	memcpy(p, fixed, sizeof fixed);
	for (unsigned i = 0; i < 2; i++)
		p[n++] = (struct msr_place){ MSR_MTRR_FIX16K + i, &st->mtrr_fixed[1 + i] };
	for (unsigned i = 0; i < 8; i++)
		p[n++] = (struct msr_place){ MSR_MTRR_FIX4K + i, &st->mtrr_fixed[3 + i] };
	for (unsigned i = 0; i < 16; i++)
		p[n++] = (struct msr_place){ MSR_MTRR_VAR + i, &st->mtrr_var[i] };
	return n;
}

static void msrs_get(struct kvm_cpu *k, struct cpu_state *st)
{
	struct msr_place p[MSR_COUNT_MAX];
	struct msr_list l = { 0 };
	int n;

	l.head.nmsrs = places(st, p);
	for (unsigned i = 0; i < l.head.nmsrs; i++)
		l.entry[i].index = p[i].msr;
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_MSRS) */
	n = ioctl(k->fd, KVM_GET_MSRS, &l);
	if (n < (int)l.head.nmsrs)
		kvm_fail(k, "reading MSRs");
	for (int i = 0; i < n; i++)
		*p[i].v = l.entry[i].data;
}

static void msrs_set(struct kvm_cpu *k, struct cpu_state *st)
{
	struct msr_place p[MSR_COUNT_MAX];
	struct msr_list l = { 0 };

	l.head.nmsrs = places(st, p);
	for (unsigned i = 0; i < l.head.nmsrs; i++)
		l.entry[i] = (struct kvm_msr_entry){ .index = p[i].msr, .data = *p[i].v };
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_MSRS) */
	if (ioctl(k->fd, KVM_SET_MSRS, &l) < (int)l.head.nmsrs)
		kvm_fail(k, "setting MSRs");
}

/* ---- registers ------------------------------------------------------------------- */

/* KVM's order of general registers in the instruction encoding's. */
static void regs_copy(struct cpu_state *st, struct kvm_regs *r, bool get)
{
	__u64 *const at[CPU_GPR_COUNT] = { &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
					   &r->rsi, &r->rdi, &r->r8, &r->r9, &r->r10, &r->r11,
					   &r->r12, &r->r13, &r->r14, &r->r15 };

	for (unsigned i = 0; i < CPU_GPR_COUNT; i++) {
		if (get)
			st->gpr[i] = *at[i];
		else
			*at[i] = st->gpr[i];
	}
	if (get) {
		st->rip = r->rip;
		st->rflags = r->rflags;
	} else {
		r->rip = st->rip;
		r->rflags = st->rflags;
	}
}

enum { TYPE_ACCESSED = 1, TYPE_BUSY_TSS16 = 3, TYPE_BUSY_TSS = 11 };

/* Code and data: what is loaded is accessed; on AMD's processors CS and SS are not
 * after INIT, as KVM tells it, and Intel's would not be entered so. */
static struct cpu_segment segment_get(const struct kvm_segment *s)
{
	unsigned accessed = s->s && s->present ? TYPE_ACCESSED : 0;

	return (struct cpu_segment){
		.base = s->base, .limit = s->limit, .sel = s->selector,
		.attr = (uint16_t)((s->type & 15) | accessed | (s->s & 1) << 4 | (s->dpl & 3) << 5 |
				   (s->present & 1) << 7 | (s->avl & 1) << 8 | (s->l & 1) << 9 |
				   (s->db & 1) << 10 | (s->g & 1) << 11 |
				   (s->unusable ? CPU_SEG_UNUSABLE : 0)) };
}

/* TR after INIT is a 32-bit TSS in the model, and a 16-bit one, with which long mode
 * cannot be entered, on AMD's processors. LTR takes no null selector, so it is that. */
static struct cpu_segment tr_get(const struct kvm_segment *tr)
{
	struct kvm_segment s = *tr;

	if (!s.selector && s.type == TYPE_BUSY_TSS16)
		s.type = TYPE_BUSY_TSS;
	return segment_get(&s);
}

static struct kvm_segment segment_set(const struct cpu_segment *s)
{
	return (struct kvm_segment){ .base = s->base, .limit = s->limit, .selector = s->sel,
				     .type = s->attr & 15, .s = s->attr >> 4 & 1,
				     .dpl = s->attr >> 5 & 3, .present = s->attr >> 7 & 1,
				     .avl = s->attr >> 8 & 1, .l = s->attr >> 9 & 1,
				     .db = s->attr >> 10 & 1, .g = s->attr >> 11 & 1,
				     .unusable = !!(s->attr & CPU_SEG_UNUSABLE) };
}

static void sregs_get(struct kvm_cpu *k, struct cpu_state *st)
{
	struct kvm_sregs s = { 0 };
	const struct kvm_segment *from[CPU_SEG_COUNT] = { &s.es, &s.cs, &s.ss, &s.ds, &s.fs, &s.gs };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_SREGS) */
	if (ioctl(k->fd, KVM_GET_SREGS, &s) < 0)
		kvm_fail(k, "reading special registers");
	for (unsigned i = 0; i < CPU_SEG_COUNT; i++)
		st->seg[i] = segment_get(from[i]);
	st->ldtr = segment_get(&s.ldt);
	st->tr = tr_get(&s.tr);
	st->gdtr = (struct cpu_table){ s.gdt.base, s.gdt.limit };
	st->idtr = (struct cpu_table){ s.idt.base, s.idt.limit };
	st->cr0 = s.cr0;
	st->cr2 = s.cr2;
	st->cr3 = s.cr3;
	st->cr4 = s.cr4;
	st->cr8 = s.cr8;
	st->efer = s.efer;
	st->apic_base = s.apic_base;
}

static void sregs_set(struct kvm_cpu *k, const struct cpu_state *st)
{
	struct kvm_sregs s = { 0 };
	struct kvm_segment *to[CPU_SEG_COUNT] = { &s.es, &s.cs, &s.ss, &s.ds, &s.fs, &s.gs };

	for (unsigned i = 0; i < CPU_SEG_COUNT; i++)
		*to[i] = segment_set(&st->seg[i]);
	s.ldt = segment_set(&st->ldtr);
	s.tr = segment_set(&st->tr);
	s.gdt = (struct kvm_dtable){ .base = st->gdtr.base, .limit = st->gdtr.limit };
	s.idt = (struct kvm_dtable){ .base = st->idtr.base, .limit = st->idtr.limit };
	s.cr0 = st->cr0;
	s.cr2 = st->cr2;
	s.cr3 = st->cr3;
	s.cr4 = st->cr4;
	s.cr8 = st->cr8;
	s.efer = st->efer;
	s.apic_base = st->apic_base;
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_SREGS) */
	if (ioctl(k->fd, KVM_SET_SREGS, &s) < 0)
		kvm_fail(k, "setting special registers");
}

static void fx_get(struct kvm_cpu *k, struct cpu_state *st)
{
	struct kvm_xsave x = { 0 };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_XSAVE) */
	if (ioctl(k->fd, KVM_GET_XSAVE, &x) < 0)
		kvm_fail(k, "reading the FPU");
	memcpy(&st->fx, x.region, sizeof st->fx);
	st->fx.mxcsr_mask = FX_MXCSR_MASK;
	memset(st->fx.reserved1, 0, sizeof st->fx.reserved1);
}

static void fx_set(struct kvm_cpu *k, const struct cpu_state *st)
{
	struct kvm_xsave x = { 0 };

	memcpy(x.region, &st->fx, sizeof st->fx);
	x.region[XSAVE_HEADER_WORD] = XSTATE_X87_SSE;
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_XSAVE) */
	if (ioctl(k->fd, KVM_SET_XSAVE, &x) < 0)
		kvm_fail(k, "setting the FPU");
}

static void debug_get(struct kvm_cpu *k, struct cpu_state *st)
{
	struct kvm_debugregs d = { 0 };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_DEBUGREGS) */
	if (ioctl(k->fd, KVM_GET_DEBUGREGS, &d) < 0)
		kvm_fail(k, "reading debug registers");
	memcpy(st->dr, d.db, sizeof st->dr);
	st->dr6 = d.dr6;
	st->dr7 = d.dr7;
}

static void debug_set(struct kvm_cpu *k, const struct cpu_state *st)
{
	struct kvm_debugregs d = { .dr6 = st->dr6, .dr7 = st->dr7 };

	memcpy(d.db, st->dr, sizeof d.db);
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_DEBUGREGS) */
	if (ioctl(k->fd, KVM_SET_DEBUGREGS, &d) < 0)
		kvm_fail(k, "setting debug registers");
}

/* ---- between two instructions ------------------------------------------------------ */

/* Asked first: KVM takes an INIT or start-up IPI that waits when it is asked. */
static void run_state_get(struct kvm_cpu *k, struct cpu_state *st)
{
	struct kvm_mp_state mp = { 0 };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_MP_STATE) */
	if (ioctl(k->fd, KVM_GET_MP_STATE, &mp) < 0)
		kvm_fail(k, "reading the run state");
	st->halted = mp.mp_state == KVM_MP_STATE_HALTED;
	st->wait_sipi = mp.mp_state == KVM_MP_STATE_UNINITIALIZED || mp.mp_state == KVM_MP_STATE_INIT_RECEIVED;
}

/* An NMI on its way masks others only because of itself. */
static void events_get(struct kvm_cpu *k, struct cpu_state *st)
{
	struct kvm_vcpu_events e = { 0 };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_VCPU_EVENTS) */
	if (ioctl(k->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		kvm_fail(k, "reading events");
	st->shadow = e.interrupt.shadow;
	st->nmi_masked = e.nmi.masked && !e.nmi.injected;
	st->nmi_pending = e.nmi.pending || e.nmi.injected;
}

static void events_set(struct kvm_cpu *k, const struct cpu_state *st)
{
	struct kvm_mp_state mp = { st->wait_sipi ? KVM_MP_STATE_INIT_RECEIVED :
				   st->halted	 ? KVM_MP_STATE_HALTED :
						   KVM_MP_STATE_RUNNABLE };
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING,
		.interrupt.shadow = !st->shadow		 ? 0 :
				    st->rflags & FLAG_IF ? KVM_X86_SHADOW_INT_STI :
							   KVM_X86_SHADOW_INT_MOV_SS,
		.nmi = { .pending = st->nmi_pending, .masked = st->nmi_masked },
	};

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_MP_STATE KVM_SET_VCPU_EVENTS) */
	if (ioctl(k->fd, KVM_SET_MP_STATE, &mp) < 0 || ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e) < 0)
		kvm_fail(k, "setting events");
}

void kvm_state_get(struct cpu *c, struct cpu_state *st)
{
	struct kvm_cpu *k = kvm_of(c);
	struct kvm_regs regs = { 0 };

	*st = k->model;
	run_state_get(k, st);
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_REGS) */
	if (ioctl(k->fd, KVM_GET_REGS, &regs) < 0)
		kvm_fail(k, "reading registers");
	regs_copy(st, &regs, true);
	sregs_get(k, st);
	fx_get(k, st);
	debug_get(k, st);
	msrs_get(k, st);
	events_get(k, st);
}

void kvm_state_set(struct cpu *c, const struct cpu_state *st)
{
	struct kvm_cpu *k = kvm_of(c);
	struct cpu_state copy = *st;
	struct kvm_regs regs = { 0 };

	k->error[0] = '\0';
	k->stop_seen = CPU_STOP_COUNT;
	k->model.misc_enable = st->misc_enable;
	if (st->tsc_khz != k->tsc_khz) {
		if (!kvm_clock_set_khz(k, st->tsc_khz))
			return;
		if (kvm_model_cpuid(k) < 0)
			kvm_fail(k, "setting CPUID");
	}
	sregs_set(k, st);
	regs_copy(&copy, &regs, false);
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_REGS) */
	if (ioctl(k->fd, KVM_SET_REGS, &regs) < 0)
		kvm_fail(k, "setting registers");
	fx_set(k, st);
	debug_set(k, st);
	msrs_set(k, &copy);
	events_set(k, st);
	kvm_clock_align(k);
}
