/* fabric/requests.c: the fabric's side of its control protocol.
 *
 * The table checks names, kinds and ranges (core/verb.h). What is left is checked by each handler before it
 * does anything, and told with the refusal.
 *
 * Used by: fabric/process.c.   Depends on: core/shape.h, core/verb.h. */
#include "fabric/requests.h"

#include "core/bytes.h"
#include "fabric/kept_leases.h"
#include "fabric/services.h"

#include <errno.h>
#include <string.h>

enum { NOT_NOW = 1 /* the exit status of a request that is right and cannot be served */ };

static struct fabric *fabric_of(const struct verb_call *call)
{
	const struct fabric_asked *asked = call->ctx;

	return asked->fabric;
}

static nsec_t now_of(const struct verb_call *call)
{
	const struct fabric_asked *asked = call->ctx;

	return fabric_time(asked->fabric, asked->real);
}

/* What is wrong in the request itself, beyond what the table knows; counted as the table's refusals are. */
static void refuse(struct verb_call *call, const char *why)
{
	(*call->n_refused)++;
	verb_refuse(call, VERB_REFUSED, why);
}

/* ---- links ------------------------------------------------------------------------ */

static bool read_dir(const char *text, enum link_dir *ret_dir)
{
	static const char *const names[] = { [LINK_BOTH] = "both", [LINK_UP] = "up", [LINK_DOWN] = "down" };

	for (size_t i = 0; text && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(text, names[i]) == 0) {
			*ret_dir = (enum link_dir)i;
			return true;
		}
	return !text;
}

/* Reads what the request is about. Returns NULL, or what is wrong. */
static const char *read_target(const struct verb_call *call, struct fabric_target *ret_target)
{
	json_t *network = json_object_get(call->msg, "network"), *port = json_object_get(call->msg, "port");
	struct fabric_target t = { .dir = LINK_BOTH };

	if (!network == !port)
		return "a network or a port is needed, and not both";
	t.ref.is_network = network != NULL;
	t.ref.index = (size_t)json_integer_value(network ? network : port);
	if (!read_dir(json_string_value(json_object_get(call->msg, "dir")), &t.dir))
		return "dir is up, down or both";
	if (fabric_target_check(fabric_of(call), &t) < 0)
		return "no such network or port";
	*ret_target = t;
	return NULL;
}

/* Returns whether *@ret_target is there; else the asker was told why not. */
static bool get_target(struct verb_call *call, struct fabric_target *ret_target)
{
	const char *wrong = read_target(call, ret_target);

	if (wrong)
		refuse(call, wrong);
	return !wrong;
}

static void answer_links(struct verb_call *call, const struct fabric_target *t)
{
	verb_answer(call, json_pack("{s:o}", "links", fabric_link_show(fabric_of(call), t, now_of(call))));
}

static void do_link_show(struct verb_call *call)
{
	struct fabric_target t;

	if (get_target(call, &t))
		answer_links(call, &t);
}

static void do_link_set(struct verb_call *call)
{
	struct shape_dir up = { 0 }, down = { 0 };
	struct fabric_target t;

	if (!get_target(call, &t))
		return;
	if (t.dir != LINK_DOWN && shape_dir_from_json(json_object_get(call->msg, "up"), &up) < 0) {
		refuse(call, "up is no shape");
		return;
	}
	if (t.dir != LINK_UP && shape_dir_from_json(json_object_get(call->msg, "down"), &down) < 0) {
		refuse(call, "down is no shape");
		return;
	}
	fabric_link_set(fabric_of(call), &t, &up, &down, now_of(call));
	answer_links(call, &t);
}

static void do_link_reset(struct verb_call *call)
{
	struct fabric_target t;

	if (!get_target(call, &t))
		return;
	fabric_link_reset(fabric_of(call), &t, now_of(call));
	answer_links(call, &t);
}

static void do_link_state(struct verb_call *call)
{
	struct fabric_target t;

	if (!get_target(call, &t))
		return;
	fabric_link_state(fabric_of(call), &t, json_is_true(json_object_get(call->msg, "up")),
			  json_is_true(json_object_get(call->msg, "flap")), now_of(call));
	verb_answer(call, NULL);
}

