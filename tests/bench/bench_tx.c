/* tests/bench/bench_tx.c: how fast a guest at ring 3 under KVM can send: the card's own code, on one core.
 *
 * Prints "FIGURE|VALUE" lines for tests/bench/lib.sh, and lines without a bound as text. Ends with
 * status 77, after a line that says why, where there is no KVM.
 *
 * Some hosts' KVM runs ring 3 at the processor's speed and emulates all else, and shows too few CPU
 * features for the engine to accept it; so the processor is had from KVM directly here: long mode at CPL 3
 * and memory one to one, no interrupt controller. All that it reaches through MMIO is real: the bus, the PCI
 * function, virtio_net with its queues, and the shared ring to the fabric, whose end this program plays: it
 * takes each frame off after each doorbell, looks at its length and number, and gives the room back.
 *
 * The guest (drive()) is a driver that sends the frames which it has buffers for, writes each frame's number
 * into it, and rings as the event index asks (virtio 1.2 §2.7.10). What it sends between two rings is
 * bounded by its burst: `full` is the whole queue, as a driver has it whose sender is faster than its card;
 * 1 is a ring for each frame, and shows what an exit costs. Both are told, the first has bounds.
 *
 * Guest, device and fabric's end take turns on one thread, which is bound to one processor. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/ring.h"
#include "core/wire.h"
#include "tests/host_probe.h"
#include "tests/vmm/vguest.h"
#include "vmm/dev/virtio_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum {
	RUNS = 5, EXIT_SKIPPED = 77, QUEUE_SIZE = 256, MEM_BYTES = 64 << 20, CPUID_MAX = 128,
	TABLES = 0x10000, CODE = 0x100000, CODE_MAX = 0x10000, ARGS = 0x120000, STACK = 0x180000,
	FREE_FROM = 0x200000, /* vguest_alloc() from here on */
	FRAME_NUMBER = 60, /* where a frame bears its number */
};
#define STOP_GPA UINT64_C(0xD0000000) /* nothing is there: a write ends the run */

/* What the guest is told; in its memory. */
struct args {
	uint64_t n_frames, burst, doorbell;
	uint16_t *avail; /* flags, idx, ring, used_event */
	volatile uint16_t *used; /* flags, idx, ring of 8 bytes, avail_event */
	uint64_t buffers, buffer_step; /* of the frame in descriptor i */
	uint64_t size; /* descriptors */
};

/* ---- the guest ------------------------------------------------------------------- */

/* Runs in the guest at CPL 3. One piece of code without calls, data or stack protector, so that it can be
 * copied. Never returns. */
static __attribute__((section("guest_text"), noinline, no_stack_protector, used, optimize("no-tree-loop-distribute-patterns")))
void drive(const struct args *a)
{
	uint64_t sent = 0, size = a->size;
	volatile uint16_t *avail = a->avail;
	uint16_t idx = 0, rung = 0;

	while (sent < a->n_frames) {
		uint16_t done = a->used[1], event;
		uint64_t room = size - (uint16_t)(idx - done), n = a->n_frames - sent;

		n = n < room ? n : room;
		n = n < a->burst ? n : a->burst;
		for (uint64_t i = 0; i < n; i++) {
			uint64_t slot = idx & (size - 1);

			*(volatile uint64_t *)(a->buffers + slot * a->buffer_step + VIRTIO_NET_HDR_LEN + FRAME_NUMBER) = sent++;
			avail[2 + slot] = (uint16_t)slot;
			idx++;
		}
		__asm__ volatile("" ::: "memory"); /* x86 keeps stores in order */
		avail[1] = idx;
		__asm__ volatile("mfence" ::: "memory"); /* §2.7.13.4.1: before the event is read */
		event = a->used[2 + 4 * size];
		if ((uint16_t)(idx - event - 1) < (uint16_t)(idx - rung)) {
			*(volatile uint16_t *)a->doorbell = VIRTIO_NET_TXQ;
			rung = idx;
		}
	}
	*(volatile uint32_t *)STOP_GPA = 1;
	for (;;)
		;
}
extern const char __start_guest_text[], __stop_guest_text[];

