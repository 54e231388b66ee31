/* topologies/show_services.c: what a network's services do, for people and for programs.
 *
 * Used by: show.c.   Depends on: forward.h, values.h, jansson. */
#include "topologies/forward.h"
#include "topologies/keys.h"
#include "topologies/show.h"
#include "topologies/values.h"

#include <string.h>

enum { HEX_SHOWN = 16 /* bytes of an option in the text */ };

static void put_ips(struct bytes *out, const char *title, const struct ip_addr *ips, size_t n)
{
	char buf[IP_STR_SIZE];

	for (size_t i = 0; i < n; i++)
		bytes_printf(out, "%s%s", i ? " " : title, ip_str_bare(&ips[i], buf));
}

static void put_ranges(struct bytes *out, const struct team_range *r, size_t n)
{
	char a[IP_STR_SIZE], b[IP_STR_SIZE];

	for (size_t i = 0; i < n; i++) {
		bytes_printf(out, " %s", ip_str_bare(&r[i].first, a));
		if (!ip_equal(&r[i].first, &r[i].last))
			bytes_printf(out, "-%s", ip_str_bare(&r[i].last, b));
	}
}

static void put_hex(struct bytes *out, const uint8_t *data, size_t len, size_t max)
{
	for (size_t i = 0; i < len && i < max; i++)
		bytes_printf(out, "%02x", data[i]);
	if (len > max)
		bytes_append_str(out, "...");
}

/* Whom a reservation is for, as one word or two. */
static void put_station(struct bytes *out, const struct team *t, const struct team_reservation *r)
{
	char mac[MAC_STR_SIZE];

	if (r->kind == RESERVE_NIC) {
		bytes_printf(out, "%s.%s", t->vms[r->vm].name, t->vms[r->vm].nics[r->nic].name);
	} else if (r->kind == RESERVE_MAC) {
		bytes_append_str(out, mac_str(&r->mac, mac));
	} else {
		bytes_append_str(out, "client-id ");
		put_hex(out, r->client_id, r->client_id_len, HEX_SHOWN);
	}
}

/* ---- text ------------------------------------------------------------------------- */

static void text_dhcp_rest(struct bytes *out, const struct team *t, const struct team_dhcp *d)
{
	for (size_t i = 0; i < d->n_reservations; i++) {
		const struct team_reservation *r = &d->reservations[i];
		const struct ip_addr *both[] = { &r->address, &r->address6 };

		bytes_append_str(out, "      reserved");
		for (size_t k = 0; k < 2; k++)
			put_ips(out, " ", both[k], both[k]->family != IP_NONE);
		bytes_append_str(out, " for ");
		put_station(out, t, r);
		bytes_printf(out, "%s%s\n", r->hostname ? ", called " : "", r->hostname ? r->hostname : "");
	}
	for (size_t i = 0; i < d->n_options; i++) {
		bytes_printf(out, "      option %u%s%s: ", d->options[i].code, d->options[i].name ? " " : "",
			     d->options[i].name ? d->options[i].name : "");
		put_hex(out, d->options[i].data, d->options[i].len, HEX_SHOWN);
		bytes_append_str(out, "\n");
	}
	if (!d->boot_file)
		return;
	bytes_printf(out, "      boot %s", d->boot_file);
	put_ips(out, " from ", &d->boot_next_server, d->boot_next_server.family != IP_NONE);
	bytes_append_str(out, d->boot_tftp ? ", which has files by TFTP\n" : "\n");
}

static void text_dhcp(struct bytes *out, const struct team *t, const struct team_dhcp *d)
{
	CLEANUP(free) char *lease = value_time_str(d->lease_ns);
	CLEANUP(free) char *renew = value_time_str(d->renew_ns);
	CLEANUP(free) char *rebind = value_time_str(d->rebind_ns);

	if (d->enabled) {
		bytes_append_str(out, "    dhcp   ");
		put_ranges(out, d->pools, d->n_pools);
		bytes_printf(out, "%s, lease %s, renew %s, rebind %s", d->n_pools ? "" : " reservations only", lease,
			     renew, rebind);
		put_ips(out, ", router ", &d->router, d->router.family != IP_NONE);
		put_ips(out, ", dns ", d->dns, d->n_dns);
		put_ips(out, ", ntp ", d->ntp, d->n_ntp);
		bytes_printf(out, "%s%s\n", d->domain ? ", domain " : "", d->domain ? d->domain : "");
	}
	if (d->n_pools6) {
		bytes_append_str(out, "    dhcpv6 ");
		put_ranges(out, d->pools6, d->n_pools6);
		bytes_append_str(out, "\n");
	}
	if (d->enabled)
		text_dhcp_rest(out, t, d);
}

