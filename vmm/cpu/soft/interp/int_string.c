/* vmm/cpu/soft/interp/int_string.c: MOVS, STOS, LODS, CMPS, SCAS with their repeats.
 *
 * A repeated instruction does a run of iterations at a time and, while the
 * counter is not 0, leaves RIP at itself: interrupts land between runs, a
 * fault finds the registers as of the last whole iteration. A run is one
 * instruction to the budget. How long it is follows from registers and page
 * bounds alone, so it is the same every time: to the end of either page where
 * both sides are plain RAM, else one iteration (MMIO, code pages, page-crossing
 * elements, segment bounds).
 *
 * REPE/REPNE CMPS and SCAS run at most SCAN_RUN iterations; the flags are
 * written when a run ends, so a fault within it finds the old ones.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 1 §7.3.9; vol. 2, REP. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

#include <string.h>

enum { SCAN_RUN = 256 };

/* One side of a string instruction. */
struct side {
	unsigned reg; /* CPU_RSI or CPU_RDI */
	unsigned seg;
	uint64_t off;
	uint64_t lin; /* of the element at off, checked */
};

static void side_set(struct soft *s, const struct insn *i, struct side *d, unsigned reg, bool is_write)
{
	d->reg = reg;
	d->seg = reg == CPU_RDI ? CPU_ES : i->seg;
	d->off = op_zx(s->r[reg], i->adsize);
	d->lin = soft_seg_access(s, d->seg, d->off, op_size(i), is_write);
}

static uint64_t count_get(const struct soft *s, const struct insn *i)
{
	return i->rep ? op_zx(s->r[CPU_RCX], i->adsize) : 1;
}

/* How many elements from @d on lie in its page (and, outside of 64-bit mode,
 * within segment and address size), at most @n; 1 at least. */
static uint64_t side_run(const struct soft *s, const struct insn *i, const struct side *d, uint64_t n)
{
	unsigned size = op_size(i);
	uint64_t in_page = d->lin & (MEM_PAGE_SIZE - 1), room;

	if (s->rflags & FLAG_TF) /* each iteration is stepped: SDM vol. 3 §17.3.1.4 */
		return 1;
	if (s->rflags & FLAG_DF) {
		room = in_page + size <= MEM_PAGE_SIZE ? in_page / size + 1 : 1;
		if (room > d->off / size + 1)
			room = d->off / size + 1;
		return n < room ? n : room;
	}
	room = (MEM_PAGE_SIZE - in_page) / size;
	if (s->mode != SOFT_MODE_64) {
		const struct cpu_segment *g = &s->seg[d->seg];
		uint64_t limit = i->adsize == 2 && g->limit > 0xFFFF ? 0xFFFF : g->limit;
		uint64_t left = d->off <= limit ? (limit - d->off + 1) / size : 0;

		room = room < left ? room : left;
	} else if (i->adsize == 4 && d->off + room * size > UINT32_MAX) {
		room = 1;
	}
	if (room == 0)
		room = 1;
	return n < room ? n : room;
}

static void side_move(struct soft *s, const struct insn *i, const struct side *d, uint64_t n)
{
	uint64_t bytes = n * op_size(i);

	reg_put(s, d->reg, i->adsize, s->rflags & FLAG_DF ? d->off - bytes : d->off + bytes);
}

/* Takes @n iterations off the counter; while some are left RIP stays here. */
static void count_took(struct soft *s, const struct insn *i, uint64_t n)
{
	uint64_t left;

	if (!i->rep)
		return;
	left = count_get(s, i) - n;
	reg_put(s, CPU_RCX, i->adsize, left);
	if (left)
		s->rip = s->insn_rip;
}

/* Copies @n elements as the instruction does, one after the other. */
static void copy_forward(uint8_t *dst, const uint8_t *src, size_t bytes, unsigned size)
{
	if (dst <= src || dst >= src + bytes) {
		memmove(dst, src, bytes);
		return;
	}
	for (size_t k = 0; k < bytes; k += size) {
		uint8_t element[8];

		memcpy(element, src + k, size);
		memcpy(dst + k, element, size);
	}
}

