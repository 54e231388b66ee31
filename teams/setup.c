/* teams/setup.c: the guest set-up archive: a pure function of the plan, and of
 * the files it names.
 *
 * The script finds each NIC by its MAC, so the order in which a kernel names
 * its interfaces does not matter; where the name differs from eth0, eth1, …
 * of the plan it is given that one. What fails is said on the console, written to
 * SETUP_FAILED, and does not stop the rest: a half set-up guest with an agent can
 * be looked at. ready.c reads that file and fails the VM.
 *
 * Files for folders that are mounted or emptied while a guest starts (/run, /tmp)
 * travel in /etc/muster/late, and the script moves them to their places.
 *
 * Folders are made for every path, but never those whose mode is special and
 * which every image has (/root).
 *
 * Used by: vm.c.   Depends on: setup_dhcp.h, vmm/boot/cpio.h, core/addr.h. */
#include "teams/setup.h"

#include "teams/setup_dhcp.h"
#include "vmm/boot/cpio.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { SECOND_METRIC = 2000 /* IPv6's own is 1024 */ };

/* 'text' for a POSIX shell. */
static void quote(struct bytes *out, const char *text)
{
	bytes_append_str(out, "'");
	for (const char *p = text; *p; p++) {
		if (*p == '\'')
			bytes_append_str(out, "'\\''");
		else
			bytes_append(out, p, 1);
	}
	bytes_append_str(out, "'");
}

/* A second default route of one family is there too, and used when the first is not. */
static void script_gateway(const struct ip_addr *gateway, const char *ip_command, size_t nic, bool *had,
			   struct bytes *out)
{
	char ip[IP_STR_SIZE];

	if (gateway->family == IP_NONE)
		return;
	bytes_printf(out, "try %s route add default via %s dev eth%zu", ip_command, ip_str_bare(gateway, ip), nic);
	if (*had)
		bytes_printf(out, " metric %zu", SECOND_METRIC + nic);
	bytes_append_str(out, "\n");
	*had = true;
}

/* @had: whether a default route was set, IPv4 and IPv6. */
static void script_nic(const struct team_nic *nic, bool had[2], struct bytes *out)
{
	char mac[MAC_STR_SIZE];

	bytes_printf(out, "nic eth%zu %s\n", nic->index, mac_str(&nic->mac, mac));
	if (nic->mtu != 1500)
		bytes_printf(out, "try ip link set eth%zu mtu %u\n", nic->index, nic->mtu);
	for (size_t i = 0; i < nic->n_addresses; i++) {
		const struct ip_addr *a = &nic->addresses[i];
		char bare[IP_STR_SIZE];

		/* The prefix is always written: ip(8) takes a bare address as /32 anyway. */
		bytes_printf(out, "try ip addr add %s/%u dev eth%zu%s\n", ip_str_bare(a, bare),
			     a->prefix_len, nic->index, a->family == IP_V6 ? " nodad" : "");
	}
	bytes_printf(out, "try ip link set eth%zu up\n", nic->index);
	script_gateway(&nic->gateway, "ip", nic->index, &had[0], out);
	script_gateway(&nic->gateway6, "ip -6", nic->index, &had[1], out);
}

static const char *const late_dirs[] = { "/run/", "/tmp/", "/dev/shm/", "/var/tmp/", "/var/run/", "/var/lock/" };

/* Whether what lies at @path while the guest starts is not there afterwards. */
static bool is_late(const char *path)
{
	for (size_t i = 0; i < sizeof late_dirs / sizeof *late_dirs; i++)
		if (strncmp(path, late_dirs[i], strlen(late_dirs[i])) == 0)
			return true;
	return false;
}

static void script_late(const struct team_vm *v, struct bytes *out)
{
	for (size_t i = 0; i < v->n_files; i++) {
		if (!is_late(v->files[i].path))
			continue;
		bytes_printf(out, "put /etc/muster/late/%zu ", i);
		quote(out, v->files[i].path);
		bytes_append_str(out, "\n");
	}
}

