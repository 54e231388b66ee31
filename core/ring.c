/* core/ring.c: the shared-memory frame ring.
 *
 * The memory is a memfd sealed against any change of size: one page of
 * cursors, then the data of the way up, then the data of the way down. Cursors
 * are free-running 32-bit byte counts, always multiples of 8; each is written
 * by one side only and lies on a cache line of its own, beside the flag of the
 * same writer. A record is a 24-byte header and the frame, rounded up to 8.
 * Where a record would cross the end of the data the producer writes a header
 * with length RECORD_SKIP (its first 4 bytes suffice) and goes on at 0.
 *
 * Trust. The geometry is checked once, at attach, and kept in private memory.
 * A side believes of the peer's cursor only what keeps "produced - consumed"
 * within 0..size and aligned; of a record only a length that lies within what
 * was published and does not cross the end. Else the ring is broken for good:
 * the reader sees it empty, the writer sees it full. Values are read once,
 * into locals. The frame's bytes are the reader's to copy before it believes
 * them.
 *
 * Wake-ups. The consumer that is about to wait sets `sleeping`, then looks
 * again; the producer publishes, then looks at `sleeping`. A full fence
 * between the two steps on both sides means that at least one of them sees
 * the other. A producer that found no room does the same with `waiting`; the
 * consumer kicks it once half of the ring is free, not for every record.
 *
 * Used by: the machine's virtio_net, the fabric.   Depends on: core/{element_state,frame,state}.h. */
#include "core/ring.h"

#include "core/cleanup.h"
#include "core/element_state.h"

#include <assert.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	RING_MAGIC = 0x6d757374, /* "must" */
	RING_VERSION = 1,
	RING_HEADER_SIZE = 4096,
	/* Twice the largest record, that one always fits into an empty ring
	 * wherever its cursors are. */
	RING_DATA_MIN = 256 * 1024,
	RING_DATA_MAX = 64 * 1024 * 1024,
	CACHE_LINE = 64,
};
#define RECORD_SKIP UINT32_MAX

struct ring_shared {
	alignas(CACHE_LINE) _Atomic uint32_t head; /* producer's */
	_Atomic uint32_t waiting; /* producer's; the consumer clears it */
	alignas(CACHE_LINE) _Atomic uint32_t tail; /* consumer's */
	_Atomic uint32_t sleeping; /* consumer's; the producer clears it */
};

struct ring_memory {
	uint32_t magic, version, data_size, zero;
	struct ring_shared up, down;
};
static_assert(sizeof(struct ring_memory) <= RING_HEADER_SIZE, "one page of cursors");

struct record_header {
	uint32_t len;
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, zero;
	int64_t time_ns;
};
static_assert(sizeof(struct record_header) == 24, "the form both sides know");

static uint32_t record_size(uint32_t len)
{
	return (uint32_t)sizeof(struct record_header) + ((len + 7) & ~7u);
}

static void kick(struct ring *r)
{
	uint64_t one = 1;

	/* A counter at its limit is as good as a kick. */
	/* SYSCALLS(machine fabric uplink): write */
	(void)!write(r->kick_fd, &one, sizeof one);
	r->n_kicks++;
}

/* ---- making and mapping ------------------------------------------------ */

