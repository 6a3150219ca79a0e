/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks by their key. Pure. See table/task_index.h.
 */
#include "worker/table/state.h"

#include <assert.h>
#include <stdlib.h>

#define SIZE_LEAST 256u
/* Tasks whose indexes differ in these bits alone lie side by side: a cache line of places. */
#define NEIGHBOURS 3u

/* Where the search for a key begins. Neighbours share a line, the lines are scattered: two jobs whose
 *  indexes run side by side do not push each other along. */
static uint32_t home(const struct slot_table_index *index, uint64_t job, uint64_t task)
{
    uint64_t line = (task / (NEIGHBOURS + 1)) * 0x9e3779b97f4a7c15u ^ job * 0xc2b2ae3d27d4eb4fu;

    line ^= line >> 32;
    line *= 0xd6e8feb86659fd93u;
    return ((uint32_t)(line >> 32) * (NEIGHBOURS + 1) + (uint32_t)(task & NEIGHBOURS)) & (index->size - 1);
}

struct slot_table_task *slot_table_index_find(const struct slot_table_index *index, uint64_t job, uint64_t task)
{
    if (index->count == 0)
        return NULL;
    uint32_t begin = home(index, job, task);
    for (uint32_t at = begin; index->at[at].task; at = (at + 1) & (index->size - 1)) {
        const struct slot_table_place *place = &index->at[at];
        if (place->home == begin && place->task->key.index == task && place->task->key.job == job)
            return place->task;
    }
    return NULL;
}

static void put(struct slot_table_index *index, struct slot_table_task *task)
{
    uint32_t begin = home(index, task->key.job, task->key.index), at = begin;

    while (index->at[at].task)
        at = (at + 1) & (index->size - 1);
    index->at[at] = (struct slot_table_place){task, begin};
}

static void grow(struct slot_table_index *index)
{
    struct slot_table_index old = *index;

    index->size = old.size ? 2 * old.size : SIZE_LEAST;
    index->at = calloc(index->size, sizeof(*index->at));
    if (!index->at)
        slot_table_no_memory();
    for (uint32_t i = 0; i < old.size; i++)
        if (old.at[i].task)
            put(index, old.at[i].task);
    free(old.at);
}

void slot_table_index_add(struct slot_table_index *index, struct slot_table_task *task)
{
    if (2 * index->count >= index->size)
        grow(index);
    put(index, task);
    index->count++;
}

/* What lies behind moves up, so that no search ends early; but not before its home. */
void slot_table_index_remove(struct slot_table_index *index, const struct slot_table_task *task)
{
    uint32_t mask = index->size - 1, hole = home(index, task->key.job, task->key.index);

    while (index->at[hole].task != task) {
        assert(index->at[hole].task);
        hole = (hole + 1) & mask;
    }
    for (uint32_t at = (hole + 1) & mask; index->at[at].task; at = (at + 1) & mask) {
        if (((at - index->at[at].home) & mask) < ((at - hole) & mask))
            continue;
        index->at[hole] = index->at[at];
        hole = at;
    }
    index->at[hole].task = NULL;
    index->count--;
}

void slot_table_index_free(struct slot_table_index *index)
{
    free(index->at);
    *index = (struct slot_table_index){0};
}
