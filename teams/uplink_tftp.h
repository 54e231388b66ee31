/* teams/uplink_tftp.h: the part of the uplink that gives out files of the host over TFTP, to guests who boot from their
 * network.
 *
 * A network has one folder, which was opened before the cell was locked. What is below it is read, and no link is
 * followed. The uplink is a user of its own: under root, only files that everybody may read are given out.
 *
 * Datagrams come as packets for the service address, and answers leave as packets: the host has no socket for them.
 *
 * Used by: teams/, which fills in the configuration before it starts the uplink.
 * Depends on: nat/part.h, dhcp/tftp.h. */
#ifndef MUSTER_TEAMS_UPLINK_TFTP_H
#define MUSTER_TEAMS_UPLINK_TFTP_H

#include "nat/part.h"

/* part.cfg of uplink_tftp_part. The same descriptors go into uplink_config.folders, or the cell forbids to read them. */
struct uplink_tftp_config {
	const int *folders; /* borrowed; of each network of the uplink, as folder_open() opens it; -1: none */
	size_t n_networks;
};

extern const struct part_ops uplink_tftp_part;

#endif
