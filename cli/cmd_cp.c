/* cli/cmd_cp.c: muster cp: files and folders into guests, out of them, between them.
 *
 * The guest's service sends or receives a tree (core/transfer.c); this side does the other half,
 * or passes frames on where both ends are guests. A signal shuts the streams down: what was under
 * way fails, and each side removes what is not whole. So does a guest that is silent for SILENCE_S. */
#include "cli/commands.h"
#include "cli/guest.h"
#include "core/transfer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { SILENCE_S = 60 /* the longest that a guest takes or sends nothing */ };

/* One side of a copy. */
struct copy_side {
	const char *text; /* as it was given */
	bool is_guest, is_stdio;
	char *team, *vm, *path; /* owned; path is the text on the host */
	struct store store;
	int sup; /* owned; -1 */
	struct guest guest;
};

static void cleanup_copy_side(struct copy_side *p)
{
	guest_close(&p->guest);
	cleanup_fd(&p->sup);
	cleanup_store(&p->store);
	free(p->team);
	free(p->vm);
	free(p->path);
}

/* ---- signals and progress ---------------------------------------------------------- */

static volatile sig_atomic_t got_signal;
static int open_streams[2] = { -1, -1 };

static void on_signal(int signo)
{
	int saved = errno;

	if (got_signal)
		_exit(128 + signo);
	got_signal = signo;
	for (int i = 0; i < 2; i++)
		if (open_streams[i] >= 0)
			(void)shutdown(open_streams[i], SHUT_RDWR);
	errno = saved;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction act = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		(void)sigaction(signals[i], &act, NULL);
}

struct progress {
	const char *vm; /* whose words warnings are */
	bool is_shown, is_open; /* on a terminal; a line of it is there */
	nsec_t started, shown;
	uint64_t total; /* bytes of the files before this one */
	uint64_t last; /* of this one */
	unsigned n_warnings;
};

static void end_progress(struct progress *p)
{
	if (p->is_open)
		(void)fprintf(stderr, "\n");
	p->is_open = false;
}

static void show_progress(void *ctx, const char *name, uint64_t done, uint64_t size)
{
	struct progress *p = ctx;
	nsec_t now = clock_now();
	double seconds = (double)(now - p->started) / 1e9;
	char so_far[32], speed[32];

	if (done < p->last)
		p->total += p->last;
	p->last = done;
	if (!p->is_shown || (now - p->shown < 100 * NSEC_PER_MSEC && done != size))
		return;
	p->shown = now;
	p->is_open = true;
	(void)fputs("\r\033[K", stderr);
	cli_print(stderr, "%.40s", name);
	if (size > 0 && done <= size)
		(void)fprintf(stderr, "  %3d %%", (int)(100.0 * (double)done / (double)size));
	(void)fprintf(stderr, "  %s  %s/s", cli_size(done, so_far),
		      cli_size((uint64_t)((double)(p->total + done) / (seconds > 0.001 ? seconds : 0.001)), speed));
}

static void show_warning(void *ctx, const char *text)
{
	struct progress *p = ctx;

	end_progress(p);
	(void)cli_fail(0, "%s: %s", p->vm, text);
	p->n_warnings++;
}

/* ---- the sides --------------------------------------------------------------------- */

/* "TEAM/VM:PATH", "-", or a host's path: what begins with / or . or has no such form. */
static void parse_side(const char *text, struct copy_side *p)
{
	const char *slash = strchr(text, '/'), *colon = strchr(text, ':');

	*p = (struct copy_side){ .text = text, .sup = -1, .guest.fd = -1 };
	p->is_stdio = strcmp(text, "-") == 0;
	p->is_guest = text[0] != '/' && text[0] != '.' && slash && colon && colon > slash;
	if (p->is_guest) {
		p->team = str_printf("%.*s", (int)(slash - text), text);
		p->vm = str_printf("%.*s", (int)(colon - slash - 1), slash + 1);
		p->path = str_dup(colon[1] ? colon + 1 : ".");
	} else {
		p->path = str_dup(text);
	}
}

/* Returns 0; -ENOENT: the guest has no service; an exit status (said). */
static int open_side(struct copy_side *p)
{
	int status = p->is_guest ? cli_connect(p->team, &p->store, &p->sup) : 0;

	if (p->is_guest && status == 0)
		status = guest_open(p->sup, p->vm, &p->guest);
	if (p->is_guest && status == 0) {
		/* A send that passed on a part returns it, and the next waits as long again. */
		struct timeval reads = { .tv_sec = SILENCE_S }, writes = { .tv_sec = SILENCE_S / 2 };

		(void)setsockopt(p->guest.fd, SOL_SOCKET, SO_RCVTIMEO, &reads, sizeof reads);
		(void)setsockopt(p->guest.fd, SOL_SOCKET, SO_SNDTIMEO, &writes, sizeof writes);
	}
	return status;
}

/* PUT or GET. */
static int request(struct copy_side *p, enum session_type type, bool recursive, const char *base)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	uint8_t flags = recursive ? SESSION_FLAG_RECURSIVE : 0;

	bytes_append(&payload, &flags, 1);
	bytes_append(&payload, p->path, strlen(p->path) + 1);
	if (base)
		bytes_append(&payload, base, strlen(base) + 1);
	if (payload.len > SESSION_LEN_MAX)
		return -ENAMETOOLONG;
	return session_write(&p->guest.stream, type, payload.data, payload.len);
}

