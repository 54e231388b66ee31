/* vswitch/vswitch.c: the forwarding decision of a switch, a hub and a wire.
 *
 * switch: a frame to a known station goes to its port; to a group, a
 *   broadcast or an unknown station it goes to every other port that is up.
 *   Never back to where it came from. The source is learned; a frame whose
 *   source is a group address, or zero, is malformed. The addresses
 *   01-80-C2-00-00-00 to -0F belong to the link (BPDU, LACP, 802.1X, LLDP)
 *   and end here: LOSS_NO_PORT.
 * hub: everything to every other port that is up; nothing is learned.
 * wire: what enters one end leaves the other, whatever it is.
 *
 * VLAN tags are read for the key of the MAC table and left alone.
 *
 * Books: entered + copied = delivered + lost + queued at any instant, inside a
 * sink too: the frame a sink is given counts as delivered, the one that is
 * being flooded as queued until its last copy. Between two calls nothing is
 * queued. A copy for which there is no memory is lost as LOSS_MEMORY.
 *
 * Used by: the fabric.   Depends on: vswitch/fdb.h, core/{element,element_state}.h.
 * Sources: IEEE 802.1Q-2018 §8.6, §8.6.3 (reserved addresses), §8.8. */
#include "vswitch/vswitch.h"

#include "core/element_state.h"
#include "core/wire.h"
#include "vswitch/fdb.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { ETHERTYPE_VLAN = 0x8100, VID_MASK = 0xfff };

struct port {
	struct frame_sink sink;
	bool up;
};

struct vswitch {
	struct element element; /* first */
	enum vswitch_type type;
	uint32_t n_ports;
	struct frame_pool *pool; /* borrowed */
	struct fdb *fdb; /* VSWITCH_SWITCH only */
	struct element_counters counters;
	struct port ports[];
};

static nsec_t take(struct element *e, unsigned in, struct frame *f, nsec_t now);

static const struct element_counters *op_counters(const struct element *e)
{
	return vswitch_counters((const struct vswitch *)e);
}

static struct element *op_free(struct element *e)
{
	vswitch_free((struct vswitch *)e);
	return NULL;
}

static void op_state(struct element *e, struct state *s, nsec_t now)
{
	vswitch_state((struct vswitch *)e, s, now);
}

static const struct element_ops vswitch_ops = {
	.type = "switch",
	.take = take,
	.state = op_state,
	.counters = op_counters,
	.free = op_free,
};

struct element *vswitch_element(struct vswitch *sw)
{
	return &sw->element;
}

int vswitch_new(enum vswitch_type type, uint32_t n_ports, uint64_t salt, struct frame_pool *pool,
		struct vswitch **ret_vswitch)
{
	struct vswitch *sw;

	if (type == VSWITCH_WIRE && n_ports != 2)
		return -EINVAL;
	sw = calloc(1, sizeof *sw + n_ports * sizeof sw->ports[0]);
	if (!sw)
		return -ENOMEM;
	if (type == VSWITCH_SWITCH && fdb_new(n_ports, salt, &sw->fdb) < 0) {
		free(sw);
		return -ENOMEM;
	}
	element_init(&sw->element, &vswitch_ops);
	sw->type = type;
	sw->n_ports = n_ports;
	sw->pool = pool;
	for (uint32_t i = 0; i < n_ports; i++)
		sw->ports[i].up = true;
	*ret_vswitch = sw;
	return 0;
}

struct vswitch *vswitch_free(struct vswitch *sw)
{
	if (!sw)
		return NULL;
	fdb_free(sw->fdb);
	free(sw);
	return NULL;
}

void vswitch_set_output(struct vswitch *sw, uint32_t port, const struct frame_sink *sink)
{
	assert(port < sw->n_ports);
	sw->ports[port].sink = *sink;
}

void vswitch_set_link(struct vswitch *sw, uint32_t port, bool up)
{
	assert(port < sw->n_ports);
	sw->ports[port].up = up;
	if (!up && sw->fdb)
		fdb_flush_port(sw->fdb, port);
}

static void lose(struct vswitch *sw, struct frame *f, enum loss_reason why)
{
	sw->counters.lost_frames[why]++;
	frame_free(f);
}

static void deliver(struct vswitch *sw, uint32_t port, struct frame *f, nsec_t now)
{
	if (!sw->ports[port].up) {
		lose(sw, f, LOSS_DOWN);
		return;
	}
	sw->counters.delivered_frames++;
	sw->counters.delivered_bytes += f->len;
	frame_sink_put(&sw->ports[port].sink, f, now);
}

