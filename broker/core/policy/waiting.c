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
    if (job->waiting.again_count == job->waiting.again_room) {
        job->memory.list_bytes +=
            (job->waiting.again_room ? job->waiting.again_room : 16) * sizeof(*job->waiting.again);
        job->waiting.again_room = job->waiting.again_room ? job->waiting.again_room * 2 : 16;
        job->waiting.again = realloc(job->waiting.again, job->waiting.again_room * sizeof(*job->waiting.again));
        if (!job->waiting.again)
            abort();
    }
    uint32_t at = job->waiting.again_count++;
    for (; at && job->waiting.again[(at - 1) / 2] > index; at = (at - 1) / 2)
        job->waiting.again[at] = job->waiting.again[(at - 1) / 2];
    job->waiting.again[at] = index;
}

static uint64_t again_pop(struct job *job)
{
    uint64_t first = job->waiting.again[0], last = job->waiting.again[--job->waiting.again_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < job->waiting.again_count; at = child) {
        if (child + 1 < job->waiting.again_count && job->waiting.again[child + 1] < job->waiting.again[child])
            child++;
        if (last <= job->waiting.again[child])
            break;
        job->waiting.again[at] = job->waiting.again[child];
    }
    job->waiting.again[at] = last;
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
    if (job->waiting.again_count && waits(job, job->waiting.again[0]))
        oldest = table_at(&job->table, job->waiting.again[0])->u.since_ms;
    if (waits(job, job->waiting.fresh) && table_at(&job->table, job->waiting.fresh)->u.since_ms < oldest)
        oldest = table_at(&job->table, job->waiting.fresh)->u.since_ms;
    return oldest;
}

uint64_t waiting_pop(struct job *job)
{
    while (job->waiting.again_count) {
        uint64_t index = again_pop(job);
        if (index < job->waiting.fresh && waits(job, index))
            return index;
    }
    while (!waits(job, job->waiting.fresh))
        job->waiting.fresh++;
    return job->waiting.fresh++;
}

void waiting_add(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    task->state = TASK_WAITING;
    task->u.since_ms = core->now;
    if (index < job->waiting.fresh)
        waiting_put_back(job, index);
    charge_own(core, job);
    job->counts.waiting++;
    job->queue->waiting++;
    waiting_changed(core, job);
}

void waiting_changed(struct core *core, struct job *job)
{
    struct queue *queue = job->queue;
    bool ready = job->counts.waiting && !job->times.start_ms;
    if (ready && !job->waiting.active) {
        job->waiting.active = true;
        DL_APPEND2(queue->active, job, waiting.prev, waiting.next);
        fair_enter(core, job);
    } else if (!ready && job->waiting.active) {
        job->waiting.active = false;
        DL_DELETE2(queue->active, job, waiting.prev, waiting.next);
        fair_leave(core, job);
    }
    mark_job(core, job); /* notices */
    mark_queue(core, queue);
}
