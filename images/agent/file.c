/* images/agent/file.c: the guest-file-* commands: a small table of open files. */
#include "images/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 64, READ_MAX = 48 << 20, READ_DEFAULT = 4096 };

static FILE *files[FILES_MAX]; /* handle = index + 1 */

static FILE **find(json_t *args)
{
	json_int_t h = json_integer_value(json_object_get(args, "handle"));

	if (h < 1 || h > FILES_MAX || !files[h - 1]) {
		(void)agent_error("handle '%lld' has not been found", (long long)h);
		return NULL;
	}
	return &files[h - 1];
}

json_t *command_file_open(json_t *args)
{
	const char *path = agent_arg_str(args, "path"), *mode = agent_arg_str(args, "mode");
	char flags[8];

	if (!mode)
		mode = "r";
	if (!path || !strchr("rwa", mode[0]) || strspn(mode, "rwab+") != strlen(mode) || strlen(mode) > 3)
		return agent_error("a path and a mode of fopen(3) are needed");
	(void)snprintf(flags, sizeof flags, "%se", mode);
	for (int i = 0; i < FILES_MAX; i++) {
		if (files[i])
			continue;
		files[i] = fopen(path, flags);
		if (!files[i])
			return agent_error("failed to open file '%s' (mode: '%s'): %s", path, mode,
					   strerror(errno));
		return json_integer(i + 1);
	}
	return agent_error("too many open files");
}

json_t *command_file_close(json_t *args)
{
	FILE **f = find(args);
	int r;

	if (!f)
		return NULL;
	r = fclose(*f);
	*f = NULL;
	return r == 0 ? json_object() : agent_error("failed to close handle: %s", strerror(errno));
}

json_t *command_file_read(json_t *args)
{
	json_t *count = json_object_get(args, "count");
	json_int_t want = count ? json_integer_value(count) : READ_DEFAULT;
	FILE **f = find(args);
	char *data, *text;
	size_t n;

	if (!f)
		return NULL;
	if (want < 0 || want > READ_MAX)
		return agent_error("value '%lld' is invalid for argument count", (long long)want);
	data = malloc((size_t)want + 1);
	if (!data)
		return agent_error("out of memory");
	n = fread(data, 1, (size_t)want, *f);
	if (ferror(*f)) {
		free(data);
		clearerr(*f);
		return agent_error("failed to read file: %s", strerror(errno));
	}
	text = base64_encode(data, n);
	free(data);
	if (!text)
		return agent_error("out of memory");
	bulk_reply(text);
	return json_pack("{s:I, s:s, s:b}", "count", (json_int_t)n, "buf-b64", "", "eof", feof(*f) != 0);
}

json_t *command_file_write(json_t *args)
{
	json_t *coded = json_object_get(args, "buf-b64"), *count = json_object_get(args, "count");
	FILE **f = find(args);
	unsigned char *data;
	size_t cut, len, n;
	const char *text = bulk_request(&cut);

	if (!f)
		return NULL;
	if (!text) {
		text = json_string_value(coded);
		cut = json_string_length(coded);
	}
	data = text ? base64_decode(text, cut, &len) : NULL;
	if (!data)
		return agent_error("buf-b64 is not base64");
	if (count && (size_t)json_integer_value(count) < len)
		len = (size_t)json_integer_value(count);
	n = fwrite(data, 1, len, *f);
	free(data);
	if (n < len) {
		clearerr(*f);
		return agent_error("failed to write to file: %s", strerror(errno));
	}
	return json_pack("{s:I, s:b}", "count", (json_int_t)n, "eof", 0);
}

json_t *command_file_seek(json_t *args)
{
	static const char *const names[] = { "set", "cur", "end" };
	json_t *whence = json_object_get(args, "whence");
	json_int_t how = json_integer_value(whence);
	FILE **f = find(args);

	if (!f)
		return NULL;
	for (int i = 0; json_is_string(whence) && i < 3; i++)
		if (strcmp(json_string_value(whence), names[i]) == 0)
			how = i;
	if (how < 0 || how > 2 ||
	    fseeko(*f, (off_t)json_integer_value(json_object_get(args, "offset")), (int)how) < 0)
		return agent_error("failed to seek file");
	return json_pack("{s:I, s:b}", "position", (json_int_t)ftello(*f), "eof", feof(*f) != 0);
}

json_t *command_file_flush(json_t *args)
{
	FILE **f = find(args);

	if (!f)
		return NULL;
	return fflush(*f) == 0 ? json_object() : agent_error("failed to flush file: %s", strerror(errno));
}
