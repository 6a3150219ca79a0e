/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory this process may use, for the defaults of a private pool.
 */
#ifndef BELT_LOCAL_MEMORY_H
#define BELT_LOCAL_MEMORY_H

#include <stdint.h>

/** The machine's memory, or less where a control group of this process (version 1 or 2), or one above it, allows less.
 * `root` is put before every path: "" outside of tests. 0: it cannot be found out. */
uint64_t local_memory(const char *root);

#endif
