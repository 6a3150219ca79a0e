/* SPDX-License-Identifier: Apache-2.0
 *
 * Which results a reader could be sent next, as far as its position and its credit go.
 */
#include "broker/core/model/cursor.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/table.h"

/* This many results are asked for at once, so that an agent that sends its results again does not send all of them for
 * each single one. */
#define AWAITED_AHEAD 64u

/* The index that delivery `number` of `reader` shows. */
static uint64_t shown(const struct reader *reader, uint64_t number)
{
    return reader->mode == BELT_ORDERED ? number : completions_at(reader->job, number);
}

struct task *cursor_task(const struct reader *reader, uint64_t number, uint64_t *index)
{
    const struct job *job = reader->job;
    if (reader->mode == BELT_UNORDERED && number >= job->completions.base + job->completions.count)
        return NULL;
    if (reader->mode == BELT_UNORDERED && number < job->completions.base)
        return NULL;
    *index = shown(reader, number);
    struct task *task = table_at(&job->table, *index);
    return task && task->state == TASK_DONE && !task->unrecorded ? task : NULL;
}

bool cursor_lags(const struct job *job)
{
    const struct reader *reader;
    uint64_t index;
    bool any = false;
    DL_FOREACH (job->readers.first, reader) {
        any |= reader->engaged;
        if (reader->engaged && cursor_task(reader, reader->acked, &index))
            return true;
    }
    return !any;
}

bool cursor_has_credit(const struct reader *reader)
{
    return reader->sent < reader->credit.items && reader->sent_bytes < reader->credit.bytes;
}

bool cursor_is_full(const struct reader *reader)
{
    return reader->session->full & (reader->job->options.durable ? FULL_LINK | FULL_DISK : FULL_LINK);
}

static bool awaits(const struct reader *reader)
{
    uint64_t index;
    return reader->session && !cursor_is_full(reader) && cursor_has_credit(reader) &&
           !cursor_task(reader, reader->sent, &index);
}

/* All before it is there, or (unordered) little is. */
static bool is_next(const struct reader *reader, uint64_t index)
{
    const struct job *job = reader->job;
    uint64_t skipped, end = job->completions.base + job->completions.count;
    if (reader->mode == BELT_UNORDERED)
        return end < reader->sent + AWAITED_AHEAD;
    if (index < reader->sent || index >= reader->sent + AWAITED_AHEAD || index >= reader->credit.items)
        return false;
    for (uint64_t number = reader->sent; number < index; number++)
        if (!cursor_task(reader, number, &skipped))
            return false;
    return true;
}

bool cursor_awaited(const struct job *job, uint64_t index)
{
    const struct reader *reader;
    DL_FOREACH (job->readers.first, reader)
        if (reader->session && !cursor_is_full(reader) && cursor_has_credit(reader) && is_next(reader, index))
            return true;
    return false;
}

bool cursor_awaits_any(const struct job *job)
{
    const struct reader *reader;
    DL_FOREACH (job->readers.first, reader) {
        const struct task *task = reader->sent < job->input.next ? table_at(&job->table, reader->sent) : NULL;
        if (!awaits(reader))
            continue;
        if (reader->mode == BELT_UNORDERED ? job->results.refused_count == 0 : task && task->state == TASK_WAITING)
            return true;
    }
    return false;
}
