/* teams/uplink_requests.h: `muster nat` and `muster forward`. */
#ifndef MUSTER_TEAMS_UPLINK_REQUESTS_H
#define MUSTER_TEAMS_UPLINK_REQUESTS_H

#include "teams/supervisor_state.h"

/* Answers with what the uplink has open. @network: a name; NULL: of all networks. */
void sup_nat(struct client *client, json_int_t id, const char *network);

/* Lists forwards, adds one, or removes one, as @op says: "list", "add" or "remove".
 * @network: a name; NULL with "list": of all. @text: "tcp:8080=server:80" with "add", "tcp:8080" with "remove". */
void sup_forward(struct client *client, json_int_t id, const char *op, const char *network, const char *text);

/* @client leaves: its questions are answered to nobody. */
void sup_uplink_forget_client(struct supervisor *sup, const struct client *client);

#endif
