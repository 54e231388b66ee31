/* cli/cmd_status.c: muster status. */
#include "cli/commands.h"

#include <string.h>

enum { N_COLUMNS = 8 };

static char *addresses_text(json_t *nic)
{
	struct bytes text = { 0 };
	json_t *list = json_object_get(nic, "addresses"), *a;
	size_t i;

	json_array_foreach(list, i, a)
		bytes_printf(&text, "%s%s", i ? " " : "", json_string_value(a));
	if (!text.data)
		bytes_append_str(&text, "-");
	return (char *)text.data;
}

/* "up", or who keeps it down. */
static char *link_text(json_t *nic)
{
	json_t *link = json_object_get(nic, "link");
	CLEANUP(bytes) struct bytes why = { 0 };

	if (cli_is_down(link, "nic"))
		bytes_append_str(&why, "down");
	if (cli_is_down(link, "network"))
		bytes_printf(&why, "%snetwork down", why.len ? ", " : "");
	if (cli_is_down(link, "up"))
		bytes_printf(&why, "%sup closed", why.len ? ", " : "");
	if (cli_is_down(link, "down"))
		bytes_printf(&why, "%sdown closed", why.len ? ", " : "");
	return str_dup(why.len ? (char *)why.data : "up");
}

static char *memory_text(json_t *vm)
{
	char used[32], all[32];

	return str_printf("%s of %s",
			  cli_size((uint64_t)json_integer_value(json_object_get(vm, "resident_bytes")), used),
			  cli_size((uint64_t)json_integer_value(json_object_get(vm, "memory_bytes")), all));
}

struct table {
	char **cells;
	size_t n_rows;
};

static void add_row(struct table *t, char *const *row)
{
	char **more = realloc(t->cells, (t->n_rows + 1) * N_COLUMNS * sizeof *more);

	if (!more)
		abort();
	t->cells = more;
	memcpy(t->cells + t->n_rows++ * N_COLUMNS, row, N_COLUMNS * sizeof *row);
}

/* "NAME on NETWORK"; a NIC that the guest calls otherwise: "NAME (eth0) on NETWORK". */
static char *nic_text(json_t *nic)
{
	const char *name = json_string_value(json_object_get(nic, "name"));
	const char *guest = json_string_value(json_object_get(nic, "guest_name"));
	bool differs = guest && strcmp(name, guest) != 0;

	return str_printf("%s%s%s%s on %s", name, differs ? " (" : "", differs ? guest : "", differs ? ")" : "",
			  json_string_value(json_object_get(nic, "network")));
}

/* The first NIC shares the VM's row; the others have one each. */
static void add_vm(struct table *t, json_t *vm)
{
	json_t *nics = json_object_get(vm, "nics");
	size_t n = json_array_size(nics);
	char up[32];

	for (size_t i = 0; i == 0 || i < n; i++) {
		json_t *nic = json_array_get(nics, i);
		char *row[N_COLUMNS] = {
			str_dup(i ? "" : json_string_value(json_object_get(vm, "name"))),
			str_dup(i ? "" : json_string_value(json_object_get(vm, "state"))),
			str_dup(i ? "" : json_string_value(json_object_get(vm, "engine"))),
			str_dup(i ? "" :
				    cli_duration(json_number_value(json_object_get(vm, "uptime_s")), up)),
			i ? str_dup("") : memory_text(vm),
			nic ? nic_text(nic) : str_dup("-"),
			nic ? link_text(nic) : str_dup("-"),
			nic ? addresses_text(nic) : str_dup("-"),
		};

		add_row(t, row);
	}
}

/* Why each engine: one line for those of the same reason. */
static void print_engines(json_t *vms)
{
	json_t *said = json_object(), *vm;
	size_t i;

	json_array_foreach(vms, i, vm) {
		const char *why = json_string_value(json_object_get(vm, "engine_why"));
		CLEANUP(free) char *line =
			str_printf("engine %s: %s", json_string_value(json_object_get(vm, "engine")),
				   why ? why : "");

		if (!why || json_object_get(said, line))
			continue;
		cli_print(stdout, "%s\n", line);
		(void)json_object_set_new(said, line, json_true());
	}
	json_decref(said);
}

enum { N_COUNTER_COLUMNS = 8 };

