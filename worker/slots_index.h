/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks by (job, index): a table with open addressing. Tasks come and go in the order of their indexes, so
 * neighbours lie in one cache line; that is all it does better than a general table, and it is on the way of every
 * task.
 */
#ifndef BELT_SLOTS_INDEX_H
#define BELT_SLOTS_INDEX_H

#include <stdint.h>

struct slots_task;

struct slots_place {
    struct slots_task *task; /* NULL: free */
    uint32_t home;           /* where the search for it begins */
};

struct slots_index {
    struct slots_place *at;
    uint32_t size, count; /* a power of two, or 0; at most half of it is used */
};

struct slots_task *slots_index_find(const struct slots_index *index, uint64_t job, uint64_t task);
/** Its key must not be there yet. Out of memory aborts. */
void slots_index_add(struct slots_index *index, struct slots_task *task);
/** It must be there. */
void slots_index_remove(struct slots_index *index, const struct slots_task *task);
void slots_index_free(struct slots_index *index);

#endif
