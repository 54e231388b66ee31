/* core/cleanup.h: scope-bound destruction.
 *
 * CLEANUP(fn) calls fn(&variable) when the variable leaves its scope. A
 * destructor named NAME_free(T *) is bound with DEFINE_CLEANUP once, beside
 * its declaration. take_fd()/take_ptr() hand ownership on: the variable is
 * emptied, so its destructor then does nothing. */
#ifndef MUSTER_CORE_CLEANUP_H
#define MUSTER_CORE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(cleanup_##fn)))

/* Makes cleanup_NAME out of a destructor @fn that takes a TYPE and accepts
 * TYPE's empty value (NULL). */
#define DEFINE_CLEANUP(name, type, fn)                                         \
	static inline void cleanup_##name(type *p)                             \
	{                                                                      \
		if (*p)                                                        \
			(void)fn(*p);                                          \
	}                                                                      \
	struct cleanup_needs_a_semicolon_##name

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

/* An fd variable is empty at -1. errno survives. */
static inline void cleanup_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

DEFINE_CLEANUP(file, FILE *, fclose);

static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#define take_ptr(p)                                                            \
	({                                                                     \
		__typeof__(p) *take_p_ = &(p);                                 \
		__auto_type take_v_ = *take_p_;                                \
		*take_p_ = NULL;                                               \
		take_v_;                                                       \
	})

#endif
