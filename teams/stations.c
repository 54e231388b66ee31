/* teams/stations.c: what the stations of a team are on the host, opened and closed.
 *
 * A tap interface that is not there is made; it lives as long as its descriptor, so it goes with the team however
 * that ends. One that is there is attached to, which the kernel lets its owner do, and stays.
 *
 * A socket is made at a path that nothing is at, or where a socket is that nobody listens at any more. At the end
 * its path is removed if it still is that socket.
 *
 * Used by: supervisor.c, janitor.c.   Depends on: core/bytes.h, socket_path.h.
 * Sources: Linux, Documentation/networking/tuntap.rst; netdevice(7), unix(7). */
#include "teams/stations.h"

#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const short tap_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

/* ---- taps ----------------------------------------------------------------------- */

static void name_to(struct ifreq *r, const char *name)
{
	(void)snprintf(r->ifr_name, sizeof r->ifr_name, "%s", name);
}

/* Makes a new interface usable: the network's MTU, and up. */
static int set_up_interface(const char *name, uint32_t mtu)
{
	CLEANUP(fd) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_mtu = (int)mtu };

	if (fd < 0)
		return -errno;
	name_to(&r, name);
	if (ioctl(fd, SIOCSIFMTU, &r) < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	r.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

/* The kernel may have made something else than what was asked for, and an old one lacks offloads. */
static int prepare_tap(int fd, const char *name)
{
	struct ifreq r = { .ifr_flags = 0 };
	int head = 10;

	if (ioctl(fd, TUNGETIFF, &r) < 0)
		return -errno;
	if (strcmp(r.ifr_name, name) != 0 || (r.ifr_flags & tap_flags) != tap_flags)
		return -EINVAL;
	if (ioctl(fd, TUNSETVNETHDRSZ, &head) < 0)
		return -errno;
	if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) < 0 &&
	    ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		return -errno;
	return 0;
}

static char *tap_why(const char *name, bool was_there, int r)
{
	if (r == -EPERM)
		return str_printf("the interface '%s' %s: ip tuntap add dev %s mode tap user $USER", name,
				  was_there ? "is not the user's" : "cannot be made without CAP_NET_ADMIN", name);
	if (r == -EBUSY)
		return str_printf("the interface '%s' is in use by another program", name);
	if (r == -EINVAL && was_there)
		return str_printf("the interface '%s' is no tap, or one with several queues", name);
	return str_printf("the interface '%s': %s", name, strerror(-r));
}

/* Returns a descriptor or -errno. */
static int attach_tap(const char *name, bool was_there, uint32_t mtu)
{
	CLEANUP(fd) int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq r = { .ifr_flags = tap_flags };
	int error;

	if (fd < 0)
		return -errno;
	name_to(&r, name);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		return -errno;
	error = prepare_tap(fd, name);
	if (error == 0 && !was_there)
		error = set_up_interface(name, mtu);
	return error < 0 ? error : take_fd(&fd);
}

static int open_tap(struct station *s, uint32_t mtu, bool *ret_lacks, char **ret_why)
{
	bool was_there = if_nametoindex(s->of->what) != 0;

	s->fd = attach_tap(s->of->what, was_there, mtu);
	if (s->fd >= 0)
		return 0;
	if (access("/dev/net/tun", F_OK) < 0)
		*ret_why = str_printf("the interface '%s': this host has no /dev/net/tun: modprobe tun", s->of->what);
	else if (access("/dev/net/tun", R_OK | W_OK) < 0)
		*ret_why = str_printf("the interface '%s': /dev/net/tun: %s: chmod 0666 /dev/net/tun", s->of->what,
				      strerror(errno));
	else
		*ret_why = tap_why(s->of->what, was_there, s->fd);
	*ret_lacks = true;
	return s->fd;
}

/* ---- sockets -------------------------------------------------------------------- */

/* Whether somebody listens at the address. */
static bool is_alive(const struct sockaddr_un *a)
{
	CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* A full backlog is somebody's, too. */
	return fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 || errno != ECONNREFUSED;
}

