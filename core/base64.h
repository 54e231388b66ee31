/* core/base64.h: the form in which bytes travel in JSON. The guest agent is built with this file
 * too, so it needs nothing but the C library.   Source: RFC 4648 §4. */
#ifndef MUSTER_CORE_BASE64_H
#define MUSTER_CORE_BASE64_H

#include <stddef.h>

/* With padding, NUL-terminated; the caller frees. NULL when memory is out. */
char *base64_encode(const void *data, size_t len);
/* Decodes @text, padding included: nothing outside the alphabet is taken, white space included.
 * Returns the bytes and one NUL byte more, which the caller frees; NULL when @text is not
 * base64 or memory is out. @ret_len: untouched then. */
unsigned char *base64_decode(const char *text, size_t len, size_t *ret_len);

#endif