static long long number(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static char *traffic_text(json_t *counters, const char *frames, const char *bytes)
{
	char size[32];

	return str_printf("%lld (%s)", number(counters, frames), cli_size((uint64_t)number(counters, bytes), size));
}

/* The caller frees. */
static char *station_name(json_t *station)
{
	return str_printf("%s.%s", json_string_value(json_object_get(station, "network")),
			  json_string_value(json_object_get(station, "name")));
}

/* One row. @name: taken over. */
static void add_counters(struct bytes *cells, char *name, json_t *c)
{
	char *row[N_COUNTER_COLUMNS] = {
		name,
		traffic_text(c, "sent_frames", "sent_bytes"),
		traffic_text(c, "received_frames", "received_bytes"),
		cli_lost(json_object_get(c, "lost")),
		str_printf("%lld", number(c, "lost_in_rings")),
		str_printf("%lld", number(c, "corrupted_frames")),
		str_printf("%lld", number(c, "duplicated_frames")),
		str_printf("%lld", number(c, "reordered_frames")),
	};

	bytes_append(cells, row, sizeof row);
}

/* What is beside the VMs: one line each. */
static void print_stations(json_t *stations)
{
	json_t *station;
	size_t i;

	json_array_foreach (stations, i, station) {
		CLEANUP(free) char *name = station_name(station);
		bool carrier = json_is_true(json_object_get(json_object_get(station, "link"), "carrier"));

		cli_print(stdout, "station %s: %s %s, link %s%s\n", name,
			  json_string_value(json_object_get(station, "kind")),
			  json_string_value(json_object_get(station, "what")), carrier ? "up" : "down",
			  json_is_false(json_object_get(station, "peer")) ? ", nobody is there" : "");
	}
}

/* Where each network with a service is reached, and what there is: one line each. */
static void print_services(json_t *services)
{
	json_t *s;
	size_t i;

	json_array_foreach (services, i, s) {
		const char *v4 = json_string_value(json_object_get(s, "address"));
		const char *v6 = json_string_value(json_object_get(s, "address6"));
		const char *domain = json_string_value(json_object_get(s, "dns"));
		const char *ra = json_string_value(json_object_get(s, "ra"));

		cli_print(stdout, "service %s: %s%s%s%s%s%s%s%s%s\n", json_string_value(json_object_get(s, "network")),
			  v4 ? v4 : "", v4 && v6 ? " " : "", v6 ? v6 : "",
			  json_is_true(json_object_get(s, "dhcp")) ? ", dhcp" : "", ra ? ", ra " : "", ra ? ra : "",
			  json_is_true(json_object_get(s, "nat")) ? ", nat" : "", domain ? ", dns " : "",
			  domain ? domain : "");
	}
}

/* The process with the host's sockets: what it serves, the forwards, and how often it died. */
static void print_uplink(json_t *uplink)
{
	json_t *f;
	size_t i;

	json_array_foreach (json_object_get(uplink, "forwards"), i, f)
		cli_print(stdout, "forward %s: %s to %s\n", json_string_value(json_object_get(f, "network")),
			  json_string_value(json_object_get(f, "port")), json_string_value(json_object_get(f, "to")));
	if (json_is_object(uplink) && json_integer_value(json_object_get(uplink, "pid")) == 0)
		cli_print(stdout, "the uplink is to be started anew: %s\n",
			  json_string_value(json_object_get(uplink, "why")));
	else if (json_integer_value(json_object_get(uplink, "restarts")) > 0)
		cli_print(stdout, "the uplink was started anew (restarts: %lld), the last time: %s\n",
			  (long long)json_integer_value(json_object_get(uplink, "restarts")),
			  json_string_value(json_object_get(uplink, "why")));
}

/* Of the process that keeps leases, when there is something to be said. */
static void print_leases(json_t *leases)
{
	long long n = (long long)json_integer_value(json_object_get(leases, "restarts"));
	const char *why = json_string_value(json_object_get(leases, "why"));
	const char *error = json_string_value(json_object_get(leases, "error"));

	if (why && json_integer_value(json_object_get(leases, "pid")) == 0)
		cli_print(stdout, "leases: their process is started anew: %s\n", why);
	else if (why)
		cli_print(stdout, "leases: their process was started anew (restarts: %lld), the last time: %s\n", n,
			  why);
	if (error)
		cli_print(stdout, "leases: they cannot be recorded, so there are no new ones: %s\n", error);
}

/* A second table: what each NIC sent and received, as its guest sees it, and what became of it. */
static void print_counters(json_t *status)
{
	static const char *const head[N_COUNTER_COLUMNS] = { "NIC", "SENT", "RECEIVED", "LOST", "IN RINGS",
							     "CORRUPTED", "DUPLICATED", "REORDERED" };
	CLEANUP(bytes) struct bytes cells = { 0 };
	json_t *vms = json_object_get(status, "vms"), *vm, *nic;
	size_t i, k, n;

	if (json_object_get(status, "no_counters")) {
		cli_print(stdout, "no counters: %s\n", json_string_value(json_object_get(status, "no_counters")));
		return;
	}
	bytes_append(&cells, head, sizeof head);
	json_array_foreach(vms, i, vm)
		json_array_foreach (json_object_get(vm, "nics"), k, nic)
			add_counters(&cells,
				     str_printf("%s.%s", json_string_value(json_object_get(vm, "name")),
						json_string_value(json_object_get(nic, "name"))),
				     json_object_get(nic, "counters"));
	json_array_foreach (json_object_get(status, "stations"), i, nic)
		add_counters(&cells, station_name(nic), json_object_get(nic, "counters"));
	n = cells.len / sizeof(char *);
	(void)printf("\n");
	cli_print_table((const char *const *)(const void *)cells.data, n / N_COUNTER_COLUMNS, N_COUNTER_COLUMNS);
	for (i = N_COUNTER_COLUMNS; i < n; i++)
		free(((char **)(void *)cells.data)[i]);
}

static void print_text(json_t *status)
{
	static const char *const head[] = { "VM", "STATE", "ENGINE", "UPTIME", "MEMORY", "NIC", "LINK",
					    "ADDRESS" };
	json_t *vms = json_object_get(status, "vms"), *vm;
	struct table t = { 0 };
	char *row[N_COLUMNS];
	char up[32];
	size_t i;

	cli_print(stdout, "team %s: %s, for %s\n", json_string_value(json_object_get(status, "team")),
		     json_string_value(json_object_get(status, "state")),
		     cli_duration(json_number_value(json_object_get(status, "uptime_s")), up));
	for (i = 0; i < N_COLUMNS; i++)
		row[i] = str_dup(head[i]);
	add_row(&t, row);
	json_array_foreach(vms, i, vm)
		add_vm(&t, vm);
	cli_print_table((const char *const *)t.cells, t.n_rows, N_COLUMNS);
	for (i = 0; i < t.n_rows * N_COLUMNS; i++)
		free(t.cells[i]);
	free(t.cells);
	print_engines(vms);
	print_stations(json_object_get(status, "stations"));
	print_services(json_object_get(status, "services"));
	print_uplink(json_object_get(status, "uplink"));
	print_leases(json_object_get(status, "leases"));
	json_array_foreach(vms, i, vm)
		if (json_object_get(vm, "last_crash"))
			cli_print(stdout, "%s: crashed and was started anew (crashes: %lld), the last time: %s\n",
				  json_string_value(json_object_get(vm, "name")),
				  (long long)json_integer_value(json_object_get(vm, "crashes")),
				  json_string_value(json_object_get(vm, "last_crash")));
		else if (json_object_get(vm, "why"))
			cli_print(stdout, "%s: %s\n", json_string_value(json_object_get(vm, "name")),
				     json_string_value(json_object_get(vm, "why")));
}

int cmd_status(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT,
						 { "verbose", no_argument, NULL, 'v' }, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL;
	bool json = false, verbose = false;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":v", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
		if (c == 'v')
			verbose = true;
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "one team is needed");
	status = cli_connect(argv[optind], &store, &fd);
	if (status == 0)
		status = cli_call(fd,
				  json_pack("{s:s,s:b,s:b,s:b}", "do", "status", "memory", true, "peers", true,
					    "counters", json || verbose),
				  NULL, NULL, &reply);
	if (status != 0)
		return status;
	(void)json_object_del(reply, "id");
	(void)json_object_del(reply, "ok");
	if (json) {
		cli_print_json(reply);
		return EXIT_DONE;
	}
	print_text(reply);
	if (verbose)
		print_counters(reply);
	json_decref(reply);
	return EXIT_DONE;
}
