/* images/agent/bulk.c: a file's bytes past the JSON parser.
 *
 * Nearly all of a guest-file-write is one base64 string, and of the answer to a
 * guest-file-read. A JSON library looks at every character of it several times
 * (escapes, UTF-8, a copy or two), which a software processor takes ten seconds
 * for where the file has 20 MB. So the string is cut out of a request before it is
 * parsed, and put into an answer after it was printed; either way the JSON has an
 * empty string in its place. What is on the wire is the protocol's.
 *
 * A request is cut only where the string is base64 to its closing quote; anything
 * else goes to the parser as it came.
 *
 * Used by: main.c, file.c. */
#include "images/agent/agent.h"

#include <stdlib.h>
#include <string.h>

static const char key[] = "\"buf-b64\"";

enum { KEY_LEN = sizeof key - 1, REST_MAX = 4096 };

static struct {
	const char *text; /* of the request at hand, in its line; NULL: none */
	size_t len;
} request;

static char *reply; /* of the answer at hand, owned; NULL: none */

/* The first character of the key's string value, or NULL. JSON: the key as a whole, a colon
 * with white space about it, a quote. */
static char *find_value(char *line, size_t len)
{
	char *end = line + len, *p = memmem(line, len < REST_MAX ? len : REST_MAX, key, KEY_LEN);

	if (!p || (p > line && p[-1] == '\\'))
		return NULL;
	p += KEY_LEN;
	while (p < end && *p == ' ')
		p++;
	if (p == end || *p++ != ':')
		return NULL;
	while (p < end && *p == ' ')
		p++;
	return p < end && *p == '"' ? p + 1 : NULL;
}

char *bulk_cut(char *line, size_t len, size_t *ret_len)
{
	char *value = find_value(line, len);
	char *quote = value ? memchr(value, '"', (size_t)(line + len - value)) : NULL;
	size_t head, tail;
	char *rest;

	request.text = NULL;
	if (!quote || memchr(value, '\\', (size_t)(quote - value)))
		return NULL;
	head = (size_t)(value - line);
	tail = (size_t)(line + len - quote);
	if (tail > REST_MAX)
		return NULL;
	rest = malloc(head + tail);
	if (!rest)
		return NULL;
	memcpy(rest, line, head);
	memcpy(rest + head, quote, tail);
	request.text = value;
	request.len = (size_t)(quote - value);
	*ret_len = head + tail;
	return rest;
}

const char *bulk_request(size_t *ret_len)
{
	*ret_len = request.len;
	return request.text;
}

void bulk_done(void)
{
	request.text = NULL;
	free(reply);
	reply = NULL;
}

void bulk_reply(char *text)
{
	free(reply);
	reply = text;
}

size_t bulk_reply_at(const char *answer, const char **ret_text)
{
	static const char hole[] = "\"buf-b64\":\"";
	const char *at = reply ? strstr(answer, hole) : NULL;

	*ret_text = at ? reply : "";
	return at ? (size_t)(at - answer) + sizeof hole - 1 : strlen(answer);
}
