/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks by (job, index): a table with open addressing. Tasks come and go in the order of their indexes, so
 * neighbours lie in one cache line; that is all it does better than a general table, and it is on the way of every
 * task.
 */
#ifndef BELT_WORKER_TABLE_TASK_INDEX_H
#define BELT_WORKER_TABLE_TASK_INDEX_H

#include <stdint.h>

struct slot_table_task;

struct slot_table_place {
    struct slot_table_task *task; /* NULL: free */
    uint32_t home;                /* where the search for it begins */
};

struct slot_table_index {
    struct slot_table_place *at;
    uint32_t size, count; /* a power of two, or 0; at most half of it is used */
};

struct slot_table_task *slot_table_index_find(const struct slot_table_index *index, uint64_t job, uint64_t task);
/** Its key must not be there yet. Out of memory aborts. */
void slot_table_index_add(struct slot_table_index *index, struct slot_table_task *task);
/** It must be there. */
void slot_table_index_remove(struct slot_table_index *index, const struct slot_table_task *task);
void slot_table_index_free(struct slot_table_index *index);

#endif
