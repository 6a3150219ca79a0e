/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reader could take next.
 */
#include "cursor.h"
#include "completions.h"
#include "table.h"

/* The index that delivery `number` of `reader` shows. */
static uint64_t shown(const struct reader *reader, uint64_t number)
{
    return reader->mode == BELT_ORDERED ? number : completions_at(reader->job, number);
}

struct task *cursor_task(const struct reader *reader, uint64_t number, uint64_t *index)
{
    const struct job *job = reader->job;
    if (reader->mode == BELT_UNORDERED && number >= job->log_base + job->log_count)
        return NULL;
    if (reader->mode == BELT_UNORDERED && number < job->log_base)
        return NULL;
    *index = shown(reader, number);
    struct task *task = table_at(&job->table, *index);
    return task && task->state == TASK_DONE && task->tie != TIE_UNKEPT ? task : NULL;
}

bool cursor_lags(const struct job *job)
{
    const struct reader *reader;
    uint64_t index;
    bool any = false;
    DL_FOREACH(job->readers, reader)
    {
        any |= reader->engaged;
        if (reader->engaged && cursor_task(reader, reader->acked, &index))
            return true;
    }
    return !any;
}
