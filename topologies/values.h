/* topologies/values.h: numbers with units, addresses and names as text.
 *
 * Each parser returns 0, or -EINVAL with a message in *ret_why (the caller
 * frees; the value itself is untouched). Source: team-file(5). */
#ifndef MUSTER_TOPOLOGIES_VALUES_H
#define MUSTER_TOPOLOGIES_VALUES_H

#include "core/addr.h"
#include "core/clock.h"
#include "topologies/services.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "1.544Mbit" in bit/s, 1 to 1e12; "unlimited" gives 0. */
int value_rate(const char *s, uint64_t *ret_bps, char **ret_why);
/* "20ms", 0 to 10000h. */
int value_time(const char *s, nsec_t *ret_ns, char **ret_why);
/* "128MiB", up to 1 PB. */
int value_size(const char *s, uint64_t *ret_bytes, char **ret_why);
/* A size, or "50 packets". */
int value_queue(const char *s, uint64_t *ret_queue, bool *ret_in_packets, char **ret_why);
/* "0.1%" as 0 to 1. */
int value_share(const char *s, double *ret_share, char **ret_why);
/* A whole decimal number from @min to @max. */
int value_int(const char *s, uint64_t min, uint64_t max, uint64_t *ret_n, char **ret_why);
/* "10.0.0.1/24": a host's address with its prefix. */
int value_address(const char *s, struct ip_addr *ret_ip, char **ret_why);
/* "10.0.0.0/24": a prefix without host bits, of @family. */
int value_subnet(const char *s, enum ip_family family, struct ip_addr *ret_ip, char **ret_why);
/* "10.0.0.1": an address without prefix. */
int value_host(const char *s, struct ip_addr *ret_ip, char **ret_why);
/* "02:00:00:00:00:01", neither multicast nor zero: six bytes in hexadecimal. */
int value_mac(const char *s, struct mac_addr *ret_mac, char **ret_why);
/* "true" or "false", nothing else. */
int value_bool(const char *s, bool *ret_b, char **ret_why);
/* [a-z0-9][a-z0-9-]{0,31}. @any_case: also A-Z and _, but not all digits and not "localhost":
 * the name of a network, a VM or a NIC. */
int value_name(const char *s, bool any_case, char **ret_why);

/* ---- values_net.c ---- */

/* "www.lab.test", up to 253 characters, labels of up to 63; a dot at the end is taken.
 * @underscores: labels may begin with '_', as those of services do. */
int value_domain(const char *s, bool underscores, char **ret_why);
/* "10.0.0.100-10.0.0.199", IPv4. */
int value_range(const char *s, struct team_range *ret_range, char **ret_why);
/* "80", 1 to 65535. */
int value_port(const char *s, uint16_t *ret_port, char **ret_why);
/* "server:80", "10.0.0.9:53", "[fd00::9]:80". @ret_host: what stands before the port; the caller frees it. */
int value_endpoint(const char *s, char **ret_host, uint16_t *ret_port, char **ret_why);
/* "0x00ff" or "00:ff": 1 to @size bytes. False: it is not of that form. */
bool value_hex(const char *s, uint8_t *buf, size_t size, size_t *ret_len);

/* The shortest exact form: "1.544Mbit", "20ms", "64KiB", "0.1%". The caller frees. */
char *value_rate_str(uint64_t bps);
/* Each gives the shortest exact form; the caller frees it. */
char *value_time_str(nsec_t ns);
char *value_size_str(uint64_t bytes);
char *value_share_str(double share);

#endif
