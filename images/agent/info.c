/* images/agent/info.c: what the agent tells of its guest, and its end. */
#include "images/agent/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/rtc.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

json_t *command_ping(json_t *args)
{
	(void)args;
	return json_object();
}

json_t *command_info(json_t *args)
{
	json_t *list = json_array();

	(void)args;
	for (size_t i = 0; i < n_agent_commands; i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "name", agent_commands[i].name,
							    "enabled", 1, "success-response", 1));
	return json_pack("{s:s, s:o}", "version", "7.2.0-muster", "supported_commands", list);
}

json_t *command_host_name(json_t *args)
{
	char name[256] = "";

	(void)args;
	(void)gethostname(name, sizeof name - 1);
	return json_pack("{s:s}", "host-name", name);
}

json_t *command_os_info(json_t *args)
{
	struct utsname u;

	(void)args;
	if (uname(&u) < 0)
		return agent_error("uname: %s", strerror(errno));
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", "muster-tiny", "name", "Muster tiny",
			 "kernel-release", u.release, "kernel-version", u.version, "machine", u.machine);
}

json_t *command_time_get(json_t *args)
{
	struct timespec ts;

	(void)args;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return json_integer((json_int_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

/* Reads the RTC, which is in UTC. Returns 0 or -1 with errno. */
static int rtc_read(struct timespec *ret_ts)
{
	int fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC), r;
	struct rtc_time t;
	struct tm tm;

	if (fd < 0)
		return -1;
	r = ioctl(fd, RTC_RD_TIME, &t);
	(void)close(fd);
	if (r < 0)
		return -1;
	tm = (struct tm){ .tm_sec = t.tm_sec, .tm_min = t.tm_min, .tm_hour = t.tm_hour,
			  .tm_mday = t.tm_mday, .tm_mon = t.tm_mon, .tm_year = t.tm_year };
	*ret_ts = (struct timespec){ .tv_sec = timegm(&tm) };
	return 0;
}

/* Without a time it is the RTC's, as QEMU's agent has it. */
json_t *command_time_set(json_t *args)
{
	json_t *time = json_object_get(args, "time");
	json_int_t ns = json_integer_value(time);
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	if (!time && rtc_read(&ts) < 0)
		return agent_error("the RTC: %s", strerror(errno));
	if (ts.tv_sec < 0 || (time && ns <= 0) || clock_settime(CLOCK_REALTIME, &ts) < 0)
		return agent_error("failed to set time");
	return json_object();
}

/* The record of interface @name in @list, made when it is new. */
static json_t *interface_of(json_t *list, const char *name)
{
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
		if (strcmp(json_string_value(json_object_get(e, "name")), name) == 0)
			return e;
	e = json_pack("{s:s, s:[]}", "name", name, "ip-addresses");
	(void)json_array_append_new(list, e);
	return e;
}

static int mask_len(const unsigned char *mask, int n)
{
	int len = 0;

	for (int i = 0; i < n; i++)
		len += __builtin_popcount(mask[i]);
	return len;
}

static void add_address(json_t *e, const struct ifaddrs *a)
{
	json_t *list = json_object_get(e, "ip-addresses");
	char text[INET6_ADDRSTRLEN];
	const void *ip, *mask;
	int v6 = a->ifa_addr->sa_family == AF_INET6;

	if (v6) {
		ip = &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr;
		mask = &((const struct sockaddr_in6 *)(const void *)a->ifa_netmask)->sin6_addr;
	} else {
		ip = &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
		mask = &((const struct sockaddr_in *)(const void *)a->ifa_netmask)->sin_addr;
	}
	(void)inet_ntop(v6 ? AF_INET6 : AF_INET, ip, text, sizeof text);
	(void)json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "ip-address", text, "ip-address-type",
						    v6 ? "ipv6" : "ipv4", "prefix", mask_len(mask, v6 ? 16 : 4)));
}

static void add_hardware(json_t *e, const struct ifaddrs *a)
{
	const struct sockaddr_ll *ll = (const void *)a->ifa_addr;
	char text[18];

	if (ll->sll_halen != 6)
		return;
	(void)snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", ll->sll_addr[0], ll->sll_addr[1],
		       ll->sll_addr[2], ll->sll_addr[3], ll->sll_addr[4], ll->sll_addr[5]);
	(void)json_object_set_new(e, "hardware-address", json_string(text));
}

json_t *command_interfaces(json_t *args)
{
	struct ifaddrs *all;
	json_t *list;

	(void)args;
	if (getifaddrs(&all) < 0)
		return agent_error("getifaddrs: %s", strerror(errno));
	list = json_array();
	for (struct ifaddrs *a = all; a; a = a->ifa_next) {
		json_t *e = interface_of(list, a->ifa_name);

		if (!a->ifa_addr)
			continue;
		if (a->ifa_addr->sa_family == AF_PACKET)
			add_hardware(e, a);
		else if (a->ifa_netmask &&
			 (a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6))
			add_address(e, a);
	}
	freeifaddrs(all);
	return list;
}

/* Signals init as busybox does: SIGUSR2 powers off, SIGUSR1 halts, SIGTERM reboots. */
json_t *command_shutdown(json_t *args)
{
	const char *mode = agent_arg_str(args, "mode");
	int signo = SIGUSR2;

	if (mode && strcmp(mode, "halt") == 0)
		signo = SIGUSR1;
	else if (mode && strcmp(mode, "reboot") == 0)
		signo = SIGTERM;
	else if (mode && strcmp(mode, "powerdown") != 0)
		return agent_error("mode is halt, powerdown or reboot");
	if (kill(1, signo) < 0)
		return agent_error("init: %s", strerror(errno));
	return json_object();
}
