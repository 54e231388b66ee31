/* teams/image.c: the store of guest images and the scripts that build them.
 *
 * An image is built beside its place and renamed into it, so it is whole or
 * not there. The scripts lie with the program's data: below MUSTER_DATA, or
 * share/ beside the program, or ../share/muster of an installed one. What a
 * build prints goes to stderr; its status 4 means that the host lacks
 * something, which the script has said.
 *
 * An image made by older scripts (its "version" differs from the scripts') is
 * "old": it is used as it is, and `images build` renews it.
 *
 * Used by: supervisor, cli.   Depends on: teams/store.h. */
#include "teams/image.h"

#include "core/bytes.h"
#include "teams/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct {
	const char *name;
	unsigned least_mib; /* of memory, to boot with */
} buildable[] = { { "tiny", 80 }, { "debian", 80 } };
enum { BUILDABLE_COUNT = sizeof buildable / sizeof *buildable, JSON_LEN_MAX = 1 << 16 };

/* ---- where things are ------------------------------------------------------------ */

/* The folder of images that this user owns. The caller frees it. */
static char *own_images_dir(void)
{
	CLEANUP(free) char *home = store_home_path();

	return str_printf("%s/images", home);
}

bool image_is_buildable(const char *name)
{
	for (int i = 0; i < BUILDABLE_COUNT; i++)
		if (strcmp(buildable[i].name, name) == 0)
			return true;
	return false;
}

uint64_t image_least_memory(const char *name)
{
	for (int i = 0; i < BUILDABLE_COUNT; i++)
		if (strcmp(buildable[i].name, name) == 0)
			return (uint64_t)buildable[i].least_mib << 20;
	return 0;
}

/* ---- one image ------------------------------------------------------------------- */

void image_done(struct image *i)
{
	free(i->name);
	free(i->dir);
	free(i->kernel);
	free(i->initrd);
	free(i->pmem);
	free(i->cmdline);
	*i = (struct image){ 0 };
}

/* The file that @json names under @key, as a path; NULL when it names none.
 * A name with a slash is refused: an image is one folder. */
static int file_of(const json_t *json, const char *key, const char *dir, char **ret_path, char **ret_why)
{
	const char *name = json_string_value(json_object_get(json, key));

	if (!name)
		return 0;
	if (strchr(name, '/')) {
		*ret_why = str_printf("%s/image.json: '%s' must be a file name", dir, key);
		return -EPROTO;
	}
	*ret_path = str_printf("%s/%s", dir, name);
	if (access(*ret_path, R_OK) == 0)
		return 0;
	*ret_why = str_printf("%s: %s; build the image anew with: muster images build", *ret_path,
			      strerror(errno));
	return -EPROTO;
}

/* Reads the image in @dir. Returns 0, -ENOENT when there is none, -EPROTO. */
static int load(const char *name, const char *dir, struct image *ret_image, char **ret_why)
{
	CLEANUP(free) char *path = str_printf("%s/image.json", dir);
	struct image i = { .name = str_dup(name), .dir = str_dup(dir) };
	json_error_t error;
	json_t *json = NULL;
	int r = 0;

	if (access(path, F_OK) < 0)
		r = -ENOENT;
	if (r == 0)
		json = json_load_file(path, 0, &error);
	if (r == 0 && !json_is_object(json)) {
		*ret_why = str_printf("%s:%d: %s", path, error.line, json ? "not an object" : error.text);
		r = -EPROTO;
	}
	if (r == 0)
		r = file_of(json, "kernel", dir, &i.kernel, ret_why);
	if (r == 0 && !i.kernel) {
		*ret_why = str_printf("%s: no \"kernel\"", path);
		r = -EPROTO;
	}
	if (r == 0)
		r = file_of(json, "initrd", dir, &i.initrd, ret_why);
	if (r == 0)
		r = file_of(json, "pmem", dir, &i.pmem, ret_why);
	if (r == 0) {
		i.cmdline = str_dup(json_string_value(json_object_get(json, "cmdline")));
		*ret_image = i;
	} else {
		image_done(&i);
	}
	json_decref(json);
	return r;
}

