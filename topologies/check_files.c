/* topologies/check_files.c: images, kernels, and what is put into guests; and the
 * memory that these need.
 *
 * Files for a guest travel in an archive behind the image's initramfs. While the
 * kernel unpacks it, its memory holds them twice: that is what the budget counts.
 *
 * Used by: check.c.   Depends on: load.h, suggest.h, core/bytes.h. */
#include "topologies/load.h"
#include "topologies/tree.h"
#include "topologies/suggest.h"

#include "core/bytes.h"

#include <errno.h>
#include <string.h>

enum { MIB = 1 << 20 };

/* The size of @path; reports unless it is a file that can be read. */
static uint64_t want_file(struct load *l, const struct node *n, const char *path, uint64_t max)
{
	CLEANUP(fd) int fd = -1;
	uint64_t size = 0;
	int r;

	if (l->hermetic || !path)
		return 0;
	r = file_open_regular(l->team->root, path, max, &fd, &size);
	if (r == -EFBIG)
		load_error(l, &n->place, "'%s' has more than %llu MiB", n->text, (unsigned long long)max / MIB);
	else if (r < 0)
		load_error(l, &n->place, "'%s': %s", n->text, file_strerror(r));
	else
		load_touch(l, TOUCH_READS, path);
	return size;
}

bool check_folder(struct load *l, const struct node *n, const char *path)
{
	CLEANUP(fd) int fd = -1;
	int r;

	if (l->hermetic)
		return true;
	r = folder_open(l->team->root, path, &fd);
	if (r < 0)
		load_error(l, &n->place, "'%s': %s", n->text, r == -ENOTDIR ? "it is not a folder" : file_strerror(r));
	else
		load_touch(l, TOUCH_READS, path);
	return r == 0;
}

/* ---- paths in the guest -------------------------------------------------------- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/';
}

/* Why no file of a team can have @path; NULL: it can. */
static const char *path_refused(const char *path)
{
	static const struct {
		const char *path, *why;
	} t[] = {
		{ "/proc", "the kernel makes what is there" },
		{ "/sys", "the kernel makes what is there" },
		{ "/dev", "the kernel makes what is there; only /dev/shm is for files" },
		{ "/etc/muster", "that folder is Muster's own" },
		{ "/image", "the image is mounted there" },
		{ "/handover", "that folder is Muster's own" },
		{ "/init", "that is Muster's own" },
		{ "/etc/hosts", "that is a file in every guest" },
		{ "/etc/hostname", "that is a file in every guest" },
		{ "/etc/resolv.conf", "that is a file in every guest" },
	};
	static const char *const folders[] = {
		"/bin", "/boot", "/dev/shm", "/etc", "/home", "/lib", "/lib64", "/mnt", "/opt", "/root", "/run",
		"/sbin", "/srv", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/sbin", "/usr/share", "/var",
		"/var/lib", "/var/log", "/var/tmp", "/etc/profile.d",
	};

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (!strcmp(path, folders[i]))
			return "that is a folder in every guest";
	if (is_below(path, "/dev/shm"))
		return NULL;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		if (is_below(path, t[i].path) || (!strcmp(path, t[i].path) && !strstr(t[i].why, "is a file")))
			return t[i].why;
	return NULL;
}

/* Reports when a folder of @path is another file of the VM. */
static void check_parents(struct load *l, size_t vm, const struct strmap *paths, size_t file,
			  const struct place *at)
{
	const struct team_vm *v = &l->team->vms[vm];
	const char *path = v->files[file].path;
	size_t other;

	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/'))
		if (strmap_get(paths, arena_printf(l->arena, "%.*s", (int)(p - path), path), &other))
			load_error(l, at, "'%s' would lie below '%s', which is a file of '%s' too", path,
				   v->files[other].path, l->vm_src[vm].name->text);
}

static void check_paths(struct load *l, size_t vm)
{
	const struct team_vm *v = &l->team->vms[vm];
	const struct vm_src *src = &l->vm_src[vm];
	struct strmap paths;

	strmap_init(&paths, l->arena);
	for (size_t i = 0; i < v->n_files; i++) {
		const char *path = v->files[i].path, *why = path ? path_refused(path) : NULL;

		if (why)
			load_error(l, &node_get(src->files[i], "path")->place,
				   "a guest can have no file '%s': %s", path, why);
		if (path && !strmap_add(&paths, path, i, NULL))
			load_error(l, &src->files[i]->place, "two files of '%s' have the path '%s'", l->vm_src[vm].name->text, path);
	}
	for (size_t i = 0; i < v->n_files; i++)
		if (v->files[i].path)
			check_parents(l, vm, &paths, i, &node_get(src->files[i], "path")->place);
}