int ring_pair_create(size_t data_size, struct ring_pair_fds *ret_fds)
{
	CLEANUP(fd) int mem = -1;
	CLEANUP(fd) int up = -1;
	CLEANUP(fd) int down = -1;
	struct ring_memory *m;

	if (data_size < RING_DATA_MIN || data_size > RING_DATA_MAX || (data_size & (data_size - 1)))
		return -EINVAL;
	/* SYSCALLS(supervisor): memfd_create eventfd2 ftruncate fcntl(1 == F_ADD_SEALS) */
	mem = memfd_create("muster-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	up = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	down = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mem < 0 || up < 0 || down < 0)
		return -errno;
	if (ftruncate(mem, (off_t)(RING_HEADER_SIZE + 2 * data_size)) < 0)
		return -errno;
	if (fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	m = mmap(NULL, RING_HEADER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	if (m == MAP_FAILED)
		return -errno;
	m->magic = RING_MAGIC;
	m->version = RING_VERSION;
	m->data_size = (uint32_t)data_size;
	/* Nobody looks yet: the first record of either way is kicked for. */
	atomic_store(&m->up.sleeping, 1);
	atomic_store(&m->down.sleeping, 1);
	(void)munmap(m, RING_HEADER_SIZE);
	*ret_fds = (struct ring_pair_fds){ take_fd(&mem), take_fd(&up), take_fd(&down) };
	return 0;
}

void ring_pair_close(struct ring_pair_fds *fds)
{
	cleanup_fd(&fds->mem_fd);
	cleanup_fd(&fds->up_kick_fd);
	cleanup_fd(&fds->down_kick_fd);
	*fds = (struct ring_pair_fds){ -1, -1, -1 };
}

/* Cursors go on from where they are, so that a side can be started anew. */
static void ring_init(struct ring *r, struct ring_shared *s, uint8_t *data, uint32_t size,
		      bool produces, int kick_fd)
{
	*r = (struct ring){ .shared = s, .data = data, .size = size, .kick_fd = kick_fd };
	r->head = atomic_load(produces ? &s->head : &s->tail);
	r->peer = atomic_load(produces ? &s->tail : &s->head);
	if ((r->head & 7) || (r->peer & 7) ||
	    (produces ? r->head - r->peer : r->peer - r->head) > size)
		r->broken = true;
}

int ring_pair_attach(const struct ring_pair_fds *fds, enum ring_side side,
		     struct ring_pair *ret_pair)
{
	struct stat st;
	struct ring_memory *m;
	uint8_t *data;
	uint32_t size;
	size_t len;
	int seals;

	if (fstat(fds->mem_fd, &st) < 0)
		return -errno;
	/* SYSCALLS(setup): newfstatat fcntl(1 == F_GET_SEALS) */
	seals = fcntl(fds->mem_fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || st.st_size < RING_HEADER_SIZE + 2 * RING_DATA_MIN ||
	    st.st_size > RING_HEADER_SIZE + 2 * (off_t)RING_DATA_MAX)
		return -EPROTO;
	len = (size_t)st.st_size;
	m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fds->mem_fd, 0);
	if (m == MAP_FAILED)
		return -errno;
	size = m->data_size;
	if (m->magic != RING_MAGIC || m->version != RING_VERSION || (size & (size - 1)) ||
	    len != RING_HEADER_SIZE + 2 * (size_t)size) {
		(void)munmap(m, len);
		return -EPROTO;
	}
	data = (uint8_t *)m + RING_HEADER_SIZE;
	*ret_pair = (struct ring_pair){ .map = m, .map_len = len };
	if (side == RING_MACHINE) {
		ring_init(&ret_pair->tx, &m->up, data, size, true, fds->up_kick_fd);
		ring_init(&ret_pair->rx, &m->down, data + size, size, false, fds->up_kick_fd);
		ret_pair->tx.want_room = true;
	} else {
		ring_init(&ret_pair->tx, &m->down, data + size, size, true, fds->down_kick_fd);
		ring_init(&ret_pair->rx, &m->up, data, size, false, fds->down_kick_fd);
	}
	return 0;
}

void ring_pair_detach(struct ring_pair *pair)
{
	if (pair->map)
		(void)munmap(pair->map, pair->map_len);
	*pair = (struct ring_pair){ 0 };
}

/* ---- the producer ------------------------------------------------------ */

/* Looks at the consumer's cursor. */
static void producer_look(struct ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->shared->tail, memory_order_acquire);

	if ((tail & 7) || r->head - tail > r->size)
		r->broken = true;
	else
		r->peer = tail;
}

/* Whether @need bytes fit now; looks at the peer only when they do not. */
static bool producer_has_room(struct ring *r, uint32_t need)
{
	if (r->size - (r->head - r->peer) >= need)
		return true;
	producer_look(r);
	return !r->broken && r->size - (r->head - r->peer) >= need;
}

uint8_t *ring_reserve(struct ring *r, uint32_t len)
{
	uint32_t at = r->head & (r->size - 1);
	uint32_t need, total;

	if (r->broken || len > FRAME_LEN_MAX)
		return NULL;
	need = record_size(len);
	r->skip = r->size - at < need ? r->size - at : 0;
	total = need + r->skip;
	if (!producer_has_room(r, total)) {
		if (!r->want_room || r->broken)
			return NULL;
		atomic_store_explicit(&r->shared->waiting, 1, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		if (!producer_has_room(r, total))
			return NULL;
		atomic_store_explicit(&r->shared->waiting, 0, memory_order_relaxed);
	}
	r->next = need;
	return r->data + (r->skip ? 0 : at) + sizeof(struct record_header);
}

void ring_commit(struct ring *r, uint32_t len, const struct frame_offload *offload, nsec_t time_ns)
{
	uint32_t at = r->head & (r->size - 1);
	struct record_header *h;

	if (!r->next || record_size(len) > r->next)
		return;
	if (r->skip) {
		((struct record_header *)(void *)(r->data + at))->len = RECORD_SKIP;
		r->head += r->skip;
		at = 0;
	}
	h = (struct record_header *)(void *)(r->data + at);
	*h = (struct record_header){
		.len = len,
		.flags = offload->flags,
		.gso_type = offload->gso_type,
		.hdr_len = offload->hdr_len,
		.gso_size = offload->gso_size,
		.csum_start = offload->csum_start,
		.csum_offset = offload->csum_offset,
		.time_ns = time_ns,
	};
	r->head += record_size(len);
	r->pending++;
	r->next = 0;
	r->skip = 0;
}

bool ring_publish(struct ring *r)
{
	if (!r->pending || r->broken)
		return false;
	r->pending = 0;
	atomic_store_explicit(&r->shared->head, r->head, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&r->shared->sleeping, memory_order_relaxed))
		return false;
	atomic_store_explicit(&r->shared->sleeping, 0, memory_order_relaxed);
	kick(r);
	return true;
}

/* ---- the consumer ------------------------------------------------------ */

/* Looks at the producer's cursor; true when there is something. */
static bool consumer_look(struct ring *r)
{
	uint32_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);

	if ((head & 7) || head - r->head > r->size) {
		r->broken = true;
		return false;
	}
	r->peer = head;
	return head != r->head;
}

