/* fabric/process.h: the process in which a team's elements run: rings, switches
 * and links, on one loop.
 *
 * Control messages on control_fd (each request has "id", the answer repeats
 * it: {"id":N,"ok":true,...} or {"id":N,"ok":false,"error":"text"}):
 *   {"id":N,"do":"link-show","network":I} or {"port":I}
 *       -> "links":[{"port":NAME,"dir":"up|down","shape":{..},"counters":{..},"up":true,
 *                     "ring":{..} (a port's own links: counters between its far end and the link),
 *                     "state":{"nic":"up|down","network":..,"direction":..,"carrier":true}}]
 *   {"id":N,"do":"link-set","network":I | "port":I,"dir":"up|down|both","up":SHAPE,"down":SHAPE}
 *     whole shapes, as core/shape.h has them, for the directions that "dir" names
 *   {"id":N,"do":"link-reset", ...} {"id":N,"do":"link-state", ...,"up":BOOL,"flap":BOOL}
 *     link-state is one word about the target (fabric/link_state.h); "flap" with "up" is
 *     the end of a flap, which opens what the flap closed and nothing else.
 *     set and reset answer as link-show does. A network's link of a port is that
 *     towards the port; its "dir" is the network shape's direction that it has:
 *     "down" for the network's first port in the plan, "up" for the others.
 *   {"id":N,"do":"counters"} -> whole books of every network and port
 *   {"id":N,"do":"pause"} {"id":N,"do":"resume"}: frames stay where they are
 *   {"id":N,"do":"quit"}: answers, then ends
 * And, without being asked, of ports whose other side comes and goes:
 *   {"event":"peer","port":I,"there":BOOL,"why":TEXT,"untold":N}
 *     "why" says why it went. "untold" is how many such events were left out before
 *     this one: of many in a short time, one a second is told.
 * When control_fd ends, the fabric ends. */
#ifndef MUSTER_FABRIC_PROCESS_H
#define MUSTER_FABRIC_PROCESS_H

#include "fabric/plan.h"

struct fabric_config {
	const struct fabric_plan *plan; /* borrowed */
	int control_fd;
	bool cell; /* the process is locked, for good, once all is set up (core/sandbox.h) */
};

/* What a fabric may map beyond what it has when it is set up: @frames_bytes, their heap's gaps, and messages. Bytes. */
uint64_t fabric_memory_max(uint64_t frames_bytes);

/* Runs the fabric until its control socket ends or a "quit". Returns an exit status. */
int fabric_run(const struct fabric_config *cfg);

#endif
