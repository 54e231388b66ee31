/* tests/fabric/services_rig.c: a network with services, and guests who ask. */
#include "tests/fabric/services_rig.h"

#include "core/bytes.h"
#include "core/element_state.h"
#include "core/state.h"
#include "fabric/station.h"
#include "tests/fabric/shares.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

enum { DISCARD_TTL = 64, MSG_MIN = 300 };

static const struct mac_addr service_mac = { { 2, 0, 0, 0, 0, 0xfe } };
static const struct mac_addr all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

struct mac_addr net_mac(size_t guest)
{
	return (struct mac_addr){ { 2, 0, 0, 0, 0, (uint8_t)(guest + 1) } };
}

struct ip_addr net_ip(const char *text)
{
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

/* ---- the world --------------------------------------------------------------------- */

static struct fabric_plan_client clients[2];
static struct ip_addr beta_address;
static struct fabric_plan_name names[2];
static uint32_t dns_server;

static void init_service(struct net *w)
{
	clients[0] = (struct fabric_plan_client){ net_mac(1), "beta" };
	clients[1] = (struct fabric_plan_client){ net_mac(0), "alpha" };
	beta_address = net_ip("10.0.0.3");
	names[0] = (struct fabric_plan_name){ .name = "alpha" };
	names[1] = (struct fabric_plan_name){ .name = "beta", .addresses = &beta_address, .n_addresses = 1 };
	w->range = (struct lease_range){ 0x0a000080, 0x0a0000bf };
	dns_server = 0x0a000001;
	w->dhcp4 = (struct dhcp4_config){ .server = 0x0a000001,
					  .prefix_len = 24,
					  .leases = { .ranges = &w->range,
						      .n_ranges = 1,
						      .offer_ns = 30 * NSEC_PER_SEC,
						      .quarantine_ns = 60 * NSEC_PER_SEC },
					  .lease_s = 120,
					  .dns = &dns_server,
					  .n_dns = 1,
					  .domain = "lab.test",
					  .mtu = 1500 };
	w->service = (struct fabric_plan_service){ .mac = service_mac,
						   .ipv4 = net_ip("10.0.0.1/24"),
						   .has_ipv6 = true,
						   .clients = clients,
						   .n_clients = 2,
						   .dhcp4 = &w->dhcp4,
						   .domain = "lab.test",
						   .names = names,
						   .n_names = 2 };
}

void net_init(struct net *w)
{
	static const char *const port_names[NET_PORTS] = { "a.eth0", "b.eth0", "c.eth0", "lan.service" };

	memset(w, 0, sizeof *w);
	w->network = (struct fabric_plan_network){ .name = "lan", .type = VSWITCH_SWITCH, .mtu = 1500 };
	init_service(w);
	for (size_t i = 0; i < NET_PORTS; i++)
		w->ports[i] = (struct fabric_plan_port){ .name = port_names[i],
							 .stream = port_names[i],
							 .mtu = 1500,
							 .kind = i == NET_SERVICE ? FABRIC_PORT_SERVICE :
										    FABRIC_PORT_RING,
							 .rings = &w->fds[i],
							 .service = &w->service };
	w->ports[0].up.shape.delay_ns = 3 * NSEC_PER_MSEC;
	w->plan = (struct fabric_plan){ .name = "t",
					.seed = 1,
					.networks = &w->network,
					.n_networks = 1,
					.ports = w->ports,
					.n_ports = NET_PORTS };
	w->now = NSEC_PER_SEC;
}

void net_begin(struct net *w)
{
	for (size_t i = 0; i < NET_PORTS; i++)
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &w->fds[i]), 0);
	plan_shares(&w->plan);
	ck_assert_int_eq(fabric_new(&w->plan, &w->fabric), 0);
}

void net_attach(struct net *w)
{
	for (size_t i = 0; i < NET_PORTS; i++)
		ck_assert_int_eq(ring_pair_attach(&w->fds[i], RING_MACHINE, &w->machines[i]), 0);
}

void net_forget(struct net *w)
{
	for (size_t i = 0; i < w->n_seen; i++)
		free(w->seen[i].data);
	w->n_seen = 0;
}

void net_done(struct net *w)
{
	w->fabric = fabric_free(w->fabric); /* asserts that every frame came back */
	for (size_t i = 0; i < NET_PORTS; i++) {
		ring_pair_detach(&w->machines[i]);
		ring_pair_close(&w->fds[i]);
	}
	net_forget(w);
}

static void put32(FILE *f, uint32_t v)
{
	(void)fwrite(&v, sizeof v, 1, f);
}

