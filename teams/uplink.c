/* teams/uplink.c: the supervisor's side of the uplink: the process with the host's sockets (nat/uplink.h).
 *
 * What needs a right is opened before the supervisor's cell and kept: listeners, low ports, raw sockets for echo. Each
 * start of the process inherits them. Before each start the host's own addresses are gathered, since a guest may not
 * reach them. The rings stay the same, so the fabric does not notice. Leases that DHCP gave are the fabric's to
 * tell, and it is asked to; addresses that the file names are told at the start.
 *
 * Used by: supervisor.c, status.c, uplink_requests.c.   Depends on: forwards.c, host_addrs.c, side_process.c, spawn.c,
 * nat/uplink.h.
 * Sources: icmp(7), ping_group_range of ip-sysctl.rst. */
#include "teams/uplink.h"

#include "core/bytes.h"
#include "core/log.h"
#include "core/rpc.h"
#include "nat/uplink.h"
#include "teams/calls.h"
#include "teams/host_addrs.h"
#include "teams/host_lack.h"
#include "teams/side_process.h"
#include "teams/spawn.h"
#include "teams/uplink_dns.h"
#include "teams/uplink_tftp.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	RESOLV_CONF_MAX = 64 << 10, /* bytes */
	/* Groups that a process of root in a cell may be (core/sandbox.c: USER_BASE, and numbers below 2^22). */
	CELL_GROUP_FIRST = 0x70000000,
	CELL_GROUP_LAST = CELL_GROUP_FIRST + (1 << 22),
};

bool sup_has_uplink(const struct team *team)
{
	for (size_t i = 0; i < team->n_networks; i++)
		if (team->networks[i].services.uplink)
			return true;
	return false;
}

int sup_uplink_network(const struct supervisor *sup, size_t network)
{
	for (size_t i = 0; sup->uplink && i < sup->n_uplink_rings; i++)
		if (sup->uplink->networks[i] == network)
			return (int)i;
	return -1;
}

/* ---- what needs rights ------------------------------------------------------------- */

/* Whether the kernel gives ping sockets to the uplink's process. Its group is another than that of root here. */
static bool pings(void)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	unsigned long first = 1, last = 0;
	gid_t own = getegid();

	if (file_read_all("/proc/sys/net/ipv4/ping_group_range", 100, &text) < 0 || text.len == 0 ||
	    sscanf((char *)text.data, "%lu %lu", &first, &last) != 2)
		return false;
	if (geteuid() == 0)
		return first <= CELL_GROUP_FIRST && last >= CELL_GROUP_LAST;
	return first <= own && own <= last;
}

static void open_echo(struct sup_uplink *u)
{
	if (pings())
		return;
	u->raw_icmp_fd[0] = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
	u->raw_icmp_fd[1] = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	if (u->raw_icmp_fd[0] < 0)
		log_info("uplink: guests' echo requests are not passed on: this host has neither ping sockets nor raw "
			 "ones for its user (sysctl -w net.ipv4.ping_group_range=\"0 2147483647\")");
}

int sup_open_uplink(struct supervisor *sup, char **ret_why)
{
	struct sup_uplink *u;
	bool lacks = false;
	int r;

	if (!sup_has_uplink(sup->team))
		return 0;
	u = calloc(1, sizeof *u);
	if (!u)
		return -ENOMEM;
	*u = (struct sup_uplink){ .sup = sup, .addrs_fd = host_addrs_open(), .raw_icmp_fd = { -1, -1 } };
	sup->uplink = u;
	if (u->addrs_fd < 0)
		log_warn("uplink: this host's own addresses cannot be asked for: %s", strerror(-u->addrs_fd));
	open_echo(u);
	r = forwards_open(sup->team, &u->forwards, &lacks, ret_why);
	if (lacks)
		sup->end_status = HOST_LACK_STATUS;
	if (r < 0)
		sup_close_uplink(sup);
	return r;
}

void sup_close_uplink(void *ctx)
{
	struct supervisor *sup = ctx;
	struct sup_uplink *u = take_ptr(sup->uplink);

	if (!u)
		return;
	forwards_close(&u->forwards);
	cleanup_fd(&u->addrs_fd);
	for (int i = 0; i < 2; i++)
		cleanup_fd(&u->raw_icmp_fd[i]);
	free(u->networks);
	free(u);
	for (size_t i = 0; i < sup->n_uplink_rings; i++)
		ring_pair_close(&sup->uplink_rings[i]);
	free(sup->uplink_rings);
	sup->uplink_rings = NULL;
	sup->n_uplink_rings = 0;
}

