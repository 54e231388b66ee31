/* teams/doctor.c: each thing a team may want of the host, tried, not guessed.
 *
 * A probe that needs a namespace or a socket does it in a child, so nothing of
 * it stays. Only what every team needs makes a host unfit: memory, disk space, an
 * image, and packages where the image is not built. The soft engine and the
 * user-space fabric need none of the rest; the advice says what each would bring.
 *
 * Used by: the command doctor. */
#include "teams/doctor.h"

#include "core/bytes.h"
#include "core/escape.h"
#include "teams/cgroup.h"
#include "teams/engine.h"
#include "teams/host_memory.h"
#include "teams/image.h"
#include "teams/probe_kvm.h"
#include "teams/store.h"
#include "vmm/cpu/kvm/kvm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEMORY_WANTED_MIB = 1024, DISK_WANTED_MIB = 1024 };

static void add_row(json_t *report, const char *name, bool needed, bool ok, char *found, const char *advice)
{
	CLEANUP(free) char *text = escape_str(found); /* a path need not be UTF-8: there would be no row */
	json_t *o = json_pack("{s:s,s:b,s:b,s:s}", "name", name, "ok", (int)ok, "needed", (int)needed, "found", text);

	if (!ok && advice)
		(void)json_object_set_new(o, "advice", json_string(advice));
	(void)json_array_append_new(report, o);
	free(found);
}

/* What a host may lack. */
static void add(json_t *report, const char *name, bool ok, char *found, const char *advice)
{
	add_row(report, name, false, ok, found, advice);
}

/* What every team needs. */
static void need(json_t *report, const char *name, bool ok, char *found, const char *advice)
{
	add_row(report, name, true, ok, found, advice);
}

/* What `engine: auto` takes here. */
static void check_engine(json_t *report)
{
	struct engine_host h;

	engine_probe(&h);
	need(report, "engine", true, str_printf("auto is %s: %s", h.has_kvm ? "kvm" : "soft", h.why), NULL);
	engine_done(&h);
}

static void check_kvm(json_t *report)
{
	struct probe_kvm_result k;
	char *why = NULL;

	probe_kvm(&k);
	if (k.verdict == KVM_FAST && kvm_usable(&why) < 0) {
		add(report, "kvm", false, why, "the soft engine is used");
		return;
	}
	switch (k.verdict) {
	case KVM_FAST:
		add(report, "kvm", true, str_printf("usable and fast: %.0f million instructions/s at CPL 0", k.mips),
		    NULL);
		break;
	case KVM_SLOW:
		add(report, "kvm", false,
		    str_printf("usable, but it emulates supervisor code: %.1f million instructions/s at CPL 0",
			       k.mips),
		    "nothing on this host: the soft engine is used; a host with real nested virtualization is faster");
		break;
	case KVM_DENIED:
		add(report, "kvm", false, str_printf("/dev/kvm: %s", strerror(k.error)),
		    "sudo usermod -aG kvm $USER, then log in again; until then the soft engine is used");
		break;
	case KVM_ABSENT:
		add(report, "kvm", false, str_printf("/dev/kvm: %s", strerror(k.error)),
		    "sudo modprobe kvm_intel (or kvm_amd); in a VM: switch nested virtualization on; until then the soft engine is used");
		break;
	case KVM_BROKEN:
		add(report, "kvm", false, str_printf("/dev/kvm does not run a guest: %s", strerror(k.error)),
		    "the soft engine is used");
	}
}