static void to_pcap(const struct net_seen *s)
{
	const char *path = getenv("MUSTER_PCAP");
	FILE *f = path ? fopen(path, "a") : NULL;

	if (!f)
		return;
	if (ftell(f) == 0) {
		put32(f, 0xa1b2c3d4);
		put32(f, 2 | 4 << 16);
		put32(f, 0);
		put32(f, 0);
		put32(f, 65535);
		put32(f, 1);
	}
	put32(f, (uint32_t)(s->at / NSEC_PER_SEC));
	put32(f, (uint32_t)(s->at % NSEC_PER_SEC / 1000));
	put32(f, s->len);
	put32(f, s->len);
	(void)fwrite(s->data, 1, s->len, f);
	(void)fclose(f);
}

static void receive(struct net *w)
{
	for (size_t i = 0; i < NET_GUESTS; i++) {
		struct ring_record rec;

		while (ring_peek(&w->machines[i].rx, &rec)) {
			struct net_seen *s = &w->seen[w->n_seen++];

			ck_assert_uint_le(w->n_seen, NET_SEEN_MAX);
			*s = (struct net_seen){ i, rec.time_ns, rec.len, malloc(rec.len) };
			memcpy(s->data, rec.data, rec.len);
			to_pcap(s);
			ring_pop(&w->machines[i].rx);
		}
		ring_release(&w->machines[i].rx);
	}
}

void net_run(struct net *w, nsec_t span)
{
	nsec_t until = w->now + span;

	for (;;) {
		while (fabric_step(w->fabric, w->now))
			;
		receive(w);
		if (fabric_next(w->fabric) > until)
			break;
		w->now = nsec_max(w->now, fabric_next(w->fabric));
	}
	w->now = until;
}

void net_check(const struct net *w)
{
	const struct fabric *f = w->fabric;

	for (size_t i = 0; i < f->n_ports; i++) {
		ck_assert(element_counters_balance(&f->ports[i].in));
		ck_assert(element_counters_balance(&f->ports[i].out));
	}
	for (size_t i = 0; i < f->n_elements; i++)
		ck_assert(element_counters_balance(element_counters(f->elements[i])));
}

/* ---- what guests send ---------------------------------------------------------------- */

static void give(struct net *w, size_t guest, const uint8_t *data, const struct wire_writer *writer)
{
	struct frame_offload none = { 0 };
	uint32_t len = (uint32_t)wire_put_len(writer);
	uint8_t *room = ring_reserve(&w->machines[guest].tx, len);

	ck_assert(!writer->failed);
	ck_assert_ptr_nonnull(room);
	memcpy(room, data, len);
	ring_commit(&w->machines[guest].tx, len, &none, w->now);
	(void)ring_publish(&w->machines[guest].tx);
}

static uint16_t ethertype_of(const struct packet_ip *ip)
{
	return ip->src.family == IP_V4 ? ETYPE_IPV4 : ETYPE_IPV6;
}

void net_udp(struct net *w, size_t guest, const struct mac_addr *mac, const struct mac_addr *dst_mac,
	     const struct packet_ip *ip, uint16_t src_port, uint16_t dst_port, const void *payload, size_t len)
{
	uint8_t buf[NET_BUF];
	struct wire_writer writer = wire_write_to(buf, sizeof buf);

	packet_put_eth(&writer, dst_mac, mac, ethertype_of(ip));
	packet_put_ip_udp(&writer, ip, src_port, dst_port, payload, len);
	give(w, guest, buf, &writer);
}

void net_icmp6(struct net *w, size_t guest, const struct mac_addr *mac, const struct mac_addr *dst_mac,
	       const struct packet_ip *ip, uint8_t type, uint8_t code, uint32_t rest, const void *payload, size_t len)
{
	uint8_t buf[NET_BUF];
	struct wire_writer writer = wire_write_to(buf, sizeof buf);

	packet_put_eth(&writer, dst_mac, mac, ETYPE_IPV6);
	packet_put_ip(&writer, ip, PACKET_ICMP_LEN + len);
	packet_put_icmp(&writer, ip, type, code, rest, payload, len);
	give(w, guest, buf, &writer);
}

void net_tcp(struct net *w, size_t guest, const struct packet_ip *ip, const struct packet_tcp *tcp, const void *payload,
	     size_t len)
{
	struct mac_addr mac = net_mac(guest);
	uint8_t buf[NET_BUF];
	struct wire_writer writer = wire_write_to(buf, sizeof buf);

	packet_put_eth(&writer, &service_mac, &mac, ethertype_of(ip));
	packet_put_ip(&writer, ip, PACKET_TCP_LEN + tcp->options_len + len);
	packet_put_tcp(&writer, ip, tcp, payload, len);
	give(w, guest, buf, &writer);
}

