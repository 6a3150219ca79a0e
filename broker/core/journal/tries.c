/* SPDX-License-Identifier: Apache-2.0
 *
 * The tries of durable tasks on disk.
 */
#include "broker/core/journal/tries.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/table.h"
#include "broker/core/model/charge.h"
#include "broker/core/journal/records.h"
#include "broker/core/journal/write.h"

#include <stdlib.h>

static void note(struct core *core, struct job *job, struct tried *tried)
{
    mark_job(core, job);
    if (!list_holds(&tried->due))
        list_prepend(&job->tries.due, &tried->due);
}

static struct tried *tried_get(struct job *job, uint64_t index)
{
    struct tried *tried = NULL;
    HASH_FIND(hh, job->tries.by_index, &index, sizeof(index), tried);
    if (tried)
        return tried;
    tried = calloc(1, sizeof(*tried));
    if (!tried)
        abort();
    tried->index = index;
    job->memory.list_bytes += TRIED_COST;
    HASH_ADD(hh, job->tries.by_index, index, sizeof(tried->index), tried);
    return tried;
}

void tries_note(struct core *core, struct job *job, uint64_t index)
{
    if (!job->options.durable)
        return;
    note(core, job, tried_get(job, index));
    charge_own(core, job);
}

void tries_over(struct core *core, struct job *job, uint64_t index)
{
    struct tried *tried = NULL;
    if (!job->tries.by_index)
        return;
    HASH_FIND(hh, job->tries.by_index, &index, sizeof(index), tried);
    if (!tried)
        return;
    tried->over = true;
    note(core, job, tried);
}

static void write_tried(struct core *core, struct job *job, struct tried *tried)
{
    const struct task *task = table_at(&job->table, tried->index);
    records_drop(core, job->id, &tried->number);
    /* A run under way is not on disk: the attempt is the last one that ended. 0: a loss was taken back. */
    uint32_t ended = task ? task->attempt - (task->state == TASK_RUNNING) : 0;
    if (tried->over || !ended || task->state == TASK_DONE || task->state == TASK_RELEASED) {
        HASH_DELETE(hh, job->tries.by_index, tried);
        job->memory.list_bytes -= TRIED_COST;
        charge_own(core, job);
        free(tried);
        return;
    }
    tried->number = write_tries(core, job, tried->index, task, ended);
}

/* Until its result is on disk its tries are not forgiven. */
static bool result_withheld(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return task && task->state == TASK_DONE && task->unrecorded;
}

void tries_turn(struct core *core, struct job *job)
{
    struct tried *tried, *next;
    LIST_EACH_SAFE (&job->tries.due, tried, next, due) {
        if (result_withheld(job, tried->index))
            continue;
        list_remove(&tried->due);
        write_tried(core, job, tried);
    }
}

struct tried *tries_restore(struct job *job, uint64_t index, uint64_t number)
{
    struct tried *tried = tried_get(job, index);
    if (tried->number)
        return NULL;
    tried->number = number;
    return tried;
}

void tries_forget(struct job *job)
{
    struct tried *tried, *next;
    HASH_ITER (hh, job->tries.by_index, tried, next) {
        HASH_DELETE(hh, job->tries.by_index, tried);
        list_remove(&tried->due);
        job->memory.list_bytes -= TRIED_COST;
        free(tried);
    }
}