/* ---- rings ------------------------------------------------------------------------- */

static void join_station(struct supervisor *sup, size_t network, const struct ring_pair_fds *rings)
{
	for (size_t i = 0; i < sup->plan->n_ports; i++)
		if (sup->plan->ports[i].kind == FABRIC_PORT_SERVICE && sup->plan->ports[i].network == network)
			sup->plan->ports[i].rings = rings;
}

int sup_make_uplink_rings(struct supervisor *sup, char **ret_why)
{
	const struct team *team = sup->team;
	struct sup_uplink *u = sup->uplink;

	if (!u)
		return 0;
	sup->uplink_rings = calloc(team->n_networks, sizeof *sup->uplink_rings);
	u->networks = calloc(team->n_networks, sizeof *u->networks);
	if (!sup->uplink_rings || !u->networks)
		return -ENOMEM;
	for (size_t i = 0; i < team->n_networks; i++) {
		size_t n = sup->n_uplink_rings;
		int r;

		if (!team->networks[i].services.uplink)
			continue;
		r = n < NAT_NETWORKS_MAX ? ring_pair_create(RING_DATA_SIZE, &sup->uplink_rings[n]) : -ENOTSUP;
		if (r < 0) {
			*ret_why = r == -ENOTSUP ? str_printf("a team has at most %d networks with 'nat'",
							      NAT_NETWORKS_MAX) :
						   host_lack_str("the uplink's rings", r);
			return r;
		}
		sup->n_uplink_rings = n + 1;
		u->networks[n] = i;
		join_station(sup, i, &sup->uplink_rings[n]);
	}
	return 0;
}

/* ---- what it is made from ------------------------------------------------------------ */

/* Owned by who makes it; what it points to beside is the supervisor's. */
struct made {
	struct uplink_config cfg;
	struct uplink_network *networks;
	struct nat_forward_config *forwards;
	struct uplink_lease *leases;
	struct ip_addr *own;
	size_t n_own;
	struct uplink_dns_network *names; /* whom each network's DNS asks */
	struct uplink_dns_config dns;
	int *folders; /* of each network, open; -1: none */
	struct uplink_tftp_config tftp;
	struct part parts[2];
};

static void made_done(struct made *m)
{
	for (size_t i = 0; m->folders && i < m->cfg.n_folders; i++)
		cleanup_fd(&m->folders[i]);
	free(m->folders);
	free(m->names);
	free(m->networks);
	free(m->forwards);
	free(m->leases);
	free(m->own);
}

static void put_network(const struct made *m, const struct team_network *net, const struct ring_pair_fds *rings,
			struct uplink_network *ret)
{
	const struct team_services *s = &net->services;

	*ret = (struct uplink_network){
		.name = net->name,
		.rings = *rings,
		.nat = { .mtu = net->mtu,
			 .reach = { .mode = s->nat.n_reach || !s->nat.enabled ? REACH_LIST :
				    s->nat.internet_only		      ? REACH_INTERNET :
										REACH_ALL,
				    .internet_only = s->nat.internet_only,
				    .prefixes = s->nat.reach,
				    .n_prefixes = s->nat.enabled ? s->nat.n_reach : 0,
				    .own = m->own,
				    .n_own = m->n_own,
				    .service4 = s->address,
				    .service6 = s->address6,
				    .host_loopback = s->nat.enabled && s->nat.host_loopback } },
	};
}

static void put_forward(const struct supervisor *sup, const struct forward *f, struct nat_forward_config *ret)
{
	*ret = (struct nat_forward_config){
		.id = f->id,
		.proto = f->of.is_udp ? IPPROTO_UDP : IPPROTO_TCP,
		.network = (uint16_t)sup_uplink_network(sup, f->network),
		.fd = f->fd,
		.to = f->of.address,
		.port = f->of.to_port,
	};
	if (f->of.address.family == IP_NONE)
		ret->mac = sup->team->vms[f->of.vm].nics[f->of.nic].mac;
}