/* Runs @fn in a child; its return value is an errno. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(fn());
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static int try_userns(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ? errno : 0;
}

static int try_tap(void)
{
	CLEANUP(fd) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

static int try_raw(void)
{
	CLEANUP(fd) int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	return fd < 0 ? errno : 0;
}

static void check_try(json_t *report, const char *name, int (*fn)(void), const char *good,
		      const char *advice)
{
	int e = in_child(fn);

	add(report, name, e == 0, str_dup(e == 0 ? good : strerror(e)), advice);
}

static bool has_module(const char *name)
{
	CLEANUP(free) char *loaded = str_printf("/sys/module/%s", name);
	CLEANUP(free) char *path = NULL;
	CLEANUP(bytes) struct bytes list = { 0 };
	struct utsname u;

	if (access(loaded, F_OK) == 0)
		return true;
	if (uname(&u) < 0)
		return false;
	path = str_printf("/lib/modules/%s/modules.dep", u.release);
	if (file_read_all(path, 32 << 20, &list) == 0 && list.len > 0 && strstr((char *)list.data, name))
		return true;
	free(path);
	path = str_printf("/lib/modules/%s/modules.builtin", u.release);
	bytes_done(&list);
	return file_read_all(path, 32 << 20, &list) == 0 && list.len > 0 &&
	       strstr((char *)list.data, name);
}

static void check_netem(json_t *report)
{
	bool ok = has_module("sch_netem");

	add(report, "netem", ok, str_dup(ok ? "the kernel has sch_netem" : "the kernel has no sch_netem"),
	    "only a kernel datapath wants it: a kernel with CONFIG_NET_SCH_NETEM (Debian: linux-image-amd64)");
}

static void check_memory(json_t *report)
{
	uint64_t bytes = 0;

	(void)host_memory_available("", &bytes);
	need(report, "memory", bytes >> 20 >= MEMORY_WANTED_MIB,
	    str_printf("%llu MiB available", (unsigned long long)bytes >> 20),
	    "give VMs less (memory:), run fewer, or add memory: 1 GiB is wanted for a small team");
}

/* Makes a group as a team would, and removes it. */
static void check_cgroup(json_t *report)
{
	static const struct cgroup_limits limits = { .memory_bytes = 16 << 20, .tasks = 16 };
	CLEANUP(free) char *name = str_printf("muster-doctor-%d", (int)getpid());
	CLEANUP(free) char *dir = NULL;
	struct cgroup g;
	char *why = NULL;
	int r = cgroup_find("", &dir, &why);

	if (r == 0)
		r = cgroup_make(dir, name, &limits, &g, &why);
	if (r == 0) {
		(void)cgroup_remove(&g, NULL);
		cgroup_done(&g);
	}
	add(report, "cgroup-limits", r == 0, r == 0 ? str_printf("in %s", dir) : why,
	    "the kernel bounds a team as one where this works: start it by systemd-run --user --scope, or as root of a "
	    "host with cgroup v2");
}

static void check_processors(json_t *report)
{
	int n = get_nprocs();

	add(report, "processors", n >= 2, str_printf("%d", n),
	    "a second processor lets machines and switches run at the same time");
}

/* Free space for images and the teams' logs. */
static void check_disk(json_t *report)
{
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *why = NULL;
	struct statvfs v = { 0 };
	uint64_t mib;

	if (store_open(&store, &why) < 0 || statvfs(store.home, &v) < 0) {
		need(report, "disk", false, str_dup(why ? why : strerror(errno)), "make $MUSTER_HOME a folder of yours");
		return;
	}
	mib = (uint64_t)v.f_bavail * v.f_frsize >> 20;
	need(report, "disk", mib >= DISK_WANTED_MIB,
	     str_printf("%llu MiB free in %s", (unsigned long long)mib, store.home),
	     "muster purge frees what old teams left; 1 GiB is wanted; MUSTER_HOME may name another disk");
}

static bool has_program(const char *name)
{
	CLEANUP(free) char *dirs = str_printf("%s:/usr/sbin:/sbin", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	char *rest = dirs;

	while (rest) {
		CLEANUP(free) char *path = str_printf("%s/%s", strsep(&rest, ":"), name);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* The image that teams take unless they say another, and what building it needs (images/tiny/build). */
static void check_image(json_t *report)
{
	static const char *const programs[] = { "apt-get", "dpkg-deb", "readelf", "strip", "cpio",
						"depmod",  "find",     "mkfs.erofs" };
	CLEANUP(bytes) struct bytes missing = { 0 };
	CLEANUP(free) char *why = NULL;
	struct image image = { 0 };
	bool built = image_find("tiny", &image, &why) == 0;

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (!has_program(programs[i]))
			bytes_printf(&missing, "%s%s", missing.len ? " " : "", programs[i]);
	need(report, "image", built, built ? str_printf("tiny is built: %s", image.dir) : str_dup(why ? why : "tiny is not built"),
	     "muster images build tiny");
	add_row(report, "packages", !built, missing.len == 0,
		missing.len ? str_printf("missing: %s", (char *)missing.data) : str_dup("what builds images is there"),
		"sudo apt-get install -y apt dpkg binutils cpio kmod findutils erofs-utils");
	image_done(&image);
}

bool doctor_is_ready(const json_t *report)
{
	const json_t *o;
	size_t i;

	json_array_foreach(report, i, o)
		if (json_is_true(json_object_get(o, "needed")) && !json_is_true(json_object_get(o, "ok")))
			return false;
	return true;
}

json_t *doctor_report(void)
{
	json_t *report = json_array();

	check_engine(report);
	check_memory(report);
	check_disk(report);
	check_image(report);
	check_processors(report);
	check_kvm(report);
	check_netem(report);
	check_try(report, "user-namespaces", try_userns, "allowed",
		  "sudo sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000");
	check_try(report, "tap", try_tap, "/dev/net/tun opens",
		  "only host: wants it: run as root, or give access to /dev/net/tun (sudo modprobe tun)");
	check_try(report, "raw-sockets", try_raw, "allowed",
		  "only bridge: wants them: run as root, or sudo setcap cap_net_raw+ep on the muster program");
	check_cgroup(report);
	return report;
}