static const char *const record_names[RECORD_TYPE_COUNT] = { "A", "AAAA", "TXT", "SRV" };

static void text_dns(struct bytes *out, const struct team_dns *d)
{
	char buf[IP_STR_SIZE];

	bytes_printf(out, "    dns     %s, what is not known ", d->domain);
	if (!d->forward)
		bytes_append_str(out, "is refused");
	else if (!d->n_resolvers)
		bytes_append_str(out, "is asked of the host's name servers");
	put_ips(out, "is asked of ", d->resolvers, d->n_resolvers);
	bytes_append_str(out, "\n");
	for (size_t i = 0; i < d->n_records; i++) {
		const struct team_record *r = &d->records[i];

		bytes_printf(out, "      %s %us %s ", r->name, r->ttl, record_names[r->type]);
		if (r->type == RECORD_TXT)
			bytes_printf(out, "\"%s\"\n", r->text);
		else if (r->type == RECORD_SRV)
			bytes_printf(out, "%u %u %u %s\n", r->priority, r->weight, r->port, r->target);
		else
			bytes_printf(out, "%s\n", ip_str_bare(&r->address, buf));
	}
}

static void text_nat(struct bytes *out, const struct team *t, const struct team_nat *nat)
{
	char buf[IP_STR_SIZE];

	bytes_append_str(out, "    nat     reaches");
	for (size_t i = 0; i < nat->n_reach; i++)
		bytes_printf(out, " %s", ip_str(&nat->reach[i], buf));
	if (!nat->n_reach || nat->internet_only)
		bytes_printf(out, "%s%s", nat->n_reach ? ", of " : " ", nat->internet_only ? "the internet" : "all");
	bytes_printf(out, "%s\n", nat->host_loopback ? " and the host's own addresses" : "");
	for (size_t i = 0; i < nat->n_forwards; i++) {
		const struct team_forward *f = &nat->forwards[i];
		CLEANUP(free) char *to = forward_target_str(t, f);
		CLEANUP(free) char *port = forward_port_str(f);

		bytes_printf(out, "      %s to %s\n", port, to);
	}
}

void show_services_text(struct bytes *out, const struct team *t, const struct team_network *n)
{
	const struct team_services *s = &n->services;
	char mac[MAC_STR_SIZE];

	if (!s->any)
		return;
	bytes_append_str(out, "    service");
	put_ips(out, " ", &s->address, s->address.family != IP_NONE);
	put_ips(out, " ", &s->address6, s->address6.family != IP_NONE);
	bytes_printf(out, " %s\n", mac_str(&s->mac, mac));
	text_dhcp(out, t, &s->dhcp);
	if (s->ra != RA_OFF)
		bytes_printf(out, "    ra      %s\n", ra_names[s->ra]);
	if (s->dns.enabled)
		text_dns(out, &s->dns);
	if (s->nat.enabled)
		text_nat(out, t, &s->nat);
}

/* ---- JSON ------------------------------------------------------------------------- */

static json_t *ips_json(const struct ip_addr *ips, size_t n, bool bare)
{
	json_t *j = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(j, show_ip_json(&ips[i], bare));
	return j;
}

static json_t *ranges_json(const struct team_range *r, size_t n)
{
	json_t *j = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(j, json_pack("{s:o,s:o}", "first", show_ip_json(&r[i].first, true), "last",
						   show_ip_json(&r[i].last, true)));
	return j;
}

static json_t *hex_json(const uint8_t *data, size_t len)
{
	CLEANUP(bytes) struct bytes hex = { 0 };

	put_hex(&hex, data, len, len);
	return json_string(hex.data ? (char *)hex.data : "");
}

static json_t *reservation_json(const struct team *t, const struct team_reservation *r)
{
	json_t *j = json_object();
	char mac[MAC_STR_SIZE];

	if (r->kind == RESERVE_NIC) {
		json_object_set_new(j, "vm", json_string(t->vms[r->vm].name));
		json_object_set_new(j, "nic", json_string(t->vms[r->vm].nics[r->nic].name));
	}
	if (r->kind == RESERVE_CLIENT_ID)
		json_object_set_new(j, "client_id", hex_json(r->client_id, r->client_id_len));
	else
		json_object_set_new(j, "mac", json_string(mac_str(&r->mac, mac)));
	json_object_set_new(j, "address", show_ip_json(&r->address, true));
	json_object_set_new(j, "address6", show_ip_json(&r->address6, true));
	json_object_set_new(j, "hostname", show_str_json(r->hostname));
	return j;
}