/* ---- the image ----------------------------------------------------------------- */

static enum image_state image_state(struct load *l, struct strmap *seen, const char *name)
{
	size_t state;

	if (!strmap_get(seen, name, &state)) {
		state = l->env->image_state(l->env->ctx, name);
		(void)strmap_add(seen, name, state, NULL);
	}
	return (enum image_state)state;
}

/* A path has a slash or the ending of a disk image; image names have neither. */
static bool is_disk(const char *image)
{
	static const char *const endings[] = { ".qcow2", ".img", ".raw", ".vhd", ".vmdk", ".iso" };
	size_t len = strlen(image);

	if (strchr(image, '/'))
		return true;
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (len > strlen(endings[i]) && !strcmp(image + len - strlen(endings[i]), endings[i]))
			return true;
	return false;
}

static void check_image(struct load *l, size_t vm, struct strmap *seen)
{
	static const char *const usual[] = { "tiny", "net", "debian" };
	const struct node *n = l->vm_src[vm].image;
	struct team_vm *v = &l->team->vms[vm];
	const struct place *at = n ? &n->place : &v->place;
	struct suggestion near = { .word = v->image };
	size_t n_errors = l->n_errors;
	enum image_state state;
	char buf[96];

	if (n && is_disk(v->image)) {
		v->image = load_path(l, &n->place, v->image);
		(void)want_file(l, n, v->image, UINT64_MAX);
		if (l->n_errors == n_errors)
			load_error(l, at, "a disk image as 'image' is not supported yet");
		return;
	}
	if (!l->env || !l->env->image_state || (v->kernel && !n))
		return;
	state = image_state(l, seen, v->image);
	load_touch(l, TOUCH_READS, arena_printf(l->arena, "the image '%s'", v->image));
	if (state == IMAGE_BUILDABLE)
		load_warning(l, at, "the image '%s' is not built; 'muster up' builds it, or 'muster images build %s'",
			     v->image, v->image);
	if (state != IMAGE_UNKNOWN)
		return;
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		suggest_consider(&near, usual[i]);
	load_error(l, at, "no image is called '%s'%s", v->image,
		   near.best ? suggest_str(&near, buf, sizeof buf) : " ('muster images' lists them)");
}

/* ---- memory -------------------------------------------------------------------- */

static unsigned long long mib_up(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

/* @boot_bytes: of a kernel and initrd that the file names. */
static void check_memory(struct load *l, size_t vm, uint64_t boot_bytes, uint64_t files_bytes)
{
	const struct team_vm *v = &l->team->vms[vm];
	const struct place *at = l->vm_src[vm].memory ? &l->vm_src[vm].memory->place : &v->place;
	bool has_image = !v->kernel && l->env && l->env->image_memory;
	uint64_t base = has_image ? l->env->image_memory(l->env->ctx, v->image) : boot_bytes;

	if (v->memory_bytes < base)
		load_error(l, at, "%llu MiB of memory is too little: %s%s%s needs %llu MiB",
			   (unsigned long long)v->memory_bytes / MIB, has_image ? "the image '" : "the kernel",
			   has_image ? v->image : "", has_image ? "'" : " with its initrd", mib_up(base));
	else if (files_bytes > MIB && v->memory_bytes < base + 2 * files_bytes)
		load_error(l, at, "'%s' has %llu MiB of memory and needs %llu: %llu to boot, and twice its %llu MiB "
			   "of files, which it holds twice while it boots", l->vm_src[vm].name->text,
			   (unsigned long long)v->memory_bytes / MIB, mib_up(base) + 2 * mib_up(files_bytes),
			   mib_up(base), mib_up(files_bytes));
}

static void check_vm(struct load *l, size_t vm)
{
	const struct team_vm *v = &l->team->vms[vm];
	const struct vm_src *src = &l->vm_src[vm];
	uint64_t boot = 0, files = 0;

	if (src->kernel)
		boot += want_file(l, src->kernel, v->kernel, UINT64_MAX);
	if (src->initrd)
		boot += want_file(l, src->initrd, v->initrd, UINT64_MAX);
	for (size_t i = 0; i < v->n_files; i++) {
		files += v->files[i].text_len;
		if (v->files[i].from)
			files += want_file(l, node_get(src->files[i], "from"), v->files[i].from, TEAM_FILE_MAX);
	}
	check_paths(l, vm);
	check_memory(l, vm, boot, files);
}

void check_files(struct load *l)
{
	struct strmap images;

	strmap_init(&images, l->arena);
	for (size_t i = 0; i < l->team->n_vms; i++) {
		check_image(l, i, &images);
		check_vm(l, i);
	}
}