bool ring_peek(struct ring *r, struct ring_record *ret_rec)
{
	const volatile struct record_header *h;
	uint32_t at, len, left;

	if (r->broken)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		if (r->head == r->peer && !consumer_look(r))
			return false;
		at = r->head & (r->size - 1);
		/* Below: what was published, up to the end of the data. Both are
		 * multiples of 8, so a length can always be read. */
		left = r->peer - r->head;
		if (left > r->size - at)
			left = r->size - at;
		h = (const volatile struct record_header *)(const void *)(r->data + at);
		len = h->len;
		if (len != RECORD_SKIP)
			break;
		if (at == 0 || left != r->size - at)
			goto broken;
		r->head += left;
	}
	if (len > FRAME_LEN_MAX || record_size(len) > left)
		goto broken;
	r->next = record_size(len);
	*ret_rec = (struct ring_record){
		.data = r->data + at + sizeof *h,
		.len = len,
		.offload = { h->flags, h->gso_type, h->hdr_len, h->gso_size, h->csum_start,
			     h->csum_offset },
		.time_ns = h->time_ns,
	};
	return true;
broken:
	r->broken = true;
	return false;
}

void ring_pop(struct ring *r)
{
	struct ring_record rec;

	if (!r->next && !ring_peek(r, &rec))
		return;
	r->head += r->next;
	r->next = 0;
}

void ring_release(struct ring *r)
{
	uint32_t head;

	if (r->broken)
		return;
	atomic_store_explicit(&r->shared->tail, r->head, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&r->shared->waiting, memory_order_relaxed))
		return;
	/* An emptied ring is told in any case: nothing else would. */
	head = atomic_load_explicit(&r->shared->head, memory_order_relaxed);
	if (head != r->head && head - r->head > r->size / 2)
		return;
	atomic_store_explicit(&r->shared->waiting, 0, memory_order_relaxed);
	kick(r);
}

