/* topologies/parse_vm.c: a VM. `defaults` was merged into it as a map before.
 *
 * Used by: parse.c.   Depends on: keys.h, values.h. Sources: team-file(5). */
#include "topologies/keys.h"
#include "topologies/values.h"

#include <stdlib.h>
#include <string.h>

enum { CPUS_MAX = 8 };
static const uint64_t memory_min = 16ull << 20, memory_max = 256ull << 30;
enum { PAGE_BYTES = 4096 };

const char *const engine_names[ENGINE_COUNT] = { "auto", "kvm", "soft" };

struct vm_ctx {
	struct team_vm *vm;
	struct vm_src *src;
};

static const char *text_of(struct load *l, const struct node *v, const char *what)
{
	if (!want_text(l, v, what))
		return NULL;
	if (!v->len) {
		load_error(l, &v->place, "%s is empty", what);
		return NULL;
	}
	return v->text;
}

static void vm_image(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct vm_ctx *c = obj;

	(void)key;
	c->src->image = v;
	c->vm->image = text_of(l, v, "'image'");
}

static const char *path_of(struct load *l, const struct node *v, const char *what)
{
	const char *s = text_of(l, v, what);

	return s ? load_path(l, &v->place, s) : NULL;
}

static void vm_kernel(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct vm_ctx *c = obj;

	(void)key;
	c->src->kernel = v;
	c->vm->kernel = path_of(l, v, "'kernel'");
}

static void vm_initrd(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct vm_ctx *c = obj;

	(void)key;
	c->src->initrd = v;
	c->vm->initrd = path_of(l, v, "'initrd'");
}

static void vm_cmdline(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (!want_text(l, v, "'cmdline'"))
		return;
	if (v->len > 1024)
		load_error(l, &v->place, "a kernel command line of more than 1024 characters");
	else if (strpbrk(v->text, "\n\r\t"))
		load_error(l, &v->place, "a kernel command line is one line, without tabs");
	else
		((struct vm_ctx *)obj)->vm->cmdline = v->text;
}

static void vm_memory(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	uint64_t n;

	(void)key;
	((struct vm_ctx *)obj)->src->memory = v;
	if (!want_size(l, v, &n))
		return;
	if (n < memory_min)
		load_error(l, &v->place, "'%s' of memory is too little for a VM; the least is 16MiB", v->text);
	else if (n > memory_max)
		load_error(l, &v->place, "'%s' of memory is too much for a VM; the most is 256GiB", v->text);
	else
		((struct vm_ctx *)obj)->vm->memory_bytes = (n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static void vm_cpus(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	uint64_t n;

	(void)key;
	if (want_int(l, v, 1, CPUS_MAX, &n))
		((struct vm_ctx *)obj)->vm->cpus = (unsigned)n;
}

void parse_engine(struct load *l, const struct node *v, enum engine_kind *ret)
{
	size_t i;

	if (!want_word(l, v, "'engine'", engine_names, ENGINE_COUNT, &i))
		return;
	*ret = (enum engine_kind)i;
}

static void vm_engine(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	parse_engine(l, v, &((struct vm_ctx *)obj)->vm->engine);
}

static void vm_nics(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct vm_ctx *c = obj;

	(void)key;
	parse_nics(l, v, c->vm, c->src);
}

static void vm_hostname(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";

	(void)key;
	if (!want_text(l, v, "'hostname'"))
		return;
	if (!v->len || v->len > 64 || v->text[strspn(v->text, ok)] || strchr("-.", *v->text))
		load_error(l, &v->place, "'%s' is no host name; it has 1 to 64 letters, digits, '-' and '.'",
			   v->text);
	else
		((struct vm_ctx *)obj)->vm->hostname = v->text;
}

static void vm_dns(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_vm *vm = ((struct vm_ctx *)obj)->vm;
	struct ip_addr ip;
	char *why;

	(void)key;
	if (!want_texts(l, v, "'dns'", &vm->dns, &vm->n_dns))
		return;
	for (size_t i = 0; i < v->n; i++)
		if (value_host(v->items[i]->text, &ip, &why))
			report_why(l, v->items[i], why);
}

static void vm_run(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_vm *vm = ((struct vm_ctx *)obj)->vm;

	(void)key;
	(void)want_texts(l, v, "'run'", &vm->run, &vm->n_run);
}

static bool is_env_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(s[i] == '_' || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') ||
		      (i && s[i] >= '0' && s[i] <= '9')))
			return false;
	return len > 0;
}

static void vm_env(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_vm *vm = ((struct vm_ctx *)obj)->vm;

	(void)key;
	if (!want_map(l, v, "'env'"))
		return;
	vm->env = arena_array(l->arena, v->n, sizeof *vm->env);
	for (size_t i = 0; i < v->n; i++) {
		const struct pair *p = &v->pairs[i];

		if (!is_env_name(p->key->text, p->key->len))
			load_error(l, &p->key->place, "'%s' is no name of an environment variable", p->key->text);
		else if (node_is_null(p->value) || want_text(l, p->value, "a variable's value"))
			vm->env[vm->n_env++] = arena_printf(l->arena, "%s=%s", p->key->text,
							    node_is_null(p->value) ? "" : p->value->text);
	}
}