void net_arp(struct net *w, size_t guest, const struct ip_addr *sender)
{
	struct packet_arp arp = {
		.op = 1, .sender_mac = net_mac(guest), .sender = *sender, .target = w->service.ipv4
	};
	uint8_t buf[NET_BUF];
	struct wire_writer writer = wire_write_to(buf, sizeof buf);

	packet_put_eth(&writer, &all, &arp.sender_mac, ETYPE_ARP);
	packet_put_arp(&writer, &arp);
	give(w, guest, buf, &writer);
}

/* ---- DHCP ------------------------------------------------------------------------------ */

static void put_option(struct wire_writer *w, uint8_t code, const void *data, size_t len)
{
	wire_put_u8(w, code);
	wire_put_u8(w, (uint8_t)len);
	wire_put_bytes(w, data, len);
}

static void put_option_u32(struct wire_writer *w, uint8_t code, uint32_t v)
{
	uint8_t b[4];

	store_be32(b, v);
	if (v)
		put_option(w, code, b, sizeof b);
}

static size_t dhcp_bytes(const struct net_dhcp *m, uint8_t *buf, size_t size)
{
	struct wire_writer w = wire_write_to(buf, size);
	uint8_t type = (uint8_t)m->type;

	memset(buf, 0, size);
	wire_put_be32(&w, 0x01010600);
	wire_put_be32(&w, 0x12345678);
	wire_put_be16(&w, 0);
	wire_put_be16(&w, m->broadcast ? DHCP4_FLAG_BROADCAST : 0);
	wire_put_be32(&w, m->ciaddr);
	(void)wire_put(&w, 8);
	wire_put_be32(&w, m->giaddr);
	wire_put_bytes(&w, m->mac.b, MAC_LEN);
	(void)wire_put(&w, DHCP4_HEAD_LEN - 34);
	wire_put_be32(&w, 0x63825363);
	put_option(&w, DHCP4_MESSAGE_TYPE, &type, 1);
	if (m->id)
		put_option(&w, DHCP4_CLIENT_ID, m->id, strlen(m->id));
	if (m->hostname)
		put_option(&w, DHCP4_HOSTNAME, m->hostname, strlen(m->hostname));
	put_option_u32(&w, DHCP4_WANTED_ADDRESS, m->wanted);
	put_option_u32(&w, DHCP4_SERVER_ID, m->server_id);
	put_option(&w, DHCP4_PARAMETERS, "\1\3\6\17\32", 5);
	wire_put_u8(&w, DHCP4_END);
	return wire_put_len(&w) < MSG_MIN ? MSG_MIN : wire_put_len(&w);
}

void net_dhcp(struct net *w, size_t guest, const struct net_dhcp *m)
{
	struct packet_ip ip = { .src = net_ip("0.0.0.0"), .dst = net_ip("255.255.255.255"), .ttl = DISCARD_TTL };
	struct mac_addr mac = net_mac(guest);
	bool is_unicast = m->giaddr || m->ciaddr;
	uint8_t buf[NET_BUF / 2];
	size_t len = dhcp_bytes(m, buf, sizeof buf);

	if (is_unicast) {
		store_be32(ip.src.b, m->giaddr ? m->giaddr : m->ciaddr);
		ip.dst = net_ip("10.0.0.1");
	}
	net_udp(w, guest, &mac, is_unicast ? &service_mac : &all, &ip, m->giaddr ? 67 : 68, 67, buf, len);
}

bool net_dhcp_reply(const struct net *w, size_t guest, struct dhcp4_msg *ret, struct packet *ret_packet)
{
	for (size_t i = w->n_seen; i-- > 0;) {
		const struct net_seen *s = &w->seen[i];

		if (s->guest != guest || packet_parse_bytes(s->data, s->len, ret_packet) != PACKET_OK ||
		    ret_packet->proto != PROTO_UDP || ret_packet->src_port != 67)
			continue;
		ck_assert(packet_checksums_ok(ret_packet));
		ck_assert(load_be16(s->data + ret_packet->l4 + 6) != 0); /* the checksum is there, whole */
		ck_assert_int_eq(dhcp4_read(s->data + ret_packet->payload, ret_packet->payload_len, ret), DHCP4_GOOD);
		return true;
	}
	return false;
}

