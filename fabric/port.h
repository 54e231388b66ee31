/* fabric/port.h: where frames enter and leave a network, and what a kind of port is.
 *
 * A port has three links and two books, which are the same for every kind. What lies
 * beyond it (a ring of shared memory, a service, a tap) is its kind's: one port_ops.
 *
 * Used by: the files of fabric/.   Depends on: core/element.h, shaping/link.h. */
#ifndef MUSTER_FABRIC_PORT_H
#define MUSTER_FABRIC_PORT_H

#include "core/element.h"
#include "core/ring.h"
#include "fabric/plan.h"
#include "shaping/link.h"

struct fabric;
struct state;
struct fabric_port;
struct station;
struct uplink_link;
struct services;

/* An input of an element, as what comes before it knows it. */
struct fabric_input {
	struct fabric *fabric;
	struct element *element;
	unsigned in;
};

/* A shaped link and which of its shape's two directions it has. */
enum fabric_link_role { FABRIC_ACCESS_UP, FABRIC_NETWORK, FABRIC_ACCESS_DOWN, FABRIC_ROLE_COUNT };
struct fabric_link {
	struct fabric *fabric;
	struct link *link; /* one of the fabric's elements, which own it */
	struct fabric_input input;
	bool is_up_dir;
	const struct fabric_plan_link *origin; /* the plan's */
	uint32_t mtu; /* for the default queue, bytes */
};

/* What lies beyond a port. Whatever is NULL is not needed by the kind. */
struct port_ops {
	const char *kind;
	/* Makes p->own of p->plan. Returns 0 or -errno. */
	int (*open)(struct fabric_port *p);
	/* Gives at most @max frames to fabric_port_enter(). Returns how many. NULL: nothing comes, ever. */
	unsigned (*drain)(struct fabric_port *p, unsigned max, nsec_t now);
	/* Takes @f over, to be beyond the port after publish(). Returns NOT_LOST, or why it is lost. */
	enum loss_reason (*put)(struct fabric_port *p, struct frame *f, nsec_t now);
	/* Shows the other side what was put. */
	void (*publish)(struct fabric_port *p);
	/* From now on the other side makes wait_fd() readable when it has something. Returns false when
	 * there is something already: the port stays awake. */
	bool (*sleep)(struct fabric_port *p);
	/* The end of that; without a sleep it does nothing. */
	void (*wake)(struct fabric_port *p);
	int (*wait_fd)(const struct fabric_port *p); /* borrowed; below 0: there is none */
	/* wait_fd() has had something new since the last time. */
	void (*kicked)(struct fabric_port *p);
	/* The port's carrier is another now, for the other side to see. */
	void (*carrier)(struct fabric_port *p, bool is_up);
	/* True once the other side wrote nonsense; the port is dead then. */
	bool (*is_broken)(const struct fabric_port *p);
	/* Describes what waits beyond the port, for saved state. @real: now by the other side's clock. */
	void (*state)(struct fabric_port *p, struct state *s, nsec_t now, nsec_t real);
	/* Describes what else belongs to the port, in sections of its own, which have its index for instance. */
	void (*sections)(struct fabric_port *p, struct state *s, nsec_t now);
	/* Bytes of memory that are held beyond the port. */
	uint64_t (*held_bytes)(const struct fabric_port *p);
	void (*close)(struct fabric_port *p); /* also when open() failed */
};

/* Where frames enter and leave a network. */
struct fabric_port {
	struct fabric *fabric;
	const struct fabric_plan_port *plan;
	const struct port_ops *ops;
	void *own; /* the kind's */
	size_t network;
	uint32_t index; /* on its network's switch */
	uint32_t mtu; /* of its network, bytes: what needs more is dropped where it enters */
	bool is_active; /* drained without being asked; else asleep */
	bool is_dirty; /* put into, not yet published */
	bool is_up; /* carrier, as the switch was told */
	bool lacks_peer; /* nobody is at the other side now: there is no carrier. open() and fabric_port_peer() say so */
	nsec_t last_entry_ns; /* when its last frame entered, by the fabric's time */
	struct fabric_input at_switch;
	struct fabric_link links[FABRIC_ROLE_COUNT];
	struct element_counters in; /* from beyond to the up link */
	struct element_counters out; /* from the down link to beyond */
};

/* Takes one frame in, copied from @rec, which is judged here. Its counters say what became of it. */
void fabric_port_enter(struct fabric_port *p, const struct ring_record *rec, nsec_t now);
/* The same for a frame that the fabric itself made, such as a service does; it is taken over. */
void fabric_port_enter_frame(struct fabric_port *p, struct frame *f, nsec_t now);
bool fabric_port_is_broken(const struct fabric_port *p);
/* The other side came or went: the port's carrier follows, and who watches the fabric is told. From within drain()
 * only. @why: of what went, for people; else NULL. */
void fabric_port_peer(struct fabric_port *p, bool is_there, const char *why, nsec_t now);

/* The port's publish() is wanted at the end of the step; put() says so by itself. */
void fabric_port_dirty(struct fabric_port *p);
/* Somebody who would have been another peer was sent away; who watches the fabric is told. @why: for people. */
void fabric_port_refused(struct fabric_port *p, const char *why);

/* The operations of a kind; borrowed. */
const struct port_ops *port_ops(enum fabric_port_kind kind);
extern const struct port_ops port_ring_ops; /* port_ring.c */
extern const struct port_ops port_stream_ops; /* port_stream.c */
extern const struct port_ops port_tap_ops; /* port_tap.c */
extern const struct port_ops port_service_ops; /* port_service.c */

/* The station of a service port, borrowed; NULL for other kinds. */
struct station *fabric_port_station(const struct fabric_port *p);
/* A service port's way to the uplink, borrowed; NULL for other kinds, and where there is none. */
struct uplink_link *fabric_port_uplink(const struct fabric_port *p);
/* Its services; in the same way. */
struct services *fabric_port_services(const struct fabric_port *p);
/* The fabric owns @e from now on and runs it when it says. Of its port kind's open() only: at most one a port. */
void fabric_add_element(struct fabric *f, struct element *e);
/* After anything was done to an element: its place among the events. */
void fabric_element_moved(struct fabric *f, struct element *e);

#endif