static void vm_after(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct vm_ctx *c = obj;
	const char **texts;
	size_t n;

	(void)key;
	if (want_texts(l, v, "'after'", &texts, &n))
		c->src->after = v;
}

static void vm_start_delay(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)want_time(l, v, &((struct vm_ctx *)obj)->vm->start_delay_ns);
}

static void ready_run(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	((struct vm_ctx *)obj)->vm->ready_run = text_of(l, v, "'run'");
}

static void ready_timeout(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	nsec_t ns;

	(void)key;
	if (!want_time(l, v, &ns))
		return;
	if (ns <= 0)
		load_error(l, &v->place, "a timeout is more than 0");
	else
		((struct vm_ctx *)obj)->vm->ready_timeout_ns = ns;
}

/* A guest chooses the text, and one with back-references may take very long. */
static bool has_back_reference(const char *re)
{
	for (; *re; re++)
		if (*re == '\\' && *++re >= '1' && *re <= '9')
			return true;
		else if (!*re)
			break;
	return false;
}

static void ready_console(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	const char *text;

	(void)key;
	if (!want_text(l, v, "'console'"))
		return;
	text = v->text;
	if (!text[0])
		load_error(l, &v->place, "'console' is empty");
	else if (has_back_reference(text))
		load_error(l, &v->place, "'console' may not have back-references");
	else if (want_regex(l, v, text))
		((struct vm_ctx *)obj)->vm->ready_console = text;
}

static void ready_tcp(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	uint64_t port;

	(void)key;
	if (want_int(l, v, 1, UINT16_MAX, &port))
		((struct vm_ctx *)obj)->vm->ready_tcp = (uint16_t)port;
}

static void ready_agent(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	bool agent;

	(void)key;
	if (want_bool(l, v, &agent))
		((struct vm_ctx *)obj)->vm->ready_no_agent = !agent;
}

static const struct key ready_keys[] = { { "run", ready_run, 0 }, { "timeout", ready_timeout, 0 },
					 { "console", ready_console, 0 }, { "tcp", ready_tcp, 0 },
					 { "agent", ready_agent, 0 } };

static void vm_ready(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	((struct vm_ctx *)obj)->src->ready = v;
	(void)keys_read(l, &KEY_TABLE("'ready'", ready_keys), v, obj);
}

static void vm_on_crash(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "stop", "restart", "ignore" };
	size_t i;

	(void)key;
	_Static_assert(sizeof words / sizeof *words == ON_CRASH_COUNT, "a word each");
	if (want_word(l, v, "'on-crash'", words, ON_CRASH_COUNT, &i))
		((struct vm_ctx *)obj)->vm->on_crash = (enum on_crash)i;
}

/* @path without doubled slashes and "." folders. */
static const char *path_clean(struct load *l, const char *path)
{
	char *out = arena_printf(l->arena, "%s", path), *to = out;

	for (const char *p = path; *p;) {
		size_t len = 1 + strcspn(p + 1, "/");

		if (len > 1 && !(len == 2 && p[1] == '.')) {
			memcpy(to, p, len);
			to += len;
		}
		p += len;
	}
	*to = '\0';
	return out;
}

static void file_path(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (!want_text(l, v, "'path'"))
		return;
	if (*v->text != '/' || v->len < 2 || v->text[v->len - 1] == '/' || v->len > 1024 ||
	    !*path_clean(l, v->text) || !strcmp(v->text + v->len - 2, "/."))
		load_error(l, &v->place, "'%s' is not the absolute path of a file in the guest", v->text);
	else if (strstr(v->text, "/../") || (v->len > 2 && !strcmp(v->text + v->len - 3, "/..")))
		load_error(l, &v->place, "a path in the guest does without '..'");
	else
		((struct team_file *)obj)->path = path_clean(l, v->text);
}

static void file_from(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	((struct team_file *)obj)->from = path_of(l, v, "'from'");
}

static void file_text(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (!want_text(l, v, "'text'"))
		return;
	((struct team_file *)obj)->text = v->text;
	((struct team_file *)obj)->text_len = v->len;
}

static void file_mode(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (!want_text(l, v, "'mode'"))
		return;
	if (!v->len || v->len > 5 || v->text[strspn(v->text, "01234567")] ||
	    strtoul(v->text, NULL, 8) > 07777)
		load_error(l, &v->place, "'%s' is no mode; write an octal one like 0755", v->text);
	else
		((struct team_file *)obj)->mode = (unsigned)strtoul(v->text, NULL, 8);
}