static json_t *dhcp_json(const struct team *t, const struct team_dhcp *d)
{
	json_t *j, *reservations, *options;

	if (!d->enabled && !d->n_pools6)
		return json_null();
	j = json_object();
	reservations = json_array();
	options = json_array();
	for (size_t i = 0; i < d->n_reservations; i++)
		json_array_append_new(reservations, reservation_json(t, &d->reservations[i]));
	for (size_t i = 0; i < d->n_options; i++)
		json_array_append_new(options, json_pack("{s:i,s:o,s:o}", "code", d->options[i].code, "name",
							 show_str_json(d->options[i].name), "value",
							 hex_json(d->options[i].data, d->options[i].len)));
	json_object_set_new(j, "pools", ranges_json(d->pools, d->n_pools));
	json_object_set_new(j, "pools6", ranges_json(d->pools6, d->n_pools6));
	json_object_set_new(j, "lease_ns", json_integer(d->lease_ns));
	json_object_set_new(j, "renew_ns", json_integer(d->renew_ns));
	json_object_set_new(j, "rebind_ns", json_integer(d->rebind_ns));
	json_object_set_new(j, "router", show_ip_json(&d->router, true));
	json_object_set_new(j, "dns", ips_json(d->dns, d->n_dns, true));
	json_object_set_new(j, "domain", show_str_json(d->domain));
	json_object_set_new(j, "ntp", ips_json(d->ntp, d->n_ntp, true));
	json_object_set_new(j, "reservations", reservations);
	json_object_set_new(j, "options", options);
	json_object_set_new(j, "boot_file", show_str_json(d->boot_file));
	json_object_set_new(j, "boot_tftp", show_str_json(d->boot_tftp));
	json_object_set_new(j, "boot_next_server", show_ip_json(&d->boot_next_server, true));
	return j;
}

static json_t *record_json(const struct team_record *r)
{
	json_t *j =
		json_pack("{s:s,s:s,s:I}", "name", r->name, "type", record_names[r->type], "ttl", (json_int_t)r->ttl);

	if (r->type == RECORD_TXT)
		json_object_set_new(j, "text", show_str_json(r->text));
	else if (r->type == RECORD_SRV)
		json_object_update_new(j, json_pack("{s:i,s:i,s:i,s:s}", "priority", r->priority, "weight", r->weight,
						    "port", r->port, "target", r->target));
	else
		json_object_set_new(j, "address", show_ip_json(&r->address, true));
	return j;
}

static json_t *dns_json(const struct team_dns *d)
{
	json_t *j, *records;

	if (!d->enabled)
		return json_null();
	j = json_object();
	records = json_array();
	for (size_t i = 0; i < d->n_records; i++)
		json_array_append_new(records, record_json(&d->records[i]));
	json_object_set_new(j, "domain", json_string(d->domain));
	json_object_set_new(j, "records", records);
	json_object_set_new(j, "forward", json_boolean(d->forward));
	json_object_set_new(j, "resolvers", ips_json(d->resolvers, d->n_resolvers, true));
	return j;
}

static json_t *nat_json(const struct team *t, const struct team_nat *nat)
{
	json_t *j, *forwards;

	if (!nat->enabled)
		return json_null();
	j = json_object();
	forwards = json_array();
	for (size_t i = 0; i < nat->n_forwards; i++) {
		const struct team_forward *f = &nat->forwards[i];
		CLEANUP(free) char *to = forward_target_str(t, f);

		json_array_append_new(forwards, json_pack("{s:s,s:i,s:o,s:s}", "protocol", f->is_udp ? "udp" : "tcp",
							  "port", f->port, "on", show_ip_json(&f->on, true), "to", to));
	}
	json_object_set_new(j, "internet_only", json_boolean(nat->internet_only));
	json_object_set_new(j, "reach", ips_json(nat->reach, nat->n_reach, false));
	json_object_set_new(j, "host_loopback", json_boolean(nat->host_loopback));
	json_object_set_new(j, "forwards", forwards);
	return j;
}

void show_services_json(json_t *j, const struct team *t, const struct team_network *n)
{
	const struct team_services *s = &n->services;
	char mac[MAC_STR_SIZE];

	json_object_set_new(j, "service",
			    s->any ? json_pack("{s:o,s:o,s:s}", "address", show_ip_json(&s->address, true), "address6",
					       show_ip_json(&s->address6, true), "mac", mac_str(&s->mac, mac)) :
				     json_null());
	json_object_set_new(j, "dhcp", dhcp_json(t, &s->dhcp));
	json_object_set_new(j, "ra", s->ra == RA_OFF ? json_null() : json_string(ra_names[s->ra]));
	json_object_set_new(j, "dns", dns_json(&s->dns));
	json_object_set_new(j, "nat", nat_json(t, &s->nat));
}
