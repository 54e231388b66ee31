/* teams/base64.h: the form in which bytes travel in JSON. Source: RFC 4648 §4. */
#ifndef MUSTER_TEAMS_BASE64_H
#define MUSTER_TEAMS_BASE64_H

#include "core/bytes.h"

#include <stddef.h>

/* With padding, NUL-terminated; the caller frees. */
char *base64_encode(const void *data, size_t len);
/* Appends to @out. Returns 0; -EINVAL when @text is not base64 (nothing is
 * appended then). Padding may be left out. */
int base64_decode(const char *text, size_t len, struct bytes *out);

#endif
