/* tests/fabric/asking.h: a fabric that is asked without a process, and its answer. */
#ifndef MUSTER_TESTS_FABRIC_ASKING_H
#define MUSTER_TESTS_FABRIC_ASKING_H

#include "fabric/requests.h"

/* Asks what @request, the text of a JSON object, says at @real, with @fd unless it is -1.
 * @asked: the fabric; says afterwards whether it is to end. May be NULL, and @fabric is asked.
 * Returns the answer, or NULL when there was not exactly one; the caller owns it. */
json_t *asking(struct fabric *fabric, struct fabric_asked *asked, const char *request, int fd, nsec_t real);

#endif