/* Addresses that the file gives to NICs; those that DHCP gives come from the fabric. */
static int put_leases(const struct supervisor *sup, struct made *m)
{
	CLEANUP(bytes) struct bytes list = { 0 };

	for (size_t v = 0; v < sup->team->n_vms; v++)
		for (size_t i = 0; i < sup->team->vms[v].n_nics; i++) {
			const struct team_nic *nic = &sup->team->vms[v].nics[i];
			int network = sup_uplink_network(sup, nic->network);

			for (size_t k = 0; network >= 0 && k < nic->n_addresses; k++) {
				struct uplink_lease l = { .network = (uint16_t)network,
							  .mac = nic->mac,
							  .ip = nic->addresses[k] };

				/* One a family leads to the NIC: the first. */
				if (k > 0 && nic->addresses[k].family == nic->addresses[k - 1].family)
					continue;
				l.ip.prefix_len = l.ip.family == IP_V4 ? 32 : 128;
				bytes_append(&list, &l, sizeof l);
			}
		}
	m->cfg.n_leases = list.len / sizeof *m->leases;
	m->leases = (struct uplink_lease *)(void *)take_ptr(list.data);
	return 0;
}

/* What the uplink does beside the NAT: DNS that is forwarded, and files by TFTP. The host's resolvers are looked up at
 * each start. */
static int put_parts(const struct supervisor *sup, struct made *m, char **ret_why)
{
	CLEANUP(bytes) struct bytes resolv_conf = { 0 };
	size_t n = sup->n_uplink_rings;

	m->names = calloc(n + 1, sizeof *m->names);
	m->folders = calloc(n + 1, sizeof *m->folders);
	if (!m->names || !m->folders)
		return -ENOMEM;
	if (file_read_all("/etc/resolv.conf", RESOLV_CONF_MAX, &resolv_conf) < 0)
		resolv_conf.len = 0; /* it names nobody */
	bytes_append(&resolv_conf, "", 1);
	for (size_t i = 0; i < n; i++)
		m->folders[i] = -1;
	m->cfg.folders = m->folders;
	m->cfg.n_folders = n;
	for (size_t i = 0; i < n; i++) {
		const struct team_services *s = &sup->team->networks[sup->uplink->networks[i]].services;
		int r;

		m->names[i].forwards = s->dns.enabled && s->dns.forward;
		if (s->dns.n_resolvers)
			uplink_dns_use(&m->names[i], s->dns.resolvers, s->dns.n_resolvers);
		else
			uplink_dns_use_host(&m->names[i], (const char *)resolv_conf.data);
		if (!s->dhcp.enabled || !s->dhcp.boot_tftp)
			continue;
		r = folder_open(sup->team->root, s->dhcp.boot_tftp, &m->folders[i]);
		if (r < 0) {
			*ret_why = str_printf("%s: %s", s->dhcp.boot_tftp, file_strerror(r));
			return r;
		}
	}
	m->dns = (struct uplink_dns_config){ m->names, n };
	m->tftp = (struct uplink_tftp_config){ m->folders, n };
	m->parts[0] = (struct part){ &uplink_dns_part, &m->dns };
	m->parts[1] = (struct part){ &uplink_tftp_part, &m->tftp };
	m->cfg.parts = m->parts;
	m->cfg.n_parts = sizeof m->parts / sizeof *m->parts;
	return 0;
}

static int make(const struct supervisor *sup, struct made *m, char **ret_why)
{
	const struct sup_uplink *u = sup->uplink;
	int r = u->addrs_fd < 0 ? -ENOTSUP : host_addrs_get(u->addrs_fd, &m->own, &m->n_own);

	if (r < 0)
		log_warn("uplink: this host's own addresses are not known: %s", strerror(-r));
	m->networks = calloc(sup->n_uplink_rings, sizeof *m->networks);
	m->forwards = calloc(u->forwards.n + 1, sizeof *m->forwards);
	if (!m->networks || !m->forwards)
		return -ENOMEM;
	for (size_t i = 0; i < sup->n_uplink_rings; i++)
		put_network(m, &sup->team->networks[u->networks[i]], &sup->uplink_rings[i], &m->networks[i]);
	for (size_t i = 0; i < u->forwards.n; i++)
		put_forward(sup, &u->forwards.list[i], &m->forwards[i]);
	r = put_leases(sup, m);
	if (r == 0)
		r = put_parts(sup, m, ret_why);
	m->cfg.name = sup->team->name;
	m->cfg.networks = m->networks;
	m->cfg.n_networks = sup->n_uplink_rings;
	m->cfg.forwards = m->forwards;
	m->cfg.n_forwards = u->forwards.n;
	m->cfg.leases = m->leases;
	memcpy(m->cfg.raw_icmp_fd, u->raw_icmp_fd, sizeof m->cfg.raw_icmp_fd);
	m->cfg.cell = true;
	if (r == 0 && getrandom(&m->cfg.seed, sizeof m->cfg.seed, 0) != (ssize_t)sizeof m->cfg.seed)
		r = -EIO;
	return r;
}

