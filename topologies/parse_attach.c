/* topologies/parse_attach.c: stations of a network that are no VMs of the team.
 *
 * A station is one of several kinds, and the key that names what it is on the host says which.
 *
 * Used by: parse_network.c.   Depends on: keys.h. Sources: team-file(5); unix(7), Linux dev_valid_name(). */
#include "topologies/keys.h"

#include <string.h>

enum { STATIONS_MAX = 256, IFNAME_MAX = 15, SOCKET_PATH_MAX = 107 };

const char *const station_kind_names[STATION_KIND_COUNT] = { "tap", "qemu" };

struct station_ctx {
	struct team_station *station;
	struct station_src *src;
};

static void station_name(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct station_ctx *c = obj;

	(void)key;
	if (!want_name(l, v, true))
		return;
	c->station->name = v->text;
	c->src->name = v;
}

static void set_kind(struct load *l, const struct node *key, struct station_ctx *c, enum station_kind kind)
{
	if (c->src->kind)
		load_error(l, &key->place, "a station is one thing: '%s' or '%s'", c->src->kind->text, key->text);
	c->src->kind = key;
	c->station->kind = kind;
}

static void station_tap(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	struct station_ctx *c = obj;

	set_kind(l, key, c, STATION_TAP);
	if (!want_text(l, v, "an interface"))
		return;
	if (v->len == 0 || v->len > IFNAME_MAX || strspn(v->text, good) != v->len || v->text[0] == '.') {
		load_error(
			l, &v->place,
			"'%s' is no name of an interface; it has 1 to %d letters, digits, '-', '_' or '.', and does not "
			"begin with '.'",
			v->text, IFNAME_MAX);
		return;
	}
	c->station->what = v->text;
	c->src->what = v;
	load_touch(l, TOUCH_INTERFACE, v->text);
}

static void station_qemu(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct station_ctx *c = obj;
	const char *path;

	set_kind(l, key, c, STATION_QEMU);
	if (!want_text(l, v, "the path of a socket"))
		return;
	path = load_path(l, &v->place, v->text);
	if (v->len == 0) {
		load_error(l, &v->place, "the path of a socket is empty");
		return;
	}
	if (strlen(path) > SOCKET_PATH_MAX) {
		load_error(l, &v->place, "the path of a socket has at most %d bytes, '%s' has %zu", SOCKET_PATH_MAX,
			   path, strlen(path));
		return;
	}
	c->station->what = path;
	c->src->what = v;
	load_touch(l, TOUCH_LISTENS, path);
}

static void station_netns(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	((struct station_ctx *)obj)->src->kind = key;
	(void)want_text(l, v, "'netns'");
}

static void station_interface(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	((struct station_ctx *)obj)->src->of_netns = key;
	(void)want_text(l, v, key->text);
}

static void station_shape(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)l;
	(void)key;
	((struct station_ctx *)obj)->src->shape = v;
}

static void station_up(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)l;
	(void)key;
	((struct station_ctx *)obj)->src->up = v;
}

static void station_down(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)l;
	(void)key;
	((struct station_ctx *)obj)->src->down = v;
}

static const struct key attach_keys[] = {
	{ "name", station_name, KEY_REQUIRED },
	{ "tap", station_tap, 0 },
	{ "qemu", station_qemu, 0 },
	{ "netns", station_netns, KEY_UNSUPPORTED },
	{ "interface", station_interface, 0 },
	{ "address", station_interface, 0 },
	{ "shape", station_shape, 0 },
	{ "up", station_up, 0 },
	{ "down", station_down, 0 },
	{ "access", NULL, KEY_UNSUPPORTED },
	{ "trunk", NULL, KEY_UNSUPPORTED },
	{ "native", NULL, KEY_UNSUPPORTED },
};

static void parse_station(struct load *l, const struct node *v, struct team_station *station, struct station_src *src)
{
	struct station_ctx c = { station, src };

	station->place = v->place;
	if (!keys_read(l, &KEY_TABLE("a station", attach_keys), v, &c))
		return;
	if (!src->kind)
		load_error(l, &v->place, "a station lacks the key that says what it is: 'tap' or 'qemu'");
	else if (src->of_netns && strcmp(src->kind->text, "netns") != 0)
		load_error(l, &src->of_netns->place, "'%s' goes with 'netns'", src->of_netns->text);
	if (src->shape)
		parse_shape(l, src->shape, &station->shape);
	if (src->up)
		parse_shape_dir(l, src->up, &station->shape, true);
	if (src->down)
		parse_shape_dir(l, src->down, &station->shape, false);
}

void parse_attach(struct load *l, const struct node *value, struct team_network *net, struct network_src *src)
{
	if (!want_list(l, value, "'attach'"))
		return;
	if (value->n > STATIONS_MAX) {
		load_error(l, &value->place, "a network has at most %d stations, not %zu", STATIONS_MAX, value->n);
		return;
	}
	net->n_stations = value->n;
	net->stations = arena_array(l->arena, value->n + 1, sizeof *net->stations);
	src->stations = arena_array(l->arena, value->n + 1, sizeof *src->stations);
	for (size_t i = 0; i < value->n; i++)
		parse_station(l, value->items[i], &net->stations[i], &src->stations[i]);
}
