/* tests/dns/dns_show.h: queries from text, and messages as text. */
#ifndef MUSTER_TESTS_DNS_DNS_SHOW_H
#define MUSTER_TESTS_DNS_DNS_SHOW_H

#include "dns/dns_msg.h"

enum { SHOW_SIZE = 8192, QUERY_SIZE = 512, EDNS_NONE = -1 };

/* Writes a query for @name, spelled as it is, with RD. @edns: the size that EDNS says, or EDNS_NONE.
 * Returns its length. */
size_t dns_query_make(uint8_t buf[QUERY_SIZE], uint16_t id, const char *name, uint16_t type, int edns);

/* "NXDOMAIN aa ra | lab.test 10 SOA lab.test ..." into @text: rcode, flags, then records; '|' ends the answers, '/' the
 * authority. Returns @text. A message that does not parse is "MALFORMED". */
const char *dns_show(const uint8_t *msg, size_t len, char text[SHOW_SIZE]);

#endif