/* ---- its process --------------------------------------------------------------------- */

static void drop_control(struct sup_uplink *u)
{
	if (u->rpc)
		rpc_bind(u->rpc, NULL);
	u->control = control_free(u->control);
}

static void on_uplink(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct sup_uplink *u = ctx;

	(void)fds;
	(void)n_fds;
	(void)c;
	if (msg) {
		(void)rpc_take(u->rpc, msg);
		return;
	}
	if (status < 0)
		log_error("uplink: %s", strerror(-status));
	drop_control(u);
	/* One that is no longer to be told anything is of no use. */
	if (u->process.pid > 0)
		(void)kill(u->process.pid, SIGKILL);
}

static void no_answer(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	(void)sup;
	(void)call;
	(void)msg;
}

/* It reads its rings now: what the fabric tells arrives. */
static void on_ready(void *ctx, json_t *reply, const char *error)
{
	struct sup_uplink *u = ctx;

	(void)error; /* it ended, and will be started anew */
	if (reply)
		(void)sup_ask_fabric(u->sup, json_pack("{s:s}", "do", "tell-leases"), NULL, 0, no_answer);
}

/* Of a process that cannot be talked to. */
static void end_now(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int start(void *ctx, pid_t *ret_pid, char **ret_why)
{
	struct sup_uplink *u = ctx;
	struct supervisor *sup = u->sup;
	struct made m = { 0 };
	int fd = -1, r = make(sup, &m, ret_why);
	pid_t pid;

	if (r == 0)
		r = sup_spawn_uplink(sup, &m.cfg, &fd, &pid, ret_why);
	else if (!*ret_why)
		*ret_why = host_lack_str("the uplink", r);
	made_done(&m);
	if (r < 0)
		return r;
	r = control_new(sup->loop, fd, on_uplink, u, &u->control);
	if (r < 0) {
		(void)close(fd);
	} else {
		rpc_bind(u->rpc, u->control);
		r = rpc_call(u->rpc, json_pack("{s:s}", "do", "ping"), ANSWER_NS, on_ready, u);
	}
	if (r < 0) {
		drop_control(u);
		end_now(pid);
		*ret_why = str_printf("uplink: %s", strerror(-r));
		return r;
	}
	*ret_pid = pid;
	return 0;
}

int sup_start_uplink(struct supervisor *sup, char **ret_why)
{
	struct sup_uplink *u = sup->uplink;
	CLEANUP(free) char *who = str_printf("the uplink of team %s", sup->team->name);
	int r;

	if (!u)
		return 0;
	u->process = (struct side_process){ .sup = sup, .name = "uplink", .start = start, .ctx = u };
	r = rpc_new(sup->loop, who, &u->rpc);
	if (r == 0)
		r = side_process_start(&u->process, clock_now(), ret_why);
	if (r < 0)
		sup_kill_uplink(sup);
	return r;
}

void sup_kill_uplink(void *ctx)
{
	struct supervisor *sup = ctx;
	struct sup_uplink *u = sup->uplink;

	if (!u)
		return;
	drop_control(u);
	u->rpc = rpc_free(u->rpc);
	side_process_end(&u->process);
}

bool sup_uplink_ended(struct supervisor *sup, pid_t pid, int status)
{
	struct sup_uplink *u = sup->uplink;

	if (!u || !side_process_ended(&u->process, pid, status, clock_now()))
		return false;
	drop_control(u);
	return true;
}

json_t *sup_uplink_json(const struct supervisor *sup)
{
	const struct sup_uplink *u = sup->uplink;
	json_t *networks, *forwards, *j;

	if (!u)
		return json_null();
	networks = json_array();
	forwards = json_array();
	for (size_t i = 0; i < sup->n_uplink_rings; i++)
		if (sup->team->networks[u->networks[i]].services.nat.enabled)
			(void)json_array_append_new(networks, json_string(sup->team->networks[u->networks[i]].name));
	for (size_t i = 0; i < u->forwards.n; i++) {
		const struct forward *f = &u->forwards.list[i];
		CLEANUP(free) char *port = forward_port_text(&f->of);
		CLEANUP(free) char *to = forward_target_str(sup->team, &f->of);

		(void)json_array_append_new(forwards, json_pack("{s:s,s:s,s:s}", "network",
								sup->team->networks[f->network].name, "port", port,
								"to", to));
	}
	j = side_process_json(&u->process);
	(void)json_object_set_new(j, "networks", networks);
	(void)json_object_set_new(j, "forwards", forwards);
	return j;
}
