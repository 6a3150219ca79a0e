/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocator's thresholds (heap.h).
 *
 * A payload of 1 MiB costs a system call and 256 page faults when its memory comes from the kernel each time: more than
 * all the copying on its way.
 */
#include "proto/heap.h"

#include <malloc.h>

/* What may lie free at the end of the heap: a window of payloads (BELT_WINDOW_BYTES_DEFAULT). */
#define KEEP_BYTES (64 << 20)
/* Larger ones are rare, and come from the kernel. */
#define FROM_HEAP_MAX (32 << 20)

void belt_heap_keep(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, FROM_HEAP_MAX);
    mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
#endif
}