void setup_script(const struct team *t, size_t vm, struct bytes *out)
{
	const struct team_vm *v = &t->vms[vm];
	bool had[2] = { false, false };

	bytes_append_str(out,
			 "#!/bin/sh\n"
			 "# Made by muster from the team file; run once, before the agent starts.\n"
			 ": >" SETUP_RUNS "\n"
			 "failed() {\n"
			 "\techo \"muster: set-up: $1\"\n"
			 "\techo \"$1\" >>" SETUP_FAILED "\n"
			 "}\n"
			 "try() {\n"
			 "\t\"$@\" 2>" SETUP_RUNS " || failed \"$*: $(cat " SETUP_RUNS ")\"\n"
			 "}\n"
			 "put() {\n"
			 "\ttry mkdir -p \"${2%/*}\"\n"
			 "\ttry mv \"$1\" \"$2\"\n"
			 "}\n"
			 "nic() {\n"
			 "\tfor d in /sys/class/net/*; do\n"
			 "\t\t[ \"$(cat $d/address 2>/dev/null)\" = \"$2\" ] || continue\n"
			 "\t\t[ \"${d##*/}\" = \"$1\" ] && return\n"
			 "\t\t[ -e /sys/class/net/$1 ] && try ip link set \"$1\" name \"$1.was\"\n"
			 "\t\ttry ip link set \"${d##*/}\" name \"$1\"\n"
			 "\t\treturn\n"
			 "\tdone\n"
			 "\tfailed \"no network interface has the address $2\"\n"
			 "}\n");
	bytes_append_str(out, "try hostname ");
	quote(out, v->hostname);
	bytes_append_str(out, "\ntry ip link set lo up\n");
	script_late(v, out);
	for (size_t i = 0; i < v->n_nics; i++)
		script_nic(&v->nics[i], had, out);
	setup_dhcp(v, out);
	bytes_append_str(out, "rm -f " SETUP_RUNS "\n");
}

static void hosts_of(const struct team_vm *v, struct bytes *out)
{
	for (size_t i = 0; i < v->n_nics; i++)
		for (size_t j = 0; j < v->nics[i].n_addresses; j++) {
			char ip[IP_STR_SIZE];

			bytes_printf(out, "%s\t%s", ip_str_bare(&v->nics[i].addresses[j], ip),
				     v->name);
			if (strcmp(v->hostname, v->name) != 0)
				bytes_printf(out, " %s", v->hostname);
			bytes_append_str(out, "\n");
		}
}

/* True when the two have a NIC on one network. */
static bool share_network(const struct team_vm *a, const struct team_vm *b, size_t *ret_nic)
{
	for (size_t j = 0; j < b->n_nics; j++)
		for (size_t i = 0; i < a->n_nics; i++)
			if (a->nics[i].network == b->nics[j].network && b->nics[j].n_addresses > 0) {
				*ret_nic = j;
				return true;
			}
	return false;
}

void setup_hosts(const struct team *t, size_t vm, struct bytes *out)
{
	const struct team_vm *self = &t->vms[vm];

	bytes_printf(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t%s\n",
		     self->hostname);
	/* What is near comes first: the resolver takes the first line. */
	for (size_t i = 0; i < t->n_vms; i++) {
		size_t near;
		char ip[IP_STR_SIZE];

		if (share_network(self, &t->vms[i], &near))
			bytes_printf(out, "%s\t%s\n",
				     ip_str_bare(&t->vms[i].nics[near].addresses[0], ip),
				     t->vms[i].name);
	}
	for (size_t i = 0; i < t->n_vms; i++)
		hosts_of(&t->vms[i], out);
}

void setup_resolv_conf(const struct team *t, size_t vm, struct bytes *out)
{
	const struct team_vm *v = &t->vms[vm];

	for (size_t i = 0; i < v->n_dns; i++)
		bytes_printf(out, "nameserver %s\n", v->dns[i]);
}

