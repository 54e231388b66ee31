/* images/agent/agent.h: the guest agent's parts: commands and what they share.
 *
 * The agent speaks the QEMU guest agent's protocol (JSON lines, "execute" and
 * "arguments") over the virtio console port org.qemu.guest_agent.0. One
 * process, one loop; children run beside it and are collected by poll.
 * Source: QEMU guest agent protocol reference. */
#ifndef MUSTER_IMAGES_AGENT_AGENT_H
#define MUSTER_IMAGES_AGENT_AGENT_H

#include "core/base64.h"

#include <jansson.h>
#include <poll.h>
#include <stddef.h>

/* A command: returns the value of "return" (owned by the caller), or NULL
 * with an error set through agent_error(). @args may be NULL. */
typedef json_t *agent_command_fn(json_t *args);

/* Says why a command failed; returns NULL for the command to hand on. */
json_t *agent_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The arguments' string @key, or NULL. */
const char *agent_arg_str(json_t *args, const char *key);

/* exec.c: children and their output. */
json_t *command_exec(json_t *args);
/* Answers guest-exec-status: the state of a command, and once it ended what it wrote. @args: borrowed. */
json_t *command_exec_status(json_t *args);
/* Adds the fds that wait for output or input; returns how many (≤ @max). */
size_t exec_poll_add(struct pollfd *fds, size_t max);
/* Reads what the commands wrote. @fds: those that exec_poll_add() put there, with what poll(2) said; @n of them. */
void exec_poll_done(const struct pollfd *fds, size_t n);
/* Collects ended children. */
void exec_reap(void);

/* file.c */
json_t *command_file_open(json_t *args);
/* Each answers the request of its name (QEMU guest agent protocol). @args: borrowed, or NULL. The caller
 * decrefs the answer. */
json_t *command_file_close(json_t *args);
json_t *command_file_read(json_t *args);
json_t *command_file_write(json_t *args);
json_t *command_file_seek(json_t *args);
json_t *command_file_flush(json_t *args);

/* info.c */
json_t *command_info(json_t *args);
/* Each answers the request of its name (QEMU guest agent protocol). @args: borrowed, or NULL. The caller
 * decrefs the answer. */
json_t *command_ping(json_t *args);
json_t *command_host_name(json_t *args);
json_t *command_os_info(json_t *args);
json_t *command_time_get(json_t *args);
json_t *command_time_set(json_t *args);
json_t *command_interfaces(json_t *args);
json_t *command_shutdown(json_t *args);

/* bulk.c: the long string of a file's bytes, kept from the JSON library. */
/* Cuts the value of "buf-b64" out of the request of @len bytes at @line, which lives until
 * bulk_done(). Returns the request without it (the caller frees), NULL where there is nothing
 * to cut: then the line is as it was. */
char *bulk_cut(char *line, size_t len, size_t *ret_len);
/* What was cut out of the request at hand, not terminated; NULL: nothing. */
const char *bulk_request(size_t *ret_len);
/* The answer at hand has "buf-b64":"" in place of @text, which is taken over. */
void bulk_reply(char *text);
/* How many bytes of the printed @answer stand before the string *ret_text, which goes in there. */
size_t bulk_reply_at(const char *answer, const char **ret_text);
/* The request is answered. */
void bulk_done(void);

/* main.c: the table, for guest-info. */
struct agent_command {
	const char *name;
	agent_command_fn *fn;
};
extern const struct agent_command agent_commands[];
extern const size_t n_agent_commands;

#endif
