/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a job that wait for an agent, the lowest index first.
 */
#include "broker/core/policy/waiting.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/table.h"
#include "broker/core/model/charge.h"
#include "broker/core/policy/fair.h"

#include <stdlib.h>

void waiting_put_back(struct job *job, uint64_t index)
{
    if (job->again_count == job->again_room) {
        job->list_bytes += (job->again_room ? job->again_room : 16) * sizeof *job->again;
        job->again_room = job->again_room ? job->again_room * 2 : 16;
        job->again = realloc(job->again, job->again_room * sizeof *job->again);
        if (!job->again)
            abort();
    }
    uint32_t at = job->again_count++;
    for (; at && job->again[(at - 1) / 2] > index; at = (at - 1) / 2)
        job->again[at] = job->again[(at - 1) / 2];
    job->again[at] = index;
}

static uint64_t again_pop(struct job *job)
{
    uint64_t first = job->again[0], last = job->again[--job->again_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < job->again_count; at = child) {
        if (child + 1 < job->again_count && job->again[child + 1] < job->again[child])
            child++;
        if (last <= job->again[child])
            break;
        job->again[at] = job->again[child];
    }
    job->again[at] = last;
    return first;
}

static bool waits(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return task && task->state == TASK_WAITING;
}

uint64_t waiting_oldest(const struct job *job)
{
    uint64_t oldest = UINT64_MAX;
    if (job->again_count && waits(job, job->again[0]))
        oldest = table_at(&job->table, job->again[0])->u.since_ms;
    if (waits(job, job->fresh) && table_at(&job->table, job->fresh)->u.since_ms < oldest)
        oldest = table_at(&job->table, job->fresh)->u.since_ms;
    return oldest;
}

uint64_t waiting_pop(struct job *job)
{
    while (job->again_count) {
        uint64_t index = again_pop(job);
        if (index < job->fresh && waits(job, index))
            return index;
    }
    while (!waits(job, job->fresh))
        job->fresh++;
    return job->fresh++;
}

void waiting_add(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    task->state = TASK_WAITING;
    task->u.since_ms = core->now;
    if (index < job->fresh)
        waiting_put_back(job, index);
    charge_own(core, job);
    job->waiting++;
    job->queue->waiting++;
    waiting_changed(core, job);
}

void waiting_changed(struct core *core, struct job *job)
{
    struct queue *queue = job->queue;
    bool ready = job->waiting && !job->start_ms;
    if (ready && !job->active) {
        job->active = true;
        DL_APPEND2(queue->active, job, active_prev, active_next);
        fair_enter(core, job);
    } else if (!ready && job->active) {
        job->active = false;
        DL_DELETE2(queue->active, job, active_prev, active_next);
        fair_leave(core, job);
    }
    mark_job(core, job); /* notices */
    mark_queue(core, queue);
}