static const struct key file_keys[] = {
	{ "path", file_path, KEY_REQUIRED },
	{ "from", file_from, KEY_TOUCHES(TOUCH_READS) },
	{ "text", file_text, 0 },
	{ "mode", file_mode, 0 },
};

static void vm_files(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct vm_ctx *c = obj;

	(void)key;
	if (!want_list(l, v, "'files'"))
		return;
	c->vm->files = arena_array(l->arena, v->n, sizeof *c->vm->files);
	c->src->files = arena_array(l->arena, v->n, sizeof *c->src->files);
	for (size_t i = 0; i < v->n; i++) {
		struct team_file *f = &c->vm->files[i];
		const struct node *from = node_get(v->items[i], "from"), *text = node_get(v->items[i], "text");

		f->mode = 0644;
		c->src->files[i] = v->items[i];
		if (!keys_read(l, &KEY_TABLE("a file", file_keys), v->items[i], f))
			continue;
		if (!from == !text)
			load_error(l, &v->items[i]->place, "a file has either 'from' or 'text'%s",
				   from ? ", not both" : "");
	}
	c->vm->n_files = v->n;
}

static void vm_firmware(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "bios", "uefi" };
	size_t i;

	(void)key;
	(void)obj;
	(void)want_word(l, v, "'firmware'", words, 2, &i);
}

static void disk_text(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)obj;
	(void)want_text(l, v, key->text);
}

static void disk_format(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "auto", "raw", "qcow2", "vhd" };
	size_t i;

	(void)key;
	(void)obj;
	(void)want_word(l, v, "'format'", words, sizeof words / sizeof *words, &i);
}

static void disk_mode(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "persist", "undoable", "discard" };
	size_t i;

	(void)key;
	(void)obj;
	(void)want_word(l, v, "'mode'", words, sizeof words / sizeof *words, &i);
}

static void disk_size(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	uint64_t n;

	(void)key;
	(void)obj;
	(void)want_size(l, v, &n);
}

static void disk_readonly(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	bool b;

	(void)key;
	(void)obj;
	(void)want_bool(l, v, &b);
}

static const struct key disk_keys[] = {
	{ "image", disk_text, 0 }, { "file", disk_text, KEY_TOUCHES(TOUCH_WRITES) }, { "format", disk_format, 0 },
	{ "size", disk_size, 0 },  { "mode", disk_mode, 0 }, { "readonly", disk_readonly, 0 },
	{ "bus", disk_text, 0 },   { "on-full", disk_text, 0 },
};

static void vm_disks(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	if (want_list(l, v, "'disks'"))
		for (size_t i = 0; i < v->n; i++)
			(void)keys_read(l, &KEY_TABLE("a disk", disk_keys), v->items[i], obj);
}

/* It is read before its VMs are made; here it is checked. */
static void vm_count(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	uint64_t n;

	(void)key;
	(void)obj;
	(void)want_int(l, v, 1, LOAD_VMS_MAX, &n);
}

static const struct key vm_keys[] = {
	{ "image", vm_image, 0 },	{ "kernel", vm_kernel, KEY_TOUCHES(TOUCH_READS) },
	{ "initrd", vm_initrd, KEY_TOUCHES(TOUCH_READS) },	{ "cmdline", vm_cmdline, 0 },
	{ "memory", vm_memory, 0 },	{ "cpus", vm_cpus, 0 },
	{ "engine", vm_engine, 0 },	{ "nics", vm_nics, 0 },
	{ "hostname", vm_hostname, 0 }, { "dns", vm_dns, 0 },
	{ "files", vm_files, 0 },	{ "run", vm_run, 0 },
	{ "env", vm_env, 0 },		{ "after", vm_after, 0 },
	{ "start-delay", vm_start_delay, 0 }, { "ready", vm_ready, 0 },
	{ "on-crash", vm_on_crash, 0 }, { "firmware", vm_firmware, KEY_UNSUPPORTED },
	{ "disks", vm_disks, KEY_UNSUPPORTED },
	{ "boot", NULL, KEY_UNSUPPORTED },
	{ "cdrom", NULL, KEY_UNSUPPORTED },
	{ "cloud-init", NULL, KEY_UNSUPPORTED },
	{ "shares", NULL, KEY_UNSUPPORTED | KEY_TOUCHES(TOUCH_FOLDER) },
	{ "screen", NULL, KEY_UNSUPPORTED },
	{ "count", vm_count, 0 },
};

void parse_vm(struct load *l, const struct node *value, struct team_vm *vm, struct vm_src *src)
{
	struct vm_ctx c = { vm, src };

	vm->image = "tiny";
	vm->memory_bytes = 128ull << 20;
	vm->cpus = 1;
	vm->engine = l->team->engine;
	vm->hostname = vm->name;
	vm->ready_timeout_ns = 60 * NSEC_PER_SEC;
	(void)keys_read(l, &KEY_TABLE("a VM", vm_keys), value, &c);
	if (!vm->image)
		vm->image = "tiny";
}