/* To every port that is up but @from. The last one gets @f itself. */
static void flood(struct vswitch *sw, uint32_t from, struct frame *f, nsec_t now)
{
	uint32_t last = UINT32_MAX;

	sw->counters.queued_frames++;
	sw->counters.queued_bytes += f->len;
	for (uint32_t i = 0; i < sw->n_ports; i++) {
		struct frame *copy;

		if (i == from || !sw->ports[i].up)
			continue;
		if (last != UINT32_MAX) {
			sw->counters.copied_frames++;
			copy = frame_copy(sw->pool, f);
			if (copy)
				deliver(sw, last, copy, now);
			else
				sw->counters.lost_frames[LOSS_MEMORY]++;
		}
		last = i;
	}
	sw->counters.queued_frames--;
	sw->counters.queued_bytes -= f->len;
	if (last == UINT32_MAX)
		lose(sw, f, LOSS_NO_PORT);
	else
		deliver(sw, last, f, now);
}

/* Bridges never pass these on (802.1Q-2018 §8.6.3, table 8-1). */
static bool is_reserved(const struct mac_addr *dst)
{
	return dst->b[0] == 0x01 && dst->b[1] == 0x80 && dst->b[2] == 0xc2 && dst->b[3] == 0 &&
	       dst->b[4] == 0 && dst->b[5] <= 0x0f;
}

static bool is_zero(const struct mac_addr *m)
{
	return !(m->b[0] | m->b[1] | m->b[2] | m->b[3] | m->b[4] | m->b[5]);
}

static void switch_frame(struct vswitch *sw, uint32_t port, struct frame *f, nsec_t now)
{
	struct mac_addr dst, src;
	uint16_t vid = 0;
	uint32_t out;

	memcpy(dst.b, f->data, MAC_LEN);
	memcpy(src.b, f->data + MAC_LEN, MAC_LEN);
	if (mac_is_multicast(&src) || is_zero(&src)) {
		lose(sw, f, LOSS_MALFORMED);
		return;
	}
	if (f->len >= ETH_HEADER_LEN + 4 && load_be16(f->data + 12) == ETHERTYPE_VLAN)
		vid = load_be16(f->data + 14) & VID_MASK;
	fdb_learn(sw->fdb, &src, vid, port, now);
	if (is_reserved(&dst))
		lose(sw, f, LOSS_NO_PORT);
	else if (mac_is_multicast(&dst) || fdb_lookup(sw->fdb, &dst, vid, now, &out) < 0)
		flood(sw, port, f, now);
	else if (out == port)
		lose(sw, f, LOSS_NO_PORT); /* it has been heard there already */
	else
		deliver(sw, out, f, now);
}

static nsec_t take(struct element *e, unsigned port, struct frame *f, nsec_t now)
{
	struct vswitch *sw = (struct vswitch *)e;

	assert(port < sw->n_ports);
	sw->counters.entered_frames++;
	sw->counters.entered_bytes += f->len;
	if (f->len < ETH_HEADER_LEN) {
		lose(sw, f, LOSS_MALFORMED);
		return NSEC_NEVER;
	}
	if (!sw->ports[port].up) {
		lose(sw, f, LOSS_DOWN);
		return NSEC_NEVER;
	}
	switch (sw->type) {
	case VSWITCH_SWITCH: switch_frame(sw, port, f, now); break;
	case VSWITCH_WIRE: deliver(sw, 1 - port, f, now); break;
	case VSWITCH_HUB:
	default: flood(sw, port, f, now); break;
	}
	return NSEC_NEVER;
}

void vswitch_take(struct vswitch *sw, uint32_t port, struct frame *f, nsec_t now)
{
	(void)take(&sw->element, port, f, now);
}

const struct element_counters *vswitch_counters(const struct vswitch *sw)
{
	return &sw->counters;
}

size_t vswitch_n_stations(const struct vswitch *sw)
{
	return sw->fdb ? fdb_count(sw->fdb) : 0;
}

void vswitch_state(struct vswitch *sw, struct state *s, nsec_t now)
{
	state_same(s, (uint64_t)sw->type, "a network's type");
	state_same(s, sw->n_ports, "a network's ports");
	for (uint32_t i = 0; i < sw->n_ports && state_ok(s); i++)
		state_bool(s, &sw->ports[i].up);
	element_counters_state(&sw->counters, s);
	state_expect(s, element_counters_balance(&sw->counters), "counters that do not balance");
	if (sw->fdb && state_ok(s))
		fdb_state(sw->fdb, s, now);
}