/* Passes a tree from one guest to another. */
static int pass_tree(struct transfer *t, struct copy_side *from, struct copy_side *to)
{
	struct session_frame f;
	int r;

	do {
		r = session_read(&from->guest.stream, &f);
		if (r == -EAGAIN)
			(void)snprintf(t->error, sizeof t->error, "%s does not answer", from->vm);
		if (r <= 0 || (f.type < SESSION_ENTRY || f.type > SESSION_ERROR))
			return r < 0 ? r : -EPROTO;
		if (f.type == SESSION_WARN)
			(void)cli_fail(0, "%s: %.*s", from->vm, (int)f.len, (const char *)f.data);
		if (session_write(&to->guest.stream, f.type, f.data, f.len) < 0)
			break; /* it may have said why */
		if (f.type == SESSION_ERROR && f.len > 0) {
			(void)snprintf(t->error, sizeof t->error, "%.*s", (int)f.len - 1, (const char *)f.data + 1);
			return -EREMOTEIO;
		}
	} while (f.type != SESSION_DONE && !session_has_input(&to->guest.stream));
	return transfer_confirm(t);
}

static int copy(struct transfer *t, struct copy_side *src, struct copy_side *dst)
{
	CLEANUP(free) char *base = transfer_base(src->is_stdio ? "" : src->path);
	int r = 0;

	if (dst->is_guest)
		r = request(dst, SESSION_PUT, t->recursive, base);
	if (r == 0 && src->is_guest)
		r = request(src, SESSION_GET, t->recursive, NULL);
	if (r < 0) {
		(void)snprintf(t->error, sizeof t->error, "the guest cannot be asked: %s", strerror(-r));
		return r;
	}
	t->stream = dst->is_guest ? &dst->guest.stream : &src->guest.stream;
	if (src->is_guest && dst->is_guest)
		return pass_tree(t, src, dst);
	if (src->is_guest)
		return dst->is_stdio ? transfer_receive_fd(t, STDOUT_FILENO) : transfer_receive(t, dst->path, base);
	r = src->is_stdio ? transfer_send_fd(t, STDIN_FILENO) : transfer_send(t, src->path);
	return r == 0 ? transfer_confirm(t) : r;
}

static int copy_and_say(struct copy_side *src, struct copy_side *dst, bool recursive)
{
	struct progress progress = { .vm = src->is_guest ? src->vm : dst->vm, .started = clock_now(),
				     .is_shown = isatty(STDERR_FILENO) };
	/* From a guest comes no setuid bit. */
	struct transfer t = { .recursive = recursive, .mode_mask = 0777, .progress = show_progress,
			      .warn = show_warning, .ctx = &progress };
	int r;

	open_streams[0] = src->guest.fd;
	open_streams[1] = dst->guest.fd;
	catch_signals();
	r = copy(&t, src, dst);
	end_progress(&progress);
	if (got_signal)
		return 128 + (int)got_signal;
	if (r == -EPIPE && dst->is_stdio)
		return EXIT_READER_GONE;
	if (r < 0)
		(void)cli_fail(0, "%s: %s", dst->is_guest ? dst->vm : src->vm, t.error[0] ? t.error : strerror(-r));
	return r < 0 || progress.n_warnings > 0 ? EXIT_FAILED : EXIT_DONE;
}

/* A guest that has no service: one file, through its agent. */
static int copy_by_agent(struct copy_side *src, struct copy_side *dst, bool recursive)
{
	struct copy_side *guest = src->is_guest ? src : dst;
	CLEANUP(free) char *base = transfer_base(src->path);
	CLEANUP(free) char *to = NULL;
	struct stat st;

	if (recursive || (src->is_guest && dst->is_guest) || src->is_stdio || dst->is_stdio)
		return cli_fail(EXIT_FAILED, "%s: the guest has no service of Muster's; its agent copies single files "
				"to and from the host", guest->vm);
	if ((src->is_guest && stat(dst->path, &st) == 0 && S_ISDIR(st.st_mode)) ||
	    (dst->is_guest && dst->path[strlen(dst->path) - 1] == '/'))
		to = str_printf("%s/%s", dst->path, base);
	else
		to = str_dup(dst->path);
	return guest_agent_copy(guest->sup, guest->vm, src->is_guest ? src->path : to, src->is_guest ? to : src->path,
				src->is_guest);
}

int cmd_cp(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_END };
	CLEANUP(copy_side) struct copy_side src = { .sup = -1, .guest.fd = -1 };
	CLEANUP(copy_side) struct copy_side dst = { .sup = -1, .guest.fd = -1 };
	bool recursive = false;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":r", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		recursive |= c == 'r';
	}
	if (argc - optind != 2)
		return cli_usage(cmd, "a source and a destination are needed");
	parse_side(argv[optind], &src);
	parse_side(argv[optind + 1], &dst);
	if (!src.is_guest && !dst.is_guest)
		return cli_usage(cmd, "one side must be TEAM/VM:PATH");
	status = open_side(&src);
	if (status == 0 || (status == -ENOENT && dst.is_guest)) {
		int other = open_side(&dst);

		status = status != 0 ? status : other;
	}
	if (status == -ENOENT)
		return copy_by_agent(&src, &dst, recursive);
	return status != 0 ? status : copy_and_say(&src, &dst, recursive);
}