void setup_env(const struct team_vm *vm, const char *prefix, struct bytes *out)
{
	for (size_t i = 0; i < vm->n_env; i++) {
		const char *eq = strchr(vm->env[i], '=');

		if (!eq)
			continue;
		bytes_printf(out, "%s%.*s=", prefix, (int)(eq - vm->env[i]), vm->env[i]);
		quote(out, eq + 1);
		bytes_append_str(out, "\n");
	}
}

/* ---- the archive ------------------------------------------------------------ */

static bool dir_is_special(const char *dir)
{
	return strcmp(dir, "/root") == 0;
}

/* The folders above @path. */
static void add_parents(struct bytes *archive, const char *path)
{
	CLEANUP(free) char *dir = str_dup(path);

	for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (!dir_is_special(dir))
			cpio_add_dir(archive, dir + 1, 0755);
		*p = '/';
	}
}

static void add_file(struct bytes *archive, const char *path, unsigned mode,
		     const struct bytes *content)
{
	while (*path == '/')
		path++;
	cpio_add_file(archive, path, mode, content->data, content->len);
}

static int add_team_file(const char *root, struct bytes *archive, const struct team_file *f,
			 size_t index, char **ret_why)
{
	CLEANUP(free) char *late = str_printf("/etc/muster/late/%zu", index);
	const char *path = is_late(f->path) ? late : f->path;
	CLEANUP(bytes) struct bytes content = { 0 };

	if (f->from) {
		int r = file_read_below(root, f->from, TEAM_FILE_MAX, &content);

		if (r < 0) {
			*ret_why = str_printf("%s: %s", f->from, file_strerror(r));
			return r;
		}
	} else if (f->text_len > 0) {
		bytes_append(&content, f->text, f->text_len);
	}
	add_parents(archive, path);
	add_file(archive, path, f->mode ? f->mode : 0644, &content);
	return 0;
}

int setup_archive(const struct team *t, size_t vm, struct bytes *ret_archive, char **ret_why)
{
	const struct team_vm *v = &t->vms[vm];
	CLEANUP(bytes) struct bytes archive = { 0 };
	static const struct {
		const char *path;
		unsigned mode;
		void (*make)(const struct team *, size_t, struct bytes *);
	} own[] = {
		{ "/etc/muster/setup.sh", 0755, setup_script },
		{ SETUP_DHCP, 0755, setup_dhcp_script },
		{ "/etc/hosts", 0644, setup_hosts },
		{ "/etc/resolv.conf", 0644, setup_resolv_conf },
	};
	CLEANUP(bytes) struct bytes hostname = { 0 };
	CLEANUP(bytes) struct bytes env = { 0 };
	CLEANUP(bytes) struct bytes profile = { 0 };

	cpio_add_dir(&archive, "etc", 0755);
	cpio_add_dir(&archive, "etc/muster", 0755);
	cpio_add_dir(&archive, "etc/profile.d", 0755);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		CLEANUP(bytes) struct bytes content = { 0 };

		if (own[i].make == setup_dhcp_script && !setup_wants_dhcp(v))
			continue;
		own[i].make(t, vm, &content);
		add_file(&archive, own[i].path, own[i].mode, &content);
	}
	bytes_printf(&hostname, "%s\n", v->hostname);
	add_file(&archive, "/etc/hostname", 0644, &hostname);
	setup_env(v, "", &env);
	add_file(&archive, "/etc/muster/env", 0644, &env);
	setup_env(v, "export ", &profile);
	add_file(&archive, "/etc/profile.d/muster.sh", 0644, &profile);
	for (size_t i = 0; i < v->n_files; i++) {
		int r = add_team_file(t->root, &archive, &v->files[i], i, ret_why);

		if (r < 0)
			return r;
	}
	cpio_end(&archive);
	*ret_archive = archive;
	archive = (struct bytes){ 0 };
	return 0;
}