/* ---- services ---------------------------------------------------------------------- */

/* The service port of a network; NULL: it has none. */
static const struct fabric_port *service_port(const struct fabric *f, size_t network)
{
	for (size_t i = 0; i < f->networks[network].n_ports; i++) {
		const struct fabric_port *p = &f->ports[f->networks[network].ports[i]];

		if (fabric_port_services(p))
			return p;
	}
	return NULL;
}

static void do_leases(struct verb_call *call)
{
	const struct fabric *f = fabric_of(call);
	size_t network = (size_t)json_integer_value(json_object_get(call->msg, "network"));
	const char *text = json_string_value(json_object_get(call->msg, "from"));
	struct ip_addr from = { .family = IP_NONE }, next;
	const struct fabric_port *p;
	char ip[IP_STR_SIZE];
	json_t *list, *answer;

	if (text && ip_parse(text, &from) < 0) {
		refuse(call, "from is no address");
		return;
	}
	p = network < f->plan->n_networks ? service_port(f, network) : NULL;
	if (!p) {
		refuse(call, "no such network, or no services there");
		return;
	}
	list = services_leases(fabric_port_services(p), &from, now_of(call), &next);
	if (!list) {
		verb_refuse(call, NOT_NOW, "no memory");
		return;
	}
	answer = json_pack("{s:o}", "leases", list);
	if (next.family != IP_NONE)
		(void)json_object_set_new(answer, "next", json_string(ip_str_bare(&next, ip)));
	verb_answer(call, answer);
}

static void do_tell_leases(struct verb_call *call)
{
	struct fabric *f = fabric_of(call);

	for (size_t i = 0; i < f->n_ports; i++)
		if (fabric_port_services(&f->ports[i])) {
			services_tell_leases(fabric_port_services(&f->ports[i]), now_of(call));
			fabric_element_moved(f, station_element(fabric_port_station(&f->ports[i])));
		}
	verb_answer(call, NULL);
}

static void do_keep_leases(struct verb_call *call)
{
	const struct fabric_asked *asked = call->ctx;
	int r;

	if (call->n_fds == 0) {
		refuse(call, "no descriptor came with the request");
		return;
	}
	if (!asked->leases) {
		refuse(call, "the plan keeps no leases");
		return;
	}
	r = kept_leases_attach(asked->leases, take_fd(&call->fds[0]));
	if (r < 0)
		verb_refuse(call, NOT_NOW, strerror(-r));
	else
		verb_answer(call, NULL);
}

static json_t *services_json(const struct fabric *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n_ports; i++) {
		const struct services *v = fabric_port_services(&f->ports[i]);
		json_t *one = v ? services_counters(v) : NULL;

		if (!one)
			continue;
		(void)json_object_set_new(one, "network",
					  json_string(f->plan->networks[f->ports[i].network].name));
		(void)json_array_append_new(list, one);
	}
	return list;
}

/* ---- the whole fabric --------------------------------------------------------------- */

static void do_counters(struct verb_call *call)
{
	const struct fabric_asked *asked = call->ctx;
	json_t *books = fabric_counters(fabric_of(call), now_of(call));

	(void)json_object_set_new(books, "refused", json_integer((json_int_t)*call->n_refused));
	(void)json_object_set_new(books, "services", services_json(fabric_of(call)));
	if (asked->leases)
		(void)json_object_set_new(books, "leases", kept_leases_counters(asked->leases));
	verb_answer(call, books);
}

static void do_pause(struct verb_call *call)
{
	const struct fabric_asked *asked = call->ctx;

	fabric_pause(asked->fabric, asked->real);
	verb_answer(call, NULL);
}

static void do_resume(struct verb_call *call)
{
	const struct fabric_asked *asked = call->ctx;

	fabric_resume(asked->fabric, asked->real);
	verb_answer(call, NULL);
}

static void do_quit(struct verb_call *call)
{
	struct fabric_asked *asked = call->ctx;

	asked->quits = true;
	verb_answer(call, NULL);
}

