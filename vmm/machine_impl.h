/* vmm/machine_impl.h: the PC itself, as vmm/machine*.c see it. */
#ifndef MUSTER_VMM_MACHINE_IMPL_H
#define MUSTER_VMM_MACHINE_IMPL_H

#include "core/bytes.h"
#include "core/control.h"
#include "core/loop.h"
#include "core/prng.h"
#include "vmm/bus.h"
#include "vmm/cpu/cpu.h"
#include "vmm/cpu/kvm/kvm.h"
#include "vmm/dev/acpi.h"
#include "vmm/dev/apic_bus.h"
#include "vmm/dev/i82093.h"
#include "vmm/dev/i8250.h"
#include "vmm/dev/i8259.h"
#include "vmm/dev/pci.h"
#include "vmm/devices.h"
#include "vmm/guest_clock.h"
#include "vmm/machine_config.h"
#include "vmm/mem.h"

struct machine_bells;
struct machine_lines;
struct machine_threads;

/* What waits for a slow reader of the serial port before it is dropped. */
enum { SERIAL_OUT_MAX = 1 << 20, SERIAL_LINE_SIZE = 256 };
/* Instructions of a turn under the soft engine: long enough that a switch costs little, short
 * enough that four busy processors answer an IPI well within a timer tick. */
enum { MACHINE_TURN = 20000 };

/* One processor with what is its own. */
struct machine_cpu {
	struct machine *m; /* whose it is */
	struct cpu *cpu; /* owned */
	struct cpu_bus bus; /* the machine as it sees it */
	struct lapic lapic;
	bool waits; /* it stopped in HLT or waits for a start-up IPI, and nothing came since */
	bool init_pending; /* it sent INIT to itself: taken when it has stopped */
};

struct machine {
	struct machine_config cfg; /* strings and arrays in it stay the caller's */
	struct mem mem;
	bool mem_made;
	struct bus bus;
	struct guest_clock clock;
	struct machine_cpu vcpu[MACHINE_CPU_MAX]; /* by APIC ID; 0 is the bootstrap processor */
	unsigned n_cpus; /* made so far: all of them once assembled */
	struct cpu *cpu; /* vcpu[0]'s */
	struct apic_bus apics;
	struct cpu *running; /* soft: the one that is in ops->run(); NULL: none is */
	unsigned turn; /* whose turn it is */
	uint64_t turn_left; /* instructions until the turn passes on */
	struct kvm_vm *kvm; /* owned; NULL: the soft engine */
	struct machine_threads *threads; /* owned; NULL: the soft engine */
	struct machine_bells *bells; /* owned; NULL: the soft engine, or they do not pay */
	struct machine_lines *lines; /* owned; NULL: the soft engine, or the user's wish */
	struct loop_source *serial_timer; /* output of a KVM guest that waits to be sent; NULL: the soft engine */
	struct i82093 ioapic;
	struct i8259 pic;
	struct i8250 uart;
	struct acpi acpi;
	struct pci_host pci;
	struct prng prng; /* the guest's entropy when it is not the host's */
	struct devices devices;
	/* The sweep for pages of zeros: where it is, and when it goes on. */
	uint64_t sweep_off;
	nsec_t sweep_next; /* guest time */
	uint64_t sweep_icount; /* instructions at the end of the last pass */
	uint64_t sweep_seen; /* instructions when it was last looked at */
	unsigned n_rests; /* looks in a row at which little had been done */
	uint64_t rest_icount; /* instructions when the engine last gave memory back */
	uint64_t swept_bytes; /* given back so far */
	struct loop *loop; /* owned */
	struct control *control; /* owned; NULL without */
	struct loop_source *serial_source; /* NULL: no one, or its end was seen */
	struct bytes serial_out;
	uint64_t serial_dropped; /* bytes */
	uint64_t n_refused; /* requests of the supervisor that were wrong */
	char serial_line[SERIAL_LINE_SIZE]; /* what the guest's kernel is saying */
	size_t serial_line_len;
	char *panic; /* the line in which it said that it panicked; owned; NULL */
	bool serial_waits; /* EPOLLOUT is asked for */
	bool ended, paused, pause_told;
	bool restored; /* made from a saved state */
	bool resumes_loaded; /* it was loaded, on the real clock, and has not gone on since */
	uint64_t icount_base; /* instructions retired before the engine's first */
	enum machine_end end; /* once ended */
	char *why; /* once ended; owned; may be NULL */
	/* The run loop's measure of the engine, real clock. */
	uint64_t slice; /* instructions that take about SLICE_NS */
	nsec_t slice_end; /* guest time at which the running slice should be over */
	/* Calls back every so many instructions (tests of determinism). */
	uint64_t probe_every, probe_next;
	void (*probe)(void *ctx, struct machine *m);
	void *probe_ctx;
};

/* Whether the run loop comes round often enough for work to be left to it, and
 * a guest may not notice when it does: on a virtual clock it would. */
