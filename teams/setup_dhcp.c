/* teams/setup_dhcp.c: the set-up of NICs that ask DHCP for their addresses.
 *
 * udhcpc asks, renews in the background, and calls a script of ours. All NICs ask at once, and the set-up waits
 * for each: a VM is ready when all have their leases. A NIC whose link the file takes down has no server to ask; it
 * is not waited for, and asks until it has one.
 *
 * What the file says itself wins: a route that DHCP tells has a higher metric than the file's gateways, and with
 * name servers of the file's those of DHCP are not taken. Of several NICs the first wins.
 *
 * Used by: setup.c.   Depends on: topologies/team.h.
 * Sources: udhcpc of busybox 1.35 (networking/udhcp/README.udhcpc); RFC 3442 (option 121 replaces the router). */
#include "teams/setup_dhcp.h"

enum { ASK_EVERY_S = 2 };

/* udhcpc hands $interface, $ip, $mask (a length), $router, $staticroutes, $dns, $domain, $search and $mtu over.
 * The metric is behind that of the file's own gateway, and before its second ones (setup.c). */
static const char dhcp_script[] =
	"#!/bin/sh\n"
	"# Made by muster: what udhcpc learned goes to the interface, the routes and the resolver.\n"
	"metric=$((1000 + ${interface#eth}))\n"
	"route() {\n"
	"\tcase $1 in 0.0.0.0/0) set -- default \"$2\" ;; esac\n"
	"\tcase $2 in\n"
	"\t0.0.0.0) ip route replace \"$1\" dev \"$interface\" metric $metric ;;\n"
	"\t*) ip route replace \"$1\" via \"$2\" dev \"$interface\" metric $metric onlink ;;\n"
	"\tesac\n"
	"}\n"
	"resolver() {\n"
	"\t[ \"$MUSTER_DNS\" = dhcp ] || return\n"
	"\t{\n"
	"\t\t[ -z \"$search$domain\" ] || echo \"search ${search:-$domain}\"\n"
	"\t\tfor s in $dns; do echo \"nameserver $s\"; done\n"
	"\t} >/run/muster-dhcp.$interface\n"
	"\tfor f in /run/muster-dhcp.eth? /run/muster-dhcp.eth??; do\n"
	"\t\t[ ! -e $f ] || cat $f\n"
	"\tdone >/etc/resolv.conf.$$\n"
	"\tmv /etc/resolv.conf.$$ /etc/resolv.conf\n"
	"}\n"
	"case $1 in\n"
	"deconfig)\n"
	"\tip -4 addr flush dev \"$interface\"\n"
	"\tip link set \"$interface\" up\n"
	"\trm -f /run/muster-dhcp.$interface\n"
	"\t;;\n"
	"bound|renew)\n"
	"\thas=$(cat /sys/class/net/$interface/mtu)\n"
	"\t[ \"${mtu:-$has}\" -ge \"$has\" ] || ip link set \"$interface\" mtu \"$mtu\"\n"
	"\tip addr replace \"$ip/${mask:-32}\" dev \"$interface\"\n"
	"\tip route flush dev \"$interface\" metric $metric\n"
	"\tif [ -n \"$staticroutes\" ]; then\n"
	"\t\tset -- $staticroutes\n"
	"\t\twhile [ $# -ge 2 ]; do\n"
	"\t\t\troute \"$1\" \"$2\"\n"
	"\t\t\tshift 2\n"
	"\t\tdone\n"
	"\telif [ -n \"$router\" ]; then\n"
	"\t\troute 0.0.0.0/0 \"${router%% *}\"\n"
	"\tfi\n"
	"\tresolver\n"
	"\t;;\n"
	"esac\n"
	"exit 0\n";

void setup_dhcp_script(const struct team *t, size_t vm, struct bytes *out)
{
	(void)t;
	(void)vm;
	bytes_append_str(out, dhcp_script);
}

bool setup_wants_dhcp(const struct team_vm *vm)
{
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i].dhcp)
			return true;
	return false;
}

/* How often a NIC asks: for two thirds of the time in which the VM must be ready, the rest of which is for booting. */
static unsigned n_asks(const struct team_vm *vm)
{
	nsec_t n = vm->ready_timeout_ns / NSEC_PER_SEC * 2 / 3 / ASK_EVERY_S;

	return n < 1 ? 1 : n > 100000 ? 100000 : (unsigned)n;
}

void setup_dhcp(const struct team_vm *vm, struct bytes *out)
{
	if (!setup_wants_dhcp(vm))
		return;
	bytes_printf(out,
		     "export MUSTER_DNS=%s\n"
		     "ask() {\n"
		     "\tudhcpc -i \"$@\" -T %d -s " SETUP_DHCP " -p /run/udhcpc.$1.pid -x hostname:\"$(hostname)\" "
		     "-O staticroutes -O search -O mtu >/dev/null 2>&1\n"
		     "}\n",
		     vm->n_dns ? "file" : "dhcp", ASK_EVERY_S);
	for (size_t i = 0; i < vm->n_nics; i++) {
		if (!vm->nics[i].dhcp)
			continue;
		bytes_printf(out, "ask eth%zu -t %u %s &\nasks%zu=$!\n", i, vm->nics[i].link_down ? 1 : n_asks(vm),
			     vm->nics[i].link_down ? "-b" : "-n", i);
	}
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i].dhcp)
			bytes_printf(out, "wait $asks%zu || failed \"eth%zu has no lease: no DHCP server answered\"\n",
				     i, i);
}