/* ---- the processor ---------------------------------------------------------------- */

struct vcpu {
	int kvm, vm, fd;
	struct kvm_run *run;
	size_t run_len;
};

static int call(int fd, unsigned long what, void *arg, const char *name)
{
	int r = ioctl(fd, what, arg);

	if (r < 0) {
		(void)fprintf(stderr, "bench_tx: %s: %s\n", name, strerror(errno));
		exit(errno == ENODEV || errno == ENOENT ? 77 : 1);
	}
	return r;
}

/* The first 4 GiB one to one for ring 3, in pages of 2 MiB. */
static void put_tables(struct mem *m)
{
	store_le64(mem_ptr(m, TABLES, 8), (TABLES + 0x1000) | 7);
	for (uint64_t i = 0; i < 4; i++) {
		store_le64(mem_ptr(m, TABLES + 0x1000 + 8 * i, 8), (TABLES + 0x2000 + 0x1000 * i) | 7);
		for (uint64_t j = 0; j < 512; j++)
			store_le64(mem_ptr(m, TABLES + 0x2000 + 0x1000 * i + 8 * j, 8), (i << 30 | j << 21) | 0x87);
	}
}

static void set_long_mode(const struct vcpu *c)
{
	struct kvm_segment code = { .limit = UINT32_MAX, .selector = 0x33, .type = 11, .present = 1, .dpl = 3,
				    .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = UINT32_MAX, .selector = 0x2B, .type = 3, .present = 1, .dpl = 3,
				    .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK - 8, .rdi = ARGS, .rflags = 2 };
	struct kvm_sregs s;

	(void)call(c->fd, KVM_GET_SREGS, &s, "KVM_GET_SREGS");
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cr0 = UINT64_C(0x80000033); /* PG NE ET MP PE */
	s.cr3 = TABLES;
	s.cr4 = 0x620; /* OSXMMEXCPT OSFXSR PAE */
	s.efer = 0x500; /* LMA LME */
	(void)call(c->fd, KVM_SET_SREGS, &s, "KVM_SET_SREGS");
	(void)call(c->fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void vcpu_open(struct vcpu *c, struct mem *m)
{
	struct kvm_userspace_memory_region ram = { .memory_size = m->size_bytes, .userspace_addr = (uintptr_t)m->host };
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} id = { .head.nent = CPUID_MAX };

	c->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (c->kvm < 0) {
		(void)fprintf(stderr, "bench_tx: /dev/kvm: %s\n", strerror(errno));
		exit(EXIT_SKIPPED);
	}
	c->vm = call(c->kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	(void)call(c->vm, KVM_SET_USER_MEMORY_REGION, &ram, "KVM_SET_USER_MEMORY_REGION");
	c->fd = call(c->vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	(void)call(c->kvm, KVM_GET_SUPPORTED_CPUID, &id, "KVM_GET_SUPPORTED_CPUID");
	(void)call(c->fd, KVM_SET_CPUID2, &id, "KVM_SET_CPUID2");
	c->run_len = (size_t)call(c->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	c->run = mmap(NULL, c->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->run == MAP_FAILED)
		abort();
}

static void vcpu_close(struct vcpu *c)
{
	(void)munmap(c->run, c->run_len);
	(void)close(c->fd);
	(void)close(c->vm);
	(void)close(c->kvm);
}

/* ---- the machine ------------------------------------------------------------------- */

struct bench {
	struct vguest g;
	struct virtio_net *net;
	struct ring_pair_fds fds;
	struct ring_pair ours, fabric;
	struct vguest_queue tx;
	struct vcpu cpu;
	uint32_t frame_len;
	uint64_t n_got, n_exits;
};

/* Takes off what is in the ring. A frame that is not the next one sent is the end of the bench. */
static void drain(struct bench *b)
{
	struct ring_record rec;

	for (;;) {
		uint64_t before = b->n_got;

		while (ring_peek(&b->fabric.rx, &rec)) {
			if (rec.len != b->frame_len || load_le64(rec.data + FRAME_NUMBER) != b->n_got) {
				(void)fprintf(stderr, "bench_tx: frame %llu is not what was sent\n",
					      (unsigned long long)b->n_got);
				exit(1);
			}
			b->n_got++;
			ring_pop(&b->fabric.rx);
		}
		ring_release(&b->fabric.rx);
		if (b->n_got == before)
			return;
		virtio_net_kicked(b->net); /* what waited for room */
	}
}

/* Lays out the descriptors and the frames, each whole in one buffer, its header before it. */
static void put_frames(struct bench *b, struct args *a, bool gso)
{
	uint32_t len = VIRTIO_NET_HDR_LEN + b->frame_len;

	a->buffer_step = (len + 4095) & ~4095u;
	a->buffers = vguest_alloc(&b->g, a->buffer_step * QUEUE_SIZE, 4096);
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		uint64_t at = a->buffers + i * a->buffer_step;
		uint8_t *p = vguest_ptr(&b->g, at);

		vguest_desc(&b->g, b->tx.desc, i, at, len, 0, 0);
		memset(p + VIRTIO_NET_HDR_LEN, i, b->frame_len);
		if (gso) { /* NEEDS_CSUM, TCPV4; sizes of a header without options, §5.1.6 */
			p[0] = 1;
			p[1] = 1;
			store_le16(p + 2, 54);
			store_le16(p + 4, 1448);
			store_le16(p + 6, 34);
			store_le16(p + 8, 16);
		}
	}
}

static void bench_open(struct bench *b, uint32_t frame_len, bool gso)
{
	struct virtio_net_config cfg = { .mac = { { 2, 0, 0, 0, 0, 1 } }, .mtu = 1500, .link_up = true,
					 .rings = &b->ours, .kick_fd = -1 };
	struct args a = { 0 };

	*b = (struct bench){ .frame_len = frame_len };
	vguest_init(&b->g, MEM_BYTES);
	mem_use_huge_pages(&b->g.mem);
	b->g.next = FREE_FROM;
	put_tables(&b->g.mem);
	if (ring_pair_create(RING_DATA_SIZE, &b->fds) < 0 || ring_pair_attach(&b->fds, RING_MACHINE, &b->ours) < 0 ||
	    ring_pair_attach(&b->fds, RING_FABRIC, &b->fabric) < 0)
		abort();
	cfg.mem = &b->g.mem;
	if (virtio_net_new(&cfg, &b->net) < 0)
		abort();
	vguest_plug(&b->g, &b->net->pci);
	if (!(vguest_negotiate(&b->g, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_CSUM |
					      VIRTIO_NET_F_HOST_TSO4) & VIRTIO_FEATURES_OK))
		abort();
	vguest_queue_up(&b->g, &b->tx, VIRTIO_NET_TXQ, QUEUE_SIZE);
	vguest_driver_ok(&b->g);
	put_frames(b, &a, gso);
	a.doorbell = b->g.bar + VIRTIO_PCI_NOTIFY + VIRTIO_NET_TXQ * VIRTIO_PCI_NOTIFY_STEP;
	a.avail = (uint16_t *)(uintptr_t)b->tx.avail;
	a.used = (volatile uint16_t *)(uintptr_t)b->tx.used;
	a.size = QUEUE_SIZE;
	/* No interrupt is wanted: used_event is a place that is never reached in the run's time. */
	memcpy(mem_ptr(&b->g.mem, ARGS, sizeof a), &a, sizeof a);
	memcpy(mem_ptr(&b->g.mem, CODE, CODE_MAX), __start_guest_text, (size_t)(__stop_guest_text - __start_guest_text));
	vcpu_open(&b->cpu, &b->g.mem);
}

static void bench_close(struct bench *b)
{
	vcpu_close(&b->cpu);
	(void)virtio_net_free(b->net);
	ring_pair_detach(&b->ours);
	ring_pair_detach(&b->fabric);
	ring_pair_close(&b->fds);
	vguest_done(&b->g);
}

/* Until the guest says that it is done. */
static void run_guest(struct bench *b)
{
	struct kvm_run *run = b->cpu.run;

	for (;;) {
		uint64_t v = 0;

		if (ioctl(b->cpu.fd, KVM_RUN, NULL) < 0) {
			if (errno == EINTR)
				continue;
			perror("bench_tx: KVM_RUN");
			exit(1);
		}
		b->n_exits++;
		if (run->exit_reason != KVM_EXIT_MMIO || !run->mmio.is_write || run->mmio.len > sizeof v) {
			(void)fprintf(stderr, "bench_tx: the guest left for reason %u\n", run->exit_reason);
			exit(1);
		}
		if (run->mmio.phys_addr == STOP_GPA)
			return;
		memcpy(&v, run->mmio.data, run->mmio.len);
		bus_mmio_write(&b->g.bus, run->mmio.phys_addr, run->mmio.len, v);
		drain(b);
	}
}

struct figure {
	const char *name;
	uint32_t frame_len;
	uint64_t n_frames, burst;
	bool gso;
	bool bounded; /* in tests/bench/bounds */
};

/* One run; Gbit/s of frames' bytes. */
static double run_once(const struct figure *f, double *ret_exits)
{
	static struct bench b;
	struct args *a;
	nsec_t start, took;

	bench_open(&b, f->frame_len, f->gso);
	a = (struct args *)(void *)mem_ptr(&b.g.mem, ARGS, sizeof *a);
	a->n_frames = f->n_frames;
	a->burst = f->burst;
	set_long_mode(&b.cpu);
	start = clock_now();
	run_guest(&b);
	took = clock_now() - start;
	if (b.n_got != f->n_frames || b.net->stats.tx_frames != f->n_frames || b.net->stats.tx_malformed) {
		(void)fprintf(stderr, "bench_tx: %llu frames came of %llu\n", (unsigned long long)b.n_got,
			      (unsigned long long)f->n_frames);
		exit(1);
	}
	*ret_exits = (double)b.n_exits / (double)f->n_frames;
	bench_close(&b);
	return (double)f->n_frames * f->frame_len * 8 / (double)took;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void row(const struct figure *f)
{
	double v[RUNS], exits;

	for (unsigned i = 0; i < RUNS; i++)
		v[i] = run_once(f, &exits);
	qsort(v, RUNS, sizeof v[0], by_value);
	if (f->bounded)
		printf("%s|%.2f\n", f->name, v[RUNS / 2]);
	printf("%-64s %7.2f Gbit/s, %.4f exits a frame\n", f->name, v[RUNS / 2], exits);
}

int main(void)
{
	static const struct figure figures[] = {
		{ "ring-3 guest, virtio-net transmit, 1,500 B, Gbit/s", 1514, 300000, QUEUE_SIZE, false, true },
		{ "ring-3 guest, virtio-net transmit, 64 KiB, Gbit/s", 65226, 20000, QUEUE_SIZE, true, true },
		{ "the same, 1,500 B, a ring for each frame", 1514, 30000, 1, false, false },
		{ "the same, 64 KiB, a ring for each frame", 65226, 10000, 1, true, false },
	};
	CLEANUP(free) char *why = NULL;
	cpu_set_t one;

	if (!host_can(HOST_KVM, &why)) {
		printf("skipped: %s\n", why);
		return EXIT_SKIPPED;
	}
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof one, &one);
	for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
		row(&figures[i]);
	return EXIT_SUCCESS;
}
