/* vmm/cpu/soft/interp/event.h: what event.c shares with the transfers of sys_*.c. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_EVENT_H
#define MUSTER_VMM_CPU_SOFT_INTERP_EVENT_H

#include "vmm/cpu/soft/soft.h"

/* A stack that is being built for a transfer: nothing of the processor
 * changes until the caller takes over @sp. */
enum { EVENT_FRAME_MAX = 16 * 8 + 40 * 4 };
struct event_stack {
	struct cpu_segment ss;
	uint64_t sp;
	uint8_t stack_size; /* 2, 4, 8 */
	uint8_t cpl; /* privilege of the store */
	uint32_t error; /* of #SS when it does not fit */
	size_t len; /* gathered so far */
	uint8_t bytes[EVENT_FRAME_MAX]; /* the last pushed at the end, filled backwards */
};

/* Starts on the current stack. */
void event_stack_current(const struct soft *s, struct event_stack *ret_st);
/* Gathers one value of @width bytes. */
void event_push(struct event_stack *st, unsigned width, uint64_t v);
/* Writes what was gathered in one all-or-nothing store and moves st->sp; raises #SS, #PF. */
void event_push_done(struct soft *s, struct event_stack *st);
/* @sp of @st written to RSP by the rules of its width. */
void event_stack_take(struct soft *s, const struct event_stack *st);

/* In the instruction that runs: was the stack segment used to make the address s->exc_lin? */
bool event_stack_was_used(struct soft *s);

#endif
