/* cli/cp_agent.c: one file into a guest that has no service of Muster's, or out of it, through
 * its QEMU guest agent's file calls, CHUNK bytes at a time.
 *
 * Used by: cmd_cp.c. */
#include "cli/guest.h"

#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { CHUNK = 256 * 1024 };

struct remote {
	int fd; /* the supervisor */
	const char *vm, *path;
	json_int_t handle;
};

/* One agent call. Says what is wrong. @ret_result: the caller's, may be NULL. */
static int agent(struct remote *r, const char *execute, json_t *args, json_t **ret_result)
{
	json_t *reply = NULL;
	int status = cli_call(r->fd,
			      json_pack("{s:s,s:s,s:s,s:o}", "do", "agent", "vm", r->vm, "execute",
					execute, "arguments", args),
			      NULL, NULL, &reply);

	if (status == 0 && ret_result)
		*ret_result = json_incref(json_object_get(reply, "result"));
	json_decref(reply);
	return status;
}

static int remote_open(struct remote *r, const char *mode)
{
	json_t *result = NULL;
	int status = agent(r, "guest-file-open", json_pack("{s:s,s:s}", "path", r->path, "mode", mode),
			   &result);

	if (status == 0)
		r->handle = json_integer_value(result);
	json_decref(result);
	return status;
}

static int remote_close(struct remote *r)
{
	return agent(r, "guest-file-close", json_pack("{s:I}", "handle", r->handle), NULL);
}

static int write_chunk(struct remote *r, const uint8_t *data, size_t len)
{
	while (len > 0) {
		CLEANUP(free) char *text = str_base64(data, len);
		json_t *result = NULL;
		json_int_t count;
		int status = agent(r, "guest-file-write",
				   json_pack("{s:I,s:s}", "handle", r->handle, "buf-b64", text), &result);

		if (status != 0)
			return status;
		count = json_integer_value(json_object_get(result, "count"));
		json_decref(result);
		if (count <= 0 || (size_t)count > len)
			return cli_fail(EXIT_FAILED, "%s:%s: the guest took nothing (is its disk full?)",
					r->vm, r->path);
		data += count;
		len -= (size_t)count;
	}
	return 0;
}

static int copy_in(struct remote *r, const char *src)
{
	CLEANUP(fd) int fd = open(src, O_RDONLY | O_CLOEXEC);
	static uint8_t buf[CHUNK];
	int status, closed;
	ssize_t n;

	if (fd < 0)
		return cli_fail(EXIT_FAILED, "%s: %s", src, strerror(errno));
	status = remote_open(r, "w");
	if (status != 0)
		return status;
	do {
		n = read(fd, buf, sizeof buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = cli_fail(EXIT_FAILED, "%s: %s", src, strerror(errno));
		else
			status = write_chunk(r, buf, (size_t)n);
	} while (n != 0 && status == 0);
	closed = remote_close(r);
	return status ? status : closed;
}

/* Reads one chunk into @fd. *ret_eof: the file is over. */
static int read_chunk(struct remote *r, int fd, const char *dst, bool *ret_eof)
{
	CLEANUP(bytes) struct bytes data = { 0 };
	json_t *result = NULL, *text;
	int status = agent(r, "guest-file-read",
			   json_pack("{s:I,s:i}", "handle", r->handle, "count", CHUNK), &result);

	if (status != 0)
		return status;
	text = json_object_get(result, "buf-b64");
	if (!json_is_string(text) ||
	    bytes_append_base64(&data, json_string_value(text), json_string_length(text)) < 0)
		status = cli_fail(EXIT_FAILED, "%s: the guest agent sent no file data", r->vm);
	/* An agent that says neither "eof" nor sends a byte would be asked forever. */
	*ret_eof = json_is_true(json_object_get(result, "eof")) || data.len == 0;
	json_decref(result);
	if (status == 0 && data.len > 0) {
		int e = fd_write_all(fd, data.data, data.len);

		if (e < 0)
			status = cli_fail(EXIT_FAILED, "%s: %s", dst, strerror(-e));
	}
	return status;
}

static int copy_out(struct remote *r, const char *dst)
{
	CLEANUP(fd) int fd = -1;
	bool eof = false;
	int status = remote_open(r, "r"), closed;

	if (status != 0)
		return status;
	fd = open(dst, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		status = cli_fail(EXIT_FAILED, "%s: %s", dst, strerror(errno));
	while (status == 0 && !eof)
		status = read_chunk(r, fd, dst, &eof);
	closed = remote_close(r);
	return status ? status : closed;
}

int guest_agent_copy(int sup, const char *vm, const char *guest_path, const char *host_path, bool out)
{
	struct remote r = { .fd = sup, .vm = vm, .path = guest_path };

	return out ? copy_out(&r, host_path) : copy_in(&r, host_path);
}
