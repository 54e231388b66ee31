/* core/sandbox_wanted.c: whether this program has cells. Alone in its file, so
 * that a test program which defines it does not draw this one.
 *
 * Used by: sandbox.c. */
#include "core/sandbox.h"

bool sandbox_is_wanted(enum sandbox_role role)
{
	(void)role;
#ifdef MUSTER_SAN
	return false;
#else
	return true;
#endif
}
