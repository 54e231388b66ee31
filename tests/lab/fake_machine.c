/* tests/lab/fake_machine.c: a machine without a processor, for labs about
 * processes: it has machine.h's face and speaks the guest agent's protocol, and
 * the "guest's" commands run on the host, as this user, below a folder of their
 * own. What it does otherwise is asked for by words of the VM's cmdline:
 *
 *   fake=panic         "Kernel panic" on the console, then a reset
 *   fake=triple-fault  fake=poweroff  fake=reset: ends so, at once
 *   fake=hang          never answers
 *   fake=noise         random bytes to agent and console, without end
 *   fake=slow          answers after two seconds
 *
 * The command `evil HOW` makes it a machine that was taken over, and stays so:
 *
 *   flood         messages without end on its control socket
 *   states        "paused" and "resumed" without end, unasked
 *   line          100 MB without a newline
 *   garbage       no JSON
 *   deep          JSON nested 100,000 deep
 *   escapes       ends with terminal escapes as its reason
 *   neighbour     the first, and frames without end in its ring, from itself to itself
 *   unread        reads nothing any more
 *   mute          closes its control socket, and lives on
 *
 * FAKE_SIGNAL=N in the environment sends the command line signal N at once when it has got a lock.
 *
 * Linked before the archive vmm (make/lab.mk), so machine.o is not drawn in; or beside it, by
 * other names, in tests/lab/mixed_machine.c's program. */
#include "core/bytes.h"
#include "core/control.h"
#include "core/prng.h"
#include "core/sandbox.h"
#include "teams/store.h"
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { COMMANDS_MAX = 64, FILES_MAX = 16 };

struct command {
	pid_t pid;
	int out, err; /* memfds */
};
struct machine {
	struct machine_config cfg;
	char name[80];
	bool hang;
	struct command commands[COMMANDS_MAX];
	int files[FILES_MAX];
	nsec_t answers_at;
	struct ring_pair ring; /* of the first card */
};

/* Its commands are the host's: this machine has no cell, nor can the supervisor
 * that forks it, whose list it would inherit. The others keep theirs. */
bool sandbox_is_wanted(enum sandbox_role role)
{
	return role == SANDBOX_FABRIC || role == SANDBOX_JANITOR;
}

int __real_store_lock(const struct store *s, const char *team, int *ret_fd, char **ret_why);
int __wrap_store_lock(const struct store *s, const char *team, int *ret_fd, char **ret_why);

int __wrap_store_lock(const struct store *s, const char *team, int *ret_fd, char **ret_why)
{
	const char *signo = getenv("FAKE_SIGNAL");
	int r = __real_store_lock(s, team, ret_fd, ret_why);

	if (r == 0 && signo)
		(void)raise(atoi(signo));
	return r;
}

static const char *const end_names[] = { "poweroff", "reset", "triple-fault", "quit", "error" };

const char *machine_end_str(enum machine_end end)
{
	return end_names[end];
}

static bool word(const struct machine *m, const char *w)
{
	return m->cfg.cmdline && strstr(m->cfg.cmdline, w);
}

int machine_new(const struct machine_config *cfg, struct machine **ret_machine, char **ret_why)
{
	struct machine *m = calloc(1, sizeof *m);

	if (cfg->memory_bytes > (uint64_t)1 << 40) {
		*ret_why = str_dup("its memory cannot be had: Cannot allocate memory");
		free(m);
		return -ENOMEM;
	}
	m->cfg = *cfg;
	if (cfg->n_nics > 0 && ring_pair_attach(&cfg->nics[0].ring, RING_MACHINE, &m->ring) < 0)
		abort();
	for (int i = 0; i < FILES_MAX; i++)
		m->files[i] = -1;
	*ret_machine = m;
	return 0;
}

struct machine *machine_free(struct machine *m)
{
	free(m);
	return NULL;
}

static void say(int fd, json_t *msg)
{
	(void)control_write_msg(fd, msg);
	json_decref(msg);
}

static void print(const struct machine *m, const char *text)
{
	(void)send(m->cfg.serial_fd, text, strlen(text), MSG_NOSIGNAL);
}

/* ---- a machine that was taken over ---------------------------------------------- */