int image_find(const char *name, struct image *ret_image, char **ret_why)
{
	CLEANUP(free) char *images = own_images_dir();
	CLEANUP(free) char *own = str_printf("%s/%s", images, name);
	CLEANUP(free) char *path = str_dup(getenv("MUSTER_IMAGE_PATH"));
	char *rest = path;
	int r;

	if (!store_name_is_valid(name))
		return -ENOENT;
	r = load(name, own, ret_image, ret_why);
	while (r == -ENOENT && rest) {
		char *one = strsep(&rest, ":");
		CLEANUP(free) char *dir = str_printf("%s/%s", one, name);

		if (*one)
			r = load(name, dir, ret_image, ret_why);
	}
	return r;
}

/* ---- building -------------------------------------------------------------------- */

/* Runs the script and waits. Returns 0 or -errno. */
static int run_script(const char *script, const char *out, const char *guest, char **ret_why)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(script, script, out, guest, (char *)NULL);
		fprintf(stderr, "muster: %s: %s\n", script, strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	*ret_why = WIFEXITED(status) ? str_printf("%s ended with status %d", script, WEXITSTATUS(status)) :
				       str_printf("%s was killed by signal %d", script, WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 4 ? -ENOPKG : -EIO;
}

/* Puts @made in the place of @dir, whatever was there. */
static int put_in_place(const char *made, const char *dir)
{
	CLEANUP(free) char *old = str_printf("%s.old", dir);
	int r = dir_remove_all(old);

	if (r == 0 && rename(dir, old) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && rename(made, dir) < 0)
		r = -errno;
	return r == 0 ? dir_remove_all(old) : r;
}

static json_t *describe(const char *name);

static bool is_built(const char *name)
{
	json_t *row = describe(name);
	bool yes = strcmp(json_string_value(json_object_get(row, "state")), "built") == 0;

	json_decref(row);
	return yes;
}

/* Takes the builder's lock of the image @name. *ret_waited: another builder had it, and is done. */
static int lock_build(const char *name, const char *path, int *ret_fd, bool *ret_waited)
{
	CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	bool waits;

	if (fd < 0)
		return -errno;
	waits = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	if (waits)
		(void)fprintf(stderr, "muster: the image %s is being built by another command: waiting for it\n", name);
	if (flock(fd, LOCK_EX) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	*ret_waited = waits;
	return 0;
}

int image_build(const char *name, char **ret_why)
{
	CLEANUP(free) char *own = own_images_dir(), *scripts = store_data_dir("images");
	CLEANUP(free) char *script = str_printf("%s/%s/build", scripts ? scripts : "", name);
	CLEANUP(free) char *guest = str_printf("%s/guest", scripts ? scripts : "");
	CLEANUP(free) char *dir = str_printf("%s/%s", own, name);
	CLEANUP(free) char *made = str_printf("%s/.%s.new", own, name);
	CLEANUP(free) char *lock_path = str_printf("%s/.%s.lock", own, name);
	CLEANUP(fd) int lock = -1;
	bool has_waited = false;
	int r;

	if (!image_is_buildable(name)) {
		*ret_why = str_printf("no image '%s' can be built", name);
		return -ENOENT;
	}
	if (access(script, X_OK) < 0) {
		*ret_why = str_printf("%s: %s", script, strerror(errno));
		return -ENOENT;
	}
	r = dir_make_all(own, 0755);
	if (r == 0)
		r = lock_build(name, lock_path, &lock, &has_waited);
	if (r == 0 && has_waited && is_built(name))
		return 0;
	if (r == 0)
		r = dir_remove_all(made);
	if (r == 0)
		r = run_script(script, made, guest, ret_why);
	if (r == 0)
		r = put_in_place(made, dir);
	if (r < 0) {
		(void)dir_remove_all(made);
		if (!*ret_why)
			*ret_why = str_printf("%s: %s", dir, strerror(-r));
	}
	return r;
}

int image_remove(const char *name, char **ret_why)
{
	CLEANUP(free) char *own = own_images_dir();
	CLEANUP(free) char *dir = str_printf("%s/%s", own, name);
	CLEANUP(free) char *lock_path = str_printf("%s/.%s.lock", own, name);
	CLEANUP(free) char *ignored = NULL;
	CLEANUP(fd) int lock = -1;
	struct image i = { 0 };
	int r;

	if (!store_name_is_valid(name))
		return -ENOENT;
	if (access(dir, F_OK) < 0) {
		if (image_find(name, &i, &ignored) < 0)
			return -ENOENT;
		*ret_why = str_printf("%s is not this user's own image folder", i.dir);
		image_done(&i);
		return -EPERM;
	}
	lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		*ret_why = str_dup(r == -EWOULDBLOCK ? "it is being built" : strerror(-r));
		return r;
	}
	r = dir_remove_all(dir);
	if (r < 0)
		*ret_why = str_printf("%s: %s", dir, strerror(-r));
	return r;
}

/* ---- the list -------------------------------------------------------------------- */

static uint64_t folder_bytes(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	uint64_t sum = 0;
	struct stat st;

	while (d && (e = readdir(d)))
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	if (d)
		(void)closedir(d);
	return sum;
}

static const char *text_of(const json_t *json, const char *key)
{
	const char *s = json_string_value(json_object_get(json, key));

	return s ? s : "";
}

/* True when the scripts have another version than the image was built by. */
static bool is_old(const char *name, const char *version)
{
	CLEANUP(free) char *scripts = store_data_dir("images");
	CLEANUP(free) char *path = str_printf("%s/%s/files/etc/muster/version", scripts ? scripts : "", name);
	CLEANUP(bytes) struct bytes now = { 0 };

	if (file_read_all(path, JSON_LEN_MAX, &now) < 0)
		return false;
	now.data[strcspn((char *)now.data, "\n")] = '\0';
	return strcmp((char *)now.data, version) != 0;
}

static json_t *describe(const char *name)
{
	CLEANUP(free) char *why = NULL;
	CLEANUP(free) char *path = NULL;
	struct stat st = { 0 };
	struct image i;
	json_t *json, *row;
	int r = image_find(name, &i, &why);

	if (r < 0)
		return json_pack("{s:s, s:s, s:o}", "name", name, "state", r == -ENOENT ? "not built" : "broken",
				 "error", why ? json_string(why) : json_null());
	path = str_printf("%s/image.json", i.dir);
	json = json_load_file(path, 0, NULL);
	(void)stat(path, &st);
	row = json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "name", name, "state",
			is_old(name, text_of(json, "version")) ? "old" : "built", "size_bytes",
			(json_int_t)folder_bytes(i.dir), "built_s", (json_int_t)st.st_mtime, "path", i.dir, "description",
			text_of(json, "description"), "version", text_of(json, "version"));
	json_decref(json);
	image_done(&i);
	return row;
}

static bool has_row(const json_t *list, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
		if (strcmp(text_of(row, "name"), name) == 0)
			return true;
	return false;
}

/* Adds the images that lie in the folder @dir. */
static void add_folder(json_t *list, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		CLEANUP(free) char *path = str_printf("%s/%s/image.json", dir, e->d_name);

		if (store_name_is_valid(e->d_name) && access(path, F_OK) == 0 && !has_row(list, e->d_name))
			(void)json_array_append_new(list, describe(e->d_name));
	}
	if (d)
		(void)closedir(d);
}

json_t *image_list(void)
{
	CLEANUP(free) char *own = own_images_dir();
	CLEANUP(free) char *path = str_dup(getenv("MUSTER_IMAGE_PATH"));
	char *rest = path;
	json_t *list = json_array();

	for (int i = 0; i < BUILDABLE_COUNT; i++)
		(void)json_array_append_new(list, describe(buildable[i].name));
	add_folder(list, own);
	while (rest)
		add_folder(list, strsep(&rest, ":"));
	return list;
}
