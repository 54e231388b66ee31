/* core/escape.h: text of others made harmless for a terminal. */
#ifndef MUSTER_CORE_ESCAPE_H
#define MUSTER_CORE_ESCAPE_H

#include "core/bytes.h"

/* Appends @len bytes of @text to @out so that a terminal only shows them: control
 * characters but newline and tab (C0, DEL, C1 as UTF-8), characters that turn the
 * direction of writing, and bytes that are not UTF-8 become \xNN, a byte each. */
void escape_append(struct bytes *out, const char *text, size_t len);
/* The same of a string; the caller's. NULL gives NULL. */
char *escape_str(const char *text);

#endif