static void push(const struct machine *m, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(m->cfg.control_fd, (const char *)data + at, len - at, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* cut off; it lives on all the same */
		at += (size_t)n;
	}
}

static void repeat(const struct machine *m, const char *text, size_t n)
{
	while (n-- > 0)
		push(m, text, strlen(text));
}

static const char flood[] = "{}\n{\"event\":\"started\",\"engine\":\"\\u001b[31m\",\"why\":\"\\u009b\"}\n{\"id\":1,\"ok\":true}\n";

/* Whatever ring and control socket take, without a pause. */
static _Noreturn void be_neighbour(struct machine *m)
{
	const struct frame_offload none = { 0 };
	const struct mac_addr *mac = &m->cfg.nics[0].mac;
	uint8_t *frame;

	for (;;) {
		while ((frame = ring_reserve(&m->ring.tx, 60)) != NULL) {
			memset(frame, 0, 60);
			memcpy(frame, mac, sizeof *mac);
			memcpy(frame + sizeof *mac, mac, sizeof *mac);
			ring_commit(&m->ring.tx, 60, &none, 0);
		}
		(void)ring_publish(&m->ring.tx);
		(void)send(m->cfg.control_fd, flood, sizeof flood - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

static _Noreturn void be_evil(struct machine *m, const char *how)
{
	static const struct {
		const char *how, *first, *text;
		size_t n;
	} kinds[] = {
		{ "flood", "", flood, SIZE_MAX },
		{ "states", "", "{\"event\":\"paused\"}\n{\"event\":\"resumed\"}\n", SIZE_MAX },
		{ "line", "{\"a\":\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1600000 },
		{ "garbage", "", "\xff\xfe nonsense\n", 100 },
		{ "deep", "{\"a\":", "[", 60000 },
		{ "escapes", "{\"event\":\"ended\",\"why\":\"error\",\"text\":\"\\u001b]0;owned\\u0007\\u009b31m\"}\n", "", 0 },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].how, how) == 0) {
			push(m, kinds[i].first, strlen(kinds[i].first));
			repeat(m, kinds[i].text, kinds[i].n);
			push(m, "\n", 1);
		}
	if (strcmp(how, "neighbour") == 0)
		be_neighbour(m);
	if (strcmp(how, "mute") == 0)
		(void)close(m->cfg.control_fd);
	if (strcmp(how, "escapes") == 0)
		_exit(1);
	for (;;)
		(void)poll(NULL, 0, -1);
}

/* ---- the agent ---------------------------------------------------------------- */

static json_t *do_exec(struct machine *m, json_t *args)
{
	const char *path = json_string_value(json_object_get(args, "path"));
	json_t *arg = json_object_get(args, "arg"), *env = json_object_get(args, "env");
	json_t *input = json_object_get(args, "input-data");
	char *argv[66] = { (char *)(uintptr_t)path }, *envp[66] = { NULL };
	int in = memfd_create("in", 0), n = 0;
	CLEANUP(bytes) struct bytes data = { 0 };

	if (path && strcmp(path, "evil") == 0)
		be_evil(m, json_string_value(json_array_get(arg, 0)));
	for (size_t i = 0; i < json_array_size(arg) && i < 64; i++)
		argv[i + 1] = (char *)(uintptr_t)json_string_value(json_array_get(arg, i));
	for (size_t i = 0; i < json_array_size(env) && i < 64; i++)
		envp[i] = (char *)(uintptr_t)json_string_value(json_array_get(env, i));
	if (json_is_string(input))
		(void)bytes_append_base64(&data, json_string_value(input), json_string_length(input));
	if (data.len > 0)
		(void)fd_write_all(in, data.data, data.len);
	(void)lseek(in, 0, SEEK_SET);
	while (n < COMMANDS_MAX && m->commands[n].pid)
		n++;
	if (n == COMMANDS_MAX || !path)
		return NULL;
	m->commands[n].out = memfd_create("out", 0);
	m->commands[n].err = memfd_create("err", 0);
	m->commands[n].pid = fork();
	if (m->commands[n].pid == 0) {
		(void)dup2(in, 0);
		(void)dup2(m->commands[n].out, 1);
		(void)dup2(m->commands[n].err, 2);
		(void)setpgid(0, 0);
		(void)execvpe(path, argv, envp);
		_exit(127);
	}
	(void)close(in);
	return json_pack("{s:I}", "pid", (json_int_t)m->commands[n].pid);
}

static json_t *contents(int fd)
{
	static char buf[1 << 20];
	ssize_t n = pread(fd, buf, sizeof buf, 0);
	CLEANUP(free) char *text = str_base64(buf, n > 0 ? (size_t)n : 0);

	(void)close(fd);
	return json_string(text);
}

static json_t *do_status(struct machine *m, json_t *args)
{
	pid_t pid = (pid_t)json_integer_value(json_object_get(args, "pid"));
	int status;

	for (int i = 0; i < COMMANDS_MAX; i++) {
		struct command *c = &m->commands[i];

		if (c->pid != pid || pid == 0)
			continue;
		if (waitpid(pid, &status, WNOHANG) != pid)
			return json_pack("{s:b}", "exited", 0);
		c->pid = 0;
		return json_pack("{s:b,s:i,s:o,s:o}", "exited", 1,
				 WIFSIGNALED(status) ? "signal" : "exitcode",
				 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), "out-data",
				 contents(c->out), "err-data", contents(c->err));
	}
	return NULL;
}

static json_t *do_file(struct machine *m, const char *what, json_t *args)
{
	json_int_t h = json_integer_value(json_object_get(args, "handle"));
	const char *path = json_string_value(json_object_get(args, "path"));
	const char *mode = json_string_value(json_object_get(args, "mode"));
	static char buf[1 << 16];
	ssize_t n;

	if (strcmp(what, "guest-file-open") == 0) {
		for (h = 0; h < FILES_MAX - 1 && m->files[h] >= 0;)
			h++;
		m->files[h] = open(path ? path : "", mode && mode[0] == 'w' ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0600);
		return m->files[h] < 0 ? NULL : json_integer(h);
	}
	if (h < 0 || h >= FILES_MAX || m->files[h] < 0)
		return NULL;
	if (strcmp(what, "guest-file-close") == 0) {
		(void)close(take_fd(&m->files[h]));
		return json_object();
	}
	if (strcmp(what, "guest-file-read") == 0) {
		n = read(m->files[h], buf, sizeof buf);
		CLEANUP(free) char *text = str_base64(buf, n > 0 ? (size_t)n : 0);
		return json_pack("{s:I,s:s,s:b}", "count", (json_int_t)n, "buf-b64", text, "eof", n <= 0);
	}
	CLEANUP(bytes) struct bytes data = { 0 };
	json_t *text = json_object_get(args, "buf-b64");

	(void)bytes_append_base64(&data, json_string_value(text), json_string_length(text));
	n = write(m->files[h], data.data ? (void *)data.data : buf, data.len);
	return json_pack("{s:I}", "count", (json_int_t)n);
}

/* Returns the answer, NULL for a refusal. */
static json_t *answer(struct machine *m, const char *what, json_t *args, bool *ret_over)
{
	if (strcmp(what, "guest-sync-delimited") == 0)
		return json_incref(json_object_get(args, "id"));
	if (strcmp(what, "guest-ping") == 0)
		return json_object();
	if (strcmp(what, "guest-exec") == 0)
		return do_exec(m, args);
	if (strcmp(what, "guest-exec-status") == 0)
		return do_status(m, args);
	if (strncmp(what, "guest-file-", 11) == 0)
		return do_file(m, what, args);
	*ret_over = strcmp(what, "guest-shutdown") == 0;
	return NULL;
}

static bool serve_agent(struct machine *m)
{
	static struct bytes in;
	char buf[65536];
	ssize_t n = recv(m->cfg.agent_fd, buf, sizeof buf, MSG_DONTWAIT);
	bool over = false;
	uint8_t *nl;

	if (n > 0)
		bytes_append(&in, buf, (size_t)n);
	while (in.len > 0 && !over && (nl = memchr(in.data, '\n', in.len)) != NULL) {
		uint8_t *line = in.data;
		json_t *msg, *result, *reply;
		const char *what;

		while (line < nl && *line != '{')
			line++;
		msg = json_loadb((char *)line, (size_t)(nl - line), 0, NULL);
		what = json_string_value(json_object_get(msg, "execute"));
		result = what ? answer(m, what, json_object_get(msg, "arguments"), &over) : NULL;
		if (what && strcmp(what, "guest-sync-delimited") == 0)
			(void)send(m->cfg.agent_fd, "\xff", 1, MSG_NOSIGNAL);
		reply = result ? json_pack("{s:o}", "return", result) :
				 json_pack("{s:{s:s}}", "error", "desc", "No such file or command");
		if (!over)
			say(m->cfg.agent_fd, reply);
		else
			json_decref(reply);
		json_decref(msg);
		bytes_consume(&in, (size_t)(nl - in.data) + 1);
	}
	return over;
}

/* ---- the machine ---------------------------------------------------------------- */

static bool serve_control(struct machine *m, enum machine_end *ret_end)
{
	json_t *msg;
	const char *what;

	if (control_read_msg(m->cfg.control_fd, &msg) < 0) {
		*ret_end = MACHINE_END_QUIT;
		return true;
	}
	what = json_string_value(json_object_get(msg, "do"));
	if (what && (strcmp(what, "pause") == 0 || strcmp(what, "resume") == 0))
		say(m->cfg.control_fd, json_pack("{s:O?,s:b}", "id", json_object_get(msg, "id"), "ok", 1));
	if (what && strcmp(what, "powerdown") == 0)
		say(m->cfg.control_fd, json_pack("{s:O?,s:b,s:s}", "id", json_object_get(msg, "id"), "ok", 0,
						 "error", "no driver"));
	json_decref(msg);
	return false;
}

/* A hostile guest: whatever the sockets take. */
static _Noreturn void make_noise(struct machine *m)
{
	struct prng p;
	char buf[65536];

	prng_init(&p, 1, "noise");
	for (;;) {
		prng_bytes(&p, buf, sizeof buf);
		if (send(m->cfg.agent_fd, buf, sizeof buf, MSG_NOSIGNAL) < 0 ||
		    send(m->cfg.serial_fd, buf, sizeof buf / 16, MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

static enum machine_end run(struct machine *m)
{
	enum machine_end end = MACHINE_END_POWEROFF;
	nsec_t answers_at = clock_now() + (word(m, "fake=slow") ? 2 * NSEC_PER_SEC : 0);

	print(m, "fake machine\r\n");
	if (word(m, "fake=panic"))
		print(m, "[    0.1] Kernel panic - not syncing: asked for\r\n[    0.2] ---[ end ]---\r\n");
	if (word(m, "fake=noise"))
		make_noise(m);
	for (int i = 0; i < MACHINE_END_COUNT; i++) {
		CLEANUP(free) char *w = str_printf("fake=%s", end_names[i]);

		if (word(m, w))
			return (enum machine_end)i;
	}
	for (;;) {
		bool late = clock_now() < answers_at || word(m, "fake=hang") || word(m, "fake=panic");
		struct pollfd p[] = { { .fd = m->cfg.control_fd, .events = POLLIN },
				      { .fd = late ? -1 : m->cfg.agent_fd, .events = POLLIN },
				      { .fd = m->cfg.serial_fd, .events = POLLIN } };
		char echo[256];
		ssize_t n;

		(void)poll(p, 3, late ? 50 : -1);
		if (p[0].revents && serve_control(m, &end))
			return end;
		if (p[1].revents && serve_agent(m))
			return MACHINE_END_POWEROFF;
		n = p[2].revents ? recv(m->cfg.serial_fd, echo, sizeof echo, MSG_DONTWAIT) : 0;
		if (n > 0)
			(void)send(m->cfg.serial_fd, echo, (size_t)n, MSG_NOSIGNAL);
	}
}

enum machine_end machine_run(struct machine *m, char **ret_why)
{
	enum machine_end end;

	*ret_why = NULL;
	say(m->cfg.control_fd, json_pack("{s:s,s:s}", "event", "started", "engine", "soft"));
	end = run(m);
	say(m->cfg.control_fd, json_pack("{s:s,s:s}", "event", "ended", "why", end_names[end]));
	return end;
}