bool machine_has_slices(const struct machine *m);

/* The first of several reasons wins. @why: taken over; may be NULL. */
void machine_end_now(struct machine *m, enum machine_end end, char *why);

/* machine_smp.c: the processors. machine_cpus_new(): 0 or -errno; free what it made in any case. */
int machine_cpus_new(struct machine *m);
/* Ends the processors and their threads; accepts what machine_cpus_new() left half done. */
void machine_cpus_free(struct machine *m);
/* All but the first wait for their start-up IPI. */
void machine_cpu_set_waiting(struct machine_cpu *p);
/* Fills @p->bus: the machine as a processor sees it. */
void machine_cpu_see(struct machine *m, struct machine_cpu *p);
/* Once the bus is there: local APICs, and how they reach each other. */
void machine_cpus_wire(struct machine *m);
/* Runs them in turn, @n instructions in all (more than 0). Returns early when all
 * wait, when the clock's next deadline moved, and when one cannot go on. */
enum cpu_stop machine_cpus_run(struct machine *m, uint64_t n);
/* Every processor waits for an interrupt. */
bool machine_cpus_wait(const struct machine *m);
/* Makes machine_cpus_run() come back; does nothing when it does not run. */
void machine_cpus_stop(struct machine *m);
/* Why the last one could not go on; may be NULL. */
const char *machine_cpus_error(const struct machine *m);
/* What a run of a processor came back with. */
void machine_cpu_stopped(struct machine *m, enum cpu_stop stop);
/* machine_kvm.c: the machine on KVM. Returns 0 or -errno with @ret_why (else untouched). */
int machine_kvm_make_cpus(struct machine *m, char **ret_why);
/* Wires the chips' interrupts to KVM's LAPIC, instead of machine.c's. */
void machine_kvm_wire(struct machine *m);
/* A message to the LAPICs. */
void machine_kvm_send(struct machine *m, const struct apic_msg *msg);

/* machine_bells.c: doorbells that KVM rings, if that pays. Once the devices are there. Returns 0 or -errno. */
int machine_bells_new(struct machine *m, struct machine_bells **ret_bells);
struct machine_bells *machine_bells_free(struct machine_bells *b); /* accepts NULL; returns NULL */

/* machine_lines.c: MSI-X messages under KVM. @kvm: borrowed. Returns 0 or -errno; *@ret_lines stays
 * as it was where the user wants none. */
int machine_lines_new(struct kvm_vm *kvm, struct machine_lines **ret_lines);
struct machine_lines *machine_lines_free(struct machine_lines *l); /* accepts NULL; returns NULL */
/* @addr: a local APIC's, not 0. */
void machine_lines_send(struct machine_lines *l, uint64_t addr, uint32_t data);
/* Both wait: what was sent of this message, or of all, has arrived when these return. */
void machine_lines_settle(struct machine_lines *l, uint64_t addr, uint32_t data);
void machine_lines_settle_all(struct machine_lines *l);
/* Both count: messages that went by a line, and those that did not. */
uint64_t machine_lines_signals(const struct machine_lines *l);
uint64_t machine_lines_messages(const struct machine_lines *l);

/* machine_io.c: serial port and control socket. Return 0 or -errno. */
int machine_io_open(struct machine *m);
/* Closes the sockets that machine_io_open() took over. */
void machine_io_close(struct machine *m);
void machine_serial_out(void *machine, uint8_t byte);
void machine_serial_room(void *machine);
void machine_serial_flush(struct machine *m);
/* Both tell the supervisor; each does nothing without one. @text: may be NULL. */
void machine_tell(struct machine *m, const char *event);
void machine_tell_end(struct machine *m);

/* The processors are stopped, then the clock, and those that an engine has itself; or
 * all goes on. */
void machine_stop_time(struct machine *m, bool stop);
/* Sends the supervisor @event, which is taken over. False: there is none. */
bool machine_tell_event(void *machine, json_t *event);

/* Stops or lets go on: time, and the devices' dealings with the host. */
void machine_set_paused(struct machine *m, bool paused);

/* machine_state.c: fills a machine that was just assembled from its state_fd.
 * Returns 0 or -errno, with @ret_why, and then the machine is of no use. */
int machine_load(struct machine *m, char **ret_why);
/* Fills the assembled machine from its kernel and initrd, or from a saved state. Errors as of
 * machine_new(). */
int machine_fill(struct machine *m, char **ret_why);

/* For tests and benchmarks: @fn is called each time @every instructions have
 * been retired, between two instructions, exactly (virtual clock). */
void machine_set_probe(struct machine *m, uint64_t every, void (*fn)(void *ctx, struct machine *m),
		       void *ctx);
uint64_t machine_instructions(const struct machine *m); /* of all processors */
/* A hash of the processors and memory. */
uint64_t machine_state_hash(struct machine *m);

#endif