bool ring_sleep(struct ring *r)
{
	if (r->broken)
		return true;
	atomic_store_explicit(&r->shared->sleeping, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (r->head == r->peer && !consumer_look(r))
		return true;
	ring_wake(r);
	return false;
}

void ring_wake(struct ring *r)
{
	if (!r->broken)
		atomic_store_explicit(&r->shared->sleeping, 0, memory_order_relaxed);
}

/* ---- saved state --------------------------------------------------------- */

/* Describes one record; loading, it is put into @writer. */
static void record_state(struct ring *writer, struct ring_record *rec, struct state *s, nsec_t now)
{
	uint8_t *room = NULL;

	/* A machine may write any time, also one from which now cannot be subtracted. */
	if (rec->time_ns < now - STATE_TIME_MAX || rec->time_ns > now + STATE_TIME_MAX)
		rec->time_ns = INT64_MIN;
	state_u32(s, &rec->len);
	state_time(s, &rec->time_ns, now);
	frame_offload_state(&rec->offload, s);
	if (!state_is_load(s)) {
		state_bytes(s, (uint8_t *)(uintptr_t)rec->data, rec->len);
		return;
	}
	if (state_ok(s))
		room = ring_reserve(writer, rec->len);
	state_expect(s, room, "more than a ring holds");
	if (!room)
		return;
	state_bytes(s, room, rec->len);
	if (state_ok(s))
		ring_commit(writer, rec->len, &rec->offload, rec->time_ns);
}

/* Writes the records that wait, no more than a ring holds: its writer is to have stopped, and may not have.
 * Returns false when one of them is malformed. */
static bool save_records(struct ring *reader, struct state *s, nsec_t now)
{
	const uint32_t start = reader->head;
	struct ring_record rec;
	bool more;

	do {
		more = reader->head - start < reader->size && ring_peek(reader, &rec);
		state_bool(s, &more);
		if (more)
			record_state(NULL, &rec, s, now);
		ring_pop(reader);
	} while (more);
	return !reader->broken;
}

static void load_records(struct ring *writer, struct state *s, nsec_t now)
{
	bool more = true;

	while (state_ok(s)) {
		struct ring_record rec = { 0 };

		state_bool(s, &more);
		if (!more)
			return;
		record_state(writer, &rec, s, now);
	}
}

/* One direction. @r: this side's end of it. The records are laid out anew from where the oldest
 * one lies, by the rule that laid them out at first. */
static void direction_state(struct ring *r, bool produces, struct state *s, nsec_t now)
{
	struct ring_shared *shared = r->shared;
	uint32_t tail = produces ? atomic_load(&shared->tail) : r->head;
	bool waiting = atomic_load(&shared->waiting), broken = r->broken;
	struct ring other = {
		.shared = shared, .data = r->data, .size = r->size, .head = tail, .peer = tail, .kick_fd = -1
	};

	assert(!r->pending);
	state_u32(s, &tail);
	state_expect(s, !(tail & 7), "a cursor between two records");
	state_bool(s, &waiting);
	state_u64(s, &r->n_kicks);
	if (!state_is_load(s)) {
		broken = !save_records(&other, s, now) || broken;
		state_bool(s, &broken);
		return;
	}
	other.head = other.peer = tail;
	atomic_store(&shared->tail, tail);
	atomic_store(&shared->head, tail);
	load_records(&other, s, now);
	state_bool(s, &broken);
	if (!state_ok(s))
		return;
	atomic_store(&shared->head, other.head);
	atomic_store(&shared->waiting, waiting);
	atomic_store(&shared->sleeping, 1); /* nobody looks yet */
	r->head = produces ? other.head : tail;
	r->peer = produces ? tail : other.head;
	r->pending = r->next = r->skip = 0;
	r->broken = broken;
}

void ring_pair_state(struct ring_pair *pair, struct state *s, nsec_t tx_now, nsec_t rx_now)
{
	state_same(s, pair->tx.size, "bytes of a ring");
	direction_state(&pair->tx, true, s, tx_now);
	direction_state(&pair->rx, false, s, rx_now);
	if (state_is_load(s) && state_ok(s) && pair->tx.head != pair->tx.peer)
		kick(&pair->tx);
}
