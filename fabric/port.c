/* fabric/port.c: the table of the kinds of port, and the kind that leads nowhere.
 *
 * Used by: fabric/fabric.c.   Depends on: fabric/port_*.c. */
#include "fabric/port.h"

static enum loss_reason put_nowhere(struct fabric_port *p, struct frame *f, nsec_t now)
{
	(void)p;
	(void)now;
	frame_free(f);
	return LOSS_NO_PORT;
}

static const struct port_ops port_none_ops = { .kind = "none", .put = put_nowhere };

const struct port_ops *port_ops(enum fabric_port_kind kind)
{
	static const struct port_ops *const kinds[FABRIC_PORT_KIND_COUNT] = {
		[FABRIC_PORT_NONE] = &port_none_ops,
		[FABRIC_PORT_RING] = &port_ring_ops,
		[FABRIC_PORT_STREAM] = &port_stream_ops,
		[FABRIC_PORT_TAP] = &port_tap_ops,
		[FABRIC_PORT_SERVICE] = &port_service_ops,
	};

	return kinds[kind];
}

bool fabric_port_is_broken(const struct fabric_port *p)
{
	return p->ops->is_broken && p->ops->is_broken(p);
}
