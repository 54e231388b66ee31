/* core/sort.h: sorting where a cell forbids qsort(3): beyond 1 KiB glibc asks
 * sysinfo(2) how much memory there is. */
#ifndef MUSTER_CORE_SORT_H
#define MUSTER_CORE_SORT_H

#include <stddef.h>

/* Sorts @n elements of @size bytes at @base, in place; equal ones in any order.
 * @compare: as qsort(3)'s. At most about 2 n log2(n) comparisons, whatever is there. */
void sort_in_place(void *base, size_t n, size_t size, int (*compare)(const void *a, const void *b));

#endif