static void copy_backward(uint8_t *dst, const uint8_t *src, size_t bytes, unsigned size)
{
	for (size_t k = bytes; k >= size; k -= size) {
		uint8_t element[8];

		memcpy(element, src + k - size, size);
		memcpy(dst + k - size, element, size);
	}
}

void int_movs(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t n = count_get(s, i), back;
	bool down = s->rflags & FLAG_DF;
	struct side from, to;
	const uint8_t *src;
	uint8_t *dst;

	if (n == 0)
		return;
	side_set(s, i, &from, CPU_RSI, false);
	side_set(s, i, &to, CPU_RDI, true);
	n = side_run(s, i, &from, n);
	n = side_run(s, i, &to, n);
	back = down ? (n - 1) * size : 0;
	src = n > 1 ? mmu_host_read(s, from.lin - back, n * size) : NULL;
	dst = src ? mmu_host_write(s, to.lin - back, n * size) : NULL;
	if (dst) {
		/* Filling the one side's TLB entry never takes the other's host page away. */
		if (down)
			copy_backward(dst, src, n * size, size);
		else
			copy_forward(dst, src, n * size, size);
	} else {
		n = 1;
		mem_st(s, to.lin, size, mem_ld(s, from.lin, size));
	}
	side_move(s, i, &from, n);
	side_move(s, i, &to, n);
	count_took(s, i, n);
}

static void fill(uint8_t *dst, uint64_t v, size_t bytes, unsigned size)
{
	if (size == 1 || v == 0) {
		memset(dst, (int)(v & 0xFF), bytes);
		return;
	}
	for (size_t k = 0; k < bytes; k += size)
		memcpy(dst + k, &v, size);
}

void int_stos(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t n = count_get(s, i), back, v = op_zx(s->r[CPU_RAX], size);
	struct side to;
	uint8_t *dst;

	if (n == 0)
		return;
	side_set(s, i, &to, CPU_RDI, true);
	n = side_run(s, i, &to, n);
	back = s->rflags & FLAG_DF ? (n - 1) * size : 0;
	dst = n > 1 ? mmu_host_write(s, to.lin - back, n * size) : NULL;
	if (dst) {
		fill(dst, v, n * size, size);
	} else {
		n = 1;
		mem_st(s, to.lin, size, v);
	}
	side_move(s, i, &to, n);
	count_took(s, i, n);
}

void int_lods(struct soft *s, const struct insn *i)
{
	struct side from;

	if (count_get(s, i) == 0)
		return;
	side_set(s, i, &from, CPU_RSI, false);
	reg_put(s, CPU_RAX, op_size(i), mem_ld(s, from.lin, op_size(i)));
	side_move(s, i, &from, 1);
	count_took(s, i, 1);
}

/* SCAS compares the accumulator with ES:DI, CMPS DS:SI with ES:DI. */
static void scan(struct soft *s, const struct insn *i, bool is_cmps)
{
	unsigned size = op_size(i);
	uint64_t a = op_sx(s->r[CPU_RAX], size), b = 0, left = count_get(s, i);
	unsigned n_max = s->rflags & FLAG_TF ? 1 : SCAN_RUN;
	bool stop = false;
	struct side from, to;

	if (left == 0)
		return;
	for (unsigned k = 0; k < n_max && left && !stop; k++) {
		if (is_cmps) {
			side_set(s, i, &from, CPU_RSI, false);
			a = op_sx(mem_ld(s, from.lin, size), size);
		}
		side_set(s, i, &to, CPU_RDI, false);
		b = op_sx(mem_ld(s, to.lin, size), size);
		side_move(s, i, &to, 1);
		if (is_cmps)
			side_move(s, i, &from, 1);
		left--;
		if (i->rep) {
			reg_put(s, CPU_RCX, i->adsize, left);
			stop = (a == b) != (i->rep == 0xF3);
		}
	}
	cc_set(s, CC_SUB, op_sx(a - b, size), b, a);
	if (left && !stop)
		s->rip = s->insn_rip;
}

void int_cmps(struct soft *s, const struct insn *i)
{
	scan(s, i, true);
}

void int_scas(struct soft *s, const struct insn *i)
{
	scan(s, i, false);
}