/* Leaves room at the address. Returns 0 or -errno, with a message. */
static int clear_path(const struct sockaddr_un *a, char **ret_why)
{
	struct stat st;

	if (lstat(a->sun_path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		*ret_why = str_printf("%s: %s", a->sun_path, strerror(errno));
		return -errno;
	}
	if (!S_ISSOCK(st.st_mode)) {
		*ret_why = str_printf("%s is there already, and is no socket", a->sun_path);
		return -EEXIST;
	}
	if (is_alive(a)) {
		*ret_why = str_printf("%s: another program listens there", a->sun_path);
		return -EADDRINUSE;
	}
	if (unlink(a->sun_path) < 0) {
		*ret_why = str_printf("%s: %s", a->sun_path, strerror(errno));
		return -errno;
	}
	return 0;
}

static int open_socket(struct station *s, char **ret_why)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", s->of->what);
	r = clear_path(&a, ret_why);
	if (r < 0)
		return r;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	r = s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r == 0)
		r = socket_path_look(s->of->what, &s->made);
	if (r == 0 && listen(s->fd, 1) < 0)
		r = -errno;
	if (r < 0)
		*ret_why = str_printf("%s: %s", a.sun_path, strerror(-r));
	return r;
}

/* ---- all of them ---------------------------------------------------------------- */

int stations_open(const struct team *team, struct station **ret_stations, size_t *ret_n, bool *ret_lacks,
		  char **ret_why)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < team->n_networks; i++)
		n += team->networks[i].n_stations;
	*ret_n = 0;
	*ret_stations = calloc(n + 1, sizeof **ret_stations);
	if (!*ret_stations)
		return -ENOMEM;
	for (size_t i = 0; i < team->n_networks; i++) {
		const struct team_network *net = &team->networks[i];

		for (size_t k = 0; k < net->n_stations && r == 0; k++) {
			struct station *s = &(*ret_stations)[(*ret_n)++];
			CLEANUP(free) char *why = NULL;

			*s = (struct station){ .of = &net->stations[k], .fd = -1 };
			r = s->of->kind == STATION_TAP ? open_tap(s, net->mtu, ret_lacks, &why) : open_socket(s, &why);
			if (r < 0)
				*ret_why = str_printf("%s.%s: %s", net->name, s->of->name, why ? why : strerror(-r));
		}
	}
	return r;
}

void stations_remove_sockets(const struct station *stations, size_t n, const char *note)
{
	for (size_t i = 0; i < n; i++) {
		int r = socket_path_remove(&stations[i].made);

		if (r < 0)
			log_warn("%s: %s", stations[i].made.path, strerror(-r));
	}
	if (unlink(note) < 0 && errno != ENOENT)
		log_warn("%s: %s", note, strerror(errno));
}

void stations_close(struct station *stations, size_t n, const char *note)
{
	stations_remove_sockets(stations, n, note);
	for (size_t i = 0; i < n; i++)
		if (stations[i].fd >= 0)
			(void)close(stations[i].fd);
	free(stations);
}

int stations_write_note(const struct station *stations, size_t n, const char *note)
{
	CLEANUP(bytes) struct bytes text = { 0 };

	for (size_t i = 0; i < n; i++)
		if (stations[i].made.path)
			socket_path_print(&stations[i].made, &text);
	return text.len ? file_write_all(note, text.data, text.len, 0600) : 0;
}

void stations_put(const struct station *stations, size_t n, struct fabric_plan_port *ports)
{
	static const enum fabric_port_kind kinds[STATION_KIND_COUNT] = {
		[STATION_TAP] = FABRIC_PORT_TAP,
		[STATION_QEMU] = FABRIC_PORT_STREAM,
	};

	for (size_t i = 0; i < n; i++) {
		ports[i].kind = kinds[stations[i].of->kind];
		ports[i].fd = stations[i].fd;
	}
}