/* The descriptor that came with the request; -1: none, and the asker was told. */
static int get_file(struct verb_call *call)
{
	if (call->n_fds > 0)
		return call->fds[0];
	refuse(call, "no descriptor came with the request");
	return -1;
}

static void do_save(struct verb_call *call)
{
	const struct fabric_asked *asked = call->ctx;
	CLEANUP(free) char *why = NULL;
	int fd = get_file(call);
	uint64_t n = 0;

	if (fd < 0)
		return;
	if (fabric_save_to(asked->fabric, fd, asked->real, &n, &why) < 0)
		verb_refuse(call, NOT_NOW, why);
	else
		verb_answer(call, json_pack("{s:I}", "bytes", (json_int_t)n));
}

static void do_restore(struct verb_call *call)
{
	struct fabric_asked *asked = call->ctx;
	CLEANUP(free) char *why = NULL;
	int fd = get_file(call);

	if (fd < 0)
		return;
	if (fabric_load_from(asked->fabric, fd, asked->real, &asked->has_failed, &why) < 0)
		verb_refuse(call, NOT_NOW, why);
	else
		verb_answer(call, NULL);
	asked->quits |= asked->has_failed;
}

/* ---- the table ---------------------------------------------------------------------- */

static const struct verb_arg common_args[] = { { "id", VERB_INTEGER, false }, { 0 } };

/* clang-format off */
#define TARGET { "network", VERB_U32, false }, { "port", VERB_U32, false }
static const struct verb verbs[] = {
	{ "link-show", "shows the links of a network or a port; `dir` of each: up down both", do_link_show, 0, 0,
	  { TARGET, { "dir", VERB_STRING, false }, { 0 } } },
	{ "link-set", "gives the links of `dir` whole shapes, then shows them", do_link_set, 0, 0,
	  { TARGET, { "dir", VERB_STRING, false }, { "up", VERB_OBJECT, false }, { "down", VERB_OBJECT, false },
	    { 0 } } },
	{ "link-reset", "gives them the shapes that they began with, then shows them", do_link_reset, 0, 0,
	  { TARGET, { "dir", VERB_STRING, false }, { 0 } } },
	{ "link-state", "says that the target is up or down; `flap`: by the end of a flap", do_link_state, 0, 0,
	  { TARGET, { "dir", VERB_STRING, false }, { "up", VERB_BOOLEAN, true }, { "flap", VERB_BOOLEAN, false },
	    { 0 } } },
	{ "counters", "the books of all networks, ports and services", do_counters, 0, 0, { { 0 } } },
	{ "leases", "the leases of a network by address, from `from` on; `next` of the answer: there are more",
	  do_leases, 0, 0, { { "network", VERB_U32, true }, { "from", VERB_STRING, false }, { 0 } } },
	{ "tell-leases", "tells the uplink anew which leases there are", do_tell_leases, 0, 0, { { 0 } } },
	{ "keep-leases", "takes the socket of a process that keeps leases; one before is let go", do_keep_leases, 0, 1,
	  { { 0 } } },
	{ "pause", "frames stay where they are, and time stands still for them", do_pause, 0, 0, { { 0 } } },
	{ "resume", "they go on", do_resume, 0, 0, { { 0 } } },
	{ "save", "writes the state of a paused fabric to the descriptor, a file or a pipe; answers its `bytes`",
	  do_save, 0, 1, { { 0 } } },
	{ "restore", "reads a state from the descriptor into a paused fabric of the same plan", do_restore, 0, 1, { { 0 } } },
	{ "quit", "answers, then ends", do_quit, 0, 0, { { 0 } } },
};
/* clang-format on */

const struct verb_table fabric_verbs = { .who = "The fabric, to its supervisor",
					 .verbs = verbs,
					 .n_verbs = sizeof verbs / sizeof *verbs,
					 .common = common_args };

void fabric_request(struct fabric_asked *asked, struct verb_call *call)
{
	call->ctx = asked;
	call->n_refused = &asked->fabric->n_refused;
	/* What is due comes before a change. */
	(void)fabric_step(asked->fabric, fabric_time(asked->fabric, asked->real));
	(void)verb_dispatch(&fabric_verbs, call);
}
