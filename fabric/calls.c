/* fabric/calls.c: how a fabric's process is asked to save and to restore.
 *
 * Used by: the supervisor.   Depends on: core/rpc.h. */
#include "fabric/calls.h"

#include <errno.h>

static int ask(struct rpc *r, const char *verb, int fd, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx)
{
	return rpc_call_fds(r, json_pack("{s:s}", "do", verb), &fd, 1, timeout_ns, fn, ctx);
}

int fabric_save(struct rpc *r, int fd, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx)
{
	return ask(r, "save", fd, timeout_ns, fn, ctx);
}

int fabric_restore(struct rpc *r, int fd, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx)
{
	return ask(r, "restore", fd, timeout_ns, fn, ctx);
}

int fabric_saved_bytes(const json_t *reply, uint64_t *ret_bytes)
{
	const json_t *bytes = json_object_get(reply, "bytes");

	if (!json_is_integer(bytes) || json_integer_value(bytes) < 0)
		return -EPROTO;
	*ret_bytes = (uint64_t)json_integer_value(bytes);
	return 0;
}
