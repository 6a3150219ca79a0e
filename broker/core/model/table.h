/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of one job, by index. Segments of a fixed size, made when their
 * first task is accepted and freed when all their tasks are released: a
 * stream of any length keeps what lies between its slowest task and its newest.
 * Knows nothing of scheduling.
 */
#ifndef BELT_CORE_TABLE_H
#define BELT_CORE_TABLE_H

#include "broker/core/model/task.h"

#define TABLE_SEGMENT 256u
/* The last segment begins with room for so many, and does so again when nothing in it is left: most jobs are small, or
 * keep few tasks at a time. */
#define TABLE_LEAST 16u
struct table_segment {
    uint32_t live;        /* tasks added and not released */
    uint32_t first, room; /* places of the tasks that there is room for; those before are released */
    struct task tasks[];
};
struct table {
    struct table_segment **segments; /* ring of `room` pointers, starting at `head` */
    uint64_t base;                   /* index of the first task of the first segment */
    uint32_t head, used, room;
    bool restoring; /* tasks come in any order */
    uint64_t bytes; /* of the segments that are there, and of their ring */
};
void table_init(struct table *table);
/** Releases every task that is left. */
void table_clear(struct table *table);
/** The task at `index`; NULL when it was never added or its segment is gone (all of it released). */
struct task *table_at(const struct table *table, uint64_t index);
/** The first index from `index` on that there is a task for (or room, when it is not added yet); UINT64_MAX when there
 *  is none. For walks over what is left. */
uint64_t table_seek(const struct table *table, uint64_t index);
/** Adds the next task, whose index must be one above the last one added; zeroed, WAITING. NULL when out of memory. */
struct task *table_add(struct table *table, uint64_t index);
/** When a job is built anew: the task at any `index`, counted as live; those around it are RELEASED until asked for. */
struct task *table_restore(struct table *table, uint64_t index);
/** The end of that: `next` is the index that will be added next. */
void table_restored(struct table *table, uint64_t next);
/** Frees what the task holds, marks it RELEASED, and frees its segment when it was the last there. `next` is the
 *  index that will be added next: a segment that may still grow stays. */
void table_release(struct table *table, uint64_t index, uint64_t next);
/** What adding the task at `next` takes, at the most. */
uint64_t table_cost(const struct table *table, uint64_t next);

#endif