uint32_t net_lease(struct net *w, size_t guest, const struct mac_addr *mac, const char *id, const char *hostname)
{
	struct net_dhcp m = { .type = DHCP4_DISCOVER, .mac = *mac, .id = id, .hostname = hostname };
	struct dhcp4_msg reply;
	struct packet p;

	net_forget(w);
	net_dhcp(w, guest, &m);
	net_run(w, 50 * NSEC_PER_MSEC);
	if (!net_dhcp_reply(w, guest, &reply, &p) || reply.type != DHCP4_OFFER)
		return 0;
	m.type = DHCP4_REQUEST;
	m.wanted = reply.head.yiaddr;
	(void)dhcp4_option_u32(&reply, DHCP4_SERVER_ID, &m.server_id);
	net_forget(w);
	net_dhcp(w, guest, &m);
	net_run(w, 50 * NSEC_PER_MSEC);
	if (!net_dhcp_reply(w, guest, &reply, &p) || reply.type != DHCP4_ACK)
		return 0;
	return reply.head.yiaddr;
}

/* ---- DNS -------------------------------------------------------------------------------- */

size_t net_query(const char *name, uint16_t type, uint8_t *buf)
{
	struct dns_question q = { .type = type, .class = DNS_CLASS_IN };
	struct dns_writer d;

	ck_assert_ptr_null(dns_name_parse(name, DNS_NAME_RECORD, &q.name));
	dns_write_begin(&d, buf, NET_BUF, 0x4711, DNS_RD);
	ck_assert(dns_write_question(&d, &q));
	return dns_write_end(&d);
}

static void record_text(struct dns_reader *d, const struct dns_rr *rr, char *ret)
{
	struct ip_addr ip = { .family = rr->type == DNS_A ? IP_V4 : IP_V6, .prefix_len = 128 };
	struct dns_name name;

	if (rr->type == DNS_A || rr->type == DNS_AAAA) {
		memcpy(ip.b, d->msg + rr->rdata_at, rr->type == DNS_A ? 4 : 16);
		(void)ip_str_bare(&ip, ret);
	} else if (rr->type == DNS_PTR) {
		struct dns_reader at = dns_read_from(d->msg, d->len);

		(void)wire_get(&at.r, rr->rdata_at);
		ck_assert(dns_get_name(&at, &name));
		(void)dns_name_text(&name, ret);
	}
}

static int read_answer(const uint8_t *msg, size_t len, char *ret_text)
{
	struct dns_reader d = dns_read_from(msg, len);
	struct dns_question q;
	struct dns_header h;
	struct dns_rr rr;

	ck_assert(dns_get_header(&d, &h) && dns_get_question(&d, &q));
	ck_assert_uint_eq(h.id, 0x4711);
	if (ret_text)
		ret_text[0] = 0;
	if (ret_text && h.n_answer) {
		ck_assert(dns_get_rr(&d, &rr));
		record_text(&d, &rr, ret_text);
	}
	return h.flags & DNS_RCODE_MASK;
}

int net_ask(struct net *w, size_t guest, const char *from, const char *name, uint16_t type, char *ret_text)
{
	struct packet_ip ip = { .src = net_ip(from), .ttl = DISCARD_TTL };
	struct mac_addr mac = net_mac(guest);
	uint8_t buf[NET_BUF];
	size_t len = net_query(name, type, buf);
	struct packet p;

	ip.dst = ip.src.family == IP_V4 ? net_ip("10.0.0.1") : station_link_local(&service_mac);
	net_forget(w);
	net_udp(w, guest, &mac, &service_mac, &ip, 5353, 53, buf, len);
	net_run(w, 50 * NSEC_PER_MSEC);
	for (size_t i = 0; i < w->n_seen; i++) {
		const struct net_seen *s = &w->seen[i];

		if (s->guest != guest || packet_parse_bytes(s->data, s->len, &p) != PACKET_OK ||
		    p.proto != PROTO_UDP || p.src_port != 53)
			continue;
		ck_assert(packet_checksums_ok(&p));
		ck_assert_uint_eq(p.dst_port, 5353);
		ck_assert(ip_equal(&p.src, &ip.dst));
		return read_answer(s->data + p.payload, p.payload_len, ret_text);
	}
	return -1;
}

/* ---- saved state ---------------------------------------------------------------------------- */

void net_save(struct net *w, struct bytes *ret)
{
	struct state *s = NULL;
	const uint8_t *p;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	fabric_state(w->fabric, s, w->now);
	ck_assert_int_eq(state_finish(s), 0);
	p = state_data(s, &len);
	ck_assert_uint_le(len, fabric_state_max(&w->plan));
	ret->len = 0;
	bytes_append(ret, p, len);
	(void)state_free(s);
}

char *net_load(struct net *w, const struct bytes *b)
{
	struct state *s = NULL;
	char *why = NULL;
	int r = state_load_new(b->data, b->len, &s, &why);

	if (r < 0)
		return why;
	fabric_state(w->fabric, s, w->now);
	if (state_finish(s) < 0)
		why = str_dup(state_why(s) ? state_why(s) : "?");
	(void)state_free(s);
	return why;
}
