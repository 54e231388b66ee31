/* topologies/place.h: where something was written: for messages about it later. */
#ifndef MUSTER_TOPOLOGIES_PLACE_H
#define MUSTER_TOPOLOGIES_PLACE_H

struct place {
	const char *file;
	unsigned line, column; /* from 1 */
};

#endif
